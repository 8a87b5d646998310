// Calls every kind of allocation from sites of its own, in the main thread and in a second one, and
// from a library opened late: callsites PLUGIN. Prints "ok".
#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>
#include <malloc.h>
#include <new>
#include <pthread.h>

static void *volatile held;

// Says nothing of new and free to the analyser: to this allocator they are one.
static void (*volatile release)(void *) = std::free;

static void hold(void *block, int count)
{
	if (!block)
		std::printf("no block at %d\n", count);
	release(block);
}

__attribute__((noinline)) static void small(int count)
{
	for (int i = 0; i < count; i++)
		hold(std::malloc(40), count);
}

static void plain(int count)
{
	for (int i = 0; i < count; i++)
		hold(std::malloc(100000), count);
	for (int i = 0; i < count + 1; i++)
		hold(std::calloc(3, 500), count);
	for (int i = 0; i < count + 2; i++)
		hold(std::realloc(nullptr, 200), count);
	for (int i = 0; i < count + 3; i++) {
		held = std::malloc(10);
		held = std::realloc(held, 5000);
		hold(std::realloc(held, 3000000), count);
	}
}

static void aligned(int count)
{
	for (int i = 0; i < count; i++)
		hold(memalign(64, 100), count);
	for (int i = 0; i < count + 1; i++) {
		void *block;

		if (posix_memalign(&block, 256, 100) == 0)
			hold(block, count);
	}
	for (int i = 0; i < count + 2; i++)
		hold(std::aligned_alloc(32, 64), count);
	for (int i = 0; i < count + 3; i++)
		hold(valloc(100), count);
}

static void cxx(int count)
{
	for (int i = 0; i < count; i++)
		hold(::operator new(24), count);
	for (int i = 0; i < count + 1; i++)
		hold(::operator new[](70000), count);
	for (int i = 0; i < count + 2; i++)
		hold(::operator new(48, std::nothrow), count);
	for (int i = 0; i < count + 3; i++)
		hold(::operator new(48, std::align_val_t(128)), count);
	for (int i = 0; i < count + 4; i++)
		hold(::operator new(48, std::align_val_t(128), std::nothrow), count);
}

// The same site at two heights.
__attribute__((noinline)) static void deep(int count)
{
	char room[400];

	__asm__ volatile("" : : "r"(room) : "memory");
	small(count);
	__asm__ volatile("" : : "r"(room) : "memory");
}

static void *work(void *)
{
	plain(30);
	aligned(20);
	cxx(10);
	small(3);
	deep(5);
	return nullptr;
}

int main(int argc, char **argv)
{
	pthread_t thread;

	work(nullptr);
	pthread_create(&thread, nullptr, work, nullptr);
	pthread_join(thread, nullptr);
	for (int i = 1; i < argc; i++) {
		void *library = dlopen(argv[i], RTLD_NOW);
		auto allocate = reinterpret_cast<void *(*)()>(dlsym(library, "plugin_allocate"));

		for (int j = 0; j < 7 * i; j++)
			hold(allocate(), j);
		dlclose(library);
	}
	std::puts("ok");
}
