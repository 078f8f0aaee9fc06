#!/bin/bash
# The link-layer type LINUX_SLL2 and the direction, with tcpdump: headers that say
# interface and verdict, filters for them in the kernel, and the same packets
# whoever filters.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
MODE=--immediate-mode

# cooked TYPE: lines of frames in Ethernet form as they are in SLL2 form, with
# that packet type, received on the interface with the XDP program.
cooked() {
	awk -v type="$1" '{ print $1 + 6, $2 + 6,
		substr($3, 25, 4) "0000" "0000000c" "0001" type "06" \
		substr($3, 13, 12) "0000" substr($3, 29) }'
}

exchanged() {
	sed -E 's/^([0-9]+ [0-9]+ )(.{12})(.{12})/\1\3\2/'
}

# check_type PORT TYPE [FILTER...]: of frames to one port, which XDP makes what
# the filter of lines does.
check_type() {
	expected=$((expected + 20))
	traffic -c 20 -p "$1" -s 60,64,129,300,1514 -w "$TMP/sent.pcap"
	wait_frames a $expected
	frames sent | "${@:3}" | cooked "$2" >>"$TMP/expected"
}

test_headers_of_each_verdict() {
	local expected=0

	network_up
	: >"$TMP/expected"
	capture a -y LINUX_SLL2
	check_type 4000 03 cat
	check_type 4001 03 cat
	check_type 4002 00 cat
	check_type 4003 04 exchanged
	check_type 4004 04 cat
	stop a
	frames a >"$TMP/got"
	same_lines "packets"
}

test_shortest_packet() {
	network_up
	capture a -y LINUX_SLL2
	traffic -c 1 -p 4002 -s 14 -w "$TMP/sent.pcap"
	wait_frames a 1
	stop a
	frames sent | cooked 00 >"$TMP/expected"
	frames a >"$TMP/got"
	same_lines "packets"
}

test_packets_in_several_buffers() {
	network_up tests/example-frags.bpf.o 9000
	capture a -y LINUX_SLL2
	traffic -c 10 -p 4001 -s 3500,5000,9014 -w "$TMP/sent.pcap"
	wait_frames a 10
	stop a
	frames sent | cooked 03 >"$TMP/expected"
	frames a >"$TMP/got"
	same_lines "packets"
}

# The name of the interface, since tcpdump is in its network; and the direction.
test_interface_and_direction_are_printed() {
	local line

	network_up
	start a env "LD_LIBRARY_PATH=$LIBPCAP" "XDPCAP_HELPER=$HELPER" \
		nsenter --net="/run/netns/$NS_B" tcpdump -n -l -t $MODE \
		-i "xdpcap:$HOOK" -y LINUX_SLL2 udp
	traffic -c 5 -p 4000,4001,4002,4003,4004
	wait_for 20 sh -c "[ \$(wc -l <'$TMP/a.out') -ge 5 ]" ||
		fail "$(cat "$TMP/a.out")"
	stop a
	while read -r line; do
		contains "direction" "$line" "$(tr -s ' ' <"$TMP/a.out")"
	done <<-END
		$IF_B P IP 10.9.0.1.5000 > 10.9.0.2.4000: UDP
		$IF_B P IP 10.9.0.1.5000 > 10.9.0.2.4001: UDP
		$IF_B In IP 10.9.0.1.5000 > 10.9.0.2.4002: UDP
		$IF_B Out IP 10.9.0.1.5000 > 10.9.0.2.4003: UDP
		$IF_B Out IP 10.9.0.1.5000 > 10.9.0.2.4004: UDP
	END
}

# check_filter HELPER FILTER PORT...: of a frame to each port, those to the given
# ports are captured; in_kernel is how many the kernel admitted.
check_filter() {
	local HELPER=$1 filter=$2 got

	capture a -y LINUX_SLL2 "$filter"
	traffic -c 5 -p 4000,4001,4002,4003,4004
	wait_frames a $(($# - 2))
	stop a
	got=$(frames a | cut -d ' ' -f 3 | cut -c 85-88 |
		while read -r port; do echo $((0x$port)); done | sort | xargs)
	same "\"$filter\" with $HELPER" "${*:3}" "$got"
	in_kernel=$(sed -n 's/^\([0-9]*\) packets\? received by filter/\1/p' \
		"$TMP/a.err")
}

test_filters_in_the_kernel_and_in_userland() {
	local helper=$HELPER

	helper_with XDPCAP_TEST_REFUSE_FILTER=1
	network_up
	while IFS=: read -r filter ports; do
		# shellcheck disable=SC2086 # several
		check_filter "$helper" "$filter" $ports
		same "\"$filter\" in the kernel" "$(wc -w <<<"$ports")" \
			"$in_kernel"
		# shellcheck disable=SC2086
		check_filter "$HELPER" "$filter" $ports
		same "\"$filter\" in userland" 5 "$in_kernel"
	done <<-END
		inbound and udp:4000 4001 4002
		outbound:4003 4004
		ifindex 12 and port 4001:4001
		not ifindex 12 or port 4003:4003
		link[10] = 3 and link[12] = 2:4000 4001
		len = 106 and link[link[10] + 20] != 0x45:4000 4001 4003 4004
		ip and not outbound and portrange 4001-4003:4001 4002
	END
}

# With a filter and without, and the kernel captures nothing else.
test_directions_of_tcpdump() {
	local direction n filter

	network_up
	while read -r direction n filter; do
		# shellcheck disable=SC2086 # maybe none
		capture a -Q "$direction" $filter
		traffic -c 5 -p 4000,4001,4002,4003,4004
		wait_frames a "$n"
		stop a
		grep -q "^$n packets\? received by filter" "$TMP/a.err" ||
			fail "-Q $direction $filter: $(cat "$TMP/a.err")"
	done <<-END
		in 3
		in 2 not port 4001
		out 2
		out 1 port 4003 or port 4002
		inout 5
	END
}

# Each with its clock, and none far from the wall clock.
test_timestamp_types() {
	local before after

	network_up
	for type in host host_lowprec host_hiprec host_hiprec_unsynced; do
		capture a -j $type --time-stamp-precision=nano
		before=${EPOCHREALTIME/./}000
		traffic -c 20 -r 1000
		wait_frames a 20
		after=${EPOCHREALTIME/./}000
		stop a
		"$BUILD/tests/frames" -t "$TMP/a.pcap" | awk -v before="$before" \
			-v after="$after" '
			$1 < before - 11000000 || $1 > after + 1000000 {
				print $1, "not in", before, after; wrong = 1 }
			END { exit wrong }' || fail "$type"
	done
}

run_tests
