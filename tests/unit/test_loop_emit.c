/* test_loop_emit.c: programs of loops, compiled and run, against the same sums written in C; and a look at their assembly. */
#include "../../compiler/loop_alike.h"
#include "loop_harness.h"

#include <check.h>
#include <llvm-c/Analysis.h>
#include <llvm-c/Core.h>
#include <llvm-c/IRReader.h>
#include <stdlib.h>
#include <string.h>

#define V(s) harness_var(h, s)
#define LOAD(b, ...) expr_load(h->a, b, (Affine[]){ __VA_ARGS__ })
#define STORE(in, b, value, ...) stmt_add(h->a, in, stmt_store(h->a, b, (Affine[]){ __VA_ARGS__ }, value, (Span){ 0 }))
#define PLUS(x, y) affine_add(h->a, x, y)

static Stmt *block_loop(Harness *h) {
    Stmt *nb = stmt_for(h->a, arena_copy(h->a, &(Var){ "nb" }, sizeof(Var)), LOOP_SERIAL, affine_var(h->a, h->k->lo), affine_var(h->a, h->k->hi), 1);
    stmt_add(h->a, h->k->body, nb);
    return nb;
}

/* ---- a convolution with register tile, halo, unrolled kernel columns ---- */

enum { BATCH = 19, CI = 2, CO = 6, SIZE = 4, KERNEL = 3, TILE = 2 };

typedef struct Conv { Buffer *x, *w, *bias, *y, *acc; } Conv;

/* y[nb, o, oh, ow, l] = bias[o] + sum x[nb, c, oh + kh - 1, ow + kw - 1, l] w[o, c, kh, kw] */
static Conv add_conv(Harness *h) {
    int64_t L = h->p->lanes;
    harness_kernel(h, "conv", 0, 0);
    Conv c = { 0 };
    c.x = harness_buffer(h, "x", ELEM_F32, SPACE_ARENA, 5, (int64_t[]){ -1, CI, SIZE, SIZE, L }, 1);
    c.w = harness_buffer(h, "w", ELEM_F32, SPACE_STATE, 4, (int64_t[]){ CO, CI, KERNEL, KERNEL }, 0);
    c.bias = harness_buffer(h, "bias", ELEM_F32, SPACE_STATE, 1, (int64_t[]){ CO }, 0);
    c.y = harness_buffer(h, "y", ELEM_F32, SPACE_ARENA, 5, (int64_t[]){ -1, CO, SIZE, SIZE, L }, 0);
    c.acc = harness_buffer(h, "acc", ELEM_F32, SPACE_LOCAL, 3, (int64_t[]){ CO, TILE, L }, 0);
    Stmt *nb = block_loop(h), *l = harness_loop(h, nb, LOOP_LANE, "l", 0, L), *oh = harness_loop(h, l, LOOP_SERIAL, "oh", 0, SIZE);
    Stmt *ow = harness_loop(h, oh, LOOP_SERIAL, "ow", 0, SIZE);
    ow->step = TILE;
    Stmt *o = harness_loop(h, ow, LOOP_UNROLL, "o", 0, CO), *t = harness_loop(h, o, LOOP_UNROLL, "t", 0, TILE);
    STORE(t, c.acc, LOAD(c.bias, V(o)), V(o), V(t), V(l));
    Stmt *ci = harness_loop(h, ow, LOOP_SERIAL, "c", 0, CI), *kh = harness_loop(h, ci, LOOP_SERIAL, "kh", 0, KERNEL);
    Stmt *kw = harness_loop(h, kh, LOOP_UNROLL, "kw", 0, KERNEL);
    o = harness_loop(h, kw, LOOP_UNROLL, "o", 0, CO);
    t = harness_loop(h, o, LOOP_UNROLL, "t", 0, TILE);
    const Expr *x = LOAD(c.x, V(nb), V(ci), affine_offset(PLUS(V(oh), V(kh)), -1), affine_offset(PLUS(PLUS(V(ow), V(t)), V(kw)), -1), V(l));
    const Expr *w = LOAD(c.w, V(o), V(ci), V(kh), V(kw)), *acc = LOAD(c.acc, V(o), V(t), V(l));
    STORE(t, c.acc, expr_ternary(h->a, EXPR_FMA, x, w, acc), V(o), V(t), V(l));
    o = harness_loop(h, ow, LOOP_UNROLL, "o", 0, CO);
    t = harness_loop(h, o, LOOP_UNROLL, "t", 0, TILE);
    STORE(t, c.y, LOAD(c.acc, V(o), V(t), V(l)), V(nb), V(o), V(oh), PLUS(V(ow), V(t)), V(l));
    return c;
}

static float at5(const float *p, const Buffer *b, int64_t i, int64_t j, int64_t k, int64_t m, int64_t n) {
    return p[i * b->stride[0] + j * b->stride[1] + k * b->stride[2] + m * b->stride[3] + n];
}

