/* train.c: epochs of steps, and everything that is kept of them.
 *
 * State: the machine's (weights) and `at` (where training stands). They belong together: whatever is saved is saved after a whole
 * step, with `at` telling epoch, images seen of it and steps, so that a resumed run takes the very steps that an
 * uninterrupted one would have taken. A run ends because its epochs are done, because --max-steps are (then as at the end of
 * training: evaluated and saved), because a signal came (saved, not evaluated), or because a loss is not finite (not saved). */
#include "train.h"
#include "atomic_file.h"
#include "checkpoint.h"
#include "commands.h"
#include "cpu.h"
#include "init.h"
#include "mem.h"
#include "plot.h"
#include "progress.h"
#include "signals.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct Trainer {
    const nrt_model *m;
    const Options *o;
    char *folder;
    Machine *k;
    Dataset train, test;
    Loader *train_loader, *test_loader; /* test_loader: null without a test part */
    Checkpoint at;
    History shown;                      /* at.history, and an unfinished last epoch: the log and the curve */
    Progress *progress;
    FILE *log, *metrics;                /* log: null without --log */
    Signals *signals;
    int64_t epochs;
    int64_t bad_train, bad_test;        /* unreadable files that were told of */
    double lr;
} Trainer;

typedef enum { EPOCH_DONE, STEPS_DONE, SIGNALLED } EpochEnd;

double train_rate(const nrt_train *t, double lr, int64_t e, int64_t epochs)
{
    double w = (double)t->schedule_warmup;
    switch ((nrt_schedule_kind)t->schedule) {
    case NRT_CONSTANT: break;
    case NRT_STEP: return lr * pow(t->schedule_gamma, floor((double)e / (double)(t->schedule_every > 0 ? t->schedule_every : 1)));
    case NRT_COSINE:
        if ((double)e < w)
            return lr * (double)(e + 1) / (w + 1);
        return lr * 0.5 * (1 + cos(3.141592653589793 * ((double)e - w) / ((double)epochs - w)));
    }
    return lr;
}

static char *in_folder(const Trainer *t, const char *name)
{
    return mem_printf("%s/%s", t->folder, name);
}

/* ---- before the first step ---- */

static FILE *open_lines(const char *path, const char *mode)
{
    FILE *f = fopen(path, mode);
    if (!f)
        die(EXIT_IO, "%s: cannot be written: %s", path, strerror(errno));
    return f;
}

/* Comes after what may be missing or wrong (data, a checkpoint): a run that cannot begin leaves no folder, and the old log. */
static void prepare_folder(Trainer *t)
{
    Fault f;
    if (!folder_make(t->folder, &f) || !folder_check(t->folder, &f))
        fault_die(&f);
    if (t->o->log)
        t->log = open_lines(t->o->log, t->o->resume ? "a" : "w");
}

static void prepare_state(Trainer *t)
{
    const Options *o = t->o;
    Fault f;
    t->at = (Checkpoint){.seed = option_seed(t->m, o), .best_loss = INFINITY};
    if (o->resume) {
        char *path = *o->resume ? mem_printf("%s", o->resume) : in_folder(t, "last.safetensors");
        if (!checkpoint_resume(path, t->m, t->k->ctx.state, &t->at, &f))
            fault_die(&f);
        if (o->seed >= 0)
            t->at.seed = (uint64_t)o->seed;
        free(path);
    } else {
        init_state(t->m, t->k->ctx.state, t->at.seed);
        if (o->init_weights && !checkpoint_weights(o->init_weights, t->m, t->k->ctx.state, &f))
            fault_die(&f);
    }
    t->k->ctx.step = (uint64_t)t->at.step;
    t->k->ctx.seed = t->at.seed;
}

static void begin_epoch(Trainer *t)
{
    loader_begin(t->train_loader, t->m->train.shuffle && !t->o->no_shuffle, t->at.seed, (uint64_t)t->at.epoch, t->at.seen);
}

