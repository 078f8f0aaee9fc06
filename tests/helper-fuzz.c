// SPDX-License-Identifier: BSD-3-Clause
/*
 * Sends the helper what the libpcap module never would: malformed, truncated,
 * oversized and out-of-order requests, descriptors, paths of all kinds, random
 * filters; does not read its replies, shuts the socket down, comes in a crowd.
 *
 * After each round the helper must answer a valid request, or have ended since its
 * socket was closed; in any case with exit status 0, in time, with the hook empty.
 * That it does nothing beyond its interface is left to its seccomp filter, which
 * would kill it.
 *
 * Before that, the parser of requests is fuzzed within this process, which is
 * built with sanitizers.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "request.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/*
 * The helper answers, and ends, in this time, ms: this machine may be busy, and it
 * waits for others.
 */
#define TIMEOUT 60000

/* The kernel's limit for one message. */
#define FDS_MAX 253

/* Requests that are well formed or not are checked this often. */
#define PARSER_RUNS 300000

static const char usage[] =
	"Usage: helper-fuzz [-n ROUNDS] [-s SEED] HELPER HOOK DIR\n"
	"  -n ROUNDS  of each kind (2)\n"
	"  -s SEED    to repeat a run; printed by each\n"
	"HOOK is a hook's pin that is empty and ours alone, DIR a directory to write to.\n";

struct helper {
	int sock;
	pid_t pid; /* 0 until it has answered */
	bool attached;
};

static struct {
	const char *helper;
	const char *hook;
	const char *dir;
	int hook_fd;
	uint64_t seed;
	uint64_t random;
	const char *round;
	unsigned int running; /* helpers */
	/* for the summary */
	unsigned int helpers;
	unsigned int requests;
	unsigned int attached;
	unsigned int in_kernel;
	unsigned int in_userland;
} fuzz;

__attribute__((format(printf, 1, 2), noreturn)) static void
fail(const char *format, ...)
{
	va_list args;

	printf("%s: ", fuzz.round);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf(" (to repeat: -s %llu)\n", (unsigned long long)fuzz.seed);
	exit(1);
}

/* splitmix64 */
static uint64_t random64(void)
{
	uint64_t z = fuzz.random += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

/* 0 to n - 1. */
static unsigned int below(unsigned int n)
{
	return random64() % n;
}

static bool one_in(unsigned int n)
{
	return below(n) == 0;
}

static void fill(void *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((unsigned char *)bytes)[i] = random64();
}

/* A number such as programs forget. */
static uint32_t odd_number(void)
{
	static const uint32_t numbers[] = {
		0,          1,          2,
		3,          4,          5,
		31,         32,         33,
		255,        256,        4095,
		4096,       4097,       0x7fff,
		0xffff,     0x10000,    XDPCAP_CAPLEN_MAX,
		INT32_MAX,  1u << 31,   -1u,
		-2u,        -14u,       -4096u,
		0x00100000, 0x00200000,
	};

	switch (below(4)) {
	case 0:
		return random64();
	case 1:
		return below(64);
	default:
		return numbers[below(ARRAY_SIZE(numbers))];
	}
}

/*
 * Helpers: started as the module does it, and reaped here, since this process is
 * what orphans of its descendants are given to.
 */

static struct helper start(void)
{
	char *const argv[] = { (char *)"xdpcap-helper", NULL };
	char *const envp[] = { NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	int socks[2], on = 1, err;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks) ||
	    setsockopt(socks[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)))
		fail("socketpair: %s", strerror(errno));
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, socks[1], XDPCAP_HELPER_FD);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSID);
	err = posix_spawn(&pid, fuzz.helper, &actions, &attr, argv, envp);
	if (err)
		fail("cannot start %s: %s", fuzz.helper, strerror(err));
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attr);
	close(socks[1]);
	if (waitpid(pid, NULL, 0) != pid)
		fail("waitpid: %s", strerror(errno));
	fuzz.running++;
	fuzz.helpers++;
	return (struct helper){ .sock = socks[0] };
}

/* Wait for all helpers to end; none may have been killed. */
static void reap(void)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	int status;
	pid_t pid;

	for (int i = 0; fuzz.running; i++) {
		pid = waitpid(-1, &status, WNOHANG);
		if (pid < 0)
			fail("%u helpers are lost: %s", fuzz.running,
			     strerror(errno));
		if (pid == 0) {
			if (i == TIMEOUT)
				fail("%u helpers do not end", fuzz.running);
			nanosleep(&pause, NULL);
			continue;
		}
		if (WIFSIGNALED(status))
			fail("the helper was killed by signal %d (%s)",
			     WTERMSIG(status), strsignal(WTERMSIG(status)));
		if (WEXITSTATUS(status))
			fail("the helper's exit status is %d",
			     WEXITSTATUS(status));
		fuzz.running--;
	}
}

