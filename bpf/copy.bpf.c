// SPDX-License-Identifier: BSD-3-Clause
/*
 * The copy program: writes the packet that a filter program has matched into
 * this CPU's ring as one record, wakes the consumer if it asked for it, and
 * returns the verdict. One instance is loaded for each action, so that the
 * verdict is a constant that nothing can change. It knows the layout in ring.h
 * and nothing of filters or of hooks.
 */
#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>

#include "ring.h"

#ifndef barrier_var
#define barrier_var(v) asm volatile("" : "+r"(v))
#endif

/*
 * Attempts to reserve before a packet is counted as dropped. A failed attempt
 * means that another producer got on, which on a ring of this CPU's own takes a
 * nested one (PREEMPT_RT).
 */
#define RESERVE_TRIES 64

/*
 * How many cache lines are touched of a record, or of the next one; and of a
 * record itself only if it has so many bytes that it pays.
 */
#define TOUCH_MAX      144
#define TOUCH_SELF_MIN 512

/*
 * From a record's end to where the next one's lines are touched: the next one's
 * own first lines are needed too soon.
 */
#define TOUCH_AHEAD 256

/* Constants of the capture, set by the helper before it loads the program. */
const volatile __u64 cookie;    /* see struct xdpcap_record */
const volatile __u64 ring_mask; /* ring size - 1 */
const volatile __u32 last_ring; /* number of rings - 1 */
const volatile __u32 clock;     /* enum xdpcap_clock */
const volatile __u32 action;    /* the verdict, and the hook's slot */
const volatile __u32 frags;     /* packets can have several buffers */
const volatile __u32 next;      /* index of those behind us in xdpcap_slots */
const volatile __u32 enter;     /* packets before the program: no verdict yet */

/* Sizes are set by the helper, as are all maps. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, XDPCAP_RING_MIN + XDPCAP_RING_SLACK);
} xdpcap_rings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct xdpcap_ctl) + sizeof(struct xdpcap_cpu));
} xdpcap_ctl SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct xdpcap_handoff));
} xdpcap_handoff SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} xdpcap_bell SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, XDPCAP_CAPTURES_MAX + 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
} xdpcap_slots SEC(".maps");

/* Only if enter. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, XDPCAP_HOOK_ENTER_ENTRIES);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
} xdpcap_hook SEC(".maps");

static __always_inline __u64 now(void)
{
	switch (clock) {
	case XDPCAP_CLOCK_TAI:
		return bpf_ktime_get_tai_ns();
	case XDPCAP_CLOCK_COARSE:
		return bpf_ktime_get_coarse_ns();
	default:
		return bpf_ktime_get_ns();
	}
}

/* Copy two blocks of n bytes (a constant) that may overlap. */
#define COPY_BLOCKS(dst, dst_tail, src, src_tail, n)                    \
	do {                                                            \
		_Pragma("unroll") for (int q = 0; q < (n) / 8; q++)(    \
			(__u64 *)(dst))[q] = ((const __u64 *)(src))[q]; \
		_Pragma("unroll") for (int q = 0; q < (n) / 8;          \
				       q++)((__u64 *)(dst_tail))[q] =   \
			((const __u64 *)(src_tail))[q];                 \
	} while (0)

/*
 * If caplen is n to 2n, copy the packet's first n bytes and its last n bytes
 * with direct loads: a third of what the helper call costs.
 */
#define COPY_DIRECT(ctx, dst, caplen, n)                                      \
	do {                                                                  \
		__u8 *data = (void *)(long)(ctx)->data;                       \
		__u8 *end = (void *)(long)(ctx)->data_end;                    \
		__u32 rest = (caplen) - (n);                                  \
                                                                              \
		/* or clang compares one copy of it and adds another */       \
		barrier_var(rest);                                            \
		if (rest <= (n) && data + (n) <= end &&                       \
		    data + rest + (n) <= end) {                               \
			COPY_BLOCKS(dst, (dst) + rest, data, data + rest, n); \
			return 0;                                             \
		}                                                             \
	} while (0)

