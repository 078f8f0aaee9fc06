// SPDX-License-Identifier: BSD-3-Clause
/*
 * An XDP program whose packets can be captured before and after it has changed
 * them: it counts IPv4's time to live down by one, as a router does, and drops what
 * has none left. What is not IPv4 passes as it is.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "hook.h"

int route(struct xdp_md *ctx);

XDPCAP_HOOK_MAP_ENTER(xdpcap_hook, route);

/* The program proper, and the hook's continuation. */
SEC("xdp")
int route(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	struct iphdr *ip = (void *)(eth + 1);
	__u32 sum;

	if ((void *)(ip + 1) > end || eth->h_proto != bpf_htons(ETH_P_IP))
		return xdpcap_exit(ctx, &xdpcap_hook, XDP_PASS);
	if (ip->ttl <= 1)
		return xdpcap_exit(ctx, &xdpcap_hook, XDP_DROP);
	ip->ttl--;
	/* the header's checksum, updated as by RFC 1624 */
	sum = ip->check + bpf_htons(0x0100);
	ip->check = sum + (sum >> 16);
	return xdpcap_exit(ctx, &xdpcap_hook, XDP_PASS);
}

/* What is attached to the interface. */
SEC("xdp")
int enter(struct xdp_md *ctx)
{
	xdpcap_enter(ctx, &xdpcap_hook);
	return route(ctx);
}

char _license[] SEC("license") = "Dual BSD/GPL";
