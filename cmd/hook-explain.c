// SPDX-License-Identifier: BSD-3-Clause
/*
 * Why nothing may appear in a capture; see hook-explain.h. First what is looked at
 * besides the survey and the census, then the findings, each of which is a remark if
 * it is the case.
 */
#include "hook-explain.h"

#include <errno.h>
#include <inttypes.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/bpf.h>
#include <linux/if_link.h>

#include <bpf/bpf.h>

#include "../pcap-xdpcap/hook.h"
#include "../pcap-xdpcap/privileges.h"
#include "../pcap-xdpcap/slot.h"
#include "../pcap-xdpcap/survey.h"
#include "hook-census.h"
#include "hook-count.h"
#include "hook-list.h"
#include "hook-netns.h"
#include "status.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Where lines are broken. */
#define WIDTH 79

/* More maps than any program has: the verifier's limit. */
#define MAPS_MAX 64

/* So many interfaces with other programs are described. */
#define OTHERS_MAX 16

struct subject {
	struct survey survey;
	struct netns_list netns;
	const struct survey_hook *hook; /* of the survey */
	struct census census;
	bool counted;
	struct count count;
	unsigned int ms;
	/* packets that its interfaces received meanwhile, and times its programs ran */
	uint64_t received, ran;
	bool runs_known;
	bool frags; /* what it takes */
	enum bpf_attach_type attach_type;
	bool kind_known;
	size_t remarks;
};

/*
 * What is looked at.
 */

/*
 * Find out the kind of program that the hook takes, by loading one that calls it; it
 * is put nowhere. Not for a hook without an owner, which would be its.
 */
static void find_kind(struct subject *subject, const struct hook *hook)
{
	static const enum bpf_attach_type types[] = { BPF_XDP, 0, BPF_XDP_DEVMAP,
						      BPF_XDP_CPUMAP };
	const struct bpf_insn call[] = {
		{ .code = BPF_LD | BPF_DW | BPF_IMM,
		  .dst_reg = BPF_REG_2,
		  .src_reg = BPF_PSEUDO_MAP_FD,
		  .imm = hook->fd },
		{ 0 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K,
		  .dst_reg = BPF_REG_3,
		  .imm = 0 },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_tail_call },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K,
		  .dst_reg = BPF_REG_0,
		  .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_EXIT },
	};

	for (size_t i = 0; i < 2 * ARRAY_SIZE(types); i++) {
		LIBBPF_OPTS(bpf_prog_load_opts, opts,
			    .expected_attach_type = types[i / 2],
			    .prog_flags = i % 2 ? BPF_F_XDP_HAS_FRAGS : 0, );
		int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "xdpcap_probe",
				       "Dual BSD/GPL", call, ARRAY_SIZE(call),
				       &opts);

		if (fd < 0)
			continue;
		close(fd);
		subject->frags = i % 2;
		subject->attach_type = types[i / 2];
		subject->kind_known = true;
		return;
	}
}

static bool uses_hook(const struct survey_hook *hook, unsigned int netns,
		      int index)
{
	for (size_t i = 0; i < hook->nr_links; i++)
		if (hook->links[i].netns == netns && hook->links[i].index == index)
			return true;
	return false;
}

/* The interfaces of a network namespace that run the hook's programs. */
struct receivers {
	const struct survey_hook *hook;
	unsigned int netns;
	uint64_t packets;
};

static bool add_received(void *argument, const struct survey_link *link)
{
	struct receivers *receivers = argument;

	if (uses_hook(receivers->hook, receivers->netns, link->index))
		receivers->packets += link->received;
	return true;
}

/* Whether one before it is in the same network namespace. */
static bool is_repeated(const struct survey_hook *hook, size_t link)
{
	for (size_t i = 0; i < link; i++)
		if (hook->links[i].netns == hook->links[link].netns)
			return true;
	return false;
}

/* The packets that the interfaces have received until now. */
static uint64_t received(const struct subject *subject)
{
	struct receivers receivers = { .hook = subject->hook };

	for (size_t i = 0; i < subject->hook->nr_links; i++) {
		if (is_repeated(subject->hook, i))
			continue;
		receivers.netns = subject->hook->links[i].netns;
		survey_each_link(subject->netns.all[receivers.netns].fd,
				 add_received, &receivers);
	}
	return receivers.packets;
}

