#include "survey.h"

#include "digest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOBODY UINT32_MAX

/* The process's first thread has the process's number; without facts the first to do something. */
static uint32_t main_find(const struct survey *s, const struct trace *trace)
{
	const char *pid = trace_fact(trace, "pid");
	const struct trace_thread *threads;
	uint32_t main = 0;

	trace_threads(trace, &threads);
	for (uint32_t i = 0; i < s->n_threads; i++) {
		if (pid && threads[i].tid == strtoull(pid, NULL, 10))
			return i;
		if (s->threads[i].first_row < s->threads[main].first_row)
			main = i;
	}
	return main;
}

static uint64_t row_term(const struct trace_batch *b, size_t i)
{
	uint32_t what = b->site[i] << 8 | b->kind[i];

	return digest_term(what, b->size[i], b->align[i] ^ (uint64_t)b->flags[i] << 56,
			   digest_pair(b->old_object[i], b->object[i]) + b->thread[i]);
}

static void survey_size(struct survey *s, uint64_t size)
{
	unsigned power = size ? 63 - (unsigned)__builtin_clzll(size) : 0;

	if (size & (size - 1) && size)
		s->spaces |= 1ull << power;
	else
		s->powers |= 1ull << power;
}

bool survey_uses(const struct survey *s, uint64_t from, uint64_t to)
{
	for (unsigned k = 0; k < 64; k++) {
		uint64_t power = 1ull << k, last = power - 1 + power;

		if (s->powers >> k & 1 && from <= power && power <= to)
			return true;
		if (s->spaces >> k & 1 && from <= last && power + 1 <= to)
			return true;
	}
	return false;
}

static void survey_row(struct survey *s, const struct trace_batch *b, size_t i, uint32_t *caller)
{
	unsigned kind = b->kind[i];
	struct survey_thread *thread = &s->threads[b->thread[i]];
	uint64_t row = b->first_row + i;

	s->digest = digest_next(s->digest, row_term(b, i));
	s->lost += kind == TRACE_LOST ? b->size[i] : 0;
	s->inherited += kind == TRACE_INHERITED;
	if (kind > TRACE_THREAD_EXIT)
		return;
	if (thread->first_row == TRACE_NONE) {
		thread->first_row = row;
		thread->creator = *caller;
	}
	thread->rows++;
	thread->last_row = row;
	thread->exits |= kind == TRACE_THREAD_EXIT;
	if (kind < TRACE_MARKS) {
		s->calls++;
		s->kinds |= 1ull << kind;
		if (b->object[i] != TRACE_NONE)
			survey_size(s, b->size[i]);
		*caller = b->thread[i];
	}
}

static bool creator_lives(const struct survey *s, const struct survey_thread *thread)
{
	const struct survey_thread *creator;

	if (thread->creator == NOBODY)
		return false;
	creator = &s->threads[thread->creator];
	return !creator->exits || creator->last_row > thread->first_row;
}

/* A thread is started by the thread of the call before, which most likely did; else by the first.
 */
static void creators_settle(struct survey *s)
{
	for (uint32_t i = 0; i < s->n_threads; i++) {
		struct survey_thread *thread = &s->threads[i];

		if (i == s->main)
			s->running++;
		if (i == s->main || thread->first_row == TRACE_NONE)
			continue;
		if (!creator_lives(s, thread))
			thread->creator = s->main;
		s->threads[thread->creator].spawns++;
		s->running++;
	}
}

/* Resident pages are replayed too: with others it is another trace. */
static void survey_resident(struct survey *s)
{
	for (size_t i = 0; i < s->resident.n; i++) {
		const struct resident_count *count = &s->resident.counts[i];

		s->digest =
			digest_next(s->digest, digest_term(0, count->pages, 0, count->object + 1));
	}
}

static int rows_read(struct survey *s, struct trace *trace, bool partial, struct bar *bar)
{
	const struct trace_batch *batch;
	struct trace_cursor *cursor;
	uint32_t caller = NOBODY;
	int got = trace_cursor_open(&cursor, trace, NULL);
	int error = 0;

	if (got)
		return got;
	while (!error && (got = trace_cursor_next(cursor, &batch)) > 0) {
		for (size_t i = 0; i < batch->rows; i++)
			survey_row(s, batch, i, &caller);
		error = resident_note(&s->resident, batch);
		tempo_survey(&s->steps, batch);
		s->rows = batch->first_row + batch->rows;
		bar_read(bar, s->rows, trace_rows(trace));
	}
	trace_cursor_close(cursor);
	if (!error)
		error = resident_settle(&s->resident, trace);
	if (error)
		return error;
	survey_resident(s);
	if (!got && trace_complete(trace))
		return 0;
	snprintf(s->cut, sizeof(s->cut), "%s", trace_error(trace));
	return partial ? 0 : got ? got : -EBADMSG;
}

int survey_make(struct survey *s, struct trace *trace, bool partial, struct bar *bar)
{
	const struct trace_thread *threads;
	size_t n = trace_threads(trace, &threads);
	const char *clock = trace_fact(trace, "clock");
	int error;

	*s = (struct survey){.n_threads = (uint32_t)n,
			     .steps.grain_ns = clock && !strcmp(clock, "exact") ? TEMPO_EXACT_NS
										: TEMPO_COARSE_NS};
	s->threads = calloc(n + 1, sizeof(*s->threads));
	if (!s->threads)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		s->threads[i].first_row = TRACE_NONE;
	bar_begin(bar, "reading");
	error = rows_read(s, trace, partial, bar);
	bar_end(bar);
	if (error)
		return error;
	s->main = main_find(s, trace);
	creators_settle(s);
	return 0;
}

void survey_fini(struct survey *s)
{
	free(s->threads);
	resident_fini(&s->resident);
}
