#include "objects.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define FIRST_NUMBERS ((size_t)OBJECTS_BRANCH * 8)
#define MOST_NUMBERS  ((size_t)1 << 32) /* whose places are told by 32 bits */
#define SCAN          16u               /* numbers that are seen to be of zeros at a time */
#define FIRST_NODES   ((size_t)128)
#define SWEEP_NUMBERS ((size_t)512) /* a node */
#define NODE_BYTES    (OBJECTS_NODE_WORDS * sizeof(uint64_t))
#define ALIGN_SHIFT   18
#define ALIGN_MAX     31u
#define WIDE          ((uint64_t)1 << 17)
#define FURTHER_SHIFT 17
#define FURTHER_MAX   (((uint64_t)1 << (64 - FURTHER_SHIFT)) - 1)
#define HUGE_BYTES    ((size_t)2 << 20)

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

static uint32_t *numbers_make(size_t numbers)
{
	void *memory = mmap(NULL, numbers * sizeof(uint32_t), PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED)
		return NULL;
	/* Most pages are never touched. */
	madvise(memory, numbers * sizeof(uint32_t), MADV_NOHUGEPAGE);
	return memory;
}

static void numbers_free(uint32_t *numbers, size_t room)
{
	if (numbers)
		munmap(numbers, room * sizeof(*numbers));
}

static bool all_zero(const uint32_t *numbers)
{
	uint32_t any = 0;

	for (unsigned k = 0; k < SCAN; k++)
		any |= numbers[k];
	return !any;
}

/* The first number from i on that is not 0; end, a multiple of SCAN: there is none. */
static size_t next_number(const uint32_t *numbers, size_t i, size_t end)
{
	while (i < end)
		if (i % SCAN == 0 && all_zero(numbers + i))
			i += SCAN;
		else if (numbers[i])
			return i;
		else
			i++;
	return end;
}

int objects_init(struct objects *o)
{
	*o = (struct objects){.numbers_end = 2 * OBJECTS_BRANCH,
			      .numbers_room = FIRST_NUMBERS,
			      .nodes_end = 1,
			      .nodes_room = FIRST_NODES};
	o->numbers = numbers_make(FIRST_NUMBERS);
	o->words = words_make(FIRST_NODES);
	if (!o->numbers || !o->words) {
		objects_fini(o);
		return -ENOMEM;
	}
	for (unsigned i = 0; i < OBJECTS_NODE_WORDS; i++)
		o->words[i] = OBJECTS_NOWHERE;
	return 0;
}

void objects_fini(struct objects *o)
{
	numbers_free(o->numbers, o->numbers_room);
	words_free(o->words, o->nodes_room);
	*o = (struct objects){0};
}

int objects_copy(struct objects *to, const struct objects *from)
{
	*to = *from;
	to->numbers = numbers_make(from->numbers_room);
	to->words = words_make(from->nodes_room);
	if (!to->numbers || !to->words) {
		objects_fini(to);
		return -ENOMEM;
	}
	for (size_t i = 0;
	     (i = next_number(from->numbers, i, from->numbers_end)) < from->numbers_end;
	     i += OBJECTS_LEAF) {
		i &= ~(size_t)(OBJECTS_LEAF - 1);
		memcpy(to->numbers + i, from->numbers + i, OBJECTS_LEAF * sizeof(*to->numbers));
	}
	memcpy(to->words, from->words, from->nodes_end * NODE_BYTES);
	return 0;
}

/* ---- nodes, leaves and branches ---- */

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

/* Of branches and leaves, each with those of its size. */
static void numbers_give(struct objects *o, uint32_t *list, uint32_t place, uint32_t size)
{
	o->numbers[place] = *list;
	*list = place;
	o->free_numbers += size;
}

/* There are some, and of zeros. */
static uint32_t numbers_take(struct objects *o, uint32_t *list, uint32_t size)
{
	uint32_t place = *list;

	if (!place) {
		place = (uint32_t)o->numbers_end;
		o->numbers_end += size;
		return place;
	}
	*list = o->numbers[place];
	o->numbers[place] = 0;
	o->free_numbers -= size;
	return place;
}

