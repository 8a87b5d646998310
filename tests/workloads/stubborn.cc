// stubborn: operator new fails, and its new handler throws something that is caught in the handler
// itself, then gives memory back so that the call succeeds after all. Then a handler throws out of
// the call, and at last all is well.
#include "say.h"

#include <cstdint>
#include <cstdlib>
#include <fcntl.h>
#include <new>
#include <sys/resource.h>

namespace
{

constexpr std::size_t reserved = std::size_t{200} << 20, wanted = std::size_t{190} << 20;
constexpr std::size_t room = std::size_t{300} << 20;
volatile std::size_t too_big = SIZE_MAX / 2 + 1;
void *volatile reserve;
int asked;

void recover()
{
	asked++;
	try {
		throw asked;
	} catch (int) {
	}
	std::free(reserve);
	std::set_new_handler(nullptr);
}

void refuse()
{
	asked++;
	throw std::bad_alloc();
}

void attempt(std::size_t size)
{
	try {
		::operator delete(::operator new(size));
		say("got %d\n", asked);
	} catch (const std::bad_alloc &) {
		say("threw %d\n", asked);
	}
}

// From now on there is so much address space beyond what is in use.
void limit()
{
	char text[32] = "";
	int fd = open("/proc/self/statm", O_RDONLY);
	rlimit limit{};

	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0 || close(fd) ||
	    getrlimit(RLIMIT_AS, &limit))
		std::abort();
	limit.rlim_cur = std::strtoull(text, nullptr, 10) * 4096 + room;
	if (setrlimit(RLIMIT_AS, &limit))
		std::abort();
}

} // namespace

int main()
{
	limit();
	reserve = std::malloc(reserved);
	std::set_new_handler(recover);
	attempt(wanted);
	std::set_new_handler(refuse);
	attempt(too_big);
	std::set_new_handler(nullptr);
	attempt(2001);
	return 0;
}
