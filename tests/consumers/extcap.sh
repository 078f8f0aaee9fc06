#!/bin/bash
# The command xdpcap as an extcap of Wireshark: hooks as interfaces of tshark and
# of the graphical program, which show verdicts while they capture. They and
# dumpcap have the distribution's libpcap, unless something else is said.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/consumers/common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=tests/consumers/graphical.sh
. "$(dirname "$0")/graphical.sh"

EXTCAP=xdp:$HOOK

# What Wireshark puts before the name of an option of this interface.
PREFERENCE=extcap.$(echo "$EXTCAP" | tr -c '[:alnum:]\n' _)

# In place of the extcaps that are installed, in this mount namespace, the command.
EXTCAPS=$(tshark -G folders 2>/dev/null | sed -n 's/^Extcap path:[[:space:]]*//p')
mount -t tmpfs xdpcap-tests "$EXTCAPS"

# extcap_up: it finds this build's libpcap and helper.
extcap_up() {
	cp "$BUILD/xdpcap" "$TMP/xdpcap"
	cat >"$EXTCAPS/xdpcap" <<-END
		#!/bin/sh
		export LD_LIBRARY_PATH=$LIBPCAP XDPCAP_HELPER=$HELPER
		exec $TMP/xdpcap "\$@"
	END
	chmod 755 "$EXTCAPS/xdpcap"
}

extcap() {
	"$EXTCAPS/xdpcap" "$@"
}

# To start a program with the distribution's libpcap, with its pipes in $TMP.
own=(env -u LD_LIBRARY_PATH -u XDPCAP_HELPER "TMPDIR=$TMP")

# live NAME SLOTS [COMMAND... --] OPTION...: tshark shows the verdicts that it
# captures.
live() {
	local name=$1 slots=$2 command=()

	shift 2
	while [[ " $* " == *" -- "* ]]; do
		[ "$1" = -- ] || command+=("$1")
		shift
	done
	launch "$name" "$slots" "${command[@]}" "${own[@]}" tshark -n -l -i "$EXTCAP" -T fields \
		-e frame.verdict.ebpf_xdp "$@"
}

# expected_live [PATTERN]: what it shows of the frames that were sent, with their
# lengths. The port's last digit is the verdict.
expected_live() {
	sent "$@" | awk -v OFS='\t' '{ print substr($3, 76, 1), $1 }'
}

# Neither processes, nor pipes, nor a program in the hook.
nothing_runs() {
	emptied
	wait_for 60 all_ended || fail "still running: $(ps ax)"
	same "pipes" "" "$(find "$TMP" -type p)"
}

all_ended() {
	! ps -e -o comm= | grep -qxE 'xdpcap|dumpcap|xdpcap-helper.*'
}

# message STATUS MESSAGE ARGUMENT...: what the command says to Wireshark.
message() {
	local status=0 out

	out=$(extcap "${@:3}" 2>&1) || status=$?
	same "exit status of ${*:3}" "$1" "$status"
	same "output of ${*:3}" "$2" "$out"
}

# enter_up: the network, with a program that calls xdpcap_enter(). Its hook has the
# way to continue, in slot 6.
enter_up() {
	network_pair
	bpftool prog loadall "$BUILD/bpf/enter.bpf.o" "$BPFDIR" pinmaps "$BPFDIR"
	attach_xdp "$BPFDIR/enter"
}

hook_empty() {
	[ "$(hook_slots | grep -vc '^06 ')" = 0 ]
}

# --- What Wireshark asks for ---

test_hooks_are_interfaces() {
	extcap_up
	message 0 "extcap {version=0.1}{display=XDP hooks}" --extcap-interfaces
	network_up
	mkdir "$BPFDIR/at" "$BPFDIR/sp ace}"
	bpftool map pin pinned "$HOOK" "$BPFDIR/at/h@drop"
	bpftool map pin pinned "$HOOK" "$BPFDIR/sp ace}/hook"
	message 0 "\
extcap {version=0.1}{display=XDP hooks}
interface {value=xdp:$BPFDIR/at/h@drop}{display=XDP hook xdpcap_hook of example, one of 3 pins}
interface {value=$EXTCAP}{display=XDP hook xdpcap_hook of example, one of 3 pins}" \
		--extcap-interfaces --extcap-version=4.0
	message 0 "dlt {number=1}{name=EN10MB}{display=Ethernet}" \
		--extcap-dlts --extcap-interface "$EXTCAP"
	rm "$BPFDIR/at/h@drop" "$BPFDIR/sp ace}/hook"
	same "tshark's list" "$EXTCAP (XDP hook xdpcap_hook of example)" \
		"$(tshark -D 2>/dev/null | sed -n 's/^[0-9]*\. \(xdp.*\)/\1/p')"
	# with libpcap's devices, which have other names
	same "tshark's list with this build's libpcap" "\
xdpcap:$HOOK
$EXTCAP (XDP hook xdpcap_hook of example)" "$(with_xdpcap tshark -D 2>/dev/null |
		sed -n 's/^[0-9]*\. \(xdp[^@]*\)$/\1/p')"
	same "tshark's link-layer types" "  EN10MB (Ethernet)" \
		"$(tshark -L -i "$EXTCAP" 2>/dev/null | tail -n 1)"
}

