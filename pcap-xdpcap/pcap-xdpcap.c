// SPDX-License-Identifier: BSD-3-Clause
/*
 * pcap-xdpcap.c: packet capture from an XDP program's hook
 *
 * A capture device is named by the hook, a pinned PROG_ARRAY map with one slot
 * for each XDP action: "xdpcap:/sys/fs/bpf/hook", or "xdpcap:hook" for short,
 * and optionally the actions to capture: "xdpcap:hook@drop,tx".
 *
 * Everything that takes privileges is done by xdpcap-helper, which the activate
 * operation starts, so that an application can drop its own privileges when it
 * likes, before pcap_setfilter() in particular. Packets, wakeups and statistics
 * come from memory shared with the eBPF programs; see ring.h. This file knows
 * nothing of bpf(2).
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "pcap-int.h"
#include "pcap-xdpcap.h"
#include "ancillary.h"
#include "packet.h"
#include "protocol.h"
#include "ring.h"

/*
 * libpcap 1.10.5 gave its internal functions the prefix pcapint_; this is one
 * of their names that is a macro in both, and so tells which they are.
 */
#ifdef charset_fopen
#define pcapint_add_dev			add_dev
#define pcapint_breakloop_common	pcap_breakloop_common
#define pcapint_cleanup_live_common	pcap_cleanup_live_common
#define pcapint_filter			pcap_filter
#define pcapint_fmt_errmsg_for_errno	pcap_fmt_errmsg_for_errno
#define pcapint_install_bpf_program	install_bpf_program
#endif

#ifndef XDPCAP_HELPER_PATH
#define XDPCAP_HELPER_PATH	"/usr/local/libexec/xdpcap-helper"
#endif

#define XDPCAP_PREFIX		"xdpcap:"
#define XDPCAP_BPFFS		"/sys/fs/bpf/"

/* How long to wait for the helper, ms: to answer a request, and to detach. */
#define REPLY_TIMEOUT		60000
#define DETACH_TIMEOUT		5000

/*
 * How long listing the hooks may take in all, ms, and how many may be listed.
 */
#define LIST_TIMEOUT		2000
#define LIST_MAX		256

/*
 * Packet buffer timeout, ms, if none is set: what the kernel has for a packet
 * socket then (DEFAULT_PRB_RETIRE_TOV, net/packet/internal.h).
 */
#define DEFAULT_TIMEOUT		8

/* What a LINUX_SLL2 header is longer than an Ethernet header. */
#define SLL2_LONGER		(XDPCAP_SLL2_LEN - ETH_HLEN)
_Static_assert(SLL2_LONGER == sizeof(((struct xdpcap_record *)0)->sll2),
    "a record has room for it");

/* Actions by which packets leave the interface that they came in on. */
#define OUTGOING_ACTIONS \
	(1u << XDPCAP_ACTION_TX | 1u << XDPCAP_ACTION_REDIRECT)

#define NS_PER_MS		1000000
#define NS_PER_S		1000000000

/*
 * In immediate mode, a flow of more than one packet in this interval, ns, is
 * dense, as judged by what came within a window of so many intervals; and a
 * dense flow has one wakeup in that nap, ns.
 */
#define DENSE_INTERVAL		1000000
#define DENSE_WINDOW		32
#define DENSE_NAP		1100000

/*
 * The heads of all rings are read within this time, ns, and again if it took
 * longer: by so much can packets of different CPUs come out of order.
 */
#define SNAPSHOT_SPREAD		50000
#define SNAPSHOT_TRIES		3

/*
 * Two clocks are compared up to so many times, until one of them has been read
 * twice, before and after the other, within this time, ns.
 */
#define CLOCK_TRIES		5
#define CLOCK_SPREAD		5000

/* A ring, as its one reader sees it. */
struct xdpcap_reader {
	u_char *base;		/* the ring, followed by its slack */
	struct xdpcap_cpu *cpu;	/* its part of the control page */
	uint64_t pos;		/* of the next record */
	uint64_t limit;		/* end of what this batch takes */
	uint64_t released;	/* what cpu->tail says */
	uint64_t ts;		/* of the next record, if there is one */
	struct xdpcap_record *next;	/* or NULL: nothing in this batch */
};

/* A load of ancillary data in the filter, for filtering in userland. */
struct xdpcap_patch {
	u_int insn;		/* index in p->fcode */
	bpf_u_int32 k;		/* SKF_AD_OFF + SKF_AD_... */
};

struct pcap_xdpcap {
	int sock;		/* to the helper */
	pid_t pid;		/* of the process that activated */
	int bell_fd;		/* readable when a producer rang */
	int left_fd;		/* eventfd: readable while packets are left */
	int break_fd;		/* eventfd: pcap_breakloop() was called */
	int left;		/* left_fd is readable */
	int nonblock;
	int timeout;		/* packet buffer timeout, ms */

	uint64_t cookie;	/* see struct xdpcap_record */
	uint32_t clock;		/* enum xdpcap_clock */
	uint32_t ring_size;	/* bytes, without the slack */
	uint32_t nrings;
	uint32_t actions;	/* bit mask of slots */
	uint32_t enter;		/* slot of xdpcap_enter(), or 0 */
	uint32_t watermark;	/* bytes that the selectable descriptor is for */
	struct xdpcap_reader *rings;
	struct xdpcap_reader *unreleased;	/* holds the packet of the last
						 * pcap_next() or _next_ex() */
	int unsynced;		/* ts_offset stays as it was at first */
	const struct xdpcap_record *delivered;	/* last one, or NULL */
	int64_t ts_offset;	/* ns from the records' clock to the wall clock */
	/* immediate mode; times are CLOCK_MONOTONIC, ns */
	uint64_t next_wakeup;	/* not before; 0: at any time */
	uint64_t window_begin;
	u_int window_records;	/* read since then */
	int dense;		/* the flow was, at last look */

	uint32_t generation;	/* of the filter in force */
	int filter_in_userland;
	int filter_linktype;	/* that the filter was set for: a DLT_ */
	uint32_t direction;	/* of pcap_setdirection(): a bit mask */
	struct xdpcap_patch *patches;	/* the filter's loads of ancillary data */
	u_int patch_count;

	void *rings_map;
	size_t rings_map_size;
	struct xdpcap_ctl *ctl;
	size_t ctl_size;
	uint64_t *bell_consumer;	/* position, written by us */
	const uint64_t *bell_producer;	/* position, written by the kernel */
	size_t page_size;
};

/*
 * The active captures of this process. One that finds an action busy waits for other
 * processes to end, not for its own, such as dumpcap's of all listed devices.
 */
static int xdpcap_captures;

/* A filter that every packet matches. */
static struct bpf_insn accept_all = { BPF_RET | BPF_K, 0, 0, UINT_MAX };

/* For a failure that has an errno. */
#define xdpcap_errno(p, ...)						\
	pcapint_fmt_errmsg_for_errno((p)->errbuf, PCAP_ERRBUF_SIZE, errno, \
	    __VA_ARGS__)

static uint64_t
clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

/*
 * Filters in userland: of records that an older filter has admitted, and of all
 * if the kernel did not take the filter.
 */

/*
 * libpcap's interpreter knows nothing of ancillary data (ifindex, inbound, ...):
 * find the filter's loads of it, and make them immediate loads, whose value is
 * filled in for each packet.
 */
static int
xdpcap_find_ancillary(pcap_t *p)
{
	struct pcap_xdpcap *px = p->priv;
	struct bpf_insn *insn;
	u_int i;

	free(px->patches);
	px->patch_count = 0;
	px->patches = calloc(p->fcode.bf_len, sizeof(*px->patches));
	if (px->patches == NULL) {
		xdpcap_errno(p, "%s: calloc", p->opt.device);
		return (PCAP_ERROR);
	}
	for (i = 0; i < p->fcode.bf_len; i++) {
		insn = &p->fcode.bf_insns[i];
		if (BPF_CLASS(insn->code) != BPF_LD ||
		    BPF_MODE(insn->code) != BPF_ABS ||
		    !xdpcap_is_ancillary(insn->k))
			continue;
		px->patches[px->patch_count].insn = i;
		px->patches[px->patch_count].k = insn->k;
		px->patch_count++;
		insn->code = BPF_LD | BPF_IMM;
	}
	return (0);
}

