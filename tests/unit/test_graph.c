/* test_graph.c: the graph is built once a node, swept, verified, printed and read back. */
#include "../../compiler/grad.h"
#include "../../compiler/graph_text.h"
#include "../../compiler/ops.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static Arena *arena;

static void setup(void) { arena = arena_new(); }
static void teardown(void) { arena_free(arena); }

/* ---- a network: 2x9x8 -> conv(3 channels, 3x2 kernel, stride 2x1, pad 1x0) -> max_pool(2, pad=(0, 1)) -> relu -> flatten -> linear(4) ---- */

static const char small_source[] = "# net\n \xC3\xA9 conv(3,\n3)\n";
static const Span conv_span = {.file = 1, .start = 10, .end = 20}; /* from line 2, column 4 up to line 3, column 3 */

static Model *small_model(void) {
    Model *m = ARENA_NEW(arena, Model);
    Diag *d = diag_new(arena);
    *m = (Model){.name = "small", .source = "dir/small one.net", .input = type_batched(3, 2, 9, 8), .output = type_batched(1, 4, 0, 0)};
    m->train = train_defaults();
    m->train.lr = 0.25;
    m->train.path_a = "a\"b\\c\n\x01";
    Source source = {.path = "dir/small one.net", .file = diag_add_file(d, "dir/small one.net", small_source, sizeof small_source - 1)};
    m->diag = d;
    VEC_PUSH(arena, &m->sources, source);
    Layer layer = {.name = "conv1", .kind = "conv", .span = conv_span, .out = type_batched(3, 3, 5, 7), .params = 39, .macs = 1260};
    VEC_PUSH(arena, &m->layers, layer);
    return m;
}

static Node *small_input(Graph *g) { return graph_node(g, OP_input, (Attr){.i = {3, 2, 9, 8}}, 0, NULL); }
static Node *small_weight(Graph *g) { return graph_param(g, "conv1.weight", type_param(4, 3, 2, 3, 2), NRT_WEIGHT, 12, 18); }
static Attr small_conv(void) { return (Attr){.i = {2, 1, 1, 0, 1, 1, 1}}; }

static Node *small_logits(Graph *g) {
    g->span = conv_span;
    g->layer = "conv1";
    Node *x = graph_node(g, OP_conv, small_conv(), 2, (Node *[]){small_input(g), small_weight(g)});
    x = graph_binary(g, OP_bias, x, graph_param(g, "conv1.bias", type_param(1, 3, 0, 0, 0), NRT_BIAS, 12, 0));
    x = graph_node(g, OP_max_pool, (Attr){.i = {2, 2, 2, 2, 0, 1}}, 1, &x);
    g->layer = "relu1";
    g->span = (Span){0};
    x = graph_unary(g, OP_relu, x);
    x = graph_node(g, OP_reshape, (Attr){.i = {1, 24}}, 1, &x);
    g->layer = "odd name";
    return graph_binary(g, OP_linear, x, graph_param(g, "linear1.weight", type_param(2, 4, 24, 0, 0), NRT_WEIGHT, 24, 4));
}

static Graph *small_graph(void) {
    Graph *g = graph_new(arena, small_model());
    Node *z = small_logits(g);
    graph_root(g, ROOT_OUTPUT, z, NULL);
    Node *labels = graph_node(g, OP_labels, (Attr){.i = {4}}, 0, NULL);
    Node *lse = graph_unary(g, OP_logsumexp, z);
    graph_root(g, ROOT_LOSS, graph_node(g, OP_nll, (Attr){0}, 3, (Node *[]){z, lse, labels}), NULL);
    return g;
}

static Graph *training_graph(void) {
    Graph *g = small_graph();
    ck_assert_ptr_null(grad_build(g));
    graph_sweep(g);
    ck_assert_ptr_null(graph_verify(g));
    return g;
}

static int count_op(const Graph *g, OpKind op) {
    int n = 0;
    for (int i = 0; i < g->nodes.n; i++) n += g->nodes.at[i]->op == op;
    return n;
}

static Node *find_op(const Graph *g, OpKind op) {
    for (int i = 0; i < g->nodes.n; i++)
        if (g->nodes.at[i]->op == op) return g->nodes.at[i];
    ck_abort_msg("no %s in the graph", op_table[op].name);
    return NULL;
}

/* ---- building ---- */

