#include "loaded.h"

#include "notepad.h"

#include <elf.h>
#include <link.h>
#include <string.h>

#define PAGE 4096u

struct telling {
	const char *program; /* path of the executable */
	unsigned long long seen;
};

static unsigned long long told; /* the loader's count of additions when all were told */

/* The build id among a segment's notes. */
static struct notepad_part find_id(const char *notes, size_t bytes, size_t align)
{
	while (bytes >= sizeof(ElfW(Nhdr))) {
		const ElfW(Nhdr) *note = (const ElfW(Nhdr) *)notes;
		size_t name_end = sizeof(*note) + (note->n_namesz + align - 1) / align * align;
		size_t end = name_end + (note->n_descsz + align - 1) / align * align;

		if (end > bytes)
			break;
		if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 &&
		    !memcmp(note + 1, "GNU", 4))
			return (struct notepad_part){notes + name_end, note->n_descsz};
		notes += end;
		bytes -= end;
	}
	return (struct notepad_part){0};
}

static int tell(struct dl_phdr_info *info, size_t size, void *data)
{
	struct telling *telling = data;
	const char *path = *info->dlpi_name ? info->dlpi_name : telling->program;
	struct note_module note = {.base_addr = info->dlpi_addr, .first_addr = UINT64_MAX};
	struct notepad_part id = {0};

	(void)size;
	telling->seen = info->dlpi_adds;
	if (info->dlpi_adds == told)
		return 1;
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = info->dlpi_phdr + i;
		uint64_t first = info->dlpi_addr + segment->p_vaddr;
		uint64_t end = first + segment->p_memsz;

		if (segment->p_type == PT_NOTE && !id.bytes)
			id = find_id((const char *)first, segment->p_memsz,
				     segment->p_align == 8 ? 8 : 4);
		if (segment->p_type != PT_LOAD)
			continue;
		if (first / PAGE * PAGE < note.first_addr)
			note.first_addr = first / PAGE * PAGE;
		if (end > note.end_addr)
			note.end_addr = (end + PAGE - 1) / PAGE * PAGE;
	}
	note.path_bytes = (uint32_t)strlen(path);
	note.id_bytes = (uint32_t)id.bytes;
	if (notepad_lock()) {
		struct notepad_part parts[] = {
			{&note, offsetof(struct note_module, text)}, {path, note.path_bytes}, id};

		notepad_write(NOTE_MODULE, parts, 3);
		notepad_unlock();
	}
	return 0;
}

void loaded_tell(const char *program)
{
	struct telling telling = {.program = program};

	dl_iterate_phdr(tell, &telling);
	told = telling.seen;
}
