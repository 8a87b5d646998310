#include "estate.h"

#include "shard.h"

/* Full slabs that are searched for remote frees before a new slab is made. */
#define SEARCH 16
/* Empty slabs that stay, in granules. */
#define EMPTY_MOST 8
/* Classes whose slabs are searched for remote frees at once. */
#define SOME_CLASSES 8

uint32_t estate_word(const struct estate *estate, unsigned cls)
{
	return cls < CLASS_SHARED || estate->tag & WINDOW_POOL ? estate->tag | cls : cls;
}

/* Retires the slabs that have been empty for longest, down to `most` granules. */
static void empty_trim(struct estate *estate, unsigned most, struct counters *counters)
{
	while (estate->empty_granules > most) {
		struct slab *slab = estate->empty.last;

		slablist_remove(&estate->empty, slab);
		estate->empty_granules -= slab->granules;
		stat_subtract(&estate->slab_granules, slab->granules);
		stat_add(&counters->slabs_retired, 1);
		shard_give(segment_slab_run(slab), slab->granules);
	}
}

bool estate_trim(struct estate *estate, struct counters *counters)
{
	bool any = estate->empty_granules != 0;

	empty_trim(estate, 0, counters);
	return any;
}

/* Puts a slab where it belongs after blocks came back to it. */
static void slab_settle(struct estate *estate, struct slab *slab, unsigned free_before,
			struct counters *counters)
{
	if (slab->free_blocks == slab->blocks) {
		slablist_remove(free_before ? &estate->avail[slab->cls] : &estate->full[slab->cls],
				slab);
		slablist_push(&estate->empty, slab);
		estate->empty_granules += slab->granules;
		empty_trim(estate, EMPTY_MOST, counters);
	} else if (!free_before && slab->free_blocks) {
		slablist_remove(&estate->full[slab->cls], slab);
		slablist_append(&estate->avail[slab->cls], slab);
	}
}

static void slab_collect(struct estate *estate, struct slab *slab, struct counters *counters)
{
	unsigned free_before = slab->free_blocks;
	unsigned count = slab_remote_collect(slab);

	stat_subtract(&estate->taken_bytes, (uint64_t)count * class_table[slab->cls].size);
	stat_add(&counters->remote_drained, count);
	slab_settle(estate, slab, free_before, counters);
}

static void slab_own(struct estate *estate, void *run, unsigned cls, struct counters *counters)
{
	struct slab *slab = segment_slab_form(run, cls, estate->tag, estate_word(estate, cls));

	slablist_push(&estate->avail[cls], slab);
	stat_add(&counters->slabs_created, 1);
}

/* Makes an empty slab one of `cls`: one that was of the same class, else one of the same length.
 */
static void empty_take(struct estate *estate, unsigned cls, struct counters *counters)
{
	struct slab *fit = NULL;

	for (struct slab *slab = estate->empty.first; slab; slab = slab->next) {
		if (slab->cls == cls) {
			fit = slab;
			break;
		}
		if (slab->granules == class_table[cls].granules)
			fit = slab;
	}
	if (!fit)
		return;
	slablist_remove(&estate->empty, fit);
	estate->empty_granules -= fit->granules;
	if (fit->cls == cls)
		slablist_push(&estate->avail[cls], fit);
	else
		slab_own(estate, segment_slab_run(fit), cls, counters);
}

/* Looks for remote frees in some of the class's full slabs, the longest not looked at first. */
static void full_search(struct estate *estate, unsigned cls, struct counters *counters)
{
	struct slablist *full = &estate->full[cls];
	struct slab *last = full->last;

	for (unsigned looked = 0; looked < SEARCH && full->first; looked++) {
		struct slab *slab = full->first;

		if (slab_remote_any(slab)) {
			slab_collect(estate, slab, counters);
		} else {
			slablist_remove(full, slab);
			slablist_append(full, slab);
		}
		if (slab == last)
			return;
	}
}

/* A slab of `cls` with free blocks; NULL: none. */
static struct slab *slab_find(struct estate *estate, unsigned cls, struct counters *counters)
{
	struct slablist *avail = &estate->avail[cls];
	struct slab *slab;

	while ((slab = avail->first) && slab_remote_any(slab)) {
		slab_collect(estate, slab, counters);
		if (slab == avail->first)
			return slab;
	}
	if (!avail->first)
		full_search(estate, cls, counters);
	if (!avail->first)
		empty_take(estate, cls, counters);
	return avail->first;
}

unsigned estate_take(struct estate *estate, unsigned cls, void **blocks, unsigned most,
		     struct counters *counters)
{
	struct slab *slab = slab_find(estate, cls, counters);
	unsigned count;

	if (!slab)
		return 0;
	count = slab_take(slab, blocks, most);
	if (!slab->free_blocks) {
		slablist_remove(&estate->avail[cls], slab);
		slablist_append(&estate->full[cls], slab);
	}
	stat_add(&estate->taken_bytes, (uint64_t)count * class_table[cls].size);
	return count;
}

void estate_add(struct estate *estate, void *run, unsigned cls, struct counters *counters)
{
	slab_own(estate, run, cls, counters);
	stat_add(&estate->slab_granules, class_table[cls].granules);
}

void estate_put(struct estate *estate, unsigned cls, void **blocks, size_t count,
		struct outbox *outbox, struct counters *counters)
{
	size_t at = 0, own = 0;

	while (at < count) {
		uintptr_t granule = (uintptr_t)blocks[at] >> GRANULE_SHIFT;
		struct slab *slab = segment_slab_checked(cls, blocks[at]);
		unsigned free_before;

		if (slab->tag != estate->tag) {
			outbox_put(outbox, slab, blocks[at++], counters);
			continue;
		}
		free_before = slab->free_blocks;
		do {
			slab_put(slab, blocks[at++]);
			own++;
		} while (at < count && (uintptr_t)blocks[at] >> GRANULE_SHIFT == granule);
		slab_settle(estate, slab, free_before, counters);
	}
	stat_subtract(&estate->taken_bytes, own * class_table[cls].size);
}

static void list_collect(struct estate *estate, struct slablist *list, struct counters *counters)
{
	struct slab *next;

	for (struct slab *slab = list->first; slab; slab = next) {
		next = slab->next;
		if (slab_remote_any(slab))
			slab_collect(estate, slab, counters);
	}
}

static void class_collect(struct estate *estate, unsigned cls, struct counters *counters)
{
	list_collect(estate, &estate->full[cls], counters);
	list_collect(estate, &estate->avail[cls], counters);
}

void estate_collect(struct estate *estate, struct counters *counters)
{
	for (unsigned cls = 1; cls < CLASS_MID_END; cls++)
		class_collect(estate, cls, counters);
}

void estate_collect_some(struct estate *estate, struct counters *counters)
{
	for (unsigned count = 0; count < SOME_CLASSES; count++) {
		estate->next_collected = estate->next_collected % (CLASS_MID_END - 1) + 1;
		class_collect(estate, estate->next_collected, counters);
	}
}
