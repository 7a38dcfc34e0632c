/* synthetic.c: pictures by distance. A class is a set of strokes: segments between points of the square from -1 to 1, or a
 * circle around the origin; disc and square can be filled. A picture places them by a random similarity (shift, scale,
 * tilt); a pixel's brightness falls from full to none within one pixel at half the stroke's width from the nearest stroke.
 * Invariant: picture i depends on (seed, part, i) alone, so any number of threads draws the same set.
 *
 * The ranges of chance are a balance. A shift up to a quarter of the picture's side is what defeats a linear model: a shape
 * is about as large as its shift, so no pixel belongs to a class. Broad, bright strokes that keep nearly the same size and
 * angle give the strong, even signal without which a network of sigmoids stays on its first plateau for epochs. */
#include "synthetic.h"
#include "mem.h"
#include "pool.h"
#include "rng.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { STROKES = 4, DRAWERS = 16 };

typedef struct Segment { float x0, y0, x1, y1; } Segment;
typedef struct Shape {
    float ring, disc, box; /* a circle's radius, a filled disc's radius, a filled square's half side; 0: none */
    int segments;
    Segment at[STROKES];
} Shape;

/* y grows downwards, as rows do. */
static const Shape shapes[SYNTHETIC_CLASSES] = {
    {0.8f, 0, 0, 0, {{0, 0, 0, 0}}},                                         /* ring */
    {0, 0.8f, 0, 0, {{0, 0, 0, 0}}},                                         /* disc */
    {0, 0, 0, 4, {{-0.8f, -0.8f, 0.8f, -0.8f}, {0.8f, -0.8f, 0.8f, 0.8f}, {0.8f, 0.8f, -0.8f, 0.8f}, {-0.8f, 0.8f, -0.8f, -0.8f}}}, /* square */
    {0, 0, 0.8f, 0, {{0, 0, 0, 0}}},                                         /* filled square */
    {0, 0, 0, 2, {{-1, 0, 1, 0}, {0, -1, 0, 1}}},                            /* plus */
    {0, 0, 0, 2, {{-0.8f, -0.8f, 0.8f, 0.8f}, {-0.8f, 0.8f, 0.8f, -0.8f}}},  /* x */
    {0, 0, 0, 1, {{0, -1, 0, 1}}},                                           /* vertical bar */
    {0, 0, 0, 1, {{-1, 0, 1, 0}}},                                           /* horizontal bar */
    {0, 0, 0, 3, {{0, -0.9f, 0.9f, 0.7f}, {0.9f, 0.7f, -0.9f, 0.7f}, {-0.9f, 0.7f, 0, -0.9f}}}, /* triangle */
    {0, 0, 0, 2, {{-0.6f, -0.9f, -0.6f, 0.9f}, {0.6f, -0.9f, 0.6f, 0.9f}}},  /* two bars */
};

typedef struct Pose { /* picture (pixels) -> shape: turned by -tilt around the centre, then divided by size */
    float cx, cy, cosine, sine, size; /* centre in pixels; tilt; pixels for one unit */
    float half_width;                 /* of a stroke, in pixels */
} Pose;

typedef struct Drawing {
    Dataset *d;
    int64_t channels, height, width, classes;
    uint64_t seed;
    int part;
    int64_t first, end; /* pictures of this thread */
} Drawing;

static float clampf(float x, float lo, float hi)
{
    return x < lo ? lo : x > hi ? hi : x;
}

static float segment_distance2(const Segment *s, float x, float y)
{
    float dx = s->x1 - s->x0, dy = s->y1 - s->y0, px = x - s->x0, py = y - s->y0;
    float t = clampf((px * dx + py * dy) / (dx * dx + dy * dy), 0, 1);
    float ex = px - t * dx, ey = py - t * dy;
    return ex * ex + ey * ey;
}

static float minf(float a, float b)
{
    return a < b ? a : b;
}

static float maxf(float a, float b)
{
    return a > b ? a : b;
}

/* Distance from (x, y), in units of the disc, to the nearest stroke; 0 inside of what is filled. */
static float shape_distance(const Shape *s, float x, float y)
{
    float least = 1e9f, radius = sqrtf(x * x + y * y);
    for (int i = 0; i < s->segments; i++)
        least = minf(least, segment_distance2(&s->at[i], x, y));
    least = sqrtf(least);
    if (s->ring > 0)
        least = minf(least, fabsf(radius - s->ring));
    if (s->disc > 0)
        least = minf(least, maxf(radius - s->disc, 0));
    if (s->box > 0)
        least = minf(least, maxf(maxf(fabsf(x), fabsf(y)) - s->box, 0));
    return least;
}

static Pose pose_draw(Rng *r, int64_t height, int64_t width)
{
    float side = (float)(height < width ? height : width);
    float tilt = (float)rng_range(r, -0.2, 0.2);
    Pose p;
    p.size = side * (float)rng_range(r, 0.30, 0.36);
    p.cx = 0.5f * (float)(width - 1) + side * (float)rng_range(r, -0.24, 0.24);
    p.cy = 0.5f * (float)(height - 1) + side * (float)rng_range(r, -0.24, 0.24);
    p.cosine = cosf(tilt);
    p.sine = sinf(tilt);
    p.half_width = side * (float)rng_range(r, 0.13, 0.15);
    return p;
}

