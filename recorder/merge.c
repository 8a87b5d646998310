#include "merge.h"

#include <errno.h>
#include <stdlib.h>

static int make_room(struct merge *m)
{
	size_t room = m->room ? m->room * 2 : 16;
	struct inlet ***arrays[] = {&m->lanes, &m->heap, &m->waiting};

	for (size_t i = 0; i < 3; i++) {
		struct inlet **array = realloc(*arrays[i], room * sizeof(*array));

		if (!array)
			return -ENOMEM;
		*arrays[i] = array;
	}
	m->room = room;
	return 0;
}

int merge_add(struct merge *m, struct inlet *lane)
{
	if (m->count == m->room && make_room(m))
		return -ENOMEM;
	m->lanes[m->count++] = lane;
	return 0;
}

void merge_fini(struct merge *m)
{
	for (size_t i = 0; i < m->count; i++) {
		inlet_close(m->lanes[i]);
		free(m->lanes[i]);
	}
	free(m->lanes);
	free(m->heap);
	free(m->waiting);
	*m = (struct merge){0};
}

/* Lowers the top to where it belongs. */
static void sink(struct merge *m)
{
	struct inlet *lane = m->heap[0];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < m->heaped) {
		if (child + 1 < m->heaped && m->heap[child + 1]->rank < m->heap[child]->rank)
			child++;
		if (lane->rank <= m->heap[child]->rank)
			break;
		m->heap[i] = m->heap[child];
		i = child;
	}
	m->heap[i] = lane;
}

static void push(struct merge *m, struct inlet *lane)
{
	size_t i = m->heaped++;

	for (; i && lane->rank < m->heap[(i - 1) / 2]->rank; i = (i - 1) / 2)
		m->heap[i] = m->heap[(i - 1) / 2];
	m->heap[i] = lane;
}

static void drop_top(struct merge *m)
{
	m->heap[0] = m->heap[--m->heaped];
	if (m->heaped)
		sink(m);
}

void merge_look(struct merge *m)
{
	for (size_t i = 0; i < m->count; i++)
		inlet_look(m->lanes[i]);
}

/* The smallest rank of the other lanes. */
static uint64_t second_rank(const struct merge *m)
{
	uint64_t rank = UINT64_MAX;

	for (size_t i = 1; i < m->heaped && i < 3; i++)
		if (m->heap[i]->rank < rank)
			rank = m->heap[i]->rank;
	return rank;
}

static void retry_waiting(struct merge *m)
{
	while (m->waits)
		push(m, m->waiting[--m->waits]);
}

/* Deals with the top lane's records up to a rank, then puts it where it belongs. */
static void run_top(struct merge *m, uint64_t rank)
{
	struct inlet *lane = m->heap[0];
	uint64_t dealt = m->dealt;
	/* While others wait, what they wait for may be any record. */
	enum merge_stop stop = m->deal(m->context, lane, rank, m->waits ? 1 : UINT64_MAX, false);

	if (stop == MERGE_ENOUGH)
		sink(m);
	else
		drop_top(m);
	if (m->waits && m->dealt != dealt)
		retry_waiting(m);
	if (stop == MERGE_WAIT) {
		lane->waited = true;
		m->waiting[m->waits++] = lane;
	}
}

/* The waiting lane of the smallest rank; NULL: none, or its record is not settled. */
static struct inlet *take_settled(struct merge *m)
{
	size_t first = 0;
	struct inlet *lane;

	for (size_t i = 1; i < m->waits; i++)
		if (m->waiting[i]->rank < m->waiting[first]->rank)
			first = i;
	if (!m->waits || m->waiting[first]->at >= m->waiting[first]->settled)
		return NULL;
	lane = m->waiting[first];
	m->waiting[first] = m->waiting[--m->waits];
	return lane;
}

static void run_heap(struct merge *m, uint64_t rank)
{
	while (m->heaped && m->heap[0]->rank <= rank && !m->stopped) {
		uint64_t until = second_rank(m);

		run_top(m, until < rank ? until : rank);
	}
}

void merge_run(struct merge *m, uint64_t rank)
{
	struct inlet *lane;

	m->heaped = m->waits = 0;
	m->dealt = 0;
	m->stopped = false;
	for (size_t i = 0; i < m->count; i++)
		if (inlet_ready(m->lanes[i]))
			push(m, m->lanes[i]);
	run_heap(m, rank);
	while (!m->stopped && (lane = take_settled(m))) {
		if (m->deal(m->context, lane, rank, 1, true) == MERGE_ENOUGH)
			push(m, lane);
		retry_waiting(m);
		run_heap(m, rank);
	}
}
