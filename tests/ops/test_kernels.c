/* test_kernels.c: generated code against the float64 evaluator, whole training steps at a time.
 *
 * Networks without transcendental functions are run on small whole numbers, on which float arithmetic is exact: every number of
 * the output, the losses and the updated weights must be equal. The others are compared in relative L2.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "../../compiler/winograd.h"
#include "kernel_run.h"

typedef struct Case {
    const char *name, *source;
    bool whole;
    double tolerance; /* 0: as usual */
    int64_t least;    /* images; with fewer, some gradients are zero */
    double offset;    /* added to the inputs */
} Case;

/* A network on CxHxW, trained on dense targets of the given type: every gradient is whole if the inputs are. */
#define IMAGE_NET(title, in, out, body) {.name = title, .source = "network n(" in ") -> (" out ") { " body " }\ntrain { batch = 20; loss = squared_error(reduction=\"sum\"); data = arrays(inputs=\"x.npy\", targets=\"y.npy\") }\n", .whole = true}
#define REAL_NET(title, in, out, body) {.name = title, .source = "network n(" in ") -> (" out ") { " body " }\ntrain { batch = 20; loss = squared_error; data = arrays(inputs=\"x.npy\", targets=\"y.npy\") }\n"}
/* Normalised numbers are small differences of larger ones. */
#define NORM_NET(title, in, out, body) {.name = title, .source = "network n(" in ") -> (" out ") { " body " }\ntrain { batch = 20; loss = squared_error; data = arrays(inputs=\"x.npy\", targets=\"y.npy\") }\n", .tolerance = 5e-5}
#define OPTIM_NET(title, optim, in, classes, body) {.name = title, .source = "network n(" in ") -> " classes " { " body " }\ntrain { batch = 20; optim = sgd(" optim ") }\n"}
#define CLASS_NET(title, in, classes, body) {.name = title, .source = "network n(" in ") -> " classes " { " body " }\ntrain { batch = 20 }\n"}

