/*
 * beside PROGRAM [ARG...]: runs the program beside a loop that only computes, at the lowest
 * priority: what it loses when another processor is busy, as with a recorder at its side.
 */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

static void compute(pid_t program)
{
	static const struct sched_param none;
	volatile unsigned sum = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sched_setscheduler(0, SCHED_IDLE, &none);
	while (getppid() == program)
		for (unsigned n = 0; n < 1000; n++) {
			unsigned a = n, b = n, c = n, d = n, e = n, f = n;

			/* As much at a time as a processor can. */
			for (unsigned i = 0; i < 1000; i++) {
				a += i ^ b;
				b += i;
				c ^= i + d;
				d += a;
				e += i | f;
				f ^= i;
			}
			sum += a ^ b ^ c ^ d ^ e ^ f;
		}
	_exit(0);
}

int main(int argc, char **argv)
{
	pid_t program = getpid();

	if (argc < 2)
		return 2;
	switch (fork()) {
	case 0:
		compute(program);
		break;
	case -1:
		perror("fork");
		return 126;
	}
	execvp(argv[1], argv + 1);
	perror(argv[1]);
	return 127;
}
