// SPDX-License-Identifier: BSD-3-Clause
/*
 * Differential fuzzing: random cBPF programs and random expressions, over
 * random packets. What the translated program returns, in the kernel and in the
 * VM, must be what bpf_filter() returns and what the kernel's own socket filter
 * lets through. A pair counts when the kernel has run it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "kernel.h"
#include "oracle.h"
#include "random.h"
#include "reference.h"
#include "translate.h"
#include "vm.h"

#define POOL                256
#define PACKETS_PER_PROGRAM 40
/* A page less head and tail room, as BPF_PROG_TEST_RUN has it. */
#define MAX_LINEAR 3520

struct packet {
	uint8_t *data; /* of exactly len bytes */
	uint32_t len;
};

struct test {
	struct rng rng;
	struct packet pool[POOL];
	bool linear; /* the kernel takes the size of the first
				 * buffer */
	uint32_t cpu;

	/* the program */
	struct sock_filter cbpf[BPF_MAXINSNS];
	size_t len;
	char expression[4096];
	bool frags;
	uint32_t action;
	struct bpf_insn *ebpf;
	size_t ebpf_len;
	int prog;
	int sockets[2];
	bool socket;

	uint64_t pairs, socket_pairs, vm_pairs, frag_pairs, programs, refused;
	uint64_t nonzero, far_only;
};

static void print_program(const struct test *t)
{
	printf("# %s, frags %d, action %u; %zu cBPF instructions:\n# %zu",
	       t->expression, t->frags, t->action, t->len, t->len);
	for (size_t i = 0; i < t->len; i++)
		printf(",%u %u %u %u", t->cbpf[i].code, t->cbpf[i].jt,
		       t->cbpf[i].jf, t->cbpf[i].k);
	printf("\n");
}

static void print_packet(const uint8_t *data, uint32_t len, uint32_t linear)
{
	printf("# packet of %u bytes, %u in the first buffer:\n# ", len, linear);
	for (uint32_t i = 0; i < len; i++)
		printf("%02x", data[i]);
	printf("\n");
}

static void fail_pair(const struct test *t, const struct packet *p,
		      uint32_t linear, const char *what, long got, long want)
{
	print_program(t);
	print_packet(p->data, p->len, linear);
	printf("not ok fuzz # %s: %ld (0x%lx), not %ld (0x%lx)\n", what, got,
	       got, want, want);
	exit(1);
}

static void fill_pool(struct test *t)
{
	static uint8_t buf[RANDOM_MAX_PACKET];

	for (size_t i = 0; i < POOL; i++) {
		struct packet *p = &t->pool[i];

		p->len = random_packet(&t->rng, buf);
		free(p->data);
		p->data = malloc(p->len ? p->len : 1);
		if (!p->data)
			abort();
		memcpy(p->data, buf, p->len);
	}
}

