/* eval.h: the graph run in float64, naive and obvious: the judge of every kernel and of every gradient rule.
 *
 * Values are doubles, whatever the element type: a batched value is [batch][dims], labels and indices are whole numbers.
 */
#ifndef NETC_EVAL_H
#define NETC_EVAL_H

#include "graph.h"

typedef struct Eval Eval;

/* A run of the graph as it is now, on `batch` images; memory comes from a. */
Eval *eval_new(Arena *a, const Graph *g, int64_t batch);
/* Numbers in the value of a node. */
int64_t eval_count(const Eval *e, const Node *n);
/* Gives a source (input, labels, param, ...) its value: eval_count numbers, copied. A source may be set anew between runs. */
void eval_set(Eval *e, const Node *source, const double *values);
/* eval_set of eval_count times the same number. */
void eval_fill(Eval *e, const Node *source, double value);
/* Computes every node. Every source must have a value. */
void eval_run(Eval *e);
/* The same, and calls hook behind every node that it computes: it may look at the arguments and change the result, from which what
 * comes after is computed. */
typedef void EvalHook(void *ctx, const Node *n, const double *const *args, double *out);
void eval_run_with(Eval *e, EvalHook *hook, void *ctx);
/* The value of a node: of a source since eval_set, of others since eval_run. */
const double *eval_value(const Eval *e, const Node *n);

#endif
