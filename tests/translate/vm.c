// SPDX-License-Identifier: BSD-3-Clause
/* An eBPF interpreter: see vm.h. */
#include "vm.h"

#include <endian.h>
#include <string.h>

#define STACK_SIZE 512

struct vm {
	uint8_t ctx; /* its address is the context's */
	const struct vm_packet *packet;
	uint64_t reg[11];
	_Alignas(8) uint8_t stack[STACK_SIZE];
	const char *error; /* after the stack: no frame pointer is ctx */
};

static uint32_t swap(uint64_t v, int bits)
{
	return bits == 16 ? be16toh((uint16_t)v) : be32toh((uint32_t)v);
}

static uint64_t alu64(uint8_t op, uint64_t a, uint64_t b, const char **error)
{
	switch (op) {
	case BPF_ADD:
		return a + b;
	case BPF_SUB:
		return a - b;
	case BPF_MUL:
		return a * b;
	case BPF_DIV:
		return b ? a / b : 0;
	case BPF_MOD:
		return b ? a % b : a;
	case BPF_OR:
		return a | b;
	case BPF_AND:
		return a & b;
	case BPF_LSH:
		return a << (b & 63);
	case BPF_RSH:
		return a >> (b & 63);
	case BPF_NEG:
		return 0 - a;
	case BPF_XOR:
		return a ^ b;
	case BPF_MOV:
		return b;
	case BPF_ARSH:
		return (uint64_t)((int64_t)a >> (b & 63));
	default:
		*error = "unknown arithmetic";
		return 0;
	}
}

static uint32_t alu32(uint8_t op, uint32_t a, uint32_t b, const char **error)
{
	if (op == BPF_LSH)
		return a << (b & 31);
	if (op == BPF_RSH)
		return a >> (b & 31);
	if (op == BPF_ARSH)
		return (uint32_t)((int32_t)a >> (b & 31));
	return (uint32_t)alu64(op, a, b, error);
}

static bool compare(uint8_t op, uint64_t a, uint64_t b, bool wide,
		    const char **error)
{
	int64_t sa = wide ? (int64_t)a : (int32_t)a;
	int64_t sb = wide ? (int64_t)b : (int32_t)b;

	switch (op) {
	case BPF_JEQ:
		return a == b;
	case BPF_JNE:
		return a != b;
	case BPF_JGT:
		return a > b;
	case BPF_JGE:
		return a >= b;
	case BPF_JLT:
		return a < b;
	case BPF_JLE:
		return a <= b;
	case BPF_JSET:
		return (a & b) != 0;
	case BPF_JSGT:
		return sa > sb;
	case BPF_JSGE:
		return sa >= sb;
	case BPF_JSLT:
		return sa < sb;
	case BPF_JSLE:
		return sa <= sb;
	default:
		*error = "unknown jump";
		return false;
	}
}

static int access_size(uint8_t code)
{
	switch (BPF_SIZE(code)) {
	case BPF_B:
		return 1;
	case BPF_H:
		return 2;
	case BPF_W:
		return 4;
	default:
		return 8;
	}
}

static bool on_stack(const struct vm *vm, uint64_t at, uint64_t size)
{
	uint64_t stack = (uint64_t)(uintptr_t)vm->stack;

	return at >= stack && at + size <= stack + STACK_SIZE;
}

static bool in_packet(const struct vm *vm, uint64_t at, uint64_t size)
{
	uint64_t data = (uint64_t)(uintptr_t)vm->packet->data;

	return at >= data && at + size <= data + vm->packet->linear;
}

static uint64_t load_ctx(struct vm *vm, uint64_t off)
{
	const struct vm_packet *p = vm->packet;

	switch (off) {
	case offsetof(struct xdp_md, data):
		return (uint64_t)(uintptr_t)p->data;
	case offsetof(struct xdp_md, data_end):
		return (uint64_t)(uintptr_t)p->data + p->linear;
	case offsetof(struct xdp_md, ingress_ifindex):
		return p->ifindex;
	case offsetof(struct xdp_md, rx_queue_index):
		return p->queue;
	default:
		vm->error = "unknown field of the context";
		return 0;
	}
}

static uint64_t load(struct vm *vm, const struct bpf_insn *i)
{
	uint64_t at = vm->reg[i->src_reg] + (uint64_t)(int64_t)i->off;
	uint64_t ctx = (uint64_t)(uintptr_t)&vm->ctx;
	int size = access_size(i->code);
	uint64_t v = 0;

	if (vm->reg[i->src_reg] == ctx)
		return load_ctx(vm, at - ctx);
	if (!on_stack(vm, at, (uint64_t)size) &&
	    !in_packet(vm, at, (uint64_t)size)) {
		vm->error = "load out of bounds";
		return 0;
	}
	/* Little endian, as is the rest of this file's use of integers. */
	memcpy(&v, (const void *)(uintptr_t)at, (size_t)size);
	return v;
}

