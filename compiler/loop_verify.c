/* loop_verify.c: what every Program must keep, whoever wrote it: lowering, a pass, or a text from outside.
 *
 * Indices are bounded symbolically. To bound a form from above, its innermost variable v is replaced by v's own bounds
 * (the upper ones minus one where v counts positively, the lower ones where negatively), each candidate is bounded in the
 * same way, and the smallest result counts. So `a - oh` with oh from max(0, a-2) needs no luck: it becomes 2. The range
 * variables of kernels are bounded by the compiled batch and the segments that run the kernel. Arithmetic is checked, the
 * search has a budget, and what cannot be bounded is an error: generated code then stays inside its buffers.
 */
#include "loop.h"

#include <stdlib.h>
#include <string.h>

enum { SCOPE_MAX = 64, LANES_MAX = 64, SEARCH_BUDGET = 4096 };
#define UNROLL_LIMIT ((int64_t)1 << 18)  /* copies that one loop's unrolling makes */
#define STORES_LIMIT ((int64_t)1 << 24)  /* stores after unrolling, in one program: some 10,000 layers */
#define NUMBER_LIMIT ((int64_t)1 << 40)  /* constants and coefficients */
#define LOCAL_LIMIT  ((int64_t)256 << 10) /* bytes of one kernel's locals: they may be on a worker's stack */

/* A form over the variables in scope, dense: c + sum k[i] * scope[i]. */
typedef struct Form { int64_t c; int64_t k[SCOPE_MAX]; } Form;

typedef struct Scope {
    const Var *var;
    LoopKind loop;
    bool constant;         /* unroll and lane variables: known when code is emitted */
    int nlo, nhi;          /* var >= lo[i], var <= last[i] */
    Form *lo, *last;
} Scope;

typedef struct Verify {
    const Program *p;
    Arena *a;
    const Kernel *kernel;
    Scope scope[SCOPE_MAX];
    int depth, lane;       /* lane: place of the lane variable in scope, or -1 */
    int budget;
    int64_t unrolled, stores; /* copies of the present statement, stores so far */
    const void *part;      /* what is looked at: see loop_verify_part; it stays where a check has failed */
    const char *error;
} Verify;

