// SPDX-License-Identifier: BSD-3-Clause
/* Points for the tests: see test-point.h. Only in the build that defines this. */
#ifndef XDPCAP_TEST
#define XDPCAP_TEST
#endif

#include "test-point.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct wish {
	const char *variable;
	int signal;
	unsigned long reached;
};

static void reach(struct wish *wish, const char *name)
{
	const char *value = getenv(wish->variable);
	size_t len = strlen(name);
	unsigned long time = 1;

	if (!value || strncmp(value, name, len) != 0)
		return;
	if (value[len] == ':')
		time = strtoul(value + len + 1, NULL, 10);
	else if (value[len])
		return;
	if (++wish->reached == time)
		raise(wish->signal);
}

void test_point(const char *name)
{
	static struct wish wishes[] = {
		{ "XDPCAP_TEST_STOP", SIGSTOP, 0 },
		{ "XDPCAP_TEST_DIE", SIGKILL, 0 },
	};

	for (size_t i = 0; i < sizeof(wishes) / sizeof(wishes[0]); i++)
		reach(&wishes[i], name);
}

bool test_refuses_filter(void)
{
	return getenv("XDPCAP_TEST_REFUSE_FILTER");
}

void test_break_out(void)
{
	if (getenv("XDPCAP_TEST_BREAK_OUT"))
		execl("/bin/true", "true", NULL);
}
