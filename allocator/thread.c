#include "thread.h"

#include <pthread.h>
#include <sys/single_threaded.h>

#include "depot.h"
#include "keep.h"
#include "lock.h"
#include "meta.h"
#include "option.h"
#include "os.h"
#include "route.h"
#include "rule.h"
#include "shard.h"
#include "site.h"
#include "stretch.h"
#include "tune.h"
#include "whale.h"

struct heap_list {
	struct heap *first, *last;
	unsigned count;
};

static struct lock start_lock;
static _Atomic bool started;
static pthread_key_t key;

/* The lists and each heap's state change under this lock. */
static struct lock lock;
static struct heap_list idle; /* newest first */

static struct lock shared_lock;
static _Atomic(struct heap *) shared_heap;

static _Atomic uint32_t decay_ticks;
static _Atomic uint64_t ends; /* of threads */

static void list_push(struct heap_list *list, struct heap *heap)
{
	heap->prev = NULL;
	heap->next = list->first;
	if (list->first)
		list->first->prev = heap;
	else
		list->last = heap;
	list->first = heap;
	list->count++;
}

static void list_remove(struct heap_list *list, struct heap *heap)
{
	if (heap->prev)
		heap->prev->next = heap->next;
	else
		list->first = heap->next;
	if (heap->next)
		heap->next->prev = heap->prev;
	else
		list->last = heap->prev;
	list->count--;
}

static void state_set(struct heap *heap, enum heap_state state)
{
	atomic_store_explicit(&heap->state, state, memory_order_relaxed);
}

static enum heap_state state_get(struct heap *heap)
{
	return atomic_load_explicit(&heap->state, memory_order_relaxed);
}

/* The Tiny stacks move into the thread's cache, and back: in the same time for any heap. */
static void cache_unpark(struct heap *heap, struct cache *cache)
{
	*cache = heap->parked;
	heap->cache = cache;
}

static void cache_park(struct heap *heap)
{
	static const struct cache empty = CACHE_EMPTY;
	struct cache *cache = heap->cache;

	heap->parked = *cache;
	heap->cache = &heap->parked;
	*cache = empty;
}

static void thread_end(void *heap_of_thread)
{
	struct heap *heap = heap_of_thread;

	if (cache_self.heap != heap)
		return;
	outbox_flush(&heap->outbox, &heap->counters);
	cache_park(heap);
	cache_self.exited = true;
	stat_add_shared(&ends, 1);
	lock_take(&lock);
	state_set(heap, HEAP_IDLE);
	list_push(&idle, heap);
	lock_drop(&lock);
}

static void attach(struct heap *heap)
{
	cache_unpark(heap, &cache_self);
	/* May allocate: by now the thread has its heap. */
	pthread_setspecific(key, heap);
}

/* A heap for a thread that has none: the last dead thread's, else a new one. */
static struct heap *heap_obtain(void)
{
	struct heap *heap;

	lock_take(&lock);
	heap = idle.first;
	if (heap) {
		list_remove(&idle, heap);
		state_set(heap, HEAP_LIVE);
		stat_add(&heap->counters.heaps_adopted, 1);
	}
	lock_drop(&lock);
	return heap ? heap : heap_create();
}

static struct heap *shared_enter(void)
{
	lock_take(&shared_lock);
	if (!shared_heap)
		shared_heap = heap_create();
	if (!shared_heap)
		lock_drop(&shared_lock);
	return shared_heap;
}

struct heap *thread_enter(void)
{
	struct heap *heap = cache_self.heap;

	if (__builtin_expect(heap != NULL, 1))
		return heap;
	if (!thread_start())
		return NULL;
	if (!options.tls || cache_self.exited)
		return shared_enter();
	heap = heap_obtain();
	if (!heap)
		return shared_enter();
	attach(heap);
	return heap;
}

/* Takes a dead thread's heap out of the idle ones; false when it is not idle. */
static bool claim(struct heap *heap)
{
	bool taken;

	if (state_get(heap) != HEAP_IDLE)
		return false;
	lock_take(&lock);
	taken = state_get(heap) == HEAP_IDLE;
	if (taken) {
		list_remove(&idle, heap);
		state_set(heap, HEAP_LIVE);
		stat_add(&heap->counters.heaps_adopted, 1);
	}
	lock_drop(&lock);
	return taken;
}

struct heap *thread_enter_to_free(uint32_t tag)
{
	struct heap *owner = heap_by_tag(tag);

	if (!cache_self.heap && options.tls && !cache_self.exited && owner && claim(owner))
		attach(owner);
	return thread_enter();
}

/* Drains the heap that has been idle for longest, and puts it in front. */
static void idle_drain(void)
{
	struct heap *heap;

	lock_take(&lock);
	heap = idle.last;
	if (heap) {
		list_remove(&idle, heap);
		state_set(heap, HEAP_LIVE);
	}
	lock_drop(&lock);
	if (!heap)
		return;
	heap_drain(heap);
	stat_add(&heap->counters.heaps_drained, 1);
	lock_take(&lock);
	state_set(heap, HEAP_IDLE);
	list_push(&idle, heap);
	lock_drop(&lock);
}

