/* prefetch_sums.c: the sums of one pass ask for what the next pass reads.
 *
 * Where a loop has several nests in its body, one of which reads from memory what another sums up (a place of Winograd's tiles is turned round, then
 * multiplied), memory rests while sums are taken. So every pass of the sums asks for a few bytes of what the next pass of the loop will
 * read: in the order in which they lie in memory, at a pace at which the core can have them fetched, a line in PACE multiply-adds or
 * fewer. The same where a sum goes through strips of memory that lie apart (channels): there each of its passes asks for a piece of the strip that the next pixel, or the next rows, will read at this place.
 */
#include "prefetch_readings.h"

#include <math.h>
#include <stdlib.h>

enum {
    PACE = 8,              /* multiply-adds for each line, at least */
    BYTES_LEAST = 4096,    /* that are worth it ... */
    BYTES_MOST = 1 << 20,  /* ... and, of strips that sums go through, do not leave a core's own cache before they are read */
    PASSES_LEAST = 4,      /* of the loop: what the last one asks for is asked in vain */
    ASKED_MOST = 4         /* lines of one reading in one pass of a sum */
};

/* ---- strips, and the loop that goes from one to the next ---- */

/* A loop of the leaves goes through the strips: the first, `each` of them a pass, or one in `parts` passes; or one of those that sum, which has a pass for each. One strip: no loop. */
typedef enum { NO_LOOP, FIRST_LOOP, SUM_LOOP } WalkLoop;
typedef struct Walk { WalkLoop loop; int64_t turns, each, parts; } Walk; /* `turns`: passes of the loop, or 1 */

/* Asking for more than a third beyond the strips is not worth it. */
static bool wastes(int64_t asked, int64_t strips) { return asked * 3 > strips * 4; }

/* Each strip is asked for once from its beginning to its end: from strip to strip and back, nothing was won. */
static bool first_loop_walks(const Sums *p, const Reading *r, Walk *w) {
    int64_t turns = p->leaf[0].count[0];
    for (int i = 0; i < p->nleaves; i++)
        if (p->leaf[i].sum == 0 || p->leaf[i].loop[0] != p->leaf[0].loop[0] || !prefetch_passes(p->leaf[0].loop[0])) return false;
    *w = (Walk){FIRST_LOOP, turns, ceil_div(r->strips, turns), i64_max(1, turns / r->strips)};
    bool even = turns % w->parts == 0 && r->apart % (w->parts * elem_bytes(r->buffer->elem)) == 0;
    return even && w->each <= ASKED_MOST && !wastes(w->each * (turns / w->parts), r->strips);
}

/* The number of the loop of a sum that has so many passes; -1: none. */
static int sum_loop(const Leaf *x, int64_t passes) {
    int i = x->nloops - 1;
    while (i >= x->sum && x->count[i] != passes) i--;
    return i >= x->sum ? i : -1;
}

/* From strip to strip, a piece of each, and again: there is no other way where the sum goes through rows of what was copied, or through channels. */
static bool sum_walks(const Sums *p, const Reading *r, Walk *w) {
    *w = (Walk){SUM_LOOP, r->strips, 1, 1};
    for (int i = 0; i < p->nleaves; i++)
        if (sum_loop(&p->leaf[i], r->strips) < 0) return false;
    return true;
}

static bool find_walk(const Sums *p, const Reading *r, Walk *w) {
    *w = (Walk){NO_LOOP, 1, 1, 1};
    return r->strips == 1 || first_loop_walks(p, r, w) || sum_walks(p, r, w);
}

/* Is what is read of the buffer, all rows together, worth it? */
static bool is_worth(const Sums *p, const Buffer *b, const int64_t *fresh) {
    int64_t bytes = 0;
    for (int i = 0; i < p->nreadings; i++)
        if (p->reading[i].buffer == b) bytes += i64_min(BYTES_LEAST, capped_mul(fresh[i], p->reading[i].strips));
    return bytes >= BYTES_LEAST;
}

/* ---- asking ---- */

/* The loop of the leaf that goes through the same blocks as this one, or null. */
static const Stmt *open_of(const Leaf *x, const Stmt *open) {
    for (int i = 0; i < x->nloops; i++)
        if (readings_same_bounds(x->loop[i], open)) return x->loop[i];
    return NULL;
}

/* The loop's variable, counted from its first value; of one that was taken apart, from the first of the whole. */
static Affine first_is_zero(const Sums *p, const Stmt *loop) {
    const Stmt *from = p->whole && loop == p->leaf[0].loop[0] ? p->whole : loop;
    return affine_add(p->a, affine_var(p->a, loop->var), affine_scale(p->a, from->lo[0], -1));
}

