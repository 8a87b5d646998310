#include "pacing.h"

#include <errno.h>
#include <stdlib.h>

#define WINDOW     8           /* epochs in the skew window, at most */
#define FOLD_CALLS 1024        /* calls after which live bytes are told ... */
#define FOLD_BYTES (64 * 1024) /* ... or earlier, after a change of so many bytes */
#define SEEN       16          /* threads of which a thread remembers how far it has seen them */

struct pacing_thread {
	uint32_t epoch; /* entered, PLAN_NONE: none */
	/* Since the last fold. */
	unsigned calls;
	int64_t live_bytes;
	int64_t peak_bytes;
	struct {
		uint32_t stream;
		uint32_t births; /* so many are known to be done */
	} seen[SEEN];
};

void pacing_init(struct pacing *p, const struct survey *survey, bool off, uint64_t skew)
{
	*p = (struct pacing){.off = off, .n_threads = survey->n_threads};
	if (off || survey->running < 2)
		return;
	p->window = skew < WINDOW ? (uint32_t)skew : WINDOW;
	p->epoch_rows = skew / p->window;
}

uint64_t pacing_epochs(const struct pacing *p, uint64_t rows)
{
	return p->window ? rows / p->epoch_rows + 1 : 0;
}

int pacing_begin(struct pacing *p, struct planfile *file)
{
	uint32_t n = PLAN_STREAMS(p->n_threads);

	p->file = file;
	p->threads = calloc(n, sizeof(*p->threads));
	if (!p->threads)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++) {
		p->threads[i].epoch = PLAN_NONE;
		for (unsigned k = 0; k < SEEN; k++)
			p->threads[i].seen[k].stream = PLAN_NONE;
	}
	file->plan->window = p->window;
	return 0;
}

void pacing_fini(struct pacing *p)
{
	free(p->threads);
}

void pacing_fold(struct pacing *p, uint32_t thread)
{
	struct pacing_thread *t = &p->threads[thread];
	struct stream *stream = &p->file->streams[thread];
	uint64_t delta = (uint64_t)t->live_bytes;
	uint64_t peak = (uint64_t)t->peak_bytes;

	if (p->off || !t->calls)
		return;
	stream_put(stream, (uint32_t)delta, (uint32_t)(delta >> 32), PLAN_FOLD | PLAN_SPECIAL);
	stream_put_operand(stream, (struct plan_operand){(uint32_t)(peak >> 32), (uint32_t)peak});
	t->calls = 0;
	t->live_bytes = t->peak_bytes = 0;
}

void pacing_live(struct pacing *p, uint32_t thread, uint64_t died, uint64_t born)
{
	struct pacing_thread *t = &p->threads[thread];

	t->live_bytes += (int64_t)(born - died);
	if (t->live_bytes > t->peak_bytes)
		t->peak_bytes = t->live_bytes;
	if (++t->calls >= FOLD_CALLS || llabs(t->live_bytes) >= FOLD_BYTES)
		pacing_fold(p, thread);
}

static uint32_t epoch_in_part(const struct pacing *p, uint32_t epoch)
{
	return epoch == PLAN_NONE ? PLAN_NONE : epoch - p->first_epoch;
}

void pacing_pass(struct pacing *p, uint32_t thread, uint32_t epoch)
{
	struct pacing_thread *t = &p->threads[thread];

	if (!p->window || t->epoch == epoch)
		return;
	pacing_fold(p, thread);
	stream_put(&p->file->streams[thread], epoch_in_part(p, t->epoch), epoch_in_part(p, epoch),
		   PLAN_EPOCH | PLAN_SPECIAL);
	if (epoch != PLAN_NONE)
		p->file->epochs[epoch_in_part(p, epoch)]++;
	t->epoch = epoch;
}

/* Is it certain, when the thread comes to this epoch, that the object has been born? */
static bool surely_born(const struct pacing *p, uint32_t thread, const struct pacing_place *place,
			uint32_t epoch)
{
	const struct pacing_thread *t = &p->threads[thread];
	unsigned k = place->stream % SEEN;

	return !p->window || place->stream == thread || place->stream >= p->n_threads ||
	       place->epoch < p->first_epoch || place->epoch + p->window <= epoch ||
	       (t->seen[k].stream == place->stream && t->seen[k].births > place->birth);
}

void pacing_wait(struct pacing *p, uint32_t thread, const struct pacing_place *place,
		 uint32_t epoch)
{
	struct pacing_thread *t = &p->threads[thread];
	unsigned k = place->stream % SEEN;

	if (surely_born(p, thread, place, epoch))
		return;
	place->op->code |= PLAN_AWAITED;
	stream_put(&p->file->streams[thread], place->slot, place->birth,
		   PLAN_WAIT | PLAN_SPECIAL | place->stream << PLAN_SITE_SHIFT);
	t->seen[k].stream = place->stream;
	t->seen[k].births = place->birth + 1;
}

void pacing_part(struct pacing *p, uint64_t row)
{
	uint64_t last = row ? row - 1 : 0;

	p->first_epoch = pacing_epoch(p, last) + 1;
	p->first_row = row;
	for (uint32_t i = 0; i < PLAN_STREAMS(p->n_threads); i++)
		for (unsigned k = 0; k < SEEN; k++)
			p->threads[i].seen[k].stream = PLAN_NONE;
}
