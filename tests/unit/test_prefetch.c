/* test_prefetch.c: which lines a kernel asks for, where, and how far ahead; and which kernels ask for nothing. Kernels stand as text: what the pass
 * makes of them is compared as text. */
#include "../../compiler/loop_text.h"
#include "../../compiler/prefetch.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define NETWORK "network net Nx4 -> Nx4 from \"net.net\"\n"
/* Its kernel, whose body is to be filled in. */
#define KERNEL \
    "kernel k layer l other flops=0 bytes=0 slots=0 (lo, hi, task, n, blocks, chunks) \"\" {\n" \
    "    local s f32 [16] local offset=0 bytes=64 base=0 stride [1]\n" \
    "%s" \
    "}\n" \
    "step { segment s blocks { k } }\n" \
    "infer { }\n"

/* x: pictures of 4 channels, 64 x 64; q: bytes of the same shape; t: such pictures in scratch memory; w: weights, 1024 x 1024; y: what is made; s: a sum for each lane. */
static const char program_text[] =
    NETWORK
    "train { batch=16 }\n"
    "program lanes=16 chunk=1 state=4194304 arena=2359296 scratch=1048576\n"
    "buffer w f32 [1024, 1024] state offset=0 bytes=4194304 base=0 stride [1024, 1]\n"
    "buffer x f32 [-1, 4, 64, 64, 16] arena offset=0 bytes=1048576 base=0 stride [262144, 65536, 1024, 16, 1]\n"
    "buffer y f32 [-1, 4, 64, 64, 16] arena offset=1048576 bytes=1048576 base=0 stride [262144, 65536, 1024, 16, 1]\n"
    "buffer q u8 [-1, 4, 64, 64, 16] arena offset=2097152 bytes=262144 base=0 stride [65536, 16384, 1024, 16, 1]\n"
    "buffer t f32 [-1, 4, 64, 64, 16] scratch offset=0 bytes=1048576 base=0 stride [262144, 65536, 1024, 16, 1]\n"
    KERNEL;

/* Lane blocks of half a line: x and y are 16 MB of maps, n is one of 8. */
static const char half_lines_text[] =
    NETWORK
    "train { batch=128 }\n"
    "program lanes=8 chunk=1 state=64 arena=41943040 scratch=64\n"
    "buffer x f32 [-1, 64, 32, 16, 8] arena offset=0 bytes=16777216 base=0 stride [262144, 4096, 128, 8, 1]\n"
    "buffer y f32 [-1, 64, 32, 16, 8] arena offset=16777216 bytes=16777216 base=0 stride [262144, 4096, 128, 8, 1]\n"
    "buffer n f32 [-1, 32, 32, 16, 8] arena offset=33554432 bytes=8388608 base=0 stride [131072, 4096, 128, 8, 1]\n"
    KERNEL;

/* The lines of the kernel's body after the pass, without what stands in front of each. */
static char *prefetched_in(Arena *a, const char *program, const char *body) {
    const char *text = arena_printf(a, program, body);
    Diag *d = diag_new(a);
    Program *p = loop_parse(a, d, diag_add_file(d, "t.loops", text, strlen(text)));
    if (!p) diag_flush(d, stderr, COLOR_NEVER, false);
    ck_assert(p != NULL);
    prefetch_program(p);
    const char *why = loop_verify(p);
    ck_assert_msg(!why, "%s", why);
    Text t = { 0 };
    loop_print(p, &t);
    char *copy = arena_str(a, t.at, t.n), *first = strstr(copy, "stride [1]\n"), *end = strstr(copy, "\n}\n");
    text_free(&t);
    ck_assert(first && end);
    *end = 0;
    return first + strlen("stride [1]\n");
}

static char *prefetched(Arena *a, const char *body) { return prefetched_in(a, program_text, body); }

static int count(const char *text, const char *what) {
    int n = 0;
    for (const char *at = strstr(text, what); at; at = strstr(at + 1, what)) n++;
    return n;
}

/* What `first` and then `second` stand for are in the text, in that order. */
static bool in_order(const char *text, const char *first, const char *second) {
    const char *at = strstr(text, first);
    return at && strstr(at, second);
}

#define EXPECT(condition) ck_assert_msg(condition, "%s\n%s", #condition, text)

/* ---- behind a sum ---- */

#define SUM "s[l] = 0.0\nfor i = 0 .. 32 {\ns[l] = fma(x[0, 0, i, 0, l], 2.0, s[l])\n}\n"

START_TEST(behind_sum) {
    Arena *a = arena_new();
    const char *text = prefetched(a, "lane l = 0 .. 16 {\n" SUM "unroll u = 0 .. 2 {\ny[0, 0, 0, u, l] = s[l] + x[0, 1, 0, u, l] + w[3, 4]\n}\n}\n");
    EXPECT(count(text, "prefetch") == 2 && count(text, "prefetch w") == 0); /* a number for all lanes is no stream */
    EXPECT(in_order(text, "prefetch x[0, 1, 0, 0, l]", "prefetch x[0, 1, 0, 1, l]"));
    EXPECT(in_order(text, "prefetch x[0, 1, 0, 1, l]", "for i"));
    arena_free(a);
}
END_TEST

