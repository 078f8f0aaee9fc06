// SPDX-License-Identifier: BSD-3-Clause
/*
 * Sends Ethernet frames with a UDP packet in each through a packet socket, and
 * can write what it sent to a savefile, so that what is captured can be compared
 * with it byte for byte. Every byte follows from the options: the payload is the
 * frame's number and then pseudo-random bytes. Bounded by a number of frames and
 * by time. Knows nothing of hooks.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/udp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <pcap/pcap.h>

#include "clock.h"

#define FRAME_MAX 65535
#define LIST_MAX  65536
/* For frames that are too small for a UDP packet: local experiments' type. */
#define ETHERTYPE_SMALL 0x88b5

/* Linux 6.2 */
#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

static const char usage[] =
	"Usage: traffic [OPTION]... INTERFACE\n"
	"  -c COUNT          frames to send (1)\n"
	"  -d SECONDS        give up after this time, with exit status 1 (60)\n"
	"  -f NUMBER         number of the first frame (0)\n"
	"  -p PORT[,PORT]... destination ports, used in turn (4001)\n"
	"  -P PORT           source port (5000)\n"
	"  -r RATE           frames a second, at most; 0: no limit (2000)\n"
	"  -s SIZE[,SIZE]... sizes of the frame, or FIRST-LAST, each used for every\n"
	"                    port in turn; 14 to 65535, below 42 without a packet\n"
	"                    (100)\n"
	"  -v ID             with a VLAN tag\n"
	"  -6                IPv6\n"
	"  -G SIZE           leave it to the interface to send them in segments with\n"
	"                    so much payload each (UDP GSO; a veth does not); IPv4\n"
	"  -w FILE           write the frames to a savefile, with the time of sending\n"
	"  -A MAC, -B MAC    source and destination (02:00:00:00:00:0a, ...:0b)\n"
	"  -a IP, -b IP      source and destination (10.9.0.1, 10.9.0.2, or\n"
	"                    fd00::1, fd00::2)\n";

struct list {
	unsigned int value[LIST_MAX];
	unsigned int n;
};

struct options {
	unsigned long count, first;
	long long rate, duration;
	struct list ports, sizes;
	unsigned int source_port;
	int vlan; /* -1: none */
	bool ipv6;
	unsigned int segment; /* 0: no GSO */
	const char *file, *interface;
	const char *source_mac, *destination_mac;
	const char *source_ip, *destination_ip;
};

