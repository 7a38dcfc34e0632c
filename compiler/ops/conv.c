/* conv.c: two-dimensional convolution (cross-correlation) by groups, and its two adjoints.
 *
 * With d in, o out channels, G groups, kernel R x S, stride, pad and dilation for each axis:
 *     y[n,o,h,w] = sum_{c,r,s} x[n, g*d/G + c, h*stride + r*dilation - pad, w*...] * w[o,c,r,s],  g = o / (out/G)
 * where x is zero outside. conv, conv_dx and conv_dw are one sum of products x*w, dy*w, x*dy over the same set of index
 * triples; conv_walk visits that set. The shape rules of the adjoints ask conv's rule whether dy is what conv would give.
 */
#include "../lower.h"
#include "../ops.h"
#include "conv_nest.h"
#include "phases.h"

/* ---- shapes ---- */

static const char *groups_fit(Arena *a, int64_t groups, int64_t channels, const char *side) {
    if (channels % groups == 0) return NULL;
    return arena_printf(a, "groups=%lld does not divide %lld %s channels", (long long)groups, (long long)channels, side);
}

static const char *attr_ranges(Arena *a, const Attr *attr) {
    const char *why = op_range(a, "stride", &attr->i[CONV_STRIDE], 2, 1);
    if (!why) why = op_range(a, "pad", &attr->i[CONV_PAD], 2, 0);
    if (!why) why = op_range(a, "dilation", &attr->i[CONV_DILATION], 2, 1);
    return why ? why : op_range(a, "groups", &attr->i[CONV_GROUPS], 1, 1);
}

/* The type of conv(x, w). */
static const char *conv_result(Arena *a, const Attr *attr, Type x, Type w, Type *out) {
    const char *why = attr_ranges(a, attr);
    if (why) return why;
    if (!op_is_image(x)) return arena_printf(a, "conv needs an image (C x H x W), got %s", op_text(a, x));
    if (!op_is_weight(w, 4)) return arena_printf(a, "conv needs a weight of 4 dimensions, got %s", op_text(a, w));
    int64_t groups = attr->i[CONV_GROUPS];
    if ((why = groups_fit(a, groups, x.dim[0], "input")) || (why = groups_fit(a, groups, w.dim[0], "output"))) return why;
    if (w.dim[1] != x.dim[0] / groups)
        return arena_printf(a, "weight %s does not fit %lld input channels in %lld groups", op_text(a, w), (long long)x.dim[0], (long long)groups);
    Type y = type_batched(3, w.dim[0], 0, 0);
    for (int k = 0; k < 2; k++) {
        why = op_window(a, x.dim[1 + k], w.dim[2 + k], attr->i[CONV_STRIDE + k], attr->i[CONV_PAD + k], attr->i[CONV_DILATION + k], &y.dim[1 + k]);
        if (why) return why;
    }
    const int64_t *stride = &attr->i[CONV_STRIDE], *dilation = &attr->i[CONV_DILATION];
    if (phases_too_many(&x.dim[1], &w.dim[2], stride, dilation))
        return arena_printf(a, "a kernel of %lldx%lld with stride (%lld, %lld) and dilation (%lld, %lld) meets its input in more than %d ways", (long long)w.dim[2],
                            (long long)w.dim[3], (long long)stride[0], (long long)stride[1], (long long)dilation[0], (long long)dilation[1], PHASES_MOST);
    return op_result(a, y, out);
}

/* null where conv(x, w) is of type dy. */
static const char *adjoint_fits(Arena *a, const Attr *attr, Type x, Type w, Type dy) {
    Type y;
    const char *why = conv_result(a, attr, x, w, &y);
    if (why || type_equal(y, dy)) return why;
    return arena_printf(a, "gradient %s does not fit: the convolution of %s with %s gives %s", op_text(a, dy), op_text(a, x), op_text(a, w),
                        op_text(a, y));
}

const char *conv_shape(Arena *a, const Attr *attr, int nargs, const Type *args, Type *out) {
    (void)nargs;
    return conv_result(a, attr, args[0], args[1], out);
}

/* The type of the weights w of conv_dx by output. Those by input stand in lines of output channels, of which dy tells the number. */
static Type weights_by_output(const Attr *attr, Type dy, Type w) {
    if (!attr->i[CONV_BY_INPUT]) return w;
    int64_t groups = attr->i[CONV_GROUPS], lines = dy.dim[0] / groups / w.dim[3];
    return type_param(4, dy.dim[0], w.dim[0] / groups, w.dim[1] / lines, w.dim[2]);
}

