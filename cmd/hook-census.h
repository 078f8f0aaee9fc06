/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who captures on a hook, and what dead captures have left there. Looks, and
 * changes nothing.
 */
#ifndef XDPCAP_CMD_HOOK_CENSUS_H
#define XDPCAP_CMD_HOOK_CENSUS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "../pcap-xdpcap/hook.h"
#include "../pcap-xdpcap/slot.h"

/* A capture, or what is left of one. */
struct census_capture {
	enum slot_life life; /* not SLOT_FOREIGN */
	__u32 chain_id;      /* by which it is known; 0: not at all */
	__u32 slots;         /* bit mask */
	pid_t helper;        /* 0: not known */
	pid_t pid;           /* the application; 0: not known */
	char name[32];       /* of the application */
};

struct census {
	bool known; /* or nothing but which slots are taken */
	__u32 entries;
	__u32 programs[XDPCAP_ACTIONS_MAX]; /* ids of those in the hook, or 0 */
	__u32 foreign; /* bit mask of slots with somebody else's program */
	struct census_capture captures[XDPCAP_ACTIONS_MAX * SLOT_PROGRAMS_MAX];
	size_t nr_captures;
};

/* Returns 0, or a negative errno. */
int census_take(struct census *census, const struct hook *hook);

/* How many captures have this life. */
size_t census_count(const struct census *census, enum slot_life life);

#endif /* XDPCAP_CMD_HOOK_CENSUS_H */
