/* commands.c: the short subcommands, and what all of them share. */
#include "commands.h"
#include "atomic_file.h"
#include "checkpoint.h"
#include "mem.h"
#include "npy.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int option_threads(const Options *o)
{
    return o->threads > 0 ? (int)o->threads : pool_processors();
}

int64_t option_batch(const nrt_model *m, const Options *o)
{
    return o->batch > 0 ? o->batch : m->train.batch;
}

uint64_t option_seed(const nrt_model *m, const Options *o)
{
    return (uint64_t)(o->seed >= 0 ? o->seed : m->train.seed);
}

void weights_find(const nrt_model *m, const Options *o, char *state)
{
    static const char *const names[] = {"best", "last"};
    Fault f;
    char *path = o->weights ? mem_printf("%s", o->weights) : NULL;
    for (int i = 0; !path && i < 2; i++) {
        path = mem_printf("runs/%s/%s.safetensors", m->name, names[i]);
        if (!file_exists(path)) {
            free(path);
            path = NULL;
        }
    }
    if (!path)
        die(EXIT_IO, "runs/%s: no best.safetensors or last.safetensors in this folder; train first, or give --weights FILE", m->name);
    if (!checkpoint_weights(path, m, state, &f))
        fault_die(&f);
    free(path);
}

Score evaluate(Machine *k, Loader *l, int64_t *confusion)
{
    Score s = {0};
    const Batch *b;
    loader_begin(l, false, 0, 0, 0);
    while ((b = loader_next(l))) {
        machine_infer(k, b, &s);
        for (int64_t i = 0; confusion && i < b->n; i++)
            confusion[b->labels[i] * k->outputs + machine_argmax(k->ctx.out + i * k->outputs, k->outputs)]++;
    }
    return s;
}

/* The test part, which must be there. */
static void test_part(const nrt_model *m, const Options *o, Dataset *test)
{
    DataWant want = {.model = m, .root = o->data, .limit = -1, .limit_test = o->limit_test, .seed = (uint64_t)m->train.seed, .test = true};
    Dataset none;
    Fault f;
    if (!dataset_read(&want, &none, test, &f))
        fault_die(&f);
    if (test->count == 0)
        die(EXIT_USAGE, "the data of %s has no test part", m->source);
}

static void confusion_print(const int64_t *confusion, int64_t classes)
{
    printf("\nconfusion (row: true class, column: predicted class)\n      ");
    for (int64_t k = 0; k < classes; k++)
        printf(" %5lld", (long long)k);
    printf("   right\n");
    for (int64_t i = 0; i < classes; i++) {
        int64_t total = 0;
        printf("%5lld ", (long long)i);
        for (int64_t k = 0; k < classes; k++) {
            printf(" %5lld", (long long)confusion[i * classes + k]);
            total += confusion[i * classes + k];
        }
        printf("  %5.1f%%\n", total ? 100.0 * (double)confusion[i * classes + i] / (double)total : 0.0);
    }
}

int command_test(const nrt_model *m, const Options *o)
{
    Machine *k = machine_new(m, option_threads(o));
    int64_t *confusion = NULL;
    Dataset test;
    Loader *l;
    Score s;
    weights_find(m, o, k->ctx.state);
    test_part(m, o, &test);
    if ((test.classes || test.labels) && k->outputs <= 1000)
        confusion = mem_get((size_t)(k->outputs * k->outputs), sizeof *confusion);
    l = loader_new(&test, m, option_batch(m, o));
    s = evaluate(k, l, confusion);
    printf("images %lld\nloss %.9g\n", (long long)s.images, machine_loss(m, s.loss, s.images));
    if (s.classes)
        printf("accuracy %.6g\n", score_accuracy(&s));
    if (confusion)
        confusion_print(confusion, k->outputs);
    loader_free(l);
    free(confusion);
    dataset_free(&test);
    machine_free(k);
    return EXIT_OK;
}

/* Softmax of n logits in place, in doubles. */
static void softmax(double *p, const float *logits, int64_t n)
{
    double most = logits[machine_argmax(logits, n)], total = 0;
    for (int64_t i = 0; i < n; i++)
        total += p[i] = exp(logits[i] - most);
    for (int64_t i = 0; i < n; i++)
        p[i] /= total;
}

