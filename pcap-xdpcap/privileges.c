// SPDX-License-Identifier: BSD-3-Clause
/*
 * The helper's privileges: see privileges.h.
 */
#include "privileges.h"

#include <stdio.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <unistd.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/*
 * bpf(2): CAP_BPF for maps and programs, CAP_NET_ADMIN for programs of type
 * XDP, CAP_PERFMON for packet offsets that are not constant and for a context
 * pointer kept in a map (the verifier's allow_ptr_leaks).
 */
static const cap_value_t load_caps[] = { CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON };

/* To look at the programs and maps of other captures on the same hook. */
static const cap_value_t share_caps[] = { CAP_SYS_ADMIN };

/* To open a pin that belongs to another user, as root can expect to. */
static const cap_value_t open_caps[] = { CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH };

static bool has(cap_t caps, cap_value_t cap)
{
	cap_flag_value_t value = CAP_CLEAR;

	return !cap_get_flag(caps, cap, CAP_PERMITTED, &value) &&
	       value == CAP_SET;
}

static void copy_caps(cap_t to, cap_t from, const cap_value_t *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!has(from, list[i]))
			continue;
		cap_set_flag(to, CAP_PERMITTED, 1, &list[i], CAP_SET);
		cap_set_flag(to, CAP_EFFECTIVE, 1, &list[i], CAP_SET);
	}
}

/* What a capability may be needed for, as bits. */
enum use {
	LOAD = 1,
	SHARE = 2,
	OPEN = 4,
};

static int keep(unsigned int uses)
{
	cap_t have = cap_get_proc(), want = cap_init();
	int ret = -1;

	if (!have || !want)
		goto out;
	if (uses & LOAD)
		copy_caps(want, have, load_caps, ARRAY_SIZE(load_caps));
	if (uses & SHARE)
		copy_caps(want, have, share_caps, ARRAY_SIZE(share_caps));
	if (uses & OPEN)
		copy_caps(want, have, open_caps, ARRAY_SIZE(open_caps));
	ret = cap_set_proc(want);
out:
	if (have)
		cap_free(have);
	if (want)
		cap_free(want);
	return ret;
}

/* What executing a program could give; only who has CAP_SETPCAP can. */
static void drop_bounding_set(void)
{
	for (cap_value_t c = 0; cap_get_bound(c) >= 0; c++)
		cap_drop_bound(c);
}

int privileges_reduce(void)
{
	drop_bounding_set();
	/*
	 * It sets inheritable capabilities to none, and with them the ambient
	 * ones (security/commoncap.c, cap_capset()).
	 */
	if (keep(LOAD | SHARE | OPEN))
		return -1;
	/*
	 * The kernel has done so if file capabilities have given us any, but not
	 * if fs.suid_dumpable says otherwise, nor if we have them from root.
	 */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		return -1;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

int privileges_opened(void)
{
	return keep(LOAD | SHARE);
}

int privileges_list(void)
{
	return keep(getuid() ? SHARE : SHARE | OPEN);
}

bool privileges_can_share(void)
{
	cap_t have = cap_get_proc();
	bool ret = have && has(have, CAP_SYS_ADMIN);

	if (have)
		cap_free(have);
	return ret;
}

bool privileges_missing(char *buf, size_t size)
{
	cap_t have = cap_get_proc();
	size_t len = 0;
	char *name;

	*buf = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(load_caps); i++) {
		if (have && has(have, load_caps[i]))
			continue;
		name = cap_to_name(load_caps[i]);
		len += snprintf(buf + len, len < size ? size - len : 0, "%s%s",
				len ? ", " : "", name ? name : "?");
		cap_free(name);
	}
	if (have)
		cap_free(have);
	return len > 0;
}
