/* idx.c: a header, then the body that it promises; packed.c keeps a header that lies from costing memory. */
#include "idx.h"
#include "packed.h"

#include <stdlib.h>

static bool idx_word(Packed *in, int64_t header, int64_t *value, Fault *f)
{
    uint8_t b[4];
    if (!packed_bytes(in, b, 4, header, f))
        return false;
    *value = (int64_t)b[0] << 24 | (int64_t)b[1] << 16 | (int64_t)b[2] << 8 | (int64_t)b[3];
    return true;
}

static bool idx_magic(Packed *in, int64_t header, int64_t magic, const char *what, Fault *f)
{
    int64_t found;
    if (!idx_word(in, header, &found, f))
        return false;
    if (found != magic)
        return fault_set(f, EXIT_DATA, "%s: byte 0: this is no IDX file of %s: its first word is 0x%08llx, 0x%08llx was expected", in->path,
                         what, (unsigned long long)found, (unsigned long long)magic);
    return true;
}

/* The header of an image file, and whether its pictures fit. */
static bool idx_image_header(Packed *in, int64_t channels, int64_t want_height, int64_t want_width, IdxImages *out, Fault *f)
{
    const int64_t most = (int64_t)1 << 40;
    if (!idx_magic(in, 16, 0x803, "images", f) || !idx_word(in, 16, &out->total, f) || !idx_word(in, 16, &out->height, f) ||
        !idx_word(in, 16, &out->width, f))
        return false;
    if (out->total < 1)
        return fault_set(f, EXIT_DATA, "%s: byte 4: the file holds 0 images, at least 1 is needed", in->path);
    if (out->height < 1 || out->width < 1 || out->height > 1 << 15 || out->width > 1 << 15)
        return fault_set(f, EXIT_DATA, "%s: byte 8: pictures of %lldx%lld; 1x1 to 32768x32768 are possible", in->path,
                         (long long)out->height, (long long)out->width);
    if (want_height && (out->height != want_height || out->width != want_width))
        return fault_set(f, EXIT_DATA, "%s: byte 8: data gives 1x%lldx%lld, network wants %lldx%lldx%lld", in->path, (long long)out->height,
                         (long long)out->width, (long long)channels, (long long)want_height, (long long)want_width);
    if (out->total > most / (out->height * out->width))
        return fault_set(f, EXIT_DATA, "%s: byte 4: %lld pictures of %lldx%lld bytes are more than the %lld bytes that are possible", in->path,
                         (long long)out->total, (long long)out->height, (long long)out->width, (long long)most);
    return true;
}

bool idx_images(const char *path, int64_t limit, int64_t channels, int64_t want_height, int64_t want_width, IdxImages *out, Fault *f)
{
    Packed in;
    bool ok;
    if (!packed_open(&in, path, f))
        return false;
    out->pixels = NULL;
    ok = idx_image_header(&in, channels, want_height, want_width, out, f);
    if (ok) {
        out->count = limit >= 0 && limit < out->total ? limit : out->total;
        ok = packed_body(&in, out->count * out->height * out->width, &out->pixels, f) && (out->count < out->total || packed_end(&in, f));
    }
    packed_close(&in);
    if (!ok)
        free(out->pixels);
    return ok;
}

static bool idx_label_body(Packed *in, int64_t total, int64_t count, int64_t classes, const char *images_path, uint8_t **labels, Fault *f)
{
    int64_t found;
    if (!idx_magic(in, 8, 0x801, "labels", f) || !idx_word(in, 8, &found, f))
        return false;
    if (found != total)
        return fault_set(f, EXIT_DATA, "%s: byte 4: %lld labels, but %s holds %lld images", in->path, (long long)found, images_path,
                         (long long)total);
    if (!packed_body(in, count, labels, f) || (count == total && !packed_end(in, f)))
        return false;
    for (int64_t i = 0; i < count; i++)
        if ((*labels)[i] >= classes)
            return fault_set(f, EXIT_DATA, "%s: byte %lld: label %d of image %lld; 0 to %lld are allowed", in->path, (long long)(8 + i),
                             (*labels)[i], (long long)i, (long long)(classes - 1));
    return true;
}

bool idx_labels(const char *path, int64_t total, int64_t count, int64_t classes, const char *images_path, uint8_t **labels, Fault *f)
{
    Packed in;
    bool ok;
    *labels = NULL;
    if (!packed_open(&in, path, f))
        return false;
    ok = idx_label_body(&in, total, count, classes, images_path, labels, f);
    packed_close(&in);
    if (!ok) {
        free(*labels);
        *labels = NULL;
    }
    return ok;
}
