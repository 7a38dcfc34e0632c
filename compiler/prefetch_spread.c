/* prefetch_spread.c: a tile of sums asks for the numbers that the next tile multiplies, and for the parameters that it updates.
 *
 * Where channels are in the lanes, the innermost loop of a tile goes through the images, whose numbers lie side by side in a line, and the tile takes such a number of
 * each of some channels: as many short streams, which the processor does not follow. Each pass of that loop has time to ask for one line: image number i for the line
 * that the channel number i of the next tile is read from at the same place. Where channels are much fewer than images, all are asked for in front of the loop.
 * Behind the last of the loop over tiles comes the tile of what is left over: it asks for the first one of the next pass of the loop around both.
 *
 * Parameters that are updated behind a sum are asked for in front of it (prefetch.c), which is late where the sum has few terms. So the tile before asks for them, too: each pass of its loop over
 * lane blocks for a row of them, or for every so manieth.
 */
#include "prefetch_internal.h"

#include <stdlib.h>

enum { LOOPS_MOST = 80, BLOCKS = 8 /* lane blocks of a usual batch */, ASKED_MOST = 16, UNROLLED_MOST = 8, INSIDE_MOST = 16 };

/* A tile: the number that all its sums take, the loops over its points (unrolled), and the serial ones from the list of statements that it is in. */
typedef struct Tile {
    const Expr *number; /* null: there is none */
    Span span;
    const Stmt *unrolled[UNROLLED_MOST], *loop[INSIDE_MOST]; /* the last loop is that over images */
    int nunrolled, nloops;
    int channels;       /* the unrolled loop over them */
    const Stmt *next;   /* the loop over tiles; null: it is the only one */
} Tile;

typedef struct Spread {
    Arena *a;
    const Stmt *around[LOOPS_MOST]; /* serial loops around, the innermost last */
    int naround, base;              /* ... of which those from number `base` on are in the list at hand */
    const Stmt *unrolled[UNROLLED_MOST];
    int nunrolled;
    const Var *lane;
    Tile tile, first;               /* that at hand; the first one of the list */
    Stmt *asked[ASKED_MOST];
    int nasked;
} Spread;

static const Stmt *images_of(const Tile *t) { return t->loop[t->nloops - 1]; }

static Affine byte_of(const Spread *p, const Tile *t, const Affine *at) { return buffer_byte(p->a, t->number->buffer, at); }

/* ---- finding tiles ---- */

/* The number that sums multiply, if each lane takes the same and the loop goes through a line of it. Not weights: there the loop goes through something else, and they are read
 * again and again. */
static const Expr *find_number(const Spread *p, const Expr *e) {
    const Stmt *images = images_of(&p->tile);
    if (e->kind == EXPR_LOAD && e->buffer->space != SPACE_LOCAL && e->buffer->space != SPACE_STATE && e->buffer->rank) {
        Affine byte = buffer_byte(p->a, e->buffer, e->at);
        int64_t along = affine_coef(byte, images->var);
        return !affine_coef(byte, p->lane) && along == elem_bytes(e->buffer->elem) && along * prefetch_passes(images) <= LINE ? e : NULL;
    }
    const Expr *found = NULL;
    for (int i = 0, n = expr_operands(e->kind); i < n && !found; i++) found = find_number(p, e->arg[i]);
    return found;
}

/* The unrolled loop that goes through most places. */
static int channels_of(const Spread *p, const Tile *t) {
    Affine byte = byte_of(p, t, t->number->at);
    int most = -1;
    for (int i = 0; i < t->nunrolled; i++)
        if (affine_coef(byte, t->unrolled[i]->var) && (most < 0 || prefetch_passes(t->unrolled[i]) > prefetch_passes(t->unrolled[most]))) most = i;
    return most;
}

/* Of the loops around, the one whose next pass takes the channels behind those of the tile; or null. */
static const Stmt *tiles_of(const Spread *p, const Tile *t) {
    Affine byte = byte_of(p, t, t->number->at);
    const Stmt *channels = t->unrolled[t->channels];
    int64_t step = affine_coef(byte, channels->var) * prefetch_passes(channels);
    for (int i = p->naround - 1; i >= 0; i--)
        if (affine_coef(byte, p->around[i]->var) * p->around[i]->step == step) return p->around[i];
    return NULL;
}

