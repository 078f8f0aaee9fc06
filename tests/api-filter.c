// SPDX-License-Identifier: BSD-3-Clause
/* Tests of the API: filters in the kernel and in userland, and changing them. */
#include "api.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What is left of a kind after setting a filter while packets wait. */
static void filter_of_waiting_packets(void)
{
	pcap_t *p = open_drops();
	struct got got = { .p = p };
	struct frame frame = { .port = PORT_DROP, .size = 60 };

	for (uint32_t i = 0; i < 10; i++) {
		frame.seq = i;
		frame.kind = i % 2 ? KIND_B : KIND_A;
		send_frames(&frame, 1, NULL);
	}
	wait_received(p, 10);
	set_filter(p, "src port 1001");
	read_packets(&got, 5);
	for (uint32_t i = 0; i < 5; i++)
		SAME("packet's number", 2 * i + 1, got.packets[i].frame.seq);
	free_packets(&got);
	close_capture(p);
}

static void refuse_bad_filter(void)
{
	struct bpf_insn insn = BPF_STMT(BPF_LD | BPF_ABS | BPF_W, 0);
	struct bpf_program program = { .bf_len = 1, .bf_insns = &insn };
	pcap_t *p = open_drops();

	RETURNS(p, PCAP_ERROR, pcap_setfilter(p, &program));
	CHECK(pcap_geterr(p)[0], "no error message");
	check_works(p);
	close_capture(p);
}

static void set_kind_filter(pcap_t *p, int kind, bool in_kernel)
{
	char filter[100];

	/* the kernel has no loops for this protocol chain */
	snprintf(filter, sizeof(filter), "%sudp src port %d",
		 in_kernel ? "" : "ip protochain 17 and ", kind);
	set_filter(p, filter);
}

/*
 * Two kinds of packet alternate, and the filter admits the one, then the other.
 * After pcap_setfilter() has returned, no packet of the other kind is delivered,
 * and every packet of this kind that is sent from then on is.
 */
static void setfilter_under_traffic(void)
{
	enum { WINDOW = 40 };
	pcap_t *p = open_capture(&(struct capture){ .immediate = true });
	struct got got = { .p = p };
	struct flow flow = {
		.frame = { .port = PORT_DROP, .size = 60 },
		.total = 100000000,
		.burst = 8,
		.pause_us = 50,
		/* so that all packets are in one ring, and in order */
		.cpu = first_cpu(),
		.alternate = true,
	};
	uint32_t first, seen;
	int kind;

	map_memory(&flow.memory);
	start_flow(&flow);
	for (int round = 0; round < 200; round++) {
		kind = round % 2 ? KIND_B : KIND_A;
		set_kind_filter(p, kind, round / 2 % 4 != 3);
		/* the one that is being sent may have passed before */
		first = flow.next + 1;
		if (first % 2 != (kind == KIND_B))
			first++;
		free_packets(&got);
		seen = first;
		while (seen < first + 2 * WINDOW) {
			const unsigned int n = got.n;

			CHECK(dispatch(&got, -1) >= 0, "pcap_dispatch: %s",
			      pcap_geterr(p));
			for (unsigned int i = n; i < got.n; i++) {
				const struct frame *frame = &got.packets[i].frame;

				CHECK(frame->kind == kind,
				      "round %d: a packet of kind %d, number %u, with the filter for %d",
				      round, frame->kind, frame->seq, kind);
				if (frame->seq < first)
					continue;
				CHECK(frame->seq == seen,
				      "round %d: packet %u, not %u; the filter was set before %u",
				      round, frame->seq, seen, first);
				seen += 2;
			}
		}
	}
	end_flow(&flow);
	free_packets(&got);
	close_capture(p);
}

struct switching {
	struct got got; /* first: add_packet() is given it */
	int kind;
	unsigned int switches;
};

static void add_and_switch(u_char *user, const struct pcap_pkthdr *header,
			   const u_char *data)
{
	struct switching *s = (struct switching *)user;
	const struct frame *frame;

	add_packet(user, header, data);
	frame = &s->got.packets[s->got.n - 1].frame;
	CHECK(frame->kind == s->kind,
	      "packet %u of kind %d with the filter for %d", frame->seq,
	      frame->kind, s->kind);
	if (s->got.n % 10)
		return;
	s->switches++;
	s->kind = s->kind == KIND_A ? KIND_B : KIND_A;
	set_kind_filter(s->got.p, s->kind, s->switches % 3);
	/* what was read is ours until we return */
	check_packet(header, data, &s->got.packets[s->got.n - 1].frame);
}

