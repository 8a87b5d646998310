/* hakrec's command line: one table makes the parser, --help and --usage. */
#ifndef RECORDER_OPTIONS_H
#define RECORDER_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

struct options {
	const char *file;   /* NULL: the default name */
	uint64_t max_bytes; /* of a trace; 0: any */
	uint32_t mode;      /* enum session_mode */
	bool quiet, json;
	char **command; /* the program and its arguments, NULL at the end */
};

/* Reads the command line; does not return from --help, --version and mistakes. */
void options_read(struct options *o, int argc, char **argv);

#endif