static float true_conv(const Conv *c, const float *x, const float *w, float bias, int64_t nb, int64_t o, int64_t oh, int64_t ow, int64_t l) {
    float sum = bias;
    for (int64_t i = 0; i < CI; i++)
        for (int64_t kh = 0; kh < KERNEL; kh++)
            for (int64_t kw = 0; kw < KERNEL; kw++)
                sum += at5(x, c->x, nb, i, oh + kh - 1, ow + kw - 1, l) * w[((o * CI + i) * KERNEL + kh) * KERNEL + kw];
    return sum;
}

/* Whole numbers: any order of summation is exact. Blocks from `blocks` on stay untouched. */
static void check_conv(const Conv *c, const Harness *h, nrt_ctx *ctx) {
    float *x = harness_at(ctx, c->x), *w = harness_at(ctx, c->w), *bias = harness_at(ctx, c->bias), *y = harness_at(ctx, c->y);
    int64_t L = h->p->lanes, all = ceil_div(BATCH, L);
    for (int64_t i = 0; i < all * c->x->stride[0]; i++) ((float *)ctx->arena)[i] = (float)(i * 7 % 11 - 5);
    for (int i = 0; i < CO * CI * KERNEL * KERNEL; i++) w[i] = (float)(i * 5 % 7 - 3);
    for (int i = 0; i < CO; i++) bias[i] = (float)i;
    h->model->step(ctx);
    int wrong = 0, nonzero = 0;
    for (int64_t i = 0; i < all * CO * SIZE * SIZE * L; i++) {
        int64_t l = i % L, ow = i / L % SIZE, oh = i / L / SIZE % SIZE, o = i / L / SIZE / SIZE % CO, nb = i / L / SIZE / SIZE / CO;
        float want = nb < ctx->blocks ? true_conv(c, x, w, bias[o], nb, o, oh, ow, l) : 0;
        wrong += !(at5(y, c->y, nb, o, oh, ow, l) == want);
        nonzero += want != 0;
    }
    ck_assert_int_eq(wrong, 0);
    ck_assert_int_gt(nonzero, 100);
}

static const struct { int lanes, opt; const char *march; int64_t n, chunk; } conv_cases[] = {
    { 8, 2, NULL, BATCH, 1 }, { 8, 2, NULL, 9, 2 }, { 8, 0, NULL, BATCH, 2 }, { 1, 2, NULL, BATCH, 4 }, { 4, 1, NULL, 13, 3 }, { 4, 3, NULL, 3, 1 },
    { 16, 2, NULL, BATCH, 1 }, { 5, 2, NULL, 11, 1 },
#ifdef __x86_64__
    { 4, 2, "x86-64", BATCH, 1 }, { 8, 2, "nehalem", BATCH, 1 },
#endif
};
enum { CONV_CASES = sizeof conv_cases / sizeof *conv_cases };

START_TEST(convolution) {
    Harness hh = harness_new(conv_cases[_i].lanes, BATCH, conv_cases[_i].chunk), *h = &hh;
    Conv c = add_conv(h);
    harness_load(h, conv_cases[_i].march, conv_cases[_i].opt);
    nrt_ctx ctx = harness_open(h, conv_cases[_i].n);
    check_conv(&c, h, &ctx);
    harness_close(&ctx);
    harness_free(h);
}
END_TEST

/* The innermost contraction loop of the tile (the block with the most FMAs): nothing but products, loads and the counter. */
START_TEST(assembly) {
#ifdef __x86_64__
    Harness hh = harness_new(8, BATCH, 1), *h = &hh;
    add_conv(h);
    char *text = harness_assembly(h, "x86-64-v3", 2), *loop = strstr(text, "vfmadd");
    ck_assert_ptr_nonnull(loop);
    char *end = strstr(loop, "\n.L");
    ck_assert_ptr_nonnull(end);
    *end = '\0';
    while (strncmp(loop, "\n.L", 3) != 0) loop--;
    int fmas = 0;
    for (const char *p = loop; (p = strstr(p, "vfmadd")) != NULL; p++) fmas++;
    char *jump = strstr(loop, "\tj");
    ck_assert_ptr_nonnull(jump);
    *jump = '\0';
    ck_assert_int_eq(fmas, CO * TILE * KERNEL);
    ck_assert_msg(!strstr(loop, "%rsp") && !strstr(loop, "%rbp") && !strstr(loop, "vmovups"), "stack traffic or unaligned loads in\n%s", loop);
    int lines = 0;
    for (const char *p = loop; (p = strchr(p, '\n')) != NULL; p++) lines++;
    ck_assert_msg(lines <= fmas + KERNEL * CO + KERNEL + TILE - 1 + 12, "%d instructions for %d FMAs", lines, fmas);
    harness_free(h);
#endif
}
END_TEST

/* ---- memory: strides over lanes, bytes, tails, bounds that change ---- */

