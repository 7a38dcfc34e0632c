/* loop.c: building the loops: affine forms, expressions, statements, programs (loop.h gives their meaning).
 *
 * Everything is arena memory and, statements' lists of children apart, never changes once built; so expressions and affine
 * forms may be shared freely. An affine form keeps its terms in the order in which they were first added, without zeros.
 */
#include "loop.h"

#include <string.h>

/* ---- affine forms ---- */

Affine affine_const(int64_t c) {
    return (Affine){ .c = c };
}

Affine affine_var(Arena *a, const Var *v) {
    AffineTerm *term = ARENA_NEW(a, AffineTerm);
    *term = (AffineTerm){ v, 1 };
    return (Affine){ .n = 1, .term = term };
}

/* Products and sums wrap instead of trapping: loop_verify bounds every number that reaches generated code. */
static int64_t wrap_mul(int64_t x, int64_t y) {
    return (int64_t)((uint64_t)x * (uint64_t)y);
}

static int64_t wrap_add(int64_t x, int64_t y) {
    return (int64_t)((uint64_t)x + (uint64_t)y);
}

static int find_term(const AffineTerm *term, int n, const Var *v) {
    for (int i = 0; i < n; i++)
        if (term[i].var == v) return i;
    return -1;
}

/* x + k*y */
static Affine add_scaled(Arena *a, Affine x, Affine y, int64_t k) {
    int64_t c = wrap_add(x.c, wrap_mul(y.c, k));
    if (y.n == 0 || k == 0) return (Affine){ c, x.n, x.term };
    AffineTerm *term = ARENA_ARRAY(a, AffineTerm, x.n + y.n);
    int n = x.n;
    if (n > 0) memcpy(term, x.term, sizeof *term * (size_t)n);
    for (int i = 0; i < y.n; i++) {
        int at = find_term(term, n, y.term[i].var);
        if (at < 0) term[at = n++] = (AffineTerm){ y.term[i].var, 0 };
        term[at].k = wrap_add(term[at].k, wrap_mul(y.term[i].k, k));
    }
    int kept = 0;
    for (int i = 0; i < n; i++)
        if (term[i].k != 0) term[kept++] = term[i];
    return (Affine){ c, kept, term };
}

Affine affine_add(Arena *a, Affine x, Affine y) {
    return add_scaled(a, x, y, 1);
}

Affine affine_offset(Affine x, int64_t c) {
    x.c = wrap_add(x.c, c);
    return x;
}

Affine affine_scale(Arena *a, Affine x, int64_t k) {
    return add_scaled(a, affine_const(0), x, k);
}

Affine affine_pair(Arena *a, Affine x, int64_t k, Affine y) { return affine_add(a, affine_scale(a, x, k), y); }

int64_t elem_bytes(Elem e) { return e == ELEM_U8 ? 1 : 4; }

Affine affine_divide(Arena *a, Affine x, int64_t k, Affine *rest) {
    Affine quotient = affine_const(floor_div(x.c, k));
    *rest = affine_const(x.c - k * quotient.c);
    for (int i = 0; i < x.n; i++) {
        bool whole = x.term[i].k % k == 0;
        Affine *part = whole ? &quotient : rest;
        *part = add_scaled(a, *part, affine_var(a, x.term[i].var), whole ? x.term[i].k / k : x.term[i].k);
    }
    return quotient;
}

Affine affine_subst(Arena *a, Affine x, const Var *v, Affine y) {
    int64_t k = affine_coef(x, v);
    if (k == 0) return x;
    AffineTerm minus = { v, -1 };
    Affine rest = add_scaled(a, x, (Affine){ 0, 1, &minus }, k);
    return add_scaled(a, rest, y, k);
}

int64_t affine_coef(Affine x, const Var *v) {
    int at = find_term(x.term, x.n, v);
    return at < 0 ? 0 : x.term[at].k;
}

bool affine_equal(Affine x, Affine y) {
    if (x.c != y.c || x.n != y.n) return false;
    for (int i = 0; i < x.n; i++)
        if (affine_coef(y, x.term[i].var) != x.term[i].k) return false;
    return true;
}

/* ---- expressions ---- */

static const struct { const char *text; int operands; } kinds[EXPR_KINDS] = {
    [EXPR_REAL] = { "real", 0 }, [EXPR_INT] = { "int", 0 }, [EXPR_INDEX] = { "index", 0 }, [EXPR_LOAD] = { "load", 0 },
    [EXPR_LR] = { "lr", 0 }, [EXPR_SEED] = { "rng_seed", 0 }, [EXPR_STEP] = { "rng_step", 0 },
    [EXPR_IMAGE_WEIGHT] = { "image_weight", 0 },
#define EXPR(name, text, operands, doc) [EXPR_##name] = { text, operands },
#include "expr.def"
};

int expr_operands(ExprKind kind) {
    return kinds[kind].operands;
}

const char *expr_text(ExprKind kind) {
    return kinds[kind].text;
}

static Expr *new_expr(Arena *a, ExprKind kind) {
    Expr *e = ARENA_NEW(a, Expr);
    e->kind = kind;
    return e;
}

const Expr *expr_real(Arena *a, double x) {
    Expr *e = new_expr(a, EXPR_REAL);
    e->real = (double)(float)x;
    return e;
}

const Expr *expr_int(Arena *a, int64_t x) {
    Expr *e = new_expr(a, EXPR_INT);
    e->index = affine_const(x);
    return e;
}

const Expr *expr_index(Arena *a, Affine x) {
    Expr *e = new_expr(a, EXPR_INDEX);
    e->index = x;
    return e;
}

const Expr *expr_leaf(Arena *a, ExprKind kind) {
    ENSURE(kind >= EXPR_LR && kind <= EXPR_IMAGE_WEIGHT);
    return new_expr(a, kind);
}

