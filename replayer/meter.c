#include "meter.h"

#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096

struct clocks {
	uint64_t wall_ns;
	uint64_t cpu_ns;
};

static int status_fd = -1;
static uint64_t own_bytes;     /* anonymous memory that is no heap: the runner's ... */
static uint64_t others_bytes;  /* ... and all of it before it grew */
static uint64_t peak_bytes;    /* of the heap, in parts of the plan that are over */
static uint64_t sampled_bytes; /* the most of the heap in any sample; 0: none was taken */
static struct clocks begin, pause_begin, paused;
static struct rusage usage, part_usage;

static uint64_t field_bytes(const char *text, const char *name)
{
	const char *at = strstr(text, name);
	uint64_t kib = 0;

	for (at = at ? at + strlen(name) : ""; *at && *at != 'k'; at++)
		if (*at >= '0' && *at <= '9')
			kib = 10 * kib + (uint64_t)(*at - '0');
	return kib * 1024;
}

static void file_read(int fd, char *text, size_t bytes)
{
	ssize_t n = pread(fd, text, bytes - 1, 0);

	text[n > 0 ? n : 0] = 0;
}

/* A field of /proc/self/status: quick, and exact for RssAnon. */
static uint64_t status_bytes(const char *name)
{
	char text[4096];

	file_read(status_fd, text, sizeof(text));
	return field_bytes(text, name);
}

/* Resident memory by kind, exact: the kernel walks all pages for it. */
struct memory {
	uint64_t all_bytes;
	uint64_t anonymous_bytes;
};

static struct memory memory_walk(void)
{
	int fd = open("/proc/self/smaps_rollup", O_RDONLY | O_CLOEXEC);
	char text[4096];

	file_read(fd, text, sizeof(text));
	close(fd);
	return (struct memory){field_bytes(text, "\nRss:"), field_bytes(text, "\nAnonymous:")};
}

/* One line of smaps. A mapping's name tells whether its pages count, which come some lines later.
 */
static uint64_t line_bytes(const char *line, bool *counts)
{
	const char *dash = strchr(line, '-'), *blank = strchr(line, ' ');

	if (dash && dash < blank)
		*counts = strchr(line, '/') || strstr(line, "[stack]");
	return *counts && !strncmp(line, "Anonymous:", 10) ? field_bytes(line, "Anonymous:") : 0;
}

/* Written pages of mapped files, and the first thread's stack. */
static uint64_t image_bytes(void)
{
	int fd = open("/proc/self/smaps", O_RDONLY | O_CLOEXEC);
	char text[4096], line[256];
	size_t length = 0;
	uint64_t sum = 0;
	bool counts = false;
	ssize_t n;

	while ((n = read(fd, text, sizeof(text))) > 0) {
		for (ssize_t i = 0; i < n; i++) {
			if (text[i] != '\n') {
				line[length] = text[i];
				length += length < sizeof(line) - 1;
				continue;
			}
			line[length] = 0;
			length = 0;
			sum += line_bytes(line, &counts);
		}
	}
	close(fd);
	return sum;
}

static uint64_t now_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static struct clocks clocks_now(void)
{
	return (struct clocks){now_ns(CLOCK_MONOTONIC), now_ns(CLOCK_PROCESS_CPUTIME_ID)};
}

void meter_own_begin(void)
{
	if (status_fd < 0) {
		status_fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
		own_bytes = image_bytes();
	}
	others_bytes = memory_walk().anonymous_bytes;
}

void meter_own_end(void)
{
	int fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);

	own_bytes += memory_walk().anonymous_bytes - others_bytes;
	/* Where the kernel cannot do this, the peak includes the start of the process. */
	if (fd >= 0 && write(fd, "5", 1) == 1)
		close(fd);
}

void meter_start(void)
{
	getrusage(RUSAGE_SELF, &usage);
	begin = clocks_now();
}

void meter_pause(void)
{
	pause_begin = clocks_now();
}

void meter_resume(bool work)
{
	struct clocks now = clocks_now();
	uint64_t wall = now.wall_ns - pause_begin.wall_ns;
	uint64_t cpu = now.cpu_ns - pause_begin.cpu_ns;

	if (!work)
		paused.cpu_ns += cpu;
	if (!work || wall > cpu)
		paused.wall_ns += work ? wall - cpu : wall;
}

uint64_t meter_heap_bytes(void)
{
	uint64_t resident = status_bytes("\nRssAnon:");

	return resident > own_bytes ? resident - own_bytes : 0;
}

void meter_sample(void)
{
	uint64_t resident;

	meter_pause();
	resident = meter_heap_bytes();
	sampled_bytes = resident > sampled_bytes ? resident : sampled_bytes;
	meter_resume(false);
}

/*
 * The heap's part of the peak. The kernel counts resident pages in batches per processor, and takes
 * its peak from the rough sum: where there are exact samples it is believed only when it exceeds
 * them by more than that roughness.
 */
static uint64_t peak_now(void)
{
	uint64_t processors = (uint64_t)sysconf(_SC_NPROCESSORS_ONLN);
	uint64_t batch = 2 * processors > 32 ? 2 * processors : 32;
	uint64_t rough = sampled_bytes ? 2 * processors * batch * PAGE : 0;
	struct memory now = memory_walk();
	uint64_t others = now.all_bytes - now.anonymous_bytes + own_bytes;
	uint64_t end = now.all_bytes > others ? now.all_bytes - others : 0;
	uint64_t exact = sampled_bytes > end ? sampled_bytes : end;
	uint64_t peak = status_bytes("\nVmHWM:");

	peak = peak > others ? peak - others : 0;
	return peak > exact + rough ? peak : exact;
}

static void peak_note(void)
{
	uint64_t peak = peak_now();

	peak_bytes = peak > peak_bytes ? peak : peak_bytes;
	sampled_bytes = 0;
}

/* What the kernel counted since then happened while the clocks stood still. */
static void usage_leave_out(const struct rusage *since)
{
	struct rusage now;

	getrusage(RUSAGE_SELF, &now);
	usage.ru_minflt += now.ru_minflt - since->ru_minflt;
	usage.ru_majflt += now.ru_majflt - since->ru_majflt;
	usage.ru_nvcsw += now.ru_nvcsw - since->ru_nvcsw;
	usage.ru_nivcsw += now.ru_nivcsw - since->ru_nivcsw;
}

void meter_part_end(void)
{
	meter_pause();
	getrusage(RUSAGE_SELF, &part_usage);
	peak_note();
	meter_own_begin();
}

uint64_t meter_part_begin(void)
{
	uint64_t before = paused.wall_ns;

	meter_own_end();
	usage_leave_out(&part_usage);
	meter_resume(false);
	return paused.wall_ns - before;
}

void meter_stop(struct run_outcome *outcome)
{
	struct clocks end = clocks_now();
	struct rusage now;

	getrusage(RUSAGE_SELF, &now);
	outcome->wall_ns = end.wall_ns - begin.wall_ns - paused.wall_ns;
	outcome->cpu_ns = end.cpu_ns - begin.cpu_ns - paused.cpu_ns;
	peak_note();
	outcome->peak_rss_bytes = peak_bytes;
	outcome->minor_faults = (uint64_t)(now.ru_minflt - usage.ru_minflt);
	outcome->major_faults = (uint64_t)(now.ru_majflt - usage.ru_majflt);
	outcome->voluntary_switches = (uint64_t)(now.ru_nvcsw - usage.ru_nvcsw);
	outcome->involuntary_switches = (uint64_t)(now.ru_nivcsw - usage.ru_nivcsw);
}
