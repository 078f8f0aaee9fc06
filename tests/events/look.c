// SPDX-License-Identifier: BSD-3-Clause
/* What is in a hook: see look.h. */
#include "look.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "ring.h"

#define PROGRAMS_MAX 256
#define MAPS_MAX     16

struct look {
	uint32_t programs[PROGRAMS_MAX];
	unsigned int nprograms;
	struct found *found;
	int nfound;
};

static int say(const char *what, int err)
{
	printf("%s: %s\n", what, strerror(-err));
	return -1;
}

/* All programs in a PROG_ARRAY that are not known yet. */
static void add_programs(struct look *look, int map)
{
	uint32_t id;

	for (uint32_t slot = 0; slot < XDPCAP_ACTIONS_MAX; slot++) {
		if (bpf_map_lookup_elem(map, &slot, &id))
			continue;
		for (unsigned int i = 0; id && i < look->nprograms; i++)
			if (look->programs[i] == id)
				id = 0;
		if (id && look->nprograms < PROGRAMS_MAX)
			look->programs[look->nprograms++] = id;
	}
}

static int add_capture(struct look *look, int map, const struct bpf_map_info *info)
{
	struct found *found = &look->found[look->nfound];
	struct xdpcap_ctl *ctl;
	uint32_t zero = 0;
	size_t cpus;
	int err;

	for (int i = 0; i < look->nfound; i++)
		if (look->found[i].map == info->id)
			return 0;
	if (look->nfound == FOUND_MAX)
		return say("captures in the hook", -E2BIG);
	ctl = calloc(1, info->value_size);
	if (!ctl)
		return say("calloc", -ENOMEM);
	err = bpf_map_lookup_elem(map, &zero, ctl);
	found->map = info->id;
	found->captured = 0;
	cpus = (info->value_size - sizeof(*ctl)) / sizeof(ctl->cpu[0]);
	for (size_t i = 0; i < cpus; i++)
		for (int a = 0; a < XDPCAP_ACTIONS_MAX; a++)
			found->captured += ctl->cpu[i].action[a].captured;
	free(ctl);
	if (err)
		return say("lookup in xdpcap_ctl", err);
	look->nfound++;
	return 0;
}

/* A program's map: there may be more programs in it, or it is a capture's. */
static int look_at_map(struct look *look, uint32_t id)
{
	struct bpf_map_info info = { 0 };
	uint32_t len = sizeof(info);
	int fd = bpf_map_get_fd_by_id(id), err;

	if (fd < 0)
		return fd == -ENOENT ? 0 : say("map", fd);
	err = bpf_obj_get_info_by_fd(fd, &info, &len);
	if (err)
		err = say("map", err);
	else if (!strcmp(info.name, "xdpcap_slots"))
		add_programs(look, fd);
	else if (!strcmp(info.name, "xdpcap_ctl"))
		err = add_capture(look, fd, &info);
	close(fd);
	return err;
}

static int look_at_program(struct look *look, uint32_t id)
{
	uint32_t maps[MAPS_MAX], len;
	struct bpf_prog_info info = { .nr_map_ids = MAPS_MAX,
				      .map_ids = (uintptr_t)maps };
	/* it may have gone meanwhile */
	int fd = bpf_prog_get_fd_by_id(id), err;

	if (fd < 0)
		return fd == -ENOENT ? 0 : say("program", fd);
	len = sizeof(info);
	err = bpf_obj_get_info_by_fd(fd, &info, &len);
	close(fd);
	if (err)
		return say("program", err);
	for (uint32_t i = 0; i < info.nr_map_ids && i < MAPS_MAX && !err; i++)
		err = look_at_map(look, maps[i]);
	return err;
}

int hook_look(int hook, struct found *found, unsigned int *programs)
{
	struct look look = { .found = found };

	add_programs(&look, hook);
	for (unsigned int i = 0; i < look.nprograms; i++)
		if (look_at_program(&look, look.programs[i]))
			return -1;
	*programs = look.nprograms;
	return look.nfound;
}

bool holds_map(pid_t pid, uint32_t map)
{
	char path[300], line[128];
	struct dirent *entry;
	bool found = false;
	unsigned int id;
	FILE *file;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo", pid);
	dir = opendir(path);
	while (dir && !found && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/%d/fdinfo/%s", pid,
			 entry->d_name);
		file = fopen(path, "re");
		while (file && !found && fgets(line, sizeof(line), file))
			found = sscanf(line, "map_id: %u", &id) == 1 && id == map;
		if (file)
			fclose(file);
	}
	if (dir)
		closedir(dir);
	return found;
}
