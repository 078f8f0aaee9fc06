// SPDX-License-Identifier: BSD-3-Clause
/*
 * The filter program: see filter.h. What surrounds the translated filter is
 * written here as eBPF instructions, since it has to be joined with it.
 */
#include "filter.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "cook.h"
#include "protocol.h"
#include "ring.h"
#include "slot.h"
#include "translate.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* One eBPF instruction, as the kernel's include/linux/filter.h names them. */
#define INSN(c, d, s, o, i)                 \
	((struct bpf_insn){ .code = (c),    \
			    .dst_reg = (d), \
			    .src_reg = (s), \
			    .off = (o),     \
			    .imm = (i) })
#define MOV_REG(d, s)   INSN(BPF_ALU64 | BPF_MOV | BPF_X, d, s, 0, 0)
#define MOV32_IMM(d, i) INSN(BPF_ALU | BPF_MOV | BPF_K, d, 0, 0, i)
#define ADD_REG(d, s)   INSN(BPF_ALU64 | BPF_ADD | BPF_X, d, s, 0, 0)
#define ADD_IMM(d, i)   INSN(BPF_ALU64 | BPF_ADD | BPF_K, d, 0, 0, i)
#define MUL_IMM(d, i)   INSN(BPF_ALU64 | BPF_MUL | BPF_K, d, 0, 0, i)
/* 64 bits: Linux 6.1 derives no 64-bit bounds from a 32-bit comparison. */
#define JLE_IMM(d, i, o)       INSN(BPF_JMP | BPF_JLE | BPF_K, d, 0, o, i)
#define JGT_IMM(d, i, o)       INSN(BPF_JMP | BPF_JGT | BPF_K, d, 0, o, i)
#define LOAD(sz, d, s, o)      INSN(BPF_LDX | BPF_MEM | (sz), d, s, o, 0)
#define STORE(sz, d, s, o)     INSN(BPF_STX | BPF_MEM | (sz), d, s, o, 0)
#define STORE_IMM(sz, d, o, i) INSN(BPF_ST | BPF_MEM | (sz), d, 0, o, i)
#define CALL(f)                INSN(BPF_JMP | BPF_CALL, 0, 0, 0, f)
#define EXIT()                 INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)
#define LD_MAP_FD(d, fd)                                              \
	INSN(BPF_LD | BPF_DW | BPF_IMM, d, BPF_PSEUDO_MAP_FD, 0, fd), \
		INSN(0, 0, 0, 0, 0)
/* The address of byte off in the one value of an array map. */
#define LD_MAP_VALUE(d, fd, off)                                         \
	INSN(BPF_LD | BPF_DW | BPF_IMM, d, BPF_PSEUDO_MAP_VALUE, 0, fd), \
		INSN(0, 0, 0, 0, off)

/* A tail call to an entry of a PROG_ARRAY, with r6 the context. */
#define TAIL_CALL(fd, index)                                     \
	MOV_REG(BPF_REG_1, BPF_REG_6), LD_MAP_FD(BPF_REG_2, fd), \
		MOV32_IMM(BPF_REG_3, index), CALL(BPF_FUNC_tail_call)
#define TAIL_CALL_LEN 5

/* The longest end of a filter program; see emit_end(). */
#define END_MAX (XDPCAP_CAPTURES_MAX * TAIL_CALL_LEN + 2)

/*
 * What a packet does when the capture is done with it: on to the following ones,
 * each of which does not come back, then the verdict; or, of one that has none yet,
 * on to the program, without which it is aborted. Returns the number of
 * instructions. The entries are constants, so that the kernel makes jumps of
 * them, and of those that are empty nothing.
 */
static size_t emit_end(struct bpf_insn *insn,
		       const struct filter_target *target, __u32 action)
{
	const bool enter = target->hook_fd >= 0;
	const struct bpf_insn proceed[] = {
		TAIL_CALL(target->hook_fd, XDPCAP_CONTINUE_SLOT),
	};
	const struct bpf_insn verdict[] = {
		MOV32_IMM(BPF_REG_0, enter ? XDP_ABORTED : action),
		EXIT(),
	};
	size_t n = 0;

	for (__u32 i = target->index + 1; i < XDPCAP_CAPTURES_MAX; i++) {
		const struct bpf_insn next[] = { TAIL_CALL(target->slots_fd, i) };

		_Static_assert(ARRAY_SIZE(next) == TAIL_CALL_LEN, "END_MAX");
		memcpy(insn + n, next, sizeof(next));
		n += ARRAY_SIZE(next);
	}
	if (enter) {
		memcpy(insn + n, proceed, sizeof(proceed));
		n += ARRAY_SIZE(proceed);
	}
	memcpy(insn + n, verdict, sizeof(verdict));
	return n + ARRAY_SIZE(verdict);
}

