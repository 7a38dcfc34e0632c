/* tune.c: see tune.h.
 *
 * A candidate is the whole network with every convolution in one form: the direct sum, or Winograd's way with tiles of m; the first is the planner's own
 * mixture. Each is compiled and linked; then they run in turn as `time --json`, which tells what each layer takes in each pass, round after round, so that what
 * else the machine does meets all of them; the least counts. Passes of one key (algorithm.h) are added up. So all passes are measured at once, in the
 * surroundings that they will have: kernels that share caches with their neighbours. What comes out is compiled and run in turn with the planner's own: only if
 * its steps are faster is it kept. */
#include "tune.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "algorithm.h"
#include "graph_text.h"
#include "program.h"
#include "timing.h"
#include "winograd.h"

enum { PLANNED = -1, DIRECT = 1, STEPS = 2, TRIALS = 3, OUTPUT_MOST = 16 << 20 };
enum { CANDIDATES = WINOGRAD_POINTS_MAX - 1, CHOSEN = CANDIDATES }; /* as planned, the direct sum, tiles of 2 to WINOGRAD_POINTS_MAX - 2; and what is made of them */
static const double noise = 0.12, least_gain = 0.03;           /* a form has to be better by this: noise is less after several rounds */
extern char **environ;

typedef struct Form { int tile; double ms; } Form;   /* of a kind of pass in a candidate; ms: the least of all rounds */
typedef struct Kind { const char *key; Form form[CANDIDATES]; double ms; } Kind; /* ms: in the run at hand */
typedef struct Candidate {
    int tile;
    const Tuned *tuned;
    const char *path;
    const Program *program;
    AlgorithmNotes notes;
    double step_ms;
} Candidate;

