/* checkpoint.c: between the model's table of tensors and safetensors files. Numbers in __metadata__ are text, as the format asks;
 * doubles are written with 17 digits, so a resumed run goes on with the same bits. */
#include "checkpoint.h"
#include "init.h"
#include "mem.h"
#include "safetensors.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TEXTS = 13 };

/* The model's tensors as items of a file; `optim` says whether the optimiser's are among them. The caller frees it. */
static StItem *state_items(const nrt_model *m, const char *state, bool optim, int64_t *count)
{
    StItem *items = mem_get((size_t)m->tensor_count, sizeof *items);
    *count = 0;
    for (int i = 0; i < m->tensor_count; i++) {
        const nrt_tensor *t = &m->tensors[i];
        if (t->role != NRT_OPTIM || optim)
            items[(*count)++] = (StItem){t->name, t->rank, t->dim, (const float *)(const void *)(state + t->offset)};
    }
    return items;
}

static char *hash_text(const nrt_model *m)
{
    return mem_printf("%016" PRIx64, m->hash);
}

static void texts_free(StText *t, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        free(t[i].value);
}

bool checkpoint_save(const char *path, const nrt_model *m, const char *state, const Checkpoint *c, Fault *f)
{
    static char keys[][12] = {"format", "network", "hash", "epoch", "seen", "step", "seed", "loss_sum", "correct", "best_loss", "history", "images", "classes"};
    StText t[TEXTS];
    int64_t count, n = 0;
    StItem *items = state_items(m, state, true, &count);
    bool ok;
    t[n++].value = mem_printf("netc");
    t[n++].value = mem_printf("%s", m->name);
    t[n++].value = hash_text(m);
    t[n++].value = mem_printf("%" PRId64, c->epoch);
    t[n++].value = mem_printf("%" PRId64, c->seen);
    t[n++].value = mem_printf("%" PRId64, c->step);
    t[n++].value = mem_printf("%" PRIu64, c->seed);
    t[n++].value = mem_printf("%.17g", c->loss_sum);
    t[n++].value = mem_printf("%" PRId64, c->correct);
    t[n++].value = mem_printf("%.17g", c->best_loss);
    t[n++].value = history_text(&c->history);
    t[n++].value = mem_printf("%" PRId64, c->images);
    if (c->classes)
        t[n++].value = mem_printf("%s", c->classes);
    for (int64_t i = 0; i < n; i++)
        t[i].key = keys[i];
    ok = st_write(path, items, count, t, n, f);
    texts_free(t, n);
    free(items);
    return ok;
}

bool checkpoint_export(const char *path, const nrt_model *m, const char *state, const char *classes, Fault *f)
{
    static char keys[][8] = {"format", "network", "hash", "classes"};
    StText t[4] = {{keys[0], mem_printf("netc")}, {keys[1], mem_printf("%s", m->name)}, {keys[2], hash_text(m)},
                   {keys[3], classes ? mem_printf("%s", classes) : NULL}};
    int64_t count;
    StItem *items = state_items(m, state, false, &count);
    bool ok = st_write(path, items, count, t, classes ? 4 : 3, f);
    texts_free(t, 4);
    free(items);
    return ok;
}

static bool shape_same(const StTensor *a, const nrt_tensor *b)
{
    bool same = a->rank == b->rank;
    for (int i = 0; same && i < a->rank; i++)
        same = a->dim[i] == b->dim[i];
    return same;
}

static void shape_text(char *buf, size_t size, int64_t rank, const int64_t *dim)
{
    size_t at = (size_t)snprintf(buf, size, "[");
    for (int64_t i = 0; i < rank && at < size; i++)
        at += (size_t)snprintf(buf + at, size - at, i ? ", %lld" : "%lld", (long long)dim[i]);
    if (at < size)
        snprintf(buf + at, size - at, "]");
}

/* The file's tensor for the model's t; null with a Fault if it is missing or has another shape. */
static const StTensor *tensor_match(const StFile *s, const nrt_tensor *t, Fault *f)
{
    const StTensor *in = st_find(s, t->name);
    char found[200], wanted[120];
    if (!in) {
        fault_set(f, EXIT_DATA, "%s: has no tensor '%s', which the network needs", s->path, t->name);
        return NULL;
    }
    if (shape_same(in, t))
        return in;
    shape_text(found, sizeof found, in->rank, in->dim);
    shape_text(wanted, sizeof wanted, t->rank, t->dim);
    fault_set(f, EXIT_DATA, "%s: tensor '%s' has shape %s, the network's has %s", s->path, t->name, found, wanted);
    return NULL;
}

