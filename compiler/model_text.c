/* model_text.c: see model_text.h.
 *
 * The settings of `train` are a table of names and offsets into nrt_train, which the printer and the parser both walk.
 */
#include "model_text.h"

#include <math.h>
#include <string.h>

typedef enum FieldKind { FIELD_CHOICE, FIELD_FLAG, FIELD_INT, FIELD_REAL, FIELD_DIVISOR, FIELD_SHARE, FIELD_STRING } FieldKind; /* REAL: at least 0, DIVISOR: above 0, SHARE: below 1 */

typedef struct Field {
    const char *name;
    FieldKind kind;
    size_t offset;             /* of an int32_t (choice, flag), int64_t, double or string in nrt_train */
    const char *const *choice; /* the names of a choice */
    int64_t lo, hi;            /* range of an int */
} Field;

#define AT(member) offsetof(nrt_train, member)

enum { COUNT_MAX = 1 << 30 }; /* the language's largest count */

/* In the order in which they are printed. Lower and upper ends keep later arithmetic from overflowing. */
static const Field fields[] = {
    {"data", FIELD_CHOICE, AT(data), data_names, 0, 0},
    {"path_a", FIELD_STRING, AT(path_a), NULL, 0, 0},
    {"path_b", FIELD_STRING, AT(path_b), NULL, 0, 0},
    {"resize_h", FIELD_INT, AT(resize_h), NULL, 0, COUNT_MAX},
    {"resize_w", FIELD_INT, AT(resize_w), NULL, 0, COUNT_MAX},
    {"mean0", FIELD_REAL, AT(mean[0]), NULL, 0, 0},
    {"mean1", FIELD_REAL, AT(mean[1]), NULL, 0, 0},
    {"mean2", FIELD_REAL, AT(mean[2]), NULL, 0, 0},
    {"std0", FIELD_DIVISOR, AT(std[0]), NULL, 0, 0},
    {"std1", FIELD_DIVISOR, AT(std[1]), NULL, 0, 0},
    {"std2", FIELD_DIVISOR, AT(std[2]), NULL, 0, 0},
    {"test_share", FIELD_SHARE, AT(test_share), NULL, 0, 0},
    {"batch", FIELD_INT, AT(batch), NULL, 1, COUNT_MAX},
    {"epochs", FIELD_INT, AT(epochs), NULL, 0, INT32_MAX},
    {"seed", FIELD_INT, AT(seed), NULL, INT64_MIN + 1, INT64_MAX},
    {"shuffle", FIELD_FLAG, AT(shuffle), NULL, 0, 0},
    {"lr", FIELD_REAL, AT(lr), NULL, 0, 0},
    {"momentum", FIELD_REAL, AT(momentum), NULL, 0, 0},
    {"nesterov", FIELD_FLAG, AT(nesterov), NULL, 0, 0},
    {"weight_decay", FIELD_REAL, AT(weight_decay), NULL, 0, 0},
    {"schedule", FIELD_CHOICE, AT(schedule), schedule_names, 0, 0},
    {"every", FIELD_INT, AT(schedule_every), NULL, 0, INT32_MAX},
    {"gamma", FIELD_REAL, AT(schedule_gamma), NULL, 0, 0},
    {"warmup", FIELD_INT, AT(schedule_warmup), NULL, 0, INT32_MAX},
    {"loss", FIELD_CHOICE, AT(loss), loss_names, 0, 0},
    {"mean", FIELD_FLAG, AT(loss_mean), NULL, 0, 0},
    {"init", FIELD_CHOICE, AT(init), init_names, 0, 0},
};
enum { FIELD_COUNT = sizeof fields / sizeof fields[0] };

static void *field_at(nrt_train *train, const Field *f) { return (char *)train + f->offset; }
static const void *field_of(const nrt_train *train, const Field *f) { return (const char *)train + f->offset; }

