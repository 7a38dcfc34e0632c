/* picture.h: PNG and JPEG files as bytes of grey or colour planes.
 *
 * What a file is, its first bytes tell, not its name. PNG: every colour type and depth, interlaced or not; 16 bits keep their
 * high byte, transparency is dropped, a palette becomes its colours; of an animation the first picture is taken. JPEG: grey, colour, CMYK
 * (Adobe's inverted kind too), baseline and progressive; rotations noted in EXIF are not applied. Colour becomes grey as
 * (19595 R + 38470 G + 7471 B + 32768) / 65536, grey becomes colour with equal channels: what Pillow's convert() does.
 *
 * Before memory is asked for, the header's size is held against limits and against what a file of this length can hold, so
 * that a header which lies is cheap. Damage of any kind is a fault, never a picture that is partly grey. */
#ifndef PICTURE_H
#define PICTURE_H

#include <stddef.h>
#include <stdint.h>

#include "fault.h"

enum { PICTURE_SIDE_MAX = 65535, PICTURE_PIXELS_MAX = 1 << 26, PICTURE_FILE_MAX = 1 << 28 }; /* pixels of a side; pixels; bytes */

typedef struct Picture {
    int64_t channels, height, width; /* channels: 1 (grey) or 3 (red, green, blue) */
    uint8_t *pixels;                 /* [channels][height][width]; the caller frees it */
} Picture;

/* Decodes the n bytes of a file into `channels` (1 or 3) planes. False with EXIT_DATA and a message that names `path` and the byte
 * up to which the file was understood; out->pixels is null then. May run on several threads. */
bool picture_decode(const uint8_t *bytes, size_t n, const char *path, int64_t channels, Picture *out, Fault *f);
/* Reads and decodes a file. False with EXIT_DATA or EXIT_IO, by the rule in dataset.h; EXIT_ENV where the trainer was linked without the
 * decoders (netc links them where the network's input is a picture). */
bool picture_read(const char *path, int64_t channels, Picture *out, Fault *f);

/* How picture_read finds the decoders: this object is in a trainer only if the linker was asked for it by name, so that a
 * trainer without pictures needs neither libpng nor libjpeg. */
typedef struct PictureReader {
    bool (*decode)(const uint8_t *bytes, size_t n, const char *path, int64_t channels, Picture *out, Fault *f);
} PictureReader;

#endif
