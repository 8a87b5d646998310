/* What depends on the processor: all of it is here, and optional. */
#ifndef PROCESSOR_H
#define PROCESSOR_H

#if defined(__x86_64__)

/* Tells the processor that this is a loop that waits. */
#define PROCESSOR_RELAX() __builtin_ia32_pause()
/* Keeps a value out of the register of the result, which saves a move. */
#define PROCESSOR_APART(value) __asm__("" : "+c"(value))

#elif defined(__aarch64__)

#define PROCESSOR_RELAX()      __asm__ volatile("isb" : : : "memory")
#define PROCESSOR_APART(value) ((void)0)

#else

#define PROCESSOR_RELAX()      ((void)0)
#define PROCESSOR_APART(value) ((void)0)

#endif

#endif
