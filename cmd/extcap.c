// SPDX-License-Identifier: BSD-3-Clause
/*
 * The command as an extcap of Wireshark; see extcap.h, and extcap(4). What is
 * asked for is answered in lines ("sentences") on standard output; what is written
 * to standard error while it captures, Wireshark shows in a message box.
 *
 * The hooks are those that libpcap lists. Their devices are of dumpcap's list too
 * if that has the same libpcap, so interfaces have names of their own.
 */
#include "extcap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "unknown"
#endif

/* An interface's name is this and the path of the hook's pin. */
#define INTERFACE "xdp:"

/* A device's of libpcap is this and the same, with actions. */
#define DEVICE "xdpcap:"

/* Wireshark's arguments; NULL for those that are not there, or have no value. */
struct request {
	bool interfaces, dlts, config, capture;
	const char *interface, *fifo, *filter, *reload, *actions, *slots;
	/* what is left is for options_parse(), behind the command's name */
	char **rest;
	int nrest;
};

bool extcap_wanted(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (!strncmp(argv[i], "--extcap-", strlen("--extcap-")))
			return true;
	return false;
}

/*
 * The value of an option, --NAME VALUE or --NAME=VALUE, at *i, which is moved to
 * its last argument; NULL if it is another one, or has no value.
 */
static const char *value_of(const char *name, int *i, int argc, char **argv)
{
	size_t len = strlen(name);

	if (strncmp(argv[*i], name, len) != 0)
		return NULL;
	if (argv[*i][len] == '=')
		return argv[*i] + len + 1;
	if (argv[*i][len] || *i + 1 >= argc)
		return NULL;
	return argv[++*i];
}

static void parse_request(struct request *request, int argc, char **argv)
{
	const struct {
		const char *name;
		bool *flag;
	} flags[] = {
		{ "--extcap-interfaces", &request->interfaces },
		{ "--extcap-dlts", &request->dlts },
		{ "--extcap-config", &request->config },
		{ "--capture", &request->capture },
	};
	const char *version;
	const struct {
		const char *name;
		const char **value;
	} values[] = {
		{ "--extcap-interface", &request->interface },
		{ "--extcap-capture-filter", &request->filter },
		{ "--extcap-reload-option", &request->reload },
		{ "--extcap-version", &version }, /* all are alike to us */
		{ "--fifo", &request->fifo },
		{ "--actions", &request->actions },
		{ "--slots", &request->slots },
	};

	for (int i = 1; i < argc; i++) {
		const char *value = NULL;
		size_t j;

		for (j = 0; j < sizeof(flags) / sizeof(flags[0]); j++)
			if (!strcmp(argv[i], flags[j].name))
				break;
		if (j < sizeof(flags) / sizeof(flags[0])) {
			*flags[j].flag = true;
			continue;
		}
		for (j = 0; j < sizeof(values) / sizeof(values[0]) && !value;
		     j++) {
			value = value_of(values[j].name, &i, argc, argv);
			if (value)
				*values[j].value = value;
		}
		if (!value)
			request->rest[request->nrest++] = argv[i];
	}
}

static int wrong(const char *what)
{
	fprintf(stderr, "xdpcap: %s; see extcap(4)\n", what);
	return STATUS_USAGE;
}

/* ---- Hooks ----------------------------------------------------------- */

/* What the name of a hook's device says. */
struct device {
	const char *path;
	int len;             /* of the path */
	const char *actions; /* empty: all */
};

/* Returns whether it is a hook's. */
static bool parse_device(struct device *device, const char *name)
{
	const char *base, *at;

	if (strncmp(name, DEVICE, strlen(DEVICE)) != 0)
		return false;
	device->path = name + strlen(DEVICE);
	base = strrchr(device->path, '/');
	at = strrchr(base ? base : device->path, '@');
	device->len =
		(int)(at ? (size_t)(at - device->path) : strlen(device->path));
	device->actions = at && strcmp(at, "@all") != 0 ? at + 1 : "";
	return true;
}

/*
 * A value between braces. A brace would end it, and nothing is there to say that
 * one does not.
 */
static void print_value(const char *name, const char *text, int len)
{
	printf("{%s=", name);
	for (int i = 0; i < len; i++)
		putchar(text[i] == '{' ? '(' : text[i] == '}' ? ')' : text[i]);
	putchar('}');
}

