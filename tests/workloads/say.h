/* Printing without the allocator's help: stdio would make calls that a test has to explain. */
#ifndef WORKLOADS_SAY_H
#define WORKLOADS_SAY_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Prints a short line to a descriptor, in one write. */
static inline __attribute__((format(printf, 2, 3))) void say_to(int fd, const char *format, ...)
{
	char line[512];
	va_list words;
	int length;

	va_start(words, format);
	length = vsnprintf(line, sizeof(line), format, words);
	va_end(words);
	if (length < 0 || (size_t)length >= sizeof(line) ||
	    write(fd, line, (size_t)length) != length)
		abort();
}

#define say(...) say_to(1, __VA_ARGS__)

#endif
