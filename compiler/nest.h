/* nest.h: an operator as a plain loop nest, before anything is decided about speed.
 *
 * A Nest computes, for every point of its space axes,
 *
 *     acc_j = init_j;   for every point of the reduce axes: acc_j = update_j;   then the assignments, in order, some of them in
 *     loops of their own (nest_open).
 *
 * Accumulators, and `let`s that name a value used twice, are rank-0 LOCAL buffers, and arrays (nest_array) such of rank 2: conceptually each point has its own.
 * A Schedule (schedule.h), which is data, says how the nest becomes loops; the order of the axes here is the source
 * order, which -O0 keeps.
 *
 * Two variables are not axes: nests over batched tensors are made for the images of the lane block `nb`, image `l` of it
 * standing in lane l.
 */
#ifndef NETC_NEST_H
#define NETC_NEST_H

#include "loop.h"

enum { AXIS_MAX = 12 };

typedef struct Axis {
    const Var *var;
    bool reduce;
    int64_t extent;         /* points 0 .. extent-1; -1: the bounds below, known at run time only */
    int nlo, nhi;           /* extent >= 0: further bounds (a reduce axis clamped at an edge; a space axis at what loops around the nest say; a loose
                               one's hi[0]), usually none */
    bool far;               /* neighbours along it lie far apart in memory: a register tile had better not have several */
    bool loose;             /* a space axis of which only the points below hi[0] are needed; others may be computed, and hold anything */
    bool beside;            /* a space axis whose loop may be the one that the nest before has for its own of this name and extent */
    bool sparse;            /* a reduce axis that adds zeros but from point `from` on and below `end`, by a space axis: others may be left out */
    Affine lo[BOUND_MAX], hi[BOUND_MAX], from, end;
} Axis;

typedef struct Acc { Buffer *buffer; const Expr *init, *update; Span span; } Acc;
/* A loop inside of a point: its assignments from 0 to extent-1 (nest_open). */
typedef struct Inner { const Var *var; int64_t extent; } Inner;
typedef struct Assign { const Buffer *buffer; const Affine *at; const Expr *value; Span span; const Inner *inner; /* the loop that it is in, or null */ } Assign;

typedef struct Nest {
    int naxes;
    Axis axis[AXIS_MAX];
    VEC(Acc) accs;
    VEC(Assign) assigns;
    VEC(const Buffer *) arrays;
    VEC(const Inner *) inners;
    const Inner *inner;     /* the loop that assignments are added to now, or null */
    Span span;              /* where what is added from now on comes from */
} Nest;

Nest *nest_new(Arena *a, Span span);
/* Adds an axis 0 .. extent-1 and returns its variable; `name` need not be unique. */
const Var *nest_axis(Arena *a, Nest *n, const char *name, int64_t extent, bool reduce);
/* Adds an axis with run-time bounds lo .. hi-1. */
const Var *nest_range(Arena *a, Nest *n, const char *name, Affine lo, Affine hi, bool reduce);
/* Bounds the axis added last also by lo and hi. */
void nest_clamp(Nest *n, Affine lo, Affine hi);
/* ... from above alone. */
void nest_end(Nest *n, Affine hi);
/* The reduce axis added last adds nothing but zeros outside of from .. end-1, which are a space axis plus a number each: products with a halo. */
void nest_thin_out(Nest *n, Affine from, Affine end);
/* The space axis added last is also one, of this name, of the nest that the kernel has before this one: both may be made in one loop over it, point by point, the other's part first. Neither reads the other's
 * results; sums that both add to may depend on who is first at the axis' first point (a shift of statistics). */
void nest_beside(Nest *n);
/* Marks the axis added last as far. */
void nest_keep_far(Nest *n);
/* The space axis added last is needed only below `needed`, which is at least 1. */
void nest_loosen(Nest *n, Affine needed);
/* A new accumulator, as the expression that reads it. Its update is set by nest_update. */
const Expr *nest_acc(Arena *a, Nest *n, Elem elem, const Expr *init);
void nest_update(Nest *n, const Expr *acc, const Expr *update);
/* buffer[at] = value, after the reduction. */
void nest_assign(Arena *a, Nest *n, const Buffer *buffer, const Affine *at, const Expr *value);
/* Names `value` so that it is computed once: the expression that reads it. Constants and loads of locals come back as they are. */
const Expr *nest_let(Arena *a, Nest *n, const Expr *value);
/* A local array of f32 that each point has of its own, rows by cols. The nest's tiles are then single points. */
const Buffer *nest_array(Arena *a, Nest *n, const char *name, int64_t rows, int64_t cols);
/* Assignments and names from here on, until it is closed, are made for each value 0 .. extent-1 of the variable that is returned, one after the other: a loop inside of the point,
 * for rules whose code, written out, would be long. Such loops are not nested. */
const Var *nest_open(Arena *a, Nest *n, const char *name, int64_t extent);
void nest_close(Nest *n);
/* The nest with the space axis v taken away and its variable replaced by x: for nests that share an outer loop. */
void nest_fix(Arena *a, Nest *n, const Var *v, Affine x);
/* The nest with the space axis v cut down to `extent` points from x on, of which those below `end` count. */
void nest_window(Arena *a, Nest *n, const Var *v, Affine x, int64_t extent, int64_t end);

/* A rank-0 local becomes `to`, indexed by the substitution's `index` from place `skip` on; an array, whose point is the whole tile, by its own indices and then those. */
typedef struct Rename { const Buffer *from, *to; int skip; } Rename;

/* What subst_expr puts in place of variables and of a point's locals. */
typedef struct Subst {
    Arena *arena;
    int n;
    const Var *var[2 * AXIS_MAX];
    Affine value[2 * AXIS_MAX];
    VEC(Rename) renames;
    const Affine *index;
} Subst;
Affine subst_affine(const Subst *s, Affine x);
/* The place of `at` in what b is renamed to; at itself, each index substituted, if it is not. */
const Affine *subst_at(const Subst *s, const Buffer **b, const Affine *at);
const Expr *subst_expr(const Subst *s, const Expr *e);

/* Calls fn for every load in the nest (inits, updates, values) and every store of an assignment. */
void nest_accesses(const Nest *n, void (*fn)(void *ctx, const Buffer *b, const Affine *at), void *ctx);

#endif
