/* kernel_run.h: a `.net` source compiled, loaded into this process and run beside the float64 evaluator, on the same numbers.
 *
 * Tasks of a segment are run in a scrambled order by several make-believe workers: no result may depend on either.
 */
#ifndef KERNEL_RUN_H
#define KERNEL_RUN_H

#include "../../compiler/eval.h"
#include "../../compiler/graph.h"
#include "../../compiler/plan.h"
#include "../../compiler/target.h"

typedef struct KernelConfig {
    const char *march;  /* null: this machine */
    int opt_level;      /* 0: the plain reference lowering */
    int lanes;          /* images in the lanes; 0: what the target has. Wider than its vectors works, slowly */
    bool no_fuse, no_depth_first, no_tile, no_partial, no_winograd; /* as -fno-... */
    int winograd_tile;  /* Winograd's way with this tile wherever it is possible; 0: where it is predicted to be faster */
} KernelConfig;

typedef struct KernelCompiled {
    Arena *arena;
    Graph *graph;
    const nrt_model *model;
    void *library;
} KernelCompiled;

/* Compiles and loads a source; fails the test (Check) where it cannot. Free with kernel_unload. */
KernelCompiled kernel_load(const char *name, const char *source, KernelConfig config);
void kernel_unload(KernelCompiled *k);

typedef struct KernelCheck {
    bool whole;         /* inputs, weights and targets are small whole numbers, the learning rate and weights 1: results must be equal */
    double tolerance;   /* else: relative L2 of the output, the losses and each tensor's update */
    uint64_t seed;
    bool may_rest;      /* tensors that the evaluator does not move are no fault of the case; they must not move */
    double offset;      /* added to the network's inputs */
} KernelCheck;

/* Runs one step and one inference on n images and compares everything with the evaluator. Returns null, or (static text) what
 * differs and by how much. NaN, and outputs or updates that are zero throughout, count as differences. */
const char *kernel_check(const KernelCompiled *k, int64_t n, KernelCheck check);

#endif
