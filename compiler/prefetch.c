/* prefetch.c: see prefetch.h. The statements of one pass are gone through as they will be unrolled; what they load becomes a list of lines, each
 * once. The lines of another pass are the same ones, so many bytes further. */
#include "prefetch_internal.h"

#include <stdlib.h>

enum {
    LINES_MOST = 256,      /* of one pass; what reads more is left alone */
    LINES_AHEAD = 96,      /* so many are on their way: what memory delivers while it answers one request, and as much again */
    STREAMS = 3,           /* that the processor follows by itself */
    SUMS_BYTES = 64 << 10, /* of sums that a core's first cache keeps ... */
    OWN_BYTES = 1200 << 10, /* ... and of what its second one mostly does */
    FAR_BYTES = 12 << 20,  /* of results: the last cache holds few of their lines when they are written */
    WORTH = 3,             /* a loop is worth it that has so many times the passes: what is asked for beyond its end is asked in vain */
    LOOPS_MOST = 80        /* around a statement */
};

/* A line, or (where the lanes are apart) a line for each lane. */
typedef struct Line { const Buffer *buffer; const Affine *at; Affine byte; Span span; } Line;
typedef struct Lines { int n; Line line[LINES_MOST]; Stmt *asked[LINES_MOST]; } Lines;

typedef struct Bound { const Var *var; int64_t value; } Bound;

typedef struct Pass {
    Arena *a;
    const Kernel *kernel;
    int64_t lanes;
    Lines lines;
    const Var *lane;
    Stmt *around[LOOPS_MOST];  /* the loops around, the innermost last, ... */
    int naround, alone;        /* ... of which those from number `alone` on hold nothing but one another */
    Bound bound[LOOPS_MOST];   /* unrolled variables, while a pass is gone through */
    int nbound;
    bool results;              /* lines of results are gathered, too (add_result) */
} Pass;

bool prefetch_is_loop(const Stmt *s, LoopKind kind) { return s->kind == STMT_FOR && s->var && s->loop == kind; }

int64_t prefetch_passes(const Stmt *s) {
    if (s->nlo != 1 || s->nhi != 1 || s->lo[0].n || s->hi[0].n) return 0;
    return i64_max(0, ceil_div(s->hi[0].c - s->lo[0].c, s->step));
}

/* Are all stores to locals, at places that v, unless it is null, does not change? */
static bool stays_local(const Stmt *s, const Var *v) {
    for (int i = 0; s->kind == STMT_STORE && i < s->buffer->rank; i++)
        if (affine_coef(s->at[i], v)) return false;
    if (s->kind == STMT_STORE) return s->buffer->space == SPACE_LOCAL;
    for (int i = 0; s->kind == STMT_FOR && i < s->body.n; i++)
        if (!stays_local(s->body.at[i], v)) return false;
    return true;
}

bool prefetch_sums_up(const Stmt *s) { return prefetch_is_loop(s, LOOP_SERIAL) && stays_local(s, s->var); }

bool prefetch_has_loop(const Stmt *s) {
    if (s->kind != STMT_FOR) return false;
    if (prefetch_is_loop(s, LOOP_SERIAL) || prefetch_is_loop(s, LOOP_LANE)) return true;
    for (int i = 0; i < s->body.n; i++)
        if (prefetch_has_loop(s->body.at[i])) return true;
    return false;
}

bool prefetch_is_point(const Stmt *list) {
    enum { PASSES_MOST = 16 };
    for (int i = 0; i < list->body.n; i++) {
        const Stmt *s = list->body.at[i];
        int64_t passes = prefetch_is_loop(s, LOOP_SERIAL) ? prefetch_passes(s) : 0;
        if (!passes || passes > PASSES_MOST || prefetch_sums_up(s) || (i + 1 < list->body.n && !stays_local(s, NULL))) return false;
        for (int k = 0; k < s->body.n; k++)
            if (prefetch_has_loop(s->body.at[k])) return false;
    }
    return list->body.n > 1;
}

bool prefetch_stores_to(const Stmt *s, const Buffer *b) {
    if (s->kind == STMT_STORE) return s->buffer == b;
    for (int i = 0; s->kind == STMT_FOR && i < s->body.n; i++)
        if (prefetch_stores_to(s->body.at[i], b)) return true;
    return false;
}