/* What is known of a record's packet. */
static struct xdpcap_ancillary
xdpcap_about(const struct pcap_xdpcap *px, const struct xdpcap_reader *ring,
    const struct xdpcap_record *rec)
{
	return ((struct xdpcap_ancillary) {
		.packet = (const u_char *)(rec + 1),
		.packet_len = rec->caplen,
		.action = rec->action,
		.ifindex = rec->ifindex,
		.queue = rec->rx_queue,
		.cpu = ring - px->rings,
	});
}

/*
 * Make the packet's LINUX_SLL2 header, in place: it ends where the Ethernet
 * header does, and begins in the end of the record's own header. Returns where.
 */
static u_char *
xdpcap_make_sll2(const struct xdpcap_ancillary *about, struct xdpcap_record *rec)
{
	u_char *packet = (u_char *)(rec + 1) - SLL2_LONGER;
	uint8_t header[XDPCAP_SLL2_LEN];

	xdpcap_sll2_header(about, header);
	memcpy(packet, header, sizeof(header));
	return (packet);
}

/* The capture length in that form; without an Ethernet header there is none. */
static u_int
xdpcap_sll2_caplen(const struct xdpcap_record *rec)
{
	return (rec->caplen < ETH_HLEN ? 0 : rec->caplen + SLL2_LONGER);
}

/*
 * Filter a record that the filter in force has not seen, in the form that the
 * filter was set for. Returns the number of bytes to deliver, of the form that
 * packets are delivered in; 0 if it does not match.
 */
static u_int
xdpcap_filter(pcap_t *p, const struct xdpcap_reader *ring,
    struct xdpcap_record *rec)
{
	struct pcap_xdpcap *px = p->priv;
	const struct xdpcap_ancillary about = xdpcap_about(px, ring, rec);
	u_char ethernet[XDPCAP_SLL2_LEN], *sll2;
	u_int i, ret, len = rec->len, caplen;

	if (p->fcode.bf_insns == NULL)
		return (UINT_MAX);
	for (i = 0; i < px->patch_count; i++)
		p->fcode.bf_insns[px->patches[i].insn].k =
		    xdpcap_ancillary(&about, px->patches[i].k);
	if (px->filter_linktype == DLT_EN10MB) {
		ret = pcapint_filter(p->fcode.bf_insns, about.packet, len,
		    rec->caplen);
		if (p->linktype == DLT_EN10MB || ret == 0)
			return (ret);
		/* with a whole header, since that needs nothing more */
		return (ret > UINT_MAX - SLL2_LONGER ? UINT_MAX :
		    SLL2_LONGER + (ret > ETH_HLEN ? ret : ETH_HLEN));
	}

	caplen = xdpcap_sll2_caplen(rec);
	memcpy(ethernet, (u_char *)(rec + 1) - SLL2_LONGER, sizeof(ethernet));
	sll2 = xdpcap_make_sll2(&about, rec);
	ret = pcapint_filter(p->fcode.bf_insns, sll2, len + SLL2_LONGER, caplen);
	memcpy(sll2, ethernet, sizeof(ethernet));
	if (p->linktype == DLT_LINUX_SLL2 || ret == 0)
		return (ret);
	return (ret > XDPCAP_SLL2_LEN ? ret - SLL2_LONGER : ETH_HLEN);
}

/*
 * The helper: start it, ask it, end it.
 */

static const char *
xdpcap_helper_path(void)
{
	const char *path = secure_getenv("XDPCAP_HELPER");

	return (path != NULL ? path : XDPCAP_HELPER_PATH);
}

/*
 * Start a helper that has the other end of sock. The process that is started
 * makes another one and ends; the caller waits for it. Returns 0, or -1 with
 * errno.
 */
static int
xdpcap_spawn_helper(int *sock, pid_t *pid)
{
	char *const argv[] = { (char *)"xdpcap-helper", NULL };
	char *const envp[] = { NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	int socks[2], err;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks) == -1)
		return (-1);

	/* not fork(): the application may have threads */
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, socks[1], XDPCAP_HELPER_FD);
	posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_RDWR, 0);
	posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_RDWR, 0);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSID);
	err = posix_spawn(pid, xdpcap_helper_path(), &actions, &attr, argv,
	    envp);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attr);
	close(socks[1]);
	if (err != 0) {
		close(socks[0]);
		errno = err;
		return (-1);
	}
	*sock = socks[0];
	return (0);
}

static int
xdpcap_start_helper(pcap_t *p)
{
	struct pcap_xdpcap *px = p->priv;
	pid_t pid;

	if (xdpcap_spawn_helper(&px->sock, &pid) == -1) {
		/* it may be for the members of a group only */
		if (errno == EACCES) {
			xdpcap_errno(p,
			    "%s: cannot start %s; you need permission to execute it",
			    p->opt.device, xdpcap_helper_path());
			return (PCAP_ERROR_PERM_DENIED);
		}
		xdpcap_errno(p, "%s: cannot start %s; is pcap-xdpcap installed?",
		    p->opt.device, xdpcap_helper_path());
		return (PCAP_ERROR);
	}
	/* so that none of ours is left for the application to see in wait() */
	while (waitpid(pid, NULL, 0) == -1 && errno == EINTR)
		;
	px->pid = getpid();
	return (0);
}

/* The helper is gone, or as good as gone: say so now and in every later call. */
static int
xdpcap_helper_lost(pcap_t *p, const char *what)
{
	snprintf(p->errbuf, PCAP_ERRBUF_SIZE,
	    "%s: xdpcap-helper %s; the capture has ended, start it again",
	    p->opt.device, what);
	return (PCAP_ERROR);
}

/* Whether the helper has closed its end of the socket; it does by ending. */
static int
xdpcap_helper_ended(struct pcap_xdpcap *px)
{
	struct pollfd pfd = { .fd = px->sock, .events = 0 };

	return (poll(&pfd, 1, 0) == 1 && pfd.revents & (POLLHUP | POLLERR));
}

/*
 * Send a request and wait for the reply; of the descriptors that come with it,
 * those that are missing are -1. Returns 0 if the reply's status is not an
 * error, or a PCAP_ERROR_ code with errbuf filled.
 */
static int
xdpcap_ask(pcap_t *p, struct iovec *iov, int iovcnt, struct xdpcap_reply *reply,
    int fds[XDPCAP_FDS])
{
	struct pcap_xdpcap *px = p->priv;
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int) * XDPCAP_FDS)];
	} control;
	struct iovec reply_iov = { .iov_base = reply, .iov_len = sizeof(*reply) };
	struct msghdr request = { .msg_iov = iov, .msg_iovlen = iovcnt };
	struct msghdr msg = {
		.msg_iov = &reply_iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	struct pollfd pfd = { .fd = px->sock, .events = POLLIN };
	struct cmsghdr *cmsg;
	ssize_t n;
	int i, ready;

	for (i = 0; i < XDPCAP_FDS; i++)
		fds[i] = -1;
	if (sendmsg(px->sock, &request, MSG_NOSIGNAL) == -1)
		return (xdpcap_helper_lost(p, "has ended"));
	do {
		ready = poll(&pfd, 1, REPLY_TIMEOUT);
	} while (ready == -1 && errno == EINTR);
	if (ready <= 0) {
		/* a reply that comes later would be taken for another's */
		shutdown(px->sock, SHUT_RDWR);
		return (xdpcap_helper_lost(p, "does not answer"));
	}
	do {
		n = recvmsg(px->sock, &msg, MSG_CMSG_CLOEXEC);
	} while (n == -1 && errno == EINTR);
	if (n != sizeof(*reply))
		return (xdpcap_helper_lost(p, "has ended"));
	cmsg = CMSG_FIRSTHDR(&msg);
	if (cmsg != NULL && cmsg->cmsg_type == SCM_RIGHTS)
		memcpy(fds, CMSG_DATA(cmsg), cmsg->cmsg_len - CMSG_LEN(0));

	switch (reply->status) {

	case XDPCAP_OK:
	case XDPCAP_USERLAND:
		return (0);

	case XDPCAP_ERROR_NO_SUCH_HOOK:
		i = PCAP_ERROR_NO_SUCH_DEVICE;
		break;

	case XDPCAP_ERROR_PERMISSION:
		i = PCAP_ERROR_PERM_DENIED;
		break;

	default:
		i = PCAP_ERROR;
		break;
	}
	snprintf(p->errbuf, PCAP_ERRBUF_SIZE, "%.*s",
	    (int)sizeof(reply->message) - 1, reply->message);
	return (i);
}

