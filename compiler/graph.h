/* graph.h: the graph, first of netc's three intermediate forms: typed tensor operators without order or memory.
 *
 * Nodes are immutable and hash-consed: building the same operator on the same arguments gives the same node, and the list
 * of nodes is in topological order (arguments first). What an operator means, its shape, gradient, reference evaluation
 * and lowering stand in one row of ops.def and one file of ops/. Forward, backward and update live in one graph: the
 * gradient's nodes carry the span and the layer of the node that they come from, and `pass` says which part of the step
 * they belong to.
 *
 * Values are batched tensors (one array for each image) or unbatched ones (weights and their gradients); a reduction
 * over the batch turns the first kind into the second. The batch size is not known to the graph.
 */
#ifndef NETC_GRAPH_H
#define NETC_GRAPH_H

#include "model.h"

typedef enum OpKind {
#define OP(name, ...) OP_##name,
#include "ops.def"
    OP_COUNT
} OpKind;

enum { ATTR_INTS = 10, ATTR_FLOATS = 2 };
typedef struct Attr { /* meaning: the operator's schema in ops.def; unused ones are 0 */
    int64_t i[ATTR_INTS];
    double f[ATTR_FLOATS];
} Attr;

/* Places of the attributes in Attr.i. */
enum { CONV_STRIDE = 0, CONV_PAD = 2, CONV_DILATION = 4, CONV_GROUPS = 6, CONV_SIZE = 7 /* conv_dx: of x; conv_dw: of the kernel */, CONV_BY_INPUT = 9 /* conv_dx */ };
enum { BY_INPUT_GROUPS = 0, BY_INPUT_LINE = 1 };
/* Winograd's data, image, gradient and weights have TILE to STRIDE in common, the first two TURNED, too: of dx from dy, else of y from x. */
enum { WINOGRAD_TILE = 0, WINOGRAD_KERNEL = 1, WINOGRAD_STRIDE = 2, WINOGRAD_TURNED = 3, WINOGRAD_PAD = 4 /* data; image: one, modulo the stride */, WINOGRAD_TILES = 6 /* data */, WINOGRAD_SIZE = 5 /* image */ };
enum { WINOGRAD_KERNEL_PACK = 1, WINOGRAD_KERNEL_LINE = 2, WINOGRAD_KERNEL_TURNED = 3, WINOGRAD_KERNEL_GROUPS = 4, WINOGRAD_KERNEL_STRIDE = 5, WINOGRAD_KERNEL_PAD = 6 /* modulo the stride */ };
enum { WINOGRAD_GROUPS = 1 /* product and sum */ };
enum { POOL_WINDOW = 0, POOL_STRIDE = 2, POOL_PAD = 4, POOL_SIZE = 6 /* of x */ };
enum { ADAPTIVE_AXIS = 0, ADAPTIVE_SIZE = 1 /* bins; of the gradient: points of x */ };
enum { CHANNELS_FIRST = 0, CHANNELS_COUNT = 1 };
enum { SHAPE_RANK = 0, SHAPE_DIM = 1 /* input, target, reshape */ };
enum { PARAM_ROLE = 0, PARAM_FAN_IN = 1, PARAM_FAN_OUT = 2, PARAM_RANK = 3, PARAM_DIM = 4 };

typedef struct Node Node;
struct Node {
    OpKind op;
    int id;            /* place in graph->nodes */
    Type type;
    Attr attr;
    int nargs;
    Node **arg;
    const char *name;  /* interned. param: "conv1.weight"; else the layer's name or "": only for people and `time` */
    nrt_pass pass;
    Span span;
};

typedef enum { ROOT_OUTPUT, ROOT_LOSS, ROOT_UPDATE, ROOT_INFER_OUTPUT, ROOT_INFER_LOSS } RootKind;
typedef struct Root {   /* what the graph is for: nothing else keeps a node alive */
    RootKind kind;
    Node *node;         /* OUTPUT: the network's output, batched; LOSS: each image's loss, batched rank 0; UPDATE: the new value of `target`.
                         * INFER_OUTPUT, INFER_LOSS: the same in inference, where that is another node (infer.h) */
    Node *target;       /* UPDATE: the param (or state) that is replaced; else null */
} Root;

