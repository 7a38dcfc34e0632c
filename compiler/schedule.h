/* schedule.h: how a nest becomes loops. A Schedule is data: it can be printed, compared and, one day, searched.
 *
 * Space axes are cut into tiles; a tile's points are unrolled and their accumulators are registers. A tile that does not
 * divide its axis gives two sizes that differ by one, so that no tile is a small left-over. Around the tiles run the tile
 * loops in `order`; inside them the reduce axes in theirs, some unrolled:
 *
 *     for tiles...: { acc[tile] = init;  for reduce...: acc[tile] = update;  assignments[tile] }
 *
 * A cache tile is a run of register tiles of one axis: what they share (the weights of those output channels) stays in the
 * cache while all other axes are gone through, before the next run's turn comes.
 *
 * Lanes are the images of the block (`lanes_are_images`: the caller has opened the lane loop) or the points of one space
 * axis with stride one (`lane_axis`), whose last, narrower vector takes what is left over.
 */
#ifndef NETC_SCHEDULE_H
#define NETC_SCHEDULE_H

#include "nest.h"

typedef struct Machine {
    int lanes;             /* f32 in a vector */
    int registers;         /* vector registers */
    int fmas;              /* multiply-adds of vectors that a core can begin in a cycle: slots (cost.h) */
    int64_t cache;         /* bytes of a core's own second-level cache that weights may take */
} Machine;

typedef struct Schedule {
    int64_t tile[AXIS_MAX];  /* space axes: points in a tile (for lane_axis: vectors), >= 1 */
    int block;               /* a space axis whose tiles are taken `block_tiles` at a time, in an outermost loop of its own; or -1 */
    int64_t block_tiles;
    bool unroll[AXIS_MAX];   /* reduce axes: expand */
    int order[AXIS_MAX];     /* space axes' tile loops, outermost first; then reduce axes, outermost first */
    int peeled;              /* a space axis whose few tiles are written out one by one, so that each leaves out the zeros of a sparse axis; or -1 */
    int parallel;            /* the space axis whose tiles are the kernel's items (outermost), or -1 */
    int lane_axis;           /* or -1 */
} Schedule;

/* Do so many accumulators fit, beside `held` operands that stay in registers and one that passes through, for a sum of so many steps? Of 16 registers one is left free where these are few: written out
 * as a whole, their loads are moved ahead of one another, and what is summed goes to the stack; and where there is no fused multiply-add. */
bool schedule_fits_registers(const Machine *m, int64_t accs, int64_t held, int64_t steps);
/* Are few lanes empty if they hold `count` points side by side? */
bool schedule_fills_lanes(int64_t count, int lanes);
/* Bytes that a core moves in a cycle to and from where `bytes` of data lie: its own cache, its share of the last one, memory. */
enum { BYTES_NEAR = 1 << 20, BYTES_FAR = 12 << 20 };
double schedule_bytes_per_cycle(double bytes);
/* Source order, one point at a time, nothing unrolled: what -O0 uses. */
Schedule schedule_plain(const Nest *n);
/* A tile that fills the registers, chosen by the number of cycles that FMAs and loads of the whole nest take on this
 * machine. `lane_axis` -1 when images are in the lanes; `parallel` -1 or the axis that must carry the items. */
Schedule schedule_choose(const Nest *n, const Machine *m, const Var *l, int lane_axis, int parallel);
/* Does the nest sum products with so few sums in flight that it waits for each of them? Then, what a person can do about it is
 * to know: such kernels are marked in the plan, and -Wslow warns of them. */
bool schedule_is_slow(const Nest *n, const Schedule *s);
/* "o:6 w:2 lane:i" for the plan. */
const char *schedule_text(Arena *a, const Nest *n, const Schedule *s);
/* Tiles of the parallel axis: the kernel's items. */
int64_t schedule_items(const Nest *n, const Schedule *s, int lanes);
/* Adds the loops to `into`; new locals go to the kernel. Returns null, or why the schedule does not fit the nest. */
const char *schedule_apply(Arena *a, const Nest *n, const Schedule *s, int lanes, const Var *l, Kernel *k, Stmt *into);

#endif
