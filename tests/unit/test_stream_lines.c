/* test_stream_lines.c: which stores of a kernel go past the caches, with 8 lanes, two vectors of which fill a line. Kernels stand as text: what the pass makes of them is compared as text. */
#include "../../compiler/loop_text.h"
#include "../../compiler/stream_lines.h"

#include <check.h>
#include <string.h>

/* y: what is read late; h: the same with a halo of a point, so that points begin in the middle of a line; z: what is read soon. */
static const char program_text[] =
    "network net Nx4 -> Nx4 from \"net.net\"\n"
    "train { batch=8 }\n"
    "program lanes=8 chunk=1 state=0 arena=393216 scratch=0\n"
    "buffer y f32 [-1, 4, 16, 16, 8] arena offset=0 bytes=32768 base=0 stride [8192, 2048, 128, 8, 1]\n"
    "buffer h f32 [-1, 4, 16, 16, 8] arena offset=131072 bytes=41472 base=8 stride [10368, 2592, 144, 8, 1]\n"
    "buffer z f32 [-1, 4, 16, 16, 8] arena offset=262144 bytes=32768 base=0 stride [8192, 2048, 128, 8, 1]\n"
    "kernel k layer l other flops=0 bytes=0 slots=0 (lo, hi, task, n, blocks, chunks) \"\" {\n"
    "%s"
    "}\n"
    "step { segment s blocks { k } }\n"
    "infer { }\n";

/* How many stores to y, and (h) to h, are marked. */
typedef struct Marked { int y, h; } Marked;

static int count(const char *text, const char *what) {
    int n = 0;
    for (const char *at = strstr(text, what); at; at = strstr(at + 1, what)) n++;
    return n;
}

static Marked marked(const char *body) {
    Arena *a = arena_new();
    const char *text = arena_printf(a, program_text, body);
    Diag *d = diag_new(a);
    Program *p = loop_parse(a, d, diag_add_file(d, "t.loops", text, strlen(text)));
    if (!p) diag_flush(d, stderr, COLOR_NEVER, false);
    ck_assert(p != NULL);
    Map late = {0};
    for (int i = 0; i < p->buffers.n; i++)
        if (p->buffers.at[i]->name[0] != 'z') *map_at(a, &late, p->buffers.at[i]) = p;
    stream_lines(a, p->kernels.at[0]->body, p->lanes, &late);
    Text t = {0};
    loop_print(p, &t);
    char *copy = arena_str(a, t.at, t.n);
    text_free(&t);
    ck_assert_msg(!count(copy, "z[0, 0, 0, 0, l] <-"), "%s", copy);
    Marked m = {0, 0};
    for (char *at = strstr(copy, "] <-"); at; at = strstr(at + 1, "] <-")) {
        char *name = at;
        while (*--name != '[') continue;
        m.y += name[-1] == 'y';
        m.h += name[-1] == 'h';
    }
    arena_free(a);
    return m;
}

#define LANES(body) "lane l = 0 .. 8 {\n" body "}\n"

START_TEST(pairs) {
    ck_assert_int_eq(marked(LANES("y[0, 0, 0, 0, l] = 1.0\nz[0, 0, 0, 0, l] = 1.0\ny[0, 0, 0, 1, l] = 1.0\nz[0, 0, 0, 1, l] = 1.0\n")).y, 2);
    ck_assert_int_eq(marked(LANES("y[0, 0, 0, 1, l] = 1.0\ny[0, 0, 0, 2, l] = 1.0\n")).y, 0); /* halves of two lines */
    ck_assert_int_eq(marked(LANES("y[0, 0, 0, 0, l] = 1.0\ny[0, 0, 1, 1, l] = 1.0\n")).y, 0);
    ck_assert_int_eq(marked(LANES("y[0, 0, 0, 0, l] = 1.0\n")).y, 0);
    ck_assert_int_eq(marked(LANES("y[0, 0, 0, 0, l] = 1.0\ny[0, 0, 0, 0, l] = 2.0\n")).y, 0); /* the same half again */
}
END_TEST

START_TEST(bases) { /* the first point of h is the second half of a line */
    ck_assert_int_eq(marked(LANES("h[0, 0, 0, 0, l] = 1.0\nh[0, 0, 0, 1, l] = 1.0\n")).h, 0);
    ck_assert_int_eq(marked(LANES("h[0, 0, 0, 1, l] = 1.0\nh[0, 0, 0, 2, l] = 1.0\n")).h, 2);
}
END_TEST

START_TEST(loops_around) {
    ck_assert_int_eq(marked("for c = 0 .. 4 {\n" LANES("for w = 0 .. 8 {\ny[0, c, 0, 2*w, l] = 1.0\ny[0, c, 0, 2*w + 1, l] = 1.0\n}\n") "}\n").y, 2);
    ck_assert_int_eq(marked(LANES("for w = 0 .. 5 {\ny[0, 0, 0, 3*w, l] = 1.0\ny[0, 0, 0, 3*w + 1, l] = 1.0\n}\n")).y, 0); /* every second pair is apart */
    ck_assert_int_eq(marked(LANES("for w = 0 .. 15 {\ny[0, 0, 0, w, l] = 1.0\n}\n")).y, 0); /* the other half comes in the next pass */
}
END_TEST

START_TEST(unrolled) {
    ck_assert_int_eq(marked(LANES("unroll c = 0 .. 3 {\nunroll w = 0 .. 4 {\ny[0, c, 0, w, l] = 1.0\n}\n}\n")).y, 1);
    ck_assert_int_eq(marked(LANES("unroll w = 0 .. 3 {\ny[0, 0, 0, w, l] = 1.0\n}\n")).y, 0); /* one of its copies is alone */
    ck_assert_int_eq(marked(LANES("unroll w = 0 .. 4 {\nfor r = 0 .. 4 {\ny[0, 0, r, w, l] = 1.0\n}\n}\n")).y, 0); /* lines have passed in between */
    ck_assert_int_eq(marked(LANES("unroll w = 0 .. 2 {\nfor r = 0 .. 4 {\ny[0, w, r, 0, l] = 1.0\ny[0, w, r, 1, l] = 1.0\n}\n}\n")).y, 2);
}
END_TEST

START_TEST(other_lanes) { /* images of a vector lie apart */
    ck_assert_int_eq(marked("lane l = 0 .. 8 {\ny[0, 0, 0, l, 0] = 1.0\ny[0, 0, 0, l, 1] = 1.0\n}\n").y, 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("stream_lines");
    TCase *tc = tcase_create("stream_lines");
    tcase_add_test(tc, pairs);
    tcase_add_test(tc, bases);
    tcase_add_test(tc, loops_around);
    tcase_add_test(tc, unrolled);
    tcase_add_test(tc, other_lanes);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
