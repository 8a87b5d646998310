#include "definition.h"

#include <errno.h>

#define HEAD (2 * VARINT_MAX) /* tag and length */

/* A record is written behind room for the longest head, then moved up to the head it got. */
static size_t record_begin(struct bytes *out)
{
	size_t start = out->size;

	if (bytes_reserve(out, HEAD))
		out->size += HEAD;
	return start;
}

static int record_end(struct bytes *out, size_t start, enum definition_tag tag)
{
	uint8_t head[HEAD], *end;
	size_t bytes;

	if (out->failed) {
		out->size = start;
		return -ENOMEM;
	}
	bytes = out->size - start - HEAD;
	if (bytes > DEFINITION_BYTES_MAX) {
		out->size = start;
		return -E2BIG;
	}
	end = varint_put(varint_put(head, tag), bytes);
	memcpy(out->data + start, head, (size_t)(end - head));
	memmove(out->data + start + (end - head), out->data + start + HEAD, bytes);
	out->size = start + (size_t)(end - head) + bytes;
	return 0;
}

/* UINT32_MAX and UINT64_MAX ("none") are written as 0, everything else one higher. */
static void add_module_number(struct bytes *out, uint32_t module)
{
	bytes_add_number(out, (uint32_t)(module + 1));
}

static void add_thread(struct bytes *out, const struct trace_thread *thread)
{
	bytes_add_number(out, thread->tid);
	bytes_add_text(out, thread->name ? thread->name : "");
	bytes_add_number(out, thread->start_ns);
	bytes_add_number(out, thread->exit_ns + 1);
}

int definition_fact(struct bytes *out, const char *key, const char *value)
{
	size_t start = record_begin(out);

	bytes_add_text(out, key);
	bytes_add_text(out, value);
	return record_end(out, start, DEFINE_FACT);
}

int definition_module(struct bytes *out, const struct trace_module *module)
{
	size_t start = record_begin(out);

	bytes_add_text(out, module->path);
	bytes_add_text(out, module->build_id ? module->build_id : "");
	bytes_add_number(out, module->base_addr);
	bytes_add_number(out, module->size_bytes);
	return record_end(out, start, DEFINE_MODULE);
}

int definition_site(struct bytes *out, const struct trace_site *site)
{
	size_t start = record_begin(out);

	add_module_number(out, site->module);
	bytes_add_number(out, site->offset);
	bytes_add_number(out, site->height);
	return record_end(out, start, DEFINE_SITE);
}

int definition_thread(struct bytes *out, const struct trace_thread *thread)
{
	size_t start = record_begin(out);

	add_thread(out, thread);
	return record_end(out, start, DEFINE_THREAD);
}

int definition_thread_update(struct bytes *out, uint32_t number, const struct trace_thread *thread)
{
	size_t start = record_begin(out);

	bytes_add_number(out, number);
	add_thread(out, thread);
	return record_end(out, start, DEFINE_THREAD_UPDATE);
}

int definition_stack(struct bytes *out, const struct trace_stack *stack)
{
	size_t start = record_begin(out);

	bytes_add_number(out, stack->site);
	bytes_add_number(out, stack->depth);
	for (uint32_t i = 0; i < stack->depth; i++) {
		add_module_number(out, stack->frames[i].module);
		bytes_add_number(out, stack->frames[i].offset);
	}
	return record_end(out, start, DEFINE_STACK);
}

int definition_samples(struct bytes *out, uint32_t stack, uint64_t samples, uint64_t site_samples)
{
	size_t start = record_begin(out);

	bytes_add_number(out, stack);
	bytes_add_number(out, samples);
	bytes_add_number(out, site_samples);
	return record_end(out, start, DEFINE_SAMPLES);
}

int definition_left(struct bytes *out, uint64_t object, uint64_t pages)
{
	size_t start = record_begin(out);

	bytes_add_number(out, object);
	bytes_add_number(out, pages);
	return record_end(out, start, DEFINE_LEFT);
}

int definition_mark(struct bytes *out, const char *text)
{
	size_t start = record_begin(out);

	bytes_add_text(out, text);
	return record_end(out, start, DEFINE_MARK);
}

const char *definition_excess(const struct definition_counts *counts,
			      const struct definition_cost *cost)
{
	static const uint32_t limits[] = {
		[DEFINE_FACT] = DEFINITION_FACTS_MAX, [DEFINE_MODULE] = DEFINITION_MODULES_MAX,
		[DEFINE_SITE] = DEFINITION_SITES_MAX, [DEFINE_THREAD] = DEFINITION_THREADS_MAX,
		[DEFINE_THREAD_UPDATE] = UINT32_MAX,  [DEFINE_STACK] = DEFINITION_STACKS_MAX,
		[DEFINE_MARK] = DEFINITION_MARKS_MAX, [DEFINE_SAMPLES] = UINT32_MAX,
		[DEFINE_LEFT] = DEFINITION_LEFT_MAX,
	};
	static const char *const excesses[] = {
		[DEFINE_FACT] = "too many facts",
		[DEFINE_MODULE] = "too many modules",
		[DEFINE_SITE] = "too many sites",
		[DEFINE_THREAD] = "too many threads",
		[DEFINE_THREAD_UPDATE] = "",
		[DEFINE_STACK] = "too many stacks",
		[DEFINE_MARK] = "too many user marks",
		[DEFINE_SAMPLES] = "",
		[DEFINE_LEFT] = "too many objects with resident pages",
	};
	struct definition_counts after = *counts;

	if (definition_count(&after, cost) >= limits[cost->tag])
		return excesses[cost->tag];
	if (after.frames > DEFINITION_FRAMES_MAX)
		return "too many frames of stacks";
	return after.text_bytes > DEFINITION_TEXT_MAX ? "too much text in definitions" : NULL;
}

uint32_t definition_count(struct definition_counts *counts, const struct definition_cost *cost)
{
	counts->frames += cost->frames;
	counts->text_bytes += cost->text_bytes;
	switch (cost->tag) {
	case DEFINE_FACT:
		return counts->facts++;
	case DEFINE_MODULE:
		return counts->modules++;
	case DEFINE_SITE:
		return counts->sites++;
	case DEFINE_THREAD:
		return counts->threads++;
	case DEFINE_STACK:
		return counts->stacks++;
	case DEFINE_MARK:
		return counts->marks++;
	case DEFINE_LEFT:
		return counts->lefts++;
	case DEFINE_THREAD_UPDATE:
	case DEFINE_SAMPLES:
		break;
	}
	return 0;
}
