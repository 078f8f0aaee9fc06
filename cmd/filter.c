// SPDX-License-Identifier: BSD-3-Clause
/*
 * From what the user gives as a filter to a cBPF program; see filter.h.
 *
 * An expression for offsets is compiled as for a packet that begins with an IP
 * header (DLT_RAW), once, and the program put behind itself for each offset, with
 * its loads moved. One that does not match goes on to the next. A load that is
 * not in the packet would end the whole program, so but in the last one each is
 * preceded by a check.
 */
#include "filter.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ancillary.h"

/* Longest program that the kernel and libpcap take. */
#define INSNS_MAX 4096

/* A memory word for A, while it is needed for a check. */
#define SPARE_WORD (BPF_MEMWORDS - 1)

/* ---- Programs as numbers --------------------------------------------- */

/* Spaces, a number up to max, and the character after it (0: the end). */
static bool parse_number(const char **text, unsigned long max, char after,
			 unsigned long *value)
{
	const char *at = *text + strspn(*text, " \t\n");
	char *end;

	if (!isdigit((unsigned char)*at))
		return false;
	errno = 0;
	*value = strtoul(at, &end, 10);
	if (errno || *value > max)
		return false;
	if (after == ' ' && !isspace((unsigned char)*end))
		return false;
	if (after == ',') {
		end += strspn(end, " \t\n");
		if (*end != ',' && *end != '\0')
			return false;
		end += *end == ',';
	}
	*text = end;
	return true;
}

int filter_is_program(const char *text)
{
	return text[strspn(text, " \t\n0123456789,")] == '\0' &&
	       strchr(text, ',');
}

static int parse_program(const char *text, struct bpf_program *program,
			 char *err, size_t size)
{
	unsigned long count, value[4];
	const char *at = text;
	struct bpf_insn *insns;
	unsigned int i, j;

	if (!parse_number(&at, INSNS_MAX, ',', &count) || !count) {
		snprintf(err, size,
			 "filter: a cBPF program begins with its number of instructions, 1 to %d",
			 INSNS_MAX);
		return -1;
	}
	insns = calloc(count, sizeof(*insns));
	if (!insns) {
		snprintf(err, size, "filter: %s", strerror(errno));
		return -1;
	}
	for (i = 0; i < count; i++) {
		static const unsigned long max[4] = { UINT16_MAX, UINT8_MAX,
						      UINT8_MAX, UINT32_MAX };

		for (j = 0; j < 4; j++)
			if (!parse_number(&at, max[j], j < 3 ? ' ' : ',',
					  &value[j]))
				break;
		if (j < 4) {
			snprintf(err, size,
				 "filter: instruction %u of %lu is not \"OP JT JF K,\"",
				 i, count);
			goto err_out;
		}
		insns[i].code = (unsigned short)value[0];
		insns[i].jt = (unsigned char)value[1];
		insns[i].jf = (unsigned char)value[2];
		insns[i].k = (bpf_u_int32)value[3];
	}
	if (at[strspn(at, " \t\n")]) {
		snprintf(err, size,
			 "filter: more than the %lu instructions that it says it has",
			 count);
		goto err_out;
	}
	if (!bpf_validate(insns, (int)count)) {
		snprintf(err, size, "filter: not a valid cBPF program");
		goto err_out;
	}
	program->bf_len = (u_int)count;
	program->bf_insns = insns;
	return 0;

err_out:
	free(insns);
	return -1;
}

/* ---- Expressions at offsets ------------------------------------------ */

/* A program that is being written; len may run past what there is room for. */
struct code {
	struct bpf_insn insns[INSNS_MAX];
	unsigned int len;
};

/* The place to go to if this program does not match, filled in at its end. */
#define NO_MATCH INSNS_MAX

static void emit(struct code *code, unsigned int op, bpf_u_int32 k,
		 unsigned int jt, unsigned int jf)
{
	if (code->len < INSNS_MAX)
		code->insns[code->len] = (struct bpf_insn){
			.code = (unsigned short)op,
			.jt = (unsigned char)jt,
			.jf = (unsigned char)jf,
			.k = k,
		};
	code->len++;
}

/* One program at one offset. */
struct shift {
	const struct bpf_program *from;
	uint32_t offset;
	bool last;
	bool jump_far[INSNS_MAX];          /* does not reach with 8 bits */
	unsigned int place[INSNS_MAX + 1]; /* where each instruction went */
};

static bool is_jump(const struct bpf_insn *insn)
{
	return BPF_CLASS(insn->code) == BPF_JMP && BPF_OP(insn->code) != BPF_JA;
}

static void emit_no_match(struct code *code, const struct shift *shift)
{
	emit(code, BPF_JMP | BPF_JA, shift->place[NO_MATCH] - code->len - 1, 0,
	     0);
}

/* Unless A >= k, no match. */
static void emit_at_least(struct code *code, const struct shift *shift,
			  bpf_u_int32 k)
{
	emit(code, BPF_JMP | BPF_JGE | BPF_K, k, 1, 0);
	emit_no_match(code, shift);
}