static const Case cases[] = {
    IMAGE_NET("plain conv", "3, 6, 7", "4, 4, 5", "conv(4, 3)"),
    IMAGE_NET("padded conv behind conv", "2, 5, 6", "3, 5, 6", "conv(5, 3, pad=1); conv(3, 3, pad=1)"),
    IMAGE_NET("odd kernel", "2, 7, 9", "7, 7, 6", "conv(3, 1); conv(7, (3, 4), pad=(1, 0))"),
    IMAGE_NET("stride 2", "2, 9, 8", "3, 5, 4", "conv(2, 1); conv(3, 3, stride=2, pad=1)"),
    IMAGE_NET("stride 2 of 1x1", "2, 7, 8", "3, 4, 4", "conv(3, 1); conv(3, 1, stride=2)"),
    IMAGE_NET("stride 2 of 1x1, a place of each cell", "2, 8, 6", "3, 4, 3", "conv(4, 1) -> relu; skip = it -> conv(3, 1, stride=2); conv(3, 3, stride=2, pad=1); it + skip -> relu"),
    IMAGE_NET("steps longer than the picture", "2, 3, 3", "10", "conv(4, 3) -> relu; a = it -> conv(10, 1, stride=2) -> flatten; flatten -> linear(10); it + a"),
    IMAGE_NET("steps longer than the picture one way", "2, 1, 6", "3, 1, 3", "conv(4, 1) -> relu; conv(3, 1, stride=2)"),
    IMAGE_NET("stride 2 of 1x1, padding, groups", "2, 4, 6", "4, 3, 3", "conv(4, 1); conv(4, 1, stride=2, pad=(1, 0), groups=2)"),
    IMAGE_NET("strides of 1x1 differ, padding", "2, 4, 9", "4, 3, 3", "conv(4, 1); conv(4, 1, stride=(2, 3), pad=(1, 0), groups=2)"),
    IMAGE_NET("weights by input", "3, 5, 4", "17, 5, 3", "conv(9, 1); conv(17, (3, 2), pad=(1, 0))"),
    IMAGE_NET("weights by input, of one point", "2, 3, 4", "20, 3, 4", "conv(36, 1); conv(20, 1)"),
    IMAGE_NET("weights by input, in groups and steps", "4, 9, 7", "20, 5, 4", "conv(34, 1); conv(20, 3, stride=2, pad=1, groups=2)"),
    IMAGE_NET("weights by input, in lines", "4, 9, 7", "48, 4, 4", "conv(34, 1); conv(48, 3, stride=2, pad=(1, 1), dilation=(2, 1), groups=2)"),
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
    IMAGE_NET("input channels in the lanes, stride 2", "16, 7, 21", "7, 4, 11", "conv(7, 3, stride=2, pad=1)"),
    IMAGE_NET("input channels in the lanes, dilation", "32, 6, 11", "10, 6, 9", "conv(10, (2, 3), dilation=(2, 3), pad=(1, 2))"),
    IMAGE_NET("input channels in the lanes, output channels in parts", "32, 1, 3", "652, 1, 3", "conv(652, 1)"),
    IMAGE_NET("output channels in the lanes, stride 2", "16, 7, 21", "32, 4, 11", "conv(32, 3, stride=2, pad=1)"),
    IMAGE_NET("output channels in the lanes, input channels in parts", "72, 3, 5", "32, 2, 5", "conv(32, 3, stride=(2, 1), pad=1)"),
    IMAGE_NET("output channels in the lanes, a vector of each group", "32, 3, 4", "32, 3, 4", "conv(32, 3, pad=1, groups=2)"),
    IMAGE_NET("output channels in the lanes, two vectors of each group", "34, 3, 4", "64, 3, 4", "conv(64, 1, groups=2)"),
    IMAGE_NET("input channels in the lanes, groups", "64, 3, 4", "34, 3, 4", "conv(34, 1, groups=2)"),
    IMAGE_NET("channels in the lanes, stride 3 of 1x1", "32, 5, 31", "17, 2, 11", "conv(17, 1, stride=3)"),
    IMAGE_NET("channels in the lanes, dilation", "2, 9, 14", "3, 9, 12", "conv(48, 1); conv(3, (2, 3), dilation=(2, 3), pad=(1, 2))"),
    REAL_NET("weights larger than the cache", "70, 4, 5", "90, 4, 5", "conv(85, 3, pad=1); conv(90, 3, pad=1)"),
    IMAGE_NET("relu", "2, 5, 4", "3, 5, 4", "conv(4, 3, pad=1) -> relu; conv(3, 1)"),
    IMAGE_NET("max pool", "2, 6, 8", "3, 3, 4", "conv(3, 3, pad=1) -> relu -> max_pool(2); conv(3, 1)"),
    IMAGE_NET("max pool alone", "2, 6, 9", "2, 2, 3", "conv(2, 1); max_pool(3)"),
    IMAGE_NET("max pool overlapping", "2, 7, 8", "3, 4, 4", "conv(3, 1) -> max_pool(3, stride=2, pad=1); conv(3, 1)"),
    IMAGE_NET("max pool that leaves rows over", "2, 7, 8", "3, 3, 2", "conv(3, 1) -> max_pool((2, 3)); conv(3, 1)"),
    IMAGE_NET("max pool not square", "1, 6, 9", "2, 3, 3", "conv(2, 1) -> max_pool((2, 3), stride=(2, 3), pad=(0, 1)); conv(2, 1)"),
    IMAGE_NET("max pool behind one channel's conv", "1, 6, 9", "3, 2, 2", "conv(5, 3, pad=1) -> max_pool((2, 3)); conv(3, (2, 2))"),
    IMAGE_NET("average pool behind one channel's conv", "1, 8, 6", "3, 4, 3", "conv(5, 3, pad=1) -> avg_pool(2); conv(3, 1)"),
    IMAGE_NET("residual", "2, 5, 5", "3, 5, 5", "skip = it -> conv(3, 1); conv(3, 3, pad=1) -> relu; conv(3, 3, pad=1); it + skip -> relu"),
    IMAGE_NET("difference and product", "2, 4, 5", "2, 4, 5", "a = it -> conv(2, 1); b = it -> conv(2, 3, pad=1); (a - b) * b; conv(2, 1)"),
    IMAGE_NET("the same value twice", "2, 4, 4", "2, 4, 4", "conv(2, 1); it + it; it * it"),
    IMAGE_NET("linear", "13, 1, 1", "9", "flatten; linear(17) -> relu; linear(9)"),
    IMAGE_NET("linear without bias", "2, 3, 3", "5", "conv(3, 2) -> relu -> flatten; linear(5, bias=false)"),
    IMAGE_NET("conv, pool, flatten, linear", "1, 8, 8", "7", "conv(3, 3, pad=1) -> relu -> max_pool(2); conv(4, 3) -> relu -> max_pool(2); flatten; linear(11) -> relu; linear(7)"),
    IMAGE_NET("flatten behind padding's need", "2, 4, 4", "6", "conv(3, 3, pad=1); y = it -> conv(3, 3, pad=1); it + y -> flatten; linear(6)"),
    IMAGE_NET("leaky relu", "2, 5, 4", "3, 5, 4", "conv(4, 3, pad=1) -> leaky_relu(0.5); conv(3, 1)"),
    IMAGE_NET("leaky relu of negative slope", "2, 5, 4", "3, 5, 4", "conv(4, 3, pad=1) -> leaky_relu(slope=-2); conv(3, 1)"),
    IMAGE_NET("more pointwise operators than a kernel takes", "2, 4, 4", "2, 4, 4", "conv(2, 1); first = it; repeat 25 { leaky_relu(slope=-1); it - first }; conv(2, 1)"),
    IMAGE_NET("concat", "2, 5, 4", "3, 5, 4", "a = it -> conv(3, 1); b = it -> conv(2, 3, pad=1) -> relu; concat(a, b, it) -> relu; conv(3, 3, pad=1)"),
    IMAGE_NET("concat of flat ones", "2, 3, 3", "5", "a = it -> conv(3, 2) -> flatten; b = it -> flatten -> linear(9); concat(b, a, b) -> relu; linear(5)"),
    IMAGE_NET("concat in a row", "2, 4, 4", "9, 4, 4", "conv(3, 1); concat(it, it -> conv(2, 3, pad=1)); concat(it, it -> conv(4, 3, pad=1))"),
    IMAGE_NET("concat of pools", "1, 6, 6", "2, 4, 4", "conv(3, 1); a = it -> max_pool(3, stride=1); b = it -> conv(2, 3); concat(a, b); conv(2, 1)"),
    IMAGE_NET("global max pool", "2, 5, 6", "4", "conv(3, 3, pad=1) -> relu -> global_max_pool; linear(4)"),
    IMAGE_NET("global max pool of more than a byte's places", "1, 17, 16", "3", "conv(2, 1) -> global_max_pool; linear(3)"),
    IMAGE_NET("global average pool of a power of two", "2, 4, 8", "4", "conv(3, 3, pad=1) -> relu -> global_avg_pool; linear(4)"),
    IMAGE_NET("adaptive pool, more bins than points", "2, 2, 3", "3, 4, 6", "conv(2, 1); adaptive_avg_pool((4, 6)); conv(3, 1)"),
    IMAGE_NET("adaptive pool of shared points", "2, 3, 5", "3, 2, 4", "conv(2, 1); adaptive_avg_pool((2, 4)); conv(3, 1)"),
    IMAGE_NET("adaptive pool of its input's size", "2, 3, 5", "2, 3, 5", "conv(2, 1); adaptive_avg_pool((3, 5))"),
    REAL_NET("adaptive pool", "2, 14, 11", "3, 6, 4", "conv(3, 3, pad=1) -> tanh; adaptive_avg_pool((6, 4)); conv(3, 3, pad=1)"),
    REAL_NET("adaptive pool, bins of one size and not", "2, 6, 7", "2, 3, 5", "conv(2, 1) -> adaptive_avg_pool((3, 5)) -> tanh"),
    REAL_NET("adaptive pool in padded neighbourhood", "2, 5, 7", "2, 7, 11", "conv(3, 3, pad=1) -> adaptive_avg_pool((7, 11)); conv(2, 3, pad=1)"),
    REAL_NET("global average pool", "2, 5, 7", "4", "conv(3, 3, pad=1) -> silu -> global_avg_pool; linear(4)"),
    REAL_NET("silu", "2, 5, 4", "3, 5, 4", "conv(4, 3, pad=1) -> silu; conv(3, 1) -> silu"),
    REAL_NET("gelu", "2, 5, 4", "3, 5, 4", "conv(4, 3, pad=1) -> gelu; conv(3, 1) -> gelu"),
    REAL_NET("hard swish", "2, 5, 4", "3, 5, 4", "conv(4, 3, pad=1) -> hard_swish; conv(3, 1) -> hard_swish"),
    REAL_NET("activations of their own input", "2, 5, 4", "2, 5, 4", "gelu; conv(2, 1); it + (it -> silu) * (it -> hard_swish) -> leaky_relu"),
    REAL_NET("softmax", "2, 3, 3", "5", "flatten -> linear(7) -> softmax; linear(5)"),
    REAL_NET("softmax last", "2, 3, 3", "17", "flatten -> linear(17) -> softmax"),
    REAL_NET("softmax along channels", "2, 5, 4", "3, 5, 4", "conv(6, 3, pad=1) -> softmax; conv(3, 3, pad=1)"),
    CLASS_NET("softmax as a gate", "2, 4, 4", "5", "conv(4, 1); it * (it -> conv(4, 1) -> softmax); flatten; linear(5)"),
    CLASS_NET("softmax regression", "1, 5, 5", "10", "flatten; linear(10)"),
    CLASS_NET("one class more than lanes", "2, 3, 3", "17", "flatten; linear(33) -> tanh; linear(17)"),
    CLASS_NET("little lenet", "1, 12, 12", "10", "conv(6, 5, pad=2) -> sigmoid -> avg_pool(2); conv(5, 3) -> sigmoid -> avg_pool(2); flatten; linear(12) -> sigmoid; linear(10)"),
    CLASS_NET("linear layers larger than the cache", "1, 2, 2", "3", "flatten; linear(1280) -> tanh; linear(1232) -> tanh; linear(3)"),
    CLASS_NET("linear layers larger than the cache, of primes of features", "1, 2, 2", "23", "flatten; linear(1279) -> tanh; linear(1231) -> tanh; linear(23)"),
    CLASS_NET("tanh", "2, 6, 6", "4", "conv(3, 3) -> tanh -> max_pool(2); flatten; linear(4)"),
    CLASS_NET("average pools", "2, 9, 8", "3", "conv(3, 1); avg_pool(3, stride=2, pad=1) -> tanh; avg_pool((2, 3), stride=1); flatten; linear(3)"),
    OPTIM_NET("momentum", "momentum=0.9", "2, 5, 5", "4", "conv(3, 3) -> tanh -> flatten; linear(4)"),
    OPTIM_NET("nesterov", "momentum=0.5, nesterov=true", "2, 5, 5", "4", "conv(3, 3) -> tanh -> flatten; linear(4)"),
    OPTIM_NET("weight decay", "weight_decay=0.01", "2, 5, 5", "4", "conv(3, 3) -> tanh -> flatten; linear(4)"),
    OPTIM_NET("all of sgd", "momentum=0.9, nesterov=true, weight_decay=0.01", "2, 5, 5", "4", "conv(3, 3) -> tanh -> flatten; linear(4)"),
    CLASS_NET("average pool, padded windows", "3, 6, 7", "3", "conv(3, 1) -> sigmoid; avg_pool((4, 3), stride=(2, 3), pad=(2, 1)); flatten; linear(3)"),
    NORM_NET("norm made where a pool reads it", "2, 9, 8", "3, 5, 4", "conv(4, 3, pad=1, bias=false) -> batch_norm -> relu; max_pool(3, stride=2, pad=1); conv(3, 1)"),
    NORM_NET("norm's gradient made of a pool's", "4, 8, 6", "3, 4, 3", "conv(4, 3, pad=1, bias=false) -> batch_norm -> relu; max_pool(2); conv(3, 1)"),
    NORM_NET("norm's gradient made of a pool's that overlaps", "4, 8, 6", "3, 4, 3", "conv(4, 3, pad=1, bias=false) -> batch_norm -> relu; max_pool(3, stride=2, pad=1); conv(3, 1)"),
    NORM_NET("norm's gradient made of a pool's with rows left over", "4, 8, 6", "3, 3, 2", "conv(4, 3, pad=1, bias=false) -> batch_norm -> relu; max_pool(3, stride=2); conv(3, 1)"),
    NORM_NET("norm's gradient made of an average's that overlaps", "4, 6, 9", "3, 3, 3", "conv(4, 3, pad=1, bias=false) -> batch_norm; avg_pool((3, 4), stride=(2, 3), pad=(1, 1)); conv(3, 1)"),
    NORM_NET("norm's gradient made of large averages", "3, 5, 14", "3", "conv(4, 3, pad=1, bias=false) -> batch_norm; avg_pool((5, 7)); flatten; linear(3)"),
    NORM_NET("norm's gradient made of long windows", "2, 4, 34", "3, 2, 2", "conv(4, 3, pad=1, bias=false) -> batch_norm; avg_pool((1, 17)); conv(3, 3, stride=(2, 1), pad=1)"),
    NORM_NET("norm's gradient made of large windows of two maxima", "2, 10, 6", "3, 2, 1", "conv(4, 3, pad=1, bias=false) -> batch_norm; max_pool((5, 6)); conv(3, 1)"),
    NORM_NET("norm's gradient made of a pool's that leaves points out", "4, 9, 6", "3, 3, 2", "conv(4, 3, pad=1, bias=false) -> batch_norm -> relu; max_pool(2, stride=3); conv(3, 1)"),
    NORM_NET("norm made where an average reads it", "2, 8, 6", "3, 4, 3", "conv(4, 3, pad=1, bias=false) -> batch_norm -> silu; avg_pool(2); conv(3, 1)"),
    NORM_NET("a padded average reads zeros around the norm", "2, 8, 6", "3, 5, 4", "conv(4, 3, pad=1, bias=false) -> batch_norm; avg_pool(2, pad=1); conv(3, 1)"),
    NORM_NET("batch norm", "3, 6, 5", "4, 6, 5", "conv(5, 3, pad=1, bias=false) -> batch_norm -> relu; conv(4, 3, pad=1)"),
    NORM_NET("batch norm first and last", "3, 4, 5", "3, 4, 5", "batch_norm -> relu; conv(3, 3, pad=1, bias=false); batch_norm(momentum=0.5)"),
    NORM_NET("batch norm without gamma and beta", "2, 5, 4", "3, 5, 4", "conv(6, 1, bias=false) -> batch_norm(affine=false, eps=1e-3) -> tanh; conv(3, 1)"),
    NORM_NET("residual block", "2, 7, 7", "4, 4, 4", "skip = it -> conv(4, 1, stride=2); conv(4, 3, stride=2, pad=1, bias=false) -> batch_norm -> relu; conv(4, 3, pad=1, bias=false) -> batch_norm; it + skip -> relu"),
    NORM_NET("two batch norms of one input", "2, 5, 4", "3, 5, 4", "conv(3, 1, bias=false); a = it -> batch_norm; b = it -> batch_norm -> sigmoid; a * b"),
    NORM_NET("batch norm of more channels than lanes", "2, 4, 3", "3, 4, 3", "conv(37, 1, bias=false) -> batch_norm -> relu; conv(3, 1)"),
    {.name = "batch norm of one number an image", .source = "network n(3, 2, 2) -> 3 { conv(4, 2, bias=false) -> batch_norm(eps=0.5) -> tanh; flatten -> linear(3) }\ntrain { batch = 20 }\n", .tolerance = 1e-5, .least = 2},
    {.name = "batch norm of flat numbers", .source = "network n(2, 4, 4) -> 5 { flatten; linear(11, bias=false) -> batch_norm(eps=0.5) -> sigmoid; linear(5) }\ntrain { batch = 20 }\n", .tolerance = 1e-5, .least = 2},
    /* Inputs near 1000 are 6e-5 apart, which the mean and all behind it inherit; a variance as a difference of squares would be off by more than it is. */
    {.name = "batch norm far from zero", .source = "network n(2, 6, 5) -> (3, 6, 5) { batch_norm -> tanh; conv(3, 1) }\ntrain { batch = 20; loss = squared_error; data = arrays(inputs=\"x.npy\", targets=\"y.npy\") }\n",
     .tolerance = 5e-4, .offset = 1000},
    {.name = "batch norm behind a convolution, far from zero", .source = "network n(2, 6, 5) -> (3, 6, 5) { far = it; batch_norm(affine=false) -> conv(2, 3, pad=1, bias=false); it + far -> batch_norm -> tanh; conv(3, 1) }\n"
     "train { batch = 20; loss = squared_error; data = arrays(inputs=\"x.npy\", targets=\"y.npy\") }\n", .tolerance = 5e-4, .offset = 300},
    REAL_NET("dropout", "2, 5, 6", "3, 5, 6", "conv(4, 3, pad=1) -> dropout; conv(3, 1) -> dropout(0.1)"),
    REAL_NET("dropout of the input, twice", "2, 5, 4", "2, 5, 4", "a = it -> dropout(0.3); b = it -> dropout(0.3); a + b; conv(2, 1); dropout(0)"),
    CLASS_NET("dropout of flat numbers", "2, 4, 4", "5", "flatten; linear(33) -> relu -> dropout(0.4); linear(5)"),
};

