/* summary.c: see summary.h. Columns are as wide as what stands in them; numbers have a comma every three digits. */
#include "summary.h"

#include <string.h>

/* 61706 -> "61,706"; 0 -> "-". */
static const char *grouped(Arena *a, int64_t n) {
    char digits[32];
    if (!n) return "-";
    int length = snprintf(digits, sizeof digits, "%lld", (long long)n), at = 0;
    char *s = arena_alloc(a, 48);
    for (int i = 0; i < length; i++) {
        if (i && (length - i) % 3 == 0) s[at++] = ',';
        s[at++] = digits[i];
    }
    return s;
}

typedef struct Widths { int name, shape, params, macs; } Widths;

static void widen(int *width, const char *s) {
    if ((int)strlen(s) > *width) *width = (int)strlen(s);
}

static void print_row(Text *out, const Widths *w, const char *name, const char *shape, const char *params, const char *macs) {
    text_printf(out, "%-*s  %-*s  %*s  %*s\n", w->name, name, w->shape, shape, w->params, params, w->macs, macs);
}

static void print_rule(Text *out, const Widths *w) {
    for (int i = 0; i < w->name + w->shape + w->params + w->macs + 6; i++) text_append(out, "-", 1);
    text_append(out, "\n", 1);
}

static Widths measure(Arena *a, const Model *m, const char *input, int64_t params, int64_t macs) {
    Widths w = {(int)strlen("layer"), (int)strlen("output"), (int)strlen("parameters"), (int)strlen("multiply-adds")};
    widen(&w.shape, input);
    widen(&w.params, grouped(a, params));
    widen(&w.macs, grouped(a, macs));
    for (int i = 0; i < m->layers.n; i++) {
        widen(&w.name, m->layers.at[i].name);
        widen(&w.shape, type_text(a, m->layers.at[i].out));
    }
    return w;
}

void summary_print(Text *out, Arena *a, const Model *m) {
    int64_t params = 0, macs = 0;
    for (int i = 0; i < m->layers.n; i++) {
        const Layer *l = &m->layers.at[i];
        if (!checked_add(params, l->params, &params)) params = INT64_MAX;
        if (!checked_add(macs, l->macs, &macs)) macs = INT64_MAX;
    }
    const char *input = type_text(a, m->input);
    Widths w = measure(a, m, input, params, macs);
    text_printf(out, "network %s\n\n", m->name);
    print_row(out, &w, "layer", "output", "parameters", "multiply-adds");
    print_rule(out, &w);
    print_row(out, &w, "input", input, "-", "-");
    for (int i = 0; i < m->layers.n; i++) {
        const Layer *l = &m->layers.at[i];
        print_row(out, &w, l->name, type_text(a, l->out), grouped(a, l->params), grouped(a, l->macs));
    }
    print_rule(out, &w);
    print_row(out, &w, "total", type_text(a, m->output), grouped(a, params), grouped(a, macs));
}
