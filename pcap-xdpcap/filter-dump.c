// SPDX-License-Identifier: BSD-3-Clause
/*
 * xdpcap-filter: print what a filter expression becomes, cBPF and eBPF side by
 * side. It compiles and translates, and needs no privileges: nothing is loaded.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* libpcap's name for a cBPF instruction is the kernel's for an eBPF one. */
#define bpf_insn pcap_insn
#include <pcap/pcap.h>
#undef bpf_insn

#include "translate.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "unknown"
#endif

/* The left column: cBPF. */
#define LEFT_WIDTH 44

struct options {
	struct xdpcap_translate_opts translate;
	struct xdpcap_translate_info info;
	bool hex;
	bool counts;
	int snaplen;
};

static const char *const actions[] = {
	[XDP_ABORTED] = "aborted",   [XDP_DROP] = "drop",
	[XDP_PASS] = "pass",         [XDP_TX] = "tx",
	[XDP_REDIRECT] = "redirect",
};

static const char usage_text[] =
	"Usage: xdpcap-filter [OPTION]... EXPRESSION\n"
	"       xdpcap-filter [OPTION]... 'COUNT,CODE JT JF K,...'\n"
	"Print what a packet filter becomes: the classic BPF program that libpcap\n"
	"compiles, or the one given, and the eBPF program that it is translated to.\n"
	"\n"
	"  -a, --action=ACTION   for packets with this verdict: aborted, drop, pass\n"
	"                        (the default), tx or redirect; inbound and outbound\n"
	"                        depend on it\n"
	"  -c, --counts          print the numbers of instructions only\n"
	"  -f, --frags           for a hook of programs that take multi-buffer packets\n"
	"  -s, --snaplen=BYTES   what the filter returns for a match (262144)\n"
	"  -x, --hex             print the eBPF program as numbers, one instruction a\n"
	"                        line: code dst src off imm\n"
	"  -h, --help            print this text\n"
	"  -V, --version         print the version\n"
	"\n"
	"Exit status: 0; 1 if the filter is not valid or stays in user space; 2 for\n"
	"wrong options.\n";

/* ---- eBPF as text ---------------------------------------------------- */

static const char *const alu_names[16] = {
	"+=",  "-=", "*=", "/=", "|=", "&=",   "<<=",
	">>=", "-",  "%=", "^=", "=",  "s>>=",
};

static const char *const jump_names[16] = {
	"",    "==", ">", ">=", "&",  "!=", "s>",
	"s>=", "",   "",  "<",  "<=", "s<", "s<=",
};

static const char *const size_names[4] = { "u32", "u16", "u8", "u64" };

static const char *helper_name(int32_t helper)
{
	switch (helper) {
	case BPF_FUNC_get_smp_processor_id:
		return "get_smp_processor_id";
	case BPF_FUNC_get_prandom_u32:
		return "get_prandom_u32";
	case BPF_FUNC_xdp_get_buff_len:
		return "xdp_get_buff_len";
	case BPF_FUNC_xdp_load_bytes:
		return "xdp_load_bytes";
	default:
		return "?";
	}
}

static void format_alu(char *buf, size_t size, const struct bpf_insn *i)
{
	char r = BPF_CLASS(i->code) == BPF_ALU ? 'w' : 'r';
	const char *name = alu_names[BPF_OP(i->code) >> 4];

	if (BPF_OP(i->code) == BPF_END)
		snprintf(buf, size, "r%d = be%d(r%d)", i->dst_reg, i->imm,
			 i->dst_reg);
	else if (BPF_OP(i->code) == BPF_NEG)
		snprintf(buf, size, "%c%d = -%c%d", r, i->dst_reg, r, i->dst_reg);
	else if (BPF_SRC(i->code) == BPF_X)
		snprintf(buf, size, "%c%d %s %c%d", r, i->dst_reg, name, r,
			 i->src_reg);
	else if (r == 'w')
		snprintf(buf, size, "w%d %s 0x%x", i->dst_reg, name,
			 (unsigned)i->imm);
	else
		snprintf(buf, size, "r%d %s %d", i->dst_reg, name, i->imm);
}

static void format_jump(char *buf, size_t size, const struct bpf_insn *i,
			size_t at)
{
	char r = BPF_CLASS(i->code) == BPF_JMP32 ? 'w' : 'r';
	const char *name = jump_names[BPF_OP(i->code) >> 4];
	long to = (long)at + 1 + i->off;

	if (i->code == (BPF_JMP | BPF_EXIT))
		snprintf(buf, size, "exit");
	else if (i->code == (BPF_JMP | BPF_CALL))
		snprintf(buf, size, "call %s", helper_name(i->imm));
	else if (BPF_OP(i->code) == BPF_JA)
		snprintf(buf, size, "goto %ld", to);
	else if (BPF_SRC(i->code) == BPF_X)
		snprintf(buf, size, "if %c%d %s %c%d goto %ld", r, i->dst_reg,
			 name, r, i->src_reg, to);
	else
		snprintf(buf, size, "if %c%d %s 0x%x goto %ld", r, i->dst_reg,
			 name, (unsigned)i->imm, to);
}

