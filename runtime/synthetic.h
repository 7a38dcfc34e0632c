/* synthetic.h: generated pictures of ten classes, for networks without data of their own.
 *
 * Classes: ring, plus, x, vertical bar, horizontal bar, rising bar, falling bar, square, triangle, two bars side by side.
 * Every picture is drawn anew with its own place, size, tilt, stroke width and contrast, over a noisy background, so that
 * no pixel by itself says much: telling the classes apart takes local features. */
#ifndef SYNTHETIC_H
#define SYNTHETIC_H

#include "dataset.h"

enum { SYNTHETIC_CLASSES = 10 };

/* Draws `count` pictures of `channels` x `height` x `width` into d (pixels and classes, as dataset.h says). A flat network
 * input of n numbers takes the first n pixels of a picture with at least n. Picture i of a seed and part (0 training, 1 test)
 * is always the same; the work is shared by the processors that the process may use. */
void synthetic_make(Dataset *d, int64_t count, int64_t channels, int64_t height, int64_t width, int64_t classes, uint64_t seed, int part);
/* How many pictures a part has when nobody says: 60,000 and 10,000 for small pictures, fewer for large ones, so that a
 * part stays under 64 MiB, but never under 1000. */
int64_t synthetic_count(int64_t elements, int part);

#endif
