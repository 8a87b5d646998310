#include "ebpf.h"

#include "disassembler.h"
#include "follow.h"
#include "proc.h"

#include "recorder/launch.h"
#include "recorder/report.h"

#include <dlfcn.h>
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
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#define CANNOT_RUN 126 /* exit status of a program that could not be run, as in the shell */

#define FIRST_PID_NAMESPACE "pid:[4026531836]" /* the same number in every kernel */

/* ---- whether it can be done ---- */

static bool privileged(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {{0}};

	return syscall(SYS_capget, &header, data) == 0 && data[0].effective >> CAP_SYS_ADMIN & 1;
}

/* The kernel part knows processes by the numbers of the machine's first namespace. */
static bool numbers_agree(void)
{
	char name[64];
	ssize_t length = readlink("/proc/self/ns/pid", name, sizeof(name) - 1);

	name[length > 0 ? length : 0] = 0;
	return length < 0 || strcmp(name, FIRST_PID_NAMESPACE) == 0;
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
	else if (!numbers_agree())
		snprintf(reason, bytes,
			 "the eBPF backend does not work where processes have numbers of their own "
			 "(a container's PID namespace)");
	else
		return true;
	return false;
}

/* ---- common to both ways ---- */

static _Noreturn void give_up(struct follow *f)
{
	recording_close(f->messages.tracees.recording);
	errx(1, "%s", f->error);
}

/* Before anything is begun that would have to be undone. */
static void load_disassembler(void)
{
	if (!disassembler_load())
		errx(1, "%s", dlerror());
}

/* running: the process runs already. */
static void open_follow(struct follow *f, struct recording *recording,
			const struct options *options, const char *program, pid_t pid, bool running)
{
	/* However busy the machine is the ring must be emptied: what does not fit is lost. */
	setpriority(PRIO_PROCESS, 0, PRIO_MIN);
	recording->max_bytes = options->max_bytes;
	ticker_open(&recording->ticker, !options->quiet);
	if (recording_open(recording, options->file, program, pid))
		errx(1, "%s", recording->message);
	*f = (struct follow){
		.messages.tracees = {.recording = recording, .mode = options->mode},
		.ring_bytes = options->ring_bytes,
		.lossless = options->lossless,
	};
	if (follow_open(f, running ? pid : 0))
		give_up(f);
}

/* Reports; returns whether recording failed. */
static bool finish(struct follow *f, const struct options *options)
{
	const struct tracees *all = &f->messages.tracees;
	struct recording *recording = all->recording;
	uint32_t unfollowed = tracer_unfollowed(all->tracer);
	bool blind = all->files.error || all->probe_failed;
	bool failed = recording->message || !recording->count || unfollowed || blind;

	ticker_hide(&recording->ticker);
	if (options->json)
		report_json(stderr, recording);
	else if (!options->quiet)
		report_lines(stderr, recording);
	if (!report_failure(stderr, recording) && !recording->count && !all->unfound)
		warnx("nothing was recorded");
	if (all->files.error)
		warnx("code could not be looked at, and calls of it are missing: %s",
		      strerror(-all->files.error));
	if (unfollowed)
		warnx("processes that could not be followed and were not recorded, nor their "
		      "children: %u; the most at once are %d",
		      unfollowed, RING_PROCESSES);
	follow_close(f);
	recording_fini(recording);
	return failed;
}

/* Following, in a thread of its own. */
struct work {
	struct follow follow;
	pthread_t caller; /* to be woken when all is over */
	_Atomic bool done;
};

static void *run_follow(void *context)
{
	struct work *work = context;

	follow_run(&work->follow);
	atomic_store(&work->done, true);
	launch_wake(work->caller);
	return NULL;
}

static pthread_t start(struct work *work)
{
	pthread_t thread;
	int error;

	work->caller = pthread_self();
	error = pthread_create(&thread, NULL, run_follow, work);
	if (error)
		errx(1, "cannot start a thread: %s", strerror(error));
	pthread_setname_np(thread, "hakrec-follow");
	return thread;
}

/* ---- running a program ---- */

void ebpf_run(const struct options *options, const struct target *target)
{
	struct recording recording = {0};
	struct work work = {0};
	struct launch launch;
	pthread_t thread;
	int error;

	load_disassembler();
	error = launch_prepare(&launch, options->command, target->path, NULL, NULL);
	if (error)
		errx(1, "cannot make a process: %s", strerror(-error));
	open_follow(&work.follow, &recording, options, target->path, launch.pid, false);
	launch.ticker = &recording.ticker;
	if (follow_start(&work.follow, launch.pid))
		give_up(&work.follow);
	thread = start(&work);
	error = launch_begin(&launch);
	if (error)
		errx(CANNOT_RUN, "%s: %s", options->command[0], strerror(-error));
	while (!launch.ended || !atomic_load(&work.done))
		/* Told to end while only the program's children are left. */
		if (launch_wait(&launch))
			atomic_store(&work.follow.messages.tracees.stop, true);
	pthread_join(thread, NULL);
	if (finish(&work.follow, options))
		exit(1);
	launch_mirror(&launch);
}

/* ---- a running process ---- */

/* Until following is over, the time is, or hakrec is told to end. */
static void wait_for_end(const struct work *work, const sigset_t *signals, double seconds)
{
	struct timespec time = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
	int number;

	do
		number = seconds > 0 ? sigtimedwait(signals, NULL, &time)
				     : sigwaitinfo(signals, NULL);
	while ((number < 0 && errno == EINTR) || (number == SIGCHLD && !atomic_load(&work->done)));
}

/* The path of what a process runs; ends with a sentence when it cannot be recorded. */
static void find_program(pid_t pid, char program[PATH_MAX])
{
	pid_t process = proc_process(pid);
	char link[64];
	ssize_t length;

	if (!process)
		errx(1, "process %d: there is no such process", pid);
	if (process != pid)
		errx(1, "process %d: it is a thread of process %d", pid, process);
	snprintf(link, sizeof(link), "/proc/%d/exe", proc_alive(pid));
	length = readlink(link, program, PATH_MAX - 1);
	if (length < 0)
		errx(1, "process %d: %s", pid,
		     errno == ENOENT ? "it runs no program" : strerror(errno));
	program[length] = 0;
}

void ebpf_attach(const struct options *options)
{
	struct recording recording = {0};
	struct work work = {0};
	char program[PATH_MAX];
	pthread_t thread;
	sigset_t signals;

	load_disassembler();
	find_program(options->pid, program);
	sigemptyset(&signals);
	for (const int *s = (const int[]){SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGCHLD, 0}; *s; s++)
		sigaddset(&signals, *s);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	open_follow(&work.follow, &recording, options, program, options->pid, true);
	if (follow_attach(&work.follow, options->pid))
		give_up(&work.follow);
	thread = start(&work);
	wait_for_end(&work, &signals, options->seconds);
	atomic_store(&work.follow.messages.tracees.stop, true);
	pthread_join(thread, NULL);
	exit(finish(&work.follow, options));
}
