// SPDX-License-Identifier: BSD-3-Clause
/*
 * What the translator refuses and says, the caller's blocks, what is defined
 * here and undefined elsewhere, and programs made to be hard on the verifier.
 * Linked with malloc, calloc and realloc wrapped, so that they can fail.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ancillary.h"
#include "kernel.h"
#include "oracle.h"
#include "translate.h"
#include "vm.h"

#define STMT(code, k)         BPF_STMT(code, k)
#define JUMP(code, k, jt, jf) BPF_JUMP(code, k, jt, jf)
#define COUNT(a)              (sizeof(a) / sizeof((a)[0]))
#define AD(x)                 ((uint32_t)SKF_AD_OFF + SKF_AD_##x)

/* ---- failing allocations --------------------------------------------- */

static long allocations_left = -1; /* -1: as many as you like */

static int may_allocate(void)
{
	if (allocations_left == 0)
		return 0;
	if (allocations_left > 0)
		allocations_left--;
	return 1;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);

void *__wrap_malloc(size_t size)
{
	return may_allocate() ? __real_malloc(size) : NULL;
}

void *__wrap_calloc(size_t n, size_t size)
{
	return may_allocate() ? __real_calloc(n, size) : NULL;
}

void *__wrap_realloc(void *p, size_t size)
{
	return may_allocate() ? __real_realloc(p, size) : NULL;
}

/* ---- reporting ------------------------------------------------------- */

static int failures;
static int failed_here;