/* Names of classes go with the weights. A first batch proves that there are files to be read, while nothing is written yet. */
static void prepare_images(Trainer *t)
{
    classes_match(t->o->resume, t->at.classes, &t->train);
    free(t->at.classes);
    t->at.classes = image_list_classes(t->train.images);
    begin_epoch(t);
    if (!loader_next(t->train_loader) && loader_fault(t->train_loader))
        fault_die(loader_fault(t->train_loader));
}

static void prepare_data(Trainer *t)
{
    const Options *o = t->o;
    DataWant want = {.model = t->m, .root = o->data, .limit = o->limit, .limit_test = o->limit_test, .seed = (uint64_t)t->m->train.seed, .train = true,
                     .test = !o->no_test};
    Fault f;
    if (!dataset_read(&want, &t->train, &t->test, &f))
        fault_die(&f);
    if (t->at.seen > t->train.count)
        die(EXIT_DATA, "the checkpoint is %lld images into its epoch, but there are only %lld", (long long)t->at.seen, (long long)t->train.count);
    t->train_loader = loader_new(&t->train, t->m, option_batch(t->m, o));
    if (t->test.count > 0)
        t->test_loader = loader_new(&t->test, t->m, option_batch(t->m, o));
    if (t->train.images)
        prepare_images(t);
}

/* metrics.jsonl says what the history says: a resumed run writes its past anew, but for the times, which are not its own. */
static void prepare_metrics(Trainer *t)
{
    char *path = in_folder(t, "metrics.jsonl");
    t->metrics = open_lines(path, "w");
    for (int64_t i = 0; i < t->at.history.n; i++) {
        history_add(&t->shown, t->at.history.at[i]);
        history_json(t->metrics, &t->at.history.at[i]);
    }
    free(path);
}

/* ---- what is kept ---- */

static void flush_lines(const Trainer *t, FILE *f, const char *name)
{
    if (fflush(f) == 0 && !ferror(f))
        return;
    progress_clear(t->progress);
    die(EXIT_IO, "%s: cannot be written: %s", name, strerror(errno));
}

/* What there is of this training on disk. */
static const char *what_is_kept(const Trainer *t)
{
    char *path = in_folder(t, "last.safetensors");
    const char *what = file_exists(path) ? "the last checkpoint is kept" : "there is no checkpoint yet";
    free(path);
    return what;
}

/* Weights that the last step blew up, before any loss could tell, never replace good ones. */
static void check_weights(const Trainer *t)
{
    const nrt_tensor *bad = machine_nonfinite(t->k);
    if (!bad)
        return;
    progress_clear(t->progress);
    die(EXIT_NONFINITE, "step %lld (epoch %lld): %s is not finite any more; %s; a smaller --lr (it was %g) may help",
        (long long)t->at.step, (long long)(t->at.epoch + 1), bad->name, what_is_kept(t), t->lr);
}

static void save(Trainer *t, const char *name)
{
    char *path = in_folder(t, name);
    Fault f;
    check_weights(t);
    if (!checkpoint_save(path, t->m, t->k->ctx.state, &t->at, &f)) {
        progress_clear(t->progress);
        fault_die(&f);
    }
    free(path);
}

static void save_curve(Trainer *t)
{
    char *path = in_folder(t, "curve.svg");
    Fault f;
    if (!plot_write(path, t->m->name, &t->shown, &f)) {
        progress_clear(t->progress);
        fault_die(&f);
    }
    free(path);
}

/* Ends the process at a step whose loss is not a finite number; the step has changed no weight. */
static _Noreturn void stop_at_loss(const Trainer *t, const Batch *b, double loss)
{
    const char *layer = machine_first_nonfinite(t->k, b);
    progress_clear(t->progress);
    die(EXIT_NONFINITE, "step %lld (epoch %lld): the loss is %g, not a finite number; %s%s%s%s; a smaller --lr (it was %g) may help",
        (long long)t->at.step, (long long)(t->at.epoch + 1), fabs(loss) /* no -nan */, layer ? "the first layer whose output is not finite is " : "",
        layer ? layer : "", layer ? "; " : "", what_is_kept(t), t->lr);
}

