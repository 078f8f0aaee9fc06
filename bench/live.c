// SPDX-License-Identifier: BSD-3-Clause
/*
 * Captures of traffic: frames that BPF_F_TEST_XDP_LIVE_FRAMES makes go through a
 * veth into a native XDP program, on one CPU; who captures them runs on another.
 * The highest rate without loss, what is captured of all that the CPU can send,
 * what that costs the capturing process, and how late a packet comes.
 */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <pcap/dlt.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "references.h"
#include "bench/references.skel.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define NS_PER_S      1000000000ULL

/* The two ends of the veth: frames leave through one, and arrive at the other. */
#define SENDER   "bench0"
#define RECEIVER "bench1"

/* Packets/s at which CPU time is compared: all keep up with that. */
#define CPU_RATE 200000

/* Frames in one call, when there is no pause between them. */
#define RUN_FRAMES 500000

enum way { XDPCAP, COMMAND, AFPACKET, PERF, COUNT, WAYS };

static const char *const names[] = {
	[XDPCAP] = "xdpcap", [COMMAND] = "command", [AFPACKET] = "afpacket",
	[PERF] = "perf",     [COUNT] = "count",
};

/* What has come to whoever captures, since it began. */
struct seen {
	uint64_t received, dropped; /* received: the dropped ones too */
	double cpu;                 /* of the process or thread, seconds */
};

struct tcpdump {
	char file[256]; /* what it writes to */
	pid_t pid;
	int err_fd;
};

struct live {
	const struct bench_opts *opts;
	struct target targets[WAYS];
	struct tcpdump tcpdumps[WAYS];
	struct references *references;
	struct perf_buffer *perf;
	pthread_t perf_thread;
	volatile pid_t perf_tid;
	volatile bool stop;
	int ifindex; /* of the receiver */
	size_t size;
	unsigned char frame[2048];
};

/*
 * Run before everything else on this CPU: what is measured is how who captures
 * keeps up, not what else the machine has to do.
 */
static void run_first(void)
{
	struct sched_param param = { .sched_priority = 1 };

	if (sched_setscheduler(0, SCHED_FIFO, &param))
		die("cannot have real-time priority: %s", strerror(errno));
}

static void command(const char *what)
{
	if (system(what))
		die("failed: %s", what);
}

/* Who captures in this run. */
static bool wanted(const struct live *live, enum way way)
{
	return !live->opts->files || way == XDPCAP || way == COMMAND;
}

/*
 * tcpdump -w, unmodified, or the command xdpcap, to /dev/null: not the disk is
 * measured; or, to compare the two, to files that do not get to the disk either,
 * since they are emptied before each run. Both say their counts on SIGUSR1.
 */
static void tcpdump_start(struct live *live, enum way way, const char *device)
{
	struct tcpdump *tcpdump = &live->tcpdumps[way];
	char size[20], hook[300], line[1024] = "";
	int pipe_fds[2];
	size_t len = 0;

	/* as much for this CPU as the references have, and the same for both */
	snprintf(size, sizeof(size), "%ld",
		 REFERENCE_BUFFER / 1024 * sysconf(_SC_NPROCESSORS_ONLN));
	snprintf(tcpdump->file, sizeof(tcpdump->file), "%s%s%s",
		 live->opts->files ? live->opts->files : "/dev/null",
		 live->opts->files ? "/" : "",
		 live->opts->files ? names[way] : "");
	if (pipe2(pipe_fds, O_CLOEXEC))
		die("pipe: %s", strerror(errno));
	tcpdump->pid = fork();
	if (tcpdump->pid < 0)
		die("fork: %s", strerror(errno));
	if (!tcpdump->pid) {
		pin_to_cpu(live->opts->consumer_cpu);
		run_first();
		dup2(pipe_fds[1], STDERR_FILENO);
		if (way == COMMAND) {
			snprintf(hook, sizeof(hook), "%s@drop", device);
			snprintf(size, sizeof(size), "%u", REFERENCE_BUFFER);
			execlp("xdpcap", "xdpcap", "--buffer", size, hook,
			       tcpdump->file, NULL);
			_exit(127);
		}
		execlp("tcpdump", "tcpdump", "-n", "-B", size, "-i", device,
		       "-w", tcpdump->file, NULL);
		_exit(127);
	}
	close(pipe_fds[1]);
	tcpdump->err_fd = pipe_fds[0];
	while (!strstr(line, "listening on")) {
		ssize_t n = read(pipe_fds[0], line + len, sizeof(line) - 1 - len);

		if (n <= 0)
			die("%s -i %s: %s", names[way], device, line);
		len += n;
		line[len] = 0;
	}
}

