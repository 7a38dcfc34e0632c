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

enum { WINOGRAD_N_MAX = 8 }; /* of 8 points' n the errors are some 40 u sum|d||g|; with 9 and more they grow beyond use */

typedef struct WinogradMatrix { int rows, cols; double at[WINOGRAD_N_MAX][WINOGRAD_N_MAX]; } WinogradMatrix;
typedef struct Winograd { int m, r, n; WinogradMatrix input, kernel, output; } Winograd;

/* F(m, r); m, r >= 1, and m + r - 1 from 2 to WINOGRAD_N_MAX. */
Winograd winograd_form(int m, int r);

/* A product with one of the matrices as straight-line code: additions, subtractions and multiply-adds of whole vectors. Rows that
 * belong to the points p and -p share the sums of their even and of their odd terms; so do columns. Steps make the values
 * rows.., in order; a step's terms name inputs (0 .. cols-1) or values made before (cols + step's number). */
typedef struct WinogradTerm { int from; double factor; } WinogradTerm;
typedef struct WinogradStep { int n; WinogradTerm term[WINOGRAD_N_MAX]; } WinogradStep;
typedef struct WinogradCode {
    int inputs, nsteps;
    WinogradStep step[3 * WINOGRAD_N_MAX];
    int out[WINOGRAD_N_MAX]; /* for each row of the matrix the value that it is: an input or a step, as in a term; -1: zero */
} WinogradCode;

WinogradCode winograd_code(const WinogradMatrix *x);
/* Vector instructions of the code. */
int winograd_code_cost(const WinogradCode *c);

#endif
