// SPDX-License-Identifier: BSD-3-Clause
/* The kernel's side: see kernel.h. */
#include "kernel.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static long bpf(int cmd, union bpf_attr *attr)
{
	return syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

static int load(const struct bpf_insn *insn, size_t len, bool frags,
		uint32_t log_level, char *log, size_t log_size)
{
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_XDP,
		.insns = (uint64_t)(uintptr_t)insn,
		.insn_cnt = (uint32_t)len,
		.license = (uint64_t)(uintptr_t) "GPL",
		.prog_flags = frags ? BPF_F_XDP_HAS_FRAGS : 0,
		.log_level = log_level,
		.log_buf = log_level ? (uint64_t)(uintptr_t)log : 0,
		.log_size = log_level ? (uint32_t)log_size : 0,
	};

	return (int)bpf(BPF_PROG_LOAD, &attr);
}

int kernel_load(const struct bpf_insn *insn, size_t len, bool frags, char *log,
		size_t log_size)
{
	const size_t size = 64U << 20;
	size_t used, keep;
	char *buf;
	int fd = load(insn, len, frags, 0, NULL, 0);

	if (fd >= 0)
		return fd;
	snprintf(log, log_size, "%s", strerror(errno));
	buf = calloc(1, size);
	if (!buf)
		return -1;
	fd = load(insn, len, frags, 1, buf, size);
	if (fd >= 0)
		close(fd); /* cannot be: it did not load a moment ago */
	used = strlen(buf);
	keep = used < log_size - 1 ? used : log_size - 1;
	if (used)
		memcpy(log, buf + used - keep, keep + 1);
	free(buf);
	return -1;
}

int kernel_run(int prog, struct kernel_run *run)
{
	static uint8_t out[65536];
	struct xdp_md ctx = { .data_end = run->linear };
	union bpf_attr attr = {
		.test = {
			.prog_fd = (uint32_t)prog,
			.data_in = (uint64_t)(uintptr_t)run->data,
			.data_size_in = run->len,
			.data_out = (uint64_t)(uintptr_t)out,
			.data_size_out = sizeof(out),
			.repeat = run->repeat,
		},
	};

	if (run->linear) {
		attr.test.ctx_in = (uint64_t)(uintptr_t)&ctx;
		attr.test.ctx_size_in = sizeof(ctx);
	}
	if (bpf(BPF_PROG_TEST_RUN, &attr) < 0)
		return -1;
	run->ret = attr.test.retval;
	run->ns = attr.test.duration;
	return 0;
}

bool kernel_socket(const struct sock_filter *cbpf, size_t len, int sockets[2])
{
	struct sock_fprog prog = {
		.len = (unsigned short)len,
		.filter = (struct sock_filter *)cbpf,
	};

	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, sockets) < 0)
		return false;
	if (setsockopt(sockets[1], SOL_SOCKET, SO_ATTACH_FILTER, &prog,
		       sizeof(prog)) == 0)
		return true;
	close(sockets[0]);
	close(sockets[1]);
	return false;
}

long kernel_socket_run(const int sockets[2], const uint8_t *data, size_t len)
{
	static uint8_t buf[65536];

	if (send(sockets[0], data, len, MSG_DONTWAIT) < 0) {
		perror("sending a packet to the filtered socket");
		exit(1);
	}
	return recv(sockets[1], buf, sizeof(buf), MSG_DONTWAIT);
}

uint32_t kernel_stay_on_cpu(void)
{
	int cpu = sched_getcpu();
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0) {
		perror("sched_setaffinity");
		exit(1);
	}
	return (uint32_t)cpu;
}
