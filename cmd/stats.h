/* SPDX-License-Identifier: BSD-3-Clause */
/* Statistics on standard error: each second on a terminal, and at the end. */
#ifndef XDPCAP_CMD_STATS_H
#define XDPCAP_CMD_STATS_H

#include "capture.h"

/* The first rates are from now on. */
void stats_begin(void);

/* Show the counters at last look, over what was shown before. */
void stats_show(const struct capture *capture);

/* The same once, without rates. */
void stats_report(const struct capture *capture);

/* The same at the end, and what has been written. */
void stats_summary(const struct capture *capture);

#endif /* XDPCAP_CMD_STATS_H */