static bool field_equal(const Field *f, const nrt_train *a, const nrt_train *b) {
    const void *x = field_of(a, f), *y = field_of(b, f);
    switch (f->kind) {
    case FIELD_CHOICE:
    case FIELD_FLAG: return *(const int32_t *)x == *(const int32_t *)y;
    case FIELD_INT: return *(const int64_t *)x == *(const int64_t *)y;
    case FIELD_REAL:
    case FIELD_DIVISOR:
    case FIELD_SHARE: return memcmp(x, y, sizeof(double)) == 0;
    case FIELD_STRING: return strcmp(*(const char *const *)x, *(const char *const *)y) == 0;
    }
    BUG("unknown kind of field");
}

static void field_print(const Field *f, const nrt_train *train, Text *t) {
    const void *x = field_of(train, f);
    char number[32];
    text_printf(t, " %s=", f->name);
    switch (f->kind) {
    case FIELD_CHOICE: text_printf(t, "%s", f->choice[*(const int32_t *)x]); return;
    case FIELD_FLAG: text_printf(t, "%s", *(const int32_t *)x ? "true" : "false"); return;
    case FIELD_INT: text_printf(t, "%lld", (long long)*(const int64_t *)x); return;
    case FIELD_REAL:
    case FIELD_DIVISOR:
    case FIELD_SHARE: text_printf(t, "%s", double_text(*(const double *)x, number)); return;
    case FIELD_STRING: print_string(t, *(const char *const *)x); return;
    }
}

static void check_real(TextScanner *s, Span span, const Field *f, double x) {
    if (!(x >= 0 && isfinite(x))) scan_error(s, span, "%s must be finite and at least 0", f->name);
    else if (f->kind == FIELD_DIVISOR && x == 0) scan_error(s, span, "%s must be above 0", f->name);
    else if (f->kind == FIELD_SHARE && x >= 1) scan_error(s, span, "%s must be below 1", f->name);
}

static void field_parse(TextScanner *s, const Field *f, nrt_train *train) {
    static const char *const flags[] = {"false", "true", NULL};
    void *x = field_at(train, f);
    Span span = s->token.span;
    int choice = 0;
    switch (f->kind) {
    case FIELD_CHOICE:
    case FIELD_FLAG:
        if (scan_choice(s, f->name, f->kind == FIELD_FLAG ? flags : f->choice, &choice)) *(int32_t *)x = choice;
        return;
    case FIELD_INT: scan_int(s, f->lo, f->hi, (int64_t *)x); return;
    case FIELD_REAL:
    case FIELD_DIVISOR:
    case FIELD_SHARE:
        if (scan_real(s, (double *)x)) check_real(s, span, f, *(double *)x);
        return;
    case FIELD_STRING: scan_string(s, (const char **)x); return;
    }
}

static void print_call(Text *t, const Model *m, int i) {
    const BlockCall *call = &m->blocks.at[i];
    text_printf(t, "\ncall %d ", i + 1);
    print_name(t, call->name);
    text_printf(t, " ");
    print_string(t, call->text);
    print_span(t, m, call->span);
}

void model_print(const Model *m, Text *t) {
    nrt_train defaults = train_defaults();
    text_printf(t, "network ");
    print_name(t, m->name);
    text_printf(t, " ");
    print_type(t, m->input);
    text_printf(t, " -> ");
    print_type(t, m->output);
    text_printf(t, " from ");
    print_string(t, m->source);
    for (int i = 0; i < m->sources.n; i++) {
        text_printf(t, "\nsource %d ", i + 1);
        print_string(t, m->sources.at[i].path);
    }
    if (m->span.file) {
        text_printf(t, "\nheader");
        print_span(t, m, m->span);
    }
    for (int i = 0; i < m->blocks.n; i++) print_call(t, m, i);
    text_printf(t, "\ntrain {");
    for (int i = 0; i < FIELD_COUNT; i++)
        if (!field_equal(&fields[i], &m->train, &defaults)) field_print(&fields[i], &m->train, t);
    text_printf(t, " }");
    for (int i = 0; i < m->layers.n; i++) {
        const Layer *l = &m->layers.at[i];
        text_printf(t, "\nlayer ");
        print_name(t, l->name);
        text_printf(t, " ");
        print_name(t, l->kind);
        text_printf(t, " ");
        print_type(t, l->out);
        text_printf(t, " params=%lld macs=%lld", (long long)l->params, (long long)l->macs);
        print_span(t, m, l->span);
    }
    text_printf(t, "\n");
}

