/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kernel: XDP programs loaded and run on packets, and socket filters. No
 * library between, so that what is tested is the translator.
 */
#ifndef KERNEL_H
#define KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/bpf.h>
#include <linux/filter.h>

/* The least that BPF_PROG_TEST_RUN of XDP takes. */
#define KERNEL_MIN_PACKET 14

/* Load a program. Returns its descriptor, or -1 with the end of the log. */
int kernel_load(const struct bpf_insn *insn, size_t len, bool frags, char *log,
		size_t log_size);

struct kernel_run {
	const uint8_t *data;
	uint32_t len;
	uint32_t linear; /* 0: as much as the kernel likes */
	uint32_t repeat; /* 0: once */
	uint32_t ret;    /* out: what the program returned */
	uint32_t ns;     /* out: per repetition */
};

/* Returns 0, or -1 with errno set. */
int kernel_run(int prog, struct kernel_run *run);

/*
 * A pair of datagram sockets whose second one has the filter. Returns false,
 * with nothing open, if the kernel refuses the program.
 */
bool kernel_socket(const struct sock_filter *cbpf, size_t len, int sockets[2]);

/*
 * Send a packet through the filter. Returns the bytes that it let through, or
 * -1 if it dropped the packet.
 */
long kernel_socket_run(const int sockets[2], const uint8_t *data, size_t len);

/*
 * Stay on the CPU that we are on, so that SKF_AD_CPU is known. Returns its number;
 * ends the process if that cannot be.
 */
uint32_t kernel_stay_on_cpu(void);

#endif
