/* The loader: every image once, in the order that seed and epoch give, with zeros and -1 behind the last one. */
#include "loader.h"
#include "runtime_test.h"

enum { COUNT = 1003, BATCH = 128 };

/* Image i is 784 bytes of i % 256 and has class i % 10. */
static Dataset numbered(void)
{
    Dataset d = {.count = COUNT, .elements = 784, .stored = 784, .channels = 1, .pixels = malloc(COUNT * 784), .classes = malloc(COUNT)};
    for (int i = 0; i < COUNT; i++) {
        memset(d.pixels + i * 784, i & 255, 784);
        d.classes[i] = (uint8_t)(i % 10);
    }
    return d;
}

static void check_batch(const Batch *b, int64_t first, bool ordered)
{
    int64_t rows = (b->n + 7) / 8 * 8, wrong = 0; /* counted: an assertion of Check costs a system call */
    for (int64_t r = 0; r < b->n && ordered; r++)
        wrong += b->labels[r] != (first + r) % 10 || b->x[r * 784] != (float)((first + r) & 255) / 255.0f || b->x[r * 784 + 783] != b->x[r * 784];
    for (int64_t r = b->n; r < rows; r++) {
        wrong += b->labels[r] != -1;
        for (int k = 0; k < 784; k++)
            wrong += b->x[r * 784 + k] != 0;
    }
    ck_assert_int_eq(wrong, 0);
}

START_TEST(test_in_order)
{
    Dataset d = numbered();
    Loader *l = loader_new(&d, &nrt_the_model, BATCH);
    for (int walk = 0; walk < 3; walk++) {
        int64_t at = walk * 100;
        const Batch *b;
        loader_begin(l, false, 0, 0, at);
        while ((b = loader_next(l))) {
            ck_assert_int_eq(b->n, COUNT - at < BATCH ? COUNT - at : BATCH);
            check_batch(b, at, true);
            at += b->n;
        }
        ck_assert_int_eq(at, COUNT);
        ck_assert_ptr_null(loader_next(l));
    }
    loader_free(l);
    dataset_free(&d);
}
END_TEST

/* The labels of a walk, in its order. */
static void walk_labels(Loader *l, uint64_t seed, uint64_t epoch, int64_t first, int32_t *out)
{
    const Batch *b;
    loader_begin(l, true, seed, epoch, first);
    for (int64_t at = first; (b = loader_next(l)); at += b->n)
        memcpy(out + at, b->labels, (size_t)b->n * sizeof *out);
}

START_TEST(test_shuffle)
{
    static int32_t a[COUNT], b[COUNT];
    int seen[10] = {0};
    Dataset d = numbered();
    Loader *l = loader_new(&d, &nrt_the_model, BATCH), *small = loader_new(&d, &nrt_the_model, 7);
    walk_labels(l, 3, 1, 0, a);
    walk_labels(small, 3, 1, 0, b);
    ck_assert_mem_eq(a, b, sizeof a); /* the order has nothing to do with the batch */
    memset(b, 0, sizeof b);
    walk_labels(l, 3, 1, 256, b);
    ck_assert_mem_eq(a + 256, b + 256, sizeof a - 256 * sizeof *a);
    walk_labels(l, 3, 2, 0, b);
    ck_assert_mem_ne(a, b, sizeof a);
    walk_labels(l, 4, 1, 0, b);
    ck_assert_mem_ne(a, b, sizeof a);
    for (int i = 0; i < COUNT; i++)
        seen[a[i]]++;
    for (int k = 0; k < 10; k++)
        ck_assert_int_eq(seen[k], k < 3 ? 101 : 100);
    loader_free(l);
    loader_free(small);
    dataset_free(&d);
}
END_TEST

START_TEST(test_every_image_once)
{
    static int32_t labels[COUNT];
    static int found[COUNT];
    Dataset d = {.count = COUNT, .elements = 784, .stored = 784, .channels = 1, .values = calloc(COUNT * 784, sizeof(float)), .labels = labels};
    Loader *l;
    const Batch *b;
    for (int i = 0; i < COUNT; i++)
        labels[i] = i;
    l = loader_new(&d, &nrt_the_model, BATCH);
    loader_begin(l, true, 9, 0, 0);
    while ((b = loader_next(l)))
        for (int64_t r = 0; r < b->n; r++)
            found[b->labels[r]]++;
    for (int i = 0; i < COUNT; i++)
        ck_assert_int_eq(found[i], 1);
    loader_free(l);
    free(d.values);
}
END_TEST

START_TEST(test_all_orders) /* of three images, all six orders are equally likely */
{
    static int32_t labels[3] = {0, 1, 2};
    int count[27] = {0};
    Dataset d = {.count = 3, .elements = 784, .stored = 784, .channels = 1, .values = calloc(3 * 784, sizeof(float)), .labels = labels};
    Loader *l = loader_new(&d, &nrt_the_model, 3);
    for (uint64_t seed = 0; seed < 1200; seed++) {
        const Batch *b;
        loader_begin(l, true, seed, 0, 0);
        b = loader_next(l);
        count[b->labels[0] * 9 + b->labels[1] * 3 + b->labels[2]]++;
    }
    for (int k = 0; k < 27; k++) {
        bool order = k / 9 != k / 3 % 3 && k / 9 != k % 3 && k / 3 % 3 != k % 3;
        ck_assert(order ? count[k] > 150 && count[k] < 250 : count[k] == 0);
    }
    loader_free(l);
    free(d.values);
}
END_TEST

START_TEST(test_walk_abandoned) /* a new walk may begin while the old one's batches are being made */
{
    Dataset d = numbered();
    Loader *l = loader_new(&d, &nrt_the_model, 16);
    for (int i = 0; i < 300; i++) {
        loader_begin(l, false, 0, 0, i);
        for (int k = 0; k < i % 5; k++)
            check_batch(loader_next(l), i + k * 16, true);
    }
    loader_free(l);
    dataset_free(&d);
}
END_TEST

START_TEST(test_dense_targets)
{
    nrt_model m = nrt_the_model;
    Dataset d = numbered();
    Loader *l;
    const Batch *b;
    m.train.loss = NRT_SQUARED_ERROR;
    l = loader_new(&d, &m, BATCH);
    loader_begin(l, false, 0, 0, 0);
    b = loader_next(l);
    for (int r = 0; r < BATCH; r++)
        for (int k = 0; k < 10; k++)
            ck_assert(b->target[r * 10 + k] == (k == r % 10 ? 1 : 0));
    loader_free(l);
    dataset_free(&d);
}
END_TEST

START_TEST(test_resize_on_the_way)
{
    Dataset d = {.count = 1, .elements = 784, .stored = 4, .channels = 1, .pixels = malloc(4), .classes = calloc(1, 1), .resize = resize_new(2, 2, 28, 28)};
    Loader *l;
    const Batch *b;
    memset(d.pixels, 51, 4);
    l = loader_new(&d, &nrt_the_model, 1);
    loader_begin(l, false, 0, 0, 0);
    b = loader_next(l);
    for (int k = 0; k < 784; k++)
        ck_assert(b->x[k] == 51 / 255.0f);
    loader_free(l);
    dataset_free(&d);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_in_order, test_shuffle, test_every_image_once, test_all_orders, test_walk_abandoned, test_dense_targets, test_resize_on_the_way, NULL};
    return run_suite("loader", tests);
}
