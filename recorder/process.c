#include "process.h"

#include "shellwords.h"
#include "traces/encoder.h"
#include "traces/sitekey.h"
#include "walked.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BACKLOG  65536 /* records in a round: more than comes while hakrec naps */
#define GRAIN_NS 10000 /* of coarse times, which are good to some 100 us at best */

/* ---- what a fork passes on ---- */

void legacy_destroy(struct legacy *legacy)
{
	if (!legacy)
		return;
	objects_fini(&legacy->objects);
	modules_fini(&legacy->modules);
	sites_fini(&legacy->sites);
	free(legacy->program);
	free(legacy->command);
	free(legacy);
}

struct legacy *legacy_create(const struct process *parent, uint32_t child)
{
	struct legacy *legacy = calloc(1, sizeof(*legacy));

	if (!legacy)
		return NULL;
	legacy->child = child;
	legacy->program = strdup(parent->program);
	legacy->command = strdup(parent->command);
	if (!legacy->program || !legacy->command ||
	    objects_copy(&legacy->objects, &parent->ledger.objects) ||
	    modules_copy(&legacy->modules, &parent->modules) ||
	    sites_copy(&legacy->sites, &parent->sites)) {
		legacy_destroy(legacy);
		return NULL;
	}
	return legacy;
}

/* ---- notes ---- */

static void take_image(struct process *p, const struct note_image *note, size_t bytes)
{
	p->parent_pid = note->parent_pid;
	p->told = true;
	if ((size_t)note->program_bytes + note->command_bytes > bytes - sizeof(*note) ||
	    !note->program_bytes)
		return;
	free(p->program);
	free(p->command);
	p->program = strndup(note->text, note->program_bytes);
	p->command = shellwords_join(note->text + note->program_bytes, note->command_bytes);
}

static void take_module(struct process *p, const struct note_module *note, size_t bytes)
{
	struct module module = {.base_addr = note->base_addr,
				.first_addr = note->first_addr,
				.end_addr = note->end_addr};

	if ((size_t)note->path_bytes + note->id_bytes > bytes - sizeof(*note) || !note->path_bytes)
		return;
	module.path = strndup(note->text, note->path_bytes);
	if (module.path)
		modules_add(&p->modules, &module, note->text + note->path_bytes, note->id_bytes);
	free(module.path);
}

/* The module that an address lies in, looked for in the process itself when it was not told. */
static struct module *find_module(struct process *p, uint64_t addr)
{
	struct module *module = modules_find(&p->modules, addr);

	if (!module) {
		modules_refresh(&p->modules, p->pid);
		module = modules_find(&p->modules, addr);
	}
	return module && *module->path ? module : NULL;
}

static void take_site(struct process *p, const struct note_site *note)
{
	struct module *module = find_module(p, note->addr);
	struct site site = {
		.addr = note->addr,
		.height = note->height,
		.module = module ? (uint32_t)(module - p->modules.all) : TRACE_NO_MODULE,
	};

	sites_tell(&p->sites, note->site & RECORD_SITE_MAX, &site);
}

/* The first row of a site: defines it. */
__attribute__((noinline, cold)) static uint32_t define_site(struct process *p, uint32_t index)
{
	const struct site *site = p->sites.all + index;
	struct trace_site definition = {
		.module = TRACE_NO_MODULE, .height = site->height, .offset = site->addr};
	int64_t number;

	if (!site->addr)
		return TRACE_NO_SITE;
	if (site->module < p->modules.count) {
		struct module *module = p->modules.all + site->module;

		number = modules_number(module, p->ledger.writer);
		if (number < 0) {
			p->ledger.error = (int)number;
			return TRACE_NO_SITE;
		}
		definition.module = (uint32_t)number;
		definition.offset = site->addr - module->base_addr;
	}
	number = trace_writer_site(p->ledger.writer, &definition);
	if (number < 0) {
		p->ledger.error = (int)number;
		return TRACE_NO_SITE;
	}
	sites_define(&p->sites, index, (uint32_t)number);
	return (uint32_t)number;
}

static inline uint32_t site_number(struct process *p, uint32_t site)
{
	if (__builtin_expect(site >= p->sites.count, 0))
		return TRACE_NO_SITE;
	if (__builtin_expect(p->sites.all[site].number != SITES_UNDEFINED, 1))
		return p->sites.all[site].number;
	return define_site(p, site);
}

static struct module *find_frame(void *context, uint64_t addr)
{
	return find_module(context, addr);
}

