// SPDX-License-Identifier: BSD-3-Clause
/*
 * Network namespaces; see hook-netns.h. A thread that then ends enters them one after
 * the other: the way back to one's own may not be permitted. What it opens there
 * stays of there.
 */
#include "hook-netns.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <linux/magic.h>

#define NAMED "/run/netns"
#define PROC  "/proc"

/* Of so many processes at most. */
#define PROCESSES_MAX 65536

static bool is_known(const struct netns_list *list, const struct stat *st)
{
	for (size_t i = 0; i < list->nr; i++)
		if (list->all[i].dev == st->st_dev &&
		    list->all[i].ino == st->st_ino)
			return true;
	return false;
}

/*
 * Enter the namespace at path, and open it for the survey. What is there may be
 * anything: of a name without a namespace, a file is left.
 */
static int enter(const char *path, struct stat *st)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC), links = -1;
	struct statfs fs;

	if (fd < 0)
		return -1;
	if (!fstat(fd, st) && !fstatfs(fd, &fs) && fs.f_type == NSFS_MAGIC &&
	    !setns(fd, CLONE_NEWNET))
		links = survey_open_netns();
	close(fd);
	return links;
}

static void add(struct netns_list *list, const char *path, const char *format,
		const char *name)
{
	struct netns netns;
	struct stat st;

	/* without opening it, as there are many processes and few namespaces */
	if (stat(path, &st) || is_known(list, &st))
		return;
	if (list->nr == NETNS_MAX) {
		list->cut_short = true;
		return;
	}
	netns.fd = enter(path, &st);
	if (netns.fd < 0)
		return;
	netns.dev = st.st_dev;
	netns.ino = st.st_ino;
	netns.path = strdup(path);
	if (asprintf(&netns.where, format, name) < 0)
		netns.where = NULL;
	if (netns.path && netns.where) {
		list->all[list->nr++] = netns;
		return;
	}
	close(netns.fd);
	free(netns.path);
	free(netns.where);
}

/* Which can be printed, in a list and on a terminal. */
static int is_name(const struct dirent *entry)
{
	const char *c = entry->d_name;

	while ((unsigned char)*c > ' ' && *c != 0x7f)
		c++;
	return !*c && *entry->d_name != '.';
}

static int is_process(const struct dirent *entry)
{
	return isdigit((unsigned char)*entry->d_name);
}

static void find_named(struct netns_list *list)
{
	char path[sizeof(NAMED) + 256];
	struct dirent **names;
	int n = scandir(NAMED, &names, is_name, alphasort);

	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), NAMED "/%s", names[i]->d_name);
		add(list, path, " (netns %s)", names[i]->d_name);
		free(names[i]);
	}
	if (n >= 0)
		free(names);
}

/* Of several processes the first, which as a rule is a container's. */
static void find_processes(struct netns_list *list)
{
	char path[sizeof(PROC) + 256 + sizeof("/ns/net")];
	struct dirent **processes;
	int n = scandir(PROC, &processes, is_process, versionsort);

	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), PROC "/%s/ns/net",
			 processes[i]->d_name);
		if (i < PROCESSES_MAX)
			add(list, path, " (netns of pid %s)",
			    processes[i]->d_name);
		free(processes[i]);
	}
	list->cut_short |= n > PROCESSES_MAX;
	if (n >= 0)
		free(processes);
}

static void *find_others(void *argument)
{
	struct netns_list *list = argument;

	find_named(list);
	find_processes(list);
	return NULL;
}

static void find(struct netns_list *list)
{
	struct netns *own = &list->all[0];
	struct stat st;
	pthread_t thread;

	list->nr = 1;
	own->fd = survey_open_netns();
	/* without it, one's own would be found once more, as another one */
	if (stat("/proc/self/ns/net", &st))
		return;
	own->dev = st.st_dev;
	own->ino = st.st_ino;
	if (!pthread_create(&thread, NULL, find_others, list))
		pthread_join(thread, NULL);
}

void netns_survey(struct netns_list *list, struct survey *survey)
{
	memset(list, 0, sizeof(*list));
	if (!survey->progs_known)
		return;
	find(list);
	for (size_t i = 1; i < list->nr; i++)
		survey_look_into(survey, list->all[i].fd, (unsigned int)i);
	survey->cut_short |= list->cut_short;
}

void netns_free(struct netns_list *list)
{
	for (size_t i = 0; i < list->nr; i++) {
		if (list->all[i].fd >= 0)
			close(list->all[i].fd);
		free(list->all[i].path);
		free(list->all[i].where);
	}
	list->nr = 0;
}

const char *netns_where(const struct netns_list *list,
			const struct survey_link *link)
{
	return list->all[link->netns].where ?: "";
}
