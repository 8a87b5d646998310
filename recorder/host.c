#include "host.h"

#include "filters.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#define PROCESSES     4096u
#define LANES         32768u
#define CHUNKS        49152u
#define LONG_CHUNKS   384u
#define CHUNKS_WANTED 8192u
#define CHUNKS_LEAST  512u
#define CALIBRATE_NS  20000000

/* A guest whose address space is limited shall not spend more than a part of it on us. */
static void limit_chunks(struct session *s)
{
	struct rlimit limit;
	uint64_t most;

	if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
		return;
	most = limit.rlim_cur / 16 / CHUNK_BYTES;
	if (most >= s->chunks)
		return;
	s->long_chunks = 0;
	s->chunks = most > CHUNKS_LEAST ? (uint32_t)most : CHUNKS_LEAST;
	s->lanes = s->chunks / 2;
	s->processes = s->chunks / 4;
	if (s->chunks_wanted > s->chunks / 2)
		s->chunks_wanted = s->chunks / 2;
}

static uint64_t whole_pages(uint64_t bytes)
{
	return (bytes + SESSION_PAGE - 1) / SESSION_PAGE * SESSION_PAGE;
}

static struct session layout(uint32_t mode)
{
	struct session s = {
		.magic = SESSION_MAGIC,
		.version = SESSION_VERSION,
		.mode = mode,
		.processes = PROCESSES,
		.lanes = LANES,
		.chunks = CHUNKS,
		.long_chunks = LONG_CHUNKS,
		.chunks_wanted = CHUNKS_WANTED,
		.arrivals = {0},
	};

	limit_chunks(&s);
	s.processes_at = whole_pages(sizeof(s));
	s.lanes_at = s.processes_at +
		     whole_pages(s.processes * (uint64_t)sizeof(struct session_process));
	s.links_at = s.lanes_at + whole_pages(s.lanes * (uint64_t)sizeof(struct session_lane));
	s.chunks_at =
		s.links_at + whole_pages((s.chunks + s.long_chunks) * (uint64_t)sizeof(uint32_t));
	s.bytes = s.chunks_at + s.chunks * (uint64_t)CHUNK_BYTES +
		  s.long_chunks * (uint64_t)LONG_BYTES;
	return s;
}

static uint64_t monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* The processor's counter is usable as a clock: the kernel uses it itself. */
static bool counter_is_clock(void)
{
	char name[16] = "";
	int fd = open("/sys/devices/system/clocksource/clocksource0/current_clocksource",
		      O_RDONLY | O_CLOEXEC);

	if (fd >= 0) {
		if (read(fd, name, sizeof(name) - 1) < 0)
			name[0] = 0;
		close(fd);
	}
	return name[0] == 't' && name[1] == 's' && name[2] == 'c';
}

static void calibrate(struct session *s)
{
	struct timespec nap = {0, CALIBRATE_NS};
	uint64_t ns = monotonic_ns();

	s->start_ns = ns;
	s->filters = filters_count();
	if (!(s->mode & SESSION_EXACT) || !counter_is_clock())
		return;
	s->tsc_start = __rdtsc();
	nanosleep(&nap, NULL);
	ns = monotonic_ns() - ns;
	s->tsc_scale = (uint64_t)(((__uint128_t)ns << 32) / (__rdtsc() - s->tsc_start));
}

/* From now on the kernel tells the guests when this thread, and hakrec with it, dies. */
static void own(struct session *s)
{
	static struct robust_list_head list;
	static struct robust_list owner = {&list.list};

	list.list.next = &owner;
	list.futex_offset = (long)((uintptr_t)&s->owner - (uintptr_t)&owner);
	atomic_store(&s->owner, (uint32_t)gettid());
	syscall(SYS_set_robust_list, &list, sizeof(list));
}

int host_open(struct host *h, uint32_t mode)
{
	struct session s = layout(mode);
	void *memory;
	int id;

	/* Not a file: a limit on the size of files is no limit on this. */
	id = shmget(IPC_PRIVATE, s.bytes, IPC_CREAT | SHM_NORESERVE | 0600);
	if (id < 0)
		return -errno;
	memory = shmat(id, NULL, 0);
	/* It lives as long as someone uses it, and can be attached until then. */
	shmctl(id, IPC_RMID, NULL);
	if (memory == (void *)-1)
		return -errno;
	madvise(memory, s.bytes, MADV_DONTDUMP);
	calibrate(&s);
	h->session = memory;
	*h->session = s;
	own(h->session);
	snprintf(h->name, sizeof(h->name), "%d", id);
	return 0;
}

void host_close(struct host *h)
{
	shmdt(h->session);
}
