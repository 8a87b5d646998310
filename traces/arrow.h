/*
 * A trace as Arrow tables: streams of the Arrow C stream interface, for pyarrow and every other
 * reader of that interface. The event columns are the decoder's own memory, not copies.
 *
 * trace_arrow_STREAM() returns 0 and fills *out, or returns a negative errno with trace_error()
 * set. The trace must stay open until the stream is released; arrays taken from a stream may
 * outlive both. A stream is used by one thread at a time; get_next() fails with EBADMSG where the
 * file is damaged, after every whole batch before it, and get_last_error() then tells where.
 */
#ifndef TRACE_ARROW_H
#define TRACE_ARROW_H

#include "trace.h"

#ifndef ARROW_C_DATA_INTERFACE
#define ARROW_C_DATA_INTERFACE

#define ARROW_FLAG_DICTIONARY_ORDERED 1
#define ARROW_FLAG_NULLABLE           2
#define ARROW_FLAG_MAP_KEYS_SORTED    4

struct ArrowSchema {
	const char *format;
	const char *name;
	const char *metadata;
	int64_t flags;
	int64_t n_children;
	struct ArrowSchema **children;
	struct ArrowSchema *dictionary;
	void (*release)(struct ArrowSchema *);
	void *private_data;
};

struct ArrowArray {
	int64_t length;
	int64_t null_count;
	int64_t offset;
	int64_t n_buffers;
	int64_t n_children;
	const void **buffers;
	struct ArrowArray **children;
	struct ArrowArray *dictionary;
	void (*release)(struct ArrowArray *);
	void *private_data;
};

#endif

#ifndef ARROW_C_STREAM_INTERFACE
#define ARROW_C_STREAM_INTERFACE

struct ArrowArrayStream {
	int (*get_schema)(struct ArrowArrayStream *, struct ArrowSchema *out);
	int (*get_next)(struct ArrowArrayStream *, struct ArrowArray *out);
	const char *(*get_last_error)(struct ArrowArrayStream *);
	void (*release)(struct ArrowArrayStream *);
	void *private_data;
};

#endif

/*
 * Calls and inherited objects in the total order, one record batch per block of the file. Blocks
 * are whole: a range delivers rows around it too. Texts are large utf8 here and below.
 *
 *   time_ns    int64                         object      int64, -1: none
 *   thread     uint32, row of the threads    old_object  int64, -1: none
 *   kind       dictionary int8 -> text       site        int32, row of the sites, -1: unknown
 *   size       uint64, UINT64_MAX: overflow  addr        uint64, 0: none
 *   align      uint64                        flags       uint8, TRACE_FAILED ...
 *
 * addr is there only when the trace's first block has addresses. range as in trace_cursor_open();
 * NULL: everything.
 */
TRACE_API int trace_arrow_events(struct trace *trace, const struct trace_range *range,
				 struct ArrowArrayStream *out);

/*
 * The rows that are no calls (thread_start, thread_exit, lost, mark); reads the whole trace.
 *   time_ns int64, thread uint32, kind dictionary int8 -> text, size uint64 (calls lost), text
 *   (null unless a user mark), event uint64 (rows of trace_arrow_events() before it)
 */
TRACE_API int trace_arrow_marks(struct trace *trace, struct ArrowArrayStream *out);

/*
 * Resident pages of large objects, where they are known; reads the whole trace.
 *   object int64, moment text (birth; death; end: alive then), pages uint64
 */
TRACE_API int trace_arrow_resident(struct trace *trace, struct ArrowArrayStream *out);

/* tid uint64, name text, start_ns int64, exit_ns int64 (null: did not exit) */
TRACE_API int trace_arrow_threads(struct trace *trace, struct ArrowArrayStream *out);

/* path text, build_id text, base_addr uint64, size_bytes uint64 */
TRACE_API int trace_arrow_modules(struct trace *trace, struct ArrowArrayStream *out);

/*
 * module text (path; null: in no known module), build_id text (null likewise), offset uint64,
 * height uint32, key uint64 (sitekey.h), stack_samples uint64 (of its stack; 0: not told),
 * commonest_samples uint64 (of these, with the commonest stack)
 */
TRACE_API int trace_arrow_sites(struct trace *trace, struct ArrowArrayStream *out);

/*
 * The frames of all stacks: site uint32, depth uint32 (0: the site's own frame), module text
 * (null: in no known module), offset uint64, stack uint32 (its number), samples uint64 (of its
 * site that had this very stack; 0: not told)
 */
TRACE_API int trace_arrow_stacks(struct trace *trace, struct ArrowArrayStream *out);

/*
 * The call chains of all sites, by name: the site's stack where one was recorded, else the site
 * alone; files with names are looked for as symbol.h says. Reading them takes a while.
 *
 *   site      uint32                      function  text, null: not known
 *   depth     uint32, in the stack, 0:    file      text, null: not known
 *             the site's own frame        line      uint32, null: not known
 *   inlined   uint32, 0: the innermost    module    text, null: in no known module
 *             call inlined at this depth; offset    uint64
 *             the last is the function    problem   text, null: none; why the module's functions
 *             that was compiled there               are not named: another file is at its path
 */
TRACE_API int trace_arrow_symbols(struct trace *trace, struct ArrowArrayStream *out);

/* Facts about the process: key text, value text. */
TRACE_API int trace_arrow_facts(struct trace *trace, struct ArrowArrayStream *out);

#endif
