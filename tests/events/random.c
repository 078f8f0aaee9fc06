// SPDX-License-Identifier: BSD-3-Clause
/*
 * Events at random, from a seed: captures come, go, change filters, are killed,
 * stop and stall, in any order and while others are at it.
 */
#include "events.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ring.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Time to an event, us, at most; and how many of ten come at once. */
#define PAUSE_MAX 120000
#define AT_ONCE   3

/* Packets that are left for the end when the events have used up the rest. */
#define RESERVE 100000

/* Helpers that attach, change a filter or detach at the same time. */
#define AT_WORK_MAX 4

/*
 * How long a helper is stopped at most, ms: its application may wait for it, and
 * gives up after a minute (REPLY_TIMEOUT in pcap-xdpcap.c).
 */
#define STOPPED_MAX 20000

static uint64_t state;

static uint32_t number(uint32_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (state >> 32) % below;
}

#define CHOOSE(...)                                        \
	({                                                 \
		const int of_[] = { __VA_ARGS__ };         \
		of_[number(sizeof(of_) / sizeof(of_[0]))]; \
	})

static bool is_on(const struct capture *c, unsigned int action)
{
	return c->name[0] && (!c->spec.actions || c->spec.actions & 1u << action);
}

/* How many captures an action has, or may have. */
static unsigned int captures_of(unsigned int action)
{
	unsigned int n = 0;

	for (struct capture *c = captures; c < captures + CAPTURES_MAX; c++)
		n += is_on(c, action);
	return n;
}

/* How many it has for certain, also when they do not run. */
static unsigned int certain_captures_of(unsigned int action)
{
	unsigned int n = 0;

	for (struct capture *c = captures; c < captures + CAPTURES_MAX; c++)
		n += is_on(c, action) && capture_state(c) == ATTACHED &&
		     !c->killed && !c->closing;
	return n;
}

/* Whether there is no room for one more, on these actions or at all. */
static bool full(uint32_t actions)
{
	unsigned int n = 0;

	for (struct capture *c = captures; c < captures + CAPTURES_MAX; c++)
		n += c->name[0] != 0;
	if (n >= CAPTURES_MAX - 2) /* one is for too_many() */
		return true;
	for (unsigned int a = 0; a < 5; a++)
		if ((!actions || actions & 1u << a) &&
		    captures_of(a) >= XDPCAP_CAPTURES_MAX)
			return true;
	return false;
}

/* Whether a capture's helper attaches, changes the filter, or detaches. */
static bool is_at_work(const struct capture *c)
{
	return c->name[0] && !c->stopped && !c->stalled &&
	       (c->killed || !capture_idle(c));
}

/*
 * Whether many helpers are at work, who wait for each other: on a busy machine one
 * more could wait in vain for the hook's lock.
 */
static bool busy(void)
{
	unsigned int n = 0;

	for (struct capture *c = captures; c < captures + CAPTURES_MAX; c++)
		n += is_at_work(c);
	return n >= AT_WORK_MAX;
}

/* Send less, if the packets would not suffice: on a busy machine events take longer. */
static void spare_packets(void)
{
	const uint32_t all = SEQ_MAX - RESERVE;
	const uint32_t rate = flow_next(flow) > all / 4 * 3 ? 1000 :
			      flow_next(flow) > all / 2     ? 4000 :
							      flow->rate;

	if (rate < flow->rate)
		flow->rate = rate;
}

static void choose(struct spec *spec)
{
	/* all; some; often the same */
	spec->actions = CHOOSE(0, 0, 0, 2, 6, number(31) + 1);
	spec->filter = number(3) ? number(filter_count) : 0;
	spec->snaplen = CHOOSE(14, 60, 64, 100, 129, 1000, 262144);
	spec->buffer_size = CHOOSE(0, 4096, 1 << 20, 4 << 20);
	spec->immediate = number(2);
}

/*
 * Who captures: root, or a user whose helper has file capabilities; one in eight
 * times without the one that it takes to join others.
 */
static const char *choose_user(struct spec *spec)
{
	const uint32_t n = number(8);

	spec->user = n < 4 ? 0 : 60000 + number(8);
	return n < 4 ? "root" : n < 7 ? "admin" : "user";
}

static bool start(struct capture *c)
{
	static unsigned int n;
	char name[NAME_SIZE];
	struct spec spec = { 0 };
	const char *kind;

	choose(&spec);
	kind = choose_user(&spec);
	if (full(spec.actions))
		return false;
	snprintf(name, sizeof(name), "%u-%s", ++n, kind);
	c = capture_start(name, &spec, kind, NULL);
	if (c && !strcmp(kind, "user"))
		c->refusal = "to capture beside it takes CAP_SYS_ADMIN";
	return c;
}

/* One more than there can be, when it is certain that there are so many. */
static bool too_many(struct capture *c)
{
	static unsigned int n;
	struct spec spec = { .snaplen = 100 };
	char name[NAME_SIZE];
	unsigned int a;

	for (a = 0; a < 5 && certain_captures_of(a) < XDPCAP_CAPTURES_MAX; a++)
		;
	if (a == 5)
		return false;
	spec.actions = 1u << a;
	snprintf(name, sizeof(name), "too-many-%u", ++n);
	c = capture_start(name, &spec, "root", NULL);
	c->refusal = "8 times already, which is the most";
	WAIT_FOR(capture_state(c) != STARTING);
	if (capture_state(c) == ATTACHED)
		fail("%s: a capture too many is not refused", c->name);
	return true;
}

static bool change_filter(struct capture *c)
{
	if (c->killed || capture_state(c) != ATTACHED || c->stalled)
		return false;
	capture_tell(c, FILTER, number(filter_count));
	return true;
}

