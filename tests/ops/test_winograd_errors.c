/* test_winograd_errors.c: how far one convolution's numbers are from float64: forward, backward_data and backward_weights, by direct sums and by
 * Winograd's way in every tile.
 *
 *     test_winograd_errors            asserts the limits below
 *     test_winograd_errors --table    prints what is measured (docs/performance.md, "Winograd: errors")
 *
 * Each pass is a root of a graph of its own kind, without a network around it: forward is the output of one for x and w, backward_data of one for
 * dy and w, and backward_weights stands where a trainer has the new weights.
 */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../compiler/winograd.h"
#include "kernel_run.h"

typedef enum ErrorPass { FORWARD, BACKWARD_DATA, BACKWARD_WEIGHTS, PASSES } ErrorPass;
typedef struct Shape { int64_t k, c, h, w, kernel, pad, images, groups, stride; } Shape;

static const Shape shapes[] = {
    {64, 64, 24, 24, 3, 1, 2, 1, 1}, {128, 128, 12, 12, 3, 1, 1, 1, 1}, {24, 40, 13, 11, 3, 1, 20, 1, 1}, {16, 16, 12, 12, 5, 2, 20, 1, 1}, {64, 64, 12, 12, 3, 1, 4, 4, 1},
    {128, 64, 24, 24, 3, 1, 2, 1, 2}, {40, 24, 13, 11, 3, 1, 20, 1, 2}, {16, 16, 24, 24, 5, 2, 20, 1, 2},
};
enum { SHAPES = sizeof shapes / sizeof *shapes, DIRECT = 1, TILE_MAX = 6 };

/* Largest |error| in u sum|x||w|, u = 2^-24, and |error| / |value| in the L2 norm. */
static const double unit = 0x1p-24, limit_l2 = 2e-5;
static double limit_of(int tile) { return tile == DIRECT ? 16 : tile <= 4 ? 64 : 128; }

typedef struct Error { double l2, worst; } Error;

/* A graph and its values in float64: of the numbers at hand, and of their magnitudes, which gives sum|x||w|. */
typedef struct Reference {
    Graph *graph;
    KernelDraw draw;
    Eval *exact, *magnitudes;
} Reference;

static bool possible(const Shape *s, int tile) { return tile == DIRECT || winograd_fits(tile, s->kernel, s->stride); }

/* ---- graphs ---- */

static Graph *new_graph(Arena *a, Type input, Type output) {
    Model *m = ARENA_NEW(a, Model);
    *m = (Model){.name = "conv", .source = "conv", .input = input, .output = output, .train = train_defaults()};
    m->train.batch = 20;
    return graph_new(a, m);
}

static Node *image(Graph *g, OpKind op, Type t) { return graph_node(g, op, (Attr){.i = {3, t.dim[0], t.dim[1], t.dim[2]}}, 0, NULL); }

static Node *weights(Graph *g, const Shape *s) {
    return graph_param(g, "w", type_param(4, s->k, s->c / s->groups, s->kernel, s->kernel), NRT_WEIGHT, s->c / s->groups * s->kernel * s->kernel, s->k / s->groups * s->kernel * s->kernel);
}

static Attr conv_attr(const Shape *s, int64_t height, int64_t width) { return (Attr){.i = {s->stride, s->stride, s->pad, s->pad, 1, 1, s->groups, height, width}}; }
static Type input_of(const Shape *s) { return type_batched(3, s->c, s->h, s->w); }
static Type output_of(const Shape *s) { return type_batched(3, s->k, (s->h + 2 * s->pad - s->kernel) / s->stride + 1, (s->w + 2 * s->pad - s->kernel) / s->stride + 1); }

/* dy is the target times one: that the kernels may lay out anew, unlike what the runtime hands over. */
static Graph *forward_graph(Arena *a, const Shape *s) {
    Graph *g = new_graph(a, input_of(s), output_of(s));
    Node *x = image(g, OP_input, input_of(s)), *w = weights(g, s), *t = image(g, OP_target, output_of(s));
    Node *dy = graph_node(g, OP_scale, (Attr){.f = {1}}, 1, &t);
    g->pass = NRT_FORWARD;
    graph_root(g, ROOT_OUTPUT, graph_node(g, OP_conv, conv_attr(s, 0, 0), 2, (Node *[]){x, w}), NULL);
    g->pass = NRT_BACKWARD_WEIGHTS;
    graph_root(g, ROOT_UPDATE, graph_node(g, OP_conv_dw, conv_attr(s, s->kernel, s->kernel), 2, (Node *[]){x, dy}), w);
    return g;
}

static Graph *backward_graph(Arena *a, const Shape *s) {
    Graph *g = new_graph(a, output_of(s), input_of(s));
    Node *dy = image(g, OP_input, output_of(s));
    g->pass = NRT_BACKWARD_DATA;
    graph_root(g, ROOT_OUTPUT, graph_node(g, OP_conv_dx, conv_attr(s, s->h, s->w), 2, (Node *[]){dy, weights(g, s)}), NULL);
    return g;
}

static Reference reference(Arena *a, Graph *g, int64_t images) {
    Reference r = {.graph = g, .draw = {.images = images, .seed = 11}};
    r.exact = kernel_draw(a, g, r.draw);
    r.magnitudes = eval_new(a, g, images);
    for (int i = 0; i < g->nodes.n; i++) {
        const Node *n = g->nodes.at[i];
        if (n->nargs) continue;
        int64_t count = eval_count(r.exact, n);
        double *v = ARENA_ARRAY(a, double, count);
        for (int64_t k = 0; k < count; k++) v[k] = fabs(eval_value(r.exact, n)[k]);
        eval_set(r.magnitudes, n, v);
    }
    eval_run(r.exact);
    eval_run(r.magnitudes);
    return r;
}

