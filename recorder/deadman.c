#include "deadman.h"

#include <sys/timerfd.h>
#include <unistd.h>

static void *run(void *context)
{
	struct deadman *d = context;
	uint64_t times;

	while (!atomic_load(&d->over))
		if (read(d->timer, &times, sizeof(times)) == sizeof(times))
			session_ring(d->session);
	return NULL;
}

void deadman_start(struct deadman *d, struct session *s)
{
	*d = (struct deadman){.session = s};
	d->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	if (d->timer >= 0 && pthread_create(&d->thread, NULL, run, d) != 0) {
		close(d->timer);
		d->timer = -1;
	}
}

void deadman_set(struct deadman *d, uint64_t ns)
{
	struct itimerspec then = {
		.it_value = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)}};

	if (d->timer >= 0)
		timerfd_settime(d->timer, 0, &then, NULL);
}

void deadman_stop(struct deadman *d)
{
	if (d->timer < 0)
		return;
	atomic_store(&d->over, true);
	deadman_set(d, 1);
	pthread_join(d->thread, NULL);
	close(d->timer);
	d->timer = -1;
}
