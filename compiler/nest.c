/* nest.c: see nest.h. */
#include "nest.h"

#include <string.h>

Nest *nest_new(Arena *a, Span span) {
    Nest *n = ARENA_NEW(a, Nest);
    n->span = span;
    return n;
}

static Axis *add_axis(Arena *a, Nest *n, const char *name, bool reduce) {
    ENSURE(n->naxes < AXIS_MAX);
    Var *v = ARENA_NEW(a, Var);
    v->name = arena_name(a, name);
    Axis *axis = &n->axis[n->naxes++];
    *axis = (Axis){.var = v, .reduce = reduce};
    return axis;
}

const Var *nest_axis(Arena *a, Nest *n, const char *name, int64_t extent, bool reduce) {
    Axis *axis = add_axis(a, n, name, reduce);
    axis->extent = extent;
    return axis->var;
}

const Var *nest_range(Arena *a, Nest *n, const char *name, Affine lo, Affine hi, bool reduce) {
    Axis *axis = add_axis(a, n, name, reduce);
    axis->extent = -1;
    axis->lo[axis->nlo++] = lo;
    axis->hi[axis->nhi++] = hi;
    return axis->var;
}

void nest_thin_out(Nest *n, Affine from, Affine end) {
    Axis *axis = &n->axis[n->naxes - 1];
    ENSURE(from.n == 1 && from.term[0].k == 1 && affine_equal(affine_offset(from, end.c - from.c), end));
    axis->sparse = true;
    axis->from = from;
    axis->end = end;
}

void nest_beside(Nest *n) { n->axis[n->naxes - 1].beside = true; }

void nest_end(Nest *n, Affine hi) {
    Axis *axis = &n->axis[n->naxes - 1];
    ENSURE(axis->nhi < BOUND_MAX - 1);
    axis->hi[axis->nhi++] = hi;
}

void nest_clamp(Nest *n, Affine lo, Affine hi) {
    Axis *axis = &n->axis[n->naxes - 1];
    ENSURE(axis->nlo < BOUND_MAX - 1);
    axis->lo[axis->nlo++] = lo;
    nest_end(n, hi);
}

/* A rank-0 local; the schedule gives it its final shape and a name of the kernel's. */
static Buffer *point_local(Arena *a, const char *name, Elem elem) {
    Buffer *b = ARENA_NEW(a, Buffer);
    b->name = name;
    b->elem = elem;
    b->space = SPACE_LOCAL;
    return b;
}

void nest_keep_far(Nest *n) { n->axis[n->naxes - 1].far = true; }

void nest_loosen(Nest *n, Affine needed) {
    Axis *axis = &n->axis[n->naxes - 1];
    axis->loose = true;
    axis->hi[axis->nhi++] = needed;
}

const Expr *nest_acc(Arena *a, Nest *n, Elem elem, const Expr *init) {
    Acc acc = {.buffer = point_local(a, "acc", elem), .init = init, .span = n->span};
    VEC_PUSH(a, &n->accs, acc);
    return expr_load(a, acc.buffer, NULL);
}

void nest_update(Nest *n, const Expr *acc, const Expr *update) {
    for (int i = 0; i < n->accs.n; i++)
        if (n->accs.at[i].buffer == acc->buffer) n->accs.at[i].update = update;
}

void nest_assign(Arena *a, Nest *n, const Buffer *buffer, const Affine *at, const Expr *value) {
    VEC_PUSH(a, &n->assigns, ((Assign){buffer, at, value, n->span, n->inner}));
}

const Buffer *nest_array(Arena *a, Nest *n, const char *name, int64_t rows, int64_t cols) {
    Buffer *b = point_local(a, name, ELEM_F32);
    b->rank = 2;
    b->dim[0] = rows;
    b->dim[1] = cols;
    VEC_PUSH(a, &n->arrays, b);
    return b;
}

const Var *nest_open(Arena *a, Nest *n, const char *name, int64_t extent) {
    ENSURE(!n->inner);
    Inner *inner = ARENA_NEW(a, Inner);
    Var *v = ARENA_NEW(a, Var);
    v->name = arena_name(a, name);
    *inner = (Inner){v, extent};
    n->inner = inner;
    VEC_PUSH(a, &n->inners, inner);
    return v;
}

void nest_close(Nest *n) { n->inner = NULL; }

static bool is_cheap(const Expr *e) {
    return e->kind == EXPR_REAL || e->kind == EXPR_INT || (e->kind >= EXPR_LR && e->kind <= EXPR_IMAGE_WEIGHT) ||
           (e->kind == EXPR_LOAD && e->buffer->space == SPACE_LOCAL);
}

const Expr *nest_let(Arena *a, Nest *n, const Expr *value) {
    if (is_cheap(value)) return value;
    Buffer *b = point_local(a, "v", expr_type(value) == VALUE_F32 ? ELEM_F32 : ELEM_I32);
    nest_assign(a, n, b, NULL, value);
    return expr_load(a, b, NULL);
}

static int find_axis(const Nest *n, const Var *v) {
    for (int i = 0; i < n->naxes; i++)
        if (n->axis[i].var == v) return i;
    BUG("no such axis");
}

