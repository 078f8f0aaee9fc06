// SPDX-License-Identifier: BSD-3-Clause
/*
 * One capture: see capture.h. In the order of its life: sizes, maps, the kind
 * of program that the hook takes, copy programs, filters, detach.
 */
#include "capture.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpf/copy.skel.h"
#include "filter.h"
#include "privileges.h"
#include "test-point.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/*
 * All rings together, if the application does not say: 16 MiB shared out, but
 * no less than 512 KiB for a ring.
 */
#define BUFFER_DEFAULT   (16u << 20)
#define RING_DEFAULT_MIN (512u << 10)

/* How long an action may take to become free, for who cannot share it. */
#define FREE_TRIES    50
#define FREE_PAUSE_NS 20000000

static const struct sock_filter accept_all[] = {
	BPF_STMT(BPF_RET | BPF_K, UINT_MAX),
};

/*
 * The kinds of XDP program there are. A PROG_ARRAY takes only those of its
 * owner's kind and does not say which that is (kernel/bpf/core.c,
 * __bpf_prog_map_compatible(); expected_attach_type since commit 4540aed51b12).
 * libbpf loads with BPF_XDP, others often with 0.
 */
static const struct {
	__u32 prog_flags;
	enum bpf_attach_type attach_type;
} kinds[] = {
	{ 0, BPF_XDP },
	{ BPF_F_XDP_HAS_FRAGS, BPF_XDP },
	{ 0, 0 },
	{ BPF_F_XDP_HAS_FRAGS, 0 },
	{ 0, BPF_XDP_DEVMAP },
	{ BPF_F_XDP_HAS_FRAGS, BPF_XDP_DEVMAP },
	{ 0, BPF_XDP_CPUMAP },
	{ BPF_F_XDP_HAS_FRAGS, BPF_XDP_CPUMAP },
};

void capture_init(struct capture *capture)
{
	memset(capture, 0, sizeof(*capture));
	capture->hook.fd = -1;
	capture->hook.dir_fd = -1;
	capture->rings_fd = -1;
	capture->ctl_fd = -1;
	capture->handoff_fd = -1;
	capture->bell_fd = -1;
	capture->chain_fd = -1;
	for (__u32 a = 0; a < XDPCAP_ACTIONS_MAX; a++)
		capture->slots[a].fd = -1;
}

/* The highest number of a CPU that is online, plus 1. */
static int count_cpus(void)
{
	int last = -1, cpu;
	FILE *file;

	/* ranges and numbers, such as 0-3,6: the last number is the highest */
	file = fopen("/sys/devices/system/cpu/online", "re");
	if (file) {
		while (fscanf(file, "%*[^0-9]"), fscanf(file, "%d", &cpu) == 1)
			last = cpu;
		fclose(file);
	}
	if (last < 0)
		return libbpf_num_possible_cpus();
	return last + 1;
}

__u32 capture_ring_size(__u32 buffer_size, __u32 rings)
{
	__u64 wanted = (buffer_size ?: BUFFER_DEFAULT) / rings;
	__u64 size = XDPCAP_RING_MIN;

	if (!buffer_size && wanted < RING_DEFAULT_MIN)
		wanted = RING_DEFAULT_MIN;
	while (size < wanted)
		size <<= 1;
	return size <= XDPCAP_RING_MAX ? size : 0;
}

static int set_sizes(struct capture *capture, __u32 buffer_size,
		     struct xdpcap_reply *reply)
{
	int cpus = count_cpus();

	if (cpus < 0)
		return hook_error(&capture->hook, reply, XDPCAP_ERROR,
				  "cannot count the CPUs: %s", strerror(-cpus));
	capture->nrings = cpus;
	capture->ring_size = capture_ring_size(buffer_size, cpus);
	if (!capture->ring_size)
		return hook_error(
			&capture->hook, reply, XDPCAP_ERROR,
			"a buffer of %u bytes is too large, at most %llu with %d CPUs",
			buffer_size, (__u64)XDPCAP_RING_MAX * cpus, cpus);
	return 0;
}

