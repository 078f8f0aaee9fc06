// SPDX-License-Identifier: BSD-3-Clause
/* Packets from a description: see packets.h. */
#include "packets.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ARGS 4

struct build {
	uint8_t *buf;
	size_t len;
	/* Where the layer before says what follows it, and how wide that is. */
	size_t next;
	int next_size; /* 0: nowhere */
	bool ip6;      /* the last network layer */
	char arg[MAX_ARGS][64];
	int args;
};

static void put(struct build *b, const void *data, size_t len)
{
	if (b->len + len > PACKET_MAX)
		len = PACKET_MAX - b->len;
	memcpy(b->buf + b->len, data, len);
	b->len += len;
}

static void put8(struct build *b, unsigned long v)
{
	uint8_t c = (uint8_t)v;

	put(b, &c, 1);
}

static void put16(struct build *b, unsigned long v)
{
	put8(b, v >> 8);
	put8(b, v);
}

static void put32(struct build *b, unsigned long v)
{
	put16(b, v >> 16);
	put16(b, v);
}

static void zero(struct build *b, size_t n)
{
	while (n-- && b->len < PACKET_MAX)
		put8(b, 0);
}

static unsigned long number(const struct build *b, int i, unsigned long def)
{
	return i < b->args && b->arg[i][0] ? strtoul(b->arg[i], NULL, 0) : def;
}

/* Say in the layer before what this one is. */
static void set_next(struct build *b, unsigned long v)
{
	if (b->next_size == 2)
		b->buf[b->next] = (uint8_t)(v >> 8);
	if (b->next_size)
		b->buf[b->next + (size_t)b->next_size - 1] = (uint8_t)v;
	b->next_size = 0;
}

/* The next layer's type goes here. */
static void next_here(struct build *b, int size)
{
	b->next = b->len;
	b->next_size = size;
	zero(b, (size_t)size);
}

static void put_mac(struct build *b, int i, unsigned last)
{
	unsigned mac[6] = { 2, 0, 0, 0, 0, last };

	if (i < b->args)
		sscanf(b->arg[i], "%x:%x:%x:%x:%x:%x", &mac[0], &mac[1],
		       &mac[2], &mac[3], &mac[4], &mac[5]);
	for (int j = 0; j < 6; j++)
		put8(b, mac[j]);
}

static void put_addr(struct build *b, int i, int family, const char *def)
{
	uint8_t addr[16] = { 0 };

	inet_pton(family, i < b->args && b->arg[i][0] ? b->arg[i] : def, addr);
	put(b, addr, family == AF_INET ? 4 : 16);
}

static void layer_eth(struct build *b)
{
	put_mac(b, 0, 2);
	put_mac(b, 1, 1);
	next_here(b, 2);
}

static void layer_type(struct build *b)
{
	set_next(b, number(b, 0, 0));
}

static void put_vlan(struct build *b, unsigned long type)
{
	set_next(b, type);
	put16(b, number(b, 1, 0) << 13 | number(b, 0, 0));
	next_here(b, 2);
}

static void layer_vlan(struct build *b)
{
	put_vlan(b, 0x8100);
}

static void layer_qinq(struct build *b)
{
	put_vlan(b, 0x88a8);
}

static void layer_mpls(struct build *b)
{
	set_next(b, 0x8847);
	put32(b, number(b, 0, 0) << 12 | number(b, 2, 0) << 9 |
			 number(b, 1, 1) << 8 | number(b, 3, 64));
}

static void layer_pppoed(struct build *b)
{
	set_next(b, 0x8863);
	put32(b, 0x11090000);
	put16(b, 0);
}

static void layer_pppoes(struct build *b)
{
	set_next(b, 0x8864);
	put16(b, 0x1100);
	put16(b, number(b, 0, 0));
	put16(b, 40);
}

static void layer_ppp(struct build *b)
{
	put16(b, number(b, 0, 0x21));
}

