/* phases.c: see phases.h. */
#include "phases.h"

static Phase one_phase(int64_t size, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation, int64_t f) {
    int64_t g = gcd_i64(stride, dilation), r0 = 0;
    Phase p = {.quotients = ceil_div(size - f, stride), .f0 = f, .alike = 1, .rstep = stride / g, .ostep = dilation / g};
    if ((f + pad) % g) return p; /* no tap ever falls here */
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

Phases phases_of(Arena *a, int64_t size, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation) {
    VEC(Phase) all = {0};
    for (int64_t f = 0; f < stride && f < size; f++) {
        Phase next = one_phase(size, kernel, stride, pad, dilation, f);
        if (all.n && goes_on(&all.at[all.n - 1], &next)) all.at[all.n - 1].alike++;
        else VEC_PUSH(a, &all, next);
    }
    return (Phases){all.n, all.at};
}
