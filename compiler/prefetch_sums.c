/* prefetch_sums.c: the sums of one pass ask for what the next pass reads.
 *
 * Where a loop has several nests in its body, one of which reads from memory what another sums up (a place of Winograd's tiles is turned round, then
 * multiplied), memory rests while sums are taken. So every pass of the sums asks for a few bytes of what the next pass of the loop will
 * read: in the order in which they lie in memory, at a pace at which the core can have them fetched, a line in PACE multiply-adds or
 * fewer. What the kernel has stored itself, or reads again and again, is near as it is.
 */
#include "prefetch_internal.h"

#include <stdlib.h>

enum {
    PACE = 8,              /* multiply-adds for each line, at least */
    RUN_LEAST = 4096,      /* bytes side by side that are worth it */
    PASSES_LEAST = 8,      /* of the loop: what the last one asks for is asked in vain */
    ASKED_MOST = 4,        /* lines of one reading in one pass of a sum */
    READINGS_MOST = 8, LEAVES_MOST = 16, LOOPS_MOST = 80
};

/* Bytes of a buffer, side by side, that a pass of the loop reads: from buffer[at] on, with the variables of loops inside replaced by their first values. */
typedef struct Reading { const Buffer *buffer; const Affine *at; Affine byte; int64_t run; Span span; } Reading;

/* A sum: its innermost loop, and all loops from the one at hand to that. */
typedef struct Leaf { Stmt *inner; const Stmt *loop[LOOPS_MOST]; int nloops; int64_t passes, work; } Leaf;

typedef struct Sums {
    Arena *a;
    Kernel *kernel;
    const Stmt *lane;               /* the loop over the lanes around, or null */
    const Stmt *around[LOOPS_MOST]; /* ... and the serial ones, the last of which is the one at hand */
    int naround;
    const Stmt *inside[LOOPS_MOST]; /* loops between it and the statement at hand */
    int ninside;
    bool in_sum;
    Reading reading[READINGS_MOST];
    int nreadings;
    Leaf leaf[LEAVES_MOST];
    int nleaves;
    const Stmt *open[LOOPS_MOST];   /* loops inside that are as long as the kernel is told: over its lane blocks */
    int nopen;
} Sums;

/* ---- what a pass reads ---- */

/* The loop of v among those inside, or that over the lanes; null: it is further out. */
static const Stmt *loop_inside(const Sums *p, const Var *v) {
    if (p->lane && p->lane->var == v) return p->lane;
    for (int i = 0; i < p->ninside; i++)
        if (p->inside[i]->var == v) return p->inside[i];
    return NULL;
}

typedef struct Extent { int64_t bytes, passes; } Extent;

static int by_bytes(const void *x, const void *y) {
    int64_t a = ((const Extent *)x)->bytes, b = ((const Extent *)y)->bytes;
    return (a > b) - (a < b);
}

/* Bytes side by side that these extents make of one of `size` bytes; 0: there are gaps. */
static int64_t run_of(Extent *e, int n, int64_t size) {
    int64_t run = size;
    qsort(e, (size_t)n, sizeof *e, by_bytes);
    for (int i = 0; i < n; i++) {
        if (e[i].bytes < 0 || e[i].bytes > run) return 0;
        run += e[i].bytes * (e[i].passes - 1);
    }
    return run;
}

static bool same_bounds(const Stmt *x, const Stmt *y) {
    return x->nlo == 1 && y->nlo == 1 && x->nhi == 1 && y->nhi == 1 && affine_equal(x->lo[0], y->lo[0]) && affine_equal(x->hi[0], y->hi[0]) && x->step == y->step;
}

/* Of all loops over the same blocks, the first: it stands for them. */
static const Var *open_var(Sums *p, const Stmt *loop) {
    for (int i = 0; i < p->nopen; i++)
        if (same_bounds(p->open[i], loop)) return p->open[i]->var;
    if (p->nopen < LOOPS_MOST) p->open[p->nopen++] = loop;
    return loop->var;
}

/* Does the reading go on where the other one ends, or overlap it? Then it becomes part of that. */
static bool joins(Reading *to, const Reading *x) {
    Affine there = to->byte, here = x->byte;
    there.c = here.c = 0;
    if (to->buffer != x->buffer || !affine_equal(there, here)) return false;
    int64_t lo = i64_min(to->byte.c, x->byte.c), hi = i64_max(to->byte.c + to->run, x->byte.c + x->run);
    if (hi - lo > to->run + x->run) return false;
    if (x->byte.c < to->byte.c) *to = *x;
    to->run = hi - lo;
    return true;
}

