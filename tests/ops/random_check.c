/* random_check.c: see random_check.h. */
#include "random_check.h"

#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel_run.h"
#include "noise.h"

enum { MOST_TRIES = 24, SECONDS = 120 };

/* Numbers far from zero beside what is allowed. */
static const double clear_factor = 100;
/* What the float64 runs of two graphs for the same thing may be apart, in noise of float32: their own noise is 2^-29 of it. */
static const double float64_noise = 1e-7;
/* Below the smallest normal float there is no relative rounding. */
static const double underflow = 1e-30;

enum { DIRECT = 2, WAYS = 3 }; /* -O0 and -O2 with direct sums; -O2 with Winograd's */

/* One way to compile the network. */
typedef struct Way {
    char name[40];
    KernelConfig config;
    KernelCompiled k;
    const Graph *graph; /* that its code computes: the network's own, or one for the same numbers */
    Eval *eval;         /* of it, and its noise, on the numbers at hand */
    Noise *noise;       /* null: all must be equal */
} Way;

typedef struct Check {
    const RandomNet *net;
    NetFault fault;
    NetResult *result;
    const Graph *graph;
    KernelDraw draw;
    Arena *arena;      /* of these numbers */
    Eval *eval;        /* of graph */
    Way way[WAYS];
    int ways;
    const Way *by;     /* the way at hand */
    const char *when;
} Check;

/* What the way at hand computes in place of a root of the network's graph, or of the gradient that an update takes. */
static const Node *computed_by(const Check *c, const Way *w, const Node *n) {
    for (int i = 0; i < c->graph->roots.n && w->graph != c->graph; i++) {
        const Node *here = c->graph->roots.at[i].node, *there = w->graph->roots.at[i].node;
        if (here == n) return there;
        if (here->op == OP_sgd && here->arg[1] == n) return there->arg[1];
    }
    ENSURE(w->graph == c->graph);
    return n;
}

static double *noise_by(const Check *c, const Way *w, const Node *n) { return noise_of(w->noise, computed_by(c, w, n)); }

/* Where a network has a tile, faults are planted in Winograd's way only. */
static NetFault fault_now(const Check *c) { return c->net->tile == TILE_NONE || c->by->graph != c->graph ? c->fault : FAULT_NONE; }

/* ---- comparing ---- */

static void note_error(Check *c, const char *what, double error, double noise) {
    double *worst = c->by->graph == c->graph ? &c->result->worst : &c->result->worst_tiled;
    if (noise <= 0 || error / (noise + underflow) <= *worst) return;
    *worst = error / (noise + underflow);
    if (*worst >= fmax(c->result->worst, c->result->worst_tiled)) snprintf(c->result->where, sizeof c->result->where, "%s, %s: %s", c->by->name, c->when, what);
}

static bool differs(const Check *c, const char *what, int64_t i, double got, double want, double allowed) {
    char *why = c->result->why;
    if (isfinite(got) && fabs(got - want) <= allowed) return false;
    snprintf(why, sizeof c->result->why, "%s, %s: %s[%lld] is %.9g, should be %.9g +- %.2g", c->by->name, c->when, what, (long long)i, got, want, allowed);
    return true;
}

/* How much of the tensor is clear: its norm beside the norm of what is allowed. */
static bool is_clear(const double *want, const double *base, const double *allowed, int64_t n) {
    double size = 0, blur = 0;
    for (int64_t i = 0; i < n; i++) {
        double d = want[i] - (base ? base[i] : 0);
        size += d * d;
        blur += allowed[i] * allowed[i];
    }
    return size > 0 && size >= clear_factor * clear_factor * blur;
}

/* got, n floats, against the node's value. `base`: what the node was before. */
static bool compare(Check *c, const char *what, const float *got, const Node *node, const double *base, int64_t n) {
    const double *want = eval_value(c->eval, node);
    double *allowed = c->by->noise ? noise_by(c, c->by, node) : ARENA_ARRAY(c->arena, double, n);
    for (int64_t i = 0; i < n; i++) {
        note_error(c, what, fabs((double)got[i] - want[i]), allowed[i]);
        if (c->by->noise) allowed[i] = NOISE_LIMIT * allowed[i] + underflow;
        double wrong = fault_now(c) == FAULT_REFERENCE ? 1.0001 : 1;
        if (differs(c, what, i, (double)got[i], want[i] * wrong, allowed[i])) return false;
    }
    c->result->compared++;
    if (c->by->noise && !is_clear(want, base, allowed, n)) c->result->vague++;
    return true;
}

