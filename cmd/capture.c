// SPDX-License-Identifier: BSD-3-Clause
/*
 * The capture itself; see capture.h. All in one thread: read what the hooks'
 * rings have, write it, wait.
 *
 * One hook's packets come sorted by time. Those of several are merged: a packet is
 * written when every other hook has a later one, or has been found empty after
 * its time.
 */
#include "capture.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "../pcap-xdpcap/clock.h"
#include "pcapng.h"
#include "stats.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "unknown"
#endif

#define PREFIX "xdpcap:"
#define BPFFS  "/sys/fs/bpf/"

/*
 * A packet can be in its ring so much later, ns, than its timestamp says: the
 * time between taking it and committing the record, which an interrupt can make
 * longer, and by which packets of different CPUs are out of order.
 */
#define MARGIN NS_PER_MS

/*
 * After packets, sleep until a quarter of a ring is full, or so many ms, rather
 * than be woken for the next packet: to wake and to be woken costs more than some
 * hundred packets. With --flush, and while packets wait for those of other hooks
 * that could be older, for less.
 */
#define NAP         100
#define NAP_FLUSH   10
#define NAP_WAITING 1

static int failed(struct capture *capture, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static int failed(struct capture *capture, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(capture->error, sizeof(capture->error), format, ap);
	va_end(ap);
	return -1;
}

/* What the output has to say is the error, unless its reader just went away. */
static int output_failed(struct capture *capture)
{
	capture->done = true;
	if (capture->output.reader_gone)
		return 0;
	return failed(capture, "%s", capture->output.error);
}

const char *capture_action_name(const struct hook *hook, uint32_t action)
{
	static const char *const names[] = { "aborted", "drop", "pass", "tx",
					     "redirect" };
	static char number[12];

	if (hook->enter && action == hook->enter)
		return "enter";
	if (action < sizeof(names) / sizeof(names[0]))
		return names[action];
	snprintf(number, sizeof(number), "%" PRIu32, action);
	return number;
}

uint64_t capture_dropped(const struct capture *capture)
{
	uint64_t dropped = 0;

	for (unsigned int h = 0; h < capture->nhooks; h++)
		for (uint32_t a = 0; a < ACTIONS_MAX; a++)
			dropped += capture->hooks[h].actions[a].counters.dropped;
	return dropped;
}

/* ---- What is in the file --------------------------------------------- */

static void add_interface_block(struct capture *capture,
				struct interface *interface)
{
	const struct hook *hook = &capture->hooks[interface->hook];
	const char *action = capture_action_name(hook, interface->action);
	const char *path = hook->device + strlen(PREFIX);
	char name[PATH_MAX + 64], description[PATH_MAX + 128];
	char device[IF_NAMESIZE], received[IF_NAMESIZE + 32] = "";
	struct pcapng_interface block = {
		.name = name,
		.description = description,
		.filter = capture->filter_name,
		.os = capture->os,
		.linktype = capture->linktype,
		.snaplen = capture->snaplen,
	};
	int len;

	if (hook->enter && interface->action == hook->enter)
		len = snprintf(description, sizeof(description),
			       "before the XDP program");
	else
		len = snprintf(description, sizeof(description),
			       "XDP verdict %s (%" PRIu32 ")", action,
			       interface->action);
	len += snprintf(description + len, sizeof(description) - (size_t)len,
			" at hook %.*s",
			hook->name_len + (int)(hook->name - path), path);
	if (interface->ifindex) {
		/* of this network namespace, which may be another one */
		if (if_indextoname(interface->ifindex, device))
			snprintf(received, sizeof(received), " %s", device);
		else
			snprintf(received, sizeof(received),
				 " ifindex %" PRIu32, interface->ifindex);
		snprintf(description + len, sizeof(description) - (size_t)len,
			 ", received on ifindex %" PRIu32, interface->ifindex);
	}
	snprintf(name, sizeof(name), "%.*s@%s%s", hook->name_len, hook->name,
		 action, received);
	interface->id = capture->next_id++;
	interface->in_file = true;
	interface->delivered = 0;
	output_add(&capture->output,
		   pcapng_interface(output_room(&capture->output), &block));
}

/* An interface, which is made if there is none; NULL without memory. */
static struct interface *get_interface(struct capture *capture, uint32_t hook,
				       uint32_t action, uint32_t ifindex)
{
	struct interface *interface, *more;

	for (size_t i = 0; i < capture->ninterfaces; i++) {
		interface = &capture->interfaces[i];
		if (interface->hook == hook && interface->action == action &&
		    interface->ifindex == ifindex)
			return interface;
	}
	if (capture->ninterfaces == capture->interfaces_size) {
		size_t size = capture->interfaces_size * 2 + 16;

		more = realloc(capture->interfaces, size * sizeof(*more));
		if (!more) {
			failed(capture, "%s", strerror(errno));
			return NULL;
		}
		capture->interfaces = more;
		capture->interfaces_size = size;
	}
	interface = &capture->interfaces[capture->ninterfaces++];
	*interface = (struct interface){ .hook = hook,
					 .action = action,
					 .ifindex = ifindex };
	return interface;
}

/* A packet's interface, which the file has from now on; NULL without memory. */
static struct interface *
packet_interface(struct capture *capture, const struct hook *hook,
		 struct action *action, const struct pcap_xdpcap_packet *details)
{
	struct interface *interface = &capture->interfaces[action->interface];

	/* nearly always that of the action's last packet */
	if (interface->hook != hook->index ||
	    interface->action != details->action ||
	    interface->ifindex != details->ifindex) {
		interface = get_interface(capture, hook->index, details->action,
					  details->ifindex);
		if (!interface)
			return NULL;
		action->interface = (size_t)(interface - capture->interfaces);
	}
	if (!interface->in_file)
		add_interface_block(capture, interface);
	return interface;
}

/*
 * The file begins with an interface for each action, whether or not packets come:
 * tcpdump reads no file without interfaces, and the counters have a place.
 */
static int begin_file(struct capture *capture)
{
	struct output *output = &capture->output;
	struct interface *interface;
	char application[200];

	if (output_open(output))
		return failed(capture, "%s", output->error);
	capture->file_begin = clock_ns(CLOCK_REALTIME);
	if (capture->options->pcap) {
		output_add(output,
			   pcap_header(output_room(output), capture->linktype,
				       capture->snaplen));
	} else {
		snprintf(application, sizeof(application),
			 "xdpcap " PACKAGE_VERSION ", %s", pcap_lib_version());
		output_add(output, pcapng_section(output_room(output),
						  capture->os, application));
		capture->next_id = 0;
	}
	for (size_t i = 0; i < capture->ninterfaces; i++)
		capture->interfaces[i].in_file = false;
	for (uint32_t h = 0; h < capture->nhooks; h++) {
		for (uint32_t a = 0; a < ACTIONS_MAX; a++) {
			struct action *action = &capture->hooks[h].actions[a];

			if (!action->captured)
				continue;
			action->file = action->counters;
			action->file_packets = 0;
			interface = get_interface(capture, h, a, 0);
			if (!interface)
				return -1;
			if (!capture->options->pcap)
				add_interface_block(capture, interface);
		}
	}
	/* the reader of a pipe is not to wait for that until packets come */
	return output_flush(output) ? output_failed(capture) : 0;
}

static void add_statistics(struct capture *capture,
			   const struct interface *interface)
{
	const struct action *action =
		&capture->hooks[interface->hook].actions[interface->action];
	const struct pcap_xdpcap_counters *now = &action->counters;
	const struct pcap_xdpcap_counters *then = &action->file;
	uint64_t end = clock_ns(CLOCK_REALTIME);
	struct pcapng_statistics block = {
		.interface = interface->id,
		.ts = end,
		.begin = capture->file_begin,
		.end = end,
		.delivered = interface->delivered,
	};

	if (!interface->ifindex) {
		block.counted = true;
		block.received = now->seen - then->seen;
		block.dropped = now->dropped - then->dropped;
		block.accepted = now->captured - then->captured + block.dropped;
		block.delivered = action->file_packets;
	}
	output_add(&capture->output,
		   pcapng_statistics(output_room(&capture->output), &block));
}

static int end_file(struct capture *capture)
{
	if (!capture->options->pcap)
		for (size_t i = 0; i < capture->ninterfaces; i++)
			if (capture->interfaces[i].in_file)
				add_statistics(capture, &capture->interfaces[i]);
	return output_close(&capture->output) ? output_failed(capture) : 0;
}

static int next_file(struct capture *capture)
{
	return end_file(capture) || begin_file(capture) ? -1 : 0;
}

/* ---- Packets --------------------------------------------------------- */

/*
 * Write a packet, if it is still wanted. Sets capture->done when it was the last
 * one, or nothing more can be written.
 */
static void write_packet(struct hook *hook, const struct pcap_pkthdr *header,
			 const u_char *data,
			 const struct pcap_xdpcap_packet *details)
{
	struct capture *capture = hook->capture;
	const struct options *options = capture->options;
	struct action *action = &hook->actions[details->action % ACTIONS_MAX];
	struct output *output = &capture->output;
	struct pcapng_packet packet = {
		.ts = details->ts,
		.caplen = header->caplen,
		.len = header->len,
		.queue = details->rx_queue,
		.has_verdict = !hook->enter || details->action != hook->enter,
		.verdict = details->action,
		.data = data,
	};
	struct interface *interface;

	if (details->ts > capture->end) {
		hook->beyond |= details->ts - capture->end > MARGIN;
		return;
	}
	if (options->pcap) {
		output_add(output, pcap_record(output_room(output), &packet));
	} else {
		interface = packet_interface(capture, hook, action, details);
		if (!interface) {
			capture->done = true;
			return;
		}
		interface->delivered++;
		packet.interface = interface->id;
		packet.id = capture->packets + 1;
		packet.dropped = action->report - action->reported;
		action->reported = action->report;
		output_add(output, pcapng_packet(output_room(output), &packet));
	}
	capture->packets++;
	action->packets++;
	action->file_packets++;

	if (*output->error)
		output_failed(capture);
	else if (capture->packets == options->count ||
		 (options->size && output_total(output) >= options->size) ||
		 (options->rotate_size &&
		  output_size(output) >= options->rotate_size &&
		  next_file(capture)))
		capture->done = true;
}

/* From a hook's pcap_dispatch(). */
static void on_packet(u_char *user, const struct pcap_pkthdr *header,
		      const u_char *data)
{
	struct hook *hook = (struct hook *)user;
	struct pcap_xdpcap_packet details;

	if (hook->capture->done)
		return;
	pcap_xdpcap_packet(hook->p, &details);
	write_packet(hook, header, data, &details);
	if (hook->capture->done)
		pcap_breakloop(hook->p);
}

static int read_failed(struct hook *hook)
{
	return failed(hook->capture, "%s", pcap_geterr(hook->p));
}

/* Get a hook's next packet, if it is not there already. Returns 0, or -1. */
static int fetch(struct hook *hook)
{
	int ret;

	if (hook->data || hook->beyond)
		return 0;
	ret = pcap_next_ex(hook->p, &hook->header, &hook->data);
	if (ret == 1) {
		pcap_xdpcap_packet(hook->p, &hook->details);
		return 0;
	}
	hook->data = NULL;
	return ret == PCAP_ERROR ? read_failed(hook) : 0;
}

static struct hook *oldest(struct capture *capture)
{
	struct hook *hook = NULL;

	for (unsigned int h = 0; h < capture->nhooks; h++) {
		struct hook *other = &capture->hooks[h];

		if (other->data && (!hook || other->details.ts < hook->details.ts))
			hook = other;
	}
	return hook;
}

/*
 * Write what is in the rings of several hooks, in order. Every hook has been
 * looked at after limit, so what comes to one later is later than that; packets
 * up to limit can be written. Returns how many, or -1.
 */
static int read_merged(struct capture *capture)
{
	uint64_t limit = capture->end == UINT64_MAX ?
				 clock_ns(CLOCK_REALTIME) - MARGIN :
				 UINT64_MAX;
	struct hook *hook;
	int n = 0;

	for (unsigned int h = 0; h < capture->nhooks; h++)
		if (fetch(&capture->hooks[h]))
			return -1;
	while ((hook = oldest(capture)) && hook->details.ts <= limit) {
		write_packet(hook, hook->header, hook->data, &hook->details);
		n++;
		hook->data = NULL;
		if (capture->done)
			break;
		if (fetch(hook))
			return -1;
	}
	return n;
}

/* The same of one hook, whose packets come in order. */
static int read_one(struct hook *hook)
{
	int n;

	if (hook->beyond)
		return 0;
	n = pcap_dispatch(hook->p, -1, on_packet, (u_char *)hook);
	if (n == PCAP_ERROR)
		return read_failed(hook);
	return n > 0 ? n : 0;
}

/*
 * Look at the counters. What was dropped is reported with the next packet but
 * those that were waiting at that time: packets are dropped when the ring is
 * full, so these had come before.
 */
static void look(struct capture *capture)
{
	for (unsigned int h = 0; h < capture->nhooks; h++) {
		for (uint32_t a = 0; a < ACTIONS_MAX; a++) {
			struct action *action = &capture->hooks[h].actions[a];

			if (!action->captured)
				continue;
			action->report = action->counters.dropped;
			/* what is dropped after the end is no loss */
			if (capture->end == UINT64_MAX)
				pcap_xdpcap_counters(capture->hooks[h].p, a,
						     &action->counters);
		}
	}
}

static int read_packets(struct capture *capture)
{
	int n;

	look(capture);
	n = capture->nhooks == 1 ? read_one(&capture->hooks[0]) :
				   read_merged(capture);
	if (n < 0 || *capture->error)
		return -1;
	if (n > 0 && capture->options->flush && !capture->done &&
	    output_flush(&capture->output))
		return output_failed(capture);
	return n;
}

/* ---- The loop -------------------------------------------------------- */

/* For the signal handler. */
static struct {
	int wake_fd; /* eventfd */
	volatile sig_atomic_t caught;
	volatile uint64_t time;       /* of the first one, ns since the epoch */
	volatile sig_atomic_t report; /* SIGUSR1: say the counters */
} interrupt = { .wake_fd = -1 };

static void on_signal(int signal)
{
	uint64_t one = 1;
	int saved_errno = errno;

	if (signal == SIGUSR1) {
		interrupt.report = 1;
	} else if (!interrupt.caught) {
		interrupt.time = clock_ns(CLOCK_REALTIME);
		interrupt.caught = 1;
	}
	(void)!write(interrupt.wake_fd, &one, sizeof(one));
	errno = saved_errno;
}

/* The second signal of a kind ends the process, should it hang in a write. */
static int catch_signals(struct capture *capture)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction action = { .sa_handler = on_signal,
				    .sa_flags = (int)SA_RESETHAND };
	struct sigaction old;

	interrupt.wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (interrupt.wake_fd < 0)
		return failed(capture, "eventfd: %s", strerror(errno));
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		/* nohup's */
		sigaction(signals[i], NULL, &old);
		if (signals[i] != SIGHUP || old.sa_handler != SIG_IGN)
			sigaction(signals[i], &action, NULL);
	}
	action.sa_flags = SA_RESTART;
	sigaction(SIGUSR1, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	return 0;
}

