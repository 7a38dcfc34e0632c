/* pool.c: maximum and mean of windows, and their adjoints.
 *
 * A window that starts at h*stride - pad covers `window` points; padding is -inf to max_pool, and counted zeros to avg_pool.
 * As PyTorch does, pad may be at most half of the window, so that no window lies wholly in the padding. max_pool's
 * backward needs of x only which point of each window won: max_pool_index, the place r*window_w + s in the window.
 */
#include <math.h>

#include "../lower.h"
#include "../ops.h"
#include "phases.h"

/* ---- shapes ---- */

static const char *pool_result(Arena *a, const char *op, const Attr *attr, Type x, Type *out) {
    const char *why = op_range(a, "window", &attr->i[POOL_WINDOW], 2, 1);
    if (!why) why = op_range(a, "stride", &attr->i[POOL_STRIDE], 2, 1);
    if (!why) why = op_range(a, "pad", &attr->i[POOL_PAD], 2, 0);
    if (why) return why;
    if (!op_is_image(x)) return arena_printf(a, "%s needs an image (C x H x W), got %s", op, op_text(a, x));
    Type y = type_batched(3, x.dim[0], 0, 0);
    for (int k = 0; k < 2; k++) {
        int64_t window = attr->i[POOL_WINDOW + k], pad = attr->i[POOL_PAD + k];
        if (pad > window / 2) return arena_printf(a, "pad %lld is larger than half of window %lld", (long long)pad, (long long)window);
        if ((why = op_window(a, x.dim[1 + k], window, attr->i[POOL_STRIDE + k], pad, 1, &y.dim[1 + k]))) return why;
    }
    return op_result(a, y, out);
}

bool pool_tiles(const Attr *attr, Type x) {
    for (int d = 0; d < 2; d++)
        if (attr->i[POOL_WINDOW + d] != attr->i[POOL_STRIDE + d] || attr->i[POOL_PAD + d] || x.dim[1 + d] % attr->i[POOL_WINDOW + d]) return false;
    return true;
}

/* A byte holds every place in the window, or an i32 does. */
static const char *index_result(Arena *a, const Attr *attr, Type x, Type *out) {
    const char *why = pool_result(a, "max_pool_index", attr, x, out);
    if (why) return why;
    int64_t area = attr->i[POOL_WINDOW] * attr->i[POOL_WINDOW + 1];
    if (area > TYPE_DIM_MAX) return arena_printf(a, "window of %lld points is too large: at most %d are allowed", (long long)area, TYPE_DIM_MAX);
    out->elem = area <= 255 ? ELEM_U8 : ELEM_I32;
    return NULL;
}

/* The x of a backward operator: dy's channels, the size that the attribute says. */
static const char *pooled_image(Arena *a, const char *op, const Attr *attr, Type dy, Type *x) {
    if (!op_is_image(dy)) return arena_printf(a, "%s needs an image as gradient, got %s", op, op_text(a, dy));
    const char *why = op_result(a, type_batched(3, dy.dim[0], attr->i[POOL_SIZE], attr->i[POOL_SIZE + 1]), x);
    Type y;
    if (why || (why = pool_result(a, op, attr, *x, &y))) return why;
    if (type_equal(y, dy)) return NULL;
    return arena_printf(a, "gradient %s does not fit: the pool of %s gives %s", op_text(a, dy), op_text(a, *x), op_text(a, y));
}

const char *max_pool_shape(Arena *a, const Attr *attr, int nargs, const Type *args, Type *out) {
    (void)nargs;
    Type index;
    const char *why = index_result(a, attr, args[0], &index);
    return why ? why : pool_result(a, "max_pool", attr, args[0], out);
}

const char *max_pool_index_shape(Arena *a, const Attr *attr, int nargs, const Type *args, Type *out) {
    (void)nargs;
    return index_result(a, attr, args[0], out);
}

const char *avg_pool_shape(Arena *a, const Attr *attr, int nargs, const Type *args, Type *out) {
    (void)nargs;
    return pool_result(a, "avg_pool", attr, args[0], out);
}

