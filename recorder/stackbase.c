/*
 * The main thread's stack begins where the kernel left the arguments. Another thread's begins
 * where glibc let the kernel start it: below the thread descriptor and the static TLS block, whose
 * size grows with every library in the process. Counting from there, not from the end of the
 * mapping, makes heights independent of what else is preloaded.
 */
#include "stackbase.h"

#include <dlfcn.h>
#include <stddef.h>

extern void *__libc_stack_end __attribute__((weak)); /* another C library has none */

static size_t below; /* from the thread pointer down to the start; 0: not known */

void stackbase_open(void)
{
	void (*static_info)(size_t *, size_t *) =
		(void (*)(size_t *, size_t *))dlsym(RTLD_DEFAULT, "_dl_get_tls_static_info");
	const uint32_t *descriptor = dlsym(RTLD_DEFAULT, "_thread_db_sizeof_pthread");
	size_t bytes, align;

	if (!static_info || !descriptor)
		return;
	static_info(&bytes, &align);
	below = (bytes + align - 1) / align * align - *descriptor;
}

const void *stackbase_main(void)
{
	return &__libc_stack_end ? __libc_stack_end : NULL;
}

uintptr_t stackbase_find(bool main)
{
	if (main)
		return (uintptr_t)__libc_stack_end;
	return below ? (uintptr_t)__builtin_thread_pointer() - below : 0;
}
