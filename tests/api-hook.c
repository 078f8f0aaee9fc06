// SPDX-License-Identifier: BSD-3-Clause
/* A hook and its captures from outside libpcap: see api-hook.h. */
#include "api-hook.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>

#define PROGRAM_MAPS_MAX 8

int hook_used(const char *pin)
{
	int fd = bpf_obj_get(pin), used = 0;
	uint32_t id;

	if (fd < 0)
		return -1;
	for (uint32_t slot = 0; slot < HOOK_SLOTS; slot++)
		if (!bpf_map_lookup_elem(fd, &slot, &id))
			used |= 1 << slot;
	close(fd);
	return used;
}

void hook_clear_all(const char *pin)
{
	int fd = bpf_obj_get(pin);

	if (fd < 0)
		return;
	for (uint32_t slot = 0; slot < HOOK_SLOTS; slot++)
		bpf_map_delete_elem(fd, &slot);
	close(fd);
}

/* A program's map by its name; returns a descriptor, or -1. */
static int program_map(uint32_t program_id, const char *name,
		       struct bpf_map_info *info)
{
	uint32_t ids[PROGRAM_MAPS_MAX], len;
	struct bpf_prog_info program = {
		.nr_map_ids = PROGRAM_MAPS_MAX,
		.map_ids = (uintptr_t)ids,
	};
	int fd = bpf_prog_get_fd_by_id(program_id);

	len = sizeof(program);
	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &program, &len))
		program.nr_map_ids = 0;
	if (fd >= 0)
		close(fd);
	for (uint32_t i = 0; i < program.nr_map_ids; i++) {
		fd = bpf_map_get_fd_by_id(ids[i]);
		memset(info, 0, sizeof(*info));
		len = sizeof(*info);
		if (fd >= 0 && !bpf_obj_get_info_by_fd(fd, info, &len) &&
		    !strcmp(info->name, name))
			return fd;
		if (fd >= 0)
			close(fd);
	}
	printf("program %u has no map %s\n", program_id, name);
	return -1;
}

static void *map_memory(int fd, size_t size)
{
	void *memory =
		mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (memory != MAP_FAILED)
		return memory;
	printf("mmap of %zu bytes: %s\n", size, strerror(errno));
	return NULL;
}

int capture_map(const char *pin, uint32_t slot, struct capture_memory *memory)
{
	int hook_fd, ctl_fd = -1, chain_fd = -1, rings_fd = -1;
	struct bpf_map_info info;
	uint32_t id;

	memset(memory, 0, sizeof(*memory));
	hook_fd = bpf_obj_get(pin);
	if (hook_fd < 0 || bpf_map_lookup_elem(hook_fd, &slot, &id)) {
		printf("no program in slot %u\n", slot);
		goto err_out;
	}
	ctl_fd = program_map(id, "xdpcap_ctl", &info);
	if (ctl_fd < 0)
		goto err_out;
	memory->ctl_size = info.value_size;
	/* the filter program knows the copy program only by way of this */
	chain_fd = program_map(id, "xdpcap_chain", &info);
	if (chain_fd < 0 || bpf_map_lookup_elem(chain_fd, &slot, &id)) {
		printf("no copy program for slot %u\n", slot);
		goto err_out;
	}
	rings_fd = program_map(id, "xdpcap_rings", &info);
	if (rings_fd < 0)
		goto err_out;
	memory->rings_id = info.id;
	memory->nrings = info.max_entries;
	memory->stride = info.value_size;
	memory->ring_size = info.value_size - XDPCAP_RING_SLACK;
	memory->rings_size = memory->stride * memory->nrings;
	memory->ctl = map_memory(ctl_fd, memory->ctl_size);
	memory->rings = map_memory(rings_fd, memory->rings_size);
	if (!memory->ctl || !memory->rings)
		goto err_out;
	close(hook_fd);
	close(ctl_fd);
	close(chain_fd);
	close(rings_fd);
	return 0;

err_out:
	capture_unmap(memory);
	if (hook_fd >= 0)
		close(hook_fd);
	if (ctl_fd >= 0)
		close(ctl_fd);
	if (chain_fd >= 0)
		close(chain_fd);
	if (rings_fd >= 0)
		close(rings_fd);
	return -1;
}

void capture_unmap(struct capture_memory *memory)
{
	if (memory->ctl)
		munmap(memory->ctl, memory->ctl_size);
	if (memory->rings)
		munmap(memory->rings, memory->rings_size);
	memory->ctl = NULL;
	memory->rings = NULL;
}

uint64_t capture_seen(const struct capture_memory *memory)
{
	uint64_t seen = 0;

	for (uint32_t i = 0; i < memory->nrings; i++)
		for (int a = 0; a < XDPCAP_ACTIONS_MAX; a++)
			seen += __atomic_load_n(&memory->ctl->cpu[i].action[a].seen,
						__ATOMIC_RELAXED);
	return seen;
}

/* Whether a process has a descriptor of the map. */
static int has_map(const char *pid, uint32_t id)
{
	char path[300], line[128];
	struct dirent *entry;
	uint32_t found = 0;
	FILE *file;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%s/fdinfo", pid);
	dir = opendir(path);
	if (!dir)
		return 0;
	while (found != id && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/%.16s/fdinfo/%.16s", pid,
			 entry->d_name);
		file = fopen(path, "re");
		if (!file)
			continue;
		while (found != id && fgets(line, sizeof(line), file))
			sscanf(line, "map_id: %u", &found);
		fclose(file);
	}
	closedir(dir);
	return found == id;
}

pid_t capture_helper(const struct capture_memory *memory)
{
	struct dirent *entry;
	char path[300], name[16];
	pid_t pid = -1;
	FILE *file;
	DIR *dir;

	dir = opendir("/proc");
	if (!dir)
		return -1;
	while (pid < 0 && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/%.16s/comm", entry->d_name);
		file = fopen(path, "re");
		if (!file)
			continue;
		/* of its name, the kernel keeps 15 bytes */
		if (fgets(name, sizeof(name), file) &&
		    !strncmp(name, "xdpcap-helper", strlen("xdpcap-helper")) &&
		    has_map(entry->d_name, memory->rings_id))
			pid = atoi(entry->d_name);
		fclose(file);
	}
	closedir(dir);
	return pid;
}