test_actions_to_choose_are_those_of_the_hook() {
	local config

	extcap_up
	network_up
	config=$(extcap --extcap-config --extcap-interface "$EXTCAP")
	same "options" "--actions multicheck
--slots string
--snaplen string
--buffer string" "$(sed -n 's/^arg .*{call=\([^}]*\)}.*{type=\([^}]*\)}.*/\1 \2/p' \
		<<<"$config")"
	values() { sed -n 's/^value {arg=0}{value=\([^}]*\)}{display=.*}{default=false}{enabled=true}$/\1/p' <<<"$1"; }
	same "actions" "aborted
drop
pass
tx
redirect" "$(values "$config")"
	same "values to reload" "$(grep ^value <<<"$config")" "$(extcap \
		--extcap-config --extcap-interface "$EXTCAP" \
		--extcap-reload-option actions --actions drop --snaplen "")"
	same "values to reload" "" "$(extcap --extcap-config \
		--extcap-interface "$EXTCAP" --extcap-reload-option snaplen)"
	network_down
	enter_up
	same "actions with xdpcap_enter()" "redirect enter" "$(values "$(extcap \
		--extcap-config --extcap-interface "$EXTCAP")" | tail -n 2 | xargs)"
}

test_filters_are_checked() {
	local filter

	extcap_up
	for filter in "udp port 53" "outbound and ifindex 3" "1,6 0 0 1" ""; do
		message 0 "" --extcap-capture-filter "$filter" --extcap-interface "$EXTCAP"
	done
	message 0 "filter: can't parse filter expression: syntax error" \
		--extcap-capture-filter "udp port" --extcap-interface "$EXTCAP"
	message 0 "filter: instruction 0 of 1 is not \"OP JT JF K,\"" \
		--extcap-capture-filter=1, --extcap-interface="$EXTCAP"
}

test_mistakes() {
	extcap_up
	message 2 "xdpcap: no --extcap-interface; see extcap(4)" --extcap-config
	message 2 "xdpcap: interfaces begin with xdp:; see extcap(4)" \
		--extcap-dlts --extcap-interface eth0
	message 2 "xdpcap: nothing that can be done; see extcap(4)" \
		--capture --extcap-interface "$EXTCAP"
	message 1 "xdpcap: cannot write to $TMP/none: No such file or directory" \
		--capture --extcap-interface "$EXTCAP" --fifo "$TMP/none"
	[ ! -e "$TMP/none" ] || fail "it has made the pipe"
	message 2 "xdpcap: no snapshot length: \"x\"; see xdpcap --help" --capture \
		--extcap-interface "$EXTCAP" --fifo /dev/null --snaplen x
}

# The list is empty, and only who wants to know is told why.
test_without_hooks_or_helper_there_is_no_interface() {
	HELPER=/nonexistent
	extcap_up
	network_up
	message 0 "extcap {version=0.1}{display=XDP hooks}" --extcap-interfaces
	contains "reason" "no interfaces: *may not run xdpcap-helper" \
		"$(WIRESHARK_LOG_LEVEL=info extcap --extcap-interfaces 2>&1)"
	contains "tshark's list" "lo (Loopback)" "$(tshark -D 2>/dev/null)"
	sed -i "s|$LIBPCAP|$TMP|" "$EXTCAPS/xdpcap"
	contains "reason without the module" "no interfaces: libpcap version * cannot capture" \
		"$(WIRESHARK_LOG_LEVEL=info extcap --extcap-interfaces 2>&1)"
}

# --- Captures ---

test_verdicts_live() {
	extcap_up
	network_up
	live a 5 -e frame.len -e frame.interface_queue -e frame.packet_id \
		-e frame.interface_name
	traffic -c 30 -p 4000,4001,4002,4003,4004 -s 60,200 -w "$TMP/sent.pcap"
	output a 30
	cp "$TMP/a.out" "$TMP/got"
	finish a
	expected_live | awk -v OFS='\t' -v "hook=${HOOK#/sys/fs/bpf/}" '
		BEGIN { split("aborted drop pass tx redirect", name, " ") }
		{ print $1, $2, 0, NR, hook "@" name[$1 + 1] " ifindex 12" }' >"$TMP/expected"
	same_lines "verdict, length, queue, number and interface"
	nothing_runs
}

