/* test_link.c: an executable appears whole or not at all, and nothing is left behind. */
#include "../../compiler/link.h"
#include "loop_harness.h"

#include <check.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static Arena *arena;
static char folder[64];
static Text object; /* of a small program */

static const char *in_folder(const char *name) {
    return arena_printf(arena, "%s/%s", folder, name);
}

static int run(const char *const *args) {
    pid_t child = fork();
    if (child == 0) {
        execvp(args[0], (char *const *)(uintptr_t)args);
        _exit(127);
    }
    int status = 0;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int count_files(const char *path) {
    DIR *d = opendir(path);
    int n = 0;
    ck_assert_ptr_nonnull(d);
    while (readdir(d)) n++;
    closedir(d);
    return n - 2;
}

/* A folder with a runtime whose main() reads the model, and an empty folder for temporary files. */
static void setup(void) {
    static const char source[] = "extern const struct { int abi, lanes; } nrt_the_model;\n"
                                 "void nrt_parallel_for(void);\nvoid nrt_parallel_for(void) {}\n"
                                 "int main(void) { return 10 * nrt_the_model.abi + nrt_the_model.lanes; }\n";
    arena = arena_new();
    strcpy(folder, "/tmp/netc-link-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(file_write(in_folder("rt.c"), source, sizeof source - 1, 0600), 0);
    ck_assert_int_eq(run((const char *[]){ "cc", "-c", "-o", in_folder("rt.o"), in_folder("rt.c"), NULL }), 0);
    ck_assert_int_eq(mkdir(in_folder("tmp"), 0700), 0);
    setenv("TMPDIR", in_folder("tmp"), 1);
    Harness h = harness_new(4, 4, 1);
    const char *error = NULL;
    Emitted *e = emit_program(h.a, h.p, NULL, target_new(h.a, NULL, NULL, &error), &(EmitOptions){ .opt_level = 1 });
    object = (Text){ 0 };
    emit_write(e, EMIT_OBJECT, &object);
    emit_free(e);
    harness_free(&h);
}

static void teardown(void) {
    run((const char *[]){ "rm", "-rf", folder, NULL });
    text_free(&object);
    arena_free(arena);
}

static int link_with(const char *linker, const char *output) {
    LinkOptions o = { .linker = linker, .runtime = in_folder("rt.o") };
    int code = link_executable(arena, diag_new(arena), &object, 1, output, &o);
    ck_assert_int_eq(count_files(in_folder("tmp")), 0);
    return code;
}

START_TEST(links) {
    const char *out = in_folder("a b");
    ck_assert_int_eq(link_with(NULL, out), EXIT_OK);
    ck_assert_int_eq(run((const char *[]){ out, NULL }), 10 * NRT_ABI + 4);
    ck_assert_int_eq(count_files(folder), 4);
    ck_assert_int_eq(link_with(NULL, out), EXIT_OK); /* over the old one */
}
END_TEST

START_TEST(missing_linker) {
    ck_assert_int_eq(link_with("/no/such/linker", in_folder("out")), EXIT_ENV);
    ck_assert_int_eq(count_files(folder), 3);
}
END_TEST

START_TEST(failing_linker) {
    ck_assert_int_eq(file_write(in_folder("out"), "old", 3, 0600), 0);
    ck_assert_int_eq(link_with("false", in_folder("out")), EXIT_ENV);
    char *text = NULL;
    size_t n = 0;
    ck_assert_int_eq(file_read(in_folder("out"), 100, &text, &n), 0);
    ck_assert_str_eq(text, "old");
    free(text);
    ck_assert_int_eq(count_files(folder), 4);
}
END_TEST

START_TEST(unwritable_output) {
    ck_assert_int_eq(link_with(NULL, in_folder("no/such/folder")), EXIT_IO);
    ck_assert_int_eq(link_with(NULL, in_folder("tmp")), EXIT_IO);
    ck_assert_int_eq(count_files(folder), 3);
}
END_TEST

START_TEST(missing_runtime) {
    LinkOptions o = { .runtime = "/no/such/libnrt.a" };
    ck_assert_int_eq(link_executable(arena, diag_new(arena), &object, 1, in_folder("out"), &o), EXIT_ENV);
    ck_assert_int_eq(count_files(folder), 3);
    ck_assert_int_eq(count_files(in_folder("tmp")), 0);
}
END_TEST

START_TEST(dry_run) {
    LinkOptions o = { .linker = "/no/such/linker", .runtime = in_folder("rt.o"), .dry_run = true };
    ck_assert_int_eq(link_executable(arena, diag_new(arena), &object, 1, in_folder("out"), &o), EXIT_OK);
    ck_assert_int_eq(count_files(folder), 3);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("link");
    TCase *tc = tcase_create("link");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, links);
    tcase_add_test(tc, missing_linker);
    tcase_add_test(tc, failing_linker);
    tcase_add_test(tc, unwritable_output);
    tcase_add_test(tc, missing_runtime);
    tcase_add_test(tc, dry_run);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
