/*
 * The living blocks of one process: a map from their addresses to what they are. Neighbours in the
 * address space are neighbours in the map, because programs use them together: a *span* of 512
 * bytes in which blocks have lived has a *node* of 32 words, one for each 16 bytes. A block is the
 * word of its first byte:
 *
 *   63              23 22    18 17    16       15     0
 *   [number plus one ][align  ][wide][further][size   ]
 *
 * align: the alignment's binary logarithm plus one, 0: none. A block whose size does not fit is
 * marked wide, has none there, and the size in the word behind, which no other block can need: that
 * word is marked further, and the size stands above. So are the words of the first node, where all
 * blocks are looked for that have none; and that of address 0, where no program has one.
 *
 * A span's node stands in a *leaf*, which goes by seven bits of its address. A leaf's place stands
 * in a *branch*, by the 16 bits above those 16 that tell a place in it, and a branch's in the
 * *root*, by the highest 16. Places are those of first numbers, in one array of all: it begins with
 * a branch of zeros, which is the branch, and its beginning the leaf, of what has none.
 */
#ifndef RECORDER_OBJECTS_H
#define RECORDER_OBJECTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OBJECTS_ADDR_BITS   48
#define OBJECTS_BRANCH      (1u << 16) /* numbers; and the root's place */
#define OBJECTS_LEAF        (1u << 7)
#define OBJECTS_SPAN_SHIFT  9
#define OBJECTS_NODE_WORDS  32u
#define OBJECTS_NUMBER_BITS 41
#define OBJECTS_SIZE_MAX    0xffffu /* that fits */
#define OBJECTS_FURTHER     ((uint64_t)1 << 16)
#define OBJECTS_NOWHERE     OBJECTS_FURTHER

struct object {
	uint64_t number, size;
	uint64_t align; /* 0: none; of one that is no power of two the next lower one is kept */
};

struct objects {
	uint32_t *numbers; /* of branches and leaves */
	size_t numbers_end, numbers_room;
	uint32_t free_branch, free_leaf; /* linked by the first number; 0: none */
	size_t free_numbers;             /* of theirs */
	uint32_t free_node;              /* linked by the first word; 0: none */
	uint64_t *words;                 /* of nodes; of the first one OBJECTS_NOWHERE */
	size_t nodes_end;                /* nodes below this one were used */
	size_t nodes_room;
};

/* Each returns 0 or -ENOMEM. */
int objects_init(struct objects *o);
int objects_copy(struct objects *to, const struct objects *from);
void objects_fini(struct objects *o);

/*
 * Enters the block at addr. Returns 0; -EEXIST: there is one; -ENOMEM; -EOVERFLOW: its number has
 * more than OBJECTS_NUMBER_BITS.
 */
int objects_put(struct objects *o, uint64_t addr, const struct object *object);

/* Forgets the block at addr, if there is one, and returns what it was. */
bool objects_take(struct objects *o, uint64_t addr, struct object *object);

/* Goes through all: call with *cursor 0 first; false: there are no more. */
bool objects_next(const struct objects *o, uint64_t *cursor, uint64_t *addr, struct object *object);

/* Blocks at odd multiples of 8 live in the upper half of the address space, where no program's
 * do: so no two blocks share a word. */
static inline uint64_t objects_spread(uint64_t addr)
{
	return (addr & (((uint64_t)1 << OBJECTS_ADDR_BITS) - 1)) | (addr & 8) << 44;
}

/* Index of a word, of the 16-bit parts of a spread address; below OBJECTS_NODE_WORDS: its span has
 * no node. */
static inline size_t objects_index_of(const struct objects *o, size_t high, size_t middle,
				      size_t low)
{
	size_t branch = o->numbers[OBJECTS_BRANCH + high];
	size_t leaf = o->numbers[branch + middle];
	size_t node = o->numbers[leaf + (low >> OBJECTS_SPAN_SHIFT)];

	return node * OBJECTS_NODE_WORDS + (low >> 4 & (OBJECTS_NODE_WORDS - 1));
}

/* ... of the block at addr. */
static inline size_t objects_index(const struct objects *o, uint64_t addr)
{
	uint64_t at = objects_spread(addr);

	return objects_index_of(o, at >> 32, at >> 16 & 0xffff, at & 0xffff);
}

/* The same, in a node that is made if there is room for it as things stand: nothing moves. */
size_t objects_reach(struct objects *o, uint64_t addr);

/* What fits into one word: number below 2^OBJECTS_NUMBER_BITS - 1, size up to OBJECTS_SIZE_MAX. */
static inline uint64_t objects_word(uint64_t number, uint64_t size)
{
	return (number + 1) << (64 - OBJECTS_NUMBER_BITS) | size;
}

static inline uint64_t objects_word_number(uint64_t word)
{
	return (word >> (64 - OBJECTS_NUMBER_BITS)) - 1;
}

/* 0, too, where no block is, or one whose size does not fit. */
static inline uint64_t objects_word_size(uint64_t word)
{
	return word & OBJECTS_SIZE_MAX;
}

#endif
