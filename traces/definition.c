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

int definition_mark(struct bytes *out, const char *text)
{
	size_t start = record_begin(out);

	bytes_add_text(out, text);
	return record_end(out, start, DEFINE_MARK);
}
