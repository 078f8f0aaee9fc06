/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the tests' build of the helper (XDPCAP_TEST) can be told to do by its
 * environment; nothing in the one that is installed.
 */
#ifndef XDPCAP_TEST_POINT_H
#define XDPCAP_TEST_POINT_H

#include <stdbool.h>

#ifdef XDPCAP_TEST

/*
 * A point that the tests know by name: ends the helper with SIGKILL if
 * XDPCAP_TEST_DIE names it, stops it with SIGSTOP if XDPCAP_TEST_STOP does. They
 * are NAME, or NAME:K for the Kth time (1 is the first) that it is reached.
 */
void test_point(const char *name);

/* Whether filters are to be refused, as the kernel might (XDPCAP_TEST_REFUSE_FILTER). */
bool test_refuses_filter(void);

/* Makes a system call that the sandbox forbids, if XDPCAP_TEST_BREAK_OUT is set. */
void test_break_out(void);

#else

static inline void test_point(const char *name)
{
	(void)name;
}

static inline bool test_refuses_filter(void)
{
	return false;
}

static inline void test_break_out(void)
{
}

#endif

#endif /* XDPCAP_TEST_POINT_H */