/* A sample of a frequent site's stack: walked, and written when it is new. */
static void take_stack(struct process *p, const struct note_stack *note, size_t bytes)
{
	const struct unwinder_space space = {find_frame, p};
	struct walked walked;
	uint32_t number;
	int error;

	if (note->bytes > bytes - sizeof(*note) || note->site >= p->sites.count ||
	    !p->sites.all[note->site].addr || !p->begun || p->ledger.error)
		return;
	walked.depth = unwinder_walk(p->unwinder, note, &space, walked.addrs, WALKED_DEPTH_MAX);
	number = site_number(p, note->site);
	if (number == TRACE_NO_SITE)
		return;
	error = walked_keep(&walked, &p->sites, note->site, number, &space, p->ledger.writer);
	if (error && !p->ledger.error)
		p->ledger.error = error;
}

static void take_left(struct process *p, const struct note_left *note)
{
	struct note_left *lefts = realloc(p->lefts, (p->n_lefts + 1) * sizeof(*lefts));

	if (!lefts)
		return;
	p->lefts = lefts;
	lefts[p->n_lefts++] = *note;
}

/* When all is dealt with it is known which of them are left indeed. */
static void write_lefts(struct process *p)
{
	struct ledger *l = &p->ledger;
	struct object object;

	for (size_t i = 0; i < p->n_lefts && !l->error; i++)
		if (objects_take(&l->objects, p->lefts[i].addr, &object) &&
		    object.size == p->lefts[i].size)
			l->error = trace_writer_left(l->writer, object.number, p->lefts[i].pages);
}

static void take_note(struct process *p, const struct note_head *head, const void *payload)
{
	if (head->kind == NOTE_IMAGE && head->bytes >= sizeof(struct note_image)) {
		p->start_clock = head->clock;
		take_image(p, payload, head->bytes);
	} else if (head->kind == NOTE_MODULE && head->bytes >= sizeof(struct note_module)) {
		take_module(p, payload, head->bytes);
	} else if (head->kind == NOTE_SITE && head->bytes >= sizeof(struct note_site)) {
		take_site(p, payload);
	} else if (head->kind == NOTE_STACK && head->bytes >= sizeof(struct note_stack)) {
		take_stack(p, payload, head->bytes);
	} else if (head->kind == NOTE_LEFT && head->bytes >= sizeof(struct note_left)) {
		take_left(p, payload);
	} else if (head->kind == NOTE_UNMAP && head->bytes >= sizeof(struct note_unmap)) {
		modules_unmap(&p->modules, ((const struct note_unmap *)payload)->first_addr);
	}
}

static void read_notes(struct process *p)
{
	const struct note_head *head;

	while ((head = notebook_next(&p->notes)))
		take_note(p, head, head + 1);
}

/* ---- records ---- */

/* The lane is a thread's from now on. The first thread's rows begin with what the process
 * inherited.
 */
static void take_lane(struct process *p, struct inlet *in, uint32_t thread, uint64_t tid)
{
	struct ledger *l = &p->ledger;
	int begun = crew_begin(&p->crew, l, p->pid, thread, tid, inlet_clock(in));
	int error = begun < 0 ? begun : 0;

	in->thread = error ? SESSION_NONE : thread;
	in->number = error ? 0 : p->crew.all[thread].number;
	if (begun > 0 && p->inherited.tables) {
		error = ledger_inherit(l, &p->inherited, p->crew.all[thread].number);
		objects_fini(&p->inherited);
	}
	if (begun > 0)
		ledger_mark(l, TRACE_THREAD_START, inlet_clock(in), p->crew.all[thread].number, 0);
	if (error && !l->error)
		l->error = error;
}

static void take_lost(struct process *p, const struct inlet *in, uint64_t calls)
{
	p->ledger.counts.lost += calls;
	ledger_mark(&p->ledger, TRACE_LOST, inlet_clock(in), in->number, calls);
}

/* Calls dropped behind the last record of their lane. */
static void settle_lost(struct process *p)
{
	for (size_t i = 0; i < p->merge.count; i++) {
		const struct inlet *in = p->merge.lanes[i];
		uint64_t dropped = atomic_load(&in->lane->dropped);

		if (dropped > in->told_lost && in->thread < p->crew.count)
			take_lost(p, in, dropped - in->told_lost);
	}
}

/* The records that are not about a block. */
__attribute__((noinline, cold)) static void deal_aside(struct process *p, struct inlet *in,
						       unsigned kind)
{
	struct ledger *l = &p->ledger;
	const struct record *r = in->head;

	if (kind == RECORD_THREAD) {
		take_lane(p, in, (uint32_t)record_addr(r), r->word[1]);
	} else if (kind == RECORD_EXIT) {
		crew_exit(&p->crew, l, p->pid, in->thread, inlet_clock(in),
			  atomic_load(&p->shared->late), p->round);
	} else if (kind == RECORD_FORK) {
		struct legacy *legacy = legacy_create(p, (uint32_t)record_addr(r));

		if (legacy) {
			legacy->next = *p->forks;
			*p->forks = legacy;
		}
	} else if (kind == RECORD_LOST && in->thread < p->crew.count) {
		in->told_lost += r->word[1];
		take_lost(p, in, r->word[1]);
	}
}

