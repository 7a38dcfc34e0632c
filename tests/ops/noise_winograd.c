/* noise_winograd.c: sum|terms| of Winograd's transforms (compiler/ops/winograd.c): |x| |in| |x|^T in place of x in x^T, to first order. The
 * generated code adds in other orders and shares sums, which makes none of its terms larger.
 */
#include <math.h>

#include "../../compiler/ops.h"
#include "../../compiler/winograd.h"
#include "noise.h"

enum { PLACES_MAX = WINOGRAD_SIDE_MAX * WINOGRAD_SIDE_MAX };

typedef struct Tile { WinogradMatrix x; double in[PLACES_MAX], out[PLACES_MAX]; } Tile;

static void magnitudes(Tile *t) {
    const WinogradMatrix *x = &t->x;
    double mid[PLACES_MAX] = {0};
    for (int i = 0; i < x->rows; i++)
        for (int j = 0; j < x->cols; j++)
            for (int k = 0; k < x->cols; k++) mid[i * x->cols + j] += fabs(x->at[i][k] * t->in[k * x->cols + j]);
    for (int i = 0; i < x->rows; i++)
        for (int j = 0; j < x->rows; j++) {
            t->out[i * x->rows + j] = 0;
            for (int k = 0; k < x->cols; k++) t->out[i * x->rows + j] += fabs(x->at[j][k]) * mid[i * x->cols + k];
        }
}

static double at(const double *image, Type t, int64_t h, int64_t w) { return h < 0 || h >= t.dim[1] || w < 0 || w >= t.dim[2] ? 0 : image[h * t.dim[2] + w]; }

/* Pieces of pictures, `step` apart from `first` on, `across` in a row. */
static void of_pieces(const Node *n, int64_t batch, const double *x, Tile *t, int64_t step, const int64_t first[2], int64_t across, double *terms) {
    Type in = n->arg[0]->type;
    int64_t places = n->type.dim[0], tiles = n->type.dim[2];
    int side = t->x.cols;
    for (int64_t i = 0; i < batch * in.dim[0] * tiles; i++) {
        int64_t image = i / tiles, tile = i % tiles;
        for (int p = 0; p < side * side; p++)
            t->in[p] = at(x + image * in.dim[1] * in.dim[2], in, tile / across * step + first[0] + p / side, tile % across * step + first[1] + p % side);
        magnitudes(t);
        for (int64_t p = 0; p < places; p++) terms[((image / in.dim[0] * places + p) * in.dim[0] + image % in.dim[0]) * tiles + tile] = t->out[p];
    }
}

static WinogradWay way_of(const Node *n, int64_t pad) { return (WinogradWay){(int)n->attr.i[WINOGRAD_TILE], (int)n->attr.i[WINOGRAD_KERNEL], (int)n->attr.i[WINOGRAD_STRIDE], (int)pad}; }
static Winograd conv_form(const Node *n, int64_t pad) { return winograd_turned(way_of(n, pad), n->attr.i[WINOGRAD_TURNED]); }

static void of_data(const Node *n, int64_t batch, const double *x, double *terms) {
    Winograd down = conv_form(n, n->attr.i[WINOGRAD_PAD]), across = conv_form(n, n->attr.i[WINOGRAD_PAD + 1]);
    Tile t = {.x = down.input};
    of_pieces(n, batch, x, &t, down.step, (const int64_t[2]){down.first, across.first}, n->attr.i[WINOGRAD_TILES + 1], terms);
}

static void of_gradient(const Node *n, int64_t batch, const double *dy, double *terms) {
    Tile t = {.x = winograd_conv_dw(way_of(n, 0)).kernel};
    int64_t tile = n->attr.i[WINOGRAD_TILE];
    of_pieces(n, batch, dy, &t, tile, (const int64_t[2]){0, 0}, ceil_div(n->arg[0]->type.dim[2], tile), terms);
}

static void of_kernel(const Node *n, const double *weights, double *terms) {
    int r = (int)n->arg[0]->type.dim[2];
    bool turned = n->attr.i[WINOGRAD_KERNEL_TURNED] != 0;
    WinogradWay way = {(int)n->attr.i[WINOGRAD_TILE], r, (int)n->attr.i[WINOGRAD_KERNEL_STRIDE], (int)n->attr.i[WINOGRAD_KERNEL_PAD]};
    Tile t = {.x = winograd_turned(way, turned).kernel};
    Type w = n->arg[0]->type;
    int64_t groups = n->attr.i[WINOGRAD_KERNEL_GROUPS], out = turned ? w.dim[1] : w.dim[0] / groups, cs = turned ? w.dim[0] / groups : w.dim[1], ks = groups * out, pack = n->type.dim[2], line = n->type.dim[3];
    for (int64_t i = 0; i < ks * cs; i++) {
        int64_t k = i / cs, c = i % cs;
        for (int p = 0; p < r * r; p++) t.in[p] = weights[(turned ? (k / out * cs + c) * out + k % out : i) * r * r + p];
        magnitudes(&t);
        for (int64_t p = 0; p < n->type.dim[0]; p++) terms[(((p * (ks / pack) + k / pack) * (cs / line) + c / line) * pack + k % pack) * line + c % line] = t.out[p];
    }
}

static void of_image(const Node *n, int64_t batch, const double *m, double *terms) {
    Tile t = {.x = conv_form(n, n->attr.i[WINOGRAD_PAD]).output};
    int tile = t.x.rows;
    Type in = n->arg[0]->type;
    int64_t ks = in.dim[1], rows = n->type.dim[1], cols = n->type.dim[2], across = ceil_div(cols, tile);
    for (int64_t i = 0; i < batch * ks * in.dim[2]; i++) {
        int64_t image = i / in.dim[2], at_tile = i % in.dim[2];
        for (int64_t p = 0; p < in.dim[0]; p++) t.in[p] = m[((image / ks * in.dim[0] + p) * ks + image % ks) * in.dim[2] + at_tile];
        magnitudes(&t);
        for (int p = 0; p < tile * tile; p++) {
            int64_t h = at_tile / across * tile + p / tile, w = at_tile % across * tile + p % tile;
            if (h < rows && w < cols) terms[(image * rows + h) * cols + w] = t.out[p];
        }
    }
}

static void of_weights(const Node *n, const double *s, double *terms) {
    Tile t = {.x = winograd_conv_dw(way_of(n, 0)).output};
    int64_t kernels = n->type.dim[0] * n->type.dim[1];
    for (int64_t k = 0; k < kernels; k++) {
        for (int64_t p = 0; p < n->arg[0]->type.dim[0]; p++) t.in[p] = s[p * kernels + k];
        magnitudes(&t);
        for (int p = 0; p < t.x.rows * t.x.rows; p++) terms[k * t.x.rows * t.x.rows + p] = t.out[p];
    }
}

void noise_transform_terms(const Node *n, int64_t batch, const double *in, double *terms) {
    switch (n->op) {
    case OP_winograd_data: of_data(n, batch, in, terms); break;
    case OP_winograd_gradient: of_gradient(n, batch, in, terms); break;
    case OP_winograd_kernel: of_kernel(n, in, terms); break;
    case OP_winograd_image: of_image(n, batch, in, terms); break;
    case OP_winograd_weights: of_weights(n, in, terms); break;
    default: BUG("%s is no transform", op_table[n->op].name);
    }
}
