/* The build id of an ELF file, among the notes of one of its segments. */
#ifndef TRACE_BUILDID_H
#define TRACE_BUILDID_H

#include <elf.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Its first byte, and *id_bytes; NULL (and 0) when the notes hold none. align: p_align of the
 * segment. Reads nothing beyond `bytes`. */
static inline const uint8_t *buildid_find(const uint8_t *notes, size_t bytes, size_t align,
					  size_t *id_bytes)
{
	*id_bytes = 0;
	align = align == 8 ? 8 : 4;
	while (bytes >= sizeof(Elf64_Nhdr)) {
		const Elf64_Nhdr *note = (const Elf64_Nhdr *)notes;
		uint64_t name = ((uint64_t)note->n_namesz + align - 1) / align * align;
		uint64_t end = sizeof(*note) + name +
			       ((uint64_t)note->n_descsz + align - 1) / align * align;

		if (end > bytes)
			return NULL;
		if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 &&
		    !memcmp(note + 1, "GNU", 4)) {
			*id_bytes = note->n_descsz;
			return notes + sizeof(*note) + name;
		}
		notes += end;
		bytes -= end;
	}
	return NULL;
}

#endif