# What the dialog with the options of an interface sets.
test_options_and_capture_filter() {
	extcap_up
	network_up
	live a 2 -e frame.len -e frame.cap_len -f "udp portrange 4001-4002" \
		-o "$PREFERENCE.actions:drop,tx" -o "$PREFERENCE.snaplen:100" \
		-o "$PREFERENCE.buffer:256K"
	# a ring of 256 KiB, and what is behind it
	same "largest map" 393216 "$(sed -n 's/^value_size:[[:space:]]*//p' \
		"/proc/$(helpers)/fdinfo"/* | sort -n | tail -n 1)"
	traffic -c 30 -p 4001,4002,4003 -s 60,300 -w "$TMP/sent.pcap"
	output a 10
	sleep 0.2
	cp "$TMP/a.out" "$TMP/got"
	finish a
	expected_live "$(port 4001)" |
		awk -v OFS='\t' '{ print $0, $2 < 100 ? $2 : 100 }' >"$TMP/expected"
	same_lines "verdict, length and capture length"
}

# A hook with more slots than there are verdicts.
test_slots_of_its_own() {
	extcap_up
	network_pair
	bpftool map create "$HOOK" type prog_array key 4 value 4 entries 10 \
		name xdpcap_hook
	bpftool prog load "$BUILD/bpf/example.bpf.o" "$PROG" \
		map name xdpcap_hook pinned "$HOOK"
	live a 1 -o "$PREFERENCE.slots:8"
	same "captured slots" "08" "$(hook_slots | cut -d ' ' -f 1 | xargs)"
	finish a
	live a 3 -o "$PREFERENCE.actions:drop" -o "$PREFERENCE.slots:7,8"
	same "captured slots" "01 07 08" "$(hook_slots | cut -d ' ' -f 1 | xargs)"
	finish a
	live a 10
	finish a
}

test_packets_before_the_program() {
	extcap_up
	enter_up
	live a 1 -e frame.interface_name -o "$PREFERENCE.actions:enter"
	traffic -c 2
	output a 2
	finish a
	same "no verdict, and the interface" "	${HOOK#/sys/fs/bpf/}@enter ifindex 12" \
		"$(sort -u "$TMP/a.out")"
}

# Wireshark shows what the command says.
test_errors_are_shown() {
	local out

	extcap_up
	network_up
	out=$(tshark -i "$EXTCAP" -f "udp port" 2>&1) && fail "tshark captures"
	contains "tshark's error" "xdpcap: filter: can't parse" "$out"
	out=$(tshark -i "$EXTCAP" -o "$PREFERENCE.actions:7" 2>&1) && fail "tshark captures"
	contains "tshark's error" "no action 7: the hook has 5" "$out"
	nothing_runs
}

# Who may not run the helper has no interface; who may, by a group, needs no more.
test_user_of_the_capture_group() {
	local member

	network_up
	users
	chgrp 4242 "$HOOK" "$HELPER"
	chmod 750 "$HELPER"
	# which chgrp has taken away
	setcap cap_bpf,cap_net_admin,cap_perfmon+ep "$HELPER"
	extcap_up
	same "interfaces of other users" "" \
		"$("${as_user[@]}" tshark -D 2>/dev/null | sed -n '/xdp/p')"
	member=("${as_user[@]/--clear-groups/--groups=4242}")
	same "interfaces" "$EXTCAP (XDP hook xdpcap_hook)" \
		"$("${member[@]}" tshark -D 2>/dev/null | sed -n 's/^[0-9]*\. \(xdp\)/\1/p')"
	live a 5 "${member[@]}" -- -e frame.len
	same "user and capabilities of the command" "nobody 0000000000000000" \
		"$(ps -o user= -C xdpcap) $(sed -n 's/^CapEff:[[:space:]]*//p' \
			"/proc/$(pgrep -x xdpcap)/status")"
	traffic -c 20 -p 4000,4001,4002,4003,4004 -w "$TMP/sent.pcap"
	output a 20
	cp "$TMP/a.out" "$TMP/got"
	finish a
	expected_live >"$TMP/expected"
	same_lines "verdict and length"
	nothing_runs
}

