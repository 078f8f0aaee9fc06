// SPDX-License-Identifier: BSD-3-Clause
/*
 * Two XDP programs that can be run one after the other, by a dispatcher. They
 * decide by the destination port of a UDP packet over IPv4, and each pass what
 * the other one is for.
 *
 * two_hooks has two hooks:
 *	4011	dropped, through first_hook
 *	4012	passed, through first_hook
 *	4021	dropped, through second_hook
 *	4022	passed, through second_hook
 *	others	passed, without a hook
 *
 * one_hook has one, first_hook, for all packets:
 *	4012	dropped
 *	others	passed
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "hook.h"

#ifndef CHAINED_SECTION
#define CHAINED_SECTION "xdp"
#endif

XDPCAP_HOOK_MAP_PINNED(first_hook);
XDPCAP_HOOK_MAP_PINNED(second_hook);

/* The destination port if the packet is UDP over IPv4 without options, or -1. */
static __always_inline int udp_port(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	struct iphdr *ip = (void *)(eth + 1);
	struct udphdr *udp = (void *)(ip + 1);

	if ((void *)(udp + 1) > end || eth->h_proto != bpf_htons(ETH_P_IP) ||
	    ip->ihl != 5 || ip->protocol != IPPROTO_UDP)
		return -1;
	return bpf_ntohs(udp->dest);
}

SEC(CHAINED_SECTION)
int two_hooks(struct xdp_md *ctx)
{
	switch (udp_port(ctx)) {
	case 4011:
		return xdpcap_exit(ctx, &first_hook, XDP_DROP);
	case 4012:
		return xdpcap_exit(ctx, &first_hook, XDP_PASS);
	case 4021:
		return xdpcap_exit(ctx, &second_hook, XDP_DROP);
	case 4022:
		return xdpcap_exit(ctx, &second_hook, XDP_PASS);
	default:
		return XDP_PASS;
	}
}

SEC(CHAINED_SECTION)
int one_hook(struct xdp_md *ctx)
{
	if (udp_port(ctx) == 4012)
		return xdpcap_exit(ctx, &first_hook, XDP_DROP);
	return xdpcap_exit(ctx, &first_hook, XDP_PASS);
}

char _license[] SEC("license") = "Dual BSD/GPL";
