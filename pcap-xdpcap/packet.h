/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a capture from a hook knows and libpcap's struct pcap_pkthdr and struct
 * pcap_stat have no room for. A libpcap without the xdpcap module does not have
 * these functions: a program that is to run with any libpcap declares them weak.
 *
 * All take the pcap_t of a device "xdpcap:..." after pcap_activate(), and return
 * PCAP_ERROR, with a message for pcap_geterr(), if it is not one.
 */
#ifndef XDPCAP_PACKET_H
#define XDPCAP_PACKET_H

#include <stdint.h>

#include <pcap/pcap.h>

#ifdef __cplusplus
extern "C" {
#endif

struct pcap_xdpcap_packet {
	uint64_t ts;      /* ns since the epoch, of the timestamp type */
	uint32_t action;  /* verdict, or pcap_xdpcap_enter(): the hook's slot */
	uint32_t ifindex; /* receiving interface, in its network namespace */
	uint32_t rx_queue; /* receive queue of that interface */
	/*
	 * CPU that the XDP program ran on. One that came online after the
	 * capture began is taken for the last one of those that were.
	 */
	uint32_t cpu;
};

/*
 * The details of the packet that is being delivered: to be called from the
 * callback, or after pcap_next() or pcap_next_ex() until the next read. Returns
 * 0, or PCAP_ERROR, also if no packet has been delivered yet.
 */
PCAP_API int pcap_xdpcap_packet(pcap_t *p, struct pcap_xdpcap_packet *packet);

struct pcap_xdpcap_counters {
	uint64_t seen;     /* packets that came to the filter */
	uint64_t captured; /* admitted by the filter, and put into the ring */
	uint64_t dropped;  /* admitted by the filter, but the ring was full */
};

/*
 * The counters of one action, since the capture began; at any time, and from any
 * thread. They do not change when an action is not captured. Returns 0, or
 * PCAP_ERROR, also for an action above 31.
 */
PCAP_API int pcap_xdpcap_counters(pcap_t *p, unsigned int action,
				  struct pcap_xdpcap_counters *counters);

/*
 * Which actions are captured, as a bit mask of the hook's slots. Returns 0, or
 * PCAP_ERROR.
 */
PCAP_API int pcap_xdpcap_actions(pcap_t *p, uint32_t *actions);

/*
 * The action, as above, of packets that were captured before the program, where it
 * calls xdpcap_enter(): they have no verdict yet. 0 if the hook has no such place
 * (which is never the number of one), or PCAP_ERROR.
 */
PCAP_API int pcap_xdpcap_enter(pcap_t *p);

/*
 * In nonblocking mode, make the descriptor of pcap_get_selectable_fd() readable
 * when a ring holds so many bytes, and not for the first packet; a packet takes
 * 48 bytes more than its capture length, rounded up to a multiple of 8. At least 1,
 * which is the default, and at most a quarter of a ring, which more is reduced to.
 * From now on. Returns 0, or PCAP_ERROR.
 */
PCAP_API int pcap_xdpcap_set_watermark(pcap_t *p, unsigned int bytes);

#ifdef __cplusplus
}
#endif

#endif /* XDPCAP_PACKET_H */
