/* adaptive_pool.c: means of `size` bins along one axis of an image, and the adjoint. Bins are PyTorch's: of n points, bin i of m takes
 *
 *     floor(i n / m)  to  ceil((i + 1) n / m) - 1
 *
 * so that neighbours may share a point, and more bins than points repeat some. A pool over both axes is one over each in turn, for
 * means of means of equal counts are means.
 *
 * With g = gcd(n, m) the bins repeat g times: bin P t + p (P = m/g, p < P) starts at Q t + floor(p Q / P) (Q = n/g), and is as
 * long as bin p. So there is a nest for each p, in which all is affine. Seen from the points, for the adjoint, the same holds for runs
 * of points q < Q that lie in the same bins lo .. hi of their period; there are at most 2 P runs. Of three or more bins that
 * share a point, those in the middle hold nothing else: their length is 1.
 */
#include "../lower.h"
#include "../ops.h"

/* One axis: `points` in, `bins` out; they fall into `periods` periods of q points and p bins. */
typedef struct Bins { int64_t points, bins, periods, q, p; } Bins;

static Bins bins_of(int64_t points, int64_t bins) {
    int64_t g = gcd_i64(points, bins);
    return (Bins){points, bins, g, points / g, bins / g};
}

/* First point of bin i, and the first behind it; of all bins or, all the same, of those of a period. Products stay below 2^63. */
static int64_t bin_start(const Bins *b, int64_t i) { return i * b->q / b->p; }
static int64_t bin_end(const Bins *b, int64_t i) { return ceil_div((i + 1) * b->q, b->p); }
static int64_t bin_length(const Bins *b, int64_t i) { return bin_end(b, i) - bin_start(b, i); }

/* The first and the last bin that point i lies in. */
static int64_t first_bin(const Bins *b, int64_t i) { return i * b->p / b->q; }
static int64_t last_bin(const Bins *b, int64_t i) { return ceil_div((i + 1) * b->p, b->q) - 1; }

/* ---- shapes ---- */

enum { MAX_KINDS = 256 }; /* of bins: each is a nest of its own */

static const char *pooled(Arena *a, const char *op, Type x, int64_t axis, int64_t bins, Type *y) {
    const char *why = op_range(a, "size", &bins, 1, 1);
    if (why) return why;
    if (!op_is_image(x)) return arena_printf(a, "%s needs an image (C x H x W), got %s", op, op_text(a, x));
    if (axis != 1 && axis != 2) return arena_printf(a, "%s pools axis 1 (rows) or 2 (columns), not %lld", op, (long long)axis);
    Bins b = bins_of(x.dim[axis], bins);
    if (b.p > MAX_KINDS)
        return arena_printf(a, "adaptive_avg_pool from %lld to %lld %s has bins of %lld kinds: at most %d are allowed", (long long)b.points,
                            (long long)b.bins, axis == 1 ? "rows" : "columns", (long long)b.p, MAX_KINDS);
    x.dim[axis] = bins;
    return op_result(a, x, y);
}

const char *adaptive_avg_pool_shape(Arena *a, const Attr *attr, int nargs, const Type *args, Type *out) {
    (void)nargs;
    return pooled(a, "adaptive_avg_pool", args[0], attr->i[ADAPTIVE_AXIS], attr->i[ADAPTIVE_SIZE], out);
}

const char *adaptive_avg_pool_grad_shape(Arena *a, const Attr *attr, int nargs, const Type *args, Type *out) {
    (void)nargs;
    Type dy = args[0], x = dy, y;
    int64_t axis = attr->i[ADAPTIVE_AXIS];
    if (!op_is_image(dy)) return arena_printf(a, "adaptive_avg_pool_grad needs an image as gradient, got %s", op_text(a, dy));
    const char *why = op_range(a, "size", &attr->i[ADAPTIVE_SIZE], 1, 1);
    if (why) return why;
    if (axis == 1 || axis == 2) x.dim[axis] = attr->i[ADAPTIVE_SIZE];
    if ((why = op_result(a, x, out))) return why;
    return pooled(a, "adaptive_avg_pool_grad", x, axis, dy.dim[axis == 2 ? 2 : 1], &y);
}

/* ---- gradient ---- */