static void check_hook(void)
{
	__u32 id;

	for (__u32 slot = 0; slot < XDPCAP_ACTIONS_MAX; slot++)
		if (!bpf_map_lookup_elem(fuzz.hook_fd, &slot, &id))
			fail("slot %u of the hook still has program %u", slot,
			     id);
}

static void end(struct helper *helper)
{
	close(helper->sock);
	reap();
	check_hook();
}

/*
 * Requests and replies.
 */

/* Send a message with descriptors. Returns 0, or -1 with errno. */
static int send_with(const struct helper *helper, const void *message,
		     size_t len, const int *fds, size_t nfds)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int) * FDS_MAX)];
	} control = { .header = {
			      .cmsg_level = SOL_SOCKET,
			      .cmsg_type = SCM_RIGHTS,
			      .cmsg_len = CMSG_LEN(sizeof(int) * nfds),
		      } };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)message,
			     .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (nfds) {
		memcpy(CMSG_DATA(&control.header), fds, sizeof(int) * nfds);
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
	}
	fuzz.requests++;
	return sendmsg(helper->sock, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -1 :
									      0;
}

/* What comes with a reply: credentials, and after the attach descriptors. */
static unsigned int take_control(struct helper *helper, struct msghdr *msg)
{
	unsigned int nfds = 0;
	struct ucred cred;
	int fd;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_type == SCM_CREDENTIALS) {
			memcpy(&cred, CMSG_DATA(c), sizeof(cred));
			helper->pid = cred.pid;
			continue;
		}
		for (size_t i = 0;
		     CMSG_LEN(sizeof(int) * (i + 1)) <= c->cmsg_len; i++) {
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			close(fd);
			nfds++;
		}
	}
	return nfds;
}

