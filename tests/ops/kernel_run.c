/* kernel_run.c: see kernel_run.h. */
#include "kernel_run.h"

#include <dlfcn.h>
#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../compiler/algorithm.h"
#include "../../compiler/elaborate.h"
#include "../../compiler/emit_llvm.h"
#include "../../compiler/grad.h"
#include "../../compiler/graph_text.h"
#include "../../compiler/infer.h"
#include "../../compiler/ops.h"
#include "../../compiler/parse.h"
#include "../../compiler/program.h"
#include "../../compiler/rematerialize.h"

/* Ends the process: under Check that fails the test, and the text is on stderr. */
static _Noreturn void give_up(const char *format, ...) {
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(EXIT_FAILURE);
}

/* ---- compiling ---- */

Graph *kernel_graph(Arena *a, const char *name, const char *source) {
    Diag *d = diag_new(a);
    int file = diag_add_file(d, name, source, strlen(source));
    Ast *ast = parse_file(a, d, file);
    Elaborated *e = ast && !diag_errors(d) ? elaborate(a, d, file, ast, &(ElaborateOptions){0}) : NULL;
    if (!e) {
        diag_flush(d, stderr, COLOR_NEVER, false);
        give_up("%s does not compile", name);
    }
    infer_build(e->graph);
    const char *why = grad_build(e->graph);
    if (why) give_up("%s: %s", name, why);
    graph_sweep(e->graph);
    why = graph_verify(e->graph);
    if (why) give_up("%s: %s", name, why);
    return e->graph;
}

static void run_linker(const char *object, const char *library) {
    Text command = {0};
    text_printf(&command, "cc -shared -o %s %s", library, object);
    if (system(command.at) != 0) give_up("%s failed", command.at);
    text_free(&command);
}

static void *load_object(const Text *object) {
    char folder[] = "/tmp/netc-kernels-XXXXXX";
    if (!mkdtemp(folder)) give_up("no folder %s", folder);
    char o[64], so[64];
    snprintf(o, sizeof o, "%s/k.o", folder);
    snprintf(so, sizeof so, "%s/k.so", folder);
    if (file_write(o, object->at, object->n, 0644)) give_up("cannot write %s", o);
    run_linker(o, so);
    void *library = dlopen(so, RTLD_NOW | RTLD_LOCAL);
    if (!library) give_up("%s", dlerror());
    unlink(o);
    unlink(so);
    rmdir(folder);
    return library;
}

Graph *kernel_read_graph(Arena *a, const char *name, const char *text) {
    Diag *d = diag_new(a);
    Graph *g = graph_parse(a, d, diag_add_file(d, name, text, strlen(text)));
    if (!g) {
        diag_flush(d, stderr, COLOR_NEVER, false);
        give_up("%s: its graph cannot be read", name);
    }
    return g;
}

Graph *kernel_copy_graph(Arena *a, const Graph *g) {
    Text text = {0};
    graph_print(g, &text, false);
    Graph *copy = kernel_read_graph(a, g->model->source, text.at);
    text_free(&text);
    return copy;
}

static const Target *target_of(Arena *a, KernelConfig config) {
    const char *error = NULL;
    const Target *t = target_new(a, config.march, NULL, &error);
    if (!t) give_up("%s", error);
    return t;
}

static PlanOptions options_of(const Target *t, KernelConfig config) {
    PlanOptions options = plan_options(t, config.opt_level);
    if (config.lanes) options.machine.lanes = config.lanes;
    options.fuse &= !config.no_fuse;
    options.depth_first &= !config.no_depth_first;
    options.tile &= !config.no_tile;
    options.partial &= !config.no_partial;
    options.winograd &= !config.no_winograd;
    options.winograd_tile = config.winograd_tile;
    options.by_input = config.by_input;
    if (config.row_steps) options.step_bytes = 0;
    options.band_tiles = config.band_tiles;
    if (config.stream) options.stream_bytes = 1;
    return options;
}

static Graph *computed(Arena *a, const Graph *g, const PlanOptions *options) {
    Graph *copy = kernel_copy_graph(a, g);
    rematerialize(copy, options);
    algorithm_choose(copy, options);
    graph_sweep(copy);
    const char *why = graph_verify(copy);
    if (why) give_up("%s: %s", g->model->source, why);
    return copy;
}

Graph *kernel_computed(Arena *a, const Graph *g, KernelConfig config) {
    PlanOptions options = options_of(target_of(a, config), config);
    return computed(a, g, &options);
}

