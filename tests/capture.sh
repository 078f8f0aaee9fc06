#!/bin/bash
# The distribution's tcpdump captures from a hook: privileges, filters in the
# kernel and in userland, tcpdump's options, timestamps, and every way to end.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
MODE=--immediate-mode

counters() {
	"$BUILD/tests/counters" "$HOOK"
}

# The one helper there is.
helper() {
	local pid

	pid=$(helpers)
	[[ $pid =~ ^[0-9]+$ ]] || fail "helpers: ${pid:-none}"
	echo "$pid"
}

test_tcpdump_has_dropped_root_and_the_kernel_filters() {
	local uid

	uid=$(id -u tcpdump)
	network_up
	MODE='' capture a udp port 4001
	same "user IDs of tcpdump" "$uid	$uid	$uid	$uid" \
		"$(status "${PID[a]}" Uid)"
	same "its capabilities" 0000000000000000 "$(status "${PID[a]}" CapEff)"
	traffic -c 60 -p 4000,4001,4002 -w "$TMP/sent.pcap"
	wait_frames a 20
	same "counters" "seen 60 captured 20 dropped 0" "$(counters)"
	stop a
	contains "tcpdump's report" "20 packets captured" "$(cat "$TMP/a.err")"
	same_frames sent a "$(port 4001)"
}

test_filter_that_the_kernel_refuses() {
	helper_with XDPCAP_TEST_REFUSE_FILTER=1
	network_up
	MODE='' capture a udp port 4001
	traffic -c 60 -p 4000,4001,4002 -w "$TMP/sent.pcap"
	wait_frames a 20
	# what shows that userland has filtered
	same "counters" "seen 60 captured 60 dropped 0" "$(counters)"
	stop a
	contains "tcpdump's report" "20 packets captured" "$(cat "$TMP/a.err")"
	same_frames sent a "$(port 4001)"
}

# protochain is a loop, which no eBPF program may be.
test_filter_that_cannot_be_translated() {
	network_up
	capture a ip6 protochain 17 and not src port 5001
	traffic -6 -c 10 -w "$TMP/sent.pcap"
	traffic -6 -c 10 -P 5001
	traffic -c 10
	wait_frames a 10
	same "counters" "seen 30 captured 30 dropped 0" "$(counters)"
	stop a
	same_frames sent a
}

# A filter in userland must see all of the packet, whatever the snapshot length:
# the last byte of the frame's number is byte 45.
test_filter_in_userland_looks_beyond_the_snapshot_length() {
	helper_with XDPCAP_TEST_REFUSE_FILTER=1
	network_up
	capture a -s 40 'udp and ether[45] & 1 = 1'
	traffic -c 20 -w "$TMP/sent.pcap"
	wait_frames a 10
	stop a
	frames sent | awk 'NR % 2 == 0 { print $1, 40, substr($3, 1, 80) }' \
		>"$TMP/expected"
	frames a >"$TMP/got"
	same_lines "packets"
}

test_nothing_is_lost_at_a_modest_rate() {
	local -r n=20000

	network_up
	MODE='' capture a udp
	traffic -c "$n" -r 5000 -p 4001,4002 -s 60,200,600 -w "$TMP/sent.pcap"
	wait_frames a "$n"
	same "counters" "seen $n captured $n dropped 0" "$(counters)"
	stop a
	contains "tcpdump's report" "$n packets captured
$n packets received by filter
0 packets dropped by kernel" "$(cat "$TMP/a.err")"
	same_frames sent a
}

test_count_option() {
	network_up
	MODE='' capture a -c 5 udp
	traffic -c 10 -w "$TMP/sent.pcap"
	ended a
	same "tcpdump's exit status" 0 "$STATUS"
	hook_empty || fail "the hook is not empty: $(hook_slots)"
	same "packets" "$(frames sent | head -n 5)" "$(frames a)"
}

test_snapshot_length_option() {
	network_up
	capture a -s 64 udp
	traffic -c 6 -s 60,64,65,200,1514 -w "$TMP/sent.pcap"
	wait_frames a 6
	stop a
	frames sent | awk '{ n = $1 < 64 ? $1 : 64
		print $1, n, substr($3, 1, 2 * n) }' >"$TMP/expected"
	frames a >"$TMP/got"
	same_lines "packets"
}

