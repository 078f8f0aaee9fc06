#!/bin/bash
# Hooks of all kinds: a PROG_ARRAY takes only programs with its owner's
# expected_attach_type and frags flag, and says neither.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
MODE=--immediate-mode

# where tests/owner pins it
export HOOK=$BPFDIR/hook

# check_owner OPTION...: of tests/owner.c. It is attached, captured from, and
# captured from again with a filter.
check_owner() {
	local index

	network_pair
	index=$(ip -n "$NS_B" -o link show "$IF_B" | cut -d : -f 1)
	in_ns "$NS_B" "$BUILD/tests/owner" -i "$index" "$@" "$BPFDIR"
	attach_xdp "$BPFDIR/prog"
	capture a
	# all slots that there are
	same "slots" "${slots[*]}" "$(hook_slots | cut -d ' ' -f 1 | xargs)"
	traffic -c 10 -w "$TMP/sent.pcap"
	wait_frames a 10
	stop a
	same_frames sent a
	hook_empty || fail "the hook is not empty: $(hook_slots)"
	network_down
}

# Each with every size that a hook may have: one of cloudflare/xdpcap has 4 or 5
# entries.
check_sizes() {
	local entries

	for entries in 4 5 10; do
		mapfile -t slots < <(seq -f 0%g 0 $((entries - 1)))
		echo "owner -n $entries $*"
		check_owner -n $entries "$@"
	done
}

test_owner_of_libbpf() {
	check_sizes -t xdp
}

test_owner_of_libbpf_with_frags() {
	check_sizes -t xdp -f
}

test_owner_without_attach_type() {
	check_sizes -t 0
}

test_owner_without_attach_type_with_frags() {
	check_sizes -t 0 -f
}

test_owner_in_devmap() {
	check_sizes -t devmap
}

test_owner_in_devmap_with_frags() {
	check_sizes -t devmap -f
}

test_owner_in_cpumap() {
	check_sizes -t cpumap
}

test_owner_in_cpumap_with_frags() {
	check_sizes -t cpumap -f
}

# A number names what has no name.
test_action_by_number() {
	network_pair
	"$BUILD/tests/owner" -n 10 "$BPFDIR"
	DEVICE=xdpcap:$HOOK@9,1 capture a
	same "slots" "01 09" "$(hook_slots | cut -d ' ' -f 1 | xargs)"
	stop a
}

run_tests
