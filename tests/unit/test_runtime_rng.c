/* The generator: known numbers, ranges, moments. */
#include "rng.h"
#include "runtime_test.h"

#include <math.h>

START_TEST(test_known) /* xoshiro256** from the state 1, 2, 3, 4: the authors' reference gives 11520, 0, 1509978240, ... */
{
    Rng r = {{1, 2, 3, 4}};
    ck_assert(rng_next(&r) == 11520u);
    ck_assert(rng_next(&r) == 0u);
    ck_assert(rng_next(&r) == 1509978240u);
    ck_assert(rng_next(&r) == 1215971899390074240u);
}
END_TEST

START_TEST(test_streams)
{
    Rng a = rng_new(1, 1), b = rng_new(1, 1), c = rng_new(1, 2), d = rng_new(2, 1);
    uint64_t x = rng_next(&a);
    ck_assert(x == rng_next(&b) && x != rng_next(&c) && x != rng_next(&d));
    ck_assert(rng_hash("a") == 0xaf63dc4c8601ec8cu);
}
END_TEST

START_TEST(test_below)
{
    Rng r = rng_new(5, 5);
    int count[7] = {0};
    for (int i = 0; i < 70000; i++)
        count[rng_below(&r, 7)]++;
    for (int i = 0; i < 7; i++)
        ck_assert(count[i] > 9600 && count[i] < 10400);
    ck_assert(rng_below(&r, 1) == 0);
}
END_TEST

START_TEST(test_normal)
{
    Rng r = rng_new(6, 6);
    double sum = 0, squares = 0;
    for (int i = 0; i < 100000; i++) {
        double v = rng_normal(&r);
        sum += v;
        squares += v * v;
    }
    ck_assert(fabs(sum / 1e5) < 0.015 && fabs(squares / 1e5 - 1) < 0.02);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_known, test_streams, test_below, test_normal, NULL};
    return run_suite("rng", tests);
}