START_TEST(behind_sum_of_one_tile) { /* the next tile's sum asks for what is behind itself; what it sums up is behind neither */
    Arena *a = arena_new();
    const char *text = prefetched(a, "lane l = 0 .. 16 {\n" SUM "y[0, 0, 0, 0, l] = s[l] + x[0, 1, 0, 0, l]\n"
                                     "s[l] = 0.0\nfor k = 0 .. 32 {\ns[l] = fma(x[0, 2, k, 0, l], 2.0, s[l])\n}\ny[0, 0, 0, 1, l] = s[l] + x[0, 1, 0, 1, l]\n}\n");
    EXPECT(count(text, "prefetch") == 2);
    EXPECT(in_order(text, "prefetch x[0, 1, 0, 0, l]", "for i") && in_order(text, "y[0, 0, 0, 0, l]", "prefetch x[0, 1, 0, 1, l]") && in_order(text, "prefetch x[0, 1, 0, 1, l]", "for k"));
    arena_free(a);
}
END_TEST

START_TEST(behind_sum_in_a_loop) { /* a tile that is finished point by point */
    Arena *a = arena_new();
    const char *text = prefetched(a, "lane l = 0 .. 16 {\n" SUM "for u = 0 .. 3 {\ny[0, 0, 0, u, l] = s[l] * x[0, 1, 0, u, l]\n}\n}\n");
    EXPECT(count(text, "prefetch") == 3 && in_order(text, "prefetch x[0, 1, 0, 2, l]", "for i"));
    arena_free(a);
}
END_TEST

START_TEST(lines_once) { /* eight images of a lane block are half a line */
    Arena *a = arena_new();
    const char *text = prefetched(a, "lane l = 0 .. 8 {\n" SUM "y[0, 0, 0, 0, l] = s[l] + x[0, 1, 0, 0, l] + x[0, 1, 0, 0, l + 8] + x[0, 1, 0, 0, l]\n}\n");
    EXPECT(count(text, "prefetch") == 1);
    arena_free(a);
}
END_TEST

START_TEST(results_behind_sum) { /* beside what they are put together with, in front of it; a line for both halves; not what the last cache may hold, goes past it, or is put together with nothing */
    Arena *a = arena_new();
    const char *sum = "lane l = 0 .. 8 {\ns[l] = 0.0\nfor i = 0 .. 32 {\ns[l] = fma(x[0, 0, i, 0, l], 2.0, s[l])\n}\nunroll u = 0 .. 2 {\n%s[0, 0, 0, u, l] %s s[l]%s\n}\n}\n";
    const char *with = " + x[0, 1, 0, u, l]", *text = prefetched_in(a, half_lines_text, arena_printf(a, sum, "y", "=", with));
    EXPECT(count(text, "prefetch") == 2 && count(text, "prefetch y[0, 0, 0, 0, l]") == 1 && in_order(text, "prefetch y", "for i"));
    text = prefetched_in(a, half_lines_text, arena_printf(a, sum, "n", "=", with));
    EXPECT(count(text, "prefetch") == 1 && count(text, "prefetch x") == 1);
    text = prefetched_in(a, half_lines_text, arena_printf(a, sum, "y", "<-", with));
    EXPECT(count(text, "prefetch") == 1 && count(text, "prefetch x") == 1);
    text = prefetched_in(a, half_lines_text, arena_printf(a, sum, "y", "=", ""));
    EXPECT(count(text, "prefetch") == 0);
    arena_free(a);
}
END_TEST

/* ---- ahead in a loop ---- */

/* Rows r of a picture, two columns of each, in passes over c. */
static char *rows_of(Arena *a, int rows, int passes) {
    char *body = arena_printf(a, "lane l = 0 .. 16 {\nfor c = 0 .. %d {\n", passes);
    for (int r = 0; r < rows; r++) body = arena_printf(a, "%sy[0, 1, %d, c, l] = x[0, 0, %d, 2*c, l] + x[0, 0, %d, 2*c + 1, l]\n", body, r, r, r);
    return arena_printf(a, "%s}\n}\n", body);
}

START_TEST(many_streams) { /* 8 rows, 16 lines a pass: 96 lines are 6 passes */
    Arena *a = arena_new();
    const char *text = prefetched(a, rows_of(a, 8, 32));
    EXPECT(count(text, "prefetch") == 16);
    EXPECT(strstr(text, "prefetch x[0, 0, 0, 2*c + 12, l]") && strstr(text, "prefetch x[0, 0, 7, 2*c + 13, l]"));
    EXPECT(in_order(text, "y[0, 1, 3, c, l]", "prefetch x[0, 0, 4, 2*c + 12, l]") && in_order(text, "prefetch x[0, 0, 4, 2*c + 12, l]", "y[0, 1, 4, c, l]")); /* spread */
    arena_free(a);
}
END_TEST

