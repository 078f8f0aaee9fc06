/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An eBPF interpreter in user space for what the translator and clang make of a
 * filter. It is there for two things that the kernel does not do: packets
 * shorter than 14 bytes (BPF_PROG_TEST_RUN takes none), and counting the
 * instructions executed. It checks every access to memory.
 */
#ifndef VM_H
#define VM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/bpf.h>

struct vm_packet {
	const uint8_t *data;
	size_t len;
	size_t linear; /* bytes before data_end: len if no frags */
	uint32_t ifindex;
	uint32_t queue;
	uint32_t cpu;
};

/*
 * Run the program. Returns what it does wrong, or NULL with *ret its return
 * value and *executed the number of instructions.
 */
const char *vm_run(const struct bpf_insn *insn, size_t len,
		   const struct vm_packet *packet, uint32_t *ret,
		   uint64_t *executed);

#endif
