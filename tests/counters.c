// SPDX-License-Identifier: BSD-3-Clause
/*
 * Prints the counters of the capture that is attached to a hook, all CPUs and
 * actions together: "seen N captured N dropped N". Finds them as nobody but a
 * test should: from the program in a slot of the hook to its map "xdpcap_ctl".
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "ring.h"

#define MAPS_MAX 16

static int fail(const char *what, int err)
{
	fprintf(stderr, "counters: %s: %s\n", what, strerror(-err));
	return 1;
}

/* The program in the hook's first slot that is not empty, or a negative errno. */
static int open_program(int hook)
{
	__u32 id;

	for (__u32 slot = 0; slot < XDPCAP_ACTIONS_MAX; slot++)
		if (!bpf_map_lookup_elem(hook, &slot, &id))
			return bpf_prog_get_fd_by_id(id);
	return -ENOENT;
}

/* The program's map of that name, or a negative errno. */
static int open_map(int program, const char *name, struct bpf_map_info *map)
{
	__u32 ids[MAPS_MAX], len;
	struct bpf_prog_info info = { .nr_map_ids = MAPS_MAX,
				      .map_ids = (__u64)(unsigned long)ids };
	int fd, err;

	len = sizeof(info);
	err = bpf_obj_get_info_by_fd(program, &info, &len);
	if (err)
		return err;
	for (__u32 i = 0; i < info.nr_map_ids && i < MAPS_MAX; i++) {
		fd = bpf_map_get_fd_by_id(ids[i]);
		if (fd < 0)
			return fd;
		len = sizeof(*map);
		memset(map, 0, sizeof(*map));
		err = bpf_obj_get_info_by_fd(fd, map, &len);
		if (err)
			return err;
		if (!strcmp(map->name, name))
			return fd;
	}
	return -ENOENT;
}

int main(int argc, char **argv)
{
	unsigned long long seen = 0, captured = 0, dropped = 0;
	struct bpf_map_info info = { 0 };
	const struct xdpcap_counters *count;
	struct xdpcap_ctl *ctl;
	int hook, program, map, err;
	size_t cpus;
	__u32 zero = 0;

	if (argc != 2) {
		fputs("Usage: counters HOOK\n", stderr);
		return 2;
	}
	hook = bpf_obj_get(argv[1]);
	if (hook < 0)
		return fail(argv[1], hook);
	program = open_program(hook);
	if (program < 0)
		return fail("no program in the hook", program);
	map = open_map(program, "xdpcap_ctl", &info);
	if (map < 0)
		return fail("no map xdpcap_ctl", map);
	if (info.value_size < sizeof(*ctl))
		return fail("value of xdpcap_ctl", -EINVAL);
	ctl = calloc(1, info.value_size);
	if (!ctl)
		return fail("calloc", -ENOMEM);
	err = bpf_map_lookup_elem(map, &zero, ctl);
	if (err)
		return fail("lookup", err);
	cpus = (info.value_size - sizeof(*ctl)) / sizeof(ctl->cpu[0]);
	for (size_t i = 0; i < cpus; i++) {
		for (int a = 0; a < XDPCAP_ACTIONS_MAX; a++) {
			count = &ctl->cpu[i].action[a];
			seen += count->seen;
			captured += count->captured;
			dropped += count->dropped;
		}
	}
	printf("seen %llu captured %llu dropped %llu\n", seen, captured, dropped);
	free(ctl);
	return 0;
}
