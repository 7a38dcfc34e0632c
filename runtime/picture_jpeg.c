/* picture_jpeg.c: JPEG through libjpeg-turbo. It reports errors by a jump to picture_guarded, whose frame holds nothing that changes;
 * all that must outlive the jump lives in a JpegReading. Where libjpeg would warn and go on with grey pixels, this is an
 * error too; only stray bytes between segments, which many cameras leave, are passed over. */
#include "picture_decode.h"
#include "mem.h"

#include <stdio.h>

#include <jerror.h>
#include <jpeglib.h>
#include <setjmp.h>
#include <stdlib.h>

/* No file holds more pixels in a byte: a block of 8x8 takes at least a bit, and at least one in four pixels has a block. Only
 * arithmetic coding, which nobody uses, can do better. */
enum { PIXELS_PER_BYTE = 8 * 64 * 4, SCANS_MAX = 100, MEMORY_MAX = 768 << 20 };

typedef struct JpegReading {
    struct jpeg_decompress_struct c; /* first, so that a j_common_ptr is a JpegReading */
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf back;
    const PictureBytes *in;
    RawPicture *out;
    uint8_t *ink; /* a row of CMYK */
    Fault *f;
} JpegReading;

/* Where the decoder stands in the file: behind the last whole block that it has read. At the end libjpeg reads from a buffer of its own. */
static size_t jpeg_place(const JpegReading *r)
{
    const uint8_t *at = r->c.src && r->errors.msg_code != JWRN_JPEG_EOF ? r->c.src->next_input_byte : NULL;
    return at >= r->in->bytes && at <= r->in->bytes + r->in->n ? (size_t)(at - r->in->bytes) : r->in->n;
}

static _Noreturn void on_error(j_common_ptr c)
{
    JpegReading *r = (JpegReading *)c;
    char text[JMSG_LENGTH_MAX];
    c->err->format_message(c, text);
    fault_set(r->f, EXIT_DATA, "%s: byte %zu: damaged JPEG file: %s", r->in->path, jpeg_place(r), text);
    longjmp(r->back, 1);
}

static void on_message(j_common_ptr c, int level)
{
    if (level < 0 && c->err->msg_code != JWRN_EXTRANEOUS_DATA)
        on_error(c);
}

/* Many scans over one picture are how a small file keeps a decoder busy for long. */
static void on_progress(j_common_ptr c)
{
    JpegReading *r = (JpegReading *)c;
    if (r->c.input_scan_number <= SCANS_MAX)
        return;
    fault_set(r->f, EXIT_DATA, "%s: byte %zu: more than %d scans, which are as many as are allowed", r->in->path, jpeg_place(r), SCANS_MAX);
    longjmp(r->back, 1);
}

static bool read_header(JpegReading *r)
{
    struct jpeg_decompress_struct *c = &r->c;
    jpeg_mem_src(c, r->in->bytes, (unsigned long)r->in->n);
    jpeg_read_header(c, TRUE);
    if (c->num_components != 1 && c->num_components != 3 && c->num_components != 4)
        return fault_set(r->f, EXIT_DATA, "%s: byte %zu: a JPEG file of %d components; 1 (grey), 3 (colour) and 4 (CMYK) are supported", r->in->path,
                         jpeg_place(r), c->num_components);
    if (!raw_picture_check(r->in, c->image_width, c->image_height, c->arith_code ? PICTURE_PIXELS_MAX : (int64_t)r->in->n * PIXELS_PER_BYTE,
                           jpeg_place(r), r->f))
        return false;
    c->out_color_space = c->num_components == 1 ? JCS_GRAYSCALE : c->num_components == 3 ? JCS_RGB : JCS_CMYK;
    raw_picture_new(r->out, c->image_width, c->image_height, c->num_components == 1 ? 1 : 3);
    return true;
}

/* a * b / 255, rounded. */
static unsigned scaled(unsigned a, unsigned b)
{
    unsigned t = a * b + 128;
    return ((t >> 8) + t) >> 8;
}

/* Inks as JPEG files have them, inverted (255 is none), as light: what Pillow's conversion gives. */
static void ink_to_light(const uint8_t *cmyk, int64_t n, uint8_t *rgb)
{
    for (int64_t i = 0; i < n; i++)
        for (int k = 0; k < 3; k++)
            rgb[3 * i + k] = (uint8_t)(cmyk[4 * i + 3] - scaled(255u - cmyk[4 * i + k], cmyk[4 * i + 3]));
}

static bool read_rows(JpegReading *r)
{
    int64_t width = r->out->width, row = width * r->out->channels;
    jpeg_start_decompress(&r->c);
    if (r->c.num_components == 4)
        r->ink = mem_get((size_t)width, 4);
    while (r->c.output_scanline < r->c.output_height) {
        uint8_t *to = r->out->pixels + (int64_t)r->c.output_scanline * row;
        JSAMPROW into = r->ink ? r->ink : to;
        jpeg_read_scanlines(&r->c, &into, 1);
        if (r->ink)
            ink_to_light(r->ink, width, to);
    }
    jpeg_finish_decompress(&r->c);
    return true;
}

static bool picture_guarded(JpegReading *r)
{
    if (setjmp(r->back))
        return false;
    jpeg_create_decompress(&r->c);
    r->c.mem->max_memory_to_use = MEMORY_MAX;
    r->c.progress = &r->progress;
    return read_header(r) && read_rows(r);
}

bool picture_jpeg(const PictureBytes *in, RawPicture *out, Fault *f)
{
    JpegReading r = {.in = in, .out = out, .f = f, .progress = {.progress_monitor = on_progress}};
    bool ok;
    r.c.err = jpeg_std_error(&r.errors);
    r.errors.error_exit = on_error;
    r.errors.emit_message = on_message;
    ok = picture_guarded(&r);
    jpeg_destroy_decompress(&r.c);
    free(r.ink);
    return ok;
}
