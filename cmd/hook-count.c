// SPDX-License-Identifier: BSD-3-Clause
/*
 * Counting at a hook; see hook-count.h.
 */
#include "hook-count.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <pcap/pcap.h>

#include "packet.h"

#pragma weak pcap_xdpcap_actions
#pragma weak pcap_xdpcap_counters

/* The smallest ring there is, for each CPU; nothing comes into it. */
#define BUFFER_SIZE 1

static void pause_ms(unsigned int ms)
{
	struct timespec rest = { .tv_sec = ms / 1000,
				 .tv_nsec = ms % 1000 * 1000000L };

	while (nanosleep(&rest, &rest))
		;
}

static pcap_t *open_hook(const char *path, bool enter, char *error, int size)
{
	static struct bpf_insn nothing = { BPF_RET | BPF_K, 0, 0, 0 };
	struct bpf_program filter = { .bf_len = 1, .bf_insns = &nothing };
	char errbuf[PCAP_ERRBUF_SIZE], *device;
	pcap_t *p;

	/* with "enter", "all" must be said in numbers */
	if (asprintf(&device, "xdpcap:%s@%s", path,
		     enter ? "0,1,2,3,4,enter" : "all") < 0) {
		snprintf(error, (size_t)size, "no memory");
		return NULL;
	}
	p = pcap_create(device, errbuf);
	free(device);
	if (!p) {
		snprintf(error, (size_t)size, "%s", errbuf);
		return NULL;
	}
	pcap_set_snaplen(p, 1);
	pcap_set_buffer_size(p, BUFFER_SIZE);
	if (pcap_activate(p) >= 0 && !pcap_setfilter(p, &filter))
		return p;
	snprintf(error, (size_t)size, "%s", pcap_geterr(p));
	pcap_close(p);
	return NULL;
}

/* What has been seen until now, less what count has. */
static int read_counters(pcap_t *p, struct count *count)
{
	struct pcap_xdpcap_counters counters;

	if (pcap_xdpcap_actions(p, &count->slots))
		return -1;
	for (unsigned int i = 0; i < COUNT_SLOTS_MAX; i++) {
		if (!(count->slots & 1u << i))
			continue;
		if (pcap_xdpcap_counters(p, i, &counters))
			return -1;
		count->seen[i] = counters.seen - count->seen[i];
	}
	return 0;
}

int count_packets(struct count *count, const char *path, bool enter,
		  unsigned int ms, void (*between)(void *), void *argument,
		  char *error, int size)
{
	pcap_t *p;
	int ret;

	if (!pcap_xdpcap_counters || !pcap_xdpcap_actions) {
		snprintf(error, (size_t)size,
			 "%s cannot capture from hooks; is pcap-xdpcap installed, and does the dynamic linker find its libpcap?",
			 pcap_lib_version());
		return -1;
	}
	p = open_hook(path, enter, error, size);
	if (!p)
		return -1;
	*count = (struct count){ 0 };
	between(argument);
	ret = read_counters(p, count);
	if (!ret) {
		pause_ms(ms);
		between(argument);
		ret = read_counters(p, count);
	}
	if (ret)
		snprintf(error, (size_t)size, "%s", pcap_geterr(p));
	pcap_close(p);
	return ret ? -1 : 0;
}
