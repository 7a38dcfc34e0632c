/* weights_file.c: the reader of weights_file.h. */
#include "weights_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Cursor { const char *path; char *at; } Cursor; /* in the header, which a zero byte ends */

_Noreturn void weights_fail(const char *path, const char *what)
{
    fprintf(stderr, "%s: %s\n", path, what);
    exit(2);
}

/* ---- the header: just the JSON that the format needs ---- */

static void skip_space(Cursor *c)
{
    while (*c->at == ' ' || *c->at == '\n' || *c->at == '\t' || *c->at == '\r') c->at++;
}

static int take(Cursor *c, char sign)
{
    skip_space(c);
    if (*c->at != sign) return 0;
    c->at++;
    return 1;
}

static void expect(Cursor *c, char sign)
{
    if (!take(c, sign)) weights_fail(c->path, "malformed header");
}

/* A string without escapes, ended in place by a zero byte. */
static const char *read_string(Cursor *c)
{
    expect(c, '"');
    const char *start = c->at;
    while (*c->at && *c->at != '"') {
        if (*c->at == '\\') weights_fail(c->path, "escape in a name");
        c->at++;
    }
    if (!*c->at) weights_fail(c->path, "unended string");
    *c->at++ = 0;
    return start;
}

static int read_numbers(Cursor *c, int64_t *out, int max)
{
    int n = 0;
    expect(c, '[');
    if (take(c, ']')) return 0;
    do {
        char *end;
        skip_space(c);
        if (n == max) weights_fail(c->path, "too many numbers in a list");
        out[n++] = strtoll(c->at, &end, 10);
        if (end == c->at) weights_fail(c->path, "malformed number");
        c->at = end;
    } while (take(c, ','));
    expect(c, ']');
    return n;
}

static void skip_metadata(Cursor *c)
{
    expect(c, '{');
    if (take(c, '}')) return;
    do {
        read_string(c);
        expect(c, ':');
        skip_space(c);
        expect(c, '"'); /* a value may hold escapes */
        while (*c->at && *c->at != '"') c->at += *c->at == '\\' && c->at[1] ? 2 : 1;
        expect(c, '"');
    } while (take(c, ','));
    expect(c, '}');
}

static Tensor read_tensor(Cursor *c, const char *name)
{
    Tensor t = {.name = name, .rank = -1, .begin = -1};
    int64_t offsets[2];
    expect(c, '{');
    do {
        const char *key = read_string(c);
        expect(c, ':');
        if (!strcmp(key, "dtype")) {
            if (strcmp(read_string(c), "F32") != 0) weights_fail(c->path, "a tensor that is not F32");
        } else if (!strcmp(key, "shape")) {
            t.rank = read_numbers(c, t.dim, RANK);
        } else if (!strcmp(key, "data_offsets") && read_numbers(c, offsets, 2) == 2) {
            t.begin = offsets[0];
            t.end = offsets[1];
        } else {
            weights_fail(c->path, "unknown key in the header");
        }
    } while (take(c, ','));
    expect(c, '}');
    if (t.rank < 0 || t.begin < 0) weights_fail(c->path, "a tensor without shape or data_offsets");
    return t;
}

/* ---- files ---- */

static char *read_file(const char *path, size_t *n)
{
    FILE *in = fopen(path, "rb");
    if (!in || fseek(in, 0, SEEK_END)) weights_fail(path, "cannot be read");
    long size = ftell(in);
    rewind(in);
    char *bytes = size >= 8 ? malloc((size_t)size + 1) : NULL;
    if (!bytes || fread(bytes, 1, (size_t)size, in) != (size_t)size) weights_fail(path, "cannot be read, or is shorter than 8 bytes");
    fclose(in);
    *n = (size_t)size;
    return bytes;
}

int64_t tensor_count(const Tensor *t)
{
    int64_t count = 1;
    for (int i = 0; i < t->rank; i++) count *= t->dim[i];
    return count;
}

void weights_read(const char *path, Weights *w)
{
    size_t size;
    uint64_t header;
    w->path = path;
    w->count = 0;
    w->bytes = read_file(path, &size);
    memcpy(&header, w->bytes, 8);
    if (header > size - 8) weights_fail(path, "the header is longer than the file");
    size_t data_bytes = size - 8 - header;
    char *text = malloc(header + 1), *data = malloc(data_bytes + 1); /* the data anew: the header may end at any byte */
    if (!text || !data) weights_fail(path, "out of memory");
    memcpy(text, w->bytes + 8, header);
    text[header] = 0;
    memcpy(data, w->bytes + 8 + header, data_bytes);
    Cursor c = {path, text};
    expect(&c, '{');
    if (!take(&c, '}')) {
        do {
            const char *name = read_string(&c);
            expect(&c, ':');
            if (!strcmp(name, "__metadata__")) {
                skip_metadata(&c);
                continue;
            }
            Tensor t = read_tensor(&c, name);
            if (t.end - t.begin != 4 * tensor_count(&t) || t.end > (int64_t)data_bytes || t.begin % 4) weights_fail(path, "data_offsets do not fit");
            t.data = (const float *)(const void *)(data + t.begin);
            if (w->count == TENSORS) weights_fail(path, "too many tensors");
            if (strncmp(name, "optim/", 6) != 0) w->tensor[w->count++] = t;
        } while (take(&c, ','));
        expect(&c, '}');
    }
}

const Tensor *weights_find(const Weights *w, const Tensor *like)
{
    for (int i = 0; i < w->count; i++) {
        const Tensor *t = &w->tensor[i];
        if (strcmp(t->name, like->name) != 0) continue;
        if (t->rank != like->rank || memcmp(t->dim, like->dim, sizeof *t->dim * (size_t)t->rank) != 0) weights_fail(w->path, "another shape than recorded");
        return t;
    }
    fprintf(stderr, "%s: no tensor %s\n", w->path, like->name);
    exit(2);
}
