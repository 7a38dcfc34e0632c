/* bias.c: one number added to each channel of an image, or to each feature of a flat tensor; the adjoint sums them up. */
#include "../lower.h"
#include "../ops.h"
#include "channel_nest.h"

static bool has_channels(Type t) { return op_is_image(t) || op_is_flat(t); }

/* Points of one channel: H * W, or 1. */
static int64_t channel_points(Type t) { return type_count(t) / t.dim[0]; }

/* ---- shapes ---- */

const char *bias_shape(Arena *a, const Attr *attr, int nargs, const Type *args, Type *out) {
    (void)attr, (void)nargs;
    if (!has_channels(args[0])) return arena_printf(a, "bias needs an image or a flat input, got %s", op_text(a, args[0]));
    if (!op_is_weight(args[1], 1) || args[1].dim[0] != args[0].dim[0])
        return arena_printf(a, "bias %s does not fit %lld channels", op_text(a, args[1]), (long long)args[0].dim[0]);
    *out = args[0];
    return NULL;
}

const char *channel_sum_shape(Arena *a, const Attr *attr, int nargs, const Type *args, Type *out) {
    (void)attr, (void)nargs;
    if (!has_channels(args[0])) return arena_printf(a, "channel_sum needs an image or a flat input, got %s", op_text(a, args[0]));
    *out = type_param(1, args[0].dim[0], 0, 0, 0);
    return NULL;
}

/* ---- gradient ---- */

enum { DX_DBETA = 4, POOL_GRAD_DY = 1 }; /* arguments of batch_norm_dx and max_pool_grad */

/* The sum over dy, or what is known to be the same. Batch norm takes the mean away, and a bias in front of it with it: db is zero, of which a sum would
 * give what its terms were rounded by (zero times the norm's own gradient is no number where that is none). A max_pool hands each number of its
 * gradient on to one place: the sum over its results is that over its argument, which is larger. */
static Node *bias_gradient(Graph *g, Node *dy) {
    if (dy->op == OP_batch_norm_dx) return graph_node(g, OP_scale, (Attr){.f = {0}}, 1, &dy->arg[DX_DBETA]);
    return graph_unary(g, OP_channel_sum, dy->op == OP_max_pool_grad ? dy->arg[POOL_GRAD_DY] : dy);
}

void bias_grad(GradCtx *ctx, Node *n, Node *dy) {
    grad_add(ctx, n->arg[0], dy);
    if (grad_wanted(ctx, n->arg[1])) grad_add(ctx, n->arg[1], bias_gradient(grad_graph(ctx), dy));
}

/* ---- reference ---- */

void bias_eval(const Node *n, int64_t batch, const double *const *args, double *out) {
    int64_t points = channel_points(n->type), channels = n->type.dim[0];
    for (int64_t i = 0; i < op_count(n, batch); i++) out[i] = args[0][i] + args[1][i / points % channels];
}

void channel_sum_eval(const Node *n, int64_t batch, const double *const *args, double *out) {
    const Node *dy = n->arg[0];
    int64_t points = channel_points(dy->type), channels = n->type.dim[0];
    for (int64_t c = 0; c < channels; c++) out[c] = 0;
    for (int64_t i = 0; i < op_count(dy, batch); i++) out[i / points % channels] += args[0][i];
}

/* ---- lowering ---- */

static const Expr *bias_point(Lower *lw, const Node *n, const Expr *const *args, const Affine *at) {
    (void)n, (void)at;
    return expr_binary(lower_arena(lw), EXPR_ADD, args[0], args[1]);
}

/* As lower_channel_elements, with the cells of that size in place of points. */
static Nest *channel_cells(Lower *lw, const Node *n, Type x, Affine first, int64_t count, const int64_t cell[2], Affine at[3]) {
    Arena *a = lower_arena(lw);
    Nest *nest = lower_nest(lw, n);
    const Var *c = nest_axis(a, nest, "c", count, false);
    lower_batch_axis(lw, nest);
    at[0] = affine_add(a, first, lower_affine(lw, c, 1, 0));
    for (int i = 1; i < x.rank; i++) at[i] = lower_cell_axes(lw, nest, cell, i - 1, x.dim[i], true);
    return nest;
}

