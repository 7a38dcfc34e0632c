/* test_ops.c: every row of the operator table is tried on cases, in float64.
 *
 * For each operator with a gradient rule: central differences of <op(x), dy> against the gradient that the rule builds, and for
 * linear ones the adjointness <op(x), dy> = <x, dx>. An operator counts as covered when it took part in a case;
 * one that no case covers makes the test fail, so a new row of ops.def needs cases. Then whole training steps.
 */
#include "../../compiler/algorithm.h"
#include "../../compiler/eval.h"
#include "../../compiler/grad.h"
#include "../../compiler/infer.h"
#include "../../compiler/ops.h"
#include "../../compiler/ops/phases.h"
#include "op_cases.h"

#include <check.h>
#include <math.h>

enum { BATCH = 3 };

static Arena *arena;

static void setup(void) { arena = arena_new(); }
static void teardown(void) { arena_free(arena); }

static Graph *empty_graph(void) {
    Model *m = ARENA_NEW(arena, Model);
    *m = (Model){.name = "case", .source = "", .train = train_defaults()};
    return graph_new(arena, m);
}

/* ---- phases ---- */

/* The taps of a window over `size` points, as the runs of phases have them: none twice, each where the window's definition has it. */
static int count_taps(const Phases *ph, int64_t size, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation) {
    int taps = 0;
    bool seen[16][16] = {{false}}; /* by input and tap */
    for (int p = 0; p < ph->n; p++) {
        const Phase *x = &ph->at[p];
        for (int64_t q = 0; q < x->quotients; q++)
            for (int64_t f = 0; f < x->alike; f++)
                for (int64_t t = 0; t < x->taps; t++) {
                    int64_t i = stride * q + x->f0 + f, r = x->r0 + f + x->rstep * t, o = q + x->o0 - x->ostep * t;
                    ck_assert(i >= 0 && i < size && r >= 0 && r < kernel && !seen[i][r]);
                    ck_assert_int_eq(o * stride - pad + r * dilation, i);
                    seen[i][r] = true;
                    taps++;
                }
    }
    return taps;
}

static int wanted_taps(int64_t size, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation) {
    int taps = 0;
    for (int64_t i = 0; i < size; i++)
        for (int64_t r = 0; r < kernel; r++) taps += (i + pad - r * dilation) % stride == 0;
    return taps;
}

START_TEST(phases_are_the_windows_taps) {
    for (int n = 0; n < 12 * 6 * 14 * 6 * 4; n++) {
        int64_t size = 1 + n % 12, kernel = 1 + n / 12 % 6, stride = 1 + n / 72 % 14, pad = n / 1008 % 6, dilation = 1 + n / 6048;
        Phases ph = phases_of(arena, size, kernel, stride, pad, dilation);
        ck_assert_int_eq(count_taps(&ph, size, kernel, stride, pad, dilation), wanted_taps(size, kernel, stride, pad, dilation));
        if (dilation == 1) ck_assert_int_le(ph.n, 4);
        else ck_assert_int_le(ph.n, 2 * kernel + 2);
    }
}
END_TEST

/* ---- values ---- */

static void set_random(Eval *e, const Node *n, uint64_t *state) {
    int64_t count = eval_count(e, n);
    double *v = ARENA_ARRAY(arena, double, count);
    for (int64_t i = 0; i < count; i++) v[i] = 2 * op_case_random(state);
    if (n->op == OP_labels)
        for (int64_t i = 0; i < count; i++) v[i] = (double)((i * 7 + 1) % n->attr.i[0]);
    if (n->op == OP_random_key) v[0] = random_key_value(7, 3);
    eval_set(e, n, v);
}

static void set_sources(Eval *e, const Graph *g) {
    uint64_t state = 42;
    for (int i = 0; i < g->nodes.n; i++)
        if (!op_table[g->nodes.at[i]->op].eval) set_random(e, g->nodes.at[i], &state);
}

