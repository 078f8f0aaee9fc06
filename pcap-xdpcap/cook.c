// SPDX-License-Identifier: BSD-3-Clause
/*
 * LINUX_SLL2 to Ethernet: see cook.h.
 *
 * Behind the two headers the packets are the same, so a load from there moves
 * by 6 bytes. A load from the SLL2 header becomes one of what the field is made
 * from, if it is of just that field, as nearly all are; otherwise it is put
 * together byte by byte. A load relative to X can be of either, so it becomes a
 * choice by X.
 *
 * Each instruction is expanded by itself, first to count what it becomes, then,
 * when it is known where everything is and so which jumps are too long for a
 * conditional one, to write it.
 */
#include "cook.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ancillary.h"

/* By how much SLL2's header is longer than Ethernet's. */
#define LONGER (XDPCAP_SLL2_LEN - ETH_HLEN)

/* The source address, in the SLL2 header and in Ethernet's. */
#define SLL2_ADDR 12
#define ETH_ADDR  ETH_ALEN

/* The fields of the SLL2 header that are not constant, and not the address. */
#define SLL2_PROTOCOL 0
#define SLL2_IFINDEX  4

/*
 * More than an instruction becomes: a load relative to X is at most 20 loads
 * that are put together of 4 bytes, each fewer than 40 instructions.
 */
#define EXPANSION_MAX 1024

enum {
	FAR = 1,   /* a jump that is too long for a conditional one */
	TYPES = 2, /* a load of the protocol, only to find EtherTypes */
};

struct cook {
	const struct sock_filter *in;
	size_t n;
	uint32_t snaplen;
	uint8_t constant[XDPCAP_SLL2_LEN]; /* the header, variable fields 0 */
	uint32_t save_a, save_x; /* M[] that the program leaves alone */
	uint32_t *at;   /* per instruction, and the end: where it begins */
	uint8_t *notes; /* per instruction: FAR, TYPES */
	struct sock_filter out[EXPANSION_MAX]; /* of one instruction */
	size_t len;
	struct xdpcap_translate_error *err;
};

