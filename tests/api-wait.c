// SPDX-License-Identifier: BSD-3-Clause
/*
 * Tests of the API: when packets are delivered: not blocking, event loops, the packet buffer
 * timeout.
 */
#include "api.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * Not blocking, and waiting for the descriptor
 */

static void set_nonblock(void)
{
	char err[PCAP_ERRBUF_SIZE] = "";
	pcap_t *p = create("@drop");
	struct got got = { .p = p };

	RETURNS(p, 0, pcap_setnonblock(p, 1, err));
	RETURNS(p, 0, pcap_set_timeout(p, 10));
	RETURNS(p, 0, pcap_activate(p));
	RETURNS(p, 1, pcap_getnonblock(p, err));
	RETURNS(p, 0, dispatch(&got, -1));
	send_drops(0, 5);
	wait_received(p, 5);
	RETURNS(p, 5, dispatch(&got, -1));
	RETURNS(p, 0, dispatch(&got, -1));

	RETURNS(p, 0, pcap_setnonblock(p, 0, err));
	RETURNS(p, 0, pcap_getnonblock(p, err));
	check_works(p);
	RETURNS(p, 0, pcap_setnonblock(p, 1, err));
	RETURNS(p, 1, pcap_getnonblock(p, err));
	RETURNS(p, 0, dispatch(&got, -1));
	free_packets(&got);
	close_capture(p);
}

/* Readable exactly as long as there is something to read. */
static void poll_selectable_fd(void)
{
	pcap_t *p = open_nonblocking();
	struct got got = { .p = p };

	set_filter(p, "src port 1000");
	CHECK(pcap_get_selectable_fd(p) >= 0, "no selectable descriptor");
	SAME("readable at the beginning", 0, readable(p, 100));
	send_frames(&(struct frame){ .port = PORT_DROP, .kind = KIND_B, .size = 60 },
		    10, NULL);
	SAME("readable after packets that do not match", 0, readable(p, 100));

	send_drops(0, 5);
	SAME("readable after packets", 1, readable(p, PATIENCE));
	wait_received(p, 5);
	for (int i = 0; i < 5; i++) {
		SAME("readable with packets left", 1, readable(p, 0));
		RETURNS(p, 1, dispatch(&got, 1));
	}
	SAME("readable after the last packet", 0, readable(p, 100));
	RETURNS(p, 0, dispatch(&got, -1));
	SAME("readable after an empty read", 0, readable(p, 100));

	/* also with a packet of pcap_next_ex() held back */
	for (uint32_t i = 0; i < 3; i++) {
		struct pcap_pkthdr *header;
		const u_char *data;

		send_drops(5 + i, 1);
		SAME("readable after a packet", 1, readable(p, PATIENCE));
		RETURNS(p, 1, pcap_next_ex(p, &header, &data));
		SAME("readable after pcap_next_ex", 0, readable(p, 50));
	}
	check_sequence(&got, 0, 0, 5);
	free_packets(&got);
	close_capture(p);
}

/* Packets that were there before anybody looked at the descriptor. */
static void poll_after_activate(void)
{
	pcap_t *p = open_nonblocking();
	struct got got = { .p = p };

	send_drops(0, 2);
	wait_received(p, 2);
	SAME("readable", 1, readable(p, PATIENCE));
	RETURNS(p, 2, dispatch(&got, -1));
	free_packets(&got);
	close_capture(p);
}

/* What a read that may block leaves is there to be read. */
static void poll_after_blocking_read(void)
{
	char err[PCAP_ERRBUF_SIZE];
	pcap_t *p = open_drops();
	struct got got = { .p = p };

	send_drops(0, 5);
	wait_received(p, 5);
	RETURNS(p, 2, dispatch(&got, 2));
	SAME("readable with packets left", 1, readable(p, 0));
	RETURNS(p, 0, pcap_setnonblock(p, 1, err));
	SAME("readable with packets left", 1, readable(p, 0));
	RETURNS(p, 3, dispatch(&got, -1));
	SAME("readable after the last packet", 0, readable(p, 100));
	free_packets(&got);
	close_capture(p);
}

/*
 * Frames in pairs, the second at any stage of the first being read, and the next
 * pair when both have been: so that a lost wakeup is not made up for by another.
 */