const char *max_pool_grad_shape(Arena *a, const Attr *attr, int nargs, const Type *args, Type *out) {
    (void)nargs;
    Type index, x;
    const char *why = pooled_image(a, "max_pool_grad", attr, args[1], &x);
    if (why || (why = index_result(a, attr, x, &index))) return why;
    if (!type_equal(index, args[0]))
        return arena_printf(a, "max_pool_grad needs the index of its pool, got %s %s", elem_names[args[0].elem], op_text(a, args[0]));
    *out = x;
    return NULL;
}

const char *avg_pool_grad_shape(Arena *a, const Attr *attr, int nargs, const Type *args, Type *out) {
    (void)nargs;
    Type x;
    const char *why = pooled_image(a, "avg_pool_grad", attr, args[0], &x);
    if (!why) *out = x;
    return why;
}

/* ---- gradients ---- */

static Attr with_size(const Node *n) {
    Attr attr = n->attr;
    for (int k = 0; k < 2; k++) attr.i[POOL_SIZE + k] = n->arg[0]->type.dim[1 + k];
    return attr;
}

void max_pool_grad(GradCtx *ctx, Node *n, Node *dy) {
    Graph *g = grad_graph(ctx);
    Node *index = graph_node(g, OP_max_pool_index, n->attr, 1, n->arg);
    grad_add(ctx, n->arg[0], graph_node(g, OP_max_pool_grad, with_size(n), 2, (Node *[]){index, dy}));
}

void avg_pool_grad(GradCtx *ctx, Node *n, Node *dy) {
    grad_add(ctx, n->arg[0], graph_node(grad_graph(ctx), OP_avg_pool_grad, with_size(n), 1, &dy));
}

/* ---- reference ---- */

/* One window: the first point of its channel in x, and the window's corner, which may lie in the padding. */
typedef struct Window { int64_t channel, top, left; } Window;

/* The window of number i of a pooled value of type y over x. */
static Window window_at(const Attr *attr, Type x, Type y, int64_t i) {
    int64_t plane = y.dim[1] * y.dim[2];
    return (Window){
        .channel = i / plane * x.dim[1] * x.dim[2],
        .top = i % plane / y.dim[2] * attr->i[POOL_STRIDE] - attr->i[POOL_PAD],
        .left = i % y.dim[2] * attr->i[POOL_STRIDE + 1] - attr->i[POOL_PAD + 1],
    };
}

/* Place in x of point k of the window, or -1 where that is padding. */
static int64_t window_point(const Attr *attr, Type x, Window w, int64_t k) {
    int64_t h = w.top + k / attr->i[POOL_WINDOW + 1], v = w.left + k % attr->i[POOL_WINDOW + 1];
    return h < 0 || h >= x.dim[1] || v < 0 || v >= x.dim[2] ? -1 : w.channel + h * x.dim[2] + v;
}

static int64_t window_area(const Attr *attr) { return attr->i[POOL_WINDOW] * attr->i[POOL_WINDOW + 1]; }

/* The point that wins: the first maximum, or the last NaN, as PyTorch has it. */
static int64_t window_winner(const Attr *attr, Type x, Window w, const double *at) {
    int64_t winner = -1;
    double best = 0;
    for (int64_t k = 0; k < window_area(attr); k++) {
        int64_t p = window_point(attr, x, w, k);
        if (p < 0 || !(winner < 0 || at[p] > best || isnan(at[p]))) continue;
        best = at[p];
        winner = k;
    }
    return winner;
}

void max_pool_eval(const Node *n, int64_t batch, const double *const *args, double *out) {
    Type x = n->arg[0]->type;
    for (int64_t i = 0; i < op_count(n, batch); i++) {
        Window w = window_at(&n->attr, x, n->type, i);
        out[i] = args[0][window_point(&n->attr, x, w, window_winner(&n->attr, x, w, args[0]))];
    }
}

void max_pool_index_eval(const Node *n, int64_t batch, const double *const *args, double *out) {
    Type x = n->arg[0]->type;
    for (int64_t i = 0; i < op_count(n, batch); i++) out[i] = (double)window_winner(&n->attr, x, window_at(&n->attr, x, n->type, i), args[0]);
}

