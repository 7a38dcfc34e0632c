/* test_loop.c: affine forms, what loop_verify catches, and the text of the loops. */
#include "../../compiler/loop_text.h"
#include "loop_harness.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define V(s) harness_var(h, s)

/* ---- affine forms ---- */

START_TEST(affine) {
    Arena *a = arena_new();
    Var x = { "x" }, y = { "y" };
    Affine ax = affine_var(a, &x), ay = affine_var(a, &y);
    Affine f = affine_offset(affine_add(a, affine_scale(a, ax, 3), affine_scale(a, ay, -2)), 7); /* 3x - 2y + 7 */
    ck_assert(f.c == 7 && f.n == 2 && affine_coef(f, &x) == 3 && affine_coef(f, &y) == -2);
    Affine g = affine_subst(a, f, &x, affine_offset(ay, 1)); /* 3(y+1) - 2y + 7 = y + 10 */
    ck_assert(affine_equal(g, affine_offset(ay, 10)));
    Affine none = affine_add(a, f, affine_scale(a, f, -1));
    ck_assert(none.n == 0 && none.c == 0 && affine_equal(none, affine_const(0)));
    ck_assert(!affine_equal(f, g) && !affine_equal(f, affine_offset(f, 1)) && affine_scale(a, f, 0).n == 0);
    ck_assert(affine_equal(affine_add(a, ax, ay), affine_add(a, ay, ax)));
    ck_assert(affine_equal(affine_subst(a, ay, &x, ax), ay));
    Affine rest, whole = affine_divide(a, affine_offset(affine_add(a, affine_scale(a, ax, 6), ay), -1), 2, &rest); /* 6x + y - 1 = 2(3x - 1) + y + 1 */
    ck_assert(affine_equal(whole, affine_offset(affine_scale(a, ax, 3), -1)) && affine_equal(rest, affine_offset(ay, 1)));
    arena_free(a);
}
END_TEST

/* ---- the verifier ---- */

/* for nb = lo .. hi: lane l: acc = 0; for i = max(0, -2) .. min(6, 9): acc = fma(x[nb, i-1, l], 2, acc); y[nb, l] = acc */
typedef struct Sample { Harness h; Buffer *x, *y, *acc, *u; Stmt *nb, *lane, *i, *fill, *add, *put; } Sample;

static Sample sample_new(void) {
    Sample s = { .h = harness_new(4, 10, 2) };
    Harness *h = &s.h;
    Kernel *k = harness_kernel(h, "k", 0, 0);
    s.x = harness_buffer(h, "x", ELEM_F32, SPACE_ARENA, 3, (int64_t[]){ -1, 6, 4 }, 1);
    s.y = harness_buffer(h, "y", ELEM_F32, SPACE_ARENA, 2, (int64_t[]){ -1, 4 }, 0);
    s.u = harness_buffer(h, "u", ELEM_U8, SPACE_ARENA, 2, (int64_t[]){ -1, 4 }, 0);
    s.acc = harness_buffer(h, "acc", ELEM_F32, SPACE_LOCAL, 1, (int64_t[]){ 4 }, 0);
    s.nb = stmt_for(h->a, k->lo, LOOP_SERIAL, affine_var(h->a, k->lo), affine_var(h->a, k->hi), 1);
    s.nb->var = arena_copy(h->a, &(Var){ "nb" }, sizeof(Var));
    stmt_add(h->a, k->body, s.nb);
    stmt_add(h->a, k->body, stmt_comment(h->a, "a \"note\""));
    s.lane = harness_loop(h, s.nb, LOOP_LANE, "l", 0, 4);
    s.fill = stmt_store(h->a, s.acc, (Affine[]){ V(s.lane) }, expr_real(h->a, -0.0), (Span){ 0 });
    stmt_add(h->a, s.lane, s.fill);
    s.i = harness_loop(h, s.lane, LOOP_SERIAL, "i", 0, 6);
    s.i->lo[s.i->nlo++] = affine_const(-2);
    s.i->hi[s.i->nhi++] = affine_const(9);
    const Expr *load = expr_load(h->a, s.x, (Affine[]){ V(s.nb), affine_offset(V(s.i), -1), V(s.lane) });
    const Expr *sum = expr_ternary(h->a, EXPR_FMA, load, expr_real(h->a, 2), expr_load(h->a, s.acc, (Affine[]){ V(s.lane) }));
    s.add = stmt_store(h->a, s.acc, (Affine[]){ V(s.lane) }, sum, (Span){ 0 });
    stmt_add(h->a, s.i, s.add);
    s.put = stmt_store(h->a, s.y, (Affine[]){ V(s.nb), V(s.lane) }, expr_load(h->a, s.acc, (Affine[]){ V(s.lane) }), (Span){ 0 });
    stmt_add(h->a, s.lane, s.put);
    return s;
}

