/* picture_make.h: pictures for tests, made by libpng and libjpeg. */
#ifndef PICTURE_MAKE_H
#define PICTURE_MAKE_H

#include "runtime_test.h"

#include <jpeglib.h>
#include <png.h>
#include <stdint.h>

typedef struct Bytes { uint8_t *at; size_t n; } Bytes; /* of a file; freed by the test */

/* width x height pixels of noise, [height][width][3]. */
static inline uint8_t *noise_make(int width, int height)
{
    uint8_t *p = malloc((size_t)(width * height * 3));
    uint32_t x = 7;
    for (int i = 0; i < width * height * 3; i++)
        p[i] = (uint8_t)((x = x * 1664525u + 1013904223u) >> 24);
    return p;
}

/* A PNG file of pixels [height][width][3]. */
static inline Bytes png_make(const uint8_t *rgb, int width, int height)
{
    png_image image = {.version = PNG_IMAGE_VERSION, .width = (png_uint_32)width, .height = (png_uint_32)height, .format = PNG_FORMAT_RGB};
    png_alloc_size_t n = PNG_IMAGE_PNG_SIZE_MAX(image);
    Bytes b = {malloc(n), 0};
    ck_assert(png_image_write_to_memory(&image, b.at, &n, 0, rgb, 0, NULL));
    b.n = n;
    return b;
}

typedef enum JpegKind { JPEG_BASELINE, JPEG_PROGRESSIVE, JPEG_SCANS } JpegKind; /* SCANS: sequential, a scan for each component */

static inline Bytes jpeg_make(const uint8_t *rgb, int width, int height, JpegKind kind)
{
    static const jpeg_scan_info scans[3] = {{1, {0}, 0, 63, 0, 0}, {1, {1}, 0, 63, 0, 0}, {1, {2}, 0, 63, 0, 0}};
    struct jpeg_compress_struct c;
    struct jpeg_error_mgr errors;
    unsigned char *out = NULL;
    unsigned long n = 0;
    c.err = jpeg_std_error(&errors);
    jpeg_create_compress(&c);
    jpeg_mem_dest(&c, &out, &n);
    c.image_width = (JDIMENSION)width;
    c.image_height = (JDIMENSION)height;
    c.input_components = 3;
    c.in_color_space = JCS_RGB;
    jpeg_set_defaults(&c);
    if (kind == JPEG_PROGRESSIVE)
        jpeg_simple_progression(&c);
    if (kind == JPEG_SCANS) {
        c.scan_info = scans;
        c.num_scans = 3;
    }
    jpeg_start_compress(&c, TRUE);
    for (int y = 0; y < height; y++) {
        JSAMPROW row = (JSAMPROW)(uintptr_t)(rgb + (size_t)y * (size_t)width * 3);
        jpeg_write_scanlines(&c, &row, 1);
    }
    jpeg_finish_compress(&c);
    jpeg_destroy_compress(&c);
    return (Bytes){out, n};
}

/* Writes folder/name: a PNG of one colour. Folders must be there. */
static inline void png_file(const char *folder, const char *name, int width, int height, uint8_t red, uint8_t green, uint8_t blue)
{
    uint8_t *rgb = malloc((size_t)(width * height * 3));
    char path[128];
    Bytes b;
    for (int i = 0; i < width * height; i++) {
        rgb[3 * i] = red;
        rgb[3 * i + 1] = green;
        rgb[3 * i + 2] = blue;
    }
    b = png_make(rgb, width, height);
    scratch_file(path, folder, name, b.at, b.n);
    free(b.at);
    free(rgb);
}

#endif
