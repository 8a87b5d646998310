/*
 * For unit tests linked with -Wl,--wrap=notice_fatal: a report of misuse comes back to the test
 * instead of ending it. TRAP(statement) runs the statement and gives the report's text, NULL when
 * there was none.
 */
#ifndef TRAP_H
#define TRAP_H

#include <setjmp.h>
#include <stddef.h>

extern jmp_buf trap_point;
extern const char *trap_text;

#define TRAP(statement)                                                                            \
	({                                                                                         \
		trap_text = NULL;                                                                  \
		if (!setjmp(trap_point)) {                                                         \
			statement;                                                                 \
		}                                                                                  \
		trap_text;                                                                         \
	})

#endif
