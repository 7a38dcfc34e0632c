/* kernel_run.c: see kernel_run.h. */
#include "kernel_run.h"

#include <check.h>
#include <dlfcn.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../compiler/algorithm.h"
#include "../../compiler/elaborate.h"
#include "../../compiler/emit_llvm.h"
#include "../../compiler/grad.h"
#include "../../compiler/infer.h"
#include "../../compiler/ops.h"
#include "../../compiler/parse.h"
#include "../../compiler/program.h"

/* ---- compiling ---- */

static Graph *graph_of(Arena *a, const char *name, const char *source) {
    Diag *d = diag_new(a);
    int file = diag_add_file(d, name, source, strlen(source));
    Ast *ast = parse_file(a, d, file);
    Elaborated *e = ast && !diag_errors(d) ? elaborate(a, d, file, ast, &(ElaborateOptions){0}) : NULL;
    if (!e) {
        diag_flush(d, stderr, COLOR_NEVER, false);
        ck_abort_msg("%s does not compile", name);
    }
    infer_build(e->graph);
    const char *why = grad_build(e->graph);
    ck_assert_msg(!why, "%s: %s", name, why ? why : "");
    graph_sweep(e->graph);
    why = graph_verify(e->graph);
    ck_assert_msg(!why, "%s: %s", name, why ? why : "");
    return e->graph;
}

static void run_linker(const char *object, const char *library) {
    Text command = {0};
    text_printf(&command, "cc -shared -o %s %s", library, object);
    ck_assert_msg(system(command.at) == 0, "%s failed", command.at);
    text_free(&command);
}

static void *load_object(const Text *object) {
    char folder[] = "/tmp/netc-kernels-XXXXXX";
    ck_assert_ptr_nonnull(mkdtemp(folder));
    char o[64], so[64];
    snprintf(o, sizeof o, "%s/k.o", folder);
    snprintf(so, sizeof so, "%s/k.so", folder);
    ck_assert_int_eq(file_write(o, object->at, object->n, 0644), 0);
    run_linker(o, so);
    void *library = dlopen(so, RTLD_NOW | RTLD_LOCAL);
    ck_assert_msg(library != NULL, "%s", library ? "" : dlerror());
    unlink(o);
    unlink(so);
    rmdir(folder);
    return library;
}

KernelCompiled kernel_load(const char *name, const char *source, KernelConfig config) {
    KernelCompiled k = {.arena = arena_new()};
    k.graph = graph_of(k.arena, name, source);
    const char *error = NULL;
    const Target *t = target_new(k.arena, config.march, NULL, &error);
    ck_assert_msg(t != NULL, "%s", t ? "" : error);
    PlanOptions options = plan_options(t, config.opt_level);
    if (config.lanes) options.machine.lanes = config.lanes;
    options.fuse &= !config.no_fuse;
    options.depth_first &= !config.no_depth_first;
    options.tile &= !config.no_tile;
    options.partial &= !config.no_partial;
    options.winograd &= !config.no_winograd;
    options.winograd_tile = config.winograd_tile;
    Graph *lowered = graph_of(k.arena, name, source); /* the judge keeps the one that no pass has touched */
    algorithm_choose(lowered, &options);
    graph_sweep(lowered);
    ck_assert_ptr_null(graph_verify(lowered));
    Program *p = program_lower(k.arena, NULL, lowered, &options);
    const char *why = loop_verify(p);
    ck_assert_msg(!why, "%s: %s", name, why ? why : "");
    Emitted *e = emit_program(k.arena, p, NULL, t, &(EmitOptions){.opt_level = config.opt_level, .share = config.opt_level > 0});
    Text object = {0};
    emit_write(e, EMIT_OBJECT, &object);
    emit_free(e);
    k.library = load_object(&object);
    text_free(&object);
    k.model = dlsym(k.library, "nrt_the_model");
    ck_assert_ptr_nonnull(k.model);
    return k;
}

void kernel_unload(KernelCompiled *k) {
    dlclose(k->library);
    arena_free(k->arena);
}

/* ---- the runtime's part ---- */

