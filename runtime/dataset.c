/* dataset.c: from `train.data` and the command line to two filled Datasets. The parts are read side by side, the test part on
 * a thread of its own, since unpacking a .gz is what starting a run waits for; each side has its own Fault. */
#include "dataset.h"
#include "atomic_file.h"
#include "idx.h"
#include "mem.h"
#include "synthetic.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

typedef struct Part { /* one part's reading: what, and how it went */
    const DataWant *want;
    Dataset *out;
    bool test, ok;
    Fault fault;
} Part;

static int64_t product(int64_t rank, const int64_t *dim)
{
    int64_t n = 1;
    for (int64_t i = 0; i < rank; i++)
        n *= dim[i];
    return n;
}

int64_t dataset_input_elements(const nrt_model *m)
{
    return product(m->input_rank, m->input_dim);
}

int64_t dataset_output_elements(const nrt_model *m)
{
    return product(m->output_rank, m->output_dim);
}

const char *dataset_shape(char *buf, size_t size, int64_t rank, const int64_t *dim)
{
    size_t at = 0;
    snprintf(buf, size, "%s", rank ? "" : "1");
    for (int64_t i = 0; i < rank && at < size; i++)
        at += (size_t)snprintf(buf + at, size - at, i ? "x%lld" : "%lld", (long long)dim[i]);
    return buf;
}

void dataset_free(Dataset *d)
{
    free(d->pixels);
    free(d->values);
    free(d->classes);
    free(d->labels);
    free(d->targets);
    resize_free(d->resize);
    *d = (Dataset){0};
}

int32_t dataset_label(const Dataset *d, int64_t i)
{
    return d->classes ? d->classes[i] : d->labels ? d->labels[i] : -1;
}

/* The input as channels, height, width: a flat one is a nearly square picture's first numbers. */
static void picture_dims(const nrt_model *m, int64_t dim[3])
{
    int64_t side = 1, n = m->input_dim[0];
    dim[0] = m->input_rank == 3 ? m->input_dim[0] : 1;
    if (m->input_rank == 1) {
        while (side * side < n)
            side++;
        dim[1] = (n + side - 1) / side;
        dim[2] = side;
    } else {
        dim[1] = m->input_dim[m->input_rank - 2];
        dim[2] = m->input_dim[m->input_rank - 1];
    }
}

static int64_t part_limit(const Part *p)
{
    return p->test ? p->want->limit_test : p->want->limit;
}

static bool synthetic_part(Part *p)
{
    const nrt_model *m = p->want->model;
    int64_t dim[3], limit = part_limit(p), outputs = dataset_output_elements(m);
    int64_t count = synthetic_count(dataset_input_elements(m), p->test);
    picture_dims(m, dim);
    p->out->elements = dataset_input_elements(m);
    synthetic_make(p->out, limit >= 0 && limit < count ? limit : count, dim[0], dim[1], dim[2],
                   outputs < SYNTHETIC_CLASSES ? outputs : SYNTHETIC_CLASSES, p->want->seed, p->test);
    return true;
}

/* ---- IDX ---- */

/* Where caches lie; the caller frees it. Null where not even a home is known. */
static char *cache_root(const char *root)
{
    const char *env;
    if (root)
        return mem_printf("%s", root);
    if ((env = getenv("NETC_DATA")) && *env)
        return mem_printf("%s", env);
    if ((env = getenv("XDG_CACHE_HOME")) && *env)
        return mem_printf("%s/netc", env);
    if ((env = getenv("HOME")) && *env)
        return mem_printf("%s/.cache/netc", env);
    return NULL;
}

/* The path of file `name` (plain or .gz) in one of the places under root; null if it is nowhere. The caller frees it. */
static char *idx_find(const char *root, const char *const folders[3], const char *name)
{
    for (int i = 0; i < 3; i++) {
        for (int gz = 0; gz < 2; gz++) {
            char *path = mem_printf("%s/%s%s%s%s", root, folders[i], *folders[i] ? "/" : "", name, gz ? ".gz" : "");
            if (file_exists(path))
                return path;
            free(path);
        }
    }
    return NULL;
}

