/* elab_train.c: the settings of `train { }`, by two tables: the settings, and the records (kinds of data, optimisers, ...) that
 * some of them take. Overrides of -D come before what the file says. At the end the data and the loss are checked against
 * the network. */
#include "elab.h"

#include <string.h>

/* What every source of pictures takes, behind arguments of its own. */
#define PICTURE_ARGUMENTS "resize:size=none mean:levels=0 std:spreads=1"

const RecordInfo elab_records[] = {
    {"data", "synthetic", NRT_SYNTHETIC, ""},
    {"data", "fashion_mnist", NRT_FASHION_MNIST, PICTURE_ARGUMENTS},
    {"data", "mnist", NRT_MNIST, PICTURE_ARGUMENTS},
    {"data", "cifar10", NRT_CIFAR10, PICTURE_ARGUMENTS},
    {"data", "images", NRT_IMAGES, "folder:string test:share=0.1 " PICTURE_ARGUMENTS},
    {"data", "arrays", NRT_ARRAYS, "inputs:string targets:string"},
    {"optim", "sgd", 0, "lr:positive=0.1 momentum:share=0 nesterov:bool=false weight_decay:nonneg=0"},
    {"schedule", "constant", NRT_CONSTANT, ""},
    {"schedule", "step", NRT_STEP, "every:count gamma:positive"},
    {"schedule", "cosine", NRT_COSINE, "warmup:natural=0"},
    {"loss", "cross_entropy", NRT_CROSS_ENTROPY, ""},
    {"loss", "squared_error", NRT_SQUARED_ERROR, "reduction:reduction=mean"},
    {"init", "torch_default", NRT_TORCH_DEFAULT, ""},
    {"init", "xavier_uniform", NRT_XAVIER_UNIFORM, ""},
    {"init", "xavier_normal", NRT_XAVIER_NORMAL, ""},
    {"init", "kaiming_uniform", NRT_KAIMING_UNIFORM, ""},
    {"init", "kaiming_normal", NRT_KAIMING_NORMAL, ""},
    {NULL, NULL, 0, NULL},
};

enum { SETTINGS = 9, OVERRIDES = 13 };
/* The settings, and behind them the arguments of sgd that have a name of their own for -D. */
static const char *const setting_names[OVERRIDES] = {"data", "batch", "epochs", "seed", "shuffle", "optim", "schedule", "loss", "init",
                                                     "lr", "momentum", "nesterov", "weight_decay"};
const char *const elab_train_paths[] = {"train.data", "train.batch", "train.epochs", "train.seed", "train.shuffle", "train.optim",
                                        "train.schedule",
                                        "train.loss", "train.init", "train.lr", "train.momentum", "train.nesterov", "train.weight_decay", NULL};

typedef struct Train {
    nrt_train *out;
    Span span;                        /* of the data setting, or of the network where there is none */
    const Ast *value[OVERRIDES];      /* by setting: where it is set, or null */
    const Record *data, *loss;
    Value mean, deviation;            /* the arguments mean and std of pictures; NONE elsewhere */
} Train;

static int setting_number(const char *name, int n) {
    for (int i = 0; i < n; i++)
        if (!strcmp(setting_names[i], name)) return i;
    return -1;
}

/* ---- collecting ---- */

static void unknown_setting(Elab *e, const Ast *ast) {
    const char *near = nearest_name(ast->text, setting_names, SETTINGS);
    if (!elab_error(e, ast->name_span, near ? "unknown setting '%s'; did you mean '%s'?" : "unknown setting '%s'", ast->text, near)) return;
    if (near) diag_fixit(e->diag, ast->name_span, near);
    else diag_note(e->diag, (Span){0}, "train has data, batch, epochs, seed, shuffle, optim, schedule, loss and init");
}

