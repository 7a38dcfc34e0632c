/* loss.c: the losses, each one number an image, and their gradients.
 *
 * The batch's loss is sum_n u[n] * loss[n] with u = image_weight, so a loss's dy is u itself. nll takes its lse from
 * logsumexp of the same logits; its rule gives the whole gradient in the logits, with lse's share in it:
 *     d/dz_c (lse - z_label) = exp(z_c - lse) - [c = label]
 */
#include <float.h>
#include <math.h>

#include "../lower.h"
#include "../ops.h"

/* ---- shapes ---- */

static bool is_labels(Type t) { return t.elem == ELEM_I32 && t.batched && t.rank == 0; }

static const char *logits_fit(Arena *a, const char *op, const Type *args) {
    if (!op_is_flat(args[0])) return arena_printf(a, "%s needs flat logits, got %s", op, op_text(a, args[0]));
    if (!op_is_number(args[1])) return arena_printf(a, "%s needs the logits' logsumexp, got %s", op, op_text(a, args[1]));
    if (!is_labels(args[2])) return arena_printf(a, "%s needs labels, got %s", op, op_text(a, args[2]));
    return NULL;
}

static const char *target_fits(Arena *a, Type x, Type t) {
    if (type_equal(x, t) && x.elem == ELEM_F32 && x.batched) return NULL;
    return arena_printf(a, "cannot compare %s with target %s", op_text(a, x), op_text(a, t));
}

const char *logsumexp_shape(Arena *a, const Attr *attr, int nargs, const Type *args, Type *out) {
    (void)attr, (void)nargs;
    if (!op_is_flat(args[0]) && !op_is_image(args[0])) return arena_printf(a, "logsumexp needs a flat input or an image, got %s", op_text(a, args[0]));
    *out = op_is_image(args[0]) ? type_batched(3, 1, args[0].dim[1], args[0].dim[2]) : type_batched(0, 0, 0, 0);
    return NULL;
}

const char *nll_shape(Arena *a, const Attr *attr, int nargs, const Type *args, Type *out) {
    (void)attr, (void)nargs;
    *out = type_batched(0, 0, 0, 0);
    return logits_fit(a, "cross_entropy", args);
}

const char *nll_grad_shape(Arena *a, const Attr *attr, int nargs, const Type *args, Type *out) {
    (void)attr, (void)nargs;
    *out = args[0];
    if (!op_is_number(args[3])) return arena_printf(a, "nll_grad needs one weight an image, got %s", op_text(a, args[3]));
    return logits_fit(a, "nll_grad", args);
}

const char *sq_err_shape(Arena *a, const Attr *attr, int nargs, const Type *args, Type *out) {
    (void)attr, (void)nargs;
    *out = type_batched(0, 0, 0, 0);
    return target_fits(a, args[0], args[1]);
}

const char *sq_err_grad_shape(Arena *a, const Attr *attr, int nargs, const Type *args, Type *out) {
    (void)attr, (void)nargs;
    *out = args[0];
    if (!op_is_number(args[2])) return arena_printf(a, "sq_err_grad needs one weight an image, got %s", op_text(a, args[2]));
    return target_fits(a, args[0], args[1]);
}

/* ---- gradients ---- */

void nll_grad(GradCtx *ctx, Node *n, Node *dy) {
    Node *z = n->arg[0], *lse = n->arg[1];
    ENSURE(lse->op == OP_logsumexp && lse->arg[0] == z); /* graph_verify holds text to it */
    grad_add(ctx, z, graph_node(grad_graph(ctx), OP_nll_grad, (Attr){0}, 4, (Node *[]){z, lse, n->arg[2], dy}));
}

void sq_err_grad(GradCtx *ctx, Node *n, Node *dy) {
    for (int k = 0; k < 2; k++)
        if (grad_wanted(ctx, n->arg[k]))
            grad_add(ctx, n->arg[k], graph_node(grad_graph(ctx), OP_sq_err_grad, (Attr){0}, 3, (Node *[]){n->arg[k], n->arg[1 - k], dy}));
}

/* ---- reference ---- */

void logsumexp_eval(const Node *n, int64_t batch, const double *const *args, double *out) {
    int64_t classes = n->arg[0]->type.dim[0], points = type_count(n->type);
    for (int64_t i = 0; i < op_count(n, batch); i++) {
        const double *z = &args[0][i / points * classes * points + i % points];
        double most = z[0], sum = 0;
        for (int64_t c = 1; c < classes; c++) most = fmax(most, z[c * points]);
        for (int64_t c = 0; c < classes; c++) sum += exp(z[c * points] - most);
        out[i] = most + log(sum);
    }
}

