// SPDX-License-Identifier: BSD-3-Clause
/*
 * The seccomp filter: see sandbox.h. One table of system calls, for all that
 * the helper does.
 *
 * It has what this program, the C library, libcap, libbpf and libseccomp call,
 * of those versions that are known, and a little more that is harmless: a
 * library is updated more often than this table. Some calls are of 32-bit
 * architectures only; where one does not exist, libseccomp ignores it.
 */
#include "sandbox.h"

#ifndef XDPCAP_NO_SANDBOX

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <linux/bpf.h>
#include <linux/seccomp.h>

#include <seccomp.h>

#include "protocol.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

struct rule {
	unsigned int what; /* enum sandbox: what takes it */
	int call;
	/* if mask is not 0: only if this argument, masked, has this value */
	unsigned int argument;
	uint64_t mask;
	uint64_t value;
};

#define LIST    SANDBOX_LIST
#define ATTACH  SANDBOX_ATTACH
#define CAPTURE SANDBOX_CAPTURE
#define FILES   (LIST | ATTACH)
#define ALL     (LIST | ATTACH | CAPTURE)

/* The arguments are ints: the kernel looks at no more than 32 bits either. */
#define INT        UINT32_MAX
#define BPF_CMD(c) SCMP_SYS(bpf), 0, INT, (c)
#define FCNTL(c)   SCMP_SYS(fcntl), 1, INT, (c)
#define FCNTL64(c) SCMP_SYS(fcntl64), 1, INT, (c)

/* What open(2) is not to do. */
#define OPEN_WRITES (O_ACCMODE | O_CREAT | O_TRUNC | (O_TMPFILE & ~O_DIRECTORY))

