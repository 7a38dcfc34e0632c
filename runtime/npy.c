/* npy.c: a magic string, a version, a length, a Python dictionary as text, then the elements.
 *
 * The dictionary is parsed by hand: exactly the keys 'descr', 'fortran_order' and 'shape', in any order. The file's real length
 * is compared with the header before memory for the elements is asked for. Only regular files are read, so that there is a length. */
#include "npy.h"
#include "atomic_file.h"
#include "mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { NPY_HEADER_MAX = 1 << 16 };

typedef struct NpyText { const char *path, *start, *p; long base; Fault *f; } NpyText; /* base: byte offset of start in the file */

static const struct { const char *descr; NpyType type; int bytes; } npy_types[] = {
    {"<f4", NPY_F4, 4}, {"<f8", NPY_F8, 8}, {"<i4", NPY_I4, 4}, {"<i8", NPY_I8, 8}, {"|u1", NPY_U1, 1}, {"u1", NPY_U1, 1}, {"<u1", NPY_U1, 1},
};

static int npy_bytes(NpyType t)
{
    return t == NPY_U1 ? 1 : t == NPY_F4 || t == NPY_I4 ? 4 : 8;
}

static bool npy_bad(const NpyText *t, const char *expected)
{
    char found[24];
    snprintf(found, sizeof found, "%.20s", t->p);
    return fault_set(t->f, EXIT_DATA, "%s: byte %ld: the .npy header has '%s' where %s was expected", t->path, t->base + (t->p - t->start), found,
                     expected);
}

static bool npy_take(NpyText *t, const char *word)
{
    t->p += strspn(t->p, " \n");
    if (strncmp(t->p, word, strlen(word)) != 0)
        return false;
    t->p += strlen(word);
    return true;
}

static bool npy_descr(NpyText *t, NpyArray *a)
{
    char descr[16];
    size_t n;
    t->p += strspn(t->p, " ");
    n = strcspn(t->p + (*t->p != 0), "'\"");
    if ((*t->p != '\'' && *t->p != '"') || t->p[n + 1] != *t->p || n >= sizeof descr)
        return npy_bad(t, "the name of a type");
    memcpy(descr, t->p + 1, n);
    descr[n] = 0;
    for (size_t i = 0; i < sizeof npy_types / sizeof *npy_types; i++) {
        if (strcmp(descr, npy_types[i].descr) == 0) {
            a->type = npy_types[i].type;
            t->p += n + 2;
            return true;
        }
    }
    return fault_set(t->f, EXIT_DATA, "%s: byte %ld: elements of type '%s'; <f4, <f8, <i4, <i8 and |u1 are supported", t->path,
                     t->base + (t->p - t->start), descr);
}

static bool npy_dim(NpyText *t, int64_t *out)
{
    int64_t v = 0;
    if (*t->p < '0' || *t->p > '9')
        return npy_bad(t, "a dimension");
    for (; *t->p >= '0' && *t->p <= '9'; t->p++)
        if (__builtin_mul_overflow(v, (int64_t)10, &v) || __builtin_add_overflow(v, (int64_t)(*t->p - '0'), &v))
            return npy_bad(t, "a smaller dimension");
    *out = v;
    return true;
}

static bool npy_shape(NpyText *t, NpyArray *a)
{
    a->rank = 0;
    a->count = 1;
    if (!npy_take(t, "("))
        return npy_bad(t, "'('");
    while (!npy_take(t, ")")) {
        if (a->rank == NPY_RANK)
            return npy_bad(t, "at most 8 dimensions");
        t->p += strspn(t->p, " ");
        if (!npy_dim(t, &a->dim[a->rank]))
            return false;
        if (__builtin_mul_overflow(a->count, a->dim[a->rank], &a->count) || a->count > INT64_MAX / 16)
            return npy_bad(t, "a shape whose product is smaller");
        a->rank++;
        if (!npy_take(t, ",")) {
            if (!npy_take(t, ")"))
                return npy_bad(t, "',' or ')'");
            return true;
        }
    }
    return true;
}

