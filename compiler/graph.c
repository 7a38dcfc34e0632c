/* graph.c: see graph.h.
 *
 * Hash-consing: a table with open addressing holds every node under its operator, attributes and arguments (a param
 * under its name); building looks there first. As arguments exist before the node that uses them, the list of nodes is
 * in topological order all by itself, and ids compare like places in it.
 */
#include "ops.h"

#include <string.h>

struct NodeTable {
    Node **slot; /* a power of two of them, at most half in use */
    int size;
};

/* ---- hash-consing ---- */

static uint64_t hash_bytes(uint64_t h, const void *p, size_t n) {
    const unsigned char *b = p;
    for (size_t i = 0; i < n; i++) h = (h ^ b[i]) * 0x100000001b3u; /* FNV-1a */
    return h;
}

static uint64_t node_hash(const Node *n) {
    uint64_t h = hash_bytes(0xcbf29ce484222325u, &n->op, sizeof n->op);
    if (n->op == OP_param) return hash_bytes(h, &n->name, sizeof n->name);
    h = hash_bytes(h, &n->attr, sizeof n->attr);
    return n->nargs ? hash_bytes(h, n->arg, sizeof *n->arg * (size_t)n->nargs) : h;
}

static bool node_same(const Node *a, const Node *b) {
    if (a->op != b->op) return false;
    if (a->op == OP_param) return a->name == b->name;
    if (a->nargs != b->nargs || memcmp(&a->attr, &b->attr, sizeof a->attr) != 0) return false;
    return a->nargs == 0 || memcmp(a->arg, b->arg, sizeof *a->arg * (size_t)a->nargs) == 0;
}

/* The slot of a node equal to n, or the empty one where it belongs. */
static Node **table_find(const struct NodeTable *t, const Node *n) {
    unsigned mask = (unsigned)t->size - 1;
    unsigned i = (unsigned)(node_hash(n) >> 20) & mask;
    while (t->slot[i] && !node_same(t->slot[i], n)) i = (i + 1) & mask;
    return &t->slot[i];
}

static void table_rebuild(Graph *g, int size) {
    *g->table = (struct NodeTable){.slot = ARENA_ARRAY(g->arena, Node *, size), .size = size};
    for (int i = 0; i < g->nodes.n; i++) *table_find(g->table, g->nodes.at[i]) = g->nodes.at[i];
}

/* The node equal to `like`, or a new one: a copy of it with its own arguments. */
static Node *node_intern(Graph *g, const Node *like) {
    Node *found = *table_find(g->table, like);
    if (found) return found;
    if (2 * (g->nodes.n + 1) > g->table->size) table_rebuild(g, 2 * g->table->size);
    Node *n = arena_copy(g->arena, like, sizeof *like);
    if (n->nargs) n->arg = arena_copy(g->arena, like->arg, sizeof *like->arg * (size_t)like->nargs);
    n->id = g->nodes.n;
    *table_find(g->table, n) = n;
    VEC_PUSH(g->arena, &g->nodes, n);
    return n;
}

/* ---- building ---- */

Graph *graph_new(Arena *a, Model *model) {
    enum { START_SIZE = 64 };
    Graph *g = ARENA_NEW(a, Graph);
    g->arena = a;
    g->model = model;
    g->table = ARENA_NEW(a, struct NodeTable);
    table_rebuild(g, START_SIZE);
    return g;
}

static Type infer_or_bug(Graph *g, OpKind op, const Attr *attr, int nargs, Node *const *args) {
    Type *types = ARENA_ARRAY(g->arena, Type, nargs ? nargs : 1), out;
    for (int i = 0; i < nargs; i++) {
        ENSURE(args[i]->id < g->nodes.n && g->nodes.at[args[i]->id] == args[i]);
        types[i] = args[i]->type;
    }
    const char *why = graph_infer(g->arena, op, attr, nargs, types, &out);
    if (why) BUG("%s: %s", op_table[op].name, why);
    return out;
}

static Node *build(Graph *g, OpKind op, const char *name, Attr attr, int nargs, Node *const *args) {
    Node like = {.op = op, .attr = attr, .nargs = nargs, .arg = (Node **)args, .pass = g->pass, .span = g->span};
    like.name = arena_name(g->arena, name ? name : "");
    like.type = infer_or_bug(g, op, &attr, nargs, args);
    return node_intern(g, &like);
}

