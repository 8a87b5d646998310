/*
 * The text of Android's malloc_debug, for its memory_replay and for 'haktrace import' (android.c
 * says what it looks like). It knows six functions: new is malloc, delete is free, reallocarray is
 * realloc, and the rest of the aligned family is memalign. An address is made up for each object,
 * never used twice; a realloc that did not move keeps it. Inherited objects are allocated. Frees of
 * blocks that the trace does not know are left out, for memory_replay would stop at them.
 */
#include "exporter.h"
#include "idmap.h"
#include "live.h"
#include "pagesize.h"
#include "printer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define ADDR_FIRST 0x1000
#define ADDR_STEP  16

/* How a call is written: what the log calls it, and its arguments behind the address. */
struct form {
	const char *name;
	bool old_addr; /* that of the block it was */
	bool count;    /* always 1: only the product is known */
	bool align;
};

static const struct form form_malloc = {"malloc"}, form_calloc = {"calloc", .count = true},
			 form_realloc = {"realloc", .old_addr = true},
			 form_memalign = {"memalign", .align = true};

struct androidlog {
	struct printer printer;
	struct live live; /* every object carries its address */
	uint64_t *tids;   /* of the threads, as the log calls them */
	uint64_t page_bytes;
	uint64_t foreign; /* frees left out */
	bool timed;
};

static const struct form *form_of(const struct trace_event *row)
{
	if (trace_class(row->kind) == TRACE_CLASS_REALLOC)
		return &form_realloc;
	if (row->kind == TRACE_CALLOC)
		return &form_calloc;
	if (row->kind == TRACE_MEMALIGN || row->kind == TRACE_VALLOC ||
	    row->kind == TRACE_PVALLOC || row->align)
		return &form_memalign;
	return &form_malloc;
}

/* ---- lines ---- */

static void put_start(struct androidlog *a, const struct trace_event *row, const char *name,
		      uint64_t addr)
{
	printer_decimal(&a->printer, a->tids[row->thread]);
	printer_text(&a->printer, ": ");
	printer_text(&a->printer, name);
	printer_char(&a->printer, ' ');
	printer_hex(&a->printer, addr);
}

static void put_decimal(struct androidlog *a, uint64_t number)
{
	printer_char(&a->printer, ' ');
	printer_decimal(&a->printer, number);
}

/* When a call began and ended; a time of 0 would mean that there is none. */
static void put_end(struct androidlog *a, const struct trace_event *row)
{
	if (a->timed) {
		put_decimal(a, row->time_ns + 1);
		if (row->kind != TRACE_THREAD_EXIT)
			put_decimal(a, row->time_ns + 1);
	}
	printer_char(&a->printer, '\n');
}

static void put_call(struct androidlog *a, const struct trace_event *row, uint64_t addr,
		     uint64_t old_addr)
{
	const struct form *form = form_of(row);
	bool paged = row->kind == TRACE_VALLOC || row->kind == TRACE_PVALLOC;

	put_start(a, row, form->name, addr);
	if (form->old_addr) {
		printer_char(&a->printer, ' ');
		printer_hex(&a->printer, old_addr);
	}
	if (form->count)
		put_decimal(a, 1);
	if (form->align)
		put_decimal(a, paged ? a->page_bytes : row->align);
	put_decimal(a, row->size);
	put_end(a, row);
}

/* ---- rows ---- */

static int write_free(struct androidlog *a, const struct trace_event *row)
{
	struct live_object *old = live_find(&a->live, row->old_object);

	if (row->flags & TRACE_FOREIGN) {
		a->foreign++;
		return 0;
	}
	if (old) {
		put_start(a, row, "free", *(uint64_t *)live_payload(old));
		put_end(a, row);
	}
	return live_apply(&a->live, row, NULL);
}

/* A birth, a failure, or a realloc that freed. */
static int write_birth(struct androidlog *a, const struct trace_event *row)
{
	struct live_object *old = NULL;
	uint64_t addr = 0, old_addr = 0;
	bool failed = row->flags & TRACE_FAILED;
	int error;

	if (row->old_object != TRACE_NONE) {
		old = live_find(&a->live, row->old_object);
		if (!old)
			return -ESRCH;
		old_addr = *(uint64_t *)live_payload(old);
	}
	a->foreign += (row->flags & TRACE_FOREIGN) != 0;
	if (failed && old && !row->size)
		return 0; /* the log cannot tell it from one that freed */
	if (row->object != TRACE_NONE)
		addr = old && !(row->flags & TRACE_MOVED) ? old_addr
							  : ADDR_FIRST + row->object * ADDR_STEP;
	error = live_apply(&a->live, row, NULL);
	if (error)
		return error;
	if (addr)
		*(uint64_t *)live_payload(live_find(&a->live, row->object)) = addr;
	if (addr || old || failed)
		put_call(a, row, addr, old_addr);
	return 0;
}

static int write_row(void *context, const struct trace_event *row)
{
	struct androidlog *a = context;

	if (row->kind == TRACE_THREAD_EXIT) {
		put_start(a, row, "thread_done", 0);
		put_end(a, row);
		return 0;
	}
	if (trace_class(row->kind) == TRACE_CLASS_FREE)
		return write_free(a, row);
	if (row->kind < TRACE_MARKS || row->kind == TRACE_INHERITED)
		return write_birth(a, row);
	return 0;
}

/*
 * Chooses what the threads are called: their ids, unless one is too large, or belongs to another
 * thread at the same time.
 */
static int name_threads(struct androidlog *a, const struct trace *trace)
{
	const struct trace_thread *threads;
	size_t n = trace_threads(trace, &threads);
	struct idmap owners = {0};
	int error = 0;

	a->tids = calloc(n + 1, sizeof(*a->tids));
	for (size_t i = 0; a->tids && !error && i < n; i++) {
		uint64_t tid = threads[i].tid, owner = IDMAP_NONE;

		if (tid < INT32_MAX - n)
			owner = idmap_get(&owners, tid + 1);
		if (tid < INT32_MAX - n &&
		    (owner == IDMAP_NONE || threads[owner].exit_ns <= threads[i].start_ns)) {
			a->tids[i] = tid;
			error = idmap_set(&owners, tid + 1, i);
		} else {
			a->tids[i] = INT32_MAX - i;
		}
	}
	idmap_fini(&owners);
	return a->tids ? error : -ENOMEM;
}

static int run(struct exporter_job *job)
{
	const char *clock = trace_fact(job->trace, "clock");
	struct androidlog *a = calloc(1, sizeof(*a));
	int error;

	if (!a)
		return -ENOMEM;
	a->timed = !clock || strcmp(clock, "none") != 0;
	a->page_bytes = pagesize_bytes(job->trace);
	printer_init(&a->printer, job->stream);
	live_init(&a->live, sizeof(uint64_t));
	error = name_threads(a, job->trace);
	if (!error)
		error = exporter_rows(job, write_row, a);
	printer_flush(&a->printer);
	if (a->foreign)
		snprintf(job->note, sizeof(job->note),
			 "%" PRIu64 " blocks of unknown birth are not freed there", a->foreign);
	live_fini(&a->live);
	free(a->tids);
	free(a);
	return error;
}

const struct exporter exporter_android = {
	.name = "android",
	.summary = "the log of Android's malloc_debug, for memory_replay",
	.run = run,
};