/* Takes the nodes of a leaf's spans whose blocks have all died. True: it is of zeros then. */
static bool sweep_leaf(struct objects *o, uint32_t leaf, size_t *taken)
{
	bool zeros = true;

	for (uint32_t *entry = o->numbers + leaf, *end = entry + OBJECTS_LEAF; entry < end;
	     entry++) {
		if (*entry && node_empty(o, *entry)) {
			node_give(o, *entry);
			*entry = 0;
			++*taken;
		}
		zeros &= !*entry;
	}
	return zeros;
}

/* ... and the leaves of a branch that are. */
static bool sweep_branch(struct objects *o, uint32_t place, size_t *taken)
{
	uint32_t *branch = o->numbers + place;
	bool zeros = true;

	for (size_t i = 0; (i = next_number(branch, i, OBJECTS_BRANCH)) < OBJECTS_BRANCH; i++) {
		if (sweep_leaf(o, branch[i], taken)) {
			numbers_give(o, &o->free_leaf, branch[i], OBJECTS_LEAF);
			branch[i] = 0;
		}
		zeros &= !branch[i];
	}
	return zeros;
}

/* ... and the branches. Returns how many nodes were taken. */
static size_t sweep(struct objects *o)
{
	uint32_t *root = o->numbers + OBJECTS_BRANCH;
	size_t taken = 0;

	for (size_t i = 0; (i = next_number(root, i, OBJECTS_BRANCH)) < OBJECTS_BRANCH; i++)
		if (sweep_branch(o, root[i], &taken)) {
			numbers_give(o, &o->free_branch, root[i], OBJECTS_BRANCH);
			root[i] = 0;
		}
	return taken;
}

