#include "notepad.h"

#include "latch.h"
#include "member.h"
#include "track.h"

#include <string.h>

static struct track track = {.patient = true};
static struct latch latch;

bool notepad_lock(void)
{
	return latch_lock(&latch);
}

void notepad_unlock(void)
{
	latch_unlock(&latch);
}

bool notepad_open(void)
{
	latch = (struct latch){0};
	if (!track_open(&track))
		return false;
	atomic_store(&member.process->notes, session_lane_number(member.session, track.lane));
	return true;
}

/* Appends bytes to the lane; piece is the record in the making, filled its bytes so far. */
static bool append(struct record *piece, size_t *filled, const char *data, size_t bytes)
{
	while (bytes) {
		size_t room = sizeof(*piece) - *filled;
		size_t now = bytes < room ? bytes : room;

		memcpy((char *)piece + *filled, data, now);
		data += now;
		bytes -= now;
		*filled += now;
		if (*filled == sizeof(*piece)) {
			struct record *place = track_place(&track);

			if (!place)
				return false;
			*place = *piece;
			track_publish(&track);
			*filled = 0;
		}
	}
	return true;
}

bool notepad_write(enum note_kind kind, const struct notepad_part *parts, size_t count)
{
	static const char padding[sizeof(struct record)];
	struct note_head head = {.kind = kind, .clock = session_now(member.session)};
	struct record piece;
	size_t filled = 0;

	for (size_t i = 0; i < count; i++)
		head.bytes += (uint32_t)parts[i].bytes;
	if (!append(&piece, &filled, (const char *)&head, sizeof(head)))
		return false;
	for (size_t i = 0; i < count; i++)
		if (!append(&piece, &filled, parts[i].data, parts[i].bytes))
			return false;
	return !filled || append(&piece, &filled, padding, sizeof(piece) - filled);
}
