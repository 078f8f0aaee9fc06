// SPDX-License-Identifier: BSD-3-Clause
/*
 * Makes a hook and loads a program of a given kind that owns it, as loaders of
 * all sorts do: libbpf loads XDP programs with expected_attach_type BPF_XDP,
 * others with 0, and those of a devmap or cpumap with its type. Pins DIR/hook
 * and DIR/prog, which is to be attached to an interface. The owner is that
 * program, or one in a devmap or cpumap that it redirects to; it drops packets
 * to odd UDP ports (over IPv4) and passes those to even ones, or gives every
 * packet the same verdict.
 */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>

#include <bpf/bpf.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define INSN(c, d, s, o, i)                 \
	((struct bpf_insn){ .code = (c),    \
			    .dst_reg = (d), \
			    .src_reg = (s), \
			    .off = (o),     \
			    .imm = (i) })
#define MOV64_IMM(d, i)     INSN(BPF_ALU64 | BPF_MOV | BPF_K, d, 0, 0, i)
#define CALL(f)             INSN(BPF_JMP | BPF_CALL, 0, 0, 0, f)
#define EXIT()              INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)
#define MOV64_REG(d, s)     INSN(BPF_ALU64 | BPF_MOV | BPF_X, d, s, 0, 0)
#define LOAD(size, d, s, o) INSN(BPF_LDX | (size) | BPF_MEM, d, s, o, 0)
#define LD_MAP_FD(d, fd)                                              \
	INSN(BPF_LD | BPF_DW | BPF_IMM, d, BPF_PSEUDO_MAP_FD, 0, fd), \
		INSN(0, 0, 0, 0, 0)

#define CPUMAP_QUEUE 192

/* The low byte of a UDP packet's destination port, over IPv4 without options. */
#define PORT_LOW (ETH_HLEN + 20 + 3)

/* The verdict depends on the packet. */
#define BY_PORT (-1)

static const char usage[] =
	"Usage: owner [OPTION]... DIR\n"
	"  -n ENTRIES    slots of the hook (5)\n"
	"  -e            the hook exists already, pinned as DIR/hook\n"
	"  -t TYPE       xdp, 0, devmap, cpumap, or tc, which is no XDP program (xdp)\n"
	"  -f            for packets in several buffers\n"
	"  -a ACTION     every packet's verdict, a number\n"
	"  -i INDEX      the interface that the devmap names\n";

static const struct type {
	const char *name;
	enum bpf_prog_type prog_type;
	enum bpf_attach_type attach_type;
	enum bpf_map_type map_type; /* of the map that runs it, or 0 */
} types[] = {
	{ "xdp", BPF_PROG_TYPE_XDP, BPF_XDP, 0 },
	{ "0", BPF_PROG_TYPE_XDP, 0, 0 },
	{ "devmap", BPF_PROG_TYPE_XDP, BPF_XDP_DEVMAP, BPF_MAP_TYPE_DEVMAP },
	{ "cpumap", BPF_PROG_TYPE_XDP, BPF_XDP_CPUMAP, BPF_MAP_TYPE_CPUMAP },
	{ "tc", BPF_PROG_TYPE_SCHED_CLS, 0, 0 },
};

static int must(const char *what, int ret)
{
	if (ret >= 0)
		return ret;
	fprintf(stderr, "owner: %s: %s\n", what, strerror(-ret));
	exit(1);
}

static int load(const char *what, const struct bpf_insn *insns, size_t n,
		const struct type *type, bool frags)
{
	LIBBPF_OPTS(bpf_prog_load_opts, opts);

	opts.expected_attach_type = type->attach_type;
	opts.prog_flags = frags ? BPF_F_XDP_HAS_FRAGS : 0;
	return must(what, bpf_prog_load(type->prog_type, "owner", "GPL", insns,
					n, &opts));
}

