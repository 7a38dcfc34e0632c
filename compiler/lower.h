/* lower.h: graph operators as loop nests. Each operator's rule stands beside its shape and gradient in ops/.
 *
 * A pointwise rule gives the expression of one element from the expressions of the arguments' elements: that is what fusion
 * chains. A nest rule builds a Nest (or several that cover disjoint points) and hands it to lower_emit, which appends the
 * fused chain, the stores and the schedule. Neither knows about lanes, tiles, layouts or threads.
 */
#ifndef NETC_LOWER_H
#define NETC_LOWER_H

#include "graph.h"
#include "nest.h"

typedef struct Lower Lower; /* the kernel being lowered */

/* Cells of size[0] x size[1] points that tile a picture. `one`: a cell is made of one point of the arguments, whose place is the cell's; else each place in a cell of some. */
typedef struct Cells { int64_t size[2]; bool one; } Cells;

typedef enum { LOWER_SOURCE, LOWER_POINTWISE, LOWER_NEST } LowerKind;
typedef struct LowerRule {
    LowerKind kind;
    /* SOURCE: the element at `at`; null for sources that are buffers (param). */
    const Expr *(*source)(Lower *lw, const Node *n, const Affine *at);
    /* POINTWISE: the element at `at` from the arguments' elements. An argument of smaller rank stands for itself at each
     * point: unbatched [c] at at[0] (a channel's number), batched rank 0 for the whole image. */
    const Expr *(*pointwise)(Lower *lw, const Node *n, const Expr *const *args, const Affine *at);
    void (*nest)(Lower *lw, const Node *n);
    /* NEST, of a picture that such cells tile: the element at `at`, where at[1] and at[2] are multiples of a cell's size and a place in a cell, a number unless cells are of one point.
     * Readers who come by cells take it so, and no map of it is stored. Null, or cells false: there is no such thing. Elements of a POINTWISE operator can be made
     * everywhere: its cells are points. */
    bool (*cells)(const Node *n, Cells *cells);
    const Expr *(*element)(Lower *lw, const Node *n, const Affine *at);
    /* Does the operator read argument `arg` by such cells (lower_cell), and seldom enough for that to pay? (What is made point by point, of several maps, had better be a map
     * for all who multiply.) A POINTWISE reader then has a kernel of its own. Null: never. */
    bool (*reads_cells)(const Node *n, int arg, const Cells *cells, int lanes);
    /* Does the operator read argument `arg` outside of its bounds, where zeros are expected? Null: never. */
    bool (*halo)(const Node *n, int arg);
    bool sums_batch;     /* the result is a sum over the images */
    OpKind sums_beside;  /* ... that of this operator on the same argument 0 can be taken in the same pass (lower_twin); 0: none */
    /* The sum of a channel with the element `at` of argument 0, all that the operator reads, in it: such a sum can ride on the kernel that makes argument 0. Null: it cannot. */
    const Expr *(*term)(Lower *lw, const Node *n, const Affine *at, const Expr *sum);
    /* The same of a sum, and of the one beside it, that take several numbers for each channel and lane, 0 at first: `ride` makes those with the element `at` in them (null: as it was); at the end `ride_end` assigns
     * the partial sums of channel c (lower_assign_partial) in the nest. Null: see term. */
    int ride_numbers;
    void (*ride)(Lower *lw, const Node *n, const Affine *at, const Expr *const *was, const Expr **now);
    void (*ride_end)(Lower *lw, const Node *n, Nest *nest, Affine c, const Expr *const *numbers);
    /* What chunk number `chunk` adds to element p of the sum that partial sums are folded to; null: its partial sum. */
    const Expr *(*part)(Lower *lw, const Node *n, Affine chunk, Affine p);
    /* What becomes of a whole sum over the images (a mean: it is divided); null: nothing. Partial sums are not finished. */
    const Expr *(*finish)(Lower *lw, const Node *n, const Expr *sum);
    bool scatters;       /* the elements that a point gives lie far apart, as places of tiles do */
    bool shaped;         /* elements of the unbatched tensors that it reads and makes are found by indices of their own, so that dimensions may have gaps between them (layout.c); else, where all is unbatched, by one */
    bool across;         /* a contraction with weights, argument 1: asks for lower_block_axis, so that it can run over the whole batch at once */
    bool wants_rows;     /* direct sums put the lanes on argument 0's elements: it is needed image by image */
    /* Does the rule itself say where the lanes are, in a sum over the images or across the batch? Null: images are in the lanes. */
    bool (*turns_lanes)(const Node *n, int lanes);
    /* Multiply-adds for one image; null: none to speak of. */
    int64_t (*macs)(const Node *n);
} LowerRule;

