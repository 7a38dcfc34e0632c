/* winograd.c: a convolution and its two adjoints in Winograd's way, an operator a step; see ../winograd.h for the matrices and
 * ../algorithm.h for who makes them out of convolutions.
 *
 * The result of m x m numbers a tile (of dx: stride m a side) comes from squares of its argument that lie m (of x: stride m) apart. P = n*n, a place in a tile;
 * T = tiles of an image, in rows; K out and C in channels.
 *
 *     data      V[p,c,t] = input x_tile input^T          forward of x; backward_data: of dy
 *     kernel    U[p,k,c] = kernel w kernel^T             for backward_data with in and out exchanged
 *     product   M[p,k,t] = sum_c U[p,k,c] V[p,c,t]
 *     image     y_tile   = output M output^T
 *
 * and for the gradient of w, whose form (winograd_conv_dw) has the same `input`:
 *
 *     gradient  D[p,k,t] = kernel' dy_tile kernel'^T
 *     sum       S[p,k,c] = sum_{images, t} D[p,k,t] V[p,c,t]
 *     weights   dw[k,c]  = output' S output'^T
 *
 * With groups, C and the c of U, S and dw are those of the group of k; V, D and M have the channels of all groups, one group after the other.
 *
 * U stands in memory as [p, k/pack, c/line, k%pack, c%line], the two in the middle as one: a register tile of `pack` channels reads it from
 * front to end, and its transform, whose lanes are `line` channels of x, writes it in whole lines.
 */
#include "../winograd.h"

#include <string.h>

#include "../lower.h"
#include "../ops.h"
#include "../schedule.h"

enum { PLACES_MAX = WINOGRAD_SIDE_MAX * WINOGRAD_SIDE_MAX };

/* ---- forms ---- */

static WinogradWay way_of(const Attr *attr, int64_t pad) {
    return (WinogradWay){(int)attr->i[WINOGRAD_TILE], (int)attr->i[WINOGRAD_KERNEL], (int)attr->i[WINOGRAD_STRIDE], (int)pad};
}

/* Of winograd_data, in dimension d, and of winograd_image. */
static Winograd conv_form(const Attr *attr, int64_t pad) { return winograd_turned(way_of(attr, pad), attr->i[WINOGRAD_TURNED]); }
static Winograd data_form(const Node *n, int d) { return conv_form(&n->attr, n->attr.i[WINOGRAD_PAD + d]); }
static Winograd image_form(const Node *n) { return conv_form(&n->attr, n->attr.i[WINOGRAD_PAD]); }
/* Of winograd_gradient and winograd_weights. */
static Winograd dw_form(const Node *n) { return winograd_conv_dw(way_of(&n->attr, 0)); }

static Winograd kernel_form(const Node *n) {
    const int64_t *i = n->attr.i;
    WinogradWay way = {(int)i[WINOGRAD_TILE], (int)n->arg[0]->type.dim[2], (int)i[WINOGRAD_KERNEL_STRIDE], (int)i[WINOGRAD_KERNEL_PAD]};
    return winograd_turned(way, i[WINOGRAD_KERNEL_TURNED]);
}

/* ---- shapes ---- */

static const char *form_fits(Arena *a, const char *op, int64_t tile, int64_t kernel, int64_t stride) {
    if (kernel >= 2 && winograd_fits(tile, kernel, stride)) return NULL;
    return arena_printf(a, "%s: there is no form for tiles of %lld, kernels of %lld and steps of %lld (at most %d places a side, %d of a phase)", op, (long long)tile, (long long)kernel, (long long)stride, WINOGRAD_SIDE_MAX,
                        WINOGRAD_POINTS_MAX);
}

static const char *attr_fits(Arena *a, const char *op, const Attr *attr) { return form_fits(a, op, attr->i[WINOGRAD_TILE], attr->i[WINOGRAD_KERNEL], attr->i[WINOGRAD_STRIDE]); }

static int64_t places(int64_t tile, int64_t kernel, int64_t stride) {
    int64_t side = stride * (tile - 1) + kernel;
    return side * side;
}

static int64_t places_of(const Attr *attr) { return places(attr->i[WINOGRAD_TILE], attr->i[WINOGRAD_KERNEL], attr->i[WINOGRAD_STRIDE]); }

static bool is_tiles(Type t) { return t.elem == ELEM_F32 && t.batched && t.rank == 3; }

/* A convolution's padding, less than its kernel. */
static const char *pad_fits(Arena *a, const int64_t *pad, int n, int64_t most) {
    for (int d = 0; d < n; d++)
        if (pad[d] < 0 || pad[d] > most) return arena_printf(a, "pad must be from 0 to %lld, not %lld", (long long)most, (long long)pad[d]);
    return NULL;
}

const char *winograd_data_shape(Arena *a, const Attr *attr, int nargs, const Type *args, Type *out) {
    (void)nargs;
    const int64_t *tiles = &attr->i[WINOGRAD_TILES];
    const char *why = attr_fits(a, "winograd_data", attr);
    if (!why) why = pad_fits(a, &attr->i[WINOGRAD_PAD], 2, attr->i[WINOGRAD_KERNEL] - 1);
    if (!why) why = op_range(a, "tiles", tiles, 2, 1);
    if (why) return why;
    const int64_t *pad = &attr->i[WINOGRAD_PAD], stride = attr->i[WINOGRAD_STRIDE];
    if (attr->i[WINOGRAD_TURNED] && pad[0] % stride != pad[1] % stride) return arena_printf(a, "winograd_data: pads of %lld and %lld begin in different phases", (long long)pad[0], (long long)pad[1]);
    if (!op_is_image(args[0])) return arena_printf(a, "winograd_data needs an image, got %s", op_text(a, args[0]));
    return op_result(a, type_batched(3, places_of(attr), args[0].dim[0], tiles[0] * tiles[1]), out);
}

/* The channels of weights w, as the transform sees them: `k` out and `c` in of each of the groups. */
typedef struct Channels { int64_t groups, k, c; } Channels;

static Channels channels_of(Type w, const Attr *kernel) {
    int64_t groups = kernel->i[WINOGRAD_KERNEL_GROUPS], k = w.dim[0] / groups;
    return kernel->i[WINOGRAD_KERNEL_TURNED] ? (Channels){groups, w.dim[1], k} : (Channels){groups, k, w.dim[1]};
}

