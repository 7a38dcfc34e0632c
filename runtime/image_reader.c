/* image_reader.c: decode, resize, keep. `state` tells of each picture of the list whether it is kept or known to be unreadable; places
 * for kept pictures are pages that cost nothing until they are written. */
#include "image_reader.h"
#include "mem.h"
#include "picture.h"
#include "resize.h"

#include <stdlib.h>
#include <string.h>

typedef enum ImageState { IMAGE_UNKNOWN, IMAGE_KEPT, IMAGE_BAD } ImageState;

struct ImageReader {
    const ImageList *list;
    int64_t channels, height, width, bytes; /* of the pictures that come out; bytes: of one of them */
    int64_t places;                         /* for pictures that are kept: those of the list before this one */
    uint8_t *state, *kept, *out;            /* [count]; [places][bytes]; one picture */
    Resizer *resize;                        /* for pictures of from_h x from_w; or null */
    int64_t from_h, from_w;
    uint8_t *scratch;
};

ImageReader *image_reader_new(const ImageList *list, int64_t channels, int64_t height, int64_t width)
{
    ImageReader *r = mem_get(1, sizeof *r);
    int64_t count = list ? list->count : 0;
    r->list = list;
    r->channels = channels;
    r->height = height;
    r->width = width;
    r->bytes = channels * height * width;
    r->places = IMAGE_KEEP / r->bytes < count ? IMAGE_KEEP / r->bytes : count;
    r->state = mem_get((size_t)count, 1);
    r->kept = mem_pages((size_t)(r->places * r->bytes));
    r->out = mem_get((size_t)r->bytes, 1);
    return r;
}

void image_reader_free(ImageReader *r)
{
    if (!r)
        return;
    mem_pages_free(r->kept, (size_t)(r->places * r->bytes));
    resize_free(r->resize);
    free(r->scratch);
    free(r->state);
    free(r->out);
    free(r);
}

/* The plan for pictures of this size; sets of equal pictures need only one. */
static const Resizer *resizer_for(ImageReader *r, int64_t height, int64_t width)
{
    if (r->resize && r->from_h == height && r->from_w == width)
        return r->resize;
    resize_free(r->resize);
    free(r->scratch);
    r->resize = resize_new(height, width, r->height, r->width);
    r->scratch = mem_get(resize_scratch(r->resize), 1);
    r->from_h = height;
    r->from_w = width;
    return r->resize;
}

static void fit(ImageReader *r, const Picture *p)
{
    int64_t from = p->height * p->width, to = r->height * r->width;
    const Resizer *resize;
    if (p->height == r->height && p->width == r->width) {
        memcpy(r->out, p->pixels, (size_t)r->bytes);
        return;
    }
    resize = resizer_for(r, p->height, p->width);
    for (int64_t k = 0; k < r->channels; k++)
        resize_run(resize, p->pixels + k * from, r->out + k * to, r->scratch);
}

const uint8_t *image_reader_file(ImageReader *r, const char *path, Fault *f)
{
    Picture p;
    if (!picture_read(path, r->channels, &p, f))
        return NULL;
    fit(r, &p);
    free(p.pixels);
    return r->out;
}

const uint8_t *image_reader_get(ImageReader *r, int64_t i, Fault *f)
{
    const uint8_t *out;
    char *path;
    f->code = 0;
    if (r->state[i] == IMAGE_BAD)
        return NULL;
    if (r->state[i] == IMAGE_KEPT)
        return r->kept + i * r->bytes;
    path = mem_printf("%s/%s", r->list->folder, r->list->path[i]);
    out = image_reader_file(r, path, f);
    free(path);
    if (!out)
        r->state[i] = IMAGE_BAD;
    if (out && i < r->places) {
        memcpy(r->kept + i * r->bytes, out, (size_t)r->bytes);
        r->state[i] = IMAGE_KEPT;
    }
    return out;
}