START_TEST(verify_accepts) {
    Sample s = sample_new();
    const char *error = loop_verify(s.h.p);
    ck_assert_msg(!error, "%s", error);
    harness_free(&s.h);
}
END_TEST

/* One fault for each number; the message must have the text. */
static const char *plant(Sample *s, int fault) {
    Harness *h = &s->h;
    Arena *a = h->a;
    Var *other = arena_copy(a, &(Var){ "other" }, sizeof *other);
    Affine *at = arena_copy(a, s->put->at, 2 * sizeof *at);
    switch (fault) {
    case 0: s->i->hi[0] = affine_const(9); return "index 1 of 'x' runs from -1 to 7, allowed -1 to 6";
    case 1: s->i->lo[0] = s->i->lo[1] = affine_const(-1); return "index 1 of 'x' runs from -2 to 4";
    case 2: at[0] = affine_offset(at[0], 2); s->put->at = at; return "index 0 of 'y' runs from 2 to 4, allowed 0 to 3"; /* 64 bytes hold 4 blocks */
    case 3: at[0] = affine_var(a, other); s->put->at = at; return "variable 'other' is used outside its loop";
    case 4: at[1] = affine_const(0); s->put->at = at; return "all lanes store to one element of 'y'";
    case 5: s->put->value = expr_int(a, 1); return "store of i32 to 'y' of f32";
    case 6: s->put->value = expr_binary(a, EXPR_ADD, expr_real(a, 1), expr_int(a, 1)); return "operand 2 of '+' is i32, wants f32";
    case 7: s->y->offset = h->p->arena_bytes; return "its space has";
    case 8: s->x->bytes = 64; return "does not fit into its 64 bytes";
    case 9: s->y->name = "x"; return "two buffers have the name 'x'";
    case 10: s->nb->step = 0; return "has step 0";
    case 11: s->i->var = s->nb->var; return "variable 'nb' is already in use";
    case 12: s->i->loop = LOOP_LANE; return "inside a lane loop";
    case 13: s->nb->loop = LOOP_UNROLL; return "not constant once the loops around are unrolled";
    case 14: s->lane->hi[0] = affine_const(65); return "at most 64 lanes";
    case 15: h->k->locals.n = 0; return "buffer 'acc' is not the program's nor a local";
    case 16: s->i->hi[0] = V(s->lane); return "differ from lane to lane";
    case 17: s->put->value = expr_binary(a, EXPR_SUB, expr_binary(a, EXPR_LT, expr_int(a, 1), expr_int(a, 2)), expr_real(a, 0)); return "'-' of a bool";
    case 18: s->y->space = SPACE_X; s->y->offset = 0; return "belongs to the caller";
    case 19: h->p->step.segments.at[0]->kind = SEGMENT_ITEMS; return "runs 0 items";
    case 20: s->i->loop = LOOP_UNROLL; s->i->lo[0] = affine_const(0); s->i->nlo = s->i->nhi = 1; s->i->hi[0] = affine_const(1 << 20); return "unrolls to more than";
    case 21: s->put->value = expr_index(a, affine_scale(a, affine_var(a, h->k->n), 1 << 30)); return "does not fit into i32";
    case 22: s->acc->bytes = 1 << 20; return "locals take more than";
    case 23: stmt_add(a, h->k->body, stmt_store(a, s->y, (Affine[]){ affine_const(0), affine_const(0) },
             expr_unary(a, EXPR_LANE_SUM, expr_real(a, 1)), (Span){ 0 })); return "lane_sum outside a lane loop";
    case 24: stmt_add(a, s->lane, stmt_prefetch(a, s->acc, (Affine[]){ V(s->lane) }, (Span){ 0 })); return "prefetch of 'acc', which is a local";
    case 25: stmt_add(a, s->lane, stmt_prefetch(a, s->y, (Affine[]){ affine_var(a, other), V(s->lane) }, (Span){ 0 })); return "variable 'other' is used outside its loop";
    default: h->p->scratch_bytes = 4; return "not a multiple of 64";
    }
}