static void complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void complain(const char *fmt, ...)
{
	va_list ap;

	printf("# ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	failed_here = 1;
}

static void done(const char *name)
{
	printf("%sok %s\n", failed_here ? "not " : "", name);
	failures += failed_here;
	failed_here = 0;
}

/* ---- programs -------------------------------------------------------- */

struct translated {
	struct bpf_insn *insn;
	size_t len;
	struct xdpcap_translate_info info;
};

static int translate(const struct sock_filter *f, size_t n,
		     struct xdpcap_translate_opts opts, struct translated *out)
{
	struct xdpcap_translate_error err;

	opts.info = &out->info;
	if (xdpcap_translate(f, n, &opts, &out->insn, &out->len, &err) == 0)
		return 0;
	complain("refused at %zu: %s", err.insn, err.msg);
	return -1;
}

static void release(struct translated *t)
{
	free(t->insn);
	free(t->info.origin);
}

/* Does the kernel load it? Returns the program, or -1 having complained. */
static int load(const struct translated *t, bool frags)
{
	static char log[1500];
	int prog = kernel_load(t->insn, t->len, frags, log, sizeof(log));

	if (prog < 0)
		complain("frags %d, %zu instructions: %s", frags, t->len, log);
	return prog;
}

/* The program must return want for the packet in the kernel and the VM. */
static void returns(const struct sock_filter *f, size_t n,
		    struct xdpcap_translate_opts opts, const uint8_t *data,
		    uint32_t len, uint32_t want)
{
	struct kernel_run run = { .data = data, .len = len };
	struct vm_packet packet = {
		.data = data,
		.len = len,
		.linear = len,
		.ifindex = 1,
	};
	struct translated t;
	uint64_t executed;
	const char *error;
	uint32_t ret = 0;
	int prog;

	if (translate(f, n, opts, &t) < 0)
		return;
	error = vm_run(t.insn, t.len, &packet, &ret, &executed);
	if (error || ret != want)
		complain("VM: %s, returns %u, not %u",
			 error ? error : "no error", ret, want);
	prog = load(&t, opts.frags);
	if (prog >= 0 && len >= KERNEL_MIN_PACKET && len < 3000) {
		if (kernel_run(prog, &run) < 0)
			complain("cannot run it: %s", strerror(errno));
		else if (run.ret != want)
			complain("kernel: returns %u, not %u", run.ret, want);
	}
	close(prog);
	release(&t);
}

/* ---- tests ----------------------------------------------------------- */

static void refuses(const struct sock_filter *f, size_t n, size_t insn,
		    const char *why)
{
	struct xdpcap_translate_error err = { .insn = 999 };
	struct bpf_insn *ebpf = NULL;
	size_t len;

	if (xdpcap_translate(f, n, NULL, &ebpf, &len, &err) == 0) {
		complain("accepted: %s", why);
		free(ebpf);
		return;
	}
	if (err.insn != insn || !strstr(err.msg, why))
		complain("refused at %zu: `%s', not at %zu: `%s'", err.insn,
			 err.msg, insn, why);
	/* Nothing is written where nothing is wanted. */
	if (xdpcap_translate(f, n, NULL, &ebpf, &len, NULL) == 0)
		complain("accepted without an error to fill");
}

static void test_refusals(void)
{
	static const struct {
		struct sock_filter f[3];
		size_t insn;
		const char *why;
	} cases[] = {
		{ { STMT(0xffff, 0) }, 0, "unknown instruction, code 0xffff" },
		{ { STMT(BPF_LD | BPF_MSH | BPF_B, 0) }, 0, "unknown" },
		{ { STMT(BPF_RET | BPF_X, 0) }, 0, "unknown" },
		{ { STMT(BPF_LD | BPF_W | 0xe0, 0) }, 0, "unknown" },
		{ { STMT(BPF_LD | BPF_MEM, 16) }, 0, "M[16]" },
		{ { STMT(BPF_LDX | BPF_MEM, 4000000000) }, 0, "M[4000000000]" },
		{ { STMT(BPF_ST, 16) }, 0, "M[16]" },
		{ { STMT(BPF_STX, 17) }, 0, "M[17]" },
		{ { STMT(BPF_ALU | BPF_DIV, 0) }, 0, "constant 0" },
		{ { STMT(BPF_ALU | BPF_MOD, 0) }, 0, "constant 0" },
		{ { STMT(BPF_JMP | BPF_JA, 2) }, 0, "beyond the end" },
		{ { STMT(BPF_JMP | BPF_JA, 0x7fffffff) }, 0, "beyond the end" },
		{ { STMT(BPF_JMP | BPF_JA, -2) }, 0, "beyond the end" },
		{ { STMT(BPF_JMP | BPF_JA, -1) }, 0, "jumps backwards" },
		{ { STMT(BPF_LD | BPF_IMM, 0), STMT(BPF_JMP | BPF_JA, -2) },
		  1,
		  "jumps backwards" },
		{ { JUMP(BPF_JMP | BPF_JEQ, 0, 2, 0) }, 0, "beyond the end" },
		{ { JUMP(BPF_JMP | BPF_JEQ, 0, 0, 255) }, 0, "beyond the end" },
		{ { STMT(BPF_LD | BPF_ABS, AD(NLATTR)) }, 0, "SKF_AD_NLATTR:" },
		{ { STMT(BPF_LD | BPF_ABS, AD(NLATTR_NEST)) },
		  0,
		  "SKF_AD_NLATTR_NEST:" },
		{ { STMT(BPF_LD | BPF_ABS, AD(MARK)) }, 0, "SKF_AD_MARK:" },
		{ { STMT(BPF_LD | BPF_ABS, AD(HATYPE)) }, 0, "SKF_AD_HATYPE:" },
		{ { STMT(BPF_LD | BPF_ABS, AD(RXHASH)) }, 0, "SKF_AD_RXHASH:" },
		{ { STMT(BPF_LD | BPF_ABS, AD(ALU_XOR_X)) },
		  0,
		  "SKF_AD_ALU_XOR_X:" },
		{ { STMT(BPF_LD | BPF_ABS, AD(PAY_OFFSET)) },
		  0,
		  "SKF_AD_PAY_OFFSET:" },
		{ { STMT(BPF_LD | BPF_ABS, AD(VLAN_TPID)) },
		  0,
		  "SKF_AD_VLAN_TPID:" },
	};
	struct sock_filter many[BPF_MAXINSNS + 1];
	struct sock_filter no_return = STMT(BPF_LD | BPF_IMM, 1);

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct sock_filter f[3];

		memcpy(f, cases[i].f, sizeof(f));
		/* The last is a return, and what is not given nothing. */
		f[2] = (struct sock_filter)STMT(BPF_RET, 1);
		if (!f[1].code && !f[1].k)
			f[1] = f[2];
		refuses(f, f[1].code == BPF_RET ? 2 : 3, cases[i].insn,
			cases[i].why);
	}
	for (size_t i = 0; i < COUNT(many); i++)
		many[i] = (struct sock_filter)STMT(BPF_RET, 1);
	refuses(many, BPF_MAXINSNS + 1, 0, "4097 instructions");
	refuses(many, 0, 0, "0 instructions");
	refuses(&no_return, 1, 0, "no return");
	done("refuses what it cannot do, and says why");
}

