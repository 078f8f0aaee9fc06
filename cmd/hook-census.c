// SPDX-License-Identifier: BSD-3-Clause
/*
 * Who captures on a hook; see hook-census.h.
 */
#include "hook-census.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../pcap-xdpcap/protocol.h"

/*
 * Find out whom a helper serves: who made the socket that is its standard input.
 * That takes CAP_SYS_PTRACE.
 */
static void find_application(struct census_capture *capture)
{
	struct ucred peer = { 0 };
	socklen_t len = sizeof(peer);
	char path[64];
	FILE *file;
	int process, sock;

	process = (int)syscall(SYS_pidfd_open, capture->helper, 0);
	if (process < 0)
		return;
	sock = (int)syscall(SYS_pidfd_getfd, process, XDPCAP_HELPER_FD, 0);
	close(process);
	if (sock < 0)
		return;
	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &peer, &len))
		peer.pid = 0;
	close(sock);
	if (!peer.pid)
		return;
	/* it may have gone, and a child of it have the capture */
	snprintf(path, sizeof(path), "/proc/%d/comm", peer.pid);
	file = fopen(path, "re");
	if (!file)
		return;
	if (fgets(capture->name, sizeof(capture->name), file)) {
		capture->name[strcspn(capture->name, "\n")] = '\0';
		capture->pid = peer.pid;
	}
	fclose(file);
}

static void add(struct census *census, __u32 slot,
		const struct slot_program *program)
{
	struct census_capture *capture = census->captures;
	size_t i;

	if (program->life == SLOT_FOREIGN) {
		census->foreign |= 1u << slot;
		return;
	}
	for (i = 0; i < census->nr_captures; i++, capture++)
		if (program->chain_id && capture->chain_id == program->chain_id)
			break;
	if (i == census->nr_captures) {
		census->nr_captures++;
		*capture = (struct census_capture){
			.life = program->life,
			.chain_id = program->chain_id,
			.helper = program->pid,
		};
		if (capture->helper)
			find_application(capture);
	}
	capture->slots |= 1u << slot;
}

/* In the order in which they have begun: numbers of maps ascend. */
static int by_begin(const void *a, const void *b)
{
	const struct census_capture *x = a, *y = b;

	return (x->chain_id > y->chain_id) - (x->chain_id < y->chain_id);
}

int census_take(struct census *census, const struct hook *hook)
{
	struct slot_program programs[SLOT_PROGRAMS_MAX];
	int n;

	memset(census, 0, sizeof(*census));
	census->known = true;
	census->entries = hook->max_entries;
	for (__u32 i = 0; i < XDPCAP_ACTIONS_MAX && i < hook->max_entries; i++) {
		n = hook_slot(hook, i, &census->programs[i]);
		if (n)
			return n;
		if (hook_continues(hook, i))
			continue;
		n = slot_survey(hook, i, programs);
		if (n == -EPERM)
			census->known = false;
		else if (n < 0)
			return n;
		for (int j = 0; j < n; j++)
			add(census, i, &programs[j]);
	}
	qsort(census->captures, census->nr_captures,
	      sizeof(census->captures[0]), by_begin);
	return 0;
}

size_t census_count(const struct census *census, enum slot_life life)
{
	size_t n = 0;

	for (size_t i = 0; i < census->nr_captures; i++)
		n += census->captures[i].life == life;
	return n;
}