START_TEST(equal_nodes_are_one) {
    Graph *g = graph_new(arena, small_model());
    Node *a = small_logits(g);
    int n = g->nodes.n;
    ck_assert_ptr_eq(small_logits(g), a);
    ck_assert_int_eq(g->nodes.n, n);
    Attr other = small_conv();
    other.i[CONV_PAD] = 0;
    Node *args[] = {small_input(g), small_weight(g)};
    ck_assert_ptr_ne(graph_node(g, OP_conv, other, 2, args), graph_node(g, OP_conv, small_conv(), 2, args));
    ck_assert_ptr_eq(graph_find_param(g, "conv1.weight"), args[1]);
    ck_assert_ptr_null(graph_find_param(g, "conv2.weight"));
}
END_TEST

START_TEST(many_nodes_stay_apart) {
    enum { N = 3000 };
    Graph *g = graph_new(arena, small_model());
    Node *x = small_input(g), *y[N];
    for (int i = 0; i < N; i++) y[i] = graph_node(g, OP_scale, (Attr){.f = {i}}, 1, &x);
    for (int i = 0; i < N; i++) ck_assert_ptr_eq(graph_node(g, OP_scale, (Attr){.f = {i}}, 1, &x), y[i]);
    ck_assert_int_eq(g->nodes.n, N + 1);
}
END_TEST

START_TEST(sweep_drops_what_no_root_needs) {
    Graph *g = small_graph();
    int n = g->nodes.n;
    Node *x = small_input(g), *dead = graph_unary(g, OP_relu, x);
    graph_unary(g, OP_sigmoid, dead);
    Node *live = graph_node(g, OP_scale, (Attr){.f = {2}}, 1, &x);
    graph_root(g, ROOT_UPDATE, graph_node(g, OP_scale, (Attr){.f = {3}}, 1, &(Node *){small_weight(g)}), small_weight(g));
    graph_sweep(g);
    ck_assert_int_eq(g->nodes.n, n + 1);
    ck_assert_ptr_null(graph_verify(g));
    Node *again = graph_unary(g, OP_relu, x);
    ck_assert_ptr_ne(again, dead);
    ck_assert_int_eq(again->id, g->nodes.n - 1);
    ck_assert_ptr_ne(graph_node(g, OP_scale, (Attr){.f = {2}}, 1, &x), live);
    ck_assert_ptr_null(graph_verify(g));
}
END_TEST

/* ---- gradients ---- */

START_TEST(training_graph_has_its_parts) {
    Graph *g = training_graph();
    ck_assert_int_eq(count_op(g, OP_conv_dw), 1);
    ck_assert_int_eq(count_op(g, OP_conv_dx), 0); /* nobody wants the input's gradient */
    ck_assert_int_eq(count_op(g, OP_linear_dx), 1);
    ck_assert_int_eq(count_op(g, OP_sgd), 3);
    ck_assert_int_eq(g->roots.n, 5);
    Node *dw = find_op(g, OP_conv_dw), *index = find_op(g, OP_max_pool_index), *sgd = find_op(g, OP_sgd);
    ck_assert_int_eq(dw->pass, NRT_BACKWARD_WEIGHTS);
    ck_assert_str_eq(dw->name, "conv1");
    ck_assert_int_eq(dw->span.end, 20);
    ck_assert_int_eq(index->pass, NRT_FORWARD);
    ck_assert_int_eq(find_op(g, OP_linear_dx)->pass, NRT_BACKWARD_DATA);
    ck_assert_int_eq(find_op(g, OP_nll_grad)->pass, NRT_BACKWARD_DATA);
    ck_assert_int_eq(sgd->pass, NRT_UPDATE);
    ck_assert_str_eq(sgd->name, "conv1");
    ck_assert_ptr_null(grad_build(g)); /* differentiated once only */
    ck_assert_int_eq(g->roots.n, 5);
}
END_TEST

START_TEST(momentum_is_state) {
    Graph *g = small_graph();
    g->model->train.momentum = 0.9;
    g->model->train.weight_decay = 0.01;
    g->model->train.nesterov = 1;
    ck_assert_ptr_null(grad_build(g));
    ck_assert_ptr_null(graph_verify(g));
    Node *v = graph_find_param(g, "optim/conv1.weight");
    ck_assert_ptr_nonnull(v);
    ck_assert_int_eq(v->attr.i[PARAM_ROLE], NRT_OPTIM);
    ck_assert_int_eq(g->roots.n, 8);
}
END_TEST