const char *winograd_kernel_shape(Arena *a, const Attr *attr, int nargs, const Type *args, Type *out) {
    (void)nargs;
    if (!op_is_weight(args[0], 4) || args[0].dim[2] != args[0].dim[3]) return arena_printf(a, "winograd_kernel needs square kernels, got %s", op_text(a, args[0]));
    int64_t tile = attr->i[WINOGRAD_TILE], kernel = args[0].dim[2], stride = attr->i[WINOGRAD_KERNEL_STRIDE];
    const char *why = form_fits(a, "winograd_kernel", tile, kernel, stride);
    if (!why) why = pad_fits(a, &attr->i[WINOGRAD_KERNEL_PAD], 1, stride - 1);
    if (!why) why = op_groups(a, "winograd_kernel", attr->i[WINOGRAD_KERNEL_GROUPS], args[0].dim[0]);
    if (why) return why;
    Channels x = channels_of(args[0], attr);
    int64_t pack = attr->i[WINOGRAD_KERNEL_PACK], line = attr->i[WINOGRAD_KERNEL_LINE];
    if (pack < 1 || x.k % pack) return arena_printf(a, "winograd_kernel cannot pack %lld channels by %lld", (long long)x.k, (long long)pack);
    if (line < 1 || x.c % line) return arena_printf(a, "winograd_kernel cannot cut %lld channels into lines of %lld", (long long)x.c, (long long)line);
    return op_result(a, type_param(4, places(tile, kernel, stride), x.groups * (x.k / pack) * (x.c / line), pack, line), out);
}

/* How U, for sums over cs channels, is cut; packs of all groups. */
typedef struct Packing { int64_t packs, lines, pack, line; } Packing;

static Packing packing_of(Type u, int64_t cs) {
    int64_t lines = i64_max(cs / u.dim[3], 1);
    return (Packing){u.dim[1] / lines, lines, u.dim[2], u.dim[3]};
}

/* The place of U[p, k, c] among the numbers of U. */
static int64_t packed_at(Packing u, int64_t p, int64_t k, int64_t c) {
    return (((p * u.packs + k / u.pack) * u.lines + c / u.line) * u.pack + k % u.pack) * u.line + c % u.line;
}

const char *winograd_product_shape(Arena *a, const Attr *attr, int nargs, const Type *args, Type *out) {
    (void)nargs;
    Type v = args[0], u = args[1];
    int64_t groups = attr->i[WINOGRAD_GROUPS];
    Packing x = {0};
    const char *why = is_tiles(v) ? op_groups(a, "winograd_product", groups, v.dim[1]) : NULL;
    if (why) return why;
    bool fits = is_tiles(v) && op_is_weight(u, 4) && u.dim[0] == v.dim[0] && v.dim[1] / groups % u.dim[3] == 0;
    if (fits) x = packing_of(u, v.dim[1] / groups);
    if (!fits || u.dim[1] % (x.lines * groups)) return arena_printf(a, "winograd_product: %s does not fit %s", op_text(a, u), op_text(a, v));
    return op_result(a, type_batched(3, v.dim[0], x.packs * x.pack, v.dim[2]), out);
}

int64_t winograd_image_tile(const Attr *attr) { return attr->i[WINOGRAD_TILE] * (attr->i[WINOGRAD_TURNED] ? attr->i[WINOGRAD_STRIDE] : 1); }

const char *winograd_image_shape(Arena *a, const Attr *attr, int nargs, const Type *args, Type *out) {
    (void)nargs;
    const int64_t *size = &attr->i[WINOGRAD_SIZE];
    const char *why = attr_fits(a, "winograd_image", attr);
    if (!why) why = pad_fits(a, &attr->i[WINOGRAD_PAD], 1, attr->i[WINOGRAD_STRIDE] - 1);
    if (!why) why = op_range(a, "size", size, 2, 1);
    if (why) return why;
    int64_t tile = winograd_image_tile(attr), tiles = ceil_div(size[0], tile) * ceil_div(size[1], tile);
    if (!is_tiles(args[0]) || args[0].dim[0] != places_of(attr) || args[0].dim[2] != tiles)
        return arena_printf(a, "winograd_image: %s is not %lldx%lld in tiles of %lld", op_text(a, args[0]), (long long)size[0], (long long)size[1], (long long)tile);
    return op_result(a, type_batched(3, args[0].dim[1], size[0], size[1]), out);
}

const char *winograd_gradient_shape(Arena *a, const Attr *attr, int nargs, const Type *args, Type *out) {
    (void)nargs;
    const char *why = attr_fits(a, "winograd_gradient", attr);
    if (why) return why;
    if (!op_is_image(args[0])) return arena_printf(a, "winograd_gradient needs an image, got %s", op_text(a, args[0]));
    int64_t tile = attr->i[WINOGRAD_TILE], tiles = ceil_div(args[0].dim[1], tile) * ceil_div(args[0].dim[2], tile);
    return op_result(a, type_batched(3, places_of(attr), args[0].dim[0], tiles), out);
}

const char *winograd_sum_shape(Arena *a, const Attr *attr, int nargs, const Type *args, Type *out) {
    (void)nargs;
    Type v = args[0], d = args[1];
    int64_t groups = attr->i[WINOGRAD_GROUPS];
    if (!is_tiles(v) || !is_tiles(d) || v.dim[0] != d.dim[0] || v.dim[2] != d.dim[2])
        return arena_printf(a, "winograd_sum: %s does not fit %s", op_text(a, d), op_text(a, v));
    const char *why = op_groups(a, "winograd_sum", groups, v.dim[1]);
    if (!why) why = op_groups(a, "winograd_sum", groups, d.dim[1]);
    if (why) return why;
    return op_result(a, type_param(3, v.dim[0], d.dim[1], v.dim[1] / groups, 0), out);
}

const char *winograd_weights_shape(Arena *a, const Attr *attr, int nargs, const Type *args, Type *out) {
    (void)nargs;
    const char *why = attr_fits(a, "winograd_weights", attr);
    if (why) return why;
    if (!op_is_weight(args[0], 3) || args[0].dim[0] != places_of(attr)) return arena_printf(a, "winograd_weights: %s does not fit", op_text(a, args[0]));
    return op_result(a, type_param(4, args[0].dim[1], args[0].dim[2], attr->i[WINOGRAD_KERNEL], attr->i[WINOGRAD_KERNEL]), out);
}

/* ---- reference ---- */

/* out = x in x^T, all dense. */
static void transform_eval(const WinogradMatrix *x, const double *in, double *out) {
    double mid[PLACES_MAX];
    for (int i = 0; i < x->rows; i++)
        for (int j = 0; j < x->cols; j++) {
            mid[i * x->cols + j] = 0;
            for (int k = 0; k < x->cols; k++) mid[i * x->cols + j] += x->at[i][k] * in[k * x->cols + j];
        }
    for (int i = 0; i < x->rows; i++)
        for (int j = 0; j < x->rows; j++) {
            out[i * x->rows + j] = 0;
            for (int k = 0; k < x->cols; k++) out[i * x->rows + j] += x->at[j][k] * mid[i * x->cols + k];
        }
}

/* The side x side piece of a picture from (row, col) on, zeros around. */
static void cut(const double *image, int64_t rows, int64_t cols, int64_t row, int64_t col, int side, double *out) {
    for (int i = 0; i < side; i++)
        for (int j = 0; j < side; j++) {
            bool in = row + i >= 0 && row + i < rows && col + j >= 0 && col + j < cols;
            out[i * side + j] = in ? image[(row + i) * cols + col + j] : 0;
        }
}

