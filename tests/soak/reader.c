// SPDX-License-Identifier: BSD-3-Clause
/*
 * reader DEVICE SEED: captures until it is asked to end (SIGINT), with another
 * filter every now and then, and looks that every packet is one that the filter in
 * force admits. Prints "packets N filters N dropped N", or what went wrong: exit
 * status 1 if the capture could not begin, 3 if it ended by itself, 4 for a packet
 * that the filter does not admit.
 */
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include <pcap/pcap.h>

#include "../clock.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* How long a filter is in force, ms: up to this. */
#define FILTER_TIME 300

/* Ports are those that tests/soak/run sends to. */
static const char *const filters[] = {
	"",
	"udp",
	"udp dst port 4001",
	"udp and (dst port 4002 or dst port 4003)",
	"dst portrange 4000-4001 and greater 200",
	"not udp dst port 4002",
	"ip and ip[2:2] & 1 = 0",
	"vlan and udp",
	"tcp",
	/* no eBPF program can be: filtered in userland */
	"ip6 protochain 17 or ip protochain 17",
};

static pcap_t *p;
static struct bpf_program program;
static unsigned long packets, changes;
static volatile sig_atomic_t ending;

static void end(int signal)
{
	(void)signal;
	ending = 1;
}

static void packet(u_char *user, const struct pcap_pkthdr *header,
		   const u_char *data)
{
	const char *filter = *(const char **)user;

	if (!pcap_offline_filter(&program, header, data)) {
		printf("a packet of %u bytes that \"%s\" does not admit, after %lu others\n",
		       header->len, filter, packets);
		exit(4);
	}
	packets++;
}

/* The capture has ended, or never began. */
static int failed(int status, const char *what)
{
	printf("%s: %s\n", what, pcap_geterr(p));
	pcap_close(p);
	return status;
}

int main(int argc, char **argv)
{
	const struct sigaction action = { .sa_handler = end };
	const char *filter = filters[0];
	char err[PCAP_ERRBUF_SIZE];
	struct pcap_stat stat = { 0 };
	struct pollfd pfd = { .events = POLLIN };
	long long change = 0;
	unsigned int seed;

	if (argc != 3) {
		fputs("Usage: reader DEVICE SEED\n", stderr);
		return 2;
	}
	sigaction(SIGINT, &action, NULL);
	seed = strtoul(argv[2], NULL, 10);
	p = pcap_create(argv[1], err);
	if (!p) {
		printf("%s: %s\n", argv[1], err);
		return 1;
	}
	pcap_set_timeout(p, 10);
	pcap_set_immediate_mode(p, rand_r(&seed) % 2);
	pcap_set_buffer_size(p, 1 << (19 + rand_r(&seed) % 4));
	if (pcap_activate(p) || pcap_setnonblock(p, 1, err))
		return failed(1, "pcap_activate");
	pfd.fd = pcap_get_selectable_fd(p);

	while (!ending) {
		if (now(CLOCK_MONOTONIC) >= change) {
			filter = filters[rand_r(&seed) % ARRAY_SIZE(filters)];
			pcap_freecode(&program);
			if (pcap_compile(p, &program, filter, 1, 0))
				return failed(1, filter);
			if (pcap_setfilter(p, &program))
				return failed(3, "pcap_setfilter");
			changes++;
			change = now(CLOCK_MONOTONIC) +
				 rand_r(&seed) % FILTER_TIME * NS_PER_MS;
		}
		/* a filter may admit nothing */
		poll(&pfd, 1, 50);
		if (pcap_dispatch(p, 1000, packet, (u_char *)&filter) ==
		    PCAP_ERROR)
			return failed(3, "pcap_dispatch");
	}
	if (pcap_stats(p, &stat))
		return failed(3, "pcap_stats");
	pcap_close(p);
	pcap_freecode(&program);
	printf("packets %lu filters %lu dropped %u\n", packets, changes,
	       stat.ps_drop);
	return 0;
}
