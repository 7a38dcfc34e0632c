/* prefetch_readings.c: see prefetch_readings.h. Loads of one place become one reading; the loops inside stretch it to a run of bytes, and to strips of them. */
#include "prefetch_readings.h"

#include <stdlib.h>
#include <string.h>

enum { NEAR_BYTES = 512 << 10 /* what the kernel has just stored, if it is no more, lies in a core's own cache */ };

/* ---- what a pass reads ---- */

/* The loop of v among those inside, or that over the lanes; null: it is further out. */
static const Stmt *loop_inside(const Sums *p, const Var *v) {
    if (p->lane && p->lane->var == v) return p->lane;
    for (int i = 0; i < p->ninside; i++)
        if (p->inside[i]->var == v) return p->inside[i];
    return NULL;
}

/* Passes of a loop inside: those that its bounds tell, or of one through a run of lane blocks (from, min(all, from + n)) that loops around begin, n; 0: not known. */
static int64_t passes_inside(const Sums *p, const Stmt *s) {
    int64_t passes = prefetch_passes(s);
    if (passes || s->nlo != 1 || s->nhi != 2 || s->step != 1 || !s->lo[0].n) return passes;
    for (int t = 0; t < s->lo[0].n; t++)
        if (loop_inside(p, s->lo[0].term[t].var)) return 0;
    for (int k = 0; k < s->nhi; k++) {
        Affine run = affine_add(p->a, s->hi[k], affine_scale(p->a, s->lo[0], -1));
        if (!run.n && run.c > 0) passes = passes ? i64_min(passes, run.c) : run.c;
    }
    return passes;
}

/* Of a loop with one pass, if any (a row of the step at hand), the bound that is its variable then. */
static const Affine *only_pass(const Stmt *s) {
    for (int i = 0; i < s->nlo; i++)
        for (int k = 0; k < s->nhi; k++)
            if (s->lo[i].n && affine_equal(affine_offset(s->lo[i], 1), s->hi[k])) return &s->lo[i];
    return NULL;
}

bool readings_same_bounds(const Stmt *x, const Stmt *y) {
    return x->nlo == 1 && y->nlo == 1 && x->nhi == 1 && y->nhi == 1 && affine_equal(x->lo[0], y->lo[0]) && affine_equal(x->hi[0], y->hi[0]) && x->step == y->step;
}

/* Of all loops over the same blocks, the first: it stands for them. Null: there are too many. */
static const Stmt *open_like(Sums *p, const Stmt *loop) {
    for (int i = 0; i < p->nopen; i++)
        if (readings_same_bounds(p->open[i], loop)) return p->open[i];
    if (p->nopen == LOOPS_MOST) return NULL;
    return p->open[p->nopen++] = loop;
}

static bool note_known(Sums *p, const Stmt *loop) {
    for (int i = 0; i < p->nknown; i++)
        if (p->known[i] == loop) return true;
    if (p->nknown == LOOPS_MOST) return false;
    p->known[p->nknown++] = loop;
    return true;
}

void readings_replace(const Sums *p, Affine *at, int n, const Var *v, Affine by) {
    for (int i = 0; i < n; i++) at[i] = affine_subst(p->a, at[i], v, by);
}

static bool same_but_constant(Affine x, Affine y) {
    x.c = y.c = 0;
    return affine_equal(x, y);
}

/* Do both move alike in the buffer, as rows of one picture do? */
static bool same_place(const Reading *x, const Reading *y) { return x->buffer == y->buffer && same_but_constant(x->byte, y->byte); }

/* Makes `to` hold what x reads, too. */
static void join(Reading *to, const Reading *x) {
    int64_t end = i64_max(to->byte.c + to->run, x->byte.c + x->run);
    if (x->byte.c < to->byte.c) {
        to->at = x->at;
        to->byte = x->byte;
    }
    to->run = end - to->byte.c;
    to->loads += x->loads;
}

/* Replaces the variables of loops inside that have one pass, or go through blocks. Those with numbers for bounds stay until all loads are known (lay_out);
 * they are noted. False: there are too many. */
