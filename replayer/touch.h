/* Writes to blocks the way the program is taken to have done: see RUN_TOUCH_*. */
#ifndef REPLAYER_TOUCH_H
#define REPLAYER_TOUCH_H

#include "run.h"

#include <stddef.h>
#include <string.h>

#define TOUCH_BYTE 0xa5
#define TOUCH_PAGE 4096

/* One byte in each of the pages [from, to) of a block, counted from that of its first byte. */
static inline void touch_pages(void *ptr, size_t size, size_t from, size_t to)
{
	uintptr_t first = (uintptr_t)ptr / TOUCH_PAGE, end = (uintptr_t)ptr + size;

	for (uintptr_t page = first + from; page < first + to && page * TOUCH_PAGE < end; page++)
		*(volatile char *)(page == first ? (uintptr_t)ptr : page * TOUCH_PAGE) =
			(char)TOUCH_BYTE;
}

/* The bytes [from, to) of a block. */
static inline void touch_part(enum run_touch how, void *ptr, size_t from, size_t to)
{
	char *byte = ptr;

	if (from >= to || !ptr)
		return;
	if (how == RUN_TOUCH_FIRST) {
		((volatile char *)byte)[from] = (char)TOUCH_BYTE;
	} else if (how == RUN_TOUCH_ALL || to < RUN_LARGE_BYTES) {
		memset(byte + from, TOUCH_BYTE, to - from);
	} else {
		((volatile char *)byte)[from] = (char)TOUCH_BYTE;
		for (uintptr_t page = ((uintptr_t)byte + from) / TOUCH_PAGE + 1;
		     page * TOUCH_PAGE < (uintptr_t)byte + to; page++)
			*(volatile char *)(page * TOUCH_PAGE) = (char)TOUCH_BYTE;
	}
}

#endif
