/* test_winograd.c: Winograd's forms. The matrices compute what they should, exactly; their straight-line code is the matrix; and in float64
 * a convolution and its two adjoints come out the same in tiles of every size as by their own sums.
 */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../compiler/algorithm.h"
#include "../../compiler/eval.h"
#include "../../compiler/grad.h"
#include "../../compiler/winograd.h"
#include "op_cases.h"

static void apply(const WinogradMatrix *x, const double *in, double *out) {
    for (int i = 0; i < x->rows; i++) {
        out[i] = 0;
        for (int j = 0; j < x->cols; j++) out[i] += x->at[i][j] * in[j];
    }
}

static void run_code(const WinogradMatrix *x, const double *in, double *out) {
    WinogradCode c = winograd_code(x);
    double value[4 * WINOGRAD_N_MAX];
    ck_assert_int_eq(c.inputs, x->cols);
    for (int i = 0; i < c.inputs; i++) value[i] = in[i];
    for (int i = 0; i < c.nsteps; i++) {
        value[c.inputs + i] = 0;
        for (int t = 0; t < c.step[i].n; t++) value[c.inputs + i] += c.step[i].term[t].factor * value[c.step[i].term[t].from];
    }
    for (int i = 0; i < x->rows; i++) out[i] = c.out[i] < 0 ? 0 : value[c.out[i]];
}

static void same_as_code(const WinogradMatrix *x, const double *in) {
    double want[WINOGRAD_N_MAX], got[WINOGRAD_N_MAX];
    apply(x, in, want);
    run_code(x, in, got);
    for (int i = 0; i < x->rows; i++) ck_assert_double_eq_tol(got[i], want[i], 1e-12);
}

/* Every F(m, r) on random whole numbers: m outputs of the correlation. */
START_TEST(forms_correlate) {
    uint64_t seed = 1;
    for (int m = 1; m < WINOGRAD_N_MAX; m++)
        for (int r = 1; m + r - 1 <= WINOGRAD_N_MAX; r++) {
            if (m + r < 3) continue;
            Winograd f = winograd_form(m, r);
            double d[WINOGRAD_N_MAX], g[WINOGRAD_N_MAX] = {0}, v[WINOGRAD_N_MAX], u[WINOGRAD_N_MAX], y[WINOGRAD_N_MAX];
            for (int i = 0; i < f.n; i++) d[i] = round(20 * op_case_random(&seed));
            for (int i = 0; i < r; i++) g[i] = round(20 * op_case_random(&seed));
            apply(&f.input, d, v);
            apply(&f.kernel, g, u);
            same_as_code(&f.input, d);
            same_as_code(&f.kernel, g);
            for (int i = 0; i < f.n; i++) v[i] *= u[i];
            apply(&f.output, v, y);
            same_as_code(&f.output, v);
            for (int i = 0; i < m; i++) {
                double want = 0;
                for (int k = 0; k < r; k++) want += d[i + k] * g[k];
                ck_assert_msg(fabs(y[i] - want) < 1e-9, "F(%d, %d): output %d is %g, should be %g", m, r, i, y[i], want);
            }
        }
}
END_TEST

/* F(4, 3) and F(6, 3) share sums: Lavin and Gray (2015) count 12 instructions for a line of F(4, 3)'s input. */
START_TEST(code_shares_sums) {
    Winograd f = winograd_form(4, 3), g = winograd_form(6, 3);
    WinogradCode four = winograd_code(&f.input), six = winograd_code(&g.input);
    ck_assert_int_le(winograd_code_cost(&four), 14);
    ck_assert_int_le(winograd_code_cost(&six), 28);
}
END_TEST

