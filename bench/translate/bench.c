// SPDX-License-Identifier: BSD-3-Clause
/*
 * What a translated filter costs, against the same test hand-written in C
 * (filters.bpf.c, clang -O2): instructions in the program, instructions
 * executed, and nanoseconds per packet by BPF_PROG_TEST_RUN, for a packet that
 * matches and one that does not.
 *
 * The two programs and an empty one take turns; each figure is the median of
 * the rounds. Time is the thread's CPU time around the system call, which
 * repeats the program many times: the kernel's own figure has no fractions, and
 * the machine may have other things to do. Not few times: each call makes the
 * kernel rewrite its XDP dispatcher, twice, and wait for it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "translate.h"
#include "../../tests/translate/kernel.h"
#include "../../tests/translate/oracle.h"
#include "../../tests/translate/packets.h"
#include "../../tests/translate/vm.h"

#define MAX_ROUNDS 51

static const char hosts[] = "(hosts)";

static const struct filter {
	const char *program; /* in filters.bpf.c */
	const char *expression;
	const char *match, *miss;
} filters[] = {
	{ "ip", "ip", "eth/ip/udp/zero(20)", "eth/arp/zero(20)" },
	{ "arp", "arp", "eth/arp/zero(20)", "eth/ip/udp/zero(20)" },
	{ "udp", "udp", "eth/ip/udp/zero(20)", "eth/ip/tcp" },
	{ "tcp", "tcp", "eth/ip/tcp", "eth/ip/udp/zero(20)" },
	{ "ip6_and_tcp", "ip6 and tcp", "eth/ip6/tcp", "eth/ip/tcp" },
	{ "udp_port_53", "udp port 53", "eth/ip/udp(1024,53)/zero(20)",
	  "eth/ip/udp(1024,80)/zero(20)" },
	{ "udp_port_53", "udp port 53", "eth/ip6/udp(1024,53)/zero(20)",
	  "eth/ip/tcp(1024,53)" },
	{ "tcp_port_80", "tcp port 80", "eth/ip/tcp", "eth/ip/tcp(1024,443)" },
	{ "tcp_dst_port_443", "tcp dst port 443", "eth/ip/tcp(1024,443)",
	  "eth/ip/tcp(1024,80)" },
	{ "udp_portrange", "udp portrange 5000-6000",
	  "eth/ip/udp(1024,5500)/zero(20)", "eth/ip/udp(1024,80)/zero(20)" },
	{ "host", "host 10.0.0.1", "eth/ip(10.0.0.9,10.0.0.1)/tcp",
	  "eth/ip(10.0.0.9,10.0.0.8)/tcp" },
	{ "host_and_host", "host 10.0.0.1 and host 10.0.0.2", "eth/ip/tcp",
	  "eth/ip(10.0.0.9,10.0.0.8)/tcp" },
	{ "src_and_dst", "src host 10.0.0.1 and dst host 10.0.0.2",
	  "eth/ip/tcp", "eth/ip(10.0.0.9,10.0.0.8)/tcp" },
	{ "net", "net 10.0.0.0/24", "eth/ip(10.1.0.9,10.0.0.8)/tcp",
	  "eth/ip(10.1.0.9,10.2.0.8)/tcp" },
	{ "host_and_port", "ip host 10.0.0.1 and tcp port 80", "eth/ip/tcp",
	  "eth/ip(10.0.0.1,10.0.0.2)/tcp(1024,443)" },
	{ "hosts_50", hosts, "eth/ip(192.168.0.1,10.0.1.88)/tcp",
	  "eth/ip(192.168.0.1,10.0.1.89)/tcp" },
	{ "ether_host", "ether host 02:00:00:00:00:01", "eth/ip/tcp",
	  "eth(2:0:0:0:0:3,2:0:0:0:0:4)/ip/tcp" },
	{ "broadcast", "ether broadcast", "eth(ff:ff:ff:ff:ff:ff)/ip/tcp",
	  "eth/ip/tcp" },
	{ "vlan_and_ip", "vlan and ip", "eth/vlan(7)/ip/tcp", "eth/ip/tcp" },
	{ "vlan_7_and_tcp", "vlan 7 and tcp", "eth/vlan(7)/ip/tcp",
	  "eth/vlan(8)/ip/tcp" },
	{ "mpls", "mpls 17", "eth/mpls(17)/zero(40)", "eth/mpls(18)/zero(40)" },
	{ "tcp_syn_fin", "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0",
	  "eth/ip/tcp(1024,80,S)", "eth/ip/tcp(1024,80,A)" },
	{ "http_get", "tcp[((tcp[12:1] & 0xf0) >> 2):4] = 0x47455420",
	  "eth/ip/tcp/text(GET / HTTP)", "eth/ip/tcp/text(POST / HTTP)" },
	{ "icmp_echo",
	  "icmp[icmptype] = icmp-echo or icmp[icmptype] = icmp-echoreply",
	  "eth/ip/icmp(0)/zero(20)", "eth/ip/icmp(3)/zero(20)" },
	{ "greater", "greater 1000", "eth/ip/tcp/zero(1000)", "eth/ip/tcp" },
	{ "vxlan", "udp dst port 4789 and udp[12:4] = 10752",
	  "eth/ip/udp(1,4789)/vxlan(42)/zero(20)",
	  "eth/ip/udp(1,4789)/vxlan(43)/zero(20)" },
	{ "geneve", "geneve 42", "eth/ip/udp(1,6081)/geneve(42)/ip/zero(20)",
	  "eth/ip/udp(1,6081)/geneve(43)/ip/zero(20)" },
};

