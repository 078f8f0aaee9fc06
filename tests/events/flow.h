/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The flow of numbered packets: all of a packet follows from its number, so that
 * every process knows what was sent. A process of its own sends it.
 */
#ifndef EVENTS_FLOW_H
#define EVENTS_FLOW_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "truth.h"

#define FRAME_MAX 9014

/* What the sender and the others say to each other. */
struct flow {
	_Atomic uint32_t next; /* no packet from this number on is sent yet */
	atomic_bool stop;      /* the sender is to end */
	uint32_t rate;         /* packets a second */
	bool large;            /* packets of up to 9000 bytes */
	struct truth *truth;
};

/* By a packet's number: */
uint32_t seq_action(uint32_t seq);
uint32_t seq_port(uint32_t seq); /* UDP source port */
uint32_t seq_size(const struct flow *flow, uint32_t seq);

/* Whether data is the first len bytes of the packet as the hook sees it. */
bool seq_same(const struct flow *flow, uint32_t seq, const uint8_t *data,
	      uint32_t len);

/* The number of a packet of which 14 bytes are there, or -1. */
int64_t seq_of(const uint8_t *data);

/*
 * A moment of the flow, for windows around what happens at an unknown time
 * between two of them: all packets before flow_done() have been through the
 * hook, none from flow_next() on has been sent.
 */
uint32_t flow_done(const struct flow *flow);
uint32_t flow_next(const struct flow *flow);

/* Start the process that sends; returns its id. */
pid_t flow_start(struct flow *flow, const char *interface);

#endif /* EVENTS_FLOW_H */