void max_pool_grad_eval(const Node *n, int64_t batch, const double *const *args, double *out) {
    const Node *dy = n->arg[1];
    for (int64_t i = 0; i < op_count(n, batch); i++) out[i] = 0;
    for (int64_t i = 0; i < op_count(dy, batch); i++)
        out[window_point(&n->attr, n->type, window_at(&n->attr, n->type, dy->type, i), (int64_t)args[0][i])] += args[1][i];
}

void avg_pool_eval(const Node *n, int64_t batch, const double *const *args, double *out) {
    Type x = n->arg[0]->type;
    int64_t area = window_area(&n->attr);
    for (int64_t i = 0; i < op_count(n, batch); i++) {
        Window w = window_at(&n->attr, x, n->type, i);
        double sum = 0;
        for (int64_t k = 0; k < area; k++) {
            int64_t p = window_point(&n->attr, x, w, k);
            if (p >= 0) sum += args[0][p];
        }
        out[i] = sum / (double)area;
    }
}

void avg_pool_grad_eval(const Node *n, int64_t batch, const double *const *args, double *out) {
    const Node *dy = n->arg[0];
    int64_t area = window_area(&n->attr);
    for (int64_t i = 0; i < op_count(n, batch); i++) out[i] = 0;
    for (int64_t i = 0; i < op_count(dy, batch); i++) {
        Window w = window_at(&n->attr, n->type, dy->type, i);
        for (int64_t k = 0; k < area; k++) {
            int64_t p = window_point(&n->attr, n->type, w, k);
            if (p >= 0) out[p] += args[0][i] / (double)area;
        }
    }
}

/* ---- lowering ---- */

typedef struct PoolShape { int64_t window[2], stride[2], pad[2]; } PoolShape;
static PoolShape pool_shape_of(const Node *n) {
    const int64_t *i = n->attr.i;
    return (PoolShape){{i[POOL_WINDOW], i[POOL_WINDOW + 1]}, {i[POOL_STRIDE], i[POOL_STRIDE + 1]}, {i[POOL_PAD], i[POOL_PAD + 1]}};
}

typedef struct PoolAxes { const Var *c, *h, *w, *r, *s; const Affine *from, *to; } PoolAxes;

/* Windows first .. first + count - 1 of a dimension; `cut`: where they meet an edge of x, they are cut there instead of reading its halo. */
typedef struct Run { int64_t first, count; bool cut; } Run;

/* The windows of dimension d in up to three runs, those inside of x apart from those that are cut: their loops have fixed bounds. */
static int runs_of(const Node *n, int d, Run runs[3]) {
    PoolShape k = pool_shape_of(n);
    int64_t all = n->type.dim[1 + d], size = n->arg[0]->type.dim[1 + d];
    int64_t first = i64_min(all, ceil_div(k.pad[d], k.stride[d])), end = i64_max(first, i64_min(all, floor_div(size + k.pad[d] - k.window[d], k.stride[d]) + 1));
    const Run parts[3] = {{0, first, true}, {first, end - first, false}, {end, all - end, true}};
    int found = 0;
    for (int i = 0; i < 3; i++)
        if (parts[i].count) runs[found++] = parts[i];
    return found;
}

/* Adds the axis of dimension d of the window at `corner` of x. */
static const Var *window_axis(Lower *lw, Nest *nest, const Node *n, int d, const Run *run, Affine corner) {
    Arena *a = lower_arena(lw);
    const Var *v = nest_axis(a, nest, d ? "s" : "r", pool_shape_of(n).window[d], true);
    Affine low = affine_scale(a, corner, -1);
    if (run->cut) nest_clamp(nest, low, affine_offset(low, n->arg[0]->type.dim[1 + d]));
    return v;
}