static const char *by_input_fits(Arena *a, const Attr *attr, Type dy, Type w) {
    int64_t groups = attr->i[CONV_GROUPS];
    if (!attr->i[CONV_BY_INPUT]) return NULL;
    if (attr->i[CONV_BY_INPUT] != 1) return arena_printf(a, "by_input is 0 or 1, not %lld", (long long)attr->i[CONV_BY_INPUT]);
    if (!op_is_image(dy)) return arena_printf(a, "conv_dx needs an image as gradient, got %s", op_text(a, dy));
    const char *why = groups_fit(a, groups, w.dim[0], "input");
    if (!why) why = groups_fit(a, groups, dy.dim[0], "output");
    int64_t outs = why ? 0 : dy.dim[0] / groups;
    if (!why && (outs % w.dim[3] || w.dim[1] % (outs / w.dim[3]))) why = arena_printf(a, "weights by input %s do not fit the gradient %s", op_text(a, w), op_text(a, dy));
    return why;
}

const char *conv_dx_shape(Arena *a, const Attr *attr, int nargs, const Type *args, Type *out) {
    (void)nargs;
    Type dy = args[0], w = args[1], x;
    const char *why = attr_ranges(a, attr);
    if (why) return why;
    if (!op_is_weight(w, 4)) return arena_printf(a, "conv_dx needs a weight of 4 dimensions, got %s", op_text(a, w));
    if ((why = by_input_fits(a, attr, dy, w))) return why;
    w = weights_by_output(attr, dy, w);
    why = op_result(a, type_batched(3, w.dim[1] * attr->i[CONV_GROUPS], attr->i[CONV_SIZE], attr->i[CONV_SIZE + 1]), &x);
    if (why || (why = adjoint_fits(a, attr, x, w, dy))) return why;
    *out = x;
    return NULL;
}

const char *conv_dw_shape(Arena *a, const Attr *attr, int nargs, const Type *args, Type *out) {
    (void)nargs;
    Type x = args[0], dy = args[1], w;
    const char *why = attr_ranges(a, attr);
    if (why) return why;
    if (!op_is_image(x)) return arena_printf(a, "conv_dw needs an image, got %s", op_text(a, x));
    if (!op_is_image(dy)) return arena_printf(a, "conv_dw needs an image as gradient, got %s", op_text(a, dy));
    if ((why = groups_fit(a, attr->i[CONV_GROUPS], x.dim[0], "input"))) return why;
    why = op_result(a, type_param(4, dy.dim[0], x.dim[0] / attr->i[CONV_GROUPS], attr->i[CONV_SIZE], attr->i[CONV_SIZE + 1]), &w);
    if (why || (why = adjoint_fits(a, attr, x, w, dy))) return why;
    *out = w;
    return NULL;
}

/* ---- gradient ---- */

void conv_grad(GradCtx *ctx, Node *n, Node *dy) {
    Graph *g = grad_graph(ctx);
    Node *x = n->arg[0], *w = n->arg[1];
    Attr attr = n->attr;
    if (grad_wanted(ctx, x)) {
        for (int k = 0; k < 2; k++) attr.i[CONV_SIZE + k] = x->type.dim[1 + k];
        grad_add(ctx, x, graph_node(g, OP_conv_dx, attr, 2, (Node *[]){dy, w}));
    }
    if (grad_wanted(ctx, w)) {
        for (int k = 0; k < 2; k++) attr.i[CONV_SIZE + k] = w->type.dim[2 + k];
        grad_add(ctx, w, graph_node(g, OP_conv_dw, attr, 2, (Node *[]){x, dy}));
    }
}

/* ---- reference ---- */

enum { SIDE_X, SIDE_W, SIDE_Y };

typedef struct Walk {
    const Attr *attr;
    Type x, w, y;
    int64_t line; /* of weights by input; 0: they are by output */
    const int *sides;
    const double *a, *b;
    double *out;
} Walk;

/* n triples: the first one's numbers, and from each to the next. */
static void walk_row(const Walk *k, int64_t n, const int64_t first[3], const int64_t step[3]) {
    const double *a = k->a + first[k->sides[0]], *b = k->b + first[k->sides[1]];
    double *out = k->out + first[k->sides[2]];
    int64_t step_a = step[k->sides[0]], step_b = step[k->sides[1]], step_out = step[k->sides[2]];
    for (int64_t i = 0; i < n; i++) out[i * step_out] += a[i * step_a] * b[i * step_b];
}

