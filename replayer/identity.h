/*
 * Swapping the thread pointer: the processor then takes another thread's thread-local storage for
 * this one's. Needs FSGSBASE, and that the other thread sleeps meanwhile.
 */
#ifndef REPLAYER_IDENTITY_H
#define REPLAYER_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/auxv.h>

#define IDENTITY_HWCAP2_FSGSBASE 2

/* The kernel lets programs read and write the thread pointer. */
static inline bool identity_possible(void)
{
	return getauxval(AT_HWCAP2) & IDENTITY_HWCAP2_FSGSBASE;
}

static inline uintptr_t identity_read(void)
{
	uintptr_t thread_pointer;

	__asm__ volatile("rdfsbase %0" : "=r"(thread_pointer));
	return thread_pointer;
}

static inline void identity_write(uintptr_t thread_pointer)
{
	__asm__ volatile("wrfsbase %0" : : "r"(thread_pointer) : "memory");
}

#endif
