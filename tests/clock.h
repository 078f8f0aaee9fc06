/* SPDX-License-Identifier: BSD-3-Clause */
/* Time in the tests' programs, in nanoseconds. */
#ifndef TESTS_CLOCK_H
#define TESTS_CLOCK_H

#include <errno.h>
#include <time.h>

#define NS_PER_MS 1000000LL
#define NS_PER_S  1000000000LL

static inline long long now(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

/* By CLOCK_MONOTONIC, whatever signals come. */
static inline void sleep_until(long long when)
{
	const struct timespec ts = { .tv_sec = when / NS_PER_S,
				     .tv_nsec = when % NS_PER_S };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}

#endif /* TESTS_CLOCK_H */
