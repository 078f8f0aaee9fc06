#!/bin/bash
# bpf/hook.h in programs of every kind that includes it.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

# What the build compiles eBPF programs with.
variable() {
	make -s --no-print-directory -C "$BUILD" "print-$1"
}

# compile NAME [FLAG...]: standard input to $TMP/NAME.o.
compile() {
	local flags name=$1

	shift
	read -ra flags <<<"$(variable BPF_CPPFLAGS) $(variable BPF_CFLAGS)"
	cat >"$TMP/$name.c"
	"$(variable CLANG)" -I"$SRC/bpf" -I"$TMP" "${flags[@]}" -Wall -Wextra -Werror \
		"$@" -target bpf -c "$TMP/$name.c" -o "$TMP/$name.o"
}

# runs PIN VERDICT: the pinned program returns it for a packet.
runs() {
	head -c 64 /dev/zero >"$TMP/packet"
	contains "test run" "Return value: $2" \
		"$(bpftool prog run pinned "$1" data_in "$TMP/packet")"
}

# The tail call goes through a hook of the given object: a program in its slot
# for XDP_DROP is what runs.
calls_hook() {
	local prog=$1 hook=$2

	printf '#include <linux/bpf.h>\n#include <bpf/bpf_helpers.h>\n%s\n%s\n' \
		'SEC("xdp") int other(struct xdp_md *ctx) { (void)ctx; return XDP_TX; }' \
		'char _license[] SEC("license") = "GPL";' | compile other
	bpftool prog load "$TMP/other.o" /sys/fs/bpf/other
	runs "$prog" 1
	bpftool map update pinned "$hook" key 1 0 0 0 value pinned /sys/fs/bpf/other
	runs "$prog" 3
	bpftool map delete pinned "$hook" key 1 0 0 0
	runs "$prog" 1
	rm /sys/fs/bpf/other
}

test_btf_map() {
	compile plain <<-'END'
	#include "hook.h"
	#include <bpf/bpf_helpers.h>

	XDPCAP_HOOK_MAP(hook);

	SEC("xdp") int plain(struct xdp_md *ctx)
	{
		return xdpcap_exit(ctx, &hook, XDP_DROP);
	}
	END
	mkdir /sys/fs/bpf/plain
	bpftool prog load "$TMP/plain.o" /sys/fs/bpf/plain/prog pinmaps /sys/fs/bpf/plain
	contains "the map" "prog_array" "$(bpftool map show pinned /sys/fs/bpf/plain/hook)"
	contains "the map" "max_entries 5" "$(bpftool map show pinned /sys/fs/bpf/plain/hook)"
	calls_hook /sys/fs/bpf/plain/prog /sys/fs/bpf/plain/hook
	rm -r /sys/fs/bpf/plain
}

# libbpf pins the map by itself, and uses the pin that it finds.
test_btf_map_pinned_by_name() {
	local id

	compile pinned <<-'END'
	#include <linux/bpf.h>
	#include <bpf/bpf_helpers.h>
	#include "hook.h"

	XDPCAP_HOOK_MAP_PINNED(pinned_hook);

	SEC("xdp") int pinned(struct xdp_md *ctx)
	{
		return xdpcap_exit(ctx, &pinned_hook, XDP_DROP);
	}
	END
	bpftool prog load "$TMP/pinned.o" /sys/fs/bpf/first
	id=$(bpftool map show pinned /sys/fs/bpf/pinned_hook | head -n 1)
	contains "the map" "prog_array" "$id"
	bpftool prog load "$TMP/pinned.o" /sys/fs/bpf/second
	contains "map of the second" "map_ids ${id%%:*}" \
		"$(bpftool prog show pinned /sys/fs/bpf/second)"
	calls_hook /sys/fs/bpf/second /sys/fs/bpf/pinned_hook
	rm /sys/fs/bpf/first /sys/fs/bpf/second /sys/fs/bpf/pinned_hook
}

test_vmlinux_h() {
	bpftool btf dump file /sys/kernel/btf/vmlinux format c >"$TMP/vmlinux.h"
	compile vm <<-'END'
	#include "vmlinux.h"
	#include <bpf/bpf_helpers.h>
	#include "hook.h"

	XDPCAP_HOOK_MAP(hook);

	SEC("xdp") int vm(struct xdp_md *ctx)
	{
		return xdpcap_exit(ctx, &hook, XDP_DROP);
	}
	END
	mkdir /sys/fs/bpf/vm
	bpftool prog load "$TMP/vm.o" /sys/fs/bpf/vm/prog pinmaps /sys/fs/bpf/vm
	calls_hook /sys/fs/bpf/vm/prog /sys/fs/bpf/vm/hook
	rm -r /sys/fs/bpf/vm
}

# Source that was written for cloudflare/xdpcap's header, as its README has it.
# libbpf 1.x does not load such maps: look at the definition instead.
test_bpf_map_def() {
	compile old <<-'END'
	#include <linux/bpf.h>
	#include "hook.h"

	struct bpf_map_def {
		unsigned int type, key_size, value_size, max_entries, map_flags;
	};

	struct bpf_map_def xdpcap_hook __attribute__((section("maps"), used)) =
		XDPCAP_HOOK();

	__attribute__((section("xdp"), used)) int old(struct xdp_md *ctx)
	{
		return xdpcap_exit(ctx, &xdpcap_hook, XDP_PASS);
	}
	END
	# readelf knows every machine, objcopy does not
	same "type, key size, value size, entries, flags" \
		"03000000 04000000 04000000 05000000 00000000" \
		"$(readelf -x maps "$TMP/old.o" | awk '/^ +0x/ {
			for (i = 2; i <= NF && $i ~ /^[0-9a-f]+$/; i++)
				printf "%s%s", n++ ? " " : "", $i }')"
}

# The helper and loaders have the numbers of slots in headers of their own: clang
# takes a second definition only if it is the same.
test_slots_are_the_same_everywhere() {
	local name

	compile slots -I"$SRC/pcap-xdpcap" -I"$SRC/lib" <<-'END'
	#include "hook.h"
	#include "ring.h"
	#include <xdpcap/loader.h>
	END
	for name in XDPCAP_ENTER_SLOT XDPCAP_CONTINUE_SLOT XDPCAP_HOOK_ENTER_ENTRIES; do
		grep -q "^#define $name " "$SRC/bpf/hook.h" ||
			fail "bpf/hook.h has no $name"
		grep -q "^#define $name " "$SRC/pcap-xdpcap/ring.h" ||
			fail "ring.h has no $name"
	done
}

run_tests
