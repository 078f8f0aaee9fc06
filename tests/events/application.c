// SPDX-License-Identifier: BSD-3-Clause
/* A capture in a process of its own: see application.h. */
#include "application.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <pcap/pcap.h>

/* Packet buffer timeout, ms. */
#define TIMEOUT 10

static bool is_any(const struct flow *flow, uint32_t seq)
{
	(void)flow;
	(void)seq;
	return true;
}

static bool is_none(const struct flow *flow, uint32_t seq)
{
	return !is_any(flow, seq);
}

static bool is_dropped(const struct flow *flow, uint32_t seq)
{
	(void)flow;
	return seq_action(seq) == 1;
}

static bool is_outbound(const struct flow *flow, uint32_t seq)
{
	(void)flow;
	return seq_action(seq) >= 3;
}

static bool is_from_5000(const struct flow *flow, uint32_t seq)
{
	(void)flow;
	return seq_port(seq) == 5000;
}

static bool is_from_5001_or_5002(const struct flow *flow, uint32_t seq)
{
	(void)flow;
	return seq_port(seq) == 5001 || seq_port(seq) == 5002;
}

static bool is_large(const struct flow *flow, uint32_t seq)
{
	return seq_size(flow, seq) >= 200;
}

static bool is_odd(const struct flow *flow, uint32_t seq)
{
	(void)flow;
	return seq & 1;
}

static bool is_eighth(const struct flow *flow, uint32_t seq)
{
	(void)flow;
	return !(seq & 7);
}

const struct filter filters[] = {
	{ NULL, is_any, false },
	{ "udp", is_any, false },
	{ "dst port 4001", is_dropped, false },
	{ "src port 5000", is_from_5000, false },
	{ "src port 5001 or src port 5002", is_from_5001_or_5002, false },
	{ "greater 200", is_large, false },
	{ "ip[5] & 1 = 1", is_odd, false },
	{ "ip[5] & 7 = 0", is_eighth, false },
	{ "tcp", is_none, false },
	{ "outbound", is_outbound, false },
	{ "ip protochain 17 and src port 5000", is_from_5000, true },
};
const unsigned int filter_count = sizeof(filters) / sizeof(filters[0]);

/* The process has one capture, which a signal handler knows of. */
static pcap_t *p;
static const struct flow *flow;
static const struct spec *spec;
static struct log *log;

static _Noreturn void end(enum state state)
{
	atomic_store(&log->state, state);
	_exit(0);
}