/* Axes c, h, w over these windows of the output and r, s over the window; `from` is the index read, `to` the one written. */
static PoolAxes pool_axes(Lower *lw, Nest *nest, const Node *n, const Run *rows, const Run *cols) {
    Arena *a = lower_arena(lw);
    PoolShape k = pool_shape_of(n);
    PoolAxes p = {.c = nest_axis(a, nest, "c", n->type.dim[0], false), .h = nest_axis(a, nest, "h", rows->count, false), .w = nest_axis(a, nest, "w", cols->count, false)};
    Affine h = lower_affine(lw, p.h, 1, rows->first), w = lower_affine(lw, p.w, 1, cols->first);
    Affine top = affine_offset(affine_scale(a, h, k.stride[0]), -k.pad[0]), left = affine_offset(affine_scale(a, w, k.stride[1]), -k.pad[1]);
    p.r = window_axis(lw, nest, n, 0, rows, top);
    p.s = window_axis(lw, nest, n, 1, cols, left);
    p.from = lower_at(lw, 3, lower_affine(lw, p.c, 1, 0), affine_add(a, top, lower_affine(lw, p.r, 1, 0)), affine_add(a, left, lower_affine(lw, p.s, 1, 0)));
    p.to = lower_at(lw, 3, lower_affine(lw, p.c, 1, 0), h, w);
    return p;
}

/* A point of x that is made here is made once, for all that is asked of it. */
static const Expr *named(Lower *lw, Nest *nest, const Expr *x) {
    if (!expr_operands(x->kind)) return x;
    const Expr *point = nest_acc(lower_arena(lw), nest, ELEM_F32, expr_real(lower_arena(lw), 0));
    nest_update(nest, point, x);
    return point;
}

/* Both the maximum and its place, as far as the stage at hand wants them. */
static void lower_max_pool_run(Lower *lw, const Node *n, const Run *rows, const Run *cols) {
    Arena *a = lower_arena(lw);
    const Node *value = n->op == OP_max_pool ? n : lower_twin(lw, n, OP_max_pool), *index = n->op == OP_max_pool ? lower_twin(lw, n, OP_max_pool_index) : n;
    Nest *nest = lower_nest(lw, n);
    PoolAxes p = pool_axes(lw, nest, n, rows, cols);
    const Expr *x = named(lw, nest, lower_load(lw, n->arg[0], p.from)), *best = NULL, *where = NULL, *wins;
    if (index) where = nest_acc(a, nest, ELEM_I32, expr_int(a, 0)); /* updated first: it looks at the old maximum */
    best = nest_acc(a, nest, ELEM_F32, expr_real(a, -(double)INFINITY));
    wins = expr_binary(a, EXPR_OR, expr_binary(a, EXPR_LT, best, x), expr_binary(a, EXPR_NE, x, x));
    Affine place = affine_add(a, lower_affine(lw, p.r, n->attr.i[POOL_WINDOW + 1], 0), lower_affine(lw, p.s, 1, 0));
    if (index) nest_update(nest, where, expr_ternary(a, EXPR_SELECT, wins, expr_index(a, place), where));
    nest_update(nest, best, expr_ternary(a, EXPR_SELECT, wins, x, best));
    if (value) lower_emit_twin(lw, nest, value, best, index, where, p.to);
    else lower_emit(lw, nest, index, p.to, where);
}

static void lower_max_pool(Lower *lw, const Node *n) {
    Run rows[3], cols[3];
    int nrows = runs_of(n, 0, rows), ncols = runs_of(n, 1, cols);
    for (int i = 0; i < nrows; i++)
        for (int j = 0; j < ncols; j++) lower_max_pool_run(lw, n, &rows[i], &cols[j]);
}

static void lower_avg_pool(Lower *lw, const Node *n) {
    Arena *a = lower_arena(lw);
    Nest *nest = lower_nest(lw, n);
    PoolAxes p = pool_axes(lw, nest, n, &(Run){0, n->type.dim[1], false}, &(Run){0, n->type.dim[2], false});
    const Expr *acc = nest_acc(a, nest, ELEM_F32, expr_real(a, 0));
    nest_update(nest, acc, expr_binary(a, EXPR_ADD, acc, lower_load(lw, n->arg[0], p.from)));
    lower_emit(lw, nest, n, p.to, expr_binary(a, EXPR_MUL, acc, expr_real(a, 1.0 / (double)(n->attr.i[POOL_WINDOW] * n->attr.i[POOL_WINDOW + 1]))));
}

