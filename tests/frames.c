// SPDX-License-Identifier: BSD-3-Clause
/*
 * Prints a savefile's packets, one a line: the length, the capture length, and
 * the bytes in hexadecimal; so that diff(1) and sort(1) compare captures. -t puts
 * the timestamp in nanoseconds before them; -c prints only their number, and
 * leaves out a last one that is still being written.
 */
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include <pcap/pcap.h>

static const char usage[] = "Usage: frames [-c] [-t] FILE\n";

int main(int argc, char **argv)
{
	char err[PCAP_ERRBUF_SIZE];
	bool count = false, times = false;
	struct pcap_pkthdr *header;
	unsigned long n = 0;
	const u_char *data;
	pcap_t *p;
	int opt, ret;

	while ((opt = getopt(argc, argv, "ct")) != -1) {
		if (opt == 'c')
			count = true;
		else if (opt == 't')
			times = true;
		else
			goto usage;
	}
	if (optind != argc - 1)
		goto usage;

	p = pcap_open_offline_with_tstamp_precision(argv[optind],
						    PCAP_TSTAMP_PRECISION_NANO,
						    err);
	if (!p) {
		if (count) {
			puts("0");
			return 0;
		}
		fprintf(stderr, "frames: %s\n", err);
		return 1;
	}
	while ((ret = pcap_next_ex(p, &header, &data)) == 1) {
		n++;
		if (count)
			continue;
		if (times)
			printf("%lld%09ld ", (long long)header->ts.tv_sec,
			       (long)header->ts.tv_usec);
		printf("%u %u ", header->len, header->caplen);
		for (bpf_u_int32 i = 0; i < header->caplen; i++)
			printf("%02x", data[i]);
		putchar('\n');
	}
	if (count) {
		printf("%lu\n", n);
	} else if (ret != PCAP_ERROR_BREAK) {
		fprintf(stderr, "frames: %s\n", pcap_geterr(p));
		pcap_close(p);
		return 1;
	}
	pcap_close(p);
	return 0;

usage:
	fputs(usage, stderr);
	return 2;
}
