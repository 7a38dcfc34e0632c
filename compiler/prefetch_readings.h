/* prefetch_readings.h: what a pass of a loop reads, as strips of memory, and the sums in it that have time to ask for what the next pass reads (prefetch_sums.c). */
#ifndef NETC_PREFETCH_READINGS_H
#define NETC_PREFETCH_READINGS_H

#include "prefetch_internal.h"

enum { READINGS_MOST = 32, LEAVES_MOST = 16, LOOPS_MOST = 80 };

/* What a pass of the loop reads of a buffer: strips of `run` bytes side by side, `apart` bytes from each other, the first from buffer[at] on, where the variables
 * of loops inside are replaced by their first values. `loads` loads of each pass of all loops inside read it. */
typedef struct Reading { const Buffer *buffer; const Affine *at; Affine byte; int64_t run, strips, apart, loads; Span span; } Reading;

/* A sum: its innermost loop, and all loops from the one at hand to that, with their passes (0: not known), of which there are `passes` in all. */
typedef struct Leaf { Stmt *inner; Stmt *loop[LOOPS_MOST]; int64_t count[LOOPS_MOST]; int nloops, sum; int64_t passes, work; } Leaf; /* loop[sum] is the first that sums */

typedef struct Sums {
    Arena *a;
    Kernel *kernel;
    const Stmt *lane;               /* the loop over the lanes around, or null */
    const Stmt *around[LOOPS_MOST]; /* ... and the serial ones, the last of which is the one at hand */
    int naround;
    Stmt *inside[LOOPS_MOST];       /* loops between it and the statement at hand */
    int ninside;
    const Stmt *known[LOOPS_MOST];  /* all loops inside whose bounds are numbers */
    int nknown;
    const Stmt *open[LOOPS_MOST];   /* ... and those that are as long as the kernel is told: over its lane blocks */
    int nopen;
    const Var *bound[LOOPS_MOST];   /* variables of a point's passes, which are gone through one by one, ... */
    int64_t value[LOOPS_MOST];      /* ... and what they are */
    int nbound;
    bool in_sum;
    const Stmt *list;               /* the statements among which the loop at hand is */
    Reading reading[READINGS_MOST];
    int nreadings;
    Leaf leaf[LEAVES_MOST];
    int nleaves;
    Stmt *whole;                    /* the first loop of the leaves, taken apart: a pass is `parts` of its own; or null */
    int64_t parts;
} Sums;

/* Finds the readings and leaves of the last loop around, which stands in `list`. Readings that do not fit into strips are left out. */
void readings_of(Sums *p, const Stmt *list, const Stmt *loop);
/* Bytes of a strip that the loop's next pass reads for the first time; 0: all is near, since it is little that the kernel has just stored, or is read again by a loop around, or beside. */
int64_t readings_fresh(const Sums *p, const Reading *r);
/* In n indices: x for v. */
void readings_replace(const Sums *p, Affine *at, int n, const Var *v, Affine x);
/* Do both loops go through the same? */
bool readings_same_bounds(const Stmt *x, const Stmt *y);

#endif
