// SPDX-License-Identifier: BSD-3-Clause
/*
 * xdpcap-helper: does for one capture of libpcap's xdpcap module what takes
 * privileges. It outlives the application's own privileges, and ends with the
 * application: the end of file on its socket, whatever the cause, detaches the
 * capture. This file is the process and the socket; capture.c does the work.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture.h"
#include "list.h"
#include "privileges.h"
#include "protocol.h"

/* The longest message: a filter of BPF_MAXINSNS instructions. */
#define REQUEST_MAX                         \
	(sizeof(struct xdpcap_set_filter) + \
	 BPF_MAXINSNS * sizeof(struct sock_filter))

union request {
	__u32 type;
	struct xdpcap_attach attach;
	struct xdpcap_set_filter filter;
	struct xdpcap_list list;
	char bytes[REQUEST_MAX + 1]; /* one more, to see what is too long */
};

static const char usage[] =
	"Usage: xdpcap-helper\n"
	"Started by libpcap's xdpcap module for each capture; see xdpcap-helper(8).\n";

static int fail(struct xdpcap_reply *reply, const char *message)
{
	reply->status = XDPCAP_ERROR;
	snprintf(reply->message, sizeof(reply->message), "xdpcap-helper: %s",
		 message);
	return -1;
}

static int attach(struct capture *capture, const union request *request,
		  size_t len, struct xdpcap_reply *reply)
{
	const struct xdpcap_attach *r = &request->attach;
	size_t path_len = len - sizeof(*r);

	if (len <= sizeof(*r))
		return fail(reply, "the attach request is too short");
	if (r->protocol != XDPCAP_PROTOCOL)
		return fail(reply,
			    "libpcap's xdpcap module is of another version; install both from the same build");
	if (path_len > XDPCAP_PATH_MAX ||
	    memchr(r->path, '\0', path_len) != r->path + path_len - 1)
		return fail(reply, "the attach request's path is malformed");
	if (r->path[0] != '/')
		return fail(reply, "the attach request's path is not absolute");
	if (!r->snaplen || r->snaplen > XDPCAP_CAPLEN_MAX)
		return fail(reply,
			    "the attach request's snapshot length is out of range");
	if (r->clock > XDPCAP_CLOCK_COARSE)
		return fail(reply, "the attach request's clock is unknown");
	if (r->enter > 1)
		return fail(reply, "the attach request's enter is not 0 or 1");
	if (capture->actions)
		return fail(reply, "already attached");
	if (capture_attach(capture, r, reply))
		return -1;
	if (privileges_opened()) {
		capture_detach(capture);
		return fail(reply, "cannot give up capabilities");
	}
	return 0;
}

static int set_filter(struct capture *capture, const union request *request,
		      size_t len, struct xdpcap_reply *reply)
{
	const struct xdpcap_set_filter *r = &request->filter;

	if (len < sizeof(*r) || r->len < 1 || r->len > BPF_MAXINSNS ||
	    len != sizeof(*r) + r->len * sizeof(r->insns[0]))
		return fail(reply, "the filter request's length is wrong");
	if (!r->generation)
		return fail(reply, "the filter request's generation is 0");
	if (!r->snaplen || r->snaplen > XDPCAP_CAPLEN_MAX)
		return fail(reply,
			    "the filter request's snapshot length is out of range");
	if (r->linktype > XDPCAP_LINUX_SLL2)
		return fail(reply,
			    "the filter request's link-layer type is unknown");
	if (!capture->actions)
		return fail(reply, "not attached");
	return capture_set_filter(capture, r, reply);
}

/*
 * List the hooks, as far as who asks may open them: not by a capability that
 * only the helper has. Of requests that are not valid, and of what goes wrong,
 * the end of the helper says enough.
 */
static void list(const struct capture *capture, const union request *request,
		 size_t len)
{
	if (len != sizeof(request->list) ||
	    request->list.protocol != XDPCAP_PROTOCOL || capture->actions)
		return;
	if (getuid() && privileges_opened())
		return;
	list_send(XDPCAP_HELPER_FD);
}

