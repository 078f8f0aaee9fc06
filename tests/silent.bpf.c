// SPDX-License-Identifier: BSD-3-Clause
/* An XDP program with a hook that it hardly ever calls. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "hook.h"

XDPCAP_HOOK_MAP(xdpcap_hook);

SEC("xdp")
int silent(struct xdp_md *ctx)
{
	if (ctx->rx_queue_index > 1000)
		return xdpcap_exit(ctx, &xdpcap_hook, XDP_DROP);
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