/* Wait for a reply and check it. Returns false if the helper has ended. */
static bool receive(struct helper *helper, bool attach, struct xdpcap_reply *reply)
{
	struct pollfd pfd = { .fd = helper->sock, .events = POLLIN };
	struct iovec iov = { .iov_base = reply, .iov_len = sizeof(*reply) };
	union {
		struct cmsghdr header;
		char bytes[1024];
	} control;
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	unsigned int nfds, expected;
	ssize_t n;

	if (poll(&pfd, 1, TIMEOUT) != 1)
		fail("the helper does not answer");
	n = recvmsg(helper->sock, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n <= 0)
		return false;
	nfds = take_control(helper, &msg);
	expected = attach && reply->status == XDPCAP_OK ? XDPCAP_FDS : 0;
	if (n != sizeof(*reply) || msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
		fail("a reply of %zd bytes, flags %x", n, msg.msg_flags);
	if (reply->status > XDPCAP_ERROR_PERMISSION)
		fail("a reply with status %u", reply->status);
	if (!memchr(reply->message, '\0', sizeof(reply->message)))
		fail("a reply with an endless message");
	if ((reply->status == XDPCAP_OK) != !reply->message[0])
		fail("a reply with status %u and the message \"%s\"",
		     reply->status, reply->message);
	if (nfds != expected)
		fail("%u descriptors with the reply \"%s\"", nfds,
		     reply->message);
	return true;
}

static __u32 ask_with(struct helper *helper, const void *message, size_t len,
		      const int *fds, size_t nfds, struct xdpcap_reply *reply)
{
	__u32 type = 0;
	bool attach;

	memcpy(&type, message, len < sizeof(type) ? len : sizeof(type));
	attach = type == XDPCAP_ATTACH;
	if (send_with(helper, message, len, fds, nfds))
		fail("cannot send %zu bytes: %s", len, strerror(errno));
	if (!receive(helper, attach, reply))
		fail("the helper has ended");
	if (attach && reply->status == XDPCAP_OK) {
		if (helper->attached)
			fail("the helper has attached twice");
		helper->attached = true;
		fuzz.attached++;
	}
	return reply->status;
}

static __u32 ask(struct helper *helper, const void *message, size_t len)
{
	struct xdpcap_reply reply;

	return ask_with(helper, message, len, NULL, 0, &reply);
}

/* Ask what must be refused, by the parser or by the order of things. */
static void refused(struct helper *helper, const void *message, size_t len)
{
	struct xdpcap_reply reply;

	ask_with(helper, message, len, NULL, 0, &reply);
	if (reply.status != XDPCAP_ERROR ||
	    strncmp(reply.message, "xdpcap-helper: ", 15) != 0)
		fail("%zu bytes were answered with %u \"%s\"", len,
		     reply.status, reply.message);
}

/* A valid request to attach; returns its length. */
static size_t make_attach(union request *request, __u32 actions, const char *path)
{
	size_t path_len = strlen(path) + 1;

	request->attach = (struct xdpcap_attach){
		.type = XDPCAP_ATTACH,
		.protocol = XDPCAP_PROTOCOL,
		.actions = actions,
		.snaplen = 65535,
		.buffer_size = 1,
		.clock = XDPCAP_CLOCK_TAI,
	};
	memcpy(request->attach.path, path, path_len);
	return sizeof(request->attach) + path_len;
}

static size_t filter_len(const union request *request)
{
	return sizeof(request->filter) +
	       request->filter.len * sizeof(request->filter.insns[0]);
}

static struct sock_filter random_insn(unsigned int left)
{
	static const __u16 codes[] = {
		BPF_LD | BPF_W | BPF_ABS,
		BPF_LD | BPF_H | BPF_ABS,
		BPF_LD | BPF_B | BPF_ABS,
		BPF_LD | BPF_W | BPF_IND,
		BPF_LD | BPF_H | BPF_IND,
		BPF_LD | BPF_B | BPF_IND,
		BPF_LD | BPF_W | BPF_LEN,
		BPF_LD | BPF_IMM,
		BPF_LDX | BPF_IMM,
		BPF_LDX | BPF_W | BPF_LEN,
		BPF_LDX | BPF_B | BPF_MSH,
		BPF_LD | BPF_MEM,
		BPF_LDX | BPF_MEM,
		BPF_ST,
		BPF_STX,
		BPF_MISC | BPF_TAX,
		BPF_MISC | BPF_TXA,
		BPF_JMP | BPF_JA,
		BPF_RET | BPF_K,
		BPF_RET | BPF_A,
		BPF_ALU | BPF_NEG,
	};
	struct sock_filter insn = {
		.code = codes[below(ARRAY_SIZE(codes))],
		.jt = left ? below(left < 256 ? left : 256) : 0,
		.jf = left ? below(left < 256 ? left : 256) : 0,
		.k = odd_number(),
	};

	if (one_in(2))
		insn.k = below(64);
	if (one_in(4))
		insn.code = BPF_ALU | (below(11) << 4) | (below(2) << 3);
	else if (one_in(3))
		insn.code = BPF_JMP | (below(5) << 4) | (below(2) << 3);
	if (insn.code == (BPF_JMP | BPF_JA))
		insn.k = left ? below(left) : 0;
	if (insn.code == BPF_ST || insn.code == BPF_STX ||
	    (insn.code & 0xe0) == BPF_MEM)
		insn.k %= 16;
	return insn;
}

/* A request to set a filter, of n instructions; few of them are nonsense. */
static size_t make_filter(union request *request, unsigned int n)
{
	const bool nonsense = one_in(4);
	struct sock_filter *insns = request->filter.insns;

	request->filter = (struct xdpcap_set_filter){
		.type = XDPCAP_SET_FILTER,
		.generation = 2 + below(1000),
		.snaplen = 65535,
		.linktype = below(2) ? XDPCAP_EN10MB : XDPCAP_LINUX_SLL2,
		.actions = one_in(2) ? UINT32_MAX : below(32),
		.len = n,
	};
	for (unsigned int i = 0; i < n; i++) {
		insns[i] = random_insn(n - i - 1);
		if (nonsense && one_in(4))
			fill(&insns[i], sizeof(insns[i]));
	}
	if (!nonsense)
		insns[n - 1] =
			(struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 65535);
	return filter_len(request);
}

/* A valid request to list hooks. */
static size_t make_list(union request *request)
{
	request->list = (struct xdpcap_list){ .type = XDPCAP_LIST,
					      .protocol = XDPCAP_PROTOCOL };
	return sizeof(request->list);
}

static bool set_filter(struct helper *helper, unsigned int n)
{
	static union request request;
	struct xdpcap_reply reply;
	size_t len = make_filter(&request, n);

	switch (ask_with(helper, &request, len, NULL, 0, &reply)) {
	case XDPCAP_OK:
		fuzz.in_kernel++;
		return true;
	case XDPCAP_USERLAND:
		fuzz.in_userland++;
		return true;
	default:
		fail("a filter of %u instructions: \"%s\"", n, reply.message);
	}
}

static void attach(struct helper *helper)
{
	static union request request;
	struct xdpcap_reply reply;
	size_t len = make_attach(&request, 1u << below(4), fuzz.hook);

	if (ask_with(helper, &request, len, NULL, 0, &reply) != XDPCAP_OK)
		fail("a valid request to attach: \"%s\"", reply.message);
}

/* The helper must still do what it is for; then it ends. */
static void still_works(struct helper *helper)
{
	static union request request;

	if (!helper->attached)
		attach(helper);
	request.filter = (struct xdpcap_set_filter){
		.type = XDPCAP_SET_FILTER,
		.generation = 2,
		.snaplen = 100,
		.actions = UINT32_MAX,
		.len = 1,
	};
	request.filter.insns[0] =
		(struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 100);
	if (ask(helper, &request, filter_len(&request)) != XDPCAP_OK)
		fail("a valid filter was refused");
	end(helper);
}

/*
 * Rounds.
 */

static void garbage(void)
{
	static char bytes[sizeof(union request) + 1000];
	struct helper helper = start();
	__u32 type;
	size_t len;

	for (int i = 0; i < 100; i++) {
		len = 1 + below(one_in(4) ? sizeof(bytes) : 64);
		fill(bytes, len);
		/* not to list, which ends it */
		type = one_in(3) ? XDPCAP_LIST + 1 + below(1000) : below(3);
		if (one_in(2) && len >= sizeof(type))
			memcpy(bytes, &type, sizeof(type));
		ask(&helper, bytes, len);
	}
	still_works(&helper);
}

/* Thousands, without waiting for each reply. */
static void flood(void)
{
	struct helper helper = start();
	struct xdpcap_reply reply;
	unsigned int sent = 0, got = 0;
	char bytes[64];

	while (got < 3000) {
		while (sent < 3000 && sent - got < 50) {
			fill(bytes, sizeof(bytes));
			/* not to attach */
			bytes[0] |= 2;
			if (send_with(&helper, bytes, 1 + below(sizeof(bytes)),
				      NULL, 0))
				break;
			sent++;
		}
		if (!receive(&helper, false, &reply))
			fail("the helper has ended");
		got++;
	}
	still_works(&helper);
}

/* Every length from nothing to the whole, and beyond. */
static void truncated_and_oversized(void)
{
	static char large[sizeof(union request) + 65536];
	struct helper helper = start();
	union request *request = (union request *)large;
	size_t len;

	len = make_attach(request, 0, fuzz.hook);
	for (size_t n = 1; n < len; n++)
		refused(&helper, request, n);
	/* the path's end is not the message's */
	memset(large + len, 'x', sizeof(large) - len);
	for (size_t n = len + 1; n < len + 50; n++)
		refused(&helper, request, n);
	refused(&helper, request, sizeof(*request));
	refused(&helper, request, sizeof(large));

	attach(&helper);
	len = make_filter(request, 20);
	for (size_t n = 1; n < len; n++)
		refused(&helper, request, n);
	for (size_t n = len + 1; n < len + 50; n++)
		refused(&helper, request, n);
	request->filter.len = BPF_MAXINSNS;
	refused(&helper, request, REQUEST_MAX - 1);
	refused(&helper, request, REQUEST_MAX + 1);
	refused(&helper, request, sizeof(large));
	request->filter.len = BPF_MAXINSNS + 1;
	refused(&helper, request, REQUEST_MAX + sizeof(struct sock_filter));
	/* as many as make its size wrap */
	request->filter.len = (1ULL << 32) / sizeof(struct sock_filter);
	refused(&helper, request, sizeof(request->filter));
	request->filter.len = 0;
	refused(&helper, request, sizeof(request->filter));
	still_works(&helper);
}

/* What the module sends, with other numbers. */
static void fields(void)
{
	static const __u32 small[] = { 0, 1, 65536, 1u << 20, 4u << 20 };
	struct helper helper = start();
	static union request request;
	size_t len;

	for (int i = 0; i < 30; i++) {
		len = make_attach(&request, 0, fuzz.hook);
		if (one_in(4))
			request.attach.protocol = odd_number();
		if (one_in(2))
			request.attach.actions = odd_number();
		if (one_in(3))
			request.attach.snaplen = odd_number();
		if (one_in(3))
			request.attach.clock = odd_number();
		if (one_in(4))
			request.attach.enter = odd_number();
		if (one_in(4))
			request.attach.wait = odd_number();
		request.attach.buffer_size = small[below(ARRAY_SIZE(small))];
		/* more than there can be, but not what there can */
		if (one_in(4) && sysconf(_SC_NPROCESSORS_CONF) <= 8)
			request.attach.buffer_size = UINT32_MAX - below(1000);
		ask(&helper, &request, len);
	}
	if (!helper.attached)
		attach(&helper);
	for (int i = 0; i < 30; i++) {
		len = make_filter(&request, 1 + below(10));
		if (one_in(2))
			request.filter.generation = odd_number();
		if (one_in(2))
			request.filter.snaplen = odd_number();
		if (one_in(2))
			request.filter.linktype = odd_number();
		if (one_in(2))
			request.filter.actions = odd_number();
		if (one_in(2))
			request.filter.len = odd_number();
		ask(&helper, &request, len);
	}
	still_works(&helper);
}

static void out_of_order(void)
{
	struct helper helper = start();
	static union request request;
	size_t len;

	for (int i = 0; i < 5; i++) {
		len = make_filter(&request, 1 + below(BPF_MAXINSNS));
		refused(&helper, &request, len);
	}
	attach(&helper);
	for (int i = 0; i < 5; i++) {
		len = make_attach(&request, odd_number(), fuzz.hook);
		refused(&helper, &request, len);
		len = make_attach(&request, 0, "/etc/passwd");
		refused(&helper, &request, len);
		set_filter(&helper, 1 + below(10));
	}
	still_works(&helper);
}

static void paths(void)
{
	static const char *const plain[] = {
		"/",
		"//",
		"/.",
		"/..",
		"/../../../..",
		"/proc/self/fd/0",
		"/proc/self/fd/3",
		"/proc/self/mem",
		"/proc/self/exe",
		"/proc/self/root/",
		"/proc/self/cwd/x",
		"/proc/kmsg",
		"/proc/1/fd/0",
		"/dev/null",
		"/dev/zero",
		"/dev/full",
		"/dev/tty",
		"/dev/ptmx",
		"/dev/stdin",
		"/dev/fd/0",
		"/etc/shadow",
		"/sys/fs/bpf",
		"/sys/fs/bpf/",
		"/sys/fs/bpf/nothing",
		"/sys/kernel/debug/tracing/trace_pipe",
		"/%s%s%s%s%n%n%n%n",
		"/\n\xff\xfe\x01\x7f",
	};
	static const char *const not_absolute[] = { "relative", "./relative",
						    "x:/", "" };
	static const char *const beside[] = { "fifo", "fifo/x",  "socket",
					      "loop", "loop/x",  "link/x",
					      "dir",  "dir/../x" };
	static union request request;
	struct helper helper = start();
	char path[XDPCAP_PATH_MAX + 100];
	size_t len;

	for (size_t i = 0; i < ARRAY_SIZE(plain); i++) {
		len = make_attach(&request, 0, plain[i]);
		ask(&helper, &request, len);
	}
	for (size_t i = 0; i < ARRAY_SIZE(not_absolute); i++) {
		len = make_attach(&request, 0, not_absolute[i]);
		refused(&helper, &request, len);
	}
	for (size_t i = 0; i < ARRAY_SIZE(beside); i++) {
		snprintf(path, sizeof(path), "%s/%s", fuzz.dir, beside[i]);
		len = make_attach(&request, 0, path);
		ask(&helper, &request, len);
	}
	/* of the hook: its directory, below it, another pin */
	snprintf(path, sizeof(path), "%s", fuzz.hook);
	strrchr(path, '/')[0] = '\0';
	ask(&helper, &request, make_attach(&request, 0, path));
	snprintf(path, sizeof(path), "%s/", fuzz.hook);
	ask(&helper, &request, make_attach(&request, 0, path));
	snprintf(path, sizeof(path), "%s/x", fuzz.hook);
	ask(&helper, &request, make_attach(&request, 0, path));
	/* as long as can be, and longer */
	for (int n = XDPCAP_PATH_MAX - 3; n < XDPCAP_PATH_MAX + 3; n++) {
		memset(path, one_in(2) ? '/' : 'x', n);
		path[0] = '/';
		path[n] = '\0';
		ask(&helper, &request, make_attach(&request, 0, path));
	}
	/* a null within, and none at the end */
	len = make_attach(&request, 0, fuzz.hook);
	request.attach.path[below(strlen(fuzz.hook))] = '\0';
	refused(&helper, &request, len);
	len = make_attach(&request, 0, fuzz.hook);
	refused(&helper, &request, len - 1);
	if (helper.attached)
		fail("it has attached to what is no hook");

	/* the hook by another way */
	snprintf(path, sizeof(path), "%s/%s", fuzz.dir,
		 one_in(2) ? "link" : "dir/../link");
	if (one_in(3))
		snprintf(path, sizeof(path), "/proc/self/root%s", fuzz.hook);
	if (ask(&helper, &request, make_attach(&request, 0, path)))
		fail("cannot attach by %s", path);
	still_works(&helper);
}

/* Descriptors that the helper has, or -1 if we may not look. */
static int count_fds(const struct helper *helper)
{
	char path[64];
	int n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", helper->pid);
	dir = opendir(path);
	if (!dir) {
		if (errno != EACCES || !geteuid())
			fail("%s: %s", path, strerror(errno));
		return -1;
	}
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/* Hundreds of descriptors, the socket among them, with requests good and bad. */
static void descriptors(void)
{
	static union request request;
	struct helper helper = start();
	struct xdpcap_reply reply;
	int fds[FDS_MAX], before, after, pipes[2];
	size_t len;

	if (pipe2(pipes, O_CLOEXEC))
		fail("pipe: %s", strerror(errno));
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = i % 3 ? pipes[i % 2] : helper.sock;
	attach(&helper);
	before = count_fds(&helper);
	for (int i = 0; i < 40; i++) {
		len = one_in(2) ? make_attach(&request, 0, fuzz.hook) :
				  make_filter(&request, 1 + below(5));
		ask_with(&helper, &request, one_in(2) ? len : 1 + below(len),
			 fds, 1 + below(FDS_MAX), &reply);
	}
	after = count_fds(&helper);
	if (after != before)
		fail("the helper has %d descriptors, and had %d", after, before);
	close(pipes[0]);
	close(pipes[1]);
	still_works(&helper);
}

/* Whether the helper closes its end, as it does by ending. */
static void wait_hangup(const struct helper *helper)
{
	struct pollfd pfd = { .fd = helper->sock };

	if (poll(&pfd, 1, TIMEOUT) != 1)
		fail("the helper does not end");
}

/* Until neither its replies nor our requests find room. */
static void replies_not_read(void)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	struct helper helper = start();
	char bytes[16] = "not a request";
	int tries = 0;

	if (one_in(2))
		attach(&helper);
	while (tries < TIMEOUT) {
		if (!send_with(&helper, bytes, sizeof(bytes), NULL, 0))
			continue;
		if (errno == EPIPE || errno == ECONNRESET)
			break;
		if (errno != EAGAIN)
			fail("cannot send: %s", strerror(errno));
		nanosleep(&pause, NULL);
		tries++;
	}
	wait_hangup(&helper);
	end(&helper);
}

static void shutdowns(void)
{
	static const int how[] = { SHUT_RD, SHUT_WR, SHUT_RDWR };
	static union request request;
	struct helper helper;
	size_t len;

	for (size_t i = 0; i < ARRAY_SIZE(how); i++) {
		helper = start();
		if (one_in(2))
			attach(&helper);
		shutdown(helper.sock, how[i]);
		send_with(&helper, "x", 1, NULL, 0);
		if (how[i] != SHUT_RDWR)
			wait_hangup(&helper);
		end(&helper);
	}
	/* gone before the reply, or before the helper has begun */
	helper = start();
	len = make_attach(&request, 0, fuzz.hook);
	send_with(&helper, &request, len, NULL, 0);
	if (one_in(2)) {
		len = make_filter(&request, 1 + below(5));
		send_with(&helper, &request, len, NULL, 0);
	}
	end(&helper);
	helper = start();
	end(&helper);
	/* which is the same as the end of the file */
	helper = start();
	attach(&helper);
	send_with(&helper, "", 0, NULL, 0);
	wait_hangup(&helper);
	end(&helper);
}

/* What a user can send to his own processes; SIGKILL is tested elsewhere. */
static void signals(void)
{
	static const int harmless[] = { SIGCHLD, SIGCONT, SIGTSTP, SIGTTIN,
					SIGTTOU, SIGURG,  SIGWINCH };
	struct helper helper = start();

	attach(&helper);
	for (size_t i = 0; i < ARRAY_SIZE(harmless); i++)
		kill(helper.pid, harmless[i]);
	still_works(&helper);
	for (int sig = 1; sig <= SIGRTMAX; sig++) {
		bool ends = sig != SIGKILL && sig != SIGSTOP &&
			    (sig <= SIGSYS || sig >= SIGRTMIN);

		for (size_t i = 0; i < ARRAY_SIZE(harmless); i++)
			ends &= sig != harmless[i];
		if (!ends || !one_in(6))
			continue;
		helper = start();
		attach(&helper);
		if (kill(helper.pid, sig))
			fail("cannot send signal %d: %s", sig, strerror(errno));
		wait_hangup(&helper);
		end(&helper);
	}
}

/* Many at once, that all want the same; some get it. */
static void crowd(void)
{
	static union request request;
	struct helper helpers[12];
	struct xdpcap_reply reply;
	unsigned int attached = 0;
	size_t len;

	for (size_t i = 0; i < ARRAY_SIZE(helpers); i++) {
		helpers[i] = start();
		len = make_attach(&request, one_in(3) ? 0 : 1u << below(4),
				  fuzz.hook);
		if (send_with(&helpers[i], &request, len, NULL, 0))
			fail("cannot send: %s", strerror(errno));
	}
	for (size_t i = 0; i < ARRAY_SIZE(helpers); i++) {
		if (!receive(&helpers[i], true, &reply))
			fail("a helper has ended");
		if (reply.status == XDPCAP_OK)
			attached++;
		else if (!strstr(reply.message, "busy"))
			fail("a helper in a crowd: \"%s\"", reply.message);
	}
	if (!attached)
		fail("none has attached");
	fuzz.attached += attached;
	for (size_t i = 0; i < ARRAY_SIZE(helpers); i++)
		close(helpers[i].sock);
	reap();
	check_hook();
}

static void filters(void)
{
	struct helper helper = start();

	attach(&helper);
	for (int i = 0; i < 60; i++)
		set_filter(&helper, 1 + below(one_in(10) ? 400 : 20));
	set_filter(&helper, BPF_MAXINSNS);
	still_works(&helper);
}

/*
 * Receive a list: hooks, each with a path and what it is, and its end. Returns how
 * many they are, -1 if the helper ends before that; in any case it must end.
 */
static int receive_list(const struct helper *helper)
{
	struct pollfd pfd = { .fd = helper->sock, .events = POLLIN };
	static char bytes[65536];
	const char *path = bytes + sizeof(struct xdpcap_listed), *what;
	int hooks = 0;
	ssize_t n;

	for (;; hooks++) {
		if (poll(&pfd, 1, TIMEOUT) != 1)
			fail("the helper does not answer");
		n = recv(helper->sock, bytes, sizeof(bytes), MSG_DONTWAIT);
		/* told once if it has left requests behind; what it sent is there */
		if (n < 0 && errno == ECONNRESET)
			n = recv(helper->sock, bytes, sizeof(bytes),
				 MSG_DONTWAIT);
		if (n <= 0)
			return -1;
		if (n == sizeof(struct xdpcap_listed))
			break;
		what = memchr(path, '\0', bytes + n - path);
		if (path[0] != '/' || !what ||
		    memchr(what + 1, '\0', bytes + n - what - 1) != bytes + n - 1)
			fail("a hook of %zd bytes is malformed", n);
	}
	wait_hangup(helper);
	if (recv(helper->sock, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		fail("there is something behind the list's end");
	return hooks;
}

/* One list, and the helper ends; only if that is the first request, and valid. */
static void lists(void)
{
	static union request request;
	struct helper helper;
	size_t len;

	for (size_t n = sizeof(__u32); n < sizeof(request.list) + 10; n++) {
		helper = start();
		len = make_list(&request);
		if (n == len && one_in(2))
			request.list.protocol++;
		else if (n == len)
			refused(&helper, "?", 1);
		send_with(&helper, &request, n, NULL, 0);
		if ((receive_list(&helper) > 0) !=
		    (n == len && request.list.protocol == XDPCAP_PROTOCOL))
			fail("a request of %zu bytes was taken, or not", n);
		end(&helper);
	}
	/* when it has given up what that takes */
	helper = start();
	attach(&helper);
	send_with(&helper, &request, make_list(&request), NULL, 0);
	if (receive_list(&helper) >= 0)
		fail("there is a list beside a capture");
	end(&helper);
	/* who is not there to read it, and who asks for more */
	helper = start();
	send_with(&helper, &request, make_list(&request), NULL, 0);
	end(&helper);
	helper = start();
	for (int i = 0; i < 5; i++)
		send_with(&helper, &request, make_list(&request), NULL, 0);
	if (receive_list(&helper) < 1)
		fail("there is no list");
	end(&helper);
}

static const struct {
	const char *name;
	void (*run)(void);
} rounds[] = {
	{ "garbage", garbage },
	{ "flood", flood },
	{ "truncated and oversized", truncated_and_oversized },
	{ "fields", fields },
	{ "out of order", out_of_order },
	{ "paths", paths },
	{ "descriptors", descriptors },
	{ "replies not read", replies_not_read },
	{ "shutdowns", shutdowns },
	{ "signals", signals },
	{ "crowd", crowd },
	{ "filters", filters },
	{ "lists", lists },
};

/* What the length of a valid request must be, by its contents. */
static size_t parsed_len(const union request *request)
{
	switch (request->type) {
	case XDPCAP_ATTACH:
		return sizeof(request->attach) + strlen(request->attach.path) + 1;
	case XDPCAP_SET_FILTER:
		return filter_len(request);
	default:
		return sizeof(request->list);
	}
}

/*
 * The parser, with messages in memory of exactly their size: what it accepts must
 * be within, what it reads beyond is found by the sanitizer.
 */
static void parse(void)
{
	union request *request;
	static union request made;
	unsigned int accepted = 0;
	size_t len;

	fuzz.round = "parser";
	for (int i = 0; i < PARSER_RUNS; i++) {
		if (one_in(8))
			len = make_list(&made);
		else if (one_in(2))
			len = make_attach(&made, 0, "/some/path");
		else
			len = make_filter(&made, 1 + below(4));
		for (unsigned int n = below(4); n; n--)
			((__u32 *)&made)[below(4)] = odd_number();
		if (one_in(4))
			made.bytes[below(len)] = random64();
		if (one_in(3))
			len = 1 + below(len + 8);
		request = malloc(len);
		if (!request)
			fail("no memory");
		memcpy(request, &made, len);
		if (!request_check(request, len)) {
			accepted++;
			if (parsed_len(request) != len)
				fail("a request of another length was accepted");
		}
		free(request);
	}
	if (accepted < PARSER_RUNS / 20 || accepted > PARSER_RUNS / 2)
		fail("%u of %d requests were accepted", accepted, PARSER_RUNS);
}

/* What some paths name. */
static void make_files(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	fuzz.round = "files";
	if (chdir(fuzz.dir) || mkfifo("fifo", 0600) || mkdir("dir", 0700) ||
	    symlink("loop", "loop") || symlink(fuzz.hook, "link"))
		fail("%s: %s", fuzz.dir, strerror(errno));
	strcpy(address.sun_path, "socket");
	if (bind(sock, (struct sockaddr *)&address, sizeof(address)))
		fail("%s/socket: %s", fuzz.dir, strerror(errno));
	close(sock);
}

/*
 * The leak sanitizer traces this process, which it may not everywhere. Weak, for
 * builds that say more; see tests/sanitize/options.c.
 */
const char *__asan_default_options(void);
__attribute__((weak)) const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}

int main(int argc, char **argv)
{
	struct timespec now;
	int option, n = 2;

	clock_gettime(CLOCK_REALTIME, &now);
	fuzz.seed = now.tv_sec * 1000 + now.tv_nsec / 1000000;
	while ((option = getopt(argc, argv, "n:s:")) != -1) {
		if (option == 'n') {
			n = atoi(optarg);
		} else if (option == 's') {
			fuzz.seed = strtoull(optarg, NULL, 10);
		} else {
			fputs(usage, stderr);
			return 2;
		}
	}
	if (argc - optind != 3) {
		fputs(usage, stderr);
		return 2;
	}
	fuzz.helper = argv[optind];
	fuzz.hook = argv[optind + 1];
	fuzz.dir = argv[optind + 2];
	fuzz.random = fuzz.seed;
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("seed %llu\n", (unsigned long long)fuzz.seed);

	parse();
	make_files();
	fuzz.hook_fd = bpf_obj_get(fuzz.hook);
	if (fuzz.hook_fd < 0)
		fail("%s: %s", fuzz.hook, strerror(-fuzz.hook_fd));
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
		fail("prctl: %s", strerror(errno));
	check_hook();
	for (int i = 0; i < n; i++) {
		for (size_t r = 0; r < ARRAY_SIZE(rounds); r++) {
			fuzz.round = rounds[r].name;
			rounds[r].run();
		}
	}
	printf("%u requests, %u helpers, %u attached, %u filters in the kernel, %u in userland\n",
	       fuzz.requests, fuzz.helpers, fuzz.attached, fuzz.in_kernel,
	       fuzz.in_userland);
	return 0;
}
