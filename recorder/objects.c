#include "objects.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define FIRST_TABLES 8u
#define TABLES_MORE  2u                                /* that one block may need */
#define MOST_TABLES  (1u << (32 - OBJECTS_TABLE_BITS)) /* whose places are told by 32 bits */
#define FIRST_NODES  ((size_t)128)
#define SWEEP_NODES  ((size_t)1024) /* a table */
#define NODE_BYTES   (OBJECTS_NODE_WORDS * sizeof(uint64_t))
#define TABLE_BYTES  (OBJECTS_TABLE * sizeof(uint32_t))
#define ALIGN_SHIFT  (OBJECTS_NUMBER_BITS + 16)
#define ALIGN_MAX    31u
#define HUGE_BYTES   ((size_t)2 << 20)

/* A block's way: of each table the part of its address that it is of. */
enum { LEVELS = 3 };
static const unsigned shifts[LEVELS] = {OBJECTS_SPAN_SHIFT + 2 * OBJECTS_TABLE_BITS,
					OBJECTS_SPAN_SHIFT + OBJECTS_TABLE_BITS,
					OBJECTS_SPAN_SHIFT};

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

static uint32_t *tables_make(uint32_t tables)
{
	void *memory = mmap(NULL, tables * TABLE_BYTES, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

static void tables_free(uint32_t *tables, uint32_t room)
{
	if (tables)
		munmap(tables, room * TABLE_BYTES);
}

int objects_init(struct objects *o)
{
	*o = (struct objects){.tables_end = 2,
			      .tables_room = FIRST_TABLES,
			      .nodes_end = 1,
			      .nodes_room = FIRST_NODES};
	o->tables = tables_make(FIRST_TABLES);
	o->words = words_make(FIRST_NODES);
	if (!o->tables || !o->words) {
		objects_fini(o);
		return -ENOMEM;
	}
	for (unsigned i = 0; i < OBJECTS_NODE_WORDS; i++)
		o->words[i] = OBJECTS_NOWHERE;
	return 0;
}

void objects_fini(struct objects *o)
{
	tables_free(o->tables, o->tables_room);
	words_free(o->words, o->nodes_room);
	*o = (struct objects){0};
}

int objects_copy(struct objects *to, const struct objects *from)
{
	*to = *from;
	to->tables = tables_make(from->tables_room);
	to->words = words_make(from->nodes_room);
	if (!to->tables || !to->words) {
		objects_fini(to);
		return -ENOMEM;
	}
	memcpy(to->tables, from->tables, from->tables_end * TABLE_BYTES);
	memcpy(to->words, from->words, from->nodes_end * NODE_BYTES);
	return 0;
}

/* ---- nodes and tables ---- */

static void node_give(struct objects *o, uint32_t node)
{
	o->words[node * (size_t)OBJECTS_NODE_WORDS] = o->free_node;
	o->free_node = node;
}

static bool node_empty(const struct objects *o, uint32_t node)
{
	const uint64_t *words = o->words + node * (size_t)OBJECTS_NODE_WORDS;

	/* One that is not shows it in its first cache line, mostly. */
	for (unsigned i = 0; i < OBJECTS_NODE_WORDS; i++)
		if (words[i])
			return false;
	return true;
}

/* One that is of zeros. */
static void table_give(struct objects *o, uint32_t table)
{
	*objects_entry(o, table, 0, 0) = o->free_table;
	o->free_table = table;
	o->free_tables++;
}

/* There is one. */
static uint32_t table_take(struct objects *o)
{
	uint32_t table = o->free_table;

	if (!table)
		return o->tables_end++ << OBJECTS_TABLE_BITS;
	o->free_table = *objects_entry(o, table, 0, 0);
	o->free_tables--;
	*objects_entry(o, table, 0, 0) = 0;
	return table;
}

/* Takes the nodes of spans whose blocks have all died, and the tables that are of zeros then. True:
 * this table is. taken: nodes. */
static bool sweep(struct objects *o, uint32_t table, unsigned level, size_t *taken)
{
	bool zeros = true;

	for (uint32_t i = 0; i < OBJECTS_TABLE; i++) {
		uint32_t *entry = objects_entry(o, table, i, 0);

		if (!*entry)
			continue;
		if (level + 1 < LEVELS && sweep(o, *entry, level + 1, taken)) {
			table_give(o, *entry);
			*entry = 0;
		} else if (level + 1 == LEVELS && node_empty(o, *entry)) {
			node_give(o, *entry);
			*entry = 0;
			++*taken;
		}
		zeros &= !*entry;
	}
	return zeros;
}

static int grow_tables(struct objects *o)
{
	uint32_t room = o->tables_room * 2;
	void *tables = MAP_FAILED;

	if (room <= MOST_TABLES)
		tables = mremap(o->tables, o->tables_room * TABLE_BYTES, room * TABLE_BYTES,
				MREMAP_MAYMOVE);
	if (tables == MAP_FAILED)
		return -ENOMEM;
	o->tables = tables;
	o->tables_room = room;
	return 0;
}

static int grow_nodes(struct objects *o)
{
	size_t room = o->nodes_room * 2, bytes = o->nodes_room * NODE_BYTES;
	uint64_t *words = room <= UINT32_MAX ? words_make(room) : NULL;

	if (!words)
		return -ENOMEM;
	/* The pages themselves move, huge ones whole: nothing is copied. */
	/* As one mapping: before Linux 6.17 no more than one can be moved. */
	if (mremap(o->words, bytes, 2 * bytes, MREMAP_MAYMOVE | MREMAP_FIXED, words) ==
	    MAP_FAILED) {
		words_free(words, room);
		return -ENOMEM;
	}
	if (2 * bytes >= HUGE_BYTES)
		madvise(words, 2 * bytes, MADV_HUGEPAGE);
	o->words = words;
	o->nodes_room = room;
	return 0;
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

/* Makes room for a block's node and tables; sweeping now and then keeps both as large as what is
 * alive. A sweep goes through all spans: it waits until as many nodes are there as will pay for it.
 */
static int make_room(struct objects *o)
{
	bool nodes = o->free_node || o->nodes_end < o->nodes_room;
	bool tables = o->free_tables + o->tables_room - o->tables_end >= TABLES_MORE;
	size_t taken = 0;
	int error = 0;

	if (nodes && tables)
		return 0;
	sweep(o, OBJECTS_TABLE, 0, &taken);
	if (!nodes && (taken < o->nodes_room / 2 ||
		       o->nodes_room < (o->tables_end - o->free_tables) * SWEEP_NODES))
		error = grow_nodes(o);
	if (!tables && !error && o->free_tables < o->tables_room / 2)
		error = grow_tables(o);
	return error;
}

/* ---- words ---- */

/* Index of the word of addr, made when there is none; 0: no memory. */
__attribute__((noinline)) static size_t make_index(struct objects *o, uint64_t addr)
{
	uint64_t at = objects_spread(addr);
	uint32_t number = OBJECTS_TABLE;

	if (make_room(o))
		return 0;
	for (unsigned level = 0; level < LEVELS; level++) {
		uint32_t *entry = objects_entry(o, number, at, shifts[level]);

		if (!*entry)
			*entry = level + 1 < LEVELS ? table_take(o) : node_take(o);
		number = *entry;
	}
	return number * (size_t)OBJECTS_NODE_WORDS + (at >> 4 & (OBJECTS_NODE_WORDS - 1));
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
	size_t index = objects_index(o, addr + 16);

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
	size_t index = objects_index(o, addr);
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
	uint64_t *word = o->words + objects_index(o, addr);

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

/* The spread address of the next span that has a node, from one on; its node, 0: there is none. */
static uint32_t next_span(const struct objects *o, uint64_t *at)
{
	while (!(*at >> OBJECTS_ADDR_BITS)) {
		uint32_t number = OBJECTS_TABLE;
		unsigned level = 0;

		for (; level < LEVELS; level++) {
			number = *objects_entry(o, number, *at, shifts[level]);
			if (!number)
				break;
		}
		if (number)
			return number;
		*at = ((*at >> shifts[level]) + 1) << shifts[level];
	}
	return 0;
}

bool objects_next(const struct objects *o, uint64_t *cursor, uint64_t *addr, struct object *object)
{
	uint32_t node;

	while ((node = next_span(o, cursor))) {
		uint64_t at = *cursor, place = at >> 4 & (OBJECTS_NODE_WORDS - 1);
		uint64_t word = o->words[node * (size_t)OBJECTS_NODE_WORDS + place];
		const uint64_t *behind;

		*cursor = (at | 15) + 1;
		if (!word || further(word))
			continue;
		*addr = (at & ~(uint64_t)15 & ~((uint64_t)8 << 44)) | (at >> 44 & 8);
		*object = unpack(word);
		behind = object->size == OBJECTS_WIDE ? size_word(o, *addr) : NULL;
		if (behind)
			object->size = further_size(*behind);
		return true;
	}
	return false;
}
