/* What the user asks for on hakreplay's command line. */
#ifndef REPLAYER_REQUEST_H
#define REPLAYER_REQUEST_H

#include "run.h"

#include <stdbool.h>
#include <stdint.h>

#define REQUEST_SKEW   4096
#define REQUEST_REPEAT 10

struct request {
	const char *trace;
	const char *allocators; /* NULL: all that are found */
	enum run_schedule schedule;
	enum run_touch touch;
	uint64_t repeat;
	uint64_t skew;
	uint64_t copies;
	uint64_t memory_bytes; /* that a plan may take; 0: not said */
	double speed;
	bool check;
	bool latency;
	bool ablate;
	bool ablate_full; /* without every set of parts */
	bool baton;
	bool partial;
	const char *hakmem; /* options; NULL: those of the environment */
	const char *json;   /* file to append to; NULL: none */
};

/* Parses the command line; wrong usage ends the program with status 2. */
void request_parse(struct request *request, int argc, char **argv);

/* hakmem's options: those asked for, else the environment's; NULL for none. */
const char *request_hakmem(const struct request *request);

const char *request_schedule_name(enum run_schedule schedule);
const char *request_touch_name(enum run_touch touch);

#endif
