/* idx.c: IDX through zlib's gzread, which reads plain files too.
 *
 * A file is read front to back; `offset` counts the unpacked bytes so far and is the place that messages name. The body's
 * buffer doubles up to what the header promises, so a header that lies costs at most twice the bytes really there; one byte
 * more is asked for at the end, which both finds a file that is too long and makes zlib check its sum. */
#include "idx.h"
#include "mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { IDX_CHUNK = 1 << 20 };

typedef struct IdxFile {
    const char *path;
    gzFile gz;
    int64_t offset; /* unpacked bytes read */
} IdxFile;

static bool idx_open(IdxFile *in, const char *path, Fault *f)
{
    *in = (IdxFile){path, gzopen(path, "rb"), 0};
    if (!in->gz)
        return fault_set(f, errno == ENOENT || errno == ENOTDIR ? EXIT_DATA : EXIT_IO, "%s: cannot be opened: %s", path, strerror(errno));
    gzbuffer(in->gz, 1 << 17);
    return true;
}

/* Why fewer bytes came than the header promises. */
static bool idx_short(const IdxFile *in, int64_t wanted, Fault *f)
{
    int code;
    const char *why = gzerror(in->gz, &code);
    if (code == Z_ERRNO)
        return fault_set(f, EXIT_IO, "%s: byte %lld: cannot be read: %s", in->path, (long long)in->offset, strerror(errno));
    if (code == Z_BUF_ERROR)
        return fault_set(f, EXIT_DATA, "%s: the compressed file is cut short: it ends at unpacked byte %lld, %lld are needed", in->path,
                         (long long)in->offset, (long long)wanted);
    if (code != Z_OK)
        return fault_set(f, EXIT_DATA, "%s: the compressed data is damaged at unpacked byte %lld (%s)", in->path, (long long)in->offset, why);
    return fault_set(f, EXIT_DATA, "%s: ends at byte %lld, %lld bytes are needed", in->path, (long long)in->offset, (long long)wanted);
}

/* n bytes (at most 1 GiB) to p; `wanted` is the whole length that the file should have. */
static bool idx_bytes(IdxFile *in, uint8_t *p, int64_t n, int64_t wanted, Fault *f)
{
    while (n > 0) {
        int got = gzread(in->gz, p, (unsigned)n);
        if (got <= 0)
            return idx_short(in, wanted, f);
        in->offset += got;
        p += got;
        n -= got;
    }
    return true;
}

static bool idx_word(IdxFile *in, int64_t header, int64_t *value, Fault *f)
{
    uint8_t b[4];
    if (!idx_bytes(in, b, 4, header, f))
        return false;
    *value = (int64_t)b[0] << 24 | (int64_t)b[1] << 16 | (int64_t)b[2] << 8 | (int64_t)b[3];
    return true;
}

static bool idx_magic(IdxFile *in, int64_t header, int64_t magic, const char *what, Fault *f)
{
    int64_t found;
    if (!idx_word(in, header, &found, f))
        return false;
    if (found != magic)
        return fault_set(f, EXIT_DATA, "%s: byte 0: this is no IDX file of %s: its first word is 0x%08llx, 0x%08llx was expected", in->path,
                         what, (unsigned long long)found, (unsigned long long)magic);
    return true;
}

/* The body of n bytes, in a buffer that grows with what arrives. */
static bool idx_body(IdxFile *in, int64_t n, uint8_t **out, Fault *f)
{
    int64_t cap = n < IDX_CHUNK ? n : IDX_CHUNK, have = 0, whole = in->offset + n;
    uint8_t *p = mem_get((size_t)cap, 1);
    for (;;) {
        if (!idx_bytes(in, p + have, cap - have, whole, f)) {
            free(p);
            return false;
        }
        have = cap;
        if (have == n)
            break;
        cap = cap > n / 2 ? n : cap * 2;
        if (cap - have > 1 << 30)
            cap = have + (1 << 30);
        p = mem_grow(p, (size_t)cap, 1);
    }
    *out = p;
    return true;
}

/* Nothing may follow; zlib compares the check sum on the way. */
static bool idx_end(IdxFile *in, Fault *f)
{
    uint8_t extra;
    int code, got = gzread(in->gz, &extra, 1);
    gzerror(in->gz, &code);
    if (got > 0)
        return fault_set(f, EXIT_DATA, "%s: has more than the %lld bytes that its header promises", in->path, (long long)in->offset);
    if (got < 0 || code == Z_BUF_ERROR)
        return idx_short(in, in->offset, f);
    return true;
}

/* The header of an image file, and whether its pictures fit. */
static bool idx_image_header(IdxFile *in, int64_t channels, int64_t want_height, int64_t want_width, IdxImages *out, Fault *f)
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
    IdxFile in;
    bool ok;
    if (!idx_open(&in, path, f))
        return false;
    out->pixels = NULL;
    ok = idx_image_header(&in, channels, want_height, want_width, out, f);
    if (ok) {
        out->count = limit >= 0 && limit < out->total ? limit : out->total;
        ok = idx_body(&in, out->count * out->height * out->width, &out->pixels, f) && (out->count < out->total || idx_end(&in, f));
    }
    gzclose_r(in.gz);
    if (!ok)
        free(out->pixels);
    return ok;
}

static bool idx_label_body(IdxFile *in, int64_t total, int64_t count, int64_t classes, const char *images_path, uint8_t **labels, Fault *f)
{
    int64_t found;
    if (!idx_magic(in, 8, 0x801, "labels", f) || !idx_word(in, 8, &found, f))
        return false;
    if (found != total)
        return fault_set(f, EXIT_DATA, "%s: byte 4: %lld labels, but %s holds %lld images", in->path, (long long)found, images_path,
                         (long long)total);
    if (!idx_body(in, count, labels, f) || (count == total && !idx_end(in, f)))
        return false;
    for (int64_t i = 0; i < count; i++)
        if ((*labels)[i] >= classes)
            return fault_set(f, EXIT_DATA, "%s: byte %lld: label %d of image %lld; 0 to %lld are allowed", in->path, (long long)(8 + i),
                             (*labels)[i], (long long)i, (long long)(classes - 1));
    return true;
}

bool idx_labels(const char *path, int64_t total, int64_t count, int64_t classes, const char *images_path, uint8_t **labels, Fault *f)
{
    IdxFile in;
    bool ok;
    *labels = NULL;
    if (!idx_open(&in, path, f))
        return false;
    ok = idx_label_body(&in, total, count, classes, images_path, labels, f);
    gzclose_r(in.gz);
    if (!ok) {
        free(*labels);
        *labels = NULL;
    }
    return ok;
}
