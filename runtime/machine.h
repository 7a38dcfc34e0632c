/* machine.h: a model with memory and threads, ready to step: what generated code gets to work on. */
#ifndef MACHINE_H
#define MACHINE_H

#include "loader.h"
#include "nrt.h"
#include "pool.h"

typedef struct Machine {
    nrt_ctx ctx;               /* first: generated code calls back with its address */
    const nrt_model *model;
    Pool *pool;
    int64_t rows;              /* the compiled batch, rounded up to lanes */
    int64_t inputs, outputs;   /* elements of one image */
    uint64_t *ticks;           /* [tick_count]; ctx.ticks points here while kernels are timed */
    _Atomic int64_t first_bad; /* machine_first_nonfinite: the least kernel seen so far */
} Machine;

typedef struct Score {         /* sums over images */
    double loss;               /* of ctx->loss */
    int64_t correct, images;
    bool classes;              /* is `correct` meaningful? */
} Score;

/* Allocates state, arena, scratch and result rows (all zero), and starts the threads. */
Machine *machine_new(const nrt_model *m, int threads);
void machine_free(Machine *k);
/* The compiled batch in rows: rounded up to whole lane blocks. */
int64_t machine_rows(const nrt_model *m);
/* One optimiser step on a batch with this learning rate, or (machine_infer) the network's output for it. Adds the batch to *score.
 * The batch's own loss is machine_loss of its own score. */
void machine_step(Machine *k, const Batch *b, double lr, Score *score);
void machine_infer(Machine *k, const Batch *b, Score *score);
/* What a sum of images' losses means to the user: the mean over images (cross_entropy), the mean over elements (squared_error,
 * mean), the mean over images of each one's sum (squared_error, sum). Of a batch trained with `sum`, the loss is the sum: see batch_loss. */
double machine_loss(const nrt_model *m, double sum, int64_t images);
/* The loss that the step minimised: image_weight times the sum. */
double machine_batch_loss(const nrt_model *m, double sum, int64_t images);
/* The first layer, in the network's order, whose output for this batch has a number that is not finite in training: the step is taken
 * again up to its losses, with no more harm than to running statistics. Call it after a machine_step whose loss is not finite, which
 * has changed no parameter. Null: no such layer is seen. */
const char *machine_first_nonfinite(Machine *k, const Batch *b);
/* The first tensor of the state that holds a number that is not finite, or null. */
const nrt_tensor *machine_nonfinite(const Machine *k);
/* Share of right images; NaN where there are no classes. */
double score_accuracy(const Score *s);
/* The place of the greatest of n numbers, the first one of equals. */
int64_t machine_argmax(const float *v, int64_t n);

#endif