/*
 * A bpf(2) call failed: say what it was for, and on EPERM what is needed, which
 * is all that can be missing after privileges_missing() found nothing (user
 * namespaces, lockdown).
 */
static int bpf_failed(struct capture *capture, struct xdpcap_reply *reply,
		      const char *what, int err)
{
	if (err == -EPERM)
		return hook_error(&capture->hook, reply, XDPCAP_ERROR_PERMISSION,
				  "cannot %s: %s; " PRIVILEGES_NEEDED, what,
				  strerror(-err));
	return hook_error(&capture->hook, reply, XDPCAP_ERROR, "cannot %s: %s",
			  what, strerror(-err));
}

/* Create a map; returns 0, or -1 with the reply filled. */
static int create_map(struct capture *capture, int *fd, enum bpf_map_type type,
		      const char *name, __u32 value_size, __u32 max_entries,
		      __u32 flags, struct xdpcap_reply *reply)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = flags);
	__u32 key_size = type == BPF_MAP_TYPE_RINGBUF ? 0 : sizeof(__u32);
	char what[80];

	*fd = bpf_map_create(type, name, key_size, value_size, max_entries,
			     &opts);
	if (*fd >= 0)
		return 0;
	snprintf(what, sizeof(what), "create the map %s of %llu bytes", name,
		 (__u64)(value_size ?: 1) * max_entries);
	return bpf_failed(capture, reply, what, *fd);
}

static int create_maps(struct capture *capture, struct xdpcap_reply *reply)
{
	const __u32 nrings = capture->nrings;

	return create_map(capture, &capture->rings_fd, BPF_MAP_TYPE_ARRAY,
			  "xdpcap_rings", capture->ring_size + XDPCAP_RING_SLACK,
			  nrings, BPF_F_MMAPABLE, reply) ||
	       create_map(capture, &capture->ctl_fd, BPF_MAP_TYPE_ARRAY,
			  "xdpcap_ctl",
			  sizeof(struct xdpcap_ctl) +
				  nrings * sizeof(struct xdpcap_cpu),
			  1, BPF_F_MMAPABLE, reply) ||
	       create_map(capture, &capture->handoff_fd, BPF_MAP_TYPE_ARRAY,
			  "xdpcap_handoff",
			  nrings * sizeof(struct xdpcap_handoff), 1, 0, reply) ||
	       create_map(capture, &capture->bell_fd, BPF_MAP_TYPE_RINGBUF,
			  "xdpcap_bell", 0, sysconf(_SC_PAGESIZE), 0, reply) ||
	       create_map(capture, &capture->chain_fd, BPF_MAP_TYPE_PROG_ARRAY,
			  "xdpcap_chain", sizeof(__u32), XDPCAP_ACTIONS_MAX, 0,
			  reply);
}

/* Bit mask of the hook's slots that are of an action. */
static __u32 hook_actions(const struct hook *hook)
{
	if (hook_has_enter(hook))
		return (1u << XDPCAP_ENTER_SLOT) - 1;
	return hook->max_entries >= XDPCAP_ACTIONS_MAX ?
		       UINT_MAX :
		       (1u << hook->max_entries) - 1;
}

/*
 * Whether packets can be captured before the program: they could not go on without
 * a continuation.
 */
static int check_enter(const struct hook *hook, struct xdpcap_reply *reply)
{
	__u32 id;
	int err;

	if (!hook_has_enter(hook))
		return hook_error(
			hook, reply, XDPCAP_ERROR_NO_SUCH_HOOK,
			"no action enter: the hook has %u entries, one with xdpcap_enter() has %d",
			hook->max_entries, XDPCAP_HOOK_ENTER_ENTRIES);
	err = hook_slot(hook, XDPCAP_CONTINUE_SLOT, &id);
	if (err)
		return hook_error(hook, reply, XDPCAP_ERROR,
				  "cannot look at slot %d: %s",
				  XDPCAP_CONTINUE_SLOT, strerror(-err));
	if (!id)
		return hook_error(
			hook, reply, XDPCAP_ERROR,
			"cannot capture enter: slot %d is empty, which is to hold the program that packets continue with",
			XDPCAP_CONTINUE_SLOT);
	return 0;
}

