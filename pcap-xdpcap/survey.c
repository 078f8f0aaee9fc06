// SPDX-License-Identifier: BSD-3-Clause
/*
 * The survey of hooks: see survey.h. In the order of its making: file systems,
 * pins, programs, interfaces.
 */
#include "survey.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <linux/if_link.h>
#include <linux/magic.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <bpf/bpf.h>

#include "clock.h"
#include "hook.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Limits: of directories in each other, files, hooks, and programs of a hook. */
#define DEPTH_MAX 8
#define FILES_MAX 10000
#define HOOKS_MAX 256
#define PROGS_MAX 64
/* More maps than any program has: the verifier's limit. */
#define MAPS_MAX    64
#define LINKS_MAX   4096
#define FILTERS_MAX 4096

/* Whether it is time to stop. */
static bool over(struct survey *survey)
{
	if (!survey->cut_short && clock_ns(CLOCK_MONOTONIC) > survey->deadline)
		survey->cut_short = true;
	return survey->cut_short;
}

/*
 * Append an element of size bytes to an array of *nr, made larger at powers of
 * two. Returns whether there was memory and nr was less than max.
 */
static bool append(void *array, size_t *nr, size_t max, const void *element,
		   size_t size)
{
	char *grown, **data = array;

	if (*nr >= max)
		return false;
	if (!(*nr & (*nr - 1))) {
		grown = realloc(*data, (*nr ? 2 * *nr : 1) * size);
		if (!grown)
			return false;
		*data = grown;
	}
	memcpy(*data + *nr * size, element, size);
	(*nr)++;
	return true;
}

/*
 * Pins.
 */

/* Names that would break a list of devices, or a terminal, are nobody's. */
static bool is_printable(const char *path)
{
	for (; *path; path++)
		if ((unsigned char)*path < ' ' || *path == 0x7f)
			return false;
	return true;
}

static bool seen(const struct survey *survey, const struct stat *st)
{
	for (size_t i = 0; i < survey->nr_hooks; i++)
		if (survey->hooks[i].dev == st->st_dev &&
		    survey->hooks[i].ino == st->st_ino)
			return true; /* mounted twice */
	return false;
}

/* Whether the map is a hook, or will be when it has an owner; then look at it. */
static bool look_at_map(struct survey_hook *hook, int fd)
{
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);
	struct map_info map;

	if (hook_map_info(fd, &map) ||
	    map.map_type != BPF_MAP_TYPE_PROG_ARRAY || map.key_size != 4 ||
	    map.value_size != 4 || map.max_entries <= XDP_TX ||
	    (map.owner_prog_type >= 0 && map.owner_prog_type != BPF_PROG_TYPE_XDP) ||
	    bpf_obj_get_info_by_fd(fd, &info, &len))
		return false;
	hook->owner_prog_type = map.owner_prog_type;
	hook->max_entries = info.max_entries;
	hook->map_id = info.id;
	memcpy(hook->name, info.name, sizeof(hook->name));
	hook->name[sizeof(hook->name) - 1] = '\0';
	for (__u32 i = 0; i < XDPCAP_ACTIONS_MAX && i < hook->max_entries; i++)
		if (bpf_map_lookup_elem(fd, &i, &hook->slots[i]))
			hook->slots[i] = 0;
	return true;
}

static void look_at_pin(struct survey *survey, const char *path,
			const struct stat *st)
{
	struct survey_hook hook = { .dev = st->st_dev, .ino = st->st_ino };
	int fd;

	if (!is_printable(path) || seen(survey, st))
		return;
	/* for reading and writing: what cannot be captured from is left out */
	fd = bpf_obj_get(path);
	if (fd < 0)
		return;
	if (look_at_map(&hook, fd)) {
		hook.path = strdup(path);
		if (!hook.path || !append(&survey->hooks, &survey->nr_hooks,
					  HOOKS_MAX, &hook, sizeof(hook))) {
			free(hook.path);
			survey->cut_short = true;
		}
	}
	close(fd);
}

