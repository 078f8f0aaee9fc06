/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the tests of the API have in common: checking, captures with this test
 * run's hook, packets that are sent to it and compared when they come back. All
 * of it ends the process when something is not as it should be.
 */
#ifndef API_H
#define API_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <pthread.h>

#include <pcap/pcap.h>

#include "api-hook.h"
#include "api-traffic.h"
#include "clock.h"

/* Slots of the hook. */
#define SLOT_DROP 1
#define SLOT_PASS 2
#define SLOT_TX   3

/* How long anything may take that does not take long, ms. */
#define PATIENCE 20000

/* Source ports, to tell frames apart by. */
#define KIND_A 1000
#define KIND_B 1001

/* The tests of a file, ended by one without a name. */
struct test {
	const char *name;
	void (*run)(void);
};

#define TEST(name)          \
	{                   \
#name, name \
	}

extern const struct test open_tests[], read_tests[], wait_tests[],
	packet_tests[], details_tests[], filter_tests[], linktype_tests[],
	process_tests[], failure_tests[];

/* What the tests run with. */
extern const char *pin;  /* the hook's */
extern int hook_ifindex; /* of the interface with the XDP program */

/*
 * Checking
 */

/* Say where and what, and exit. */
_Noreturn void fail(const char *file, int line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#define FAIL(...) fail(__FILE__, __LINE__, __VA_ARGS__)

#define CHECK(condition, ...)              \
	do {                               \
		if (!(condition))          \
			FAIL(__VA_ARGS__); \
	} while (0)

/* Compare integers. */
#define SAME(what, expected, got)                                            \
	do {                                                                 \
		const long long expected_ = (expected), got_ = (got);        \
                                                                             \
		if (expected_ != got_)                                       \
			FAIL("%s: expected %lld, got %lld", what, expected_, \
			     got_);                                          \
	} while (0)

/* Compare what a pcap_ function returned; shows the error if it is another. */
#define RETURNS(p, expected, call)                                             \
	do {                                                                   \
		const int expected_ = (expected), got_ = (call);               \
                                                                               \
		if (expected_ != got_)                                         \
			FAIL("%s: expected %d, got %d (%s)", #call, expected_, \
			     got_, pcap_geterr(p));                            \
	} while (0)

#define CONTAINS(what, part, string)                                       \
	CHECK(strstr(string, part), "%s: no \"%s\" in \"%s\"", what, part, \
	      string)

/* Wait until a condition is true. */
#define WAIT_FOR(what, condition)                                            \
	do {                                                                 \
		const long long end_ = now_ms() + PATIENCE;                  \
                                                                             \
		while (!(condition)) {                                       \
			CHECK(now_ms() < end_, "%s: not within %d ms", what, \
			      PATIENCE);                                     \
			sleep_ms(1);                                         \
		}                                                            \
	} while (0)

long long now_ms(void); /* CLOCK_MONOTONIC */
void sleep_ms(long long ms);

/* Run the thread on a CPU; the first that it may run on. */
void use_cpu(int cpu);
int first_cpu(void);

/*
 * Captures
 */

/* Zero is what a program gets that does not ask. */
struct capture {
	const char *actions; /* with the '@'; NULL: "@drop" */
	int snaplen;
	int timeout; /* ms; 0: 10 */
	bool immediate;
	int buffer_size; /* bytes */
	int precision;
	int tstamp_type;
};

/* The hook's device name with these actions; overwritten by the next call. */
const char *device(const char *actions);

/* Not activated; activated; one of drops with nothing special about it. */
pcap_t *create(const char *actions);
pcap_t *open_capture(const struct capture *c);
pcap_t *open_drops(void);
pcap_t *open_nonblocking(void);

/* Close it, and the hook is empty. */
void close_capture(pcap_t *p);

/* The memory of the capture of drops, and the first record in it. */
void map_memory(struct capture_memory *memory);
struct xdpcap_record *first_record(const struct capture_memory *memory);

/* Compile and set; accept everything, so many bytes of it. */
void set_filter(pcap_t *p, const char *expression);
void set_return(pcap_t *p, u_int bytes);

/* ps_recv; wait until it is n. */
unsigned int received(pcap_t *p);
void wait_received(pcap_t *p, unsigned int n);

/* Whether the selectable descriptor is, or will be within so many ms. */
int readable(pcap_t *p, int timeout);

/*
 * Packets
 */

/* See traffic_send(). */
void send_frames(const struct frame *first, unsigned int n,
		 const struct capture_memory *memory);

/* Frames that are dropped, of 100 bytes and of one kind. */
void send_drops(uint32_t seq, unsigned int n);

/* What a callback saw. */
struct packet {
	struct frame frame;
	uint32_t caplen;
	long long ts; /* in the capture's precision */
};

struct got {
	pcap_t *p;
	struct packet *packets;
	unsigned int n;
	/* from within the callback, after so many packets: break the loop */
	unsigned int break_after;
};

/* The packet is one that was sent, and every byte of it is right. */
void check_packet(const struct pcap_pkthdr *header, const u_char *data,
		  struct frame *frame);

/* A callback, with a struct got: check the packet and keep what it is. */
void add_packet(u_char *user, const struct pcap_pkthdr *header,
		const u_char *data);

/* pcap_dispatch() with that. */
int dispatch(struct got *got, int count);

/* Read on until n packets have come, and no more are there. */
void read_packets(struct got *got, unsigned int n);

/* From the packet `first` on, there are n, with consecutive numbers. */
void check_sequence(const struct got *got, unsigned int first, uint32_t seq,
		    unsigned int n);
void free_packets(struct got *got);

/* Two packets are sent and read: the capture works. */
void check_works(pcap_t *p);

/* A thread that sends frames now and then. */
struct flow {
	struct capture_memory memory; /* if mapped, for traffic_send() */
	struct frame frame;           /* the first */
	unsigned int total;
	unsigned int burst; /* frames, then it sleeps */
	long pause_us;
	int delay_ms;     /* before the first */
	int cpu;          /* that it runs on; -1: any */
	bool alternate;   /* the kinds A and B, A at even numbers */
	atomic_uint next; /* number of the frame that is sent next, or now */
	atomic_bool stop;
	pthread_t thread;
};

void start_flow(struct flow *flow);
void end_flow(struct flow *flow);

#endif /* API_H */