#define OP(name, ...) extern const LowerRule name##_lower;
#include "ops.def"

extern const LowerRule *const lower_table[OP_COUNT];

Arena *lower_arena(const Lower *lw);
/* A new nest for the operator. */
Nest *lower_nest(Lower *lw, const Node *n);
/* The element of a value at this index: a load, or a source's expression. */
const Expr *lower_load(Lower *lw, const Node *value, const Affine *at);
/* The cells in which a value of which no map is stored has to be read; 1 x 1 of any other. */
void lower_cell(const Lower *lw, const Node *value, int64_t cell[2]);
/* Are a cell's points few enough to be written out one after the other? Those of larger ones, which have to be of one point of the arguments, are gone through by loops. */
bool lower_writes_out(const int64_t cell[2]);
/* The axis of dimension d (0: rows, 1: columns) of a picture over its cells, `points` points in all, and one over the places in a cell unless they are written out. Returns the point. */
Affine lower_cell_axes(Lower *lw, Nest *nest, const int64_t cell[2], int d, int64_t points, bool reduce);
/* For sums over the batch. Adds the reduce axis over lane blocks (of this chunk, or of the batch); loads of batched values
 * made after it are of that block, in each lane its image. */
void lower_batch_axis(Lower *lw, Nest *nest);
/* The same as a space axis. */
void lower_batch_points(Lower *lw, Nest *nest);
/* Number of the lane block at hand among those that the sum goes over, of which there are at most lower_blocks. */
Affine lower_block(Lower *lw);
int64_t lower_blocks(const Lower *lw);
/* Is the sum `other` over the images taken in the same pass as that at hand? */
bool lower_sums_beside(const Lower *lw, const Node *other);
/* The partial sum of element p that a chunk has left. */
const Expr *lower_partial(Lower *lw, const Node *n, Affine chunk, Affine p);
/* Makes `value` the chunk's partial sum of element p, in a nest of a kernel that makes it. */
void lower_assign_partial(Lower *lw, Nest *nest, const Node *n, Affine p, const Expr *value);
/* A name for a value that `ride` uses several times. */
const Expr *lower_name(Lower *lw, const Expr *value);
/* The lane, where images are in the lanes. */
Affine lower_lane(const Lower *lw);
/* The chunk at hand, where partial sums are made, and the images of a chunk, an i32. */
Affine lower_chunk(Lower *lw);
const Expr *lower_chunk_images(Lower *lw, Affine chunk);
/* Where the rule has the lanes (turns_lanes): opens a loop over `extent` points, inside which nests go until it is closed; where the kernel has items, these are they.
 * Inside of other such loops: `before` points belong to turns of those that came before, and all have `total` points. */
Affine lower_open_items(Lower *lw, const char *name, int64_t extent, Affine before, int64_t total);
/* Opens a loop over `extent` points, or over the lane blocks of the sum, of which loads then are, inside which nests go until it is closed. */
Affine lower_open_loop(Lower *lw, const char *name, int64_t extent);
void lower_open_blocks(Lower *lw);
void lower_close_loop(Lower *lw);
/* Opens a loop over runs of so many lane blocks of the sum, the last of which may be shorter, inside which all that is said above of the sum's lane blocks is said of the run's. */
void lower_open_runs(Lower *lw, int64_t blocks);
void lower_close_runs(Lower *lw);
/* From here on, or until they are closed, images are in the lanes (turns_lanes). */
void lower_open_lanes(Lower *lw);
void lower_close_lanes(Lower *lw);
/* Lanes are elsewhere (turns_lanes): loads of batched values are of the image number `v` of the block; their count. */
void lower_fix_image(Lower *lw, const Var *v);
int lower_images(const Lower *lw);
/* Vector registers of the machine. */
int lower_registers(const Lower *lw);
/* A buffer in the worker's scratch, of this kernel alone. */
Buffer *lower_scratch(Lower *lw, const char *name, Type type);
/* Does the rule put the lanes elsewhere in the kernel at hand? */
bool lower_turns_lanes(const Lower *lw);
/* Does the group run across the batch (see across)? */
bool lower_goes_across(const Lower *lw);
/* Where the group runs across the batch: adds the space axis over its lane blocks, of which loads and stores of batched values then are;
 * elsewhere nothing. */
