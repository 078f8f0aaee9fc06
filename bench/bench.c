// SPDX-License-Identifier: BSD-3-Clause
/*
 * bench PINS [--quick] [--json FILE] [--files DIR]
 * [cost|sharing|enter|live|writers]: measures what a capture costs. Started by
 * bench/run.sh in namespaces of its own. This file has the metrics and what the
 * measurements share; cost.c, sharing.c and enter.c measure inside the XDP program,
 * live.c with traffic, and capture.c opens captures.
 */
#include "bench.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bench/owner.skel.h"

static FILE *json;

void die(const char *what, ...)
{
	va_list args;

	fputs("bench: ", stderr);
	va_start(args, what);
	vfprintf(stderr, what, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

void samples_add(struct samples *samples, double value)
{
	double *values =
		realloc(samples->values, (samples->n + 1) * sizeof(*values));

	if (!values)
		die("out of memory");
	samples->values = values;
	samples->values[samples->n++] = value;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double samples_quantile(const struct samples *samples, double q)
{
	double *sorted, value;
	size_t n = samples->n;

	if (!n)
		die("no samples");
	sorted = malloc(n * sizeof(*sorted));
	if (!sorted)
		die("out of memory");
	memcpy(sorted, samples->values, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), compare);
	value = q == 0.5 ? (sorted[(n - 1) / 2] + sorted[n / 2]) / 2 :
			   sorted[(size_t)(q * (double)(n - 1))];
	free(sorted);
	return value;
}

void samples_free(struct samples *samples)
{
	free(samples->values);
	*samples = (struct samples){ 0 };
}

static void report(const struct samples *samples, const char *unit,
		   const char *name)
{
	double value = samples_quantile(samples, 0.5);
	double min = samples_quantile(samples, 0);
	double max = samples_quantile(samples, 1);

	printf("%-36s %12.6g %-6s %5zu %12.6g %12.6g\n", name, value, unit,
	       samples->n, min, max);
	fflush(stdout);
	if (json)
		fprintf(json,
			"{\"name\": \"%s\", \"value\": %.6g, \"unit\": \"%s\", \"n\": %zu, \"min\": %.6g, \"max\": %.6g}\n",
			name, value, unit, samples->n, min, max);
}

void metric(const struct samples *samples, const char *unit, const char *name, ...)
{
	char full[80];
	va_list args;

	va_start(args, name);
	vsnprintf(full, sizeof(full), name, args);
	va_end(args);
	if (samples->n)
		report(samples, unit, full);
}

void metric_ratio(const struct samples *a, const struct samples *b,
		  const char *name, ...)
{
	struct samples ratio = { 0 };
	char full[80];
	va_list args;

	for (size_t i = 0; i < a->n && i < b->n; i++)
		if (b->values[i] > 0)
			samples_add(&ratio, a->values[i] / b->values[i]);
	va_start(args, name);
	vsnprintf(full, sizeof(full), name, args);
	va_end(args);
	if (!a->n || !b->n)
		return;
	if (ratio.n)
		report(&ratio, "ratio", full);
	else
		printf("%-36s     cannot be said: what it is compared with is 0\n",
		       full);
	samples_free(&ratio);
}

uint64_t now_ns(int clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

void pin_to_cpu(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("cannot run on CPU %d: %s", cpu, strerror(errno));
}

static void pin(const struct bpf_map *map, char *path, size_t size,
		const struct bench_opts *opts, const char *name,
		const char *suffix)
{
	int err;

	snprintf(path, size, "%s/%s%s", opts->pins, name, suffix);
	err = bpf_obj_pin(bpf_map__fd(map), path);
	if (err)
		die("cannot pin %s: %s", path, strerror(-err));
}

void target_load(struct target *target, const struct bench_opts *opts,
		 const char *name, bool frags)
{
	struct bpf_program *prog;
	int err;

	target->skel = owner__open();
	if (!target->skel)
		die("cannot open the owner's program: %s", strerror(errno));
	bpf_object__for_each_program (prog, target->skel->obj)
		if (frags)
			bpf_program__set_flags(prog, BPF_F_XDP_HAS_FRAGS);
	err = owner__load(target->skel);
	if (err)
		die("cannot load the owner's program: %s", strerror(-err));
	target->drop_fd = bpf_program__fd(target->skel->progs.owner_drop);
	target->pass_fd = bpf_program__fd(target->skel->progs.owner_pass);
	target->enter_fd = bpf_program__fd(target->skel->progs.owner_enter);
	target->hook_fd = bpf_map__fd(target->skel->maps.hook);
	pin(target->skel->maps.hook, target->pin, sizeof(target->pin), opts,
	    name, "");
	pin(target->skel->maps.hook_enter, target->enter_pin,
	    sizeof(target->enter_pin), opts, name, "_enter");
	snprintf(target->device, sizeof(target->device), "xdpcap:%s",
		 target->pin);
}

void target_fill(const struct target *target, int prog_fd)
{
	__u32 slot = XDP_DROP;
	int err = bpf_map_update_elem(target->hook_fd, &slot, &prog_fd, BPF_ANY);

	if (err)
		die("cannot fill the hook: %s", strerror(-err));
}

void target_close(struct target *target)
{
	unlink(target->pin);
	unlink(target->enter_pin);
	owner__destroy(target->skel);
}

struct perf_event_attr perf_attr(uint32_t watermark)
{
	return (struct perf_event_attr){
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(struct perf_event_attr),
		.config = PERF_COUNT_SW_BPF_OUTPUT,
		.sample_type = PERF_SAMPLE_RAW,
		.sample_period = 1,
		.watermark = 1,
		.wakeup_watermark = watermark,
	};
}

void frame_fill(unsigned char *frame, size_t size)
{
	struct ethhdr *eth = (struct ethhdr *)frame;
	struct iphdr *ip = (struct iphdr *)(eth + 1);
	struct udphdr *udp = (struct udphdr *)(ip + 1);

	for (size_t i = 0; i < size; i++)
		frame[i] = (unsigned char)i;
	memset(frame, 0, (unsigned char *)(udp + 1) - frame);
	memset(eth->h_dest, 2, ETH_ALEN);
	memset(eth->h_source, 4, ETH_ALEN);
	eth->h_proto = htons(ETH_P_IP);
	ip->version = 4;
	ip->ihl = 5;
	ip->ttl = 64;
	ip->protocol = IPPROTO_UDP;
	ip->tot_len = htons(size - sizeof(*eth));
	ip->saddr = htonl(0x0a090001);
	ip->daddr = htonl(0x0a090002);
	udp->source = htons(1000);
	udp->dest = htons(FRAME_PORT);
	udp->len = htons(size - sizeof(*eth) - sizeof(*ip));
}

int main(int argc, char **argv)
{
	struct bench_opts opts = { .busy_cpu = -1, .consumer_cpu = -1 };
	const char *only = NULL, *json_path = NULL;
	cpu_set_t set;

	if (argc < 2)
		die("started by bench/run.sh");
	opts.pins = argv[1];
	for (int i = 2; i < argc; i++) {
		if (!strcmp(argv[i], "--quick"))
			opts.quick = true;
		else if (!strcmp(argv[i], "--json") && i + 1 < argc)
			json_path = argv[++i];
		else if (!strcmp(argv[i], "--files") && i + 1 < argc)
			opts.files = argv[++i];
		else
			only = argv[i];
	}
	if (sched_getaffinity(0, sizeof(set), &set))
		die("sched_getaffinity: %s", strerror(errno));
	/* the last two: interrupts like the first */
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &set))
			continue;
		opts.consumer_cpu = opts.busy_cpu;
		opts.busy_cpu = cpu;
	}
	if (opts.consumer_cpu < 0)
		die("needs two CPUs: one for the traffic, one for who captures");
	if (json_path) {
		json = fopen(json_path, "we");
		if (!json)
			die("cannot write %s: %s", json_path, strerror(errno));
	}
	printf("%-36s %12s %-6s %5s %12s %12s\n", "metric", "median", "unit",
	       "n", "min", "max");
	if (!only || !strcmp(only, "cost"))
		bench_cost(&opts);
	if (!only || !strcmp(only, "sharing"))
		bench_sharing(&opts);
	if (!only || !strcmp(only, "enter"))
		bench_enter(&opts);
	if (!only || !strcmp(only, "live") || !strcmp(only, "writers"))
		bench_live(&opts);
	if (json && fclose(json))
		die("cannot write %s: %s", json_path, strerror(errno));
	return 0;
}
