/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Hooks, for programs that load XDP programs with libbpf: make one, pin it where
 * captures look for it, and have programs use it. Link with
 * `pkg-config --libs libxdpcap`.
 *
 * A loader that keeps its hook when it is started again, and so the captures on it:
 *
 *	fd = xdpcap_hook_open("/sys/fs/bpf/hook");
 *	if (fd == -ENOENT)
 *		fd = xdpcap_hook_create(XDPCAP_HOOK_ENTRIES);
 *	err = xdpcap_hook_reuse(fd, object, "hook");
 *	err = bpf_object__load(object);
 *	err = xdpcap_hook_pin(fd, "/sys/fs/bpf/hook");
 *
 * All functions return a negative errno if they fail. What bpf(2) may return is
 * not repeated with each: -EPERM above all, without CAP_BPF.
 */
#ifndef XDPCAP_LOADER_H
#define XDPCAP_LOADER_H

#ifdef __cplusplus
extern "C" {
#endif

struct bpf_object;

/* Slots of a hook, and of one with xdpcap_enter(); as in <xdpcap/hook.h>. */
#define XDPCAP_HOOK_ENTRIES       5
#define XDPCAP_HOOK_ENTER_ENTRIES 7

/*
 * Make a hook with so many slots, at least 4. Returns a descriptor, for close(2);
 * -EINVAL if there are too few.
 */
int xdpcap_hook_create(unsigned int entries);

/*
 * Open the hook that is pinned at path. Returns a descriptor; -ENOENT if there is
 * no such file, -EINVAL if something other than a hook is pinned there, -EACCES if
 * it is no pin, or not to be read and written.
 */
int xdpcap_hook_open(const char *path);

/*
 * Pin the hook at path, in place of another hook that is pinned there, whose
 * captures then see no more of the programs that use this one. Returns 0; -EEXIST
 * if something other than a hook is pinned there, -EPERM also if path is not in a
 * BPF file system, or its last component has a dot.
 */
int xdpcap_hook_pin(int fd, const char *path);

/*
 * Remove the pin. Programs that use the hook, and captures, go on. Returns 0;
 * -ENOENT, -EINVAL or -EACCES as xdpcap_hook_open().
 */
int xdpcap_hook_unpin(const char *path);

/*
 * Have the object's programs use the hook as their map of this name, which is not
 * pinned anywhere else then, whatever the object says; before bpf_object__load().
 * That fails with -EINVAL if programs of another kind (section "xdp.frags" or not,
 * expected_attach_type) have used the hook before: then make a new one. Returns 0;
 * -ENOENT if there is no such map, -EINVAL if that is not a hook, or not one with
 * as many slots.
 */
int xdpcap_hook_reuse(int fd, struct bpf_object *object, const char *map);

#ifdef __cplusplus
}
#endif

#endif /* XDPCAP_LOADER_H */
