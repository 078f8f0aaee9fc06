# shellcheck shell=bash
# shellcheck disable=SC2034 # variables that only the tests use
# What the tests share: a pair of network namespaces with the example program at
# one end, traffic, captures, and the protocol of tools/run-suites. A test script
# is given the build directory and, if only some are wanted, names of tests; it
# sources this file with all its arguments, defines functions test_NAME, and ends
# with run_tests.
#
# A script runs in PID and mount namespaces of its own, with its own BPF file
# system at /sys/fs/bpf: when it ends, however it does, every process, pin and
# network namespace of its goes. Scripts take turns (LOCK), so that none mistakes
# another's eBPF programs for its own; one waits for XDPCAP_TESTS_WAIT s, by default
# 300.
#
# A test runs in a subshell with set -e; one that returns has passed if it left
# nothing behind. fail and skip end it.
set -u
export LC_ALL=C

[ $# -ge 1 ] || {
	echo "usage: $0 BUILDDIR [TEST...]" >&2
	exit 2
}

LOCK=/run/lock/xdpcap-tests

if [ -z "${XDPCAP_TESTS_UNSHARED-}" ]; then
	[ "$(id -u)" = 0 ] || {
		echo "$0: needs root" >&2
		exit 1
	}
	mkdir -p /run/netns "${LOCK%/*}"
	exec 9>"$LOCK"
	flock -w "${XDPCAP_TESTS_WAIT:-300}" 9 || {
		echo "$0: other tests are running: cannot lock $LOCK" >&2
		exit 1
	}
	XDPCAP_TESTS_UNSHARED=$(mktemp -d --tmpdir xdpcap-tests.XXXXXX)
	export XDPCAP_TESTS_UNSHARED
	# killed, it takes with it all processes of the namespace
	trap 'kill -KILL $!; rm -rf --one-file-system "$XDPCAP_TESTS_UNSHARED"' EXIT
	trap 'exit 130' INT TERM
	unshare --mount --pid --fork --kill-child "$0" "$@" </dev/null 9>&- &
	wait $!
	status=$?
	trap - INT TERM
	trap 'rm -rf --one-file-system "$XDPCAP_TESTS_UNSHARED"' EXIT
	exit $status
fi

BUILD=$(cd "$1" && pwd)
shift
SRC=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
TESTS=("$@")

# A test's files; tcpdump writes there as user tcpdump. And the machine's /proc,
# beside that of this PID namespace.
TMP=$XDPCAP_TESTS_UNSHARED/tmp
OUTER_PROC=$XDPCAP_TESTS_UNSHARED/proc
chmod 755 "$XDPCAP_TESTS_UNSHARED"
mkdir "$TMP" "$OUTER_PROC"
mount --bind /proc "$OUTER_PROC"
mount -t proc xdpcap-tests /proc
mount -t tmpfs -o mode=1777 xdpcap-tests "$TMP"
mount -t tmpfs xdpcap-tests /run/netns
mount -t bpf xdpcap-tests /sys/fs/bpf

# To find this build's libpcap; for programs of the distribution. Programs of
# the tests find no other libpcap anyway.
LIBPCAP=$BUILD/libpcap
HELPER=$BUILD/xdpcap-helper

# The sender's end and the receiver's, where the XDP program is; see network_up.
NS_A=xdpcap-a-$$ NS_B=xdpcap-b-$$
IF_A=xa IF_B=xb
MAC_A=02:00:00:00:00:0a MAC_B=02:00:00:00:00:0b
IP_A=10.9.0.1 IP_B=10.9.0.2
IP6_A=fd00::1 IP6_B=fd00::2
BPFDIR=/sys/fs/bpf/xdpcap-test
HOOK=$BPFDIR/xdpcap_hook
PROG=$BPFDIR/example

# How long what is no longer used may take to go, s.
LEFT_PATIENCE=60

# shellcheck source=tests/report.sh
. "$SRC/tests/report.sh"

# End the test: it has failed.
fail() {
	echo "$*"
	exit 1
}

# End the test: it cannot be run here.
skip() {
	echo "$*"
	exit 77
}

# same WHAT EXPECTED GOT
same() {
	[ "$2" = "$3" ] && return
	echo "$1: expected <, got >"
	diff <(echo "$2") <(echo "$3") | cut -c 1-300 | head -n 40
	exit 1
}

# contains WHAT PATTERN GOT: a pattern of bash's
contains() {
	# shellcheck disable=SC2053 # it is a pattern
	[[ $3 == *$2* ]] && return
	echo "$1: expected"
	echo "	$2"
	echo "in"
	printf '\t%s\n' "${3//$'\n'/$'\n\t'}"
	exit 1
}

