// SPDX-License-Identifier: BSD-3-Clause
/* Tests of the API: what is known of a packet, and of those that there was no room for. */
#include "api.h"

#include <dlfcn.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timex.h>
#include <unistd.h>

/*
 * The buffer and the statistics
 */

/* What was captured and what was dropped is what was sent, exactly. */
static void stats_of_an_overflow(void)
{
	static const unsigned int sent = 3000;
	pcap_t *p = open_capture(&(struct capture){ .buffer_size = 1 });
	struct got got = { .p = p };
	struct capture_memory memory;
	struct pcap_stat stat;

	map_memory(&memory);
	RETURNS(p, 0, pcap_stats(p, &stat));
	SAME("ps_recv at the beginning", 0, stat.ps_recv);
	SAME("ps_drop at the beginning", 0, stat.ps_drop);
	set_filter(p, "src port 1000");
	send_frames(&(struct frame){ .port = PORT_DROP,
				     .kind = KIND_B,
				     .size = 100 },
		    100, &memory);
	send_frames(&(struct frame){ .port = PORT_DROP,
				     .kind = KIND_A,
				     .size = FRAME_MAX },
		    sent, &memory);
	RETURNS(p, 0, pcap_stats(p, &stat));
	SAME("ps_recv", sent, stat.ps_recv);
	CHECK(stat.ps_drop > 0 && stat.ps_drop < sent, "ps_drop is %u",
	      stat.ps_drop);
	SAME("ps_ifdrop", 0, stat.ps_ifdrop);
	read_packets(&got, sent - stat.ps_drop);

	/* there is room again, and reading has changed nothing */
	send_frames(&(struct frame){ .port = PORT_DROP,
				     .kind = KIND_A,
				     .seq = sent,
				     .size = 60 },
		    10, &memory);
	read_packets(&got, sent + 10 - stat.ps_drop);
	SAME("packet's number", sent + 9, got.packets[got.n - 1].frame.seq);
	SAME("ps_recv at the end", sent + 10, received(p));
	capture_unmap(&memory);
	free_packets(&got);
	close_capture(p);
}

static void buffer_size(void)
{
	/* fits into what is asked for, on one CPU, not into the default */
	static const unsigned int sent = 24 * 1024 * 1024 / FRAME_MAX;
	struct capture_memory memory;
	struct got got = { 0 };
	struct pcap_stat stat;
	cpu_set_t cpus;
	int drops[2];
	pcap_t *p;

	sched_getaffinity(0, sizeof(cpus), &cpus);
	use_cpu(first_cpu());
	for (int large = 0; large < 2; large++) {
		p = create("@drop");
		if (large)
			RETURNS(p, 0,
				pcap_set_buffer_size(
					p, (int)sysconf(_SC_NPROCESSORS_CONF) *
						   32 * 1024 * 1024));
		RETURNS(p, 0, pcap_activate(p));
		got.p = p;
		map_memory(&memory);
		send_frames(&(struct frame){ .port = PORT_DROP,
					     .kind = KIND_A,
					     .size = FRAME_MAX },
			    sent, &memory);
		RETURNS(p, 0, pcap_stats(p, &stat));
		drops[large] = (int)stat.ps_drop;
		read_packets(&got, sent - stat.ps_drop);
		free_packets(&got);
		capture_unmap(&memory);
		close_capture(p);
	}
	sched_setaffinity(0, sizeof(cpus), &cpus);
	CHECK(drops[0] > 0, "%u packets fitted into the default buffer", sent);
	SAME("drops with the large buffer", 0, drops[1]);
}

static void buffer_too_large(void)
{
	const long limit = sysconf(_SC_NPROCESSORS_ONLN) * 512L * 1024 * 1024;
	pcap_t *p = create("@drop");

	if (limit >= 0x7fffffff) {
		pcap_close(p);
		return;
	}
	RETURNS(p, 0, pcap_set_buffer_size(p, 0x7fffffff));
	RETURNS(p, PCAP_ERROR, pcap_activate(p));
	CONTAINS("error message", "buffer of 2147483647 bytes", pcap_geterr(p));
	CONTAINS("error message", "too large", pcap_geterr(p));
	SAME("slots in use", 0, hook_used(pin));
	RETURNS(p, 0, pcap_set_buffer_size(p, 1024 * 1024));
	RETURNS(p, 0, pcap_set_timeout(p, 10));
	RETURNS(p, 0, pcap_activate(p));
	check_works(p);
	close_capture(p);
}

