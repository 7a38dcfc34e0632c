/* resize.c: two passes of a triangle filter, one along the rows, one along the columns, bytes between them.
 *
 * Output i has its centre at (i + 0.5) * scale of the input, scale = in / out. The filter is the triangle of half-width
 * max(scale, 1): interpolation when the picture grows, an average over all it covers when it shrinks. Weights sum to one,
 * then become integers of 22 fractional bits (8 bits of pixel and 2 of headroom fill 32), so a sum is exact and rounds once.
 * Invariant: first[i] + length[i] <= in, length[i] <= taps. */
#include "resize.h"
#include "mem.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

enum { FRACTION_BITS = 22 };

typedef struct Axis {
    int64_t in, out, taps;
    int64_t *first, *length; /* [out]: the inputs that output i sees */
    int32_t *weight;         /* [out][taps] */
} Axis;

struct Resizer {
    Axis x, y;
    bool columns_first;
};

/* Weights of output i, in doubles, normalised; returns how many. */
static int64_t axis_weights(const Axis *a, int64_t i, double *w, int64_t *first)
{
    double scale = (double)a->in / (double)a->out, width = scale < 1 ? 1 : scale;
    double centre = ((double)i + 0.5) * scale, total = 0;
    int64_t lo = (int64_t)(centre - width + 0.5), hi = (int64_t)(centre + width + 0.5);
    if (centre - width + 0.5 < 0)
        lo = 0;
    hi = hi > a->in ? a->in : hi;
    for (int64_t k = lo; k < hi; k++) {
        double distance = fabs(((double)k - centre + 0.5) / width);
        w[k - lo] = distance < 1 ? 1 - distance : 0;
        total += w[k - lo];
    }
    for (int64_t k = 0; k < hi - lo; k++)
        w[k] = total != 0 ? w[k] / total : w[k];
    *first = lo;
    return hi - lo;
}

static void axis_plan(Axis *a, int64_t in, int64_t out)
{
    double scale = (double)in / (double)out, *w;
    a->in = in;
    a->out = out;
    a->taps = (int64_t)ceil(scale < 1 ? 1 : scale) * 2 + 1;
    a->first = mem_get((size_t)out, sizeof *a->first);
    a->length = mem_get((size_t)out, sizeof *a->length);
    a->weight = mem_get((size_t)(out * a->taps), sizeof *a->weight);
    w = mem_get((size_t)a->taps, sizeof *w);
    for (int64_t i = 0; i < out; i++) {
        a->length[i] = axis_weights(a, i, w, &a->first[i]);
        for (int64_t k = 0; k < a->length[i]; k++)
            a->weight[i * a->taps + k] = (int32_t)(w[k] * (1 << FRACTION_BITS) + 0.5);
    }
    free(w);
}

Resizer *resize_new(int64_t in_h, int64_t in_w, int64_t out_h, int64_t out_w)
{
    Resizer *r = mem_get(1, sizeof *r);
    axis_plan(&r->x, in_w, out_w);
    axis_plan(&r->y, in_h, out_h);
    /* Pillow 13's rule: where the picture loses far more height than width, the other order is less work. */
    r->columns_first = in_h > out_h && in_h - out_h > 2 * (in_w - out_w);
    return r;
}

static void axis_free(Axis *a)
{
    free(a->first);
    free(a->length);
    free(a->weight);
}

void resize_free(Resizer *r)
{
    if (!r)
        return;
    axis_free(&r->x);
    axis_free(&r->y);
    free(r);
}

size_t resize_scratch(const Resizer *r)
{
    return (size_t)(r->columns_first ? r->y.out * r->x.in : r->y.in * r->x.out);
}

static uint8_t rounded_byte(int32_t sum)
{
    int32_t v = sum >> FRACTION_BITS;
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

/* Every row of in [rows][a->in] to out [rows][a->out]. */
static void pass_rows(const Axis *a, int64_t rows, const uint8_t *in, uint8_t *out)
{
    for (int64_t row = 0; row < rows; row++) {
        for (int64_t i = 0; i < a->out; i++) {
            const uint8_t *p = in + row * a->in + a->first[i];
            const int32_t *w = a->weight + i * a->taps;
            int32_t sum = 1 << (FRACTION_BITS - 1);
            for (int64_t k = 0; k < a->length[i]; k++)
                sum += p[k] * w[k];
            out[row * a->out + i] = rounded_byte(sum);
        }
    }
}

/* Every column of in [a->in][columns] to out [a->out][columns]. */
static void pass_columns(const Axis *a, int64_t columns, const uint8_t *in, uint8_t *out)
{
    for (int64_t j = 0; j < a->out; j++) {
        const int32_t *w = a->weight + j * a->taps;
        for (int64_t i = 0; i < columns; i++) {
            const uint8_t *p = in + a->first[j] * columns + i;
            int32_t sum = 1 << (FRACTION_BITS - 1);
            for (int64_t k = 0; k < a->length[j]; k++)
                sum += p[k * columns] * w[k];
            out[j * columns + i] = rounded_byte(sum);
        }
    }
}

void resize_run(const Resizer *r, const uint8_t *in, uint8_t *out, uint8_t *scratch)
{
    if (r->columns_first) {
        pass_columns(&r->y, r->x.in, in, scratch);
        pass_rows(&r->x, r->y.out, scratch, out);
    } else {
        pass_rows(&r->x, r->y.in, in, scratch);
        pass_columns(&r->y, r->x.out, scratch, out);
    }
}
