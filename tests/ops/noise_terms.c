/* noise_terms.c: by how much one operator's own rounding spoils its result, in units of u = 2^-24.
 *
 * Sums of products: the operator itself, run on the magnitudes of its arguments, gives sum|terms|. Added one by one, N terms of one sign
 * make an error that grows as sqrt(N): with partial sums k/N of the whole, each rounded to within u/2 or so, 0.25 sqrt(N) u |result|
 * remains, which for many terms is more than u sum|terms|. Of terms of mixed signs it is less. Equal terms, such as the gradient in front of a
 * global_avg_pool, are rounded alike, one after the other: there it grows as N.
 * Functions: the few ulps of the polynomials, and the roundings of the formula where one of them is larger than the result.
 */
#include <math.h>

#include "../../compiler/ops.h"
#include "noise.h"

typedef struct Rounding {
    Arena *a;
    const Node *n;
    int64_t batch, count;
    const double *const *args;
    const double *out;
    double *terms;
} Rounding;

static void of_result(Rounding *r, double roundings) {
    for (int64_t i = 0; i < r->count; i++) r->terms[i] = roundings * fabs(r->out[i]);
}

static double *magnitudes(const Rounding *r, int k) {
    int64_t count = op_count(r->n->arg[k], r->batch);
    double *v = ARENA_ARRAY(r->a, double, count);
    for (int64_t i = 0; i < count; i++) v[i] = fabs(r->args[k][i]);
    return v;
}

/* The operator's value for other arguments. */
static void of_arguments(Rounding *r, const double *const *args) { op_table[r->n->op].eval(r->n, r->batch, args, r->terms); }

static const double **all_magnitudes(const Rounding *r) {
    const double **args = ARENA_ARRAY(r->a, const double *, r->n->nargs + 1);
    for (int k = 0; k < r->n->nargs; k++) args[k] = magnitudes(r, k);
    return args;
}

/* How many terms are added up into one number of the result; where that varies, the most. */
static double summands(const Node *n, int64_t batch) {
    Type x = n->arg[0]->type, last = n->arg[n->nargs - 1]->type;
    switch (n->op) {
    case OP_conv: return (double)(type_count(last) / last.dim[0]);
    case OP_conv_dx: return (double)(type_count(last) / n->type.dim[0] * n->attr.i[CONV_GROUPS]);
    case OP_conv_dw: return (double)(batch * last.dim[1] * last.dim[2]);
    case OP_winograd_product: return (double)x.dim[1] / (double)n->attr.i[1];
    case OP_winograd_sum: return (double)(batch * x.dim[2]);
    case OP_linear: return (double)last.dim[1];
    case OP_linear_dx: return (double)last.dim[0];
    case OP_linear_dw: return (double)batch;
    case OP_avg_pool: return (double)(n->attr.i[POOL_WINDOW] * n->attr.i[POOL_WINDOW + 1]);
    case OP_softmax_dot: return (double)x.dim[0];
    case OP_sq_err: return (double)type_count(x);
    case OP_channel_sum: case OP_batch_mean: case OP_batch_var: case OP_batch_norm_dgamma: return (double)(batch * type_count(x) / x.dim[0]);
    default: return 1;
    }
}

/* The share of numbers of an argument that are their neighbour's equal; zeros count where they make no zero terms. */
static double repeated(const Rounding *r, int k, bool zeros) {
    int64_t count = op_count(r->n->arg[k], r->batch), equal = 0;
    for (int64_t i = 1; i < count; i++) equal += r->args[k][i] == r->args[k][i - 1] && (zeros || r->args[k][i] != 0);
    return (double)equal / (double)count;
}

static double repeated_terms(const Rounding *r) {
    switch (r->n->op) {
    case OP_channel_sum: case OP_batch_mean: case OP_avg_pool: return repeated(r, 0, false);
    case OP_batch_var: return repeated(r, 0, true);
    case OP_conv_dw: case OP_winograd_sum: return fmin(repeated(r, 0, false), repeated(r, 1, false));
    case OP_batch_norm_dgamma: return fmin(repeated(r, 0, false), repeated(r, 1, true));
    default: return 0;
    }
}

