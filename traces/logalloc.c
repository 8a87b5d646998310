/*
 * Logs of Firefox's logalloc, one call a line; old ones have no thread:
 *   PID TID malloc(SIZE)=ADDR             PID TID posix_memalign(ALIGN,SIZE)=ADDR
 *   PID TID calloc(COUNT,SIZE)=ADDR       PID TID aligned_alloc(ALIGN,SIZE)=ADDR
 *   PID TID realloc(ADDR,SIZE)=ADDR       PID TID memalign(ALIGN,SIZE)=ADDR
 *   PID TID valloc(SIZE)=ADDR             PID TID free(ADDR)
 *   PID TID jemalloc_stats()              which is no call
 * Addresses are hexadecimal; after logalloc_munge they are #1, #2, ... Several processes may have
 * written to one log: the first one's calls are taken.
 */
#include "importer.h"
#include "lexer.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

struct logalloc {
	bool seen;
	uint64_t pid;
	uint64_t other_lines; /* of other processes */
};

static const struct shape {
	const char *name;      /* with the bracket */
	const char *arguments; /* a(ddress), n(umber of), l(ign), s(ize) */
	uint8_t kind;
} shapes[] = {
	{"malloc(", "s", TRACE_MALLOC},
	{"free(", "a", TRACE_FREE},
	{"realloc(", "as", TRACE_REALLOC},
	{"calloc(", "ns", TRACE_CALLOC},
	{"posix_memalign(", "ls", TRACE_POSIX_MEMALIGN},
	{"memalign(", "ls", TRACE_MEMALIGN},
	{"aligned_alloc(", "ls", TRACE_ALIGNED_ALLOC},
	{"valloc(", "s", TRACE_VALLOC},
};

static const struct shape *take_shape(char **line)
{
	for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++)
		if (lexer_text(line, shapes[i].name))
			return &shapes[i];
	return NULL;
}

static bool take_addr(char **line, uint64_t *addr)
{
	return lexer_text(line, "#") ? lexer_number(line, 10, addr) : lexer_addr(line, addr);
}

static const char *take_arguments(char **line, const struct shape *shape, struct logged_call *call)
{
	uint64_t count = 1, number;

	for (const char *argument = shape->arguments; *argument; argument++) {
		if (argument != shape->arguments && !lexer_text(line, ","))
			return "an argument is missing";
		if (*argument == 'a' ? !take_addr(line, &number) : !lexer_number(line, 10, &number))
			return *argument == 'a' ? "the address in brackets is none"
						: "a number in brackets is none";
		if (*argument == 'a' && call->kind == TRACE_FREE)
			call->addr = number;
		else if (*argument == 'a')
			call->old_addr = number;
		else if (*argument == 'n')
			count = number;
		else if (*argument == 'l')
			call->align = number;
		else
			call->size = number;
	}
	if (__builtin_mul_overflow(call->size, count, &call->size))
		call->size = UINT64_MAX;
	return lexer_text(line, ")") ? NULL : "there is no bracket behind the arguments";
}

static const char *take_call(char *line, struct logged_call *call)
{
	const struct shape *shape = take_shape(&line);
	const char *reason;

	if (!shape)
		return "it names no function of logalloc";
	call->kind = shape->kind;
	reason = take_arguments(&line, shape, call);
	if (reason)
		return reason;
	if (call->kind != TRACE_FREE && (!lexer_text(&line, "=") || !take_addr(&line, &call->addr)))
		return "the result is missing or no address";
	return *line ? "there is more on the line than the call" : NULL;
}

static bool is_other(struct logalloc *log, uint64_t pid)
{
	if (!log->seen)
		log->pid = pid;
	log->seen = true;
	log->other_lines += pid != log->pid;
	return pid != log->pid;
}

static int logalloc_line(void *memory, char *line, struct log_entry *entry, const char **reason)
{
	uint64_t pid;

	*reason = NULL;
	if (!*line)
		return 0;
	if (!lexer_number(&line, 10, &pid) || !lexer_text(&line, " ")) {
		*reason = "the line does not begin with a process id";
		return -EINVAL;
	}
	entry->call.tid = pid;
	if (lexer_number(&line, 10, &entry->call.tid) && !lexer_text(&line, " ")) {
		*reason = "the thread id is not followed by a call";
		return -EINVAL;
	}
	if (entry->call.tid == UINT64_MAX) {
		*reason = "the thread id is none";
		return -EINVAL;
	}
	if (is_other(memory, pid) || !strcmp(line, "jemalloc_stats()"))
		return 0;
	*reason = take_call(line, &entry->call);
	return *reason ? -EINVAL : 1;
}

static int logalloc_end(const void *memory, char note[IMPORTER_NOTE_BYTES])
{
	const struct logalloc *log = memory;

	if (log->other_lines)
		snprintf(note, IMPORTER_NOTE_BYTES,
			 "%" PRIu64 " lines of other processes than %" PRIu64 " are left out",
			 log->other_lines, log->pid);
	return 0;
}

const struct importer importer_logalloc = {
	.name = "logalloc",
	.summary = "Firefox's logalloc",
	.memory_bytes = sizeof(struct logalloc),
	.line = logalloc_line,
	.end = logalloc_end,
};
