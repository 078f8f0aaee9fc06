// SPDX-License-Identifier: BSD-3-Clause
/* Random programs, expressions and packets: see random.h. */
#include "random.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

/* splitmix64 */
uint32_t rng_next(struct rng *rng)
{
	uint64_t z = rng->state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return (uint32_t)(z >> 32);
}

uint32_t rng_below(struct rng *rng, uint32_t n)
{
	return (uint32_t)((uint64_t)rng_next(rng) * n >> 32);
}

bool rng_one_in(struct rng *rng, uint32_t n)
{
	return rng_below(rng, n) == 0;
}

#define PICK(rng, array) \
	((array)[rng_below(rng, sizeof(array) / sizeof((array)[0]))])

/* ---- programs -------------------------------------------------------- */

static const uint32_t edges[] = {
	0,          1,          2,          3,          4,          5,
	7,          8,          12,         13,         14,         15,
	16,         20,         23,         26,         30,         31,
	32,         33,         47,         48,         54,         60,
	63,         64,         255,        256,        511,        512,
	1023,       1499,       1500,       3500,       3519,       3520,
	3521,       4096,       8996,       8998,       8999,       9000,
	32763,      32764,      32766,      32767,      32768,      65531,
	65532,      65533,      65534,      65535,      65536,      0x7ffffffe,
	0x7fffffff, 0x80000000, 0x80000001, 0xffe00000, 0xfff00000, 0xffffefff,
	0xfffffffc, 0xfffffffe, 0xffffffff, 0x0800,     0x86dd,     0x8100,
	0x0806,     0x06,       0x11,       0x1fff,     0xff00,     0xf0,
	0x0f,       0xffffff00, 0x0a000000, 0x0a000001,
};

static uint32_t random_k(struct rng *rng)
{
	switch (rng_below(rng, 8)) {
	case 0:
		return rng_next(rng);
	case 1:
	case 2:
		return rng_below(rng, 256);
	case 3:
		return 1U << rng_below(rng, 32);
	default:
		return PICK(rng, edges);
	}
}

/* Mostly where there is a packet, so that programs get beyond it. */
static uint32_t random_offset(struct rng *rng, bool ind)
{
	static const uint32_t anc[] = {
		SKF_AD_PROTOCOL,
		SKF_AD_PKTTYPE,
		SKF_AD_IFINDEX,
		SKF_AD_QUEUE,
		SKF_AD_CPU,
		SKF_AD_VLAN_TAG,
		SKF_AD_VLAN_TAG_PRESENT,
		SKF_AD_MAX,
		SKF_AD_MAX + 1,
		SKF_AD_PROTOCOL + 1,
	};

	switch (rng_below(rng, 40)) {
	case 0:
		return PICK(rng, edges);
	case 1:
		return rng_below(rng, 9100);
	case 2:
		if (!ind)
			return (uint32_t)SKF_AD_OFF + PICK(rng, anc);
		return (uint32_t) - (int32_t)rng_below(rng, 80);
	case 3:
	case 4:
		return rng_below(rng, 400);
	default:
		return rng_below(rng, 64);
	}
}

struct program {
	struct sock_filter *f;
	size_t len;
	uint32_t m[BPF_MEMWORDS]; /* the ones that are written first */
	uint32_t nr_m;
};

static struct sock_filter stmt(uint16_t code, uint32_t k)
{
	return (struct sock_filter)BPF_STMT(code, k);
}

static struct sock_filter random_load(struct rng *rng, const struct program *p)
{
	static const uint16_t sizes[] = { BPF_W, BPF_H, BPF_B };
	uint16_t size = PICK(rng, sizes);

	switch (rng_below(rng, 16)) {
	case 0:
		return stmt(BPF_LD | BPF_IMM, random_k(rng));
	case 1:
		return stmt(BPF_LDX | BPF_IMM, rng_below(rng, 100));
	case 2:
		return stmt(BPF_LD | BPF_LEN, 0);
	case 3:
		return stmt(BPF_LDX | BPF_LEN, 0);
	case 4:
		return stmt(BPF_LDX | BPF_MSH | BPF_B,
			    rng_one_in(rng, 10) ? PICK(rng, edges) :
						  rng_below(rng, 60));
	case 5:
		if (p->nr_m)
			return stmt(BPF_LD | BPF_MEM,
				    p->m[rng_below(rng, p->nr_m)]);
		return stmt(BPF_LDX | BPF_IMM, random_k(rng));
	case 6:
		if (p->nr_m)
			return stmt(BPF_LDX | BPF_MEM,
				    p->m[rng_below(rng, p->nr_m)]);
		return stmt(BPF_LDX | BPF_MSH | BPF_B, 14);
	case 7:
	case 8:
	case 9:
	case 10:
		return stmt((uint16_t)(BPF_LD | BPF_IND | size),
			    random_offset(rng, true));
	default:
		return stmt((uint16_t)(BPF_LD | BPF_ABS | size),
			    random_offset(rng, false));
	}
}