/* How often the programs have run while the kernel counted it. */
static uint64_t runs(const struct survey_hook *hook)
{
	uint64_t total = 0;

	for (size_t i = 0; i < hook->nr_progs; i++) {
		struct bpf_prog_info info = { 0 };
		__u32 len = sizeof(info);
		int fd = bpf_prog_get_fd_by_id(hook->progs[i].id);

		if (fd < 0)
			continue;
		if (!bpf_obj_get_info_by_fd(fd, &info, &len))
			total += info.run_cnt;
		close(fd);
	}
	return total;
}

/* Called before and after: what it is after, less what it was before. */
static void look_between(void *argument)
{
	struct subject *subject = argument;

	subject->received = received(subject) - subject->received;
	subject->ran = runs(subject->hook) - subject->ran;
}

static void count(struct subject *subject, bool runs, char *error, int size)
{
	const struct survey_hook *hook = subject->hook;
	/* the kernel counts for as long as this is open */
	int stats = runs ? bpf_enable_stats(BPF_STATS_RUN_TIME) : -1;

	subject->runs_known = stats >= 0;
	subject->counted =
		!count_packets(&subject->count, hook->path,
			       hook->slots[XDPCAP_CONTINUE_SLOT] &&
				       hook->max_entries ==
					       XDPCAP_HOOK_ENTER_ENTRIES,
			       subject->ms, look_between, subject, error, size);
	if (stats >= 0)
		close(stats);
}

/*
 * Remarks: "  - " and text, in lines that are not too long.
 */
static void remark(struct subject *subject, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void remark(struct subject *subject, const char *format, ...)
{
	char *text, *word, *rest;
	int column = 3;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	if (!text)
		return;
	fputs(subject->remarks++ ? "  -" : "\nWhy a packet may not appear:\n  -",
	      stdout);
	for (word = strtok_r(text, " ", &rest); word;
	     word = strtok_r(NULL, " ", &rest)) {
		if (column + 1 + (int)strlen(word) > WIDTH) {
			fputs("\n   ", stdout);
			column = 3;
		}
		column += printf(" %s", word);
	}
	putchar('\n');
	free(text);
}

/* Where a map is pinned, or NULL. */
static const char *pin_of(const struct survey *survey, __u32 map_id)
{
	for (size_t i = 0; i < survey->nr_hooks; i++)
		if (survey->hooks[i].map_id == map_id)
			return survey->hooks[i].path;
	return NULL;
}

/* The interface that a program is attached to, or NULL. */
static const struct survey_link *link_of(const struct survey *survey,
					 const struct survey_prog *prog)
{
	for (size_t i = 0; i < survey->nr_links; i++)
		if (survey_is_attached(prog, &survey->links[i]))
			return &survey->links[i];
	return NULL;
}

/*
 * Programs that use another map of the same name, as happens when the object was
 * loaded again and made a new one.
 */

static void remark_on_map(struct subject *subject,
			  const struct survey_prog *prog, __u32 map_id)
{
	const struct survey_link *link = link_of(&subject->survey, prog);
	const char *pin = pin_of(&subject->survey, map_id);
	char attached[512] = "";

	if (link)
		snprintf(attached, sizeof(attached), ", attached to %s%s,",
			 link->name, netns_where(&subject->netns, link));
	if (pin)
		remark(subject,
		       "Program %u %s%s uses another map of the same name, %u, which is pinned as %s: capture there.",
		       prog->id, prog->name, attached, map_id, pin);
	else
		remark(subject,
		       "Program %u %s%s uses another map of the same name, %u, which is not pinned: pin it with \"bpftool map pin id %u PATH\" and capture there, or load the program again with this one.",
		       prog->id, prog->name, attached, map_id, map_id);
}

static bool has_name(__u32 map_id, const char *name)
{
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);
	int fd = bpf_map_get_fd_by_id(map_id);
	bool ret;

	if (fd < 0)
		return false;
	ret = !bpf_obj_get_info_by_fd(fd, &info, &len) &&
	      info.type == BPF_MAP_TYPE_PROG_ARRAY && !strcmp(info.name, name);
	close(fd);
	return ret;
}