Stmt *prefetch_only_loop(const Stmt *s) {
    int n = s->body.n, first = 0;
    while (first < n && s->body.at[first]->kind == STMT_PREFETCH) first++;
    return first == n - 1 && prefetch_is_loop(s->body.at[first], LOOP_SERIAL) ? s->body.at[first] : NULL;
}

/* ---- the lines of a pass ---- */

static bool same_line(const Line *x, int64_t x_bytes, const Line *y, int64_t y_bytes) {
    Affine from = x->byte, to = y->byte;
    if (x->buffer != y->buffer || floor_div(from.c + x_bytes, LINE) != floor_div(to.c + y_bytes, LINE)) return false;
    from.c = to.c = 0;
    return affine_equal(from, to);
}

/* Is the line, so many bytes further, among these? */
static bool has_line(const Lines *l, const Line *x, int64_t further) {
    for (int i = 0; i < l->n; i++)
        if (same_line(x, further, &l->line[i], 0)) return true;
    return false;
}

static Affine bind_all(const Pass *p, Affine x) {
    for (int i = 0; i < p->nbound; i++) x = affine_subst(p->a, x, p->bound[i].var, affine_const(p->bound[i].value));
    return x;
}

static bool add_load(const Pass *p, const Expr *e, Span span, Lines *l) {
    const Buffer *b = e->buffer;
    if (b->space == SPACE_LOCAL || !b->rank) return true;
    Affine *at = ARENA_ARRAY(p->a, Affine, b->rank);
    for (int i = 0; i < b->rank; i++) at[i] = bind_all(p, e->at[i]);
    Affine byte = buffer_byte(p->a, b, at);
    Line x = {b, at, byte, span};
    if (!affine_coef(byte, p->lane) || has_line(l, &x, 0)) return true;
    if (l->n == LINES_MOST) return false;
    l->line[l->n++] = x;
    return true;
}

static bool add_expr(const Pass *p, const Expr *e, Span span, Lines *l) {
    if (e->kind == EXPR_LOAD) return add_load(p, e, span, l);
    for (int i = 0, n = expr_operands(e->kind); i < n; i++)
        if (!add_expr(p, e->arg[i], span, l)) return false;
    return true;
}

/* The line of a result that is read first: vectors are parts of lines, stored where these are in no cache. (Where a vector is a line, nothing was won.) */
static bool add_result(const Pass *p, const Stmt *s, Lines *l) {
    const Buffer *b = s->buffer;
    if (s->streamed || b->space != SPACE_ARENA || b->elem != ELEM_F32 || b->bytes < FAR_BYTES || p->lanes * elem_bytes(b->elem) >= LINE) return true;
    return add_load(p, &(Expr){.kind = EXPR_LOAD, .buffer = b, .at = s->at}, s->span, l);
}

static bool add_list(Pass *p, const Stmt *list, Lines *l);

/* False where it reads too much, or not the same in each pass. */
static bool add_stmt(Pass *p, const Stmt *s, Lines *l) {
    if (s->kind == STMT_STORE) return add_expr(p, s->value, s->span, l) && (!p->results || add_result(p, s, l));
    if (s->kind != STMT_FOR) return true;
    if (!s->var) return add_list(p, s, l);
    if (s->loop == LOOP_LANE) return false;
    int64_t passes = prefetch_passes(s);
    if (!passes || passes > LINES_MOST || p->nbound == LOOPS_MOST) return false;
    bool good = true;
    for (int64_t i = 0; i < passes && good; i++) {
        p->bound[p->nbound++] = (Bound){s->var, s->lo[0].c + i * s->step};
        good = add_list(p, s, l);
        p->nbound--;
    }
    return good;
}

static bool add_list(Pass *p, const Stmt *list, Lines *l) {
    for (int i = 0; i < list->body.n; i++)
        if (!add_stmt(p, list->body.at[i], l)) return false;
    return true;
}

/* ---- asking ---- */

static Stmt *ask_for(const Pass *p, const Line *x, const Var *v, int64_t further) {
    Affine at[BUFFER_RANK];
    for (int i = 0; i < x->buffer->rank; i++) at[i] = v ? affine_subst(p->a, x->at[i], v, affine_offset(affine_var(p->a, v), further)) : x->at[i];
    return stmt_prefetch(p->a, x->buffer, at, x->span);
}

