/*
 * Rules: what the file named by rules=FILE says about call sites; RULES.md is its format. Read
 * once, before the first block is given out.
 */
#ifndef RULE_H
#define RULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "class.h"

#define RULE_MOST      65535
#define RULE_GROW_MOST ((size_t)1 << 30)
#define RULE_NO_POOL   UINT8_MAX
#define RULE_NO_KEEP   UINT16_MAX

struct rule {
	uint64_t key;  /* site key; 0: none */
	uint32_t grow; /* bytes that a block gets from the start, should it be smaller; 0 */
	uint16_t keep; /* number for keep.h */
	uint8_t pool;  /* enum heap_pool */
};

struct rules {
	uint32_t count;
	uint32_t mask; /* of places in the table */
	struct rule *table;
	/* A bit for each place in a page where some rule's return address lies. Modules lie at page
	 * boundaries, so this passes over nearly every other call, wherever modules are. */
	uint64_t pages[4096 / 64];
	/* The same for keys, by their lowest bits. */
	uint64_t keys[4096 / 64];
};

extern HIDDEN struct rules rules;

/* "": no file. Reports what it cannot use and goes on without. */
void rule_read(const char *file);

/* The rule for a site key; NULL: none. */
const struct rule *rule_find(uint64_t key);

/* The same, quick to say that there is none. */
static inline const struct rule *rule_for(uint64_t key)
{
	return rules.keys[key % 4096 / 64] >> (key % 64) & 1 ? rule_find(key) : NULL;
}

/* False: no rule is about a call that returns to addr. */
static inline bool rule_possible(uintptr_t addr)
{
	return rules.pages[addr % 4096 / 64] >> (addr % 64) & 1;
}

#endif
