/* activation.c: pointwise activations whose gradient is taken from their argument; those that need only their result stand in
 * pointwise.c.
 *
 *     silu'(x) = s (1 + x (1 - s)), s = sigmoid(x)            gelu'(x) = Phi(x) + x phi(x), Phi and phi the normal distribution's
 *
 * leaky_relu's result has its argument's sign as long as the slope is not negative: then the result will do, and x need not be kept.
 */
#include <math.h>

#include "../lower.h"
#include "../ops.h"

#define SQRT_HALF 0.70710678118654752440        /* 1 / sqrt(2) */
#define INV_SQRT_2PI 0.39894228040143267794     /* 1 / sqrt(2 pi) */

/* ---- shapes ---- */

static const char *unary_shape(Arena *a, const char *op, Type x, Type *out) {
    if (x.elem != ELEM_F32 || !x.batched) return arena_printf(a, "%s needs f32 of each image, got %s %s", op, elem_names[x.elem], op_text(a, x));
    *out = x;
    return NULL;
}

static const char *binary_shape(Arena *a, const char *op, const Type *args, Type *out) {
    if (!type_equal(args[0], args[1])) return arena_printf(a, "%s needs a gradient like its argument %s, got %s", op, op_text(a, args[0]), op_text(a, args[1]));
    return unary_shape(a, op, args[0], out);
}

static const char *slope_range(const Attr *attr) { return isfinite(attr->f[0]) ? NULL : "leaky_relu needs a finite slope"; }

#define SHAPE_RULE(name, rule) \
    const char *name##_shape(Arena *a, const Attr *attr, int nargs, const Type *args, Type *out) { return (void)attr, (void)nargs, (rule); }

SHAPE_RULE(leaky_relu, slope_range(attr) ? slope_range(attr) : unary_shape(a, "leaky_relu", args[0], out))
SHAPE_RULE(silu, unary_shape(a, "silu", args[0], out))
SHAPE_RULE(gelu, unary_shape(a, "gelu", args[0], out))
SHAPE_RULE(hard_swish, unary_shape(a, "hard_swish", args[0], out))
SHAPE_RULE(leaky_relu_grad, slope_range(attr) ? slope_range(attr) : binary_shape(a, "leaky_relu_grad", args, out))
SHAPE_RULE(silu_grad, binary_shape(a, "silu_grad", args, out))
SHAPE_RULE(gelu_grad, binary_shape(a, "gelu_grad", args, out))
SHAPE_RULE(hard_swish_grad, binary_shape(a, "hard_swish_grad", args, out))

/* ---- gradients ---- */

void leaky_relu_grad(GradCtx *ctx, Node *n, Node *dy) {
    if (n->attr.f[0] >= 0) grad_add_by_result(ctx, OP_leaky_relu_grad, n->attr, n, dy);
    else grad_add(ctx, n->arg[0], graph_node(grad_graph(ctx), OP_leaky_relu_grad, n->attr, 2, (Node *[]){n->arg[0], dy}));
}

void silu_grad(GradCtx *ctx, Node *n, Node *dy) { grad_add(ctx, n->arg[0], graph_binary(grad_graph(ctx), OP_silu_grad, n->arg[0], dy)); }
void gelu_grad(GradCtx *ctx, Node *n, Node *dy) { grad_add(ctx, n->arg[0], graph_binary(grad_graph(ctx), OP_gelu_grad, n->arg[0], dy)); }
void hard_swish_grad(GradCtx *ctx, Node *n, Node *dy) { grad_add(ctx, n->arg[0], graph_binary(grad_graph(ctx), OP_hard_swish_grad, n->arg[0], dy)); }

/* ---- reference: x is the argument, dy (of the gradients) what comes back ---- */

#define EVAL_RULE(name, formula) \
    void name##_eval(const Node *n, int64_t batch, const double *const *args, double *out) { \
        for (int64_t i = 0; i < op_count(n, batch); i++) { \
            double x = args[0][i], dy = n->nargs > 1 ? args[1][i] : 0; \
            out[i] = (formula); \
            (void)dy; \
        } \
    }

static double logistic(double x) { return 1 / (1 + exp(-x)); }
static double normal(double x) { return 0.5 * erfc(-x * SQRT_HALF); }