static double dot(const Eval *e, const Node *a, const Node *b) {
    const double *x = eval_value(e, a), *y = eval_value(e, b);
    double sum = 0;
    for (int64_t i = 0; i < eval_count(e, a); i++) sum += x[i] * y[i];
    return sum;
}

/* ---- finite differences ---- */

/* d<y, dy>/dx[i] by central differences. */
static double difference(Eval *e, const BuiltCase *b, const Node *x, int64_t i) {
    const double h = 1e-5;
    double *v = arena_copy(arena, eval_value(e, x), sizeof(double) * (size_t)eval_count(e, x));
    double keep = v[i], side[2];
    for (int k = 0; k < 2; k++) {
        v[i] = keep + (k ? h : -h);
        eval_set(e, x, v);
        eval_run(e);
        side[k] = dot(e, b->y, b->dy);
    }
    v[i] = keep;
    eval_set(e, x, v);
    return (side[1] - side[0]) / (2 * h);
}

static void check_gradient(Eval *e, const OpCase *c, const BuiltCase *b, int k) {
    const char *name = op_table[c->op].name;
    ck_assert_msg(b->grad[k] != NULL, "%s: no gradient of argument %d", name, k + 1);
    int64_t n = eval_count(e, b->x[k]);
    const double *got = arena_copy(arena, eval_value(e, b->grad[k]), sizeof(double) * (size_t)n);
    double size = 0;
    for (int64_t i = 0; i < n; i++) {
        double want = difference(e, b, b->x[k], i);
        ck_assert_msg(fabs(got[i] - want) <= 1e-7 * (1 + fabs(want)), "%s case %d: gradient %d[%lld] is %.12g, differences give %.12g", name,
                      (int)(c - op_cases), k + 1, (long long)i, got[i], want);
        size += fabs(got[i]);
    }
    ck_assert_msg(size > 1e-3, "%s: gradient of argument %d is all zero", name, k + 1);
    eval_run(e);
}

static void check_case(const OpCase *c, bool *covered) {
    Graph *g = empty_graph();
    BuiltCase b = op_case_build(g, c);
    Eval *e = eval_new(arena, g, BATCH);
    set_sources(e, g);
    eval_run(e);
    for (int k = 0; k < b.n; k++) {
        check_gradient(e, c, &b, k);
        double by_y = dot(e, b.y, b.dy), by_x = dot(e, b.x[k], b.grad[k]);
        if (c->linear) ck_assert_msg(fabs(by_y - by_x) <= 1e-12 * (1 + fabs(by_y)), "%s is not adjoint: %.17g, %.17g", op_table[c->op].name, by_y, by_x);
    }
    for (int i = 0; i < g->nodes.n; i++) covered[g->nodes.at[i]->op] = true;
}

START_TEST(gradients_are_differences) {
    bool covered[OP_COUNT] = {false};
    check_case(&op_cases[_i], covered);
    ck_assert(covered[op_cases[_i].op]);
}
END_TEST

/* ---- training steps ---- */

/* Two params into one logit twice over, so that gradients are summed: z = linear(relu(linear(x, w)), v) + linear(x, u). */
static Graph *two_layers(const nrt_train *train) {
    Graph *g = empty_graph();
    g->model->input = type_batched(1, 4, 0, 0);
    g->model->output = type_batched(1, 3, 0, 0);
    g->model->train = *train;
    Node *x = graph_node(g, OP_input, (Attr){.i = {1, 4}}, 0, NULL);
    Node *w = graph_param(g, "a.weight", type_param(2, 4, 4, 0, 0), NRT_WEIGHT, 4, 4);
    Node *v = graph_param(g, "b.weight", type_param(2, 3, 4, 0, 0), NRT_WEIGHT, 4, 3);
    Node *mean = graph_param(g, "c.running_mean", type_param(1, 4, 0, 0, 0), NRT_RUNNING_MEAN, 0, 0);
    Node *h = graph_unary(g, OP_tanh, graph_binary(g, OP_linear, graph_binary(g, OP_bias, x, mean), w));
    h = graph_binary(g, OP_linear, graph_binary(g, OP_add, h, graph_binary(g, OP_linear, h, w)), v);
    graph_root(g, ROOT_OUTPUT, h, NULL);
    Node *labels = graph_node(g, OP_labels, (Attr){.i = {3}}, 0, NULL);
    graph_root(g, ROOT_LOSS, graph_node(g, OP_nll, (Attr){0}, 3, (Node *[]){h, graph_unary(g, OP_logsumexp, h), labels}), NULL);
    ck_assert_ptr_null(grad_build(g));
    ck_assert_ptr_null(graph_verify(g));
    return g;
}