/*
 * Look at all that is below a directory of a BPF file system, whose descriptor
 * is closed; path has its path, and room for XDPCAP_PATH_MAX bytes.
 */
static void walk(struct survey *survey, int fd, char *path, dev_t dev, int depth)
{
	DIR *dir = fdopendir(fd);
	size_t len = strlen(path);
	struct dirent *entry;
	struct stat st;
	int sub;

	if (!dir) {
		close(fd);
		return;
	}
	while (!over(survey) && (entry = readdir(dir))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		if (++survey->files > FILES_MAX) {
			survey->cut_short = true;
			break;
		}
		if (len + 1 + strlen(entry->d_name) >= XDPCAP_PATH_MAX ||
		    fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) ||
		    st.st_dev != dev)
			continue;
		sprintf(path + len, "/%s", entry->d_name);
		if (S_ISREG(st.st_mode)) {
			look_at_pin(survey, path, &st);
		} else if (S_ISDIR(st.st_mode) && depth < DEPTH_MAX) {
			sub = openat(dirfd(dir), entry->d_name,
				     O_RDONLY | O_DIRECTORY | O_NOFOLLOW |
					     O_CLOEXEC);
			if (sub >= 0)
				walk(survey, sub, path, dev, depth + 1);
		}
		path[len] = '\0';
	}
	closedir(dir);
}

/* In /proc/self/mountinfo, blanks and the like are octal: \040. */
static void unescape(char *s)
{
	char *to = s;

	for (; *s; s++) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' &&
		    s[2] <= '7' && s[3] >= '0' && s[3] <= '7') {
			*to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 |
				       (s[3] - '0'));
			s += 3;
		} else {
			*to++ = *s;
		}
	}
	*to = '\0';
}