/* out[i] of image n: element (3 - i) of x, canonical on both sides: lane stride 4, gathered and scattered. */
START_TEST(relayout) {
    Harness hh = harness_new(_i, BATCH, 1), *h = &hh;
    harness_kernel(h, "turn", 0, 0);
    int64_t rows = round_up(BATCH, _i);
    Buffer *x = harness_buffer(h, "x", ELEM_F32, SPACE_X, 2, (int64_t[]){ -1, 4 }, 0), *out = harness_buffer(h, "out", ELEM_F32, SPACE_OUT, 2, (int64_t[]){ -1, 4 }, 0);
    x->bytes = out->bytes = rows * 16;
    Stmt *nb = block_loop(h), *l = harness_loop(h, nb, LOOP_LANE, "l", 0, _i), *i = harness_loop(h, l, LOOP_SERIAL, "i", 0, 4);
    Affine row = PLUS(affine_scale(h->a, V(nb), _i), V(l)), from = affine_offset(affine_scale(h->a, V(i), -1), 3);
    STORE(i, out, expr_binary(h->a, EXPR_MUL, LOAD(x, row, from), expr_leaf(h->a, EXPR_LR)), row, V(i));
    harness_load(h, NULL, 2);
    nrt_ctx ctx = harness_open(h, BATCH);
    float *in = (float *)(uintptr_t)ctx.x;
    for (int64_t j = 0; j < rows * 4; j++) in[j] = (float)(j + 1);
    h->model->step(&ctx);
    for (int64_t j = 0; j < rows * 4; j++) ck_assert(ctx.out[j] == 0.5f * in[j / 4 * 4 + 3 - j % 4]);
    harness_close(&ctx);
    harness_free(h);
}
END_TEST

/* Bytes, integers, comparisons, masks: u[nb, l] = image < n ? image % 200 + 1 : 0, and sums of them; lane_sum for each block. */
START_TEST(bytes) {
    Harness hh = harness_new(_i, BATCH, 1), *h = &hh;
    Arena *a = h->a;
    Kernel *k = harness_kernel(h, "bytes", 0, 0);
    Buffer *u = harness_buffer(h, "u", ELEM_U8, SPACE_ARENA, 2, (int64_t[]){ -1, _i }, 0), *y = harness_buffer(h, "y", ELEM_I32, SPACE_ARENA, 2, (int64_t[]){ -1, _i }, 0);
    Buffer *s = harness_buffer(h, "s", ELEM_F32, SPACE_ARENA, 1, (int64_t[]){ -1 }, 0);
    Stmt *nb = block_loop(h), *l = harness_loop(h, nb, LOOP_LANE, "l", 0, _i);
    const Expr *image = expr_index(a, PLUS(affine_scale(a, V(nb), _i), V(l)));
    const Expr *inside = expr_binary(a, EXPR_LT, image, expr_index(a, affine_var(a, k->n)));
    const Expr *ten = expr_binary(a, EXPR_MUL, image, expr_int(a, 10));
    STORE(l, u, expr_ternary(a, EXPR_SELECT, inside, expr_binary(a, EXPR_ADD, ten, expr_int(a, 101)), expr_int(a, 0)), V(nb), V(l));
    STORE(l, y, expr_binary(a, EXPR_SUB, LOAD(u, V(nb), V(l)), expr_binary(a, EXPR_DIV, image, expr_int(a, 3))), V(nb), V(l));
    STORE(l, s, expr_unary(a, EXPR_LANE_SUM, expr_unary(a, EXPR_TO_F32, LOAD(u, V(nb), V(l)))), V(nb));
    harness_load(h, NULL, 2);
    nrt_ctx ctx = harness_open(h, 13);
    h->model->step(&ctx);
    const uint8_t *up = harness_at(&ctx, u);
    const int32_t *yp = harness_at(&ctx, y);
    const float *sp = harness_at(&ctx, s);
    for (int b = 0; b < ctx.blocks; b++) {
        float sum = 0;
        for (int j = b * _i; j < (b + 1) * _i; j++) {
            int want = j < 13 ? 10 * j + 101 : 0;
            ck_assert_int_eq(up[j], want);
            ck_assert_int_eq(yp[j], want - j / 3);
            sum += (float)want;
        }
        ck_assert(sp[b] == sum);
    }
    harness_close(&ctx);
    harness_free(h);
}
END_TEST

