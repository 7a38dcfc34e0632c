/* fuzz.c: see fuzz.h. */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "algorithm.h"
#include "grad.h"
#include "graph_text.h"
#include "infer.h"
#include "loop_text.h"
#include "program.h"
#include "rematerialize.h"

enum { MOST_NODES = 60 }; /* of a graph that is differentiated and lowered: more would only take longer */

static FILE *nowhere(void) {
    static FILE *out;
    if (!out) out = fopen("/dev/null", "w");
    fuzz_check(out != NULL, "/dev/null opens");
    return out;
}

Fuzz fuzz_open(const char *path, const uint8_t *bytes, size_t n) {
    Fuzz f = {.arena = arena_new()};
    f.diag = diag_new(f.arena);
    f.file = diag_add_file(f.diag, path, n ? arena_str(f.arena, (const char *)bytes, n) : "", n);
    fuzz_check(!diag_set_warning(f.diag, "everything"), "-Weverything is known");
    return f;
}

void fuzz_close(Fuzz *f) {
    size_t n;
    diag_text(f->diag, f->file, &n);
    diag_flush(f->diag, nowhere(), COLOR_ALWAYS, n % 2);
    arena_free(f->arena);
}

void fuzz_check(bool good, const char *what) {
    if (good) return;
    fprintf(stderr, "does not hold: %s\n", what);
    abort();
}

void fuzz_verified(const char *error) { fuzz_check(!error, error); }

/* Both texts are alike. */
static void compare(Text *printed, Text *again, const char *what) {
    fuzz_check(printed->n == again->n && !memcmp(printed->at, again->at, printed->n), what);
    text_free(printed);
    text_free(again);
}

void fuzz_graph_again(const Graph *g) {
    Text printed = {0}, again = {0};
    graph_print(g, &printed, false);
    Fuzz f = fuzz_open("again.graph", (const uint8_t *)printed.at, printed.n);
    const Graph *read = graph_parse(f.arena, f.diag, f.file);
    if (!read) diag_flush(f.diag, stderr, COLOR_NEVER, false);
    fuzz_check(read != NULL, "a graph that was printed is read");
    graph_print(read, &again, false);
    compare(&printed, &again, "a graph's text is the same when it was read and printed");
    fuzz_close(&f);
}

void fuzz_loops_again(const Program *p) {
    Text printed = {0}, again = {0};
    loop_print(p, &printed);
    Fuzz f = fuzz_open("again.loops", (const uint8_t *)printed.at, printed.n);
    const Program *read = loop_parse(f.arena, f.diag, f.file);
    if (!read) diag_flush(f.diag, stderr, COLOR_NEVER, false);
    fuzz_check(read != NULL, "loops that were printed are read");
    loop_print(read, &again);
    compare(&printed, &again, "the loops' text is the same when it was read and printed");
    fuzz_close(&f);
}

const Target *fuzz_target(Arena *a) {
    const char *error = NULL;
    const Target *t = target_new(a, "x86-64-v3", "x86_64-unknown-linux-gnu", &error);
    fuzz_check(t != NULL, error);
    return t;
}

/* The graph as loops, as -O`level` has it. */
static void lower(Fuzz *f, Graph *g, const PlanOptions *options) {
    const Program *p = program_lower(f->arena, f->diag, g, options);
    if (diag_errors(f->diag)) return;
    fuzz_verified(loop_verify(p));
    fuzz_loops_again(p);
    Text plan = {0};
    program_print_plan(p, &plan);
    text_free(&plan);
}

void fuzz_compile(Fuzz *f, Graph *g) {
    if (g->nodes.n > MOST_NODES) return;
    infer_build(g);
    if (grad_build(g)) return;
    graph_sweep(g);
    fuzz_verified(graph_verify(g));
    fuzz_graph_again(g);
    const Target *target = fuzz_target(f->arena);
    PlanOptions plain = plan_options(target, 0), fast = plan_options(target, 2);
    lower(f, g, &plain);
    if (diag_errors(f->diag)) return;
    rematerialize(g, &fast);
    algorithm_choose(g, &fast);
    graph_sweep(g);
    fuzz_verified(graph_verify(g));
    lower(f, g, &fast);
}