/* When things are due, CLOCK_MONOTONIC ns; UINT64_MAX: never. */
struct timers {
	uint64_t second, rotation, end;
};

static void init_timers(struct timers *timers, const struct options *options)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC);

	timers->second = now + NS_PER_S;
	timers->rotation = options->rotate_time ?
				   now + options->rotate_time * NS_PER_S :
				   UINT64_MAX;
	timers->end = options->duration ? now + options->duration * NS_PER_S :
					  UINT64_MAX;
}

/* Be woken when so much is in a ring of any hook. */
static void set_watermark(struct capture *capture, uint32_t watermark)
{
	if (capture->watermark == watermark)
		return;
	capture->watermark = watermark;
	for (unsigned int h = 0; h < capture->nhooks; h++)
		pcap_xdpcap_set_watermark(capture->hooks[h].p, watermark);
}

/*
 * Wait for packets, a signal, the reader's end, or a timer; how, is said at NAP.
 * busy: packets have just been read.
 */
static int wait_for_packets(struct capture *capture,
			    const struct timers *timers, bool busy)
{
	const struct options *options = capture->options;
	struct pollfd fds[HOOKS_MAX + 2] = {
		{ .fd = interrupt.wake_fd, .events = POLLIN },
		{ .fd = capture->output.is_pipe ? capture->output.fd : -1 },
	};
	uint64_t now = clock_ns(CLOCK_MONOTONIC), due = timers->second;
	nfds_t n = 2;
	int timeout, nap = INT_MAX;

	if (timers->rotation < due)
		due = timers->rotation;
	if (timers->end < due)
		due = timers->end;
	timeout = due > now ? (int)((due - now) / NS_PER_MS + 1) : 0;
	if (options->watermark > 1) {
		set_watermark(capture, options->watermark);
	} else if (busy) {
		set_watermark(capture, UINT32_MAX);
		nap = options->flush ? NAP_FLUSH : NAP;
	} else {
		set_watermark(capture, 1);
	}
	if (!busy && oldest(capture)) {
		nap = NAP_WAITING;
	} else {
		for (unsigned int h = 0; h < capture->nhooks; h++)
			fds[n++] = (struct pollfd){ .fd = capture->hooks[h].fd,
						    .events = POLLIN };
	}
	timeout = nap < timeout ? nap : timeout;
	if (poll(fds, n, timeout) < 0 && errno != EINTR)
		return failed(capture, "poll: %s", strerror(errno));
	/* of a pipe, and of a socket */
	if (fds[1].revents & (POLLERR | POLLHUP | POLLNVAL))
		capture->done = true;
	return 0;
}