static void parse_train(TextScanner *s, nrt_train *train) {
    scan_expect(s, "{");
    while (!s->failed && !scan_accept(s, "}")) {
        const Field *f = NULL;
        for (int i = 0; i < FIELD_COUNT && !f; i++)
            if (scan_accept(s, fields[i].name)) f = &fields[i];
        if (!f) scan_unexpected(s, "a setting of train or '}'");
        else if (scan_expect(s, "=")) field_parse(s, f, train);
    }
}

static void parse_source(TextScanner *s, Model *m) {
    int64_t number = m->sources.n + 1;
    const char *path;
    if (!scan_int(s, number, number, &number) || !scan_string(s, &path)) return;
    Source source = {.path = path, .file = diag_add_file(s->diag, path, NULL, 0)};
    VEC_PUSH(s->arena, &m->sources, source);
}

/* How many calls are around what that call makes, itself included. */
static int call_depth(const Model *m, int call) {
    int depth = 0;
    for (; call; call = m->blocks.at[call - 1].span.call) depth++;
    return depth;
}

static void parse_call(TextScanner *s, Model *m) {
    BlockCall call = {0};
    Span place = s->token.span;
    int64_t number = m->blocks.n + 1;
    if (!scan_int(s, number, number, &number) || !scan_name(s, &call.name) || !scan_string(s, &call.text) || !scan_span(s, m, &call.span)) return;
    if (call_depth(m, call.span.call) < MODEL_CALLS_NESTED) VEC_PUSH(s->arena, &m->blocks, call);
    else scan_error(s, place, "calls are nested deeper than %d", MODEL_CALLS_NESTED);
}

static void parse_layer(TextScanner *s, Model *m) {
    Layer l = {0};
    if (!scan_name(s, &l.name) || !scan_name(s, &l.kind) || !scan_type(s, &l.out)) return;
    if (!scan_expect(s, "params") || !scan_expect(s, "=") || !scan_int(s, 0, INT64_MAX, &l.params)) return;
    if (!scan_expect(s, "macs") || !scan_expect(s, "=") || !scan_int(s, 0, INT64_MAX, &l.macs)) return;
    if (scan_span(s, m, &l.span)) VEC_PUSH(s->arena, &m->layers, l);
}

static void parse_io_type(TextScanner *s, Type *out) {
    Span span = s->token.span;
    if (scan_type(s, out) && (out->elem != ELEM_F32 || !out->batched || out->rank == 0))
        scan_error(s, span, "a network's input and output have 1 to 3 dimensions of f32 and are batched (Nx1x28x28)");
}

Model *model_parse(TextScanner *s) {
    Model *m = ARENA_NEW(s->arena, Model);
    m->train = train_defaults();
    m->diag = s->diag;
    scan_expect(s, "network");
    scan_name(s, &m->name);
    parse_io_type(s, &m->input);
    scan_expect(s, "->");
    parse_io_type(s, &m->output);
    scan_expect(s, "from");
    scan_string(s, &m->source);
    for (;;) {
        if (scan_accept(s, "source")) parse_source(s, m);
        else if (scan_accept(s, "header")) scan_span(s, m, &m->span);
        else if (scan_accept(s, "call")) parse_call(s, m);
        else if (scan_accept(s, "train")) parse_train(s, &m->train);
        else if (scan_accept(s, "layer")) parse_layer(s, m);
        else break;
    }
    return s->failed ? NULL : m;
}
