// SPDX-License-Identifier: BSD-3-Clause
/*
 * The list of hooks; see hook-list.h.
 */
#include "hook-list.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/libbpf.h>
#include <jansson.h>

#include "../pcap-xdpcap/privileges.h"
#include "status.h"

/* The name of a slot, as in devices' names. */
static const char *slot_title(__u32 entries, __u32 slot)
{
	const struct hook hook = { .max_entries = entries };

	if (hook_continues(&hook, slot))
		return "continue";
	return slot_name(&hook, slot);
}

const char *list_slots(__u32 entries, __u32 slots)
{
	static char names[XDPCAP_ACTIONS_MAX * 16];
	size_t len = 0;

	names[0] = '\0';
	for (__u32 i = 0; i < XDPCAP_ACTIONS_MAX; i++)
		if (slots & 1u << i)
			len += (size_t)snprintf(names + len, sizeof(names) - len,
						"%s%s", len ? ", " : "",
						slot_title(entries, i));
	return names;
}

/* Which slots have a program of a capture, or what may be one. */
static __u32 taken_slots(const struct census *census)
{
	__u32 slots = 0;

	for (__u32 i = 0; i < XDPCAP_ACTIONS_MAX; i++)
		if (census->programs[i])
			slots |= 1u << i;
	if (census->entries == XDPCAP_HOOK_ENTER_ENTRIES)
		slots &= ~(1u << XDPCAP_CONTINUE_SLOT);
	return slots;
}

static int take_census(struct census *census, const char *path)
{
	struct xdpcap_reply reply = { 0 };
	struct hook hook;
	int err;

	if (hook_open_any(&hook, path, &reply))
		return -ENOENT;
	err = census_take(census, &hook);
	hook_close(&hook);
	return err;
}

/*
 * For people: "    title       text" lines, the title only once.
 */

static void title(const char *text)
{
	printf("    %-12s", text);
}

static void describe_programs(const struct survey *survey,
			      const struct netns_list *netns,
			      const struct survey_hook *hook)
{
	if (!survey->progs_known) {
		title("programs");
		puts("not known; to look at programs takes CAP_SYS_ADMIN");
		return;
	}
	for (size_t i = 0; i < hook->nr_progs; i++) {
		const struct survey_prog *prog = &hook->progs[i];
		const char *separator = " on ";

		title(i ? "" : "programs");
		printf("%u %s", prog->id, prog->name);
		for (size_t j = 0; j < hook->nr_links; j++) {
			if (!survey_is_attached(prog, &hook->links[j]))
				continue;
			printf("%s%s%s", separator, hook->links[j].name,
			       netns_where(netns, &hook->links[j]));
			separator = ", ";
		}
		puts(*separator == ',' ? "" : ", on no interface");
	}
	if (!hook->nr_progs) {
		title("programs");
		puts("none");
	}
}

static void describe_capture(const struct census *census,
			     const struct census_capture *capture)
{
	printf("%s: ", list_slots(census->entries, capture->slots));
	if (capture->life == SLOT_DEAD)
		puts("what a dead capture has left");
	else if (capture->life == SLOT_ELSEWHERE)
		puts("by another pin of the hook");
	else if (capture->pid)
		printf("%s, process %d\n", capture->name, capture->pid);
	else if (capture->helper)
		printf("xdpcap-helper, process %d\n", capture->helper);
	else
		puts("a process that cannot be seen from here");
}

static void describe_census(const struct census *census)
{
	const __u32 taken = taken_slots(census);

	if (!census->known) {
		title("captures");
		if (taken)
			printf("%s: not known which; to look at programs takes CAP_SYS_ADMIN\n",
			       list_slots(census->entries, taken));
		else
			puts("none");
		return;
	}
	for (size_t i = 0; i < census->nr_captures; i++) {
		title(i ? "" : "captures");
		describe_capture(census, &census->captures[i]);
	}
	if (!census->nr_captures) {
		title("captures");
		puts("none");
	}
	if (census->foreign) {
		title("occupied");
		printf("%s: by programs that are no capture's\n",
		       list_slots(census->entries, census->foreign));
	}
}

void list_describe(const struct survey *survey, const struct netns_list *netns,
		   const struct survey_hook *hook, const struct census *census)
{
	bool other_pins = false;

	printf("%s\n", hook->path);
	title("map");
	printf("%u %s, %u slots, %s\n", hook->map_id, hook->name,
	       hook->max_entries,
	       hook->owner_prog_type < 0 ? "that no program uses yet" :
					   "of XDP programs");
	for (size_t i = 0; i < survey->nr_hooks; i++) {
		if (&survey->hooks[i] == hook ||
		    survey->hooks[i].map_id != hook->map_id)
			continue;
		title(other_pins ? "" : "other pins");
		puts(survey->hooks[i].path);
		other_pins = true;
	}
	describe_programs(survey, netns, hook);
	if (census)
		describe_census(census);
}

static void list_text(const struct survey *survey, const struct netns_list *netns)
{
	static struct census census;

	for (size_t i = 0; i < survey->nr_hooks; i++) {
		const struct survey_hook *hook = &survey->hooks[i];

		if (i)
			putchar('\n');
		list_describe(survey, netns, hook,
			      take_census(&census, hook->path) ? NULL : &census);
	}
}

/*
 * For scripts. What is not known is null. jansson's functions take NULL for what
 * could not be allocated, and pass it on.
 */

/* A string; of one that is not UTF-8, what is. */
static json_t *json_text(const char *text)
{
	json_t *json = json_string(text);
	char *copy = json ? NULL : strdup(text);

	if (!copy)
		return json;
	for (char *c = copy; *c; c++)
		if ((unsigned char)*c > 0x7f)
			*c = '?';
	json = json_string(copy);
	free(copy);
	return json;
}