static bool compare_outputs(Check *c, const KernelRun *r, bool infer) {
    const Node *out = kernel_root(c->graph, infer, ROOT_INFER_OUTPUT, ROOT_OUTPUT), *loss = kernel_root(c->graph, infer, ROOT_INFER_LOSS, ROOT_LOSS);
    return compare(c, "output", r->ctx.out, out, NULL, eval_count(c->eval, out)) && compare(c, "loss", r->ctx.loss, loss, NULL, r->n);
}

static bool compare_updates(Check *c, const KernelRun *r) {
    for (int i = 0; i < c->graph->roots.n; i++) {
        const Root *root = &c->graph->roots.at[i];
        if (root->kind != ROOT_UPDATE) continue;
        if (!compare(c, root->target->name, kernel_state(r, root->target), root->node, eval_value(c->eval, root->target), eval_count(c->eval, root->node))) return false;
    }
    return true;
}

/* ---- gradients ---- */

/* With this learning rate an update is all gradient: w - lr g keeps g to within 2 u (|g| + |w| / lr). */
static const float huge_rate = 0x1p40f;

static bool compare_gradient(Check *c, const KernelRun *r, const Root *root) {
    const Node *g = root->node->arg[1];
    const double *want = eval_value(c->eval, g), *w = eval_value(c->eval, root->target), *noise = noise_by(c, c->by, g);
    const float *got = kernel_state(r, root->target);
    char what[100];
    snprintf(what, sizeof what, "gradient of %s", root->target->name);
    for (int64_t i = 0; i < eval_count(c->eval, g); i++) {
        double back = (w[i] - (double)got[i]) / (double)huge_rate, lost = 2 * NOISE_UNIT * (fabs(want[i]) + fabs(w[i]) / (double)huge_rate);
        note_error(c, what, fabs(back - want[i]) - lost, noise[i]);
        if (differs(c, what, i, back, want[i], NOISE_LIMIT * noise[i] + lost + underflow)) return false;
    }
    return true;
}

static bool check_gradients(Check *c) {
    KernelRun r = kernel_run_new(&c->by->k, c->eval, c->draw, WORKERS_ONE);
    bool fine = true;
    c->when = "gradients";
    r.ctx.lr = fault_now(c) == FAULT_RATE ? huge_rate * 1.0001f : huge_rate;
    kernel_run_step(&r);
    for (int i = 0; i < c->graph->roots.n && fine; i++) {
        const Root *root = &c->graph->roots.at[i];
        if (root->kind == ROOT_UPDATE && root->node->op == OP_sgd) fine = compare_gradient(c, &r, root);
    }
    kernel_run_free(&r);
    return fine;
}

/* ---- planted faults ---- */

static const Node *first_weight(const Graph *g) {
    for (int i = 0; i < g->nodes.n; i++)
        if (g->nodes.at[i]->op == OP_param && g->nodes.at[i]->attr.i[PARAM_ROLE] == NRT_WEIGHT) return g->nodes.at[i];
    BUG("no weight");
}

static void plant_before(Check *c, KernelRun *r) {
    if (fault_now(c) == FAULT_WEIGHT) kernel_state(r, first_weight(c->graph))[0] *= 1.0001f;
    if (fault_now(c) == FAULT_INPUT) ((float *)(uintptr_t)r->ctx.x)[0] += 1e-4f;
}

static void plant_after(Check *c, KernelRun *r) {
    int64_t n = eval_count(c->eval, graph_find_root(c->graph, ROOT_OUTPUT));
    if (fault_now(c) == FAULT_NAN) r->ctx.out[n - 1] = NAN;
    if (fault_now(c) == FAULT_ZEROS) memset(r->ctx.out, 0, (size_t)n * sizeof(float));
}

/* ---- one set of numbers ---- */

static bool check_step(Check *c) {
    KernelRun r = kernel_run_new(&c->by->k, c->eval, c->draw, WORKERS_SCRAMBLED);
    plant_before(c, &r);
    c->when = "inference";
    kernel_run_infer(&r);
    bool fine = compare_outputs(c, &r, true);
    c->when = c->by->noise ? "step" : "step on whole numbers";
    if (fine) kernel_run_step(&r);
    plant_after(c, &r);
    fine = fine && compare_outputs(c, &r, false) && compare_updates(c, &r);
    const char *why = fine && fault_now(c) == FAULT_NONE ? kernel_check_threads(&r, c->draw) : NULL;
    if (why) snprintf(c->result->why, sizeof c->result->why, "%s, %s: %s", c->by->name, c->when, why);
    kernel_run_free(&r);
    return fine && !why;
}

