/* channel_nest.h: sums for each channel over batch, h and w, which biases and batch norm both need. */
#ifndef NETC_OPS_CHANNEL_NEST_H
#define NETC_OPS_CHANNEL_NEST_H

#include "../lower.h"

/* Lowers n: sum[c] over all elements of a tensor of type x, images or flat. `term` gives the sum so far with the element at `at` (an
 * index into x) in it, for the lane's image; lanes are folded at the end. */
typedef const Expr *ChannelTerm(Lower *lw, const Node *n, const Affine *at, const Expr *sum);
void lower_channel_nest(Lower *lw, const Node *n, Type x, ChannelTerm *term);
/* The same for n and, where `twin` is not null, for the sum of its own terms in the same pass. */
void lower_channel_twins(Lower *lw, const Node *n, Type x, ChannelTerm *term, const Node *twin, ChannelTerm *twin_term);
/* The rule reads_cells of such sums over argument 0, which take a cell's points one after the other; not for single points, which would better be a map if they are to be made. */
bool sums_by_cells(const Node *n, int arg, const Cells *cells, int lanes);
/* What channel_sum adds up. */
ChannelTerm channel_sum_term;
/* A nest of n over `count` channels from `first` on, with the elements of one to sum: `at` becomes an element's place in x. */
Nest *lower_channel_elements(Lower *lw, const Node *n, Type x, Affine first, int64_t count, Affine at[3]);
/* The nest's sum of elements in each lane, compensated for rounding (Kahan, 1965): however many there are, it is within some 2 u |sum| of exact. */
const Expr *lower_exact_sum(Lower *lw, Nest *nest, const Expr *element);
/* As lower_channel_nest, for such a sum. */
void lower_channel_nest_exactly(Lower *lw, const Node *n, Type x, const Expr *(*element)(Lower *lw, const Node *n, const Affine *at));

#endif
