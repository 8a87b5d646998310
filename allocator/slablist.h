/* Doubly linked lists of slabs; each slab is in one at most. */
#ifndef SLABLIST_H
#define SLABLIST_H

#include "slab.h"

struct slablist {
	struct slab *first, *last;
};

static inline void slablist_push(struct slablist *list, struct slab *slab)
{
	slab->prev = NULL;
	slab->next = list->first;
	if (list->first)
		list->first->prev = slab;
	else
		list->last = slab;
	list->first = slab;
}

static inline void slablist_append(struct slablist *list, struct slab *slab)
{
	slab->next = NULL;
	slab->prev = list->last;
	if (list->last)
		list->last->next = slab;
	else
		list->first = slab;
	list->last = slab;
}

static inline void slablist_remove(struct slablist *list, struct slab *slab)
{
	if (slab->prev)
		slab->prev->next = slab->next;
	else
		list->first = slab->next;
	if (slab->next)
		slab->next->prev = slab->prev;
	else
		list->last = slab->prev;
}

#endif
