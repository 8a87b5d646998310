/* Prints a comparison for people. */
#ifndef REPLAYER_TABLE_H
#define REPLAYER_TABLE_H

#include "contest.h"

#include <stdio.h>

void table_print(FILE *out, const struct contest *contest);

#endif
