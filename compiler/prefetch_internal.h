/* prefetch_internal.h: what prefetch.c (what a kernel reads soon), prefetch_sums.c (what its next pass reads, asked for inside its sums) and prefetch_spread.c (what the next tile of sums multiplies) share. */
#ifndef NETC_PREFETCH_INTERNAL_H
#define NETC_PREFETCH_INTERNAL_H

#include "prefetch.h"

/* Is it a loop of that kind? (The list of a kernel's statements is none.) */
bool prefetch_is_loop(const Stmt *s, LoopKind kind);
/* Passes of a loop whose bounds are numbers; 0: not known. */
int64_t prefetch_passes(const Stmt *s);
/* Is it a serial loop that fills nothing but locals, the same in each pass? */
bool prefetch_sums_up(const Stmt *s);
/* Are the list's statements the passes of one point (nest_open): a few short loops, one after the other, with no sum and no loop inside, of which all but the last fill nothing but locals for those behind? */
bool prefetch_is_point(const Stmt *list);
/* Is it, or has it inside, a loop that is not unrolled? */
bool prefetch_has_loop(const Stmt *s);
/* Does the statement, or one in it, store to the buffer? */
bool prefetch_stores_to(const Stmt *s, const Buffer *b);
/* The serial loop that is all there is in this one, but for requests in front of it; or null. */
Stmt *prefetch_only_loop(const Stmt *s);

/* Puts n statements, spread evenly, in front of those of the list from number `from` to its end or (close) all in front of that one. */
void prefetch_insert(Arena *a, Stmt *list, int from, bool close, Stmt *const *asked, int n);

/* Adds the requests of prefetch_sums.c to the kernel. */
void prefetch_sums(Arena *a, Kernel *k);
/* Adds those of prefetch_spread.c. */
void prefetch_spread(Arena *a, Kernel *k);

#endif
