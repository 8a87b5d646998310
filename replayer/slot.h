/* Where the runner keeps a live object: what the allocator gave, and which object it is. */
#ifndef REPLAYER_SLOT_H
#define REPLAYER_SLOT_H

#include <stdatomic.h>
#include <stdint.h>

/*
 * identity (plan_identity()) is stored after everything else about the block is done, and with
 * release, so that another thread that finds the object it waits for may use it at once.
 */
struct slot {
	void *ptr;
	_Atomic uint64_t identity;
};

#endif
