#include "symbols.h"

#include <errno.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

static int slots_compare(const void *a, const void *b)
{
	const struct symbols_slot *x = a, *y = b;

	return (x->addr > y->addr) - (x->addr < y->addr);
}

static int slots_add(struct symbols *f, Elf_Scn *section, const GElf_Shdr *header)
{
	Elf_Data *data = elf_getdata(section, NULL);
	Elf_Scn *table = elf_getscn(f->elf, header->sh_link);
	GElf_Shdr names;
	size_t count = header->sh_entsize ? header->sh_size / header->sh_entsize : 0;
	struct symbols_slot *slots;

	if (!data || !count || !table || !gelf_getshdr(table, &names))
		return 0;
	slots = realloc(f->slots, (f->n_slots + count) * sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	f->slots = slots;
	for (size_t i = 0; i < count; i++) {
		GElf_Rela rela;
		GElf_Sym symbol;
		const char *name;

		if (!gelf_getrela(data, (int)i, &rela) || !GELF_R_SYM(rela.r_info) ||
		    !gelf_getsym(elf_getdata(table, NULL), (int)GELF_R_SYM(rela.r_info), &symbol))
			continue;
		name = elf_strptr(f->elf, names.sh_link, symbol.st_name);
		if (name && *name)
			slots[f->n_slots++] = (struct symbols_slot){rela.r_offset, name};
	}
	return 0;
}

static void read_segments(struct symbols *f)
{
	size_t count = 0;

	elf_getphdrnum(f->elf, &count);
	for (size_t i = 0; i < count; i++) {
		GElf_Phdr header;

		if (!gelf_getphdr(f->elf, (int)i, &header))
			continue;
		if (header.p_type != PT_LOAD || f->n_segments == SYMBOLS_SEGMENTS ||
		    header.p_offset > f->size || header.p_filesz > f->size - header.p_offset)
			continue;
		f->segments[f->n_segments++] = (struct symbols_segment){
			.addr = header.p_vaddr,
			.offset = header.p_offset,
			.bytes = header.p_filesz,
			.exec = header.p_flags & PF_X,
		};
	}
}

static void read_dynamic(struct symbols *f, Elf_Scn *section, const GElf_Shdr *header)
{
	Elf_Data *data = elf_getdata(section, NULL);
	size_t count = header->sh_entsize ? header->sh_size / header->sh_entsize : 0;
	GElf_Dyn entry;

	f->library = true;
	for (size_t i = 0; data && i < count && gelf_getdyn(data, (int)i, &entry); i++)
		if (entry.d_tag == DT_FLAGS_1 && entry.d_un.d_val & DF_1_PIE)
			f->library = false;
}

/* shared: the file may lie at any address. */
static int read_sections(struct symbols *f, bool shared)
{
	Elf_Scn *section = NULL;
	int error = 0;

	while (!error && (section = elf_nextscn(f->elf, section))) {
		GElf_Shdr header;

		if (!gelf_getshdr(section, &header))
			continue;
		if (header.sh_type == SHT_DYNAMIC && shared)
			read_dynamic(f, section, &header);
		else if (header.sh_type == SHT_RELA)
			error = slots_add(f, section, &header);
	}
	if (f->n_slots)
		qsort(f->slots, f->n_slots, sizeof(*f->slots), slots_compare);
	return error;
}

int symbols_open(struct symbols *f, int fd)
{
	struct stat status;
	GElf_Ehdr header;
	int error;

	*f = (struct symbols){0};
	if (fstat(fd, &status))
		return -errno;
	if (!S_ISREG(status.st_mode) || status.st_size < (off_t)sizeof(Elf64_Ehdr))
		return -ENOEXEC;
	f->size = (size_t)status.st_size;
	/* A private mapping that may be written: libelf wants it so, the file stays as it is. */
	f->bytes = mmap(NULL, f->size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	if (f->bytes == MAP_FAILED)
		return -errno;
	elf_version(EV_CURRENT);
	f->elf = elf_memory((char *)f->bytes, f->size);
	if (!f->elf || !gelf_getehdr(f->elf, &header) || header.e_machine != EM_X86_64 ||
	    header.e_ident[EI_CLASS] != ELFCLASS64) {
		symbols_close(f);
		return -ENOEXEC;
	}
	read_segments(f);
	error = read_sections(f, header.e_type == ET_DYN);
	if (error)
		symbols_close(f);
	return error;
}

void symbols_close(struct symbols *f)
{
	free(f->slots);
	elf_end(f->elf);
	munmap(f->bytes, f->size);
}

static int visit_table(const struct symbols *f, Elf_Scn *section, const GElf_Shdr *header,
		       int (*visit)(void *context, const struct symbols_function *function),
		       void *context)
{
	Elf_Data *data = elf_getdata(section, NULL);
	size_t count = header->sh_entsize ? header->sh_size / header->sh_entsize : 0;
	int result = 0;

	for (size_t i = 1; data && i < count && !result; i++) {
		struct symbols_function function;
		GElf_Sym symbol;

		if (!gelf_getsym(data, (int)i, &symbol) || symbol.st_shndx == SHN_UNDEF ||
		    GELF_ST_TYPE(symbol.st_info) != STT_FUNC)
			continue;
		function.local = GELF_ST_BIND(symbol.st_info) == STB_LOCAL;
		function.name = elf_strptr(f->elf, header->sh_link, symbol.st_name);
		function.addr = symbol.st_value;
		function.size = symbol.st_size;
		if (function.name)
			result = visit(context, &function);
	}
	return result;
}

int symbols_functions(const struct symbols *f,
		      int (*visit)(void *context, const struct symbols_function *function),
		      void *context)
{
	Elf_Scn *section = NULL;
	int result = 0;

	while (!result && (section = elf_nextscn(f->elf, section))) {
		GElf_Shdr header;

		if (gelf_getshdr(section, &header) &&
		    (header.sh_type == SHT_SYMTAB || header.sh_type == SHT_DYNSYM))
			result = visit_table(f, section, &header, visit, context);
	}
	return result;
}

static const struct symbols_segment *segment_of(const struct symbols *f, uint64_t addr)
{
	for (size_t i = 0; i < f->n_segments; i++) {
		const struct symbols_segment *s = &f->segments[i];

		if (s->exec && addr - s->addr < s->bytes)
			return s;
	}
	return NULL;
}

const unsigned char *symbols_code(const struct symbols *f, uint64_t addr, size_t *bytes)
{
	const struct symbols_segment *s = segment_of(f, addr);

	*bytes = s ? s->bytes - (addr - s->addr) : 0;
	return s ? f->bytes + s->offset + (addr - s->addr) : NULL;
}

uint64_t symbols_offset(const struct symbols *f, uint64_t addr)
{
	const struct symbols_segment *s = segment_of(f, addr);

	return s ? addr - s->addr + s->offset : UINT64_MAX;
}

const char *symbols_slot_symbol(const struct symbols *f, uint64_t addr)
{
	struct symbols_slot key = {.addr = addr};
	const struct symbols_slot *slot;

	if (!f->n_slots)
		return NULL;
	slot = bsearch(&key, f->slots, f->n_slots, sizeof(*f->slots), slots_compare);
	return slot ? slot->symbol : NULL;
}

const char *symbols_stub_symbol(const struct symbols *f, uint64_t addr)
{
	size_t bytes, at = 0;
	const unsigned char *code = symbols_code(f, addr, &bytes);
	int32_t displacement;

	if (!code || bytes < 16)
		return NULL;
	if (memcmp(code, "\xf3\x0f\x1e\xfa", 4) == 0) /* endbr64 */
		at = 4;
	if (code[at] == 0xf2) /* bnd */
		at++;
	if (code[at] != 0xff || code[at + 1] != 0x25) /* jmp *displacement(%rip) */
		return NULL;
	memcpy(&displacement, code + at + 2, sizeof(displacement));
	return symbols_slot_symbol(f, addr + at + 6 + (uint64_t)(int64_t)displacement);
}