/* Which slots to capture: those asked for, or of all actions that the hook has. */
static int choose_slots(struct capture *capture,
			const struct xdpcap_attach *request, __u32 *slots,
			struct xdpcap_reply *reply)
{
	const struct hook *hook = &capture->hook;
	const __u32 unknown = request->actions & ~hook_actions(hook);

	if (unknown && hook_has_enter(hook))
		return hook_error(hook, reply, XDPCAP_ERROR_NO_SUCH_HOOK,
				  "no action %d: the hook has %d, and enter",
				  __builtin_ctz(unknown), XDPCAP_ENTER_SLOT);
	if (unknown)
		return hook_error(hook, reply, XDPCAP_ERROR_NO_SUCH_HOOK,
				  "no action %s: the hook has %u entries",
				  slot_name(hook, __builtin_ctz(unknown)),
				  hook->max_entries);
	*slots = request->actions;
	if (!*slots && !request->enter)
		*slots = hook_actions(hook);
	if (!request->enter)
		return 0;
	*slots |= 1u << XDPCAP_ENTER_SLOT;
	return check_enter(hook, reply);
}

/*
 * Find a place in every slot that is to be captured, before anything is put into
 * one; and remove from the others what dead captures have left.
 */
static int open_slots(struct capture *capture, __u32 actions,
		      struct xdpcap_reply *reply)
{
	const struct hook *hook = &capture->hook;

	for (__u32 a = 0; a < XDPCAP_ACTIONS_MAX && a < hook->max_entries; a++) {
		if (!(actions & 1u << a))
			slot_clean(hook, a);
		else if (slot_open(hook, &capture->slots[a], a, reply))
			return -1;
	}
	return 0;
}

/* Whether a slot that is captured is that of xdpcap_enter(). */
static bool is_enter(const struct capture *capture, __u32 slot)
{
	return hook_has_enter(&capture->hook) && slot == XDPCAP_ENTER_SLOT;
}

/*
 * Load a program that is nothing to a slot's packets: it returns the verdict; or,
 * before there is one, goes on with the program, as a capture does. Returns a
 * descriptor, or a negative errno.
 */
static int load_probe(const struct capture *capture, __u32 slot, size_t kind)
{
	const struct bpf_insn verdict[] = {
		{ .code = BPF_ALU | BPF_MOV | BPF_K,
		  .dst_reg = BPF_REG_0,
		  .imm = (__s32)slot },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	/* the first argument of the call is the program's own */
	const struct bpf_insn proceed[] = {
		{ .code = BPF_LD | BPF_DW | BPF_IMM,
		  .dst_reg = BPF_REG_2,
		  .src_reg = BPF_PSEUDO_MAP_FD,
		  .imm = capture->hook.fd },
		{ 0 },
		{ .code = BPF_ALU | BPF_MOV | BPF_K,
		  .dst_reg = BPF_REG_3,
		  .imm = XDPCAP_CONTINUE_SLOT },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_tail_call },
		{ .code = BPF_ALU | BPF_MOV | BPF_K,
		  .dst_reg = BPF_REG_0,
		  .imm = XDP_ABORTED },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	const bool enter = is_enter(capture, slot);
	LIBBPF_OPTS(bpf_prog_load_opts, opts,
		    .expected_attach_type = kinds[kind].attach_type,
		    .prog_flags = kinds[kind].prog_flags, );

	return bpf_prog_load(BPF_PROG_TYPE_XDP, "xdpcap_probe", "Dual BSD/GPL",
			     enter ? proceed : verdict,
			     enter ? ARRAY_SIZE(proceed) : ARRAY_SIZE(verdict),
			     &opts);
}

/* Find out which kind of program the hook takes, by trying one that does nothing. */
static int find_kind(struct capture *capture, __u32 slot,
		     struct xdpcap_reply *reply)
{
	int fd, err = 0;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		fd = load_probe(capture, slot, i);
		if (fd == -EPERM)
			return bpf_failed(capture, reply, "load an XDP program",
					  fd);
		if (fd < 0) {
			/* one that this kernel does not know, or the hook not take */
			err = fd;
			continue;
		}
		err = slot_try(&capture->hook, &capture->slots[slot], fd);
		close(fd);
		if (!err) {
			capture->prog_flags = kinds[i].prog_flags;
			capture->attach_type = kinds[i].attach_type;
			return 0;
		}
	}
	return hook_error(
		&capture->hook, reply, XDPCAP_ERROR,
		"the hook takes no XDP program of any kind that this version knows: %s",
		strerror(-err));
}

