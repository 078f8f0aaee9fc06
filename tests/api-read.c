// SPDX-License-Identifier: BSD-3-Clause
/* Tests of the API: reading packets, and being told to stop. */
#include "api.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/*
 * Reading
 */

/* Whether the address lies in memory that is shared with eBPF programs. */
static bool in_map(const void *address)
{
	unsigned long start, end;
	char line[512];
	bool found = false;
	FILE *file = fopen("/proc/self/maps", "re");

	CHECK(file, "/proc/self/maps: %s", strerror(errno));
	while (!found && fgets(line, sizeof(line), file))
		found = sscanf(line, "%lx-%lx", &start, &end) == 2 &&
			(unsigned long)address >= start &&
			(unsigned long)address < end && strstr(line, "bpf-map");
	fclose(file);
	return found;
}

/*
 * Without a copy, and yet the application's until its next call: also when more
 * comes than the ring has room for.
 */
static void next_ex_packet_stays(void)
{
	pcap_t *p = open_capture(&(struct capture){ .buffer_size = 1 });
	struct frame frame = {
		.port = PORT_DROP, .kind = KIND_A, .seq = 1, .size = FRAME_MAX
	};
	struct capture_memory memory;
	struct pcap_pkthdr *header;
	struct pcap_stat stat;
	const u_char *data;

	use_cpu(first_cpu());
	map_memory(&memory);
	send_frames(&frame, 1, &memory);
	RETURNS(p, 1, pcap_next_ex(p, &header, &data));
	CHECK(in_map(data), "the packet is a copy");
	/* small ones, which would use the last byte of its room */
	frame.seq = 2;
	frame.size = 60;
	send_frames(&frame, memory.ring_size / 60, &memory);
	RETURNS(p, 0, pcap_stats(p, &stat));
	CHECK(stat.ps_drop > 0, "the ring did not overflow");
	check_packet(header, data, &frame);
	SAME("packet's number", 1, frame.seq);
	SAME("caplen", FRAME_MAX, header->caplen);

	RETURNS(p, 1, pcap_next_ex(p, &header, &data));
	check_packet(header, data, &frame);
	SAME("packet's number", 2, frame.seq);
	capture_unmap(&memory);
	close_capture(p);
}

static void next_packet_stays(void)
{
	pcap_t *p = open_drops();
	struct pcap_pkthdr header;
	const u_char *data;
	struct frame frame;

	send_drops(1, 1);
	data = pcap_next(p, &header);
	CHECK(data, "pcap_next: %s", pcap_geterr(p));
	send_drops(2, 100);
	wait_received(p, 101);
	check_packet(&header, data, &frame);
	SAME("packet's number", 1, frame.seq);
	for (uint32_t i = 2; i <= 101; i++) {
		data = pcap_next(p, &header);
		CHECK(data, "pcap_next: %s", pcap_geterr(p));
		check_packet(&header, data, &frame);
		SAME("packet's number", i, frame.seq);
	}
	close_capture(p);
}

static void next_ex_without_packets(void)
{
	pcap_t *p = open_nonblocking();
	struct pcap_pkthdr *header, oneshot;
	const u_char *data;

	RETURNS(p, 0, pcap_next_ex(p, &header, &data));
	CHECK(!pcap_next(p, &oneshot), "pcap_next returned a packet");
	check_works(p);
	close_capture(p);
}

static void dispatch_counts(void)
{
	pcap_t *p = open_drops();
	struct got got = { .p = p };

	send_drops(0, 20);
	wait_received(p, 20);
	RETURNS(p, 1, dispatch(&got, 1));
	RETURNS(p, 3, dispatch(&got, 3));
	RETURNS(p, 16, dispatch(&got, -1));
	check_sequence(&got, 0, 0, 20);

	send_drops(20, 10);
	wait_received(p, 30);
	RETURNS(p, 10, dispatch(&got, 0));
	send_drops(30, 10);
	wait_received(p, 40);
	RETURNS(p, 10, dispatch(&got, 1000));
	check_sequence(&got, 0, 0, 40);
	free_packets(&got);
	close_capture(p);
}

