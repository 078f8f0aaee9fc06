/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Layout of the memory that a capture's eBPF programs, the helper and the
 * libpcap module share: the rings, the control page and the hand-over area.
 * Included by eBPF C and by user space, so it knows nothing but fixed-size
 * types; who writes which field, and when, is said at each one.
 */
#ifndef XDPCAP_RING_H
#define XDPCAP_RING_H

#ifndef __bpf__
#include <linux/types.h>
#endif

/* Slots of a hook that can be captured: actions 0..31. */
#define XDPCAP_ACTIONS_MAX 32

/*
 * A hook of exactly XDPCAP_HOOK_ENTER_ENTRIES slots has two that are of no action:
 * where xdpcap_enter() goes, and the program to continue with; see bpf/hook.h. The
 * first is captured like an action, the second never.
 */
#define XDPCAP_ENTER_SLOT         5
#define XDPCAP_CONTINUE_SLOT      6
#define XDPCAP_HOOK_ENTER_ENTRIES 7

/*
 * Captures on one action of a hook; see slot.h. With the hook itself, each one's
 * copy program and the way to the next one, a packet takes up to twice as many
 * tail calls. The kernel allows 33 (MAX_TAIL_CALL_CNT, include/linux/bpf.h), some
 * versions count those that find nothing, and a user's program may make some.
 */
#define XDPCAP_CAPTURES_MAX 8

/*
 * Memory behind each ring that a record which starts near the ring's end runs
 * into, bytes. A multiple of every page size, and so also the largest record.
 */
#define XDPCAP_RING_SLACK (128u << 10)

/*
 * Largest capture length, bytes: fills the slack together with the record's
 * header. XDP packets are smaller (17 fragments of a page each, or a 64 KiB GSO
 * packet on a generic hook). The kernel's bpf_xdp_pointer() refuses offsets and
 * lengths above XDPCAP_LOAD_MAX, so it takes two bpf_xdp_load_bytes() calls.
 */
#define XDPCAP_CAPLEN_MAX (XDPCAP_RING_SLACK - 48)
#define XDPCAP_LOAD_MAX   65535

/*
 * One ring's size in bytes, a power of two. The upper limit is the verifier's
 * for a variable offset into a map value (BPF_MAX_VAR_OFF, 512 MiB), which with
 * what is added to the record's offset must be less.
 */
#define XDPCAP_RING_MIN (256u << 10)
#define XDPCAP_RING_MAX (256u << 20)

/* Clocks that a record's timestamp can be of. */
enum xdpcap_clock {
	XDPCAP_CLOCK_TAI,       /* bpf_ktime_get_tai_ns(), Linux 6.1 */
	XDPCAP_CLOCK_MONOTONIC, /* bpf_ktime_get_ns(), older kernels */
	XDPCAP_CLOCK_COARSE,    /* bpf_ktime_get_coarse_ns(): the last tick's */
};

/*
 * A record: this header, then caplen bytes of the packet. Records begin at
 * multiples of 8 and are contiguous: one that starts near the ring's end runs
 * into the slack behind it. Written by the copy program; the consumer makes a
 * LINUX_SLL2 header in place, of sll2 and the packet's Ethernet header, when it
 * delivers the packet, and then looks at neither again; and a callback may change
 * its packet.
 */
struct xdpcap_record {
	__u64 commit;     /* the record's position ^ cookie, written last */
	__u64 ts;         /* ns, of the capture's clock */
	__u32 size;       /* bytes to the next record, header included */
	__u32 len;        /* the packet's length, all buffers */
	__u32 caplen;     /* bytes captured */
	__u32 ifindex;    /* receiving interface */
	__u32 rx_queue;   /* receive queue of that interface */
	__u32 generation; /* of the filter that admitted the packet; 0: not
				 * known, to be filtered again */
	__u16 action;     /* verdict: the hook's slot */
	__u8 sll2[6];     /* what a LINUX_SLL2 header is longer; not written */
};

/* Of one action on one CPU; written by the programs, plain increments. */
struct xdpcap_counters {
	__u64 seen;     /* packets that came to the filter program */
	__u64 captured; /* matched, and put into the ring */
	__u64 dropped;  /* matched, but the ring was full */
	__u64 unused;
};

/*
 * A CPU's part of the control page. Positions count bytes since the capture
 * began, never wrap, and are multiples of 8; the offset in the ring is
 * position & (ring size - 1).
 */
struct xdpcap_cpu {
	/* written by producers (compare and exchange): end of what is reserved */
	__u64 head;
	__u64 pad1[7];
	struct xdpcap_counters action[XDPCAP_ACTIONS_MAX];
	/* written by the consumer: end of what it has released */
	__u64 tail;
	__u64 pad2[7];
};

/*
 * The control page: the one value of a BPF_F_MMAPABLE array, followed by a
 * struct xdpcap_cpu for each ring.
 */
struct xdpcap_ctl {
	/*
	 * The consumer writes how many bytes, of records in one ring that it has
	 * not released, are worth waking it for, before it sleeps; the producer
	 * that then rings the bell exchanges it for 0, which is: nobody sleeps.
	 * One word for both, so that no CPU can see one without the other.
	 */
	__u32 wake;
	__u32 pad[15];
	struct xdpcap_cpu cpu[];
};

/*
 * What a filter program hands to the copy program that it tail-calls; one for
 * each ring, in the one value of an array that user space cannot map. ctx is the
 * address of the packet's context: if another packet came in between on this CPU
 * (PREEMPT_RT), it differs, and the copy program takes the whole packet with
 * generation 0. CPUs that came online after the capture began, and share the
 * last ring, have no slot: their packets are always taken so.
 */
struct xdpcap_handoff {
	__u64 ctx;
	__u32 want; /* bytes to capture */
	__u32 generation;
	__u64 pad[6];
};

_Static_assert(sizeof(struct xdpcap_record) == 48, "record header");
_Static_assert(sizeof(struct xdpcap_counters) == 32, "counters");
_Static_assert(sizeof(struct xdpcap_cpu) == 64 + 1024 + 64, "per-CPU part");
_Static_assert(sizeof(struct xdpcap_ctl) == 64, "control page header");
_Static_assert(sizeof(struct xdpcap_handoff) == 64, "hand-over slot");
_Static_assert(sizeof(struct xdpcap_record) + XDPCAP_CAPLEN_MAX ==
		       XDPCAP_RING_SLACK,
	       "a largest record fills the slack");
_Static_assert(XDPCAP_CAPLEN_MAX <= 2 * XDPCAP_LOAD_MAX, "two loads reach it");

#endif /* XDPCAP_RING_H */
