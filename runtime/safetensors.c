/* safetensors.c: reading is all about distrust. The header's length is bounded by the file's and by 16 MiB before memory is asked for;
 * names are compared after sorting, so a header with a million of them costs n log n; the tensors' ranges, sorted, must
 * be one dense row from 0 to the end of the file. Elements are read straight to where they are wanted. */
#include "safetensors.h"
#include "atomic_file.h"
#include "json.h"
#include "mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEADER_MAX ((int64_t)16 << 20)

typedef struct Header { StFile *s; Json j; int64_t cap, text_cap; Fault *f; } Header;

static bool header_bad(const Header *h, const char *expected)
{
    return fault_set(h->f, EXIT_DATA, "%s: byte %lld: the safetensors header does not have %s here", h->s->path,
                     (long long)(8 + (h->j.at - h->j.start)), expected);
}

static bool header_shape(Header *h, StTensor *t)
{
    t->rank = 0;
    if (!json_take(&h->j, '['))
        return header_bad(h, "'['");
    if (json_take(&h->j, ']'))
        return true;
    do {
        if (t->rank == ST_RANK)
            return header_bad(h, "at most 8 dimensions");
        if (!json_integer(&h->j, &t->dim[t->rank++]))
            return header_bad(h, "a dimension");
    } while (json_take(&h->j, ','));
    return json_take(&h->j, ']') ? true : header_bad(h, "',' or ']'");
}

static bool header_offsets(Header *h, StTensor *t)
{
    Json *j = &h->j;
    if (json_take(j, '[') && json_integer(j, &t->begin) && json_take(j, ',') && json_integer(j, &t->end) && json_take(j, ']') &&
        t->begin <= t->end)
        return true;
    return header_bad(h, "two ascending offsets");
}

static bool header_type(Header *h)
{
    char *type;
    bool ok;
    if (!json_string(&h->j, &type))
        return header_bad(h, "the name of a type");
    ok = strcmp(type, "F32") == 0;
    if (!ok)
        fault_set(h->f, EXIT_DATA, "%s: byte %lld: a tensor of type %.16s; only F32 is supported", h->s->path,
                  (long long)(8 + (h->j.at - h->j.start)), type);
    free(type);
    return ok;
}

/* Do the offsets hold just the elements that the shape has? */
static bool tensor_sized(const Header *h, const StTensor *t)
{
    int64_t n = 4;
    for (int i = 0; i < t->rank; i++)
        if (__builtin_mul_overflow(n, t->dim[i], &n))
            return header_bad(h, "a shape that a file could hold");
    if (n != t->end - t->begin)
        return fault_set(h->f, EXIT_DATA, "%s: byte %lld: tensor '%.100s' has %lld bytes, its shape needs %lld", h->s->path,
                         (long long)(8 + (h->j.at - h->j.start)), t->name, (long long)(t->end - t->begin), (long long)n);
    return true;
}

static bool header_field(Header *h, StTensor *t, unsigned *seen)
{
    static const char *const keys[3] = {"dtype", "shape", "data_offsets"};
    char *key;
    unsigned k = 0;
    if (!json_string(&h->j, &key))
        return header_bad(h, "a field's name");
    while (k < 3 && strcmp(key, keys[k]) != 0)
        k++;
    free(key);
    if (k == 3 || *seen & 1u << k || !json_take(&h->j, ':'))
        return header_bad(h, "dtype, shape and data_offsets, each once, before ':'");
    *seen |= 1u << k;
    return k == 0 ? header_type(h) : k == 1 ? header_shape(h, t) : header_offsets(h, t);
}

static bool header_tensor(Header *h, char *name)
{
    StFile *s = h->s;
    StTensor *t;
    unsigned seen = 0;
    if (s->count == h->cap)
        s->at = mem_grow(s->at, (size_t)(h->cap = h->cap * 2 + 16), sizeof *s->at);
    t = &s->at[s->count++];
    *t = (StTensor){.name = name};
    if (!json_take(&h->j, '{'))
        return header_bad(h, "'{'");
    do {
        if (!header_field(h, t, &seen))
            return false;
    } while (json_take(&h->j, ','));
    if (!json_take(&h->j, '}') || seen != 7)
        return header_bad(h, "dtype, shape, data_offsets and '}'");
    return tensor_sized(h, t);
}

