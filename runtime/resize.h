/* resize.h: bilinear resizing of byte pictures with antialiasing, equal byte for byte to Pillow's Image.resize(BILINEAR)
 * (what torchvision.transforms.Resize gives for pictures) as long as that goes along the rows first: always up to Pillow 11;
 * Pillow 13 goes along the columns first where that saves work, which changes some bytes by one. */
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
