// SPDX-License-Identifier: BSD-3-Clause
/* The same programs, for packets in several buffers. */
#define CHAINED_SECTION "xdp.frags"
#include "chained.bpf.c"