/* The triples of one number of Y, which is number `y` and stands in row p, column q of channel o of image n. */
static void walk_sum(const Walk *k, int64_t n, int64_t o, int64_t p, int64_t q, int64_t y) {
    const int64_t *stride = &k->attr->i[CONV_STRIDE], *pad = &k->attr->i[CONV_PAD], *dilation = &k->attr->i[CONV_DILATION];
    const int64_t *x = k->x.dim, *w = k->w.dim, places = w[2] * w[3];
    int64_t group_out = k->y.dim[0] / k->attr->i[CONV_GROUPS], group = o / group_out, left = q * stride[1] - pad[1];
    int64_t from = left < 0 ? ceil_div(-left, dilation[1]) : 0, to = i64_min(w[3], ceil_div(x[2] - left, dilation[1]));
    int64_t step[3] = {[SIDE_X] = dilation[1], [SIDE_W] = i64_max(k->line, 1), [SIDE_Y] = 0}, within = o % group_out;
    for (int64_t c = 0; c < w[1]; c++) {
        int64_t channel = group * w[1] + c, place = k->line ? (channel * group_out + within / k->line * k->line) * places + within % k->line : (o * w[1] + c) * places;
        for (int64_t r = 0; r < w[2]; r++) {
            int64_t h = p * stride[0] + r * dilation[0] - pad[0];
            if (h < 0 || h >= x[1]) continue;
            int64_t first[3] = {[SIDE_X] = ((n * x[0] + channel) * x[1] + h) * x[2] + left + from * dilation[1], [SIDE_W] = place + (r * w[3] + from) * step[SIDE_W], [SIDE_Y] = y};
            if (from < to) walk_row(k, to - from, first, step);
        }
    }
}

/* out[i_out] += a[i_a] * b[i_b] for every triple (i_X, i_W, i_Y) of the sum; `sides` tells which of the three is which. */
static void conv_walk(const Attr *attr, Type x, Type w, Type y, int64_t line, int64_t batch, const int sides[3], const double *a, const double *b, double *out) {
    Walk k = {attr, x, w, y, line, sides, a, b, out};
    int64_t i = 0;
    for (int64_t n = 0; n < batch; n++)
        for (int64_t o = 0; o < y.dim[0]; o++)
            for (int64_t p = 0; p < y.dim[1]; p++)
                for (int64_t q = 0; q < y.dim[2]; q++) walk_sum(&k, n, o, p, q, i++);
}

static void clear(const Node *n, int64_t batch, double *out) {
    for (int64_t i = 0; i < op_count(n, batch); i++) out[i] = 0;
}

void conv_eval(const Node *n, int64_t batch, const double *const *args, double *out) {
    clear(n, batch, out);
    conv_walk(&n->attr, n->arg[0]->type, n->arg[1]->type, n->type, 0, batch, (const int[]){SIDE_X, SIDE_W, SIDE_Y}, args[0], args[1], out);
}

/* Output channels of a line of conv_dx's weights by input; 0: they are by output. */
static int64_t dx_line(const Node *n) { return n->attr.i[CONV_BY_INPUT] ? n->arg[1]->type.dim[3] : 0; }
static Type dx_weights(const Node *n) { return weights_by_output(&n->attr, n->arg[0]->type, n->arg[1]->type); }

void conv_dx_eval(const Node *n, int64_t batch, const double *const *args, double *out) {
    clear(n, batch, out);
    conv_walk(&n->attr, n->type, dx_weights(n), n->arg[0]->type, dx_line(n), batch, (const int[]){SIDE_Y, SIDE_W, SIDE_X}, args[0], args[1], out);
}

void conv_dw_eval(const Node *n, int64_t batch, const double *const *args, double *out) {
    clear(n, batch, out);
    conv_walk(&n->attr, n->arg[0]->type, n->type, n->arg[1]->type, 0, batch, (const int[]){SIDE_X, SIDE_Y, SIDE_W}, args[0], args[1], out);
}

/* ---- lowering: the three contractions of a convolution, grouped or not ---- */

