#include "symbol.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUILD_ID_BYTES 64

/* libstdc++'s; a name that is none of C++ gives NULL. */
char *__cxa_demangle(const char *name, char *buffer, size_t *bytes, int *status);

struct symbol_table {
	bool read;
	struct symbol *symbols; /* by offset, one each */
	size_t n, room;
};

int symbols_init(struct symbols *s, const struct trace *trace)
{
	s->n = trace_modules(trace, &s->modules);
	s->tables = calloc(s->n + 1, sizeof(*s->tables));
	elf_version(EV_CURRENT);
	return s->tables ? 0 : -ENOMEM;
}

void symbols_fini(struct symbols *s)
{
	for (size_t i = 0; s->tables && i < s->n; i++) {
		struct symbol_table *table = &s->tables[i];

		for (size_t k = 0; k < table->n; k++) {
			if (table->symbols[k].name != table->symbols[k].system_name)
				free((char *)table->symbols[k].name);
			free((char *)table->symbols[k].system_name);
		}
		free(table->symbols);
	}
	free(s->tables);
}

/* ---- reading a file ---- */

static Elf_Scn *section_of(Elf *elf, unsigned type, GElf_Shdr *header)
{
	Elf_Scn *section = NULL;

	while ((section = elf_nextscn(elf, section)))
		if (gelf_getshdr(section, header) && header->sh_type == type)
			return section;
	return NULL;
}

static bool note_has(Elf_Data *data, const char *build_id)
{
	size_t at = 0, name, content;
	char text[2 * BUILD_ID_BYTES + 1];
	GElf_Nhdr note;

	while (data && (at = gelf_getnote(data, at, &note, &name, &content))) {
		const unsigned char *id = (const unsigned char *)data->d_buf + content;

		if (note.n_type != NT_GNU_BUILD_ID || note.n_namesz != 4 ||
		    memcmp((const char *)data->d_buf + name, "GNU", 4) != 0 ||
		    note.n_descsz > BUILD_ID_BYTES)
			continue;
		for (size_t i = 0; i < note.n_descsz; i++)
			snprintf(text + 2 * i, 3, "%02x", id[i]);
		if (note.n_descsz && !strcmp(text, build_id))
			return true;
	}
	return false;
}

static bool has_build_id(Elf *elf, const char *build_id)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;

	while ((section = elf_nextscn(elf, section)))
		if (gelf_getshdr(section, &header) && header.sh_type == SHT_NOTE &&
		    note_has(elf_getdata(section, NULL), build_id))
			return true;
	return false;
}

/* Of several names of one function the global one is meant, then the one that comes first. */
static uint8_t rank_of(const GElf_Sym *sym)
{
	switch (GELF_ST_BIND(sym->st_info)) {
	case STB_GLOBAL:
		return 0;
	case STB_WEAK:
		return 1;
	default:
		return 2;
	}
}

static int add(struct symbol_table *table, const GElf_Sym *sym, const char *name)
{
	struct symbol born = {
		.offset = sym->st_value, .size_bytes = sym->st_size, .rank = rank_of(sym)};

	if (table->n == table->room) {
		size_t room = table->room ? 2 * table->room : 256;
		struct symbol *symbols = reallocarray(table->symbols, room, sizeof(*symbols));

		if (!symbols)
			return -ENOMEM;
		table->symbols = symbols;
		table->room = room;
	}
	born.system_name = strndup(name, strcspn(name, "@")); /* without its version */
	if (!born.system_name)
		return -ENOMEM;
	table->symbols[table->n++] = born;
	return 0;
}

static int add_all(struct symbol_table *table, Elf *elf)
{
	GElf_Shdr header;
	Elf_Scn *section = section_of(elf, SHT_SYMTAB, &header);
	Elf_Data *data;

	if (!section)
		section = section_of(elf, SHT_DYNSYM, &header);
	data = section ? elf_getdata(section, NULL) : NULL;
	if (!data || !header.sh_entsize)
		return 0;
	for (int i = 0; i < (int)(data->d_size / header.sh_entsize); i++) {
		const char *name;
		GElf_Sym sym;
		int error;

		if (!gelf_getsym(data, i, &sym) || sym.st_shndx == SHN_UNDEF || !sym.st_size ||
		    (GELF_ST_TYPE(sym.st_info) != STT_FUNC &&
		     GELF_ST_TYPE(sym.st_info) != STT_GNU_IFUNC))
			continue;
		name = elf_strptr(elf, header.sh_link, sym.st_name);
		error = name && *name ? add(table, &sym, name) : 0;
		if (error)
			return error;
	}
	return 0;
}

/* Adds the file's functions when it is the module's; nothing is said when it is not. */
static void read_file(struct symbol_table *table, const char *path, const char *build_id)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	Elf *elf = fd >= 0 ? elf_begin(fd, ELF_C_READ_MMAP, NULL) : NULL;

	if (elf && elf_kind(elf) == ELF_K_ELF && has_build_id(elf, build_id))
		add_all(table, elf);
	elf_end(elf);
	if (fd >= 0)
		close(fd);
}

/* ---- the table ---- */

static int compare(const void *a, const void *b)
{
	const struct symbol *x = a, *y = b;

	if (x->offset != y->offset)
		return x->offset < y->offset ? -1 : 1;
	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	return strcmp(x->system_name, y->system_name);
}

static void sort(struct symbol_table *table)
{
	size_t kept = 0;

	if (table->n)
		qsort(table->symbols, table->n, sizeof(*table->symbols), compare);
	for (size_t i = 0; i < table->n; i++) {
		struct symbol *symbol = &table->symbols[i];

		if (kept && table->symbols[kept - 1].offset == symbol->offset)
			free((char *)symbol->system_name);
		else
			table->symbols[kept++] = *symbol;
	}
	table->n = kept;
}

static void read_table(struct symbol_table *table, const struct trace_module *module)
{
	char path[64 + 2 * BUILD_ID_BYTES];

	table->read = true;
	if (strlen(module->build_id) < 3 || strlen(module->build_id) > (size_t)2 * BUILD_ID_BYTES)
		return;
	snprintf(path, sizeof(path), "/usr/lib/debug/.build-id/%.2s/%s.debug", module->build_id,
		 module->build_id + 2);
	read_file(table, path, module->build_id);
	if (!table->n)
		read_file(table, module->path, module->build_id);
	sort(table);
}

static const char *plain(const char *name)
{
	char *demangled =
		name[0] == '_' && name[1] == 'Z' ? __cxa_demangle(name, NULL, NULL, NULL) : NULL;

	return demangled ? demangled : name;
}

struct symbol *symbols_find(struct symbols *s, uint32_t module, uint64_t offset)
{
	struct symbol_table *table;
	size_t low = 0, high;
	struct symbol *symbol;

	if (module >= s->n)
		return NULL;
	table = &s->tables[module];
	if (!table->read)
		read_table(table, &s->modules[module]);
	for (high = table->n; low < high;) {
		size_t middle = low + (high - low) / 2;

		if (table->symbols[middle].offset <= offset)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low)
		return NULL;
	symbol = &table->symbols[low - 1];
	if (offset - symbol->offset >= symbol->size_bytes)
		return NULL;
	if (!symbol->name)
		symbol->name = plain(symbol->system_name);
	return symbol;
}
