#include "spot.h"

#include "disassembler.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define INSTRUCTIONS_MAX 64 /* how far a spot may be from the entry */
#define STACK_MAX        1000

struct spot_finder {
	csh handle;
	cs_insn *insn;
};

/* What is known while walking down from the entry. */
struct walk {
	uint16_t holders[SPOT_ARGS]; /* bit r: register r holds the argument */
	unsigned arguments;
	uint32_t stack;
};

static const uint8_t argument_registers[SPOT_ARGS] = {SPOT_DI, SPOT_SI, SPOT_DX};

struct spot_finder *spot_finder_create(void)
{
	struct spot_finder *finder = disassembler_load() ? calloc(1, sizeof(*finder)) : NULL;

	if (!finder)
		return NULL;
	if (disassembler.open(CS_ARCH_X86, CS_MODE_64, &finder->handle) != CS_ERR_OK) {
		free(finder);
		return NULL;
	}
	disassembler.option(finder->handle, CS_OPT_DETAIL, CS_OPT_ON);
	finder->insn = disassembler.malloc(finder->handle);
	if (!finder->insn) {
		spot_finder_destroy(finder);
		return NULL;
	}
	return finder;
}

void spot_finder_destroy(struct spot_finder *finder)
{
	if (finder->insn)
		disassembler.free(finder->insn, 1);
	disassembler.close(&finder->handle);
	free(finder);
}

/* The full register that reg is part of; SPOT_REGISTERS when it is none of them. */
static unsigned register_of(x86_reg reg)
{
	/* clang-format off */
	switch (reg) {
#define FAMILY(full, dword, word, low) \
	case X86_REG_##full: case X86_REG_##dword: case X86_REG_##word: case X86_REG_##low
	FAMILY(RAX, EAX, AX, AL): case X86_REG_AH: return SPOT_AX;
	FAMILY(RBX, EBX, BX, BL): case X86_REG_BH: return SPOT_BX;
	FAMILY(RCX, ECX, CX, CL): case X86_REG_CH: return SPOT_CX;
	FAMILY(RDX, EDX, DX, DL): case X86_REG_DH: return SPOT_DX;
	FAMILY(RSI, ESI, SI, SIL): return SPOT_SI;
	FAMILY(RDI, EDI, DI, DIL): return SPOT_DI;
	FAMILY(RBP, EBP, BP, BPL): return SPOT_BP;
	FAMILY(R8, R8D, R8W, R8B): return SPOT_R8;
	FAMILY(R9, R9D, R9W, R9B): return SPOT_R9;
	FAMILY(R10, R10D, R10W, R10B): return SPOT_R10;
	FAMILY(R11, R11D, R11W, R11B): return SPOT_R11;
	FAMILY(R12, R12D, R12W, R12B): return SPOT_R12;
	FAMILY(R13, R13D, R13W, R13B): return SPOT_R13;
	FAMILY(R14, R14D, R14W, R14B): return SPOT_R14;
	FAMILY(R15, R15D, R15W, R15B): return SPOT_R15;
#undef FAMILY
	default: return SPOT_REGISTERS;
	}
	/* clang-format on */
}

static bool is_quad(x86_reg reg)
{
	return (reg >= X86_REG_R8 && reg <= X86_REG_R15) || reg == X86_REG_RAX ||
	       reg == X86_REG_RBX || reg == X86_REG_RCX || reg == X86_REG_RDX ||
	       reg == X86_REG_RSI || reg == X86_REG_RDI || reg == X86_REG_RBP;
}

/* Kinds that every kernel since 4.18 emulates, in their plain forms without prefixes. */
static bool is_emulated(const cs_insn *insn)
{
	const uint8_t *b = insn->bytes;

	switch (insn->size) {
	case 1:
		return b[0] == 0x90 || (b[0] >= 0x50 && b[0] <= 0x57);
	case 2:
		return b[0] == 0xeb || (b[0] >= 0x70 && b[0] <= 0x7f) ||
		       (b[0] == 0x41 && b[1] >= 0x50 && b[1] <= 0x57);
	case 5:
		return b[0] == 0xe8 || b[0] == 0xe9;
	case 6:
		return b[0] == 0x0f && b[1] >= 0x80 && b[1] <= 0x8f;
	default:
		return false;
	}
}

static bool is_transfer(csh handle, const cs_insn *insn)
{
	return disassembler.insn_group(handle, insn, CS_GRP_JUMP) ||
	       disassembler.insn_group(handle, insn, CS_GRP_CALL) ||
	       disassembler.insn_group(handle, insn, CS_GRP_RET) ||
	       disassembler.insn_group(handle, insn, CS_GRP_INT) || insn->id == X86_INS_SYSCALL ||
	       insn->id == X86_INS_UD2 || insn->id == X86_INS_HLT;
}

/* Target of a direct call or jump; false for all other instructions. */
static bool direct_target(csh handle, const cs_insn *insn, uint64_t *target)
{
	const cs_x86 *x = &insn->detail->x86;

	if (!disassembler.insn_group(handle, insn, CS_GRP_JUMP) &&
	    !disassembler.insn_group(handle, insn, CS_GRP_CALL))
		return false;
	if (x->op_count != 1 || x->operands[0].type != X86_OP_IMM)
		return false;
	*target = (uint64_t)x->operands[0].imm;
	return true;
}

