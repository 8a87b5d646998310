// Loads a library that is not there, then calls each way to obtain and give back memory for the
// first time, and only then asks what went wrong.
#include "say.h"

#include <dlfcn.h>
#include <new>

template <class Call> static void ask(const char *name, Call call)
{
	void *handle = dlopen("libunloadable.so", RTLD_NOW);
	const char *why;

	call();
	why = dlerror();
	say("%s %s %s\n", name, handle ? "loaded" : "refused", why ? why : "for no reason");
}

int main()
{
	static char *volatile block;

	ask("new", [] { block = new char[10]; });
	ask("delete", [] { delete[] block; });
	ask("nothrow", [] { block = new (std::nothrow) char[10]; });
	ask("aligned",
	    [] { operator delete(operator new(64, std::align_val_t(64)), std::align_val_t(64)); });
	operator delete[](block, std::nothrow);
	return 0;
}