static void test_long_blocks(void)
{
	struct sock_filter f = STMT(BPF_RET, 1);
	static const struct bpf_insn block[1];
	struct xdpcap_translate_opts opts[] = {
		{ .prologue = block, .prologue_len = 4097 },
		{ .accept = block, .accept_len = 4097 },
		{ .reject = block, .reject_len = 4097 },
		{ .prologue = block },
		{ .accept = block },
		{ .reject = block },
	};
	struct xdpcap_translate_error err;
	struct bpf_insn *ebpf;
	size_t len;

	for (size_t i = 0; i < COUNT(opts); i++)
		if (xdpcap_translate(&f, 1, &opts[i], &ebpf, &len, &err) == 0 ||
		    !strstr(err.msg, "block"))
			complain("block %zu: accepted, or `%s'", i, err.msg);
	done("refuses blocks that are empty or too long");
}

#define INSN(c, d, s, o, i)                                              \
	{                                                                \
		.code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), \
		.imm = (i)                                               \
	}

/*
 * A prologue that keeps a number on the stack and one in r7, and blocks that
 * return a sum with them, by ways with jumps of their own.
 */
static const struct bpf_insn prologue[] = {
	INSN(BPF_ALU64 | BPF_MOV | BPF_X, 6, 1, 0, 0),
	INSN(BPF_ALU64 | BPF_MOV | BPF_K, 7, 0, 0, 1000),
	INSN(BPF_JMP | BPF_JEQ | BPF_K, 7, 0, 1, 1000),
	INSN(BPF_ALU64 | BPF_MOV | BPF_K, 7, 0, 0, 1),
	INSN(BPF_ST | BPF_MEM | BPF_DW, 10, 0, -256, 500),
};
static const struct bpf_insn accept[] = {
	INSN(BPF_LDX | BPF_MEM | BPF_DW, 1, 10, -256, 0),
	INSN(BPF_ALU64 | BPF_ADD | BPF_X, 0, 1, 0, 0),
	INSN(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1, 501),
	INSN(BPF_ALU64 | BPF_ADD | BPF_X, 0, 7, 0, 0),
	INSN(BPF_LDX | BPF_MEM | BPF_W, 2, 6, 12, 0), /* ifindex: 1 */
	INSN(BPF_ALU64 | BPF_ADD | BPF_X, 0, 2, 0, 0),
	INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
};
static const struct bpf_insn reject[] = {
	INSN(BPF_LDX | BPF_MEM | BPF_DW, 0, 10, -256, 0),
	INSN(BPF_LDX | BPF_MEM | BPF_W, 2, 6, 12, 0),
	INSN(BPF_ALU64 | BPF_ADD | BPF_X, 0, 2, 0, 0),
	INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
};

static void test_blocks(void)
{
	static const uint8_t packet[60] = { [20] = 3, [21] = 1 };
	const struct sock_filter f[] = {
		STMT(BPF_LD | BPF_B | BPF_ABS, 20),
		STMT(BPF_ST, 15),
		STMT(BPF_LD | BPF_B | BPF_ABS, 21),
		STMT(BPF_LDX | BPF_LEN, 0),
		STMT(BPF_LD | BPF_MEM, 15),
		JUMP(BPF_JMP | BPF_JEQ, 3, 0, 1),
		STMT(BPF_RET | BPF_A, 0),
		STMT(BPF_RET, 0),
	};
	const struct sock_filter all = STMT(BPF_RET, 1);
	const struct sock_filter none = STMT(BPF_RET, 0);
	const struct sock_filter outside[] = {
		STMT(BPF_LD | BPF_B | BPF_ABS, 60),
		STMT(BPF_RET, 1),
	};

	for (int frags = 0; frags < 2; frags++) {
		struct xdpcap_translate_opts opts = {
			.frags = frags,
			.prologue = prologue,
			.prologue_len = COUNT(prologue),
			.accept = accept,
			.accept_len = COUNT(accept),
			.reject = reject,
			.reject_len = COUNT(reject),
		};

		returns(f, COUNT(f), opts, packet, 60, 3 + 500 + 1000 + 1);
		returns(&all, 1, opts, packet, 60, 1 + 500 + 1);
		returns(&none, 1, opts, packet, 60, 500 + 1);
		returns(outside, 2, opts, packet, 60, 500 + 1);
		opts.prologue = NULL;
		opts.accept = NULL;
		opts.reject = NULL;
		returns(f, COUNT(f), opts, packet, 60, 3);
		returns(&all, 1, opts, packet, 60, 1);
		returns(&none, 1, opts, packet, 60, 0);
	}
	done("puts the caller's blocks around the filter");
}

