#include "objects.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define FIRST_REGION_BITS 4
#define FIRST_NODES       ((size_t)128)
#define SWEEP_NODES       ((size_t)1024) /* a region */
#define NODE_BYTES        (OBJECTS_NODE_WORDS * sizeof(uint64_t))
#define TABLE_BYTES       (OBJECTS_SPANS * sizeof(uint32_t))
#define ALIGN_SHIFT       (OBJECTS_NUMBER_BITS + 16)
#define ALIGN_MAX         31u
#define HUGE_BYTES        ((size_t)2 << 20)

/* New memory, in huge pages when it is large; NULL: none. */
static uint64_t *words_make(size_t nodes)
{
	size_t bytes = nodes * NODE_BYTES, spare = bytes < HUGE_BYTES ? 0 : HUGE_BYTES, before;
	char *memory = mmap(NULL, bytes + spare, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED)
		return NULL;
	if (!spare)
		return (uint64_t *)memory;
	before = -(uintptr_t)memory % HUGE_BYTES;
	if (before)
		munmap(memory, before);
	munmap(memory + before + bytes, spare - before);
	madvise(memory + before, bytes, MADV_HUGEPAGE);
	return (uint64_t *)(memory + before);
}

static void words_free(uint64_t *words, size_t nodes)
{
	if (words)
		munmap(words, nodes * NODE_BYTES);
}

static size_t region_count(const struct objects *o)
{
	return (size_t)1 << (64 - o->shift);
}

int objects_init(struct objects *o)
{
	*o = (struct objects){
		.shift = 64 - FIRST_REGION_BITS, .nodes_end = 1, .nodes_room = FIRST_NODES};
	o->regions = calloc(region_count(o), sizeof(*o->regions));
	o->words = words_make(FIRST_NODES);
	if (!o->regions || !o->words) {
		objects_fini(o);
		return -ENOMEM;
	}
	for (unsigned i = 0; i < OBJECTS_NODE_WORDS; i++)
		o->words[i] = OBJECTS_NOWHERE;
	return 0;
}

void objects_fini(struct objects *o)
{
	for (size_t i = 0; o->regions && i < region_count(o); i++)
		free(o->regions[i].nodes);
	free(o->regions);
	words_free(o->words, o->nodes_room);
	*o = (struct objects){0};
}

int objects_copy(struct objects *to, const struct objects *from)
{
	size_t count = region_count(from);

	*to = *from;
	to->regions = calloc(count, sizeof(*to->regions));
	to->words = words_make(from->nodes_room);
	if (!to->regions || !to->words)
		goto no_memory;
	memcpy(to->words, from->words, from->nodes_end * NODE_BYTES);
	for (size_t i = 0; i < count; i++) {
		if (!from->regions[i].key)
			continue;
		to->regions[i] = (struct objects_region){from->regions[i].key, malloc(TABLE_BYTES)};
		if (!to->regions[i].nodes)
			goto no_memory;
		memcpy(to->regions[i].nodes, from->regions[i].nodes, TABLE_BYTES);
	}
	return 0;
no_memory:
	objects_fini(to);
	return -ENOMEM;
}

/* ---- nodes ---- */

static void node_give(struct objects *o, uint32_t node)
{
	o->words[node * (size_t)OBJECTS_NODE_WORDS] = o->free_node;
	o->free_node = node;
}

static bool node_empty(const struct objects *o, uint32_t node)
{
	const uint64_t *words = o->words + node * (size_t)OBJECTS_NODE_WORDS;
	uint64_t any = 0;

	for (unsigned i = 0; i < OBJECTS_NODE_WORDS; i++)
		any |= words[i];
	return !any;
}

/* Takes the nodes of spans whose blocks have all died. Returns how many; *left: those kept. */
static size_t sweep_region(struct objects *o, struct objects_region *region, size_t *left)
{
	size_t taken = 0;

	*left = 0;
	for (unsigned i = 0; i < OBJECTS_SPANS; i++) {
		if (!region->nodes[i])
			continue;
		if (node_empty(o, region->nodes[i])) {
			node_give(o, region->nodes[i]);
			region->nodes[i] = 0;
			taken++;
		} else {
			++*left;
		}
	}
	return taken;
}

/* The entry of a region, or the empty one where it belongs. */
static struct objects_region *probe(const struct objects *o, uint64_t region)
{
	size_t i = objects_home(o, region), mask = region_count(o) - 1;

	while (o->regions[i].key && o->regions[i].key != region + 1)
		i = (i + 1) & mask;
	return o->regions + i;
}