#define NR_FILTERS (sizeof(filters) / sizeof(filters[0]))

/* A program, of one kind or the other, and what was measured of it. */
struct side {
	int prog;
	const struct bpf_insn *insn;
	size_t len;
	uint64_t executed[2]; /* match, miss */
	double ns[2];
};

struct bench {
	struct bpf_object *object;
	int empty;
	double empty_ns;
	uint32_t repeat;
	int rounds;
	bool frags;
	FILE *json;
};

static void die(const char *what)
{
	fprintf(stderr, "bench: %s\n", what);
	exit(1);
}

static int by_value(const void *a, const void *b)
{
	double d = *(const double *)a - *(const double *)b;

	return (d > 0) - (d < 0);
}

static double median(double *v, int n)
{
	qsort(v, (size_t)n, sizeof(*v), by_value);
	return (v[(n - 1) / 2] + v[n / 2]) / 2;
}

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* ns per packet, once. */
static double measure(int prog, const uint8_t *data, uint32_t len, uint32_t repeat)
{
	struct kernel_run run = { .data = data, .len = len, .repeat = repeat };
	double start = now_ns();

	if (kernel_run(prog, &run) < 0)
		die(strerror(errno));
	return (now_ns() - start) / repeat;
}

static void measure_all(struct bench *b, struct side *c, struct side *t,
			int which, const uint8_t *data, uint32_t len)
{
	/* Whoever runs after another could gain or lose by it. */
	static const int orders[6][3] = { { 0, 1, 2 }, { 2, 1, 0 }, { 1, 2, 0 },
					  { 0, 2, 1 }, { 2, 0, 1 }, { 1, 0, 2 } };
	const int progs[3] = { b->empty, c->prog, t->prog };
	double ns[3][MAX_ROUNDS];

	for (int i = 0; i < b->rounds; i++) {
		for (int j = 0; j < 3; j++) {
			int k = orders[i % 6][j];

			ns[k][i] = measure(progs[k], data, len, b->repeat);
		}
	}
	b->empty_ns = median(ns[0], b->rounds);
	c->ns[which] = median(ns[1], b->rounds);
	t->ns[which] = median(ns[2], b->rounds);
}

