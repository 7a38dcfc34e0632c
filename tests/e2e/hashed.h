/* hashed.h: numbers that follow from a name and a place: initial weights, pictures and sketches that no test needs to store.
 * tests/hashed.py is the same in Python, and says what each formula is for; both give the same bits. */
#ifndef HASHED_H
#define HASHED_H

#include "weights_file.h"

enum { SKETCHES = 16 };

/* A tensor's line in updates.txt: name, shape, norm and projections of what training should add to it. */
typedef struct Sketch {
    char name[256];
    Tensor tensor; /* name and shape; data: its initial value, once hashed_weights has been called */
    double norm, sums[SKETCHES];
} Sketch;

/* All sketches of a file, of which there are *count; ends the process at a malformed one. */
Sketch *sketches_read(const char *path, int *count);
/* The initial value of a tensor, in the network of this number; the caller frees it. */
float *hashed_weights(const Tensor *t, int draw);
/* The norm and the projections of an update [count]. */
void hashed_sketch(const char *name, const double *update, int64_t count, double *norm, double sums[SKETCHES]);
/* Picture after picture, [count][dim[0]][dim[1]][dim[2]]; the class of each of them, of ten; or targets in [-1, 1). */
float *hashed_pictures(int64_t count, const int64_t dim[3]);
int64_t *hashed_classes(int64_t count);
float *hashed_targets(int64_t count);
/* "1x28x28": up to RANK sizes, their number; 0 at anything else. */
int shape_parse(const char *text, int64_t *dim);

#endif