enum { WORKERS = 3 };

/* Exported to the loaded code. A stride coprime to the count visits every task once. */
void nrt_parallel_for(nrt_task_fn *fn, nrt_ctx *ctx, int64_t tasks);
void nrt_parallel_for(nrt_task_fn *fn, nrt_ctx *ctx, int64_t tasks) {
    int64_t stride = tasks > 2 ? tasks / 2 + 1 : 1;
    while (gcd_i64(stride, tasks) != 1) stride++;
    for (int64_t i = 0; i < tasks; i++) fn(ctx, i * stride % tasks, i % WORKERS);
}

static double next_random(uint64_t *state) { /* xorshift64*, in (-1, 1) */
    uint64_t x = *state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return (double)(int64_t)(x * 2685821657736338717u) / 9223372036854775808.0;
}

static double draw(KernelCheck *check, double scale) {
    double x = next_random(&check->seed);
    return check->whole ? (double)lround(2 * x) : (double)(float)(scale * x);
}

static void *aligned_zeros(int64_t bytes) {
    void *p = aligned_alloc(64, (size_t)round_up(bytes + 1, 64));
    ck_assert_ptr_nonnull(p);
    memset(p, 0, (size_t)round_up(bytes + 1, 64));
    return p;
}

/* Memory that nobody has written reads as NaN: a kernel that relies on fresh zeros is found out. */
static void *aligned_nans(int64_t bytes) {
    float *p = aligned_zeros(bytes);
    for (int64_t i = 0; i < bytes / 4; i++) p[i] = NAN;
    return p;
}

typedef struct Run {
    const KernelCompiled *k;
    KernelCheck *check;
    nrt_ctx ctx;
    int64_t n, rows;
    Eval *eval;
} Run;

static void set_floats(Run *r, const Node *source, float *to, int64_t per_row, double scale, double offset) {
    double *values = calloc((size_t)(r->n * per_row), sizeof *values);
    for (int64_t i = 0; i < r->n * per_row; i++) values[i] = to[i] = (float)(draw(r->check, scale) + offset);
    eval_set(r->eval, source, values);
    free(values);
}

static void set_labels(Run *r, const Node *source, int32_t *to) {
    double *values = calloc((size_t)r->n, sizeof *values);
    for (int64_t i = 0; i < r->rows; i++) to[i] = -1;
    for (int64_t i = 0; i < r->n; i++) values[i] = to[i] = (int32_t)((uint64_t)(i * 7 + 3) % (uint64_t)source->attr.i[0]);
    eval_set(r->eval, source, values);
    free(values);
}

static const nrt_tensor *find_tensor(const nrt_model *m, const char *name) {
    for (int i = 0; i < m->tensor_count; i++)
        if (!strcmp(m->tensors[i].name, name)) return &m->tensors[i];
    ck_abort_msg("no tensor '%s'", name);
}

static void set_param(Run *r, const Node *source) {
    const nrt_tensor *t = find_tensor(r->k->model, source->name);
    int64_t count = type_count(source->type);
    double *values = calloc((size_t)count, sizeof *values);
    float *to = (float *)(void *)(r->ctx.state + t->offset);
    double scale = t->fan_in ? 1 / sqrt((double)t->fan_in) : 1;
    for (int64_t i = 0; i < count; i++) {
        values[i] = draw(r->check, scale);
        if (t->role == NRT_RUNNING_VAR) values[i] = (double)(float)(fabs(values[i]) + 0.5); /* a variance is not negative */
        to[i] = (float)values[i];
    }
    eval_set(r->eval, source, values);
    free(values);
}

static void set_sources(Run *r) {
    const Graph *g = r->k->graph;
    for (int i = 0; i < g->nodes.n; i++) {
        const Node *s = g->nodes.at[i];
        if (s->op == OP_input) set_floats(r, s, (float *)(void *)r->ctx.x, type_count(s->type), 1, r->check->offset);
        if (s->op == OP_target) set_floats(r, s, (float *)(void *)r->ctx.target, type_count(s->type), 1, 0);
        if (s->op == OP_labels) set_labels(r, s, (int32_t *)(void *)r->ctx.labels);
        if (s->op == OP_param) set_param(r, s);
        if (s->op == OP_image_weight) eval_fill(r->eval, s, r->ctx.image_weight);
        if (s->op == OP_random_key) eval_fill(r->eval, s, random_key_value(r->ctx.seed, r->ctx.step));
        if (s->op == OP_learning_rate) eval_fill(r->eval, s, r->ctx.lr);
    }
}

