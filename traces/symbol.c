#include "symbol.h"

#include "debuginfo.h"
#include "idmap.h"
#include "scopes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* libstdc++'s; a name that is none of C++ gives NULL. */
char *__cxa_demangle(const char *name, char *buffer, size_t *bytes, int *status);

/* A function of a symbol table. */
struct entry {
	uint64_t offset; /* of its first byte */
	uint64_t size_bytes;
	const char *name; /* libdwfl's */
	uint8_t rank;
};

/* What is kept for its address: a symbol, or the lines of an offset. */
struct kept_symbol {
	struct symbol symbol;
	char *system_name; /* without its version */
	char *demangled;   /* NULL: the system name is for people too */
	struct kept_symbol *next;
};

struct kept_lines {
	struct kept_lines *next;
	size_t n;
	struct symbol_line lines[];
};

struct symbol_table {
	bool read;
	struct debuginfo info;
	struct scopes *scopes; /* NULL: no debug information */
	struct entry *entries; /* by offset, one each */
	size_t n, room;
	struct idmap by_key;    /* of a function: its kept_symbol */
	struct idmap by_offset; /* + 1: its kept_lines */
	struct kept_symbol *symbols;
	struct kept_lines *lines;
};

int symbols_init(struct symbols *s, const struct trace *trace, void (*tell)(const char *sentence))
{
	const char *start = trace_fact(trace, "start_unix_ns");

	s->n = trace_modules(trace, &s->modules);
	s->tables = calloc(s->n + 1, sizeof(*s->tables));
	s->start_ns = start ? strtoull(start, NULL, 10) : 0;
	s->tell = tell;
	elf_version(EV_CURRENT);
	return s->tables ? 0 : -ENOMEM;
}

static void free_table(struct symbol_table *table)
{
	for (struct kept_symbol *next, *k = table->symbols; k; k = next) {
		next = k->next;
		free(k->system_name);
		free(k->demangled);
		free(k);
	}
	for (struct kept_lines *next, *k = table->lines; k; k = next) {
		next = k->next;
		free(k);
	}
	idmap_fini(&table->by_key);
	idmap_fini(&table->by_offset);
	scopes_destroy(table->scopes);
	free(table->entries);
	debuginfo_close(&table->info);
}

void symbols_fini(struct symbols *s)
{
	for (size_t i = 0; s->tables && i < s->n; i++)
		if (s->tables[i].read)
			free_table(&s->tables[i]);
	free(s->tables);
}

/* ---- the symbol table ---- */

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

static int add_entry(struct symbol_table *table, const struct entry *entry)
{
	if (table->n == table->room) {
		size_t room = table->room ? 2 * table->room : 256;
		struct entry *entries = reallocarray(table->entries, room, sizeof(*entries));

		if (!entries)
			return -ENOMEM;
		table->entries = entries;
		table->room = room;
	}
	table->entries[table->n++] = *entry;
	return 0;
}

static void read_entries(struct symbol_table *table)
{
	int n = dwfl_module_getsymtab(table->info.module);

	for (int i = 1; i < n; i++) {
		GElf_Sym sym;
		GElf_Addr addr;
		GElf_Word section;
		const char *name = dwfl_module_getsym_info(table->info.module, i, &sym, &addr,
							   &section, NULL, NULL);
		struct entry entry = {addr - table->info.bias, sym.st_size, name, rank_of(&sym)};

		if (!name || !*name || section == SHN_UNDEF || !sym.st_size ||
		    (GELF_ST_TYPE(sym.st_info) != STT_FUNC &&
		     GELF_ST_TYPE(sym.st_info) != STT_GNU_IFUNC))
			continue;
		if (add_entry(table, &entry))
			return;
	}
}

static int compare(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (x->offset != y->offset)
		return x->offset < y->offset ? -1 : 1;
	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	return strcmp(x->name, y->name);
}

static void sort(struct symbol_table *table)
{
	size_t kept = 0;

	if (table->n)
		qsort(table->entries, table->n, sizeof(*table->entries), compare);
	for (size_t i = 0; i < table->n; i++)
		if (!kept || table->entries[kept - 1].offset != table->entries[i].offset)
			table->entries[kept++] = table->entries[i];
	table->n = kept;
}