static int load_owner(int hook, const struct type *type, bool frags, int action)
{
	const struct bpf_insn by_port[] = {
		MOV64_IMM(BPF_REG_6, XDP_DROP),
		LOAD(BPF_W, BPF_REG_2, BPF_REG_1, offsetof(struct xdp_md, data)),
		LOAD(BPF_W, BPF_REG_3, BPF_REG_1,
		     offsetof(struct xdp_md, data_end)),
		MOV64_REG(BPF_REG_4, BPF_REG_2),
		INSN(BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_4, 0, 0, PORT_LOW + 1),
		INSN(BPF_JMP | BPF_JGT | BPF_X, BPF_REG_4, BPF_REG_3, 4, 0),
		/* pass (2) less the lowest bit is drop (1), if that is set */
		MOV64_IMM(BPF_REG_6, XDP_PASS),
		LOAD(BPF_B, BPF_REG_2, BPF_REG_2, PORT_LOW),
		INSN(BPF_ALU64 | BPF_AND | BPF_K, BPF_REG_2, 0, 0, 1),
		INSN(BPF_ALU64 | BPF_SUB | BPF_X, BPF_REG_6, BPF_REG_2, 0, 0),
	};
	const struct bpf_insn same[] = { MOV64_IMM(BPF_REG_6, action) };
	const struct bpf_insn end[] = {
		LD_MAP_FD(BPF_REG_2, hook),
		MOV64_REG(BPF_REG_3, BPF_REG_6),
		CALL(BPF_FUNC_tail_call),
		MOV64_REG(BPF_REG_0, BPF_REG_6),
		EXIT(),
	};
	struct bpf_insn insns[ARRAY_SIZE(by_port) + ARRAY_SIZE(end)];
	size_t n = ARRAY_SIZE(by_port);

	if (action == BY_PORT) {
		memcpy(insns, by_port, sizeof(by_port));
	} else {
		n = ARRAY_SIZE(same);
		memcpy(insns, same, sizeof(same));
	}
	memcpy(insns + n, end, sizeof(end));
	return load("load the owner", insns, n + ARRAY_SIZE(end), type, frags);
}

/* A program that redirects to the map's entry 0. */
static int load_redirect(int map, bool frags)
{
	const struct bpf_insn insns[] = {
		LD_MAP_FD(BPF_REG_1, map),
		MOV64_IMM(BPF_REG_2, 0),
		MOV64_IMM(BPF_REG_3, XDP_ABORTED),
		CALL(BPF_FUNC_redirect_map),
		EXIT(),
	};

	return load("load the redirecting program", insns, ARRAY_SIZE(insns),
		    &types[0], frags);
}

/* A map of one entry, which runs the owner. */
static int create_map(enum bpf_map_type type, int owner, unsigned int ifindex)
{
	const struct bpf_devmap_val device = { .ifindex = ifindex,
					       .bpf_prog.fd = owner };
	const struct bpf_cpumap_val cpu = { .qsize = CPUMAP_QUEUE,
					    .bpf_prog.fd = owner };
	const void *value = &device;
	const __u32 zero = 0;
	int map;

	if (type == BPF_MAP_TYPE_CPUMAP)
		value = &cpu;
	map = must("create the map",
		   bpf_map_create(type, "owner", 4, 8, 1, NULL));
	must("put the owner into the map",
	     bpf_map_update_elem(map, &zero, value, 0));
	return map;
}

static void pin(int fd, const char *dir, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	must(path, bpf_obj_pin(fd, path));
}

static int open_hook(const char *dir)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/hook", dir);
	return bpf_obj_get(path);
}

int main(int argc, char **argv)
{
	const struct type *type = &types[0];
	unsigned int entries = 5, ifindex = 0;
	bool frags = false, exists = false;
	int opt, hook, prog, action = BY_PORT;
	size_t i;

	while ((opt = getopt(argc, argv, "n:et:fa:i:")) != -1) {
		switch (opt) {
		case 'n':
			entries = atoi(optarg);
			break;
		case 'e':
			exists = true;
			break;
		case 't':
			for (i = 0; i < ARRAY_SIZE(types); i++)
				if (!strcmp(types[i].name, optarg))
					break;
			if (i == ARRAY_SIZE(types))
				goto usage;
			type = &types[i];
			break;
		case 'f':
			frags = true;
			break;
		case 'a':
			action = atoi(optarg);
			break;
		case 'i':
			ifindex = atoi(optarg);
			break;
		default:
			goto usage;
		}
	}
	if (optind != argc - 1)
		goto usage;

	if (exists)
		hook = must("open the hook", open_hook(argv[optind]));
	else
		hook = must("create the hook",
			    bpf_map_create(BPF_MAP_TYPE_PROG_ARRAY, "hook", 4,
					   4, entries, NULL));
	prog = load_owner(hook, type, frags, action);
	if (type->map_type)
		prog = load_redirect(create_map(type->map_type, prog, ifindex),
				     frags);
	if (!exists)
		pin(hook, argv[optind], "hook");
	pin(prog, argv[optind], "prog");
	return 0;

usage:
	fputs(usage, stderr);
	return 2;
}