/* ---- measuring ---- */

static Error error_of(const Reference *r, const Node *n, const float *got) {
    const double *want = eval_value(r->exact, n), *sum = eval_value(r->magnitudes, n);
    double squares = 0, size = 0;
    Error e = {0};
    for (int64_t i = 0; i < eval_count(r->exact, n); i++) {
        double d = fabs((double)got[i] - want[i]);
        if (!(d <= HUGE_VAL)) return (Error){HUGE_VAL, HUGE_VAL}; /* NaN */
        squares += d * d;
        size += want[i] * want[i];
        if (d > 0) e.worst = fmax(e.worst, d / (unit * sum[i]));
    }
    e.l2 = size > 0 ? sqrt(squares / size) : HUGE_VAL;
    return e;
}

static int count_op(const Graph *g, OpKind op) {
    int n = 0;
    for (int i = 0; i < g->nodes.n; i++) n += g->nodes.at[i]->op == op;
    return n;
}

/* Runs the reference's graph as compiled with that tile; its output, and where it has one its update. */
static void measure(Arena *a, const Reference *r, int tile, Error *output, Error *update) {
    KernelConfig config = {.opt_level = 2, .no_winograd = tile == DIRECT, .winograd_tile = tile == DIRECT ? 0 : tile};
    const Graph *computed = kernel_computed(a, r->graph, config);
    bool direct = count_op(computed, OP_conv) + count_op(computed, OP_conv_dx) + count_op(computed, OP_conv_dw) > 0;
    ENSURE(direct == (tile == DIRECT));
    KernelCompiled k = kernel_compile(a, r->graph, config);
    KernelRun run = kernel_run_new(&k, r->exact, r->draw, WORKERS_SCRAMBLED);
    kernel_run_step(&run);
    for (int i = 0; i < r->graph->roots.n; i++) {
        const Root *root = &r->graph->roots.at[i];
        if (root->kind == ROOT_UPDATE) *update = error_of(r, root->node, kernel_state(&run, root->target));
        else *output = error_of(r, root->node, run.ctx.out);
    }
    kernel_run_free(&run);
    kernel_close(&k);
}

typedef struct Errors { Error at[TILE_MAX + 1][PASSES]; } Errors;

static Errors errors_of(const Shape *s) {
    Arena *a = arena_new();
    Errors e = {0};
    Reference forward = reference(a, forward_graph(a, s), s->images), backward = reference(a, backward_graph(a, s), s->images);
    for (int tile = DIRECT; tile <= TILE_MAX; tile++) {
        if (!possible(s, tile)) continue;
        measure(a, &forward, tile, &e.at[tile][FORWARD], &e.at[tile][BACKWARD_WEIGHTS]);
        measure(a, &backward, tile, &e.at[tile][BACKWARD_DATA], NULL);
    }
    arena_free(a);
    return e;
}

/* ---- asserting and printing ---- */

START_TEST(errors_are_small) {
    static const char *const names[] = {"forward", "backward_data", "backward_weights"};
    const Shape *s = &shapes[_i];
    Errors e = errors_of(s);
    for (int tile = DIRECT; tile <= TILE_MAX; tile++)
        for (int pass = 0; pass < PASSES && possible(s, tile); pass++) {
            Error x = e.at[tile][pass];
            ck_assert_msg(x.worst > 0 && x.worst <= limit_of(tile) && x.l2 <= limit_l2, "%lld->%lld at %lldx%lld, stride %lld, tile %d, %s: an error of %g u sum|x||w|, %g of the norm", (long long)s->c,
                          (long long)s->k, (long long)s->h, (long long)s->w, (long long)s->stride, tile, names[pass], x.worst, x.l2);
        }
}
END_TEST

static void print_table(int64_t kernel, int64_t stride) {
    Errors worst = {0};
    for (int i = 0; i < SHAPES; i++) {
        if (shapes[i].kernel != kernel || shapes[i].stride != stride) continue;
        Errors e = errors_of(&shapes[i]);
        for (int k = 0; k < (TILE_MAX + 1) * PASSES; k++) {
            Error *to = &worst.at[0][0] + k, from = *(&e.at[0][0] + k);
            *to = (Error){fmax(to->l2, from.l2), fmax(to->worst, from.worst)};
        }
    }
    for (int tile = DIRECT; tile <= TILE_MAX && (tile == DIRECT || winograd_fits(tile, kernel, stride)); tile++) {
        printf("| %lldx%lld", (long long)kernel, (long long)kernel);
        printf(stride > 1 ? ", stride %lld | " : " | ", (long long)stride);
        printf(tile == DIRECT ? "direct |" : "%d |", tile);
        for (int pass = 0; pass < PASSES; pass++) printf(" %.1e | %.1f |", worst.at[tile][pass].l2, worst.at[tile][pass].worst);
        printf(" %.0f |\n", limit_of(tile));
    }
}

int main(int argc, char **argv) {
    if (argc > 1 && !strcmp(argv[1], "--table")) return print_table(3, 1), print_table(5, 1), print_table(3, 2), print_table(5, 2), EXIT_SUCCESS;
    TCase *t = tcase_create("errors");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, errors_are_small, 0, SHAPES);
    Suite *s = suite_create("errors of Winograd's convolutions");
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