/* Every operator of expr.def on f32, in vector and scalar form, with NaN where the document speaks of it. */
START_TEST(operators) {
    Harness hh = harness_new(4, 4, 1), *h = &hh;
    Arena *a = h->a;
    harness_kernel(h, "ops", 1, 1);
    Buffer *x = harness_buffer(h, "x", ELEM_F32, SPACE_ARENA, 2, (int64_t[]){ 2, 4 }, 0), *y = harness_buffer(h, "y", ELEM_F32, SPACE_ARENA, 2, (int64_t[]){ 14, 4 }, 0);
    Stmt *l = harness_loop(h, h->k->body, LOOP_LANE, "l", 0, _i), *list = _i == 1 ? h->k->body : l;
    Affine lane = _i == 1 ? affine_const(2) : V(l);
    const Expr *p = LOAD(x, affine_const(0), lane), *q = LOAD(x, affine_const(1), lane), *one = expr_real(a, 1), *zero = expr_real(a, 0);
    const ExprKind binary[] = { EXPR_ADD, EXPR_SUB, EXPR_MUL, EXPR_DIV, EXPR_MIN, EXPR_MAX };
    const ExprKind compare[] = { EXPR_LT, EXPR_LE, EXPR_EQ, EXPR_NE };
    for (int i = 0; i < 6; i++) STORE(list, y, expr_binary(a, binary[i], p, q), affine_const(i), lane);
    for (int i = 0; i < 4; i++) STORE(list, y, expr_ternary(a, EXPR_SELECT, expr_binary(a, compare[i], p, q), one, zero), affine_const(6 + i), lane);
    STORE(list, y, expr_unary(a, EXPR_NEG, p), affine_const(10), lane);
    STORE(list, y, expr_unary(a, EXPR_ABS, p), affine_const(11), lane);
    STORE(list, y, expr_unary(a, EXPR_SQRT, q), affine_const(12), lane);
    const Expr *both = expr_binary(a, EXPR_AND, expr_binary(a, EXPR_LT, p, q), expr_binary(a, EXPR_LT, zero, q));
    STORE(list, y, expr_ternary(a, EXPR_SELECT, expr_binary(a, EXPR_OR, both, expr_binary(a, EXPR_EQ, q, one)), p, q), affine_const(13), lane);
    harness_load(h, NULL, 2);
    nrt_ctx ctx = harness_open(h, 4);
    float *in = harness_at(&ctx, x), *out = harness_at(&ctx, y), nan = __builtin_nanf("");
    const float ps[] = { 3, -2.5f, -8, nan }, qs[] = { 4, -2.5f, 2, 1 };
    memcpy(in, ps, sizeof ps);
    memcpy(in + 4, qs, sizeof qs);
    h->model->step(&ctx);
    for (int i = _i == 1 ? 2 : 0; i < (_i == 1 ? 3 : 4); i++) {
        float u = ps[i], v = qs[i];
        const float want[] = { u + v, u - v, u * v, u / v, u < v ? u : v, u > v ? u : v, u < v, u <= v, u == v, u != v, -u, __builtin_fabsf(u), __builtin_sqrtf(v),
                               (u < v && 0 < v) || v == 1 ? u : v };
        for (int j = 0; j < 14; j++)
            ck_assert_msg(out[4 * j + i] == want[j] || (out[4 * j + i] != out[4 * j + i] && want[j] != want[j]), "operator %d of %g, %g: %g, want %g", j,
                          (double)u, (double)v, (double)out[4 * j + i], (double)want[j]);
    }
    harness_close(&ctx);
    harness_free(h);
}
END_TEST

/* for a: for oh = max(0, a-2) .. min(6, a+1) step 1: y[a] += x[oh] * w[a - oh]; some ranges are cut, with a lane tail of 3 of 8. */
START_TEST(bounds) {
    Harness hh = harness_new(8, 8, 1), *h = &hh;
    harness_kernel(h, "full", 8, 3);
    Buffer *x = harness_buffer(h, "x", ELEM_F32, SPACE_STATE, 1, (int64_t[]){ 6 }, 0), *w = harness_buffer(h, "w", ELEM_F32, SPACE_STATE, 1, (int64_t[]){ 3 }, 0);
    Buffer *y = harness_buffer(h, "y", ELEM_F32, SPACE_ARENA, 2, (int64_t[]){ 8, 8 }, 0);
    Stmt *a = stmt_for(h->a, arena_copy(h->a, &(Var){ "a" }, sizeof(Var)), LOOP_SERIAL, affine_var(h->a, h->k->lo), affine_var(h->a, h->k->hi), 1);
    stmt_add(h->a, h->k->body, a);
    Stmt *tile = harness_loop(h, a, LOOP_UNROLL, "tile", 0, 8);
    tile->step = 5;
    Stmt *l = harness_loop(h, tile, LOOP_LANE, "l", 0, 5); /* lanes tile .. min(8, tile + 5): 5, then 3 */
    l->hi[l->nhi++] = affine_offset(affine_scale(h->a, V(tile), -1), 8);
    Stmt *oh = harness_loop(h, l, LOOP_SERIAL, "oh", 0, 6);
    oh->lo[oh->nlo++] = affine_offset(V(a), -2);
    oh->hi[oh->nhi++] = affine_offset(V(a), 1);
    Affine column = PLUS(V(tile), V(l));
    const Expr *product = expr_binary(h->a, EXPR_MUL, LOAD(x, V(oh)), LOAD(w, PLUS(V(a), affine_scale(h->a, V(oh), -1))));
    STORE(oh, y, expr_binary(h->a, EXPR_ADD, LOAD(y, V(a), column), product), V(a), column);
    harness_load(h, NULL, 2);
    nrt_ctx ctx = harness_open(h, 8);
    float *xp = harness_at(&ctx, x), *wp = harness_at(&ctx, w), *yp = harness_at(&ctx, y);
    for (int i = 0; i < 6; i++) xp[i] = (float)(i + 1);
    for (int i = 0; i < 3; i++) wp[i] = (float)(10 * i + 1);
    for (int i = 0; i < 64; i++) yp[i] = (float)i;
    h->model->step(&ctx);
    for (int i = 0; i < 64; i++) {
        float want = (float)i;
        for (int o = 0; o < 6; o++)
            if (i / 8 - o >= 0 && i / 8 - o < 3) want += xp[o] * wp[i / 8 - o];
        ck_assert(yp[i] == want);
    }
    harness_close(&ctx);
    harness_free(h);
}
END_TEST

