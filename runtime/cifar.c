/* cifar.c: a file is read whole (at most 30 MB, as the format allows no more), then its records are taken apart. */
#include "cifar.h"
#include "mem.h"
#include "packed.h"

#include <stdlib.h>
#include <string.h>

enum { RECORD = 1 + CIFAR_PIXELS };

/* Whole records, with classes that the network knows. */
static bool records_check(const uint8_t *p, int64_t bytes, const char *path, int64_t classes, Fault *f)
{
    int64_t most = classes < CIFAR_CLASSES ? classes : CIFAR_CLASSES;
    if (bytes == 0 || bytes % RECORD != 0)
        return fault_set(f, EXIT_DATA, "%s: ends at byte %lld; 1 to %d whole records of %d bytes are allowed", path, (long long)bytes, CIFAR_RECORDS,
                         RECORD);
    for (int64_t at = 0; at < bytes; at += RECORD)
        if (p[at] >= most)
            return fault_set(f, EXIT_DATA, "%s: byte %lld: class %d of record %lld; 0 to %lld are allowed", path, (long long)at, p[at],
                             (long long)(at / RECORD), (long long)(most - 1));
    return true;
}

static void records_add(CifarImages *all, const uint8_t *p, int64_t n)
{
    all->pixels = mem_grow(all->pixels, (size_t)((all->count + n) * CIFAR_PIXELS), 1);
    all->classes = mem_grow(all->classes, (size_t)(all->count + n), 1);
    for (int64_t i = 0; i < n; i++, p += RECORD) {
        all->classes[all->count] = p[0];
        memcpy(all->pixels + all->count++ * CIFAR_PIXELS, p + 1, CIFAR_PIXELS);
    }
}

bool cifar_add(CifarImages *all, const char *path, int64_t limit, int64_t classes, Fault *f)
{
    int64_t most = limit >= 0 && limit - all->count < CIFAR_RECORDS ? limit - all->count : CIFAR_RECORDS, got = 0;
    uint8_t *bytes = NULL;
    Packed in;
    bool ok;
    if (!packed_open(&in, path, f))
        return false;
    ok = packed_upto(&in, most * RECORD, &bytes, &got, f) && (most < CIFAR_RECORDS || packed_end(&in, f)) &&
         records_check(bytes, got, path, classes, f);
    packed_close(&in);
    if (ok)
        records_add(all, bytes, got / RECORD);
    free(bytes);
    return ok;
}

void cifar_free(CifarImages *all)
{
    free(all->pixels);
    free(all->classes);
    *all = (CifarImages){0};
}
