#include "pen.h"

#include "latch.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BLOCK_BYTES ((size_t)64 << 10)

/* A run of pens; in the first one's place stands how many are used. */
struct block {
	_Atomic size_t used;
};

static _Atomic bool *unforked; /* false: a fork has wiped it */
static struct block *last_block;
static struct pen *free_pens;
static struct latch latch; /* of the two */

static struct pen *late_pens; /* of threads whose exit is recorded, until they are gone */
static struct latch late_latch;

/* Memory that a fork wipes in the child. */
static void *map(size_t bytes)
{
	void *memory =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return NULL;
	if (madvise(memory, bytes, MADV_WIPEONFORK) != 0) {
		munmap(memory, bytes);
		return NULL;
	}
	return memory;
}

static struct block *block_make(void)
{
	struct block *block = map(BLOCK_BYTES);

	if (block) {
		block->used = 1;
		last_block = block;
	}
	return block;
}

bool pen_prepare(void)
{
	unforked = map(SESSION_PAGE);
	if (unforked)
		*unforked = true;
	return unforked;
}

bool pen_wiped(void)
{
	return !*unforked;
}

static struct pen *pen_take(void)
{
	struct pen *p;

	latch_lock(&latch);
	p = free_pens;
	if (p) {
		free_pens = p->next;
	} else {
		struct block *block = last_block;

		if (!block || (block->used + 1) * sizeof(*p) > BLOCK_BYTES)
			block = block_make();
		if (block)
			p = (struct pen *)block + block->used++;
	}
	latch_unlock(&latch);
	return p;
}

static void pen_give(struct pen *p)
{
	latch_lock(&latch);
	p->next = free_pens;
	free_pens = p;
	latch_unlock(&latch);
}

void pen_forget(void)
{
	/* Their memory stays unused: hooks that were interrupted may still have theirs. */
	free_pens = NULL;
	last_block = NULL;
	*unforked = true;
	late_pens = NULL;
	latch = late_latch = (struct latch){0};
}

void pen_cut(struct pen *p, const struct pen *found, bool begun)
{
	uintptr_t first = (uintptr_t)p & ~(uintptr_t)(SESSION_PAGE - 1);

	madvise((void *)first, (uintptr_t)(p + 1) - first, MADV_KEEPONFORK);
	*p = *found;
	p->missed = !begun;
	track_cut(&p->track, begun);
}

struct pen *pen_open(uint32_t *number, uint64_t tid, uint64_t clock)
{
	struct pen *p = pen_take();

	if (!p)
		return NULL;
	*p = (struct pen){.tid = tid,
			  .track.slow = clock_state.exact,
			  .biased = BIAS_UNHEEDED,
			  .heeded = BIAS_UNHEEDED};
	if (!track_open(&p->track)) {
		pen_give(p);
		return NULL;
	}
	/* Not before: hakrec waits for every number's first record. */
	if (!*number)
		*number = atomic_fetch_add(&member.process->threads, 1) + 1;
	p->thread = *number - 1;
	clock_raise(clock);
	pen_tell(p, RECORD_THREAD, p->thread, tid);
	return p;
}

void pen_close(struct pen *p)
{
	for (struct pen *above; p; p = above) {
		above = p->above;
		track_close(&p->track);
		pen_give(p);
	}
}

void pen_keep(struct pen *p)
{
	latch_lock(&late_latch);
	for (struct pen **at = &late_pens; *at;) {
		struct pen *late = *at;

		if (syscall(SYS_tgkill, getpid(), (pid_t)late->tid, 0) == 0 || errno != ESRCH) {
			at = &late->next;
			continue;
		}
		*at = late->next;
		pen_close(late);
	}
	p->next = late_pens;
	late_pens = p;
	latch_unlock(&late_latch);
}

void pen_interrupt(struct pen *p)
{
	clock_raise(rank_clock(pen_rank(p)));
	p->interrupted = true;
	session_poke(p->track.lane);
	/* Else a pen that was used before went on with the clock it had then. */
	if (p->above)
		session_poke(p->above->track.lane);
}