/* Tiles of x, from `first` on in both dimensions, each transformed: out[n][p][c][t]. */
static void tiles_eval(const WinogradMatrix *matrix, const Node *n, int64_t batch, int64_t step, const int64_t first[2], int64_t tiles_w, const double *x, double *out) {
    Type in = n->arg[0]->type;
    int64_t tiles = n->type.dim[2], size = in.dim[1] * in.dim[2];
    double piece[PLACES_MAX], value[PLACES_MAX];
    for (int64_t image = 0; image < batch * in.dim[0]; image++)
        for (int64_t t = 0; t < tiles; t++) {
            cut(x + image * size, in.dim[1], in.dim[2], t / tiles_w * step + first[0], t % tiles_w * step + first[1], matrix->cols, piece);
            transform_eval(matrix, piece, value);
            int64_t channel = image % in.dim[0], b = image / in.dim[0];
            for (int64_t p = 0; p < n->type.dim[0]; p++) out[((b * n->type.dim[0] + p) * in.dim[0] + channel) * tiles + t] = value[p];
        }
}

void winograd_data_eval(const Node *n, int64_t batch, const double *const *args, double *out) {
    Winograd f = data_form(n, 0);
    tiles_eval(&f.input, n, batch, f.step, (const int64_t[2]){f.first, data_form(n, 1).first}, n->attr.i[WINOGRAD_TILES + 1], args[0], out);
}

void winograd_gradient_eval(const Node *n, int64_t batch, const double *const *args, double *out) {
    Winograd f = dw_form(n);
    int64_t tile = n->attr.i[WINOGRAD_TILE];
    tiles_eval(&f.kernel, n, batch, tile, (const int64_t[2]){0, 0}, ceil_div(n->arg[0]->type.dim[2], tile), args[0], out);
}

void winograd_kernel_eval(const Node *n, int64_t batch, const double *const *args, double *out) {
    Type w = n->arg[0]->type;
    int r = (int)w.dim[2];
    Winograd f = kernel_form(n);
    bool turned = n->attr.i[WINOGRAD_KERNEL_TURNED] != 0;
    Channels x = channels_of(w, &n->attr);
    Packing u = packing_of(n->type, x.c);
    (void)batch;
    for (int64_t k = 0; k < x.groups * x.k; k++)
        for (int64_t c = 0; c < x.c; c++) {
            double value[PLACES_MAX];
            transform_eval(&f.kernel, args[0] + (turned ? (k / x.k * x.c + c) * x.k + k % x.k : k * x.c + c) * r * r, value);
            for (int64_t p = 0; p < n->type.dim[0]; p++) out[packed_at(u, p, k, c)] = value[p];
        }
}

void winograd_product_eval(const Node *n, int64_t batch, const double *const *args, double *out) {
    Type v = n->arg[0]->type;
    int64_t ks = n->type.dim[1], groups = n->attr.i[WINOGRAD_GROUPS], cs = v.dim[1] / groups;
    Packing u = packing_of(n->arg[1]->type, cs);
    for (int64_t b = 0; b < batch; b++)
        for (int64_t p = 0; p < v.dim[0]; p++)
            for (int64_t k = 0; k < ks; k++)
                for (int64_t t = 0; t < v.dim[2]; t++) {
                    double sum = 0;
                    for (int64_t c = 0; c < cs; c++)
                        sum += args[1][packed_at(u, p, k, c)] * args[0][((b * v.dim[0] + p) * v.dim[1] + k / (ks / groups) * cs + c) * v.dim[2] + t];
                    out[((b * v.dim[0] + p) * ks + k) * v.dim[2] + t] = sum;
                }
}

void winograd_image_eval(const Node *n, int64_t batch, const double *const *args, double *out) {
    Winograd f = image_form(n);
    int64_t ks = n->type.dim[0], rows = n->type.dim[1], cols = n->type.dim[2], tiles = n->arg[0]->type.dim[2], m = f.output.rows, across = ceil_div(cols, m), ps = n->arg[0]->type.dim[0];
    double in[PLACES_MAX], tile[PLACES_MAX];
    for (int64_t image = 0; image < batch * ks; image++)
        for (int64_t t = 0; t < tiles; t++) {
            for (int64_t p = 0; p < ps; p++) in[p] = args[0][((image / ks * ps + p) * ks + image % ks) * tiles + t];
            transform_eval(&f.output, in, tile);
            for (int64_t i = 0; i < m * m; i++) {
                int64_t h = t / across * m + i / m, w = t % across * m + i % m;
                if (h < rows && w < cols) out[(image * rows + h) * cols + w] = tile[i];
            }
        }
}

void winograd_sum_eval(const Node *n, int64_t batch, const double *const *args, double *out) {
    Type v = n->arg[0]->type, d = n->arg[1]->type;
    int64_t cs = n->type.dim[2], ks = d.dim[1] / n->attr.i[WINOGRAD_GROUPS];
    for (int64_t i = 0; i < op_count(n, batch); i++) out[i] = 0;
    for (int64_t b = 0; b < batch; b++)
        for (int64_t p = 0; p < v.dim[0]; p++)
            for (int64_t k = 0; k < d.dim[1]; k++)
                for (int64_t c = 0; c < cs; c++)
                    for (int64_t t = 0; t < v.dim[2]; t++)
                        out[(p * d.dim[1] + k) * cs + c] +=
                            args[1][((b * v.dim[0] + p) * d.dim[1] + k) * v.dim[2] + t] * args[0][((b * v.dim[0] + p) * v.dim[1] + k / ks * cs + c) * v.dim[2] + t];
}

void winograd_weights_eval(const Node *n, int64_t batch, const double *const *args, double *out) {
    Winograd f = dw_form(n);
    int64_t kernels = n->type.dim[0] * n->type.dim[1], ps = n->arg[0]->type.dim[0];
    (void)batch;
    for (int64_t k = 0; k < kernels; k++) {
        double in[PLACES_MAX];
        for (int64_t p = 0; p < ps; p++) in[p] = args[0][p * kernels + k];
        transform_eval(&f.output, in, out + k * f.output.rows * f.output.rows);
    }
}

/* ---- lowering ---- */

/* The sum of a step. A term with factor one, if there is any, starts it. */
static const Expr *step_value(Lower *lw, const WinogradStep *s, const Expr *const *value) {
    Arena *a = lower_arena(lw);
    int first = 0;
    for (int t = s->n - 1; t >= 0; t--)
        if (s->term[t].factor == 1) first = t;
    const Expr *sum = value[s->term[first].from];
    if (s->term[first].factor != 1) sum = expr_binary(a, EXPR_MUL, sum, expr_real(a, s->term[first].factor));
    for (int t = 0; t < s->n; t++) {
        const WinogradTerm *x = &s->term[t];
        if (t == first) continue;
        if (x->factor == 1 || x->factor == -1) sum = expr_binary(a, x->factor > 0 ? EXPR_ADD : EXPR_SUB, sum, value[x->from]);
        else sum = expr_ternary(a, EXPR_FMA, expr_real(a, x->factor), value[x->from], sum);
    }
    return sum;
}

