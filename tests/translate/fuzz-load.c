// SPDX-License-Identifier: BSD-3-Clause
/*
 * A libFuzzer target: the input is options and a cBPF program. Nothing crashes,
 * what bpf_validate() refuses is refused, a refusal has a reason, and what is
 * accepted loads.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel.h"
#include "oracle.h"
#include "translate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_load(const struct bpf_insn *ebpf, size_t len, bool frags)
{
	static char log[4096];
	int prog = kernel_load(ebpf, len, frags, log, sizeof(log));

	if (prog < 0) {
		fprintf(stderr, "accepted, but does not load: %s\n", log);
		abort();
	}
	close(prog);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct xdpcap_translate_error err = { 0 };
	struct xdpcap_translate_opts opts = { 0 };
	struct sock_filter *cbpf;
	struct bpf_insn *ebpf;
	size_t len, ebpf_len;
	bool valid;

	if (size < 1)
		return 0;
	opts.frags = data[0] & 1;
	opts.action = data[0] >> 1;
	len = (size - 1) / sizeof(*cbpf);
	/* A copy: aligned, and with nothing after it. */
	cbpf = malloc(len ? len * sizeof(*cbpf) : 1);
	if (!cbpf)
		abort();
	memcpy(cbpf, data + 1, len * sizeof(*cbpf));

	valid = len <= BPF_MAXINSNS && oracle_validate(cbpf, len);
	if (xdpcap_translate(cbpf, len, &opts, &ebpf, &ebpf_len, &err) == 0) {
		if (!valid) {
			fprintf(stderr,
				"accepted, but bpf_validate() does not\n");
			abort();
		}
		check_load(ebpf, ebpf_len, opts.frags);
		free(ebpf);
	} else if (!err.msg[0] || (len && err.insn >= len)) {
		fprintf(stderr, "refused without a reason\n");
		abort();
	}
	free(cbpf);
	return 0;
}
