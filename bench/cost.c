// SPDX-License-Identifier: BSD-3-Clause
/*
 * What a packet costs inside the XDP program, above the same program with an
 * empty hook: BPF_PROG_TEST_RUN of the owner's program, so that nothing but the
 * programs and the memory that they write to is measured. The ways to capture
 * take turns, each with an owner and a hook of its own, and are emptied between
 * their turns, so that none but the one that is to be full ever is.
 */
#include "bench.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "references.h"
#include "bench/references.skel.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Of REFERENCE_BUFFER: what a turn may fill, with the largest overhead. */
#define TURN_BYTES   (REFERENCE_BUFFER * 3 / 4)
#define OVERHEAD     96
#define TURN_PACKETS 20000

/*
 * PERF wakes its reader as cloudflare/xdpcap does by default, PERF_QUIET never:
 * the difference is not the transport's cost, but what its users pay. The
 * capture wakes at a quarter of the ring.
 */
enum way {
	NONE,
	NOMATCH,
	NOMATCH_SLL2,
	MATCH,
	MATCH_LOWPREC,
	FULL,
	PERF,
	PERF_QUIET,
	RINGBUF,
	FLOOR,
	WAYS
};

static const char *const names[] = {
	[NONE] = "none",
	[NOMATCH] = "nomatch",
	[NOMATCH_SLL2] = "nomatch_sll2",
	[MATCH] = "match",
	[MATCH_LOWPREC] = "lowprec",
	[FULL] = "full",
	[PERF] = "perf",
	[PERF_QUIET] = "perf_quiet",
	[RINGBUF] = "ringbuf",
	[FLOOR] = "floor",
};

struct cost {
	size_t size;
	unsigned char frame[REFERENCE_PACKET_MAX];
	struct target targets[WAYS];
	pcap_t *captures[WAYS];
	struct references *references, *quiet;
	struct perf_buffer *perf, *perf_quiet;
	struct ring_buffer *ringbuf;
	struct samples samples[WAYS];
};

static enum bpf_perf_event_ret ignore_event(void *ctx, int cpu,
					    struct perf_event_header *event)
{
	(void)ctx;
	(void)cpu;
	(void)event;
	return LIBBPF_PERF_EVENT_CONT;
}

static int ignore_ringbuf_sample(void *ctx, void *data, size_t size)
{
	(void)ctx;
	(void)data;
	(void)size;
	return 0;
}

/* Run a way's owner program; returns ns for each packet. */
static double run(const struct cost *cost, enum way way, int packets)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = cost->frame,
		    .data_size_in = cost->size, .repeat = packets);
	int err = bpf_prog_test_run_opts(cost->targets[way].drop_fd, &opts);

	if (err)
		die("cannot run the owner's program: %s", strerror(-err));
	if (opts.retval != XDP_DROP)
		die("%s: the verdict is %u", names[way], opts.retval);
	return opts.duration;
}

/* Take everything out of a way's buffer. */
static void drain(struct cost *cost, enum way way)
{
	int n = 0;

	switch (way) {
	case MATCH:
	case MATCH_LOWPREC:
		capture_drain(cost->captures[way]);
		break;
	case PERF:
		n = perf_buffer__consume(cost->perf);
		break;
	case PERF_QUIET:
		n = perf_buffer__consume(cost->perf_quiet);
		break;
	case RINGBUF:
		n = ring_buffer__consume(cost->ringbuf);
		break;
	default:
		break;
	}
	if (n < 0)
		die("%s: cannot be read: %s", names[way], strerror(-n));
}

static struct references *load_references(size_t size, bool frags)
{
	struct references *skel = references__open();
	struct bpf_program *prog;
	int err;

	if (!skel)
		die("cannot open the references: %s", strerror(errno));
	skel->rodata->floor_size = size;
	bpf_object__for_each_program (prog, skel->obj)
		if (frags)
			bpf_program__set_flags(prog, BPF_F_XDP_HAS_FRAGS);
	err = references__load(skel);
	if (err)
		die("cannot load the references: %s", strerror(-err));
	return skel;
}

/* A perf buffer whose reader is woken at so many bytes. */
static struct perf_buffer *open_perf(const struct references *skel,
				     __u32 watermark)
{
	struct perf_event_attr attr = perf_attr(watermark);
	struct perf_buffer *perf;

	perf = perf_buffer__new_raw(bpf_map__fd(skel->maps.perf_events),
				    REFERENCE_BUFFER / getpagesize(), &attr,
				    ignore_event, NULL, NULL);
	if (!perf)
		die("cannot open a perf buffer: %s", strerror(errno));
	return perf;
}

static void setup_references(struct cost *cost, bool frags)
{
	cost->references = load_references(cost->size, frags);
	cost->quiet = load_references(cost->size, frags);
	cost->perf = open_perf(cost->references, REFERENCE_WATERMARK);
	cost->perf_quiet = open_perf(cost->quiet, REFERENCE_BUFFER);
	cost->ringbuf =
		ring_buffer__new(bpf_map__fd(cost->references->maps.ringbuf),
				 ignore_ringbuf_sample, NULL, NULL);
	if (!cost->ringbuf)
		die("cannot open the BPF ringbuf: %s", strerror(errno));
	target_fill(&cost->targets[PERF],
		    bpf_program__fd(cost->references->progs.reference_perf));
	target_fill(&cost->targets[PERF_QUIET],
		    bpf_program__fd(cost->quiet->progs.reference_perf));
	target_fill(&cost->targets[RINGBUF],
		    bpf_program__fd(cost->references->progs.reference_ringbuf));
	target_fill(&cost->targets[FLOOR],
		    bpf_program__fd(cost->references->progs.reference_floor));
}

