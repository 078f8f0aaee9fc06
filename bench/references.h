/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What references.bpf.c shares with the benchmark.
 */
#ifndef XDPCAP_BENCH_REFERENCES_H
#define XDPCAP_BENCH_REFERENCES_H

#include <linux/types.h>

/* Size of each reference's buffer, for one CPU: what the capture has here. */
#define REFERENCE_BUFFER (8u << 20)

/* cloudflare/xdpcap's default: a reader is woken when it has so many bytes. */
#define REFERENCE_WATERMARK 4096u

#define REFERENCE_PACKET_MAX 9216u

struct reference_perf_header {
	__u64 len;
	__u64 action;
};

struct reference_ringbuf_header {
	__u64 ts;
	__u32 len;
	__u32 caplen;
	__u32 ifindex;
	__u32 rx_queue;
	__u64 action;
};

struct reference_counters {
	__u64 captured;
	__u64 dropped; /* no room */
};

/* Set before a run, in CLOCK_MONOTONIC. */
struct generator_pace {
	__u64 next;     /* when the next frame is due, ns; 0: now */
	__u64 interval; /* between frames, ns; 0: no pause */
};

#endif /* XDPCAP_BENCH_REFERENCES_H */
