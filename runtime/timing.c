/* timing.c: `time`. Steps on random numbers, twice: first untouched, for the step's own time, then with ctx->ticks set, for the kernels'.
 * With --forward a step is an inference: no labels, no loss, nothing that learns.
 *
 * A kernel's time is its tasks' ticks of one step, divided by the number of threads: its share of the step when all threads
 * are busy. Every figure is the median over the steps; beside it stands what a kernel takes at least, the sum of each task's least over the steps: others who
 * use the machine slow down now this task, now that one. Ticks become seconds by comparing both clocks over the second run.
 * The peak that shares refer to is measured here, on the same threads: the best of several runs of model->peak. It also turns the slots that
 * the compiler predicted for each kernel into seconds. Whether the data keeps up is measured last, where the data is at hand (data_timing.h). */
#include "commands.h"
#include "cpu.h"
#include "data_timing.h"
#include "init.h"
#include "json.h"
#include "mem.h"
#include "rng.h"
#include "table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { PASSES = 5, WARM_UP = 3, PEAK_RUNS = 7, PEAK_PARTS = 8, SINK = 1024 };

typedef struct Timing {
    const nrt_model *m;
    Machine *k;
    Batch batch;
    int64_t steps;
    double lr;
    bool forward;              /* a step is an inference */
    double step_s, peak;       /* seconds of a step; FLOP/s of the machine on these threads */
    double *kernel_s;          /* [kernels] */
    double *least_s;           /* [kernels]: with each task at its fastest */
    bool data_known;           /* is `data` measured? If not, data_fault says why */
    DataTiming data;
    Fault data_fault;
} Timing;

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double median(double *v, int64_t n)
{
    qsort(v, (size_t)n, sizeof *v, by_value);
    return n % 2 ? v[n / 2] : 0.5 * (v[n / 2 - 1] + v[n / 2]);
}

static void random_batch(Timing *t, int64_t n, uint64_t seed)
{
    Rng r = rng_new(seed, rng_hash("time"));
    Machine *k = t->k;
    bool dense = !t->forward && t->m->train.loss == NRT_SQUARED_ERROR, classes = !t->forward && !dense;
    t->batch = (Batch){.x = mem_get((size_t)(k->rows * k->inputs), sizeof(float)), .n = n};
    if (dense)
        t->batch.target = mem_get((size_t)(k->rows * k->outputs), sizeof(float));
    if (classes)
        t->batch.labels = mem_get((size_t)k->rows, sizeof(int32_t));
    for (int64_t i = 0; i < n * k->inputs; i++)
        t->batch.x[i] = (float)rng_uniform(&r);
    for (int64_t i = 0; i < k->rows && classes; i++)
        t->batch.labels[i] = i < n ? (int32_t)rng_below(&r, (uint64_t)k->outputs) : -1;
    for (int64_t i = 0; i < n * k->outputs && dense; i++)
        t->batch.target[i] = (float)rng_uniform(&r);
}

/* ctx->ticks: for each worker, the nanoseconds of processor time that it took. */
static void peak_task(nrt_ctx *ctx, int64_t task, int64_t worker)
{
    double start = cpu_thread_seconds();
    (void)task;
    nrt_the_model.peak(ctx->n, ctx->out + worker * SINK);
    ctx->ticks[worker] += (uint64_t)((cpu_thread_seconds() - start) * 1e9);
}

/* Mean seconds of processor time of `iterations`, PEAK_PARTS parts a thread: whoever else uses the machine does not count. */
static double peak_seconds(nrt_ctx *ctx, int threads, int64_t iterations)
{
    double sum = 0;
    ctx->n = iterations;
    memset(ctx->ticks, 0, (size_t)threads * sizeof *ctx->ticks);
    nrt_parallel_for(peak_task, ctx, (int64_t)threads * PEAK_PARTS);
    for (int w = 0; w < threads; w++)
        sum += (double)ctx->ticks[w] * 1e-9;
    return sum / threads / PEAK_PARTS;
}