static void tcpdump_counts(const struct tcpdump *tcpdump, enum way way,
			   struct seen *seen)
{
	struct pollfd pfd = { .fd = tcpdump->err_fd, .events = POLLIN };
	unsigned int captured, received, dropped;
	char line[1024] = "";
	const char *end;
	size_t len = 0;
	ssize_t n;

	kill(tcpdump->pid, SIGUSR1);
	do {
		if (poll(&pfd, 1, 5000) != 1)
			die("%s does not answer: %s", names[way], line);
		n = read(tcpdump->err_fd, line + len, sizeof(line) - 1 - len);
		if (n <= 0)
			die("%s has ended: %s", names[way], line);
		len += n;
		line[len] = 0;
		end = strstr(line, way == COMMAND ? "@drop " : " by kernel");
	} while (!end || !strchr(end, '\n'));
	if (way == COMMAND) {
		if (sscanf(end, "@drop %*u %u %u %u", &received, &captured,
			   &dropped) != 3)
			die("%s says: %s", names[way], line);
		seen->received = received;
		seen->dropped = dropped;
		return;
	}
	/* its first line begins with its name, others are empty */
	end = strpbrk(line, "0123456789");
	if (!end ||
	    sscanf(end,
		   "%u packet%*[s] captured, %u packet%*[s] received by filter, %u packet%*[s] dropped by kernel",
		   &captured, &received, &dropped) != 3)
		die("%s says: %s", names[way], line);
	seen->received = received;
	seen->dropped = dropped;
}

/* CPU time of a thread, exact to the ns. */
static double cpu_time(pid_t pid, pid_t tid)
{
	unsigned long long ns = 0;
	char path[80];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/schedstat", pid, tid);
	file = fopen(path, "re");
	if (!file || fscanf(file, "%llu", &ns) != 1)
		die("cannot read %s", path);
	fclose(file);
	return (double)ns / NS_PER_S;
}

static enum bpf_perf_event_ret write_event(void *ctx, int cpu,
					   struct perf_event_header *event)
{
	struct {
		struct perf_event_header header;
		__u32 size;
		char data[];
	} __attribute__((packed)) const *sample = (void *)event;
	const struct reference_perf_header *header = (const void *)sample->data;
	struct pcap_pkthdr packet = { 0 };
	struct timespec ts;

	(void)cpu;
	if (event->type != PERF_RECORD_SAMPLE)
		return LIBBPF_PERF_EVENT_CONT;
	clock_gettime(CLOCK_REALTIME, &ts);
	packet.ts.tv_sec = ts.tv_sec;
	packet.ts.tv_usec = ts.tv_nsec / 1000;
	packet.caplen = header->len;
	packet.len = header->len;
	pcap_dump(ctx, &packet, (const u_char *)(header + 1));
	return LIBBPF_PERF_EVENT_CONT;
}

