/*
 * Interposed functions that are not recorded: after them addresses mean something else, a filter of
 * system calls is in force, there is a fork, or none, or the process is over, by ways that no
 * handler and no destructor sees.
 */
#include "fork.h"
#include "guest.h"
#include "residency.h"

#include <dlfcn.h>
#include <linux/seccomp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define HOOK __attribute__((visibility("default")))

/* Addresses get another meaning when another module comes to lie there. */
HOOK int dlclose(void *handle)
{
	static int (*_Atomic next)(void *);
	int status;

	if (!next)
		next = (int (*)(void *))dlsym(RTLD_NEXT, "dlclose");
	status = next ? next(handle) : -1;
	if (!status)
		guest_closed();
	return status;
}

/* Looked up early: they are called from signal handlers too. */
static struct {
	long (*syscall)(long, ...);
	int (*prctl)(int, ...);
	pid_t (*fork)(void);
	pid_t (*fork_plainly)(void);
	void (*exit)(int);
} next;

__attribute__((constructor)) static void find_next(void)
{
	next.syscall = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
	next.prctl = (int (*)(int, ...))dlsym(RTLD_NEXT, "prctl");
	next.fork = (pid_t(*)(void))dlsym(RTLD_NEXT, "fork");
	next.fork_plainly = (pid_t(*)(void))dlsym(RTLD_NEXT, "_Fork");
	next.exit = (void (*)(int))dlsym(RTLD_NEXT, "_exit");
}

#define NEXT(name)                                                                                 \
	({                                                                                         \
		if (__builtin_expect(!next.name, 0))                                               \
			find_next();                                                               \
		next.name;                                                                         \
	})

HOOK long syscall(long number, ...)
{
	long a[6];
	va_list list;

	va_start(list, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(list, long);
	va_end(list);
	if (number == SYS_seccomp || (number == SYS_prctl && a[0] == PR_SET_SECCOMP))
		residency_confine();
	return NEXT(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

HOOK int prctl(int option, ...)
{
	unsigned long a[4];
	va_list list;

	va_start(list, option);
	for (int i = 0; i < 4; i++)
		a[i] = va_arg(list, unsigned long);
	va_end(list);
	if (option == PR_SET_SECCOMP)
		residency_confine();
	return NEXT(prctl)(option, a[0], a[1], a[2], a[3]);
}

HOOK pid_t fork(void)
{
	return fork_by(NEXT(fork));
}

/* What signal handlers may call. The C library's own forks do not come by here. */
HOOK pid_t _Fork(void)
{
	return guest_fork_plainly(NEXT(fork_plainly), PEN_FRAME);
}

HOOK void _exit(int status)
{
	guest_ended();
	NEXT(exit)(status);
	__builtin_unreachable();
}

HOOK void _Exit(int status)
{
	_exit(status);
}
