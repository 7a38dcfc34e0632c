/* pass.c: see pass.h. */
#include "pass.h"

#include <string.h>
#include <time.h>

static const struct { const char *name, *doc; } passes[PASS_COUNT] = {
#define PASS(id, name, doc) {name, doc},
#include "passes.def"
};

int pass_find(const char *name) {
    for (int i = 0; i < PASS_COUNT; i++)
        if (!strcmp(passes[i].name, name)) return i;
    return -1;
}

const char *pass_name(PassId id) { return passes[id].name; }

static double seconds_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void pass_begin(Passes *p, PassId id) {
    (void)id;
    p->started = seconds_now();
}

/* Prints the form if it is asked for. It is made into text only where somebody wants it: forms can be large. */
static void dump(Passes *p, PassId id, const char *form, void (*print)(void *, Text *), void *ctx) {
    bool wanted = p->options.print_after[id];
    if (!print || (!wanted && !p->options.print_changed)) return;
    Text t = {0};
    text_append(&t, "", 0);
    print(ctx, &t);
    bool same = p->last_form && !strcmp(p->last_form, form) && !strcmp(p->last.at, t.at);
    if (same) fprintf(stderr, "; %s after %s (unchanged)\n", form, passes[id].name);
    else fprintf(stderr, "; %s after %s\n%s", form, passes[id].name, t.at);
    text_free(&p->last);
    p->last = t;
    p->last_form = form;
}

bool pass_end(Passes *p, PassId id, const char *form, void (*print)(void *ctx, Text *out), void *ctx) {
    p->seconds[id] += seconds_now() - p->started; /* code for an object and for the executable is made twice */
    p->ran[id] = true;
    dump(p, id, form, print, ctx);
    return p->options.stop_after != (int)id;
}

const char *pass_not_run(const Passes *p) {
    const char *first = NULL;
    bool all = true;
    for (int i = 0; i < PASS_COUNT; i++) {
        all = all && p->options.print_after[i];
        if (!first && p->options.print_after[i] && !p->ran[i]) first = passes[i].name;
    }
    return all ? NULL : first;
}

void pass_list(Text *out) {
    for (int i = 0; i < PASS_COUNT; i++) text_printf(out, "%-14s %s\n", passes[i].name, passes[i].doc);
}

void pass_print_times(const Passes *p, Text *out) {
    double sum = 0;
    for (int i = 0; i < PASS_COUNT; i++) sum += p->seconds[i];
    text_printf(out, "%-14s %10s %6s\n", "pass", "ms", "share");
    for (int i = 0; i < PASS_COUNT; i++)
        if (p->ran[i]) text_printf(out, "%-14s %10.2f %5.1f%%\n", passes[i].name, 1e3 * p->seconds[i], sum > 0 ? 100 * p->seconds[i] / sum : 0);
    text_printf(out, "%-14s %10.2f\n", "all", 1e3 * sum);
}

void pass_free(Passes *p) { text_free(&p->last); }
