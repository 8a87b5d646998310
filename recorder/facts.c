#include "facts.h"

#include "session.h"

#include <gnu/libc-version.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

static void add_number(struct trace_writer *writer, const char *key, int64_t number)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRId64, number);
	trace_writer_fact(writer, key, text);
}

static void add_cpu(struct trace_writer *writer)
{
	char line[256];
	FILE *file = fopen("/proc/cpuinfo", "re");

	while (file && fgets(line, sizeof(line), file)) {
		char *colon = strchr(line, ':');

		if (strncmp(line, "model name", 10) || !colon)
			continue;
		line[strcspn(line, "\n")] = 0;
		trace_writer_fact(writer, "cpu", colon + 2);
		break;
	}
	if (file)
		fclose(file);
	add_number(writer, "processors", sysconf(_SC_NPROCESSORS_ONLN));
	add_number(writer, "page_bytes", sysconf(_SC_PAGESIZE));
}

static void add_machine(struct trace_writer *writer)
{
	struct utsname name;
	char text[256];

	if (uname(&name) == 0) {
		snprintf(text, sizeof(text), "%s %s", name.sysname, name.release);
		trace_writer_fact(writer, "kernel", text);
		trace_writer_fact(writer, "machine", name.machine);
	}
	snprintf(text, sizeof(text), "glibc %s", gnu_get_libc_version());
	trace_writer_fact(writer, "libc", text);
	add_cpu(writer);
}

static void add_start(struct trace_writer *writer, uint64_t age_ns)
{
	struct timespec now;
	uint64_t ns;
	struct tm utc;
	time_t seconds;
	char text[64];

	clock_gettime(CLOCK_REALTIME, &now);
	ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec - age_ns;
	seconds = (time_t)(ns / 1000000000u);
	gmtime_r(&seconds, &utc);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc);
	trace_writer_fact(writer, "start", text);
	add_number(writer, "start_unix_ns", (long)ns);
}

void facts_add(struct trace_writer *writer, const struct facts *facts)
{
	uint32_t mode = facts->mode;

	trace_writer_fact(writer, "recorder", "hakrec " HAK_VERSION);
	trace_writer_fact(writer, "backend", facts->backend);
	trace_writer_fact(writer, "program", facts->program);
	trace_writer_fact(writer, "command", facts->command);
	add_number(writer, "pid", facts->pid);
	add_number(writer, "parent_pid", facts->parent_pid);
	trace_writer_fact(writer, "clock", mode & SESSION_EXACT ? "exact" : "coarse");
	trace_writer_fact(writer, "site",
			  mode & SESSION_CONTEXT   ? "context"
			  : mode & SESSION_ADDRESS ? "address"
						   : "none");
	add_start(writer, facts->age_ns);
	add_machine(writer);
}
