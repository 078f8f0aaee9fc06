/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One capture on one hook: its maps, its copy programs, and its filter programs
 * in the hook's slots. Knows nothing of sockets or processes.
 */
#ifndef XDPCAP_CAPTURE_H
#define XDPCAP_CAPTURE_H

#include <linux/bpf.h>
#include <linux/types.h>

#include "hook.h"
#include "protocol.h"
#include "slot.h"

struct capture {
	struct hook hook;
	__u32 actions; /* bit mask of slots; 0: not attached */
	struct slot slots[XDPCAP_ACTIONS_MAX]; /* our place in each of those */
	__u32 nrings;
	__u32 ring_size; /* bytes, without the slack */
	__u64 cookie;
	__u32 clock;      /* enum xdpcap_clock */
	__u32 prog_flags; /* what the owner's programs were loaded with */
	enum bpf_attach_type attach_type;
	int rings_fd, ctl_fd, handoff_fd, bell_fd; /* maps */
	int chain_fd; /* private PROG_ARRAY; emptied when we are gone */
};

/*
 * Size in bytes of each of so many rings, for a buffer of buffer_size bytes in
 * all (0: the default); 0 if that is more than rings can have.
 */
__u32 capture_ring_size(__u32 buffer_size, __u32 rings);

/* A capture that is attached to nothing. */
void capture_init(struct capture *capture);

/*
 * Do what the request says; see protocol.h. path is a null-terminated string.
 * Fill the reply. capture_attach() returns 0, or -1 with nothing left in the
 * hook; capture_set_filter() returns 0, or -1 with the old filter in place.
 */
int capture_attach(struct capture *capture, const struct xdpcap_attach *request,
		   struct xdpcap_reply *reply);
int capture_set_filter(struct capture *capture,
		       const struct xdpcap_set_filter *request,
		       struct xdpcap_reply *reply);

/*
 * Take our programs out of the hook's slots, and only ours, and close
 * everything.
 */
void capture_detach(struct capture *capture);

#endif /* XDPCAP_CAPTURE_H */