Node *graph_node(Graph *g, OpKind op, Attr attr, int nargs, Node *const *args) {
    ENSURE(op != OP_param);
    return build(g, op, g->layer, attr, nargs, args);
}

Node *graph_unary(Graph *g, OpKind op, Node *a) { return graph_node(g, op, (Attr){0}, 1, &a); }
Node *graph_binary(Graph *g, OpKind op, Node *a, Node *b) { return graph_node(g, op, (Attr){0}, 2, (Node *[]){a, b}); }

Node *graph_param(Graph *g, const char *name, Type type, nrt_role role, int64_t fan_in, int64_t fan_out) {
    Attr attr = {0};
    attr.i[PARAM_ROLE] = role;
    attr.i[PARAM_FAN_IN] = fan_in;
    attr.i[PARAM_FAN_OUT] = fan_out;
    attr.i[PARAM_RANK] = type.rank;
    for (int i = 0; i < type.rank; i++) attr.i[PARAM_DIM + i] = type.dim[i];
    Node *n = build(g, OP_param, name, attr, 0, NULL);
    ENSURE(type_equal(n->type, type));
    return n;
}

void graph_root(Graph *g, RootKind kind, Node *node, Node *target) {
    Root root = {.kind = kind, .node = node, .target = target};
    VEC_PUSH(g->arena, &g->roots, root);
}

/* ---- looking ---- */

Node *graph_find_param(const Graph *g, const char *name) {
    Node like = {.op = OP_param, .name = arena_name(g->arena, name)};
    return *table_find(g->table, &like);
}

Node *graph_find_root(const Graph *g, RootKind kind) {
    for (int i = 0; i < g->roots.n; i++)
        if (g->roots.at[i].kind == kind) return g->roots.at[i].node;
    return NULL;
}

/* ---- sweeping ---- */

void graph_sweep(Graph *g) {
    bool *live = ARENA_ARRAY(g->arena, bool, g->nodes.n + 1);
    for (int i = 0; i < g->roots.n; i++) {
        live[g->roots.at[i].node->id] = true;
        if (g->roots.at[i].target) live[g->roots.at[i].target->id] = true;
    }
    for (int i = g->nodes.n - 1; i >= 0; i--)
        for (int k = 0; live[i] && k < g->nodes.at[i]->nargs; k++) live[g->nodes.at[i]->arg[k]->id] = true;
    int kept = 0, before = g->nodes.n;
    for (int i = 0; i < before; i++)
        if (live[i]) g->nodes.at[kept++] = g->nodes.at[i];
    graph_order(g, g->nodes.at, kept);
}

void graph_order(Graph *g, Node *const *nodes, int n) {
    bool fewer = n < g->nodes.n;
    for (int i = 0; i < n; i++) {
        g->nodes.at[i] = nodes[i];
        nodes[i]->id = i;
    }
    g->nodes.n = n;
    if (fewer) table_rebuild(g, g->table->size);
}

/* ---- verifying ---- */

/* Text of what is wrong with node number i. */
#define WRONG(g, i, ...) arena_printf((g)->arena, "node %d (%s): %s", (i), op_table[(g)->nodes.at[i]->op].name, arena_printf((g)->arena, __VA_ARGS__))

static const char *verify_node(const Graph *g, int i) {
    const Node *n = g->nodes.at[i];
    if ((unsigned)n->op >= OP_COUNT) return arena_printf(g->arena, "node %d: unknown operator %d", i, (int)n->op);
    if (n->id != i) return WRONG(g, i, "has id %d", n->id);
    if ((unsigned)n->pass > NRT_OTHER) return WRONG(g, i, "unknown pass %d", (int)n->pass);
    Type *types = ARENA_ARRAY(g->arena, Type, n->nargs ? n->nargs : 1), out;
    for (int k = 0; k < n->nargs; k++) {
        int id = n->arg[k]->id;
        if (id < 0 || id >= i || g->nodes.at[id] != n->arg[k]) return WRONG(g, i, "argument %d does not come before it", k + 1);
        types[k] = n->arg[k]->type;
        if (n->arg[k]->op == OP_copy && n->op != OP_copy) return WRONG(g, i, "argument %d is a copy, which only a root or another copy may name", k + 1);
    }
    const char *why = graph_infer(g->arena, n->op, &n->attr, n->nargs, types, &out);
    if (why) return WRONG(g, i, "%s", why);
    if (!type_equal(out, n->type)) return WRONG(g, i, "has type %s, its operator gives %s", type_text(g->arena, n->type), type_text(g->arena, out));
    if (*table_find(g->table, n) != n) return WRONG(g, i, "is there twice");
    return NULL;
}