/* A label outside the classes (such as -1 behind the last image) picks no logit. */
static bool picks(double label, int64_t c) { return label == (double)c; }

void nll_eval(const Node *n, int64_t batch, const double *const *args, double *out) {
    int64_t classes = n->arg[0]->type.dim[0];
    for (int64_t b = 0; b < batch; b++) {
        out[b] = args[1][b];
        for (int64_t c = 0; c < classes; c++)
            if (picks(args[2][b], c)) out[b] -= args[0][b * classes + c];
    }
}

void nll_grad_eval(const Node *n, int64_t batch, const double *const *args, double *out) {
    int64_t classes = n->type.dim[0];
    for (int64_t b = 0; b < batch; b++)
        for (int64_t c = 0; c < classes; c++)
            out[b * classes + c] = args[3][b] * (exp(args[0][b * classes + c] - args[1][b]) - (picks(args[2][b], c) ? 1 : 0));
}

void sq_err_eval(const Node *n, int64_t batch, const double *const *args, double *out) {
    int64_t count = type_count(n->arg[0]->type);
    for (int64_t b = 0; b < batch; b++) {
        out[b] = 0;
        for (int64_t i = b * count; i < (b + 1) * count; i++) out[b] += (args[0][i] - args[1][i]) * (args[0][i] - args[1][i]);
    }
}

void sq_err_grad_eval(const Node *n, int64_t batch, const double *const *args, double *out) {
    int64_t count = type_count(n->type);
    for (int64_t i = 0; i < batch * count; i++) out[i] = 2 * args[2][i / count] * (args[0][i] - args[1][i]);
}

/* ---- lowering ---- */

/* max + log sum exp(z - max), in two sweeps; the maximum of a row with a NaN may be anything: the sum is NaN all the same. */
static void lower_flat_logsumexp(Lower *lw, const Node *n) {
    Arena *a = lower_arena(lw);
    int64_t classes = n->arg[0]->type.dim[0];
    const Buffer *largest = lower_lane_local(lw, "largest");
    Nest *first = lower_nest(lw, n);
    const Var *c = nest_axis(a, first, "c", classes, true);
    const Expr *m = nest_acc(a, first, ELEM_F32, expr_real(a, -(double)INFINITY));
    nest_update(first, m, expr_binary(a, EXPR_MAX, m, lower_load(lw, n->arg[0], lower_at(lw, 1, lower_affine(lw, c, 1, 0)))));
    nest_assign(a, first, largest, ((const Expr *)lower_load_lane(lw, largest))->at, m);
    lower_emit_local(lw, first);

    Nest *second = lower_nest(lw, n);
    const Var *k = nest_axis(a, second, "c", classes, true);
    const Expr *sum = nest_acc(a, second, ELEM_F32, expr_real(a, 0)), *top = lower_load_lane(lw, largest);
    const Expr *z = lower_load(lw, n->arg[0], lower_at(lw, 1, lower_affine(lw, k, 1, 0)));
    nest_update(second, sum, expr_binary(a, EXPR_ADD, sum, expr_unary(a, EXPR_EXP, expr_binary(a, EXPR_SUB, z, top))));
    lower_emit(lw, second, n, NULL, expr_binary(a, EXPR_ADD, top, expr_unary(a, EXPR_LOG, sum)));
}

/* At each point of an image, in one sweep: when a larger z comes, the sum so far is scaled to it. The smallest number stands for a
 * maximum of nothing, since with -inf the first difference could be NaN. */
static void lower_image_logsumexp(Lower *lw, const Node *n) {
    Arena *a = lower_arena(lw);
    Nest *nest = lower_nest(lw, n);
    Affine h = lower_affine(lw, nest_axis(a, nest, "h", n->type.dim[1], false), 1, 0), w = lower_affine(lw, nest_axis(a, nest, "w", n->type.dim[2], false), 1, 0);
    const Var *c = nest_axis(a, nest, "c", n->arg[0]->type.dim[0], true);
    const Expr *sum = nest_acc(a, nest, ELEM_F32, expr_real(a, 0)); /* updated first: it looks at the old maximum */
    const Expr *most = nest_acc(a, nest, ELEM_F32, expr_real(a, -(double)FLT_MAX));
    const Expr *z = lower_load(lw, n->arg[0], lower_at(lw, 3, lower_affine(lw, c, 1, 0), h, w)), *top = expr_binary(a, EXPR_MAX, most, z);
    const Expr *scaled = expr_binary(a, EXPR_MUL, sum, expr_unary(a, EXPR_EXP, expr_binary(a, EXPR_SUB, most, top)));
    nest_update(nest, sum, expr_binary(a, EXPR_ADD, scaled, expr_unary(a, EXPR_EXP, expr_binary(a, EXPR_SUB, z, top))));
    nest_update(nest, most, top);
    lower_emit(lw, nest, n, lower_at(lw, 3, affine_const(0), h, w), expr_binary(a, EXPR_ADD, most, expr_unary(a, EXPR_LOG, sum)));
}

