/* linear.c: the matrix product of a flat tensor with a weight, and its two adjoints.
 *
 * x is [n][in], w [out][in], y [n][out]: y = x w^T, dx = dy w, dw = dy^T x.
 */
#include "../lower.h"
#include "../ops.h"
#include "linear_blocked.h"

/* ---- shapes ---- */

static const char *flat_and_weight(Arena *a, const char *op, Type x, Type w, int side) {
    if (!op_is_flat(x)) return arena_printf(a, "%s needs a flat input, got %s", op, op_text(a, x));
    if (!op_is_weight(w, 2)) return arena_printf(a, "%s needs a weight of 2 dimensions, got %s", op, op_text(a, w));
    if (w.dim[side] == x.dim[0]) return NULL;
    return arena_printf(a, "weight %s does not fit %lld features", op_text(a, w), (long long)x.dim[0]);
}

const char *linear_shape(Arena *a, const Attr *attr, int nargs, const Type *args, Type *out) {
    (void)attr, (void)nargs;
    const char *why = flat_and_weight(a, "linear", args[0], args[1], 1);
    return why ? why : op_result(a, type_batched(1, args[1].dim[0], 0, 0), out);
}

const char *linear_dx_shape(Arena *a, const Attr *attr, int nargs, const Type *args, Type *out) {
    (void)attr, (void)nargs;
    const char *why = flat_and_weight(a, "linear_dx", args[0], args[1], 0);
    return why ? why : op_result(a, type_batched(1, args[1].dim[1], 0, 0), out);
}

const char *linear_dw_shape(Arena *a, const Attr *attr, int nargs, const Type *args, Type *out) {
    (void)attr, (void)nargs;
    for (int k = 0; k < 2; k++)
        if (!op_is_flat(args[k])) return arena_printf(a, "linear_dw needs a flat input, got %s", op_text(a, args[k]));
    return op_result(a, type_param(2, args[1].dim[0], args[0].dim[0], 0, 0), out);
}

/* ---- gradient ---- */

void linear_grad(GradCtx *ctx, Node *n, Node *dy) {
    Graph *g = grad_graph(ctx);
    Node *x = n->arg[0], *w = n->arg[1];
    if (grad_wanted(ctx, x)) grad_add(ctx, x, graph_binary(g, OP_linear_dx, dy, w));
    if (grad_wanted(ctx, w)) grad_add(ctx, w, graph_binary(g, OP_linear_dw, x, dy));
}

/* ---- reference ---- */

void linear_eval(const Node *n, int64_t batch, const double *const *args, double *out) {
    int64_t outs = n->type.dim[0], ins = n->arg[0]->type.dim[0];
    for (int64_t b = 0; b < batch; b++)
        for (int64_t o = 0; o < outs; o++) {
            double sum = 0;
            for (int64_t i = 0; i < ins; i++) sum += args[1][o * ins + i] * args[0][b * ins + i];
            out[b * outs + o] = sum;
        }
}

void linear_dx_eval(const Node *n, int64_t batch, const double *const *args, double *out) {
    int64_t ins = n->type.dim[0], outs = n->arg[0]->type.dim[0];
    for (int64_t b = 0; b < batch; b++)
        for (int64_t i = 0; i < ins; i++) {
            double sum = 0;
            for (int64_t o = 0; o < outs; o++) sum += args[1][o * ins + i] * args[0][b * outs + o];
            out[b * ins + i] = sum;
        }
}

void linear_dw_eval(const Node *n, int64_t batch, const double *const *args, double *out) {
    int64_t outs = n->type.dim[0], ins = n->type.dim[1];
    for (int64_t o = 0; o < outs; o++)
        for (int64_t i = 0; i < ins; i++) {
            double sum = 0;
            for (int64_t b = 0; b < batch; b++) sum += args[1][b * outs + o] * args[0][b * ins + i];
            out[o * ins + i] = sum;
        }
}

/* ---- lowering ---- */

static void lower_linear(Lower *lw, const Node *n) {
    if (lower_turns_lanes(lw)) {
        lower_linear_blocked(lw, n);
        return;
    }
    Arena *a = lower_arena(lw);
    Nest *nest = lower_nest(lw, n);
    const Var *o = nest_axis(a, nest, "o", n->type.dim[0], false);
    lower_block_axis(lw, nest);
    const Var *i = nest_axis(a, nest, "i", n->arg[0]->type.dim[0], true);
    const Expr *acc = nest_acc(a, nest, ELEM_F32, expr_real(a, 0));
    const Expr *x = lower_load(lw, n->arg[0], lower_at(lw, 1, lower_affine(lw, i, 1, 0)));
    const Expr *w = lower_load(lw, n->arg[1], lower_at(lw, 2, lower_affine(lw, o, 1, 0), lower_affine(lw, i, 1, 0)));
    nest_update(nest, acc, expr_ternary(a, EXPR_FMA, w, x, acc));
    lower_emit(lw, nest, n, lower_at(lw, 1, lower_affine(lw, o, 1, 0)), acc);
}