typedef struct Tune {
    const TuneJob *job;
    Arena *a;
    const char *folder;
    Candidate candidate[CANDIDATES + 1];
    VEC(Kind) kinds;
    int rounds;
} Tune;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int fail(const Tune *t, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static int fail(const Tune *t, int code, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    diag_verror(t->job->diag, (Span){0}, fmt, ap);
    va_end(ap);
    return code;
}

/* ---- a candidate as an executable ---- */

/* Printed and read: the passes change what they work on. */
static Graph *copy_graph(Tune *t) {
    Text text = {0};
    Diag *d = diag_new(t->a);
    graph_print(t->job->graph, &text, false);
    Graph *copy = graph_parse(t->a, d, diag_add_file(d, "tune.graph", text.at, text.n));
    if (!copy) BUG("a graph that was printed cannot be read");
    text_free(&text);
    return copy;
}

static int compile(Tune *t, Candidate *c) {
    PlanOptions options = t->job->plan;
    Text objects[EMIT_PARTS_MAX];
    if (c->tile != PLANNED) options.winograd_tile = c->tile;
    options.tuned = c->tuned;
    Graph *g = copy_graph(t);
    algorithm_choose_noting(g, &options, &c->notes);
    graph_sweep(g);
    c->program = program_lower(t->a, NULL, g, &options);
    Emitted *e = emit_program(t->a, c->program, NULL, t->job->target, &t->job->emit);
    int n = emit_objects(e, objects), code = link_executable(t->a, t->job->diag, objects, n, c->path, &t->job->link);
    for (int i = 0; i < n; i++) text_free(&objects[i]);
    emit_free(e);
    return code;
}

/* Runs `PATH time --json --steps N`, what it says going to a file. */
static int run(Tune *t, const char *path, const char *output) {
    const char *const args[] = {path, "time", "--json", "--steps", arena_printf(t->a, "%d", STEPS), NULL};
    posix_spawn_file_actions_t actions;
    pid_t child;
    int status;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, output, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    int error = posix_spawn(&child, path, &actions, NULL, (char *const *)(uintptr_t)args, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (error) return fail(t, EXIT_ENV, "cannot run the trainer that --tune wants to measure: %s", strerror(error));
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR) return fail(t, EXIT_ENV, "the trainer that --tune measures was lost: %s", strerror(errno));
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return EXIT_OK;
    return fail(t, WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_ENV, "the trainer that --tune measures failed");
}

/* ---- what it took ---- */

static double kernel_ms(const Timing *timing, const char *name) {
    for (int i = 0; i < timing->kernels.n; i++)
        if (!strcmp(timing->kernels.at[i].name, name)) return timing->kernels.at[i].ms;
    return 0; /* one of inference */
}

/* Milliseconds of all kernels of a layer's pass. */
static double pass_ms(const Program *p, const Timing *timing, const char *layer, nrt_pass pass) {
    double ms = 0;
    for (int i = 0; i < p->kernels.n; i++) {
        const Kernel *k = p->kernels.at[i];
        if (k->pass == pass && !strcmp(k->layer, layer)) ms += kernel_ms(timing, k->name);
    }
    return ms;
}

static Kind *find_kind(Tune *t, const char *key) {
    for (int i = 0; i < t->kinds.n; i++)
        if (!strcmp(t->kinds.at[i].key, key)) return &t->kinds.at[i];
    VEC_PUSH(t->a, &t->kinds, ((Kind){.key = key}));
    return &t->kinds.at[t->kinds.n - 1];
}

static void note_times(Tune *t, int number, const Timing *timing) {
    Candidate *c = &t->candidate[number];
    if (c->step_ms == 0 || timing->step_ms < c->step_ms) c->step_ms = timing->step_ms;
    for (int i = 0; i < t->kinds.n; i++) t->kinds.at[i].ms = 0;
    if (number == CHOSEN) return;
    for (int i = 0; i < c->notes.list.n; i++) {
        const AlgorithmNote *n = &c->notes.list.at[i];
        Kind *k = find_kind(t, n->key);
        k->ms += pass_ms(c->program, timing, n->layer, n->pass);
        k->form[number].tile = n->tile;
    }
    for (int i = 0; i < t->kinds.n; i++) {
        Form *f = &t->kinds.at[i].form[number];
        if (f->ms == 0 || t->kinds.at[i].ms < f->ms) f->ms = t->kinds.at[i].ms;
    }
}

static int run_candidate(Tune *t, int number) {
    const char *output = arena_printf(t->a, "%s/time.json", t->folder), *wrong = NULL;
    char *json = NULL;
    size_t n = 0, at = 0;
    int code = run(t, t->candidate[number].path, output), error = code == EXIT_OK ? file_read(output, OUTPUT_MOST, &json, &n) : 0;
    unlink(output);
    if (error) return fail(t, EXIT_IO, "cannot read '%s': %s", output, strerror(error));
    if (code != EXIT_OK) return code;
    const Timing *timing = timing_parse(t->a, json, n, &at, &wrong);
    free(json);
    if (!timing) BUG("what a trainer's time prints cannot be read at byte %zu: %s", at, wrong);
    note_times(t, number, timing);
    return EXIT_OK;
}

static int compile_candidate(Tune *t, int number, int tile, const Tuned *tuned) {
    Candidate *c = &t->candidate[number];
    *c = (Candidate){.tile = tile, .tuned = tuned, .path = arena_printf(t->a, "%s/candidate%d", t->folder, number), .notes = {.arena = t->a}};
    return compile(t, c);
}

static int compile_all(Tune *t) {
    int code = compile_candidate(t, 0, PLANNED, NULL);
    for (int i = 1; i < CANDIDATES && code == EXIT_OK; i++) code = compile_candidate(t, i, i, NULL);
    return code;
}

/* At least one round; another only where there is time for it. */
static int run_all(Tune *t) {
    double start = now(), spent = 0;
    int code = EXIT_OK;
    do {
        for (int i = 0; i < CANDIDATES && code == EXIT_OK; i++) code = run_candidate(t, i);
        spent = now() - start;
        t->rounds++;
    } while (code == EXIT_OK && spent + spent / t->rounds < t->job->seconds);
    if (code == EXIT_OK) fprintf(stderr, "tuning: %d round%s in %.0f s\n", t->rounds, t->rounds == 1 ? "" : "s", spent);
    return code;
}

static const char *form_name(Arena *a, int tile) {
    return tile == PLANNED ? "as planned" : tile <= DIRECT ? "direct" : arena_printf(a, "tiles of %d", tile);
}

/* The planner's own form, or one that is faster beyond noise. */
static Form best_form(const Tune *t, const Kind *k) {
    Form best = k->form[0];
    double margin = noise / t->rounds;
    best.ms *= 1 - (margin > least_gain ? margin : least_gain);
    for (int i = 1; i < CANDIDATES; i++)
        if (k->form[i].tile != k->form[0].tile && k->form[i].ms > 0 && k->form[i].ms < best.ms) best = k->form[i];
    return best;
}

/* What to take of each kind; returns how many are not as planned. */
static int choose_forms(const Tune *t, Tuned *chosen) {
    int changed = 0;
    for (int i = 0; i < CANDIDATES; i++) fprintf(stderr, "tuning: %-11s %9.3f ms a step\n", form_name(t->a, t->candidate[i].tile), t->candidate[i].step_ms);
    for (int i = 0; i < t->kinds.n; i++) {
        const Kind *k = &t->kinds.at[i];
        Form planned = k->form[0], best = best_form(t, k);
        tuned_set(chosen, k->key, best.tile);
        if (best.tile == planned.tile) continue;
        changed++;
        fprintf(stderr, "tuning: %s: %s, not %s: %.3f ms, not %.3f\n", k->key, form_name(t->a, best.tile), form_name(t->a, planned.tile), best.ms, planned.ms);
    }
    fprintf(stderr, "tuning: %d of %d kinds of passes seem faster in another form than planned\n", changed, t->kinds.n);
    return changed;
}

/* Runs what was chosen and the planner's own in turn. */
static int try_chosen(Tune *t, const Tuned *chosen, bool *faster) {
    int code = compile_candidate(t, CHOSEN, PLANNED, chosen);
    t->candidate[0].step_ms = 0;
    for (int i = 0; i < TRIALS && code == EXIT_OK; i++) {
        code = run_candidate(t, 0);
        if (code == EXIT_OK) code = run_candidate(t, CHOSEN);
    }
    double planned = t->candidate[0].step_ms, ms = t->candidate[CHOSEN].step_ms;
    *faster = ms < planned;
    if (code == EXIT_OK) fprintf(stderr, "tuning: together %.3f ms a step, as planned %.3f: %s\n", ms, planned, *faster ? "kept" : "the plan stays as it was");
    return code;
}

static int tune_in_folder(Tune *t, Tuned *tuned) {
    Tuned chosen = {.arena = t->a};
    bool faster = true;
    int code = compile_all(t);
    if (code == EXIT_OK) code = run_all(t);
    if (code == EXIT_OK && choose_forms(t, &chosen)) code = try_chosen(t, &chosen, &faster);
    for (int i = 0; code == EXIT_OK && i < t->kinds.n; i++) {
        const Kind *k = &t->kinds.at[i];
        tuned_set(tuned, arena_name(tuned->arena, k->key), faster ? tuned_find(&chosen, k->key) : k->form[0].tile);
    }
    for (int i = 0; i <= CHOSEN; i++)
        if (t->candidate[i].path) unlink(t->candidate[i].path);
    return code;
}

int tune_network(const TuneJob *job, Tuned *tuned) {
    Tune t = {.job = job, .a = arena_new()};
    t.folder = temp_folder(t.a);
    int code = t.folder ? tune_in_folder(&t, tuned) : fail(&t, EXIT_IO, "cannot make a temporary folder in '%s': %s", temp_base(), strerror(errno));
    if (t.folder) rmdir(t.folder);
    arena_free(t.a);
    return code;
}
