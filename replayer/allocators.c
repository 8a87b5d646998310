#include "allocators.h"

#include <elf.h>
#include <errno.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct known {
	const char *name;
	const char *files[3]; /* names of the library, best first */
	const char *package;
} known[] = {
	{"hakmem", {"libhakmem.so"}, NULL},
	{"glibc", {NULL}, NULL},
	{"jemalloc", {"libjemalloc.so.2"}, "libjemalloc2"},
	{"tcmalloc", {"libtcmalloc_minimal.so.4", "libtcmalloc.so.4"}, "libtcmalloc-minimal4"},
	{"mimalloc", {"libmimalloc.so.2", "libmimalloc.so"}, "libmimalloc2.0"},
	{"null", {NULL}, NULL},
};

static const char *const folders[] = {
	"/usr/local/lib/x86_64-linux-gnu",
	"/usr/local/lib",
	"/lib/x86_64-linux-gnu",
	"/usr/lib/x86_64-linux-gnu",
	"/lib64",
	"/usr/lib64",
	"/usr/lib",
};

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static const struct known *known_find(const char *name)
{
	for (size_t i = 0; i < COUNT(known); i++)
		if (!strcmp(known[i].name, name))
			return &known[i];
	return NULL;
}

static bool file_in(const char *folder, size_t length, const char *file, char *path)
{
	char joined[2 * PATH_MAX];

	snprintf(joined, sizeof(joined), "%.*s/%s", (int)length, folder, file);
	return length && realpath(joined, path);
}

/* Beside this program, or in the lib folder beside the program's. */
static bool file_beside(const char *file, char *path)
{
	char folder[PATH_MAX + 16];
	ssize_t n = readlink("/proc/self/exe", folder, PATH_MAX - 1);
	char *slash;

	folder[n > 0 ? n : 0] = 0;
	slash = strrchr(folder, '/');
	if (!slash)
		return false;
	*slash = 0;
	if (file_in(folder, strlen(folder), file, path))
		return true;
	strcat(folder, "/../lib");
	return file_in(folder, strlen(folder), file, path);
}

static bool file_find(const char *file, char *path)
{
	const char *search = getenv("LD_LIBRARY_PATH");

	if (file_beside(file, path))
		return true;
	for (const char *end; search; search = *end ? end + 1 : NULL) {
		end = strchrnul(search, ':');
		if (file_in(search, (size_t)(end - search), file, path))
			return true;
	}
	for (size_t i = 0; i < COUNT(folders); i++)
		if (file_in(folders[i], strlen(folders[i]), file, path))
			return true;
	return false;
}

static bool known_locate(const struct known *k, struct allocator *allocator)
{
	snprintf(allocator->name, sizeof(allocator->name), "%s", k->name);
	allocator->null = !strcmp(k->name, "null");
	allocator->hakmem = !strcmp(k->name, "hakmem");
	if (!k->files[0])
		return true;
	for (size_t i = 0; i < COUNT(k->files) && k->files[i]; i++)
		if (file_find(k->files[i], allocator->path))
			return true;
	return false;
}

static int complain(struct allocators *a, int error, const char *format, const char *name,
		    const char *more)
{
	snprintf(a->error, sizeof(a->error), format, name, more);
	return error;
}

/* A file that the dynamic linker can preload. */
static bool is_library(const char *path)
{
	FILE *file = fopen(path, "re");
	ElfW(Ehdr) head = {0};
	bool read = file && fread(&head, sizeof(head), 1, file) == 1;

	if (file)
		fclose(file);
	return read && !memcmp(head.e_ident, ELFMAG, SELFMAG) &&
	       head.e_ident[EI_CLASS] == ELFCLASS64 && head.e_machine == EM_X86_64 &&
	       head.e_type == ET_DYN;
}

static int path_locate(struct allocators *a, const char *path, struct allocator *allocator)
{
	const char *base = strrchr(path, '/');

	base = base ? base + 1 : path;
	if (!*allocator->name)
		snprintf(allocator->name, sizeof(allocator->name), "%s", base);
	allocator->hakmem = !strncmp(base, "libhakmem", 9) || !strcmp(allocator->name, "hakmem");
	if (!realpath(path, allocator->path))
		return complain(a, -errno, "allocator %s: %s", path, strerror(errno));
	if (!is_library(allocator->path))
		return complain(a, -EINVAL,
				"allocator %s: it is no shared library of this machine%s",
				allocator->path, "");
	if (strpbrk(allocator->path, ": "))
		return complain(a, -EINVAL,
				"allocator %s: LD_PRELOAD cannot carry a path with a space or a "
				"colon%s",
				allocator->path, "");
	return 0;
}

/* One word of the list. */
static int allocator_locate(struct allocators *a, char *word, struct allocator *allocator)
{
	const struct known *k = known_find(word);
	char *equals = strchr(word, '=');

	*allocator = (struct allocator){0};
	if (!*word)
		return complain(a, -EINVAL, "an allocator's name is empty%s%s", "", "");
	if (k && known_locate(k, allocator))
		return 0;
	if (k && k->package)
		return complain(a, -ENOENT,
				"allocator %s is not installed: the Debian package %s has it", word,
				k->package);
	if (k)
		return complain(a, -ENOENT,
				"allocator %s: %s is neither beside hakreplay nor in a library "
				"folder",
				word, k->files[0]);
	if (equals) {
		*equals = 0;
		snprintf(allocator->name, sizeof(allocator->name), "%s", word);
		return path_locate(a, equals + 1, allocator);
	}
	if (strchr(word, '/'))
		return path_locate(a, word, allocator);
	return complain(a, -EINVAL,
			"allocator %s is not known: hakmem, glibc, jemalloc, tcmalloc, mimalloc, "
			"null, a path, or NAME=PATH%s",
			word, "");
}

static int words_find(struct allocators *a, char *words)
{
	char *rest = words;

	for (char *word; (word = strsep(&rest, ","));) {
		int error = allocator_locate(a, word, &a->list[a->count]);

		if (error)
			return error;
		for (size_t i = 0; i < a->count; i++)
			if (!strcmp(a->list[i].name, a->list[a->count].name))
				return complain(a, -EINVAL,
						"two allocators have the name %s: use NAME=PATH%s",
						a->list[i].name, "");
		a->count++;
	}
	return 0;
}

static void all_find(struct allocators *a)
{
	for (size_t i = 0; i < COUNT(known); i++) {
		struct allocator *allocator = &a->list[a->count];

		*allocator = (struct allocator){0};
		if (known_locate(&known[i], allocator) && !allocator->null)
			a->count++;
	}
}

int allocators_find(struct allocators *a, const char *names)
{
	char *words;
	size_t n = 1;
	int error;

	for (const char *c = names; c && *c; c++)
		n += *c == ',';
	*a = (struct allocators){
		.list = calloc(n > COUNT(known) ? n : COUNT(known), sizeof(*a->list))};
	words = strdup(names ? names : "");
	if (!a->list || !words)
		return free(words), complain(a, -ENOMEM, "%s%s", strerror(ENOMEM), "");
	error = 0;
	if (names)
		error = words_find(a, words);
	else
		all_find(a);
	free(words);
	return error;
}

void allocators_fini(struct allocators *a)
{
	free(a->list);
}

size_t allocators_hakmems(const struct allocators *a)
{
	size_t count = 0;

	for (size_t i = 0; i < a->count; i++)
		count += a->list[i].hakmem;
	return count;
}
