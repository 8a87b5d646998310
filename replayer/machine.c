#include "machine.h"

#include <gnu/libc-version.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

static void cpu_read(char *cpu, size_t bytes)
{
	FILE *file = fopen("/proc/cpuinfo", "re");
	char line[512];

	snprintf(cpu, bytes, "unknown");
	while (file && fgets(line, sizeof(line), file)) {
		char *colon = strchr(line, ':');

		if (strncmp(line, "model name", 10) || !colon)
			continue;
		snprintf(cpu, bytes, "%s", colon + 1 + strspn(colon + 1, " "));
		cpu[strcspn(cpu, "\n")] = 0;
		break;
	}
	if (file)
		fclose(file);
}

uint64_t machine_available_bytes(void)
{
	FILE *file = fopen("/proc/meminfo", "re");
	unsigned long long kib = UINT64_MAX / 1024;
	char line[256];

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "MemAvailable: %llu", &kib) == 1)
			break;
	if (file)
		fclose(file);
	return kib * 1024;
}

void machine_read(struct machine *machine)
{
	struct utsname name;

	cpu_read(machine->cpu, sizeof(machine->cpu));
	machine->processors = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
	machine->memory_bytes = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
	uname(&name);
	snprintf(machine->kernel, sizeof(machine->kernel), "%s", name.release);
	snprintf(machine->libc, sizeof(machine->libc), "glibc %s", gnu_get_libc_version());
}