/* Load the copy program for an action and put it into the private PROG_ARRAY. */
static int load_copy(struct capture *capture, __u32 action)
{
	const struct slot *slot = &capture->slots[action];
	struct copy *skel;
	int err, fd;

	skel = copy__open();
	if (!skel)
		return -errno;
	skel->rodata->cookie = capture->cookie;
	skel->rodata->ring_mask = capture->ring_size - 1;
	skel->rodata->last_ring = capture->nrings - 1;
	skel->rodata->clock = capture->clock;
	skel->rodata->action = action;
	skel->rodata->next = slot->index + 1;
	skel->rodata->enter = is_enter(capture, action);
	skel->rodata->frags = capture->prog_flags & BPF_F_XDP_HAS_FRAGS;
	bpf_program__set_flags(skel->progs.xdpcap_copy, capture->prog_flags);
	bpf_program__set_expected_attach_type(skel->progs.xdpcap_copy,
					      capture->attach_type);
	err = bpf_map__reuse_fd(skel->maps.xdpcap_rings, capture->rings_fd);
	if (!err)
		err = bpf_map__reuse_fd(skel->maps.xdpcap_ctl, capture->ctl_fd);
	if (!err)
		err = bpf_map__reuse_fd(skel->maps.xdpcap_handoff,
					capture->handoff_fd);
	if (!err)
		err = bpf_map__reuse_fd(skel->maps.xdpcap_bell, capture->bell_fd);
	if (!err)
		err = bpf_map__reuse_fd(skel->maps.xdpcap_slots, slot->fd);
	if (!err && is_enter(capture, action))
		err = bpf_map__reuse_fd(skel->maps.xdpcap_hook, capture->hook.fd);
	else if (!err)
		err = bpf_map__set_autocreate(skel->maps.xdpcap_hook, false);
	if (!err)
		err = copy__load(skel);
	if (!err) {
		fd = bpf_program__fd(skel->progs.xdpcap_copy);
		err = bpf_map_update_elem(capture->chain_fd, &action, &fd,
					  BPF_ANY);
	}
	copy__destroy(skel);
	return err;
}

static int load_copies(struct capture *capture, __u32 actions,
		       struct xdpcap_reply *reply)
{
	int err;

	if (getrandom(&capture->cookie, sizeof(capture->cookie), 0) !=
	    sizeof(capture->cookie))
		return hook_error(&capture->hook, reply, XDPCAP_ERROR,
				  "no random number: %s", strerror(errno));
	if (capture->clock == XDPCAP_CLOCK_TAI &&
	    libbpf_probe_bpf_helper(BPF_PROG_TYPE_XDP,
				    BPF_FUNC_ktime_get_tai_ns, NULL) != 1)
		capture->clock = XDPCAP_CLOCK_MONOTONIC;
	for (__u32 a = 0; a < XDPCAP_ACTIONS_MAX; a++) {
		if (!(actions & 1u << a))
			continue;
		err = load_copy(capture, a);
		if (err)
			return bpf_failed(capture, reply,
					  "load the copy program", err);
	}
	return 0;
}

