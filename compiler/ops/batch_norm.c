/* batch_norm.c: each channel is brought to mean 0 and variance 1 over the batch, and scaled and shifted anew.
 *
 *     mean[c] = sum x / M,  var[c] = sum (x - mean)^2 / M  over images, h, w;  M = images * H * W
 *     xhat = (x - mean) * inv_std,  inv_std = 1 / sqrt(var + eps),  y = gamma * xhat + beta
 *
 * The variance is a second pass over x: no difference of large squares. In training mean and inv_std are x's own, and
 * batch_norm's rule gives the whole gradient in x, with theirs in it (Ioffe and Szegedy, 2015):
 *     dx = gamma * inv_std * (dy - sum(dy) / M - xhat * sum(dy * xhat) / M)
 * In inference (infer.c) they come from the running statistics. Lanes behind the last image hold anything: the statistics leave
 * them out, and dx is 0 there, as every gradient has to be.
 */
#include <math.h>

#include "../lower.h"
#include "../ops.h"
#include "channel_nest.h"

enum { AFFINE_ARGS = 5 }; /* batch_norm's with gamma and beta */

static bool has_channels(Type t) { return op_is_image(t) || op_is_flat(t); }

/* Points of one channel of one image: H * W, or 1. */
static int64_t channel_points(Type t) { return type_count(t) / t.dim[0]; }

/* ---- shapes ---- */

/* The arguments before `first` are tensors with channels, of one type; those from it on have one number a channel. */
static const char *channels_fit(Arena *a, const char *op, const Type *args, int nargs, int first) {
    if (!has_channels(args[0])) return arena_printf(a, "%s needs an image or a flat input, got %s", op, op_text(a, args[0]));
    for (int k = 1; k < first; k++)
        if (!type_equal(args[k], args[0])) return arena_printf(a, "%s needs equal shapes, got %s and %s", op, op_text(a, args[0]), op_text(a, args[k]));
    for (int k = first; k < nargs; k++)
        if (!op_is_weight(args[k], 1) || args[k].dim[0] != args[0].dim[0])
            return arena_printf(a, "%s: %s does not fit %lld channels", op, op_text(a, args[k]), (long long)args[0].dim[0]);
    return NULL;
}

const char *batch_mean_shape(Arena *a, const Attr *attr, int nargs, const Type *args, Type *out) {
    (void)attr;
    const char *why = channels_fit(a, "batch_mean", args, nargs, 1);
    if (!why) *out = type_param(1, args[0].dim[0], 0, 0, 0);
    return why;
}

const char *batch_var_shape(Arena *a, const Attr *attr, int nargs, const Type *args, Type *out) {
    (void)attr;
    const char *why = channels_fit(a, "batch_var", args, nargs, 1);
    if (!why) *out = type_param(1, args[0].dim[0], 0, 0, 0);
    return why;
}

const char *inv_std_shape(Arena *a, const Attr *attr, int nargs, const Type *args, Type *out) {
    (void)nargs;
    if (!op_is_weight(args[0], 1)) return arena_printf(a, "inv_std needs one variance a channel, got %s", op_text(a, args[0]));
    if (!(attr->f[0] > 0) || isinf(attr->f[0])) return arena_printf(a, "eps must be positive, not %g", attr->f[0]);
    *out = args[0];
    return NULL;
}

const char *batch_norm_shape(Arena *a, const Attr *attr, int nargs, const Type *args, Type *out) {
    (void)attr;
    if (nargs != 3 && nargs != AFFINE_ARGS) return arena_printf(a, "batch_norm needs 3 or %d arguments, got %d", AFFINE_ARGS, nargs);
    *out = args[0];
    return channels_fit(a, "batch_norm", args, nargs, 1);
}

const char *batch_norm_dgamma_shape(Arena *a, const Attr *attr, int nargs, const Type *args, Type *out) {
    (void)attr;
    const char *why = channels_fit(a, "batch_norm_dgamma", args, nargs, 2);
    if (!why) *out = type_param(1, args[0].dim[0], 0, 0, 0);
    return why;
}