static void collect(Elab *e, Train *t, const Ast *body) {
    for (int i = 0; i < body->n; i++) {
        const Ast *stmt = body->kid[i];
        if (stmt->kind != AST_assign) {
            elab_error(e, stmt->span, "train takes settings of the form NAME = VALUE");
            continue;
        }
        int which = setting_number(stmt->text, SETTINGS);
        if (which < 0) unknown_setting(e, stmt);
        else if (t->value[which]) {
            if (elab_error(e, stmt->name_span, "'%s' is already defined", stmt->text))
                diag_note(e->diag, t->value[which]->name_span, "the first definition is here");
        } else t->value[which] = stmt;
    }
}

static void collect_overrides(Elab *e, Train *t) {
    for (int i = 0; i < e->defines.n; i++) {
        const char *text = e->defines.at[i]->text;
        if (strncmp(text, "train.", 6)) continue;
        int which = setting_number(text + 6, OVERRIDES);
        if (which >= 0) t->value[which] = e->defines.at[i];
    }
}

/* ---- evaluating ---- */

/* The value of a setting that must pass as `type`; `fallback` where it is not set or wrong. */
static Value scalar(Elab *e, Train *t, const char *name, ParamType type, Value fallback) {
    const Ast *set = t->value[setting_number(name, OVERRIDES)];
    if (!set) return fallback;
    Value v = elab_eval(e, set->kid[0]), given = v;
    const char *wanted = param_check(type, &v);
    if (wanted) elab_fail(e, set->kid[0]->span, "'%s' must be %s, got %s", name, wanted, value_text(e->arena, given));
    return wanted || v.kind == VALUE_ERROR ? fallback : v;
}

/* "one of sgd, ..." */
static const char *record_choices(Elab *e, const char *setting) {
    const char *s = "";
    for (const RecordInfo *r = elab_records; r->name; r++)
        if (!strcmp(r->setting, setting)) s = arena_printf(e->arena, "%s%s%s", s, *s ? ", " : "", r->name);
    return s;
}

static const char *nearest_record(const char *setting, const char *name) {
    const char *names[sizeof elab_records / sizeof *elab_records];
    int n = 0;
    for (const RecordInfo *r = elab_records; r->name; r++)
        if (!strcmp(r->setting, setting)) names[n++] = r->name;
    return nearest_name(name, names, n);
}

/* A name that nobody knows where a record is wanted gets the words of the setting: "unknown loss 'cros_entropy'". */
static bool misnamed(Elab *e, const char *setting, const Ast *v) {
    if ((v->kind != AST_name && v->kind != AST_call) || map_get(&e->builtins, v->text) || map_get(&e->modules.at[0]->defs, v->text)) return false;
    const char *near = nearest_record(setting, v->text);
    if (elab_error(e, v->name_span, near ? "unknown %s '%s'; did you mean '%s'?" : "unknown %s '%s'", setting, v->text, near)) {
        if (near) diag_fixit(e->diag, v->name_span, near);
        else diag_note(e->diag, (Span){0}, "'%s' is one of %s", setting, record_choices(e, setting));
    }
    return true;
}

/* The record that a setting is set to; null where it is not set, or wrong. */
static const Record *record(Elab *e, Train *t, const char *setting) {
    const Ast *set = t->value[setting_number(setting, SETTINGS)];
    if (!set || misnamed(e, setting, set->kid[0])) return NULL;
    Value v = elab_eval(e, set->kid[0]);
    if (v.kind == VALUE_ERROR) return NULL;
    if (v.kind == VALUE_RECORD && !strcmp(v.record->info->setting, setting)) return v.record;
    const char *got = v.kind == VALUE_RECORD ? v.record->info->name : value_text(e->arena, v);
    elab_fail(e, set->kid[0]->span, "'%s' must be one of %s; got %s", setting, record_choices(e, setting), got);
    return NULL;
}

/* One number for all channels, or one for each. */
static void set_by_channel(double out[3], Value v) {
    for (int i = 0; i < 3; i++) {
        if (v.kind != VALUE_TUPLE) out[i] = v.f;
        else if (i < v.tuple->n) out[i] = value_number(v.tuple->at[i]);
        else out[i] = out[v.tuple->n - 1];
    }
}

