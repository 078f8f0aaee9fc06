// SPDX-License-Identifier: BSD-3-Clause
/*
 * The subcommands of "xdpcap hook": the command line, and those that change
 * something.
 */
#include "hook-main.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <linux/magic.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <xdpcap/loader.h>

#include "../pcap-xdpcap/hook.h"
#include "../pcap-xdpcap/privileges.h"
#include "../pcap-xdpcap/slot.h"
#include "hook-census.h"
#include "hook-explain.h"
#include "hook-list.h"
#include "status.h"

#define PREFIX "xdpcap:"
#define BPFFS  "/sys/fs/bpf/"

/* Slots of a hook: what captures need, and more than anybody has. */
#define ENTRIES_MIN 4
#define ENTRIES_MAX 65536

static const char usage[] =
	"Usage: xdpcap hook list [--json]\n"
	"       xdpcap hook create [--entries=N] PATH\n"
	"       xdpcap hook explain [--seconds=N] [--runs] PATH\n"
	"       xdpcap hook clean PATH...\n"
	"       xdpcap hook rm [--force] PATH...\n"
	"Manage the hooks of XDP programs. PATH is the path of a pin, in the current\n"
	"directory or relative to /sys/fs/bpf.\n"
	"\n"
	"  list       print all hooks, the programs and interfaces that use them, and\n"
	"             who captures on them\n"
	"      --json         for scripts\n"
	"  create     make a hook and pin it, for a program that is to be loaded\n"
	"      --entries=N    with so many slots (5; 7 with xdpcap_enter())\n"
	"  explain    print what is known of a hook, count the packets that come to it,\n"
	"             and say why some may not appear in a capture\n"
	"      --seconds=N    count for so long; 0 is not at all (1)\n"
	"      --runs         count also how often programs run, which costs every eBPF\n"
	"                     program on this machine about 100 ns meanwhile\n"
	"  clean      remove what dead captures have left in a hook\n"
	"  rm         remove the pin; programs go on. Refuses while somebody captures\n"
	"      --force        remove it also then; captures go on as well\n"
	"\n"
	"Exit status: 0; 1 for an error; 2 for wrong usage.\n";

enum {
	OPT_ENTRIES = 256,
	OPT_FORCE,
	OPT_JSON,
	OPT_RUNS,
	OPT_SECONDS,
};

struct arguments {
	bool json, force, runs;
	unsigned long entries, seconds;
	int npaths;
	char **paths;
};

/*
 * Paths.
 */

static bool in_bpffs(const char *path)
{
	struct statfs fs;

	return !statfs(path, &fs) && (__u32)fs.f_type == BPF_FS_MAGIC;
}

/* The path of its directory. */
static void directory_of(const char *path, char *directory)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		strcpy(directory, ".");
	else
		snprintf(directory, PATH_MAX, "%.*s",
			 slash == path ? 1 : (int)(slash - path), path);
}

/* What is given, a path or a device's name, in /sys/fs/bpf or not. */
static bool join(char *path, bool in, const char *given)
{
	return snprintf(path, PATH_MAX, "%s%s", in ? BPFFS : "", given) <
	       PATH_MAX;
}

static const char *without_prefix(const char *given)
{
	return strncmp(given, PREFIX, strlen(PREFIX)) ? given :
							given + strlen(PREFIX);
}

static bool exists(const char *path)
{
	struct stat st;

	return !stat(path, &st);
}

/*
 * From a hook as it is given to its path, which has room for PATH_MAX bytes and is
 * that of the pin itself: the lock is that of its directory. Returns false if it is
 * too long.
 */
static bool find_hook(const char *given, char *path)
{
	char resolved[PATH_MAX], *base, *at;

	given = without_prefix(given);
	if (!join(path, *given != '/' && !exists(given), given))
		return false;
	base = strrchr(path, '/');
	at = strrchr(base ? base : path, '@');
	if (at && !exists(path))
		*at = '\0'; /* a device's name, with actions */
	if (realpath(path, resolved))
		strcpy(path, resolved);
	return true;
}

/* The same for one that is to be made. */
static bool find_place(const char *given, char *path)
{
	char directory[PATH_MAX];

	given = without_prefix(given);
	if (!join(path, false, given))
		return false;
	directory_of(given, directory);
	return join(path, *given != '/' && !in_bpffs(directory), given);
}

/*
 * What changes something.
 */