/* What is due each second, and what else there is to do at a certain time. */
static int run_timers(struct capture *capture, struct timers *timers, bool show)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC), value;

	if (now >= timers->second) {
		timers->second += NS_PER_S;
		if (timers->second <= now)
			timers->second = now + NS_PER_S;
		if (show)
			stats_show(capture);
		if (output_flush(&capture->output))
			return output_failed(capture);
	}
	if (now >= timers->rotation) {
		timers->rotation += capture->options->rotate_time * NS_PER_S;
		if (next_file(capture))
			return -1;
	}
	if (interrupt.report) {
		interrupt.report = 0;
		(void)!read(interrupt.wake_fd, &value, sizeof(value));
		stats_report(capture);
	}
	if (interrupt.caught || now >= timers->end) {
		look(capture);
		capture->end = interrupt.caught ? interrupt.time :
						  clock_ns(CLOCK_REALTIME);
	}
	return 0;
}

/*
 * Write what was captured until the end: to the last packet, or the first that
 * is later; and once more for one that was just being captured.
 */
static int drain(struct capture *capture)
{
	int n;

	for (int round = 0; round < 2; round++) {
		do {
			n = read_packets(capture);
			if (n < 0)
				return -1;
		} while (n > 0 && !capture->done);
		if (round == 0)
			usleep(MARGIN / 1000);
	}
	return 0;
}

