/* What hakrec says at the end. */
#ifndef RECORDER_REPORT_H
#define RECORDER_REPORT_H

#include "recording.h"

#include <stdio.h>

void report_lines(FILE *out, const struct recording *recording); /* one line a trace */
void report_json(FILE *out,
		 const struct recording *recording); /* one JSON object a line, one a trace */

/* Says why recording failed, if it did; returns whether. */
bool report_failure(FILE *out, const struct recording *recording);

#endif