static _Noreturn void broken(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

static _Noreturn void broken(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(log->message, sizeof(log->message), format, args);
	va_end(args);
	end(BROKEN);
}

/* A command has come. */
static void wake(int signal)
{
	(void)signal;
	if (p)
		pcap_breakloop(p);
}

static void add_packet(u_char *user, const struct pcap_pkthdr *header,
		       const u_char *data)
{
	const uint32_t n =
		atomic_load_explicit(&log->count, memory_order_relaxed);
	uint32_t size, caplen;
	int64_t seq;

	(void)user;
	seq = header->caplen < 14 ? -1 : seq_of(data);
	if (seq < 0 || seq >= SEQ_MAX)
		broken("a packet that was not sent");
	if (n == SEQ_MAX)
		broken("more packets than were sent");
	size = seq_size(flow, seq);
	caplen = size < (uint32_t)spec->snaplen ? size : (uint32_t)spec->snaplen;
	if (header->len != size || header->caplen != caplen)
		broken("packet %u: length %u, captured %u; not %u, %u",
		       (uint32_t)seq, header->len, header->caplen, size, caplen);
	if (!seq_same(flow, seq, data, caplen))
		broken("packet %u: its bytes are not what was sent",
		       (uint32_t)seq);
	log->entries[n] = seq;
	atomic_store_explicit(&log->count, n + 1, memory_order_release);
}

static struct pcap_stat statistics(void)
{
	struct pcap_stat stat;

	if (pcap_stats(p, &stat))
		broken("pcap_stats: %s", pcap_geterr(p));
	return stat;
}

static void note_progress(void)
{
	log->progress = (uint64_t)log->count << 32 | statistics().ps_drop;
}

/* A call has failed: since the helper was killed, or it should not have. */
static void check_lost(const char *what)
{
	snprintf(log->message, sizeof(log->message), "%s: %s", what,
		 pcap_geterr(p));
	log->end_end = flow_next(flow);
	if (!strstr(log->message, "xdpcap-helper has ended"))
		end(BROKEN);
}

static void activate(void)
{
	static const char *const names[] = { "aborted", "drop", "pass", "tx",
					     "redirect" };
	char device[256], err[PCAP_ERRBUF_SIZE];
	pcap_t *capture;
	int len, ret;

	len = snprintf(device, sizeof(device), "xdpcap:%s", spec->hook);
	for (unsigned int a = 0; a < 5; a++)
		if (spec->actions & 1u << a)
			len += snprintf(device + len, sizeof(device) - len,
					"%c%s", strchr(device, '@') ? ',' : '@',
					names[a]);
	log->attach_begin = flow_done(flow);
	capture = pcap_create(device, err);
	if (!capture)
		broken("pcap_create: %s", err);
	pcap_set_snaplen(capture, spec->snaplen);
	pcap_set_timeout(capture, TIMEOUT);
	pcap_set_immediate_mode(capture, spec->immediate);
	if (spec->buffer_size)
		pcap_set_buffer_size(capture, spec->buffer_size);
	ret = pcap_activate(capture);
	log->attach_end = flow_next(flow);
	if (ret) {
		snprintf(log->message, sizeof(log->message), "%s",
			 pcap_geterr(capture));
		pcap_close(capture);
		end(REFUSED);
	}
	p = capture;
	atomic_store(&log->state, ATTACHED);
}

static void set_filter(unsigned int filter)
{
	struct change *change = &log->changes[log->nchanges];
	const char *expression = filters[filter].expression ?: "";
	struct bpf_program program;

	if (log->nchanges == CHANGES_MAX)
		broken("too many changes of the filter");
	if (pcap_compile(p, &program, expression, 1, PCAP_NETMASK_UNKNOWN))
		broken("%s: %s", expression, pcap_geterr(p));
	change->filter = filter;
	change->begin = flow_done(flow);
	log->changing = true;
	if (pcap_setfilter(p, &program)) {
		check_lost("pcap_setfilter");
		end(LOST);
	}
	change->end = flow_next(flow);
	change->position = log->count;
	atomic_store(&log->nchanges, log->nchanges + 1);
	log->changing = false;
	pcap_freecode(&program);
}

static void note_end(void)
{
	const struct pcap_stat stat = statistics();

	log->received = stat.ps_recv;
	log->dropped = stat.ps_drop;
	log->drained = true;
}

/* Signals may still come. */
static void free_capture(void)
{
	pcap_t *capture = p;

	p = NULL;
	pcap_close(capture);
}

static _Noreturn void close_capture(void)
{
	char err[PCAP_ERRBUF_SIZE];
	int n;

	pcap_setnonblock(p, 1, err);
	log->end_begin = flow_done(flow);
	do {
		n = pcap_dispatch(p, -1, add_packet, NULL);
	} while (n > 0 || n == PCAP_ERROR_BREAK);
	if (n < 0) {
		check_lost("pcap_dispatch");
		note_end();
		end(LOST);
	}
	note_end();
	free_capture();
	log->end_end = flow_next(flow);
	end(CLOSED);
}

static void read_packets(void)
{
	const int n = pcap_dispatch(p, -1, add_packet, NULL);

	if (n >= 0 || n == PCAP_ERROR_BREAK) {
		note_progress();
		return;
	}
	check_lost("pcap_dispatch");
	note_end();
	free_capture();
	end(LOST);
}

static void become(unsigned int user)
{
	if (user && (setgroups(0, NULL) || setresgid(user, user, user) ||
		     setresuid(user, user, user)))
		broken("cannot become user %u: %s", user, strerror(errno));
	/* changing the user has undone it */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

_Noreturn void application_run(const struct flow *its_flow,
			       const struct spec *its_spec, struct log *its_log,
			       int commands)
{
	const struct sigaction action = { .sa_handler = wake };
	bool stalled = false;
	uint8_t command[2];
	ssize_t n;

	flow = its_flow;
	spec = its_spec;
	log = its_log;
	sigaction(SIGUSR1, &action, NULL);
	setenv("XDPCAP_HELPER", spec->helper, 1);
	become(spec->user);
	activate();
	if (spec->filter)
		set_filter(spec->filter);
	for (;;) {
		/* a signal that comes before the read breaks it all the same */
		fcntl(commands, F_SETFL, stalled ? 0 : O_NONBLOCK);
		n = read(commands, command, sizeof(command));
		if (n < 0 && errno == EINTR)
			continue;
		if (n != sizeof(command)) {
			read_packets();
			continue;
		}
		if (command[0] == CLOSE)
			close_capture();
		if (command[0] == FILTER)
			set_filter(command[1]);
		else
			stalled = command[0] == STALL;
		atomic_fetch_add(&log->answered, 1);
	}
}

static size_t log_size(void)
{
	return sizeof(struct log) + SEQ_MAX * sizeof(uint32_t);
}

struct log *log_create(void)
{
	struct log *new = mmap(NULL, log_size(), PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (new == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	return new;
}

void log_free(struct log *unused)
{
	munmap(unused, log_size());
}