void prefetch_insert(Arena *a, Stmt *list, int from, bool close, Stmt *const *asked, int n) {
    int old = list->body.n - from, done = 0;
    Stmt **rest = arena_copy(a, &list->body.at[from], sizeof *rest * (size_t)old);
    list->body.n = from;
    for (int i = 0; i < old; i++) {
        for (; done < n && (close || (int64_t)done * old < (int64_t)(i + 1) * n); done++) stmt_add(a, list, asked[done]);
        stmt_add(a, list, rest[i]);
    }
}

/* ---- behind a sum ---- */

/* What a kernel makes for itself stays near: its few sums, from tile to tile; tiles, until they are read. */
static bool is_own(const Pass *p, const Buffer *b, int64_t most) { return b->space == SPACE_SCRATCH && b->bytes <= most && prefetch_stores_to(p->kernel->body, b); }

/* Gathers the lines of what follows statement number i of the list, up to the next loop that sums up, and asks for those that are not near: how many. */
static int lines_behind(Pass *p, const Stmt *list, int i, bool results) {
    Lines *l = &p->lines;
    int n = 0;
    l->n = 0;
    p->results = results;
    for (int j = i + 1; j < list->body.n && !prefetch_sums_up(list->body.at[j]); j++)
        if (!add_stmt(p, list->body.at[j], l)) break;
    p->results = false;
    for (int k = 0; k < l->n; k++)
        if (!is_own(p, l->line[k].buffer, SUMS_BYTES)) l->asked[n++] = ask_for(p, &l->line[k], NULL, 0);
    return n;
}

/* Statement number i of the list is a loop that sums up: what follows, up to the next such loop (of another tile), finishes its sums. Returns how many statements were put in front of it.
 * Results are asked for beside what they are put together with: of what is written and nothing else, the processor's own queue of stores has enough on their way. */
static int ask_behind_sum(Pass *p, Stmt *list, int i) {
    Lines *l = &p->lines;
    int n = lines_behind(p, list, i, false);
    if (n) n = lines_behind(p, list, i, true);
    prefetch_insert(p->a, list, i, true, l->asked, n);
    return n;
}

/* ---- ahead in a loop ---- */

/* Bytes that the line moves in a pass of the loop. */
static int64_t bytes_along(const Line *x, const Stmt *loop) { return affine_coef(x->byte, loop->var) * loop->step; }

/* Does the next pass of the loop read the line of this number for the first time? */
static bool is_fresh(const Lines *l, int i, const Stmt *loop) {
    int64_t bytes = bytes_along(&l->line[i], loop), whole = round_up(llabs(bytes), LINE);
    return !has_line(l, &l->line[i], bytes < 0 ? -whole : whole);
}

/* Lines that this one stands for. */
static int64_t lines_of(const Pass *p, const Line *x) { return affine_coef(x->byte, p->lane) == elem_bytes(x->buffer->elem) ? 1 : p->lanes; }

static int64_t count_fresh(const Pass *p, const Lines *l, const Stmt *loop) {
    int64_t n = 0;
    for (int i = 0; i < l->n; i++) n += is_fresh(l, i, loop) ? lines_of(p, &l->line[i]) : 0;
    return n;
}

/* Does the processor find out by itself what the loop reads next: few streams of lines side by side? */
static bool is_guessed(const Pass *p, const Lines *l, const Stmt *loop) {
    int64_t fresh = count_fresh(p, l, loop), stride = 0;
    for (int i = 0; i < l->n; i++)
        if (is_fresh(l, i, loop)) stride = i64_max(stride, llabs(bytes_along(&l->line[i], loop)));
    bool jumps = stride > 2 * LINE * fresh;
    return !jumps && fresh * LINE < STREAMS * i64_max(stride, LINE);
}

typedef struct Distance { const Stmt *loop; int64_t passes; } Distance; /* loop null: none */

/* The innermost loop that is long enough for a few of its passes to hold LINES_AHEAD. */
static Distance distance_of(const Pass *p, const Lines *l) {
    int64_t inside = 1;
    for (int i = p->naround - 1; i >= p->alone; i--) {
        const Stmt *loop = p->around[i];
        int64_t passes = prefetch_passes(loop), lines = count_fresh(p, l, loop);
        if (!lines || !passes) continue;
        int64_t ahead = ceil_div(LINES_AHEAD, lines * inside);
        if (passes >= WORTH * ahead) return (Distance){loop, ahead};
        inside *= passes;
    }
    return (Distance){0};
}

