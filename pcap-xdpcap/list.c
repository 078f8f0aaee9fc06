// SPDX-License-Identifier: BSD-3-Clause
/*
 * The list of hooks: see list.h.
 */
#include "list.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "protocol.h"
#include "survey.h"

/* How long the survey may take, ms. */
#define SURVEY_MS 1000

/* How many names of programs or interfaces are said, of more the number. */
#define NAMES_MAX 4

/* A message, and where its text ends. */
struct line {
	struct xdpcap_listed listed;
	char text[XDPCAP_PATH_MAX + XDPCAP_MESSAGE_MAX];
	size_t len;
};

static void add(struct line *line, size_t size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Append to the text, which becomes no longer than size with its null. */
static void add(struct line *line, size_t size, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(line->text + line->len, size - line->len, format, args);
	va_end(args);
	line->len += n;
	if (line->len >= size)
		line->len = size - 1;
}

/* ", NAME", the i-th of n; of those that are too many only how many. */
static void add_name(struct line *line, size_t i, size_t n, const char *name)
{
	if (i < NAMES_MAX)
		add(line, sizeof(line->text), "%s%s", i ? ", " : "", name);
	else if (i == NAMES_MAX)
		add(line, sizeof(line->text), " and %zu more", n - i);
}

/*
 * Whether an XDP program uses it: it has an owner, and if that can be known, a
 * program that has it among its maps.
 */
static bool is_used(const struct survey *survey, const struct survey_hook *hook)
{
	return hook->owner_prog_type == BPF_PROG_TYPE_XDP &&
	       (!survey->progs_known || hook->nr_progs);
}

static int send_hook(int sock, const struct survey_hook *hook)
{
	struct line line = { .listed = { .entries = hook->max_entries,
					 .captured = hook->captured } };

	add(&line, XDPCAP_PATH_MAX, "%s", hook->path);
	line.len++;
	add(&line, sizeof(line.text), "XDP hook%s%s", *hook->name ? " " : "",
	    hook->name);
	for (size_t i = 0; i < hook->nr_progs; i++) {
		if (!i)
			add(&line, sizeof(line.text), " of ");
		add_name(&line, i, hook->nr_progs, hook->progs[i].name);
	}
	for (size_t i = 0; i < hook->nr_links; i++) {
		if (!i)
			add(&line, sizeof(line.text), " on ");
		add_name(&line, i, hook->nr_links, hook->links[i].name);
	}
	if (hook->nr_pins > 1)
		add(&line, sizeof(line.text), ", one of %zu pins", hook->nr_pins);
	return send(sock, &line, sizeof(line.listed) + line.len + 1,
		    MSG_NOSIGNAL) < 0 ?
		       -1 :
		       0;
}

void list_send(int sock)
{
	const struct timeval patience = { .tv_sec = 1 };
	const struct xdpcap_listed end = { 0 };
	struct survey survey;
	int err;

	err = setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &patience,
			 sizeof(patience));
	survey_make(&survey, NULL, SURVEY_MS);
	for (size_t i = 0; i < survey.nr_hooks && !err; i++)
		if (is_used(&survey, &survey.hooks[i]))
			err = send_hook(sock, &survey.hooks[i]);
	survey_free(&survey);
	if (!err)
		send(sock, &end, sizeof(end), MSG_NOSIGNAL);
}