/* args: what PICTURE_ARGUMENTS stands for. */
static void set_pictures(Train *t, const Value *args) {
    if (args[0].kind == VALUE_PAIR) {
        t->out->resize_h = args[0].pair[0];
        t->out->resize_w = args[0].pair[1];
    }
    set_by_channel(t->out->mean, t->mean = args[1]);
    set_by_channel(t->out->std, t->deviation = args[2]);
}

static void set_data(Elab *e, Train *t) {
    const Record *r = t->data = record(e, t, "data");
    if (!r) return;
    t->span = r->span;
    t->out->data = r->info->number;
    switch (r->info->number) {
    case NRT_ARRAYS:
        t->out->path_a = r->args[0].s;
        t->out->path_b = r->args[1].s;
        break;
    case NRT_IMAGES:
        t->out->path_a = r->args[0].s;
        t->out->test_share = r->args[1].f;
        set_pictures(t, r->args + 2);
        break;
    case NRT_FASHION_MNIST: case NRT_MNIST: case NRT_CIFAR10: set_pictures(t, r->args); break;
    default: break;
    }
}

/* Where an argument of sgd comes from: its own -D, else the optim setting. */
static Span argument_span(const Train *t, const char *argument, Span optim) {
    const Ast *set = t->value[setting_number(argument, OVERRIDES)];
    return set ? set->span : optim;
}

static void set_optim(Elab *e, Train *t) {
    const Record *r = record(e, t, "optim");
    const Value none[4] = {value_float(t->out->lr), value_float(0), value_bool(false), value_float(0)};
    const Value *args = r ? r->args : none;
    Value lr = scalar(e, t, "lr", PARAM_positive, args[0]), momentum = scalar(e, t, "momentum", PARAM_share, args[1]);
    Value nesterov = scalar(e, t, "nesterov", PARAM_bool, args[2]), decay = scalar(e, t, "weight_decay", PARAM_nonneg, args[3]);
    t->out->lr = lr.f;
    t->out->momentum = momentum.f;
    t->out->nesterov = (int32_t)nesterov.i;
    t->out->weight_decay = decay.f;
    Span span = r ? r->span : t->span;
    if (nesterov.i && momentum.f == 0) elab_fail(e, argument_span(t, "nesterov", span), "nesterov needs a momentum above 0");
}

static void set_schedule(Elab *e, Train *t) {
    const Record *r = record(e, t, "schedule");
    if (!r) return;
    t->out->schedule = r->info->number;
    if (r->info->number == NRT_STEP) {
        t->out->schedule_every = r->args[0].i;
        t->out->schedule_gamma = r->args[1].f;
    }
    if (r->info->number == NRT_COSINE) t->out->schedule_warmup = r->args[0].i;
}

static void set_loss(Elab *e, Train *t) {
    const Record *r = t->loss = record(e, t, "loss");
    if (!r) return;
    t->out->loss = r->info->number;
    t->out->loss_mean = r->info->number == NRT_CROSS_ENTROPY || !strcmp(r->args[0].s, "mean");
}

static void set_scalars(Elab *e, Train *t) {
    nrt_train *o = t->out;
    o->batch = scalar(e, t, "batch", PARAM_count, value_int(o->batch)).i;
    o->epochs = scalar(e, t, "epochs", PARAM_count, value_int(o->epochs)).i;
    o->seed = scalar(e, t, "seed", PARAM_seed, value_int(o->seed)).i;
    o->shuffle = (int32_t)scalar(e, t, "shuffle", PARAM_bool, value_bool(o->shuffle)).i;
    const Record *init = record(e, t, "init");
    if (init) o->init = init->info->number;
}

/* ---- against the network ---- */

/* A mean or deviation in a tuple has one number for each channel, or one for all. */
static void check_by_channel(Elab *e, const Train *t, const char *name, Value v, int64_t channels) {
    if (v.kind == VALUE_TUPLE && v.tuple->n != 1 && v.tuple->n != channels)
        elab_fail(e, t->data->span, "%s has %d numbers, the pictures have %lld channel%s", name, v.tuple->n, (long long)channels, channels == 1 ? "" : "s");
}