/* `list`: the statements of a pass of the innermost loop around. */
static void ask_ahead(Pass *p, Stmt *list) {
    const Stmt *inner = p->around[p->naround - 1];
    Lines *l = &p->lines;
    l->n = 0;
    if (!add_list(p, list, l) || !count_fresh(p, l, inner) || is_guessed(p, l, inner)) return;
    Distance d = distance_of(p, l);
    if (!d.loop) return;
    int n = 0;
    for (int i = 0; i < l->n; i++)
        if (is_fresh(l, i, d.loop) && is_fresh(l, i, inner) && !is_own(p, l->line[i].buffer, OWN_BYTES)) l->asked[n++] = ask_for(p, &l->line[i], d.loop->var, d.passes * d.loop->step);
    prefetch_insert(p->a, list, 0, false, l->asked, n);
}

/* ---- walking ---- */

/* The list with the statements of a pass: the loop's own, or that of a loop over the lanes which is all there is in it; null where there are loops inside. */
static Stmt *straight_list(const Pass *p, Stmt *loop) {
    Stmt *list = !p->lane && loop->body.n == 1 && prefetch_is_loop(loop->body.at[0], LOOP_LANE) ? loop->body.at[0] : loop;
    if (!p->lane && list == loop) return NULL;
    for (int i = 0; i < list->body.n; i++)
        if (prefetch_has_loop(list->body.at[i])) return NULL;
    return list;
}

static void visit(Pass *p, Stmt *list);

static void visit_serial(Pass *p, Stmt *loop) {
    const Var *lane = p->lane;
    if (p->naround == LOOPS_MOST) return;
    p->around[p->naround++] = loop;
    Stmt *list = straight_list(p, loop);
    if (list && list != loop) p->lane = list->var;
    if (list) ask_ahead(p, list);
    else visit(p, loop);
    p->lane = lane;
    p->naround--;
}

/* The one buffer that e loads vectors of, if *only is null or that; false: there are several. */
static bool expr_reads_one(const Pass *p, const Expr *e, const Buffer **only) {
    const Buffer *b = e->kind == EXPR_LOAD ? e->buffer : NULL;
    if (b && b->space != SPACE_LOCAL && b->rank && affine_coef(buffer_byte(p->a, b, e->at), p->lane)) {
        if (*only && *only != b) return false;
        *only = b;
    }
    for (int i = 0, n = expr_operands(e->kind); i < n; i++)
        if (!expr_reads_one(p, e->arg[i], only)) return false;
    return true;
}

/* Do all statements read the same buffer, and no other? Tiles of what is left over stand beside the others. */
static bool reads_one(const Pass *p, const Stmt *s, const Buffer **only) {
    if (s->kind == STMT_STORE) return expr_reads_one(p, s->value, only);
    for (int i = 0; s->kind == STMT_FOR && i < s->body.n; i++)
        if (!reads_one(p, s->body.at[i], only)) return false;
    return true;
}

static void visit(Pass *p, Stmt *list) {
    int before = p->alone;
    const Buffer *only = NULL;
    if (list->body.n > 1 && !(p->lane && (prefetch_is_point(list) || reads_one(p, list, &only)))) p->alone = p->naround;
    for (int i = 0; i < list->body.n; i++) {
        Stmt *s = list->body.at[i];
        if (prefetch_is_loop(s, LOOP_LANE)) {
            p->lane = s->var;
            visit(p, s);
            p->lane = NULL;
        } else if (p->lane && prefetch_sums_up(s)) {
            i += ask_behind_sum(p, list, i);
        } else if (prefetch_is_loop(s, LOOP_SERIAL)) {
            visit_serial(p, s);
        } else if (s->kind == STMT_FOR) {
            visit(p, s);
        }
    }
    p->alone = before;
}

void prefetch_program(Program *program) {
    Pass *p = ARENA_NEW(program->arena, Pass);
    p->a = program->arena;
    p->lanes = program->lanes;
    for (int i = 0; i < program->kernels.n; i++) {
        p->kernel = program->kernels.at[i];
        visit(p, p->kernel->body);
        prefetch_sums(p->a, program->kernels.at[i]);
        prefetch_spread(p->a, program->kernels.at[i]);
    }
}
