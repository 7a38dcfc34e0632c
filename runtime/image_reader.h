/* image_reader.h: pictures of a list, decoded one by one to the bytes that the network's input is made of.
 *
 * A reader belongs to one thread. It keeps what it has decoded (already at the network's size) in memory, up to IMAGE_KEEP bytes: the first
 * pictures of the list that fit; those behind them are decoded anew each time. A file that cannot be read is never tried
 * again. */
#ifndef IMAGE_READER_H
#define IMAGE_READER_H

#include "image_list.h"

enum { IMAGE_KEEP = 512 << 20 };

typedef struct ImageReader ImageReader;

/* A reader of pictures as planes of channels (1 or 3) x height x width; the list, which may be null (image_reader_file alone works then), must
 * outlive it. */
ImageReader *image_reader_new(const ImageList *list, int64_t channels, int64_t height, int64_t width);
void image_reader_free(ImageReader *r);
/* Picture i of the list: bytes [channels][height][width], resized as resize.h says where the file has another size; valid until the
 * next call. Null where it cannot be read: with a Fault the first time, with f->code 0 after that. */
const uint8_t *image_reader_get(ImageReader *r, int64_t i, Fault *f);
/* The picture of any file; null with EXIT_DATA, EXIT_IO or EXIT_ENV, as picture_read says. */
const uint8_t *image_reader_file(ImageReader *r, const char *path, Fault *f);

#endif
