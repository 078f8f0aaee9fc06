#!/bin/bash
# What is captured is what was sent, as the XDP program left it, for every verdict
# and size; the verdicts are the same as without a capture; and a device's name
# says which verdicts are captured.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
MODE=--immediate-mode

# Lines of frames with the MAC addresses exchanged, as the example program does
# before XDP_TX, and with the VLAN tag that it then pushes for port 4005.
exchanged() {
	sed -E 's/^([0-9]+ [0-9]+ )(.{12})(.{12})/\1\3\2/'
}

tagged() {
	exchanged | awk '{ print $1 + 4, $2 + 4,
		substr($3, 1, 24) "8100002a" substr($3, 25) }'
}

# Frames to one port are sent, and captured; the frames that a filter of lines
# makes of them are expected. check_verdict PORT [FILTER...]
check_verdict() {
	network_up
	capture a
	traffic -c 50 -p "$1" -s 60,64,65,128,129,300,1000,1500 -w "$TMP/sent.pcap"
	wait_frames a 50
	stop a
	frames sent | "${@:2}" >"$TMP/expected"
	frames a >"$TMP/got"
	same_lines "packets"
}

test_aborted_packets() {
	check_verdict 4000 cat
}

test_dropped_packets() {
	check_verdict 4001 cat
}

test_passed_packets() {
	check_verdict 4002 cat
}

test_packets_sent_back() {
	check_verdict 4003 exchanged
}

test_redirected_packets() {
	check_verdict 4004 cat
}

# captured with the size and the contents that it has afterwards
test_packets_that_the_program_made_longer() {
	check_verdict 4005 tagged
}

# What arrives behind the XDP program and what comes back to the sender, of
# packets with every verdict, into NAME-passed and NAME-back.
observe() {
	# no ICMP messages, with which the receiver answers
	sniff "$1-passed" "$NS_B" "$IF_B" -Q in udp
	sniff "$1-back" "$NS_A" "$IF_A" -Q in udp or vlan
	traffic -c 60 -p 4000,4001,4002,4003,4004,4005 -w "$TMP/sent.pcap"
	wait_frames "$1-passed" 10
	wait_frames "$1-back" 30
	stop "$1-passed"
	stop "$1-back"
}

test_verdicts_are_unchanged_by_a_capture() {
	network_up
	observe without
	# all are copied
	capture a
	observe with
	wait_frames a 60
	stop a
	# none is
	capture b port 1
	observe unmatched
	same "packets that match" 0 "$(count b)"
	stop b

	same_frames sent without-passed "$(port 4002)"
	{
		frames sent | grep -E "$(port 4003)" | exchanged
		frames sent | grep -E "$(port 4004)"
		frames sent | grep -E "$(port 4005)" | tagged
	} | sort >"$TMP/expected"
	frames without-back | sort >"$TMP/got"
	same_lines "packets that come back"
	for name in with unmatched; do
		same_frames without-passed $name-passed
		same_frames without-back $name-back
	done
}

test_every_size() {
	network_up
	capture a
	traffic -c 1501 -r 5000 -s 14-1514 -w "$TMP/sent.pcap"
	wait_frames a 1501
	stop a
	same_frames sent a
}

# check_sizes_in_several_buffers PORT [TCPDUMP_OPTION...]
send_large() {
	network_up tests/example-frags.bpf.o 9000
	capture a "${@:2}"
	traffic -c 40 -p "$1" -w "$TMP/sent.pcap" \
		-s 60,1514,3000,3500,4000,4096,5000,8192,9000,9014
	wait_frames a 40
	stop a
	same "largest packet" 9014 "$(frames sent | cut -d ' ' -f 1 | sort -n | tail -n 1)"
}

test_packets_in_several_buffers() {
	send_large 4001
	same_frames sent a
}

test_packets_in_several_buffers_filtered() {
	# their last bytes are beyond the linear part
	network_up tests/example-frags.bpf.o 9000
	capture a 'greater 8000 and ether[7999:1] & 1 = 1'
	traffic -c 100 -s 60,7999,8000,9014 -w "$TMP/sent.pcap"
	frames sent | awk '$1 >= 8000 && substr($3, 16000, 1) ~ /[13579bdf]/' \
		>"$TMP/expected"
	[ "$(wc -l <"$TMP/expected")" -gt 10 ] || fail "too few would match"
	wait_frames a "$(wc -l <"$TMP/expected")"
	stop a
	frames a >"$TMP/got"
	same_lines "packets"
}

test_packets_in_several_buffers_in_userland() {
	helper_with XDPCAP_TEST_REFUSE_FILTER=1
	test_packets_in_several_buffers_filtered
}

test_snapshot_of_packets_in_several_buffers() {
	local snaplen

	for snaplen in 64 4000; do
		network_down || :
		send_large 4001 -s $snaplen
		frames sent | awk -v snaplen=$snaplen '{
			n = $1 < snaplen ? $1 : snaplen
			print $1, n, substr($3, 1, 2 * n) }' >"$TMP/expected"
		frames a >"$TMP/got"
		same_lines "packets"
	done
}

# check_actions ACTIONS PORT...: with @ACTIONS, only packets to these ports are
# captured, among those with every verdict.
check_actions() {
	DEVICE=xdpcap:$HOOK@$1 capture a
	traffic -c 25 -p 4000,4001,4002,4003,4004 -w "$TMP/sent.pcap"
	wait_frames a $((5 * ($# - 1)))
	stop a
	# of port 4003, the program exchanges the addresses
	frames sent | grep -E "$(port "${@:2}")" | sed 's/ .\{24\}0800/ 0800/2' |
		cut -d ' ' -f 3 | cut -c 25- >"$TMP/expected"
	frames a | cut -d ' ' -f 3 | cut -c 25- >"$TMP/got"
	same_lines "packets with @$1"
}

test_actions_in_the_device_name() {
	network_up
	check_actions aborted 4000
	check_actions drop 4001
	check_actions pass 4002
	check_actions tx 4003
	check_actions redirect 4004
	check_actions 1 4001
	check_actions drop,tx 4001 4003
	check_actions redirect,0,drop 4000 4001 4004
	check_actions all 4000 4001 4002 4003 4004
}

test_only_slots_of_the_named_actions_are_used() {
	network_up
	DEVICE=xdpcap:$HOOK@drop,3 capture a
	same "slots" "01 03" "$(hook_slots | cut -d ' ' -f 1 | xargs)"
	stop a
}

# check_device DEVICE
check_device() {
	DEVICE=$1 capture a udp
	contains "tcpdump's report" "listening on $1, link-type EN10MB" \
		"$(cat "$TMP/a.err")"
	traffic -c 10 -p 4001,4002 -w "$TMP/sent.pcap"
	wait_frames a "$2"
	stop a
}

test_short_names() {
	network_up
	bpftool map pin pinned "$HOOK" /sys/fs/bpf/short
	bpftool map pin pinned "$HOOK" "$BPFDIR/a@drop"
	check_device "xdpcap:${HOOK#/sys/fs/bpf/}" 10
	check_device "xdpcap:${HOOK#/sys/fs/bpf/}@drop" 5
	check_device xdpcap:short 10
	check_device xdpcap:short@pass 5
	check_device "xdpcap:$BPFDIR/a@drop@all" 10
	check_device "xdpcap:${BPFDIR#/sys/fs/bpf/}/a@drop@pass,tx" 5
	rm /sys/fs/bpf/short
}

run_tests
