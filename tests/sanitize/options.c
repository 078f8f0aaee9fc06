// SPDX-License-Identifier: BSD-3-Clause
/*
 * What the sanitizers of a program are told, linked into every program of the
 * builds that tests/sanitize/run makes: xdpcap-helper has neither an environment
 * nor a standard error to tell it by. REPORTS is the beginning of the names of the
 * files that reports are written to; a process appends its name and number.
 *
 * And a fault of the program's own, before its main(), to see that it is reported:
 * SANITIZE_FAULT in the environment names it.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#ifndef REPORTS
#define REPORTS    "report"
#define SYMBOLIZER ""
#endif

/* the link order is another if a test preloads something */
#define OPTIONS                                            \
	"log_path=" REPORTS ":log_exe_name=1:exitcode=99:" \
	"print_stacktrace=1:verify_asan_link_order=0:"     \
	"external_symbolizer_path=" SYMBOLIZER ":"

/* called by the sanitizers' run-time libraries */
const char *__asan_default_options(void);
const char *__tsan_default_options(void);
const char *__tsan_default_suppressions(void);
const char *__ubsan_default_options(void);

const char *__asan_default_options(void)
{
	return OPTIONS "detect_stack_use_after_return=1";
}

const char *__tsan_default_options(void)
{
	return OPTIONS;
}

/*
 * libpcap's pcap_breakloop() stores into the sig_atomic_t break_loop, for signal
 * handlers, and a thread that waits looks at it without a lock, as all of
 * libpcap does. In libpcap 1.10.5 it is pcapint_breakloop_common().
 */
const char *__tsan_default_suppressions(void)
{
	return "race_top:breakloop_common\n";
}

const char *__ubsan_default_options(void)
{
	return OPTIONS;
}

__attribute__((constructor)) static void fault(void)
{
	const char *which = getenv("SANITIZE_FAULT");
	char *volatile byte = malloc(1);
	volatile int number = INT_MAX;

	if (which && !strcmp(which, "overflow"))
		byte[1] = 0;
	if (which && !strcmp(which, "undefined"))
		number++;
	if (!which || strcmp(which, "leak") != 0)
		free(byte);
	/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): it is to be one */
}