static Node *find_op(const Graph *g, OpKind op) {
    for (int i = 0; i < g->nodes.n; i++)
        if (g->nodes.at[i]->op == op) return g->nodes.at[i];
    return NULL;
}

static Node *update_of(const Graph *g, const char *param) {
    for (int i = 0; i < g->roots.n; i++)
        if (g->roots.at[i].target == graph_find_param(g, param) && g->roots.at[i].target) return g->roots.at[i].node;
    return NULL;
}

/* The update of a param, element by element, against differences of the batch's loss and PyTorch's formulas in plain C. */
static void check_update(const nrt_train *train, const char *name) {
    Graph *g = two_layers(train);
    Eval *e = eval_new(arena, g, BATCH);
    set_sources(e, g);
    eval_fill(e, find_op(g, OP_learning_rate), 0.05);
    eval_run(e);
    Node *w = graph_find_param(g, name), *new_w = update_of(g, name);
    const char *state = arena_printf(arena, "optim/%s", name);
    Node *old_v = graph_find_param(g, state), *new_v = update_of(g, state);
    ck_assert_ptr_nonnull(new_w);
    ck_assert_int_eq(old_v != NULL, train->momentum != 0);
    int64_t n = eval_count(e, w);
    const double *got = arena_copy(arena, eval_value(e, new_w), sizeof(double) * (size_t)n);
    const double *got_v = new_v ? arena_copy(arena, eval_value(e, new_v), sizeof(double) * (size_t)n) : NULL;
    BuiltCase b = {.y = graph_find_root(g, ROOT_LOSS), .dy = find_op(g, OP_image_weight)};
    for (int64_t i = 0; i < n; i++) {
        double before = eval_value(e, w)[i];
        double step = difference(e, &b, w, i) + train->weight_decay * before;
        if (train->momentum != 0) {
            double v = train->momentum * eval_value(e, old_v)[i] + step;
            ck_assert_double_eq_tol(got_v[i], v, 1e-8);
            step = train->nesterov ? step + train->momentum * v : v;
        }
        ck_assert(fabs(step) > 1e-6);
        ck_assert_double_eq_tol(got[i], before - 0.05 * step, 1e-8);
    }
}

START_TEST(updates_are_pytorchs) {
    nrt_train train = train_defaults();
    train.weight_decay = _i & 1 ? 0.125 : 0;
    train.momentum = _i & 2 ? 0.75 : 0;
    train.nesterov = _i & 4 ? 1 : 0;
    check_update(&train, "a.weight");
    check_update(&train, "b.weight");
}
END_TEST

START_TEST(statistics_are_not_trained) {
    nrt_train train = train_defaults();
    ck_assert_ptr_null(update_of(two_layers(&train), "c.running_mean"));
}
END_TEST

/* ---- batch norm ---- */

