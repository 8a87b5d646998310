#include "imports.h"

#include "extent.h"

#include <errno.h>
#include <link.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE 4096u

struct search {
	const char *symbol;
	const void *replacement;
};

/* The tables of one module that tell its imports. */
struct tables {
	const ElfW(Sym) * symbols;
	const char *names;
	const ElfW(Rela) * calls, *data;
	size_t calls_bytes, data_bytes;
};

static struct tables tables_of(const ElfW(Dyn) * entry, uintptr_t base)
{
	struct tables t = {0};

	for (; entry->d_tag != DT_NULL; entry++) {
		/* The loader has turned these into addresses where it may write there. */
		uintptr_t addr = entry->d_un.d_ptr;
		const void *at = (const void *)(addr < base ? addr + base : addr);

		switch (entry->d_tag) {
		case DT_SYMTAB:
			t.symbols = at;
			break;
		case DT_STRTAB:
			t.names = at;
			break;
		case DT_JMPREL:
			t.calls = at;
			break;
		case DT_PLTRELSZ:
			t.calls_bytes = entry->d_un.d_val;
			break;
		case DT_RELA:
			t.data = at;
			break;
		case DT_RELASZ:
			t.data_bytes = entry->d_un.d_val;
			break;
		default:
			break;
		}
	}
	return t;
}

/* Whether the loader has made a word of a module's data unwritable: in whole pages, up to one that
 * the module's other data begin in. */
static bool is_fixed(const struct dl_phdr_info *info, uintptr_t addr)
{
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = info->dlpi_phdr + i;
		uintptr_t first = info->dlpi_addr + p->p_vaddr;

		if (p->p_type == PT_GNU_RELRO && addr >= first &&
		    addr < ((first + p->p_memsz) & ~(uintptr_t)(PAGE - 1)))
			return true;
	}
	return false;
}

static void replace(const struct dl_phdr_info *info, uintptr_t addr, const void *replacement)
{
	void *page = (void *)(addr & ~(uintptr_t)(PAGE - 1));
	bool fixed = is_fixed(info, addr);

	if (fixed && mprotect(page, PAGE, PROT_READ | PROT_WRITE) != 0)
		return;
	atomic_store((const void *_Atomic *)addr, replacement);
	if (fixed)
		mprotect(page, PAGE, PROT_READ);
}

static void replace_all(const struct dl_phdr_info *info, const struct tables *t,
			const ElfW(Rela) * at, size_t bytes, const struct search *search)
{
	for (const ElfW(Rela) *end = at + bytes / sizeof(*at); at < end; at++) {
		unsigned type = (unsigned)ELF64_R_TYPE(at->r_info);
		const ElfW(Sym) *symbol = t->symbols + ELF64_R_SYM(at->r_info);
		bool imports = type == R_X86_64_JUMP_SLOT || type == R_X86_64_GLOB_DAT ||
			       (type == R_X86_64_64 && !at->r_addend);

		if (imports && strcmp(t->names + symbol->st_name, search->symbol) == 0)
			replace(info, info->dlpi_addr + at->r_offset, search->replacement);
	}
}

static int visit(struct dl_phdr_info *info, size_t bytes, void *context)
{
	const struct search *search = context;
	const ElfW(Dyn) *dynamic = NULL;
	struct tables t;

	(void)bytes;
	for (int i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_DYNAMIC)
			dynamic = (const void *)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr);
	if (!dynamic || extent_module(dynamic) == extent_module(search->replacement))
		return 0;
	t = tables_of(dynamic, info->dlpi_addr);
	if (!t.symbols || !t.names)
		return 0;
	replace_all(info, &t, t.calls, t.calls_bytes, search);
	replace_all(info, &t, t.data, t.data_bytes, search);
	return 0;
}

void imports_replace(const char *symbol, const void *replacement)
{
	struct search search = {symbol, replacement};
	int saved = errno;

	dl_iterate_phdr(visit, &search);
	errno = saved;
}