/*
 * Lengths
 */

/* One frame of every length is read with that caplen, or whole if it is shorter. */
static void check_caplen(pcap_t *p, uint32_t caplen)
{
	static const uint32_t sizes[] = { 60,  63,  64,  65,       100,
					  128, 129, 999, FRAME_MAX };
	enum { N = sizeof(sizes) / sizeof(sizes[0]) };
	struct got got = { .p = p };

	for (uint32_t i = 0; i < N; i++)
		send_frames(&(struct frame){ .port = PORT_DROP,
					     .kind = KIND_A,
					     .seq = i,
					     .size = sizes[i] },
			    1, NULL);
	read_packets(&got, N);
	for (uint32_t i = 0; i < N; i++) {
		SAME("len", sizes[i], got.packets[i].frame.size);
		SAME("caplen", caplen < sizes[i] ? caplen : sizes[i],
		     got.packets[i].caplen);
	}
	free_packets(&got);
}

static void snapshot_length(void)
{
	static const int lengths[] = { 64, 38, 65535, FRAME_MAX - 1 };
	pcap_t *p;

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		p = open_capture(&(struct capture){ .snaplen = lengths[i] });
		SAME("pcap_snapshot", lengths[i], pcap_snapshot(p));
		check_caplen(p, lengths[i]);
		close_capture(p);
	}
	/* not set, or more than there can be: all of the packet */
	p = open_capture(&(struct capture){ .snaplen = 1 << 20 });
	check_caplen(p, FRAME_MAX);
	close_capture(p);
}

/* What is not delivered is not copied either. */
static void snapshot_in_kernel(void)
{
	pcap_t *p = open_capture(&(struct capture){ .snaplen = 64 });
	struct capture_memory memory;
	struct got got = { .p = p };

	map_memory(&memory);
	for (uint32_t i = 0; i < 2; i++) {
		send_drops(i, 1);
		wait_received(p, i + 1);
		SAME("record's caplen", 64, first_record(&memory)->caplen);
		read_packets(&got, i + 1);
		set_filter(p, "udp");
	}
	capture_unmap(&memory);
	free_packets(&got);
	close_capture(p);
}

static void filter_returns_length(void)
{
	pcap_t *p = open_drops();

	set_return(p, 40);
	check_caplen(p, 40);
	set_return(p, 0xffffffff);
	check_caplen(p, FRAME_MAX);
	close_capture(p);

	p = open_capture(&(struct capture){ .snaplen = 64 });
	set_return(p, 100);
	check_caplen(p, 64);
	set_return(p, 42);
	check_caplen(p, 42);
	close_capture(p);
}

/* The same from packets that were captured before the filter was set. */
static void filter_returns_length_in_userland(void)
{
	pcap_t *p = open_drops();
	struct got got = { .p = p };

	send_drops(0, 5);
	wait_received(p, 5);
	set_return(p, 40);
	read_packets(&got, 5);
	for (int i = 0; i < 5; i++) {
		SAME("caplen", 40, got.packets[i].caplen);
		SAME("len", 100, got.packets[i].frame.size);
	}
	free_packets(&got);
	close_capture(p);
}

/* A filter in userland sees all of the packet, not only the snapshot. */
static void userland_filter_beyond_snapshot(void)
{
	pcap_t *p = open_capture(&(struct capture){ .snaplen = 64 });
	/* compiled for another, so that it does not return this snapshot length */
	pcap_t *dead = pcap_open_dead(DLT_EN10MB, 65535);
	struct frame frame = { .port = PORT_DROP, .kind = KIND_A, .size = 200 };
	struct bpf_program program;
	char filter[100];
	uint8_t bytes[FRAME_MAX];
	struct got got = { .p = p };

	frame_fill(&frame, bytes);
	snprintf(filter, sizeof(filter),
		 "ip protochain 17 and ether[150] = %u and ether[151] = %u",
		 bytes[150], bytes[151]);
	RETURNS(dead, 0, pcap_compile(dead, &program, filter, 1, 0));
	RETURNS(p, 0, pcap_setfilter(p, &program));
	send_frames(&frame, 1, NULL);
	read_packets(&got, 1);
	SAME("caplen", 64, got.packets[0].caplen);
	SAME("len", 200, got.packets[0].frame.size);
	pcap_freecode(&program);
	pcap_close(dead);
	free_packets(&got);
	close_capture(p);
}