START_TEST(verify_catches) {
    Sample s = sample_new();
    const char *want = plant(&s, _i), *error = loop_verify(s.h.p);
    ck_assert_msg(error && strstr(error, want), "fault %d: '%s' is not in '%s'", _i, want, error ? error : "(accepted)");
    harness_free(&s.h);
}
END_TEST

/* Correlated bounds, as backward-data has them: for a in 0..8, oh in max(0, a-2) .. min(6, a+1): x[a - oh]. */
START_TEST(verify_bounds) {
    Harness hh = harness_new(1, 1, 1), *h = &hh;
    Kernel *k = harness_kernel(h, "k", 0, 0);
    Buffer *x = harness_buffer(h, "x", ELEM_F32, SPACE_ARENA, 1, (int64_t[]){ 3 }, 0);
    Stmt *a = harness_loop(h, k->body, LOOP_SERIAL, "a", 0, 8), *oh = harness_loop(h, a, LOOP_SERIAL, "oh", 0, 6);
    oh->lo[oh->nlo++] = affine_offset(V(a), -2);
    oh->hi[oh->nhi++] = affine_offset(V(a), 1);
    Affine at = affine_add(h->a, V(a), affine_scale(h->a, V(oh), -1));
    stmt_add(h->a, oh, stmt_store(h->a, x, &at, expr_real(h->a, 1), (Span){ 0 }));
    const char *error = loop_verify(h->p);
    ck_assert_msg(!error, "%s", error);
    x->dim[0] = 2;
    error = loop_verify(h->p);
    ck_assert_msg(error && strstr(error, "index 0 of 'x' runs from 0 to 2, allowed 0 to 1"), "%s", error ? error : "(accepted)");
    harness_free(h);
}
END_TEST

/* ---- the text ---- */

static char *print(Arena *a, const Program *p) {
    Text t = { 0 };
    loop_print(p, &t);
    char *s = arena_str(a, t.at, t.n);
    text_free(&t);
    return s;
}

static Program *parse(Arena *a, Diag *d, const char *text) {
    return loop_parse(a, d, diag_add_file(d, "t.loops", text, strlen(text)));
}

static void check_identity(Harness *h) {
    Diag *d = diag_new(h->a);
    char *first = print(h->a, h->p);
    Program *again = parse(h->a, d, first);
    if (!again) diag_flush(d, stderr, COLOR_NEVER, false);
    ck_assert_msg(again != NULL, "refused:\n%s", first);
    ck_assert_str_eq(print(h->a, again), first);
}

START_TEST(text_identity) {
    Sample s = sample_new();
    check_identity(&s.h);
    harness_free(&s.h);
}
END_TEST