static bool writes_stack_pointer(const cs_x86 *x)
{
	for (unsigned i = 0; i < x->op_count; i++)
		if (x->operands[i].type == X86_OP_REG && (x->operands[i].access & CS_AC_WRITE) &&
		    (x->operands[i].reg == X86_REG_RSP || x->operands[i].reg == X86_REG_ESP))
			return true;
	return false;
}

/* Follows the stack pointer over one instruction; false when it gets lost. */
static bool walk_stack(struct walk *w, const cs_insn *insn)
{
	const cs_x86 *x = &insn->detail->x86;
	int64_t grown = 0;

	if (insn->id == X86_INS_PUSH && x->operands[0].size == 8)
		grown = 8;
	else if (insn->id == X86_INS_SUB && x->operands[0].type == X86_OP_REG &&
		 x->operands[0].reg == X86_REG_RSP && x->operands[1].type == X86_OP_IMM)
		grown = x->operands[1].imm;
	else if (insn->id == X86_INS_PUSH || insn->id == X86_INS_POP || insn->id == X86_INS_LEAVE ||
		 insn->id == X86_INS_ENTER || writes_stack_pointer(x))
		return false;
	if (grown < 0 || grown % 8 || w->stack + grown > STACK_MAX)
		return false;
	w->stack += (uint32_t)grown;
	return true;
}

/* Follows the arguments over one instruction; false when one of them is nowhere any more. */
static bool walk_arguments(struct walk *w, csh handle, const cs_insn *insn)
{
	const cs_x86_op *op = insn->detail->x86.operands;
	cs_regs reads, writes;
	uint8_t n_reads, n_writes;
	bool copies = insn->id == X86_INS_MOV && insn->detail->x86.op_count == 2 &&
		      op[0].type == X86_OP_REG && op[1].type == X86_OP_REG && is_quad(op[0].reg) &&
		      is_quad(op[1].reg);
	unsigned from = copies ? register_of(op[1].reg) : 0;

	if (disassembler.regs_access(handle, insn, reads, &n_reads, writes, &n_writes) != CS_ERR_OK)
		return false;
	for (unsigned i = 0; i < w->arguments; i++) {
		bool copied = copies && (w->holders[i] >> from & 1);

		for (unsigned j = 0; j < n_writes; j++)
			w->holders[i] &= (uint16_t) ~(1u << register_of((x86_reg)writes[j]));
		if (copied)
			w->holders[i] |= (uint16_t)(1u << register_of(op[0].reg));
		if (!w->holders[i])
			return false;
	}
	return true;
}

static void walk_begin(struct walk *w, unsigned arguments)
{
	*w = (struct walk){.arguments = arguments};
	for (unsigned i = 0; i < arguments; i++)
		w->holders[i] = (uint16_t)(1u << argument_registers[i]);
}

static void spot_set(struct spot *spot, const struct walk *w, uint64_t offset, bool emulated)
{
	*spot = (struct spot){
		.offset = (uint32_t)offset,
		.stack = w->stack,
		.argument = {SPOT_DI, SPOT_SI, SPOT_DX},
		.emulated = emulated,
	};
	for (unsigned i = 0; i < w->arguments; i++)
		if (!(w->holders[i] >> spot->argument[i] & 1))
			spot->argument[i] = (uint8_t)__builtin_ctz(w->holders[i]);
}

/*
 * The first place behind its entry that the function itself jumps to: from there on one call may
 * come by more than once.
 */
static uint64_t first_revisited(struct spot_finder *finder, const unsigned char *code, size_t bytes)
{
	uint64_t addr = 0, target, first = UINT64_MAX;

	while (bytes &&
	       disassembler.disasm_iter(finder->handle, &code, &bytes, &addr, finder->insn))
		if (direct_target(finder->handle, finder->insn, &target) && target &&
		    target < first)
			first = target;
	return first;
}

int spot_find(struct spot_finder *finder, struct spot *spot, const unsigned char *code,
	      size_t bytes, unsigned arguments, bool at_entry)
{
	const uint64_t end = first_revisited(finder, code, bytes);
	cs_insn *insn = finder->insn;
	uint64_t addr = 0;
	struct walk w;

	walk_begin(&w, arguments);
	spot_set(spot, &w, 0, false);
	for (unsigned i = 0; i < INSTRUCTIONS_MAX; i++) {
		if (!bytes || !disassembler.disasm_iter(finder->handle, &code, &bytes, &addr, insn))
			return i ? 0 : -ENOEXEC;
		if (insn->address >= end)
			return 0;
		if (is_emulated(insn) && !(at_entry && w.stack)) {
			spot_set(spot, &w, insn->address, true);
			return 0;
		}
		if (is_transfer(finder->handle, insn) || !walk_stack(&w, insn) ||
		    !walk_arguments(&w, finder->handle, insn))
			return 0;
	}
	return 0;
}

int spot_branches(struct spot_finder *finder, const unsigned char *code, size_t bytes,
		  uint64_t addr, int (*visit)(void *context, const struct spot_branch *branch),
		  void *context)
{
	const uint64_t begin = addr, end = addr + bytes;
	struct spot_branch branch = {.straight = true};
	int result = 0;

	while (!result && bytes &&
	       disassembler.disasm_iter(finder->handle, &code, &bytes, &addr, finder->insn)) {
		bool transfer = is_transfer(finder->handle, finder->insn);

		branch.call = disassembler.insn_group(finder->handle, finder->insn, CS_GRP_CALL);
		if (direct_target(finder->handle, finder->insn, &branch.target) &&
		    (branch.call || branch.target - begin >= end - begin))
			result = visit(context, &branch);
		if (transfer)
			branch.straight = false;
	}
	return result;
}
