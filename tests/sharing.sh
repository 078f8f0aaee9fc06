#!/bin/bash
# Several captures share a hook: under traffic, each gets all of its packets and
# no others, whatever the others do; and the verdicts stand. What happens is in
# scripts for tests/events/events (script.c), which compares every capture with
# what was sent.
#
# Of the test random_events, these say in the environment: SEED, what happens (the
# time, and printed in any case); EVENTS, how many there are (400, at most 1200 for
# the packets to suffice); RUNS, of how many seeds, from that one on (1). For hours:
#	while RUNS=10 tests/run build sharing/random_events; do :; done
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/events/lib.sh
. "$SRC/tests/events/lib.sh"

MOST="busy: action drop is captured 8 times already, which is the most"

# eight ACTIONS: lines that start as many captures as there can be: of root and
# of users, with different filters, snapshot lengths, and buffers.
eight() {
	cat <<-END
		start a actions=$1
		start b actions=$1 filter=1 snaplen=14 helper=admin user=60001
		start c actions=$1 filter=3 snaplen=60 buffer=1048576 immediate
		start d actions=$1 filter=4 snaplen=64 helper=admin user=60002
		start e actions=$1 filter=5 snaplen=65 buffer=33554432
		start f actions=$1 filter=6 snaplen=200 helper=admin user=60003
		start g actions=$1 filter=8 immediate
		start h actions=$1 filter=10 snaplen=100 buffer=4194304
	END
	printf 'attached %s\n' {a..h}
}

test_eight_captures_of_an_action_and_no_ninth() {
	events_up
	events <<-END
		$(eight drop)
		run 5000
		refused i actions=drop : $MOST
		refused i : $MOST
		# on other actions there is room
		start j actions=pass,tx
		attached j
		run 300
		close d
		gone d
		start i actions=drop filter=5
		attached i
		run 1000
		refused k actions=drop helper=admin user=60001 : $MOST
		$(printf 'close %s\n' {a..c} {e..j})
	END
}

test_captures_of_overlapping_actions() {
	events_up
	events <<-END
		start a actions=drop
		start b actions=drop,pass filter=4
		start c filter=3
		start d actions=tx,redirect
		start e actions=aborted,drop filter=6
		$(printf 'attached %s\n' {a..e})
		run 3000
		close a
		gone a
		run 1000
		close c
		gone c
		run 1000
		start a
		attached a
		run 1000
		$(printf 'close %s\n' a b d e)
	END
}

# The maps that several filter programs of this test's captures have, a line each.
shared_maps() {
	bpf_objects | grep -vxF -f "$TMP/before" |
		awk '$3 == "xdpcap_filter" { print $4 }' | tr , '\n' |
		sort | uniq -d
}

# So they cost each other nothing: programs are joined by maps only.
test_captures_of_different_actions_share_nothing() {
	network_up
	DEVICE=xdpcap:$HOOK@drop capture a
	DEVICE=xdpcap:$HOOK@pass capture b udp
	same "slots in use" "01 02 " "$(hook_slots | cut -d ' ' -f 1 | tr '\n' ' ')"
	same "maps that two have" "" "$(shared_maps)"
	DEVICE=xdpcap:$HOOK@drop capture c
	[ -n "$(shared_maps)" ] || fail "captures of the same action share no map"
	stop a
	stop b
	stop c
}

# In every place; and a place that is free is taken again.
test_captures_leave_and_come_back() {
	local name

	events_up
	{
		eight drop,tx
		for name in a d h b a; do
			cat <<-END
				close $name
				gone $name
				run 1000
				start $name actions=drop,tx filter=5
				attached $name
				run 1000
			END
		done
		# the head goes last; then the one of the highest place, and
		# every time others join who is left
		for name in {a..g}; do
			printf 'close %s\ngone %s\nrun 500\n' $name $name
		done
		cat <<-END
			start a actions=drop,tx filter=6
			start b actions=drop,tx
			attached a
			attached b
			run 500
			close h
			gone h
			run 500
			close b
			gone b
			run 500
			start c actions=drop,tx filter=3
			attached c
			run 500
			close a
			close c
		END
	} | events
}

test_captures_that_come_and_go_at_once() {
	events_up
	{
		printf 'start w\nattached w\n'
		for _ in 1 2 3; do
			eight drop,pass,tx,redirect | grep -v 'start h\|attached'
			printf 'attached %s\n' {a..g}
			echo "run 300"
			printf 'close %s\n' {a..g}
			printf 'gone %s\n' {a..g}
		done
		echo "close w"
	} | events
}

# It is known as a capture all the same, though it calls no copy program: the
# verdict of drop is not outbound.
test_joining_one_that_matches_nothing() {
	events_up
	events <<-END
		start a actions=drop filter=9
		attached a
		run 300
		start b actions=drop
		attached b
		run 300
		close a
		gone a
		start c actions=drop filter=8
		attached c
		run 300
		close b
		gone b
		start d actions=drop,pass
		attached d
		run 300
		close c
		close d
	END
}

