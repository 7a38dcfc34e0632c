/* emit_parts.h: whose code goes into which module, when a program is emitted as several that are compiled side by side. */
#ifndef NETC_EMIT_PARTS_H
#define NETC_EMIT_PARTS_H

#include "loop_alike.h"

/* Kernels that share one body (loop_alike.h); alone where there is no other like it. */
typedef struct Family { int size, part; int64_t weight; } Family;

typedef struct Parts {
    int n;             /* modules */
    Likeness *like;    /* by the kernel's place in the program; null: no kernels share bodies */
    Family **family;
} Parts;

/* Spreads p's kernels over at most n modules, each about as much code as the others; what shares a body stays together. Depends on the
 * program alone. */
Parts emit_parts(Arena *a, const Program *p, int n, bool share);

#endif
