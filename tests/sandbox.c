// SPDX-License-Identifier: BSD-3-Clause
/*
 * Makes system calls inside the helper's seccomp filter, each in a process of its
 * own, and prints what became of it: "open_to_read allowed allowed allowed killed",
 * for a helper that has just begun, lists hooks, attaches, and is attached; or
 * "open_to_write killed", if that is so in all of these. Without the filter none of
 * these calls kills, which is tried too: that would be "broken".
 *
 * Calls that would change something are made so that they cannot.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/bpf.h>

#include "sandbox.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* A call with a name and up to six arguments, the rest 0. */
#define CALL(n, number, ...)                                              \
	{                                                                 \
		.name = #n, .call = SYS_##number, .args = { __VA_ARGS__ } \
	}
#define PTR(p) ((long)(p))
#define BAD    (-1)

/* CLONE_SIGHAND without CLONE_VM */
#define INVALID_CLONE 0x800

static char page[4096] __attribute__((aligned(4096)));
static const char root[] = "/";
static const char null[] = "/dev/null";

static const struct {
	const char *name;
	long call;
	long args[6];
} calls[] = {
	/* what is allowed: always, or only before */
	CALL(close, close, BAD),
	CALL(read, read, BAD, PTR(page), 1),
	CALL(flock, flock, BAD, 0),
	CALL(receive, recvfrom, 0, PTR(page), 1, MSG_DONTWAIT),
	CALL(send, sendmsg, 0, 0, MSG_DONTWAIT),
	CALL(lock, fcntl, BAD, F_SETLK, 0),
	CALL(map_memory, mmap, 0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS,
	     BAD),
	CALL(bpf_prog_load, bpf, BPF_PROG_LOAD, 0, 0),
	CALL(bpf_map_update, bpf, BPF_MAP_UPDATE_ELEM, 0, 0),
	CALL(bpf_prog_get_fd_by_id, bpf, BPF_PROG_GET_FD_BY_ID, 0, 0),
	CALL(bpf_map_get_fd_by_id, bpf, BPF_MAP_GET_FD_BY_ID, 0, 0),
	CALL(open_to_read, openat, AT_FDCWD, PTR(null), O_RDONLY | O_CLOEXEC),
	CALL(stat, newfstatat, AT_FDCWD, PTR(null), PTR(page)),
	CALL(bpf_obj_get, bpf, BPF_OBJ_GET, 0, 0),
	CALL(bpf_map_create, bpf, BPF_MAP_CREATE, 0, 0),
	CALL(bpf_btf_load, bpf, BPF_BTF_LOAD, 0, 0),
	CALL(bpf_token_create, bpf, 36, 0, 0),
	CALL(bpf_prog_get_next_id, bpf, BPF_PROG_GET_NEXT_ID, 0, 0),
	CALL(netlink_socket, socket, AF_NETLINK, SOCK_RAW, 0),
	CALL(send_to_netlink, sendto, 3, PTR(page), 1, MSG_DONTWAIT),
	CALL(receive_elsewhere, recvfrom, 1, PTR(page), 1, MSG_DONTWAIT),
	CALL(capset, capset, 0, 0),

	/* files */
	CALL(open_to_write, openat, AT_FDCWD, PTR(null), O_WRONLY),
	CALL(open_to_read_and_write, openat, AT_FDCWD, PTR(null), O_RDWR),
	CALL(open_to_create, openat, AT_FDCWD, PTR(null), O_RDONLY | O_CREAT),
	CALL(open_to_truncate, openat, AT_FDCWD, PTR(null), O_RDONLY | O_TRUNC),
	CALL(open_a_temporary_file, openat, AT_FDCWD, PTR(null),
	     O_TMPFILE | O_RDWR),
	CALL(openat2, openat2, AT_FDCWD, BAD, BAD, 0),
	CALL(open_by_handle_at, open_by_handle_at, BAD, BAD, 0),
	CALL(write, write, BAD, PTR(page), 1),
	CALL(pwrite, pwrite64, BAD, PTR(page), 1, 0),
	CALL(ftruncate, ftruncate, BAD, 0),
	CALL(unlinkat, unlinkat, BAD, BAD, 0),
	CALL(renameat2, renameat2, BAD, BAD, BAD, BAD, 0),
	CALL(linkat, linkat, BAD, BAD, BAD, BAD, 0),
	CALL(symlinkat, symlinkat, BAD, BAD, BAD),
	CALL(mkdirat, mkdirat, BAD, BAD, 0),
	CALL(mknodat, mknodat, BAD, BAD, 0, 0),
	CALL(fchmod, fchmod, BAD, 0),
	CALL(fchmodat, fchmodat, BAD, BAD, 0),
	CALL(fchown, fchown, BAD, 0, 0),
	CALL(fchownat, fchownat, BAD, BAD, 0, 0, 0),
	CALL(setxattr, setxattr, BAD, BAD, BAD, 0, 0),
	CALL(chdir, chdir, BAD),
	CALL(chroot, chroot, BAD),
	CALL(mount, mount, BAD, BAD, BAD, 0, BAD),
	CALL(umount, umount2, BAD, 0),
	CALL(pivot_root, pivot_root, BAD, BAD),
	CALL(open_tree, open_tree, BAD, BAD, 0),
	CALL(ioctl, ioctl, BAD, 0x5412 /* TIOCSTI */, PTR(page)),
	CALL(signals_by_descriptor, fcntl, BAD, F_SETOWN, 0),

	/* processes */
	CALL(execve, execve, PTR(root), 0, 0),
	CALL(execveat, execveat, AT_FDCWD, PTR(root), 0, 0, 0),
	CALL(clone, clone, INVALID_CLONE),
	CALL(clone3, clone3, BAD, 0),
	CALL(kill, kill, 0, 0),
	CALL(tgkill, tgkill, BAD, BAD, 0),
	CALL(tkill, tkill, BAD, 0),
	CALL(rt_sigqueueinfo, rt_sigqueueinfo, BAD, 0, BAD),
	CALL(pidfd_open, pidfd_open, BAD, 0),
	CALL(pidfd_send_signal, pidfd_send_signal, BAD, 0, 0, 0),
	CALL(pidfd_getfd, pidfd_getfd, BAD, 0, 0),
	CALL(ptrace, ptrace, PTRACE_ATTACH, BAD, 0, 0),
	CALL(process_vm_readv, process_vm_readv, BAD, 0, 0, 0, 0, 0),
	CALL(process_vm_writev, process_vm_writev, BAD, 0, 0, 0, 0, 0),
	CALL(limit_another_process, prlimit64, 1, RLIMIT_CORE, 0, BAD),
	CALL(setpriority, setpriority, BAD, 0, 0),
	CALL(unshare, unshare, BAD),
	CALL(setns, setns, BAD, 0),
	CALL(setuid, setresuid, BAD, BAD, BAD),
	CALL(setgid, setresgid, BAD, BAD, BAD),
	CALL(setgroups, setgroups, BAD, 0),
	CALL(prctl, prctl, PR_SET_DUMPABLE, BAD),
	CALL(keyctl, keyctl, BAD),
	CALL(add_key, add_key, BAD, BAD, BAD, 0, 0),
	CALL(seccomp_notify, seccomp, BAD, 0, 0),

	/* memory to run code in */
	CALL(map_executable, mmap, 0, 4096, PROT_READ | PROT_EXEC,
	     MAP_PRIVATE | MAP_ANONYMOUS, BAD),
	CALL(make_executable, mprotect, PTR(page), 4096,
	     PROT_READ | PROT_WRITE | PROT_EXEC),
	CALL(pkey_mprotect, pkey_mprotect, PTR(page), 4096, PROT_READ, BAD),
	CALL(shmat, shmat, BAD, 0, 0),
	CALL(userfaultfd, userfaultfd, BAD),

	/* the network, and other sockets than the application's */
	CALL(socket, socket, AF_INET, SOCK_DGRAM, 0),
	CALL(packet_socket, socket, AF_PACKET, SOCK_RAW, 0),
	CALL(socketpair, socketpair, AF_UNIX, SOCK_STREAM, 0, BAD),
	CALL(connect, connect, BAD, BAD, 0),
	CALL(bind, bind, BAD, BAD, 0),
	CALL(accept4, accept4, BAD, 0, 0, 0),
	CALL(send_elsewhere, sendmsg, 1, 0, 0),
	CALL(receive_descriptors, recvmsg, 0, 0, MSG_DONTWAIT),
	CALL(setsockopt, setsockopt, BAD, 0, 0, 0, 0),

	/* eBPF beyond a hook */
	CALL(bpf_link_create, bpf, BPF_LINK_CREATE, 0, 0),
	CALL(bpf_link_update, bpf, BPF_LINK_UPDATE, 0, 0),
	CALL(bpf_link_get_fd_by_id, bpf, BPF_LINK_GET_FD_BY_ID, 0, 0),
	CALL(bpf_link_detach, bpf, BPF_LINK_DETACH, 0, 0),
	CALL(bpf_prog_attach, bpf, BPF_PROG_ATTACH, 0, 0),
	CALL(bpf_prog_detach, bpf, BPF_PROG_DETACH, 0, 0),
	CALL(bpf_prog_test_run, bpf, BPF_PROG_TEST_RUN, 0, 0),
	CALL(bpf_map_get_next_id, bpf, BPF_MAP_GET_NEXT_ID, 0, 0),
	CALL(bpf_raw_tracepoint_open, bpf, BPF_RAW_TRACEPOINT_OPEN, 0, 0),
	CALL(bpf_task_fd_query, bpf, BPF_TASK_FD_QUERY, 0, 0),
	CALL(bpf_obj_pin, bpf, BPF_OBJ_PIN, 0, 0),
	CALL(bpf_iter_create, bpf, BPF_ITER_CREATE, 0, 0),
	CALL(bpf_enable_stats, bpf, BPF_ENABLE_STATS, 0, 0),

	/* the system */
	CALL(perf_event_open, perf_event_open, BAD, 0, BAD, BAD, 0),
	CALL(init_module, init_module, BAD, 0, BAD),
	CALL(finit_module, finit_module, BAD, BAD, 0),
	CALL(kexec_load, kexec_load, 0, BAD, BAD, BAD),
	CALL(reboot, reboot, 0, 0, 0, 0),
	CALL(sethostname, sethostname, BAD, BAD),
	CALL(settimeofday, settimeofday, BAD, BAD),
	CALL(swapon, swapon, BAD, BAD),
	CALL(quotactl, quotactl, BAD, BAD, 0, 0),
	CALL(io_uring_setup, io_uring_setup, 0, BAD),
	CALL(syslog, syslog, BAD, 0, 0),
	CALL(call_by_the_x32_abi, close | 1 << 30, BAD),
};