static void setup(struct cost *cost, const struct bench_opts *opts, size_t size)
{
	/* what no page holds needs a program that takes several buffers */
	bool frags = size > 3000;
	char name[40];

	memset(cost, 0, sizeof(*cost));
	cost->size = size;
	frame_fill(cost->frame, size);
	for (enum way way = 0; way < WAYS; way++) {
		snprintf(name, sizeof(name), "%s_%zu", names[way], size);
		target_load(&cost->targets[way], opts, name, frags);
	}
	setup_references(cost, frags);
	cost->captures[NOMATCH] =
		capture_open(&cost->targets[NOMATCH], "udp port 53", false);
	cost->captures[NOMATCH_SLL2] =
		capture_open_sll2(&cost->targets[NOMATCH_SLL2], "udp port 53");
	cost->captures[MATCH_LOWPREC] =
		capture_open_lowprec(&cost->targets[MATCH_LOWPREC],
				     "udp port 4002");
	cost->captures[MATCH] =
		capture_open(&cost->targets[MATCH], "udp port 4002", false);
	cost->captures[FULL] =
		capture_open(&cost->targets[FULL], "udp port 4002", false);
	for (enum way way = 0; way < WAYS; way++) {
		char errbuf[PCAP_ERRBUF_SIZE];

		if (cost->captures[way] &&
		    pcap_setnonblock(cost->captures[way], 1, errbuf))
			die("%s", errbuf);
	}
	run(cost, FULL, 2 * REFERENCE_BUFFER / size);
}

/* Whether each way did what it was measured for: none took or lost too much. */
static void check(const struct cost *cost, unsigned long packets)
{
	const struct reference_counters *refs = &cost->references->bss->counters;
	const struct reference_counters *quiet = &cost->quiet->bss->counters;
	struct pcap_stat match, nomatch, full;

	if (pcap_stats(cost->captures[MATCH], &match) ||
	    pcap_stats(cost->captures[NOMATCH], &nomatch) ||
	    pcap_stats(cost->captures[FULL], &full))
		die("no statistics");
	if (match.ps_recv != packets || match.ps_drop)
		die("match: of %lu packets, %u were captured and %u dropped",
		    packets, match.ps_recv - match.ps_drop, match.ps_drop);
	if (nomatch.ps_recv)
		die("nomatch: %u packets matched", nomatch.ps_recv);
	if (full.ps_drop < packets)
		die("full: only %u of %lu packets were dropped", full.ps_drop,
		    packets);
	if (refs->dropped || refs->captured != 2 * packets)
		die("perf and ringbuf: of twice %lu packets, %llu were captured and %llu dropped",
		    packets, refs->captured, refs->dropped);
	if (quiet->dropped || quiet->captured != packets)
		die("perf_quiet: of %lu packets, %llu were captured and %llu dropped",
		    packets, quiet->captured, quiet->dropped);
}

static void teardown(struct cost *cost)
{
	for (enum way way = 0; way < WAYS; way++) {
		if (cost->captures[way])
			pcap_close(cost->captures[way]);
		target_close(&cost->targets[way]);
		samples_free(&cost->samples[way]);
	}
	perf_buffer__free(cost->perf);
	perf_buffer__free(cost->perf_quiet);
	ring_buffer__free(cost->ringbuf);
	references__destroy(cost->references);
	references__destroy(cost->quiet);
}

static void report(struct cost *cost)
{
	struct samples *s = cost->samples;
	size_t size = cost->size;

	metric(&s[MATCH], "ns", "match_%zu_ns", size);
	metric(&s[NOMATCH], "ns", "nomatch_%zu_ns", size);
	if (size == 64)
		metric(&s[NOMATCH], "ns", "nomatch_ns");
	metric(&s[MATCH_LOWPREC], "ns", "lowprec_%zu_ns", size);
	metric(&s[NOMATCH_SLL2], "ns", "nomatch_sll2_%zu_ns", size);
	metric(&s[FULL], "ns", "full_%zu_ns", size);
	metric(&s[PERF], "ns", "perf_%zu_ns", size);
	metric(&s[PERF_QUIET], "ns", "perf_quiet_%zu_ns", size);
	metric(&s[RINGBUF], "ns", "ringbuf_%zu_ns", size);
	metric(&s[FLOOR], "ns", "floor_%zu_ns", size);
	metric_ratio(&s[MATCH], &s[PERF], "match_%zu_vs_perf", size);
	metric_ratio(&s[MATCH], &s[PERF_QUIET], "match_%zu_vs_perf_quiet", size);
	metric_ratio(&s[MATCH], &s[RINGBUF], "match_%zu_vs_ringbuf", size);
	metric_ratio(&s[MATCH], &s[FLOOR], "match_%zu_vs_floor", size);
}

void bench_cost(const struct bench_opts *opts)
{
	static const size_t sizes[] = { 64, 256, 1500, 9000 };
	static struct cost cost;
	int rounds = opts->quick ? 16 : 150;

	pin_to_cpu(opts->busy_cpu);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		int packets = TURN_BYTES / (int)(sizes[i] + OVERHEAD);

		if (packets > TURN_PACKETS)
			packets = TURN_PACKETS;
		setup(&cost, opts, sizes[i]);
		for (int round = 0; round < rounds; round++) {
			double ns[WAYS];

			for (enum way way = 0; way < WAYS; way++) {
				ns[way] = run(&cost, way, packets);
				drain(&cost, way);
			}
			for (enum way way = NONE + 1; way < WAYS; way++)
				samples_add(&cost.samples[way],
					    ns[way] - ns[NONE]);
		}
		check(&cost, (unsigned long)rounds * packets);
		report(&cost);
		teardown(&cost);
	}
}