/* 10 of the one kind, then 10 of the other, out of what is there. */
static void setfilter_from_callback(void)
{
	pcap_t *p = open_drops();
	struct switching s = { .got = { .p = p }, .kind = KIND_A };
	struct frame frame = { .port = PORT_DROP, .size = 60 };
	struct capture_memory memory;
	uint32_t expected = 0;

	/* all come into the ring; the filter of then is checked */
	map_memory(&memory);
	for (uint32_t i = 0; i < 400; i++) {
		frame.seq = i;
		frame.kind = i % 2 ? KIND_B : KIND_A;
		send_frames(&frame, 1, &memory);
	}
	capture_unmap(&memory);
	wait_received(p, 400);
	set_kind_filter(p, KIND_A, true);
	while (s.got.n < 190)
		CHECK(pcap_dispatch(p, -1, add_and_switch, (u_char *)&s) > 0,
		      "pcap_dispatch: %s", pcap_geterr(p));
	for (unsigned int i = 0; i < s.got.n; i++) {
		SAME("packet's number", expected, s.got.packets[i].frame.seq);
		expected += i % 10 == 9 ? 1 : 2;
	}
	free_packets(&s.got);
	close_capture(p);
}

/*
 * Packets of two verdicts, some captured before the filter is set, for userland
 * to filter, and some after, for the kernel: both must admit the same.
 */
static void check_ancillary(const char *filter, bool drops, bool txs)
{
	pcap_t *p = open_capture(&(struct capture){ .actions = "@drop,tx" });
	struct got got = { .p = p };
	const unsigned int each = 3 * (drops + txs), total = 2 * each;
	struct frame drop = { .port = PORT_DROP, .kind = KIND_A, .size = 60 };
	struct frame tx = { .port = PORT_TX, .kind = KIND_A, .size = 60 };

	send_frames(&drop, 3, NULL);
	send_frames(&tx, 3, NULL);
	wait_received(p, 6);
	set_filter(p, filter);
	drop.seq = tx.seq = 3;
	send_frames(&drop, 3, NULL);
	send_frames(&tx, 3, NULL);
	/* what the kernel admitted */
	WAIT_FOR("packets in pcap_stats", received(p) >= 6 + each);
	sleep_ms(50);
	CHECK(received(p) == 6 + each, "\"%s\": the kernel admitted %u, not %u",
	      filter, received(p) - 6, each);

	/* the end, whatever the filter */
	set_filter(p, "");
	send_frames(&(struct frame){ .port = PORT_DROP, .kind = KIND_B, .size = 60 },
		    1, NULL);
	wait_received(p, 6 + each + 1);
	set_filter(p, filter);
	while (dispatch(&got, -1) > 0 && got.n < total + drops)
		;
	/* the last is read if drops match; else there is no end to see */
	CHECK(got.n == total + drops, "\"%s\": %u packets were delivered, not %u",
	      filter, got.n, total + drops);
	for (unsigned int i = 0; i < got.n; i++)
		CHECK(got.packets[i].frame.port == PORT_DROP ? drops : txs,
		      "\"%s\": a packet to port %d", filter,
		      got.packets[i].frame.port);
	free_packets(&got);
	close_capture(p);
}

static void ancillary_filters(void)
{
	char filter[100];

	snprintf(filter, sizeof(filter), "ifindex %d", hook_ifindex);
	check_ancillary(filter, true, true);
	snprintf(filter, sizeof(filter), "not ifindex %d", hook_ifindex + 1);
	check_ancillary(filter, true, true);
	snprintf(filter, sizeof(filter), "ifindex %d or ifindex %d",
		 hook_ifindex + 1, hook_ifindex + 2);
	check_ancillary(filter, false, false);
	check_ancillary("inbound", true, false);
	check_ancillary("outbound", false, true);
	snprintf(filter, sizeof(filter), "outbound and ifindex %d and udp",
		 hook_ifindex);
	check_ancillary(filter, false, true);
}

/* The application gives up its privileges, then sets a filter and reads. */
static void without_privileges(void)
{
	pcap_t *p = open_drops();
	struct got got = { .p = p };

	SAME("setresgid", 0, setresgid(65534, 65534, 65534));
	SAME("setresuid", 0, setresuid(65534, 65534, 65534));
	set_filter(p, "src port 1000");
	send_frames(&(struct frame){ .port = PORT_DROP, .kind = KIND_B, .size = 60 },
		    10, NULL);
	send_drops(0, 10);
	wait_received(p, 10);
	read_packets(&got, 10);
	check_sequence(&got, 0, 0, 10);
	free_packets(&got);
	/* the hook's pin can no longer be looked at from here */
	pcap_close(p);
}

const struct test filter_tests[] = {
	TEST(filter_of_waiting_packets),
	TEST(refuse_bad_filter),
	TEST(setfilter_under_traffic),
	TEST(setfilter_from_callback),
	TEST(ancillary_filters),
	TEST(without_privileges),
	{ NULL, NULL },
};