# What it prints live is what it prints of a file that it wrote.
test_file_is_read_back() {
	network_up
	capture a udp
	traffic -c 20 -p 4000,4001,4002 -s 60,300
	wait_frames a 20
	stop a
	start live env "LD_LIBRARY_PATH=$LIBPCAP" "XDPCAP_HELPER=$HELPER" \
		tcpdump -c 20 -l -n -t -v -i "xdpcap:$HOOK" udp
	traffic -c 20 -p 4000,4001,4002 -s 60,300
	ended live
	contains "live" "$IP_A.5000 > $IP_B.4001: UDP" "$(cat "$TMP/live.out")"
	same "what is printed" "$(tcpdump -n -t -v -r "$TMP/a.pcap" 2>/dev/null)" \
		"$(cat "$TMP/live.out")"
}

# times FILE: timestamps in nanoseconds, one a line.
times() {
	"$BUILD/tests/frames" -t "$TMP/$1.pcap" | cut -d ' ' -f 1
}

# Of packets to several ports, since each action has programs of its own.
check_times() {
	local early late

	same "number of timestamps" "$(times sent | wc -l)" "$(times a | wc -l)"
	same "order of the timestamps" "$(times a | sort -n)" "$(times a)"
	# A packet is captured while it is sent: after it was noted, but by the
	# precision of the capture's timestamps, and soon, but for those before
	# which the sender had to wait for a CPU.
	early=$(paste <(times sent) <(times a) |
		awk -v precision="$1" '$2 - $1 <= -precision' | wc -l)
	late=$(paste <(times sent) <(times a) | awk '$2 - $1 > 100000000' | wc -l)
	same "packets captured before they were sent" 0 "$early"
	[ "$late" -lt 10 ] ||
		fail "$late packets are captured more than 100 ms after they were sent"
}

test_timestamps_are_the_wall_clock() {
	network_up
	capture a udp
	traffic -c 50 -r 500 -p 4001,4002 -w "$TMP/sent.pcap"
	wait_frames a 50
	stop a
	check_times 1000
	same "timestamps that are not whole microseconds" "" \
		"$(times a | grep -v '000$' || :)"
}

test_timestamps_in_nanoseconds() {
	network_up
	capture a --time-stamp-precision=nano udp
	traffic -c 50 -r 500 -p 4001,4002 -w "$TMP/sent.pcap"
	wait_frames a 50
	stop a
	check_times 1
	times a | grep -qv '000$' || fail "only whole microseconds: $(times a)"
}

# bpf(2) as on a kernel that lacks something: see oldkernel.c.
on_kernel_without() {
	helper_with "LD_PRELOAD=$BUILD/tests/oldkernel.so" "OLDKERNEL=$1"
}

# The clocks that the copy programs read.
clocks() {
	bpftool prog dump xlated name xdpcap_copy |
		sed -n 's/.*call \(bpf_ktime_get_[a-z_]*\).*/\1/p' | sort -u
}

test_timestamps_are_the_wall_clock_without_the_tai_clock() {
	on_kernel_without tai
	network_up
	capture a --time-stamp-precision=nano udp
	same "clock" bpf_ktime_get_ns "$(clocks)"
	traffic -c 50 -r 500 -p 4001,4002 -w "$TMP/sent.pcap"
	wait_frames a 50
	stop a
	# the two clocks that the offset is between are read one after the other,
	# which a preemption can lengthen, and are adjusted differently
	check_times 1000000
	same_frames sent a
	HELPER=$BUILD/xdpcap-helper
	capture a udp
	same "clock of this kernel" bpf_ktime_get_tai_ns "$(clocks)"
	stop a
}

# Of what there is, the right one is found; and if it is not there, it is said.
test_kernel_without_packets_in_several_buffers() {
	on_kernel_without frags
	network_up
	capture a udp
	traffic -c 10 -w "$TMP/sent.pcap"
	wait_frames a 10
	stop a
	same_frames sent a
	network_down
	network_up tests/example-frags.bpf.o
	fails PCAP_ERROR "xdpcap:$HOOK" \
		"xdpcap:$HOOK: the hook takes no XDP program of any kind that this version knows: Invalid argument"
}