/* A helper's lives: what it keeps, one after the other. */
static const unsigned int begins[] = {
	SANDBOX_LIST | SANDBOX_ATTACH | SANDBOX_CAPTURE, 0
};
static const unsigned int lists[] = {
	SANDBOX_LIST | SANDBOX_ATTACH | SANDBOX_CAPTURE, SANDBOX_LIST, 0
};
static const unsigned int attaches[] = { SANDBOX_LIST | SANDBOX_ATTACH |
						 SANDBOX_CAPTURE,
					 SANDBOX_ATTACH | SANDBOX_CAPTURE, 0 };
static const unsigned int is_attached[] = { SANDBOX_LIST | SANDBOX_ATTACH |
						    SANDBOX_CAPTURE,
					    SANDBOX_ATTACH | SANDBOX_CAPTURE,
					    SANDBOX_CAPTURE, 0 };
static const unsigned int is_free[] = { 0 };

/* What becomes of a call: in a process of its own, which never returns. */
static void make_call(size_t i, const unsigned int *keep)
{
	const long *a = calls[i].args;

	/* as the helper does before; and no core dumps */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		_exit(2);
	for (; *keep; keep++)
		if (sandbox_keep(*keep))
			_exit(2);
	syscall(calls[i].call, a[0], a[1], a[2], a[3], a[4], a[5]);
	_exit(0);
}

