/* SPDX-License-Identifier: BSD-3-Clause */
/* "xdpcap hook list": all hooks, for people and for scripts. */
#ifndef XDPCAP_CMD_HOOK_LIST_H
#define XDPCAP_CMD_HOOK_LIST_H

#include <stdbool.h>

#include "../pcap-xdpcap/survey.h"
#include "hook-census.h"
#include "hook-netns.h"

/* How long a survey may take, ms. */
#define LIST_SURVEY_MS 5000

/* Print all hooks. Returns an exit status. */
int list_hooks(bool json);

/*
 * Print, for people, what is known of a hook. census is NULL if that could not be
 * taken.
 */
void list_describe(const struct survey *survey, const struct netns_list *netns,
		   const struct survey_hook *hook, const struct census *census);

/* "drop, tx": the names of slots in a bit mask; valid until the next call. */
const char *list_slots(__u32 entries, __u32 slots);

#endif /* XDPCAP_CMD_HOOK_LIST_H */
