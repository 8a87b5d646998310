/* Kinds of rows: what each does, and which combinations of flags and fields are legal rows. */
#ifndef KIND_H
#define KIND_H

#include "trace.h"

/* Fields that a row has: a field not named holds 0, TRACE_NONE or TRACE_NO_SITE. */
enum {
	FIELD_OBJECT = 1,
	FIELD_OLD = 2,
	FIELD_SITE = 4,
	FIELD_SIZE = 8,
	FIELD_ALIGN = 16,
	FIELD_ADDR = 32,
	FIELDS_ALL = 63,
};

#define KIND_FLAGS_ALL (TRACE_FAILED | TRACE_MOVED | TRACE_FOREIGN | TRACE_REPAIRED)
#define KIND_MAX       127 /* kinds fit into seven bits */

/* NULL when rows of this kind, flags and fields are legal; else a few words that say why not. */
const char *kind_illegal(unsigned kind, unsigned flags, unsigned fields);

#endif
