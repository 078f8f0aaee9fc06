/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A hook and a capture on it, looked at with bpf(2) from outside libpcap: what
 * the tests of the API compare with, and what they break on purpose. Names no
 * type of libpcap's, whose headers cannot be included beside the kernel's.
 */
#ifndef API_HOOK_H
#define API_HOOK_H

#include <stdint.h>
#include <sys/types.h>

#include "ring.h"

/* A hook's entries that are looked at: those of the XDP actions. */
#define HOOK_SLOTS 5

/* The memory of a capture, writable. */
struct capture_memory {
	struct xdpcap_ctl *ctl;
	size_t ctl_size;
	uint8_t *rings;
	size_t rings_size;
	size_t stride; /* of rings: a ring and its slack */
	uint32_t nrings;
	uint32_t ring_size;
	uint32_t rings_id; /* the map's */
};

/* Bit mask of the slots that hold a program; -1 if the pin cannot be read. */
int hook_used(const char *pin);

/* Empty all slots. */
void hook_clear_all(const char *pin);

/*
 * Map the memory of the capture whose filter program is in a slot. Returns 0, or
 * -1 with a reason on standard output.
 */
int capture_map(const char *pin, uint32_t slot, struct capture_memory *memory);
void capture_unmap(struct capture_memory *memory);

/* Packets that the capture's filter programs have seen. */
uint64_t capture_seen(const struct capture_memory *memory);

/* The helper of the capture: who has the map of its rings; -1 if nobody. */
pid_t capture_helper(const struct capture_memory *memory);

#endif /* API_HOOK_H */
