/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A hook: a pinned PROG_ARRAY with one slot for each XDP action, that an XDP
 * program tail-calls into. Finds out whether a path is one, and looks at and
 * changes its slots. Knows nothing of captures.
 */
#ifndef PCAP_XDPCAP_HOOK_H /* bpf/hook.h has the other name */
#define PCAP_XDPCAP_HOOK_H

#include <stdbool.h>
#include <linux/types.h>

#include "protocol.h"

/* What fdinfo says of a map; -1 for a line that is not there. */
struct map_info {
	long map_type;
	long key_size;
	long value_size;
	long max_entries;
	long owner_prog_type;
};

struct hook {
	int fd;            /* the map; -1 if not open */
	int dir_fd;        /* the directory of the pin, for the lock */
	__u32 max_entries; /* slots */
	__u32 chain_id;    /* what slot_mark_alive() has marked; 0: nothing */
	char path[XDPCAP_PATH_MAX];
};

/*
 * Fill the reply with a status and a message, "xdpcap:PATH: " and the text.
 * Returns -1, for return.
 */
int hook_error(const struct hook *hook, struct xdpcap_reply *reply,
	       enum xdpcap_status status, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Read what it says of a map's descriptor. Returns 0, or a negative errno. */
int hook_map_info(int fd, struct map_info *info);

/*
 * Open the hook that is pinned at path. Refuses what is not a hook, and a hook
 * that has no owner yet: the first program in a PROG_ARRAY, or the first that
 * tail-calls into it, decides which others it takes (kernel/bpf/core.c,
 * __bpf_prog_map_compatible()), and that must not be ours. Returns 0, or -1
 * with reply filled; then nothing is left open.
 */
int hook_open(struct hook *hook, const char *path, struct xdpcap_reply *reply);

/* The same, also of a hook without an owner: for who puts nothing into it. */
int hook_open_any(struct hook *hook, const char *path,
		  struct xdpcap_reply *reply);

/* Close what hook_open() or hook_open_any() opened, if it did. */
void hook_close(struct hook *hook);

/*
 * Open the directory that a pin itself is in, also if the path ends in a symbolic
 * link to it: who uses the pin has one lock with all others, however they name it.
 * Returns a descriptor, or a negative errno.
 */
int hook_open_directory(const char *path);

/*
 * Take the lock that serialises attach, filter change and detach: flock() on
 * the directory of the pin. Waits for 20 seconds. Returns 0, or a negative
 * errno, EWOULDBLOCK if others held it all that time.
 */
int hook_lock(const struct hook *hook);
void hook_unlock(const struct hook *hook);

/* Whether the hook has slots for xdpcap_enter(); see ring.h. */
bool hook_has_enter(const struct hook *hook);

/* Whether a slot is the continuation's, with the user's program and no capture. */
bool hook_continues(const struct hook *hook, __u32 slot);

/*
 * The id of the program in a slot, 0 if the slot is empty. Returns 0, or a
 * negative errno.
 */
int hook_slot(const struct hook *hook, __u32 slot, __u32 *id);

/*
 * Put a program into a slot, whatever was there; or empty it. Return 0, or a
 * negative errno; EINVAL from hook_put() means that the program is not of the
 * kind the owner is (type, frags, expected_attach_type).
 */
int hook_put(const struct hook *hook, __u32 slot, int prog_fd);
int hook_clear(const struct hook *hook, __u32 slot);

#endif /* PCAP_XDPCAP_HOOK_H */