/* One line of values through the matrix. */
static void transform_line(Lower *lw, Nest *nest, const WinogradCode *c, int rows, const Expr *const *in, const Expr **out) {
    const Expr *value[WINOGRAD_SIDE_MAX + sizeof c->step / sizeof c->step[0]];
    for (int i = 0; i < c->inputs; i++) value[i] = in[i];
    for (int i = 0; i < c->nsteps; i++) value[c->inputs + i] = nest_let(lower_arena(lw), nest, step_value(lw, &c->step[i], value));
    for (int i = 0; i < rows; i++) out[i] = c->out[i] < 0 ? expr_real(lower_arena(lw), 0) : value[c->out[i]];
}

/* out = x in x^T, columns first, then rows, of which `rows` are needed, for `side` points side by side. `in`: the element of point m in row i and column j. `out` takes row i of the results, number k of
 * point m at value[m * matrix->rows + k]; it is called once for each row, or (in a loop over rows) once for all. A loop over columns takes `at_once` of them, so that j is a multiple of that and a number. */
enum { SIDE_MAX = 2 };
typedef struct Transform {
    Lower *lw;
    Nest *nest;
    const WinogradMatrix *matrix;
    int rows, side, at_once;
    const void *ctx;
    const Expr *(*in)(const void *ctx, int m, int i, Affine j);
    void (*out)(const void *ctx, int side, Affine i, const Expr *const *value);
} Transform;

/* Is what stands between the two passes more than the registers hold? Then both are loops, and it is an array. Written out, each of the twenty odd operations of a line would be there for every column and
 * every row, which takes long to compile, and most of the numbers would be spilled. Not where there are but a few rows of results, as those of winograd_weights are. */
static bool is_rolled(const Transform *t) {
    enum { ROWS_LEAST = 4 };
    return t->matrix->rows >= ROWS_LEAST && t->matrix->rows * t->matrix->cols > lower_registers(t->lw) && t->matrix->cols % t->at_once == 0;
}

static void transform_rolled(const Transform *t, const WinogradCode *c) {
    Arena *a = lower_arena(t->lw);
    const WinogradMatrix *x = t->matrix;
    const Expr *in[WINOGRAD_SIDE_MAX], *out[SIDE_MAX * WINOGRAD_SIDE_MAX];
    const Buffer *mid[SIDE_MAX];
    for (int m = 0; m < t->side; m++) mid[m] = nest_array(a, t->nest, "mid", x->rows, x->cols);
    Affine first = affine_scale(a, affine_var(a, nest_open(a, t->nest, "j", x->cols / t->at_once)), t->at_once);
    for (int k = 0; k < t->at_once * t->side; k++) {
        int m = k % t->side;
        Affine j = affine_offset(first, k / t->side);
        for (int i = 0; i < x->cols; i++) in[i] = nest_let(a, t->nest, t->in(t->ctx, m, i, j));
        transform_line(t->lw, t->nest, c, x->rows, in, out);
        for (int i = 0; i < x->rows; i++) nest_assign(a, t->nest, mid[m], lower_at(t->lw, 2, affine_const(i), j), out[i]);
    }
    nest_close(t->nest);
    Affine i = affine_var(a, nest_open(a, t->nest, "i", t->rows));
    for (int m = 0; m < t->side; m++) {
        for (int k = 0; k < x->cols; k++) in[k] = expr_load(a, mid[m], lower_at(t->lw, 2, i, affine_const(k)));
        transform_line(t->lw, t->nest, c, x->rows, in, out + m * x->rows);
    }
    t->out(t->ctx, t->side, i, out);
    nest_close(t->nest);
}

static void transform_unrolled(const Transform *t, const WinogradCode *c) {
    Arena *a = lower_arena(t->lw);
    const WinogradMatrix *x = t->matrix;
    const Expr *in[WINOGRAD_SIDE_MAX], *mid[SIDE_MAX][PLACES_MAX], *out[SIDE_MAX * WINOGRAD_SIDE_MAX];
    for (int m = 0; m < t->side; m++)
        for (int j = 0; j < x->cols; j++) {
            for (int i = 0; i < x->cols; i++) in[i] = nest_let(a, t->nest, t->in(t->ctx, m, i, affine_const(j)));
            transform_line(t->lw, t->nest, c, x->rows, in, out);
            for (int i = 0; i < x->rows; i++) mid[m][i * x->cols + j] = out[i];
        }
    for (int i = 0; i < t->rows; i++) {
        for (int m = 0; m < t->side; m++) transform_line(t->lw, t->nest, c, x->rows, mid[m] + i * x->cols, out + m * x->rows);
        t->out(t->ctx, t->side, affine_const(i), out);
    }
}

static void transform(const Transform *t) {
    WinogradCode c = winograd_code(t->matrix);
    ENSURE(t->side <= SIDE_MAX);
    if (is_rolled(t)) transform_rolled(t, &c);
    else transform_unrolled(t, &c);
}

/* v * scale + w */
static Affine pair(Lower *lw, Affine v, int64_t scale, Affine w) { return affine_pair(lower_arena(lw), v, scale, w); }

/* Tiles of the argument's pictures, `step` apart from `first` on, `across` of them in a row: those side by side in memory. */
typedef struct Tiles { Lower *lw; Nest *nest; const Node *n; const WinogradMatrix *matrix; int64_t step, first[2], down, across; Affine channel[SIDE_MAX], row[SIDE_MAX], col[SIDE_MAX]; } Tiles;

static const Expr *tile_element(const void *ctx, int m, int i, Affine j) {
    const Tiles *t = ctx;
    Arena *a = lower_arena(t->lw);
    Affine row = affine_offset(affine_scale(a, t->row[m], t->step), i + t->first[0]), col = affine_offset(pair(t->lw, t->col[m], t->step, j), t->first[1]);
    return lower_load(t->lw, t->n->arg[0], lower_at(t->lw, 3, t->channel[m], row, col));
}

static void store_places(const void *ctx, int side, Affine i, const Expr *const *value) {
    const Tiles *t = ctx;
    int rows = t->matrix->rows;
    for (int k = 0; k < rows; k++)
        for (int m = 0; m < side; m++) {
            Affine place = affine_offset(affine_scale(lower_arena(t->lw), i, rows), k), tile = pair(t->lw, t->row[m], t->across, t->col[m]);
            lower_point(t->lw, t->nest, t->n, lower_at(t->lw, 3, place, t->channel[m], tile), value[m * rows + k]);
        }
}

static void emit_tiles(const Tiles *t, int side) {
    int64_t cell[2];
    lower_cell(t->lw, t->n->arg[0], cell);
    transform(&(Transform){t->lw, t->nest, t->matrix, t->matrix->rows, side, (int)cell[1], t, tile_element, store_places});
    lower_emit_local(t->lw, t->nest);
}