static uint32_t run_vm(struct side *s, int which, const uint8_t *data,
		       uint32_t len)
{
	struct vm_packet packet = { .data = data, .len = len, .linear = len };
	uint32_t ret = 0;
	const char *error =
		vm_run(s->insn, s->len, &packet, &ret, &s->executed[which]);

	if (error)
		die(error);
	return ret;
}

/* The two must agree, or they are not the same test. */
static void check(const struct filter *f, struct side *c, struct side *t,
		  int which, const uint8_t *data, uint32_t len)
{
	uint32_t want = which == 0 ? 262144 : 0;

	if (run_vm(c, which, data, len) != want ||
	    run_vm(t, which, data, len) != want) {
		fprintf(stderr, "bench: %s: %s packet: wrong verdict\n",
			f->program, which ? "second" : "first");
		exit(1);
	}
}

static void find_c(struct bench *b, const char *name, struct side *c)
{
	struct bpf_program *prog;

	prog = bpf_object__find_program_by_name(b->object, name);
	if (!prog)
		die(name);
	c->prog = bpf_program__fd(prog);
	c->insn = bpf_program__insns(prog);
	c->len = bpf_program__insn_cnt(prog);
}

static const char *expression_of(const struct filter *f)
{
	static char text[2048];
	size_t n = 0;

	if (f->expression != hosts)
		return f->expression;
	for (unsigned i = 0; i < 50; i++) {
		unsigned a = i * 7 + 1;

		n += (size_t)snprintf(text + n, sizeof(text) - n,
				      "%shost 10.0.%u.%u", i ? " or " : "",
				      a >> 8, a & 255);
	}
	return text;
}

static void translate(struct bench *b, const struct filter *f, struct side *t)
{
	struct xdpcap_translate_opts opts = { .frags = b->frags };
	struct xdpcap_translate_error err;
	struct sock_filter *cbpf;
	struct bpf_insn *ebpf;
	static char log[2048];
	size_t n;

	n = oracle_compile(expression_of(f), &cbpf, log, sizeof(log));
	if (!n)
		die(log);
	if (xdpcap_translate(cbpf, n, &opts, &ebpf, &t->len, &err) < 0)
		die(err.msg);
	free(cbpf);
	t->insn = ebpf;
	t->prog = kernel_load(ebpf, t->len, b->frags, log, sizeof(log));
	if (t->prog < 0)
		die(log);
}

static void print_json(const struct bench *b, const struct filter *f,
		       const struct side *c, const struct side *t, bool first)
{
	if (!b->json)
		return;
	fprintf(b->json, "%s\n  {\"filter\": \"%s\", \"program\": \"%s\",\n",
		first ? "" : ",",
		f->expression == hosts ? "50 hosts" : f->expression, f->program);
	fprintf(b->json,
		"   \"ebpf_insns\": %zu, \"c_insns\": %zu,\n"
		"   \"ebpf_executed\": [%" PRIu64 ", %" PRIu64 "], "
		"\"c_executed\": [%" PRIu64 ", %" PRIu64 "],\n"
		"   \"ebpf_ns\": [%.2f, %.2f], \"c_ns\": [%.2f, %.2f], "
		"\"empty_ns\": %.2f}",
		t->len, c->len, t->executed[0], t->executed[1], c->executed[0],
		c->executed[1], t->ns[0], t->ns[1], c->ns[0], c->ns[1],
		b->empty_ns);
}

static double ratio(const struct side *c, const struct side *t, int which)
{
	return t->ns[which] / c->ns[which];
}

static void print_row(const struct filter *f, const struct side *c,
		      const struct side *t)
{
	printf("%-34.34s %4zu %4zu  %4" PRIu64 " %4" PRIu64 "  %4" PRIu64
	       " %4" PRIu64 "  %6.2f %6.2f %5.2f  %6.2f %6.2f %5.2f\n",
	       f->expression == hosts ? "host A1 or ... or host A50" :
					f->expression,
	       t->len, c->len, t->executed[0], c->executed[0], t->executed[1],
	       c->executed[1], t->ns[0], c->ns[0], ratio(c, t, 0), t->ns[1],
	       c->ns[1], ratio(c, t, 1));
}

