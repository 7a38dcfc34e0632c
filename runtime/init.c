/* init.c: the formulas of init.h, one tensor after the other, each from its own stream. */
#include "init.h"
#include "rng.h"

#include <math.h>

int64_t init_tensor_elements(const nrt_tensor *t)
{
    int64_t n = 1;
    for (int i = 0; i < t->rank; i++)
        n *= t->dim[i];
    return n;
}

static void fill(float *w, int64_t n, float value)
{
    for (int64_t i = 0; i < n; i++)
        w[i] = value;
}

static void fill_uniform(Rng *r, float *w, int64_t n, double bound)
{
    for (int64_t i = 0; i < n; i++)
        w[i] = (float)rng_range(r, -bound, bound);
}

static void fill_normal(Rng *r, float *w, int64_t n, double deviation)
{
    for (int64_t i = 0; i < n; i++)
        w[i] = (float)(deviation * rng_normal(r));
}

static void init_weight(Rng *r, float *w, int64_t n, nrt_init_kind kind, double fan_in, double fan_out)
{
    switch (kind) {
    case NRT_TORCH_DEFAULT: fill_uniform(r, w, n, 1 / sqrt(fan_in)); break;
    case NRT_XAVIER_UNIFORM: fill_uniform(r, w, n, sqrt(6 / (fan_in + fan_out))); break;
    case NRT_XAVIER_NORMAL: fill_normal(r, w, n, sqrt(2 / (fan_in + fan_out))); break;
    case NRT_KAIMING_UNIFORM: fill_uniform(r, w, n, sqrt(6 / fan_in)); break;
    case NRT_KAIMING_NORMAL: fill_normal(r, w, n, sqrt(2 / fan_in)); break;
    }
}

static void init_tensor(const nrt_tensor *t, float *w, nrt_init_kind kind, uint64_t seed)
{
    Rng r = rng_new(seed, rng_hash(t->name));
    int64_t n = init_tensor_elements(t);
    double fan_in = t->fan_in > 0 ? (double)t->fan_in : 1;
    switch ((nrt_role)t->role) {
    case NRT_WEIGHT: init_weight(&r, w, n, kind, fan_in, t->fan_out > 0 ? (double)t->fan_out : 1); break;
    case NRT_BIAS: fill_uniform(&r, w, n, 1 / sqrt(fan_in)); break;
    case NRT_SCALE:
    case NRT_RUNNING_VAR: fill(w, n, 1); break;
    case NRT_SHIFT:
    case NRT_RUNNING_MEAN:
    case NRT_OPTIM: fill(w, n, 0); break;
    }
}

void init_state(const nrt_model *m, char *state, uint64_t seed)
{
    for (int i = 0; i < m->tensor_count; i++)
        init_tensor(&m->tensors[i], (float *)(void *)(state + m->tensors[i].offset), (nrt_init_kind)m->train.init, seed);
}