/* Tiles one by one, or in pairs: of neighbours in a row, or of two channels where there is but one tile. */
static void lower_rows_of_tiles(Tiles *t, int64_t by_col, int64_t by_channel) {
    Arena *a = lower_arena(t->lw);
    t->nest = lower_nest(t->lw, t->n);
    Affine c = lower_band_axis(t->lw, t->nest, "c", 1, 0, t->n->type.dim[1] / by_channel, by_channel);
    Affine th = lower_step_axis(t->lw, t->nest, "th", 0, t->down), tw = lower_band_axis(t->lw, t->nest, "tw", 2, 0, t->across / by_col, by_col);
    for (int m = 0; m < by_col * by_channel; m++) {
        t->channel[m] = affine_offset(affine_scale(a, c, by_channel), by_channel > 1 ? m : 0);
        t->row[m] = th;
        t->col[m] = affine_offset(affine_scale(a, tw, by_col), by_col > 1 ? m : 0);
    }
    emit_tiles(t, (int)(by_col * by_channel));
}

/* Pairs in rows number `odd`, `odd` + 2 ..., from column `odd` on. */
static void lower_pairs_of_row(Tiles *t, int odd) {
    if (t->across < 2 || t->down <= odd) return;
    t->nest = lower_nest(t->lw, t->n);
    const Var *th = nest_axis(lower_arena(t->lw), t->nest, "th", ceil_div(t->down - odd, 2), false), *tw = nest_axis(lower_arena(t->lw), t->nest, "tw", t->across / 2, false);
    for (int m = 0; m < 2; m++) {
        t->row[m] = lower_affine(t->lw, th, 2, odd);
        t->col[m] = lower_affine(t->lw, tw, 2, odd + m);
    }
    emit_tiles(t, 2);
}

/* Pairs of the last tile of a row and the first of the next. */
static void lower_seams(Tiles *t) {
    if (t->down < 2) return;
    t->nest = lower_nest(t->lw, t->n);
    const Var *th = nest_axis(lower_arena(t->lw), t->nest, "th", t->down / 2, false);
    for (int m = 0; m < 2; m++) {
        t->row[m] = lower_affine(t->lw, th, 2, m);
        t->col[m] = affine_const(m ? 0 : t->across - 1);
    }
    emit_tiles(t, 2);
}

static void lower_last_tile(Tiles *t) {
    t->nest = lower_nest(t->lw, t->n);
    t->row[0] = affine_const(t->down - 1);
    t->col[0] = affine_const(t->across - 1);
    emit_tiles(t, 1);
}

/* In pairs where a row has an odd number: pairs go on from row to row, and the picture's last tile may be left over. */
static void lower_odd_tiles(Tiles *t) {
    t->channel[0] = t->channel[1] = lower_open_loop(t->lw, "c", t->n->type.dim[1]);
    lower_fill_lines(t->lw, t->n);
    lower_pairs_of_row(t, 0);
    lower_seams(t);
    lower_pairs_of_row(t, 1);
    if (t->down % 2) lower_last_tile(t);
    lower_close_loop(t->lw);
}

/* Vectors of the result that are a line of memory: places lie far apart, and a store to each costs as much for half of a line as for all of it. */
static int64_t vectors_of_line(const Lower *lw) {
    int64_t vectors = LINE / (4 * lower_images(lw));
    return vectors == SIDE_MAX ? vectors : 1; /* of four, the code would be long */
}

/* Cuts the pictures into tiles and transforms each: data and gradient. */
static void lower_tiles(Lower *lw, const Node *n, const WinogradMatrix *matrix, int64_t step, const int64_t first[2], int64_t tiles_h, int64_t tiles_w) {
    int64_t side = vectors_of_line(lw);
    Tiles t = {.lw = lw, .n = n, .matrix = matrix, .step = step, .first = {first[0], first[1]}, .down = tiles_h, .across = tiles_w};
    if (side > 1 && tiles_w % side && tiles_h * tiles_w > 1 && !lower_takes_turns(lw)) lower_odd_tiles(&t);
    else if (tiles_w % side == 0 && lower_bands_fit(lw, 2, side)) lower_rows_of_tiles(&t, side, 1);
    else if (tiles_h * tiles_w == 1 && n->type.dim[1] % side == 0 && lower_bands_fit(lw, 1, side)) lower_rows_of_tiles(&t, 1, side);
    else lower_rows_of_tiles(&t, 1, 1);
}

static void lower_data(Lower *lw, const Node *n) {
    Winograd f = data_form(n, 0);
    const int64_t *tiles = &n->attr.i[WINOGRAD_TILES];
    lower_tiles(lw, n, &f.input, f.step, (const int64_t[2]){f.first, data_form(n, 1).first}, tiles[0], tiles[1]);
}

static void lower_gradient(Lower *lw, const Node *n) {
    Winograd f = dw_form(n);
    int64_t tile = n->attr.i[WINOGRAD_TILE];
    lower_tiles(lw, n, &f.kernel, tile, (const int64_t[2]){0, 0}, ceil_div(n->arg[0]->type.dim[1], tile), ceil_div(n->arg[0]->type.dim[2], tile));
}

/* The axis over the groups, if there are several: the group. Stages may take turns for bands of them; each has `channels` of dimension 1 of the stage's root. */
static Affine group_axis(Lower *lw, Nest *nest, int64_t groups, int64_t channels) {
    return groups == 1 ? affine_const(0) : lower_band_axis(lw, nest, "g", 1, 0, groups, channels);
}

/* Kernels of output channels `side` times inner and those behind it, and of the input channels in the lanes. */
typedef struct Kernels { Lower *lw; Nest *nest; const Node *n; Packing u; Channels x; int places; int64_t side; Affine group, packs, lines, inner, within; } Kernels;

static Affine inner_of(const Kernels *t, int m) { return affine_offset(affine_scale(lower_arena(t->lw), t->inner, t->side), m); }

static const Expr *kernel_element(const void *ctx, int m, int i, Affine j) {
    const Kernels *t = ctx;
    Lower *lw = t->lw;
    Affine k = pair(lw, t->packs, t->u.pack, inner_of(t, m)), c = pair(lw, t->lines, t->u.line, t->within), row = affine_const(i); /* in the group */
    if (t->n->attr.i[WINOGRAD_KERNEL_TURNED]) return lower_load(lw, t->n->arg[0], lower_at(lw, 4, pair(lw, t->group, t->x.c, c), k, row, j));
    return lower_load(lw, t->n->arg[0], lower_at(lw, 4, pair(lw, t->group, t->x.k, k), c, row, j));
}

static void store_packed(const void *ctx, int side, Affine i, const Expr *const *value) {
    const Kernels *t = ctx;
    Lower *lw = t->lw;
    Affine outer = pair(lw, pair(lw, t->group, t->u.packs / t->x.groups, t->packs), t->u.lines, t->lines);
    for (int k = 0; k < t->places; k++)
        for (int m = 0; m < side; m++)
            lower_point(lw, t->nest, t->n, lower_at(lw, 4, affine_offset(affine_scale(lower_arena(lw), i, t->places), k), outer, inner_of(t, m), t->within), value[m * t->places + k]);
}

