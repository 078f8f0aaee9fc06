#!/bin/bash
# The command xdpcap: what it captures, byte for byte, what tshark, capinfos and
# tcpdump read in its files, its options, and how it ends.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

# Another program and hook, at the sender's end.
HOOK2=$BPFDIR/second/xdpcap_hook

# xdpcap OPTION...: the command, with this build's libpcap.
xdpcap() {
	with_xdpcap "$BUILD/xdpcap" "$@"
}

# record NAME ARGUMENT...: in the background, until it listens. It writes to
# $TMP/NAME.pcap if that is among the arguments.
record() {
	start "$1" env "LD_LIBRARY_PATH=$LIBPCAP" "XDPCAP_HELPER=$HELPER" \
		"$BUILD/xdpcap" "${@:2}"
}

second_hook_up() {
	mkdir -p "${HOOK2%/*}"
	bpftool prog load "$BUILD/bpf/example.bpf.o" "$BPFDIR/second/example" \
		pinmaps "$BPFDIR/second"
	in_ns "$NS_A" ip link set "$IF_A" xdp off
	in_ns "$NS_A" ip link set "$IF_A" xdp pinned "$BPFDIR/second/example"
}

# hook_slots_used NUMBER: whether a capture has attached to so many.
hook_slots_used() {
	[ "$(hook_slots | wc -l)" = "$1" ]
}

# fields NAME FIELD...: of each packet, as tshark has them, tabs between them.
fields() {
	tshark -r "$TMP/$1.pcap" -T fields "${@:2}" 2>"$TMP/tshark.err" || {
		cat "$TMP/tshark.err"
		return 1
	}
}

# statistics NAME: the interface statistics blocks, one a line: the interface, and
# the options' codes and values.
statistics() {
	od -A n -t u4 -v -w4 "$TMP/$1.pcap" | awk '
		{ w[n++] = $1 }
		END {
			for (i = 0; i < n; i += w[i + 1] / 4) {
				if (w[i] != 5)
					continue
				line = w[i + 2]
				for (o = i + 5; w[o]; o += 1 + int(w[o] / 65536 / 4)) {
					code = w[o] % 65536
					# times have the high half first
					if (code > 3)
						line = line " " code "=" w[o + 1] + w[o + 2] * 2 ^ 32
				}
				print line
			}
		}'
}

# row NAME ACTION: seen, matched, captured and dropped, as the command says.
row() {
	awk -v "at=@$2" 'index($1, at) { print $2, $3, $4, $5 }' "$TMP/$1.err"
}

# --- Usage ---

test_original_usage_with_a_file() {
	network_up
	record a "$HOOK" "$TMP/a.pcap" "udp and port 4001"
	traffic -c 60 -p 4000,4001,4002 -s 60,1514 -w "$TMP/sent.pcap"
	wait_frames a 20
	same "counters" "seen 60 captured 20 dropped 0" \
		"$("$BUILD/tests/counters" "$HOOK")"
	kill -USR1 "${PID[a]}"
	wait_for 20 grep -q '@pass .* 20 .* 0 .* 0' "$TMP/a.err" ||
		fail "no statistics on SIGUSR1"
	: >"$TMP/a.err"
	stop a
	same "exit status" 0 "$STATUS"
	same_frames sent a "$(port 4001)"
	same "drop" "20 20 20 0" "$(row a drop)"
	same "pass" "20 0 0 0" "$(row a pass)"
	contains "summary" "20 packets, * bytes written to $TMP/a.pcap" \
		"$(cat "$TMP/a.err")"
}

test_original_usage_with_tcpdump_as_reader() {
	local pid

	network_up
	{ xdpcap "$HOOK" - "udp and port 4001" 2>"$TMP/err"; echo $? >"$TMP/status"; } |
		tcpdump -n -t -c 5 -r - >"$TMP/out" 2>"$TMP/tcpdump.err" &
	pid=$!
	# it is told of the file at once, not when packets come
	wait_for 10 grep -q 'reading from file -' "$TMP/tcpdump.err" ||
		fail "tcpdump does not read"
	traffic -c 30 -p 4000,4001,4002 -s 100
	wait $pid
	# without another packet, which could not be written
	wait_for 20 test -s "$TMP/status" || fail "it does not see that its reader is gone"
	same "exit status" 0 "$(cat "$TMP/status")"
	same "packets" "$(for _ in 1 2 3 4 5; do
		echo "IP $IP_A.5000 > $IP_B.4001: UDP, length 58"; done)" \
		"$(cat "$TMP/out")"
	same "standard error" "" "$(cat "$TMP/err")"
}