typedef struct ConvCase { int64_t k, c, h, w, kernel, pad[2], groups; } ConvCase;
static const ConvCase conv_cases[] = {{3, 2, 7, 5, 3, {1, 1}, 1}, {2, 4, 6, 9, 3, {0, 0}, 1}, {5, 1, 4, 4, 3, {2, 1}, 1}, {4, 3, 8, 7, 5, {2, 2}, 1}, {2, 2, 9, 6, 2, {1, 0}, 1},
                                      {3, 3, 1, 1, 3, {1, 1}, 1}, {6, 2, 5, 5, 4, {3, 3}, 1}, {2, 3, 9, 5, 5, {0, 3}, 1},
                                      {6, 4, 7, 8, 3, {1, 0}, 2}, {6, 9, 5, 6, 3, {1, 1}, 3}, {5, 5, 6, 7, 2, {1, 1}, 5}};
enum { CONV_CASES = sizeof conv_cases / sizeof *conv_cases, BATCH = 3, TILES = 7 };

static Arena *arena;
static void setup(void) { arena = arena_new(); }
static void teardown(void) { arena_free(arena); }

static Node *shaped(Graph *g, OpKind op, int64_t c, int64_t h, int64_t w) { return graph_node(g, op, (Attr){.i = {3, c, h, w}}, 0, NULL); }

/* conv, conv_dx and conv_dw of x, w and dy as roots, which keep their order. */
static Graph *conv_graph(const ConvCase *c) {
    Model *m = ARENA_NEW(arena, Model);
    *m = (Model){.name = "n", .train = train_defaults()};
    m->train.batch = BATCH;
    Graph *g = graph_new(arena, m);
    Attr attr = {.i = {1, 1, c->pad[0], c->pad[1], 1, 1, c->groups}};
    Node *x = shaped(g, OP_input, c->c, c->h, c->w);
    Node *w = graph_param(g, "w", type_param(4, c->k, c->c / c->groups, c->kernel, c->kernel), NRT_WEIGHT, 1, 1);
    Node *y = graph_node(g, OP_conv, attr, 2, (Node *[]){x, w}), *dy = shaped(g, OP_target, y->type.dim[0], y->type.dim[1], y->type.dim[2]);
    Attr of_x = attr, of_w = attr;
    for (int d = 0; d < 2; d++) {
        of_x.i[CONV_SIZE + d] = d ? c->w : c->h;
        of_w.i[CONV_SIZE + d] = c->kernel;
    }
    graph_root(g, ROOT_OUTPUT, y, NULL);
    graph_root(g, ROOT_INFER_OUTPUT, graph_node(g, OP_conv_dx, of_x, 2, (Node *[]){dy, w}), NULL);
    graph_root(g, ROOT_UPDATE, graph_node(g, OP_conv_dw, of_w, 2, (Node *[]){x, dy}), w);
    return g;
}

static Eval *evaluated(const Graph *g) {
    Eval *e = eval_new(arena, g, BATCH);
    for (int i = 0; i < g->nodes.n; i++) {
        const Node *n = g->nodes.at[i];
        if (n->nargs) continue;
        int64_t count = eval_count(e, n);
        uint64_t seed = (uint64_t)n->op;
        double *value = ARENA_ARRAY(arena, double, count);
        for (int64_t k = 0; k < count; k++) value[k] = op_case_random(&seed);
        eval_set(e, n, value);
    }
    eval_run(e);
    return e;
}

static int count_op(const Graph *g, OpKind op) {
    int n = 0;
    for (int i = 0; i < g->nodes.n; i++) n += g->nodes.at[i]->op == op;
    return n;
}

static void same_values(const Graph *direct, const Graph *other) {
    Eval *a = evaluated(direct), *b = evaluated(other);
    for (int r = 0; r < direct->roots.n; r++) {
        const Node *want = direct->roots.at[r].node, *got = other->roots.at[r].node;
        ck_assert(type_equal(want->type, got->type));
        for (int64_t i = 0; i < eval_count(a, want); i++)
            ck_assert_double_eq_tol(eval_value(b, got)[i], eval_value(a, want)[i], 1e-9);
    }
}

