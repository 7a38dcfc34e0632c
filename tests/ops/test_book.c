/* test_book.c: the evaluator against values known from elsewhere: small cases worked out by hand in the book "Dive into Deep
 * Learning", and values that PyTorch gave (tests/data/ops_torch.txt, written by record_torch.py).
 */
#include "../../compiler/eval.h"
#include "../../compiler/ops.h"
#include "op_cases.h"

#include <check.h>
#include <math.h>
#include <string.h>

static Arena *arena;

static void setup(void) { arena = arena_new(); }
static void teardown(void) { arena_free(arena); }

static Graph *empty_graph(void) {
    Model *m = ARENA_NEW(arena, Model);
    *m = (Model){.name = "book", .source = "", .train = train_defaults()};
    return graph_new(arena, m);
}

static Node *image(Graph *g, int64_t c, int64_t h, int64_t w) { return graph_node(g, OP_input, (Attr){.i = {3, c, h, w}}, 0, NULL); }

/* first, first + 1, ... */
static const double *count_from(double first, int64_t n) {
    double *v = ARENA_ARRAY(arena, double, n);
    for (int64_t i = 0; i < n; i++) v[i] = first + (double)i;
    return v;
}

static void expect(const Eval *e, const Node *n, const char *shape, const double *want) {
    ck_assert_str_eq(type_text(arena, n->type), shape);
    for (int64_t i = 0; i < eval_count(e, n); i++) ck_assert_double_eq(eval_value(e, n)[i], want[i]);
}
#define EXPECT(e, n, shape, ...) expect(e, n, shape, (const double[]){__VA_ARGS__})

/* ---- convolution ---- */

static Node *conv_of(Graph *g, Node *x, Type w, Attr attr, const double *xs, const double *ws, Eval **e) {
    Node *weight = graph_param(g, "weight", w, NRT_WEIGHT, 1, 1);
    Node *y = graph_node(g, OP_conv, attr, 2, (Node *[]){x, weight});
    *e = eval_new(arena, g, 1);
    eval_set(*e, x, xs);
    eval_set(*e, weight, ws);
    eval_run(*e);
    return y;
}

static const Attr plain = {.i = {1, 1, 0, 0, 1, 1, 1}};

START_TEST(conv_one_channel) {
    Graph *g = empty_graph();
    Eval *e;
    Node *y = conv_of(g, image(g, 1, 3, 3), type_param(4, 1, 1, 2, 2), plain, count_from(0, 9), count_from(0, 4), &e);
    EXPECT(e, y, "1x2x2", 19, 25, 37, 43);
}
END_TEST

static const double two_channels[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8, 9};

START_TEST(conv_two_channels) {
    Graph *g = empty_graph();
    Eval *e;
    Node *y = conv_of(g, image(g, 2, 3, 3), type_param(4, 1, 2, 2, 2), plain, two_channels, (const double[]){0, 1, 2, 3, 1, 2, 3, 4}, &e);
    EXPECT(e, y, "1x2x2", 56, 72, 104, 120);
}
END_TEST

START_TEST(conv_three_outputs) {
    static const double kernels[] = {0, 1, 2, 3, 1, 2, 3, 4, 1, 2, 3, 4, 2, 3, 4, 5, 2, 3, 4, 5, 3, 4, 5, 6};
    Graph *g = empty_graph();
    Eval *e;
    Node *y = conv_of(g, image(g, 2, 3, 3), type_param(4, 3, 2, 2, 2), plain, two_channels, kernels, &e);
    EXPECT(e, y, "3x2x2", 56, 72, 104, 120, 76, 100, 148, 172, 96, 128, 192, 224);
}
END_TEST

START_TEST(conv_finds_vertical_edges) {
    double x[48], want[42];
    for (int i = 0; i < 48; i++) x[i] = i % 8 < 2 || i % 8 >= 6;
    for (int i = 0; i < 42; i++) want[i] = i % 7 == 1 ? 1 : i % 7 == 5 ? -1 : 0;
    Graph *g = empty_graph();
    Eval *e;
    Node *y = conv_of(g, image(g, 1, 6, 8), type_param(4, 1, 1, 1, 2), plain, x, (const double[]){1, -1}, &e);
    expect(e, y, "1x6x7", want);
}
END_TEST

START_TEST(conv_1x1_is_a_matrix_product) {
    Graph *g = empty_graph();
    Eval *e;
    const double *x = count_from(-3, 27), *w = count_from(1, 6);
    double want[18] = {0};
    for (int o = 0; o < 2; o++)
        for (int p = 0; p < 9; p++)
            for (int c = 0; c < 3; c++) want[o * 9 + p] += w[o * 3 + c] * x[c * 9 + p];
    expect(e, conv_of(g, image(g, 3, 3, 3), type_param(4, 2, 3, 1, 1), plain, x, w, &e), "2x3x3", want);
}
END_TEST

START_TEST(conv_shapes) {
    static const struct { Type w; Attr attr; const char *shape; } cases[] = {
        {{.rank = 4, .dim = {1, 1, 3, 3}}, {.i = {1, 1, 1, 1, 1, 1, 1}}, "1x8x8"},
        {{.rank = 4, .dim = {1, 1, 3, 3}}, {.i = {2, 2, 1, 1, 1, 1, 1}}, "1x4x4"},
        {{.rank = 4, .dim = {1, 1, 3, 5}}, {.i = {3, 4, 0, 1, 1, 1, 1}}, "1x2x2"},
    };
    for (int i = 0; i < 3; i++) {
        Type y, args[] = {type_batched(3, 1, 8, 8), cases[i].w};
        ck_assert_ptr_null(graph_infer(arena, OP_conv, &cases[i].attr, 2, args, &y));
        ck_assert_str_eq(type_text(arena, y), cases[i].shape);
    }
}
END_TEST

