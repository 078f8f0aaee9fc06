// SPDX-License-Identifier: BSD-3-Clause
/*
 * Opens captures. A file of its own because a filter is compiled with
 * <pcap/bpf.h>, which does not go together with <linux/bpf.h>.
 */
#include <pcap/pcap.h>
#include <unistd.h>

#include "bench.h"
#include "references.h"

static pcap_t *open_capture(const struct target *target, const char *filter,
			    bool immediate, int linktype, int tstamp_type)
{
	char errbuf[PCAP_ERRBUF_SIZE];
	struct bpf_program program;
	pcap_t *p = pcap_create(target->device, errbuf);

	if (!p || pcap_set_tstamp_type(p, tstamp_type))
		die("%s: %s", target->device, p ? pcap_geterr(p) : errbuf);
	pcap_set_tstamp_precision(p, PCAP_TSTAMP_PRECISION_NANO);
	pcap_set_immediate_mode(p, immediate);
	pcap_set_timeout(p, 100);
	/* as much for each CPU as the references have */
	pcap_set_buffer_size(p, (int)(REFERENCE_BUFFER *
				      sysconf(_SC_NPROCESSORS_ONLN)));
	if (pcap_activate(p) < 0 || pcap_set_datalink(p, linktype))
		die("%s: %s", target->device, pcap_geterr(p));
	if (filter && (pcap_compile(p, &program, filter, 1, PCAP_NETMASK_UNKNOWN) ||
		       pcap_setfilter(p, &program)))
		die("%s: %s: %s", target->device, filter, pcap_geterr(p));
	return p;
}

pcap_t *capture_open(const struct target *target, const char *filter,
		     bool immediate)
{
	return open_capture(target, filter, immediate, DLT_EN10MB,
			    PCAP_TSTAMP_HOST);
}

pcap_t *capture_open_lowprec(const struct target *target, const char *filter)
{
	return open_capture(target, filter, false, DLT_EN10MB,
			    PCAP_TSTAMP_HOST_LOWPREC);
}

pcap_t *capture_open_sll2(const struct target *target, const char *filter)
{
	return open_capture(target, filter, false, DLT_LINUX_SLL2,
			    PCAP_TSTAMP_HOST);
}

static void count_packet(u_char *user, const struct pcap_pkthdr *header,
			 const u_char *packet)
{
	(void)header;
	(void)packet;
	++*(unsigned long *)user;
}

unsigned long capture_drain(pcap_t *p)
{
	unsigned long packets = 0;
	int n;

	do {
		n = pcap_dispatch(p, -1, count_packet, (u_char *)&packets);
	} while (n > 0);
	if (n < 0)
		die("%s", pcap_geterr(p));
	return packets;
}
