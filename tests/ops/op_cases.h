/* op_cases.h: for every operator with a gradient rule, cases to try it on: attributes and the types of its arguments.
 *
 * A case is built as y = op(sources), with one source more, dy, of y's type; gradients of <y, dy> in the sources follow from
 * the rules. A kernel's test builds the same cases and compares with the evaluator.
 */
#ifndef OP_CASES_H
#define OP_CASES_H

#include "../../compiler/graph.h"

typedef struct OpCase {
    OpKind op;
    Attr attr;
    Type arg[3];  /* of the arguments that are differentiated; those of nll, softmax and batch_norm that follow from the first are left out */
    bool linear;  /* in each argument */
} OpCase;

extern const OpCase op_cases[];
extern const int op_case_count;

typedef struct BuiltCase {
    int n;
    Node *x[3], *grad[3]; /* the differentiated sources, and the gradients of <y, dy> in them */
    Node *y, *dy;
} BuiltCase;

/* Builds a case, with its gradients, into a graph of its own. */
BuiltCase op_case_build(Graph *g, const OpCase *c);

/* The next of a fixed sequence of numbers in (-1, 1), no two of them alike. */
double op_case_random(uint64_t *state);

#endif
