// SPDX-License-Identifier: BSD-3-Clause
/*
 * What happens is read from a script, line by line. Lines are:
 *
 *	start NAME [OPTION]...	a capture; OPTIONs are actions=drop,pass (all),
 *				filter=NUMBER (none), snaplen=BYTES, buffer=BYTES,
 *				immediate, user=UID, helper=FILE (root),
 *				STOP=POINT or DIE=POINT; drops: it must drop
 *				packets
 *	refused NAME OPTION... : TEXT
 *				a capture that is refused with this message
 *	filter NAME NUMBER	change its filter
 *	stall NAME, resume NAME	do not read; do again
 *	close NAME
 *	kill NAME, stop NAME, continue NAME
 *		application|helper|both
 *	attached NAME		wait until it is, and has answered all
 *	at NAME			wait until its helper has stopped itself
 *	gone NAME...		wait until they have ended, and are right
 *	run NUMBER		wait until so many packets more were captured
 *	quiet NAME...		only these copy packets
 *	programs NUMBER		there are so many filter programs in the hook
 *
 *	# COMMENT		the last is shown if something is wrong
 *
 * What has begun and is not waited for happens at the same time as what follows.
 */
#include "events.h"

#include <stdlib.h>
#include <string.h>

#include "look.h"

#define WORDS_MAX 32

/* Packets that show whether something is still captured. */
#define QUIET_PACKETS 100

static const char *const action_names[] = { "aborted", "drop", "pass", "tx",
					    "redirect" };

static int hook;

static uint32_t parse_actions(const char *value)
{
	uint32_t actions = 0;

	for (unsigned int a = 0; a < 5; a++)
		if (strstr(value, action_names[a]))
			actions |= 1u << a;
	return actions;
}

/* The word that begins with this, or NULL; or what follows in it. */
static const char *find_word(char **words, const char *begin)
{
	for (; *words; words++)
		if (!strncmp(*words, begin, strlen(begin)))
			return *words;
	return NULL;
}

static const char *option(char **words, const char *name)
{
	const char *word = find_word(words, name);

	return word ? word + strlen(name) : NULL;
}

static unsigned long option_number(char **words, const char *name,
				   unsigned long value)
{
	const char *text = option(words, name);

	return text ? strtoul(text, NULL, 0) : value;
}

static struct capture *start(char **words)
{
	const char *actions = option(words, "actions=");
	const struct spec spec = {
		.actions = actions ? parse_actions(actions) : 0,
		.filter = option_number(words, "filter=", 0),
		.snaplen = option_number(words, "snaplen=", 262144),
		.buffer_size = option_number(words, "buffer=", 0),
		.immediate = option(words, "immediate"),
		.user = option_number(words, "user=", 0),
	};
	const char *point = find_word(words, "STOP=") ?: find_word(words, "DIE=");
	struct capture *c;

	c = capture_start(words[1], &spec, option(words, "helper=") ?: "root",
			  point);
	if (c)
		c->drops = option(words, "drops");
	return c;
}

static void refuse(char **words)
{
	static char text[200];
	struct capture *c;
	char **word = words;

	while (*word && strcmp(*word, ":") != 0)
		word++;
	text[0] = '\0';
	if (*word)
		*word++ = NULL;
	for (; *word; word++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
			 "%s%s", text[0] ? " " : "", *word);
	c = start(words);
	if (!c)
		return;
	c->refusal = text;
	if (!WAIT_FOR(!c->name[0] || capture_state(c) == ATTACHED) || c->name[0])
		fail("%s is not refused", words[1]);
}

static unsigned int parse_process(const char *word)
{
	return !strcmp(word, "application") ? APPLICATION :
	       !strcmp(word, "helper")      ? HELPER :
					      BOTH;
}

static void run(unsigned long packets)
{
	const uint32_t begin = flow_next(flow);

	if (!WAIT_FOR(flow_done(flow) > begin + packets))
		fail("the traffic has stopped at packet %u", flow_done(flow));
}

