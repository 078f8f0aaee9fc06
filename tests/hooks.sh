#!/bin/bash
# Hooks of all kinds: a PROG_ARRAY takes only programs with its owner's
# expected_attach_type and frags flag, and says neither. Each kind of owner, run
# by the driver (native) and by the network stack (generic), with hooks of every
# size; captures have what was sent, and the owner's verdicts stand.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
MODE=--immediate-mode

# where tests/owner pins it
export HOOK=$BPFDIR/hook

# attach_as native|generic PIN
attach_as() {
	local -A modes=([native]=xdpdrv [generic]=xdpgeneric)

	XDP_MODE=${modes[$1]}
	in_ns "$NS_B" ip link set "$IF_B" "$XDP_MODE" pinned "$2"
}

detach() {
	in_ns "$NS_B" ip link set "$IF_B" "$XDP_MODE" off
}

# owner OPTION...: of tests/owner.c.
owner() {
	local index

	index=$(ip -n "$NS_B" -o link show "$IF_B" | cut -d : -f 1)
	in_ns "$NS_B" "$BUILD/tests/owner" -i "$index" "$@" "$BPFDIR"
}

# The packets that have gone where the owner's pass lets them go: up the
# receiver's stack, or, in a devmap that names the interface they came from, back
# to the sender.
passed_on() {
	if [[ $* == *devmap* ]]; then
		in_ns "$NS_A" awk -v name="$IF_A:" '$1 == name { print $3 }' \
			/proc/net/dev
	else
		in_stack
	fi
}

# The slots that are used, in one line.
used_slots() {
	hook_slots | cut -d ' ' -f 1 | xargs
}

# slots_up_to NUMBER: the same, if all are used.
slots_up_to() {
	# shellcheck disable=SC2046 # they are several
	printf '%02x\n' $(seq 0 "$1") | xargs
}

# check_owner MODE ENTRIES TRAFFIC OPTION...: an owner with such a hook is
# attached, and captured from; it drops half of the packets and passes half.
check_owner() {
	local mode=$1 entries=$2 options=$3 before

	shift 3
	# Before Linux 6.15, packets that come together with one that a cpumap's
	# program has dropped are not given to it, but passed, in generic mode
	# (cpu_map_bpf_prog_run_skb()): let them come alone.
	[[ "$mode $*" != "generic "*cpumap* ]] || options+=" -r 100"
	echo "owner $* in $mode mode, $entries entries, traffic $options"
	owner -n "$entries" "$@"
	attach_as "$mode" "$BPFDIR/prog"
	capture a
	# all that there are, but no more than a capture has
	same "slots" "$(slots_up_to $((entries > 32 ? 31 : entries - 1)))" \
		"$(used_slots)"
	before=$(passed_on "$@")
	# shellcheck disable=SC2086 # they are several
	traffic -c 24 -p 4001,4002 -w "$TMP/sent.pcap" $options
	wait_frames a 24
	stop a
	same_frames sent a
	same "packets that were passed on" 12 $(($(passed_on "$@") - before))
	hook_empty || fail "the hook is not empty: $(hook_slots)"
	detach
	rm "$HOOK" "$BPFDIR/prog"
}

# check_kind MODE OPTION...: natively with every size that a hook may have: one of
# cloudflare/xdpcap has 4 or 5 entries. Packets are larger than a page where the
# owner gets such.
check_kind() {
	local entries mtu=1500 sizes=60,1514

	if [[ $* == *-f* || $1 == generic ]]; then
		mtu=9000 sizes=60,1514,4000,9014
	fi
	network_pair $mtu
	for entries in 5 4 10; do
		check_owner "$1" $entries "-s $sizes" "${@:2}"
		[ "$1" = native ] || break
	done
}

test_owner_of_libbpf() {
	check_kind native -t xdp
}

test_owner_of_libbpf_in_generic_mode() {
	check_kind generic -t xdp
}

test_owner_of_libbpf_with_frags() {
	check_kind native -t xdp -f
}

test_owner_of_libbpf_with_frags_in_generic_mode() {
	check_kind generic -t xdp -f
}

test_owner_without_attach_type() {
	check_kind native -t 0
}

test_owner_without_attach_type_in_generic_mode() {
	check_kind generic -t 0
}

test_owner_without_attach_type_with_frags() {
	check_kind native -t 0 -f
}

test_owner_without_attach_type_with_frags_in_generic_mode() {
	check_kind generic -t 0 -f
}

test_owner_in_devmap() {
	check_kind native -t devmap
}

test_owner_in_devmap_in_generic_mode() {
	check_kind generic -t devmap
}

test_owner_in_devmap_with_frags() {
	check_kind native -t devmap -f
}

test_owner_in_devmap_with_frags_in_generic_mode() {
	check_kind generic -t devmap -f
}

test_owner_in_cpumap() {
	check_kind native -t cpumap
}

test_owner_in_cpumap_in_generic_mode() {
	check_kind generic -t cpumap
}

