// SPDX-License-Identifier: BSD-3-Clause
/*
 * What the capture is compared with, each to be put into a hook's slot in place
 * of it; and the generator of live traffic. Every reference takes all packets,
 * without a filter in front of it.
 */
#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>

#include "references.h"

#ifndef barrier_var
#define barrier_var(v) asm volatile("" : "+r"(v))
#endif

const volatile __u32 floor_size;        /* bytes that reference_floor copies */
const volatile __u32 generator_ifindex; /* where generated frames go */

struct reference_counters counters;
struct generator_pace pace;

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
} perf_events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, REFERENCE_BUFFER);
} ringbuf SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, REFERENCE_PACKET_MAX);
} hot SEC(".maps");

/* As cloudflare/xdpcap and xdpdump do: the helper copies the packet. */
SEC("xdp")
int reference_perf(struct xdp_md *ctx)
{
	__u64 len = bpf_xdp_get_buff_len(ctx);
	struct reference_perf_header header = { .len = len, .action = XDP_DROP };

	if (bpf_perf_event_output(ctx, &perf_events, len << 32 | BPF_F_CURRENT_CPU,
				  &header, sizeof(header)))
		counters.dropped++;
	else
		counters.captured++;
	return XDP_DROP;
}

/*
 * A BPF ringbuf takes reservations of constant sizes only, hence size classes.
 * Nobody is woken: the cost of that is in the live measurements.
 */
#define RINGBUF_CLASS(n)                                                       \
	static __always_inline void ringbuf_##n(struct xdp_md *ctx, __u32 len) \
	{                                                                      \
		struct reference_ringbuf_header *h;                            \
                                                                               \
		h = bpf_ringbuf_reserve(&ringbuf, sizeof(*h) + (n), 0);        \
		if (!h) {                                                      \
			counters.dropped++;                                    \
			return;                                                \
		}                                                              \
		h->ts = bpf_ktime_get_ns();                                    \
		h->len = len;                                                  \
		h->caplen = len;                                               \
		h->ifindex = ctx->ingress_ifindex;                             \
		h->rx_queue = ctx->rx_queue_index;                             \
		h->action = XDP_DROP;                                          \
		barrier_var(len);                                              \
		if (len - 1 < (n))                                             \
			bpf_xdp_load_bytes(ctx, 0, h + 1, len);                \
		bpf_ringbuf_submit(h, BPF_RB_NO_WAKEUP);                       \
		counters.captured++;                                           \
	}

RINGBUF_CLASS(64)
RINGBUF_CLASS(128)
RINGBUF_CLASS(256)
RINGBUF_CLASS(512)
RINGBUF_CLASS(1024)
RINGBUF_CLASS(1536)
RINGBUF_CLASS(4096)
RINGBUF_CLASS(9216)

SEC("xdp")
int reference_ringbuf(struct xdp_md *ctx)
{
	__u32 len = bpf_xdp_get_buff_len(ctx);

	if (len <= 64)
		ringbuf_64(ctx, len);
	else if (len <= 128)
		ringbuf_128(ctx, len);
	else if (len <= 256)
		ringbuf_256(ctx, len);
	else if (len <= 512)
		ringbuf_512(ctx, len);
	else if (len <= 1024)
		ringbuf_1024(ctx, len);
	else if (len <= 1536)
		ringbuf_1536(ctx, len);
	else if (len <= 4096)
		ringbuf_4096(ctx, len);
	else
		ringbuf_9216(ctx, len);
	return XDP_DROP;
}

/* Copy n bytes (a constant) with direct loads, where the packet has them. */
#define COPY_DIRECT(n)                                                       \
	do {                                                                 \
		__u64 *data = (void *)(long)ctx->data;                       \
		void *end = (void *)(long)ctx->data_end;                     \
                                                                             \
		if ((void *)data + (n) <= end) {                             \
			_Pragma("unroll") for (int q = 0; q < (n) / 8; q++)( \
				(volatile __u64 *)dst)[q] = data[q];         \
			return XDP_DROP;                                     \
		}                                                            \
	} while (0)

/*
 * The floor: nothing but the same bytes copied, always to the same place, by
 * the cheapest way there is for a size that is known beforehand.
 */
SEC("xdp")
int reference_floor(struct xdp_md *ctx)
{
	__u32 zero = 0;
	void *dst = bpf_map_lookup_elem(&hot, &zero);

	if (!dst)
		return XDP_ABORTED;
	if (floor_size == 64)
		COPY_DIRECT(64);
	else if (floor_size == 256)
		COPY_DIRECT(256);
	else if (floor_size && floor_size <= REFERENCE_PACKET_MAX)
		bpf_xdp_load_bytes(ctx, 0, dst, floor_size);
	return XDP_DROP;
}

/* Nothing but a count. */
SEC("xdp")
int reference_count(void *ctx __attribute__((unused)))
{
	counters.captured++;
	return XDP_DROP;
}

static long wait_until_due(__u32 i __attribute__((unused)), void *due)
{
	return bpf_ktime_get_ns() >= *(__u64 *)due;
}

/*
 * Sends every frame of a live test run, after the time that makes the rate: the
 * frames are sent in batches, of which each is so spread out in time.
 */
SEC("xdp")
int generator(void *ctx __attribute__((unused)))
{
	__u64 due = pace.next;

	if (pace.interval) {
		if (!due)
			due = bpf_ktime_get_ns();
		pace.next = due + pace.interval;
		bpf_loop(1 << 16, wait_until_due, &due, 0);
	}
	return bpf_redirect(generator_ifindex, 0);
}

char _license[] SEC("license") = "Dual BSD/GPL";