/* A table of a fitting size, without the regions that have no node left; frees what they had. */
static int sweep(struct objects *o, size_t *taken)
{
	struct objects fresh = *o;
	size_t count = region_count(o), kept = 0, left;

	*taken = 0;
	for (size_t i = 0; i < count; i++) {
		if (!o->regions[i].key)
			continue;
		*taken += sweep_region(o, o->regions + i, &left);
		kept += left != 0;
		if (!left) {
			free(o->regions[i].nodes);
			o->regions[i].nodes = NULL;
		}
	}
	while (kept * 4 > region_count(&fresh))
		fresh.shift--;
	fresh.regions = calloc(region_count(&fresh), sizeof(*fresh.regions));
	fresh.regions_used = kept;
	fresh.free_node = o->free_node;
	/* Without memory the old table does, with empty tables of spans where they went. */
	for (size_t i = 0; i < count; i++) {
		struct objects_region *region = o->regions + i;

		if (fresh.regions && region->nodes)
			*probe(&fresh, region->key - 1) = *region;
		else if (!fresh.regions && region->key && !region->nodes)
			region->nodes = calloc(1, TABLE_BYTES);
	}
	if (!fresh.regions)
		return -ENOMEM;
	free(o->regions);
	*o = fresh;
	return 0;
}

static int grow_nodes(struct objects *o)
{
	size_t room = o->nodes_room * 2, bytes = o->nodes_room * NODE_BYTES;
	uint64_t *words = room <= UINT32_MAX ? words_make(room) : NULL;

	if (!words)
		return -ENOMEM;
	/* The pages themselves move, huge ones whole: nothing is copied. */
	if (mremap(o->words, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, words) == MAP_FAILED) {
		words_free(words, room);
		return -ENOMEM;
	}
	o->words = words;
	o->nodes_room = room;
	return 0;
}

/* Makes room for a node; sweeping now and then keeps it as large as what is alive. A sweep goes
 * through all spans: it waits until as many nodes are there as will pay for it. */
static int make_room(struct objects *o)
{
	size_t taken;

	if (o->free_node || o->nodes_end < o->nodes_room)
		return 0;
	if (sweep(o, &taken))
		return -ENOMEM;
	return taken < o->nodes_room / 2 || o->nodes_room < o->regions_used * SWEEP_NODES
		       ? grow_nodes(o)
		       : 0;
}

static uint32_t node_take(struct objects *o)
{
	uint32_t node = o->free_node;
	uint64_t *words;

	if (!node)
		node = (uint32_t)o->nodes_end++;
	words = o->words + node * (size_t)OBJECTS_NODE_WORDS;
	if (o->free_node)
		o->free_node = (uint32_t)words[0];
	memset(words, 0, NODE_BYTES);
	return node;
}

/* ---- words ---- */

/* Index of the word of addr, made when there is none; 0: no memory. */
__attribute__((noinline)) static size_t make_index(struct objects *o, uint64_t addr)
{
	uint64_t at = objects_spread(addr);
	struct objects_region *region;
	uint32_t *node;
	size_t taken;

	if (make_room(o) || (o->regions_used * 2 >= region_count(o) && sweep(o, &taken)))
		return 0;
	region = probe(o, at >> OBJECTS_REGION_SHIFT);
	if (!region->key) {
		region->nodes = calloc(1, TABLE_BYTES);
		if (!region->nodes)
			return 0;
		region->key = (at >> OBJECTS_REGION_SHIFT) + 1;
		o->regions_used++;
	}
	node = region->nodes + (at >> OBJECTS_SPAN_SHIFT & (OBJECTS_SPANS - 1));
	if (!*node)
		*node = node_take(o);
	return *node * (size_t)OBJECTS_NODE_WORDS + (at >> 4 & (OBJECTS_NODE_WORDS - 1));
}

/* Index of the word of addr; below OBJECTS_NODE_WORDS: none. */
static size_t find_index(const struct objects *o, uint64_t addr)
{
	size_t index = objects_index(o, addr);
	uint64_t at = objects_spread(addr);
	const struct objects_region *region;

	if (index >= OBJECTS_NODE_WORDS)
		return index;
	region = probe(o, at >> OBJECTS_REGION_SHIFT);
	if (!region->key)
		return 0;
	return region->nodes[at >> OBJECTS_SPAN_SHIFT & (OBJECTS_SPANS - 1)] *
		       (size_t)OBJECTS_NODE_WORDS +
	       (at >> 4 & (OBJECTS_NODE_WORDS - 1));
}

static bool further(uint64_t word)
{
	return word & OBJECTS_FURTHER;
}

