/*
 * --ablate: hakmem as it is, and hakmem without each of its parts (or every set of them), as
 * allocators of their own. hakmem itself tells its parts.
 */
#ifndef REPLAYER_ABLATION_H
#define REPLAYER_ABLATION_H

#include "allocators.h"
#include "dispatch.h"
#include "request.h"
#include "survey.h"

/*
 * Puts the variants behind the one hakmem of the list. Parts that the trace's sizes do not reach,
 * or that are off anyway, become one that is unused. Returns 0, or a negative errno with the
 * dispatcher's `error` set.
 */
int ablation_make(struct allocators *allocators, const struct request *request,
		  const struct survey *survey, struct dispatcher *dispatcher);

#endif