START_TEST(no_rule_is_said) {
    Graph *g = small_graph();
    Node *x = graph_find_root(g, ROOT_OUTPUT);
    Node *odd = graph_binary(g, OP_relu_grad, x, x);
    g->roots.n = 0;
    graph_root(g, ROOT_OUTPUT, x, NULL);
    graph_root(g, ROOT_LOSS, graph_binary(g, OP_sq_err, odd, graph_node(g, OP_target, (Attr){.i = {1, 4}}, 0, NULL)), NULL);
    const char *why = grad_build(g);
    ck_assert_ptr_nonnull(why);
    ck_assert_ptr_nonnull(strstr(why, "relu_grad, which has no gradient rule"));
}
END_TEST

/* ---- verifying: each fault is planted in a graph that was right ---- */

static void expect_wrong(const Graph *g, const char *what) {
    const char *why = graph_verify(g);
    ck_assert_msg(why && strstr(why, what), "verify said '%s', not '%s'", why ? why : "(nothing)", what);
}

START_TEST(verify_sees_faults) {
    Graph *g = training_graph();
    find_op(g, OP_conv)->type.dim[1]++;
    expect_wrong(g, "has type 3x6x7, its operator gives 3x5x7");
    g = training_graph();
    find_op(g, OP_conv)->id++;
    expect_wrong(g, "has id");
    g = training_graph();
    find_op(g, OP_conv)->pass = (nrt_pass)9;
    expect_wrong(g, "unknown pass 9");
    g = training_graph();
    Node *conv = find_op(g, OP_conv);
    conv->arg[0] = find_op(g, OP_sgd);
    expect_wrong(g, "argument 1 does not come before it");
    g = training_graph();
    find_op(g, OP_conv)->nargs = 1;
    expect_wrong(g, "conv needs 2 arguments, got 1");
    g = training_graph();
    find_op(g, OP_conv)->attr.i[CONV_PAD + 1] = 1;
    expect_wrong(g, "node 2 (conv): has type 3x5x7, its operator gives 3x5x9");
    g = training_graph();
    g->nodes.at[find_op(g, OP_conv)->id]->op = OP_COUNT;
    expect_wrong(g, "unknown operator");
}
END_TEST

START_TEST(verify_sees_wrong_meaning) {
    Graph *g = training_graph();
    g->model->input.dim[0] = 5;
    expect_wrong(g, "the network's input is 5x9x8");
    g = training_graph();
    g->model->output.dim[0] = 5;
    expect_wrong(g, "4 classes, the network's output is 5");
    g = training_graph();
    g->roots.at[0].node = find_op(g, OP_relu);
    expect_wrong(g, "is the output");
    g = training_graph();
    g->roots.at[1].node = find_op(g, OP_relu);
    expect_wrong(g, "is the loss");
    g = training_graph();
    g->roots.at[2].target = find_op(g, OP_relu);
    expect_wrong(g, "updates what is not a param");
    g = training_graph();
    g->roots.at[2].target = g->roots.at[3].target;
    expect_wrong(g, "updates a param of type");
    g = training_graph();
    g->roots.at[3] = g->roots.at[2];
    expect_wrong(g, "second root");
    g = training_graph();
    g->roots.n = 0;
    expect_wrong(g, "no output");
    g = training_graph();
    find_op(g, OP_logsumexp)->arg[0] = graph_unary(g, OP_sigmoid, graph_find_root(g, ROOT_OUTPUT));
    ck_assert_ptr_nonnull(graph_verify(g));
}
END_TEST

/* ---- shapes: the words for the user ---- */

typedef struct ShapeError { OpKind op; Attr attr; Type x, w; const char *why; } ShapeError;

#define CONV(sh, sw, ph, pw, dh, dw, groups) {.i = {sh, sw, ph, pw, dh, dw, groups}}
#define IMAGE(c, h, w) {.elem = ELEM_F32, .batched = true, .rank = 3, .dim = {c, h, w}}
#define FLAT(c) {.elem = ELEM_F32, .batched = true, .rank = 1, .dim = {c}}
#define WEIGHT4(o, c, h, w) {.elem = ELEM_F32, .rank = 4, .dim = {o, c, h, w}}