/*
 * The device: xdpcap:PATH[@ACTION[,ACTION...]].
 */

static int
xdpcap_parse_action(const char *name, size_t len, uint32_t *actions,
    uint32_t *enter)
{
	static const char *const names[] = {
		"aborted", "drop", "pass", "tx", "redirect"
	};
	uint32_t number = 0;
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strlen(names[i]) == len && memcmp(names[i], name, len) == 0) {
			*actions |= 1u << i;
			return (0);
		}
	}
	if (len == strlen("enter") && memcmp(name, "enter", len) == 0) {
		*enter = 1;
		return (0);
	}
	if (len == 0)
		return (-1);
	for (i = 0; i < len; i++) {
		if (!PCAP_ISDIGIT(name[i]))
			return (-1);
		number = number * 10 + (name[i] - '0');
		if (number >= XDPCAP_ACTIONS_MAX)
			return (-1);
	}
	*actions |= 1u << number;
	return (0);
}

/*
 * Split the device's name into the hook's path (room for XDPCAP_PATH_MAX bytes)
 * and the bit mask of actions, 0 for all if enter, which is for packets before the
 * program, is not the only one. The actions begin at the last '@'
 * behind the last '/', so "@all" makes a '@' in the pin's name possible.
 */
static int
xdpcap_parse_device(pcap_t *p, char *path, uint32_t *actions, uint32_t *enter)
{
	const char *name = p->opt.device + strlen(XDPCAP_PREFIX);
	const char *base = strrchr(name, '/'), *at, *end;
	int len;

	*actions = 0;
	*enter = 0;
	at = strrchr(base != NULL ? base : name, '@');
	len = snprintf(path, XDPCAP_PATH_MAX, "%s%.*s",
	    *name == '/' ? "" : XDPCAP_BPFFS,
	    at != NULL ? (int)(at - name) : (int)strlen(name), name);
	if (*name == '\0' || at == name) {
		snprintf(p->errbuf, PCAP_ERRBUF_SIZE,
		    "%s: no hook named; it is xdpcap:/path/to/hook, or xdpcap:name for "
		    XDPCAP_BPFFS "name", p->opt.device);
		return (PCAP_ERROR_NO_SUCH_DEVICE);
	}
	if (len >= XDPCAP_PATH_MAX) {
		snprintf(p->errbuf, PCAP_ERRBUF_SIZE,
		    "%.100s...: the path is too long, at most %d bytes",
		    p->opt.device, XDPCAP_PATH_MAX - 1);
		return (PCAP_ERROR_NO_SUCH_DEVICE);
	}
	if (at == NULL || strcmp(at, "@all") == 0)
		return (0);
	do {
		at++;
		end = strchrnul(at, ',');
		if (xdpcap_parse_action(at, end - at, actions, enter) == -1) {
			snprintf(p->errbuf, PCAP_ERRBUF_SIZE,
			    "%s: no action \"%.*s\"; actions are aborted, drop, pass, tx, redirect, enter, all, or a number below %d",
			    p->opt.device, (int)(end - at), at,
			    XDPCAP_ACTIONS_MAX);
			return (PCAP_ERROR_NO_SUCH_DEVICE);
		}
		at = end;
	} while (*end != '\0');
	return (0);
}

/*
 * Waiting.
 */

/* Whether the next record of a ring has been committed. */
static int
xdpcap_committed(const struct pcap_xdpcap *px, const struct xdpcap_reader *ring)
{
	const struct xdpcap_record *rec = (const struct xdpcap_record *)
	    (ring->base + (ring->pos & (px->ring_size - 1)));

	/*
	 * Pairs with the exchange that commits the record (copy.bpf.c): who
	 * sees the word sees all of the record. The cookie makes it a word that
	 * no packet byte of the ring's last lap can be.
	 */
	return (__atomic_load_n(&rec->commit, __ATOMIC_ACQUIRE) ==
	    (ring->pos ^ px->cookie));
}

/* Whether a record waits in any ring. */
static int
xdpcap_available(const struct pcap_xdpcap *px)
{
	uint32_t i;

	for (i = 0; i < px->nrings; i++)
		if (xdpcap_committed(px, &px->rings[i]))
			return (1);
	return (0);
}

/* Whether any ring holds wake bytes or more. */
static int
xdpcap_filled(const struct pcap_xdpcap *px, uint32_t wake)
{
	const struct xdpcap_reader *ring;
	uint32_t i;

	for (i = 0; i < px->nrings; i++) {
		ring = &px->rings[i];
		if (__atomic_load_n(&ring->cpu->head, __ATOMIC_RELAXED) -
		    ring->released >= wake)
			return (1);
	}
	return (0);
}

/*
 * Ask the producers to ring the bell, from which moment on it has not been rung,
 * when a ring holds wake bytes. The caller then looks at the rings once more,
 * before it sleeps.
 */
