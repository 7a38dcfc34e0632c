/* plan.h: which operators become one kernel, which kernels run depth first, and what is kept in memory.
 *
 * Groups. A group becomes a kernel. It has one or more stages; a stage is a root operator with the pointwise operators fused
 * behind it, all over the same points. Stages take turns in *steps* from the top of the picture to its bottom: each makes the rows that
 * the next one then eats, so that what is between two of them stays in a core's own cache. A convolution and a pool are such stages,
 * and so are the three of Winograd's way (a step: a row of tiles) and a pool behind them; and both kinds of tiles and the partial sum of its weight gradients.
 * Where a row of tiles is too much for that cache, they go down the picture in *bands* of a few columns, or of a few of the channels' groups, one band after the other.
 *
 * Domains. A PER_BLOCK group works on one lane block and needs nothing of other images. An ACROSS group computes as much, for the
 * whole batch at once: where weights are too large for the caches, one pass over them serves all lane blocks, and output
 * channels are the items. A REDUCED group sums over the batch or works on parameters. A sum over the batch is taken in one of
 * two ways: *partial*, where a per-block group leaves a partial sum for each chunk and a reduced group folds them in order (small
 * weights), or *direct*, where one reduced group reads the whole batch (large weights, and linear's, where the lanes hold
 * input features). Updates are fused behind the sums.
 *
 * Levels. Groups of one level form a segment: even levels are of PER_BLOCK groups, odd ones of the others. A per-block group may
 * read per-block groups of its own level (depth first: one chunk passes through all of them while it is in the cache); any other
 * dependency, and the overwriting of a parameter that others still read, asks for a later level. What is larger than all that it is
 * made of sinks to the latest level that its readers allow.
 *
 * Storage. A value that only its own fused consumers read is never stored, nor is one whose readers all make its
 * elements themselves as they need them (gathered: a pool's gradient, of pooled numbers and their places; what a pool reads of a normalised map). A value of one level's per-block groups lives in
 * the worker's scratch memory, any other in the arena.
 */
#ifndef NETC_PLAN_H
#define NETC_PLAN_H

#include "graph.h"
#include "lower.h"
#include "schedule.h"
#include "target.h"
#include "tuned.h"

typedef struct PlanOptions {
    Machine machine;
    bool fuse;         /* pointwise chains, pools and updates ride on the kernel before them */
    bool depth_first;  /* per-block groups share segments */
    bool tile;         /* register tiles; else schedule_plain */
    bool partial;      /* small batch sums may be taken in parts */
    bool rematerialize; /* the backward pass makes maps again of others that it reads anyway (rematerialize.h) */
    bool winograd;     /* convolutions may be Winograd's (algorithm.h) ... */
    int64_t stream_bytes; /* results go past the caches if so many bytes are touched until they are read; 0: none do */
    bool prefetch;     /* what is read soon is asked for in time */
    int64_t step_bytes; /* tiles of a lane block that take more go through Winograd's stages row by row, and in bands of rows ... */
    int64_t band_tiles; /* ... of at least so many tiles; 0: as many as give the product of all places a good width */
    const Tuned *tuned; /* what was measured on this machine goes before what is predicted; or null */
    int winograd_tile; /* ... 0: where and with the tile that predicted time says; else with this tile, wherever there is a form for it: for tests */
    bool by_input;     /* direct gradients copy their weights (weights_by_input) even if they are few: for tests */
} PlanOptions;

enum { PARTIAL_BYTES = 8 << 20 }; /* what all partial sums of one weight may take: a good part of a last-level cache */

/* What -O`level` means on a target: at 0 one image at a time and nothing of the above, else all. */
PlanOptions plan_options(const Target *target, int level);

typedef enum { PER_BLOCK, ACROSS, REDUCED } Domain;
typedef enum { SUM_NONE, SUM_PARTIAL, SUM_FOLD, SUM_DIRECT } SumKind;

enum { STAGES_MAX = 4 };

typedef struct Stage {
    const Node *root;
    int axis;                  /* several stages: a step makes `rows` points of this dimension, fewer where the last step meets its end */
    int64_t rows;
    int band_axis;             /* several bands: a step makes `band` points of this one (a row of tiles: among its rows), fewer of the last band */
    int64_t band;
    VEC(const Node *) fused;   /* in topological order; an index twin of a max_pool is here too */
    VEC(const Node *) riders;  /* partial sums of what the stage makes, taken as it is made (LowerRule.term) */
} Stage;

