/* grad.c: see grad.h.
 *
 * One walk over the nodes in reverse order: when a node's turn comes, all its users have added to its gradient, so its rule
 * runs once and adds to its arguments'. Only nodes with a wrt behind them ("wanted") take part: there is no
 * gradient of the first layer's input. Ids at or above ctx->n are the gradient's own nodes.
 */
#include "grad.h"

#include <string.h>

struct GradCtx {
    Graph *g;
    int n;        /* nodes before differentiation */
    bool *wanted; /* by id */
    Node **grad;  /* by id: the sum so far, or null */
};

Graph *grad_graph(GradCtx *ctx) { return ctx->g; }

bool grad_wanted(const GradCtx *ctx, const Node *node) { return node->id < ctx->n && ctx->wanted[node->id]; }

void grad_add(GradCtx *ctx, Node *node, Node *g) {
    if (!grad_wanted(ctx, node)) return;
    ENSURE(type_equal(node->type, g->type));
    Node **sum = &ctx->grad[node->id];
    *sum = *sum ? graph_binary(ctx->g, OP_add, *sum, g) : g;
}

void grad_add_by_result(GradCtx *ctx, OpKind op, Attr attr, Node *n, Node *dy) {
    Graph *g = ctx->g;
    Node *index = dy->op == OP_max_pool_grad ? dy->arg[0] : NULL;
    if (!index || index->op != OP_max_pool_index || index->arg[0] != n) {
        grad_add(ctx, n->arg[0], graph_node(g, op, attr, 2, (Node *[]){n, dy}));
        return;
    }
    Node *pool = graph_node(g, OP_max_pool, index->attr, 1, &n); /* as the forward pass has it */
    Node *pooled = graph_node(g, op, attr, 2, (Node *[]){pool, dy->arg[1]});
    grad_add(ctx, n->arg[0], graph_node(g, OP_max_pool_grad, dy->attr, 2, (Node *[]){index, pooled}));
}

/* Nodes built since `first` need their pass: one that rests on forward values alone can run with them (max_pool_index);
 * of the others, sums over the batch are the weights' part, the rest the data's. */
static void settle_passes(Graph *g, int first) {
    for (int i = first; i < g->nodes.n; i++) {
        Node *n = g->nodes.at[i];
        bool forward = n->nargs > 0;
        for (int k = 0; k < n->nargs; k++) forward = forward && n->arg[k]->pass == NRT_FORWARD;
        n->pass = forward ? NRT_FORWARD : n->type.batched ? NRT_BACKWARD_DATA : NRT_BACKWARD_WEIGHTS;
    }
}

static void run_rule(GradCtx *ctx, Node *n) {
    Graph *g = ctx->g;
    int first = g->nodes.n;
    g->span = n->span;
    g->layer = n->name;
    op_table[n->op].grad(ctx, n, ctx->grad[n->id]);
    settle_passes(g, first);
}

const char *grad_backward(Graph *g, Node *y, Node *dy, int n, Node *const *wrt, Node **grad) {
    GradCtx ctx = {.g = g, .n = g->nodes.n};
    ctx.wanted = ARENA_ARRAY(g->arena, bool, ctx.n);
    ctx.grad = ARENA_ARRAY(g->arena, Node *, ctx.n);
    const char *why = NULL;
    for (int i = 0; i < n; i++) ctx.wanted[wrt[i]->id] = true;
    for (int i = 0; i < ctx.n; i++)
        for (int k = 0; k < g->nodes.at[i]->nargs; k++) ctx.wanted[i] |= ctx.wanted[g->nodes.at[i]->arg[k]->id];
    grad_add(&ctx, y, dy);
    for (int i = y->id; i >= 0 && !why; i--) {
        Node *node = g->nodes.at[i];
        if (!ctx.grad[i] || node->nargs == 0) continue;
        if (op_table[node->op].grad) run_rule(&ctx, node);
        else why = arena_printf(g->arena, "the loss depends on a parameter through %s, which has no gradient rule", op_table[node->op].name);
    }
    for (int i = 0; i < n; i++) grad[i] = ctx.grad[wrt[i]->id];
    return why;
}

/* ---- training ---- */

static bool is_trained(const Node *n) { return n->op == OP_param && n->attr.i[PARAM_ROLE] <= NRT_SHIFT; }

/* "conv1" of "conv1.weight", "" of "weight". */
static const char *layer_of(Arena *a, const char *param) {
    const char *dot = strrchr(param, '.');
    return dot ? arena_intern(a, param, (size_t)(dot - param)) : "";
}

static Node *scaled(Graph *g, Node *x, double factor) { return graph_node(g, OP_scale, (Attr){.f = {factor}}, 1, &x); }

static void add_update(Graph *g, Node *w, Node *grad, Node *lr) {
    const nrt_train *train = &g->model->train;
    g->span = w->span;
    g->layer = layer_of(g->arena, w->name);
    if (train->weight_decay != 0) grad = graph_binary(g, OP_add, grad, scaled(g, w, train->weight_decay));
    if (train->momentum != 0) {
        Node *old = graph_param(g, arena_printf(g->arena, "optim/%s", w->name), w->type, NRT_OPTIM, 0, 0);
        Node *velocity = graph_binary(g, OP_add, scaled(g, old, train->momentum), grad);
        graph_root(g, ROOT_UPDATE, velocity, old);
        grad = train->nesterov ? graph_binary(g, OP_add, grad, scaled(g, velocity, train->momentum)) : velocity;
    }
    graph_root(g, ROOT_UPDATE, graph_node(g, OP_sgd, (Attr){0}, 3, (Node *[]){w, grad, lr}), w);
}

/* Has the graph updates of trained params already? Running statistics have theirs from the start. */
static bool is_built(const Graph *g) {
    for (int i = 0; i < g->roots.n; i++)
        if (g->roots.at[i].kind == ROOT_UPDATE && is_trained(g->roots.at[i].target)) return true;
    return false;
}

const char *grad_build(Graph *g) {
    Node *loss = graph_find_root(g, ROOT_LOSS);
    if (!loss || is_built(g)) return NULL;
    g->span = (Span){0};
    g->layer = "";
    g->pass = NRT_BACKWARD_DATA;
    Node *seed = graph_node(g, OP_image_weight, (Attr){0}, 0, NULL);
    int n = 0;
    Node **param = ARENA_ARRAY(g->arena, Node *, g->nodes.n), **grad = ARENA_ARRAY(g->arena, Node *, g->nodes.n);
    for (int i = 0; i < g->nodes.n; i++)
        if (is_trained(g->nodes.at[i])) param[n++] = g->nodes.at[i];
    const char *why = grad_backward(g, loss, seed, n, param, grad);
    if (why) return why;
    g->span = (Span){0};
    g->layer = "";
    g->pass = NRT_UPDATE;
    Node *lr = graph_node(g, OP_learning_rate, (Attr){0}, 0, NULL);
    for (int i = 0; i < n; i++)
        if (grad[i]) add_update(g, param[i], grad[i], lr);
    return NULL;
}
