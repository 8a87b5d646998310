#include "guest.h"

#include "bias.h"
#include "callsite.h"
#include "fork.h"
#include "invitation.h"
#include "latch.h"
#include "leftover.h"
#include "loaded.h"
#include "notepad.h"
#include "preface.h"
#include "real.h"
#include "residency.h"
#include "traces/stackbase.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#define HOOK_WORDS 32 /* what the hooks keep on the stack, at most */

static struct pen no_pen;   /* of a thread before its first call */
static struct pen gone_pen; /* of a thread whose exit is recorded */

__thread struct pen *guest_pen __attribute__((tls_model("initial-exec"))) = &no_pen;

/* Not above what the thread does: its calls now are this library's own. */
static __thread bool working __attribute__((tls_model("initial-exec")));
static __thread uint32_t thread_number __attribute__((tls_model("initial-exec"))); /* plus one */
static __thread sigset_t fork_mask __attribute__((tls_model("initial-exec")));
/* A thread that has exited and makes another call goes on above its own records. */
static __thread uint64_t exit_clock __attribute__((tls_model("initial-exec")));
static __thread unsigned char exit_rounds __attribute__((tls_model("initial-exec")));

static pthread_key_t exit_key;
static size_t stack_below; /* see stackbase.h */
static void *main_thread;  /* thread pointer of the one that runs on the main stack */
static bool attached_once;
static struct latch first_latch; /* of a process's first call */

/* glibc's own; another C library has none, and its programs are never recorded. */
extern int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*in_child)(void),
			     void *handle) __attribute__((weak));
extern void *__dso_handle __attribute__((visibility("hidden")));

static void hold_signals(sigset_t *mask)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, mask);
}

static void release_signals(const sigset_t *mask)
{
	pthread_sigmask(SIG_SETMASK, mask, NULL);
}

/* ---- joining the session ---- */

/* hakrec says so at its end. */
static bool go_unrecorded(void)
{
	atomic_fetch_add(&member.session->unrecorded, 1);
	return false;
}

/* Makes the process known: its notes first. */
static bool present(uint32_t number, uint32_t parent, bool forked)
{
	struct session_process *p = session_process(member.session, number);

	member.process = p;
	member.number = number;
	atomic_store(&p->lanes, SESSION_NONE);
	atomic_store(&p->threads, 0);
	atomic_store(&p->late, 0);
	atomic_store(&p->lone, 0);
	atomic_store(&p->unheard, 0);
	atomic_store(&p->spare.top, 0);
	atomic_store(&p->pid, getpid());
	p->parent = parent;
	bias_reset();
	if (!notepad_open()) {
		atomic_store(&p->state, PROCESS_FREE);
		/* Else hakrec knows of it, and does. */
		if (!atomic_load(&p->announced))
			session_give_process(member.session, number);
		return go_unrecorded();
	}
	preface_write(forked);
	atomic_store(&p->state, PROCESS_LIVE);
	session_arrive(member.session, number);
	return true;
}

static struct pen *find_pen(const uintptr_t *frame);
static void before_fork(void);
static void after_fork(void);
static void after_fork_child(void);
static void thread_exits(void *pen);

/* What this process needs of its own. False: no memory, which was said. */
static bool prepare(void)
{
	if (pen_prepare() && clock_open(member.session) && callsite_open(member.session) &&
	    pthread_key_create(&exit_key, thread_exits) == 0 &&
	    __register_atfork(before_fork, after_fork, after_fork_child, __dso_handle) == 0)
		return true;
	invitation_decline("no memory", 0);
	return false;
}

static bool attach(void)
{
	uint32_t number;

	if (attached_once)
		return false;
	attached_once = true;
	if (!stackbase_main())
		return false;
	stack_below = stackbase_below();
	main_thread = __builtin_thread_pointer();
	member.session = invitation_accept();
	if (!member.session)
		return false;
	if (session_over(member.session) || !prepare()) {
		invitation_return(member.session);
		member.session = NULL;
		return false;
	}
	number = session_take_process(member.session);
	if (number == SESSION_NONE)
		return go_unrecorded();
	atomic_store(&session_process(member.session, number)->announced, 0);
	residency_open();
	if (member.session->mode & SESSION_ALONE)
		invitation_hide();
	return present(number, SESSION_NONE, false);
}