static const struct rule rules[] = {
	/* eBPF. What makes programs run anywhere else is not among it. */
	{ CAPTURE, BPF_CMD(BPF_PROG_LOAD) },
	{ LIST | CAPTURE, BPF_CMD(BPF_MAP_LOOKUP_ELEM) },
	{ CAPTURE, BPF_CMD(BPF_MAP_UPDATE_ELEM) },
	{ CAPTURE, BPF_CMD(BPF_MAP_DELETE_ELEM) },
	{ CAPTURE, BPF_CMD(BPF_MAP_GET_NEXT_KEY) },
	{ LIST | CAPTURE, BPF_CMD(BPF_OBJ_GET_INFO_BY_FD) },
	{ LIST | CAPTURE, BPF_CMD(BPF_PROG_GET_FD_BY_ID) },
	{ CAPTURE, BPF_CMD(BPF_MAP_GET_FD_BY_ID) },
	{ FILES, BPF_CMD(BPF_OBJ_GET) },
	{ LIST, BPF_CMD(BPF_PROG_GET_NEXT_ID) },
	{ ATTACH, BPF_CMD(BPF_MAP_CREATE) },
	{ ATTACH, BPF_CMD(BPF_MAP_FREEZE) },
	{ ATTACH, BPF_CMD(BPF_BTF_LOAD) },
	{ CAPTURE, BPF_CMD(BPF_PROG_BIND_MAP) },

	/* The application, by its socket; signals; time; the lock of the hook. */
	{ ALL, SCMP_SYS(recvfrom), 0, INT, XDPCAP_HELPER_FD },
	{ ALL, SCMP_SYS(recv), 0, INT, XDPCAP_HELPER_FD },
	{ ALL, SCMP_SYS(sendmsg), 0, INT, XDPCAP_HELPER_FD },
	{ ALL, SCMP_SYS(poll), 0, 0, 0 },
	{ ALL, SCMP_SYS(ppoll), 0, 0, 0 },
	{ ALL, SCMP_SYS(ppoll_time64), 0, 0, 0 },
	{ ALL, SCMP_SYS(restart_syscall), 0, 0, 0 },
	{ ALL, SCMP_SYS(rt_sigprocmask), 0, 0, 0 },
	{ ALL, SCMP_SYS(rt_sigreturn), 0, 0, 0 },
	{ ALL, SCMP_SYS(sigreturn), 0, 0, 0 },
	{ ALL, SCMP_SYS(nanosleep), 0, 0, 0 },
	{ ALL, SCMP_SYS(clock_nanosleep), 0, 0, 0 },
	{ ALL, SCMP_SYS(clock_nanosleep_time64), 0, 0, 0 },
	{ ALL, SCMP_SYS(clock_gettime), 0, 0, 0 },
	{ ALL, SCMP_SYS(clock_gettime64), 0, 0, 0 },
	{ ALL, SCMP_SYS(gettimeofday), 0, 0, 0 },
	{ ALL, SCMP_SYS(flock), 0, 0, 0 },

	/* Descriptors. Not F_SETOWN and F_SETSIG, by which to send signals. */
	{ ALL, SCMP_SYS(close), 0, 0, 0 },
	{ ALL, SCMP_SYS(read), 0, 0, 0 },
	{ ALL, FCNTL(F_SETLK) },
	{ ALL, FCNTL(F_GETLK) },
	{ ALL, FCNTL(F_OFD_SETLK) },
	{ ALL, FCNTL(F_OFD_GETLK) },
	{ ALL, FCNTL(F_DUPFD_CLOEXEC) },
	{ ALL, FCNTL(F_GETFD) },
	{ ALL, FCNTL(F_GETFL) },
	{ ALL, FCNTL64(F_SETLK) },
	{ ALL, FCNTL64(F_GETLK) },
	{ ALL, FCNTL64(F_OFD_SETLK) },
	{ ALL, FCNTL64(F_OFD_GETLK) },
	{ ALL, FCNTL64(F_DUPFD_CLOEXEC) },
	{ ALL, FCNTL64(F_GETFD) },
	{ ALL, FCNTL64(F_GETFL) },
	{ FILES, FCNTL(F_SETFD) },
	{ FILES, FCNTL64(F_SETFD) },
	{ ATTACH, SCMP_SYS(dup3), 0, 0, 0 },

	/* Memory, but none to run code in; and what a C library may do. */
	{ ALL, SCMP_SYS(brk), 0, 0, 0 },
	{ ALL, SCMP_SYS(mmap), 2, PROT_EXEC, 0 },
	{ ALL, SCMP_SYS(mmap2), 2, PROT_EXEC, 0 },
	{ ALL, SCMP_SYS(mprotect), 2, PROT_EXEC, 0 },
	{ ALL, SCMP_SYS(mremap), 0, 0, 0 },
	{ ALL, SCMP_SYS(munmap), 0, 0, 0 },
	{ ALL, SCMP_SYS(madvise), 0, 0, 0 },
	{ ALL, SCMP_SYS(futex), 0, 0, 0 },
	{ ALL, SCMP_SYS(futex_time64), 0, 0, 0 },
	{ ALL, SCMP_SYS(getrandom), 0, 0, 0 },
	{ ALL, SCMP_SYS(sysinfo), 0, 0, 0 }, /* qsort() */
	{ ALL, SCMP_SYS(exit), 0, 0, 0 },
	{ ALL, SCMP_SYS(exit_group), 0, 0, 0 },

	/* Files, to look at and to read: pins, /proc/self, /sys. */
	{ FILES, SCMP_SYS(openat), 2, OPEN_WRITES, O_RDONLY },
	{ FILES, SCMP_SYS(open), 1, OPEN_WRITES, O_RDONLY },
	{ FILES, SCMP_SYS(pread64), 0, 0, 0 },
	{ FILES, SCMP_SYS(lseek), 0, 0, 0 },
	{ FILES, SCMP_SYS(_llseek), 0, 0, 0 },
	{ FILES, SCMP_SYS(stat), 0, 0, 0 },
	{ FILES, SCMP_SYS(stat64), 0, 0, 0 },
	{ FILES, SCMP_SYS(lstat), 0, 0, 0 },
	{ FILES, SCMP_SYS(lstat64), 0, 0, 0 },
	{ FILES, SCMP_SYS(fstat), 0, 0, 0 },
	{ FILES, SCMP_SYS(fstat64), 0, 0, 0 },
	{ FILES, SCMP_SYS(fstatat64), 0, 0, 0 },
	{ FILES, SCMP_SYS(newfstatat), 0, 0, 0 },
	{ FILES, SCMP_SYS(statx), 0, 0, 0 },
	{ FILES, SCMP_SYS(statfs), 0, 0, 0 },
	{ FILES, SCMP_SYS(statfs64), 0, 0, 0 },
	{ FILES, SCMP_SYS(fstatfs), 0, 0, 0 },
	{ FILES, SCMP_SYS(fstatfs64), 0, 0, 0 },
	{ FILES, SCMP_SYS(access), 0, 0, 0 },
	{ FILES, SCMP_SYS(faccessat), 0, 0, 0 },
	{ FILES, SCMP_SYS(faccessat2), 0, 0, 0 },
	{ FILES, SCMP_SYS(readlink), 0, 0, 0 },
	{ FILES, SCMP_SYS(readlinkat), 0, 0, 0 },
	{ FILES, SCMP_SYS(getdents64), 0, 0, 0 },

	/* The interfaces that programs are attached to. */
	{ LIST, SCMP_SYS(socket), 0, INT, AF_NETLINK },
	{ LIST, SCMP_SYS(setsockopt), 1, INT, SOL_SOCKET },
	{ LIST, SCMP_SYS(sendto), 0, 0, 0 },
	{ LIST, SCMP_SYS(send), 0, 0, 0 },
	{ LIST, SCMP_SYS(recvfrom), 0, 0, 0 },
	{ LIST, SCMP_SYS(recv), 0, 0, 0 },

	/* libbpf: the kernel's version, the limits of memory, a spare descriptor. */
	{ ATTACH, SCMP_SYS(uname), 0, 0, 0 },
	{ ATTACH, SCMP_SYS(sched_getaffinity), 0, 0, 0 },
	{ ATTACH, SCMP_SYS(prlimit64), 0, INT, 0 },
	{ ATTACH, SCMP_SYS(memfd_create), 0, 0, 0 },

	/* To know our privileges, to give up more, and to come here again. */
	{ ALL, SCMP_SYS(capget), 0, 0, 0 },
	{ LIST, SCMP_SYS(getuid), 0, 0, 0 },
	{ LIST, SCMP_SYS(getuid32), 0, 0, 0 },
	{ FILES, SCMP_SYS(capset), 0, 0, 0 },
	{ FILES, SCMP_SYS(seccomp), 0, INT, SECCOMP_SET_MODE_FILTER },

#ifdef XDPCAP_TEST
	/* raise() */
	{ ALL, SCMP_SYS(getpid), 0, 0, 0 },
	{ ALL, SCMP_SYS(gettid), 0, 0, 0 },
	{ ALL, SCMP_SYS(tgkill), 0, 0, 0 },
#endif
};