# The reader goes, or it is told to end: while it waits for one, and afterwards.
test_ends_with_its_reader_and_by_a_signal() {
	local pid

	extcap_up
	network_up
	mkfifo "$TMP/fifo"
	"$EXTCAPS/xdpcap" --capture --extcap-interface "$EXTCAP" \
		--fifo "$TMP/fifo" 2>"$TMP/err" &
	pid=$!
	sleep 0.3
	hook_empty || fail "it captures for nobody"
	kill -TERM $pid
	wait_for 60 gone $pid || fail "it still waits for a reader"
	wait $pid || :
	for end in reader TERM; do
		timeout 100 cat "$TMP/fifo" >"$TMP/a.pcap" &
		reader=$!
		"$EXTCAPS/xdpcap" --capture --extcap-interface "$EXTCAP" \
			--fifo "$TMP/fifo" 2>"$TMP/err" &
		pid=$!
		wait_for 60 captures_all || fail "it does not capture"
		traffic -c 3 -w "$TMP/sent.pcap"
		wait_for 60 has a 3 || fail "the packets do not come"
		if [ $end = reader ]; then
			kill $reader
		else
			kill -TERM $pid
		fi
		wait_for 60 gone $pid || fail "it does not end: $end"
		wait $pid || fail "$end: exit status $?"
		wait $reader || :
		same "errors" "" "$(cat "$TMP/err")"
		same_frames sent a
		emptied
	done
}

# No packet comes, and tshark does not get to tell it.
test_ends_when_dumpcap_is_killed() {
	local command

	extcap_up
	network_up
	live a 5
	command=$(pgrep -x xdpcap)
	kill -STOP "${PID[a]}"
	kill -KILL "$(pgrep -x dumpcap)"
	wait_for 20 gone "$command" || fail "it still runs"
	emptied
	kill -CONT "${PID[a]}"
	ended a
	nothing_runs
}

captures_all() {
	[ "$(filters)" = 5 ]
}

# --- The graphical program ---

# extcap_wireshark NAME SLOTS OPTION...: the graphical program, of a user.
extcap_wireshark() {
	launch "$1" "$2" "${as_user[@]}" QT_X11_NO_MITSHM=1 "${own[@]}" \
		wireshark "${@:3}"
}

# Its red button.
stop_button() {
	window "^Capturing from" >/dev/null
	settled
	wait_for 60 stopped || fail "it does not stop: $(hook_slots)"
}

# The click may be lost.
stopped() {
	xdotool mousemove 53 41 click 1 sleep 1
	hook_empty
}

# Wireshark gives what its pipe is told to its window, and to its file.
test_graphical_wireshark_shows_verdicts() {
	network_up
	screen
	users
	extcap_up
	extcap_wireshark a 5 -k -i "$EXTCAP" -f udp -w "$TMP/user/home/a.pcapng" \
		-o 'gui.column.format:"No.","%m","Verdict","%Cus:frame.verdict.ebpf_xdp","Interface","%Cus:frame.interface_name","Length","%L","Info","%i"'
	window "^Capturing from XDP hook xdpcap_hook: $EXTCAP \(udp\)$" >/dev/null
	settled
	changed 20000 traffic -c 25 -p 4000,4001,4002,4003,4004 -s 60,300 -w "$TMP/sent.pcap"
	settled
	picture wireshark-extcap.png
	ln -s user/home/a.pcapng "$TMP/a.pcap"
	wait_frames a 25
	stop_button
	tshark -r "$TMP/a.pcap" -T fields -e frame.verdict.ebpf_xdp -e frame.len \
		2>/dev/null >"$TMP/got"
	expected_live >"$TMP/expected"
	same_lines "verdict and length"
	stop a TERM
	stop screen TERM
	nothing_runs
}

# The dialog that the interface's cogwheel opens: of it, drop is checked.
test_graphical_options() {
	local others dialog

	network_up
	screen
	users
	extcap_up
	# it is the only interface that is shown, and so where it is can be known
	others=$(tshark -D 2>/dev/null | sed -n '/xdp:/d; s/^[0-9]*\. \([^ ]*\).*/\1/p')
	extcap_wireshark a 0 -o "capture.devices_hide:${others//$'\n'/,}"
	window "^The Wireshark Network Analyzer$" >/dev/null
	settled
	wait_for 60 options_open >/dev/null || fail "there is no dialog"
	dialog=$(options_open)
	settled
	xdotool mousemove --window "$dialog" 187 75 click 1
	settled
	picture wireshark-extcap-options.png
	xdotool mousemove --window "$dialog" 376 311 click 1
	settled
	xdotool mousemove 300 238 click --repeat 2 --delay 50 1
	wait_for 60 captures a 1 || fail "it does not capture"
	contains "the command's arguments" "--actions drop" "$(ps -o args= -C xdpcap)"
	same "captured actions" 1 "$(filters)"
	stop_button
	stop a TERM
	stop screen TERM
	nothing_runs
}

# The dialog's window; while there is none, the cogwheel is clicked.
options_open() {
	xdotool search --onlyvisible --name "Interface Options: XDP hook" && return
	xdotool mousemove 143 238 click 1 sleep 0.5
	return 1
}

run_tests
