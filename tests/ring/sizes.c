// SPDX-License-Identifier: BSD-3-Clause
/*
 * The sizes of rings on machines that this one is not; see doc/ring.md.
 */
#include <limits.h>
#include <stdio.h>

#include "capture.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define KIB           (1u << 10)
#define MIB           (1u << 20)

static const struct {
	__u32 buffer_size, rings, expected;
} cases[] = {
	/* the default */
	{ 0, 1, 16 * MIB },
	{ 0, 2, 8 * MIB },
	{ 0, 32, 512 * KIB },
	{ 0, 256, 512 * KIB },
	/* what is asked for is a total, and rounded up */
	{ 16 * MIB, 2, 8 * MIB },
	{ 16 * MIB + 2, 2, 16 * MIB },
	{ 24 * MIB, 2, 16 * MIB },
	{ 256 * MIB, 256, 1 * MIB },
	{ INT_MAX, 256, 8 * MIB },
	/* the smallest */
	{ 1, 1, 256 * KIB },
	{ 2 * MIB, 256, 256 * KIB },
	/* the largest, and more */
	{ 256 * MIB, 1, 256 * MIB },
	{ 256 * MIB + 1, 1, 0 },
	{ 512 * MIB, 2, 256 * MIB },
	{ INT_MAX, 2, 0 },
};

int main(void)
{
	int failed = 0;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		__u32 size =
			capture_ring_size(cases[i].buffer_size, cases[i].rings);

		if (size == cases[i].expected)
			continue;
		printf("a buffer of %u bytes on %u CPUs: rings of %u bytes, expected %u\n",
		       cases[i].buffer_size, cases[i].rings, size,
		       cases[i].expected);
		failed = 1;
	}
	return failed;
}