/* Running statistics by PyTorch's formulas, spelled out: biased for the batch, unbiased into running_var. */
static void check_running(Type type) {
    Graph *g = empty_graph();
    BuiltCase b = op_case_build(g, &(OpCase){.op = OP_batch_norm, .arg = {type}});
    Eval *e = eval_new(arena, g, BATCH);
    set_sources(e, g);
    eval_run(e);
    int64_t points = type_count(type) / type.dim[0], n = BATCH * points;
    for (int64_t c = 0; c < type.dim[0]; c++) {
        double sum = 0, squares = 0;
        for (int64_t i = 0; i < n; i++) sum += eval_value(e, b.x[0])[i / points * type_count(type) + c * points + i % points];
        for (int64_t i = 0; i < n; i++) {
            double d = eval_value(e, b.x[0])[i / points * type_count(type) + c * points + i % points] - sum / (double)n;
            squares += d * d;
        }
        double mean = eval_value(e, graph_find_param(g, "mean"))[c], var = eval_value(e, graph_find_param(g, "var"))[c];
        ck_assert_double_eq_tol(eval_value(e, update_of(g, "mean"))[c], 0.875 * mean + 0.125 * sum / (double)n, 1e-12);
        ck_assert_double_eq_tol(eval_value(e, update_of(g, "var"))[c], 0.875 * var + 0.125 * squares / (double)(n - 1), 1e-12);
    }
}

START_TEST(running_statistics_are_pytorchs) {
    check_running(type_batched(3, 3, 4, 5));
    check_running(type_batched(1, 4, 0, 0));
}
END_TEST

/* Inference puts the running statistics in place of the batch's, and nothing else changes. */
START_TEST(inference_uses_running_statistics) {
    Graph *g = empty_graph();
    g->model->input = g->model->output = type_batched(3, 2, 3, 3);
    BuiltCase b = op_case_build(g, &(OpCase){.op = OP_batch_norm, .arg = {g->model->input, type_param(1, 2, 0, 0, 0), type_param(1, 2, 0, 0, 0)}});
    graph_root(g, ROOT_OUTPUT, graph_unary(g, OP_relu, b.y), NULL);
    infer_build(g);
    infer_build(g); /* the second time there is nothing to do */
    graph_sweep(g);
    ck_assert_ptr_null(graph_verify(g));
    ck_assert_ptr_null(graph_find_root(g, ROOT_INFER_LOSS));
    const Node *y = graph_find_root(g, ROOT_INFER_OUTPUT);
    ck_assert_ptr_nonnull(y);
    Eval *e = eval_new(arena, g, BATCH);
    set_sources(e, g);
    eval_set(e, graph_find_param(g, "var"), (double[]){0.5, 2});
    eval_run(e);
    for (int64_t i = 0; i < eval_count(e, y); i++) {
        int64_t c = i / 9 % 2;
        double xhat = (eval_value(e, b.x[0])[i] - eval_value(e, graph_find_param(g, "mean"))[c]) / sqrt((c ? 2 : 0.5) + 0.25);
        ck_assert_double_eq_tol(eval_value(e, y)[i], fmax(xhat * eval_value(e, b.x[1])[c] + eval_value(e, b.x[2])[c], 0), 1e-12);
    }
}
END_TEST

static double *ones(int64_t n) {
    double *v = ARENA_ARRAY(arena, double, n);
    for (int64_t i = 0; i < n; i++) v[i] = 1;
    return v;
}

/* Ones through a dropout layer: [BATCH][n]. */
static const double *draw_mask(int64_t n, double p, int64_t id, uint64_t seed, uint64_t step) {
    Graph *g = empty_graph();
    Node *x = graph_node(g, OP_input, (Attr){.i = {1, n}}, 0, NULL), *key = graph_node(g, OP_random_key, (Attr){.i = {0}}, 0, NULL);
    Node *y = graph_node(g, OP_dropout, (Attr){.f = {p}, .i = {id}}, 2, (Node *[]){x, key});
    Eval *e = eval_new(arena, g, BATCH);
    eval_set(e, x, ones(BATCH * n));
    eval_fill(e, key, random_key_value(seed, step));
    eval_run(e);
    return eval_value(e, y);
}

