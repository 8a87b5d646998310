/* The first notes of a process: what it tells of itself. */
#ifndef RECORDER_PREFACE_H
#define RECORDER_PREFACE_H

#include <stdbool.h>

/* Which process it is, what it executes, and which modules are loaded. forked: what it executes its
 * parent has told. */
void preface_write(bool forked);

#endif
