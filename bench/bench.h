/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The benchmark's common parts: samples and metrics, the programs that are
 * captured from, and the frames. See bench.c.
 */
#ifndef XDPCAP_BENCH_H
#define XDPCAP_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/perf_event.h>

/* <pcap/bpf.h> and <linux/bpf.h> both define struct bpf_insn: take the latter */
#define PCAP_DONT_INCLUDE_PCAP_BPF_H
struct bpf_program;
#include <pcap/pcap.h>

struct bench_opts {
	bool quick;
	const char *files; /* only tcpdump and xdpcap, to files in this directory */
	const char *pins; /* a directory of a bpffs */
	int busy_cpu;     /* where packets are made and XDP runs */
	int consumer_cpu;
};

/* One value for each round; medians are taken over the rounds. */
struct samples {
	double *values;
	size_t n;
};

void samples_add(struct samples *samples, double value);
double samples_quantile(const struct samples *samples, double q);
void samples_free(struct samples *samples);

/* Report a metric under a name that is made as by printf(). */
__attribute__((format(printf, 3, 4))) void
metric(const struct samples *samples, const char *unit, const char *name, ...);
/* The same of a / b, taken round by round. */
__attribute__((format(printf, 3, 4))) void metric_ratio(const struct samples *a,
							const struct samples *b,
							const char *name, ...);

__attribute__((format(printf, 1, 2), noreturn)) void die(const char *what, ...);

uint64_t now_ns(int clock);
void pin_to_cpu(int cpu);

/* Loaded owner programs and their hook, pinned under a name. */
struct target {
	struct owner *skel;
	int drop_fd, pass_fd; /* programs that return that verdict */
	int enter_fd; /* one that calls xdpcap_enter(), and then drops */
	int hook_fd;
	char pin[200], enter_pin[200]; /* the hook's, and of enter_fd's program */
	char device[256]; /* for libpcap: the hook, until somebody wants another */
};

void target_load(struct target *target, const struct bench_opts *opts,
		 const char *name, bool frags);
/* Put a program into the slot of XDP_DROP. */
void target_fill(const struct target *target, int prog_fd);
void target_close(struct target *target);

/* A capture on an owner's hook through libpcap, with a filter. */
pcap_t *capture_open(const struct target *target, const char *filter,
		     bool immediate);
/* With timestamps of low precision; of link-layer type LINUX_SLL2. */
pcap_t *capture_open_lowprec(const struct target *target, const char *filter);
pcap_t *capture_open_sll2(const struct target *target, const char *filter);
/* Take what there is in one that does not block; returns the packets. */
unsigned long capture_drain(pcap_t *p);

/* What a perf buffer is opened with whose reader is woken at so many bytes. */
struct perf_event_attr perf_attr(uint32_t watermark);

/* Fill in an Ethernet frame of IPv4 and UDP, to FRAME_PORT. */
#define FRAME_PORT 4002
void frame_fill(unsigned char *frame, size_t size);

void bench_cost(const struct bench_opts *opts);
void bench_sharing(const struct bench_opts *opts);
void bench_enter(const struct bench_opts *opts);
void bench_live(const struct bench_opts *opts);

#endif /* XDPCAP_BENCH_H */
