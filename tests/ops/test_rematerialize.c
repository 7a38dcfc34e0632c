/* test_rematerialize.c: which maps are made again, where their copies stand, and that every number stays what it was. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "../../compiler/eval.h"
#include "../../compiler/rematerialize.h"
#include "kernel_run.h"

static Arena *arena;
static void setup(void) { arena = arena_new(); }
static void teardown(void) { arena_free(arena); }

#define NET(body) "network n(2, 6, 5) -> (3, 6, 5) { " body " }\ntrain { batch = 3; loss = squared_error; data = arrays(inputs=\"x.npy\", targets=\"y.npy\") }\n"

/* `again`: maps that copies start from; `copies`: operators that the backward pass has anew. */
static const struct { const char *name, *source; int again, copies; } nets[] = {
    {"nothing to make again", NET("conv(4, 3, pad=1) -> relu; conv(3, 1)"), 0, 0}, /* relu's gradient is taken from its result */
    {"norm and relu", NET("conv(4, 3, pad=1) -> batch_norm -> relu; conv(3, 1)"), 1, 2},
    {"norm alone", NET("conv(4, 3, pad=1) -> batch_norm; conv(3, 1)"), 1, 1},
    {"activation of its argument", NET("conv(4, 3, pad=1) -> gelu; conv(3, 1)"), 1, 1},
    {"norm and activation of its argument", NET("conv(4, 3, pad=1) -> batch_norm -> silu; conv(3, 1)"), 1, 2},
    {"two in a row", NET("conv(4, 3, pad=1) -> batch_norm -> relu; conv(4, 3, pad=1) -> batch_norm -> relu; conv(3, 1)"), 2, 4},
    {"a sum of two maps is kept", NET("s = it -> conv(4, 1); conv(4, 3, pad=1) -> batch_norm; it + s -> relu; conv(3, 1)"), 0, 0},
    {"norm of the input", NET("batch_norm -> relu; conv(3, 1)"), 1, 2},
    {"logits are kept for their logsumexp", "network n(2, 3, 3) -> 4 { flatten; linear(4) -> batch_norm }\ntrain { batch = 3 }\n", 0, 0},
    {"pooled", NET("conv(4, 3, pad=1) -> batch_norm -> relu; max_pool(3, stride=1, pad=1); conv(3, 1)"), 0, 0}, /* the pool needs its result and the places alone */
};
enum { NETS = sizeof nets / sizeof *nets };

static int count_backward(const Graph *g, bool anew) {
    int n = 0;
    for (int i = 0; i < g->nodes.n; i++) {
        const Node *x = g->nodes.at[i];
        bool forward = x->op == OP_batch_norm || x->op == OP_relu || x->op == OP_gelu || x->op == OP_silu;
        n += x->pass != NRT_FORWARD && (anew ? forward : x->op == OP_again);
    }
    return n;
}

static Graph *rematerialized(Graph *g) {
    rematerialize(g, &(PlanOptions){.rematerialize = true});
    const char *why = graph_verify(g);
    ck_assert_msg(!why, "%s", why);
    return g;
}

START_TEST(what_is_made_again) {
    Graph *g = rematerialized(kernel_graph(arena, nets[_i].name, nets[_i].source));
    ck_assert_msg(count_backward(g, false) == nets[_i].again, "%s: %d copies start", nets[_i].name, count_backward(g, false));
    ck_assert_msg(count_backward(g, true) == nets[_i].copies, "%s: %d copies", nets[_i].name, count_backward(g, true));
    int n = g->nodes.n;
    ck_assert_int_eq(rematerialized(g)->nodes.n, n); /* there is nothing left to do */
    ck_assert_int_eq(count_backward(g, false), nets[_i].again);
}
END_TEST

START_TEST(numbers_stay) {
    Graph *g = kernel_graph(arena, nets[_i].name, nets[_i].source), *anew = rematerialized(kernel_copy_graph(arena, g));
    KernelDraw d = {.images = 3, .seed = 7};
    Eval *a = kernel_draw(arena, g, d), *b = kernel_draw(arena, anew, d);
    eval_run(a);
    eval_run(b);
    ck_assert_int_eq(g->roots.n, anew->roots.n);
    for (int r = 0; r < g->roots.n; r++) {
        const Node *want = g->roots.at[r].node, *got = anew->roots.at[r].node;
        ck_assert_mem_eq(eval_value(a, want), eval_value(b, got), sizeof(double) * (size_t)eval_count(a, want));
    }
}
END_TEST

