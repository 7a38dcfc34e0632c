/* Initial weights: bounds and moments of each formula, and that nothing but seed and name matters. */
#include "init.h"
#include "runtime_test.h"

#include <math.h>

enum { IN = 300, OUT = 200, N = IN * OUT };

/* A model of one weight and one bias. */
static void fill(nrt_init_kind kind, const char *name, uint64_t seed, float *state)
{
    nrt_tensor t[2] = {{name, NRT_WEIGHT, 2, {OUT, IN, 0, 0}, 0, IN, OUT}, {"b", NRT_BIAS, 1, {OUT, 0, 0, 0}, N * 4, IN, OUT}};
    nrt_model m = {.tensor_count = 2, .tensors = t};
    m.train.init = kind;
    init_state(&m, (char *)state, seed);
}

START_TEST(test_formulas)
{
    const double uniform[3] = {sqrt(1.0 / IN), sqrt(6.0 / (IN + OUT)), sqrt(6.0 / IN)}, normal[2] = {sqrt(2.0 / (IN + OUT)), sqrt(2.0 / IN)};
    const nrt_init_kind uniform_kind[3] = {NRT_TORCH_DEFAULT, NRT_XAVIER_UNIFORM, NRT_KAIMING_UNIFORM}, normal_kind[2] = {NRT_XAVIER_NORMAL, NRT_KAIMING_NORMAL};
    float *w = malloc((N + OUT) * sizeof *w);
    for (int c = 0; c < 5; c++) {
        double sum = 0, squares = 0, most = 0, want = c < 3 ? uniform[c] / sqrt(3) : normal[c - 3], bias = 0;
        fill(c < 3 ? uniform_kind[c] : normal_kind[c - 3], "w", 1, w);
        for (int i = 0; i < N; i++) {
            sum += w[i];
            squares += (double)w[i] * w[i];
            most = fmax(most, fabs((double)w[i]));
        }
        ck_assert(fabs(sum / N) < 5 * want / sqrt(N));
        ck_assert(fabs(sqrt(squares / N) / want - 1) < 0.01);
        ck_assert(c < 3 ? most <= uniform[c] * (1 + 1e-6) && most > uniform[c] * 0.999 : most > 3.5 * want && most < 6 * want);
        for (int i = N; i < N + OUT; i++)
            bias = fmax(bias, fabs((double)w[i]));
        ck_assert(bias <= uniform[0] * (1 + 1e-6) && bias > uniform[0] * 0.9);
    }
    free(w);
}
END_TEST

START_TEST(test_seed_and_name)
{
    static float a[N + OUT], b[N + OUT];
    fill(NRT_XAVIER_UNIFORM, "w", 1, a);
    fill(NRT_XAVIER_UNIFORM, "w", 1, b);
    ck_assert_mem_eq(a, b, sizeof a);
    fill(NRT_XAVIER_UNIFORM, "w", 2, b);
    ck_assert(a[0] != b[0] && a[N] != b[N]);
    fill(NRT_XAVIER_UNIFORM, "v", 1, b);
    ck_assert(a[0] != b[0] && a[N] == b[N]);
}
END_TEST

START_TEST(test_roles)
{
    static const nrt_role roles[] = {NRT_SCALE, NRT_SHIFT, NRT_RUNNING_MEAN, NRT_RUNNING_VAR, NRT_OPTIM};
    static const float values[] = {1, 0, 0, 1, 0};
    for (int i = 0; i < 5; i++) {
        nrt_tensor t = {"t", (int32_t)roles[i], 1, {3, 0, 0, 0}, 0, 0, 0};
        nrt_model m = {.tensor_count = 1, .tensors = &t};
        float state[4] = {7, 7, 7, 7};
        init_state(&m, (char *)state, 1);
        ck_assert(state[0] == values[i] && state[2] == values[i] && state[3] == 7);
    }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_formulas, test_seed_and_name, test_roles, NULL};
    return run_suite("init", tests);
}