static Run run_new(const KernelCompiled *k, int64_t n, KernelCheck *check) {
    const nrt_model *m = k->model;
    Run r = {.k = k, .check = check, .n = n, .rows = round_up(n, m->lanes), .eval = eval_new(k->arena, k->graph, n)};
    int64_t in = 1, out = 1;
    for (int i = 0; i < m->input_rank; i++) in *= m->input_dim[i];
    for (int i = 0; i < m->output_rank; i++) out *= m->output_dim[i];
    r.ctx = (nrt_ctx){
        .state = aligned_zeros(m->state_bytes), .arena = aligned_nans(m->arena_bytes), .scratch = aligned_nans(m->scratch_bytes * WORKERS),
        .x = aligned_zeros(r.rows * in * 4), .labels = aligned_zeros(r.rows * 4), .target = aligned_zeros(r.rows * out * 4), .out = aligned_nans(r.rows * out * 4),
        .loss = aligned_nans(r.rows * 4), .n = n, .blocks = r.rows / m->lanes, .lr = check->whole ? 1 : 0.25f, .image_weight = check->whole ? 1 : 1 / (float)n,
        .seed = check->seed, .step = (uint64_t)n,
    };
    set_sources(&r);
    eval_run(r.eval);
    return r;
}

static void run_free(Run *r) {
    void *all[] = {r->ctx.state, r->ctx.arena, r->ctx.scratch, (void *)r->ctx.x, (void *)r->ctx.labels, (void *)r->ctx.target, r->ctx.out, r->ctx.loss};
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
static const Node *served_root(const Graph *g, bool infer, RootKind for_infer, RootKind for_train) {
    const Node *own = infer ? graph_find_root(g, for_infer) : NULL;
    return own ? own : graph_find_root(g, for_train);
}

static const char *compare_outputs(const Run *r, const char *when) {
    char what[64];
    bool infer = !strcmp(when, "infer");
    const Node *out = served_root(r->k->graph, infer, ROOT_INFER_OUTPUT, ROOT_OUTPUT), *loss = served_root(r->k->graph, infer, ROOT_INFER_LOSS, ROOT_LOSS);
    snprintf(what, sizeof what, "output of %s", when);
    const char *why = compare(r->check, what, r->ctx.out, eval_value(r->eval, out), NULL, r->n * type_count(out->type));
    if (why) return why;
    snprintf(what, sizeof what, "loss of %s", when);
    return compare(r->check, what, r->ctx.loss, eval_value(r->eval, loss), NULL, r->n);
}

static const char *compare_updates(const Run *r) {
    const Graph *g = r->k->graph;
    for (int i = 0; i < g->roots.n; i++) {
        const Root *root = &g->roots.at[i];
        if (root->kind != ROOT_UPDATE) continue;
        const nrt_tensor *t = find_tensor(r->k->model, root->target->name);
        const float *got = (const float *)(const void *)(r->ctx.state + t->offset);
        const char *why = compare(r->check, t->name, got, eval_value(r->eval, root->node), eval_value(r->eval, root->target), type_count(root->target->type));
        if (why) return why;
    }
    return NULL;
}

const char *kernel_check(const KernelCompiled *k, int64_t n, KernelCheck check) {
    Run r = run_new(k, n, &check);
    k->model->infer(&r.ctx);
    const char *why = compare_outputs(&r, "infer");
    if (!why) {
        memset(r.ctx.out, 0, sizeof(float));
        k->model->step(&r.ctx);
        why = compare_outputs(&r, "step");
    }
    if (!why) why = compare_updates(&r);
    run_free(&r);
    return why;
}
