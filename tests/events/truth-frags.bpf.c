// SPDX-License-Identifier: BSD-3-Clause
/* The same, for packets in several buffers. */
#define TRUTH_SECTION "xdp.frags"
#include "truth.bpf.c"