static bool replace_inside(Sums *p, const Buffer *b, Affine *at) {
    Affine byte = buffer_byte(p->a, b, at);
    for (int t = 0; t < byte.n; t++) {
        const Stmt *loop = loop_inside(p, byte.term[t].var), *open = NULL;
        const Affine *only = loop ? only_pass(loop) : NULL;
        if (!loop) continue;
        if (only) {
            readings_replace(p, at, b->rank, loop->var, *only);
            byte = buffer_byte(p->a, b, at);
            t = -1; /* its bound may have variables of loops inside, too */
        } else if (passes_inside(p, loop)) {
            if (!note_known(p, loop)) return false;
        } else {
            if (!(open = open_like(p, loop))) return false;
            readings_replace(p, at, b->rank, loop->var, affine_var(p->a, open->var));
        }
    }
    return true;
}

/* Of pictures, [block][c][h][w][lane], are both in one row? Rows of which a band is read lie apart. */
static bool same_row(const Buffer *b, const Affine *x, const Affine *y) { return b->rank != 5 || affine_equal(x[2], y[2]); }

static void add_reading(Sums *p, const Buffer *b, Affine *at, Span span) {
    for (int i = 0; i < p->nbound; i++) readings_replace(p, at, b->rank, p->bound[i], affine_const(p->value[i]));
    const Stmt *only = prefetch_only_loop(p->around[p->naround - 1]);
    if (only && affine_coef(buffer_byte(p->a, b, at), only->var)) return; /* that one asks for what its own next pass reads */
    if (!replace_inside(p, b, at)) return;
    Reading r = {.buffer = b, .at = at, .byte = buffer_byte(p->a, b, at), .run = elem_bytes(b->elem), .strips = 1, .loads = 1, .span = span};
    for (int i = 0; i < p->nreadings; i++)
        if (same_place(&p->reading[i], &r) && same_row(b, p->reading[i].at, at)) {
            join(&p->reading[i], &r);
            return;
        }
    if (p->nreadings < READINGS_MOST) p->reading[p->nreadings++] = r;
}

static void add_expr(Sums *p, const Expr *e, Span span) {
    const Buffer *b = e->kind == EXPR_LOAD ? e->buffer : NULL;
    if (b && b->space != SPACE_LOCAL && b->rank && b->stride[b->rank - 1] == 1) add_reading(p, b, arena_copy(p->a, e->at, sizeof *e->at * (size_t)b->rank), span);
    for (int i = 0, n = expr_operands(e->kind); i < n; i++) add_expr(p, e->arg[i], span);
}

/* Of strips with less than a line between, no line is left out: they are one run. */
static bool is_one_run(int64_t apart, int64_t run) { return apart < run + LINE; }

typedef struct Extent { int64_t bytes, passes; } Extent;

static int by_bytes(const void *x, const void *y) {
    int64_t a = ((const Extent *)x)->bytes, b = ((const Extent *)y)->bytes;
    return (a > b) - (a < b);
}

/* Puts loops into the reading's run and strips; false where it would be more than that, or most of a run is not read. */
static bool lay_out(Sums *p, Reading *r) {
    Extent extent[LOOPS_MOST];
    int n = 0;
    int64_t between = 0; /* bytes of the run between strips that are one */
    Affine *at = arena_copy(p->a, r->at, sizeof *at * (size_t)r->buffer->rank);
    for (int i = 0; i < p->nknown; i++) {
        const Stmt *loop = p->known[i];
        int64_t bytes = affine_coef(r->byte, loop->var) * loop->step;
        if (!bytes) continue;
        extent[n++] = (Extent){llabs(bytes), passes_inside(p, loop)};
        if (!checked_mul(r->loads, extent[n - 1].passes, &r->loads)) return false;
        readings_replace(p, at, r->buffer->rank, loop->var, affine_offset(loop->lo[0], bytes > 0 ? 0 : (extent[n - 1].passes - 1) * loop->step));
    }
    r->at = at;
    r->byte = buffer_byte(p->a, r->buffer, at);
    qsort(extent, (size_t)n, sizeof *extent, by_bytes);
    for (int i = 0; i < n; i++) {
        int64_t further;
        if (extent[i].passes == 1) continue;
        if (r->strips > 1 || !checked_mul(extent[i].bytes, extent[i].passes - 1, &further)) return false;
        if (is_one_run(extent[i].bytes, r->run)) {
            int64_t gap = extent[i].bytes - r->run;
            if (gap >= 0) between = between * extent[i].passes + gap * (extent[i].passes - 1); /* less than the run, whose bytes are known */
            r->run += further;
        } else {
            r->strips = extent[i].passes;
            r->apart = extent[i].bytes;
        }
    }
    return (double)r->loads * 2 >= (double)(r->run - between) * (double)r->strips / (double)elem_bytes(r->buffer->elem);
}