START_TEST(what_it_makes_itself) { /* is near; what another kernel has left is asked for */
    Arena *a = arena_new();
    char *reads = rows_of(a, 8, 32);
    for (char *x = reads; (x = strstr(x, "x[")); x++) *x = 't';
    const char *text = prefetched(a, reads);
    EXPECT(count(text, "prefetch t[") == 16);
    text = prefetched(a, arena_printf(a, "lane m = 0 .. 16 {\nt[0, 0, 0, 0, m] = 1.0\n}\n%s", reads));
    EXPECT(count(text, "prefetch") == 0);
    arena_free(a);
}
END_TEST

START_TEST(few_streams) { /* two rows side by side are guessed */
    Arena *a = arena_new();
    const char *text = prefetched(a, rows_of(a, 2, 32));
    EXPECT(count(text, "prefetch") == 0);
    arena_free(a);
}
END_TEST

START_TEST(too_short) { /* of 17 passes 6 would ask in vain */
    Arena *a = arena_new();
    const char *text = prefetched(a, rows_of(a, 8, 17));
    EXPECT(count(text, "prefetch") == 0);
    text = prefetched(a, rows_of(a, 8, 18));
    EXPECT(count(text, "prefetch") == 16);
    arena_free(a);
}
END_TEST

START_TEST(read_again) { /* of eight columns, six apart, a pass reads six for the first time */
    Arena *a = arena_new();
    char *body = "";
    for (int i = 0; i < 64; i++) body = arena_printf(a, "%sy[0, 1, %d, c, l] = x[0, 0, %d, 6*c + %d, l]\n", body, i, i / 8, i % 8);
    const char *text = prefetched(a, arena_printf(a, "lane l = 0 .. 16 {\nfor c = 0 .. 9 {\n%s}\n}\n", body));
    EXPECT(count(text, "prefetch") == 48); /* 96 lines are two passes */
    EXPECT(strstr(text, "prefetch x[0, 0, 0, 6*c + 14, l]") && !strstr(text, "prefetch x[0, 0, 0, 6*c + 13, l]") && strstr(text, "prefetch x[0, 0, 7, 6*c + 19, l]"));
    arena_free(a);
}
END_TEST

START_TEST(parts_of_lines) { /* three quarters of a line a pass, in 32 rows */
    Arena *a = arena_new();
    char *body = "";
    for (int i = 0; i < 96; i++) body = arena_printf(a, "%sy[0, 0, %d, 3*c + %d, l] = select(q[0, 0, %d, 3*c + %d, l] == index(1), 1.0, 0.0)\n", body, i / 3, i % 3, i / 3, i % 3);
    const char *text = prefetched(a, arena_printf(a, "lane l = 0 .. 16 {\nfor c = 0 .. 20 {\n%s}\n}\n", body));
    EXPECT(count(text, "prefetch") == 32 && strstr(text, "prefetch q[0, 0, 31, 3*c + 9, l]"));
    arena_free(a);
}
END_TEST

START_TEST(loop_around) { /* three passes are too few: the channel after this one, through a loop whose bounds are the step's */
    Arena *a = arena_new();
    char *body = "";
    for (int i = 0; i < 64; i++) body = arena_printf(a, "%sy[0, c, %d, t, l] = x[0, c, %d, 8*t + %d, l]\n", body, i, i / 8, i % 8);
    const char *text = prefetched(a, arena_printf(a, "lane l = 0 .. 16 {\nfor c = 0 .. 4 {\nfor h = max(0, lo) .. min(1, lo + 1) {\nfor t = 0 .. 3 {\n%s}\n}\n}\n}\n", body));
    EXPECT(count(text, "prefetch") == 64 && strstr(text, "prefetch x[0, c + 1, 7, 8*t + 7, l]"));
    arena_free(a);
}
END_TEST

#define MID "local mid f32 [8, 16] local offset=0 bytes=512 base=0 stride [16, 1]\n"

START_TEST(columns_of_an_array) { /* a loop that fills an array is no sum: it asks for its own column of a row 12 further, 8 lines for each */
    Arena *a = arena_new();
    const char *text = prefetched(a, MID "lane l = 0 .. 16 {\nfor h = 0 .. 64 {\nfor j = 0 .. 8 {\nmid[j, l] = x[0, 0, h, 8*j, l]\n}\n"
                                     "for i = 0 .. 8 {\ny[0, 0, h, i, l] = mid[i, l]\n}\n}\n}\n");
    EXPECT(count(text, "prefetch") == 1 && in_order(text, "for j", "prefetch x[0, 0, h + 12, 8*j, l]") && in_order(text, "prefetch x[0, 0, h + 12, 8*j, l]", "mid[j, l]"));
    arena_free(a);
}
END_TEST

START_TEST(loops_of_a_point) { /* both are one point: what the second reads beside the array is asked for as far ahead */
    Arena *a = arena_new();
    const char *text = prefetched(a, MID "lane l = 0 .. 16 {\nfor h = 0 .. 64 {\nfor j = 0 .. 8 {\nmid[j, l] = x[0, 0, h, 8*j, l]\n}\n"
                                     "for i = 0 .. 8 {\nt[0, 0, h, i, l] = mid[i, l] + y[0, 0, h, 8*i, l]\n}\n}\n}\n");
    EXPECT(count(text, "prefetch") == 2 && strstr(text, "prefetch x[0, 0, h + 12, 8*j, l]") && strstr(text, "prefetch y[0, 0, h + 12, 8*i, l]"));
    arena_free(a);
}
END_TEST

