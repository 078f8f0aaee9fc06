/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libpcap, for files that include the kernel's linux/bpf.h: the two headers
 * both define struct bpf_insn.
 */
#ifndef ORACLE_H
#define ORACLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/filter.h>

/* bpf_filter() on a packet of which all len bytes are there. */
uint32_t oracle_filter(const struct sock_filter *cbpf, const uint8_t *packet,
		       uint32_t len);
bool oracle_validate(const struct sock_filter *cbpf, size_t len);

/*
 * Compile an expression, for Ethernet or for LINUX_SLL2. Returns the number of
 * instructions in *cbpf (from malloc), or 0 with a message in err (size bytes).
 */
size_t oracle_compile(const char *expression, struct sock_filter **cbpf,
		      char *err, size_t size);
size_t oracle_compile_sll2(const char *expression, struct sock_filter **cbpf,
			   char *err, size_t size);

#endif