/*
 * libbpf 1.5 asks for a token each time it loads an object; "no such file or
 * directory" is that there is none. Debian 12's header does not have the number.
 */
#define BPF_TOKEN_CREATE_NUMBER 36

static int allow(scmp_filter_ctx filter, const struct rule *rule)
{
	const struct scmp_arg_cmp condition = {
		.arg = rule->argument,
		.op = SCMP_CMP_MASKED_EQ,
		.datum_a = rule->mask,
		.datum_b = rule->value,
	};

	return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, rule->call,
				      rule->mask ? 1 : 0, &condition);
}

static int restrict_to(unsigned int what)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int err = -ENOMEM;

	if (!filter)
		goto out;
	err = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH,
			       SCMP_ACT_KILL_PROCESS);
	/* it is set already; libseccomp would do so again */
	if (!err)
		err = seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0);
	for (size_t i = 0; !err && i < ARRAY_SIZE(rules); i++)
		if (rules[i].what & what)
			err = allow(filter, &rules[i]);
	if (!err && what & ATTACH)
		err = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOENT),
				       SCMP_SYS(bpf), 1,
				       SCMP_A0(SCMP_CMP_MASKED_EQ, INT,
					       BPF_TOKEN_CREATE_NUMBER));
	if (!err)
		err = seccomp_load(filter);
out:
	seccomp_release(filter);
	errno = -err;
	return err ? -1 : 0;
}

int sandbox_keep(unsigned int what)
{
	static unsigned int kept = ~0U;

	if (what == kept)
		return 0;
	if (what & ~kept) {
		errno = EPERM;
		return -1;
	}
	if (restrict_to(what))
		return -1;
	kept = what;
	return 0;
}

#endif