/* Reads the perf buffer and writes packets as tcpdump does. */
static void *perf_reader(void *arg)
{
	struct perf_event_attr attr = perf_attr(REFERENCE_WATERMARK);
	pcap_t *dead = pcap_open_dead(DLT_EN10MB, 262144);
	struct live *live = arg;
	pcap_dumper_t *dumper;
	int err;

	pin_to_cpu(live->opts->consumer_cpu);
	run_first();
	dumper = pcap_dump_open(dead, "/dev/null");
	live->perf =
		perf_buffer__new_raw(bpf_map__fd(
					     live->references->maps.perf_events),
				     REFERENCE_BUFFER / getpagesize(), &attr,
				     write_event, dumper, NULL);
	if (!live->perf)
		die("cannot open the perf buffer: %s", strerror(errno));
	live->perf_tid = (pid_t)syscall(SYS_gettid);
	while (!live->stop) {
		err = perf_buffer__poll(live->perf, 100);
		if (err < 0 && err != -EINTR)
			die("cannot read the perf buffer: %s", strerror(-err));
	}
	perf_buffer__free(live->perf);
	pcap_dump_close(dumper);
	pcap_close(dead);
	return NULL;
}

static void look(const struct live *live, enum way way, struct seen *seen)
{
	const volatile struct reference_counters *refs =
		&live->references->bss->counters;
	const struct tcpdump *tcpdump = &live->tcpdumps[way];

	switch (way) {
	case XDPCAP:
	case COMMAND:
	case AFPACKET:
		tcpdump_counts(tcpdump, way, seen);
		seen->cpu = cpu_time(tcpdump->pid, tcpdump->pid);
		break;
	default:
		seen->received = refs->captured + refs->dropped;
		seen->dropped = refs->dropped;
		seen->cpu = way == PERF ? cpu_time(getpid(), live->perf_tid) : 0;
		break;
	}
}

/* Put a way's program on the receiver. */
static void attach(const struct live *live, enum way way)
{
	const struct target *target = &live->targets[way];
	int err = bpf_xdp_attach(live->ifindex,
				 way == AFPACKET ? target->pass_fd :
						   target->drop_fd,
				 XDP_FLAGS_DRV_MODE, NULL);

	if (err)
		die("cannot attach to " RECEIVER ": %s", strerror(-err));
}

/*
 * Send at a rate (0: as fast as possible) for some seconds. Returns how many
 * frames; took gets how many seconds, by the kernel's count: what a call does
 * before and after, for tens of milliseconds, is not in it.
 */
static uint64_t traffic(const struct live *live, double rate, double seconds,
			double *took)
{
	volatile struct generator_pace *pace = &live->references->bss->pace;
	int fd = bpf_program__fd(live->references->progs.generator), err;
	uint64_t sent = 0, frames;

	*took = 0;
	do {
		frames = RUN_FRAMES;
		if (rate > 0)
			frames = (uint64_t)(rate * seconds) + 1;
		pace->interval = rate > 0 ? (uint64_t)(1e9 / rate) : 0;
		pace->next = 0;
		LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = live->frame,
			    .data_size_in = live->size, .repeat = (int)frames,
			    .flags = BPF_F_TEST_XDP_LIVE_FRAMES);

		err = bpf_prog_test_run_opts(fd, &run);
		if (err)
			die("cannot send frames: %s", strerror(-err));
		sent += frames;
		*took += (double)run.duration * (double)frames / NS_PER_S;
	} while (rate <= 0 && *took < seconds);
	return sent;
}

struct outcome {
	double rate;     /* frames sent each second */
	double captured; /* packets captured each second */
	double cpu;      /* s for a million packets captured */
	bool lossless;
};

/*
 * One run. What tcpdump has not read when it is over is lost to nobody, and left
 * to be read before the next one.
 */
static void measure(const struct live *live, enum way way, double rate,
		    double seconds, struct outcome *outcome)
{
	struct seen before, after;
	double took, captured;
	uint64_t sent;

	/* who writes goes on where it was, after a hole */
	if (live->opts->files && truncate(live->tcpdumps[way].file, 0))
		die("cannot truncate %s: %s", live->tcpdumps[way].file,
		    strerror(errno));
	look(live, way, &before);
	sent = traffic(live, rate, seconds, &took);
	usleep(50000);
	look(live, way, &after);
	captured = (double)((after.received - after.dropped) -
			    (before.received - before.dropped));
	outcome->rate = (double)sent / took;
	outcome->captured = captured / took;
	outcome->cpu =
		captured > 0 ? (after.cpu - before.cpu) / captured * 1e6 : 0;
	outcome->lossless = after.dropped == before.dropped &&
			    captured >= (double)sent;
}