const char *batch_norm_dx_shape(Arena *a, const Attr *attr, int nargs, const Type *args, Type *out) {
    (void)attr;
    if (nargs != 6 && nargs != 7) return arena_printf(a, "batch_norm_dx needs 6 or 7 arguments, got %d", nargs);
    *out = args[0];
    return channels_fit(a, "batch_norm_dx", args, nargs, 2);
}

static const char *update_fits(Arena *a, const char *op, const Attr *attr, const Type *args, Type *out) {
    if (!op_is_weight(args[0], 1) || !type_equal(args[0], args[1]))
        return arena_printf(a, "%s cannot update %s by %s", op, op_text(a, args[0]), op_text(a, args[1]));
    if (!(attr->f[0] >= 0 && attr->f[0] <= 1)) return arena_printf(a, "momentum must be from 0 to 1, not %g", attr->f[0]);
    *out = args[0];
    return NULL;
}

const char *running_mean_update_shape(Arena *a, const Attr *attr, int nargs, const Type *args, Type *out) {
    (void)nargs;
    return update_fits(a, "running_mean_update", attr, args, out);
}

const char *running_var_update_shape(Arena *a, const Attr *attr, int nargs, const Type *args, Type *out) {
    (void)nargs;
    const char *why = op_range(a, "points", attr->i, 1, 1);
    return why ? why : update_fits(a, "running_var_update", attr, args, out);
}

/* ---- gradient ---- */

bool batch_norm_owns_statistics(const Node *n) {
    const Node *x = n->arg[0], *mean = n->arg[1], *inv_std = n->arg[2];
    if (mean->op != OP_batch_mean || mean->arg[0] != x || inv_std->op != OP_inv_std) return false;
    const Node *var = inv_std->arg[0];
    return var->op == OP_batch_var && var->arg[0] == x && var->arg[1] == mean;
}

void batch_norm_grad(GradCtx *ctx, Node *n, Node *dy) {
    Graph *g = grad_graph(ctx);
    Node **arg = n->arg, *x = arg[0];
    ENSURE(batch_norm_owns_statistics(n)); /* graph_verify holds text to it */
    bool affine = n->nargs == AFFINE_ARGS;
    Node *dbeta = graph_unary(g, OP_channel_sum, dy);
    Node *dgamma = graph_node(g, OP_batch_norm_dgamma, (Attr){0}, 4, (Node *[]){dy, x, arg[1], arg[2]});
    if (affine) {
        grad_add(ctx, arg[3], dgamma);
        grad_add(ctx, arg[4], dbeta);
    }
    Node *from[7] = {dy, x, arg[1], arg[2], dbeta, dgamma, affine ? arg[3] : NULL};
    if (grad_wanted(ctx, x)) grad_add(ctx, x, graph_node(g, OP_batch_norm_dx, (Attr){0}, affine ? 7 : 6, from));
}

/* ---- reference ---- */

void batch_mean_eval(const Node *n, int64_t batch, const double *const *args, double *out) {
    const Node *x = n->arg[0];
    int64_t points = channel_points(x->type), channels = n->type.dim[0];
    for (int64_t c = 0; c < channels; c++) out[c] = 0;
    for (int64_t i = 0; i < op_count(x, batch); i++) out[i / points % channels] += args[0][i];
    for (int64_t c = 0; c < channels; c++) out[c] /= (double)(batch * points);
}

void batch_var_eval(const Node *n, int64_t batch, const double *const *args, double *out) {
    const Node *x = n->arg[0];
    int64_t points = channel_points(x->type), channels = n->type.dim[0];
    for (int64_t c = 0; c < channels; c++) out[c] = 0;
    for (int64_t i = 0; i < op_count(x, batch); i++) {
        int64_t c = i / points % channels;
        out[c] += (args[0][i] - args[1][c]) * (args[0][i] - args[1][c]);
    }
    for (int64_t c = 0; c < channels; c++) out[c] /= (double)(batch * points);
}

void inv_std_eval(const Node *n, int64_t batch, const double *const *args, double *out) {
    for (int64_t c = 0; c < op_count(n, batch); c++) out[c] = 1 / sqrt(args[0][c] + n->attr.f[0]);
}