test_helper_has_nothing_of_tcpdumps() {
	local pid caps

	network_up
	exec 7>"$TMP/inherited"
	capture a udp
	exec 7>&-
	pid=$(helper)
	[ "$(status "$pid" PPid)" != "${PID[a]}" ] || fail "it is tcpdump's child"
	# session and process group of its own: Ctrl-C does not reach it
	same "session" "$(ps -o pgid= -p "$pid")" "$(ps -o sid= -p "$pid")"
	[ "$(ps -o sid= -p "$pid")" != "$(ps -o sid= -p "${PID[a]}")" ] ||
		fail "it is in tcpdump's session"
	same "directory" / "$(readlink "/proc/$pid/cwd")"
	same "environment" "" "$(tr '\0' '\n' <"/proc/$pid/environ")"
	# CAP_NET_ADMIN, CAP_SYS_ADMIN, CAP_PERFMON, CAP_BPF
	caps=$(printf '%016x' $((1 << 12 | 1 << 21 | 1 << 38 | 1 << 39)))
	same "effective capabilities" "$caps" "$(status "$pid" CapEff)"
	same "permitted capabilities" "$caps" "$(status "$pid" CapPrm)"
	same "inheritable capabilities" 0000000000000000 "$(status "$pid" CapInh)"
	same "ambient capabilities" 0000000000000000 "$(status "$pid" CapAmb)"
	same "capabilities to be had" 0000000000000000 "$(status "$pid" CapBnd)"
	same "no new privileges" 1 "$(status "$pid" NoNewPrivs)"
	# tcpdump has the file, or else the test tests nothing
	readlink "/proc/${PID[a]}/fd/"* | grep -q "^$TMP/inherited$" ||
		fail "tcpdump has not inherited descriptor 7"
	same "descriptors" "\
/dev/null
$BPFDIR
anon_inode:[signalfd]
anon_inode:bpf-map
socket" "$(readlink "/proc/$pid/fd/"* | sed 's/:\[[0-9]*\]$//' | sort -u)"
	stop a
}

test_interrupt_from_the_terminal() {
	local helper

	network_up
	# what a terminal sends goes to the whole process group
	capture_in_group
	helper=$(helper)
	traffic -c 10 -w "$TMP/sent.pcap"
	wait_frames a 10
	# stopped, so that it is not by ending that it ends the helper
	kill -STOP "${PID[a]}"
	kill -INT -- "-${PID[a]}"
	sleep 0.3
	! gone "$helper" || fail "the helper was interrupted"
	kill -CONT "${PID[a]}"
	ended a
	hook_empty || fail "the hook is not empty: $(hook_slots)"
	same "tcpdump's exit status" 0 "$STATUS"
	contains "tcpdump's report" "10 packets captured" "$(cat "$TMP/a.err")"
	same_frames sent a
}

# setsid: a new process group, whose leader is tcpdump.
capture_in_group() {
	start a setsid env "LD_LIBRARY_PATH=$LIBPCAP" "XDPCAP_HELPER=$HELPER" \
		tcpdump -n -U -i "xdpcap:$HOOK" -w "$TMP/a.pcap" udp
	same "process group of tcpdump" "${PID[a]}" \
		"$(ps -o pgid= -p "${PID[a]}" | tr -d ' ')"
}

test_interrupted_tcpdump_leaves_the_hook_empty() {
	network_up
	capture a udp
	traffic -c 10
	wait_frames a 10
	stop a INT
	# at once: pcap_close() waits for the helper
	hook_empty || fail "the hook is not empty: $(hook_slots)"
	same "tcpdump's exit status" 0 "$STATUS"
}

test_killed_tcpdump_leaves_the_hook_empty() {
	network_up
	MODE='' capture a udp
	traffic -c 10
	wait_frames a 10
	! hook_empty || fail "the hook is empty during the capture"
	kill -KILL "${PID[a]}"
	wait_for 2 hook_empty || fail "after 2 s the hook has $(hook_slots)"
	ended a
}

