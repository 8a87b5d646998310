#include "tracee.h"

#include "proc.h"
#include "traces/sitekey.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PATIENCE_BITS 20 /* how often the number of calls between samples is doubled */

struct tracee *tracee_create(pid_t pid, struct codefiles *files, struct stacks *stacks)
{
	struct tracee *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->pid = pid;
	t->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	t->files = files;
	t->stacks = stacks;
	t->program = strdup("");
	t->command = strdup("");
	if (!t->program || !t->command || origins_init(&t->origins)) {
		tracee_destroy(t);
		return NULL;
	}
	return t;
}

struct tracee *tracee_fork(const struct tracee *parent, pid_t pid)
{
	struct tracee *t = tracee_create(pid, parent->files, parent->stacks);
	const struct objects *alive = parent->begun ? &parent->ledger.objects : &parent->inherited;

	if (!t)
		return NULL;
	free(t->program);
	free(t->command);
	t->program = strdup(parent->program);
	t->command = strdup(parent->command);
	t->parent_pid = parent->pid;
	t->sites = parent->sites;
	t->heights = parent->heights;
	t->functions = parent->functions;
	if (!t->program || !t->command || modules_copy(&t->modules, &parent->modules) ||
	    (alive->numbers && objects_copy(&t->inherited, alive))) {
		tracee_destroy(t);
		return NULL;
	}
	return t;
}

void tracee_map(struct tracee *t, const struct codefile *file, uint64_t begin, uint64_t end,
		uint64_t offset)
{
	struct module module = {.path = file->path};
	const uint8_t *id = NULL;
	size_t id_bytes = 0;
	uint64_t addr;

	t->functions += (uint32_t)file->entrances.functions;
	if (origins_forget(&t->origins, begin, end) && !t->ledger.error)
		t->ledger.error = -ENOMEM;
	if (!file->is_elf || !elffile_addr(&file->elf, offset, &addr))
		return;
	module.base_addr = begin - addr;
	elffile_extent(&file->elf, &module.first_addr, &module.end_addr);
	module.first_addr += module.base_addr;
	module.end_addr += module.base_addr;
	id = elffile_build_id(&file->elf, &id_bytes);
	if (modules_add(&t->modules, &module, id, id_bytes) && !t->ledger.error)
		t->ledger.error = -ENOMEM;
}

void tracee_identify(struct tracee *t)
{
	struct proc proc;

	proc_read(&proc, t->pid);
	t->parent_pid = proc.parent_pid;
	if (proc.program) {
		free(t->program);
		t->program = proc.program;
	}
	if (proc.command) {
		free(t->command);
		t->command = proc.command;
	}
}

void tracee_begin(struct tracee *t, struct trace_writer *writer, uint64_t clock)
{
	int error = ledger_init(&t->ledger, writer, clock);

	if (!error)
		error = sites_init(&t->told);
	t->begun = true;
	/* From now on the file can be read. */
	t->ledger.error = error ? error : trace_writer_flush(writer);
}

/* ---- threads ---- */

static struct trace_thread thread_definition(const struct tracee_thread *thread)
{
	return (struct trace_thread){thread->tid, thread->name, thread->start_ns, TRACE_NONE};
}

/* The thread's first row. The very first one's rows begin with what the process inherited. */
__attribute__((noinline, cold)) static void
thread_begin(struct tracee *t, struct tracee_thread *thread, uint64_t clock)
{
	struct ledger *l = &t->ledger;
	struct trace_thread definition;
	int64_t number;

	thread->begun = true;
	thread->start_ns = clock > l->start_clock ? clock - l->start_clock : 0;
	definition = thread_definition(thread);
	number = trace_writer_thread(l->writer, &definition);
	if (number < 0) {
		l->error = l->error ? l->error : (int)number;
		return;
	}
	thread->number = (uint32_t)number;
	t->threads++;
	if (t->inherited.numbers) {
		int error = ledger_inherit(l, &t->inherited, thread->number);

		l->error = l->error ? l->error : error;
		objects_fini(&t->inherited);
		t->inherited = (struct objects){0};
	}
	ledger_mark(l, TRACE_THREAD_START, clock, thread->number, 0);
}

