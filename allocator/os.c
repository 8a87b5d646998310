#include "os.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif
#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

#define PIECE ((size_t)4 << 20)

#ifdef __SANITIZE_THREAD__
#define SANITIZED true
#else
#define SANITIZED false
#endif
/* ThreadSanitizer ends a program that maps anything below its own range, of 1.5 TiB. */
#define LOWEST ((uintptr_t)0x7e8 << 36)
#define MOST   (SANITIZED ? (uint64_t)32 << 30 : UINT64_MAX)

#define KEEP_ERRNO __attribute__((cleanup(errno_restore))) int kept_errno = errno

static void errno_restore(int *kept)
{
	errno = *kept;
}

size_t os_page(void)
{
	return getauxval(AT_PAGESZ);
}

void *os_map(size_t bytes)
{
	KEEP_ERRNO;
	void *ptr = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return ptr == MAP_FAILED ? NULL : ptr;
}

int os_map_at(void *addr, size_t bytes)
{
	KEEP_ERRNO;
	void *ptr;

	if (SANITIZED && (uintptr_t)addr < LOWEST)
		return -EEXIST;
	ptr = mmap(addr, bytes, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (ptr == addr)
		return 0;
	if (ptr == MAP_FAILED)
		return errno == EEXIST || errno == EPERM || errno == EINVAL ? -EEXIST : -ENOMEM;
	munmap(ptr, bytes); /* A kernel before 4.17 takes the address for a hint. */
	return -EEXIST;
}

bool os_is_free(void *addr, size_t bytes)
{
	KEEP_ERRNO;
	void *ptr;

	if (SANITIZED && (uintptr_t)addr < LOWEST)
		return false;
	ptr = mmap(addr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
		   0);

	if (ptr == MAP_FAILED)
		return errno == ENOMEM;
	munmap(ptr, bytes);
	return ptr == addr;
}

void os_unmap(void *addr, size_t bytes)
{
	KEEP_ERRNO;

	munmap(addr, bytes);
}

bool os_resize(void *addr, size_t old_bytes, size_t bytes)
{
	KEEP_ERRNO;

	return mremap(addr, old_bytes, bytes, 0) != MAP_FAILED;
}

/* Whether nothing lies in a range, when a limit forbids to map it whole: looks at it by pieces. */
static bool range_is_free(char *addr, size_t bytes, size_t piece)
{
	for (size_t at = 0; at < bytes; at += piece)
		if (!os_is_free(addr + at, bytes - at < piece ? bytes - at : piece))
			return false;
	return true;
}

bool os_move(void *addr, size_t old_bytes, void *target, size_t bytes)
{
	KEEP_ERRNO;
	void *place = mmap(target, bytes, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	/* Take the place first: a fixed mremap would silently replace what is there. */
	if (place == MAP_FAILED && (errno != ENOMEM || !range_is_free(target, bytes, PIECE)))
		return false;
	if (place != MAP_FAILED && place != target) {
		munmap(place, bytes);
		return false;
	}
	if (mremap(addr, old_bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, target) == target)
		return true;
	if (place == target)
		munmap(target, bytes);
	return false;
}

bool os_lift(void *addr, size_t old_bytes, void *target, size_t bytes)
{
	KEEP_ERRNO;
	int lift = MREMAP_MAYMOVE | MREMAP_FIXED;

	/* A kernel before 5.7 always takes the old mapping away, and refuses. */
	if (!os_is_free(target, bytes) ||
	    mremap(addr, old_bytes, old_bytes, lift | MREMAP_DONTUNMAP, target) != target)
		return false;
	/* Grown where it is, it stays one mapping: of two, none could be resized. */
	if (mremap(target, old_bytes, bytes, 0) == target)
		return true;
	mremap(target, old_bytes, old_bytes, lift, addr);
	return false;
}

bool os_purge(void *addr, size_t bytes)
{
	KEEP_ERRNO;

	return madvise(addr, bytes, MADV_DONTNEED) == 0;
}

void os_wait(_Atomic uint32_t *word, uint32_t value)
{
	KEEP_ERRNO;

	syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

void os_wake(_Atomic uint32_t *word, int threads)
{
	KEEP_ERRNO;

	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, threads, NULL, NULL, 0);
}

void os_write(int fd, const void *bytes, size_t count)
{
	KEEP_ERRNO;
	const char *from = bytes;

	while (count) {
		ssize_t done = write(fd, from, count);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return;
		from += done;
		count -= done;
	}
}

/* Reads all of a file of a known size; false when it ends before. */
static bool file_read(int fd, char *to, size_t bytes)
{
	for (size_t at = 0; at < bytes;) {
		ssize_t done = pread(fd, to + at, bytes - at, (off_t)at);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return false;
		at += (size_t)done;
	}
	return true;
}

void *os_map_file(const char *path, size_t most, size_t *bytes)
{
	KEEP_ERRNO;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct stat status;
	char *text = NULL;

	if (fd < 0)
		return NULL;
	if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && (size_t)status.st_size <= most) {
		*bytes = (size_t)status.st_size;
		text = os_map(*bytes ? *bytes : 1);
	}
	if (text && !file_read(fd, text, *bytes)) {
		munmap(text, *bytes ? *bytes : 1);
		text = NULL;
	}
	close(fd);
	return text;
}

int os_create(const char *path)
{
	KEEP_ERRNO;

	return open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0666);
}

void os_close(int fd)
{
	KEEP_ERRNO;

	close(fd);
}

_Noreturn void os_abort(void)
{
abort_signal : {
	struct sigaction standard = {.sa_handler = SIG_DFL};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGABRT);
	raise(SIGABRT);
	/* A handler returned, or the signal is blocked or ignored. */
	sigaction(SIGABRT, &standard, NULL);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	goto abort_signal;
}
}

const char *os_program(char *path, size_t bytes)
{
	KEEP_ERRNO;
	ssize_t length = readlink("/proc/self/exe", path, bytes - 1);

	path[length > 0 ? length : 0] = 0;
	return path;
}

bool os_is_main_thread(void)
{
	return syscall(SYS_gettid) == syscall(SYS_getpid);
}

unsigned os_cpus(void)
{
	KEEP_ERRNO;
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) != 0)
		return 1;
	return CPU_COUNT(&set) ? CPU_COUNT(&set) : 1;
}

uint64_t os_memory_bytes(void)
{
	KEEP_ERRNO;
	struct sysinfo info;

	if (sysinfo(&info) != 0)
		return (uint64_t)1 << 34;
	return (uint64_t)info.totalram * info.mem_unit;
}

bool os_address_limited(void)
{
	return os_address_limit() < MOST;
}

uint64_t os_address_limit(void)
{
	KEEP_ERRNO;
	struct rlimit limit;

	if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur > MOST)
		return MOST;
	return limit.rlim_cur;
}

uint64_t os_secret(void)
{
	const void *random = (const void *)getauxval(AT_RANDOM);
	uint64_t secret = 0x9e3779b97f4a7c15u;

	if (random)
		memcpy(&secret, random, sizeof(secret));
	return secret;
}

unsigned os_pid(void)
{
	return (unsigned)getpid();
}

const char *os_environment(const char *name)
{
	size_t length = strlen(name);

	if (getauxval(AT_SECURE) || !environ)
		return NULL;
	for (char **entry = environ; *entry; entry++)
		if (strncmp(*entry, name, length) == 0 && (*entry)[length] == '=')
			return *entry + length + 1;
	return NULL;
}
