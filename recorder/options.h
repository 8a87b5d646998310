/* hakrec's command line: one table makes the parser, --help and --usage. */
#ifndef RECORDER_OPTIONS_H
#define RECORDER_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

enum options_backend { BACKEND_ANY, BACKEND_PRELOAD, BACKEND_EBPF };

struct options {
	enum options_backend backend;
	int pid;             /* of a running process to attach to, 0: none */
	double seconds;      /* how long to stay attached, 0: until it ends */
	uint64_t ring_bytes; /* between kernel and hakrec (eBPF) */
	bool lossless;       /* eBPF: stop the program rather than drop calls */
	const char *file;    /* NULL: the default name */
	uint64_t max_bytes;  /* of a trace; 0: any */
	uint32_t mode;       /* enum session_mode */
	bool quiet, json;
	char **command; /* the program and its arguments, NULL at the end; none with a pid */
};

/* Reads the command line; does not return from --help, --version and mistakes. */
void options_read(struct options *o, int argc, char **argv);

#endif