/*
 * Time
 */

/*
 * The clock that timestamps are of is read without a lock and may be a little
 * off, ns.
 */
#define CLOCK_SLACK 50000

/* As low as a precision can be: a tick of HZ = 100, ns. */
#define TICK 10000000

static void check_times(int precision, int type)
{
	const long long unit = precision == PCAP_TSTAMP_PRECISION_NANO ? 1 : 1000;
	const long long coarse = type == PCAP_TSTAMP_HOST_LOWPREC ? TICK : 0;
	pcap_t *p = open_capture(&(struct capture){ .precision = precision,
						    .tstamp_type = type });
	struct got got = { .p = p };
	long long before, after, ts;
	int odd = 0;

	SAME("precision", precision, pcap_get_tstamp_precision(p));
	for (uint32_t i = 0; i < 20; i++) {
		before = now(CLOCK_REALTIME);
		send_drops(i, 1);
		wait_received(p, i + 1);
		after = now(CLOCK_REALTIME);
		read_packets(&got, i + 1);
		ts = got.packets[i].ts / NS_PER_S * NS_PER_S +
		     got.packets[i].ts % NS_PER_S * unit;
		CHECK(ts >= before - unit - CLOCK_SLACK - coarse &&
			      ts <= after + CLOCK_SLACK,
		      "packet %u: %lld, sent at %lld, received by %lld", i, ts,
		      before, after);
		/* of one tick, it is the same */
		CHECK(!i || got.packets[i].ts > got.packets[i - 1].ts - !!coarse,
		      "packet %u is not later than the one before", i);
		CHECK(got.packets[i].ts % NS_PER_S < NS_PER_S / unit,
		      "packet %u: fraction %lld", i,
		      got.packets[i].ts % NS_PER_S);
		odd += got.packets[i].ts % 1000 != 0;
	}
	CHECK(odd > 0, "all timestamps are multiples of 1000");
	free_packets(&got);
	close_capture(p);
}

static void timestamps_in_microseconds(void)
{
	check_times(PCAP_TSTAMP_PRECISION_MICRO, PCAP_TSTAMP_HOST);
}

static void timestamps_in_nanoseconds(void)
{
	check_times(PCAP_TSTAMP_PRECISION_NANO, PCAP_TSTAMP_HOST);
}

static void timestamps_of_each_type(void)
{
	static const int types[] = {
		PCAP_TSTAMP_HOST,
		PCAP_TSTAMP_HOST_LOWPREC,
		PCAP_TSTAMP_HOST_HIPREC,
		PCAP_TSTAMP_HOST_HIPREC_UNSYNCED,
	};
	const int n = sizeof(types) / sizeof(types[0]);
	pcap_t *p = create("@drop");
	int *list;

	SAME("number of types", n, pcap_list_tstamp_types(p, &list));
	for (int i = 0; i < n; i++)
		SAME("type", types[i], list[i]);
	pcap_free_tstamp_types(list);
	RETURNS(p, PCAP_WARNING_TSTAMP_TYPE_NOTSUP,
		pcap_set_tstamp_type(p, PCAP_TSTAMP_ADAPTER));
	pcap_close(p);
	for (int i = 0; i < n; i++)
		check_times(PCAP_TSTAMP_PRECISION_NANO, types[i]);
}

/* The same for packets that come in one tick. */
static void low_precision_is_of_the_tick(void)
{
	pcap_t *p = open_capture(&(struct capture){
		.precision = PCAP_TSTAMP_PRECISION_NANO,
		.tstamp_type = PCAP_TSTAMP_HOST_LOWPREC,
	});
	struct got got = { .p = p };
	long long time = now(CLOCK_MONOTONIC);
	unsigned int different = 1;

	send_drops(0, 200);
	wait_received(p, 200);
	time = now(CLOCK_MONOTONIC) - time;
	read_packets(&got, 200);
	check_sequence(&got, 0, 0, 200);
	/* but for the offset to the wall clock, which each batch looks up */
	for (unsigned int i = 1; i < got.n; i++)
		different += got.packets[i].ts - got.packets[i - 1].ts > 500000;
	/* no tick is shorter than 1 ms */
	CHECK(different <= time / NS_PER_MS + 2,
	      "%u different times of 200 packets in %lld ms", different,
	      time / NS_PER_MS);
	CHECK(different < 100, "%u different times of 200 packets", different);
	free_packets(&got);
	close_capture(p);
}

