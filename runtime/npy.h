/* npy.h: NumPy's .npy files, versions 1, 2 and 3; little-endian f4, f8, i4, i8 and u1 in C order. */
#ifndef NPY_H
#define NPY_H

#include <stdint.h>

#include "fault.h"

enum { NPY_RANK = 8 };
typedef enum { NPY_F4, NPY_F8, NPY_I4, NPY_I8, NPY_U1 } NpyType;

typedef struct NpyArray {
    NpyType type;
    int rank;
    int64_t dim[NPY_RANK];
    int64_t count;  /* elements: the product of dim */
    int64_t start;  /* byte offset of the first element in the file */
    void *data;     /* as in the file; freed by npy_free */
} NpyArray;

/* Reads a whole file; its length must be just what the header says. False with EXIT_DATA (a file that is not there included) or
 * EXIT_IO, by the rule in dataset.h; a->data is null then. */
bool npy_read(const char *path, NpyArray *a, Fault *f);
void npy_free(NpyArray *a);
/* The elements as floats, rounded to nearest, otherwise as they are (u1 is not scaled). The caller frees them; a->data is used up. */
float *npy_floats(NpyArray *a);
/* The elements of a (integer type) as classes 0 .. classes-1; false with EXIT_DATA, naming the byte, at any other value. The
 * caller frees *labels; a->data is used up. */
bool npy_classes(NpyArray *a, const char *path, int64_t classes, int32_t **labels, Fault *f);
/* Writes data [dim...] as version 1, f4, atomically. False with EXIT_IO. */
bool npy_write(const char *path, int rank, const int64_t *dim, const float *data, Fault *f);

#endif
