/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the eBPF programs of truth.bpf.c note of every numbered packet: the truth
 * that captures are compared with. The one value of an mmapable array.
 */
#ifndef EVENTS_TRUTH_H
#define EVENTS_TRUTH_H

#include <linux/types.h>

/* Packets of one run: numbers 0 to SEQ_MAX - 1, a power of two. */
#define SEQ_MAX (1u << 21)

/*
 * A packet's Ethernet source address is this byte, its number (big-endian), and
 * 0; where the verdict is XDP_TX, its destination address in the end.
 */
#define SEQ_MARK 6

/* The UDP destination port of verdict 0; the others follow. */
#define FIRST_PORT 4000

struct truth {
	/*
	 * The packet that the XDP program has last begun with; all before it are
	 * done, captures included.
	 */
	__u32 begun;
	/* User space says how many tail calls are made before the hook's. */
	__u32 depth;
	__u32 level;    /* of them, made for this packet */
	__u32 returned; /* packets that have come back to the sender */
	__u32 pad[12];
	__u8 entered[SEQ_MAX]; /* the XDP program, on this CPU + 1 */
	__u8 passed[SEQ_MAX];  /* how often it came to the network stack */
	__u8 back[SEQ_MAX];    /* back to the sender, unchanged */
	__u8 turned[SEQ_MAX];  /* back with the addresses exchanged */
};

#endif /* EVENTS_TRUTH_H */
