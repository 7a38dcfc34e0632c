/* op_cases.c: see op_cases.h. */
#include "op_cases.h"

#include "../../compiler/grad.h"
#include "../../compiler/ops.h"

#define IMAGE(c, h, w) {.elem = ELEM_F32, .batched = true, .rank = 3, .dim = {c, h, w}}
#define FLAT(c) {.elem = ELEM_F32, .batched = true, .rank = 1, .dim = {c}}
#define W4(o, c, h, w) {.elem = ELEM_F32, .rank = 4, .dim = {o, c, h, w}}
#define W2(o, i) {.elem = ELEM_F32, .rank = 2, .dim = {o, i}}
#define W1(c) {.elem = ELEM_F32, .rank = 1, .dim = {c}}
#define CONV(sh, sw, ph, pw, dh, dw, groups) {.i = {sh, sw, ph, pw, dh, dw, groups}}
#define POOL(wh, ww, sh, sw, ph, pw) {.i = {wh, ww, sh, sw, ph, pw}}

const OpCase op_cases[] = {
    {OP_conv, CONV(1, 1, 0, 0, 1, 1, 1), {IMAGE(1, 3, 3), W4(1, 1, 2, 2)}, true},
    {OP_conv, CONV(1, 1, 2, 2, 1, 1, 1), {IMAGE(2, 5, 6), W4(3, 2, 5, 5)}, true},
    {OP_conv, CONV(2, 3, 1, 0, 1, 1, 1), {IMAGE(3, 7, 8), W4(2, 3, 3, 2)}, true}, /* the last row and column are never read */
    {OP_conv, CONV(1, 2, 0, 3, 2, 3, 1), {IMAGE(2, 6, 5), W4(2, 2, 3, 3)}, true},
    {OP_conv, CONV(2, 2, 1, 1, 1, 2, 3), {IMAGE(6, 5, 7), W4(9, 2, 3, 3)}, true},
    {OP_conv, CONV(1, 1, 1, 1, 1, 1, 4), {IMAGE(4, 3, 4), W4(4, 1, 3, 3)}, true}, /* depthwise */
    {OP_conv, CONV(3, 4, 0, 1, 1, 1, 1), {IMAGE(1, 8, 8), W4(1, 1, 3, 5)}, true},
    {OP_conv, CONV(1, 1, 0, 0, 1, 1, 1), {IMAGE(5, 3, 2), W4(4, 5, 1, 1)}, true},
    {OP_conv, CONV(2, 2, 0, 0, 1, 1, 1), {IMAGE(2, 5, 5), W4(3, 2, 1, 1)}, true}, /* stride larger than the kernel */
    {OP_conv, CONV(1, 1, 4, 4, 1, 1, 1), {IMAGE(1, 2, 2), W4(2, 1, 3, 3)}, true}, /* windows wholly in the padding */
    {OP_linear, {.i = {0}}, {FLAT(1), W2(1, 1)}, true},
    {OP_linear, {.i = {0}}, {FLAT(7), W2(5, 7)}, true},
    {OP_linear, {.i = {0}}, {FLAT(17), W2(3, 17)}, true},
    {OP_bias, {.i = {0}}, {IMAGE(3, 5, 4), W1(3)}, false},
    {OP_bias, {.i = {0}}, {FLAT(9), W1(9)}, false},
    {OP_relu, {.i = {0}}, {IMAGE(3, 5, 4)}, false},
    {OP_relu, {.i = {0}}, {FLAT(11)}, false},
    {OP_sigmoid, {.i = {0}}, {IMAGE(2, 3, 5)}, false},
    {OP_sigmoid, {.i = {0}}, {FLAT(11)}, false},
    {OP_tanh, {.i = {0}}, {IMAGE(2, 3, 5)}, false},
    {OP_tanh, {.i = {0}}, {FLAT(11)}, false},
    {OP_leaky_relu, {.f = {0.01}}, {IMAGE(2, 3, 5)}, false},
    {OP_leaky_relu, {.f = {0}}, {FLAT(11)}, false},
    {OP_leaky_relu, {.f = {-0.5}}, {FLAT(11)}, false}, /* the result does not tell the argument's sign */
    {OP_silu, {.i = {0}}, {IMAGE(2, 3, 5)}, false},
    {OP_gelu, {.i = {0}}, {IMAGE(2, 3, 5)}, false},
    {OP_hard_swish, {.i = {0}}, {IMAGE(2, 3, 5)}, false},
    {OP_concat, {.i = {0}}, {IMAGE(2, 3, 5), IMAGE(4, 3, 5)}, false},
    {OP_concat, {.i = {0}}, {FLAT(5), FLAT(1)}, false},
    {OP_concat, {.i = {0}}, {FLAT(3)}, true},
    {OP_softmax, {.i = {0}}, {FLAT(7)}, false},
    {OP_softmax, {.i = {0}}, {IMAGE(4, 3, 2)}, false}, /* along the channels */
    {OP_add, {.i = {0}}, {IMAGE(2, 3, 5), IMAGE(2, 3, 5)}, false},
    {OP_sub, {.i = {0}}, {IMAGE(2, 3, 5), IMAGE(2, 3, 5)}, false},
    {OP_sub, {.i = {0}}, {FLAT(5), FLAT(5)}, false},
    {OP_mul, {.i = {0}}, {IMAGE(2, 3, 5), IMAGE(2, 3, 5)}, true},
    {OP_mul, {.i = {0}}, {FLAT(5), FLAT(5)}, true},
    {OP_scale, {.f = {-1.75}}, {IMAGE(2, 3, 5)}, true},
    {OP_scale, {.f = {3}}, {W4(2, 1, 3, 2)}, true},
    {OP_copy, {.f = {0}}, {IMAGE(2, 3, 5)}, true},
    {OP_copy, {.f = {0}}, {W4(2, 1, 3, 2)}, true},
    {OP_again, {.f = {0}}, {IMAGE(2, 3, 5)}, true},
    {OP_reshape, {.i = {1, 30}}, {IMAGE(2, 3, 5)}, true},
    {OP_reshape, {.i = {3, 2, 3, 5}}, {FLAT(30)}, true},
    {OP_max_pool, POOL(2, 2, 2, 2, 0, 0), {IMAGE(2, 5, 7)}, false},
    {OP_max_pool, POOL(3, 3, 2, 2, 1, 1), {IMAGE(3, 6, 5)}, false},
    {OP_max_pool, POOL(2, 3, 1, 2, 0, 1), {IMAGE(2, 4, 6)}, false}, /* windows overlap */
    {OP_max_pool, POOL(1, 2, 3, 3, 0, 0), {IMAGE(1, 7, 8)}, false}, /* windows with gaps */
    {OP_max_pool, POOL(16, 17, 1, 1, 0, 0), {IMAGE(1, 17, 17)}, false}, /* index too large for a byte */
    {OP_avg_pool, POOL(2, 2, 2, 2, 0, 0), {IMAGE(2, 5, 7)}, true},
    {OP_avg_pool, POOL(3, 3, 2, 2, 1, 1), {IMAGE(3, 6, 5)}, true},
    {OP_avg_pool, POOL(2, 3, 1, 2, 0, 1), {IMAGE(2, 4, 6)}, true},
    {OP_avg_pool, POOL(1, 2, 3, 3, 0, 0), {IMAGE(1, 7, 8)}, true},
    {OP_adaptive_avg_pool, {.i = {1, 3}}, {IMAGE(2, 7, 4)}, true},
    {OP_adaptive_avg_pool, {.i = {2, 4}}, {IMAGE(2, 3, 10)}, true}, /* bins repeat: two periods */
    {OP_adaptive_avg_pool, {.i = {1, 5}}, {IMAGE(1, 2, 3)}, true},  /* more bins than points */
    {OP_adaptive_avg_pool, {.i = {2, 2}}, {IMAGE(1, 3, 6)}, true},
    {OP_dropout, {.i = {1}, .f = {0.5}}, {IMAGE(3, 4, 5)}, true},
    {OP_dropout, {.i = {2}, .f = {0.125}}, {FLAT(31)}, true},
    {OP_batch_norm, {.i = {0}}, {IMAGE(3, 4, 5), W1(3), W1(3)}, false},
    {OP_batch_norm, {.i = {0}}, {IMAGE(2, 3, 3)}, false}, /* without gamma and beta */
    {OP_batch_norm, {.i = {0}}, {IMAGE(2, 1, 1), W1(2), W1(2)}, false},
    {OP_batch_norm, {.i = {0}}, {FLAT(5), W1(5), W1(5)}, false},
    {OP_nll, {.i = {0}}, {FLAT(10)}, false},
    {OP_nll, {.i = {0}}, {FLAT(2)}, false},
    {OP_sq_err, {.i = {0}}, {FLAT(5), FLAT(5)}, false},
    {OP_sq_err, {.i = {0}}, {IMAGE(1, 3, 4), IMAGE(1, 3, 4)}, false},
};
const int op_case_count = sizeof op_cases / sizeof op_cases[0];