static const struct entry *find_entry(const struct symbol_table *table, uint64_t offset)
{
	size_t low = 0, high = table->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (table->entries[middle].offset <= offset)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low || offset - table->entries[low - 1].offset >= table->entries[low - 1].size_bytes)
		return NULL;
	return &table->entries[low - 1];
}

static struct symbol_table *table_of(struct symbols *s, uint32_t module)
{
	struct symbol_table *table = &s->tables[module];

	if (table->read)
		return table;
	table->read = true;
	debuginfo_open(&table->info, &s->modules[module], s->start_ns);
	if (table->info.module) {
		table->scopes = scopes_create(table->info.module);
		read_entries(table);
		sort(table);
	}
	if (table->info.problem && s->tell)
		s->tell(table->info.problem);
	return table;
}

const char *symbols_problem(const struct symbols *s, uint32_t module)
{
	return module < s->n ? s->tables[module].info.problem : NULL;
}

/* ---- lines ---- */

/* The symbol of a function that is known by key, which is not 0. NULL: no memory. */
static struct symbol *keep_symbol(struct symbol_table *table, uint64_t key, const char *name)
{
	uint64_t known = idmap_get(&table->by_key, key);
	struct kept_symbol *kept;

	if (known != IDMAP_NONE)
		return &((struct kept_symbol *)(uintptr_t)known)->symbol;
	kept = calloc(1, sizeof(*kept));
	if (!kept || idmap_set(&table->by_key, key, (uintptr_t)kept)) {
		free(kept);
		return NULL;
	}
	kept->next = table->symbols;
	table->symbols = kept;
	kept->system_name = strndup(name, strcspn(name, "@"));
	if (!strncmp(name, "_Z", 2) && kept->system_name)
		kept->demangled = __cxa_demangle(kept->system_name, NULL, NULL, NULL);
	kept->symbol.system_name = kept->system_name ? kept->system_name : "?";
	kept->symbol.name = kept->demangled ? kept->demangled : kept->symbol.system_name;
	return &kept->symbol;
}

static struct symbol *symbol_of(struct symbol_table *table, uint64_t offset,
				const struct scope *scope)
{
	const struct entry *entry;

	if (scope && scope->system_name)
		return keep_symbol(table, scope->key, scope->system_name);
	if (scope && scope->name)
		return keep_symbol(table, scope->key, scope->name);
	entry = find_entry(table, offset);
	return entry ? keep_symbol(table, (uintptr_t)entry, entry->name) : NULL;
}

static struct kept_lines *read_lines(struct symbol_table *table, uint64_t offset)
{
	struct scope scopes[SCOPES_DEPTH];
	Dwarf_Addr addr = offset + table->info.bias;
	size_t n = table->scopes ? scopes_find(table->scopes, addr, scopes) : 0;
	size_t lines = n ? n : 1;
	struct kept_lines *kept = calloc(1, sizeof(*kept) + lines * sizeof(*kept->lines));

	if (!kept)
		return NULL;
	for (size_t i = 0; i < lines; i++) {
		const struct scope *scope = n ? &scopes[i] : NULL;
		struct symbol *symbol = symbol_of(table, offset, scope);

		if (!symbol)
			break;
		kept->lines[kept->n++] = (struct symbol_line){symbol, scope ? scope->file : NULL,
							      scope ? scope->line : 0};
	}
	return kept;
}

size_t symbols_find(struct symbols *s, uint32_t module, uint64_t offset,
		    const struct symbol_line **lines)
{
	struct symbol_table *table;
	struct kept_lines *kept;
	uint64_t known;

	if (module >= s->n)
		return 0;
	table = table_of(s, module);
	if (!table->info.module)
		return 0;
	known = idmap_get(&table->by_offset, offset + 1);
	if (known != IDMAP_NONE) {
		kept = (struct kept_lines *)(uintptr_t)known;
	} else {
		kept = read_lines(table, offset);
		if (!kept || idmap_set(&table->by_offset, offset + 1, (uintptr_t)kept)) {
			free(kept);
			return 0;
		}
		kept->next = table->lines;
		table->lines = kept;
	}
	*lines = kept->lines;
	return kept->n;
}
