/* machine.c: owns an nrt_ctx. Rows behind a batch's last image are never read back, so what a masked lane computed is nobody's business. */
#include "machine.h"
#include "mem.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>

static int64_t rows_of(const nrt_model *m, int64_t n)
{
    return (n + m->lanes - 1) / m->lanes * m->lanes;
}

/* ctx->go_on: a loss that is not finite must not reach the weights. */
static int32_t losses_are_finite(nrt_ctx *ctx)
{
    for (int64_t i = 0; i < ctx->n; i++)
        if (!isfinite(ctx->loss[i]))
            return 0;
    return 1;
}

Machine *machine_new(const nrt_model *m, int threads)
{
    Machine *k = mem_get(1, sizeof *k);
    k->model = m;
    k->pool = pool_new(threads);
    k->rows = machine_rows(m);
    k->inputs = dataset_input_elements(m);
    k->outputs = dataset_output_elements(m);
    k->ticks = mem_get((size_t)m->tick_count + 1, sizeof *k->ticks);
    k->ctx = (nrt_ctx){.state = mem_pages((size_t)m->state_bytes),
                       .arena = mem_pages((size_t)m->arena_bytes),
                       .scratch = mem_pages((size_t)(threads * m->scratch_bytes)),
                       .out = mem_pages((size_t)(k->rows * k->outputs) * sizeof(float)),
                       .loss = mem_pages((size_t)k->rows * sizeof(float)),
                       .pool = k->pool,
                       .go_on = losses_are_finite};
    return k;
}

void machine_free(Machine *k)
{
    int threads = pool_threads(k->pool);
    const nrt_model *m = k->model;
    pool_free(k->pool);
    mem_pages_free(k->ctx.state, (size_t)m->state_bytes);
    mem_pages_free(k->ctx.arena, (size_t)m->arena_bytes);
    mem_pages_free(k->ctx.scratch, (size_t)(threads * m->scratch_bytes));
    mem_pages_free(k->ctx.out, (size_t)(k->rows * k->outputs) * sizeof(float));
    mem_pages_free(k->ctx.loss, (size_t)k->rows * sizeof(float));
    free(k->ticks);
    free(k);
}

int64_t machine_rows(const nrt_model *m)
{
    return rows_of(m, m->train.batch);
}

static double image_weight(const nrt_model *m, int64_t n)
{
    if (m->train.loss == NRT_CROSS_ENTROPY)
        return 1.0 / (double)n;
    return m->train.loss_mean ? 1.0 / ((double)n * (double)dataset_output_elements(m)) : 1.0;
}

double machine_batch_loss(const nrt_model *m, double sum, int64_t images)
{
    return sum * image_weight(m, images);
}

double machine_loss(const nrt_model *m, double sum, int64_t images)
{
    if (m->train.loss == NRT_SQUARED_ERROR && !m->train.loss_mean)
        return sum / (double)images;
    return machine_batch_loss(m, sum, images);
}

double score_accuracy(const Score *s)
{
    return s->classes && s->images ? (double)s->correct / (double)s->images : NAN;
}

int64_t machine_argmax(const float *v, int64_t n)
{
    int64_t best = 0;
    for (int64_t i = 1; i < n; i++)
        if (v[i] > v[best])
            best = i;
    return best;
}

static void score_add(const Machine *k, const Batch *b, Score *s)
{
    for (int64_t i = 0; i < b->n; i++) {
        s->loss += k->ctx.loss[i];
        s->correct += b->labels && machine_argmax(k->ctx.out + i * k->outputs, k->outputs) == b->labels[i];
    }
    s->images += b->n;
    s->classes = b->labels != NULL;
}

static void machine_load(Machine *k, const Batch *b)
{
    bool dense = k->model->train.loss == NRT_SQUARED_ERROR;
    k->ctx.x = b->x;
    k->ctx.labels = dense ? NULL : b->labels;
    k->ctx.target = dense ? b->target : NULL;
    k->ctx.n = b->n;
    k->ctx.blocks = rows_of(k->model, b->n) / k->model->lanes;
    k->ctx.image_weight = (float)image_weight(k->model, b->n);
}

void machine_step(Machine *k, const Batch *b, double lr, Score *score)
{
    machine_load(k, b);
    k->ctx.lr = (float)lr;
    k->model->step(&k->ctx);
    k->ctx.step++;
    score_add(k, b, score);
}

void machine_infer(Machine *k, const Batch *b, Score *score)
{
    machine_load(k, b);
    k->model->infer(&k->ctx);
    score_add(k, b, score);
}

/* Do the images of a block, `lanes` of them real, hold a number that is not finite? v is the block's first number. */
static bool result_is_bad(const nrt_result *r, const float *v, int64_t lanes)
{
    int64_t at[4] = {0};
    for (int d = 0; d >= 0;) { /* an odometer over all dimensions but the lanes */
        const float *p = v;
        for (int i = 0; i < r->rank - 1; i++)
            p += at[i] * r->stride[i];
        for (int64_t l = 0; l < lanes; l++)
            if (!isfinite(p[l * r->stride[r->rank - 1]]))
                return true;
        for (d = r->rank - 2; d >= 0 && ++at[d] == r->dim[d]; d--)
            at[d] = 0;
    }
    return false;
}

/* ctx->watch */
static void watch(nrt_ctx *ctx, int64_t kernel, int64_t worker, int64_t block)
{
    Machine *k = (Machine *)(void *)ctx;
    const nrt_model *m = k->model;
    const nrt_result *r = &m->kernels[kernel].result;
    int64_t left = ctx->n - block * m->lanes, least = k->first_bad;
    const char *from = r->place == NRT_ARENA ? ctx->arena : ctx->scratch + worker * m->scratch_bytes;
    const float *v = (const float *)(const void *)from + r->first + (r->place == NRT_ARENA ? block * r->block : 0);
    if (least < kernel || !result_is_bad(r, v, left < m->lanes ? left : m->lanes))
        return;
    while (kernel < least && !atomic_compare_exchange_weak(&k->first_bad, &least, kernel)) {}
}

const char *machine_first_nonfinite(Machine *k, const Batch *b)
{
    int64_t none = k->model->kernel_count;
    k->first_bad = none;
    k->ctx.watch = watch;
    machine_load(k, b);
    k->ctx.step--; /* dropout's masks are those of the step that failed */
    k->model->step(&k->ctx);
    k->ctx.step++;
    k->ctx.watch = NULL;
    return k->first_bad < none ? k->model->kernels[k->first_bad].layer : NULL;
}

const nrt_tensor *machine_nonfinite(const Machine *k)
{
    for (int32_t i = 0; i < k->model->tensor_count; i++) {
        const nrt_tensor *t = &k->model->tensors[i];
        const float *v = (const float *)(const void *)(k->ctx.state + t->offset);
        int64_t n = 1;
        for (int32_t d = 0; d < t->rank; d++)
            n *= t->dim[d];
        for (int64_t j = 0; j < n; j++)
            if (!isfinite(v[j]))
                return t;
    }
    return NULL;
}
