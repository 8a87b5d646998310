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

static int rollup_fd = -1;
static uint64_t own_bytes;     /* anonymous memory of the runner itself */
static uint64_t sampled_bytes; /* the most anonymous memory in any sample; 0: none was taken */
static struct clocks begin, paused;
static struct rusage usage;

static uint64_t field_bytes(const char *text, const char *name)
{
	const char *at = strstr(text, name);
	uint64_t kib = 0;

	for (at = at ? at + strlen(name) : ""; *at && *at != 'k'; at++)
		if (*at >= '0' && *at <= '9')
			kib = 10 * kib + (uint64_t)(*at - '0');
	return kib * 1024;
}

static uint64_t anonymous_bytes(void)
{
	char text[4096];
	ssize_t n = pread(rollup_fd, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = 0;
	return field_bytes(text, "\nAnonymous:");
}

/* The most resident memory so far less what is of files: code, the plan. */
static uint64_t status_peak_bytes(void)
{
	char text[4096];
	int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text, sizeof(text) - 1);
	uint64_t peak, others;

	text[n > 0 ? n : 0] = 0;
	peak = field_bytes(text, "\nVmHWM:");
	others = field_bytes(text, "\nRssFile:") + field_bytes(text, "\nRssShmem:");
	return peak > others ? peak - others : 0;
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
	rollup_fd = open("/proc/self/smaps_rollup", O_RDONLY | O_CLOEXEC);
	own_bytes = anonymous_bytes();
}

void meter_own_end(void)
{
	int fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);

	own_bytes = anonymous_bytes() - own_bytes;
	/* Where the kernel cannot do this, the peak includes the start of the process. */
	if (fd >= 0 && write(fd, "5", 1) == 1)
		close(fd);
}

void meter_start(void)
{
	getrusage(RUSAGE_SELF, &usage);
	begin = clocks_now();
}

void meter_sample(void)
{
	struct clocks before = clocks_now();
	uint64_t anon = anonymous_bytes();
	struct clocks after = clocks_now();

	sampled_bytes = anon > sampled_bytes ? anon : sampled_bytes;
	paused.wall_ns += after.wall_ns - before.wall_ns;
	paused.cpu_ns += after.cpu_ns - before.cpu_ns;
}

/*
 * The kernel counts resident pages in batches per processor, and takes its peak from the rough sum:
 * where there are exact samples it is believed only when it exceeds them by more than that
 * roughness.
 */
static uint64_t peak_bytes(void)
{
	uint64_t processors = (uint64_t)sysconf(_SC_NPROCESSORS_ONLN);
	uint64_t batch = 2 * processors > 32 ? 2 * processors : 32;
	uint64_t rough = sampled_bytes ? 2 * processors * batch * PAGE : 0;
	uint64_t last = anonymous_bytes();
	uint64_t exact = sampled_bytes > last ? sampled_bytes : last;
	uint64_t peak = status_peak_bytes();

	return peak > exact + rough ? peak : exact;
}

void meter_stop(struct run_outcome *outcome)
{
	struct clocks end = clocks_now();
	struct rusage now;
	uint64_t peak;

	getrusage(RUSAGE_SELF, &now);
	peak = peak_bytes();
	outcome->wall_ns = end.wall_ns - begin.wall_ns - paused.wall_ns;
	outcome->cpu_ns = end.cpu_ns - begin.cpu_ns - paused.cpu_ns;
	outcome->peak_rss_bytes = peak > own_bytes ? peak - own_bytes : 0;
	outcome->minor_faults = (uint64_t)(now.ru_minflt - usage.ru_minflt);
	outcome->major_faults = (uint64_t)(now.ru_majflt - usage.ru_majflt);
	outcome->voluntary_switches = (uint64_t)(now.ru_nvcsw - usage.ru_nvcsw);
	outcome->involuntary_switches = (uint64_t)(now.ru_nivcsw - usage.ru_nivcsw);
}
