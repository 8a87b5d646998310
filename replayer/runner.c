/*
 * The runner: the process in which one allocator executes one plan. It inherits two memory files,
 * the run (what to do, what came of it) and the plan; nothing of its own comes from the allocator
 * under test. Its program is part of hakreplay's and has no other library than the C library.
 */
#include "census.h"
#include "digest.h"
#include "engine.h"
#include "failure.h"
#include "gate.h"
#include "identity.h"
#include "latency.h"
#include "lockstep.h"
#include "meter.h"
#include "metronome.h"
#include "parallel.h"
#include "parts.h"
#include "plan.h"
#include "resolution.h"
#include "roster.h"
#include "run.h"
#include "setting.h"
#include "touch.h"
#include "watch.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#define PAGE 4096

static struct run *run_map(void)
{
	void *run = mmap(NULL, sizeof(struct run), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_POPULATE, RUN_FD, 0);

	if (run == MAP_FAILED)
		_exit(2); /* there is nobody to tell */
	return run;
}

static const struct plan *plan_map(void)
{
	const struct plan *head = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, RUN_PLAN_FD, 0);
	const struct plan *plan;

	if (head == MAP_FAILED || head->magic != PLAN_MAGIC)
		failure("no plan at descriptor %d", RUN_PLAN_FD);
	plan = mmap(NULL, head->bytes, PROT_READ, MAP_SHARED, RUN_PLAN_FD, 0);
	if (plan == MAP_FAILED)
		failure("a plan of %llu bytes cannot be mapped", (unsigned long long)head->bytes);
	munmap((void *)head, PAGE);
	return plan;
}

static void setting_make(const struct plan *plan, struct run *run)
{
	const struct run_order *order = &run->order;

	setting.touch = order->touch;
	setting.check = order->check;
	setting.latency = order->latency;
	setting.census = order->census;
	setting.keys = order->sites ? (const void *)((const char *)plan + plan->keys_offset) : NULL;
	setting.paced = order->schedule == RUN_PACED;
	setting.progress = &run->progress.entries;
	roster_init(plan, order->copies);
}

/* valgrind's processor has no thread pointer to swap. */
static bool baton_needed(void)
{
	const char *preload = getenv("LD_PRELOAD");

	return !identity_possible() || (preload && strstr(preload, "vgpreload"));
}

/* No handler of anybody's may run with another thread's identity. What ends the process may. */
static void signals_block(void)
{
	static const int fatal[] = {SIGINT, SIGTERM, SIGQUIT, SIGHUP, SIGSEGV,
				    SIGBUS, SIGABRT, SIGILL,  SIGFPE};
	sigset_t all;

	sigfillset(&all);
	for (size_t i = 0; i < sizeof(fatal) / sizeof(*fatal); i++)
		sigdelset(&all, fatal[i]);
	sigprocmask(SIG_SETMASK, &all, NULL);
}

static uint64_t crew_digest(const struct crew *crew)
{
	uint64_t digest = 0;

	for (uint32_t i = 0; i <= PLAN_INHERITED(roster.plan->threads); i++)
		digest = digest_join(digest, i, crew->workers[i].digest);
	return digest;
}

/* That of every copy; when they are not all equal, another one than any of them. */
static uint64_t digest_all(void)
{
	uint64_t digest = crew_digest(&roster.crews[0]);

	for (uint32_t i = 1; i < roster.copies; i++)
		if (crew_digest(&roster.crews[i]) != digest)
			return digest_join(digest, i, crew_digest(&roster.crews[i]));
	return digest;
}

/* Has the code that writes blocks mapped before faults are counted. */
static void warm_touch(void)
{
	static char block[TOUCH_PAGE];
	volatile size_t size = sizeof(block); /* else the compiler writes it by itself */

	touch_part(RUN_TOUCH_ALL, block, 0, size);
}

static void execute(const struct plan *plan, struct run *run)
{
	struct run_outcome *outcome = &run->outcome;

	warm_touch();
	parts_run_apart(PLAN_INHERITED(plan->threads));
	if (run->order.schedule == RUN_LOCKSTEP) {
		outcome->baton = run->order.baton || baton_needed();
		lockstep_init(outcome->baton);
		meter_start();
		outcome->order_digest = lockstep_run();
	} else {
		parallel_init();
		if (setting.paced)
			metronome_init(run->order.speed);
		meter_start();
		metronome_start();
		parallel_run();
	}
	meter_stop(outcome);
	if (setting.paced)
		metronome_stop(outcome);
}

int main(void)
{
	struct run *run = run_map();
	const struct plan *plan;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != run->order.parent)
		_exit(2); /* the parent died before it could be followed */
	prctl(PR_SET_NAME, "hakreplay-run");
	signals_block();
	failure_init(&run->outcome);
	watch_init(&run->outcome);
	plan = plan_map();
	resolution_make(run, plan->kinds);
	if (run->order.probe) {
		resolution_parts(run);
		atomic_store(&run->outcome.state, RUN_DONE);
		_exit(0);
	}
	meter_own_begin();
	parts_init(run, plan);
	setting_make(plan, run);
	if (setting.latency)
		latency_init(run->order.schedule == RUN_LOCKSTEP && !run->order.baton);
	if (setting.census)
		census_init(&run->outcome.series, run->order.ops);
	meter_own_end();
	atomic_store(&run->outcome.state, RUN_STARTED);
	execute(plan, run);
	resolution_counters(run);
	if (setting.latency)
		latency_report(&run->outcome);
	if (setting.census)
		census_finish();
	if (setting.check)
		parts_run_apart(PLAN_SURVIVORS(plan->threads));
	run->outcome.parts++;
	run->outcome.peak_live_bytes = gate_peak_bytes();
	run->outcome.surprises = setting.surprises;
	run->outcome.digest = digest_all();
	atomic_store(&run->outcome.state, RUN_DONE);
	_exit(0);
}
