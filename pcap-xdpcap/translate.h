/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Translate a classic BPF program (cBPF, what libpcap compiles a filter
 * expression to) into an eBPF program of type XDP. A pure function: no I/O, no
 * bpf(2), no global state, and no knowledge of hooks, helpers or libpcap
 * internals; only the kernel's own headers.
 *
 * The input is the kernel's struct sock_filter. libpcap's struct bpf_insn
 * (pcap/bpf.h) has the same layout, but its name is that of the kernel's eBPF
 * instruction, so that a file which includes both headers does not compile:
 * cast a libpcap program's bf_insns where libpcap's header is included, and
 * include this header elsewhere.
 *
 * Meaning of a program: that of libpcap's bpf_filter(), and so the kernel's
 * socket filter. A, X and M[] are 32 bits wide, start at 0 and wrap around; a
 * load of which any byte lies at or beyond the end of the packet ends the
 * program with 0, as does a division by an X of 0; LEN is the length of the
 * whole packet, all buffers included. Where the two interpreters differ or C
 * leaves the result undefined, the translator does this:
 *
 *	shift by X >= 32	0 (libpcap's; the kernel shifts by X & 31)
 *	shift by K >= 32	0 (undefined in libpcap's, refused by the
 *				kernel; 0 is what libpcap's optimizer makes)
 *	M[] read, not written	0 (undefined in libpcap's, refused by the
 *				kernel)
 *	X + k >= 2^32 in a load	out of bounds (libpcap's; the kernel wraps)
 *	k >= SKF_LL_OFF		out of bounds (libpcap's; the kernel's headers),
 *				but for the ancillary loads below
 *	end beyond 65535	out of bounds: eBPF cannot address a packet
 *				further (MAX_PACKET_OFF in the verifier, and
 *				bpf_xdp_load_bytes() refuses more)
 *
 * Ancillary loads: LD ABS of SKF_AD_OFF + x, at any of the sizes W, H, B, which
 * makes no difference to the value (as in the kernel). What each answers is in
 * ancillary.h, which has the same answers for a packet in user space:
 *
 *	SKF_AD_PROTOCOL, SKF_AD_PKTTYPE, SKF_AD_IFINDEX, SKF_AD_QUEUE,
 *	SKF_AD_CPU, SKF_AD_RANDOM, SKF_AD_VLAN_TAG, SKF_AD_VLAN_TAG_PRESENT
 *
 * The others that linux/filter.h names are refused by name; an offset that it
 * does not name is out of bounds.
 *
 * Backward jumps (libpcap's `protochain') are refused: the caller filters in
 * user space. So is everything that libpcap's bpf_validate() refuses, and every
 * opcode that bpf_filter() aborts on.
 */
#ifndef XDPCAP_TRANSLATE_H
#define XDPCAP_TRANSLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/bpf.h>
#include <linux/filter.h>

/* The longest of the caller's blocks that is taken, in eBPF instructions. */
#define XDPCAP_TRANSLATE_MAX_BLOCK 4096

/* Values of xdpcap_translate_info.origin that are not a cBPF index. */
#define XDPCAP_ORIGIN_ENTRY  (-1) /* prologue, initial values */
#define XDPCAP_ORIGIN_ACCEPT (-2)
#define XDPCAP_ORIGIN_REJECT (-3)
#define XDPCAP_ORIGIN_ISLAND (-4) /* relays of jumps > 2^15 */

/* What a person who looks at the result wants to know; filled on success. */
struct xdpcap_translate_info {
	/*
	 * One entry per eBPF instruction, from malloc: the index of the cBPF
	 * instruction that it is there for, or XDPCAP_ORIGIN_*.
	 */
	int32_t *origin;
	size_t checks; /* packet bounds checks in near code */
	/*
	 * The first eBPF instruction of far code, which loads by
	 * bpf_xdp_load_bytes() and not directly, as near code does; the length of
	 * the program if it has none.
	 */
	size_t far_start;
	/*
	 * The program has so many paths that near code could exceed the verifier's
	 * budget of a million instructions: all of it is far code, which is
	 * verified in linear time, but slower.
	 */
	bool far_only;
};

/*
 * All zero is a sane value: single-buffer packets, action XDP_ABORTED, and a
 * program that returns the filter's value.
 *
 * The blocks are copied verbatim, in one piece each, and at most once: jumps
 * inside them and relocations are the caller's. They may use the stack from
 * fp-1 down to fp-256 and keep what they put there, and r7 to r9: the
 * translated code uses r0 to r6 and the stack below.
 */
struct xdpcap_translate_opts {
	/*
	 * The program will be loaded with BPF_F_XDP_HAS_FRAGS: a load beyond
	 * the first buffer goes through bpf_xdp_load_bytes(), and LEN is
	 * bpf_xdp_get_buff_len().
	 */
	bool frags;
	/* The XDP action that the packets have; answers SKF_AD_PKTTYPE. */
	uint32_t action;
	/* Runs first, with r1 = ctx, and must leave r6 = ctx. */
	const struct bpf_insn *prologue;
	size_t prologue_len;
	/*
	 * Runs when the filter matches, with r0 = the filter's return value
	 * (zero-extended from 32 bits), r6 = ctx; must end in exit.
	 * NULL: exit, r0 being the value.
	 */
	const struct bpf_insn *accept;
	size_t accept_len;
	/*
	 * Runs when the filter returns 0, with r6 = ctx; must end in exit.
	 * NULL: r0 = 0; exit.
	 */
	const struct bpf_insn *reject;
	size_t reject_len;
	/* Where to put what is known of the result, or NULL. */
	struct xdpcap_translate_info *info;
};

struct xdpcap_translate_error {
	size_t insn;   /* index of the offending cBPF instruction */
	char msg[160]; /* what is wrong with it, without the index */
};

/*
 * Translate the len instructions at cbpf (at most BPF_MAXINSNS) as opts says
 * (NULL: all zero). Returns 0 with *ebpf, from malloc, holding *ebpf_len
 * instructions, or -1 with *err filled (err may be NULL) and nothing allocated.
 * The input is trusted in no way. Time and memory have a fixed bound. A program
 * that is returned passes the verifier of Linux 6.1 and later, given CAP_BPF,
 * CAP_NET_ADMIN and CAP_PERFMON, if the blocks do.
 */
int xdpcap_translate(const struct sock_filter *cbpf, size_t len,
		     const struct xdpcap_translate_opts *opts,
		     struct bpf_insn **ebpf, size_t *ebpf_len,
		     struct xdpcap_translate_error *err);

#endif
