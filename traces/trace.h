/*
 * libhaktrace: writes and reads hakmem lab traces. FORMAT.md is the format's definition; this
 * header gives its contents as C structs.
 *
 * Words: a *row* is one line of the trace's total order, either a *call* (malloc, free, ...) or a
 * *mark* (thread start, inherited object, ...). An *object* is the life of one allocation, numbered
 * by counting allocations (and inherited objects) in the total order from 0. A *site* is where a
 * call came from. Times are nanoseconds since the trace's start, sizes bytes.
 *
 * Every function that can fail returns 0 or a negative errno and leaves a sentence that names the
 * file, the place and the reason for trace_error() or trace_writer_error(). No function prints,
 * exits or keeps a pointer that it was given, unless it says so. One trace, cursor or writer is
 * used by one thread at a time; distinct ones are independent.
 */
#ifndef TRACE_H
#define TRACE_H

#include "calls.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define TRACE_API __attribute__((visibility("default")))

#define TRACE_NONE           UINT64_MAX /* "no object" */
#define TRACE_NO_SITE        UINT32_MAX /* "site unknown" */
#define TRACE_NO_MODULE      UINT32_MAX /* "address in no known module": the offset is the address */
#define TRACE_FORMAT_VERSION 1
#define TRACE_LARGE_BYTES    (128u << 10) /* blocks of which hakrec tells the resident pages */

/* Kinds of rows. Calls are below TRACE_MARKS. */
enum trace_kind {
#define TRACE_KIND(id, number, symbol, shape, name) TRACE_##id = number,
	TRACE_CALLS(TRACE_KIND)
#undef TRACE_KIND
		TRACE_MARKS = 64,
	TRACE_THREAD_START = 64, /* thread */
	TRACE_THREAD_EXIT = 65,  /* thread */
	TRACE_INHERITED = 66,    /* object, size, align: alive when the trace opened (fork) */
	TRACE_LOST = 67,         /* size: number of calls missing at this place */
	TRACE_MARK = 68,         /* size: index of a user mark's text */
};

/* What a call does to objects; by trace_class(). */
enum trace_class { TRACE_CLASS_ALLOC, TRACE_CLASS_FREE, TRACE_CLASS_REALLOC, TRACE_CLASS_MARK };

/* Flags of a row. */
enum {
	/* The call returned failure. No object is born; a realloc's old object lives on. */
	TRACE_FAILED = 1,
	/* A realloc whose result has another address than the old block. */
	TRACE_MOVED = 2,
	/* A free or realloc of a block whose birth is not in the trace: old_object is TRACE_NONE.
	 */
	TRACE_FOREIGN = 4,
	/* The writer had to move this row to keep the order legal. */
	TRACE_REPAIRED = 8,
};

/*
 * One row. Fields that a kind does not use hold 0, TRACE_NONE or TRACE_NO_SITE.
 *   allocation   object, size, align, site
 *   free         old_object, site
 *   realloc      old_object (TRACE_NONE: realloc of NULL), object (TRACE_NONE: failed, or
 *                realloc(ptr, 0) that freed), size, site
 */
struct trace_event {
	uint64_t time_ns;
	uint64_t size;   /* requested; count * size for calloc, UINT64_MAX when that overflows */
	uint64_t align;  /* requested alignment, 0 when the call takes none */
	uint64_t object; /* the object born */
	uint64_t old_object; /* the object that died, or was to */
	uint64_t addr;       /* of the object born, or of the one freed; 0 when not recorded */
	uint32_t thread;     /* number of a trace_thread */
	uint32_t site;       /* number of a trace_site, or TRACE_NO_SITE */
	uint8_t kind;        /* enum trace_kind */
	uint8_t flags;
};

/* A piece of code that was mapped into the program. */
struct trace_module {
	const char *path;
	const char *build_id; /* lower-case hexadecimal; "" when the file has none */
	uint64_t base_addr;   /* load bias: address = base_addr + offset */
	uint64_t size_bytes;  /* bytes of address space from the first to the last mapped page */
};

/* Where a call came from; sitekey.h makes the key that a running program shares with the trace. */
struct trace_site {
	uint32_t module; /* number of a trace_module, or TRACE_NO_MODULE */
	uint32_t height; /* bytes of stack at the call; 0 when unknown */
	uint64_t offset; /* return address less the module's base_addr */
};

struct trace_frame {
	uint32_t module;
	uint64_t offset; /* return address less the module's base_addr */
};

/* A call stack of one site, innermost frame (the site's own) first. */
struct trace_stack {
	uint32_t site;
	uint32_t depth;
	const struct trace_frame *frames;
	uint64_t samples;      /* of its site that had this very stack; 0: not told */
	uint64_t site_samples; /* taken at its site, those of other stacks included; 0: not told */
};