static void close_all(int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

/*
 * Load the filter for every action, or none. fds has room for
 * XDPCAP_ACTIONS_MAX; those of other actions are -1.
 */
static int load_filters(struct capture *capture, const struct filter *filter,
			__u32 actions, int *fds, char *why, size_t whysize)
{
	struct filter_target target = {
		.ctl_fd = capture->ctl_fd,
		.handoff_fd = capture->handoff_fd,
		.chain_fd = capture->chain_fd,
		.last_ring = capture->nrings - 1,
		.prog_flags = capture->prog_flags,
		.attach_type = capture->attach_type,
	};

	for (__u32 a = 0; a < XDPCAP_ACTIONS_MAX; a++)
		fds[a] = -1;
	for (__u32 a = 0; a < XDPCAP_ACTIONS_MAX; a++) {
		if (!(actions & 1u << a))
			continue;
		target.slots_fd = capture->slots[a].fd;
		target.index = capture->slots[a].index;
		target.hook_fd = is_enter(capture, a) ? capture->hook.fd : -1;
		fds[a] = filter_load(&target, filter, a, why, whysize);
		if (fds[a] < 0) {
			close_all(fds, XDPCAP_ACTIONS_MAX);
			return fds[a];
		}
	}
	return 0;
}

/* Put the filters into their slots, and close their descriptors. */
static int install_filters(struct capture *capture, int *fds,
			   struct xdpcap_reply *reply)
{
	int err = 0;

	for (__u32 a = 0; a < XDPCAP_ACTIONS_MAX && !err; a++)
		if (fds[a] >= 0)
			err = slot_put(&capture->hook, &capture->slots[a],
				       fds[a], reply);
	close_all(fds, XDPCAP_ACTIONS_MAX);
	return err;
}

/* Whether one of the slots holds a program. */
static bool is_captured(const struct hook *hook, __u32 slots)
{
	__u32 id;

	for (__u32 a = 0; a < XDPCAP_ACTIONS_MAX; a++)
		if (slots & 1u << a && !hook_slot(hook, a, &id) && id)
			return true;
	return false;
}

/*
 * Lock the hook; first, if that is wished, and we cannot capture beside others, give
 * them a second to go. Returns 0, or a negative errno.
 */
static int lock_hook(const struct hook *hook, __u32 slots, bool wait)
{
	const int tries = wait && !privileges_can_share() ? FREE_TRIES : 0;
	const struct timespec pause = { .tv_nsec = FREE_PAUSE_NS };
	int err;

	for (int i = 0;; i++) {
		err = hook_lock(hook);
		if (err || i == tries || !is_captured(hook, slots))
			return err;
		hook_unlock(hook);
		nanosleep(&pause, NULL);
	}
}

static int attach_locked(struct capture *capture,
			 const struct xdpcap_attach *request, __u32 actions,
			 struct xdpcap_reply *reply)
{
	const struct filter filter = {
		.insns = accept_all,
		.len = ARRAY_SIZE(accept_all),
		.snaplen = request->snaplen,
		.generation = XDPCAP_FIRST_GENERATION,
		.actions = UINT_MAX,
	};
	int fds[XDPCAP_ACTIONS_MAX];
	char why[XDPCAP_MESSAGE_MAX];

	test_point("attach-locked");
	if (open_slots(capture, actions, reply) ||
	    find_kind(capture, __builtin_ctz(actions), reply) ||
	    load_copies(capture, actions, reply))
		return -1;
	if (load_filters(capture, &filter, actions, fds, why, sizeof(why)))
		return hook_error(&capture->hook, reply, XDPCAP_ERROR, "%s", why);
	if (install_filters(capture, fds, reply))
		return -1;
	capture->actions = actions;
	return 0;
}

int capture_attach(struct capture *capture, const struct xdpcap_attach *request,
		   struct xdpcap_reply *reply)
{
	char missing[80];
	__u32 actions = 0;
	int err;

	test_point("attach-begin");
	/* libbpf writes to standard error, which is nobody's here */
	libbpf_set_print(NULL);
	capture->clock = request->clock;
	if (hook_open(&capture->hook, request->path, reply))
		return -1;
	if (privileges_missing(missing, sizeof(missing))) {
		hook_error(&capture->hook, reply, XDPCAP_ERROR_PERMISSION,
			   "%s missing; " PRIVILEGES_NEEDED, missing);
		goto err_out;
	}
	if (choose_slots(capture, request, &actions, reply) ||
	    set_sizes(capture, request->buffer_size, reply) ||
	    create_maps(capture, reply))
		goto err_out;
	test_point("attach-maps");
	err = slot_mark_alive(&capture->hook, capture->chain_fd);
	if (err) {
		hook_error(&capture->hook, reply, XDPCAP_ERROR,
			   "cannot lock the hook's directory with fcntl: %s",
			   strerror(-err));
		goto err_out;
	}
	err = lock_hook(&capture->hook, actions, request->wait);
	if (err) {
		hook_error(&capture->hook, reply, XDPCAP_ERROR,
			   "busy: cannot lock the hook's directory: %s",
			   strerror(-err));
		goto err_out;
	}
	err = attach_locked(capture, request, actions, reply);
	hook_unlock(&capture->hook);
	slot_looked();
	if (err)
		goto err_out;
	reply->nrings = capture->nrings;
	reply->cookie = capture->cookie;
	reply->ring_size = capture->ring_size;
	reply->bell_size = sysconf(_SC_PAGESIZE);
	reply->clock = capture->clock;
	reply->actions = capture->actions;
	if (hook_has_enter(&capture->hook))
		reply->enter = XDPCAP_ENTER_SLOT;
	test_point("attach-done");
	return 0;

err_out:
	capture_detach(capture);
	return -1;
}

int capture_set_filter(struct capture *capture,
		       const struct xdpcap_set_filter *request,
		       struct xdpcap_reply *reply)
{
	const struct filter wanted = {
		.insns = request->insns,
		.len = request->len,
		.snaplen = request->snaplen,
		.generation = request->generation,
		.linktype = request->linktype,
		.actions = request->actions,
	};
	/* whole packets: a filter may look at what is beyond the snapshot */
	const struct filter all = {
		.insns = accept_all,
		.len = ARRAY_SIZE(accept_all),
		.snaplen = XDPCAP_CAPLEN_MAX,
		.generation = request->generation,
		.actions = request->actions,
	};
	int fds[XDPCAP_ACTIONS_MAX], err;
	char why[XDPCAP_MESSAGE_MAX] = "refused for a test";

	if (test_refuses_filter() ||
	    load_filters(capture, &wanted, capture->actions, fds, why,
			 sizeof(why))) {
		hook_error(&capture->hook, reply, XDPCAP_USERLAND, "%s", why);
		if (load_filters(capture, &all, capture->actions, fds, why,
				 sizeof(why)))
			return hook_error(&capture->hook, reply, XDPCAP_ERROR,
					  "%s", why);
	}
	test_point("filter-loaded");
	err = hook_lock(&capture->hook);
	if (err) {
		close_all(fds, XDPCAP_ACTIONS_MAX);
		return hook_error(&capture->hook, reply, XDPCAP_ERROR,
				  "busy: cannot lock the hook's directory: %s",
				  strerror(-err));
	}
	test_point("filter-locked");
	err = install_filters(capture, fds, reply);
	hook_unlock(&capture->hook);
	slot_looked();
	test_point("filter-done");
	return err;
}

/* Take our programs out of their slots, and only ours. */
static void leave_slots(struct capture *capture)
{
	/* the programs must go, also if the lock cannot be had */
	const bool locked = !hook_lock(&capture->hook);

	test_point("detach-locked");
	for (__u32 a = 0; a < XDPCAP_ACTIONS_MAX; a++)
		slot_leave(&capture->hook, &capture->slots[a]);
	if (locked)
		hook_unlock(&capture->hook);
	slot_looked();
}

void capture_detach(struct capture *capture)
{
	int maps[] = { capture->rings_fd, capture->ctl_fd, capture->handoff_fd,
		       capture->bell_fd, capture->chain_fd };
	bool is_in = false;

	for (__u32 a = 0; a < XDPCAP_ACTIONS_MAX; a++)
		is_in |= capture->slots[a].filter_id != 0;
	if (is_in) {
		test_point("detach-begin");
		leave_slots(capture);
		test_point("detach-done");
	}
	for (__u32 a = 0; a < XDPCAP_ACTIONS_MAX; a++)
		slot_close(&capture->slots[a]);
	close_all(maps, ARRAY_SIZE(maps));
	hook_close(&capture->hook);
	capture_init(capture);
}
