/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The captures of a run: starts their processes, knows them and their helpers,
 * sends both of them signals, and waits for what is to come of it. What is wrong
 * is printed, and noted in `failed`.
 */
#ifndef EVENTS_CAPTURES_H
#define EVENTS_CAPTURES_H

#include "application.h"

#define NAME_SIZE    24
#define CAPTURES_MAX 16

enum process {
	APPLICATION = 1,
	HELPER = 2,
	BOTH = APPLICATION | HELPER,
};

struct capture {
	char name[NAME_SIZE]; /* empty: there is none */
	unsigned int id;
	struct spec spec;
	struct log *log;
	int commands;              /* pipe to the application */
	uint32_t asked;            /* commands that were sent */
	pid_t application, helper; /* 0: not yet known */
	unsigned int gone, killed,
		stopped;             /* enum process; the latter two by us */
	long long helper_stopped_at; /* by us, ms */
	bool has_stopped;            /* the helper, by itself */
	bool dies, has_died;         /* the helper, by itself, at a point */
	bool drops;                  /* it must have dropped packets */
	bool stalled;
	bool closing;        /* it was told to */
	const char *refusal; /* part of the message if it may be refused */
	uint32_t lost_begin; /* a packet before the helper was killed */
	char path[128];      /* of the helper that it is given */
};

extern struct capture captures[CAPTURES_MAX];
extern struct flow *flow;
extern bool failed;
extern struct checked checked; /* all captures that have ended */
extern unsigned int ended;     /* how many */
extern unsigned int refused;   /* how many were, and might be */

/*
 * Before all else: the hook's pin, and the directory in which xdpcap-helpers of
 * several kinds are, and links are made.
 */
void captures_init(const char *its_hook, const char *its_directory);

void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * Start one. Of the spec, actions to user are taken; kind is the helper's name
 * in the directory, point is NULL, or "STOP=NAME" or "DIE=NAME" of a point. It
 * will be attached later, or refused.
 */
struct capture *capture_start(const char *name, const struct spec *spec,
			      const char *kind, const char *point);
struct capture *capture_find(const char *name);

/* Tell the application to do something. */
void capture_tell(struct capture *c, enum command command, unsigned int value);

void capture_kill(struct capture *c, unsigned int processes);
void capture_stop(struct capture *c, unsigned int processes);
void capture_continue(struct capture *c, unsigned int processes);

/*
 * What has become of it. One that was refused may have gone by the time that it
 * is looked at, for then it is no more.
 */
enum state capture_state(const struct capture *c);
bool capture_idle(const struct capture *c); /* attached, and all is answered */

/* The helper's id, if it can be found. */
pid_t capture_helper(struct capture *c);

/*
 * Take notice of what has happened. A capture whose processes have both ended is
 * compared with the truth, and is then no more.
 */
void captures_poll(void);

/* Poll until it is true; false if it does not in two minutes. */
#define WAIT_FOR(condition)                               \
	({                                                \
		const long long end_ = now_ms() + 120000; \
		bool true_;                               \
                                                          \
		for (;;) {                                \
			captures_poll();                  \
			true_ = (condition);              \
			if (true_ || now_ms() > end_)     \
				break;                    \
			sleep_us(500);                    \
		}                                         \
		true_;                                    \
	})

long long now_ms(void);
void sleep_us(long us);

/* Wait until all have ended; kill those that do not, all if something is wrong. */
void captures_end(void);

#endif /* EVENTS_CAPTURES_H */
