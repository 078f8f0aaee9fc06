// SPDX-License-Identifier: BSD-3-Clause
/*
 * Compares a capture's log with the truth. What the capture does itself (attach,
 * change its filter, end) happens at an unknown time in a window of packet
 * numbers; within it a packet may be captured or not, unless it matches both the
 * old and the new filter; outside of it, it must be or must not.
 */
#include "application.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CPUS_MAX 256

/* What the filters look at. */
#define FILTERED_BYTES 42

/* What is said of one capture, at most, lines. */
#define COMPLAINTS_MAX 5

struct check {
	const struct flow *flow;
	const struct spec *spec;
	const struct log *log;
	const char *name;
	/* filter 0 and the changes, the last of which may not have been done */
	struct change changes[CHANGES_MAX + 1];
	uint32_t nchanges;
	/* packets that can have been captured; index 0 is number first */
	uint32_t first, limit;
	uint16_t *delivered; /* number of the filter then in force + 1, or 0 */
	uint16_t *next;      /* that of the packet after it on the same CPU */
	/* what was delivered of a CPU when it was last looked at, number + 1 */
	uint32_t read[CPUS_MAX];
	bool cut; /* it was killed */
	uint32_t dropped;
	unsigned long long required, missing, optional;
	unsigned int complaints;
};

static void complain(struct check *c, uint32_t seq, const char *what)
{
	if (c->complaints++ < COMPLAINTS_MAX)
		printf("%s: packet %u (action %u, port %u, %u bytes): %s\n",
		       c->name, seq, seq_action(seq), seq_port(seq),
		       seq_size(c->flow, seq), what);
}

static bool matches(const struct check *c, uint32_t change, uint32_t seq)
{
	return filters[c->changes[change].filter].matches(c->flow, seq);
}

static bool is_ours(const struct check *c, uint32_t seq)
{
	return c->flow->truth->entered[seq] &&
	       (!c->spec->actions || c->spec->actions & 1u << seq_action(seq));
}

/* The filters that can have been in force in the kernel for a packet. */
static void in_force(const struct check *c, uint32_t seq, uint32_t *first,
		     uint32_t *last)
{
	*first = *last = 0;
	for (uint32_t i = 1; i < c->nchanges; i++) {
		if (c->changes[i].end <= seq)
			*first = i;
		if (c->changes[i].begin <= seq)
			*last = i;
	}
}

/* Whether the kernel admits a packet: certainly, or perhaps. */
static bool admits(const struct check *c, uint32_t seq, bool certainly)
{
	uint32_t first, last;

	in_force(c, seq, &first, &last);
	for (; first <= last; first++)
		if ((filters[c->changes[first].filter].userland ||
		     matches(c, first, seq)) != certainly)
			return !certainly;
	return certainly;
}

/*
 * Whether a packet that the kernel has admitted is delivered, when it is not
 * known under which of some filters it is read. What an older filter has
 * admitted is filtered again, by the bytes that were captured.
 */
static bool is_delivered(const struct check *c, uint32_t seq, uint32_t from,
			 uint32_t to)
{
	uint32_t first, last;

	in_force(c, seq, &first, &last);
	/* it was not there to be read under an earlier one */
	if (from < first)
		from = first;
	if (c->spec->snaplen < FILTERED_BYTES && (first != to || from != to))
		return false;
	for (; from <= to; from++)
		if (!matches(c, from, seq))
			return false;
	return true;
}

/* What came must be right, and in order; of different CPUs in any. */
static void check_delivered(struct check *c)
{
	const uint32_t read = c->cut ? c->log->progress >> 32 : c->log->count;
	uint32_t last[CPUS_MAX] = { 0 }, filter = 0, seq;
	uint8_t cpu;

	for (uint32_t i = 0; i < c->log->count; i++) {
		seq = c->log->entries[i];
		while (filter + 1 < c->nchanges &&
		       c->changes[filter + 1].position <= i)
			filter++;
		if (seq < c->first || seq >= c->limit) {
			complain(c, seq, "captured before or after the capture");
			continue;
		}
		if (!is_ours(c, seq)) {
			complain(c, seq, "captured with another action");
			continue;
		}
		cpu = c->flow->truth->entered[seq] - 1;
		if (c->delivered[seq - c->first])
			complain(c, seq, "captured twice");
		else if (seq < last[cpu])
			complain(c, seq, "not in order");
		if (!matches(c, filter, seq))
			complain(c, seq, "does not match the filter");
		else if (!admits(c, seq, false))
			complain(c, seq, "did not match the filter then");
		c->delivered[seq - c->first] = filter + 1;
		last[cpu] = seq;
		if (i < read)
			c->read[cpu] = seq + 1;
	}
}

