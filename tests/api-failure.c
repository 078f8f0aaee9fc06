// SPDX-License-Identifier: BSD-3-Clause
/* Tests of the API: the helper dies, or the shared memory is damaged. */
#include "api.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/select.h>
#include <unistd.h>

/*
 * When the helper dies
 */

static void check_lost(pcap_t *p, struct got *got)
{
	for (int i = 0; i < 3; i++) {
		RETURNS(p, PCAP_ERROR, dispatch(got, -1));
		CONTAINS("error message", "xdpcap-helper", pcap_geterr(p));
		CONTAINS("error message", "has ended", pcap_geterr(p));
		CONTAINS("error message", pin, pcap_geterr(p));
	}
}

/* Five packets are captured, then the helper gets the signal. */
static pcap_t *open_and_kill(struct got *got, int signal, bool nonblock)
{
	char err[PCAP_ERRBUF_SIZE];
	struct capture_memory memory;
	pcap_t *p = open_drops();
	pid_t pid;

	*got = (struct got){ .p = p };
	RETURNS(p, 0, pcap_setnonblock(p, nonblock, err));
	map_memory(&memory);
	pid = capture_helper(&memory);
	CHECK(pid > 1, "no helper found");
	CHECK(getsid(pid) != getsid(0), "the helper is in our session");
	send_drops(0, 5);
	wait_received(p, 5);
	SAME("kill", 0, kill(pid, signal));
	WAIT_FOR("the helper's end", kill(pid, 0) == -1);
	capture_unmap(&memory);
	return p;
}

/* The kernel disconnects the copy program, and nothing is captured any more. */
static void wait_disconnected(pcap_t *p)
{
	const long long end = now_ms() + PATIENCE;
	unsigned int before;

	do {
		CHECK(now_ms() < end, "packets are still captured");
		before = received(p);
		send_drops(5, 1);
		sleep_ms(20);
	} while (received(p) != before);
}

static void helper_killed(void)
{
	struct bpf_program program;
	struct got got;
	pcap_t *p;

	for (int nonblock = 0; nonblock < 2; nonblock++) {
		p = open_and_kill(&got, SIGKILL, nonblock);
		SAME("readable", 1, readable(p, PATIENCE));
		read_packets(&got, 5);
		check_sequence(&got, 0, 0, 5);
		SAME("readable", 1, readable(p, PATIENCE));
		check_lost(p, &got);
		RETURNS(p, 0, pcap_compile(p, &program, "udp", 1, 0));
		RETURNS(p, PCAP_ERROR, pcap_setfilter(p, &program));
		CONTAINS("error message", "xdpcap-helper", pcap_geterr(p));
		pcap_freecode(&program);
		SAME("packets received", 5, received(p));
		wait_disconnected(p);
		free_packets(&got);
		pcap_close(p);
		/* what a killed helper cannot do itself */
		hook_clear_all(pin);
	}
}

/* Asked to end, it leaves the hook as it found it. */
static void helper_terminated(void)
{
	struct got got;
	pcap_t *p = open_and_kill(&got, SIGTERM, false);

	SAME("slots in use", 0, hook_used(pin));
	read_packets(&got, 5);
	check_lost(p, &got);
	free_packets(&got);
	close_capture(p);
}

struct killer {
	pid_t pid;
	int delay_ms;
};

static void *kill_later(void *arg)
{
	const struct killer *killer = arg;

	sleep_ms(killer->delay_ms);
	kill(killer->pid, SIGTERM);
	return NULL;
}

/* While a read, or a select(), waits for packets. */
static void helper_killed_while_waiting(void)
{
	struct killer killer = { .delay_ms = 200 };
	struct capture_memory memory;
	struct got got = { 0 };
	pthread_t thread;
	fd_set set;
	pcap_t *p;
	int fd;

	for (int selects = 0; selects < 2; selects++) {
		struct timeval timeout = { .tv_sec = PATIENCE / 1000 };

		p = open_drops();
		got.p = p;
		map_memory(&memory);
		killer.pid = capture_helper(&memory);
		capture_unmap(&memory);
		CHECK(killer.pid > 1, "no helper found");
		pthread_create(&thread, NULL, kill_later, &killer);
		if (selects) {
			fd = pcap_get_selectable_fd(p);
			FD_ZERO(&set);
			FD_SET(fd, &set);
			SAME("select", 1,
			     select(fd + 1, &set, NULL, NULL, &timeout));
		}
		check_lost(p, &got);
		pthread_join(thread, NULL);
		close_capture(p);
	}
}