static bool npy_entry(NpyText *t, NpyArray *a, unsigned *seen)
{
    static const char *const keys[3] = {"descr", "fortran_order", "shape"};
    char quoted[24];
    unsigned k = 0;
    for (; k < 3; k++) {
        snprintf(quoted, sizeof quoted, "'%s'", keys[k]);
        if (npy_take(t, quoted))
            break;
    }
    if (k == 3 || *seen & 1u << k)
        return npy_bad(t, "'descr', 'fortran_order' or 'shape', each once,");
    *seen |= 1u << k;
    if (!npy_take(t, ":"))
        return npy_bad(t, "':'");
    if (k == 0)
        return npy_descr(t, a);
    if (k == 2)
        return npy_shape(t, a);
    if (npy_take(t, "False"))
        return true;
    t->p += strspn(t->p, " ");
    return npy_bad(t, "False (only C order is supported)");
}

static bool npy_dictionary(NpyText *t, NpyArray *a)
{
    unsigned seen = 0;
    if (!npy_take(t, "{"))
        return npy_bad(t, "'{'");
    while (!npy_take(t, "}")) {
        if (!npy_entry(t, a, &seen))
            return false;
        if (!npy_take(t, ",") && *(t->p += strspn(t->p, " \n")) != '}')
            return npy_bad(t, "',' or '}'");
    }
    t->p += strspn(t->p, " \n");
    return seen == 7 && *t->p == 0 ? true : npy_bad(t, seen == 7 ? "the end" : "all of 'descr', 'fortran_order' and 'shape' before");
}

/* The fixed part: magic, version, length of the dictionary. Leaves the file at the dictionary. */
static bool npy_prefix(FILE *in, const char *path, int64_t *length, long *base, Fault *f)
{
    unsigned char b[12];
    if (fread(b, 1, 10, in) != 10 || memcmp(b, "\x93NUMPY", 6) != 0)
        return fault_set(f, EXIT_DATA, "%s: byte 0: this is no .npy file", path);
    if (b[6] < 1 || b[6] > 3)
        return fault_set(f, EXIT_DATA, "%s: byte 6: .npy version %d; 1, 2 and 3 are supported", path, b[6]);
    *length = b[8] | b[9] << 8;
    *base = 10;
    if (b[6] > 1) {
        if (fread(b + 10, 1, 2, in) != 2)
            return fault_set(f, EXIT_DATA, "%s: ends at byte 10, inside the header", path);
        *length |= (int64_t)b[10] << 16 | (int64_t)b[11] << 24;
        *base = 12;
    }
    if (*length > NPY_HEADER_MAX)
        return fault_set(f, EXIT_DATA, "%s: byte 8: a header of %lld bytes; at most %d are supported", path, (long long)*length, NPY_HEADER_MAX);
    return true;
}

static bool npy_header(FILE *in, const char *path, NpyArray *a, Fault *f)
{
    int64_t length = 0;
    long base = 0;
    char *text;
    bool ok;
    if (!npy_prefix(in, path, &length, &base, f))
        return false;
    text = mem_get((size_t)length + 1, 1);
    if ((int64_t)fread(text, 1, (size_t)length, in) != length)
        ok = fault_set(f, EXIT_DATA, "%s: ends inside the header, which has %lld bytes", path, (long long)(base + length));
    else
        ok = npy_dictionary(&(NpyText){path, text, text, base, f}, a);
    free(text);
    a->start = base + length;
    return ok;
}

static bool npy_elements(FILE *in, int64_t size, const char *path, NpyArray *a, Fault *f)
{
    int64_t bytes = a->count * npy_bytes(a->type);
    if (size - a->start != bytes)
        return fault_set(f, EXIT_DATA, "%s: the file has %lld bytes, its header promises %lld", path, (long long)size,
                         (long long)(a->start + bytes));
    a->data = mem_get((size_t)bytes, 1);
    if ((int64_t)fread(a->data, 1, (size_t)bytes, in) != bytes)
        return fault_set(f, EXIT_IO, "%s: cannot be read to its end: %s", path, ferror(in) ? strerror(errno) : "it got shorter");
    return true;
}