static bool close_one(struct capture *c)
{
	/* pcap_close() would wait for a stopped helper */
	if (c->killed || c->stopped & HELPER || capture_state(c) != ATTACHED)
		return false;
	capture_tell(c, CLOSE, 0);
	return true;
}

static bool kill_application(struct capture *c)
{
	if (c->killed)
		return false;
	capture_kill(c, APPLICATION);
	return true;
}

static bool kill_helper(struct capture *c)
{
	if (c->killed || !capture_helper(c))
		return false;
	capture_kill(c, HELPER);
	return true;
}

static bool kill_both(struct capture *c)
{
	if (c->killed || !capture_helper(c))
		return false;
	capture_kill(c, BOTH);
	return true;
}

static bool stop_application(struct capture *c)
{
	if (c->killed || c->stopped & APPLICATION)
		return false;
	capture_stop(c, APPLICATION);
	return true;
}

/* Not one that may hold the hook's lock: that is for crash.sh. */
static bool stop_helper(struct capture *c)
{
	if (c->killed || c->stopped & HELPER || !capture_idle(c) ||
	    !capture_helper(c))
		return false;
	capture_stop(c, HELPER);
	return true;
}

static bool continue_both(struct capture *c)
{
	if (!c->stopped)
		return false;
	capture_continue(c, BOTH);
	return true;
}

static bool stall(struct capture *c)
{
	if (c->killed || c->stalled || capture_state(c) != ATTACHED)
		return false;
	capture_tell(c, STALL, 0);
	return true;
}

static bool resume(struct capture *c)
{
	if (!c->stalled)
		return false;
	capture_tell(c, RESUME, 0);
	return true;
}

static struct {
	const char *name;
	bool (*happen)(struct capture *c); /* false: not possible now */
	unsigned int weight, count;
} events[] = {
	{ "start", start, 40, 0 },
	{ "too many", too_many, 8, 0 },
	{ "filter", change_filter, 14, 0 },
	{ "close", close_one, 6, 0 },
	{ "kill application", kill_application, 2, 0 },
	{ "kill helper", kill_helper, 2, 0 },
	{ "kill both", kill_both, 2, 0 },
	{ "stop application", stop_application, 4, 0 },
	{ "stop helper", stop_helper, 4, 0 },
	{ "continue", continue_both, 12, 0 },
	{ "stall", stall, 4, 0 },
	{ "resume", resume, 8, 0 },
};

static void continue_long_stopped(void)
{
	for (struct capture *c = captures; c < captures + CAPTURES_MAX; c++)
		if (c->name[0] && c->stopped & HELPER &&
		    now_ms() - c->helper_stopped_at > STOPPED_MAX)
			capture_continue(c, HELPER);
}

static bool one_event(void)
{
	struct capture *c = &captures[number(CAPTURES_MAX)];
	unsigned int weights = 0, n;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(events); i++)
		weights += events[i].weight;
	n = number(weights);
	for (i = 0; n >= events[i].weight; i++)
		n -= events[i].weight;
	if (events[i].happen != start && events[i].happen != too_many &&
	    !c->name[0])
		return false;
	if (!events[i].happen(c))
		return false;
	events[i].count++;
	return true;
}

static void pause_before_event(void)
{
	const long us = number(10) < AT_ONCE ? 0 : number(PAUSE_MAX);
	const long long end = now_ms() + us / 1000;

	do {
		captures_poll();
		if (us)
			sleep_us(2000);
	} while (now_ms() < end);
}

/* All end; one that works is the last, and removes what killed ones have left. */
static void end_all(void)
{
	const struct spec spec = { .snaplen = 200 };
	struct capture *c;
	uint32_t begin;

	for (c = captures; c < captures + CAPTURES_MAX; c++) {
		if (!c->name[0])
			continue;
		capture_continue(c, BOTH);
		capture_tell(c, CLOSE, 0);
	}
	captures_end();
	c = capture_start("last", &spec, "root", NULL);
	WAIT_FOR(capture_state(c) != STARTING);
	if (capture_state(c) != ATTACHED)
		return; /* which is said already */
	begin = flow_next(flow);
	WAIT_FOR(flow_done(flow) > begin + 2000);
	capture_tell(c, CLOSE, 0);
	captures_end();
}

/* How many captures there were of the same action: for how many events so many. */
static unsigned int together[CAPTURES_MAX + 1];

static void count_together(void)
{
	unsigned int most = 0, n;

	for (unsigned int a = 0; a < 5; a++) {
		n = certain_captures_of(a);
		most = n > most ? n : most;
	}
	together[most]++;
}

static void print_counts(unsigned int n)
{
	printf("# %u events:", n);
	for (size_t i = 0; i < ARRAY_SIZE(events); i++)
		printf(" %s %u%s", events[i].name, events[i].count,
		       i + 1 < ARRAY_SIZE(events) ? "," : "\n");
	printf("# captures of one action, and at how many events:");
	for (size_t i = 0; i < ARRAY_SIZE(together); i++)
		if (together[i])
			printf(" %zu: %u", i, together[i]);
	printf("\n");
}

void random_events(uint64_t seed, unsigned int count)
{
	unsigned int n = 0;

	/* never 0, and far from those beside it */
	state = (seed + 1) * 0x9e3779b97f4a7c15ULL;
	while (n < count && !failed && flow_next(flow) < SEQ_MAX - RESERVE) {
		continue_long_stopped();
		spare_packets();
		if (busy() || !one_event()) {
			captures_poll();
			continue;
		}
		n++;
		count_together();
		pause_before_event();
	}
	end_all();
	print_counts(n);
	if (n < count && !failed)
		fail("only %u events, not %u, in the time", n, count);
}
