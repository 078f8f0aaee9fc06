// SPDX-License-Identifier: BSD-3-Clause
/*
 * What each further capture on an action costs a packet, inside the XDP program:
 * BPF_PROG_TEST_RUN of an owner's program, with several captures on its hook
 * against one, and with captures on another action against none. The hooks take
 * turns.
 */
#include "bench.h"

#include <string.h>

#include <bpf/bpf.h>

#define MATCH    "udp port 4002"
#define NO_MATCH "udp port 53"

#define CAPTURES     8
#define FRAME_SIZE   64
#define TURN_PACKETS 20000

/* A hook, and so many captures with one filter on one of its actions. */
static struct {
	const char *name;
	const char *action;
	const char *filter;
	int captures;
} hooks[] = {
	{ "none", NULL, NULL, 0 },
	{ "other", "pass", MATCH, CAPTURES },
	{ "nomatch_1", "drop", NO_MATCH, 1 },
	{ "nomatch_8", "drop", NO_MATCH, CAPTURES },
	{ "match_1", "drop", MATCH, 1 },
	{ "match_8", "drop", MATCH, CAPTURES },
};
enum { NONE, OTHER, NOMATCH_1, NOMATCH_8, MATCH_1, MATCH_8, HOOKS };

struct sharing {
	struct target target;
	pcap_t *captures[CAPTURES];
};

static double run(const struct sharing *hook, const unsigned char *frame)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame,
		    .data_size_in = FRAME_SIZE, .repeat = TURN_PACKETS);
	int err = bpf_prog_test_run_opts(hook->target.drop_fd, &opts);

	if (err)
		die("cannot run the owner's program: %s", strerror(-err));
	if (opts.retval != XDP_DROP)
		die("the verdict is %u", opts.retval);
	return opts.duration;
}

/* Every capture has what was sent, if its filter and action match. */
static void drain(const struct sharing *hook, size_t i)
{
	unsigned long want = i >= MATCH_1 ? TURN_PACKETS : 0;

	for (int c = 0; c < hooks[i].captures; c++) {
		unsigned long got = capture_drain(hook->captures[c]);

		if (got != want)
			die("%s: capture %d has %lu packets, not %lu",
			    hooks[i].name, c, got, want);
	}
}

static void setup(struct sharing *hook, const struct bench_opts *opts, size_t i)
{
	char errbuf[PCAP_ERRBUF_SIZE], name[40];

	snprintf(name, sizeof(name), "sharing_%s", hooks[i].name);
	target_load(&hook->target, opts, name, false);
	if (hooks[i].action) {
		strcat(hook->target.device, "@");
		strcat(hook->target.device, hooks[i].action);
	}
	for (int c = 0; c < hooks[i].captures; c++) {
		hook->captures[c] =
			capture_open(&hook->target, hooks[i].filter, false);
		if (pcap_setnonblock(hook->captures[c], 1, errbuf))
			die("%s", errbuf);
	}
}

void bench_sharing(const struct bench_opts *opts)
{
	static struct sharing sharing[HOOKS];
	struct samples each_match = { 0 }, each_nomatch = { 0 }, other = { 0 };
	unsigned char frame[FRAME_SIZE];
	int rounds = opts->quick ? 16 : 150;

	pin_to_cpu(opts->busy_cpu);
	frame_fill(frame, sizeof(frame));
	for (size_t i = 0; i < HOOKS; i++)
		setup(&sharing[i], opts, i);
	for (int round = 0; round < rounds; round++) {
		double ns[HOOKS];

		for (size_t i = 0; i < HOOKS; i++) {
			ns[i] = run(&sharing[i], frame);
			drain(&sharing[i], i);
		}
		samples_add(&other, ns[OTHER] - ns[NONE]);
		samples_add(&each_nomatch,
			    (ns[NOMATCH_8] - ns[NOMATCH_1]) / (CAPTURES - 1));
		samples_add(&each_match,
			    (ns[MATCH_8] - ns[MATCH_1]) / (CAPTURES - 1));
	}
	metric(&other, "ns", "sharing_other_action_ns");
	metric(&each_nomatch, "ns", "sharing_nomatch_each_ns");
	metric(&each_match, "ns", "sharing_match_each_ns");
	samples_free(&other);
	samples_free(&each_nomatch);
	samples_free(&each_match);
	for (size_t i = 0; i < HOOKS; i++) {
		for (int c = 0; c < hooks[i].captures; c++)
			pcap_close(sharing[i].captures[c]);
		target_close(&sharing[i].target);
	}
}