static int failed(const char *path, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Say what went wrong with a hook. Returns -1. */
static int failed(const char *path, const char *format, ...)
{
	va_list args;

	fprintf(stderr, PREFIX "%s: ", path);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return -1;
}

/* Say why a hook could not be pinned, of which bpf(2) says little. */
static int pin_failed(const char *path, int err)
{
	const char *base = strrchr(path, '/');
	char directory[PATH_MAX];

	directory_of(path, directory);
	if (err == -EEXIST)
		return failed(path, "there is something pinned already");
	if (err == -ENOENT)
		return failed(path, "there is no directory %s", directory);
	if (!in_bpffs(directory))
		return failed(path,
			      "%s is not in a BPF file system; name a path in one, such as below /sys/fs/bpf",
			      directory);
	if (err == -EPERM && strchr(base ? base : path, '.'))
		return failed(path,
			      "names in a BPF file system cannot have a dot");
	return failed(path, "cannot pin the hook: %s", strerror(-err));
}

static int create(const struct arguments *arguments, const char *path)
{
	int fd, err;

	fd = xdpcap_hook_create((unsigned int)arguments->entries);
	if (fd == -EPERM)
		return failed(path,
			      "cannot make a hook: %s; it takes CAP_BPF, which root has",
			      strerror(-fd));
	if (fd < 0)
		return failed(path, "cannot make a hook of %lu slots: %s",
			      arguments->entries, strerror(-fd));
	/* not in place of another, as xdpcap_hook_pin() would */
	err = bpf_obj_pin(fd, path);
	close(fd);
	return err ? pin_failed(path, err) : 0;
}

/* Remove what is dead, as far as that is possible. */
static void clean_slots(const struct hook *hook)
{
	for (__u32 i = 0; i < XDPCAP_ACTIONS_MAX && i < hook->max_entries; i++)
		slot_clean(hook, i);
}

static int clean_locked(const struct hook *hook)
{
	static struct census census;
	size_t before;
	int err;

	if (!privileges_can_share())
		return failed(
			hook->path,
			"to look at captures takes CAP_SYS_ADMIN, which root has");
	err = census_take(&census, hook);
	before = census.nr_captures;
	clean_slots(hook);
	err = err ?: census_take(&census, hook);
	if (err)
		return failed(hook->path, "cannot look at the slots: %s",
			      strerror(-err));
	/* none can come or go by itself, as they need the lock for that */
	printf("%s: %zu dead captures removed\n", hook->path,
	       before - census.nr_captures);
	return 0;
}

/* Whether to remove the pin: nobody captures by it. */
static int check_unused(const struct hook *hook)
{
	static struct census census;
	size_t alive;
	int err;

	clean_slots(hook);
	err = census_take(&census, hook);
	if (err)
		return failed(hook->path, "cannot look at the slots: %s",
			      strerror(-err));
	alive = census_count(&census, SLOT_ALIVE);
	if (alive)
		return failed(hook->path,
			      "%zu captures are running, which nobody could find or join any more; stop them (\"xdpcap hook list\" says whose they are), or use --force",
			      alive);
	for (__u32 i = 0; i < XDPCAP_ACTIONS_MAX && !census.known; i++)
		if (census.programs[i])
			return failed(
				hook->path,
				"there may be captures, which cannot be seen without CAP_SYS_ADMIN; run as root, or use --force");
	return 0;
}

static int rm_locked(const struct arguments *arguments, const struct hook *hook)
{
	if (!arguments->force && check_unused(hook))
		return -1;
	if (unlink(hook->path))
		return failed(hook->path, "cannot remove the pin: %s",
			      strerror(errno));
	return 0;
}

/* Clean or remove, while no capture begins or ends. */
static int change(const struct arguments *arguments, const char *path, bool rm)
{
	struct xdpcap_reply reply = { 0 };
	struct hook hook;
	int err;

	if (hook_open_any(&hook, path, &reply)) {
		fprintf(stderr, "%s\n", reply.message);
		return -1;
	}
	err = hook_lock(&hook);
	if (err) {
		failed(path, "busy: %s",
		       err == -EWOULDBLOCK ?
			       "another process is attaching or detaching" :
			       strerror(-err));
	} else {
		err = rm ? rm_locked(arguments, &hook) : clean_locked(&hook);
		hook_unlock(&hook);
		slot_looked();
	}
	hook_close(&hook);
	return err;
}

/*
 * The subcommands.
 */

static int too_long(const char *given)
{
	return failed(given, "the path is too long");
}

static int run_list(const struct arguments *arguments)
{
	return list_hooks(arguments->json);
}

static int run_create(const struct arguments *arguments)
{
	char path[PATH_MAX];

	return (find_place(arguments->paths[0], path) ?
			create(arguments, path) :
			too_long(arguments->paths[0])) ?
		       STATUS_ERROR :
		       STATUS_OK;
}

static int run_explain(const struct arguments *arguments)
{
	char path[PATH_MAX];

	if (find_hook(arguments->paths[0], path))
		return explain_hook(path, (unsigned int)arguments->seconds * 1000,
				    arguments->runs);
	too_long(arguments->paths[0]);
	return STATUS_ERROR;
}

static int run_changes(const struct arguments *arguments, bool rm)
{
	int status = STATUS_OK;
	char path[PATH_MAX];

	for (int i = 0; i < arguments->npaths; i++)
		if (find_hook(arguments->paths[i], path) ?
			    change(arguments, path, rm) :
			    too_long(arguments->paths[i]))
			status = STATUS_ERROR;
	return status;
}

static int run_clean(const struct arguments *arguments)
{
	return run_changes(arguments, false);
}

static int run_rm(const struct arguments *arguments)
{
	return run_changes(arguments, true);
}

static const struct option list_options[] = {
	{ "json", no_argument, NULL, OPT_JSON },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static const struct option create_options[] = {
	{ "entries", required_argument, NULL, OPT_ENTRIES },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static const struct option explain_options[] = {
	{ "runs", no_argument, NULL, OPT_RUNS },
	{ "seconds", required_argument, NULL, OPT_SECONDS },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static const struct option clean_options[] = {
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static const struct option rm_options[] = {
	{ "force", no_argument, NULL, OPT_FORCE },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static const struct command {
	const char *name;
	const struct option *options;
	int paths_min, paths_max;
	int (*run)(const struct arguments *arguments);
} commands[] = {
	{ "list", list_options, 0, 0, run_list },
	{ "create", create_options, 1, 1, run_create },
	{ "explain", explain_options, 1, 1, run_explain },
	{ "clean", clean_options, 1, INT_MAX, run_clean },
	{ "rm", rm_options, 1, INT_MAX, run_rm },
};

static int wrong(const char *what, const char *given)
{
	fprintf(stderr, "xdpcap hook: %s: \"%s\"; see xdpcap hook --help\n",
		what, given);
	return STATUS_USAGE;
}

static bool parse_number(const char *text, unsigned long min, unsigned long max,
			 unsigned long *number)
{
	char *end;

	errno = 0;
	*number = strtoul(text, &end, 10);
	return isdigit((unsigned char)*text) && !errno && !*end &&
	       *number >= min && *number <= max;
}

/* Returns -1 to go on, or an exit status. */
static int parse(const struct command *command, struct arguments *arguments,
		 int argc, char **argv)
{
	int opt;

	*arguments = (struct arguments){ .entries = XDPCAP_HOOK_ENTRIES,
					 .seconds = 1 };
	while ((opt = getopt_long(argc, argv, "h", command->options, NULL)) !=
	       -1) {
		switch (opt) {
		case 'h':
			fputs(usage, stdout);
			return STATUS_OK;
		case OPT_ENTRIES:
			if (!parse_number(optarg, ENTRIES_MIN, ENTRIES_MAX,
					  &arguments->entries))
				return wrong("no number of slots from 4 to 65536",
					     optarg);
			break;
		case OPT_FORCE:
			arguments->force = true;
			break;
		case OPT_JSON:
			arguments->json = true;
			break;
		case OPT_RUNS:
			arguments->runs = true;
			break;
		case OPT_SECONDS:
			if (!parse_number(optarg, 0, 86400, &arguments->seconds))
				return wrong("no number of seconds", optarg);
			break;
		default:
			/* getopt has said what is wrong */
			fputs("See xdpcap hook --help.\n", stderr);
			return STATUS_USAGE;
		}
	}
	arguments->npaths = argc - optind;
	arguments->paths = argv + optind;
	if (arguments->npaths < command->paths_min) {
		fputs("xdpcap hook: the path of a hook is missing; see xdpcap hook --help\n",
		      stderr);
		return STATUS_USAGE;
	}
	if (arguments->npaths > command->paths_max)
		return wrong("one argument too many",
			     arguments->paths[command->paths_max]);
	return -1;
}

int hook_main(int argc, char **argv)
{
	struct arguments arguments;
	int status;

	/* libbpf's own messages say less than ours */
	libbpf_set_print(NULL);
	if (argc < 2) {
		fputs(usage, stderr);
		return STATUS_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") ||
	    !strcmp(argv[1], "help")) {
		fputs(usage, stdout);
		return STATUS_OK;
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(argv[1], commands[i].name) != 0)
			continue;
		status = parse(&commands[i], &arguments, argc - 1, argv + 1);
		return status == -1 ? commands[i].run(&arguments) : status;
	}
	return wrong("no such command", argv[1]);
}
