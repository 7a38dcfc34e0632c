/* schedule_internal.h: what schedule.c (a schedule becomes loops) and schedule_choose.c (a nest gets a schedule) share: how an
 * axis is cut, and what can be asked of a nest. */
#ifndef NETC_SCHEDULE_INTERNAL_H
#define NETC_SCHEDULE_INTERNAL_H

#include "schedule.h"

/* `count` tiles of `size` points (of the lane axis: `size` vectors of `width` lanes), from point `start` on. */
typedef struct Region { int64_t start, size, count, width; } Region;
typedef struct Regions { int n; Region at[3]; } Regions;

/* The regions of a space axis with known extent. */
Regions schedule_regions(const Nest *n, const Schedule *s, int axis, int lanes);
/* Tiles of all its regions. */
int64_t schedule_tiles(const Nest *n, const Schedule *s, int axis, int lanes);
/* Space axes of the nest. */
int schedule_space_axes(const Nest *n);
/* Does a reduce axis have bounds that depend on this variable? Then its points cannot share the reduction's loops. */
bool schedule_bounds_others(const Nest *n, const Var *v);
/* Does e have an exponential in it, or the like: long code that a loop of its own pays for? */
bool schedule_is_costly(const Expr *e);

#endif