static void check_test_loss(const Trainer *t, double loss)
{
    if (isfinite(loss))
        return;
    progress_clear(t->progress);
    die(EXIT_NONFINITE, "step %lld (epoch %lld): the test loss is %g, not a finite number; %s; a smaller --lr (it was %g) may help",
        (long long)t->at.step, (long long)(t->at.epoch + 1), fabs(loss), what_is_kept(t), t->lr);
}

/* Ends the process where a loader could not go on. */
static void check_loader(const Trainer *t, const Loader *l)
{
    if (!loader_fault(l))
        return;
    progress_clear(t->progress);
    fault_die(loader_fault(l));
}

/* ---- the loop ---- */

static void step_log(const Trainer *t, double loss, int64_t images)
{
    if (!t->log)
        return;
    fprintf(t->log, "{\"event\":\"step\",\"epoch\":%lld,\"step\":%lld,\"loss\":%.9g,\"images\":%lld}\n", (long long)(t->at.epoch + 1),
            (long long)t->at.step, loss, (long long)images);
    flush_lines(t, t->log, t->o->log);
}

static void train_step(Trainer *t, const Batch *b, double lr, Score *epoch)
{
    Score own = {0};
    double loss;
    machine_step(t->k, b, lr, &own);
    t->at.step++;
    loss = machine_batch_loss(t->m, own.loss, own.images);
    if (!isfinite(loss))
        stop_at_loss(t, b, loss);
    step_log(t, loss, own.images);
    epoch->loss = t->at.loss_sum += own.loss;
    epoch->correct = t->at.correct += own.correct;
    epoch->images = t->at.images += own.images;
    t->at.seen = b->end;
    epoch->classes = own.classes;
}

static bool steps_are_done(const Trainer *t)
{
    return t->o->max_steps >= 0 && t->at.step >= t->o->max_steps;
}

/* The next batch, or null at the end of the epoch; a walk that cannot go on ends the process. */
static const Batch *next_batch(Trainer *t)
{
    const Batch *b = loader_next(t->train_loader);
    if (!b)
        check_loader(t, t->train_loader);
    if (!b)
        t->at.seen = t->train.count; /* files at the end of the order may have been left out */
    return b;
}

/* The rest of the epoch that `at` stands in; *r gets images a second and the wait for data. */
static EpochEnd train_epoch(Trainer *t, Score *s, EpochResult *r)
{
    double lr = train_rate(&t->m->train, t->lr, t->at.epoch, t->epochs), start = cpu_seconds(), waited = loader_wait_seconds(t->train_loader);
    int64_t before = t->at.images;
    const Batch *b;
    *s = (Score){t->at.loss_sum, t->at.correct, t->at.images, dataset_has_classes(&t->train)};
    begin_epoch(t);
    while (!steps_are_done(t) && !signals_caught(t->signals) && (b = next_batch(t))) {
        train_step(t, b, lr, s);
        r->images_per_s = (double)(t->at.images - before) / fmax(cpu_seconds() - start, 1e-9);
        progress_step(t->progress, t->at.epoch + 1, t->at.seen, t->train.count, machine_loss(t->m, s->loss, s->images), score_accuracy(s),
                      r->images_per_s);
    }
    r->data_wait_seconds = loader_wait_seconds(t->train_loader) - waited;
    if (signals_caught(t->signals))
        return SIGNALLED;
    return t->at.seen == t->train.count ? EPOCH_DONE : STEPS_DONE;
}

/* Tells of files that were found unreadable since it last did; returns how many there are in all. */
static int64_t report_unreadable(Trainer *t)
{
    progress_clear(t->progress);
    t->bad_train = unreadable_warn(t->train_loader, &t->train, t->bad_train);
    if (t->test_loader)
        t->bad_test = unreadable_warn(t->test_loader, &t->test, t->bad_test);
    return t->bad_train + t->bad_test;
}

