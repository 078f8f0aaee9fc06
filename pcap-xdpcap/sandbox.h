/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which system calls the helper can make: those that its work takes and no
 * others, whatever an attacker may have made of it. Another one kills the
 * process, as SIGKILL would. Knows nothing of captures.
 */
#ifndef XDPCAP_SANDBOX_H
#define XDPCAP_SANDBOX_H

/* What there still is to do, as bits. */
enum sandbox {
	SANDBOX_LIST = 1,    /* list the hooks */
	SANDBOX_ATTACH = 2,  /* open a hook and attach to it */
	SANDBOX_CAPTURE = 4, /* exchange filters and detach: opens no file */
};

#ifndef XDPCAP_NO_SANDBOX

/*
 * From here on, only what these take. The process must have given up the chance to
 * gain privileges (no_new_privs). Returns 0, also if nothing has changed, or -1
 * with errno; EPERM if it was to be more than before.
 */
int sandbox_keep(unsigned int what);

#else

/* For builds with sanitizers, which make system calls of their own. */
static inline int sandbox_keep(unsigned int what)
{
	(void)what;
	return 0;
}

#endif

#endif /* XDPCAP_SANDBOX_H */
