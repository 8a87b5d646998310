#include "dispatch.h"

#include "futex.h"
#include "image.h"
#include "memfile.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define IMAGE_FD 5 /* in the runner; exec needs it open, and tools that load the program again */

extern char **environ;

static int image_write(int fd)
{
	size_t bytes = (size_t)(image_end - image_begin);

	for (size_t done = 0; done < bytes;) {
		ssize_t n = write(fd, image_begin + done, bytes - done);

		if (n < 0)
			return -errno;
		done += (size_t)n;
	}
	return 0;
}

int dispatch_init(struct dispatcher *l)
{
	int persona = personality(0xffffffff);

	/* Equal runs then see equal addresses. A kernel that forbids it costs only that. */
	if (persona != -1)
		personality((unsigned long)persona | ADDR_NO_RANDOMIZE);
	l->image_fd = memfile_make("hakreplay runner");
	return l->image_fd < 0 ? l->image_fd : image_write(l->image_fd);
}

void dispatch_fini(struct dispatcher *l)
{
	if (l->image_fd >= 0)
		close(l->image_fd);
}

static bool is_ours(const char *variable, bool hakmem_options)
{
	return !strncmp(variable, "LD_PRELOAD=", 11) ||
	       (hakmem_options && !strncmp(variable, "HAKMEM_OPTIONS=", 15));
}

/* The caller's environment with the preloaded libraries and hakmem's options; free() it whole. */
static char **environment_make(const struct dispatcher *l, const struct allocator *allocator)
{
	const char *options = *allocator->options ? allocator->options
			      : allocator->hakmem ? l->hakmem_options
						  : NULL;
	size_t text_bytes = PATH_MAX + 64 + (options ? strlen(options) : 0) + 32;
	size_t n = 0;
	char **list;
	char *text;

	while (environ[n])
		n++;
	list = malloc((n + 3) * sizeof(*list) + text_bytes);
	if (!list)
		return NULL;
	text = (char *)(list + n + 3);
	n = 0;
	for (char **variable = environ; *variable; variable++)
		if (!is_ours(*variable, options))
			list[n++] = *variable;
	if (*allocator->path || l->cxx) {
		list[n++] = text;
		text += sprintf(text, "LD_PRELOAD=%s%s%s", allocator->path,
				*allocator->path && l->cxx ? ":" : "",
				l->cxx ? "libstdc++.so.6" : "") +
			1;
	}
	if (options) {
		list[n++] = text;
		sprintf(text, "HAKMEM_OPTIONS=%s", options);
	}
	list[n] = NULL;
	return list;
}

static int spawn(const struct dispatcher *l, const struct allocator *allocator, int run_fd,
		 pid_t *pid)
{
	char name[] = "hakreplay-run";
	char *arguments[] = {name, NULL};
	char **environment = environment_make(l, allocator);
	posix_spawn_file_actions_t actions;
	char path[32];
	int error;

	if (!environment)
		return -ENOMEM;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, run_fd, RUN_FD);
	posix_spawn_file_actions_adddup2(&actions, l->plan->file.fd, RUN_PLAN_FD);
	posix_spawn_file_actions_adddup2(&actions, l->image_fd, IMAGE_FD);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", IMAGE_FD);
	error = posix_spawn(pid, path, &actions, NULL, arguments, environment);
	posix_spawn_file_actions_destroy(&actions);
	free(environment);
	return -error;
}

/* The reason why a runner came to no end. */
static int explain(struct dispatcher *l, const struct allocator *allocator,
		   const struct run_outcome *outcome, int status)
{
	const char *where = atomic_load(&outcome->state) == RUN_BEGUN ? "before" : "during";

	if (atomic_load(&outcome->state) == RUN_REFUSED)
		snprintf(l->error, sizeof(l->error), "%s: %s", allocator->name, outcome->failure);
	else if (WIFSIGNALED(status))
		snprintf(l->error, sizeof(l->error), "%s: ended by signal %d (%s) %s the replay",
			 allocator->name, WTERMSIG(status), strsignal(WTERMSIG(status)), where);
	else
		snprintf(l->error, sizeof(l->error),
			 "%s: the runner ended with status %d %s the replay", allocator->name,
			 WEXITSTATUS(status), where);
	return -ECHILD;
}

