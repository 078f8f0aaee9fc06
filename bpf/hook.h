/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The hook of an XDP program: a BPF_MAP_TYPE_PROG_ARRAY with one slot for each
 * XDP action. A program that ends every return with
 *
 *	return xdpcap_exit(ctx, &hook, XDP_DROP);
 *
 * can be captured from, once the map is pinned; while nobody captures, the slots
 * are empty and the call costs a few nanoseconds. Source compatible with
 * cloudflare/xdpcap's header of this name.
 *
 * Include it after vmlinux.h, or by itself in programs that use <linux/bpf.h>.
 * It needs no other header.
 */
#ifndef XDPCAP_HOOK_H
#define XDPCAP_HOOK_H

#ifndef __VMLINUX_H__
#include <linux/bpf.h>
#endif

/* Slots of a hook: XDP_ABORTED, _DROP, _PASS, _TX, _REDIRECT. */
#define XDPCAP_HOOK_ENTRIES 5

/*
 * A hook, as a map that libbpf 1.0 and later (and other loaders that know BTF
 * maps) create:
 *
 *	XDPCAP_HOOK_MAP(hook);
 *
 * With _PINNED, libbpf also pins it by its name: /sys/fs/bpf/hook, or in the
 * directory that bpf_object_open_opts.pin_root_path says. A loader that then
 * finds the pin uses that map again.
 */
#define XDPCAP_HOOK_MAP(name)                            \
	struct {                                         \
		int (*type)[BPF_MAP_TYPE_PROG_ARRAY];    \
		int (*key_size)[sizeof(int)];            \
		int (*value_size)[sizeof(int)];          \
		int (*max_entries)[XDPCAP_HOOK_ENTRIES]; \
	} name __attribute__((section(".maps"), used))

#define XDPCAP_HOOK_MAP_PINNED(name)                        \
	struct {                                            \
		int (*type)[BPF_MAP_TYPE_PROG_ARRAY];       \
		int (*key_size)[sizeof(int)];               \
		int (*value_size)[sizeof(int)];             \
		int (*max_entries)[XDPCAP_HOOK_ENTRIES];    \
		int (*pinning)[1 /* LIBBPF_PIN_BY_NAME */]; \
	} name __attribute__((section(".maps"), used))

/*
 * A hook, as an initialiser of the loader's struct bpf_map_def (libbpf before
 * 1.0, cilium/ebpf, Cilium's loader):
 *
 *	struct bpf_map_def hook __attribute__((section("maps"), used)) =
 *		XDPCAP_HOOK();
 */
#define XDPCAP_HOOK()                                                          \
	{                                                                      \
		.type = BPF_MAP_TYPE_PROG_ARRAY, .key_size = sizeof(int),      \
		.value_size = sizeof(int), .max_entries = XDPCAP_HOOK_ENTRIES, \
	}

/*
 * A hook with which packets can also be captured as they come in, before the
 * program has changed them: it has two more slots. Where xdpcap_enter() goes, a
 * capture is put while there is one; as a tail call does not return, the capture
 * then goes on to the program in the other slot, the continuation. That is to do
 * what the program does after xdpcap_enter(), and so most simply is what the program
 * calls there:
 *
 *	SEC("xdp")
 *	int work(struct xdp_md *ctx)
 *	{
 *		...
 *		return xdpcap_exit(ctx, &hook, XDP_PASS);
 *	}
 *
 *	XDPCAP_HOOK_MAP_ENTER(hook, work);
 *
 *	SEC("xdp")
 *	int entry(struct xdp_md *ctx)
 *	{
 *		xdpcap_enter(ctx, &hook);
 *		return work(ctx);
 *	}
 *
 * XDPCAP_HOOK_MAP_ENTER() has libbpf put the continuation into its slot. It needs
 * a declaration of the program before it, and the program one of the hook; another
 * loader has to put it there itself, before anybody can capture.
 */
#define XDPCAP_ENTER_SLOT         5
#define XDPCAP_CONTINUE_SLOT      6
#define XDPCAP_HOOK_ENTER_ENTRIES 7

#define XDPCAP_HOOK_MAP_ENTER(name, continuation)                             \
	struct {                                                              \
		int (*type)[BPF_MAP_TYPE_PROG_ARRAY];                         \
		int (*key_size)[sizeof(int)];                                 \
		int (*max_entries)[XDPCAP_HOOK_ENTER_ENTRIES];                \
		int (*values[])(struct xdp_md *);                             \
	} name __attribute__((section(".maps"), used)) = {                    \
		.values = { [XDPCAP_CONTINUE_SLOT] = (void *)&continuation }, \
	}

/*
 * Let who captures on the hook see the packet as it came in; to be called first.
 * Does not return if somebody captures: then the packet goes on with the
 * continuation. Get ctx->data after it: for the verifier of some kernels, Linux 6.12
 * among them, a tail call may have changed the packet.
 */
static inline __attribute__((always_inline)) void xdpcap_enter(struct xdp_md *ctx,
							       void *hook_map)
{
	((long (*)(void *, void *, __u32))12)(ctx, hook_map, XDPCAP_ENTER_SLOT);
}

/*
 * Return action, and let who captures on the hook see the packet, as the program
 * leaves it, with that verdict. hook_map is a hook's address. Does not return if
 * somebody captures; what it then returns is still action.
 */
static inline __attribute__((always_inline)) enum xdp_action
xdpcap_exit(struct xdp_md *ctx, void *hook_map, enum xdp_action action)
{
	/*
	 * By the helper's number, since its name depends on which header
	 * declares it; BPF_FUNC_tail_call is 12 in every kernel.
	 */
	((long (*)(void *, void *, __u32))12)(ctx, hook_map, action);
	return action;
}

#endif /* XDPCAP_HOOK_H */
