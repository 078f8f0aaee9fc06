#!/bin/bash
# Wireshark's programs: the distribution's dumpcap, which captures for all of
# them, tshark, the graphical one, and the next release's dumpcap.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/consumers/common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=tests/consumers/graphical.sh
. "$(dirname "$0")/graphical.sh"

# dump NAME SLOTS OPTION...: dumpcap, into $TMP/NAME.pcap.
dump() {
	launch "$1" "$2" dumpcap -q -w "$TMP/$1.pcap" "${@:3}"
}

# The packets of all of a pattern's files, in order.
all_frames() {
	local file

	for file; do
		"$BUILD/tests/frames" "$file"
	done
}

test_tshark_capture_filter_and_packet_count() {
	network_up
	launch a 5 tshark -n -q -i "$DEVICE" -f "udp port 4001" -c 10 -w "$TMP/a.pcap"
	traffic -c 60 -p 4000,4001,4002 -w "$TMP/sent.pcap"
	ended a
	emptied
	contains "tshark's report" "10 packets captured" "$(cat "$TMP/a.err")"
	frames sent | grep -E "$(port 4001)" | head -n 10 >"$TMP/expected"
	frames a >"$TMP/got"
	same_lines "packets"
}

# The packets that dumpcap hands to tshark, dissected: their payloads.
test_tshark_dissects_while_it_captures() {
	network_up
	launch a 5 tshark -n -l -i "$DEVICE" -Y "udp.dstport == 4002" \
		-T fields -e frame.interface_name -e frame.len -e data.data
	traffic -c 30 -p 4000,4001,4002 -s 60,300 -w "$TMP/sent.pcap"
	output a 10
	cp "$TMP/a.out" "$TMP/got"
	finish a
	frames sent | grep -E "$(port 4002)" | awk -v OFS='\t' -v "device=$DEVICE" \
		'{ print device, $1, substr($3, 85) }' >"$TMP/expected"
	same_lines "device, length and payload"
}

# The verdict of each packet is in its interface's name. Each interface has its
# filter; what comes before the first -i is for those that have none.
test_several_devices_at_once() {
	network_up
	dump a 5 -f udp -i "$DEVICE@aborted" -i "$DEVICE@drop" \
		-i "$DEVICE@pass" -f "udp port 4002 and len > 100" \
		-i "$DEVICE@tx" -i "$DEVICE@redirect"
	traffic -c 100 -p 4000,4001,4002,4003,4004 -s 60,300 -w "$TMP/sent.pcap"
	wait_frames a 90
	finish a
	paste -d ' ' <(tshark -r "$TMP/a.pcap" -T fields -e frame.interface_name \
		2>/dev/null) <(frames a) | sort >"$TMP/got"
	# tx has exchanged the addresses
	frames sent | awk -v "device=$DEVICE" '
		BEGIN { split("aborted drop pass tx redirect", action, " ") }
		{ port = substr($3, 73, 4) }
		port == "0fa3" { $3 = substr($3, 13, 12) substr($3, 1, 12) substr($3, 25) }
		port != "0fa2" || $1 > 100 {
			print device "@" action[substr(port, 4) + 1], $0 }' |
		sort >"$TMP/expected"
	same_lines "interfaces and packets"
}

# A comma, or an at sign, means nothing to dumpcap.
test_device_of_several_actions() {
	network_up
	dump a 2 -i "$DEVICE@drop,redirect"
	traffic -c 50 -p 4000,4001,4002,4003,4004 -w "$TMP/sent.pcap"
	wait_frames a 20
	finish a
	same_frames sent a "$(port 4001 4004)"
}

test_device_relative_to_the_bpf_file_system() {
	network_up
	dump a 1 -i "xdpcap:${HOOK#/sys/fs/bpf/}@drop"
	traffic -c 20 -p 4001 -w "$TMP/sent.pcap"
	wait_frames a 20
	finish a
	same_frames sent a
}

test_ends_after_a_number_of_packets() {
	local program

	network_up
	for program in dumpcap tshark; do
		launch a 5 $program -q -i "$DEVICE" -a packets:25 -w "$TMP/a.pcap"
		traffic -c 40 -p 4001,4002 -w "$TMP/sent.pcap"
		ended a
		emptied
		same "packets of $program" "$(frames sent | head -n 25)" "$(frames a)"
	done
}