static double measure_peak(const Machine *k)
{
    int threads = pool_threads(k->pool);
    nrt_ctx ctx = {.out = mem_pages((size_t)threads * SINK * sizeof(float)), .ticks = mem_get((size_t)threads, sizeof *ctx.ticks), .pool = k->pool};
    int64_t iterations = 1000;
    double best;
    while ((best = peak_seconds(&ctx, threads, iterations)) < 0.0025)
        iterations *= 2;
    for (int i = 0; i < PEAK_RUNS; i++)
        best = fmin(best, peak_seconds(&ctx, threads, iterations));
    mem_pages_free(ctx.out, (size_t)threads * SINK * sizeof(float));
    free(ctx.ticks);
    return (double)k->model->peak_flops_per_iteration * (double)iterations * threads / best;
}

static void one_step(Timing *t, Score *score)
{
    if (t->forward)
        machine_infer(t->k, &t->batch, score);
    else
        machine_step(t->k, &t->batch, t->lr, score);
}

static void measure_steps(Timing *t)
{
    double *s = mem_get((size_t)t->steps, sizeof *s);
    Score score = {0};
    for (int64_t i = -WARM_UP; i < t->steps; i++) {
        double start = cpu_seconds();
        one_step(t, &score);
        if (i >= 0)
            s[i] = cpu_seconds() - start;
    }
    t->step_s = median(s, t->steps);
    free(s);
}

/* Ticks of a task that has not run: those of inference in training, and those behind the last lane block of a smaller batch. */
static const uint64_t not_run = UINT64_MAX;

/* The ticks of one step: the sum over its tasks, for each kernel. least: of each task, over the steps so far. */
static void collect_ticks(const Timing *t, double *ticks, uint64_t *least)
{
    int threads = pool_threads(t->k->pool);
    for (int i = 0; i < t->m->kernel_count; i++) {
        const nrt_kernel *k = &t->m->kernels[i];
        ticks[i] = 0;
        for (int64_t j = k->first_tick; j < k->first_tick + k->tasks; j++) {
            uint64_t spent = t->k->ticks[j];
            if (spent == not_run)
                continue;
            ticks[i] += (double)spent / threads;
            if (spent < least[j])
                least[j] = spent;
            t->k->ticks[j] = not_run;
        }
    }
}

static double sum_ticks(const nrt_kernel *k, const uint64_t *ticks)
{
    double sum = 0;
    for (int64_t j = k->first_tick; j < k->first_tick + k->tasks; j++)
        if (ticks[j] != not_run)
            sum += (double)ticks[j];
    return sum;
}

static void measure_kernels(Timing *t)
{
    int n = t->m->kernel_count, threads = pool_threads(t->k->pool);
    double *ticks = mem_get((size_t)(t->steps * n), sizeof *ticks), *one = mem_get((size_t)t->steps, sizeof *one), start, rate;
    uint64_t first, *least = mem_get((size_t)t->m->tick_count + 1, sizeof *least);
    Score score = {0};
    for (int64_t j = 0; j < t->m->tick_count; j++)
        t->k->ticks[j] = least[j] = not_run;
    t->k->ctx.ticks = t->k->ticks;
    start = cpu_seconds();
    first = cpu_ticks();
    for (int64_t i = 0; i < t->steps; i++) {
        one_step(t, &score);
        collect_ticks(t, ticks + i * n, least);
    }
    rate = (cpu_seconds() - start) / (double)(cpu_ticks() - first);
    t->k->ctx.ticks = NULL;
    for (int i = 0; i < n; i++) {
        for (int64_t s = 0; s < t->steps; s++)
            one[s] = ticks[s * n + i];
        t->kernel_s[i] = median(one, t->steps) * rate;
        t->least_s[i] = sum_ticks(&t->m->kernels[i], least) / threads * rate;
    }
    free(least);
    free(one);
    free(ticks);
}