/* The sanitizers watch memory in the compiler, whose code is the same for the cases that are left out with them: half. */
#ifdef __SANITIZE_ADDRESS__
enum { SANITIZED = true };
#else
enum { SANITIZED = false };
#endif

static const KernelConfig configs[] = {
    {.opt_level = 0},
    {.opt_level = 2},
    {.march = "x86-64", .opt_level = 2},
    {.opt_level = 2, .lanes = 16},
    {.opt_level = 2, .no_fuse = true},
    {.opt_level = 2, .no_depth_first = true, .no_partial = true},
    {.opt_level = 1, .no_tile = true},
};

/* Winograd's way, with every tile: odd sizes, pads from none to the kernel's, tiles that overhang, all that is fused behind. */
static const struct WinogradCase { Case net; int kernel, stride; } winograd_cases[] = {
    {REAL_NET("winograd 3x3", "3, 13, 10", "7, 11, 8", "conv(5, 3, pad=1) -> relu; conv(7, 3)"), 3, 1},
    {REAL_NET("winograd 3x3, wide padding", "2, 5, 6", "18, 7, 8", "conv(3, 3, pad=1, bias=false); conv(18, 3, pad=2) -> tanh"), 3, 1},
    {REAL_NET("winograd 3x3 on one point", "17, 1, 1", "4, 1, 1", "conv(19, 3, pad=1); conv(4, 3, pad=1)"), 3, 1},
    {REAL_NET("winograd, channels in the lanes", "16, 6, 14", "5, 6, 14", "conv(5, 3, pad=1)"), 3, 1},
    {REAL_NET("winograd 5x5", "3, 14, 9", "4, 10, 7", "conv(6, 5, pad=2) -> silu; conv(4, 5, pad=(0, 1))"), 5, 1},
    {REAL_NET("winograd 2x2", "2, 8, 9", "3, 6, 7", "conv(4, 2); conv(3, 2)"), 2, 1},
    {CLASS_NET("winograd behind and before pools", "1, 12, 12", "5", "conv(8, 3, pad=1) -> relu -> max_pool(2); conv(12, 3, pad=1) -> dropout(0.2) -> avg_pool(2); flatten -> linear(5)"), 3, 1},
    {CLASS_NET("winograd before pools, tiles that overhang", "2, 14, 12", "5", "conv(6, 3, pad=1) -> relu -> max_pool(2); conv(5, 3, pad=1) -> tanh -> avg_pool((1, 2)); flatten -> linear(5)"), 3, 1},
    {NORM_NET("winograd in a residual block", "4, 6, 7", "4, 6, 7", "skip = it; conv(6, 3, pad=1, bias=false) -> batch_norm -> relu; conv(4, 3, pad=1, bias=false) -> batch_norm; it + skip -> relu"), 3, 1},
    {CLASS_NET("winograd before pools whose argument is kept", "2, 12, 9", "5", "conv(6, 3, pad=1) -> sigmoid -> max_pool((2, 3)) -> relu -> flatten -> linear(5)"), 3, 1},
    {CLASS_NET("winograd before pools of two sizes", "2, 12, 9", "5", "conv(4, 1); conv(6, 3, pad=1) -> max_pool((2, 3)); conv(6, 3, pad=1) -> avg_pool(3); flatten -> linear(5)"), 3, 1},
    /* Products over the whole batch (plan_goes_across) with tiles of 4 and 6, whose lane blocks are not as many as there are images for. */
    {REAL_NET("winograd with weights larger than the cache", "4, 3, 5", "4, 3, 5", "conv(260, 1); conv(256, 3, pad=1) -> relu; conv(256, 3, pad=1, groups=2) -> tanh; conv(4, 1)"), 3, 1},
    {REAL_NET("winograd in groups", "6, 11, 9", "8, 9, 9", "conv(12, 3, pad=1, groups=3) -> relu; conv(4, 5, pad=2, groups=2); conv(8, 3, pad=(0, 1), groups=4)"), 3, 1},
    {CLASS_NET("winograd in groups, channels in the lanes, before a pool", "64, 6, 8", "5", "batch_norm; conv(64, 3, pad=1, groups=2, bias=false) -> batch_norm; conv(32, 3, pad=1, groups=4) -> tanh -> avg_pool(2); flatten -> linear(5)"), 3, 1},
    {OPTIM_NET("winograd, all of sgd", "momentum=0.9, nesterov=true, weight_decay=0.01", "2, 7, 7", "4", "conv(6, 3, pad=1) -> tanh; conv(20, 3) -> tanh -> flatten; linear(4)"), 3, 1},
    {REAL_NET("winograd in steps", "3, 13, 10", "7, 3, 2", "conv(5, 3, stride=2, pad=1) -> relu; conv(7, 3, stride=2)"), 3, 2},
    {REAL_NET("winograd in steps that end before the picture", "2, 12, 16", "4, 5, 7", "conv(3, 3, pad=1) -> tanh; conv(4, 3, stride=2, pad=(0, 2)) -> relu; conv(4, 3, pad=(1, 0))"), 3, 2},
    {NORM_NET("winograd in steps, in a residual block with channels in the lanes", "16, 12, 14", "32, 6, 7", "batch_norm; skip = it -> conv(32, 1, stride=2); conv(32, 3, stride=2, pad=1, bias=false) -> batch_norm; it + skip -> relu"), 3, 2},
    {CLASS_NET("winograd in steps and groups, before a pool", "6, 17, 11", "5", "conv(6, 1); conv(12, 3, stride=2, pad=1, groups=3) -> relu -> max_pool(3); flatten -> linear(5)"), 3, 2},
    {REAL_NET("winograd 5x5 in steps of 2 and 3", "3, 15, 12", "4, 3, 2", "conv(6, 5, stride=2, pad=2) -> silu; conv(4, 5, stride=3, pad=(2, 2))"), 5, 2},
    {REAL_NET("winograd 4x4 in steps of 3", "2, 13, 9", "5, 4, 3", "conv(3, 3, pad=1); conv(5, 4, stride=3, pad=1)"), 4, 3},
    {REAL_NET("winograd in steps with weights larger than the cache", "4, 6, 5", "4, 3, 3", "conv(260, 1); conv(256, 3, stride=2, pad=1) -> relu; conv(4, 1)"), 3, 2},
};
static const KernelConfig winograd_configs[] = {
    {.opt_level = 2, .lanes = 8}, /* half lines: tiles in pairs */
    {.march = "x86-64", .opt_level = 2},
    {.opt_level = 2, .lanes = 16, .no_partial = true},
    {.opt_level = 2, .no_fuse = true},
    {.opt_level = 2, .no_depth_first = true},
    {.opt_level = 1, .no_tile = true},
};
enum { TILE_MIN = 2, TILES = 6, WINOGRAD_CASES = sizeof winograd_cases / sizeof *winograd_cases };