static void add_reading(Sums *p, const Expr *e, Span span) {
    const Buffer *b = e->buffer;
    if (b->space == SPACE_LOCAL || !b->rank || b->stride[b->rank - 1] != 1) return;
    Affine *at = arena_copy(p->a, e->at, sizeof *at * (size_t)b->rank), byte = prefetch_byte(p->a, b, at);
    Extent extent[LOOPS_MOST];
    int n = 0;
    for (int t = 0; t < byte.n && n < LOOPS_MOST; t++) {
        const Var *v = byte.term[t].var;
        const Stmt *loop = loop_inside(p, v);
        int64_t passes = loop ? prefetch_passes(loop) : 0;
        if (!loop) continue;
        if (passes) extent[n++] = (Extent){byte.term[t].k * loop->step, passes};
        Affine first = passes ? loop->lo[0] : affine_var(p->a, open_var(p, loop));
        for (int i = 0; i < b->rank; i++) at[i] = affine_subst(p->a, at[i], v, first);
    }
    Reading r = {b, at, prefetch_byte(p->a, b, at), run_of(extent, n, prefetch_size(b)), span};
    if (!r.run) return;
    for (int i = 0; i < p->nreadings; i++)
        if (joins(&p->reading[i], &r)) return;
    if (p->nreadings < READINGS_MOST) p->reading[p->nreadings++] = r;
}

static void add_expr(Sums *p, const Expr *e, Span span) {
    if (e->kind == EXPR_LOAD) add_reading(p, e, span);
    for (int i = 0, n = expr_operands(e->kind); i < n; i++) add_expr(p, e->arg[i], span);
}

/* ---- and its sums ---- */

static int64_t count_stores(const Stmt *s) {
    if (s->kind != STMT_FOR) return s->kind == STMT_STORE;
    int64_t n = 0;
    for (int i = 0; i < s->body.n; i++) n += count_stores(s->body.at[i]);
    return s->var ? n * i64_max(1, prefetch_passes(s)) : n;
}

static const Stmt *only_loop(const Stmt *s) { return s->body.n == 1 && prefetch_is_loop(s->body.at[0], LOOP_SERIAL) ? s->body.at[0] : NULL; }

static bool has_serial(const Stmt *s) {
    if (prefetch_is_loop(s, LOOP_SERIAL)) return true;
    for (int i = 0; s->kind == STMT_FOR && i < s->body.n; i++)
        if (has_serial(s->body.at[i])) return true;
    return false;
}

static void add_leaf(Sums *p, Stmt *sum) {
    Leaf x = {.inner = sum, .passes = 1};
    for (int i = 0; i < p->ninside; i++) x.loop[x.nloops++] = p->inside[i];
    for (;; x.inner = x.inner->body.at[0]) {
        if (x.nloops == LOOPS_MOST) return;
        x.loop[x.nloops++] = x.inner;
        if (!only_loop(x.inner)) break;
    }
    for (int i = 0; i < x.inner->body.n; i++)
        if (has_serial(x.inner->body.at[i])) return;
    for (int i = 0; i < x.nloops; i++) {
        int64_t passes = prefetch_passes(x.loop[i]);
        if (passes && x.loop[i]->step != 1) return;
        if (passes && !checked_mul(x.passes, passes, &x.passes)) return;
    }
    for (int i = 0; i < x.inner->body.n; i++) x.work += count_stores(x.inner->body.at[i]);
    if (p->nleaves < LEAVES_MOST) p->leaf[p->nleaves++] = x;
}

static void collect(Sums *p, const Stmt *list) {
    for (int i = 0; i < list->body.n; i++) {
        Stmt *s = list->body.at[i];
        if (s->kind == STMT_STORE) add_expr(p, s->value, s->span);
        if (s->kind != STMT_FOR || p->ninside == LOOPS_MOST) continue;
        const Stmt *lane = p->lane;
        bool sum = !p->in_sum && lane && prefetch_is_loop(s, LOOP_SERIAL) && prefetch_is_local(s);
        if (sum) add_leaf(p, s);
        p->in_sum = p->in_sum || sum;
        if (prefetch_is_loop(s, LOOP_LANE)) p->lane = s;
        else if (s->var) p->inside[p->ninside++] = s;
        collect(p, s);
        if (s->var && p->lane == lane) p->ninside--;
        p->lane = lane;
        p->in_sum = p->in_sum && !sum;
    }
}

/* ---- what is far away ---- */

static bool stores_to(const Stmt *s, const Buffer *b) {
    if (s->kind == STMT_STORE) return s->buffer == b;
    for (int i = 0; s->kind == STMT_FOR && i < s->body.n; i++)
        if (stores_to(s->body.at[i], b)) return true;
    return false;
}

/* Bytes that the next pass reads for the first time; 0: all is near. */
static int64_t fresh_bytes(const Sums *p, const Reading *r) {
    const Stmt *loop = p->around[p->naround - 1];
    for (int i = 0; i + 1 < p->naround; i++) /* a loop around reads it again */
        if (prefetch_passes(p->around[i]) != 1 && !affine_coef(r->byte, p->around[i]->var)) return 0;
    if (r->run < RUN_LEAST || stores_to(p->kernel->body, r->buffer)) return 0;
    return i64_max(0, i64_min(r->run, affine_coef(r->byte, loop->var) * loop->step));
}

