#include "listing.h"

static void print_object(struct printer *p, uint64_t object, uint64_t addr, uint64_t pages)
{
	printer_char(p, '#');
	printer_decimal(p, object);
	if (addr) {
		printer_text(p, " at ");
		printer_hex(p, addr);
	}
	if (pages != TRACE_NONE) {
		printer_text(p, " [");
		printer_decimal(p, pages);
		printer_text(p, pages == 1 ? " page]" : " pages]");
	}
}

static void print_born(struct printer *p, const struct trace_event *row,
		       const struct trace_pages *pages)
{
	printer_text(p, ") = ");
	if (row->object != TRACE_NONE)
		print_object(p, row->object, row->addr, pages->born);
	else if (row->flags & TRACE_FAILED)
		printer_text(p, "failed");
	else
		printer_text(p, "freed");
}

static void print_size(struct printer *p, const struct trace_event *row)
{
	printer_decimal(p, row->size);
	if (row->align) {
		printer_text(p, ", align ");
		printer_decimal(p, row->align);
	}
}

static void print_old(struct printer *p, const struct trace_event *row, uint64_t addr,
		      uint64_t pages)
{
	if (row->old_object != TRACE_NONE)
		print_object(p, row->old_object, addr, pages);
	else
		printer_text(p, row->flags & TRACE_FOREIGN ? "foreign" : "null");
}

static void print_mark(struct printer *p, const struct names *names, const struct trace_event *row,
		       const struct trace_pages *pages)
{
	if (row->kind == TRACE_THREAD_START && row->thread < names->n_threads) {
		printer_decimal(p, names->threads[row->thread].tid);
		printer_text(p, ", ");
		printer_json(p, names->threads[row->thread].name);
	} else if (row->kind == TRACE_LOST) {
		printer_decimal(p, row->size);
	} else if (row->kind == TRACE_MARK) {
		printer_json(p, names_mark(names, row->size));
	} else if (row->kind == TRACE_INHERITED) {
		print_size(p, row);
		print_born(p, row, pages);
		return;
	}
	printer_char(p, ')');
}

static void print_call(struct printer *p, const struct names *names, const struct trace_event *row,
		       const struct trace_pages *pages)
{
	switch (trace_class(row->kind)) {
	case TRACE_CLASS_ALLOC:
		print_size(p, row);
		print_born(p, row, pages);
		break;
	case TRACE_CLASS_FREE:
		print_old(p, row, row->addr, pages->died);
		if (row->size || row->align) {
			printer_text(p, ", ");
			print_size(p, row);
		}
		printer_char(p, ')');
		break;
	case TRACE_CLASS_REALLOC:
		print_old(p, row, 0, pages->died);
		printer_text(p, ", ");
		print_size(p, row);
		print_born(p, row, pages);
		break;
	case TRACE_CLASS_MARK:
		print_mark(p, names, row, pages);
		break;
	}
}

void listing_text(struct printer *p, struct names *names, const struct trace_event *row,
		  const struct trace_pages *pages)
{
	const char *kind = trace_kind_name(row->kind);
	const char *flags = names_flags(row->flags);

	printer_decimal(p, row->time_ns);
	printer_char(p, '\t');
	printer_decimal(p, row->thread);
	printer_char(p, '\t');
	printer_text(p, kind ? kind : "unknown");
	printer_char(p, '(');
	print_call(p, names, row, pages);
	printer_char(p, '\t');
	printer_text(p, names_site(names, row->site));
	if (flags) {
		printer_char(p, '\t');
		printer_text(p, flags);
	}
	printer_char(p, '\n');
}

static void json_number(struct printer *p, const char *key, uint64_t number, bool known)
{
	printer_text(p, key);
	if (known)
		printer_decimal(p, number);
	else
		printer_text(p, "null");
}

static void json_text(struct printer *p, const char *key, const char *text)
{
	printer_text(p, key);
	if (text)
		printer_json(p, text);
	else
		printer_text(p, "null");
}

static void json_site(struct printer *p, const struct names *names, uint32_t number)
{
	const struct trace_site *site = number < names->n_sites ? &names->sites[number] : NULL;
	bool known = site && site->module < names->n_modules;

	json_number(p, ", \"site\": ", number, site);
	json_text(p, ", \"module\": ", known ? names->modules[site->module].path : NULL);
	json_number(p, ", \"offset\": ", site ? site->offset : 0, site);
	json_number(p, ", \"height\": ", site ? site->height : 0, site && site->height);
}

/* The functions of the site, when they were asked for. */
static void json_frames(struct printer *p, struct names *names, uint32_t number)
{
	const struct symbol_line *lines;
	size_t n = names_lines(names, number, &lines);

	printer_text(p, ", \"frames\": [");
	for (size_t i = 0; i < n; i++) {
		printer_text(p, i ? ", {" : "{");
		json_text(p, "\"function\": ", lines[i].symbol->name);
		json_text(p, ", \"file\": ", lines[i].file);
		json_number(p, ", \"line\": ", lines[i].line, lines[i].line);
		printer_char(p, '}');
	}
	printer_char(p, ']');
}

static void json_flags(struct printer *p, uint8_t flags)
{
	static const char *const names[] = {"\"failed\"", "\"moved\"", "\"foreign\"",
					    "\"repaired\""};
	const char *comma = "";

	printer_text(p, ", \"flags\": [");
	for (unsigned bit = 0; bit < 4; bit++) {
		if (!(flags >> bit & 1))
			continue;
		printer_text(p, comma);
		printer_text(p, names[bit]);
		comma = ", ";
	}
	printer_char(p, ']');
}

void listing_json(struct printer *p, struct names *names, const struct trace_event *row,
		  const struct trace_pages *pages)
{
	enum trace_class class = trace_class(row->kind);
	bool sized = row->kind == TRACE_INHERITED || row->kind == TRACE_LOST ||
		     class == TRACE_CLASS_ALLOC || class == TRACE_CLASS_REALLOC ||
		     (class == TRACE_CLASS_FREE && row->size);

	json_number(p, "{\"time_ns\": ", row->time_ns, true);
	json_number(p, ", \"thread\": ", row->thread, true);
	printer_text(p, ", \"kind\": \"");
	printer_text(p, trace_kind_name(row->kind));
	printer_char(p, '"');
	json_number(p, ", \"size\": ", row->size, sized);
	json_number(p, ", \"align\": ", row->align, row->align);
	json_number(p, ", \"object\": ", row->object, row->object != TRACE_NONE);
	json_number(p, ", \"old_object\": ", row->old_object, row->old_object != TRACE_NONE);
	json_number(p, ", \"addr\": ", row->addr, row->addr);
	json_site(p, names, row->site);
	if (names->symbolic)
		json_frames(p, names, row->site);
	json_flags(p, row->flags);
	json_number(p, ", \"birth_pages\": ", pages->born, pages->born != TRACE_NONE);
	json_number(p, ", \"death_pages\": ", pages->died, pages->died != TRACE_NONE);
	json_text(p, ", \"text\": ", row->kind == TRACE_MARK ? names_mark(names, row->size) : NULL);
	printer_text(p, "}\n");
}
