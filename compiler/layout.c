/* layout.c: buffers get halos, strides and addresses.
 *
 * A halo is as wide as the widest index that any nest forms: the range of every affine index over its axes. Lifetimes are
 * counted in levels for the arena (all kernels of a segment run at once, on different chunks) and in groups for scratch memory
 * (kernels follow one another on one chunk). Buffers whose lifetimes are apart share memory: the largest first, each at
 * the lowest place that is free.
 */
#include "lower_internal.h"

#include <stdlib.h>
#include <string.h>

enum { ALIGN = 64 };


static Buffer *new_buffer(Build *b, const char *name, Elem elem, Space space) {
    Buffer *x = ARENA_NEW(b->a, Buffer);
    x->name = arena_name(b->a, name);
    x->elem = elem;
    x->space = space;
    VEC_PUSH(b->a, &b->program->buffers, x);
    return x;
}

static void add_dim(Buffer *b, int64_t d) {
    ENSURE(b->rank < BUFFER_RANK);
    b->dim[b->rank++] = d;
}

/* The Life of a buffer that is not a view, made where there was none. */
static Life *life_of(Build *b, Buffer *x) {
    void **at = map_at(b->a, &b->life, x);
    if (!*at) {
        Life *l = ARENA_NEW(b->a, Life);
        *l = (Life){.buffer = x, .first = -1, .last = -1};
        *at = l;
    }
    return *at;
}

Buffer *layout_buffer(Build *b, const char *name, Type type, Space space, int lanes) {
    Buffer *x = new_buffer(b, name, type.elem, space);
    if (type.batched) add_dim(x, space == SPACE_SCRATCH ? 1 : -1);
    for (int i = 0; i < type.rank; i++) add_dim(x, type.dim[i]);
    if (type.batched) add_dim(x, lanes);
    VEC_PUSH(b->a, &b->lives, life_of(b, x));
    return x;
}

Buffer *layout_view(Build *b, Buffer *base, Type type, int lanes) {
    Buffer *known = map_get(&b->view_of, base);
    if (known) {
        ENSURE(known->rank == type.rank + (type.batched ? 2 : 0)); /* there are but two shapes: the image and the flat one */
        return known;
    }
    Buffer *v = new_buffer(b, arena_printf(b->a, "%s.%dd", base->name, type.rank), base->elem, base->space);
    if (type.batched) add_dim(v, base->dim[0]);
    for (int i = 0; i < type.rank; i++) add_dim(v, type.dim[i]);
    if (type.batched) add_dim(v, lanes);
    VEC_PUSH(b->a, &b->views, ((View){v, base}));
    *map_at(b->a, &b->view_of, base) = v;
    *map_at(b->a, &b->view_base, v) = base;
    return v;
}

/* ---- uses and halos ---- */

typedef struct Range { int64_t lo, hi; } Range;

static Range affine_range(const Lower *lw, const Nest *n, Affine x);

/* The range of x with v replaced by each bound of its axis; clamped axes take the tightest that is known. */
static Range axis_term(const Lower *lw, const Nest *n, const Axis *axis, int64_t k, Affine rest) {
    Range r = affine_range(lw, n, rest), out = {r.lo + (k < 0 ? k * (axis->extent - 1) : 0), r.hi + (k > 0 ? k * (axis->extent - 1) : 0)};
    for (int i = 0; k > 0 && i < axis->nlo; i++) {
        Range c = affine_range(lw, n, affine_add(lw->a, rest, affine_scale(lw->a, axis->lo[i], k)));
        out.lo = i64_max(out.lo, c.lo);
    }
    for (int i = 0; k > 0 && i < axis->nhi; i++) {
        Range c = affine_range(lw, n, affine_add(lw->a, rest, affine_scale(lw->a, affine_offset(axis->hi[i], -1), k)));
        out.hi = i64_min(out.hi, c.hi);
    }
    return out;
}

static Range affine_range(const Lower *lw, const Nest *n, Affine x) {
    for (int i = n->naxes - 1; i >= 0; i--) { /* inner axes first: their bounds may name outer ones */
        const Axis *axis = &n->axis[i];
        int64_t k = affine_coef(x, axis->var);
        if (k && axis->extent >= 0) return axis_term(lw, n, axis, k, affine_subst(lw->a, x, axis->var, affine_const(0)));
    }
    int64_t k = lw->step ? affine_coef(x, lw->step) : 0, last = k ? lw->group->steps - 1 : 0;
    Range r = {x.c + i64_min(0, k * last), x.c + i64_max(0, k * last)};
    for (int i = 0; i < n->inners.n; i++) {
        int64_t far = affine_coef(x, n->inners.at[i]->var) * (n->inners.at[i]->extent - 1);
        r = (Range){r.lo + i64_min(0, far), r.hi + i64_max(0, far)};
    }
    for (int i = 0; i < lw->naround; i++) {
        int64_t far = affine_coef(x, lw->around[i].var) * i64_max(0, lw->around[i].extent - 1);
        r = (Range){r.lo + i64_min(0, far), r.hi + i64_max(0, far)};
    }
    return r;
}

