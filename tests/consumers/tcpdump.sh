#!/bin/bash
# The distribution's tcpdump: the options that tests/capture.sh has not.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/consumers/common.sh
. "$(dirname "$0")/common.sh"

# tcpdump_says OPTION...: what it prints, both outputs, when it ends by itself.
tcpdump_says() {
	with_xdpcap tcpdump "$@" 2>&1
}

# A directory that user tcpdump writes to.
directory() {
	mkdir "$TMP/$1"
	chown tcpdump: "$TMP/$1"
}

# Every byte, in the text that is printed while the capture lasts.
test_prints_headers_and_bytes_line_by_line() {
	network_up
	start a env "LD_LIBRARY_PATH=$LIBPCAP" "XDPCAP_HELPER=$HELPER" \
		tcpdump -l -n -e -t -v -XX -i "$DEVICE" udp
	traffic -c 10 -p 4000,4001,4002 -s 60,300 -w "$TMP/sent.pcap"
	tcpdump -n -e -t -v -XX -r "$TMP/sent.pcap" >"$TMP/expected" 2>/dev/null
	output a "$(wc -l <"$TMP/expected")"
	cp "$TMP/a.out" "$TMP/got"
	stop a
	same_lines "what is printed"
}

# ends_as_sent FILE: whether the last packet that was sent is the file's last.
ends_as_sent() {
	[ "$("$BUILD/tests/frames" "$TMP/out/$1" 2>/dev/null | tail -n 1)" = \
		"$(frames sent | tail -n 1)" ]
}

# closed NUMBER: whether so many files were given to the command.
closed() {
	[ -e "$TMP/out/closed" ] && [ "$(wc -l <"$TMP/out/closed")" -ge "$1" ]
}

# By size: a file is closed when it has a million bytes, and given to a command,
# all as user tcpdump.
test_rotates_by_size() {
	local files

	network_up
	directory out
	printf '#!/bin/sh\nid -un >>%s\necho "$1" >>%s\n' \
		"$TMP/out/users" "$TMP/out/closed" >"$TMP/command"
	chmod 755 "$TMP/command"
	start a env "LD_LIBRARY_PATH=$LIBPCAP" "XDPCAP_HELPER=$HELPER" \
		tcpdump -n -U -i "$DEVICE" -C 1 -z "$TMP/command" -w "$TMP/out/x" udp
	traffic -c 1700 -r 4000 -s 1514 -p 4001 -w "$TMP/sent.pcap"
	wait_for 30 ends_as_sent x2 || fail "$(ls -l "$TMP/out")"
	wait_for 30 closed 2 || fail "the command was not called"
	stop a
	files=$(cd "$TMP/out" && echo x*)
	same "files" "x x1 x2" "$files"
	same "users" tcpdump "$(sort -u "$TMP/out/users")"
	same "files given to the command" "$TMP/out/x $TMP/out/x1" \
		"$(sort "$TMP/out/closed" | xargs)"
	frames sent >"$TMP/expected"
	for file in $files; do
		"$BUILD/tests/frames" "$TMP/out/$file"
	done >"$TMP/got"
	same_lines "packets of all files"
}

# A ring of two files: the last two.
test_keeps_the_last_files() {
	network_up
	directory out
	start a env "LD_LIBRARY_PATH=$LIBPCAP" "XDPCAP_HELPER=$HELPER" \
		tcpdump -n -U -i "$DEVICE" -C 1 -W 2 -w "$TMP/out/x" udp
	traffic -c 1700 -r 4000 -s 1514 -p 4001 -w "$TMP/sent.pcap"
	wait_for 30 ends_as_sent x0 || fail "$(ls -l "$TMP/out")"
	stop a
	same "files" "x0 x1" "$(cd "$TMP/out" && echo *)"
	# the third file took the first one's place
	for file in x1 x0; do
		"$BUILD/tests/frames" "$TMP/out/$file"
	done >"$TMP/got"
	frames sent | tail -n "$(wc -l <"$TMP/got")" >"$TMP/expected"
	[ "$(wc -l <"$TMP/got")" -gt 700 ] || fail "too few packets are left"
	same_lines "packets of both files"
}

