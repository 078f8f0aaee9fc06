// SPDX-License-Identifier: BSD-3-Clause
/* The captures of a run: see captures.h. */
#include "captures.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../clock.h"

/* What a helper's process is called, with the capture's number. */
#define COMM "xdpcap-helper%02x"

struct capture captures[CAPTURES_MAX];
struct flow *flow;
bool failed;
struct checked checked;
unsigned int ended, refused;

static const char *hook, *directory;

void fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	failed = true;
}

long long now_ms(void)
{
	return now(CLOCK_MONOTONIC) / NS_PER_MS;
}

void sleep_us(long us)
{
	const struct timespec ts = { .tv_sec = us / 1000000,
				     .tv_nsec = us % 1000000 * 1000 };

	nanosleep(&ts, NULL);
}

void captures_init(const char *its_hook, const char *its_directory)
{
	hook = its_hook;
	directory = its_directory;
	/* helpers become ours, so that their end is noticed */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	/* an application may be told to do something before it has its handler */
	signal(SIGUSR1, SIG_IGN);
}

/*
 * The helper that a capture is given has a name of its own, by which its process
 * is found; and, since libpcap starts it without an environment, a script sets
 * the variable that names a point.
 */
static void make_helper(struct capture *c, const char *kind, const char *point)
{
	char target[128], link[128];
	FILE *file;

	snprintf(target, sizeof(target), "%s/%s", directory, kind);
	snprintf(link, sizeof(link), "%s/" COMM, directory, c->id);
	unlink(link);
	if (symlink(target, link)) {
		perror(link);
		exit(1);
	}
	if (!point) {
		snprintf(c->path, sizeof(c->path), "%s", link);
		return;
	}
	snprintf(c->path, sizeof(c->path), "%s/point%02x", directory, c->id);
	file = fopen(c->path, "we");
	if (!file) {
		perror(c->path);
		exit(1);
	}
	fprintf(file, "#!/bin/sh\nXDPCAP_TEST_%s exec %s\n", point, link);
	fclose(file);
	chmod(c->path, 0755);
}

struct capture *capture_start(const char *name, const struct spec *spec,
			      const char *kind, const char *point)
{
	static unsigned int number;
	struct capture *c;
	int fds[2];

	for (c = captures; c->name[0]; c++)
		if (c == captures + CAPTURES_MAX - 1) {
			fail("too many captures");
			return NULL;
		}
	memset(c, 0, sizeof(*c));
	snprintf(c->name, sizeof(c->name), "%s", name);
	c->id = number++ & 0xff;
	make_helper(c, kind, point);
	c->spec = *spec;
	c->spec.hook = hook;
	c->spec.helper = c->path;
	c->lost_begin = SEQ_MAX;
	/* when it dies is not known: nothing is required of it */
	if (point && !strncmp(point, "DIE", 3)) {
		c->dies = true;
		c->killed = HELPER;
		c->lost_begin = 0;
	}
	c->log = log_create();
	if (pipe2(fds, O_CLOEXEC)) {
		perror("pipe");
		exit(1);
	}
	fflush(stdout);
	c->application = fork();
	if (c->application < 0) {
		perror("fork");
		exit(1);
	}
	if (!c->application) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(fds[1]);
		application_run(flow, &c->spec, c->log, fds[0]);
	}
	close(fds[0]);
	c->commands = fds[1];
	return c;
}

struct capture *capture_find(const char *name)
{
	for (struct capture *c = captures; c < captures + CAPTURES_MAX; c++)
		if (c->name[0] && !strcmp(c->name, name))
			return c;
	return NULL;
}

void capture_tell(struct capture *c, enum command command, unsigned int value)
{
	const uint8_t bytes[2] = { command, value };

	/* it may have ended */
	signal(SIGPIPE, SIG_IGN);
	(void)!write(c->commands, bytes, sizeof(bytes));
	if (!(c->gone & APPLICATION))
		kill(c->application, SIGUSR1);
	c->asked++;
	c->closing |= command == CLOSE;
	c->stalled = command == STALL || (c->stalled && command != RESUME);
}

enum state capture_state(const struct capture *c)
{
	return c->name[0] ? atomic_load(&c->log->state) : REFUSED;
}

bool capture_idle(const struct capture *c)
{
	return capture_state(c) == ATTACHED && c->log->answered == c->asked &&
	       !c->log->changing && (!c->spec.filter || c->log->nchanges);
}

/* A file of /proc/PID, as a string. */
static bool read_proc(pid_t pid, const char *name, char *buf, size_t size)
{
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, buf, size - 1);
	close(fd);
	buf[n > 0 ? n : 0] = '\0';
	return n > 0;
}

/* Whether a process is the capture's helper; a child of ours, or anyone's. */
static bool is_helper(const struct capture *c, pid_t pid, bool ours)
{
	char comm[32], want[32], stat[512];
	const char *end;
	pid_t parent;

	snprintf(want, sizeof(want), COMM "\n", c->id);
	if (!read_proc(pid, "comm", comm, sizeof(comm)) || strcmp(comm, want) != 0)
		return false;
	if (!ours)
		return true;
	if (!read_proc(pid, "stat", stat, sizeof(stat)))
		return false;
	end = strrchr(stat, ')');
	return end && sscanf(end, ") %*c %d", &parent) == 1 && parent == getpid();
}