static void thread_tick(struct heap *heap)
{
	heap_tick(heap);
	if (atomic_fetch_add_explicit(&decay_ticks, 1, memory_order_relaxed) % tune.decay_ticks)
		return;
	idle_drain();
	stretch_release();
	whale_tick(false);
	for (unsigned shard = 0; shard < shard_count(); shard++) {
		depot_trim(shard);
		shard_purge(shard, false);
	}
}

void thread_leave(struct heap *heap)
{
	if (heap->ticks >= HEAP_TICK)
		thread_tick(heap);
	if (heap == shared_heap)
		lock_drop(&shared_lock);
}

size_t thread_trim(void)
{
	struct heap *heap = thread_enter();
	size_t bytes = keep_trim() + whale_tick(true);
	unsigned waiting;

	stretch_release();
	if (heap) {
		heap_drain(heap);
		thread_leave(heap);
	}
	lock_take(&lock);
	waiting = idle.count;
	lock_drop(&lock);
	while (waiting--)
		idle_drain();
	for (unsigned shard = 0; shard < shard_count(); shard++) {
		depot_trim(shard);
		bytes += shard_purge(shard, true);
	}
	return bytes;
}

static void passed_on_add(struct heap *heap, void *sum)
{
	const struct counters *counters = &heap->counters;

	*(uint64_t *)sum += atomic_load_explicit(&counters->flushes, memory_order_relaxed) +
			    atomic_load_explicit(&counters->remote_frees, memory_order_relaxed) +
			    atomic_load_explicit(&counters->remote_batches, memory_order_relaxed);
}

/* Grows whenever a thread lets go of memory, but for the blocks that it caches. */
static uint64_t given_back(void)
{
	uint64_t sum = atomic_load_explicit(&ends, memory_order_relaxed) +
		       atomic_load_explicit(&stat_shared.unmapped_bytes, memory_order_relaxed) +
		       shard_returned();

	heap_each(passed_on_add, &sum);
	return sum;
}

bool thread_relieve(void)
{
	bool any = keep_trim() || whale_tick(true) || stretch_release();
	uint64_t before = given_back();
	struct heap *heap = thread_enter();

	if (heap) {
		any = any || heap_caches(heap) || heap->relieved != before;
		heap->relieved = before;
		thread_leave(heap);
	}
	if (any || !heap)
		thread_trim();
	return any || !heap;
}

/* Fork */

/*
 * Takes the locks in the order in which one is taken under another. A thread that is alone takes
 * none: it may be forking in a signal handler, in the middle of an operation that its child then
 * finishes too.
 */
static void fork_prepare(void)
{
	if (__libc_single_threaded)
		return;
	lock_take(&start_lock);
	lock_take(&shared_lock);
	lock_take(&lock);
	depot_fork_prepare();
	shard_fork_prepare();
	keep_fork_prepare();
	whale_fork_prepare();
	window_fork_prepare();
	meta_fork_prepare();
	lock_all = true; /* Other libraries' handlers may follow, and allocate. */
}

static void fork_parent(void)
{
	if (!lock_all)
		return;
	lock_all = false;
	meta_fork_done();
	window_fork_done();
	whale_fork_done();
	keep_fork_done();
	shard_fork_done();
	depot_fork_done();
	lock_drop(&lock);
	lock_drop(&shared_lock);
	lock_drop(&start_lock);
}

/* A thread that is not in the child may have been halfway through anything: its heap stays as it
 * is. */
static void orphan(struct heap *heap, void *context)
{
	(void)context;
	if (state_get(heap) == HEAP_LIVE && heap != cache_self.heap && heap != shared_heap)
		state_set(heap, HEAP_ORPHANED);
}

static void fork_child(void)
{
	if (lock_all)
		heap_each(orphan, NULL);
	fork_parent();
}

/* Start */

static void start_parts(void)
{
	option_read();
	class_init(options.tiny, options.l25);
	slab_init(os_secret());
	shard_init();
	whale_init(options.whale_capacity);
	/* What is counted one by one cannot be merged. */
	stretch_init(options.whale_capacity == OPTION_WHALE_CAPACITY_MOST);
	if (pthread_key_create(&key, thread_end) != 0)
		option_drop_tls(); /* Without an end of threads, heaps would be lost. */
}

/* Rules and learning decide which way every call goes. */
static void start_routes(void)
{
	rule_read(options.rules);
	stat_add_shared(&stat_shared.rules_loaded, rules.count);
	cache_init(rules.count || options.learn, options.learn ? TUNE_STEP : 0);
	route = rules.count ? route_sited : options.learn ? route_counted : route_usual;
	if (options.learn)
		route.plain = route_counted.plain;
}

bool thread_start(void)
{
	static bool parts_started;
	bool first = false;

	/* Acquire: pairs with the release below. */
	if (atomic_load_explicit(&started, memory_order_acquire))
		return true;
	lock_take(&start_lock);
	if (!atomic_load_explicit(&started, memory_order_relaxed)) {
		if (!parts_started)
			start_parts();
		parts_started = true;
		first = window_init(); /* Tried again by the next call when there is no memory. */
		if (first)
			start_routes();
		atomic_store_explicit(&started, first, memory_order_release);
	}
	lock_drop(&start_lock);
	/* May allocate: by now that works. */
	if (first) {
		pthread_atfork(fork_prepare, fork_parent, fork_child);
		site_open();
	}
	return atomic_load_explicit(&started, memory_order_acquire);
}
