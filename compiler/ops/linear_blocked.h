/* linear_blocked.h: the runs of output features in which linear_blocked.c and linear.c lower large linear layers. */
#ifndef NETC_LINEAR_BLOCKED_H
#define NETC_LINEAR_BLOCKED_H

#include "../lower.h"

/* Do many output features go through so many terms (y: features of x; dw: dy's rows go through those of x) that these are better taken run by run? */
bool linear_has_long_rows(int64_t terms, int64_t features, int lanes);
/* Calls `lower` for each run of n's output features, from number `first` on, whose items they are; what is left over is the last. Loops over them are open. */
void linear_each_run(Lower *lw, const Node *n, void (*lower)(Lower *lw, const Node *n, Affine first, int64_t run));
/* LowerRule.turns_lanes of linear and linear_dx. */
bool linear_blocks_rows(const Node *n, int lanes);
bool linear_blocks_columns(const Node *n, int lanes);
/* Lowers a linear or linear_dx across the batch, block by block of its terms. */
void lower_linear_blocked(Lower *lw, const Node *n);

#endif
