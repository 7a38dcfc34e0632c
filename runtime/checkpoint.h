/* checkpoint.h: a model's state in a safetensors file, and the place in the training that it belongs to. */
#ifndef CHECKPOINT_H
#define CHECKPOINT_H

#include "fault.h"
#include "history.h"
#include "nrt.h"

typedef struct Checkpoint {  /* where training stands */
    int64_t epoch;           /* whole epochs done */
    int64_t seen;            /* place in the order of the next epoch: images before it are done with */
    int64_t images;          /* of those, trained on: all whose files could be read */
    int64_t step;            /* optimiser steps in all */
    uint64_t seed;
    double loss_sum;         /* of these images' losses, and how many of them were right: */
    int64_t correct;
    double best_loss;        /* the least val_loss (without test part: train_loss) so far; infinite at first */
    History history;         /* of the whole epochs */
    char *classes;           /* images(): the names of the classes, "cat/dog"; else null. From checkpoint_resume the caller frees it. */
} Checkpoint;

/* Writes the whole state (weights, running statistics, optimiser) and c to path, atomically. False with EXIT_IO. */
bool checkpoint_save(const char *path, const nrt_model *m, const char *state, const Checkpoint *c, Fault *f);
/* Writes parameters and running statistics only, and the names of the classes where they are not null. */
bool checkpoint_export(const char *path, const nrt_model *m, const char *state, const char *classes, Fault *f);
/* Reads back what checkpoint_save wrote for the same network; false with EXIT_DATA (or EXIT_IO) where it does not fit. */
bool checkpoint_resume(const char *path, const nrt_model *m, char *state, Checkpoint *c, Fault *f);
/* Reads parameters and running statistics from any safetensors file that has them all, with these names and shapes, and nothing
 * else but "optim/...", which is passed over. Optimiser state is left alone. */
bool checkpoint_weights(const char *path, const nrt_model *m, char *state, Fault *f);
/* The names of the classes that a checkpoint was trained on, "cat/dog"; null where the file does not say. The caller frees it. */
char *checkpoint_classes(const char *path);

#endif
