// SPDX-License-Identifier: BSD-3-Clause
/*
 * cBPF -> eBPF, see translate.h for what and doc/translator.md for why. It must
 * not know of hooks, helpers, libpcap or the caller's program.
 *
 * A cBPF program without backward jumps is a directed acyclic graph whose
 * instructions are already in topological order, so that every analysis is one
 * pass over the array. The stages, in order:
 *
 *	decode		cBPF instructions into nodes; what is refused
 *	fold		forward: constants and value bounds; what is reached
 *	prune		backward: liveness, dead code, needed packet bytes
 *	place_checks	forward: which bounds checks, and where
 *	find_raw	loads whose byte order need not be swapped
 *	verifier_copes	how many states the verifier would walk
 *	find_chains	rows of comparisons that can be a binary search
 *	emit		eBPF instructions, jumps going to labels
 *
 * Two kinds of code are emitted. Near code reads the packet directly. Far code
 * reads it by bpf_xdp_load_bytes(): on frags programs a failed bounds check of
 * the near code continues in a far copy of the rest of the program, and a
 * program that the verifier could not walk through otherwise is far code only.
 *
 * Registers of near and far code, between nodes:
 *
 *	r0	A
 *	r1	free
 *	r2, r3	data, data_end	(near; free in far code)
 *	r4	X
 *	r5	data + X, if a check proved it (near; free in far code)
 *	r6	ctx, if needed
 *
 * All values are kept zero-extended to 64 bits: cBPF's arithmetic is eBPF's
 * 32-bit arithmetic.
 */
#include "translate.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/if_ether.h>

#include "ancillary.h"

/*
 * The verifier lets no packet pointer reach further than this (MAX_PACKET_OFF
 * in kernel/bpf/verifier.c), bpf_xdp_load_bytes() no offset.
 */
#define MAX_PACKET_END 65535

/* No bounds check is needed on a path that rejects whatever the packet is. */
#define NEED_ANYTHING UINT32_MAX

/* The largest X that MSH makes. */
#define MAX_MSH (4 * 0xf)

/* struct bpf_insn's offset field is 16 bits, signed. */
#define MAX_JUMP INT16_MAX

/*
 * Jumps that are still open when this many instructions were emitted since the
 * first of them get a relay. What is emitted between two looks at this, the
 * relays themselves (one per open label) and a block of the caller's must fit
 * into the rest of MAX_JUMP; otherwise the program is refused.
 */
#define ISLAND_DISTANCE 16384

/*
 * The verifier gives up after a million instructions. A node is at most some
 * 10 near instructions, and the verifier may walk on for a few dozen before it
 * compares states, so this leaves a factor of 4.
 */
#define MAX_STATES 24576

/*
 * The verifier holds one pending state per undecided branch of a path and gives
 * up at 8192 (BPF_COMPLEXITY_LIMIT_JMP_SEQ).
 */
#define MAX_BRANCHES 7000

/* The first stack slot below the caller's part. */
#define STACK_TOP     (-256)
#define STACK_M(i)    (STACK_TOP - 8 - 8 * (int)(i))
#define STACK_SAVE(i) (STACK_M(BPF_MEMWORDS) - 8 * (int)(i))
#define STACK_SCRATCH STACK_SAVE(NR_SAVED)
#define STACK_ANC(i)  (STACK_SCRATCH - 8 - 8 * (int)(i))

enum {
	REG_A = BPF_REG_0,
	REG_TMP = BPF_REG_1,
	REG_DATA = BPF_REG_2,
	REG_END = BPF_REG_3,
	REG_X = BPF_REG_4,
	REG_XDATA = BPF_REG_5,
	REG_CTX = BPF_REG_6,
	REG_FP = BPF_REG_10,
};

/* What a cBPF instruction does. */
enum op {
	OP_INVALID, /* 0, so that a hole in the table is invalid */
	OP_LOAD,    /* reg = size bytes of the packet at k (+ X if ind) */
	OP_MSH,     /* X = 4 * (low 4 bits of the packet's byte at k) */
	OP_IMM,     /* reg = k */
	OP_MEM,     /* reg = M[k] */
	OP_LEN,     /* reg = the packet's length */
	OP_STORE,   /* M[k] = reg */
	OP_ALU,     /* A = A alu (X or k) */
	OP_NEG,     /* A = -A */
	OP_JA,      /* jump to jt */
	OP_JUMP,    /* jump to jt if A alu (X or k), else to jf */
	OP_RET_K,
	OP_RET_A,
	OP_MOVE, /* reg = the other of A and X */
	/* not in the table: what OP_LOAD and others become */
	OP_ANC,    /* A = ancillary datum k */
	OP_REJECT, /* return 0 */
	OP_NOP,
};

/* The values that a program has: bits of a liveness mask, indices of arrays. */
enum {
	VAL_A,
	VAL_X,
	VAL_M,
	NR_VALUES = VAL_M + BPF_MEMWORDS,
	/* liveness only: REG_DATA and REG_END; REG_XDATA */
	VAL_PACKET = NR_VALUES,
	VAL_XDATA,
};

#define BIT(n) (1U << (n))

/* Registers that a call clobbers, and what is in them. */
static const struct {
	uint8_t reg;
	uint8_t val;
} saved[] = {
	{ REG_A, VAL_A },         { REG_X, VAL_X },
	{ REG_DATA, VAL_PACKET }, { REG_END, VAL_PACKET },
	{ REG_XDATA, VAL_XDATA },
};

#define NR_SAVED (sizeof(saved) / sizeof(saved[0]))

/*
 * The cBPF opcodes, exactly those that bpf_filter() knows. ALU and jump
 * operations have the same codes in eBPF.
 */
static const struct opcode {
	uint8_t op;
	uint8_t val; /* VAL_A or VAL_X where op speaks of reg */
	uint8_t size;
	bool ind;
} opcodes[256] = {
	[BPF_LD | BPF_ABS | BPF_W] = { OP_LOAD, VAL_A, 4, false },
	[BPF_LD | BPF_ABS | BPF_H] = { OP_LOAD, VAL_A, 2, false },
	[BPF_LD | BPF_ABS | BPF_B] = { OP_LOAD, VAL_A, 1, false },
	[BPF_LD | BPF_IND | BPF_W] = { OP_LOAD, VAL_A, 4, true },
	[BPF_LD | BPF_IND | BPF_H] = { OP_LOAD, VAL_A, 2, true },
	[BPF_LD | BPF_IND | BPF_B] = { OP_LOAD, VAL_A, 1, true },
	[BPF_LDX | BPF_MSH | BPF_B] = { OP_MSH, VAL_X, 1, false },
	[BPF_LD | BPF_IMM] = { OP_IMM, VAL_A, 0, false },
	[BPF_LDX | BPF_IMM] = { OP_IMM, VAL_X, 0, false },
	[BPF_LD | BPF_MEM] = { OP_MEM, VAL_A, 0, false },
	[BPF_LDX | BPF_MEM] = { OP_MEM, VAL_X, 0, false },
	[BPF_LD | BPF_LEN] = { OP_LEN, VAL_A, 0, false },
	[BPF_LDX | BPF_LEN] = { OP_LEN, VAL_X, 0, false },
	[BPF_ST] = { OP_STORE, VAL_A, 0, false },
	[BPF_STX] = { OP_STORE, VAL_X, 0, false },
/* clang-format off */
#define ALU(name)                                                 \
	[BPF_ALU | (name) | BPF_K] = { OP_ALU, VAL_A, 0, false }, \
	[BPF_ALU | (name) | BPF_X] = { OP_ALU, VAL_A, 0, false }
	ALU(BPF_ADD), ALU(BPF_SUB), ALU(BPF_MUL), ALU(BPF_DIV), ALU(BPF_MOD),
	ALU(BPF_AND), ALU(BPF_OR), ALU(BPF_XOR), ALU(BPF_LSH), ALU(BPF_RSH),
#undef ALU
#define JUMP(name)                                                 \
	[BPF_JMP | (name) | BPF_K] = { OP_JUMP, VAL_A, 0, false }, \
	[BPF_JMP | (name) | BPF_X] = { OP_JUMP, VAL_A, 0, false }
	JUMP(BPF_JEQ), JUMP(BPF_JGT), JUMP(BPF_JGE), JUMP(BPF_JSET),
#undef JUMP
	/* clang-format on */
	[BPF_ALU | BPF_NEG] = { OP_NEG, VAL_A, 0, false },
	[BPF_JMP | BPF_JA] = { OP_JA, 0, 0, false },
	[BPF_RET | BPF_K] = { OP_RET_K, 0, 0, false },
	[BPF_RET | BPF_A] = { OP_RET_A, VAL_A, 0, false },
	[BPF_MISC | BPF_TAX] = { OP_MOVE, VAL_X, 0, false },
	[BPF_MISC | BPF_TXA] = { OP_MOVE, VAL_A, 0, false },
};

/* Ancillary loads by (k - SKF_AD_OFF) / 4; those not taken have no slot. */
enum anc_how {
	ANC_REFUSED,
	ANC_CONSTANT, /* known now */
	ANC_CTX,      /* a field of struct xdp_md */
	ANC_CALL,     /* a helper without arguments */
	ANC_CACHED,   /* computed from the packet before anything else */
};

/* Where those that are computed before anything else are kept. */
#define ANC_SLOT_PROTOCOL 0
#define ANC_SLOT_TAG      1
#define ANC_SLOT_PRESENT  2

static const struct anc {
	const char *name;
	uint8_t how;
	uint16_t arg; /* offset in struct xdp_md, helper, or ANC_SLOT_ */
} ancillary[SKF_AD_MAX / 4] = {
	[SKF_AD_PROTOCOL / 4] = { "SKF_AD_PROTOCOL", ANC_CACHED,
				  ANC_SLOT_PROTOCOL },
	[SKF_AD_PKTTYPE / 4] = { "SKF_AD_PKTTYPE", ANC_CONSTANT, 0 },
	[SKF_AD_IFINDEX / 4] = { "SKF_AD_IFINDEX", ANC_CTX,
				 offsetof(struct xdp_md, ingress_ifindex) },
	[SKF_AD_NLATTR / 4] = { "SKF_AD_NLATTR", ANC_REFUSED, 0 },
	[SKF_AD_NLATTR_NEST / 4] = { "SKF_AD_NLATTR_NEST", ANC_REFUSED, 0 },
	[SKF_AD_MARK / 4] = { "SKF_AD_MARK", ANC_REFUSED, 0 },
	[SKF_AD_QUEUE / 4] = { "SKF_AD_QUEUE", ANC_CTX,
			       offsetof(struct xdp_md, rx_queue_index) },
	[SKF_AD_HATYPE / 4] = { "SKF_AD_HATYPE", ANC_REFUSED, 0 },
	[SKF_AD_RXHASH / 4] = { "SKF_AD_RXHASH", ANC_REFUSED, 0 },
	[SKF_AD_CPU / 4] = { "SKF_AD_CPU", ANC_CALL,
			     BPF_FUNC_get_smp_processor_id },
	[SKF_AD_ALU_XOR_X / 4] = { "SKF_AD_ALU_XOR_X", ANC_REFUSED, 0 },
	[SKF_AD_VLAN_TAG / 4] = { "SKF_AD_VLAN_TAG", ANC_CACHED, ANC_SLOT_TAG },
	[SKF_AD_VLAN_TAG_PRESENT / 4] = { "SKF_AD_VLAN_TAG_PRESENT", ANC_CACHED,
					  ANC_SLOT_PRESENT },
	[SKF_AD_PAY_OFFSET / 4] = { "SKF_AD_PAY_OFFSET", ANC_REFUSED, 0 },
	[SKF_AD_RANDOM / 4] = { "SKF_AD_RANDOM", ANC_CALL,
				BPF_FUNC_get_prandom_u32 },
	[SKF_AD_VLAN_TPID / 4] = { "SKF_AD_VLAN_TPID", ANC_REFUSED, 0 },
};