static double share_of_zeros(const double *v, int64_t n) {
    double zeros = 0;
    for (int64_t i = 0; i < n; i++) zeros += v[i] == 0;
    return zeros / (double)n;
}

/* How often two masks agree. */
static double agreement(const double *a, const double *b, int64_t n) {
    double same = 0;
    for (int64_t i = 0; i < n; i++) same += a[i] == b[i];
    return same / (double)n;
}

START_TEST(dropout_drops_its_share) {
    enum { N = 20000 };
    const double shares[] = {0, 0.1, 0.5, 0.75, 0.999};
    for (int k = 0; k < 5; k++) {
        const double *y = draw_mask(N, shares[k], 3, 1, 2);
        double deviation = sqrt(shares[k] * (1 - shares[k]) / (BATCH * N));
        ck_assert_double_eq_tol(share_of_zeros(y, BATCH * N), shares[k], 4 * deviation + 1e-12);
        for (int64_t i = 0; i < BATCH * N; i++) ck_assert(y[i] == 0 || y[i] == 1 / (1 - shares[k]));
    }
}
END_TEST

/* Masks of other layers, steps, seeds and images agree as often as two coins do. */
START_TEST(dropout_masks_are_independent) {
    enum { N = 20000 };
    const double tolerance = 4 * 0.5 / sqrt(N), *y = draw_mask(N, 0.5, 3, 1, 2);
    const double *others[] = {draw_mask(N, 0.5, 4, 1, 2), draw_mask(N, 0.5, 3, 2, 2), draw_mask(N, 0.5, 3, 1, 3), draw_mask(N, 0.5, 2, 1, 3), y + N, y + 1};
    for (int k = 0; k < 6; k++) ck_assert_double_eq_tol(agreement(y, others[k], N), 0.5, tolerance);
    ck_assert_double_eq(agreement(y, draw_mask(N, 0.5, 3, 1, 2), N), 1);
}
END_TEST

/* Both modes in one: inference passes dropout over. */
START_TEST(inference_does_not_drop) {
    Graph *g = empty_graph();
    g->model->input = g->model->output = type_batched(1, 31, 0, 0);
    BuiltCase b = op_case_build(g, &(OpCase){.op = OP_dropout, .attr = {.f = {0.5}, .i = {1}}, .arg = {g->model->input}});
    graph_root(g, ROOT_OUTPUT, graph_unary(g, OP_relu, b.y), NULL);
    infer_build(g);
    ck_assert_ptr_eq(graph_find_root(g, ROOT_INFER_OUTPUT), graph_unary(g, OP_relu, b.x[0]));
    graph_sweep(g);
    ck_assert_ptr_null(graph_verify(g));
}
END_TEST

START_TEST(without_modes_nothing_is_added) {
    nrt_train train = train_defaults();
    Graph *g = two_layers(&train);
    int nodes = g->nodes.n, roots = g->roots.n;
    infer_build(g);
    ck_assert(g->nodes.n == nodes && g->roots.n == roots);
}
END_TEST

/* ---- odd values ---- */

static const double *eval_unary(OpKind op, Attr attr, Node *x, Graph *g, const double *values, int64_t batch) {
    Node *y = graph_node(g, op, attr, 1, &x);
    Eval *e = eval_new(arena, g, batch);
    eval_set(e, x, values);
    eval_run(e);
    return eval_value(e, y);
}

START_TEST(max_pool_first_maximum_and_nan) {
    const Attr pool = {.i = {2, 2, 2, 2}};
    const double x[] = {5, 5, 1, NAN, /**/ 5, 5, 9, 2, /**/ -INFINITY, -INFINITY, NAN, 3, /**/ -INFINITY, -INFINITY, 4, NAN};
    Graph *g = empty_graph();
    Node *in = graph_node(g, OP_input, (Attr){.i = {3, 1, 4, 4}}, 0, NULL);
    const double *index = eval_unary(OP_max_pool_index, pool, in, g, x, 1), *y = eval_unary(OP_max_pool, pool, in, g, x, 1);
    const double want[] = {0, 1, 0, 3};
    for (int i = 0; i < 4; i++) ck_assert_double_eq(index[i], want[i]);
    ck_assert_double_eq(y[0], 5);
    ck_assert(isnan(y[1]) && isinf(y[2]) && isnan(y[3]));
}
END_TEST

