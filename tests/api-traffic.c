// SPDX-License-Identifier: BSD-3-Clause
/* Frames with UDP packets, and sending them: see api-traffic.h. */
#include "api-traffic.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/if_ether.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <netpacket/packet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Frames that a veth queue has room for, and how long one may take, s. */
#define BURST    32
#define PATIENCE 20

#define HEADERS                                               \
	(sizeof(struct ether_header) + sizeof(struct iphdr) + \
	 sizeof(struct udphdr))

static const uint8_t sender[ETH_ALEN] = { 2, 0, 0, 0, 0, 0x0a };
static const uint8_t receiver[ETH_ALEN] = { 2, 0, 0, 0, 0, 0x0b };

static int traffic_fd = -1;

static uint16_t ip_checksum(const struct iphdr *ip)
{
	uint16_t words[sizeof(*ip) / 2];
	uint32_t sum = 0;

	memcpy(words, ip, sizeof(*ip));
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		sum += words[i];
	sum = (sum & 0xffff) + (sum >> 16);
	return ~(sum + (sum >> 16));
}

/* As it is sent; the XDP program exchanges the addresses of what it sends back. */
static void fill(const struct frame *frame, uint8_t *bytes)
{
	struct ether_header eth = { .ether_type = htons(ETHERTYPE_IP) };
	struct iphdr ip = {
		.version = 4,
		.ihl = 5,
		.tot_len = htons(frame->size - sizeof(eth)),
		.ttl = 64,
		.protocol = IPPROTO_UDP,
		.saddr = htonl(0x0a090001),
		.daddr = htonl(0x0a090002),
	};
	const struct udphdr udp = {
		.source = htons(frame->kind),
		.dest = htons(frame->port),
		.len = htons(frame->size - sizeof(eth) - sizeof(ip)),
	};
	const uint32_t seq = htonl(frame->seq);
	uint32_t pattern = frame->seq * 2654435761u + 1;

	memcpy(eth.ether_dhost, receiver, ETH_ALEN);
	memcpy(eth.ether_shost, sender, ETH_ALEN);
	ip.check = ip_checksum(&ip);
	memcpy(bytes, &eth, sizeof(eth));
	memcpy(bytes + sizeof(eth), &ip, sizeof(ip));
	memcpy(bytes + sizeof(eth) + sizeof(ip), &udp, sizeof(udp));
	memcpy(bytes + HEADERS, &seq, sizeof(seq));
	for (uint32_t i = HEADERS + sizeof(seq); i < frame->size; i++) {
		pattern = pattern * 1664525 + 1013904223;
		bytes[i] = pattern >> 24;
	}
}

void frame_fill(const struct frame *frame, uint8_t *bytes)
{
	fill(frame, bytes);
	if (frame->port == PORT_TX) {
		memcpy(bytes, sender, ETH_ALEN);
		memcpy(bytes + ETH_ALEN, receiver, ETH_ALEN);
	}
}

int frame_parse(const uint8_t *data, uint32_t caplen, struct frame *frame)
{
	const size_t udp_off = sizeof(struct ether_header) + sizeof(struct iphdr);
	uint16_t ports[2];

	if (caplen < udp_off + sizeof(ports) || data[12] != 8 || data[13] != 0 ||
	    (memcmp(data, receiver, ETH_ALEN) != 0 &&
	     memcmp(data, sender, ETH_ALEN) != 0))
		return -1;
	memcpy(ports, data + udp_off, sizeof(ports));
	frame->kind = ntohs(ports[0]);
	frame->port = ntohs(ports[1]);
	frame->seq = 0;
	if (caplen >= HEADERS + sizeof(frame->seq)) {
		memcpy(&frame->seq, data + HEADERS, sizeof(frame->seq));
		frame->seq = ntohl(frame->seq);
	}
	return 0;
}

int traffic_open(const char *interface)
{
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET,
		.sll_ifindex = if_nametoindex(interface),
	};

	/* protocol 0: it receives nothing */
	traffic_fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (!address.sll_ifindex || traffic_fd < 0)
		return -1;
	return bind(traffic_fd, (struct sockaddr *)&address, sizeof(address));
}

static int wait_until_seen(const struct capture_memory *memory, uint64_t wanted)
{
	const struct timespec pause = { .tv_nsec = 20000 };
	const time_t end = time(NULL) + PATIENCE;

	while (capture_seen(memory) < wanted) {
		if (time(NULL) > end) {
			printf("%llu packets seen by the hook, not %llu\n",
			       (unsigned long long)capture_seen(memory),
			       (unsigned long long)wanted);
			return -1;
		}
		nanosleep(&pause, NULL);
	}
	return 0;
}

int traffic_send(const struct frame *first, uint32_t count,
		 const struct capture_memory *memory)
{
	const uint64_t seen = memory ? capture_seen(memory) : 0;
	struct frame frame = *first;
	uint8_t bytes[FRAME_MAX];

	for (uint32_t i = 0; i < count; i++, frame.seq++) {
		fill(&frame, bytes);
		if (send(traffic_fd, bytes, frame.size, 0) !=
		    (ssize_t)frame.size) {
			printf("cannot send: %s\n", strerror(errno));
			return -1;
		}
		if (memory && (i % BURST == BURST - 1 || i == count - 1) &&
		    wait_until_seen(memory, seen + i + 1))
			return -1;
	}
	return 0;
}