void tracee_exit(struct tracee *t, struct tracee_thread *thread, const char *name, uint64_t clock)
{
	struct trace_thread definition;

	if (!thread->begun)
		return;
	if (name)
		memcpy(thread->name, name, sizeof(thread->name));
	ledger_mark(&t->ledger, TRACE_THREAD_EXIT, clock, thread->number, 0);
	definition = thread_definition(thread);
	definition.exit_ns = t->ledger.last_ns;
	if (!t->ledger.error)
		t->ledger.error =
			trace_writer_thread_update(t->ledger.writer, thread->number, &definition);
}

void tracee_lost(struct tracee *t, struct tracee_thread *thread, uint64_t count, uint64_t clock)
{
	if (thread && !thread->begun)
		thread_begin(t, thread, clock);
	t->ledger.counts.lost += count;
	if (t->threads)
		ledger_mark(&t->ledger, TRACE_LOST, clock, thread ? thread->number : 0, count);
}

/* ---- calls ---- */

/* The first row of a site: defines it. */
__attribute__((noinline, cold)) static uint32_t site_define(struct tracee *t, struct origin *origin)
{
	struct module *module = modules_find(&t->modules, origin->addr);
	struct trace_site site = {
		.module = TRACE_NO_MODULE, .height = origin->height, .offset = origin->addr};
	struct site known = {.addr = origin->addr, .height = origin->height};
	int64_t number;

	if (!module && modules_refresh(&t->modules, proc_alive(t->pid)) == 0)
		module = modules_find(&t->modules, origin->addr);
	if (module && *module->path) {
		number = modules_number(module, t->ledger.writer);
		if (number >= 0) {
			site.module = (uint32_t)number;
			site.offset = origin->addr - module->base_addr;
		}
	}
	number = trace_writer_site(t->ledger.writer, &site);
	if (number < 0) {
		t->ledger.error = t->ledger.error ? t->ledger.error : (int)number;
		return TRACE_NO_SITE;
	}
	if (sites_tell(&t->told, (uint32_t)number + 1, &known) && !t->ledger.error)
		t->ledger.error = -ENOMEM;
	return origin->site = (uint32_t)number;
}

/* What the code says of the call at this place. */
__attribute__((noinline, cold)) static void origin_ask(struct tracee *t, struct origin *origin)
{
	struct module *module = modules_find(&t->modules, origin->addr);
	struct codefile *file = module ? codefiles_at(t->files, module->path) : NULL;

	origin->asked = true;
	if (file && file->is_elf)
		origin->called = (uint8_t)entrances_called(&file->entrances, &file->symbols,
							   origin->addr - module->base_addr);
}

/* NULL: not known. */
static struct origin *origin_of(struct tracee *t, const struct tracee_thread *thread,
				uint64_t caller, uint64_t frame)
{
	uint32_t height =
		t->heights && thread->stack_begin ? site_height(thread->stack_begin, frame) : 0;
	struct origin *origin = caller ? origins_place(&t->origins, caller, height) : NULL;

	if (origin && __builtin_expect(!origin->asked, 0))
		origin_ask(t, origin);
	return origin;
}

/*
 * A frequent site. Its stack may not be told, because of its cost: then it is asked for again; and
 * after each sample, at twice the number of calls.
 */
__attribute__((noinline, cold)) static void stack_want(struct tracee *t,
						       const struct tracee_thread *thread,
						       struct origin *origin,
						       const struct ring_free *told, uint64_t clock)
{
	unsigned samples = origin->samples < PATIENCE_BITS ? origin->samples : PATIENCE_BITS;

	origin->patience = ORIGIN_PATIENCE << samples;
	if (t->heights)
		stacks_want(t->stacks, told->caller, (uint32_t)(thread->told_begin - told->frame),
			    clock, !samples);
}

static struct trace_event row_of(struct tracee *t, const struct tracee_thread *thread,
				 struct origin *origin, const struct ring_head *m)
{
	struct trace_event row = {
		.addr = ((const struct ring_free *)m)->addr,
		.thread = thread->number,
		.site = TRACE_NO_SITE,
		.kind = m->kind,
		.flags = m->flags & RING_FAILED ? TRACE_FAILED : 0,
	};