START_TEST(not_around_others) { /* the loop around reads something else, too; a left-over tile beside it reads the same */
    Arena *a = arena_new();
    char *body = "";
    for (int i = 0; i < 64; i++) body = arena_printf(a, "%sy[0, c, %d, t, l] = x[0, c, %d, 8*t + %d, l]\n", body, i, i / 8, i % 8);
    const char *text = prefetched(a, arena_printf(a, "lane l = 0 .. 16 {\nfor c = 0 .. 4 {\nfor t = 0 .. 3 {\n%s}\ny[0, c, 0, 63, l] = y[0, c, 1, 63, l]\n}\n}\n", body));
    EXPECT(count(text, "prefetch") == 0);
    text = prefetched(a, arena_printf(a, "lane l = 0 .. 16 {\nfor c = 0 .. 4 {\nfor t = 0 .. 3 {\n%s}\ny[0, c, 0, 63, l] = x[0, c, 1, 63, l]\n}\n}\n", body));
    EXPECT(count(text, "prefetch") == 64 && strstr(text, "prefetch x[0, c + 1, 7, 8*t + 7, l]"));
    arena_free(a);
}
END_TEST

START_TEST(jumps) { /* rows of weights lie pages apart: two lines a pass, 48 passes ahead, the lanes inside */
    Arena *a = arena_new();
    const char *text = prefetched(a, "for o = 0 .. 1024 {\nlane l = 0 .. 16 {\nunroll i = 0 .. 2 {\ny[0, 0, 0, i, l] = w[o, 16*i + l]\n}\n}\n}\n");
    EXPECT(count(text, "prefetch") == 2 && in_order(text, "prefetch w[o + 48, l]", "prefetch w[o + 48, l + 16]"));
    arena_free(a);
}
END_TEST

START_TEST(squares) { /* sixteen rows, a line of each: one request stands for all lanes */
    Arena *a = arena_new();
    const char *text = prefetched(a, "for t = 0 .. 64 {\nlane l = 0 .. 16 {\nunroll i = 0 .. 16 {\ny[0, 0, t, i, l] = w[l, 16*t + i]\n}\n}\n}\n");
    EXPECT(count(text, "prefetch") == 1 && strstr(text, "prefetch w[l, 16*t + 96]"));
    arena_free(a);
}
END_TEST

/* ---- in the sums of the pass before ---- */

/* A row of x is copied and summed up with weights, a row a pass. */
#define TURN "for i = 0 .. 64 {\nlane l = 0 .. 16 {\ny[0, 0, i, 0, l] = x[0, 0, c, i, l]\n}\n}\n"
#define ADD(passes) "lane l = 0 .. 16 {\ns[l] = 0.0\nfor i = 0 .. 4 {\nfor j = 0 .. " passes " {\nunroll u = 0 .. 32 {\ns[l] = fma(w[c, u], y[0, 0, 0, j, l], s[l])\n}\n}\n}\nw[1023, l] = s[l]\n}\n"

START_TEST(in_sums) { /* 64 lines in 128 passes: half a line each, of the row after this one */
    Arena *a = arena_new();
    const char *text = prefetched(a, "for c = 0 .. 8 {\n" TURN ADD("32") "}\n");
    EXPECT(count(text, "prefetch") == 1 && strstr(text, "prefetch x[0, 0, c + 1, 0, 256*i + 8*j]"));
    arena_free(a);
}
END_TEST

START_TEST(lines_read_in_part) { /* a quarter of each, of two rows: one run, no line of which is left out */
    Arena *a = arena_new();
    const char *text = prefetched(a, "for c = 0 .. 8 {\nfor r = 0 .. 2 {\nfor k = 0 .. 64 {\nlane l0 = 0 .. 4 {\ny[0, 0, r, k, l0] = x[0, 0, 2*c + r, k, l0]\n}\n}\n}\n" ADD("32") "}\n");
    EXPECT(count(text, "prefetch x[0, 0, 2*c + 2, 0, ") >= 1 && count(text, "prefetch x[0, 0, 2*c + 3") == 0);
    arena_free(a);
}
END_TEST

START_TEST(in_short_sums) { /* 4 passes of 32 multiply-adds: time for 16 of 64 lines, four a pass */
    Arena *a = arena_new();
    const char *text = prefetched(a, "for c = 0 .. 8 {\n" TURN ADD("1") "}\n");
    EXPECT(count(text, "prefetch x[0, 0, c + 1") == 4 && strstr(text, "prefetch x[0, 0, c + 1, 0, 64*i + 64*j + 48]"));
    arena_free(a);
}
END_TEST

/* A row of each of four channels, of the step h; sums over `p`, `passes` times. */
#define STEP(lo, hi) "for h = 0 .. 16 {\nfor k = 0 .. 4 {\nfor r = max(0, " lo ") .. min(64, " hi ") {\nfor i = 0 .. 64 {\nlane l = 0 .. 16 {\ny[0, k, 0, i, l] = x[0, k, r, i, l]\n}\n}\n}\n}\n"
#define PLACES(passes) "for p = 0 .. " passes " {\nlane l = 0 .. 16 {\ns[l] = 0.0\nfor j = 0 .. 64 {\nunroll u = 0 .. 8 {\ns[l] = fma(w[p, u], y[0, 0, 0, j, l], s[l])\n}\n}\nw[1023, l] = s[l]\n}\n}\n}\n"

