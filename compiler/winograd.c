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

static const Fraction points[WINOGRAD_N_MAX - 1] = {{0, 1}, {1, 1}, {-1, 1}, {2, 1}, {-2, 1}, {1, 2}, {-1, 2}};

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
static void polynomial(int left_out, int n, Fraction c[WINOGRAD_N_MAX]) {
    for (int i = 0; i < WINOGRAD_N_MAX; i++) c[i] = (Fraction){i == 0, 1};
    for (int i = 0; i < n - 1; i++) {
        if (i == left_out) continue;
        for (int k = WINOGRAD_N_MAX - 1; k >= 0; k--) c[k] = minus(k ? c[k - 1] : (Fraction){0, 1}, times(points[i], c[k]));
    }
}

Winograd winograd_form(int m, int r) {
    int n = m + r - 1;
    ENSURE(m >= 1 && r >= 1 && n >= 2 && n <= WINOGRAD_N_MAX);
    Winograd w = {m, r, n, {n, n, {{0}}}, {n, r, {{0}}}, {m, n, {{0}}}};
    for (int j = 0; j < n; j++) {
        bool finite = j < n - 1;
        Fraction c[WINOGRAD_N_MAX];
        polynomial(finite ? j : -1, n, c);
        for (int i = 0; i < n; i++) w.input.at[j][i] = as_double(c[i]);
        for (int k = 0; k < r; k++) w.kernel.at[j][k] = finite ? as_double(over(power(points[j], k), spread(j, n))) : k == r - 1;
        for (int i = 0; i < m; i++) w.output.at[i][j] = finite ? as_double(power(points[j], i)) : i == m - 1;
    }
    return w;
}

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

/* `sign` times the row with every second entry negated? */
static bool mirrors(const double *a, const double *b, int n, int sign) {
    for (int j = 0; j < n; j++)
        if (a[j] * (j % 2 ? -sign : sign) != b[j]) return false;
    return true;
}

/* The row that is row i's mirror image, and by which sign; -1 where there is none worth sharing with. */
static int find_mirror(const WinogradMatrix *x, int i, int *sign) {
    int even = 0, odd = 0;
    for (int j = 0; j < x->cols; j++) *(j % 2 ? &odd : &even) += x->at[i][j] != 0;
    for (int k = i + 1; even && odd && k < x->rows; k++)
        for (*sign = 1; *sign >= -1; *sign -= 2)
            if (mirrors(x->at[i], x->at[k], x->cols, *sign)) return k;
    return -1;
}

static int row_part(WinogradCode *c, const WinogradMatrix *x, int i, int first, int step) {
    WinogradStep s = {0};
    for (int j = first; j < x->cols; j += step) add_term(&s, j, x->at[i][j]);
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
    bool done[WINOGRAD_N_MAX] = {false};
    for (int i = 0; i < x->rows; i++) {
        int sign, k = done[i] ? -1 : find_mirror(x, i, &sign);
        if (done[i]) continue;
        if (k < 0) {
            c.out[i] = row_part(&c, x, i, 0, 1);
            continue;
        }
        int even = row_part(&c, x, i, 0, 2), odd = row_part(&c, x, i, 1, 2);
        c.out[i] = sum_of(&c, even, 1, odd, 1);
        c.out[k] = sum_of(&c, even, sign, odd, -sign);
        done[k] = true;
    }
    return c;
}

static bool columns_mirror(const WinogradMatrix *x, int j, int k) {
    for (int i = 0; i < x->rows; i++)
        if (x->at[i][k] != x->at[i][j] * (i % 2 ? -1 : 1)) return false;
    return x->at[0][j] != 0 && x->rows > 1 && x->at[1][j] != 0;
}

/* Columns of p and -p go into the even rows by their sum, into the odd ones by their difference. */
static WinogradCode code_by_columns(const WinogradMatrix *x) {
    WinogradCode c = {.inputs = x->cols};
    int sum[WINOGRAD_N_MAX], difference[WINOGRAD_N_MAX];
    bool done[WINOGRAD_N_MAX] = {false};
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
            if (!done[j]) add_term(&s, i % 2 ? difference[j] : sum[j], x->at[i][j]);
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