KernelCompiled kernel_compile(Arena *a, Graph *g, KernelConfig config) {
    KernelCompiled k = {.arena = a, .graph = g};
    const Target *t = target_of(a, config);
    PlanOptions options = options_of(t, config);
    Program *p = program_lower(k.arena, NULL, computed(a, g, &options), &options);
    const char *why = loop_verify(p);
    if (why) give_up("%s: %s", g->model->source, why);
    Emitted *e = emit_program(k.arena, p, NULL, t, &(EmitOptions){.opt_level = config.opt_level, .share = config.opt_level > 0});
    Text object = {0};
    emit_write(e, EMIT_OBJECT, &object);
    emit_free(e);
    k.library = load_object(&object);
    text_free(&object);
    k.model = dlsym(k.library, "nrt_the_model");
    if (!k.model) give_up("%s: no model in the object", g->model->source);
    return k;
}

KernelCompiled kernel_load(const char *name, const char *source, KernelConfig config) {
    Arena *a = arena_new();
    return kernel_compile(a, kernel_graph(a, name, source), config);
}

void kernel_close(KernelCompiled *k) { dlclose(k->library); }

void kernel_unload(KernelCompiled *k) {
    kernel_close(k);
    arena_free(k->arena);
}

/* ---- the runtime's part ---- */

typedef struct Crew {
    nrt_task_fn *fn;
    nrt_ctx *ctx;
    int64_t tasks;
    atomic_llong next, worker;
} Crew;

static void *crew_member(void *arg) {
    Crew *crew = arg;
    int64_t worker = atomic_fetch_add(&crew->worker, 1);
    for (int64_t task; (task = atomic_fetch_add(&crew->next, 1)) < crew->tasks;) crew->fn(crew->ctx, task, worker);
    return NULL;
}

static void run_crew(nrt_task_fn *fn, nrt_ctx *ctx, int64_t tasks) {
    Crew crew = {.fn = fn, .ctx = ctx, .tasks = tasks};
    pthread_t thread[KERNEL_WORKERS - 1];
    for (int i = 0; i < KERNEL_WORKERS - 1; i++)
        if (pthread_create(&thread[i], NULL, crew_member, &crew)) give_up("no thread to be had");
    crew_member(&crew);
    for (int i = 0; i < KERNEL_WORKERS - 1; i++) pthread_join(thread[i], NULL);
}

/* A stride coprime to the count visits every task once. */
static void run_scrambled(nrt_task_fn *fn, nrt_ctx *ctx, int64_t tasks) {
    int64_t stride = tasks > 2 ? tasks / 2 + 1 : 1;
    while (gcd_i64(stride, tasks) != 1) stride++;
    for (int64_t i = 0; i < tasks; i++) fn(ctx, i * stride % tasks, i % KERNEL_WORKERS);
}

/* Exported to the loaded code. */
void nrt_parallel_for(nrt_task_fn *fn, nrt_ctx *ctx, int64_t tasks) {
    switch (*(const KernelWorkers *)ctx->pool) {
    case WORKERS_SCRAMBLED: run_scrambled(fn, ctx, tasks); break;
    case WORKERS_THREADS: run_crew(fn, ctx, tasks); break;
    case WORKERS_ONE:
        for (int64_t i = 0; i < tasks; i++) fn(ctx, i, 0);
        break;
    }
}

/* ---- numbers ---- */

static double next_random(uint64_t *state) { /* xorshift64*, in (-1, 1) */
    uint64_t x = *state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return (double)(int64_t)(x * 2685821657736338717u) / 9223372036854775808.0;
}

static double draw(KernelDraw *d, double scale) {
    double x = next_random(&d->seed);
    return d->whole ? (double)lround((d->largest ? d->largest : 2) * x) : (double)(float)(scale * x);
}

static double draw_value(KernelDraw *d, const Node *s, int64_t i) {
    double fan_in = (double)s->attr.i[PARAM_FAN_IN];
    switch (s->op) {
    case OP_input: return (double)(float)(draw(d, 1) + d->offset);
    case OP_target: return draw(d, 1);
    case OP_labels: return (double)((i * 7 + 3) % s->attr.i[0]);
    case OP_image_weight: return d->whole ? 1 : (double)(1 / (float)d->images);
    case OP_learning_rate: return d->whole ? 1 : 0.25;
    case OP_random_key: return random_key_value(d->key, (uint64_t)d->images);
    case OP_param:
        if (s->attr.i[PARAM_ROLE] == NRT_RUNNING_VAR) return (double)(float)(fabs(draw(d, 1)) + 0.5); /* a variance is not negative */
        return draw(d, fan_in > 0 ? 1 / sqrt(fan_in) : 1);
    default: BUG("%s is no source", op_table[s->op].name);
    }
}

Eval *kernel_draw(Arena *a, const Graph *g, KernelDraw d) {
    Eval *e = eval_new(a, g, d.images);
    d.key = d.seed;
    for (int i = 0; i < g->nodes.n; i++) {
        const Node *s = g->nodes.at[i];
        if (op_table[s->op].eval) continue;
        int64_t count = eval_count(e, s);
        double *values = ARENA_ARRAY(a, double, count);
        for (int64_t k = 0; k < count; k++) values[k] = draw_value(&d, s, k);
        eval_set(e, s, values);
    }
    return e;
}

