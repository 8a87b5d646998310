#include "exporter.h"

#include <err.h>
#include <errno.h>
#include <inttypes.h>

void exporter_tell(const char *sentence)
{
	warnx("%s", sentence);
}

/* The number of the row that failed, for people. */
static void explain(struct exporter_job *job, int error, uint64_t row)
{
	if (error == -ESRCH || error == -EEXIST || error == -ERANGE)
		snprintf(job->error, sizeof(job->error),
			 "%s: row %" PRIu64
			 " is out of order, nothing is exported ('haktrace verify' tells why)",
			 job->path, row);
}

int exporter_rows(struct exporter_job *job,
		  int (*row)(void *context, const struct trace_event *event), void *context)
{
	const struct trace_batch *batch;
	struct trace_cursor *cursor;
	int status = trace_cursor_open(&cursor, job->trace, NULL), error = 0;

	if (status)
		return status;
	while (!error && (status = trace_cursor_next(cursor, &batch)) > 0) {
		for (size_t i = 0; !error && i < batch->rows; i++) {
			struct trace_event event = trace_batch_event(batch, i);

			error = row(context, &event);
			explain(job, error, batch->first_row + i);
		}
		if (job->stream && ferror(job->stream))
			break; /* whoever opened it tells */
	}
	trace_cursor_close(cursor);
	return error ? error : status < 0 ? status : 0;
}