/* Lanes hold the `line` channels of x that lie side by side in the result. */
static void lower_kernel(Lower *lw, const Node *n) {
    Arena *a = lower_arena(lw);
    Winograd f = kernel_form(n);
    Channels x = channels_of(n->arg[0]->type, &n->attr);
    Packing u = packing_of(n->type, x.c);
    int64_t line = vectors_of_line(lw), side = u.line == lower_images(lw) && u.pack % line == 0 ? line : 1; /* output channels of one pack, whose vectors lie side by side */
    Nest *nest = lower_nest(lw, n);
    Affine group = group_axis(lw, nest, x.groups, x.k);
    const Var *o = nest_axis(a, nest, "ko", u.packs / x.groups, false), *co = nest_axis(a, nest, "co", u.lines, false), *i = nest_axis(a, nest, "ki", u.pack / side, false);
    const Var *l = nest_axis(a, nest, "ci", u.line, false);
    lower_lane_axis(lw, nest, l);
    Kernels t = {lw, nest, n, u, x, f.n, side, group, affine_var(a, o), affine_var(a, co), affine_var(a, i), affine_var(a, l)};
    transform(&(Transform){lw, nest, &f.kernel, f.n, (int)side, 1, &t, kernel_element, store_packed});
    lower_emit_local(lw, nest);
}

/* Items of a product over the whole batch are parts of the output channels of a place. A task has several, which lie behind one another: each asks for the next one's weights
 * (prefetch_sums.c), and those behind the task's last are most likely another thread's to multiply. */
static int64_t parts_of(int64_t places, int64_t packs) {
    enum { ITEMS_LEAST = 192 };
    int64_t parts = 1;
    while (parts < packs && (packs % parts || places * parts < ITEMS_LEAST)) parts++;
    return parts;
}

static void lower_product(Lower *lw, const Node *n) {
    Arena *a = lower_arena(lw);
    int64_t groups = n->attr.i[WINOGRAD_GROUPS], cs = n->arg[0]->type.dim[1] / groups;
    Packing u = packing_of(n->arg[1]->type, cs);
    bool across = lower_goes_across(lw);
    int64_t packs = u.packs / groups, parts = across ? parts_of(n->type.dim[0], packs) : 1;
    Affine place, first = affine_const(0);
    if (across) {
        place = lower_open_loop(lw, "p", n->type.dim[0]);
        first = affine_scale(a, lower_open_items(lw, "part", parts, affine_scale(a, place, parts), n->type.dim[0] * parts), packs / parts);
    }
    Nest *nest = lower_nest(lw, n);
    if (!across) place = affine_var(a, nest_axis(a, nest, "p", n->type.dim[0], false));
    Affine group = group_axis(lw, nest, groups, n->type.dim[1] / groups);
    const Var *i = nest_axis(a, nest, "ki", u.pack, false), *o = nest_axis(a, nest, "ko", packs / parts, false);
    nest_keep_far(nest);
    lower_block_axis(lw, nest);
    Affine tile = lower_step_points(lw, nest, "t", n->type.dim[2]);
    const Var *co = nest_axis(a, nest, "co", u.lines, true), *ci = nest_axis(a, nest, "ci", u.line, true);
    const Expr *acc = nest_acc(a, nest, ELEM_F32, expr_real(a, 0));
    Affine inner = affine_var(a, i), outer = pair(lw, group, packs, affine_add(a, first, affine_var(a, o))), within = affine_var(a, ci);
    Affine channel = pair(lw, group, cs, pair(lw, affine_var(a, co), u.line, within));
    const Expr *weight = lower_load(lw, n->arg[1], lower_at(lw, 4, place, pair(lw, outer, u.lines, affine_var(a, co)), inner, within));
    nest_update(nest, acc, expr_ternary(a, EXPR_FMA, weight, lower_load(lw, n->arg[0], lower_at(lw, 3, place, channel, tile)), acc));
    lower_emit(lw, nest, n, lower_at(lw, 3, place, pair(lw, outer, u.pack, inner), tile), acc);
    for (int k = 0; across && k < 2; k++) lower_close_loop(lw);
}

/* The run of tiles that have `points` rows (or columns) of the picture in them. */
typedef struct TileRun { int64_t first, count, points; } TileRun;

/* A side of a picture: whole tiles, and the rest. */
static int tile_runs(int64_t size, int64_t tile, TileRun run[2]) {
    int n = 0;
    if (size / tile) run[n++] = (TileRun){0, size / tile, tile};
    if (size % tile) run[n++] = (TileRun){size / tile, 1, size % tile};
    return n;
}

/* Tiles of a picture: the first `cols` points of their rows. */
typedef struct Image { Lower *lw; Nest *nest; const Node *n; int64_t tile, cols; int places; Affine channel, row, col, number; } Image;

static const Expr *place_element(const void *ctx, int m, int i, Affine j) {
    const Image *t = ctx;
    (void)m;
    return lower_load(t->lw, t->n->arg[0], lower_at(t->lw, 3, affine_offset(j, i * t->places), t->channel, t->number));
}

static void store_points(const void *ctx, int side, Affine i, const Expr *const *value) {
    const Image *t = ctx;
    (void)side;
    Arena *a = lower_arena(t->lw);
    Affine row = pair(t->lw, t->row, t->tile, i);
    for (int k = 0; k < t->cols; k++) lower_point(t->lw, t->nest, t->n, lower_at(t->lw, 3, t->channel, row, affine_offset(affine_scale(a, t->col, t->tile), k)), value[k]);
}

static void lower_image_run(Lower *lw, const Node *n, const Winograd *f, TileRun rows, TileRun cols) {
    int64_t tile = f->output.rows, across = ceil_div(n->type.dim[2], tile);
    Nest *nest = lower_nest(lw, n);
    Affine k = lower_band_axis(lw, nest, "k", 0, 0, n->type.dim[0], 1);
    Affine row = lower_step_axis(lw, nest, "th", rows.first, rows.count), col = lower_band_axis(lw, nest, "tw", 2, cols.first, cols.count, tile);
    Image t = {lw, nest, n, tile, cols.points, f->n, k, row, col, pair(lw, row, across, col)};
    transform(&(Transform){lw, nest, &f->output, (int)rows.points, 1, 1, &t, place_element, store_points});
    lower_emit_local(lw, nest);
}

static void lower_image_tiles(Lower *lw, const Node *n) {
    Winograd f = image_form(n);
    TileRun rows[2], cols[2];
    int nrows = tile_runs(n->type.dim[1], f.output.rows, rows), ncols = tile_runs(n->type.dim[2], f.output.rows, cols);
    for (int i = 0; i < nrows; i++)
        for (int j = 0; j < ncols; j++) lower_image_run(lw, n, &f, rows[i], cols[j]);
}