START_TEST(strips_in_sums) { /* of one channel in each place, of two, for half of whose rows there is time, of half a channel's row */
    Arena *a = arena_new();
    const char *text = prefetched(a, STEP("h", "h + 1") PLACES("4"));
    EXPECT(count(text, "prefetch") == 1 && strstr(text, "prefetch x[0, 0, h + 1, 0, 16*j + 65536*p]"));
    text = prefetched(a, STEP("h", "h + 1") PLACES("2"));
    EXPECT(count(text, "prefetch") == 2 && strstr(text, "prefetch x[0, 0, h + 1, 0, 8*j + 131072*p + 65536]"));
    text = prefetched(a, STEP("h", "h + 1") PLACES("8"));
    EXPECT(count(text, "prefetch") == 1 && strstr(text, "for p_0 = 0 .. 8 step 2") && strstr(text, "for p = p_0 .. p_0 + 2"));
    EXPECT(strstr(text, "prefetch x[0, 0, h + 1, 0, 8*j + 32256*p_0 + 512*p]")); /* 512 (p - p_0) + 65536 p_0 / 2 */
    arena_free(a);
}
END_TEST

/* Four strips of x, and a row of w, in eight sums: those are taken apart for the strips, and go on asking for the row from its beginning to its end. */
START_TEST(a_row_beside_strips) {
    Arena *a = arena_new();
    const char *text = prefetched(a, "for h = 0 .. 16 {\nfor k = 0 .. 4 {\nfor i = 0 .. 64 {\nlane l = 0 .. 16 {\ny[0, k, 0, i, l] = x[0, k, h, i, l]\n}\n}\n}\nfor i2 = 0 .. 64 {\nlane l = 0 .. 16 {\nt[0, 0, 0, i2, l] = w[h, 16*i2 + l]\n}\n}\n"
                                     "for p = 0 .. 8 {\nlane l = 0 .. 16 {\ns[l] = 0.0\nfor j = 0 .. 64 {\nunroll u = 0 .. 32 {\ns[l] = fma(t[0, 0, p, u, l], y[0, 0, 0, j, l], s[l])\n}\n}\ny[0, 3, 3, 3, l] = s[l]\n}\n}\n}\n");
    EXPECT(strstr(text, "for p_0 = 0 .. 8 step 2") && strstr(text, "prefetch w[h + 1, 128*p + 2*j]"));
    arena_free(a);
}
END_TEST

START_TEST(strips_that_do_not_fit) { /* four channels for seven places; every other row */
    Arena *a = arena_new();
    const char *text = prefetched(a, STEP("h", "h + 1") PLACES("7"));
    EXPECT(count(text, "prefetch") == 0);
    text = prefetched(a, STEP("2*h", "2*h + 1") PLACES("4"));
    EXPECT(strstr(text, "prefetch x[0, 0, 2*h + 2, 0, 16*j + 65536*p]"));
    arena_free(a);
}
END_TEST

/* Four rows, two of which are the next step's too, of 16 columns of each of four channels. */
#define BAND_ROW(r) "x[0, k, 2*h + " r ", 16*z + i, l]"
#define BAND "for z = 0 .. 4 {\nfor h = 0 .. 16 {\nfor k = 0 .. 4 {\nfor i = 0 .. 16 {\nlane l = 0 .. 16 {\ny[0, k, 0, i, l] = " BAND_ROW("0") " + " BAND_ROW("1") " + " BAND_ROW("2") " + " BAND_ROW("3") "\n}\n}\n}\n" PLACES("4") "}\n"

START_TEST(bands_in_sums) { /* each row for itself, of the next step those that this one has not read */
    Arena *a = arena_new();
    const char *text = prefetched(a, BAND);
    EXPECT(count(text, "prefetch") == 2 && strstr(text, "prefetch x[0, 0, 2*h + 4, 16*z, 4*j + 65536*p]") && strstr(text, "prefetch x[0, 0, 2*h + 5, 16*z, 4*j + 65536*p]"));
    arena_free(a);
}
END_TEST

/* A block of so many rows of four lines is copied; four sums go through 32 rows of it. */
#define COLUMNS(rows) "for k = 0 .. 8 {\nfor r = 0 .. " rows " {\nlane l = 0 .. 16 {\nunroll u = 0 .. 4 {\ny[0, 0, r, u, l] = w[32*k + r, 16*u + l]\n}\n}\n}\n" \
    "for t = 0 .. 4 {\nlane l = 0 .. 16 {\ns[l] = 0.0\nfor j = 0 .. 32 {\nunroll u = 0 .. 8 {\ns[l] = fma(y[0, 0, j, 0, u], y[0, 1, 0, j, l], s[l])\n}\n}\ny[0, 2, 0, 0, l] = s[l]\n}\n}\n}\n"

