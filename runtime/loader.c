/* loader.c: a ring of batches between a thread that fills them and the training loop.
 *
 * `made` and `used` count batches since the walk began; slot i % slots holds batch i. Invariant: used <= made <= used + slots, and
 * the caller's batch is number used (it counts as used when the next is asked for). Both counters change under the lock;
 * batches are filled without it. A new walk first waits for the filler to be idle. How many batches a walk has is known only when its last
 * image was looked at, since files that cannot be read are left out: `done` says that no more will be made. */
#include "loader.h"
#include "cpu.h"
#include "image_reader.h"
#include "mem.h"
#include "rng.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS = 3, BAD_SHOWN = 3 };

struct Loader {
    const Dataset *data;
    int64_t batch, lanes, outputs, x_bytes;
    bool dense;
    float byte_value[3][256]; /* by channel: (k / 255 - mean) / std */
    uint8_t *resized, *resize_scratch;
    ImageReader *reader;      /* of files; or null */
    uint32_t *order;          /* [count]: the walk's permutation */
    int64_t place;            /* in the order: the next image to be looked at */
    int64_t made, used;
    bool holding, filling, done, stop;
    atomic_bool abandoned;    /* nobody wants the batch that is being filled */
    double waited;            /* seconds in loader_next */
    int64_t bad;              /* files that cannot be read */
    char *bad_text[BAD_SHOWN];
    Fault fault;              /* code 0: none */
    Batch slots[SLOTS];
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t filler;
};

/* ---- files that cannot be read ---- */

static void bad_add(Loader *l, const Fault *f)
{
    pthread_mutex_lock(&l->lock);
    if (l->bad < BAD_SHOWN)
        l->bad_text[l->bad] = mem_printf("%s", f->text);
    l->bad++;
    if (f->code == EXIT_ENV)
        l->fault = *f; /* nothing of the file's: no other can be read either */
    else if (l->bad * 2 > l->data->count)
        fault_set(&l->fault, EXIT_DATA, "%s: more than half of the %lld pictures cannot be read; the first: %s", l->data->images->folder,
                  (long long)l->data->count, l->bad_text[0]);
    pthread_mutex_unlock(&l->lock);
}

/* ---- one image ---- */

/* The bytes of image i at the network's size; null where its file cannot be read. */
static const uint8_t *image_bytes(Loader *l, int64_t i)
{
    const Dataset *d = l->data;
    int64_t from = d->images ? 0 : d->stored / d->channels, to = d->elements / d->channels;
    if (d->images) {
        Fault f;
        const uint8_t *p = image_reader_get(l->reader, i, &f);
        if (!p && f.code)
            bad_add(l, &f);
        return p;
    }
    if (!d->resize)
        return d->pixels + i * d->stored;
    for (int64_t c = 0; c < d->channels; c++)
        resize_run(d->resize, d->pixels + i * d->stored + c * from, l->resized + c * to, l->resize_scratch);
    return l->resized;
}