void adaptive_avg_pool_grad(GradCtx *ctx, Node *n, Node *dy) {
    int64_t axis = n->attr.i[ADAPTIVE_AXIS];
    Attr attr = {.i = {[ADAPTIVE_AXIS] = axis, [ADAPTIVE_SIZE] = n->arg[0]->type.dim[axis]}};
    grad_add(ctx, n->arg[0], graph_node(grad_graph(ctx), OP_adaptive_avg_pool_grad, attr, 1, &dy));
}

/* ---- reference ---- */

/* Numbers between neighbours along the axis. */
static int64_t axis_stride(Type t, int64_t axis) { return axis == 1 ? t.dim[2] : 1; }

/* Calls for every bin and every point i of it: y is the bin's place in the pooled value, x the point's in the other. */
static void walk_bins(Type x, Type y, int64_t axis, int64_t images, void (*fn)(void *ctx, int64_t x, int64_t y, int64_t length), void *ctx) {
    int64_t points = x.dim[axis], bins = y.dim[axis], stride = axis_stride(x, axis), lines = type_count(x) / points / stride * images;
    for (int64_t line = 0; line < lines; line++)
        for (int64_t i = 0; i < bins; i++) {
            int64_t start = i * points / bins, end = ((i + 1) * points + bins - 1) / bins;
            for (int64_t p = start; p < end; p++)
                for (int64_t s = 0; s < stride; s++) fn(ctx, (line * points + p) * stride + s, (line * bins + i) * stride + s, end - start);
        }
}

typedef struct Sums { const double *in; double *out; } Sums;

static void add_to_bin(void *ctx, int64_t x, int64_t y, int64_t length) {
    const Sums *s = ctx;
    s->out[y] += s->in[x] / (double)length;
}

static void add_to_point(void *ctx, int64_t x, int64_t y, int64_t length) {
    const Sums *s = ctx;
    s->out[x] += s->in[y] / (double)length;
}

void adaptive_avg_pool_eval(const Node *n, int64_t batch, const double *const *args, double *out) {
    for (int64_t i = 0; i < op_count(n, batch); i++) out[i] = 0;
    walk_bins(n->arg[0]->type, n->type, n->attr.i[ADAPTIVE_AXIS], batch, add_to_bin, &(Sums){args[0], out});
}

void adaptive_avg_pool_grad_eval(const Node *n, int64_t batch, const double *const *args, double *out) {
    for (int64_t i = 0; i < op_count(n, batch); i++) out[i] = 0;
    walk_bins(n->type, n->arg[0]->type, n->attr.i[ADAPTIVE_AXIS], batch, add_to_point, &(Sums){args[0], out});
}

/* ---- lowering ---- */

/* The index of n's argument and of n at the points of a nest: equal but for the pooled axis, which is the caller's. */
typedef struct Place { Affine from[3], to[3]; const Var *period; } Place;

/* Axes c, the other dimension and the periods of the pooled one. */
static Place place_axes(Lower *lw, Nest *nest, const Node *n, const Bins *b) {
    Arena *a = lower_arena(lw);
    int axis = (int)n->attr.i[ADAPTIVE_AXIS], other = 3 - axis;
    Place p = {.from = {lower_affine(lw, nest_axis(a, nest, "c", n->type.dim[0], false), 1, 0)}};
    if (axis == 1) p.period = nest_axis(a, nest, "h", b->periods, false);
    p.from[other] = lower_affine(lw, nest_axis(a, nest, other == 1 ? "h" : "w", n->type.dim[other], false), 1, 0);
    if (axis == 2) p.period = nest_axis(a, nest, "w", b->periods, false);
    p.to[0] = p.from[0];
    p.to[other] = p.from[other];
    return p;
}

static const Expr *load_at(Lower *lw, const Node *x, const Place *p, int axis, Affine i) {
    Affine at[3] = {p->from[0], p->from[1], p->from[2]};
    at[axis] = i;
    return lower_load(lw, x, arena_copy(lower_arena(lw), at, sizeof at));
}

static void emit_at(Lower *lw, Nest *nest, const Node *n, Place p, int axis, Affine i, const Expr *value) {
    p.to[axis] = i;
    lower_emit(lw, nest, n, arena_copy(lower_arena(lw), p.to, sizeof p.to), value);
}