static bool model_has(const nrt_model *m, const char *name)
{
    for (int i = 0; i < m->tensor_count; i++)
        if (strcmp(m->tensors[i].name, name) == 0)
            return true;
    return false;
}

/* All of the file's tensors belong to the model; "optim/" ones may be passed over. */
static bool nothing_extra(const StFile *s, const nrt_model *m, bool optim, Fault *f)
{
    for (int64_t i = 0; i < s->count; i++)
        if ((optim || strncmp(s->at[i].name, "optim/", 6) != 0) && !model_has(m, s->at[i].name))
            return fault_set(f, EXIT_DATA, "%s: has a tensor '%.100s', which the network does not have", s->path, s->at[i].name);
    return true;
}

/* Every tensor is matched before the first one is read, so a file that does not fit changes nothing. */
static bool state_load(const StFile *s, const nrt_model *m, char *state, bool optim, Fault *f)
{
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < m->tensor_count; i++) {
            const nrt_tensor *t = &m->tensors[i];
            const StTensor *in;
            if (t->role == NRT_OPTIM && !optim)
                continue;
            if (!(in = tensor_match(s, t, f)) || (pass == 1 && !st_load(s, in, (float *)(void *)(state + t->offset), f)))
                return false;
        }
    }
    return true;
}

bool checkpoint_weights(const char *path, const nrt_model *m, char *state, Fault *f)
{
    StFile s;
    bool ok;
    if (!st_open(&s, path, f))
        return false;
    ok = nothing_extra(&s, m, false, f) && state_load(&s, m, state, false, f);
    st_close(&s);
    return ok;
}

char *checkpoint_classes(const char *path)
{
    StFile s;
    Fault f;
    char *classes;
    if (!st_open(&s, path, &f))
        return NULL;
    classes = st_text(&s, "classes") ? mem_printf("%s", st_text(&s, "classes")) : NULL;
    st_close(&s);
    return classes;
}

/* ---- where training stands ---- */

static bool text_number(const StFile *s, const char *key, double lo, double *out, Fault *f)
{
    const char *text = st_text(s, key);
    char *end;
    if (!text)
        return fault_set(f, EXIT_DATA, "%s: __metadata__ has no '%s': this is no checkpoint to resume from; --init-weights takes it", s->path, key);
    *out = strtod(text, &end);
    if (end == text || *end || isnan(*out) || *out < lo)
        return fault_set(f, EXIT_DATA, "%s: __metadata__ '%s' is '%.40s'; a number of at least %g is allowed", s->path, key, text, lo);
    return true;
}

static bool text_count(const StFile *s, const char *key, int64_t *out, Fault *f)
{
    double v;
    if (!text_number(s, key, 0, &v, f))
        return false;
    if (v > 1e15)
        return fault_set(f, EXIT_DATA, "%s: __metadata__ '%s' is %g; at most 1e15 is allowed", s->path, key, v);
    *out = (int64_t)v;
    return true;
}

static bool place_load(const StFile *s, const nrt_model *m, Checkpoint *c, Fault *f)
{
    char *ours = hash_text(m);
    const char *hash = st_text(s, "hash"), *seed = st_text(s, "seed"), *history = st_text(s, "history");
    bool same = hash && strcmp(hash, ours) == 0;
    if (!same)
        fault_set(f, EXIT_DATA, "%s: was saved by another network: its hash is %.40s, ours is %s; --init-weights takes weights from anywhere", s->path,
                  hash ? hash : "missing", ours);
    free(ours);
    if (!same || !text_count(s, "epoch", &c->epoch, f) || !text_count(s, "seen", &c->seen, f) || !text_count(s, "step", &c->step, f) ||
        !text_count(s, "correct", &c->correct, f) || !text_number(s, "loss_sum", -INFINITY, &c->loss_sum, f) ||
        !text_number(s, "best_loss", -INFINITY, &c->best_loss, f))
        return false;
    c->images = c->seen; /* what files without `images` mean */
    if (st_text(s, "images") && !text_count(s, "images", &c->images, f))
        return false;
    c->classes = st_text(s, "classes") ? mem_printf("%s", st_text(s, "classes")) : NULL;
    c->seed = seed ? strtoull(seed, NULL, 10) : 0;
    if (!seed || !history || !history_parse(&c->history, history))
        return fault_set(f, EXIT_DATA, "%s: __metadata__ has no whole 'seed' and 'history'", s->path);
    return true;
}

bool checkpoint_resume(const char *path, const nrt_model *m, char *state, Checkpoint *c, Fault *f)
{
    StFile s;
    bool ok;
    if (!st_open(&s, path, f))
        return false;
    ok = nothing_extra(&s, m, true, f) && place_load(&s, m, c, f) && state_load(&s, m, state, true, f);
    st_close(&s);
    return ok;
}