/* What one window gives to one of its points: its whole gradient to the maximum, an equal share to each for the mean. */
static const Expr *pool_share(Lower *lw, const Node *n, const Affine *window, Affine r, Affine s) {
    Arena *a = lower_arena(lw);
    if (n->op == OP_avg_pool_grad) return expr_binary(a, EXPR_MUL, lower_load(lw, n->arg[0], window), expr_real(a, 1.0 / (double)(n->attr.i[POOL_WINDOW] * n->attr.i[POOL_WINDOW + 1])));
    Affine place = affine_add(a, affine_scale(a, r, n->attr.i[POOL_WINDOW + 1]), s);
    const Expr *chosen = expr_binary(a, EXPR_EQ, lower_load(lw, n->arg[0], window), expr_index(a, place));
    return expr_ternary(a, EXPR_SELECT, chosen, lower_load(lw, n->arg[1], window), expr_real(a, 0));
}

typedef struct PoolPhase { Affine i, r, o; } PoolPhase;

/* Axes of one dimension of a phase: q, whose loop may be shared, and, where phases are alike, f; t only where a point lies in several windows. */
static PoolPhase pool_phase(Lower *lw, Nest *nest, const Phase *p, int64_t stride, bool beside, const char *q_name, const char *f_name, const char *t_name) {
    Arena *a = lower_arena(lw);
    const Var *q = nest_axis(a, nest, q_name, p->quotients, false);
    if (beside) nest_beside(nest);
    PoolPhase x = {lower_affine(lw, q, stride, p->f0), affine_const(p->r0), lower_affine(lw, q, 1, p->o0)};
    if (p->alike > 1) {
        const Var *f = nest_axis(a, nest, f_name, p->alike, false);
        x.i = affine_add(a, x.i, lower_affine(lw, f, 1, 0));
        x.r = affine_add(a, x.r, lower_affine(lw, f, 1, 0));
    }
    if (p->taps > 1) {
        const Var *t = nest_axis(a, nest, t_name, p->taps, true);
        x.r = affine_add(a, x.r, lower_affine(lw, t, p->rstep, 0));
        x.o = affine_add(a, x.o, lower_affine(lw, t, -p->ostep, 0));
    }
    return x;
}

/* `first`: of the phases; others go through channels and rows with those before them, each of which has points in the same lines of memory. */
static void lower_pool_grad_phase(Lower *lw, const Node *n, const Phase *ph, const Phase *pw, bool first) {
    Arena *a = lower_arena(lw);
    Nest *nest = lower_nest(lw, n);
    PoolShape k = pool_shape_of(n);
    const Var *c = nest_axis(a, nest, "c", n->type.dim[0], false);
    if (!first) nest_beside(nest);
    PoolPhase y = pool_phase(lw, nest, ph, k.stride[0], !first, "h", "fh", "r"), x = pool_phase(lw, nest, pw, k.stride[1], false, "w", "fw", "s");
    const Expr *value = expr_real(a, 0);
    if (ph->taps && pw->taps) {
        const Expr *share = pool_share(lw, n, lower_at(lw, 3, lower_affine(lw, c, 1, 0), y.o, x.o), y.r, x.r);
        if (ph->taps > 1 || pw->taps > 1) {
            value = nest_acc(a, nest, ELEM_F32, value);
            nest_update(nest, value, expr_binary(a, EXPR_ADD, value, share));
        } else {
            value = share;
        }
    }
    lower_emit(lw, nest, n, lower_at(lw, 3, lower_affine(lw, c, 1, 0), y.i, x.i), value);
}

static void lower_pool_grad(Lower *lw, const Node *n) {
    PoolShape k = pool_shape_of(n);
    Phases ph = phases_of(lower_arena(lw), n->type.dim[1], k.window[0], k.stride[0], k.pad[0], 1);
    Phases pw = phases_of(lower_arena(lw), n->type.dim[2], k.window[1], k.stride[1], k.pad[1], 1);
    for (int i = 0; i < ph.n; i++)
        for (int j = 0; j < pw.n; j++) lower_pool_grad_phase(lw, n, &ph.at[i], &pw.at[j], !i && !j);
}

/* A point is worth making where it is read if its windows are few. */
enum { MOST_WINDOWS = 3 };
static bool has_few_windows(const Attr *attr) {
    const int64_t *i = attr->i;
    return i[POOL_WINDOW] * i[POOL_WINDOW + 1] <= MOST_WINDOWS * i[POOL_STRIDE] * i[POOL_STRIDE + 1];
}

