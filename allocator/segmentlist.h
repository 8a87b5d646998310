/* Lists of segments that have free granules: the roomy ones last. */
#ifndef SEGMENTLIST_H
#define SEGMENTLIST_H

#include "segment.h"

struct segmentlist {
	struct segment *first, *last;
};

static inline void segmentlist_add(struct segmentlist *list, struct segment *segment)
{
	bool last = segment->room == SEGMENT_ROOMY;

	segment->next = last ? NULL : list->first;
	segment->prev = last ? list->last : NULL;
	*(segment->next ? &segment->next->prev : &list->last) = segment;
	*(segment->prev ? &segment->prev->next : &list->first) = segment;
}

static inline void segmentlist_remove(struct segmentlist *list, struct segment *segment)
{
	*(segment->next ? &segment->next->prev : &list->last) = segment->prev;
	*(segment->prev ? &segment->prev->next : &list->first) = segment->next;
}

/* Puts a segment where it belongs after granules of it were given out or came back. */
static inline void segmentlist_settle(struct segmentlist *list, struct segment *segment)
{
	enum segment_room room = segment_room_of(segment);

	if (room == segment->room)
		return;
	if (segment->room != SEGMENT_FULL)
		segmentlist_remove(list, segment);
	segment->room = (uint8_t)room;
	if (room != SEGMENT_FULL)
		segmentlist_add(list, segment);
}

#endif
