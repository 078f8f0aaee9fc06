// SPDX-License-Identifier: BSD-3-Clause
/*
 * Tests of the API: several captures, threads, processes, and what a capture leaves
 * behind.
 */
#include "api.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * Several captures
 */

static void two_captures(void)
{
	pcap_t *drops = open_drops();
	pcap_t *passes = open_capture(&(struct capture){ .actions = "@pass" });
	struct got got[2] = { { .p = drops }, { .p = passes } };
	struct frame pass = {
		.port = PORT_PASS, .kind = KIND_A, .seq = 50, .size = 60
	};

	SAME("slots in use", 1 << SLOT_DROP | 1 << SLOT_PASS, hook_used(pin));
	set_filter(passes, "src port 1000");
	send_drops(0, 20);
	send_frames(&pass, 30, NULL);
	wait_received(drops, 20);
	wait_received(passes, 30);
	read_packets(&got[0], 20);
	read_packets(&got[1], 30);
	check_sequence(&got[0], 0, 0, 20);
	check_sequence(&got[1], 0, 50, 30);
	for (int i = 0; i < 30; i++)
		SAME("port", PORT_PASS, got[1].packets[i].frame.port);

	pcap_close(passes);
	SAME("slots in use after one pcap_close", 1 << SLOT_DROP, hook_used(pin));
	check_works(drops);
	free_packets(&got[0]);
	free_packets(&got[1]);
	close_capture(drops);
}

static void close_under_traffic(void)
{
	struct flow flow = {
		.frame = { .port = PORT_DROP, .kind = KIND_A, .size = 60 },
		.total = 100000000,
		.burst = 8,
		.pause_us = 50,
		.cpu = -1,
	};
	struct got got;
	pcap_t *p;

	start_flow(&flow);
	for (int i = 0; i < 20; i++) {
		p = open_capture(&(struct capture){ .actions = "" });
		got = (struct got){ .p = p };
		CHECK(dispatch(&got, -1) > 0, "pcap_dispatch: %s",
		      pcap_geterr(p));
		free_packets(&got);
		close_capture(p);
	}
	end_flow(&flow);
}

/* Each thread opens, reads and closes a capture of an action of its own. */
static void *use_capture(void *arg)
{
	static const char *const actions[] = { "@aborted", "@pass", "@tx",
					       "@redirect" };
	char err[PCAP_ERRBUF_SIZE];
	pcap_t *p;

	for (int i = 0; i < 10; i++) {
		p = open_capture(
			&(struct capture){ .actions = actions[(uintptr_t)arg] });
		set_filter(p, "src port 1000");
		RETURNS(p, 0, pcap_setnonblock(p, 1, err));
		RETURNS(p, 0, pcap_dispatch(p, -1, add_packet, NULL));
		pcap_close(p);
	}
	return NULL;
}

