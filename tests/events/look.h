/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is in a hook: the programs that packets can come to from it, by the
 * helpers' maps "xdpcap_slots", and what their captures have counted.
 */
#ifndef EVENTS_LOOK_H
#define EVENTS_LOOK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* A capture, by its map "xdpcap_ctl". */
struct found {
	uint32_t map;
	uint64_t captured; /* packets, all actions and CPUs */
};

#define FOUND_MAX 64

/*
 * Look. Returns the number of captures in found, and that of programs; or -1
 * after it has said why.
 */
int hook_look(int hook, struct found *found, unsigned int *programs);

/* Whether a process has a descriptor of a map. */
bool holds_map(pid_t pid, uint32_t map);

#endif /* EVENTS_LOOK_H */