static bool header_texts(Header *h)
{
    StFile *s = h->s;
    if (!json_take(&h->j, '{'))
        return header_bad(h, "'{'");
    if (json_take(&h->j, '}'))
        return true;
    do {
        StText *t;
        if (s->texts == h->text_cap)
            s->text = mem_grow(s->text, (size_t)(h->text_cap = h->text_cap * 2 + 16), sizeof *s->text);
        t = &s->text[s->texts++];
        *t = (StText){NULL, NULL};
        if (!json_string(&h->j, &t->key) || !json_take(&h->j, ':') || !json_string(&h->j, &t->value))
            return header_bad(h, "a pair of strings");
    } while (json_take(&h->j, ','));
    return json_take(&h->j, '}') ? true : header_bad(h, "',' or '}'");
}

static bool header_entry(Header *h)
{
    char *name;
    bool meta;
    if (!json_string(&h->j, &name))
        return header_bad(h, "a tensor's name");
    meta = strcmp(name, "__metadata__") == 0;
    if (meta)
        free(name);
    if (!json_take(&h->j, ':')) {
        if (!meta)
            free(name);
        return header_bad(h, "':'");
    }
    if (meta && h->s->text)
        return header_bad(h, "__metadata__ once only");
    return meta ? header_texts(h) : header_tensor(h, name);
}

static bool header_parse(Header *h)
{
    if (!json_take(&h->j, '{'))
        return header_bad(h, "'{'");
    if (!json_take(&h->j, '}')) {
        do {
            if (!header_entry(h))
                return false;
        } while (json_take(&h->j, ','));
        if (!json_take(&h->j, '}'))
            return header_bad(h, "',' or '}'");
    }
    return json_end(&h->j) ? true : header_bad(h, "its end");
}

static int by_begin(const void *a, const void *b)
{
    const StTensor *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const StTensor *)a)->name, ((const StTensor *)b)->name);
}

static bool header_order(Header *h, int64_t bytes)
{
    StFile *s = h->s;
    int64_t at = 0;
    if (s->count)
        qsort(s->at, (size_t)s->count, sizeof *s->at, by_begin);
    for (int64_t i = 0; i < s->count; at = s->at[i++].end)
        if (s->at[i].begin != at)
            return fault_set(h->f, EXIT_DATA, "%s: tensor '%.100s' starts at byte %lld of the data, the one before it ends at %lld", s->path,
                             s->at[i].name, (long long)s->at[i].begin, (long long)at);
    if (at != bytes)
        return fault_set(h->f, EXIT_DATA, "%s: the tensors take %lld bytes, the file holds %lld", s->path, (long long)at, (long long)bytes);
    if (s->count)
        qsort(s->at, (size_t)s->count, sizeof *s->at, by_name);
    for (int64_t i = 1; i < s->count; i++)
        if (strcmp(s->at[i - 1].name, s->at[i].name) == 0)
            return fault_set(h->f, EXIT_DATA, "%s: two tensors are named '%.100s'", s->path, s->at[i].name);
    return true;
}