/* ---- running ---- */

static void *aligned_zeros(int64_t bytes) {
    void *p = aligned_alloc(64, (size_t)round_up(bytes + 1, 64));
    if (!p) give_up("out of memory");
    memset(p, 0, (size_t)round_up(bytes + 1, 64));
    return p;
}

/* Memory that nobody has written reads as NaN: a kernel that relies on fresh zeros is found out. */
static void *aligned_nans(int64_t bytes) {
    float *p = aligned_zeros(bytes);
    for (int64_t i = 0; i < bytes / 4; i++) p[i] = NAN;
    return p;
}

static void copy_floats(const Eval *e, const Node *source, char *to) {
    const double *values = eval_value(e, source);
    float *out = (float *)(void *)to;
    for (int64_t i = 0; i < eval_count(e, source); i++) out[i] = (float)values[i];
}

static void copy_labels(const Eval *e, const Node *source, int32_t *to, int64_t rows) {
    for (int64_t i = 0; i < rows; i++) to[i] = -1;
    for (int64_t i = 0; i < eval_count(e, source); i++) to[i] = (int32_t)eval_value(e, source)[i];
}

const nrt_tensor *kernel_tensor(const KernelCompiled *k, const char *name) {
    for (int i = 0; i < k->model->tensor_count; i++)
        if (!strcmp(k->model->tensors[i].name, name)) return &k->model->tensors[i];
    give_up("no tensor '%s'", name);
}

float *kernel_state(const KernelRun *r, const Node *param) { return (float *)(void *)(r->ctx.state + kernel_tensor(r->k, param->name)->offset); }

static void copy_sources(KernelRun *r) {
    const Graph *g = r->k->graph;
    for (int i = 0; i < g->nodes.n; i++) {
        const Node *s = g->nodes.at[i];
        if (s->op == OP_input) copy_floats(r->eval, s, (char *)(uintptr_t)r->ctx.x);
        if (s->op == OP_target) copy_floats(r->eval, s, (char *)(uintptr_t)r->ctx.target);
        if (s->op == OP_labels) copy_labels(r->eval, s, (int32_t *)(uintptr_t)r->ctx.labels, r->rows);
        if (s->op == OP_param) copy_floats(r->eval, s, (char *)kernel_state(r, s));
        if (s->op == OP_image_weight) r->ctx.image_weight = (float)eval_value(r->eval, s)[0];
        if (s->op == OP_learning_rate) r->ctx.lr = (float)eval_value(r->eval, s)[0];
    }
}

KernelRun kernel_run_new(const KernelCompiled *k, const Eval *e, KernelDraw d, KernelWorkers workers) {
    const nrt_model *m = k->model;
    KernelRun r = {.k = k, .eval = e, .n = d.images, .rows = round_up(d.images, m->lanes), .workers = workers};
    int64_t in = 1, out = 1;
    for (int i = 0; i < m->input_rank; i++) in *= m->input_dim[i];
    for (int i = 0; i < m->output_rank; i++) out *= m->output_dim[i];
    r.ctx = (nrt_ctx){
        .state = aligned_zeros(m->state_bytes), .arena = aligned_nans(m->arena_bytes), .scratch = aligned_nans(m->scratch_bytes * KERNEL_WORKERS),
        .x = aligned_zeros(r.rows * in * 4), .labels = aligned_zeros(r.rows * 4), .target = aligned_zeros(r.rows * out * 4), .out = aligned_nans(r.rows * out * 4),
        .loss = aligned_nans(r.rows * 4), .n = r.n, .blocks = r.rows / m->lanes, .seed = d.seed, .step = (uint64_t)r.n,
    };
    copy_sources(&r);
    return r;
}

void kernel_run_infer(KernelRun *r) {
    r->ctx.pool = &r->workers;
    r->k->model->infer(&r->ctx);
}

void kernel_run_step(KernelRun *r) {
    int64_t outputs = r->n * type_count(kernel_root(r->k->graph, false, ROOT_OUTPUT, ROOT_OUTPUT)->type);
    r->ctx.pool = &r->workers;
    for (int64_t i = 0; i < outputs; i++) r->ctx.out[i] = NAN; /* what infer wrote is no output of step */
    for (int64_t i = 0; i < r->n; i++) r->ctx.loss[i] = NAN;
    r->k->model->step(&r->ctx);
}

