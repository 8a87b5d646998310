/*
 * The null allocator: every block is the same page of nothing, every call returns at once. What a
 * replay costs on it is what the replay itself costs.
 */
#ifndef REPLAYER_NULL_H
#define REPLAYER_NULL_H

/* Makes it answer every kind of call. */
void null_make(void);

#endif