/* Sums with images in the lanes have to be added up over the lanes at their end, and read a vector of both operands for every few
 * multiply-adds. With channels of V in the lanes they do neither, once V has been turned round, a place at a time. */
static bool turns_lanes(const Node *n, int lanes) { return schedule_fills_lanes(n->type.dim[2], lanes); }

/* The sum of one place: `sums`, where they are taken in runs of lane blocks, or null. What is turned lies in panels of `width` channels, as many as a register tile has: the terms of a tile are then one
 * piece of memory, which a nearest cache keeps for all output channels, whatever power of two their distance was. */
typedef struct PlaceSum { Lower *lw; const Node *n; Affine place; int64_t tiles, width, runs; const Buffer *turned, *sums; } PlaceSum; /* runs: of a group's output channels */

static int64_t groups_of(const PlaceSum *s) { return s->n->attr.i[WINOGRAD_GROUPS]; }

static int64_t panel_width(const Node *n, int lanes) {
    int64_t channels = n->type.dim[2];
    return channels % (2 * lanes) ? channels : 2 * lanes;
}

/* Input channels of a group in the lanes: the panel among all, and the place in it. */
static void panel_axes(const PlaceSum *s, Nest *nest, Affine group, Affine *panel, Affine *within) {
    Arena *a = lower_arena(s->lw);
    int64_t panels = s->n->type.dim[2] / s->width;
    *panel = panels > 1 ? pair(s->lw, group, panels, affine_var(a, nest_axis(a, nest, "cp", panels, false))) : group;
    const Var *c = nest_axis(a, nest, "c", s->width, false);
    lower_lane_axis(s->lw, nest, c);
    *within = affine_var(a, c);
}

static const Affine *turned_at(const PlaceSum *s, Affine panel, Affine tile, const Var *image, Affine within) {
    return lower_at(s->lw, 4, panel, pair(s->lw, lower_block(s->lw), s->tiles, tile), affine_var(lower_arena(s->lw), image), within);
}

static void turn(const PlaceSum *s) {
    Lower *lw = s->lw;
    Arena *a = lower_arena(lw);
    Nest *nest = lower_nest(lw, s->n);
    lower_batch_points(lw, nest);
    Affine group = group_axis(lw, nest, groups_of(s), s->n->type.dim[1] / groups_of(s)), panel, within;
    Affine tile = affine_var(a, nest_axis(a, nest, "t", s->tiles, false));
    panel_axes(s, nest, group, &panel, &within);
    const Var *i = nest_axis(a, nest, "i", lower_images(lw), false);
    lower_fix_image(lw, i);
    nest_assign(a, nest, s->turned, turned_at(s, panel, tile, i, within), lower_load(lw, s->n->arg[0], lower_at(lw, 3, s->place, pair(lw, panel, s->width, within), lower_step_point(lw, tile))));
    lower_emit_local(lw, nest);
}

/* Axes over groups, runs of output channels, panels of input channels and, inside of these, the channels of both, those of the panel in the lanes: the output channel among all, the panel among all, and the
 * input channel in it and in the group. */
static void pair_axes(const PlaceSum *s, Nest *nest, Affine *out, Affine *panel, Affine *within, Affine *in) {
    Arena *a = lower_arena(s->lw);
    int64_t groups = groups_of(s), ks = s->n->type.dim[1] / groups, panels = s->n->type.dim[2] / s->width;
    Affine group = group_axis(s->lw, nest, groups, ks), run = affine_const(0), first = affine_const(0);
    if (s->runs > 1) run = affine_var(a, nest_axis(a, nest, "kr", s->runs, false));
    if (s->runs > 1) nest_keep_far(nest);
    if (panels > 1) first = affine_var(a, nest_axis(a, nest, "cp", panels, false));
    if (panels > 1) nest_keep_far(nest);
    *panel = pair(s->lw, group, panels, first);
    *out = pair(s->lw, group, ks, pair(s->lw, run, ks / s->runs, affine_var(a, nest_axis(a, nest, "k", ks / s->runs, false))));
    const Var *c = nest_axis(a, nest, "c", s->width, false);
    lower_lane_axis(s->lw, nest, c);
    *within = affine_var(a, c);
    *in = pair(s->lw, first, s->width, *within);
}

/* What lane blocks at hand add, to nothing or to the sums so far. */
static void add_turned(const PlaceSum *s) {
    Lower *lw = s->lw;
    Arena *a = lower_arena(lw);
    Nest *nest = lower_nest(lw, s->n);
    Affine out, panel, within, in;
    pair_axes(s, nest, &out, &panel, &within, &in);
    lower_batch_axis(lw, nest);
    Affine tile = affine_var(a, nest_axis(a, nest, "t", s->tiles, true));
    const Var *i = nest_axis(a, nest, "i", lower_images(lw), true);
    lower_fix_image(lw, i);
    const Expr *acc = nest_acc(a, nest, ELEM_F32, s->sums ? expr_load(a, s->sums, lower_at(lw, 2, out, in)) : expr_real(a, 0));
    const Expr *d = lower_load(lw, s->n->arg[1], lower_at(lw, 3, s->place, out, lower_step_point(lw, tile)));
    const Expr *v = expr_load(a, s->turned, turned_at(s, panel, tile, i, within));
    nest_update(nest, acc, expr_ternary(a, EXPR_FMA, d, v, acc));
    if (s->sums) {
        nest_assign(a, nest, s->sums, lower_at(lw, 2, out, in), acc);
        lower_emit_local(lw, nest);
    } else {
        lower_emit(lw, nest, s->n, lower_at(lw, 3, s->place, out, in), acc);
    }
}

static void clear_sums(const PlaceSum *s) {
    Arena *a = lower_arena(s->lw);
    Nest *nest = lower_nest(s->lw, s->n);
    Affine out, panel, within, in;
    pair_axes(s, nest, &out, &panel, &within, &in);
    nest_assign(a, nest, s->sums, lower_at(s->lw, 2, out, in), expr_real(a, 0));
    lower_emit_local(s->lw, nest);
}

static void hand_on_sums(const PlaceSum *s) {
    Nest *nest = lower_nest(s->lw, s->n);
    Affine out, panel, within, in;
    pair_axes(s, nest, &out, &panel, &within, &in);
    lower_emit(s->lw, nest, s->n, lower_at(s->lw, 3, s->place, out, in), expr_load(lower_arena(s->lw), s->sums, lower_at(s->lw, 2, out, in)));
}

/* Lane blocks that are summed at a time, few, so that a panel of what is turned stays in the nearest cache, but enough for the sums' way from and to memory; 0: all. */
static int64_t run_of_blocks(const Lower *lw, int64_t tiles, int64_t width) {
    enum { TERMS_LEAST = 128, PANEL_BYTES = 16 << 10 };
    int64_t terms = tiles * lower_images(lw), run = ceil_div(TERMS_LEAST, terms);
    return run < lower_blocks(lw) && 4 * terms * lower_blocks(lw) * width > PANEL_BYTES ? run : 0;
}

