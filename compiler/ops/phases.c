/* phases.c: see phases.h. */
#include "phases.h"

/* All phases look alike where taps come in whole rounds of the stride: one nest does for all. */
static bool all_alike(int64_t size, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation) {
    return stride > 1 && dilation == 1 && pad % stride == 0 && kernel % stride == 0 && size % stride == 0;
}

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

Phases phases_of(Arena *a, int64_t size, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation) {
    if (all_alike(size, kernel, stride, pad, dilation)) {
        Phases one = {1, ARENA_NEW(a, Phase)};
        one.at[0] = (Phase){.quotients = size / stride, .alike = stride, .rstep = stride, .taps = kernel / stride, .o0 = pad / stride, .ostep = 1};
        return one;
    }
    Phases all = {0, ARENA_ARRAY(a, Phase, i64_min(stride, size))};
    for (int64_t f = 0; f < stride && f < size; f++) all.at[all.n++] = one_phase(size, kernel, stride, pad, dilation, f);
    return all;
}
