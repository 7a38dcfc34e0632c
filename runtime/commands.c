/* commands.c: the short subcommands, and what all of them share. */
#include "commands.h"
#include "atomic_file.h"
#include "checkpoint.h"
#include "class_names.h"
#include "image_reader.h"
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

char *weights_find(const nrt_model *m, const Options *o, char *state)
{
    static const char *const names[] = {"best", "last"};
    Fault f;
    char *classes;
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
    classes = checkpoint_classes(path);
    free(path);
    return classes;
}

void classes_match(const char *weights, const char *trained, const Dataset *d)
{
    char *found = trained && d->images ? image_list_classes(d->images) : NULL;
    if (found && strcmp(found, trained) != 0)
        die(EXIT_DATA, "%s: the classes are %.200s; the weights%s%s were trained on %.200s", d->images->folder, found, weights && *weights ? " of " : "",
            weights ? weights : "", trained);
    free(found);
}

int64_t unreadable_warn(Loader *l, const Dataset *d, int64_t told)
{
    char text[900];
    int64_t bad = loader_unreadable(l, text, sizeof text);
    if (bad > told)
        fault_warn("%s: %lld of %lld pictures cannot be read and are left out: %s%s", d->images->folder, (long long)bad, (long long)d->count, text,
                   bad > 3 ? "; ..." : "");
    return bad;
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
        die(EXIT_USAGE, "the data of %s has no test part%s", m->source,
            test->images ? ": no class has files enough for its share; images(..., test=0.5) keeps one of two" : "");
}

static void confusion_print(const nrt_model *m, const char *folders, const int64_t *confusion, int64_t classes)
{
    char name[256];
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
        class_name(m, folders, i, name, sizeof name);
        printf("  %5.1f%%%s%s\n", total ? 100.0 * (double)confusion[i * classes + i] / (double)total : 0.0, *name ? "  " : "", name);
    }
}

static void loader_check(const Loader *l)
{
    if (loader_fault(l))
        fault_die(loader_fault(l));
}

