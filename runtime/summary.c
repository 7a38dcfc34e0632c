/* summary.c: the network as a table, and the memory that it takes. */
#include "commands.h"

#include <stdio.h>

static void megabytes(const char *name, int64_t bytes)
{
    printf("%-22s %12.3f MB\n", name, (double)bytes / 1e6);
}

int command_summary(const nrt_model *m, const Options *o)
{
    int threads = option_threads(o);
    int64_t params = 0, macs = 0, batch_rows = (m->train.batch + m->lanes - 1) / m->lanes * m->lanes;
    int64_t buffers = 6 * batch_rows * dataset_input_elements(m) * (int64_t)sizeof(float); /* two loaders of three batches */
    char shape[80];
    printf("%s (%s), input %s, batch %lld, for %s\n\n", m->name, m->source, dataset_shape(shape, sizeof shape, m->input_rank, m->input_dim),
           (long long)m->train.batch, m->cpu);
    printf("%-28s %-14s %-14s %12s %14s\n", "layer", "kind", "output", "parameters", "multiply-adds");
    for (int i = 0; i < m->layer_count; i++) {
        const nrt_layer *l = &m->layers[i];
        printf("%-28s %-14s %-14s %12lld %14lld\n", l->name, l->kind, dataset_shape(shape, sizeof shape, l->rank, l->dim), (long long)l->params,
               (long long)l->macs);
        params += l->params;
        macs += l->macs;
    }
    printf("%-28s %-14s %-14s %12lld %14lld\n\n", "total", "", "", (long long)params, (long long)macs);
    megabytes("state", m->state_bytes);
    megabytes("arena", m->arena_bytes);
    printf("%-22s %12.3f MB (%d threads)\n", "scratch", (double)(threads * m->scratch_bytes) / 1e6, threads);
    megabytes("batches", buffers);
    megabytes("peak without data", machine_bytes(m, threads) + buffers);
    return EXIT_OK;
}
