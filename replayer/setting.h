/* What all calls of a run are made with; set once, before the first of them. */
#ifndef REPLAYER_SETTING_H
#define REPLAYER_SETTING_H

#include "run.h"
#include "worker.h"

struct setting {
	const uint64_t *keys; /* site keys by number; NULL: calls go without */
	enum run_touch touch;
	bool check;
	bool latency;
	bool census;
	bool paced;
	_Atomic uint64_t *progress;           /* entries done so far */
	void (*spawn)(struct worker *worker); /* starts a recorded thread */
	_Atomic uint64_t surprises;           /* calls that failed when recorded and did not now */
};

extern struct setting setting;

#endif