/* A vector of parameters. */
static const Expr *find_parameters(const Spread *p, const Expr *e) {
    if (e->kind == EXPR_LOAD) return e->buffer->space == SPACE_STATE && affine_coef(buffer_byte(p->a, e->buffer, e->at), p->lane) ? e : NULL;
    const Expr *found = NULL;
    for (int i = 0, n = expr_operands(e->kind); i < n && !found; i++) found = find_parameters(p, e->arg[i]);
    return found;
}

typedef const Expr *Find(const Spread *p, const Expr *e);

static void find_in(Spread *p, const Stmt *s, Find *find);

/* Looks for a load among the statements from number `from` on, unrolled loops included. */
static void find_tile(Spread *p, const Stmt *list, int from, Find *find) {
    for (int i = from; i < list->body.n && !p->tile.number; i++) find_in(p, list->body.at[i], find);
}

static void find_in(Spread *p, const Stmt *s, Find *find) {
    Tile *t = &p->tile;
    if (s->kind == STMT_STORE && (t->number = find(p, s->value))) {
        t->span = s->span;
        for (t->nunrolled = 0; t->nunrolled < p->nunrolled; t->nunrolled++) t->unrolled[t->nunrolled] = p->unrolled[t->nunrolled];
    } else if (s->kind == STMT_FOR && s->var && p->nunrolled < UNROLLED_MOST) {
        p->unrolled[p->nunrolled++] = s;
        find_tile(p, s, 0, find);
        p->nunrolled--;
    }
}

/* ---- asking ---- */

static const Affine *with(const Spread *p, const Tile *t, const Affine *at, const Var *v, Affine x) {
    Affine *to = ARENA_ARRAY(p->a, Affine, t->number->buffer->rank);
    for (int i = 0; i < t->number->buffer->rank; i++) to[i] = affine_subst(p->a, at[i], v, x);
    return to;
}

/* Few channels are asked for in front of the loop over images. */
static bool asks_ahead(const Tile *t) { return 2 * prefetch_passes(t->unrolled[t->channels]) <= prefetch_passes(images_of(t)); }

/* Asks once for each pass of the tile's unrolled loops from number `loop` on. */
static void ask(Spread *p, const Tile *t, const Affine *at, int loop) {
    if (p->nasked == ASKED_MOST) return;
    if (loop == t->nunrolled) {
        p->asked[p->nasked++] = stmt_prefetch(p->a, t->number->buffer, at, p->tile.span);
        return;
    }
    const Stmt *s = t->unrolled[loop];
    bool depends = affine_coef(byte_of(p, t, at), s->var);
    for (int64_t i = 0; i < (depends ? prefetch_passes(s) : 1); i++) ask(p, t, depends ? with(p, t, at, s->var, affine_const(s->lo[0].c + i)) : at, loop + 1);
}

/* Asks for the lines of t whose numbers are at `at`, from the loop over images of the tile at hand. */
static void ask_for_lines(Spread *p, const Tile *t, const Affine *at) {
    const Stmt *images = images_of(&p->tile);
    at = with(p, t, at, images->var, images->lo[0]);
    if (!asks_ahead(t)) at = with(p, t, at, t->unrolled[t->channels]->var, affine_var(p->a, images->var));
    ask(p, t, at, 0);
}

static Affine next_pass(const Spread *p, const Stmt *loop) { return affine_offset(affine_var(p->a, loop->var), loop->step); }

static void ask_for_next(Spread *p) {
    const Tile *t = &p->tile;
    ask_for_lines(p, t, with(p, t, t->number->at, t->next->var, next_pass(p, t->next)));
}

/* Of the first tile of the list at the next pass of the loop around it, by the loops of the tile at hand, which go through the same places. */
static void ask_for_first(Spread *p) {
    const Tile *first = &p->first, *t = &p->tile;
    const Affine *at = first->number->at;
    int last = p->base - 1;
    while (last >= 0 && prefetch_passes(p->around[last]) == 1) last--;
    if (last < 0 || first->nloops != t->nloops + 1 || first->number->buffer != t->number->buffer) return;
    for (int i = 0, k = 0; i < first->nloops; i++) {
        const Stmt *loop = first->loop[i];
        if (loop != first->next && (k == t->nloops || prefetch_passes(loop) != prefetch_passes(t->loop[k]))) return;
        at = with(p, first, at, loop->var, loop == first->next ? loop->lo[0] : affine_var(p->a, t->loop[k++]->var));
    }
    ask_for_lines(p, first, with(p, first, at, p->around[last]->var, next_pass(p, p->around[last])));
}

