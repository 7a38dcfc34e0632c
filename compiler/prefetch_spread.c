/* prefetch_spread.c: a tile of sums asks for the numbers that the next tile multiplies.
 *
 * Where channels are in the lanes, the innermost loop of a tile goes through the images, whose numbers lie side by side in a line, and the tile takes such a number of
 * each of some channels: as many short streams, which the processor does not follow. Each pass of that loop has time to ask for one line: image number i for the line
 * that the channel number i of the next tile is read from at the same place. Where channels are much fewer than images, all are asked for in front of the loop.
 */
#include "prefetch_internal.h"

enum { LOOPS_MOST = 80, ASKED_MOST = 16, UNROLLED_MOST = 8 };

typedef struct Spread {
    Arena *a;
    const Stmt *around[LOOPS_MOST]; /* serial loops around, the innermost last */
    int naround;
    const Stmt *unrolled[UNROLLED_MOST]; /* loops between the innermost serial loop and the statement at hand */
    int nunrolled;
    Stmt *images, *outside;         /* that innermost loop, and the one around it */
    const Var *lane;
    const Expr *seen;               /* the number that all sums of the tile take */
    Stmt *asked[ASKED_MOST];
    int nasked;
    bool ahead;                     /* they are asked for in front of the innermost loop */
} Spread;

/* The number that sums multiply, if each lane takes the same and the loop goes through a line of it. */
static void find_number(Spread *p, const Expr *e) {
    if (e->kind == EXPR_LOAD && e->buffer->space != SPACE_LOCAL && e->buffer->rank) {
        Affine byte = prefetch_byte(p->a, e->buffer, e->at);
        int64_t along = affine_coef(byte, p->images->var);
        if (!affine_coef(byte, p->lane) && along == elem_bytes(e->buffer->elem) && along * prefetch_passes(p->images) <= LINE) p->seen = e;
    }
    for (int i = 0, n = expr_operands(e->kind); i < n; i++) find_number(p, e->arg[i]);
}

static const Affine *with(const Spread *p, const Expr *e, const Affine *at, const Var *v, Affine x) {
    Affine *to = ARENA_ARRAY(p->a, Affine, e->buffer->rank);
    for (int i = 0; i < e->buffer->rank; i++) to[i] = affine_subst(p->a, at[i], v, x);
    return to;
}

/* Of the loops around, the one whose next pass takes the channels behind those of the unrolled loop; or null. */
static const Stmt *tiles_of(const Spread *p, Affine byte, const Stmt *tile) {
    int64_t step = affine_coef(byte, tile->var) * prefetch_passes(tile);
    for (int i = p->naround - 1; i >= 0; i--)
        if (affine_coef(byte, p->around[i]->var) * p->around[i]->step == step) return p->around[i];
    return NULL;
}

/* Asks once for each pass of unrolled loops, but for that over channels where the images stand for them. */
static void ask(Spread *p, const Affine *at, int loop, int but, Span span) {
    if (loop == p->nunrolled) {
        if (p->nasked < ASKED_MOST) p->asked[p->nasked++] = stmt_prefetch(p->a, p->seen->buffer, at, span);
        return;
    }
    const Stmt *s = p->unrolled[loop];
    bool depends = loop != but && affine_coef(prefetch_byte(p->a, p->seen->buffer, at), s->var);
    for (int64_t i = 0; i < (depends ? prefetch_passes(s) : 1); i++)
        ask(p, depends ? with(p, p->seen, at, s->var, affine_const(s->lo[0].c + i)) : at, loop + 1, but, span);
}

/* The unrolled loop that goes through most places. */
static int channels_of(const Spread *p, Affine byte) {
    int most = -1;
    for (int i = 0; i < p->nunrolled; i++)
        if (affine_coef(byte, p->unrolled[i]->var) && (most < 0 || prefetch_passes(p->unrolled[i]) > prefetch_passes(p->unrolled[most]))) most = i;
    return most;
}

static void ask_for_next(Spread *p, Span span) {
    Affine byte = prefetch_byte(p->a, p->seen->buffer, p->seen->at);
    int channels = channels_of(p, byte);
    const Stmt *tile = channels < 0 ? NULL : p->unrolled[channels], *next = tile ? tiles_of(p, byte, tile) : NULL;
    if (!next || prefetch_passes(tile) > prefetch_passes(p->images)) return;
    p->ahead = 2 * prefetch_passes(tile) <= prefetch_passes(p->images);
    const Affine *at = with(p, p->seen, p->seen->at, next->var, affine_offset(affine_var(p->a, next->var), next->step));
    at = with(p, p->seen, at, p->images->var, p->images->lo[0]);
    if (!p->ahead) at = with(p, p->seen, at, tile->var, affine_var(p->a, p->images->var));
    ask(p, at, 0, p->ahead ? -1 : channels, span);
}

static void visit_tile(Spread *p, const Stmt *list) {
    for (int i = 0; i < list->body.n; i++) {
        Stmt *s = list->body.at[i];
        if (s->kind == STMT_STORE) {
            p->seen = NULL;
            find_number(p, s->value);
            if (p->seen) ask_for_next(p, s->span);
        } else if (s->kind == STMT_FOR && s->var && p->nunrolled < UNROLLED_MOST && !p->nasked) {
            p->unrolled[p->nunrolled++] = s;
            visit_tile(p, s);
            p->nunrolled--;
        }
    }
}

/* Finds the innermost of loops that are all there is in one another. */
static void find_images(Spread *p, Stmt *sum) {
    p->outside = NULL;
    p->images = sum;
    for (Stmt *s = sum; (s = prefetch_only_loop(s)); p->images = s) p->outside = p->images;
}

static void put_first(Spread *p, Stmt *list) {
    Stmt **rest = arena_copy(p->a, list->body.at, sizeof *rest * (size_t)list->body.n);
    int n = list->body.n;
    list->body.n = 0;
    for (int i = 0; i < p->nasked; i++) stmt_add(p->a, list, p->asked[i]);
    for (int i = 0; i < n; i++) stmt_add(p->a, list, rest[i]);
}

static void visit_sum(Spread *p, Stmt *sum) {
    find_images(p, sum);
    p->nasked = p->nunrolled = 0;
    for (int i = 0; i < p->images->body.n; i++)
        if (prefetch_has_loop(p->images->body.at[i])) return;
    if (p->outside && prefetch_passes(p->images) > 1) visit_tile(p, p->images);
    if (p->nasked) put_first(p, p->ahead ? p->outside : p->images);
}

static void visit(Spread *p, Stmt *list) {
    for (int i = 0; i < list->body.n; i++) {
        Stmt *s = list->body.at[i];
        if (s->kind != STMT_FOR || p->naround == LOOPS_MOST) continue;
        if (p->lane && prefetch_is_loop(s, LOOP_SERIAL) && prefetch_is_local(s)) {
            visit_sum(p, s);
            continue;
        }
        bool lane = prefetch_is_loop(s, LOOP_LANE), serial = prefetch_is_loop(s, LOOP_SERIAL);
        if (lane) p->lane = s->var;
        if (serial) p->around[p->naround++] = s;
        visit(p, s);
        p->naround -= serial;
        if (lane) p->lane = NULL;
    }
}

void prefetch_spread(Arena *a, Kernel *k) {
    Spread *p = ARENA_NEW(a, Spread);
    p->a = a;
    visit(p, k->body);
}
