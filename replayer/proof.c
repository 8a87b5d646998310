#include "proof.h"

#include "failure.h"
#include "verbs.h"

#include <dlfcn.h>
#include <errno.h>
#include <gnu/libc-version.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void *proof_base(const void *function)
{
	Dl_info info;

	return dladdr(function, &info) ? info.dli_fbase : NULL;
}

static bool same_file(const char *a, const char *b)
{
	struct stat x, y;

	return !stat(a, &x) && !stat(b, &y) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

struct search {
	const void *base;
	char *text; /* lower-case hexadecimal */
	size_t bytes;
};

/* Writes the build id that a note segment holds; leaves the text alone when it holds none. */
static void note_build_id(const char *at, size_t left, const struct search *search)
{
	while (left >= sizeof(ElfW(Nhdr))) {
		const ElfW(Nhdr) *note = (const void *)at;
		size_t name = (note->n_namesz + 3) / 4 * 4;
		size_t whole = sizeof(*note) + name + (note->n_descsz + 3) / 4 * 4;

		if (whole > left)
			return;
		if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 &&
		    !memcmp(at + sizeof(*note), "GNU", 4)) {
			const unsigned char *id = (const void *)(at + sizeof(*note) + name);

			for (size_t i = 0; i < note->n_descsz && 2 * i + 2 < search->bytes; i++)
				snprintf(search->text + 2 * i, 3, "%02x", id[i]);
			return;
		}
		at += whole;
		left -= whole;
	}
}

static int object_build_id(struct dl_phdr_info *info, size_t size, void *context)
{
	const struct search *search = context;
	uintptr_t base = (uintptr_t)search->base - info->dlpi_addr;
	bool ours = false;

	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *head = &info->dlpi_phdr[i];

		ours |= head->p_type == PT_LOAD && base - head->p_vaddr < head->p_memsz;
	}
	for (int i = 0; ours && i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *head = &info->dlpi_phdr[i];

		if (head->p_type == PT_NOTE)
			note_build_id((const char *)info->dlpi_addr + head->p_vaddr, head->p_memsz,
				      search);
	}
	return ours;
}

void *proof_owner(struct run *run)
{
	const char *library = run->order.library;
	void *function = dlsym(RTLD_DEFAULT, "malloc");
	struct search search = {.text = run->outcome.build_id,
				.bytes = sizeof(run->outcome.build_id)};
	Dl_info info;
	bool right;

	if (!dladdr(function, &info))
		failure("malloc belongs to no file");
	right = *library ? same_file(info.dli_fname, library)
			 : info.dli_fbase == proof_base((void *)gnu_get_libc_version);
	if (!right)
		failure("malloc is answered by %s, not by %s", info.dli_fname,
			*library ? library : "the C library");
	if (!realpath(info.dli_fname, run->outcome.path))
		failure("%s: %s", info.dli_fname, strerror(errno));
	search.base = info.dli_fbase;
	dl_iterate_phdr(object_build_id, &search);
	return info.dli_fbase;
}

void proof_behaviour(void)
{
	static const size_t sizes[] = {24, 1000, 100000};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		char *ptr = verbs[TRACE_MALLOC].call(sizes[i], 0, 0);

		if (!ptr || (uintptr_t)ptr % 8)
			failure("malloc(%zu) gives %p", sizes[i], (void *)ptr);
		if (verbs_usable_size && verbs_usable_size(ptr) < sizes[i])
			failure("malloc_usable_size is %zu for a block of %zu bytes",
				verbs_usable_size(ptr), sizes[i]);
		ptr[0] = ptr[sizes[i] - 1] = 1;
		verbs[TRACE_FREE].call((uintptr_t)ptr, 0, 0);
	}
}