START_TEST(a_point_beside_sums) { /* its rows are gone through by a loop of the point: each for itself, as above */
    Arena *a = arena_new();
    const char *text = prefetched(a, MID "for z = 0 .. 4 {\nfor h = 0 .. 16 {\nlane l2 = 0 .. 16 {\nfor k = 0 .. 2 {\nfor j2 = 0 .. 6 {\nmid[j2, l2] = y[0, k, 0, j2, l2]\n}\n"
                                     "for i = 0 .. 6 {\nunroll u2 = 0 .. 16 {\ny[0, k, 1, u2, l2] = mid[i, l2] + x[0, k, 2*h + i, 16*z + u2, l2]\n}\n}\n}\n}\n" PLACES("2") "}\n");
    EXPECT(count(text, "prefetch") == 2 && strstr(text, "prefetch x[0, 0, 2*h + 6, 16*z, 4*j + 65536*p]") && strstr(text, "prefetch x[0, 0, 2*h + 7, 16*z, 4*j + 65536*p]"));
    arena_free(a);
}
END_TEST

START_TEST(strips_in_the_innermost_loop) { /* each sum asks for another line of all rows; there are more rows than it goes through */
    Arena *a = arena_new();
    const char *text = prefetched(a, COLUMNS("32"));
    EXPECT(strstr(text, "prefetch w[32*k + 32, 16*t + 1024*j]") && in_order(text, "for j", "prefetch w[32*k + 32, 16*t + 1024*j]"));
    text = prefetched(a, COLUMNS("33"));
    EXPECT(!strstr(text, "1024*j"));
    arena_free(a);
}
END_TEST

/* Two tiles of sums over so many channels of a pixel of some rows. */
#define PIXEL(rows, channels, work) "for t = 0 .. 2 {\nlane l = 0 .. 16 {\ns[l] = 0.0\nfor c = 0 .. " channels " {\nunroll h = 0 .. " rows " {\nunroll u = 0 .. " work " {\ns[l] = fma(x[0, 0, 2*c + h, w, l], w[t, u], s[l])\n}\n}\n}\ny[0, 0, 0, w, l] = s[l]\n}\n}\n"

START_TEST(rows_through_channels) { /* the pixel after this one, of each row and channel, half in each tile; not where sums have no time for two requests, or where what stands beside has read it */
    Arena *a = arena_new();
    const char *text = prefetched(a, "for w = 0 .. 14 {\n" PIXEL("2", "32", "8") "}\n");
    EXPECT(count(text, "prefetch") == 2 && strstr(text, "prefetch x[0, 0, 0, w + 1, 8*t + 2048*c]") && strstr(text, "prefetch x[0, 0, 1, w + 1, 8*t + 2048*c]"));
    text = prefetched(a, "for w = 0 .. 14 {\n" PIXEL("2", "32", "4") "}\n");
    EXPECT(count(text, "prefetch") == 0);
    text = prefetched(a, "for w = 0 .. 14 {\n" PIXEL("2", "32", "8") "}\nfor w = 0 .. 14 {\n" PIXEL("2", "32", "9") "}\n");
    EXPECT(count(text, "prefetch") == 0);
    arena_free(a);
}
END_TEST

/* A kilobyte of each of so many rows of weights. */
#define ROWS(rows) "for k = 0 .. 4 {\nlane l = 0 .. 16 {\ns[l] = 0.0\nfor c = 0 .. " rows " {\nunroll u = 0 .. 16 {\ns[l] = fma(w[c, 256*k + 16*u + l], x[0, 0, 0, 0, u], s[l])\n}\n}\ny[0, 0, 0, k, l] = s[l]\n}\n}\n"

START_TEST(sums_of_too_much) { /* a megabyte would not be near any more */
    Arena *a = arena_new();
    const char *text = prefetched(a, ROWS("1023"));
    EXPECT(strstr(text, "prefetch w[0, 256*k + 1024*c + 256]"));
    text = prefetched(a, ROWS("1024"));
    EXPECT(!strstr(text, "1024*c"));
    arena_free(a);
}
END_TEST

START_TEST(sums_of_what_is_near) { /* read again by the loop around; a loop that ends too soon */
    Arena *a = arena_new();
    const char *text = prefetched(a, "for t = 0 .. 9 {\nfor c = 0 .. 8 {\n" TURN ADD("32") "}\n}\n");
    EXPECT(count(text, "prefetch") == 0);
    text = prefetched(a, "for c = 0 .. 3 {\n" TURN ADD("32") "}\n");
    EXPECT(count(text, "prefetch") == 0);
    arena_free(a);
}
END_TEST

/* A row of each block of a run is copied; sums go through the blocks of the run. */
#define RUN(to) "for b = 0 .. blocks step 4 {\nfor e = b .. min(blocks, b + " to ") {\nfor i = 0 .. 64 {\nlane l = 0 .. 16 {\ny[0, 0, i, 0, l] = x[e, 0, 0, i, l]\n}\n}\n}\n" \
    "for k = 0 .. 8 {\nlane l = 0 .. 16 {\ns[l] = 0.0\nfor d = b .. min(blocks, b + " to ") {\nfor j = 0 .. 64 {\nunroll u = 0 .. 32 {\ns[l] = fma(w[k, u], y[0, 0, j, 0, l], s[l])\n}\n}\n}\nw[1023, l] = s[l]\n}\n}\n}\n"

