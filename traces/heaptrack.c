/*
 * A recording as heaptrack_print and heaptrack_gui open it (version 3 of heaptrack's text format,
 * numbers hexadecimal, everything counted from 1 where 0 is none):
 *
 *   s LENGTH TEXT                         a string
 *   i ADDR MODULE NAME [FILE LINE [NAME FILE LINE]...]
 *                                         a place in the code, the innermost inlined call first
 *   t PLACE PARENT                        a call chain
 *   a SIZE TRACE                          what is allocated: how much, where
 *   + N, - N                              allocation, free of the Nth a, from 0
 *   c MILLISECONDS                        time goes on
 *
 * A realloc is a free, then an allocation; inherited objects are allocated like others.
 */
#include "callchain.h"
#include "exporter.h"
#include "live.h"
#include "pagesize.h"
#include "printer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define UNKNOWN_PLACE 1 /* the place of unknown sites, always there */

struct heaptrack {
	struct printer printer;
	struct callchains chains;
	struct live live;     /* every object carries the number of its "a" */
	struct idmap sizes;   /* by size + 1: a number */
	struct idmap infos;   /* by number of size and trace: number of the "a" */
	struct idmap traces;  /* by place and parent: number of the "t" */
	struct idmap files;   /* by address of the name: number of its string */
	bool failed;          /* no memory */
	uint32_t *site_trace; /* of each site, and of the unknown one: number of its trace; 0: none
				 yet */
	uint32_t *paths;      /* of each module: number of its path's string; 0: none yet */
	uint64_t n_sizes, n_infos, n_traces, n_strings;
	uint64_t now_ms;
};

static void put_hex(struct printer *p, uint64_t number)
{
	char digits[16];
	size_t at = sizeof(digits);

	do {
		digits[--at] = "0123456789abcdef"[number % 16];
		number /= 16;
	} while (number);
	printer_bytes(p, digits + at, sizeof(digits) - at);
}

static void put_numbers(struct printer *p, char mode, uint64_t a, const uint64_t *b)
{
	printer_char(p, mode);
	printer_char(p, ' ');
	put_hex(p, a);
	if (b) {
		printer_char(p, ' ');
		put_hex(p, *b);
	}
	printer_char(p, '\n');
}

/* A text of one line: what would end it becomes a blank. */
static void put_text(struct printer *p, const char *text)
{
	for (; *text; text++)
		printer_char(p, (unsigned char)*text < ' ' ? ' ' : *text);
	printer_char(p, '\n');
}

static uint64_t put_string(struct heaptrack *h, const char *text)
{
	printer_text(&h->printer, "s ");
	put_hex(&h->printer, strlen(text));
	printer_char(&h->printer, ' ');
	put_text(&h->printer, text);
	return ++h->n_strings;
}

/* A function's string, kept as the symbol's number when it has one to keep. */
static uint64_t function_of(struct heaptrack *h, struct symbol *symbol)
{
	if (!symbol->number)
		symbol->number = (uint32_t)put_string(h, symbol->name);
	return symbol->number;
}

/* A source file's string. libdw has each text once for a unit. */
static uint64_t file_of(struct heaptrack *h, const char *file)
{
	uint64_t number = idmap_get(&h->files, (uintptr_t)file);

	if (number == IDMAP_NONE) {
		number = put_string(h, file);
		if (idmap_set(&h->files, (uintptr_t)file, number))
			h->failed = true;
	}
	return number;
}

static void put_number(struct heaptrack *h, uint64_t number)
{
	printer_char(&h->printer, ' ');
	put_hex(&h->printer, number);
}

/* Strings come before the line that refers to them. */
static void put_place(struct heaptrack *h, uint64_t addr, uint64_t module,
		      const struct symbol_line *lines, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		function_of(h, lines[i].symbol);
		if (lines[i].file)
			file_of(h, lines[i].file);
	}
	printer_text(&h->printer, "i ");
	put_hex(&h->printer, addr);
	put_number(h, module);
	for (size_t i = 0; i < n; i++) {
		put_number(h, function_of(h, lines[i].symbol));
		if (n == 1 && !lines[i].file)
			break;
		put_number(h, lines[i].file ? file_of(h, lines[i].file) : 0);
		put_number(h, lines[i].line);
	}
	printer_char(&h->printer, '\n');
}

static uint64_t path_of(struct heaptrack *h, uint32_t module)
{
	if (!h->paths[module])
		h->paths[module] = (uint32_t)put_string(h, h->chains.modules[module].path);
	return h->paths[module];
}

/* Frames are numbered as they come, and so are places, behind the unknown one. */
static int64_t place_of(struct heaptrack *h, const struct trace_frame *frame)
{
	uint64_t known = h->chains.n_frames, addr = frame->offset - 1, module = 0;
	int64_t number = callchains_number(&h->chains, frame);
	const struct symbol_line *lines;
	size_t n;

	if (number < 0)
		return number;
	if (h->chains.n_frames > known) {
		n = callchains_lines(&h->chains, frame, &lines, NULL);
		if (frame->module < h->chains.n_modules) {
			addr += h->chains.modules[frame->module].base_addr;
			module = path_of(h, frame->module);
		}
		put_place(h, addr, module, lines, n);
	}
	return number + UNKNOWN_PLACE + 1;
}

