/* memory.c: the same sums as in machine_new, loader_new and dataset.c, without the buffers. */
#include "memory.h"
#include "loader.h"
#include "machine.h"
#include "synthetic.h"

/* Measured: of a trainer that does nothing yet, and of each thread. */
static const int64_t program_bytes = 3000000, stack_bytes = 40000;

enum { LOADERS = 2, SLOTS = 3 }; /* of training and test part; batches in each */

typedef struct Published { int64_t train, test, bytes; } Published; /* pictures of the two parts, bytes of a picture */

/* The sizes of the data sets that are always the same. */
static Published published(const nrt_model *m)
{
    int64_t elements = dataset_input_elements(m);
    switch ((nrt_data_kind)m->train.data) {
    case NRT_SYNTHETIC: return (Published){synthetic_count(elements, 0), synthetic_count(elements, 1), elements};
    case NRT_FASHION_MNIST:
    case NRT_MNIST: return (Published){60000, 10000, 28 * 28};
    case NRT_CIFAR10: return (Published){50000, 10000, 3 * 32 * 32};
    case NRT_IMAGES:
    case NRT_ARRAYS: break;
    }
    return (Published){0, 0, 0};
}

/* The batches of both loaders, and what a step says of each image. */
static int64_t batch_bytes(const nrt_model *m)
{
    int64_t in = dataset_input_elements(m), out = dataset_output_elements(m), target = m->train.loss == NRT_SQUARED_ERROR ? out : 1;
    return machine_rows(m) * (LOADERS * SLOTS * (in + target) + out + 1) * (int64_t)sizeof(float);
}

MemoryPlan memory_plan(const nrt_model *m, int threads)
{
    Published p = published(m);
    int64_t label = 1, place = sizeof(uint32_t); /* a picture's class, and its place in the shuffled order */
    return (MemoryPlan){.state = m->state_bytes,
                        .arena = m->arena_bytes,
                        .scratch = threads * (m->scratch_bytes + stack_bytes),
                        .batches = batch_bytes(m),
                        .data = (p.train + p.test) * (p.bytes + label + place),
                        .program = program_bytes,
                        .data_known = p.train > 0};
}

int64_t memory_total(const MemoryPlan *p)
{
    return p->state + p->arena + p->scratch + p->batches + p->data + p->program;
}