struct trace_thread {
	uint64_t tid;
	const char *name;
	uint64_t start_ns;
	uint64_t exit_ns; /* TRACE_NONE: did not exit before the trace's end */
};

/* Totals that only the trace's maker can know; in the trace's last frame. */
struct trace_totals {
	uint64_t lost_events;     /* calls known to have happened and not in the trace */
	uint64_t late_events;     /* rows that had to wait for an earlier one when merged */
	uint64_t repaired_events; /* rows moved against the recorded order */
	uint64_t duration_ns;
};

/* The kind's name ("malloc", "thread_start", ...), NULL when it is none. */
TRACE_API const char *trace_kind_name(unsigned kind);
TRACE_API enum trace_class trace_class(unsigned kind);

/* ---- writing ---- */

struct trace_writer;

/*
 * Creates or replaces path ("-": standard output). -EBUSY: another writer is at work on that file.
 * *writer is set even on failure, for its error.
 */
TRACE_API int trace_writer_open(struct trace_writer **writer, const char *path);

/* The same on an open descriptor, which the writer then owns; name is for messages. */
TRACE_API int trace_writer_fdopen(struct trace_writer **writer, int fd, const char *name);

/*
 * A fact about the process: FORMAT.md lists the keys (program, command, pid, backend, ...). Values
 * are UTF-8 text; a later value of a key replaces the earlier one. Facts given before the first
 * row stand in the trace's first frame.
 */
TRACE_API int trace_writer_fact(struct trace_writer *w, const char *key, const char *value);

/*
 * Definitions. Each returns the new number (counted from 0) or a negative errno: -EINVAL for what
 * refers to something not defined, -EOVERFLOW and -E2BIG beyond FORMAT.md's limits. The writer goes
 * on after these three.
 */
TRACE_API int64_t trace_writer_module(struct trace_writer *w, const struct trace_module *module);
TRACE_API int64_t trace_writer_site(struct trace_writer *w, const struct trace_site *site);
TRACE_API int64_t trace_writer_thread(struct trace_writer *w, const struct trace_thread *thread);
TRACE_API int64_t trace_writer_mark(struct trace_writer *w, const char *text);
TRACE_API int64_t trace_writer_stack(struct trace_writer *w, const struct trace_stack *stack);

/* Replaces what is known of thread number (its name, its exit). */
TRACE_API int trace_writer_thread_update(struct trace_writer *w, uint32_t number,
					 const struct trace_thread *thread);

/* How often a stack was met when its site's was looked at; the last word counts. */
TRACE_API int trace_writer_samples(struct trace_writer *w, uint32_t stack, uint64_t samples,
				   uint64_t site_samples);

/*
 * Appends one row. Numbers of threads and sites must have been defined; object must be the next
 * object's number (trace_writer_objects()) and old_object below it; time_ns must not be less than
 * the last row's. -EINVAL otherwise.
 */
TRACE_API int trace_writer_event(struct trace_writer *w, const struct trace_event *event);

/* How many pages of the blocks that a row is about were resident; TRACE_NONE: not known. */
struct trace_pages {
	uint64_t born; /* of the object born, when the call returned */
	uint64_t died; /* of the old object, when the call began */
};

/* The same of a row of which residency is known; -EINVAL for pages of no object. */
TRACE_API int trace_writer_event_pages(struct trace_writer *w, const struct trace_event *event,
				       const struct trace_pages *pages);

/* The resident pages of an object that is alive at the trace's end, counted there. */
TRACE_API int trace_writer_left(struct trace_writer *w, uint64_t object, uint64_t pages);

/* Number of objects born so far: the next one's number. */
TRACE_API uint64_t trace_writer_objects(const struct trace_writer *w);

/* Ends the current block, so that a reader of the growing file sees every row so far. */
TRACE_API int trace_writer_flush(struct trace_writer *w);

TRACE_API uint64_t trace_writer_bytes(const struct trace_writer *w); /* file bytes so far */
TRACE_API uint64_t trace_writer_calls(const struct trace_writer *w); /* rows in them, less marks */

/*
 * The file shall have at most so many bytes (0: any; a header is written in any case). A row or
 * flush whose block no longer fits fails with -EFBIG; the trace is full then: it takes facts that
 * say why it ends, and trace_writer_close() ends it whole, without that block.
 */
TRACE_API void trace_writer_limit(struct trace_writer *w, uint64_t bytes);
TRACE_API bool trace_writer_full(const struct trace_writer *w);
TRACE_API const char *trace_writer_error(const struct trace_writer *w);