# Though no packet comes that it could write: of a pipe without a name, one with a
# name, and a socket.
test_ends_when_its_reader_has_gone() {
	local how

	network_up
	mkfifo "$TMP/fifo"
	for how in pipe fifo socket; do
		"reader_of_$how" 2>"$TMP/err" &
		PID[a]=$!
		wait_for 30 hook_slots_used 5 || fail "$how: $(cat "$TMP/err")"
		: >"$TMP/go"
		ended a
		same "exit status with a $how" 0 "$STATUS"
		same "first bytes through a $how" 0a0d0d0a \
			"$(od -A n -t x4 -N 4 "$TMP/read" | tr -d ' ')"
		same "errors with a $how" "" "$(grep 'cannot\|rror' "$TMP/err" || :)"
		wait_for 20 hook_empty || fail "$how: $(hook_slots)"
		rm "$TMP/go"
	done
}

# The file's beginning, until somebody else says so.
read_some() {
	head -c 100 >"$TMP/read"
	wait_for 60 test -e "$TMP/go"
}

reader_of_pipe() {
	xdpcap "$HOOK" - | read_some
	return "${PIPESTATUS[0]}"
}

reader_of_fifo() {
	read_some <"$TMP/fifo" &
	xdpcap "$HOOK" "$TMP/fifo"
}

reader_of_socket() {
	with_xdpcap /usr/bin/python3 - "$TMP" "$BUILD/xdpcap" "$HOOK" - <<-'END'
		import os, socket, subprocess, sys, time
		tmp, command = sys.argv[1], sys.argv[2:]
		ours, theirs = socket.socketpair()
		process = subprocess.Popen(command, stdout=theirs)
		theirs.close()
		with open(tmp + "/read", "wb") as file:
		    # all of it: with something unread, it would end as by an error
		    file.write(ours.recv(65536))
		while not os.path.exists(tmp + "/go"):
		    time.sleep(0.02)
		ours.close()
		sys.exit(process.wait())
	END
}

test_options_as_in_go() {
	local -a how

	network_up
	while read -r -a how; do
		record a "${how[@]}" "$HOOK" "$TMP/a.pcap" udp
		traffic -c 15 -p 4000,4001,4002,4003,4004 -w "$TMP/sent.pcap"
		wait_frames a 6
		stop a
		same_frames sent a "$(port 4001 4002)"
	done <<-END
		-actions=drop,pass -buffer=8192 -watermark=1
		-actions drop,pass -buffer 8192 -flush
		--actions Drop,0x2 -flush=true -linktype ethernet
		-a 1,pass -linktype=1 -q=false
	END
	for how in -q -q=true --quiet; do
		xdpcap "$how" -c=1 "$HOOK" "$TMP/a.pcap" >"$TMP/out" 2>&1 &
		PID[a]=$!
		wait_for 30 hook_slots_used 5 || fail "$how: it does not capture"
		traffic -c 1
		ended a
		same "exit status with $how" 0 "$STATUS"
		same "output with $how" "" "$(cat "$TMP/out")"
	done
}

test_help_version_and_completion() {
	local option

	contains "help" "Usage: xdpcap" "$(xdpcap -help)"
	contains "version" "xdpcap 0" "$(xdpcap --version)"
	# shellcheck source=cmd/completion/xdpcap
	. "$SRC/cmd/completion/xdpcap"
	complete_words() {
		COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
		_xdpcap
		echo "${COMPREPLY[*]}"
	}
	same "completion" "--actions" "$(complete_words xdpcap --act)"
	same "completion" "drop,redirect" "$(complete_words xdpcap -a drop,re)"
	for option in $(xdpcap --help | grep -oE -- '--[a-z-]+' | sort -u); do
		contains "completion" "$option" "$(complete_words xdpcap --)"
		grep -qF -- "${option//-/\\-}" "$SRC/doc/xdpcap.1" ||
			fail "xdpcap(1) does not have $option"
	done
	network_up
	same "completion" "$HOOK" "$(complete_words xdpcap "$BPFDIR/xdp")"
}

