/*
 * Logs of glibc's mtrace:
 *   @ FILE:(SYMBOL+0x1a)[0x11c0] + ADDR SIZE    allocated, whatever the function; (nil): failed
 *   @ FILE:[0x11c0] - ADDR                      freed
 *   @ [0x7f12] < ADDR                           reallocated from; the next line tells to where
 *   @ [0x7f12] > ADDR SIZE
 *   ! ADDR SIZE                                 a realloc that failed
 * The caller in front may be missing. = Start and = End are no calls. There are no threads.
 */
#include "importer.h"
#include "lexer.h"

#include <errno.h>
#include <string.h>

struct mtrace {
	bool inside; /* a realloc whose second line is to come */
	uint64_t old_addr;
};

/* Cuts "FILE:(SYMBOL+0x1a)" down to FILE; NULL when there is none. */
static const char *cut_file(char *text)
{
	size_t length = strlen(text);
	char *symbol = strrchr(text, '(');

	if (length && text[length - 1] == ')' && symbol) {
		length = (size_t)(symbol - text);
		text[length] = 0;
	}
	if (length && text[length - 1] == ':')
		text[length - 1] = 0;
	return *text ? text : NULL;
}

static const char *take_caller(char **line, struct log_entry *entry)
{
	char *file = *line + 2, *end = strrchr(file, ']'), *addr;

	if (!end || end[1] != ' ')
		return "the caller does not end with an address in brackets";
	*end = 0;
	addr = strrchr(file, '[');
	if (!addr)
		return "the caller does not end with an address in brackets";
	*addr++ = 0;
	if (!lexer_number(&addr, 16, &entry->caller) || *addr)
		return "the caller's address is no hexadecimal number";
	entry->caller_file = cut_file(file);
	*line = end + 2;
	return NULL;
}

static const char *take_operands(char *line, struct logged_call *call, uint64_t *addr)
{
	if (!lexer_text(&line, " ") || !lexer_addr(&line, addr))
		return "the address is missing or no hexadecimal number";
	if (call->kind != TRACE_FREE &&
	    (!lexer_text(&line, " ") || !lexer_number(&line, 16, &call->size)))
		return "the size is missing or no hexadecimal number";
	return line[strspn(line, " ")] ? "there is more on the line than the call" : NULL;
}

static const char *take_call(struct mtrace *log, char *line, struct logged_call *call)
{
	char what = *line;
	const char *reason;

	if (log->inside != (what == '>'))
		return log->inside ? "a '<' is not followed by its '>'" : "a '>' follows no '<'";
	switch (what) {
	case '+':
		call->kind = TRACE_MALLOC;
		return take_operands(line + 1, call, &call->addr);
	case '-':
		call->kind = TRACE_FREE;
		return take_operands(line + 1, call, &call->addr);
	case '<':
		call->kind = TRACE_FREE; /* for its operands; it is half a call */
		reason = take_operands(line + 1, call, &log->old_addr);
		log->inside = !reason;
		return reason;
	case '>':
		call->kind = TRACE_REALLOC;
		call->old_addr = log->old_addr;
		log->inside = false;
		return take_operands(line + 1, call, &call->addr);
	case '!':
		call->kind = TRACE_REALLOC;
		return take_operands(line + 1, call, &call->old_addr);
	default:
		return "it is no call: none of + - < > !";
	}
}

static int mtrace_line(void *memory, char *line, struct log_entry *entry, const char **reason)
{
	struct mtrace *log = memory;

	*reason = NULL;
	if (!*line || *line == '=')
		return 0;
	if (line[0] == '@' && line[1] == ' ')
		*reason = take_caller(&line, entry);
	if (!*reason)
		*reason = take_call(log, line, &entry->call);
	if (*reason)
		return -EINVAL;
	return !log->inside;
}

static int mtrace_end(const void *memory, char note[IMPORTER_NOTE_BYTES])
{
	const struct mtrace *log = memory;

	if (log->inside)
		snprintf(note, IMPORTER_NOTE_BYTES, "it ends inside a realloc");
	return log->inside ? -EINVAL : 0;
}

const struct importer importer_mtrace = {
	.name = "mtrace",
	.summary = "glibc's mtrace",
	.memory_bytes = sizeof(struct mtrace),
	.line = mtrace_line,
	.end = mtrace_end,
};