static void die(const char *what)
{
	fprintf(stderr, "traffic: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void die_usage(void)
{
	fputs(usage, stderr);
	exit(2);
}

static unsigned long number(const char *s, unsigned long max)
{
	char *end;
	unsigned long value = strtoul(s, &end, 10);

	if (end == s || *end || value > max)
		die_usage();
	return value;
}

static void parse_list(struct list *list, char *s, unsigned int max)
{
	unsigned int first, last;
	char *dash;

	list->n = 0;
	for (char *p = strtok(s, ","); p; p = strtok(NULL, ",")) {
		dash = strchr(p, '-');
		if (dash)
			*dash = '\0';
		first = number(p, max);
		last = dash ? number(dash + 1, max) : first;
		for (; first <= last; first++) {
			if (list->n == LIST_MAX)
				die_usage();
			list->value[list->n++] = first;
		}
	}
	if (!list->n)
		die_usage();
}

static void parse_options(struct options *o, int argc, char **argv)
{
	int opt;

	while ((opt = getopt(argc, argv, "c:d:f:p:P:r:s:v:6G:w:A:B:a:b:")) != -1) {
		switch (opt) {
		case 'c':
			o->count = number(optarg, UINT32_MAX);
			break;
		case 'd':
			o->duration = number(optarg, 3600);
			break;
		case 'f':
			o->first = number(optarg, UINT32_MAX);
			break;
		case 'p':
			parse_list(&o->ports, optarg, 65535);
			break;
		case 'P':
			o->source_port = number(optarg, 65535);
			break;
		case 'r':
			o->rate = number(optarg, NS_PER_S);
			break;
		case 's':
			parse_list(&o->sizes, optarg, FRAME_MAX);
			break;
		case 'v':
			o->vlan = number(optarg, 4095);
			break;
		case '6':
			o->ipv6 = true;
			break;
		case 'G':
			o->segment = number(optarg, 65535);
			break;
		case 'w':
			o->file = optarg;
			break;
		case 'A':
			o->source_mac = optarg;
			break;
		case 'B':
			o->destination_mac = optarg;
			break;
		case 'a':
			o->source_ip = optarg;
			break;
		case 'b':
			o->destination_ip = optarg;
			break;
		default:
			die_usage();
		}
	}
	if (optind != argc - 1)
		die_usage();
	o->interface = argv[optind];
	for (unsigned int i = 0; i < o->sizes.n; i++)
		if (o->sizes.value[i] < ETHER_HDR_LEN)
			die_usage();
	if (o->segment && (o->ipv6 || o->vlan >= 0))
		die_usage();
}

static void parse_mac(uint8_t *mac, const char *s)
{
	if (sscanf(s, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &mac[0], &mac[1],
		   &mac[2], &mac[3], &mac[4], &mac[5]) != ETHER_ADDR_LEN)
		die_usage();
}

static void parse_ip(int family, void *to, const char *s)
{
	if (inet_pton(family, s, to) != 1)
		die_usage();
}

static void put16(uint8_t *p, uint16_t value)
{
	p[0] = value >> 8;
	p[1] = value & 0xff;
}

/* The Internet checksum's sum, not folded; len is even but at the data's end. */
static uint32_t sum(uint32_t sum, const void *data, size_t len)
{
	const uint8_t *p = data;

	for (size_t i = 0; i + 1 < len; i += 2)
		sum += p[i] << 8 | p[i + 1];
	if (len & 1)
		sum += p[len - 1] << 8;
	return sum;
}

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/* The frame's number, then bytes that depend on it (xorshift). */
static void put_payload(uint8_t *p, size_t len, uint32_t seq)
{
	uint32_t x = seq * 2654435761u + 1;

	for (size_t i = 0; i < len; i++) {
		if (i < 4) {
			p[i] = seq >> (24 - 8 * i);
			continue;
		}
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		p[i] = x;
	}
}

static void put_udp(const struct options *o, uint8_t *p, size_t len,
		    unsigned int port, uint32_t seq, uint32_t pseudo_sum)
{
	uint16_t check;

	put16(p, o->source_port);
	put16(p + 2, port);
	put16(p + 4, len);
	put16(p + 6, 0);
	put_payload(p + 8, len - 8, seq);
	if (o->segment) {
		/* of the pseudo-header only: who makes the segments does the rest */
		put16(p + 6, ~fold(pseudo_sum + IPPROTO_UDP + len));
		return;
	}
	check = fold(sum(pseudo_sum + IPPROTO_UDP + len, p, len));
	put16(p + 6, check ? check : 0xffff);
}

static void put_ipv4(const struct options *o, uint8_t *p, size_t len,
		     unsigned int port, uint32_t seq)
{
	memset(p, 0, 20);
	p[0] = 0x45;
	put16(p + 2, len);
	put16(p + 4, seq);
	p[8] = 64;
	p[9] = IPPROTO_UDP;
	parse_ip(AF_INET, p + 12, o->source_ip ?: "10.9.0.1");
	parse_ip(AF_INET, p + 16, o->destination_ip ?: "10.9.0.2");
	put16(p + 10, fold(sum(0, p, 20)));
	put_udp(o, p + 20, len - 20, port, seq, sum(0, p + 12, 8));
}

static void put_ipv6(const struct options *o, uint8_t *p, size_t len,
		     unsigned int port, uint32_t seq)
{
	memset(p, 0, 8);
	p[0] = 0x60;
	put16(p + 4, len - 40);
	p[6] = IPPROTO_UDP;
	p[7] = 64;
	parse_ip(AF_INET6, p + 8, o->source_ip ?: "fd00::1");
	parse_ip(AF_INET6, p + 24, o->destination_ip ?: "fd00::2");
	put_udp(o, p + 40, len - 40, port, seq, sum(0, p + 8, 32));
}

static void put_frame(const struct options *o, uint8_t *frame, size_t size,
		      unsigned int port, uint32_t seq)
{
	const size_t min = (o->ipv6 ? 40 : 20) + 8;
	uint8_t *p = frame + 2 * ETHER_ADDR_LEN, *end = frame + size;

	parse_mac(frame, o->destination_mac);
	parse_mac(frame + ETHER_ADDR_LEN, o->source_mac);
	if (o->vlan >= 0 && size >= ETHER_HDR_LEN + 4) {
		put16(p, ETHERTYPE_VLAN);
		put16(p + 2, o->vlan);
		p += 4;
	}
	if (end - p < (ptrdiff_t)(2 + min)) {
		put16(p, ETHERTYPE_SMALL);
		put_payload(p + 2, end - p - 2, seq);
	} else if (o->ipv6) {
		put16(p, ETHERTYPE_IPV6);
		put_ipv6(o, p + 2, end - p - 2, port, seq);
	} else {
		put16(p, ETHERTYPE_IP);
		put_ipv4(o, p + 2, end - p - 2, port, seq);
	}
}

static int open_interface(const char *interface, bool gso)
{
	const int on = 1;
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET,
		.sll_ifindex = if_nametoindex(interface),
	};
	int fd = socket(AF_PACKET, SOCK_RAW, 0);

	if (!address.sll_ifindex || fd < 0 ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)))
		die(interface);
	if (gso && setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)))
		die("PACKET_VNET_HDR");
	return fd;
}

