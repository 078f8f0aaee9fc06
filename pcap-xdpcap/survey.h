/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What hooks there are: the pins below the mounted BPF file systems, what is in
 * their slots, and the programs and interfaces that use them. Looks, and changes
 * nothing; knows nothing of sockets or captures. Each step is bounded, and what
 * cannot be looked at is left out without a word.
 */
#ifndef XDPCAP_SURVEY_H
#define XDPCAP_SURVEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <net/if.h>
#include <linux/bpf.h>
#include <linux/types.h>

#include "ring.h"
#include "slot.h"

/* A program that has the hook among its maps, other than a capture's. */
struct survey_prog {
	__u32 id;
	__u32 type;
	__u32 target_btf; /* of the program that it extends, or 0 */
	char name[BPF_OBJ_NAME_LEN];
};

/* An interface with an XDP program. */
struct survey_link {
	unsigned int netns; /* see survey_look_into(); 0: the caller's own */
	int index;          /* in there, as is the name */
	char name[IF_NAMESIZE];
	unsigned int flags; /* IFF_UP, ... */
	__u8 mode;          /* XDP_ATTACHED_DRV, ... */
	__u32 prog;
	__u32 btf;      /* of the program, or 0 */
	__u64 received; /* packets */
};

/* A capture's filter program. */
struct survey_filter {
	__u32 id;
	bool alive; /* the capture is */
	__u32 maps[SLOT_FILTER_MAPS_MAX];
	__u32 nr_maps;
};

/* One pin. */
struct survey_hook {
	char *path;
	__u64 dev, ino; /* of the pin */
	__u32 map_id;
	char name[BPF_OBJ_NAME_LEN]; /* of the map */
	__u32 max_entries;
	long owner_prog_type; /* BPF_PROG_TYPE_XDP; -1: it has no owner yet */
	size_t nr_pins;       /* of this map, that were found */
	__u32 slots[XDPCAP_ACTIONS_MAX]; /* ids of the programs in there, or 0 */
	__u32 captured; /* bit mask of them, but for what is known to be dead or others' */
	struct survey_prog *progs;
	size_t nr_progs;
	/* that such a program is attached to, or one that it extends */
	struct survey_link *links;
	size_t nr_links;
};

struct survey {
	struct survey_hook *hooks; /* sorted by path */
	size_t nr_hooks;
	struct survey_link *links; /* all of them */
	size_t nr_links;
	struct survey_filter *filters;
	size_t nr_filters;
	bool progs_known; /* or nr_progs and nr_links are 0 throughout */
	bool cut_short;   /* there was more than the limits allow */
	/* the survey's own */
	uint64_t deadline; /* CLOCK_MONOTONIC, ns */
	size_t files;
};

/*
 * Make a survey, within about so many milliseconds. What was found is there
 * whatever happened. Programs take CAP_SYS_ADMIN; interfaces are those of this
 * network namespace. path, if not NULL, is looked at first, and by that name.
 */
void survey_make(struct survey *survey, const char *path, int ms);
void survey_free(struct survey *survey);

/*
 * A descriptor by which the interfaces of the network namespace can be looked at that
 * the thread is in now, also when it has left it. Returns -1 if there is none.
 */
int survey_open_netns(void);

/*
 * Look also at the interfaces of the network namespace of this descriptor, which they
 * have as their number.
 */
void survey_look_into(struct survey *survey, int fd, unsigned int netns);

/*
 * Call back for each interface there, until that returns false. netns and btf are 0,
 * and so is prog if it has no XDP program.
 */
void survey_each_link(int fd,
		      bool (*callback)(void *argument,
				       const struct survey_link *link),
		      void *argument);

/* Whether a program with this name is one of those that captures put into slots. */
bool survey_is_captures(const char *name);

/* Whether the program is attached there, itself or to what it extends. */
bool survey_is_attached(const struct survey_prog *prog,
			const struct survey_link *link);

#endif /* XDPCAP_SURVEY_H */
