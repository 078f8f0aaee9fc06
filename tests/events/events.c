// SPDX-License-Identifier: BSD-3-Clause
/*
 * Captures that share a hook, under traffic: a flow of numbered packets is sent,
 * captures do what a script says or what a seed makes of them, and everything
 * that each of them received is compared with what went through the hook while
 * it was attached. So are the verdicts.
 */
#include "events.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static const char usage[] =
	"Usage: events [OPTION]... HOOK TRUTH DIR INTERFACE\n"
	"HOOK and TRUTH are pins, DIR has the helpers. Reads a script from standard\n"
	"input, or with -n lets things happen.\n"
	"  -n COUNT   random events\n"
	"  -s SEED    of the randomness (0)\n"
	"  -r RATE    packets a second (15000)\n"
	"  -t COUNT   tail calls that the XDP program makes before the hook's (0)\n"
	"  -l         packets of up to 9014 bytes\n";

static void *map_shared(size_t size, int fd)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_SHARED | (fd < 0 ? MAP_ANONYMOUS : 0), fd, 0);

	if (memory == MAP_FAILED) {
		perror("events: mmap");
		exit(1);
	}
	return memory;
}

static int open_pin(const char *path)
{
	int fd = bpf_obj_get(path);

	if (fd < 0) {
		perror(path);
		exit(1);
	}
	return fd;
}

/* Whether a packet went where its verdict sends it, once. */
static bool is_right(uint32_t seq)
{
	const struct truth *t = flow->truth;
	const uint32_t action = t->entered[seq] ? seq_action(seq) : 0;

	return t->passed[seq] == (action == 2) &&
	       t->turned[seq] == (action == 3) && t->back[seq] == (action == 4);
}

static unsigned int count_wrong(void)
{
	unsigned int wrong = 0;

	for (uint32_t seq = 0; seq < flow_next(flow); seq++)
		wrong += !is_right(seq);
	return wrong;
}

/*
 * All packets, some of which may still be on their way. And what all this was, after
 * what the lines begin with that a test passes on.
 */
static void check_verdicts(const char *begin)
{
	const struct truth *t = flow->truth;
	unsigned int wrong, shown = 0, entered = 0;

	WAIT_FOR(!count_wrong());
	wrong = count_wrong();
	for (uint32_t seq = 0; seq < flow_next(flow); seq++) {
		entered += t->entered[seq] != 0;
		if (!is_right(seq) && shown++ < 5)
			printf("packet %u, action %u: %u times passed, %u sent back, %u redirected\n",
			       seq, seq_action(seq), t->passed[seq],
			       t->turned[seq], t->back[seq]);
	}
	if (wrong)
		fail("%u packets with another verdict", wrong);
	printf("%s%u packets, %u through the hook; %u captures, %u refused; %llu packets captured, %llu had to be, %llu dropped\n",
	       begin, flow_next(flow), entered, ended, refused,
	       (unsigned long long)checked.delivered,
	       (unsigned long long)checked.required,
	       (unsigned long long)checked.dropped);
	/* or nothing was tested */
	if (entered < flow_next(flow) * 9ULL / 10 || !checked.required)
		fail("too few packets");
}

static void end_flow(pid_t sender)
{
	int status;

	flow->stop = true;
	if (waitpid(sender, &status, 0) != sender || status)
		fail("the sender has failed");
	/* what is on its way, as far as that is known */
	sleep_us(100000);
}

int main(int argc, char **argv)
{
	unsigned int count = 0, depth = 0;
	uint64_t seed = 0;
	pid_t sender;
	int opt, hook;

	flow = map_shared(sizeof(*flow), -1);
	flow->rate = 15000;
	while ((opt = getopt(argc, argv, "n:s:r:t:l")) != -1) {
		switch (opt) {
		case 'n':
			count = strtoul(optarg, NULL, 10);
			break;
		case 's':
			seed = strtoull(optarg, NULL, 10);
			break;
		case 'r':
			flow->rate = strtoul(optarg, NULL, 10);
			break;
		case 't':
			depth = strtoul(optarg, NULL, 10);
			break;
		case 'l':
			flow->large = true;
			break;
		default:
			fputs(usage, stderr);
			return 2;
		}
	}
	if (argc - optind != 4 || !flow->rate) {
		fputs(usage, stderr);
		return 2;
	}
	hook = open_pin(argv[optind]);
	flow->truth =
		map_shared(sizeof(*flow->truth), open_pin(argv[optind + 1]));
	memset(flow->truth, 0, sizeof(*flow->truth));
	flow->truth->depth = depth;
	captures_init(argv[optind], argv[optind + 2]);
	if (count)
		printf("# seed %llu\n", (unsigned long long)seed);
	sender = flow_start(flow, argv[optind + 3]);
	if (count)
		random_events(seed, count);
	else
		script_run(stdin, hook);
	end_flow(sender);
	check_verdicts(count ? "# " : "");
	return failed;
}
