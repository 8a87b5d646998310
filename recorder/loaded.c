#include "loaded.h"

#include "notepad.h"
#include "traces/buildid.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <string.h>

#define PAGE     4096u
#define TOLD_MAX 1024 /* modules; those beyond are found by hakrec itself */

#pragma weak _dl_find_object /* another C library has none */

static uint64_t told[TOLD_MAX]; /* first addresses */
static unsigned told_count;

static bool was_told(uint64_t first)
{
	for (unsigned i = 0; i < told_count; i++)
		if (told[i] == first)
			return true;
	return false;
}

/* Tells of a module by its program headers. */
static void tell(const char *path, uint64_t base, const ElfW(Phdr) * segments, unsigned count)
{
	struct note_module note = {.base_addr = base, .first_addr = UINT64_MAX};
	struct notepad_part id = {0};

	for (unsigned i = 0; i < count; i++) {
		const ElfW(Phdr) *segment = segments + i;
		uint64_t first = base + segment->p_vaddr;
		uint64_t end = first + segment->p_memsz;

		if (segment->p_type == PT_NOTE && !id.bytes)
			id.data = buildid_find((const uint8_t *)first, segment->p_memsz,
					       segment->p_align, &id.bytes);
		if (segment->p_type != PT_LOAD)
			continue;
		if (first / PAGE * PAGE < note.first_addr)
			note.first_addr = first / PAGE * PAGE;
		if (end > note.end_addr)
			note.end_addr = (end + PAGE - 1) / PAGE * PAGE;
	}
	if (was_told(note.first_addr) || told_count == TOLD_MAX)
		return;
	note.path_bytes = (uint32_t)strlen(path);
	note.id_bytes = (uint32_t)id.bytes;
	/* A child forked meanwhile tells it again. */
	if (notepad_write(NOTE_MODULE,
			  (struct notepad_part[]){{&note, offsetof(struct note_module, text)},
						  {path, note.path_bytes},
						  id},
			  3))
		told[told_count++] = note.first_addr;
}

static int tell_one(struct dl_phdr_info *info, size_t size, void *program)
{
	(void)size;
	tell(*info->dlpi_name ? info->dlpi_name : program, info->dlpi_addr, info->dlpi_phdr,
	     info->dlpi_phnum);
	return 0;
}

void loaded_tell_all(const char *program)
{
	dl_iterate_phdr(tell_one, (void *)(uintptr_t)program);
}

void loaded_tell(uintptr_t addr)
{
	struct dl_find_object found;
	const ElfW(Ehdr) * header;

	if (!_dl_find_object || _dl_find_object((void *)addr, &found) != 0 ||
	    was_told((uintptr_t)found.dlfo_map_start))
		return;
	header = found.dlfo_map_start;
	if (memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 || header->e_phoff > PAGE / 2)
		return;
	tell(found.dlfo_link_map->l_name, found.dlfo_link_map->l_addr,
	     (const ElfW(Phdr) *)((const char *)header + header->e_phoff), header->e_phnum);
}

bool loaded_tell_gone(void)
{
	bool gone = false;

	for (unsigned i = 0; i < told_count && _dl_find_object;) {
		struct dl_find_object found;
		struct note_unmap note = {.first_addr = told[i]};

		if (_dl_find_object((void *)told[i], &found) == 0 &&
		    (uintptr_t)found.dlfo_map_start == told[i]) {
			i++;
			continue;
		}
		notepad_write(NOTE_UNMAP, &(struct notepad_part){&note, sizeof(note)}, 1);
		told[i] = told[--told_count];
		gone = true;
	}
	return gone;
}
