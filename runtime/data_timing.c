/* data_timing.c: two walks, each with a loader of its own, so that nothing decoded for the first helps the second. */
#include "data_timing.h"
#include "commands.h"
#include "cpu.h"

#include <string.h>

enum { BATCHES = 21 };

typedef struct Walk { int64_t images, batches; double seconds, waited; } Walk; /* behind the first batch */

/* Walks through the data; `step`: with a training step on each batch. */
static bool walk(Machine *k, const Dataset *d, int64_t batch, double lr, bool step, Walk *w, Fault *f)
{
    Loader *l = loader_new(d, k->model, batch);
    Score score = {0};
    const Batch *b;
    double start = 0, waited = 0;
    int64_t seen = 0;
    memset(w, 0, sizeof *w);
    loader_begin(l, false, 0, 0, 0);
    while ((b = loader_next(l))) {
        if (seen++ == 0) {
            start = cpu_seconds();
            waited = loader_wait_seconds(l);
        } else {
            w->batches++;
            w->images += b->n;
        }
        if (step)
            machine_step(k, b, lr, &score);
    }
    w->seconds = cpu_seconds() - start;
    w->waited = loader_wait_seconds(l) - waited;
    if (loader_fault(l))
        *f = *loader_fault(l);
    else if (w->images == 0)
        fault_set(f, EXIT_DATA, "the training part has less than two batches of %lld", (long long)batch);
    seen = loader_fault(l) ? 0 : w->images;
    loader_free(l);
    return seen > 0;
}

bool data_timing(Machine *k, const Options *o, DataTiming *out, Fault *f)
{
    const nrt_model *m = k->model;
    int64_t batch = option_batch(m, o);
    DataWant want = {.model = m, .root = o->data, .limit = BATCHES * batch, .limit_test = -1, .seed = (uint64_t)m->train.seed, .train = true};
    Dataset train, none;
    Walk alone, stepping;
    double lr = o->lr >= 0 ? o->lr : m->train.lr;
    bool ok;
    if (!dataset_read(&want, &train, &none, f))
        return false;
    ok = walk(k, &train, batch, lr, false, &alone, f) && walk(k, &train, batch, lr, true, &stepping, f);
    if (ok)
        *out = (DataTiming){(double)alone.images / alone.seconds, stepping.waited / (double)stepping.batches};
    dataset_free(&train);
    return ok;
}