/* ---- asking ---- */

/* The loop of the leaf that goes through the same blocks as this one, or null. */
static const Stmt *open_like(const Leaf *x, const Stmt *open) {
    for (int i = 0; i < x->nloops; i++)
        if (!prefetch_passes(x->loop[i]) && same_bounds(x->loop[i], open)) return x->loop[i];
    return NULL;
}

/* The number of the leaf's pass, behind `before` of other leaves. */
static Affine pass_number(Arena *a, const Leaf *x, int64_t before) {
    Affine n = affine_const(0);
    for (int i = 0; i < x->nloops; i++) {
        int64_t passes = prefetch_passes(x->loop[i]);
        if (!passes) continue;
        n = affine_add(a, affine_scale(a, n, passes), affine_offset(affine_var(a, x->loop[i]->var), -x->loop[i]->lo[0].c));
    }
    return affine_offset(n, before);
}

static void put_first(Arena *a, Stmt *list, Stmt *first) {
    stmt_add(a, list, first);
    for (int i = list->body.n - 1; i > 0; i--) list->body.at[i] = list->body.at[i - 1];
    list->body.at[0] = first;
}

/* Every pass of the leaf asks for `step` bytes of the reading, `fresh` of which are new. */
static void ask(Sums *p, const Leaf *x, int64_t before, const Reading *r, int64_t fresh, int64_t step) {
    const Stmt *loop = p->around[p->naround - 1];
    int64_t size = prefetch_size(r->buffer);
    int last = r->buffer->rank - 1;
    Affine *at = arena_copy(p->a, r->at, sizeof *at * (size_t)r->buffer->rank);
    for (int i = 0; i <= last; i++) {
        at[i] = affine_subst(p->a, at[i], loop->var, affine_offset(affine_var(p->a, loop->var), loop->step));
        for (int k = 0; k < p->nopen; k++) {
            const Stmt *like = open_like(x, p->open[k]);
            if (affine_coef(at[i], p->open[k]->var) && !like) return;
            if (like) at[i] = affine_subst(p->a, at[i], p->open[k]->var, affine_var(p->a, like->var));
        }
    }
    Affine far = affine_offset(affine_scale(p->a, pass_number(p->a, x, before), step / size), (r->run - fresh) / size);
    at[last] = affine_add(p->a, at[last], far);
    for (int64_t line = 0; line < ceil_div(step, LINE); line++) {
        put_first(p->a, x->inner, stmt_prefetch(p->a, r->buffer, arena_copy(p->a, at, sizeof *at * (size_t)(last + 1)), r->span));
        at[last] = affine_offset(at[last], LINE / size);
    }
}

/* What the next pass of the innermost loop around reads is asked for in the sums of this one, if these are long enough. */
static void ask_in_sums(Sums *p) {
    int64_t fresh[READINGS_MOST], bytes = 0, passes = 0, work = 0;
    for (int i = 0; i < p->nreadings; i++) bytes += fresh[i] = fresh_bytes(p, &p->reading[i]);
    for (int i = 0; i < p->nleaves; i++) {
        passes += p->leaf[i].passes;
        work += p->leaf[i].passes * p->leaf[i].work;
    }
    if (!passes) return;
    double share = (double)work / PACE * LINE / (double)i64_max(bytes, 1);
    for (int i = 0; i < p->nreadings; i++) {
        double asked = (double)fresh[i] * (share < 1 ? share : 1);
        int64_t size = prefetch_size(p->reading[i].buffer), step = round_up(ceil_div((int64_t)asked, passes), size), before = 0;
        if (step > ASKED_MOST * LINE) continue;
        for (int k = 0; k < p->nleaves && fresh[i]; before += p->leaf[k++].passes) ask(p, &p->leaf[k], before, &p->reading[i], fresh[i], step);
    }
}

static void visit(Sums *p, Stmt *list) {
    for (int i = 0; i < list->body.n; i++) {
        Stmt *s = list->body.at[i];
        const Stmt *lane = p->lane;
        if (s->kind != STMT_FOR || p->naround == LOOPS_MOST) continue;
        if (prefetch_is_loop(s, LOOP_LANE)) p->lane = s;
        bool serial = prefetch_is_loop(s, LOOP_SERIAL);
        if (serial) p->around[p->naround++] = s;
        int64_t most = prefetch_passes(s);
        if (serial && s->body.n > 1 && (!most || most >= PASSES_LEAST)) {
            p->nreadings = p->nleaves = p->nopen = p->ninside = 0;
            collect(p, s);
            ask_in_sums(p);
        }
        visit(p, s);
        p->naround -= serial;
        p->lane = lane;
    }
}

void prefetch_sums(Arena *a, Kernel *k) {
    Sums *p = ARENA_NEW(a, Sums);
    p->a = a;
    p->kernel = k;
    visit(p, k->body);
}