/* n bytes at an offset, however often the system interrupts. */
static bool read_at(const StFile *s, void *to, int64_t n, int64_t offset, Fault *f)
{
    char *p = to;
    while (n > 0) {
        ssize_t got = pread(s->fd, p, (size_t)n, offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return fault_set(f, got < 0 ? EXIT_IO : EXIT_DATA, "%s: byte %lld: cannot be read: %s", s->path, (long long)offset,
                             got < 0 ? strerror(errno) : "the file ends here");
        p += got;
        n -= got;
        offset += got;
    }
    return true;
}

static bool header_read(StFile *s, Fault *f)
{
    struct stat st;
    uint8_t b[8];
    int64_t length = 0;
    Header h = {.s = s, .f = f};
    char *text;
    bool ok;
    if (fstat(s->fd, &st) != 0 || !S_ISREG(st.st_mode))
        return fault_set(f, EXIT_DATA, "%s: this is no regular file", s->path);
    if (!read_at(s, b, 8, 0, f))
        return false;
    for (int i = 7; i >= 0; i--)
        length = (int64_t)((uint64_t)length << 8 | b[i]);
    if (length < 2 || length > HEADER_MAX || length > st.st_size - 8)
        return fault_set(f, EXIT_DATA, "%s: byte 0: a safetensors header of %llu bytes in a file of %lld; 2 to %lld are possible", s->path,
                         (unsigned long long)length, (long long)st.st_size,
                         (long long)(st.st_size - 8 < HEADER_MAX ? st.st_size - 8 : HEADER_MAX));
    text = mem_get((size_t)length, 1);
    ok = read_at(s, text, length, 8, f);
    h.j = (Json){text, text, text + length};
    s->data = 8 + length;
    ok = ok && header_parse(&h) && header_order(&h, st.st_size - s->data);
    free(text);
    return ok;
}

bool st_open(StFile *s, const char *path, Fault *f)
{
    *s = (StFile){.path = mem_printf("%s", path), .fd = open(path, O_RDONLY | O_CLOEXEC)};
    if (s->fd < 0)
        fault_set(f, EXIT_IO, "%s: cannot be opened: %s", path, strerror(errno));
    else if (header_read(s, f))
        return true;
    st_close(s);
    return false;
}

void st_close(StFile *s)
{
    for (int64_t i = 0; i < s->count; i++)
        free(s->at[i].name);
    for (int64_t i = 0; i < s->texts; i++) {
        free(s->text[i].key);
        free(s->text[i].value);
    }
    free(s->at);
    free(s->text);
    free(s->path);
    if (s->fd >= 0)
        close(s->fd);
    *s = (StFile){.fd = -1};
}

const StTensor *st_find(const StFile *s, const char *name)
{
    int64_t lo = 0, hi = s->count;
    while (lo < hi) {
        int64_t mid = lo + (hi - lo) / 2;
        int c = strcmp(name, s->at[mid].name);
        if (c == 0)
            return &s->at[mid];
        if (c < 0)
            hi = mid;
        else
            lo = mid + 1;
    }
    return NULL;
}

const char *st_text(const StFile *s, const char *key)
{
    for (int64_t i = 0; i < s->texts; i++)
        if (strcmp(s->text[i].key, key) == 0)
            return s->text[i].value;
    return NULL;
}

bool st_load(const StFile *s, const StTensor *t, float *out, Fault *f)
{
    return read_at(s, out, t->end - t->begin, s->data + t->begin, f);
}

static int64_t item_bytes(const StItem *t)
{
    int64_t n = 4;
    for (int i = 0; i < t->rank; i++)
        n *= t->dim[i];
    return n;
}

static void header_write(FILE *out, const StItem *items, int64_t count, const StText *texts, int64_t text_count)
{
    int64_t at = 0;
    fprintf(out, "{\"__metadata__\":{");
    for (int64_t i = 0; i < text_count; i++) {
        fputs(i ? "," : "", out);
        json_write_string(out, texts[i].key);
        fputc(':', out);
        json_write_string(out, texts[i].value);
    }
    fputc('}', out);
    for (int64_t i = 0; i < count; at += item_bytes(&items[i++])) {
        fputc(',', out);
        json_write_string(out, items[i].name);
        fprintf(out, ":{\"dtype\":\"F32\",\"shape\":[");
        for (int k = 0; k < items[i].rank; k++)
            fprintf(out, k ? ",%lld" : "%lld", (long long)items[i].dim[k]);
        fprintf(out, "],\"data_offsets\":[%lld,%lld]}", (long long)at, (long long)(at + item_bytes(&items[i])));
    }
    fputc('}', out);
}

bool st_write(const char *path, const StItem *items, int64_t count, const StText *texts, int64_t text_count, Fault *f)
{
    AtomicFile out;
    char *header = NULL;
    size_t n = 0;
    FILE *memory = open_memstream(&header, &n);
    if (!memory)
        return fault_set(f, EXIT_ENV, "out of memory");
    header_write(memory, items, count, texts, text_count);
    fclose(memory);
    if (!atomic_open(&out, path, f)) {
        free(header);
        return false;
    }
    for (size_t i = 0, padded = (n + 7) / 8 * 8; i < 8; i++) /* the data starts at a multiple of 8 bytes */
        fputc((int)(padded >> (8 * i) & 255), out.out);
    fwrite(header, 1, n, out.out);
    for (; n % 8 != 0; n++)
        fputc(' ', out.out);
    for (int64_t i = 0; i < count; i++)
        fwrite(items[i].data, 1, (size_t)item_bytes(&items[i]), out.out);
    free(header);
    return atomic_commit(&out, f);
}
