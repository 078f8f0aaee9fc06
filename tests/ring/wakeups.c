// SPDX-License-Identifier: BSD-3-Clause
/*
 * wakeups PINS TEST: captures in a thread of its own, from a program that is
 * given packets with BPF_PROG_TEST_RUN, and counts how often that thread is
 * woken, and how late. PINS is a directory of a bpffs. Says what it measured,
 * and fails if that is not what is promised.
 */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* <pcap/bpf.h> and <linux/bpf.h> both define struct bpf_insn: take the latter */
#define PCAP_DONT_INCLUDE_PCAP_BPF_H
struct bpf_program;
#include <pcap/pcap.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "../clock.h"
#include "bench/owner.skel.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define LATENCIES_MAX 10000

static struct owner *owner;
static pcap_t *p;
static pthread_t thread;
static volatile unsigned long packets;
static double latencies[LATENCIES_MAX]; /* us */
/* of the reader, told by itself */
static struct rusage usage;
static volatile pid_t tid;

static void fail(const char *what, const char *why)
{
	printf("%s: %s\n", what, why);
	exit(1);
}

static void packet(u_char *user, const struct pcap_pkthdr *header,
		   const u_char *bytes)
{
	const long long late =
		now(CLOCK_REALTIME) -
		(header->ts.tv_sec * NS_PER_S + header->ts.tv_usec);

	(void)user;
	(void)bytes;
	if (packets < LATENCIES_MAX)
		latencies[packets] = (double)late / 1000;
	packets++;
}

static void *reader(void *arg)
{
	tid = (pid_t)syscall(SYS_gettid);
	if (pcap_loop(p, -1, packet, NULL) != PCAP_ERROR_BREAK)
		fail("pcap_loop", pcap_geterr(p));
	getrusage(RUSAGE_THREAD, &usage);
	return arg;
}

static void start(const char *pins, bool immediate)
{
	char pin[256], device[300], errbuf[PCAP_ERRBUF_SIZE];

	owner = owner__open_and_load();
	if (!owner)
		fail("loading the owner", strerror(errno));
	snprintf(pin, sizeof(pin), "%s/hook", pins);
	if (bpf_obj_pin(bpf_map__fd(owner->maps.hook), pin))
		fail(pin, strerror(errno));
	snprintf(device, sizeof(device), "xdpcap:%s@drop", pin);
	p = pcap_create(device, errbuf);
	if (!p)
		fail(device, errbuf);
	pcap_set_tstamp_precision(p, PCAP_TSTAMP_PRECISION_NANO);
	pcap_set_immediate_mode(p, immediate);
	pcap_set_timeout(p, 20);
	if (pcap_activate(p) < 0)
		fail(device, pcap_geterr(p));
	if (pthread_create(&thread, NULL, reader, NULL))
		fail("pthread_create", "failed");
	usleep(100000);
}

static void end(void)
{
	usleep(100000);
	pcap_breakloop(p);
	pthread_join(thread, NULL);
	pcap_close(p);
	owner__destroy(owner);
}

/* One by one: the kernel prepares for a repetition, for tens of milliseconds. */
static void send_packets(int n)
{
	int fd = bpf_program__fd(owner->progs.owner_drop), err;
	unsigned char frame[64] = { 0 };

	for (int i = 0; i < n; i++) {
		LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame,
			    .data_size_in = sizeof(frame), .repeat = 1);

		err = bpf_prog_test_run_opts(fd, &run);
		if (err || run.retval != XDP_DROP)
			fail("running the owner", strerror(-err));
	}
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* n packets, one each interval; the median must come within limit us. */
static int latency(const char *pins, bool immediate, unsigned int n,
		   long long interval, double limit)
{
	long long next;

	start(pins, immediate);
	next = now(CLOCK_MONOTONIC);
	for (unsigned int i = 0; i < n; i++) {
		next += interval;
		sleep_until(next);
		send_packets(1);
	}
	end();
	if (packets != n) {
		printf("of %u packets, %lu came\n", n, packets);
		return 1;
	}
	qsort(latencies, n, sizeof(latencies[0]), compare);
	printf("latency: median %.0f us, p99 %.0f us; median expected below %.0f us\n",
	       latencies[n / 2], latencies[n * 99 / 100], limit);
	return latencies[n / 2] >= limit;
}

/* A burst each interval, for some seconds: fewer than limit wakeups/s. */
static int wakeups(const char *pins, int burst, long long interval, double limit)
{
	const unsigned int seconds = 2;
	long long begin, next;
	double rate;

	start(pins, true);
	begin = next = now(CLOCK_MONOTONIC);
	while (now(CLOCK_MONOTONIC) < begin + seconds * NS_PER_S) {
		next += interval;
		if (interval)
			sleep_until(next);
		send_packets(burst);
	}
	rate = (double)NS_PER_S / (double)(now(CLOCK_MONOTONIC) - begin);
	end();
	printf("%.0f packets/s, %.0f wakeups/s; expected below %.0f\n",
	       (double)packets * rate, (double)usage.ru_nvcsw * rate, limit);
	return !packets || (double)usage.ru_nvcsw * rate >= limit;
}

/* Switches of the reader so far, and its CPU time in ns. */
static void look(unsigned long *switches, unsigned long long *cpu)
{
	char path[64], line[128];
	FILE *file;

	*switches = 0;
	snprintf(path, sizeof(path), "/proc/self/task/%d/status", tid);
	file = fopen(path, "re");
	if (!file)
		fail(path, strerror(errno));
	while (fgets(line, sizeof(line), file))
		if (!strncmp(line, "voluntary_ctxt_switches:", 24))
			*switches = strtoul(line + 24, NULL, 10);
	fclose(file);
	snprintf(path, sizeof(path), "/proc/self/task/%d/schedstat", tid);
	file = fopen(path, "re");
	if (!file || fscanf(file, "%llu", cpu) != 1)
		fail(path, "cannot be read");
	fclose(file);
}

static int idle(const char *pins, bool immediate)
{
	unsigned long switches[2];
	unsigned long long cpu[2];

	start(pins, immediate);
	/* also after there was something */
	send_packets(3);
	usleep(300000);
	look(&switches[0], &cpu[0]);
	sleep(3);
	look(&switches[1], &cpu[1]);
	end();
	printf("idle for 3 s: %lu wakeups, %llu ns of CPU time; expected none\n",
	       switches[1] - switches[0], cpu[1] - cpu[0]);
	return packets != 3 || switches[1] != switches[0] || cpu[1] != cpu[0];
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fputs("usage: wakeups PINS TEST\n", stderr);
		return 2;
	}
	if (!strcmp(argv[2], "sparse"))
		return latency(argv[1], true, 300, 5 * NS_PER_MS, 1000);
	if (!strcmp(argv[2], "thousand"))
		return latency(argv[1], true, 3000, NS_PER_MS, 1000);
	if (!strcmp(argv[2], "buffered"))
		return latency(argv[1], false, 30, 50 * NS_PER_MS, 25000);
	if (!strcmp(argv[2], "twenty-thousand"))
		return wakeups(argv[1], 2, NS_PER_MS / 10, 1000);
	if (!strcmp(argv[2], "flood"))
		return wakeups(argv[1], 1000, 0, 1000);
	if (!strcmp(argv[2], "idle-immediate"))
		return idle(argv[1], true);
	if (!strcmp(argv[2], "idle-buffered"))
		return idle(argv[1], false);
	fputs("wakeups: no such test\n", stderr);
	return 2;
}
