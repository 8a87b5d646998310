#include "launch.h"

#include "session.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static const int passed_on[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGTSTP};
static const int ignored[] = {SIGXFSZ, SIGPIPE}; /* writing fails instead */
static struct sigaction kept[2];                 /* what the program gets for these */
static sigset_t watched, before;
static int failure[2]; /* errno of a failed execve() */

static void watch_signals(void)
{
	sigemptyset(&watched);
	sigaddset(&watched, SIGCHLD);
	for (size_t i = 0; i < sizeof(passed_on) / sizeof(*passed_on); i++)
		sigaddset(&watched, passed_on[i]);
	sigprocmask(SIG_BLOCK, &watched, &before);
	for (size_t i = 0; i < sizeof(ignored) / sizeof(*ignored); i++)
		sigaction(ignored[i], &(struct sigaction){.sa_handler = SIG_IGN}, kept + i);
}

static void restore_signals(void)
{
	for (size_t i = 0; i < sizeof(ignored) / sizeof(*ignored); i++)
		sigaction(ignored[i], kept + i, NULL);
	sigprocmask(SIG_SETMASK, &before, NULL);
}

/* Puts the library before whatever else is preloaded. */
static int set_environment(const char *library, const char *session_name)
{
	const char *others = getenv("LD_PRELOAD");
	char *preload;

	if (asprintf(&preload, "%s%s%s", library, others && *others ? ":" : "",
		     others ? others : "") < 0)
		return -ENOMEM;
	if (setenv("LD_PRELOAD", preload, 1) != 0 || setenv(SESSION_ENV, session_name, 1) != 0)
		return -errno;
	free(preload);
	return 0;
}

static _Noreturn void become(char **command, const char *path, const char *library,
			     const char *session_name, int gate)
{
	char go;
	int error;

	if (read(gate, &go, 1) != 1)
		_exit(127);
	close(gate);
	error = library ? set_environment(library, session_name) : 0;
	restore_signals();
	if (!error) {
		execv(path, command);
		error = -errno;
	}
	/* A script without a first line that says so is the shell's. */
	if (error == -ENOEXEC) {
		execvp(path, command);
		error = -errno;
	}
	if (write(failure[1], &error, sizeof(error)) < 0)
		_exit(126);
	_exit(127);
}

int launch_prepare(struct launch *l, char **command, const char *path, const char *library,
		   const char *session_name)
{
	int gate[2];

	*l = (struct launch){.pid = -1};
	if (pipe2(gate, O_CLOEXEC) != 0 || pipe2(failure, O_CLOEXEC) != 0)
		return -errno;
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	watch_signals();
	l->pid = fork();
	if (l->pid < 0)
		return -errno;
	if (!l->pid) {
		close(gate[1]);
		become(command, path, library, session_name, gate[0]);
	}
	close(gate[0]);
	close(failure[1]);
	l->go = gate[1];
	return 0;
}

int launch_begin(struct launch *l)
{
	int error = 0;

	if (write(l->go, "", 1) != 1)
		error = -errno;
	close(l->go);
	if (!error && read(failure[0], &error, sizeof(error)) < 0)
		error = -errno;
	close(failure[0]);
	return error;
}

/* Stops hakrec, with all its threads, as the terminal does with a job. */
static void suspend(const struct launch *l, int number)
{
	sigset_t one;

	ticker_hide(l->ticker);
	sigemptyset(&one);
	sigaddset(&one, number);
	raise(number);
	pthread_sigmask(SIG_UNBLOCK, &one, NULL);
	if (sigismember(&watched, number))
		pthread_sigmask(SIG_BLOCK, &one, NULL);
}

/*
 * Stopped from the terminal: the shell shall see the whole job stopped, and start it again. Whoever
 * sends the program a SIGSTOP means the program alone.
 */
static void stop_along(struct launch *l, int number)
{
	l->stopped = true;
	if (number != SIGTSTP && number != SIGTTIN && number != SIGTTOU)
		return;
	suspend(l, number);
	kill(l->pid, SIGCONT);
}

/* Reaps whatever ended. */
static void reap(struct launch *l)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED | WCONTINUED)) > 0) {
		if (pid != l->pid)
			continue;
		if (WIFSTOPPED(status)) {
			stop_along(l, WSTOPSIG(status));
		} else if (WIFCONTINUED(status)) {
			l->stopped = false;
		} else {
			l->status = status;
			l->ended = true;
		}
	}
	/* Orphans are its children too. */
	l->alone = pid < 0 && errno == ECHILD;
}

int launch_wait(struct launch *l)
{
	siginfo_t info;
	int number = sigwaitinfo(&watched, &info);

	if (number == SIGCHLD)
		reap(l);
	else if (number == SIGTSTP && (l->ended || l->stopped))
		suspend(l, number);
	else if (number > 0 && l->ended)
		return number;
	/* What the terminal sends it has sent to the program as well. */
	else if (number > 0 && info.si_code <= 0)
		kill(l->pid, number);
	return 0;
}

void launch_wake(pthread_t thread)
{
	pthread_kill(thread, SIGCHLD);
}

_Noreturn void launch_mirror(const struct launch *l)
{
	struct rlimit none = {0, 0};

	if (WIFSIGNALED(l->status)) {
		sigset_t all;

		setrlimit(RLIMIT_CORE, &none);
		signal(WTERMSIG(l->status), SIG_DFL);
		raise(WTERMSIG(l->status));
		sigfillset(&all);
		sigprocmask(SIG_UNBLOCK, &all, NULL);
		exit(128 + WTERMSIG(l->status));
	}
	exit(WEXITSTATUS(l->status));
}