# mistake STATUS MESSAGE ARGUMENT...
mistake() {
	local status=0 out

	out=$(xdpcap "${@:3}" 2>&1 >/dev/null </dev/null) || status=$?
	same "exit status of xdpcap ${*:3}" "$1" "$status"
	contains "message of xdpcap ${*:3}" "$2" "$out"
	[ ! -e "$TMP/x.pcap" ] || fail "xdpcap ${*:3} made a file"
}

test_mistakes() {
	local x=$TMP/x.pcap

	network_up
	mistake 2 "the hook is missing"
	mistake 2 "the output is missing" "$HOOK"
	mistake 2 "the output is missing" -i "$HOOK"
	mistake 2 "unrecognized option '-nonsense'" -nonsense "$HOOK" "$x"
	mistake 2 "no number of packets: \"x\"" -c x "$HOOK" "$x"
	mistake 2 "no offsets: \"14,\"" --offset 14, "$HOOK" "$x" ip
	mistake 2 "--offset needs a filter" --offset 14 "$HOOK" "$x"
	mistake 2 "--offset takes an expression" --offset 14 "$HOOK" "$x" "1,6 0 0 1"
	mistake 2 "--files needs --rotate" --files 2 "$HOOK" "$x"
	mistake 2 "cannot be rotated" --rotate-size 1M "$HOOK" -
	mistake 2 "no such link-layer type: \"foo\"" -linktype foo "$HOOK" "$x"
	mistake 1 "xdpcap:$BPFDIR/none: no such file" "$BPFDIR/none" "$x"
	mistake 1 "no action \"frob\"" -actions frob "$HOOK" "$x"
	mistake 1 "filter: *syntax error" "$HOOK" "$x" "udp port"
	mistake 1 "instruction 1 of 2 is not" "$HOOK" "$x" "2,6 0 0 1,"
	mistake 1 "more than the 1 instructions" "$HOOK" "$x" "1,6 0 0 1,6 0 0 1"
	mistake 1 "not a valid cBPF program" "$HOOK" "$x" "1,7 0 0 0"
	mistake 1 "cannot write to $TMP/none/x" "$HOOK" "$TMP/none/x"
	mistake 1 "No space left on device" "$HOOK" /dev/full
	hook_empty || fail "the hook is not empty: $(hook_slots)"
	# with the distribution's libpcap
	contains "message" "cannot capture from hooks" \
		"$("$BUILD/xdpcap" "$HOOK" "$x" 2>&1)"
}

test_raw_program_as_filter() {
	local program

	program=$(tcpdump -ddd -y EN10MB udp port 4002 | paste -sd,)
	network_up
	record a "$HOOK" "$TMP/a.pcap" "$program"
	traffic -c 30 -p 4000,4001,4002 -w "$TMP/sent.pcap"
	wait_frames a 10
	same "counters" "seen 30 captured 10 dropped 0" \
		"$("$BUILD/tests/counters" "$HOOK")"
	stop a
	same_frames sent a "$(port 4002)"
}

# A filter for packets that begin with an IP header; here only some bytes look so.
test_linktype_is_what_the_filter_is_compiled_for() {
	network_up
	# of the destination address, 4x is the version
	record a -linktype raw "$HOOK" "$TMP/a.pcap" ip
	traffic -c 5 -B 02:00:00:00:00:0b
	traffic -c 5 -B 42:00:00:00:00:0b -w "$TMP/sent.pcap"
	wait_frames a 5
	stop a
	same_frames sent a
	contains "type" "Raw IP" "$(capinfos -E "$TMP/a.pcap")"
	# which has numbers of its own in a file of this kind
	xdpcap -q --duration 1 --pcap -linktype raw "$HOOK" "$TMP/b.pcap"
	contains "type" "Raw IP" "$(capinfos -E "$TMP/b.pcap")"
}

# --- Files ---