# wait_for SECONDS COMMAND...: until it succeeds. Who waits for what must come waits
# for long: on a busy machine it takes long, and only a test that fails waits in vain.
wait_for() {
	local end=$((${EPOCHREALTIME/./} + $1 * 1000000))

	shift
	while ! "$@"; do
		[ "${EPOCHREALTIME/./}" -lt $end ] || return 1
		sleep 0.02
	done
}

# Not ip netns exec: it would mount another /sys, without the BPF file system.
in_ns() {
	nsenter --net="/run/netns/$1" "${@:2}"
}

link_up() {
	[[ $(ip -n "$1" link show "$2") == *" state UP "* ]]
}

# network_pair [MTU]: the two namespaces and the veth pair, without a program. VETH may
# have options for both ends.
VETH=()
network_pair() {
	local mtu=${1:-1500} ns

	for ns in "$NS_A" "$NS_B"; do
		ip netns add "$ns"
		# no packets but the test's
		# shellcheck disable=SC2016 # the inner shell's
		in_ns "$ns" sh -c 'for f in /proc/sys/net/ipv6/conf/*/disable_ipv6; do
			echo 1 >$f; done'
	done
	# With different indexes: if both had the same one, the kernel would take
	# the veth for a device that is not stacked on another, and could take a
	# second until it lets packets through (linkwatch_urgent_event()).
	ip link add "$IF_A" index 11 netns "$NS_A" address $MAC_A mtu "$mtu" \
		"${VETH[@]}" type veth peer name "$IF_B" index 12 netns "$NS_B" \
		address $MAC_B mtu "$mtu" "${VETH[@]}"
	ip -n "$NS_A" addr add $IP_A/24 dev "$IF_A"
	ip -n "$NS_B" addr add $IP_B/24 dev "$IF_B"
	ip -n "$NS_A" link set "$IF_A" up
	ip -n "$NS_B" link set "$IF_B" up
	# until then, what is sent is dropped
	wait_for 60 link_up "$NS_A" "$IF_A" || fail "$IF_A does not come up"
	wait_for 60 link_up "$NS_B" "$IF_B" || fail "$IF_B does not come up"
	ip -n "$NS_A" neigh replace $IP_B lladdr $MAC_B dev "$IF_A"
	ip -n "$NS_B" neigh replace $IP_A lladdr $MAC_A dev "$IF_B"
	mkdir -p "$BPFDIR"
	bpftool prog load "$BUILD/tests/pass.bpf.o" "$BPFDIR/pass"
	in_ns "$NS_A" ip link set "$IF_A" xdp pinned "$BPFDIR/pass"
}

# attach_xdp PIN: a pinned program natively to the receiving end.
attach_xdp() {
	in_ns "$NS_B" ip link set "$IF_B" xdp pinned "$1"
}

# network_up [OBJECT [MTU]]: all of it, with bpf/example.bpf.o or that one.
network_up() {
	local object=${1:-bpf/example.bpf.o}

	network_pair "${2:-1500}"
	bpftool prog load "$BUILD/$object" "$PROG" pinmaps "$BPFDIR"
	attach_xdp "$PROG"
}

network_down() {
	ip netns del "$NS_A" 2>/dev/null
	ip netns del "$NS_B" 2>/dev/null
	rm -rf "$BPFDIR"
}

# traffic OPTION...: see traffic.c. From the sender to the receiver.
traffic() {
	in_ns "$NS_A" "$BUILD/tests/traffic" "$@" "$IF_A"
}

# The IPv4 packets that the receiver's network stack has got.
in_stack() {
	in_ns "$NS_B" awk '/^Ip: [0-9]/ { print $4 }' /proc/net/snmp
}

# with_xdpcap COMMAND...: with this build's libpcap and helper.
with_xdpcap() {
	LD_LIBRARY_PATH=$LIBPCAP XDPCAP_HELPER=$HELPER "$@"
}

# helper_with VARIABLE=VALUE...: from now on, a helper of the test build with this
# in its environment, which is otherwise empty.
helper_with() {
	HELPER=$TMP/helper
	printf '#!/bin/sh\n%s exec %s\n' "$*" "$BUILD/xdpcap-helper-test" >"$HELPER"
	chmod 755 "$HELPER"
}