static void layer_llc(struct build *b)
{
	unsigned long control = number(b, 2, 3);

	put8(b, number(b, 0, 0));
	put8(b, number(b, 1, 0));
	/* Information and supervisory frames have 2 bytes of control. */
	if ((control & 3) != 3)
		put8(b, control >> 8);
	put8(b, control);
}

static void layer_snap(struct build *b)
{
	unsigned long oui = number(b, 0, 0);

	put8(b, 0xaa);
	put8(b, 0xaa);
	put8(b, 3);
	put8(b, oui >> 16);
	put16(b, oui);
	put16(b, number(b, 1, 0x0800));
}

static void put_arp(struct build *b, unsigned long type)
{
	set_next(b, type);
	put16(b, 1);
	put16(b, 0x0800);
	put16(b, 0x0604);
	put16(b, number(b, 0, 1));
	put_mac(b, MAX_ARGS, 1);
	put_addr(b, 1, AF_INET, "10.0.0.1");
	zero(b, 6);
	put_addr(b, 2, AF_INET, "10.0.0.2");
}

static void layer_arp(struct build *b)
{
	put_arp(b, 0x0806);
}

static void layer_rarp(struct build *b)
{
	put_arp(b, 0x8035);
}

static void put_ip(struct build *b, int options, unsigned long frag)
{
	set_next(b, 0x0800);
	b->ip6 = false;
	put8(b, 0x45U + (unsigned)options / 4);
	put8(b, 0);
	put16(b, 0);
	put16(b, 7);
	put16(b, frag);
	put8(b, 64);
	next_here(b, 1);
	put16(b, 0);
	put_addr(b, 0, AF_INET, "10.0.0.1");
	put_addr(b, 1, AF_INET, "10.0.0.2");
	zero(b, (size_t)options);
}

static void layer_ip(struct build *b)
{
	put_ip(b, 0, 0);
}

static void layer_ipopt(struct build *b)
{
	put_ip(b, 8, 0);
}

static void layer_ipfrag(struct build *b)
{
	put_ip(b, 0, number(b, 3, 0) << 13 | number(b, 2, 0));
}

static void layer_ip6(struct build *b)
{
	set_next(b, 0x86dd);
	b->ip6 = true;
	put32(b, 0x60000000);
	put16(b, 0);
	next_here(b, 1);
	put8(b, 64);
	put_addr(b, 0, AF_INET6, "2001:db8::1");
	put_addr(b, 1, AF_INET6, "2001:db8::2");
}

static void layer_hop(struct build *b)
{
	set_next(b, 0);
	next_here(b, 1);
	put8(b, 0);
	zero(b, 6);
}

static void layer_frag6(struct build *b)
{
	set_next(b, 44);
	next_here(b, 1);
	put8(b, 0);
	put16(b, number(b, 0, 0) << 3 | number(b, 1, 0));
	put32(b, 99);
}

static void put_ports(struct build *b, unsigned long proto)
{
	set_next(b, proto);
	put16(b, number(b, 0, 1024));
	put16(b, number(b, 1, 80));
}

/* Flags as letters, the way tcpdump prints them. */
static unsigned tcp_flags(const char *s)
{
	static const char letters[] = "FSRPAUEC";
	unsigned flags = 0;

	for (unsigned i = 0; i < 8; i++)
		if (strchr(s, letters[i]))
			flags |= 1U << i;
	return flags;
}

static void layer_tcp(struct build *b)
{
	put_ports(b, 6);
	put32(b, 1000);
	put32(b, 2000);
	put8(b, 0x50);
	put8(b, tcp_flags(b->args > 2 ? b->arg[2] : "A"));
	put16(b, 8192);
	put32(b, 0);
}

static void layer_udp(struct build *b)
{
	put_ports(b, 17);
	put16(b, 8);
	put16(b, 0);
}

static void layer_sctp(struct build *b)
{
	put_ports(b, 132);
	zero(b, 8);
}

static void layer_proto(struct build *b)
{
	set_next(b, number(b, 0, 0));
	zero(b, 20);
}

