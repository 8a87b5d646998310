#include "tracees.h"

#include "proc.h"
#include "recorder/facts.h"
#include "recorder/session.h"

#include <err.h>
#include <stdlib.h>
#include <time.h>

uint64_t tracees_now(const struct tracees *all)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec - all->start_ns;
}

struct tracee *tracees_find(const struct tracees *all, uint32_t pid)
{
	for (size_t i = 0; i < all->count; i++)
		if (all->all[i]->pid == (pid_t)pid)
			return all->all[i];
	return NULL;
}

static struct tracee *add(struct tracees *all, struct tracee *t)
{
	if (t && all->count == all->room) {
		size_t room = all->room ? all->room * 2 : 16;
		struct tracee **more = realloc(all->all, room * sizeof(*more));

		if (!more) {
			tracee_destroy(t);
			return NULL;
		}
		all->all = more;
		all->room = room;
	}
	if (t)
		all->all[all->count++] = t;
	return t;
}

struct tracee *tracees_make(struct tracees *all, pid_t pid)
{
	struct tracee *t = tracee_create(pid, &all->files, &all->stacks);

	if (t) {
		t->sites = all->mode & (SESSION_CONTEXT | SESSION_ADDRESS);
		t->heights = all->mode & SESSION_CONTEXT;
	}
	return add(all, t);
}

struct tracee *tracees_fork(struct tracees *all, const struct tracee *parent, pid_t pid)
{
	return add(all, tracee_fork(parent, pid));
}

/* ---- files ---- */

struct codefile *tracees_map(struct tracees *all, struct tracee *t, uint64_t first, uint64_t last,
			     uint64_t offset)
{
	struct codefile *file = codefiles_mapped(&all->files, proc_alive(t->pid), first, last);

	if (!file)
		return NULL;
	if (!file->probed && file->entrances.count &&
	    tracer_probe(all->tracer, file->fd, &file->entrances) && !all->probe_failed) {
		all->probe_failed = true;
		warnx("%s: %s", file->path, tracer_error(all->tracer));
	}
	file->probed = true;
	tracee_map(t, file, first, last, offset);
	return file;
}

struct look {
	struct tracees *all;
	struct tracee *tracee;
};

static int visit_mapping(void *context, uint64_t first, uint64_t last, uint64_t offset)
{
	const struct look *look = context;

	tracees_map(look->all, look->tracee, first, last, offset);
	return 0;
}

int tracees_map_all(struct tracees *all, struct tracee *t)
{
	struct look look = {all, t};
	int error = codefiles_scan(proc_alive(t->pid), visit_mapping, &look);

	codefiles_fail(&all->files, error);
	return error;
}

/* ---- traces ---- */

bool tracees_begin(struct tracees *all, struct tracee *t)
{
	struct trace_writer *writer =
		recording_begin(all->recording, t->first, t->program, t->pid, &t->path);
	struct facts facts = {
		.backend = "ebpf",
		.program = t->program,
		.command = t->command,
		.pid = t->pid,
		.parent_pid = t->parent_pid,
		.mode = all->mode,
		.age_ns = tracees_now(all) - all->clock,
	};

	if (!writer) {
		atomic_store(&all->stop, true);
		return false;
	}
	facts_add(writer, &facts);
	tracee_begin(t, writer, all->clock);
	return true;
}

void tracees_lost(struct tracees *all, struct tracee *t, struct tracee_thread *thread,
		  uint64_t count)
{
	if (t->begun || tracees_begin(all, t))
		tracee_lost(t, thread, count, all->clock);
}

bool tracees_end(struct tracees *all, struct tracee *t, bool replaced, const char *end)
{
	bool begun;
	uint32_t buried = tracer_buried(all->tracer, (uint32_t)t->pid);

	tids_remove_process(&all->tids, (uint32_t)t->pid, t);
	if (buried)
		tracees_lost(all, t, NULL, buried);
	if (!t->begun && !replaced && *t->program && !t->functions && !all->files.error) {
		all->unfound++;
		proc_explain(t->program);
	} else if (!t->begun && !replaced && t->first) {
		tracees_begin(all, t);
	}
	begun = t->begun;
	if (begun) {
		tracee_end(t, end);
		if (replaced)
			recording_move(all->recording, &t->path, t->program, t->pid, t->image + 1);
		recording_add(all->recording, t->path, t->message, t->threads, &t->ledger.counts);
	}
	for (size_t i = 0; i < all->count; i++)
		if (all->all[i] == t)
			all->all[i] = all->all[--all->count];
	tracee_destroy(t);
	return begun;
}

void tracees_look_after(struct tracees *all)
{
	for (size_t i = all->count; i-- > 0;) {
		struct tracee *t = all->all[i];

		if (t->gone)
			tracees_end(all, t, false, NULL);
		else
			t->gone = tracee_is_dead(t);
	}
}

void tracees_flush(struct tracees *all)
{
	for (size_t i = 0; i < all->count; i++)
		tracee_flush(all->all[i]);
}

bool tracees_full(const struct tracees *all)
{
	for (size_t i = 0; i < all->count; i++)
		if (all->all[i]->begun && trace_writer_full(all->all[i]->ledger.writer))
			return true;
	return false;
}

void tracees_fini(struct tracees *all)
{
	stacks_fini(&all->stacks);
	codefiles_fini(&all->files);
	free(all->all);
}
