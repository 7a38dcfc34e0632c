/* The page's escaping, and the reader of what trainers measure. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "html_internal.h"
#include "timing.h"

#define FFFD "\xEF\xBF\xBD"

START_TEST(test_escape) {
    static const struct { const char *in, *out; } cases[] = {
        {"", ""},
        {"a <b> & \"c\" 'd'", "a &#60;b&#62; &#38; &#34;c&#34; &#39;d&#39;"},
        {"tab\tline\n\xC3\xA9 \xE2\x86\x92 \xF0\x9F\x98\x80", "tab\tline\n\xC3\xA9 \xE2\x86\x92 \xF0\x9F\x98\x80"},
        {"\x01\x1F\x7F\r", FFFD FFFD FFFD FFFD},
        {"\xC2\x80", FFFD},                              /* a control character of two bytes */
        {"\xFF \xC3", FFFD " " FFFD},                    /* no character, and half of one */
        {"\xC0\xBC", FFFD FFFD},                         /* '<' at greater length than it has */
        {"\xED\xA0\x80", FFFD FFFD FFFD},                /* half of a surrogate pair */
        {"\xEF\xBF\xBF \xEF\xB7\x90", FFFD " " FFFD},    /* never characters */
        {"\xF4\x90\x80\x80", FFFD FFFD FFFD FFFD},       /* beyond the last one */
        {"\xC3<", FFFD "&#60;"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Text t = {0};
        char *block = malloc(strlen(cases[i].in) + 1); /* without room for a look behind its end */
        text_printf(&t, "%s", "");
        memcpy(block, cases[i].in, strlen(cases[i].in));
        html_escape(&t, block, strlen(cases[i].in));
        ck_assert_str_eq(t.at, cases[i].out);
        free(block);
        text_free(&t);
    }
    Text t = {0};
    html_escape(&t, "a\0b", 3);
    ck_assert_str_eq(t.at, "a" FFFD "b");
    text_free(&t);
}
END_TEST

START_TEST(test_within) {
    ck_assert(html_within("stage1.conv1", "stage1"));
    ck_assert(html_within("stage1", "stage1"));
    ck_assert(!html_within("stage10", "stage1"));
    ck_assert(!html_within("stage1", "stage1.conv1"));
}
END_TEST

#define KERNELS "\"kernels\":[{\"name\":\"conv1.forward\",\"layer\":\"conv1\",\"ms\":0.5,\"gflops\":12.5,\"bytes\":7},{\"ms\":1e-3,\"name\":\"b\"}]"

/* The text as a block of its own size, so that a sanitizer sees any look behind it. */
static const Timing *parse(Arena *a, const char *text, size_t *at, const char **error) {
    size_t n = strlen(text);
    char *block = malloc(n ? n : 1);
    memcpy(block, text, n);
    const Timing *t = timing_parse(a, block, n, at, error);
    free(block);
    return t;
}

START_TEST(test_timing) {
    Arena *a = arena_new();
    const char *error = NULL;
    size_t at;
    const Timing *t = parse(a, " {\"peak_gflops\": 100, \"batch\":128, \"threads\":2,\"step_ms\":3.5,\"layers\":[{\"x\":[null,true,-1.5e+2,{}]},[]], " KERNELS "}\n", &at, &error);
    ck_assert_msg(t != NULL, "%s", error);
    ck_assert_double_eq(t->peak_gflops, 100);
    ck_assert_double_eq(t->step_ms, 3.5);
    ck_assert_int_eq(t->batch, 128);
    ck_assert_int_eq(t->threads, 2);
    ck_assert_int_eq(t->kernels.n, 2);
    ck_assert_str_eq(t->kernels.at[0].name, "conv1.forward");
    ck_assert_double_eq(t->kernels.at[0].ms, 0.5);
    ck_assert_double_eq(t->kernels.at[0].gflops, 12.5);
    ck_assert_double_eq(t->kernels.at[1].ms, 1e-3);
    arena_free(a);
}
END_TEST

START_TEST(test_bad_timing) {
    static const char *const bad[] = {
        "", "[]", "null", "{", "{}", "{\"peak_gflops\":1}", "{" KERNELS "}", "{\"peak_gflops\":0," KERNELS "}", "{\"peak_gflops\":1,\"kernels\":[]}",
        "{\"peak_gflops\":1,\"kernels\":[{\"name\":\"a\"}]}", "{\"peak_gflops\":1,\"kernels\":[{\"ms\":1}]}", "{\"peak_gflops\":1,\"kernels\":[{\"name\":\"a\",\"ms\":-1}]}",
        "{\"peak_gflops\":\"1\"," KERNELS "}", "{\"peak_gflops\":+1," KERNELS "}", "{\"peak_gflops\":0x1," KERNELS "}", "{\"peak_gflops\":1e999," KERNELS "}",
        "{\"peak_gflops\":1," KERNELS "} x", "{\"peak_gflops\":1," KERNELS, "{\"peak_gflops\":1 " KERNELS "}", "{\"peak_gflops\" 1," KERNELS "}",
        "{\"peak_gflops\":1,\"batch\":0," KERNELS "}", "{\"peak_gflops\":1,\"batch\":1.5," KERNELS "}", "{\"a\\u0041\":1,\"peak_gflops\":1," KERNELS "}", "{\"x\":nul,\"peak_gflops\":1," KERNELS "}",
        "{\"x\":\"open", "{\"x\":\"\n\"", "{\"x\":tru"};
    Arena *a = arena_new();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *error = NULL;
        size_t at = 0;
        ck_assert_msg(!parse(a, bad[i], &at, &error), "%s was taken", bad[i]);
        ck_assert_msg(error && at <= strlen(bad[i]), "%s: %s at %zu", bad[i], error ? error : "no reason", at);
    }
    char deep[4096] = "{\"x\":";
    memset(deep + 5, '[', sizeof deep - 6);
    const char *error = NULL;
    size_t at;
    ck_assert(!parse(a, deep, &at, &error));
    ck_assert_str_eq(error, "values are nested too deep");
    arena_free(a);
}
END_TEST

int main(void) {
    Suite *s = suite_create("html");
    TCase *c = tcase_create("html");
    tcase_add_test(c, test_escape);
    tcase_add_test(c, test_within);
    tcase_add_test(c, test_timing);
    tcase_add_test(c, test_bad_timing);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
