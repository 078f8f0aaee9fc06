// SPDX-License-Identifier: BSD-3-Clause
/*
 * A hook's slot, shared: see slot.h. First what can be told of the programs that
 * are found there, then what is done with them.
 *
 * Whether a capture lives is told by two things. Its private PROG_ARRAY, which
 * the kernel empties when the last process that holds it is gone, but from a work
 * item, some time later. And a lock on the directory of the pin, by fcntl(2),
 * which the kernel drops as soon as the process closes the directory
 * (filp_close() in fs/open.c), before it lets go of any map. So who sees the lock
 * while it holds the action's xdpcap_slots itself knows that this map has been
 * held all the time, and is not about to be emptied.
 */
#include "slot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <linux/bpf.h>

#include <bpf/bpf.h>

#include "privileges.h"
#include "test-point.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* An entry behind the captures', for slot_try(); no program calls it. */
#define TRY_INDEX XDPCAP_CAPTURES_MAX

/*
 * How often to look whether a PROG_ARRAY has been emptied after its owner's death,
 * and how long the kernel is given for it.
 */
#define DEATH_TRIES    50
#define DEATH_PAUSE_NS 10000000

/* Maps of dead captures that are kept open; what is above it is not. */
#define KEPT_MAX 64

/* A program found in a slot, and the maps by which it is known, -1 if it has none. */
struct member {
	enum slot_life life;
	int fd;       /* of the program; -1 if it is gone */
	int slots_fd; /* its xdpcap_slots */
	int chain_fd; /* its private PROG_ARRAY */
	__u32 slots_id, chain_id;
	pid_t pid; /* of its helper */
};

/*
 * Maps of dead captures that were looked at. They are kept open until all of that
 * is done, though one is come upon in several slots: each time that the last
 * descriptor of a PROG_ARRAY is closed the kernel sees to its being emptied, which
 * can take a tenth of a second, and if it has to again before it has begun, it never
 * frees the map (prog_array_map_clear() in kernel/bpf/arraymap.c takes a reference
 * each time, but its work is queued only once).
 */
static struct {
	int fd;
	__u32 id;
} kept[KEPT_MAX];
static unsigned int nkept;

const char *slot_name(const struct hook *hook, __u32 action)
{
	static const char *const names[] = { "aborted", "drop", "pass", "tx",
					     "redirect" };
	static char number[12];

	if (action < ARRAY_SIZE(names))
		return names[action];
	if (action == XDPCAP_ENTER_SLOT && hook_has_enter(hook))
		return "enter";
	snprintf(number, sizeof(number), "%u", action);
	return number;
}

/* The id of the program in an entry of xdpcap_slots, 0 if there is none. */
static __u32 entry(int slots_fd, __u32 index)
{
	__u32 id;

	return bpf_map_lookup_elem(slots_fd, &index, &id) ? 0 : id;
}

static int map_id(int fd, __u32 *id)
{
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);
	int err = bpf_obj_get_info_by_fd(fd, &info, &len);

	*id = info.id;
	return err;
}

/*
 * The lock of a capture: a byte of the directory at the number of its private
 * PROG_ARRAY.
 */
static struct flock life_lock(short type, __u32 chain_id)
{
	return (struct flock){ .l_type = type,
			       .l_whence = SEEK_SET,
			       .l_start = chain_id,
			       .l_len = 1 };
}

int slot_mark_alive(struct hook *hook, int chain_fd)
{
	struct flock lock;
	int err;

	err = map_id(chain_fd, &hook->chain_id);
	if (err)
		return err;
	lock = life_lock(F_RDLCK, hook->chain_id);
	return fcntl(hook->dir_fd, F_SETLK, &lock) ? -errno : 0;
}

bool slot_is_marked(int dir_fd, __u32 map_id, pid_t *pid)
{
	struct flock lock = life_lock(F_WRLCK, map_id);

	if (fcntl(dir_fd, F_GETLK, &lock) || lock.l_type == F_UNLCK)
		return false;
	*pid = lock.l_pid;
	return true;
}