/* Lifts the tick above what the pens above p have written. */
static void resume(struct pen *p)
{
	p->interrupted = false;
	atomic_signal_fence(memory_order_seq_cst);
	for (const struct pen *above = p->above; above; above = above->above)
		clock_raise(rank_clock(pen_rank(above)));
}

/* Writes the next record at its place. */
static void put(struct pen *p, struct record *place, uint64_t word0, uint64_t word1)
{
	place->word[0] = word0;
	place->word[1] = word1;
	track_publish(&p->track);
}

static struct record *confess(struct pen *p, struct record *place)
{
	put(p, place, record_head(RECORD_LOST, 0), p->lost);
	p->lost = 0;
	return pen_place(p);
}

/* Counts calls that cannot be recorded, or takes one back. */
static void count_lost(struct pen *p, uint64_t calls)
{
	_Atomic uint64_t *dropped = &p->track.lane->dropped;

	p->lost += calls;
	/* Where no record follows, hakrec takes it from here; nobody else writes it. */
	atomic_store_explicit(dropped, atomic_load_explicit(dropped, memory_order_relaxed) + calls,
			      memory_order_relaxed);
}

void pen_drop(struct pen *p)
{
	if (!p->lost)
		session_ring(member.session);
	count_lost(p, 1);
	session_poke(p->track.lane);
}

/* More room, and first of all what was lost for lack of it. */
static struct record *turn(struct pen *p, bool look)
{
	struct record *place;

	if (p->track.slow && !p->interrupted && !p->lost && track_clear(&p->track))
		return track_here(&p->track);
	if (look)
		track_look(&p->track);
	if (!track_refill(&p->track)) {
		pen_drop(p);
		return NULL;
	}
	/* A handler that comes before the refill's last store has its poke undone, but not this. */
	atomic_signal_fence(memory_order_seq_cst);
	if (p->interrupted)
		resume(p);
	/* Not track_place(): it would undo the poke of a handler that came just now. */
	place = track_here(&p->track);
	return p->lost ? confess(p, place) : place;
}

/* As pen_place(), but without a look at the clock: a lane that jumps for ever behind a time that
 * it raises itself would come no further where a jump takes long enough. */
static struct record *place_by(struct pen *p)
{
	return track_limited(&p->track) ? turn(p, false) : track_here(&p->track);
}

struct record *pen_jump(struct pen *p, uint64_t rank)
{
	struct record *place = place_by(p);

	if (!place)
		return NULL;
	put(p, place, record_head(RECORD_JUMP, 0), rank_clock(rank));
	atomic_store_explicit(&p->track.lane->rank, rank, memory_order_relaxed);
	/* Sequentially consistent: pairs with bias_heed(). */
	atomic_thread_fence(memory_order_seq_cst);
	return place_by(p);
}

struct record *pen_turn(struct pen *p)
{
	return turn(p, true);
}

/* The next record's rank, about addr, and the bias's word that is heeded with it. */
static uint64_t take_rank(struct pen *p, uint64_t addr, uint64_t *word)
{
	uint64_t rank = clock_next(pen_rank(p));

	*word = bias_now();
	if (*word != p->biased && *word != p->heeded)
		*word = bias_heed(p->track.lane, &rank);
	return *word & BIAS_HELD ? rank : clock_pass(addr, rank);
}

/* Raises the lane to the rank of its next record, about addr. Returns that one's place, or NULL. */
static struct record *place_ranked(struct pen *p, struct record *place, uint64_t addr)
{
	uint64_t word, rank = take_rank(p, addr, &word);

	while (rank != pen_rank(p)) {
		place = pen_jump(p, rank);
		if (!place)
			return NULL;
		/* A handler that came, or a tick shown, meanwhile has had its poke undone. */
		if (clock_ahead(rank) && word == bias_now())
			break;
		rank = take_rank(p, addr, &word);
	}
	if (word & BIAS_HELD)
		p->biased = word;
	else
		p->heeded = word;
	return place;
}

