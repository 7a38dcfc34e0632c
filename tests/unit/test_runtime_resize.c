/* Resizing: the very bytes that Pillow 13 gives for Image.resize(size, BILINEAR), by check sums that tests/record_resize.py recorded. */
#include "resize.h"
#include "runtime_test.h"

#include <zlib.h>

typedef struct Case { int channels; long in_h, in_w, out_h, out_w; unsigned long crc; } Case;

/* The recorder's picture as planes. */
static uint8_t *picture(const Case *c)
{
    long plane = c->in_h * c->in_w;
    uint8_t *p = malloc((size_t)(plane * c->channels));
    uint32_t x = 1;
    for (long i = 0; i < plane * c->channels; i++) {
        x = x * 1664525u + 1013904223u;
        p[i % c->channels * plane + i / c->channels] = (uint8_t)(x >> 24);
    }
    return p;
}

static unsigned long resized_sum(const Case *c)
{
    Resizer *r = resize_new(c->in_h, c->in_w, c->out_h, c->out_w);
    uint8_t *in = picture(c), *scratch = malloc(resize_scratch(r)), *out = malloc((size_t)(c->out_h * c->out_w));
    unsigned long sum = crc32(0, NULL, 0);
    for (int k = 0; k < c->channels; k++) {
        resize_run(r, in + k * c->in_h * c->in_w, out, scratch);
        sum = crc32(sum, out, (uInt)(c->out_h * c->out_w));
    }
    free(in);
    free(scratch);
    free(out);
    resize_free(r);
    return sum;
}

START_TEST(test_as_pillow)
{
    FILE *in = fopen(TEST_DATA "/resize.txt", "r");
    Case c;
    int cases = 0;
    ck_assert_ptr_nonnull(in);
    ck_assert_int_eq(fscanf(in, "#%*[^\n]"), 0);
    while (fscanf(in, "%d %ld %ld %ld %ld %lu", &c.channels, &c.in_h, &c.in_w, &c.out_h, &c.out_w, &c.crc) == 6) {
        unsigned long sum = resized_sum(&c);
        ck_assert_msg(sum == c.crc, "%d x %ld x %ld to %ld x %ld differs", c.channels, c.in_h, c.in_w, c.out_h, c.out_w);
        cases++;
    }
    ck_assert_int_eq(cases, 70);
    fclose(in);
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