/* Why there are none is said to who asks Wireshark, or this, to say more. */
static void explain_no_hooks(void)
{
	const char *level = getenv("WIRESHARK_LOG_LEVEL");

	if (!level || (strcmp(level, "info") != 0 && strcmp(level, "debug") != 0 &&
		       strcmp(level, "noisy") != 0))
		return;
	if (!pcap_xdpcap_packet)
		fprintf(stderr,
			"xdpcap: no interfaces: %s cannot capture from hooks\n",
			pcap_lib_version());
	else
		fprintf(stderr,
			"xdpcap: no interfaces: no XDP program uses a hook that you may open, or you may not run xdpcap-helper; see xdpcap(7)\n");
}

static void print_interface(const struct device *device, const char *what)
{
	const char *captured = strstr(what, " (being captured)");

	printf("interface {value=" INTERFACE "%.*s}", device->len, device->path);
	/* Wireshark's start page captures from all of libpcap's devices */
	print_value("display", what,
		    captured ? (int)(captured - what) : (int)strlen(what));
	putchar('\n');
}

/*
 * None is no failure, whatever the reason. Those with a brace in their path cannot
 * be named.
 */
static int print_interfaces(void)
{
	char err[PCAP_ERRBUF_SIZE];
	pcap_if_t *devices = NULL;
	struct device device;
	bool some = false;

	printf("extcap {version=" PACKAGE_VERSION "}{display=XDP hooks}\n");
	if (pcap_findalldevs(&devices, err))
		fprintf(stderr, "xdpcap: %s\n", err);
	for (pcap_if_t *d = devices; d; d = d->next) {
		if (!parse_device(&device, d->name) || *device.actions ||
		    strpbrk(device.path, "{}"))
			continue;
		print_interface(&device,
				d->description ? d->description : "XDP hook");
		some = true;
	}
	if (devices)
		pcap_freealldevs(devices);
	if (!some)
		explain_no_hooks();
	return STATUS_OK;
}

/* ---- What there is to choose ----------------------------------------- */

enum { ARG_ACTIONS, ARG_SLOTS, ARG_SNAPLEN, ARG_BUFFER };

static void print_action(const char *action)
{
	static const struct {
		const char *action, *what;
	} known[] = {
		{ "aborted", "aborted: the program failed" },
		{ "drop", "drop" },
		{ "pass", "pass: to the network stack" },
		{ "tx", "tx: sent back" },
		{ "redirect", "redirect: sent elsewhere" },
		{ "enter", "enter: as they come in, before the program" },
	};
	const char *what = action;

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (!strcmp(known[i].action, action))
			what = known[i].what;
	printf("value {arg=%d}{value=%s}{display=%s}{default=false}{enabled=true}\n",
	       ARG_ACTIONS, action, what);
}

/* Those that the hook has, as far as libpcap's list says it. */
static void print_actions(const char *hook)
{
	char err[PCAP_ERRBUF_SIZE];
	pcap_if_t *devices = NULL;
	struct device device;

	if (pcap_findalldevs(&devices, err))
		fprintf(stderr, "xdpcap: %s\n", err);
	for (pcap_if_t *d = devices; d; d = d->next)
		if (parse_device(&device, d->name) && *device.actions &&
		    strlen(hook) == (size_t)device.len &&
		    !strncmp(device.path, hook, (size_t)device.len))
			print_action(device.actions);
	if (devices)
		pcap_freealldevs(devices);
}

/* An empty value is not passed on, and so is the default. */
static int print_config(const char *path, const char *reload)
{
	static const char number[] =
		"{type=string}{validation=^([1-9][0-9]*[KMGkmg]?)?$}";

	if (!reload) {
		printf("arg {number=%d}{call=--actions}{type=multicheck}"
		       "{display=Only these actions}"
		       "{tooltip=If none is checked: all verdicts}\n",
		       ARG_ACTIONS);
		printf("arg {number=%d}{call=--slots}{type=string}"
		       "{validation=^([0-9]+(,[0-9]+)*)?$}"
		       "{display=And these slots}{placeholder=none}"
		       "{tooltip=Numbers of actions of your own, with commas between them}\n",
		       ARG_SLOTS);
		printf("arg {number=%d}{call=--snaplen}%s"
		       "{display=Snapshot length}{placeholder=all of a packet}"
		       "{tooltip=Bytes of each packet}\n",
		       ARG_SNAPLEN, number);
		printf("arg {number=%d}{call=--buffer}%s"
		       "{display=Buffer for each CPU}{placeholder=default}"
		       "{tooltip=Bytes; 256K to 256M}\n",
		       ARG_BUFFER, number);
	}
	if (!reload || !strcmp(reload + strspn(reload, "-"), "actions"))
		print_actions(path);
	return STATUS_OK;
}

