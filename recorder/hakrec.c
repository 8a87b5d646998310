/* hakrec: runs a program and records its allocations. */
#include "drain.h"
#include "ebpf/ebpf.h"
#include "facts.h"
#include "host.h"
#include "launch.h"
#include "options.h"
#include "report.h"
#include "target.h"

#include <err.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CANNOT_RUN 126 /* exit statuses of a program that could not be run, as in the shell */
#define NOT_FOUND  127

/* The library beside this program, or where it is installed. */
static const char *find_library(void)
{
	static char path[PATH_MAX];
	static const char *const places[] = {"libhakrec.so", "../lib/libhakrec.so"};
	char self[PATH_MAX - 32];
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (length < 0)
		err(1, "/proc/self/exe");
	self[length] = 0;
	*(strrchr(self, '/') + 1) = 0;
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		snprintf(path, sizeof(path), "%s%s", self, places[i]);
		if (access(path, R_OK) == 0)
			return path;
	}
	errx(1, "libhakrec.so is neither beside hakrec nor in ../lib");
}

/*
 * Preloading works for the program, or the eBPF backend records it and this does not return, or
 * hakrec says why neither does.
 */
static void choose_backend(const struct options *options, struct target *target)
{
	int error = target_find(target, options->command[0]);
	char reason[256];

	if (error && error != -ENOTSUP)
		errx(error == -ENOENT ? NOT_FOUND : CANNOT_RUN, "%s", target->reason);
	if (options->backend == BACKEND_EBPF) {
		if (!ebpf_possible(reason, sizeof(reason)))
			errx(1, "%s", reason);
		ebpf_run(options, target);
	}
	if (!error)
		return;
	if (options->backend == BACKEND_PRELOAD)
		errx(1, "%s; try --backend ebpf", target->reason);
	if (!ebpf_possible(reason, sizeof(reason)))
		errx(1, "%s; and %s", target->reason, reason);
	if (!options->quiet)
		warnx("%s; recording with eBPF", target->reason);
	ebpf_run(options, target);
}

static _Noreturn void attach(const struct options *options)
{
	char reason[256];

	if (!ebpf_possible(reason, sizeof(reason)))
		errx(1, "%s", reason);
	ebpf_attach(options);
}

static void add_facts(struct trace_writer *writer, const struct process *p)
{
	struct facts facts = {
		.backend = "preload",
		.program = p->account.program,
		.command = p->account.command,
		.pid = p->pid,
		.parent_pid = p->account.parent_pid,
		.mode = p->session->mode,
		.age_ns = session_now(p->session) - p->account.start_clock,
	};

	facts_add(writer, &facts);
}

/* What the drain's thread is given. */
struct work {
	struct drain *drain;
	pthread_t caller;
	_Atomic bool done;
};

static void *run_drain(void *context)
{
	struct work *work = context;

	drain_run(work->drain);
	atomic_store(&work->done, true);
	launch_wake(work->caller);
	return NULL;
}

/* Starts the program and the drain, and waits until both are done. */
static void record(struct drain *drain, struct launch *launch, const char *name)
{
	struct family *family = drain->family;
	struct work work = {.drain = drain, .caller = pthread_self()};
	pthread_t thread;
	int error = pthread_create(&thread, NULL, run_drain, &work);

	if (error)
		errx(1, "cannot start a thread: %s", strerror(error));
	error = launch_begin(launch);
	if (error)
		errx(CANNOT_RUN, "%s: %s", name, strerror(-error));
	while (!launch->ended || !atomic_load(&work.done)) {
		/* Told to end while only the program's children are left. */
		if (launch_wait(launch))
			atomic_store(&family->session->closed, 1);
		if (launch->ended && !atomic_load(&family->first_ended)) {
			family->first_status = launch->status;
			atomic_store(&family->first_ended, true);
		}
		if (launch->ended)
			atomic_store(&family->last_ended, launch->alone);
		session_ring(family->session);
	}
	pthread_join(thread, NULL);
}

int main(int argc, char **argv)
{
	struct options options;
	struct target target;
	struct host host;
	struct launch launch;
	struct family family = {0};
	struct drain drain = {.family = &family};
	struct recording recording = {0};
	const char *library;
	int error;

	options_read(&options, argc, argv);
	if (options.pid)
		attach(&options);
	choose_backend(&options, &target);
	library = find_library();
	error = host_open(&host, options.mode);
	if (error)
		errx(1, "cannot make the shared memory: %s", strerror(-error));
	error = launch_prepare(&launch, options.command, target.path, library, host.name);
	if (error)
		errx(1, "cannot make a process: %s", strerror(-error));
	family.session = host.session;
	family.first = launch.pid;
	recording.max_bytes = options.max_bytes;
	ticker_open(&recording.ticker, !options.quiet);
	launch.ticker = &recording.ticker;
	family.add_facts = add_facts;
	family.recording = &recording;
	family.unwinder = unwinder_create();
	if (!family.unwinder)
		errx(1, "%s", strerror(ENOMEM));
	if (recording_open(&recording, options.file, target.path, launch.pid))
		errx(1, "%s", recording.message);
	record(&drain, &launch, options.command[0]);
	ticker_hide(&recording.ticker);
	if (options.json)
		report_json(stderr, &recording);
	else if (!options.quiet)
		report_lines(stderr, &recording);
	if (report_failure(stderr, &recording))
		return 1;
	family_fini(&family);
	recording_fini(&recording);
	host_close(&host);
	launch_mirror(&launch);
}
