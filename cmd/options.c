// SPDX-License-Identifier: BSD-3-Clause
/*
 * The command line: GNU's, and as cloudflare/xdpcap has it, Go's, where a long
 * option may have one dash and options end at the first argument.
 */
#include "options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "unknown"
#endif

static const char usage[] =
	"Usage: xdpcap [OPTION]... HOOK OUTPUT [FILTER]\n"
	"       xdpcap [OPTION]... --hook=HOOK [--hook=HOOK]... OUTPUT [FILTER]\n"
	"       xdpcap hook COMMAND...    (list, make, remove or explain hooks)\n"
	"Capture the packets of XDP programs into a pcapng file, with their verdicts.\n"
	"HOOK is the path of a pinned hook, with @ACTION,... if not all actions are\n"
	"wanted. OUTPUT is a file, or - for standard output, which implies -q and\n"
	"--flush. FILTER is an expression (pcap-filter(7)), or a classic BPF program,\n"
	"'COUNT,OP JT JF K,...'.\n"
	"\n"
	"What is captured:\n"
	"  -i, --hook=HOOK        from this hook; can be given more than once\n"
	"  -a, --actions=LIST     packets with these verdicts: aborted, drop, pass, tx,\n"
	"                         redirect, or numbers, separated by commas (all);\n"
	"                         enter: as they come in, before the program\n"
	"  -s, --snaplen=BYTES    so much of each packet (all)\n"
	"      --offset=N[,N]...  FILTER is for an IP packet N bytes into the frame, as\n"
	"                         encapsulated packets are; any of them may match\n"
	"  -L, --linktype=TYPE    packets begin with this link-layer header, by name or\n"
	"                         number (ethernet)\n"
	"\n"
	"Until when (Ctrl-C otherwise):\n"
	"  -c, --count=N          so many packets\n"
	"      --duration=SECONDS\n"
	"      --size=BYTES       so much has been written\n"
	"\n"
	"Files:\n"
	"      --pcap             classic pcap, without verdicts\n"
	"      --flush            write packets at once\n"
	"      --rotate-size=BYTES, --rotate-time=SECONDS\n"
	"                         begin another file\n"
	"      --files=N          keep the last N of them\n"
	"\n"
	"  -b, --buffer=BYTES     buffer for each CPU\n"
	"      --watermark=BYTES  wait for so much in a buffer, or a second (1)\n"
	"  -q, --quiet            no statistics\n"
	"      --fail-on-loss     exit with status 3 if packets were dropped\n"
	"  -h, --help             print this text\n"
	"  -V, --version          print the version\n"
	"\n"
	"Bytes may have a suffix K, M or G. Options may also be given as -actions=LIST.\n"
	"Exit status: 0; 1 for an error; 2 for wrong usage.\n";

enum {
	OPT_OFFSET = 256,
	OPT_DURATION,
	OPT_SIZE,
	OPT_PCAP,
	OPT_FLUSH,
	OPT_ROTATE_SIZE,
	OPT_ROTATE_TIME,
	OPT_FILES,
	OPT_WATERMARK,
	OPT_FAIL_ON_LOSS,
};

static const struct option long_options[] = {
	{ "actions", required_argument, NULL, 'a' },
	{ "buffer", required_argument, NULL, 'b' },
	{ "count", required_argument, NULL, 'c' },
	{ "duration", required_argument, NULL, OPT_DURATION },
	{ "fail-on-loss", no_argument, NULL, OPT_FAIL_ON_LOSS },
	{ "files", required_argument, NULL, OPT_FILES },
	{ "flush", optional_argument, NULL, OPT_FLUSH },
	{ "help", no_argument, NULL, 'h' },
	{ "hook", required_argument, NULL, 'i' },
	{ "linktype", required_argument, NULL, 'L' },
	{ "offset", required_argument, NULL, OPT_OFFSET },
	{ "pcap", no_argument, NULL, OPT_PCAP },
	{ "quiet", optional_argument, NULL, 'q' },
	{ "rotate-size", required_argument, NULL, OPT_ROTATE_SIZE },
	{ "rotate-time", required_argument, NULL, OPT_ROTATE_TIME },
	{ "size", required_argument, NULL, OPT_SIZE },
	{ "snaplen", required_argument, NULL, 's' },
	{ "version", no_argument, NULL, 'V' },
	{ "watermark", required_argument, NULL, OPT_WATERMARK },
	{ NULL, 0, NULL, 0 },
};

