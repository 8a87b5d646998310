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

/* Memory that could be used without others suffering, bytes; UINT64_MAX when unknown. */
uint64_t machine_available_bytes(void);

void machine_read(struct machine *machine);

#endif