static int fail(struct cook *c, size_t insn, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int fail(struct cook *c, size_t insn, const char *format, ...)
{
	va_list args;

	c->err->insn = insn;
	va_start(args, format);
	vsnprintf(c->err->msg, sizeof(c->err->msg), format, args);
	va_end(args);
	return -1;
}

static void put(struct cook *c, uint16_t code, uint32_t k)
{
	c->out[c->len++] = (struct sock_filter)BPF_STMT(code, k);
}

static void put_jump(struct cook *c, uint16_t code, uint32_t k, uint8_t jt,
		     uint8_t jf)
{
	c->out[c->len++] = (struct sock_filter)BPF_JUMP(code, k, jt, jf);
}

/* Is all of [k, k + size) in [from, to)? */
static bool within(uint32_t k, uint32_t size, uint32_t from, uint32_t to)
{
	return k >= from && k + size <= to;
}

static bool is_constant(uint32_t k)
{
	return k == 2 || k == 3 || within(k, 1, 8, SLL2_ADDR) ||
	       within(k, 1, SLL2_ADDR + ETH_ALEN, XDPCAP_SLL2_LEN);
}

static uint32_t size_of(uint16_t code)
{
	return BPF_SIZE(code) == BPF_W ? 4 : BPF_SIZE(code) == BPF_H ? 2 : 1;
}

/* A = byte k of the SLL2 form */
static void put_byte(struct cook *c, uint32_t k)
{
	uint32_t shift = 0;

	if (k >= XDPCAP_SLL2_LEN ||
	    within(k, 1, SLL2_ADDR, SLL2_ADDR + ETH_ALEN)) {
		put(c, BPF_LD | BPF_ABS | BPF_B, k - LONGER);
		return;
	}
	if (is_constant(k)) {
		put(c, BPF_LD | BPF_IMM, c->constant[k]);
		return;
	}
	if (k < SLL2_IFINDEX) {
		put(c, BPF_LD | BPF_ABS | BPF_W, SKF_AD_OFF + SKF_AD_PROTOCOL);
		shift = 8 * (SLL2_PROTOCOL + 1 - k);
	} else {
		put(c, BPF_LD | BPF_ABS | BPF_W, SKF_AD_OFF + SKF_AD_IFINDEX);
		shift = 8 * (SLL2_IFINDEX + 3 - k);
	}
	if (shift)
		put(c, BPF_ALU | BPF_RSH | BPF_K, shift);
	put(c, BPF_ALU | BPF_AND | BPF_K, 0xff);
}

/* A = size bytes at k of the SLL2 form, each by itself */
static void put_bytes(struct cook *c, uint32_t k, uint32_t size)
{
	if (size > 1)
		put(c, BPF_STX, c->save_x);
	for (uint32_t i = 0; i < size; i++) {
		put_byte(c, k + i);
		if (i > 0) {
			put(c, BPF_MISC | BPF_TAX, 0);
			put(c, BPF_LD | BPF_MEM, c->save_a);
			put(c, BPF_ALU | BPF_LSH | BPF_K, 8);
			put(c, BPF_ALU | BPF_OR | BPF_X, 0);
		}
		if (i < size - 1)
			put(c, BPF_ST, c->save_a);
	}
	if (size > 1)
		put(c, BPF_LDX | BPF_MEM, c->save_x);
}

/* A = size bytes at k of the SLL2 form, where k is in the header */
static void put_header(struct cook *c, uint32_t k, uint32_t size)
{
	const uint16_t code = size == 4 ? BPF_W : size == 2 ? BPF_H : BPF_B;
	uint32_t value = 0, constants = 0;

	for (uint32_t i = k; i < k + size && i < XDPCAP_SLL2_LEN; i++) {
		value = value << 8 | c->constant[i];
		constants += is_constant(i);
	}
	if (constants == size)
		put(c, BPF_LD | BPF_IMM, value);
	else if (within(k, size, SLL2_ADDR, SLL2_ADDR + ETH_ALEN))
		put(c, BPF_LD | BPF_ABS | code, k - SLL2_ADDR + ETH_ADDR);
	else if (k == SLL2_PROTOCOL && size == 2)
		put(c, BPF_LD | BPF_ABS | BPF_W, SKF_AD_OFF + SKF_AD_PROTOCOL);
	else if (k == SLL2_IFINDEX && size == 4)
		put(c, BPF_LD | BPF_ABS | BPF_W, SKF_AD_OFF + SKF_AD_IFINDEX);
	else
		put_bytes(c, k, size);
}

/*
 * Is what instruction i loads, the protocol, used for nothing but comparisons
 * for equality with EtherTypes? Then it is as good to load the packet's own,
 * although that can be a length (802.3), which is less than any EtherType.
 */
static bool only_ethertypes(const struct cook *c, size_t i)
{
	size_t *todo = calloc(2 * c->n + 1, sizeof(*todo)), nr = 0;
	bool *seen = calloc(c->n, sizeof(*seen)), only = todo && seen;

	if (only)
		todo[nr++] = i + 1;
	while (only && nr > 0) {
		size_t j = todo[--nr];
		const struct sock_filter *f = &c->in[j];

		if (j >= c->n || seen[j])
			continue;
		seen[j] = true;
		switch (BPF_CLASS(f->code)) {
		case BPF_LD: /* another A */
			break;
		case BPF_LDX:
		case BPF_STX:
			todo[nr++] = j + 1;
			break;
		case BPF_JMP:
			if (f->code == (BPF_JMP | BPF_JA)) {
				todo[nr++] = (uint32_t)(j + 1 + f->k);
				break;
			}
			only = f->code == (BPF_JMP | BPF_JEQ | BPF_K) &&
			       f->k >= ETH_P_802_3_MIN;
			todo[nr++] = j + 1 + f->jt;
			todo[nr++] = j + 1 + f->jf;
			break;
		case BPF_RET:
			only = BPF_RVAL(f->code) != BPF_A;
			break;
		default:
			only = f->code == (BPF_MISC | BPF_TXA);
			break;
		}
	}
	free(todo);
	free(seen);
	return only;
}

static void cook_abs(struct cook *c, size_t i)
{
	const struct sock_filter *f = &c->in[i];

	if (f->k >= (uint32_t)SKF_LL_OFF)
		put(c, f->code, f->k); /* ancillary, or beyond any packet */
	else if (f->k >= XDPCAP_SLL2_LEN)
		put(c, f->code, f->k - LONGER);
	else if (c->notes[i] & TYPES)
		put(c, f->code, 2 * ETH_ALEN);
	else
		put_header(c, f->k, size_of(f->code));
}

/*
 * A load at X + k. What wraps around is out of bounds; less 6 it is too, if k is
 * taken from before that is added.
 */
static void cook_ind(struct cook *c, const struct sock_filter *f)
{
	const uint32_t in_header = XDPCAP_SLL2_LEN - f->k;
	size_t ends[XDPCAP_SLL2_LEN], packet;

	if (f->k >= XDPCAP_SLL2_LEN) {
		put(c, f->code, f->k - LONGER);
		return;
	}
	put(c, BPF_MISC | BPF_TXA, 0);
	put_jump(c, BPF_JMP | BPF_JGE | BPF_K, in_header, 0, 1);
	packet = c->len;
	put(c, BPF_JMP | BPF_JA, 0);
	for (uint32_t x = 0; x < in_header; x++) {
		size_t test = c->len;

		put_jump(c, BPF_JMP | BPF_JEQ | BPF_K, x, 0, 0);
		put_header(c, f->k + x, size_of(f->code));
		ends[x] = c->len;
		put(c, BPF_JMP | BPF_JA, 0);
		c->out[test].jf = (uint8_t)(c->len - test - 1);
	}
	/* nothing comes here: X is one of those */
	put(c, BPF_RET | BPF_K, 0);
	c->out[packet].k = (uint32_t)(c->len - packet - 1);
	if (f->k >= LONGER) {
		put(c, f->code, f->k - LONGER);
	} else {
		put(c, BPF_STX, c->save_x);
		put(c, BPF_ALU | BPF_SUB | BPF_K, LONGER - f->k);
		put(c, BPF_MISC | BPF_TAX, 0);
		put(c, f->code, 0);
		put(c, BPF_LDX | BPF_MEM, c->save_x);
	}
	for (uint32_t x = 0; x < in_header; x++)
		c->out[ends[x]].k = (uint32_t)(c->len - ends[x] - 1);
}

static void cook_msh(struct cook *c, const struct sock_filter *f)
{
	if (f->k >= XDPCAP_SLL2_LEN) {
		put(c, f->code, f->k - LONGER);
		return;
	}
	put(c, BPF_ST, c->save_a);
	put_byte(c, f->k);
	put(c, BPF_ALU | BPF_AND | BPF_K, 0xf);
	put(c, BPF_ALU | BPF_LSH | BPF_K, 2);
	put(c, BPF_MISC | BPF_TAX, 0);
	put(c, BPF_LD | BPF_MEM, c->save_a);
}

static void cook_len(struct cook *c, bool to_x)
{
	if (to_x)
		put(c, BPF_ST, c->save_a);
	put(c, BPF_LD | BPF_LEN, 0);
	put(c, BPF_ALU | BPF_ADD | BPF_K, LONGER);
	if (to_x) {
		put(c, BPF_MISC | BPF_TAX, 0);
		put(c, BPF_LD | BPF_MEM, c->save_a);
	}
}

static int cook_ret(struct cook *c, size_t i)
{
	const struct sock_filter *f = &c->in[i];

	if (BPF_RVAL(f->code) == BPF_A)
		return fail(c, i,
			    "returns a number that is not constant: filter in user space instead");
	if (f->k && f->k < XDPCAP_COOK_MIN + LONGER && f->k < c->snaplen)
		return fail(c, i,
			    "returns hardly more than a LINUX_SLL2 header: filter in user space instead");
	put(c, f->code, f->k ? xdpcap_cook_snaplen(f->k) : 0);
	return 0;
}

/* Where instruction i jumps to, if the condition is true, or is not. */
static uint32_t target(const struct cook *c, size_t i, bool taken)
{
	const struct sock_filter *f = &c->in[i];

	/* as in bpf_validate(), JA's sum wraps: backwards is valid there */
	if (f->code == (BPF_JMP | BPF_JA))
		return (uint32_t)i + 1 + f->k;
	return (uint32_t)i + 1 + (taken ? f->jt : f->jf);
}

/* The distance from the instruction behind the first that i becomes. */
static uint32_t distance(const struct cook *c, size_t i, bool taken)
{
	return c->at[target(c, i, taken)] - c->at[i] - 1;
}

static int cook_jump(struct cook *c, size_t i)
{
	const struct sock_filter *f = &c->in[i];
	uint32_t jt, jf;

	if (target(c, i, true) >= c->n || target(c, i, false) >= c->n)
		return fail(c, i, "jump beyond the end of the program");
	jt = distance(c, i, true);
	jf = distance(c, i, false);
	if (f->code == (BPF_JMP | BPF_JA)) {
		put(c, f->code, jt);
	} else if (c->notes[i] & FAR) {
		put_jump(c, f->code, f->k, 0, 1);
		put(c, BPF_JMP | BPF_JA, jt - 1);
		put(c, BPF_JMP | BPF_JA, jf - 2);
	} else {
		put_jump(c, f->code, f->k, (uint8_t)jt, (uint8_t)jf);
	}
	return 0;
}

/* What instruction i becomes, in out. */
static int cook_insn(struct cook *c, size_t i)
{
	const struct sock_filter *f = &c->in[i];

	c->len = 0;
	switch (f->code) {
	case BPF_LD | BPF_ABS | BPF_W:
	case BPF_LD | BPF_ABS | BPF_H:
	case BPF_LD | BPF_ABS | BPF_B:
		cook_abs(c, i);
		return 0;
	case BPF_LD | BPF_IND | BPF_W:
	case BPF_LD | BPF_IND | BPF_H:
	case BPF_LD | BPF_IND | BPF_B:
		cook_ind(c, f);
		return 0;
	case BPF_LDX | BPF_MSH | BPF_B:
		cook_msh(c, f);
		return 0;
	case BPF_LD | BPF_LEN:
	case BPF_LDX | BPF_LEN:
		cook_len(c, BPF_CLASS(f->code) == BPF_LDX);
		return 0;
	case BPF_RET | BPF_K:
	case BPF_RET | BPF_A:
		return cook_ret(c, i);
	}
	if (BPF_CLASS(f->code) == BPF_JMP)
		return cook_jump(c, i);
	put(c, f->code, f->k);
	return 0;
}

/* Mark jumps that turn out to be too long. Returns whether there are any. */
static bool mark_far(struct cook *c)
{
	bool any = false;

	for (size_t i = 0; i < c->n; i++) {
		const struct sock_filter *f = &c->in[i];

		if (BPF_CLASS(f->code) != BPF_JMP || (c->notes[i] & FAR) ||
		    f->code == (BPF_JMP | BPF_JA) ||
		    (distance(c, i, true) <= UINT8_MAX &&
		     distance(c, i, false) <= UINT8_MAX))
			continue;
		c->notes[i] |= FAR;
		any = true;
	}
	return any;
}

/*
 * Find out where each instruction begins. A jump that is too long makes its
 * instruction longer, and so others' jumps; none becomes short again.
 */
static int lay_out(struct cook *c)
{
	uint32_t at;

	for (size_t i = 0; i < c->n; i++)
		if (c->in[i].code == (BPF_LD | BPF_ABS | BPF_H) &&
		    c->in[i].k == SLL2_PROTOCOL && only_ethertypes(c, i))
			c->notes[i] |= TYPES;
	do {
		at = 0;
		for (size_t i = 0; i < c->n; i++) {
			c->at[i] = at;
			if (cook_insn(c, i))
				return -1;
			at += (uint32_t)c->len;
		}
		c->at[c->n] = at;
		if (at > BPF_MAXINSNS)
			return fail(c, 0,
				    "%u instructions for Ethernet are too many: filter in user space instead",
				    at);
	} while (mark_far(c));
	return 0;
}

/* May what the instruction becomes need M[]? */
static bool needs_m(const struct sock_filter *f)
{
	const uint16_t class = BPF_CLASS(f->code), mode = BPF_MODE(f->code);

	if (class != BPF_LD && class != BPF_LDX)
		return false;
	if (mode == BPF_ABS || mode == BPF_IND || mode == BPF_MSH)
		return f->k < XDPCAP_SLL2_LEN;
	return class == BPF_LDX && mode == BPF_LEN;
}

/* Choose two of M[] that the program does not use, if it needs them. */
static int choose_m(struct cook *c)
{
	uint32_t used = 0, spare[2], nr = 0;
	size_t needed = c->n;

	for (size_t i = c->n; i-- > 0;) {
		const struct sock_filter *f = &c->in[i];
		const uint16_t class = BPF_CLASS(f->code);

		if ((class == BPF_ST || class == BPF_STX ||
		     ((class == BPF_LD || class == BPF_LDX) &&
		      BPF_MODE(f->code) == BPF_MEM)) &&
		    f->k < BPF_MEMWORDS)
			used |= 1U << f->k;
		if (needs_m(f))
			needed = i;
	}
	for (uint32_t i = BPF_MEMWORDS; i-- > 0 && nr < 2;)
		if (!(used & 1U << i))
			spare[nr++] = i;
	if (nr == 2) {
		c->save_a = spare[0];
		c->save_x = spare[1];
	} else if (needed < c->n) {
		return fail(c, needed,
			    "too much of M[] is used: filter in user space instead");
	}
	return 0;
}

static int write_out(struct cook *c, struct sock_filter **eth, size_t *eth_len)
{
	*eth_len = c->at[c->n];
	*eth = malloc(BPF_MAXINSNS * sizeof(**eth));
	if (!*eth)
		return fail(c, 0, "out of memory for %zu instructions", *eth_len);
	for (size_t i = 0; i < c->n; i++) {
		cook_insn(c, i);
		memcpy(*eth + c->at[i], c->out, c->len * sizeof(c->out[0]));
	}
	return 0;
}

int xdpcap_cook(const struct sock_filter *sll2, size_t len, uint32_t action,
		uint32_t snaplen, struct sock_filter **eth, size_t *eth_len,
		struct xdpcap_translate_error *err)
{
	const struct xdpcap_ancillary nothing = { .action = action };
	struct cook *c;
	int ret = -1;

	c = calloc(1, sizeof(*c));
	if (!c) {
		snprintf(err->msg, sizeof(err->msg), "out of memory");
		err->insn = 0;
		return -1;
	}
	c->in = sll2;
	c->n = len;
	c->snaplen = snaplen;
	c->err = err;
	c->at = calloc(len + 1, sizeof(*c->at));
	c->notes = calloc(len + 1, sizeof(*c->notes));
	xdpcap_sll2_header(&nothing, c->constant);
	memset(c->constant + SLL2_PROTOCOL, 0, 2);
	if (!c->at || !c->notes)
		fail(c, 0, "out of memory for %zu instructions", len);
	else if (len == 0 || len > BPF_MAXINSNS)
		fail(c, 0, "%zu instructions: must be 1 to %d", len,
		     BPF_MAXINSNS);
	else if (!choose_m(c) && !lay_out(c))
		ret = write_out(c, eth, eth_len);
	free(c->at);
	free(c->notes);
	free(c);
	return ret;
}