static uint64_t further_word(uint64_t size)
{
	uint64_t low = size & (((uint64_t)1 << OBJECTS_NUMBER_BITS) - 1);
	uint64_t high = size >> OBJECTS_NUMBER_BITS;

	return OBJECTS_FURTHER | low | (uint64_t)OBJECTS_WIDE << OBJECTS_NUMBER_BITS |
	       (high < ALIGN_MAX ? high : ALIGN_MAX) << ALIGN_SHIFT;
}

static uint64_t further_size(uint64_t word)
{
	uint64_t low = word & (((uint64_t)1 << OBJECTS_NUMBER_BITS) - 1);

	return low | (word >> ALIGN_SHIFT & ALIGN_MAX) << OBJECTS_NUMBER_BITS;
}

static uint64_t align_field(uint64_t align)
{
	uint64_t field = align ? 64 - (uint64_t)__builtin_clzll(align) : 0;

	return field < ALIGN_MAX ? field : ALIGN_MAX;
}

/* The word behind a wide block's that has its size; NULL: it is another block's by now. */
static uint64_t *size_word(const struct objects *o, uint64_t addr)
{
	size_t index = find_index(o, addr + 16);

	return index >= OBJECTS_NODE_WORDS && further(o->words[index]) ? o->words + index : NULL;
}

static struct object unpack(uint64_t word)
{
	return (struct object){
		.number = objects_word_number(word),
		.size = objects_word_size(word),
		.align = (uint64_t)1 << (word >> ALIGN_SHIFT & ALIGN_MAX) >> 1,
	};
}

/* ---- blocks ---- */

int objects_put(struct objects *o, uint64_t addr, const struct object *object)
{
	bool wide = object->size >= OBJECTS_WIDE;
	size_t index = find_index(o, addr);
	uint64_t word;

	if (index < OBJECTS_NODE_WORDS)
		index = make_index(o, addr);
	if (!index)
		return -ENOMEM;
	if (o->words[index] && !further(o->words[index]))
		return -EEXIST;
	if (object->number + 1 >= (uint64_t)1 << OBJECTS_NUMBER_BITS)
		return -EOVERFLOW;
	word = objects_word(object->number, wide ? OBJECTS_WIDE : object->size);
	o->words[index] = word | align_field(object->align) << ALIGN_SHIFT;
	if (wide) {
		/* Room may be made by a sweep, which leaves the block's node where it is. */
		index = make_index(o, addr + 16);
		if (!index)
			return -ENOMEM;
		if (!o->words[index] || further(o->words[index]))
			o->words[index] = further_word(object->size);
	}
	return 0;
}

bool objects_take(struct objects *o, uint64_t addr, struct object *object)
{
	uint64_t *word = o->words + find_index(o, addr);

	if (!*word || further(*word))
		return false;
	*object = unpack(*word);
	*word = 0;
	word = object->size == OBJECTS_WIDE ? size_word(o, addr) : NULL;
	if (word) {
		object->size = further_size(*word);
		*word = 0;
	}
	return true;
}

bool objects_next(const struct objects *o, uint64_t *cursor, uint64_t *addr, struct object *object)
{
	/* The cursor counts the words that all regions could have. */
	uint64_t end = (uint64_t)region_count(o) * OBJECTS_SPANS * OBJECTS_NODE_WORDS;

	while (*cursor < end) {
		uint64_t span = *cursor / OBJECTS_NODE_WORDS, place = *cursor % OBJECTS_NODE_WORDS;
		const struct objects_region *region = o->regions + span / OBJECTS_SPANS;
		uint32_t node = region->key ? region->nodes[span % OBJECTS_SPANS] : 0;
		uint64_t word = o->words[node * (size_t)OBJECTS_NODE_WORDS + place], at;
		const uint64_t *behind;

		++*cursor;
		if (!node)
			*cursor = (span + 1) * OBJECTS_NODE_WORDS;
		if (!region->key)
			*cursor = (span / OBJECTS_SPANS + 1) * OBJECTS_SPANS * OBJECTS_NODE_WORDS;
		if (!word || further(word))
			continue;
		at = (region->key - 1) << OBJECTS_REGION_SHIFT |
		     (span % OBJECTS_SPANS) << OBJECTS_SPAN_SHIFT | place << 4;
		*addr = (at & ~((uint64_t)8 << 44)) | (at >> 44 & 8);
		*object = unpack(word);
		behind = object->size == OBJECTS_WIDE ? size_word(o, *addr) : NULL;
		if (behind)
			object->size = further_size(*behind);
		return true;
	}
	return false;
}
