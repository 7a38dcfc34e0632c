/* The curve: well-formed, both panels where there are accuracies, nothing but finite numbers in it. */
#include "plot.h"
#include "runtime_test.h"

#include <math.h>

/* The curve of a history; the caller frees it. */
static char *curve(const History *h)
{
    char folder[64], path[128], *text = calloc(1, 1 << 16);
    Fault f;
    FILE *in;
    scratch_folder(folder);
    snprintf(path, sizeof path, "%s/curve.svg", folder);
    ck_assert(plot_write(path, "a<b & c", h, &f));
    in = fopen(path, "rb");
    ck_assert_uint_gt(fread(text, 1, (1 << 16) - 1, in), 0);
    fclose(in);
    unlink(path);
    ck_assert_int_eq(rmdir(folder), 0); /* nothing else was left */
    ck_assert_has(text, "a&lt;b &amp; c");
    ck_assert_has(text, "</svg>\n");
    ck_assert_ptr_null(strstr(text, "nan"));
    ck_assert_ptr_null(strstr(text, "inf"));
    return text;
}

static int occurrences(const char *text, const char *part)
{
    int n = 0;
    while ((text = strstr(text, part))) {
        n++;
        text += strlen(part);
    }
    return n;
}

START_TEST(test_panels)
{
    History h = {0};
    char *text;
    for (int i = 1; i <= 10; i++)
        history_add(&h, (EpochResult){i, 2.0 / i, 1 - 0.5 / i, 2.2 / i, 1 - 0.6 / i, 1000, 1, 0, 0});
    text = curve(&h);
    ck_assert_int_eq(occurrences(text, "<path class=\"line train\""), 2);
    ck_assert_int_eq(occurrences(text, "<path class=\"line test\""), 2);
    ck_assert_int_eq(occurrences(text, "<circle"), 40);
    free(text);
    history_free(&h);
}
END_TEST

START_TEST(test_loss_only)
{
    History h = {0};
    char *text;
    history_add(&h, (EpochResult){1, 0.5, NAN, NAN, NAN, 1, 1, 0, 0});
    text = curve(&h);
    ck_assert_int_eq(occurrences(text, "<path"), 1);
    ck_assert_ptr_null(strstr(text, "accuracy"));
    free(text);
    history_free(&h);
}
END_TEST

START_TEST(test_odd_histories)
{
    static const double odd[][2] = {{0, 0}, {1e-300, 1e-300}, {1e300, -1e300}, {5, 5}};
    History empty = {0};
    free(curve(&empty));
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        History h = {0};
        history_add(&h, (EpochResult){1, odd[i][0], 0, INFINITY, 0, 1, 1, 0, 0});
        history_add(&h, (EpochResult){1, odd[i][0], 0, NAN, NAN, 1, 1, 0, 0});
        history_add(&h, (EpochResult){2, odd[i][1], 1, 0.5, 1, 1, 1, 0, 0});
        free(curve(&h));
        history_free(&h);
    }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_panels, test_loss_only, test_odd_histories, NULL};
    return run_suite("plot", tests);
}
