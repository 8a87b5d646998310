/*
 * Of each call site the rule by which a frame is left is asked of libdw once and kept: where the
 * canonical frame address is, and where the caller's frame pointer was saved. The return address
 * always lies right below the canonical frame address; nothing else is needed on x86-64.
 */
#include "unwinder.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DWARF_RBP  6
#define DWARF_RSP  7
#define DWARF_RIP  16
#define FIRST_BITS 8

enum rule_kind {
	RULE_NONE,    /* an empty place */
	RULE_END,     /* no caller, or nothing known */
	RULE_SP,      /* frame address: stack pointer plus offset */
	RULE_BP,      /* frame pointer plus offset */
	RULE_BP_READ, /* what is stored at frame pointer plus offset (a realigned stack) */
};

struct rule {
	uint64_t offset; /* of the call site in its module */
	int32_t frame;
	int32_t base; /* frame pointer was saved at frame address plus this; 0: it was not */
	uint8_t kind;
};

/* One file with code. */
struct source {
	char *path, *build_id;
	int fd;
	Elf *elf;
	Dwarf_CFI *frames;  /* NULL: none */
	struct rule *rules; /* open addressing; a power of two of them */
	size_t mask, used;
	struct source *next;
};

struct unwinder {
	struct source *sources;
};

struct unwinder *unwinder_create(void)
{
	elf_version(EV_CURRENT);
	return calloc(1, sizeof(struct unwinder));
}

static void source_destroy(struct source *s)
{
	if (s->frames)
		dwarf_cfi_end(s->frames);
	if (s->elf)
		elf_end(s->elf);
	if (s->fd >= 0)
		close(s->fd);
	free(s->rules);
	free(s->path);
	free(s->build_id);
	free(s);
}

void unwinder_destroy(struct unwinder *u)
{
	while (u && u->sources) {
		struct source *next = u->sources->next;

		source_destroy(u->sources);
		u->sources = next;
	}
	free(u);
}

static struct source *source_create(const struct module *module)
{
	struct source *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->path = strdup(module->path);
	s->build_id = strdup(module->build_id);
	s->mask = ((size_t)1 << FIRST_BITS) - 1;
	s->rules = calloc(s->mask + 1, sizeof(*s->rules));
	s->fd = open(module->path, O_RDONLY | O_CLOEXEC);
	if (!s->path || !s->build_id || !s->rules) {
		source_destroy(s);
		return NULL;
	}
	if (s->fd >= 0)
		s->elf = elf_begin(s->fd, ELF_C_READ_MMAP, NULL);
	if (s->elf)
		s->frames = dwarf_getcfi_elf(s->elf);
	return s;
}

static struct source *source_of(struct unwinder *u, const struct module *module)
{
	struct source *s;

	for (s = u->sources; s; s = s->next)
		if (!strcmp(s->path, module->path) && !strcmp(s->build_id, module->build_id))
			return s;
	s = source_create(module);
	if (s) {
		s->next = u->sources;
		u->sources = s;
	}
	return s;
}

/* What libdw says of the frame address. */
static void read_frame(Dwarf_Frame *frame, struct rule *rule)
{
	Dwarf_Op *ops;
	size_t count;
	Dwarf_Word reg, offset;

	if (dwarf_frame_cfa(frame, &ops, &count) != 0 || !count)
		return;
	if (ops[0].atom == DW_OP_bregx) {
		reg = ops[0].number;
		offset = ops[0].number2;
	} else if (ops[0].atom >= DW_OP_breg0 && ops[0].atom <= DW_OP_breg31) {
		reg = ops[0].atom - DW_OP_breg0;
		offset = ops[0].number;
	} else {
		return;
	}
	rule->frame = (int32_t)offset;
	if (count == 1 && reg == DWARF_RSP)
		rule->kind = RULE_SP;
	else if (count == 1 && reg == DWARF_RBP)
		rule->kind = RULE_BP;
	else if (count == 2 && reg == DWARF_RBP && ops[1].atom == DW_OP_deref)
		rule->kind = RULE_BP_READ;
}