/* ---- threads ---- */

static struct pen *begin_thread(void)
{
	bool late = guest_pen == &gone_pen;
	struct pen *p;

	if (late)
		atomic_fetch_add(&member.process->late, 1);
	p = pen_open(&thread_number, (uint64_t)syscall(SYS_gettid), exit_clock);
	if (!p)
		return NULL;
	if (member.session->mode & SESSION_CONTEXT)
		p->view = callsite_look_from(__builtin_thread_pointer() == main_thread
						     ? (uintptr_t)stackbase_main()
						     : stackbase_thread(stack_below));
	guest_pen = p;
	if (late)
		pen_keep(p);
	else
		pthread_setspecific(exit_key, p);
	return p;
}

/* Destructor of the thread's value of exit_key: acts in the last round, after the others. */
static void thread_exits(void *pen)
{
	struct pen *p = pen;
	int saved = errno;
	sigset_t mask;

	if (p != guest_pen || !p->track.lane || member.off)
		return;
	if (++exit_rounds < PTHREAD_DESTRUCTOR_ITERATIONS) {
		pthread_setspecific(exit_key, p);
		return;
	}
	hold_signals(&mask);
	if (!pen_ready(p))
		pen_fail(p);
	p->frame = PEN_FRAME;
	pen_tell(p, RECORD_EXIT, p->thread, 0);
	exit_clock = rank_clock(pen_rank(p));
	guest_pen = &gone_pen;
	pen_close(p);
	release_signals(&mask);
	errno = saved;
}

/* ---- forks ---- */

/* frame: of who is called by the program or the C library. */
static void begin_fork(const uintptr_t *frame)
{
	struct pen *p;

	/* A handler that forks as well would take this fork's number for its own. */
	hold_signals(&fork_mask);
	p = guest_pen;
	if (!pen_ready(p))
		p = find_pen(frame);
	leftover_note(guest_pen, p);
	fork_announce(p);
}

static void before_fork(void)
{
	begin_fork(PEN_FRAME);
}

static void after_fork(void)
{
	release_signals(&fork_mask);
}

void guest_missed(unsigned calls)
{
	struct pen *p = guest_pen;

	if (calls && !pen_ready(p))
		p = find_pen(PEN_FRAME);
	while (p && calls--)
		pen_drop(p);
}

static void after_fork_child(void)
{
	unsigned calls = leftover_cut();

	first_latch = (struct latch){0};
	notepad_close();
	guest_pen = &no_pen;
	fork_arrive();
	/* Calls in progress are none of the child's, but it has what comes of them. */
	guest_missed(calls);
	after_fork();
}

pid_t guest_fork_plainly(pid_t (*real_fork)(void), const uintptr_t *frame)
{
	pid_t pid;

	begin_fork(frame);
	pid = real_fork();
	if (!pid)
		after_fork_child();
	fork_forget(pid);
	if (pid)
		after_fork();
	return pid;
}

/* The first call in a forked child: its pens are wiped. */
static bool renew(void)
{
	uint32_t parent = member.number;
	struct fork_child mine = fork_take();

	pen_forget();
	callsite_inherit(mine.sites);
	residency_inherit();
	guest_pen = &no_pen;
	thread_number = 0;
	if (member.session->mode & SESSION_ALONE || session_over(member.session))
		return false;
	if (mine.number == SESSION_NONE) {
		mine.number = session_take_process(member.session);
		if (mine.number == SESSION_NONE)
			return go_unrecorded();
		atomic_store(&session_process(member.session, mine.number)->announced, 0);
	}
	return present(mine.number, parent, true);
}

/* ---- ends ---- */

__attribute__((destructor)) void guest_ended(void)
{
	if (member.process && !member.off)
		residency_end();
}

/* ---- modules that go ---- */

void guest_closed(void)
{
	/* A forked child tells nothing before its first call. */
	if (!member.process || member.off || pen_wiped() || !notepad_lock())
		return;
	if (loaded_tell_gone())
		callsite_forget();
	notepad_unlock();
}

/* ---- entering a hook ---- */