/* Makes the plan's next part whenever the runner has done one. */
struct feeder {
	struct planner_result *plan;
	struct run_feed *feed;
	_Atomic bool over;
};

static void *feeder_body(void *context)
{
	struct feeder *feeder = context;
	struct run_feed *feed = feeder->feed;

	for (uint32_t made = 0; !atomic_load(&feeder->over);) {
		if (atomic_load(&feed->wanted) == made) {
			futex_wait_shared(&feed->wanted, made);
			continue;
		}
		if (atomic_load(&feeder->over))
			break;
		if (planner_next(feeder->plan))
			atomic_store(&feed->failed, true);
		atomic_store(&feed->made, ++made);
		futex_wake_shared(&feed->made);
	}
	return NULL;
}

static void progress_look(const struct dispatcher *l, const struct run *run)
{
	bar_show(l->bar, atomic_load(&run->progress.entries), l->plan->entries * run->order.copies,
		 run->order.ops);
}

/* Shows how far the runner is, until it ends. */
static void accompany(const struct dispatcher *l, const struct run *run, pid_t pid)
{
	struct pollfd runner = {.fd = pidfd_open(pid, 0), .events = POLLIN};
	int ended = 0;

	while (runner.fd >= 0 && (!ended || (ended < 0 && errno == EINTR))) {
		progress_look(l, run);
		ended = poll(&runner, 1, BAR_MS);
	}
	progress_look(l, run);
	if (runner.fd >= 0)
		close(runner.fd);
}

/* Waits for the runner's end, serving it meanwhile; returns its status, or a negative errno. */
static int attend(struct dispatcher *l, struct run *run, pid_t pid)
{
	struct feeder feeder = {.plan = l->plan, .feed = &run->feed};
	bool fed = l->plan->parts > 1;
	pthread_t thread;
	int status;
	int error = fed ? -pthread_create(&thread, NULL, feeder_body, &feeder) : 0;

	if (error)
		kill(pid, SIGKILL);
	if (l->bar->on && !run->order.probe)
		accompany(l, run, pid);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (error)
		return error;
	if (fed) {
		atomic_store(&feeder.over, true);
		atomic_fetch_add(&run->feed.wanted, 1);
		futex_wake_shared(&run->feed.wanted);
		pthread_join(thread, NULL);
	}
	return status;
}

int dispatch_run(struct dispatcher *l, const struct allocator *allocator,
		 const struct run_order *order, struct run_outcome *outcome)
{
	int fd = memfile_make("hakreplay run");
	struct run *run = MAP_FAILED;
	int status, error = 0;
	pid_t pid;

	if (fd >= 0 && !ftruncate(fd, sizeof(*run)))
		run = mmap(NULL, sizeof(*run), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (run == MAP_FAILED) {
		error = -errno;
		goto out;
	}
	run->order = *order;
	run->order.parent = getpid();
	if (l->plan->parts > 1)
		error = planner_rewind(l->plan);
	if (!error)
		error = spawn(l, allocator, fd, &pid);
	if (error)
		goto out;
	status = attend(l, run, pid);
	memcpy(outcome, &run->outcome, sizeof(*outcome));
	if (status < 0)
		error = status;
	else if (status || outcome->state != RUN_DONE)
		error = explain(l, allocator, outcome, status);
out:
	if (error && error != -ECHILD)
		snprintf(l->error, sizeof(l->error), "%s: the runner does not start: %s",
			 allocator->name, strerror(-error));
	if (run != MAP_FAILED)
		munmap(run, sizeof(*run));
	if (fd >= 0)
		close(fd);
	return error;
}