/* Replaces v by x everywhere in the nest but in v's own axis. */
static void nest_subst(Arena *a, Nest *n, const Var *v, Affine x) {
    Subst s = {.arena = a, .n = 1, .var = {v}, .value = {x}};
    for (int i = 0; i < n->naxes; i++) {
        for (int j = 0; j < n->axis[i].nlo; j++) n->axis[i].lo[j] = subst_affine(&s, n->axis[i].lo[j]);
        for (int j = 0; j < n->axis[i].nhi; j++) n->axis[i].hi[j] = subst_affine(&s, n->axis[i].hi[j]);
        n->axis[i].from = subst_affine(&s, n->axis[i].from);
        n->axis[i].end = subst_affine(&s, n->axis[i].end);
    }
    for (int i = 0; i < n->accs.n; i++) {
        n->accs.at[i].init = subst_expr(&s, n->accs.at[i].init);
        n->accs.at[i].update = subst_expr(&s, n->accs.at[i].update);
    }
    for (int i = 0; i < n->assigns.n; i++) {
        Assign *as = &n->assigns.at[i];
        Affine *at = ARENA_ARRAY(a, Affine, as->buffer->rank);
        for (int j = 0; j < as->buffer->rank; j++) at[j] = subst_affine(&s, as->at[j]);
        as->at = at;
        as->value = subst_expr(&s, as->value);
    }
}

void nest_fix(Arena *a, Nest *n, const Var *v, Affine x) {
    int i = find_axis(n, v);
    nest_subst(a, n, v, x);
    memmove(&n->axis[i], &n->axis[i + 1], sizeof n->axis[0] * (size_t)(n->naxes - i - 1));
    n->naxes--;
}

void nest_window(Arena *a, Nest *n, const Var *v, Affine x, int64_t extent, int64_t end) {
    int i = find_axis(n, v);
    bool whole = n->axis[i].extent % extent == 0 && n->axis[i].extent == end;
    Var *inner = ARENA_NEW(a, Var);
    inner->name = v->name;
    nest_subst(a, n, v, affine_add(a, x, affine_var(a, inner)));
    n->axis[i] = (Axis){.var = inner, .reduce = n->axis[i].reduce, .extent = extent};
    if (!whole) n->axis[i].hi[n->axis[i].nhi++] = affine_offset(affine_scale(a, x, -1), end);
}

/* ---- substitution ---- */

Affine subst_affine(const Subst *s, Affine x) {
    Affine out = affine_const(x.c);
    for (int i = 0; i < x.n; i++) {
        Affine value = affine_var(s->arena, x.term[i].var);
        for (int j = 0; j < s->n; j++)
            if (s->var[j] == x.term[i].var) value = s->value[j];
        out = affine_add(s->arena, out, affine_scale(s->arena, value, x.term[i].k));
    }
    return out;
}

const Affine *subst_at(const Subst *s, const Buffer **b, const Affine *at) {
    const Rename *to = NULL;
    int own = (*b)->rank, n = 0;
    for (int i = 0; i < s->renames.n && !to; i++)
        if (s->renames.at[i].from == *b) to = &s->renames.at[i];
    if (to) *b = to->to;
    if (to && !own) return s->index + to->skip;
    Affine *out = ARENA_ARRAY(s->arena, Affine, (*b)->rank);
    for (; n < own; n++) out[n] = subst_affine(s, at[n]);
    for (; n < (*b)->rank; n++) out[n] = s->index[to->skip + n - own];
    return out;
}

static const Expr *subst_load(const Subst *s, const Expr *e) {
    const Buffer *b = e->buffer;
    const Affine *at = subst_at(s, &b, e->at);
    return expr_load(s->arena, b, at);
}

const Expr *subst_expr(const Subst *s, const Expr *e) {
    if (e->kind == EXPR_LOAD) return subst_load(s, e);
    if (e->kind == EXPR_INDEX) return expr_index(s->arena, subst_affine(s, e->index));
    int n = expr_operands(e->kind);
    if (!n) return e;
    Expr *copy = arena_copy(s->arena, e, sizeof *e);
    for (int i = 0; i < n; i++) copy->arg[i] = subst_expr(s, e->arg[i]);
    return copy;
}

/* ---- accesses ---- */

static void expr_accesses(const Expr *e, void (*fn)(void *, const Buffer *, const Affine *), void *ctx) {
    if (e->kind == EXPR_LOAD) fn(ctx, e->buffer, e->at);
    for (int i = 0, n = expr_operands(e->kind); i < n; i++) expr_accesses(e->arg[i], fn, ctx);
}

void nest_accesses(const Nest *n, void (*fn)(void *, const Buffer *, const Affine *), void *ctx) {
    for (int i = 0; i < n->accs.n; i++) {
        expr_accesses(n->accs.at[i].init, fn, ctx);
        expr_accesses(n->accs.at[i].update, fn, ctx);
    }
    for (int i = 0; i < n->assigns.n; i++) {
        expr_accesses(n->assigns.at[i].value, fn, ctx);
        fn(ctx, n->assigns.at[i].buffer, n->assigns.at[i].at);
    }
}
