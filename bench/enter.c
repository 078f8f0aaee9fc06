// SPDX-License-Identifier: BSD-3-Clause
/*
 * What xdpcap_enter() costs a packet, and a capture before the program, inside the
 * XDP program: BPF_PROG_TEST_RUN of owners' programs, against one that drops
 * without xdpcap_enter(). The hooks take turns.
 */
#include "bench.h"

#include <string.h>

#include <bpf/bpf.h>

#define FRAME_SIZE   64
#define TURN_PACKETS 20000

/* A hook, whether its program calls xdpcap_enter(), and what captures there. */
static struct {
	const char *name;
	bool enter;
	const char *filter; /* NULL: nobody captures */
} hooks[] = {
	{ "without", false, NULL },
	{ "idle", true, NULL },
	{ "nomatch", true, "udp port 53" },
	{ "match", true, "udp port 4002" },
};
enum { WITHOUT, IDLE, NOMATCH, MATCH, HOOKS };

static double run(const struct target *target, size_t i,
		  const unsigned char *frame)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame,
		    .data_size_in = FRAME_SIZE, .repeat = TURN_PACKETS);
	int fd = hooks[i].enter ? target->enter_fd : target->drop_fd;
	int err = bpf_prog_test_run_opts(fd, &opts);

	if (err)
		die("cannot run the owner's program: %s", strerror(-err));
	if (opts.retval != XDP_DROP)
		die("%s: the verdict is %u", hooks[i].name, opts.retval);
	return opts.duration;
}

/* The capture has what was sent, if its filter matches. */
static void drain(pcap_t *p, size_t i)
{
	unsigned long got = capture_drain(p);
	unsigned long want = i == MATCH ? TURN_PACKETS : 0;

	if (got != want)
		die("%s: there are %lu packets, not %lu", hooks[i].name, got,
		    want);
}

void bench_enter(const struct bench_opts *opts)
{
	struct target targets[HOOKS] = { 0 };
	pcap_t *captures[HOOKS] = { 0 };
	struct samples samples[HOOKS] = { 0 };
	unsigned char frame[FRAME_SIZE];
	char errbuf[PCAP_ERRBUF_SIZE], name[40];
	int rounds = opts->quick ? 16 : 150;

	pin_to_cpu(opts->busy_cpu);
	frame_fill(frame, sizeof(frame));
	for (size_t i = 0; i < HOOKS; i++) {
		snprintf(name, sizeof(name), "enter_%s", hooks[i].name);
		target_load(&targets[i], opts, name, false);
		if (!hooks[i].filter)
			continue;
		snprintf(targets[i].device, sizeof(targets[i].device),
			 "xdpcap:%s@enter", targets[i].enter_pin);
		captures[i] = capture_open(&targets[i], hooks[i].filter, false);
		if (pcap_setnonblock(captures[i], 1, errbuf))
			die("%s", errbuf);
	}
	for (int round = 0; round < rounds; round++) {
		double ns[HOOKS];

		for (size_t i = 0; i < HOOKS; i++) {
			ns[i] = run(&targets[i], i, frame);
			if (captures[i])
				drain(captures[i], i);
		}
		for (size_t i = IDLE; i < HOOKS; i++)
			samples_add(&samples[i], ns[i] - ns[WITHOUT]);
	}
	for (size_t i = 0; i < HOOKS; i++) {
		if (i != WITHOUT)
			metric(&samples[i], "ns", "enter_%s_ns", hooks[i].name);
		samples_free(&samples[i]);
		if (captures[i])
			pcap_close(captures[i]);
		target_close(&targets[i]);
	}
}
