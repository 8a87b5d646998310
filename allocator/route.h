/*
 * Routes: where a call goes on when the fast path has nothing for it. The usual ones lead to the
 * pools; with rules loaded, no fast path ever has anything, and the others ask for the site's rule
 * first. A route that is not given the caller's frame is reached by a jump from the function that
 * the program called, never by a call, and so finds the program's return address on its own stack.
 */
#ifndef ROUTE_H
#define ROUTE_H

#include <stddef.h>
#include <stdint.h>

#include "class.h"

struct route {
	void *(*alloc)(size_t size);
	void *(*fresh)(size_t size); /* the same for C++: never NULL */
	void *(*zeroed)(size_t size);
	void *(*aligned)(size_t align, size_t size);
	void *(*resize)(void *ptr, size_t size);
	void *(*plain)(size_t size); /* with rules: where a call goes that none is about */
	/* Given the frame: see ROUTE_BASE. */
	void *(*alloc_at)(size_t size, const uintptr_t *base);
	void *(*aligned_at)(size_t align, size_t size, const uintptr_t *base);
};

extern HIDDEN struct route route;

/* The kinds; thread_start takes the one that the options ask for. Counted: every allocation passes
 * alloc_counted. */
extern HIDDEN const struct route route_usual, route_counted, route_sited;

/*
 * The frame of the function that uses it: there lies the caller's frame pointer, above it the
 * return address and right above that the canonical frame address.
 */
#define ROUTE_BASE ((const uintptr_t *)__builtin_frame_address(0))

#endif
