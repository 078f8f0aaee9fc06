#!/bin/bash
# Who may capture: file capabilities and a group on the helper, permissions on the
# pin, and what is missing without each. And what the helper can be made to do: its
# capabilities, its system calls, its protocol.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
MODE=--immediate-mode

ALL=cap_bpf,cap_net_admin,cap_perfmon
NEEDED="run as root, or give xdpcap-helper the file capabilities $ALL"

# A group, and two users who have no capability; one is a member.
GROUP=4242
member=(setpriv --reuid nobody --regid nogroup --groups "$GROUP")
outsider=(setpriv --reuid nobody --regid nogroup --clear-groups)

# From now on, what another user than root can run, wherever the build is: with
# these capabilities, if any, the helper, which only members may execute.
# open_to_members [CAPABILITIES]
open_to_members() {
	mkdir -p "$TMP/build/tests"
	cp -a "$BUILD/libpcap/"libpcap.so* "$TMP/build/"
	cp "$BUILD/tests/"{open,frames,helper-fuzz,intrude} "$TMP/build/tests"
	ln -sfn "$BUILD/tests/"{traffic,pass.bpf.o} "$TMP/build/tests"
	ln -sfn "$BUILD/bpf" "$TMP/build/bpf"
	cp "$BUILD/xdpcap-helper" "$TMP/build"
	BUILD=$TMP/build LIBPCAP=$TMP/build HELPER=$TMP/build/xdpcap-helper
	chgrp "$GROUP" "$HELPER"
	chmod 750 "$HELPER"
	[ $# = 0 ] || give "$1"
}

# give CAPABILITIES: to the helper, instead of others. After chgrp and chmod, which
# take them away.
give() {
	[ -n "$(type -P setcap)" ] || skip "setcap is not installed"
	setcap "$1+ep" "$HELPER" || skip "no file capabilities on $TMP"
}

# A hook that members may capture from.
hook_for_members() {
	network_up
	chgrp "$GROUP" "$BPFDIR" "$HOOK"
	chmod 750 "$BPFDIR"
	chmod 660 "$HOOK"
}

# capture, by a member
member_captures() {
	start "$1" "${member[@]}" env "LD_LIBRARY_PATH=$LIBPCAP" \
		"XDPCAP_HELPER=$HELPER" tcpdump -n -U $MODE \
		-i "${DEVICE:-xdpcap:$HOOK}" -w "$TMP/$1.pcap" "${@:2}"
}

# opens [COMMAND...]: the hook can be captured from.
opens() {
	same "activation" "OK: " "$(with_xdpcap "$@" "$BUILD/tests/open" "xdpcap:$HOOK")"
}

# denied PATTERN [COMMAND...]
denied() {
	fails PCAP_ERROR_PERM_DENIED "xdpcap:$HOOK" "xdpcap:$HOOK: $1" "${@:2}"
}

# capabilities NUMBER...: as status files have them.
capabilities() {
	local bits=0 number

	for number; do
		bits=$((bits | 1 << number))
	done
	printf '%016x' $bits
}
CAP_NET_ADMIN=12 CAP_SYS_ADMIN=21 CAP_PERFMON=38 CAP_BPF=39

test_member_of_the_group_captures() {
	open_to_members "$ALL"
	hook_for_members
	MODE='' member_captures a udp port 4001
	same "the helper's user" nobody "$(ps -o user= -p "$(helpers)")"
	traffic -c 20 -p 4001,4002 -w "$TMP/sent.pcap"
	wait_frames a 10
	stop a
	same_frames sent a "$(port 4001)"
}

# The pin would be open to him.
test_who_is_not_a_member_may_not_start_the_helper() {
	open_to_members "$ALL"
	hook_for_members
	chmod 755 "$BPFDIR"
	chmod 666 "$HOOK"
	denied "cannot start $HELPER; you need permission to execute it: Permission denied" \
		"${outsider[@]}"
	opens "${member[@]}"
}

test_permissions_of_the_pin_decide() {
	local mode

	open_to_members "$ALL"
	hook_for_members
	# nothing, reading, writing is not enough
	for mode in 600 640 620; do
		chmod $mode "$HOOK"
		denied "Permission denied; you need read and write permission on the pin" \
			"${member[@]}"
	done
	chmod 660 "$HOOK"
	opens "${member[@]}"
	chgrp root "$HOOK"
	denied "Permission denied; you need read and write permission on the pin" \
		"${member[@]}"
	chmod 666 "$HOOK"
	opens "${member[@]}"
}

test_permissions_of_the_pins_directory_decide() {
	open_to_members "$ALL"
	hook_for_members
	chmod 700 "$BPFDIR"
	denied "Permission denied; the hook's directory must be accessible to you" \
		"${member[@]}"
	# to be searched, but not to be read, for the lock
	chmod 710 "$BPFDIR"
	denied "cannot open the pin's directory: Permission denied" "${member[@]}"
	chmod 750 "$BPFDIR"
	opens "${member[@]}"
}

test_root_captures_from_anybodys_hook() {
	network_up
	chown nobody "$BPFDIR" "$HOOK"
	chmod 700 "$BPFDIR"
	chmod 600 "$HOOK"
	opens
	# as it is root's only by these
	denied "Permission denied; the hook's directory must be accessible to you" \
		setpriv --bounding-set -dac_override,-dac_read_search
}

test_each_missing_capability_is_named() {
	local missing rest

	open_to_members
	hook_for_members
	denied "cap_bpf, cap_net_admin, cap_perfmon missing; $NEEDED" "${member[@]}"
	for missing in bpf net_admin perfmon; do
		rest=,$ALL,
		rest=${rest/,cap_$missing,/,}
		rest=${rest#,}
		give "${rest%,}"
		denied "cap_$missing missing; $NEEDED" "${member[@]}"
		# and of root's
		denied "cap_$missing missing; $NEEDED" \
			setpriv --bounding-set "-$missing"
	done
	give "$ALL"
	opens "${member[@]}"
}

# Whose slots they are, so that nothing else has changed either.
test_without_cap_sys_admin_a_captured_hook_is_busy() {
	local slots message user

	open_to_members "$ALL"
	hook_for_members
	capture a udp
	slots=$(hook_slots)
	traffic -c 10 -w "$TMP/sent.pcap"
	for user in "${member[*]}" "setpriv --bounding-set -sys_admin"; do
		# shellcheck disable=SC2086 # a command
		message=$(with_xdpcap $user "$BUILD/tests/open" "xdpcap:$HOOK") &&
			fail "a second capture was possible: $message"
		contains "message" \
			"PCAP_ERROR: xdpcap:$HOOK: busy: action aborted is already captured by program *; to capture beside it takes CAP_SYS_ADMIN" \
			"$message"
		same "slots" "$slots" "$(hook_slots)"
	done
	traffic -f 10 -c 10 -w "$TMP/sent2.pcap"
	wait_frames a 20
	stop a
	same "packets" "$(frames sent; frames sent2)" "$(frames a)"
}

two_helpers() {
	[ "$(helpers | wc -l)" = 2 ]
}

# As of a capture for statistics, when the one that it was for begins.
test_without_cap_sys_admin_a_hook_may_get_free() {
	local opening

	open_to_members "$ALL"
	hook_for_members
	capture a udp
	opens "${member[@]}" &
	opening=$!
	wait_for 10 two_helpers
	stop a
	wait $opening
}

# But not for a capture that is the application's own.
test_captures_of_one_application_do_not_wait_for_each_other() {
	local begin took

	open_to_members "$ALL"
	hook_for_members
	begin=${EPOCHREALTIME/./}
	with_xdpcap "${member[@]}" "$BUILD/tests/open" "xdpcap:$HOOK" "xdpcap:$HOOK" \
		"xdpcap:$HOOK" "xdpcap:$HOOK" "xdpcap:$HOOK" >"$TMP/open" &&
		fail "a second capture was possible"
	took=$(((${EPOCHREALTIME/./} - begin) / 1000))
	same "busy" 4 "$(grep -c ' busy: ' "$TMP/open")"
	[ $took -lt 3500 ] || fail "it took $took ms"
}

test_member_captures_actions_that_others_do_not() {
	open_to_members "$ALL"
	hook_for_members
	DEVICE=xdpcap:$HOOK@drop capture a udp
	DEVICE=xdpcap:$HOOK@pass member_captures b udp
	traffic -c 20 -p 4001,4002 -w "$TMP/sent.pcap"
	wait_frames a 10
	wait_frames b 10
	stop a
	stop b
	same_frames sent a "$(port 4001)"
	same_frames sent b "$(port 4002)"
}

# check_helper CAPABILITY...: it has these and no others.
check_helper() {
	local pid

	pid=$(helpers)
	same "permitted capabilities" "$(capabilities "$@")" "$(status "$pid" CapPrm)"
	same "effective capabilities" "$(capabilities "$@")" "$(status "$pid" CapEff)"
	same "inheritable capabilities" "$(capabilities)" "$(status "$pid" CapInh)"
	same "ambient capabilities" "$(capabilities)" "$(status "$pid" CapAmb)"
	same "no new privileges" 1 "$(status "$pid" NoNewPrivs)"
	[ -n "${XDPCAP_SANITIZED-}" ] || same "system calls" "2 3" \
		"$(status "$pid" Seccomp) $(status "$pid" Seccomp_filters)"
}

test_helper_keeps_only_what_it_needs() {
	open_to_members "$ALL"
	hook_for_members
	member_captures a udp
	check_helper $CAP_NET_ADMIN $CAP_PERFMON $CAP_BPF
	stop a
	# what it is not made for is given up
	give "$ALL,cap_sys_admin,cap_net_raw,cap_dac_override,cap_sys_ptrace,cap_setuid"
	member_captures a udp
	check_helper $CAP_NET_ADMIN $CAP_PERFMON $CAP_BPF $CAP_SYS_ADMIN
	stop a
	# and what is inherited
	start b env "LD_LIBRARY_PATH=$LIBPCAP" "XDPCAP_HELPER=$HELPER" \
		setpriv --inh-caps +net_raw,+sys_admin --ambient-caps +net_raw \
		tcpdump -n -U -i "xdpcap:$HOOK" -w "$TMP/b.pcap"
	check_helper $CAP_NET_ADMIN $CAP_PERFMON $CAP_BPF $CAP_SYS_ADMIN
	same "capabilities to be had" "$(capabilities)" \
		"$(status "$(helpers)" CapBnd)"
	stop b
}

test_member_cannot_look_into_the_helper() {
	open_to_members "$ALL"
	hook_for_members
	member_captures a udp
	"${member[@]}" "$BUILD/tests/intrude" "$(helpers)"
	# the program can tell, if it may
	"$BUILD/tests/intrude" "$(helpers)" && fail "root could not"
	stop a
}

has_sandbox() {
	[ -z "${XDPCAP_SANITIZED-}" ] ||
		skip "a helper with sanitizers has no sandbox; they need more"
}

# Of a helper that has just started, one that lists, one that attaches, one that is
# attached. What is not listed here kills all of them.
test_helper_makes_no_other_system_calls() {
	local results call

	has_sandbox
	results=$("$BUILD/tests/sandbox")
	same "what does not always kill" "\
close allowed allowed allowed allowed
read allowed allowed allowed allowed
flock allowed allowed allowed allowed
receive allowed allowed allowed allowed
send allowed allowed allowed allowed
lock allowed allowed allowed allowed
map_memory allowed allowed allowed allowed
bpf_prog_load allowed killed allowed allowed
bpf_map_update allowed killed allowed allowed
bpf_prog_get_fd_by_id allowed allowed allowed allowed
bpf_map_get_fd_by_id allowed killed allowed allowed
open_to_read allowed allowed allowed killed
stat allowed allowed allowed killed
bpf_obj_get allowed allowed allowed killed
bpf_map_create allowed killed allowed killed
bpf_btf_load allowed killed allowed killed
bpf_token_create allowed killed allowed killed
bpf_prog_get_next_id allowed allowed killed killed
netlink_socket allowed allowed killed killed
send_to_netlink allowed allowed killed killed
receive_elsewhere allowed allowed killed killed
capset allowed allowed allowed killed" \
		"$(grep -vE '^[a-z0-9_]+ killed$' <<<"$results")"
	for call in open_to_write execve socket ptrace kill bpf_link_create; do
		grep -qx "$call killed" <<<"$results" || fail "no $call"
	done
}

# As SIGKILL would, and the application says so.
test_forbidden_system_call_ends_the_capture() {
	local helper=$HELPER

	has_sandbox
	helper_with XDPCAP_TEST_BREAK_OUT=1
	network_up
	# when the filter is set
	with_xdpcap tcpdump -i "xdpcap:$HOOK" udp >"$TMP/a.err" 2>&1 &&
		fail "it was not killed"
	contains "tcpdump's message" "xdpcap:$HOOK: xdpcap-helper has ended" \
		"$(cat "$TMP/a.err")"
	! hook_empty || fail "it could detach"
	# the next one tidies up
	HELPER=$helper
	opens
	hook_empty || fail "the hook is not empty: $(hook_slots)"
}

# fuzz_helper COMMAND...
fuzz_helper() {
	install -d -m 777 "$TMP/fuzz"
	timeout 200 "$@" "$BUILD/tests/helper-fuzz" -n 4 "$HELPER" "$HOOK" \
		"$TMP/fuzz" | tee "$TMP/fuzz.out"
	# or else it has tested nothing
	[[ $(tail -n 1 "$TMP/fuzz.out") =~ ^[0-9]{5,}\ requests,\ [0-9]{3,}\ helpers,\ [0-9]{2,}\ attached,\ [0-9]{2,}\ filters\ in\ the\ kernel ]] ||
		fail "too little was tried"
}

test_fuzzed_as_root() {
	mkdir "$BPFDIR"
	bpftool prog load "$BUILD/bpf/example.bpf.o" "$PROG" pinmaps "$BPFDIR"
	fuzz_helper env
}

test_fuzzed_as_a_member() {
	open_to_members "$ALL"
	mkdir "$BPFDIR"
	bpftool prog load "$BUILD/bpf/example.bpf.o" "$PROG" pinmaps "$BPFDIR"
	chgrp "$GROUP" "$HOOK"
	chmod 755 "$BPFDIR"
	chmod 660 "$HOOK"
	fuzz_helper "${member[@]}"
}

# Few descriptors, little memory: an error, and nothing left behind.
test_limits_of_the_application() {
	local n status

	open_to_members "$ALL"
	hook_for_members
	for n in 6 8 10 12 14 16 20 24 32; do
		status=0
		with_xdpcap "${member[@]}" prlimit --nofile=$n \
			"$BUILD/tests/open" "xdpcap:$HOOK" || status=$?
		[ $status -le 1 ] || fail "exit status $status with $n descriptors"
		wait_for 10 no_helpers || fail "a helper is left"
		hook_empty || fail "the hook is not empty: $(hook_slots)"
	done
	same "with $n descriptors" 0 $status
}

run_tests
