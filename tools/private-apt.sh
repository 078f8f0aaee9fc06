# shellcheck shell=bash
# apt with a configuration of its own, made from the system's: the entries for
# the distribution's archive, with lists and caches in a temporary directory,
# $tmp, that is removed when the script ends. The system's configuration, lists
# and caches are neither changed nor needed to have the entries. apt verifies
# what it downloads against the archive's signature.
#
# Sourced by tools/fetch-*, and by test suites that get something else, after suite
# (empty: the system's own) and type (deb or deb-src) are set and die is defined.

: "${suite=}" "${type:?}"

# shellcheck source=/dev/null
codename=$(. /etc/os-release && echo "${VERSION_CODENAME-}")
[ -n "$codename" ] || die "/etc/os-release names no VERSION_CODENAME: this is for Debian and its like"

# Under /tmp rather than beside what is made, so that apt's unprivileged user
# _apt can reach it. Downloads go to $tmp/download.
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
chmod 755 "$tmp"
mkdir -p "$tmp"/{sources.d,lists/partial,cache/archives/partial,download}
if [ "$(id -u)" = 0 ] && id -u _apt >/dev/null 2>&1; then
	chown _apt "$tmp/download"
fi

# Both formats of sources: keep an entry if it is of the distribution's
# release (not, say, "stable" of somebody's own archive), has a component
# "main", and is signed with an archive keyring or with no particular key.
entries() {
	local file

	for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
		[ ! -f "$file" ] || sed -E 's/#.*//; /^[[:blank:]]*deb(-src)?[[:blank:]]/!d' "$file"
	done |
	sed -E 's/^[[:blank:]]*deb(-src)?[[:blank:]]+(\[([^]]*)\])?[[:blank:]]*/\3|/' |
	awk -F '|' '{
		n = split($2, f, " ")
		components = ""
		for (i = 3; i <= n; i++)
			components = components " " f[i]
		m = split($1, o, " ")
		options = ""
		for (i = 1; i <= m; i++) {
			if (tolower(o[i]) ~ /^signed-by=/)
				options = options "\nSigned-By: " substr(o[i], 11)
			if (tolower(o[i]) ~ /^trusted=/)
				options = options "\nTrusted: " substr(o[i], 9)
		}
		printf "Types: deb\nURIs: %s\nSuites: %s\nComponents:%s%s\n\n",
		       f[1], f[2], components, options
	}'
	for file in /etc/apt/sources.list.d/*.sources; do
		[ ! -f "$file" ] || { grep -v '^#' "$file"; echo; }
	done
}

# archive NAMES: an entry of our type for each whose suite is one of NAMES (a
# pattern), with a suite of those that belong to it.
archive() {
	entries | awk -v RS= -v names="$1" -v suite="$suite" -v type="$type" '
	# The names in a field that spans one or more lines.
	function field(name,    i, n, line, value, on) {
		n = split($0, line, "\n")
		for (i = 1; i <= n; i++) {
			if (line[i] !~ /^[ \t]/)
				on = tolower(line[i]) ~ "^" tolower(name) ":"
			if (on)
				value = value " " line[i]
		}
		sub(/^[^:]*:/, "", value)
		return value
	}
	{
		kept = ""
		n = split(field("Suites"), suites, /[ \t]+/)
		for (i = 1; i <= n; i++) {
			s = suites[i]
			if (s !~ "^(" names ")(-updates|-security|/updates)?$")
				continue
			if (suite != "")
				sub(/^[^-\/]*/, suite, s)
			kept = kept " " s
		}
		signer = field("Signed-By")
		if (kept == "" || field("Components") !~ /(^|[ \t])main([ \t]|$)/ ||
		    tolower(field("Enabled")) ~ /no|false/ ||
		    (signer ~ /^[ \t]*\// && signer !~ /-archive-/))
			next
		print "Types: " type
		print "URIs:" field("URIs")
		print "Suites:" kept
		print "Components: main"
		if (signer ~ /^[ \t]*\//)
			print "Signed-By:" signer
		if (field("Trusted") != "")
			print "Trusted:" field("Trusted")
		print ""
	}'
}

archive "$codename" >"$tmp/sources.d/archive.sources"
# Where testing or unstable is followed by that name.
[ -s "$tmp/sources.d/archive.sources" ] ||
	archive 'oldstable|stable|testing|unstable|sid' >"$tmp/sources.d/archive.sources"
[ -s "$tmp/sources.d/archive.sources" ] ||
	die "found no entry for $codename's archive in /etc/apt/sources.list and /etc/apt/sources.list.d"

# A file, not options: only a file can remove the system's hooks, which would
# run for lists and caches that are not the system's.
cat >"$tmp/apt.conf" <<END
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "$tmp/sources.d";
Dir::State::lists "$tmp/lists";
Dir::Cache "$tmp/cache";
Acquire::AllowInsecureRepositories "false";
APT::Get::AllowUnauthenticated "false";
APT::Get::Only-Source "true";
END

# apt COMMAND...: apt-get, silent unless it fails.
apt() {
	apt-get -c "$tmp/apt.conf" -q "$@" </dev/null >>"$tmp/log" 2>&1 || {
		cat "$tmp/log" >&2
		die "apt-get $1 failed"
	}
}