ConvShape conv_shape_of(const Attr *attr, Type w, int64_t rows, int64_t cols) {
    const int64_t *i = attr->i;
    return (ConvShape){
        .stride = {i[CONV_STRIDE], i[CONV_STRIDE + 1]}, .pad = {i[CONV_PAD], i[CONV_PAD + 1]}, .dilation = {i[CONV_DILATION], i[CONV_DILATION + 1]},
        .groups = i[CONV_GROUPS], .in = w.dim[1], .out = w.dim[0] / i[CONV_GROUPS], .kernel = {w.dim[2], w.dim[3]}, .rows = rows, .cols = cols,
    };
}

/* g*n + x, the channel; g is null where there is one group. */
static Affine in_group(Lower *lw, const Var *g, int64_t n, Affine x) { return g ? affine_add(lower_arena(lw), x, lower_affine(lw, g, n, 0)) : x; }
static Affine grouped(Lower *lw, const Var *g, int64_t n, const Var *v) { return in_group(lw, g, n, lower_affine(lw, v, 1, 0)); }

Affine conv_input(Lower *lw, const ConvShape *c, int d, Affine o, Affine r) {
    Arena *a = lower_arena(lw);
    return affine_add(a, affine_offset(affine_scale(a, o, c->stride[d]), -c->pad[d]), affine_scale(a, r, c->dilation[d]));
}

static const Var *group_axis(Lower *lw, Nest *n, const ConvShape *c) {
    return c->groups > 1 ? nest_axis(lower_arena(lw), n, "g", c->groups, false) : NULL;
}

static void lower_conv(Lower *lw, const Node *n) {
    Arena *a = lower_arena(lw);
    ConvShape c = conv_shape_of(&n->attr, n->arg[1]->type, n->type.dim[1], n->type.dim[2]);
    Nest *nest = lower_nest(lw, n);
    const Var *g = group_axis(lw, nest, &c), *o = nest_axis(a, nest, "o", c.out, false);
    const Var *h = nest_axis(a, nest, "h", c.rows, false), *w = nest_axis(a, nest, "w", c.cols, false);
    const Var *i = nest_axis(a, nest, "c", c.in, true), *r = nest_axis(a, nest, "r", c.kernel[0], true), *s = nest_axis(a, nest, "s", c.kernel[1], true);
    const Expr *acc = nest_acc(a, nest, ELEM_F32, expr_real(a, 0));
    Affine row = lower_affine(lw, h, 1, 0), col = lower_affine(lw, w, 1, 0), out = grouped(lw, g, c.out, o);
    const Expr *x = lower_load(lw, n->arg[0], lower_at(lw, 3, grouped(lw, g, c.in, i), conv_input(lw, &c, 0, row, affine_var(a, r)), conv_input(lw, &c, 1, col, affine_var(a, s))));
    const Expr *k = lower_load(lw, n->arg[1], lower_at(lw, 4, out, lower_affine(lw, i, 1, 0), lower_affine(lw, r, 1, 0), lower_affine(lw, s, 1, 0)));
    nest_update(nest, acc, expr_ternary(a, EXPR_FMA, k, x, acc));
    lower_emit(lw, nest, n, lower_at(lw, 3, out, row, col), acc);
}

/* The sum over a group's output channels: by lines, where weights by input have several, else `within` is all of it. */
typedef struct Outs { Affine line, within, channel; } Outs;

static int64_t channels_of_line(const Node *n, const ConvShape *c) { return dx_line(n) ? dx_line(n) : c->out; }

static bool has_lines(const Node *n, const ConvShape *c) { return channels_of_line(n, c) < c->out; }

/* The axis over the lines, if there are several, outside of a kernel's rows. */
static Affine outs_lines(Lower *lw, Nest *nest, const Node *n, const ConvShape *c) {
    if (!has_lines(n, c)) return affine_const(0);
    return lower_affine(lw, nest_axis(lower_arena(lw), nest, "ol", c->out / channels_of_line(n, c), true), 1, 0);
}

/* The axis over a line's channels: where there are several lines, inside of a kernel's rows, so that one line of weights for each column is read from front to end. */
static Outs outs_of(Lower *lw, Nest *nest, const Node *n, const ConvShape *c, Affine line) {
    Arena *a = lower_arena(lw);
    Affine within = lower_affine(lw, nest_axis(a, nest, "o", channels_of_line(n, c), true), 1, 0);
    return (Outs){line, within, affine_pair(a, line, channels_of_line(n, c), within)};
}

