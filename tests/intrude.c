// SPDX-License-Identifier: BSD-3-Clause
/*
 * Tries to look into a process of the same user and to take its descriptors, in
 * every way there is; says of each whether it was denied. It tries the same with a
 * child of its own first, where all must be possible.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static int trace(pid_t pid)
{
	if (ptrace(PTRACE_SEIZE, pid, 0, 0))
		return -1;
	/* it must stop before it can be let go */
	ptrace(PTRACE_INTERRUPT, pid, 0, 0);
	waitpid(pid, NULL, __WALL);
	return ptrace(PTRACE_DETACH, pid, 0, 0);
}

static int attach(pid_t pid)
{
	if (ptrace(PTRACE_ATTACH, pid, 0, 0))
		return -1;
	waitpid(pid, NULL, __WALL);
	return ptrace(PTRACE_DETACH, pid, 0, 0);
}

/* A page of this program, which a child has at the same address. */
static int read_memory(pid_t pid)
{
	char byte;
	struct iovec here = { .iov_base = &byte, .iov_len = 1 };
	struct iovec there = { .iov_base = (void *)read_memory, .iov_len = 1 };

	return process_vm_readv(pid, &here, 1, &there, 1, 0) < 0 ? -1 : 0;
}

static int take_descriptor(pid_t pid)
{
	int pidfd = syscall(SYS_pidfd_open, pid, 0), fd;

	if (pidfd < 0)
		return -1;
	fd = syscall(SYS_pidfd_getfd, pidfd, 0, 0);
	return fd < 0 ? -1 : 0;
}

static int open_proc(pid_t pid, const char *file, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	return open(path, flags | O_CLOEXEC) < 0 ? -1 : 0;
}

static int memory_file(pid_t pid)
{
	return open_proc(pid, "mem", O_RDWR);
}

static int environment(pid_t pid)
{
	return open_proc(pid, "environ", O_RDONLY);
}

static int memory_map(pid_t pid)
{
	return open_proc(pid, "maps", O_RDONLY);
}

static int descriptors(pid_t pid)
{
	return open_proc(pid, "fd", O_RDONLY | O_DIRECTORY);
}

static int root_directory(pid_t pid)
{
	return open_proc(pid, "root/", O_RDONLY | O_DIRECTORY);
}

static int oom_score(pid_t pid)
{
	return open_proc(pid, "oom_score_adj", O_WRONLY);
}

static const struct {
	const char *name;
	int (*try)(pid_t pid);
} ways[] = {
	{ "trace", trace },
	{ "attach", attach },
	{ "read memory", read_memory },
	{ "take a descriptor", take_descriptor },
	{ "memory file", memory_file },
	{ "environment", environment },
	{ "memory map", memory_map },
	{ "descriptors", descriptors },
	{ "root directory", root_directory },
	{ "out-of-memory score", oom_score },
};

/* Whether a way is open to us. */
static bool possible(size_t way, pid_t pid)
{
	errno = 0;
	if (!ways[way].try(pid))
		return true;
	if (errno != EPERM && errno != EACCES) {
		printf("%s: neither done nor denied: %s\n", ways[way].name,
		       strerror(errno));
		exit(1);
	}
	return false;
}

int main(int argc, char **argv)
{
	pid_t child, pid = argc == 2 ? atoi(argv[1]) : 0;
	int ret = 0;

	if (pid <= 0) {
		fputs("Usage: intrude PID\n", stderr);
		return 2;
	}
	child = fork();
	if (child == 0)
		for (;;)
			pause();
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		if (!possible(i, child)) {
			printf("%s: not even of a child\n", ways[i].name);
			ret = 1;
		}
		if (possible(i, pid)) {
			printf("%s: possible\n", ways[i].name);
			ret = 1;
		}
	}
	kill(child, SIGKILL);
	return ret;
}