static bool same_strips(const Reading *x, const Reading *y) {
    return same_place(x, y) && x->strips == y->strips && x->apart == y->apart;
}

/* Readings go on where others end. */
static bool touches(const Reading *x, const Reading *y) {
    int64_t lo = i64_min(x->byte.c, y->byte.c), hi = i64_max(x->byte.c + x->run, y->byte.c + y->run);
    return same_strips(x, y) && hi - lo <= x->run + y->run;
}

/* Strips that go on where others end are one run. */
static void join_strips(Reading *r) {
    if (r->strips == 1 || !is_one_run(r->apart, r->run)) return;
    r->run += r->apart * (r->strips - 1);
    r->strips = 1;
}

/* The loop inside over a few rows, or null. */
static const Stmt *few_rows(const Sums *p, const Reading *r) {
    enum { ROWS_MOST = 4 };
    for (int i = 0; i < p->nknown; i++) {
        int64_t passes = prefetch_passes(p->known[i]);
        if (passes > 1 && passes <= ROWS_MOST && llabs(affine_coef(r->byte, p->known[i]->var)) > LINE) return p->known[i];
    }
    return NULL;
}

/* Lays the reading out and adds it to those that are. Where it does not fit into strips, a row of it after the other (of those of a tile, and of a kernel). */
static void add_laid_out(Sums *p, const Reading *r, int loops) {
    Reading x = *r;
    if (lay_out(p, &x)) {
        int same = 0;
        while (same < p->nreadings && !touches(&p->reading[same], &x)) same++;
        if (same < p->nreadings) join(&p->reading[same], &x);
        if (same < p->nreadings) join_strips(&p->reading[same]);
        else if (same < READINGS_MOST) p->reading[p->nreadings++] = x;
        return;
    }
    const Stmt *rows = loops ? few_rows(p, r) : NULL;
    for (int64_t i = 0; rows && i < prefetch_passes(rows); i++) {
        Reading row = *r;
        Affine *at = arena_copy(p->a, r->at, sizeof *at * (size_t)r->buffer->rank);
        readings_replace(p, at, r->buffer->rank, rows->var, affine_const(rows->lo[0].c + i * rows->step));
        row.at = at;
        row.byte = buffer_byte(p->a, r->buffer, at);
        add_laid_out(p, &row, loops - 1);
    }
}

/* All rows together, or, where most of what lies between is not read, each for itself. */
static void lay_out_all(Sums *p) {
    enum { LOOPS_OVER_ROWS = 2 };
    Reading reading[READINGS_MOST];
    bool done[READINGS_MOST] = {false};
    int n = p->nreadings;
    memcpy(reading, p->reading, sizeof reading);
    p->nreadings = 0;
    for (int i = 0; i < n; i++) {
        if (done[i]) continue;
        Reading all = reading[i], laid_out;
        for (int k = i + 1; k < n; k++)
            if (same_place(&all, &reading[k])) join(&all, &reading[k]);
        laid_out = all;
        bool together = lay_out(p, &laid_out);
        add_laid_out(p, together ? &all : &reading[i], LOOPS_OVER_ROWS);
        for (int k = i + 1; k < n && together; k++) done[k] = done[k] || same_place(&all, &reading[k]);
    }
}

/* ---- and its sums ---- */

static int64_t count_stores(const Stmt *s) {
    if (s->kind != STMT_FOR) return s->kind == STMT_STORE;
    int64_t n = 0;
    for (int i = 0; i < s->body.n; i++) n += count_stores(s->body.at[i]);
    return s->var ? n * i64_max(1, prefetch_passes(s)) : n;
}

