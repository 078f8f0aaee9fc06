#!/bin/bash
# Hooks in the list of devices, for programs of the distribution: which are there,
# what is said of them, and that nothing that is wrong with hooks, pins or the
# helper disturbs the list.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

# list [COMMAND...]: the lines of tcpdump -D that are about hooks, without
# numbers. Nothing may be written to standard error.
list() {
	with_xdpcap "$@" tcpdump -D >"$TMP/list" 2>"$TMP/list.err" ||
		fail "tcpdump -D fails"
	same "standard error" "" "$(cat "$TMP/list.err")"
	grep -q '^[0-9]*\.lo ' "$TMP/list" || fail "lo is not in the list"
	sed -n 's/^[0-9]*\.\(xdpcap:.*\)$/\1/p' "$TMP/list"
}

# The paths among them, each once.
paths() {
	list "$@" | sed -n 's/^xdpcap:\([^@ ]*\) .*/\1/p'
}


# devices PATH WHAT [CAPTURED-ACTION]: the six of a hook as they are listed.
devices() {
	local action packets captured=" (being captured)"

	echo "xdpcap:$1 ($2${3:+$captured}) [none]"
	while read -r action packets; do
		[ "$action" = "${3-}" ] || captured=
		echo "xdpcap:$1@$action ($packets packets of $2$captured) [none]"
		captured=" (being captured)"
	done <<-END
		aborted Aborted
		drop Dropped
		pass Passed
		tx Sent back
		redirect Redirected
	END
}

test_what_is_said_of_a_hook() {
	local what="XDP hook xdpcap_hook of example"

	network_up
	same "in another network" "$(devices "$HOOK" "$what")" "$(list)"
	same "with the interface" "$(devices "$HOOK" "$what on $IF_B")" \
		"$(list nsenter --net="/run/netns/$NS_B")"
	DEVICE=xdpcap:$HOOK@tx
	capture a
	same "while it is captured" "$(devices "$HOOK" "$what" tx)" "$(list)"
	stop a
	same "afterwards" "$(devices "$HOOK" "$what")" "$(list)"
}

# Not what a killed helper has left, but who captures beside that.
test_dead_captures_are_not_said_to_be_captures() {
	local what="XDP hook xdpcap_hook of example" pid

	network_up
	DEVICE=xdpcap:$HOOK@tx
	capture a
	pid=$(helpers)
	capture b
	# the later one is the first that packets meet
	kill -KILL "$(helpers | grep -vx "$pid")"
	ended b
	same "beside the dead one" "$(devices "$HOOK" "$what" tx)" "$(list)"
	stop a
	capture c
	kill -KILL "$(helpers)"
	ended c
	! hook_empty || fail "nothing is left in the hook"
	same "the dead one alone" "$(devices "$HOOK" "$what")" "$(list)"
	# the next one tidies up
	capture d
	same "the next one" "$(devices "$HOOK" "$what" tx)" "$(list)"
	stop d
}

# Nor what somebody else has put into a slot; who may not look at programs cannot know.
test_other_programs_are_not_said_to_be_captures() {
	local what="XDP hook xdpcap_hook"

	network_up
	bpftool map update pinned "$HOOK" key 3 0 0 0 value pinned "$PROG"
	same "as root" "$(devices "$HOOK" "$what of example")" "$(list)"
	chmod 666 "$HOOK"
	cp "$BUILD/xdpcap-helper" /run/netns/xdpcap-helper
	HELPER=/run/netns/xdpcap-helper
	same "as nobody" "$(devices "$HOOK" "$what" tx)" \
		"$(list setpriv --reuid 65534 --regid 65534 --clear-groups)"
	rm "$HELPER"
	bpftool map delete pinned "$HOOK" key 3 0 0 0
}

# Where the way to continue is no capture.
test_hook_with_a_slot_before_the_program() {
	network_pair
	bpftool prog loadall "$BUILD/bpf/enter.bpf.o" "$BPFDIR" pinmaps "$BPFDIR"
	same "the hook and its last device" "\
xdpcap:$HOOK (XDP hook xdpcap_hook of route, enter) [none]
xdpcap:$HOOK@enter (Packets before the program of XDP hook xdpcap_hook of route, enter) [none]" \
		"$(list | sed -n '1p; $p')"
	rm "$HOOK"
}