/*
 * Where A and X come from.
 *
 * Of interest is what the verifier makes of them. On a path that cannot be, what
 * comparisons taught it can contradict itself: it then takes a value for some
 * constant that it never is, and refuses to add it to a pointer. Nothing of the
 * kind can happen to a value that would pass the comparison if all that was
 * loaded were 0, as long as nothing that it was computed from was compared.
 */
struct source {
	bool a, x;       /* nothing it was computed from was compared */
	bool linked;     /* what is learned of A may hold for X, too */
	bool x_msh;      /* the verifier knows that X is at most MAX_MSH */
	bool same;       /* A and X are equal */
	uint32_t a0, x0; /* the value if all that was loaded were 0 */
	uint32_t x_from; /* X is from MSH of k = x_from - 1; 0: it is not */
};

/* One cBPF instruction. Jump targets are node indices; n is "return 0". */
struct node {
	uint8_t op;   /* enum op */
	uint8_t val;  /* VAL_A or VAL_X, see enum op */
	uint8_t size; /* bytes loaded from the packet */
	uint8_t alu;  /* BPF_ADD..., BPF_JEQ... */
	bool ind;     /* the load is relative to X */
	bool x;       /* the operand is X, not k */
	bool used;    /* reached; after prune: has code */
	bool dead;    /* the result is not used, only the check */
	bool small_x; /* 0 <= X < 32, for shifts */
	bool check;   /* checks data + need first */
	bool check_x; /* checks data + X + need_x first */
	uint8_t raw;  /* in network order: size of the value, or 0 */
	bool far;     /* needed in the far copy */
	uint32_t k;
	uint32_t jt, jf; /* equal if it is no conditional jump */
	uint32_t next;   /* prune: where a jump to this node ends up */
	uint32_t edges;  /* that lead to it */
	uint32_t chain;  /* it is the first of so many comparisons, or 0 */
	uint32_t live;   /* live before the node */
	uint32_t live_out;
	uint32_t x_max;       /* the largest X can be before the node */
	struct source source; /* before the node */
	/*
	 * Every path from here on that does not reject anyway reads at least
	 * this many bytes of the packet, and of the packet after X bytes.
	 */
	uint32_t need, need_x;
	/* How much is proven before the node: on the worst and best edge. */
	uint32_t have_min, have_max, have_x_min, have_x_max;
};

/* What is known of a value: lo <= value <= hi. */
struct range {
	uint32_t lo, hi;
};

/* The labels of a node. */
enum {
	LABEL_CHECK,
	LABEL_CHECK_X,
	LABEL_BODY,
	LABEL_FAR,
	LABEL_HALF, /* the upper half of a binary search, from here on */
	LABELS_PER_NODE,
};

struct translation {
	const struct xdpcap_translate_opts *opts;
	struct xdpcap_translate_error *err;
	size_t n;          /* cBPF instructions */
	struct node *node; /* n + 1: the last one is "return 0" */
	uint32_t entry;    /* node that the program starts with */
	bool reads_packet; /* or its length */
	bool far_only;
	bool blur_m; /* M[] must have no known values: see put_blur() */

	/* emission */
	struct bpf_insn *insn;
	int32_t *link; /* per jump: the previous one to its label */
	int32_t *origin;
	size_t len, cap;
	size_t far_start, far_end;
	size_t checks;
	size_t oldest;  /* no open jump is before this */
	int32_t *refs;  /* per label: the last open jump to it, or -1 */
	uint32_t *open; /* labels with open jumps */
	size_t nr_open;
	int32_t at; /* origin of what is emitted now */
	bool no_memory;
	bool too_far;
};