/* A copy stands before the gradient that goes with it into the first sum: behind it, relu_grad would ride on the copy, and the gradient would have left the cache. */
START_TEST(copies_come_before_gradients) {
    Graph *g = rematerialized(kernel_graph(arena, nets[5].name, nets[5].source));
    int checked = 0;
    for (int i = 0; i < g->nodes.n; i++) {
        const Node *n = g->nodes.at[i];
        if (n->op != OP_relu_grad) continue;
        const Node *y = n->arg[0], *dy = n->arg[1];
        ck_assert_int_eq(y->pass, NRT_BACKWARD_DATA);
        ck_assert_int_eq(dy->op, OP_conv_dx);
        ck_assert_int_lt(y->id, dy->id);
        ck_assert_int_lt(y->id, dy->arg[0]->id); /* the gradient that conv_dw sums with y */
        checked++;
    }
    ck_assert_int_eq(checked, 2);
}
END_TEST

/* A graph that somebody has written may have the copy already, behind its readers to be. */
START_TEST(copies_that_are_there_are_moved) {
    Graph *g = kernel_graph(arena, nets[2].name, nets[2].source);
    Node *norm = NULL;
    for (int i = 0; i < g->nodes.n && !norm; i++)
        if (g->nodes.at[i]->op == OP_batch_norm) norm = g->nodes.at[i];
    g->pass = NRT_BACKWARD_DATA;
    Node *args[5] = {graph_unary(g, OP_again, norm->arg[0]), norm->arg[1], norm->arg[2], norm->arg[3], norm->arg[4]};
    Node *copy = graph_node(g, OP_batch_norm, norm->attr, 5, args);
    int behind = copy->id;
    rematerialized(g);
    ck_assert_int_lt(copy->id, behind);
    ck_assert_int_eq(count_backward(g, true), 1);
}
END_TEST

START_TEST(can_be_switched_off) {
    Graph *g = kernel_graph(arena, nets[1].name, nets[1].source);
    int n = g->nodes.n;
    rematerialize(g, &(PlanOptions){.rematerialize = false});
    ck_assert_int_eq(g->nodes.n, n);
    ck_assert_int_eq(count_backward(g, false), 0);
}
END_TEST

/* What is made again of `again` runs late, next to who reads it: the map is in no one's way until then. */
START_TEST(copies_are_made_late) {
    Graph *g = rematerialized(kernel_graph(arena, nets[5].name, nets[5].source));
    PlanOptions options = {.machine = {.lanes = 4, .registers = 16, .fmas = 2, .cache = 1 << 17}, .fuse = true, .depth_first = true, .tile = true, .partial = true};
    Plan *p = plan_build(arena, g, &options, true);
    int checked = 0;
    for (int i = 0; i < g->nodes.n; i++) {
        const Node *n = g->nodes.at[i];
        if (n->op != OP_batch_norm || n->arg[0]->op != OP_again) continue;
        ck_assert_ptr_eq(plan_value(p, n->arg[0]), plan_value(p, n->arg[0]->arg[0])); /* the same memory */
        for (int k = 0; k < g->nodes.n; k++) {
            const Node *sum = g->nodes.at[k];
            if (sum->op != OP_conv_dw || sum->arg[0]->op != OP_relu || sum->arg[0]->arg[0] != n) continue;
            ck_assert_int_eq(p->value[n->id].group->level, p->value[sum->id].group->parts->level);
            ck_assert(!p->value[sum->arg[0]->id].crosses);
            checked++;
        }
    }
    ck_assert_int_eq(checked, 2);
}
END_TEST

int main(void) {
    Suite *s = suite_create("rematerialize");
    TCase *t = tcase_create("rematerialize");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, what_is_made_again, 0, NETS);
    tcase_add_loop_test(t, numbers_stay, 0, NETS);
    tcase_add_test(t, copies_come_before_gradients);
    tcase_add_test(t, copies_that_are_there_are_moved);
    tcase_add_test(t, can_be_switched_off);
    tcase_add_test(t, copies_are_made_late);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