Nest *lower_channel_elements(Lower *lw, const Node *n, Type x, Affine first, int64_t count, Affine at[3]) {
    return channel_cells(lw, n, x, first, count, (int64_t[]){1, 1}, at);
}

/* The sum over all lanes of an accumulator that takes n's terms, of all points of the cell at `at` that are to be written out. */
static const Expr *sum_of(Lower *lw, Nest *nest, const Node *n, ChannelTerm *term, const int64_t cell[2], const Affine at[3]) {
    Arena *a = lower_arena(lw);
    const Expr *acc = nest_acc(a, nest, ELEM_F32, expr_real(a, 0)), *sum = acc;
    int64_t points = lower_writes_out(cell) ? cell[0] * cell[1] : 1;
    for (int64_t k = 0; k < points; k++) {
        const Affine *point = points == 1 ? arena_copy(a, at, 3 * sizeof *at) : lower_at(lw, 3, at[0], affine_offset(at[1], k / cell[1]), affine_offset(at[2], k % cell[1]));
        sum = term(lw, n, point, sum);
    }
    nest_update(nest, acc, sum);
    return expr_unary(a, EXPR_LANE_SUM, acc);
}

void lower_channel_twins(Lower *lw, const Node *n, Type x, ChannelTerm *term, const Node *twin, ChannelTerm *twin_term) {
    Affine at[3];
    int64_t cell[2];
    lower_cell(lw, n->arg[0], cell);
    Nest *nest = channel_cells(lw, n, x, affine_const(0), n->type.dim[0], cell, at);
    const Expr *sum = sum_of(lw, nest, n, term, cell, at), *other = twin ? sum_of(lw, nest, twin, twin_term, cell, at) : NULL;
    if (twin) lower_emit_twin(lw, nest, n, sum, twin, other, lower_at(lw, 1, at[0]));
    else lower_emit(lw, nest, n, lower_at(lw, 1, at[0]), sum);
}

void lower_channel_nest(Lower *lw, const Node *n, Type x, ChannelTerm *term) { lower_channel_twins(lw, n, x, term, NULL, NULL); }

/* y = x + lost; lost = y - ((sum + y) - sum); sum = sum + y */
const Expr *lower_exact_sum(Lower *lw, Nest *nest, const Expr *element) {
    Arena *a = lower_arena(lw);
    const Expr *zero = expr_real(a, 0), *y = nest_acc(a, nest, ELEM_F32, zero), *lost = nest_acc(a, nest, ELEM_F32, zero), *sum = nest_acc(a, nest, ELEM_F32, zero);
    const Expr *next = expr_binary(a, EXPR_ADD, sum, y);
    nest_update(nest, y, expr_binary(a, EXPR_ADD, element, lost));
    nest_update(nest, lost, expr_binary(a, EXPR_SUB, y, expr_binary(a, EXPR_SUB, next, sum)));
    nest_update(nest, sum, next);
    return sum;
}

void lower_channel_nest_exactly(Lower *lw, const Node *n, Type x, const Expr *(*element)(Lower *lw, const Node *n, const Affine *at)) {
    Arena *a = lower_arena(lw);
    Affine at[3];
    Nest *nest = lower_channel_elements(lw, n, x, affine_const(0), n->type.dim[0], at);
    const Expr *sum = lower_exact_sum(lw, nest, element(lw, n, arena_copy(a, at, sizeof at)));
    lower_emit(lw, nest, n, lower_at(lw, 1, at[0]), expr_unary(a, EXPR_LANE_SUM, sum));
}

const Expr *channel_sum_term(Lower *lw, const Node *n, const Affine *at, const Expr *sum) {
    return expr_binary(lower_arena(lw), EXPR_ADD, sum, lower_load(lw, n->arg[0], at));
}

static void lower_channel_sum(Lower *lw, const Node *n) { lower_channel_nest(lw, n, n->arg[0]->type, channel_sum_term); }

const LowerRule bias_lower = {.kind = LOWER_POINTWISE, .pointwise = bias_point};
bool sums_by_cells(const Node *n, int arg, const Cells *cells, int lanes) {
    (void)n, (void)lanes;
    return arg == 0 && cells->size[0] * cells->size[1] > 1;
}

const LowerRule channel_sum_lower = {.kind = LOWER_NEST, .nest = lower_channel_sum, .sums_batch = true, .term = channel_sum_term, .reads_cells = sums_by_cells};
