// SPDX-License-Identifier: BSD-3-Clause
/*
 * Tests of the capture device as a program that uses libpcap meets it: each is a
 * function in one of the files api-*.c, run by name in a process of its own
 * (api.sh), with real packets that are sent to an interface with
 * bpf/example.bpf.c. Waits are for a state wherever there is one to see; where it
 * is time that is tested, what must not come before a moment is checked exactly,
 * and what must have come by a moment with seconds to spare.
 *
 * This file is what they have in common, see api.h, and runs them.
 */
#include "api.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *pin;
int hook_ifindex;

/*
 * Checking
 */

void fail(const char *file, int line, const char *format, ...)
{
	const char *slash = strrchr(file, '/');
	va_list args;

	printf("%s:%d: ", slash ? slash + 1 : file, line);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	exit(1);
}

long long now_ms(void)
{
	return now(CLOCK_MONOTONIC) / NS_PER_MS;
}

void sleep_ms(long long ms)
{
	const struct timespec ts = { .tv_sec = ms / 1000,
				     .tv_nsec = ms % 1000 * NS_PER_MS };

	nanosleep(&ts, NULL);
}

void use_cpu(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

int first_cpu(void)
{
	cpu_set_t set;
	int cpu = 0;

	sched_getaffinity(0, sizeof(set), &set);
	while (!CPU_ISSET(cpu, &set))
		cpu++;
	return cpu;
}

/*
 * Captures
 */

const char *device(const char *actions)
{
	static __thread char name[4200];

	snprintf(name, sizeof(name), "xdpcap:%s%s", pin, actions);
	return name;
}

pcap_t *create(const char *actions)
{
	char err[PCAP_ERRBUF_SIZE] = "";
	pcap_t *p = pcap_create(device(actions), err);

	CHECK(p, "pcap_create: %s", err);
	return p;
}

pcap_t *open_capture(const struct capture *c)
{
	pcap_t *p = create(c->actions ? c->actions : "@drop");

	RETURNS(p, 0, pcap_set_snaplen(p, c->snaplen));
	RETURNS(p, 0, pcap_set_timeout(p, c->timeout ? c->timeout : 10));
	RETURNS(p, 0, pcap_set_immediate_mode(p, c->immediate));
	RETURNS(p, 0, pcap_set_buffer_size(p, c->buffer_size));
	RETURNS(p, 0, pcap_set_tstamp_precision(p, c->precision));
	RETURNS(p, 0, pcap_set_tstamp_type(p, c->tstamp_type));
	RETURNS(p, 0, pcap_activate(p));
	return p;
}

pcap_t *open_drops(void)
{
	return open_capture(&(struct capture){ 0 });
}

pcap_t *open_nonblocking(void)
{
	char err[PCAP_ERRBUF_SIZE] = "";
	pcap_t *p = open_drops();

	CHECK(pcap_setnonblock(p, 1, err) == 0, "pcap_setnonblock: %s", err);
	return p;
}

void close_capture(pcap_t *p)
{
	pcap_close(p);
	SAME("slots in use after pcap_close", 0, hook_used(pin));
}

void map_memory(struct capture_memory *memory)
{
	if (capture_map(pin, SLOT_DROP, memory))
		FAIL("cannot map the capture's memory");
}

struct xdpcap_record *first_record(const struct capture_memory *memory)
{
	for (uint32_t i = 0; i < memory->nrings; i++) {
		const struct xdpcap_cpu *cpu = &memory->ctl->cpu[i];

		if (cpu->head != cpu->tail)
			return (struct xdpcap_record *)(memory->rings +
							i * memory->stride +
							(cpu->tail &
							 (memory->ring_size - 1)));
	}
	FAIL("all rings are empty");
}

void set_filter(pcap_t *p, const char *expression)
{
	struct bpf_program program;

	CHECK(!pcap_compile(p, &program, expression, 1, PCAP_NETMASK_UNKNOWN),
	      "pcap_compile \"%s\": %s", expression, pcap_geterr(p));
	CHECK(!pcap_setfilter(p, &program), "pcap_setfilter \"%s\": %s",
	      expression, pcap_geterr(p));
	pcap_freecode(&program);
}

void set_return(pcap_t *p, u_int bytes)
{
	struct bpf_insn insn = BPF_STMT(BPF_RET | BPF_K, bytes);
	struct bpf_program program = { .bf_len = 1, .bf_insns = &insn };

	RETURNS(p, 0, pcap_setfilter(p, &program));
}

unsigned int received(pcap_t *p)
{
	struct pcap_stat stat = { 0 };

	RETURNS(p, 0, pcap_stats(p, &stat));
	return stat.ps_recv;
}

void wait_received(pcap_t *p, unsigned int n)
{
	WAIT_FOR("packets in pcap_stats", received(p) >= n);
	SAME("ps_recv", n, received(p));
}

int readable(pcap_t *p, int timeout)
{
	struct pollfd pfd = { .fd = pcap_get_selectable_fd(p), .events = POLLIN };
	const int n = poll(&pfd, 1, timeout);

	CHECK(n >= 0, "poll: %s", strerror(errno));
	CHECK(n == 0 || pfd.revents == POLLIN, "poll: revents %#x", pfd.revents);
	return n;
}

/*
 * Packets
 */

void send_frames(const struct frame *first, unsigned int n,
		 const struct capture_memory *memory)
{
	CHECK(!traffic_send(first, n, memory), "sending failed");
}

void send_drops(uint32_t seq, unsigned int n)
{
	send_frames(&(struct frame){ .port = PORT_DROP,
				     .kind = KIND_A,
				     .seq = seq,
				     .size = 100 },
		    n, NULL);
}

void check_packet(const struct pcap_pkthdr *header, const u_char *data,
		  struct frame *frame)
{
	uint8_t expected[FRAME_MAX];

	CHECK(!frame_parse(data, header->caplen, frame),
	      "a packet that was not sent, of %u bytes", header->len);
	CHECK(header->caplen <= header->len && header->len <= FRAME_MAX,
	      "caplen %u, len %u", header->caplen, header->len);
	frame->size = header->len;
	frame_fill(frame, expected);
	for (bpf_u_int32 i = 0; i < header->caplen; i++)
		CHECK(data[i] == expected[i],
		      "packet %u: byte %u is %02x, not %02x", frame->seq, i,
		      data[i], expected[i]);
}

void add_packet(u_char *user, const struct pcap_pkthdr *header, const u_char *data)
{
	struct got *got = (struct got *)user;
	struct packet *packet;

	got->packets =
		realloc(got->packets, (got->n + 1) * sizeof(*got->packets));
	CHECK(got->packets, "no memory");
	packet = &got->packets[got->n++];
	check_packet(header, data, &packet->frame);
	packet->caplen = header->caplen;
	packet->ts = header->ts.tv_sec * NS_PER_S + header->ts.tv_usec;
	if (got->break_after && got->n == got->break_after)
		pcap_breakloop(got->p);
}

int dispatch(struct got *got, int count)
{
	return pcap_dispatch(got->p, count, add_packet, (u_char *)got);
}

void read_packets(struct got *got, unsigned int n)
{
	while (got->n < n) {
		const int ret = dispatch(got, -1);

		CHECK(ret >= 0, "pcap_dispatch returned %d after %u of %u: %s",
		      ret, got->n, n, pcap_geterr(got->p));
	}
	SAME("packets read", n, got->n);
}

void check_sequence(const struct got *got, unsigned int first, uint32_t seq,
		    unsigned int n)
{
	SAME("packets read", first + n, got->n);
	for (unsigned int i = 0; i < n; i++)
		SAME("packet's number", seq + i,
		     got->packets[first + i].frame.seq);
}

void free_packets(struct got *got)
{
	free(got->packets);
	got->packets = NULL;
	got->n = 0;
}

void check_works(pcap_t *p)
{
	struct got got = { .p = p };
	const unsigned int before = received(p);

	send_drops(500, 2);
	wait_received(p, before + 2);
	read_packets(&got, 2);
	check_sequence(&got, 0, 500, 2);
	free_packets(&got);
}

static void *run_flow(void *arg)
{
	struct flow *flow = arg;
	struct frame frame = flow->frame;
	const struct timespec pause = { .tv_nsec = flow->pause_us * 1000 };

	if (flow->cpu >= 0)
		use_cpu(flow->cpu);
	sleep_ms(flow->delay_ms);
	for (unsigned int i = 0; i < flow->total && !flow->stop; i++) {
		flow->next = frame.seq;
		if (flow->alternate)
			frame.kind = frame.seq % 2 ? KIND_B : KIND_A;
		send_frames(&frame, 1, flow->memory.ctl ? &flow->memory : NULL);
		frame.seq++;
		if (i % flow->burst == flow->burst - 1)
			nanosleep(&pause, NULL);
	}
	flow->next = frame.seq;
	return NULL;
}

void start_flow(struct flow *flow)
{
	SAME("pthread_create", 0,
	     pthread_create(&flow->thread, NULL, run_flow, flow));
}

void end_flow(struct flow *flow)
{
	flow->stop = true;
	pthread_join(flow->thread, NULL);
	capture_unmap(&flow->memory);
}

/*
 * Running them
 */

static const struct test *const suites[] = {
	open_tests,     read_tests,    wait_tests,
	packet_tests,   details_tests, filter_tests,
	linktype_tests, process_tests, failure_tests,
};

/* The test of that name; without a name, print the names of all. */
static const struct test *find(const char *name)
{
	for (size_t i = 0; i < sizeof(suites) / sizeof(suites[0]); i++) {
		for (const struct test *test = suites[i]; test->name; test++) {
			if (!name)
				puts(test->name);
			else if (!strcmp(test->name, name))
				return test;
		}
	}
	return NULL;
}

int main(int argc, char **argv)
{
	const struct test *test;

	if (argc == 2 && !strcmp(argv[1], "--list")) {
		find(NULL);
		return 0;
	}
	if (argc != 5) {
		fputs("Usage: api-test --list\n"
		      "       api-test HOOK HOOK-IFINDEX INTERFACE TEST\n",
		      stderr);
		return 2;
	}
	test = find(argv[4]);
	if (!test) {
		printf("no test %s\n", argv[4]);
		return 2;
	}
	pin = argv[1];
	hook_ifindex = (int)strtol(argv[2], NULL, 10);
	if (traffic_open(argv[3])) {
		printf("%s: %s\n", argv[3], strerror(errno));
		return 1;
	}
	SAME("slots in use before the test", 0, hook_used(pin));
	test->run();
	return 0;
}
