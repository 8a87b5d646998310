/* Proof of who answers: which mapped file a function belongs to, and that it behaves. */
#ifndef REPLAYER_PROOF_H
#define REPLAYER_PROOF_H

#include "run.h"

/* First byte of the mapped file that holds a function; NULL when none does. */
void *proof_base(const void *function);

/*
 * The file that malloc comes from, as proof_base() gives it. Ends the process when it is not the
 * one ordered; fills the outcome's path and build_id.
 */
void *proof_owner(struct run *run);

/* Blocks of the right size come out and go back in; ends the process when not. */
void proof_behaviour(void);

#endif
