/*
 * Definition records: a tag, the payload's length, the payload. A reader skips tags that it does
 * not know and ignores what a payload has behind the fields that it knows. FORMAT.md,
 * "Definitions".
 */
#ifndef DEFINITION_H
#define DEFINITION_H

#include "bytes.h"
#include "trace.h"

enum definition_tag {
	DEFINE_FACT = 1,
	DEFINE_MODULE = 2,
	DEFINE_SITE = 3,
	DEFINE_THREAD = 4,
	DEFINE_THREAD_UPDATE = 5,
	DEFINE_STACK = 6,
	DEFINE_MARK = 7,
	DEFINE_SAMPLES = 8,
	DEFINE_LEFT = 9,
};

/* How many a trace may have of each, and how large a record may be. */
#define DEFINITION_FACTS_MAX   (1u << 12)
#define DEFINITION_MODULES_MAX (1u << 20)
#define DEFINITION_SITES_MAX   (1u << 24)
#define DEFINITION_STACKS_MAX  (1u << 24)
#define DEFINITION_THREADS_MAX (1u << 22)
#define DEFINITION_MARKS_MAX   (1u << 20)
#define DEFINITION_LEFT_MAX    (1u << 24)
#define DEFINITION_FRAMES_MAX  (1u << 24) /* of all stacks together */
#define DEFINITION_DEPTH_MAX   (1u << 16) /* of one stack; at least 1 */
#define DEFINITION_TEXT_MAX    (1u << 27) /* bytes of all texts together */
#define DEFINITION_BYTES_MAX   (1u << 22) /* of one record's payload */

/* What a trace has of each so far, and what one more record adds. */
struct definition_counts {
	uint32_t facts, modules, sites, threads, stacks, marks, lefts;
	uint64_t frames;
	uint64_t text_bytes;
};

struct definition_cost {
	enum definition_tag tag;
	uint32_t frames;
	uint64_t text_bytes; /* with one for each text */
};

/* NULL when a trace may have this record too, else what it has too much of. */
const char *definition_excess(const struct definition_counts *counts,
			      const struct definition_cost *cost);

/* Counts a record; returns its number among those of its kind. */
uint32_t definition_count(struct definition_counts *counts, const struct definition_cost *cost);

/* Each appends one record; -E2BIG when it is larger than DEFINITION_BYTES_MAX, -ENOMEM. */
int definition_fact(struct bytes *out, const char *key, const char *value);
int definition_module(struct bytes *out, const struct trace_module *module);
int definition_site(struct bytes *out, const struct trace_site *site);
int definition_thread(struct bytes *out, const struct trace_thread *thread);
int definition_thread_update(struct bytes *out, uint32_t number, const struct trace_thread *thread);
int definition_stack(struct bytes *out, const struct trace_stack *stack);
int definition_samples(struct bytes *out, uint32_t stack, uint64_t samples, uint64_t site_samples);
int definition_left(struct bytes *out, uint64_t object, uint64_t pages);
int definition_mark(struct bytes *out, const char *text);

#endif