/* What an output channel of the group adds by the kernel's place r, s to input channel i. */
static const Expr *dx_weight(Lower *lw, const Node *n, const ConvShape *c, const Var *g, const Outs *o, const Var *i, Affine r, Affine s) {
    Arena *a = lower_arena(lw);
    if (dx_line(n)) return lower_load(lw, n->arg[1], lower_at(lw, 4, grouped(lw, g, c->in, i), affine_pair(a, o->line, c->kernel[0], r), s, o->within));
    return lower_load(lw, n->arg[1], lower_at(lw, 4, in_group(lw, g, c->out, o->channel), lower_affine(lw, i, 1, 0), r, s));
}

/* One dimension of a phase: axes q, f and t, and what they make of i, r and o. */
typedef struct PhaseAxes { Affine i, r, o; } PhaseAxes;

static PhaseAxes phase_axes(Lower *lw, const Phase *p, int64_t stride, const Var *q, const Var *f, const Var *t) {
    Arena *a = lower_arena(lw);
    PhaseAxes x = {lower_affine(lw, q, stride, p->f0), lower_affine(lw, t, p->rstep, p->r0), lower_affine(lw, t, -p->ostep, p->o0)};
    x.o = affine_add(a, x.o, lower_affine(lw, q, 1, 0));
    if (f) {
        x.i = affine_add(a, x.i, lower_affine(lw, f, 1, 0));
        x.r = affine_add(a, x.r, lower_affine(lw, f, 1, 0));
    }
    return x;
}

/* Near the edges some taps reach rows and columns of dy that are not there: 0 <= q + o0 - t < points. On small maps that is much of the work, and worth
 * a loop over r that leaves those taps out; columns read the halo's zeros unless s is unrolled. */
static bool skips_taps(const Phase *p, int64_t points) {
    int64_t all = p->quotients * p->taps, used = 0;
    for (int64_t q = 0; q < p->quotients && p->ostep == 1; q++)
        used += i64_max(0, i64_min(p->taps, q + p->o0 + 1) - i64_max(0, q + p->o0 - points + 1));
    return p->ostep == 1 && used * 10 < all * 9;
}

/* `first`: of the phases; others go through groups and rows with those before them, or what is fused behind would have to get its lines of memory once for each. */
static void lower_conv_dx_phase(Lower *lw, const Node *n, const ConvShape *c, const Phase *ph, const Phase *pw, bool first) {
    Arena *a = lower_arena(lw);
    Nest *nest = lower_nest(lw, n);
    const Var *g = group_axis(lw, nest, c);
    if (g && !first) nest_beside(nest);
    const Var *i = nest_axis(a, nest, "c", c->in, false);
    const Var *fh = ph->alike > 1 ? nest_axis(a, nest, "fh", ph->alike, false) : NULL, *fw = pw->alike > 1 ? nest_axis(a, nest, "fw", pw->alike, false) : NULL;
    const Var *h = nest_axis(a, nest, "h", ph->quotients, false);
    if (!first) nest_beside(nest);
    const Var *w = nest_axis(a, nest, "w", pw->quotients, false);
    const Expr *value = expr_real(a, 0);
    const Var *none = w; /* coefficient 0 below */
    const Var *r = none, *s = none;
    Outs o = {0};
    bool taps = ph->taps > 0 && pw->taps > 0;
    if (taps) {
        Affine line = outs_lines(lw, nest, n, c);
        if (!has_lines(n, c)) o = outs_of(lw, nest, n, c, line);
        r = nest_axis(a, nest, "r", ph->taps, true);
        if (skips_taps(ph, c->rows)) nest_clamp(nest, lower_affine(lw, h, 1, ph->o0 - c->rows + 1), lower_affine(lw, h, 1, ph->o0 + 1));
        if (has_lines(n, c)) o = outs_of(lw, nest, n, c, line);
        s = nest_axis(a, nest, "s", pw->taps, true);
        if (skips_taps(pw, c->cols)) nest_thin_out(nest, lower_affine(lw, w, 1, pw->o0 - c->cols + 1), lower_affine(lw, w, 1, pw->o0 + 1));
    }
    PhaseAxes y = phase_axes(lw, ph, c->stride[0], h, fh, r), x = phase_axes(lw, pw, c->stride[1], w, fw, s);
    if (taps) {
        value = nest_acc(a, nest, ELEM_F32, value);
        const Expr *dy = lower_load(lw, n->arg[0], lower_at(lw, 3, in_group(lw, g, c->out, o.channel), y.o, x.o));
        nest_update(nest, value, expr_ternary(a, EXPR_FMA, dx_weight(lw, n, c, g, &o, i, y.r, x.r), dy, value));
    }
    lower_emit(lw, nest, n, lower_at(lw, 3, grouped(lw, g, c->in, i), y.i, x.i), value);
}