/* Linux 6.18 and later: ctx->data_end is the size of the first buffer. */
static bool kernel_takes_linear(void)
{
	static const struct bpf_insn pass[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	static uint8_t data[200];
	struct kernel_run run = { .data = data, .len = 200, .linear = 50 };
	char log[64];
	int prog = kernel_load(pass, 2, true, log, sizeof(log));
	bool ok = prog >= 0 && kernel_run(prog, &run) == 0;

	close(prog);
	return ok;
}

/* Returns false if the program is refused, which must have a reason. */
static bool make_program(struct test *t)
{
	struct xdpcap_translate_error err = { 0 };
	struct xdpcap_translate_info info;
	struct xdpcap_translate_opts opts = { .info = &info };
	static char log[4096];
	struct sock_filter *cbpf;

	if (rng_one_in(&t->rng, 2)) {
		random_expression(&t->rng, t->expression, sizeof(t->expression));
		t->len = oracle_compile(t->expression, &cbpf, log, sizeof(log));
		if (!t->len || t->len > BPF_MAXINSNS)
			return false;
		memcpy(t->cbpf, cbpf, t->len * sizeof(*cbpf));
		free(cbpf);
	} else {
		strcpy(t->expression, "random program");
		t->len = random_program(&t->rng, t->cbpf);
	}
	if (!oracle_validate(t->cbpf, t->len)) {
		print_program(t);
		printf("not ok fuzz # the generator's program is not valid\n");
		exit(1);
	}
	t->frags = rng_one_in(&t->rng, 2);
	t->action = rng_below(&t->rng, 5);
	opts.frags = t->frags;
	opts.action = t->action;
	if (xdpcap_translate(t->cbpf, t->len, &opts, &t->ebpf, &t->ebpf_len,
			     &err) < 0) {
		t->refused++;
		if (err.msg[0] && err.insn < t->len)
			return false;
		print_program(t);
		printf("not ok fuzz # refused without a reason\n");
		exit(1);
	}
	t->far_only += info.far_only;
	free(info.origin);
	t->prog = kernel_load(t->ebpf, t->ebpf_len, t->frags, log, sizeof(log));
	if (t->prog < 0) {
		print_program(t);
		printf("# %s\nnot ok fuzz # accepted, but does not load\n", log);
		exit(1);
	}
	t->socket = kernel_socket(t->cbpf, t->len, t->sockets);
	t->programs++;
	return true;
}

static void drop_program(struct test *t)
{
	close(t->prog);
	if (t->socket) {
		close(t->sockets[0]);
		close(t->sockets[1]);
	}
	free(t->ebpf);
}

static void check_vm(struct test *t, const struct packet *p,
		     const struct xdpcap_ancillary *anc, uint32_t linear,
		     uint32_t want)
{
	struct vm_packet packet = {
		.data = p->data,
		.len = p->len,
		.linear = linear,
		.ifindex = anc->ifindex,
		.queue = anc->queue,
		.cpu = anc->cpu,
	};
	uint32_t ret = 0;
	uint64_t executed;
	const char *error;

	error = vm_run(t->ebpf, t->ebpf_len, &packet, &ret, &executed);
	if (error)
		fail_pair(t, p, linear, error, 0, want);
	if (ret != want)
		fail_pair(t, p, linear, "VM", ret, want);
	t->vm_pairs++;
}

static void check_kernel(struct test *t, const struct packet *p,
			 uint32_t linear, uint32_t want)
{
	struct kernel_run run = { .data = p->data, .len = p->len };

	if (linear < p->len && t->linear)
		run.linear = linear;
	/*
	 * BPF_PROG_TEST_RUN gives more than a page to a program that takes no
	 * frags, too; a driver would not.
	 */
	if (!t->frags && p->len > MAX_LINEAR)
		return;
	if (kernel_run(t->prog, &run) < 0)
		fail_pair(t, p, linear, strerror(errno), -1, want);
	if (run.ret != want)
		fail_pair(t, p, linear, "kernel", run.ret, want);
	t->pairs++;
	t->nonzero += want != 0;
	t->frag_pairs += linear < p->len;
}

static void check_socket(struct test *t, const struct packet *p, uint32_t want)
{
	long got = kernel_socket_run(t->sockets, p->data, p->len);
	long expect = want == 0 ? -1 : want < p->len ? (long)want : p->len;

	if (got != expect)
		fail_pair(t, p, p->len, "socket filter, bytes let through",
			  expect, got);
	t->socket_pairs++;
}

static uint32_t random_linear(struct test *t, const struct packet *p)
{
	if (!t->frags)
		return p->len;
	if (!t->linear)
		return p->len < MAX_LINEAR ? p->len : MAX_LINEAR;
	if (p->len <= KERNEL_MIN_PACKET + 1)
		return p->len;
	if (p->len < MAX_LINEAR && rng_one_in(&t->rng, 2))
		return p->len;
	return KERNEL_MIN_PACKET +
	       rng_below(&t->rng,
			 (p->len < 300 ? p->len : 300) - KERNEL_MIN_PACKET);
}

static void check_pair(struct test *t, const struct packet *p)
{
	static struct sock_filter patched[BPF_MAXINSNS];
	struct xdpcap_ancillary anc = {
		.packet = p->data,
		.packet_len = p->len,
		.action = t->action,
		.ifindex = 1, /* what BPF_PROG_TEST_RUN says: loopback */
		.queue = 0,
		.cpu = t->cpu,
	};
	uint32_t linear = random_linear(t, p);
	struct reference ref = reference_run(t->cbpf, &anc);
	uint32_t want;

	if (!ref.libpcap_differs && !ref.random) {
		reference_patch(patched, t->cbpf, t->len, &anc);
		want = oracle_filter(patched, p->data, p->len);
		if (want != ref.ret)
			fail_pair(t, p, linear, "reference", ref.ret, want);
	}
	check_vm(t, p, &anc, linear, ref.ret);
	if (p->len >= KERNEL_MIN_PACKET && !ref.random)
		check_kernel(t, p, linear, ref.ret);
	if (t->socket && !ref.kernel_differs && !ref.random)
		check_socket(t, p, ref.ret);
}

int main(int argc, char **argv)
{
	static struct test t;
	uint64_t want = 200000, seed = (uint64_t)time(NULL) ^ (uint64_t)getpid()
								      << 32;
	int opt;

	while ((opt = getopt(argc, argv, "n:s:")) != -1) {
		switch (opt) {
		case 'n':
			want = strtoull(optarg, NULL, 0);
			break;
		case 's':
			seed = strtoull(optarg, NULL, 0);
			break;
		default:
			fprintf(stderr, "usage: %s [-n pairs] [-s seed]\n",
				argv[0]);
			return 2;
		}
	}
	printf("# seed %" PRIu64 " (repeat with -s)\n", seed);
	fflush(stdout);
	t.rng.state = seed;
	t.linear = kernel_takes_linear();
	t.cpu = kernel_stay_on_cpu();
	for (uint64_t round = 0; t.pairs < want; round++) {
		if (round % 64 == 0)
			fill_pool(&t);
		if (!make_program(&t))
			continue;
		for (int i = 0; i < PACKETS_PER_PROGRAM; i++)
			check_pair(&t, &t.pool[rng_below(&t.rng, POOL)]);
		drop_program(&t);
	}
	for (size_t i = 0; i < POOL; i++)
		free(t.pool[i].data);
	printf("# %" PRIu64 " programs (%" PRIu64
	       " without near code), %" PRIu64 " refused\n# pairs: %" PRIu64
	       " kernel (%" PRIu64 " accepted, %" PRIu64
	       " multi-buffer), %" PRIu64 " socket filter, %" PRIu64 " VM\n",
	       t.programs, t.far_only, t.refused, t.pairs, t.nonzero,
	       t.frag_pairs, t.socket_pairs, t.vm_pairs);
	printf("ok fuzz\n");
	return 0;
}