enum { CASES = sizeof cases / sizeof *cases, CONFIGS = sizeof configs / sizeof *configs, ALWAYS = 2 };

static void run_net(const Case *c, KernelConfig config, double tolerance) {
    KernelCompiled k = kernel_load(c->name, c->source, config);
    const int64_t sizes[] = {20, 1, 8, 13};
    for (int i = 0; i < 4; i++) {
        if (sizes[i] < c->least) continue;
        const char *why = kernel_check(&k, sizes[i], (KernelCheck){.whole = c->whole, .tolerance = tolerance, .seed = 77 + (uint64_t)i, .offset = c->offset});
        ck_assert_msg(!why, "%s, -O%d, %d lanes, tile %d, %lld images: %s", c->name, config.opt_level, k.model->lanes, config.winograd_tile, (long long)sizes[i], why ? why : "");
    }
    kernel_unload(&k);
}

static void run_case(int c, int config) {
    KernelConfig direct = configs[config];
    direct.no_winograd = true; /* its sums are neither exact nor as near */
    direct.by_input = (c + config) % 2;
    run_net(&cases[c], direct, cases[c].tolerance > 0 ? cases[c].tolerance : 2e-6);
}

/* Graphs as nobody's network gives them: updates that wait for each other in a circle, and roots that name a source. Biases `a` and `b`, running
 * statistics `m` and `v`. */
