// SPDX-License-Identifier: BSD-3-Clause
/* Tests of the API: link-layer types, and directions. */
#include "api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pcap/sll.h>

#define ETHERNET_LEN 14

static unsigned int get16(const uint8_t *at)
{
	return at[0] << 8 | at[1];
}

/* A callback as add_packet(), for packets with a LINUX_SLL2 header. */
static void add_cooked(u_char *user, const struct pcap_pkthdr *header,
		       const u_char *data)
{
	struct pcap_pkthdr ethernet = *header;
	uint8_t bytes[FRAME_MAX], expected[FRAME_MAX];
	struct frame frame = { .size = 60 };

	CHECK(header->caplen >= SLL2_HDR_LEN + 24 &&
		      header->caplen <= sizeof(bytes),
	      "caplen %u", header->caplen);
	ethernet.len -= SLL2_HDR_LEN - ETHERNET_LEN;
	ethernet.caplen -= SLL2_HDR_LEN - ETHERNET_LEN;
	memcpy(bytes + ETHERNET_LEN, data + SLL2_HDR_LEN,
	       ethernet.caplen - ETHERNET_LEN);
	/* it has only the source address, the other follows from the port */
	frame.port = get16(bytes + ETHERNET_LEN + 22);
	frame_fill(&frame, expected);
	memcpy(bytes, expected, ETHERNET_LEN);
	add_packet(user, &ethernet, bytes);

	SAME("protocol", get16(expected + 12), get16(data));
	SAME("reserved", 0, get16(data + 2));
	SAME("interface", hook_ifindex, get16(data + 4) << 16 | get16(data + 6));
	SAME("hardware type", 1, get16(data + 8));
	SAME("packet type",
	     frame.port == PORT_TX   ? LINUX_SLL_OUTGOING :
	     frame.port == PORT_PASS ? LINUX_SLL_HOST :
				       LINUX_SLL_OTHERHOST,
	     data[10]);
	SAME("address length", 6, data[11]);
	CHECK(!memcmp(data + 12, expected + 6, 6) && !get16(data + 18),
	      "the source address is wrong");
}

/* Read on until n packets have come, in the form of that link-layer type. */
static void read_as(struct got *got, int linktype, unsigned int n)
{
	int ret;

	SAME("pcap_datalink", linktype, pcap_datalink(got->p));
	while (got->n < n) {
		ret = pcap_dispatch(got->p, (int)(n - got->n),
				    linktype == DLT_LINUX_SLL2 ? add_cooked :
								 add_packet,
				    (u_char *)got);
		CHECK(ret >= 0, "pcap_dispatch returned %d after %u of %u: %s",
		      ret, got->n, n, pcap_geterr(got->p));
	}
	SAME("packets read", n, got->n);
}

/* One packet each that is dropped, passed and sent back, numbered from seq. */
static void send_each(uint32_t seq)
{
	static const uint16_t ports[] = { PORT_DROP, PORT_PASS, PORT_TX };

	for (uint32_t i = 0; i < 3; i++)
		send_frames(&(struct frame){ .port = ports[i],
					     .kind = KIND_A,
					     .seq = seq + i,
					     .size = 100 },
			    1, NULL);
}

static pcap_t *open_three(void)
{
	return open_capture(&(struct capture){ .actions = "@drop,pass,tx" });
}

static void linktype_before_filter(void)
{
	pcap_t *p = open_three();
	struct got got = { .p = p };

	RETURNS(p, 0, pcap_set_datalink(p, DLT_LINUX_SLL2));
	set_filter(p, "outbound and udp");
	send_each(0);
	send_each(3);
	wait_received(p, 2);
	read_as(&got, DLT_LINUX_SLL2, 2);
	SAME("packet's number", 2, got.packets[0].frame.seq);
	SAME("packet's number", 5, got.packets[1].frame.seq);
	SAME("packets that the kernel admitted", 2, received(p));
	free_packets(&got);
	close_capture(p);
}

