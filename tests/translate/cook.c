// SPDX-License-Identifier: BSD-3-Clause
/*
 * Filters for LINUX_SLL2: what a program returns for a packet's SLL2 form by
 * bpf_filter() must be what its cooked version returns for the packet itself,
 * by bpf_filter(), by its translation in the VM and by that in the kernel. Of
 * the expressions of a corpus (all that compile for SLL2), of expressions that
 * look at the header, and of random programs; and expressions must not be
 * refused.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cook.h"
#include "kernel.h"
#include "oracle.h"
#include "packets.h"
#include "random.h"
#include "reference.h"
#include "translate.h"
#include "vm.h"

#define POOL                256
#define PROGRAMS            30000
#define EXPRESSIONS         3000
#define PACKETS_PER_PROGRAM 20
/* A page less head and tail room, as BPF_PROG_TEST_RUN has it. */
#define MAX_LINEAR 3520
#define SNAPLEN    262144

struct packet {
	uint8_t *data;
	uint32_t len;
};

struct test {
	struct rng rng;
	struct packet pool[POOL];
	size_t packets;
	struct sock_filter sll2[BPF_MAXINSNS];
	size_t len;
	char expression[4096];
	uint32_t action, cpu;
	struct sock_filter *eth;
	size_t eth_len;
	struct bpf_insn *ebpf;
	size_t ebpf_len;
	int prog;
	uint64_t programs, refused, pairs, nonzero, kernel_pairs;
};

static void fail_pair(const struct test *t, const struct packet *p,
		      const char *what, uint32_t got, uint32_t want)
{
	printf("# %s, action %u; %zu instructions:\n# ", t->expression,
	       t->action, t->len);
	for (size_t i = 0; i < t->len; i++)
		printf("%u %u %u %u,", t->sll2[i].code, t->sll2[i].jt,
		       t->sll2[i].jf, t->sll2[i].k);
	printf("\n# cooked: ");
	for (size_t i = 0; i < t->eth_len; i++)
		printf("%u %u %u %u,", t->eth[i].code, t->eth[i].jt,
		       t->eth[i].jf, t->eth[i].k);
	if (p) {
		printf("\n# packet of %u bytes:\n# ", p->len);
		for (uint32_t i = 0; i < p->len; i++)
			printf("%02x", p->data[i]);
	}
	printf("\nnot ok cook # %s: %u, not %u\n", what, got, want);
	exit(1);
}

static void keep_packet(struct packet *p, const uint8_t *data, uint32_t len)
{
	free(p->data);
	p->data = malloc(len);
	if (!p->data)
		abort();
	memcpy(p->data, data, len);
	p->len = len;
}

static void fill_pool(struct test *t)
{
	static uint8_t buf[RANDOM_MAX_PACKET];
	uint32_t len;

	for (t->packets = 0; t->packets < POOL;) {
		len = random_packet(&t->rng, buf);
		if (len < KERNEL_MIN_PACKET)
			continue; /* XDP has none that are shorter */
		if (rng_one_in(&t->rng, 8))
			buf[12] = 0; /* 802.3 */
		if (rng_one_in(&t->rng, 16) && len >= 16)
			memset(buf + 14, 0xff, 2);
		keep_packet(&t->pool[t->packets++], buf, len);
	}
}

/* What the cooked program is to return for what the other one does. */
static uint32_t cooked_return(uint32_t ret)
{
	return ret ? xdpcap_cook_snaplen(ret) : 0;
}

/* The packet in SLL2 form: returns its length. */
static uint32_t make_sll2(const struct xdpcap_ancillary *anc, uint8_t *buf)
{
	xdpcap_sll2_header(anc, buf);
	memcpy(buf + XDPCAP_SLL2_LEN, anc->packet + ETH_HLEN,
	       anc->packet_len - ETH_HLEN);
	return (uint32_t)anc->packet_len - ETH_HLEN + XDPCAP_SLL2_LEN;
}

