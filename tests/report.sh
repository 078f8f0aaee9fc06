# shellcheck shell=bash
# shellcheck disable=SC2154 # $tmp is the suite's
# The protocol of tools/run-suites, for suites that are shell scripts: a line for
# each test, and at the end how many there were. To be sourced.

passed=0 failed=0 skipped=0

ok() {
	echo "ok $1"
	passed=$((passed + 1))
}

# not_ok NAME [DETAILS]
not_ok() {
	echo "not ok $1"
	[ $# -lt 2 ] || printf '    %s\n' "${2//$'\n'/$'\n    '}"
	failed=$((failed + 1))
}

# skipped NAME REASON
skipped() {
	echo "skip $1 # $2"
	skipped=$((skipped + 1))
}

# Print the last line, and exit.
summary() {
	if [ $skipped = 0 ]; then
		echo "$passed passed, $failed failed"
	else
		echo "$passed passed, $failed failed, $skipped skipped"
	fi
	[ $failed = 0 ]
	exit
}

# relay PREFIX COMMAND...: runs tests, whose lines are ours, with that before their
# names. If they do not come to their last line, it is a failure as well.
relay() {
	local prefix=$1 line ended=

	shift
	while IFS= read -r line; do
		case $line in
		"ok "*) ok "$prefix${line#ok }" ;;
		"not ok "*) not_ok "$prefix${line#not ok }" ;;
		"skip "*)
			line=${line#skip }
			skipped "$prefix${line%% # *}" "${line#* # }"
			;;
		[0-9]*" passed, "*) ended=1 ;;
		*) echo "$line" ;;
		esac
	done < <("$@" 2>&1)
	[ $ended ] || not_ok "${prefix}the tests have come to an end"
}

# run_functions [NAME...]: the functions test_NAME, those that are named or all, and
# exit. Each runs in a subshell with set -e, in a directory of its own below $tmp;
# what it prints is shown if it fails, and otherwise the lines that match $SHOWN.
# Exit status 77 is a skipped test, with the reason on its last line.
run_functions() {
	local name

	[ $# != 0 ] ||
		mapfile -t tests < <(declare -F | sed -n 's/^declare -f test_//p')
	[ $# = 0 ] || tests=("$@")
	for name in "${tests[@]}"; do
		mkdir "$tmp/$name"
		(
			set -e
			cd "$tmp/$name"
			"test_$name"
		) </dev/null >"$tmp/log" 2>&1
		case $? in
		0)
			[ -z "${SHOWN-}" ] || grep -E "$SHOWN" "$tmp/log"
			ok "$name"
			;;
		77) skipped "$name" "$(tail -n 1 "$tmp/log")" ;;
		*) not_ok "$name" "$(cat "$tmp/log")" ;;
		esac
		rm -rf "${tmp:?}/$name"
	done
	summary
}
