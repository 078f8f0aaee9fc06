// SPDX-License-Identifier: BSD-3-Clause
/* pcapng blocks and pcap records as bytes; see pcapng.h. */
#include "pcapng.h"

#include <string.h>

#define NS_PER_S 1000000000u

/* Block types, and the byte order magic: all numbers are in host order. */
#define SECTION          0x0a0d0d0au
#define BYTE_ORDER_MAGIC 0x1a2b3c4du
#define INTERFACE        1u
#define STATISTICS       5u
#define PACKET           6u

/* Option codes. */
#define SHB_OS           3
#define SHB_USERAPPL     4
#define IF_NAME          2
#define IF_DESCRIPTION   3
#define IF_TSRESOL       9
#define IF_FILTER        11
#define IF_OS            12
#define EPB_DROPCOUNT    4
#define EPB_PACKETID     5
#define EPB_QUEUE        6
#define EPB_VERDICT      7
#define ISB_STARTTIME    2
#define ISB_ENDTIME      3
#define ISB_IFRECV       4
#define ISB_FILTERACCEPT 6
#define ISB_OSDROP       7
#define ISB_USRDELIV     8

#define VERDICT_EBPF_XDP  2 /* the rest of the option is the XDP action */
#define FILTER_EXPRESSION 0 /* the rest of the option is text */
#define TSRESOL_NS        9 /* 10^-9 s */
#define OPTION_MAX        65535u

#define PCAP_MAGIC 0xa1b2c3d4u

static unsigned char *put(unsigned char *at, const void *data, size_t size)
{
	memcpy(at, data, size);
	return at + size;
}

static unsigned char *put16(unsigned char *at, uint16_t value)
{
	return put(at, &value, sizeof(value));
}

static unsigned char *put32(unsigned char *at, uint32_t value)
{
	return put(at, &value, sizeof(value));
}

/* A timestamp: the high half goes first, whatever the byte order. */
static unsigned char *put_time(unsigned char *at, uint64_t ts)
{
	return put32(put32(at, ts >> 32), (uint32_t)ts);
}

/* Zeros to the next multiple of 4; what is behind them is written next. */
static unsigned char *pad(unsigned char *at, size_t size)
{
	put32(at, 0);
	return at + (-size & 3);
}

static unsigned char *put_option(unsigned char *at, uint16_t code,
				 const void *data, size_t size)
{
	at = put16(put16(at, code), (uint16_t)size);
	return pad(put(at, data, size), size);
}

static unsigned char *put_string(unsigned char *at, uint16_t code,
				 const char *string)
{
	size_t size = strlen(string);

	return put_option(at, code, string,
			  size < OPTION_MAX ? size : OPTION_MAX);
}

static unsigned char *put_counter(unsigned char *at, uint16_t code, uint64_t value)
{
	return put_option(at, code, &value, sizeof(value));
}

static unsigned char *put_end_of_options(unsigned char *at)
{
	return put32(at, 0);
}

/* Begin a block; its length is filled in by end(). */
static unsigned char *begin(unsigned char *at, uint32_t type)
{
	return put32(at, type) + sizeof(uint32_t);
}

static size_t end(unsigned char *block, unsigned char *at)
{
	uint32_t size = (uint32_t)(at - block) + sizeof(uint32_t);

	put32(at, size);
	put32(block + sizeof(uint32_t), size);
	return size;
}

size_t pcapng_section(unsigned char *block, const char *os,
		      const char *application)
{
	unsigned char *at = begin(block, SECTION);

	at = put32(at, BYTE_ORDER_MAGIC);
	at = put16(put16(at, 1), 0);     /* version */
	at = put32(put32(at, ~0u), ~0u); /* the section's length: not known */
	at = put_string(at, SHB_OS, os);
	at = put_string(at, SHB_USERAPPL, application);
	return end(block, put_end_of_options(at));
}

static unsigned char *put_filter(unsigned char *at, const char *filter)
{
	size_t size = strlen(filter);

	if (size > OPTION_MAX - 1)
		size = OPTION_MAX - 1;
	at = put16(put16(at, IF_FILTER), (uint16_t)(size + 1));
	*at++ = FILTER_EXPRESSION;
	return pad(put(at, filter, size), size + 1);
}

size_t pcapng_interface(unsigned char *block,
			const struct pcapng_interface *interface)
{
	const unsigned char resolution = TSRESOL_NS;
	unsigned char *at = begin(block, INTERFACE);

	at = put16(put16(at, interface->linktype), 0);
	at = put32(at, interface->snaplen);
	at = put_string(at, IF_NAME, interface->name);
	at = put_string(at, IF_DESCRIPTION, interface->description);
	at = put_option(at, IF_TSRESOL, &resolution, sizeof(resolution));
	if (interface->filter)
		at = put_filter(at, interface->filter);
	at = put_string(at, IF_OS, interface->os);
	return end(block, put_end_of_options(at));
}

size_t pcapng_packet(unsigned char *block, const struct pcapng_packet *packet)
{
	unsigned char verdict[1 + sizeof(packet->verdict)] = { VERDICT_EBPF_XDP };
	unsigned char *at = begin(block, PACKET);

	at = put32(at, packet->interface);
	at = put_time(at, packet->ts);
	at = put32(put32(at, packet->caplen), packet->len);
	at = pad(put(at, packet->data, packet->caplen), packet->caplen);
	if (packet->dropped)
		at = put_counter(at, EPB_DROPCOUNT, packet->dropped);
	at = put_counter(at, EPB_PACKETID, packet->id);
	at = put_option(at, EPB_QUEUE, &packet->queue, sizeof(packet->queue));
	if (packet->has_verdict) {
		memcpy(verdict + 1, &packet->verdict, sizeof(packet->verdict));
		at = put_option(at, EPB_VERDICT, verdict, sizeof(verdict));
	}
	return end(block, put_end_of_options(at));
}

static unsigned char *put_time_option(unsigned char *at, uint16_t code,
				      uint64_t ts)
{
	return put_time(put16(put16(at, code), sizeof(ts)), ts);
}

size_t pcapng_statistics(unsigned char *block,
			 const struct pcapng_statistics *statistics)
{
	unsigned char *at = begin(block, STATISTICS);

	at = put32(at, statistics->interface);
	at = put_time(at, statistics->ts);
	at = put_time_option(at, ISB_STARTTIME, statistics->begin);
	at = put_time_option(at, ISB_ENDTIME, statistics->end);
	if (statistics->counted) {
		at = put_counter(at, ISB_IFRECV, statistics->received);
		at = put_counter(at, ISB_FILTERACCEPT, statistics->accepted);
		at = put_counter(at, ISB_OSDROP, statistics->dropped);
	}
	at = put_counter(at, ISB_USRDELIV, statistics->delivered);
	return end(block, put_end_of_options(at));
}

size_t pcap_header(unsigned char *block, uint16_t linktype, uint32_t snaplen)
{
	unsigned char *at = put32(block, PCAP_MAGIC);

	at = put16(put16(at, 2), 4); /* version */
	at = put32(put32(at, 0), 0); /* time zone, accuracy: always 0 */
	at = put32(put32(at, snaplen), linktype);
	return (size_t)(at - block);
}

size_t pcap_record(unsigned char *block, const struct pcapng_packet *packet)
{
	unsigned char *at = block;

	at = put32(at, (uint32_t)(packet->ts / NS_PER_S));
	at = put32(at, (uint32_t)(packet->ts % NS_PER_S / 1000));
	at = put32(put32(at, packet->caplen), packet->len);
	at = put(at, packet->data, packet->caplen);
	return (size_t)(at - block);
}
