/*
 * The subcommands of haktrace, one file each. Every run() reads its options by argp from a table of
 * its own, prints results on stdout and diagnostics on stderr, and returns 0 (done) or 1 (failed);
 * wrong usage ends the program with 2 inside argp. argv[0] is "haktrace NAME".
 */
#ifndef TRACE_COMMAND_H
#define TRACE_COMMAND_H

#include "trace.h"

int info_run(int argc, char **argv);
int dump_run(int argc, char **argv);
int verify_run(int argc, char **argv);
int import_run(int argc, char **argv);
int exports_run(int argc, char **argv);
int rules_run(int argc, char **argv);
int slice_run(int argc, char **argv);
int anonymize_run(int argc, char **argv);

/* The trace, or NULL after saying on stderr why not. */
struct trace *command_open(const char *path);

#endif
