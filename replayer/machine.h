/* What the measurements were made on. */
#ifndef REPLAYER_MACHINE_H
#define REPLAYER_MACHINE_H

#include <stdint.h>

struct machine {
	char cpu[128];
	unsigned processors;
	uint64_t memory_bytes;
	char kernel[128];
	char libc[64];
};

void machine_read(struct machine *machine);

#endif
