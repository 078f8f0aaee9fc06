#!/bin/bash
# The helper, the application or both are killed at every point of attaching,
# changing the filter, detaching, and removing what the dead have left: traffic,
# verdicts and other captures do not notice, nothing is copied for the dead, and the
# next capture removes what they have left.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/events/lib.sh
. "$SRC/tests/events/lib.sh"

# Of the test build of the helper (test_point()), in their order; :2 is for the
# second action, of two.
ATTACH="attach-begin attach-maps attach-locked attach-probe attach-slots:1
	attach-slots:2 attach-head:1 attach-head:2 attach-done"
FILTER="filter-loaded filter-locked filter-slot:1 filter-slot:2 filter-head:1
	filter-head:2 filter-done"
DETACH="detach-begin detach-locked detach-slot:1 detach-slot:2 detach-head:1
	detach-head:2 detach-done"
# Of two dead captures of two actions.
BURY="buried:1 buried:2 buried:3 buried:4"

# die POINT HOW LINE...: a capture s comes to the point and then, HOW being
# helper, application or both, ends there. Lines of a script.
die() {
	local point=$1 how=$2

	shift 2
	echo "# $how at $point"
	case $how in
	helper)
		echo "start s actions=drop,pass DIE=$point"
		printf '%s\n' "$@"
		;;
	application)
		echo "start s actions=drop,pass STOP=$point"
		printf '%s\n' "$@" "at s" "run 50" "kill s application" \
			"continue s helper"
		;;
	both)
		echo "start s actions=drop,pass STOP=$point"
		printf '%s\n' "$@" "at s" "run 50" "kill s both"
		;;
	esac
	echo "gone s"
}

# The head and the one behind it. Lines of a script.
DEAD="start x actions=drop,pass filter=4
attached x
start y actions=drop,pass
attached y
kill x helper
gone x
kill y helper
gone y"

# all_ways PROGRAMS "POINT..." LINE...: at each point in each way, and afterwards
# one capture w, if there is one, goes on with so many programs, nothing else
# copies, and another one captures. BEFORE are lines before each.
BEFORE=
all_ways() {
	local programs=$1 points=$2 point how

	shift 2
	for point in $points; do
		for how in helper application both; do
			echo "$BEFORE"
			die "$point" $how "$@"
			cat <<-END
				quiet w
				start n actions=drop,pass filter=5
				attached n
				run 100
				close n
				gone n
				programs $programs
			END
		done
	done
}

# without PATTERN "POINT...": those that do not match.
without() {
	tr -s '\t ' '\n' <<<"$2" | grep -v "$1"
}

# check "POINT..." LINE...: as the head, before another capture; behind the head,
# whose points it does not come to; and alone. What the hook takes is probed in it
# only when it is empty. Indexes are given out from the highest, and the lowest is
# the head.
check() {
	events_up
	{
		printf '%s\n' "start w actions=drop,pass filter=6" "attached w"
		all_ways 2 "$(without probe "$1")" "${@:2}"
		printf '%s\n' "close w" "gone w"

		printf '%s\n' "start v actions=drop,pass" "attached v" \
			"start w actions=drop,pass filter=6" "attached w" \
			"close v" "gone v"
		all_ways 2 "$(without 'head\|probe' "$1")" "${@:2}"
		printf '%s\n' "close w" "gone w"

		all_ways 0 "$@"
	} >"$TMP/script"
	events <"$TMP/script"
}

test_killed_while_attaching() {
	check "$ATTACH"
}

test_killed_while_changing_the_filter() {
	check "$FILTER" "attached s" "filter s 4"
}

test_killed_while_detaching() {
	check "$DETACH" "attached s" "close s"
}

# While somebody lives, or else the kernel has removed them.
test_killed_while_removing_the_dead() {
	events_up
	BEFORE=$DEAD
	{
		printf '%s\n' "start w actions=drop,pass filter=6" "attached w"
		all_ways 2 "$BURY"
		echo "close w"
	} >"$TMP/script"
	events <"$TMP/script"
}

run_tests