static int loop(struct capture *capture)
{
	bool show = !capture->options->quiet && isatty(STDERR_FILENO);
	struct timers timers;
	int n;

	init_timers(&timers, capture->options);
	stats_begin();
	while (!capture->done) {
		n = read_packets(capture);
		if (n < 0)
			return -1;
		if (capture->done)
			break;
		if (run_timers(capture, &timers, show))
			return -1;
		if (capture->end != UINT64_MAX)
			return drain(capture);
		if (wait_for_packets(capture, &timers, n > 0))
			return -1;
	}
	return 0;
}

int capture_run(struct capture *capture)
{
	int ret = loop(capture);

	/* what has been captured until an error is kept */
	return end_file(capture) ? -1 : ret;
}

/* ---- Opening --------------------------------------------------------- */

/* -actions as libpcap's device name has it: cloudflare/xdpcap takes " Drop,0x2". */
static int normalize_actions(const char *given, char *actions, size_t size)
{
	size_t len = 0;

	while (*given) {
		size_t item = strcspn(given, ","), i = 0;
		char word[16];
		unsigned long number;
		char *end;

		while (i < item && isspace((unsigned char)given[i]))
			i++;
		snprintf(word, sizeof(word), "%.*s", (int)(item - i), given + i);
		word[strcspn(word, " \t\n")] = '\0';
		for (i = 0; word[i]; i++)
			word[i] = (char)tolower((unsigned char)word[i]);
		number = strtoul(word, &end, 0);
		if (isdigit((unsigned char)*word) && !*end)
			len += (size_t)snprintf(actions + len, size - len,
						"%s%lu", len ? "," : "", number);
		else
			len += (size_t)snprintf(actions + len, size - len,
						"%s%s", len ? "," : "", word);
		if (len >= size)
			return -1;
		given += item + (given[item] == ',');
	}
	return len ? 0 : -1;
}

