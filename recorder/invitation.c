#include "invitation.h"

#include "traces/stackbase.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <unistd.h>

void invitation_decline(const char *why, int error)
{
	char line[256];
	int bytes = snprintf(line, sizeof(line), "hakrec: process %d is not recorded: %s%s%s\n",
			     (int)getpid(), why, error ? ": " : "", error ? strerror(error) : "");

	if (bytes > 0 && write(STDERR_FILENO, line, (size_t)bytes) < 0)
		return;
}

/* The value of a variable as the kernel handed it over: libc may not know its environment yet. */
static const char *first_environ(const char *name)
{
	const uintptr_t *words = stackbase_main();
	const char *const *variable = (const char *const *)(words + words[0] + 2);
	size_t length = strlen(name);

	for (; *variable; variable++)
		if (!strncmp(*variable, name, length) && (*variable)[length] == '=')
			return *variable + length + 1;
	return NULL;
}

void invitation_hide(void)
{
	uintptr_t *words = (uintptr_t *)(uintptr_t)stackbase_main();
	char **from = (char **)(words + words[0] + 2), **to = from;

	for (; *from; from++) {
		char *others = strchr(*from, ':');

		if (!strncmp(*from, SESSION_ENV "=", sizeof(SESSION_ENV)))
			continue;
		if (!strncmp(*from, "LD_PRELOAD=", 11)) {
			if (!others)
				continue;
			memmove(*from + 11, others + 1, strlen(others));
		}
		*to++ = *from;
	}
	*to = NULL;
}

/* Whether a limit of the address space leaves the program, beside the segment, half as much as that
 * takes: else the program would run short where it would not unrecorded. */
static bool leaves_room(int id)
{
	struct shmid_ds segment;
	struct rlimit limit;
	char why[128];

	if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY ||
	    shmctl(id, IPC_STAT, &segment) != 0 || limit.rlim_cur / 3 * 2 >= segment.shm_segsz)
		return true;
	snprintf(why, sizeof(why),
		 "its address space is limited to %ju MiB, of which the session's memory would "
		 "take %zu",
		 (uintmax_t)limit.rlim_cur >> 20, segment.shm_segsz >> 20);
	invitation_decline(why, 0);
	return false;
}

/* Attaches the memory; name: number of a System V segment. */
static struct session *map_session(const char *name)
{
	int id = atoi(name);
	struct session *s = leaves_room(id) ? shmat(id, NULL, 0) : NULL;

	if (!s)
		return NULL;
	if (s == (void *)-1) {
		/* No such segment: hakrec is gone, nobody wants this process. */
		if (errno != EINVAL && errno != EIDRM)
			invitation_decline("cannot attach the session's memory", errno);
		return NULL;
	}
	if (s->magic != SESSION_MAGIC || s->version != SESSION_VERSION) {
		if (s->magic == SESSION_MAGIC)
			invitation_decline("hakrec and libhakrec.so are of different versions", 0);
		shmdt(s);
		return NULL;
	}
	madvise(s, s->bytes, MADV_DONTDUMP);
	return s;
}

void invitation_return(struct session *s)
{
	shmdt(s);
}

struct session *invitation_accept(void)
{
	const char *name = first_environ(SESSION_ENV);

	return name ? map_session(name) : NULL;
}