static Attr shape_attr(int rank, const int64_t *dim) {
    Attr attr = {.i = {rank}};
    for (int i = 0; i < rank; i++) attr.i[SHAPE_DIM + i] = dim[i];
    return attr;
}

enum { ARGS = 3, DY = ARGS };

/* A source of the type; the one asked for with another `which` is another node. */
static Node *source(Graph *g, Type t, int which) {
    static const char *const names[] = {"a", "b", "c", "dy"};
    if (!t.batched) return graph_param(g, names[which], t, NRT_WEIGHT, 1, 1);
    if (t.rank == 0) return graph_node(g, OP_image_weight, (Attr){0}, 0, NULL);
    if (which != DY) return graph_node(g, which ? OP_target : OP_input, shape_attr(t.rank, t.dim), 0, NULL);
    int64_t n = type_count(t);
    Node *other = graph_node(g, OP_target, shape_attr(t.rank == 1 ? 3 : 1, t.rank == 1 ? (int64_t[]){1, 1, n} : &n), 0, NULL);
    return graph_node(g, OP_reshape, shape_attr(t.rank, t.dim), 1, &other);
}

/* As the layer builds it: the statistics are those of x, and tracked. */
static Node *apply_batch_norm(Graph *g, Node **x, int n) {
    Node *mean = graph_unary(g, OP_batch_mean, x[0]), *var = graph_binary(g, OP_batch_var, x[0], mean);
    Node *inv_std = graph_node(g, OP_inv_std, (Attr){.f = {0.25}}, 1, &var), *args[5] = {x[0], mean, inv_std, x[1], x[2]};
    Node *old[2] = {graph_param(g, "mean", mean->type, NRT_RUNNING_MEAN, 0, 0), graph_param(g, "var", var->type, NRT_RUNNING_VAR, 0, 0)};
    Attr attr = {.f = {0.125}};
    graph_root(g, ROOT_UPDATE, graph_node(g, OP_running_mean_update, attr, 2, (Node *[]){old[0], mean}), old[0]);
    attr.i[0] = type_count(x[0]->type) / x[0]->type.dim[0];
    graph_root(g, ROOT_UPDATE, graph_node(g, OP_running_var_update, attr, 2, (Node *[]){old[1], var}), old[1]);
    return graph_node(g, OP_batch_norm, (Attr){0}, n == 1 ? 3 : 5, args);
}

