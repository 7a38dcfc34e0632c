/* idx.h: the IDX files of MNIST and Fashion-MNIST, plain or gzip-compressed.
 *
 * Images: big-endian words 0x00000803, count, rows, columns, then count * rows * columns bytes. Labels: 0x00000801, count,
 * then count bytes. Memory grows with what the file really holds, never with what its header promises. */
#ifndef IDX_H
#define IDX_H

#include <stdint.h>

#include "fault.h"

typedef struct IdxImages {
    int64_t total;        /* images that the header promises */
    int64_t count;        /* images read: `total`, or the limit */
    int64_t height, width;
    uint8_t *pixels;      /* [count][height][width]; the caller frees it */
} IdxImages;

/* Reads images; with `limit` >= 0 only the first so many. Where want_height and want_width are not 0, pictures of another size are
 * refused before they are read; channels is only for that message. False with EXIT_DATA or EXIT_IO, by the rule in dataset.h. */
bool idx_images(const char *path, int64_t limit, int64_t channels, int64_t want_height, int64_t want_width, IdxImages *out, Fault *f);
/* Reads the labels of the first `count` images into *labels (the caller frees it); each must be under `classes`, and the
 * file must promise exactly `total` of them. images_path is only for that message. */
bool idx_labels(const char *path, int64_t total, int64_t count, int64_t classes, const char *images_path, uint8_t **labels, Fault *f);

#endif
