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
#include <stdbool.h>
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
#include "request.h"
#include "sandbox.h"
#include "test-point.h"

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

static int attach(struct capture *capture, const struct xdpcap_attach *request,
		  struct xdpcap_reply *reply)
{
	if (capture->actions)
		return fail(reply, "already attached");
	if (sandbox_keep(SANDBOX_ATTACH | SANDBOX_CAPTURE))
		return fail(reply, "cannot give up privileges");
	if (capture_attach(capture, request, reply))
		return -1;
	if (privileges_opened() || sandbox_keep(SANDBOX_CAPTURE)) {
		capture_detach(capture);
		return fail(reply, "cannot give up privileges");
	}
	return 0;
}

static int set_filter(struct capture *capture,
		      const struct xdpcap_set_filter *request,
		      struct xdpcap_reply *reply)
{
	if (!capture->actions)
		return fail(reply, "not attached");
	test_break_out();
	return capture_set_filter(capture, request, reply);
}

/*
 * List the hooks, as far as who asks may open them: not by a capability that
 * only the helper has. Of requests that are not valid, and of what goes wrong,
 * the end of the helper says enough.
 */
static void list(const struct capture *capture)
{
	if (capture->actions)
		return;
	if (sandbox_keep(SANDBOX_LIST) || privileges_list())
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
	const char *wrong;
	ssize_t len;

	/* descriptors that come along are not asked for, and closed by the kernel */
	len = recv(XDPCAP_HELPER_FD, &request, sizeof(request), MSG_DONTWAIT);
	if (len < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	if (len == 0)
		return -1;
	wrong = request_check(&request, len);
	if (request_is_list(&request, len)) {
		if (!wrong)
			list(capture);
		return -1;
	}
	if (wrong)
		fail(&reply, wrong);
	else if (request.type == XDPCAP_ATTACH)
		attached = !attach(capture, &request.attach, &reply);
	else
		set_filter(capture, &request.filter, &reply);
	return send_reply(capture, attached, &reply);
}

/* Answer the first request with why there will be no capture. */
static int refuse(const struct capture *capture, const char *message)
{
	struct xdpcap_reply reply = { 0 };
	char request;

	fail(&reply, message);
	if (recv(XDPCAP_HELPER_FD, &request, sizeof(request), 0) > 0)
		send_reply(capture, false, &reply);
	return 1;
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

/*
 * A descriptor that becomes readable when we are asked to end. All signals are
 * blocked, so that none ends us, by its default action, with the hook's slots
 * full. (One that the kernel sends for a fault of ours does in any case.)
 */
static int open_signals(void)
{
	static const int harmless[] = { SIGCHLD, SIGCONT, SIGTSTP, SIGTTIN,
					SIGTTOU, SIGURG,  SIGWINCH };
	sigset_t set;

	sigfillset(&set);
	if (sigprocmask(SIG_SETMASK, &set, NULL))
		return -1;
	for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++)
		sigdelset(&set, harmless[i]);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

/* Whether our standard input is what the libpcap module makes it. */
static bool is_socketpair(void)
{
	int domain = 0, type = 0;
	socklen_t len = sizeof(int);

	return !getsockopt(XDPCAP_HELPER_FD, SOL_SOCKET, SO_DOMAIN, &domain,
			   &len) &&
	       domain == AF_UNIX &&
	       !getsockopt(XDPCAP_HELPER_FD, SOL_SOCKET, SO_TYPE, &type, &len) &&
	       type == SOCK_SEQPACKET;
}

int main(int argc, char **argv)
{
	struct pollfd fds[2] = { { .fd = XDPCAP_HELPER_FD, .events = POLLIN },
				 { .events = POLLIN } };
	struct capture capture;

	if (argc > 1 && !strcmp(argv[1], "--version")) {
		puts("xdpcap-helper " PACKAGE_VERSION);
		return 0;
	}
	if (argc > 1 && !strcmp(argv[1], "--help")) {
		fputs(usage, stdout);
		return 0;
	}
	if (argc > 1 || !is_socketpair()) {
		fputs(usage, stderr);
		return 2;
	}

	capture_init(&capture);
	if (privileges_reduce() || detach_process())
		return 1;
	fds[1].fd = open_signals();
	if (fds[1].fd < 0)
		return 1;
	if (sandbox_keep(SANDBOX_LIST | SANDBOX_ATTACH | SANDBOX_CAPTURE))
		return refuse(&capture,
			      "cannot apply a seccomp filter; "
			      "does the kernel have CONFIG_SECCOMP_FILTER?");
	do {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			break;
	} while (!fds[1].revents && (!fds[0].revents || !serve(&capture)));
	capture_detach(&capture);
	return 0;
}