static const ShapeError shape_errors[] = {
    {OP_conv, CONV(1, 1, 0, 0, 1, 1, 1), IMAGE(1, 3, 9), WEIGHT4(1, 1, 5, 5), "window 5 is larger than the padded input 3"},
    {OP_conv, CONV(1, 1, 1, 1, 3, 1, 1), IMAGE(1, 3, 9), WEIGHT4(1, 1, 3, 3), "window 7 (3 dilated by 3) is larger than the padded input 5"},
    {OP_conv, CONV(1, 1, 0, 0, 1, 1, 5), IMAGE(64, 9, 9), WEIGHT4(10, 13, 3, 3), "groups=5 does not divide 64 input channels"},
    {OP_conv, CONV(1, 1, 0, 0, 1, 1, 4), IMAGE(64, 9, 9), WEIGHT4(10, 16, 3, 3), "groups=4 does not divide 10 output channels"},
    {OP_conv, CONV(0, 1, 0, 0, 1, 1, 1), IMAGE(64, 9, 9), WEIGHT4(10, 64, 3, 3), "stride must be from 1 to 2147483647, not 0"},
    {OP_conv, CONV(1, 1, 0, -1, 1, 1, 1), IMAGE(64, 9, 9), WEIGHT4(10, 64, 3, 3), "pad must be from 0 to 2147483647, not -1"},
    {OP_conv, CONV(1, 1, 0, 0, 1, 1, 1), FLAT(64), WEIGHT4(10, 64, 3, 3), "conv needs an image (C x H x W), got 64"},
    {OP_conv, CONV(1, 1, 0, 0, 1, 1, 1), IMAGE(64, 9, 9), WEIGHT4(10, 63, 3, 3), "weight 10x63x3x3 does not fit 64 input channels in 1 groups"},
    {OP_conv, CONV(1, 1, 2000000000, 2000000000, 1, 1, 1), IMAGE(1, 9, 9), WEIGHT4(1, 1, 3, 3),
     "dimension 4000000007 of 1x4000000007x4000000007 is out of range: 1 to 2147483647 are allowed"},
    {OP_conv, CONV(1, 1, 1000000, 1000000, 1, 1, 1), IMAGE(1, 9, 9), WEIGHT4(1, 1, 3, 3),
     "1x2000007x2000007 is too large: at most 1099511627776 elements are allowed"},
    {OP_linear, {.i = {0}}, IMAGE(16, 5, 5), {.elem = ELEM_F32, .rank = 2, .dim = {10, 400}}, "linear needs a flat input, got 16x5x5"},
    {OP_linear, {.i = {0}}, FLAT(399), {.elem = ELEM_F32, .rank = 2, .dim = {10, 400}}, "weight 10x400 does not fit 399 features"},
    {OP_add, {.i = {0}}, IMAGE(128, 24, 24), IMAGE(64, 48, 48), "cannot add 128x24x24 and 64x48x48"},
    {OP_sub, {.i = {0}}, IMAGE(128, 24, 24), IMAGE(64, 48, 48), "cannot subtract 128x24x24 and 64x48x48"},
    {OP_mul, {.i = {0}}, IMAGE(128, 24, 24), IMAGE(64, 48, 48), "cannot multiply 128x24x24 and 64x48x48"},
    {OP_bias, {.i = {0}}, IMAGE(3, 2, 2), {.elem = ELEM_F32, .rank = 1, .dim = {4}}, "bias 4 does not fit 3 channels"},
    {OP_max_pool, {.i = {3, 3, 1, 1, 2, 0}}, IMAGE(3, 9, 9), {0}, "pad 2 is larger than half of window 3"},
    {OP_avg_pool, {.i = {5, 5, 1, 1, 0, 0}}, IMAGE(3, 3, 9), {0}, "window 5 is larger than the padded input 3"},
    {OP_max_pool, {.i = {100000, 100000, 1, 1}}, IMAGE(1, 100000, 100000), {0}, "window of 10000000000 points is too large: at most 2147483647 are allowed"},
    {OP_reshape, {.i = {1, 100}}, IMAGE(6, 5, 5), {0}, "cannot reshape 6x5x5 into 100"},
    {OP_sq_err, {.i = {0}}, FLAT(3), FLAT(4), "cannot compare 3 with target 4"},
    {OP_logsumexp, {.i = {0}}, WEIGHT4(1, 1, 2, 3), {0}, "logsumexp needs a flat input or an image, got 1x1x2x3"},
    {OP_leaky_relu, {.f = {(double)INFINITY}}, FLAT(3), {0}, "leaky_relu needs a finite slope"},
    {OP_silu, {.i = {0}}, WEIGHT4(1, 1, 2, 3), {0}, "silu needs f32 of each image, got f32 1x1x2x3"},
    {OP_gelu_grad, {.i = {0}}, FLAT(3), FLAT(4), "gelu_grad needs a gradient like its argument 3, got 4"},
    {OP_softmax, {.i = {0}}, FLAT(3), FLAT(3), "softmax of 3 needs sums over its channels, got 3"},
    {OP_softmax, {.i = {0}}, IMAGE(4, 2, 3), IMAGE(4, 2, 3), "softmax of 4x2x3 needs sums over its channels, got 4x2x3"},
    {OP_softmax_dot, {.i = {0}}, IMAGE(4, 2, 3), FLAT(24), "softmax_dot needs a gradient like its argument 4x2x3, got 24"},
    {OP_channels, {.i = {2, 3}}, IMAGE(4, 2, 3), {0}, "channels up to 5 are not there: 4x2x3 has 4"},
    {OP_channels, {.i = {-1, 3}}, IMAGE(4, 2, 3), {0}, "first must be from 0 to 2147483647, not -1"},
    {OP_adaptive_avg_pool, {.i = {1, 0}}, IMAGE(1, 2, 3), {0}, "size must be from 1 to 2147483647, not 0"},
    {OP_adaptive_avg_pool, {.i = {3, 1}}, IMAGE(1, 2, 3), {0}, "adaptive_avg_pool pools axis 1 (rows) or 2 (columns), not 3"},
    {OP_adaptive_avg_pool, {.i = {2, 1}}, FLAT(9), {0}, "adaptive_avg_pool needs an image (C x H x W), got 9"},
    {OP_adaptive_avg_pool, {.i = {2, 1000}}, IMAGE(1, 2, 1001), {0},
     "adaptive_avg_pool from 1001 to 1000 columns has bins of 1000 kinds: at most 256 are allowed"},
    {OP_adaptive_avg_pool_grad, {.i = {0, 7}}, IMAGE(1, 2, 3), {0}, "adaptive_avg_pool_grad pools axis 1 (rows) or 2 (columns), not 0"},
};

