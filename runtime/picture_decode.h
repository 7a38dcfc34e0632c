/* picture_decode.h: between picture.c and the decoders of the two formats; nobody else includes it. */
#ifndef PICTURE_DECODE_H
#define PICTURE_DECODE_H

#include "picture.h"

typedef struct PictureBytes { const uint8_t *bytes; size_t n; const char *path; } PictureBytes; /* a file in memory */

typedef struct RawPicture {
    int64_t channels, height, width;
    uint8_t *pixels; /* [height][width][channels] */
} RawPicture;

/* Is the size that a header gives within the limits, and at most `most` pixels, which is what a file of this length can hold? To be asked
 * before a library makes anything of that size. `place` is the byte of the header that the message names. */
bool raw_picture_check(const PictureBytes *in, int64_t width, int64_t height, int64_t most, size_t place, Fault *f);
/* Sets size and channels (1 or 3) and allocates zeros; the caller frees them. */
void raw_picture_new(RawPicture *p, int64_t width, int64_t height, int64_t channels);
/* Decode a whole file as grey or as colours, whichever it is. False with EXIT_DATA; out->pixels is null or must be freed all the same. */
bool picture_png(const PictureBytes *in, RawPicture *out, Fault *f);
bool picture_jpeg(const PictureBytes *in, RawPicture *out, Fault *f);

#endif