void lower_block_axis(Lower *lw, Nest *nest);
/* Adds the space axis over rows of tiles first .. first+count-1, and returns the row. Where the group's stages take turns, each step is a row:
 * the nest then does only that of the step at hand, or nothing if it is none of these. */
Affine lower_step_axis(Lower *lw, Nest *nest, const char *name, int64_t first, int64_t count);
/* Adds the space axis over points first .. first+count-1, in units of `unit`, of dimension `dim` of the root of the stage at hand, and returns the point. Where stages take turns for bands
 * of that dimension, the nest does those of the band at hand. */
Affine lower_band_axis(Lower *lw, Nest *nest, const char *name, int dim, int64_t first, int64_t count, int64_t unit);
/* Do the group's stages take turns? */
bool lower_takes_turns(const Lower *lw);
/* Rows of what n, tiles, gives are to begin with a line of memory each, where the lanes are less. */
void lower_fill_lines(Lower *lw, const Node *n);
/* Are bands of dimension `dim` of what the stage makes, if there are any, multiples of `unit` points? */
bool lower_bands_fit(const Lower *lw, int dim, int64_t unit);
/* Adds the space axis over `extent` points, of which, where the group's stages take turns, the nest does those of the step at hand. */
Affine lower_step_points(Lower *lw, Nest *nest, const char *name, int64_t extent);
/* How many of the `extent` points of a dimension the step at hand has (all, where there are no steps); its point number x, counted from the first of all. */
int64_t lower_step_extent(const Lower *lw, int64_t extent);
Affine lower_step_point(Lower *lw, Affine x);
/* For sums over the batch with lanes elsewhere: adds reduce axes over all images one by one; loads of batched values made
 * after it are of that image. */
void lower_image_axis(Lower *lw, Nest *nest);
/* Is the sum at hand to be taken with rows (see wants_rows)? */
bool lower_uses_rows(const Lower *lw);
/* Element `e` of image-major copy of a value, for the image of lower_image_axis. */
const Expr *lower_load_row(Lower *lw, const Node *value, Affine e);
/* The batch index of the lane's image, an i32, and the number of images. */
const Expr *lower_image(Lower *lw);
const Expr *lower_image_count(Lower *lw);
/* A buffer of one number for each lane, of this kernel. */
const Buffer *lower_lane_local(Lower *lw, const char *name);
const Expr *lower_load_lane(Lower *lw, const Buffer *b);
/* Canonical array of the context (SPACE_X, SPACE_TARGET; SPACE_LABELS takes no index) for the lane's image. */
const Expr *lower_load_canonical(Lower *lw, Space space, Type type, const Affine *at);
/* From here on, elements of unbatched tensors, in nests of this operator, are found by one number each. */
void lower_flatten(Lower *lw);
/* Finishes a nest of operator n: at every point its element `at` (of n's own type) is `value`; adds what is fused behind,
 * all stores, and the loops. */
void lower_emit(Lower *lw, Nest *nest, const Node *n, const Affine *at, const Expr *value);
/* The same where every point of the nest's axes gives several elements of n, as a tile does: one of them. lower_emit_local finishes the nest. */
void lower_point(Lower *lw, Nest *nest, const Node *n, const Affine *at, const Expr *value);
/* The same for an operator and its twin that shares points (a max_pool and its index, two sums over the images); twin may be null. */
void lower_emit_twin(Lower *lw, Nest *nest, const Node *n, const Expr *value, const Node *twin, const Expr *twin_value, const Affine *at);
/* Finishes a nest of lower_point, or one that only fills a local or a scratch buffer of the kernel (by nest_assign). */
void lower_emit_local(Lower *lw, Nest *nest);
/* Makes `v` the axis with the lanes in the nest at hand (for sums with lower_image_axis). */
void lower_lane_axis(Lower *lw, const Nest *nest, const Var *v);
/* The operator `op` on the same arguments and attributes as n that is fused into the stage at hand, or null. */
const Node *lower_twin(const Lower *lw, const Node *n, OpKind op);

/* n affine forms, as an index. */
const Affine *lower_at(Lower *lw, int n, ...);
/* v*k + c. */
Affine lower_affine(Lower *lw, const Var *v, int64_t k, int64_t c);

#endif
