// SPDX-License-Identifier: BSD-3-Clause
/*
 * The receiving end's XDP program with a hook, for numbered packets whose UDP
 * destination port says the verdict; and what notes where they went: one in the
 * receiver's network stack, one at the sender. See truth.h.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <stdbool.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "hook.h"
#include "truth.h"

#ifndef TRUTH_SECTION
#define TRUTH_SECTION "xdp"
#endif

/* Offset of the UDP destination port, and what a program looks at. */
#define PORT_OFFSET 36
#define HEADERS     42

XDPCAP_HOOK_MAP(xdpcap_hook);

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct truth);
} events_truth SEC(".maps");

/* The receiver itself, if it is to make tail calls. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
} events_self SEC(".maps");

static __always_inline struct truth *find_truth(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&events_truth, &zero);
}

/* The number at the address at data, or -1 if it has none. */
static __always_inline long number(const __u8 *data)
{
	__u32 seq;

	if (data[0] != SEQ_MARK)
		return -1;
	seq = data[1] << 24 | data[2] << 16 | data[3] << 8 | data[4];
	/* the mask last: the verifier of Linux 6.1 loses bounds at an "or" */
	barrier_var(seq);
	return seq & (SEQ_MAX - 1);
}

static __always_inline void exchange_addresses(__u8 *data)
{
	__u8 address[ETH_ALEN];

	__builtin_memcpy(address, data, ETH_ALEN);
	__builtin_memcpy(data, data + ETH_ALEN, ETH_ALEN);
	__builtin_memcpy(data + ETH_ALEN, address, ETH_ALEN);
}

SEC(TRUTH_SECTION)
int receiver(struct xdp_md *ctx)
{
	__u8 *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct truth *truth = find_truth();
	long seq;

	if (!truth || data + HEADERS > end)
		return XDP_PASS;
	seq = number(data + ETH_ALEN);
	if (seq < 0)
		return XDP_PASS;
	if (truth->level < truth->depth) {
		truth->level++;
		bpf_tail_call(ctx, &events_self, 0);
	}
	truth->level = 0;
	/* for the verifier of Linux 6.12, a tail call may have changed the packet */
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	if (data + HEADERS > end)
		return XDP_PASS;
	truth->begun = seq;
	truth->entered[seq] = bpf_get_smp_processor_id() + 1;
	switch ((data[PORT_OFFSET] << 8 | data[PORT_OFFSET + 1]) - FIRST_PORT) {
	case XDP_ABORTED:
		return xdpcap_exit(ctx, &xdpcap_hook, XDP_ABORTED);
	case XDP_DROP:
		return xdpcap_exit(ctx, &xdpcap_hook, XDP_DROP);
	case XDP_TX:
		exchange_addresses(data);
		return xdpcap_exit(ctx, &xdpcap_hook, XDP_TX);
	case XDP_REDIRECT:
		return xdpcap_exit(ctx, &xdpcap_hook,
				   bpf_redirect(ctx->ingress_ifindex, 0));
	default:
		return xdpcap_exit(ctx, &xdpcap_hook, XDP_PASS);
	}
}

SEC("xdp.frags")
int sender(struct xdp_md *ctx)
{
	__u8 *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct truth *truth = find_truth();
	long seq;

	if (!truth || data + HEADERS > end)
		return XDP_PASS;
	seq = number(data);
	if (seq >= 0) {
		truth->turned[seq]++;
	} else {
		seq = number(data + ETH_ALEN);
		if (seq < 0)
			return XDP_PASS;
		truth->back[seq]++;
	}
	truth->returned++;
	return XDP_DROP;
}

SEC("tc")
int stack(struct __sk_buff *skb)
{
	struct truth *truth = find_truth();
	__u8 data[2 * ETH_ALEN];
	long seq;

	if (!truth || bpf_skb_load_bytes(skb, 0, data, sizeof(data)))
		return TC_ACT_OK;
	seq = number(data + ETH_ALEN);
	if (seq < 0)
		return TC_ACT_OK;
	truth->passed[seq]++;
	return TC_ACT_SHOT;
}

char _license[] SEC("license") = "Dual BSD/GPL";