/*
 * Ends the trace (last frame, index, seek table), closes the file and frees the writer, also after
 * errors; returns the first error. totals NULL: the file ends as it stands, not whole.
 */
TRACE_API int trace_writer_close(struct trace_writer *w, const struct trace_totals *totals);

/* ---- reading ---- */

struct trace;

/*
 * Opens a trace and reads its facts and definitions (from the index, or by scanning where there is
 * none: a trace cut short, or still growing). *trace is set even on failure (NULL only when out of
 * memory), for trace_error(); close it in any case.
 */
TRACE_API int trace_open(struct trace **trace, const char *path);
TRACE_API void trace_close(struct trace *trace);
TRACE_API const char *trace_error(const struct trace *trace);

/*
 * Whole: the file ends as its writer ended it. When it does not, trace_error() says up to where it
 * can be read. The blocks' own checksums are verified when a cursor reads them.
 */
TRACE_API bool trace_complete(const struct trace *trace);
TRACE_API uint64_t trace_file_bytes(const struct trace *trace);
TRACE_API uint64_t trace_rows(const struct trace *trace); /* rows in whole blocks */
TRACE_API const char *trace_fact(const struct trace *trace, const char *key); /* NULL: not given */
TRACE_API size_t trace_facts(const struct trace *trace, const char *const **keys_and_values);

/* Tables; valid until trace_close(). Return the number of elements. */
TRACE_API size_t trace_modules(const struct trace *trace, const struct trace_module **modules);
TRACE_API size_t trace_sites(const struct trace *trace, const struct trace_site **sites);
TRACE_API size_t trace_stacks(const struct trace *trace, const struct trace_stack **stacks);
TRACE_API size_t trace_threads(const struct trace *trace, const struct trace_thread **threads);
TRACE_API size_t trace_marks(const struct trace *trace, const char *const **texts);
TRACE_API const struct trace_totals *
trace_totals(const struct trace *trace); /* NULL: no last frame */

/* Objects that were alive at the trace's end, and how many of their pages were resident. */
struct trace_left {
	uint64_t object;
	uint64_t pages;
};

TRACE_API size_t trace_lefts(const struct trace *trace, const struct trace_left **lefts);

/* The site key (sitekey.h) of a site; 0 for TRACE_NO_SITE. */
TRACE_API uint64_t trace_site_key(const struct trace *trace, uint32_t site);

/* The resident pages of a row's block. */
struct trace_resident {
	uint32_t row; /* in its batch */
	uint64_t pages;
};

/* Decoded rows as columns of equal length, in the trace's total order. */
struct trace_batch {
	uint64_t first_row; /* number of row 0 in the whole trace */
	size_t rows;
	const uint64_t *time_ns;
	const uint64_t *size;
	const uint64_t *align;
	const uint64_t *object;
	const uint64_t *old_object;
	const uint64_t *addr; /* NULL when not recorded */
	const uint32_t *thread;
	const uint32_t *site;
	const uint8_t *kind;
	const uint8_t *flags;
	const struct trace_resident *born, *died; /* where it is known, by row */
	size_t n_born, n_died;
};

static inline struct trace_event trace_batch_event(const struct trace_batch *b, size_t row)
{
	return (struct trace_event){
		.time_ns = b->time_ns[row],
		.size = b->size[row],
		.align = b->align[row],
		.object = b->object[row],
		.old_object = b->old_object[row],
		.addr = b->addr ? b->addr[row] : 0,
		.thread = b->thread[row],
		.site = b->site[row],
		.kind = b->kind[row],
		.flags = b->flags[row],
	};
}

/* The resident pages of a row's blocks. */
TRACE_API struct trace_pages trace_batch_pages(const struct trace_batch *b, size_t row);

/* What a cursor delivers. Zeroed: everything. */
struct trace_range {
	uint64_t from_ns; /* whole blocks that hold a row at or after this ... */
	uint64_t to_ns;   /* ... and before this; 0: to the end */
	unsigned jobs;    /* decoding threads; 0: one per processor, 1: none besides the caller */
};

struct trace_cursor;

/* Several cursors of one trace may be open, each used by one thread. range may be NULL. */
TRACE_API int trace_cursor_open(struct trace_cursor **cursor, struct trace *trace,
				const struct trace_range *range);

/*
 * The next batch (one block of the file), valid until the next call or the close. Returns 1, 0 at
 * the end, or a negative errno with trace_error() set (-EBADMSG: damaged; every batch before it
 * has been delivered).
 */
TRACE_API int trace_cursor_next(struct trace_cursor *cursor, const struct trace_batch **batch);
TRACE_API void trace_cursor_close(struct trace_cursor *cursor);

#endif