/* So many runs of output channels that the tiles of one stay in a core's own cache while all panels are multiplied with them, beside what is asked for meanwhile. */
static int64_t runs_of_outputs(const Node *n, int64_t terms) {
    enum { RUN_BYTES = 128 << 10, LEAST = 32 };
    int64_t ks = n->type.dim[1] / n->attr.i[WINOGRAD_GROUPS], runs = 1;
    while (4 * terms * (ks / runs) > RUN_BYTES || ks % runs)
        if (ks / ++runs < LEAST) return 1;
    return runs;
}

static void lower_sum_turned(Lower *lw, const Node *n) {
    int64_t tiles = lower_step_extent(lw, n->arg[0]->type.dim[2]), width = panel_width(n, lower_images(lw)), run = run_of_blocks(lw, tiles, width), channels = n->arg[0]->type.dim[1];
    int64_t runs = runs_of_outputs(n, tiles * lower_images(lw) * (run ? run : lower_blocks(lw)));
    PlaceSum s = {lw, n, lower_open_items(lw, "p", n->type.dim[0], affine_const(0), n->type.dim[0]), tiles, width, runs, NULL, NULL};
    if (run) {
        s.sums = lower_scratch(lw, "sums", type_param(2, n->type.dim[1], n->type.dim[2], 0, 0));
        clear_sums(&s);
        lower_open_runs(lw, run);
    }
    s.turned = lower_scratch(lw, "turned", type_param(4, channels / s.width, lower_blocks(lw) * tiles, lower_images(lw), s.width));
    turn(&s);
    add_turned(&s);
    if (run) {
        lower_close_runs(lw);
        hand_on_sums(&s);
    }
    lower_close_loop(lw);
}

static void lower_sum(Lower *lw, const Node *n) {
    if (lower_turns_lanes(lw)) {
        lower_sum_turned(lw, n);
        return;
    }
    Arena *a = lower_arena(lw);
    Nest *nest = lower_nest(lw, n);
    int64_t groups = n->attr.i[WINOGRAD_GROUPS], ks = n->type.dim[1] / groups, cs = n->type.dim[2];
    const Var *p = nest_axis(a, nest, "p", n->type.dim[0], false);
    Affine group = group_axis(lw, nest, groups, ks);
    const Var *k = nest_axis(a, nest, "k", ks, false), *c = nest_axis(a, nest, "c", cs, false);
    lower_batch_axis(lw, nest);
    const Var *t = nest_axis(a, nest, "t", n->arg[0]->type.dim[2], true);
    const Expr *acc = nest_acc(a, nest, ELEM_F32, expr_real(a, 0));
    Affine place = lower_affine(lw, p, 1, 0), out = pair(lw, group, ks, lower_affine(lw, k, 1, 0)), in = lower_affine(lw, c, 1, 0), tile = lower_affine(lw, t, 1, 0);
    const Expr *d = lower_load(lw, n->arg[1], lower_at(lw, 3, place, out, tile)), *v = lower_load(lw, n->arg[0], lower_at(lw, 3, place, pair(lw, group, cs, in), tile));
    nest_update(nest, acc, expr_ternary(a, EXPR_FMA, d, v, acc));
    lower_emit(lw, nest, n, lower_at(lw, 3, place, out, in), expr_unary(a, EXPR_LANE_SUM, acc));
}

/* Kernels of output channel k and input channel c. */
typedef struct Weights { Lower *lw; Nest *nest; const Node *n; int r, places; Affine k, c; } Weights;

static const Expr *sum_element(const void *ctx, int m, int i, Affine j) {
    const Weights *t = ctx;
    (void)m;
    return lower_load(t->lw, t->n->arg[0], lower_at(t->lw, 3, affine_offset(j, i * t->places), t->k, t->c));
}

static void store_taps(const void *ctx, int side, Affine i, const Expr *const *value) {
    const Weights *t = ctx;
    (void)side;
    for (int k = 0; k < t->r; k++) lower_point(t->lw, t->nest, t->n, lower_at(t->lw, 4, t->k, t->c, i, affine_const(k)), value[k]);
}

/* Lanes hold input channels, which lie side by side in the sums. */
static void lower_weights(Lower *lw, const Node *n) {
    Arena *a = lower_arena(lw);
    Winograd f = dw_form(n);
    int64_t ks = n->type.dim[0], cs = n->type.dim[1];
    Nest *nest = lower_nest(lw, n);
    const Var *k = nest_axis(a, nest, "k", ks, false), *c = nest_axis(a, nest, "c", cs, false);
    lower_lane_axis(lw, nest, c);
    Weights t = {lw, nest, n, f.output.rows, f.n, affine_var(a, k), affine_var(a, c)};
    transform(&(Transform){lw, nest, &f.output, f.output.rows, 1, 1, &t, sum_element, store_taps});
    lower_emit_local(lw, nest);
}

static bool data_halo(const Node *n, int arg) {
    (void)n;
    return arg == 0;
}

static bool gradient_halo(const Node *n, int arg) {
    Type dy = n->arg[0]->type;
    return arg == 0 && (dy.dim[1] % n->attr.i[WINOGRAD_TILE] || dy.dim[2] % n->attr.i[WINOGRAD_TILE]);
}

/* Tiles begin `step` points apart. */
static bool by_cells(int64_t step, int arg, const Cells *cells) {
    return arg == 0 && cells->one && cells->size[0] * cells->size[1] > 1 && step % cells->size[0] == 0 && step % cells->size[1] == 0;
}

static bool data_by_cells(const Node *n, int arg, const Cells *cells, int lanes) {
    (void)lanes;
    return by_cells(data_form(n, 0).step, arg, cells);
}

static bool gradient_by_cells(const Node *n, int arg, const Cells *cells, int lanes) {
    (void)lanes;
    return by_cells(n->attr.i[WINOGRAD_TILE], arg, cells);
}

static int64_t direct_macs(const Node *n) { return n->attr.i[0]; }

const LowerRule winograd_data_lower = {.kind = LOWER_NEST, .scatters = true, .nest = lower_data, .halo = data_halo, .reads_cells = data_by_cells};
const LowerRule winograd_kernel_lower = {.kind = LOWER_NEST, .shaped = true, .nest = lower_kernel};
const LowerRule winograd_product_lower = {.kind = LOWER_NEST, .nest = lower_product, .across = true, .macs = direct_macs};
const LowerRule winograd_image_lower = {.kind = LOWER_NEST, .nest = lower_image_tiles};
const LowerRule winograd_gradient_lower = {.kind = LOWER_NEST, .scatters = true, .nest = lower_gradient, .halo = gradient_halo, .reads_cells = gradient_by_cells};
const LowerRule winograd_sum_lower = {.kind = LOWER_NEST, .nest = lower_sum, .sums_batch = true, .turns_lanes = turns_lanes, .macs = direct_macs};
const LowerRule winograd_weights_lower = {.kind = LOWER_NEST, .shaped = true, .nest = lower_weights};