typedef struct Graph {
    Arena *arena;
    Model *model;
    VEC(Node *) nodes;
    VEC(Root) roots;
    struct NodeTable *table; /* for hash-consing; graph.c's own */
    /* What nodes built from now on are given: set by whoever builds (elaborate: the layer; grad: the forward node's). */
    Span span;
    const char *layer;
    nrt_pass pass;
} Graph;

Graph *graph_new(Arena *a, Model *model);
/* The node op(args) with these attributes; its type comes from the operator's shape rule, which must accept them: who
 * may be wrong asks graph_infer first. Equal nodes are built once. */
Node *graph_node(Graph *g, OpKind op, Attr attr, int nargs, Node *const *args);
/* Shorthands of graph_node. */
Node *graph_unary(Graph *g, OpKind op, Node *a);
Node *graph_binary(Graph *g, OpKind op, Node *a, Node *b);
/* A parameter, or other state, of this name and type; the same name gives the same node, and must come with the same type. */
Node *graph_param(Graph *g, const char *name, Type type, nrt_role role, int64_t fan_in, int64_t fan_out);
void graph_root(Graph *g, RootKind kind, Node *node, Node *target);
/* The parameter of this name, or null. */
Node *graph_find_param(const Graph *g, const char *name);
/* The first root of that kind, or null. */
Node *graph_find_root(const Graph *g, RootKind kind);
/* Drops the nodes that no root needs and numbers the rest anew, in an order that keeps arguments first. */
void graph_sweep(Graph *g);
/* The graph's nodes become these n of them, in this order, which keeps arguments first; the others leave. */
void graph_order(Graph *g, Node *const *nodes, int n);
/* null, or what is wrong: every node's type is what its shape rule says, arguments come first, no node is there twice, sources
 * and roots have the model's types, and there is an output. */
const char *graph_verify(const Graph *g);

/* ---- the operator table ---- */

typedef struct GradCtx GradCtx;
/* Adds `g` to the gradient of `node`, an argument of the node whose rule is running. */
void grad_add(GradCtx *ctx, Node *node, Node *g);
/* Does anyone want the gradient of `node`? (Is there a trained parameter behind it?) Rules may skip work where not. */
bool grad_wanted(const GradCtx *ctx, const Node *node);
Graph *grad_graph(GradCtx *ctx);
/* Adds op(n, dy), the gradient of a pointwise operator n in its argument where the derivative follows from n's result. If dy is what a
 * max_pool of n hands back, the derivative is taken of the pool's results instead: each dy goes to a point that has its window's
 * result, so it comes to the same, with fewer numbers, and n itself need not be kept. */
void grad_add_by_result(GradCtx *ctx, OpKind op, Attr attr, Node *n, Node *dy);

typedef struct OpInfo {
    const char *name;
    int nargs;             /* -1: one or more */
    const char *attrs;     /* schema: "stride:2=1 groups:1=1 slope:f" (see ops.def) */
    const char *doc;       /* one line: the formula */
    /* Type of the result; returns null, or (arena text) why the arguments do not fit, in the words of the diagnostics. */
    const char *(*shape)(Arena *a, const Attr *attr, int nargs, const Type *args, Type *out);
    /* Adds the gradients of n's arguments, given dy, the gradient of n. Null: not differentiable (backward operators, losses' parts). */
    void (*grad)(GradCtx *ctx, Node *n, Node *dy);
    /* Reference in float64: out = op(args). Batched tensors are [batch][dims]; labels and indices are doubles too. Null for sources (input, param, ...). */
    void (*eval)(const Node *n, int64_t batch, const double *const *args, double *out);
} OpInfo;

extern const OpInfo op_table[OP_COUNT];

/* One field of a schema. */
typedef struct AttrField {
    const char *name;
    int name_n;          /* bytes of name, which is not terminated */
    enum { FIELD_INTS, FIELD_REAL, FIELD_ROLE, FIELD_SHAPE } kind;
    int slot, n;         /* first place in Attr.i or Attr.f, and how many; of a shape 1 + its dimensions */
    bool has_default;
    int64_t initial;     /* default of each of the integers */
    int ints_used, reals_used; /* of Attr.i and Attr.f, up to and with this field */
} AttrField;
/* Steps to the next field of a schema. Starts with *f zeroed and *p at the schema's start; false at its end. */
bool attr_next(const char **p, AttrField *f);

/* Runs a shape rule without building: null and *out, or the reason. Any attributes and argument types may be asked about. */
const char *graph_infer(Arena *a, OpKind op, const Attr *attr, int nargs, const Type *args, Type *out);

#endif