static void check_pair(struct test *t, const struct packet *p, bool kernel)
{
	static struct sock_filter patched[BPF_MAXINSNS];
	static uint8_t form[RANDOM_MAX_PACKET + XDPCAP_SLL2_LEN];
	struct xdpcap_ancillary anc = {
		.packet = p->data,
		.packet_len = p->len,
		.action = t->action,
		.ifindex = 1, /* what BPF_PROG_TEST_RUN says: loopback */
		.cpu = t->cpu,
	};
	struct vm_packet packet = {
		.data = p->data,
		.len = p->len,
		.linear = p->len,
		.ifindex = 1,
		.cpu = t->cpu,
	};
	struct kernel_run run = { .data = p->data, .len = p->len };
	struct xdpcap_ancillary sll2 = { .packet = form };
	struct reference ref;
	uint32_t want, got;
	uint64_t executed;
	const char *error;

	sll2.packet_len = make_sll2(&anc, form);
	reference_patch(patched, t->sll2, t->len, &anc);
	ref = reference_run(patched, &sll2);
	if (ref.libpcap_differs || ref.random)
		return;
	want = cooked_return(
		oracle_filter(patched, form, (uint32_t)sll2.packet_len));
	reference_patch(patched, t->eth, t->eth_len, &anc);
	got = oracle_filter(patched, p->data, p->len);
	if (got != want)
		fail_pair(t, p, "bpf_filter()", got, want);
	t->pairs++;
	t->nonzero += want != 0;
	error = vm_run(t->ebpf, t->ebpf_len, &packet, &got, &executed);
	if (error)
		fail_pair(t, p, error, 0, want);
	if (got != want)
		fail_pair(t, p, "VM", got, want);
	if (!kernel || p->len > MAX_LINEAR)
		return;
	if (kernel_run(t->prog, &run) < 0)
		fail_pair(t, p, "cannot be run", 0, want);
	if (run.ret != want)
		fail_pair(t, p, "kernel", run.ret, want);
	t->kernel_pairs++;
}

/* Cook the program in sll2, and check it with packets. */
static void check_program(struct test *t, bool may_refuse, bool kernel)
{
	struct xdpcap_translate_error err = { 0 };
	struct xdpcap_translate_opts opts = { 0 };
	char log[2048];

	t->action = rng_below(&t->rng, 5);
	opts.action = t->action;
	t->eth = NULL;
	t->eth_len = 0;
	if (xdpcap_cook(t->sll2, t->len, t->action, SNAPLEN, &t->eth,
			&t->eth_len, &err)) {
		if (!may_refuse)
			fail_pair(t, NULL, err.msg, 0, 0);
		t->refused++;
		return;
	}
	if (!oracle_validate(t->eth, t->eth_len))
		fail_pair(t, NULL, "the cooked program is not valid", 0, 0);
	if (xdpcap_translate(t->eth, t->eth_len, &opts, &t->ebpf, &t->ebpf_len,
			     &err)) {
		if (!may_refuse)
			fail_pair(t, NULL, err.msg, 0, 0);
		t->refused++;
		free(t->eth);
		return;
	}
	if (kernel) {
		t->prog = kernel_load(t->ebpf, t->ebpf_len, false, log,
				      sizeof(log));
		if (t->prog < 0)
			fail_pair(t, NULL, log, 0, 0);
	}
	t->programs++;
	for (int i = 0; i < PACKETS_PER_PROGRAM; i++)
		check_pair(t, &t->pool[rng_below(&t->rng, t->packets)], kernel);
	if (kernel)
		close(t->prog);
	free(t->ebpf);
	free(t->eth);
}

/* Returns false if libpcap does not compile it for SLL2. */
static bool check_expression(struct test *t, const char *expression,
			     bool may_refuse)
{
	struct sock_filter *cbpf;
	char err[512];

	if (t->expression != expression)
		snprintf(t->expression, sizeof(t->expression), "%s", expression);
	t->len = oracle_compile_sll2(t->expression, &cbpf, err, sizeof(err));
	if (!t->len || t->len > BPF_MAXINSNS) {
		if (t->len)
			free(cbpf);
		return false;
	}
	memcpy(t->sll2, cbpf, t->len * sizeof(*cbpf));
	free(cbpf);
	check_program(t, may_refuse, true);
	return true;
}

