/* loader.c: a ring of batches between a thread that fills them and the training loop.
 *
 * `made` and `used` count batches since the walk began; slot i % slots holds batch i. Invariant: used <= made <= used + slots, and
 * the caller's batch is number used (it counts as used when the next is asked for). Both counters change under the lock;
 * batches are filled without it. A new walk first waits for the filler to be idle. */
#include "loader.h"
#include "mem.h"
#include "rng.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS = 3 };

struct Loader {
    const Dataset *data;
    int64_t batch, lanes, outputs, x_bytes, waits;
    bool dense;
    float byte_value[256];  /* k / 255 */
    uint8_t *resized, *resize_scratch;
    uint32_t *order;        /* [count]: the walk's permutation */
    int64_t first, batches; /* the walk: where it starts, how many batches it has */
    int64_t made, used;
    bool holding, filling, stop;
    Batch slots[SLOTS];
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t filler;
};

/* Row of floats of stored image i. */
static void row_input(const Loader *l, int64_t i, float *x)
{
    const Dataset *d = l->data;
    const uint8_t *p;
    if (d->values) {
        memcpy(x, d->values + i * d->elements, (size_t)d->elements * sizeof *x);
        return;
    }
    p = d->pixels + i * d->stored;
    if (d->resize) {
        resize_run(d->resize, p, l->resized, l->resize_scratch);
        p = l->resized;
    }
    for (int64_t k = 0; k < d->elements; k++)
        x[k] = l->byte_value[p[k]];
}

static void row_target(const Loader *l, int64_t i, float *y)
{
    if (l->data->targets) {
        memcpy(y, l->data->targets + i * l->outputs, (size_t)l->outputs * sizeof *y);
        return;
    }
    memset(y, 0, (size_t)l->outputs * sizeof *y);
    y[dataset_label(l->data, i)] = 1;
}

/* Fills the batch that starts at place `at` of the order. */
static void batch_fill(const Loader *l, Batch *b, int64_t at)
{
    int64_t left = l->data->count - at, rows, in = l->data->elements;
    b->n = left < l->batch ? left : l->batch;
    rows = (b->n + l->lanes - 1) / l->lanes * l->lanes;
    for (int64_t r = 0; r < b->n; r++) {
        int64_t i = l->order[at + r];
        row_input(l, i, b->x + r * in);
        if (b->labels)
            b->labels[r] = dataset_label(l->data, i);
        if (b->target)
            row_target(l, i, b->target + r * l->outputs);
    }
    memset(b->x + b->n * in, 0, (size_t)((rows - b->n) * in) * sizeof *b->x);
    if (b->target)
        memset(b->target + b->n * l->outputs, 0, (size_t)((rows - b->n) * l->outputs) * sizeof *b->target);
    for (int64_t r = b->n; b->labels && r < rows; r++)
        b->labels[r] = -1;
}

static void *filler_main(void *arg)
{
    Loader *l = arg;
    pthread_mutex_lock(&l->lock);
    while (!l->stop) {
        int64_t i = l->made;
        if (i == l->batches || i == l->used + SLOTS) {
            pthread_cond_wait(&l->changed, &l->lock);
            continue;
        }
        l->filling = true;
        pthread_mutex_unlock(&l->lock);
        batch_fill(l, &l->slots[i % SLOTS], l->first + i * l->batch);
        pthread_mutex_lock(&l->lock);
        l->filling = false;
        l->made++;
        pthread_cond_broadcast(&l->changed);
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

static void slots_new(Loader *l, bool labels)
{
    int64_t rows = (l->batch + l->lanes - 1) / l->lanes * l->lanes;
    l->x_bytes = rows * l->data->elements * (int64_t)sizeof(float);
    for (int i = 0; i < SLOTS; i++) {
        l->slots[i].x = mem_pages((size_t)l->x_bytes);
        l->slots[i].labels = labels ? mem_get((size_t)rows, sizeof(int32_t)) : NULL;
        l->slots[i].target = l->dense ? mem_get((size_t)(rows * l->outputs), sizeof(float)) : NULL;
    }
}

Loader *loader_new(const Dataset *d, const nrt_model *m, int64_t batch)
{
    Loader *l = mem_get(1, sizeof *l);
    l->data = d;
    l->batch = batch;
    l->lanes = m->lanes;
    l->outputs = dataset_output_elements(m);
    l->dense = m->train.loss == NRT_SQUARED_ERROR;
    for (int k = 0; k < 256; k++)
        l->byte_value[k] = (float)k / 255.0f;
    if (d->resize) {
        l->resized = mem_get((size_t)d->elements, 1);
        l->resize_scratch = mem_get(resize_scratch(d->resize), 1);
    }
    l->order = mem_get((size_t)d->count, sizeof *l->order);
    slots_new(l, d->classes || d->labels);
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->changed, NULL);
    if (pthread_create(&l->filler, NULL, filler_main, l) != 0)
        die(EXIT_ENV, "the system has no thread left to load data with");
    return l;
}

void loader_free(Loader *l)
{
    if (!l)
        return;
    pthread_mutex_lock(&l->lock);
    l->stop = true;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
    pthread_join(l->filler, NULL);
    pthread_cond_destroy(&l->changed);
    pthread_mutex_destroy(&l->lock);
    for (int i = 0; i < SLOTS; i++) {
        mem_pages_free(l->slots[i].x, (size_t)l->x_bytes);
        free(l->slots[i].labels);
        free(l->slots[i].target);
    }
    free(l->order);
    free(l->resized);
    free(l->resize_scratch);
    free(l);
}

static void order_make(Loader *l, bool shuffle, uint64_t seed, uint64_t epoch)
{
    Rng r = rng_new(seed, rng_hash("shuffle") + epoch);
    for (int64_t i = 0; i < l->data->count; i++)
        l->order[i] = (uint32_t)i;
    for (int64_t i = l->data->count - 1; shuffle && i > 0; i--) {
        int64_t k = (int64_t)rng_below(&r, (uint64_t)i + 1);
        uint32_t t = l->order[i];
        l->order[i] = l->order[k];
        l->order[k] = t;
    }
}

void loader_begin(Loader *l, bool shuffle, uint64_t seed, uint64_t epoch, int64_t first)
{
    pthread_mutex_lock(&l->lock);
    l->batches = l->made + (l->filling ? 1 : 0); /* the filler stops after the batch it is at */
    while (l->filling)
        pthread_cond_wait(&l->changed, &l->lock);
    order_make(l, shuffle, seed, epoch);
    l->first = first;
    l->batches = (l->data->count - first + l->batch - 1) / l->batch;
    l->made = l->used = 0;
    l->holding = false;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
}

const Batch *loader_next(Loader *l)
{
    const Batch *b = NULL;
    pthread_mutex_lock(&l->lock);
    if (l->holding) {
        l->used++;
        l->holding = false;
        pthread_cond_broadcast(&l->changed);
    }
    if (l->used < l->batches) {
        l->waits += l->made == l->used;
        while (l->made == l->used)
            pthread_cond_wait(&l->changed, &l->lock);
        l->holding = true;
        b = &l->slots[l->used % SLOTS];
    }
    pthread_mutex_unlock(&l->lock);
    return b;
}

int64_t loader_waits(const Loader *l)
{
    return l->waits;
}

int64_t loader_bytes(const Loader *l)
{
    return SLOTS * l->x_bytes;
}
