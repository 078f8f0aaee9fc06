/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The blocks of a pcapng file (draft-ietf-opsawg-pcapng), and the header and
 * records of a pcap file, as bytes in memory. Each function writes one block to
 * where it is told, which has room for PCAPNG_BLOCK_MAX bytes, and returns the
 * block's length. Knows nothing of files or captures. There is no library for
 * this in Debian that does not bring a packet framework with it
 * (librte-pcapng is DPDK's).
 */
#ifndef XDPCAP_PCAPNG_H
#define XDPCAP_PCAPNG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Longest block: a packet is at most 128 KiB; an option at most 64 KiB, longer
 * strings are cut, and no block has more than three of them.
 */
#define PCAPNG_BLOCK_MAX (256u << 10)

/* Section header: what wrote the file, on what. */
size_t pcapng_section(unsigned char *block, const char *os,
		      const char *application);

struct pcapng_interface {
	const char *name, *description;
	const char *filter; /* NULL: none */
	const char *os;
	uint16_t linktype; /* LINKTYPE_ */
	uint32_t snaplen;
};

/* Timestamps of all interfaces are in ns since the epoch. */
size_t pcapng_interface(unsigned char *block,
			const struct pcapng_interface *interface);

struct pcapng_packet {
	uint64_t ts; /* ns since the epoch */
	uint32_t interface;
	uint32_t caplen, len;
	uint32_t queue;
	bool has_verdict;
	uint64_t verdict; /* of an XDP program */
	uint64_t id;
	uint64_t dropped; /* between the last packet and this one */
	const unsigned char *data;
};

size_t pcapng_packet(unsigned char *block, const struct pcapng_packet *packet);

struct pcapng_statistics {
	uint64_t ts, begin, end; /* ns since the epoch */
	uint32_t interface;
	/* what follows is only known of an interface that stands for an action */
	uint32_t counted;
	uint64_t received, accepted, dropped;
	uint64_t delivered; /* of every interface */
};

size_t pcapng_statistics(unsigned char *block,
			 const struct pcapng_statistics *statistics);

/* The same for classic pcap, with timestamps in us. */
size_t pcap_header(unsigned char *block, uint16_t linktype, uint32_t snaplen);
size_t pcap_record(unsigned char *block, const struct pcapng_packet *packet);

#endif /* XDPCAP_PCAPNG_H */