static bool exists(const char *path, int len)
{
	char name[PATH_MAX];

	if (snprintf(name, sizeof(name), "%.*s", len, path) >= (int)sizeof(name))
		return false;
	return access(name, F_OK) == 0;
}

/* Whether there is something in the BPF file system's root by this name. */
static bool pinned(const char *name)
{
	char path[PATH_MAX];

	return snprintf(path, sizeof(path), BPFFS "%s", name) <
		       (int)sizeof(path) &&
	       access(path, F_OK) == 0;
}

/*
 * From a hook as it is given, a path or a device's name, to a device's name. A
 * path that exists is one, also with an at sign in it.
 */
static int name_device(struct hook *hook, const char *given)
{
	struct capture *capture = hook->capture;
	const char *base, *at, *directory = "";
	char actions[512] = "all", cwd[PATH_MAX];
	int len;

	if (capture->options->actions &&
	    normalize_actions(capture->options->actions, actions, sizeof(actions)))
		return failed(capture, "no actions: \"%s\"",
			      capture->options->actions);
	if (!strncmp(given, PREFIX, strlen(PREFIX)))
		given += strlen(PREFIX);
	base = strrchr(given, '/');
	at = strrchr(base ? base : given, '@');
	len = (int)strlen(given);
	if (at && at != given && !exists(given, len) &&
	    !(*given != '/' && pinned(given))) {
		len = (int)(at - given);
		snprintf(actions, sizeof(actions), "%s", at + 1);
	}
	/* others are libpcap's to find, in the BPF file system */
	if (len && *given != '/' && exists(given, len) && getcwd(cwd, sizeof(cwd)))
		directory = cwd;
	if (asprintf(&hook->device, PREFIX "%s%s%.*s@%s", directory,
		     *directory ? "/" : "", len, given, actions) < 0) {
		hook->device = NULL;
		return failed(capture, "%s", strerror(errno));
	}
	hook->name = hook->device + strlen(PREFIX);
	hook->name_len = (int)(strrchr(hook->name, '@') - hook->name);
	if (!strncmp(hook->name, BPFFS, strlen(BPFFS))) {
		hook->name += strlen(BPFFS);
		hook->name_len -= (int)strlen(BPFFS);
	}
	return 0;
}