struct pairs {
	unsigned int total;
	atomic_uint read;
};

static void *run_pairs(void *arg)
{
	struct pairs *pairs = arg;
	long long end;

	for (unsigned int i = 0; i < pairs->total; i += 2) {
		send_drops(i, 1);
		end = now(CLOCK_MONOTONIC) + i / 2 % 100 * 500;
		while (now(CLOCK_MONOTONIC) < end)
			;
		send_drops(i + 1, 1);
		while (pairs->read < i + 2)
			sched_yield();
	}
	return NULL;
}

/*
 * An event loop that waits for the descriptor, level-triggered or edge-triggered
 * (then it reads until there is nothing), gets every packet.
 */
static void epoll_loop(uint32_t events)
{
	pcap_t *p = open_nonblocking();
	struct got got = { .p = p };
	struct epoll_event event = { .events = EPOLLIN | events };
	struct pairs pairs = { .total = 10000 };
	int fd = epoll_create1(EPOLL_CLOEXEC), n;
	pthread_t thread;

	SAME("epoll_ctl", 0,
	     epoll_ctl(fd, EPOLL_CTL_ADD, pcap_get_selectable_fd(p), &event));
	SAME("pthread_create", 0,
	     pthread_create(&thread, NULL, run_pairs, &pairs));
	while (got.n < pairs.total) {
		n = epoll_wait(fd, &event, 1, PATIENCE);
		CHECK(n == 1, "no event after %u packets; received %u", got.n,
		      received(p));
		do {
			n = dispatch(&got, 3);
			CHECK(n >= 0, "pcap_dispatch: %s", pcap_geterr(p));
			pairs.read = got.n;
		} while (n > 0 && events & EPOLLET);
	}
	pthread_join(thread, NULL);
	check_sequence(&got, 0, 0, pairs.total);
	SAME("event without a packet", 0, epoll_wait(fd, &event, 1, 50));
	close(fd);
	free_packets(&got);
	close_capture(p);
}

static void epoll_level_triggered(void)
{
	epoll_loop(0);
}

static void epoll_edge_triggered(void)
{
	epoll_loop(EPOLLET);
}

/* As dumpcap does: select(), then a read that is allowed to block. */
static void select_before_blocking_read(void)
{
	pcap_t *p = open_capture(&(struct capture){ .timeout = 250 });
	struct got got = { .p = p };
	struct flow flow = {
		.frame = { .port = PORT_DROP, .kind = KIND_A, .size = 60 },
		.total = 60,
		.burst = 20,
		.pause_us = 400000,
		.cpu = -1,
	};
	const int fd = pcap_get_selectable_fd(p);
	const long long end = now_ms() + PATIENCE;
	int n, idle = 0;

	map_memory(&flow.memory);
	start_flow(&flow);
	while (got.n < flow.total) {
		struct timeval timeout = { .tv_usec = 50000 };
		fd_set set;

		CHECK(now_ms() < end, "%u packets in %d ms", got.n, PATIENCE);
		FD_ZERO(&set);
		FD_SET(fd, &set);
		n = select(fd + 1, &set, NULL, NULL, &timeout);
		CHECK(n >= 0, "select: %s", strerror(errno));
		idle += n == 0;
		if (n > 0)
			CHECK(dispatch(&got, 7) > 0,
			      "nothing to read after select: %s", pcap_geterr(p));
	}
	end_flow(&flow);
	check_sequence(&got, 0, 0, flow.total);
	CHECK(idle > 0, "the descriptor was always readable");
	free_packets(&got);
	close_capture(p);
}

/*
 * The packet buffer timeout
 */

/* One packet is delivered when the timeout has passed, not before. */
static void timeout_with_one_packet(void)
{
	pcap_t *p = open_capture(&(struct capture){ .timeout = 500 });
	struct got got = { .p = p };
	long long elapsed;
	const long long start = now_ms();

	send_drops(0, 1);
	RETURNS(p, 1, dispatch(&got, -1));
	elapsed = now_ms() - start;
	CHECK(elapsed >= 499, "delivered after %lld ms", elapsed);
	CHECK(elapsed < PATIENCE, "delivered after %lld ms", elapsed);
	free_packets(&got);
	close_capture(p);
}

