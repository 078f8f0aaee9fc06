// SPDX-License-Identifier: BSD-3-Clause
/* Writes inputs for fuzz-load into a directory: random programs and filters. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "oracle.h"
#include "random.h"

static void write_seed(const char *dir, int i, const struct sock_filter *cbpf,
		       size_t len)
{
	char name[4096];
	FILE *f;

	snprintf(name, sizeof(name), "%s/%d", dir, i);
	f = fopen(name, "w");
	if (!f || fputc(i & 1, f) == EOF ||
	    fwrite(cbpf, sizeof(*cbpf), len, f) != len || fclose(f) == EOF) {
		perror(name);
		exit(1);
	}
}

int main(int argc, char **argv)
{
	static struct sock_filter program[BPF_MAXINSNS];
	struct rng rng = { .state = 1 };
	struct sock_filter *cbpf;
	char text[4096], err[256];
	size_t len;

	if (argc != 2) {
		fprintf(stderr, "usage: %s directory\n", argv[0]);
		return 2;
	}
	for (int i = 0; i < 400; i++) {
		if (i % 2) {
			len = random_program(&rng, program);
			write_seed(argv[1], i, program, len);
			continue;
		}
		random_expression(&rng, text, sizeof(text));
		len = oracle_compile(text, &cbpf, err, sizeof(err));
		if (!len)
			continue;
		write_seed(argv[1], i, cbpf, len);
		free(cbpf);
	}
	return 0;
}