static pid_t find_helper(const struct capture *c, bool ours)
{
	struct dirent *entry;
	pid_t pid = 0;
	DIR *proc = opendir("/proc");

	while (!pid && (entry = readdir(proc)))
		if (isdigit(entry->d_name[0]) &&
		    is_helper(c, atoi(entry->d_name), ours))
			pid = atoi(entry->d_name);
	closedir(proc);
	return pid;
}

pid_t capture_helper(struct capture *c)
{
	/* a child of ours when the process that libpcap started has ended */
	if (!c->helper && !(c->gone & HELPER))
		c->helper = find_helper(c, true);
	return c->gone & HELPER ? 0 : c->helper;
}

static void send_signal(struct capture *c, unsigned int processes, int signal)
{
	const pid_t helper = capture_helper(c);

	if (processes & HELPER && helper)
		kill(helper, signal);
	if (processes & APPLICATION && !(c->gone & APPLICATION))
		kill(c->application, signal);
}

void capture_kill(struct capture *c, unsigned int processes)
{
	if (processes & HELPER && c->lost_begin == SEQ_MAX)
		c->lost_begin = flow_done(flow);
	send_signal(c, processes, SIGKILL);
	c->killed |= processes;
}

void capture_stop(struct capture *c, unsigned int processes)
{
	send_signal(c, processes, SIGSTOP);
	c->stopped |= processes;
	if (processes & HELPER)
		c->helper_stopped_at = now_ms();
}

void capture_continue(struct capture *c, unsigned int processes)
{
	send_signal(c, processes, SIGCONT);
	c->stopped &= ~processes;
}

/* The capture whose helper a child of ours is, or NULL. */
static struct capture *capture_of_helper(pid_t pid)
{
	for (struct capture *c = captures; c < captures + CAPTURES_MAX; c++)
		if (c->name[0] &&
		    (c->helper ? c->helper == pid : is_helper(c, pid, true)))
			return c;
	return NULL;
}

static void check_application(struct capture *c, const siginfo_t *info)
{
	c->gone |= APPLICATION;
	if (c->killed & APPLICATION) {
		if (info->si_code == CLD_KILLED && info->si_status == SIGKILL)
			return;
	}
	if (info->si_code != CLD_EXITED || info->si_status)
		fail("%s: the application has ended by itself: %d, status %d",
		     c->name, info->si_code, info->si_status);
	if (capture_state(c) == BROKEN)
		fail("%s: %s", c->name, c->log->message);
	if (capture_state(c) == LOST && !(c->killed & HELPER))
		fail("%s: %s", c->name, c->log->message);
}

/* Children of ours that have ended, or have stopped themselves. */
static void reap(void)
{
	struct capture *c, *helpers;
	siginfo_t info;

	for (;;) {
		info.si_pid = 0;
		if (waitid(P_ALL, 0, &info,
			   WEXITED | WSTOPPED | WNOHANG | WNOWAIT) ||
		    !info.si_pid)
			return;
		helpers = capture_of_helper(info.si_pid);
		if (helpers)
			helpers->helper = info.si_pid;
		if (waitid(P_PID, info.si_pid, &info,
			   WEXITED | WSTOPPED | WNOHANG) ||
		    !info.si_pid)
			continue;
		if (helpers && info.si_code == CLD_STOPPED) {
			helpers->has_stopped = true;
		} else if (helpers) {
			helpers->has_died = info.si_code == CLD_KILLED;
			helpers->helper = 0;
		}
		if (helpers || info.si_code == CLD_STOPPED)
			continue;
		for (c = captures; c < captures + CAPTURES_MAX; c++)
			if (c->name[0] && c->application == info.si_pid)
				check_application(c, &info);
	}
}

/* Both have ended. */
static void finish(struct capture *c)
{
	if (c->dies && !c->has_died)
		fail("%s: the helper did not come to the point", c->name);
	if (capture_state(c) != REFUSED) {
		if (!log_check(flow, &c->spec, c->log, c->name, c->lost_begin,
			       &checked))
			failed = true;
		ended++;
		if (c->drops && !c->log->dropped)
			fail("%s: no packets were dropped", c->name);
	} else if (c->refusal && strstr(c->log->message, c->refusal)) {
		refused++;
	} else if (!(c->killed & HELPER) ||
		   !strstr(c->log->message, "xdpcap-helper has ended")) {
		fail("%s: refused: %s", c->name, c->log->message);
	}
	log_free(c->log);
	close(c->commands);
	c->name[0] = '\0';
}

void captures_poll(void)
{
	reap();
	for (struct capture *c = captures; c < captures + CAPTURES_MAX; c++) {
		if (!c->name[0] || !(c->gone & APPLICATION))
			continue;
		if (find_helper(c, false))
			continue;
		c->gone |= HELPER;
		finish(c);
	}
}

static bool all_gone(void)
{
	for (struct capture *c = captures; c < captures + CAPTURES_MAX; c++)
		if (c->name[0])
			return false;
	return true;
}

void captures_end(void)
{
	const bool failed_before = failed;

	if (!failed && WAIT_FOR(all_gone()))
		return;
	for (struct capture *c = captures; c < captures + CAPTURES_MAX; c++) {
		if (!c->name[0])
			continue;
		if (!failed_before)
			fail("%s does not end: state %u, gone %u, helper %d",
			     c->name, capture_state(c), c->gone, c->helper);
		capture_kill(c, BOTH);
	}
}
