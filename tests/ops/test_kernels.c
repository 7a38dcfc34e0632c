/* test_kernels.c: generated code against the float64 evaluator, whole training steps at a time.
 *
 * Networks without transcendental functions are run on small whole numbers, on which float arithmetic is exact: every number of
 * the output, the losses and the updated weights must be equal. The others are compared in relative L2.
 */
#include <check.h>
#include <stdlib.h>

#include "kernel_run.h"

typedef struct Case { const char *name, *source; bool whole; } Case;

/* A network on CxHxW, trained on dense targets of the given type: every gradient is whole if the inputs are. */
#define IMAGE_NET(name, in, out, body) {name, "network n(" in ") -> (" out ") { " body " }\ntrain { batch = 20; loss = squared_error(reduction=\"sum\"); data = arrays(inputs=\"x.npy\", targets=\"y.npy\") }\n", true}
#define REAL_NET(name, in, out, body) {name, "network n(" in ") -> (" out ") { " body " }\ntrain { batch = 20; loss = squared_error; data = arrays(inputs=\"x.npy\", targets=\"y.npy\") }\n", false}
#define CLASS_NET(name, in, classes, body) {name, "network n(" in ") -> " classes " { " body " }\ntrain { batch = 20 }\n", false}

static const Case cases[] = {
    IMAGE_NET("plain conv", "3, 6, 7", "4, 4, 5", "conv(4, 3)"),
    IMAGE_NET("padded conv behind conv", "2, 5, 6", "3, 5, 6", "conv(5, 3, pad=1); conv(3, 3, pad=1)"),
    IMAGE_NET("odd kernel", "2, 7, 9", "7, 7, 6", "conv(3, 1); conv(7, (3, 4), pad=(1, 0))"),
    IMAGE_NET("stride 2", "2, 9, 8", "3, 5, 4", "conv(2, 1); conv(3, 3, stride=2, pad=1)"),
    IMAGE_NET("stride 2 of 1x1", "2, 7, 8", "3, 4, 4", "conv(3, 1); conv(3, 1, stride=2)"),
    IMAGE_NET("strides differ", "2, 8, 9", "3, 2, 3", "conv(2, 1); conv(3, (3, 5), pad=(0, 1), stride=(3, 4)); conv(3, 1, pad=(0, 1), bias=false); conv(3, (1, 2))"),
    IMAGE_NET("all phases alike", "2, 8, 8", "3, 4, 4", "conv(2, 1); conv(3, 2, stride=2)"),
    IMAGE_NET("kernel 4, stride 2", "1, 8, 10", "3, 3, 4", "conv(2, 1); conv(3, 4, stride=2)"),
    IMAGE_NET("dilation", "2, 9, 9", "3, 7, 3", "conv(2, 1); conv(3, 3, dilation=(2, 3), pad=(1, 0))"),
    IMAGE_NET("dilation and stride", "2, 10, 9", "3, 4, 5", "conv(2, 1); conv(3, 3, dilation=2, stride=2, pad=(1, 2))"),
    IMAGE_NET("dilation and stride share a factor", "1, 11, 11", "2, 4, 3", "conv(2, 1); conv(2, (2, 3), dilation=(3, 2), stride=(3, 4), pad=(2, 1))"),
    IMAGE_NET("wide padding", "1, 3, 4", "2, 7, 10", "conv(2, 1); conv(2, (3, 1), pad=3)"),
    IMAGE_NET("groups", "4, 5, 5", "6, 5, 5", "conv(4, 1); conv(6, 3, pad=1, groups=2)"),
    IMAGE_NET("depthwise", "5, 6, 5", "5, 3, 3", "conv(5, 1); conv(5, 3, pad=1, stride=2, groups=5)"),
    IMAGE_NET("grouped multiplier", "3, 4, 4", "6, 4, 4", "conv(3, 1); conv(6, 3, pad=1, groups=3, bias=false)"),
    REAL_NET("weights larger than the cache", "70, 4, 5", "90, 4, 5", "conv(85, 3, pad=1); conv(90, 3, pad=1)"),
    IMAGE_NET("relu", "2, 5, 4", "3, 5, 4", "conv(4, 3, pad=1) -> relu; conv(3, 1)"),
    IMAGE_NET("max pool", "2, 6, 8", "3, 3, 4", "conv(3, 3, pad=1) -> relu -> max_pool(2); conv(3, 1)"),
    IMAGE_NET("max pool alone", "2, 6, 9", "2, 2, 3", "conv(2, 1); max_pool(3)"),
    IMAGE_NET("max pool overlapping", "2, 7, 8", "3, 4, 4", "conv(3, 1) -> max_pool(3, stride=2, pad=1); conv(3, 1)"),
    IMAGE_NET("max pool that leaves rows over", "2, 7, 8", "3, 3, 2", "conv(3, 1) -> max_pool((2, 3)); conv(3, 1)"),
    IMAGE_NET("max pool not square", "1, 6, 9", "2, 3, 3", "conv(2, 1) -> max_pool((2, 3), stride=(2, 3), pad=(0, 1)); conv(2, 1)"),
    IMAGE_NET("residual", "2, 5, 5", "3, 5, 5", "skip = it -> conv(3, 1); conv(3, 3, pad=1) -> relu; conv(3, 3, pad=1); it + skip -> relu"),
    IMAGE_NET("difference and product", "2, 4, 5", "2, 4, 5", "a = it -> conv(2, 1); b = it -> conv(2, 3, pad=1); (a - b) * b; conv(2, 1)"),
    IMAGE_NET("the same value twice", "2, 4, 4", "2, 4, 4", "conv(2, 1); it + it; it * it"),
    IMAGE_NET("linear", "13, 1, 1", "9", "flatten; linear(17) -> relu; linear(9)"),
    IMAGE_NET("linear without bias", "2, 3, 3", "5", "conv(3, 2) -> relu -> flatten; linear(5, bias=false)"),
    IMAGE_NET("conv, pool, flatten, linear", "1, 8, 8", "7", "conv(3, 3, pad=1) -> relu -> max_pool(2); conv(4, 3) -> relu -> max_pool(2); flatten; linear(11) -> relu; linear(7)"),
    IMAGE_NET("flatten behind padding's need", "2, 4, 4", "6", "conv(3, 3, pad=1); y = it -> conv(3, 3, pad=1); it + y -> flatten; linear(6)"),
    CLASS_NET("softmax regression", "1, 5, 5", "10", "flatten; linear(10)"),
    CLASS_NET("one class more than lanes", "2, 3, 3", "17", "flatten; linear(33) -> tanh; linear(17)"),
    CLASS_NET("little lenet", "1, 12, 12", "10", "conv(6, 5, pad=2) -> sigmoid -> avg_pool(2); conv(5, 3) -> sigmoid -> avg_pool(2); flatten; linear(12) -> sigmoid; linear(10)"),
    CLASS_NET("tanh", "2, 6, 6", "4", "conv(3, 3) -> tanh -> max_pool(2); flatten; linear(4)"),
    CLASS_NET("average pools", "2, 9, 8", "3", "conv(3, 1); avg_pool(3, stride=2, pad=1) -> tanh; avg_pool((2, 3), stride=1); flatten; linear(3)"),
    CLASS_NET("average pool, padded windows", "3, 6, 7", "3", "conv(3, 1) -> sigmoid; avg_pool((4, 3), stride=(2, 3), pad=(2, 1)); flatten; linear(3)"),
};

