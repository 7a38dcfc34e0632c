/* timing.h: what a trainer measured: the JSON that `NAME time --json` prints, read back. */
#ifndef NETC_TIMING_H
#define NETC_TIMING_H

#include "base.h"

typedef struct KernelTime { const char *name; double ms, gflops; } KernelTime; /* of a batch; name: the kernel's own, interned */

typedef struct Timing {
    double peak_gflops, step_ms;
    int64_t batch, threads;
    VEC(KernelTime) kernels;
} Timing;

/* Reads n bytes of JSON (RFC 8259); members that are not needed are passed over. Null where it is none or says too little: then *error says why,
 * and *at is the byte. */
const Timing *timing_parse(Arena *a, const char *text, size_t n, size_t *at, const char **error);

#endif