static enum ledger_verdict deal_resized(struct process *p, struct inlet *in,
					struct trace_event *row, bool force)
{
	struct ledger_old old = {0};
	enum ledger_verdict verdict;

	if (in->resizing)
		old = (struct ledger_old){in->old_addr, in->old_object, in->old_size,
					  in->old_align};
	verdict = ledger_resized(&p->ledger, row, inlet_clock(in), &old, force);
	if (verdict == LEDGER_TAKEN) {
		in->resizing = false;
		in->old_pages = TRACE_NONE;
	}
	return verdict;
}

/* What a record does, by its kind; those beyond the calls are dealt with aside. */
enum deed { DEED_ASIDE, DEED_BIRTH, DEED_DEATH, DEED_RESIZED, DEED_OLD };

static uint8_t deeds[256];

__attribute__((constructor)) static void learn_deeds(void)
{
	for (unsigned kind = 0; kind < TRACE_MARKS; kind++)
		if (trace_kind_name(kind))
			deeds[kind] = trace_class(kind) == TRACE_CLASS_ALLOC  ? DEED_BIRTH
				      : trace_class(kind) == TRACE_CLASS_FREE ? DEED_DEATH
									      : DEED_RESIZED;
	deeds[RECORD_OLD] = DEED_OLD;
}

static enum ledger_verdict deal_old(struct process *p, struct inlet *in, bool force)
{
	struct ledger_old old;
	enum ledger_verdict verdict = ledger_resize(&p->ledger, record_addr(in->head), &old, force);

	if (verdict == LEDGER_TAKEN) {
		in->resizing = true;
		in->old_addr = old.addr;
		in->old_object = old.number;
		in->old_size = old.size;
		in->old_align = old.align;
		in->old_pages = p->ledger.pages && old.size >= TRACE_LARGE_BYTES
					? p->ledger.pages->died
					: TRACE_NONE;
	}
	return verdict;
}

/* What is known of the resident pages of the head's blocks. */
static struct trace_pages pages_of(const struct inlet *in, enum deed deed)
{
	bool told = in->paged && in->pages_addr == record_addr(in->head);
	uint64_t pages = told ? in->pages : TRACE_NONE;
	bool dies = deed == DEED_DEATH || deed == DEED_OLD;

	/* The old block of a realloc that failed lives on. */
	if (record_failed(in->head))
		return (struct trace_pages){TRACE_NONE, TRACE_NONE};
	return (struct trace_pages){dies ? TRACE_NONE : pages, dies ? pages : in->old_pages};
}

/* Deals with the head. False: it has to wait. */
static inline bool deal_head(struct process *p, struct inlet *in, bool force)
{
	const struct record *r = in->head;
	unsigned kind = record_kind(r);
	enum deed deed = deeds[kind];
	enum ledger_verdict verdict;
	struct trace_event row;
	struct trace_pages pages;

	if (__builtin_expect(deed == DEED_ASIDE, 0)) {
		deal_aside(p, in, kind);
		return true;
	}
	if (__builtin_expect(in->thread == SESSION_NONE, 0))
		return true;
	row.addr = record_addr(r);
	row.size = __builtin_expect(in->wide, 0) ? in->wide_size : record_size(r);
	row.align = __builtin_expect(in->wide, 0) ? in->wide_align : record_align(r);
	row.thread = in->number;
	row.site = site_number(p, record_site(r));
	row.kind = (uint8_t)kind;
	row.flags = record_failed(r) ? TRACE_FAILED : 0;
	if (__builtin_expect(in->paged | (in->old_pages != TRACE_NONE), 0)) {
		pages = pages_of(in, deed);
		p->ledger.pages = &pages;
	}
	verdict = deed == DEED_BIRTH   ? ledger_birth(&p->ledger, &row, inlet_clock(in), force)
		  : deed == DEED_DEATH ? ledger_death(&p->ledger, &row, inlet_clock(in), force)
		  : deed == DEED_OLD   ? deal_old(p, in, force)
				       : deal_resized(p, in, &row, force);
	p->ledger.pages = NULL;
	if (__builtin_expect(verdict == LEDGER_UNFIT, 0))
		return false;
	if (__builtin_expect(in->waited | in->wide | in->paged, 0)) {
		p->ledger.counts.late += in->waited;
		in->waited = in->wide = in->paged = false;
	}
	return true;
}

