/* winograd.h: the matrices of Winograd's minimal filtering F(m, r), for any m and r, by Toom and Cook's construction.
 *
 * m outputs of a correlation with r taps, y[i] = sum_k d[i + k] g[k], cost n = m + r - 1 products in place of m r:
 *
 *     y = output ((kernel g) . (input d)),   input: n x n, kernel: n x r, output: m x n
 *
 * (Winograd, 1980; Lavin and Gray, 2015, write B^T, G and A^T.) Both polynomials are taken at n - 1 points and at infinity: 0, 1, -1, 2, -2, 1/2,
 * -1/2. All entries are found as exact fractions; those of `input` and `output` are exact in f32, too. In two dimensions each matrix
 * is applied to the columns, then to the rows. `input` depends on n alone: F(m, r) and F(r, m) share it, which makes a
 * convolution's weight gradient, r x r sums over tiles of m x m, the same products in another order.
 */
#ifndef NETC_WINOGRAD_H
#define NETC_WINOGRAD_H

#include "base.h"

enum {
    WINOGRAD_POINTS_MAX = 8, /* of 8 points' n the errors are some 40 u sum|d||g|; with 9 and more they grow beyond use */
    WINOGRAD_SIDE_MAX = 9    /* of a tile of places, where strides put several forms side by side */
};

/* Columns (rows) that are powers of the points lie so far apart: those of several phases take turns. */
typedef struct WinogradMatrix { int rows, cols, rows_apart, cols_apart; double at[WINOGRAD_SIDE_MAX][WINOGRAD_SIDE_MAX]; } WinogradMatrix;
/* n places. A tile reads input.cols numbers, from number `first` on (of the first tile; the zeros of a pad have negative ones), each tile's `step` behind those of the one before; it makes output.rows, behind those of
 * the one before. */
typedef struct Winograd { int n, first, step; WinogradMatrix input, kernel, output; } Winograd;

/* F(m, r); m, r >= 1, and m + r - 1 at most WINOGRAD_POINTS_MAX. Where m or r is 1 there is nothing to save: sums of plain products. */
Winograd winograd_form(int m, int r);

/* One dimension of a convolution with steps, y[i] = sum_k x[stride i + k - pad] w[k], and of its two gradients, in tiles of y and dy of `tile` points. In steps it is a sum of `stride` correlations without: of every
 * stride-th number of x, from each of the first ones on, with every stride-th tap. Their forms stand side by side, so n = stride (tile - 1) + kernel: 7 for tiles of 3 points, kernels of 3 and steps of 2, where
 * direct sums take 9 products a dimension. All that a form needs: */
typedef struct WinogradWay { int tile, kernel, stride, pad; } WinogradWay;
/* Is there such a form? 1 <= stride <= kernel, tile >= 1, and neither too many points nor too many places. */
bool winograd_fits(int64_t tile, int64_t kernel, int64_t stride);
/* y from x. */
Winograd winograd_conv(WinogradWay way);
/* dx from dy, in tiles of stride * tile points of x; w is not turned round, the matrix `kernel` has it so. */
Winograd winograd_conv_dx(WinogradWay way);
/* The one or (turned) the other. */
Winograd winograd_turned(WinogradWay way, bool turned);
/* dw from x, whose `input` is winograd_conv's, and dy by `kernel`. */
Winograd winograd_conv_dw(WinogradWay way);

/* A product with one of the matrices as straight-line code: additions, subtractions and multiply-adds of whole vectors. Rows that
 * belong to the points p and -p share the sums of their even and of their odd terms; so do columns. Steps make the values
 * rows.., in order; a step's terms name inputs (0 .. cols-1) or values made before (cols + step's number). */
typedef struct WinogradTerm { int from; double factor; } WinogradTerm;
typedef struct WinogradStep { int n; WinogradTerm term[WINOGRAD_SIDE_MAX]; } WinogradStep;
typedef struct WinogradCode {
    int inputs, nsteps;
    WinogradStep step[3 * WINOGRAD_SIDE_MAX];
    int out[WINOGRAD_SIDE_MAX]; /* for each row of the matrix the value that it is: an input or a step, as in a term; -1: zero */
} WinogradCode;

WinogradCode winograd_code(const WinogradMatrix *x);
/* Vector instructions of the code. */
int winograd_code_cost(const WinogradCode *c);

#endif
