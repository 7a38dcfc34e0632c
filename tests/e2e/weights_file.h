/* weights_file.h: a safetensors reader for the tools that judge a trainer.
 *
 * It is the tests' own, so that a fault in the trainer's writer cannot hide in a shared one. It takes what the format allows for F32
 * tensors and ends the process with a message at anything else.
 */
#ifndef WEIGHTS_FILE_H
#define WEIGHTS_FILE_H

#include <stdint.h>

enum { TENSORS = 256, RANK = 8 };

typedef struct Tensor {
    const char *name;
    int rank;
    int64_t dim[RANK], begin, end; /* bytes [begin, end) of the data behind the header */
    const float *data;
} Tensor;

typedef struct Weights {
    const char *path;
    char *bytes;
    int count;
    Tensor tensor[TENSORS];
} Weights;

/* Reads all tensors but those named "optim/...". */
void weights_read(const char *path, Weights *w);
/* The tensor with the name and the shape of `like`; it must be there. */
const Tensor *weights_find(const Weights *w, const Tensor *like);
int64_t tensor_count(const Tensor *t);
_Noreturn void weights_fail(const char *path, const char *what);

#endif
