#include "elffile.h"

#include "traces/buildid.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE ((uint64_t)4096)

static bool for_this_machine(const struct elffile *f)
{
	const Elf64_Ehdr *header = elffile_header(f);

	return f->size >= sizeof(*header) && !memcmp(header->e_ident, ELFMAG, SELFMAG) &&
	       header->e_ident[EI_CLASS] == ELFCLASS64 && header->e_machine == EM_X86_64 &&
	       header->e_phentsize == sizeof(Elf64_Phdr) && header->e_phoff <= f->size &&
	       header->e_phnum <= (f->size - header->e_phoff) / sizeof(Elf64_Phdr);
}

int elffile_open(struct elffile *f, const char *path)
{
	struct stat status;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int error = 0;

	*f = (struct elffile){0};
	if (fd < 0)
		return -errno;
	if (fstat(fd, &status) != 0)
		error = -errno;
	else if (!S_ISREG(status.st_mode) || status.st_size <= 0)
		error = -ENOEXEC;
	if (!error) {
		void *bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);

		if (bytes == MAP_FAILED)
			error = -errno;
		else
			*f = (struct elffile){bytes, (size_t)status.st_size};
	}
	close(fd);
	if (!error && !for_this_machine(f)) {
		elffile_close(f);
		error = -ENOEXEC;
	}
	return error;
}

void elffile_close(struct elffile *f)
{
	if (f->bytes)
		munmap((void *)(uintptr_t)f->bytes, f->size);
	*f = (struct elffile){0};
}

/* The next segment after one (NULL: the first) that is of a type and lies within the file. */
static const Elf64_Phdr *next_segment(const struct elffile *f, const Elf64_Phdr *after,
				      uint32_t type)
{
	const Elf64_Ehdr *header = elffile_header(f);
	const Elf64_Phdr *segment = (const Elf64_Phdr *)(f->bytes + header->e_phoff);
	const Elf64_Phdr *end = segment + header->e_phnum;

	for (segment = after ? after + 1 : segment; segment < end; segment++)
		if (segment->p_type == type && segment->p_offset <= f->size &&
		    segment->p_filesz <= f->size - segment->p_offset)
			return segment;
	return NULL;
}

const Elf64_Phdr *elffile_segment(const struct elffile *f, uint32_t type)
{
	return next_segment(f, NULL, type);
}

const char *elffile_interpreter(const struct elffile *f)
{
	const Elf64_Phdr *segment = elffile_segment(f, PT_INTERP);
	const char *path;

	if (!segment || !segment->p_filesz)
		return NULL;
	path = (const char *)f->bytes + segment->p_offset;
	return path[segment->p_filesz - 1] ? NULL : path;
}

const uint8_t *elffile_build_id(const struct elffile *f, size_t *bytes)
{
	const Elf64_Phdr *segment = NULL;

	while ((segment = next_segment(f, segment, PT_NOTE))) {
		const uint8_t *id = buildid_find(f->bytes + segment->p_offset, segment->p_filesz,
						 segment->p_align, bytes);

		if (id)
			return id;
	}
	return NULL;
}

bool elffile_addr(const struct elffile *f, uint64_t offset, uint64_t *addr)
{
	const Elf64_Phdr *segment = NULL;

	while ((segment = next_segment(f, segment, PT_LOAD))) {
		uint64_t start = segment->p_offset / PAGE * PAGE;

		if (offset >= start && offset < segment->p_offset + segment->p_filesz) {
			*addr = segment->p_vaddr / PAGE * PAGE + (offset - start);
			return true;
		}
	}
	return false;
}

void elffile_extent(const struct elffile *f, uint64_t *first, uint64_t *end)
{
	const Elf64_Phdr *segment = NULL;

	*first = UINT64_MAX;
	*end = 0;
	while ((segment = next_segment(f, segment, PT_LOAD))) {
		uint64_t start = segment->p_vaddr / PAGE * PAGE;
		uint64_t stop = (segment->p_vaddr + segment->p_memsz + PAGE - 1) / PAGE * PAGE;

		*first = start < *first ? start : *first;
		*end = stop > *end ? stop : *end;
	}
}
