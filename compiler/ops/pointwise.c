/* pointwise.c: operators that work on each number alone, and reshape, which only names it anew.
 *
 * The gradients of activations are taken from their result y, so that x need not be kept.
 */
#include <math.h>

#include "../lower.h"
#include "../ops.h"

/* ---- shapes ---- */

static const char *same_shape(Arena *a, const char *op, Type x, Type *out) {
    if (x.elem != ELEM_F32) return arena_printf(a, "%s needs f32, got %s", op, elem_names[x.elem]);
    *out = x;
    return NULL;
}

/* "cannot add 128x24x24 and 64x48x48" */
static const char *equal_shapes(Arena *a, const char *verb, Type x, Type y, Type *out) {
    if (!type_equal(x, y) || x.elem != ELEM_F32) return arena_printf(a, "cannot %s %s and %s", verb, op_text(a, x), op_text(a, y));
    *out = x;
    return NULL;
}

#define SHAPE_RULE(name) const char *name##_shape(Arena *a, const Attr *attr, int nargs, const Type *args, Type *out)
#define UNARY_SHAPE(name) \
    SHAPE_RULE(name) { return (void)attr, (void)nargs, same_shape(a, #name, args[0], out); }
#define BINARY_SHAPE(name, verb) \
    SHAPE_RULE(name) { return (void)attr, (void)nargs, equal_shapes(a, verb, args[0], args[1], out); }

UNARY_SHAPE(relu)
UNARY_SHAPE(sigmoid)
UNARY_SHAPE(tanh)
UNARY_SHAPE(copy)
UNARY_SHAPE(again)
BINARY_SHAPE(relu_grad, "take relu's gradient of")
BINARY_SHAPE(sigmoid_grad, "take sigmoid's gradient of")
BINARY_SHAPE(tanh_grad, "take tanh's gradient of")
BINARY_SHAPE(add, "add")
BINARY_SHAPE(sub, "subtract")
BINARY_SHAPE(mul, "multiply")

SHAPE_RULE(scale) {
    (void)nargs;
    if (!isfinite(attr->f[0])) return "scale needs a finite factor";
    return same_shape(a, "scale", args[0], out);
}

SHAPE_RULE(reshape) {
    Type x = args[0], y;
    const char *why = input_shape(a, attr, nargs, args, &y);
    if (why) return why;
    if (x.elem != ELEM_F32 || !x.batched || type_count(x) != type_count(y))
        return arena_printf(a, "cannot reshape %s into %s", op_text(a, x), op_text(a, y));
    *out = y;
    return NULL;
}

/* ---- gradients ---- */

void relu_grad(GradCtx *ctx, Node *n, Node *dy) { grad_add_by_result(ctx, OP_relu_grad, n->attr, n, dy); }
void sigmoid_grad(GradCtx *ctx, Node *n, Node *dy) { grad_add_by_result(ctx, OP_sigmoid_grad, n->attr, n, dy); }
void tanh_grad(GradCtx *ctx, Node *n, Node *dy) { grad_add_by_result(ctx, OP_tanh_grad, n->attr, n, dy); }

static Node *scaled(GradCtx *ctx, Node *x, double factor) {
    return graph_node(grad_graph(ctx), OP_scale, (Attr){.f = {factor}}, 1, &x);
}

void add_grad(GradCtx *ctx, Node *n, Node *dy) {
    grad_add(ctx, n->arg[0], dy);
    grad_add(ctx, n->arg[1], dy);
}

void sub_grad(GradCtx *ctx, Node *n, Node *dy) {
    grad_add(ctx, n->arg[0], dy);
    if (grad_wanted(ctx, n->arg[1])) grad_add(ctx, n->arg[1], scaled(ctx, dy, -1));
}

void mul_grad(GradCtx *ctx, Node *n, Node *dy) {
    for (int k = 0; k < 2; k++)
        if (grad_wanted(ctx, n->arg[k])) grad_add(ctx, n->arg[k], graph_binary(grad_graph(ctx), OP_mul, dy, n->arg[1 - k]));
}

void scale_grad(GradCtx *ctx, Node *n, Node *dy) { grad_add(ctx, n->arg[0], scaled(ctx, dy, n->attr.f[0])); }

void copy_grad(GradCtx *ctx, Node *n, Node *dy) { grad_add(ctx, n->arg[0], dy); }
void again_grad(GradCtx *ctx, Node *n, Node *dy) { grad_add(ctx, n->arg[0], dy); }

void reshape_grad(GradCtx *ctx, Node *n, Node *dy) {
    Type x = n->arg[0]->type;
    Attr back = {.i = {x.rank, x.dim[0], x.dim[1], x.dim[2]}};
    for (int i = x.rank; i < 3; i++) back.i[SHAPE_DIM + i] = 0;
    grad_add(ctx, n->arg[0], graph_node(grad_graph(ctx), OP_reshape, back, 1, &dy));
}

/* ---- reference ---- */

#define EVAL_RULE(name, formula) \
    void name##_eval(const Node *n, int64_t batch, const double *const *args, double *out) { \
        const double *a = args[0], *b = args[op_table[OP_##name].nargs - 1]; \
        for (int64_t i = 0; i < op_count(n, batch); i++) out[i] = (formula); \
        (void)b; \
    }

EVAL_RULE(relu, a[i] <= 0 ? 0 : a[i]) /* NaN stays NaN */
EVAL_RULE(sigmoid, 1 / (1 + exp(-a[i])))
EVAL_RULE(tanh, tanh(a[i]))
EVAL_RULE(relu_grad, a[i] > 0 ? b[i] : 0)
EVAL_RULE(sigmoid_grad, b[i] * a[i] * (1 - a[i]))
EVAL_RULE(tanh_grad, b[i] * (1 - a[i] * a[i]))
EVAL_RULE(add, a[i] + b[i])
EVAL_RULE(sub, a[i] - b[i])
EVAL_RULE(mul, a[i] * b[i])
EVAL_RULE(scale, n->attr.f[0] * a[i])
EVAL_RULE(copy, a[i])
EVAL_RULE(again, a[i])
EVAL_RULE(reshape, a[i])

/* ---- lowering: x, y are args[0] or args[1] as the rows of ops.def say ---- */

#define POINT(name) static const Expr *name##_point(Lower *lw, const Node *n, const Expr *const *x, const Affine *at)
#define RULE(name) const LowerRule name##_lower = {.kind = LOWER_POINTWISE, .pointwise = name##_point}

/* NaN stays NaN: only what compares as <= 0 is cut. */
POINT(relu) {
    (void)n, (void)at;
    Arena *a = lower_arena(lw);
    return expr_ternary(a, EXPR_SELECT, expr_binary(a, EXPR_LE, x[0], expr_real(a, 0)), expr_real(a, 0), x[0]);
}

POINT(relu_grad) {
    (void)n, (void)at;
    Arena *a = lower_arena(lw);
    return expr_ternary(a, EXPR_SELECT, expr_binary(a, EXPR_LE, x[0], expr_real(a, 0)), expr_real(a, 0), x[1]);
}

POINT(sigmoid) {
    (void)n, (void)at;
    return expr_unary(lower_arena(lw), EXPR_SIGMOID, x[0]);
}

POINT(sigmoid_grad) {
    (void)n, (void)at;
    Arena *a = lower_arena(lw);
    const Expr *slope = expr_binary(a, EXPR_MUL, x[0], expr_binary(a, EXPR_SUB, expr_real(a, 1), x[0]));
    return expr_binary(a, EXPR_MUL, x[1], slope);
}

POINT(tanh) {
    (void)n, (void)at;
    return expr_unary(lower_arena(lw), EXPR_TANH, x[0]);
}

POINT(tanh_grad) {
    (void)n, (void)at;
    Arena *a = lower_arena(lw);
    const Expr *slope = expr_ternary(a, EXPR_FMA, expr_unary(a, EXPR_NEG, x[0]), x[0], expr_real(a, 1));
    return expr_binary(a, EXPR_MUL, x[1], slope);
}

POINT(add) {
    (void)n, (void)at;
    return expr_binary(lower_arena(lw), EXPR_ADD, x[0], x[1]);
}

POINT(sub) {
    (void)n, (void)at;
    return expr_binary(lower_arena(lw), EXPR_SUB, x[0], x[1]);
}

POINT(mul) {
    (void)n, (void)at;
    return expr_binary(lower_arena(lw), EXPR_MUL, x[0], x[1]);
}

POINT(scale) {
    (void)at;
    Arena *a = lower_arena(lw);
    return expr_binary(a, EXPR_MUL, x[0], expr_real(a, n->attr.f[0]));
}

POINT(copy) {
    (void)lw, (void)n, (void)at;
    return x[0];
}

RULE(relu);
RULE(relu_grad);
RULE(sigmoid);
RULE(sigmoid_grad);
RULE(tanh);
RULE(tanh_grad);
RULE(add);
RULE(sub);
RULE(mul);
RULE(scale);
RULE(copy);
const LowerRule again_lower = {.kind = LOWER_POINTWISE, .pointwise = copy_point};

/* Row-major place of `at` in a tensor of this type. */
static Affine flat_place(Arena *a, Type t, const Affine *at) {
    Affine x = affine_const(0);
    for (int i = 0; i < t.rank; i++) x = affine_add(a, affine_scale(a, x, t.dim[i]), at[i]);
    return x;
}

/* The axes are those of the side with more dimensions; on the other, flat side the index is affine in them. Where neither
 * side is flat, there is no such affine index: elaborate only ever flattens, and its gradient only ever restores. */
static void lower_reshape(Lower *lw, const Node *n) {
    Arena *a = lower_arena(lw);
    Type x = n->arg[0]->type, y = n->type, wide = x.rank > y.rank ? x : y;
    Nest *nest = lower_nest(lw, n);
    Affine at[4];
    for (int i = 0; i < wide.rank; i++) at[i] = lower_affine(lw, nest_axis(a, nest, (const char *const[]){"c", "h", "w", "z"}[i], wide.dim[i], false), 1, 0);
    const Affine *image = arena_copy(a, at, sizeof at), *flat = lower_at(lw, 1, flat_place(a, wide, at));
    ENSURE(x.rank <= 1 || y.rank <= 1 || type_equal(x, y));
    lower_emit(lw, nest, n, y.rank == wide.rank ? image : flat, lower_load(lw, n->arg[0], x.rank == wide.rank ? image : flat));
}

const LowerRule reshape_lower = {.kind = LOWER_NEST, .nest = lower_reshape};
