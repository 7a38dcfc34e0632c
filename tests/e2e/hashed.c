/* hashed.c: the formulas of tests/hashed.py. */
#include "hashed.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CELL = 8, KINDS = 10 };

static uint64_t fnv1a(uint64_t h, const char *text)
{
    for (; *text; text++) h = (h ^ (unsigned char)*text) * 0x100000001b3u;
    return h;
}

/* The key of stream "PREFIX:NAME". */
static uint64_t stream(const char *prefix, const char *name)
{
    return fnv1a(fnv1a(fnv1a(0xcbf29ce484222325u, prefix), ":"), name);
}

static uint64_t bits_at(uint64_t key, int64_t place)
{
    uint64_t z = key + ((uint64_t)place + 1) * 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static double fraction(uint64_t key, int64_t place)
{
    return (double)(bits_at(key, place) >> 40) * 0x1p-24;
}

static void *get(int64_t count, size_t size)
{
    void *p = calloc((size_t)count, size);
    if (!p) weights_fail("memory", "out of it");
    return p;
}

static bool ends_in(const char *name, const char *end)
{
    size_t n = strlen(name), m = strlen(end);
    return n >= m && !strcmp(name + n - m, end);
}

float *hashed_weights(const Tensor *t, int draw)
{
    int64_t count = tensor_count(t);
    float *w = get(count, sizeof *w);
    char prefix[16];
    double low = -0.1, high = 0.1;
    if (t->rank > 1) {
        high = sqrt(6 / ((double)count / (double)t->dim[0]));
        low = -high;
    } else if (ends_in(t->name, ".weight")) {
        low = 0.1;
        high = 0.3;
    } else if (ends_in(t->name, "running_var")) {
        low = 0.5;
        high = 1.5;
    } else if (strstr(t->name, "batch_norm") && ends_in(t->name, ".bias")) {
        low = 0;
        high = 0.4;
    }
    snprintf(prefix, sizeof prefix, "%d", draw);
    for (int64_t i = 0; i < count; i++) w[i] = (float)(low + (high - low) * fraction(stream(prefix, t->name), i));
    return w;
}

void hashed_sketch(const char *name, const double *update, int64_t count, double *norm, double sums[SKETCHES])
{
    uint64_t key = stream("sketch", name);
    double squares = 0;
    memset(sums, 0, SKETCHES * sizeof *sums);
    for (int64_t i = 0; i < count; i++) {
        uint64_t bits = bits_at(key, i);
        squares += update[i] * update[i];
        for (int k = 0; k < SKETCHES; k++) sums[k] += bits >> k & 1 ? update[i] : -update[i];
    }
    *norm = sqrt(squares);
}

float *hashed_pictures(int64_t count, const int64_t dim[3])
{
    int64_t down = (dim[1] + CELL - 1) / CELL, across = (dim[2] + CELL - 1) / CELL, at = 0;
    float *x = get(count * dim[0] * dim[1] * dim[2], sizeof *x);
    for (int64_t plane = 0; plane < count * dim[0]; plane++)
        for (int64_t h = 0; h < dim[1]; h++)
            for (int64_t w = 0; w < dim[2]; w++, at++) {
                uint64_t coarse = bits_at(stream("data", "coarse"), (plane * down + h / CELL) * across + w / CELL) >> 56;
                x[at] = (float)(coarse + (bits_at(stream("data", "fine"), at) >> 56)) / 512;
            }
    return x;
}

int64_t *hashed_classes(int64_t count)
{
    int64_t *y = get(count, sizeof *y);
    for (int64_t i = 0; i < count; i++) y[i] = (int64_t)(bits_at(stream("data", "classes"), i) >> 33) % KINDS;
    return y;
}

float *hashed_targets(int64_t count)
{
    float *y = get(count, sizeof *y);
    for (int64_t i = 0; i < count; i++) y[i] = (float)(2 * fraction(stream("data", "targets"), i) - 1);
    return y;
}

int shape_parse(const char *text, int64_t *dim)
{
    int rank = 0;
    do {
        char *end;
        dim[rank] = strtoll(text, &end, 10);
        if (dim[rank++] < 1 || (*end && *end != 'x')) return 0;
        text = end + (*end == 'x');
    } while (*text && rank < RANK);
    return *text ? 0 : rank;
}

static bool sketch_read(FILE *in, Sketch *s)
{
    char shape[128];
    if (fscanf(in, "%255s %127s %lf", s->name, shape, &s->norm) != 3) return false;
    for (int k = 0; k < SKETCHES; k++)
        if (fscanf(in, "%lf", &s->sums[k]) != 1) return false;
    s->tensor = (Tensor){.name = s->name, .rank = shape_parse(shape, s->tensor.dim)};
    shape_parse(shape, s->tensor.dim);
    return s->tensor.rank > 0;
}

Sketch *sketches_read(const char *path, int *count)
{
    FILE *in = fopen(path, "r");
    Sketch *all = get(TENSORS, sizeof *all);
    if (!in) weights_fail(path, "cannot be read");
    for (*count = 0; *count < TENSORS && sketch_read(in, &all[*count]); ++*count) {}
    if (!feof(in) || !*count) weights_fail(path, "malformed, or has too many tensors");
    fclose(in);
    return all;
}