static void layer_icmp(struct build *b)
{
	set_next(b, 1);
	put8(b, number(b, 0, 0));
	put8(b, number(b, 1, 0));
	zero(b, 6);
}

static void layer_icmp6(struct build *b)
{
	set_next(b, 58);
	put8(b, number(b, 0, 0));
	put8(b, number(b, 1, 0));
	zero(b, 6);
}

/* Tunnels start a new packet at the Ethernet or network layer. */
static void layer_geneve(struct build *b)
{
	put8(b, 0);
	put8(b, 0);
	next_here(b, 2);
	put32(b, number(b, 0, 0) << 8);
}

static void layer_vxlan(struct build *b)
{
	put32(b, 0x08000000);
	put32(b, number(b, 0, 0) << 8);
}

static void layer_bridged(struct build *b)
{
	set_next(b, 0x6558);
}

static void layer_text(struct build *b)
{
	put(b, b->arg[0], strlen(b->arg[0]));
}

static void layer_hex(struct build *b)
{
	unsigned v;

	for (const char *p = b->arg[0]; sscanf(p, "%2x", &v) == 1; p += 2)
		put8(b, v);
}

static void layer_zero(struct build *b)
{
	zero(b, number(b, 0, 0));
}

static void layer_cut(struct build *b)
{
	b->len = number(b, 0, 0);
}

static const struct layer {
	const char *name;
	void (*build)(struct build *b);
} layers[] = {
	{ "eth", layer_eth },       { "len", layer_type },
	{ "type", layer_type },     { "vlan", layer_vlan },
	{ "qinq", layer_qinq },     { "mpls", layer_mpls },
	{ "pppoed", layer_pppoed }, { "pppoes", layer_pppoes },
	{ "ppp", layer_ppp },       { "llc", layer_llc },
	{ "snap", layer_snap },     { "arp", layer_arp },
	{ "rarp", layer_rarp },     { "ip", layer_ip },
	{ "ipopt", layer_ipopt },   { "ipfrag", layer_ipfrag },
	{ "ip6", layer_ip6 },       { "hop", layer_hop },
	{ "frag6", layer_frag6 },   { "proto", layer_proto },
	{ "tcp", layer_tcp },       { "udp", layer_udp },
	{ "sctp", layer_sctp },     { "icmp", layer_icmp },
	{ "icmp6", layer_icmp6 },   { "geneve", layer_geneve },
	{ "vxlan", layer_vxlan },   { "bridged", layer_bridged },
	{ "text", layer_text },     { "hex", layer_hex },
	{ "zero", layer_zero },     { "cut", layer_cut },
};

static const struct layer *find_layer(const char *name, size_t len)
{
	for (size_t i = 0; i < sizeof(layers) / sizeof(layers[0]); i++)
		if (strlen(layers[i].name) == len &&
		    strncmp(layers[i].name, name, len) == 0)
			return &layers[i];
	return NULL;
}

/* The arguments up to `)'. Returns what follows it. */
static const char *parse_args(struct build *b, const char *p)
{
	b->args = 0;
	memset(b->arg, 0, sizeof(b->arg));
	if (*p != '(')
		return p;
	for (p++; *p && *p != ')' && b->args < MAX_ARGS; b->args++) {
		size_t n = strcspn(p, ",)");

		if (n >= sizeof(b->arg[0]))
			return "(";
		memcpy(b->arg[b->args], p, n);
		p += n;
		if (*p == ',')
			p++;
	}
	return *p == ')' ? p + 1 : "(";
}

long packet_build(const char *description, uint8_t buf[PACKET_MAX],
		  const char **where)
{
	struct build b = { .buf = buf };
	const char *p = description;

	while (*p) {
		size_t n = strcspn(p, "(/");
		const struct layer *layer = find_layer(p, n);
		const char *end = parse_args(&b, p + n);

		*where = p;
		if (!layer || (*end && *end != '/'))
			return -1;
		layer->build(&b);
		p = *end ? end + 1 : end;
	}
	return (long)b.len;
}