static void
xdpcap_arm(struct pcap_xdpcap *px, uint32_t wake)
{
	/* the kernel has published what it wrote; hand it all back, unread */
	__atomic_store_n(px->bell_consumer,
	    __atomic_load_n(px->bell_producer, __ATOMIC_ACQUIRE),
	    __ATOMIC_RELEASE);
	__atomic_store_n(&px->ctl->wake, wake, __ATOMIC_RELAXED);
	/*
	 * Pairs with the exchange that commits a record: either the producer,
	 * after it, sees wake and rings, or we, after this, see the record.
	 */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* Make left_fd say whether there are packets that no bell will be rung for. */
static void
xdpcap_set_left(struct pcap_xdpcap *px, int left)
{
	uint64_t value = 1;

	if (px->left == left)
		return;
	px->left = left;
	if (left)
		(void)!write(px->left_fd, &value, sizeof(value));
	else
		(void)!read(px->left_fd, &value, sizeof(value));
}

/* The application has asked for the end of the loop. */
static int
xdpcap_break(pcap_t *p)
{
	struct pcap_xdpcap *px = p->priv;
	uint64_t value;

	p->break_loop = 0;
	(void)!read(px->break_fd, &value, sizeof(value));
	return (PCAP_ERROR_BREAK);
}

/*
 * Sleep until the bell rings, the deadline (CLOCK_MONOTONIC, ns; 0 for none) has
 * passed, or there is a reason to give up. Returns 0; 1 if there is nothing more
 * to wait for than what has been captured already; or a PCAP_ERROR_ code.
 */
static int
xdpcap_sleep(pcap_t *p, uint64_t deadline)
{
	struct pcap_xdpcap *px = p->priv;
	struct pollfd fds[] = {
		{ .fd = px->break_fd, .events = POLLIN },
		{ .fd = px->sock, .events = 0 },
		{ .fd = px->bell_fd, .events = POLLIN },
	};
	struct timespec timeout;
	uint64_t now = deadline != 0 ? clock_ns(CLOCK_MONOTONIC) : 0;
	uint64_t value;
	int n;

	if (deadline != 0) {
		if (now >= deadline)
			return (0);
		timeout.tv_sec = (deadline - now) / NS_PER_S;
		timeout.tv_nsec = (deadline - now) % NS_PER_S;
	}
	n = ppoll(fds, 3, deadline != 0 ? &timeout : NULL, NULL);
	if (n == -1 && errno != EINTR) {
		xdpcap_errno(p, "%s: cannot wait for packets", p->opt.device);
		return (PCAP_ERROR);
	}
	/* also if the break it was written for has been seen without it */
	if (n > 0 && fds[0].revents != 0)
		(void)!read(px->break_fd, &value, sizeof(value));
	if (p->break_loop)
		return (xdpcap_break(p));
	if (n > 0 && fds[1].revents != 0) {
		/* what it has captured is delivered before its end is reported */
		if (xdpcap_available(px))
			return (1);
		return (xdpcap_helper_lost(p, "has ended"));
	}
	return (0);
}

/*
 * After a wakeup in immediate mode, decide when the next one may be. A sparse
 * flow's packets are delivered at once, each with a wakeup of its own. A flow
 * with more than one packet for each interval (and a sixteenth, or one that has
 * just as many would be taken for dense by chance) gets one in a nap.
 */
static void
xdpcap_pace(struct pcap_xdpcap *px)
{
	const uint64_t now = clock_ns(CLOCK_MONOTONIC);
	const uint64_t intervals =
	    (now - px->window_begin) / DENSE_INTERVAL;

	if (intervals >= DENSE_WINDOW) {
		px->dense = px->window_records > intervals + intervals / 16;
		px->window_begin = now;
		px->window_records = 0;
	} else if (px->window_records >
	    DENSE_WINDOW + DENSE_WINDOW / 16) {
		/* more than enough, before the window is over */
		px->dense = 1;
	}
	px->next_wakeup = px->dense ? now + DENSE_NAP : 0;
}

/*
 * Wait until there are packets that it is time to deliver. Returns 0, or a
 * PCAP_ERROR_ code.
 *
 * First for a packet. Then, so that a dense flow costs few wakeups, for more of
 * them, until a ring is a quarter full: for the packet buffer timeout, which so
 * begins with the first packet as it does on a packet socket; in immediate mode
 * until the time for the next wakeup, which with a sparse flow is any.
 */
static int
xdpcap_wait(pcap_t *p)
{
	struct pcap_xdpcap *px = p->priv;
	const uint32_t batch = px->ring_size / 4;
	uint64_t now, deadline;
	int ret;

	do {
		for (;;) {
			now = clock_ns(CLOCK_MONOTONIC);
			if (p->opt.immediate && now < px->next_wakeup)
				break;	/* it is too early for the next anyway */
			xdpcap_arm(px, 1);
			if (xdpcap_available(px))
				break;
			ret = xdpcap_sleep(p, 0);
			if (ret < 0)
				return (ret);
		}
		now = clock_ns(CLOCK_MONOTONIC);
		deadline = p->opt.immediate ? px->next_wakeup :
		    now + (uint64_t)px->timeout * NS_PER_MS;
		for (; now < deadline; now = clock_ns(CLOCK_MONOTONIC)) {
			xdpcap_arm(px, batch);
			if (xdpcap_filled(px, batch))
				break;
			ret = xdpcap_sleep(p, deadline);
			if (ret < 0)
				return (ret);
			if (ret > 0)
				break;
		}
	} while (!xdpcap_available(px));
	__atomic_store_n(&px->ctl->wake, 0, __ATOMIC_RELAXED);
	xdpcap_pace(px);
	return (0);
}

/*
 * Reading.
 */

/* Give a ring's records that have been read back to the producer. */
static void
xdpcap_release(struct xdpcap_reader *ring)
{
	if (ring->released == ring->pos)
		return;
	ring->released = ring->pos;
	/*
	 * Pairs with the producer's load of tail before it reserves, on which
	 * its stores depend: what was read here was read before it is
	 * overwritten there.
	 */
	__atomic_store_n(&ring->cpu->tail, ring->pos, __ATOMIC_RELEASE);
}

/*
 * Within a batch, it is time to do so: seldom enough that the producer can keep
 * tail in its cache, often enough that it finds room.
 */
static int
xdpcap_release_due(const struct pcap_xdpcap *px, const struct xdpcap_reader *ring)
{
	return (ring->pos - ring->released >= px->ring_size / 16);
}

/*
 * The offset from a clock to the wall clock, and how long it took to find out, ns:
 * this process may be kept from running between two readings.
 */
static int64_t
xdpcap_clock_offset(clockid_t clock, uint64_t *spread)
{
	uint64_t before, wall, after;
	int64_t offset = 0;
	int tries;

	*spread = UINT64_MAX;
	for (tries = 0; tries < CLOCK_TRIES && *spread > CLOCK_SPREAD; tries++) {
		before = clock_ns(clock);
		wall = clock_ns(CLOCK_REALTIME);
		after = clock_ns(clock);
		if (after - before >= *spread)
			continue;
		*spread = after - before;
		offset = (int64_t)(wall - before - *spread / 2);
	}
	return (offset);
}

/* The offset from the records' clock to the wall clock, which may have changed. */
static void
xdpcap_set_clock(struct pcap_xdpcap *px)
{
	uint64_t spread;
	int64_t offset;

	if (px->unsynced && px->ts_offset != 0)
		return;
	if (px->clock == XDPCAP_CLOCK_TAI) {
		/* whole seconds */
		offset = xdpcap_clock_offset(CLOCK_TAI, &spread);
		px->ts_offset = (offset + (offset < 0 ? -1 : 1) *
		    (NS_PER_S / 2)) / NS_PER_S * NS_PER_S;
		return;
	}
	/* no other one only because it cannot be known more exactly */
	offset = xdpcap_clock_offset(CLOCK_MONOTONIC, &spread);
	if (px->ts_offset == 0 ||
	    (uint64_t)llabs(offset - px->ts_offset) > spread)
		px->ts_offset = offset;
}

/*
 * Find the next record of a ring in this batch. Returns 0, or PCAP_ERROR if what
 * is there cannot be a record.
 */
static int
xdpcap_peek(pcap_t *p, struct xdpcap_reader *ring)
{
	struct pcap_xdpcap *px = p->priv;
	struct xdpcap_record *rec;

	ring->next = NULL;
	if (ring->pos == ring->limit)
		return (0);
	/* reserved, but its producer is still at it: leave it to the next batch */
	if (!xdpcap_committed(px, ring)) {
		ring->limit = ring->pos;
		return (0);
	}
	rec = (struct xdpcap_record *)
	    (ring->base + (ring->pos & (px->ring_size - 1)));
	if (rec->size < sizeof(*rec) || rec->size % 8 != 0 ||
	    rec->size > XDPCAP_RING_SLACK ||
	    rec->size > ring->limit - ring->pos ||
	    rec->caplen > rec->size - sizeof(*rec) || rec->caplen > rec->len) {
		snprintf(p->errbuf, PCAP_ERRBUF_SIZE,
		    "%s: ring %u is corrupt at position %llu",
		    p->opt.device, (u_int)(ring - px->rings),
		    (unsigned long long)ring->pos);
		return (PCAP_ERROR);
	}
	ring->next = rec;
	ring->ts = rec->ts;
	return (0);
}

/*
 * Begin a batch: everything that is in the rings now. As all heads are read at
 * (nearly) one time, what comes later is of a later time too, and sorting
 * within a batch sorts the whole.
 */
static int
xdpcap_begin_batch(pcap_t *p)
{
	struct pcap_xdpcap *px = p->priv;
	struct xdpcap_reader *ring;
	uint64_t begin;
	uint32_t i;
	int tries;

	xdpcap_set_clock(px);
	for (tries = 0; tries < SNAPSHOT_TRIES; tries++) {
		begin = clock_ns(CLOCK_MONOTONIC);
		for (i = 0; i < px->nrings; i++) {
			ring = &px->rings[i];
			ring->limit = __atomic_load_n(&ring->cpu->head,
			    __ATOMIC_RELAXED);
		}
		if (px->nrings == 1 ||
		    clock_ns(CLOCK_MONOTONIC) - begin < SNAPSHOT_SPREAD)
			break;
	}
	for (i = 0; i < px->nrings; i++)
		if (xdpcap_peek(p, &px->rings[i]) != 0)
			return (PCAP_ERROR);
	return (0);
}

/*
 * The ring with the oldest record of the batch, or NULL if the batch is done;
 * until gets the timestamp up to which that ring's records go first.
 */
static struct xdpcap_reader *
xdpcap_oldest(struct pcap_xdpcap *px, uint64_t *until)
{
	struct xdpcap_reader *oldest = NULL, *ring;

	*until = UINT64_MAX;
	for (ring = px->rings; ring < px->rings + px->nrings; ring++) {
		if (ring->next == NULL)
			continue;
		if (oldest == NULL || ring->ts < oldest->ts) {
			if (oldest != NULL)
				*until = oldest->ts;
			oldest = ring;
		} else if (ring->ts < *until) {
			*until = ring->ts;
		}
	}
	return (oldest);
}

/*
 * Deliver a record if the direction and the filter admit it. Returns how many: 0
 * or 1.
 */
static int
xdpcap_deliver(pcap_t *p, const struct xdpcap_reader *ring,
    struct xdpcap_record *rec, pcap_handler callback, u_char *user)
{
	struct pcap_xdpcap *px = p->priv;
	const u_char *packet = (const u_char *)(rec + 1);
	const uint64_t ts = rec->ts + px->ts_offset;
	struct xdpcap_ancillary about;
	struct pcap_pkthdr hdr;
	u_int caplen = rec->caplen, want = UINT_MAX;

	if (!(px->direction & 1u << (rec->action & 31)))
		return (0);
	if (px->filter_in_userland || rec->generation != px->generation) {
		want = xdpcap_filter(p, ring, rec);
		if (want == 0)
			return (0);
	}
	hdr.ts.tv_sec = ts / NS_PER_S;
	hdr.ts.tv_usec = ts % NS_PER_S;
	if (p->opt.tstamp_precision != PCAP_TSTAMP_PRECISION_NANO)
		hdr.ts.tv_usec /= 1000;
	hdr.len = rec->len;
	if (p->linktype == DLT_LINUX_SLL2) {
		about = xdpcap_about(px, ring, rec);
		caplen = xdpcap_sll2_caplen(rec);
		packet = xdpcap_make_sll2(&about, rec);
		hdr.len += SLL2_LONGER;
	}
	hdr.caplen = min(min(caplen, want), (u_int)p->snapshot);
	px->delivered = rec;
	callback(user, &hdr, packet);
	return (1);
}

/*
 * Deliver up to max packets of the batch, oldest first. Returns how many, or
 * PCAP_ERROR.
 */
static int
xdpcap_read_batch(pcap_t *p, int max, pcap_handler callback, u_char *user)
{
	struct pcap_xdpcap *px = p->priv;
	struct xdpcap_record *rec;
	struct xdpcap_reader *ring;
	uint64_t until;
	int n = 0, delivered;

	while (n < max && !p->break_loop &&
	    (ring = xdpcap_oldest(px, &until)) != NULL) {
		do {
			rec = ring->next;
			/* moved first: the callback need not return */
			ring->pos += rec->size;
			px->window_records++;
			/* the next batch begins with the error */
			if (xdpcap_peek(p, ring) != 0)
				ring->limit = ring->pos;
			if (ring->next != NULL)
				__builtin_prefetch(ring->next + 1);
			delivered = xdpcap_deliver(p, ring, rec, callback, user);
			n += delivered;
			if (delivered && callback == p->oneshot_callback)
				px->unreleased = ring;
			else if (xdpcap_release_due(px, ring))
				xdpcap_release(ring);
		} while (n < max && !p->break_loop && ring->next != NULL &&
		    ring->ts <= until);
	}
	return (n);
}

/*
 * At the end of a read: if the batch is done, give the records back, but for
 * that of pcap_next(), which is the application's until its next call; and make
 * the selectable descriptor say whether there are more.
 */
static void
xdpcap_end_read(struct pcap_xdpcap *px)
{
	struct xdpcap_reader *ring;
	uint64_t until;

	if (xdpcap_oldest(px, &until) != NULL) {
		xdpcap_set_left(px, 1);
		return;
	}
	for (ring = px->rings; ring < px->rings + px->nrings; ring++)
		if (ring != px->unreleased)
			xdpcap_release(ring);
	xdpcap_arm(px, px->watermark);
	xdpcap_set_left(px, px->watermark == 1 ? xdpcap_available(px) :
	    xdpcap_filled(px, px->watermark));
}

static int
xdpcap_read(pcap_t *p, int max_packets, pcap_handler callback, u_char *user)
{
	struct pcap_xdpcap *px = p->priv;
	struct xdpcap_reader *ring;
	uint64_t until;
	int n = 0, ret;

	if (PACKET_COUNT_IS_UNLIMITED(max_packets))
		max_packets = INT_MAX;
	ring = px->unreleased;
	px->unreleased = NULL;
	if (ring != NULL && (ring->next == NULL || xdpcap_release_due(px, ring)))
		xdpcap_release(ring);

	do {
		if (p->break_loop)
			return (xdpcap_break(p));
		if (xdpcap_oldest(px, &until) == NULL) {
			if (px->nonblock) {
				if (!xdpcap_available(px) &&
				    xdpcap_helper_ended(px))
					return (xdpcap_helper_lost(p,
					    "has ended"));
			} else {
				ret = xdpcap_wait(p);
				if (ret != 0)
					return (ret);
			}
			if (xdpcap_begin_batch(p) != 0)
				return (PCAP_ERROR);
		}
		n = xdpcap_read_batch(p, max_packets, callback, user);
		if (n < 0)
			return (n);
		xdpcap_end_read(px);
		/*
		 * All filtered out in userland: without a packet buffer timeout
		 * the caller wants packets, with one it also wants to know that
		 * there were none.
		 */
	} while (n == 0 && !px->nonblock && p->opt.timeout <= 0);

	/* packets that were delivered are reported before the break is */
	if (n == 0 && p->break_loop)
		return (xdpcap_break(p));
	return (n);
}

/*
 * The other operations.
 */

/*
 * How many bytes of a packet the kernel is to capture at most. Never fewer than
 * it takes to make a LINUX_SLL2 header; what is too much is cut off later.
 */
static uint32_t
xdpcap_snaplen(const pcap_t *p)
{
	const u_int snaplen = p->snapshot;

	return (min(snaplen < ETH_HLEN + 2 ? ETH_HLEN + 2 : snaplen,
	    XDPCAP_CAPLEN_MAX));
}

/*
 * Have the helper put the filter in place: len instructions, whose loads of
 * ancillary data have not been replaced. What it cannot run in the kernel is left
 * to filtering in userland.
 */
static int
xdpcap_send_filter(pcap_t *p, struct bpf_insn *insns, u_int len)
{
	struct pcap_xdpcap *px = p->priv;
	const int too_long = len > BPF_MAXINSNS;
	struct xdpcap_set_filter request = {
		.type = XDPCAP_SET_FILTER,
		.generation = px->generation + 1 != 0 ? px->generation + 1 : 1,
		.snaplen = too_long ? XDPCAP_CAPLEN_MAX : xdpcap_snaplen(p),
		.linktype = px->filter_linktype == DLT_LINUX_SLL2 && !too_long ?
		    XDPCAP_LINUX_SLL2 : XDPCAP_EN10MB,
		.actions = px->direction,
		.len = too_long ? 1 : len,
	};
	struct iovec iov[2] = {
		{ .iov_base = &request, .iov_len = sizeof(request) },
		{ .iov_base = too_long ? &accept_all : insns,
		  .iov_len = request.len * sizeof(*insns) },
	};
	struct xdpcap_reply reply;
	int fds[XDPCAP_FDS];

	px->filter_in_userland = 1;
	if (xdpcap_ask(p, iov, 2, &reply, fds) != 0)
		return (PCAP_ERROR);
	px->generation = request.generation;
	px->filter_in_userland = too_long || reply.status == XDPCAP_USERLAND;
	return (0);
}

static int
xdpcap_setfilter(pcap_t *p, struct bpf_program *fp)
{
	struct pcap_xdpcap *px = p->priv;

	if (fp == NULL) {
		snprintf(p->errbuf, PCAP_ERRBUF_SIZE,
		    "setfilter: No filter specified");
		return (PCAP_ERROR);
	}
	/* our copy, for what has to be filtered in userland */
	if (pcapint_install_bpf_program(p, fp) == -1)
		return (PCAP_ERROR);
	px->filter_in_userland = 1;
	px->filter_linktype = p->linktype;
	if (xdpcap_find_ancillary(p) == -1)
		return (PCAP_ERROR);
	return (xdpcap_send_filter(p, fp->bf_insns, fp->bf_len));
}

/*
 * The direction is known by the action. It takes effect here at once, and in the
 * kernel with the filter in force, which is set again for its actions.
 */
static int
xdpcap_setdirection(pcap_t *p, pcap_direction_t d)
{
	struct pcap_xdpcap *px = p->priv;
	struct bpf_insn *insns, *insn;
	u_int i;
	int ret;

	px->direction = d == PCAP_D_OUT ? OUTGOING_ACTIONS :
	    d == PCAP_D_IN ? ~OUTGOING_ACTIONS : UINT_MAX;
	if (p->fcode.bf_insns == NULL)
		return (xdpcap_send_filter(p, &accept_all, 1));

	/* our copy of the filter, as it was before xdpcap_find_ancillary() */
	insns = calloc(p->fcode.bf_len, sizeof(*insns));
	if (insns == NULL) {
		xdpcap_errno(p, "%s: calloc", p->opt.device);
		return (PCAP_ERROR);
	}
	memcpy(insns, p->fcode.bf_insns, p->fcode.bf_len * sizeof(*insns));
	for (i = 0; i < px->patch_count; i++) {
		insn = &insns[px->patches[i].insn];
		insn->code = BPF_LD | BPF_ABS | BPF_W;
		insn->k = px->patches[i].k;
	}
	ret = xdpcap_send_filter(p, insns, p->fcode.bf_len);
	free(insns);
	return (ret);
}

/*
 * Packets that are delivered from now on have that link-layer type, and so has
 * the filter that is set next. The one in force goes on to match what it matched.
 */
static int
xdpcap_set_datalink(pcap_t *p, int dlt)
{
	p->linktype = dlt;
	return (0);
}

/* Add up an action's counters on all CPUs. */
static void
xdpcap_count(const struct pcap_xdpcap *px, uint32_t action,
    struct pcap_xdpcap_counters *sum)
{
	const struct xdpcap_counters *count;
	uint32_t i;

	memset(sum, 0, sizeof(*sum));
	for (i = 0; i < px->nrings; i++) {
		count = &px->ctl->cpu[i].action[action];
		sum->seen += __atomic_load_n(&count->seen, __ATOMIC_RELAXED);
		sum->captured += __atomic_load_n(&count->captured,
		    __ATOMIC_RELAXED);
		sum->dropped += __atomic_load_n(&count->dropped,
		    __ATOMIC_RELAXED);
	}
}

static int
xdpcap_stats(pcap_t *p, struct pcap_stat *stat)
{
	struct pcap_xdpcap *px = p->priv;
	struct pcap_xdpcap_counters sum;
	uint64_t captured = 0, dropped = 0;
	uint32_t action;

	for (action = 0; action < XDPCAP_ACTIONS_MAX; action++) {
		xdpcap_count(px, action, &sum);
		captured += sum.captured;
		dropped += sum.dropped;
	}
	/*
	 * As on a packet socket: ps_recv counts what the filter admitted,
	 * whether or not there was room for it.
	 */
	stat->ps_recv = (u_int)(captured + dropped);
	stat->ps_drop = (u_int)dropped;
	stat->ps_ifdrop = 0;
	return (0);
}

static int
xdpcap_inject(pcap_t *p, const void *buf _U_, int size _U_)
{
	snprintf(p->errbuf, PCAP_ERRBUF_SIZE,
	    "%s: packets cannot be sent through a hook; send them on the network interface",
	    p->opt.device);
	return (PCAP_ERROR);
}

static int
xdpcap_getnonblock(pcap_t *p)
{
	struct pcap_xdpcap *px = p->priv;

	return (px->nonblock);
}

static int
xdpcap_setnonblock(pcap_t *p, int nonblock)
{
	struct pcap_xdpcap *px = p->priv;

	px->nonblock = nonblock != 0;
	return (0);
}

/* May be called from a signal handler, or from another thread. */
static void
xdpcap_breakloop(pcap_t *p)
{
	struct pcap_xdpcap *px = p->priv;
	uint64_t value = 1;
	int saved_errno = errno;

	pcapint_breakloop_common(p);
	(void)!write(px->break_fd, &value, sizeof(value));
	errno = saved_errno;
}

/*
 * Let the helper detach, and wait until it has, so that the hook is empty when
 * pcap_close() returns. In a process that has inherited the capture from the one
 * that activated it, only forget it: the capture is still the other's, or ends
 * with the last process that has the socket.
 */
static void
xdpcap_stop_helper(struct pcap_xdpcap *px)
{
	struct pollfd pfd = { .fd = px->sock, .events = 0 };
	uint64_t deadline, now;
	int n;

	if (px->pid != getpid() || shutdown(px->sock, SHUT_WR) == -1)
		return;
	now = clock_ns(CLOCK_MONOTONIC);
	deadline = now + (uint64_t)DETACH_TIMEOUT * NS_PER_MS;
	for (; now < deadline; now = clock_ns(CLOCK_MONOTONIC)) {
		n = poll(&pfd, 1, (deadline - now) / NS_PER_MS + 1);
		if (n == 1 || (n == -1 && errno != EINTR))
			return;
	}
}

static void
xdpcap_close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Undo all of activate, or as much of it as was done. */
static void
xdpcap_deactivate(pcap_t *p)
{
	struct pcap_xdpcap *px = p->priv;

	if (px->sock >= 0)
		xdpcap_stop_helper(px);
	xdpcap_close_fd(&p->fd);
	p->selectable_fd = -1;
	xdpcap_close_fd(&px->sock);
	xdpcap_close_fd(&px->bell_fd);
	xdpcap_close_fd(&px->left_fd);
	xdpcap_close_fd(&px->break_fd);
	if (px->rings_map != NULL)
		munmap(px->rings_map, px->rings_map_size);
	if (px->ctl != NULL)
		munmap(px->ctl, px->ctl_size);
	if (px->bell_consumer != NULL)
		munmap(px->bell_consumer, px->page_size);
	if (px->bell_producer != NULL)
		munmap((void *)(uintptr_t)px->bell_producer, px->page_size);
	px->delivered = NULL;
	px->rings_map = NULL;
	px->ctl = NULL;
	px->bell_consumer = NULL;
	px->bell_producer = NULL;
	free(px->rings);
	px->rings = NULL;
	free(px->patches);
	px->patches = NULL;
	px->patch_count = 0;
}

static void
xdpcap_cleanup(pcap_t *p)
{
	__atomic_fetch_sub(&xdpcap_captures, 1, __ATOMIC_RELAXED);
	xdpcap_deactivate(p);
	pcapint_cleanup_live_common(p);
}

/*
 * What packet.h declares.
 */

/* The module's state, or NULL with errbuf filled if it is not active on p. */
static struct pcap_xdpcap *
xdpcap_active(pcap_t *p)
{
	if (p->cleanup_op == xdpcap_cleanup)
		return (p->priv);
	snprintf(p->errbuf, PCAP_ERRBUF_SIZE,
	    "not an active capture from a hook (" XDPCAP_PREFIX "...)");
	return (NULL);
}

int
pcap_xdpcap_packet(pcap_t *p, struct pcap_xdpcap_packet *packet)
{
	const struct pcap_xdpcap *px = xdpcap_active(p);
	const struct xdpcap_record *rec;

	if (px == NULL)
		return (PCAP_ERROR);
	rec = px->delivered;
	if (rec == NULL) {
		snprintf(p->errbuf, PCAP_ERRBUF_SIZE,
		    "%s: no packet has been delivered", p->opt.device);
		return (PCAP_ERROR);
	}
	packet->ts = rec->ts + px->ts_offset;
	packet->action = rec->action;
	packet->ifindex = rec->ifindex;
	packet->rx_queue = rec->rx_queue;
	packet->cpu = ((const u_char *)rec - (const u_char *)px->rings_map) /
	    (px->ring_size + XDPCAP_RING_SLACK);
	return (0);
}

int
pcap_xdpcap_counters(pcap_t *p, unsigned int action,
    struct pcap_xdpcap_counters *counters)
{
	const struct pcap_xdpcap *px = xdpcap_active(p);

	if (px == NULL)
		return (PCAP_ERROR);
	if (action >= XDPCAP_ACTIONS_MAX) {
		snprintf(p->errbuf, PCAP_ERRBUF_SIZE,
		    "%s: no action %u; they are below %d", p->opt.device, action,
		    XDPCAP_ACTIONS_MAX);
		return (PCAP_ERROR);
	}
	xdpcap_count(px, action, counters);
	return (0);
}

int
pcap_xdpcap_actions(pcap_t *p, uint32_t *actions)
{
	const struct pcap_xdpcap *px = xdpcap_active(p);

	if (px == NULL)
		return (PCAP_ERROR);
	*actions = px->actions;
	return (0);
}

int
pcap_xdpcap_enter(pcap_t *p)
{
	const struct pcap_xdpcap *px = xdpcap_active(p);

	return (px != NULL ? (int)px->enter : PCAP_ERROR);
}

int
pcap_xdpcap_set_watermark(pcap_t *p, unsigned int bytes)
{
	struct pcap_xdpcap *px = xdpcap_active(p);

	if (px == NULL)
		return (PCAP_ERROR);
	px->watermark = min(bytes != 0 ? bytes : 1, px->ring_size / 4);
	xdpcap_end_read(px);
	return (0);
}

/*
 * Activating.
 */

/* Map size bytes at offset of a map's descriptor, or return NULL. */
static void *
xdpcap_map(pcap_t *p, int fd, size_t size, int prot, off_t offset,
    const char *what)
{
	void *map = mmap(NULL, size, prot, MAP_SHARED, fd, offset);

	if (map != MAP_FAILED)
		return (map);
	xdpcap_errno(p, "%s: cannot map %zu bytes of the capture's %s",
	    p->opt.device, size, what);
	return (NULL);
}

/* Map what the helper's reply describes. */
static int
xdpcap_map_memory(pcap_t *p, const struct xdpcap_reply *reply,
    const int fds[XDPCAP_FDS])
{
	struct pcap_xdpcap *px = p->priv;
	const size_t stride = (size_t)reply->ring_size + XDPCAP_RING_SLACK;
	uint32_t i;

	px->page_size = sysconf(_SC_PAGESIZE);
	px->nrings = reply->nrings;
	px->actions = reply->actions;
	px->enter = reply->enter;
	px->watermark = 1;
	px->ring_size = reply->ring_size;
	px->cookie = reply->cookie;
	px->clock = reply->clock;
	px->rings_map_size = px->nrings * stride;
	px->ctl_size = sizeof(struct xdpcap_ctl) +
	    px->nrings * sizeof(struct xdpcap_cpu);

	/*
	 * Writable for LINUX_SLL2, see xdpcap_make_sll2(), and for callbacks
	 * that change the packet, const or not: arpwatch swaps bytes in it. The
	 * kernel reads nothing there.
	 */
	px->rings_map = xdpcap_map(p, fds[XDPCAP_FD_RINGS], px->rings_map_size,
	    PROT_READ | PROT_WRITE, 0, "rings");
	if (px->rings_map == NULL)
		return (PCAP_ERROR);
	px->ctl = xdpcap_map(p, fds[XDPCAP_FD_CTL], px->ctl_size,
	    PROT_READ | PROT_WRITE, 0, "control page");
	if (px->ctl == NULL)
		return (PCAP_ERROR);
	/* a BPF ringbuf: the consumer's page, the producer's, then its data */
	px->bell_consumer = xdpcap_map(p, px->bell_fd, px->page_size,
	    PROT_READ | PROT_WRITE, 0, "bell");
	if (px->bell_consumer == NULL)
		return (PCAP_ERROR);
	px->bell_producer = xdpcap_map(p, px->bell_fd, px->page_size, PROT_READ,
	    px->page_size, "bell");
	if (px->bell_producer == NULL)
		return (PCAP_ERROR);

	px->rings = calloc(px->nrings, sizeof(*px->rings));
	if (px->rings == NULL) {
		xdpcap_errno(p, "%s: calloc", p->opt.device);
		return (PCAP_ERROR);
	}
	for (i = 0; i < px->nrings; i++) {
		px->rings[i].base = (u_char *)px->rings_map + i * stride;
		px->rings[i].cpu = &px->ctl->cpu[i];
	}
	return (0);
}

/*
 * The selectable descriptor: an epoll instance that is readable when the bell
 * was rung, packets are left, or the helper is gone.
 */
static int
xdpcap_open_descriptors(pcap_t *p)
{
	struct pcap_xdpcap *px = p->priv;
	struct epoll_event event = { .events = EPOLLIN };

	px->break_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	px->left_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	p->fd = epoll_create1(EPOLL_CLOEXEC);
	if (px->break_fd == -1 || px->left_fd == -1 || p->fd == -1 ||
	    epoll_ctl(p->fd, EPOLL_CTL_ADD, px->bell_fd, &event) == -1 ||
	    epoll_ctl(p->fd, EPOLL_CTL_ADD, px->left_fd, &event) == -1 ||
	    epoll_ctl(p->fd, EPOLL_CTL_ADD, px->sock, &event) == -1) {
		xdpcap_errno(p, "%s: cannot make a selectable descriptor",
		    p->opt.device);
		return (PCAP_ERROR);
	}
	p->selectable_fd = p->fd;
	return (0);
}

/* The clock for the type of timestamp that was asked for. */
static enum xdpcap_clock
xdpcap_clock(const pcap_t *p)
{
	switch (p->opt.tstamp_type) {

	case PCAP_TSTAMP_HOST_LOWPREC:
		return (XDPCAP_CLOCK_COARSE);

	case PCAP_TSTAMP_HOST_HIPREC_UNSYNCED:
		return (XDPCAP_CLOCK_MONOTONIC);

	default:
		/* follows the wall clock, at the moment of the packet */
		return (XDPCAP_CLOCK_TAI);
	}
}

/* Have the helper attach to the hook, and take what it hands over. */
static int
xdpcap_attach(pcap_t *p, const char *path, uint32_t actions, uint32_t enter)
{
	struct pcap_xdpcap *px = p->priv;
	struct xdpcap_attach request = {
		.type = XDPCAP_ATTACH,
		.protocol = XDPCAP_PROTOCOL,
		.actions = actions,
		.snaplen = xdpcap_snaplen(p),
		.buffer_size = p->opt.buffer_size,
		.clock = xdpcap_clock(p),
		.enter = enter,
		.wait = __atomic_load_n(&xdpcap_captures, __ATOMIC_RELAXED) == 0,
	};
	struct iovec iov[] = {
		{ .iov_base = &request, .iov_len = sizeof(request) },
		{ .iov_base = (void *)(uintptr_t)path,
		  .iov_len = strlen(path) + 1 },
	};
	struct xdpcap_reply reply;
	int fds[XDPCAP_FDS], i, ret;

	ret = xdpcap_ask(p, iov, 2, &reply, fds);
	if (ret == 0) {
		px->bell_fd = fds[XDPCAP_FD_BELL];
		px->generation = XDPCAP_FIRST_GENERATION;
		ret = xdpcap_map_memory(p, &reply, fds);
		xdpcap_set_clock(px);
	}
	/* the mappings hold the maps; only the bell is waited for */
	for (i = 0; i < XDPCAP_FDS; i++)
		if (fds[i] >= 0 && fds[i] != px->bell_fd)
			close(fds[i]);
	if (ret != 0)
		return (ret);
	return (xdpcap_open_descriptors(p));
}

static int
xdpcap_activate(pcap_t *p)
{
	struct pcap_xdpcap *px = p->priv;
	char path[XDPCAP_PATH_MAX];
	uint32_t actions, enter;
	int ret;

	if (p->opt.rfmon)
		return (PCAP_ERROR_RFMON_NOTSUP);

	/*
	 * Turn a negative snapshot value (invalid), a snapshot value of
	 * 0 (unspecified), or a value bigger than the normal maximum
	 * value, into the maximum allowed value, as other modules do.
	 */
	if (p->snapshot <= 0 || p->snapshot > MAXIMUM_SNAPLEN)
		p->snapshot = MAXIMUM_SNAPLEN;
	px->timeout = p->opt.timeout > 0 ? p->opt.timeout : DEFAULT_TIMEOUT;
	px->unsynced = p->opt.tstamp_type == PCAP_TSTAMP_HOST_HIPREC_UNSYNCED;
	px->direction = UINT_MAX;
	px->filter_linktype = DLT_EN10MB;

	/* there already if an earlier attempt failed */
	if (p->dlt_list == NULL)
		p->dlt_list = malloc(2 * sizeof(u_int));
	if (p->dlt_list == NULL) {
		xdpcap_errno(p, "%s: malloc", p->opt.device);
		return (PCAP_ERROR);
	}
	p->dlt_list[0] = DLT_EN10MB;
	p->dlt_list[1] = DLT_LINUX_SLL2;
	p->dlt_count = 2;

	ret = xdpcap_parse_device(p, path, &actions, &enter);
	if (ret == 0)
		ret = xdpcap_start_helper(p);
	if (ret == 0)
		ret = xdpcap_attach(p, path, actions, enter);
	if (ret != 0) {
		xdpcap_deactivate(p);
		return (ret);
	}

	p->linktype = DLT_EN10MB;
#ifdef BPF_SPECIAL_BASIC_HANDLING
	/* later libpcaps: loads of ancillary data may be compiled */
	p->bpf_codegen_flags |= BPF_SPECIAL_BASIC_HANDLING;
#endif
	p->read_op = xdpcap_read;
	p->inject_op = xdpcap_inject;
	p->setfilter_op = xdpcap_setfilter;
	p->setdirection_op = xdpcap_setdirection;
	p->set_datalink_op = xdpcap_set_datalink;
	p->getnonblock_op = xdpcap_getnonblock;
	p->setnonblock_op = xdpcap_setnonblock;
	p->stats_op = xdpcap_stats;
	p->breakloop_op = xdpcap_breakloop;
	p->cleanup_op = xdpcap_cleanup;
	__atomic_fetch_add(&xdpcap_captures, 1, __ATOMIC_RELAXED);
	/* so that select() works from the start */
	xdpcap_end_read(px);
	return (0);
}

pcap_t *
xdpcap_create(const char *device, char *ebuf, int *is_ours)
{
	static const u_int tstamp_types[] = {
		PCAP_TSTAMP_HOST,
		PCAP_TSTAMP_HOST_LOWPREC,
		PCAP_TSTAMP_HOST_HIPREC,
		PCAP_TSTAMP_HOST_HIPREC_UNSYNCED,
	};
	struct pcap_xdpcap *px;
	pcap_t *p;

	*is_ours = strncmp(device, XDPCAP_PREFIX, strlen(XDPCAP_PREFIX)) == 0;
	if (!*is_ours)
		return (NULL);
	p = PCAP_CREATE_COMMON(ebuf, struct pcap_xdpcap);
	if (p == NULL)
		return (NULL);
	px = p->priv;
	px->sock = -1;
	px->bell_fd = -1;
	px->left_fd = -1;
	px->break_fd = -1;
	p->activate_op = xdpcap_activate;

	p->tstamp_type_list = malloc(sizeof(tstamp_types));
	p->tstamp_precision_list = malloc(2 * sizeof(u_int));
	if (p->tstamp_type_list == NULL || p->tstamp_precision_list == NULL) {
		pcapint_fmt_errmsg_for_errno(ebuf, PCAP_ERRBUF_SIZE, errno,
		    "malloc");
		pcap_close(p);
		return (NULL);
	}
	memcpy(p->tstamp_type_list, tstamp_types, sizeof(tstamp_types));
	p->tstamp_type_count = sizeof(tstamp_types) / sizeof(tstamp_types[0]);
	p->tstamp_precision_list[0] = PCAP_TSTAMP_PRECISION_MICRO;
	p->tstamp_precision_list[1] = PCAP_TSTAMP_PRECISION_NANO;
	p->tstamp_precision_count = 2;
	return (p);
}

/*
 * Listing.
 */

/*
 * The devices of a hook: of all actions, of each that has a slot and name, and of
 * what is before the program.
 */
static void
xdpcap_add_devs(pcap_if_list_t *devlistp, const struct xdpcap_listed *listed,
    const char *path, const char *what, char *errbuf)
{
	/* by their slots */
	static const struct {
		const char *suffix;
		const char *packets;
	} actions[] = {
		{ "@aborted", "Aborted packets of " },
		{ "@drop", "Dropped packets of " },
		{ "@pass", "Passed packets of " },
		{ "@tx", "Sent back packets of " },
		{ "@redirect", "Redirected packets of " },
		{ "@enter", "Packets before the program of " },
	};
	const char *captured = " (being captured)";
	char name[sizeof(XDPCAP_PREFIX) + XDPCAP_PATH_MAX + 16];
	char description[sizeof(" (being captured)") + XDPCAP_MESSAGE_MAX + 32];
	u_int i;

	/* an at sign in the pin's name would begin the actions */
	snprintf(name, sizeof(name), XDPCAP_PREFIX "%s%s", path,
	    strchr(strrchr(path, '/'), '@') != NULL ? "@all" : "");
	snprintf(description, sizeof(description), "%s%s", what,
	    listed->captured != 0 ? captured : "");
	pcapint_add_dev(devlistp, name,
	    PCAP_IF_CONNECTION_STATUS_NOT_APPLICABLE, description, errbuf);
	for (i = 0; i < sizeof(actions) / sizeof(actions[0]) &&
	    i < listed->entries; i++) {
		if (i == XDPCAP_ENTER_SLOT &&
		    listed->entries != XDPCAP_HOOK_ENTER_ENTRIES)
			break;
		snprintf(name, sizeof(name), XDPCAP_PREFIX "%s%s", path,
		    actions[i].suffix);
		snprintf(description, sizeof(description), "%s%s%s",
		    actions[i].packets, what,
		    listed->captured & 1u << i ? captured : "");
		pcapint_add_dev(devlistp, name,
		    PCAP_IF_CONNECTION_STATUS_NOT_APPLICABLE, description,
		    errbuf);
	}
}

/*
 * Receive the next hook of the list, before the deadline (CLOCK_MONOTONIC, ns);
 * size is how much room there is. Returns whether there is one; path and what
 * are then set.
 */
static int
xdpcap_next_listed(int sock, uint64_t deadline, struct xdpcap_listed *listed,
    size_t size, const char **path, const char **what)
{
	struct pollfd pfd = { .fd = sock, .events = POLLIN };
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	const char *end;
	ssize_t n;

	while (now < deadline &&
	    poll(&pfd, 1, (deadline - now) / NS_PER_MS + 1) == -1 &&
	    errno == EINTR)
		now = clock_ns(CLOCK_MONOTONIC);
	n = recv(sock, listed, size, MSG_DONTWAIT);
	if (n <= (ssize_t)sizeof(*listed))
		return (0);
	end = (const char *)listed + n;
	*path = listed->text;
	*what = memchr(*path, '\0', end - *path);
	if (**path != '/' || *what == NULL ||
	    ++*what == end || memchr(*what, '\0', end - *what) != end - 1)
		return (0);
	return (1);
}

/*
 * Wait for the process that was started, which ends at once; one that does not
 * is none of ours, and gets no longer than the deadline.
 */
static void
xdpcap_reap(pid_t pid, uint64_t deadline)
{
	const struct timespec pause = { .tv_nsec = NS_PER_MS };
	pid_t ret;

	while ((ret = waitpid(pid, NULL, WNOHANG)) == 0 &&
	    clock_ns(CLOCK_MONOTONIC) < deadline)
		nanosleep(&pause, NULL);
	if (ret != 0)
		return;
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) == -1 && errno == EINTR)
		;
}

