// SPDX-License-Identifier: BSD-3-Clause
/*
 * Passes everything. For the sending end of the tests' veth pair: a veth takes
 * what its peer's program sends back or redirects only while it has a program
 * itself.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp.frags")
int pass(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
