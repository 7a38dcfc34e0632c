/* test_math.c: exp, log, sigmoid, tanh and erf of generated code against the double functions of libm, in units in the last place.
 *
 * Takes every 1021st float32 (1021 is prime: all exponents and mantissas are met) and the special values, as vectors and as
 * scalars, with fused multiply-adds and without. `--all` takes every float32.
 */
#include "../unit/loop_harness.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { COUNT = 4096, FUNCTIONS = 5 };

static int64_t stride = 1021;

static double sigmoid(double x) { return x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x)); }

static const struct { const char *name; ExprKind kind; double (*truth)(double); double ulps; } functions[FUNCTIONS] = {
    { "exp", EXPR_EXP, exp, 2 }, { "log", EXPR_LOG, log, 2 }, { "sigmoid", EXPR_SIGMOID, sigmoid, 4 }, { "tanh", EXPR_TANH, tanh, 4 },
    { "erf", EXPR_ERF, erf, 2 },
};

static float from_bits(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* |found - truth| in units of the last place of the float that is nearest to truth; 0 where both are the same infinity or NaN. */
static double ulp_error(float found, double truth) {
    float nearest = (float)truth;
    if (isnan(truth) || isnan(found)) return isnan(truth) && isnan(found) ? 0 : INFINITY;
    if (isinf(nearest) || isinf(found)) {
        if (isinf(nearest) && isinf(found) && (nearest > 0) == (found > 0)) return 0;
        float finite = isinf(found) ? nearest : found; /* at most one step beyond the largest number */
        return fabsf(finite) >= 0x1.fffffcp127f ? 1 : INFINITY;
    }
    int exponent;
    frexp(truth, &exponent);
    double unit = ldexp(1, exponent < -125 ? -149 : exponent - 24);
    return fabs((double)found - truth) / unit;
}

/* A program that maps COUNT numbers x to y, one array for each function. */
static Harness make_program(int lanes, const char *march, Buffer **x, Buffer **y) {
    Harness h = harness_new(lanes, 4, 1);
    int64_t dim[] = { COUNT / lanes, lanes };
    *x = harness_buffer(&h, "x", ELEM_F32, SPACE_ARENA, 2, dim, 0);
    for (int i = 0; i < FUNCTIONS; i++) {
        Kernel *k = harness_kernel(&h, functions[i].name, COUNT / lanes, COUNT / lanes);
        y[i] = harness_buffer(&h, arena_printf(h.a, "y%d", i), ELEM_F32, SPACE_ARENA, 2, dim, 0);
        Stmt *row = stmt_for(h.a, &(Var){ "row" }, LOOP_SERIAL, affine_var(h.a, k->lo), affine_var(h.a, k->hi), 1);
        row->var = arena_copy(h.a, row->var, sizeof *row->var);
        stmt_add(h.a, k->body, row);
        Stmt *lane = harness_loop(&h, row, LOOP_LANE, "l", 0, lanes);
        Affine at[] = { harness_var(&h, row), harness_var(&h, lane) };
        stmt_add(h.a, lane, stmt_store(h.a, y[i], at, expr_unary(h.a, functions[i].kind, expr_load(h.a, *x, at)), (Span){ 0 }));
    }
    harness_load(&h, march, 2);
    return h;
}

static void check_batch(const Harness *h, nrt_ctx *ctx, Buffer *x, Buffer **y, const float *in, double *worst) {
    memcpy(harness_at(ctx, x), in, COUNT * sizeof *in);
    h->model->step(ctx);
    for (int f = 0; f < FUNCTIONS; f++) {
        const float *out = harness_at(ctx, y[f]);
        for (int i = 0; i < COUNT; i++) {
            double error = ulp_error(out[i], functions[f].truth((double)in[i]));
            if (!(error <= functions[f].ulps)) /* Check writes a record for every assertion: too slow for millions */
                ck_abort_msg("%s(%a) = %a, off by %g ulp", functions[f].name, (double)in[i], (double)out[i], error);
            if (error > worst[f]) worst[f] = error;
        }
    }
}

static void check_functions(int lanes, const char *march) {
    Buffer *x, *y[FUNCTIONS];
    double worst[FUNCTIONS] = { 0 };
    float in[COUNT];
    Harness h = make_program(lanes, march, &x, y);
    nrt_ctx ctx = harness_open(&h, 4);
    int n = 0;
    for (int64_t bits = 0; bits < (int64_t)1 << 32; bits += stride) {
        in[n++] = from_bits((uint32_t)bits);
        if (n < COUNT) continue;
        check_batch(&h, &ctx, x, y, in, worst);
        n = 0;
    }
    while (n < COUNT) in[n++] = 0;
    check_batch(&h, &ctx, x, y, in, worst);
    for (int f = 0; f < FUNCTIONS; f++) {
        printf("%s, %d lanes, %s: %.3f ulp at most\n", functions[f].name, lanes, march ? march : "native", worst[f]);
        ck_assert_msg(worst[f] > 0.1, "%s was not tested", functions[f].name);
    }
    harness_close(&ctx);
    harness_free(&h);
}

START_TEST(vectors) { check_functions(8, NULL); }
END_TEST

START_TEST(scalars) { check_functions(1, NULL); }
END_TEST

START_TEST(vectors_without_fma) { check_functions(4, "x86-64"); }
END_TEST

static const float special[] = { 0.0f, -0.0f, INFINITY, -INFINITY, NAN, 0x1p-149f, -0x1p-149f, 0x1p-126f, -0x1p-126f, 0x1.fffffep127f, -0x1.fffffep127f,
                                 1.0f, -1.0f, 88.7f, 88.73f, -87.4f, -103.9f, -104.1f, 0x1.62e43p6f, 9.0f, -9.1f, 0.5f, 2.0f, 0x1.6a09e6p-1f };

START_TEST(special_values) {
    Buffer *x, *y[FUNCTIONS];
    double worst[FUNCTIONS];
    float in[COUNT];
    for (int i = 0; i < COUNT; i++) in[i] = special[(size_t)i % (sizeof special / sizeof *special)];
    Harness h = make_program(_i, NULL, &x, y);
    nrt_ctx ctx = harness_open(&h, 4);
    check_batch(&h, &ctx, x, y, in, worst);
    const float *e = harness_at(&ctx, y[0]), *l = harness_at(&ctx, y[1]), *s = harness_at(&ctx, y[2]), *t = harness_at(&ctx, y[3]), *r = harness_at(&ctx, y[4]);
    ck_assert(e[0] == 1 && e[2] > 0 && isinf(e[2]) && e[3] == 0 && isnan(e[4]));
    ck_assert(isinf(l[0]) && l[0] < 0 && isinf(l[1]) && l[1] < 0 && isinf(l[2]) && isnan(l[3]) && isnan(l[4]) && isnan(l[12]) && l[11] == 0);
    ck_assert(s[0] == 0.5f && s[2] == 1 && s[3] == 0 && isnan(s[4]));
    ck_assert(t[0] == 0 && !signbit(t[0]) && signbit(t[1]) && t[2] == 1 && t[3] == -1 && isnan(t[4]) && t[5] == 0x1p-149f && t[6] == -0x1p-149f);
    ck_assert(r[0] == 0 && !signbit(r[0]) && signbit(r[1]) && r[2] == 1 && r[3] == -1 && isnan(r[4]) && r[5] == 0x1p-149f && r[6] == -0x1p-149f);
    harness_close(&ctx);
    harness_free(&h);
}
END_TEST

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "--all") == 0) stride = 1;
    Suite *suite = suite_create("math");
    TCase *tc = tcase_create("ulps");
    tcase_set_timeout(tc, stride == 1 ? 36000 : 120);
    tcase_add_test(tc, vectors);
    tcase_add_test(tc, scalars);
#ifdef __x86_64__
    tcase_add_test(tc, vectors_without_fma);
#endif
    tcase_add_loop_test(tc, special_values, 1, 2);
    tcase_add_loop_test(tc, special_values, 8, 9);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