/* True when the hook in progress was left by a jump or an exception: its frame is no more. */
static bool abandoned(const struct pen *p, const uintptr_t *frame)
{
	stack_t signals;

	if (frame < p->frame || (p->view.begin && (uintptr_t)frame > p->view.begin))
		return false;
	return sigaltstack(NULL, &signals) == 0 && !(signals.ss_flags & SS_ONSTACK);
}

/*
 * Bytes of stack that the hook in progress takes, whose real function made a call: a throwing
 * operator new does. Without the recorder they would not be there. Right below them lies the
 * address to which the real function returns.
 */
static uintptr_t hook_bytes(const struct pen *p)
{
	for (const uintptr_t *word = p->frame - 1; word > p->frame - HOOK_WORDS;)
		if (real_is_own(*--word))
			return (uintptr_t)p->frame - (uintptr_t)(word + 1);
	return 0;
}

/* The pen above, whose calls have the heights that they would have without the hook. */
static struct pen *take_above(struct pen *p)
{
	if (p->view.begin && p->above)
		p->above->view = callsite_look_from(p->view.begin - hook_bytes(p));
	return p->above;
}

/* A pen for a signal handler that interrupted a hook of p's; signals are blocked. */
static struct pen *raise_pen(struct pen *p)
{
	p->above = pen_open(&thread_number, (uint64_t)syscall(SYS_gettid), 0);
	return take_above(p);
}

/* The hook in progress is no more, nor are those that interrupted it. */
static void fail_all(struct pen *p)
{
	struct pen *above = p->above;

	if (above && !pen_ready(above)) {
		pen_interrupt(p);
		fail_all(above);
		above->frame = PEN_READY;
	}
	pen_fail(p);
}

/* A hook is in progress: is this call a part of it, or a signal handler's? */
static struct pen *enter_again(struct pen *p, const uintptr_t *frame)
{
	if (real_calls_from(frame[-1]))
		return NULL;
	for (unsigned depth = 1;; depth++, p = p->above) {
		sigset_t mask;

		if (abandoned(p, frame)) {
			fail_all(p);
			return p;
		}
		if (depth == PEN_DEPTH)
			break;
		pen_interrupt(p);
		if (!p->above) {
			struct pen *above;

			hold_signals(&mask);
			above = p->above ? take_above(p) : raise_pen(p);
			release_signals(&mask);
			if (!above)
				pen_drop(p);
			return above;
		}
		if (pen_ready(p->above))
			return take_above(p);
	}
	pen_drop(p);
	return NULL;
}

/* The first call of a process, of a thread or after a fork; signals are blocked. */
static struct pen *enter_first(void)
{
	bool ready;

	/* A forked child's first call may come from several threads at once. */
	latch_lock(&first_latch);
	ready = !member.off && (member.session || attach()) && (!pen_wiped() || renew());
	if (!ready)
		member.off = true;
	latch_unlock(&first_latch);
	return ready ? begin_thread() : NULL;
}

/* A program that never calls is recorded as well. */
__attribute__((constructor)) static void attach_early(void)
{
	sigset_t mask;

	hold_signals(&mask);
	working = true;
	if (!member.session && !attach())
		member.off = true;
	working = false;
	release_signals(&mask);
}

void guest_aside(void (*work)(void))
{
	struct pen *p = guest_pen;
	sigset_t mask;

	hold_signals(&mask);
	working = true;
	guest_pen = &no_pen;
	work();
	guest_pen = p;
	working = false;
	release_signals(&mask);
}

static struct pen *find_pen(const uintptr_t *frame)
{
	struct pen *p = guest_pen;
	int saved = errno;
	sigset_t mask;

	if (working || member.off)
		return NULL;
	if (!p->track.lane) {
		/* A handler that ran in between would find things half done, and go unrecorded. */
		hold_signals(&mask);
		working = true;
		p = guest_pen->track.lane ? guest_pen : enter_first();
		working = false;
		release_signals(&mask);
	} else {
		p = enter_again(p, frame);
	}
	errno = saved;
	return p;
}

struct pen *guest_enter(const uintptr_t *frame)
{
	struct pen *p = find_pen(frame);

	/* The thread got no lane; what real functions call is part of a call that was counted. */
	if (!p && !guest_pen->track.lane && !working && !member.off && !real_calls_from(frame[-1]))
		atomic_fetch_add(&member.process->unheard, 1);
	return p;
}
