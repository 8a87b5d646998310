/*
 * orderer [--deaf] [--slow] -o REPORT LIBRARY PROGRAM [ARG…]: what the recorded clocks alone say of
 * the order.
 *
 * Stands in for hakrec: owns the session, lets the program fill it, keeps every record, and when
 * all is over merges each process's lanes by rank and nothing else: no record waits
 * for another. An order that puts a block's free before its birth, or its birth before the free of
 * the block that was there, is a violation. --deaf ignores what lanes heard of each other's clocks,
 * as if there were none to hear: then violations must appear. --slow ticks as hakrec at its
 * slowest, else it is faster than hakrec ever is. Writes one JSON line a process to REPORT and
 * exits with the program's status.
 */
#include "addresses.h"
#include "recorder/session.h"
#include "stream.h"

#include <err.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PROCESSES = 256, LANES = 4096, CHUNKS = 256 * 1024, LONG_CHUNKS = 1024 };
enum { TICK_US = 100, SLOW_TICK_US = 20000, OFFER_US = 5000 };

struct tally {
	uint64_t calls;
	uint64_t jumps;
	uint64_t unborn_deaths;
	uint64_t double_births;
	uint64_t alive;
	unsigned lanes;
};

/* ---- the session ---- */

static uint64_t page_up(uint64_t bytes)
{
	return (bytes + SESSION_PAGE - 1) / SESSION_PAGE * SESSION_PAGE;
}

static struct session *session_make(int *id)
{
	struct session layout = {
		.magic = SESSION_MAGIC,
		.version = SESSION_VERSION,
		.mode = SESSION_ADDRESS | SESSION_KEPT,
		.processes = PROCESSES,
		.lanes = LANES,
		.chunks = CHUNKS,
		.long_chunks = LONG_CHUNKS,
		.chunks_wanted = CHUNKS - LANES,
	};
	struct timespec now;
	struct session *s;

	layout.processes_at = page_up(sizeof(layout));
	layout.lanes_at = page_up(layout.processes_at + PROCESSES * sizeof(struct session_process));
	layout.links_at = page_up(layout.lanes_at + LANES * sizeof(struct session_lane));
	layout.chunks_at = page_up(layout.links_at + (CHUNKS + LONG_CHUNKS) * sizeof(uint32_t));
	layout.bytes = layout.chunks_at + (uint64_t)CHUNKS * CHUNK_BYTES +
		       (uint64_t)LONG_CHUNKS * LONG_BYTES;
	clock_gettime(CLOCK_MONOTONIC, &now);
	layout.start_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;

	*id = shmget(IPC_PRIVATE, layout.bytes, IPC_CREAT | SHM_NORESERVE | 0600);
	if (*id < 0)
		err(1, "memory");
	s = shmat(*id, NULL, 0);
	shmctl(*id, IPC_RMID, NULL);
	if (s == (void *)-1)
		err(1, "memory");
	memcpy(s, &layout, sizeof(layout));
	return s;
}

/* Lets any lane of each process have the bias, and sends all onto their slow path, to claim it. */
static void offer_bias(struct session *s)
{
	static uint32_t next;
	uint32_t lanes = atomic_load(&s->lanes_made), processes = atomic_load(&s->processes_made);

	for (uint32_t i = 0; i < processes && lanes; i++)
		atomic_store(&session_process(s, i)->lone, next++ % lanes + 1);
	for (uint32_t i = 0; i < lanes; i++)
		session_poke(session_lane(s, i));
}

static bool slow;

static void *keep_ticking(void *argument)
{
	unsigned us = slow ? SLOW_TICK_US : TICK_US;
	struct session *s = argument;

	for (unsigned slept = 0;; slept += us) {
		atomic_store(&s->tick, session_now(s));
		if (atomic_load(&s->starving)) {
			/* The program goes on, unrecorded. */
			atomic_store(&s->closed, 1);
			session_feed(s);
			errx(1, "there is no room for so many calls");
		}
		if (slept >= OFFER_US) {
			offer_bias(s);
			slept = 0;
		}
		usleep(us);
	}
	return NULL;
}