static void top_print(double *p, int64_t n, int64_t top)
{
    for (int64_t t = 0; t < top && t < n; t++) {
        int64_t best = 0;
        for (int64_t i = 1; i < n; i++)
            best = p[i] > p[best] ? i : best;
        printf("  class %lld  %.4f\n", (long long)best, p[best]);
        p[best] = -1;
    }
}

int command_predict(const nrt_model *m, const Options *o)
{
    Machine *k;
    Dataset test;
    Loader *l;
    const Batch *b;
    Score s = {0};
    double *p;
    if (o->word_count)
        die(EXIT_ENV, "%s: this trainer was built without a reader for picture files; --index N shows images of the test part", o->words[0]);
    if (m->train.loss != NRT_CROSS_ENTROPY)
        die(EXIT_USAGE, "'predict' needs a network of classes; 'run' gives any network's output");
    k = machine_new(m, option_threads(o));
    weights_find(m, o, k->ctx.state);
    test_part(m, o, &test);
    if (o->index >= test.count)
        die(EXIT_USAGE, "--index: %lld is not allowed; the test part has images 0 to %lld", (long long)o->index, (long long)(test.count - 1));
    l = loader_new(&test, m, 1);
    loader_begin(l, false, 0, 0, o->index);
    b = loader_next(l);
    machine_infer(k, b, &s);
    p = mem_get((size_t)k->outputs, sizeof *p);
    softmax(p, k->ctx.out, k->outputs);
    printf("image %lld, class %d:\n", (long long)o->index, (int)b->labels[0]);
    top_print(p, k->outputs, o->top > 0 ? o->top : 5);
    free(p);
    loader_free(l);
    dataset_free(&test);
    machine_free(k);
    return EXIT_OK;
}

/* Do both paths lead to one file? */
static bool same_file(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

int command_run(const nrt_model *m, const Options *o)
{
    Machine *k = machine_new(m, option_threads(o));
    int64_t batch = option_batch(m, o), dim[4] = {0}, rows = k->rows;
    float *out, *x = mem_pages((size_t)(rows * k->inputs) * sizeof *x);
    Dataset in = {0};
    NpyArray a;
    Fault f;
    Score s = {0};
    if (same_file(o->words[0], o->out))
        die(EXIT_USAGE, "-o: %s is the input itself", o->out);
    weights_find(m, o, k->ctx.state);
    if (!npy_read(o->words[0], &a, &f) || !dataset_array_check(&a, o->words[0], m->input_rank, m->input_dim, &f))
        fault_die(&f);
    in = (Dataset){.count = a.dim[0], .elements = k->inputs, .values = npy_floats(&a)};
    out = mem_get((size_t)(in.count * k->outputs), sizeof *out);
    for (int64_t at = 0; at < in.count; at += batch) {
        Batch b = {.x = x, .n = in.count - at < batch ? in.count - at : batch};
        memset(x, 0, (size_t)(rows * k->inputs) * sizeof *x);
        memcpy(x, in.values + at * k->inputs, (size_t)(b.n * k->inputs) * sizeof *x);
        machine_infer(k, &b, &s);
        memcpy(out + at * k->outputs, k->ctx.out, (size_t)(b.n * k->outputs) * sizeof *out);
    }
    dim[0] = in.count;
    for (int i = 0; i < m->output_rank; i++)
        dim[i + 1] = m->output_dim[i];
    if (!npy_write(o->out, m->output_rank + 1, dim, out, &f))
        fault_die(&f);
    free(out);
    dataset_free(&in);
    mem_pages_free(x, (size_t)(rows * k->inputs) * sizeof *x);
    machine_free(k);
    return EXIT_OK;
}

int command_export(const nrt_model *m, const Options *o)
{
    char *state = mem_pages((size_t)m->state_bytes);
    Fault f;
    weights_find(m, o, state);
    if (!checkpoint_export(o->words[0], m, state, &f))
        fault_die(&f);
    mem_pages_free(state, (size_t)m->state_bytes);
    return EXIT_OK;
}