/* The only phase with taps, where it is one place with one tap, and all phases, a whole step of them, are of one size; else null. */
static const Phase *only_tap(const Phases *p, int64_t stride) {
    const Phase *tap = NULL, *last = &p->at[p->n - 1];
    for (int i = 0; i < p->n; i++) {
        if (last->f0 + last->alike != stride || p->at[i].quotients != p->at[0].quotients) return NULL;
        if (!p->at[i].taps) continue;
        if (tap || p->at[i].taps > 1 || p->at[i].alike > 1) return NULL;
        tap = &p->at[i];
    }
    return tap;
}

/* A kernel of one point that steps over others: of each cell, one place gets a sum, the others nothing. All places of a cell are finished side by side, or lines of what is
 * fused behind would be gone through once for each. */
static void lower_conv_dx_cells(Lower *lw, const Node *n, const ConvShape *c, const Phase *ph, const Phase *pw) {
    Arena *a = lower_arena(lw);
    Nest *nest = lower_nest(lw, n);
    const Var *g = group_axis(lw, nest, c), *i = nest_axis(a, nest, "c", c->in, false);
    const Var *h = nest_axis(a, nest, "h", ph->quotients, false), *w = nest_axis(a, nest, "w", pw->quotients, false);
    Outs o = outs_of(lw, nest, n, c, outs_lines(lw, nest, n, c));
    const Expr *sum = nest_acc(a, nest, ELEM_F32, expr_real(a, 0)), *zero = expr_real(a, 0);
    const Expr *dy = lower_load(lw, n->arg[0], lower_at(lw, 3, in_group(lw, g, c->out, o.channel), lower_affine(lw, h, 1, ph->o0), lower_affine(lw, w, 1, pw->o0)));
    nest_update(nest, sum, expr_ternary(a, EXPR_FMA, dx_weight(lw, n, c, g, &o, i, affine_const(ph->r0), affine_const(pw->r0)), dy, sum));
    int64_t points = c->stride[0] * c->stride[1];
    for (int64_t p = 0; p < points; p++) {
        int64_t fh = p / c->stride[1], fw = p % c->stride[1];
        const Affine *at = lower_at(lw, 3, grouped(lw, g, c->in, i), lower_affine(lw, h, c->stride[0], fh), lower_affine(lw, w, c->stride[1], fw));
        lower_point(lw, nest, n, at, fh == ph->f0 && fw == pw->f0 ? sum : zero);
    }
    lower_emit_local(lw, nest);
}

static void lower_conv_dx(Lower *lw, const Node *n) {
    Arena *a = lower_arena(lw);
    enum { PLACES_MOST = 4 }; /* more would be long code: each has all that is fused behind, for each point of a tile */
    ConvShape c = conv_shape_of(&n->attr, dx_weights(n), n->arg[0]->type.dim[1], n->arg[0]->type.dim[2]);
    Phases ph = phases_of(a, n->type.dim[1], c.kernel[0], c.stride[0], c.pad[0], c.dilation[0]);
    Phases pw = phases_of(a, n->type.dim[2], c.kernel[1], c.stride[1], c.pad[1], c.dilation[1]);
    const Phase *tap_h = only_tap(&ph, c.stride[0]), *tap_w = only_tap(&pw, c.stride[1]);
    int64_t places = capped_mul(c.stride[0], c.stride[1]);
    if (tap_h && tap_w && places > 1 && places <= PLACES_MOST) {
        lower_conv_dx_cells(lw, n, &c, tap_h, tap_w);
        return;
    }
    for (int i = 0; i < ph.n; i++)
        for (int j = 0; j < pw.n; j++) lower_conv_dx_phase(lw, n, &c, &ph.at[i], &pw.at[j], !i && !j);
}

/* ---- the gradient of weights ---- */

