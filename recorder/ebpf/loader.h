/*
 * Brings an object's maps and programs into the kernel by a program that the kernel itself runs:
 * it looks the fields of its structures up in its own type information, which hakrec would have to
 * read and to search each time. Linux 5.17 and later can.
 */
#ifndef RECORDER_LOADER_H
#define RECORDER_LOADER_H

#include <bpf/libbpf.h>

#define LOADER_PROGRAMS 16

struct loader {
	size_t count;
	struct {
		const struct bpf_program *program;
		int fd;
	} programs[LOADER_PROGRAMS]; /* those of the object that are to be loaded */
};

/* The object's maps have their descriptors afterwards. Returns 0 or a negative errno. */
int loader_load(struct loader *l, struct bpf_object *object);
void loader_fini(struct loader *l);

/* -1: it was not to be loaded. */
int loader_fd(const struct loader *l, const struct bpf_program *program);

#endif
