/* phases.h: strided windows seen from their input, as the gradients of convolutions and pools need them.
 *
 * Output o of a window operator (kernel k, stride s, pad p, dilation d) reads input i = o*s - p + r*d with tap r. Seen from
 * i, the taps that reach it depend only on i mod s: the inputs fall into s phases, and in one phase the taps form an arithmetic
 * progression. So a gradient is a plain, dense sum for each phase; nothing is scattered and no zeros are stuffed in.
 * Neighbouring phases mostly differ by one place in the window: such a run of phases is described at once (without dilation
 * there are at most four runs, however large the stride). With tap number t, and the phase f of the run as an axis of its own:
 *
 *     i = s*q + f0 + f,   r = r0 + f + rstep*t,   o = q + o0 - ostep*t,   0 <= q < quotients, 0 <= f < alike, 0 <= t < taps
 *
 * An o outside of the output is a zero of its halo.
 */
#ifndef NETC_OPS_PHASES_H
#define NETC_OPS_PHASES_H

#include <stdint.h>

#include "../base.h"

typedef struct Phase { int64_t quotients, f0, alike, r0, rstep, taps, o0, ostep; } Phase;
typedef struct Phases { int n; Phase *at; } Phases;

enum { PHASES_MOST = 1024 };

/* Has a picture of this height and width more than PHASES_MOST pairs of runs, or more phases than it is worth to search through? Only windows that
 * are both dilated and strided can have. */
bool phases_too_many(const int64_t *size, const int64_t *kernel, const int64_t *stride, const int64_t *dilation);
/* The runs of phases of `size` inputs, in order. */
Phases phases_of(Arena *a, int64_t size, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation);

#endif
