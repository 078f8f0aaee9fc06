// SPDX-License-Identifier: BSD-3-Clause
/*
 * fault DEVICE FAULT: has libpcap's xdpcap module do what a sanitizer must report.
 * No fault of the module's: it is given memory that is not what it says, which
 * only the module's own code accesses. Without a sanitizer each FAULT is harmless.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pcap/pcap.h>

int main(int argc, char **argv)
{
	char err[PCAP_ERRBUF_SIZE];
	const size_t size = sizeof(struct pcap_stat);
	struct pcap_stat *stat;
	char *memory;
	pcap_t *p;

	if (argc != 3) {
		fputs("Usage: fault DEVICE overflow|alignment|leak|none\n",
		      stderr);
		return 2;
	}
	p = pcap_create(argv[1], err);
	if (!p || pcap_activate(p)) {
		printf("%s: %s\n", argv[1], p ? pcap_geterr(p) : err);
		if (p)
			pcap_close(p);
		return 1;
	}
	/* what malloc() gives is aligned, and has a little more than asked for */
	memory = malloc(2 * size);
	stat = (struct pcap_stat *)memory;
	if (!strcmp(argv[2], "overflow")) {
		/* a byte too short */
		free(memory);
		memory = malloc(size - 1);
		stat = (struct pcap_stat *)memory;
	} else if (!strcmp(argv[2], "alignment")) {
		stat = (struct pcap_stat *)(uintptr_t)(memory + 1);
	} else if (!strcmp(argv[2], "leak")) {
		/* of all that p is */
		free(memory);
		p = NULL;
		return 0;
	}
	pcap_stats(p, stat);
	free(memory);
	pcap_close(p);
	return 0;
}