# A device's activation fails: with this code and this message, of which no
# less is cut off. fails CODE DEVICE PATTERN [COMMAND...]
fails() {
	local message status=0

	message=$(with_xdpcap "${@:4}" "$BUILD/tests/open" "$2") || status=$?
	same "exit status for $2 (${message:0:200})" 1 $status
	contains "message" "$1: $3" "$message"
	[ ${#message} -lt 290 ] || fail "the message is too long: $message"
	wait_for 60 no_helpers || fail "a helper is left"
	[ ! -e "$HOOK" ] || hook_empty ||
		fail "the hook is not empty: $(hook_slots)"
}

# The fields of a process's status file.
status() {
	sed -n "s/^$2:[[:space:]]*//p" "/proc/$1/status"
}

# start NAME COMMAND...: tcpdump in the background, until it listens. Its
# standard output and error go to $TMP/NAME.out and .err, its process is
# PID[NAME].
declare -A PID=()
start() {
	local name=$1

	shift
	# now, not in the background; of what an earlier one has written, no more
	rm -f "$TMP/$name.pcap"
	: >"$TMP/$name.err"
	"$@" >"$TMP/$name.out" 2>>"$TMP/$name.err" &
	PID[$name]=$!
	wait_for 60 started "$name" && return
	kill -KILL "${PID[$name]}" 2>/dev/null
	cat "$TMP/$name.err"
	fail "$name does not listen"
}

started() {
	grep -q '^listening on\|, link-type' "$TMP/$1.err" && return
	kill -0 "${PID[$1]}" 2>/dev/null || {
		cat "$TMP/$1.err"
		fail "$1 has ended"
	}
	return 1
}

# capture NAME [OPTION...]: the distribution's tcpdump with this build's libpcap,
# on $DEVICE (the hook, if that is not set), into $TMP/NAME.pcap. MODE may be
# --immediate-mode, for tests that would only wait for tcpdump's packet buffer
# timeout of 1 s.
MODE=
capture() {
	start "$1" env "LD_LIBRARY_PATH=$LIBPCAP" "XDPCAP_HELPER=$HELPER" \
		tcpdump -n -U $MODE -i "${DEVICE:-xdpcap:$HOOK}" \
		-w "$TMP/$1.pcap" "${@:2}"
}

# sniff NAME NAMESPACE INTERFACE [OPTION...]: the distribution's tcpdump with its
# own libpcap, on an interface.
sniff() {
	start "$1" nsenter --net="/run/netns/$2" \
		tcpdump -n -U --immediate-mode -i "$3" -w "$TMP/$1.pcap" "${@:4}"
}

# stop NAME [SIGNAL]: end it, and wait for it. STATUS gets its exit status.
stop() {
	kill "-${2:-INT}" "${PID[$1]}"
	ended "$1"
}

# ended NAME: wait for it to end by itself. STATUS gets its exit status.
ended() {
	wait_for 60 gone "${PID[$1]}" || fail "$1 does not end"
	STATUS=0
	wait "${PID[$1]}" 2>/dev/null || STATUS=$?
	unset "PID[$1]"
}

# Whether a process has ended, waited for or not.
gone() {
	local stat

	stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 0
	[[ ${stat##*) } == Z* ]]
}

# count NAME: the packets that it has written so far.
count() {
	"$BUILD/tests/frames" -c "$TMP/$1.pcap"
}

has() {
	[ "$(count "$1")" -ge "$2" ]
}

# wait_frames NAME NUMBER: until so many are written; then a little longer, to see
# whether there are more.
wait_frames() {
	wait_for 60 has "$1" "$2" || {
		sed 's/^/	/' "$TMP/$1.err"
		fail "$1: $(count "$1") packets after 60 s, not $2"
	}
	sleep 0.2
	[ "$(count "$1")" = "$2" ] ||
		fail "$1: $(count "$1") packets, not $2"
}

# frames NAME: what it has written, a packet a line; see frames.c.
frames() {
	"$BUILD/tests/frames" "$TMP/$1.pcap"
}

# same_frames EXPECTED GOT [PATTERN]: two captures, in order; of the first, only
# the packets whose line matches.
same_frames() {
	frames "$1" | { grep -E "${3:-.}" || :; } >"$TMP/expected"
	frames "$2" >"$TMP/got"
	same_lines "packets of $2 compared with $1"
}

# same_lines WHAT: the files expected and got.
same_lines() {
	cmp -s "$TMP/expected" "$TMP/got" && return
	echo "$1: expected <, got >"
	diff "$TMP/expected" "$TMP/got" | cut -c 1-300 | head -n 40
	exit 1
}

# port PORT...: a pattern for lines of frames, UDP over IPv4 to these ports.
port() {
	local alternatives

	alternatives=$(printf '|%04x' "$@")
	echo "^[0-9]+ [0-9]+ .{24}0800.{44}(${alternatives#|})"
}

# The programs in the hook's slots, one a line: a slot and a program.
hook_slots() {
	bpftool map dump pinned "$HOOK" |
		sed -n 's/^key: \([0-9a-f]*\).* value: \(.*\)/\1 \2/p'
}

hook_empty() {
	[ -z "$(hook_slots)" ]
}

# The clocks that the copy programs read.
clocks() {
	bpftool prog dump xlated name xdpcap_copy |
		sed -n 's/.*call \(bpf_ktime_get_[a-z_]*\).*/\1/p' | sort -u
}

# The eBPF programs and maps of captures, one a line, programs with the numbers of
# their maps.
bpf_objects() {
	bpftool prog show | awk '
		/^[0-9]+: / { if (line) print line; line = "" }
		match($0, /^[0-9]+: .* name xdpcap_[^ ]*/) {
			id = $1; sub(/.* name /, ""); line = "prog " id " " $1 }
		line && match($0, /map_ids [0-9,]+/) {
			line = line " " substr($0, RSTART + 8, RLENGTH - 8) }
		END { if (line) print line }'
	bpftool map show |
		sed -n 's/^\([0-9]*:\) .* name \(xdpcap_[^ ]*\).*/map \1 \2/p'
}

# The numbers of the maps that helpers outside these tests hold, one a line.
outer_maps() {
	local process comm

	for process in "$OUTER_PROC"/[0-9]*; do
		read -r comm <"$process/comm" || continue
		[[ $comm == xdpcap-helper* ]] || continue
		[ "$process/ns/pid" -ef /proc/self/ns/pid ] ||
			sed -n 's/^map_id:[[:space:]]*//p' "$process"/fdinfo/*
	done 2>/dev/null
}

# Those that there are now and were not before, and that are no other capture's
# on this machine. Fails if there are none.
#
# PROG_ARRAY maps (LEFT_IGNORED) do not count: the kernel never frees one whose last
# descriptor was closed twice in short order, as it is when bpftool lists maps at
# that moment (prog_array_map_clear() takes a reference for each time, its work,
# which is queued only once, drops one). They are empty, and what was in them does
# count. leftovers.sh looks for them when bpftool does not run.
LEFT_IGNORED='^map .* xdpcap_(hook|chain|slots)$'
left_behind() {
	bpf_objects | { grep -vxF -f "$TMP/before" || :; } |
		awk -v ignored="$LEFT_IGNORED" '
		FNR == NR { outer[$1]; next }
		{ split($1 == "map" ? $2 + 0 : $4, maps, ",") }
		{ for (i in maps) if (maps[i] in outer) next }
		$0 ~ ignored { next }
		{ print; left = 1 }
		END { exit !left }' <(outer_maps; echo none) -
}

nothing_left() {
	! left_behind >/dev/null
}

helpers() {
	pgrep -x 'xdpcap-helper.*'
}

# What a failed test may have left.
clean_up() {
	set +eE
	trap - ERR
	[ ${#PID[@]} = 0 ] || {
		kill -KILL "${PID[@]}"
		wait "${PID[@]}"
	} 2>/dev/null
	network_down
	wait_for "$LEFT_PATIENCE" nothing_left
}

# Run one test: this is a subshell's whole life.
run_test() {
	set -eE
	trap 'echo "${BASH_SOURCE[0]}:$LINENO: exit status $?: $BASH_COMMAND"' ERR
	trap clean_up EXIT
	bpf_objects >"$TMP/before"
	echo "none" >>"$TMP/before"
	"test_$1"

	[ ! -e "$HOOK" ] || hook_empty || {
		hook_slots
		fail "the hook is not empty"
	}
	[ "${#PID[@]}" = 0 ] || fail "still running: ${!PID[*]}"
	wait_for "$LEFT_PATIENCE" no_helpers || {
		ps ax
		fail "a helper is left"
	}
	network_down || :
	# the kernel frees them some time after the last reference has gone
	wait_for "$LEFT_PATIENCE" nothing_left || {
		left_behind
		fail "eBPF programs or maps are left"
	}
}

no_helpers() {
	! helpers >/dev/null
}

# Run the tests that were named, or all, and exit.
run_tests() {
	local name

	[ ${#TESTS[@]} != 0 ] ||
		mapfile -t TESTS < <(declare -F | sed -n 's/^declare -f test_//p')
	for name in "${TESTS[@]}"; do
		find "$TMP" -xdev -mindepth 1 -delete
		(run_test "$name") </dev/null >"$TMP/log" 2>&1
		case $? in
		0)
			ok "$name"
			# what is to be known of it all the same
			sed -n 's/^# /    # /p' "$TMP/log"
			;;
		77) skipped "$name" "$(tail -n 1 "$TMP/log")" ;;
		*) not_ok "$name" "$(cat "$TMP/log")" ;;
		esac
	done
	summary
}
