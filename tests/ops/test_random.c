/* test_random.c: networks that nobody thought of, against the float64 evaluator.
 *
 * A seed gives a network: odd sizes, strides, pads, dilation, groups, branches that are added, multiplied or concatenated, every layer
 * but dropout (whose mask leaves too little of a small network), either loss. Each is compiled plainly and optimised, run on a random
 * number of images, and compared in output, losses and updated weights. A failure prints the seed and the source:
 *
 *     test_random SEED COUNT      tries COUNT networks from SEED on; without arguments, the few that a test run has time for
 *
 * Layers that amplify rounding are kept apart: nothing without a bias in front of batch norm has a gradient that is zero but for
 * rounding, and kinks (relu, max_pool) come behind smooth layers, where a value within rounding of the kink is rare.
 */
#include <check.h>
#include <stdlib.h>

#include "../../compiler/base.h"
#include "kernel_run.h"

enum { FIRST_SEED = 1, NETWORKS = 24 };

typedef struct Net {
    uint64_t state;
    Text text;
    int c, h, w;     /* of `it` */
    int names;
} Net;

static int pick(Net *n, int lo, int hi) { /* splitmix64 */
    uint64_t z = (n->state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return lo + (int)(z % (uint64_t)(hi - lo + 1));
}

static int out_size(int in, int kernel, int stride, int pad, int dilation) {
    int span = in + 2 * pad - dilation * (kernel - 1) - 1;
    return span < 0 ? 0 : span / stride + 1;
}

typedef struct Side { int kernel, stride, pad, dilation, out; } Side;

/* Kernel, stride, pad and dilation of one side of a window that fits `in`. */
static Side pick_side(Net *n, int in, bool pool) {
    for (;;) {
        Side s = {.kernel = pick(n, 1, 4), .stride = pick(n, 1, 3), .dilation = pool ? 1 : pick(n, 1, 2)};
        s.pad = pool ? pick(n, 0, s.kernel / 2) : pick(n, 0, 2);
        s.out = out_size(in, s.kernel, s.stride, s.pad, s.dilation);
        if (s.out > 0) return s;
    }
}

static void add_smooth(Net *n) {
    static const char *const names[] = {"tanh", "sigmoid", "silu", "gelu", "leaky_relu(0.3)", "relu", "hard_swish", "softmax"};
    text_printf(&n->text, " -> %s", names[pick(n, 0, 7)]);
}

static void add_conv(Net *n) {
    Side h = pick_side(n, n->h, false), w = pick_side(n, n->w, false);
    int groups = 1, out = pick(n, 1, 9);
    if (pick(n, 0, 2) == 0) groups = n->c % 2 == 0 ? 2 : n->c;
    out = groups * (1 + out / 3);
    bool norm = pick(n, 0, 2) == 0 && h.out * w.out > 1;
    text_printf(&n->text, "    conv(%d, (%d, %d), stride=(%d, %d), pad=(%d, %d), dilation=(%d, %d), groups=%d, bias=%s)", out, h.kernel, w.kernel, h.stride, w.stride, h.pad,
                w.pad, h.dilation, w.dilation, groups, norm ? "false" : "true");
    if (norm) text_printf(&n->text, " -> batch_norm(affine=%s)", pick(n, 0, 3) ? "true" : "false");
    add_smooth(n);
    text_printf(&n->text, "\n");
    n->c = out;
    n->h = h.out;
    n->w = w.out;
}

static void add_pool(Net *n) {
    Side h = pick_side(n, n->h, true), w = pick_side(n, n->w, true);
    text_printf(&n->text, "    %s((%d, %d), stride=(%d, %d), pad=(%d, %d))\n", pick(n, 0, 1) ? "max_pool" : "avg_pool", h.kernel, w.kernel, h.stride, w.stride, h.pad, w.pad);
    n->h = h.out;
    n->w = w.out;
}

static void add_branch(Net *n) {
    static const char *const joins[] = {"+", "-", "*"};
    int name = n->names++, kind = pick(n, 0, 3), kernel = 1 + 2 * pick(n, 0, 1);
    int width = kind == 3 ? pick(n, 1, 5) : n->c;
    text_printf(&n->text, "    a%d = it -> conv(%d, %d, pad=%d) -> tanh\n", name, width, kernel, kernel / 2);
    if (kind < 3) {
        text_printf(&n->text, "    it %s a%d\n", joins[kind], name);
        return;
    }
    text_printf(&n->text, "    concat(it, a%d, it)\n", name);
    n->c = 2 * n->c + width;
}

static void add_adaptive(Net *n) {
    int h = pick(n, 1, n->h), w = pick(n, 1, n->w);
    text_printf(&n->text, "    adaptive_avg_pool((%d, %d))\n", h, w);
    n->h = h;
    n->w = w;
}

static void add_layer(Net *n) {
    int kind = pick(n, 0, 9);
    if (kind < 5) add_conv(n);
    else if (kind < 7) add_pool(n);
    else if (kind < 9) add_branch(n);
    else add_adaptive(n);
}

/* The source of network number `seed`, and how many images it is run on. The caller frees the text. */
static Text make_network(uint64_t seed, int64_t *images) {
    Net n = {.state = seed, .c = 0};
    n.c = pick(&n, 1, 5);
    n.h = pick(&n, 3, 14);
    n.w = pick(&n, 3, 14);
    int c = n.c, h = n.h, w = n.w, layers = pick(&n, 1, 5), batch = pick(&n, 1, 21), classes = pick(&n, 2, 11);
    for (int i = 0; i < layers; i++) add_layer(&n);
    Text body = n.text;
    text_printf(&body, "    flatten -> linear(%d)%s\n", pick(&n, 2, 20), pick(&n, 0, 1) ? " -> tanh" : "");
    text_printf(&body, "    linear(%d)\n", classes);
    Text all = {0};
    text_printf(&all, "network n(%d, %d, %d) -> %d {\n%s}\ntrain { batch = %d%s }\n", c, h, w, classes, body.at, batch,
                pick(&n, 0, 2) ? "" : "; loss = squared_error; data = arrays(inputs=\"x.npy\", targets=\"y.npy\")");
    text_free(&body);
    *images = batch == 1 ? 1 : pick(&n, 2, batch);
    return all;
}

static uint64_t first_seed = FIRST_SEED;

static void run_network(uint64_t seed) {
    int64_t images;
    Text source = make_network(seed, &images);
    for (int level = 0; level <= 2; level += 2) {
        KernelCompiled k = kernel_load("random.net", source.at, (KernelConfig){.opt_level = level});
        const char *why = kernel_check(&k, images, (KernelCheck){.tolerance = 2e-4, .seed = seed + 77, .may_rest = true});
        ck_assert_msg(!why, "seed %llu, -O%d, %lld images: %s\n%s", (unsigned long long)seed, level, (long long)images, why ? why : "", source.at);
        kernel_unload(&k);
    }
    text_free(&source);
}

START_TEST(test_network) { run_network(first_seed + (uint64_t)_i); }
END_TEST

int main(int argc, char **argv) {
    int count = NETWORKS;
    if (argc == 3) {
        first_seed = strtoull(argv[1], NULL, 10);
        count = atoi(argv[2]);
    }
    TCase *t = tcase_create("networks");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, test_network, 0, count);
    Suite *s = suite_create("random networks against the evaluator");
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