typedef struct Group {
    int index;
    Domain domain;
    SumKind sum;
    int nstages;
    Stage stage[STAGES_MAX];
    int64_t steps;             /* several stages: how often they take turns ... */
    int64_t bands;             /* ... for each of so many bands of the picture, one after the other */
    struct Group *parts;       /* SUM_FOLD: the group that leaves the partial sums, or on which they ride */
    int level;
    Kernel *kernel;            /* what the lowering makes of it, ... */
    VEC(Buffer *) touched;     /* ... and the buffers that it reads or writes */
} Group;

typedef struct Value {         /* what is known of a node's value */
    const Node *node;
    VEC(const Root *) roots;   /* that name it, or a view of it */
    Group *group;              /* that computes it; null for sources, and nodes outside the plan */
    int stage;
    bool gathered;             /* nobody computes it: its readers make its elements of its arguments' (LowerRule.element) */
    const Node *view;          /* a reshape that shares its argument's memory: that argument */
    bool stored;               /* read by other groups */
    bool crosses;              /* ... of another level, or of the whole batch: it must be in the arena */
    bool rows_only;            /* read by nobody but the next stage of the same group: kept for one step */
    bool wants_rows;
    Buffer *buffer;            /* what the lowering gives it: [block][dims][lane], or parameters as they are */
    Buffer *rows;              /* also [block][image][elements], for linear_dw; or null */
    Buffer *partial;           /* [chunk][elements], of SUM_PARTIAL roots; or null */
} Value;

typedef struct Plan {
    Arena *arena;
    const Graph *graph;
    PlanOptions options;
    bool train;                /* step (else infer) */
    Value *value;              /* by node id */
    const Node **target;       /* by node id: the parameter whose new value the node is, or null */
    int *last_reader;          /* by node id: the last node that reads it, but for its own update */
    VEC(Group *) groups;
    int levels;
    int64_t chunks;            /* lane blocks of the compiled batch; a chunk is one lane block */
} Plan;

/* Tiles of a picture: rows and columns of them, of so many places; channels of both kinds that the stages have (of x and y), and their groups; numbers of weights for a place. */
typedef struct TileShape { int64_t rows, columns, places, channels, groups, weights; } TileShape;
/* How Winograd's stages take turns: in bands of so many columns and groups, a row of the band's tiles a step. steps 0: not at all, each stage is for itself. */
typedef struct TileTurns { int64_t steps, columns, groups; } TileTurns;
TileTurns plan_tile_turns(const PlanOptions *options, const TileShape *shape);
/* Each step reads and writes `sums` numbers, those of a partial sum, once: is that less than what the turns of its tiles save? */
bool plan_sum_takes_turns(const TileShape *shape, int64_t sums, int lanes);
/* Is a sum of `sums` numbers over a batch of `chunks` lane blocks taken in parts, if its arguments have so many numbers in all? Taken directly it needs them of all images at once, where partial sums let go of
 * them block by block. */
bool plan_sums_partially(const PlanOptions *options, int64_t sums, int64_t arguments, int64_t chunks);
/* Is a contraction with weights of so many bytes worth a level of its own, ACROSS `chunks` lane blocks? */
bool plan_goes_across(const PlanOptions *options, int64_t weight_bytes, int64_t chunks);
/* The plan of the training step, or (train = false) of inference: output and loss alone. No root names a source. Null where updates wait for each
 * other in a circle; where each is a copy that nothing reads, they never do. */
Plan *plan_build(Arena *a, const Graph *g, const PlanOptions *options, bool train);
/* Is n one of the sums that are taken in the same pass as that of the group, whose own one folds or leaves partial sums, or as that of one that rides on it? */
bool plan_sums_beside(const Group *g, const Node *n);
/* Bytes of the buffers that a group's kernel touches, once all have addresses: for one lane block, or the batch. */
int64_t plan_touched_bytes(const Plan *p, const Group *g, bool of_block);
/* The value that really holds the node's numbers: itself, or what it is a view of. */
Value *plan_value(const Plan *p, const Node *n);

#endif