/* Synthetic pictures lie in memory. Of other data that is not there only who names it with --data is told with an error. */
static void measure_data(Timing *t, const Options *o)
{
    if (t->forward)
        return;
    if (t->m->train.data == NRT_SYNTHETIC) {
        fault_set(&t->data_fault, EXIT_DATA, "synthetic pictures lie in memory");
        return;
    }
    t->data_known = data_timing(t->k, o, &t->data, &t->data_fault);
    if (!t->data_known && o->data)
        fault_die(&t->data_fault);
}

/* ---- output ---- */

typedef struct Cost { double seconds, least, predicted, flops; } Cost; /* of a batch */

/* Kernels of inference take no part in a training step, nor the other way round. */
static bool kernel_ran(const Timing *t, int kernel)
{
    return t->kernel_s[kernel] > 0;
}

/* A slot is a multiply-add of vectors on one core; the peak is that of all threads, which share the work. */
static double predicted_seconds(const Timing *t, int kernel)
{
    double flop_per_slot = 2.0 * (double)t->m->lanes, share = (double)t->batch.n / (double)t->m->train.batch;
    return (double)t->m->kernels[kernel].slots * share * flop_per_slot / t->peak;
}

static void cost_add(Cost *c, const Timing *t, int kernel)
{
    if (!kernel_ran(t, kernel))
        return;
    c->seconds += t->kernel_s[kernel];
    c->least += t->least_s[kernel];
    c->predicted += predicted_seconds(t, kernel);
    c->flops += (double)t->m->kernels[kernel].flops * (double)t->batch.n;
}

/* The arithmetic of what is timed, on the batch. */
static double step_flops(const Timing *t)
{
    Cost c = {0, 0, 0, 0};
    if (!t->forward)
        return (double)t->m->flops_per_image * (double)t->batch.n;
    for (int i = 0; i < t->m->kernel_count; i++)
        cost_add(&c, t, i);
    return c.flops;
}

/* What a layer's kernels of each pass cost. */
static void layer_cost(const Timing *t, const char *layer, Cost cost[PASSES])
{
    memset(cost, 0, sizeof(Cost) * PASSES);
    for (int i = 0; i < t->m->kernel_count; i++)
        if (strcmp(t->m->kernels[i].layer, layer) == 0 && t->m->kernels[i].pass >= 0 && t->m->kernels[i].pass < PASSES)
            cost_add(&cost[t->m->kernels[i].pass], t, i);
}

static double gflops(Cost c)
{
    return c.seconds > 0 ? c.flops / c.seconds * 1e-9 : 0;
}

static void print_cost(const Timing *t, Cost c)
{
    if (c.seconds > 0)
        printf(" %9.4f %7.1f %5.0f%%", c.seconds * 1e3, gflops(c), 100 * gflops(c) * 1e9 / t->peak);
    else
        printf(" %9s %7s %6s", "-", "-", "-");
}

/* A mark for each hundredth. */
static void print_bar(double share)
{
    enum { MARKS_MOST = 40 };
    int marks = (int)fmin(100 * share + 0.5, MARKS_MOST);
    printf("%s%.*s", marks > 0 ? "  " : "", marks, "########################################");
}

/* Does the prediction hold, within the 30% beyond which the compiler's model of the machine wants mending? */
static bool holds(const Timing *t, int kernel)
{
    double ratio = predicted_seconds(t, kernel) / t->kernel_s[kernel];
    return ratio > 0.7 && ratio < 1.3;
}