/* Deals with the plain records from the head on that have its rank, at most so many. */
static uint64_t deal_streak(struct process *p, struct inlet *in, uint64_t most)
{
	uint64_t seen = (in->end < in->until ? in->end : in->until) - in->at;
	struct streak streak = {
		.records = in->head,
		.seen = seen,
		.clock = inlet_clock(in),
		.thread = in->number,
	};

	if (in->thread == SESSION_NONE || in->waited || in->wide || in->paged ||
	    in->old_pages != TRACE_NONE)
		return 0;
	streak.count = most < seen ? most : seen;
	return streak_take(&streak, &p->ledger, &p->sites);
}

static enum merge_stop deal(void *context, struct inlet *in, uint64_t rank, uint64_t most,
			    bool force)
{
	struct process *p = context;

	while (most && in->rank <= rank) {
		uint64_t dealt = force ? 0 : deal_streak(p, in, most);

		if (!dealt) {
			if (!deal_head(p, in, force))
				return MERGE_WAIT;
			dealt = 1;
		}
		p->merge.dealt += dealt;
		most -= dealt;
		inlet_advance(in, dealt);
		if (!inlet_ready(in))
			return MERGE_EMPTY;
	}
	return MERGE_ENOUGH;
}

/* ---- the process ---- */

struct process *process_create(struct session *s, uint32_t number, struct legacy *legacy)
{
	struct process *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->session = s;
	p->shared = session_process(s, number);
	p->number = number;
	p->pid = atomic_load(&p->shared->pid);
	p->pidfd = -1;
	p->lanes = SESSION_NONE;
	p->merge.deal = deal;
	p->merge.context = p;
	if (legacy) {
		p->inherited = legacy->objects;
		p->modules = legacy->modules;
		p->sites = legacy->sites;
		p->program = legacy->program;
		p->command = legacy->command;
		free(legacy);
	} else {
		p->program = strdup("");
		p->command = strdup("");
		sites_init(&p->sites);
	}
	notebook_open(&p->notes, s, atomic_load(&p->shared->notes));
	return p;
}

bool process_meet(struct process *p)
{
	const struct note_head *head;

	/* What comes after the image is dealt with when the trace is open. */
	while (!p->told && (head = notebook_next(&p->notes)))
		take_note(p, head, head + 1);
	return p->told;
}

void process_begin(struct process *p, struct trace_writer *writer)
{
	int error = ledger_init(&p->ledger, writer, p->start_clock);

	p->begun = true;
	p->ledger.grain_ns = p->session->mode & SESSION_EXACT ? 0 : GRAIN_NS;
	/* From now on the file can be read. */
	p->ledger.error = error ? error : trace_writer_flush(writer);
}

/* Lanes that the process opened since the last look. */
static void meet_lanes(struct process *p)
{
	uint32_t newest = atomic_load_explicit(&p->shared->lanes, memory_order_acquire);
	uint32_t notes = session_lane_number(p->session, p->notes.inlet.lane);

	for (uint32_t lane = newest; lane != p->lanes && lane < p->session->lanes;
	     lane = session_lane(p->session, lane)->older) {
		struct inlet *in = lane == notes ? NULL : malloc(sizeof(*in));

		if (!in)
			continue;
		inlet_open(in, p->session, lane);
		if (merge_add(&p->merge, in))
			free(in);
	}
	p->lanes = newest;
}

uint64_t process_drain(struct process *p, uint64_t rank)
{
	uint64_t dealt;

	p->round++;
	meet_lanes(p);
	merge_look(&p->merge);
	/* After the look: whatever a record refers to was told before. */
	read_notes(p);
	dealt = merge_run(&p->merge, rank);
	trace_writer_hurry(p->ledger.writer, dealt >= BACKLOG);
	if (p->crew.exiting)
		crew_settle(&p->crew, &p->ledger, p->pid, p->round);
	return dealt;
}

void process_flush(struct process *p)
{
	if (!p->ledger.error)
		p->ledger.error = trace_writer_flush(p->ledger.writer);
}

void process_settle(struct process *p)
{
	/* The second look settles what the first one saw. */
	process_drain(p, UINT64_MAX);
	process_drain(p, UINT64_MAX);
	settle_lost(p);
	crew_end(&p->crew, &p->ledger);
	if (!p->ledger.error)
		p->ledger.error = sites_write_samples(&p->sites, p->ledger.writer);
	write_lefts(p);
}

void process_end(struct process *p, const char *end)
{
	p->message = ledger_end(&p->ledger, p->path, end);
}

void process_destroy(struct process *p)
{
	merge_fini(&p->merge);
	notebook_close(&p->notes);
	ledger_fini(&p->ledger);
	objects_fini(&p->inherited);
	crew_fini(&p->crew);
	modules_fini(&p->modules);
	sites_fini(&p->sites);
	if (p->pidfd >= 0)
		close(p->pidfd);
	atomic_store(&p->shared->state, PROCESS_FREE);
	session_give_process(p->session, p->number);
	free(p->lefts);
	free(p->program);
	free(p->command);
	free(p->path);
	free(p->message);
	free(p);
}
