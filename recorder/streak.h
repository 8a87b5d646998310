/*
 * A streak: records of one lane and one rank that lie one behind the other. The plain ones
 * among them, nearly all of any program's, are dealt with here at the least cost: births, deaths
 * and reallocs that fit, of small blocks without alignment, at sites that the trace knows.
 */
#ifndef RECORDER_STREAK_H
#define RECORDER_STREAK_H

#include "inlet.h"
#include "ledger.h"
#include "sites.h"

struct streak {
	const struct record *records;
	uint64_t count;  /* records to deal with */
	uint64_t seen;   /* records that may be looked at, count or more */
	uint64_t clock;  /* theirs */
	uint32_t thread; /* in the trace */
};

/* Deals with the plain records from the first one on. Returns how many: the one behind has to be
 * dealt with otherwise, or is beyond count. */
uint64_t streak_take(const struct streak *streak, struct ledger *l, const struct sites *sites);

#endif
