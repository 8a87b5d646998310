/*
 * Units are indexed by their address ranges at first, the functions of a unit when an address in it
 * is first asked for: libdw's own searches go through a whole unit for every address.
 */
#include "scopes.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <stdlib.h>
#include <string.h>

#define NESTING 256 /* of entries in a unit: deeper ones are passed over */

struct span {
	Dwarf_Addr low, high;
	uint32_t index; /* of what lies there */
};

/* Sorted by low before it is searched. */
struct spans {
	struct span *all;
	size_t n, room;
};

struct unit {
	Dwarf_Die die;  /* has the lines */
	Dwarf_Die root; /* has the functions: another one in split DWARF */
	struct spans spans;
	Dwarf_Die *functions;
	size_t n, room;
	bool read;
};

struct scopes {
	Dwarf_Addr bias; /* address in DWARF = libdwfl's - bias */
	struct spans spans;
	struct unit *units;
	size_t n, room;
};

static void *grown(void *array, size_t n, size_t *room, size_t size)
{
	void *larger;

	if (n < *room)
		return array;
	larger = reallocarray(array, *room ? 2 * *room : 64, size);
	if (larger)
		*room = *room ? 2 * *room : 64;
	return larger;
}

static void add_spans(struct spans *s, Dwarf_Die *die, uint32_t index)
{
	Dwarf_Addr base, low, high;
	ptrdiff_t at = 0;

	while ((at = dwarf_ranges(die, at, &base, &low, &high)) > 0) {
		struct span *all = grown(s->all, s->n, &s->room, sizeof(*all));

		if (!all)
			return;
		s->all = all;
		s->all[s->n++] = (struct span){low, high, index};
	}
}

static int compare(const void *a, const void *b)
{
	const struct span *x = a, *y = b;

	return (x->low > y->low) - (x->low < y->low);
}

static void sort_spans(struct spans *s)
{
	if (s->n)
		qsort(s->all, s->n, sizeof(*s->all), compare);
}

static const struct span *find_span(const struct spans *s, Dwarf_Addr addr)
{
	size_t low = 0, high = s->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (s->all[middle].low <= addr)
			low = middle + 1;
		else
			high = middle;
	}
	return low && addr < s->all[low - 1].high ? &s->all[low - 1] : NULL;
}

/* ---- units ---- */

static void add_unit(struct scopes *s, Dwarf_Die *die)
{
	struct unit *units = grown(s->units, s->n, &s->room, sizeof(*units));
	struct unit born = {.die = *die, .root = *die};
	Dwarf_Die split;
	uint8_t type;

	if (!units)
		return;
	s->units = units;
	if (dwarf_cu_info(die->cu, NULL, &type, NULL, &split, NULL, NULL, NULL) == 0 &&
	    type == DW_UT_skeleton && split.addr)
		born.root = split;
	units[s->n] = born;
	add_spans(&s->spans, die, (uint32_t)s->n++);
}

struct scopes *scopes_create(Dwfl_Module *module)
{
	struct scopes *s = calloc(1, sizeof(*s));
	Dwarf_Die *die = NULL;

	if (!s || !dwfl_module_getdwarf(module, &s->bias)) {
		free(s);
		return NULL;
	}
	while ((die = dwfl_module_nextcu(module, die, &s->bias)))
		add_unit(s, die);
	sort_spans(&s->spans);
	return s;
}

void scopes_destroy(struct scopes *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n; i++) {
		free(s->units[i].spans.all);
		free(s->units[i].functions);
	}
	free(s->units);
	free(s->spans.all);
	free(s);
}

static void add_function(struct unit *u, const Dwarf_Die *die)
{
	Dwarf_Die *functions = grown(u->functions, u->n, &u->room, sizeof(*functions));

	if (!functions)
		return;
	u->functions = functions;
	functions[u->n] = *die;
	add_spans(&u->spans, &functions[u->n], (uint32_t)u->n);
	u->n++;
}

/* Functions may stand in namespaces, classes and other functions. */
static void read_functions(struct unit *u, Dwarf_Die *parent, unsigned nesting)
{
	Dwarf_Die child;

	if (nesting > NESTING || dwarf_child(parent, &child) != 0)
		return;
	do {
		int tag = dwarf_tag(&child);

		if (tag == DW_TAG_subprogram)
			add_function(u, &child);
		if (tag != DW_TAG_inlined_subroutine && dwarf_haschildren(&child))
			read_functions(u, &child, nesting + 1);
	} while (dwarf_siblingof(&child, &child) == 0);
}