static void lower_linear_dx(Lower *lw, const Node *n) {
    if (lower_turns_lanes(lw)) {
        lower_linear_blocked(lw, n);
        return;
    }
    Arena *a = lower_arena(lw);
    Nest *nest = lower_nest(lw, n);
    const Var *i = nest_axis(a, nest, "i", n->type.dim[0], false);
    lower_block_axis(lw, nest);
    const Var *o = nest_axis(a, nest, "o", n->arg[0]->type.dim[0], true);
    const Expr *acc = nest_acc(a, nest, ELEM_F32, expr_real(a, 0));
    const Expr *dy = lower_load(lw, n->arg[0], lower_at(lw, 1, lower_affine(lw, o, 1, 0)));
    const Expr *w = lower_load(lw, n->arg[1], lower_at(lw, 2, lower_affine(lw, o, 1, 0), lower_affine(lw, i, 1, 0)));
    nest_update(nest, acc, expr_ternary(a, EXPR_FMA, w, dy, acc));
    lower_emit(lw, nest, n, lower_at(lw, 1, lower_affine(lw, i, 1, 0)), acc);
}

/* Few terms to a sum (the images) and many sums: lanes hold input features, and x is needed image by image. */
static void sum_rows(Lower *lw, const Node *n, Nest *nest, Affine o, const Var *i) {
    Arena *a = lower_arena(lw);
    lower_lane_axis(lw, nest, i);
    lower_image_axis(lw, nest);
    Affine e = affine_var(a, i);
    const Expr *acc = nest_acc(a, nest, ELEM_F32, expr_real(a, 0)), *dy = lower_load(lw, n->arg[1], lower_at(lw, 1, o));
    nest_update(nest, acc, expr_ternary(a, EXPR_FMA, dy, lower_load_row(lw, n->arg[0], e), acc));
    lower_emit(lw, nest, n, lower_at(lw, 2, o, e), acc);
}

/* Where there is much of x, a run of output features goes through it at a time: what their tiles multiply stays near for all of them. */
static void sum_rows_of_run(Lower *lw, const Node *n, Affine first, int64_t run) {
    Arena *a = lower_arena(lw);
    Nest *nest = lower_nest(lw, n);
    const Var *i = nest_axis(a, nest, "i", n->type.dim[1], false);
    sum_rows(lw, n, nest, affine_add(a, first, affine_var(a, nest_axis(a, nest, "o", run, false))), i);
}

static void lower_linear_dw_rows(Lower *lw, const Node *n) {
    Arena *a = lower_arena(lw);
    if (linear_has_long_rows(n->type.dim[1], n->type.dim[0], lower_images(lw))) {
        linear_each_run(lw, n, sum_rows_of_run);
        return;
    }
    Nest *nest = lower_nest(lw, n);
    const Var *o = nest_axis(a, nest, "o", n->type.dim[0], false), *i = nest_axis(a, nest, "i", n->type.dim[1], false);
    sum_rows(lw, n, nest, affine_var(a, o), i);
}

static void lower_linear_dw(Lower *lw, const Node *n) {
    if (lower_uses_rows(lw)) {
        lower_linear_dw_rows(lw, n);
        return;
    }
    Arena *a = lower_arena(lw);
    Nest *nest = lower_nest(lw, n);
    const Var *o = nest_axis(a, nest, "o", n->type.dim[0], false), *i = nest_axis(a, nest, "i", n->type.dim[1], false);
    lower_batch_axis(lw, nest);
    Affine out = affine_var(a, o), e = affine_var(a, i);
    const Expr *acc = nest_acc(a, nest, ELEM_F32, expr_real(a, 0));
    const Expr *dy = lower_load(lw, n->arg[1], lower_at(lw, 1, out)), *x = lower_load(lw, n->arg[0], lower_at(lw, 1, e));
    nest_update(nest, acc, expr_ternary(a, EXPR_FMA, dy, x, acc));
    lower_emit(lw, nest, n, lower_at(lw, 2, out, e), expr_unary(a, EXPR_LANE_SUM, acc));
}

static int64_t linear_macs(const Node *n) { return type_count(n->arg[1]->type); }
static int64_t linear_dw_macs(const Node *n) { return type_count(n->type); }

const LowerRule linear_lower = {.kind = LOWER_NEST, .nest = lower_linear, .across = true, .turns_lanes = linear_blocks_rows, .macs = linear_macs};
const LowerRule linear_dx_lower = {.kind = LOWER_NEST, .nest = lower_linear_dx, .across = true, .turns_lanes = linear_blocks_columns, .macs = linear_macs};
const LowerRule linear_dw_lower = {.kind = LOWER_NEST, .nest = lower_linear_dw, .sums_batch = true, .wants_rows = true, .macs = linear_dw_macs};