START_TEST(shape_errors_are_worded) {
    const ShapeError *e = &shape_errors[_i];
    Type out, args[] = {e->x, e->w};
    const char *why = graph_infer(arena, e->op, &e->attr, op_table[e->op].nargs, args, &out);
    ck_assert_ptr_nonnull(why);
    ck_assert_str_eq(why, e->why);
}
END_TEST

START_TEST(concat_joins_what_fits) {
    static const Type args[] = {IMAGE(3, 4, 5), IMAGE(1, 4, 5), IMAGE(2, 4, 5), IMAGE(2, 5, 4), FLAT(40)};
    const Attr none = {0};
    Type out;
    ck_assert_ptr_null(graph_infer(arena, OP_concat, &none, 1, args, &out));
    ck_assert(type_equal(out, args[0]));
    ck_assert_ptr_null(graph_infer(arena, OP_concat, &none, 3, args, &out));
    ck_assert_str_eq(type_text(arena, out), "6x4x5");
    ck_assert_str_eq(graph_infer(arena, OP_concat, &none, 4, args, &out), "cannot concatenate 6x4x5 and 2x5x4");
    ck_assert_str_eq(graph_infer(arena, OP_concat, &none, 2, &args[3], &out), "cannot concatenate 2x5x4 and 40");
    ck_assert_str_eq(graph_infer(arena, OP_concat, &none, 0, args, &out), "concat needs at least 1 argument, got 0");
}
END_TEST

START_TEST(pool_index_fits_its_type) {
    Type out, x = IMAGE(1, 40, 40);
    const Attr byte = {.i = {15, 17, 1, 1}}, word = {.i = {16, 16, 1, 1}};
    ck_assert_ptr_null(graph_infer(arena, OP_max_pool_index, &byte, 1, &x, &out));
    ck_assert_int_eq(out.elem, ELEM_U8);
    ck_assert_ptr_null(graph_infer(arena, OP_max_pool_index, &word, 1, &x, &out));
    ck_assert_int_eq(out.elem, ELEM_I32);
}
END_TEST

/* ---- text ---- */

/* What a Diag has to say. */
static const char *flushed(Diag *d, bool json) {
    char *said = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&said, &n);
    diag_flush(d, out, COLOR_NEVER, json);
    fclose(out);
    const char *text = arena_str(arena, said, n);
    free(said);
    return text;
}

static Graph *parse(const char *text, const char **message) {
    Diag *d = diag_new(arena);
    Graph *g = graph_parse(arena, d, diag_add_file(d, "x.graph", text, strlen(text)));
    ck_assert_int_eq(diag_errors(d), g ? 0 : 1);
    *message = flushed(d, false);
    return g;
}