/* The filter goes on to match what it was set for. */
static void linktype_after_filter(void)
{
	pcap_t *p = open_three();
	struct got got = { .p = p };
	char filter[40];

	set_filter(p, "ether src 02:00:00:00:00:0a");
	send_each(0);
	wait_received(p, 2);
	RETURNS(p, 0, pcap_set_datalink(p, DLT_LINUX_SLL2));
	send_each(3);
	wait_received(p, 4);
	read_as(&got, DLT_LINUX_SLL2, 4);
	SAME("packet's number", 4, got.packets[3].frame.seq);

	snprintf(filter, sizeof(filter), "ifindex %d and inbound", hook_ifindex);
	set_filter(p, filter);
	send_each(6);
	wait_received(p, 6);
	read_as(&got, DLT_LINUX_SLL2, 6);
	RETURNS(p, 0, pcap_set_datalink(p, DLT_EN10MB));
	send_each(9);
	wait_received(p, 8);
	read_as(&got, DLT_EN10MB, 8);
	SAME("packet's number", 10, got.packets[7].frame.seq);
	free_packets(&got);
	close_capture(p);
}

/* What waits is delivered in the form of now, and not only what waits. */
static void linktype_of_waiting_packets(void)
{
	pcap_t *p = open_three();
	struct got got = { .p = p };

	send_each(0);
	send_each(3);
	wait_received(p, 6);
	read_as(&got, DLT_EN10MB, 1);
	RETURNS(p, 0, pcap_set_datalink(p, DLT_LINUX_SLL2));
	read_as(&got, DLT_LINUX_SLL2, 3);
	RETURNS(p, 0, pcap_set_datalink(p, DLT_EN10MB));
	read_as(&got, DLT_EN10MB, 5);
	RETURNS(p, 0, pcap_set_datalink(p, DLT_LINUX_SLL2));
	read_as(&got, DLT_LINUX_SLL2, 6);
	check_sequence(&got, 0, 0, 6);
	free_packets(&got);
	close_capture(p);
}

/*
 * What waits is filtered in the form that the filter was set for, and delivered
 * in that of now, whether they are the same or not.
 */
static void check_waiting(int filter_linktype, int linktype, const char *filter,
			  unsigned int matching)
{
	pcap_t *p = open_three();
	struct got got = { .p = p };

	send_each(0);
	send_each(3);
	wait_received(p, 6);
	RETURNS(p, 0, pcap_set_datalink(p, filter_linktype));
	set_filter(p, filter);
	RETURNS(p, 0, pcap_set_datalink(p, linktype));
	send_each(6);
	/* what came before the filter, and what came after */
	read_as(&got, linktype, matching + matching / 2);
	for (unsigned int i = 0; i < got.n; i++)
		CHECK((got.packets[i].frame.seq >= 6) == (i >= matching),
		      "\"%s\": packet %u is the %uth", filter,
		      got.packets[i].frame.seq, i + 1);
	SAME("capture length", 100, got.packets[0].caplen);
	free_packets(&got);
	close_capture(p);
}

static void waiting_packets_are_filtered(void)
{
	check_waiting(DLT_LINUX_SLL2, DLT_LINUX_SLL2, "link[10] = 4", 2);
	check_waiting(DLT_LINUX_SLL2, DLT_EN10MB, "link[10] = 4", 2);
	check_waiting(DLT_LINUX_SLL2, DLT_EN10MB,
		      "inbound and ip protochain 17", 4);
	check_waiting(DLT_EN10MB, DLT_LINUX_SLL2, "ether[11] = 0x0b", 2);
}