/* Image i as the network's input; false where its file cannot be read. */
static bool row_input(Loader *l, int64_t i, float *x)
{
    const Dataset *d = l->data;
    const uint8_t *p;
    int64_t plane = d->elements / d->channels;
    if (d->values) {
        memcpy(x, d->values + i * d->elements, (size_t)d->elements * sizeof *x);
        return true;
    }
    if (!(p = image_bytes(l, i)))
        return false;
    for (int64_t c = 0; c < d->channels; c++)
        for (int64_t k = c * plane; k < (c + 1) * plane; k++)
            x[k] = l->byte_value[c][p[k]];
    return true;
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

/* ---- batches ---- */

/* Zeros (-1 for labels) behind the last image, up to whole lane blocks. */
static void batch_pad(const Loader *l, Batch *b)
{
    int64_t rows = (b->n + l->lanes - 1) / l->lanes * l->lanes, in = l->data->elements;
    memset(b->x + b->n * in, 0, (size_t)((rows - b->n) * in) * sizeof *b->x);
    if (b->target)
        memset(b->target + b->n * l->outputs, 0, (size_t)((rows - b->n) * l->outputs) * sizeof *b->target);
    for (int64_t r = b->n; b->labels && r < rows; r++)
        b->labels[r] = -1;
}

/* Fills a batch with the images from l->place on. It stays empty where none of them can be read. */
static void batch_fill(Loader *l, Batch *b)
{
    b->n = 0;
    while (b->n < l->batch && l->place < l->data->count && !l->fault.code && !atomic_load(&l->abandoned)) {
        int64_t i = l->order[l->place++];
        if (!row_input(l, i, b->x + b->n * l->data->elements))
            continue;
        if (b->labels)
            b->labels[b->n] = dataset_label(l->data, i);
        if (b->target)
            row_target(l, i, b->target + b->n * l->outputs);
        b->n++;
    }
    b->end = l->place;
    batch_pad(l, b);
}

static void *filler_main(void *arg)
{
    Loader *l = arg;
    pthread_mutex_lock(&l->lock);
    while (!l->stop) {
        Batch *b = &l->slots[l->made % SLOTS];
        if (l->done || l->made == l->used + SLOTS) {
            pthread_cond_wait(&l->changed, &l->lock);
            continue;
        }
        l->filling = true;
        pthread_mutex_unlock(&l->lock);
        batch_fill(l, b);
        pthread_mutex_lock(&l->lock);
        l->filling = false;
        l->made += b->n > 0 && !l->fault.code;
        l->done = l->done || l->place == l->data->count || l->fault.code;
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

void loader_byte_values(const nrt_model *m, float value[3][256])
{
    for (int c = 0; c < 3; c++)
        for (int k = 0; k < 256; k++)
            value[c][k] = ((float)k / 255.0f - (float)m->train.mean[c]) / (float)m->train.std[c];
}

Loader *loader_new(const Dataset *d, const nrt_model *m, int64_t batch)
{
    Loader *l = mem_get(1, sizeof *l);
    l->data = d;
    l->batch = batch;
    l->lanes = m->lanes;
    l->outputs = dataset_output_elements(m);
    l->dense = m->train.loss == NRT_SQUARED_ERROR;
    l->done = true; /* until a walk begins */
    loader_byte_values(m, l->byte_value);
    if (d->images)
        l->reader = image_reader_new(d->images, m->input_dim[0], m->input_dim[1], m->input_dim[2]);
    if (d->resize) {
        l->resized = mem_get((size_t)d->elements, 1);
        l->resize_scratch = mem_get(resize_scratch(d->resize), 1);
    }
    l->order = mem_get((size_t)d->count, sizeof *l->order);
    slots_new(l, dataset_has_classes(d));
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
    atomic_store(&l->abandoned, true);
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
    for (int i = 0; i < BAD_SHOWN; i++)
        free(l->bad_text[i]);
    image_reader_free(l->reader);
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
    l->done = true; /* the filler stops after the batch it is at, and that is cut short */
    atomic_store(&l->abandoned, true);
    while (l->filling)
        pthread_cond_wait(&l->changed, &l->lock);
    atomic_store(&l->abandoned, false);
    order_make(l, shuffle, seed, epoch);
    l->place = first;
    l->made = l->used = 0;
    l->holding = false;
    l->done = first >= l->data->count || l->fault.code;
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
    if (l->made == l->used && !l->done) {
        double start = cpu_seconds();
        while (l->made == l->used && !l->done)
            pthread_cond_wait(&l->changed, &l->lock);
        l->waited += cpu_seconds() - start;
    }
    if (l->made > l->used) {
        l->holding = true;
        b = &l->slots[l->used % SLOTS];
    }
    pthread_mutex_unlock(&l->lock);
    return b;
}

const Fault *loader_fault(const Loader *l)
{
    return l->fault.code ? &l->fault : NULL;
}

int64_t loader_unreadable(Loader *l, char *buf, size_t size)
{
    int64_t bad;
    size_t at = 0;
    pthread_mutex_lock(&l->lock);
    bad = l->bad;
    *buf = 0;
    for (int i = 0; i < BAD_SHOWN && i < bad && at < size; i++)
        at += (size_t)snprintf(buf + at, size - at, "%s%s", i ? "; " : "", l->bad_text[i]);
    pthread_mutex_unlock(&l->lock);
    return bad;
}

double loader_wait_seconds(const Loader *l)
{
    return l->waited;
}

int64_t loader_bytes(const Loader *l)
{
    return SLOTS * l->x_bytes;
}
