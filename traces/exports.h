/* Makes a file from a trace by one exporter. */
#ifndef TRACE_EXPORTS_H
#define TRACE_EXPORTS_H

#include "exporter.h"

/* Opens both, tells on standard error what went wrong and removes what was begun. Returns 0 or 1.
 */
int exports_write(const struct exporter *exporter, const char *path, const char *output);

#endif