static json_t *json_pid(pid_t pid)
{
	return pid ? json_integer(pid) : json_null();
}

static json_t *json_slots(__u32 entries, __u32 slots)
{
	json_t *list = json_array();

	for (__u32 i = 0; i < XDPCAP_ACTIONS_MAX; i++)
		if (slots & 1u << i)
			json_array_append_new(list,
					      json_text(slot_title(entries, i)));
	return list;
}

static json_t *json_link(const struct netns_list *netns,
			 const struct survey_link *link)
{
	const char *path = netns->all[link->netns].path;

	return json_pack("{s:o, s:i, s:o}", "name", json_text(link->name),
			 "ifindex", link->index, "netns",
			 path ? json_text(path) : json_null());
}

static json_t *json_programs(const struct survey *survey,
			     const struct netns_list *netns,
			     const struct survey_hook *hook)
{
	json_t *list;

	if (!survey->progs_known)
		return json_null();
	list = json_array();
	for (size_t i = 0; i < hook->nr_progs; i++) {
		const struct survey_prog *prog = &hook->progs[i];
		const char *type = libbpf_bpf_prog_type_str(prog->type);
		json_t *links = json_array();

		for (size_t j = 0; j < hook->nr_links; j++)
			if (survey_is_attached(prog, &hook->links[j]))
				json_array_append_new(links,
						      json_link(netns,
								&hook->links[j]));
		json_array_append_new(list,
				      json_pack("{s:i, s:o, s:s?, s:o}", "id",
						prog->id, "name",
						json_text(prog->name), "type",
						type, "interfaces", links));
	}
	return list;
}

static json_t *json_pins(const struct survey *survey,
			 const struct survey_hook *hook)
{
	json_t *list = json_array();

	for (size_t i = 0; i < survey->nr_hooks; i++)
		if (survey->hooks[i].map_id == hook->map_id)
			json_array_append_new(list,
					      json_text(survey->hooks[i].path));
	return list;
}

/* Of the life, or all other than that. */
static json_t *json_captures(const struct census *census, bool dead)
{
	json_t *list;

	if (!census || !census->known)
		return json_null();
	list = json_array();
	for (size_t i = 0; i < census->nr_captures; i++) {
		const struct census_capture *capture = &census->captures[i];

		if ((capture->life == SLOT_DEAD) != dead)
			continue;
		json_array_append_new(
			list,
			json_pack("{s:o, s:o, s:o, s:o}", "actions",
				  json_slots(census->entries, capture->slots),
				  "pid", json_pid(capture->pid), "name",
				  capture->pid ? json_text(capture->name) :
						 json_null(),
				  "helper", json_pid(capture->helper)));
	}
	return list;
}

static json_t *json_hook(const struct survey *survey,
			 const struct netns_list *netns,
			 const struct survey_hook *hook,
			 const struct census *census)
{
	return json_pack(
		"{s:o, s:i, s:o, s:i, s:b, s:s?, s:o, s:o, s:o, s:o, s:o, s:o}",
		"path", json_text(hook->path), "map", hook->map_id, "name",
		json_text(hook->name), "entries", hook->max_entries, "enter",
		hook->max_entries == XDPCAP_HOOK_ENTER_ENTRIES, "owner",
		hook->owner_prog_type < 0 ? NULL : "xdp", "pins",
		json_pins(survey, hook), "programs",
		json_programs(survey, netns, hook), "taken",
		census ? json_slots(census->entries, taken_slots(census)) :
			 json_null(),
		"captures", json_captures(census, false), "dead",
		json_captures(census, true), "occupied",
		census && census->known ?
			json_slots(census->entries, census->foreign) :
			json_null());
}

/* Without hooks, nobody looks for their programs. */
static bool is_complete(const struct survey *survey)
{
	return !survey->cut_short &&
	       (survey->nr_hooks ? survey->progs_known : privileges_can_share());
}

static int list_json(const struct survey *survey, const struct netns_list *netns)
{
	static struct census census;
	json_t *list = json_array(), *whole;
	int ret = -1;

	for (size_t i = 0; i < survey->nr_hooks; i++) {
		const struct survey_hook *hook = &survey->hooks[i];
		bool taken = !take_census(&census, hook->path);

		if (json_array_append_new(list, json_hook(survey, netns, hook,
							  taken ? &census : NULL)))
			goto out;
	}
	whole = json_pack("{s:b, s:O}", "complete", is_complete(survey),
			  "hooks", list);
	if (whole)
		ret = json_dumpf(whole, stdout, JSON_INDENT(2));
	json_decref(whole);
	putchar('\n');
out:
	json_decref(list);
	return ret;
}

int list_hooks(bool json)
{
	static struct netns_list netns;
	struct survey survey;
	int ret = 0;

	survey_make(&survey, NULL, LIST_SURVEY_MS);
	netns_survey(&netns, &survey);
	if (json)
		ret = list_json(&survey, &netns);
	else
		list_text(&survey, &netns);
	if (!privileges_can_share())
		fputs("xdpcap: without CAP_SYS_ADMIN, programs and captures cannot be seen, and hooks only with permission on their pins; run as root\n",
		      stderr);
	else if (survey.cut_short)
		fputs("xdpcap: there are more pins, programs or network namespaces than are looked at; the list is not complete\n",
		      stderr);
	survey_free(&survey);
	netns_free(&netns);
	slot_looked();
	if (fflush(stdout) || ret) {
		fputs("xdpcap: cannot write the list\n", stderr);
		return STATUS_ERROR;
	}
	return STATUS_OK;
}
