#include "meter.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* Fields of /proc/self/status. */
struct memory {
	uint64_t peak_bytes;   /* resident, whatever its kind */
	uint64_t anon_bytes;   /* resident and anonymous */
	uint64_t others_bytes; /* resident and of files: code, the plan */
};

static uint64_t own_bytes; /* anonymous memory of the runner itself */
static uint64_t wall_begin, cpu_begin;
static struct rusage begin;

static uint64_t field_bytes(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	return at ? strtoull(at + strlen(name), NULL, 10) * 1024 : 0;
}

static struct memory memory_read(void)
{
	char text[4096];
	int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = 0;
	return (struct memory){
		.peak_bytes = field_bytes(text, "\nVmHWM:"),
		.anon_bytes = field_bytes(text, "\nRssAnon:"),
		.others_bytes = field_bytes(text, "\nRssFile:") + field_bytes(text, "\nRssShmem:"),
	};
}

static uint64_t now_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

void meter_own_begin(void)
{
	own_bytes = memory_read().anon_bytes;
}

void meter_own_end(void)
{
	int fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);

	own_bytes = memory_read().anon_bytes - own_bytes;
	/* Where the kernel cannot do this, the peak includes the start of the process. */
	if (fd >= 0 && write(fd, "5", 1) == 1)
		close(fd);
}

void meter_start(void)
{
	getrusage(RUSAGE_SELF, &begin);
	cpu_begin = now_ns(CLOCK_PROCESS_CPUTIME_ID);
	wall_begin = now_ns(CLOCK_MONOTONIC);
}

void meter_stop(struct run_outcome *outcome)
{
	uint64_t wall = now_ns(CLOCK_MONOTONIC);
	uint64_t cpu = now_ns(CLOCK_PROCESS_CPUTIME_ID);
	struct memory memory = memory_read();
	uint64_t not_heap = memory.others_bytes + own_bytes;
	struct rusage end;

	getrusage(RUSAGE_SELF, &end);
	outcome->wall_ns = wall - wall_begin;
	outcome->cpu_ns = cpu - cpu_begin;
	outcome->peak_rss_bytes = memory.peak_bytes > not_heap ? memory.peak_bytes - not_heap : 0;
	outcome->minor_faults = (uint64_t)(end.ru_minflt - begin.ru_minflt);
	outcome->major_faults = (uint64_t)(end.ru_majflt - begin.ru_majflt);
	outcome->voluntary_switches = (uint64_t)(end.ru_nvcsw - begin.ru_nvcsw);
	outcome->involuntary_switches = (uint64_t)(end.ru_nivcsw - begin.ru_nivcsw);
}
