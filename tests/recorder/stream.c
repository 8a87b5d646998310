#include "stream.h"

#include "recorder/record.h"

void stream_open(struct stream *stream, const struct session *session, uint32_t number, bool deaf)
{
	const struct session_lane *lane = session_lane(session, number);

	*stream = (struct stream){
		.session = session,
		.chunk = lane->first,
		.count = session_published(lane),
		.rank = number,
		.deaf = deaf,
	};
}

/* Takes the next record and gives it its clock. */
static const struct record *take(struct stream *s)
{
	const struct record *record;

	if (s->index == s->end) {
		s->chunk = s->index ? *session_link(s->session, s->chunk) : s->chunk;
		s->end = session_chunk_end(s->session, s->chunk, s->index);
	}
	record = session_chunk_base(s->session, s->chunk, s->index) + s->index % LONG_RECORDS;
	s->index++;
	s->at = s->rank;
	return record;
}

static bool set(struct stream *s, enum stream_step step, uint64_t addr)
{
	s->step = step;
	s->addr = addr;
	return true;
}

/* The result of a realloc; its death has been told already. */
static bool resized(struct stream *s, const struct record *record)
{
	uint64_t old = s->realloc_addr;
	bool failed = record_failed(record, s->wide ? s->wide_size : record_size(record));

	s->realloc_addr = 0;
	s->wide = false;
	s->calls++;
	if (failed)
		return old && set(s, STREAM_REBIRTH, old);
	return record_addr(record) && set(s, STREAM_BIRTH, record_addr(record));
}

/* Whether the record is a step. */
static bool understood(struct stream *s, const struct record *record)
{
	unsigned kind = record_kind(record);

	if (kind == RECORD_JUMP) {
		s->jumps++;
		if (!s->deaf || !s->begun)
			s->rank = rank_raise(s->rank, rank_make(record->word[1], 0));
		s->begun = true;
		return false;
	}
	if (kind == RECORD_WIDE) {
		s->wide = true;
		s->wide_size = record->word[1];
		return false;
	}
	if (kind == RECORD_OLD) {
		s->realloc_addr = record_addr(record);
		return set(s, STREAM_DEATH, record_addr(record));
	}
	if (!trace_kind_name(kind) || kind >= TRACE_MARKS)
		return false;
	if (trace_class(kind) == TRACE_CLASS_REALLOC)
		return resized(s, record);
	s->wide = false;
	s->calls++;
	if (!record_addr(record))
		return false;
	return set(s, trace_class(kind) == TRACE_CLASS_FREE ? STREAM_DEATH : STREAM_BIRTH,
		   record_addr(record));
}

bool stream_next(struct stream *s)
{
	while (s->index < s->count)
		if (understood(s, take(s)))
			return true;
	return false;
}
