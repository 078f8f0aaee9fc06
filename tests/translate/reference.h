/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cBPF as translate.h defines it, in the plainest way. Not an oracle: it tells
 * for which packets one of the oracles means something else, and nothing but
 * those is kept from the comparison.
 */
#ifndef REFERENCE_H
#define REFERENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/filter.h>

#include "ancillary.h"

struct reference {
	uint32_t ret;
	bool random;          /* depends on SKF_AD_RANDOM */
	bool libpcap_differs; /* undefined in bpf_filter() */
	bool kernel_differs;  /* a socket filter does something else */
};

/* anc describes the packet, all of whose anc->packet_len bytes are there. */
struct reference reference_run(const struct sock_filter *cbpf,
			       const struct xdpcap_ancillary *anc);

/*
 * What the libpcap module does: make ancillary loads load the value that they
 * have for this packet.
 */
void reference_patch(struct sock_filter *to, const struct sock_filter *cbpf,
		     size_t len, const struct xdpcap_ancillary *anc);

#endif
