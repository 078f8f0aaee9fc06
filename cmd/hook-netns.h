/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The network namespaces whose interfaces "xdpcap hook" looks at: the command's own,
 * those that have a name, and those of processes. The helper must not know of them:
 * what it lists is bounded, quick, and of the application's namespace.
 */
#ifndef XDPCAP_CMD_HOOK_NETNS_H
#define XDPCAP_CMD_HOOK_NETNS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "../pcap-xdpcap/survey.h"

#define NETNS_MAX 256

struct netns {
	dev_t dev;
	ino_t ino;
	char *path; /* by which it can be entered; NULL for the command's own */
	char *where; /* " (netns blue)"; empty for the command's own */
	int fd;      /* for the survey */
};

struct netns_list {
	struct netns all[NETNS_MAX]; /* first the command's own */
	size_t nr;
	bool cut_short; /* there were more */
};

/*
 * Find them, and have the survey look into all but the command's own, if it knows
 * programs. What is not permitted is left out without a word.
 */
void netns_survey(struct netns_list *list, struct survey *survey);
void netns_free(struct netns_list *list);

/* Where an interface is, as it is put behind its name. */
const char *netns_where(const struct netns_list *list,
			const struct survey_link *link);

#endif /* XDPCAP_CMD_HOOK_NETNS_H */