static Node *apply(Graph *g, const OpCase *c, Node **x, int n) {
    if (c->op == OP_softmax) return graph_node(g, OP_softmax, c->attr, 2, (Node *[]){x[0], graph_unary(g, OP_logsumexp, x[0])});
    if (c->op == OP_dropout) return graph_node(g, OP_dropout, c->attr, 2, (Node *[]){x[0], graph_node(g, OP_random_key, (Attr){.i = {0}}, 0, NULL)});
    if (c->op == OP_batch_norm) return apply_batch_norm(g, x, n);
    if (c->op != OP_nll) return graph_node(g, c->op, c->attr, n, x);
    Node *labels = graph_node(g, OP_labels, (Attr){.i = {x[0]->type.dim[0]}}, 0, NULL);
    return graph_node(g, OP_nll, c->attr, 3, (Node *[]){x[0], graph_unary(g, OP_logsumexp, x[0]), labels});
}

BuiltCase op_case_build(Graph *g, const OpCase *c) {
    BuiltCase b = {0};
    for (; b.n < ARGS && c->arg[b.n].rank > 0; b.n++) b.x[b.n] = source(g, c->arg[b.n], b.n);
    b.y = apply(g, c, b.x, b.n);
    b.dy = source(g, b.y->type, DY);
    const char *why = grad_backward(g, b.y, b.dy, b.n, b.x, b.grad);
    if (why) BUG("%s: %s", op_table[c->op].name, why);
    return b;
}

double op_case_random(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return ((double)(*state >> 11) + 0.5) / (double)((uint64_t)1 << 52) - 1;
}
