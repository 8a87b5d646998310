#include "idler.h"

#include <sched.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Short, so that the thread gets on soon when it was left waiting with the mutex held. */
#define SLICE_NS 100000

/* What sched_setattr(2) takes, whose declaration by the kernel does not go with the library's. */
struct attributes {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

/* Where the kernel refuses, the work is done all the same. */
static void yield_to_all(void)
{
	struct attributes attr = {.size = sizeof(attr), .runtime = SLICE_NS};

	syscall(SYS_sched_setattr, 0, &attr, 0);
	sched_setscheduler(0, SCHED_IDLE, &(struct sched_param){0});
}

static void *run(void *context)
{
	struct idler *i = context;

	yield_to_all();
	pthread_mutex_lock(&i->mutex);
	while (!i->over) {
		if (i->given && !atomic_load(&i->hurry))
			i->given = !i->work(i->context);
		else
			pthread_cond_wait(&i->called, &i->mutex);
	}
	pthread_mutex_unlock(&i->mutex);
	return NULL;
}

int idler_start(struct idler *i, bool (*work)(void *context), void *context)
{
	int error;

	*i = (struct idler){.work = work, .context = context};
	pthread_mutex_init(&i->mutex, NULL);
	pthread_cond_init(&i->called, NULL);
	error = pthread_create(&i->thread, NULL, run, i);
	return -error;
}

bool idler_pause(struct idler *i)
{
	bool done;

	atomic_store(&i->hurry, true);
	pthread_mutex_lock(&i->mutex);
	atomic_store(&i->hurry, false);
	done = !i->given;
	i->given = false;
	return done;
}

void idler_resume(struct idler *i, bool give)
{
	i->given = give;
	if (give)
		pthread_cond_signal(&i->called);
	pthread_mutex_unlock(&i->mutex);
}

void idler_stop(struct idler *i)
{
	i->over = true;
	idler_resume(i, false);
	pthread_cond_signal(&i->called);
	pthread_join(i->thread, NULL);
	pthread_mutex_destroy(&i->mutex);
	pthread_cond_destroy(&i->called);
}
