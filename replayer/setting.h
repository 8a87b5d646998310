/* What all calls of a run are made with; set once, before the first of them. */
#ifndef REPLAYER_SETTING_H
#define REPLAYER_SETTING_H

#include "run.h"
#include "slot.h"

struct setting {
	struct slot *slots;
	const uint64_t *keys; /* site keys by number; NULL: calls go without */
	enum run_touch touch;
	bool check;
	void (*spawn)(uint32_t thread); /* starts a recorded thread */
	_Atomic uint64_t surprises;     /* calls that failed when recorded and did not now */
};

extern struct setting setting;

#endif
