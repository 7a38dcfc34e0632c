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
    double value[4 * WINOGRAD_SIDE_MAX];
    ck_assert_int_eq(c.inputs, x->cols);
    for (int i = 0; i < c.inputs; i++) value[i] = in[i];
    for (int i = 0; i < c.nsteps; i++) {
        value[c.inputs + i] = 0;
        for (int t = 0; t < c.step[i].n; t++) value[c.inputs + i] += c.step[i].term[t].factor * value[c.step[i].term[t].from];
    }
    for (int i = 0; i < x->rows; i++) out[i] = c.out[i] < 0 ? 0 : value[c.out[i]];
}

static void same_as_code(const WinogradMatrix *x, const double *in) {
    double want[WINOGRAD_SIDE_MAX], got[WINOGRAD_SIDE_MAX];
    apply(x, in, want);
    run_code(x, in, got);
    for (int i = 0; i < x->rows; i++) ck_assert_double_eq_tol(got[i], want[i], 1e-12);
}

/* What a form makes of numbers and taps. */
static void run_form(const Winograd *f, const double *d, const double *g, double *y) {
    double v[WINOGRAD_SIDE_MAX], u[WINOGRAD_SIDE_MAX];
    apply(&f->input, d, v);
    apply(&f->kernel, g, u);
    same_as_code(&f->input, d);
    same_as_code(&f->kernel, g);
    for (int i = 0; i < f->n; i++) v[i] *= u[i];
    apply(&f->output, v, y);
    same_as_code(&f->output, v);
}

static void draw(double *x, int n, uint64_t *seed) {
    for (int i = 0; i < n; i++) x[i] = round(20 * op_case_random(seed));
}

/* Every F(m, r) on random whole numbers: m outputs of the correlation. */
START_TEST(forms_correlate) {
    uint64_t seed = 1;
    for (int m = 1; m < WINOGRAD_POINTS_MAX; m++)
        for (int r = 1; m + r - 1 <= WINOGRAD_POINTS_MAX; r++) {
            Winograd f = winograd_form(m, r);
            double d[WINOGRAD_SIDE_MAX], g[WINOGRAD_SIDE_MAX] = {0}, y[WINOGRAD_SIDE_MAX];
            ck_assert_int_eq(f.n, m + r - 1);
            draw(d, f.n, &seed);
            draw(g, r, &seed);
            run_form(&f, d, g, y);
            for (int i = 0; i < m; i++) {
                double want = 0;
                for (int k = 0; k < r; k++) want += d[i + k] * g[k];
                ck_assert_msg(fabs(y[i] - want) < 1e-9, "F(%d, %d): output %d is %g, should be %g", m, r, i, y[i], want);
            }
        }
}
END_TEST

enum { TILES_IN_ROW = 3, ROW_MAX = 64 };

/* A row of `in` numbers with zeros around, from place `from` on. */
static void cut_row(const double *x, int in, int from, int n, double *out) {
    for (int i = 0; i < n; i++) out[i] = from + i >= 0 && from + i < in ? x[from + i] : 0;
}

/* y, dx and dw of a row of numbers of whole tiles, by tiles and by their sums. */
static void same_row(WinogradWay way, uint64_t *seed) {
    const Winograd f[] = {winograd_conv(way), winograd_conv_dx(way), winograd_conv_dw(way)};
    int out = TILES_IN_ROW * way.tile, in = (out - 1) * way.stride + way.kernel - 2 * way.pad, size = way.stride * out;
    double x[ROW_MAX], w[WINOGRAD_SIDE_MAX], dy[ROW_MAX], y[ROW_MAX] = {0}, dx[2 * ROW_MAX] = {0}, dw[WINOGRAD_SIDE_MAX] = {0}, sums[WINOGRAD_SIDE_MAX] = {0};
    if (in < 1) return;
    ck_assert(in <= ROW_MAX && f[0].n == way.stride * (way.tile - 1) + way.kernel && f[1].n == f[0].n);
    draw(x, in, seed);
    draw(w, way.kernel, seed);
    draw(dy, out, seed);
    for (int o = 0; o < out; o++)
        for (int k = 0; k < way.kernel; k++) {
            int i = o * way.stride + k - way.pad;
            if (i < 0 || i >= in) continue;
            y[o] += x[i] * w[k];
            dx[i] += dy[o] * w[k];
            dw[k] += dy[o] * x[i];
        }
    for (int t = 0; t < TILES_IN_ROW; t++) {
        double from[WINOGRAD_SIDE_MAX], got[WINOGRAD_SIDE_MAX];
        cut_row(x, in, t * f[0].step + f[0].first, f[0].input.cols, from);
        run_form(&f[0], from, w, got);
        for (int i = 0; i < way.tile; i++) ck_assert_double_eq_tol(got[i], y[t * way.tile + i], 1e-9);
        ck_assert_int_eq(f[2].input.cols, f[0].input.cols);
        run_form(&f[2], from, dy + t * way.tile, got);
        for (int k = 0; k < way.kernel; k++) sums[k] += got[k];
        cut_row(dy, out, t * f[1].step + f[1].first, f[1].input.cols, from);
        run_form(&f[1], from, w, got);
        ck_assert_int_eq(f[1].output.rows, way.stride * way.tile);
        for (int i = 0; i < f[1].output.rows && t * f[1].output.rows + i < i64_min(in, size); i++) ck_assert_double_eq_tol(got[i], dx[t * f[1].output.rows + i], 1e-9);
    }
    for (int k = 0; k < way.kernel; k++) ck_assert_double_eq_tol(sums[k], dw[k], 1e-9);
}

