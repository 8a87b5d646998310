/*
 * A runner that forgets one call: it leaves out the first plain free after 1000 entries of a
 * stream. Linked with --wrap=engine_run.
 */
#include "replayer/engine.h"
#include "replayer/shape.h"

void __real_engine_run(struct worker *worker, uint64_t entries);
void __wrap_engine_run(struct worker *worker, uint64_t entries);

static bool plain_free(const struct plan_op *op)
{
	return !(op->code & PLAN_SPECIAL) && shape_frees(op->code & PLAN_VERB);
}

void __wrap_engine_run(struct worker *worker, uint64_t entries)
{
	static uint64_t done;
	static bool forgot;

	for (; entries; entries--) {
		if (!forgot && ++done > 1000 && plain_free(worker->next)) {
			worker->next++;
			forgot = true;
		} else {
			__real_engine_run(worker, 1);
		}
	}
}
