/*
 * The plan: a trace compiled for execution, the contract between hakreplay, which makes it, and the
 * runner, which executes it. It is one memory file: this head, then arrays at the byte offsets that
 * the head names. A plan that is too large for memory comes in parts, one after the other in the
 * same file: every thread ends one before any begins the next. Every recorded thread has a *stream*
 * of entries of 12 bytes, one a call.
 *
 * A *slot* holds a live object's pointer and identity in the runner. It is reused only where no
 * other thread can still need it: by the thread that freed it, or once the skew window lies
 * between.
 */
#ifndef REPLAYER_PLAN_H
#define REPLAYER_PLAN_H

#include "traces/trace.h"

#include <stdint.h>

#define PLAN_MAGIC       0x6e616c706b6168u /* "hakplan" */
#define PLAN_MAX_THREADS 0xffffeu          /* recorded threads */
#define PLAN_NO_SITE     0xffffffu
#define PLAN_MAX_SITES   PLAN_NO_SITE
#define PLAN_PADDING     16 /* entries after each stream that may be read and mean nothing */
#define PLAN_NONE        UINT32_MAX

/* What an entry says to do: a call's kind (enum trace_kind), or one of these. */
enum plan_verb {
	/* Wait until slot holds the object born as number `size` of the thread in the site's place.
	 */
	PLAN_WAIT = 48,
	/* Leave skew epoch `slot`, enter epoch `size`; either may be PLAN_NONE. */
	PLAN_EPOCH = 49,
	/* Add `size:slot` (signed) to the live bytes; the operand has the peak on the way there. */
	PLAN_FOLD = 50,
	/* Start thread `slot`. */
	PLAN_SPAWN = 51,
	/* This thread ends. */
	PLAN_EXIT = 52,
	/* With an operand: the block in slot, of that size, is alive at the end. For --check. */
	PLAN_SURVIVOR = 53,
	/*
	 * Pages [slot, size) of the block that the next entry gives are touched, not the whole of
	 * it (struct resident_part). Belongs to that entry, as an operand does, and is not counted.
	 */
	PLAN_TOUCH = 54,
};

/* Bits of an entry's code. */
#define PLAN_VERB       0x3fu
#define PLAN_SPECIAL    0x40u /* not a plain call: a verb above, or a call with an operand */
#define PLAN_AWAITED    0x80u /* another thread may be waiting for the object born here */
#define PLAN_SITE_SHIFT 8     /* number of the site, 24 bits */
#define PLAN_IDENTITY   (~(PLAN_SPECIAL | PLAN_AWAITED)) /* the bits that the trace decides */

/*
 * One entry. For a call: slot of the object born or freed (a realloc keeps its slot), size of the
 * block asked for or freed, low word.
 */
struct plan_op {
	uint32_t slot;
	uint32_t size;
	uint32_t code;
};

/* What the trace decides of a plain call, in one word: the size, the code above it. */
static inline uint64_t plan_word(const struct plan_op *op)
{
	return ((uint64_t)op->code << 32 | op->size) & ((uint64_t)PLAN_IDENTITY << 32 | UINT32_MAX);
}

/* What an operand can hold of an alignment or an old size; no address space has more. */
#define PLAN_DETAIL_MAX 0xffffffffffffu

/* Flags of an operand. */
enum plan_flag {
	PLAN_FAILED = 1,     /* the call failed when recorded: no object is born or dies */
	PLAN_FOREIGN = 2,    /* about a block that was not allocated here: nothing is called */
	PLAN_FROM_NULL = 4,  /* realloc of NULL */
	PLAN_TO_NOTHING = 8, /* realloc that freed */
};

/* The entry after a special call. */
struct plan_operand {
	uint32_t size_high; /* high word of size */
	uint32_t detail;    /* alignment; of a realloc the low word of the old block's size */
	uint16_t old_high;  /* of a realloc the high word of the old block's size */
	uint16_t flags;     /* enum plan_flag */
};

_Static_assert(sizeof(struct plan_op) == 12, "entries are packed");
_Static_assert(sizeof(struct plan_operand) == sizeof(struct plan_op), "an operand is an entry");

/* A stretch of one thread in the total order: number of the thread << 12 | entries (no operands).
 */
#define PLAN_TURN_SHIFT 12
#define PLAN_TURN_MAX   0xfffu

/* One stream. */
struct plan_stream {
	uint64_t offset;      /* of its first entry */
	uint64_t entries;     /* without operands */
	uint64_t cells;       /* with operands */
	uint64_t gaps_offset; /* float[gaps] */
	uint64_t gaps;        /* only for the paced schedule */
};

/*
 * Gaps, one for each call, start and exit in the stream: ns in the recording from the thread's call
 * before, or from the first call of the trace.
 */

/* After the threads' streams: the objects inherited at the start, those alive at the end. */
#define PLAN_INHERITED(threads) (threads)
#define PLAN_SURVIVORS(threads) ((threads) + 1)
#define PLAN_STREAMS(threads)   ((threads) + 2)

struct plan {
	uint64_t magic;
	uint64_t bytes;   /* address space of the whole file, holes included */
	uint32_t threads; /* streams [0, threads); what else there is: PLAN_STREAMS */
	uint32_t main;    /* the thread that is the process's first */
	uint32_t running; /* threads that are started, the first one included */
	uint32_t slots;
	uint32_t epochs; /* 0: the order is not bounded */
	uint32_t window; /* epoch e may be entered when all before e - window + 1 are done */
	uint32_t sites;
	uint32_t last;           /* no part comes after this one */
	uint64_t entries;        /* of all threads */
	uint64_t kinds;          /* bit k: kind k is called */
	uint64_t streams_offset; /* struct plan_stream[PLAN_STREAMS(threads)] */
	uint64_t turns_offset;   /* uint32_t[turns]; only for lockstep */
	uint64_t turns;
	uint64_t epochs_offset; /* uint32_t[epochs]: threads that have work in it */
	uint64_t keys_offset;   /* uint64_t[sites]: site keys */
};

/*
 * Identity of an object: the number of the stream that gives birth to it, counted from 1, above the
 * count of births in that stream. The same in every schedule and copy; the highest 16 bits are 0.
 */
#define PLAN_COPY_SHIFT 48
#define PLAN_MAX_COPIES 0xffffu

static inline uint64_t plan_identity(uint32_t stream, uint32_t birth)
{
	return (uint64_t)(stream + 1) << 32 | birth;
}

#endif