test_owner_in_cpumap_with_frags() {
	check_kind native -t cpumap -f
}

test_owner_in_cpumap_with_frags_in_generic_mode() {
	check_kind generic -t cpumap -f
}

# In generic mode a program gets packets before they are cut into segments: up to
# 64 KiB, in one piece or, with frags, in as many buffers as there are.
test_packets_of_64_KiB_in_generic_mode() {
	local kind

	network_pair
	for kind in "-t xdp" "-t xdp -f" "-t cpumap" "-t cpumap -f"; do
		# shellcheck disable=SC2086 # they are several
		check_owner generic 5 "-G 1400 -s 3000,30000,65535" $kind
		same "largest packet" 65535 \
			"$(frames a | cut -d ' ' -f 1 | sort -n | tail -n 1)"
	done
}

# A capture has the first 32 actions, for whatever else the array is used.
test_hook_of_40_entries() {
	network_pair
	check_owner native 40 "-s 100" -t xdp
	owner -n 40 -a 31
	attach_as native "$BPFDIR/prog"
	DEVICE=xdpcap:$HOOK@31 capture a
	same "slots" 1f "$(used_slots)"
	traffic -c 10 -w "$TMP/sent.pcap"
	wait_frames a 10
	stop a
	same_frames sent a
	rm "$BPFDIR/prog"
	detach

	# one that it does not have
	owner -e -a 32
	attach_as native "$BPFDIR/prog"
	capture b
	traffic -c 10
	sleep 0.3
	stop b
	same "packets" 0 "$(count b)"
	contains "message" 'no action "32"; * or a number below 32' \
		"$(with_xdpcap "$BUILD/tests/open" "xdpcap:$HOOK@32")"
}

# check_number NUMBER: packets with that action are captured by its number, and
# no others.
check_number() {
	local other=$(($1 == 2 ? 1 : 2))

	owner -e -a "$1"
	attach_as native "$BPFDIR/prog"
	DEVICE=xdpcap:$HOOK@$1 capture a
	DEVICE=xdpcap:$HOOK@$other capture b
	same "slots" "$(printf '0%d\n' "$1" $other | sort | xargs)" "$(used_slots)"
	traffic -c 10 -w "$TMP/sent.pcap"
	wait_frames a 10
	stop a
	stop b
	same_frames sent a
	same "packets with another action" 0 "$(count b)"
	detach
	rm "$BPFDIR/prog"
}

# A number names what has no name, and what has.
test_action_by_number() {
	local number before

	network_pair
	owner -n 10
	rm "$BPFDIR/prog"
	before=$(passed_on)
	# to the kernel, what it does not know is aborted
	for number in 0 1 5 9; do
		check_number $number
	done
	same "packets that were passed on" 0 $(($(passed_on) - before))
	check_number 2
	same "packets that were passed on" 10 $(($(passed_on) - before))
	DEVICE=xdpcap:$HOOK@9,1 capture a
	same "slots" "01 09" "$(used_slots)"
	stop a
}

# open_action ACTION...: what is said when it is to be captured.
open_action() {
	with_xdpcap "$BUILD/tests/open" "xdpcap:$HOOK@$1" || :
}

test_actions_beyond_the_hook_are_refused() {
	local entries

	mkdir "$BPFDIR"
	for entries in 4 5 10; do
		"$BUILD/tests/owner" -n $entries "$BPFDIR"
		contains "the last that there is" OK "$(open_action $((entries - 1)))"
		contains "the next" "PCAP_ERROR_NO_SUCH_DEVICE: xdpcap:$HOOK: no action" \
			"$(open_action $entries)"
		contains "the next" ": the hook has $entries entries" \
			"$(open_action "drop,$entries")"
		hook_empty || fail "the hook is not empty: $(hook_slots)"
		rm "$HOOK" "$BPFDIR/prog"
	done
}

# What the kernel says of the hook; who owns it is the last line, if anybody.
hook_info() {
	bpftool map show pinned "$HOOK"
}

# The first program that uses a hook decides which others it takes: that must be
# the user's, so a capture refuses one that none has used, and leaves it so that
# it takes any.
test_hook_without_an_owner_is_left_as_it_is() {
	local kind before

	network_pair 9000
	for kind in "-t xdp" "-t xdp -f" "-t 0" "-t 0 -f" "-t devmap" \
		"-t devmap -f" "-t cpumap" "-t cpumap -f" "-t tc -a 0"; do
		bpftool map create "$HOOK" type prog_array key 4 value 4 entries 5 \
			name hook
		before=$(hook_info)
		[[ $before != *owner* ]] || fail "it has an owner: $before"
		contains "message" "PCAP_ERROR: xdpcap:$HOOK: no XDP program uses this hook yet; load the program first, then capture" \
			"$(open_action all)"
		same "the hook" "$before" "$(hook_info)"
		# shellcheck disable=SC2086 # they are several
		owner -e $kind
		contains "the hook" owner_prog_type "$(hook_info)"
		rm "$HOOK" "$BPFDIR/prog"
	done
}

run_tests
