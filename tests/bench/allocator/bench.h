/*
 * What every benchmark program shares: its random numbers, its clock, and the one line that it
 * prints:
 * {"operations": N, "seconds": S, "peak_rss_kib": K, "library": "the file whose malloc answered"}.
 */
#ifndef BENCH_H
#define BENCH_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static inline uint64_t bench_random(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return *state = x;
}

static inline uint64_t bench_seed(uint64_t number)
{
	return (number + 1) * 0x9e3779b97f4a7c15u;
}

static inline double bench_now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* The most resident memory of this very program, in KiB. */
static inline long bench_resident(void)
{
	FILE *file = fopen("/proc/self/status", "r");
	char line[256];
	long resident = 0;

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "VmHWM: %ld", &resident) == 1)
			break;
	if (file)
		fclose(file);
	return resident;
}

static inline void bench_print(uint64_t operations, double seconds)
{
	void *function = dlsym(RTLD_DEFAULT, "malloc");
	Dl_info info;

	if (!dladdr(function, &info))
		info.dli_fname = "";
	printf("{\"operations\": %llu, \"seconds\": %.9f, \"peak_rss_kib\": %ld, \"library\": "
	       "\"%s\"}\n",
	       (unsigned long long)operations, seconds, bench_resident(), info.dli_fname);
}

static inline long bench_argument(int argc, char **argv, int number, long standard)
{
	return argc > number ? atol(argv[number]) : standard;
}

#endif
