/* One line to standard error, by write(2), without allocating: "hakmem: ...". */
#ifndef REPORT_H
#define REPORT_H

/* "hakmem: what 'word'" (word may be NULL). */
void report_warning(const char *what, const char *word);

/* "hakmem: what 0x..." and the end of the program by SIGABRT. */
_Noreturn void report_fatal(const char *what, const void *ptr);

#endif