static void test_defined_here(void)
{
	static const uint8_t packet[60] = { [20] = 40, [21] = 0xff };
	const struct sock_filter m[] = {
		STMT(BPF_LD | BPF_B | BPF_ABS, 20),
		JUMP(BPF_JMP | BPF_JEQ, 41, 0, 1),
		STMT(BPF_ST, 3),
		STMT(BPF_LD | BPF_MEM, 3),
		STMT(BPF_ALU | BPF_ADD, 7),
		STMT(BPF_RET | BPF_A, 0),
	};
	const struct sock_filter a_x[] = {
		JUMP(BPF_JMP | BPF_JGE | BPF_X, 0, 0, 1),
		STMT(BPF_ALU | BPF_ADD, 5),
		STMT(BPF_LDX | BPF_B | BPF_MSH, 20),
		STMT(BPF_ALU | BPF_ADD | BPF_X, 0),
		STMT(BPF_RET | BPF_A, 0),
	};
	const struct sock_filter merged[] = {
		STMT(BPF_LD | BPF_LEN, 0),  JUMP(BPF_JMP | BPF_JGT, 1000, 0, 1),
		STMT(BPF_LDX | BPF_IMM, 8), STMT(BPF_MISC | BPF_TXA, 0),
		STMT(BPF_ALU | BPF_ADD, 9), STMT(BPF_RET | BPF_A, 0),
	};
	const uint16_t shifts[] = { BPF_LSH, BPF_RSH };

	for (int frags = 0; frags < 2; frags++) {
		struct xdpcap_translate_opts opts = { .frags = frags };

		returns(m, COUNT(m), opts, packet, 60, 7);
		returns(a_x, COUNT(a_x), opts, packet, 60, 5 + 32);
		returns(merged, COUNT(merged), opts, packet, 60, 9);
		for (int i = 0; i < 4; i++) {
			const struct sock_filter f[] = {
				STMT(BPF_LD | BPF_B | BPF_ABS, 20),
				STMT(BPF_MISC | BPF_TAX, 0),
				STMT(BPF_LD | BPF_B | BPF_ABS, 21),
				STMT(BPF_ALU | shifts[i % 2] |
					     (i / 2 ? BPF_X : BPF_K),
				     32),
				STMT(BPF_ALU | BPF_ADD, 6),
				STMT(BPF_RET | BPF_A, 0),
			};

			returns(f, COUNT(f), opts, packet, 60, 6);
		}
	}
	done("defines what other interpreters leave undefined");
}

static void test_far_offsets(void)
{
	static uint8_t packet[65535];
	const uint32_t at[] = { 32764, 32766,      32767,     32768,
				65000, 65531,      65534,     65535,
				65536, 0xffffefff, 0xffffffff };

	for (size_t i = 0; i < sizeof(packet); i++)
		packet[i] = (uint8_t)(i * 7 + 1);
	for (size_t i = 0; i < 2 * COUNT(at); i++) {
		uint32_t k = at[i / 2];
		bool ind = i % 2;
		const struct sock_filter f[] = {
			STMT(BPF_LD | BPF_B | BPF_ABS, 0), /* 1 */
			STMT(BPF_MISC | BPF_TAX, 0),
			STMT(BPF_LD | BPF_B | (ind ? BPF_IND : BPF_ABS),
			     ind ? k - 1 : k),
			STMT(BPF_ALU | BPF_ADD, 1),
			STMT(BPF_RET | BPF_A, 0),
		};
		struct xdpcap_translate_opts opts = { .frags = false };

		returns(f, COUNT(f), opts, packet, sizeof(packet),
			k < 65535 ? packet[k] + 1U : 0);
		opts.frags = true;
		returns(f, COUNT(f), opts, packet, sizeof(packet),
			k < 65535 ? packet[k] + 1U : 0);
	}
	for (uint32_t k = 65400; k < 65600; k += 10) {
		const struct sock_filter f[] = {
			STMT(BPF_LDX | BPF_B | BPF_MSH, 2), /* 4 * 0xf */
			STMT(BPF_LD | BPF_B | BPF_IND, k),
			STMT(BPF_ALU | BPF_ADD, 1),
			STMT(BPF_RET | BPF_A, 0),
		};
		struct xdpcap_translate_opts opts = { .frags = false };

		returns(f, COUNT(f), opts, packet, sizeof(packet),
			k + 60 < 65535 ? packet[k + 60] + 1U : 0);
	}
	done("loads at offsets that an instruction does not hold");
}

