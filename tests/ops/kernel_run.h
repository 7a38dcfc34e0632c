/* kernel_run.h: a `.net` source compiled, loaded into this process and run beside the float64 evaluator, on the same numbers.
 *
 * Tasks of a segment are run in order by one worker, in a scrambled order by three make-believe ones, or by three threads: no
 * result may depend on it. What goes wrong before there are numbers to compare ends the process, with a text on stderr.
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
    bool row_steps;     /* Winograd's stages take turns row by row, as small as their tiles may be */
    int band_tiles;     /* ... and in bands of so many tiles of a row; 0: as wide as the plan has them */
    bool stream;        /* whatever another kernel reads goes past the caches */
    int winograd_tile;  /* Winograd's way with this tile wherever it is possible; 0: where it is predicted to be faster */
    bool by_input;      /* direct gradients copy their weights, however few these are */
} KernelConfig;

typedef struct KernelCompiled {
    Arena *arena;
    Graph *graph;
    const nrt_model *model;
    void *library;
} KernelCompiled;

/* Compiles and loads a source. Free with kernel_unload. */
KernelCompiled kernel_load(const char *name, const char *source, KernelConfig config);
void kernel_unload(KernelCompiled *k);

/* The two halves of kernel_load, for one graph in several configurations: the graph with gradients and inference, and code for it.
 * kernel_close leaves the arena alone. */
Graph *kernel_graph(Arena *a, const char *name, const char *source);
/* In place of the first half, a graph's text. */
Graph *kernel_read_graph(Arena *a, const char *name, const char *text);
/* The graph, printed and read: passes work on that one, and the judge keeps the one that none has touched. */
Graph *kernel_copy_graph(Arena *a, const Graph *g);
KernelCompiled kernel_compile(Arena *a, Graph *g, KernelConfig config);
/* The graph that the configuration's code computes: a copy, in which maps may be made again and convolutions be Winograd's. Its roots are in g's order. */
Graph *kernel_computed(Arena *a, const Graph *g, KernelConfig config);
void kernel_close(KernelCompiled *k);

/* ---- numbers ---- */

typedef struct KernelDraw {
    int64_t images;
    uint64_t seed, key; /* key: kernel_draw's own */
    bool whole;         /* small whole numbers, up to `largest` (0: 2); the learning rate and the images' weights are 1 */
    int largest;
    double offset;      /* added to the network's inputs */
} KernelDraw;

/* An evaluator with a value for every source, all of them floats; not yet run. */
Eval *kernel_draw(Arena *a, const Graph *g, KernelDraw d);

/* ---- running ---- */

enum { KERNEL_WORKERS = 3 };
typedef enum KernelWorkers { WORKERS_SCRAMBLED, WORKERS_ONE, WORKERS_THREADS } KernelWorkers;

typedef struct KernelRun {
    const KernelCompiled *k;
    const Eval *eval;
    nrt_ctx ctx;
    int64_t n, rows;
    KernelWorkers workers;
} KernelRun;

/* Memory for a run, filled with the sources' values. A run can be changed (ctx) before infer or step. */
KernelRun kernel_run_new(const KernelCompiled *k, const Eval *e, KernelDraw d, KernelWorkers workers);
void kernel_run_infer(KernelRun *r);
void kernel_run_step(KernelRun *r);
void kernel_run_free(KernelRun *r);
/* A parameter's numbers in the run's state. */
float *kernel_state(const KernelRun *r, const Node *param);
const nrt_tensor *kernel_tensor(const KernelCompiled *k, const char *name);
/* The root that inference has in place of training's, or training's. */
const Node *kernel_root(const Graph *g, bool infer, RootKind for_infer, RootKind for_train);

/* ---- checking ---- */

/* The step that `stepped` has just taken, once more by one worker and by three threads: null where all bits are the same. */
const char *kernel_check_threads(const KernelRun *stepped, KernelDraw d);

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