static const char *printed(const Graph *g, bool forward_only) {
    Text t = {0};
    graph_print(g, &t, forward_only);
    const char *out = arena_str(arena, t.at, t.n);
    text_free(&t);
    return out;
}

static void expect_identity(const char *text) {
    const char *message;
    Graph *g = parse(text, &message);
    ck_assert_msg(g != NULL, "%s", message);
    ck_assert_str_eq(printed(g, false), text);
}

START_TEST(text_is_read_back) {
    Graph *g = training_graph();
    expect_identity(printed(g, false));
    expect_identity(printed(g, true));
    expect_identity(printed(small_graph(), false));
    g = small_graph();
    g->model->train = (nrt_train){.data = NRT_ARRAYS, .loss = NRT_SQUARED_ERROR, .init = NRT_KAIMING_NORMAL, .schedule = NRT_COSINE, .nesterov = 1,
                                  .batch = 1, .epochs = 3, .seed = -5, .resize_h = 4, .resize_w = 5, .mean = {0.5, 0, 0.25}, .std = {0.5, 1, 2}, .test_share = 0.2, .path_a = "x", .path_b = "y", .lr = 1e-300,
                                  .momentum = 0.1, .weight_decay = 1.0 / 3, .schedule_every = 2, .schedule_warmup = 1, .schedule_gamma = 0.5};
    ck_assert_ptr_null(grad_build(g));
    expect_identity(printed(g, false));
}
END_TEST

START_TEST(text_reads_well) {
    const char *text = printed(training_graph(), false);
    static const char *const lines[] = {
        "network small Nx2x9x8 -> Nx4 from \"dir/small one.net\"\n",
        "train { path_a=\"a\\\"b\\\\c\\n\\x01\" lr=0.25 }\n",
        "layer conv1 conv Nx3x5x7 params=39 macs=1260 !1:2:4-3:3\n",
        "%0: Nx2x9x8 = input @conv1 !1:2:4-3:3\n",
        "%conv1.weight: 3x2x3x2 = param role=weight fan_in=12 fan_out=18 !1:2:4-3:3\n",
        "%1: Nx3x5x7 = conv(%0, %conv1.weight) stride=2,1 pad=1,0 @conv1 !1:2:4-3:3\n",
        "%6: Nx4 = linear(%5, %linear1.weight) @\"odd name\"\n",
        "= conv_dw(%0, ",
        "stride=2,1 pad=1,0 kernel=3,2 @conv1 backward_weights !1:2:4-3:3\n",
        ": u8 Nx3x2x4 = max_pool_index(%2) window=2,2 stride=2,2 pad=0,1 @conv1 !1:2:4-3:3\n",
        "output %6\n",
        "update %conv1.weight = %",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) ck_assert_msg(strstr(text, lines[i]) != NULL, "no '%s' in\n%s", lines[i], text);
}
END_TEST

START_TEST(spans_keep_their_file) {
    const char *message;
    Graph *g = parse(printed(small_graph(), false), &message);
    ck_assert_ptr_nonnull(g);
    Node *conv = find_op(g, OP_conv);
    ck_assert_int_eq(conv->span.file, g->model->sources.at[0].file);
    ck_assert_int_eq(conv->span.file, 2); /* x.graph is 1 */
    int line, column, end_line, end_column;
    diag_place(g->model->diag, conv->span, &line, &column);
    diag_end(g->model->diag, conv->span, &end_line, &end_column);
    ck_assert(line == 2 && column == 4 && end_line == 3 && end_column == 3);
    ck_assert_int_eq(find_op(g, OP_relu)->span.file, 0);
}
END_TEST

/* What is said about a place of a source that only a text speaks of has line and column, and no picture. */
START_TEST(places_without_their_text) {
    const char *message, *text = printed(small_graph(), false), *wanted = "dir/small one.net:2:4: error: odd\nx.graph:1:1: error: here\n    1 | network ";
    Diag *d = diag_new(arena);
    Graph *g = graph_parse(arena, d, diag_add_file(d, "x.graph", text, strlen(text)));
    ck_assert_ptr_nonnull(g);
    diag_error(d, find_op(g, OP_conv)->span, "odd");
    diag_error(d, (Span){.file = 1, .end = 7}, "here");
    message = flushed(d, false);
    ck_assert_msg(strncmp(message, wanted, strlen(wanted)) == 0, "%s", message);
    diag_error(d, find_op(g, OP_conv)->span, "odd");
    message = flushed(d, true);
    ck_assert_ptr_nonnull(strstr(message, "\"file\":\"dir/small one.net\",\"line\":2,\"column\":4,\"end_line\":3,\"end_column\":3,\"notes\""));
}
END_TEST