static struct unit *unit_of(struct scopes *s, Dwarf_Addr pc)
{
	const struct span *span = find_span(&s->spans, pc);
	struct unit *u = span ? &s->units[span->index] : NULL;

	if (u && !u->read) {
		u->read = true;
		read_functions(u, &u->root, 0);
		sort_spans(&u->spans);
	}
	return u;
}

/* ---- one address ---- */

/* The inlined call or block of die that pc is in. */
static bool find_inner(Dwarf_Die *die, Dwarf_Addr pc, Dwarf_Die *inner)
{
	if (dwarf_child(die, inner) != 0)
		return false;
	do {
		int tag = dwarf_tag(inner);

		if ((tag == DW_TAG_inlined_subroutine || tag == DW_TAG_lexical_block ||
		     tag == DW_TAG_try_block || tag == DW_TAG_catch_block) &&
		    dwarf_haspc(inner, pc) > 0)
			return true;
	} while (dwarf_siblingof(inner, inner) == 0);
	return false;
}

/* The function at pc and the calls inlined there, the outermost first. */
static size_t descend(const struct unit *u, Dwarf_Addr pc, Dwarf_Die *path)
{
	const struct span *span = find_span(&u->spans, pc);
	Dwarf_Die die, inner;
	size_t depth = 0;

	if (!span)
		return 0;
	die = path[depth++] = u->functions[span->index];
	for (unsigned nesting = 0; nesting < NESTING && find_inner(&die, pc, &inner); nesting++) {
		die = inner;
		if (dwarf_tag(&inner) == DW_TAG_inlined_subroutine && depth < SCOPES_DEPTH)
			path[depth++] = inner;
	}
	return depth;
}

/* What a function's pieces all refer to. */
static uint64_t key_of(const Dwarf_Die *die)
{
	Dwarf_Die origin = *die, next;
	Dwarf_Attribute attribute;

	for (unsigned i = 0; i < 8; i++) {
		if (!dwarf_attr(&origin, DW_AT_abstract_origin, &attribute) ||
		    !dwarf_formref_die(&attribute, &next))
			break;
		origin = next;
	}
	return (uintptr_t)origin.addr;
}

static void name_scope(Dwarf_Die *die, struct scope *scope)
{
	Dwarf_Attribute attribute;

	scope->key = key_of(die);
	scope->name = dwarf_diename(die);
	if (dwarf_attr_integrate(die, DW_AT_linkage_name, &attribute) ||
	    dwarf_attr_integrate(die, DW_AT_MIPS_linkage_name, &attribute))
		scope->system_name = dwarf_formstring(&attribute);
}

/* Where an inlined call stands. */
static void place_call(const struct unit *u, Dwarf_Die *call, struct scope *scope)
{
	Dwarf_Attribute attribute;
	Dwarf_Word number;
	Dwarf_Files *files;
	Dwarf_Die die = u->root;
	size_t n;

	if (dwarf_formudata(dwarf_attr(call, DW_AT_call_line, &attribute), &number) == 0)
		scope->line = (uint32_t)number;
	if (dwarf_formudata(dwarf_attr(call, DW_AT_call_file, &attribute), &number) == 0 &&
	    dwarf_getsrcfiles(&die, &files, &n) == 0 && number < n)
		scope->file = dwarf_filesrc(files, number, NULL, NULL);
}

static void place_address(struct unit *u, Dwarf_Addr pc, struct scope *scope)
{
	Dwarf_Line *line = dwarf_getsrc_die(&u->die, pc);
	int number;

	if (!line)
		return;
	scope->file = dwarf_linesrc(line, NULL, NULL);
	if (dwarf_lineno(line, &number) == 0 && number > 0)
		scope->line = (uint32_t)number;
}

size_t scopes_find(struct scopes *s, Dwarf_Addr addr, struct scope *scopes)
{
	Dwarf_Addr pc = addr - s->bias;
	struct unit *u = unit_of(s, pc);
	Dwarf_Die path[SCOPES_DEPTH];
	size_t depth;

	if (!u)
		return 0;
	depth = descend(u, pc, path);
	for (size_t i = 0; i < depth || !i; i++) {
		scopes[i] = (struct scope){0};
		if (i < depth)
			name_scope(&path[depth - 1 - i], &scopes[i]);
		if (i)
			place_call(u, &path[depth - i], &scopes[i]);
		else
			place_address(u, pc, &scopes[i]);
	}
	return depth || scopes[0].file ? depth + !depth : 0;
}
