#!/bin/bash
# What pcap_activate() says of devices that cannot be captured from: its error
# code, and a message that names the device and the remedy. None leaves anything
# in the hook, which run_tests checks.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
MODE=--immediate-mode

no_such_device() {
	fails PCAP_ERROR_NO_SUCH_DEVICE "$@"
}

test_no_such_file() {
	mkdir "$BPFDIR"
	no_such_device "xdpcap:$BPFDIR/hook" \
		"xdpcap:$BPFDIR/hook: no such file; is the XDP program loaded, and its hook pinned there?"
	no_such_device "xdpcap:$BPFDIR/nodir/hook@drop" \
		"xdpcap:$BPFDIR/nodir/hook: no such file"
	no_such_device xdpcap:hook "xdpcap:/sys/fs/bpf/hook: no such file"
}

test_not_a_pin() {
	touch "$TMP/file"
	mkdir "$BPFDIR" "$TMP/dir"
	no_such_device "xdpcap:$TMP/file" \
		"xdpcap:$TMP/file: not a pin; name a pinned map in a BPF file system"
	no_such_device "xdpcap:$TMP/dir" "xdpcap:$TMP/dir: not a pin"
	no_such_device "xdpcap:$BPFDIR" "xdpcap:$BPFDIR: not a pin"
	no_such_device "xdpcap:$BPFDIR/" "xdpcap:$BPFDIR/: not a pin"
	no_such_device "xdpcap:$TMP/file/hook" \
		"xdpcap:$TMP/file/hook: Not a directory"
	no_such_device xdpcap:/dev/null "xdpcap:/dev/null: not a pin"
}

test_pinned_program() {
	network_up
	no_such_device "xdpcap:$PROG" \
		"xdpcap:$PROG: not a hook: the pin is a program or a link, not a map"
}

# create_map TYPE KEY VALUE ENTRIES
create_map() {
	mkdir -p "$BPFDIR"
	bpftool map create "$BPFDIR/map" type "$1" key "$2" value "$3" \
		entries "$4" name test
}

# A PROG_ARRAY with keys or values of another size cannot exist, so that it is
# always the type that is wrong.
test_map_of_another_type() {
	create_map hash 4 4 5
	no_such_device "xdpcap:$BPFDIR/map" \
		"xdpcap:$BPFDIR/map: not a hook: map type is hash, not prog_array"
	rm "$BPFDIR/map"
	create_map array 4 8 5
	no_such_device "xdpcap:$BPFDIR/map" \
		"xdpcap:$BPFDIR/map: not a hook: map type is array, not prog_array"
	! create_map prog_array 8 4 5 || fail "there are PROG_ARRAYs with other keys"
	! create_map prog_array 4 8 5 || fail "there are PROG_ARRAYs with other values"
}

test_too_few_entries() {
	network_pair
	"$BUILD/tests/owner" -n 3 "$BPFDIR"
	HOOK=$BPFDIR/hook
	no_such_device "xdpcap:$HOOK" \
		"xdpcap:$HOOK: not a hook: it has 3 entries, a hook has at least 4 (aborted, drop, pass, tx)"
}

test_hook_of_other_programs() {
	mkdir "$BPFDIR"
	"$BUILD/tests/owner" -t tc -a 0 "$BPFDIR"
	HOOK=$BPFDIR/hook
	no_such_device "xdpcap:$HOOK" \
		"xdpcap:$HOOK: not a hook: it belongs to programs of type sched_cls, not xdp"
}

# The first program that uses it decides which others it takes: that must be the
# user's.
test_hook_without_a_program() {
	mkdir "$BPFDIR"
	bpftool map create "$HOOK" type prog_array key 4 value 4 entries 5 name hook
	fails PCAP_ERROR "xdpcap:$HOOK" \
		"xdpcap:$HOOK: no XDP program uses this hook yet; load the program first, then capture"
	# it still takes any
	network_pair 9000
	bpftool prog load "$BUILD/tests/example-frags.bpf.o" "$PROG" \
		map name xdpcap_hook pinned "$HOOK"
	attach_xdp "$PROG"
	capture a
	traffic -c 10 -w "$TMP/sent.pcap"
	wait_frames a 10
	stop a
	same_frames sent a
}

test_path_too_long() {
	local long component

	component=$(printf '%0200d' 0)
	long=/$component
	no_such_device "xdpcap:$long" "xdpcap:${long:0:80}*...: no such file"
	no_such_device "xdpcap:/$component$component" \
		"xdpcap:${long:0:80}*...: File name too long"
	while [ ${#long} -lt 4096 ]; do
		long+=/$component
	done
	# cut to the limit: one byte more, and the longest that there is
	no_such_device "xdpcap:${long:0:4096}" \
		"xdpcap:${long:0:80}*...: the path is too long, at most 4095 bytes"
	no_such_device "xdpcap:${long:0:4095}" "xdpcap:${long:0:80}*...: no such file"
	no_such_device "xdpcap:${long:1:4084}" \
		"xdpcap:${long:1:80}*...: the path is too long, at most 4095 bytes"
}

test_empty_path() {
	no_such_device xdpcap: "xdpcap:: no hook named; it is xdpcap:/path/to/hook"
	no_such_device xdpcap:@drop "xdpcap:@drop: no hook named"
}

test_no_such_action() {
	local actions

	network_up
	for actions in '' dro drops Drop 'drop,' ,drop 'drop, tx' drop,nothing 32 99999 -1 1x; do
		no_such_device "xdpcap:$HOOK@$actions" \
			"xdpcap:$HOOK@$actions: no action \"*\"; actions are aborted, drop, pass, tx, redirect, enter, all, or a number below 32"
	done
	contains "message" 'no action "nothing"' \
		"$(with_xdpcap "$BUILD/tests/open" "xdpcap:$HOOK@drop,nothing")"
}

test_action_that_the_hook_does_not_have() {
	network_pair
	"$BUILD/tests/owner" -n 4 "$BPFDIR"
	HOOK=$BPFDIR/hook
	no_such_device "xdpcap:$HOOK@redirect" \
		"xdpcap:$HOOK: no action redirect: the hook has 4 entries"
	no_such_device "xdpcap:$HOOK@drop,31" \
		"xdpcap:$HOOK: no action 31: the hook has 4 entries"
}

test_monitor_mode() {
	network_up
	contains "message" PCAP_ERROR_RFMON_NOTSUP \
		"$(with_xdpcap "$BUILD/tests/open" -m "xdpcap:$HOOK" || :)"
}

test_helper_not_installed() {
	network_up
	HELPER=$TMP/nothing
	fails PCAP_ERROR "xdpcap:$HOOK" \
		"xdpcap:$HOOK: cannot start $TMP/nothing; is pcap-xdpcap installed?: No such file or directory"
	touch "$TMP/nothing"
	fails PCAP_ERROR_PERM_DENIED "xdpcap:$HOOK" \
		"xdpcap:$HOOK: cannot start $TMP/nothing; you need permission to execute it: Permission denied"
}

test_helper_that_ends_at_once() {
	network_up
	HELPER=$(type -P false)
	fails PCAP_ERROR "xdpcap:$HOOK" "xdpcap:$HOOK: xdpcap-helper has ended"
}

run_tests