/* The highest rate at which nothing is lost; flat out is what can be sent. */
static double lossless_rate(const struct live *live, enum way way, double flat)
{
	double low = 0, high = flat, best = 0;
	int steps = live->opts->quick ? 6 : 8;
	struct outcome outcome;

	for (int i = 0; i < steps; i++) {
		double rate = (low + high) / 2;

		measure(live, way, rate,
			live->opts->quick || live->opts->files ? 0.15 : 0.6,
			&outcome);
		if (outcome.lossless) {
			low = rate;
			best = outcome.rate > best ? outcome.rate : best;
		} else {
			high = rate;
		}
	}
	return best;
}

/* Of packets of one size; a value for each round. */
struct rates {
	struct samples lossless[WAYS], captured[WAYS];
	struct samples cpu[WAYS]; /* at CPU_RATE */
};

static void report_rates(const struct rates *rates, size_t size)
{
	metric(&rates->lossless[XDPCAP], "pps", "live_%zu_lossless_pps", size);
	metric(&rates->lossless[COMMAND], "pps",
	       "live_%zu_command_lossless_pps", size);
	metric(&rates->captured[COMMAND], "pps",
	       "live_%zu_command_captured_pps", size);
	metric(&rates->cpu[COMMAND], "s", "command_cpu_s_per_mpkt_%zu", size);
	metric_ratio(&rates->lossless[COMMAND], &rates->lossless[XDPCAP],
		     "live_%zu_lossless_command_vs_tcpdump", size);
	metric_ratio(&rates->captured[COMMAND], &rates->captured[XDPCAP],
		     "live_%zu_captured_command_vs_tcpdump", size);
	metric_ratio(&rates->cpu[COMMAND], &rates->cpu[XDPCAP],
		     "cpu_s_per_mpkt_%zu_command_vs_tcpdump", size);
	metric(&rates->lossless[AFPACKET], "pps",
	       "live_%zu_afpacket_lossless_pps", size);
	metric(&rates->lossless[PERF], "pps", "live_%zu_perf_lossless_pps", size);
	metric_ratio(&rates->lossless[XDPCAP], &rates->lossless[AFPACKET],
		     "live_%zu_lossless_vs_afpacket", size);
	metric_ratio(&rates->lossless[XDPCAP], &rates->lossless[PERF],
		     "live_%zu_lossless_vs_perf", size);
	metric(&rates->captured[COUNT], "pps", "live_%zu_sent_pps", size);
	metric(&rates->captured[XDPCAP], "pps", "live_%zu_captured_pps", size);
	metric(&rates->captured[AFPACKET], "pps",
	       "live_%zu_afpacket_captured_pps", size);
	metric(&rates->captured[PERF], "pps", "live_%zu_perf_captured_pps", size);
	metric_ratio(&rates->captured[XDPCAP], &rates->captured[AFPACKET],
		     "live_%zu_captured_vs_afpacket", size);
	metric_ratio(&rates->captured[XDPCAP], &rates->captured[PERF],
		     "live_%zu_captured_vs_perf", size);
	metric(&rates->cpu[XDPCAP], "s", "cpu_s_per_mpkt_%zu", size);
	metric(&rates->cpu[AFPACKET], "s", "afpacket_cpu_s_per_mpkt_%zu", size);
	metric(&rates->cpu[PERF], "s", "perf_cpu_s_per_mpkt_%zu", size);
	metric_ratio(&rates->cpu[XDPCAP], &rates->cpu[AFPACKET],
		     "cpu_s_per_mpkt_%zu_vs_afpacket", size);
	metric_ratio(&rates->cpu[XDPCAP], &rates->cpu[PERF],
		     "cpu_s_per_mpkt_%zu_vs_perf", size);
}

