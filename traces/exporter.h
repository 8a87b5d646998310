/*
 * The formats that haktrace can export to: one file and one row of exports.c's table each. Opening
 * the trace and the file and telling what went wrong is done for them.
 */
#ifndef TRACE_EXPORTER_H
#define TRACE_EXPORTER_H

#include "trace.h"

struct exporter_job {
	struct trace *trace;
	const char *path;   /* of the trace */
	const char *output; /* name of what is written */
	FILE *stream;       /* to write to; its errors are looked at afterwards */
	char note[256];     /* left empty, or what is worth telling when all went well */
	char error[512];    /* why run() failed, where neither the trace nor the stream knows */
};

struct exporter {
	const char *name;
	const char *summary;
	bool opens; /* the exporter opens the output itself: there is no stream */
	/* Returns 0 or a negative errno. */
	int (*run)(struct exporter_job *job);
};

extern const struct exporter exporter_android;
extern const struct exporter exporter_collapsed;
extern const struct exporter exporter_heaptrack;
extern const struct exporter exporter_parquet;
extern const struct exporter exporter_perfetto;
extern const struct exporter exporter_pprof;

/* Tells what is worth knowing on standard error. */
void exporter_tell(const char *sentence);

/*
 * Calls row() for every row of the trace, in order. An error of it ends the reading; those of
 * live_apply() are explained in job->error. Returns 0, or the row's or the trace's error.
 */
int exporter_rows(struct exporter_job *job,
		  int (*row)(void *context, const struct trace_event *event), void *context);

#endif