static int open_hook(struct hook *hook, const char *given)
{
	struct capture *capture = hook->capture;
	const struct options *options = capture->options;
	char err[PCAP_ERRBUF_SIZE];
	uint64_t buffer;
	uint32_t actions;
	int enter;

	if (name_device(hook, given))
		return -1;
	hook->p = pcap_create(hook->device, err);
	if (!hook->p)
		return failed(capture, "%s", err);
	if (options->snaplen)
		pcap_set_snaplen(hook->p, (int)options->snaplen);
	/* libpcap has one number for the rings of all CPUs */
	buffer = options->buffer * (uint64_t)sysconf(_SC_NPROCESSORS_ONLN);
	if (buffer)
		pcap_set_buffer_size(hook->p,
				     buffer < INT_MAX ? (int)buffer : INT_MAX);
	if (pcap_activate(hook->p) < 0 || pcap_setnonblock(hook->p, 1, err) < 0 ||
	    pcap_xdpcap_actions(hook->p, &actions) < 0 ||
	    (enter = pcap_xdpcap_enter(hook->p)) < 0)
		return failed(capture, "%s", pcap_geterr(hook->p));
	hook->fd = pcap_get_selectable_fd(hook->p);
	hook->enter = (uint32_t)enter;
	for (uint32_t a = 0; a < ACTIONS_MAX; a++)
		hook->actions[a].captured = actions >> a & 1;
	return 0;
}

