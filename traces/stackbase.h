/*
 * Where a thread's own stack begins, from which sitekey.h counts heights; for code that runs inside
 * the program. The main thread's begins where the kernel left the arguments. Another thread's
 * begins where glibc let the kernel start it: below the thread descriptor and the static TLS block,
 * whose size grows with every library in the process. Counting from there, not from the end of the
 * mapping, makes heights independent of what else is preloaded.
 */
#ifndef TRACE_STACKBASE_H
#define TRACE_STACKBASE_H

#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>

extern void *__libc_stack_end __attribute__((weak)); /* another C library has none */

/* The word that the kernel put where the main thread's stack begins: argc, then the arguments.
 * NULL: the C library is not glibc. */
static inline const void *stackbase_main(void)
{
	return &__libc_stack_end ? __libc_stack_end : NULL;
}

/* Bytes from a thread's pointer down to the start of its stack, the same for every thread but the
 * main one; 0 when it cannot be known. */
static inline size_t stackbase_below(void)
{
	void (*static_info)(size_t *, size_t *) =
		(void (*)(size_t *, size_t *))dlsym(RTLD_DEFAULT, "_dl_get_tls_static_info");
	const uint32_t *descriptor = dlsym(RTLD_DEFAULT, "_thread_db_sizeof_pthread");
	size_t bytes, align;

	if (!static_info || !descriptor)
		return 0;
	static_info(&bytes, &align);
	return (bytes + align - 1) / align * align - *descriptor;
}

/* Where the calling thread's stack begins, when it is not the main one; 0 when it cannot be known.
 */
static inline uintptr_t stackbase_thread(size_t below)
{
	return below ? (uintptr_t)__builtin_thread_pointer() - below : 0;
}

#endif