/* ---- pooling ---- */

static Node *pool_of(Graph *g, OpKind op, int64_t side, Attr attr, Eval **e) {
    Node *x = image(g, 1, side, side), *y = graph_node(g, op, attr, 1, &x);
    *e = eval_new(arena, g, 1);
    eval_set(*e, x, count_from(0, side * side));
    eval_run(*e);
    return y;
}

START_TEST(pools) {
    Graph *g = empty_graph();
    Eval *e;
    EXPECT(e, pool_of(g, OP_max_pool, 3, (Attr){.i = {2, 2, 1, 1}}, &e), "1x2x2", 4, 5, 7, 8);
    EXPECT(e, pool_of(g, OP_avg_pool, 3, (Attr){.i = {2, 2, 1, 1}}, &e), "1x2x2", 2, 3, 5, 6);
    g = empty_graph();
    EXPECT(e, pool_of(g, OP_max_pool, 4, (Attr){.i = {3, 3, 3, 3}}, &e), "1x1x1", 10);
    EXPECT(e, pool_of(g, OP_max_pool, 4, (Attr){.i = {3, 3, 2, 2, 1, 1}}, &e), "1x2x2", 5, 7, 13, 15);
    EXPECT(e, pool_of(g, OP_max_pool, 4, (Attr){.i = {2, 3, 2, 3, 0, 1}}, &e), "1x2x2", 5, 7, 13, 15);
}
END_TEST

/* ---- PyTorch ---- */

static OpKind op_named(const char *name) {
    for (int op = 0; op < OP_COUNT; op++)
        if (strcmp(op_table[op].name, name) == 0) return (OpKind)op;
    ck_abort_msg("no operator %s", name);
    return OP_COUNT;
}

/* Reads integers up to `end`. */
static int read_ints(FILE *f, char end, int64_t *at) {
    int n = 0;
    long long v;
    while (fscanf(f, "%lld", &v) == 1) at[n++] = v;
    char c = 0;
    if (end != '\n') ck_assert(fscanf(f, " %c", &c) == 1 && c == end);
    return n;
}

/* Reads a case but for its values; false at the end of the file. */
static bool read_case(FILE *f, OpCase *c, int64_t *batch) {
    char op[32], line[256];
    if (fscanf(f, " case %31s", op) != 1) return false;
    *c = (OpCase){.op = op_named(op)};
    read_ints(f, ':', c->attr.i);
    read_ints(f, '|', batch);
    c->arg[0] = (Type){.batched = true};
    c->arg[0].rank = read_ints(f, '|', c->arg[0].dim);
    ck_assert_ptr_nonnull(fgets(line, sizeof line, f));
    c->arg[1] = (Type){.batched = c->op != OP_conv && c->op != OP_linear};
    char *p = line;
    for (int used; sscanf(p, "%ld%n", &c->arg[1].dim[c->arg[1].rank], &used) == 1; p += used) c->arg[1].rank++;
    return true;
}

static void set_wave(Eval *e, const Node *n, int k) {
    int64_t count = eval_count(e, n);
    double *v = ARENA_ARRAY(arena, double, count);
    for (int64_t i = 0; i < count; i++) v[i] = n->op == OP_labels ? (double)((7 * i + 1) % n->attr.i[0]) : sin(1.3 * (double)i + 0.7 * k + 0.2);
    eval_set(e, n, v);
}

static void compare(FILE *f, const Eval *e, const Node *n, const char *what) {
    double size = 0;
    for (int64_t i = 0; i < eval_count(e, n); i++) {
        double want = 0, got = eval_value(e, n)[i];
        ck_assert_int_eq(fscanf(f, "%lf", &want), 1);
        ck_assert_msg(fabs(got - want) <= 1e-12 * (1 + fabs(want)), "%s[%lld] is %.17g, PyTorch gives %.17g", what, (long long)i, got, want);
        size += fabs(want);
    }
    ck_assert(size > 1e-3);
}

START_TEST(pytorch_agrees) {
    FILE *f = fopen(TEST_DATA "/ops_torch.txt", "r");
    ck_assert_ptr_nonnull(f);
    OpCase c;
    int64_t batch;
    int cases = 0;
    for (; read_case(f, &c, &batch); cases++) {
        Graph *g = empty_graph();
        BuiltCase b = op_case_build(g, &c);
        Eval *e = eval_new(arena, g, batch);
        Node *dy = b.dy->op == OP_reshape ? b.dy->arg[0] : b.dy;
        for (int i = 0; i < g->nodes.n; i++)
            if (g->nodes.at[i]->op == OP_labels) set_wave(e, g->nodes.at[i], 0);
        for (int k = 0; k < b.n; k++) set_wave(e, b.x[k], k);
        set_wave(e, dy, 2);
        eval_run(e);
        compare(f, e, b.y, op_table[c.op].name);
        for (int k = 0; k < b.n; k++) compare(f, e, b.grad[k], arena_printf(arena, "gradient %d of %s", k, op_table[c.op].name));
    }
    ck_assert_int_eq(cases, 24);
    ck_assert(feof(f));
    fclose(f);
}
END_TEST

int main(void) {
    Suite *s = suite_create("book");
    TCase *t = tcase_create("book");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, conv_one_channel);
    tcase_add_test(t, conv_two_channels);
    tcase_add_test(t, conv_three_outputs);
    tcase_add_test(t, conv_finds_vertical_edges);
    tcase_add_test(t, conv_1x1_is_a_matrix_product);
    tcase_add_test(t, conv_shapes);
    tcase_add_test(t, pools);
    tcase_add_test(t, pytorch_agrees);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
