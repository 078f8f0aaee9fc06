// SPDX-License-Identifier: BSD-3-Clause
/*
 * Hooks for loaders: see xdpcap/loader.h.
 */
#include <xdpcap/loader.h>

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

/* As cloudflare/xdpcap names it. */
#define MAP_NAME "xdpcap_hook"

/* Aborted, drop, pass, tx. */
#define ENTRIES_MIN 4

/* Whether a map is a hook; then entries and id, if not NULL, are filled. */
static bool is_hook(int fd, __u32 *entries, __u32 *id)
{
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &len) ||
	    info.type != BPF_MAP_TYPE_PROG_ARRAY ||
	    info.key_size != sizeof(__u32) ||
	    info.value_size != sizeof(__u32) || info.max_entries < ENTRIES_MIN)
		return false;
	if (entries)
		*entries = info.max_entries;
	if (id)
		*id = info.id;
	return true;
}

int xdpcap_hook_create(unsigned int entries)
{
	if (entries < ENTRIES_MIN)
		return -EINVAL;
	return bpf_map_create(BPF_MAP_TYPE_PROG_ARRAY, MAP_NAME, sizeof(__u32),
			      sizeof(__u32), entries, NULL);
}

int xdpcap_hook_open(const char *path)
{
	int fd = bpf_obj_get(path);

	if (fd < 0 || is_hook(fd, NULL, NULL))
		return fd;
	close(fd);
	return -EINVAL;
}

/* Whether the pin at path is of the map with this id. */
static bool is_pinned(const char *path, __u32 id)
{
	int fd = xdpcap_hook_open(path);
	__u32 there;
	bool ret;

	if (fd < 0)
		return false;
	ret = is_hook(fd, NULL, &there) && there == id;
	close(fd);
	return ret;
}

/* Put a pin in the place of one that is there, at no moment of which there is none. */
static int replace(int fd, const char *path)
{
	char temporary[PATH_MAX];
	int err;

	if (snprintf(temporary, sizeof(temporary), "%s~%d", path, getpid()) >=
	    (int)sizeof(temporary))
		return -ENAMETOOLONG;
	err = bpf_obj_pin(fd, temporary);
	if (!err && rename(temporary, path)) {
		err = -errno;
		unlink(temporary);
	}
	return err;
}

int xdpcap_hook_pin(int fd, const char *path)
{
	__u32 id;
	int err, other;

	if (!is_hook(fd, NULL, &id))
		return -EINVAL;
	err = bpf_obj_pin(fd, path);
	if (err != -EEXIST || is_pinned(path, id))
		return err == -EEXIST ? 0 : err;
	other = xdpcap_hook_open(path);
	if (other < 0)
		return -EEXIST;
	close(other);
	return replace(fd, path);
}

int xdpcap_hook_unpin(const char *path)
{
	int fd = xdpcap_hook_open(path);

	if (fd < 0)
		return fd;
	close(fd);
	return unlink(path) ? -errno : 0;
}

int xdpcap_hook_reuse(int fd, struct bpf_object *object, const char *map)
{
	struct bpf_map *found = bpf_object__find_map_by_name(object, map);
	__u32 entries;

	if (!found)
		return -ENOENT;
	if (bpf_map__type(found) != BPF_MAP_TYPE_PROG_ARRAY ||
	    !is_hook(fd, &entries, NULL) ||
	    bpf_map__max_entries(found) != entries)
		return -EINVAL;
	return bpf_map__reuse_fd(found, fd) ?: bpf_map__set_pin_path(found, NULL);
}