/* Rates are of the arithmetic that a layer stands for; Winograd's way does it with less. */
static void print_prediction(const Timing *t)
{
    Cost all = {0, 0, 0, 0}, near = {0, 0, 0, 0};
    bool above = false;
    for (int i = 0; i < t->m->kernel_count; i++) {
        Cost one = {0, 0, 0, 0};
        cost_add(&one, t, i);
        cost_add(&all, t, i);
        if (kernel_ran(t, i) && holds(t, i))
            cost_add(&near, t, i);
        above |= gflops(one) * 1e9 > t->peak;
    }
    printf("\nall kernels %.4f ms, at least %.4f ms, predicted %.4f ms; %.0f%% of the time is in kernels that are predicted within 30%%\n", all.seconds * 1e3,
           all.least * 1e3, all.predicted * 1e3, all.seconds > 0 ? 100 * near.seconds / all.seconds : 0);
    if (above)
        printf("above 100%% of the peak: Winograd's way takes fewer operations than the plain sum, by which they are counted\n");
}

static void print_data(const Timing *t)
{
    if (t->data_known)
        printf("data %.0f images/s by itself; a step waits %.4f ms for it\n", t->data.images_per_s, t->data.wait_s * 1e3);
    else if (!t->forward)
        printf("data not measured: %s\n", t->data_fault.text);
}

static const char *const pass_names[PASSES] = {"forward", "backward data", "backward weights", "update", "other"};

static const char *pass_name(const nrt_kernel *k)
{
    return k->pass >= 0 && k->pass < PASSES ? pass_names[k->pass] : "";
}

static void print_layers(const Timing *t)
{
    int width = column_width("layer", 22);
    for (int i = 0; i < t->m->layer_count; i++)
        width = column_width(t->m->layers[i].name, width);
    printf("\n%-*s | %-24s | %-24s | %s\n", width, "", pass_names[0], pass_names[1], pass_names[2]);
    printf("%-*s", width, "layer");
    for (int p = 0; p < 3; p++)
        printf(" | %9s %7s %6s", "ms", "GFLOP/s", "peak");
    printf("\n");
    for (int i = 0; i < t->m->layer_count; i++) {
        Cost c[PASSES];
        layer_cost(t, t->m->layers[i].name, c);
        printf("%-*s", width, t->m->layers[i].name);
        for (int p = 0; p < 3; p++) {
            printf(" |");
            print_cost(t, c[p]);
        }
        printf("\n");
    }
}

static void print_kernels(const Timing *t)
{
    int width = column_width("kernel", 30);
    for (int i = 0; i < t->m->kernel_count; i++)
        if (kernel_ran(t, i))
            width = column_width(t->m->kernels[i].name, width);
    printf("\n%-*s  %-16s %9s %7s %6s %10s %10s %9s  %s\n", width, "kernel", "pass", "ms", "GFLOP/s", "peak", "at least", "predicted", "MB",
           t->forward ? "share of the inference" : "share of the step");
    for (int i = 0; i < t->m->kernel_count; i++) {
        const nrt_kernel *k = &t->m->kernels[i];
        Cost c = {0, 0, 0, 0};
        if (!kernel_ran(t, i))
            continue;
        cost_add(&c, t, i);
        printf("%-*s  %-16s", width, k->name, pass_name(k));
        print_cost(t, c);
        printf(" %10.4f %10.4f %9.2f", c.least * 1e3, c.predicted * 1e3, (double)(k->bytes * t->batch.n) * 1e-6);
        print_bar(c.seconds / t->step_s);
        printf("\n");
    }
}

static void print_tables(const Timing *t)
{
    double images = (double)t->batch.n, total = step_flops(t);
    int threads = pool_threads(t->k->pool);
    printf("%s: batch %lld, %d thread%s, median of %lld step%s\n", t->m->name, (long long)t->batch.n, threads, threads == 1 ? "" : "s",
           (long long)t->steps, t->steps == 1 ? "" : "s");
    printf("%s %.4f ms, %.0f images/s, %.1f GFLOP/s, %.0f%% of the measured peak of %.1f GFLOP/s\n", t->forward ? "inference" : "step",
           t->step_s * 1e3, images / t->step_s, total / t->step_s * 1e-9, 100 * total / t->step_s / t->peak, t->peak * 1e-9);
    print_data(t);
    print_layers(t);
    print_kernels(t);
    print_prediction(t);
}

