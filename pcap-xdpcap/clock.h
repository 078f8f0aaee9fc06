/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Time in nanoseconds, for the helper and the command. (The libpcap module, which is
 * built without this header, has its own.)
 */
#ifndef XDPCAP_CLOCK_H
#define XDPCAP_CLOCK_H

#include <stdint.h>
#include <time.h>

#define NS_PER_MS 1000000ull
#define NS_PER_S  1000000000ull

static inline uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

#endif /* XDPCAP_CLOCK_H */
