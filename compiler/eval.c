/* eval.c: see eval.h. Every node has an array of its own; the nodes are run in their order. */
#include "eval.h"

#include <string.h>

struct Eval {
    Arena *arena;
    const Graph *g;
    int64_t batch;
    double **value; /* by id; null: not yet known */
};

Eval *eval_new(Arena *a, const Graph *g, int64_t batch) {
    Eval *e = ARENA_NEW(a, Eval);
    *e = (Eval){.arena = a, .g = g, .batch = batch, .value = ARENA_ARRAY(a, double *, g->nodes.n)};
    return e;
}

int64_t eval_count(const Eval *e, const Node *n) { return type_count(n->type) * (n->type.batched ? e->batch : 1); }

static double *room_for(Eval *e, const Node *n) {
    ENSURE(n->id < e->g->nodes.n && e->g->nodes.at[n->id] == n);
    if (!e->value[n->id]) e->value[n->id] = ARENA_ARRAY(e->arena, double, eval_count(e, n));
    return e->value[n->id];
}

void eval_set(Eval *e, const Node *source, const double *values) {
    memcpy(room_for(e, source), values, sizeof *values * (size_t)eval_count(e, source));
}

void eval_fill(Eval *e, const Node *source, double value) {
    double *v = room_for(e, source);
    for (int64_t i = 0; i < eval_count(e, source); i++) v[i] = value;
}

static void run_node(Eval *e, const Node *n, EvalHook *hook, void *ctx) {
    const OpInfo *op = &op_table[n->op];
    if (!op->eval) {
        if (!e->value[n->id]) BUG("eval: %s %s has no value", op->name, n->name);
        return;
    }
    const double **args = ARENA_ARRAY(e->arena, const double *, n->nargs);
    for (int k = 0; k < n->nargs; k++) args[k] = e->value[n->arg[k]->id];
    double *out = room_for(e, n);
    op->eval(n, e->batch, args, out);
    if (hook) hook(ctx, n, args, out);
}

void eval_run_with(Eval *e, EvalHook *hook, void *ctx) {
    for (int i = 0; i < e->g->nodes.n; i++) run_node(e, e->g->nodes.at[i], hook, ctx);
}

void eval_run(Eval *e) { eval_run_with(e, NULL, NULL); }

const double *eval_value(const Eval *e, const Node *n) {
    ENSURE(e->value[n->id]);
    return e->value[n->id];
}
