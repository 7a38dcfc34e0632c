/* loop_alike.h: kernels that do the same on other buffers, as those of a network's equal layers do. */
#ifndef NETC_LOOP_ALIKE_H
#define NETC_LOOP_ALIKE_H

#include "loop.h"

typedef struct Likeness {
    const void *key;              /* interned: equal for kernels that differ in names, places in the source, and their buffers' offsets only, which have the like alignment */
    VEC(const Buffer *) buffers;  /* all but locals, in the order of their first use: kernels alike use the like one at the like place */
} Likeness;

Likeness loop_likeness(Arena *a, const Kernel *k);

#endif