test_more_programs_and_interfaces() {
	network_up
	for i in 2 3 4 5 6; do
		bpftool prog load "$BUILD/bpf/example.bpf.o" "$BPFDIR/example$i" \
			map name xdpcap_hook pinned "$HOOK"
		ip -n "$NS_B" link add "v$i" index "2$i" type veth peer name "w$i"
		in_ns "$NS_B" ip link set "v$i" xdp pinned "$BPFDIR/example$i"
	done
	same "the hook" \
		"XDP hook xdpcap_hook of example, example, example, example and 2 more on $IF_B, v2, v3, v4 and 2 more" \
		"$(list nsenter --net="/run/netns/$NS_B" |
			sed -n "s|^xdpcap:$HOOK (\(.*\)) \[none\]|\1|p")"
}

# Which shows, on Linux, no device's description.
test_tshark_lists_hooks() {
	network_up
	same "tshark -D" "$(list | sed 's/ .*//')" \
		"$(with_xdpcap tshark -D 2>/dev/null |
			sed -n 's/^[0-9]*\. \(xdpcap:.*\)$/\1/p')"
}

# A device from the list can be captured from as it stands there.
test_listed_devices_can_be_opened() {
	network_up
	mkdir "$BPFDIR/a b"
	bpftool map pin pinned "$HOOK" "$BPFDIR/a b/hook@drop"
	same "names" "$BPFDIR/a b/hook@drop@all
$HOOK" "$(list | sed -n 's/^xdpcap:\(.*\) (XDP hook .*, one of 2 pins) .*/\1/p')"
	DEVICE="xdpcap:$BPFDIR/a b/hook@drop@all"
	capture a
	traffic -c 3 -p 4000,4001,4003
	wait_frames a 3
	stop a
	DEVICE="xdpcap:$BPFDIR/a b/hook@drop@tx"
	capture b
	stop b
}

test_only_hooks_that_are_used_are_listed() {
	local program

	network_up
	bpftool map create "$BPFDIR/hash" type hash key 4 value 4 entries 5 \
		name hash
	bpftool map create "$BPFDIR/ownerless" type prog_array key 4 value 4 \
		entries 5 name ownerless
	bpftool map create "$BPFDIR/small" type prog_array key 4 value 4 \
		entries 3 name small
	ln -s "$HOOK" "$BPFDIR/symlink"
	ln -s "$BPFDIR" /sys/fs/bpf/symlink
	same "hooks" "$HOOK" "$(paths)"
	# and not any more when its program has gone
	program=$(bpftool prog show pinned "$PROG" | sed -n '1s/:.*//p')
	rm "$PROG"
	in_ns "$NS_B" ip link set "$IF_B" xdp off
	wait_for 30 sh -c "! bpftool prog show id $program" ||
		fail "the program stays"
	same "hooks without their program" "" "$(paths)"
	rm /sys/fs/bpf/symlink
}

test_names_that_would_break_the_list_are_left_out() {
	network_up
	mkdir "$BPFDIR/"$'new\nline'
	bpftool map pin pinned "$HOOK" "$BPFDIR/"$'new\nline/hook'
	bpftool map pin pinned "$HOOK" "$BPFDIR/"$'escape\e[2J'
	same "hooks" "$HOOK" "$(paths)"
}

# Who may open a pin is who sees it, whatever the helper may do.
test_an_unprivileged_user_sees_what_it_may_open() {
	local helper=/run/netns/xdpcap-helper

	network_up
	bpftool map pin pinned "$HOOK" "$BPFDIR/open"
	mkdir -m 700 "$BPFDIR/closed"
	bpftool map pin pinned "$HOOK" "$BPFDIR/closed/hook"
	chmod 666 "$BPFDIR/open" "$BPFDIR/closed/hook"
	same "root" "$BPFDIR/closed/hook
$BPFDIR/open
$HOOK" "$(paths)"
	chmod 755 "$TMP"
	# without any capability, and with more than it needs
	cp "$BUILD/xdpcap-helper" $helper
	HELPER=$helper
	same "nobody" "$BPFDIR/open" "$(paths setpriv --reuid 65534 \
		--regid 65534 --clear-groups)"
	setcap cap_bpf,cap_net_admin,cap_perfmon,cap_sys_admin,cap_dac_override,cap_dac_read_search+ep \
		$helper
	same "nobody with a privileged helper" "$BPFDIR/open" \
		"$(paths setpriv --reuid 65534 --regid 65534 --clear-groups)"
	rm $helper
}

