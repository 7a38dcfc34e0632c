/* make_picture.c: writes a picture file for the end-to-end tests.
 *
 *     make_picture FILE WIDTH HEIGHT RED GREEN BLUE
 *
 * One colour (0 to 255 each) with a faint pattern that depends on the size; a PNG file if FILE ends in .png, else a JPEG file.
 */
#include <stdio.h>

#include <jpeglib.h>
#include <png.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct Pixels { int width, height; uint8_t *rgb; } Pixels;

static _Noreturn void fail(const char *path, const char *what)
{
    fprintf(stderr, "make_picture: %s: %s\n", path, what);
    exit(2);
}

static uint8_t shade(int level, int x, int y)
{
    int v = level + (x * 7 + y * 13) % 17 - 8;
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

static Pixels paint(int width, int height, const int colour[3])
{
    Pixels p = {width, height, malloc((size_t)width * (size_t)height * 3)};
    for (int i = 0; p.rgb && i < width * height * 3; i++)
        p.rgb[i] = shade(colour[i % 3], i / 3 % width, i / 3 / width);
    return p;
}

static void write_png(const char *path, const Pixels *p)
{
    png_image image = {.version = PNG_IMAGE_VERSION, .width = (png_uint_32)p->width, .height = (png_uint_32)p->height, .format = PNG_FORMAT_RGB};
    if (!png_image_write_to_file(&image, path, 0, p->rgb, 0, NULL)) fail(path, image.message);
}

static void write_jpeg(const char *path, const Pixels *p)
{
    struct jpeg_compress_struct c;
    struct jpeg_error_mgr errors;
    FILE *out = fopen(path, "wb");
    if (!out) fail(path, "cannot be written");
    c.err = jpeg_std_error(&errors);
    jpeg_create_compress(&c);
    jpeg_stdio_dest(&c, out);
    c.image_width = (JDIMENSION)p->width;
    c.image_height = (JDIMENSION)p->height;
    c.input_components = 3;
    c.in_color_space = JCS_RGB;
    jpeg_set_defaults(&c);
    jpeg_start_compress(&c, TRUE);
    for (int y = 0; y < p->height; y++) {
        JSAMPROW row = p->rgb + (size_t)y * (size_t)p->width * 3;
        jpeg_write_scanlines(&c, &row, 1);
    }
    jpeg_finish_compress(&c);
    jpeg_destroy_compress(&c);
    if (fclose(out) != 0) fail(path, "cannot be written");
}

int main(int argc, char **argv)
{
    if (argc != 7) fail("usage", "make_picture FILE WIDTH HEIGHT RED GREEN BLUE");
    const int colour[3] = {atoi(argv[4]), atoi(argv[5]), atoi(argv[6])};
    Pixels p = paint(atoi(argv[2]), atoi(argv[3]), colour);
    size_t n = strlen(argv[1]);
    if (!p.rgb || p.width < 1 || p.height < 1) fail(argv[1], "no such size");
    if (n > 4 && strcmp(argv[1] + n - 4, ".png") == 0) write_png(argv[1], &p);
    else write_jpeg(argv[1], &p);
    free(p.rgb);
    return 0;
}