static void loop_count(void)
{
	pcap_t *p = open_drops();
	struct got got = { .p = p };

	send_drops(0, 3);
	wait_received(p, 3);
	send_drops(3, 7);
	RETURNS(p, 0, pcap_loop(p, 5, add_packet, (u_char *)&got));
	check_sequence(&got, 0, 0, 5);
	RETURNS(p, 0, pcap_loop(p, 5, add_packet, (u_char *)&got));
	check_sequence(&got, 0, 0, 10);
	free_packets(&got);
	close_capture(p);
}

/*
 * Breaking the loop
 */

struct breaker {
	pcap_t *p;
	pthread_t victim;
	long delay_us;
	int signal; /* 0: pcap_breakloop(p) */
};

static void *break_later(void *arg)
{
	const struct breaker *breaker = arg;
	const struct timespec delay = { .tv_nsec = breaker->delay_us * 1000 };

	nanosleep(&delay, NULL);
	if (breaker->signal)
		pthread_kill(breaker->victim, breaker->signal);
	else
		pcap_breakloop(breaker->p);
	return NULL;
}

/* Break loops that wait for packets, at all stages of beginning to wait. */
static void break_idle_loops(pcap_t *p, int signal)
{
	struct got got = { .p = p };
	pthread_t thread;

	for (int i = 0; i < 200; i++) {
		struct breaker breaker = {
			.p = p,
			.victim = pthread_self(),
			/* the first few while it surely sleeps */
			.delay_us = i < 5 ? 100000 : i * 3,
			.signal = signal,
		};

		SAME("pthread_create", 0,
		     pthread_create(&thread, NULL, break_later, &breaker));
		if (i % 2)
			RETURNS(p, PCAP_ERROR_BREAK, dispatch(&got, -1));
		else
			RETURNS(p, PCAP_ERROR_BREAK,
				pcap_loop(p, -1, add_packet, (u_char *)&got));
		pthread_join(thread, NULL);
	}
	SAME("packets read", 0, got.n);
	check_works(p);
}

/*
 * A read that waits uses no processor time, also if the break before was seen at
 * any moment of being made.
 */
static void waiting_takes_no_time(void)
{
	char err[PCAP_ERRBUF_SIZE];
	pcap_t *p = open_drops();
	struct breaker breaker = { .p = p };
	struct got got = { .p = p };
	pthread_t thread;
	long long used;
	int ret;

	for (int i = 0; i < 100; i++) {
		RETURNS(p, 0, pcap_setnonblock(p, 1, err));
		breaker.delay_us = 50;
		SAME("pthread_create", 0,
		     pthread_create(&thread, NULL, break_later, &breaker));
		do
			ret = dispatch(&got, -1);
		while (ret == 0);
		SAME("pcap_dispatch", PCAP_ERROR_BREAK, ret);
		pthread_join(thread, NULL);

		RETURNS(p, 0, pcap_setnonblock(p, 0, err));
		breaker.delay_us = 10000;
		SAME("pthread_create", 0,
		     pthread_create(&thread, NULL, break_later, &breaker));
		used = now(CLOCK_THREAD_CPUTIME_ID);
		RETURNS(p, PCAP_ERROR_BREAK, dispatch(&got, -1));
		used = now(CLOCK_THREAD_CPUTIME_ID) - used;
		pthread_join(thread, NULL);
		CHECK(used < 5 * NS_PER_MS,
		      "round %d: waiting 10 ms took %lld ns of a CPU", i, used);
	}
	close_capture(p);
}

