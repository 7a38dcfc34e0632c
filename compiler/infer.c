/* infer.c: see infer.h.
 *
 * One walk over the nodes behind the output and the loss. A node stands for itself in inference, unless it is replaced (a
 * statistic by the state that a ROOT_UPDATE tracks it with), passed over, or has an argument that is not
 * itself: then it is built again on what its arguments stand for.
 */
#include "infer.h"

typedef struct Infer {
    Graph *g;
    Node **node;  /* by id: what the node stands for in inference; null: not behind a root */
    bool *behind;
    int n;        /* nodes before inference */
} Infer;

static void mark_behind(Infer *f, Node *root) {
    if (root) f->behind[root->id] = true;
    for (int i = f->n - 1; i >= 0; i--)
        for (int k = 0; f->behind[i] && k < f->g->nodes.at[i]->nargs; k++) f->behind[f->g->nodes.at[i]->arg[k]->id] = true;
}

/* Statistics are replaced by their running counterparts. */
static void place_states(Infer *f) {
    for (int i = 0; i < f->g->roots.n; i++) {
        const Root *r = &f->g->roots.at[i];
        bool tracks = r->kind == ROOT_UPDATE && (r->node->op == OP_running_mean_update || r->node->op == OP_running_var_update);
        if (tracks && r->node->arg[0] == r->target) f->node[r->node->arg[1]->id] = r->target;
    }
}

static Node *rebuilt(Infer *f, Node *n) {
    Node **args = ARENA_ARRAY(f->g->arena, Node *, n->nargs + 1);
    bool same = true;
    if (n->op == OP_dropout) return f->node[n->arg[0]->id];
    for (int k = 0; k < n->nargs; k++) {
        args[k] = f->node[n->arg[k]->id];
        same = same && args[k] == n->arg[k];
    }
    if (same) return n;
    f->g->span = n->span;
    f->g->layer = n->name;
    f->g->pass = n->pass;
    return graph_node(f->g, n->op, n->attr, n->nargs, args);
}

static void add_root(Infer *f, RootKind train, RootKind infer) {
    Node *n = graph_find_root(f->g, train);
    if (n && f->node[n->id] != n) graph_root(f->g, infer, f->node[n->id], NULL);
}

void infer_build(Graph *g) {
    if (graph_find_root(g, ROOT_INFER_OUTPUT) || graph_find_root(g, ROOT_INFER_LOSS)) return;
    Infer f = {.g = g, .n = g->nodes.n};
    f.node = ARENA_ARRAY(g->arena, Node *, f.n + 1);
    f.behind = ARENA_ARRAY(g->arena, bool, f.n + 1);
    mark_behind(&f, graph_find_root(g, ROOT_OUTPUT));
    mark_behind(&f, graph_find_root(g, ROOT_LOSS));
    place_states(&f);
    for (int i = 0; i < f.n; i++)
        if (f.behind[i] && !f.node[i]) f.node[i] = rebuilt(&f, g->nodes.at[i]);
    add_root(&f, ROOT_OUTPUT, ROOT_INFER_OUTPUT);
    add_root(&f, ROOT_LOSS, ROOT_INFER_LOSS);
}
