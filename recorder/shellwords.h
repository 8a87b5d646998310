/* A command line as text that a shell reads as the same words. */
#ifndef RECORDER_SHELLWORDS_H
#define RECORDER_SHELLWORDS_H

#include <stddef.h>

/* words: each ended by a NUL, in all bytes long. The caller frees the result; NULL: no memory. */
char *shellwords_join(const char *words, size_t bytes);

#endif