static void add_leaf(Sums *p, Stmt *sum) {
    Leaf x = {.inner = sum, .passes = 1};
    for (int i = 0; i < p->ninside; i++) x.loop[x.nloops++] = p->inside[i];
    x.sum = x.nloops;
    for (Stmt *s = sum; s; s = prefetch_only_loop(s)) {
        if (x.nloops == LOOPS_MOST) return;
        x.loop[x.nloops++] = x.inner = s;
    }
    for (int i = 0; i < x.inner->body.n; i++)
        if (prefetch_has_loop(x.inner->body.at[i])) return;
    for (int i = 0; i < x.nloops; i++) {
        x.count[i] = passes_inside(p, x.loop[i]);
        if (x.count[i] && (x.loop[i]->step != 1 || !checked_mul(x.passes, x.count[i], &x.passes))) return;
    }
    for (int i = 0; i < x.inner->body.n; i++) x.work += count_stores(x.inner->body.at[i]);
    if (p->nleaves < LEAVES_MOST) p->leaf[p->nleaves++] = x;
}

static void collect(Sums *p, const Stmt *list);

/* The rows and columns of a tile are few, and lie apart: each for itself, as if they were written out. */
static void collect_passes(Sums *p, const Stmt *s) {
    p->bound[p->nbound++] = s->var;
    for (int64_t i = 0; i < prefetch_passes(s); i++) {
        p->value[p->nbound - 1] = s->lo[0].c + i * s->step;
        collect(p, s);
    }
    p->nbound--;
}

static void collect(Sums *p, const Stmt *list) {
    bool point = p->lane && prefetch_is_point(list);
    for (int i = 0; i < list->body.n; i++) {
        Stmt *s = list->body.at[i];
        if (point && p->nbound < LOOPS_MOST) {
            collect_passes(p, s);
            continue;
        }
        if (s->kind == STMT_STORE) add_expr(p, s->value, s->span);
        if (s->kind != STMT_FOR || p->ninside == LOOPS_MOST) continue;
        const Stmt *lane = p->lane;
        bool sum = !p->in_sum && lane && prefetch_sums_up(s);
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

/* Does e read the reading's buffer, and move in it with the loops around the one at hand as the reading does? */
static bool expr_reads(const Sums *p, const Expr *e, const Reading *r) {
    for (int i = 0, n = expr_operands(e->kind); i < n; i++)
        if (expr_reads(p, e->arg[i], r)) return true;
    if (e->kind != EXPR_LOAD || e->buffer != r->buffer) return false;
    Affine byte = buffer_byte(p->a, e->buffer, e->at);
    for (int i = 0; i + 1 < p->naround; i++)
        if (affine_coef(byte, p->around[i]->var) != affine_coef(r->byte, p->around[i]->var)) return false;
    return true;
}

static bool reads_too(const Sums *p, const Stmt *s, const Reading *r) {
    if (s->kind == STMT_STORE) return expr_reads(p, s->value, r);
    for (int i = 0; s->kind == STMT_FOR && i < s->body.n; i++)
        if (reads_too(p, s->body.at[i], r)) return true;
    return false;
}

int64_t readings_fresh(const Sums *p, const Reading *r) {
    const Stmt *loop = p->around[p->naround - 1];
    for (int i = 0; i < p->list->body.n; i++) /* a tile of what is left over goes through what those before have read */
        if (p->list->body.at[i] != loop && reads_too(p, p->list->body.at[i], r)) return 0;
    int64_t further = affine_coef(r->byte, loop->var) * loop->step;
    for (int i = 0; i < p->nreadings; i++) /* this pass has read it, too: rows that the tiles of two steps have in common */
        if (&p->reading[i] != r && same_strips(&p->reading[i], r) && p->reading[i].byte.c <= r->byte.c + further && p->reading[i].byte.c + p->reading[i].run >= r->byte.c + further + r->run) return 0;
    bool own = prefetch_stores_to(p->kernel->body, r->buffer);
    if (own && r->buffer->bytes <= NEAR_BYTES) return 0;
    for (int i = 0; i + 1 < p->naround; i++) /* a loop around reads it again */
        if (prefetch_passes(p->around[i]) != 1 && !affine_coef(r->byte, p->around[i]->var) && !(own && prefetch_stores_to(p->around[i], r->buffer))) return 0;
    return i64_max(0, i64_min(r->run, further));
}

void readings_of(Sums *p, const Stmt *list, const Stmt *loop) {
    p->list = list;
    p->nreadings = p->nleaves = p->nopen = p->nknown = p->ninside = p->nbound = 0;
    collect(p, loop);
    lay_out_all(p);
}