/* One picture of the source. Those of a folder become what the network wants: its size, and grey or colours. */
static Type data_type(const nrt_train *o, Type in) {
    bool cifar = o->data == NRT_CIFAR10, folder = o->data == NRT_IMAGES;
    int64_t channels = folder ? in.dim[0] : cifar ? 3 : 1, h = folder ? in.dim[1] : cifar ? 32 : 28, w = folder ? in.dim[2] : h;
    return type_batched(3, channels, o->resize_h ? o->resize_h : h, o->resize_w ? o->resize_w : w);
}

static bool is_picture(Type t) { return t.rank == 3 && (t.dim[0] == 1 || t.dim[0] == 3); }

static void check_data(Elab *e, Train *t, const Ast *network) {
    const nrt_train *o = t->out;
    if (!t->data || o->data == NRT_SYNTHETIC || o->data == NRT_ARRAYS) return;
    Type in = e->model->input, data = data_type(o, in);
    int64_t channels = data.dim[0];
    if (o->data == NRT_IMAGES && !is_picture(in)) {
        if (elab_error(e, t->data->span, "data gives 1xHxW or 3xHxW, network wants %s", type_text(e->arena, in)))
            diag_note(e->diag, network->kid[0]->span, "the network's input is declared here");
        return;
    }
    check_by_channel(e, t, "mean", t->mean, channels);
    check_by_channel(e, t, "std", t->deviation, channels);
    if (type_equal(in, data)) return;
    if (!elab_error(e, t->data->span, "data gives %s, network wants %s", type_text(e->arena, data), type_text(e->arena, in))) return;
    diag_note(e->diag, network->kid[0]->span, "the network's input is declared here");
    if (in.rank != 3 || in.dim[0] != channels) return;
    long long h = (long long)in.dim[1], w = (long long)in.dim[2];
    if (h == w) diag_help(e->diag, (Span){0}, "resize=%lld", h);
    else diag_help(e->diag, (Span){0}, "resize=(%lld, %lld)", h, w);
}

static void check_loss(Elab *e, Train *t, const Ast *network, const Tensor *output) {
    Span span = t->loss ? t->loss->span : network->kid[1]->span;
    const nrt_train *o = t->out;
    Type out = output->type;
    bool named = o->data == NRT_FASHION_MNIST || o->data == NRT_MNIST || o->data == NRT_CIFAR10;
    if (o->loss == NRT_SQUARED_ERROR) {
        if (o->data != NRT_ARRAYS)
            elab_fail(e, span, "squared_error needs dense targets: data = arrays(inputs, targets), not %s", data_names[o->data]);
        return;
    }
    if (out.rank != 1) elab_fail(e, span, "cross_entropy needs a flat output, got %s", type_text(e->arena, out));
    else if (named && out.dim[0] < 10)
        elab_fail(e, t->span, "%s has 10 classes, the network has %lld outputs", data_names[o->data], (long long)out.dim[0]);
    if (output->by && !strcmp(output->by->name, "softmax")) {
        diag_warning(e->diag, output->span, "softmax", "softmax before cross_entropy is applied twice");
        diag_note(e->diag, span, "cross_entropy works on logits and contains the softmax");
    }
}

void elab_train(Elab *e, const Ast *train, const Ast *network, const Tensor *output) {
    Train t = {.out = &e->model->train, .span = network->kid[1]->span};
    Frame frame = {.module = e->modules.at[0], .base = e->bindings.n};
    e->frame = &frame;
    e->it = (Value){.kind = VALUE_NONE};
    if (train) collect(e, &t, train->kid[0]);
    collect_overrides(e, &t);
    int before = diag_errors(e->diag);
    set_data(e, &t);
    set_scalars(e, &t);
    set_optim(e, &t);
    set_schedule(e, &t);
    set_loss(e, &t);
    if (diag_errors(e->diag) == before) check_data(e, &t, network);
    if (diag_errors(e->diag) == before && output) check_loss(e, &t, network, output);
    e->frame = NULL;
}
