#!/bin/bash
# Wireshark's programs know a hook's devices without being told: lists, statistics,
# and link-layer types. tests/listing.sh and linktypes.sh have tcpdump's.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/consumers/common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=tests/consumers/graphical.sh
. "$(dirname "$0")/graphical.sh"

# of the hook, in the order that they are listed
DEVICES="$DEVICE
$DEVICE@aborted
$DEVICE@drop
$DEVICE@pass
$DEVICE@tx
$DEVICE@redirect"

test_lists() {
	local program

	network_up
	for program in dumpcap tshark; do
		same "devices of $program" "$DEVICES" "$(with_xdpcap $program -D \
			2>/dev/null | sed -n 's/^[0-9]*\. \(xdpcap:[^ ]*\).*/\1/p')"
	done
	emptied
}

# By its number in the list.
test_device_by_number() {
	local number

	network_up
	number=$(with_xdpcap dumpcap -D 2>/dev/null |
		sed -n "s|^\([0-9]*\)\. $DEVICE@drop.*|\1|p")
	launch a 1 dumpcap -q -i "$number" -w "$TMP/a.pcap"
	traffic -c 30 -p 4000,4001,4002 -w "$TMP/sent.pcap"
	wait_frames a 10
	finish a
	same_frames sent a "$(port 4001)"
}

# It captures from every device that there is: each action of the hook twice.
test_statistics_of_all_devices() {
	network_up
	launch a 5 dumpcap -S
	wait_for 60 rows 0 0 0 0 0 0 || fail "$(cat "$TMP/a.out")"
	traffic -c 60 -p 4000,4001,4002
	wait_for 60 rows 60 20 20 20 0 0 || fail "$(cat "$TMP/a.out")"
	finish a TERM
}

# rows NUMBER...: whether the last ones say that each device has received so many
# packets, and lost none.
rows() {
	paste -d ' ' <(echo "$DEVICES") <(printf '%s 0\n' "$@") >"$TMP/expected"
	awk -v devices=6 '/^xdpcap:/ { row[n++ % devices] = $1 " " $2 " " $3 }
		END { for (i = 0; i < devices; i++) print row[i] }' "$TMP/a.out" >"$TMP/got"
	cmp -s "$TMP/expected" "$TMP/got"
}

# The interface that packets are received on is in each, and an interface for each
# verdict says the same as the packets' type does: dropped
# (3: for another host), passed (0: for us), sent back (4: outgoing). The rest of
# a packet is what was sent.
test_linux_cooked_packets() {
	network_up
	launch a 3 dumpcap -q -y LINUX_SLL2 -i "$DEVICE@drop,pass,tx" -w "$TMP/a.pcap"
	traffic -c 30 -p 4001,4002,4003 -s 60,300 -w "$TMP/sent.pcap"
	wait_frames a 30
	finish a
	paste -d ' ' <(tshark -r "$TMP/a.pcap" -T fields -E separator=' ' \
		-e sll.ifindex -e sll.pkttype 2>/dev/null) \
		<(frames a | awk '{ print $1 - 20, substr($3, 41) }') >"$TMP/got"
	frames sent | awk 'BEGIN { split("3 0 4", type, " ") }
		{ print 12, type[substr($3, 76, 1)], $1 - 14, substr($3, 29) }' >"$TMP/expected"
	same_lines "interfaces, types, lengths and packets"
}

# The start page has them, and what they receive.
test_graphical_list_of_devices() {
	network_up
	screen
	wireshark a 5
	window "^The Wireshark Network Analyzer$" >/dev/null
	settled
	# the lines that show what they receive
	changed 50 traffic -c 5000 -r 2000 -p 4000,4001,4002
	picture wireshark-devices.png
	same "is it drawn" yes "$([ "$(identify -format %k \
		"$BUILD/artefacts/wireshark-devices.png")" -gt 50 ] && echo yes)"
	stop a TERM
	emptied
	stop screen TERM
}

run_tests
