/* dataset.h: the pictures or arrays that a network learns from.
 *
 * A dataset is one part, training or test. Pictures are bytes, [count][C][H][W], and become floats ((x / 255 - mean) / std) when a batch
 * is made, resized on the way where the source asks for it; those of images() stay files until then. Arrays are floats as they were
 * stored, not scaled. What is to be learnt is a class for each image, or a dense target.
 *
 * Where files are looked for (fashion_mnist, mnist, cifar10): --data DIR, else $NETC_DATA, else $XDG_CACHE_HOME/netc, else ~/.cache/netc; there
 * in the folder itself, then in "fashion-mnist", "FashionMNIST/raw" ("mnist", "MNIST/raw"; "cifar-10", "cifar-10-batches-bin"); each file
 * plain or as .gz. Paths of arrays() and images() are taken from --data DIR, else from the working folder, else from the folder of
 * the .net file. */
#ifndef DATASET_H
#define DATASET_H

#include <stddef.h>
#include <stdint.h>

#include "fault.h"
#include "image_list.h"
#include "npy.h"
#include "nrt.h"
#include "resize.h"

typedef struct Dataset {
    int64_t count;     /* images */
    int64_t elements;  /* of one image, as the network gets it */
    int64_t stored;    /* of one image, as it lies in pixels: other than `elements` where resize is there */
    int64_t channels;  /* planes of a picture; 1 for arrays */
    Resizer *resize;   /* takes a stored picture to the network's size while a batch is made; or null */
    uint8_t *pixels;   /* [count][stored], or null */
    float *values;     /* [count][elements], or null */
    ImageList *images; /* files, or null; of these three one is there */
    uint8_t *classes;  /* [count], or null */
    int32_t *labels;   /* [count], or null: classes that came from an array; of classes, labels and images' own at most one is there */
    float *targets;    /* [count][target_elements], or null */
    int64_t target_elements;
} Dataset;

typedef struct DataWant {
    const nrt_model *model; /* its input's shape, loss and `train` say what fits */
    const char *root;       /* --data, or null */
    int64_t limit, limit_test; /* only the first so many images; -1: all */
    uint64_t seed;          /* of synthetic(): the source's, so that --seed changes weights and order, but not the data */
    bool train, test;       /* which parts are wanted */
} DataWant;

/* Reads the wanted parts, two at a time. A part that the kind of data does not have (arrays: test) is left with count 0.
 * False with a Fault if anything is wrong with a file. The rule for its code, which idx.h and npy.h follow: data that is not
 * there or is not as it should be is EXIT_DATA; a file that is there but can not be opened or read is EXIT_IO. */
bool dataset_read(const DataWant *want, Dataset *train, Dataset *test, Fault *f);
/* Frees what the dataset holds; it is empty then. */
void dataset_free(Dataset *d);
/* Has every image a class? */
bool dataset_has_classes(const Dataset *d);
/* The class of image i, or -1 where the data has none. */
int32_t dataset_label(const Dataset *d, int64_t i);
/* Elements of one image of the model's input and output. */
int64_t dataset_input_elements(const nrt_model *m);
int64_t dataset_output_elements(const nrt_model *m);
/* Is the model's input a picture, grey or in colours (1 or 3 channels)? */
bool dataset_takes_pictures(const nrt_model *m);
/* Is the array [n] + dim, n at least 1? A dimension of 1 that dim begins with may be left out. False with EXIT_DATA. */
bool dataset_array_check(const NpyArray *a, const char *path, int64_t rank, const int64_t *dim, Fault *f);
/* "1x28x28" into buf, which is returned. */
const char *dataset_shape(char *buf, size_t size, int64_t rank, const int64_t *dim);

#endif
