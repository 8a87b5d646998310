/*
 * Every system call of the allocator. All keep errno. Nothing here allocates, so all of it may be
 * called before constructors have run; tests inject failures by wrapping these functions.
 */
#ifndef OS_H
#define OS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The least that a page may have. */
#define OS_PAGE ((size_t)4096)

/* The system's page, bytes: no more than a granule. */
size_t os_page(void);

/* Zeroed memory anywhere; NULL when the system has none. */
void *os_map(size_t bytes);

/* Zeroed memory at exactly addr. 0; -EEXIST when something is mapped there; -ENOMEM otherwise. */
int os_map_at(void *addr, size_t bytes);

/* False when something is mapped there, or the system would never map there. */
bool os_is_free(void *addr, size_t bytes);

void os_unmap(void *addr, size_t bytes);

/* Grows or shrinks a mapping where it is; false when it cannot. */
bool os_resize(void *addr, size_t old_bytes, size_t bytes);

/* Moves a mapping's pages to `target` (nothing may be mapped there) and resizes it; false when it
 * cannot. */
bool os_move(void *addr, size_t old_bytes, void *target, size_t bytes);

/* The same with a larger mapping at `target`, while the old one stays and reads as zero from now
 * on. */
bool os_lift(void *addr, size_t old_bytes, void *target, size_t bytes);

/* Gives the pages back and keeps the addresses; they read as zero from now on. False when it
 * cannot. */
bool os_purge(void *addr, size_t bytes);

void os_wait(_Atomic uint32_t *word, uint32_t value);
void os_wake(_Atomic uint32_t *word, int threads);

void os_write(int fd, const void *bytes, size_t count);
/*
 * A file's contents, to read and write privately; NULL when it cannot be read, is no plain file or
 * is larger than `most`. At least one byte is mapped.
 */
void *os_map_file(const char *path, size_t most, size_t *bytes);
/* A descriptor for a fresh file, or -1. */
int os_create(const char *path);
void os_close(int fd);
_Noreturn void os_abort(void);

/* The program's path, in `path` and ended by NUL; "" when unknown. */
const char *os_program(char *path, size_t bytes);
bool os_is_main_thread(void);
unsigned os_cpus(void);
uint64_t os_memory_bytes(void);
/* The limit of the address space in bytes; UINT64_MAX when there is none. */
uint64_t os_address_limit(void);
bool os_address_limited(void);
uint64_t os_secret(void);
unsigned os_pid(void);

/* Value of an environment variable; NULL when unset or when the program runs with raised
 * privileges. */
const char *os_environment(const char *name);

#endif