/* Lanes that do not start at 0: y[l] = 10 * l + x[l] for l in 2 .. 6. */
START_TEST(first_lane) {
    Harness hh = harness_new(8, 8, 1), *h = &hh;
    harness_kernel(h, "k", 1, 1);
    Buffer *x = harness_buffer(h, "x", ELEM_I32, SPACE_ARENA, 1, (int64_t[]){ 8 }, 0), *y = harness_buffer(h, "y", ELEM_I32, SPACE_ARENA, 1, (int64_t[]){ 8 }, 0);
    Stmt *l = harness_loop(h, h->k->body, LOOP_LANE, "l", 2, 6);
    STORE(l, y, expr_binary(h->a, EXPR_ADD, expr_index(h->a, affine_scale(h->a, V(l), 10)), LOAD(x, V(l))), V(l));
    harness_load(h, NULL, 2);
    nrt_ctx ctx = harness_open(h, 8);
    int32_t *xp = harness_at(&ctx, x), *yp = harness_at(&ctx, y);
    for (int i = 0; i < 8; i++) xp[i] = 100 * i;
    h->model->step(&ctx);
    for (int i = 0; i < 8; i++) ck_assert_int_eq(yp[i], i >= 2 && i < 6 ? 110 * i : 0);
    harness_close(&ctx);
    harness_free(h);
}
END_TEST

/* ---- segments ---- */

/* Two kernels of one ITEMS segment note worker-free facts of each item: task, range; ticks are counted where asked for. */
START_TEST(items) {
    Harness hh = harness_new(4, 8, 1), *h = &hh;
    Buffer *y[2];
    const int64_t count[] = { 7, 4 }, per_task[] = { 3, 4 };
    for (int j = 0; j < 2; j++) {
        Kernel *k = harness_kernel(h, j == 0 ? "first" : "second", count[j], per_task[j]);
        y[j] = harness_buffer(h, j == 0 ? "y0" : "y1", ELEM_I32, SPACE_ARENA, 2, (int64_t[]){ count[j], 3 }, 0);
        Stmt *i = stmt_for(h->a, arena_copy(h->a, &(Var){ "i" }, sizeof(Var)), LOOP_SERIAL, affine_var(h->a, k->lo), affine_var(h->a, k->hi), 1);
        stmt_add(h->a, k->body, i);
        const Var *const vars[] = { k->lo, k->hi, k->task };
        for (int v = 0; v < 3; v++) STORE(i, y[j], expr_index(h->a, affine_var(h->a, vars[v])), V(i), affine_const(v));
    }
    Segment *both = h->p->step.segments.at[0];
    VEC_PUSH(h->a, &both->parts, h->p->step.segments.at[1]->parts.at[0]);
    h->p->step.segments.n = 1;
    Segment *again = arena_copy(h->a, both, sizeof *both); /* a text of loops may run a kernel once more, in fewer tasks */
    memset(&again->parts, 0, sizeof again->parts);
    VEC_PUSH(h->a, &again->parts, ((SegmentPart){ both->parts.at[0].kernel, 1, 1 }));
    VEC_PUSH(h->a, &h->p->infer.segments, again);
    harness_load(h, NULL, _i);
    nrt_ctx ctx = harness_open(h, 8);
    uint64_t ticks[4] = { 0 };
    h->model->step(&ctx);
    for (int j = 0; j < 2; j++) {
        const int32_t *at = harness_at(&ctx, y[j]);
        for (int64_t i = 0; i < count[j]; i++) {
            int64_t task = i / per_task[j];
            ck_assert_int_eq(at[3 * i], task * per_task[j]);
            ck_assert_int_eq(at[3 * i + 1], i64_min((task + 1) * per_task[j], count[j]));
            ck_assert_int_eq(at[3 * i + 2], task);
        }
    }
    ctx.ticks = ticks;
    h->model->step(&ctx);
    for (int i = 0; i < 4; i++) ck_assert(ticks[i] > 0 && ticks[i] < UINT64_MAX / 2); /* of three tasks and of one */
    const nrt_kernel *of = h->model->kernels;
    ck_assert(of[0].first_tick == 0 && of[0].tasks == 3 && of[1].first_tick == 3 && of[1].tasks == 1 && h->model->tick_count == 4);
    harness_close(&ctx);
    harness_free(h);
}
END_TEST