/* Returns as send(2). */
static ssize_t send_frame(const struct options *o, int fd, uint8_t *frame,
			  size_t size)
{
	struct virtio_net_hdr header = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = VIRTIO_NET_HDR_GSO_UDP_L4,
		.gso_size = o->segment,
		.hdr_len = ETHER_HDR_LEN + 20 + sizeof(struct udphdr),
		.csum_start = ETHER_HDR_LEN + 20,
		.csum_offset = offsetof(struct udphdr, check),
	};
	const struct iovec parts[] = {
		{ .iov_base = &header, .iov_len = sizeof(header) },
		{ .iov_base = frame, .iov_len = size },
	};

	if (!o->segment)
		return send(fd, frame, size, 0);
	return writev(fd, parts, 2);
}

static void write_frame(pcap_dumper_t *dumper, const uint8_t *frame, size_t size)
{
	const long long when = now(CLOCK_REALTIME);
	const struct pcap_pkthdr header = {
		.ts = { .tv_sec = when / NS_PER_S, .tv_usec = when % NS_PER_S },
		.caplen = size,
		.len = size,
	};

	pcap_dump((u_char *)dumper, &header, frame);
}

int main(int argc, char **argv)
{
	static struct options o = {
		.count = 1,
		.rate = 2000,
		.duration = 60,
		.ports = { .value = { 4001 }, .n = 1 },
		.sizes = { .value = { 100 }, .n = 1 },
		.source_port = 5000,
		.vlan = -1,
		.source_mac = "02:00:00:00:00:0a",
		.destination_mac = "02:00:00:00:00:0b",
	};
	static uint8_t frame[FRAME_MAX];
	pcap_dumper_t *dumper = NULL;
	pcap_t *dead;
	long long next, end;
	int fd;

	parse_options(&o, argc, argv);
	fd = open_interface(o.interface, o.segment);
	dead = pcap_open_dead_with_tstamp_precision(DLT_EN10MB, FRAME_MAX,
						    PCAP_TSTAMP_PRECISION_NANO);
	if (o.file) {
		dumper = pcap_dump_open(dead, o.file);
		if (!dumper) {
			fprintf(stderr, "traffic: %s\n", pcap_geterr(dead));
			return 1;
		}
	}

	next = now(CLOCK_MONOTONIC);
	end = next + o.duration * NS_PER_S;
	for (unsigned long i = 0; i < o.count; i++) {
		const unsigned int port = o.ports.value[i % o.ports.n];
		const size_t size = o.sizes.value[i / o.ports.n % o.sizes.n];

		put_frame(&o, frame, size, port, o.first + i);
		if (dumper)
			write_frame(dumper, frame, size);
		while (send_frame(&o, fd, frame, size) < 0) {
			if (errno != ENOBUFS || now(CLOCK_MONOTONIC) > end)
				die("send");
			sleep_until(now(CLOCK_MONOTONIC) + NS_PER_S / 1000);
		}
		if (now(CLOCK_MONOTONIC) > end) {
			fprintf(stderr, "traffic: %lld s are over\n", o.duration);
			return 1;
		}
		if (o.rate) {
			/* what was missed is not made up for: no bursts */
			next += NS_PER_S / o.rate;
			if (next > now(CLOCK_MONOTONIC))
				sleep_until(next);
			else
				next = now(CLOCK_MONOTONIC);
		}
	}
	if (dumper)
		pcap_dump_close(dumper);
	pcap_close(dead);
	close(fd);
	return 0;
}
