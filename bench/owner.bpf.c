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

int owner_continue(struct xdp_md *ctx);

XDPCAP_HOOK_MAP_ENTER(hook_enter, owner_continue);

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

/* The same as owner_drop, but for what is captured before. */
SEC("xdp")
int owner_continue(struct xdp_md *ctx)
{
	return xdpcap_exit(ctx, &hook_enter, XDP_DROP);
}

SEC("xdp")
int owner_enter(struct xdp_md *ctx)
{
	xdpcap_enter(ctx, &hook_enter);
	return owner_continue(ctx);
}

char _license[] SEC("license") = "Dual BSD/GPL";
