// SPDX-License-Identifier: BSD-3-Clause
/*
 * oldkernel.so, preloaded into xdpcap-helper: bpf(2) as on a kernel that lacks
 * what OLDKERNEL in the environment names: "tai", the function
 * bpf_ktime_get_tai_ns(), or "frags", XDP programs for packets in several buffers.
 * Calls of the function become calls of one that no kernel has, so that it is the
 * kernel which refuses the program, if the call can be reached.
 */
#include <dlfcn.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Of a function that there is not. */
#define UNKNOWN 99999

static bool lacks(const char *what)
{
	const char *all = getenv("OLDKERNEL");

	return all && !strcmp(all, what);
}

/* Whether such a kernel refuses the program's flags. */
static bool refused(const union bpf_attr *attr)
{
	return lacks("frags") && attr->prog_flags & BPF_F_XDP_HAS_FRAGS;
}

/* A copy of the program in which the function is unknown. */
static struct bpf_insn *without_tai(const union bpf_attr *attr)
{
	const size_t size = attr->insn_cnt * sizeof(struct bpf_insn);
	struct bpf_insn *insn = malloc(size);

	if (!insn)
		abort();
	memcpy(insn, (const void *)(uintptr_t)attr->insns, size);
	for (__u32 i = 0; i < attr->insn_cnt; i++)
		if (insn[i].code == (BPF_JMP | BPF_CALL) && !insn[i].src_reg &&
		    insn[i].imm == BPF_FUNC_ktime_get_tai_ns)
			insn[i].imm = UNKNOWN;
	return insn;
}

long syscall(long __sysno, ...)
{
	static long (*next)(long number, ...);
	struct bpf_insn *copy = NULL;
	union bpf_attr *attr = NULL;
	__u64 insns = 0;
	long arg[6], ret;
	va_list args;

	va_start(args, __sysno);
	for (int i = 0; i < 6; i++)
		arg[i] = va_arg(args, long);
	va_end(args);
	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "syscall");
	if (__sysno == __NR_bpf && arg[0] == BPF_PROG_LOAD) {
		attr = (void *)arg[1];
		if (refused(attr)) {
			errno = EINVAL;
			return -1;
		}
		if (lacks("tai")) {
			insns = attr->insns;
			copy = without_tai(attr);
			attr->insns = (uintptr_t)copy;
		}
	}
	ret = next(__sysno, arg[0], arg[1], arg[2], arg[3], arg[4], arg[5]);
	if (copy) {
		const int saved = errno;

		attr->insns = insns;
		free(copy);
		errno = saved;
	}
	return ret;
}
