/* prefetch_sums.c: the sums of one pass ask for what the next pass reads.
 *
 * Where a loop has several nests in its body, one of which reads from memory what another sums up (a place of Winograd's tiles is turned round, then
 * multiplied), memory rests while sums are taken. So every pass of the sums asks for a few bytes of what the next pass of the loop will
 * read: in the order in which they lie in memory, at a pace at which the core can have them fetched, a line in PACE multiply-adds or
 * fewer. What the kernel has just stored itself, if it is little, or reads again and again, is near as it is.
 */
#include "prefetch_internal.h"

#include <math.h>
#include <stdlib.h>

enum {
    PACE = 8,              /* multiply-adds for each line, at least */
    BYTES_LEAST = 4096,    /* that are worth it */
    NEAR_BYTES = 512 << 10, /* what the kernel has just stored, if it is no more, lies in a core's own cache */
    PASSES_LEAST = 4,      /* of the loop: what the last one asks for is asked in vain */
    ASKED_MOST = 4,        /* lines of one reading in one pass of a sum */
    READINGS_MOST = 32, LEAVES_MOST = 16, LOOPS_MOST = 80
};

/* What a pass of the loop reads of a buffer: strips of `run` bytes side by side, `apart` bytes from each other, the first from buffer[at] on, where the variables
 * of loops inside are replaced by their first values. `loads` loads of each pass of all loops inside read it. */
typedef struct Reading { const Buffer *buffer; const Affine *at; Affine byte; int64_t run, strips, apart, loads; Span span; } Reading;

/* A sum: its innermost loop, and all loops from the one at hand to that, with their passes (0: not known), of which there are `passes` in all. */
typedef struct Leaf { Stmt *inner; Stmt *loop[LOOPS_MOST]; int64_t count[LOOPS_MOST]; int nloops, sum; int64_t passes, work; } Leaf; /* loop[sum] is the first that sums */

typedef struct Sums {
    Arena *a;
    Kernel *kernel;
    const Stmt *lane;               /* the loop over the lanes around, or null */
    const Stmt *around[LOOPS_MOST]; /* ... and the serial ones, the last of which is the one at hand */
    int naround;
    Stmt *inside[LOOPS_MOST];       /* loops between it and the statement at hand */
    int ninside;
    const Stmt *known[LOOPS_MOST];  /* all loops inside whose bounds are numbers */
    int nknown;
    const Stmt *open[LOOPS_MOST];   /* ... and those that are as long as the kernel is told: over its lane blocks */
    int nopen;
    bool in_sum;
    Reading reading[READINGS_MOST];
    int nreadings;
    Leaf leaf[LEAVES_MOST];
    int nleaves;
    Stmt *whole;                    /* the first loop of the leaves, taken apart: a pass is `parts` of its own; or null */
    int64_t parts;
} Sums;

/* ---- what a pass reads ---- */

/* The loop of v among those inside, or that over the lanes; null: it is further out. */
static const Stmt *loop_inside(const Sums *p, const Var *v) {
    if (p->lane && p->lane->var == v) return p->lane;
    for (int i = 0; i < p->ninside; i++)
        if (p->inside[i]->var == v) return p->inside[i];
    return NULL;
}

/* Of a loop with one pass, if any (a row of the step at hand), the bound that is its variable then. */
static const Affine *only_pass(const Stmt *s) {
    for (int i = 0; i < s->nlo; i++)
        for (int k = 0; k < s->nhi; k++)
            if (s->lo[i].n && affine_equal(affine_offset(s->lo[i], 1), s->hi[k])) return &s->lo[i];
    return NULL;
}

static bool same_bounds(const Stmt *x, const Stmt *y) {
    return x->nlo == 1 && y->nlo == 1 && x->nhi == 1 && y->nhi == 1 && affine_equal(x->lo[0], y->lo[0]) && affine_equal(x->hi[0], y->hi[0]) && x->step == y->step;
}

