// SPDX-License-Identifier: BSD-3-Clause
/*
 * Compares filters for offsets (cmd/filter.c) with libpcap's own, run on what is
 * at the offsets: random packets, with headers there and elsewhere, of every
 * length. Needs no privileges.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../cmd/filter.h"

#define PACKETS      10000
#define SIZE         160
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *const expressions[] = {
	"ip",
	"tcp port 80",
	"udp and not port 53",
	"len > 60",
	"tcp and len == ip[2:2]",
	"tcp[tcpflags] & tcp-syn != 0",
	"ip[ip[0] & 0xf] = 80 or ip6",
	"ip6 and udp dst port 80",
	"host 10.9.0.1 and (tcp or icmp)",
	"greater 50 and less 100 or icmp[0] = 8",
	"udp[4:2] > len / 2",
};

static const struct filter_spec specs[] = {
	{ .offsets = { 14 }, .noffsets = 1 },
	{ .offsets = { 0, 20 }, .noffsets = 2 },
	{ .offsets = { 64, 34, 38, 46 }, .noffsets = 4 },
	{ .offsets = { 150, 10 }, .noffsets = 2 },
};

static void put_header(unsigned char *packet, size_t at)
{
	static const unsigned char protocols[] = { 1, 6, 6, 17 };
	unsigned char header[60] = { 0x45, [12] = 10, 9, 0, 1 };

	/* the longest lead out of the packet */
	if (rand() % 3 == 0)
		header[0] = rand() % 2 ? 0x4f :
					 (unsigned char)(0x45 + rand() % 11);
	if (rand() % 4 == 0)
		header[0] = 0x60;
	header[3] = (unsigned char)(rand() % 100);
	header[9] = header[6] = protocols[rand() % 4];
	if (header[0] != 0x60)
		header[6] = 0;
	header[22] = 0;
	header[23] = header[43] = rand() % 2 ? 80 : 53;
	header[20] = 0;
	memcpy(packet + at, header,
	       SIZE - at < sizeof(header) ? SIZE - at : sizeof(header));
}

static bool matches(const struct bpf_program *program,
		    const unsigned char *packet, size_t len)
{
	return bpf_filter(program->bf_insns, packet, (u_int)len, (u_int)len) != 0;
}

/* Returns how many packets match, or -1. */
static long compare(const char *expression, const struct filter_spec *at)
{
	pcap_t *ethernet = pcap_open_dead(DLT_EN10MB, 262144);
	pcap_t *raw = pcap_open_dead(DLT_RAW, 262144);
	struct bpf_program original, shifted;
	struct filter_spec spec = *at;
	unsigned char packet[SIZE];
	char err[512];
	long matched = 0;

	spec.text = expression;
	if (filter_compile(&spec, ethernet, &shifted, err, sizeof(err))) {
		printf("%s: %s\n", expression, err);
		return -1;
	}
	if (!bpf_validate(shifted.bf_insns, (int)shifted.bf_len) ||
	    pcap_compile(raw, &original, expression, 1, PCAP_NETMASK_UNKNOWN)) {
		printf("%s: not valid\n", expression);
		return -1;
	}
	for (int i = 0; i < PACKETS; i++) {
		size_t len = rand() % 2 ? (size_t)(rand() % (SIZE + 1)) :
					  (size_t)(85 + rand() % 30);
		bool expected = false;

		for (size_t j = 0; j < SIZE; j++)
			packet[j] = (unsigned char)rand();
		for (size_t o = spec.noffsets; o-- > 0;)
			if (rand() % 3)
				put_header(packet, spec.offsets[o]);
		for (size_t o = 0; o < spec.noffsets; o++)
			expected |= len >= spec.offsets[o] &&
				    matches(&original, packet + spec.offsets[o],
					    len - spec.offsets[o]);
		if (matches(&shifted, packet, len) != expected) {
			printf("%s, first offset %u: packet of %zu bytes: expected %d\n",
			       expression, spec.offsets[0], len, expected);
			return -1;
		}
		matched += expected;
	}
	pcap_freecode(&original);
	pcap_freecode(&shifted);
	pcap_close(ethernet);
	pcap_close(raw);
	return matched;
}

int main(void)
{
	srand(1);
	for (size_t e = 0; e < COUNT(expressions); e++) {
		long all = 0;

		for (size_t s = 0; s < COUNT(specs); s++) {
			long matched = compare(expressions[e], &specs[s]);

			if (matched < 0)
				return 1;
			all += matched;
		}
		/* or it would compare nothing */
		if (all < 20) {
			printf("%s: only %ld packets match\n", expressions[e],
			       all);
			return 1;
		}
	}
	return 0;
}
