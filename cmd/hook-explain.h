/* SPDX-License-Identifier: BSD-3-Clause */
/* "xdpcap hook explain": why nothing may appear in a capture. */
#ifndef XDPCAP_CMD_HOOK_EXPLAIN_H
#define XDPCAP_CMD_HOOK_EXPLAIN_H

#include <stdbool.h>

/*
 * Explain the hook that is pinned at this absolute path, counting packets for so
 * many ms (0: not at all), and with runs also how often programs run. Returns an
 * exit status.
 */
int explain_hook(const char *path, unsigned int ms, bool runs);

#endif /* XDPCAP_CMD_HOOK_EXPLAIN_H */