/* Where a register was saved, relative to the frame address; false: not there. */
static bool saved_at(Dwarf_Frame *frame, int reg, int32_t *offset)
{
	Dwarf_Op memory[3], *ops;
	size_t count;

	if (dwarf_frame_register(frame, reg, memory, &ops, &count) != 0 || count != 2 ||
	    ops[0].atom != DW_OP_call_frame_cfa || ops[1].atom != DW_OP_plus_uconst)
		return false;
	*offset = (int32_t)ops[1].number;
	return true;
}

static struct rule ask(struct source *s, uint64_t offset)
{
	struct rule rule = {.offset = offset, .kind = RULE_END};
	Dwarf_Frame *frame;
	int32_t caller;

	/* The call is before the return address. */
	if (!s->frames || dwarf_cfi_addrframe(s->frames, offset - 1, &frame) != 0)
		return rule;
	if (saved_at(frame, DWARF_RIP, &caller) && caller == -8) {
		read_frame(frame, &rule);
		if (!saved_at(frame, DWARF_RBP, &rule.base))
			rule.base = 0;
	}
	free(frame);
	return rule;
}

static struct rule *place_of(const struct source *s, uint64_t offset)
{
	size_t i = (size_t)(offset * 0x9e3779b97f4a7c15u >> 32) & s->mask;

	while (s->rules[i].kind && s->rules[i].offset != offset)
		i = (i + 1) & s->mask;
	return s->rules + i;
}

static bool grow(struct source *s)
{
	struct source larger = *s;

	larger.mask = s->mask * 2 + 1;
	larger.rules = calloc(larger.mask + 1, sizeof(*larger.rules));
	if (!larger.rules)
		return false;
	for (size_t i = 0; i <= s->mask; i++)
		if (s->rules[i].kind)
			*place_of(&larger, s->rules[i].offset) = s->rules[i];
	free(s->rules);
	*s = larger;
	return true;
}

static struct rule rule_of(struct source *s, uint64_t offset)
{
	struct rule *place = place_of(s, offset);
	struct rule rule;

	if (place->kind)
		return *place;
	rule = ask(s, offset);
	if (s->used * 2 > s->mask && !grow(s))
		return rule;
	*place_of(s, offset) = rule;
	s->used++;
	return rule;
}

/* One word of the copied stack; false: outside. */
static bool peek(const struct note_stack *stack, uint64_t addr, uint64_t *word)
{
	uint64_t offset = addr - stack->frame;

	if (addr < stack->frame || offset + sizeof(*word) > stack->bytes)
		return false;
	memcpy(word, stack->stack + offset, sizeof(*word));
	return true;
}

struct registers {
	uint64_t pc, sp, bp;
};

/* Goes to the caller; false: there is none, or no way to it. */
static bool step(const struct note_stack *stack, const struct rule *rule, struct registers *r)
{
	uint64_t frame = (rule->kind == RULE_SP ? r->sp : r->bp) + (uint64_t)(int64_t)rule->frame;

	if (rule->kind <= RULE_END)
		return false;
	if (rule->kind == RULE_BP_READ && !peek(stack, frame, &frame))
		return false;
	if (frame <= r->sp || !peek(stack, frame - 8, &r->pc))
		return false;
	if (rule->base && !peek(stack, frame + (uint64_t)(int64_t)rule->base, &r->bp))
		return false;
	r->sp = frame;
	return r->pc != 0;
}

size_t unwinder_walk(struct unwinder *u, const struct note_stack *stack,
		     const struct unwinder_space *space, uint64_t *addrs, size_t room)
{
	struct registers r = {stack->addr, stack->frame, stack->base};
	size_t depth = 0;

	do {
		struct module *module = space->find(space->context, r.pc);
		struct source *source = module ? source_of(u, module) : NULL;
		struct rule rule = {.kind = RULE_END};

		addrs[depth++] = r.pc;
		if (source)
			rule = rule_of(source, r.pc - module->base_addr);
		if (!step(stack, &rule, &r))
			break;
	} while (depth < room);
	return depth;
}