test_pcapng_has_everything_of_a_packet() {
	network_up
	# in the network namespace, for the interface's name
	start a nsenter --net="/run/netns/$NS_B" env \
		"LD_LIBRARY_PATH=$LIBPCAP" "XDPCAP_HELPER=$HELPER" \
		"$BUILD/xdpcap" -s 80 "$HOOK" "$TMP/a.pcap" "udp dst portrange 4000-4004"
	traffic -c 20 -p 4000,4001,4002,4004 -s 60,200 -w "$TMP/sent.pcap"
	wait_frames a 20
	stop a
	frames sent | awk '{ n = $1 < 80 ? $1 : 80; print $1, n, substr($3, 1, 2 * n) }' \
		>"$TMP/expected"
	frames a >"$TMP/got"
	same_lines "packets"

	fields a -e frame.packet_id -e frame.interface_name -e frame.interface_queue \
		-e frame.verdict.ebpf_xdp -e frame.len -e frame.cap_len >"$TMP/got"
	for i in {0..19}; do
		action=$((i % 4)) names=(aborted drop pass redirect)
		# a size is used for each port in turn
		len=$((i / 4 % 2 ? 200 : 60))
		printf '%d\t%s\t0\t%d\t%d\t%d\n' $((i + 1)) \
			"${HOOK#/sys/fs/bpf/}@${names[action]} $IF_B" \
			$((action + (action == 3))) $len $((len < 80 ? len : 80))
	done >"$TMP/expected"
	same_lines "fields"

	# its clock is the one that the packets were sent by, and to the ns
	paste <("$BUILD/tests/frames" -t "$TMP/sent.pcap") \
		<("$BUILD/tests/frames" -t "$TMP/a.pcap") |
		awk '{ d = $5 - $1; if (d < 0 || d > 1e8) bad++
			if (substr($5, length($5) - 2) != "000") ns++ }
			END { exit bad || ns < 10 }' || fail "timestamps"
	contains "capinfos" "*Strict time order:   True*Number of interfaces in file: 9*\
Name = ${HOOK#/sys/fs/bpf/}@drop
*Description = XDP verdict drop (1) at hook $HOOK
*Capture length = 80
*Time precision = nanoseconds (9)
*Filter string = udp dst portrange 4000-4004
*Name = ${HOOK#/sys/fs/bpf/}@drop $IF_B
*Description = XDP verdict drop (1) at hook $HOOK, received on ifindex 12
*Number of packets = 5" "$(capinfos "$TMP/a.pcap")"
}

# The filter looks at the queue in the kernel, and lets only one through.
test_pcapng_has_the_receive_queue() {
	VETH=(numtxqueues 4 numrxqueues 4)
	network_up
	# ld #queue; jeq 2
	record a "$HOOK" "$TMP/a.pcap" "4,32 0 0 4294963224,21 0 1 2,6 0 0 262144,6 0 0 0"
	# of that many flows, some come to each queue
	traffic -c 200 -p "$(seq -s , 4001 4200)" -w "$TMP/sent.pcap"
	wait_for 20 has a 1 || fail "no packet came to queue 2"
	stop a
	[ "$(count a)" -lt 200 ] || fail "all packets came to one queue"
	same "queues" 2 "$(fields a -e frame.interface_queue | sort -u)"
}

test_pcapng_ends_with_statistics() {
	network_up
	record a "$HOOK" "$TMP/a.pcap" udp port 4001
	traffic -c 30 -p 4000,4001,4002
	wait_frames a 10
	stop a
	# received, accepted, dropped, delivered; and of the packets' interface
	same "statistics" "\
0 4=10 6=0 7=0 8=0
1 4=10 6=10 7=0 8=10
2 4=10 6=0 7=0 8=0
3 4=0 6=0 7=0 8=0
4 4=0 6=0 7=0 8=0
5 8=10" "$(statistics a)"
}

test_classic_pcap() {
	network_up
	record a --pcap "$HOOK@drop" "$TMP/a.pcap"
	traffic -c 20 -p 4000,4001 -s 60,1514 -w "$TMP/sent.pcap"
	wait_frames a 10
	stop a
	same "magic number" a1b2c3d4 "$(od -A n -t x4 -N 4 "$TMP/a.pcap" | tr -d ' ')"
	same_frames sent a "$(port 4001)"
	contains "tcpdump" "$IP_A.5000 > $IP_B.4001" \
		"$(tcpdump -n -c 1 -r "$TMP/a.pcap" 2>/dev/null)"
}

