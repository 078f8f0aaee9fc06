// SPDX-License-Identifier: BSD-3-Clause
/*
 * The programs that the benchmark captures from: all they do is to end through
 * their hook, so that what a run costs more with something in the hook's slot is
 * that something.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "hook.h"

XDPCAP_HOOK_MAP(hook);

SEC("xdp")
int owner_drop(struct xdp_md *ctx)
{
	return xdpcap_exit(ctx, &hook, XDP_DROP);
}

/* For packets that the network stack is to see, and AF_PACKET with it. */
SEC("xdp")
int owner_pass(struct xdp_md *ctx)
{
	return xdpcap_exit(ctx, &hook, XDP_PASS);
}

char _license[] SEC("license") = "Dual BSD/GPL";
