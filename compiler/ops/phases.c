/* phases.c: see phases.h. */
#include "phases.h"

static Phase one_phase(int64_t size, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation, int64_t f) {
    int64_t g = gcd_i64(stride, dilation), r0 = 0;
    Phase p = {.quotients = ceil_div(size - f, stride), .f0 = f, .alike = 1, .rstep = stride / g, .ostep = dilation / g};
    if ((f + pad) % g) return p; /* no tap ever falls here */
    if (dilation == 1) r0 = (f + pad) % stride;
    while ((f + pad - r0 * dilation) % stride) r0++;
    p.r0 = r0;
    p.o0 = floor_div(f + pad - r0 * dilation, stride);
    p.taps = r0 < kernel ? ceil_div(kernel - r0, p.rstep) : 0;
    return p;
}

/* Does the phase after `last` go on where the run of phases from `run` to `last` stops: the same taps, one place further? */
static bool goes_on(const Phase *run, const Phase *next) {
    if (next->quotients != run->quotients || next->taps != run->taps) return false;
    if (!run->taps) return true;
    return next->r0 == run->r0 + run->alike && next->o0 == run->o0 && next->rstep == run->rstep;
}

/* The first phase behind f that may differ from f by more than one place in the window: without dilation there are but three, where
 * the first tap is the window's first, where the number of taps changes, and where the number of quotients does. */
static int64_t next_break(int64_t size, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation, int64_t f) {
    int64_t next = i64_min(stride, size), first = (stride - pad % stride) % stride;
    const int64_t breaks[3] = {first, (first + kernel) % stride, size % stride};
    if (dilation > 1) return f + 1;
    for (int i = 0; i < 3; i++)
        if (breaks[i] > f) next = i64_min(next, breaks[i]);
    return next;
}

bool phases_too_many(const int64_t *size, const int64_t *kernel, const int64_t *stride, const int64_t *dilation) {
    int64_t runs = 1;
    for (int k = 0; k < 2; k++) {
        if (stride[k] == 1 || dilation[k] == 1 || kernel[k] == 1) continue; /* few, and soon found */
        int64_t phases = i64_min(stride[k], size[k]);
        if (phases > PHASES_MOST) return true;
        runs *= i64_min(phases, 2 * kernel[k] + 2); /* where a tap falls, and between; and one quotient less */
    }
    return runs > PHASES_MOST;
}

Phases phases_of(Arena *a, int64_t size, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation) {
    VEC(Phase) all = {0};
    if (kernel == 1) dilation = 1;
    for (int64_t f = 0, next_f; f < stride && f < size; f = next_f) {
        Phase next = one_phase(size, kernel, stride, pad, dilation, f);
        next_f = next_break(size, kernel, stride, pad, dilation, f);
        next.alike = next_f - f;
        if (all.n && goes_on(&all.at[all.n - 1], &next)) all.at[all.n - 1].alike += next.alike;
        else VEC_PUSH(a, &all, next);
    }
    return (Phases){all.n, all.at};
}
