/* packed.c: zlib's gzread, which reads plain files too.
 *
 * One byte more than is needed is asked for at the end, which both finds a file that is too long and makes zlib check its sum. What
 * lies behind that byte is never unpacked, so a small file that unpacks to gigabytes costs no more than what was asked for. */
#include "packed.h"
#include "mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { PACKED_CHUNK = 1 << 20, PACKED_STEP = 1 << 30 };

bool packed_open(Packed *in, const char *path, Fault *f)
{
    *in = (Packed){path, gzopen(path, "rb"), 0};
    if (!in->gz)
        return fault_set(f, errno == ENOENT || errno == ENOTDIR ? EXIT_DATA : EXIT_IO, "%s: cannot be opened: %s", path, strerror(errno));
    gzbuffer(in->gz, 1 << 17);
    return true;
}

void packed_close(Packed *in)
{
    gzclose_r(in->gz);
    in->gz = NULL;
}

/* Why fewer bytes came than are needed. */
static bool packed_short(const Packed *in, int64_t wanted, Fault *f)
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

/* As many of n bytes as there are. False only where reading fails. */
static bool packed_some(Packed *in, uint8_t *p, int64_t n, int64_t wanted, int64_t *got, Fault *f)
{
    *got = 0;
    while (*got < n) {
        int code, more = gzread(in->gz, p + *got, (unsigned)(n - *got));
        gzerror(in->gz, &code);
        if (more < 0 || (more == 0 && code != Z_OK))
            return packed_short(in, wanted, f);
        if (more == 0)
            break;
        in->offset += more;
        *got += more;
    }
    return true;
}

bool packed_bytes(Packed *in, uint8_t *p, int64_t n, int64_t wanted, Fault *f)
{
    int64_t got;
    return packed_some(in, p, n, wanted, &got, f) && (got == n || packed_short(in, wanted, f));
}

bool packed_upto(Packed *in, int64_t n, uint8_t **out, int64_t *got, Fault *f)
{
    int64_t cap = n < PACKED_CHUNK ? n : PACKED_CHUNK, have = 0, whole = in->offset + n;
    uint8_t *p = mem_get((size_t)cap, 1);
    *out = NULL;
    for (;;) {
        if (!packed_some(in, p + have, cap - have, whole, got, f)) {
            free(p);
            return false;
        }
        have += *got;
        if (have < cap || have == n)
            break;
        cap = cap > n / 2 ? n : cap * 2;
        if (cap - have > PACKED_STEP)
            cap = have + PACKED_STEP;
        p = mem_grow(p, (size_t)cap, 1);
    }
    *got = have;
    *out = p;
    return true;
}

bool packed_body(Packed *in, int64_t n, uint8_t **out, Fault *f)
{
    int64_t got, whole = in->offset + n;
    if (!packed_upto(in, n, out, &got, f))
        return false;
    if (got == n)
        return true;
    free(*out);
    *out = NULL;
    return packed_short(in, whole, f);
}

bool packed_end(Packed *in, Fault *f)
{
    uint8_t extra;
    int code, got = gzread(in->gz, &extra, 1);
    gzerror(in->gz, &code);
    if (got > 0)
        return fault_set(f, EXIT_DATA, "%s: has more than the %lld bytes that it may have", in->path, (long long)in->offset);
    if (got < 0 || code == Z_BUF_ERROR)
        return packed_short(in, in->offset, f);
    return true;
}