static void test_ancillary(void)
{
	static const uint8_t tagged[18] = {
		[12] = 0x81, [14] = 0x20, [15] = 7, [16] = 0x08
	};
	static const uint8_t raw[18] = { [13] = 46, [14] = 0xff, [15] = 0xff };
	static const uint8_t llc[18] = { [13] = 46, [14] = 0x42, [15] = 0x42 };
	static const uint8_t ip[18] = { [12] = 0x08 };
	static const struct {
		uint32_t k;
		uint32_t action;
		const uint8_t *packet;
		uint32_t want;
	} cases[] = {
		{ AD(PROTOCOL), 0, tagged, 0x8100 },
		{ AD(PROTOCOL), 0, ip, 0x0800 },
		{ AD(PROTOCOL), 0, raw, ETH_P_802_3 },
		{ AD(PROTOCOL), 0, llc, ETH_P_802_2 },
		{ AD(VLAN_TAG_PRESENT), 0, tagged, 1 },
		{ AD(VLAN_TAG_PRESENT), 0, ip, 0 },
		{ AD(VLAN_TAG), 0, tagged, 0x2007 },
		{ AD(VLAN_TAG), 0, raw, 0 },
		{ AD(PKTTYPE), XDP_TX, ip, PACKET_OUTGOING },
		{ AD(PKTTYPE), XDP_REDIRECT, ip, PACKET_OUTGOING },
		{ AD(PKTTYPE), XDP_PASS, ip, PACKET_HOST },
		{ AD(PKTTYPE), XDP_DROP, ip, PACKET_OTHERHOST },
		{ AD(PKTTYPE), XDP_ABORTED, ip, PACKET_OTHERHOST },
		{ AD(IFINDEX), 0, ip, 1 },
		{ AD(QUEUE), 0, ip, 0 },
		{ AD(PROTOCOL) + 2, 0, ip, (uint32_t)-1 },
	};
	static const uint16_t sizes[] = { BPF_W, BPF_H, BPF_B };

	for (size_t i = 0; i < COUNT(cases) * 6; i++) {
		const struct sock_filter f[] = {
			STMT(BPF_LD | BPF_ABS | sizes[i % 3], cases[i / 6].k),
			STMT(BPF_ALU | BPF_ADD, 1), /* 0 would be a reject */
			STMT(BPF_RET | BPF_A, 0),
		};
		struct xdpcap_translate_opts opts = {
			.frags = i % 6 / 3,
			.action = cases[i / 6].action,
		};

		returns(f, COUNT(f), opts, cases[i / 6].packet, 18,
			cases[i / 6].want + 1);
	}
	done("answers ancillary loads");
}

static void test_random(void)
{
	const struct sock_filter f[] = {
		STMT(BPF_LDX | BPF_B | BPF_MSH, 14),
		STMT(BPF_LD | BPF_W | BPF_IND, 14),
		STMT(BPF_ST, 0),
		STMT(BPF_LD | BPF_ABS, AD(RANDOM)),
		STMT(BPF_ALU | BPF_AND, 0xff),
		STMT(BPF_ST, 1),
		STMT(BPF_LD | BPF_B | BPF_IND, 14),
		STMT(BPF_LD | BPF_MEM, 1),
		STMT(BPF_RET | BPF_A, 0),
	};
	static const uint8_t packet[60] = { [14] = 0x45 };
	struct xdpcap_translate_opts opts = { .frags = false };
	struct kernel_run run = { .data = packet, .len = 60 };
	struct translated t;
	uint32_t bits = 0;
	int prog;

	if (translate(f, COUNT(f), opts, &t) == 0) {
		prog = load(&t, false);
		for (int i = 0; i < 100; i++) {
			kernel_run(prog, &run);
			bits |= run.ret;
		}
		if (bits != 0xff)
			complain("100 random bytes have the bits 0x%x", bits);
		close(prog);
		release(&t);
	}
	done("makes random numbers");
}

/*
 * The direct part of a program for the filter: how many checks there are and
 * how many instructions at most. What a change makes worse should be seen.
 */
static void test_merging(void)
{
	static const struct {
		const char *filter;
		size_t checks, insns;
	} cases[] = {
		{ "ip", 1, 12 },
		{ "udp", 3, 30 },
		{ "ether host 1:2:3:4:5:6", 1, 18 },
		{ "vlan and ip", 1, 16 },
		{ "udp port 53", 5, 46 },
		{ "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0", 2, 26 },
		{ "src host 10.0.0.1 and dst host 10.0.0.2", 2, 25 },
		{ "inbound", 0, 2 },
		{ "outbound", 0, 2 },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct xdpcap_translate_opts opts = { .action = XDP_PASS };
		struct sock_filter *f;
		struct translated t;
		char err[256];
		size_t n;

		n = oracle_compile(cases[i].filter, &f, err, sizeof(err));
		if (!n) {
			complain("%s: %s", cases[i].filter, err);
			continue;
		}
		if (translate(f, n, opts, &t) == 0) {
			if (t.info.checks > cases[i].checks ||
			    t.len > cases[i].insns)
				complain("%s: %zu checks, %zu instructions; "
					 "not at most %zu, %zu",
					 cases[i].filter, t.info.checks, t.len,
					 cases[i].checks, cases[i].insns);
			release(&t);
		}
		free(f);
	}
	done("merges bounds checks");
}

