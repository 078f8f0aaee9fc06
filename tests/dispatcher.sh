#!/bin/bash
# Owners that libxdp attaches, as xdp-loader does: to a dispatcher, which runs
# several programs of an interface one after the other. To the kernel they are
# then functions that replace the dispatcher's (BPF_PROG_TYPE_EXT), and a hook's
# owner, too, is such a program. Where the kernel does not load the dispatcher,
# libxdp attaches one program without it. tests/kernels/run has a kernel that runs
# them all.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
MODE=--immediate-mode

CHAINED=tests/chained.bpf.o

# load_chained MODE PRIORITY PROGRAM: of $CHAINED, its hooks pinned in
# $BPFDIR/PROGRAM. What xdp-loader says goes to $TMP/PROGRAM.log.
load_chained() {
	mkdir "$BPFDIR/$3"
	in_ns "$NS_B" xdp-loader load -vv -m "$1" -P "$2" -n "$3" \
		-p "$BPFDIR/$3" "$IF_B" "$BUILD/$CHAINED" >"$TMP/$3.log" 2>&1 || {
		! refuses_tail_calls "$TMP/$3.log" ||
			skip "this libxdp's dispatcher takes no programs with tail calls on this kernel: Extension program changes packet data, while original does not"
		grep -v '^ *libbpf:' "$TMP/$3.log"
		fail "xdp-loader does not load $3"
	}
}

# Whether the kernel has refused the program because the function that it is to
# replace cannot change the packet: to Linux 6.12.117 (not to 6.1), a tail call
# may, and of libxdp 1.3's dispatcher, no function can.
refuses_tail_calls() {
	grep -q 'Extension program changes packet data, while original does not' "$1"
}

unload() {
	in_ns "$NS_B" xdp-loader unload --all "$IF_B"
}

# Whether libxdp has done without a dispatcher, because the kernel did not let it
# replace a function of it.
without_dispatcher() {
	grep -q 'Compatibility check for dispatcher program failed: Operation not permitted' "$1" &&
		grep -q 'Falling back to loading single prog without dispatcher' "$1"
}

# The types of the programs that use a map.
owner_types() {
	local id

	id=$(bpftool map show pinned "$1" | sed -n '1s/:.*//p')
	bpftool prog show | awk -v id="$id" '
		/^[0-9]+: / { type = $2 }
		match($0, /map_ids [0-9,]+/) {
			n = split(substr($0, RSTART + 8, RLENGTH - 8), maps, ",")
			for (i = 1; i <= n; i++) if (maps[i] == id) print type }'
}

# one_program MODE: through the dispatcher, or attached without it.
one_program() {
	local before type=ext

	network_pair
	load_chained "$1" 50 one_hook
	! without_dispatcher "$TMP/one_hook.log" || type=xdp
	HOOK=$BPFDIR/one_hook/first_hook
	same "type of the owner" $type "$(owner_types "$HOOK")"
	before=$(in_stack)
	capture a
	traffic -c 20 -p 4002,4012 -w "$TMP/sent.pcap"
	wait_frames a 20
	stop a
	same_frames sent a
	DEVICE=xdpcap:$HOOK@drop capture b udp
	traffic -c 20 -p 4002,4012 -w "$TMP/sent.pcap"
	wait_frames b 10
	stop b
	same_frames sent b "$(port 4012)"
	same "packets that were passed" 20 $(($(in_stack) - before))
	unload
}

test_program_that_libxdp_attaches() {
	one_program native
}

test_program_that_libxdp_attaches_in_generic_mode() {
	one_program skb
}

# two_programs MODE: the second gets what the first passes.
two_programs() {
	local before

	network_pair
	load_chained "$1" 10 two_hooks
	if without_dispatcher "$TMP/two_hooks.log"; then
		unload
		skip "the kernel does not load programs of type ext: Operation not permitted"
	fi
	load_chained "$1" 20 one_hook
	HOOK=$BPFDIR/two_hooks/first_hook
	same "type of the owner" ext "$(owner_types "$HOOK")"
	capture first
	HOOK=$BPFDIR/one_hook/first_hook
	capture second
	before=$(in_stack)
	traffic -c 60 -p 4002,4011,4012,4021,4022 -w "$TMP/sent.pcap"
	wait_frames first 24
	wait_frames second 36
	same_frames sent first "$(port 4011 4012)"
	same_frames sent second "$(port 4002 4012 4022)"
	same "packets that were passed" 24 $(($(in_stack) - before))

	# the first one's capture ends, and makes no difference
	stop first
	traffic -c 60 -p 4002,4011,4012,4021,4022
	wait_frames second 72
	same "packets that were passed" 48 $(($(in_stack) - before))
	stop second
	unload
}

test_two_programs_in_the_dispatcher() {
	two_programs native
}

# libxdp 1.3 runs what is in this section in a dispatcher without frags.
test_two_programs_of_section_xdp_frags_in_the_dispatcher() {
	CHAINED=tests/chained-frags.bpf.o
	two_programs native
}

test_two_programs_in_the_dispatcher_in_generic_mode() {
	two_programs skb
}

run_tests
