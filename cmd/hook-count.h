/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A capture that takes no packets, and counts those that come to a hook. Knows of
 * libpcap, whose headers do not go together with the kernel's.
 */
#ifndef XDPCAP_CMD_HOOK_COUNT_H
#define XDPCAP_CMD_HOOK_COUNT_H

#include <stdbool.h>
#include <stdint.h>

#define COUNT_SLOTS_MAX 32

struct count {
	uint32_t slots; /* bit mask of those that are counted */
	uint64_t seen[COUNT_SLOTS_MAX];
};

/*
 * Count at the hook that is pinned at this absolute path, with enter also what
 * comes to xdpcap_enter(), for so many ms. between() is called before and after.
 * Returns 0, or -1 with a message in error.
 */
int count_packets(struct count *count, const char *path, bool enter,
		  unsigned int ms, void (*between)(void *), void *argument,
		  char *error, int size);

#endif /* XDPCAP_CMD_HOOK_COUNT_H */
