/*
 * The instruction of a function to put a probe on.
 *
 * A probe replaces an instruction. The kernel emulates a few kinds (push, nop, call, jumps) and
 * single-steps all others out of line, which costs fifteen times as much. So the spot is the first
 * emulated instruction that every call reaches before its arguments are overwritten, and the first
 * instruction of the function where there is none.
 */
#ifndef RECORDER_SPOT_H
#define RECORDER_SPOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SPOT_ARGS 3

/* Registers by their place in struct pt_regs. */
enum spot_register {
	SPOT_R15,
	SPOT_R14,
	SPOT_R13,
	SPOT_R12,
	SPOT_BP,
	SPOT_BX,
	SPOT_R11,
	SPOT_R10,
	SPOT_R9,
	SPOT_R8,
	SPOT_AX,
	SPOT_CX,
	SPOT_DX,
	SPOT_SI,
	SPOT_DI,
	SPOT_REGISTERS,
};

struct spot {
	uint32_t offset;             /* from the function's first byte */
	uint32_t stack;              /* bytes pushed below the return address */
	uint8_t argument[SPOT_ARGS]; /* enum spot_register that holds it */
	bool emulated;
};

struct spot_finder;

/* NULL: out of memory, or there is no disassembler (disassembler_load()). */
struct spot_finder *spot_finder_create(void);
void spot_finder_destroy(struct spot_finder *finder);

/*
 * Finds the spot in a function of arguments (at most SPOT_ARGS) integer arguments. at_entry: the
 * stack pointer must still point to the return address (the kernel reads it there to catch the
 * return). Returns 0, or -ENOEXEC when the first byte begins no instruction.
 */
int spot_find(struct spot_finder *finder, struct spot *spot, const unsigned char *code,
	      size_t bytes, unsigned arguments, bool at_entry);

/* A direct call or jump in a function. */
struct spot_branch {
	uint64_t target;
	bool call;
	bool straight; /* every call of the function comes here: no branch stands before */
};

/*
 * Calls visit for every direct call, and every direct jump that leaves the function, in the code at
 * addr; stops at and returns the first value that is not 0.
 */
int spot_branches(struct spot_finder *finder, const unsigned char *code, size_t bytes,
		  uint64_t addr, int (*visit)(void *context, const struct spot_branch *branch),
		  void *context);

#endif