static void remark_on_program(struct subject *subject, __u32 id)
{
	const struct survey_hook *hook = subject->hook;
	struct bpf_prog_info info = { 0 };
	__u32 maps[MAPS_MAX] = { 0 }, len = sizeof(info);
	struct survey_prog prog = { .id = id };
	int fd, err;

	fd = bpf_prog_get_fd_by_id(id);
	if (fd < 0)
		return;
	info.map_ids = (__u64)(unsigned long)maps;
	info.nr_map_ids = ARRAY_SIZE(maps);
	err = bpf_obj_get_info_by_fd(fd, &info, &len);
	close(fd);
	/* nor those of captures, whose maps nobody but they should open; see slot.c */
	if (err || survey_is_captures(info.name) ||
	    (info.type != BPF_PROG_TYPE_XDP && info.type != BPF_PROG_TYPE_EXT))
		return;
	snprintf(prog.name, sizeof(prog.name), "%s", info.name);
	if (info.type == BPF_PROG_TYPE_EXT)
		prog.target_btf = info.attach_btf_obj_id;
	for (__u32 i = 0; i < info.nr_map_ids && i < ARRAY_SIZE(maps); i++)
		if (maps[i] == hook->map_id)
			return;
	for (__u32 i = 0; i < info.nr_map_ids && i < ARRAY_SIZE(maps); i++)
		if (has_name(maps[i], hook->name))
			remark_on_map(subject, &prog, maps[i]);
}

static void remark_on_other_maps(struct subject *subject)
{
	__u32 id = 0;

	/* without CAP_SYS_ADMIN there is nothing to see */
	while (*subject->hook->name && !bpf_prog_get_next_id(id, &id))
		remark_on_program(subject, id);
}

/*
 * The findings.
 */

static void remark_on_programs(struct subject *subject)
{
	const struct survey_hook *hook = subject->hook;

	if (hook->owner_prog_type < 0) {
		remark(subject,
		       "No program has used this hook yet. Load the XDP program so that it uses this map, and attach it: \"bpftool prog load OBJECT PROGRAM map name NAME pinned %s\", NAME as in the object.",
		       hook->path);
		return;
	}
	if (!subject->survey.progs_known) {
		remark(subject,
		       "Which programs use the hook cannot be seen without CAP_SYS_ADMIN; run as root.");
		return;
	}
	if (!hook->nr_progs)
		remark(subject,
		       "The XDP programs that have used the hook are not loaded any more. The next one must be of the same kind%s, or it cannot be loaded with this map (EINVAL): then remove the hook with \"xdpcap hook rm %s\", and load the program with a new one.",
		       !subject->kind_known ? "" :
		       subject->frags       ? " (with xdp.frags)" :
					      " (without xdp.frags)",
		       hook->path);
}

static void remark_on_links(struct subject *subject)
{
	const struct survey_hook *hook = subject->hook;

	for (size_t i = 0; i < hook->nr_links; i++) {
		const struct survey_link *link = &hook->links[i];
		const char *where = netns_where(&subject->netns, link);

		if (!(link->flags & IFF_UP))
			remark(subject, "Interface %s%s is down.", link->name,
			       where);
		else if (!(link->flags & IFF_RUNNING))
			remark(subject, "Interface %s%s has no carrier.",
			       link->name, where);
	}
	if (hook->nr_links || !hook->nr_progs)
		return;
	if (subject->attach_type == BPF_XDP_DEVMAP ||
	    subject->attach_type == BPF_XDP_CPUMAP)
		remark(subject,
		       "The program is one of a %s: it sees only packets that are redirected there.",
		       subject->attach_type == BPF_XDP_DEVMAP ? "devmap" :
								"cpumap");
	else
		remark(subject,
		       "No interface runs a program that uses the hook. Attach it (\"ip link set dev INTERFACE xdp pinned PROGRAM\"), unless other programs call it, or the interface is in a network namespace that has no name and no process that can be seen from here.%s",
		       subject->kind_known && !subject->frags ?
			       " As it is without xdp.frags, drivers take it only up to the MTU that fits into one buffer." :
			       "");
}