	if (!origin)
		return row;
	if (t->files->aliases[m->kind] >> origin->called & 1)
		row.kind = origin->called;
	if (t->sites)
		row.site = __builtin_expect(origin->site != TRACE_NO_SITE, 1)
				   ? origin->site
				   : site_define(t, origin);
	return row;
}

/*
 * Each call fits what was before, or something before was not seen: a call that was dropped, or
 * made before the recording began. So all are forced.
 */
void tracee_call(struct tracee *t, struct tracee_thread *thread, const struct ring_head *m,
		 uint64_t clock)
{
	const struct ring_alloc *alloc = (const struct ring_alloc *)m;
	struct origin *origin = origin_of(t, thread, alloc->call.caller, alloc->call.frame);
	struct trace_event row;

	if (origin && origin->called == ENTRANCES_INTERNAL)
		return;
	if (__builtin_expect(!thread->begun, 0))
		thread_begin(t, thread, clock);
	if (m->kind == RING_OLD) {
		ledger_resize(&t->ledger, alloc->call.addr, &thread->old, true);
		thread->resizing = true;
		return;
	}
	if (origin && __builtin_expect(!--origin->patience, 0))
		stack_want(t, thread, origin, &alloc->call, clock);
	row = row_of(t, thread, origin, m);
	switch (trace_class(m->kind)) {
	case TRACE_CLASS_FREE:
		ledger_death(&t->ledger, &row, clock, true);
		break;
	case TRACE_CLASS_ALLOC:
		row.size = alloc->size;
		row.align = alloc->align;
		ledger_birth(&t->ledger, &row, clock, true);
		break;
	default:
		row.size = alloc->size;
		if (alloc->align && !thread->resizing)
			ledger_resize(&t->ledger, alloc->align, &thread->old, true);
		if (!alloc->align)
			thread->old = (struct ledger_old){0};
		thread->resizing = false;
		ledger_resized(&t->ledger, &row, clock, &thread->old, true);
	}
}

static struct module *find_module(void *context, uint64_t addr)
{
	struct tracee *t = context;

	return modules_find(&t->modules, addr);
}

void tracee_stack(struct tracee *t, struct tracee_thread *thread, const struct ring_stack *m,
		  size_t bytes)
{
	const struct unwinder_space space = {find_module, t};
	struct origin *origin = origin_of(t, thread, m->caller, m->frame);
	struct walked walked;
	int error;

	if (!origin || t->ledger.error)
		return;
	walked.depth = stacks_walk(t->stacks, m, bytes, &space, walked.addrs, WALKED_DEPTH_MAX);
	if (origin->site == TRACE_NO_SITE)
		site_define(t, origin);
	if (!walked.depth || origin->site == TRACE_NO_SITE)
		return;
	origin->samples += origin->samples < UINT8_MAX;
	error = walked_keep(&walked, &t->told, origin->site + 1, origin->site, &space,
			    t->ledger.writer);
	if (error && !t->ledger.error)
		t->ledger.error = error;
}

/* ---- the end ---- */

void tracee_flush(struct tracee *t)
{
	if (t->begun && !t->ledger.error)
		t->ledger.error = trace_writer_flush(t->ledger.writer);
}

void tracee_end(struct tracee *t, const char *end)
{
	if (!t->ledger.error)
		t->ledger.error = sites_write_samples(&t->told, t->ledger.writer);
	t->message = ledger_end(&t->ledger, t->path, end);
}

void tracee_destroy(struct tracee *t)
{
	if (t->pidfd >= 0)
		close(t->pidfd);
	ledger_fini(&t->ledger);
	objects_fini(&t->inherited);
	modules_fini(&t->modules);
	origins_fini(&t->origins);
	sites_fini(&t->told);
	free(t->program);
	free(t->command);
	free(t->path);
	free(t->message);
	free(t);
}

bool tracee_is_dead(const struct tracee *t)
{
	struct pollfd poll_fd = {.fd = t->pidfd, .events = POLLIN};

	if (t->pidfd < 0)
		return kill(t->pid, 0) != 0 && errno == ESRCH;
	return poll(&poll_fd, 1, 0) > 0;
}