/* Of all loops over the same blocks, the first: it stands for them. Null: there are too many. */
static const Stmt *open_like(Sums *p, const Stmt *loop) {
    for (int i = 0; i < p->nopen; i++)
        if (same_bounds(p->open[i], loop)) return p->open[i];
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

static void replace(const Sums *p, Affine *at, int n, const Var *v, Affine by) {
    for (int i = 0; i < n; i++) at[i] = affine_subst(p->a, at[i], v, by);
}

static bool same_but_constant(Affine x, Affine y) {
    x.c = y.c = 0;
    return affine_equal(x, y);
}

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
    Affine byte = prefetch_byte(p->a, b, at);
    for (int t = 0; t < byte.n; t++) {
        const Stmt *loop = loop_inside(p, byte.term[t].var), *open = NULL;
        const Affine *only = loop ? only_pass(loop) : NULL;
        if (!loop) continue;
        if (prefetch_passes(loop)) {
            if (!note_known(p, loop)) return false;
        } else if (only) {
            replace(p, at, b->rank, loop->var, *only);
            byte = prefetch_byte(p->a, b, at);
            t = -1; /* its bound may have variables of loops inside, too */
        } else {
            if (!(open = open_like(p, loop))) return false;
            replace(p, at, b->rank, loop->var, affine_var(p->a, open->var));
        }
    }
    return true;
}

static void add_reading(Sums *p, const Expr *e, Span span) {
    const Buffer *b = e->buffer;
    if (b->space == SPACE_LOCAL || !b->rank || b->stride[b->rank - 1] != 1) return;
    Affine *at = arena_copy(p->a, e->at, sizeof *at * (size_t)b->rank);
    if (!replace_inside(p, b, at)) return;
    Reading r = {.buffer = b, .at = at, .byte = prefetch_byte(p->a, b, at), .run = elem_bytes(b->elem), .strips = 1, .loads = 1, .span = span};
    for (int i = 0; i < p->nreadings; i++)
        if (p->reading[i].buffer == b && same_but_constant(p->reading[i].byte, r.byte)) {
            join(&p->reading[i], &r);
            return;
        }
    if (p->nreadings < READINGS_MOST) p->reading[p->nreadings++] = r;
}

static void add_expr(Sums *p, const Expr *e, Span span) {
    if (e->kind == EXPR_LOAD) add_reading(p, e, span);
    for (int i = 0, n = expr_operands(e->kind); i < n; i++) add_expr(p, e->arg[i], span);
}

typedef struct Extent { int64_t bytes, passes; } Extent;

static int by_bytes(const void *x, const void *y) {
    int64_t a = ((const Extent *)x)->bytes, b = ((const Extent *)y)->bytes;
    return (a > b) - (a < b);
}

/* Puts loops into the reading's run and strips; false where it would be more than that, or most of a run is not read. */
static bool lay_out(Sums *p, Reading *r) {
    Extent extent[LOOPS_MOST];
    int n = 0;
    Affine *at = arena_copy(p->a, r->at, sizeof *at * (size_t)r->buffer->rank);
    for (int i = 0; i < p->nknown; i++) {
        const Stmt *loop = p->known[i];
        int64_t bytes = affine_coef(r->byte, loop->var) * loop->step;
        if (!bytes) continue;
        extent[n++] = (Extent){bytes, prefetch_passes(loop)};
        if (!checked_mul(r->loads, extent[n - 1].passes, &r->loads)) return false;
        replace(p, at, r->buffer->rank, loop->var, loop->lo[0]);
    }
    r->at = at;
    r->byte = prefetch_byte(p->a, r->buffer, at);
    qsort(extent, (size_t)n, sizeof *extent, by_bytes);
    for (int i = 0; i < n; i++) {
        int64_t further;
        if (extent[i].bytes < 0 || r->strips > 1 || !checked_mul(extent[i].bytes, extent[i].passes - 1, &further)) return false;
        if (extent[i].bytes <= r->run) {
            r->run += further;
        } else {
            r->strips = extent[i].passes;
            r->apart = extent[i].bytes;
        }
    }
    return (double)r->loads * 2 >= (double)r->run * (double)r->strips / (double)elem_bytes(r->buffer->elem);
}