static void remark_on_slots(struct subject *subject)
{
	const struct survey_hook *hook = subject->hook;
	const struct census *census = &subject->census;

	if (census->foreign)
		remark(subject,
		       "In %s there are programs that are no capture's; what has that verdict cannot be captured.",
		       list_slots(census->entries, census->foreign));
	if (census_count(census, SLOT_DEAD))
		remark(subject,
		       "There is something of dead captures in the hook; it does no harm. \"xdpcap hook clean %s\" removes it.",
		       hook->path);
	if (hook->nr_pins > 1)
		remark(subject,
		       "The hook has %zu pins. Captures of the same action must all use the same one.",
		       hook->nr_pins);
	if (hook->max_entries == XDPCAP_HOOK_ENTER_ENTRIES &&
	    !census->programs[XDPCAP_CONTINUE_SLOT])
		remark(subject,
		       "Slot %d is empty, which is to hold the program to continue with after xdpcap_enter(): enter cannot be captured.",
		       XDPCAP_CONTINUE_SLOT);
}

/* The packets that left the program through the hook. */
static uint64_t left(const struct subject *subject)
{
	uint64_t total = 0;

	for (__u32 i = 0; i < XDPCAP_ACTIONS_MAX; i++)
		if (subject->hook->max_entries != XDPCAP_HOOK_ENTER_ENTRIES ||
		    i != XDPCAP_ENTER_SLOT)
			total += subject->count.seen[i];
	return total;
}

/* Whether more are missing than can be on their way. */
static bool is_less(uint64_t packets, uint64_t than)
{
	return packets + packets / 16 + 1 < than;
}

static void remark_on_count(struct subject *subject)
{
	const struct survey_hook *hook = subject->hook;
	const uint64_t seen = left(subject);
	const uint64_t entered = hook->max_entries == XDPCAP_HOOK_ENTER_ENTRIES ?
					 subject->count.seen[XDPCAP_ENTER_SLOT] :
					 0;

	if (subject->runs_known && is_less(seen, subject->ran))
		remark(subject,
		       "The programs ran %" PRIu64 " times, and %" PRIu64
		       " packets came to the hook: what is returned without xdpcap_exit() is not seen.",
		       subject->ran, seen);
	else if (is_less(seen, entered))
		remark(subject,
		       "%" PRIu64 " packets entered the program, and %" PRIu64
		       " left it through xdpcap_exit(): what is returned without it is not seen.",
		       entered, seen);
	else if (hook->nr_links && is_less(seen, subject->received) &&
		 !subject->runs_known)
		remark(subject,
		       "The interfaces received %" PRIu64 " packets, and %" PRIu64
		       " came to the hook: what the program returns without xdpcap_exit() is not seen. With --runs, it is said how often the program ran.",
		       subject->received, seen);
	else if (!seen && hook->nr_links && !subject->received)
		remark(subject,
		       "The interfaces that run the program received no packet in this time.");
	else if (!seen && !entered)
		remark(subject, "No packet came to the hook in this time.");
	if (seen || entered)
		remark(subject,
		       "Packets come to the hook. A filter sees them as the program leaves them, with the addresses, ports, tags and headers that they have then%s; --offset is for what is encapsulated. Try without a filter, and all actions.",
		       entered ? " (and @enter as they came)" : "");
}

/*
 * The whole.
 */

static void describe_kind(const struct subject *subject)
{
	if (subject->kind_known)
		printf("    %-12s%s xdp.frags%s\n", "takes",
		       subject->frags ? "programs with" : "programs without",
		       subject->attach_type == BPF_XDP_DEVMAP ? ", of a devmap" :
		       subject->attach_type == BPF_XDP_CPUMAP ? ", of a cpumap" :
								"");
}

