/* The reader of JSON: what it takes, what it refuses, and that it stays inside its text. */
#include "json.h"
#include "runtime_test.h"

/* Reads a string from text that ends just where the heap block ends, so that a sanitizer sees any look behind. */
static bool string_of(const char *text, char *out, size_t size)
{
    size_t n = strlen(text);
    char *block = malloc(n ? n : 1), *s = NULL;
    Json j = {block, block, block + n};
    bool ok;
    memcpy(block, text, n);
    ok = json_string(&j, &s) && json_end(&j);
    snprintf(out, size, "%s", s ? s : "");
    free(s);
    free(block);
    return ok;
}

START_TEST(test_strings)
{
    static const char *const bad[] = {"", "\"", "\"a", "\"\\", "\"\\\"", "\"\\x\"", "\"\\u\"", "\"\\u12\"", "\"\\u0000\"", "\"\\ud800\"", "\"\\ud800\\u0041\"",
                                      "\"\\udc00\"", "\"\n\"", "a", "\"a\"b"};
    char s[64];
    ck_assert(string_of(" \"a\\n\\\\\\/\\u00e9\\u20AC\\ud83d\\ude00\" ", s, sizeof s));
    ck_assert_str_eq(s, "a\n\\/\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(!string_of(bad[i], s, sizeof s), "%s was taken", bad[i]);
}
END_TEST

static bool integer_of(const char *text, int64_t *v)
{
    Json j = {text, text, text + strlen(text)};
    return json_integer(&j, v) && json_end(&j);
}

START_TEST(test_integers)
{
    static const char *const bad[] = {"", "-1", "01", "1.5", "1e3", "9223372036854775808", "x"};
    int64_t v;
    ck_assert(integer_of(" 9223372036854775807 ", &v) && v == INT64_MAX);
    ck_assert(integer_of("0", &v) && v == 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(!integer_of(bad[i], &v), "%s was taken", bad[i]);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_strings, test_integers, NULL};
    return run_suite("json", tests);
}
