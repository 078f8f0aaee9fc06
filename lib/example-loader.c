// SPDX-License-Identifier: BSD-3-Clause
/*
 * Loads an XDP program with a hook, and attaches it to an interface until Ctrl-C.
 * The hook stays pinned: started again, the loader takes it up, and who captures on
 * it goes on capturing.
 *
 *	cc example-loader.c -o loader $(pkg-config --cflags --libs libxdpcap)
 *	./loader eth0 example.bpf.o xdpcap_hook /sys/fs/bpf/hook
 */
#include <errno.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <xdpcap/loader.h>

/* That of an earlier run, or a new one with as many slots as the object's map. */
static int get_hook(const struct bpf_map *map, const char *path)
{
	int fd = xdpcap_hook_open(path);

	if (fd == -ENOENT)
		fd = xdpcap_hook_create(bpf_map__max_entries(map));
	return fd;
}

static int failed(const char *what, int err)
{
	fprintf(stderr, "loader: %s: %s\n", what, strerror(-err));
	return 1;
}

/* Run the object's program until Ctrl-C. */
static int run(struct bpf_object *object, const char *interface)
{
	struct bpf_program *program = bpf_object__next_program(object, NULL);
	struct bpf_link *link;
	sigset_t signals;
	int caught;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	link = bpf_program__attach_xdp(program, (int)if_nametoindex(interface));
	if (!link)
		return failed(interface, -errno);
	printf("%s runs %s\n", interface, bpf_program__name(program));
	fflush(stdout);
	sigwait(&signals, &caught);
	bpf_link__destroy(link);
	return 0;
}

/* Load the object with the hook for its map of that name, and run its program. */
static int load(struct bpf_object *object, const char *interface,
		const char *map_name, const char *path)
{
	struct bpf_map *map = bpf_object__find_map_by_name(object, map_name);
	int fd, err, status;

	if (!map)
		return failed(map_name, -ENOENT);
	fd = get_hook(map, path);
	if (fd < 0)
		return failed(path, fd);
	err = xdpcap_hook_reuse(fd, object, map_name);
	if (err) {
		status = failed("the map is not such a hook", err);
		goto out;
	}
	err = bpf_object__load(object);
	if (err) {
		status = failed("load", err);
		goto out;
	}
	/* when the programs are loaded, for captures wait for that anyway */
	err = xdpcap_hook_pin(fd, path);
	status = err ? failed(path, err) : run(object, interface);
out:
	close(fd);
	return status;
}

int main(int argc, char **argv)
{
	struct bpf_object *object;
	int status;

	if (argc != 5) {
		fputs("usage: loader INTERFACE OBJECT MAP HOOK\n", stderr);
		return 2;
	}
	object = bpf_object__open(argv[2]);
	if (!object)
		return failed(argv[2], -errno);
	status = load(object, argv[1], argv[3], argv[4]);
	bpf_object__close(object);
	return status;
}