test_dumpcap_ends_after_a_time() {
	network_up
	dump a 5 -i "$DEVICE" -a duration:5
	traffic -c 20 -p 4001,4002 -w "$TMP/sent.pcap"
	ended a
	emptied
	same_frames sent a
}

# In units of 1000 bytes. It looks after each packet.
test_dumpcap_ends_after_a_size() {
	network_up
	dump a 5 -P -i "$DEVICE" -a filesize:10
	traffic -c 40 -s 1000 -p 4001,4002 -w "$TMP/sent.pcap"
	ended a
	emptied
	same "packets" "$(frames sent | head -n 10)" "$(frames a)"
}

# The last three files of ten packets are kept.
test_dumpcap_ring_of_files() {
	network_up
	mkdir "$TMP/out"
	launch a 5 dumpcap -q -i "$DEVICE" -b packets:10 -b files:3 -w "$TMP/out/x"
	traffic -c 65 -p 4001,4002 -w "$TMP/sent.pcap"
	wait_for 60 has_files 3 x_0000[567]_ || fail "$(ls "$TMP/out")"
	wait_for 60 last_has 5 || fail "the last file is not complete"
	finish a
	same "number of files" 3 "$(find "$TMP/out" -type f | wc -l)"
	frames sent | tail -n 25 >"$TMP/expected"
	all_frames "$TMP"/out/* >"$TMP/got"
	same_lines "packets of all files"
}

has_files() {
	[ "$(find "$TMP/out" -type f -name "$2*" | wc -l)" = "$1" ]
}

last_has() {
	[ "$("$BUILD/tests/frames" -c "$TMP"/out/x_00007_*)" = "$1" ]
}

test_ends_after_a_number_of_files() {
	local program

	network_up
	for program in dumpcap tshark; do
		mkdir "$TMP/$program"
		launch a 5 $program -q -i "$DEVICE" -b packets:10 -a files:2 \
			-w "$TMP/$program/x"
		traffic -c 40 -p 4001,4002 -w "$TMP/sent.pcap"
		ended a
		emptied
		same "number of files" 2 "$(find "$TMP/$program" -type f | wc -l)"
		frames sent | head -n 20 >"$TMP/expected"
		all_frames "$TMP/$program"/* >"$TMP/got"
		same_lines "packets of both files of $program"
	done
}

test_dumpcap_snapshot_length_buffer_and_format() {
	network_up
	dump a 5 -P -p -s 64 -B 4 -i "$DEVICE"
	traffic -c 20 -p 4001,4002 -s 60,300 -w "$TMP/sent.pcap"
	wait_frames a 20
	finish a
	contains "dumpcap's report" "on interface '$DEVICE': 20/0 (pcap:0/" \
		"$(cat "$TMP/a.err")"
	frames sent | awk '{ n = $1 < 64 ? $1 : 64
		print $1, n, substr($3, 1, 2 * n) }' >"$TMP/expected"
	frames a >"$TMP/got"
	same_lines "packets"
}

test_link_types() {
	network_up
	contains "list" "EN10MB (Ethernet)*LINUX_SLL2 (Linux cooked v2)" \
		"$(with_xdpcap dumpcap -L -i "$DEVICE" 2>&1)"
	contains "list" "EN10MB (Ethernet)*LINUX_SLL2 (Linux cooked v2)" \
		"$(with_xdpcap tshark -L -i "$DEVICE" 2>&1)"
	emptied
	dump a 1 -y EN10MB -i "$DEVICE@drop"
	finish a
}

# Its message has libpcap's in it.
test_device_that_does_not_exist() {
	local message

	message=$(with_xdpcap dumpcap -q -i xdpcap:/sys/fs/bpf/none 2>&1) &&
		fail "dumpcap captures: $message"
	contains "message" "xdpcap:/sys/fs/bpf/none: no such file" "$message"
	message=$(with_xdpcap tshark -q -i "$DEVICE@up" 2>&1) &&
		fail "tshark captures: $message"
	contains "message" 'no action "up"; actions are aborted, drop' "$message"
}

test_filter_that_is_none() {
	local message

	network_up
	message=$(with_xdpcap dumpcap -q -i "$DEVICE" -f "foo bar" 2>&1) &&
		fail "dumpcap captures: $message"
	contains "message" "isn't a valid capture filter" "$message"
	emptied
}

test_tshark_of_a_user_without_privileges() {
	network_up
	users
	launch a 1 "${as_user[@]}" tshark -n -q -i "$DEVICE@drop" -f "udp" \
		-w "$TMP/user/home/a.pcap"
	same "tshark's capabilities" 0000000000000000 \
		"$(sed -n 's/^CapEff:[[:space:]]*//p' "/proc/${PID[a]}/status")"
	ln -s user/home/a.pcap "$TMP/a.pcap"
	traffic -c 30 -p 4000,4001,4002 -w "$TMP/sent.pcap"
	wait_frames a 10
	finish a
	same_frames sent a "$(port 4001)"
}

