#include "outbox.h"

#include "notice.h"

static void place_send(struct outbox *outbox, unsigned at, struct counters *counters)
{
	struct slab *slab = outbox->place[at].slab;
	unsigned retries;

	if (!slab)
		return;
	retries = slab_remote_push(slab, outbox->place[at].first, outbox->place[at].last);
	stat_add(&counters->remote_batches, 1);
	stat_add(&counters->atomic_retries, retries);
	outbox->place[at].slab = NULL;
}

void outbox_put(struct outbox *outbox, struct slab *slab, void *ptr, struct counters *counters)
{
	unsigned at = (unsigned)((uintptr_t)slab / sizeof(*slab)) % OUTBOX_PLACES;

	stat_add(&counters->remote_frees, 1);
	if (outbox->place[at].slab != slab) {
		place_send(outbox, at, counters);
		outbox->place[at].slab = slab;
		outbox->place[at].first = outbox->place[at].last = ptr;
		outbox->place[at].count = 1;
		return;
	}
	if (outbox->place[at].first == ptr)
		notice_fatal("double free of", ptr);
	slab_link(ptr, outbox->place[at].first);
	outbox->place[at].first = ptr;
	if (++outbox->place[at].count == OUTBOX_BATCH)
		place_send(outbox, at, counters);
}

void outbox_flush(struct outbox *outbox, struct counters *counters)
{
	for (unsigned at = 0; at < OUTBOX_PLACES; at++)
		place_send(outbox, at, counters);
}
