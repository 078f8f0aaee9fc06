/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A filter for packets in LINUX_SLL2 form as one for the same packets as XDP
 * has them, which is Ethernet: classic BPF to classic BPF. A pure function; it
 * knows only the kernel's headers, and the SLL2 header as ancillary.h makes it.
 */
#ifndef XDPCAP_COOK_H
#define XDPCAP_COOK_H

#include <stddef.h>
#include <stdint.h>

#include <linux/filter.h>

#include "ancillary.h"
#include "translate.h"

/* Bytes of a packet that its SLL2 header is made from. */
#define XDPCAP_COOK_MIN 16

/*
 * Make of the len instructions at sll2 (at most BPF_MAXINSNS) a program that
 * returns, for an Ethernet packet of at least 14 bytes with the given action,
 * how many bytes of it there are in what sll2 returns for its SLL2 form: 6 less
 * (the SLL2 header has 20 bytes, the Ethernet header 14), and no less than
 * XDPCAP_COOK_MIN, so that the header can be made; 0 for 0.
 *
 * Of a packet's SLL2 form no more than snaplen bytes will be looked at. A
 * program that may return less than that, and less than a header, is refused,
 * since then the number cannot be had back from the result.
 *
 * Returns 0 with *eth, from malloc, holding *eth_len instructions, or -1 with
 * *err filled. The input is trusted in no way, and what is wrong with it apart
 * from its jumps is left to xdpcap_translate() to find.
 */
int xdpcap_cook(const struct sock_filter *sll2, size_t len, uint32_t action,
		uint32_t snaplen, struct sock_filter **eth, size_t *eth_len,
		struct xdpcap_translate_error *err);

/* What is left of a snapshot length in SLL2 form for the Ethernet packet. */
static inline uint32_t xdpcap_cook_snaplen(uint32_t snaplen)
{
	const uint32_t longer = XDPCAP_SLL2_LEN - ETH_HLEN;

	return snaplen > XDPCAP_COOK_MIN + longer ? snaplen - longer :
						    XDPCAP_COOK_MIN;
}

#endif