# By time, and the end after a number of files.
test_rotates_by_time() {
	network_up
	directory out
	start a env "LD_LIBRARY_PATH=$LIBPCAP" "XDPCAP_HELPER=$HELPER" \
		tcpdump -n --immediate-mode -i "$DEVICE" -G 1 -W 3 -w "$TMP/out/%s" udp
	traffic -c 100 -r 20 -p 4001,4002 -w "$TMP/sent.pcap"
	ended a
	contains "tcpdump's report" "Maximum file limit reached: 3" "$(cat "$TMP/a.err")"
	same "number of files" 3 "$(find "$TMP/out" -type f | wc -l)"
	for file in "$TMP/out"/*; do
		"$BUILD/tests/frames" "$file"
	done >"$TMP/got"
	frames sent | head -n "$(wc -l <"$TMP/got")" >"$TMP/expected"
	[ "$(wc -l <"$TMP/got")" -gt 30 ] || fail "too few packets"
	same_lines "packets of all files"
}

test_filter_from_a_file() {
	network_up
	echo "udp port 4001 or udp port 4002" >"$TMP/filter"
	MODE=--immediate-mode capture a -F "$TMP/filter"
	traffic -c 30 -p 4000,4001,4002 -w "$TMP/sent.pcap"
	wait_frames a 20
	stop a
	same_frames sent a "$(port 4001 4002)"
}

# It opens the device to know its link-layer type, but captures nothing.
test_shows_the_filters_code() {
	network_up
	same "code" \
		"$(in_ns "$NS_B" tcpdump -d -i "$IF_B" 'ip6 and udp port 53')" \
		"$(tcpdump_says -d -i "$DEVICE" 'ip6 and udp port 53')"
	emptied
}

# What it prints differs when the device has other types as well.
test_link_types() {
	network_up
	contains "list" "EN10MB (Ethernet)" "$(tcpdump_says -L -i "$DEVICE")"
	emptied
	MODE=--immediate-mode capture a -y EN10MB udp
	traffic -c 10 -w "$TMP/sent.pcap"
	wait_frames a 10
	stop a
	same_frames sent a
	contains "message" "IEEE802_11 is not one of the DLTs supported by this device" \
		"$(tcpdump_says -i "$DEVICE" -y IEEE802_11)"
	emptied
}

test_time_stamp_type_host() {
	network_up
	MODE=--immediate-mode capture a -j host udp
	traffic -c 10 -w "$TMP/sent.pcap"
	wait_frames a 10
	stop a
	same_frames sent a
}

# Packets that wait while tcpdump is stopped, 4.6 MB of them, find room or not.
# KiB are for all rings together; the traffic is of one CPU.
test_buffer_size() {
	local -r n=3000

	network_up
	MODE='' capture a -B 65536 udp
	kill -STOP "${PID[a]}"
	traffic -c $n -r 0 -s 1514 -p 4001 -w "$TMP/sent.pcap"
	kill -CONT "${PID[a]}"
	wait_frames a $n
	stop a
	contains "tcpdump's report" "0 packets dropped by kernel" "$(cat "$TMP/a.err")"
	same_frames sent a

	MODE='' capture a -B 1024 udp
	kill -STOP "${PID[a]}"
	traffic -c $n -r 0 -s 1514 -p 4001 -w "$TMP/sent.pcap"
	kill -CONT "${PID[a]}"
	wait_for 20 has a 1 || fail "no packets"
	wait_quiet a
	stop a
	contains "tcpdump's report" "$n packets received by filter
$((n - $(count a))) packets dropped by kernel" "$(cat "$TMP/a.err")"
	[ "$(count a)" -lt $n ] || fail "no packet was dropped"
	# the oldest are kept
	frames sent | head -n "$(count a)" >"$TMP/expected"
	frames a >"$TMP/got"
	same_lines "packets"
}

# waits: how long a packet takes until it is written, ms.
waits() {
	local begin=${EPOCHREALTIME/./} n

	n=$(count a)
	traffic -c 1
	wait_for 20 has a $((n + 1)) || fail "the packet is not captured"
	echo $(((${EPOCHREALTIME/./} - begin) / 1000))
}

# tcpdump's packet buffer timeout is 1 s. The best of some, on a busy machine.
test_immediate_mode() {
	local best=1000000 ms

	network_up
	MODE='' capture a udp
	ms=$(waits)
	[ "$ms" -ge 900 ] || fail "without it, a packet is delivered after $ms ms"
	stop a
	MODE=--immediate-mode capture a udp
	for _ in 1 2 3 4 5; do
		ms=$(waits)
		[ "$ms" -gt "$best" ] || best=$ms
	done
	stop a
	[ "$best" -lt 500 ] || fail "with it, a packet is delivered after $best ms"
}

# While it captures, when asked with SIGUSR1.
test_statistics_on_demand() {
	network_up
	MODE=--immediate-mode capture a udp port 4001
	traffic -c 30 -p 4000,4001,4002
	wait_frames a 10
	kill -USR1 "${PID[a]}"
	wait_for 10 grep -q '0 packets dropped by kernel' "$TMP/a.err" ||
		fail "no statistics"
	contains "statistics" "10 packets captured, 10 packets received by filter" \
		"$(cat "$TMP/a.err")"
	stop a
}

test_monitor_mode_is_refused() {
	network_up
	contains "message" "$DEVICE" "$(tcpdump_says -I -i "$DEVICE")"
	emptied
}

run_tests