static int run(int session_id, const char *library, char **command)
{
	char name[16];
	int status = 0, last;
	pid_t pid;

	snprintf(name, sizeof(name), "%d", session_id);
	setenv(SESSION_ENV, name, 1);
	setenv("LD_PRELOAD", library, 1);
	/* Whatever outlives its parent is waited for here. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	pid = fork();
	if (!pid) {
		execvp(command[0], command);
		err(127, "%s", command[0]);
	}
	while ((last = wait(&status)) > 0)
		if (last == pid && WIFEXITED(status))
			pid = -WEXITSTATUS(status);
	return pid > 0 ? 1 : -pid;
}

/* ---- the check ---- */

static void tally_step(struct tally *tally, struct addresses *alive, const struct stream *stream)
{
	if (stream->step == STREAM_DEATH)
		tally->unborn_deaths += !addresses_remove(alive, stream->addr);
	else
		tally->double_births += !addresses_add(alive, stream->addr);
}

/* The stream whose step comes first; NULL when all are at their end. */
static struct stream *first(struct stream *streams, const bool *more, unsigned count)
{
	struct stream *least = NULL;

	for (unsigned i = 0; i < count; i++)
		if (more[i] && (!least || streams[i].at < least->at))
			least = &streams[i];
	return least;
}

static struct tally merge(const struct session *s, const struct session_process *process, bool deaf)
{
	static struct stream streams[LANES];
	static bool more[LANES];
	struct addresses alive = {0};
	struct tally tally = {0};
	struct stream *stream;

	for (uint32_t lane = process->lanes; lane != SESSION_NONE;
	     lane = session_lane(s, lane)->older) {
		if (lane == process->notes)
			continue;
		stream_open(&streams[tally.lanes], s, lane, deaf);
		more[tally.lanes] = stream_next(&streams[tally.lanes]);
		tally.lanes++;
	}
	while ((stream = first(streams, more, tally.lanes))) {
		tally_step(&tally, &alive, stream);
		more[stream - streams] = stream_next(stream);
	}
	for (unsigned i = 0; i < tally.lanes; i++) {
		tally.calls += streams[i].calls;
		tally.jumps += streams[i].jumps;
	}
	tally.alive = alive.count;
	addresses_fini(&alive);
	return tally;
}

static void report(FILE *out, const struct session *s, bool deaf)
{
	for (uint32_t number = 0; number < s->processes_made; number++) {
		const struct session_process *process = session_process(s, number);
		struct tally tally = merge(s, process, deaf);

		fprintf(out,
			"{\"pid\": %d, \"forked\": %s, \"lanes\": %u, \"calls\": %ju, \"jumps\": "
			"%ju,"
			" \"unborn_deaths\": %ju, \"double_births\": %ju, \"alive\": %ju}\n",
			process->pid, process->parent == SESSION_NONE ? "false" : "true",
			tally.lanes, (uintmax_t)tally.calls, (uintmax_t)tally.jumps,
			(uintmax_t)tally.unborn_deaths, (uintmax_t)tally.double_births,
			(uintmax_t)tally.alive);
	}
}

int main(int argc, char **argv)
{
	char **words = argv + 1;
	bool deaf = argc > 1 && !strcmp(*words, "--deaf");
	struct session *session;
	pthread_t ticker;
	FILE *out;
	int status, id;

	words += deaf;
	slow = *words && !strcmp(*words, "--slow");
	words += slow;
	if (argv + argc - words < 4 || strcmp(words[0], "-o"))
		errx(2, "usage: orderer [--deaf] [--slow] -o REPORT LIBRARY PROGRAM [ARG...]");
	out = fopen(words[1], "we");
	if (!out)
		err(1, "%s", words[1]);
	session = session_make(&id);
	if (pthread_create(&ticker, NULL, keep_ticking, session))
		errx(1, "no thread");
	status = run(id, words[2], words + 3);
	report(out, session, deaf);
	return fclose(out) ? 1 : status;
}
