// SPDX-License-Identifier: BSD-3-Clause
/* libpcap: see oracle.h. */
#include "oracle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pcap/pcap.h>

_Static_assert(sizeof(struct sock_filter) == sizeof(struct bpf_insn),
	       "libpcap's cBPF instruction is the kernel's");

uint32_t oracle_filter(const struct sock_filter *cbpf, const uint8_t *packet,
		       uint32_t len)
{
	return bpf_filter((const struct bpf_insn *)cbpf, packet, len, len);
}

bool oracle_validate(const struct sock_filter *cbpf, size_t len)
{
	return bpf_validate((const struct bpf_insn *)cbpf, (int)len);
}

static size_t compile(pcap_t **p, int linktype, const char *expression,
		      struct sock_filter **cbpf, char *err, size_t size)
{
	struct bpf_program prog;
	size_t len;

	if (!*p)
		*p = pcap_open_dead(linktype, 262144);
	if (pcap_compile(*p, &prog, expression, 1, PCAP_NETMASK_UNKNOWN) < 0) {
		snprintf(err, size, "%s", pcap_geterr(*p));
		return 0;
	}
	len = prog.bf_len;
	*cbpf = malloc(len * sizeof(**cbpf));
	if (!*cbpf)
		abort();
	memcpy(*cbpf, prog.bf_insns, len * sizeof(**cbpf));
	pcap_freecode(&prog);
	return len;
}

size_t oracle_compile(const char *expression, struct sock_filter **cbpf,
		      char *err, size_t size)
{
	static pcap_t *p;

	return compile(&p, DLT_EN10MB, expression, cbpf, err, size);
}

size_t oracle_compile_sll2(const char *expression, struct sock_filter **cbpf,
			   char *err, size_t size)
{
	static pcap_t *p;

	return compile(&p, DLT_LINUX_SLL2, expression, cbpf, err, size);
}
