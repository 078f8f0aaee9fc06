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

int main(int argc, char **argv)
{
	struct bpf_program *program;
	struct bpf_object *object;
	struct bpf_link *link;
	struct bpf_map *map;
	sigset_t signals;
	int fd, err, caught;

	if (argc != 5) {
		fputs("usage: loader INTERFACE OBJECT MAP HOOK\n", stderr);
		return 2;
	}
	object = bpf_object__open(argv[2]);
	if (!object)
		return failed(argv[2], -errno);
	map = bpf_object__find_map_by_name(object, argv[3]);
	if (!map)
		return failed(argv[3], -ENOENT);

	fd = get_hook(map, argv[4]);
	if (fd < 0)
		return failed(argv[4], fd);
	err = xdpcap_hook_reuse(fd, object, argv[3]);
	if (err)
		return failed("the map is not such a hook", err);
	err = bpf_object__load(object);
	if (err)
		return failed("load", err);
	/* when the programs are loaded, for captures wait for that anyway */
	err = xdpcap_hook_pin(fd, argv[4]);
	if (err)
		return failed(argv[4], err);

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	program = bpf_object__next_program(object, NULL);
	link = bpf_program__attach_xdp(program, (int)if_nametoindex(argv[1]));
	if (!link)
		return failed(argv[1], -errno);
	printf("%s runs %s\n", argv[1], bpf_program__name(program));
	fflush(stdout);
	sigwait(&signals, &caught);

	bpf_link__destroy(link);
	bpf_object__close(object);
	close(fd);
	return 0;
}
