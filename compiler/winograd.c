/* winograd.c: see winograd.h. With points p_0 .. p_{n-2} and M(x) = prod (x - p_j):
 *
 *     output[i][j] = p_j^i,  kernel[j][k] = p_j^k / f_j,  f_j = prod_{i != j} (p_j - p_i)
 *     input[j] = the coefficients of M(x) / (x - p_j)
 *
 * and for infinity output[m-1] = 1, kernel[r-1] = 1, input = the coefficients of M. The transposition that turns a product of
 * polynomials into a correlation is in these already.
 */
#include "winograd.h"

/* ---- fractions: numerators and denominators here stay below some thousands ---- */

typedef struct Fraction { int64_t num, den; } Fraction; /* den > 0, lowest terms */

static Fraction fraction(int64_t num, int64_t den) {
    int64_t g = gcd_i64(num < 0 ? -num : num, den < 0 ? -den : den);
    if (g == 0) g = 1;
    if (den < 0) g = -g;
    return (Fraction){num / g, den / g};
}

static Fraction times(Fraction a, Fraction b) { return fraction(a.num * b.num, a.den * b.den); }
static Fraction over(Fraction a, Fraction b) { return fraction(a.num * b.den, a.den * b.num); }
static Fraction minus(Fraction a, Fraction b) { return fraction(a.num * b.den - b.num * a.den, a.den * b.den); }
static double as_double(Fraction a) { return (double)a.num / (double)a.den; }

static const Fraction points[WINOGRAD_POINTS_MAX - 1] = {{0, 1}, {1, 1}, {-1, 1}, {2, 1}, {-2, 1}, {1, 2}, {-1, 2}};

static Fraction power(Fraction p, int k) {
    Fraction x = {1, 1};
    while (k-- > 0) x = times(x, p);
    return x;
}

/* prod (p_j - p_i) over the finite points i != j. */
static Fraction spread(int j, int n) {
    Fraction f = {1, 1};
    for (int i = 0; i < n - 1; i++)
        if (i != j) f = times(f, minus(points[j], points[i]));
    return f;
}

/* Coefficients of prod (x - p_i) over the finite points but `left_out`, lowest first. */
static void polynomial(int left_out, int n, Fraction c[WINOGRAD_POINTS_MAX]) {
    for (int i = 0; i < WINOGRAD_POINTS_MAX; i++) c[i] = (Fraction){i == 0, 1};
    for (int i = 0; i < n - 1; i++) {
        if (i == left_out) continue;
        for (int k = WINOGRAD_POINTS_MAX - 1; k >= 0; k--) c[k] = minus(k ? c[k - 1] : (Fraction){0, 1}, times(points[i], c[k]));
    }
}

static WinogradMatrix matrix(int rows, int cols) { return (WinogradMatrix){rows, cols, 1, 1, {{0}}}; }

/* F(m, 1) and F(1, r). */
static Winograd plain_form(int m, int r) {
    int n = m * r;
    Winograd w = {n, 0, m, matrix(n, n), matrix(n, r), matrix(m, n)};
    for (int j = 0; j < n; j++) w.input.at[j][j] = w.kernel.at[j][r == 1 ? 0 : j] = w.output.at[m == 1 ? 0 : j][j] = 1;
    return w;
}

Winograd winograd_form(int m, int r) {
    int n = m + r - 1;
    ENSURE(m >= 1 && r >= 1 && n <= WINOGRAD_POINTS_MAX);
    if (m == 1 || r == 1) return plain_form(m, r);
    Winograd w = {n, 0, m, matrix(n, n), matrix(n, r), matrix(m, n)};
    for (int j = 0; j < n; j++) {
        bool finite = j < n - 1;
        Fraction c[WINOGRAD_POINTS_MAX];
        polynomial(finite ? j : -1, n, c);
        for (int i = 0; i < n; i++) w.input.at[j][i] = as_double(c[i]);
        for (int k = 0; k < r; k++) w.kernel.at[j][k] = finite ? as_double(over(power(points[j], k), spread(j, n))) : k == r - 1;
        for (int i = 0; i < m; i++) w.output.at[i][j] = finite ? as_double(power(points[j], i)) : i == m - 1;
    }
    return w;
}

/* ---- convolutions with steps, and their gradients ---- */

/* Taps of phase f: f, f + stride, ... */
static int taps_of(int kernel, int stride, int f) { return (kernel - f + stride - 1) / stride; }

