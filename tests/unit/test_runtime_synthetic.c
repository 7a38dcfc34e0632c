/* Generated pictures: the same for the same seed, all classes, any size, and not to be told apart by single pixels. */
#include "synthetic.h"
#include "runtime_test.h"

static Dataset made(int64_t count, int64_t c, int64_t h, int64_t w, uint64_t seed, int part)
{
    Dataset d = {.elements = c * h * w};
    synthetic_make(&d, count, c, h, w, 10, seed, part);
    return d;
}

START_TEST(test_same_again)
{
    Dataset a = made(500, 1, 28, 28, 1, 0), b = made(500, 1, 28, 28, 1, 0), c = made(100, 1, 28, 28, 1, 0), d = made(500, 1, 28, 28, 2, 0),
            e = made(500, 1, 28, 28, 1, 1);
    ck_assert_mem_eq(a.pixels, b.pixels, 500 * 784);
    ck_assert_mem_eq(a.classes, b.classes, 500);
    ck_assert_mem_eq(a.pixels, c.pixels, 100 * 784); /* whatever the count */
    ck_assert_mem_ne(a.pixels, d.pixels, 500 * 784);
    ck_assert_mem_ne(a.pixels, e.pixels, 500 * 784);
    dataset_free(&a);
    dataset_free(&b);
    dataset_free(&c);
    dataset_free(&d);
    dataset_free(&e);
}
END_TEST

START_TEST(test_classes_are_even)
{
    Dataset d = made(10000, 1, 8, 8, 1, 0);
    int count[10] = {0};
    for (int i = 0; i < 10000; i++)
        count[d.classes[i]]++;
    for (int k = 0; k < 10; k++)
        ck_assert(count[k] > 850 && count[k] < 1150);
    dataset_free(&d);
}
END_TEST

START_TEST(test_any_size)
{
    static const int64_t sizes[][3] = {{1, 1, 1}, {3, 1, 50}, {2, 37, 5}, {4, 96, 96}, {3, 224, 224}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        Dataset d = made(20, sizes[i][0], sizes[i][1], sizes[i][2], 1, 0);
        int most = 0;
        for (int64_t k = 0; k < d.count * d.elements; k++)
            most = d.pixels[k] > most ? d.pixels[k] : most;
        ck_assert_int_eq(d.count, 20);
        ck_assert_msg(most > 100, "%lldx%lldx%lld is dark", (long long)sizes[i][0], (long long)sizes[i][1], (long long)sizes[i][2]);
        dataset_free(&d);
    }
}
END_TEST

/* Two classes are the first two of ten; a flat input of 21 numbers is the start of a 5x5 picture. */
START_TEST(test_fewer_classes_and_numbers)
{
    Dataset d = {.elements = 21}, whole = {.elements = 25};
    int count[2] = {0};
    synthetic_make(&d, 1000, 1, 5, 5, 2, 1, 0);
    synthetic_make(&whole, 1000, 1, 5, 5, 2, 1, 0);
    for (int64_t i = 0; i < 1000; i++) {
        ck_assert_mem_eq(d.pixels + i * 21, whole.pixels + i * 25, 21);
        ck_assert_int_lt(d.classes[i], 2);
        count[d.classes[i]]++;
    }
    ck_assert(count[0] > 400 && count[1] > 400);
    dataset_free(&d);
    dataset_free(&whole);
}
END_TEST

START_TEST(test_counts_shrink_with_size)
{
    ck_assert_int_eq(synthetic_count(1, 0), 120000);
    ck_assert_int_eq(synthetic_count(784, 0), 120000);
    ck_assert_int_eq(synthetic_count(784, 1), 10000);
    ck_assert_int_eq(synthetic_count(96 * 96, 0), 10922); /* 96 MiB of 9216 bytes */
    ck_assert_int_eq(synthetic_count(48 * 48, 1), 3640);
    ck_assert_int_eq(synthetic_count(96 * 96, 1), 1000);
    ck_assert_int_eq(synthetic_count(3 * 224 * 224, 0), 1000);
    ck_assert_int_eq(synthetic_count(3 * 224 * 224, 1), 1000);
}
END_TEST

/* What a picture's nearest class mean tells about its class: a rough bound from below for how easy the set is to a linear
 * model. It must be better than chance and far from enough. */
START_TEST(test_not_too_easy)
{
    Dataset d = made(6000, 1, 28, 28, 3, 0), t = made(1000, 1, 28, 28, 3, 1);
    static double mean[10][784];
    int count[10] = {0}, right = 0;
    for (int64_t i = 0; i < d.count; i++, count[d.classes[i - 1]]++)
        for (int k = 0; k < 784; k++)
            mean[d.classes[i]][k] += d.pixels[i * 784 + k];
    for (int64_t i = 0; i < t.count; i++) {
        int best = 0;
        double least = 1e30;
        for (int c = 0; c < 10; c++) {
            double distance = 0;
            for (int k = 0; k < 784; k++) {
                double e = mean[c][k] / count[c] - t.pixels[i * 784 + k];
                distance += e * e;
            }
            best = distance < least ? c : best;
            least = distance < least ? distance : least;
        }
        right += best == t.classes[i];
    }
    ck_assert_msg(right > 300 && right < 750, "%d of 1000", right);
    dataset_free(&d);
    dataset_free(&t);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_same_again, test_classes_are_even, test_any_size, test_fewer_classes_and_numbers,
                                  test_counts_shrink_with_size, test_not_too_easy, NULL};
    return run_suite("synthetic", tests);
}