static void json_cost(const Timing *t, const char *prefix, Cost c)
{
    printf("\"%sms\":%.6g,\"%spredicted_ms\":%.6g,\"%sgflops\":%.6g,\"%speak_share\":%.6g", prefix, c.seconds * 1e3, prefix, c.predicted * 1e3, prefix,
           gflops(c), prefix, gflops(c) * 1e9 / t->peak);
}

static void print_json(const Timing *t)
{
    static const char *const keys[PASSES] = {"forward", "backward_data", "backward_weights", "update", "other"};
    struct rusage usage;
    double images = (double)t->batch.n;
    getrusage(RUSAGE_SELF, &usage);
    printf("{\"images_per_s\":%.6g,\"step_ms\":%.6g,\"gflops\":%.6g,\"peak_gflops\":%.6g,\"peak_rss_bytes\":%lld,\"batch\":%lld,\"threads\":%d,",
           images / t->step_s, t->step_s * 1e3, step_flops(t) / t->step_s * 1e-9, t->peak * 1e-9,
           (long long)usage.ru_maxrss * 1024, (long long)t->batch.n, pool_threads(t->k->pool));
    if (t->data_known)
        printf("\"data_images_per_s\":%.6g,\"data_wait_ms\":%.6g,", t->data.images_per_s, t->data.wait_s * 1e3);
    printf("\"layers\":[");
    for (int i = 0; i < t->m->layer_count; i++) {
        Cost c[PASSES];
        layer_cost(t, t->m->layers[i].name, c);
        printf("%s{\"name\":", i ? "," : "");
        json_write_string(stdout, t->m->layers[i].name);
        printf(",\"kind\":");
        json_write_string(stdout, t->m->layers[i].kind);
        for (int p = 0; p < PASSES; p++) {
            char prefix[32];
            snprintf(prefix, sizeof prefix, "%s_", keys[p]);
            putchar(',');
            json_cost(t, prefix, c[p]);
        }
        putchar('}');
    }
    printf("],\"kernels\":[");
    for (int i = 0, shown = 0; i < t->m->kernel_count; i++) {
        const nrt_kernel *k = &t->m->kernels[i];
        Cost c = {0, 0, 0, 0};
        if (!kernel_ran(t, i))
            continue;
        cost_add(&c, t, i);
        printf("%s{\"name\":", shown++ ? "," : "");
        json_write_string(stdout, k->name);
        printf(",\"layer\":");
        json_write_string(stdout, k->layer);
        printf(",\"pass\":\"%s\",", k->pass >= 0 && k->pass < PASSES ? keys[k->pass] : "other");
        json_cost(t, "", c);
        printf(",\"least_ms\":%.6g,\"bytes\":%lld}", c.least * 1e3, (long long)(k->bytes * t->batch.n));
    }
    printf("]}\n");
}

int command_time(const nrt_model *m, const Options *o)
{
    Timing t = {.m = m, .k = machine_new(m, option_threads(o)), .steps = o->steps > 0 ? o->steps : 50, .lr = o->lr >= 0 ? o->lr : m->train.lr,
                .forward = o->forward};
    t.kernel_s = mem_get((size_t)m->kernel_count, sizeof *t.kernel_s);
    t.least_s = mem_get((size_t)m->kernel_count, sizeof *t.least_s);
    init_state(m, t.k->ctx.state, option_seed(m, o));
    random_batch(&t, option_batch(m, o), option_seed(m, o));
    t.peak = measure_peak(t.k);
    measure_steps(&t);
    measure_kernels(&t);
    t.peak = fmax(t.peak, measure_peak(t.k)); /* a virtual machine's processors may share a core for a while */
    measure_data(&t, o);
    if (o->json)
        print_json(&t);
    else
        print_tables(&t);
    free(t.batch.x);
    free(t.batch.labels);
    free(t.batch.target);
    free(t.kernel_s);
    free(t.least_s);
    machine_free(t.k);
    return EXIT_OK;
}