/*
 * Copy the first caplen bytes (1 to XDPCAP_CAPLEN_MAX) of the packet. Returns 0,
 * or a negative error of bpf_xdp_load_bytes().
 */
static __always_inline long copy_packet(struct xdp_md *ctx, __u8 *dst,
					__u32 caplen)
{
	__u32 last;
	long err;

	if (caplen <= 64)
		COPY_DIRECT(ctx, dst, caplen, 32);
	else
		COPY_DIRECT(ctx, dst, caplen, 64);

	/*
	 * In terms of the last byte, since the verifier of Linux 6.1 does not
	 * learn from a comparison that a size is not 0.
	 */
	last = caplen - 1;
	barrier_var(last);
	if (last < XDPCAP_LOAD_MAX)
		return bpf_xdp_load_bytes(ctx, 0, dst, last + 1);

	err = bpf_xdp_load_bytes(ctx, 0, dst, XDPCAP_LOAD_MAX);
	if (err)
		return err;
	last -= XDPCAP_LOAD_MAX;
	barrier_var(last);
	if (last >= XDPCAP_CAPLEN_MAX - XDPCAP_LOAD_MAX)
		return -1;
	return bpf_xdp_load_bytes(ctx, XDPCAP_LOAD_MAX, dst + XDPCAP_LOAD_MAX,
				  last + 1);
}

/*
 * Load a byte of each cache line of the first size bytes from start, so that
 * the lines are on their way when they are written to; eBPF has no prefetch.
 * What is loaded is not looked at, and may be anyone's.
 */
static __always_inline void touch(const __u8 *start, __u64 size)
{
	/* a number of its own: what the loop says of it is nothing new of size,
	 * for which the verifier would go through all that follows again
	 */
	__u64 lines = (size + 63) >> 6;

	for (__u64 i = 0; i < TOUCH_MAX; i++) {
		if (i >= lines)
			break;
		*(const volatile __u8 *)(start + i * 64);
	}
}

/*
 * Reserve size bytes in the ring. Returns the position, or -1 if the ring has no
 * room.
 *
 * The compare and exchange makes it safe against a producer that interrupts
 * this one on the same CPU, and against producers of CPUs that share the ring.
 * tail only grows, so a stale one can only make the ring look fuller.
 */
static __always_inline __u64 reserve(struct xdpcap_cpu *cpu, __u64 size)
{
	__u64 head = *(volatile __u64 *)&cpu->head, seen;

	for (int i = 0; i < RESERVE_TRIES; i++) {
		if (head + size - *(volatile __u64 *)&cpu->tail > ring_mask + 1)
			return -1;
		seen = __sync_val_compare_and_swap(&cpu->head, head, head + size);
		if (seen == head)
			return head;
		head = seen;
	}
	return -1;
}

/* Wake the consumer if it sleeps and the ring is as full as it asked for. */
static __always_inline void ring_bell(struct xdpcap_ctl *ctl,
				      struct xdpcap_cpu *cpu, __u64 end)
{
	/*
	 * Pairs with the consumer's store of wake, full barrier, and second look
	 * at the rings: the exchange that committed the record is a full
	 * barrier, so either this load sees wake or that look sees the record.
	 */
	__u32 wake = *(volatile __u32 *)&ctl->wake;
	__u64 bell = 0;

	if (!wake || end - *(volatile __u64 *)&cpu->tail < wake)
		return;
	if (!__sync_lock_test_and_set(&ctl->wake, 0))
		return;
	if (bpf_ringbuf_output(&xdpcap_bell, &bell, sizeof(bell),
			       BPF_RB_FORCE_WAKEUP))
		/*
		 * Not rung after all: leave it to the next packet, unless the
		 * consumer has meanwhile said what it waits for.
		 */
		__sync_val_compare_and_swap(&ctl->wake, 0, wake);
}

