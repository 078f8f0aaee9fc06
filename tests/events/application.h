/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A capture's application: a process of its own, with libpcap's API. It does what
 * it is told through a pipe, and logs in shared memory, which outlives it, what it
 * received and when its own events were; check.c compares that with the truth.
 */
#ifndef EVENTS_APPLICATION_H
#define EVENTS_APPLICATION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "flow.h"

#define CHANGES_MAX 256
#define MESSAGE_MAX 300

/* What a capture is opened with. */
struct spec {
	const char *hook;   /* the pin */
	const char *helper; /* path of its helper */
	uint32_t actions;   /* bit mask */
	unsigned int filter;
	int snaplen;
	int buffer_size; /* bytes; 0: the default */
	bool immediate;
	unsigned int user; /* that it runs as */
};

/* Filters to choose from; number 0 is none. */
struct filter {
	const char *expression;
	bool (*matches)(const struct flow *flow, uint32_t seq);
	bool userland; /* the kernel does not run it, and admits everything */
};
extern const struct filter filters[];
extern const unsigned int filter_count;

enum state {
	STARTING,
	ATTACHED,
	/* and then it ends: */
	REFUSED, /* pcap_activate() failed */
	CLOSED,
	LOST, /* a read or pcap_setfilter() failed since the helper has ended */
	BROKEN, /* anything else went wrong */
};

enum command {
	CLOSE = 'c',
	FILTER = 'f', /* and the filter's number */
	STALL = 's',  /* do not read any packets */
	RESUME = 'r',
};

/* A change of the filter, at an unknown time from one packet to another. */
struct change {
	uint32_t filter;
	uint32_t begin, end;
	uint32_t position; /* of the first entry that was delivered after it */
};

/* Written by the capture's process. */
struct log {
	_Atomic uint32_t state;    /* enum state */
	_Atomic uint32_t answered; /* commands */
	char message[MESSAGE_MAX]; /* libpcap's, or what is wrong */

	uint32_t attach_begin, attach_end;
	struct change changes[CHANGES_MAX];
	_Atomic uint32_t nchanges;
	atomic_bool changing; /* the next one has begun */
	/* nothing is captured from a packet between these on */
	uint32_t end_begin, end_end;
	/* entries that were read (upper half), and what was dropped by then */
	_Atomic uint64_t progress;
	uint32_t received, dropped; /* statistics at the end */
	bool drained; /* all that was captured has been read, and is counted */

	_Atomic uint32_t count;
	uint32_t entries[]; /* numbers of the packets, as they came */
};

/* The process's whole life. */
_Noreturn void application_run(const struct flow *flow, const struct spec *spec,
			       struct log *log, int commands);

/* Memory for a log. */
struct log *log_create(void);
void log_free(struct log *unused);

/* What was compared. */
struct checked {
	uint64_t delivered; /* packets that were received */
	uint64_t required;  /* that had to be */
	uint64_t dropped;
};

/*
 * Compare what a capture received with what it should have. lost_begin is the
 * packet before its helper was killed, or SEQ_MAX. Returns false if something is
 * wrong, and prints what.
 */
bool log_check(const struct flow *flow, const struct spec *spec,
	       const struct log *log, const char *name, uint32_t lost_begin,
	       struct checked *checked);

#endif /* EVENTS_APPLICATION_H */