EVAL_RULE(leaky_relu, x <= 0 ? n->attr.f[0] * x : x)
EVAL_RULE(silu, x * logistic(x))
EVAL_RULE(gelu, x * normal(x))
EVAL_RULE(hard_swish, x * fmin(fmax(x + 3, 0), 6) / 6)
EVAL_RULE(leaky_relu_grad, x <= 0 ? n->attr.f[0] * dy : dy)
EVAL_RULE(silu_grad, dy * logistic(x) * (1 + x * (1 - logistic(x))))
EVAL_RULE(gelu_grad, dy * (normal(x) + x * INV_SQRT_2PI * exp(-0.5 * x * x)))
EVAL_RULE(hard_swish_grad, x <= -3 ? 0 : x >= 3 ? dy : dy * (x / 3 + 0.5))

/* ---- lowering ---- */

#define POINT(name) static const Expr *name##_point(Lower *lw, const Node *n, const Expr *const *x, const Affine *at)
#define RULE(name) const LowerRule name##_lower = {.kind = LOWER_POINTWISE, .pointwise = name##_point}

static const Expr *times(Arena *a, const Expr *x, const Expr *y) { return expr_binary(a, EXPR_MUL, x, y); }

/* b where x <= limit, else c: a NaN gets c. */
static const Expr *where_at_most(Arena *a, const Expr *x, double limit, const Expr *b, const Expr *c) {
    return expr_ternary(a, EXPR_SELECT, expr_binary(a, EXPR_LE, x, expr_real(a, limit)), b, c);
}

POINT(leaky_relu) {
    (void)at;
    Arena *a = lower_arena(lw);
    return where_at_most(a, x[0], 0, times(a, x[0], expr_real(a, n->attr.f[0])), x[0]);
}

POINT(leaky_relu_grad) {
    (void)at;
    Arena *a = lower_arena(lw);
    return where_at_most(a, x[0], 0, times(a, x[1], expr_real(a, n->attr.f[0])), x[1]);
}

POINT(silu) {
    (void)n, (void)at;
    Arena *a = lower_arena(lw);
    return times(a, x[0], expr_unary(a, EXPR_SIGMOID, x[0]));
}

POINT(silu_grad) {
    (void)n, (void)at;
    Arena *a = lower_arena(lw);
    const Expr *s = expr_unary(a, EXPR_SIGMOID, x[0]), *one = expr_real(a, 1);
    const Expr *bent = expr_ternary(a, EXPR_FMA, x[0], expr_binary(a, EXPR_SUB, one, s), one);
    return times(a, x[1], times(a, s, bent));
}

/* Phi(x) = 1/2 + erf(x / sqrt 2) / 2 */
static const Expr *normal_of(Arena *a, const Expr *x) {
    const Expr *half = expr_real(a, 0.5);
    return expr_ternary(a, EXPR_FMA, expr_unary(a, EXPR_ERF, times(a, x, expr_real(a, SQRT_HALF))), half, half);
}

POINT(gelu) {
    (void)n, (void)at;
    Arena *a = lower_arena(lw);
    return times(a, x[0], normal_of(a, x[0]));
}

POINT(gelu_grad) {
    (void)n, (void)at;
    Arena *a = lower_arena(lw);
    const Expr *density = expr_unary(a, EXPR_EXP, times(a, times(a, x[0], expr_real(a, -0.5)), x[0]));
    return times(a, x[1], expr_ternary(a, EXPR_FMA, times(a, x[0], expr_real(a, INV_SQRT_2PI)), density, normal_of(a, x[0])));
}

/* A NaN in the clamp may be lost: x brings it back. */
POINT(hard_swish) {
    (void)n, (void)at;
    Arena *a = lower_arena(lw);
    const Expr *up = expr_binary(a, EXPR_MAX, expr_binary(a, EXPR_ADD, x[0], expr_real(a, 3)), expr_real(a, 0));
    return times(a, x[0], times(a, expr_binary(a, EXPR_MIN, up, expr_real(a, 6)), expr_real(a, 1.0 / 6)));
}

POINT(hard_swish_grad) {
    (void)n, (void)at;
    Arena *a = lower_arena(lw);
    const Expr *slope = expr_ternary(a, EXPR_FMA, x[0], expr_real(a, 1.0 / 3), expr_real(a, 0.5));
    const Expr *flat = expr_binary(a, EXPR_LE, expr_real(a, 3), x[0]);
    return where_at_most(a, x[0], -3, expr_real(a, 0), expr_ternary(a, EXPR_SELECT, flat, x[1], times(a, x[1], slope)));
}

RULE(leaky_relu);
RULE(leaky_relu_grad);
RULE(silu);
RULE(silu_grad);
RULE(gelu);
RULE(gelu_grad);
RULE(hard_swish);
RULE(hard_swish_grad);
