/*
 * Counters over time for Perfetto's UI: live bytes and objects, and what was allocated so far; the
 * threads' lives as slices, user marks and lost calls as instants. A long trace is divided into
 * SAMPLES runs of rows, each shown by its maximum of live bytes and its end. Where the trace has no
 * times, a row takes a microsecond.
 */
#include "exporter.h"
#include "live.h"
#include "protobuf.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLES 16384

enum { TRACE_PACKET = 1 };
enum {
	PACKET_TIMESTAMP = 8,
	PACKET_SEQUENCE = 10,
	PACKET_EVENT = 11,
	PACKET_TRACK = 60,
};
enum {
	TRACK_UUID = 1,
	TRACK_NAME = 2,
	TRACK_PROCESS = 3,
	TRACK_PARENT = 5,
	TRACK_COUNTER = 8,
};
enum { PROCESS_PID = 1, PROCESS_NAME = 6 };
enum { COUNTER_UNIT = 3, UNIT_COUNT = 2, UNIT_SIZE_BYTES = 3 };
enum { EVENT_TYPE = 9, EVENT_TRACK = 11, EVENT_NAME = 23, EVENT_COUNTER = 30 };
enum { TYPE_SLICE_BEGIN = 1, TYPE_SLICE_END = 2, TYPE_INSTANT = 3, TYPE_COUNTER = 4 };

enum counter { LIVE_BYTES, LIVE_OBJECTS, ALLOCATED_BYTES, ALLOCATED_OBJECTS, N_COUNTERS };

static const struct {
	const char *name;
	unsigned unit;
} counters[N_COUNTERS] = {
	[LIVE_BYTES] = {"live bytes", UNIT_SIZE_BYTES},
	[LIVE_OBJECTS] = {"live objects", UNIT_COUNT},
	[ALLOCATED_BYTES] = {"allocated bytes", UNIT_SIZE_BYTES},
	[ALLOCATED_OBJECTS] = {"allocated objects", UNIT_COUNT},
};

/* Numbers of tracks: the process, its counters, its threads. */
enum { UUID_PROCESS = 1, UUID_COUNTERS = 2, UUID_THREADS = UUID_COUNTERS + N_COUNTERS };

struct sample {
	uint64_t time_ns;
	uint64_t values[N_COUNTERS];
};

struct perfetto {
	struct exporter_job *job;
	const struct trace_thread *threads;
	const char *const *marks;
	size_t n_marks;
	bool timed;
	bool *begun; /* of each thread */
	uint64_t pid;
	uint64_t run_rows; /* rows that one sample stands for */
	uint64_t row;
	uint64_t allocated_bytes;
	struct live live;
	struct sample highest, last;      /* of the run */
	struct bytes packet, part, inner; /* scratch, each inside the one before */
	struct bytes framed;
};

/* ---- packets ---- */

static void write_packet(struct perfetto *p, uint64_t time_ns)
{
	protobuf_number(&p->packet, PACKET_TIMESTAMP, time_ns);
	protobuf_number(&p->packet, PACKET_SEQUENCE, 1);
	protobuf_message(&p->framed, TRACE_PACKET, &p->packet);
	fwrite(p->framed.data, 1, p->framed.size, p->job->stream);
	p->framed.size = 0;
}

static void write_event(struct perfetto *p, uint64_t time_ns, unsigned type, uint64_t track,
			const char *name)
{
	protobuf_number(&p->part, EVENT_TYPE, type);
	protobuf_number(&p->part, EVENT_TRACK, track);
	if (name)
		protobuf_text(&p->part, EVENT_NAME, name);
	protobuf_message(&p->packet, PACKET_EVENT, &p->part);
	write_packet(p, time_ns);
}

static void write_counters(struct perfetto *p, const struct sample *sample)
{
	for (unsigned i = 0; i < N_COUNTERS; i++) {
		protobuf_number(&p->part, EVENT_TYPE, TYPE_COUNTER);
		protobuf_number(&p->part, EVENT_TRACK, UUID_COUNTERS + i);
		protobuf_number(&p->part, EVENT_COUNTER, sample->values[i]);
		protobuf_message(&p->packet, PACKET_EVENT, &p->part);
		write_packet(p, sample->time_ns);
	}
}