typedef struct NoteCtx { Lower *lw; const Nest *nest; } NoteCtx;

/* Takes note of the time of a use, and of the bytes that the kernel moves: each buffer once. */
static void note_use(Lower *lw, Buffer *x) {
    Build *b = lw->b;
    Buffer *base = map_get(&b->view_base, x);
    Life *l = life_of(b, base ? base : x);
    const Group *g = lw->group;
    int t = x->space == SPACE_ARENA ? g->level : g->level * lw->plan->groups.n + g->index;
    if (l->first < 0 || t < l->first) l->first = t;
    if (t > l->last) l->last = t;
    if (l->counted == g) return;
    l->counted = lw->group;
    VEC_PUSH(lw->a, &lw->group->touched, l->buffer);
}

static void note_access(void *ctx, const Buffer *const_buffer, const Affine *at) {
    NoteCtx *c = ctx;
    Buffer *b = (Buffer *)const_buffer; /* under construction: its halo is what is being found */
    if (b->space != SPACE_ARENA && b->space != SPACE_SCRATCH && b->space != SPACE_STATE) return;
    note_use(c->lw, b);
    if (b->rank != 5) return;
    for (int d = 2; d < 4; d++) {
        Range r = affine_range(c->lw, c->nest, at[d]);
        b->low[d] = i64_max(b->low[d], -r.lo);
        b->high[d] = i64_max(b->high[d], r.hi - b->dim[d] + 1);
    }
}

void layout_note_nest(Lower *lw, const Nest *n) {
    NoteCtx c = {lw, n};
    nest_accesses(n, note_access, &c);
}

/* ---- addresses ---- */

/* Transforms write, and contractions read, the same point of many channels or places in turn. Where these lie a multiple of a kilobyte apart, all of
 * them fall into a few sets of the first-level cache (of a page: into one) and of the second's; lines between them spread them over all sets. Which dimension
 * that is: the channels of pictures, [block][c][h][w][lane]; the places of tiles, and of weights and their sums in Winograd's way; blocks and images of rows, [block][image][elements]. */
static int64_t spread(const Build *b, const Buffer *x, int i, int64_t stride) {
    enum { PERIOD = 1024, GAP = 5 * 64 }; /* an odd number of lines */
    bool outer = x->rank >= 3 && (i == (x->rank == 5) || (i == 1 && map_get(&b->rows, x)));
    return outer && stride * elem_bytes(x->elem) % PERIOD == 0 ? stride + GAP / elem_bytes(x->elem) : stride;
}

/* Points of a row of a picture of f32 with a halo, [block][c][h][w][lane], or of tiles, that fill a line of memory: its rows are whole lines, and its own first point is the first of one, so that the points of a
 * tile fill lines, too (stream_lines.c). Others begin where a line does. */
static int64_t points_of_line(const Build *b, const Buffer *x, int i) {
    bool row = x->rank == 5 && i == 3 && x->elem == ELEM_F32 && (x->low[3] + x->high[3] > 0 || map_get(&b->lined, x));
    int64_t bytes = row ? x->dim[4] * elem_bytes(x->elem) : ALIGN;
    return bytes < ALIGN && ALIGN % bytes == 0 ? ALIGN / bytes : 1;
}

/* `spaced`: with gaps where they help; a buffer that others see as a flat one has none. */
static void set_strides(const Build *b, Buffer *x, int64_t leading, bool spaced) {
    int64_t stride = 1;
    x->base = 0;
    for (int i = x->rank - 1; i >= 0; i--) {
        if (spaced) stride = spread(b, x, i, stride);
        int64_t whole = spaced ? points_of_line(b, x, i) : 1, low = round_up(x->low[i], whole);
        x->stride[i] = stride;
        x->base += capped_mul(low, stride);
        stride = capped_mul(stride, round_up(low + (x->dim[i] < 0 ? leading : x->dim[i]) + x->high[i], whole));
    }
    x->bytes = stride * elem_bytes(x->elem);
}

/* The lives of the plan's buffers of a space. */
static int find_lives(const Build *b, Space space, Life **lives) {
    int n = 0;
    for (int i = 0; i < b->lives.n; i++)
        if (b->lives.at[i]->buffer->space == space) lives[n++] = b->lives.at[i];
    return n;
}

static int by_size(const void *x, const void *y) {
    const Life *a = *(Life *const *)x, *b = *(Life *const *)y;
    if (a->buffer->bytes != b->buffer->bytes) return a->buffer->bytes < b->buffer->bytes ? 1 : -1;
    return strcmp(a->buffer->name, b->buffer->name);
}

static bool meet(const Life *a, const Life *b) { return a->first <= b->last && b->first <= a->last; }

static int by_place(const void *x, const void *y) {
    const Life *a = *(Life *const *)x, *b = *(Life *const *)y;
    return a->at < b->at ? -1 : a->at > b->at;
}