/*
 * A message says that a filter is wrong; an exit status other than 0 would say
 * that this cannot be known.
 */
static int check_filter(const char *text)
{
	const struct filter_spec spec = { .text = text, .linktype = DLT_EN10MB };
	pcap_t *dead = pcap_open_dead(DLT_EN10MB, UINT16_MAX);
	char err[PCAP_ERRBUF_SIZE + 64];
	struct bpf_program program;

	if (!dead)
		return STATUS_ERROR;
	if (filter_compile(&spec, dead, &program, err, sizeof(err)))
		puts(err);
	else
		pcap_freecode(&program);
	pcap_close(dead);
	return STATUS_OK;
}

/* ---- Capturing ------------------------------------------------------- */

/*
 * Before anything is captured, as Wireshark may have been told to stop, and nobody
 * reads: as yet a signal ends the process. And without making a file.
 */
static int open_fifo(const char *path)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0) {
		fprintf(stderr, "xdpcap: cannot write to %s: %s\n", path,
			strerror(errno));
		return STATUS_ERROR;
	}
	close(fd);
	return -1;
}

/* The actions and the slots that were chosen, as an option; empty: all. */
static const char *join_actions(const struct request *request)
{
	const char *actions = request->actions ? request->actions : "";
	const char *slots = request->slots ? request->slots : "";
	static char option[1024]; /* of which options_parse() keeps a part */

	option[0] = '\0';
	if (*actions || *slots)
		snprintf(option, sizeof(option), "--actions=%s%s%s", actions,
			 *actions && *slots ? "," : "", slots);
	return option;
}

/* As if it had been: xdpcap OPTION... [--actions=LIST] --hook PATH - FILTER */
static int parse_capture(struct options *options, const struct request *request,
			 const char *path)
{
	const char *filter = request->filter ? request->filter : "";
	const char *actions = join_actions(request);
	const char *added[] = { "--hook", path, "-", filter, NULL };
	int n = request->nrest, status;

	/* also to end it, so that Wireshark says what is wrong, and not that */
	status = open_fifo(request->fifo);
	if (status != -1)
		return status;
	if (*actions)
		request->rest[n++] = (char *)actions;
	for (size_t i = 0; i < sizeof(added) / sizeof(added[0]); i++)
		request->rest[n++] = (char *)added[i];
	return options_parse(options, n - 1, request->rest);
}

static int answer(struct options *options, const struct request *request)
{
	const char *path;

	if (request->interfaces)
		return print_interfaces();
	if (!request->interface)
		return wrong("no --extcap-interface");
	if (strncmp(request->interface, INTERFACE, strlen(INTERFACE)) != 0)
		return wrong("interfaces begin with " INTERFACE);
	path = request->interface + strlen(INTERFACE);
	if (request->dlts) {
		puts("dlt {number=1}{name=EN10MB}{display=Ethernet}");
		return STATUS_OK;
	}
	if (request->config)
		return print_config(path, request->reload);
	if (request->capture && request->fifo)
		return parse_capture(options, request, path);
	if (request->filter && !request->capture)
		return check_filter(request->filter);
	return wrong("nothing that can be done");
}

int extcap_parse(struct options *options, int argc, char **argv)
{
	struct request request = { .nrest = 1 };
	int status;

	*options = (struct options){ 0 };
	/* with what parse_capture() adds */
	request.rest = calloc((size_t)argc + 6, sizeof(*request.rest));
	if (!request.rest) {
		perror("xdpcap");
		return STATUS_ERROR;
	}
	request.rest[0] = argv[0];
	parse_request(&request, argc, argv);
	status = answer(options, &request);
	free(request.rest);
	return status;
}
