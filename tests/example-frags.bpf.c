// SPDX-License-Identifier: BSD-3-Clause
/* The example program, for packets in several buffers. */
#define EXAMPLE_SECTION "xdp.frags"
#include "example.bpf.c"