static int wrong(const char *what, const char *given)
{
	fprintf(stderr, "xdpcap: %s: \"%s\"; see xdpcap --help\n", what, given);
	return STATUS_USAGE;
}

/* A number, and with a unit also 1K and so on. 0 for nonsense. */
static uint64_t parse_size(const char *text)
{
	unsigned long long value;
	int shift = 0;
	char *end;

	if (!isdigit((unsigned char)*text))
		return 0;
	errno = 0;
	value = strtoull(text, &end, 0);
	switch (toupper((unsigned char)*end)) {
	case 'K':
		shift = 10;
		break;
	case 'M':
		shift = 20;
		break;
	case 'G':
		shift = 30;
		break;
	default:
		break;
	}
	if (shift)
		end++;
	if (errno || *end || value > (uint64_t)INT64_MAX >> shift)
		return 0;
	return value << shift;
}

/* -q, -q=true, -q=false: as Go has it. Returns 0, or -1. */
static int parse_bool(bool *flag, const char *text)
{
	*flag = !text || !strcasecmp(text, "true") || !strcasecmp(text, "t") ||
		!strcmp(text, "1");
	return *flag || !strcasecmp(text, "false") || !strcasecmp(text, "f") ||
			       !strcmp(text, "0") ?
		       0 :
		       -1;
}

static int parse_offsets(struct filter_spec *filter, const char *text)
{
	char *end;

	filter->noffsets = 0;
	do {
		unsigned long value;

		errno = 0;
		if (!isdigit((unsigned char)*text) ||
		    filter->noffsets == FILTER_OFFSETS_MAX)
			return -1;
		value = strtoul(text, &end, 0);
		if (errno || value > UINT16_MAX)
			return -1;
		filter->offsets[filter->noffsets++] = (uint32_t)value;
		text = end + 1;
	} while (*end == ',');
	return *end ? -1 : 0;
}

static int parse_linktype(int *linktype, const char *text)
{
	unsigned long value;
	char *end;

	if (!strcasecmp(text, "ethernet")) {
		*linktype = DLT_EN10MB;
		return 0;
	}
	*linktype = pcap_datalink_name_to_val(text);
	if (*linktype != -1)
		return 0;
	errno = 0;
	value = strtoul(text, &end, 0);
	if (errno || !isdigit((unsigned char)*text) || *end || value > UINT16_MAX)
		return -1;
	*linktype = (int)value;
	return 0;
}

