/* loop_harness.h: small Programs built by hand, compiled and run inside the test. */
#ifndef LOOP_HARNESS_H
#define LOOP_HARNESS_H

#include "../../compiler/emit_llvm.h"
#include "../../compiler/loop.h"
#include "../../compiler/target.h"

/* A program with one kernel "k", one segment for step, and buffers x, y, ... of the arena laid out one after the other. */
typedef struct Harness {
    Arena *a;
    Program *p;
    Kernel *k;
    void *library;          /* dlopen's */
    const nrt_model *model; /* once loaded */
} Harness;

/* An empty program for a batch of `batch` images in lane blocks of `lanes`. */
Harness harness_new(int lanes, int64_t batch, int64_t chunk);
/* A dense buffer of the space, given its extents (a first one of -1: batch blocks), its halo on all dimensions but the first. */
Buffer *harness_buffer(Harness *h, const char *name, Elem elem, Space space, int rank, const int64_t *dim, int64_t halo);
/* Adds a kernel (h->k is the latest), and a segment that runs it alone: BLOCKS, or ITEMS when items > 0. */
Kernel *harness_kernel(Harness *h, const char *name, int64_t items, int64_t per_task);
/* A loop added to a statement: serial, unrolled or over the lanes, from constant bounds. */
Stmt *harness_loop(Harness *h, Stmt *in, LoopKind kind, const char *name, int64_t lo, int64_t hi);
Affine harness_var(Harness *h, const Stmt *loop);
/* Verifies, compiles for march at the optimisation level, and loads. Fails the test when something is wrong. */
void harness_load(Harness *h, const char *march, int opt_level);
/* Assembly of the program for a processor. */
char *harness_assembly(Harness *h, const char *march, int opt_level);
void harness_free(Harness *h);
/* Of each segment, only so many tasks are run: the first ones. */
extern int64_t harness_tasks;
/* The memory of an arena buffer at index 0. */
void *harness_at(const nrt_ctx *ctx, const Buffer *b);
/* A context of n images with zeroed arena, state, scratch (2 workers) and canonical arrays; free with harness_close. */
nrt_ctx harness_open(const Harness *h, int64_t n);
void harness_close(nrt_ctx *ctx);

#endif