# Of the first capture, one in the middle, and the last.
test_filter_changes_lose_and_duplicate_nothing() {
	local name filter

	events_up
	{
		eight drop,pass
		for filter in 1 6 4 10 5 3 8 0 7; do
			for name in a e h; do
				printf 'filter %s %s\nrun 200\n' $name $filter
			done
		done
		printf 'attached %s\n' a e h
		# at once
		for filter in 1 5 6; do
			printf "filter %s $filter\n" {a..h}
			printf 'attached %s\n' {a..h}
			echo "run 300"
		done
		printf 'close %s\n' {a..h}
	} | events
}

# Its drops are counted, and the others do not notice.
test_a_full_ring() {
	events_up
	events <<-END
		start a actions=drop,pass,tx filter=5
		start b actions=drop,pass,tx buffer=4096 drops
		start c actions=drop,pass,tx buffer=4096 drops helper=admin user=60001
		start d actions=drop,pass,tx filter=6
		$(printf 'attached %s\n' {a..d})
		stop b application
		stall c
		run 20000
		filter a 3
		start e actions=drop,pass filter=1
		attached e
		close d
		gone d
		continue b application
		resume c
		run 1000
		$(printf 'close %s\n' a b c e)
	END
}

# Packets need no helper, and others need not that one.
test_a_stopped_helper() {
	events_up
	events <<-END
		start a actions=drop,pass
		start b actions=drop,pass filter=4
		start c actions=drop,pass filter=6
		$(printf 'attached %s\n' {a..c})
		stop a helper
		stop b helper
		run 1000
		start d filter=5
		attached d
		filter c 3
		attached c
		run 1000
		close c
		gone c
		kill b application
		run 1000
		close d
		gone d
		continue a helper
		continue b helper
		gone b
		close a
	END
}

test_killed_captures_make_room() {
	events_up
	events <<-END
		$(eight drop,pass)
		run 300
		kill a helper
		kill d both
		kill h application
		gone a
		gone d
		gone h
		run 1000
		start a actions=drop,pass filter=5
		start d actions=drop,pass
		start h actions=drop,pass filter=6
		$(printf 'attached %s\n' a d h)
		refused i actions=drop : $MOST
		run 1000
		$(printf 'close %s\n' {a..h})
	END
}

# It can be the first, and be joined, but not join; and it leaves whoever is left
# then. If that is a dead one that it may not look at, the next removes it.
test_capture_without_cap_sys_admin() {
	events_up
	events <<-END
		start a actions=drop,pass helper=user user=60001
		attached a
		refused b actions=drop helper=user user=60002 : busy: action drop is already captured by
		start b actions=drop,pass filter=4
		start c actions=drop helper=admin user=60002
		attached b
		attached c
		run 1000
		close a
		gone a
		quiet b c
		run 1000
		filter b 5
		filter c 3
		run 1000
		close b
		gone b
		run 1000
		close c
		gone c
		programs 0
		start a actions=drop,pass helper=user user=60001
		attached a
		start b actions=drop,pass
		attached b
		run 300
		# the other is gone, it is the head again
		close b
		gone b
		filter a 4
		run 300
		start b actions=drop,pass
		attached b
		kill b helper
		gone b
		quiet a
		close a
		gone a
		quiet
		refused c actions=drop helper=user user=60002 : busy: action drop is already captured by
		start c actions=drop
		attached c
		run 300
		close c
	END
}

# It makes ten of the 33 tail calls that the kernel allows.
test_program_that_makes_tail_calls() {
	events_up
	{
		eight drop,pass,tx
		echo "run 5000"
		printf 'close %s\n' {a..h}
	} | events -t 10
}

test_packets_in_several_buffers() {
	events_up tests/events/truth-frags.bpf.o 9000
	{
		eight drop,redirect | sed 's/buffer=1048576/buffer=67108864/'
		printf 'run 3000\nclose a\nclose e\nrun 3000\n'
		printf 'close %s\n' b c d f g h
	} | events -l -r 5000
}

# They have one lock, and find each other.
test_symbolic_link_is_the_same_pin() {
	network_up
	ln -s "$HOOK" "$TMP/absolute"
	ln -s absolute "$TMP/relative"
	capture a udp
	DEVICE=xdpcap:$TMP/relative capture b udp
	traffic -c 10 -w "$TMP/sent.pcap"
	wait_frames a 10
	stop a
	capture c udp
	traffic -f 10 -c 10 -w "$TMP/sent2.pcap"
	wait_frames b 20
	wait_frames c 10
	stop b
	stop c
	same "packets" "$(frames sent; frames sent2)" "$(frames b)"
}

test_random_events() {
	local seed=${SEED:-$(date +%s)} run

	events_up
	for ((run = 0; run < ${RUNS:-1}; run++)); do
		events -n "${EVENTS:-400}" -s $((seed + run))
	done
}

run_tests
