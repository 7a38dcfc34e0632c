/* algorithm.h: how each convolution is computed. */
#ifndef NETC_ALGORITHM_H
#define NETC_ALGORITHM_H

#include "plan.h"

/* A pass over the whole graph, gradients included: convolutions, their data and their weight gradients of stride 1 become Winograd's
 * (ops/winograd.c) where that is predicted to be faster on the machine by a clear margin; each of the three on its own, with the tile
 * that suits it. The roots then name the new nodes; the old ones go with the next graph_sweep. Does nothing without options->winograd. */
void algorithm_choose(Graph *g, const PlanOptions *options);

#endif
