/* synthetic.h: generated pictures of ten classes, for networks without data of their own.
 *
 * Classes, 0 to 9: ring, disc, square, filled square, plus, x, vertical bar, horizontal bar, triangle, two bars side by side.
 * Every picture is drawn anew with its own place, size, tilt, stroke width and brightness (and a tint for each channel),
 * light on a dark, noisy ground. The shape may lie anywhere in the picture, so that no pixel by itself says much: at 1x28x28
 * a linear model stays under 90% of the test pictures, a small convolutional network passes 95%. Below about 8x8 pixels the
 * shapes run into each other, and at 1x1 nothing but their brightness is left. */
#ifndef SYNTHETIC_H
#define SYNTHETIC_H

#include "dataset.h"

enum { SYNTHETIC_CLASSES = 10 };

/* Draws `count` pictures of `channels` x `height` x `width` (each at least 1) into d: pixels and classes, as dataset.h says;
 * d->elements, set by the caller, is at most the product of the three, and a picture's first so many numbers are kept (a flat
 * network input need not be a whole rectangle). The first `classes` classes (1 to 10) are drawn, equally likely. Picture i of a
 * seed and part (0 training, 1 test) is always the same; the work is shared by the processors that the process may use. */
void synthetic_make(Dataset *d, int64_t count, int64_t channels, int64_t height, int64_t width, int64_t classes, uint64_t seed, int part);
/* How many pictures a part has when nobody says, for pictures of `elements` numbers: 120,000 to train on and 10,000 to test on;
 * fewer above 838 numbers, so that the training part stays under 96 MiB and the test part has a twelfth of it, but never
 * under 1000. */
int64_t synthetic_count(int64_t elements, int part);

#endif