/* How often yet to keep the process from running while it looks at the wall clock. */
static int delays;

/* In place of the C library's, for libpcap as well. */
/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name) */
int clock_gettime(clockid_t clock, struct timespec *ts)
{
	static int (*next)(clockid_t, struct timespec *);
	const bool delayed = clock == CLOCK_REALTIME && delays > 0;
	int ret;

	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "clock_gettime");
	if (delayed) {
		delays--;
		sleep_ms(20);
	}
	ret = next(clock, ts);
	if (delayed)
		sleep_ms(20);
	return ret;
}

/* The offset between the clocks is right all the same. */
static void timestamps_when_others_run(void)
{
	delays = 3;
	check_times(PCAP_TSTAMP_PRECISION_NANO, PCAP_TSTAMP_HOST_HIPREC_UNSYNCED);
	delays = 3;
	check_times(PCAP_TSTAMP_PRECISION_NANO, PCAP_TSTAMP_HOST_LOWPREC);
}

/*
 * The kernel's clock for timestamps counts leap seconds, how many is known once
 * the time has been set from the network: with the number of today, also where
 * that is not done. No clock is changed by it but CLOCK_TAI.
 */
static int tai_offset;

static void restore_tai_offset(void)
{
	struct timex timex = { .modes = ADJ_TAI, .constant = tai_offset };

	adjtimex(&timex);
}

static void timestamps_with_leap_seconds(void)
{
	struct timex timex = { 0 };

	CHECK(adjtimex(&timex) >= 0, "adjtimex: %s", strerror(errno));
	tai_offset = timex.tai;
	atexit(restore_tai_offset);
	timex = (struct timex){ .modes = ADJ_TAI, .constant = 37 };
	CHECK(adjtimex(&timex) >= 0, "adjtimex: %s", strerror(errno));
	check_times(PCAP_TSTAMP_PRECISION_NANO, PCAP_TSTAMP_HOST);
}

/*
 * Packets of several CPUs come sorted by time, but for what may happen between
 * looking at one ring and at the next; and those of one sender in order.
 */
static void timestamps_in_order(void)
{
	static const unsigned int total = 4000;
	pcap_t *p = open_capture(&(struct capture){
		.precision = PCAP_TSTAMP_PRECISION_NANO,
		.immediate = true,
	});
	struct flow flows[2];
	struct got got = { .p = p };
	uint32_t next[2] = { 0, 0 };
	const int cpu = first_cpu();
	cpu_set_t cpus;

	sched_getaffinity(0, sizeof(cpus), &cpus);
	for (int i = 0; i < 2; i++) {
		flows[i] = (struct flow){
			.frame = { .port = PORT_DROP,
				   .kind = KIND_A + i,
				   .size = 60 },
			.total = total,
			.burst = 8,
			.pause_us = 50,
			.cpu = CPU_ISSET(cpu + i, &cpus) ? cpu + i : cpu,
		};
		start_flow(&flows[i]);
	}
	read_packets(&got, 2 * total);
	end_flow(&flows[0]);
	end_flow(&flows[1]);
	for (unsigned int i = 0; i < got.n; i++) {
		const struct packet *packet = &got.packets[i];

		SAME("packet's number", next[packet->frame.kind - KIND_A]++,
		     packet->frame.seq);
		CHECK(!i || packet->ts > packet[-1].ts - 5 * NS_PER_MS,
		      "packet %u is %lld ns earlier than the one before", i,
		      packet[-1].ts - packet->ts);
	}
	free_packets(&got);
	close_capture(p);
}

const struct test packet_tests[] = {
	TEST(stats_of_an_overflow),
	TEST(buffer_size),
	TEST(buffer_too_large),
	TEST(snapshot_length),
	TEST(snapshot_in_kernel),
	TEST(filter_returns_length),
	TEST(filter_returns_length_in_userland),
	TEST(userland_filter_beyond_snapshot),
	TEST(timestamps_in_microseconds),
	TEST(timestamps_in_nanoseconds),
	TEST(timestamps_of_each_type),
	TEST(low_precision_is_of_the_tick),
	TEST(timestamps_when_others_run),
	TEST(timestamps_with_leap_seconds),
	TEST(timestamps_in_order),
	{ NULL, NULL },
};