START_TEST(logsumexp_does_not_overflow) {
    const double x[] = {1000, 1000, -5000, -1000, -1000, -5000};
    Graph *g = empty_graph();
    Node *in = graph_node(g, OP_input, (Attr){.i = {1, 3}}, 0, NULL);
    const double *y = eval_unary(OP_logsumexp, (Attr){0}, in, g, x, 2);
    ck_assert_double_eq_tol(y[0], 1000 + log(2), 1e-12);
    ck_assert_double_eq_tol(y[1], -1000 + log(2), 1e-12);
}
END_TEST

START_TEST(relu_keeps_nan) {
    const double x[] = {NAN, -1, 0, 2};
    Graph *g = empty_graph();
    Node *in = graph_node(g, OP_input, (Attr){.i = {1, 4}}, 0, NULL);
    const double *y = eval_unary(OP_relu, (Attr){0}, in, g, x, 1);
    ck_assert(isnan(y[0]) && y[1] == 0 && y[2] == 0 && y[3] == 2);
}
END_TEST

/* ---- coverage ---- */

START_TEST(every_operator_is_covered) {
    bool covered[OP_COUNT] = {false}, has_case[OP_COUNT] = {false};
    for (int i = 0; i < op_case_count; i++) {
        Graph *g = empty_graph();
        op_case_build(g, &op_cases[i]);
        algorithm_choose(g, &(PlanOptions){.machine = {.lanes = 8, .registers = 16, .fmas = 2}, .tile = true, .by_input = true, .winograd = true, .winograd_tile = 2}); /* see test_winograd.c */
        has_case[op_cases[i].op] = true;
        for (int k = 0; k < g->nodes.n; k++) covered[g->nodes.at[k]->op] = true;
    }
    nrt_train train = train_defaults();
    Graph *g = two_layers(&train);
    for (int k = 0; k < g->nodes.n; k++) covered[g->nodes.at[k]->op] = true;
    for (int op = 0; op < OP_COUNT; op++) {
        const OpInfo *info = &op_table[op];
        ck_assert_msg(covered[op], "operator %s is in no case of op_cases.c", info->name);
        ck_assert_msg(!info->grad || has_case[op], "operator %s has a gradient rule and no case in op_cases.c", info->name);
        ck_assert_msg(info->name && *info->doc && info->shape, "operator %d lacks its name, doc or shape rule", op);
        ck_assert_msg(info->eval || info->nargs == 0, "operator %s has arguments and no evaluation", info->name);
    }
}
END_TEST

int main(void) {
    Suite *s = suite_create("ops");
    TCase *t = tcase_create("ops");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, gradients_are_differences, 0, op_case_count);
    tcase_add_loop_test(t, updates_are_pytorchs, 0, 8);
    tcase_add_test(t, statistics_are_not_trained);
    tcase_add_test(t, running_statistics_are_pytorchs);
    tcase_add_test(t, inference_uses_running_statistics);
    tcase_add_test(t, dropout_drops_its_share);
    tcase_add_test(t, dropout_masks_are_independent);
    tcase_add_test(t, inference_does_not_drop);
    tcase_add_test(t, without_modes_nothing_is_added);
    tcase_add_test(t, max_pool_first_maximum_and_nan);
    tcase_add_test(t, logsumexp_does_not_overflow);
    tcase_add_test(t, relu_keeps_nan);
    tcase_add_test(t, every_operator_is_covered);
    tcase_add_test(t, phases_are_the_windows_taps);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