static void look_at_mount(struct survey *survey, char *path)
{
	struct statfs fs;
	struct stat st;
	int fd;

	unescape(path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return;
	/* as an unsigned 32-bit number: f_type is signed, and so negative on i386 */
	if (fstatfs(fd, &fs) || (__u32)fs.f_type != BPF_FS_MAGIC ||
	    fstat(fd, &st))
		close(fd); /* something else is mounted over it */
	else
		walk(survey, fd, path, st.st_dev, 0);
}

static void find_hooks(struct survey *survey)
{
	char path[XDPCAP_PATH_MAX], *line = NULL, *type;
	FILE *file = fopen("/proc/self/mountinfo", "re");
	size_t size = 0;

	if (!file)
		return;
	while (!over(survey) && getline(&line, &size, file) > 0) {
		type = strstr(line, " - ");
		if (type && !strncmp(type, " - bpf ", 7) &&
		    sscanf(line, "%*s %*s %*s %*s %4095s", path) == 1)
			look_at_mount(survey, path);
	}
	free(line);
	fclose(file);
}

/*
 * Programs.
 */

bool survey_is_captures(const char *name)
{
	return !strcmp(name, "xdpcap_filter") || !strcmp(name, "xdpcap_copy") ||
	       !strcmp(name, "xdpcap_probe");
}

/* Get what is known of a program, by its id. Returns 0 or a negative errno. */
static int prog_info(__u32 id, struct bpf_prog_info *info, __u32 *maps,
		     __u32 nr_maps)
{
	__u32 len = sizeof(*info);
	int fd, err;

	fd = bpf_prog_get_fd_by_id(id);
	if (fd < 0)
		return fd;
	memset(info, 0, sizeof(*info));
	info->map_ids = (__u64)(unsigned long)maps;
	info->nr_map_ids = nr_maps;
	err = bpf_obj_get_info_by_fd(fd, info, &len);
	close(fd);
	return err;
}

static void add_prog(struct survey *survey, const struct bpf_prog_info *info,
		     const __u32 *maps)
{
	struct survey_prog prog = {
		.id = info->id,
		.type = info->type,
		.target_btf = info->type == BPF_PROG_TYPE_EXT ?
				      info->attach_btf_obj_id :
				      0,
	};

	memcpy(prog.name, info->name, sizeof(prog.name));
	prog.name[sizeof(prog.name) - 1] = '\0';
	if (survey_is_captures(prog.name))
		return;
	for (size_t i = 0; i < survey->nr_hooks; i++) {
		struct survey_hook *hook = &survey->hooks[i];

		for (__u32 j = 0; j < info->nr_map_ids && j < MAPS_MAX; j++) {
			if (maps[j] != hook->map_id)
				continue;
			append(&hook->progs, &hook->nr_progs, PROGS_MAX, &prog,
			       sizeof(prog));
			break;
		}
	}
}

static void add_filter(struct survey *survey, const struct bpf_prog_info *info,
		       const __u32 *maps)
{
	struct survey_filter filter = { .id = info->id,
					.nr_maps = info->nr_map_ids };

	if (strcmp(info->name, "xdpcap_filter") != 0 ||
	    info->nr_map_ids > SLOT_FILTER_MAPS_MAX)
		return;
	memcpy(filter.maps, maps, filter.nr_maps * sizeof(maps[0]));
	append(&survey->filters, &survey->nr_filters, FILTERS_MAX, &filter,
	       sizeof(filter));
}

static void find_programs(struct survey *survey)
{
	struct bpf_prog_info info;
	__u32 maps[MAPS_MAX], id = 0;
	int err;

	while (!over(survey) && !(err = bpf_prog_get_next_id(id, &id))) {
		err = prog_info(id, &info, maps, ARRAY_SIZE(maps));
		if (err == -EPERM)
			return;
		if (err) /* it has gone since */
			continue;
		add_prog(survey, &info, maps);
		add_filter(survey, &info, maps);
	}
	survey->progs_known = !survey->cut_short && err == -ENOENT;
}

/*
 * Interfaces.
 */

/* Find out which program an interface has, and how, from its IFLA_XDP. */
static void look_at_xdp(struct survey_link *link, struct rtattr *xdp)
{
	struct rtattr *attr = RTA_DATA(xdp);
	int len = (int)RTA_PAYLOAD(xdp);

	for (; RTA_OK(attr, len); attr = RTA_NEXT(attr, len)) {
		if (attr->rta_type == IFLA_XDP_PROG_ID ||
		    attr->rta_type == IFLA_XDP_DRV_PROG_ID ||
		    attr->rta_type == IFLA_XDP_SKB_PROG_ID)
			memcpy(&link->prog, RTA_DATA(attr), sizeof(link->prog));
		else if (attr->rta_type == IFLA_XDP_ATTACHED)
			memcpy(&link->mode, RTA_DATA(attr), sizeof(link->mode));
	}
}

bool survey_is_attached(const struct survey_prog *prog,
			const struct survey_link *link)
{
	return prog->id == link->prog ||
	       (prog->target_btf && prog->target_btf == link->btf);
}

static void read_link(struct survey_link *link, struct nlmsghdr *message)
{
	struct ifinfomsg *header = NLMSG_DATA(message);
	struct rtattr *attr = IFLA_RTA(header);
	int len = (int)IFLA_PAYLOAD(message);

	*link = (struct survey_link){ .index = header->ifi_index,
				      .flags = header->ifi_flags };
	for (; RTA_OK(attr, len); attr = RTA_NEXT(attr, len)) {
		if (attr->rta_type == IFLA_IFNAME)
			snprintf(link->name, sizeof(link->name), "%.*s",
				 (int)RTA_PAYLOAD(attr), (char *)RTA_DATA(attr));
		else if (attr->rta_type == IFLA_STATS64)
			/* its first member is rx_packets */
			memcpy(&link->received, RTA_DATA(attr),
			       sizeof(link->received));
		else if ((attr->rta_type & NLA_TYPE_MASK) == IFLA_XDP)
			look_at_xdp(link, attr);
	}
}

/* Who is called back for each interface. */
struct visitor {
	bool (*callback)(void *argument, const struct survey_link *link);
	void *argument;
};

/* Take one datagram of links. Returns whether more are to come. */
static bool receive_links(int fd, char *buffer, size_t size,
			  const struct visitor *visitor)
{
	ssize_t n = recv(fd, buffer, size, 0);
	struct nlmsghdr *message = (struct nlmsghdr *)buffer;
	struct survey_link link;
	int len = (int)n;

	if (n <= 0)
		return false;
	for (; NLMSG_OK(message, len); message = NLMSG_NEXT(message, len)) {
		if (message->nlmsg_type == NLMSG_DONE ||
		    message->nlmsg_type == NLMSG_ERROR)
			return false;
		if (message->nlmsg_type != RTM_NEWLINK)
			continue;
		read_link(&link, message);
		if (!visitor->callback(visitor->argument, &link))
			return false;
	}
	return true;
}

int survey_open_netns(void)
{
	const struct timeval patience = { .tv_usec = 500000 };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
				  sizeof(patience))) {
		close(fd);
		fd = -1;
	}
	return fd;
}

