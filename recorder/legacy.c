#include "legacy.h"

#include <stdlib.h>

void legacy_destroy(struct legacy *legacy)
{
	if (!legacy)
		return;
	objects_fini(&legacy->objects);
	account_fini(&legacy->account);
	free(legacy);
}

struct legacy *legacy_create(uint32_t child, const struct objects *objects,
			     const struct account *account)
{
	struct legacy *legacy = calloc(1, sizeof(*legacy));

	if (!legacy)
		return NULL;
	legacy->child = child;
	if (account_copy(&legacy->account, account) || objects_copy(&legacy->objects, objects)) {
		legacy_destroy(legacy);
		return NULL;
	}
	return legacy;
}

struct legacy *legacy_find(struct legacy *list, uint32_t child)
{
	while (list && list->child != child)
		list = list->next;
	return list;
}

struct legacy *legacy_take(struct legacy **list, uint32_t child)
{
	struct legacy *legacy;

	while (*list && (*list)->child != child)
		list = &(*list)->next;
	legacy = *list;
	if (legacy)
		*list = legacy->next;
	return legacy;
}