#define HEAD "network n Nx4 -> Nx4 from \"n.net\"\n"
#define INPUT HEAD "%0: Nx4 = input\n"

typedef struct TextError { const char *text, *message; } TextError;

static const TextError text_errors[] = {
    {"", "x.graph:1:1: error: expected 'network', found the end of the text"},
    {"network", "error: expected a name"},
    {"network n 6x6 -> Nx4 from \"\"", "x.graph:1:11: error: a network's input and output have"},
    {"network n Nx0 -> Nx4 from \"\"", "x.graph:1:11: error: bad shape"},
    {"network n Nx2000000000x2000000000 -> Nx4 from \"\"", "shape is too large"},
    {HEAD, "error: the graph has no output"},
    {HEAD "bogus", "x.graph:2:1: error: expected a value, 'output', 'loss', 'update' or 'infer', found 'bogus'"},
    {HEAD "%0: Nx4 = frob(%0)", "x.graph:2:11: error: unknown operator 'frob'"},
    {HEAD "%0: Nx4 = relu(%1)", "x.graph:2:16: error: value is not defined"},
    {HEAD "%0: Nx4 = relu(%0)", "x.graph:2:16: error: value is not defined"},
    {INPUT "%0: Nx4 = relu(%0)", "x.graph:3:1: error: value is defined twice"},
    {INPUT "%1: Nx5 = relu(%0)", "x.graph:3:11: error: the value is said to be Nx5, relu gives Nx4"},
    {INPUT "%1: Nx4 = relu(%0, %0)", "x.graph:3:11: error: relu needs 1 argument, got 2"},
    {INPUT "%1: Nx4 = relu", "error: relu needs 1 argument, got 0"},
    {INPUT "%1: Nx4 = relu(%0", "error: expected ')', found the end of the text"},
    {INPUT "%1: Nx4 = scale(%0)", "x.graph:3:11: error: scale lacks its attribute 'factor'"},
    {INPUT "%1: Nx4 = scale(%0) factor=1 factor=2", "attribute is there twice"},
    {INPUT "%1: Nx4 = scale(%0) factor=inf", "scale needs a finite factor"},
    {INPUT "%1: Nx4 = scale(%0) factor=x", "expected a number, found 'x'"},
    {INPUT "infer %0", "expected 'output' or 'loss', found '%0'"},
    {INPUT "output %0\ninfer output %0\ninfer output %0", "second root"},
    {INPUT "output %0\ninfer loss %0", "is the loss"},
    {INPUT "%v: 4 = param role=running_var fan_in=0 fan_out=0\n%1: 4 = inv_std(%v) eps=nan", "eps must be positive"},
    {INPUT "%v: 4 = param role=running_var fan_in=0 fan_out=0\n%1: 4 = inv_std(%v) eps=0", "eps must be positive, not 0"},
    {INPUT "%v: 4 = param role=running_var fan_in=0 fan_out=0\n%1: 4 = running_mean_update(%v, %v) momentum=2", "momentum must be from 0 to 1, not 2"},
    {INPUT "%v: 4 = param role=running_var fan_in=0 fan_out=0\n%1: 4 = running_var_update(%v, %v) momentum=0 points=0", "points must be from 1"},
    {INPUT "%v: 4 = param role=running_var fan_in=0 fan_out=0\n%1: Nx4 = batch_norm(%0, %v, %v, %v)", "batch_norm needs 3 or 5 arguments, got 4"},
    {INPUT "%v: 3 = param role=running_var fan_in=0 fan_out=0\n%1: Nx4 = batch_norm(%0, %v, %v)", "batch_norm: 3 does not fit 4 channels"},
    {INPUT "%v: 4 = param role=running_var fan_in=0 fan_out=0\n%1: Nx4 = batch_norm(%0, %v, %v)\n%2: N = logsumexp(%1)\n%3: i32 N = labels classes=4\n"
     "%4: N = nll(%1, %2, %3)\noutput %1\nloss %4", "its statistics are not those of its input"},
    {INPUT "%1: i32 scalar = random_key\n%2: Nx4 = dropout(%0, %1) p=1 id=0", "p must be at least 0 and less than 1, not 1"},
    {INPUT "%1: Nx4 = dropout(%0, %0) p=0.5 id=0", "dropout needs the step's random key"},
    {INPUT "%w: 4 = param role=boss fan_in=1 fan_out=1", "expected a role (weight, bias,"},
    {INPUT "%w: 4 = param role=bias fan_in=99999999999999999999 fan_out=1", "number is too large"},
    {INPUT "%w: 4 = param role=bias fan_in=-1 fan_out=1", "fan_in and fan_out must be from 0"},
    {INPUT "%1: 4 = param role=bias fan_in=1 fan_out=1", "a param is named"},
    {INPUT "%x: Nx4 = relu(%0)", "a param is named"},
    {INPUT "%w: Nx4 = param role=bias fan_in=1 fan_out=1", "the value is said to be Nx4, param gives 4"},
    {INPUT "%1: Nx4 = relu(%0) !1:1:1-3", "1 is out of range"},
    {INPUT "%99999999999999: Nx4 = relu(%0)", "number of a value is too large"},
    {INPUT "output %0\noutput %0", "second root"},
    {INPUT "output %0\nupdate %0 = %0", "updates what is not a param"},
    {INPUT "output %0\nloss %0", "is the loss"},
    {INPUT "output", "expected a value (%1), found the end of the text"},
    {INPUT "%1: Nx4 = relu(%0) @\"x", "string without its closing quote"},
    {INPUT "%1: Nx4 = relu(%0) @\"\\q\"", "unknown escape"},
    {INPUT "\x80", "unexpected byte 0x80"},
    {INPUT "%1: Nx1x1x1x4 = relu(%0)", "bad shape: at most 3 dimensions"},
    {INPUT "%1: Nx2x2 = reshape(%0)\n%2: N = logsumexp(%0)\n%3: i32 N = labels classes=3\n%4: N = nll(%0, %2, %3)\noutput %0\nloss %4",
     "3 classes, the network's output is 4"},
    {HEAD "source 2 \"x\"", "2 is out of range: 1 to 1 are allowed"},
    {HEAD "train { batch=0 }", "0 is out of range: 1 to"},
    {HEAD "train { lr=nan }", "lr must be finite"},
    {HEAD "train { lr", "expected '='"},
    {HEAD "layer a b Nx4 params=1", "expected 'macs'"},
};