/* The lowest place where none of the n buffers placed before, in order of their places, is in the way. */
static int64_t lowest_place(Life *const *placed, int n, const Life *l) {
    int64_t at = 0;
    for (int i = 0; i < n; i++) {
        if (!meet(placed[i], l)) continue;
        if (at + l->buffer->bytes <= placed[i]->at) break;
        at = i64_max(at, round_up(placed[i]->at + placed[i]->buffer->bytes, ALIGN));
    }
    return at;
}

/* Puts the buffer into the list that is in order of places. */
static void insert_placed(Life **placed, int n, Life *l) {
    int i = n;
    for (; i > 0 && by_place(&placed[i - 1], &l) > 0; i--) placed[i] = placed[i - 1];
    placed[i] = l;
}

/* Returns the bytes that the space needs. */
static int64_t place_buffers(const Build *b, Space space) {
    Life **lives = ARENA_ARRAY(b->a, Life *, b->lives.n + 1), **placed = ARENA_ARRAY(b->a, Life *, b->lives.n + 1);
    int n = find_lives(b, space, lives);
    int64_t end = 0;
    qsort(lives, (size_t)n, sizeof *lives, by_size);
    for (int i = 0; i < n; i++) {
        lives[i]->at = lives[i]->buffer->offset = lowest_place(placed, i, lives[i]);
        insert_placed(placed, i, lives[i]);
        end = i64_max(end, lives[i]->at + lives[i]->buffer->bytes);
    }
    return round_up(end, ALIGN);
}

/* ---- halos are cleared by who writes the buffer ---- */

typedef struct Frame { int64_t lo[2], hi[2]; } Frame; /* rows and columns */

static Stmt *clear_frame(Build *b, const Clear *c, const Frame *f) {
    const Buffer *x = c->buffer;
    Affine at[5] = {c->block};
    if (x->space == SPACE_SCRATCH) at[0] = affine_add(b->a, c->block, affine_scale(b->a, affine_var(b->a, c->kernel->lo), -1));
    Stmt *outer = NULL, *inner = NULL;
    for (int d = 0; d < 3; d++) {
        Var *v = ARENA_NEW(b->a, Var);
        v->name = arena_name(b->a, arena_printf(b->a, "z%d", c->kernel->serial++));
        Stmt *loop = stmt_for(b->a, v, LOOP_SERIAL, affine_const(d ? f->lo[d - 1] : 0), affine_const(d ? f->hi[d - 1] : x->dim[1]), 1);
        at[1 + d] = affine_var(b->a, v);
        if (inner) stmt_add(b->a, inner, loop);
        else outer = loop;
        inner = loop;
    }
    at[4] = affine_var(b->a, c->lane);
    const Expr *zero = x->elem == ELEM_F32 ? expr_real(b->a, 0) : expr_int(b->a, 0);
    stmt_add(b->a, inner, stmt_store(b->a, x, arena_copy(b->a, at, sizeof at), zero, c->span));
    return outer;
}

static void clear_halo(Build *b, const Clear *c) {
    const Buffer *x = c->buffer;
    if (x->rank != 5) return;
    int64_t top = x->low[2], bottom = x->high[2], left = x->low[3], right = x->high[3], h = x->dim[2], w = x->dim[3];
    Frame frames[4] = {{{-top, -left}, {0, w + right}}, {{h, -left}, {h + bottom, w + right}}, {{0, -left}, {h, 0}}, {{0, w}, {h, w + right}}};
    for (int i = 0; i < 4; i++) {
        const Frame *f = &frames[i];
        if (f->lo[0] >= f->hi[0] || f->lo[1] >= f->hi[1]) continue;
        Stmt *loop = clear_frame(b, c, f);
        stmt_add(b->a, c->into, loop);
        memmove(&c->into->body.at[1], &c->into->body.at[0], sizeof c->into->body.at[0] * (size_t)(c->into->body.n - 1));
        c->into->body.at[0] = loop;
    }
}

void layout_finish(Build *b, const Plan *p) {
    Program *prog = b->program;
    int64_t blocks = p->chunks;
    for (int i = 0; i < b->lives.n; i++) {
        Buffer *x = b->lives.at[i]->buffer;
        set_strides(b, x, blocks, x->space != SPACE_STATE && !map_get(&b->view_of, x));
    }
    prog->arena_bytes = i64_max(prog->arena_bytes, place_buffers(b, SPACE_ARENA));
    prog->scratch_bytes = i64_max(prog->scratch_bytes, place_buffers(b, SPACE_SCRATCH));
    for (int i = 0; i < b->views.n; i++) {
        View *v = &b->views.at[i];
        for (int d = 0; d < v->base->rank; d++) ENSURE(!v->base->low[d] && !v->base->high[d]);
        set_strides(b, v->view, v->base->space == SPACE_STATE ? 0 : blocks, false);
        ENSURE(v->view->bytes == v->base->bytes);
        v->view->offset = v->base->offset;
    }
    for (int i = 0; i < b->clears.n; i++) clear_halo(b, &b->clears.at[i]);
    b->lives.n = b->clears.n = 0;
    b->life = (Map){0};
}
