/* What an ELF file on disk says of itself. */
#ifndef RECORDER_ELFFILE_H
#define RECORDER_ELFFILE_H

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct elffile {
	const uint8_t *bytes;
	size_t size;
};

/* Maps the file. Returns 0 or a negative errno; -ENOEXEC: not an ELF file for this machine. */
int elffile_open(struct elffile *f, const char *path);
void elffile_close(struct elffile *f);

static inline const Elf64_Ehdr *elffile_header(const struct elffile *f)
{
	return (const Elf64_Ehdr *)f->bytes;
}

/* The first segment of a type, or NULL. */
const Elf64_Phdr *elffile_segment(const struct elffile *f, uint32_t type);

/* Path of the interpreter that it asks for, or NULL: it is static. */
const char *elffile_interpreter(const struct elffile *f);

/* The build id's bytes; NULL when there is none. */
const uint8_t *elffile_build_id(const struct elffile *f, size_t *bytes);

/* The address (less the load bias) that the file's byte at offset is mapped to. False: none. */
bool elffile_addr(const struct elffile *f, uint64_t offset, uint64_t *addr);

/* First and end address (less the load bias) of all that is mapped, in whole pages. */
void elffile_extent(const struct elffile *f, uint64_t *first, uint64_t *end);

#endif