/*
 * Lets the fast path write while the lane has the bias. Sequentially consistent, both ways: who
 * ends the bias changes its word and then lowers alone, session_poke() lowers limit and then alone.
 * So what is lowered before the store is seen behind it, and what is lowered afterwards stays.
 */
static void go_alone(struct pen *p)
{
	struct session_lane *lane = p->track.lane;
	uint64_t limit = atomic_load(&lane->limit);

	if (p->biased != bias_now())
		return;
	atomic_store(&lane->alone, limit);
	if (p->biased != atomic_load(&bias_word) || limit != atomic_load(&lane->limit))
		atomic_store(&lane->alone, 0);
}

bool pen_write(struct pen *p, uint64_t addr, uint64_t word0, uint64_t word1)
{
	struct record *place;
	uint64_t written;

	if (pen_alone(p, &written)) {
		put(p, track_at(&p->track, written), word0, word1);
		return true;
	}
	place = pen_place(p);
	if (!place)
		return false;
	bias_claim(p->track.lane);
	place = place_ranked(p, place, addr);
	if (!place)
		return false;
	put(p, place, word0, word1);
	go_alone(p);
	return true;
}

void pen_write_old(struct pen *p, const void *ptr)
{
	p->halved = !pen_write(p, (uintptr_t)ptr, record_head(RECORD_OLD, (uintptr_t)ptr), 0);
}

void pen_tell(struct pen *p, enum record_kind kind, uint64_t number, uint64_t word1)
{
	p->track.patient = true;
	pen_write(p, 0, record_head(kind, number), word1);
	p->track.patient = false;
}

void pen_tell_between(struct pen *p, enum record_kind kind, uint64_t number)
{
	struct session *s = member.session;
	uint32_t newest = atomic_load(&member.process->lanes), most = s->lanes;

	/* The list may be broken, as all memory that is shared. */
	for (uint32_t i = newest, n = 0; i < most && n < most; i = session_lane(s, i)->older, n++)
		clock_raise(rank_clock(atomic_load(&session_lane(s, i)->rank)));
	pen_tell(p, kind, number, 0);
	clock_raise(rank_clock(pen_rank(p)));
	for (uint32_t i = newest, n = 0; i < most && n < most; i = session_lane(s, i)->older, n++)
		session_poke(session_lane(s, i));
}

/* A record that only says something of the next call; false: it was dropped. It must not take the
 * rank that the tick, or a handler, has set for that one, which is therefore sent onto the slow
 * path again. */
static bool write_prefix(struct pen *p, uint64_t word0, uint64_t word1)
{
	struct record *place = pen_place(p);

	if (!place) {
		/* No call was dropped so far. */
		count_lost(p, (uint64_t)-1);
		return false;
	}
	put(p, place, word0, word1);
	session_poke(p->track.lane);
	return true;
}

void pen_write_pages(struct pen *p, const void *ptr, uint64_t pages)
{
	if (pages != TRACE_NONE && !p->halved)
		write_prefix(p, record_head(RECORD_PAGES, (uintptr_t)ptr), pages);
}

void pen_write_birth(struct pen *p, const void *ptr, const struct pen_birth *birth)
{
	uint64_t head = record_head(birth->kind, (uintptr_t)ptr);
	uint64_t size = birth->size, align = birth->align;

	if (p->halved) {
		p->halved = false;
		return;
	}
	if (size > RECORD_SIZE_MAX || (align & (align - 1))) {
		/* What the call's own record has no room for. */
		if (!write_prefix(p, record_head(RECORD_WIDE, align & RECORD_ADDR_MAX), size)) {
			pen_drop(p);
			return;
		}
		size = align = 0;
	}
	pen_write(p, (uintptr_t)ptr, head | record_align_bits(align),
		  record_rest(birth->site, size));
}

void pen_fail(struct pen *p)
{
	struct pen_birth birth = p->throwing;

	p->throwing.kind = 0;
	p->site = 0;
	p->halved = false;
	/* It may have been left in the midst of go_alone(). */
	session_poke(p->track.lane);
	if (birth.kind)
		pen_write_birth(p, NULL, &birth);
}
