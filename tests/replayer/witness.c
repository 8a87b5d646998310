/*
 * Preloaded into a program that is run for real, before the allocator: at its end writes one JSON
 * object to the file $WITNESS: whose malloc answered, the peak of its heap, its processor time.
 * Allocates nothing.
 *
 * The heap is the anonymous memory that the allocator mapped. What the program maps itself, as a
 * compiler does for its own garbage collector, is none of it, and grows and shrinks meanwhile: the
 * peak is taken over each stretch between two of its calls, and what it held resident at the
 * stretch's end is taken off. So the peak is known to the size of one such mapping.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
#define PAGE   4096ul
#define RANGES 4096

static char text[1 << 20];
static uint64_t peak_bytes; /* of heap and others, in stretches that are over */
static unsigned stretches;
static _Atomic uint32_t lock; /* of all of these */

/* The program's own anonymous mappings. */
static struct range {
	uintptr_t begin, end;
} ranges[RANGES];
static unsigned n_ranges;

static void file_read(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t length = 0;
	ssize_t n;

	while (fd >= 0 && (n = read(fd, text + length, sizeof(text) - 1 - length)) > 0)
		length += (size_t)n;
	text[length] = 0;
	if (fd >= 0)
		close(fd);
}

static uint64_t field_bytes(const char *at, const char *name)
{
	at = strstr(at, name);
	return at ? strtoull(at + strlen(name), NULL, 10) * 1024 : 0;
}

/* ---- what the program maps itself ---- */

static uint64_t resident_bytes(const struct range *range)
{
	static unsigned char pages[1 << 16];
	uint64_t sum = 0;

	for (uintptr_t at = range->begin; at < range->end; at += sizeof(pages) * PAGE) {
		size_t left = (range->end - at) / PAGE;
		size_t n = left < sizeof(pages) ? left : sizeof(pages);

		if (mincore((void *)at, n * PAGE, pages))
			continue;
		for (size_t i = 0; i < n; i++)
			sum += (pages[i] & 1) * PAGE;
	}
	return sum;
}

/* Ends a stretch, before what the program has changes; the next one begins. */
static void stretch_end(void)
{
	uint64_t own = 0, others, peak;
	int fd;

	for (unsigned i = 0; i < n_ranges; i++)
		own += resident_bytes(&ranges[i]);
	file_read("/proc/self/status");
	others = own + field_bytes(text, "\nRssFile:") + field_bytes(text, "\nRssShmem:");
	peak = field_bytes(text, "\nVmHWM:");
	peak = peak > others ? peak - others : 0;
	peak_bytes = peak > peak_bytes ? peak : peak_bytes;
	stretches++;
	fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
	if (fd >= 0 && write(fd, "5", 1) == 1)
		close(fd);
}

static void range_add(uintptr_t begin, uintptr_t end)
{
	if (begin < end && n_ranges < RANGES)
		ranges[n_ranges++] = (struct range){begin, end};
}

static void range_cut(uintptr_t begin, uintptr_t end)
{
	for (unsigned i = n_ranges; i--;) {
		struct range old = ranges[i];

		if (old.end <= begin || end <= old.begin)
			continue;
		ranges[i] = ranges[--n_ranges];
		range_add(old.begin, begin);
		range_add(end, old.end);
	}
}

static bool range_meets(uintptr_t begin, uintptr_t end)
{
	for (unsigned i = 0; i < n_ranges; i++)
		if (ranges[i].begin < end && begin < ranges[i].end)
			return true;
	return false;
}

static void lock_take(void)
{
	while (atomic_exchange_explicit(&lock, 1, memory_order_acquire))
		;
}

static void lock_give(void)
{
	atomic_store_explicit(&lock, 0, memory_order_release);
}

/*
 * Whose malloc answers. A program that is not position-independent may have an entry of its own
 * that only jumps there, and so has the witness that fills blocks (filler.c).
 */
static const char *malloc_find(const void **base)
{
	void *code = dlsym(RTLD_DEFAULT, "malloc");
	const ElfW(Sym) *symbol = NULL;
	Dl_info info = {0}, own = {0};

	dladdr(&ranges, &own);
	if (dladdr1(code, &info, (void **)&symbol, RTLD_DL_SYMENT) && symbol &&
	    (symbol->st_shndx == SHN_UNDEF || info.dli_fbase == own.dli_fbase))
		dladdr(dlsym(RTLD_NEXT, "malloc"), &info);
	*base = info.dli_fbase;
	return info.dli_fname ? info.dli_fname : "";
}

/* The code is the allocator's or the C library's, not the program's. */
static bool is_library(const void *code)
{
	static const void *allocator, *libc;
	Dl_info info = {0};

	if (!libc && dladdr((void *)(uintptr_t)getrusage, &info))
		libc = info.dli_fbase;
	if (!allocator)
		malloc_find(&allocator);
	return dladdr(code, &info) && (info.dli_fbase == allocator || info.dli_fbase == libc);
}

EXPORT void *mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset)
{
	long at = syscall(SYS_mmap, addr, length, prot, flags, fd, offset);
	uintptr_t bytes = (length + PAGE - 1) / PAGE * PAGE;

	if (at == -1 || !(flags & MAP_ANONYMOUS) || is_library(__builtin_return_address(0)))
		return (void *)at;
	lock_take();
	stretch_end();
	range_cut((uintptr_t)at, (uintptr_t)at + bytes);
	range_add((uintptr_t)at, (uintptr_t)at + bytes);
	lock_give();
	return (void *)at;
}

EXPORT void *mmap64(void *, size_t, int, int, int, off_t) __attribute__((alias("mmap")));

EXPORT int munmap(void *addr, size_t length)
{
	uintptr_t begin = (uintptr_t)addr, end = begin + (length + PAGE - 1) / PAGE * PAGE;

	lock_take();
	if (range_meets(begin, end)) {
		stretch_end();
		range_cut(begin, end);
	}
	lock_give();
	return (int)syscall(SYS_munmap, addr, length);
}

/* ---- at the end ---- */

/*
 * Anonymous memory that is no heap: written pages of mapped files, and
 * the first thread's stack.
 */
static uint64_t others_bytes(void)
{
	uint64_t sum = 0;
	int counts = 0;

	file_read("/proc/self/smaps");
	for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1) {
		*end = 0;
		if (strchr(line, '-') && strchr(line, '-') < strchr(line, ' '))
			counts = strchr(line, '/') || strstr(line, "[stack]");
		else if (counts && !strncmp(line, "Anonymous:", 10))
			sum += field_bytes(line, "Anonymous:");
	}
	return sum;
}

static uint64_t microseconds(struct timeval t)
{
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_usec;
}

__attribute__((destructor)) static void testify(void)
{
	const char *path = getenv("WITNESS");
	int fd = path ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666) : -1;
	struct rusage usage;
	const void *base;

	if (fd < 0)
		return;
	getrusage(RUSAGE_SELF, &usage);
	lock_take();
	stretch_end();
	dprintf(fd,
		"{\"malloc\": \"%s\", \"heap_peak_bytes\": %llu, \"cpu_us\": %llu, "
		"\"own_mappings\": %u}\n",
		malloc_find(&base), (unsigned long long)(peak_bytes - others_bytes()),
		(unsigned long long)(microseconds(usage.ru_utime) + microseconds(usage.ru_stime)),
		stretches - 1);
	lock_give();
	close(fd);
}
