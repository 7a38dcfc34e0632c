/* fake_model.c: a network written by hand, in the place of one that netc wrote: softmax regression, 1x28x28 -> 10, trained by plain
 * gradient descent. It keeps the ABI's rules (lane blocks, rows behind the last image, one segment of tasks and one of
 * the update), so that the runtime can be tested to its end without the compiler.
 *
 * Arena: the gradient of the logits, [rows][10]. Tasks of the first segment are lane blocks, those of the second are classes: each
 * sums its class's gradient over the batch in order, so the result does not depend on the number of threads. */
#include "nrt.h"

#include <math.h>
#include <stddef.h>

enum { INPUTS = 784, CLASSES = 10, LANES = 8, BATCH = 128, BLOCKS = BATCH / LANES, WEIGHT_BYTES = INPUTS * CLASSES * 4, CHAINS = 32 };

static float *weight(nrt_ctx *c)
{
    return (float *)(void *)c->state;
}

static float *bias(nrt_ctx *c)
{
    return (float *)(void *)(c->state + WEIGHT_BYTES);
}

static float *delta(nrt_ctx *c)
{
    return (float *)(void *)c->arena;
}

static void row_forward(nrt_ctx *c, int64_t row)
{
    const float *x = c->x + row * INPUTS;
    float *out = c->out + row * CLASSES;
    for (int k = 0; k < CLASSES; k++) {
        const float *w = weight(c) + k * INPUTS;
        float part[LANES] = {0}, sum = bias(c)[k];
        for (int i = 0; i < INPUTS; i += LANES)
            for (int l = 0; l < LANES; l++)
                part[l] += w[i + l] * x[i + l];
        for (int l = 0; l < LANES; l++)
            sum += part[l];
        out[k] = sum;
    }
}

/* The loss of a row, and its gradient by the logits where there is a label. */
static void row_loss(nrt_ctx *c, int64_t row)
{
    const float *out = c->out + row * CLASSES;
    float most = out[0], total = 0, *d = delta(c) + row * CLASSES;
    for (int k = 1; k < CLASSES; k++)
        most = fmaxf(most, out[k]);
    for (int k = 0; k < CLASSES; k++)
        total += d[k] = expf(out[k] - most);
    for (int k = 0; k < CLASSES; k++)
        d[k] = c->labels[row] < 0 ? 0 : (d[k] / total - (k == c->labels[row])) * c->image_weight;
    c->loss[row] = c->labels[row] < 0 ? 0 : logf(total) + most - out[c->labels[row]];
}

/* Tasks of the first kernel, then those of the second. */
static void tick(nrt_ctx *c, int kernel, int64_t task, uint64_t start)
{
    if (c->ticks)
        c->ticks[kernel * BLOCKS + task] = __builtin_ia32_rdtsc() - start;
}

static void forward_task(nrt_ctx *c, int64_t task, int64_t worker)
{
    uint64_t start = __builtin_ia32_rdtsc();
    (void)worker;
    for (int64_t row = task * LANES; row < (task + 1) * LANES; row++) {
        row_forward(c, row);
        if (c->labels)
            row_loss(c, row);
    }
    tick(c, 0, task, start);
}

static void update_task(nrt_ctx *c, int64_t k, int64_t worker)
{
    uint64_t start = __builtin_ia32_rdtsc();
    (void)worker;
    float *w = weight(c) + k * INPUTS;
    for (int64_t row = 0; row < c->n; row++) {
        float d = c->lr * delta(c)[row * CLASSES + k];
        for (int i = 0; i < INPUTS; i++)
            w[i] -= d * c->x[row * INPUTS + i];
        bias(c)[k] -= d;
    }
    tick(c, 1, k, start);
}

static void fake_step(nrt_ctx *c)
{
    nrt_parallel_for(forward_task, c, c->blocks);
    nrt_parallel_for(update_task, c, CLASSES);
}

static void fake_infer(nrt_ctx *c)
{
    nrt_parallel_for(forward_task, c, c->blocks);
}

/* CHAINS independent chains of multiplications and additions, enough of them to hide the latency of both. */
static void fake_peak(int64_t iterations, float *sink)
{
    float a[CHAINS];
    for (int l = 0; l < CHAINS; l++)
        a[l] = sink[l];
    for (int64_t i = 0; i < iterations; i++)
        for (int l = 0; l < CHAINS; l++)
            a[l] = a[l] * 0.999f + 0.001f;
    for (int l = 0; l < CHAINS; l++)
        sink[l] = a[l];
}

static const nrt_tensor tensors[] = {
    {"linear1.weight", NRT_WEIGHT, 2, {CLASSES, INPUTS, 0, 0}, 0, INPUTS, CLASSES},
    {"linear1.bias", NRT_BIAS, 1, {CLASSES, 0, 0, 0}, WEIGHT_BYTES, INPUTS, CLASSES},
};
static const nrt_layer layers[] = {
    {"flatten1", "flatten", 1, {INPUTS, 0, 0}, 0, 0},
    {"linear1", "linear", 1, {CLASSES, 0, 0}, INPUTS * CLASSES + CLASSES, INPUTS * CLASSES},
};
static const nrt_kernel kernels[] = {
    {"linear1.forward", "linear1", NRT_FORWARD, 2 * INPUTS * CLASSES, INPUTS * 4, 1000, 0, BLOCKS, {0}},
    {"linear1.backward_weights", "linear1", NRT_BACKWARD_WEIGHTS, 2 * INPUTS * CLASSES, INPUTS * 4, 1000, BLOCKS, CLASSES, {0}},
};

#ifndef FAKE_FEATURES
#define FAKE_FEATURES "sse2,cx8"
#endif
#ifndef FAKE_DATA
#define FAKE_DATA NRT_FASHION_MNIST
#endif

const nrt_model nrt_the_model = {
    .abi = NRT_ABI, .lanes = LANES, .name = "fake", .source = "fake.net", .cpu = "x86-64", .features = FAKE_FEATURES, .hash = 0x1234abcd5678ef01u,
    .input_rank = 3, .output_rank = 1, .input_dim = {1, 28, 28}, .output_dim = {CLASSES, 0, 0},
    .state_bytes = WEIGHT_BYTES + 64, .arena_bytes = BATCH * CLASSES * 4, .scratch_bytes = 0, .tick_count = BLOCKS + CLASSES, .flops_per_image = 4 * INPUTS * CLASSES,
    .tensor_count = 2, .layer_count = 2, .kernel_count = 2, .peak_flops_per_iteration = 2 * CHAINS,
    .tensors = tensors, .layers = layers, .kernels = kernels,
    .train = {.data = FAKE_DATA, .loss = NRT_CROSS_ENTROPY, .init = NRT_TORCH_DEFAULT, .schedule = NRT_CONSTANT, .loss_mean = 1, .shuffle = 1,
              .batch = BATCH, .epochs = 3, .seed = 0, .path_a = "", .path_b = "", .std = {1, 1, 1}, .lr = 0.1, .schedule_every = 1, .schedule_gamma = 1},
    .step = fake_step, .infer = fake_infer, .peak = fake_peak,
};