/* acc + x, over the points of the reduce axes. */
static const Expr *sum_of(Lower *lw, Nest *nest, const Expr *x) {
    Arena *a = lower_arena(lw);
    const Expr *acc = nest_acc(a, nest, ELEM_F32, expr_real(a, 0));
    nest_update(nest, acc, expr_binary(a, EXPR_ADD, acc, x));
    return acc;
}

static const Expr *share(Arena *a, const Expr *x, int64_t length) {
    return length == 1 ? x : expr_binary(a, EXPR_MUL, x, expr_real(a, 1.0 / (double)length));
}

static void lower_bin(Lower *lw, const Node *n, const Bins *b, int64_t bin) {
    Arena *a = lower_arena(lw);
    int axis = (int)n->attr.i[ADAPTIVE_AXIS];
    Nest *nest = lower_nest(lw, n);
    Place p = place_axes(lw, nest, n, b);
    const Var *r = nest_axis(a, nest, "r", bin_length(b, bin), true);
    Affine point = affine_add(a, lower_affine(lw, p.period, b->q, bin_start(b, bin)), lower_affine(lw, r, 1, 0));
    const Expr *mean = share(a, sum_of(lw, nest, load_at(lw, n->arg[0], &p, axis, point)), bin_length(b, bin));
    emit_at(lw, nest, n, p, axis, lower_affine(lw, p.period, b->p, bin), mean);
}

static void lower_adaptive_pool(Lower *lw, const Node *n) {
    int64_t axis = n->attr.i[ADAPTIVE_AXIS];
    Bins b = bins_of(n->arg[0]->type.dim[axis], n->type.dim[axis]);
    for (int64_t bin = 0; bin < b.p; bin++) lower_bin(lw, n, &b, bin);
}

/* What points first .. end-1 of each period get, which all lie in the same bins. */
static void lower_points(Lower *lw, const Node *n, const Bins *b, int64_t first, int64_t end) {
    Arena *a = lower_arena(lw);
    int axis = (int)n->attr.i[ADAPTIVE_AXIS];
    int64_t lo = first_bin(b, first), hi = last_bin(b, first);
    Nest *nest = lower_nest(lw, n);
    Place p = place_axes(lw, nest, n, b);
    const Var *f = nest_axis(a, nest, "f", end - first, false);
    const Expr *value = share(a, load_at(lw, n->arg[0], &p, axis, lower_affine(lw, p.period, b->p, lo)), bin_length(b, lo));
    if (hi > lo) value = expr_binary(a, EXPR_ADD, value, share(a, load_at(lw, n->arg[0], &p, axis, lower_affine(lw, p.period, b->p, hi)), bin_length(b, hi)));
    if (hi > lo + 1) {
        const Var *r = nest_axis(a, nest, "r", hi - lo - 1, true);
        Affine bin = affine_add(a, lower_affine(lw, p.period, b->p, lo + 1), lower_affine(lw, r, 1, 0));
        value = expr_binary(a, EXPR_ADD, value, sum_of(lw, nest, load_at(lw, n->arg[0], &p, axis, bin)));
    }
    emit_at(lw, nest, n, p, axis, affine_add(a, lower_affine(lw, p.period, b->q, first), lower_affine(lw, f, 1, 0)), value);
}

static void lower_adaptive_pool_grad(Lower *lw, const Node *n) {
    int64_t axis = n->attr.i[ADAPTIVE_AXIS], end;
    Bins b = bins_of(n->type.dim[axis], n->arg[0]->type.dim[axis]);
    for (int64_t first = 0; first < b.q; first = end) {
        int64_t hi = last_bin(&b, first), next = hi + 1 < b.p ? bin_start(&b, hi + 1) : b.q; /* where the next bin joins in */
        end = bin_end(&b, first_bin(&b, first));                                             /* or the first one ends */
        if (next < end) end = next;
        lower_points(lw, n, &b, first, end);
    }
}

const LowerRule adaptive_avg_pool_lower = {.kind = LOWER_NEST, .nest = lower_adaptive_pool};
const LowerRule adaptive_avg_pool_grad_lower = {.kind = LOWER_NEST, .nest = lower_adaptive_pool_grad};