/* How much of each pixel the shape covers, 0 to 1, in a plane [height][width]; works on the shape's bounding box alone. */
static void shape_draw(const Shape *s, const Pose *p, float *plane, int64_t height, int64_t width)
{
    float reach = 1.15f * p->size + p->half_width + 1, rx = p->cosine / p->size, ry = p->sine / p->size;
    int64_t y0 = (int64_t)clampf(p->cy - reach, 0, (float)height), y1 = (int64_t)clampf(p->cy + reach + 1, 0, (float)height);
    int64_t x0 = (int64_t)clampf(p->cx - reach, 0, (float)width), x1 = (int64_t)clampf(p->cx + reach + 1, 0, (float)width);
    memset(plane, 0, (size_t)(height * width) * sizeof *plane);
    for (int64_t y = y0; y < y1; y++) {
        for (int64_t x = x0; x < x1; x++) {
            float dx = (float)x - p->cx, dy = (float)y - p->cy;
            float d = shape_distance(s, dx * rx + dy * ry, dy * rx - dx * ry) * p->size;
            plane[y * width + x] = clampf(p->half_width + 0.5f - d, 0, 1);
        }
    }
}

/* The picture's bytes: `ink` where the shape is, and noise from 0 to `depth` everywhere; a draw of chance serves eight pixels. */
static void plane_store(Rng *r, const float *plane, uint8_t *out, int64_t n, float ink, float depth)
{
    uint64_t bits = 0;
    for (int64_t i = 0; i < n; i++, bits >>= 8) {
        if (i % 8 == 0)
            bits = rng_next(r);
        out[i] = (uint8_t)clampf(ink * plane[i] + depth * (float)(bits & 255) * (1.0f / 256) + 0.5f, 0, 255);
    }
}

static void picture_draw(const Drawing *w, int64_t i, float *plane, uint8_t *whole)
{
    Rng r = rng_new(w->seed, (uint64_t)i * 2 + (uint64_t)w->part);
    int64_t area = w->height * w->width, kind = (int64_t)rng_below(&r, (uint64_t)w->classes);
    Pose pose = pose_draw(&r, w->height, w->width);
    float ink = (float)rng_range(&r, 235, 255), depth = (float)rng_range(&r, 4, 16);
    shape_draw(&shapes[kind], &pose, plane, w->height, w->width);
    for (int64_t c = 0; c < w->channels; c++) {
        float tint = w->channels > 1 ? (float)rng_range(&r, 0.6, 1.0) : 1.0f;
        plane_store(&r, plane, whole + c * area, area, ink * tint, depth);
    }
    w->d->classes[i] = (uint8_t)kind;
}

/* A thread's share. A flat input that is not channels * area long gets a picture's first numbers. */
static void *drawing_run(void *arg)
{
    Drawing *w = arg;
    int64_t area = w->height * w->width;
    float *plane = mem_get((size_t)area, sizeof *plane);
    uint8_t *whole = mem_get((size_t)(w->channels * area), 1);
    for (int64_t i = w->first; i < w->end; i++) {
        picture_draw(w, i, plane, whole);
        memcpy(w->d->pixels + i * w->d->elements, whole, (size_t)w->d->elements);
    }
    free(whole);
    free(plane);
    return NULL;
}

void synthetic_make(Dataset *d, int64_t count, int64_t channels, int64_t height, int64_t width, int64_t classes, uint64_t seed, int part)
{
    int64_t cpus = pool_processors();
    int64_t share, threads = cpus < 1 ? 1 : cpus > DRAWERS ? DRAWERS : cpus;
    pthread_t id[DRAWERS];
    bool started[DRAWERS] = {false};
    Drawing work[DRAWERS];
    d->count = count;
    d->stored = d->elements;
    d->pixels = mem_get((size_t)count, (size_t)d->elements);
    d->classes = mem_get((size_t)count, 1);
    share = (count + threads - 1) / threads;
    for (int64_t t = 0; t < threads; t++) {
        int64_t first = t * share < count ? t * share : count, end = first + share < count ? first + share : count;
        work[t] = (Drawing){d, channels, height, width, classes, seed, part, first, end};
        started[t] = t > 0 && pthread_create(&id[t], NULL, drawing_run, &work[t]) == 0;
        if (t > 0 && !started[t])
            drawing_run(&work[t]);
    }
    drawing_run(&work[0]);
    for (int64_t t = 1; t < threads; t++)
        if (started[t])
            pthread_join(id[t], NULL);
}

int64_t synthetic_count(int64_t elements, int part)
{
    int64_t most = part == 0 ? 120000 : 10000, fit = ((int64_t)96 << 20) / (elements > 0 ? elements : 1);
    if (part == 1)
        fit /= 12;
    return fit > most ? most : fit < 1000 ? 1000 : fit;
}
