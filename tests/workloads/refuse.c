/* Preloaded: every second fork of the process fails, and nobody is told that it was tried. */
#include <dlfcn.h>
#include <errno.h>
#include <unistd.h>

__attribute__((visibility("default"))) pid_t fork(void)
{
	static unsigned tried;
	pid_t (*next)(void);

	if (tried++ % 2) {
		errno = EAGAIN;
		return -1;
	}
	*(void **)&next = dlsym(RTLD_NEXT, "fork");
	return next();
}