static const char *outcome(size_t i, const unsigned int *keep)
{
	int status;
	pid_t pid;

	pid = fork();
	if (pid < 0) {
		perror("sandbox: fork");
		exit(1);
	}
	if (pid == 0)
		make_call(i, keep);
	if (waitpid(pid, &status, 0) != pid)
		return "lost";
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		return "killed";
	return WIFEXITED(status) && !WEXITSTATUS(status) ? "allowed" : "broken";
}

/* What has been given up does not come back. */
static bool widens(void)
{
	return sandbox_keep(SANDBOX_CAPTURE) || !sandbox_keep(SANDBOX_LIST) ||
	       !sandbox_keep(SANDBOX_CAPTURE | SANDBOX_ATTACH);
}

int main(void)
{
	static const unsigned int *const lives[] = { begins, lists, attaches,
						     is_attached };

	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		const char *results[ARRAY_SIZE(lives)];
		bool killed = true;

		printf("%s", calls[i].name);
		if (strcmp(outcome(i, is_free), "allowed") != 0) {
			puts(" broken");
			continue;
		}
		for (size_t j = 0; j < ARRAY_SIZE(lives); j++) {
			results[j] = outcome(i, lives[j]);
			killed &= !strcmp(results[j], "killed");
		}
		if (killed)
			puts(" killed");
		else
			printf(" %s %s %s %s\n", results[0], results[1],
			       results[2], results[3]);
	}
	fflush(stdout);
	/* last, as it is for good, and exit status and output are all that is left */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return 1;
	_exit(widens());
}
