/* picture.c: which decoder, and from its rows of pixels to planes of the channels that are wanted. */
#include "picture.h"
#include "mem.h"
#include "picture_decode.h"

#include <stdlib.h>
#include <string.h>

extern const PictureReader nrt_picture_reader;
const PictureReader nrt_picture_reader = {picture_decode};

bool raw_picture_check(const PictureBytes *in, int64_t width, int64_t height, int64_t most, size_t place, Fault *f)
{
    if (width < 1 || height < 1 || width > PICTURE_SIDE_MAX || height > PICTURE_SIDE_MAX || width * height > PICTURE_PIXELS_MAX)
        return fault_set(f, EXIT_DATA, "%s: byte %zu: a picture of %lldx%lld pixels; sides of 1 to %d and at most %d pixels are allowed", in->path, place,
                         (long long)width, (long long)height, PICTURE_SIDE_MAX, PICTURE_PIXELS_MAX);
    if (width * height > most)
        return fault_set(f, EXIT_DATA, "%s: byte %zu: a picture of %lldx%lld pixels, which a file of %zu bytes cannot hold", in->path, place,
                         (long long)width, (long long)height, in->n);
    return true;
}

void raw_picture_new(RawPicture *p, int64_t width, int64_t height, int64_t channels)
{
    *p = (RawPicture){channels, height, width, mem_get((size_t)(width * height * channels), 1)};
}

/* Pillow's conversion to grey. */
static uint8_t luma(const uint8_t *rgb)
{
    return (uint8_t)((rgb[0] * 19595u + rgb[1] * 38470u + rgb[2] * 7471u + 0x8000u) >> 16);
}

static void to_grey(const RawPicture *raw, uint8_t *out)
{
    for (int64_t i = 0; i < raw->width * raw->height; i++)
        out[i] = luma(raw->pixels + 3 * i);
}

/* Plane k of a picture of as many channels, or of a grey one that becomes colour. */
static void to_plane(const RawPicture *raw, int64_t k, uint8_t *out)
{
    int64_t step = raw->channels, from = k < step ? k : 0;
    for (int64_t i = 0; i < raw->width * raw->height; i++)
        out[i] = raw->pixels[i * step + from];
}

static void planes_make(const RawPicture *raw, int64_t channels, Picture *out)
{
    int64_t plane = raw->width * raw->height;
    *out = (Picture){channels, raw->height, raw->width, mem_get((size_t)(plane * channels), 1)};
    if (channels == 1 && raw->channels == 3)
        to_grey(raw, out->pixels);
    else
        for (int64_t k = 0; k < channels; k++)
            to_plane(raw, k, out->pixels + k * plane);
}

static bool starts_with(const PictureBytes *in, const char *magic, size_t n)
{
    return in->n >= n && memcmp(in->bytes, magic, n) == 0;
}

bool picture_decode(const uint8_t *bytes, size_t n, const char *path, int64_t channels, Picture *out, Fault *f)
{
    PictureBytes in = {bytes, n, path};
    RawPicture raw = {0};
    bool ok;
    *out = (Picture){0};
    if (starts_with(&in, "\x89PNG\r\n\x1a\n", 8))
        ok = picture_png(&in, &raw, f);
    else if (starts_with(&in, "\xff\xd8\xff", 3))
        ok = picture_jpeg(&in, &raw, f);
    else
        ok = fault_set(f, EXIT_DATA, "%s: byte 0: this is neither a PNG nor a JPEG file", path);
    if (ok)
        planes_make(&raw, channels, out);
    free(raw.pixels);
    return ok;
}