static struct sock_filter random_alu(struct rng *rng)
{
	static const uint16_t ops[] = {
		BPF_ADD, BPF_SUB, BPF_MUL, BPF_DIV, BPF_MOD, BPF_AND,
		BPF_AND, BPF_OR,  BPF_XOR, BPF_LSH, BPF_RSH, BPF_NEG,
	};
	uint16_t op = PICK(rng, ops);
	uint32_t k = random_k(rng);

	if (op == BPF_NEG)
		return stmt(BPF_ALU | BPF_NEG, 0);
	if (rng_one_in(rng, 3) &&
	    !((op == BPF_LSH || op == BPF_RSH) && !rng_one_in(rng, 4)))
		return stmt((uint16_t)(BPF_ALU | op | BPF_X), k);
	if (op == BPF_LSH || op == BPF_RSH)
		k %= rng_one_in(rng, 64) ? 40 : 32;
	if ((op == BPF_DIV || op == BPF_MOD) && k == 0)
		k = 3;
	return stmt((uint16_t)(BPF_ALU | op | BPF_K), k);
}

/* Somewhere after instruction i, mostly near. */
static uint32_t random_distance(struct rng *rng, const struct program *p,
				size_t i, uint32_t max)
{
	uint32_t rest = (uint32_t)(p->len - i - 2);

	if (!rng_one_in(rng, 6) && max > 6)
		max = 6;
	return rng_below(rng, (rest < max ? rest : max) + 1);
}

static struct sock_filter random_jump(struct rng *rng, const struct program *p,
				      size_t i)
{
	static const uint16_t ops[] = { BPF_JEQ, BPF_JGT, BPF_JGE, BPF_JSET };
	uint16_t op = PICK(rng, ops);
	struct sock_filter f;

	if (rng_one_in(rng, 12))
		return stmt(BPF_JMP | BPF_JA,
			    random_distance(rng, p, i, BPF_MAXINSNS));
	f = stmt((uint16_t)(BPF_JMP | op | (rng_one_in(rng, 4) ? BPF_X : BPF_K)),
		 random_k(rng));
	f.jt = (uint8_t)random_distance(rng, p, i, 255);
	f.jf = (uint8_t)random_distance(rng, p, i, 255);
	return f;
}

static struct sock_filter random_insn(struct rng *rng, struct program *p, size_t i)
{
	bool ret = rng_one_in(rng, (uint32_t)p->len + 2);

	if (i == p->len - 1 || ret)
		return rng_one_in(rng, 2) ? stmt(BPF_RET | BPF_A, 0) :
					    stmt(BPF_RET | BPF_K, random_k(rng));
	switch (rng_below(rng, 12)) {
	case 0:
		return stmt(BPF_MISC | BPF_TAX, 0);
	case 1:
		return stmt(BPF_MISC | BPF_TXA, 0);
	case 2:
		if (p->nr_m)
			return stmt(rng_one_in(rng, 2) ? BPF_ST : BPF_STX,
				    p->m[rng_below(rng, p->nr_m)]);
		return stmt(BPF_MISC | BPF_TAX, 0);
	case 3:
	case 4:
	case 5:
		return random_alu(rng);
	case 6:
	case 7:
	case 8:
		return random_jump(rng, p, i);
	default:
		return random_load(rng, p);
	}
}

static size_t random_length(struct rng *rng)
{
	switch (rng_below(rng, 256)) {
	case 0:
		return BPF_MAXINSNS - rng_below(rng, 3);
	case 1:
		return 300 + rng_below(rng, BPF_MAXINSNS - 300);
	default:
		if (rng_one_in(rng, 8))
			return 40 + rng_below(rng, 260);
		return 1 + rng_below(rng, 40);
	}
}

size_t random_program(struct rng *rng, struct sock_filter *cbpf)
{
	struct program p = { .f = cbpf, .len = random_length(rng) };
	size_t i = 0;

	while (p.len > 10 && p.nr_m < BPF_MEMWORDS / 2 && rng_one_in(rng, 2)) {
		p.m[p.nr_m] = rng_below(rng, BPF_MEMWORDS);
		cbpf[i++] = stmt(BPF_ST, p.m[p.nr_m++]);
	}
	for (; i < p.len; i++)
		cbpf[i] = random_insn(rng, &p, i);
	return p.len;
}