/* The captures that are not of those named, and what they have captured. */
static int look_at_others(char **names, struct found *found)
{
	unsigned int programs;
	int n = hook_look(hook, found, &programs);
	struct capture *c;

	for (; *names; names++) {
		c = capture_find(*names);
		for (int i = 0; c && i < n; i++)
			if (holds_map(capture_helper(c), found[i].map))
				found[i] = found[--n];
	}
	return n;
}

static bool is_quiet(char **names)
{
	struct found before[FOUND_MAX], after[FOUND_MAX];
	int n = look_at_others(names, before), m;

	if (!n)
		return true;
	run(QUIET_PACKETS);
	m = look_at_others(names, after);
	for (int i = 0; i < m; i++)
		for (int j = 0; j < n; j++)
			if (after[i].map == before[j].map &&
			    after[i].captured != before[j].captured)
				return false;
	return m >= 0;
}

static bool has_programs(unsigned int number)
{
	struct found found[FOUND_MAX];
	unsigned int programs = 0;

	return hook_look(hook, found, &programs) >= 0 && programs == number;
}

static bool all_gone(char **names)
{
	for (; *names; names++)
		if (capture_find(*names))
			return false;
	return true;
}

/* Lines about one capture. Returns false if it is not one. */
static bool do_line_of(struct capture *c, char **words)
{
	const char *what = words[0], *name = words[1], *value = words[2] ?: "";

	if (!strcmp(what, "filter"))
		capture_tell(c, FILTER, strtoul(value, NULL, 10));
	else if (!strcmp(what, "stall"))
		capture_tell(c, STALL, 0);
	else if (!strcmp(what, "resume"))
		capture_tell(c, RESUME, 0);
	else if (!strcmp(what, "close"))
		capture_tell(c, CLOSE, 0);
	else if (!strcmp(what, "kill"))
		capture_kill(c, parse_process(value));
	else if (!strcmp(what, "stop"))
		capture_stop(c, parse_process(value));
	else if (!strcmp(what, "continue"))
		capture_continue(c, parse_process(value));
	else if (!strcmp(what, "attached")) {
		if (!WAIT_FOR(!c->name[0] || capture_idle(c)) || !c->name[0])
			fail("%s is not attached", name);
	} else if (!strcmp(what, "at")) {
		if (!WAIT_FOR(!c->name[0] || c->has_stopped) || !c->name[0])
			fail("%s has not stopped itself", name);
	} else {
		return false;
	}
	return true;
}

static void do_line(char **words)
{
	struct capture *c = words[1] ? capture_find(words[1]) : NULL;

	if (!strcmp(words[0], "start"))
		start(words);
	else if (!strcmp(words[0], "refused"))
		refuse(words);
	else if (!strcmp(words[0], "run"))
		run(strtoul(words[1] ?: "", NULL, 10));
	else if (!strcmp(words[0], "gone")) {
		if (!WAIT_FOR(all_gone(words + 1)))
			fail("they do not end");
	} else if (!strcmp(words[0], "quiet")) {
		if (!WAIT_FOR(is_quiet(words + 1)))
			fail("a dead capture still copies packets");
	} else if (!strcmp(words[0], "programs")) {
		if (!WAIT_FOR(has_programs(strtoul(words[1] ?: "", NULL, 10))))
			fail("there are not %s programs in the hook", words[1]);
	} else if (!c || !do_line_of(c, words)) {
		fail("there is no such capture, or no such line");
	}
}

void script_run(FILE *file, int its_hook)
{
	char line[400], copy[400], comment[400] = "", *words[WORDS_MAX + 1];
	char *word;
	unsigned int n;

	hook = its_hook;
	while (!failed && fgets(line, sizeof(line), file)) {
		strcpy(copy, line);
		n = 0;
		for (word = strtok(line, " \t\n"); word && n < WORDS_MAX;
		     word = strtok(NULL, " \t\n"))
			words[n++] = word;
		words[n] = NULL;
		if (n && words[0][0] == '#')
			strcpy(comment, copy);
		if (!n || words[0][0] == '#')
			continue;
		do_line(words);
		if (failed)
			printf("at packet %u, in the line: %s%s",
			       flow_next(flow), copy, comment);
	}
	captures_end();
}