static int fail(struct translation *t, size_t insn, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int fail(struct translation *t, size_t insn, const char *fmt, ...)
{
	va_list ap;

	t->err->insn = insn;
	va_start(ap, fmt);
	vsnprintf(t->err->msg, sizeof(t->err->msg), fmt, ap);
	va_end(ap);
	return -1;
}

/* ---- decode ---------------------------------------------------------- */

/* Loads from SKF_AD_OFF on that linux/filter.h names are no packet loads. */
static void decode_load(struct node *nd)
{
	uint32_t off = nd->k - (uint32_t)SKF_AD_OFF;

	if (nd->ind || off >= SKF_AD_MAX || off % 4 != 0)
		return;
	nd->op = OP_ANC;
	nd->k = off / 4;
}

static int decode_jump(struct translation *t, size_t i,
		       const struct sock_filter *f)
{
	struct node *nd = &t->node[i];
	uint32_t from = (uint32_t)i + 1;

	/* As in bpf_validate(), JA's sum wraps: backwards is valid there. */
	nd->jt = from + (nd->op == OP_JA ? f->k : f->jt);
	nd->jf = nd->op == OP_JA ? nd->jt : from + f->jf;
	if (nd->jt >= t->n || nd->jf >= t->n)
		return fail(t, i, "jump beyond the end of the program");
	return 0;
}

static int decode_insn(struct translation *t, size_t i,
		       const struct sock_filter *f)
{
	struct node *nd = &t->node[i];
	const struct opcode *o;

	if (f->code >= 256 || opcodes[f->code].op == OP_INVALID)
		return fail(t, i, "unknown instruction, code 0x%x", f->code);
	o = &opcodes[f->code];
	nd->op = o->op;
	nd->val = o->val;
	nd->size = o->size;
	nd->ind = o->ind;
	nd->k = f->k;
	nd->jt = nd->jf = (uint32_t)i + 1;

	switch (nd->op) {
	case OP_LOAD:
		decode_load(nd);
		return 0;
	case OP_MEM:
	case OP_STORE:
		if (nd->k >= BPF_MEMWORDS)
			return fail(t, i, "M[%u]: there are only %d", nd->k,
				    BPF_MEMWORDS);
		return 0;
	case OP_ALU:
		nd->alu = BPF_OP(f->code);
		nd->x = BPF_SRC(f->code) == BPF_X;
		if ((nd->alu == BPF_DIV || nd->alu == BPF_MOD) && !nd->x &&
		    nd->k == 0)
			return fail(t, i, "division by the constant 0");
		return 0;
	case OP_JA:
	case OP_JUMP:
		nd->alu = BPF_OP(f->code);
		nd->x = BPF_SRC(f->code) == BPF_X;
		return decode_jump(t, i, f);
	default:
		return 0;
	}
}

static int decode(struct translation *t, const struct sock_filter *cbpf)
{
	for (size_t i = 0; i < t->n; i++)
		if (decode_insn(t, i, &cbpf[i]) < 0)
			return -1;
	if (BPF_CLASS(cbpf[t->n - 1].code) != BPF_RET)
		return fail(t, t->n - 1, "the last instruction is no return");
	t->node[t->n] = (struct node){
		.op = OP_REJECT,
		.next = (uint32_t)t->n,
		.need = NEED_ANYTHING,
		.need_x = NEED_ANYTHING,
	};
	return 0;
}

/* ---- fold ------------------------------------------------------------ */

static bool divides_by_x(const struct node *nd)
{
	return nd->op == OP_ALU && nd->x &&
	       (nd->alu == BPF_DIV || nd->alu == BPF_MOD);
}

/* A shift by X needs a comparison: eBPF's shift uses the low 5 bits only. */
static bool shifts_far(const struct node *nd)
{
	return nd->op == OP_ALU && nd->x && !nd->small_x &&
	       (nd->alu == BPF_LSH || nd->alu == BPF_RSH);
}

static const struct range any = { 0, UINT32_MAX };

static bool is_const(struct range r)
{
	return r.lo == r.hi;
}

static struct range exactly(uint32_t k)
{
	return (struct range){ k, k };
}

static struct range at_most(uint64_t hi)
{
	return hi > UINT32_MAX ? any : (struct range){ 0, (uint32_t)hi };
}

/* All ones up to the highest bit that is set in v. */
static uint32_t ones_up_to(uint32_t v)
{
	for (int shift = 1; shift < 32; shift *= 2)
		v |= v >> shift;
	return v;
}

/* cBPF arithmetic; b is not 0 for a division. */
static uint32_t alu_value(uint8_t alu, uint32_t a, uint32_t b)
{
	switch (alu) {
	case BPF_ADD:
		return a + b;
	case BPF_SUB:
		return a - b;
	case BPF_MUL:
		return a * b;
	case BPF_DIV:
		return a / b;
	case BPF_MOD:
		return a % b;
	case BPF_AND:
		return a & b;
	case BPF_OR:
		return a | b;
	case BPF_XOR:
		return a ^ b;
	case BPF_LSH:
		return b < 32 ? a << b : 0;
	default: /* BPF_RSH */
		return b < 32 ? a >> b : 0;
	}
}

/* Bounds of A alu b. */
static struct range alu_range(uint8_t alu, struct range a, struct range b)
{
	switch (alu) {
	case BPF_ADD:
		return at_most((uint64_t)a.hi + b.hi);
	case BPF_MUL:
		return at_most((uint64_t)a.hi * b.hi);
	case BPF_AND:
		return at_most(a.hi < b.hi ? a.hi : b.hi);
	case BPF_OR:
	case BPF_XOR:
		return at_most(ones_up_to(a.hi | b.hi));
	case BPF_LSH:
		return b.hi < 32 ? at_most((uint64_t)a.hi << b.hi) : any;
	case BPF_RSH:
		return b.hi < 32 ? at_most(a.hi >> b.lo) : at_most(a.hi);
	case BPF_DIV:
		return at_most(a.hi);
	case BPF_MOD:
		return at_most(b.hi ? b.hi - 1 : 0);
	default: /* BPF_SUB */
		return any;
	}
}

/* Does A alu k leave A as it is? */
static bool is_identity(uint8_t alu, uint32_t k)
{
	switch (alu) {
	case BPF_ADD:
	case BPF_SUB:
	case BPF_OR:
	case BPF_XOR:
	case BPF_LSH:
	case BPF_RSH:
		return k == 0;
	case BPF_MUL:
	case BPF_DIV:
		return k == 1;
	case BPF_AND:
		return k == UINT32_MAX;
	default:
		return false;
	}
}

/* Is A alu k the same for every A? */
static bool is_annihilator(uint8_t alu, uint32_t k)
{
	switch (alu) {
	case BPF_MUL:
	case BPF_AND:
		return k == 0;
	case BPF_MOD:
		return k == 1;
	case BPF_LSH:
	case BPF_RSH:
		return k >= 32;
	default:
		return false;
	}
}

/* 1 and 0: A alu k for every A in the range; -1: it depends. */
static int decide(uint8_t alu, struct range a, uint32_t k)
{
	switch (alu) {
	case BPF_JEQ:
		if (k < a.lo || k > a.hi)
			return 0;
		return is_const(a) ? 1 : -1;
	case BPF_JGT:
		return a.lo > k ? 1 : a.hi <= k ? 0 : -1;
	case BPF_JGE:
		return a.lo >= k ? 1 : a.hi < k ? 0 : -1;
	default: /* BPF_JSET */
		if (is_const(a))
			return (a.lo & k) != 0;
		return (ones_up_to(a.hi) & k) == 0 ? 0 : -1;
	}
}

static void become_imm(struct node *nd, uint32_t k)
{
	nd->op = OP_IMM;
	nd->k = k;
}

static void become_reject(struct translation *t, struct node *nd)
{
	nd->op = OP_REJECT;
	nd->jt = nd->jf = (uint32_t)t->n;
}

/* A division by a power of 2 costs as much as any other one otherwise. */
static void reduce_strength(struct node *nd)
{
	if ((nd->alu != BPF_DIV && nd->alu != BPF_MOD) ||
	    (nd->k & (nd->k - 1)) != 0)
		return;
	if (nd->alu == BPF_DIV) {
		nd->alu = BPF_RSH;
		nd->k = (uint32_t)__builtin_ctz(nd->k);
	} else {
		nd->alu = BPF_AND;
		nd->k--;
	}
}

static void fold_alu(struct translation *t, struct node *nd, struct range *v)
{
	struct range b = nd->x ? v[VAL_X] : exactly(nd->k);

	nd->small_x = b.hi < 32;
	if (nd->x && is_const(b)) {
		nd->x = false;
		nd->k = b.lo;
	}
	if (!nd->x && nd->k == 0 && (nd->alu == BPF_DIV || nd->alu == BPF_MOD)) {
		become_reject(t, nd);
		return;
	}
	if (!nd->x && is_const(v[VAL_A])) {
		become_imm(nd, alu_value(nd->alu, v[VAL_A].lo, nd->k));
	} else if (!nd->x && is_annihilator(nd->alu, nd->k)) {
		become_imm(nd, 0);
	} else if (!nd->x && is_identity(nd->alu, nd->k)) {
		nd->op = OP_NOP;
		return;
	} else if (!nd->x) {
		reduce_strength(nd);
		b = exactly(nd->k);
	}
	v[VAL_A] = nd->op == OP_IMM ? exactly(nd->k) :
				      alu_range(nd->alu, v[VAL_A], b);
}

static void fold_jump(struct node *nd, const struct range *v)
{
	int decided;

	if (nd->x && is_const(v[VAL_X])) {
		nd->x = false;
		nd->k = v[VAL_X].lo;
	}
	if (!nd->x)
		decided = decide(nd->alu, v[VAL_A], nd->k);
	else if (nd->source.same && nd->alu != BPF_JSET)
		decided = nd->alu != BPF_JGT;
	else
		decided = -1;
	if (decided < 0)
		return;
	nd->op = OP_JA;
	nd->jt = nd->jf = decided ? nd->jt : nd->jf;
}

static void fold_load(struct translation *t, struct node *nd, struct range *v)
{
	uint64_t end = (uint64_t)nd->k + nd->size;

	if (nd->ind)
		end += v[VAL_X].lo;
	if (end > MAX_PACKET_END) {
		become_reject(t, nd);
		return;
	}
	if (nd->ind && is_const(v[VAL_X])) {
		nd->ind = false;
		nd->k += v[VAL_X].lo;
	}
	if (nd->op == OP_MSH && nd->source.x_from == nd->k + 1)
		nd->op = OP_NOP; /* X is what this would load */
	else if (nd->op == OP_MSH)
		v[VAL_X] = at_most(MAX_MSH);
	else
		v[VAL_A] = at_most((1ULL << (8 * nd->size)) - 1);
}

static int fold_ancillary(struct translation *t, size_t i, struct range *v)
{
	struct node *nd = &t->node[i];
	const struct anc *anc = &ancillary[nd->k];

	switch (anc->how) {
	case ANC_REFUSED:
		return fail(t, i, "%s: an XDP program cannot answer it",
			    anc->name);
	case ANC_CONSTANT:
		become_imm(nd, xdpcap_pkttype(t->opts->action));
		v[VAL_A] = exactly(nd->k);
		return 0;
	default:
		v[VAL_A] = any;
		return 0;
	}
}

/* reg = something of which v is known. */
static void fold_move(struct node *nd, struct range *v, struct range from)
{
	v[nd->val] = from;
	if (is_const(from))
		become_imm(nd, from.lo);
}

/* Rewrite node i given what is known before it, and make v what is after it. */
static int fold_node(struct translation *t, size_t i, struct range *v)
{
	struct node *nd = &t->node[i];

	switch (nd->op) {
	case OP_LOAD:
	case OP_MSH:
		fold_load(t, nd, v);
		return 0;
	case OP_IMM:
		v[nd->val] = exactly(nd->k);
		return 0;
	case OP_MEM:
		fold_move(nd, v, v[VAL_M + nd->k]);
		return 0;
	case OP_MOVE:
		fold_move(nd, v, v[nd->val == VAL_A ? VAL_X : VAL_A]);
		return 0;
	case OP_LEN:
		v[nd->val] = any;
		return 0;
	case OP_STORE:
		v[VAL_M + nd->k] = v[nd->val];
		return 0;
	case OP_ALU:
		fold_alu(t, nd, v);
		return 0;
	case OP_NEG:
		if (is_const(v[VAL_A]))
			become_imm(nd, 0U - v[VAL_A].lo);
		v[VAL_A] = nd->op == OP_IMM ? exactly(nd->k) : any;
		return 0;
	case OP_JUMP:
		fold_jump(nd, v);
		return 0;
	case OP_JA:
		if (nd->jt <= i)
			return fail(t, i,
				    "jumps backwards (protochain?): "
				    "filter in user space instead");
		return 0;
	case OP_RET_A:
		if (is_const(v[VAL_A])) {
			nd->op = OP_RET_K;
			nd->k = v[VAL_A].lo;
		}
		break;
	case OP_ANC:
		return fold_ancillary(t, i, v);
	}
	if (nd->op == OP_RET_K && nd->k == 0)
		become_reject(t, nd);
	return 0;
}

static void source_compare(struct source *v, bool a, bool x)
{
	if (a || v->linked)
		v->a = false;
	if (x || v->linked)
		v->x = v->x_msh = false;
}

/* reg = something that nobody knows anything of, or the constant k */
static void source_new(struct source *v, uint8_t val, uint32_t k)
{
	v->linked = v->same = false;
	if (val == VAL_A) {
		v->a = true;
		v->a0 = k;
	} else {
		v->x = true;
		v->x0 = k;
		v->x_msh = false;
		v->x_from = 0;
	}
}

static void source_alu(struct source *v, const struct node *nd)
{
	v->same = false;
	if (divides_by_x(nd) || shifts_far(nd))
		source_compare(v, false, true);
	if (nd->x && !v->x)
		v->a = false;
	if (v->a)
		v->a0 = alu_value(nd->alu, v->a0, nd->x ? v->x0 : nd->k);
}

static struct source source_after(const struct node *nd)
{
	struct source v = nd->source;

	switch (nd->op) {
	case OP_LOAD:
	case OP_ANC:
	case OP_LEN:
		source_new(&v, nd->val, 0);
		break;
	case OP_IMM:
		source_new(&v, nd->val, nd->k);
		break;
	case OP_MSH:
		source_new(&v, VAL_X, 0);
		v.x_msh = true;
		v.x_from = nd->k + 1;
		break;
	case OP_MEM:
		source_new(&v, nd->val, 0);
		source_compare(&v, nd->val == VAL_A, nd->val == VAL_X);
		v.linked = true; /* maybe: the slot can be a copy */
		break;
	case OP_MOVE:
		if (nd->val == VAL_X) {
			v.x = v.a;
			v.x0 = v.a0;
			v.x_msh = false;
			v.x_from = 0;
		} else {
			v.a = v.x;
			v.a0 = v.x0;
		}
		v.linked = v.same = true;
		break;
	case OP_ALU:
		source_alu(&v, nd);
		break;
	case OP_NEG:
		v.a0 = 0U - v.a0;
		v.same = false;
		break;
	case OP_JUMP:
		source_compare(&v, true, nd->x);
		break;
	}
	return v;
}

static void source_meet(struct source *v, const struct source *w)
{
	v->a = v->a && w->a && v->a0 == w->a0;
	v->x = v->x && w->x && v->x0 == w->x0;
	v->linked |= w->linked;
	v->same &= w->same;
	v->x_msh &= w->x_msh;
	if (v->x_from != w->x_from)
		v->x_from = 0;
}

/* v is known on one more edge to node i. */
static void meet(struct translation *t, struct range *in, size_t i,
		 const struct range *v, const struct source *source)
{
	struct range *old = &in[i * NR_VALUES];

	if (i == t->n)
		return;
	if (!t->node[i].used) {
		t->node[i].used = true;
		t->node[i].source = *source;
		memcpy(old, v, NR_VALUES * sizeof(*old));
		return;
	}
	source_meet(&t->node[i].source, source);
	for (size_t j = 0; j < NR_VALUES; j++) {
		if (v[j].lo < old[j].lo)
			old[j].lo = v[j].lo;
		if (v[j].hi > old[j].hi)
			old[j].hi = v[j].hi;
	}
}

static bool is_return(const struct node *nd)
{
	return nd->op == OP_RET_K || nd->op == OP_RET_A;
}

static int fold(struct translation *t)
{
	struct range *in = calloc(t->n * NR_VALUES, sizeof(*in));
	struct range v[NR_VALUES];
	struct source source;
	int ret = 0;

	if (!in) {
		t->no_memory = true;
		return -1;
	}
	/* Everything is 0 at first. */
	t->node[0].used = true;
	t->node[0].source = (struct source){ .a = true, .x = true };
	for (size_t i = 0; i < t->n; i++) {
		struct node *nd = &t->node[i];

		if (!nd->used)
			continue;
		memcpy(v, &in[i * NR_VALUES], sizeof(v));
		nd->x_max = v[VAL_X].hi;
		ret = fold_node(t, i, v);
		if (ret < 0)
			break;
		if (is_return(nd))
			continue;
		source = source_after(nd);
		meet(t, in, nd->jt, v, &source);
		meet(t, in, nd->jf, v, &source);
	}
	free(in);
	return ret;
}

/* ---- prune ----------------------------------------------------------- */

static uint32_t max_u32(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

static uint32_t min_u32(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static bool reads_packet(const struct node *nd)
{
	return nd->op == OP_LOAD || nd->op == OP_MSH;
}

/* Values that a node sets. */
static uint32_t defs(const struct node *nd)
{
	switch (nd->op) {
	case OP_STORE:
		return BIT(VAL_M + nd->k);
	case OP_LOAD:
	case OP_MSH:
	case OP_IMM:
	case OP_MEM:
	case OP_LEN:
	case OP_ALU:
	case OP_NEG:
	case OP_MOVE:
	case OP_ANC:
		/* A new X is also a new data + X. */
		return nd->val == VAL_X ? BIT(VAL_X) | BIT(VAL_XDATA) :
					  BIT(VAL_A);
	default:
		return 0;
	}
}

/* Values that a node needs before it. */
static uint32_t uses(const struct translation *t, const struct node *nd)
{
	switch (nd->op) {
	case OP_LOAD:
	case OP_MSH:
		if (nd->ind)
			return BIT(VAL_X) | BIT(VAL_XDATA) | BIT(VAL_PACKET);
		return BIT(VAL_PACKET);
	case OP_LEN:
		return t->opts->frags ? 0 : BIT(VAL_PACKET);
	case OP_MEM:
		return BIT(VAL_M + nd->k);
	case OP_STORE:
		return BIT(nd->val);
	case OP_MOVE:
		return BIT(nd->val == VAL_A ? VAL_X : VAL_A);
	case OP_ALU:
		if (nd->dead)
			return BIT(VAL_X);
		return nd->x ? BIT(VAL_A) | BIT(VAL_X) : BIT(VAL_A);
	case OP_JUMP:
		return nd->x ? BIT(VAL_A) | BIT(VAL_X) : BIT(VAL_A);
	case OP_NEG:
	case OP_RET_A:
		return BIT(VAL_A);
	default:
		return 0;
	}
}

/* Can the node end the program, whatever becomes of its result? */
static bool may_reject(const struct node *nd)
{
	return reads_packet(nd) || divides_by_x(nd);
}

/* Bytes that are needed before a node, given those needed after it. */
static void add_needs(struct node *nd, const struct node *jt,
		      const struct node *jf)
{
	uint32_t end = nd->k + nd->size;

	nd->need = min_u32(jt->need, jf->need);
	nd->need_x = min_u32(jt->need_x, jf->need_x);
	if (defs(nd) & BIT(VAL_X))
		nd->need_x = 0;
	if (reads_packet(nd) && nd->ind)
		nd->need_x = max_u32(end, nd->need_x);
	else if (reads_packet(nd))
		nd->need = max_u32(end, nd->need);
}

/* One return per value is enough: the last. */
static uint32_t share_return(struct translation *t, uint32_t *returns,
			     size_t *nr, uint32_t i)
{
	for (size_t j = 0; j < *nr; j++)
		if (t->node[returns[j]].k == t->node[i].k)
			return returns[j];
	returns[(*nr)++] = i;
	return i;
}

static void prune_node(struct translation *t, uint32_t i)
{
	struct node *nd = &t->node[i];
	const struct node *jt, *jf;

	nd->next = i;
	nd->jt = t->node[nd->jt].next;
	nd->jf = t->node[nd->jf].next;
	jt = &t->node[nd->jt];
	jf = &t->node[nd->jf];

	if (nd->jt == t->n && nd->jf == t->n) {
		nd->next = (uint32_t)t->n; /* rejects whatever it does */
		return;
	}
	nd->live_out = jt->live | jf->live;
	if (nd->jt == nd->jf && (defs(nd) & nd->live_out) == 0) {
		if (!may_reject(nd)) {
			nd->next = nd->jt; /* does nothing */
			return;
		}
		nd->dead = true;
	}
	nd->live = (nd->live_out & ~defs(nd)) | uses(t, nd);
	add_needs(nd, jt, jf);
}

/*
 * Find out what each node has to do, and bend jumps past those that have
 * nothing to do. Nodes that are still used then have code.
 */
static int prune(struct translation *t)
{
	uint32_t *returns = calloc(t->n, sizeof(*returns));
	size_t nr_returns = 0;

	if (!returns) {
		t->no_memory = true;
		return -1;
	}
	for (uint32_t i = (uint32_t)t->n; i-- > 0;) {
		struct node *nd = &t->node[i];

		if (!nd->used)
			continue;
		if (nd->op == OP_RET_K) {
			nd->next = share_return(t, returns, &nr_returns, i);
		} else if (nd->op == OP_RET_A) {
			nd->next = i;
			nd->live = uses(t, nd);
		} else {
			prune_node(t, i);
		}
	}
	free(returns);

	t->entry = t->node[0].next;
	for (size_t i = 0; i < t->n; i++)
		t->node[i].used = false;
	t->node[t->entry].used = true;
	for (size_t i = 0; i < t->n; i++) {
		const struct node *nd = &t->node[i];

		if (!nd->used || is_return(nd))
			continue;
		t->node[nd->jt].used = true;
		t->node[nd->jf].used = true;
		t->reads_packet |= reads_packet(nd) || nd->op == OP_LEN;
	}
	return 0;
}

/* ---- place_checks ---------------------------------------------------- */

static void add_edge(struct translation *t, uint32_t to, uint32_t have,
		     uint32_t have_x)
{
	struct node *nd = &t->node[to];

	nd->edges++;
	nd->have_min = min_u32(nd->have_min, have);
	nd->have_max = max_u32(nd->have_max, have);
	nd->have_x_min = min_u32(nd->have_x_min, have_x);
	nd->have_x_max = max_u32(nd->have_x_max, have_x);
}

/*
 * Check before a load that some edge has not proved, and at once for all that
 * follows (need). Where only some of the edges have proved that, check on the
 * others, already there, so that no path checks again what it knows.
 */
static bool must_check(bool load, uint32_t end, uint32_t need,
		       uint32_t have_min, uint32_t have_max)
{
	if (load && end > have_min)
		return true;
	return have_min < need && have_max >= need;
}

/* What is proven after a node, for direct loads and those relative to X. */
static uint32_t have_after(const struct node *nd)
{
	return nd->check ? nd->need : nd->have_min;
}

static uint32_t have_x_after(const struct node *nd)
{
	if (defs(nd) & BIT(VAL_X))
		return 0;
	return nd->check_x ? nd->need_x : nd->have_x_min;
}

static void place_checks(struct translation *t)
{
	for (size_t i = 0; i <= t->n; i++)
		t->node[i].have_min = t->node[i].have_x_min = UINT32_MAX;
	add_edge(t, t->entry, 0, 0);

	for (size_t i = 0; i < t->n; i++) {
		struct node *nd = &t->node[i];
		uint32_t end = nd->k + nd->size;
		bool load = reads_packet(nd);

		if (!nd->used)
			continue;
		nd->check = must_check(load && !nd->ind, end, nd->need,
				       nd->have_min, nd->have_max);
		nd->check_x = must_check(load && nd->ind, end, nd->need_x,
					 nd->have_x_min, nd->have_x_max);
		if (is_return(nd))
			continue;
		add_edge(t, nd->jt, have_after(nd), have_x_after(nd));
		add_edge(t, nd->jf, have_after(nd), have_x_after(nd));
	}
}

/* ---- find_raw -------------------------------------------------------- */

/*
 * A web is a set of instructions that set and use A, connected by the values
 * that go from one to the other. If all that set it load the same number of
 * bytes, and all that use it compare it with constants for equality or change
 * single bits, then the constants can be swapped now instead of the value each
 * time.
 */
struct web {
	uint32_t parent; /* of a disjoint-set forest */
	uint8_t size;    /* of its loads, or 0 */
	bool mixed;      /* cannot be raw */
	uint32_t bits;   /* all bits that its constants have */
};

static uint32_t web_find(struct web *w, uint32_t i)
{
	while (w[i].parent != i) {
		w[i].parent = w[w[i].parent].parent;
		i = w[i].parent;
	}
	return i;
}

static void web_union(struct web *w, uint32_t i, uint32_t j)
{
	i = web_find(w, i);
	j = web_find(w, j);
	if (i == j)
		return;
	w[j].parent = i;
	if (w[i].size == 0)
		w[i].size = w[j].size;
	w[i].mixed |= w[j].mixed || (w[j].size != 0 && w[i].size != w[j].size);
	w[i].bits |= w[j].bits;
}

/* Does the node work on a value of A whose bytes are swapped? */
static bool raw_use(const struct node *nd)
{
	if (nd->x)
		return false;
	if (nd->op == OP_JUMP)
		return nd->alu == BPF_JEQ || nd->alu == BPF_JSET;
	return nd->op == OP_ALU &&
	       (nd->alu == BPF_AND || nd->alu == BPF_OR || nd->alu == BPF_XOR);
}

/*
 * Web i is that of the value which A has before node i; the value that it has
 * after the node is in web jt or jf of the next.
 */
static void web_add_node(struct translation *t, struct web *w, uint32_t i)
{
	struct node *nd = &t->node[i];
	bool sets = defs(nd) & BIT(VAL_A);
	uint32_t here = web_find(w, i);

	if ((uses(t, nd) & BIT(VAL_A)) && !raw_use(nd))
		w[here].mixed = true;
	else if ((uses(t, nd) & BIT(VAL_A)) && nd->alu != BPF_AND)
		w[here].bits |= nd->k;
	if (is_return(nd) || !(nd->live_out & BIT(VAL_A)))
		return;

	if (!sets || raw_use(nd)) {
		if (t->node[nd->jt].live & BIT(VAL_A))
			web_union(w, i, nd->jt);
		if (t->node[nd->jf].live & BIT(VAL_A))
			web_union(w, i, nd->jf);
		return;
	}
	/* What sets A is no jump: it has one successor. */
	here = web_find(w, nd->jt);
	if (nd->op != OP_LOAD || nd->size == 1 ||
	    (w[here].size != 0 && w[here].size != nd->size))
		w[here].mixed = true;
	w[here].size = nd->size;
}

/* The web of the value that a node sets (if it does), or uses. */
static const struct web *web_of(const struct translation *t, struct web *w,
				uint32_t i)
{
	const struct node *nd = &t->node[i];

	return &w[web_find(w, nd->op == OP_LOAD ? nd->jt : i)];
}

static bool is_raw(const struct web *w)
{
	return !w->mixed && w->size != 0 &&
	       (w->size == 4 || w->bits <= UINT16_MAX);
}

static int find_raw(struct translation *t)
{
	struct web *w = calloc(t->n + 1, sizeof(*w));

	if (!w) {
		t->no_memory = true;
		return -1;
	}
	for (uint32_t i = 0; i <= t->n; i++)
		w[i].parent = i;
	/* A is 0 at first, a value that no load set. */
	w[t->entry].mixed = true;
	for (uint32_t i = 0; i < t->n; i++)
		if (t->node[i].used)
			web_add_node(t, w, i);
	for (uint32_t i = 0; i < t->n; i++) {
		struct node *nd = &t->node[i];
		const struct web *of = web_of(t, w, i);

		if (nd->used && !nd->dead && is_raw(of) &&
		    (nd->op == OP_LOAD || raw_use(nd)))
			nd->raw = of->size;
	}
	free(w);
	return 0;
}

/* A constant as it compares with a raw value. */
static uint32_t to_raw(uint8_t size, uint32_t k)
{
	switch (size) {
	case 2:
		return htons((uint16_t)k);
	case 4:
		return htonl(k);
	default:
		return k;
	}
}

/* ---- find_chains ------------------------------------------------------ */

/* Fewer comparisons than this are faster one after the other. */
#define MIN_CHAIN 8

static bool is_comparison(const struct node *nd)
{
	return nd->used && nd->op == OP_JUMP && nd->alu == BPF_JEQ && !nd->x;
}

/* Is there a comparison with k among the len ones from node i on? */
static bool chain_has(const struct translation *t, uint32_t i, uint32_t len,
		      uint32_t k)
{
	for (; len > 0; len--, i = t->node[i].jf)
		if (t->node[i].k == k)
			return true;
	return false;
}

/*
 * How many comparisons of A with different constants there are from node i on,
 * each of which is only reached if those before it failed.
 */
static uint32_t chain_length(const struct translation *t, uint32_t i)
{
	const struct node *nd;
	uint32_t len = 1;

	for (uint32_t j = t->node[i].jf; j < t->n; j = nd->jf, len++) {
		nd = &t->node[j];
		if (!is_comparison(nd) || nd->edges > 1 || nd->check ||
		    nd->check_x || chain_has(t, i, len, nd->k))
			break;
	}
	return len;
}

/*
 * `host A or host B or ...' compares the same value with one constant after the
 * other. A long row of them becomes a binary search, in near code; only its
 * first node is emitted there.
 */
static void find_chains(struct translation *t)
{
	for (uint32_t i = 0; i < t->n && !t->far_only; i++) {
		struct node *nd = &t->node[i];
		uint32_t len = is_comparison(nd) ? chain_length(t, i) : 0;

		if (len < MIN_CHAIN)
			continue;
		nd->chain = len;
		for (uint32_t j = nd->jf; --len > 0; j = t->node[j].jf)
			t->node[j].used = false;
	}
}

/* ---- verifier_copes -------------------------------------------------- */

/*
 * The verifier walks each path until it meets a state that it has seen at the
 * same instruction. What makes two states differ is how much of the packet is
 * proven, and where the values come from: it knows a constant, and bounds that
 * a comparison gave, on each path by itself. So walk the states ourselves, a
 * value being its history; nothing that is not live makes a difference. This
 * overestimates, since the verifier ignores values that decide nothing.
 */
struct state {
	uint32_t next; /* in the list of its node, 0: none */
	uint32_t have, have_x;
	uint32_t val[NR_VALUES];
};

struct walk {
	struct state *state; /* [0] is not used */
	size_t nr;
	uint32_t *first; /* per node: its states */
	uint32_t *hash;  /* state numbers, by node and state */
};

#define HASH_SIZE 65536 /* more than twice MAX_STATES */

static uint32_t mix(uint32_t a, uint32_t b)
{
	uint32_t h = (a ^ (a >> 15)) * 0x85ebca6bU + b * 0x9e3779b1U;

	h ^= h >> 13;
	h *= 0xc2b2ae35U;
	h ^= h >> 16;
	return h ? h : 1; /* 0 is a dead value */
}

static bool same_state(const struct state *a, const struct state *b)
{
	return memcmp(&a->have, &b->have,
		      sizeof(*a) - offsetof(struct state, have)) == 0;
}

/* A walk reaches node i with state s. false: there are too many states. */
static bool walk_to(struct translation *t, struct walk *w, uint32_t i,
		    const struct state *from)
{
	uint32_t live = t->node[i].live;
	struct state s = *from;
	uint32_t h;

	if (i == t->n)
		return true;
	if (!(live & BIT(VAL_PACKET)))
		s.have = 0;
	if (!(live & BIT(VAL_XDATA)))
		s.have_x = 0;
	h = mix(mix(s.have, s.have_x), i);
	for (size_t j = 0; j < NR_VALUES; j++) {
		if (!(live & BIT(j)))
			s.val[j] = 0;
		h = mix(h, s.val[j]);
	}
	for (h %= HASH_SIZE; w->hash[h]; h = (h + 1) % HASH_SIZE) {
		uint32_t other = w->hash[h];

		if (w->state[other].next >> 15 == i &&
		    same_state(&w->state[other], &s))
			return true;
	}
	if (w->nr == MAX_STATES)
		return false;
	w->hash[h] = (uint32_t)w->nr;
	/* 24576 states fit into 15 bits, 4096 nodes into the rest. */
	s.next = i << 15 | w->first[i];
	w->first[i] = (uint32_t)w->nr;
	w->state[w->nr++] = s;
	return true;
}

/* A comparison tells the verifier about all copies of the value. */
static void learn(struct state *s, uint32_t val, uint32_t what)
{
	uint32_t old = s->val[val];

	for (size_t j = 0; j < NR_VALUES; j++)
		if (s->val[j] == old)
			s->val[j] = mix(old, what);
}

static bool walk_branch(struct translation *t, struct walk *w, uint32_t i,
			const struct state *from)
{
	const struct node *nd = &t->node[i];

	for (uint32_t taken = 0; taken < 2; taken++) {
		struct state s = *from;

		learn(&s, VAL_A, 2 * i + taken);
		if (nd->x)
			learn(&s, VAL_X, 2 * i + taken);
		if (!walk_to(t, w, taken ? nd->jt : nd->jf, &s))
			return false;
	}
	return true;
}

static bool walk_node(struct translation *t, struct walk *w, uint32_t i,
		      struct state s)
{
	const struct node *nd = &t->node[i];

	if (nd->check)
		s.have = max_u32(s.have, nd->need);
	if (nd->check_x)
		s.have_x = max_u32(s.have_x, nd->need_x);
	if (defs(nd) & BIT(VAL_X))
		s.have_x = 0;

	switch (nd->op) {
	case OP_RET_K:
	case OP_RET_A:
		return true;
	case OP_JUMP:
		return walk_branch(t, w, i, &s);
	case OP_STORE:
		s.val[VAL_M + nd->k] = s.val[nd->val];
		break;
	case OP_MEM:
		s.val[nd->val] = s.val[VAL_M + nd->k];
		break;
	case OP_MOVE:
		s.val[nd->val] = s.val[nd->val == VAL_A ? VAL_X : VAL_A];
		break;
	case OP_ALU:
		s.val[VAL_A] =
			mix(mix(i, s.val[VAL_A]), nd->x ? s.val[VAL_X] : 0);
		if (shifts_far(nd))
			return walk_branch(t, w, i, &s);
		break;
	case OP_NEG:
		s.val[VAL_A] = mix(i, s.val[VAL_A]);
		break;
	default:
		s.val[nd->val] = mix(i, 0);
		break;
	}
	return walk_to(t, w, nd->jt, &s);
}

static bool walk_all(struct translation *t, struct walk *w)
{
	struct state zero = { 0 };

	for (size_t j = 0; j < NR_VALUES; j++)
		zero.val[j] = 1;
	walk_to(t, w, t->entry, &zero);
	for (uint32_t i = 0; i < t->n; i++)
		for (uint32_t s = w->first[i]; s;
		     s = w->state[s].next & (BIT(15) - 1))
			if (!walk_node(t, w, i, w->state[s]))
				return false;
	return true;
}

/* At most one branch for what a node does, some for its checks. */
static bool few_branches(const struct translation *t)
{
	size_t branches = 0;

	for (size_t i = 0; i < t->n; i++) {
		const struct node *nd = &t->node[i];

		if (nd->used)
			branches += 1U + nd->check + 2U * nd->check_x;
	}
	return branches <= MAX_BRANCHES;
}

/* Does the verifier get through near code? Leaves the answer in far_only. */
static int verifier_copes(struct translation *t)
{
	struct walk w = { .nr = 1 };
	int ret = -1;

	w.state = malloc(MAX_STATES * sizeof(*w.state));
	w.first = calloc(t->n + 1, sizeof(*w.first));
	w.hash = calloc(HASH_SIZE, sizeof(*w.hash));
	if (w.state && w.first && w.hash) {
		t->far_only = !few_branches(t) || !walk_all(t, &w);
		t->blur_m = t->far_only || (t->opts->frags && t->reads_packet);
		ret = 0;
	} else {
		t->no_memory = true;
	}
	free(w.state);
	free(w.first);
	free(w.hash);
	return ret;
}

/* ---- emit: instructions ---------------------------------------------- */

static bool grow(struct translation *t)
{
	size_t cap = t->cap ? 2 * t->cap : 256;
	struct bpf_insn *insn;
	int32_t *link, *origin;

	insn = realloc(t->insn, cap * sizeof(*insn));
	if (insn)
		t->insn = insn;
	link = realloc(t->link, cap * sizeof(*link));
	if (link)
		t->link = link;
	origin = realloc(t->origin, cap * sizeof(*origin));
	if (origin)
		t->origin = origin;
	if (!insn || !link || !origin) {
		t->no_memory = true;
		return false;
	}
	t->cap = cap;
	return true;
}

/* Errors stick: the caller of all of emit looks at no_memory and too_far. */
static void put(struct translation *t, struct bpf_insn insn)
{
	if (t->no_memory || (t->len == t->cap && !grow(t)))
		return;
	t->insn[t->len] = insn;
	t->link[t->len] = -1;
	t->origin[t->len] = t->at;
	t->len++;
}

static void put_insn(struct translation *t, int code, int dst, int src, int off,
		     uint32_t imm)
{
	put(t, (struct bpf_insn){
		       .code = (uint8_t)code,
		       .dst_reg = (uint8_t)(dst & 0xf),
		       .src_reg = (uint8_t)(src & 0xf),
		       .off = (int16_t)off,
		       .imm = (int32_t)imm,
	       });
}

/* dst alu= imm, 32 bits */
static void put_alu_k(struct translation *t, int alu, int dst, uint32_t imm)
{
	put_insn(t, BPF_ALU | alu | BPF_K, dst, 0, 0, imm);
}

/* dst alu= src, 32 bits */
static void put_alu_x(struct translation *t, int alu, int dst, int src)
{
	put_insn(t, BPF_ALU | alu | BPF_X, dst, src, 0, 0);
}

/* dst alu= imm, 64 bits: addresses and what can exceed 32 bits */
static void put_alu64_k(struct translation *t, int alu, int dst, uint32_t imm)
{
	put_insn(t, BPF_ALU64 | alu | BPF_K, dst, 0, 0, imm);
}

static void put_alu64_x(struct translation *t, int alu, int dst, int src)
{
	put_insn(t, BPF_ALU64 | alu | BPF_X, dst, src, 0, 0);
}

static void put_ldx(struct translation *t, int size, int dst, int src, int off)
{
	put_insn(t, BPF_LDX | BPF_MEM | size, dst, src, off, 0);
}

static void put_stx(struct translation *t, int size, int off, int src)
{
	put_insn(t, BPF_STX | BPF_MEM | size, REG_FP, src, off, 0);
}

static void put_call(struct translation *t, uint32_t helper)
{
	put_insn(t, BPF_JMP | BPF_CALL, 0, 0, 0, helper);
}

static void put_be(struct translation *t, int reg, int size)
{
	if (size > 1)
		put_insn(t, BPF_ALU | BPF_END | BPF_TO_BE, reg, 0, 0,
			 8U * (uint32_t)size);
}

static void put_block(struct translation *t, const struct bpf_insn *insn,
		      size_t len)
{
	for (size_t i = 0; i < len; i++)
		put(t, insn[i]);
}

static int size_code(uint8_t size)
{
	return size == 1 ? BPF_B : size == 2 ? BPF_H : BPF_W;
}

/* dst = size bytes at base + off, zero-extended, as they are */
static void put_packet_load(struct translation *t, uint8_t size, int dst,
			    int base, uint32_t off)
{
	if (off > INT16_MAX) {
		put_alu64_x(t, BPF_MOV, REG_TMP, base);
		put_alu64_k(t, BPF_ADD, REG_TMP, off);
		base = REG_TMP;
		off = 0;
	}
	put_ldx(t, size_code(size), dst, base, (int)off);
}

/* ---- emit: labels ---------------------------------------------------- */

static uint32_t label_of(uint32_t node, uint32_t which)
{
	return node * LABELS_PER_NODE + which;
}

/* The labels of node n, which has no code of its own. */
static uint32_t label_reject(const struct translation *t)
{
	return label_of((uint32_t)t->n, LABEL_BODY);
}

static uint32_t label_accept(const struct translation *t)
{
	return label_of((uint32_t)t->n, LABEL_FAR);
}

/* A jump to a label that is not bound yet. */
static void put_jump(struct translation *t, int code, int dst, int src,
		     uint32_t imm, uint32_t label)
{
	put_insn(t, code, dst, src, 0, imm);
	if (t->no_memory)
		return;
	if (t->nr_open == 0)
		t->oldest = t->len - 1;
	if (t->refs[label] < 0)
		t->open[t->nr_open++] = label;
	t->link[t->len - 1] = t->refs[label];
	t->refs[label] = (int32_t)t->len - 1;
}

static void put_goto(struct translation *t, uint32_t label)
{
	put_jump(t, BPF_JMP | BPF_JA, 0, 0, 0, label);
}

/* Let all open jumps to a label go to the next instruction. */
static void close_jumps(struct translation *t, uint32_t label)
{
	int32_t next;

	for (int32_t ref = t->refs[label]; ref >= 0; ref = next) {
		long off = (long)t->len - ref - 1;

		next = t->link[ref];
		if (off > MAX_JUMP)
			t->too_far = true;
		t->insn[ref].off = (int16_t)off;
	}
	t->refs[label] = -1;
}

static bool is_goto(const struct bpf_insn *insn)
{
	return insn->code == (BPF_JMP | BPF_JA);
}

static void bind_label(struct translation *t, uint32_t label)
{
	int32_t last = t->refs[label];

	/* A jump to here from right before here is none. */
	if (last >= 0 && last == (int32_t)t->len - 1 && is_goto(&t->insn[last])) {
		t->refs[label] = t->link[last];
		t->len--;
	}
	close_jumps(t, label);
	for (size_t i = 0; i < t->nr_open; i++) {
		if (t->open[i] == label) {
			t->open[i] = t->open[--t->nr_open];
			break;
		}
	}
}

/*
 * Relay all open jumps if they get too long. This is called after a goto, so
 * that nothing runs into the relays; nor must it: the verifier refuses
 * instructions that nothing leads to, such as a jump around them.
 */
static void put_island(struct translation *t)
{
	int32_t at = t->at;

	if (t->nr_open == 0 || t->no_memory ||
	    t->len - t->oldest < ISLAND_DISTANCE)
		return;
	t->at = XDPCAP_ORIGIN_ISLAND;
	t->oldest = t->len;
	for (size_t i = 0; i < t->nr_open; i++) {
		close_jumps(t, t->open[i]);
		put_insn(t, BPF_JMP | BPF_JA, 0, 0, 0, 0);
		t->refs[t->open[i]] = (int32_t)t->len - 1;
	}
	t->at = at;
}

/* ---- emit: what the verifier must not know --------------------------- */

/*
 * Far code must not let the verifier know anything of a value that decides a
 * branch or is put on the stack: it would then tell states apart by it, and
 * there can be 2^18 of them. So those values go through a detour that ends
 * where it began: XOR, twice, with a number that the verifier does not know.
 * Nothing else in far code makes it look at values.
 */
#define REG_BLUR REG_END

static void put_blur_source(struct translation *t)
{
	put_ldx(t, BPF_W, REG_BLUR, REG_CTX,
		offsetof(struct xdp_md, rx_queue_index));
}

static void put_blur(struct translation *t, int reg)
{
	put_alu_x(t, BPF_XOR, reg, REG_BLUR);
	put_alu_x(t, BPF_XOR, reg, REG_BLUR);
}

/* dst = a blurred copy of src */
static void put_blurred(struct translation *t, int dst, int src)
{
	put_alu_x(t, BPF_MOV, dst, src);
	put_blur_source(t);
	put_blur(t, dst);
}

/* ---- emit: near code ------------------------------------------------- */

static int reg_of(uint8_t val)
{
	return val == VAL_A ? REG_A : REG_X;
}

static void put_reject_unless_frags(struct translation *t, uint32_t i, int code,
				    int dst, int src, uint32_t imm)
{
	if (t->opts->frags) {
		t->node[i].far = true;
		put_jump(t, code, dst, src, imm, label_of(i, LABEL_FAR));
	} else {
		put_jump(t, code, dst, src, imm, label_reject(t));
	}
}

/* There must be size bytes at base, or node i is not for near code. */
static void put_pointer_check(struct translation *t, uint32_t i, int base,
			      uint32_t size)
{
	put_alu64_x(t, BPF_MOV, REG_TMP, base);
	put_alu64_k(t, BPF_ADD, REG_TMP, size);
	put_reject_unless_frags(t, i, BPF_JMP | BPF_JGT | BPF_X, REG_TMP,
				REG_END, 0);
}

static void put_check(struct translation *t, uint32_t i)
{
	t->checks++;
	put_pointer_check(t, i, REG_DATA, t->node[i].need);
}

/*
 * The verifier forgets what a comparison with data_end proves if the variable
 * part of the pointer can be so large that the whole can exceed MAX_PACKET_OFF
 * (find_good_pkt_pointers()). The limit also excludes a sum that wraps around.
 * A value that the verifier may have wrong ideas of is XORed twice with a
 * number of which it knows nothing, and forgets: the packet's length.
 */
static void put_check_x(struct translation *t, uint32_t i)
{
	const struct node *nd = &t->node[i];
	uint32_t x_max = MAX_PACKET_END - nd->need_x;
	int x = REG_X;

	t->checks++;
	if (nd->source.x_msh && x_max >= MAX_MSH && nd->have_x_min > 0) {
		/* It is there, and was checked, but for fewer bytes. */
		put_pointer_check(t, i, REG_XDATA, nd->need_x);
		return;
	}
	if (!nd->source.x || nd->source.x0 > x_max) {
		x = REG_TMP;
		put_alu64_x(t, BPF_MOV, REG_XDATA, REG_END);
		put_alu64_x(t, BPF_SUB, REG_XDATA, REG_DATA);
		put_alu_x(t, BPF_MOV, x, REG_X);
		put_alu_x(t, BPF_XOR, x, REG_XDATA);
		put_alu_x(t, BPF_XOR, x, REG_XDATA);
	}
	if (!nd->source.x_msh || x_max < MAX_MSH)
		put_reject_unless_frags(t, i, BPF_JMP | BPF_JGT | BPF_K, x, 0,
					x_max);
	put_alu64_x(t, BPF_MOV, REG_XDATA, REG_DATA);
	put_alu64_x(t, BPF_ADD, REG_XDATA, x);
	put_pointer_check(t, i, REG_XDATA, nd->need_x);
}

/*
 * Where an edge to a node ends: past the checks of the node that have been
 * passed before.
 */
static uint32_t near_label(const struct translation *t, uint32_t to,
			   const struct node *from)
{
	const struct node *nd = &t->node[to];

	if (to == t->n)
		return label_reject(t);
	if (nd->check && have_after(from) < nd->need)
		return label_of(to, LABEL_CHECK);
	if (nd->check_x && have_x_after(from) < nd->need_x)
		return label_of(to, LABEL_CHECK_X);
	return label_of(to, LABEL_BODY);
}

/* X = 4 * (X & 0xf) */
static void put_header_length(struct translation *t)
{
	put_alu_k(t, BPF_AND, REG_X, 0xf);
	put_alu_k(t, BPF_LSH, REG_X, 2);
}

static void near_load(struct translation *t, const struct node *nd)
{
	if (nd->dead)
		return; /* the check was all there is to it */
	put_packet_load(t, nd->size, reg_of(nd->val),
			nd->ind ? REG_XDATA : REG_DATA, nd->k);
	if (nd->op == OP_MSH)
		put_header_length(t);
	else if (!nd->raw)
		put_be(t, REG_A, nd->size);
}

static void near_len(struct translation *t, const struct node *nd)
{
	put_alu64_x(t, BPF_MOV, reg_of(nd->val), REG_END);
	put_alu64_x(t, BPF_SUB, reg_of(nd->val), REG_DATA);
}

/* dst = what a helper without further arguments returns */
static void near_call(struct translation *t, const struct node *nd,
		      uint32_t helper, bool ctx)
{
	uint32_t keep = nd->live_out & ~defs(nd);

	if (have_x_after(nd) == 0)
		keep &= ~BIT(VAL_XDATA); /* there is none yet */
	for (size_t i = 0; i < NR_SAVED; i++)
		if (keep & BIT(saved[i].val))
			put_stx(t, BPF_DW, STACK_SAVE(i), saved[i].reg);
	if (ctx)
		put_alu64_x(t, BPF_MOV, BPF_REG_1, REG_CTX);
	put_call(t, helper);
	if (nd->val == VAL_X)
		put_alu_x(t, BPF_MOV, REG_X, BPF_REG_0);
	for (size_t i = 0; i < NR_SAVED; i++)
		if (keep & BIT(saved[i].val))
			put_ldx(t, BPF_DW, saved[i].reg, REG_FP, STACK_SAVE(i));
}

static void near_ancillary(struct translation *t, const struct node *nd)
{
	const struct anc *anc = &ancillary[nd->k];

	if (anc->how == ANC_CTX)
		put_ldx(t, BPF_W, REG_A, REG_CTX, anc->arg);
	else if (anc->how == ANC_CACHED)
		put_ldx(t, BPF_W, REG_A, REG_FP, STACK_ANC(anc->arg));
	else
		near_call(t, nd, anc->arg, false);
}

/* x is a register that holds X for what is compared with it. */
static void put_alu(struct translation *t, const struct node *nd, int x)
{
	if (!nd->x) {
		put_alu_k(t, nd->alu, REG_A, to_raw(nd->raw, nd->k));
		return;
	}
	if (divides_by_x(nd)) {
		/* eBPF's own result would be 0 or A. */
		put_jump(t, BPF_JMP32 | BPF_JEQ | BPF_K, x, 0, 0,
			 label_reject(t));
		if (nd->dead)
			return;
	}
	if (shifts_far(nd))
		put_insn(t, BPF_JMP32 | BPF_JGT | BPF_K, x, 0, 2, 31);
	put_alu_x(t, nd->alu, REG_A, REG_X);
	if (shifts_far(nd)) {
		put_insn(t, BPF_JMP | BPF_JA, 0, 0, 1, 0);
		put_alu_k(t, BPF_MOV, REG_A, 0);
	}
}

/* The opposite of a comparison, or 0: JSET has none. */
static uint8_t inverse(uint8_t alu)
{
	switch (alu) {
	case BPF_JEQ:
		return BPF_JNE;
	case BPF_JGT:
		return BPF_JLE;
	case BPF_JGE:
		return BPF_JLT;
	default:
		return 0;
	}
}

/*
 * if (a alu (x or k)) goto jt; else goto jf; next is the label that follows. A
 * goto that bind_label() finds to go nowhere disappears.
 */
static void put_branch(struct translation *t, const struct node *nd, int a,
		       int x, uint32_t jt, uint32_t jf, uint32_t next)
{
	uint8_t alu = nd->alu;

	if (jt == next && inverse(alu)) {
		alu = inverse(alu);
		jt = jf;
		jf = next;
	}
	put_jump(t, BPF_JMP32 | alu | (nd->x ? BPF_X : BPF_K), a, nd->x ? x : 0,
		 nd->x ? 0 : to_raw(nd->raw, nd->k), jt);
	put_goto(t, jf);
}

static void put_data_end(struct translation *t, int ctx)
{
	put_ldx(t, BPF_W, REG_END, ctx, offsetof(struct xdp_md, data_end));
}

/* The far copy must not tell apart what near code put into M[] either. */
static void put_store(struct translation *t, const struct node *nd)
{
	if (!t->blur_m) {
		put_stx(t, BPF_W, STACK_M(nd->k), reg_of(nd->val));
		return;
	}
	put_blurred(t, REG_TMP, reg_of(nd->val));
	put_stx(t, BPF_W, STACK_M(nd->k), REG_TMP);
	if (!t->far_only && (nd->live_out & BIT(VAL_PACKET)))
		put_data_end(t, REG_CTX);
}

/* What near and far code have in common. */
static void put_simple(struct translation *t, const struct node *nd)
{
	switch (nd->op) {
	case OP_IMM:
		put_alu_k(t, BPF_MOV, reg_of(nd->val), nd->k);
		break;
	case OP_MEM:
		put_ldx(t, BPF_W, reg_of(nd->val), REG_FP, STACK_M(nd->k));
		break;
	case OP_STORE:
		put_store(t, nd);
		break;
	case OP_NEG:
		put_alu_k(t, BPF_NEG, REG_A, 0);
		break;
	default: /* OP_MOVE */
		put_alu_x(t, BPF_MOV, reg_of(nd->val),
			  nd->val == VAL_A ? REG_X : REG_A);
		break;
	}
}

static void put_return(struct translation *t, const struct node *nd, int a)
{
	if (nd->op == OP_RET_K)
		put_alu_k(t, BPF_MOV, REG_A, nd->k);
	else
		put_jump(t, BPF_JMP32 | BPF_JEQ | BPF_K, a, 0, 0,
			 label_reject(t));
	put_goto(t, label_accept(t));
}

static int by_raw_constant(const void *a, const void *b)
{
	const struct node *const *x = a, *const *y = b;
	uint32_t kx = to_raw((*x)->raw, (*x)->k);
	uint32_t ky = to_raw((*y)->raw, (*y)->k);

	return (kx > ky) - (kx < ky);
}

/* Search the comparisons lo to hi - 1, sorted; otherwise go to jf. */
static void near_search(struct translation *t, const struct node **sorted,
			uint32_t lo, uint32_t hi, uint32_t jf)
{
	const struct node *nd;
	uint32_t mid = lo + (hi - lo) / 2, upper;

	if (hi - lo > 3) {
		nd = sorted[mid - 1];
		upper = label_of((uint32_t)(sorted[mid] - t->node), LABEL_HALF);
		put_jump(t, BPF_JMP32 | BPF_JGT | BPF_K, REG_A, 0,
			 to_raw(nd->raw, nd->k), upper);
		near_search(t, sorted, lo, mid, jf);
		bind_label(t, upper);
		near_search(t, sorted, mid, hi, jf);
		return;
	}
	for (; lo < hi; lo++) {
		nd = sorted[lo];
		t->at = (int32_t)(nd - t->node);
		put_jump(t, BPF_JMP32 | BPF_JEQ | BPF_K, REG_A, 0,
			 to_raw(nd->raw, nd->k), near_label(t, nd->jt, nd));
	}
	put_goto(t, jf);
}

static void near_chain(struct translation *t, uint32_t i)
{
	uint32_t len = t->node[i].chain;
	const struct node *nd = &t->node[i];
	const struct node **sorted = malloc(len * sizeof(const struct node *));

	if (!sorted) {
		t->no_memory = true;
		return;
	}
	for (uint32_t j = 0; j < len; j++) {
		nd = &t->node[i];
		sorted[j] = nd;
		i = nd->jf;
	}
	qsort(sorted, len, sizeof(const struct node *), by_raw_constant);
	near_search(t, sorted, 0, len, near_label(t, i, nd));
	free(sorted);
}

static uint32_t first_label(const struct translation *t, uint32_t i)
{
	const struct node *nd = &t->node[i];

	return label_of(i, nd->check   ? LABEL_CHECK :
			   nd->check_x ? LABEL_CHECK_X :
					 LABEL_BODY);
}

static void near_body(struct translation *t, const struct node *nd)
{
	switch (nd->op) {
	case OP_LOAD:
	case OP_MSH:
		near_load(t, nd);
		break;
	case OP_LEN:
		if (t->opts->frags)
			near_call(t, nd, BPF_FUNC_xdp_get_buff_len, true);
		else
			near_len(t, nd);
		break;
	case OP_ANC:
		near_ancillary(t, nd);
		break;
	case OP_ALU:
		put_alu(t, nd, REG_X);
		break;
	default:
		put_simple(t, nd);
		break;
	}
}

static void near_node(struct translation *t, uint32_t i)
{
	struct node *nd = &t->node[i];
	uint32_t next = i + 1;

	while (next < t->n && !t->node[next].used)
		next++;
	put_island(t);
	t->at = (int32_t)i;
	if (nd->check) {
		bind_label(t, label_of(i, LABEL_CHECK));
		put_check(t, i);
	}
	if (nd->check_x) {
		bind_label(t, label_of(i, LABEL_CHECK_X));
		put_check_x(t, i);
	}
	bind_label(t, label_of(i, LABEL_BODY));
	if (is_return(nd)) {
		put_return(t, nd, REG_A);
	} else if (nd->chain) {
		near_chain(t, i);
	} else if (nd->op == OP_JUMP) {
		put_branch(t, nd, REG_A, REG_X, near_label(t, nd->jt, nd),
			   near_label(t, nd->jf, nd), first_label(t, next));
	} else {
		near_body(t, nd);
		put_goto(t, near_label(t, nd->jt, nd));
	}
}

/* ---- emit: far code -------------------------------------------------- */

static void far_save(struct translation *t, uint32_t keep)
{
	if (keep & (BIT(VAL_A) | BIT(VAL_X)))
		put_blur_source(t);
	for (size_t i = 0; i < NR_SAVED; i++) {
		if (!(keep & BIT(saved[i].val)))
			continue;
		put_blur(t, saved[i].reg);
		put_stx(t, BPF_DW, STACK_SAVE(i), saved[i].reg);
	}
}

static void far_restore(struct translation *t, uint32_t keep)
{
	for (size_t i = 0; i < NR_SAVED; i++)
		if (keep & BIT(saved[i].val))
			put_ldx(t, BPF_DW, saved[i].reg, REG_FP, STACK_SAVE(i));
}

/* Values that a call must not destroy: far code has nothing but A and X. */
static uint32_t far_keep(const struct node *nd)
{
	return nd->live_out & ~defs(nd) & (BIT(VAL_A) | BIT(VAL_X));
}

/*
 * r2 = X + k, or beyond any packet if that exceeds 32 bits: the helper's
 * argument is a u32.
 */
static void far_offset(struct translation *t, const struct node *nd)
{
	put_alu_x(t, BPF_MOV, BPF_REG_2, REG_X);
	put_alu64_k(t, BPF_ADD, BPF_REG_2, nd->k);
	if (nd->x_max <= UINT32_MAX - MAX_PACKET_END)
		return;
	put_alu64_x(t, BPF_MOV, BPF_REG_3, BPF_REG_2);
	put_alu64_k(t, BPF_RSH, BPF_REG_3, 32);
	put_alu64_k(t, BPF_NEG, BPF_REG_3, 0);
	put_alu64_x(t, BPF_OR, BPF_REG_2, BPF_REG_3);
}

/* r0 = bpf_xdp_load_bytes(ctx, r2, fp + STACK_SCRATCH, size) */
static void put_load_bytes(struct translation *t, uint32_t size)
{
	put_alu64_x(t, BPF_MOV, BPF_REG_1, REG_CTX);
	put_alu64_x(t, BPF_MOV, BPF_REG_3, REG_FP);
	put_alu64_k(t, BPF_ADD, BPF_REG_3, (uint32_t)STACK_SCRATCH);
	put_alu_k(t, BPF_MOV, BPF_REG_4, size);
	put_call(t, BPF_FUNC_xdp_load_bytes);
}

static void far_load(struct translation *t, const struct node *nd)
{
	uint32_t keep = far_keep(nd);

	far_save(t, keep);
	if (nd->ind)
		far_offset(t, nd);
	else
		put_alu_k(t, BPF_MOV, BPF_REG_2, nd->k);
	put_load_bytes(t, nd->size);
	put_jump(t, BPF_JMP | BPF_JNE | BPF_K, BPF_REG_0, 0, 0, label_reject(t));
	if (!nd->dead) {
		put_ldx(t, size_code(nd->size), reg_of(nd->val), REG_FP,
			STACK_SCRATCH);
		if (nd->op == OP_MSH)
			put_header_length(t);
		else if (!nd->raw)
			put_be(t, REG_A, nd->size);
	}
	far_restore(t, keep);
}

static void far_call(struct translation *t, const struct node *nd,
		     uint32_t helper, bool ctx)
{
	uint32_t keep = far_keep(nd);

	far_save(t, keep);
	if (ctx)
		put_alu64_x(t, BPF_MOV, BPF_REG_1, REG_CTX);
	put_call(t, helper);
	if (nd->val == VAL_X)
		put_alu_x(t, BPF_MOV, REG_X, BPF_REG_0);
	far_restore(t, keep);
}

static void far_body(struct translation *t, const struct node *nd)
{
	switch (nd->op) {
	case OP_LOAD:
	case OP_MSH:
		far_load(t, nd);
		break;
	case OP_LEN:
		far_call(t, nd, BPF_FUNC_xdp_get_buff_len, true);
		break;
	case OP_ANC:
		if (ancillary[nd->k].how == ANC_CALL)
			far_call(t, nd, ancillary[nd->k].arg, false);
		else
			near_ancillary(t, nd);
		break;
	case OP_ALU:
		if (divides_by_x(nd) || shifts_far(nd))
			put_blurred(t, REG_TMP, REG_X);
		put_alu(t, nd, REG_TMP);
		break;
	default:
		put_simple(t, nd);
		break;
	}
}

static uint32_t far_label(struct translation *t, uint32_t to)
{
	if (to == t->n)
		return label_reject(t);
	t->node[to].far = true;
	return label_of(to, LABEL_FAR);
}

static void far_node(struct translation *t, uint32_t i)
{
	struct node *nd = &t->node[i];
	uint32_t jt, jf, next = i + 1;

	put_island(t);
	t->at = (int32_t)i;
	bind_label(t, label_of(i, LABEL_FAR));
	if (is_return(nd)) {
		if (nd->op == OP_RET_A)
			put_blurred(t, REG_TMP, REG_A);
		put_return(t, nd, REG_TMP);
		return;
	}
	jt = far_label(t, nd->jt);
	jf = far_label(t, nd->jf);
	while (next < t->n && !t->node[next].far)
		next++;
	if (nd->op == OP_JUMP) {
		put_blurred(t, REG_TMP, REG_A);
		if (nd->x)
			put_blurred(t, REG_DATA, REG_X);
		put_branch(t, nd, REG_TMP, REG_DATA, jt, jf,
			   label_of(next, LABEL_FAR));
	} else {
		far_body(t, nd);
		put_goto(t, jt);
	}
}

/* ---- emit: the whole ------------------------------------------------- */

/* Which of the ancillary data that come from the packet does it load? */
static uint32_t cached_ancillary(const struct translation *t)
{
	uint32_t slots = 0;

	for (size_t i = 0; i < t->n; i++) {
		const struct node *nd = &t->node[i];

		if (nd->used && nd->op == OP_ANC &&
		    ancillary[nd->k].how == ANC_CACHED)
			slots |= BIT(ancillary[nd->k].arg);
	}
	return slots;
}

static bool needs_ctx(const struct translation *t)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->node[i].used && t->node[i].op == OP_ANC)
			return true;
	return (t->reads_packet && t->opts->frags) || t->far_only ||
	       t->opts->accept || t->opts->reject;
}

/* Keep the value of REG_TMP, without letting the verifier know which it is. */
static void put_cache(struct translation *t, uint32_t slot)
{
	put_blur_source(t);
	put_blur(t, REG_TMP);
	put_stx(t, BPF_W, STACK_ANC(slot), REG_TMP);
}

/*
 * Compute the ancillary data that come from the packet, as in ancillary.h, from
 * 4 bytes at 12, or 2 if there are no more, or none. Once, because there can be
 * thousands of loads, each with branches, and only so many can be verified.
 */
static void put_ancillary(struct translation *t, uint32_t slots)
{
	const int type = BPF_REG_0, next = BPF_REG_2, out = REG_TMP;

	put_insn(t, BPF_ST | BPF_MEM | BPF_DW, REG_FP, 0, STACK_SCRATCH, 0);
	put_alu_k(t, BPF_MOV, BPF_REG_2, 12);
	put_load_bytes(t, 4);
	put_insn(t, BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_0, 0, 6, 0);
	put_alu_k(t, BPF_MOV, BPF_REG_2, 12);
	put_load_bytes(t, 2);
	put_ldx(t, BPF_H, type, REG_FP, STACK_SCRATCH);
	put_be(t, type, 2);
	put_ldx(t, BPF_H, next, REG_FP, STACK_SCRATCH + 2);
	put_be(t, next, 2);

	if (slots & BIT(ANC_SLOT_PROTOCOL)) {
		put_alu_x(t, BPF_MOV, out, type);
		put_insn(t, BPF_JMP32 | BPF_JGE | BPF_K, type, 0, 3,
			 ETH_P_802_3_MIN);
		put_alu_k(t, BPF_MOV, out, ETH_P_802_3);
		put_insn(t, BPF_JMP32 | BPF_JEQ | BPF_K, next, 0, 1, 0xffff);
		put_alu_k(t, BPF_MOV, out, ETH_P_802_2);
		put_cache(t, ANC_SLOT_PROTOCOL);
	}
	if (slots & BIT(ANC_SLOT_PRESENT)) {
		put_alu_k(t, BPF_MOV, out, 1);
		put_insn(t, BPF_JMP32 | BPF_JEQ | BPF_K, type, 0, 2, ETH_P_8021Q);
		put_insn(t, BPF_JMP32 | BPF_JEQ | BPF_K, type, 0, 1,
			 ETH_P_8021AD);
		put_alu_k(t, BPF_MOV, out, 0);
		put_cache(t, ANC_SLOT_PRESENT);
	}
	if (slots & BIT(ANC_SLOT_TAG)) {
		put_alu_x(t, BPF_MOV, out, next);
		put_insn(t, BPF_JMP32 | BPF_JEQ | BPF_K, type, 0, 2, ETH_P_8021Q);
		put_insn(t, BPF_JMP32 | BPF_JEQ | BPF_K, type, 0, 1,
			 ETH_P_8021AD);
		put_alu_k(t, BPF_MOV, out, 0);
		put_cache(t, ANC_SLOT_TAG);
	}
}

static void put_zero_m(struct translation *t, size_t i)
{
	if (!t->blur_m) {
		put_insn(t, BPF_ST | BPF_MEM | BPF_W, REG_FP, 0, STACK_M(i), 0);
		return;
	}
	put_alu_k(t, BPF_MOV, REG_TMP, 0);
	put_blur_source(t);
	put_blur(t, REG_TMP);
	put_stx(t, BPF_W, STACK_M(i), REG_TMP);
}

/* What has to be there before the first node. */
static void put_entry(struct translation *t)
{
	const struct xdpcap_translate_opts *opts = t->opts;
	uint32_t live = t->node[t->entry].live;
	uint32_t slots = cached_ancillary(t);
	int ctx = BPF_REG_1;

	t->at = XDPCAP_ORIGIN_ENTRY;
	if (opts->prologue) {
		put_block(t, opts->prologue, opts->prologue_len);
		ctx = REG_CTX;
	} else if (needs_ctx(t)) {
		put_alu64_x(t, BPF_MOV, REG_CTX, BPF_REG_1);
		ctx = REG_CTX;
	}
	if (slots)
		put_ancillary(t, slots);
	for (size_t i = 0; i < BPF_MEMWORDS; i++)
		if (live & BIT(VAL_M + i))
			put_zero_m(t, i);
	if ((live & BIT(VAL_PACKET)) && !t->far_only) {
		put_data_end(t, ctx);
		put_ldx(t, BPF_W, REG_DATA, ctx, offsetof(struct xdp_md, data));
	}
	if (live & BIT(VAL_A))
		put_alu_k(t, BPF_MOV, REG_A, 0);
	if (live & BIT(VAL_X))
		put_alu_k(t, BPF_MOV, REG_X, 0);
}

static void put_nodes(struct translation *t)
{
	for (uint32_t i = 0; i < t->n && !t->far_only; i++)
		if (t->node[i].used)
			near_node(t, i);
	t->far_start = t->len;
	for (uint32_t i = 0; i < t->n; i++)
		if (t->node[i].far)
			far_node(t, i);
	t->far_end = t->len;
}

static bool label_wanted(const struct translation *t, uint32_t label)
{
	return t->refs[label] >= 0;
}

/*
 * The packets that do not match are the ones to be quick with: their block comes
 * first, because x86's JIT compiler makes all exits but the first a jump to it.
 * Without blocks of the caller's, there is just one.
 */
static void put_reject(struct translation *t)
{
	const struct xdpcap_translate_opts *opts = t->opts;

	if (!label_wanted(t, label_reject(t)))
		return;
	t->at = XDPCAP_ORIGIN_REJECT;
	bind_label(t, label_reject(t));
	if (opts->reject) {
		put_block(t, opts->reject, opts->reject_len);
		return;
	}
	put_alu_k(t, BPF_MOV, BPF_REG_0, 0);
	if (opts->accept || !label_wanted(t, label_accept(t)))
		put_insn(t, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

static void put_accept(struct translation *t)
{
	const struct xdpcap_translate_opts *opts = t->opts;

	if (!label_wanted(t, label_accept(t)))
		return;
	t->at = XDPCAP_ORIGIN_ACCEPT;
	bind_label(t, label_accept(t));
	if (opts->accept)
		put_block(t, opts->accept, opts->accept_len);
	else
		put_insn(t, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

static void put_program(struct translation *t)
{
	put_entry(t);
	if (t->entry == t->n)
		put_goto(t, label_reject(t));
	else if (t->far_only)
		put_goto(t, far_label(t, t->entry));
	put_nodes(t);
	put_island(t);
	put_reject(t);
	put_accept(t);
}

static int emit(struct translation *t)
{
	size_t nr = (t->n + 1) * LABELS_PER_NODE;

	t->refs = malloc(nr * sizeof(*t->refs));
	t->open = malloc(nr * sizeof(*t->open));
	if (!t->refs || !t->open) {
		t->no_memory = true;
		return -1;
	}
	for (size_t i = 0; i < nr; i++)
		t->refs[i] = -1;
	put_program(t);
	if (t->too_far)
		return fail(t, 0, "more than %d instructions to jump over",
			    MAX_JUMP);
	return t->no_memory ? -1 : 0;
}

/* ---- the whole ------------------------------------------------------- */

static bool block_ok(const struct bpf_insn *block, size_t len)
{
	return !block || (len > 0 && len <= XDPCAP_TRANSLATE_MAX_BLOCK);
}

static int check_opts(struct translation *t)
{
	const struct xdpcap_translate_opts *o = t->opts;

	if (block_ok(o->prologue, o->prologue_len) &&
	    block_ok(o->accept, o->accept_len) &&
	    block_ok(o->reject, o->reject_len))
		return 0;
	return fail(t, 0,
		    "a block of the caller's must have 1 to %d "
		    "instructions",
		    XDPCAP_TRANSLATE_MAX_BLOCK);
}

static int run_stages(struct translation *t, const struct sock_filter *cbpf)
{
	if (t->n == 0 || t->n > BPF_MAXINSNS)
		return fail(t, 0, "%zu instructions: must be 1 to %d", t->n,
			    BPF_MAXINSNS);
	t->node = calloc(t->n + 1, sizeof(*t->node));
	if (!t->node) {
		t->no_memory = true;
		return -1;
	}
	if (check_opts(t) < 0 || decode(t, cbpf) < 0 || fold(t) < 0 ||
	    prune(t) < 0)
		return -1;
	place_checks(t);
	if (find_raw(t) < 0 || verifier_copes(t) < 0)
		return -1;
	find_chains(t);
	return emit(t);
}

static void hand_over(struct translation *t, struct bpf_insn **ebpf,
		      size_t *ebpf_len)
{
	struct xdpcap_translate_info *info = t->opts->info;

	*ebpf = t->insn;
	*ebpf_len = t->len;
	t->insn = NULL;
	if (!info)
		return;
	info->origin = t->origin;
	t->origin = NULL;
	info->checks = t->checks;
	info->far_start = t->far_start == t->far_end ? t->len : t->far_start;
	info->far_only = t->far_only;
}

int xdpcap_translate(const struct sock_filter *cbpf, size_t len,
		     const struct xdpcap_translate_opts *opts,
		     struct bpf_insn **ebpf, size_t *ebpf_len,
		     struct xdpcap_translate_error *err)
{
	static const struct xdpcap_translate_opts no_opts;
	struct xdpcap_translate_error no_err;
	struct translation t = {
		.opts = opts ? opts : &no_opts,
		.err = err ? err : &no_err,
		.n = len,
	};
	int ret;

	ret = run_stages(&t, cbpf);
	if (ret < 0 && t.no_memory)
		fail(&t, 0, "out of memory for %zu instructions", len);
	if (ret == 0)
		hand_over(&t, ebpf, ebpf_len);
	free(t.node);
	free(t.insn);
	free(t.link);
	free(t.origin);
	free(t.refs);
	free(t.open);
	return ret;
}