test_files_are_the_users() {
	network_up
	export SUDO_UID=1234 SUDO_GID=2345
	record a "$HOOK" "$TMP/a.pcap"
	same "user IDs" "1234	1234	1234	1234" \
		"$(sed -n 's/^Uid:[[:space:]]*//p' "/proc/${PID[a]}/status")"
	traffic -c 5 -w "$TMP/sent.pcap"
	wait_frames a 5
	stop a
	same "exit status" 0 "$STATUS"
	same_frames sent a
	same "mode and owner" "600 1234 2345" "$(stat -c '%a %u %g' "$TMP/a.pcap")"
	# what was there keeps both
	echo old >"$TMP/b.pcap"
	chmod 644 "$TMP/b.pcap"
	xdpcap -q --duration 1 "$HOOK" "$TMP/b.pcap"
	same "mode and owner" "644 0 0" "$(stat -c '%a %u %g' "$TMP/b.pcap")"
	frames b
	# each of several
	xdpcap -q --duration 2 --rotate-time 1 "$HOOK" "$TMP/d"
	same "modes and owners" "600 1234 2345" \
		"$(stat -c '%a %u %g' "$TMP"/d_* | sort -u)"
	unset SUDO_UID SUDO_GID
	xdpcap -q --duration 1 "$HOOK" "$TMP/c.pcap"
	same "mode and owner" "600 0 0" "$(stat -c '%a %u %g' "$TMP/c.pcap")"
}