static bool idx_load(Part *p, const char *images, const char *labels)
{
    const nrt_model *m = p->want->model;
    int64_t h = m->train.resize_h ? m->train.resize_h : m->input_dim[1], w = m->train.resize_w ? m->train.resize_w : m->input_dim[2];
    IdxImages in;
    char network[80];
    if (m->input_rank != 3 || m->input_dim[0] != 1 || h != m->input_dim[1] || w != m->input_dim[2])
        return fault_set(&p->fault, EXIT_DATA, "%s: byte 8: data gives grey pictures (1xHxW), network wants %s", images,
                         dataset_shape(network, sizeof network, m->input_rank, m->input_dim));
    if (!idx_images(images, part_limit(p), 1, m->train.resize_h ? 0 : h, m->train.resize_h ? 0 : w, &in, &p->fault))
        return false;
    *p->out = (Dataset){.count = in.count, .elements = h * w, .stored = in.height * in.width, .pixels = in.pixels};
    if (in.height != h || in.width != w)
        p->out->resize = resize_new(in.height, in.width, h, w);
    return idx_labels(labels, in.total, in.count, dataset_output_elements(m), images, &p->out->classes, &p->fault);
}

static bool idx_part(Part *p)
{
    static const char *const folders[2][3] = {{"", "fashion-mnist", "FashionMNIST/raw"}, {"", "mnist", "MNIST/raw"}};
    static const char *const names[2][2] = {{"train-images-idx3-ubyte", "train-labels-idx1-ubyte"},
                                            {"t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"}};
    const char *const *places = folders[p->want->model->train.data == NRT_MNIST];
    char *root = cache_root(p->want->root), *found[2] = {NULL, NULL};
    bool ok = root ? true : fault_set(&p->fault, EXIT_DATA, "no folder of data is known: give --data DIR or set NETC_DATA");
    for (int i = 0; ok && i < 2; i++)
        if (!(found[i] = idx_find(root, places, names[p->test][i])))
            ok = fault_set(&p->fault, EXIT_DATA, "%s: no %s or %s.gz in this folder, its '%s' or its '%s'; give --data DIR or set NETC_DATA", root,
                           names[p->test][i], names[p->test][i], places[1], places[2]);
    ok = ok && idx_load(p, found[0], found[1]);
    free(found[0]);
    free(found[1]);
    free(root);
    return ok;
}

/* ---- arrays ---- */

/* Where an array of the source lies; the caller frees it. */
static char *array_path(const DataWant *want, const char *path)
{
    const char *source = want->model->source, *slash = strrchr(source, '/');
    if (*path == '/')
        return mem_printf("%s", path);
    if (want->root)
        return mem_printf("%s/%s", want->root, path);
    if (!file_exists(path) && slash)
        return mem_printf("%.*s/%s", (int)(slash - source), source, path);
    return mem_printf("%s", path);
}

/* Is the array [n] + dim? A dimension of 1 that the network adds in front ([n, 6, 8] for 1x6x8) may be left out. */
static bool array_fits(const NpyArray *a, int64_t rank, const int64_t *dim)
{
    for (int skip = 0; skip <= (rank > 0 && dim[0] == 1); skip++) {
        bool same = a->rank == rank - skip + 1;
        for (int64_t i = skip; same && i < rank; i++)
            same = a->dim[i - skip + 1] == dim[i];
        if (same)
            return true;
    }
    return false;
}

bool dataset_array_check(const NpyArray *a, const char *path, int64_t rank, const int64_t *dim, Fault *f)
{
    char found[200], wanted[80];
    if (array_fits(a, rank, dim) && a->dim[0] > 0)
        return true;
    return fault_set(f, EXIT_DATA, "%s: byte 10: the array has shape %s, network wants N%s%s with N at least 1", path,
                     dataset_shape(found, sizeof found, a->rank, a->dim), rank ? "x" : "", rank ? dataset_shape(wanted, sizeof wanted, rank, dim) : "");
}