# Whatever the helper is, the list is there, without a word, and soon.
test_list_without_a_working_helper() {
	local begin took

	network_up
	cat >"$TMP/sleeping" <<-'END'
		#!/bin/sh
		exec sleep 1000
	END
	cat >"$TMP/noisy" <<-'END'
		#!/bin/sh
		echo noise; echo noise >&2; head -c 100 /dev/zero >&0
	END
	chmod +x "$TMP/sleeping" "$TMP/noisy"
	for helper in /nonexistent / /dev/null /bin/false sleeping noisy; do
		HELPER=$helper
		[[ $helper == /* ]] || HELPER=$TMP/$helper
		begin=${EPOCHREALTIME/./}
		same "hooks with $helper" "" "$(paths)"
		took=$(((${EPOCHREALTIME/./} - begin) / 1000))
		# of which it waits for 2 s at most
		[ $took -lt 15000 ] || fail "$helper: it took $took ms"
	done
	! pgrep -x sleep >/dev/null || fail "the helper that sleeps is left"
}

# More than there may be of everything: a part is listed, and soon. On a busy machine
# it may be less than there may be, since the time is up.
test_too_many_pins() {
	local dir=$BPFDIR begin took n tries=0

	network_up
	for i in 1 2 3 4 5 6 7 8 9; do
		dir=$dir/$i
		mkdir "$dir"
		bpftool map pin pinned "$HOOK" "$dir/hook"
	done
	same "depth" 8 "$(paths | grep -c .)"
	rm -r "$BPFDIR/1"
	mkdir "$BPFDIR/many"
	for i in $(seq 300); do
		bpftool map pin pinned "$HOOK" "$BPFDIR/many/$i"
	done
	while [ $((tries++)) -lt 10 ] && [ "${n-}" != 256 ]; do
		begin=${EPOCHREALTIME/./}
		n=$(paths | grep -c .)
		took=$(((${EPOCHREALTIME/./} - begin) / 1000))
		[ $took -lt 15000 ] || fail "it took $took ms"
	done
	same "hooks" 256 "$n"
}

# takes HELPER: how long the list takes with it, us; the fastest of some.
takes() {
	local HELPER=$1 begin took best=10000000

	for _ in 1 2 3 4 5; do
		begin=${EPOCHREALTIME/./}
		with_xdpcap tcpdump -D >"$TMP/list"
		took=$((${EPOCHREALTIME/./} - begin))
		[ $took -ge $best ] || best=$took
	done
	echo $best
}

# Less than 50 ms more than without the helper, when others are not busy here.
is_quick() {
	without=$(takes /nonexistent)
	with=$(takes "$HELPER")
	[ $((with - without)) -lt 50000 ]
}

test_listing_is_quick() {
	local with without

	network_up
	wait_for 60 is_quick || fail "$with us with hooks, $without us without"
	grep -q "$HOOK" "$TMP/list" || fail "it is not listed"
}

# Not even if it is the only device that is not down: there is always "any".
test_no_hook_is_the_default_device() {
	network_up
	ip -n "$NS_B" link set "$IF_B" down
	contains "devices" "$HOOK@redirect" \
		"$(list nsenter --net="/run/netns/$NS_B")"
	contains "the first" "1.any " "$(head -n 1 "$TMP/list")"
	contains "the default device" "Data link types for any " \
		"$(in_ns "$NS_B" env "LD_LIBRARY_PATH=$LIBPCAP" "XDPCAP_HELPER=$HELPER" \
			tcpdump -L 2>&1)"
}

run_tests