/*
 * Send a reply; the one to XDPCAP_ATTACH with the maps that the application
 * maps. Never waits: an application that does not read its replies is broken.
 */
static int send_reply(const struct capture *capture, bool attached,
		      struct xdpcap_reply *reply)
{
	int fds[XDPCAP_FDS] = {
		[XDPCAP_FD_RINGS] = capture->rings_fd,
		[XDPCAP_FD_CTL] = capture->ctl_fd,
		[XDPCAP_FD_BELL] = capture->bell_fd,
	};
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(fds))];
	} control = { .header = {
			      .cmsg_level = SOL_SOCKET,
			      .cmsg_type = SCM_RIGHTS,
			      .cmsg_len = CMSG_LEN(sizeof(fds)),
		      } };
	struct iovec iov = { .iov_base = reply, .iov_len = sizeof(*reply) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (attached) {
		memcpy(CMSG_DATA(&control.header), fds, sizeof(fds));
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
	}
	return sendmsg(XDPCAP_HELPER_FD, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ?
		       -1 :
		       0;
}

/* Read one request and answer it. Returns -1 when it is time to go. */
static int serve(struct capture *capture)
{
	static union request request;
	struct xdpcap_reply reply = { 0 };
	bool attached = false;
	ssize_t len;

	/* descriptors that come along are not asked for, and closed by the kernel */
	len = recv(XDPCAP_HELPER_FD, &request, sizeof(request), MSG_DONTWAIT);
	if (len < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	if (len == 0)
		return -1;
	if (len >= (ssize_t)sizeof(request.type) && request.type == XDPCAP_LIST) {
		list(capture, &request, len);
		return -1;
	}
	if (len < (ssize_t)sizeof(request.type))
		fail(&reply, "the request is too short");
	else if (request.type == XDPCAP_ATTACH)
		attached = !attach(capture, &request, len, &reply);
	else if (request.type == XDPCAP_SET_FILTER)
		set_filter(capture, &request, len, &reply);
	else
		fail(&reply, "the request is of an unknown type");
	return send_reply(capture, attached, &reply);
}

/*
 * Leave the application's directory and descriptors, and become nobody's child,
 * so that wait() there has nothing to do with us; it has put us into a session
 * of our own. Returns in the process that is to go on.
 */
static int detach_process(void)
{
	pid_t pid = fork();

	if (pid < 0)
		return -1;
	if (pid > 0)
		_exit(0);
	if (chdir("/"))
		return -1;
	umask(077);
	return close_range(XDPCAP_HELPER_FD + 3, ~0U, 0);
}

/* A descriptor that becomes readable when we are asked to end. */
static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	if (sigprocmask(SIG_SETMASK, &set, NULL))
		return -1;
	return signalfd(-1, &set, SFD_CLOEXEC);
}

int main(int argc, char **argv)
{
	struct pollfd fds[2] = { { .fd = XDPCAP_HELPER_FD, .events = POLLIN },
				 { .events = POLLIN } };
	struct capture capture;
	int type = 0;
	socklen_t len = sizeof(type);

	if (argc > 1 && !strcmp(argv[1], "--version")) {
		puts("xdpcap-helper " PACKAGE_VERSION);
		return 0;
	}
	if (argc > 1 && !strcmp(argv[1], "--help")) {
		fputs(usage, stdout);
		return 0;
	}
	if (argc > 1 ||
	    getsockopt(XDPCAP_HELPER_FD, SOL_SOCKET, SO_TYPE, &type, &len) ||
	    type != SOCK_SEQPACKET) {
		fputs(usage, stderr);
		return 2;
	}

	capture_init(&capture);
	if (privileges_reduce() || detach_process())
		return 1;
	fds[1].fd = open_signals();
	if (fds[1].fd < 0)
		return 1;
	do {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			break;
	} while (!fds[1].revents && (!fds[0].revents || !serve(&capture)));
	capture_detach(&capture);
	return 0;
}
