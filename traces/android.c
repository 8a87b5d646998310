/*
 * Logs of Android's malloc_debug (record_allocs), as its memory_replay reads them:
 *   TID: malloc ADDR SIZE                  TID: memalign ADDR ALIGN SIZE
 *   TID: calloc ADDR COUNT SIZE            TID: free ADDR
 *   TID: realloc NEW_ADDR OLD_ADDR SIZE    TID: thread_done 0x0
 * Newer ones add when each call began and ended, in ns. The end is what counts for an allocation,
 * the beginning for a free.
 */
#include "importer.h"
#include "lexer.h"

#include <errno.h>
#include <string.h>

struct shape {
	const char *name;
	uint8_t kind;
	const char *arguments; /* after the address: a(ddress), n(umber of), s(ize), l(ign) */
};

static const struct shape shapes[] = {
	{"malloc", TRACE_MALLOC, "s"},      {"free", TRACE_FREE, ""},
	{"calloc", TRACE_CALLOC, "ns"},     {"realloc", TRACE_REALLOC, "as"},
	{"memalign", TRACE_MEMALIGN, "ls"}, {"thread_done", TRACE_THREAD_EXIT, ""},
};

static bool take_number(char **text, int base, uint64_t *number)
{
	*text += strspn(*text, " ");
	return lexer_number(text, base, number) && (!**text || **text == ' ' || **text == ':');
}

static const struct shape *take_shape(char **text)
{
	size_t length;

	*text += strspn(*text, " ");
	length = strcspn(*text, " ");
	for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++) {
		if (strlen(shapes[i].name) != length || memcmp(shapes[i].name, *text, length))
			continue;
		*text += length;
		return &shapes[i];
	}
	return NULL;
}

static const char *take_arguments(char **text, const struct shape *shape, struct logged_call *call)
{
	uint64_t count = 1;

	for (const char *argument = shape->arguments; *argument; argument++) {
		switch (*argument) {
		case 'a':
			if (!take_number(text, 16, &call->old_addr))
				return "the old address is missing or no hexadecimal number";
			break;
		case 'n':
			if (!take_number(text, 10, &count))
				return "the count is missing or no number";
			break;
		case 'l':
			if (!take_number(text, 10, &call->align))
				return "the alignment is missing or no number";
			break;
		case 's':
			if (!take_number(text, 10, &call->size))
				return "the size is missing or no number";
			break;
		}
	}
	if (__builtin_mul_overflow(call->size, count, &call->size))
		call->size = UINT64_MAX;
	return NULL;
}

static const char *take_times(char **text, struct logged_call *call)
{
	uint64_t begin, end;

	*text += strspn(*text, " ");
	if (!**text)
		return NULL;
	if (!take_number(text, 10, &begin))
		return "there is more on the line than the call";
	end = begin; /* thread_done has one time */
	*text += strspn(*text, " ");
	if (**text && !take_number(text, 10, &end))
		return "the end time is no number";
	*text += strspn(*text, " ");
	if (**text)
		return "there is more on the line than the call";
	call->time_ns = trace_class(call->kind) == TRACE_CLASS_FREE ? begin : end;
	return NULL;
}

static int android_line(void *memory, char *line, struct log_entry *entry, const char **reason)
{
	struct logged_call *call = &entry->call;
	const struct shape *shape;

	(void)memory;
	*reason = NULL;
	line += strspn(line, " ");
	if (!*line)
		return 0;
	if (!take_number(&line, 10, &call->tid) || *line++ != ':' || call->tid > INT32_MAX) {
		*reason = "the line does not begin with a thread id and a colon";
		return -EINVAL;
	}
	shape = take_shape(&line);
	if (!shape)
		*reason = "it names none of malloc, calloc, realloc, memalign, free, thread_done";
	else if (!take_number(&line, 16, &call->addr))
		*reason = "the address is missing or no hexadecimal number";
	else
		*reason = take_arguments(&line, shape, call);
	if (*reason)
		return -EINVAL;
	call->kind = shape->kind;
	*reason = take_times(&line, call);
	return *reason ? -EINVAL : 1;
}

const struct importer importer_android = {
	.name = "android",
	.summary = "Android's malloc_debug, as memory_replay reads it",
	.line = android_line,
};