/* The parameters that the next tile updates, from the loop over lane blocks of the tile at hand: statement number `sum` of the list. */
static void ask_for_parameters(Spread *p, Stmt *list, int sum) {
    Tile *t = &p->tile;
    Stmt *blocks = list->body.at[sum];
    *t = (Tile){0};
    p->nasked = 0;
    if (prefetch_passes(blocks)) return; /* through something else */
    find_tile(p, list, sum + 1, find_parameters);
    t->channels = t->number ? channels_of(p, t) : -1;
    if (t->channels < 0) return;
    const Stmt *rows = t->unrolled[t->channels];
    if (!(t->next = tiles_of(p, t)) || llabs(affine_coef(byte_of(p, t, t->number->at), rows->var)) < LINE) return;
    const Affine *at = with(p, t, t->number->at, t->next->var, next_pass(p, t->next));
    for (int64_t row = 0; row < prefetch_passes(rows); row += BLOCKS) ask(p, t, with(p, t, at, rows->var, affine_offset(affine_var(p->a, blocks->var), rows->lo[0].c + row)), 0);
    if (p->nasked) prefetch_insert(p->a, blocks, 0, true, p->asked, p->nasked);
}

/* ---- walking ---- */

static void visit_sum(Spread *p, Stmt *sum) {
    Tile *t = &p->tile;
    Stmt *images = sum, *outside = NULL;
    *t = (Tile){0};
    p->nasked = 0;
    for (int i = p->base; i < p->naround; i++)
        if (t->nloops < INSIDE_MOST) t->loop[t->nloops++] = p->around[i];
    for (Stmt *s = sum; s && t->nloops < INSIDE_MOST; s = prefetch_only_loop(s)) {
        outside = images;
        t->loop[t->nloops++] = images = s;
    }
    for (int i = 0; i < images->body.n; i++)
        if (prefetch_has_loop(images->body.at[i])) return;
    if (images == sum || prefetch_passes(images) < 2) return;
    find_tile(p, images, 0, find_number);
    t->channels = t->number ? channels_of(p, t) : -1;
    if (t->channels < 0 || prefetch_passes(t->unrolled[t->channels]) > prefetch_passes(images)) return;
    t->next = tiles_of(p, t);
    if (t->next) ask_for_next(p);
    else if (p->first.number) ask_for_first(p);
    if (p->nasked) prefetch_insert(p->a, asks_ahead(t->next ? t : &p->first) ? outside : images, 0, true, p->asked, p->nasked);
    if (t->next && !p->first.number) p->first = *t;
}

static void visit(Spread *p, Stmt *list);

/* Statement number i of the list. Sums get no further statements beside them. */
static void visit_statement(Spread *p, Stmt *list, int i) {
    Stmt *s = list->body.at[i];
    if (s->kind != STMT_FOR || p->naround == LOOPS_MOST) return;
    bool lane = prefetch_is_loop(s, LOOP_LANE), serial = prefetch_is_loop(s, LOOP_SERIAL);
    if (p->lane && prefetch_sums_up(s)) {
        visit_sum(p, s);
        ask_for_parameters(p, list, i);
        return;
    }
    if (lane) p->lane = s->var;
    if (serial) p->around[p->naround++] = s;
    visit(p, s);
    p->naround -= serial;
    if (lane) p->lane = NULL;
}

static void visit(Spread *p, Stmt *list) {
    Tile first = p->first;
    int base = p->base;
    bool several = !p->lane && list->body.n > 1;
    if (several) {
        p->base = p->naround;
        p->first = (Tile){0};
    }
    for (int i = 0; i < list->body.n; i++) visit_statement(p, list, i);
    if (several) {
        p->base = base;
        p->first = first;
    }
}

void prefetch_spread(Arena *a, Kernel *k) {
    Spread *p = ARENA_NEW(a, Spread);
    p->a = a;
    visit(p, k->body);
}