test_rotation_by_size() {
	local files f

	network_up
	mkdir "$TMP/r.d"
	record a --rotate-size 20K "$HOOK@drop" "$TMP/r.d/a.b.pcapng"
	traffic -c 100 -r 0 -s 1000 -w "$TMP/sent.pcap"
	sleep 0.2
	stop a
	files=("$TMP"/r.d/*)
	# 18 packets of 1080 bytes in each, and what begins a file
	same "number of files" 6 "${#files[@]}"
	for f in "${files[@]}"; do
		[[ ${f##*/} =~ ^a\.b_0000[1-6]_20[0-9]{12}\.pcapng$ ]] ||
			fail "the name ${f##*/}"
		[ "$(stat -c %s "$f")" -lt 22000 ] || fail "the size of ${f##*/}"
		"$BUILD/tests/frames" "$f"
	done >"$TMP/got"
	frames sent >"$TMP/expected"
	same_lines "packets of all files"

	rm "$TMP"/r.d/*
	record a --rotate-size 20K --files 2 "$HOOK@drop" "$TMP/r.d/a.pcapng"
	traffic -c 100 -r 0 -s 1000
	sleep 0.2
	stop a
	same "files" "a_00005 a_00006" \
		"$(cd "$TMP/r.d" && printf '%s\n' * | cut -d_ -f 1,2 | paste -sd ' ')"
}

test_rotation_by_time() {
	local f counts

	network_up
	record a --rotate-time 1 "$HOOK@drop" "$TMP/t"
	traffic -c 350 -r 100 -w "$TMP/sent.pcap"
	stop a
	same "exit status" 0 "$STATUS"
	for f in "$TMP"/t_*; do
		"$BUILD/tests/frames" "$f" | tee -a "$TMP/got" | wc -l
	done | paste -sd ' ' >"$TMP/counts"
	read -r -a counts <"$TMP/counts"
	# 100 in each, on a machine that is not busy
	[ ${#counts[@]} -ge 3 ] && [ ${#counts[@]} -le 20 ] ||
		fail "${#counts[@]} files"
	for f in "${counts[@]}"; do
		[ "$f" -le 250 ] || fail "packets in the files: ${counts[*]}"
	done
	[ "${counts[0]}" -ge 1 ] && [ "${counts[1]}" -ge 1 ] ||
		fail "packets in the files: ${counts[*]}"
	frames sent >"$TMP/expected"
	same_lines "packets of all files"
}

# --- Several hooks ---

test_two_hooks_in_one_file_in_order() {
	local reverse=(-A "$MAC_B" -B "$MAC_A" -a "$IP_B" -b "$IP_A")

	network_up
	second_hook_up
	record a -i "$HOOK@drop" --hook "$HOOK2@drop" "$TMP/a.pcap" udp
	traffic -c 3000 -r 3000 -w "$TMP/sent1.pcap" &
	pid=$!
	in_ns "$NS_B" "$BUILD/tests/traffic" -c 3000 -r 3000 "${reverse[@]}" \
		-w "$TMP/sent2.pcap" "$IF_B"
	wait $pid
	# and one after the other
	for _ in 1 2 3; do
		traffic
		in_ns "$NS_B" "$BUILD/tests/traffic" "${reverse[@]}" "$IF_B"
	done
	wait_frames a 6006
	stop a
	same "drop" "3003 3003 3003 0
3003 3003 3003 0" "$(row a drop)"
	contains "capinfos" "Strict time order:   True" "$(capinfos -o "$TMP/a.pcap")"
	frames a | head -n 6000 >"$TMP/all"
	for i in 1 2; do
		frames sent$i >"$TMP/expected"
		grep -F "$(head -n 1 "$TMP/expected" | cut -c 1-34)" "$TMP/all" >"$TMP/got"
		same_lines "packets of hook $i"
	done
	fields a -e frame.interface_name | tail -n 6 |
		sed "s|${HOOK#/sys/fs/bpf/}@|first |; s|${HOOK2#/sys/fs/bpf/}@|second |" \
		>"$TMP/got"
	for _ in 1 2 3; do
		echo "first drop ifindex 12"
		echo "second drop ifindex 11"
	done >"$TMP/expected"
	same_lines "hooks of the last packets"
}

# --- The end, and loss ---

test_stops_after_packets_seconds_or_bytes() {
	local begin

	network_up
	record a -c 5 "$HOOK" "$TMP/a.pcap" udp
	traffic -c 20 -w "$TMP/sent.pcap"
	ended a
	same "exit status" 0 "$STATUS"
	same "packets" "$(frames sent | head -n 5)" "$(frames a)"

	# not less than 10 KB, and not a packet more than that
	record a --pcap --size 10K "$HOOK" "$TMP/a.pcap" udp
	traffic -c 30 -s 1000
	ended a
	same "bytes" $((24 + 11 * 1016)) "$(stat -c %s "$TMP/a.pcap")"

	begin=${EPOCHREALTIME/./}
	xdpcap -q --duration 1 "$HOOK" "$TMP/a.pcap"
	begin=$((${EPOCHREALTIME/./} - begin))
	[ $begin -ge 1000000 ] && [ $begin -lt 15000000 ] ||
		fail "a second took $begin us"
	hook_empty || fail "the hook is not empty: $(hook_slots)"
}

# While packets keep coming.
test_packets_before_sigint_are_in_the_file() {
	local seen

	network_up
	record a "$HOOK@drop" "$TMP/a.pcap"
	# slow enough for the buffer, while the command does not get to run for seconds
	traffic -c 1000000 -r 20000 -s 60 &
	pid=$!
	wait_for 20 has a 10000 || fail "hardly a packet"
	seen=$("$BUILD/tests/counters" "$HOOK")
	stop a
	kill $pid 2>/dev/null || fail "the sender was too fast"
	wait $pid 2>/dev/null || :
	same "exit status" 0 "$STATUS"
	[[ $seen =~ captured\ ([0-9]+)\ dropped\ 0 ]] || fail "counters: $seen"
	# every frame has its number after the headers
	frames a | awk -v "captured=${BASH_REMATCH[1]}" '
		{ number = substr($3, 85, 8) }
		number != sprintf("%08x", NR - 1) { print "packet", NR, number; exit 1 }
		END { if (NR < captured) { print NR, "of", captured; exit 1 } }' ||
		fail "packets are missing"
}

test_loss_is_reported_once() {
	network_up
	record a --fail-on-loss -buffer 8192 "$HOOK@drop" "$TMP/a.pcap"
	traffic -c 1
	wait_frames a 1
	kill -STOP "${PID[a]}"
	traffic -c 1000 -r 0 -s 1500
	kill -CONT "${PID[a]}"
	wait_for 20 has a 100 || fail "nothing after the loss"
	traffic -c 1
	sleep 0.2
	stop a
	same "exit status" 3 "$STATUS"
	read -r seen matched captured dropped <<<"$(row a drop)"
	same "seen, matched" "1002 1002" "$seen $matched"
	[ "$dropped" -gt 100 ] || fail "dropped: $dropped"
	same "captured" $((1002 - dropped)) "$captured"
	same "packets in the file" "$captured" "$(count a)"
	same "lines about it" "xdpcap: $dropped packets are missing: there was no room for them; see -buffer" \
		"$(grep xdpcap: "$TMP/a.err" | grep -v ^listening)"
	# with the packet after those that had been waiting
	same "with packets" "$captured $dropped" \
		"$(fields a -e frame.number -e frame.drop_count | awk '$2 { print $1, $2 }')"
	contains "statistics" "0 4=1002 6=1002 7=$dropped 8=$captured" "$(statistics a)"
}

test_helper_killed_ends_with_an_error() {
	network_up
	record a "$HOOK@drop" "$TMP/a.pcap"
	traffic -c 5 -w "$TMP/sent.pcap"
	wait_frames a 5
	kill -TERM "$(helpers)"
	ended a
	same "exit status" 1 "$STATUS"
	contains "message" "xdpcap-helper has ended" "$(cat "$TMP/a.err")"
	same_frames sent a
	contains "statistics" "0 4=5 6=5 7=0 8=5" "$(statistics a)"
}

test_live_statistics_on_a_terminal() {
	local screen expected rate

	network_up
	TERM=xterm LD_LIBRARY_PATH=$LIBPCAP XDPCAP_HELPER=$HELPER script -qefc \
		"stty cols 120; '$BUILD/xdpcap' --duration 5 $HOOK@drop,pass $TMP/a.pcap 'udp port 4001'" \
		"$TMP/screen" >/dev/null 2>&1 &
	PID[a]=$!
	wait_for 30 hook_slots_used 2 || fail "it does not capture"
	sleep 0.2
	traffic -c 60 -r 0 -p 4001,4002
	ended a
	same "exit status" 0 "$STATUS"
	screen=$(tr -d '\r' <"$TMP/screen")
	# of a second that was longer than one, or had not all packets
	rate='@([1-3][0-9]| [1-9])'
	expected='seen      matched     captured    dropped     seen/s captured/s'
	expected+="*@drop           30           30           30          0         $rate         $rate"
	expected+="*@pass           30            0            0          0         $rate          0"
	# over the three lines
	expected+=$'*\033[[]3A*@drop           30           30           30          0          0          0'
	contains "the screen" "$expected*30 packets, " "$screen"
}

# --- Encapsulated packets ---

ETHERNET=02000000000b02000000000a0800

# ip4 PROTOCOL BYTES: an IPv4 packet, in hexadecimal.
ip4() {
	printf '4500%04x0000000040%02x0000%s%s%s' $((20 + ${#2} / 2)) "$1" \
		0a090001 0a090002 "$2"
}

# tcp PORT: a header, to it.
tcp() {
	printf '%04x%04x%032x' 5000 "$1" 0
}

# udp SOURCE DESTINATION BYTES
udp() {
	printf '%04x%04x%04x0000%s' "$1" "$2" $((8 + ${#3} / 2)) "$3"
}

# frame BYTES: to be sent.
frame() {
	echo "$1" | sed 's/../ &/g; s/^/000000/' >>"$TMP/frames.txt"
}

# encapsulated PORT: frames with a TCP packet to it, at 34, 38, 46 and 64.
encapsulated() {
	local inner

	inner=$(ip4 6 "$(tcp "$1")")
	frame "$ETHERNET$(ip4 4 "$inner")"
	frame "$ETHERNET$(ip4 47 "00000800$inner")"
	frame "$ETHERNET$(ip4 17 "$(udp 5000 6080 "00040000$inner")")"
	frame "$ETHERNET$(ip4 17 "$(udp 5000 4789 "0800000000000100$ETHERNET$inner")")"
}

send_frames() {
	text2pcap -F pcap -q "$TMP/frames.txt" "$TMP/sent.pcap" 2>/dev/null
	in_ns "$NS_A" "$BUILD/tests/replay" "$TMP/sent.pcap" "$IF_A"
}

# expect_frames NUMBER...: of those that were sent.
expect_frames() {
	frames sent | sed -n "$(printf '%sp;' "$@")" >"$TMP/expected"
	frames a >"$TMP/got"
	same_lines "packets"
	# not filtered again in userland
	same "admitted by the kernel" "$#" "$("$BUILD/tests/counters" "$HOOK" | awk '{ print $4 }')"
}

test_offsets_of_encapsulated_packets() {
	local offsets numbers

	network_up
	encapsulated 80
	encapsulated 81
	# as plain packets, and too short for most
	frame "$ETHERNET$(ip4 6 "$(tcp 80)")"
	frame "$ETHERNET$(ip4 17 "$(udp 5000 80 00)")"
	while read -r offsets numbers; do
		record a --offset "$offsets" "$HOOK" "$TMP/a.pcap" tcp port 80
		send_frames
		# shellcheck disable=SC2086 # several numbers
		set -- $numbers
		wait_frames a $#
		expect_frames "$@"
		stop a
	done <<-END
		34 1
		64 4
		14 9
		0x40,46,38,34 1 2 3 4
		14,34,38,46,64 1 2 3 4 9
	END
}

# At 34 there seems to be an IP header of 60 bytes, behind which the packet ends:
# to look for the port there must not end the search at 64.
test_an_offset_that_leads_out_of_the_packet_is_no_end() {
	network_up
	frame "$ETHERNET$(ip4 17 "$(udp $((0x4f00)) 4789 "0806000000000100$ETHERNET$(ip4 6 00010050)")")"
	record a --offset 34,64 "$HOOK" "$TMP/a.pcap" tcp port 80
	send_frames
	wait_frames a 1
	expect_frames 1
	stop a
}

test_lengths_at_an_offset() {
	network_up
	encapsulated 80
	# the VXLAN packet's inner one has 40 bytes
	record a --offset 64 "$HOOK" "$TMP/a.pcap" 'tcp and len == 40 and ip[2:2] == len'
	send_frames
	wait_frames a 1
	expect_frames 4
	stop a
}

# With more than 255 instructions between a jump and its target.
test_a_long_filter_at_offsets() {
	local filter port

	filter="tcp and ("
	for port in {1000..1059}; do
		filter+="dst port $port or "
	done
	network_up
	encapsulated 1003
	encapsulated 1059
	encapsulated 1060
	record a --offset 34,64 "$HOOK" "$TMP/a.pcap" "${filter% or })"
	send_frames
	wait_frames a 4
	expect_frames 1 4 5 8
	stop a
}

test_filters_at_offsets_match_what_libpcap_matches_there() {
	with_xdpcap "$BUILD/tests/offset"
}

# --- Documentation ---

# Each example of the manual page that captures, as it stands, with a time limit.
test_examples_of_the_manual_page() {
	local example n=0

	network_up
	second_hook_up
	bpftool map pin pinned "$HOOK" /sys/fs/bpf/hook
	bpftool map pin pinned "$HOOK2" /sys/fs/bpf/hook2
	cd "$TMP"
	xdpcap() {
		local limit=(--duration 1)

		[ "$1" != hook ] || limit=()
		with_xdpcap "$BUILD/xdpcap" "${limit[@]}" "$@"
	}
	while read -r example; do
		n=$((n + 1))
		eval "$example" >out 2>err || {
			cat err
			fail "$example: exit status $?"
		}
	done < <(sed -n '/^\.SH EXAMPLES/,/^\.SH /s/^xdpcap/&/p' "$SRC/doc/xdpcap.1" |
		sed 's/\\-/-/g; s/\\(aq/'\''/g; s/\\(dq/"/g; s/\\e$/\\/')
	rm /sys/fs/bpf/hook /sys/fs/bpf/hook2
	[ $n -ge 6 ] || fail "only $n examples were found"
}

run_tests