/* Under which filter the next packet of the same CPU was delivered. */
static void find_next(struct check *c)
{
	uint16_t filter[CPUS_MAX];
	uint32_t i = c->limit - c->first;
	uint8_t cpu;

	for (cpu = 0; cpu < CPUS_MAX - 1; cpu++)
		filter[cpu] = c->nchanges;
	while (i--) {
		cpu = c->flow->truth->entered[c->first + i] - 1;
		c->next[i] = filter[cpu];
		if (c->delivered[i])
			filter[cpu] = c->delivered[i];
	}
}

/*
 * What should have come and did not. A packet that was in the ring when the
 * filter changed must match the new one too; when it was read is known by the
 * packets before and after it.
 */
static void check_missing(struct check *c, uint32_t from, uint32_t to)
{
	uint16_t last[CPUS_MAX];
	bool certain;
	uint32_t i;
	uint8_t cpu;

	for (i = 0; i < CPUS_MAX; i++)
		last[i] = 1;
	for (uint32_t seq = c->first; seq < c->limit; seq++) {
		i = seq - c->first;
		if (!is_ours(c, seq))
			continue;
		cpu = c->flow->truth->entered[seq] - 1;
		certain = seq >= from && seq < to && admits(c, seq, true) &&
			  (!c->cut || seq < c->read[cpu]);
		if (c->delivered[i]) {
			last[cpu] = c->delivered[i];
			c->required += certain;
		} else if (certain &&
			   is_delivered(c, seq, last[cpu] - 1, c->next[i] - 1)) {
			c->required++;
			c->missing++;
			if (c->missing > c->dropped)
				complain(c, seq, "missing");
		} else if (admits(c, seq, false)) {
			c->optional++;
		}
	}
}

static void copy_changes(struct check *c)
{
	const struct log *log = c->log;

	c->nchanges = log->nchanges + 1;
	memcpy(c->changes + 1, log->changes,
	       log->nchanges * sizeof(log->changes[0]));
	if (!log->changing || c->nchanges > CHANGES_MAX)
		return;
	c->changes[c->nchanges] = log->changes[log->nchanges];
	c->changes[c->nchanges].end = SEQ_MAX;
	c->changes[c->nchanges].position = UINT32_MAX;
	c->nchanges++;
}

static void check_counters(struct check *c)
{
	const struct log *log = c->log;

	if (c->missing > c->dropped)
		printf("%s: %llu packets are missing, %u were dropped\n",
		       c->name, c->missing, c->dropped);
	else if (!c->cut && c->dropped > c->missing + c->optional)
		printf("%s: %u packets were dropped, but at most %llu are missing\n",
		       c->name, c->dropped, c->missing + c->optional);
	else if (!c->cut && log->received - log->dropped < log->count)
		printf("%s: %u packets came, but %u were captured\n", c->name,
		       log->count, log->received - log->dropped);
	else
		return;
	c->complaints++;
}

bool log_check(const struct flow *flow, const struct spec *spec,
	       const struct log *log, const char *name, uint32_t lost_begin,
	       struct checked *checked)
{
	struct check c = {
		.flow = flow,
		.spec = spec,
		.log = log,
		.name = name,
		.first = log->attach_begin,
		.limit = log->end_end ?: flow_next(flow),
		.cut = !log->drained,
		.dropped = log->drained ? log->dropped : (uint32_t)log->progress,
	};
	uint32_t end = c.limit;

	if (!log->attach_end) /* killed while it attached */
		return true;
	if (log->end_begin)
		end = log->end_begin;
	if (lost_begin < end)
		end = lost_begin;
	copy_changes(&c);
	c.delivered = calloc(c.limit - c.first + 1, sizeof(*c.delivered));
	c.next = calloc(c.limit - c.first + 1, sizeof(*c.next));
	if (!c.delivered || !c.next) {
		perror("calloc");
		exit(1);
	}
	check_delivered(&c);
	find_next(&c);
	check_missing(&c, log->attach_end, end);
	check_counters(&c);
	free(c.delivered);
	free(c.next);
	checked->delivered += log->count;
	checked->required += c.required;
	checked->dropped += c.dropped;
	if (c.complaints)
		printf("%s: actions %#x, snapshot length %d, buffer %d, user %u, packets %u to %u, attached by %u, %u filters, the last, %s, since %u to %u: %s\n",
		       name, spec->actions, spec->snaplen, spec->buffer_size,
		       spec->user, c.first, c.limit, log->attach_end, c.nchanges,
		       filters[c.changes[c.nchanges - 1].filter].expression ?:
			       "none",
		       c.changes[c.nchanges - 1].begin,
		       c.changes[c.nchanges - 1].end, log->message);
	return !c.complaints;
}