/* Lengths are those of the packet with its LINUX_SLL2 header. */
static void lengths_with_header(void)
{
	static const struct {
		int snaplen;
		u_int returned; /* by the filter; 0: there is none */
		u_int caplen;
	} cases[] = {
		{ 0, 0, 106 },   { 60, 0, 60 },   { 10, 0, 10 },
		{ 0, 60, 60 },   { 0, 25, 25 },   { 0, 21, 21 },
		{ 0, 10, 10 },   { 0, 1, 1 },     { 30, 70, 30 },
		{ 10, 20, 10 },  { 0, 105, 105 }, { 0, 106, 106 },
		{ 0, 200, 106 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		pcap_t *p = open_capture(
			&(struct capture){ .snaplen = cases[i].snaplen });
		struct pcap_pkthdr *header;
		const u_char *data;

		RETURNS(p, 0, pcap_set_datalink(p, DLT_LINUX_SLL2));
		if (cases[i].returned)
			set_return(p, cases[i].returned);
		send_drops(0, 1);
		wait_received(p, 1);
		RETURNS(p, 1, pcap_next_ex(p, &header, &data));
		SAME("len", 106, header->len);
		CHECK(header->caplen == cases[i].caplen,
		      "snaplen %d, filter returns %u: caplen %u, not %u",
		      cases[i].snaplen, cases[i].returned, header->caplen,
		      cases[i].caplen);
		close_capture(p);
	}
}

/* Packets of a flow that are read as LINUX_SLL2 are whole, and none is missing. */
static void linktype_under_traffic(void)
{
	pcap_t *p = open_drops();
	struct got got = { .p = p };
	struct capture_memory memory;

	RETURNS(p, 0, pcap_set_datalink(p, DLT_LINUX_SLL2));
	map_memory(&memory);
	for (uint32_t round = 0; round < 20; round++) {
		send_frames(&(struct frame){ .port = PORT_DROP,
					     .kind = KIND_A,
					     .seq = round * 1000,
					     .size = 60 + round * 70 },
			    1000, &memory);
		read_as(&got, DLT_LINUX_SLL2, (round + 1) * 1000);
	}
	check_sequence(&got, 0, 0, 20000);
	capture_unmap(&memory);
	free_packets(&got);
	close_capture(p);
}

/* Which of drop, pass and tx are delivered, after a call of setdirection. */
static void check_direction(struct got *got, pcap_direction_t direction,
			    unsigned int inbound, unsigned int outbound)
{
	static uint32_t seq;
	const unsigned int n = got->n, before = received(got->p);
	unsigned int out = 0;

	/* some that wait, and some that come afterwards */
	send_each(seq);
	WAIT_FOR("packets in pcap_stats", received(got->p) > before);
	sleep_ms(20);
	RETURNS(got->p, 0, pcap_setdirection(got->p, direction));
	send_each(seq + 3);
	sleep_ms(20);
	seq += 6;
	while (dispatch(got, -1) > 0)
		;
	for (unsigned int i = n; i < got->n; i++)
		out += got->packets[i].frame.port == PORT_TX;
	SAME("outbound packets", outbound, out);
	SAME("inbound packets", inbound, got->n - n - out);
}

static void directions(void)
{
	pcap_t *p = open_three();
	char err[PCAP_ERRBUF_SIZE] = "";
	struct got got = { .p = p };
	unsigned int n;

	CHECK(pcap_setnonblock(p, 1, err) == 0, "pcap_setnonblock: %s", err);
	check_direction(&got, PCAP_D_OUT, 0, 2);
	/* of those before the change only what was captured */
	check_direction(&got, PCAP_D_INOUT, 2, 2);
	check_direction(&got, PCAP_D_IN, 4, 0);
	/* the kernel captures nothing else */
	n = received(p);
	send_each(1000);
	WAIT_FOR("packets in pcap_stats", received(p) >= n + 2);
	sleep_ms(20);
	SAME("packets that the kernel admitted", n + 2, received(p));
	read_packets(&got, got.n + 2);
	free_packets(&got);
	close_capture(p);
}

/* The filter stays, with its loads of ancillary data, and a later one too. */
static void direction_and_filter(void)
{
	pcap_t *p = open_three();
	struct got got = { .p = p };
	char filter[100];

	snprintf(filter, sizeof(filter), "ifindex %d and udp port %d",
		 hook_ifindex, PORT_DROP);
	set_filter(p, filter);
	RETURNS(p, 0, pcap_setdirection(p, PCAP_D_IN));
	send_each(0);
	wait_received(p, 1);
	read_packets(&got, 1);
	SAME("packet's number", 0, got.packets[0].frame.seq);
	snprintf(filter, sizeof(filter), "port %d or port %d", PORT_PASS,
		 PORT_TX);
	set_filter(p, filter);
	send_each(3);
	wait_received(p, 2);
	read_packets(&got, 2);
	SAME("packet's number", 4, got.packets[1].frame.seq);
	RETURNS(p, 0, pcap_setdirection(p, PCAP_D_INOUT));
	send_each(6);
	wait_received(p, 4);
	read_packets(&got, 4);
	SAME("packet's number", 7, got.packets[2].frame.seq);
	SAME("packet's number", 8, got.packets[3].frame.seq);
	free_packets(&got);
	close_capture(p);
}

const struct test linktype_tests[] = {
	TEST(linktype_before_filter),
	TEST(linktype_after_filter),
	TEST(linktype_of_waiting_packets),
	TEST(waiting_packets_are_filtered),
	TEST(lengths_with_header),
	TEST(linktype_under_traffic),
	TEST(directions),
	TEST(direction_and_filter),
	{ NULL, NULL },
};
