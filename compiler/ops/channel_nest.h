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
/* What channel_sum adds up. */
ChannelTerm channel_sum_term;
/* The same with compensation for rounding (Kahan, 1965), for a plain sum of elements: `element` is one of them. However many there are, a
 * lane's sum is within some 2 u |sum| of exact. */
void lower_channel_nest_exactly(Lower *lw, const Node *n, Type x, const Expr *(*element)(Lower *lw, const Node *n, const Affine *at));

#endif
