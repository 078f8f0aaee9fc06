#!/bin/bash
# What becomes of the programs that a hook belongs to, while it is captured:
# replaced, unloaded and loaded again, more than one of them, their interface
# deleted.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
MODE=--immediate-mode

# Another pair of interfaces, beside IF_A and IF_B.
IF_C=xc IF_D=xd

second_pair() {
	ip link add "$IF_C" index 13 netns "$NS_A" address $MAC_A type veth \
		peer name "$IF_D" index 14 netns "$NS_B" address $MAC_B
	ip -n "$NS_A" link set "$IF_C" up
	ip -n "$NS_B" link set "$IF_D" up
	wait_for 60 link_up "$NS_A" "$IF_C" || fail "$IF_C does not come up"
	wait_for 60 link_up "$NS_B" "$IF_D" || fail "$IF_D does not come up"
}

# load_again PIN: the example program, with the hook that there is.
load_again() {
	bpftool prog load "$BUILD/bpf/example.bpf.o" "$1" \
		map name xdpcap_hook pinned "$HOOK"
}

# replace_xdp PIN: what is attached natively by this one, in one step.
replace_xdp() {
	in_ns "$NS_B" ip -force link set "$IF_B" xdpdrv pinned "$1"
}

program_id() {
	bpftool prog show pinned "$1" | sed -n '1s/:.*//p'
}

attached_id() {
	ip -n "$NS_B" link show "$IF_B" | sed -n 's/.* prog.xdp id \([0-9]*\).*/\1/p'
}

# What tcpdump has said by now is only that it listens; and it has not ended.
still_captures() {
	! gone "${PID[$1]}" || fail "$1 has ended: $(cat "$TMP/$1.err")"
	same "lines of tcpdump" 1 "$(grep -vc '^dropped privs' "$TMP/$1.err")"
}

# ends_cleanly NAME PACKETS
ends_cleanly() {
	stop "$1"
	same "exit status" 0 "$STATUS"
	contains "tcpdump's report" "$2 packets captured" "$(cat "$TMP/$1.err")"
	hook_empty || fail "the hook is not empty: $(hook_slots)"
}

# Whatever the moment, a packet is captured once. On a slow machine it takes more
# packets until the program was replaced a few times.
test_program_replaced_while_packets_come() {
	local before sender swap n times=0 sent=0 next=$PROG-2 old=$PROG

	network_up
	capture a udp
	before=$(in_stack)
	while [ $times -lt 4 ] && [ $sent -lt 80000 ]; do
		traffic -f $sent -c 8000 -r 4000 -p 4001,4002 \
			-w "$TMP/sent-$sent.pcap" &
		sender=$! sent=$((sent + 8000))
		until gone $sender; do
			load_again "$next"
			replace_xdp "$next"
			same "attached program" "$(program_id "$next")" \
				"$(attached_id)"
			rm "$old"
			swap=$old old=$next next=$swap
			times=$((times + 1))
		done
		wait $sender
	done
	[ $times -ge 4 ] || fail "the program was replaced only $times times"
	wait_frames a $sent
	ends_cleanly a $sent
	for ((n = 0; n < sent; n += 8000)); do
		frames sent-$n
	done >"$TMP/expected"
	frames a >"$TMP/got"
	same_lines "packets"
	same "packets that were passed" $((sent / 2)) $(($(in_stack) - before))
}

# The capture stays with the hook that was named.
test_program_replaced_by_one_with_another_hook() {
	network_up
	capture a udp
	traffic -c 10 -w "$TMP/sent.pcap"
	wait_frames a 10
	mkdir "$BPFDIR/other"
	bpftool prog load "$BUILD/bpf/example.bpf.o" "$PROG-2" pinmaps "$BPFDIR/other"
	replace_xdp "$PROG-2"
	DEVICE=xdpcap:$BPFDIR/other/xdpcap_hook capture b udp
	traffic -f 10 -c 10 -w "$TMP/sent2.pcap"
	wait_frames b 10
	still_captures a
	stop b
	ends_cleanly a 10
	same_frames sent a
	same_frames sent2 b
}

# unload: what is attached, and unpinned: the hook then belongs to no program that
# there is.
unload() {
	local id

	id=$(program_id "$PROG")
	in_ns "$NS_B" ip link set "$IF_B" xdp off
	rm "$PROG"
	wait_for 60 unloaded "$id" || fail "program $id is still loaded"
}

unloaded() {
	! bpftool prog show id "$1" >/dev/null 2>&1
}

# A capture stays, and has packets again when the hook has a program again; in
# whatever mode that is attached.
test_owner_unloaded_and_loaded_again() {
	network_up
	capture a udp
	traffic -c 10 -w "$TMP/sent.pcap"
	wait_frames a 10

	unload
	traffic -c 10
	sleep 0.3
	same "packets without a program" 10 "$(count a)"
	still_captures a
	load_again "$PROG"
	attach_xdp "$PROG"
	traffic -f 10 -c 10 -w "$TMP/sent2.pcap"
	wait_frames a 20

	unload
	load_again "$PROG"
	in_ns "$NS_B" ip link set "$IF_B" xdpgeneric pinned "$PROG"
	traffic -f 20 -c 10 -w "$TMP/sent3.pcap"
	wait_frames a 30
	ends_cleanly a 30
	same "packets" "$(frames sent; frames sent2; frames sent3)" "$(frames a)"
}