/* One round of one way. */
static void measure_rates(struct live *live, enum way way, struct rates *rates)
{
	/* a GB in a file is enough */
	double seconds = live->opts->quick || live->opts->files ? 0.2 : 0.6;
	struct outcome flat, slow;

	attach(live, way);
	measure(live, way, 0, seconds, &flat);
	samples_add(&rates->captured[way], flat.captured);
	if (way == COUNT)
		return;
	samples_add(&rates->lossless[way],
		    flat.lossless ? flat.rate :
				    lossless_rate(live, way, flat.rate));
	measure(live, way, CPU_RATE, seconds, &slow);
	samples_add(&rates->cpu[way], slow.cpu);
}

static void bench_rates(struct live *live)
{
	static const size_t sizes[] = { 64, 512, 1500 };
	int rounds = live->opts->quick ? 1 : 5;

	if (live->opts->files)
		rounds = live->opts->quick ? 3 : 9;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct rates rates = { 0 };

		live->size = sizes[i];
		frame_fill(live->frame, live->size);
		for (int round = 0; round < rounds; round++)
			for (enum way way = 0; way < WAYS; way++)
				if (wanted(live, way))
					measure_rates(live, way, &rates);
		report_rates(&rates, live->size);
		for (enum way way = 0; way < WAYS; way++) {
			samples_free(&rates.lossless[way]);
			samples_free(&rates.captured[way]);
			samples_free(&rates.cpu[way]);
		}
	}
}

/* A capture in this process, in a thread of its own. */
struct listener {
	const struct bench_opts *opts;
	pcap_t *p;
	struct samples latency; /* us */
	bool timed;
	volatile uint64_t packets;
	volatile long wakeups; /* when the loop has ended */
};

static void listen_packet(u_char *user, const struct pcap_pkthdr *header,
			  const u_char *packet)
{
	struct listener *listener = (struct listener *)user;
	uint64_t now;

	(void)packet;
	listener->packets++;
	if (!listener->timed)
		return;
	now = now_ns(CLOCK_REALTIME);
	samples_add(&listener->latency,
		    ((double)now - ((double)header->ts.tv_sec * 1e9 +
				    (double)header->ts.tv_usec)) /
			    1000);
}

static void *listen_thread(void *arg)
{
	struct listener *listener = arg;
	struct rusage usage;

	pin_to_cpu(listener->opts->consumer_cpu);
	run_first();
	if (pcap_loop(listener->p, -1, listen_packet, arg) != PCAP_ERROR_BREAK)
		die("%s", pcap_geterr(listener->p));
	getrusage(RUSAGE_THREAD, &usage);
	listener->wakeups = usage.ru_nvcsw;
	return NULL;
}

static void listener_start(struct listener *listener, pthread_t *thread,
			   const struct live *live, const struct target *target)
{
	*listener = (struct listener){ .opts = live->opts };
	listener->p = capture_open(target, NULL, true);
	if (pthread_create(thread, NULL, listen_thread, listener))
		die("cannot start a thread");
	usleep(50000);
}

static void listener_end(struct listener *listener, pthread_t thread)
{
	usleep(50000);
	pcap_breakloop(listener->p);
	pthread_join(thread, NULL);
	pcap_close(listener->p);
}

