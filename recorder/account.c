#include "account.h"

#include "shellwords.h"
#include "traces/sitekey.h"
#include "walked.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void account_init(struct account *a)
{
	*a = (struct account){.program = strdup(""), .command = strdup("")};
	sites_init(&a->sites);
}

int account_copy(struct account *to, const struct account *from)
{
	*to = (struct account){.program = strdup(from->program), .command = strdup(from->command)};
	return !to->program || !to->command || modules_copy(&to->modules, &from->modules) ||
			       sites_copy(&to->sites, &from->sites)
		       ? -ENOMEM
		       : 0;
}

void account_fini(struct account *a)
{
	modules_fini(&a->modules);
	sites_fini(&a->sites);
	free(a->lefts);
	free(a->program);
	free(a->command);
}

void account_open(struct account *a, pid_t pid, struct session *s, uint32_t lane)
{
	a->pid = pid;
	notebook_open(&a->notes, s, lane);
}

void account_close(struct account *a)
{
	notebook_close(&a->notes);
}

static void take_image(struct account *a, const struct note_image *note, size_t bytes)
{
	a->parent_pid = note->parent_pid;
	a->told = true;
	if ((size_t)note->program_bytes + note->command_bytes > bytes - sizeof(*note) ||
	    !note->program_bytes)
		return;
	free(a->program);
	free(a->command);
	a->program = strndup(note->text, note->program_bytes);
	a->command = shellwords_join(note->text + note->program_bytes, note->command_bytes);
}

static void take_module(struct account *a, const struct note_module *note, size_t bytes)
{
	struct module module = {.base_addr = note->base_addr,
				.first_addr = note->first_addr,
				.end_addr = note->end_addr};

	if ((size_t)note->path_bytes + note->id_bytes > bytes - sizeof(*note) || !note->path_bytes)
		return;
	module.path = strndup(note->text, note->path_bytes);
	if (module.path)
		modules_add(&a->modules, &module, note->text + note->path_bytes, note->id_bytes);
	free(module.path);
}

/* The module that an address lies in, looked for in the process itself when it was not told. */
static struct module *find_module(struct account *a, uint64_t addr)
{
	struct module *module = modules_find(&a->modules, addr);

	if (!module) {
		modules_refresh(&a->modules, a->pid);
		module = modules_find(&a->modules, addr);
	}
	return module && *module->path ? module : NULL;
}

static void take_site(struct account *a, const struct note_site *note)
{
	struct module *module = find_module(a, note->addr);
	struct site site = {
		.addr = note->addr,
		.height = note->height,
		.module = module ? (uint32_t)(module - a->modules.all) : TRACE_NO_MODULE,
	};

	sites_tell(&a->sites, note->site & RECORD_SITE_MAX, &site);
}

uint32_t account_define_site(struct account *a, struct ledger *l, uint32_t index)
{
	const struct site *site = a->sites.all + index;
	struct trace_site definition = {
		.module = TRACE_NO_MODULE, .height = site->height, .offset = site->addr};
	int64_t number;

	if (!site->addr)
		return TRACE_NO_SITE;
	if (site->module < a->modules.count) {
		struct module *module = a->modules.all + site->module;

		number = modules_number(module, l->writer);
		if (number < 0) {
			l->error = (int)number;
			return TRACE_NO_SITE;
		}
		definition.module = (uint32_t)number;
		definition.offset = site->addr - module->base_addr;
	}
	number = trace_writer_site(l->writer, &definition);
	if (number < 0) {
		l->error = (int)number;
		return TRACE_NO_SITE;
	}
	sites_define(&a->sites, index, (uint32_t)number);
	return (uint32_t)number;
}

static struct module *find_frame(void *context, uint64_t addr)
{
	return find_module(context, addr);
}

/* A sample of a frequent site's stack: walked, and written when it is new. */
static void take_stack(struct account *a, struct ledger *l, const struct note_stack *note,
		       size_t bytes)
{
	const struct unwinder_space space = {find_frame, a};
	struct walked walked;
	uint32_t number;
	int error;

	if (note->bytes > bytes - sizeof(*note) || note->site >= a->sites.count ||
	    !a->sites.all[note->site].addr || !l || l->error)
		return;
	walked.depth = unwinder_walk(a->unwinder, note, &space, walked.addrs, WALKED_DEPTH_MAX);
	number = account_site(a, l, note->site);
	if (number == TRACE_NO_SITE)
		return;
	error = walked_keep(&walked, &a->sites, note->site, number, &space, l->writer);
	if (error && !l->error)
		l->error = error;
}

static void take_left(struct account *a, const struct note_left *note)
{
	struct note_left *lefts = realloc(a->lefts, (a->n_lefts + 1) * sizeof(*lefts));

	if (!lefts)
		return;
	a->lefts = lefts;
	lefts[a->n_lefts++] = *note;
}

/* ledger NULL: the trace is not begun yet. */
static void take_note(struct account *a, struct ledger *l, const struct note_head *head)
{
	const void *payload = head + 1;

	if (head->kind == NOTE_IMAGE && head->bytes >= sizeof(struct note_image)) {
		a->start_clock = head->clock;
		take_image(a, payload, head->bytes);
	} else if (head->kind == NOTE_MODULE && head->bytes >= sizeof(struct note_module)) {
		take_module(a, payload, head->bytes);
	} else if (head->kind == NOTE_SITE && head->bytes >= sizeof(struct note_site)) {
		take_site(a, payload);
	} else if (head->kind == NOTE_STACK && head->bytes >= sizeof(struct note_stack)) {
		take_stack(a, l, payload, head->bytes);
	} else if (head->kind == NOTE_LEFT && head->bytes >= sizeof(struct note_left)) {
		take_left(a, payload);
	} else if (head->kind == NOTE_UNMAP && head->bytes >= sizeof(struct note_unmap)) {
		modules_unmap(&a->modules, ((const struct note_unmap *)payload)->first_addr);
	}
}

void account_meet(struct account *a)
{
	const struct note_head *head;

	/* What comes after the image is dealt with when the trace is open. */
	while (!a->told && (head = notebook_next(&a->notes)))
		take_note(a, NULL, head);
}

bool account_read(struct account *a, struct ledger *l)
{
	const struct note_head *head = notebook_next(&a->notes);

	if (head)
		take_note(a, l, head);
	return head;
}

/* When all is dealt with it is known which of them are left indeed. */
static void write_lefts(const struct account *a, struct ledger *l)
{
	struct object object;

	for (size_t i = 0; i < a->n_lefts && !l->error; i++)
		if (objects_take(&l->objects, a->lefts[i].addr, &object) &&
		    object.size == a->lefts[i].size)
			l->error = trace_writer_left(l->writer, object.number, a->lefts[i].pages);
}

void account_end(struct account *a, struct ledger *l)
{
	if (!l->error)
		l->error = sites_write_samples(&a->sites, l->writer);
	write_lefts(a, l);
}
