/* noise.c: see noise.h. */
#include "noise.h"

#include <math.h>
#include <string.h>

struct Noise {
    Arena *arena;
    const Graph *graph;
    int64_t batch;
    const Eval *exact;
    Eval *run[NOISE_RUNS];
    double **terms; /* by id: noise_terms; null for sources */
    int round;      /* the run at hand */
};

/* ---- spoiling ---- */

static uint64_t mix(uint64_t z) { /* splitmix64 */
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Uniform, of mean 0 and variance 1; the same for the same number in the same place of a run, as equal operations round alike. */
static double roll(uint64_t place, double value) {
    uint64_t z;
    memcpy(&z, &value, sizeof z);
    return ((double)(mix(z + place) >> 11) * 0x1p-53 - 0.5) * 3.4641016151377544;
}

static void note_terms(void *ctx, const Node *n, const double *const *args, double *out) {
    Noise *z = ctx;
    double *terms = z->terms[n->id] = ARENA_ARRAY(z->arena, double, eval_count(z->exact, n));
    noise_terms(z->arena, n, z->batch, args, out, terms);
}

static void spoil(void *ctx, const Node *n, const double *const *args, double *out) {
    Noise *z = ctx;
    const double *terms = z->terms[n->id];
    uint64_t place = (uint64_t)(z->round * 65536 + n->id + 1) * 0x9e3779b97f4a7c15u;
    double common = mix(place) & 1 ? 1 : -1;
    (void)args;
    for (int64_t i = 0; i < eval_count(z->exact, n); i++)
        if (terms[i] != 0) out[i] += NOISE_UNIT * terms[i] * (common + roll(place, out[i]));
}

static void copy_sources(const Noise *z, Eval *to) {
    for (int i = 0; i < z->graph->nodes.n; i++) {
        const Node *n = z->graph->nodes.at[i];
        if (!op_table[n->op].eval) eval_set(to, n, eval_value(z->exact, n));
    }
}

Noise *noise_run(Arena *a, const Graph *g, Eval *exact, int64_t batch) {
    Noise *z = ARENA_NEW(a, Noise);
    *z = (Noise){.arena = a, .graph = g, .batch = batch, .exact = exact, .terms = ARENA_ARRAY(a, double *, g->nodes.n)};
    eval_run_with(exact, note_terms, z);
    for (; z->round < NOISE_RUNS; z->round++) {
        z->run[z->round] = eval_new(a, g, batch);
        copy_sources(z, z->run[z->round]);
        eval_run_with(z->run[z->round], spoil, z);
    }
    return z;
}

double noise_largest_sum(const Noise *z) {
    double most = 0;
    for (int i = 0; i < z->graph->nodes.n; i++)
        for (int64_t k = 0; z->terms[i] && k < eval_count(z->exact, z->graph->nodes.at[i]); k++) most = fmax(most, z->terms[i][k]);
    return most;
}

/* ---- reading ---- */

/* Root mean square of the runs' distances, number by number. */
static double *spreads(const Noise *z, const Node *n, int64_t count) {
    const double *exact = eval_value(z->exact, n);
    double *s = ARENA_ARRAY(z->arena, double, count);
    for (int r = 0; r < NOISE_RUNS; r++) {
        const double *v = eval_value(z->run[r], n);
        for (int64_t i = 0; i < count; i++) s[i] += (v[i] - exact[i]) * (v[i] - exact[i]);
    }
    for (int64_t i = 0; i < count; i++) s[i] = sqrt(s[i] / NOISE_RUNS);
    return s;
}

double *noise_of(const Noise *z, const Node *n) {
    int64_t count = eval_count(z->exact, n), inexact = 0;
    double *s = spreads(z, n, count), squares = 0;
    for (int64_t i = 0; i < count; i++) {
        squares += s[i] * s[i];
        inexact += s[i] > 0;
    }
    double typical = sqrt(squares / (double)i64_max(inexact, 1));
    for (int64_t i = 0; i < count; i++)
        if (s[i] > 0) s[i] = fmax(s[i], typical);
    return s;
}

/* ---- kinks ---- */

/* Not the tensor's, where a number's own is far less: cubes are much more exact near zero than elsewhere. Four times as much is hardly
 * ever too little. */
static double *own_noise(const Noise *z, const Node *n) {
    int64_t count = eval_count(z->exact, n);
    double *own = spreads(z, n, count), *noise = noise_of(z, n);
    for (int64_t i = 0; i < count; i++) noise[i] = fmin(noise[i], 4 * own[i]);
    return noise;
}

static const char *near_kink(const Noise *z, const Node *n, double kink) {
    const double *x = eval_value(z->exact, n->arg[0]), *noise = own_noise(z, n->arg[0]);
    for (int64_t i = 0; i < eval_count(z->exact, n); i++)
        if (noise[i] > 0 && fabs(x[i] - kink) <= NOISE_LIMIT * noise[i])
            return arena_printf(z->arena, "%s %s: argument %lld is %.9g, with a noise of %.2g", op_table[n->op].name, n->name, (long long)i, x[i], noise[i]);
    return NULL;
}

/* Every other point of the window is either clearly less than the winner or its equal in every run. */
static const char *near_tie(const Noise *z, const Node *n) {
    Type t = n->arg[0]->type;
    const int64_t *window = &n->attr.i[POOL_WINDOW], *stride = &n->attr.i[POOL_STRIDE], *pad = &n->attr.i[POOL_PAD];
    const double *x = eval_value(z->exact, n->arg[0]), *noise = own_noise(z, n->arg[0]), *index = eval_value(z->exact, n);
    int64_t plane = n->type.dim[1] * n->type.dim[2];
    for (int64_t i = 0; i < eval_count(z->exact, n); i++) {
        int64_t top = i % plane / n->type.dim[2] * stride[0] - pad[0], left = i % n->type.dim[2] * stride[1] - pad[1], base = i / plane * t.dim[1] * t.dim[2];
        int64_t winner = base + (top + (int64_t)index[i] / window[1]) * t.dim[2] + left + (int64_t)index[i] % window[1];
        for (int64_t k = 0; k < window[0] * window[1]; k++) {
            int64_t h = top + k / window[1], w = left + k % window[1], p = base + h * t.dim[2] + w;
            if (h < 0 || h >= t.dim[1] || w < 0 || w >= t.dim[2] || p == winner) continue;
            bool equal = x[p] == x[winner];
            for (int r = 0; r < NOISE_RUNS && equal; r++) equal = eval_value(z->run[r], n->arg[0])[p] == eval_value(z->run[r], n->arg[0])[winner];
            if (!equal && x[winner] - x[p] <= NOISE_LIMIT * (noise[p] + noise[winner]))
                return arena_printf(z->arena, "%s %s: window %lld is won by %.3g, with a noise of %.2g", op_table[n->op].name, n->name, (long long)i, x[winner] - x[p], noise[p]);
        }
    }
    return NULL;
}

const char *noise_kink(const Noise *z) {
    const char *why = NULL;
    for (int i = 0; i < z->graph->nodes.n && !why; i++) {
        const Node *n = z->graph->nodes.at[i];
        if (n->op == OP_relu || n->op == OP_leaky_relu) why = near_kink(z, n, 0);
        if (n->op == OP_hard_swish) why = near_kink(z, n, 3);
        if (n->op == OP_hard_swish && !why) why = near_kink(z, n, -3);
        if (n->op == OP_max_pool_index) why = near_tie(z, n);
    }
    return why;
}
