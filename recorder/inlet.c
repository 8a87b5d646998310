#include "inlet.h"

#define FEED_RECORDS 16384 /* read before those that wait for a chunk are woken */

void inlet_open(struct inlet *in, struct session *s, uint32_t lane)
{
	*in = (struct inlet){
		.session = s,
		.lane = session_lane(s, lane),
		.rank = lane,
		.chunk = SESSION_NONE,
		.thread = SESSION_NONE,
		.old_pages = TRACE_NONE,
	};
}

/* The chunk behind the last one; SESSION_NONE when there is none or the link makes no sense. */
static uint32_t following(const struct inlet *in)
{
	const _Atomic uint32_t *link =
		in->chunk == SESSION_NONE ? &in->lane->first : session_link(in->session, in->chunk);
	/* Acquire: pairs with the producer's store when it extended the lane. */
	uint32_t next = atomic_load_explicit(link, memory_order_acquire);

	return next < in->session->chunks + in->session->long_chunks ? next : SESSION_NONE;
}

/* Asks for the beginning of the chunk behind, which the producer's processor wrote last. */
static void look_ahead(const struct inlet *in)
{
	uint32_t next = following(in);
	const struct record *records;

	if (next == SESSION_NONE)
		return;
	records = session_chunk_base(in->session, next, in->until) + in->until % LONG_RECORDS;
	for (unsigned i = 0; i < INLET_AHEAD; i += 64 / sizeof(*records))
		__builtin_prefetch(records + i);
}

bool inlet_turn(struct inlet *in)
{
	uint32_t next = following(in);

	if (next == SESSION_NONE) {
		in->broken = true;
		return false;
	}
	in->taken = in->until * sizeof(struct record);
	atomic_store_explicit(&in->lane->taken, in->taken, memory_order_relaxed);
	if (in->chunk != SESSION_NONE)
		session_give_chunk(in->session, in->chunk);
	in->chunk = next;
	in->base = session_chunk_base(in->session, next, in->until);
	in->until = session_chunk_end(in->session, next, in->until);
	look_ahead(in);
	if (in->until % FEED_RECORDS == 0)
		session_feed(in->session);
	return true;
}

/* The lane's chunks come to an end. */
static bool ends(const struct inlet *in)
{
	struct inlet walk = *in;

	for (uint32_t i = 0; i < in->session->chunks + in->session->long_chunks; i++) {
		uint32_t next = following(&walk);

		if (next == SESSION_NONE)
			return true;
		walk.chunk = next;
	}
	return false;
}

void inlet_close(struct inlet *in)
{
	struct session *s = in->session;
	bool whole = ends(in);

	for (uint32_t next; whole && (next = following(in)) != SESSION_NONE; in->chunk = next)
		if (in->chunk != SESSION_NONE)
			session_give_chunk(s, in->chunk);
	if (in->chunk != SESSION_NONE)
		session_give_chunk(s, in->chunk);
	session_give_lane(s, session_lane_number(s, in->lane));
	*in = (struct inlet){0};
}

void inlet_prefix(struct inlet *in, const struct record *r)
{
	if (record_kind(r) == RECORD_JUMP) {
		inlet_advance(in, 1);
		/* Clocks of a lane only rise. */
		in->rank = rank_raise(in->rank, rank_make(r->word[1], 0));
		return;
	}
	if (record_kind(r) == RECORD_PAGES) {
		in->paged = true;
		in->pages_addr = record_addr(r);
		in->pages = r->word[1];
		inlet_advance(in, 1);
		return;
	}
	in->wide = true;
	in->wide_size = r->word[1];
	in->wide_align = record_addr(r);
	inlet_advance(in, 1);
}