static void add_growth(Rounding *r) {
    double n = summands(r->n, r->batch), growth = 0.25 * fmax(sqrt(n), n * repeated_terms(r));
    for (int64_t i = 0; i < r->count; i++) r->terms[i] = fmax(r->terms[i], growth * fabs(r->out[i]));
}

static void of_sum(Rounding *r) {
    of_arguments(r, all_magnitudes(r));
    add_growth(r);
}

/* What is added to nothing is not rounded. */
static void of_addition(Rounding *r) {
    int64_t channels = r->n->op == OP_bias ? r->n->type.dim[0] : 0, points = channels ? type_count(r->n->type) / channels : 1;
    for (int64_t i = 0; i < r->count; i++) {
        double a = r->args[0][i], b = r->args[1][channels ? i / points % channels : i];
        r->terms[i] = a == 0 || b == 0 ? 0 : fabs(r->out[i]);
    }
}

static void of_sgd(Rounding *r) {
    for (int64_t i = 0; i < r->count; i++) {
        double change = r->args[2][0] * r->args[1][i];
        r->terms[i] = change == 0 ? 0 : fabs(r->out[i]) + fabs(change);
    }
}

/* Formulas whose inner sums cancel; x and dy are the arguments. */
static void of_bent(Rounding *r) {
    for (int64_t i = 0; i < r->count; i++) {
        double x = fabs(r->args[0][i]), dy = r->n->nargs > 1 ? fabs(r->args[1][i]) : 1, s = 1 / (1 + exp(-r->args[0][i]));
        switch (r->n->op) {
        case OP_silu_grad: r->terms[i] = 6 * dy * s * (1 + x * (1 - s)); break;
        case OP_gelu: r->terms[i] = 3 * x; break;
        case OP_gelu_grad: r->terms[i] = 4 * dy * (1 + x * exp(-0.5 * x * x)); break;
        case OP_hard_swish_grad: r->terms[i] = 2 * dy * (x / 3 + 0.5); break;
        default: r->terms[i] = 4 * fabs(r->out[i]);
        }
    }
}

/* ---- softmax and losses ---- */

/* exp(x - lse): the difference is rounded, and exp passes that on. */
static void of_exp(Rounding *r, double (*rest)(const Rounding *r, int64_t i, double exp, double distance)) {
    const Node *n = r->n;
    int64_t points = type_count(n->type) / n->type.dim[0];
    for (int64_t i = 0; i < r->count; i++) {
        int64_t sum = i / type_count(n->type) * points + i % points;
        double distance = r->args[0][i] - r->args[1][sum];
        r->terms[i] = rest(r, i, exp(distance), fabs(distance));
    }
}

static double softmax_rest(const Rounding *r, int64_t i, double exp, double distance) { return (void)r, (void)i, exp * (3 + distance); }

static double nll_grad_rest(const Rounding *r, int64_t i, double exp, double distance) {
    return r->args[3][i / r->n->type.dim[0]] * exp * (3 + distance) + 2 * fabs(r->out[i]);
}

static void of_logsumexp(Rounding *r) {
    int64_t classes = r->n->arg[0]->type.dim[0], points = type_count(r->n->type);
    for (int64_t i = 0; i < r->count; i++) {
        const double *z = &r->args[0][i / points * classes * points + i % points];
        double most = z[0], apart = 0;
        for (int64_t c = 1; c < classes; c++) most = fmax(most, z[c * points]);
        for (int64_t c = 0; c < classes; c++) apart += exp(z[c * points] - r->out[i]) * (most - z[c * points]);
        r->terms[i] = fabs(r->out[i]) + fabs(most) + 2 * apart + (classes > 1 ? 3 + 0.25 * sqrt((double)classes) : 0);
    }
}