void batch_norm_eval(const Node *n, int64_t batch, const double *const *args, double *out) {
    int64_t points = channel_points(n->type), channels = n->type.dim[0];
    for (int64_t i = 0; i < op_count(n, batch); i++) {
        int64_t c = i / points % channels;
        out[i] = (args[0][i] - args[1][c]) * args[2][c];
        if (n->nargs == AFFINE_ARGS) out[i] = out[i] * args[3][c] + args[4][c];
    }
}

void batch_norm_dgamma_eval(const Node *n, int64_t batch, const double *const *args, double *out) {
    const Node *x = n->arg[1];
    int64_t points = channel_points(x->type), channels = n->type.dim[0];
    for (int64_t c = 0; c < channels; c++) out[c] = 0;
    for (int64_t i = 0; i < op_count(x, batch); i++) {
        int64_t c = i / points % channels;
        out[c] += args[0][i] * (args[1][i] - args[2][c]) * args[3][c];
    }
}

void batch_norm_dx_eval(const Node *n, int64_t batch, const double *const *args, double *out) {
    int64_t points = channel_points(n->type), channels = n->type.dim[0];
    double count = (double)(batch * points);
    for (int64_t i = 0; i < op_count(n, batch); i++) {
        int64_t c = i / points % channels;
        double xhat = (args[1][i] - args[2][c]) * args[3][c], gamma = n->nargs == 7 ? args[6][c] : 1;
        out[i] = gamma * args[3][c] * (args[0][i] - args[4][c] / count - xhat * args[5][c] / count);
    }
}

void running_mean_update_eval(const Node *n, int64_t batch, const double *const *args, double *out) {
    double m = n->attr.f[0];
    for (int64_t c = 0; c < op_count(n, batch); c++) out[c] = (1 - m) * args[0][c] + m * args[1][c];
}

/* A single number has no unbiased variance: its biased one, 0, is taken. */
void running_var_update_eval(const Node *n, int64_t batch, const double *const *args, double *out) {
    double m = n->attr.f[0], count = (double)(batch * n->attr.i[0]), unbiased = count / fmax(count - 1, 1);
    for (int64_t c = 0; c < op_count(n, batch); c++) out[c] = (1 - m) * args[0][c] + m * unbiased * args[1][c];
}

/* ---- lowering ---- */

/* M: the numbers of a channel in the batch at hand. */
static const Expr *numbers(Lower *lw, int64_t points) {
    Arena *a = lower_arena(lw);
    return expr_binary(a, EXPR_MUL, expr_unary(a, EXPR_TO_F32, lower_image_count(lw)), expr_real(a, (double)points));
}

/* `value` where image number `image` is one of the batch, 0 behind the last one. */
static const Expr *where_there(Lower *lw, const Expr *image, const Expr *value) {
    Arena *a = lower_arena(lw);
    return expr_ternary(a, EXPR_SELECT, expr_binary(a, EXPR_LT, image, lower_image_count(lw)), value, expr_real(a, 0));
}

static const Expr *of_images(Lower *lw, const Expr *value) { return where_there(lw, lower_image(lw), value); }

static const Expr *sub(Lower *lw, const Expr *x, const Expr *y) { return expr_binary(lower_arena(lw), EXPR_SUB, x, y); }
static const Expr *mul(Lower *lw, const Expr *x, const Expr *y) { return expr_binary(lower_arena(lw), EXPR_MUL, x, y); }
static const Expr *fma_of(Lower *lw, const Expr *x, const Expr *y, const Expr *z) { return expr_ternary(lower_arena(lw), EXPR_FMA, x, y, z); }

/* A plain sum of many numbers around 1000 would be off by more than their deviation is small. */
static const Expr *mean_element(Lower *lw, const Node *n, const Affine *at) { return of_images(lw, lower_load(lw, n->arg[0], at)); }

static const Expr *var_term(Lower *lw, const Node *n, const Affine *at, const Expr *sum) {
    const Expr *d = of_images(lw, sub(lw, lower_load(lw, n->arg[0], at), lower_load(lw, n->arg[1], at)));
    return fma_of(lw, d, d, sum);
}

