#include "extent.h"

#include <dlfcn.h>
#include <stddef.h>

#pragma weak _dl_find_object /* another C library has none, and is never recorded */

/* The start of a PT_GNU_EH_FRAME segment, and its table's entries; relative to the segment. */
struct head {
	uint8_t version, frames_encoding, count_encoding, table_encoding;
	int32_t frames;
	uint32_t count;
	struct {
		int32_t function, frame;
	} table[];
};

/* As every linker makes them. */
enum { UDATA4 = 0x03, DATAREL_SDATA4 = 0x3b, PCREL_SDATA4 = 0x1b };

bool extent_of_function(const void *addr, struct extent *extent)
{
	struct dl_find_object module;
	const struct head *head;
	uint32_t low = 0, high;
	int64_t wanted;

	if (!_dl_find_object || _dl_find_object((void *)(uintptr_t)addr, &module) != 0)
		return false;
	head = module.dlfo_eh_frame;
	if (!head || head->version != 1 || head->frames_encoding != PCREL_SDATA4 ||
	    head->count_encoding != UDATA4 || head->table_encoding != DATAREL_SDATA4 ||
	    !head->count)
		return false;
	wanted = (int64_t)((uintptr_t)addr - (uintptr_t)head);
	for (high = head->count; high - low > 1;) {
		uint32_t middle = low + (high - low) / 2;

		if (head->table[middle].function <= wanted)
			low = middle;
		else
			high = middle;
	}
	extent->first = (uintptr_t)head + (uintptr_t)(intptr_t)head->table[low].function;
	extent->end = low + 1 < head->count
			      ? (uintptr_t)head + (uintptr_t)(intptr_t)head->table[low + 1].function
			      : (uintptr_t)module.dlfo_map_end;
	return extent->first <= (uintptr_t)addr;
}

bool extent_of_module(const void *addr, struct extent *extent)
{
	struct dl_find_object module;

	if (!_dl_find_object || _dl_find_object((void *)(uintptr_t)addr, &module) != 0)
		return false;
	extent->first = (uintptr_t)module.dlfo_map_start;
	extent->end = (uintptr_t)module.dlfo_map_end;
	return true;
}

const void *extent_module(const void *addr)
{
	struct dl_find_object module;

	if (!_dl_find_object || _dl_find_object((void *)(uintptr_t)addr, &module) != 0)
		return NULL;
	return module.dlfo_link_map;
}
