/* memory.h: what a trainer will hold in memory, known before it holds it. */
#ifndef MEMORY_H
#define MEMORY_H

#include <stdbool.h>

#include "nrt.h"

typedef struct MemoryPlan { /* bytes, at the peak of `train` */
    int64_t state;          /* weights, running statistics, the optimiser's state */
    int64_t arena;          /* what a step keeps of the whole batch */
    int64_t scratch;        /* all threads' work on a lane block each, and their stacks */
    int64_t batches;        /* made ahead by the two loaders, and results */
    int64_t data;           /* both parts of the data set, where known */
    int64_t program;        /* code, C library, tables */
    bool data_known;        /* false: pictures or arrays, whose number only their files tell */
} MemoryPlan;

MemoryPlan memory_plan(const nrt_model *m, int threads);
int64_t memory_total(const MemoryPlan *p);

#endif