# newer NAME SLOTS OPTION...: Debian 13's dumpcap, run by its own dynamic linker,
# with libraries of both releases and this build's libpcap.
newer() {
	local dir=$BUILD/dumpcap-trixie linker libraries

	[ -e "$dir" ] || "$SRC/tools/fetch-dumpcap" --suite trixie "$dir" ||
		skip "trixie's packages could not be had"
	linker=$(readelf -l "$dir/usr/bin/dumpcap" |
		sed -n 's/.*interpreter: \(.*\)\]/\1/p')
	libraries=$(dirname "$dir"/usr/lib/*/libc.so.6)
	launch "$1" "$2" "$dir/usr$linker" \
		--library-path "$LIBPCAP:$libraries:${libraries#"$dir"}" \
		"$dir/usr/bin/dumpcap" -q -w "$TMP/$1.pcap" "${@:3}"
}

# It has given up CAP_BPF, and all but two, before it opens the device: look at it
# when it starts the helper.
test_newer_dumpcap_that_gives_up_capabilities_first() {
	local pattern='usr/bin/dumpcap -q'

	printf '#!/bin/sh\n/usr/bin/pgrep -f "%s" | /usr/bin/xargs -I {} \
		/bin/grep ^CapEff: /proc/{}/status >%s\nexec %s\n' "$pattern" \
		"$TMP/capabilities" "$HELPER" >"$TMP/helper"
	chmod 755 "$TMP/helper"
	HELPER=$TMP/helper
	network_up
	newer a 2 -f udp -i "$DEVICE@drop" -i "$DEVICE@pass"
	# CAP_NET_ADMIN, CAP_NET_RAW
	same "dumpcap's capabilities when it opens the device" \
		"CapEff:	$(printf '%016x' $((1 << 12 | 1 << 13)))" \
		"$(cat "$TMP/capabilities")"
	same "and when it captures" 0000000000000000 \
		"$(sed -n 's/^CapEff:[[:space:]]*//p' "/proc/${PID[a]}/status")"
	traffic -c 30 -p 4000,4001,4002 -w "$TMP/sent.pcap"
	wait_frames a 20
	finish a
	paste -d ' ' <(tshark -r "$TMP/a.pcap" -T fields -e frame.interface_name \
		2>/dev/null) <(frames a) | sort >"$TMP/got"
	{
		sent "$(port 4001)" | sed "s|^|$DEVICE@drop |"
		sent "$(port 4002)" | sed "s|^|$DEVICE@pass |"
	} | sort >"$TMP/expected"
	same_lines "interfaces and packets"
}

test_graphical_wireshark() {
	local id

	network_up
	screen
	wireshark a 1 -k -i "$DEVICE@drop" -f udp -w "$TMP/user/home/a.pcap"
	ln -s user/home/a.pcap "$TMP/a.pcap"
	id=$(window "^Capturing from $DEVICE@drop \(udp\)$")
	settled
	# the packets appear
	changed 20000 traffic -c 30 -p 4000,4001,4002 -w "$TMP/sent.pcap"
	settled
	picture wireshark-capture.png
	wait_frames a 10
	# the button to stop
	xdotool windowfocus --sync "$id" key --window "$id" ctrl+e
	emptied
	same_frames sent a "$(port 4001)"
	stop a TERM
	stop screen TERM
}

run_tests