/* The number of the leaf's pass through its loops up to number `last`, but for one. */
static Affine pass_number(const Sums *p, const Leaf *x, int last, int but) {
    Affine n = affine_const(0);
    for (int i = 0; i <= last; i++)
        if (x->count[i] && i != but) n = affine_add(p->a, affine_scale(p->a, n, x->count[i]), first_is_zero(p, x->loop[i]));
    return n;
}

/* What a leaf asks for: of the `fresh` bytes of a strip, from number `from` on, `step` in each pass of its loop number `level`. */
typedef struct Request { const Reading *reading; Walk walk; int64_t fresh, from, step; int level; } Request;

/* The number of the leaf's loop that goes through the strips; -1: none. */
static int walk_loop(const Leaf *x, const Walk *w, const Reading *r) { return w->loop == NO_LOOP ? -1 : w->loop == FIRST_LOOP ? 0 : sum_loop(x, r->strips); }

/* Where the leaf asks; false: it does not go through the reading's blocks. */
static bool request_at(Sums *p, const Leaf *x, const Request *q, Affine *at) {
    const Reading *r = q->reading;
    const Stmt *loop = p->around[p->naround - 1];
    int64_t size = elem_bytes(r->buffer->elem);
    int rank = r->buffer->rank, through = walk_loop(x, &q->walk, r);
    readings_replace(p, at, rank, loop->var, affine_offset(affine_var(p->a, loop->var), loop->step));
    for (int k = 0; k < p->nopen; k++) {
        const Stmt *like = open_of(x, p->open[k]);
        for (int i = 0; i < rank && !like; i++)
            if (affine_coef(at[i], p->open[k]->var)) return false;
        if (like) readings_replace(p, at, rank, p->open[k]->var, affine_var(p->a, like->var));
    }
    Affine far = affine_offset(affine_scale(p->a, pass_number(p, x, q->level, through), q->step / size), (r->run - q->fresh + q->from) / size);
    if (through >= 0) {
        const Stmt *walk = q->walk.parts > 1 ? p->whole : x->loop[through];
        far = affine_add(p->a, far, affine_scale(p->a, first_is_zero(p, walk), r->apart / size * q->walk.each / q->walk.parts));
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
    int outermost = w->loop == SUM_LOOP ? walk_loop(x, w, r) : x->sum;
    for (; q.level > outermost && x->count[q.level] && bytes * (double)x->count[q.level] <= 2 * LINE; q.level--) bytes *= (double)x->count[q.level];
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

/* Strips that a sum goes through: is what is asked for still near when it is read, and have the sums time for `requests` in each pass of that loop? */
static bool sums_can(const Sums *p, const Walk *w, const Reading *r, int64_t requests, double bytes) {
    for (int k = 0; k < p->nleaves; k++) {
        const Leaf *x = &p->leaf[k];
        double work = (double)x->work;
        for (int i = walk_loop(x, w, r) + 1; i < x->nloops; i++) work *= (double)i64_max(1, x->count[i]);
        if (work < PACE * (double)requests) return false;
    }
    return bytes < BYTES_MOST;
}

/* What the next pass of the innermost loop around reads is asked for in the sums of this one. */
static void ask_in_sums(Sums *p) {
    Walk walk[READINGS_MOST];
    int64_t fresh[READINGS_MOST] = {0}, passes = 0, through_sums = 0;
    double bytes = 0, bytes_through_sums = 0, work = 0;
    bool worth[READINGS_MOST], several = p->around[p->naround - 1]->body.n > 1;
    for (int i = 0; i < p->nleaves; i++) {
        passes += p->leaf[i].passes;
        work += (double)p->leaf[i].passes * (double)p->leaf[i].work;
    }
    for (int i = 0; i < p->nreadings && passes; i++)
        if (find_walk(p, &p->reading[i], &walk[i]) && (several || walk[i].loop == SUM_LOOP)) fresh[i] = readings_fresh(p, &p->reading[i]);
    for (int i = 0; i < p->nreadings; i++) {
        worth[i] = fresh[i] && is_worth(p, p->reading[i].buffer, fresh);
        if (!worth[i]) continue;
        double all = (double)fresh[i] * (double)p->reading[i].strips;
        bytes += all;
        if (walk[i].loop != SUM_LOOP) continue;
        bytes_through_sums += all;
        through_sums++;
    }
    double share = bytes > 0 ? work / PACE * LINE / bytes : 0;
    for (int i = 0; i < p->nreadings; i++)
        if (worth[i] && (walk[i].loop != SUM_LOOP || sums_can(p, &walk[i], &p->reading[i], through_sums, bytes_through_sums))) ask_all(p, &p->reading[i], &walk[i], fresh[i], passes, share < 1 ? share : 1);
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
        if (serial && (!most || most >= PASSES_LEAST)) {
            p->whole = NULL;
            readings_of(p, list, s);
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
