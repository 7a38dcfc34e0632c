/* runtime_test.h: what the unit tests of the runtime share: a scratch folder, files made of bytes, and running a suite. */
#ifndef RUNTIME_TEST_H
#define RUNTIME_TEST_H

#include <check.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A new folder under /tmp into path (at least 64 bytes). */
static inline void scratch_folder(char *path)
{
    strcpy(path, "/tmp/netc-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(path));
}

/* Writes bytes to the file folder/name, whose path goes to `path` (at least 128 bytes). */
static inline void scratch_file(char *path, const char *folder, const char *name, const void *bytes, size_t n)
{
    FILE *out;
    snprintf(path, 128, "%s/%s", folder, name);
    out = fopen(path, "wb");
    ck_assert_ptr_nonnull(out);
    ck_assert_uint_eq(fwrite(bytes, 1, n, out), n);
    ck_assert_int_eq(fclose(out), 0);
}

/* Cuts the file, which has *n bytes, to the next of the lengths at which a reader is tried: a hundred or so chance places, then every one
 * of the first KiB. Starts with *x = any seed; false when there is none left. */
static inline int scratch_cut(const char *path, size_t *n, uint32_t *x, size_t whole)
{
    size_t step = 1;
    if (*n == 0)
        return 0;
    if (*n > 1024) {
        *x = *x * 1664525u + 1013904223u;
        step += (*x >> 8) % (whole / 50);
        step = *n - step > 1024 && step < *n ? step : *n - 1023;
    }
    *n -= step;
    ck_assert_int_eq(truncate(path, (off_t)*n), 0);
    return 1;
}

/* Fails unless the text has this part. */
#define ck_assert_has(text, part) ck_assert_msg(strstr((text), (part)) != NULL, "'%s' does not say '%s'", (text), (part))

/* Runs the tests (a null-terminated table) and gives main's exit code. */
static inline int run_suite(const char *name, const TTest *const *tests)
{
    Suite *s = suite_create(name);
    TCase *c = tcase_create(name);
    SRunner *r;
    int failed;
    tcase_set_timeout(c, 60);
    for (; *tests; tests++)
        tcase_add_test(c, *tests);
    suite_add_tcase(s, c);
    r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}

#endif
