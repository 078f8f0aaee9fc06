#!/bin/bash
# The capture device as programs that use libpcap meet it: runs the tests of
# api.c, each in a process and a network of its own. For lib.sh's arguments; the
# tests of api.c by their names there, and memcheck.
set -u
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"

# Longer than any test takes on a machine that is busy with others, s.
LIMIT=120

# api NAME [WRAPPER...]: one of them.
api() {
	local index status=0

	network_up
	index=$(ip -n "$NS_B" -o link show "$IF_B" | cut -d: -f1)
	with_xdpcap nsenter --net="/run/netns/$NS_A" timeout -k 5 $LIMIT \
		"${@:2}" "$BUILD/api-test" "$HOOK" "$index" "$IF_A" "$1" || status=$?
	[ $status != 124 ] || fail "still running after $LIMIT s"
	[ $status -le 128 ] || fail "ended by signal $((status - 128))"
	[ $status = 0 ]
}

# No invalid access and no leak, in tests that between them use all of the
# module.
test_memcheck() {
	local name

	[ -z "${XDPCAP_SANITIZED-}" ] || skip "sanitizers look for the same"
	[ -n "$(type -P valgrind)" ] || skip "valgrind is not installed"
	for name in activate_fails ancillary_filters breakloop_from_callback \
		damaged_record details_of_packets filter_returns_length_in_userland \
		helper_terminated next_packet_stays setfilter_from_callback; do
		echo "$name:"
		api "$name" valgrind -q --error-exitcode=99 --leak-check=full \
			--show-leak-kinds=definite,indirect,possible \
			--suppressions="$SRC/tests/memcheck.supp"
		network_down
	done
}

mapfile -t names < <(with_xdpcap "$BUILD/api-test" --list)
for name in "${names[@]}"; do
	eval "test_$name() { api $name; }"
done
[ ${#TESTS[@]} != 0 ] || TESTS=("${names[@]}" memcheck)
run_tests
