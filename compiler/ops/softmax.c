/* softmax.c: exp(x_c) / sum_k exp(x_k) over the channels, at each point of an image by itself.
 *
 * softmax takes the logarithm of the sum from logsumexp of the same x (loss.c), so that nothing overflows; its rule gives the whole
 * gradient in x, with lse's share in it: with y = softmax(x) and s = sum_k y_k dy_k,
 *     dx_c = y_c (dy_c - s)
 */
#include <math.h>

#include "../lower.h"
#include "../ops.h"

/* ---- shapes ---- */

static bool has_channels(Type t) { return op_is_image(t) || op_is_flat(t); }

/* One number for each point: of a flat tensor one in all. */
static Type over_channels(Type t) { return op_is_image(t) ? type_batched(3, 1, t.dim[1], t.dim[2]) : type_batched(0, 0, 0, 0); }

static int64_t point_count(Type t) { return type_count(t) / t.dim[0]; }

static const char *sums_fit(Arena *a, const char *op, Type x, Type sums) {
    if (!has_channels(x)) return arena_printf(a, "%s needs an image or a flat input, got %s", op, op_text(a, x));
    if (type_equal(sums, over_channels(x))) return NULL;
    return arena_printf(a, "%s of %s needs sums over its channels, got %s", op, op_text(a, x), op_text(a, sums));
}

static const char *same_types(Arena *a, const char *op, Type y, Type dy) {
    if (type_equal(y, dy)) return NULL;
    return arena_printf(a, "%s needs a gradient like its argument %s, got %s", op, op_text(a, y), op_text(a, dy));
}

const char *softmax_shape(Arena *a, const Attr *attr, int nargs, const Type *args, Type *out) {
    (void)attr, (void)nargs;
    *out = args[0];
    return sums_fit(a, "softmax", args[0], args[1]);
}

const char *softmax_dot_shape(Arena *a, const Attr *attr, int nargs, const Type *args, Type *out) {
    (void)attr, (void)nargs;
    if (!has_channels(args[0])) return arena_printf(a, "softmax_dot needs an image or a flat input, got %s", op_text(a, args[0]));
    *out = over_channels(args[0]);
    return same_types(a, "softmax_dot", args[0], args[1]);
}

const char *softmax_grad_shape(Arena *a, const Attr *attr, int nargs, const Type *args, Type *out) {
    (void)attr, (void)nargs;
    const char *why = same_types(a, "softmax_grad", args[0], args[1]);
    *out = args[0];
    return why ? why : sums_fit(a, "softmax_grad", args[0], args[2]);
}

/* ---- gradient ---- */

void softmax_grad(GradCtx *ctx, Node *n, Node *dy) {
    Graph *g = grad_graph(ctx);
    Node *x = n->arg[0], *lse = n->arg[1];
    ENSURE(lse->op == OP_logsumexp && lse->arg[0] == x); /* graph_verify holds text to it */
    if (!grad_wanted(ctx, x)) return;
    Node *dot = graph_binary(g, OP_softmax_dot, n, dy);
    grad_add(ctx, x, graph_node(g, OP_softmax_grad, (Attr){0}, 3, (Node *[]){n, dy, dot}));
}

/* ---- reference ---- */

/* The place among the sums of number i of a tensor of type t. */
static int64_t sum_of(Type t, int64_t i) { return i / type_count(t) * point_count(t) + i % point_count(t); }

void softmax_eval(const Node *n, int64_t batch, const double *const *args, double *out) {
    for (int64_t i = 0; i < op_count(n, batch); i++) out[i] = exp(args[0][i] - args[1][sum_of(n->type, i)]);
}

void softmax_dot_eval(const Node *n, int64_t batch, const double *const *args, double *out) {
    const Node *y = n->arg[0];
    for (int64_t i = 0; i < op_count(n, batch); i++) out[i] = 0;
    for (int64_t i = 0; i < op_count(y, batch); i++) out[sum_of(y->type, i)] += args[0][i] * args[1][i];
}

void softmax_grad_eval(const Node *n, int64_t batch, const double *const *args, double *out) {
    for (int64_t i = 0; i < op_count(n, batch); i++) out[i] = args[0][i] * (args[1][i] - args[2][sum_of(n->type, i)]);
}

/* ---- lowering ---- */

typedef struct Points { const Affine *at, *sum; } Points; /* an element of x, and its sum */

/* Axes h and w of an image and, reduced over or not, its channels c. */
static Points point_axes(Lower *lw, Nest *nest, Type x, bool reduce) {
    Arena *a = lower_arena(lw);
    Affine at[3], sum[3] = {affine_const(0)};
    for (int i = 1; i < x.rank; i++) at[i] = sum[i] = lower_affine(lw, nest_axis(a, nest, i == 1 ? "h" : "w", x.dim[i], false), 1, 0);
    at[0] = lower_affine(lw, nest_axis(a, nest, "c", x.dim[0], reduce), 1, 0);
    return (Points){arena_copy(a, at, sizeof at), x.rank > 1 ? arena_copy(a, sum, sizeof sum) : NULL};
}

static void lower_softmax(Lower *lw, const Node *n) {
    Arena *a = lower_arena(lw);
    Nest *nest = lower_nest(lw, n);
    Points p = point_axes(lw, nest, n->type, false);
    lower_emit(lw, nest, n, p.at, expr_unary(a, EXPR_EXP, expr_binary(a, EXPR_SUB, lower_load(lw, n->arg[0], p.at), lower_load(lw, n->arg[1], p.sum))));
}

static void lower_softmax_dot(Lower *lw, const Node *n) {
    Arena *a = lower_arena(lw);
    Nest *nest = lower_nest(lw, n);
    Points p = point_axes(lw, nest, n->arg[0]->type, true);
    const Expr *acc = nest_acc(a, nest, ELEM_F32, expr_real(a, 0));
    nest_update(nest, acc, expr_binary(a, EXPR_ADD, acc, expr_binary(a, EXPR_MUL, lower_load(lw, n->arg[0], p.at), lower_load(lw, n->arg[1], p.at))));
    lower_emit(lw, nest, n, p.sum, acc);
}

static void lower_softmax_grad(Lower *lw, const Node *n) {
    Arena *a = lower_arena(lw);
    Nest *nest = lower_nest(lw, n);
    Points p = point_axes(lw, nest, n->type, false);
    const Expr *beyond = expr_binary(a, EXPR_SUB, lower_load(lw, n->arg[1], p.at), lower_load(lw, n->arg[2], p.sum));
    lower_emit(lw, nest, n, p.at, expr_binary(a, EXPR_MUL, lower_load(lw, n->arg[0], p.at), beyond));
}

const LowerRule softmax_lower = {.kind = LOWER_NEST, .nest = lower_softmax};
const LowerRule softmax_dot_lower = {.kind = LOWER_NEST, .nest = lower_softmax_dot};
const LowerRule softmax_grad_lower = {.kind = LOWER_NEST, .nest = lower_softmax_grad};