#define UPDATES_GRAPH(nodes, roots) \
    "network n Nx3 -> Nx3 from \"n.net\" source 1 \"n.net\" train { batch=20 }\n" \
    "%0: Nx3 = input  %a: 3 = param role=bias fan_in=0 fan_out=0  %b: 3 = param role=bias fan_in=0 fan_out=0\n" \
    "%m: 3 = param role=running_mean fan_in=0 fan_out=0  %v: 3 = param role=running_var fan_in=0 fan_out=0\n" \
    "%1: 3 = batch_mean(%0) id=1  %2: 3 = batch_var(%0, %1)  %3: 3 = inv_std(%v) eps=1e-05  %4: Nx3 = batch_norm(%0, %m, %3, %a, %b)\n" \
    "%5: N = image_weight  %6: scalar = learning_rate\n" nodes " output %4 loss %5 " roots
static const struct { const char *name, *text; } updates_cases[] = {
    {"parameters change places", UPDATES_GRAPH("", "update %a = %b update %b = %a update %m = %v update %v = %m")},
    {"each update reads what the other overwrites", UPDATES_GRAPH("%7: 3 = sgd(%a, %b, %6) %8: 3 = sgd(%b, %a, %6)", "update %a = %7 update %b = %8")},
    {"a kernel overwrites what one before it waits to read", /* statistics and their update; the other update and the old ones */
     UPDATES_GRAPH("%7: 3 = running_var_update(%v, %2) momentum=0.1 points=1 %8: 3 = sgd(%a, %3, %6) %9: 3 = sgd(%b, %2, %6)", "update %v = %7 update %a = %8 update %b = %9")},
    {"statistics, shifted by a channel's first point, of a gradient in phases, of which some have no taps",
     "network n Nx8x8x9 -> Nx8x8x24 from \"n.net\" source 1 \"n.net\" train { batch=20 }\n"
     "%0: Nx8x8x9 = input  %w: 8x8x3x1 = param role=weight fan_in=24 fan_out=24  %b: 8 = param role=bias fan_in=24 fan_out=24\n"
     "%m: 8 = param role=running_mean fan_in=0 fan_out=0  %v: 8 = param role=running_var fan_in=0 fan_out=0\n"
     "%1: Nx8x8x24 = conv_dx(%0, %w) stride=1,3 pad=1,1 size=8,24  %2: Nx8x8x24 = bias(%1, %b)  %3: 8 = batch_mean(%2) id=2  %4: 8 = batch_var(%2, %3)\n"
     "%5: N = image_weight  %6: 8 = running_mean_update(%m, %3) momentum=1  %7: 8 = running_var_update(%v, %4) momentum=1 points=192\n"
     " output %2 loss %5 update %m = %6 update %v = %7"},
    {"tiles that a pool has made of a convolution, and no product",
     "network n Nx2x8x32 -> Nx4x8x8 from \"n.net\" source 1 \"n.net\" train { batch=20 }\n"
     "%0: Nx2x8x32 = input  %w: 16x2x1x1 = param role=weight fan_in=2 fan_out=16  %1: Nx16x8x32 = conv(%0, %w)  %2: Nx16x4x16 = avg_pool(%1) window=2,2 stride=2,2\n"
     "%3: Nx4x8x8 = winograd_image(%2) tile=2 kernel=3 size=8,8  %4: N = image_weight output %3 loss %4"},
    {"copies of copies", UPDATES_GRAPH("%7: 3 = copy(%b) %8: 3 = copy(%7)", "update %a = %7 update %b = %8 update %v = %a update %m = %1")},
};

