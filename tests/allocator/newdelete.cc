// What C++ promises of new and delete, for a preloaded allocator: prints one line per promise.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <new>

struct alignas(256) wide {
	char bytes[300];
};

static int handled;
static void *reserve;

static void release_reserve()
{
	if (handled++ > 2)
		throw std::bad_alloc();
}

static void give_up()
{
	handled++;
	std::set_new_handler(nullptr);
}

// The absurd size never gives a block; this says so to nobody but the analyser.
static void (*volatile release)(void *) = std::free;
static volatile std::size_t absurd = std::size_t(1) << 62;

template <typename F> static const char *outcome(F function)
{
	try {
		void *block = function();
		const char *text = block ? "block" : "null";

		release(block);
		return text;
	} catch (const std::bad_alloc &) {
		return "bad_alloc";
	}
}

int main()
{
	const std::align_val_t page{4096};

	std::printf("new %s\n", outcome([] { return ::operator new(absurd); }));
	std::printf("new[] %s\n", outcome([] { return ::operator new[](absurd); }));
	std::printf("nothrow %s\n", outcome([] { return ::operator new(absurd, std::nothrow); }));
	std::printf("nothrow[] %s\n",
		    outcome([] { return ::operator new[](absurd, std::nothrow); }));
	std::printf("aligned %s\n", outcome([&] { return ::operator new(absurd, page); }));
	std::printf("aligned nothrow %s\n",
		    outcome([&] { return ::operator new(absurd, page, std::nothrow); }));
	std::set_new_handler(release_reserve);
	std::printf("handler throws %s", outcome([] { return ::operator new(absurd); }));
	std::printf(" after %d calls\n", handled);
	handled = 0;
	std::printf("handler throws nothrow %s",
		    outcome([] { return ::operator new(absurd, std::nothrow); }));
	std::printf(" after %d calls\n", handled);
	handled = 0;
	std::set_new_handler(give_up);
	std::printf("handler gives up %s", outcome([] { return ::operator new(absurd); }));
	std::printf(" after %d calls\n", handled);
	wide *one = new wide, *many = new wide[10];
	std::printf("alignment %d\n", int((reinterpret_cast<std::uintptr_t>(one) |
					   reinterpret_cast<std::uintptr_t>(many)) %
					  256));
	delete one;
	delete[] many;
	void *block = ::operator new(4096, page);
	::operator delete(block, page);
	block = ::operator new(0);
	std::printf("zero %s\n", block ? "block" : "null");
	::operator delete(block);
	::operator delete(nullptr);
	::operator delete[](nullptr, std::nothrow);
	std::free(reserve);
}
