/* picture_png.c: PNG through libpng. It reports errors by a jump to picture_guarded, whose frame holds nothing that changes; all
 * that must outlive the jump lives in a PngReading. Chunks that do not touch the pixels are passed over, unpacked text and colour profiles
 * included. */
#include "picture_decode.h"
#include "mem.h"

#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

enum { DEFLATE_RATIO = 1032, IHDR_SIZE = 16 }; /* no byte of deflate unpacks to more; where IHDR has width and height */

typedef struct PngReading {
    const PictureBytes *in;
    size_t at; /* bytes taken so far */
    RawPicture *out;
    png_structp png;
    png_infop info;
    png_bytep *rows; /* [height], into out->pixels */
    Fault *f;
} PngReading;

static _Noreturn void on_error(png_structp png, png_const_charp text)
{
    PngReading *r = png_get_error_ptr(png);
    fault_set(r->f, EXIT_DATA, "%s: byte %zu: damaged PNG file: %s", r->in->path, r->at, text);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp text)
{
    (void)png;
    (void)text;
}

static void on_read(png_structp png, png_bytep to, size_t n)
{
    PngReading *r = png_get_io_ptr(png);
    if (n > r->in->n - r->at) {
        r->at = r->in->n;
        png_error(png, "it ends here");
    }
    memcpy(to, r->in->bytes + r->at, n);
    r->at += n;
}

/* Whatever the file has, rows become 8 bits of grey or colour. */
static void set_transformations(const PngReading *r)
{
    png_byte type = png_get_color_type(r->png, r->info), depth = png_get_bit_depth(r->png, r->info);
    if (type == PNG_COLOR_TYPE_PALETTE)
        png_set_palette_to_rgb(r->png);
    if (type == PNG_COLOR_TYPE_GRAY && depth < 8)
        png_set_expand_gray_1_2_4_to_8(r->png);
    if (depth == 16)
        png_set_strip_16(r->png);
    png_set_strip_alpha(r->png);
    (void)png_set_interlace_handling(r->png);
    png_read_update_info(r->png, r->info);
}

static bool read_header(PngReading *r)
{
    int64_t width, height, bits;
    png_set_user_limits(r->png, PNG_UINT_31_MAX, PNG_UINT_31_MAX); /* raw_picture_check has the limits and the better message */
    png_set_keep_unknown_chunks(r->png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_set_read_fn(r->png, r, on_read);
    png_read_info(r->png, r->info);
    width = png_get_image_width(r->png, r->info);
    height = png_get_image_height(r->png, r->info);
    bits = png_get_channels(r->png, r->info) * png_get_bit_depth(r->png, r->info);
    if (!raw_picture_check(r->in, width, height, (int64_t)r->in->n * DEFLATE_RATIO * 8 / bits, IHDR_SIZE, r->f))
        return false;
    set_transformations(r);
    raw_picture_new(r->out, width, height, png_get_channels(r->png, r->info));
    return true;
}

static bool read_rows(PngReading *r)
{
    int64_t row = r->out->width * r->out->channels;
    if ((r->out->channels != 1 && r->out->channels != 3) || (int64_t)png_get_rowbytes(r->png, r->info) != row)
        png_error(r->png, "rows of an unexpected length");
    r->rows = mem_get((size_t)r->out->height, sizeof *r->rows);
    for (int64_t i = 0; i < r->out->height; i++)
        r->rows[i] = r->out->pixels + i * row;
    png_read_image(r->png, r->rows);
    png_read_end(r->png, NULL);
    return true;
}

static bool picture_guarded(PngReading *r)
{
    if (setjmp(png_jmpbuf(r->png)))
        return false;
    return read_header(r) && read_rows(r);
}

bool picture_png(const PictureBytes *in, RawPicture *out, Fault *f)
{
    PngReading r = {.in = in, .out = out, .f = f};
    bool ok;
    r.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &r, on_error, on_warning);
    r.info = r.png ? png_create_info_struct(r.png) : NULL;
    if (!r.info) {
        png_destroy_read_struct(&r.png, NULL, NULL);
        return fault_set(f, EXIT_ENV, "%s: libpng cannot start: it is another version than " PNG_LIBPNG_VER_STRING ", or there is no memory", in->path);
    }
    ok = picture_guarded(&r);
    png_destroy_read_struct(&r.png, &r.info, NULL);
    free(r.rows);
    return ok;
}