/* BLOCKS: a first kernel fills scratch, which the second of the same chunk reads; the kernels' own variables; inference leaves a kernel that reads labels out without them. */
/* Segments of blocks take the batch's chunks forwards and backwards in turn, those of items between them aside. Only the first task of each is run. */
START_TEST(turns) {
    Harness hh = harness_new(4, BATCH, 2), *h = &hh;
    Buffer *y[3];
    for (int i = 0; i < 3; i++) {
        y[i] = harness_buffer(h, (const char *const[]){ "y0", "y1", "y2" }[i], ELEM_F32, SPACE_ARENA, 2, (int64_t[]){ -1, 4 }, 0);
        harness_kernel(h, (const char *const[]){ "k0", "k1", "k2" }[i], 0, 0);
        Stmt *nb = block_loop(h), *l = harness_loop(h, nb, LOOP_LANE, "l", 0, 4);
        STORE(l, y[i], expr_real(h->a, 1), V(nb), V(l));
        if (i == 0) harness_kernel(h, "items", 4, 2);
    }
    harness_load(h, NULL, 2);
    nrt_ctx ctx = harness_open(h, 13); /* four blocks, two chunks */
    harness_tasks = 1;
    h->model->step(&ctx);
    harness_tasks = INT64_MAX;
    for (int i = 0; i < 3; i++)
        for (int nb = 0; nb < 4; nb++) ck_assert_msg(((float *)harness_at(&ctx, y[i]))[4 * nb] == (float)((nb < 2) == (i != 1)), "buffer %d, block %d", i, nb);
    harness_close(&ctx);
    harness_free(h);
}
END_TEST

START_TEST(blocks) {
    Harness hh = harness_new(4, 20, 2), *h = &hh;
    Kernel *k1 = harness_kernel(h, "fill", 0, 0);
    Buffer *t = harness_buffer(h, "t", ELEM_F32, SPACE_SCRATCH, 2, (int64_t[]){ 2, 4 }, 0), *y = harness_buffer(h, "y", ELEM_F32, SPACE_ARENA, 2, (int64_t[]){ -1, 4 }, 0);
    Buffer *labels = harness_buffer(h, "labels", ELEM_I32, SPACE_LABELS, 1, (int64_t[]){ -1 }, 0);
    Buffer *facts = harness_buffer(h, "facts", ELEM_I32, SPACE_ARENA, 2, (int64_t[]){ -1, 4 }, 0);
    labels->bytes = 80;
    Stmt *nb = block_loop(h), *l = harness_loop(h, nb, LOOP_LANE, "l", 0, 4);
    STORE(l, t, expr_unary(h->a, EXPR_TO_F32, expr_index(h->a, PLUS(affine_scale(h->a, V(nb), 4), V(l)))), PLUS(V(nb), affine_scale(h->a, affine_var(h->a, k1->lo), -1)), V(l));
    Kernel *k2 = harness_kernel(h, "read", 0, 0);
    nb = block_loop(h);
    l = harness_loop(h, nb, LOOP_LANE, "l", 0, 4);
    const Expr *label = expr_unary(h->a, EXPR_TO_F32, LOAD(labels, PLUS(affine_scale(h->a, V(nb), 4), V(l))));
    STORE(l, y, expr_binary(h->a, EXPR_ADD, LOAD(t, PLUS(V(nb), affine_scale(h->a, affine_var(h->a, k2->lo), -1)), V(l)), label), V(nb), V(l));
    const Var *const vars[] = { k2->task, k2->n, k2->blocks, k2->chunks };
    for (int v = 0; v < 4; v++) STORE(nb, facts, expr_index(h->a, affine_var(h->a, vars[v])), V(nb), affine_const(v));
    Segment *both = h->p->step.segments.at[0];
    VEC_PUSH(h->a, &both->parts, h->p->step.segments.at[1]->parts.at[0]);
    h->p->step.segments.n = 1;
    VEC_PUSH(h->a, &h->p->infer.segments, both);
    harness_load(h, NULL, 2);
    nrt_ctx ctx = harness_open(h, 18);
    int32_t *given = (int32_t *)(uintptr_t)ctx.labels;
    float *yp = harness_at(&ctx, y);
    const int32_t *f = harness_at(&ctx, facts);
    for (int i = 0; i < 20; i++) given[i] = 1000 * i;
    ctx.labels = NULL;
    h->model->infer(&ctx);
    for (int i = 0; i < 20; i++) ck_assert(yp[i] == 0);
    ctx.labels = given;
    h->model->infer(&ctx);
    for (int i = 0; i < 20; i++) ck_assert(yp[i] == (float)(1001 * i));
    memset(yp, 0, 80);
    h->model->step(&ctx);
    for (int i = 0; i < 20; i++) ck_assert(yp[i] == (float)(1001 * i));
    for (int b = 0; b < 5; b++) ck_assert(f[4 * b] == b / 2 && f[4 * b + 1] == 18 && f[4 * b + 2] == 5 && f[4 * b + 3] == 3);
    harness_close(&ctx);
    harness_free(h);
}
END_TEST

/* ---- kernels alike ---- */

/* y = x + add of each block's lanes, from other buffers each time: how the kernel is known among others. */
static const void *likeness_of(Harness *h, const char *name, int64_t offset, double add) {
    harness_kernel(h, name, 0, 0);
    Buffer *x = harness_buffer(h, "x", ELEM_F32, SPACE_ARENA, 2, (int64_t[]){ -1, 4 }, 0), *y = harness_buffer(h, "y", ELEM_F32, SPACE_ARENA, 2, (int64_t[]){ -1, 4 }, 0);
    y->offset = offset;
    Stmt *nb = block_loop(h), *l = harness_loop(h, nb, LOOP_LANE, "l", 0, 4);
    STORE(l, y, expr_binary(h->a, EXPR_ADD, LOAD(x, V(nb), V(l)), expr_real(h->a, add)), V(nb), V(l));
    return loop_likeness(h->a, h->k).key;
}

