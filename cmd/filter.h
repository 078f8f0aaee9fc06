/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The filter that the command is given: an expression, a cBPF program as numbers,
 * or an expression for what is at an offset in the packet; as a cBPF program.
 * Captures nothing.
 */
#ifndef XDPCAP_CMD_FILTER_H
#define XDPCAP_CMD_FILTER_H

#include <stddef.h>
#include <stdint.h>

#include <pcap/pcap.h>

/* Most of --offset. */
#define FILTER_OFFSETS_MAX 16

struct filter_spec {
	const char *text; /* as given; empty: accepts everything */
	uint32_t offsets[FILTER_OFFSETS_MAX];
	size_t noffsets; /* 0: the packet's begin */
	int linktype;    /* DLT_ that the text is compiled for */
};

/*
 * Compile for a capture that has been activated. Returns 0, and a program for
 * free(program->bf_insns); or -1 with a message in err (size bytes).
 */
int filter_compile(const struct filter_spec *spec, pcap_t *p,
		   struct bpf_program *program, char *err, size_t size);

/* Whether the text is a cBPF program, by its looks. */
int filter_is_program(const char *text);

#endif /* XDPCAP_CMD_FILTER_H */