void survey_each_link(int fd,
		      bool (*callback)(void *argument,
				       const struct survey_link *link),
		      void *argument)
{
	const struct visitor visitor = { callback, argument };
	const size_t size = 65536;
	struct {
		struct nlmsghdr header;
		struct ifinfomsg link;
	} request = {
		.header = {
			.nlmsg_len = sizeof(request),
			.nlmsg_type = RTM_GETLINK,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
		},
		.link.ifi_family = AF_UNSPEC,
	};
	char *buffer = malloc(size);

	if (buffer && send(fd, &request, sizeof(request), 0) == sizeof(request))
		while (receive_links(fd, buffer, size, &visitor))
			;
	free(buffer);
}

/* The survey that is made of a network namespace. */
struct view {
	struct survey *survey;
	unsigned int netns;
};

static bool add_link(void *argument, const struct survey_link *found)
{
	struct view *view = argument;
	struct survey *survey = view->survey;
	struct survey_link link = *found;
	struct bpf_prog_info info;

	if (!link.prog || !is_printable(link.name))
		return !over(survey);
	link.netns = view->netns;
	if (!prog_info(link.prog, &info, NULL, 0))
		link.btf = info.btf_id;
	append(&survey->links, &survey->nr_links, LINKS_MAX, &link, sizeof(link));
	for (size_t i = 0; i < survey->nr_hooks; i++) {
		struct survey_hook *hook = &survey->hooks[i];
		size_t j = 0;

		while (j < hook->nr_progs &&
		       !survey_is_attached(&hook->progs[j], &link))
			j++;
		if (j < hook->nr_progs)
			append(&hook->links, &hook->nr_links, LINKS_MAX, &link,
			       sizeof(link));
	}
	return !over(survey);
}

void survey_look_into(struct survey *survey, int fd, unsigned int netns)
{
	struct view view = { survey, netns };

	if (survey->progs_known && !over(survey))
		survey_each_link(fd, add_link, &view);
}

static void find_links(struct survey *survey)
{
	int fd = survey_open_netns();

	if (fd < 0)
		return;
	survey_look_into(survey, fd, 0);
	close(fd);
}

/*
 * Captures.
 */

/*
 * Whether a capture of this filter program is marked as alive. By which of its maps is
 * not looked for: that would take to open them, which a PROG_ARRAY that is being
 * emptied does not bear (see slot.c).
 */
static bool is_marked(int dir, const struct survey_filter *filter)
{
	pid_t pid;

	for (__u32 i = 0; i < filter->nr_maps; i++)
		if (slot_is_marked(dir, filter->maps[i], &pid))
			return true;
	return false;
}