# A hook whose owner is gone is of the owner's kind all the same, so there is no
# danger in a capture's being the first in it.
test_capture_begins_while_the_owner_is_unloaded() {
	network_up
	unload
	capture a udp
	load_again "$PROG"
	attach_xdp "$PROG"
	traffic -c 10 -w "$TMP/sent.pcap"
	wait_frames a 10
	ends_cleanly a 10
	same_frames sent a
}

# check_kind_stays OPTION OTHER: of tests/owner.c; "" or -f. For as long as the
# map exists, the kernel takes only programs of its first owner's kind, captured
# or not.
check_kind_stays() {
	local HOOK=$BPFDIR/hook PROG=$BPFDIR/prog message

	network_pair
	# shellcheck disable=SC2086 # may be none
	"$BUILD/tests/owner" $1 "$BPFDIR"
	attach_xdp "$PROG"
	capture a
	unload
	message=$("$BUILD/tests/owner" -e $2 "$BPFDIR" 2>&1) &&
		fail "the kernel loads an owner of another kind"
	same "message" "owner: load the owner: Invalid argument" "$message"
	still_captures a
	stop a
	message=$("$BUILD/tests/owner" -e $2 "$BPFDIR" 2>&1) &&
		fail "the kernel loads an owner of another kind"
	same "message" "owner: load the owner: Invalid argument" "$message"

	capture a
	"$BUILD/tests/owner" -e $1 "$BPFDIR"
	attach_xdp "$PROG"
	traffic -c 10 -w "$TMP/sent.pcap"
	wait_frames a 10
	ends_cleanly a 10
	same_frames sent a
	network_down
}

test_hook_keeps_the_kind_of_its_first_owner() {
	check_kind_stays "" -f
	check_kind_stays -f ""
}

# The same hook in two programs: the packets of both are captured.
test_hook_shared_by_two_interfaces() {
	local before

	network_up
	second_pair
	bpftool prog load "$BUILD/tests/chained.bpf.o" "$BPFDIR/chained" \
		map name first_hook pinned "$HOOK"
	rm /sys/fs/bpf/second_hook
	in_ns "$NS_B" ip link set "$IF_D" xdpgeneric pinned "$BPFDIR/chained"
	capture a udp
	before=$(in_stack)
	traffic -c 10 -p 4001,4002 -w "$TMP/sent.pcap"
	IF_A=$IF_C traffic -f 10 -c 10 -p 4011,4012 -w "$TMP/sent2.pcap"
	traffic -f 20 -c 10 -p 4001,4002 -w "$TMP/sent3.pcap"
	wait_frames a 30
	ends_cleanly a 30
	same "packets" "$(frames sent; frames sent2; frames sent3)" "$(frames a)"
	same "packets that were passed" 15 $(($(in_stack) - before))

	# a filter tells them apart
	capture b "ifindex $(ip -n "$NS_B" -o link show "$IF_D" | cut -d : -f 1)"
	traffic -c 10 -p 4001,4002
	IF_A=$IF_C traffic -c 10 -p 4011,4012 -w "$TMP/sent.pcap"
	wait_frames b 10
	ends_cleanly b 10
	same_frames sent b
}

# Each has the packets whose verdicts go through it, whichever are captured.
test_two_hooks_in_one_program() {
	local before

	network_pair
	# pins both
	bpftool prog load "$BUILD/tests/chained.bpf.o" "$PROG"
	attach_xdp "$PROG"
	before=$(in_stack)
	HOOK=/sys/fs/bpf/first_hook capture a
	HOOK=/sys/fs/bpf/second_hook capture b udp port 4022
	traffic -c 50 -p 4011,4012,4021,4022,4002 -w "$TMP/sent.pcap"
	wait_frames a 20
	wait_frames b 10
	same_frames sent a "$(port 4011 4012)"
	same_frames sent b "$(port 4022)"
	HOOK=/sys/fs/bpf/first_hook ends_cleanly a 20
	traffic -c 50 -p 4011,4012,4021,4022,4002
	wait_frames b 20
	HOOK=/sys/fs/bpf/second_hook ends_cleanly b 20
	same "packets that were passed" 60 $(($(in_stack) - before))
	rm /sys/fs/bpf/first_hook /sys/fs/bpf/second_hook
}

# Its program stays loaded while it is pinned, and can be attached to another.
test_interface_deleted() {
	network_up
	second_pair
	capture a udp
	traffic -c 10 -w "$TMP/sent.pcap"
	wait_frames a 10
	ip -n "$NS_B" link del "$IF_B"
	sleep 0.3
	still_captures a
	in_ns "$NS_B" ip link set "$IF_D" xdp pinned "$PROG"
	IF_A=$IF_C traffic -f 10 -c 10 -w "$TMP/sent2.pcap"
	wait_frames a 20
	ip -n "$NS_B" link del "$IF_D"
	sleep 0.3
	still_captures a
	ends_cleanly a 20
	same "packets" "$(frames sent; frames sent2)" "$(frames a)"
}

# While packets come, and the program goes with it.
test_interface_deleted_with_its_program() {
	local sender id n

	network_up
	capture a udp
	id=$(program_id "$PROG")
	rm "$PROG"
	traffic -c 20000 -r 4000 -w "$TMP/sent.pcap" &
	sender=$!
	wait_for 60 has a 1000
	ip -n "$NS_B" link del "$IF_B"
	wait $sender && fail "what was sent on went somewhere"
	wait_for 60 unloaded "$id" || fail "program $id is still loaded"
	sleep 0.3
	still_captures a
	n=$(count a)
	ends_cleanly a "$n"
	same "packets" "$(frames sent | head -n "$n")" "$(frames a)"
}

run_tests