static const Expr *every_operator(Arena *a, const Expr *f, const Expr *i) {
    const Expr *sum = expr_real(a, 1e-30);
    for (int kind = EXPR_IMAGE_WEIGHT + 1; kind < EXPR_KINDS; kind++) {
        const Expr *e = NULL, *t = expr_binary(a, EXPR_LT, i, expr_int(a, -3));
        if (kind == EXPR_TO_F32) e = expr_unary(a, EXPR_TO_F32, i);
        else if (kind == EXPR_HASH) e = expr_binary(a, EXPR_MUL, sum, expr_unary(a, EXPR_TO_F32, expr_unary(a, EXPR_HASH, i)));
        else if (kind == EXPR_SELECT) e = expr_ternary(a, EXPR_SELECT, expr_binary(a, EXPR_NE, f, sum), f, sum);
        else if (kind == EXPR_FMA) e = expr_ternary(a, EXPR_FMA, f, sum, f);
        else if (kind == EXPR_AND || kind == EXPR_OR) e = expr_ternary(a, EXPR_SELECT, expr_binary(a, (ExprKind)kind, t, t), f, sum);
        else if (kind >= EXPR_LT && kind <= EXPR_NE) e = expr_ternary(a, EXPR_SELECT, expr_binary(a, (ExprKind)kind, sum, f), f, f);
        else if (expr_operands((ExprKind)kind) == 1) e = expr_unary(a, (ExprKind)kind, sum);
        else e = expr_binary(a, (ExprKind)kind, expr_binary(a, EXPR_SUB, f, sum), expr_binary(a, EXPR_DIV, sum, f));
        sum = e;
    }
    return sum;
}

/* Every kind of expression, loop, buffer and segment. */
START_TEST(text_covers) {
    Sample s = sample_new();
    Harness *h = &s.h;
    const Expr *i = expr_binary(h->a, EXPR_MUL, expr_index(h->a, affine_offset(affine_scale(h->a, V(s.nb), -3), -1)),
                                expr_load(h->a, s.u, (Affine[]){ V(s.nb), V(s.lane) }));
    const Expr *f = expr_binary(h->a, EXPR_ADD, expr_leaf(h->a, EXPR_LR), expr_leaf(h->a, EXPR_IMAGE_WEIGHT));
    i = expr_binary(h->a, EXPR_ADD, i, expr_binary(h->a, EXPR_SUB, expr_leaf(h->a, EXPR_SEED), expr_leaf(h->a, EXPR_STEP)));
    s.fill->value = expr_binary(h->a, EXPR_SUB, expr_real(h->a, -(double)__builtin_inff()), every_operator(h->a, f, i));
    s.h.k->chunks = NULL;
    s.h.k->plan = "a \"plan\"\n";
    Kernel *k = harness_kernel(h, "odd name", 7, 3);
    Stmt *u = harness_loop(h, k->body, LOOP_UNROLL, "u", 0, 4);
    u->step = 3;
    stmt_add(h->a, u, stmt_store(h->a, s.y, (Affine[]){ affine_const(0), V(u) }, expr_real(h->a, 0.1), (Span){ 0 }));
    stmt_add(h->a, s.lane, stmt_prefetch(h->a, s.y, (Affine[]){ affine_offset(V(s.nb), 99), V(s.lane) }, (Span){ 0 }));
    nrt_tensor t = { "conv1.weight", NRT_WEIGHT, 2, { 2, 3 }, 0, 3, 2 };
    h->p->state_bytes = 64;
    VEC_PUSH(h->a, &h->p->tensors, t);
    VEC_PUSH(h->a, &h->p->infer.segments, h->p->step.segments.at[0]);
    check_identity(h);
    harness_free(h);
}
END_TEST