/* The points of dy, as terms of a sum, by cells. */
static void terms_by_cells(Lower *lw, Nest *nest, const Node *dy, Affine point[2]) {
    Arena *a = lower_arena(lw);
    int64_t cell[2];
    lower_cell(lw, dy, cell);
    for (int d = 0; d < 2; d++) point[d] = lower_affine(lw, nest_axis(a, nest, d ? "w" : "h", dy->type.dim[1 + d] / cell[d], true), cell[d], 0);
    for (int d = 0; d < 2; d++)
        if (cell[d] > 1) point[d] = affine_add(a, point[d], affine_var(a, nest_axis(a, nest, d ? "fw" : "fh", cell[d], true)));
}

static void lower_conv_dw(Lower *lw, const Node *n) {
    if (lower_turns_lanes(lw)) {
        lower_conv_dw_turned(lw, n);
        return;
    }
    Arena *a = lower_arena(lw);
    ConvShape c = conv_shape_of(&n->attr, n->type, n->arg[1]->type.dim[1], n->arg[1]->type.dim[2]);
    Nest *nest = lower_nest(lw, n);
    const Var *g = group_axis(lw, nest, &c), *o = nest_axis(a, nest, "o", c.out, false), *i = nest_axis(a, nest, "c", c.in, false);
    const Var *r = nest_axis(a, nest, "r", c.kernel[0], false), *s = nest_axis(a, nest, "s", c.kernel[1], false);
    lower_batch_axis(lw, nest);
    Affine point[2];
    terms_by_cells(lw, nest, n->arg[1], point);
    const Expr *acc = nest_acc(a, nest, ELEM_F32, expr_real(a, 0));
    const Expr *x = lower_load(lw, n->arg[0], lower_at(lw, 3, grouped(lw, g, c.in, i), conv_input(lw, &c, 0, point[0], affine_var(a, r)), conv_input(lw, &c, 1, point[1], affine_var(a, s))));
    Affine out = grouped(lw, g, c.out, o);
    const Expr *dy = lower_load(lw, n->arg[1], lower_at(lw, 3, out, point[0], point[1]));
    nest_update(nest, acc, expr_ternary(a, EXPR_FMA, dy, x, acc));
    const Affine *at = lower_at(lw, 4, out, lower_affine(lw, i, 1, 0), lower_affine(lw, r, 1, 0), lower_affine(lw, s, 1, 0));
    lower_emit(lw, nest, n, at, expr_unary(a, EXPR_LANE_SUM, acc));
}

static bool any_of(const int64_t *i, int64_t over) { return i[0] > over || i[1] > over; }

/* Reads around the edges: x where there is padding; dy nearly always. */
static bool conv_halo(const Node *n, int arg) { return arg == 0 && any_of(&n->attr.i[CONV_PAD], 0); }
static bool conv_dx_halo(const Node *n, int arg) {
    Type w = dx_weights(n);
    return arg == 0 && (any_of(&w.dim[2], 1) || any_of(&n->attr.i[CONV_PAD], 0) || any_of(&n->attr.i[CONV_STRIDE], 1));
}

/* With one input channel, or little more, a tile has all the sums of an output channel, so that dy is gone through once. */
static bool conv_dw_reads_cells(const Node *n, int arg, const Cells *cells, int lanes) {
    enum { TILE_MOST = 25 };
    return arg == 1 && cells->one && cells->size[0] * cells->size[1] > 1 && type_count(n->type) / n->type.dim[0] <= TILE_MOST && !conv_dw_turns(n, lanes);
}

static int64_t conv_macs_of(Type w, Type y) { return type_count(w) * y.dim[1] * y.dim[2]; }
static int64_t conv_macs(const Node *n) { return conv_macs_of(n->arg[1]->type, n->type); }
static int64_t conv_dx_macs(const Node *n) { return conv_macs_of(n->arg[1]->type, n->arg[0]->type); }
static int64_t conv_dw_macs(const Node *n) { return conv_macs_of(n->type, n->arg[1]->type); }

const LowerRule conv_lower = {.kind = LOWER_NEST, .nest = lower_conv, .halo = conv_halo, .macs = conv_macs};
const LowerRule conv_dx_lower = {.kind = LOWER_NEST, .nest = lower_conv_dx, .halo = conv_dx_halo, .macs = conv_dx_macs};
const LowerRule conv_dw_lower = {.kind = LOWER_NEST, .nest = lower_conv_dw, .halo = conv_halo, .sums_batch = true, .turns_lanes = conv_dw_turns, .reads_cells = conv_dw_reads_cells, .macs = conv_dw_macs};