bool winograd_fits(int64_t tile, int64_t kernel, int64_t stride) {
    if (tile < 1 || kernel < 1 || stride < 1 || stride > kernel || tile > WINOGRAD_SIDE_MAX || kernel > WINOGRAD_SIDE_MAX) return false;
    return tile + taps_of((int)kernel, (int)stride, 0) - 1 <= WINOGRAD_POINTS_MAX && stride * (tile - 1) + kernel <= WINOGRAD_SIDE_MAX;
}

/* Puts the numbers of `part` among those of x, from (row, col) on and so far apart. */
static void put(WinogradMatrix *x, const WinogradMatrix *part, int row, int rows_apart, int col, int cols_apart) {
    x->rows_apart = rows_apart;
    x->cols_apart = cols_apart < 0 ? -cols_apart : cols_apart;
    for (int i = 0; i < part->rows; i++)
        for (int j = 0; j < part->cols; j++) x->at[row + i * rows_apart][col + j * cols_apart] = part->at[i][j];
}

Winograd winograd_conv(WinogradWay way) {
    int s = way.stride, m = way.tile, n = s * (m - 1) + way.kernel;
    Winograd w = {n, -way.pad, s * m, matrix(n, n), matrix(n, way.kernel), matrix(m, n)};
    for (int f = 0, at = 0; f < s; f++) {
        Winograd part = winograd_form(m, taps_of(way.kernel, s, f));
        put(&w.input, &part.input, at, 1, f, s);
        put(&w.kernel, &part.kernel, at, 1, f, s);
        put(&w.output, &part.output, 0, 1, at, 1);
        at += part.n;
    }
    return w;
}

Winograd winograd_conv_dw(WinogradWay way) {
    int s = way.stride, m = way.tile;
    Winograd w = winograd_conv(way);
    w.kernel = matrix(w.n, m);
    w.output = matrix(way.kernel, w.n);
    for (int f = 0, at = 0; f < s; f++) {
        Winograd part = winograd_form(taps_of(way.kernel, s, f), m);
        put(&w.kernel, &part.kernel, at, 1, 0, 1);
        put(&w.output, &part.output, f, s, at, 1);
        at += part.n;
    }
    return w;
}

/* dx[i], i = stride q + e, sums w[k] dy[(i + pad - k) / stride] over the k of one phase; from the last tap to the first it is a correlation. */
Winograd winograd_conv_dx(WinogradWay way) {
    int s = way.stride, m = way.tile, n = s * (m - 1) + way.kernel, from = 0, to = 0;
    for (int e = 0; e < s; e++) {
        int last = (e + way.pad) / s, taps = taps_of(way.kernel, s, (e + way.pad) % s);
        if (e == 0 || last - taps + 1 < from) from = last - taps + 1;
        if (e == 0 || last > to) to = last;
    }
    Winograd w = {n, from, m, matrix(n, to - from + m), matrix(n, way.kernel), matrix(s * m, n)};
    for (int e = 0, at = 0; e < s; e++) {
        int last = (e + way.pad) / s, f = (e + way.pad) % s, taps = taps_of(way.kernel, s, f);
        Winograd part = winograd_form(m, taps);
        put(&w.input, &part.input, at, 1, last - taps + 1 - from, 1);
        put(&w.kernel, &part.kernel, at, 1, f + s * (taps - 1), -s);
        put(&w.output, &part.output, e, s, at, 1);
        at += part.n;
    }
    return w;
}

Winograd winograd_turned(WinogradWay way, bool turned) { return turned ? winograd_conv_dx(way) : winograd_conv(way); }

/* ---- straight-line code ---- */

static void add_term(WinogradStep *s, int from, double factor) {
    if (factor != 0) s->term[s->n++] = (WinogradTerm){from, factor};
}

/* Takes the step into the code; one that is just another value is none. Returns the value, -1 for zero. */
static int add_step(WinogradCode *c, const WinogradStep *s) {
    if (s->n == 0) return -1;
    if (s->n == 1 && s->term[0].factor == 1) return s->term[0].from;
    ENSURE(c->nsteps < (int)(sizeof c->step / sizeof c->step[0]));
    c->step[c->nsteps++] = *s;
    return c->inputs + c->nsteps - 1;
}

/* Does column j (row i) belong to odd powers of the points? */
static bool odd_col(const WinogradMatrix *x, int j) { return j / x->cols_apart % 2; }
static bool odd_row(const WinogradMatrix *x, int i) { return i / x->rows_apart % 2; }

