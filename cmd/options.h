/* SPDX-License-Identifier: BSD-3-Clause */
/* What the command line says. */
#ifndef XDPCAP_CMD_OPTIONS_H
#define XDPCAP_CMD_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "filter.h"
#include "status.h"

/* Most hooks in one run. */
#define HOOKS_MAX 16

struct options {
	const char *hooks[HOOKS_MAX]; /* as given */
	unsigned int nhooks;
	const char *output; /* "-": standard output */
	struct filter_spec filter;
	char *filter_text;   /* what filter.text points to */
	const char *actions; /* as -actions gives them, or NULL: all */
	uint64_t buffer;     /* bytes for each CPU; 0: libpcap's default */
	uint32_t watermark;  /* bytes */
	uint32_t snaplen;    /* bytes; 0: all */
	bool quiet;
	bool flush;
	bool pcap; /* classic pcap instead of pcapng */
	bool fail_on_loss;
	/* 0: no limit */
	uint64_t count;    /* packets */
	uint64_t duration; /* s */
	uint64_t size;     /* bytes written */
	uint64_t rotate_size, rotate_time, files;
};

/*
 * Read the command line. Returns -1 to go on, or an exit status: what was asked
 * for, the help text for example, has been done, or the mistake reported.
 */
int options_parse(struct options *options, int argc, char **argv);

#endif /* XDPCAP_CMD_OPTIONS_H */