static void threads(void)
{
	pcap_t *p = open_drops();
	pthread_t thread[4];

	for (uintptr_t i = 0; i < 4; i++)
		SAME("pthread_create", 0,
		     pthread_create(&thread[i], NULL, use_capture, (void *)i));
	for (int i = 0; i < 20; i++)
		check_works(p);
	for (int i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	check_works(p);
	close_capture(p);
}

/*
 * Processes and descriptors
 */

static volatile sig_atomic_t child_signals;

static void count_child(int signal)
{
	(void)signal;
	child_signals = child_signals + 1;
}

static void reap_children(int signal)
{
	const int saved = errno;

	(void)signal;
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	errno = saved;
}

/* The helper is nobody's child: neither a signal nor wait() tells of it. */
static void no_children(void)
{
	const struct sigaction action = { .sa_handler = count_child };
	int before;
	pcap_t *p;

	sigaction(SIGCHLD, &action, NULL);
	p = open_drops();
	before = child_signals;
	SAME("wait", -1, wait(NULL));
	SAME("errno", ECHILD, errno);
	check_works(p);
	set_filter(p, "src port 1000");
	close_capture(p);
	sleep_ms(100);
	SAME("SIGCHLD after pcap_activate", before, child_signals);
	SAME("wait", -1, wait(NULL));
	SAME("errno", ECHILD, errno);
}

/* Whatever the application does with SIGCHLD. */
static void child_signal_dispositions(void)
{
	struct sigaction action = { .sa_handler = reap_children };
	pcap_t *p;

	sigaction(SIGCHLD, &action, NULL);
	p = open_drops();
	check_works(p);
	close_capture(p);
	action.sa_handler = SIG_IGN;
	sigaction(SIGCHLD, &action, NULL);
	p = open_drops();
	check_works(p);
	close_capture(p);
}

/* The descriptors that are open: a bit mask of those below 64. */
static uint64_t descriptors(void)
{
	uint64_t open = 0;

	for (int fd = 0; fd < 64; fd++)
		if (fcntl(fd, F_GETFD) != -1)
			open |= 1ULL << fd;
	return open;
}

static unsigned int count_mappings(void)
{
	FILE *file = fopen("/proc/self/maps", "re");
	unsigned int n = 0;
	char line[512];

	CHECK(file, "/proc/self/maps: %s", strerror(errno));
	while (fgets(line, sizeof(line), file))
		n += strstr(line, "anon_inode:bpf") != NULL;
	fclose(file);
	return n;
}

static void descriptors_and_mappings(void)
{
	const uint64_t before = descriptors();
	uint64_t during;
	pcap_t *p;

	for (int i = 0; i < 100; i++) {
		p = open_drops();
		during = descriptors();
		close_capture(p);
		CHECK(descriptors() == before,
		      "descriptors before %#llx, after %#llx",
		      (unsigned long long)before,
		      (unsigned long long)descriptors());
		SAME("mappings", 0, count_mappings());
	}
	CHECK(during & ~before, "no descriptors while capturing");

	p = create("@9");
	RETURNS(p, PCAP_ERROR_NO_SUCH_DEVICE, pcap_activate(p));
	CHECK(descriptors() == before, "descriptors are left by a failure");
	pcap_close(p);
	CHECK(descriptors() == before, "descriptors are left by a failure");

	p = open_drops();
	for (int fd = 0; fd < 64; fd++)
		CHECK(before & 1ULL << fd || fcntl(fd, F_GETFD) == -1 ||
			      fcntl(fd, F_GETFD) & FD_CLOEXEC,
		      "descriptor %d would be inherited", fd);
	close_capture(p);
}

/* Standard descriptors that are closed are not a trap. */
static void without_standard_descriptors(void)
{
	const int saved = fcntl(1, F_DUPFD_CLOEXEC, 10);
	pcap_t *p;
	int ret;

	close(0);
	close(1);
	close(2);
	p = create("@drop");
	pcap_set_timeout(p, 10);
	ret = pcap_activate(p);
	dup2(saved, 1);
	close(saved);
	RETURNS(p, 0, ret);
	check_works(p);
	close_capture(p);
}

/* Wait for a child process, which tells by its exit status how it went. */
static void wait_child(pid_t pid)
{
	int status;

	SAME("waitpid", pid, waitpid(pid, &status, 0));
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0,
	      "the child's status is %#x", status);
}

/*
 * As a daemon does: open, fork, and the parent is gone; the child reads on. Here
 * the parent is a child too, and the grandchild comes to us.
 */
static void parent_exits(void)
{
	pid_t pid;
	int status;

	SAME("prctl", 0, prctl(PR_SET_CHILD_SUBREAPER, 1));
	fflush(stdout);
	pid = fork();
	CHECK(pid >= 0, "fork: %s", strerror(errno));
	if (!pid) {
		pcap_t *p = open_drops();

		check_works(p);
		if (fork())
			_exit(0);
		WAIT_FOR("the parent's end",
			 waitid(P_PID, getppid(), NULL, 0) == -1 &&
				 kill(getppid(), 0) == 0);
		sleep_ms(100);
		check_works(p);
		set_filter(p, "src port 1000");
		check_works(p);
		pcap_close(p);
		fflush(stdout);
		_exit(0);
	}
	wait_child(pid);
	pid = wait(&status);
	CHECK(pid > 0 && status == 0, "the grandchild's status is %#x", status);
	/* it did not activate, and so did not wait for the helper */
	WAIT_FOR("slots being empty", hook_used(pin) == 0);
}

/* A child that closes its copy, or only ends, does not end the parent's. */
static void child_closes(void)
{
	pcap_t *p = open_drops();
	pid_t pid;

	for (int closes = 0; closes < 2; closes++) {
		fflush(stdout);
		pid = fork();
		CHECK(pid >= 0, "fork: %s", strerror(errno));
		if (!pid) {
			if (closes)
				pcap_close(p);
			_exit(0);
		}
		wait_child(pid);
		check_works(p);
	}
	close_capture(p);
}

const struct test process_tests[] = {
	TEST(two_captures),
	TEST(close_under_traffic),
	TEST(threads),
	TEST(no_children),
	TEST(child_signal_dispositions),
	TEST(descriptors_and_mappings),
	TEST(without_standard_descriptors),
	TEST(parent_exits),
	TEST(child_closes),
	{ NULL, NULL },
};
