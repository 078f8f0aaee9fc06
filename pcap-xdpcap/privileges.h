/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The helper's own privileges: what it needs, whether it has it, and how it
 * gets rid of everything else. Knows nothing of captures.
 */
#ifndef XDPCAP_PRIVILEGES_H
#define XDPCAP_PRIVILEGES_H

#include <stdbool.h>
#include <stddef.h>

/* For messages: the remedy. */
#define PRIVILEGES_NEEDED                                           \
	"run as root, or give xdpcap-helper the file capabilities " \
	"cap_bpf,cap_net_admin,cap_perfmon"

/*
 * Keep, of the capabilities that the process has, those that opening a hook and
 * loading programs need, make them effective, and give up the others, and the
 * chance to get any back by executing a program. Other processes of the same user
 * cannot look into this one, trace it, or take its descriptors. Returns 0, or -1
 * with errno.
 */
int privileges_reduce(void);

/* Give up what was only needed to open the pin. Returns 0, or -1 with errno. */
int privileges_opened(void);

/*
 * Give up what it does not take to list hooks; another user than root also what
 * would open pins to him that are not his. Returns 0, or -1 with errno.
 */
int privileges_list(void);

/*
 * Whether we may look at eBPF programs and maps by their numbers, as it takes to
 * capture beside others: CAP_SYS_ADMIN (kernel/bpf/syscall.c,
 * bpf_prog_get_fd_by_id()).
 */
bool privileges_can_share(void);

/*
 * Whether a capability that loading programs needs is missing; then buf (size
 * bytes) gets their names.
 */
bool privileges_missing(char *buf, size_t size);

#endif /* XDPCAP_PRIVILEGES_H */
