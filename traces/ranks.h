/*
 * The Mann-Whitney U test: do values of one sample tend to be larger than those of another?
 *
 * Source: H. B. Mann, D. R. Whitney, "On a test of whether one of two random variables is
 * stochastically larger than the other", Annals of Mathematical Statistics 18 (1947); the exact law
 * with ties by the shift algorithm of B. Streitberg, J. Roehmel, "Exact distributions for
 * permutation and rank tests", Statistical Software Newsletter 12 (1986).
 */
#ifndef TRACE_RANKS_H
#define TRACE_RANKS_H

#include <stddef.h>

#define RANKS_EXACT 2500 /* pairs of values: beyond them the normal law is used */

/*
 * The two-sided p of n values against m, both at least 1, equal ones sharing their middle rank.
 * Returns 0 or -ENOMEM.
 */
int ranks_test(double *p, const double *sample, size_t n, const double *base, size_t m);

#endif