static void lower_logsumexp(Lower *lw, const Node *n) {
    if (n->type.rank) lower_image_logsumexp(lw, n);
    else lower_flat_logsumexp(lw, n);
}

static const Expr *is_label(Lower *lw, const Node *labels, Affine c) {
    return expr_binary(lower_arena(lw), EXPR_EQ, lower_load(lw, labels, NULL), expr_index(lower_arena(lw), c));
}

/* z[label] as a sum over the classes: no lane reads from an address of its own. */
static void lower_nll(Lower *lw, const Node *n) {
    Arena *a = lower_arena(lw);
    Nest *nest = lower_nest(lw, n);
    const Var *c = nest_axis(a, nest, "c", n->arg[0]->type.dim[0], true);
    const Expr *picked = nest_acc(a, nest, ELEM_F32, expr_real(a, 0));
    const Expr *z = lower_load(lw, n->arg[0], lower_at(lw, 1, lower_affine(lw, c, 1, 0)));
    nest_update(nest, picked, expr_ternary(a, EXPR_SELECT, is_label(lw, n->arg[2], lower_affine(lw, c, 1, 0)), z, picked));
    lower_emit(lw, nest, n, NULL, expr_binary(a, EXPR_SUB, lower_load(lw, n->arg[1], NULL), picked));
}

static const Expr *nll_grad_point(Lower *lw, const Node *n, const Expr *const *x, const Affine *at) {
    Arena *a = lower_arena(lw);
    const Expr *p = expr_unary(a, EXPR_EXP, expr_binary(a, EXPR_SUB, x[0], x[1]));
    const Expr *one = expr_ternary(a, EXPR_SELECT, is_label(lw, n->arg[2], at[0]), expr_real(a, 1), expr_real(a, 0));
    return expr_binary(a, EXPR_MUL, x[3], expr_binary(a, EXPR_SUB, p, one));
}

static void lower_sq_err(Lower *lw, const Node *n) {
    Arena *a = lower_arena(lw);
    Type t = n->arg[0]->type;
    Nest *nest = lower_nest(lw, n);
    Affine at[3];
    for (int i = 0; i < t.rank; i++) at[i] = lower_affine(lw, nest_axis(a, nest, (const char *const[]){"c", "h", "w"}[i], t.dim[i], true), 1, 0);
    const Affine *place = arena_copy(a, at, sizeof at);
    const Expr *acc = nest_acc(a, nest, ELEM_F32, expr_real(a, 0));
    const Expr *d = expr_binary(a, EXPR_SUB, lower_load(lw, n->arg[0], place), lower_load(lw, n->arg[1], place));
    nest_update(nest, acc, expr_ternary(a, EXPR_FMA, d, d, acc));
    lower_emit(lw, nest, n, NULL, acc);
}

static const Expr *sq_err_grad_point(Lower *lw, const Node *n, const Expr *const *x, const Affine *at) {
    Arena *a = lower_arena(lw);
    (void)n, (void)at;
    return expr_binary(a, EXPR_MUL, expr_binary(a, EXPR_MUL, expr_real(a, 2), x[2]), expr_binary(a, EXPR_SUB, x[0], x[1]));
}

const LowerRule logsumexp_lower = {.kind = LOWER_NEST, .nest = lower_logsumexp};
const LowerRule nll_lower = {.kind = LOWER_NEST, .nest = lower_nll};
const LowerRule nll_grad_lower = {.kind = LOWER_POINTWISE, .pointwise = nll_grad_point};
const LowerRule sq_err_lower = {.kind = LOWER_NEST, .nest = lower_sq_err};
const LowerRule sq_err_grad_lower = {.kind = LOWER_POINTWISE, .pointwise = sq_err_grad_point};