/*
 * When the ring is damaged
 */

/*
 * Three packets, of which one's record is damaged: reads end in an error, after
 * the packets before it.
 */
static void damage(int which, const char *what, size_t offset, uint32_t value)
{
	struct capture_memory memory;
	struct xdpcap_record *record;
	cpu_set_t cpus;
	struct got got;
	pcap_t *p;
	int ret;

	sched_getaffinity(0, sizeof(cpus), &cpus);
	use_cpu(first_cpu());
	for (int nonblock = 0; nonblock < 2; nonblock++) {
		char err[PCAP_ERRBUF_SIZE];

		p = open_drops();
		got = (struct got){ .p = p };
		RETURNS(p, 0, pcap_setnonblock(p, nonblock, err));
		map_memory(&memory);
		send_drops(0, 3);
		wait_received(p, 3);
		record = first_record(&memory);
		for (int i = 0; i < which; i++)
			record = (struct xdpcap_record *)((uint8_t *)record +
							  record->size);
		memcpy((uint8_t *)record + offset, &value, sizeof(value));
		/* those before it are whole */
		if (which > 0)
			RETURNS(p, which, dispatch(&got, -1));
		for (int i = 0; i < 3; i++) {
			ret = dispatch(&got, -1);
			CHECK(ret == PCAP_ERROR,
			      "%s of record %d = %u: pcap_dispatch returned %d",
			      what, which, value, ret);
			CONTAINS("error message", "corrupt", pcap_geterr(p));
			CONTAINS("error message", pin, pcap_geterr(p));
		}
		check_sequence(&got, 0, 0, which);
		capture_unmap(&memory);
		free_packets(&got);
		close_capture(p);
	}
	sched_setaffinity(0, sizeof(cpus), &cpus);
}

static void damaged_record(void)
{
	static const struct {
		const char *what;
		size_t offset;
		uint32_t value;
	} cases[] = {
#define FIELD(name) #name, offsetof(struct xdpcap_record, name)
		{ FIELD(size), 0 },       { FIELD(size), 40 },
		{ FIELD(size), 149 },     { FIELD(size), 65536 },
		{ FIELD(size), 1 << 20 }, { FIELD(size), 0xfffffff8 },
		{ FIELD(caplen), 1000 },  { FIELD(caplen), 0xffffffff },
		{ FIELD(len), 99 },
#undef FIELD
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		damage(0, cases[i].what, cases[i].offset, cases[i].value);
	for (int which = 1; which < 3; which++)
		damage(which, cases[0].what, cases[0].offset, cases[0].value);
}

/* A record that is never committed is waited for; nothing forged is read. */
static void damaged_commit_word(void)
{
	struct capture_memory memory;
	pcap_t *p = open_nonblocking();
	struct got got = { .p = p };
	struct xdpcap_record *record;

	map_memory(&memory);
	send_drops(0, 1);
	wait_received(p, 1);
	record = first_record(&memory);
	record->commit ^= 8;
	RETURNS(p, 0, dispatch(&got, -1));
	RETURNS(p, 0, dispatch(&got, -1));
	record->commit ^= 8;
	RETURNS(p, 1, dispatch(&got, -1));
	/* a head that is far ahead, or behind */
	for (uint32_t i = 0; i < memory.nrings; i++)
		memory.ctl->cpu[i].head += 1ULL << 40;
	RETURNS(p, 0, dispatch(&got, -1));
	for (uint32_t i = 0; i < memory.nrings; i++)
		memory.ctl->cpu[i].head = 0;
	RETURNS(p, 0, dispatch(&got, -1));
	capture_unmap(&memory);
	free_packets(&got);
	close_capture(p);
}

const struct test failure_tests[] = {
	TEST(helper_killed),
	TEST(helper_terminated),
	TEST(helper_killed_while_waiting),
	TEST(damaged_record),
	TEST(damaged_commit_word),
	{ NULL, NULL },
};
