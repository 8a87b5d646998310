/*
 * libcapstone, loaded by whoever first disassembles: relocating its tables takes about as long as
 * all else that hakrec does before it starts a program, and the preload backend has no use for it.
 */
#ifndef RECORDER_DISASSEMBLER_H
#define RECORDER_DISASSEMBLER_H

#include <capstone/capstone.h>

#define DISASSEMBLER_FUNCTIONS(X)                                                                  \
	X(open)                                                                                    \
	X(close)                                                                                   \
	X(option)                                                                                  \
	X(malloc)                                                                                  \
	X(free)                                                                                    \
	X(disasm_iter)                                                                             \
	X(insn_group)                                                                              \
	X(regs_access)

/* The library's functions by their names without cs_. */
struct disassembler {
#define DISASSEMBLER_MEMBER(name) __typeof__(cs_##name) *name;
	DISASSEMBLER_FUNCTIONS(DISASSEMBLER_MEMBER)
#undef DISASSEMBLER_MEMBER
};

extern struct disassembler disassembler; /* valid once it is loaded */

/* Loads it unless it is loaded; not from two threads at once. False: dlerror(3) says why not. */
bool disassembler_load(void);

#endif
