/* Resizing: the very bytes that Pillow 11.3 gives for Image.resize(size, BILINEAR). */
#include "resize.h"
#include "runtime_test.h"

/* 5 wide, 4 high. */
static const uint8_t picture[20] = {0, 77, 199, 28, 153, 130, 36, 98, 181, 53, 144, 19, 2, 170, 238, 71, 205, 46, 183, 172};

static void check(int64_t w, int64_t h, const uint8_t *want)
{
    Resizer *r = resize_new(4, 5, h, w);
    uint8_t *scratch = malloc(resize_scratch(r)), *out = malloc((size_t)(w * h));
    resize_run(r, picture, out, scratch);
    ck_assert_mem_eq(out, want, (size_t)(w * h));
    free(scratch);
    free(out);
    resize_free(r);
}

START_TEST(test_as_pillow)
{
    check(3, 7, (const uint8_t[]){33, 134, 99, 53, 123, 102, 86, 105, 107, 90, 73, 159, 93, 48, 207, 114, 87, 188, 128, 112, 177});
    check(12, 2, (const uint8_t[]){76, 73, 63, 52, 80, 112, 124, 119, 114, 117, 121, 122, 111, 109, 106, 101, 76, 49, 64, 124, 178, 180, 183, 183});
    check(1, 1, (const uint8_t[]){107});
    check(5, 4, picture);
}
END_TEST

START_TEST(test_flat_stays_flat)
{
    uint8_t in[28 * 28], out[96 * 96];
    Resizer *r = resize_new(28, 28, 96, 96);
    uint8_t *scratch = malloc(resize_scratch(r));
    memset(in, 255, sizeof in);
    resize_run(r, in, out, scratch);
    for (size_t i = 0; i < sizeof out; i++)
        ck_assert_int_eq(out[i], 255);
    free(scratch);
    resize_free(r);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_as_pillow, test_flat_stays_flat, NULL};
    return run_suite("resize", tests);
}