/* The array's elements as floats, all of them finite; null and a fault otherwise. */
static float *array_floats(NpyArray *a, const char *path, Fault *f)
{
    int64_t bytes = a->type == NPY_U1 ? 1 : a->type == NPY_F8 || a->type == NPY_I8 ? 8 : 4;
    float *x = npy_floats(a);
    for (int64_t i = 0; i < a->count; i++) {
        if (isfinite(x[i]))
            continue;
        fault_set(f, EXIT_DATA, "%s: byte %lld: %s; only finite numbers of float32 are allowed", path, (long long)(a->start + i * bytes),
                  isnan(x[i]) ? "not a number" : "a number that is not finite in float32");
        free(x);
        return NULL;
    }
    return x;
}

static bool array_inputs(Part *p, const char *path)
{
    const nrt_model *m = p->want->model;
    NpyArray a;
    if (!npy_read(path, &a, &p->fault))
        return false;
    if (!dataset_array_check(&a, path, m->input_rank, m->input_dim, &p->fault)) {
        npy_free(&a);
        return false;
    }
    *p->out = (Dataset){.count = a.dim[0], .elements = a.count / a.dim[0], .stored = a.count / a.dim[0]};
    p->out->values = array_floats(&a, path, &p->fault);
    return p->out->values != NULL;
}

static bool array_targets(Part *p, const char *path, const char *inputs)
{
    const nrt_model *m = p->want->model;
    bool classes = m->train.loss == NRT_CROSS_ENTROPY, ok;
    NpyArray a;
    if (!npy_read(path, &a, &p->fault))
        return false;
    ok = dataset_array_check(&a, path, classes ? 0 : m->output_rank, m->output_dim, &p->fault);
    if (ok && a.dim[0] != p->out->count)
        ok = fault_set(&p->fault, EXIT_DATA, "%s: byte 10: %lld rows, but %s has %lld", path, (long long)a.dim[0], inputs, (long long)p->out->count);
    if (ok && classes) {
        ok = npy_classes(&a, path, dataset_output_elements(m), &p->out->labels, &p->fault);
    } else if (ok) {
        p->out->target_elements = a.count / a.dim[0];
        p->out->targets = array_floats(&a, path, &p->fault);
        ok = p->out->targets != NULL;
    }
    npy_free(&a);
    return ok;
}

static bool array_part(Part *p)
{
    char *inputs, *targets;
    bool ok;
    if (p->test)
        return true; /* arrays have no test part */
    inputs = array_path(p->want, p->want->model->train.path_a);
    targets = array_path(p->want, p->want->model->train.path_b);
    ok = array_inputs(p, inputs) && array_targets(p, targets, inputs);
    if (ok && p->want->limit >= 0 && p->want->limit < p->out->count)
        p->out->count = p->want->limit;
    free(inputs);
    free(targets);
    return ok;
}

/* ---- both parts ---- */

static void *part_read(void *arg)
{
    Part *p = arg;
    switch ((nrt_data_kind)p->want->model->train.data) {
    case NRT_SYNTHETIC: p->ok = synthetic_part(p); break;
    case NRT_FASHION_MNIST:
    case NRT_MNIST: p->ok = idx_part(p); break;
    case NRT_ARRAYS: p->ok = array_part(p); break;
    case NRT_CIFAR10:
    case NRT_IMAGES: p->ok = fault_set(&p->fault, EXIT_USAGE, "%s: this trainer was compiled for data that it cannot read", p->want->model->source); break;
    }
    return NULL;
}

bool dataset_read(const DataWant *want, Dataset *train, Dataset *test, Fault *f)
{
    Part parts[2] = {{.want = want, .out = train, .test = false, .ok = true}, {.want = want, .out = test, .test = true, .ok = true}};
    pthread_t id;
    bool beside;
    *train = *test = (Dataset){0};
    beside = want->train && want->test && pthread_create(&id, NULL, part_read, &parts[1]) == 0;
    if (want->train)
        part_read(&parts[0]);
    if (beside)
        pthread_join(id, NULL);
    else if (want->test)
        part_read(&parts[1]);
    for (int i = 0; i < 2; i++) {
        if (!parts[i].ok) {
            *f = parts[i].fault;
            dataset_free(train);
            dataset_free(test);
            return false;
        }
    }
    return true;
}