START_TEST(runs_of_blocks) { /* four rows, a megabyte apart, of the next run: half a row in each sum */
    Arena *a = arena_new();
    const char *text = prefetched(a, RUN("4"));
    EXPECT(count(text, "prefetch") == 1 && strstr(text, "for k_0 = 0 .. 8 step 2") && strstr(text, "prefetch x[b + 4, 0, 0, 0, 128*d - 128*b + 2*j + 130560*k_0 + 512*k]"));
    text = prefetched(a, RUN("4*b")); /* no run: who knows how many */
    EXPECT(count(text, "prefetch") == 0);
    arena_free(a);
}
END_TEST

/* Rows of the megabyte x that each pass of t makes anew; then a sum over each. */
#define MAKE "for t = 0 .. 9 {\nfor r = 0 .. 8 {\nlane l = 0 .. 16 {\nx[0, 0, r, 0, l] = 1.0\n}\n}\nfor c = 0 .. 8 {\n"
START_TEST(sums_of_what_was_made_far_away) { /* more than the core's own cache holds; what both loops around ask for is in the same sum */
    Arena *a = arena_new();
    const char *text = prefetched(a, MAKE TURN ADD("32") "}\n}\n");
    EXPECT(count(text, "prefetch") == 1 && strstr(text, "prefetch x[0, 0, c + 1, 0, 256*i + 8*j]"));
    text = prefetched(a, "for t = 0 .. 9 {\nfor i = 0 .. 64 {\nlane l = 0 .. 16 {\ny[0, 1, i, 0, l] = x[0, 1, t, i, l]\n}\n}\nfor r = 0 .. 8 {\nlane l = 0 .. 16 {\nx[0, 0, r, 0, l] = 1.0\n}\n}\nfor c = 0 .. 8 {\n" TURN ADD("32") "}\n}\n");
    EXPECT(strstr(text, "prefetch x[0, 0, c + 1") && strstr(text, "prefetch x[0, 1, t + 1"));
    arena_free(a);
}
END_TEST

/* Sums of a tile of so many channels (rows of x), whose images lie side by side, at 8 points; the sum takes `number` of it. */
#define TILE(channels, number) "for v = 0 .. 8 {\nfor i = 0 .. 16 {\nunroll u = 0 .. " channels " {\nunroll r = 0 .. 2 {\ns[l] = fma(" number ", y[0, 0, v, i, l], s[l])\n}\n}\n}\n}\n"
#define TILES(tile) "for c = 0 .. 3 {\nlane l = 0 .. 16 {\ns[l] = 0.0\n" tile "w[1023, l] = s[l]\n}\n}\n"

START_TEST(next_tile) { /* image i asks for the line of channel i of the next tile, at both places of the kernel; few channels are asked for in front of the images */
    Arena *a = arena_new();
    const char *text = prefetched(a, TILES(TILE("13", "x[0, 0, 13*c + u, v + 8*r, i]")));
    EXPECT(count(text, "prefetch") == 2 && strstr(text, "prefetch x[0, 0, 13*c + i + 13, v, 0]") && strstr(text, "prefetch x[0, 0, 13*c + i + 13, v + 8, 0]"));
    EXPECT(in_order(text, "for i = 0 .. 16", "prefetch") && !in_order(text, "prefetch", "for i = 0 .. 16"));
    text = prefetched(a, TILES(TILE("5", "x[0, 0, 5*c + u, v + 8*r, i]")));
    EXPECT(count(text, "prefetch") == 10 && strstr(text, "prefetch x[0, 0, 5*c + 5, v, 0]") && strstr(text, "prefetch x[0, 0, 5*c + 9, v + 8, 0]"));
    EXPECT(in_order(text, "prefetch", "for i = 0 .. 16") && !in_order(text, "for i = 0 .. 16", "prefetch"));
    arena_free(a);
}
END_TEST

/* Behind two tiles of 13 channels one of 11, for each pass of b. */
#define LEFT_OVER(passes) "for b = 0 .. " passes " {\nfor c = 0 .. 2 {\nlane l = 0 .. 16 {\ns[l] = 0.0\n" TILE("13", "x[0, b, 13*c + u, v + 8*r, i]") "w[1023, l] = s[l]\n}\n}\n" \
    "lane l = 0 .. 16 {\ns[l] = 0.0\nfor p = 0 .. 8 {\nfor i = 0 .. 16 {\nunroll u = 0 .. 11 {\ns[l] = fma(x[0, b, 26 + u, p, i], y[0, 0, p, i, l], s[l])\n}\n}\n}\nw[1023, l] = s[l]\n}\n}\n"

