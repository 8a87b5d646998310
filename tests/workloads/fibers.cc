// fibers [nothrow]: an operator new on a stack of its own finds no room, and its new handler
// switches to another stack, which makes room, calls malloc and switches back.
#include "say.h"

#include <cstdio>
#include <cstdlib>
#include <new>
#include <sys/mman.h>
#include <sys/resource.h>
#include <ucontext.h>
#include <unistd.h>

namespace
{

constexpr std::size_t stack_bytes = 256 << 10, large = 100 << 20, room = 50 << 20;

ucontext_t scheduler, fiber;
void *obtained;
bool nothrow;

void wait_for_room()
{
	swapcontext(&fiber, &scheduler);
}

void obtain()
{
	obtained = nothrow ? ::operator new(large, std::nothrow) : ::operator new(large);
}

// A limit that leaves so much address space.
rlim_t limit_now()
{
	static char text[64];
	std::FILE *file = std::fopen("/proc/self/statm", "r");
	rlim_t pages = 0;

	if (file && std::fgets(text, sizeof(text), file))
		pages = std::strtoul(text, nullptr, 10);
	if (file)
		std::fclose(file);
	return pages * static_cast<rlim_t>(sysconf(_SC_PAGESIZE)) + room;
}

} // namespace

int main(int argc, char **)
{
	void *stack = mmap(nullptr, stack_bytes, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	rlimit before, tight;
	void *meanwhile;

	nothrow = argc > 1;
	getrlimit(RLIMIT_AS, &before);
	tight = before;
	tight.rlim_cur = limit_now();
	std::set_new_handler(wait_for_room);
	getcontext(&fiber);
	fiber.uc_stack.ss_sp = stack;
	fiber.uc_stack.ss_size = stack_bytes;
	fiber.uc_link = &scheduler;
	makecontext(&fiber, obtain, 0);
	setrlimit(RLIMIT_AS, &tight);
	swapcontext(&scheduler, &fiber);
	setrlimit(RLIMIT_AS, &before);
	meanwhile = std::malloc(24);
	swapcontext(&scheduler, &fiber);
	say("%s", obtained ? "obtained" : "not obtained");
	::operator delete(obtained);
	std::free(meanwhile);
	return 0;
}
