/* dataset.c: from `train.data` and the command line to two filled Datasets. The parts are read side by side, the test part on
 * a thread of its own, since unpacking a .gz is what starting a run waits for; each side has its own Fault. */
#include "dataset.h"
#include "atomic_file.h"
#include "cifar.h"
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
    if (d->images)
        image_list_free(d->images);
    free(d->images);
    *d = (Dataset){0};
}

bool dataset_takes_pictures(const nrt_model *m)
{
    return m->input_rank == 3 && (m->input_dim[0] == 1 || m->input_dim[0] == 3);
}

bool dataset_has_classes(const Dataset *d)
{
    return d->classes || d->labels || d->images;
}

int32_t dataset_label(const Dataset *d, int64_t i)
{
    return d->classes ? d->classes[i] : d->labels ? d->labels[i] : d->images ? d->images->label[i] : -1;
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
    p->out->channels = 1; /* all are scaled alike */
    synthetic_make(p->out, limit >= 0 && limit < count ? limit : count, dim[0], dim[1], dim[2],
                   outputs < SYNTHETIC_CLASSES ? outputs : SYNTHETIC_CLASSES, p->want->seed, p->test);
    return true;
}

/* ---- IDX and CIFAR ---- */

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
static char *data_find(const char *root, const char *const folders[3], const char *name)
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
    *p->out = (Dataset){.count = in.count, .elements = h * w, .stored = in.height * in.width, .channels = 1, .pixels = in.pixels};
    if (in.height != h || in.width != w)
        p->out->resize = resize_new(in.height, in.width, h, w);
    return idx_labels(labels, in.total, in.count, dataset_output_elements(m), images, &p->out->classes, &p->fault);
}

typedef struct Places { const char *folders[3]; } Places; /* under a root; "" is the root itself */

static bool no_file(const char *root, const Places *p, const char *name, Fault *f)
{
    return fault_set(f, EXIT_DATA, "%s: no %s or %s.gz in this folder, its '%s' or its '%s'; give --data DIR or set NETC_DATA", root, name, name,
                     p->folders[1], p->folders[2]);
}

static char *root_or_fault(Part *p)
{
    char *root = cache_root(p->want->root);
    if (!root)
        fault_set(&p->fault, EXIT_DATA, "no folder of data is known: give --data DIR or set NETC_DATA");
    return root;
}

static bool idx_part(Part *p)
{
    static const Places places[2] = {{{"", "fashion-mnist", "FashionMNIST/raw"}}, {{"", "mnist", "MNIST/raw"}}};
    static const char *const names[2][2] = {{"train-images-idx3-ubyte", "train-labels-idx1-ubyte"},
                                            {"t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"}};
    const Places *at = &places[p->want->model->train.data == NRT_MNIST];
    char *root = root_or_fault(p), *found[2] = {NULL, NULL};
    bool ok = root != NULL;
    for (int i = 0; ok && i < 2; i++)
        if (!(found[i] = data_find(root, at->folders, names[p->test][i])))
            ok = no_file(root, at, names[p->test][i], &p->fault);
    ok = ok && idx_load(p, found[0], found[1]);
    free(found[0]);
    free(found[1]);
    free(root);
    return ok;
}

static bool cifar_file(Part *p, const char *root, const char *name, CifarImages *all)
{
    static const Places places = {{"", "cifar-10", "cifar-10-batches-bin"}};
    char *path = data_find(root, places.folders, name);
    bool ok = path ? cifar_add(all, path, part_limit(p), dataset_output_elements(p->want->model), &p->fault) : no_file(root, &places, name, &p->fault);
    free(path);
    return ok;
}

/* Three planes of 32x32, made as large as the network wants them. */
static void cifar_set(Part *p, const CifarImages *all)
{
    const nrt_train *t = &p->want->model->train;
    int64_t h = t->resize_h ? t->resize_h : CIFAR_SIDE, w = t->resize_w ? t->resize_w : CIFAR_SIDE;
    *p->out = (Dataset){.count = all->count, .elements = 3 * h * w, .stored = CIFAR_PIXELS, .channels = 3, .pixels = all->pixels, .classes = all->classes};
    if (h != CIFAR_SIDE || w != CIFAR_SIDE)
        p->out->resize = resize_new(CIFAR_SIDE, CIFAR_SIDE, h, w);
}

/* Does the network take pictures of three channels, of this size? The compiler has seen to it, but not for what it reads as text. */
static bool cifar_fits(Part *p)
{
    const nrt_model *m = p->want->model;
    int64_t h = m->train.resize_h ? m->train.resize_h : CIFAR_SIDE, w = m->train.resize_w ? m->train.resize_w : CIFAR_SIDE;
    char network[80];
    if (m->input_rank == 3 && m->input_dim[0] == 3 && m->input_dim[1] == h && m->input_dim[2] == w)
        return true;
    return fault_set(&p->fault, EXIT_DATA, "%s: data gives 3x%lldx%lld, network wants %s", m->source, (long long)h, (long long)w,
                     dataset_shape(network, sizeof network, m->input_rank, m->input_dim));
}

static bool cifar_part(Part *p)
{
    static const char *const names[6] = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin",
                                         "test_batch.bin"};
    CifarImages all = {0};
    int64_t limit = part_limit(p);
    char *root = root_or_fault(p);
    bool ok = root && cifar_fits(p);
    for (int i = p->test ? 5 : 0; ok && i < (p->test ? 6 : 5) && (limit < 0 || all.count < limit); i++)
        ok = cifar_file(p, root, names[i], &all);
    free(root);
    if (ok)
        cifar_set(p, &all);
    else
        cifar_free(&all);
    return ok;
}

/* ---- arrays ---- */

/* Where a file or folder that the source names lies; the caller frees it. */
static char *source_path(const DataWant *want, const char *path)
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
    *p->out = (Dataset){.count = a.dim[0], .elements = a.count / a.dim[0], .stored = a.count / a.dim[0], .channels = 1};
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
    inputs = source_path(p->want, p->want->model->train.path_a);
    targets = source_path(p->want, p->want->model->train.path_b);
    ok = array_inputs(p, inputs) && array_targets(p, targets, inputs);
    if (ok && p->want->limit >= 0 && p->want->limit < p->out->count)
        p->out->count = p->want->limit;
    free(inputs);
    free(targets);
    return ok;
}

/* ---- images ---- */

static bool images_part(Part *p)
{
    const nrt_model *m = p->want->model;
    int64_t limit = part_limit(p);
    char *folder, network[80];
    ImageList *l;
    bool ok;
    if (!dataset_takes_pictures(m))
        return fault_set(&p->fault, EXIT_DATA, "%s: data gives 1xHxW or 3xHxW, network wants %s", m->source,
                         dataset_shape(network, sizeof network, m->input_rank, m->input_dim));
    folder = source_path(p->want, m->train.path_a);
    l = mem_get(1, sizeof *l);
    ok = image_list_read(folder, p->test, m->train.test_share, dataset_output_elements(m), l, &p->fault);
    free(folder);
    if (!ok) {
        free(l);
        return false;
    }
    *p->out = (Dataset){.elements = dataset_input_elements(m), .stored = dataset_input_elements(m), .channels = m->input_dim[0], .images = l};
    p->out->count = limit >= 0 && limit < l->count ? limit : l->count;
    return true;
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
    case NRT_CIFAR10: p->ok = cifar_part(p); break;
    case NRT_IMAGES: p->ok = images_part(p); break;
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
