// team: four threads that each make a fixed sequence of calls of every family, at the same time,
// with sizes of their own; in every round each frees a block that its neighbour allocated.
#include "say.h"

#include <pthread.h>

#include <cstdint>
#include <cstdlib>
#include <malloc.h>
#include <memory>
#include <new>
#include <string>
#include <vector>

namespace
{

constexpr unsigned threads = 4, rounds = 8;
constexpr std::align_val_t align{128};
volatile std::size_t too_big = SIZE_MAX / 2 + 1;
void *handed[threads];
pthread_barrier_t barrier;

// Calls of C, the last one of which fails.
void plain(std::size_t size)
{
	void *block = std::malloc(size), *aligned = nullptr;

	block = std::realloc(block, 3 * size);
	block = std::realloc(block, size / 2);
	std::free(block);
	std::free(std::calloc(3, size));
	if (posix_memalign(&aligned, 256, size))
		std::abort();
	std::free(aligned);
	std::free(std::aligned_alloc(64, 64 * size));
	std::free(memalign(512, size));
	std::free(std::malloc(too_big));
}

// Operators, which get their blocks from malloc, and what the standard library makes of them.
void operators(std::size_t size)
{
	::operator delete(::operator new(size));
	::operator delete[](::operator new[](size, std::nothrow));
	::operator delete(::operator new(size, align), align);
	try {
		::operator delete(::operator new(too_big));
	} catch (const std::bad_alloc &) {
	}
	std::vector<std::string> words(3, std::string(size, 'x'));
	words.push_back(std::string(2 * size, 'y'));
	auto shared = std::make_shared<std::uint64_t>(size);
}

void *work(void *argument)
{
	auto number = reinterpret_cast<std::uintptr_t>(argument);

	for (unsigned round = 0; round < rounds; round++) {
		std::size_t size = 1000 * (number + 1) + round;

		plain(size);
		operators(size);
		handed[number] = std::malloc(size);
		pthread_barrier_wait(&barrier);
		std::free(handed[(number + 1) % threads]);
		pthread_barrier_wait(&barrier);
	}
	return nullptr;
}

} // namespace

int main()
{
	pthread_t all[threads];

	pthread_barrier_init(&barrier, nullptr, threads);
	for (std::uintptr_t i = 0; i < threads; i++)
		if (pthread_create(&all[i], nullptr, work, reinterpret_cast<void *>(i)))
			std::abort();
	for (pthread_t thread : all)
		pthread_join(thread, nullptr);
	say("threads %u rounds %u\n", threads, rounds);
	return 0;
}
