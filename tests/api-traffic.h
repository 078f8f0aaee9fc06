/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The frames of the tests of the API: UDP packets that are wholly known from
 * four numbers, so that what is captured can be compared with what was sent.
 */
#ifndef API_TRAFFIC_H
#define API_TRAFFIC_H

#include <stdint.h>

#include "api-hook.h"

/* Ports of bpf/example.bpf.c, by what it does with the packet. */
#define PORT_DROP 4001
#define PORT_PASS 4002
#define PORT_TX   4003

/* Largest frame that a veth interface takes unless told otherwise. */
#define FRAME_MAX 1514

struct frame {
	uint16_t port; /* destination port */
	uint16_t kind; /* source port */
	uint32_t seq;  /* first in the payload, which depends on it */
	uint32_t size; /* bytes, Ethernet header included: 60 to FRAME_MAX */
};

/* The bytes that the hook sees of a frame, FRAME_MAX at most. */
void frame_fill(const struct frame *frame, uint8_t *bytes);

/* What frame data is, from its headers. Returns 0; -1 if it is not of ours. */
int frame_parse(const uint8_t *data, uint32_t caplen, struct frame *frame);

/* Open the interface that frames are sent on. Returns 0, or -1 with errno. */
int traffic_open(const char *interface);

/*
 * Send count frames with consecutive numbers that begin with first->seq. With the
 * memory of a capture that sees all of them, no faster than it sees them, since
 * veth drops what it has no room for. Returns 0, or -1 with a reason on standard
 * output.
 */
int traffic_send(const struct frame *first, uint32_t count,
		 const struct capture_memory *memory);

#endif /* API_TRAFFIC_H */