const Expr *expr_load(Arena *a, const Buffer *b, const Affine *at) {
    Expr *e = new_expr(a, EXPR_LOAD);
    e->buffer = b;
    e->at = b->rank > 0 ? arena_copy(a, at, sizeof *at * (size_t)b->rank) : NULL;
    return e;
}

static const Expr *with_operands(Arena *a, ExprKind kind, int n, const Expr *x, const Expr *y, const Expr *z) {
    ENSURE(expr_operands(kind) == n);
    Expr *e = new_expr(a, kind);
    e->arg[0] = x;
    e->arg[1] = y;
    e->arg[2] = z;
    return e;
}

const Expr *expr_unary(Arena *a, ExprKind kind, const Expr *x) {
    return with_operands(a, kind, 1, x, NULL, NULL);
}

const Expr *expr_binary(Arena *a, ExprKind kind, const Expr *x, const Expr *y) {
    return with_operands(a, kind, 2, x, y, NULL);
}

const Expr *expr_ternary(Arena *a, ExprKind kind, const Expr *x, const Expr *y, const Expr *z) {
    return with_operands(a, kind, 3, x, y, z);
}

ValueType expr_type(const Expr *e) {
    for (;;) {
        switch (e->kind) {
        case EXPR_INT: case EXPR_INDEX: case EXPR_SEED: case EXPR_STEP: case EXPR_HASH: return VALUE_I32;
        case EXPR_LOAD: return e->buffer->elem == ELEM_F32 ? VALUE_F32 : VALUE_I32;
        case EXPR_LT: case EXPR_LE: case EXPR_EQ: case EXPR_NE: case EXPR_AND: case EXPR_OR: return VALUE_BOOL;
        case EXPR_NEG: case EXPR_ABS: case EXPR_ADD: case EXPR_SUB: case EXPR_MUL: case EXPR_DIV: case EXPR_MIN: case EXPR_MAX:
        case EXPR_LANE_SUM: e = e->arg[0]; break;
        case EXPR_SELECT: e = e->arg[1]; break;
        default: return VALUE_F32;
        }
    }
}

/* ---- statements ---- */

Stmt *stmt_for(Arena *a, const Var *v, LoopKind kind, Affine lo, Affine hi, int64_t step) {
    Stmt *s = ARENA_NEW(a, Stmt);
    s->kind = STMT_FOR;
    s->var = v;
    s->loop = kind;
    s->nlo = s->nhi = 1;
    s->lo[0] = lo;
    s->hi[0] = hi;
    s->step = step;
    return s;
}

Stmt *stmt_store(Arena *a, const Buffer *b, const Affine *at, const Expr *value, Span span) {
    Stmt *s = ARENA_NEW(a, Stmt);
    s->kind = STMT_STORE;
    s->span = span;
    s->buffer = b;
    s->at = b->rank > 0 ? arena_copy(a, at, sizeof *at * (size_t)b->rank) : NULL;
    s->value = value;
    return s;
}

Stmt *stmt_prefetch(Arena *a, const Buffer *b, const Affine *at, Span span) {
    Stmt *s = stmt_store(a, b, at, NULL, span);
    s->kind = STMT_PREFETCH;
    return s;
}

/* How far the element at[] of a buffer moves, in elements, if v goes one further. */
static int64_t stride_along(const Buffer *b, const Affine *at, const Var *v) {
    int64_t sum = 0;
    for (int i = 0; i < b->rank; i++) sum += affine_coef(at[i], v) * b->stride[i];
    return sum;
}

bool stmt_turns(const Stmt *loop, const Var *lane, int64_t lanes) {
    if (!lane || loop->kind != STMT_FOR || loop->loop != LOOP_UNROLL || loop->body.n != 1 || loop->body.at[0]->kind != STMT_STORE) return false;
    bool whole = loop->nlo == 1 && loop->nhi == 1 && !loop->lo[0].n && !loop->hi[0].n && loop->step == 1 && loop->hi[0].c - loop->lo[0].c == lanes;
    const Stmt *s = loop->body.at[0];
    const Expr *from = s->value;
    if (!whole || lanes < 2 || lanes & (lanes - 1) || from->kind != EXPR_LOAD || from->buffer->elem != ELEM_F32 || s->buffer->elem != ELEM_F32 || s->streamed) return false;
    bool rows = stride_along(from->buffer, from->at, loop->var) == 1 && stride_along(s->buffer, s->at, lane) == 1;
    return rows && s->buffer != from->buffer && s->buffer->space != SPACE_LOCAL && from->buffer->space != SPACE_LOCAL;
}

Stmt *stmt_comment(Arena *a, const char *text) {
    Stmt *s = ARENA_NEW(a, Stmt);
    s->kind = STMT_COMMENT;
    s->text = text;
    return s;
}

void stmt_add(Arena *a, Stmt *loop, Stmt *child) {
    ENSURE(loop->kind == STMT_FOR);
    VEC_PUSH(a, &loop->body, child);
}

Affine buffer_byte(Arena *a, const Buffer *b, const Affine *at) {
    Affine byte = affine_const(b->offset + b->base * elem_bytes(b->elem));
    for (int i = 0; i < b->rank; i++) byte = affine_add(a, byte, affine_scale(a, at[i], b->stride[i] * elem_bytes(b->elem)));
    return byte;
}

/* ---- programs ---- */

Program *program_new(Arena *a, Model *model) {
    Program *p = ARENA_NEW(a, Program);
    p->arena = a;
    p->model = model;
    p->lanes = 1;
    p->chunk = 1;
    p->step.name = "step";
    p->infer.name = "infer";
    return p;
}