/* ---- expressions ----------------------------------------------------- */

static const char *const primitives[] = {
	"ip",
	"ip6",
	"arp",
	"rarp",
	"tcp",
	"udp",
	"icmp",
	"icmp6",
	"igmp",
	"sctp",
	"vlan",
	"vlan 7",
	"mpls",
	"mpls 17",
	"pppoes",
	"pppoes 3",
	"geneve",
	"ether broadcast",
	"ether multicast",
	"ip broadcast or arp",
	"ip multicast",
	"ip6 multicast",
	"inbound",
	"outbound",
	"ifindex 1",
	"ifindex 2",
	"stp",
	"ipx",
	"atalk",
	"aarp",
	"iso",
	"clnp",
	"esis",
	"isis",
	"netbeui",
	"decnet src 1.1",
	"lat",
	"moprc",
	"mopdl",
	"llc",
	"llc i",
	"llc s",
	"llc u",
	"ah",
	"esp",
	"pim",
	"vrrp",
	"carp",
	"tcp[tcpflags] & (tcp-syn|tcp-fin) != 0",
	"icmp[icmptype] = icmp-echo",
	"icmp6[icmp6type] = icmp6-echo",
	"ip[0] & 0xf != 5",
	"ip[6:2] & 0x1fff = 0",
	"ip[2:2] > 100",
	"ether[0] & 1 = 0",
	"tcp[((tcp[12] & 0xf0) >> 2):4] = 0x47455420",
	"udp[8:4] = 1",
	"ip6[6] = 6",
	"ether[len - 1] > 100",
	"len > 100",
	"len % 3 = 1",
	"ip[ip[0] & 15] < 80",
	"ether[ether[14] / 2] ^ ether[15] = 7",
	"ether[12:2] * ether[14:2] - len > 7",
	"-ether[14] < ether[15]",
	"ether[20:4] << 3 != ether[24:4] >> 2",
	"ether[14:4] / (ether[15] & 3) > 9",
	"ether[14:4] % ether[16:2] > 9",
	"ether proto 0x88cc",
	"ether proto \\ip",
	"ip proto 17",
	"ip6 proto 6",
	"ether src 02:00:00:00:00:01",
	"ether host 02:00:00:00:00:02",
};

static void random_primitive(struct rng *rng, char *buf, size_t size)
{
	static const char *const dir[] = { "", "src ", "dst ", "src or dst ",
					   "src and dst " };
	static const char *const port_proto[] = { "", "tcp ", "udp ", "sctp " };
	uint32_t r = rng_next(rng);

	switch (rng_below(rng, 12)) {
	case 0:
		snprintf(buf, size, "%shost 10.0.0.%u", PICK(rng, dir), r % 8);
		break;
	case 1:
		snprintf(buf, size, "%snet 10.0.0.%u/%u", PICK(rng, dir),
			 r & 0xf8, 29 + (r >> 8) % 2);
		break;
	case 2:
		snprintf(buf, size, "%s%sport %u", PICK(rng, port_proto),
			 PICK(rng, dir), r % 100);
		break;
	case 3:
		snprintf(buf, size, "%s%sportrange %u-%u", PICK(rng, port_proto),
			 PICK(rng, dir), r % 100, r % 100 + (r >> 8) % 100);
		break;
	case 4:
		snprintf(buf, size, "%shost 2001:db8::%u", PICK(rng, dir), r % 8);
		break;
	case 5:
		snprintf(buf, size, "%s %u", r & 1 ? "greater" : "less",
			 (r >> 8) % 2000);
		break;
	case 6:
		snprintf(buf, size, "%snet 2001:db8::/%u", PICK(rng, dir),
			 r % 129);
		break;
	case 7:
		snprintf(buf, size, "ether[%u:%u] %c 0x%x", (r >> 8) % 200,
			 1U << r % 3, "<>=&"[(r >> 4) % 3], r >> 16);
		break;
	default:
		snprintf(buf, size, "%s", PICK(rng, primitives));
		break;
	}
}

static void random_term(struct rng *rng, char *buf, size_t size, int depth)
{
	char a[2048], b[2048];

	if (depth == 0 || rng_one_in(rng, 4)) {
		random_primitive(rng, buf, size);
		return;
	}
	random_term(rng, a, sizeof(a), depth - 1);
	random_term(rng, b, sizeof(b), depth - 1);
	if (strlen(a) + strlen(b) + 16 > size) {
		random_primitive(rng, buf, size);
		return;
	}
	snprintf(buf, size, "%s(%.1000s) %s (%.1000s)",
		 rng_one_in(rng, 5) ? "not " : "", a,
		 rng_one_in(rng, 2) ? "and" : "or", b);
}