static void test_origin(void)
{
	const struct sock_filter f[] = {
		STMT(BPF_LD | BPF_B | BPF_ABS, 20),
		STMT(BPF_RET | BPF_A, 0),
	};
	struct xdpcap_translate_opts opts = { .frags = true };
	struct translated t;
	int seen = 0;

	if (translate(f, COUNT(f), opts, &t) == 0) {
		for (size_t i = 0; i < t.len; i++) {
			int32_t o = t.info.origin[i];

			if (o < XDPCAP_ORIGIN_ISLAND || o > 1)
				complain("instruction %zu has origin %d", i, o);
			seen |= 1 << (o + 4);
		}
		if (seen != 0x3e)
			complain("origins 0x%x, not 0x3e", seen);
		if (t.info.far_start >= t.len || t.info.far_only)
			complain("far_start %zu of %zu", t.info.far_start, t.len);
		release(&t);
	}
	done("says where instructions come from");
}

static void test_no_memory(void)
{
	static struct sock_filter f[BPF_MAXINSNS];
	struct xdpcap_translate_error err;
	struct bpf_insn *ebpf;
	size_t len;
	long n;

	for (int i = 0; i < BPF_MAXINSNS - 1; i++)
		f[i] = (struct sock_filter)STMT(BPF_LD | BPF_B | BPF_IND, i);
	f[BPF_MAXINSNS - 1] = (struct sock_filter)STMT(BPF_RET | BPF_A, 0);
	f[0] = (struct sock_filter)STMT(BPF_LDX | BPF_B | BPF_MSH, 14);
	f[5] = (struct sock_filter)STMT(BPF_ST, 3);
	for (uint8_t i = 0; i < 20; i++) /* a row, too */
		f[4000 + i] = (struct sock_filter)JUMP(BPF_JMP | BPF_JEQ, i,
						       (uint8_t)(30 - i), 0);
	for (n = 0; n < 100; n++) {
		struct xdpcap_translate_opts opts = { .frags = true };
		int ret;

		allocations_left = n;
		ret = xdpcap_translate(f, BPF_MAXINSNS, &opts, &ebpf, &len, &err);
		allocations_left = -1;
		if (ret == 0) {
			free(ebpf);
			break;
		}
		if (!strstr(err.msg, "out of memory"))
			complain("allocation %ld: %s", n, err.msg);
	}
	if (n < 10 || n == 100)
		complain("%ld allocations", n);
	done("reports that memory is short");
}

/* ---- rows of comparisons ---------------------------------------------- */

/* A value that is at [20:4], [22:2] and [23]. */
static void put_value(uint8_t *packet, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		packet[20 + i] = (uint8_t)(v >> (24 - 8 * i));
}

/* The program against bpf_filter(), for the constants and their neighbours. */
static void agrees(const struct sock_filter *f, size_t n, bool frags)
{
	struct xdpcap_translate_opts opts = { .frags = frags };
	uint8_t packet[60] = { 0 };
	struct translated t;
	int prog;

	if (translate(f, n, opts, &t) < 0)
		return;
	prog = load(&t, frags);
	for (size_t i = 0; prog >= 0 && i < 3 * n; i++) {
		struct kernel_run run = { .data = packet, .len = 60 };
		uint32_t value = f[i / 3].k + (uint32_t)(i % 3) - 1, want;

		put_value(packet, value);
		want = oracle_filter(f, packet, 60);
		if (kernel_run(prog, &run) < 0 || run.ret != want)
			complain("%zu instructions, 0x%x: %u, not %u", n, value,
				 run.ret, want);
	}
	close(prog);
	release(&t);
}

/*
 * A row of len comparisons; every fourth has a return of its own, and some
 * constants are there twice. What comes before can jump into the middle.
 */
