/* noise.h: how far float arithmetic may be off, number by number, at any node of a graph: stochastic arithmetic in float64.
 *
 * The rule for one sum of products is |error| <= 16 u sum|x||w|, u = 2^-24. A network has no such sum: errors
 * pass through what comes after, grow, cancel, meet themselves again where branches join. A relative tolerance fails where the true
 * gradient is zero by cancellation, and a worst-case bound that is carried along is useless after a few layers (it takes
 * sum|w| for every layer's gain, twice over for backward). So the rounding errors are played through. Beside the exact
 * evaluation run NOISE_RUNS others that spoil every number where it is computed, by a random error with a standard deviation of what
 * one operator's rounding is: u sum|terms| of its own sum, u |result| for a product, nothing for what is exact (noise_terms.c). As much
 * again is common to all numbers of a node, since a constant such as 1/M is rounded once, and a polynomial errs to one side. How
 * far they end from the exact run is the node's noise, in which all gains and cancellations are those of the network at hand. The rule
 * for a node is then |error| <= NOISE_LIMIT * noise: for a single sum, 11 u sum|terms|.
 *
 * Eight runs tell a scale within a factor of two or so, but a few numbers of very many seem far more exact than they are; so a number's
 * noise is never taken for less than the root mean square of its tensor's. Where all runs agree with the exact one to
 * the bit (zeros, what was dropped or never moved), arithmetic is exact, and float must agree too.
 *
 * Kinks: where float might take another side of a relu or another winner of a max_pool than float64 does, the gradients differ by
 * more than noise, rightly. noise_kink finds such numbers (nearer to their kink than NOISE_LIMIT times their noise), and
 * who compares draws other numbers: nothing is excused. Ties that are exact are no such case: the first maximum wins in both.
 */
#ifndef NOISE_H
#define NOISE_H

#include "../../compiler/eval.h"

enum { NOISE_RUNS = 8, NOISE_LIMIT = 8 };
#define NOISE_UNIT 0x1p-24

typedef struct Noise Noise;

/* Runs `exact`, whose sources are set, and its spoiled companions. */
Noise *noise_run(Arena *a, const Graph *g, Eval *exact, int64_t batch);
/* The noise of every number of a node: eval_count of them, from a. */
double *noise_of(const Noise *z, const Node *n);
/* null, or which number of which node lies too near to a kink. */
const char *noise_kink(const Noise *z);
/* The largest sum|terms| of any node: below 2^24, arithmetic on whole numbers is exact in float. */
double noise_largest_sum(const Noise *z);

/* sum|terms| of each number of a node, u of which is its rounding: what noise_run asks for each node. */
void noise_terms(Arena *a, const Node *n, int64_t batch, const double *const *args, const double *out, double *terms);
/* The same of Winograd's transforms of `in` (noise_winograd.c). */
void noise_transform_terms(const Node *n, int64_t batch, const double *in, double *terms);

#endif