/* Evaluates, and puts the epoch on record: log, display, history, checkpoints. */
static void finish_epoch(Trainer *t, const Score *s, EpochEnd end, EpochResult r, double start)
{
    bool best;
    r.epoch = t->at.epoch + 1;
    r.train_loss = machine_loss(t->m, s->loss, s->images);
    r.train_acc = score_accuracy(s);
    r.val_loss = r.val_acc = NAN;
    if (t->test_loader) {
        Score v = evaluate(t->k, t->test_loader, NULL);
        check_loader(t, t->test_loader);
        r.val_loss = machine_loss(t->m, v.loss, v.images);
        r.val_acc = score_accuracy(&v);
        check_test_loss(t, r.val_loss);
    }
    r.seconds = cpu_seconds() - start;
    r.unreadable = report_unreadable(t);
    history_add(&t->shown, r);
    if (end == EPOCH_DONE) {
        history_add(&t->at.history, r);
        t->at.epoch++;
        t->at.seen = t->at.images = t->at.correct = 0;
        t->at.loss_sum = 0;
    }
    best = (t->test_loader ? r.val_loss : r.train_loss) < t->at.best_loss;
    t->at.best_loss = best ? (t->test_loader ? r.val_loss : r.train_loss) : t->at.best_loss;
    progress_epoch(t->progress, &r);
    history_json(t->metrics, &r);
    flush_lines(t, t->metrics, "metrics.jsonl");
    if (t->log) {
        history_json(t->log, &r);
        flush_lines(t, t->log, t->o->log);
    }
    if (best)
        save(t, "best.safetensors");
    save(t, "last.safetensors");
}

static void train_all(Trainer *t)
{
    EpochEnd end = EPOCH_DONE;
    int64_t first_step = t->at.step;
    while (t->at.epoch < t->epochs && !steps_are_done(t) && end == EPOCH_DONE) {
        Score s = {0};
        EpochResult r = {0};
        double start = cpu_seconds();
        end = train_epoch(t, &s, &r);
        if (end != SIGNALLED)
            finish_epoch(t, &s, end, r, start);
    }
    if (end == SIGNALLED && t->at.step > first_step)
        save(t, "last.safetensors");
    else if (t->at.step == first_step && end != SIGNALLED)
        save(t, "last.safetensors"); /* nothing was left to do; the folder still gets what it should hold */
    save_curve(t);
}

static void trainer_free(Trainer *t)
{
    if (t->log)
        fclose(t->log);
    fclose(t->metrics);
    loader_free(t->train_loader);
    loader_free(t->test_loader);
    dataset_free(&t->train);
    dataset_free(&t->test);
    history_free(&t->at.history);
    history_free(&t->shown);
    progress_free(t->progress);
    machine_free(t->k);
    free(t->at.classes);
    free(t->folder);
}

int command_train(const nrt_model *m, const Options *o)
{
    Trainer t = {.m = m, .o = o, .epochs = o->epochs > 0 ? o->epochs : m->train.epochs, .lr = o->lr >= 0 ? o->lr : m->train.lr};
    t.signals = signals_watch(); /* before any other thread */
    t.folder = o->out ? mem_printf("%s", o->out) : mem_printf("runs/%s", m->name);
    t.k = machine_new(m, option_threads(o));
    prepare_state(&t);
    prepare_data(&t);
    prepare_folder(&t);
    prepare_metrics(&t);
    t.progress = progress_new(t.epochs, o->quiet);
    train_all(&t);
    if (signals_caught(t.signals)) {
        progress_note(t.progress, "stopped by a signal after step %lld; '%s train --resume' with the same options goes on", (long long)t.at.step, m->name);
        signals_raise(t.signals);
    }
    progress_note(t.progress, "%lld steps done; weights in %s/last.safetensors and best.safetensors, curve in %s/curve.svg", (long long)t.at.step,
                  t.folder, t.folder);
    trainer_free(&t);
    return EXIT_OK;
}