static const Expr *dgamma_term(Lower *lw, const Node *n, const Affine *at, const Expr *sum) {
    const Expr *d = sub(lw, lower_load(lw, n->arg[1], at), lower_load(lw, n->arg[2], at));
    return fma_of(lw, lower_load(lw, n->arg[0], at), mul(lw, d, lower_load(lw, n->arg[3], at)), sum);
}

static void lower_batch_mean(Lower *lw, const Node *n) { lower_channel_nest_exactly(lw, n, n->arg[0]->type, mean_element); }

/* ---- mean and variance in one pass: those of parts, put together (Chan, Golub and LeVeque, 1979) ----
 *
 * Of a part with count numbers of the channel, sum S and squares M2 around its own mean, the whole variance takes M2 + count (S / count - mean)^2. Parts are
 * the images of a lane block, each in its lane: a few channels at a time are read twice, the second time from a core's own cache.
 */

/* count * d^2 + sum */
static const Expr *add_squares(Lower *lw, const Expr *count, const Expr *d, const Expr *sum) { return fma_of(lw, mul(lw, count, d), d, sum); }

static const Expr *chunk_numbers(Lower *lw, Affine chunk, int64_t points) {
    Arena *a = lower_arena(lw);
    return mul(lw, expr_unary(a, EXPR_TO_F32, lower_chunk_images(lw, chunk)), expr_real(a, (double)points));
}

/* The number of the lane's image, outside of a sum whose axis is the lane block. */
static const Expr *chunk_image(Lower *lw) {
    Arena *a = lower_arena(lw);
    return expr_index(a, affine_add(a, lower_lane(lw), affine_scale(a, lower_chunk(lw), lower_images(lw))));
}

/* The means of channels first .. first+run-1 of each image, and what they add to the mean of the batch. */
static void lower_image_means(Lower *lw, const Node *mean, Affine first, int64_t run, const Buffer *means) {
    Arena *a = lower_arena(lw);
    Type x = mean->arg[0]->type;
    Affine at[3];
    Nest *nest = lower_channel_elements(lw, mean, x, first, run, at);
    const Expr *sum = nest_let(a, nest, lower_exact_sum(lw, nest, mean_element(lw, mean, arena_copy(a, at, sizeof at))));
    const Affine *place = lower_at(lw, 3, affine_const(0), affine_add(a, at[0], affine_scale(a, first, -1)), lower_lane(lw));
    nest_assign(a, nest, means, place, mul(lw, sum, expr_real(a, 1 / (double)channel_points(x))));
    lower_emit(lw, nest, mean, lower_at(lw, 1, at[0]), expr_unary(a, EXPR_LANE_SUM, sum));
}

/* The squares around the mean of these images, put together from those around each one's own. */
static void lower_image_squares(Lower *lw, const Node *n, Affine first, int64_t run, const Buffer *means) {
    Arena *a = lower_arena(lw);
    Type x = n->arg[0]->type;
    Affine at[3];
    Nest *nest = lower_channel_elements(lw, n, x, first, run, at);
    const Expr *own = expr_load(a, means, lower_at(lw, 3, affine_const(0), affine_add(a, at[0], affine_scale(a, first, -1)), lower_lane(lw)));
    const Expr *acc = nest_acc(a, nest, ELEM_F32, expr_real(a, 0)), *points = expr_real(a, (double)channel_points(x));
    const Expr *d = of_images(lw, sub(lw, lower_load(lw, n->arg[0], arena_copy(a, at, sizeof at)), own));
    nest_update(nest, acc, fma_of(lw, d, d, acc));
    const Expr *all = expr_unary(a, EXPR_LANE_SUM, mul(lw, own, points)), *mean = expr_binary(a, EXPR_DIV, all, chunk_numbers(lw, lower_chunk(lw), channel_points(x)));
    const Expr *off = where_there(lw, chunk_image(lw), sub(lw, own, mean));
    lower_emit(lw, nest, n, lower_at(lw, 1, at[0]), expr_unary(a, EXPR_LANE_SUM, add_squares(lw, points, off, acc)));
}

