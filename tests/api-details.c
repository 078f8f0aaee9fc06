// SPDX-License-Identifier: BSD-3-Clause
/* Tests of the API: what packet.h declares. */
#include "api.h"

#include <stdio.h>
#include <string.h>

#include "packet.h"

static const struct frame drop = { .port = PORT_DROP, .kind = KIND_A, .size = 100 };
static const struct frame pass = { .port = PORT_PASS, .kind = KIND_A, .size = 100 };

static void check_details(pcap_t *p, const struct pcap_pkthdr *header,
			  unsigned int action)
{
	struct pcap_xdpcap_packet packet;

	RETURNS(p, 0, pcap_xdpcap_packet(p, &packet));
	SAME("action", action, packet.action);
	SAME("interface", hook_ifindex, packet.ifindex);
	SAME("queue", 0, packet.rx_queue);
	/* what is sent on a CPU is received on it */
	SAME("CPU", first_cpu(), packet.cpu);
	SAME("seconds", header->ts.tv_sec, packet.ts / NS_PER_S);
	SAME("microseconds", header->ts.tv_usec, packet.ts % NS_PER_S / 1000);
}

static void on_packet(u_char *user, const struct pcap_pkthdr *header,
		      const u_char *data)
{
	struct frame frame;

	check_packet(header, data, &frame);
	check_details((pcap_t *)user, header,
		      frame.port == PORT_DROP ? SLOT_DROP : SLOT_PASS);
}

/* In the callback, and after pcap_next_ex() until the next read. */
static void details_of_packets(void)
{
	pcap_t *p = open_capture(&(struct capture){ .actions = "@drop,pass" });
	struct pcap_pkthdr *header;
	const u_char *data;
	uint32_t actions;

	RETURNS(p, 0, pcap_xdpcap_actions(p, &actions));
	SAME("actions", 1 << SLOT_DROP | 1 << SLOT_PASS, actions);
	RETURNS(p, 0, pcap_xdpcap_enter(p));
	use_cpu(first_cpu());
	send_frames(&drop, 1, NULL);
	send_frames(&pass, 1, NULL);
	wait_received(p, 2);
	RETURNS(p, 2, pcap_dispatch(p, -1, on_packet, (u_char *)p));

	send_frames(&pass, 1, NULL);
	send_frames(&drop, 1, NULL);
	RETURNS(p, 1, pcap_next_ex(p, &header, &data));
	check_details(p, header, SLOT_PASS);
	RETURNS(p, 1, pcap_next_ex(p, &header, &data));
	check_details(p, header, SLOT_DROP);
	close_capture(p);
}

static void counters_of_actions(void)
{
	pcap_t *p = open_capture(&(struct capture){ .actions = "@drop,pass" });
	struct pcap_xdpcap_counters counters;
	const struct frame other = { .port = PORT_DROP,
				     .kind = KIND_B,
				     .size = 100 };

	set_filter(p, "src port 1000");
	send_frames(&drop, 3, NULL);
	send_frames(&other, 4, NULL);
	send_frames(&pass, 5, NULL);
	wait_received(p, 8);
	RETURNS(p, 0, pcap_xdpcap_counters(p, SLOT_DROP, &counters));
	SAME("drops seen", 7, counters.seen);
	SAME("drops captured", 3, counters.captured);
	SAME("drops lost", 0, counters.dropped);
	RETURNS(p, 0, pcap_xdpcap_counters(p, SLOT_PASS, &counters));
	SAME("passes seen", 5, counters.seen);
	SAME("passes captured", 5, counters.captured);
	RETURNS(p, 0, pcap_xdpcap_counters(p, SLOT_TX, &counters));
	SAME("of an action that is not captured", 0, counters.seen);
	close_capture(p);
}

static void details_are_refused(void)
{
	pcap_t *p = pcap_open_dead(DLT_EN10MB, 100);
	struct pcap_xdpcap_counters counters;
	struct pcap_xdpcap_packet packet;
	uint32_t actions;

	RETURNS(p, PCAP_ERROR, pcap_xdpcap_packet(p, &packet));
	CONTAINS("message", "not an active capture from a hook", pcap_geterr(p));
	RETURNS(p, PCAP_ERROR, pcap_xdpcap_counters(p, SLOT_DROP, &counters));
	RETURNS(p, PCAP_ERROR, pcap_xdpcap_actions(p, &actions));
	RETURNS(p, PCAP_ERROR, pcap_xdpcap_enter(p));
	RETURNS(p, PCAP_ERROR, pcap_xdpcap_set_watermark(p, 1));
	pcap_close(p);

	p = create("@drop");
	RETURNS(p, PCAP_ERROR, pcap_xdpcap_actions(p, &actions));
	pcap_close(p);

	p = open_drops();
	RETURNS(p, PCAP_ERROR, pcap_xdpcap_packet(p, &packet));
	CONTAINS("message", "no packet has been delivered", pcap_geterr(p));
	RETURNS(p, PCAP_ERROR, pcap_xdpcap_counters(p, 32, &counters));
	CONTAINS("message", "no action 32", pcap_geterr(p));
	close_capture(p);
}

/* What waits can be read before that. */
static void watermark(void)
{
	pcap_t *p = open_nonblocking();
	struct got got = { .p = p };

	/* 148 bytes each, rounded up to 152 */
	RETURNS(p, 0, pcap_xdpcap_set_watermark(p, 1520));
	use_cpu(first_cpu());
	send_drops(0, 9);
	wait_received(p, 9);
	SAME("readable with 9 packets", 0, readable(p, 50));
	send_drops(9, 1);
	SAME("readable with 10 packets", 1, readable(p, PATIENCE));
	read_packets(&got, 10);
	SAME("readable when all is read", 0, readable(p, 50));
	send_drops(10, 1);
	SAME("readable with one packet", 0, readable(p, 50));
	/* that it is lowered counts at once */
	RETURNS(p, 0, pcap_xdpcap_set_watermark(p, 1));
	SAME("readable at 1", 1, readable(p, PATIENCE));
	read_packets(&got, 11);
	send_drops(11, 1);
	SAME("readable for the next", 1, readable(p, PATIENCE));
	read_packets(&got, 12);
	check_sequence(&got, 0, 0, 12);
	free_packets(&got);
	close_capture(p);
}

const struct test details_tests[] = {
	TEST(details_of_packets),
	TEST(counters_of_actions),
	TEST(details_are_refused),
	TEST(watermark),
	{ NULL, NULL },
};
