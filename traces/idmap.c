#include "idmap.h"

#include "sitekey.h"

#include <errno.h>
#include <stdlib.h>

struct idmap_slot {
	uint64_t key; /* 0: empty */
	uint64_t value;
};

void idmap_init(struct idmap *m)
{
	*m = (struct idmap){0};
}

void idmap_fini(struct idmap *m)
{
	free(m->slots);
}

static size_t home_of(const struct idmap *m, uint64_t key)
{
	return site_mix(key) & (m->n_slots - 1);
}

/* The slot of key, or the empty one where it belongs. */
static struct idmap_slot *slot_of(const struct idmap *m, uint64_t key)
{
	size_t i = home_of(m, key);

	while (m->slots[i].key && m->slots[i].key != key)
		i = (i + 1) & (m->n_slots - 1);
	return &m->slots[i];
}

uint64_t idmap_get(const struct idmap *m, uint64_t key)
{
	const struct idmap_slot *slot;

	if (!m->used)
		return IDMAP_NONE;
	slot = slot_of(m, key);
	return slot->key ? slot->value : IDMAP_NONE;
}

static int grow(struct idmap *m)
{
	struct idmap bigger = {.n_slots = m->n_slots ? 2 * m->n_slots : 16, .used = m->used};

	bigger.slots = calloc(bigger.n_slots, sizeof(*bigger.slots));
	if (!bigger.slots)
		return -ENOMEM;
	for (size_t i = 0; i < m->n_slots; i++)
		if (m->slots[i].key)
			*slot_of(&bigger, m->slots[i].key) = m->slots[i];
	free(m->slots);
	*m = bigger;
	return 0;
}

int idmap_set(struct idmap *m, uint64_t key, uint64_t value)
{
	struct idmap_slot *slot;

	if (2 * m->used >= m->n_slots && grow(m))
		return -ENOMEM;
	slot = slot_of(m, key);
	m->used += slot->key == 0;
	*slot = (struct idmap_slot){key, value};
	return 0;
}

void idmap_remove(struct idmap *m, uint64_t key)
{
	size_t mask = m->n_slots - 1, hole, i;

	if (!m->used)
		return;
	hole = i = (size_t)(slot_of(m, key) - m->slots);
	if (!m->slots[hole].key)
		return;
	/* close the gap: whoever was pushed past the hole moves into it */
	for (;;) {
		i = (i + 1) & mask;
		if (!m->slots[i].key)
			break;
		if (((i - home_of(m, m->slots[i].key)) & mask) >= ((i - hole) & mask)) {
			m->slots[hole] = m->slots[i];
			hole = i;
		}
	}
	m->slots[hole].key = 0;
	m->used--;
}