static bool pool_grad_cells(const Node *n, Cells *cells) {
    *cells = (Cells){{n->attr.i[POOL_STRIDE], n->attr.i[POOL_STRIDE + 1]}, pool_tiles(&n->attr, n->type)};
    bool readable = cells->one || lower_writes_out(cells->size);
    return readable && has_few_windows(&n->attr) && n->type.dim[1] % cells->size[0] == 0 && n->type.dim[2] % cells->size[1] == 0;
}

/* The windows o of a dimension in which a point at stride * q + place lies: from q + first to q + last, at the place r0 - stride * (o - q) in the window. */
typedef struct Reach { int64_t first, last, r0; } Reach;
static Reach reach_of(const Node *n, int d, int64_t place) {
    PoolShape k = pool_shape_of(n);
    int64_t r0 = place + k.pad[d];
    return (Reach){ceil_div(r0 - k.window[d] + 1, k.stride[d]), floor_div(r0, k.stride[d]), r0};
}

/* What all windows around a point give it; those that are not there are zeros of the halo. */
static const Expr *shares(Lower *lw, const Node *n, Affine c, const Affine q[2], const Affine place[2]) {
    Arena *a = lower_arena(lw);
    ENSURE(!place[0].n && !place[1].n);
    Reach y = reach_of(n, 0, place[0].c), x = reach_of(n, 1, place[1].c);
    const Expr *sum = NULL;
    for (int64_t i = y.first; i <= y.last; i++)
        for (int64_t j = x.first; j <= x.last; j++) {
            const Affine *window = lower_at(lw, 3, c, affine_offset(q[0], i), affine_offset(q[1], j));
            const Expr *share = pool_share(lw, n, window, affine_const(y.r0 - i * n->attr.i[POOL_STRIDE]), affine_const(x.r0 - j * n->attr.i[POOL_STRIDE + 1]));
            sum = sum ? expr_binary(a, EXPR_ADD, sum, share) : share;
        }
    return sum ? sum : expr_real(a, 0);
}

static const Expr *pool_grad_element(Lower *lw, const Node *n, const Affine *at) {
    Affine cell[2], place[2];
    for (int d = 0; d < 2; d++) cell[d] = affine_divide(lower_arena(lw), at[1 + d], n->attr.i[POOL_STRIDE + d], &place[d]);
    if (!pool_tiles(&n->attr, n->type)) return shares(lw, n, at[0], cell, place);
    return pool_share(lw, n, lower_at(lw, 3, at[0], cell[0], cell[1]), place[0], place[1]); /* the one window, and the place in it */
}

static bool avg_pool_halo(const Node *n, int arg) { return arg == 0 && (n->attr.i[POOL_PAD] || n->attr.i[POOL_PAD + 1]); }

/* Windows that tile the picture exactly are each reached from inside; all others may be looked for outside. */
static bool pool_grad_halo(const Node *n, int arg) {
    (void)arg;
    return !pool_tiles(&n->attr, n->type);
}

/* A point is made for each window that it lies in. */
static bool pool_reads_cells(const Node *n, int arg, const Cells *cells, int lanes) {
    (void)arg, (void)lanes;
    return cells->size[0] * cells->size[1] == 1 && has_few_windows(&n->attr);
}

const LowerRule max_pool_lower = {.kind = LOWER_NEST, .nest = lower_max_pool, .reads_cells = pool_reads_cells};
const LowerRule max_pool_index_lower = {.kind = LOWER_NEST, .nest = lower_max_pool, .reads_cells = pool_reads_cells};
const LowerRule max_pool_grad_lower = {.kind = LOWER_NEST, .nest = lower_pool_grad, .halo = pool_grad_halo, .cells = pool_grad_cells, .element = pool_grad_element};
const LowerRule avg_pool_lower = {.kind = LOWER_NEST, .nest = lower_avg_pool, .halo = avg_pool_halo, .reads_cells = pool_reads_cells};
const LowerRule avg_pool_grad_lower = {.kind = LOWER_NEST, .nest = lower_pool_grad, .halo = pool_grad_halo, .cells = pool_grad_cells, .element = pool_grad_element};
