/* summary.c: the network as a table and the memory that it takes, or both as one JSON object. */
#include "commands.h"
#include "json.h"
#include "memory.h"
#include "table.h"

#include <stdio.h>

static void megabytes(const char *name, int64_t bytes, const char *note)
{
    printf("%-22s %12.3f MB%s\n", name, (double)bytes / 1e6, note);
}

static void print_memory(const nrt_model *m, int threads)
{
    MemoryPlan p = memory_plan(m, threads);
    char note[40];
    snprintf(note, sizeof note, " (%d thread%s)", threads, threads == 1 ? "" : "s");
    megabytes("state", p.state, "");
    megabytes("arena", p.arena, "");
    megabytes("scratch", p.scratch, note);
    megabytes("batches", p.batches, "");
    if (p.data_known)
        megabytes("data set", p.data, "");
    megabytes("program", p.program, "");
    megabytes("peak memory", memory_total(&p), p.data_known ? "" : " (and the data set)");
}

static void print_layers(const nrt_model *m)
{
    int64_t params = 0, macs = 0;
    char shape[80];
    int name_width = column_width("layer", 0), kind_width = column_width("kind", 0), shape_width = column_width("output", 0);
    for (int i = 0; i < m->layer_count; i++) {
        const nrt_layer *l = &m->layers[i];
        name_width = column_width(l->name, name_width);
        kind_width = column_width(l->kind, kind_width);
        shape_width = column_width(dataset_shape(shape, sizeof shape, l->rank, l->dim), shape_width);
    }
    printf("%-*s  %-*s  %-*s  %12s  %14s\n", name_width, "layer", kind_width, "kind", shape_width, "output", "parameters", "multiply-adds");
    for (int i = 0; i < m->layer_count; i++) {
        const nrt_layer *l = &m->layers[i];
        printf("%-*s  %-*s  %-*s  %12lld  %14lld\n", name_width, l->name, kind_width, l->kind, shape_width,
               dataset_shape(shape, sizeof shape, l->rank, l->dim), (long long)l->params, (long long)l->macs);
        params += l->params;
        macs += l->macs;
    }
    printf("%-*s  %-*s  %-*s  %12lld  %14lld\n", name_width, "total", kind_width, "", shape_width, "", (long long)params, (long long)macs);
}

static void json_shape(const char *key, int rank, const int64_t *dim)
{
    printf(",\"%s\":[", key);
    for (int i = 0; i < rank; i++)
        printf("%s%lld", i ? "," : "", (long long)dim[i]);
    printf("]");
}

static void json_memory(const nrt_model *m, int threads)
{
    MemoryPlan p = memory_plan(m, threads);
    printf("\"threads\":%d,\"state_bytes\":%lld,\"arena_bytes\":%lld,\"scratch_bytes\":%lld,\"batches_bytes\":%lld,", threads, (long long)p.state,
           (long long)p.arena, (long long)p.scratch, (long long)p.batches);
    if (p.data_known)
        printf("\"data_bytes\":%lld,", (long long)p.data);
    printf("\"program_bytes\":%lld,\"peak_bytes\":%lld", (long long)p.program, (long long)memory_total(&p));
}

static void print_json(const nrt_model *m, int threads)
{
    printf("{\"name\":");
    json_write_string(stdout, m->name);
    printf(",\"source\":");
    json_write_string(stdout, m->source);
    json_shape("input", m->input_rank, m->input_dim);
    printf(",\"batch\":%lld,\"cpu\":", (long long)m->train.batch);
    json_write_string(stdout, m->cpu);
    printf(",\"layers\":[");
    for (int i = 0; i < m->layer_count; i++) {
        const nrt_layer *l = &m->layers[i];
        printf("%s{\"name\":", i ? "," : "");
        json_write_string(stdout, l->name);
        printf(",\"kind\":");
        json_write_string(stdout, l->kind);
        json_shape("output", l->rank, l->dim);
        printf(",\"parameters\":%lld,\"multiply_adds\":%lld}", (long long)l->params, (long long)l->macs);
    }
    printf("],");
    json_memory(m, threads);
    printf("}\n");
}

static void print_tables(const nrt_model *m, int threads)
{
    char shape[80];
    printf("%s (%s), input %s, batch %lld, for %s\n\n", m->name, m->source, dataset_shape(shape, sizeof shape, m->input_rank, m->input_dim),
           (long long)m->train.batch, m->cpu);
    print_layers(m);
    printf("\n");
    print_memory(m, threads);
}

int command_summary(const nrt_model *m, const Options *o)
{
    if (o->json)
        print_json(m, option_threads(o));
    else
        print_tables(m, option_threads(o));
    return EXIT_OK;
}