/* One option. Returns -1 to go on, or an exit status. */
static int parse_option(struct options *options, int opt)
{
	static const struct {
		int opt;
		size_t field;
		uint64_t max;
		const char *what;
	} numbers[] = {
#define FIELD(name) offsetof(struct options, name)
		{ 'b', FIELD(buffer), INT32_MAX, "no buffer size" },
		{ 'c', FIELD(count), INT64_MAX, "no number of packets" },
		{ OPT_DURATION, FIELD(duration), INT32_MAX, "no duration" },
		{ OPT_SIZE, FIELD(size), INT64_MAX, "no size" },
		{ OPT_ROTATE_SIZE, FIELD(rotate_size), INT64_MAX, "no size" },
		{ OPT_ROTATE_TIME, FIELD(rotate_time), INT32_MAX,
		  "no number of seconds" },
		{ OPT_FILES, FIELD(files), 99999, "no number of files" },
#undef FIELD
	};
	uint64_t value;
	size_t i;

	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (numbers[i].opt != opt)
			continue;
		value = parse_size(optarg);
		/* as in the original, 0 is no limit, or the default */
		if ((!value && strcmp(optarg, "0") != 0) || value > numbers[i].max)
			return wrong(numbers[i].what, optarg);
		memcpy((char *)options + numbers[i].field, &value, sizeof(value));
		return -1;
	}

	switch (opt) {
	case 'a':
		options->actions = optarg;
		return -1;
	case 'h':
		fputs(usage, stdout);
		return STATUS_OK;
	case 'i':
		if (options->nhooks == HOOKS_MAX) {
			fprintf(stderr, "xdpcap: more than %d hooks\n",
				HOOKS_MAX);
			return STATUS_USAGE;
		}
		options->hooks[options->nhooks++] = optarg;
		return -1;
	case 'L':
		if (parse_linktype(&options->filter.linktype, optarg))
			return wrong("no such link-layer type", optarg);
		return -1;
	case 'q':
		if (parse_bool(&options->quiet, optarg))
			return wrong("neither true nor false", optarg);
		return -1;
	case 's':
		value = parse_size(optarg);
		if (!value || value > INT32_MAX)
			return wrong("no snapshot length", optarg);
		options->snaplen = (uint32_t)value;
		return -1;
	case 'V':
		printf("xdpcap " PACKAGE_VERSION ", %s\n", pcap_lib_version());
		return STATUS_OK;
	case OPT_FAIL_ON_LOSS:
		options->fail_on_loss = true;
		return -1;
	case OPT_FLUSH:
		if (parse_bool(&options->flush, optarg))
			return wrong("neither true nor false", optarg);
		return -1;
	case OPT_OFFSET:
		if (parse_offsets(&options->filter, optarg))
			return wrong("no offsets", optarg);
		return -1;
	case OPT_PCAP:
		options->pcap = true;
		return -1;
	case OPT_WATERMARK:
		value = parse_size(optarg);
		if (!value || value > INT32_MAX)
			return wrong("no watermark", optarg);
		options->watermark = (uint32_t)value;
		return -1;
	default:
		/* getopt has said what is wrong */
		fputs("See xdpcap --help.\n", stderr);
		return STATUS_USAGE;
	}
}

/* The words of the filter, with a space between them. */
static char *join(char **words, int n)
{
	size_t size = 1;
	char *text;
	int i;

	for (i = 0; i < n; i++)
		size += strlen(words[i]) + 1;
	text = calloc(1, size);
	for (i = 0; text && i < n; i++) {
		if (i)
			strcat(text, " ");
		strcat(text, words[i]);
	}
	return text;
}

/* What does not go together. Returns -1 to go on, or an exit status. */
static int check(const struct options *options)
{
	const char *why = NULL;
	bool rotates = options->rotate_size || options->rotate_time;

	if (rotates && !strcmp(options->output, "-"))
		why = "standard output cannot be rotated";
	else if (options->files && !rotates)
		why = "--files needs --rotate-size or --rotate-time";
	else if (options->filter.noffsets && !*options->filter.text)
		why = "--offset needs a filter";
	else if (options->filter.noffsets &&
		 filter_is_program(options->filter.text))
		why = "--offset takes an expression, not a program";
	if (!why)
		return -1;
	fprintf(stderr, "xdpcap: %s\n", why);
	return STATUS_USAGE;
}

int options_parse(struct options *options, int argc, char **argv)
{
	int opt, status;

	*options = (struct options){ .watermark = 1,
				     .filter.linktype = DLT_EN10MB };
	/* +: a filter's words are not options */
	while ((opt = getopt_long_only(argc, argv, "+a:b:c:hi:L:qs:V",
				       long_options, NULL)) != -1) {
		status = parse_option(options, opt);
		if (status != -1)
			return status;
	}
	if (!options->nhooks && optind < argc)
		options->hooks[options->nhooks++] = argv[optind++];
	if (optind >= argc) {
		fprintf(stderr,
			"xdpcap: %s is missing\n"
			"Usage: xdpcap [OPTION]... HOOK OUTPUT [FILTER]\n"
			"See xdpcap --help.\n",
			options->nhooks ? "the output" : "the hook");
		return STATUS_USAGE;
	}
	options->output = argv[optind++];
	options->filter_text = join(argv + optind, argc - optind);
	if (!options->filter_text) {
		perror("xdpcap");
		return STATUS_ERROR;
	}
	options->filter.text = options->filter_text;
	if (!strcmp(options->output, "-")) {
		options->quiet = true;
		options->flush = true;
	}
	return check(options);
}