static void run_updates(int c, KernelConfig config) {
    Arena *a = arena_new();
    KernelCompiled k = kernel_compile(a, kernel_read_graph(a, updates_cases[c].name, updates_cases[c].text), config);
    const char *why = kernel_check(&k, 20, (KernelCheck){.tolerance = 2e-6, .seed = 5, .may_rest = true});
    ck_assert_msg(!why, "%s, -O%d: %s", updates_cases[c].name, config.opt_level, why ? why : "");
    kernel_unload(&k);
}

START_TEST(test_updates) {
    for (int level = 0; level <= 2; level += 2) run_updates(_i, (KernelConfig){.opt_level = level});
}
END_TEST

/* Every tile of a network, each in another configuration; one stage after the other, or in turns. */
START_TEST(test_winograd) {
    const struct WinogradCase *c = &winograd_cases[_i % WINOGRAD_CASES];
    KernelConfig config = winograd_configs[_i % (int)(sizeof winograd_configs / sizeof *winograd_configs)];
    config.winograd_tile = TILE_MIN + _i / WINOGRAD_CASES;
    if (!winograd_fits(config.winograd_tile, c->kernel, c->stride)) return;
    if (SANITIZED && (_i % WINOGRAD_CASES + config.winograd_tile) % 3) return;
    config.stream = _i % 3 == 0;
    config.row_steps = _i % 2 == 0; /* among them pools with every tile that has room for them */
    config.band_tiles = 2 - _i / 2 % 2;
    run_net(&c->net, config, c->net.tolerance > 0 ? 2 * c->net.tolerance : 2e-5);
}
END_TEST

