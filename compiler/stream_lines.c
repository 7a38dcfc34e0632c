/* stream_lines.c: see stream_lines.h. The stores of a straight run are gone through as they will be unrolled. */
#include "stream_lines.h"

enum { PARTS_MOST = 256, LOOPS_MOST = 16 };

/* A store as it is once the loops around it are unrolled: the first byte of its line, and its place in it; whole: the run fills the line. */
typedef struct Part { Stmt *store; Affine line; int64_t place; bool whole; } Part;

typedef struct Unrolled { const Var *var; int64_t value; } Unrolled;

/* A straight run of statements. */
typedef struct Run {
    Arena *a;
    const Map *late;
    const Var *lane;
    int64_t width;              /* bytes of a vector */
    int nloops, n;
    Unrolled loop[LOOPS_MOST];
    Part part[PARTS_MOST];
} Run;

/* A part that is at another place in its line for another value of some variable fills none. */
static void add_part(Run *r, Stmt *s) {
    Arena *a = r->a;
    Affine byte = buffer_byte(a, s->buffer, s->at);
    bool fixed = affine_coef(byte, r->lane) == elem_bytes(s->buffer->elem);
    byte = affine_subst(a, byte, r->lane, affine_const(0));
    for (int i = 0; i < r->nloops; i++) byte = affine_subst(a, byte, r->loop[i].var, affine_const(r->loop[i].value));
    for (int i = 0; i < byte.n; i++) fixed = fixed && byte.term[i].k % LINE == 0;
    int64_t place = byte.c - LINE * floor_div(byte.c, LINE);
    if (r->n < PARTS_MOST) r->part[r->n++] = (Part){s, affine_offset(byte, -place), fixed && place % r->width == 0 ? place : -1, false};
}

static void collect(Run *r, Stmt *s) {
    if (s->kind == STMT_STORE && map_get(r->late, s->buffer)) add_part(r, s);
    if (s->kind != STMT_FOR || (s->var && s->loop != LOOP_UNROLL) || r->nloops == LOOPS_MOST) return;
    bool known = s->var && s->nlo == 1 && s->nhi == 1 && !s->lo[0].n && !s->hi[0].n;
    if (s->var && !known) return;
    for (int64_t i = known ? s->lo[0].c : 0; i < (known ? s->hi[0].c : 1); i += known ? s->step : 1) {
        if (known) r->loop[r->nloops++] = (Unrolled){s->var, i};
        for (int k = 0; k < s->body.n; k++) collect(r, s->body.at[k]);
        r->nloops -= known;
    }
}

static bool fills_line(const Run *r, const Part *x) {
    unsigned filled = 0; /* a bit for each part */
    for (int i = 0; i < r->n && x->place >= 0; i++) {
        const Part *y = &r->part[i];
        if (y->place >= 0 && y->store->buffer->space == x->store->buffer->space && affine_equal(x->line, y->line)) filled |= 1u << (y->place / r->width);
    }
    return filled == (1u << (LINE / r->width)) - 1;
}

/* Of a store, all parts have to fill lines. */
static void mark(Run *r) {
    for (int i = 0; i < r->n; i++) {
        r->part[i].whole = fills_line(r, &r->part[i]);
        r->part[i].store->streamed = true;
    }
    for (int i = 0; i < r->n; i++)
        if (!r->part[i].whole || r->n == PARTS_MOST) r->part[i].store->streamed = false;
}

static void mark_runs(Run *r, Stmt *s) {
    const Var *lane = r->lane;
    if (s->var && s->loop == LOOP_LANE) r->lane = s->var;
    if (r->lane && (!s->var || s->loop != LOOP_UNROLL)) {
        r->n = 0;
        for (int i = 0; i < s->body.n; i++) collect(r, s->body.at[i]);
        mark(r);
    }
    for (int i = 0; i < s->body.n; i++)
        if (s->body.at[i]->kind == STMT_FOR) mark_runs(r, s->body.at[i]);
    r->lane = lane;
}

/* A vector that is a line fills it. */
static void mark_all(Stmt *s, const Map *late) {
    if (s->kind == STMT_STORE) s->streamed = s->streamed || map_get(late, s->buffer);
    for (int i = 0; s->kind == STMT_FOR && i < s->body.n; i++) mark_all(s->body.at[i], late);
}

void stream_lines(Arena *a, Stmt *body, int lanes, const Map *late) {
    int64_t width = 4 * lanes;
    if (width == LINE) {
        mark_all(body, late);
    } else if (lanes > 1 && width < LINE && LINE % width == 0) {
        Run *r = ARENA_NEW(a, Run);
        *r = (Run){.a = a, .late = late, .width = width};
        mark_runs(r, body);
    }
}
