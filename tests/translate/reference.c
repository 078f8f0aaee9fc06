// SPDX-License-Identifier: BSD-3-Clause
/* cBPF in the plainest way: see reference.h. */
#include "reference.h"

struct machine {
	const struct xdpcap_ancillary *anc;
	struct reference *r;
	uint32_t a, x, m[BPF_MEMWORDS];
	uint32_t written; /* bits of m */
};

static bool load(struct machine *s, uint32_t size, uint64_t off, uint32_t *out)
{
	*out = 0;
	if (off + size > s->anc->packet_len)
		return false;
	for (uint32_t i = 0; i < size; i++)
		*out = *out << 8 | s->anc->packet[off + i];
	return true;
}

static uint32_t load_size(uint16_t code)
{
	return BPF_SIZE(code) == BPF_W ? 4 : BPF_SIZE(code) == BPF_H ? 2 : 1;
}

static bool load_abs(struct machine *s, const struct sock_filter *f)
{
	if (f->k == (uint32_t)(SKF_AD_OFF + SKF_AD_RANDOM)) {
		s->r->random = true;
		s->a = 4; /* the same as the VM's */
		return true;
	}
	if (xdpcap_is_ancillary(f->k)) {
		s->a = xdpcap_ancillary(s->anc, f->k);
		s->r->kernel_differs = true; /* of the socket, not the NIC */
		return true;
	}
	if (f->k >= (uint32_t)SKF_LL_OFF)
		s->r->kernel_differs = true;
	return load(s, load_size(f->code), f->k, &s->a);
}

static bool load_ind(struct machine *s, const struct sock_filter *f)
{
	uint64_t off = (uint64_t)s->x + f->k;

	/* A negative sum of 32 bits means the kernel's other headers there. */
	if (off > UINT32_MAX || (uint32_t)off >= 0x80000000)
		s->r->kernel_differs = true;
	return load(s, load_size(f->code), off, &s->a);
}

static bool load_msh(struct machine *s, const struct sock_filter *f)
{
	uint32_t byte;

	if (f->k >= (uint32_t)SKF_LL_OFF)
		s->r->kernel_differs = true;
	if (!load(s, 1, f->k, &byte))
		return false;
	s->x = 4 * (byte & 0xf);
	return true;
}

static void use_m(struct machine *s, uint32_t k, uint32_t *out)
{
	if (!(s->written & 1U << k))
		s->r->libpcap_differs = true;
	*out = s->m[k];
}

static uint32_t shift(struct machine *s, const struct sock_filter *f, uint32_t by)
{
	if (by >= 32) {
		s->r->kernel_differs = true;
		if (BPF_SRC(f->code) == BPF_K)
			s->r->libpcap_differs = true;
		return 0;
	}
	return BPF_OP(f->code) == BPF_LSH ? s->a << by : s->a >> by;
}

static bool alu(struct machine *s, const struct sock_filter *f)
{
	uint32_t b = BPF_SRC(f->code) == BPF_X ? s->x : f->k;
	uint8_t op = BPF_OP(f->code);

	switch (op) {
	case BPF_ADD:
		s->a += b;
		break;
	case BPF_SUB:
		s->a -= b;
		break;
	case BPF_MUL:
		s->a *= b;
		break;
	case BPF_OR:
		s->a |= b;
		break;
	case BPF_AND:
		s->a &= b;
		break;
	case BPF_XOR:
		s->a ^= b;
		break;
	case BPF_NEG:
		s->a = -s->a;
		break;
	case BPF_DIV:
	case BPF_MOD:
		if (b == 0)
			return false;
		s->a = op == BPF_DIV ? s->a / b : s->a % b;
		break;
	default:
		s->a = shift(s, f, b);
		break;
	}
	return true;
}

static bool jump_taken(const struct machine *s, const struct sock_filter *f)
{
	uint32_t b = BPF_SRC(f->code) == BPF_X ? s->x : f->k;

	switch (BPF_OP(f->code)) {
	case BPF_JEQ:
		return s->a == b;
	case BPF_JGT:
		return s->a > b;
	case BPF_JGE:
		return s->a >= b;
	default:
		return (s->a & b) != 0;
	}
}

static bool load_a(struct machine *s, const struct sock_filter *f)
{
	switch (BPF_MODE(f->code)) {
	case BPF_ABS:
		return load_abs(s, f);
	case BPF_IND:
		return load_ind(s, f);
	case BPF_IMM:
		s->a = f->k;
		return true;
	case BPF_MEM:
		use_m(s, f->k, &s->a);
		return true;
	default:
		s->a = (uint32_t)s->anc->packet_len;
		return true;
	}
}

static bool load_x(struct machine *s, const struct sock_filter *f)
{
	switch (BPF_MODE(f->code)) {
	case BPF_MSH:
		return load_msh(s, f);
	case BPF_IMM:
		s->x = f->k;
		return true;
	case BPF_MEM:
		use_m(s, f->k, &s->x);
		return true;
	default:
		s->x = (uint32_t)s->anc->packet_len;
		return true;
	}
}

struct reference reference_run(const struct sock_filter *f,
			       const struct xdpcap_ancillary *anc)
{
	struct reference r = { 0 };
	struct machine s = { .anc = anc, .r = &r };

	for (bool ok = true; ok; f++) {
		switch (BPF_CLASS(f->code)) {
		case BPF_LD:
			ok = load_a(&s, f);
			break;
		case BPF_LDX:
			ok = load_x(&s, f);
			break;
		case BPF_ST:
		case BPF_STX:
			s.m[f->k] = BPF_CLASS(f->code) == BPF_ST ? s.a : s.x;
			s.written |= 1U << f->k;
			break;
		case BPF_ALU:
			ok = alu(&s, f);
			break;
		case BPF_JMP:
			if (BPF_OP(f->code) == BPF_JA)
				f += f->k;
			else
				f += jump_taken(&s, f) ? f->jt : f->jf;
			break;
		case BPF_RET:
			r.ret = BPF_RVAL(f->code) == BPF_A ? s.a : f->k;
			return r;
		default:
			if (BPF_MISCOP(f->code) == BPF_TAX)
				s.x = s.a;
			else
				s.a = s.x;
			break;
		}
	}
	return r;
}

void reference_patch(struct sock_filter *to, const struct sock_filter *cbpf,
		     size_t len, const struct xdpcap_ancillary *anc)
{
	for (size_t i = 0; i < len; i++) {
		to[i] = cbpf[i];
		if (BPF_CLASS(cbpf[i].code) != BPF_LD ||
		    BPF_MODE(cbpf[i].code) != BPF_ABS ||
		    !xdpcap_is_ancillary(cbpf[i].k))
			continue;
		to[i].code = BPF_LD | BPF_IMM;
		to[i].k = xdpcap_ancillary(anc, cbpf[i].k);
	}
}