/* Is there something to see: an output, losses and one update at least far above their noise? */
static const char *nothing_to_see(const Check *c, const Way *w) {
    const Node *const must[] = {graph_find_root(c->graph, ROOT_OUTPUT), graph_find_root(c->graph, ROOT_LOSS)};
    bool moves = false;
    for (int k = 0; k < 2; k++)
        if (!is_clear(eval_value(c->eval, must[k]), NULL, noise_by(c, w, must[k]), eval_count(c->eval, must[k]))) return "output or losses are no more than noise";
    for (int i = 0; i < c->graph->roots.n; i++) {
        const Root *root = &c->graph->roots.at[i];
        if (root->kind != ROOT_UPDATE || root->node->op != OP_sgd) continue;
        const Node *g = root->node->arg[1];
        moves = moves || is_clear(eval_value(c->eval, g), NULL, noise_by(c, w, g), eval_count(c->eval, g));
    }
    return moves ? NULL : "no gradient is more than noise";
}

/* ---- the other graph ---- */

/* Sources have the same values in both graphs, whatever their order. */
static Eval *same_numbers(const Check *c, const Graph *g) {
    Eval *e = eval_new(c->arena, g, c->draw.images);
    for (int i = 0; i < g->nodes.n; i++) {
        const Node *to = g->nodes.at[i];
        for (int k = 0; k < c->graph->nodes.n && !op_table[to->op].eval; k++) {
            const Node *from = c->graph->nodes.at[k];
            if (from->op == to->op && !strcmp(from->name, to->name)) eval_set(e, to, eval_value(c->eval, from));
        }
    }
    return e;
}

static void take_noise(Check *c) {
    for (int i = 0; i < c->ways; i++) {
        Way *w = &c->way[i], *before = i ? w - 1 : NULL;
        bool again = before && before->graph == w->graph;
        w->eval = again ? before->eval : w->graph == c->graph ? c->eval : same_numbers(c, w->graph);
        w->noise = again ? before->noise : noise_run(c->arena, w->graph, w->eval, c->draw.images);
    }
}

static bool same_value(Check *c, const char *what, const Node *node) {
    const double *want = eval_value(c->eval, node), *got = eval_value(c->by->eval, computed_by(c, c->by, node)), *noise = noise_by(c, c->by, node);
    for (int64_t i = 0; i < eval_count(c->eval, node); i++)
        if (differs(c, what, i, got[i], want[i], float64_noise * noise[i] + underflow)) return false;
    return true;
}

/* The algebra: what the way computes is in float64 what the network's graph says. */
static bool same_values(Check *c) {
    c->when = "float64";
    for (int i = 0; i < c->graph->roots.n; i++) {
        const Root *here = &c->graph->roots.at[i], *there = &c->by->graph->roots.at[i];
        const char *what = here->target ? here->target->name : op_table[here->node->op].name;
        ENSURE(here->kind == there->kind && (!here->target || !strcmp(here->target->name, there->target->name)));
        if (!same_value(c, what, here->node) || (here->node->op == OP_sgd && !same_value(c, what, here->node->arg[1]))) return false;
    }
    return true;
}

/* ---- drawing ---- */

static const char *unclear(const Check *c) {
    const char *why = NULL;
    for (int i = 0; i < c->ways && !why; i++) {
        if (i && c->way[i].noise == c->way[i - 1].noise) continue;
        why = noise_kink(c->way[i].noise);
        if (!why) why = nothing_to_see(c, &c->way[i]);
    }
    return why;
}

/* Draws numbers until they are clear; false where none are. */
static bool draw_clear(Check *c) {
    for (c->result->tries = 1; c->result->tries <= MOST_TRIES; c->result->tries++) {
        c->arena = arena_new();
        c->draw = (KernelDraw){.images = c->net->images, .seed = c->net->seed + 1000003u * (uint64_t)c->result->tries};
        c->eval = kernel_draw(c->arena, c->graph, c->draw);
        take_noise(c);
        const char *why = unclear(c);
        if (!why) return true;
        snprintf(c->result->why, sizeof c->result->why, "no clear numbers: %s", why);
        arena_free(c->arena);
    }
    return false;
}

/* Whole numbers, as large as they may be; false where even the smallest sums grow beyond what a float counts. */
static bool draw_whole(Check *c) {
    for (int largest = 2; largest > 0; largest--) {
        c->arena = arena_new();
        c->draw = (KernelDraw){.images = c->net->images, .seed = c->net->seed, .whole = true, .largest = largest};
        c->eval = kernel_draw(c->arena, c->graph, c->draw);
        Noise *z = noise_run(c->arena, c->graph, c->eval, c->draw.images);
        if (noise_largest_sum(z) < 0x1p24) return true;
        arena_free(c->arena);
    }
    return false;
}

/* ---- networks ---- */

static bool check_way(Check *c, const Way *w) {
    c->by = w;
    if (w->graph != c->graph && !same_values(c)) return false;
    return check_step(c) && (!w->noise || check_gradients(c));
}

