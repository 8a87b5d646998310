/*
 * Traces of the malloc lab (.rep): four numbers, one a line (suggested heap size or weight, number
 * of ids, number of requests, weight or maximal heap size), then one request a line:
 *   a ID SIZE    allocate            r ID SIZE    reallocate            f ID    free; -1:
 * free(NULL) An id stands for a block wherever it is, so a realloc never moves.
 */
#include "importer.h"
#include "lexer.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define HEADER_LINES 4

struct malloclab {
	uint64_t header[HEADER_LINES];
	unsigned header_lines; /* read so far */
	uint64_t requests;
};

enum { HEADER_IDS = 1, HEADER_REQUESTS = 2 };

static bool take_number(char **text, uint64_t *number)
{
	*text += strspn(*text, " \t");
	return lexer_number(text, 10, number) && strchr(" \t", **text);
}

static bool at_end(const char *text)
{
	return !text[strspn(text, " \t")];
}

static const char *take_header(struct malloclab *lab, char *line)
{
	if (!take_number(&line, &lab->header[lab->header_lines]) || !at_end(line))
		return "it is none of the four numbers that a .rep file begins with";
	lab->header_lines++;
	return NULL;
}

/* What an id stands for: an address of its own, never 0. */
static const char *take_id(const struct malloclab *lab, char **line, uint64_t *addr)
{
	uint64_t id;

	if (!take_number(line, &id))
		return "the id is missing or no number";
	if (id >= lab->header[HEADER_IDS])
		return "the id is not below the number of ids in the header";
	*addr = id + 1;
	return NULL;
}

static const char *take_request(const struct malloclab *lab, char *line, struct logged_call *call)
{
	char what = *line++;
	const char *reason;

	if (!strchr("arf", what) || !*line || !strchr(" \t", *line))
		return "it is no request: neither a(llocate), r(eallocate) nor f(ree)";
	line += strspn(line, " \t");
	call->kind = what == 'a' ? TRACE_MALLOC : what == 'r' ? TRACE_REALLOC : TRACE_FREE;
	if (what == 'f' && lexer_text(&line, "-1")) /* free(NULL) */
		return at_end(line) ? NULL : "there is more on the line than the request";
	reason = take_id(lab, &line, &call->addr);
	if (reason)
		return reason;
	if (what != 'f' && !take_number(&line, &call->size))
		return "the size is missing or no number";
	if (!at_end(line))
		return "there is more on the line than the request";
	if (what == 'r') {
		call->old_addr = call->addr;
		if (!call->size)
			call->addr = 0; /* it frees */
	}
	return NULL;
}

static int malloclab_line(void *memory, char *line, struct log_entry *entry, const char **reason)
{
	struct malloclab *lab = memory;

	*reason = NULL;
	line += strspn(line, " \t");
	if (!*line)
		return 0;
	if (lab->header_lines < HEADER_LINES) {
		*reason = take_header(lab, line);
		return *reason ? -EINVAL : 0;
	}
	*reason = take_request(lab, line, &entry->call);
	if (*reason)
		return -EINVAL;
	lab->requests++;
	return 1;
}

static int malloclab_end(const void *memory, char note[IMPORTER_NOTE_BYTES])
{
	const struct malloclab *lab = memory;

	if (lab->header_lines < HEADER_LINES)
		snprintf(note, IMPORTER_NOTE_BYTES, "it ends inside the header");
	else if (lab->requests != lab->header[HEADER_REQUESTS])
		snprintf(note, IMPORTER_NOTE_BYTES,
			 "%" PRIu64 " requests where the header tells of %" PRIu64, lab->requests,
			 lab->header[HEADER_REQUESTS]);
	return *note ? -EINVAL : 0;
}

const struct importer importer_malloclab = {
	.name = "malloclab",
	.summary = "traces of the malloc lab (.rep)",
	.memory_bytes = sizeof(struct malloclab),
	.line = malloclab_line,
	.end = malloclab_end,
};