/* Every form of a convolution and its gradients, whole rows of it: all steps, kernels and pads. */
START_TEST(rows_of_tiles_are_convolutions) {
    uint64_t seed = 2;
    int forms = 0;
    WinogradWay way;
    for (way.tile = 1; way.tile <= WINOGRAD_SIDE_MAX; way.tile++)
        for (way.kernel = 1; way.kernel <= WINOGRAD_SIDE_MAX; way.kernel++)
            for (way.stride = 1; way.stride <= way.kernel; way.stride++)
                for (way.pad = 0; way.pad < way.kernel && winograd_fits(way.tile, way.kernel, way.stride); way.pad++, forms++) same_row(way, &seed);
    ck_assert_int_gt(forms, 200);
}
END_TEST

/* stride (tile - 1) + kernel places, and no arithmetic for phases of one tap. */
START_TEST(phases_of_one_tap_cost_nothing) {
    Winograd f = winograd_conv((WinogradWay){3, 3, 2, 1}), dx = winograd_conv_dx((WinogradWay){3, 3, 2, 1}), plain = winograd_form(3, 2);
    WinogradCode strided = winograd_code(&f.input), of_dx = winograd_code(&dx.input), code = winograd_code(&plain.input);
    ck_assert_int_eq(f.n, 7);
    ck_assert_int_eq(winograd_code_cost(&strided), winograd_code_cost(&code));
    ck_assert_int_eq(winograd_code_cost(&of_dx), winograd_code_cost(&code));
    f = winograd_conv((WinogradWay){3, 5, 2, 2}); /* phases of three and two taps */
    ck_assert_int_eq(f.n, 9);
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

typedef struct ConvCase { int64_t k, c, h, w, kernel, pad[2], groups, stride; } ConvCase;
static const ConvCase conv_cases[] = {{3, 2, 7, 5, 3, {1, 1}, 1, 1}, {2, 4, 6, 9, 3, {0, 0}, 1, 1}, {5, 1, 4, 4, 3, {2, 1}, 1, 1}, {4, 3, 8, 7, 5, {2, 2}, 1, 1}, {2, 2, 9, 6, 2, {1, 0}, 1, 1},
                                      {3, 3, 1, 1, 3, {1, 1}, 1, 1}, {6, 2, 5, 5, 4, {3, 3}, 1, 1}, {2, 3, 9, 5, 5, {0, 3}, 1, 1},
                                      {6, 4, 7, 8, 3, {1, 0}, 2, 1}, {6, 9, 5, 6, 3, {1, 1}, 3, 1}, {5, 5, 6, 7, 2, {1, 1}, 5, 1},
                                      {40, 6, 5, 6, 3, {1, 0}, 2, 1}, {48, 2, 9, 8, 3, {1, 1}, 1, 2}, {3, 2, 12, 12, 3, {1, 1}, 1, 2}, {4, 3, 13, 10, 3, {0, 2}, 1, 2}, {4, 6, 11, 9, 3, {1, 1}, 2, 2}, {2, 3, 14, 13, 5, {2, 2}, 1, 2}, {2, 2, 10, 11, 5, {1, 4}, 1, 3},
                                      {3, 2, 1, 2, 3, {1, 1}, 1, 2}, {2, 2, 15, 12, 4, {1, 3}, 1, 2}, {2, 1, 17, 14, 7, {3, 3}, 1, 2}, {2, 1, 13, 9, 5, {3, 3}, 1, 4}, {3, 2, 12, 11, 3, {0, 1}, 1, 2}};
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
    Attr attr = {.i = {c->stride, c->stride, c->pad[0], c->pad[1], 1, 1, c->groups}};
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
    if (tile < 2 || !winograd_fits(tile, c->kernel, c->stride)) return;
    Graph *direct = conv_graph(c), *tiled = conv_graph(c);
    PlanOptions options = {.machine = {.lanes = 16, .registers = 32, .fmas = 2, .cache = 1 << 17}, .winograd = true, .winograd_tile = tile};
    algorithm_choose(tiled, &options);
    graph_sweep(tiled);
    int direct_dx = c->pad[0] % c->stride != c->pad[1] % c->stride; /* rows and columns begin in different phases: there are no two forms for one tile */
    ck_assert_int_eq(count_op(tiled, OP_conv) + count_op(tiled, OP_conv_dw), 0);
    ck_assert_int_eq(count_op(tiled, OP_conv_dx), direct_dx);
    ck_assert_int_eq(count_op(tiled, OP_winograd_product), 2 - direct_dx);
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

/* What Winograd's way leaves alone: steps of two sizes or as long as the kernel, dilation, kernels that are not square, pads as wide as the kernel. */
START_TEST(others_stay_direct) {
    static const struct { int64_t attr[7], kh, kw; } others[] = {{{2, 1, 1, 1, 1, 1, 1}, 3, 3}, {{1, 1, 1, 1, 1, 2, 1}, 3, 3}, {{2, 1, 1, 1, 1, 1, 2}, 3, 3}, {{2, 2, 0, 0, 1, 1, 1}, 2, 2}, {{3, 3, 1, 1, 1, 1, 1}, 3, 3}, {{2, 2, 1, 1, 2, 2, 1}, 3, 3}, {{1, 1, 1, 1, 1, 1, 1}, 3, 5}, {{1, 1, 3, 3, 1, 1, 1}, 3, 3}, {{1, 1, 0, 0, 1, 1, 1}, 1, 1}};
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
    tcase_add_test(t, rows_of_tiles_are_convolutions);
    tcase_add_test(t, phases_of_one_tap_cost_nothing);
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
