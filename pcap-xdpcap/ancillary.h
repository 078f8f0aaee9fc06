/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the ancillary loads (LD ABS of SKF_AD_OFF + x) answer for an XDP packet,
 * as a function of its bytes and of where it was seen. The translator makes
 * eBPF code that answers the same; whoever filters a packet in user space with
 * bpf_filter() asks here and replaces the load with an immediate one. Knows
 * only the kernel's headers.
 *
 *	SKF_AD_PROTOCOL		the EtherType at [12:2], in host order; below
 *				0x600 (a length: 802.3) ETH_P_802_3 if [14:2] is
 *				0xffff, else ETH_P_802_2: eth_type_trans()'s
 *				rules. A VLAN tag is not skipped: 0x8100
 *	SKF_AD_PKTTYPE		PACKET_HOST for XDP_PASS, PACKET_OUTGOING for
 *				XDP_TX and XDP_REDIRECT, PACKET_OTHERHOST for
 *				every other action: the packet goes nowhere
 *	SKF_AD_IFINDEX		ingress_ifindex of the XDP context
 *	SKF_AD_QUEUE		rx_queue_index of the XDP context
 *	SKF_AD_CPU		the CPU that the XDP program runs on
 *	SKF_AD_RANDOM		a random number: user space cannot repeat it
 *	SKF_AD_VLAN_TAG_PRESENT	1 if [12:2] is 0x8100 or 0x88a8, else 0
 *	SKF_AD_VLAN_TAG		[14:2] in host order if a tag is present, else 0
 *
 * A field that does not lie in the packet as a whole counts as 0 here. The size
 * of the load (W, H, B) does not matter: all 32 bits of the value are loaded.
 *
 * From the same comes the header that a packet of link-layer type LINUX_SLL2
 * has instead of Ethernet's.
 */
#ifndef XDPCAP_ANCILLARY_H
#define XDPCAP_ANCILLARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>

/*
 * Of enum xdp_action: linux/bpf.h cannot be included beside libpcap's headers,
 * both have a struct bpf_insn.
 */
#define XDPCAP_ACTION_PASS     2
#define XDPCAP_ACTION_TX       3
#define XDPCAP_ACTION_REDIRECT 4

struct xdpcap_ancillary {
	const uint8_t *packet; /* its first bytes; 16 are enough */
	size_t packet_len;     /* how many of them there are */
	uint32_t action;       /* XDP_* */
	uint32_t ifindex;
	uint32_t queue;
	uint32_t cpu;
};

static inline uint32_t xdpcap_pkttype(uint32_t action)
{
	switch (action) {
	case XDPCAP_ACTION_PASS:
		return PACKET_HOST;
	case XDPCAP_ACTION_TX:
	case XDPCAP_ACTION_REDIRECT:
		return PACKET_OUTGOING;
	default:
		return PACKET_OTHERHOST;
	}
}

static inline uint32_t xdpcap_ancillary_be16(const struct xdpcap_ancillary *a,
					     size_t off)
{
	if (off + 2 > a->packet_len)
		return 0;
	return (uint32_t)a->packet[off] << 8 | a->packet[off + 1];
}

/*
 * Does a load at k (of an LD ABS instruction) ask for something that
 * xdpcap_ancillary() can answer? SKF_AD_RANDOM does not.
 */
static inline bool xdpcap_is_ancillary(uint32_t k)
{
	switch (k - (uint32_t)SKF_AD_OFF) {
	case SKF_AD_PROTOCOL:
	case SKF_AD_PKTTYPE:
	case SKF_AD_IFINDEX:
	case SKF_AD_QUEUE:
	case SKF_AD_CPU:
	case SKF_AD_VLAN_TAG:
	case SKF_AD_VLAN_TAG_PRESENT:
		return true;
	default:
		return false;
	}
}

/* The value of the load at k, of which xdpcap_is_ancillary() is true. */
static inline uint32_t xdpcap_ancillary(const struct xdpcap_ancillary *a,
					uint32_t k)
{
	uint32_t type = xdpcap_ancillary_be16(a, 12);
	bool tagged = type == ETH_P_8021Q || type == ETH_P_8021AD;

	switch (k - (uint32_t)SKF_AD_OFF) {
	case SKF_AD_PROTOCOL:
		if (type >= ETH_P_802_3_MIN)
			return type;
		return xdpcap_ancillary_be16(a, 14) == 0xffff ? ETH_P_802_3 :
								ETH_P_802_2;
	case SKF_AD_PKTTYPE:
		return xdpcap_pkttype(a->action);
	case SKF_AD_IFINDEX:
		return a->ifindex;
	case SKF_AD_QUEUE:
		return a->queue;
	case SKF_AD_CPU:
		return a->cpu;
	case SKF_AD_VLAN_TAG:
		return tagged ? xdpcap_ancillary_be16(a, 14) : 0;
	default:
		return tagged;
	}
}

/* ARPHRD_ETHER: linux/if_arp.h would bring all of sys/socket.h along. */
#define XDPCAP_HATYPE 1

/* Bytes of a LINUX_SLL2 header; it is struct sll2_header of pcap/sll.h. */
#define XDPCAP_SLL2_LEN 20

/*
 * The LINUX_SLL2 header of a packet, in place of its first ETH_HLEN bytes: the
 * protocol of SKF_AD_PROTOCOL, the type of SKF_AD_PKTTYPE, the source address.
 */
static inline void xdpcap_sll2_header(const struct xdpcap_ancillary *a,
				      uint8_t header[XDPCAP_SLL2_LEN])
{
	uint32_t protocol = xdpcap_ancillary(a, SKF_AD_OFF + SKF_AD_PROTOCOL);

	memset(header, 0, XDPCAP_SLL2_LEN);
	header[0] = (uint8_t)(protocol >> 8);
	header[1] = (uint8_t)protocol;
	for (int i = 0; i < 4; i++)
		header[4 + i] = (uint8_t)(a->ifindex >> (24 - 8 * i));
	header[9] = XDPCAP_HATYPE;
	header[10] = (uint8_t)xdpcap_pkttype(a->action);
	header[11] = ETH_ALEN;
	if (a->packet_len >= 2 * ETH_ALEN)
		memcpy(header + 12, a->packet + ETH_ALEN, ETH_ALEN);
}

#endif