static void describe_link(const struct subject *subject,
			  const struct survey_link *link, const char *title,
			  bool uses)
{
	static const char *const modes[] = {
		[XDP_ATTACHED_DRV] = "native",
		[XDP_ATTACHED_SKB] = "generic",
		[XDP_ATTACHED_HW] = "offloaded",
		[XDP_ATTACHED_MULTI] = "in several modes",
	};
	const char *mode = link->mode < ARRAY_SIZE(modes) ? modes[link->mode] :
							    NULL;

	printf("    %-12s%s%s: program %u, %s, %s, %s\n", title, link->name,
	       netns_where(&subject->netns, link), link->prog,
	       mode ? mode : "in an unknown mode",
	       !(link->flags & IFF_UP)      ? "down" :
	       !(link->flags & IFF_RUNNING) ? "no carrier" :
					      "up",
	       uses ? "uses the hook" : "does not use the hook");
}

/* First those that use the hook. */
static void describe_links(const struct subject *subject)
{
	const struct survey *survey = &subject->survey;
	const struct survey_hook *hook = subject->hook;
	const char *title = "interfaces";
	size_t others = 0;

	for (size_t i = 0; i < hook->nr_links; i++) {
		describe_link(subject, &hook->links[i], title, true);
		title = "";
	}
	for (size_t i = 0; i < survey->nr_links; i++) {
		if (uses_hook(hook, survey->links[i].netns,
			      survey->links[i].index) ||
		    ++others > OTHERS_MAX)
			continue;
		describe_link(subject, &survey->links[i], title, false);
		title = "";
	}
	if (others > OTHERS_MAX)
		printf("    %-12sand %zu more that do not use the hook\n",
		       title, others - OTHERS_MAX);
	if (!survey->nr_links && survey->progs_known)
		printf("    %-12sno XDP program on any\n", title);
}

static void describe_count(const struct subject *subject)
{
	const struct survey_hook *hook = subject->hook;

	printf("    %-12sin %u.%u s:", "packets", subject->ms / 1000,
	       subject->ms / 100 % 10);
	for (__u32 i = 0; i < XDPCAP_ACTIONS_MAX; i++)
		if (subject->count.slots & 1u << i)
			printf(" %s %" PRIu64,
			       list_slots(hook->max_entries, 1u << i),
			       subject->count.seen[i]);
	if (hook->nr_links)
		printf("; interfaces received %" PRIu64, subject->received);
	if (subject->runs_known)
		printf("; programs ran %" PRIu64, subject->ran);
	putchar('\n');
}

static void explain(struct subject *subject, bool runs)
{
	char error[512] = "";

	list_describe(&subject->survey, &subject->netns, subject->hook,
		      &subject->census);
	describe_kind(subject);
	describe_links(subject);
	fflush(stdout);
	if (subject->ms && subject->hook->owner_prog_type >= 0)
		count(subject, runs, error, sizeof(error));
	if (subject->counted)
		describe_count(subject);

	remark_on_programs(subject);
	remark_on_other_maps(subject);
	remark_on_links(subject);
	remark_on_slots(subject);
	if (*error)
		remark(subject, "A capture is not possible: %s", error);
	if (subject->counted)
		remark_on_count(subject);
}

int explain_hook(const char *path, unsigned int ms, bool runs)
{
	static struct subject subject;
	struct xdpcap_reply reply = { 0 };
	struct hook hook;
	int err;

	if (hook_open_any(&hook, path, &reply)) {
		fprintf(stderr, "%s\n", reply.message);
		return STATUS_ERROR;
	}
	subject.ms = ms;
	err = census_take(&subject.census, &hook);
	survey_make(&subject.survey, path, LIST_SURVEY_MS);
	netns_survey(&subject.netns, &subject.survey);
	for (size_t i = 0; i < subject.survey.nr_hooks; i++)
		if (!strcmp(subject.survey.hooks[i].path, path))
			subject.hook = &subject.survey.hooks[i];
	if (subject.hook && subject.hook->owner_prog_type >= 0)
		find_kind(&subject, &hook);
	hook_close(&hook);
	slot_looked();
	if (!err && subject.hook)
		explain(&subject, runs);
	else
		fprintf(stderr, "xdpcap:%s: cannot be looked at: %s\n", path,
			err ? strerror(-err) : "it is gone");
	survey_free(&subject.survey);
	netns_free(&subject.netns);
	return !err && subject.hook ? STATUS_OK : STATUS_ERROR;
}
