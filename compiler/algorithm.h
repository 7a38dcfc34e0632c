/* algorithm.h: how each convolution is computed. */
#ifndef NETC_ALGORITHM_H
#define NETC_ALGORITHM_H

#include "plan.h"

/* How one pass of a convolution is computed: `key` says what all passes that cost the same have in common ("forward 3x3 64->64 24x24 batch 128"). */
typedef struct AlgorithmNote { const char *layer; nrt_pass pass; const char *key; int tile; /* 0: the direct sum */ } AlgorithmNote;
typedef struct AlgorithmNotes { Arena *arena; VEC(AlgorithmNote) list; } AlgorithmNotes;

/* A pass over the whole graph, gradients included: convolutions, their data and their weight gradients become Winograd's
 * (ops/winograd.c) where that is predicted to be faster on the machine by a clear margin; each of the three on its own, with the tile
 * that suits it; what options->tuned knows is taken as it is. Data gradients that stay direct sums read copies of their weights (ops/weights_by_input.c) where that pays. The roots then name the new
 * nodes; the old ones go with the next graph_sweep. Without options->winograd all sums are direct; without options->tile they read the weights themselves. */
void algorithm_choose(Graph *g, const PlanOptions *options);
/* The same, and takes note of every pass of a convolution that could be Winograd's. */
void algorithm_choose_noting(Graph *g, const PlanOptions *options, AlgorithmNotes *notes);

#endif
