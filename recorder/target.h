/* Looks at the program that is to be recorded, before it is run. */
#ifndef RECORDER_TARGET_H
#define RECORDER_TARGET_H

#include <limits.h>

struct target {
	char path[PATH_MAX];       /* of the file that is run, absolute or as given */
	char image[PATH_MAX];      /* of the ELF file behind it: a script's interpreter, or path */
	char reason[2 * PATH_MAX]; /* why it cannot be recorded */
};

/*
 * Finds name as execvp() would and looks whether preloading works for it. Returns 0, or
 * -ENOTSUP when it cannot be recorded, or why it cannot be run; reason says it in words.
 */
int target_find(struct target *t, const char *name);

#endif