/* Load a filter that is for packets as they are, with that action. */
static int load(const struct filter_target *target, const struct filter *filter,
		__u32 action, char *why, size_t whysize)
{
	const __u32 seen = sizeof(struct xdpcap_ctl) +
			   offsetof(struct xdpcap_cpu, action) +
			   action * sizeof(struct xdpcap_counters) +
			   offsetof(struct xdpcap_counters, seen);
	/* r7: this CPU, which the translated filter leaves alone */
	const struct bpf_insn prologue[] = {
		MOV_REG(BPF_REG_6, BPF_REG_1),
		CALL(BPF_FUNC_get_smp_processor_id),
		MOV_REG(BPF_REG_7, BPF_REG_0),
		/* CPUs that came online later share the last ring's counters */
		JLE_IMM(BPF_REG_0, target->last_ring, 1),
		MOV32_IMM(BPF_REG_0, target->last_ring),
		MUL_IMM(BPF_REG_0, sizeof(struct xdpcap_cpu)),
		LD_MAP_VALUE(BPF_REG_1, target->ctl_fd, seen),
		ADD_REG(BPF_REG_1, BPF_REG_0),
		LOAD(BPF_DW, BPF_REG_0, BPF_REG_1, 0),
		ADD_IMM(BPF_REG_0, 1),
		STORE(BPF_DW, BPF_REG_1, BPF_REG_0, 0),
	};
	/* the tail call falls through if the copy program is gone */
	const struct bpf_insn match[] = {
		JLE_IMM(BPF_REG_0, filter->snaplen, 1),
		MOV32_IMM(BPF_REG_0, filter->snaplen),
		/* and hand nothing over: to the tail call, 7 instructions on */
		JGT_IMM(BPF_REG_7, target->last_ring, 7),
		MUL_IMM(BPF_REG_7, sizeof(struct xdpcap_handoff)),
		LD_MAP_VALUE(BPF_REG_1, target->handoff_fd, 0),
		ADD_REG(BPF_REG_1, BPF_REG_7),
		STORE(BPF_DW, BPF_REG_1, BPF_REG_6,
		      offsetof(struct xdpcap_handoff, ctx)),
		STORE(BPF_W, BPF_REG_1, BPF_REG_0,
		      offsetof(struct xdpcap_handoff, want)),
		STORE_IMM(BPF_W, BPF_REG_1,
			  offsetof(struct xdpcap_handoff, generation),
			  filter->generation),
		TAIL_CALL(target->chain_fd, action),
	};
	struct bpf_insn accept[ARRAY_SIZE(match) + END_MAX];
	struct bpf_insn reject[END_MAX];
	const size_t reject_len = emit_end(reject, target, action);
	const struct xdpcap_translate_opts opts = {
		.frags = target->prog_flags & BPF_F_XDP_HAS_FRAGS,
		.action = action,
		.prologue = prologue,
		.prologue_len = ARRAY_SIZE(prologue),
		.accept = accept,
		.accept_len = ARRAY_SIZE(match) + reject_len,
		.reject = reject,
		.reject_len = reject_len,
	};
	LIBBPF_OPTS(bpf_prog_load_opts, load,
		    .expected_attach_type = target->attach_type,
		    .prog_flags = target->prog_flags, );
	struct xdpcap_translate_error err;
	struct bpf_insn *insns;
	size_t len;
	int fd, ret;

	memcpy(accept, match, sizeof(match));
	memcpy(accept + ARRAY_SIZE(match), reject, reject_len * sizeof(*reject));
	if (xdpcap_translate(filter->insns, filter->len, &opts, &insns, &len,
			     &err)) {
		snprintf(why, whysize, "instruction %zu: %s", err.insn, err.msg);
		return -EINVAL;
	}
	fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "xdpcap_filter", "Dual BSD/GPL",
			   insns, len, &load);
	free(insns);
	if (fd < 0) {
		snprintf(why, whysize, "cannot load the filter program: %s",
			 strerror(-fd));
		return fd;
	}
	/*
	 * By these maps others know what it is (slot.c), also if it calls nobody:
	 * it may be at the last index, and match nothing.
	 */
	ret = bpf_prog_bind_map(fd, target->slots_fd, NULL);
	if (!ret)
		ret = bpf_prog_bind_map(fd, target->chain_fd, NULL);
	if (ret) {
		snprintf(why, whysize,
			 "cannot bind the filter program's maps: %s",
			 strerror(-ret));
		close(fd);
		return ret;
	}
	return fd;
}

int filter_load(const struct filter_target *target, const struct filter *filter,
		__u32 action, char *why, size_t whysize)
{
	static const struct sock_filter reject_all[] = {
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct filter eth = *filter;
	struct xdpcap_translate_error err;
	struct sock_filter *insns = NULL;
	int fd;

	if (!(filter->actions & 1u << action)) {
		eth.insns = reject_all;
		eth.len = ARRAY_SIZE(reject_all);
	} else if (filter->linktype == XDPCAP_LINUX_SLL2) {
		if (xdpcap_cook(filter->insns, filter->len, action,
				filter->snaplen, &insns, &eth.len, &err)) {
			snprintf(why, whysize, "instruction %zu: %s", err.insn,
				 err.msg);
			return -EINVAL;
		}
		eth.insns = insns;
		eth.snaplen = xdpcap_cook_snaplen(filter->snaplen);
	}
	fd = load(target, &eth, action, why, whysize);
	free(insns);
	return fd;
}
