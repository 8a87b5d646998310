/*
 * An ELF file as the probes see it: its functions by name, its code, and which function a slot of
 * its global offset table is bound to. Addresses are the file's own (before relocation).
 */
#ifndef RECORDER_ELFFILE_H
#define RECORDER_ELFFILE_H

#include <libelf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ELFFILE_SEGMENTS 16
#define ELFFILE_ID_MAX   64

struct elffile_segment {
	uint64_t addr, offset, bytes; /* bytes in the file */
	bool exec;
};

struct elffile_slot {
	uint64_t addr;
	const char *symbol;
};

struct elffile {
	Elf *elf;
	unsigned char *bytes; /* the file, mapped */
	size_t size;
	struct elffile_segment segments[ELFFILE_SEGMENTS];
	size_t n_segments;
	unsigned char id[ELFFILE_ID_MAX];
	size_t id_bytes;
	bool symbols;               /* there is a symbol table */
	bool interpreter;           /* asks for a dynamic linker */
	struct elffile_slot *slots; /* by address */
	size_t n_slots;
};

struct elffile_function {
	const char *name;
	uint64_t addr, size;
};

/*
 * Opens the x86-64 ELF file behind a descriptor, which stays the caller's. Returns 0, -ENOEXEC when
 * it is none, or another negative errno; only after 0 it needs closing.
 */
int elffile_open(struct elffile *f, int fd);
void elffile_close(struct elffile *f);

/* Calls visit for every global or weak function that the file defines (twice when two symbol
 * tables name it); stops at and returns the first value that is not 0. */
int elffile_functions(const struct elffile *f,
		      int (*visit)(void *context, const struct elffile_function *function),
		      void *context);

/* Code at an address up to the end of its segment, NULL when there is none. */
const unsigned char *elffile_code(const struct elffile *f, uint64_t addr, size_t *bytes);

/* Place in the file of an address in code; UINT64_MAX when it has none. */
uint64_t elffile_offset(const struct elffile *f, uint64_t addr);

/* Address of a place in the file; UINT64_MAX when it is not in code. */
uint64_t elffile_addr(const struct elffile *f, uint64_t offset);

/* The symbol whose address the dynamic linker puts at addr; NULL when it puts none there. */
const char *elffile_slot_symbol(const struct elffile *f, uint64_t addr);

/*
 * What the code at addr jumps to when it is a stub of the procedure linkage table: the symbol's
 * name, else NULL.
 */
const char *elffile_stub_symbol(const struct elffile *f, uint64_t addr);

#endif
