#include "idler.h"

#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SLICE_NS  100000 /* the least there is: soon it is the thread's turn again */
#define NAP_NS    500000 /* while it is not calm */
#define LATE_NS   1000000
#define CALM_NAPS 5 /* not late, one after the other, before it works; until it is late again */

#define STUCK_NS   20000000 /* for which its owner waits for it */
#define WARY_LEAST 50       /* pauses without it after that */
#define WARY_MOST  12800

/* What sched_setattr(2) takes, whose declaration by the kernel does not go with the library's. */
struct attributes {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

/* False: the kernel refuses. */
static bool yield_to_all(void)
{
	struct attributes attr = {
		.size = sizeof(attr), .nice = getpriority(PRIO_PROCESS, 0), .runtime = SLICE_NS};

	syscall(SYS_sched_setattr, 0, &attr, 0);
	return sched_setscheduler(0, SCHED_IDLE, &(struct sched_param){0}) == 0;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* 0: once, to others who want the processor. From a thread that does not give way the kernel may
 * take it at a tick only, some milliseconds later, though whoever wakes mostly gets it at once. */
static void give_way(uint64_t ns)
{
	if (ns)
		nanosleep(&(struct timespec){0, (long)ns}, NULL);
	else
		sched_yield();
}

/* Whether what began then took longer, as others had all processors. */
static bool late(uint64_t begin, uint64_t ns)
{
	return now_ns() - begin >= ns + LATE_NS;
}

static void *run(void *context)
{
	struct idler *i = context;
	unsigned calm = 0;
	bool refused = !yield_to_all();

	pthread_mutex_lock(&i->mutex);
	i->over |= refused;
	while (!i->over) {
		uint64_t begin = now_ns(), ns = NAP_NS;

		if (!i->wanted || atomic_load(&i->paused)) {
			pthread_cond_wait(&i->called, &i->mutex);
			continue;
		}
		if (calm >= CALM_NAPS)
			ns = i->work(i->context);
		pthread_mutex_unlock(&i->mutex);
		give_way(ns);
		calm = late(begin, ns + SLICE_NS) ? 0 : calm + 1;
		pthread_mutex_lock(&i->mutex);
	}
	pthread_mutex_unlock(&i->mutex);
	return NULL;
}

void idler_start(struct idler *i, uint64_t (*work)(void *context), void *context)
{
	pthread_t thread;

	*i = (struct idler){
		.work = work, .context = context, .paused = true, .wariness = WARY_LEAST};
	pthread_mutex_init(&i->mutex, NULL);
	pthread_cond_init(&i->called, NULL);
	pthread_mutex_lock(&i->mutex);
	if (pthread_create(&thread, NULL, run, i) == 0)
		pthread_detach(thread);
	else
		i->over = true;
}

void idler_pause(struct idler *i)
{
	uint64_t begin = now_ns();

	atomic_store(&i->paused, true);
	pthread_mutex_lock(&i->mutex);
	if (now_ns() - begin > STUCK_NS) {
		i->wary = i->wariness;
		i->wariness = i->wariness < WARY_MOST ? i->wariness * 2 : WARY_MOST;
	} else if (i->wary) {
		i->wary--;
	} else if (i->wariness > WARY_LEAST) {
		i->wariness--;
	}
}

void idler_resume(struct idler *i, bool wanted)
{
	i->wanted = wanted && !i->over && !i->wary;
	atomic_store(&i->paused, false);
	if (i->wanted)
		pthread_cond_signal(&i->called);
	pthread_mutex_unlock(&i->mutex);
}

void idler_stop(struct idler *i)
{
	i->over = true;
	pthread_cond_signal(&i->called);
	idler_resume(i, false);
}
