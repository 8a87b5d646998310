/*
 * Stress: threads allocate, resize and free blocks of random sizes and alignments, pass them to
 * each other, die and are born, and fork; every block carries a pattern that is verified before it
 * goes. Built on hak_*, so that it runs under sanitizers. Same seed, same choices in each thread.
 */
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "allocator/hakmem.h"

#define SLOTS     512
#define MAILBOXES 1024
#define LIFE      20000
#define THREADS   64

struct block {
	unsigned char *ptr;
	size_t size;
	uint64_t mark;
};

static _Atomic(struct block *) mailbox[MAILBOXES];
static _Atomic bool stop;
static _Atomic uint64_t operations, forks, lives;
static int threads = 4, fork_every = 25;
static uint64_t seed;

static _Noreturn void fail(const char *what, const void *ptr, size_t size)
{
	fprintf(stderr, "stress: %s: block %p of %zu bytes, seed %llu\n", what, ptr, size,
		(unsigned long long)seed);
	abort();
}

static uint64_t random_next(uint64_t *state)
{
	uint64_t x = *state += 0x9e3779b97f4a7c15u;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

static size_t size_choose(uint64_t *random)
{
	uint64_t dice = random_next(random) % 1000;
	uint64_t value = random_next(random);

	if (dice < 20)
		return 0;
	if (dice < 800)
		return value % 1025;
	if (dice < 960)
		return value % 32769;
	if (dice < 990)
		return value % (256 << 10);
	if (dice < 998)
		return value % (2 << 20);
	return value % (8 << 20);
}

/* The ends and a few places between: whole blocks would make a test of memset. */
static size_t place(const struct block *block, unsigned number)
{
	if (number < 32)
		return number;
	if (number < 64)
		return block->size - 1 - (number - 32);
	return (size_t)((block->mark * (number + 1)) % block->size);
}

static void pattern_fill(struct block *block, uint64_t mark)
{
	block->mark = mark | 1;
	for (unsigned number = 0; number < 80; number++)
		if (block->size && place(block, number) < block->size)
			block->ptr[place(block, number)] =
				(unsigned char)(block->mark >> (place(block, number) % 56));
}

static void pattern_check(const struct block *block, size_t size)
{
	for (unsigned number = 0; number < 80; number++) {
		size_t at = block->size ? place(block, number) : 0;

		if (at < block->size && at < size &&
		    block->ptr[at] != (unsigned char)(block->mark >> (at % 56)))
			fail("pattern broken", block->ptr, block->size);
	}
}

static void block_check(struct block *block, size_t align, bool zero)
{
	if (!block->ptr)
		fail("no memory", NULL, block->size);
	if ((uintptr_t)block->ptr & (align - 1))
		fail("misaligned", block->ptr, block->size);
	if (hak_usable_size(block->ptr) < block->size)
		fail("usable size too small", block->ptr, block->size);
	for (size_t at = 0; zero && at < block->size; at++)
		if (block->ptr[at])
			fail("calloc gave a byte that is not 0", block->ptr, block->size);
}

static void block_make(struct block *block, uint64_t *random)
{
	uint64_t dice = random_next(random) % 100;
	size_t align = 16;

	block->size = size_choose(random);
	if (dice < 70) {
		block->ptr = hak_malloc(block->size);
	} else if (dice < 85) {
		block->ptr = hak_calloc(1, block->size);
	} else {
		align = (size_t)1 << (4 + random_next(random) % (dice == 99 ? 19 : 9));
		block->ptr = hak_memalign(align, block->size);
	}
	block_check(block, align, dice >= 70 && dice < 85);
	pattern_fill(block, random_next(random));
}

static void block_free(struct block *block)
{
	pattern_check(block, block->size);
	hak_free(block->ptr);
	block->ptr = NULL;
}

static void block_resize(struct block *block, uint64_t *random)
{
	size_t size = random_next(random) % 2 ? size_choose(random)
					      : block->size + random_next(random) % 4096;

	if (!size)
		size = 1;
	block->ptr = hak_realloc(block->ptr, size);
	if (!block->ptr)
		fail("no memory", NULL, size);
	pattern_check(block, size);
	block->size = size;
	block_check(block, 16, false);
	pattern_fill(block, random_next(random));
}

/* Puts the block into a mailbox, and frees whatever was there: most likely another thread's. */
static void block_pass(struct block *block, uint64_t *random)
{
	struct block *letter = hak_malloc(sizeof(*letter));
	struct block *old;

	if (!letter)
		fail("no memory", NULL, sizeof(*letter));
	*letter = *block;
	block->ptr = NULL;
	old = atomic_exchange(&mailbox[random_next(random) % MAILBOXES], letter);
	if (old) {
		block_free(old);
		hak_free(old);
	}
}

static void step(struct block *slots, uint64_t *random)
{
	struct block *block = &slots[random_next(random) % SLOTS];

	if (!block->ptr)
		block_make(block, random);
	else
		switch (random_next(random) % 8) {
		case 0:
			block_resize(block, random);
			break;
		case 1:
			block_pass(block, random);
			break;
		default:
			block_free(block);
		}
}

static void slots_free(struct block *slots)
{
	for (int at = 0; at < SLOTS; at++)
		if (slots[at].ptr)
			block_free(&slots[at]);
}

/* The child goes on with what it inherited: its own blocks, and everyone's mailboxes. */
static void fork_once(struct block *slots, uint64_t *random)
{
	int status;
	pid_t child = fork();

	if (child < 0)
		fail("fork failed", NULL, 0);
	if (!child) {
		for (int at = 0; at < MAILBOXES; at++) {
			struct block *old = atomic_exchange(&mailbox[at], NULL);

			if (old) {
				block_free(old);
				hak_free(old);
			}
		}
		for (int at = 0; at < 2000; at++)
			step(slots, random);
		slots_free(slots);
		_exit(0);
	}
	if (waitpid(child, &status, 0) != child || status != 0)
		fail("forked child failed", NULL, (size_t)status);
	atomic_fetch_add(&forks, 1);
}

static void *life(void *argument)
{
	uint64_t random = (uintptr_t)argument;
	struct block *slots = hak_calloc(SLOTS, sizeof(*slots));
	bool heir = random_next(&random) % 4 == 0;

	if (!slots)
		fail("no memory", NULL, SLOTS * sizeof(*slots));
	for (int at = 0; at < LIFE && !atomic_load(&stop); at++)
		step(slots, &random);
	if (fork_every && random_next(&random) % (unsigned)fork_every == 0)
		fork_once(slots, &random);
	atomic_fetch_add(&operations, LIFE);
	/* Some threads die with their blocks in the hands of others. */
	for (int at = 0; heir && at < SLOTS; at++)
		if (slots[at].ptr)
			block_pass(&slots[at], &random);
	slots_free(slots);
	hak_free(slots);
	return NULL;
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static size_t resident_kib(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	size_t pages = 0;

	if (!file || fscanf(file, "%*s %zu", &pages) != 1)
		pages = 0;
	if (file)
		fclose(file);
	return pages * (size_t)sysconf(_SC_PAGESIZE) / 1024;
}

static void run(double seconds, uint64_t most_lives)
{
	double end = now() + seconds, shown = now();
	pthread_t running[THREADS];
	uint64_t random = seed;

	for (int at = 0; at < threads; at++)
		if (pthread_create(&running[at], NULL, life, (void *)random_next(&random)))
			fail("no thread", NULL, 0);
	for (int at = 0;; at = (at + 1) % threads) {
		pthread_join(running[at], NULL);
		if (atomic_fetch_add(&lives, 1) + 1 >= most_lives || now() > end) {
			atomic_store(&stop, true);
			for (int other = 0; other < threads; other++)
				if (other != at)
					pthread_join(running[other], NULL);
			return;
		}
		if (pthread_create(&running[at], NULL, life, (void *)random_next(&random)))
			fail("no thread", NULL, 0);
		if (isatty(2) && now() > shown + 5) {
			shown = now();
			fprintf(stderr, "stress: %llu operations, %zu KiB resident\n",
				(unsigned long long)atomic_load(&operations), resident_kib());
		}
	}
}

int main(int argc, char **argv)
{
	static const struct option table[] = {{"seconds", required_argument, NULL, 's'},
					      {"lives", required_argument, NULL, 'l'},
					      {"threads", required_argument, NULL, 't'},
					      {"seed", required_argument, NULL, 'r'},
					      {"fork-every", required_argument, NULL, 'f'},
					      {NULL, 0, NULL, 0}};
	double seconds = 1e9;
	uint64_t most_lives = 100;
	int option;

	seed = (uint64_t)time(NULL);
	while ((option = getopt_long(argc, argv, "", table, NULL)) != -1) {
		if (option == 's')
			seconds = atof(optarg), most_lives = UINT64_MAX;
		else if (option == 'l')
			most_lives = strtoull(optarg, NULL, 10);
		else if (option == 't')
			threads = atoi(optarg) < THREADS ? atoi(optarg) : THREADS;
		else if (option == 'r')
			seed = strtoull(optarg, NULL, 10);
		else if (option == 'f')
			fork_every = atoi(optarg);
		else
			return 2;
	}
	printf("seed %llu\n", (unsigned long long)seed);
	fflush(stdout);
	run(seconds, most_lives);
	for (int at = 0; at < MAILBOXES; at++) {
		struct block *old = atomic_exchange(&mailbox[at], NULL);

		if (old) {
			block_free(old);
			hak_free(old);
		}
	}
	printf("ok: %llu operations, %llu threads, %llu forks, %zu KiB resident\n",
	       (unsigned long long)atomic_load(&operations),
	       (unsigned long long)atomic_load(&lives), (unsigned long long)atomic_load(&forks),
	       resident_kib());
	return 0;
}
