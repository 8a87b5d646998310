#include "latency.h"

#include "failure.h"
#include "shape.h"
#include "verbs.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#define FINE_BITS 6 /* buckets to a doubling: 1 << FINE_BITS */
#define LAST_BIT  40
#define BUCKETS   ((LAST_BIT - FINE_BITS + 2) << FINE_BITS)
#define KINDS     (PLAN_VERB + 1)
#define SMALLEST  16 /* bytes: the first class ends there, each further one at twice as much */
#define CLASSES   24
#define PLACES    2 /* freed by the thread that allocated it, by another one */
#define TRIALS    4001
#define CHUNK     8 /* histograms mapped at a time */

struct histogram {
	uint64_t max; /* ticks */
	uint64_t count[BUCKETS];
};

/* One thread's, or several threads' one after another. */
struct latency_set {
	struct histogram *histograms[KINDS][CLASSES][PLACES];
	struct histogram *spare; /* mapped, not yet used */
	unsigned spares;
	bool taken;
	struct latency_set *next;
};

static struct latency_set *_Atomic sets; /* only ever grows at its head */
static _Atomic uint32_t lock;            /* of `taken` in all sets */
static bool alone;
static uint64_t cost; /* ticks: of a call that does nothing */
static uint64_t begin_ticks, begin_ns;

/* Shared mappings count as no anonymous memory: the heap's measure does not see them. */
static void *memory(size_t bytes)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (at == MAP_FAILED)
		failure("no memory for latencies: %zu bytes", bytes);
	return at;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void lock_take(void)
{
	while (atomic_exchange_explicit(&lock, 1, memory_order_acquire))
		__builtin_ia32_pause();
}

static void lock_give(void)
{
	atomic_store_explicit(&lock, 0, memory_order_release);
}

static struct latency_set *set_take(void)
{
	struct latency_set *set;

	lock_take();
	set = sets;
	while (set && set->taken && !alone)
		set = set->next;
	if (!set) {
		set = memory(sizeof(*set));
		set->next = sets;
		sets = set;
	}
	set->taken = true;
	lock_give();
	return set;
}

static struct histogram *histogram_make(struct latency_set *set)
{
	if (!set->spares) {
		set->spare = memory(CHUNK * sizeof(*set->spare));
		set->spares = CHUNK;
	}
	set->spares--;
	return set->spare++;
}

static unsigned bucket_of(uint64_t ticks)
{
	unsigned bit;

	if (ticks < 1u << FINE_BITS)
		return (unsigned)ticks;
	bit = 63 - (unsigned)__builtin_clzll(ticks);
	if (bit > LAST_BIT)
		return BUCKETS - 1;
	return (bit - FINE_BITS + 1) << FINE_BITS |
	       (ticks >> (bit - FINE_BITS) & ((1u << FINE_BITS) - 1));
}

/* The middle of a bucket. */
static double bucket_ticks(unsigned bucket)
{
	unsigned doubling = bucket >> FINE_BITS;
	double width = doubling > 1 ? (double)(1ull << (doubling - 1)) : 1;
	uint64_t first = bucket & ((1u << FINE_BITS) - 1);

	if (!doubling)
		return (double)bucket;
	return width * (double)(first | 1ull << FINE_BITS) + (width - 1) / 2;
}

static unsigned class_of(uint64_t size)
{
	unsigned class = size <= SMALLEST ? 0 : 60 - (unsigned)__builtin_clzll(size - 1);

	return class < CLASSES ? class : CLASSES - 1;
}

void latency_add(struct worker *worker, unsigned kind, uint64_t size, bool remote, uint64_t ticks)
{
	struct latency_set *set = worker->latency;
	struct histogram **histogram;

	if (!set)
		set = worker->latency = set_take();
	histogram = &set->histograms[kind][class_of(size)][remote];
	if (!*histogram)
		*histogram = histogram_make(set);
	ticks = ticks > cost ? ticks - cost : 0;
	(*histogram)->count[bucket_of(ticks)]++;
	if (ticks > (*histogram)->max)
		(*histogram)->max = ticks;
}