/* Is row k `sign` times row i with every second entry negated? */
static bool mirrors(const WinogradMatrix *x, int i, int k, int sign) {
    for (int j = 0; j < x->cols; j++)
        if (x->at[i][j] * (odd_col(x, j) ? -sign : sign) != x->at[k][j]) return false;
    return true;
}

/* The row that is row i's mirror image, and by which sign; -1 where there is none worth sharing with. */
static int find_mirror(const WinogradMatrix *x, int i, int *sign) {
    int even = 0, odd = 0;
    for (int j = 0; j < x->cols; j++) *(odd_col(x, j) ? &odd : &even) += x->at[i][j] != 0;
    for (int k = i + 1; even && odd && k < x->rows; k++)
        for (*sign = 1; *sign >= -1; *sign -= 2)
            if (mirrors(x, i, k, *sign)) return k;
    return -1;
}

/* Row i's sum over the columns whose parity is among these. */
static int row_part(WinogradCode *c, const WinogradMatrix *x, int i, bool even, bool odd) {
    WinogradStep s = {0};
    for (int j = 0; j < x->cols; j++)
        if (odd_col(x, j) ? odd : even) add_term(&s, j, x->at[i][j]);
    return add_step(c, &s);
}

static int sum_of(WinogradCode *c, int a, double fa, int b, double fb) {
    WinogradStep s = {0};
    add_term(&s, a, fa);
    add_term(&s, b, fb);
    return add_step(c, &s);
}

static WinogradCode code_by_rows(const WinogradMatrix *x) {
    WinogradCode c = {.inputs = x->cols};
    bool done[WINOGRAD_SIDE_MAX] = {false};
    for (int i = 0; i < x->rows; i++) {
        int sign, k = done[i] ? -1 : find_mirror(x, i, &sign);
        if (done[i]) continue;
        if (k < 0) {
            c.out[i] = row_part(&c, x, i, true, true);
            continue;
        }
        int even = row_part(&c, x, i, true, false), odd = row_part(&c, x, i, false, true);
        c.out[i] = sum_of(&c, even, 1, odd, 1);
        c.out[k] = sum_of(&c, even, sign, odd, -sign);
        done[k] = true;
    }
    return c;
}

static bool columns_mirror(const WinogradMatrix *x, int j, int k) {
    bool even = false, odd = false;
    for (int i = 0; i < x->rows; i++) {
        if (x->at[i][k] != x->at[i][j] * (odd_row(x, i) ? -1 : 1)) return false;
        *(odd_row(x, i) ? &odd : &even) |= x->at[i][j] != 0;
    }
    return even && odd;
}

/* Columns of p and -p go into the even rows by their sum, into the odd ones by their difference. */
static WinogradCode code_by_columns(const WinogradMatrix *x) {
    WinogradCode c = {.inputs = x->cols};
    int sum[WINOGRAD_SIDE_MAX], difference[WINOGRAD_SIDE_MAX];
    bool done[WINOGRAD_SIDE_MAX] = {false};
    for (int j = 0; j < x->cols; j++) {
        if (done[j]) continue;
        sum[j] = difference[j] = j;
        for (int k = j + 1; k < x->cols; k++) {
            if (done[k] || !columns_mirror(x, j, k)) continue;
            sum[j] = sum_of(&c, j, 1, k, 1);
            difference[j] = sum_of(&c, j, 1, k, -1);
            done[k] = true;
            break;
        }
    }
    for (int i = 0; i < x->rows; i++) {
        WinogradStep s = {0};
        for (int j = 0; j < x->cols; j++)
            if (!done[j]) add_term(&s, odd_row(x, i) ? difference[j] : sum[j], x->at[i][j]);
        c.out[i] = add_step(&c, &s);
    }
    return c;
}

int winograd_code_cost(const WinogradCode *c) {
    int cost = 0;
    for (int i = 0; i < c->nsteps; i++) {
        const WinogradStep *s = &c->step[i];
        bool plain = false; /* the first term may start the sum without a product */
        for (int t = 0; t < s->n; t++) plain = plain || s->term[t].factor == 1;
        cost += s->n - plain;
    }
    return cost;
}

WinogradCode winograd_code(const WinogradMatrix *x) {
    WinogradCode rows = code_by_rows(x), columns = code_by_columns(x);
    return winograd_code_cost(&rows) <= winograd_code_cost(&columns) ? rows : columns;
}
