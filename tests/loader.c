// SPDX-License-Identifier: BSD-3-Clause
/*
 * What <xdpcap/loader.h> declares, called as a loader calls it and as it should not.
 * Works in a directory of a BPF file system that is given, with an object that has a
 * map xdpcap_hook of 5 slots. Prints what was wrong; exits with 0 if nothing was.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <linux/bpf.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <xdpcap/loader.h>

static const char *dir;
static int mistakes;

static void expect(const char *what, long expected, long got)
{
	if (expected == got)
		return;
	printf("%s: expected %ld, got %ld\n", what, expected, got);
	mistakes++;
}

/* A path in the directory, in one of some buffers. */
static const char *in(const char *name)
{
	static char paths[4][256];
	static int n;
	char *path = paths[n++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
	return path;
}

static __u32 map_id(int fd)
{
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &len) ? 0 : info.id;
}

/* The id of the hook that is pinned there, or a negative errno. */
static long pinned(const char *name)
{
	int fd = xdpcap_hook_open(in(name));
	long ret = fd;

	if (fd >= 0) {
		ret = map_id(fd);
		close(fd);
	}
	return ret;
}

static void test_pins(int hash)
{
	int first = xdpcap_hook_create(XDPCAP_HOOK_ENTRIES);
	int second = xdpcap_hook_create(XDPCAP_HOOK_ENTER_ENTRIES);

	expect("create with 3 slots", -EINVAL, xdpcap_hook_create(3));
	expect("open what is not there", -ENOENT, pinned("hook"));
	expect("pin", 0, xdpcap_hook_pin(first, in("hook")));
	expect("what is pinned", map_id(first), pinned("hook"));
	expect("pin again", 0, xdpcap_hook_pin(first, in("hook")));
	expect("pin another one", 0, xdpcap_hook_pin(second, in("hook")));
	expect("what is pinned then", map_id(second), pinned("hook"));
	expect("pin elsewhere", -ENOENT, xdpcap_hook_pin(first, in("none/hook")));
	expect("pin outside", -EPERM, xdpcap_hook_pin(first, "/tmp/hook"));
	expect("open what is no pin", -EACCES, xdpcap_hook_open("/dev/null"));
	expect("pin with a dot", -EPERM, xdpcap_hook_pin(first, in("a.b")));
	expect("pin something else", -EINVAL, xdpcap_hook_pin(hash, in("x")));
	expect("pin no descriptor", -EINVAL, xdpcap_hook_pin(-1, in("x")));

	expect("something else", 0, bpf_obj_pin(hash, in("hash")));
	expect("open something else", -EINVAL, pinned("hash"));
	expect("pin over something else", -EEXIST,
	       xdpcap_hook_pin(first, in("hash")));
	expect("unpin something else", -EINVAL, xdpcap_hook_unpin(in("hash")));
	expect("something else is there", 0, access(in("hash"), F_OK));

	expect("unpin", 0, xdpcap_hook_unpin(in("hook")));
	expect("unpin what is not there", -ENOENT, xdpcap_hook_unpin(in("hook")));
	close(first);
	close(second);
	unlink(in("hash"));
}

static void test_reuse(const char *file, int hash)
{
	struct bpf_object *object = bpf_object__open(file);
	int hook = xdpcap_hook_create(XDPCAP_HOOK_ENTRIES);
	int larger = xdpcap_hook_create(XDPCAP_HOOK_ENTRIES + 1);
	struct bpf_map *map;

	if (!object) {
		expect(file, 0, -errno);
		return;
	}
	map = bpf_object__find_map_by_name(object, "xdpcap_hook");
	expect("reuse for no map", -ENOENT,
	       xdpcap_hook_reuse(hook, object, "none"));
	expect("reuse something else", -EINVAL,
	       xdpcap_hook_reuse(hash, object, "xdpcap_hook"));
	expect("reuse with another size", -EINVAL,
	       xdpcap_hook_reuse(larger, object, "xdpcap_hook"));
	/* as of XDPCAP_HOOK_MAP_PINNED() */
	bpf_map__set_pin_path(map, in("other"));
	expect("reuse", 0, xdpcap_hook_reuse(hook, object, "xdpcap_hook"));
	expect("load", 0, bpf_object__load(object));
	expect("the map", map_id(hook), map_id(bpf_map__fd(map)));
	expect("the object's own pin", -ENOENT, pinned("other"));
	bpf_object__close(object);
	close(hook);
	close(larger);
}

int main(int argc, char **argv)
{
	int hash;

	if (argc != 3) {
		fputs("Usage: loader DIR OBJECT\n", stderr);
		return 2;
	}
	dir = argv[1];
	hash = bpf_map_create(BPF_MAP_TYPE_HASH, "hash", 4, 4, 8, NULL);
	expect("make something else", 1, hash >= 0);
	test_pins(hash);
	test_reuse(argv[2], hash);
	return mistakes != 0;
}