/* The translator's subset of eBPF, in the notation of the kernel's verifier. */
static void format_insn(char *buf, size_t size, const struct bpf_insn *i,
			size_t at)
{
	const char *width = size_names[BPF_SIZE(i->code) >> 3];

	switch (BPF_CLASS(i->code)) {
	case BPF_LDX:
		snprintf(buf, size, "r%d = *(%s *)(r%d %+d)", i->dst_reg, width,
			 i->src_reg, i->off);
		break;
	case BPF_ST:
		snprintf(buf, size, "*(%s *)(r%d %+d) = %d", width, i->dst_reg,
			 i->off, i->imm);
		break;
	case BPF_STX:
		snprintf(buf, size, "*(%s *)(r%d %+d) = r%d", width, i->dst_reg,
			 i->off, i->src_reg);
		break;
	case BPF_ALU:
	case BPF_ALU64:
		format_alu(buf, size, i);
		break;
	default:
		format_jump(buf, size, i, at);
		break;
	}
}

/* ---- the tables ------------------------------------------------------ */

static void format_cbpf(char *buf, size_t size, const struct sock_filter *f,
			int32_t i)
{
	char *end = buf;

	snprintf(buf, size, "%s", bpf_image((const void *)&f[i], (int)i));
	for (char *p = buf; *p; p++) {
		if (*p == '\t')
			*p = ' ';
		if (*p != ' ')
			end = p + 1;
	}
	*end = 0;
}

static const char *origin_name(int32_t origin)
{
	switch (origin) {
	case XDPCAP_ORIGIN_ENTRY:
		return "(start)";
	case XDPCAP_ORIGIN_ACCEPT:
		return "(match)";
	case XDPCAP_ORIGIN_REJECT:
		return "(no match)";
	default:
		return "(relays)";
	}
}

struct table {
	const struct sock_filter *cbpf;
	int32_t n;
	int32_t shown; /* how far those without code were printed */
	bool has_code[BPF_MAXINSNS];
};

/* Print the cBPF instructions before `to' that became nothing. */
static void print_without_code(struct table *t, int32_t to)
{
	char left[128];

	for (; t->shown < to; t->shown++) {
		if (t->has_code[t->shown])
			continue;
		format_cbpf(left, sizeof(left), t->cbpf, t->shown);
		printf("%-*s|\n", LEFT_WIDTH, left);
	}
}

static void print_row(const char *left, size_t i, const struct bpf_insn *insn)
{
	char right[128];

	format_insn(right, sizeof(right), insn, i);
	printf("%-*s| %4zu: %s\n", LEFT_WIDTH, left, i, right);
}

static void print_both(const struct sock_filter *f, int32_t n,
		       const struct bpf_insn *ebpf, size_t len,
		       const struct xdpcap_translate_info *info)
{
	struct table t = { .cbpf = f, .n = n };
	int32_t last = INT32_MIN;
	char left[128];

	for (size_t i = 0; i < len; i++)
		if (info->origin[i] >= 0)
			t.has_code[info->origin[i]] = true;
	for (size_t i = 0; i < len; i++) {
		int32_t origin = info->origin[i];

		if (i == info->far_start) {
			print_without_code(&t, n);
			printf("%-*s|\n", LEFT_WIDTH,
			       "(loads by bpf_xdp_load_bytes)");
			last = INT32_MIN;
		}
		left[0] = 0;
		if (origin < 0 && origin != last) {
			if (last >= 0)
				print_without_code(&t, n);
			snprintf(left, sizeof(left), "%s", origin_name(origin));
		} else if (origin != last) {
			print_without_code(&t, origin);
			format_cbpf(left, sizeof(left), f, origin);
		}
		last = origin;
		print_row(left, i, &ebpf[i]);
	}
	print_without_code(&t, n);
}

static void print_hex(const struct bpf_insn *ebpf, size_t len)
{
	for (size_t i = 0; i < len; i++)
		printf("%02x %x %x %04x %08x\n", ebpf[i].code, ebpf[i].dst_reg,
		       ebpf[i].src_reg, (unsigned)(uint16_t)ebpf[i].off,
		       (unsigned)ebpf[i].imm);
}

static void print_counts(size_t n, size_t len,
			 const struct xdpcap_translate_info *info)
{
	printf("%zu cBPF instructions, %zu eBPF instructions (%zu direct, %zu "
	       "by bpf_xdp_load_bytes), %zu bounds checks\n",
	       n, len, info->far_start, len - info->far_start, info->checks);
	if (info->far_only)
		printf("too many paths for the verifier: all loads by "
		       "bpf_xdp_load_bytes\n");
}

/* ---- the program ----------------------------------------------------- */

static int print_filter(struct options *o, const struct sock_filter *f, size_t n)
{
	struct xdpcap_translate_error err;
	struct bpf_insn *ebpf;
	size_t len;

	o->translate.info = &o->info;
	if (xdpcap_translate(f, n, &o->translate, &ebpf, &len, &err) < 0) {
		fprintf(stderr,
			"xdpcap-filter: instruction %zu: %s; the filter runs "
			"in user space\n",
			err.insn, err.msg);
		return 1;
	}
	if (o->hex)
		print_hex(ebpf, len);
	else if (!o->counts && o->info.origin)
		print_both(f, (int32_t)n, ebpf, len, &o->info);
	if (!o->hex)
		print_counts(n, len, &o->info);
	free(ebpf);
	free(o->info.origin);
	return 0;
}