static bool fail(Verify *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static bool fail(Verify *v, const char *fmt, ...) {
    if (v->error) return false;
    va_list ap;
    va_start(ap, fmt);
    Text t = { 0 };
    if (v->kernel) text_printf(&t, "kernel '%s': ", v->kernel->name);
    text_vprintf(&t, fmt, ap);
    va_end(ap);
    v->error = arena_str(v->a, t.at, t.n);
    text_free(&t);
    return false;
}

/* ---- bounds ---- */

static bool small(int64_t x) {
    return x >= -NUMBER_LIMIT && x <= NUMBER_LIMIT;
}

static bool form_of(Verify *v, Affine x, Form *out) {
    *out = (Form){ .c = x.c };
    if (!small(x.c)) return fail(v, "number %lld is out of range", (long long)x.c);
    for (int i = 0; i < x.n; i++) {
        int at = v->depth - 1;
        while (at >= 0 && v->scope[at].var != x.term[i].var) at--;
        if (at < 0) return fail(v, "variable '%s' is used outside its loop", x.term[i].var ? x.term[i].var->name : "(null)");
        if (!small(x.term[i].k)) return fail(v, "factor %lld is out of range", (long long)x.term[i].k);
        out->k[at] += x.term[i].k;
    }
    return true;
}

/* out = x with variable `at` replaced by y; false where numbers overflow. */
static bool form_subst(const Form *x, int at, const Form *y, Form *out) {
    int64_t k = x->k[at], product;
    *out = *x;
    out->k[at] = 0;
    if (!checked_mul(k, y->c, &product) || !checked_add(out->c, product, &out->c)) return false;
    for (int i = 0; i < at; i++)
        if (!checked_mul(k, y->k[i], &product) || !checked_add(out->k[i], product, &out->k[i])) return false;
    return true;
}

/* The largest value that x can have; false where none is known. */
static bool upper(Verify *v, const Form *x, int64_t *out) {
    int at = v->depth - 1;
    while (at >= 0 && x->k[at] == 0) at--;
    if (at < 0) {
        *out = x->c;
        return true;
    }
    const Scope *s = &v->scope[at];
    const Form *bound = x->k[at] > 0 ? s->last : s->lo;
    int n = x->k[at] > 0 ? s->nhi : s->nlo;
    bool known = false;
    for (int i = 0; i < n && v->budget-- > 0; i++) {
        Form y;
        int64_t value;
        if (!form_subst(x, at, &bound[i], &y) || !upper(v, &y, &value)) continue;
        if (!known || value < *out) *out = value;
        known = true;
    }
    return known;
}

static bool range_of(Verify *v, const Form *x, int64_t *min, int64_t *max) {
    Form minus = { .c = -x->c };
    for (int i = 0; i < v->depth; i++) minus.k[i] = -x->k[i];
    v->budget = SEARCH_BUDGET;
    if (!upper(v, x, max)) return false;
    v->budget = SEARCH_BUDGET;
    if (!upper(v, &minus, min)) return false;
    *min = -*min;
    return true;
}

/* ---- buffers ---- */


/* Elements from the buffer's start to the last and first addressable ones, the first dimension left out when it is -1. */
static bool buffer_reach(const Buffer *b, int64_t *first, int64_t *last) {
    *first = *last = b->base;
    for (int i = 0; i < b->rank; i++) {
        int64_t under, over;
        int64_t extent = b->dim[i] == -1 ? 1 : b->dim[i];
        if (!checked_mul(b->low[i], b->stride[i], &under) || !checked_mul(extent - 1 + b->high[i], b->stride[i], &over)) return false;
        if (!checked_add(*first, -under, first) || !checked_add(*last, over, last)) return false;
    }
    return true;
}

static bool verify_shape(Verify *v, const Buffer *b) {
    if (b->rank < 0 || b->rank > BUFFER_RANK) return fail(v, "buffer '%s' has rank %d, allowed 0 to %d", b->name, b->rank, BUFFER_RANK);
    if (b->base < 0 || !small(b->base)) return fail(v, "buffer '%s' has base %lld", b->name, (long long)b->base);
    for (int i = 0; i < b->rank; i++) {
        bool run_time = i == 0 && b->dim[i] == -1 && b->space != SPACE_LOCAL;
        if (!run_time && (b->dim[i] < 1 || !small(b->dim[i])))
            return fail(v, "buffer '%s' has extent %lld in dimension %d", b->name, (long long)b->dim[i], i);
        if (b->low[i] < 0 || b->high[i] < 0 || !small(b->low[i]) || !small(b->high[i]))
            return fail(v, "buffer '%s' has a halo of %lld, %lld in dimension %d", b->name, (long long)b->low[i], (long long)b->high[i], i);
        if (b->stride[i] < 0 || !small(b->stride[i]))
            return fail(v, "buffer '%s' has stride %lld in dimension %d", b->name, (long long)b->stride[i], i);
    }
    return true;
}

static int64_t space_bytes(const Program *p, Space s) {
    switch (s) {
    case SPACE_STATE: return p->state_bytes;
    case SPACE_ARENA: return p->arena_bytes;
    case SPACE_SCRATCH: return p->scratch_bytes;
    default: return NUMBER_LIMIT;
    }
}

static bool verify_buffer(Verify *v, const Buffer *b) {
    int64_t first, last, end;
    v->part = b;
    if (!b->name || !verify_shape(v, b)) return fail(v, "a buffer has no name");
    if (!buffer_reach(b, &first, &last) || first < 0 || b->bytes < 0 || last >= b->bytes / elem_bytes(b->elem))
        return fail(v, "buffer '%s' does not fit into its %lld bytes", b->name, (long long)b->bytes);
    if (b->offset < 0 || b->offset % elem_bytes(b->elem) != 0)
        return fail(v, "buffer '%s' has offset %lld", b->name, (long long)b->offset);
    if (!checked_add(b->offset, b->bytes, &end) || end > space_bytes(v->p, b->space))
        return fail(v, "buffer '%s' ends at byte %lld, its space has %lld", b->name, (long long)end, (long long)space_bytes(v->p, b->space));
    return true;
}

/* The largest index allowed in dimension i: by the extent, or by the size in bytes where the extent is the batch's. */
static int64_t last_index(const Buffer *b, int i) {
    int64_t first, last;
    if (b->dim[i] != -1) return b->dim[i] - 1 + b->high[i];
    if (b->stride[i] == 0 || !buffer_reach(b, &first, &last)) return 0;
    return (b->bytes / elem_bytes(b->elem) - 1 - last) / b->stride[i] + b->high[i];
}

static bool owns_buffer(const Verify *v, const Buffer *b) {
    if (b->space == SPACE_LOCAL) {
        for (int i = 0; i < v->kernel->locals.n; i++)
            if (v->kernel->locals.at[i] == b) return true;
        return false;
    }
    for (int i = 0; i < v->p->buffers.n; i++)
        if (v->p->buffers.at[i] == b) return true;
    return false;
}

/* Every index inside the halo; *lane_stride: elements from one lane to the next. */
static bool verify_access(Verify *v, const Buffer *b, const Affine *at, int64_t *lane_stride) {
    *lane_stride = 0;
    if (!b || !owns_buffer(v, b)) return fail(v, "buffer '%s' is not the program's nor a local of this kernel", b ? b->name : "(null)");
    for (int i = 0; i < b->rank; i++) {
        Form x;
        int64_t min, max;
        if (!form_of(v, at[i], &x)) return false;
        if (!range_of(v, &x, &min, &max)) return fail(v, "index %d of '%s' cannot be bounded", i, b->name);
        if (min < -b->low[i] || max > last_index(b, i))
            return fail(v, "index %d of '%s' runs from %lld to %lld, allowed %lld to %lld", i, b->name, (long long)min, (long long)max,
                        (long long)-b->low[i], (long long)last_index(b, i));
        if (v->lane >= 0) *lane_stride += x.k[v->lane] * b->stride[i];
    }
    return true;
}

/* ---- expressions ---- */

static const char *const type_names[] = { "f32", "i32", "bool" };

static bool want_type(Verify *v, const Expr *e, int operand, ValueType want) {
    ValueType found = expr_type(e->arg[operand]);
    return found == want || fail(v, "operand %d of '%s' is %s, wants %s", operand + 1, expr_text(e->kind), type_names[found], type_names[want]);
}

static bool verify_types(Verify *v, const Expr *e) {
    ValueType first = e->arg[0] ? expr_type(e->arg[0]) : VALUE_F32;
    switch (e->kind) {
    case EXPR_REAL: case EXPR_INT: case EXPR_INDEX: case EXPR_LOAD: case EXPR_LR: case EXPR_SEED: case EXPR_STEP: case EXPR_IMAGE_WEIGHT: return true;
    case EXPR_EXP: case EXPR_LOG: case EXPR_SIGMOID: case EXPR_TANH: case EXPR_ERF: case EXPR_SQRT: case EXPR_LANE_SUM: return want_type(v, e, 0, VALUE_F32);
    case EXPR_TO_F32: case EXPR_HASH: return want_type(v, e, 0, VALUE_I32);
    case EXPR_AND: case EXPR_OR: return want_type(v, e, 0, VALUE_BOOL) && want_type(v, e, 1, VALUE_BOOL);
    case EXPR_FMA: return want_type(v, e, 0, VALUE_F32) && want_type(v, e, 1, VALUE_F32) && want_type(v, e, 2, VALUE_F32);
    case EXPR_SELECT: return want_type(v, e, 0, VALUE_BOOL) && want_type(v, e, 2, expr_type(e->arg[1]));
    case EXPR_NEG: case EXPR_ABS: return first != VALUE_BOOL || fail(v, "'%s' of a bool", expr_text(e->kind));
    case EXPR_DIV:
        if (first == VALUE_I32 && (e->arg[1]->kind != EXPR_INT || e->arg[1]->index.c < 1)) return fail(v, "'/' of i32 wants a positive constant divisor");
        break;
    default: break;
    }
    if (first == VALUE_BOOL) return fail(v, "'%s' of a bool", expr_text(e->kind));
    return want_type(v, e, 1, first);
}

/* *varies: whether the value differs from lane to lane. */
static bool verify_expr(Verify *v, const Expr *e, bool *varies) {
    *varies = false;
    if ((unsigned)e->kind >= EXPR_KINDS) return fail(v, "expression of kind %d", (int)e->kind);
    if (e->kind == EXPR_LOAD) {
        int64_t lane_stride;
        if (!verify_access(v, e->buffer, e->at, &lane_stride)) return false;
        *varies = lane_stride != 0;
    } else if (e->kind == EXPR_INDEX || e->kind == EXPR_INT) {
        Form x;
        int64_t min, max;
        if (!form_of(v, e->index, &x)) return false;
        if (!range_of(v, &x, &min, &max) || min < INT32_MIN || max > INT32_MAX) return fail(v, "an index used as a number does not fit into i32");
        *varies = v->lane >= 0 && x.k[v->lane] != 0;
    }
    for (int i = 0; i < expr_operands(e->kind); i++) {
        bool one;
        if (!e->arg[i]) return fail(v, "'%s' lacks an operand", expr_text(e->kind));
        if (!verify_expr(v, e->arg[i], &one)) return false;
        *varies |= one;
    }
    if (e->kind == EXPR_LANE_SUM) {
        if (v->lane < 0) return fail(v, "lane_sum outside a lane loop");
        *varies = false;
    }
    return verify_types(v, e);
}

/* ---- statements ---- */

static bool verify_store(Verify *v, const Stmt *s) {
    int64_t lane_stride;
    bool varies;
    if (!verify_access(v, s->buffer, s->at, &lane_stride)) return false;
    if (!s->value || !verify_expr(v, s->value, &varies)) return fail(v, "store to '%s' without a value", s->buffer->name);
    ValueType want = s->buffer->elem == ELEM_F32 ? VALUE_F32 : VALUE_I32, found = expr_type(s->value);
    if (found != want) return fail(v, "store of %s to '%s' of %s", type_names[found], s->buffer->name, type_names[want]);
    if (lane_stride == 0 && varies) return fail(v, "all lanes store to one element of '%s', but their values differ", s->buffer->name);
    if (s->buffer->space == SPACE_X || s->buffer->space == SPACE_LABELS || s->buffer->space == SPACE_TARGET)
        return fail(v, "store to '%s', which belongs to the caller", s->buffer->name);
    if (!checked_add(v->stores, v->unrolled, &v->stores) || v->stores > STORES_LIMIT)
        return fail(v, "unrolled loops make more than %lld stores", (long long)STORES_LIMIT);
    return true;
}

/* Any address will do. */
static bool verify_prefetch(Verify *v, const Stmt *s) {
    Form x;
    if (!s->buffer || !owns_buffer(v, s->buffer)) return fail(v, "buffer '%s' is not the program's nor a local of this kernel", s->buffer ? s->buffer->name : "(null)");
    if (s->buffer->space == SPACE_LOCAL) return fail(v, "prefetch of '%s', which is a local", s->buffer->name);
    for (int i = 0; i < s->buffer->rank; i++)
        if (!form_of(v, s->at[i], &x)) return false;
    return true;
}

/* Whether a form is a constant once unroll loops are expanded. */
static bool is_constant(const Verify *v, const Form *x) {
    for (int i = 0; i < v->depth; i++)
        if (x->k[i] != 0 && !v->scope[i].constant) return false;
    return true;
}

/* The form of the last value of a loop whose bounds are lo and hi: hi - 1, or nearer where they are a constant apart. */
static Form last_value(const Form *lo, const Form *hi, bool single, int64_t step) {
    Form last = *hi;
    last.c -= 1;
    if (!single || memcmp(lo->k, hi->k, sizeof lo->k) != 0 || hi->c <= lo->c) return last;
    last.c = lo->c + (hi->c - lo->c - 1) / step * step;
    return last;
}

/* Most passes of a loop: the smallest bound of hi - lo over the pairs of its bounds; false where none is known. */
static bool trip_count(Verify *v, const Stmt *s, const Form *lo, const Form *hi, int64_t *out) {
    bool known = false;
    for (int i = 0; i < s->nlo; i++) {
        for (int j = 0; j < s->nhi; j++) {
            Form apart = { 0 };
            int64_t value;
            if (!checked_add(hi[j].c, -lo[i].c, &apart.c)) continue;
            for (int k = 0; k < v->depth; k++) apart.k[k] = hi[j].k[k] - lo[i].k[k];
            v->budget = SEARCH_BUDGET;
            if (!upper(v, &apart, &value)) continue;
            if (!known || value < *out) *out = value;
            known = true;
        }
    }
    if (known) *out = *out <= 0 ? 0 : (*out - 1) / s->step + 1;
    return known;
}

static bool verify_stmt(Verify *v, const Stmt *s);

static bool verify_list(Verify *v, const Stmt *s) {
    for (int i = 0; i < s->body.n; i++)
        if (!verify_stmt(v, s->body.at[i])) return false;
    return true;
}

static bool verify_header(Verify *v, const Stmt *s, Form *lo, Form *hi) {
    if (!s->var->name) return fail(v, "a loop variable has no name");
    for (int i = 0; i < v->depth; i++)
        if (v->scope[i].var == s->var || strcmp(v->scope[i].var->name, s->var->name) == 0)
            return fail(v, "variable '%s' is already in use", s->var->name);
    if (s->step < 1 || !small(s->step)) return fail(v, "loop over '%s' has step %lld", s->var->name, (long long)s->step);
    if (s->nlo < 1 || s->nlo > BOUND_MAX || s->nhi < 1 || s->nhi > BOUND_MAX) return fail(v, "loop over '%s' lacks bounds", s->var->name);
    if (v->depth == SCOPE_MAX) return fail(v, "loops are nested deeper than %d", SCOPE_MAX);
    bool constant = true;
    for (int i = 0; i < s->nlo; i++) {
        if (!form_of(v, s->lo[i], &lo[i])) return false;
        constant = constant && is_constant(v, &lo[i]) && (v->lane < 0 || lo[i].k[v->lane] == 0);
    }
    for (int i = 0; i < s->nhi; i++) {
        if (!form_of(v, s->hi[i], &hi[i])) return false;
        constant = constant && is_constant(v, &hi[i]) && (v->lane < 0 || hi[i].k[v->lane] == 0);
    }
    if (s->loop != LOOP_SERIAL && !constant) return fail(v, "bounds of '%s' are not constant once the loops around are unrolled", s->var->name);
    for (int i = 0; v->lane >= 0 && i < BOUND_MAX; i++)
        if ((i < s->nlo && lo[i].k[v->lane] != 0) || (i < s->nhi && hi[i].k[v->lane] != 0))
            return fail(v, "bounds of '%s' differ from lane to lane", s->var->name);
    return true;
}

static bool verify_for(Verify *v, const Stmt *s) {
    Form lo[BOUND_MAX], hi[BOUND_MAX], last[BOUND_MAX];
    int64_t trips = 0;
    if (!verify_header(v, s, lo, hi)) return false;
    bool known = trip_count(v, s, lo, hi, &trips);
    if (known && trips == 0) return true;
    if (s->loop == LOOP_LANE) {
        if (v->lane >= 0) return fail(v, "lane loop '%s' inside a lane loop", s->var->name);
        if (!known || trips > LANES_MAX || s->step != 1) return fail(v, "lane loop '%s' wants step 1 and at most %d lanes", s->var->name, LANES_MAX);
    }
    int64_t unrolled = v->unrolled;
    if (s->loop == LOOP_UNROLL && (!known || !checked_mul(unrolled, trips, &v->unrolled) || v->unrolled > UNROLL_LIMIT))
        return fail(v, "loop '%s' unrolls to more than %lld copies", s->var->name, (long long)UNROLL_LIMIT);
    for (int i = 0; i < s->nhi; i++) last[i] = last_value(&lo[0], &hi[i], s->nlo == 1, s->step);
    v->scope[v->depth] = (Scope){ s->var, s->loop, s->loop != LOOP_SERIAL, s->nlo, s->nhi, lo, last };
    if (s->loop == LOOP_LANE) v->lane = v->depth;
    v->depth++;
    bool ok = verify_list(v, s);
    v->depth--;
    if (s->loop == LOOP_LANE) v->lane = -1;
    v->unrolled = unrolled;
    return ok;
}

static bool verify_stmt(Verify *v, const Stmt *s) {
    v->part = s;
    switch (s->kind) {
    case STMT_STORE: return verify_store(v, s);
    case STMT_PREFETCH: return verify_prefetch(v, s);
    case STMT_COMMENT: return s->text != NULL || fail(v, "a comment has no text");
    case STMT_FOR: return s->var ? verify_for(v, s) : verify_list(v, s);
    }
    return fail(v, "statement of kind %d", (int)s->kind);
}

/* ---- kernels, segments, the program ---- */

/* How the segments that run a kernel bound its range: at most `range` items in all, `width` of them in one task. */
typedef struct Range { int64_t range, width, tasks; bool used; } Range;

static void widen(Range *r, int64_t range, int64_t width) {
    r->used = true;
    r->range = i64_max(r->range, range);
    r->width = i64_max(r->width, width);
    r->tasks = i64_max(r->tasks, ceil_div(range, width));
}

static void entry_range(const Program *p, const Entry *e, const Kernel *k, int64_t blocks, Range *r) {
    for (int i = 0; i < e->segments.n; i++) {
        const Segment *s = e->segments.at[i];
        for (int j = 0; j < s->parts.n; j++)
            if (s->parts.at[j].kernel == k) {
                if (s->kind == SEGMENT_BLOCKS) widen(r, blocks, p->chunk);
                else widen(r, s->parts.at[j].items, s->parts.at[j].per_task);
            }
    }
}

/* Declares a kernel variable with constant bounds; width >= 0 adds var <= (variable before it) + width. */
static void declare(Verify *v, const Var *var, int64_t lo, int64_t last, int64_t width) {
    if (!var) return;
    Form *bound = ARENA_ARRAY(v->a, Form, 3);
    bound[0].c = lo;
    bound[1].c = last;
    bool linked = width >= 0 && v->depth > 0;
    if (linked) {
        bound[2].c = width;
        bound[2].k[v->depth - 1] = 1;
    }
    v->scope[v->depth++] = (Scope){ var, LOOP_SERIAL, false, 1, linked ? 2 : 1, &bound[0], &bound[1] };
}

static bool verify_kernel(Verify *v, const Kernel *k) {
    const Program *p = v->p;
    int64_t local_bytes = 0, batch = p->model->train.batch, blocks = ceil_div(batch, p->lanes);
    Range r = { 0 };
    if (!k->name) return fail(v, "a kernel has no name");
    v->part = v->kernel = k;
    v->depth = 0;
    v->lane = -1;
    v->unrolled = 1;
    entry_range(p, &p->step, k, blocks, &r);
    entry_range(p, &p->infer, k, blocks, &r);
    if (!r.used) widen(&r, blocks, p->chunk);
    declare(v, k->lo, 0, r.range - 1, -1);
    declare(v, k->hi, 0, r.range, k->lo ? r.width : -1);
    declare(v, k->task, 0, r.tasks - 1, -1);
    declare(v, k->n, 1, batch, -1);
    declare(v, k->blocks, 1, blocks, -1);
    declare(v, k->chunks, 1, ceil_div(blocks, p->chunk), -1);
    for (int i = 0; i < k->locals.n; i++) {
        v->part = k->locals.at[i];
        if (k->locals.at[i]->space != SPACE_LOCAL) return fail(v, "local '%s' is in another space", k->locals.at[i]->name);
        if (!verify_buffer(v, k->locals.at[i])) return false;
        local_bytes += i64_min(k->locals.at[i]->bytes, LOCAL_LIMIT + 1);
        if (local_bytes > LOCAL_LIMIT) return fail(v, "locals take more than %lld bytes", (long long)LOCAL_LIMIT);
    }
    v->part = k;
    if (!k->body || k->body->kind != STMT_FOR || k->body->var) return fail(v, "the body is not a list of statements");
    bool ok = verify_list(v, k->body);
    v->kernel = NULL;
    return ok;
}

static bool verify_segment(Verify *v, const Segment *s) {
    v->part = s;
    if (!s->name || s->parts.n < 1) return fail(v, "segment '%s' is empty", s->name ? s->name : "(null)");
    for (int i = 0; i < s->parts.n; i++) {
        const SegmentPart *part = &s->parts.at[i];
        bool found = false;
        for (int j = 0; j < v->p->kernels.n && !found; j++) found = v->p->kernels.at[j] == part->kernel;
        if (!found) return fail(v, "segment '%s' runs a kernel that is not the program's", s->name);
        if (s->kind == SEGMENT_ITEMS && (part->items < 1 || part->per_task < 1 || !small(part->items) || !small(part->per_task)))
            return fail(v, "segment '%s' runs %lld items of '%s', %lld to a task", s->name, (long long)part->items, part->kernel->name, (long long)part->per_task);
    }
    return true;
}

static int by_text(const void *x, const void *y) {
    return strcmp(*(const char *const *)x, *(const char *const *)y);
}

static bool verify_unique(Verify *v, const void *within, const char *what, const char **names, int n) {
    v->part = within;
    if (n > 1) qsort(names, (size_t)n, sizeof *names, by_text);
    for (int i = 1; i < n; i++)
        if (strcmp(names[i - 1], names[i]) == 0) return fail(v, "two %s have the name '%s'", what, names[i]);
    return true;
}

static bool verify_names(Verify *v) {
    const Program *p = v->p;
    const char **names = ARENA_ARRAY(v->a, const char *, i64_max(i64_max(p->kernels.n, p->buffers.n), 1));
    for (int i = 0; i < p->kernels.n; i++) names[i] = p->kernels.at[i]->name;
    if (!verify_unique(v, p, "kernels", names, p->kernels.n)) return false;
    for (int i = 0; i < p->buffers.n; i++) names[i] = p->buffers.at[i]->name;
    if (!verify_unique(v, p, "buffers", names, p->buffers.n)) return false;
    for (int i = 0; i < p->kernels.n; i++) {
        const Kernel *k = p->kernels.at[i];
        const char **local = ARENA_ARRAY(v->a, const char *, k->locals.n + 1);
        for (int j = 0; j < k->locals.n; j++) local[j] = k->locals.at[j]->name;
        v->kernel = k;
        if (!verify_unique(v, k, "locals", local, k->locals.n)) return false;
        v->kernel = NULL;
    }
    return true;
}

static bool verify_sizes(Verify *v) {
    const Program *p = v->p;
    int64_t batch = p->model->train.batch;
    if (p->lanes < 1 || p->lanes > LANES_MAX) return fail(v, "%d lanes, allowed 1 to %d", p->lanes, LANES_MAX);
    if (p->chunk < 1 || !small(p->chunk)) return fail(v, "a chunk of %lld lane blocks", (long long)p->chunk);
    if (batch < 1 || batch > INT32_MAX) return fail(v, "a batch of %lld", (long long)batch);
    const int64_t bytes[] = { p->state_bytes, p->arena_bytes, p->scratch_bytes };
    for (int i = 0; i < 3; i++)
        if (bytes[i] < 0 || !small(bytes[i])) return fail(v, "a space of %lld bytes", (long long)bytes[i]);
    if (p->scratch_bytes % 64 != 0) return fail(v, "scratch_bytes %lld is not a multiple of 64", (long long)p->scratch_bytes);
    for (int i = 0; i < p->tensors.n; i++) {
        const nrt_tensor *t = &p->tensors.at[i];
        int64_t size = 4;
        v->part = t;
        if (t->rank < 0 || t->rank > 4) return fail(v, "tensor '%s' has rank %d", t->name, t->rank);
        for (int d = 0; d < t->rank; d++)
            if (t->dim[d] < 1 || !checked_mul(size, t->dim[d], &size)) return fail(v, "tensor '%s' has extent %lld", t->name, (long long)t->dim[d]);
        if (t->offset < 0 || t->offset % 4 != 0 || size > p->state_bytes || t->offset > p->state_bytes - size)
            return fail(v, "tensor '%s' is outside the state of %lld bytes", t->name, (long long)p->state_bytes);
    }
    return true;
}

static bool verify_program(Verify *v) {
    const Program *p = v->p;
    if (!verify_sizes(v)) return false;
    for (int i = 0; i < p->buffers.n; i++) {
        v->part = p->buffers.at[i];
        if (p->buffers.at[i]->space == SPACE_LOCAL) return fail(v, "buffer '%s' is local to no kernel", p->buffers.at[i]->name);
        if (!verify_buffer(v, p->buffers.at[i])) return false;
    }
    const Entry *const entries[] = { &p->step, &p->infer };
    for (int e = 0; e < 2; e++)
        for (int i = 0; i < entries[e]->segments.n; i++)
            if (!verify_segment(v, entries[e]->segments.at[i])) return false;
    for (int i = 0; i < p->kernels.n; i++)
        if (!verify_kernel(v, p->kernels.at[i])) return false;
    return verify_names(v);
}

const char *loop_verify_part(const Program *p, const void **part) {
    Verify v = { .p = p, .a = p->arena, .lane = -1, .part = p };
    bool ok = verify_program(&v);
    *part = v.part;
    return ok ? NULL : v.error;
}

const char *loop_verify(const Program *p) {
    const void *part;
    return loop_verify_part(p, &part);
}