/* Packets within the timeout come together. */
static void timeout_gathers_packets(void)
{
	pcap_t *p = open_capture(&(struct capture){ .timeout = 4000 });
	struct got got = { .p = p };
	struct flow flow = {
		.frame = { .port = PORT_DROP, .kind = KIND_A, .size = 60 },
		.total = 5,
		.burst = 1,
		.pause_us = 30000,
		.cpu = -1,
	};

	start_flow(&flow);
	RETURNS(p, 5, dispatch(&got, -1));
	end_flow(&flow);
	check_sequence(&got, 0, 0, 5);
	free_packets(&got);
	close_capture(p);
}

/* A buffer that fills up is delivered before the timeout. */
static void full_buffer_ends_timeout(void)
{
	pcap_t *p = open_capture(
		&(struct capture){ .timeout = 600000, .buffer_size = 1 });
	struct got got = { .p = p };
	struct flow flow = {
		.frame = { .port = PORT_DROP, .kind = KIND_A, .size = 1000 },
		.total = 1000000,
		.burst = 10,
		.pause_us = 100,
		.cpu = -1,
	};
	const long long start = now_ms();

	map_memory(&flow.memory);
	start_flow(&flow);
	CHECK(dispatch(&got, -1) > 0, "pcap_dispatch: %s", pcap_geterr(p));
	CHECK(now_ms() - start < PATIENCE, "delivered after %lld ms",
	      now_ms() - start);
	CHECK(got.n >= flow.memory.ring_size / 8 / 1100,
	      "only %u packets were gathered", got.n);
	end_flow(&flow);
	free_packets(&got);
	close_capture(p);
}

/* Without a timeout, packets come all the same, and 0 is never returned. */
static void timeout_of_zero(void)
{
	pcap_t *p = create("@drop");
	struct got got = { .p = p };
	struct flow flow = {
		.frame = { .port = PORT_DROP, .kind = KIND_B, .size = 60 },
		.total = 5,
		.burst = 1,
		.pause_us = 20000,
		.cpu = -1,
	};

	RETURNS(p, 0, pcap_set_timeout(p, 0));
	RETURNS(p, 0, pcap_activate(p));
	send_drops(0, 1);
	RETURNS(p, 1, dispatch(&got, -1));

	/* also if all that came was filtered out in userland */
	set_filter(p, "ip protochain 17 and src port 1000");
	start_flow(&flow);
	pthread_join(flow.thread, NULL);
	wait_received(p, 6);
	flow.frame = (struct frame){
		.port = PORT_DROP, .kind = KIND_A, .seq = 1, .size = 60
	};
	flow.total = 1;
	/* when the others have been read */
	flow.delay_ms = 300;
	start_flow(&flow);
	RETURNS(p, 1, dispatch(&got, -1));
	end_flow(&flow);
	check_sequence(&got, 0, 0, 2);
	free_packets(&got);
	close_capture(p);
}

static void immediate_mode(void)
{
	pcap_t *p = open_capture(
		&(struct capture){ .timeout = 600000, .immediate = true });
	struct got got = { .p = p };
	long long start, elapsed, best = PATIENCE * NS_PER_MS;

	for (uint32_t i = 0; i < 50; i++) {
		start = now(CLOCK_MONOTONIC);
		send_drops(i, 1);
		RETURNS(p, 1, dispatch(&got, -1));
		elapsed = now(CLOCK_MONOTONIC) - start;
		if (elapsed < best)
			best = elapsed;
		sleep_ms(i % 4);
	}
	check_sequence(&got, 0, 0, 50);
	/* the quickest, since the machine may be busy with something else */
	CHECK(best < 20 * NS_PER_MS, "delivered after %lld ns at best", best);
	free_packets(&got);
	close_capture(p);
}

const struct test wait_tests[] = {
	TEST(set_nonblock),
	TEST(poll_selectable_fd),
	TEST(poll_after_activate),
	TEST(poll_after_blocking_read),
	TEST(epoll_level_triggered),
	TEST(epoll_edge_triggered),
	TEST(select_before_blocking_read),
	TEST(timeout_with_one_packet),
	TEST(timeout_gathers_packets),
	TEST(full_buffer_ends_timeout),
	TEST(timeout_of_zero),
	TEST(immediate_mode),
	{ NULL, NULL },
};
