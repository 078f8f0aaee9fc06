// SPDX-License-Identifier: BSD-3-Clause
/* A table of counters for the user; see stats.h. */
#include "stats.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../pcap-xdpcap/clock.h"

/* Of a longer path, the end. */
#define NAME_MAX_SHOWN 40

/* What was shown last. */
static struct {
	unsigned int lines;
	uint64_t time; /* ns, CLOCK_MONOTONIC */
	uint64_t seen[HOOKS_MAX][ACTIONS_MAX], packets[HOOKS_MAX][ACTIONS_MAX];
} last;

/* A line that is wider than the terminal would be two, and the count wrong. */
static unsigned int columns(void)
{
	struct winsize size;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) || !size.ws_col)
		return 80;
	return size.ws_col;
}

static void print_line(const char *line, bool terminal)
{
	if (terminal)
		fprintf(stderr, "%.*s\033[K\n", (int)columns() - 1, line);
	else
		fprintf(stderr, "%s\n", line);
	last.lines++;
}

static uint64_t rate(uint64_t now, uint64_t before, uint64_t ns)
{
	return ns ? (uint64_t)((double)(now - before) * NS_PER_S / (double)ns) :
		    0;
}

static void format_name(char *name, size_t size, const struct hook *hook,
			uint32_t action)
{
	int cut = hook->name_len > NAME_MAX_SHOWN ?
			  hook->name_len - NAME_MAX_SHOWN :
			  0;

	snprintf(name, size, "%.*s@%s", hook->name_len - cut, hook->name + cut,
		 capture_action_name(hook, action));
}

/* The widest name that there is. */
static int name_width(const struct capture *capture)
{
	char name[64];
	int width = 0;

	for (unsigned int h = 0; h < capture->nhooks; h++) {
		for (uint32_t a = 0; a < ACTIONS_MAX; a++) {
			const struct hook *hook = &capture->hooks[h];

			if (!hook->actions[a].captured)
				continue;
			format_name(name, sizeof(name), hook, a);
			if ((int)strlen(name) > width)
				width = (int)strlen(name);
		}
	}
	return width;
}

static void print_table(const struct capture *capture, bool terminal, bool rates)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	uint64_t ns = now - last.time;
	char line[512];
	int len, width = name_width(capture);

	if (terminal && last.lines)
		fprintf(stderr, "\033[%uA", last.lines);
	last.lines = 0;
	snprintf(line, sizeof(line), "%-*s %12s %12s %12s %10s%s", width,
		 "hook@action", "seen", "matched", "captured", "dropped",
		 rates ? "     seen/s captured/s" : "");
	print_line(line, terminal);
	for (unsigned int h = 0; h < capture->nhooks; h++) {
		const struct hook *hook = &capture->hooks[h];

		for (uint32_t a = 0; a < ACTIONS_MAX; a++) {
			const struct action *action = &hook->actions[a];
			const struct pcap_xdpcap_counters *counters =
				&action->counters;
			char name[64];

			if (!action->captured)
				continue;
			format_name(name, sizeof(name), hook, a);
			len = snprintf(line, sizeof(line),
				       "%-*s %12" PRIu64 " %12" PRIu64
				       " %12" PRIu64 " %10" PRIu64,
				       width, name, counters->seen,
				       counters->captured + counters->dropped,
				       action->packets, counters->dropped);
			if (rates)
				snprintf(line + len, sizeof(line) - (size_t)len,
					 " %10" PRIu64 " %10" PRIu64,
					 rate(counters->seen, last.seen[h][a], ns),
					 rate(action->packets,
					      last.packets[h][a], ns));
			print_line(line, terminal);
			last.seen[h][a] = counters->seen;
			last.packets[h][a] = action->packets;
		}
	}
	last.time = now;
}

void stats_begin(void)
{
	last.time = clock_ns(CLOCK_MONOTONIC);
}

void stats_show(const struct capture *capture)
{
	print_table(capture, true, true);
}

void stats_report(const struct capture *capture)
{
	print_table(capture, isatty(STDERR_FILENO), false);
}

/* No packets: what the user can do. */
static void print_hint(const struct capture *capture)
{
	const struct hook *hook = &capture->hooks[0];
	uint64_t seen = 0;

	for (unsigned int h = 0; h < capture->nhooks; h++)
		for (uint32_t a = 0; a < ACTIONS_MAX; a++)
			seen += capture->hooks[h].actions[a].counters.seen;
	if (seen)
		fprintf(stderr,
			"xdpcap: of %" PRIu64 " packets, none matched the filter",
			seen);
	else
		fputs("xdpcap: no packet came to the hook", stderr);
	fprintf(stderr, "; \"xdpcap hook explain %.*s\" may say why\n",
		hook->name_len, hook->name);
}

void stats_summary(const struct capture *capture)
{
	stats_report(capture);
	fprintf(stderr, "%" PRIu64 " packets, %" PRIu64 " bytes written to %s",
		capture->packets, output_total(&capture->output),
		capture->output.path);
	if (capture->output.number > 1)
		fprintf(stderr, " (%lu files)", capture->output.number);
	fputc('\n', stderr);
	if (!capture->packets)
		print_hint(capture);
}
