// operators: every form of C++ operator new and delete, called by name in the order of the list of
// interposed functions, each new with a size of its own and each delete of a block that the
// matching new made. Ends with failures: a throwing new and the nothrow ones.
#include "say.h"

#include <cstdint>
#include <cstdlib>
#include <new>

namespace
{

constexpr std::align_val_t align{64};
const std::nothrow_t &tag = std::nothrow;
volatile std::size_t too_big = SIZE_MAX / 2 + 1;

void plain()
{
	::operator delete(::operator new(1001));
	::operator delete[](::operator new[](1002));
	::operator delete (::operator new(1003), std::size_t{1003});
	::operator delete[](::operator new[](1004), std::size_t{1004});
	::operator delete(::operator new(1005, tag), tag);
	::operator delete[](::operator new[](1006, tag), tag);
}

void aligned()
{
	::operator delete(::operator new(1007, align), align);
	::operator delete[](::operator new[](1008, align), align);
	::operator delete (::operator new(1009, align), std::size_t{1009}, align);
	::operator delete[](::operator new[](1010, align), std::size_t{1010}, align);
	::operator delete(::operator new(1011, align, tag), align, tag);
	::operator delete[](::operator new[](1012, align, tag), align, tag);
}

// Runs a call that must throw bad_alloc.
template <typename Call> void throws(const char *name, Call call)
{
	try {
		call();
		say("%s returned\n", name);
	} catch (const std::bad_alloc &) {
		say("%s threw\n", name);
	}
}

void failures()
{
	throws("new", [] { return ::operator new(too_big); });
	throws("new[]", [] { return ::operator new[](too_big); });
	throws("new aligned", [] { return ::operator new(too_big, align); });
	throws("new[] aligned", [] { return ::operator new[](too_big, align); });
	say("new nothrow %p\n", ::operator new(too_big, tag));
	say("new[] nothrow %p\n", ::operator new[](too_big, tag));
	say("new aligned nothrow %p\n", ::operator new(too_big, align, tag));
	say("new[] aligned nothrow %p\n", ::operator new[](too_big, align, tag));
}

void delete_null()
{
	void *volatile null = nullptr;

	::operator delete(null);
	::operator delete[](null);
	::operator delete (null, std::size_t{8});
	::operator delete(null, align);
}

} // namespace

int main()
{
	std::free(std::malloc(999)); // marks where the program's own calls begin
	plain();
	aligned();
	delete_null();
	std::free(std::malloc(998)); // bad_alloc objects come from malloc after this
	failures();
	return 0;
}