/* Sums over the batch in runs of lane blocks: of one (tiles of 2), of all, and of two and a last one that is shorter, of several panels of input channels, runs of output channels and groups. */
START_TEST(test_winograd_runs) {
    static const Case nets[] = {
        REAL_NET("winograd, sums in runs of lane blocks", "16, 6, 14", "16, 6, 14", "conv(24, 3, pad=1) -> tanh; conv(16, 3, pad=1, groups=2)"),
        REAL_NET("winograd, sums in panels and runs of channels", "64, 12, 20", "4, 12, 20", "conv(288, 3, pad=1, groups=2) -> tanh; conv(4, 1)"),
    };
    if (SANITIZED && _i == 2) return; /* half a minute */
    run_net(&nets[_i / 2], (KernelConfig){.opt_level = 2, .lanes = 8, .no_partial = true, .row_steps = true, .stream = _i % 2, .winograd_tile = _i ? 4 : 2}, 2e-5);
}
END_TEST

START_TEST(test_every) {
    if (!SANITIZED || (_i % CASES + _i / CASES) % 2 == 0) run_case(_i % CASES, _i / CASES);
}
END_TEST

/* The configurations behind the first two take turns: each sees a quarter of the cases. */
START_TEST(test_turn) { run_case(_i, ALWAYS + _i % (CONFIGS - ALWAYS)); }
END_TEST

int main(int argc, char **argv) { /* --all: every case in every configuration */
    bool all = argc > 1 && !strcmp(argv[1], "--all");
    TCase *t = tcase_create("kernels");
    tcase_set_timeout(t, 240);
    tcase_add_loop_test(t, test_every, 0, CASES * (all ? CONFIGS : ALWAYS));
    if (!all) tcase_add_loop_test(t, test_turn, 0, CASES);
    tcase_add_loop_test(t, test_updates, 0, sizeof updates_cases / sizeof *updates_cases);
    TCase *w = tcase_create("winograd");
    tcase_set_timeout(w, 240);
    tcase_add_loop_test(w, test_winograd, 0, WINOGRAD_CASES * TILES);
    tcase_add_loop_test(w, test_winograd_runs, 0, 3);
    Suite *s = suite_create("kernels against the evaluator");
    suite_add_tcase(s, t);
    suite_add_tcase(s, w);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