/* From the record's timestamp to the callback, in immediate mode. */
static void bench_latency(struct live *live, const struct target *target)
{
	struct samples p50 = { 0 }, p99 = { 0 }, wakeups = { 0 };
	int rounds = live->opts->quick ? 2 : 5;
	struct listener listener;
	pthread_t thread;
	double took;

	live->size = 64;
	frame_fill(live->frame, live->size);
	if (bpf_xdp_attach(live->ifindex, target->drop_fd, XDP_FLAGS_DRV_MODE,
			   NULL))
		die("cannot attach to " RECEIVER);
	for (int round = 0; round < rounds; round++) {
		uint64_t next, begin;

		listener_start(&listener, &thread, live, target);
		listener.timed = true;
		next = now_ns(CLOCK_MONOTONIC);
		for (int i = 0; i < 1000; i++) {
			next += NS_PER_S / 1000;
			while (now_ns(CLOCK_MONOTONIC) < next)
				;
			LIBBPF_OPTS(bpf_test_run_opts, run,
				    .data_in = live->frame,
				    .data_size_in = live->size, .repeat = 1,
				    .flags = BPF_F_TEST_XDP_LIVE_FRAMES);
			bpf_prog_test_run_opts(
				bpf_program__fd(live->references->progs.generator),
				&run);
		}
		listener_end(&listener, thread);
		if (listener.latency.n != 1000)
			die("of 1000 packets %zu came", listener.latency.n);
		samples_add(&p50, samples_quantile(&listener.latency, 0.5));
		samples_add(&p99, samples_quantile(&listener.latency, 0.99));
		samples_free(&listener.latency);

		listener_start(&listener, &thread, live, target);
		begin = now_ns(CLOCK_MONOTONIC);
		traffic(live, 0, 1, &took);
		/* by the wall clock, or the pauses would count as well */
		took = (double)(now_ns(CLOCK_MONOTONIC) - begin) / NS_PER_S;
		listener_end(&listener, thread);
		samples_add(&wakeups, (double)listener.wakeups / took);
	}
	metric(&p50, "us", "latency_median_us");
	metric(&p99, "us", "latency_p99_us");
	metric(&wakeups, "1/s", "wakeups_per_s");
	samples_free(&p50);
	samples_free(&p99);
	samples_free(&wakeups);
}

void bench_live(const struct bench_opts *opts)
{
	static struct live live;
	struct target immediate;
	struct references *skel;
	int err;

	live.opts = opts;
	pin_to_cpu(opts->busy_cpu);
	run_first();
	command("sysctl -q net.ipv6.conf.default.disable_ipv6=1 && "
		"ip link add " SENDER " type veth peer name " RECEIVER " && "
		"ip link set " SENDER " up && ip link set " RECEIVER " up");
	live.ifindex = (int)if_nametoindex(RECEIVER);
	skel = references__open();
	if (!skel)
		die("cannot open the references: %s", strerror(errno));
	skel->rodata->generator_ifindex = if_nametoindex(SENDER);
	err = references__load(skel);
	if (err)
		die("cannot load the references: %s", strerror(-err));
	live.references = skel;
	for (enum way way = 0; way < WAYS; way++)
		target_load(&live.targets[way], opts, names[way], false);
	target_load(&immediate, opts, "immediate", false);
	target_fill(&live.targets[PERF],
		    bpf_program__fd(skel->progs.reference_perf));
	target_fill(&live.targets[COUNT],
		    bpf_program__fd(skel->progs.reference_count));
	/* the network interface is there for tcpdump only with XDP on it */
	attach(&live, COUNT);
	tcpdump_start(&live, XDPCAP, live.targets[XDPCAP].device);
	tcpdump_start(&live, COMMAND, live.targets[COMMAND].device);
	if (wanted(&live, AFPACKET))
		tcpdump_start(&live, AFPACKET, RECEIVER);
	if (pthread_create(&live.perf_thread, NULL, perf_reader, &live))
		die("cannot start a thread");
	while (!live.perf_tid)
		usleep(1000);

	if (!opts->files)
		bench_latency(&live, &immediate);
	bench_rates(&live);

	live.stop = true;
	pthread_join(live.perf_thread, NULL);
	for (enum way way = 0; way < WAYS; way++) {
		if (live.tcpdumps[way].pid) {
			kill(live.tcpdumps[way].pid, SIGTERM);
			waitpid(live.tcpdumps[way].pid, NULL, 0);
		}
		target_close(&live.targets[way]);
	}
	target_close(&immediate);
	references__destroy(skel);
	command("ip link del " SENDER);
}