static void run_filter(struct bench *b, const struct filter *f, bool first,
		       double *worst)
{
	const char *const descriptions[2] = { f->match, f->miss };
	struct side c = { 0 }, t = { 0 };
	static uint8_t packet[PACKET_MAX];
	const char *where;

	find_c(b, f->program, &c);
	translate(b, f, &t);
	for (int which = 0; which < 2; which++) {
		long len = packet_build(descriptions[which], packet, &where);

		if (len < 0)
			die(where);
		/* No driver hands up less than a whole frame. */
		if (len < 60)
			len = 60;
		check(f, &c, &t, which, packet, (uint32_t)len);
		measure_all(b, &c, &t, which, packet, (uint32_t)len);
		if (ratio(&c, &t, which) > *worst)
			*worst = ratio(&c, &t, which);
	}
	print_row(f, &c, &t);
	print_json(b, f, &c, &t, first);
	fflush(stdout);
	close(t.prog);
	free((void *)t.insn);
}

static void check_stats_are_off(void)
{
	FILE *f = fopen("/proc/sys/kernel/bpf_stats_enabled", "r");
	int on = 0;

	if (f && fscanf(f, "%d", &on) == 1 && on)
		die("kernel.bpf_stats_enabled is 1: it costs 100 ns a run; "
		    "set it to 0");
	if (f)
		fclose(f);
}

static void open_object(struct bench *b, const char *file)
{
	struct bpf_program *prog;
	struct side empty;

	b->object = bpf_object__open_file(file, NULL);
	if (!b->object)
		die(file);
	bpf_object__for_each_program (prog, b->object)
		if (b->frags)
			bpf_program__set_flags(prog, BPF_F_XDP_HAS_FRAGS);
	if (bpf_object__load(b->object) < 0)
		die("the C filters do not load");
	find_c(b, "empty", &empty);
	b->empty = empty.prog;
}

int main(int argc, char **argv)
{
	struct bench b = { .repeat = 1000000, .rounds = 18 };
	double worst = 0;
	int opt;

	while ((opt = getopt(argc, argv, "fj:q")) != -1) {
		switch (opt) {
		case 'f':
			b.frags = true;
			break;
		case 'j':
			b.json = fopen(optarg, "w");
			if (!b.json)
				die(optarg);
			break;
		case 'q':
			b.repeat = 400000;
			b.rounds = 6;
			break;
		default:
			optind = argc;
			break;
		}
	}
	if (argc - optind != 1) {
		fprintf(stderr,
			"usage: %s [-f] [-q] [-j FILE] "
			"filters.bpf.o\n",
			argv[0]);
		return 2;
	}
	check_stats_are_off();
	open_object(&b, argv[optind]);
	printf("%-34s %9s  %9s  %9s  %20s  %20s\n", "", "insns", "executed",
	       "executed", "ns", "ns");
	printf("%-34s %9s  %9s  %9s  %20s  %20s\n", "", "", "match", "no match",
	       "match", "no match");
	printf("%-34s %4s %4s  %4s %4s  %4s %4s  %6s %6s %5s  %6s %6s %5s\n",
	       "filter", "eBPF", "C", "eBPF", "C", "eBPF", "C", "eBPF", "C",
	       "ratio", "eBPF", "C", "ratio");
	if (b.json)
		fprintf(b.json, "[");
	for (size_t i = 0; i < NR_FILTERS; i++)
		run_filter(&b, &filters[i], i == 0, &worst);
	if (b.json) {
		fprintf(b.json, "\n]\n");
		fclose(b.json);
	}
	printf("empty program: %.2f ns; largest ratio: %.2f\n", b.empty_ns,
	       worst);
	bpf_object__close(b.object);
	return 0;
}