START_TEST(tiles_change_nothing) {
    const ConvCase *c = &conv_cases[_i % CONV_CASES];
    int tile = 1 + _i / CONV_CASES;
    if (tile < 2 || tile + c->kernel - 1 > WINOGRAD_N_MAX) return;
    Graph *direct = conv_graph(c), *tiled = conv_graph(c);
    PlanOptions options = {.machine = {.lanes = 16, .registers = 32, .fmas = 2, .cache = 1 << 17}, .winograd = true, .winograd_tile = tile};
    algorithm_choose(tiled, &options);
    graph_sweep(tiled);
    ck_assert_int_eq(count_op(tiled, OP_conv) + count_op(tiled, OP_conv_dx) + count_op(tiled, OP_conv_dw), 0);
    ck_assert_int_eq(count_op(tiled, OP_winograd_product), 2);
    ck_assert_int_eq(count_op(tiled, OP_winograd_sum), 1);
    same_values(direct, tiled);
}
END_TEST

/* The gradient in x from weights that lie by their input, which nobody but the compiler makes. */
START_TEST(copied_weights_change_nothing) {
    Graph *direct = conv_graph(&conv_cases[_i]), *copied = conv_graph(&conv_cases[_i]);
    algorithm_choose(copied, &(PlanOptions){.machine = {.lanes = 16, .registers = 32, .fmas = 2}, .tile = true, .by_input = true});
    graph_sweep(copied);
    ck_assert_int_eq(count_op(copied, OP_weights_by_input), conv_cases[_i].k > conv_cases[_i].groups);
    algorithm_choose(copied, &(PlanOptions){.machine = {.lanes = 16, .registers = 32, .fmas = 2}, .tile = true, .winograd = true, .winograd_tile = 2}); /* knows no such weights */
    graph_sweep(copied);
    ck_assert_int_eq(count_op(copied, OP_conv_dx), conv_cases[_i].k > conv_cases[_i].groups);
    same_values(direct, copied);
}
END_TEST

/* What Winograd's way leaves alone: strides, dilation, kernels that are not square, pads as wide as the kernel. */
START_TEST(others_stay_direct) {
    static const struct { int64_t attr[7], kh, kw; } others[] = {{{2, 1, 1, 1, 1, 1, 1}, 3, 3}, {{1, 1, 1, 1, 1, 2, 1}, 3, 3}, {{2, 1, 1, 1, 1, 1, 2}, 3, 3}, {{1, 1, 1, 1, 1, 1, 1}, 3, 5}, {{1, 1, 3, 3, 1, 1, 1}, 3, 3}, {{1, 1, 0, 0, 1, 1, 1}, 1, 1}};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        Model *m = ARENA_NEW(arena, Model);
        *m = (Model){.name = "n", .train = train_defaults()};
        Graph *g = graph_new(arena, m);
        Attr attr = {0};
        memcpy(attr.i, others[i].attr, sizeof others[i].attr);
        Node *w = graph_param(g, "w", type_param(4, 4, 4 / attr.i[CONV_GROUPS], others[i].kh, others[i].kw), NRT_WEIGHT, 1, 1);
        graph_root(g, ROOT_OUTPUT, graph_node(g, OP_conv, attr, 2, (Node *[]){shaped(g, OP_input, 4, 9, 9), w}), NULL);
        algorithm_choose(g, &(PlanOptions){.machine = {.lanes = 16, .registers = 32, .fmas = 2}, .winograd = true, .winograd_tile = 2});
        ck_assert_int_eq(g->roots.at[0].node->op, OP_conv);
    }
}
END_TEST

int main(void) {
    Suite *s = suite_create("winograd");
    TCase *t = tcase_create("winograd");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, forms_correlate);
    tcase_add_test(t, code_shares_sums);
    tcase_add_loop_test(t, tiles_change_nothing, 0, CONV_CASES * TILES);
    tcase_add_loop_test(t, copied_weights_change_nothing, 0, CONV_CASES);
    tcase_add_test(t, others_stay_direct);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