test_terminated_helper_ends_the_capture() {
	network_up
	MODE='' capture a udp
	traffic -c 10 -w "$TMP/sent.pcap"
	wait_frames a 10
	kill -TERM "$(helper)"
	ended a
	same "tcpdump's exit status" 1 "$STATUS"
	contains "tcpdump's message" \
		"xdpcap:$HOOK: xdpcap-helper has ended; the capture has ended" \
		"$(cat "$TMP/a.err")"
	same_frames sent a
}

# Whether a packet that comes to the filter program is not captured.
copies_nothing() {
	local before after

	before=$(counters)
	traffic -p 4002
	after=$(counters)
	[ "${before%% captured*}" != "${after%% captured*}" ] &&
		[ "${before##* captured}" = "${after##* captured}" ]
}

# It cannot clean up, but its capture must do no harm.
test_killed_helper_ends_the_capture() {
	local slot rest

	network_up
	capture a udp
	sniff b "$NS_B" "$IF_B" udp
	traffic -c 10 -p 4002 -w "$TMP/sent.pcap"
	wait_frames a 10
	kill -KILL "$(helper)"
	ended a
	same "tcpdump's exit status" 1 "$STATUS"
	contains "tcpdump's message" \
		"xdpcap:$HOOK: xdpcap-helper has ended; the capture has ended" \
		"$(cat "$TMP/a.err")"
	same_frames sent a

	# the filter programs are still there, but soon nothing is copied any more
	! hook_empty || fail "there is no filter program in the hook"
	wait_for 2 copies_nothing || fail "it still copies: $(counters)"
	stop b
	sniff b "$NS_B" "$IF_B" udp
	traffic -c 10 -p 4002 -w "$TMP/sent.pcap"
	wait_frames b 10
	stop b
	same_frames sent b
	hook_slots | while read -r slot rest; do
		bpftool map delete pinned "$HOOK" key hex "$slot" 00 00 00
	done
}

test_hook_unpinned_during_the_capture() {
	network_up
	capture a udp
	traffic -c 10 -w "$TMP/sent.pcap"
	# to look at it later
	bpftool map pin pinned "$HOOK" "$BPFDIR/same_hook"
	rm "$HOOK"
	traffic -f 10 -c 10 -w "$TMP/sent2.pcap"
	wait_frames a 20
	stop a
	same "packets" "$(frames sent; frames sent2)" "$(frames a)"
	HOOK=$BPFDIR/same_hook
	hook_empty || fail "the hook is not empty: $(hook_slots)"
}

test_slot_that_holds_another_program_is_busy() {
	local message id

	network_up
	bpftool map update pinned "$HOOK" key 1 0 0 0 \
		value pinned "$PROG"
	id=$(bpftool -j prog show pinned "$PROG" | grep -o '"id":[0-9]*')
	message=$(with_xdpcap "$BUILD/tests/open" "xdpcap:$HOOK") &&
		fail "a capture was possible: $message"
	contains "message" "PCAP_ERROR: xdpcap:$HOOK: busy: action drop is already captured by program ${id#*:}, which is not of xdpcap-helper" \
		"$message"
	[[ $(hook_slots) == 01\ * ]] || fail "in the hook: $(hook_slots)"
	DEVICE=xdpcap:$HOOK@pass capture a udp
	traffic -c 10 -p 4002 -w "$TMP/sent.pcap"
	wait_frames a 10
	stop a
	same_frames sent a
	[[ $(hook_slots) == 01\ * ]] || fail "in the hook: $(hook_slots)"
	bpftool map delete pinned "$HOOK" key 1 0 0 0
}

test_two_captures_of_different_actions() {
	network_up
	DEVICE=xdpcap:$HOOK@drop capture a udp
	DEVICE=xdpcap:$HOOK@pass capture b udp
	traffic -c 30 -p 4000,4001,4002 -w "$TMP/sent.pcap"
	wait_frames a 10
	wait_frames b 10
	stop a
	traffic -f 30 -c 10 -p 4002 -w "$TMP/sent2.pcap"
	wait_frames b 20
	stop b
	same_frames sent a "$(port 4001)"
	same "packets" "$(frames sent | grep -E "$(port 4002)"; frames sent2)" \
		"$(frames b)"
}

run_tests