/* ---- batch norm ---- */

/* |x - mean| in place of x and 0 in place of the mean, from which the rules of batch norm make magnitudes. */
static void center(const Rounding *r, const double **args, int x, double sign) {
    Type t = r->n->arg[x]->type;
    int64_t points = type_count(t) / t.dim[0], count = op_count(r->n->arg[x], r->batch);
    double *away = ARENA_ARRAY(r->a, double, count);
    for (int64_t i = 0; i < count; i++) away[i] = sign * fabs(r->args[x][i] - r->args[x + 1][i / points % t.dim[0]]);
    args[x] = away;
    args[x + 1] = ARENA_ARRAY(r->a, double, t.dim[0]);
}

static void of_norm(Rounding *r) {
    const double **args = all_magnitudes(r);
    center(r, args, 0, 1);
    of_arguments(r, args);
    for (int64_t i = 0; i < r->count; i++) r->terms[i] *= 2;
}

static void of_dgamma(Rounding *r) {
    const double **args = all_magnitudes(r);
    center(r, args, 1, 1);
    of_arguments(r, args);
    add_growth(r);
}

/* gamma inv_std (dy - dbeta/M - xhat dgamma/M): signs such that all three add up. */
static void of_norm_dx(Rounding *r) {
    const double **args = all_magnitudes(r);
    double *dbeta = magnitudes(r, 4);
    center(r, args, 1, -1);
    for (int64_t c = 0; c < r->n->type.dim[0]; c++) dbeta[c] = -dbeta[c];
    args[4] = dbeta;
    of_arguments(r, args);
    for (int64_t i = 0; i < r->count; i++) r->terms[i] *= 3;
}

static void of_variance(Rounding *r) {
    of_result(r, 2);
    add_growth(r);
}

void noise_terms(Arena *a, const Node *n, int64_t batch, const double *const *args, const double *out, double *terms) {
    Rounding r = {a, n, batch, op_count(n, batch), args, out, terms};
    switch (n->op) {
    case OP_max_pool: case OP_max_pool_index: case OP_relu: case OP_relu_grad: case OP_reshape: case OP_weights_by_input: case OP_again: case OP_concat: case OP_channels: of_result(&r, 0); break;
    case OP_conv: case OP_conv_dx: case OP_conv_dw: case OP_linear: case OP_linear_dx: case OP_linear_dw: case OP_channel_sum: case OP_batch_mean:
    case OP_softmax_dot: case OP_avg_pool: case OP_avg_pool_grad: case OP_adaptive_avg_pool: case OP_adaptive_avg_pool_grad: case OP_max_pool_grad:
    case OP_running_mean_update: case OP_running_var_update: of_sum(&r); break;
    case OP_winograd_product: case OP_winograd_sum: of_sum(&r); break;
    case OP_winograd_data: case OP_winograd_kernel: case OP_winograd_image: case OP_winograd_gradient: case OP_winograd_weights:
        noise_transform_terms(n, batch, args[0], terms);
        break;
    case OP_add: case OP_sub: case OP_bias: of_addition(&r); break;
    case OP_mul: case OP_scale: case OP_dropout: case OP_leaky_relu: case OP_leaky_relu_grad: of_result(&r, 1); break;
    case OP_nll: of_result(&r, 1); break;
    case OP_sq_err: case OP_batch_var: of_variance(&r); break;
    case OP_softmax: of_exp(&r, softmax_rest); break;
    case OP_nll_grad: of_exp(&r, nll_grad_rest); break;
    case OP_logsumexp: of_logsumexp(&r); break;
    case OP_batch_norm: of_norm(&r); break;
    case OP_batch_norm_dgamma: of_dgamma(&r); break;
    case OP_batch_norm_dx: of_norm_dx(&r); break;
    case OP_sgd: of_sgd(&r); break;
    default: of_bent(&r); break;
    }
}