/* Readings go on where others end. */
static bool touches(const Reading *x, const Reading *y) {
    int64_t lo = i64_min(x->byte.c, y->byte.c), hi = i64_max(x->byte.c + x->run, y->byte.c + y->run);
    return x->buffer == y->buffer && same_but_constant(x->byte, y->byte) && x->strips == y->strips && x->apart == y->apart && hi - lo <= x->run + y->run;
}

static void lay_out_all(Sums *p) {
    int n = 0;
    for (int i = 0; i < p->nreadings; i++) {
        Reading r = p->reading[i];
        int same = 0;
        if (!lay_out(p, &r)) continue;
        while (same < n && !touches(&p->reading[same], &r)) same++;
        if (same < n) join(&p->reading[same], &r);
        else p->reading[n++] = r;
    }
    p->nreadings = n;
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
        x.count[i] = prefetch_passes(x.loop[i]);
        if (x.count[i] && (x.loop[i]->step != 1 || !checked_mul(x.passes, x.count[i], &x.passes))) return;
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

/* Bytes of a strip that the next pass reads for the first time; 0: all is near. */
static int64_t fresh_bytes(const Sums *p, const Reading *r) {
    const Stmt *loop = p->around[p->naround - 1];
    bool own = stores_to(p->kernel->body, r->buffer);
    if (own && r->buffer->bytes <= NEAR_BYTES) return 0;
    for (int i = 0; i + 1 < p->naround; i++) /* a loop around reads it again */
        if (prefetch_passes(p->around[i]) != 1 && !affine_coef(r->byte, p->around[i]->var) && !(own && stores_to(p->around[i], r->buffer))) return 0;
    int64_t fresh = i64_max(0, i64_min(r->run, affine_coef(r->byte, loop->var) * loop->step));
    return capped_mul(fresh, r->strips) < BYTES_LEAST ? 0 : fresh;
}

/* ---- strips, and the loop that goes from one to the next ---- */

/* A loop of the leaves goes through the strips: the first, `each` of them a pass, or one in `parts` passes; or the innermost, which has a pass for each. One strip: no loop. */
typedef enum { NO_LOOP, FIRST_LOOP, INNERMOST } WalkLoop;
typedef struct Walk { WalkLoop loop; int64_t turns, each, parts; } Walk; /* `turns`: passes of the loop, or 1 */

/* Asking for more than a third beyond the strips is not worth it. */
static bool wastes(int64_t asked, int64_t strips) { return asked * 3 > strips * 4; }

/* Each strip is asked for once from its beginning to its end: from strip to strip and back, nothing was won. */
static bool first_loop_walks(const Sums *p, const Reading *r, Walk *w) {
    int64_t turns = p->leaf[0].count[0];
    for (int i = 0; i < p->nleaves; i++)
        if (p->leaf[i].sum == 0 || p->leaf[i].loop[0] != p->leaf[0].loop[0] || !turns) return false;
    *w = (Walk){FIRST_LOOP, turns, ceil_div(r->strips, turns), i64_max(1, turns / r->strips)};
    bool even = turns % w->parts == 0 && r->apart % (w->parts * elem_bytes(r->buffer->elem)) == 0;
    return even && w->each <= ASKED_MOST && !wastes(w->each * (turns / w->parts), r->strips);
}

/* From strip to strip, a piece of each, and again: there is no other way where the sum goes through rows of what was copied. */
static bool innermost_walks(const Sums *p, const Reading *r, Walk *w) {
    *w = (Walk){INNERMOST, r->strips, 1, 1};
    for (int i = 0; i < p->nleaves; i++)
        if (p->leaf[i].count[p->leaf[i].nloops - 1] != r->strips) return false;
    return true;
}

static bool find_walk(const Sums *p, const Reading *r, Walk *w) {
    *w = (Walk){NO_LOOP, 1, 1, 1};
    return r->strips == 1 || first_loop_walks(p, r, w) || innermost_walks(p, r, w);
}

/* ---- asking ---- */

/* The loop of the leaf that goes through the same blocks as this one, or null. */
static const Stmt *open_of(const Leaf *x, const Stmt *open) {
    for (int i = 0; i < x->nloops; i++)
        if (same_bounds(x->loop[i], open)) return x->loop[i];
    return NULL;
}

static Affine first_is_zero(Arena *a, const Stmt *loop) { return affine_offset(affine_var(a, loop->var), loop->lo[0].n ? 0 : -loop->lo[0].c); }

/* The number of the leaf's pass through its loops up to number `last`, but for one. */
static Affine pass_number(Arena *a, const Leaf *x, int last, int but) {
    Affine n = affine_const(0);
    for (int i = 0; i <= last; i++)
        if (x->count[i] && i != but) n = affine_add(a, affine_scale(a, n, x->count[i]), first_is_zero(a, x->loop[i]));
    return n;
}

/* What a leaf asks for: of the `fresh` bytes of a strip, from number `from` on, `step` in each pass of its loop number `level`. */
typedef struct Request { const Reading *reading; Walk walk; int64_t fresh, from, step; int level; } Request;

/* The number of the leaf's loop that goes through the strips; -1: none. */
static int walk_loop(const Leaf *x, const Walk *w) { return w->loop == NO_LOOP ? -1 : w->loop == FIRST_LOOP ? 0 : x->nloops - 1; }

/* Where the leaf asks; false: it does not go through the reading's blocks. */
static bool request_at(Sums *p, const Leaf *x, const Request *q, Affine *at) {
    const Reading *r = q->reading;
    const Stmt *loop = p->around[p->naround - 1];
    int64_t size = elem_bytes(r->buffer->elem);
    int rank = r->buffer->rank, through = walk_loop(x, &q->walk);
    replace(p, at, rank, loop->var, affine_offset(affine_var(p->a, loop->var), loop->step));
    for (int k = 0; k < p->nopen; k++) {
        const Stmt *like = open_of(x, p->open[k]);
        for (int i = 0; i < rank && !like; i++)
            if (affine_coef(at[i], p->open[k]->var)) return false;
        if (like) replace(p, at, rank, p->open[k]->var, affine_var(p->a, like->var));
    }
    Affine far = affine_offset(affine_scale(p->a, pass_number(p->a, x, q->level, through), q->step / size), (r->run - q->fresh + q->from) / size);
    if (through >= 0) {
        const Stmt *walk = q->walk.parts > 1 ? p->whole : x->loop[through];
        far = affine_add(p->a, far, affine_scale(p->a, first_is_zero(p->a, walk), r->apart / size * q->walk.each / q->walk.parts));
        if (q->walk.parts > 1) {
            Affine part = affine_add(p->a, affine_var(p->a, x->loop[0]->var), affine_scale(p->a, affine_var(p->a, p->whole->var), -1));
            far = affine_add(p->a, far, affine_scale(p->a, part, q->fresh / size / q->walk.parts));
        }
    }
    at[rank - 1] = affine_add(p->a, at[rank - 1], far);
    return true;
}

/* Takes the first loop of the leaves apart: for each `parts` of its passes one of a loop around it. */
static void take_apart(Sums *p, int64_t parts) {
    Stmt *whole = p->leaf[0].loop[0], *inner = ARENA_NEW(p->a, Stmt);
    Var *v = ARENA_NEW(p->a, Var);
    *inner = *whole;
    v->name = arena_name(p->a, arena_printf(p->a, "%s_%d", whole->var->name, p->kernel->serial++));
    *whole = *stmt_for(p->a, v, LOOP_SERIAL, inner->lo[0], inner->hi[0], parts);
    whole->span = inner->span;
    inner->lo[0] = affine_var(p->a, v);
    inner->hi[0] = affine_offset(inner->lo[0], parts);
    stmt_add(p->a, whole, inner);
    for (int i = 0; i < p->nleaves; i++) p->leaf[i].loop[0] = inner;
    p->whole = whole;
    p->parts = parts;
}

static void ask(Sums *p, const Leaf *x, const Request *q) {
    const Reading *r = q->reading;
    int64_t size = elem_bytes(r->buffer->elem);
    int last = r->buffer->rank - 1;
    Affine *at = arena_copy(p->a, r->at, sizeof *at * (size_t)r->buffer->rank);
    if (!request_at(p, x, q, at)) return;
    for (int64_t strip = 0; strip < q->walk.each; strip++)
        for (int64_t line = 0; line < ceil_div(q->step, LINE); line++) {
            Affine *here = arena_copy(p->a, at, sizeof *at * (size_t)r->buffer->rank);
            here[last] = affine_offset(here[last], (strip * r->apart + line * LINE) / size);
            Stmt *request = stmt_prefetch(p->a, r->buffer, here, r->span);
            prefetch_insert(p->a, x->loop[q->level], 0, true, &request, 1);
        }
}

/* Asks in the innermost loop, or so far outside of it as one pass stands for a line or two: `bytes` a pass of the innermost. */
static Request request_of(const Leaf *x, const Reading *r, const Walk *w, int64_t fresh, double bytes, int64_t before) {
    int64_t size = elem_bytes(r->buffer->elem);
    Request q = {r, *w, fresh, round_up((int64_t)(bytes * (double)before), size), 0, x->nloops - 1};
    for (; w->loop != INNERMOST && q.level > x->sum && x->count[q.level] && bytes * (double)x->count[q.level] <= 2 * LINE; q.level--) bytes *= (double)x->count[q.level];
    q.step = round_up((int64_t)ceil(bytes), size);
    return q;
}

/* Of the bytes that are asked for in all, a share may be what the sums have time for. */
static void ask_all(Sums *p, const Reading *r, const Walk *w, int64_t fresh, int64_t passes, double share) {
    int64_t before = 0;
    double bytes = (double)fresh * share * (double)w->turns / (double)(passes * w->parts);
    if (bytes * (double)w->each > ASKED_MOST * LINE || (w->parts > 1 && p->whole && p->parts != w->parts)) return;
    if (w->parts > 1 && !p->whole) take_apart(p, w->parts);
    for (int k = 0; k < p->nleaves; k++) {
        Request q = request_of(&p->leaf[k], r, w, fresh, bytes, before);
        ask(p, &p->leaf[k], &q);
        before += p->leaf[k].passes / w->turns;
    }
}

/* What the next pass of the innermost loop around reads is asked for in the sums of this one. */
static void ask_in_sums(Sums *p) {
    Walk walk[READINGS_MOST];
    int64_t fresh[READINGS_MOST] = {0}, passes = 0;
    double bytes = 0, work = 0;
    for (int i = 0; i < p->nleaves; i++) {
        passes += p->leaf[i].passes;
        work += (double)p->leaf[i].passes * (double)p->leaf[i].work;
    }
    for (int i = 0; i < p->nreadings && passes; i++) {
        if (find_walk(p, &p->reading[i], &walk[i])) fresh[i] = fresh_bytes(p, &p->reading[i]);
        bytes += (double)fresh[i] * (double)p->reading[i].strips;
    }
    double share = bytes > 0 ? work / PACE * LINE / bytes : 0;
    for (int i = 0; i < p->nreadings; i++)
        if (fresh[i]) ask_all(p, &p->reading[i], &walk[i], fresh[i], passes, share < 1 ? share : 1);
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
            p->whole = NULL;
            p->nreadings = p->nleaves = p->nopen = p->nknown = p->ninside = 0;
            collect(p, s);
            lay_out_all(p);
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
