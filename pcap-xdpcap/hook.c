// SPDX-License-Identifier: BSD-3-Clause
/*
 * A hook: see hook.h. Everything about the map is read from the descriptor's
 * fdinfo, the only place that says whether a PROG_ARRAY has an owner.
 */
#include "hook.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>
#include <linux/bpf.h>
#include <linux/magic.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "clock.h"

/*
 * How long to wait for others that change the same hook, ms. One that leaves all
 * actions beside seven others takes two seconds on a busy machine, as for each entry
 * that is emptied the kernel waits for all CPUs to be done with what was there
 * (bpf_arch_poke_desc_update()); and all may leave at the same time.
 */
#define LOCK_PATIENCE 20000

/*
 * How often to look. Who has waited for LOCK_LONG ms looks more often, so that those
 * who come later seldom overtake him.
 */
#define LOCK_PAUSE_NS      10000000
#define LOCK_LONG          1000
#define LOCK_LONG_PAUSE_NS 1000000

int hook_error(const struct hook *hook, struct xdpcap_reply *reply,
	       enum xdpcap_status status, const char *format, ...)
{
	va_list args;
	int n;

	reply->status = status;
	n = snprintf(reply->message, sizeof(reply->message),
		     "xdpcap:%s: ", hook->path);
	/* of a path that leaves no room for the reason, the end is lost */
	if (n < 0 || n > (int)sizeof(reply->message) * 2 / 3)
		n = snprintf(reply->message, sizeof(reply->message),
			     "xdpcap:%.100s...: ", hook->path);
	va_start(args, format);
	vsnprintf(reply->message + n, sizeof(reply->message) - n, format, args);
	va_end(args);
	return -1;
}

int hook_map_info(int fd, struct map_info *info)
{
	const struct {
		const char *format;
		long *value;
	} lines[] = {
		{ "map_type: %ld", &info->map_type },
		{ "key_size: %ld", &info->key_size },
		{ "value_size: %ld", &info->value_size },
		{ "max_entries: %ld", &info->max_entries },
		{ "owner_prog_type: %ld", &info->owner_prog_type },
	};
	char line[128];
	FILE *file;

	memset(info, -1, sizeof(*info));
	snprintf(line, sizeof(line), "/proc/self/fdinfo/%d", fd);
	file = fopen(line, "re");
	if (!file)
		return -errno;
	while (fgets(line, sizeof(line), file))
		for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
			if (sscanf(line, lines[i].format, lines[i].value) == 1)
				break;
	fclose(file);
	return 0;
}

/* Refuse a path that cannot be a pin, with a better reason than bpf(2)'s. */
static int check_pin(const struct hook *hook, struct xdpcap_reply *reply)
{
	struct statfs fs;
	struct stat st;

	if (stat(hook->path, &st) || statfs(hook->path, &fs)) {
		if (errno == EACCES)
			return hook_error(
				hook, reply, XDPCAP_ERROR_PERMISSION,
				"%s; the hook's directory must be accessible to you",
				strerror(errno));
		if (errno == ENOENT)
			return hook_error(
				hook, reply, XDPCAP_ERROR_NO_SUCH_HOOK,
				"no such file; is the XDP program loaded, and its hook pinned there?");
		return hook_error(hook, reply, XDPCAP_ERROR_NO_SUCH_HOOK, "%s",
				  strerror(errno));
	}
	/* as an unsigned 32-bit number: f_type is signed, and so negative on i386 */
	if ((__u32)fs.f_type != BPF_FS_MAGIC || !S_ISREG(st.st_mode))
		return hook_error(
			hook, reply, XDPCAP_ERROR_NO_SUCH_HOOK,
			"not a pin; name a pinned map in a BPF file system, such as one below /sys/fs/bpf");
	return 0;
}

/* Refuse what is pinned if it is not a hook, or is to have an owner and has none. */
static int check_map(struct hook *hook, bool owned, struct xdpcap_reply *reply)
{
	struct map_info info;
	const char *type;
	int err;

	err = hook_map_info(hook->fd, &info);
	if (err)
		return hook_error(
			hook, reply, XDPCAP_ERROR,
			"cannot read the map's properties: %s; is /proc mounted?",
			strerror(-err));
	if (info.map_type < 0)
		return hook_error(
			hook, reply, XDPCAP_ERROR_NO_SUCH_HOOK,
			"not a hook: the pin is a program or a link, not a map");
	if (info.map_type != BPF_MAP_TYPE_PROG_ARRAY) {
		type = libbpf_bpf_map_type_str(info.map_type);
		return hook_error(hook, reply, XDPCAP_ERROR_NO_SUCH_HOOK,
				  "not a hook: map type is %s, not prog_array",
				  type ? type : "unknown");
	}
	if (info.key_size != 4 || info.value_size != 4)
		return hook_error(
			hook, reply, XDPCAP_ERROR_NO_SUCH_HOOK,
			"not a hook: key size is %ld and value size %ld, not 4 and 4",
			info.key_size, info.value_size);
	if (info.max_entries <= XDP_TX)
		return hook_error(
			hook, reply, XDPCAP_ERROR_NO_SUCH_HOOK,
			"not a hook: it has %ld entries, a hook has at least %d (aborted, drop, pass, tx)",
			info.max_entries, XDP_TX + 1);
	if (info.owner_prog_type < 0 && owned)
		return hook_error(
			hook, reply, XDPCAP_ERROR,
			"no XDP program uses this hook yet; load the program first, then capture");
	if (info.owner_prog_type >= 0 && info.owner_prog_type != BPF_PROG_TYPE_XDP)
		return hook_error(
			hook, reply, XDPCAP_ERROR_NO_SUCH_HOOK,
			"not a hook: it belongs to programs of type %s, not xdp",
			libbpf_bpf_prog_type_str(info.owner_prog_type) ?:
				"unknown");
	hook->max_entries = info.max_entries;
	return 0;
}