/* The number of a trace: a place called from a trace. */
static int64_t trace_of(struct heaptrack *h, uint64_t place, uint64_t parent)
{
	uint64_t key = place << 32 | parent, number = idmap_get(&h->traces, key);

	if (number != IDMAP_NONE)
		return (int64_t)number;
	if (idmap_set(&h->traces, key, ++h->n_traces))
		return -ENOMEM;
	put_numbers(&h->printer, 't', place, &parent);
	return (int64_t)h->n_traces;
}

static int64_t site_trace(struct heaptrack *h, uint32_t site)
{
	size_t element = site < h->chains.n_sites ? site : h->chains.n_sites;
	const struct trace_frame *frames = NULL;
	int64_t place, number = h->site_trace[element];
	size_t depth;

	if (number)
		return number;
	depth = callchains_frames(&h->chains, site, &frames);
	if (!depth)
		number = trace_of(h, UNKNOWN_PLACE, 0);
	for (size_t i = depth; i-- > 0 && number >= 0;) {
		place = place_of(h, &frames[i]);
		number = place < 0 ? place : trace_of(h, (uint64_t)place, (uint64_t)number);
	}
	if (number > 0)
		h->site_trace[element] = (uint32_t)number;
	return number;
}

static int64_t info_of(struct heaptrack *h, uint64_t size, uint32_t site)
{
	int64_t trace = site_trace(h, site);
	uint64_t number = idmap_get(&h->sizes, size + 1), key, where = (uint64_t)trace;

	if (trace < 0)
		return trace;
	if (number == IDMAP_NONE) {
		number = h->n_sizes++;
		if (idmap_set(&h->sizes, size + 1, number))
			return -ENOMEM;
	}
	key = number << 32 | (uint64_t)trace; /* a trace is never 0 */
	number = idmap_get(&h->infos, key);
	if (number != IDMAP_NONE)
		return (int64_t)number;
	if (idmap_set(&h->infos, key, h->n_infos))
		return -ENOMEM;
	put_numbers(&h->printer, 'a', size, &where);
	return (int64_t)h->n_infos++;
}

static int write_birth(struct heaptrack *h, const struct trace_event *row)
{
	int64_t info = info_of(h, row->size, row->site);

	if (info < 0)
		return (int)info;
	*(uint64_t *)live_payload(live_find(&h->live, row->object)) = (uint64_t)info;
	put_numbers(&h->printer, '+', (uint64_t)info, NULL);
	return 0;
}

static int write_row(void *context, const struct trace_event *row)
{
	struct heaptrack *h = context;
	struct live_object *old = NULL;
	int error;

	if (row->time_ns / 1000000 != h->now_ms) {
		h->now_ms = row->time_ns / 1000000;
		put_numbers(&h->printer, 'c', h->now_ms, NULL);
	}
	if (row->old_object != TRACE_NONE && !(row->flags & TRACE_FAILED))
		old = live_find(&h->live, row->old_object);
	if (old)
		put_numbers(&h->printer, '-', *(uint64_t *)live_payload(old), NULL);
	error = live_apply(&h->live, row, NULL);
	return error || row->object == TRACE_NONE ? error : write_birth(h, row);
}

static void write_head(struct heaptrack *h, const struct trace *trace)
{
	const char *command = trace_fact(trace, "command");
	struct symbol unknown = {CALLCHAIN_UNKNOWN, CALLCHAIN_UNKNOWN, 0};
	const struct symbol_line line = {.symbol = &unknown};

	if (!command)
		command = trace_fact(trace, "program");
	printer_text(&h->printer, "v 10400 3\nX ");
	put_text(&h->printer, command ? command : "unknown");
	printer_text(&h->printer, "I ");
	put_hex(&h->printer, pagesize_bytes(trace));
	printer_text(&h->printer, " 0\n");
	put_place(h, 0, 0, &line, 1);
}

static int run(struct exporter_job *job)
{
	struct heaptrack *h = calloc(1, sizeof(*h));
	int error = h ? callchains_init(&h->chains, job->trace, exporter_tell) : -ENOMEM;

	if (!h)
		return error;
	printer_init(&h->printer, job->stream);
	live_init(&h->live, sizeof(uint64_t));
	h->site_trace = calloc(h->chains.n_sites + 1, sizeof(*h->site_trace));
	h->paths = calloc(h->chains.n_modules + 1, sizeof(*h->paths));
	if (!h->site_trace || !h->paths)
		error = -ENOMEM;
	if (!error) {
		write_head(h, job->trace);
		error = exporter_rows(job, write_row, h);
	}
	if (!error && h->failed)
		error = -ENOMEM;
	printer_flush(&h->printer);
	idmap_fini(&h->sizes);
	idmap_fini(&h->infos);
	idmap_fini(&h->traces);
	idmap_fini(&h->files);
	live_fini(&h->live);
	callchains_fini(&h->chains);
	free(h->site_trace);
	free(h->paths);
	free(h);
	return error;
}

const struct exporter exporter_heaptrack = {
	.name = "heaptrack",
	.summary = "a recording for heaptrack_print and heaptrack_gui",
	.run = run,
};