/* Winograd's fractions are not exact: whole numbers are for the direct sums. */
static bool check_whole(Check *c) {
    bool fine = true;
    c->result->whole = true;
    for (int i = 0; i < DIRECT && fine; i++) {
        c->way[i].noise = NULL;
        fine = check_way(c, &c->way[i]);
    }
    return fine;
}

static NetVerdict check_numbers(Check *c) {
    bool fine = true;
    for (int i = 0; i < c->ways && fine; i++) fine = check_way(c, &c->way[i]);
    arena_free(c->arena);
    if (fine && net_is_whole(c->net) && draw_whole(c)) {
        fine = check_whole(c);
        arena_free(c->arena);
    }
    return fine ? NET_FINE : NET_DIFFERS;
}

static void add_way(Check *c, KernelConfig config, const Graph *graph) {
    Way *w = &c->way[c->ways++];
    *w = (Way){.config = config, .graph = graph};
    int n = snprintf(w->name, sizeof w->name, "-O%d", config.opt_level);
    if (graph != c->graph) snprintf(w->name + n, sizeof w->name - (size_t)n, config.winograd_tile ? ", Winograd's tiles of %d" : ", Winograd's tiles as planned", config.winograd_tile);
}

/* The tiles of a graph's Winograd operators, a bit each. */
static unsigned tiles_in(const Graph *g) {
    unsigned tiles = 0;
    for (int i = 0; i < g->nodes.n; i++)
        if (g->nodes.at[i]->op == OP_winograd_data) tiles |= 1u << g->nodes.at[i]->attr.i[0];
    return tiles;
}

/* With the tile that the network names, or the largest below it that some convolution takes; where the planner would have none, with some. */
static void add_tiled(Check *c, Arena *a) {
    KernelConfig config = {.opt_level = 2, .lanes = c->net->lanes, .by_input = true, .winograd_tile = c->net->tile == TILE_PLANNED ? 0 : c->net->tile, .row_steps = c->net->tile % 2 == 0, .band_tiles = 1 + c->net->tile / 2 % 2, .stream = c->net->tile % 2 == 0};
    while (c->net->tile != TILE_NONE && config.winograd_tile != 1) {
        const Graph *g = kernel_computed(a, c->graph, config);
        c->result->tiles = tiles_in(g);
        if (c->result->tiles) return add_way(c, config, g);
        config.winograd_tile = config.winograd_tile ? config.winograd_tile - 1 : 4;
    }
}

NetResult net_check(const RandomNet *net, NetFault fault) {
    NetResult result = {.verdict = NET_UNCLEAR};
    Arena *a = arena_new();
    Text source = net_text(net);
    Check c = {.net = net, .fault = fault, .result = &result};
    Graph *g = kernel_graph(a, "random.net", source.at);
    c.graph = g;
    for (int i = 0; i < DIRECT; i++) add_way(&c, (KernelConfig){.opt_level = 2 * i, .lanes = i ? net->lanes : 0, .no_winograd = true}, g);
    add_tiled(&c, a);
    if (draw_clear(&c)) {
        for (int i = 0; i < c.ways; i++) c.way[i].k = kernel_compile(a, g, c.way[i].config);
        result.verdict = check_numbers(&c);
        for (int i = 0; i < c.ways; i++) kernel_close(&c.way[i].k);
    }
    text_free(&source);
    arena_free(a);
    return result;
}

/* ---- in a child ---- */

static _Noreturn void run_child(const RandomNet *net, NetFault fault, bool quiet, int to) {
    if (quiet) dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
    alarm(SECONDS);
    NetResult result = net_check(net, fault);
    ssize_t written = write(to, &result, sizeof result);
    _exit(written == (ssize_t)sizeof result ? EXIT_SUCCESS : EXIT_FAILURE);
}

NetResult net_check_apart(const RandomNet *net, NetFault fault, bool quiet) {
    int ends[2], status = 0;
    NetResult result = {.verdict = NET_CRASHES};
    fflush(NULL);
    if (pipe(ends)) BUG("no pipe");
    pid_t child = fork();
    if (child < 0) BUG("no process");
    if (child == 0) run_child(net, fault, quiet, ends[1]);
    close(ends[1]);
    ssize_t n = read(ends[0], &result, sizeof result);
    close(ends[0]);
    waitpid(child, &status, 0);
    if (n == (ssize_t)sizeof result) return result;
    result = (NetResult){.verdict = NET_CRASHES};
    if (WIFSIGNALED(status)) snprintf(result.why, sizeof result.why, "signal %d%s", WTERMSIG(status), WTERMSIG(status) == SIGALRM ? ": it hangs" : "");
    else snprintf(result.why, sizeof result.why, "exit code %d", WEXITSTATUS(status));
    return result;
}