static void breakloop_from_thread(void)
{
	pcap_t *p = open_capture(
		&(struct capture){ .timeout = 60000, .immediate = true });

	break_idle_loops(p, 0);
	close_capture(p);

	/* while it waits for more packets, with one in the ring */
	p = open_capture(&(struct capture){ .timeout = 60000 });
	struct breaker breaker = { .p = p, .delay_us = 200000 };
	struct got got = { .p = p };
	pthread_t thread;

	send_drops(0, 1);
	wait_received(p, 1);
	SAME("pthread_create", 0,
	     pthread_create(&thread, NULL, break_later, &breaker));
	RETURNS(p, PCAP_ERROR_BREAK, dispatch(&got, -1));
	pthread_join(thread, NULL);
	SAME("packets read", 0, got.n);
	close_capture(p);
}

static pcap_t *signalled;

static void break_signalled(int signal)
{
	(void)signal;
	pcap_breakloop(signalled);
}

static void do_nothing(int signal)
{
	(void)signal;
}

static void breakloop_from_signal_handler(void)
{
	struct sigaction action = { .sa_handler = break_signalled };
	pcap_t *p = open_drops();

	signalled = p;
	sigaction(SIGUSR1, &action, NULL);
	break_idle_loops(p, SIGUSR1);
	/* it also wakes if the system call is restarted */
	action.sa_flags = SA_RESTART;
	sigaction(SIGUSR1, &action, NULL);
	break_idle_loops(p, SIGUSR1);
	close_capture(p);
}

/* A signal whose handler does not break does not end the read. */
static void signal_without_break(void)
{
	const struct sigaction action = { .sa_handler = do_nothing };
	pcap_t *p = open_drops();
	struct breaker breaker = { .victim = pthread_self(),
				   .signal = SIGUSR1,
				   .delay_us = 100000 };
	struct breaker end = { .p = p, .delay_us = 300000 };
	struct got got = { .p = p };
	pthread_t threads[2];

	sigaction(SIGUSR1, &action, NULL);
	pthread_create(&threads[0], NULL, break_later, &breaker);
	pthread_create(&threads[1], NULL, break_later, &end);
	RETURNS(p, PCAP_ERROR_BREAK, dispatch(&got, -1));
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	check_works(p);
	close_capture(p);
}

static void breakloop_from_callback(void)
{
	pcap_t *p = open_drops();
	struct got got = { .p = p, .break_after = 3 };

	send_drops(0, 10);
	wait_received(p, 10);
	RETURNS(p, 3, dispatch(&got, -1));
	RETURNS(p, PCAP_ERROR_BREAK, dispatch(&got, -1));
	RETURNS(p, 7, dispatch(&got, -1));
	check_sequence(&got, 0, 0, 10);

	got.break_after = 13;
	send_drops(10, 10);
	wait_received(p, 20);
	RETURNS(p, PCAP_ERROR_BREAK,
		pcap_loop(p, -1, add_packet, (u_char *)&got));
	SAME("packets read", 13, got.n);
	RETURNS(p, 7, dispatch(&got, -1));
	check_sequence(&got, 0, 0, 20);
	free_packets(&got);
	close_capture(p);
}

static void breakloop_before_read(void)
{
	char err[PCAP_ERRBUF_SIZE];
	pcap_t *p = open_drops();
	struct got got = { .p = p };

	for (int nonblock = 0; nonblock < 2; nonblock++) {
		RETURNS(p, 0, pcap_setnonblock(p, nonblock, err));
		pcap_breakloop(p);
		pcap_breakloop(p);
		RETURNS(p, PCAP_ERROR_BREAK, dispatch(&got, -1));
		send_drops(nonblock, 1);
		wait_received(p, nonblock + 1);
		RETURNS(p, 1, dispatch(&got, -1));
	}
	check_sequence(&got, 0, 0, 2);
	free_packets(&got);
	close_capture(p);
}

const struct test read_tests[] = {
	TEST(next_ex_packet_stays),
	TEST(next_packet_stays),
	TEST(next_ex_without_packets),
	TEST(dispatch_counts),
	TEST(loop_count),
	TEST(breakloop_from_thread),
	TEST(breakloop_from_signal_handler),
	TEST(waiting_takes_no_time),
	TEST(signal_without_break),
	TEST(breakloop_from_callback),
	TEST(breakloop_before_read),
	{ NULL, NULL },
};