/* All of the header, by every way there is to look at it. */
static void check_header(struct test *t)
{
	static const char *const expressions[] = {
		"ifindex 1",
		"not ifindex 1",
		"inbound",
		"outbound",
		"inbound and udp",
		"link[0:2] = 0x800",
		"link[0] = 8 and link[1] = 0",
		"link[4:4] = 1",
		"link[10] = 4",
		"link[link[10]] = 8",
		"link[link[10]:2] > 5",
		"link[2 * link[10] + 9:4] & 0xff != 7",
		"link[6 + link[10]:4] > 77",
		"len > 100",
		"len = 60 or len = 66",
		"link[len - 1] > 3",
		"greater 74 and ip",
	};
	char expression[64];

	for (size_t i = 0; i < sizeof(expressions) / sizeof(*expressions); i++)
		if (!check_expression(t, expressions[i], false))
			fail_pair(t, NULL, "does not compile", 0, 0);
	for (int k = 0; k < 24; k++) {
		for (int size = 1; size <= 4; size *= 2) {
			snprintf(expression, sizeof(expression),
				 "link[%d:%d] > %u", k, size,
				 rng_below(&t->rng, 1 << (6 * size)));
			check_expression(t, expression, false);
			snprintf(expression, sizeof(expression),
				 "link[link[10] + %d:%d] > %u", k, size,
				 rng_below(&t->rng, 1 << (6 * size)));
			check_expression(t, expression, false);
		}
	}
}

/* The corpus's packets and expressions, whatever they match. */
static void check_corpus(struct test *t, const char *path)
{
	static uint8_t buf[PACKET_MAX];
	char line[2048], *arrow, *description;
	const char *where;
	FILE *f = fopen(path, "r");
	size_t compiled = 0;
	long len;

	if (!f) {
		perror(path);
		exit(2);
	}
	t->packets = 0;
	while (fgets(line, sizeof(line), f)) {
		arrow = strstr(line, " =>");
		if (strncmp(line, "packet ", 7) == 0 && t->packets < POOL) {
			line[strcspn(line, "\n")] = 0;
			description = line + 7 + strcspn(line + 7, " \t");
			description += strspn(description, " \t");
			len = packet_build(description, buf, &where);
			if (len >= KERNEL_MIN_PACKET)
				keep_packet(&t->pool[t->packets++], buf,
					    (uint32_t)len);
		} else if (line[0] != '#' && arrow) {
			*arrow = 0;
			compiled +=
				check_expression(t, line,
						 strstr(arrow + 1, "@userland"));
		}
	}
	fclose(f);
	if (compiled < 100) {
		printf("not ok cook # only %zu expressions compile\n", compiled);
		exit(1);
	}
}

static void check_random(struct test *t, int i)
{
	t->len = random_program(&t->rng, t->sll2);
	strcpy(t->expression, "random program");
	for (size_t j = 0; j < t->len; j++) {
		struct sock_filter *f = &t->sll2[j];

		/* those would be refused, and so all programs but a few */
		if (f->code == (BPF_RET | BPF_A) ||
		    (f->code == (BPF_RET | BPF_K) && f->k < 22 && f->k > 0)) {
			f->code = BPF_RET | BPF_K;
			f->k = 22 + rng_below(&t->rng, 100);
		}
	}
	check_program(t, true, i % 8 == 0);
}

int main(int argc, char **argv)
{
	static struct test t;
	uint64_t seed = (uint64_t)time(NULL) ^ (uint64_t)getpid() << 32;
	int opt;

	while ((opt = getopt(argc, argv, "s:")) != -1) {
		if (opt != 's')
			break;
		seed = strtoull(optarg, NULL, 0);
	}
	if (optind != argc - 1) {
		fprintf(stderr, "usage: %s [-s seed] corpus.txt\n", argv[0]);
		return 2;
	}
	printf("# seed %" PRIu64 " (repeat with -s)\n", seed);
	fflush(stdout);
	t.rng.state = seed;
	t.cpu = kernel_stay_on_cpu();
	fill_pool(&t);
	check_header(&t);
	check_corpus(&t, argv[optind]);
	for (int i = 0; i < PROGRAMS; i++) {
		if (i % 1024 == 0)
			fill_pool(&t);
		check_random(&t, i);
	}
	for (int i = 0; i < EXPRESSIONS; i++) {
		random_expression(&t.rng, t.expression, sizeof(t.expression));
		check_expression(&t, t.expression, true);
	}
	for (size_t i = 0; i < POOL; i++)
		free(t.pool[i].data);
	printf("# %" PRIu64 " programs, %" PRIu64 " refused\n# pairs: %" PRIu64
	       " (%" PRIu64 " accepted), %" PRIu64 " in the kernel\n",
	       t.programs, t.refused, t.pairs, t.nonzero, t.kernel_pairs);
	printf("ok cook\n");
	return 0;
}