void latency_leave(struct worker *worker)
{
	if (!worker->latency || alone)
		return;
	lock_take();
	worker->latency->taken = false;
	lock_give();
	worker->latency = NULL;
}

static int by_ticks(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

void latency_init(bool shared)
{
	static uint64_t trials[TRIALS];

	alone = shared;
	for (size_t i = 0; i < TRIALS; i++) {
		uint64_t begin = latency_begin();

		trials[i] = latency_end() - begin;
	}
	qsort(trials, TRIALS, sizeof(*trials), by_ticks);
	cost = trials[TRIALS / 2];
	begin_ns = now_ns();
	begin_ticks = latency_begin();
}

/* ---- the report ---- */

static void merge(struct histogram *sum, const struct histogram *more)
{
	if (!more)
		return;
	sum->max = more->max > sum->max ? more->max : sum->max;
	for (size_t i = 0; i < BUCKETS; i++)
		sum->count[i] += more->count[i];
}

/* What a row is about; -1: all. */
struct choice {
	int kind, class, place;
};

static void gather(struct histogram *sum, const struct choice *c)
{
	*sum = (struct histogram){0};
	for (const struct latency_set *set = sets; set; set = set->next)
		for (int kind = 0; kind < (int)KINDS; kind++)
			for (int class = 0; class < CLASSES; class ++)
				for (int place = 0; place < PLACES; place++)
					if ((c->kind < 0 || c->kind == kind) &&
					    (c->class < 0 || c->class == class) &&
					    (c->place < 0 || c->place == place))
						merge(sum, set->histograms[kind][class][place]);
}

static void quantiles(struct run_latency *row, const struct histogram *sum, double tick_ns)
{
	static const double shares[RUN_QUANTILES] = {0.5, 0.9, 0.99, 0.999, 0.9999};
	uint64_t seen = 0;
	unsigned next = 0;

	for (unsigned i = 0; i < BUCKETS; i++) {
		seen += sum->count[i];
		while (next < RUN_QUANTILES && (double)seen >= shares[next] * (double)row->count &&
		       seen)
			row->quantile_ns[next++] = bucket_ticks(i) * tick_ns;
	}
	row->max_ns = (double)sum->max * tick_ns;
	for (unsigned i = 0; i < RUN_QUANTILES;
	     i++) /* the middle of the last bucket may be above */
		if (row->quantile_ns[i] > row->max_ns)
			row->quantile_ns[i] = row->max_ns;
}

static bool row_add(struct run_outcome *outcome, struct choice c, double tick_ns)
{
	static struct histogram sum;
	struct run_latency *row = &outcome->latency[outcome->latencies];

	gather(&sum, &c);
	*row = (struct run_latency){.kind = c.kind, .place = c.place};
	if (c.class >= 0)
		row->class_bytes =
			c.class == CLASSES - 1 ? UINT64_MAX : (uint64_t)SMALLEST << c.class;
	for (size_t i = 0; i < BUCKETS; i++)
		row->count += sum.count[i];
	if (!row->count || outcome->latencies == RUN_LATENCIES - 1)
		return false;
	quantiles(row, &sum, tick_ns);
	outcome->latencies++;
	return true;
}

void latency_report(struct run_outcome *outcome)
{
	double ticks = (double)(latency_begin() - begin_ticks);
	double tick_ns = (double)(now_ns() - begin_ns) / ticks;

	outcome->timer_ns = (double)cost * tick_ns;
	row_add(outcome, (struct choice){-1, -1, -1}, tick_ns);
	for (int kind = 0; kind < (int)KINDS; kind++) {
		int places = shape_frees((unsigned)kind) ? PLACES : 0;

		if (!row_add(outcome, (struct choice){kind, -1, -1}, tick_ns))
			continue;
		for (int place = 0; place < places; place++)
			row_add(outcome, (struct choice){kind, -1, place}, tick_ns);
		for (int class = 0; class < CLASSES; class ++)
			for (int place = places ? 0 : -1; place < places; place++)
				row_add(outcome, (struct choice){kind, class, place}, tick_ns);
	}
}