/* Find the filters' captures that are marked as alive by this pin. */
static void find_living(struct survey *survey, const struct survey_hook *hook)
{
	const int dir = hook_open_directory(hook->path);

	if (dir < 0)
		return;
	for (size_t i = 0; i < survey->nr_filters; i++)
		if (!survey->filters[i].alive)
			survey->filters[i].alive =
				is_marked(dir, &survey->filters[i]);
	close(dir);
}

static bool have_common_map(const struct survey_filter *a,
			    const struct survey_filter *b)
{
	for (__u32 i = 0; i < a->nr_maps; i++)
		for (__u32 j = 0; j < b->nr_maps; j++)
			if (a->maps[i] == b->maps[j])
				return true;
	return false;
}

/*
 * Whether the program in a slot is a dead capture's, and nobody captures beside it:
 * who does has the same xdpcap_slots.
 */
static bool is_left_over(const struct survey *survey, __u32 id)
{
	const struct survey_filter *head = NULL, *filter;

	for (size_t i = 0; i < survey->nr_filters; i++)
		if (survey->filters[i].id == id)
			head = &survey->filters[i];
	/* nor if there may be a capture that was not found */
	if (!survey->progs_known)
		return false;
	for (size_t i = 0; head && i < survey->nr_filters; i++) {
		filter = &survey->filters[i];
		if (filter->alive && have_common_map(head, filter))
			return false;
	}
	return head;
}

/* Whether the program in a slot is known to be no capture's. */
static bool is_foreign(__u32 id)
{
	struct bpf_prog_info info;

	return !prog_info(id, &info, NULL, 0) && !survey_is_captures(info.name);
}

static void find_captures(struct survey *survey)
{
	for (size_t i = 0; i < survey->nr_hooks && survey->nr_filters; i++)
		find_living(survey, &survey->hooks[i]);
	for (size_t i = 0; i < survey->nr_hooks; i++) {
		struct survey_hook *hook = &survey->hooks[i];

		for (__u32 a = 0; a < XDPCAP_ACTIONS_MAX; a++)
			if (hook->slots[a] && !is_foreign(hook->slots[a]) &&
			    !is_left_over(survey, hook->slots[a]))
				hook->captured |= 1u << a;
		/* which holds the user's program */
		if (hook->max_entries == XDPCAP_HOOK_ENTER_ENTRIES)
			hook->captured &= ~(1u << XDPCAP_CONTINUE_SLOT);
	}
}

/*
 * The whole.
 */

static int by_path(const void *a, const void *b)
{
	const struct survey_hook *x = a, *y = b;

	return strcmp(x->path, y->path);
}

static void count_pins(struct survey *survey)
{
	for (size_t i = 0; i < survey->nr_hooks; i++)
		for (size_t j = 0; j < survey->nr_hooks; j++)
			survey->hooks[i].nr_pins += survey->hooks[i].map_id ==
						    survey->hooks[j].map_id;
}

void survey_make(struct survey *survey, const char *path, int ms)
{
	struct stat st;

	memset(survey, 0, sizeof(*survey));
	survey->deadline = clock_ns(CLOCK_MONOTONIC) + ms * NS_PER_MS;
	if (path && !stat(path, &st))
		look_at_pin(survey, path, &st);
	find_hooks(survey);
	if (!survey->nr_hooks)
		return;
	qsort(survey->hooks, survey->nr_hooks, sizeof(survey->hooks[0]), by_path);
	count_pins(survey);
	find_programs(survey);
	find_captures(survey);
	find_links(survey);
}

void survey_free(struct survey *survey)
{
	for (size_t i = 0; i < survey->nr_hooks; i++) {
		free(survey->hooks[i].path);
		free(survey->hooks[i].progs);
		free(survey->hooks[i].links);
	}
	free(survey->hooks);
	free(survey->links);
	free(survey->filters);
	memset(survey, 0, sizeof(*survey));
}