static void lower_batch_var(Lower *lw, const Node *n) {
    if (!lower_sums_beside(lw, n->arg[1])) {
        lower_channel_nest(lw, n, n->arg[0]->type, var_term);
        return;
    }
    ENSURE(lower_blocks(lw) == 1); /* a lane is an image */
    int64_t channels = n->type.dim[0], run = channels % 4 == 0 ? 4 : channels % 2 == 0 ? 2 : 1;
    Affine first = affine_scale(lower_arena(lw), lower_open_loop(lw, "c", channels / run), run);
    Buffer *means = lower_scratch(lw, "means", type_batched(1, run, 0, 0));
    lower_image_means(lw, n->arg[1], first, run, means);
    lower_image_squares(lw, n, first, run, means);
    lower_close_loop(lw);
}

/* Where they ride on the kernel that makes the numbers, there is one pass: of an image's channel, `shift` is the first number, and the sum and squares of the others' distance from it give both. It is one of
 * the numbers, so that the squares are not much larger than those around the mean. */
enum { SHIFT, SUM, SQUARES, VAR_NUMBERS };

/* Is `at` the first point of its picture? Null: never. */
static const Expr *is_first(Lower *lw, const Affine *at, int64_t cols) {
    Arena *a = lower_arena(lw);
    Affine number = affine_add(a, affine_scale(a, at[1], cols), at[2]);
    bool later = number.c > 0;
    for (int i = 0; i < number.n; i++) later = later && number.term[i].k >= 0;
    return later ? NULL : expr_binary(a, EXPR_LT, expr_index(a, number), expr_int(a, 1));
}

static void var_ride(Lower *lw, const Node *n, const Affine *at, const Expr *const *was, const Expr **now) {
    const Expr *x = lower_load(lw, n->arg[0], at), *first = is_first(lw, at, n->arg[0]->type.dim[2]), *shift = was[SHIFT];
    if (first) now[SHIFT] = shift = lower_name(lw, expr_ternary(lower_arena(lw), EXPR_SELECT, first, x, shift));
    const Expr *d = lower_name(lw, sub(lw, x, shift));
    now[SUM] = expr_binary(lower_arena(lw), EXPR_ADD, was[SUM], d);
    now[SQUARES] = fma_of(lw, d, d, was[SQUARES]);
}

static void var_ride_end(Lower *lw, const Node *n, Nest *nest, Affine c, const Expr *const *of) {
    Arena *a = lower_arena(lw);
    int64_t count = channel_points(n->arg[0]->type);
    const Expr *points = expr_real(a, (double)count), *share = expr_real(a, 1 / (double)count);
    const Expr *image = chunk_image(lw), *sum = nest_let(a, nest, where_there(lw, image, fma_of(lw, of[SHIFT], points, of[SUM])));
    const Expr *all = nest_let(a, nest, expr_unary(a, EXPR_LANE_SUM, sum)), *mean = expr_binary(a, EXPR_DIV, all, chunk_numbers(lw, lower_chunk(lw), count));
    const Expr *around = expr_binary(a, EXPR_MAX, sub(lw, of[SQUARES], mul(lw, mul(lw, of[SUM], of[SUM]), share)), expr_real(a, 0));
    const Expr *off = nest_let(a, nest, sub(lw, mul(lw, sum, share), mean));
    lower_assign_partial(lw, nest, n->arg[1], c, all);
    lower_assign_partial(lw, nest, n, c, expr_unary(a, EXPR_LANE_SUM, where_there(lw, image, add_squares(lw, points, off, around))));
}

static const Expr *var_part(Lower *lw, const Node *n, Affine chunk, Affine c) {
    const Expr *squares = lower_partial(lw, n, chunk, c);
    if (!lower_sums_beside(lw, n->arg[1])) return squares;
    const Expr *count = chunk_numbers(lw, chunk, channel_points(n->arg[0]->type));
    const Expr *mean = expr_binary(lower_arena(lw), EXPR_DIV, lower_partial(lw, n->arg[1], chunk, c), count);
    return add_squares(lw, count, sub(lw, mean, lower_load(lw, n->arg[1], lower_at(lw, 1, c))), squares);
}