START_TEST(text_errors_are_placed) {
    const TextError *e = &text_errors[_i];
    const char *message;
    ck_assert_ptr_null(parse(e->text, &message));
    ck_assert_msg(strstr(message, e->message) != NULL, "said '%s', not '%s'", message, e->message);
    ck_assert_msg(strncmp(message, "x.graph:", 8) == 0, "no place: %s", message);
}
END_TEST

/* Whatever is cut off or changed in a text, reading it ends with a graph or with one error. */
START_TEST(damaged_text_is_survived) {
    const char *text = printed(training_graph(), false), *message;
    size_t n = strlen(text);
    for (size_t cut = 0; cut < n; cut += 7) parse(arena_str(arena, text, cut), &message);
    unsigned seed = 1;
    for (int i = 0; i < 2000; i++) {
        char *damaged = arena_str(arena, text, n);
        for (int k = 0; k < 2; k++) {
            seed = seed * 1664525u + 1013904223u;
            damaged[(seed >> 8) % n] = "%0N9x(),=-!\"\\@#\x7f\xff"[(seed >> 3) % 17];
        }
        parse(damaged, &message);
    }
}
END_TEST

int main(void) {
    Suite *s = suite_create("graph");
    TCase *t = tcase_create("graph");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, equal_nodes_are_one);
    tcase_add_test(t, many_nodes_stay_apart);
    tcase_add_test(t, sweep_drops_what_no_root_needs);
    tcase_add_test(t, training_graph_has_its_parts);
    tcase_add_test(t, momentum_is_state);
    tcase_add_test(t, no_rule_is_said);
    tcase_add_test(t, verify_sees_faults);
    tcase_add_test(t, verify_sees_wrong_meaning);
    tcase_add_loop_test(t, shape_errors_are_worded, 0, sizeof shape_errors / sizeof shape_errors[0]);
    tcase_add_test(t, concat_joins_what_fits);
    tcase_add_test(t, pool_index_fits_its_type);
    tcase_add_test(t, text_is_read_back);
    tcase_add_test(t, text_reads_well);
    tcase_add_test(t, spans_keep_their_file);
    tcase_add_test(t, places_without_their_text);
    tcase_add_loop_test(t, text_errors_are_placed, 0, sizeof text_errors / sizeof text_errors[0]);
    tcase_add_test(t, damaged_text_is_survived);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
