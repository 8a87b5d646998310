/* The names of a recording's traces. */
#ifndef RECORDER_OUTPUTS_H
#define RECORDER_OUTPUTS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct outputs {
	char *file;   /* of the first process's last image */
	char *folder; /* where the others go, with its last slash */
};

/* file NULL: PROGRAM.PID.zst in the current folder. Returns 0 or -ENOMEM. */
int outputs_init(struct outputs *o, const char *file, const char *program, pid_t pid);
void outputs_fini(struct outputs *o);

/* Path of a trace in the making; NULL: no memory. program: path of the executable. */
char *outputs_path(const struct outputs *o, bool first, const char *program, pid_t pid);

/* Path that a trace gets when another image of its process follows. image: counted from 1. */
char *outputs_earlier_path(const struct outputs *o, const char *program, pid_t pid, uint32_t image);

#endif
