/*
 * Notes: what a process tells hakrec besides its calls. A note is a struct note_head, a payload of
 * head.bytes bytes, and padding to whole records. A note about something is published before the
 * first record that refers to it.
 */
#ifndef RECORDER_NOTE_H
#define RECORDER_NOTE_H

#include <stdint.h>

enum note_kind {
	NOTE_IMAGE = 1,  /* struct note_image: first note of every image */
	NOTE_SITE = 2,   /* struct note_site */
	NOTE_MODULE = 3, /* struct note_module */
	NOTE_STACK = 4,  /* struct note_stack */
	NOTE_UNMAP = 5,  /* struct note_unmap */
	NOTE_LEFT = 6,   /* struct note_left */
};

struct note_head {
	uint32_t kind;
	uint32_t bytes;
	uint64_t clock; /* when it was written */
};

struct note_image {
	int32_t pid;
	int32_t parent_pid;
	uint32_t program_bytes; /* path of the executable as executed, then ... */
	uint32_t command_bytes; /* ... the arguments, each ended by NUL */
	char text[];
};

struct note_site {
	uint64_t addr; /* return address */
	uint32_t height;
	uint32_t site; /* its number in records, from 1 */
};

struct note_module {
	uint64_t base_addr; /* load bias */
	uint64_t first_addr, end_addr;
	uint32_t path_bytes;
	uint32_t id_bytes; /* build id */
	char text[];       /* path, build id */
};

/* A module is gone: addresses in it may mean something else from now on. */
struct note_unmap {
	uint64_t first_addr;
	uint64_t unused;
};

/* A copy of the stack at a call, for hakrec to unwind. */
struct note_stack {
	uint32_t site;
	uint32_t bytes; /* of stack, from the frame's address upwards */
	uint64_t addr;  /* return address */
	uint64_t frame; /* canonical frame address: the stack pointer after the return */
	uint64_t base;  /* the caller's frame pointer register */
	char stack[];
};

/* A large block that is alive at the end of the image. */
struct note_left {
	uint64_t addr;
	uint64_t size;
	uint64_t pages; /* of it that are resident */
};

#endif