/* beta's gradient, too, is a sum over dy. */
static void lower_dgamma(Lower *lw, const Node *n) {
    lower_channel_twins(lw, n, n->arg[0]->type, dgamma_term, lower_twin(lw, n, OP_channel_sum), channel_sum_term);
}

static const Expr *finish_mean(Lower *lw, const Node *n, const Expr *sum) {
    return expr_binary(lower_arena(lw), EXPR_DIV, sum, numbers(lw, channel_points(n->arg[0]->type)));
}

static const Expr *inv_std_point(Lower *lw, const Node *n, const Expr *const *x, const Affine *at) {
    Arena *a = lower_arena(lw);
    (void)at;
    const Expr *std = expr_unary(a, EXPR_SQRT, expr_binary(a, EXPR_ADD, x[0], expr_real(a, n->attr.f[0])));
    return expr_binary(a, EXPR_DIV, expr_real(a, 1), std);
}

static const Expr *batch_norm_point(Lower *lw, const Node *n, const Expr *const *x, const Affine *at) {
    (void)at;
    const Expr *xhat = mul(lw, sub(lw, x[0], x[1]), x[2]);
    return n->nargs == AFFINE_ARGS ? fma_of(lw, xhat, x[3], x[4]) : xhat;
}

static const Expr *batch_norm_dx_point(Lower *lw, const Node *n, const Expr *const *x, const Affine *at) {
    Arena *a = lower_arena(lw);
    (void)at;
    const Expr *share = expr_binary(a, EXPR_DIV, expr_real(a, 1), numbers(lw, channel_points(n->type)));
    const Expr *xhat = mul(lw, sub(lw, x[1], x[2]), x[3]), *slope = n->nargs == 7 ? mul(lw, x[6], x[3]) : x[3];
    const Expr *inner = sub(lw, x[0], mul(lw, share, fma_of(lw, xhat, x[5], x[4])));
    return of_images(lw, mul(lw, slope, inner));
}

/* old + m * (new - old) */
static const Expr *move(Lower *lw, double momentum, const Expr *old, const Expr *new) {
    return fma_of(lw, expr_real(lower_arena(lw), momentum), sub(lw, new, old), old);
}

static const Expr *running_mean_point(Lower *lw, const Node *n, const Expr *const *x, const Affine *at) {
    (void)at;
    return move(lw, n->attr.f[0], x[0], x[1]);
}

static const Expr *running_var_point(Lower *lw, const Node *n, const Expr *const *x, const Affine *at) {
    Arena *a = lower_arena(lw);
    (void)at;
    const Expr *count = numbers(lw, n->attr.i[0]), *one = expr_real(a, 1);
    const Expr *unbiased = expr_binary(a, EXPR_DIV, count, expr_binary(a, EXPR_MAX, sub(lw, count, one), one));
    return move(lw, n->attr.f[0], x[0], mul(lw, x[1], unbiased));
}

const LowerRule batch_mean_lower = {.kind = LOWER_NEST, .nest = lower_batch_mean, .finish = finish_mean, .sums_batch = true};
const LowerRule batch_var_lower = {.kind = LOWER_NEST, .nest = lower_batch_var, .part = var_part, .finish = finish_mean, .sums_batch = true, .sums_beside = OP_batch_mean, .ride_numbers = VAR_NUMBERS, .ride = var_ride, .ride_end = var_ride_end};
const LowerRule inv_std_lower = {.kind = LOWER_POINTWISE, .pointwise = inv_std_point};
const LowerRule batch_norm_lower = {.kind = LOWER_POINTWISE, .pointwise = batch_norm_point};
const LowerRule batch_norm_dgamma_lower = {.kind = LOWER_NEST, .nest = lower_dgamma, .sums_batch = true, .sums_beside = OP_channel_sum, .reads_cells = sums_by_cells};
const LowerRule batch_norm_dx_lower = {.kind = LOWER_POINTWISE, .pointwise = batch_norm_dx_point, .reads_cells = sums_by_cells}; /* behind those sums */
const LowerRule running_mean_update_lower = {.kind = LOWER_POINTWISE, .pointwise = running_mean_point};
const LowerRule running_var_update_lower = {.kind = LOWER_POINTWISE, .pointwise = running_var_point};
