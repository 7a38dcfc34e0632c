/* resize.c: two passes of a triangle filter, first along the rows, then along the columns, bytes between them.
 *
 * Output i has its centre at (i + 0.5) * scale of the input, scale = in / out. The filter is the triangle of half-width
 * max(scale, 1): interpolation when the picture grows, an average over all it covers when it shrinks. Weights sum to one,
 * then become integers of 22 fractional bits (8 bits of pixel and 2 of headroom fill 32), so a sum is exact and rounds once.
 * Invariant: first[i] + length[i] <= in, length[i] <= taps. */
#include "resize.h"
#include "mem.h"

#include <math.h>
#include <stdlib.h>

enum { FRACTION_BITS = 22 };

typedef struct Axis {
    int64_t in, out, taps;
    int64_t *first, *length; /* [out]: the inputs that output i sees */
    int32_t *weight;         /* [out][taps] */
} Axis;

struct Resizer {
    Axis x, y;
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
    return (size_t)(r->y.in * r->x.out);
}

static uint8_t rounded_byte(int32_t sum)
{
    int32_t v = sum >> FRACTION_BITS;
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

void resize_run(const Resizer *r, const uint8_t *in, uint8_t *out, uint8_t *scratch)
{
    const Axis *x = &r->x, *y = &r->y;
    for (int64_t row = 0; row < y->in; row++) {
        for (int64_t i = 0; i < x->out; i++) {
            const uint8_t *p = in + row * x->in + x->first[i];
            const int32_t *w = x->weight + i * x->taps;
            int32_t sum = 1 << (FRACTION_BITS - 1);
            for (int64_t k = 0; k < x->length[i]; k++)
                sum += p[k] * w[k];
            scratch[row * x->out + i] = rounded_byte(sum);
        }
    }
    for (int64_t j = 0; j < y->out; j++) {
        const int32_t *w = y->weight + j * y->taps;
        for (int64_t i = 0; i < x->out; i++) {
            const uint8_t *p = scratch + y->first[j] * x->out + i;
            int32_t sum = 1 << (FRACTION_BITS - 1);
            for (int64_t k = 0; k < y->length[j]; k++)
                sum += p[k * x->out] * w[k];
            out[j * x->out + i] = rounded_byte(sum);
        }
    }
}
