// SPDX-License-Identifier: BSD-3-Clause
/*
 * An XDP program with a hook: decides by the destination port of a UDP packet
 * over IPv4, and passes everything else.
 *
 *	4000	aborted
 *	4001	dropped
 *	4002	passed
 *	4003	sent back, the MAC addresses exchanged
 *	4004	redirected to the interface it came from
 *	4005	sent back with a VLAN tag: the packet changes its size
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "hook.h"

#ifndef EXAMPLE_SECTION
#define EXAMPLE_SECTION "xdp"
#endif

#define FIRST_PORT 4000
#define VLAN_PORT  4005
#define VLAN_ID    42

struct tagged_header {
	__u8 addresses[2 * ETH_ALEN];
	__be16 tag_type;
	__be16 tag;
};

XDPCAP_HOOK_MAP(xdpcap_hook);

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

static __always_inline void exchange_addresses(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	__u8 address[ETH_ALEN];

	if ((void *)(eth + 1) > end)
		return;
	__builtin_memcpy(address, eth->h_dest, ETH_ALEN);
	__builtin_memcpy(eth->h_dest, eth->h_source, ETH_ALEN);
	__builtin_memcpy(eth->h_source, address, ETH_ALEN);
}

/* Put a VLAN tag between the addresses and the type. Returns 0, or -1. */
static __always_inline int push_vlan(struct xdp_md *ctx)
{
	struct tagged_header *header;
	void *data, *end;

	if (bpf_xdp_adjust_head(ctx, -4))
		return -1;
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	header = data;
	if ((void *)(header + 1) > end)
		return -1;
	__builtin_memmove(header->addresses, data + 4, 2 * ETH_ALEN);
	header->tag_type = bpf_htons(ETH_P_8021Q);
	header->tag = bpf_htons(VLAN_ID);
	return 0;
}

SEC(EXAMPLE_SECTION)
int example(struct xdp_md *ctx)
{
	switch (udp_port(ctx)) {
	case FIRST_PORT + XDP_ABORTED:
		return xdpcap_exit(ctx, &xdpcap_hook, XDP_ABORTED);
	case FIRST_PORT + XDP_DROP:
		return xdpcap_exit(ctx, &xdpcap_hook, XDP_DROP);
	case FIRST_PORT + XDP_TX:
		exchange_addresses(ctx);
		return xdpcap_exit(ctx, &xdpcap_hook, XDP_TX);
	case FIRST_PORT + XDP_REDIRECT:
		return xdpcap_exit(ctx, &xdpcap_hook,
				   bpf_redirect(ctx->ingress_ifindex, 0));
	case VLAN_PORT:
		exchange_addresses(ctx);
		if (push_vlan(ctx))
			return xdpcap_exit(ctx, &xdpcap_hook, XDP_ABORTED);
		return xdpcap_exit(ctx, &xdpcap_hook, XDP_TX);
	default:
		return xdpcap_exit(ctx, &xdpcap_hook, XDP_PASS);
	}
}

char _license[] SEC("license") = "Dual BSD/GPL";
