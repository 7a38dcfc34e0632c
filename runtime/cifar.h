/* cifar.h: the binary version of CIFAR-10, plain or gzip-compressed.
 *
 * A file is up to 10,000 records of 3073 bytes: the class, 0 to 9, then the picture as planes [3][32][32], red, green, blue. There is
 * no header: the file's length tells how many records there are. */
#ifndef CIFAR_H
#define CIFAR_H

#include <stdint.h>

#include "fault.h"

enum { CIFAR_SIDE = 32, CIFAR_PIXELS = 3 * CIFAR_SIDE * CIFAR_SIDE, CIFAR_RECORDS = 10000, CIFAR_CLASSES = 10 };

typedef struct CifarImages {
    int64_t count;
    uint8_t *pixels;  /* [count][3][32][32], or null while count is 0 */
    uint8_t *classes; /* [count] */
} CifarImages;

/* Adds a file's records to *all, which starts empty ({0}) and which the caller frees with cifar_free; with `limit` >= 0 only until there are
 * `limit` in all. Every class must be under `classes`. False with EXIT_DATA or EXIT_IO, by the rule in dataset.h; *all stays valid. */
bool cifar_add(CifarImages *all, const char *path, int64_t limit, int64_t classes, Fault *f);
void cifar_free(CifarImages *all);

#endif