int hook_open_directory(const char *path)
{
	char pin[PATH_MAX];
	int fd;

	if (!realpath(path, pin))
		return -errno;
	*(strrchr(pin, '/') + 1) = '\0';
	fd = open(pin, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int open_hook(struct hook *hook, const char *path, bool owned,
		     struct xdpcap_reply *reply)
{
	int err;

	hook->fd = -1;
	hook->dir_fd = -1;
	hook->chain_id = 0;
	snprintf(hook->path, sizeof(hook->path), "%s", path);
	if (check_pin(hook, reply))
		return -1;

	hook->fd = bpf_obj_get(hook->path);
	if (hook->fd < 0) {
		err = -hook->fd;
		hook->fd = -1;
		if (err == EACCES || err == EPERM)
			return hook_error(
				hook, reply, XDPCAP_ERROR_PERMISSION,
				"%s; you need read and write permission on the pin",
				strerror(err));
		return hook_error(hook, reply, XDPCAP_ERROR,
				  "cannot open the pin: %s", strerror(err));
	}
	if (check_map(hook, owned, reply))
		goto err_out;
	hook->dir_fd = hook_open_directory(hook->path);
	if (hook->dir_fd < 0) {
		err = hook->dir_fd;
		hook_error(hook, reply,
			   err == -EACCES ? XDPCAP_ERROR_PERMISSION : XDPCAP_ERROR,
			   "cannot open the pin's directory: %s", strerror(-err));
		goto err_out;
	}
	return 0;

err_out:
	hook_close(hook);
	return -1;
}

int hook_open(struct hook *hook, const char *path, struct xdpcap_reply *reply)
{
	return open_hook(hook, path, true, reply);
}

int hook_open_any(struct hook *hook, const char *path, struct xdpcap_reply *reply)
{
	return open_hook(hook, path, false, reply);
}

void hook_close(struct hook *hook)
{
	if (hook->fd >= 0)
		close(hook->fd);
	if (hook->dir_fd >= 0)
		close(hook->dir_fd);
	hook->fd = -1;
	hook->dir_fd = -1;
}

int hook_lock(const struct hook *hook)
{
	const uint64_t begin = clock_ns(CLOCK_MONOTONIC);
	struct timespec pause = { .tv_nsec = LOCK_PAUSE_NS };
	uint64_t waited;

	while (flock(hook->dir_fd, LOCK_EX | LOCK_NB)) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
		waited = (clock_ns(CLOCK_MONOTONIC) - begin) / NS_PER_MS;
		if (waited > LOCK_PATIENCE)
			return -EWOULDBLOCK;
		if (waited > LOCK_LONG)
			pause.tv_nsec = LOCK_LONG_PAUSE_NS;
		nanosleep(&pause, NULL);
	}
	return 0;
}

void hook_unlock(const struct hook *hook)
{
	flock(hook->dir_fd, LOCK_UN);
}

bool hook_has_enter(const struct hook *hook)
{
	return hook->max_entries == XDPCAP_HOOK_ENTER_ENTRIES;
}

bool hook_continues(const struct hook *hook, __u32 slot)
{
	return hook_has_enter(hook) && slot == XDPCAP_CONTINUE_SLOT;
}

int hook_slot(const struct hook *hook, __u32 slot, __u32 *id)
{
	int err = bpf_map_lookup_elem(hook->fd, &slot, id);

	if (err == -ENOENT) {
		*id = 0;
		return 0;
	}
	return err;
}

int hook_put(const struct hook *hook, __u32 slot, int prog_fd)
{
	return bpf_map_update_elem(hook->fd, &slot, &prog_fd, BPF_ANY);
}

int hook_clear(const struct hook *hook, __u32 slot)
{
	int err = bpf_map_delete_elem(hook->fd, &slot);

	return err == -ENOENT ? 0 : err;
}
