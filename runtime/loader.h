/* loader.h: batches, made ahead of their use on a thread of their own.
 *
 * A loader walks through a dataset once for every loader_begin, in the order of the data or shuffled. While the caller works on
 * one batch the next ones are being made. */
#ifndef LOADER_H
#define LOADER_H

#include "dataset.h"

typedef struct Batch {
    float *x;        /* [rows][input elements] */
    int32_t *labels; /* [rows], or null; -1 behind the n-th */
    float *target;   /* [rows][output elements], or null */
    int64_t n;       /* images; rows is n rounded up to lanes, zeros behind the n-th */
} Batch;

typedef struct Loader Loader;

/* A loader of batches of `batch` images (the last one of a walk may be smaller), made for the model's lanes, input and loss. A
 * class becomes a one-hot target where the loss wants dense targets. The dataset must outlive the loader. */
Loader *loader_new(const Dataset *d, const nrt_model *m, int64_t batch);
void loader_free(Loader *l);
/* Starts a walk at place `first` (0 <= first <= count) of the order: ascending, or (shuffle) the permutation of this seed
 * and epoch: Fisher and Yates' shuffle driven by rng_new(seed, hash("shuffle") + epoch). Ends the walk before it. */
void loader_begin(Loader *l, bool shuffle, uint64_t seed, uint64_t epoch, int64_t first);
/* The next batch, or null at the end. It stays valid until the next call of loader_next or loader_begin. */
const Batch *loader_next(Loader *l);
/* How often loader_next had to wait for a batch, of all the calls that gave one. */
int64_t loader_waits(const Loader *l);
/* Bytes of the batches' buffers. */
int64_t loader_bytes(const Loader *l);

#endif