/*
 * Whether a capture has its lock; then pid gets the process that holds it, 0 if that
 * cannot be seen, or is this one.
 */
static bool is_locked(const struct hook *hook, __u32 chain_id, pid_t *pid)
{
	*pid = 0;
	/* our own lock is not in our way, and so is not told */
	return chain_id == hook->chain_id ||
	       slot_is_marked(hook->dir_fd, chain_id, pid);
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Give the kernel the time to begin with emptying a PROG_ARRAY. */
static void let_empty(void)
{
	const struct timespec pause = { .tv_nsec = DEATH_PAUSE_NS };

	clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
}

/*
 * Whether a capture lives. One that has died a moment ago has to be waited for:
 * with its private PROG_ARRAY, see kept; and without, since it would not be emptied
 * if we have held it at that moment and still do. Without wait it is taken for one
 * that is alive.
 */
static enum slot_life life_of(const struct hook *hook, struct member *member,
			      __u32 action, bool wait)
{
	for (int i = 0; i < DEATH_TRIES; i++) {
		if (is_locked(hook, member->chain_id, &member->pid))
			return SLOT_ALIVE;
		if (!entry(member->chain_fd, action))
			return SLOT_DEAD;
		if (!wait)
			break;
		let_empty();
		close_fd(&member->chain_fd);
		let_empty();
		member->chain_fd = bpf_map_get_fd_by_id(member->chain_id);
		if (member->chain_fd < 0)
			return SLOT_DEAD;
	}
	return SLOT_ELSEWHERE;
}

/* Open a program's maps that tell what it is, among all that it uses. */
static int find_maps(struct member *member, const __u32 *ids, __u32 n)
{
	for (__u32 i = 0; i < n; i++) {
		struct bpf_map_info info = { 0 };
		__u32 len = sizeof(info);
		int fd, err;

		fd = bpf_map_get_fd_by_id(ids[i]);
		if (fd < 0)
			return fd;
		err = bpf_obj_get_info_by_fd(fd, &info, &len);
		if (!err && info.type == BPF_MAP_TYPE_PROG_ARRAY &&
		    !strcmp(info.name, "xdpcap_slots") && member->slots_fd < 0) {
			member->slots_fd = fd;
			member->slots_id = info.id;
		} else if (!err && info.type == BPF_MAP_TYPE_PROG_ARRAY &&
			   !strcmp(info.name, "xdpcap_chain") &&
			   member->chain_fd < 0) {
			member->chain_fd = fd;
			member->chain_id = info.id;
		} else {
			close(fd);
		}
		if (err)
			return err;
	}
	return 0;
}

/* Whether one of these is the private PROG_ARRAY of a capture that is alive. */
static bool is_one_locked(const struct hook *hook, const __u32 *ids, __u32 n)
{
	pid_t pid;

	for (__u32 i = 0; i < n; i++)
		if (is_locked(hook, ids[i], &pid))
			return true;
	return false;
}

/*
 * Look at the program with this id, and if wait, for as long as it takes to be sure
 * that it is dead. Returns 0, or a negative errno; unlook() is to follow in any
 * case.
 */
static int look(const struct hook *hook, __u32 action, __u32 id, bool wait,
		struct member *member)
{
	__u32 ids[SLOT_FILTER_MAPS_MAX];
	struct bpf_prog_info info = {
		.nr_map_ids = ARRAY_SIZE(ids),
		.map_ids = (__u64)(unsigned long)ids,
	};
	__u32 len = sizeof(info);
	int err;

	*member = (struct member){
		.life = SLOT_DEAD, .fd = -1, .slots_fd = -1, .chain_fd = -1
	};
	member->fd = bpf_prog_get_fd_by_id(id);
	if (member->fd < 0)
		return member->fd == -ENOENT ? 0 : member->fd;
	err = bpf_obj_get_info_by_fd(member->fd, &info, &len);
	if (err)
		return err;
	/*
	 * Left by a capture that died when it tried what the hook takes; before the
	 * program, it has the hook for its map.
	 */
	if (!strcmp(info.name, "xdpcap_probe") && info.nr_map_ids <= 1)
		return 0;
	member->life = SLOT_FOREIGN;
	if (strcmp(info.name, "xdpcap_filter") != 0 ||
	    info.nr_map_ids > ARRAY_SIZE(ids))
		return 0;
	if (!wait && !is_one_locked(hook, ids, info.nr_map_ids))
		let_empty(); /* it may have died just now */
	err = find_maps(member, ids, info.nr_map_ids);
	if (!err && member->slots_fd >= 0 && member->chain_fd >= 0)
		member->life = life_of(hook, member, action, wait);
	return err;
}

/* Keep a descriptor of a map instead of closing it, one of each map. */
static void keep(int *fd, __u32 id)
{
	for (unsigned int i = 0; i < nkept; i++)
		if (kept[i].id == id)
			return;
	if (*fd < 0 || nkept == KEPT_MAX)
		return;
	kept[nkept].fd = *fd;
	kept[nkept++].id = id;
	*fd = -1;
}

static void unlook(struct member *member)
{
	if (member->life == SLOT_DEAD) {
		keep(&member->slots_fd, member->slots_id);
		keep(&member->chain_fd, member->chain_id);
	}
	close_fd(&member->fd);
	close_fd(&member->slots_fd);
	close_fd(&member->chain_fd);
}

void slot_looked(void)
{
	while (nkept)
		close_fd(&kept[--nkept].fd);
}

/*
 * Make the capture of the lowest index the head, or empty the hook's slot.
 * Returns 0, or a negative errno.
 */
static int set_head(const struct hook *hook, int slots_fd, __u32 action)
{
	__u32 head, id = 0;
	int err, fd;

	for (__u32 i = 0; i < XDPCAP_CAPTURES_MAX && !id; i++)
		id = entry(slots_fd, i);
	err = hook_slot(hook, action, &head);
	if (err || head == id)
		return err;
	if (!id)
		return hook_clear(hook, action);
	fd = bpf_prog_get_fd_by_id(id);
	if (fd < 0)
		return fd;
	err = hook_put(hook, action, fd);
	close(fd);
	return err;
}

/*
 * Remove from an action's xdpcap_slots what is dead. Returns how many are left, or
 * a negative errno; EBUSY if one is attached by another pin of the hook.
 */
static int bury(const struct hook *hook, int slots_fd, __u32 action)
{
	struct member member;
	int err, alive = 0;
	__u32 id;

	for (__u32 i = 0; i < XDPCAP_CAPTURES_MAX; i++) {
		id = entry(slots_fd, i);
		if (!id)
			continue;
		err = look(hook, action, id, true, &member);
		unlook(&member);
		if (err)
			return err;
		if (member.life == SLOT_ELSEWHERE)
			return -EBUSY;
		if (member.life == SLOT_DEAD) {
			bpf_map_delete_elem(slots_fd, &i);
			test_point("buried");
		} else {
			alive++;
		}
	}
	return alive;
}

/*
 * Remove what is dead from a slot of the hook that holds the program head, and
 * open the xdpcap_slots of those that live. Returns its descriptor; or a negative
 * errno: ENOENT if none lives and the slot is empty now, EBUSY if one is attached
 * by another pin, EEXIST if the program is not ours.
 */
static int open_slots(const struct hook *hook, __u32 action, __u32 head)
{
	struct member member;
	int err, fd;

	err = look(hook, action, head, true, &member);
	if (!err && member.life == SLOT_FOREIGN)
		err = -EEXIST;
	/* all of them, and that one once more, now that we hold the map */
	if (!err && member.slots_fd >= 0)
		err = bury(hook, member.slots_fd, action);
	if (err > 0)
		err = set_head(hook, member.slots_fd, action);
	else if (!err)
		err = hook_clear(hook, action) ?: -ENOENT;
	fd = member.slots_fd;
	if (!err)
		member.slots_fd = -1;
	unlook(&member);
	return err ?: fd;
}

static int create_slots(struct slot *slot)
{
	slot->index = XDPCAP_CAPTURES_MAX - 1;
	slot->fd = bpf_map_create(BPF_MAP_TYPE_PROG_ARRAY, "xdpcap_slots",
				  sizeof(__u32), sizeof(__u32),
				  XDPCAP_CAPTURES_MAX + 1, NULL);
	return slot->fd < 0 ? slot->fd : 0;
}

/*
 * The highest index that is free: a capture that is alone has nobody's to look at
 * behind its own.
 */
static int join(struct slot *slot)
{
	for (slot->index = XDPCAP_CAPTURES_MAX; slot->index > 0;)
		if (!entry(slot->fd, --slot->index))
			return 0;
	return -EUSERS;
}

int slot_open(const struct hook *hook, struct slot *slot, __u32 action,
	      struct xdpcap_reply *reply)
{
	__u32 head;
	int err;

	*slot = (struct slot){ .action = action, .fd = -1 };
	err = hook_slot(hook, action, &head);
	if (err)
		goto err_out;
	if (head && !privileges_can_share())
		return hook_error(
			hook, reply, XDPCAP_ERROR,
			"busy: action %s is already captured by program %u; to capture beside it takes CAP_SYS_ADMIN",
			slot_name(hook, action), head);
	slot->fd = head ? open_slots(hook, action, head) : -ENOENT;
	if (slot->fd == -ENOENT)
		err = create_slots(slot);
	else
		err = slot->fd < 0 ? slot->fd : join(slot);
	if (!err)
		return 0;

err_out:
	slot_close(slot);
	switch (err) {
	case -EEXIST:
		return hook_error(
			hook, reply, XDPCAP_ERROR,
			"busy: action %s is already captured by program %u, which is not of xdpcap-helper",
			slot_name(hook, action), head);
	case -EBUSY:
		return hook_error(
			hook, reply, XDPCAP_ERROR,
			"busy: action %s is captured by another pin of this hook; use that one",
			slot_name(hook, action));
	case -EUSERS:
		return hook_error(
			hook, reply, XDPCAP_ERROR,
			"busy: action %s is captured %d times already, which is the most",
			slot_name(hook, action), XDPCAP_CAPTURES_MAX);
	default:
		return hook_error(hook, reply, XDPCAP_ERROR,
				  "cannot look at slot %s: %s",
				  slot_name(hook, action), strerror(-err));
	}
}

void slot_close(struct slot *slot)
{
	close_fd(&slot->fd);
}

int slot_try(const struct hook *hook, const struct slot *slot, int prog_fd)
{
	const __u32 try_index = TRY_INDEX;
	__u32 head;
	int err;

	err = hook_slot(hook, slot->action, &head);
	if (err)
		return err;
	/* beside others, xdpcap_slots has an owner of the same kind as the hook */
	if (head) {
		err = bpf_map_update_elem(slot->fd, &try_index, &prog_fd,
					  BPF_ANY);
		if (!err)
			bpf_map_delete_elem(slot->fd, &try_index);
		return err;
	}
	err = hook_put(hook, slot->action, prog_fd);
	test_point("attach-probe");
	return err ?: hook_clear(hook, slot->action);
}

/* Whether a program is in xdpcap_slots. */
static bool is_entry(int slots_fd, __u32 id)
{
	for (__u32 i = 0; i < XDPCAP_CAPTURES_MAX; i++)
		if (entry(slots_fd, i) == id)
			return true;
	return false;
}

/*
 * Whether packets come to our filter program: nobody else has replaced it, or the
 * head. A head that is not among the captures may be of one that died as it
 * changed its filter; then the dead are removed.
 */
static bool is_reached(const struct hook *hook, const struct slot *slot)
{
	__u32 head;

	if (entry(slot->fd, slot->index) != slot->filter_id ||
	    hook_slot(hook, slot->action, &head) || !head)
		return false;
	/* who cannot look at programs cannot tell */
	if (is_entry(slot->fd, head) || !privileges_can_share())
		return true;
	slot_clean(hook, slot->action);
	return !hook_slot(hook, slot->action, &head) && head &&
	       is_entry(slot->fd, head);
}

/* Whether no capture has a lower index. */
static bool is_lowest(const struct slot *slot)
{
	for (__u32 i = 0; i < slot->index; i++)
		if (entry(slot->fd, i))
			return false;
	return true;
}

static int program_id(int fd, __u32 *id)
{
	struct bpf_prog_info info = { 0 };
	__u32 len = sizeof(info);
	int err = bpf_obj_get_info_by_fd(fd, &info, &len);

	*id = info.id;
	return err;
}

int slot_put(const struct hook *hook, struct slot *slot, int prog_fd,
	     struct xdpcap_reply *reply)
{
	const bool first = !slot->filter_id;
	__u32 id, head;
	int err;

	if (!first && !is_reached(hook, slot))
		return hook_error(hook, reply, XDPCAP_ERROR,
				  "somebody else has taken the capture out of slot %s",
				  slot_name(hook, slot->action));
	err = hook_slot(hook, slot->action, &head) ?: program_id(prog_fd, &id);
	if (!err)
		err = bpf_map_update_elem(slot->fd, &slot->index, &prog_fd,
					  BPF_ANY);
	if (err)
		goto err_out;
	test_point(first ? "attach-slots" : "filter-slot");
	if (first ? is_lowest(slot) : head == slot->filter_id)
		err = hook_put(hook, slot->action, prog_fd);
	if (err && first)
		bpf_map_delete_elem(slot->fd, &slot->index);
	if (err)
		goto err_out;
	slot->filter_id = id;
	test_point(first ? "attach-head" : "filter-head");
	return 0;

err_out:
	return hook_error(hook, reply, XDPCAP_ERROR,
			  "cannot put the filter into slot %s: %s",
			  slot_name(hook, slot->action), strerror(-err));
}

void slot_leave(const struct hook *hook, struct slot *slot)
{
	const __u32 id = slot->filter_id;
	__u32 head = 0;

	if (!id)
		return;
	slot->filter_id = 0;
	hook_slot(hook, slot->action, &head);
	if (entry(slot->fd, slot->index) == id)
		bpf_map_delete_elem(slot->fd, &slot->index);
	test_point("detach-slot");
	if (head == id) {
		bury(hook, slot->fd, slot->action);
		set_head(hook, slot->fd, slot->action);
	} else {
		/* we may be the last that can remove a head that is dead */
		slot_clean(hook, slot->action);
	}
	test_point("detach-head");
}

void slot_clean(const struct hook *hook, __u32 action)
{
	__u32 head;
	int fd;

	if (hook_continues(hook, action) || !privileges_can_share() ||
	    hook_slot(hook, action, &head) || !head)
		return;
	fd = open_slots(hook, action, head);
	if (fd >= 0)
		close(fd);
}

/* Take note of the program with this id. Returns 0, or a negative errno. */
static int note(const struct hook *hook, __u32 action, __u32 id,
		struct slot_program *program, struct member *member)
{
	int err = look(hook, action, id, false, member);

	*program = (struct slot_program){
		.life = member->life,
		.id = id,
		.chain_id = member->chain_id,
		.pid = member->life == SLOT_ALIVE ? member->pid : 0,
	};
	return err;
}

int slot_survey(const struct hook *hook, __u32 action,
		struct slot_program *programs)
{
	struct member head, member;
	bool is_there = false;
	__u32 id;
	int err, n = 0;

	err = hook_slot(hook, action, &id);
	if (err || !id)
		return err;
	/* in the last place, until it is known whether it is a capture's */
	err = note(hook, action, id, &programs[SLOT_PROGRAMS_MAX - 1], &head);
	for (__u32 i = 0; i < XDPCAP_CAPTURES_MAX && !err && head.slots_fd >= 0;
	     i++) {
		__u32 other = entry(head.slots_fd, i);

		if (!other)
			continue;
		err = note(hook, action, other, &programs[n++], &member);
		unlook(&member);
		is_there |= other == id;
	}
	unlook(&head);
	if (err)
		return err;
	if (!is_there)
		programs[n++] = programs[SLOT_PROGRAMS_MAX - 1];
	return n;
}