/* COUNT,CODE JT JF K,... as tcpdump -ddd prints, with commas for newlines. */
static int print_raw(struct options *o, const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);
	struct sock_filter *f;
	int ret;

	if (n == 0 || n > BPF_MAXINSNS) {
		fprintf(stderr,
			"xdpcap-filter: \"%s\": the number of instructions must be 1 to %d\n",
			text, BPF_MAXINSNS);
		return 1;
	}
	f = calloc(n, sizeof(*f));
	if (!f) {
		perror("xdpcap-filter");
		return 1;
	}
	for (unsigned long i = 0; i < n; i++) {
		unsigned long code, jt, jf, k;
		int used = 0;

		if (sscanf(end, ",%lu %lu %lu %lu%n", &code, &jt, &jf, &k,
			   &used) != 4 ||
		    code > UINT16_MAX || jt > UINT8_MAX || jf > UINT8_MAX ||
		    k > UINT32_MAX) {
			fprintf(stderr,
				"xdpcap-filter: \"%s\": instruction %lu of %lu is not \",CODE JT JF K\"\n",
				end, i, n);
			free(f);
			return 1;
		}
		f[i] = (struct sock_filter){ code, jt, jf, k };
		end += used;
	}
	if (end[strspn(end, ", \n")]) {
		fprintf(stderr,
			"xdpcap-filter: \"%s\": there are more than the %lu instructions that it says\n",
			end, n);
		free(f);
		return 1;
	}
	ret = print_filter(o, f, n);
	free(f);
	return ret;
}

static int print_expression(struct options *o, const char *expression)
{
	pcap_t *p = pcap_open_dead(DLT_EN10MB, o->snaplen);
	struct bpf_program prog;
	int ret;

	if (!p) {
		perror("xdpcap-filter: pcap_open_dead");
		return 1;
	}
	if (pcap_compile(p, &prog, expression, 1, PCAP_NETMASK_UNKNOWN) < 0) {
		fprintf(stderr, "xdpcap-filter: \"%s\": %s\n", expression,
			pcap_geterr(p));
		pcap_close(p);
		return 1;
	}
	ret = print_filter(o, (const struct sock_filter *)prog.bf_insns,
			   prog.bf_len);
	pcap_freecode(&prog);
	pcap_close(p);
	return ret;
}

static bool is_raw(const char *text)
{
	size_t digits = strspn(text, "0123456789");

	return digits > 0 && text[digits] == ',';
}

/* Returns false if there is no such action. */
static bool set_action(struct options *o, const char *name)
{
	for (uint32_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		if (strcasecmp(name, actions[i]) == 0) {
			o->translate.action = i;
			return true;
		}
	}
	fprintf(stderr,
		"xdpcap-filter: \"%s\" is no action: aborted, drop, pass, tx, redirect\n",
		name);
	return false;
}

static bool set_snaplen(struct options *o, const char *text)
{
	char *end;
	long v = strtol(text, &end, 10);

	if (*end || v < 1 || v > 262144) {
		fprintf(stderr,
			"xdpcap-filter: \"%s\" is no snapshot length: 1 to 262144\n",
			text);
		return false;
	}
	o->snaplen = (int)v;
	return true;
}

int main(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "action", required_argument, NULL, 'a' },
		{ "counts", no_argument, NULL, 'c' },
		{ "frags", no_argument, NULL, 'f' },
		{ "help", no_argument, NULL, 'h' },
		{ "hex", no_argument, NULL, 'x' },
		{ "snaplen", required_argument, NULL, 's' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	struct options o = {
		.translate.action = XDP_PASS,
		.snaplen = 262144,
	};
	bool ok = true;
	int opt;

	while ((opt = getopt_long(argc, argv, "a:cfhs:xV", longopts, NULL)) !=
	       -1) {
		switch (opt) {
		case 'a':
			ok &= set_action(&o, optarg);
			break;
		case 'c':
			o.counts = true;
			break;
		case 'f':
			o.translate.frags = true;
			break;
		case 'h':
			fputs(usage_text, stdout);
			return 0;
		case 's':
			ok &= set_snaplen(&o, optarg);
			break;
		case 'x':
			o.hex = true;
			break;
		case 'V':
			printf("xdpcap-filter %s, %s\n", PACKAGE_VERSION,
			       pcap_lib_version());
			return 0;
		default:
			ok = false;
			break;
		}
	}
	if (!ok || argc - optind != 1) {
		if (ok)
			fprintf(stderr, "xdpcap-filter: one expression is "
					"needed, in quotes\n");
		fprintf(stderr, "See xdpcap-filter --help.\n");
		return 2;
	}
	if (is_raw(argv[optind]))
		return print_raw(&o, argv[optind]);
	return print_expression(&o, argv[optind]);
}