static size_t make_chain(struct sock_filter *f, uint16_t size, uint32_t at,
			 uint32_t len, bool into)
{
	size_t n = 0;

	f[n++] = (struct sock_filter)STMT(BPF_LD | BPF_ABS | BPF_W, 20);
	f[n++] = (struct sock_filter)JUMP(BPF_JMP | BPF_JGT, 0xf0000000,
					  into ? (uint8_t)(2 + len / 2) : 0, 0);
	f[n++] = (struct sock_filter)STMT(BPF_LD | BPF_ABS | size, at);
	for (uint32_t i = 0; i < len; i++) {
		uint32_t k = (i % 11 == 10 ? i - 3 : i) * 0x9e3779b1;
		uint32_t rest = len - i;

		if (size == BPF_H)
			k &= 0xffff;
		if (size == BPF_B)
			k &= 0xff;
		f[n++] = (struct sock_filter)JUMP(BPF_JMP | BPF_JEQ, k,
						  (uint8_t)(i % 4 ? rest :
								    rest + 1),
						  0);
	}
	f[n++] = (struct sock_filter)STMT(BPF_RET, 0);
	f[n++] = (struct sock_filter)STMT(BPF_RET, 7);
	f[n++] = (struct sock_filter)STMT(BPF_RET, 8);
	return n;
}

static void test_chains(void)
{
	static const uint32_t lengths[] = { 1, 7, 8, 9, 16, 50, 51, 200 };
	static const uint16_t sizes[] = { BPF_W, BPF_H, BPF_B };
	static const uint32_t at[] = { 20, 22, 23 };
	struct sock_filter f[256];

	for (size_t i = 0; i < COUNT(lengths) * 12; i++) {
		size_t n = make_chain(f, sizes[i % 3], at[i % 3],
				      lengths[i / 12], i / 3 % 2);

		agrees(f, n, i / 6 % 2);
		/* The same with the value in host order. */
		f[n - 1] = (struct sock_filter)STMT(BPF_RET | BPF_A, 0);
		agrees(f, n, i / 6 % 2);
	}
	done("searches rows of comparisons");
}

/* ---- hard on the verifier -------------------------------------------- */

static struct sock_filter hard[BPF_MAXINSNS];
static size_t nr;

static void s(uint16_t code, uint32_t k)
{
	hard[nr++] = (struct sock_filter)STMT(code, k);
}

static void j(uint16_t code, uint32_t k, uint8_t jt, uint8_t jf)
{
	hard[nr++] = (struct sock_filter)JUMP(code, k, jt, jf);
}

/*
 * Ends the program and sees that it loads, and returns the same everywhere.
 * Ancillary data that it loads must be 0: bpf_filter() has none.
 */
static void test_hard(const char *name)
{
	static struct sock_filter patched[BPF_MAXINSNS];
	static uint8_t packet[2000];

	s(BPF_RET | BPF_A, 0);
	memcpy(patched, hard, nr * sizeof(hard[0]));
	for (size_t i = 0; i < nr; i++)
		if (hard[i].k >= (uint32_t)SKF_AD_OFF &&
		    hard[i].code == (BPF_LD | BPF_ABS))
			patched[i] =
				(struct sock_filter)STMT(BPF_LD | BPF_IMM, 0);
	for (size_t i = 0; i < sizeof(packet); i++)
		packet[i] = (uint8_t)(i * 31 + 5);
	for (int frags = 0; frags < 2; frags++) {
		struct xdpcap_translate_opts opts = { .frags = frags };

		returns(hard, nr, opts, packet, 1900,
			oracle_filter(patched, packet, 1900));
	}
	nr = 0;
	done(name);
}

static void hard_loads(void)
{
	for (int i = 0; i < 4095; i++)
		s(BPF_LD | BPF_ABS | BPF_B, (uint32_t)(4095 - i) % 1900);
	test_hard("loads 4095 direct loads");

	for (int i = 0; i < 2047; i++) {
		s(BPF_LD | BPF_IND | BPF_W, (uint32_t)i % 1500);
		s(BPF_LDX | BPF_MSH | BPF_B, i & 63);
	}
	test_hard("loads 2047 loads relative to X");

	s(BPF_LD | BPF_ABS | BPF_B, 1);
	for (int i = 0; i < 1360; i++) {
		s(BPF_MISC | BPF_TAX, 0);
		s(BPF_LD | BPF_IND | BPF_W, (uint32_t)i);
		s(BPF_ALU | BPF_AND, 0xff);
	}
	test_hard("loads 1360 loads relative to what was loaded");
}