int command_test(const nrt_model *m, const Options *o)
{
    Machine *k = machine_new(m, option_threads(o));
    int64_t *confusion = NULL;
    char *classes = weights_find(m, o, k->ctx.state);
    Dataset test;
    Loader *l;
    Score s;
    test_part(m, o, &test);
    classes_match(o->weights, classes, &test);
    if (dataset_has_classes(&test) && k->outputs <= 1000)
        confusion = mem_get((size_t)(k->outputs * k->outputs), sizeof *confusion);
    l = loader_new(&test, m, option_batch(m, o));
    s = evaluate(k, l, confusion);
    loader_check(l);
    unreadable_warn(l, &test, 0);
    printf("images %lld\nloss %.9g\n", (long long)s.images, machine_loss(m, s.loss, s.images));
    if (s.classes)
        printf("accuracy %.6g\n", score_accuracy(&s));
    if (confusion)
        confusion_print(m, classes, confusion, k->outputs);
    loader_free(l);
    free(confusion);
    free(classes);
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

typedef struct Predictor { /* what `predict` needs for each image */
    const nrt_model *m;
    Machine *k;
    char *classes; /* names of images() */
    int64_t top;
    double *p;     /* [outputs] */
} Predictor;

/* "3 cat", or the number alone. */
static void class_print(const Predictor *pr, int64_t class)
{
    char name[256];
    class_name(pr->m, pr->classes, class, name, sizeof name);
    printf("%lld%s%s", (long long)class, *name ? " " : "", name);
}

static void top_print(const Predictor *pr)
{
    int64_t n = pr->k->outputs;
    for (int64_t t = 0; t < pr->top && t < n; t++) {
        char name[256];
        int64_t best = 0;
        for (int64_t i = 1; i < n; i++)
            best = pr->p[i] > pr->p[best] ? i : best;
        class_name(pr->m, pr->classes, best, name, sizeof name);
        printf("  class %lld  %.4f%s%s\n", (long long)best, pr->p[best], *name ? "  " : "", name);
        pr->p[best] = -1;
    }
}

/* The likeliest classes of the batch's one image. */
static void predict_batch(Predictor *pr, const Batch *b)
{
    Score s = {0};
    machine_infer(pr->k, b, &s);
    softmax(pr->p, pr->k->ctx.out, pr->k->outputs);
    top_print(pr);
}

/* The image at place --index of the test part, which must be readable: the loader would go on to the next. */
static const Batch *index_batch(Loader *l, const Dataset *test, int64_t index)
{
    char text[900];
    const Batch *b;
    loader_begin(l, false, 0, 0, index);
    b = loader_next(l);
    if (b && b->end == index + 1)
        return b;
    loader_unreadable(l, text, sizeof text);
    die(EXIT_DATA, "--index: image %lld of %s cannot be read: %s", (long long)index, test->images->folder, text);
}

static void predict_index(Predictor *pr, const Options *o)
{
    Dataset test;
    Loader *l;
    const Batch *b;
    test_part(pr->m, o, &test);
    classes_match(o->weights, pr->classes, &test);
    if (o->index >= test.count)
        die(EXIT_USAGE, "--index: %lld is not allowed; the test part has images 0 to %lld", (long long)o->index, (long long)(test.count - 1));
    l = loader_new(&test, pr->m, 1);
    b = index_batch(l, &test, o->index);
    printf("image %lld, class ", (long long)o->index);
    class_print(pr, b->labels[0]);
    printf("%s%s:\n", test.images ? ", " : "", test.images ? test.images->path[o->index] : "");
    predict_batch(pr, b);
    loader_free(l);
    dataset_free(&test);
}

/* Files, each resized to the input, in its channels, and scaled as in training. */
static void predict_files(Predictor *pr, const Options *o)
{
    const nrt_model *m = pr->m;
    ImageReader *reader = image_reader_new(NULL, m->input_dim[0], m->input_dim[1], m->input_dim[2]);
    int64_t plane = m->input_dim[1] * m->input_dim[2], row = plane * m->input_dim[0];
    float value[3][256], *x = mem_pages((size_t)(pr->k->rows * row) * sizeof *x);
    loader_byte_values(m, value);
    for (int i = 0; i < o->word_count; i++) {
        Fault f;
        const uint8_t *bytes = image_reader_file(reader, o->words[i], &f);
        if (!bytes)
            fault_die(&f);
        for (int64_t k = 0; k < row; k++)
            x[k] = value[k / plane][bytes[k]];
        printf("%s:\n", o->words[i]);
        predict_batch(pr, &(Batch){.x = x, .n = 1});
    }
    mem_pages_free(x, (size_t)(pr->k->rows * row) * sizeof *x);
    image_reader_free(reader);
}

int command_predict(const nrt_model *m, const Options *o)
{
    Predictor pr = {.m = m, .top = o->top > 0 ? o->top : 5};
    char shape[80];
    if (m->train.loss != NRT_CROSS_ENTROPY)
        die(EXIT_USAGE, "'predict' needs a network of classes; 'run' gives any network's output");
    if (o->word_count && !dataset_takes_pictures(m))
        die(EXIT_USAGE, "%s: the network's input is %s, no picture of 1 or 3 channels; 'run' takes arrays", o->words[0],
            dataset_shape(shape, sizeof shape, m->input_rank, m->input_dim));
    pr.k = machine_new(m, option_threads(o));
    pr.classes = weights_find(m, o, pr.k->ctx.state);
    pr.p = mem_get((size_t)pr.k->outputs, sizeof *pr.p);
    if (o->word_count)
        predict_files(&pr, o);
    else
        predict_index(&pr, o);
    free(pr.p);
    free(pr.classes);
    machine_free(pr.k);
    return EXIT_OK;
}

/* Do both paths lead to one file? */
static bool same_file(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* The array as the network's input. Bytes are a picture where the network was trained on pictures, and scaled as these were; all else is
 * taken as it is. */
static float *run_floats(const nrt_model *m, NpyArray *a)
{
    bool picture = a->type == NPY_U1 && m->train.data != NRT_ARRAYS;
    int64_t channels = m->input_rank == 3 ? m->input_dim[0] : 1, row = a->count / a->dim[0];
    const uint8_t *bytes = a->data;
    float value[3][256], *x;
    if (!picture)
        return npy_floats(a);
    loader_byte_values(m, value);
    x = mem_get((size_t)a->count, sizeof *x);
    for (int64_t i = 0; i < a->count; i++) {
        int64_t c = i % row / (row / channels);
        x[i] = value[c < 3 ? c : 0][bytes[i]];
    }
    npy_free(a);
    return x;
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
    free(weights_find(m, o, k->ctx.state));
    if (!npy_read(o->words[0], &a, &f) || !dataset_array_check(&a, o->words[0], m->input_rank, m->input_dim, &f))
        fault_die(&f);
    in = (Dataset){.count = a.dim[0], .elements = k->inputs, .values = run_floats(m, &a)};
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
    char *classes, *state = mem_pages((size_t)m->state_bytes);
    Fault f;
    classes = weights_find(m, o, state);
    if (!checkpoint_export(o->words[0], m, state, classes, &f))
        fault_die(&f);
    free(classes);
    mem_pages_free(state, (size_t)m->state_bytes);
    return EXIT_OK;
}
