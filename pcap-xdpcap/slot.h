/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One slot of a hook, as the captures on its action share it.
 *
 * A capture's place among them is an index into the action's "xdpcap_slots", a
 * PROG_ARRAY that holds everyone's filter program. The one of the lowest index
 * is also in the hook, where packets come in: the head. A filter program that
 * does not match, and a copy program that is done, tail-call the higher indexes
 * and then return the verdict, so that a packet meets each capture once. Knows
 * nothing of what the programs do.
 *
 * Every function that looks at or changes the slot is called with the hook's
 * lock held (hook_lock()).
 */
#ifndef XDPCAP_SLOT_H
#define XDPCAP_SLOT_H

#include <stdbool.h>
#include <sys/types.h>
#include <linux/types.h>

#include "hook.h"
#include "protocol.h"

/* The maps of a filter program, and some more than it has. */
#define SLOT_FILTER_MAPS_MAX 16

struct slot {
	__u32 action;
	__u32 index;     /* our place */
	__u32 filter_id; /* our program there; 0: none */
	int fd;          /* xdpcap_slots; -1 if not open */
};

/* The name of a slot's action, for messages; valid until the next call. */
const char *slot_name(const struct hook *hook, __u32 action);

/*
 * Mark the capture whose private PROG_ARRAY is chain_fd as alive, for as long
 * as this process lives and has the hook open. Returns 0, or a negative errno.
 */
int slot_mark_alive(struct hook *hook, int chain_fd);

/*
 * Whether this map is the private PROG_ARRAY of a capture that another process has
 * marked as alive, by a pin in this directory (hook_open_directory()); then pid gets
 * that process, 0 if it cannot be seen.
 */
bool slot_is_marked(int dir_fd, __u32 map_id, pid_t *pid);

/*
 * Find a place for one more capture on the action: remove what dead captures
 * have left, and join the living ones if there are any, which takes
 * CAP_SYS_ADMIN. Changes nothing for those. Returns 0, or -1 with the reply
 * filled; then nothing is left open.
 */
int slot_open(const struct hook *hook, struct slot *slot, __u32 action,
	      struct xdpcap_reply *reply);

/* Close what slot_open() opened. */
void slot_close(struct slot *slot);

/*
 * No more slots are to be looked at for now: close the maps of dead captures that
 * were seen by the other functions. The lock need not be held.
 */
void slot_looked(void);

/*
 * See whether the hook takes a program, without any packet being captured or
 * lost to another capture by it. prog_fd is of a program that returns the
 * verdict. Returns 0, or a negative errno, EINVAL if it is of another kind.
 */
int slot_try(const struct hook *hook, const struct slot *slot, int prog_fd);

/*
 * Put our filter program in, for the first time or in place of the last one;
 * the others see every packet meanwhile, and so do we. Returns 0, or -1 with the
 * reply filled; a first one is then not in.
 */
int slot_put(const struct hook *hook, struct slot *slot, int prog_fd,
	     struct xdpcap_reply *reply);

/*
 * Take our filter program out, and only ours, and make the next capture the head
 * if we were it. Dead captures are removed as far as that is possible.
 */
void slot_leave(const struct hook *hook, struct slot *slot);

/*
 * Remove what dead captures have left on an action, as far as that is possible. The
 * continuation is left alone.
 */
void slot_clean(const struct hook *hook, __u32 action);

/* What is found on an action. */
struct slot_program {
	enum slot_life {
		SLOT_DEAD,
		SLOT_ALIVE,
		SLOT_ELSEWHERE, /* alive, but attached by another pin of the hook */
		SLOT_FOREIGN, /* not a program of ours */
	} life;
	__u32 id;       /* of the filter program */
	__u32 chain_id; /* the same on all actions of a capture; 0: none */
	pid_t pid; /* of an alive one's helper; 0: in no PID namespace of ours */
};

/* The captures, and a head that is none of them. */
#define SLOT_PROGRAMS_MAX (XDPCAP_CAPTURES_MAX + 1)

/*
 * Look at what is on an action, and change nothing; also without the lock, when
 * what others are doing just now may be taken for dead. programs has room for
 * SLOT_PROGRAMS_MAX; slot_looked() is to follow. Returns how many there are, or a negative errno, EPERM
 * without CAP_SYS_ADMIN.
 */
int slot_survey(const struct hook *hook, __u32 action,
		struct slot_program *programs);

#endif /* XDPCAP_SLOT_H */
