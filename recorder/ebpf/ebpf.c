#include "ebpf.h"

#include "follow.h"

#include "recorder/launch.h"
#include "recorder/report.h"

#include <err.h>
#include <errno.h>
#include <limits.h>
#include <linux/capability.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#define CANNOT_RUN 126 /* exit statuses of a program that could not be run, as in the shell */
#define NOT_FOUND  127

/* ---- whether it can be done ---- */

static bool privileged(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {{0}};

	return syscall(SYS_capget, &header, data) == 0 && data[0].effective >> CAP_SYS_ADMIN & 1;
}

bool ebpf_possible(char *reason, size_t bytes)
{
	if (!privileged())
		snprintf(reason, bytes, "the eBPF backend needs root");
	else if (access("/sys/kernel/btf/vmlinux", R_OK) != 0)
		snprintf(reason, bytes,
			 "the eBPF backend needs a kernel with type information "
			 "(/sys/kernel/btf/vmlinux: %s)",
			 strerror(errno));
	else
		return true;
	return false;
}

/* ---- common to both ways ---- */

static void open_follow(struct follow *f, const struct options *options, const char *program,
			pid_t pid)
{
	*f = (struct follow){
		.mode = options->mode,
		.ring_bytes = options->ring_bytes,
		.lossless = options->lossless,
		.max_bytes = options->max_bytes,
	};
	if (outputs_init(&f->outputs, options->file, program, pid))
		errx(1, "%s", strerror(ENOMEM));
	if (follow_open(f))
		errx(1, "%s", f->error);
}

/* Reports; returns whether recording failed. */
static bool finish(struct follow *f, const struct options *options)
{
	bool failed = f->results.error || !f->results.count;

	if (options->json)
		report_json(stderr, &f->results);
	else if (!options->quiet)
		report_lines(stderr, &f->results);
	if (f->results.count)
		report_failure(stderr, &f->results);
	else if (*f->error)
		warnx("%s", f->error);
	else if (!f->unfound)
		warnx("nothing was recorded");
	follow_close(f);
	return failed;
}

/* ---- running a program ---- */

static void *run_follow(void *follow)
{
	follow_run(follow);
	return NULL;
}

void ebpf_run(const struct options *options, const struct target *target)
{
	struct follow follow;
	struct launch launch;
	pthread_t waiter;
	int error = launch_prepare(&launch, options->command, target->path, NULL, NULL);

	if (error)
		errx(1, "cannot make a process: %s", strerror(-error));
	launch.own_stops = true;
	open_follow(&follow, options, target->path, launch.pid);
	if (follow_start(&follow, launch.pid))
		errx(1, "%s", follow.error);
	error = pthread_create(&waiter, NULL, run_follow, &follow);
	if (error)
		errx(1, "cannot start a thread: %s", strerror(error));
	error = launch_begin(&launch);
	if (error)
		errx(error == -ENOENT ? NOT_FOUND : CANNOT_RUN, "%s: %s", options->command[0],
		     strerror(-error));
	while (!launch.ended)
		launch_wait(&launch);
	pthread_join(waiter, NULL);
	if (finish(&follow, options))
		exit(1);
	launch_mirror(&launch);
}

/* ---- a running process ---- */

struct attachment {
	struct follow follow;
	pthread_t waiter; /* to be woken when all is over */
};

static void *run_attachment(void *attachment)
{
	struct attachment *a = attachment;

	follow_run(&a->follow);
	pthread_kill(a->waiter, SIGUSR1);
	return NULL;
}

/* Until the process has ended, the time is over, or hakrec is told to end. */
static void wait_for_end(const sigset_t *signals, double seconds)
{
	struct timespec time = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
	int number;

	do
		number = seconds > 0 ? sigtimedwait(signals, NULL, &time)
				     : sigwaitinfo(signals, NULL);
	while (number < 0 && errno == EINTR);
}

void ebpf_attach(const struct options *options)
{
	struct attachment a = {.waiter = pthread_self()};
	char link[64], program[PATH_MAX];
	pthread_t thread;
	sigset_t signals;
	ssize_t length;
	int error;

	snprintf(link, sizeof(link), "/proc/%d/exe", (int)options->pid);
	length = readlink(link, program, sizeof(program) - 1);
	if (length < 0)
		errx(1, "process %d: %s", (int)options->pid,
		     errno == ENOENT ? "there is no such process" : strerror(errno));
	program[length] = 0;
	sigemptyset(&signals);
	for (const int *s = (const int[]){SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, 0}; *s; s++)
		sigaddset(&signals, *s);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	open_follow(&a.follow, options, program, options->pid);
	if (follow_attach(&a.follow, options->pid))
		errx(1, "%s", a.follow.error);
	error = pthread_create(&thread, NULL, run_attachment, &a);
	if (error)
		errx(1, "cannot start a thread: %s", strerror(error));
	wait_for_end(&signals, options->seconds);
	atomic_store(&a.follow.stop, true);
	pthread_join(thread, NULL);
	exit(finish(&a.follow, options));
}
