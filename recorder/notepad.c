#include "notepad.h"

#include "latch.h"
#include "member.h"
#include "track.h"

#include <string.h>

/* Of a process and of a child of its: see notepad_open(). */
static struct track tracks[2];
static struct track *track = tracks;
static struct latch latch;
static bool open;

bool notepad_lock(void)
{
	return open && latch_lock(&latch);
}

void notepad_unlock(void)
{
	latch_unlock(&latch);
}

void notepad_close(void)
{
	open = false;
	track_cut(track, false);
}

bool notepad_open(void)
{
	/* In a child a note may be left that this very thread has begun, and goes on with. */
	track = track == tracks ? tracks + 1 : tracks;
	*track = (struct track){.patient = true};
	latch = (struct latch){0};
	if (!track_open(track))
		return false;
	open = true;
	atomic_store(&member.process->notes, session_lane_number(member.session, track->lane));
	return true;
}

/* Appends bytes to the lane; piece is the record in the making, filled its bytes so far. */
static bool append(struct track *t, struct record *piece, size_t *filled, const char *data,
		   size_t bytes)
{
	while (bytes) {
		size_t room = sizeof(*piece) - *filled;
		size_t now = bytes < room ? bytes : room;

		memcpy((char *)piece + *filled, data, now);
		data += now;
		bytes -= now;
		*filled += now;
		if (*filled == sizeof(*piece)) {
			struct record *place = track_place(t);

			if (!place)
				return false;
			*place = *piece;
			track_publish(t);
			*filled = 0;
		}
	}
	return true;
}

bool notepad_write(enum note_kind kind, const struct notepad_part *parts, size_t count)
{
	static const char padding[sizeof(struct record)];
	struct note_head head = {.kind = kind, .clock = session_now(member.session)};
	struct track *t = track;
	struct record piece;
	size_t filled = 0;

	for (size_t i = 0; i < count; i++)
		head.bytes += (uint32_t)parts[i].bytes;
	if (!append(t, &piece, &filled, (const char *)&head, sizeof(head)))
		return false;
	for (size_t i = 0; i < count; i++)
		if (!append(t, &piece, &filled, parts[i].data, parts[i].bytes))
			return false;
	return !filled || append(t, &piece, &filled, padding, sizeof(piece) - filled);
}