static int grow_numbers(struct objects *o)
{
	size_t room = o->numbers_room * 2, bytes = o->numbers_room * sizeof(*o->numbers);
	void *numbers = MAP_FAILED;

	if (room <= MOST_NUMBERS)
		numbers = mremap(o->numbers, bytes, 2 * bytes, MREMAP_MAYMOVE);
	if (numbers == MAP_FAILED)
		return -ENOMEM;
	o->numbers = numbers;
	o->numbers_room = room;
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

static bool has_node(const struct objects *o)
{
	return o->free_node || o->nodes_end < o->nodes_room;
}

/* For a branch and a leaf. */
static bool has_numbers(const struct objects *o)
{
	return o->numbers_room - o->numbers_end >=
	       (o->free_branch ? 0 : OBJECTS_BRANCH) + (o->free_leaf ? 0 : OBJECTS_LEAF);
}

/* Makes room for a block's node, leaf and branch; sweeping now and then keeps them as many as what
 * is alive needs. A sweep goes through all: it waits until as many nodes are there as will pay for
 * it. */
static int make_room(struct objects *o)
{
	bool nodes = has_node(o), numbers = has_numbers(o);
	bool few = o->nodes_room < o->numbers_end / SWEEP_NUMBERS;
	size_t taken = 0;
	int error = 0;

	if (!numbers || (!nodes && !few))
		taken = sweep(o);
	if (!nodes && (few || taken < o->nodes_room / 2))
		error = grow_nodes(o);
	if (!has_numbers(o) || (!numbers && o->free_numbers < o->numbers_room / 2))
		error = error ? error : grow_numbers(o);
	return error;
}

/* ---- words ---- */

/* Index of the word of addr, made when there is none; there is room. */
static size_t place(struct objects *o, uint64_t addr)
{
	uint64_t at = objects_spread(addr);
	size_t branch = OBJECTS_BRANCH + (at >> 32), leaf, node;

	if (!o->numbers[branch])
		o->numbers[branch] = numbers_take(o, &o->free_branch, OBJECTS_BRANCH);
	leaf = o->numbers[branch] + (at >> 16 & 0xffff);
	if (!o->numbers[leaf])
		o->numbers[leaf] = numbers_take(o, &o->free_leaf, OBJECTS_LEAF);
	node = o->numbers[leaf] + (at >> OBJECTS_SPAN_SHIFT & (OBJECTS_LEAF - 1));
	if (!o->numbers[node]) {
		o->numbers[node] = node_take(o);
		if (!(at >> OBJECTS_SPAN_SHIFT))
			o->words[objects_index(o, 0)] = OBJECTS_NOWHERE;
	}
	return objects_index(o, addr);
}

/* ... 0: no memory. */
__attribute__((noinline)) static size_t make_index(struct objects *o, uint64_t addr)
{
	return make_room(o) ? 0 : place(o, addr);
}

size_t objects_reach(struct objects *o, uint64_t addr)
{
	return has_node(o) && has_numbers(o) ? place(o, addr) : objects_index(o, addr);
}

static bool further(uint64_t word)
{
	return word & OBJECTS_FURTHER;
}

static uint64_t further_word(uint64_t size)
{
	return OBJECTS_FURTHER | (size < FURTHER_MAX ? size : FURTHER_MAX) << FURTHER_SHIFT;
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

/* The block of the word at addr. *behind: the word of its size; NULL: there is none. */
static struct object unpack(const struct objects *o, uint64_t addr, uint64_t word,
			    uint64_t **behind)
{
	struct object object = {
		.number = objects_word_number(word),
		.size = objects_word_size(word),
		.align = (uint64_t)1 << (word >> ALIGN_SHIFT & ALIGN_MAX) >> 1,
	};

	*behind = word & WIDE ? size_word(o, addr) : NULL;
	if (*behind)
		object.size = **behind >> FURTHER_SHIFT;
	else if (word & WIDE)
		object.size = OBJECTS_SIZE_MAX + 1;
	return object;
}

/* ---- blocks ---- */

int objects_put(struct objects *o, uint64_t addr, const struct object *object)
{
	bool wide = object->size > OBJECTS_SIZE_MAX;
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
	word = objects_word(object->number, wide ? 0 : object->size);
	word |= align_field(object->align) << ALIGN_SHIFT;
	o->words[index] = wide ? word | WIDE : word;
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
	uint64_t *word = o->words + objects_index(o, addr), *behind;

	if (!*word || further(*word))
		return false;
	*object = unpack(o, addr, *word, &behind);
	*word = 0;
	if (behind)
		*behind = 0;
	return true;
}

/* The spread address of the next span that has a node, from one on; its node, 0: there is none. */
static uint32_t next_span(const struct objects *o, uint64_t *at)
{
	const uint32_t *root = o->numbers + OBJECTS_BRANCH;

	while (!(*at >> OBJECTS_ADDR_BITS)) {
		uint64_t high = *at >> 32, middle = *at >> 16 & 0xffff;
		const uint32_t *branch = o->numbers + root[high];
		uint32_t node = o->numbers[branch[middle] +
					   (*at >> OBJECTS_SPAN_SHIFT & (OBJECTS_LEAF - 1))];

		if (node)
			return node;
		if (!root[high])
			*at = (uint64_t)next_number(root, high, OBJECTS_BRANCH) << 32;
		else if (!branch[middle])
			*at = ((high << 16) + next_number(branch, middle, OBJECTS_BRANCH)) << 16;
		else
			*at = ((*at >> OBJECTS_SPAN_SHIFT) + 1) << OBJECTS_SPAN_SHIFT;
	}
	return 0;
}

bool objects_next(const struct objects *o, uint64_t *cursor, uint64_t *addr, struct object *object)
{
	uint32_t node;

	while ((node = next_span(o, cursor))) {
		uint64_t at = *cursor, place = at >> 4 & (OBJECTS_NODE_WORDS - 1);
		uint64_t word = o->words[node * (size_t)OBJECTS_NODE_WORDS + place];
		uint64_t *behind;

		*cursor = (at | 15) + 1;
		if (!word || further(word))
			continue;
		*addr = (at & ~(uint64_t)15 & ~((uint64_t)8 << 44)) | (at >> 44 & 8);
		*object = unpack(o, *addr, word, &behind);
		return true;
	}
	return false;
}
