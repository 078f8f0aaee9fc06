# shellcheck shell=bash
# The examples of README.md, doc/consumers.md and the manual pages: each indented
# or fenced block, each .nf or .EX block and each .RS .B "COMMAND" of a page. To be
# sourced, with SRC set to the source directory.
#
# tests/docs.sh runs them all, but for those that need what only another suite
# has; that suite runs the line that example prints.

# documents: those whose examples are run.
documents() {
	(cd "$SRC" && ls README.md doc/consumers.md doc/*.[1-8])
}

# examples FILE: numbered lines, each a block's first line's number, a tab, and a
# line of the block; continued lines are joined.
examples() {
	case $1 in
	*.md) examples_of_markdown "$1" ;;
	*) examples_of_page "$1" ;;
	esac | sed -e ':more' -e '/\\$/{N;s/\\\n[0-9]*\t[[:blank:]]*//;b more' -e '}'
}

examples_of_markdown() {
	awk '
	/^ *```/ { fenced = !fenced; first = NR; next }
	fenced { print first "\t" $0; next }
	# in a list, what belongs to an item has two blanks more
	/^    / && (blank || block) {
		if (!block) first = NR
		block = 1; sub(/^    (  )?/, ""); print first "\t" $0; next
	}
	{ block = 0; blank = /^$/ }' "$1"
}

examples_of_page() {
	awk '
	/^\.SH/ { synopsis = /SYNOPSIS/ }
	/^\.(nf|EX)/ && !synopsis { block = NR; next }
	/^\.(fi|EE)/ { block = 0 }
	/^\.RS/ { indented = NR }
	/^\.RE/ { indented = 0 }
	indented && /^\.B "/ { sub(/^\.B "/, ""); sub(/"$/, ""); print indented "\t" $0 }
	block { print block "\t" $0 }' "$1" |
		sed 's/\\-/-/g; s/\\(aq/'\''/g; s/\\(dq/"/g; s/\\e/\\/g; s/\\&//g'
}

# example LINE [SED]: that line, as a document has it but for a comment, for a
# suite to run; the sed expression puts this machine's for what is the reader's.
# Fails if no document has it. The suite names it literally, so that docs.sh sees
# that it is run.
example() {
	local document

	for document in $(documents); do
		examples "$SRC/$document"
	done | cut -f 2- | sed 's/[[:blank:]]*#.*//' | grep -qxF -e "$1" || {
		echo "no document has the example: $1" >&2
		return 1
	}
	sed -E -e "${2-}" <<<"$1"
}