/* What cannot be seen from one node's types: sources are the model's, and nll and softmax get the logsumexp of their own first argument. */
static const char *verify_meaning(const Graph *g, int i) {
    const Node *n = g->nodes.at[i];
    const Model *m = g->model;
    if (n->op == OP_input && !type_equal(n->type, m->input)) return WRONG(g, i, "the network's input is %s", type_text(g->arena, m->input));
    if (n->op == OP_target && !type_equal(n->type, m->output)) return WRONG(g, i, "the network's output is %s", type_text(g->arena, m->output));
    if (n->op == OP_labels && (m->output.rank != 1 || n->attr.i[0] != m->output.dim[0]))
        return WRONG(g, i, "%lld classes, the network's output is %s", (long long)n->attr.i[0], type_text(g->arena, m->output));
    if ((n->op == OP_nll || n->op == OP_nll_grad || n->op == OP_softmax) && (n->arg[1]->op != OP_logsumexp || n->arg[1]->arg[0] != n->arg[0]))
        return WRONG(g, i, "its second argument is not the logsumexp of its first");
    return NULL;
}

static const char *verify_root(const Graph *g, int i) {
    const Root *r = &g->roots.at[i];
    int id = r->node->id;
    if (id < 0 || id >= g->nodes.n || g->nodes.at[id] != r->node) return arena_printf(g->arena, "root %d is not of the graph", i);
    bool output = r->kind == ROOT_OUTPUT || r->kind == ROOT_INFER_OUTPUT, loss = r->kind == ROOT_LOSS || r->kind == ROOT_INFER_LOSS;
    if (output && !type_equal(r->node->type, g->model->output))
        return WRONG(g, id, "is the output, and the network's output is %s", type_text(g->arena, g->model->output));
    if (loss && !type_equal(r->node->type, type_batched(0, 0, 0, 0))) return WRONG(g, id, "is the loss, which is one number an image");
    if (r->kind == ROOT_UPDATE && (!r->target || r->target->op != OP_param)) return WRONG(g, id, "updates what is not a param");
    if (r->kind == ROOT_UPDATE && !type_equal(r->node->type, r->target->type))
        return WRONG(g, id, "updates a param of type %s", type_text(g->arena, r->target->type));
    if (r->kind != ROOT_UPDATE && r->target) return WRONG(g, id, "has a target but is not an update");
    for (int k = 0; k < i; k++)
        if (g->roots.at[k].kind == r->kind && g->roots.at[k].target == r->target) return WRONG(g, id, "is a second root for the same purpose");
    return NULL;
}

/* Training differentiates the loss: a batch norm behind it normalises by its own input's statistics. */
static const char *verify_training(const Graph *g) {
    bool *behind = ARENA_ARRAY(g->arena, bool, g->nodes.n + 1);
    const Node *loss = graph_find_root(g, ROOT_LOSS);
    if (loss) behind[loss->id] = true;
    for (int i = g->nodes.n - 1; i >= 0; i--) {
        const Node *n = g->nodes.at[i];
        if (behind[i] && n->op == OP_batch_norm && !batch_norm_owns_statistics(n)) return WRONG(g, i, "its statistics are not those of its input");
        for (int k = 0; behind[i] && k < n->nargs; k++) behind[n->arg[k]->id] = true;
    }
    return NULL;
}

const char *graph_verify(const Graph *g) {
    const char *why = NULL;
    for (int i = 0; i < g->nodes.n && !why; i++) why = verify_node(g, i);
    for (int i = 0; i < g->nodes.n && !why; i++) why = verify_meaning(g, i);
    for (int i = 0; i < g->roots.n && !why; i++) why = verify_root(g, i);
    if (!why) why = verify_training(g);
    if (!why && !graph_find_root(g, ROOT_OUTPUT)) why = "the graph has no output";
    return why;
}