static void store(struct vm *vm, const struct bpf_insn *i, uint64_t v)
{
	uint64_t at = vm->reg[i->dst_reg] + (uint64_t)(int64_t)i->off;
	int size = access_size(i->code);

	if (on_stack(vm, at, (uint64_t)size))
		memcpy((void *)(uintptr_t)at, &v, (size_t)size);
	else
		vm->error = "store out of bounds";
}

static uint64_t load_bytes(struct vm *vm)
{
	uint32_t off = (uint32_t)vm->reg[2], size = (uint32_t)vm->reg[4];

	if (!on_stack(vm, vm->reg[3], size)) {
		vm->error = "buffer out of bounds";
		return 0;
	}
	if (off > 0xffff || (uint64_t)off + size > vm->packet->len)
		return (uint64_t)-22;
	memcpy((void *)(uintptr_t)vm->reg[3], vm->packet->data + off, size);
	return 0;
}

static void call(struct vm *vm, int32_t helper)
{
	uint64_t ret = 0;

	switch (helper) {
	case BPF_FUNC_xdp_load_bytes:
		ret = load_bytes(vm);
		break;
	case BPF_FUNC_xdp_get_buff_len:
		ret = vm->packet->len;
		break;
	case BPF_FUNC_get_smp_processor_id:
		ret = vm->packet->cpu;
		break;
	case BPF_FUNC_get_prandom_u32:
		ret = 4; /* chosen by fair dice roll */
		break;
	default:
		vm->error = "unknown helper";
		break;
	}
	/* Whatever a call clobbers must not be used. */
	for (int r = 1; r <= 5; r++)
		vm->reg[r] = 0xdeadbeefdeadbeef;
	vm->reg[0] = ret;
}

static uint64_t operand(const struct vm *vm, const struct bpf_insn *i)
{
	return BPF_SRC(i->code) == BPF_X ? vm->reg[i->src_reg] :
					   (uint64_t)(int64_t)i->imm;
}

static void step_alu(struct vm *vm, const struct bpf_insn *i)
{
	uint64_t *dst = &vm->reg[i->dst_reg], b = operand(vm, i);
	uint8_t op = BPF_OP(i->code);

	if (op == BPF_END && BPF_SRC(i->code) == BPF_TO_BE)
		*dst = swap(*dst, i->imm);
	else if (BPF_CLASS(i->code) == BPF_ALU64)
		*dst = alu64(op, *dst, b, &vm->error);
	else
		*dst = alu32(op, (uint32_t)*dst, (uint32_t)b, &vm->error);
}

static bool step_jump(struct vm *vm, const struct bpf_insn *i)
{
	uint64_t a = vm->reg[i->dst_reg], b = operand(vm, i);
	uint8_t op = BPF_OP(i->code);

	if (op == BPF_JA)
		return true;
	if (BPF_CLASS(i->code) == BPF_JMP)
		return compare(op, a, b, true, &vm->error);
	return compare(op, (uint32_t)a, (uint32_t)b, false, &vm->error);
}

const char *vm_run(const struct bpf_insn *insn, size_t len,
		   const struct vm_packet *packet, uint32_t *ret,
		   uint64_t *executed)
{
	struct vm vm = { .packet = packet };
	size_t pc = 0;

	for (int r = 0; r <= 9; r++)
		vm.reg[r] = 0xdeadbeefdeadbeef;
	vm.reg[1] = (uint64_t)(uintptr_t)&vm.ctx;
	vm.reg[10] = (uint64_t)(uintptr_t)vm.stack + STACK_SIZE;
	for (*executed = 0; !vm.error; ++*executed) {
		const struct bpf_insn *i = &insn[pc];

		if (pc >= len)
			return "ran off the end";
		pc++;
		switch (BPF_CLASS(i->code)) {
		case BPF_ALU:
		case BPF_ALU64:
			step_alu(&vm, i);
			break;
		case BPF_LDX:
			vm.reg[i->dst_reg] = load(&vm, i);
			break;
		case BPF_ST:
			store(&vm, i, (uint64_t)(int64_t)i->imm);
			break;
		case BPF_STX:
			store(&vm, i, vm.reg[i->src_reg]);
			break;
		case BPF_JMP:
		case BPF_JMP32:
			if (i->code == (BPF_JMP | BPF_EXIT)) {
				++*executed;
				*ret = (uint32_t)vm.reg[0];
				return NULL;
			}
			if (i->code == (BPF_JMP | BPF_CALL))
				call(&vm, i->imm);
			else if (step_jump(&vm, i))
				pc = (size_t)((long)pc + i->off);
			break;
		default:
			/* A 64-bit constant: two instructions. */
			if (i->code != (BPF_LD | BPF_IMM | BPF_DW) || pc >= len)
				return "unknown instruction";
			vm.reg[i->dst_reg] = (uint32_t)i->imm |
					     (uint64_t)(uint32_t)insn[pc].imm
						     << 32;
			pc++;
			break;
		}
	}
	return vm.error;
}
