/*
 * The files whose code the recorded programs run: each is looked at once, when it is first mapped,
 * for the allocator's functions that it has and for what makes a module of it.
 */
#ifndef RECORDER_CODEFILE_H
#define RECORDER_CODEFILE_H

#include "entrances.h"
#include "recorder/elffile.h"

#include <sys/types.h>

struct codefile {
	uint64_t device, inode;               /* as stat() has them */
	uint64_t kernel_device, kernel_inode; /* as the kernel part has them; 0: not met yet */
	char *path;
	int fd;
	bool is_elf;
	struct elffile elf;     /* when is_elf */
	struct symbols symbols; /* when is_elf */
	struct entrances entrances;
	bool probed; /* left to whoever puts probes into it */
};

struct codefiles {
	struct codefile **all;
	size_t count, room;
	uint64_t aliases[64]; /* for each kind: kinds that share an address with it somewhere */
	int error; /* the first that kept a file from being looked at, and is not the file's own */
};

void codefiles_fini(struct codefiles *files);

/* Notes an error; one that lies in the file or in a process that has ended is none. */
void codefiles_fail(struct codefiles *files, int error);

/* The file that is mapped at [begin, end) in a process. NULL: it is gone or cannot be read. */
struct codefile *codefiles_mapped(struct codefiles *files, pid_t pid, uint64_t begin, uint64_t end);

/* By the kernel part's names; NULL when it was not met. */
struct codefile *codefiles_known(struct codefiles *files, uint64_t device, uint64_t inode);

/* By path; NULL when none of them has it. */
struct codefile *codefiles_at(struct codefiles *files, const char *path);

/* Calls visit for every mapping of code in a process. Returns 0, what visit returned, or -errno. */
int codefiles_scan(pid_t pid,
		   int (*visit)(void *context, uint64_t begin, uint64_t end, uint64_t offset),
		   void *context);

/* Looks at every file whose code a process has mapped. */
void codefiles_read(struct codefiles *files, pid_t pid);

#endif
