/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The filter program that sits in a hook's slot: counts the packet, runs the
 * translated filter, and on a match hands over to the capture's copy program.
 * Loads one; knows nothing of slots.
 */
#ifndef XDPCAP_FILTER_H
#define XDPCAP_FILTER_H

#include <stddef.h>
#include <linux/bpf.h>
#include <linux/filter.h>

struct filter_target {
	int ctl_fd;       /* map of the control page */
	int handoff_fd;   /* map of struct xdpcap_handoff */
	int chain_fd;     /* private PROG_ARRAY: the copy programs, by action */
	int slots_fd;     /* the action's xdpcap_slots; see slot.h */
	__u32 index;      /* the capture's in there */
	int hook_fd;      /* for packets before the program; -1 for others */
	__u32 last_ring;  /* number of rings - 1 */
	__u32 prog_flags; /* for BPF_PROG_LOAD: BPF_F_XDP_HAS_FRAGS or 0 */
	enum bpf_attach_type attach_type;
};

struct filter {
	const struct sock_filter *insns;
	size_t len;
	__u32 snaplen; /* bytes of the link-layer type, 1 to INT_MAX */
	__u32 generation;
	__u32 linktype; /* enum xdpcap_linktype */
	__u32 actions;  /* bit mask: packets of others do not match */
};

/*
 * Load the filter for packets with the given action, or, where there is none yet,
 * of the given slot. Returns the program's descriptor, or a negative errno with the
 * reason in why (whysize bytes): EINVAL if the translator refused the filter, what
 * BPF_PROG_LOAD said otherwise.
 */
int filter_load(const struct filter_target *target, const struct filter *filter,
		__u32 action, char *why, size_t whysize);

#endif /* XDPCAP_FILTER_H */
