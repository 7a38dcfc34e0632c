/* rematerialize.c: see rematerialize.h.
 *
 * The copy of a chain of operators starts from again(x), which is x to everybody but the table of equal nodes. The planner makes what comes of `again` as late as its readers
 * allow, but kernels of a segment keep the order of nodes. So the copy is built before the gradient that its first reader goes with: between the two, it would push that gradient out
 * of the cache, and a relu_grad would ride on it and not on the convolution's gradient.
 */
#include "rematerialize.h"

typedef struct Pass {
    Graph *g;
    int n;         /* nodes before this pass; what follows is by their ids */
    bool *before;  /* does the forward pass read it? */
    bool *behind;  /* does the backward pass? */
    bool *fixed;   /* ... together with what is computed of this very node: logits, with their logsumexp */
    bool *remade;  /* ... as something made again */
    int *place;    /* of those: the node before which it is made */
    Node **anew;   /* the node that makes it, or from which it starts; null until built */
    Node **node;   /* what stands for it otherwise */
    bool *placed;  /* by the new nodes' ids, too: is it in the order? */
    VEC(Node *) order; /* the nodes of the new graph */
} Pass;

static bool is_backward(const Node *n) { return n->pass == NRT_BACKWARD_DATA || n->pass == NRT_BACKWARD_WEIGHTS; }

static bool is_pointwise(const Node *n) { return lower_table[n->op]->kind == LOWER_POINTWISE; }

/* The map that a pointwise operator of the forward pass makes n of, with parameters and statistics; null where that is not one map of the same type. */
static Node *single_map(const Node *n) {
    Node *map = NULL;
    if (n->pass != NRT_FORWARD || !is_pointwise(n) || n->op == OP_copy || n->op == OP_again) return NULL;
    for (int k = 0; k < n->nargs; k++) {
        if (!n->arg[k]->type.batched) continue;
        if (map) return NULL;
        map = n->arg[k];
    }
    return map && type_equal(map->type, n->type) ? map : NULL;
}

/* Is y made of a map that the backward pass has anyway, through none that it would have to keep for this? */
static bool has_base(const Pass *p, const Node *y) {
    const Node *x = single_map(y);
    while (x && !p->behind[x->id]) x = single_map(x);
    return x && lower_table[x->op]->kind != LOWER_SOURCE;
}

/* The latest of the maps of the backward pass that n reads, or null. */
static const Node *latest_map(const Node *n) {
    const Node *latest = NULL;
    for (int k = 0; k < n->nargs; k++)
        if (is_backward(n->arg[k]) && n->arg[k]->type.batched && (!latest || n->arg[k]->id > latest->id)) latest = n->arg[k];
    return latest;
}

/* The node whose kernel n rides on, if it is pointwise. */
static const Node *ridden(const Node *n) {
    const Node *latest = is_pointwise(n) ? latest_map(n) : NULL;
    return latest ? ridden(latest) : n;
}

static void note_reader(Pass *p, const Node *n) {
    const Node *gradient = latest_map(n);
    int first = !is_backward(n) ? -1 : gradient ? ridden(gradient)->id : n->id;
    for (int k = 0; k < n->nargs; k++) {
        int id = n->arg[k]->id;
        p->before[id] |= n->pass == NRT_FORWARD;
        if (first < 0) continue;
        if (!p->behind[id] || first < p->place[id]) p->place[id] = first;
        p->behind[id] = true;
        p->fixed[id] |= n->op == OP_nll_grad;
    }
}

/* x as the backward pass makes it, or has it as the start of what it makes. */
static Node *anew(Pass *p, Node *x) {
    if (p->anew[x->id]) return p->anew[x->id];
    Graph *g = p->g;
    Node **arg = ARENA_ARRAY(g->arena, Node *, x->nargs + 1), *map = single_map(x);
    bool made = p->remade[x->id] || !p->behind[x->id];
    for (int k = 0; made && k < x->nargs; k++) arg[k] = x->arg[k] == map ? anew(p, map) : x->arg[k];
    g->span = x->span;
    g->layer = x->name;
    g->pass = NRT_BACKWARD_DATA;
    return p->anew[x->id] = made ? graph_node(g, x->op, x->attr, x->nargs, arg) : graph_unary(g, OP_again, x);
}

/* What stands for n, whose arguments have what stands for them. */
static Node *rebuilt(Pass *p, Node *n) {
    Node **arg = ARENA_ARRAY(p->g->arena, Node *, n->nargs + 1);
    bool same = true;
    for (int k = 0; k < n->nargs; k++) {
        int id = n->arg[k]->id;
        arg[k] = is_backward(n) && p->remade[id] ? anew(p, n->arg[k]) : p->node[id];
        same = same && arg[k] == n->arg[k];
    }
    p->g->span = n->span;
    p->g->layer = n->name;
    p->g->pass = n->pass;
    return same ? n : graph_node(p->g, n->op, n->attr, n->nargs, arg);
}

/* Puts the node into the order, behind its arguments. A copy may have been in the graph before, further back than it is read now. */
static void place(Pass *p, Node *n) {
    if (p->placed[n->id]) return;
    p->placed[n->id] = true;
    for (int k = 0; k < n->nargs; k++) place(p, n->arg[k]);
    VEC_PUSH(p->g->arena, &p->order, n);
}

/* The nodes to make again, chained by the node before which that is to be: heads by id, the rest by `next`. */
static void rebuild_all(Pass *p) {
    Arena *a = p->g->arena;
    Node **head = ARENA_ARRAY(a, Node *, p->n + 1), **next = ARENA_ARRAY(a, Node *, p->n + 1);
    for (int i = p->n - 1; i >= 0; i--) {
        if (!p->remade[i]) continue;
        next[i] = head[p->place[i]];
        head[p->place[i]] = p->g->nodes.at[i];
    }
    for (int i = 0; i < p->n; i++) {
        for (Node *y = head[i]; y; y = next[y->id]) place(p, anew(p, y));
        p->node[i] = rebuilt(p, p->g->nodes.at[i]);
        place(p, p->node[i]);
    }
}

void rematerialize(Graph *g, const PlanOptions *options) {
    if (!options->rematerialize) return;
    int n = g->nodes.n;
    Arena *a = g->arena;
    Pass p = {.g = g, .n = n, .place = ARENA_ARRAY(a, int, n + 1), .anew = ARENA_ARRAY(a, Node *, n + 1), .node = ARENA_ARRAY(a, Node *, n + 1)};
    p.before = ARENA_ARRAY(a, bool, n + 1);
    p.behind = ARENA_ARRAY(a, bool, n + 1);
    p.fixed = ARENA_ARRAY(a, bool, n + 1);
    p.remade = ARENA_ARRAY(a, bool, n + 1);
    p.placed = ARENA_ARRAY(a, bool, 3 * n + 1); /* each node may get a copy, and another in its place */
    for (int i = 0; i < n; i++) note_reader(&p, g->nodes.at[i]);
    for (int i = 0; i < n; i++) p.remade[i] = p.before[i] && p.behind[i] && !p.fixed[i] && has_base(&p, g->nodes.at[i]);
    rebuild_all(&p);
    for (int i = 0; i < g->roots.n; i++) g->roots.at[i].node = p.node[g->roots.at[i].node->id];
    graph_order(g, p.order.at, p.order.n);
}