static char *replaced(Arena *a, const char *text, const char *from, const char *to) {
    const char *at = strstr(text, from);
    ck_assert_msg(at != NULL, "no '%s' in\n%s", from, text);
    return arena_printf(a, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
}

static const struct { const char *from, *to, *want; } broken[] = {
    { "lane l", "lane 5", "expected" },
    { "y[nb, l] = acc[l]", "prefetch y[nb]", "expected" },
    { "y[nb, l] = acc[l]", "prefetch", "expected" },
    { "fma(x", "fam(x", "unknown operator 'fam'" },
    { "x[nb, i - 1", "z[nb, i - 1", "unknown buffer 'z'" },
    { "x[nb, i - 1", "x[nb, j - 1", "unknown variable 'j'" },
    { "x[nb, i - 1, l]", "x[nb, i - 1]", "expected" },
    { "y[nb, l] = acc[l]", "y[nb, l] = acc", "'acc' is no number" },
    { "y[nb, l] = acc[l]", "y[nb, l] = acc[l] <", "expected an expression" },
    { "y[nb, l] = acc[l]", "y[nb, 2*l] = acc[l]", "index 1 of 'y'" },
    { "f32 [-1, 6, 4]", "f64 [-1, 6, 4]", "f64" },
    { "f32 [-1, 6, 4]", "f32 [-1, 6, 4, 1, 1, 1, 1]", "more than 6 numbers" },
    { "lanes=4", "lanes=99999999999999999999", "t.loops:" },
    { "blocks { k }", "blocks { m }", "unknown kernel 'm'" },
    { "infer {", "infer { }\n}", "end of the text" },
    { "stride [32, 4, 1]", "stride [32, 4]", "2 strides for 3 dimensions" },
    { "step {", "jump {", "expected" },
};
enum { BROKEN = sizeof broken / sizeof *broken };

static char *messages(Diag *d) {
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    diag_flush(d, f, COLOR_NEVER, false);
    fclose(f);
    return text;
}

START_TEST(parse_errors) {
    Sample s = sample_new();
    Diag *d = diag_new(s.h.a);
    char *text = replaced(s.h.a, print(s.h.a, s.h.p), broken[_i].from, broken[_i].to);
    ck_assert_ptr_null(parse(s.h.a, d, text));
    ck_assert_int_ge(diag_errors(d), 1);
    char *said = messages(d);
    ck_assert_msg(strstr(said, broken[_i].want) && strncmp(said, "t.loops:", 8) == 0, "'%s' is not in '%s'", broken[_i].want, said);
    free(said);
    harness_free(&s.h);
}
END_TEST

/* Cut or stained anywhere: an error or a program, never a crash. */
START_TEST(parse_hostile) {
    Sample s = sample_new();
    char *text = print(s.h.a, s.h.p);
    size_t n = strlen(text);
    for (size_t cut = 0; cut < n; cut++) {
        Arena *a = arena_new();
        Diag *d = diag_new(a);
        char *copy = arena_str(a, text, n);
        if (cut % 2) copy[cut] = "({[}-9\"!*"[cut / 2 % 9];
        else copy[cut] = '\0';
        Program *p = parse(a, d, copy);
        if (!p && diag_errors(d) == 0) ck_abort_msg("refused without a message at %zu", cut);
        arena_free(a);
    }
    Text deep = { 0 };
    for (int i = 0; i < 100000; i++) text_append(&deep, "(", 1);
    Diag *d = diag_new(s.h.a);
    ck_assert_ptr_null(parse(s.h.a, d, replaced(s.h.a, text, "y[nb, l] = acc[l]", arena_printf(s.h.a, "y[nb, l] = %s", deep.at))));
    text_free(&deep);
    harness_free(&s.h);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("loop");
    TCase *tc = tcase_create("loop");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, affine);
    tcase_add_test(tc, verify_accepts);
    tcase_add_loop_test(tc, verify_catches, 0, 27);
    tcase_add_test(tc, verify_bounds);
    tcase_add_test(tc, text_identity);
    tcase_add_test(tc, text_covers);
    tcase_add_loop_test(tc, parse_errors, 0, BROKEN);
    tcase_add_test(tc, parse_hostile);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