/* Where buffers lie is all the same, but not what their places are multiples of, on which code for their vectors counts. */
START_TEST(alike) {
    Harness hh = harness_new(4, 20, 2), *h = &hh;
    const void *key = likeness_of(h, "a", 4096, 0.5);
    ck_assert_ptr_eq(likeness_of(h, "b", 64, 0.5), key);
    ck_assert_ptr_ne(likeness_of(h, "c", 4100, 0.5), key);
    ck_assert_ptr_ne(likeness_of(h, "d", 4096, -0.5), key);
    ck_assert_ptr_ne(likeness_of(h, "e", 4096, 0.0), likeness_of(h, "f", 4096, -0.0));
    harness_free(h);
}
END_TEST

/* ---- the descriptor ---- */

START_TEST(model) {
    Harness hh = harness_new(8, 32, 1), *h = &hh;
    add_conv(h);
    h->k->flops = 1234;
    nrt_tensor t = { "conv1.weight", NRT_WEIGHT, 4, { CO, CI, KERNEL, KERNEL }, 0, 18, 54 };
    VEC_PUSH(h->a, &h->p->tensors, t);
    Layer layer = { "conv1", "conv", { 0 }, type_batched(3, 6, 4, 4), 114, 5184 };
    VEC_PUSH(h->a, &h->p->model->layers, layer);
    h->p->model->train.lr = 0.9;
    h->p->model->train.path_a = "a/b.npy";
    harness_load(h, NULL, 2);
    const nrt_model *m = h->model;
    ck_assert(m->abi == NRT_ABI && m->lanes == 8 && m->tensor_count == 1 && m->layer_count == 1 && m->kernel_count == 1);
    ck_assert_str_eq(m->name, "net");
    ck_assert_str_eq(m->source, "net.net");
    ck_assert_str_eq(m->tensors[0].name, "conv1.weight");
    ck_assert(m->tensors[0].dim[3] == KERNEL && m->tensors[0].fan_out == 54 && m->layers[0].macs == 5184 && m->layers[0].dim[1] == 4);
    ck_assert_str_eq(m->kernels[0].name, "conv");
    ck_assert_str_eq(m->train.path_a, "a/b.npy");
    ck_assert(m->train.lr == 0.9 && m->train.batch == 32 && m->flops_per_image == 1234 && m->hash != 0);
    ck_assert(m->arena_bytes == h->p->arena_bytes && m->state_bytes == h->p->state_bytes && m->input_dim[0] == 4);
    float sink = 0;
    m->peak(1000, &sink);
    ck_assert(sink > 0 && m->peak_flops_per_iteration >= 2 * 12 * 4);
    harness_free(h);
}
END_TEST

START_TEST(targets) {
    Arena *a = arena_new();
    const char *error = NULL;
    ck_assert_ptr_null(target_new(a, "i386", NULL, &error));
    ck_assert(strstr(error, "'i386'") != NULL);
    ck_assert_ptr_null(target_new(a, NULL, "sparc-sun-solaris", &error));
    ck_assert(strstr(error, "'sparc-sun-solaris'") != NULL);
    ck_assert_ptr_null(target_new(a, "znver3", "aarch64-linux-gnu", &error));
    const Target *t = target_new(a, "znver4", "x86_64-linux-gnu", &error);
    ck_assert(t && t->lanes == 16 && t->registers == 32 && t->fma && strstr(t->features, "avx512vl"));
    t = target_new(a, NULL, "aarch64-linux-gnu", &error);
    ck_assert(t && t->lanes == 4 && t->registers == 32 && t->fma && t->features[0] == '\0');
    t = target_new(a, "x86-64", "x86_64-linux-gnu", &error);
    ck_assert(t && t->lanes == 4 && !t->fma && t->features[0] == '\0');
    arena_free(a);
}
END_TEST

/* A foreign target gives code too, with its own fused multiply-add. */
START_TEST(foreign) {
    Harness hh = harness_new(4, BATCH, 1), *h = &hh;
    add_conv(h);
    const char *error = NULL;
    Emitted *e = emit_program(h->a, h->p, NULL, target_new(h->a, NULL, "aarch64-linux-gnu", &error), &(EmitOptions){ .opt_level = 2 });
    Text text = { 0 };
    emit_write(e, EMIT_ASSEMBLY, &text);
    ck_assert(strstr(text.at, "fmla\tv") != NULL && strstr(text.at, "nrt_the_model") != NULL);
    text_free(&text);
    emit_free(e);
    harness_free(h);
}
END_TEST