static unsigned int load_size(const struct bpf_insn *insn)
{
	switch (BPF_SIZE(insn->code)) {
	case BPF_W:
		return 4;
	case BPF_H:
		return 2;
	default:
		return 1;
	}
}

static void emit_load(struct code *code, const struct shift *shift,
		      const struct bpf_insn *insn)
{
	bpf_u_int32 k = insn->k + shift->offset;
	bpf_u_int32 end = k + load_size(insn);

	if (!shift->last) {
		emit(code, BPF_LD | BPF_W | BPF_LEN, 0, 0, 0);
		emit_at_least(code, shift, end);
		if (BPF_MODE(insn->code) == BPF_IND) {
			/* X + end <= the length, without wrapping around */
			emit(code, BPF_ALU | BPF_SUB | BPF_K, end, 0, 0);
			emit(code, BPF_JMP | BPF_JGE | BPF_X, 0, 1, 0);
			emit_no_match(code, shift);
		}
	}
	emit(code, insn->code, k, 0, 0);
}

/* LDX: A is to stay as it is. */
static void emit_loadx(struct code *code, const struct shift *shift,
		       const struct bpf_insn *insn)
{
	bpf_u_int32 k = insn->k + shift->offset;
	bool len = BPF_MODE(insn->code) == BPF_LEN;

	if (len || !shift->last) {
		emit(code, BPF_ST, SPARE_WORD, 0, 0);
		emit(code, BPF_LD | BPF_W | BPF_LEN, 0, 0, 0);
	}
	if (len) {
		emit(code, BPF_ALU | BPF_SUB | BPF_K, shift->offset, 0, 0);
		emit(code, BPF_MISC | BPF_TAX, 0, 0, 0);
	} else if (!shift->last) {
		emit_at_least(code, shift, k + 1);
	}
	if (len || !shift->last)
		emit(code, BPF_LD | BPF_MEM, SPARE_WORD, 0, 0);
	if (!len)
		emit(code, insn->code, k, 0, 0);
}

static void emit_jump(struct code *code, const struct shift *shift, unsigned int i)
{
	const struct bpf_insn *insn = &shift->from->bf_insns[i];
	unsigned int t = shift->place[i + 1 + insn->jt];
	unsigned int f = shift->place[i + 1 + insn->jf];

	if (!shift->jump_far[i]) {
		emit(code, insn->code, insn->k, t - code->len - 1,
		     f - code->len - 1);
		return;
	}
	emit(code, insn->code, insn->k, 0, 1);
	emit(code, BPF_JMP | BPF_JA, t - code->len - 1, 0, 0);
	emit(code, BPF_JMP | BPF_JA, f - code->len - 1, 0, 0);
}

static void emit_insn(struct code *code, const struct shift *shift, unsigned int i)
{
	const struct bpf_insn *insn = &shift->from->bf_insns[i];

	switch (BPF_CLASS(insn->code)) {
	case BPF_LD:
		if (BPF_MODE(insn->code) == BPF_LEN) {
			emit(code, insn->code, 0, 0, 0);
			emit(code, BPF_ALU | BPF_SUB | BPF_K, shift->offset, 0,
			     0);
			return;
		}
		/* ancillary data are no packet data */
		if ((BPF_MODE(insn->code) == BPF_ABS &&
		     insn->k < (bpf_u_int32)SKF_AD_OFF) ||
		    BPF_MODE(insn->code) == BPF_IND) {
			emit_load(code, shift, insn);
			return;
		}
		break;
	case BPF_LDX:
		if (BPF_MODE(insn->code) == BPF_MSH ||
		    BPF_MODE(insn->code) == BPF_LEN) {
			emit_loadx(code, shift, insn);
			return;
		}
		break;
	case BPF_JMP:
		if (is_jump(insn)) {
			emit_jump(code, shift, i);
			return;
		}
		emit(code, insn->code,
		     shift->place[i + 1 + insn->k] - code->len - 1, 0, 0);
		return;
	case BPF_RET:
		if (insn->k == 0) {
			emit_no_match(code, shift);
			return;
		}
		break;
	default:
		break;
	}
	emit(code, insn->code, insn->k, insn->jt, insn->jf);
}

/*
 * Write the program for one offset, for the first time with every place still
 * wrong, to find out where the instructions go.
 */
static void emit_program(struct code *code, struct shift *shift)
{
	unsigned int i;

	/* what is at the offset may be empty, but not begin behind the packet */
	emit(code, BPF_LD | BPF_W | BPF_LEN, 0, 0, 0);
	emit_at_least(code, shift, shift->offset);
	for (i = 0; i < shift->from->bf_len; i++) {
		shift->place[i] = code->len;
		emit_insn(code, shift, i);
	}
	shift->place[NO_MATCH] = code->len;
}