/* The file's length in bytes. */
static bool npy_size(FILE *in, const char *path, int64_t *size, Fault *f)
{
    struct stat s;
    if (fstat(fileno(in), &s) != 0)
        return fault_set(f, EXIT_IO, "%s: %s", path, strerror(errno));
    if (!S_ISREG(s.st_mode))
        return fault_set(f, EXIT_DATA, "%s: this is no regular file", path);
    *size = s.st_size;
    return true;
}

bool npy_read(const char *path, NpyArray *a, Fault *f)
{
    FILE *in = fopen(path, "rb");
    int64_t size = 0;
    bool ok;
    *a = (NpyArray){.data = NULL};
    if (!in)
        return fault_set(f, errno == ENOENT || errno == ENOTDIR ? EXIT_DATA : EXIT_IO, "%s: cannot be opened: %s", path, strerror(errno));
    ok = npy_size(in, path, &size, f) && npy_header(in, path, a, f) && npy_elements(in, size, path, a, f);
    fclose(in);
    if (!ok)
        npy_free(a);
    return ok;
}

void npy_free(NpyArray *a)
{
    free(a->data);
    a->data = NULL;
}

/* Element i as an integer; floats are not asked for. */
static int64_t npy_integer(const NpyArray *a, int64_t i)
{
    switch (a->type) {
    case NPY_I4: return ((const int32_t *)a->data)[i];
    case NPY_I8: return ((const int64_t *)a->data)[i];
    default: return ((const uint8_t *)a->data)[i];
    }
}

float *npy_floats(NpyArray *a)
{
    float *out;
    if (a->type == NPY_F4) {
        out = a->data;
        a->data = NULL;
        return out;
    }
    out = mem_get((size_t)a->count, sizeof *out);
    for (int64_t i = 0; i < a->count; i++)
        out[i] = a->type == NPY_F8 ? (float)((const double *)a->data)[i] : (float)npy_integer(a, i);
    npy_free(a);
    return out;
}

bool npy_classes(NpyArray *a, const char *path, int64_t classes, int32_t **labels, Fault *f)
{
    *labels = NULL;
    if (a->type == NPY_F4 || a->type == NPY_F8)
        return fault_set(f, EXIT_DATA, "%s: classes must be integers (i4, i8 or u1), these are floats", path);
    *labels = mem_get((size_t)a->count, sizeof **labels);
    for (int64_t i = 0; i < a->count; i++) {
        int64_t v = npy_integer(a, i);
        if (v < 0 || v >= classes) {
            free(*labels);
            *labels = NULL;
            return fault_set(f, EXIT_DATA, "%s: byte %lld: class %lld of row %lld; 0 to %lld are allowed", path,
                             (long long)(a->start + i * npy_bytes(a->type)), (long long)v, (long long)i, (long long)(classes - 1));
        }
        (*labels)[i] = (int32_t)v;
    }
    npy_free(a);
    return true;
}

bool npy_write(const char *path, int rank, const int64_t *dim, const float *data, Fault *f)
{
    AtomicFile out;
    char shape[NPY_RANK * 24] = "", text[NPY_RANK * 24 + 128];
    int64_t count = 1;
    size_t n;
    for (int i = 0, at = 0; i < rank; i++) {
        at += snprintf(shape + at, sizeof shape - (size_t)at, rank == 1 ? "%lld," : i ? ", %lld" : "%lld", (long long)dim[i]);
        count *= dim[i];
    }
    n = (size_t)snprintf(text, sizeof text, "{'descr': '<f4', 'fortran_order': False, 'shape': (%s), }", shape);
    while ((n + 11) % 64 != 0) /* the elements start at a multiple of 64 bytes */
        text[n++] = ' ';
    text[n++] = '\n';
    if (!atomic_open(&out, path, f))
        return false;
    fwrite("\x93NUMPY\1\0", 1, 8, out.out);
    fputc((int)(n & 255), out.out);
    fputc((int)(n >> 8), out.out);
    fwrite(text, 1, n, out.out);
    fwrite(data, sizeof *data, (size_t)count, out.out);
    return atomic_commit(&out, f);
}
