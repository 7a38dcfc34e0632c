/* resize.h: bilinear resizing of byte pictures with antialiasing, equal byte for byte to Image.resize(BILINEAR) of Pillow 13 (what
 * torchvision.transforms.Resize gives for pictures). It goes along the rows first, but along the columns where the picture
 * loses height, and more than twice as much as width; Pillow up to 11 goes along the rows always, which there gives some bytes
 * that differ by one. */
#ifndef RESIZE_H
#define RESIZE_H

#include <stddef.h>
#include <stdint.h>

typedef struct Resizer Resizer;

/* A plan for planes of in_h x in_w to out_h x out_w, all positive. The caller frees it with resize_free. */
Resizer *resize_new(int64_t in_h, int64_t in_w, int64_t out_h, int64_t out_w);
void resize_free(Resizer *r);
/* Bytes of scratch memory that resize_run needs. */
size_t resize_scratch(const Resizer *r);
/* One plane: in [in_h][in_w] to out [out_h][out_w]. May run on several threads, each with its own scratch. */
void resize_run(const Resizer *r, const uint8_t *in, uint8_t *out, uint8_t *scratch);

#endif