START_TEST(first_tile) { /* what is left over asks for the first tile of the next pass; of a loop with one pass there is none */
    Arena *a = arena_new();
    const char *text = prefetched(a, LEFT_OVER("4"));
    EXPECT(count(text, "prefetch") == 4 && strstr(text, "prefetch x[0, b, 13*c + i + 13, v, 0]"));
    EXPECT(strstr(text, "prefetch x[0, b + 1, i, p, 0]") && strstr(text, "prefetch x[0, b + 1, i, p + 8, 0]"));
    text = prefetched(a, LEFT_OVER("1"));
    EXPECT(count(text, "prefetch") == 2 && !strstr(text, "b + 1"));
    arena_free(a);
}
END_TEST

START_TEST(no_next_tile) { /* numbers that lie apart; each lane its own; weights; a loop around that is no tile's; more channels than images */
    Arena *a = arena_new();
    const char *text = prefetched(a, TILES(TILE("13", "x[0, 0, 13*c + u, i + 8*r, v]")));
    EXPECT(count(text, "prefetch") == 0);
    text = prefetched(a, TILES(TILE("13", "x[0, 0, 13*c + u, i + 8*r, l]")));
    EXPECT(count(text, "prefetch") == 0);
    text = prefetched(a, TILES(TILE("13", "w[13*c + u, 16*v + 64*r + i]")));
    EXPECT(count(text, "prefetch") == 0);
    text = prefetched(a, TILES(TILE("13", "x[0, 0, c + u, v + 8*r, i]")));
    EXPECT(count(text, "prefetch") == 0);
    text = prefetched(a, TILES(TILE("17", "x[0, 0, 17*c + u, v + 8*r, i]")));
    EXPECT(count(text, "prefetch") == 0);
    arena_free(a);
}
END_TEST

/* A tile updates so many rows of two lines of weights behind a sum over `passes` and images. */
#define UPDATE(rows, passes, at, first) "for c = 0 .. 3 {\nlane l = 0 .. 16 {\ns[l] = 0.0\nfor b = 0 .. " passes " {\nfor i = 0 .. 16 {\ns[l] = fma(x[" at ", 0, 0, 0, i], x[" at ", 1, i, c, l], s[l])\n}\n}\n" \
    "unroll u = 0 .. " rows " {\nunroll v = 0 .. 2 {\nw[" first " + u, 16*v + l] = w[" first " + u, 16*v + l] - s[l]\n}\n}\n}\n}\n"

START_TEST(next_parameters) { /* lane block b asks for row b, and for row b + 8 where there are more; not in a loop through something else, or where no loop around is the tiles' */
    Arena *a = arena_new();
    const char *text = prefetched(a, UPDATE("8", "blocks", "b", "8*c"));
    EXPECT(count(text, "prefetch w[8*c + b + 8") == 2 && in_order(text, "for b", "prefetch w[8*c + b + 8, l]") && strstr(text, "prefetch w[8*c + b + 8, l + 16]"));
    text = prefetched(a, UPDATE("13", "blocks", "b", "13*c"));
    EXPECT(count(text, "prefetch w[13*c + b") == 4 && strstr(text, "prefetch w[13*c + b + 13, l]") && strstr(text, "prefetch w[13*c + b + 21, l + 16]"));
    text = prefetched(a, UPDATE("8", "4", "0", "8*c"));
    EXPECT(!strstr(text, "+ b +"));
    text = prefetched(a, UPDATE("8", "blocks", "b", "c"));
    EXPECT(!strstr(text, "+ b +"));
    arena_free(a);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("prefetch");
    TCase *tc = tcase_create("prefetch");
    tcase_add_test(tc, behind_sum);
    tcase_add_test(tc, behind_sum_of_one_tile);
    tcase_add_test(tc, behind_sum_in_a_loop);
    tcase_add_test(tc, lines_once);
    tcase_add_test(tc, results_behind_sum);
    tcase_add_test(tc, many_streams);
    tcase_add_test(tc, what_it_makes_itself);
    tcase_add_test(tc, few_streams);
    tcase_add_test(tc, too_short);
    tcase_add_test(tc, read_again);
    tcase_add_test(tc, parts_of_lines);
    tcase_add_test(tc, loop_around);
    tcase_add_test(tc, columns_of_an_array);
    tcase_add_test(tc, loops_of_a_point);
    tcase_add_test(tc, not_around_others);
    tcase_add_test(tc, jumps);
    tcase_add_test(tc, squares);
    tcase_add_test(tc, in_sums);
    tcase_add_test(tc, lines_read_in_part);
    tcase_add_test(tc, in_short_sums);
    tcase_add_test(tc, strips_in_sums);
    tcase_add_test(tc, a_row_beside_strips);
    tcase_add_test(tc, strips_that_do_not_fit);
    tcase_add_test(tc, bands_in_sums);
    tcase_add_test(tc, a_point_beside_sums);
    tcase_add_test(tc, strips_in_the_innermost_loop);
    tcase_add_test(tc, rows_through_channels);
    tcase_add_test(tc, sums_of_too_much);
    tcase_add_test(tc, sums_of_what_is_near);
    tcase_add_test(tc, runs_of_blocks);
    tcase_add_test(tc, sums_of_what_was_made_far_away);
    tcase_add_test(tc, next_tile);
    tcase_add_test(tc, first_tile);
    tcase_add_test(tc, no_next_tile);
    tcase_add_test(tc, next_parameters);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
