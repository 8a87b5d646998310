#include "planfile.h"

#include "memfile.h"

#include <errno.h>
#include <stdlib.h>

#define PAGE 4096

/*
 * Entries that one row may need at most: fold (2), wait, epoch, touch, the call and its operand;
 * and entries for each thread started: epoch, fold (2), start.
 */
#define CELLS_PER_ROW   7
#define CELLS_PER_SPAWN 4
#define CELLS_AT_END    (8 + PLAN_PADDING)

/* Takes the next bytes of the file, from a page of their own. */
static uint64_t region(uint64_t *end, uint64_t bytes)
{
	uint64_t begin = *end;

	*end += (bytes + PAGE - 1) / PAGE * PAGE;
	return begin;
}

/* Address space for a stream: what it does not use stays a hole. */
static uint64_t stream_bytes(const struct survey *survey, uint32_t number,
			     const struct planfile_room *room)
{
	uint64_t slack = (room->slack_rows * (CELLS_PER_ROW + CELLS_PER_SPAWN) + CELLS_AT_END) *
			 sizeof(struct plan_op);
	uint64_t bytes = 0;

	uint64_t cells = CELLS_AT_END;

	if (number < survey->n_threads) {
		const struct survey_thread *thread = &survey->threads[number];

		cells += CELLS_PER_ROW * thread->rows + CELLS_PER_SPAWN * thread->spawns;
	} else if (number == PLAN_INHERITED(survey->n_threads)) {
		cells += 3 * survey->inherited;
	} else {
		cells += 2 * (survey->calls + survey->inherited);
	}
	bytes = cells * sizeof(struct plan_op);
	/* No stream of a part is longer than the part; survivors are listed when it has ended. */
	if (number < PLAN_SURVIVORS(survey->n_threads) && bytes > slack &&
	    room->memory_bytes < bytes - slack)
		return room->memory_bytes + slack;
	return bytes;
}

static uint64_t gaps_bytes(const struct survey *survey, uint32_t number)
{
	const struct survey_thread *thread = &survey->threads[number];

	return number < survey->n_threads ? (thread->rows + thread->spawns) * sizeof(float) : 0;
}

static struct plan layout(const struct survey *survey, const struct planfile_room *room)
{
	uint32_t n = PLAN_STREAMS(survey->n_threads);
	struct plan plan = {.magic = PLAN_MAGIC,
			    .threads = survey->n_threads,
			    .main = survey->main,
			    .running = survey->running,
			    .sites = room->sites};

	region(&plan.bytes, sizeof(plan));
	plan.streams_offset = region(&plan.bytes, n * sizeof(struct plan_stream));
	plan.keys_offset = region(&plan.bytes, room->sites * sizeof(uint64_t));
	plan.turns_offset = region(&plan.bytes, (survey->calls + 2ull * survey->running) * 4);
	plan.epochs_offset = region(&plan.bytes, room->epochs * sizeof(uint32_t));
	return plan;
}

/* The streams' places in the file, from `begin` on. */
static void streams_place(struct planfile *file, const struct survey *survey, uint64_t begin,
			  const struct planfile_room *room)
{
	for (uint32_t i = 0; i < PLAN_STREAMS(survey->n_threads); i++) {
		struct stream *stream = &file->streams[i];

		stream->begin = stream->next = (void *)((char *)file->plan + begin);
		region(&begin, stream_bytes(survey, i, room));
		if (!room->gaps)
			continue;
		stream->gaps = stream->next_gap = (void *)((char *)file->plan + begin);
		region(&begin, gaps_bytes(survey, i));
	}
}

int planfile_open(struct planfile *file, const struct survey *survey,
		  const struct planfile_room *room)
{
	struct plan plan = layout(survey, room);
	uint64_t begin = plan.bytes;
	uint32_t n = PLAN_STREAMS(survey->n_threads);

	*file = (struct planfile){.fd = memfile_make("hakreplay plan")};
	for (uint32_t i = 0; i < n; i++) {
		region(&plan.bytes, stream_bytes(survey, i, room));
		region(&plan.bytes, room->gaps ? gaps_bytes(survey, i) : 0);
	}
	file->streams = calloc(n, sizeof(*file->streams));
	if (!file->streams)
		return -ENOMEM;
	if (file->fd < 0)
		return file->fd;
	if (ftruncate(file->fd, (off_t)plan.bytes))
		return -errno;
	file->plan = mmap(NULL, plan.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file->fd, 0);
	if (file->plan == MAP_FAILED)
		return -errno;
	*file->plan = plan;
	file->turns = (void *)((char *)file->plan + plan.turns_offset);
	file->epochs = (void *)((char *)file->plan + plan.epochs_offset);
	file->keys = (void *)((char *)file->plan + plan.keys_offset);
	streams_place(file, survey, begin, room);
	return 0;
}

void planfile_clear(struct planfile *file)
{
	struct plan *plan = file->plan;

	for (uint32_t i = 0; i < PLAN_STREAMS(plan->threads); i++) {
		struct stream *stream = &file->streams[i];

		stream->next = stream->begin;
		stream->next_gap = stream->gaps;
		stream->entries = 0;
	}
	plan->entries = 0;
	file->n_turns = 0;
	fallocate(file->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)plan->turns_offset,
		  (off_t)(plan->bytes - plan->turns_offset));
}

void planfile_rewind(struct planfile *file)
{
	for (uint32_t i = 0; i < PLAN_STREAMS(file->plan->threads); i++)
		file->streams[i].time_ns = 0;
}

uint64_t planfile_bytes(const struct planfile *file)
{
	uint64_t bytes = file->n_turns * sizeof(*file->turns);

	for (uint32_t i = 0; i < PLAN_STREAMS(file->plan->threads); i++) {
		const struct stream *stream = &file->streams[i];

		bytes += (uint64_t)((char *)stream->next - (char *)stream->begin);
		bytes += (uint64_t)((char *)stream->next_gap - (char *)stream->gaps);
	}
	return bytes;
}

void planfile_finish(struct planfile *file)
{
	struct plan *plan = file->plan;
	struct plan_stream *streams = (void *)((char *)plan + plan->streams_offset);

	for (uint32_t i = 0; i < PLAN_STREAMS(plan->threads); i++) {
		const struct stream *stream = &file->streams[i];

		streams[i] = (struct plan_stream){
			.offset = (uint64_t)((char *)stream->begin - (char *)plan),
			.entries = stream->entries,
			.cells = (uint64_t)(stream->next - stream->begin),
			.gaps_offset =
				stream->gaps ? (uint64_t)((char *)stream->gaps - (char *)plan) : 0,
			.gaps = (uint64_t)(stream->next_gap - stream->gaps),
		};
		if (i < plan->threads)
			plan->entries += stream->entries;
	}
}

void planfile_close(struct planfile *file)
{
	if (file->plan && file->plan != MAP_FAILED)
		munmap(file->plan, file->plan->bytes);
	if (file->fd >= 0)
		close(file->fd);
	free(file->streams);
}
