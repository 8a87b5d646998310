#include "site.h"

#include <elf.h>
#include <link.h>
#include <stdatomic.h>
#include <string.h>

#include "notice.h"
#include "os.h"
#include "traces/buildid.h"
#include "traces/sitekey.h"
#include "traces/stackbase.h"

/* Places remembered: a power of two. When they fill up all are forgotten. */
#define PLACES    4096
#define RULE_BITS 20 /* of a place: index in the table of rules, plus 1; 0: no rule */
#define RULE_MASK (((uint64_t)1 << RULE_BITS) - 1)
#define PAGE      4096u

_Static_assert(2 * (RULE_MOST + 1) < RULE_MASK, "a place holds any rule's index");

#pragma weak _dl_find_object /* another C library has none */

/*
 * |  hash of address and height  | rule  |
 * |<-------- 44 bits ----------->|<- 20->|   0: empty
 * One word, so that a reader never sees half of a place.
 */
static _Atomic uint64_t places[PLACES];
static _Atomic uint32_t used;

static size_t below;      /* see stackbase.h */
static void *main_thread; /* thread pointer of the one that runs on the main stack */

void site_open(void)
{
	if (!rules.count)
		return;
	below = stackbase_below();
	main_thread = os_is_main_thread() ? __builtin_thread_pointer() : NULL;
	if (!_dl_find_object)
		notice_warning("rules apply to replays alone: this C library cannot tell modules",
			       NULL);
}

void site_forget(void)
{
	for (unsigned at = 0; at < PLACES; at++)
		atomic_store_explicit(&places[at], 0, memory_order_relaxed);
	atomic_store_explicit(&used, 0, memory_order_relaxed);
}

static uint64_t build_id_key(const struct link_map *map, const ElfW(Ehdr) * header)
{
	const ElfW(Phdr) *segment = (const ElfW(Phdr) *)((const char *)header + header->e_phoff);

	for (unsigned at = 0; at < header->e_phnum; at++, segment++) {
		const uint8_t *id;
		size_t bytes;

		if (segment->p_type != PT_NOTE)
			continue;
		id = buildid_find((const uint8_t *)map->l_addr + segment->p_vaddr, segment->p_memsz,
				  segment->p_align, &bytes);
		if (id)
			return site_module_key(id, bytes);
	}
	return 0;
}

static uint64_t name_key(const struct link_map *map)
{
	char program[PAGE];
	const char *path = map->l_name, *slash;

	if (!*path)
		path = os_program(program, sizeof(program));
	slash = strrchr(path, '/');
	path = slash ? slash + 1 : path;
	return site_module_key(path, strlen(path));
}

/* The rule of a site by what module its address lies in: by build id or by name. */
static const struct rule *look_up(uintptr_t addr, uint32_t height)
{
	struct dl_find_object found;
	const ElfW(Ehdr) * header;
	const struct rule *rule = NULL;
	uint64_t offset;

	if (!_dl_find_object || _dl_find_object((void *)addr, &found) != 0)
		return NULL;
	header = found.dlfo_map_start;
	offset = addr - found.dlfo_link_map->l_addr;
	if (memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 && header->e_phoff <= PAGE / 2) {
		uint64_t key = build_id_key(found.dlfo_link_map, header);

		rule = key ? rule_find(site_key(key, offset, height)) : NULL;
	}
	return rule ? rule : rule_find(site_key(name_key(found.dlfo_link_map), offset, height));
}

static __attribute__((noinline, cold)) const struct rule *
learn(_Atomic uint64_t *place, uint64_t hash, uintptr_t addr, uint32_t height)
{
	const struct rule *rule = look_up(addr, height);
	uint64_t index = rule ? (uint64_t)(rule - rules.table) + 1 : 0;

	if (atomic_fetch_add_explicit(&used, 1, memory_order_relaxed) >= PLACES / 2)
		site_forget();
	else
		atomic_store_explicit(place, (hash & ~RULE_MASK) | index, memory_order_relaxed);
	return rule;
}

const struct rule *site_find(const uintptr_t *base)
{
	void *thread = __builtin_thread_pointer();
	uintptr_t begin =
		thread == main_thread ? (uintptr_t)stackbase_main() : stackbase_thread(below);
	uint32_t height = site_height(begin, (uintptr_t)(base + 2));
	uint64_t hash = site_mix(base[1] ^ (uint64_t)height << 40 ^ height);

	for (unsigned at = hash % PLACES;; at = (at + 1) % PLACES) {
		uint64_t place = atomic_load_explicit(&places[at], memory_order_relaxed);

		if (place && ((place ^ hash) & ~RULE_MASK) == 0)
			return place & RULE_MASK ? &rules.table[(place & RULE_MASK) - 1] : NULL;
		if (!place)
			return learn(&places[at], hash, base[1], height);
	}
}