static void check_ir(const char *text, size_t n) {
    char *message = NULL;
    LLVMContextRef context = LLVMContextCreate();
    LLVMModuleRef module;
    LLVMMemoryBufferRef buffer = LLVMCreateMemoryBufferWithMemoryRangeCopy(text, n, "comments.ll");
    ck_assert_msg(!LLVMParseIRInContext(context, buffer, &module, &message), "%s", message);
    ck_assert(!LLVMVerifyModule(module, LLVMReturnStatusAction, &message));
    LLVMDisposeMessage(message);
    LLVMDisposeModule(module);
    LLVMContextDispose(context);
}

/* LLVM reads its text with our comments in it, whatever the names hold, and they say what the functions and loops do. */
START_TEST(comments) {
    Harness hh = harness_new(4, BATCH, 1), *h = &hh;
    add_conv(h);
    h->k->plan = "direct; tile o:6\nw:2";
    harness_kernel(h, "odd\n\"kernel\": x", 0, 0);
    Stmt *odd = harness_loop(h, h->k->body, LOOP_SERIAL, "a.loop5\n", 0, 9);
    STORE(odd, harness_buffer(h, "z", ELEM_F32, SPACE_ARENA, 1, (int64_t[]){ 9 }, 0), expr_real(h->a, 1), V(odd));
    const char *error = loop_verify(h->p);
    ck_assert_msg(!error, "%s", error);
    for (int opt = 0; opt <= 2; opt += 2) {
        Text text = { 0 };
        Emitted *e = emit_program(h->a, h->p, NULL, target_new(h->a, "x86-64-v3", "x86_64-linux-gnu", &error), &(EmitOptions){ .opt_level = opt });
        emit_write(e, EMIT_IR, &text);
        static const char *const lines[] = {
            "\n;   conv: ", "\n; ---- conv: ", "\n; direct; tile o:6?w:2\n", "\n; conv: for nb = lo .. hi (around ", " FLOPs and ", "\n; conv: for c = 0 .. 2 (",
            "; unrolled: ", "\n; ---- odd?\"kernel\": x: ", "\n; odd?\"kernel\": x: for \"a.loop5\\n\" = 0 .. 9 (innermost; a turn: 1 store)\n", "\n; ---- step: ",
        };
        for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) ck_assert_msg(strstr(text.at, lines[i]) != NULL, "no '%s' in\n%.4000s", lines[i], text.at);
        ck_assert_ptr_nonnull(strstr(strstr(text.at, "\ndefine "), "\n@nrt_the_model"));
        check_ir(text.at, text.n);
        text_free(&text);
        emit_free(e);
    }
    harness_free(h);
}
END_TEST

/* Line tables: the lines of the kernel and of the store's span. */
START_TEST(lines) {
    static const char source[] = "one\ntwo\nthree\nfour\n";
    Harness hh = harness_new(4, BATCH, 1), *h = &hh;
    Arena *a = h->a;
    Diag *d = diag_new(a);
    int file = diag_add_file(d, "dir/lines.net", source, sizeof source - 1);
    Source s = { "dir/lines.net", file };
    VEC_PUSH(a, &h->p->model->sources, s);
    Kernel *k = harness_kernel(h, "k", 0, 0);
    k->span = (Span){ .file = file, .start = 4, .end = 7 };
    Buffer *y = harness_buffer(h, "y", ELEM_F32, SPACE_ARENA, 1, (int64_t[]){ -1 }, 0);
    Stmt *nb = block_loop(h), *store = stmt_store(a, y, (Affine[]){ V(nb) }, expr_leaf(a, EXPR_LR), (Span){ .file = file, .start = 14, .end = 18 });
    stmt_add(a, nb, store);
    const char *error = loop_verify(h->p);
    ck_assert_msg(!error, "%s", error);
    for (int opt = 0; opt <= 2; opt += 2) {
        Text text = { 0 };
        Emitted *e = emit_program(a, h->p, d, target_new(a, NULL, NULL, &error), &(EmitOptions){ .opt_level = opt, .debug = true });
        emit_write(e, EMIT_ASSEMBLY, &text);
        ck_assert_ptr_nonnull(strstr(text.at, "\"dir/lines.net\""));
        ck_assert(strstr(text.at, " 2 1") && strstr(text.at, " 4 1")); /* .loc FILE LINE COLUMN */
        text_free(&text);
        emit_free(e);
    }
    harness_free(h);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("loop_emit");
    TCase *tc = tcase_create("emit");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, convolution, 0, CONV_CASES);
    tcase_add_test(tc, assembly);
    tcase_add_loop_test(tc, relayout, 1, 2);
    tcase_add_loop_test(tc, relayout, 8, 9);
    tcase_add_loop_test(tc, bytes, 1, 9);
    tcase_add_loop_test(tc, operators, 1, 2);
    tcase_add_loop_test(tc, operators, 4, 5);
    tcase_add_test(tc, bounds);
    tcase_add_test(tc, comments);
    tcase_add_test(tc, first_lane);
    tcase_add_loop_test(tc, items, 0, 3);
    tcase_add_test(tc, blocks);
    tcase_add_test(tc, turns);
    tcase_add_test(tc, alike);
    tcase_add_test(tc, model);
    tcase_add_test(tc, targets);
    tcase_add_test(tc, foreign);
    tcase_add_test(tc, lines);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