void random_expression(struct rng *rng, char *buf, size_t size)
{
	random_term(rng, buf, size, (int)rng_below(rng, 5));
}

/* ---- packets --------------------------------------------------------- */

static uint32_t random_packet_length(struct rng *rng)
{
	switch (rng_below(rng, 8)) {
	case 0:
		return rng_below(rng, 20);
	case 1:
		return rng_below(rng, RANDOM_MAX_PACKET + 1);
	case 2:
		return rng_one_in(rng, 2) ? RANDOM_MAX_PACKET :
					    3500 + rng_below(rng, 100);
	case 3:
		return 1400 + rng_below(rng, 200);
	default:
		return 14 + rng_below(rng, 120);
	}
}

static void put16(uint8_t *at, uint32_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static uint32_t put_ports(struct rng *rng, uint8_t *p)
{
	put16(p, rng_below(rng, 100));
	put16(p + 2, rng_below(rng, 100));
	p[12] = (uint8_t)(5U + rng_below(rng, 3)) << 4;
	p[13] = (uint8_t)rng_below(rng, 64);
	if (rng_one_in(rng, 3))
		memcpy(p + (p[12] >> 2), "GET ", 4);
	return 40;
}

static uint32_t put_ip(struct rng *rng, uint8_t *p)
{
	static const uint8_t protos[] = { 1, 2, 6, 17, 6, 17, 132, 47, 50, 103 };
	uint32_t hl = rng_one_in(rng, 4) ? 5 + rng_below(rng, 11) : 5;

	p[0] = (uint8_t)(0x40 | hl);
	put16(p + 6, rng_one_in(rng, 6) ? rng_next(rng) : 0);
	p[9] = PICK(rng, protos);
	put16(p + 12, 0x0a00);
	put16(p + 14, rng_below(rng, 8));
	put16(p + 16, 0x0a00);
	put16(p + 18, rng_below(rng, 8));
	return 4 * hl + put_ports(rng, p + 4 * hl);
}

static uint32_t put_ip6(struct rng *rng, uint8_t *p)
{
	static const uint8_t protos[] = { 6, 17, 58, 44, 132, 0 };
	static const uint8_t net[16] = { 0x20, 0x01, 0x0d, 0xb8 };

	p[0] = 0x60;
	p[6] = PICK(rng, protos);
	memcpy(p + 8, net, 16);
	memcpy(p + 24, net, 16);
	p[23] = (uint8_t)rng_below(rng, 8);
	p[39] = (uint8_t)rng_below(rng, 8);
	return 40 + put_ports(rng, p + 40);
}

/* Everything from the EtherType on, at p. */
static void put_payload(struct rng *rng, uint8_t *p)
{
	static const uint16_t types[] = {
		0x0806, 0x8035, 0x88cc, 0x8847, 0x8864, 0x6558, 0x0003,
		0x05dc, 0x05ff, 0x0600, 0x809b, 0x80f3, 0x8137, 0x6003,
	};

	switch (rng_below(rng, 10)) {
	case 0:
	case 1:
	case 2:
	case 3:
		put16(p, 0x0800);
		put_ip(rng, p + 2);
		break;
	case 4:
	case 5:
		put16(p, 0x86dd);
		put_ip6(rng, p + 2);
		break;
	case 6:
		put16(p, rng_one_in(rng, 3) ? 0x88a8 : 0x8100);
		put16(p + 2, rng_below(rng, 10));
		put_payload(rng, p + 4);
		break;
	case 7:
		put16(p, 0x8847);
		put16(p + 2, rng_below(rng, 2));
		put16(p + 4, rng_next(rng) | 0x100);
		put_ip(rng, p + 6);
		break;
	default:
		put16(p, PICK(rng, types));
		if (rng_one_in(rng, 2))
			memset(p + 2, 0xff, 2);
		break;
	}
}

uint32_t random_packet(struct rng *rng, uint8_t *buf)
{
	static uint8_t large[RANDOM_MAX_PACKET + 4096];
	static const uint8_t addresses[2][6] = { { 2, 0, 0, 0, 0, 1 },
						 { 2, 0, 0, 0, 0, 2 } };
	uint32_t len = random_packet_length(rng);

	for (uint32_t i = 0; i < len; i += 4) {
		uint32_t v = rng_next(rng);

		memcpy(large + i, &v, 4);
	}
	if (!rng_one_in(rng, 8)) {
		memcpy(large, addresses[rng_below(rng, 2)], 6);
		memcpy(large + 6, addresses[rng_below(rng, 2)], 6);
		put_payload(rng, large + 12);
	}
	memcpy(buf, large, len);
	return len;
}