static int set_filter(struct hook *hook)
{
	struct capture *capture = hook->capture;
	struct bpf_program program;
	char err[PCAP_ERRBUF_SIZE + 64];
	int ret;

	if (!*capture->options->filter.text)
		return 0;
	if (filter_compile(&capture->options->filter, hook->p, &program, err,
			   sizeof(err)))
		return failed(capture, "%s", err);
	ret = pcap_setfilter(hook->p, &program);
	pcap_freecode(&program);
	return ret ? read_failed(hook) : 0;
}

/* The filter as the file is to have it. */
static int name_filter(struct capture *capture)
{
	const struct filter_spec *filter = &capture->options->filter;
	char offsets[FILTER_OFFSETS_MAX * 6 + 1] = "";
	int len = 0;

	if (!*filter->text)
		return 0;
	for (size_t i = 0; i < filter->noffsets; i++)
		len += snprintf(offsets + len, sizeof(offsets) - (size_t)len,
				"%s%" PRIu32, i ? "," : "", filter->offsets[i]);
	if (asprintf(&capture->filter_name, "%s%s%s%s",
		     filter->noffsets ? "at offset " : "", offsets,
		     filter->noffsets ? ": " : "", filter->text) < 0) {
		capture->filter_name = NULL;
		return failed(capture, "%s", strerror(errno));
	}
	return 0;
}

/*
 * Files have numbers of their own for some types. That of raw IP is 101, but
 * libpcap 1.10 then refuses a pcapng file with more than one interface, as it
 * compares 101 with its own 12; like Wireshark, it takes 12 for raw IP as well.
 */
static int set_linktype(struct capture *capture)
{
	int dlt = capture->options->filter.linktype;

	if (dlt == DLT_RAW)
		capture->linktype = capture->options->pcap ? 101 : DLT_RAW;
	else if (dlt <= DLT_FDDI || (dlt >= 104 && dlt <= UINT16_MAX))
		capture->linktype = (uint16_t)dlt;
	else
		return failed(capture, "link-layer type %d cannot be written",
			      dlt);
	return 0;
}

static void say_listening(const struct capture *capture)
{
	const char *type =
		pcap_datalink_val_to_name(capture->options->filter.linktype);

	for (unsigned int h = 0; h < capture->nhooks; h++)
		fprintf(stderr,
			"listening on %s, link-type %s, snapshot length %" PRIu32
			" bytes\n",
			capture->hooks[h].device, type ? type : "unknown",
			capture->snaplen);
}

int capture_open(struct capture *capture, const struct options *options)
{
	bool rotates = options->rotate_size || options->rotate_time;
	struct utsname uts;

	*capture = (struct capture){ .options = options, .end = UINT64_MAX };
	if (output_init(&capture->output, options->output, rotates,
			options->files))
		return failed(capture, "%s", capture->output.error);
	uname(&uts);
	snprintf(capture->os, sizeof(capture->os), "%s %s %s", uts.sysname,
		 uts.release, uts.machine);
	if (set_linktype(capture) || name_filter(capture))
		return -1;
	for (; capture->nhooks < options->nhooks; capture->nhooks++) {
		struct hook *hook = &capture->hooks[capture->nhooks];

		hook->capture = capture;
		hook->index = capture->nhooks;
		if (open_hook(hook, options->hooks[capture->nhooks]) ||
		    set_filter(hook)) {
			capture->nhooks++;
			return -1;
		}
	}
	capture->snaplen = (uint32_t)pcap_snapshot(capture->hooks[0].p);
	if (catch_signals(capture) || begin_file(capture))
		return -1;
	if (!rotates && output_drop_privileges(&capture->output))
		return failed(capture, "%s", capture->output.error);
	if (!options->quiet)
		say_listening(capture);
	return 0;
}

void capture_close(struct capture *capture)
{
	for (unsigned int h = 0; h < capture->nhooks; h++) {
		if (capture->hooks[h].p)
			pcap_close(capture->hooks[h].p);
		free(capture->hooks[h].device);
	}
	free(capture->interfaces);
	free(capture->filter_name);
	output_free(&capture->output);
	if (interrupt.wake_fd >= 0)
		close(interrupt.wake_fd);
}