static void emit_shifted(struct code *code, struct shift *shift)
{
	const struct bpf_insn *insns = shift->from->bf_insns;
	unsigned int begin = code->len, i;

	/*
	 * With all jumps far, instructions are as far from each other as they
	 * can be: what reaches then is near.
	 */
	memset(shift->jump_far, true, sizeof(shift->jump_far));
	emit_program(code, shift);
	for (i = 0; i < shift->from->bf_len; i++) {
		unsigned int after = shift->place[i] + 1;

		shift->jump_far[i] =
			is_jump(&insns[i]) &&
			(shift->place[i + 1 + insns[i].jt] - after > UINT8_MAX ||
			 shift->place[i + 1 + insns[i].jf] - after > UINT8_MAX);
	}
	code->len = begin;
	emit_program(code, shift);
	code->len = begin;
	emit_program(code, shift);
}

/* What libpcap never makes of an expression, or only of one beyond all use. */
static bool can_be_shifted(const struct bpf_program *program, uint32_t offset)
{
	unsigned int i;

	for (i = 0; i < program->bf_len; i++) {
		const struct bpf_insn *insn = &program->bf_insns[i];
		unsigned int class = BPF_CLASS(insn->code);
		unsigned int mode = BPF_MODE(insn->code);

		if (class == BPF_RET && BPF_RVAL(insn->code) != BPF_K)
			return false;
		if ((class == BPF_ST || class == BPF_STX ||
		     ((class == BPF_LD || class == BPF_LDX) && mode == BPF_MEM)) &&
		    insn->k == SPARE_WORD)
			return false;
		if (((class == BPF_LD && mode == BPF_ABS &&
		      insn->k < (bpf_u_int32)SKF_AD_OFF) ||
		     (class == BPF_LD && mode == BPF_IND) ||
		     (class == BPF_LDX && mode == BPF_MSH)) &&
		    insn->k > INT32_MAX - offset - sizeof(uint32_t))
			return false;
	}
	return true;
}

static int compare_offsets(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static int shift_program(const struct filter_spec *spec,
			 const struct bpf_program *from,
			 struct bpf_program *program, char *err, size_t size)
{
	struct shift *shift = calloc(1, sizeof(*shift));
	struct code *code = calloc(1, sizeof(*code));
	uint32_t offsets[FILTER_OFFSETS_MAX];
	size_t i;

	if (!shift || !code) {
		snprintf(err, size, "filter: %s", strerror(errno));
		goto err_out;
	}
	memcpy(offsets, spec->offsets, sizeof(offsets));
	qsort(offsets, spec->noffsets, sizeof(*offsets), compare_offsets);
	shift->from = from;
	for (i = 0; i < spec->noffsets; i++) {
		if (!can_be_shifted(from, offsets[i])) {
			snprintf(err, size,
				 "filter: \"%s\" is too complicated for --offset",
				 spec->text);
			goto err_out;
		}
		shift->offset = offsets[i];
		shift->last = i == spec->noffsets - 1;
		emit_shifted(code, shift);
		if (code->len >= INSNS_MAX)
			break;
	}
	emit(code, BPF_RET | BPF_K, 0, 0, 0);
	if (!code->len || code->len > INSNS_MAX) {
		snprintf(err, size,
			 "filter: more than %d instructions for %zu offsets; a simpler filter, or fewer",
			 INSNS_MAX, spec->noffsets);
		goto err_out;
	}
	program->bf_len = code->len;
	program->bf_insns = malloc(code->len * sizeof(*code->insns));
	if (!program->bf_insns) {
		snprintf(err, size, "filter: %s", strerror(errno));
		goto err_out;
	}
	memcpy(program->bf_insns, code->insns, code->len * sizeof(*code->insns));
	free(code);
	free(shift);
	return 0;

err_out:
	free(code);
	free(shift);
	return -1;
}

/* ---- All of them ----------------------------------------------------- */

static int compile_expression(const char *text, pcap_t *p,
			      struct bpf_program *program, char *err, size_t size)
{
	if (pcap_compile(p, program, text, 1, PCAP_NETMASK_UNKNOWN)) {
		snprintf(err, size, "filter: %s", pcap_geterr(p));
		return -1;
	}
	return 0;
}

int filter_compile(const struct filter_spec *spec, pcap_t *p,
		   struct bpf_program *program, char *err, size_t size)
{
	int linktype = spec->noffsets ? DLT_RAW : spec->linktype, ret;
	struct bpf_program at_begin;
	pcap_t *dead = NULL;

	if (filter_is_program(spec->text))
		return parse_program(spec->text, program, err, size);
	if (linktype != pcap_datalink(p)) {
		dead = pcap_open_dead(linktype, pcap_snapshot(p));
		if (!dead) {
			snprintf(err, size, "filter: %s", strerror(errno));
			return -1;
		}
	}
	if (!spec->noffsets) {
		ret = compile_expression(spec->text, dead ? dead : p, program,
					 err, size);
	} else {
		ret = compile_expression(spec->text, dead, &at_begin, err, size);
		if (!ret) {
			ret = shift_program(spec, &at_begin, program, err, size);
			pcap_freecode(&at_begin);
		}
	}
	if (dead)
		pcap_close(dead);
	return ret;
}
