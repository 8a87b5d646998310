#include "follow.h"

#include "proc.h"

#include "recorder/session.h"

#include <err.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define READ_MS  5          /* how long a quiet ring is left alone */
#define CHECK_NS 200000000  /* how often processes are looked after */
#define FLUSH_NS 1000000000 /* a reader of the growing file lags no more */

struct reading {
	struct codefiles *files;
	pid_t pid;
};

static void *read_files(void *context)
{
	const struct reading *reading = context;

	codefiles_read(reading->files, proc_alive(reading->pid));
	return NULL;
}

static int fail(struct follow *f, int error, const char *reason)
{
	snprintf(f->error, sizeof(f->error), "%s", reason);
	return error;
}

int follow_open(struct follow *f, pid_t pid)
{
	struct tracees *all = &f->messages.tracees;
	struct reading reading = {&all->files, pid};
	struct tracer_options options = {
		.ring_bytes = f->ring_bytes,
		.follow = !(all->mode & SESSION_ALONE),
		.lossless = f->lossless,
		.soon = pid,
	};
	pthread_t reader;
	bool reads = pid && !pthread_create(&reader, NULL, read_files, &reading);
	int error = tracer_open(&all->tracer, &options);

	if (reads)
		pthread_join(reader, NULL);
	all->start_ns = tracees_now(all);
	if (error)
		return fail(f, error, tracer_error(all->tracer));
	error = stacks_init(&all->stacks, tracer_wanted(all->tracer));
	return error ? fail(f, error, strerror(-error)) : 0;
}

/* The first process: NULL when there is no memory. */
static struct tracee *admit(struct follow *f, pid_t pid)
{
	struct tracees *all = &f->messages.tracees;
	struct tracee *t = tracees_make(all, pid);

	if (!t) {
		fail(f, -ENOMEM, strerror(ENOMEM));
		return NULL;
	}
	t->first = true;
	if (all->mode & SESSION_ALONE)
		tracer_only(all->tracer, (uint32_t)pid);
	return t;
}

static int begin_following(struct follow *f, pid_t pid)
{
	struct tracer *tracer = f->messages.tracees.tracer;
	int error = tracer_follow(tracer, (uint32_t)pid);

	return error ? fail(f, error, tracer_error(tracer)) : 0;
}

int follow_start(struct follow *f, pid_t pid)
{
	return admit(f, pid) ? begin_following(f, pid) : -ENOMEM;
}

int follow_attach(struct follow *f, pid_t pid)
{
	struct tracee *t = admit(f, pid);
	int error;

	if (!t)
		return -ENOMEM;
	tracee_identify(t);
	error = tracees_map_all(&f->messages.tracees, t);
	if (error) {
		snprintf(f->error, sizeof(f->error), "process %d: %s", (int)pid, strerror(-error));
		return error;
	}
	/* Whatever was mapped meanwhile is found when the ring tells of it. */
	return begin_following(f, pid);
}

/* Keeps the live line up to date. */
static void show(struct tracees *all, uint64_t now)
{
	struct ticker *ticker = &all->recording->ticker;
	struct ticker_figures figures;

	if (!ticker_due(ticker, now))
		return;
	figures = recording_figures(all->recording);
	for (size_t i = 0; i < all->count; i++)
		if (all->all[i]->begun)
			ticker_add(&figures, &all->all[i]->ledger, all->all[i]->threads);
	ticker_show(ticker, &figures, now);
}

/* There was no room to tell of a process, or the one whose memory it runs in has ended: then it has
 * no trace in which its calls could be counted. */
static void confess(const struct follow *f)
{
	const struct tracees *all = &f->messages.tracees;
	uint64_t dropped = tracer_lost(all->tracer) + f->messages.strays;
	uint64_t counted = recording_figures(all->recording).lost;

	if (dropped > counted)
		warnx("%llu more calls were lost, of processes that have no trace",
		      (unsigned long long)(dropped - counted));
}

void follow_run(struct follow *f)
{
	struct tracees *all = &f->messages.tracees;
	uint64_t checked = tracees_now(all), flushed = checked;
	bool full = false;

	while (all->count && !full && !atomic_load(&all->stop)) {
		int status = tracer_read(all->tracer, READ_MS, messages_take, &f->messages);
		uint64_t now = tracees_now(all);

		if (status == 0 && now - checked > CHECK_NS) {
			checked = now;
			tracees_look_after(all);
		}
		if (now - flushed > FLUSH_NS) {
			flushed = now;
			tracees_flush(all);
		}
		full = tracees_full(all);
		show(all, now);
	}
	tracer_stop(all->tracer);
	while (tracer_read(all->tracer, 0, messages_take, &f->messages) == -EAGAIN)
		;
	messages_settle(&f->messages);
	while (all->count)
		tracees_end(all, all->all[all->count - 1], false, full ? "max-size" : "detached");
	recording_close(all->recording);
	confess(f);
}

void follow_close(struct follow *f)
{
	struct tracer *tracer = f->messages.tracees.tracer;

	tracees_fini(&f->messages.tracees);
	tracer_close(tracer);
}
