/* lower_internal.h: what lower.c (a nest becomes statements), layout.c (buffers become addresses), stream.c (what goes past the caches), predict.c (what kernels should cost) and program.c (groups become
 * kernels and segments) share. */
#ifndef NETC_LOWER_INTERNAL_H
#define NETC_LOWER_INTERNAL_H

#include "map.h"
#include "plan.h"

/* A buffer and the first and last kernel that touch it: levels in the arena, groups in scratch memory. */
typedef struct Life { Buffer *buffer; int first, last; int64_t at; Group *counted; } Life;
/* `view` is another shape of the memory of `base`. */
typedef struct View { Buffer *view, *base; } View;
/* The kernel that fills a buffer also clears its halo, at the front of this statement. */
typedef struct Clear { Buffer *buffer; Stmt *into; Kernel *kernel; Affine block; const Var *lane; Span span; } Clear;

/* The program under construction: both plans put their kernels into it. */
typedef struct Build {
    Arena *a;
    Diag *diag;              /* for -Wslow; or null */
    Program *program;
    const Graph *graph;
    Buffer **param;          /* by node id */
    Buffer *canonical[SPACE_LOSS + 1];
    VEC(View) views;         /* of parameters, too */
    Map view_base;           /* from a view to its base */
    Map view_of;             /* from a base to its view */
    VEC(Clear) clears;
    VEC(Life *) lives;       /* of the buffers of the plan at hand */
    Map life;                /* from every buffer but views to its Life */
    Map lined;               /* from those whose rows begin with a line each (lower_fill_lines) */
    Map rows;                /* from those that hold an image's elements as rows, [block][image][elements] */
    Map names;               /* of buffers and kernels: those that are taken */
} Build;

struct Chain; /* lower.c's own */

/* A loop that a rule has opened around its nests; extent -1: its range concerns no halo. */
typedef struct Around { const Var *var; int64_t extent; Stmt *outside; } Around;
enum { AROUND_MAX = 8 };

struct Lower {
    Build *b;
    Arena *a;
    Plan *plan;
    Group *group;
    int stage;
    Kernel *kernel;
    Stmt *into;              /* where nests go */
    int lanes;
    Affine block;            /* the lane block at hand, counted in the batch */
    Affine image;            /* the image's place in its block: the lane variable, or a plain one */
    const Var *lane;         /* the lane variable around, or null */
    Stmt *lanes_outside;     /* where nests went before its loop was opened */
    const Var *lane_axis;    /* the nest's axis with the lanes, or null */
    const Var *step;         /* several stages: the step at hand */
    const Var *step_axis;    /* the axis of the nest at hand whose point is the step (lower_step_axis), or null ... */
    Affine step_point;       /* ... and that point, by the step */
    bool in_bands;           /* stages take turns for a band of the picture: */
    Affine band;             /* its number, ... */
    int64_t bands_end;       /* ... that behind the last which the loop over bands, if there is one, goes through, ... */
    bool last_band;          /* ... is it the last one, by itself, and ... */
    bool band_axis;          /* ... has the nest at hand an axis over it (lower_band_axis)? */
    bool flat;               /* unbatched tensors are indexed by one number */
    bool rows;               /* the sum at hand has rows */
    bool turned;             /* ... or its rule puts the lanes elsewhere */
    const struct Chain *chain; /* while terms of riders are made: the values that are not to be loaded */
    Map sums;                /* of riders: a number for each lane */
    bool in_block;           /* stages of a partial sum: the loop over its lane blocks is around */
    int64_t run;             /* lane blocks of a run, whose loop is around; 0: none is */
    Affine run_start;        /* the first of the run at hand */
    bool items_open;         /* the loop over the items is around already */
    Around around[AROUND_MAX];
    int naround;
    int64_t items;           /* not PER_BLOCK: items of the kernel */
    const char *tiles;       /* for the plan */
    bool slow;               /* schedule_is_slow of one of the nests */
};

/* A buffer for a batched value (lanes last) or an unbatched one; no address yet. */
Buffer *layout_buffer(Build *b, const char *name, Type type, Space space, int lanes);
/* `base` seen with these dimensions; batched: with block and lane around them. */
Buffer *layout_view(Build *b, Buffer *base, Type type, int lanes);
/* Takes note that the nest reads or writes: uses, and halos from the range of every index. */
void layout_note_nest(Lower *lw, const Nest *n);
/* Gives addresses to the plan's buffers, and clears halos; updates the program's sizes. */
void layout_finish(Build *b, const Plan *p);

/* Marks the stores of results that are read late (Stmt.streamed), once all have addresses. */
void stream_results(Build *b, const Plan *p);
/* Fills in every kernel's bytes and slots, once all have addresses; `items` of each group. */
void predict_kernels(Build *b, const Plan *p, const int64_t *items);

/* Lowers a group to its kernel. */
void lower_group(Lower *lw);

#endif
