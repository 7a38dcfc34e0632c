/* loader.h: batches, made ahead of their use on a thread of their own.
 *
 * A loader walks through a dataset once for every loader_begin, in the order of the data or shuffled. While the caller works on
 * one batch the next ones are being made: pictures resized, files decoded. A file that cannot be read is left out, and the
 * batch takes the next image of the order in its place; so what a batch holds depends on the files alone, not on threads or time. Where
 * more than half of a dataset's files cannot be read the walk ends with a fault. */
#ifndef LOADER_H
#define LOADER_H

#include "dataset.h"

typedef struct Batch {
    float *x;        /* [rows][input elements] */
    int32_t *labels; /* [rows], or null; -1 behind the n-th */
    float *target;   /* [rows][output elements], or null */
    int64_t end;     /* the place in the order behind its last image; where a walk would go on from */
    int64_t n;       /* images, at least 1; rows is n rounded up to lanes, zeros behind the n-th */
} Batch;

typedef struct Loader Loader;

/* A loader of batches of `batch` images (the last one of a walk may be smaller), made for the model's lanes, input and loss. A
 * class becomes a one-hot target where the loss wants dense targets. The dataset must outlive the loader. */
Loader *loader_new(const Dataset *d, const nrt_model *m, int64_t batch);
void loader_free(Loader *l);
/* What the network gets for a byte k of a picture's channel c: value[c][k] = (k / 255 - mean) / std, in float. Channels behind the
 * third do not occur with a mean or deviation. */
void loader_byte_values(const nrt_model *m, float value[3][256]);
/* Starts a walk at place `first` (0 <= first <= count) of the order: ascending, or (shuffle) the permutation of this seed
 * and epoch: Fisher and Yates' shuffle driven by rng_new(seed, hash("shuffle") + epoch). Ends the walk before it. */
void loader_begin(Loader *l, bool shuffle, uint64_t seed, uint64_t epoch, int64_t first);
/* The next batch, or null at the end, or where the walk cannot go on (loader_fault). It stays valid until the next call of loader_next or loader_begin. */
const Batch *loader_next(Loader *l);
/* Why the walk ended early, or null; to be asked when loader_next gave null. */
const Fault *loader_fault(const Loader *l);
/* How many files could not be read so far; the first few messages, separated by "; ", into buf. */
int64_t loader_unreadable(Loader *l, char *buf, size_t size);
/* How long loader_next has waited for batches so far, in seconds. */
double loader_wait_seconds(const Loader *l);
/* Bytes of the batches' buffers. */
int64_t loader_bytes(const Loader *l);

#endif