void kernel_run_free(KernelRun *r) {
    void *all[] = {r->ctx.state, r->ctx.arena, r->ctx.scratch, (void *)(uintptr_t)r->ctx.x, (void *)(uintptr_t)r->ctx.labels, (void *)(uintptr_t)r->ctx.target, r->ctx.out, r->ctx.loss};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

/* ---- comparing ---- */

static char difference[512];

/* got against want, both less `base` (null: zero). */
static const char *compare(const KernelCheck *check, const char *what, const float *got, const double *want, const double *base, int64_t n) {
    double error = 0, norm = 0, rounding = 0; /* a stored sum base + change is rounded once, to within u = 2^-24 */
    for (int64_t i = 0; i < n; i++) {
        double b = base ? base[i] : 0, d = (double)got[i] - want[i];
        if (check->whole && !((double)got[i] == want[i])) {
            snprintf(difference, sizeof difference, "%s[%lld] is %.9g, should be %.9g", what, (long long)i, (double)got[i], want[i]);
            return difference;
        }
        error += d * d;
        norm += (want[i] - b) * (want[i] - b);
        rounding += base ? want[i] * want[i] : 0;
    }
    if (check->may_rest && base && norm == 0 && error == 0) return NULL;
    bool fine = isfinite(error) && norm > 0 && sqrt(error) <= check->tolerance * sqrt(norm) + sqrt(rounding) * 0x1p-24;
    if (check->whole) fine = norm > 0;
    if (fine) return NULL;
    snprintf(difference, sizeof difference, "%s: relative error %.3g of norm %.3g", what, sqrt(error / norm), sqrt(norm));
    return difference;
}

/* The root that inference has in place of training's, or training's. */
const Node *kernel_root(const Graph *g, bool infer, RootKind for_infer, RootKind for_train) {
    const Node *own = infer ? graph_find_root(g, for_infer) : NULL;
    return own ? own : graph_find_root(g, for_train);
}

static const char *compare_outputs(const KernelRun *r, const KernelCheck *check, const char *when) {
    char what[64];
    bool infer = !strcmp(when, "infer");
    const Node *out = kernel_root(r->k->graph, infer, ROOT_INFER_OUTPUT, ROOT_OUTPUT), *loss = kernel_root(r->k->graph, infer, ROOT_INFER_LOSS, ROOT_LOSS);
    snprintf(what, sizeof what, "output of %s", when);
    const char *why = compare(check, what, r->ctx.out, eval_value(r->eval, out), NULL, r->n * type_count(out->type));
    if (why) return why;
    snprintf(what, sizeof what, "loss of %s", when);
    return compare(check, what, r->ctx.loss, eval_value(r->eval, loss), NULL, r->n);
}

static const char *compare_updates(const KernelRun *r, const KernelCheck *check) {
    const Graph *g = r->k->graph;
    for (int i = 0; i < g->roots.n; i++) {
        const Root *root = &g->roots.at[i];
        if (root->kind != ROOT_UPDATE) continue;
        const char *why = compare(check, root->target->name, kernel_state(r, root->target), eval_value(r->eval, root->node), eval_value(r->eval, root->target), type_count(root->target->type));
        if (why) return why;
    }
    return NULL;
}

/* Bits are compared: NaN behind the last image is NaN again. */
static const char *compare_runs(const KernelRun *a, const KernelRun *b) {
    const nrt_model *m = a->k->model;
    int64_t out = 1;
    for (int i = 0; i < m->output_rank; i++) out *= m->output_dim[i];
    if (memcmp(a->ctx.state, b->ctx.state, (size_t)m->state_bytes)) return "weights depend on the threads";
    if (memcmp(a->ctx.out, b->ctx.out, (size_t)(a->n * out * 4))) return "the output depends on the threads";
    return memcmp(a->ctx.loss, b->ctx.loss, (size_t)a->n * 4) ? "losses depend on the threads" : NULL;
}

const char *kernel_check_threads(const KernelRun *stepped, KernelDraw d) {
    const KernelWorkers others[] = {WORKERS_ONE, WORKERS_THREADS};
    const char *why = NULL;
    for (int i = 0; i < 2 && !why; i++) {
        KernelRun r = kernel_run_new(stepped->k, stepped->eval, d, others[i]);
        kernel_run_step(&r);
        why = compare_runs(stepped, &r);
        kernel_run_free(&r);
    }
    return why;
}

const char *kernel_check(const KernelCompiled *k, int64_t n, KernelCheck check) {
    KernelDraw d = {.images = n, .whole = check.whole, .seed = check.seed, .offset = check.offset};
    Eval *e = kernel_draw(k->arena, k->graph, d);
    KernelRun r = kernel_run_new(k, e, d, WORKERS_SCRAMBLED);
    eval_run(e);
    kernel_run_infer(&r);
    const char *why = compare_outputs(&r, &check, "infer");
    if (!why) {
        kernel_run_step(&r);
        why = compare_outputs(&r, &check, "step");
    }
    if (!why) why = compare_updates(&r, &check);
    if (!why) why = kernel_check_threads(&r, d);
    kernel_run_free(&r);
    return why;
}
