# shellcheck shell=bash
# shellcheck disable=SC2154 # variables of tests/lib.sh
# What the tests with tests/events/events share; sourced after tests/lib.sh.

# The helpers that captures can have: DIR in events.c.
HELPERS=$TMP/helpers
ADMIN_CAPS=cap_bpf,cap_net_admin,cap_perfmon,cap_sys_admin

# events_up [OBJECT [MTU]]: the network with truth.bpf.c's programs, and helpers
# of root, of users with CAP_SYS_ADMIN, and of users without.
events_up() {
	local programs=$BPFDIR/programs

	network_pair "${2:-1500}"
	bpftool prog loadall "$BUILD/${1:-tests/events/truth.bpf.o}" "$programs" \
		pinmaps "$BPFDIR"
	attach_xdp "$programs/receiver"
	bpftool map update pinned "$BPFDIR/events_self" key 0 0 0 0 \
		value pinned "$programs/receiver"
	in_ns "$NS_A" ip -force link set "$IF_A" xdp pinned "$programs/sender"
	in_ns "$NS_B" tc qdisc add dev "$IF_B" clsact
	in_ns "$NS_B" tc filter add dev "$IF_B" ingress bpf direct-action \
		pinned "$programs/stack"
	chmod 666 "$HOOK"

	mkdir -m 755 "$HELPERS"
	for kind in root admin user; do
		install -m 755 "${EVENTS_HELPER:-$BUILD/xdpcap-helper-test}" \
			"$HELPERS/$kind"
	done
	setcap "$ADMIN_CAPS+ep" "$HELPERS/admin"
	setcap "${ADMIN_CAPS%,*}+ep" "$HELPERS/user"
}

# events OPTION...: in the sender's namespace.
events() {
	in_ns "$NS_A" env "LD_LIBRARY_PATH=$LIBPCAP" \
		"$BUILD/tests/events/events" "$@" "$HOOK" \
		"$BPFDIR/events_truth" "$HELPERS" "$IF_A"
}
