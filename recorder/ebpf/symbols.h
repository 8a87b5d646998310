/*
 * An ELF file as the probes see it: its functions by name, its code, and which function a slot of
 * its global offset table is bound to. Addresses are the file's own (before relocation).
 */
#ifndef RECORDER_SYMBOLS_H
#define RECORDER_SYMBOLS_H

#include <libelf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SYMBOLS_SEGMENTS 16

struct symbols_segment {
	uint64_t addr, offset, bytes; /* bytes in the file */
	bool exec;
};

struct symbols_slot {
	uint64_t addr;
	const char *symbol;
};

struct symbols {
	Elf *elf;
	unsigned char *bytes; /* the file, mapped */
	size_t size;
	struct symbols_segment segments[SYMBOLS_SEGMENTS];
	size_t n_segments;
	bool library;               /* for others to link to, not a program */
	struct symbols_slot *slots; /* by address */
	size_t n_slots;
};

struct symbols_function {
	const char *name;
	uint64_t addr, size;
	bool local; /* not for other files */
};

/*
 * Opens the x86-64 ELF file behind a descriptor, which stays the caller's. Returns 0, -ENOEXEC when
 * it is none, or another negative errno; only after 0 it needs closing.
 */
int symbols_open(struct symbols *f, int fd);
void symbols_close(struct symbols *f);

/* Calls visit for every function that the file defines (twice when two symbol tables name it);
 * stops at and returns the first value that is not 0. */
int symbols_functions(const struct symbols *f,
		      int (*visit)(void *context, const struct symbols_function *function),
		      void *context);

/* Code at an address up to the end of its segment, NULL when there is none. */
const unsigned char *symbols_code(const struct symbols *f, uint64_t addr, size_t *bytes);

/* Place in the file of an address in code; UINT64_MAX when it has none. */
uint64_t symbols_offset(const struct symbols *f, uint64_t addr);

/* The symbol whose address the dynamic linker puts at addr; NULL when it puts none there. */
const char *symbols_slot_symbol(const struct symbols *f, uint64_t addr);

/*
 * What the code at addr jumps to when it is a stub of the procedure linkage table: the symbol's
 * name, else NULL.
 */
const char *symbols_stub_symbol(const struct symbols *f, uint64_t addr);

#endif
