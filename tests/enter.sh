#!/bin/bash
# Packets before the XDP program: what xdpcap_enter() and the action enter do, with
# bpf/enter.bpf.c, which counts the time to live down.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
MODE=--immediate-mode

# The time to live that tests/traffic sends, and what the program makes of it.
SENT_TTL=40
LEFT_TTL=3f

# enter_up [PROGRAM]: the network, with that program of the object attached.
enter_up() {
	network_pair
	bpftool prog loadall "$BUILD/bpf/enter.bpf.o" "$BPFDIR" pinmaps "$BPFDIR"
	attach_xdp "$BPFDIR/${1:-enter}"
}

# The time to live in lines of frames, those that there are.
ttls() {
	frames "$1" | sed -E 's/^[0-9]+ [0-9]+ .{44}(..).*/\1/' | sort -u
}

test_packet_before_and_after() {
	enter_up
	sniff arrived "$NS_B" "$IF_B" udp
	DEVICE=xdpcap:$HOOK@enter capture before udp
	DEVICE=xdpcap:$HOOK capture after udp
	traffic -c 20 -p 4000 -w "$TMP/sent.pcap"
	wait_frames before 20
	wait_frames after 20
	wait_frames arrived 20
	stop before
	stop after
	stop arrived
	same_frames sent before
	same_frames arrived after
	same "time to live before" $SENT_TTL "$(ttls before)"
	same "time to live after" $LEFT_TTL "$(ttls after)"
}

test_both_in_one_capture() {
	enter_up
	DEVICE=xdpcap:$HOOK@enter,pass capture a udp
	traffic -c 10 -p 4000
	wait_frames a 20
	stop a
	same "times to live" "$LEFT_TTL"$'\n'$SENT_TTL "$(ttls a)"
}

# The command says which is which, and has no verdict for what comes in.
test_command_xdpcap() {
	enter_up
	start a env "LD_LIBRARY_PATH=$LIBPCAP" "XDPCAP_HELPER=$HELPER" \
		"$BUILD/xdpcap" --count 20 -actions enter,pass "$HOOK" \
		"$TMP/a.pcap" udp
	traffic -c 10 -p 4000
	ended a
	same "exit status" 0 "$STATUS"
	same "interface, verdict, time to live" \
		"@enter||64"$'\n'"@pass|2|63" \
		"$(tshark -r "$TMP/a.pcap" -T fields -E 'separator=|' \
			-e frame.interface_name -e frame.verdict.ebpf_xdp \
			-e ip.ttl 2>/dev/null |
			sed 's/.*\(@[a-z]*\)[^|]*/\1/' | sort -u)"
}

# A filter sees the packet as it is at that place.
test_filter() {
	enter_up
	DEVICE=xdpcap:$HOOK@enter capture before "ip[8] = 0x$SENT_TTL"
	DEVICE=xdpcap:$HOOK@enter capture none "ip[8] = 0x$LEFT_TTL"
	DEVICE=xdpcap:$HOOK capture after "ip[8] = 0x$LEFT_TTL"
	traffic -c 10 -p 4000
	wait_frames before 10
	wait_frames after 10
	wait_frames none 0
	stop before
	stop none
	stop after
}

# Eight captures, and eight more at the program's end: the packets go on.
test_several_captures() {
	local i

	enter_up
	sniff arrived "$NS_B" "$IF_B" udp
	for i in {1..8}; do
		DEVICE=xdpcap:$HOOK@enter capture "before$i" udp
		DEVICE=xdpcap:$HOOK@pass capture "after$i" 'udp port 53'
	done
	traffic -c 10 -p 4000 -w "$TMP/sent.pcap"
	wait_frames arrived 10
	for i in {1..8}; do
		wait_frames "before$i" 10
		same_frames sent "before$i"
		stop "before$i"
		stop "after$i"
	done
	traffic -c 10 -p 4000
	wait_frames arrived 20
	stop arrived
}

# All captures of the actions without asking for enter leave its slots alone.
test_all_actions_are_not_enter() {
	enter_up
	capture a udp
	traffic -c 10 -p 4000
	wait_frames a 10
	same "time to live" $LEFT_TTL "$(ttls a)"
	[[ $(hook_slots) != *05\ 00\ 00* ]] || fail "in the hook: $(hook_slots)"
	stop a
}

# The continuation is nobody's to take away.
hook_empty() {
	[ "$(hook_slots | grep -vc '^06 ')" = 0 ]
}

test_killed_helper_leaves_the_way_open() {
	enter_up
	sniff arrived "$NS_B" "$IF_B" udp
	DEVICE=xdpcap:$HOOK@enter capture a udp
	kill -KILL "$(helpers)"
	ended a
	traffic -c 10 -p 4000
	wait_frames arrived 10
	DEVICE=xdpcap:$HOOK@drop capture b
	hook_slots | grep -q '^05 ' && fail "in the hook: $(hook_slots)"
	stop b
	stop arrived
}

# What the hook takes is tried in it, and then the packets go on all the same: also
# if that is what is left of a helper.
test_trying_the_hook_leaves_the_way_open() {
	local helper=$HELPER message

	enter_up
	sniff arrived "$NS_B" "$IF_B" udp
	helper_with XDPCAP_TEST_DIE=attach-probe
	message=$(with_xdpcap "$BUILD/tests/open" "xdpcap:$HOOK@enter") &&
		fail "a capture was possible: $message"
	contains "message" "xdpcap-helper has ended" "$message"
	hook_slots | grep -q '^05 ' || fail "in the hook: $(hook_slots)"
	traffic -c 10 -p 4000
	wait_frames arrived 10
	same "time to live" $LEFT_TTL "$(ttls arrived)"
	HELPER=$helper
	DEVICE=xdpcap:$HOOK@enter capture a udp
	traffic -c 10 -p 4000
	wait_frames a 10
	wait_frames arrived 20
	stop a
	stop arrived
}

test_without_a_continuation() {
	enter_up
	bpftool map delete pinned "$HOOK" key 6 0 0 0
	fails PCAP_ERROR "xdpcap:$HOOK@enter" \
		"xdpcap:$HOOK: cannot capture enter: slot 6 is empty"
	[ -z "$(hook_slots)" ] || fail "in the hook: $(hook_slots)"
	# the actions can be captured all the same
	DEVICE=xdpcap:$HOOK@pass capture a udp
	traffic -c 10 -p 4000
	wait_frames a 10
	stop a
}

test_hook_without_enter() {
	network_up
	fails PCAP_ERROR_NO_SUCH_DEVICE "xdpcap:$HOOK@enter" \
		"xdpcap:$HOOK: no action enter: the hook has 5 entries, one with xdpcap_enter() has 7"
	fails PCAP_ERROR_NO_SUCH_DEVICE "xdpcap:$HOOK@drop,enter" \
		"xdpcap:$HOOK: no action enter"
}

test_enter_by_its_number() {
	enter_up
	fails PCAP_ERROR_NO_SUCH_DEVICE "xdpcap:$HOOK@5" \
		"xdpcap:$HOOK: no action 5: the hook has 5, and enter"
	fails PCAP_ERROR_NO_SUCH_DEVICE "xdpcap:$HOOK@6" "xdpcap:$HOOK: no action 6"
}

# The program by itself, as somebody attaches it who does not want enter.
test_continuation_attached_directly() {
	enter_up route
	DEVICE=xdpcap:$HOOK@enter capture before udp
	DEVICE=xdpcap:$HOOK@pass capture after udp
	traffic -c 10 -p 4000
	wait_frames after 10
	wait_frames before 0
	stop before
	stop after
}

run_tests