static __always_inline void capture(struct xdp_md *ctx)
{
	__u32 zero = 0, key = bpf_get_smp_processor_id();
	__u32 len, want, generation, caplen;
	struct xdpcap_handoff *handoff;
	struct xdpcap_counters *count;
	struct xdpcap_record *rec;
	struct xdpcap_cpu *cpu;
	struct xdpcap_ctl *ctl;
	__u64 ring, ts, size, pos;
	bool late;
	__u8 *base;

	/* CPUs that came online after the capture began share the last ring */
	late = key > last_ring;
	if (late)
		key = last_ring;
	ctl = bpf_map_lookup_elem(&xdpcap_ctl, &zero);
	handoff = bpf_map_lookup_elem(&xdpcap_handoff, &zero);
	base = bpf_map_lookup_elem(&xdpcap_rings, &key);
	if (!ctl || !handoff || !base)
		return;
	/*
	 * A 32-bit key that has been on the stack has no bounds for the
	 * verifier of Linux 6.1: give it some again, as an index.
	 */
	ring = key;
	barrier_var(ring);
	if (ring > last_ring)
		return;
	cpu = &ctl->cpu[ring];
	handoff += ring;
	count = &cpu->action[action];

	/*
	 * A CPU that shares the ring has no slot of its own. It also shares the
	 * counters, some of whose increments are then lost.
	 */
	if (!late && handoff->ctx == (__u64)(long)ctx) {
		want = handoff->want;
		generation = handoff->generation;
	} else {
		want = XDPCAP_CAPLEN_MAX;
		generation = 0;
	}

	/* the helper call only where a packet can have more than one buffer */
	len = frags ? bpf_xdp_get_buff_len(ctx) :
		      (void *)(long)ctx->data_end - (void *)(long)ctx->data;
	caplen = len < want ? len : want;
	barrier_var(caplen);
	if (caplen > XDPCAP_CAPLEN_MAX)
		caplen = XDPCAP_CAPLEN_MAX;
	if (!caplen)
		return;
	size = (sizeof(*rec) + caplen + 7) & ~7ULL;
	pos = reserve(cpu, size);
	if (pos == (__u64)-1) {
		count->dropped++;
		return;
	}

	/*
	 * Taken after the reservation: a reader that has seen a ring's head
	 * knows that every record beyond it is of a later time. It also leaves
	 * the clock out of what a full ring costs.
	 */
	ts = now();
	rec = (void *)(base + (pos & ring_mask & ~7ULL));
	if (size > TOUCH_SELF_MIN)
		touch((__u8 *)rec, size);
	rec->ts = ts;
	rec->size = size;
	rec->len = len;
	rec->caplen = caplen;
	rec->ifindex = ctx->ingress_ifindex;
	rec->rx_queue = ctx->rx_queue_index;
	rec->generation = generation;
	rec->action = action;
	if (copy_packet(ctx, (__u8 *)(rec + 1), caplen))
		rec->caplen = 0;
	count->captured++;

	/*
	 * Commit, whatever the copy returned: what is reserved is waited for.
	 * Pairs with the consumer's acquire load of commit, which must see all
	 * of the record. An exchange, because it is the one atomic operation
	 * that eBPF orders on every architecture.
	 */
	__sync_lock_test_and_set(&rec->commit, pos ^ cookie);
	ring_bell(ctl, cpu, pos + size);

	/* the next record is most likely as large as this one */
	touch(base + ((pos + size + TOUCH_AHEAD) & ring_mask & ~7ULL), size);
}

SEC("xdp")
int xdpcap_copy(struct xdp_md *ctx)
{
	capture(ctx);

	/*
	 * On to the following captures, each of which does not come back. The
	 * indexes are constants for the verifier, so that the kernel makes jumps
	 * of the tail calls, and of those to empty entries nothing.
	 */
	_Pragma("unroll") for (__u32 i = 0; i < XDPCAP_CAPTURES_MAX - 1; i++)
	{
		if (next + i >= XDPCAP_CAPTURES_MAX)
			break;
		bpf_tail_call(ctx, &xdpcap_slots, next + i);
	}
	if (enter) {
		bpf_tail_call(ctx, &xdpcap_hook, XDPCAP_CONTINUE_SLOT);
		/* a program that is not there must not let anything through */
		return XDP_ABORTED;
	}
	return action;
}

char _license[] SEC("license") = "Dual BSD/GPL";