/*
 * The hooks that a helper finds, with what this user may do. That there is no
 * helper, or that it does not answer, is no reason to say anything: what is not
 * listed can be named nevertheless.
 */
int
xdpcap_findalldevs(pcap_if_list_t *devlistp, char *errbuf)
{
	const struct xdpcap_list request = {
		.type = XDPCAP_LIST, .protocol = XDPCAP_PROTOCOL,
	};
	const uint64_t deadline = clock_ns(CLOCK_MONOTONIC) +
	    (uint64_t)LIST_TIMEOUT * NS_PER_MS;
	union {
		struct xdpcap_listed listed;
		char bytes[sizeof(struct xdpcap_listed) + XDPCAP_PATH_MAX +
		    XDPCAP_MESSAGE_MAX];
	} message;
	const char *path, *what;
	int sock, i;
	pid_t pid;

	if (xdpcap_spawn_helper(&sock, &pid) == -1)
		return (0);
	if (send(sock, &request, sizeof(request), MSG_NOSIGNAL) != -1)
		for (i = 0; i < LIST_MAX &&
		    xdpcap_next_listed(sock, deadline, &message.listed,
		    sizeof(message), &path, &what); i++)
			xdpcap_add_devs(devlistp, &message.listed, path, what,
			    errbuf);
	close(sock);
	xdpcap_reap(pid, deadline);
	return (0);
}