static void write_tracks(struct perfetto *p)
{
	const char *program = trace_fact(p->job->trace, "program");

	protobuf_number(&p->part, TRACK_UUID, UUID_PROCESS);
	protobuf_number(&p->inner, PROCESS_PID, p->pid);
	protobuf_text(&p->inner, PROCESS_NAME, program ? program : "unknown");
	protobuf_message(&p->part, TRACK_PROCESS, &p->inner);
	protobuf_message(&p->packet, PACKET_TRACK, &p->part);
	write_packet(p, 0);
	for (unsigned i = 0; i < N_COUNTERS; i++) {
		protobuf_number(&p->part, TRACK_UUID, UUID_COUNTERS + i);
		protobuf_number(&p->part, TRACK_PARENT, UUID_PROCESS);
		protobuf_text(&p->part, TRACK_NAME, counters[i].name);
		protobuf_number(&p->inner, COUNTER_UNIT, counters[i].unit);
		protobuf_message(&p->part, TRACK_COUNTER, &p->inner);
		protobuf_message(&p->packet, PACKET_TRACK, &p->part);
		write_packet(p, 0);
	}
}

/* ---- rows ---- */

/*
 * A thread is there from its first row on. Its track is one of the process: a thread's own would be
 * known by its id, which may be used again, be 0, or need more than Perfetto's 32 bits.
 */
static void begin_thread(struct perfetto *p, uint32_t number, uint64_t time_ns)
{
	const struct trace_thread *thread = &p->threads[number];
	const char *name = *thread->name ? thread->name : "thread";
	uint64_t track = UUID_THREADS + (uint64_t)number;
	char title[128];

	if (p->begun[number])
		return;
	p->begun[number] = true;
	snprintf(title, sizeof(title), "%.96s %" PRIu64, name, thread->tid);
	protobuf_number(&p->part, TRACK_UUID, track);
	protobuf_number(&p->part, TRACK_PARENT, UUID_PROCESS);
	protobuf_text(&p->part, TRACK_NAME, title);
	protobuf_message(&p->packet, PACKET_TRACK, &p->part);
	write_packet(p, time_ns);
	write_event(p, time_ns, TYPE_SLICE_BEGIN, track, name);
}

static void write_mark(struct perfetto *p, const struct trace_event *row, uint64_t time_ns)
{
	uint64_t track = UUID_THREADS + (uint64_t)row->thread;

	if (row->kind == TRACE_THREAD_EXIT)
		write_event(p, time_ns, TYPE_SLICE_END, track, NULL);
	else if (row->kind == TRACE_LOST)
		write_event(p, time_ns, TYPE_INSTANT, track, "calls lost");
	else if (row->kind == TRACE_MARK)
		write_event(p, time_ns, TYPE_INSTANT, UUID_PROCESS,
			    row->size < p->n_marks ? p->marks[row->size] : "mark");
}

/* The run ends: its highest, when that is not its last, then its last. */
static void write_run(struct perfetto *p)
{
	if (p->highest.values[LIVE_BYTES] > p->last.values[LIVE_BYTES])
		write_counters(p, &p->highest);
	write_counters(p, &p->last);
	p->highest = (struct sample){0};
}

static int count_row(void *context, const struct trace_event *row)
{
	struct perfetto *p = context;
	uint64_t time_ns = p->timed ? row->time_ns : p->row * 1000;
	int error = live_apply(&p->live, row, NULL);

	if (error)
		return error;
	p->row++;
	begin_thread(p, row->thread, time_ns);
	if (trace_class(row->kind) == TRACE_CLASS_MARK)
		write_mark(p, row, time_ns);
	if (row->object != TRACE_NONE)
		p->allocated_bytes += row->size;
	p->last = (struct sample){
		time_ns, {p->live.bytes, p->live.objects, p->allocated_bytes, p->live.next}};
	if (p->live.bytes > p->highest.values[LIVE_BYTES])
		p->highest = p->last;
	if (p->row % p->run_rows == 0)
		write_run(p);
	return 0;
}

static int run(struct exporter_job *job)
{
	const char *clock = trace_fact(job->trace, "clock"), *pid = trace_fact(job->trace, "pid");
	struct perfetto p = {
		.job = job,
		.timed = !clock || strcmp(clock, "none") != 0,
		.pid = pid ? strtoull(pid, NULL, 10) : 1,
		.run_rows = trace_rows(job->trace) / SAMPLES + 1,
		.n_marks = trace_marks(job->trace, &p.marks),
	};
	int error;

	p.begun = calloc(trace_threads(job->trace, &p.threads) + 1, sizeof(*p.begun));
	live_init(&p.live, 0);
	write_tracks(&p);
	error = p.begun ? exporter_rows(job, count_row, &p) : -ENOMEM;
	if (p.row % p.run_rows)
		write_run(&p);
	if (p.framed.failed)
		error = -ENOMEM;
	live_fini(&p.live);
	free(p.begun);
	bytes_free(&p.packet);
	bytes_free(&p.part);
	bytes_free(&p.inner);
	bytes_free(&p.framed);
	return error;
}

const struct exporter exporter_perfetto = {
	.name = "perfetto",
	.summary = "counters over time for Perfetto",
	.run = run,
};
