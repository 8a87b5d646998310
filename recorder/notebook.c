#include "notebook.h"

#include <stdlib.h>
#include <string.h>

#define NOTE_BYTES_MAX ((size_t)1 << 20)
#define ZEROS          8

void notebook_open(struct notebook *b, struct session *s, uint32_t lane)
{
	*b = (struct notebook){0};
	inlet_open(&b->inlet, s, lane);
}

void notebook_close(struct notebook *b)
{
	inlet_close(&b->inlet);
	free(b->bytes);
	*b = (struct notebook){0};
}

/* Whole length of the note in the making. */
static size_t length(const struct notebook *b)
{
	struct note_head head;

	memcpy(&head, b->bytes, sizeof(head));
	return sizeof(head) + head.bytes;
}

static bool take(struct notebook *b, const struct record *piece)
{
	size_t needed = b->filled + sizeof(*piece) + ZEROS;

	if (needed > b->room) {
		size_t room = needed * 2;
		char *bytes = realloc(b->bytes, room);

		if (!bytes)
			return false;
		b->bytes = bytes;
		b->room = room;
	}
	memcpy(b->bytes + b->filled, piece, sizeof(*piece));
	b->filled += sizeof(*piece);
	memset(b->bytes + b->filled, 0, ZEROS);
	return true;
}

const struct note_head *notebook_next(struct notebook *b)
{
	struct inlet *in = &b->inlet;

	if (b->filled && b->filled >= length(b))
		b->filled = 0;
	inlet_look(in);
	while (in->at < in->end && !in->broken) {
		const struct record *piece = inlet_record(in);

		if (!piece || !take(b, piece))
			break;
		inlet_advance(in, 1);
		if (length(b) > NOTE_BYTES_MAX) {
			in->broken = true;
			break;
		}
		if (b->filled >= length(b)) {
			memset(b->bytes + length(b), 0, b->filled - length(b));
			return (const struct note_head *)b->bytes;
		}
	}
	return NULL;
}
