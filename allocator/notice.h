/* One line to standard error, by write(2), without allocating: "hakmem: ...". */
#ifndef NOTICE_H
#define NOTICE_H

/* "hakmem: what 'word'" (word may be NULL). */
void notice_warning(const char *what, const char *word);

/* "hakmem: FILE:LINE: what" */
void notice_line(const char *file, unsigned number, const char *what);

/* "hakmem: what 0x..." and the end of the program by SIGABRT. */
_Noreturn void notice_fatal(const char *what, const void *ptr);

#endif
