#include "warden.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LOOKS   5
#define LOOK_NS 50000000

enum { GATE = 3, MAP = 4 }; /* the only descriptors that it keeps */

static void continue_all(void)
{
	uint32_t pid, *before = NULL, last;

	while (bpf_map_get_next_key(MAP, before, &pid) == 0) {
		kill((pid_t)pid, SIGCONT);
		last = pid;
		before = &last;
	}
}

static _Noreturn void watch(void)
{
	const struct timespec nap = {0, LOOK_NS};
	ssize_t got;
	char byte;

	prctl(PR_SET_NAME, "hakrec-warden");
	/* What the terminal sends is for hakrec and the program. */
	setpgid(0, 0);
	do
		got = read(GATE, &byte, 1);
	while (got < 0 && errno == EINTR);
	/* A process may still have been about to stop when the probes were taken out. */
	for (int i = 0; i < LOOKS && got == 0; i++) {
		continue_all();
		nanosleep(&nap, NULL);
	}
	_exit(0);
}

int warden_start(struct warden *w, int followed)
{
	int gate[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, gate) != 0)
		return -errno;
	pid = fork();
	if (pid < 0) {
		int error = -errno;

		close(gate[0]);
		close(gate[1]);
		return error;
	}
	if (!pid) {
		/* Both are moved out of the way first: one may stand where the other goes. */
		int from = fcntl(gate[0], F_DUPFD, 10), map = fcntl(followed, F_DUPFD, 10);

		if (dup2(from, GATE) != GATE || dup2(map, MAP) != MAP)
			_exit(1);
		close_range(0, GATE - 1, 0);
		close_range(MAP + 1, ~0u, 0);
		watch();
	}
	close(gate[0]);
	w->fd = gate[1];
	return 0;
}

void warden_dismiss(struct warden *w)
{
	send(w->fd, "", 1, MSG_NOSIGNAL);
	close(w->fd);
}