static const KernelConfig configs[] = {
    {.opt_level = 0},
    {.opt_level = 2},
    {.march = "x86-64", .opt_level = 2},
    {.opt_level = 2, .no_fuse = true},
    {.opt_level = 2, .no_depth_first = true, .no_partial = true},
    {.opt_level = 1, .no_tile = true},
};

START_TEST(test_case) {
    const Case *c = &cases[_i % (int)(sizeof cases / sizeof *cases)];
    KernelConfig config = configs[_i / (int)(sizeof cases / sizeof *cases)];
    KernelCompiled k = kernel_load(c->name, c->source, config);
    const int64_t sizes[] = {20, 1, 8, 13};
    for (int i = 0; i < 4; i++) {
        const char *why = kernel_check(&k, sizes[i], (KernelCheck){.whole = c->whole, .tolerance = 2e-6, .seed = 77 + (uint64_t)i});
        ck_assert_msg(!why, "%s, configuration %d, %lld images: %s", c->name, _i / (int)(sizeof cases / sizeof *cases), (long long)sizes[i], why ? why : "");
    }
    kernel_unload(&k);
}
END_TEST

int main(void) {
    TCase *t = tcase_create("kernels");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, test_case, 0, (int)(sizeof cases / sizeof *cases * (sizeof configs / sizeof *configs)));
    Suite *s = suite_create("kernels against the evaluator");
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
