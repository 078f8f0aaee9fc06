#!/bin/bash
# That tests/lib.sh notices what a test leaves behind, which is how every other
# test shows that captures do not: programs in the hook, eBPF programs and maps,
# helpers.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
MODE=--immediate-mode

# A capture has been, and something of it stays.
LEFT=/sys/fs/bpf/left

# noticed MESSAGE: the function test_inner, run as a test, fails with it.
noticed() {
	local status=0

	# not as a condition, within which set -e has no effect
	(LEFT_PATIENCE=1 run_test inner) >"$TMP/inner" 2>&1 &
	wait $! || status=$?
	rm -f $LEFT
	[ $status = 1 ] || fail "exit status $status: $(cat "$TMP/inner")"
	contains "what it says" "$1" "$(cat "$TMP/inner")"
}

# newest PATTERN: the number of the newest eBPF object whose line matches.
newest() {
	bpf_objects | sed -n "s/^$1.*/\1/p" | tail -n 1
}

test_nothing_is_noticed_of_a_capture_that_ends() {
	local status=0

	test_inner() {
		network_up
		capture a udp
		traffic -c 10
		wait_frames a 10
		stop a
	}
	(run_test inner) >"$TMP/inner" 2>&1 &
	wait $! || status=$?
	[ $status = 0 ] || fail "exit status $status: $(cat "$TMP/inner")"
}

# nothing_stays COMMAND...: no program or map is left of the captures that it makes,
# PROG_ARRAYs included. Another bpftool on this machine may keep one that it lists at
# the wrong moment, so once in a few times is enough.
nothing_stays() {
	local seconds

	for seconds in 1.5 3 6 12; do
		bpf_objects >"$TMP/before"
		echo "none" >>"$TMP/before"
		network_up
		"$@"
		wait_for "$LEFT_PATIENCE" no_helpers
		network_down
		# for the kernel; to look again and again could make them stay
		sleep $seconds
		LEFT_IGNORED='^$' left_behind >"$TMP/left" || return 0
	done
	fail "left: $(cat "$TMP/left")"
}

test_no_map_stays_of_captures_that_end() {
	captures_that_end() {
		capture a udp
		capture b
		capture c udp
		stop b
		stop a
		stop c
	}
	nothing_stays captures_that_end
}

# Of one that is the head; and one that is not, so that the head goes on.
test_no_map_stays_of_captures_that_are_killed() {
	captures_that_are_killed() {
		local first second

		capture a
		first=$(helpers)
		kill -KILL "$first"
		ended a
		capture a
		first=$(helpers)
		capture b udp
		second=$(helpers | grep -vx "$first")
		kill -KILL "$first"
		ended a
		capture a
		kill -KILL "$second"
		ended b
		capture b
		stop b
		stop a
	}
	nothing_stays captures_that_are_killed
}

test_a_program_is_noticed() {
	test_inner() {
		network_up
		capture a udp
		bpftool prog pin id "$(newest 'prog \([0-9]*\): xdpcap_filter')" $LEFT
		stop a
	}
	noticed "eBPF programs or maps are left"
}

test_a_map_is_noticed() {
	test_inner() {
		network_up
		capture a udp
		bpftool map pin id "$(newest 'map \([0-9]*\): xdpcap_ctl')" $LEFT
		stop a
	}
	noticed "eBPF programs or maps are left"
}

test_a_program_in_the_hook_is_noticed() {
	test_inner() {
		network_up
		capture a udp
		kill -KILL "$(helpers)"
		ended a
	}
	noticed "the hook is not empty"
}

test_a_helper_is_noticed() {
	test_inner() {
		network_up
		capture a udp
		kill -STOP "$(helpers)"
		kill -KILL "${PID[a]}"
		ended a
		# or what is in it would be noticed first
		rm "$HOOK"
	}
	noticed "a helper is left"
	kill -KILL "$(helpers)"
	wait_for 60 no_helpers
}

test_a_capture_that_goes_on_is_noticed() {
	test_inner() {
		network_up
		capture a udp
		rm "$HOOK"
	}
	noticed "still running: a"
}

run_tests