static void hard_paths(void)
{
	for (uint32_t i = 0; i < 16; i++) {
		s(BPF_LD | BPF_ABS | BPF_B, i);
		j(BPF_JMP | BPF_JSET, 1, 0, 2);
		s(BPF_LD | BPF_IMM, 0);
		s(BPF_JMP | BPF_JA, 1);
		s(BPF_LD | BPF_IMM, 1);
		s(BPF_ST, i);
	}
	for (uint32_t i = 0; i < 16 * 60; i++) {
		s(BPF_LD | BPF_MEM, i % 16);
		j(BPF_JMP | BPF_JEQ, 1, 0, 1);
		s(BPF_LD | BPF_ABS | BPF_B, i);
	}
	test_hard("loads 2^16 combinations of constants");

	for (uint32_t i = 0; i < 1000; i++) {
		s(BPF_LD | BPF_ABS | BPF_B, 0);
		j(BPF_JMP | BPF_JSET, 1U << i % 8, 0, 2);
		s(BPF_LD | BPF_ABS | BPF_B, 1800 - i);
		j(BPF_JMP | BPF_JEQ, 7, 0, 0);
	}
	test_hard("loads 1000 checks that paths go around");

	s(BPF_LD | BPF_ABS | BPF_W, 0);
	for (uint32_t i = 0; i < 2040; i++) {
		j(BPF_JMP | BPF_JSET, 1U << i % 32, 0, 1);
		s(BPF_ALU | BPF_XOR, i * 7);
	}
	test_hard("loads 2040 branches on one value");

	s(BPF_LD | BPF_ABS | BPF_W, 0);
	s(BPF_MISC | BPF_TAX, 0);
	for (int i = 0; i < 4000; i++)
		s(BPF_ALU | (i % 2 ? BPF_RSH : BPF_ADD) | BPF_X, 0);
	test_hard("loads 2000 shifts by X");

	for (uint32_t i = 0; i < 14; i++) {
		s(BPF_LD | BPF_ABS | BPF_W, 4 * i);
		s(BPF_ST, i);
	}
	for (uint32_t i = 0; i < 14 * 90; i++) {
		s(BPF_LD | BPF_MEM, i % 14);
		j(BPF_JMP | BPF_JGT, i * 3408195, 0, 1);
		s(BPF_LD | BPF_IMM, 0);
	}
	test_hard("loads 1260 comparisons of stored values");

	for (uint32_t i = 0; i < 1000; i++) {
		s(BPF_LD | BPF_LEN, 0);
		s(BPF_ALU | BPF_SUB | BPF_X, 0);
		j(BPF_JMP | BPF_JGT | BPF_X, 0, 0, 1);
		s(BPF_MISC | BPF_TAX, 0);
	}
	test_hard("loads 1000 lengths");

	for (uint32_t i = 0; i < 900; i++) {
		s(BPF_LD | BPF_ABS, i % 3 == 0 ? AD(QUEUE) :
				    i % 3 == 1 ? AD(CPU) :
						 i);
		if (i % 3 == 1)
			s(BPF_ALU | BPF_RSH, 16); /* no machine has as many */
		s(BPF_ALU | BPF_ADD | BPF_X, 0);
		j(BPF_JMP | BPF_JSET, 1, 0, 1);
		s(BPF_MISC | BPF_TAX, 0);
	}
	test_hard("loads 900 sums of ancillary data");
}

static void hard_jumps(void)
{
	/* 1000 jumps over all of the program, to as many returns. */
	for (uint32_t i = 0; i < 1000; i++) {
		s(BPF_LD | BPF_ABS | BPF_W, i * 37 % 1800);
		j(BPF_JMP | BPF_JEQ, i, 0, 1);
		s(BPF_JMP | BPF_JA, (999 - i) * 3 + i);
	}
	for (uint32_t i = 0; i < 1000; i++)
		s(BPF_RET, i + 1);
	test_hard("loads 1000 jumps over the whole program");

	/* The same, and large: relays are needed. */
	for (uint32_t i = 0; i < 600; i++) {
		s(BPF_LD | BPF_IND | BPF_W, i % 700);
		s(BPF_MISC | BPF_TAX, 0);
		j(BPF_JMP | BPF_JEQ, i, 0, 1);
		s(BPF_JMP | BPF_JA, (599 - i) * 6 + i % 480);
		s(BPF_LD | BPF_LEN, 0);
		s(BPF_LDX | BPF_MSH | BPF_B, i);
	}
	for (uint32_t i = 0; i < 490; i++)
		s(BPF_LDX | BPF_IMM, 1);
	hard[nr - 1] = (struct sock_filter)STMT(BPF_RET, 77);
	test_hard("loads 600 jumps that need relays");
}

int main(void)
{
	test_refusals();
	test_long_blocks();
	test_blocks();
	test_defined_here();
	test_far_offsets();
	test_ancillary();
	test_random();
	test_merging();
	test_origin();
	test_no_memory();
	test_chains();
	hard_loads();
	hard_paths();
	hard_jumps();
	return failures != 0;
}
