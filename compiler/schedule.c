/* schedule.c: see schedule.h. A space axis is a list of *regions*: runs of tiles of one size. The loops of every
 * combination of regions end in a leaf, where the tile's sizes are constants: there the accumulators get their shape. */
#include "schedule_internal.h"

#include <string.h>

/* ---- regions ---- */

/* Cuts `extent` units into ceil(extent/tile) tiles whose sizes differ by at most one. */
static Regions balanced(int64_t extent, int64_t tile, int64_t width) {
    Regions r = {0};
    if (extent <= 0) return r;
    int64_t tiles = ceil_div(extent, tile), small = extent / tiles, large = extent % tiles;
    if (large) r.at[r.n++] = (Region){0, small + 1, large, width};
    r.at[r.n++] = (Region){large * (small + 1) * width, small, tiles - large, width};
    return r;
}

Regions schedule_regions(const Nest *n, const Schedule *s, int axis, int lanes) {
    int64_t extent = n->axis[axis].extent;
    if (axis != s->lane_axis) return balanced(extent, s->tile[axis], 1);
    Regions r = balanced(extent / lanes, s->tile[axis], lanes);
    if (extent % lanes) r.at[r.n++] = (Region){extent / lanes * lanes, 1, 1, extent % lanes};
    return r;
}

int64_t schedule_tiles(const Nest *n, const Schedule *s, int axis, int lanes) {
    int64_t tiles = 0;
    Regions r = schedule_regions(n, s, axis, lanes);
    for (int i = 0; i < r.n; i++) tiles += r.at[i].count;
    return tiles;
}

int64_t schedule_items(const Nest *n, const Schedule *s, int lanes) { return s->parallel < 0 ? 0 : schedule_tiles(n, s, s->parallel, lanes); }

/* ---- questions about nests ---- */

bool schedule_bounds_others(const Nest *n, const Var *v) {
    for (int i = 0; i < n->naxes; i++) {
        for (int j = 0; j < n->axis[i].nlo; j++)
            if (affine_coef(n->axis[i].lo[j], v)) return true;
        for (int j = 0; j < n->axis[i].nhi; j++)
            if (affine_coef(n->axis[i].hi[j], v)) return true;
    }
    return false;
}

int schedule_space_axes(const Nest *n) {
    int k = 0;
    for (int i = 0; i < n->naxes; i++) k += !n->axis[i].reduce;
    return k;
}

bool schedule_is_costly(const Expr *e) {
    if (e->kind == EXPR_EXP || e->kind == EXPR_LOG || e->kind == EXPR_SIGMOID || e->kind == EXPR_TANH || e->kind == EXPR_ERF) return true;
    for (int i = 0, n = expr_operands(e->kind); i < n; i++)
        if (schedule_is_costly(e->arg[i])) return true;
    return false;
}

/* ---- applying ---- */

typedef struct Apply {
    Arena *a;
    const Nest *nest;
    const Schedule *s;
    int lanes, nspace;
    const Var *l;              /* the lane variable around, or null */
    Kernel *kernel;
    Affine base[AXIS_MAX];     /* first point of the tile at hand */
    Region region[AXIS_MAX];
    const Var *block;          /* number of the cache tile at hand, or null */
} Apply;

static const Var *fresh_var(Apply *p, const char *name) {
    Var *v = ARENA_NEW(p->a, Var);
    v->name = arena_name(p->a, arena_printf(p->a, "%s%d", name, p->kernel->serial++));
    return v;
}

/* The leaf: what it takes to write one tile. */
typedef struct Leaf {
    Subst subst;
    int ntile;                       /* axes with more than one point in the tile, in unroll order */
    const Var *var[AXIS_MAX];
    int axis[AXIS_MAX];
    int64_t size[AXIS_MAX];
    Affine index[AXIS_MAX + 1];      /* of the expanded locals: tile variables, then the lane */
    int64_t width;                   /* lanes, 0 without a lane loop */
} Leaf;

static void add_tile_axis(Leaf *leaf, const Var *v, int axis, int64_t size) {
    int at = leaf->ntile++;
    while (at > 0 && leaf->size[at - 1] <= size) { /* the longest axis outermost: its operand is streamed, the other's stays in registers */
        leaf->var[at] = leaf->var[at - 1];
        leaf->size[at] = leaf->size[at - 1];
        leaf->axis[at] = leaf->axis[at - 1];
        at--;
    }
    leaf->var[at] = v;
    leaf->axis[at] = axis;
    leaf->size[at] = size;
}

static void map_axis(Apply *p, Leaf *leaf, int axis, const Var *lane) {
    const Region *r = &p->region[axis];
    Affine x = p->base[axis];
    if (r->size > 1) {
        const Var *v = fresh_var(p, p->nest->axis[axis].var->name);
        add_tile_axis(leaf, v, axis, r->size);
        x = affine_add(p->a, x, affine_scale(p->a, affine_var(p->a, v), axis == p->s->lane_axis ? r->width : 1));
    }
    if (axis == p->s->lane_axis) x = affine_add(p->a, x, affine_var(p->a, lane));
    leaf->subst.var[leaf->subst.n] = p->nest->axis[axis].var;
    leaf->subst.value[leaf->subst.n++] = x;
}

static bool local_varies(const Apply *p, const Buffer *local);

/* Has each point its own? */
static bool is_own(const Apply *p, const Buffer *b) {
    for (int i = 0; i < p->nest->arrays.n; i++)
        if (p->nest->arrays.at[i] == b) return true;
    return b->space == SPACE_LOCAL && !b->rank;
}

/* Does e differ from lane to lane? A sum over the lanes does not; a local does as its own value does. */
static bool varies(const Apply *p, const Expr *e) {
    if (e->kind == EXPR_LANE_SUM) return false;
    const Var *lane = p->s->lane_axis >= 0 ? p->nest->axis[p->s->lane_axis].var : p->l;
    if (!lane) return false;
    if (e->kind == EXPR_INDEX) return affine_coef(e->index, lane) != 0;
    if (e->kind == EXPR_LOAD && is_own(p, e->buffer)) return local_varies(p, e->buffer);
    for (int i = 0; e->kind == EXPR_LOAD && i < e->buffer->rank; i++)
        if (affine_coef(e->at[i], lane)) return true;
    for (int i = 0, n = expr_operands(e->kind); i < n; i++)
        if (varies(p, e->arg[i])) return true;
    return false;
}

static bool local_varies(const Apply *p, const Buffer *local) {
    for (int i = 0; i < p->nest->assigns.n; i++)
        if (!local->rank && p->nest->assigns.at[i].buffer == local) return varies(p, p->nest->assigns.at[i].value);
    return true; /* accumulators, arrays */
}

/* The point's local as it stands in this tile: one number for each point (but for the first `skip` tile axes, which are loops around it) and, where they differ, lane. An array is that of
 * the tile's only point. */
static const Buffer *expand_local(Apply *p, const Leaf *leaf, const Buffer *point, int skip) {
    Buffer *b = ARENA_NEW(p->a, Buffer);
    b->name = arena_name(p->a, arena_printf(p->a, "%s%d", point->name, p->kernel->serial++));
    b->elem = point->elem;
    b->space = SPACE_LOCAL;
    int own = point->rank ? point->rank : leaf->ntile - skip;
    ENSURE(!point->rank || !leaf->ntile);
    b->rank = own + (leaf->width > 0 && local_varies(p, point));
    int64_t stride = 1;
    for (int i = b->rank - 1; i >= 0; i--) {
        b->dim[i] = i == own ? leaf->width : point->rank ? point->dim[i] : leaf->size[skip + i];
        b->stride[i] = stride;
        stride *= b->dim[i];
    }
    b->bytes = stride * elem_bytes(b->elem);
    VEC_PUSH(p->a, &p->kernel->locals, b);
    return b;
}

static void map_local(Apply *p, Leaf *leaf, const Buffer *point, int skip) {
    VEC_PUSH(p->a, &leaf->subst.renames, ((Rename){point, expand_local(p, leaf, point, skip), skip}));
}

static bool is_let(const Assign *as) { return as->buffer->space == SPACE_LOCAL && !as->buffer->rank; }

static void index_leaf(Apply *p, Leaf *leaf, const Var *lane) {
    for (int i = 0; i < leaf->ntile; i++) leaf->index[i] = affine_var(p->a, leaf->var[i]);
    if (lane) leaf->index[leaf->ntile] = affine_var(p->a, lane);
    leaf->subst.index = arena_copy(p->a, leaf->index, sizeof leaf->index);
}

static void expand_accs(Apply *p, Leaf *leaf) {
    for (int i = 0; i < p->nest->accs.n; i++) map_local(p, leaf, p->nest->accs.at[i].buffer, 0);
}

static void expand_lets(Apply *p, Leaf *leaf, int skip) {
    for (int i = 0; i < p->nest->assigns.n; i++)
        if (is_let(&p->nest->assigns.at[i])) map_local(p, leaf, p->nest->assigns.at[i].buffer, skip);
    for (int i = 0; i < p->nest->arrays.n; i++) map_local(p, leaf, p->nest->arrays.at[i], skip);
}

/* Opens the loops over the tile inside `into` and returns the innermost. */
static Stmt *open_tile(Apply *p, const Leaf *leaf, LoopKind kind, Stmt *into) {
    for (int i = 0; i < leaf->ntile; i++) {
        Stmt *f = stmt_for(p->a, leaf->var[i], kind, affine_const(0), affine_const(leaf->size[i]), 1);
        stmt_add(p->a, into, f);
        into = f;
    }
    return into;
}

static void store_local(Apply *p, const Leaf *leaf, Stmt *into, const Buffer *point, const Expr *value, Span span) {
    const Expr *place = subst_expr(&leaf->subst, expr_load(p->a, point, NULL));
    stmt_add(p->a, into, stmt_store(p->a, place->buffer, place->at, subst_expr(&leaf->subst, value), span));
}

static Stmt *open_reduction(Apply *p, Leaf *leaf, Stmt *into) {
    for (int k = p->nspace; k < p->nest->naxes; k++) {
        int i = p->s->order[k];
        const Axis *axis = &p->nest->axis[i];
        const Var *v = fresh_var(p, axis->var->name);
        bool runtime = axis->extent < 0;
        Stmt *f = stmt_for(p->a, v, p->s->unroll[i] ? LOOP_UNROLL : LOOP_SERIAL, affine_const(0), affine_const(axis->extent), 1);
        f->nlo = f->nhi = !runtime;
        for (int j = 0; j < axis->nlo; j++) f->lo[f->nlo++] = subst_affine(&leaf->subst, axis->lo[j]);
        for (int j = 0; j < axis->nhi; j++) f->hi[f->nhi++] = subst_affine(&leaf->subst, axis->hi[j]);
        stmt_add(p->a, into, f);
        into = f;
        leaf->subst.var[leaf->subst.n] = axis->var;
        leaf->subst.value[leaf->subst.n++] = affine_var(p->a, v);
    }
    return into;
}

/* The loop over the tile's points of the peeled axis goes through those that the point of a sparse sum reaches: w + from <= s < w + end. */
static void leave_out_zeros(Apply *p, const Leaf *leaf, Stmt *loop) {
    int peeled = p->s->peeled;
    for (int i = p->nspace; i < p->nest->naxes; i++) {
        const Axis *x = &p->nest->axis[p->s->order[i]];
        if (!x->sparse || !affine_coef(x->from, p->nest->axis[peeled].var)) continue;
        ENSURE(loop->nlo < BOUND_MAX && loop->nhi < BOUND_MAX);
        Affine s = subst_affine(&leaf->subst, affine_var(p->a, x->var)), at = affine_add(p->a, s, affine_scale(p->a, p->base[peeled], -1));
        loop->lo[loop->nlo++] = affine_offset(at, 1 - x->end.c);
        loop->hi[loop->nhi++] = affine_offset(at, 1 - x->from.c);
    }
}

static Stmt *open_update(Apply *p, const Leaf *leaf, Stmt *into) {
    Stmt *inner = open_tile(p, leaf, LOOP_UNROLL, into);
    for (int i = 0; i < leaf->ntile; i++) {
        into = into->body.at[into->body.n - 1];
        if (leaf->axis[i] == p->s->peeled) leave_out_zeros(p, leaf, into);
    }
    return inner;
}

static void write_sums(Apply *p, Leaf *leaf, Stmt *into) {
    const Nest *n = p->nest;
    Stmt *init = open_tile(p, leaf, LOOP_UNROLL, into);
    for (int i = 0; i < n->accs.n; i++) store_local(p, leaf, init, n->accs.at[i].buffer, n->accs.at[i].init, n->accs.at[i].span);
    Stmt *update = open_update(p, leaf, open_reduction(p, leaf, into));
    for (int i = 0; i < n->accs.n; i++) store_local(p, leaf, update, n->accs.at[i].buffer, n->accs.at[i].update, n->accs.at[i].span);
}

/* Opens the loop of these assignments, with a variable of this tile's own. */
static Stmt *open_inner(Apply *p, Leaf *leaf, const Inner *inner, Stmt *into) {
    const Var *v = fresh_var(p, inner->var->name);
    Stmt *f = stmt_for(p->a, v, LOOP_SERIAL, affine_const(0), affine_const(inner->extent), 1);
    stmt_add(p->a, into, f);
    ENSURE(leaf->subst.n < (int)(sizeof leaf->subst.var / sizeof *leaf->subst.var));
    leaf->subst.var[leaf->subst.n] = inner->var;
    leaf->subst.value[leaf->subst.n++] = affine_var(p->a, v);
    return f;
}

static void write_assigns(Apply *p, Leaf *leaf, Stmt *into) {
    const Inner *inner = NULL;
    Stmt *list = into;
    for (int i = 0; i < p->nest->assigns.n; i++) {
        const Assign *as = &p->nest->assigns.at[i];
        if (as->inner != inner) list = as->inner ? open_inner(p, leaf, as->inner, into) : into;
        inner = as->inner;
        const Buffer *b = as->buffer;
        const Affine *at = subst_at(&leaf->subst, &b, as->at);
        stmt_add(p->a, list, stmt_store(p->a, b, at, subst_expr(&leaf->subst, as->value), as->span));
    }
}

/* The sums of the tile move from registers to the stack, and a loop of its own finishes them point by point: the many
 * constants of an exponential then stay in registers, and its code, or that of a sum over the lanes, is there once. */
static void write_staged(Apply *p, const Leaf *leaf, const Var *lane, Stmt *into) {
    Leaf tail = *leaf;
    memset(&tail.subst.renames, 0, sizeof tail.subst.renames);
    for (int i = 0; i < tail.ntile; i++) {
        tail.var[i] = fresh_var(p, "p");
        for (int j = 0; j < tail.subst.n; j++)
            tail.subst.value[j] = affine_subst(p->a, tail.subst.value[j], leaf->var[i], affine_var(p->a, tail.var[i]));
    }
    index_leaf(p, &tail, lane);
    expand_accs(p, &tail);
    expand_lets(p, &tail, tail.ntile);
    Stmt *copy = open_tile(p, leaf, LOOP_UNROLL, into);
    for (int i = 0; i < p->nest->accs.n; i++) {
        const Expr *sum = subst_expr(&leaf->subst, expr_load(p->a, p->nest->accs.at[i].buffer, NULL));
        stmt_add(p->a, copy, stmt_store(p->a, tail.subst.renames.at[i].to, sum->at, sum, p->nest->accs.at[i].span));
    }
    write_assigns(p, &tail, open_tile(p, &tail, LOOP_SERIAL, into));
}

static bool has_lane_sum(const Expr *e) {
    if (e->kind == EXPR_LANE_SUM) return true;
    for (int i = 0, n = expr_operands(e->kind); i < n; i++)
        if (has_lane_sum(e->arg[i])) return true;
    return false;
}

static bool wants_staging(const Nest *n, const Leaf *leaf) {
    bool costly = false;
    for (int i = 0; i < n->assigns.n; i++) costly = costly || schedule_is_costly(n->assigns.at[i].value) || has_lane_sum(n->assigns.at[i].value);
    return costly && n->accs.n && leaf->ntile;
}

static void write_tile(Apply *p, Leaf *leaf, const Var *lane, Stmt *into) {
    expand_accs(p, leaf);
    if (p->nest->accs.n) write_sums(p, leaf, into);
    if (wants_staging(p->nest, leaf)) {
        write_staged(p, leaf, lane, into);
        return;
    }
    expand_lets(p, leaf, 0);
    write_assigns(p, leaf, open_tile(p, leaf, LOOP_UNROLL, into));
}

static void apply_leaf(Apply *p, Stmt *into) {
    Leaf leaf = {.subst = {.arena = p->a}};
    const Var *lane = p->l;
    if (p->s->lane_axis >= 0) {
        lane = fresh_var(p, "l");
        leaf.width = p->region[p->s->lane_axis].width;
        Stmt *f = stmt_for(p->a, lane, LOOP_LANE, affine_const(0), affine_const(leaf.width), 1);
        stmt_add(p->a, into, f);
        into = f;
    } else if (lane) {
        leaf.width = p->lanes;
    }
    for (int i = 0; i < p->nest->naxes; i++)
        if (!p->nest->axis[i].reduce) map_axis(p, &leaf, i, lane);
    index_leaf(p, &leaf, lane);
    write_tile(p, &leaf, lane, into);
}

static void apply_axis(Apply *p, int k, Stmt *into);

/* Is the statement a loop over all points of an axis of this name, with these bounds? (A variable is called by its axis and a number.) */
static bool is_loop_over(const Stmt *s, const char *axis, const Stmt *bounds) {
    size_t n = strlen(axis);
    bool is_it = s->kind == STMT_FOR && s->var && !strncmp(s->var->name, axis, n) && strspn(s->var->name + n, "0123456789") == strlen(s->var->name + n);
    is_it = is_it && s->loop == bounds->loop && s->step == bounds->step && s->nlo == bounds->nlo && s->nhi == bounds->nhi;
    for (int i = 0; is_it && i < s->nlo; i++) is_it = affine_equal(s->lo[i], bounds->lo[i]);
    for (int i = 0; is_it && i < s->nhi; i++) is_it = affine_equal(s->hi[i], bounds->hi[i]);
    return is_it;
}

/* Opens the loop over tiles of a region, or goes on in the one that the nest before has just left: where both go through the whole axis point by point. Not in runs of tiles (`block`): the runs of the two may differ. */
static Stmt *open_loop(Apply *p, int axis, Stmt *loop, Stmt *into) {
    const Axis *x = &p->nest->axis[axis];
    Stmt *before = into->body.n ? into->body.at[into->body.n - 1] : NULL;
    bool whole = p->s->block < 0 && p->region[axis].size == 1 && p->region[axis].count == x->extent;
    if (x->beside && whole && before && is_loop_over(before, x->var->name, loop)) return before;
    stmt_add(p->a, into, loop);
    return loop;
}

/* The loop over the tiles of one region, and everything inside. `first`: number of the region's first tile on its axis. */
static void apply_region(Apply *p, int k, int axis, Region r, int64_t first, Stmt *into) {
    p->region[axis] = r;
    const Axis *x = &p->nest->axis[axis];
    bool parallel = axis == p->s->parallel, blocked = axis == p->s->block, numbered = parallel || blocked; /* tiles counted over all regions */
    bool clamped = !x->loose && x->nlo + x->nhi; /* by what is outside of the nest; its tiles are points */
    if (r.count == 1 && !numbered && !clamped && (!x->loose || r.start == 0)) {
        p->base[axis] = affine_const(r.start);
        apply_axis(p, k + 1, into);
        return;
    }
    Affine lo = affine_const(numbered ? first : 0), hi = affine_const((numbered ? first : 0) + r.count);
    Stmt *f = stmt_for(p->a, fresh_var(p, x->var->name), axis == p->s->peeled ? LOOP_UNROLL : LOOP_SERIAL, lo, hi, 1);
    if (parallel) {
        f->lo[f->nlo++] = affine_var(p->a, p->kernel->lo);
        f->hi[f->nhi++] = affine_var(p->a, p->kernel->hi);
    } else if (blocked) {
        Affine at = affine_scale(p->a, affine_var(p->a, p->block), p->s->block_tiles);
        f->lo[f->nlo++] = at;
        f->hi[f->nhi++] = affine_offset(at, p->s->block_tiles);
    }
    for (int i = 0; clamped && i < x->nlo; i++) f->lo[f->nlo++] = x->lo[i];
    for (int i = 0; clamped && i < x->nhi; i++) f->hi[f->nhi++] = x->hi[i];
    if (x->loose) f->hi[f->nhi++] = affine_offset(x->hi[0], -r.start); /* as if tiles were points: some are run for nothing where few are needed */
    f = open_loop(p, axis, f, into);
    Affine tile = affine_offset(affine_var(p->a, f->var), numbered ? -first : 0);
    p->base[axis] = affine_offset(affine_scale(p->a, tile, r.size * r.width), r.start);
    apply_axis(p, k + 1, f);
}

static void apply_range(Apply *p, int k, int axis, Stmt *into) {
    const Axis *x = &p->nest->axis[axis];
    p->region[axis] = (Region){0, 1, 1, 1};
    const Var *v = fresh_var(p, x->var->name);
    Stmt *f = stmt_for(p->a, v, LOOP_SERIAL, x->lo[0], x->hi[0], 1);
    for (int i = 1; i < x->nlo; i++) f->lo[f->nlo++] = x->lo[i];
    for (int i = 1; i < x->nhi; i++) f->hi[f->nhi++] = x->hi[i];
    stmt_add(p->a, into, f);
    p->base[axis] = affine_var(p->a, v);
    apply_axis(p, k + 1, f);
}

static void apply_axis(Apply *p, int k, Stmt *into) {
    if (k == p->nspace) {
        apply_leaf(p, into);
        return;
    }
    int axis = p->s->order[k];
    if (p->nest->axis[axis].extent < 0) {
        apply_range(p, k, axis, into);
        return;
    }
    Regions r = schedule_regions(p->nest, p->s, axis, p->lanes);
    int64_t first = 0;
    for (int i = 0; i < r.n; i++) {
        apply_region(p, k, axis, r.at[i], first, into);
        first += r.at[i].count;
    }
}

/* null, or why the schedule does not fit. */
static const char *check_schedule(const Nest *n, const Schedule *s, int nspace) {
    bool seen[AXIS_MAX] = {0};
    for (int k = 0; k < n->naxes; k++) {
        int i = s->order[k];
        if (i < 0 || i >= n->naxes || seen[i]) return "the order does not name every axis once";
        seen[i] = true;
        const Axis *x = &n->axis[i];
        if (x->reduce != (k >= nspace)) return "the order mixes space and reduce axes";
        if (!x->reduce && s->tile[i] < 1) return "a tile is smaller than one point";
        if (!x->reduce && s->tile[i] > 1 && n->arrays.n) return "points with arrays of their own are tiled";
        if (!x->reduce && x->extent < 0 && s->tile[i] != 1) return "an axis with run-time bounds cannot be tiled";
        if (!x->reduce && x->extent >= 0 && x->nlo + x->nhi - x->loose && s->tile[i] != 1) return "a clamped space axis cannot be tiled";
        if (x->loose && (x->reduce || i == s->parallel || i == s->block)) return "a loose axis carries items or cache tiles, or is summed over";
        if (!x->reduce && s->tile[i] > 1 && schedule_bounds_others(n, x->var)) return "an axis that bounds another cannot be tiled";
        if (i == s->peeled && (x->reduce || x->extent < 0 || x->nlo + x->nhi || i == s->parallel || i == s->block)) return "an axis that is no plain one is peeled";
        if (x->reduce && s->unroll[i] && (x->extent < 0 || x->nlo + x->nhi)) return "an axis with run-time bounds cannot be unrolled";
    }
    if (s->parallel >= 0 && s->order[0] != s->parallel) return "the parallel axis is not the outermost";
    if (s->block >= 0 && (s->parallel >= 0 || n->axis[s->block].reduce || n->axis[s->block].extent < 0 || s->block_tiles < 1)) return "the cache tile does not fit";
    if (s->lane_axis >= 0 && n->axis[s->lane_axis].reduce) return "lanes on a reduce axis";
    return NULL;
}

const char *schedule_apply(Arena *a, const Nest *n, const Schedule *s, int lanes, const Var *l, Kernel *k, Stmt *into) {
    int nspace = schedule_space_axes(n);
    const char *why = check_schedule(n, s, nspace);
    if (why) return why;
    Apply p = {.a = a, .nest = n, .s = s, .lanes = lanes, .nspace = nspace, .l = s->lane_axis >= 0 ? NULL : l, .kernel = k};
    if (s->block >= 0) {
        p.block = fresh_var(&p, n->axis[s->block].var->name);
        int64_t blocks = ceil_div(schedule_tiles(n, s, s->block, lanes), s->block_tiles);
        Stmt *f = stmt_for(a, p.block, LOOP_SERIAL, affine_const(0), affine_const(blocks), 1);
        stmt_add(a, into, f);
        into = f;
    }
    apply_axis(&p, 0, into);
    return NULL;
}

const char *schedule_text(Arena *a, const Nest *n, const Schedule *s) {
    const char *t = "";
    if (s->block >= 0) t = arena_printf(a, "%s:%lldx%lld", n->axis[s->block].var->name, (long long)s->block_tiles, (long long)s->tile[s->block]);
    for (int k = 0; k < n->naxes; k++) {
        int i = s->order[k];
        const char *name = n->axis[i].var->name;
        if (n->axis[i].reduce) t = arena_printf(a, "%s%s%s%s", t, *t ? " " : "", name, s->unroll[i] ? "+" : "+=");
        else t = arena_printf(a, "%s%s%s:%lld%s", t, *t ? " " : "", name, (long long)s->tile[i], i == s->lane_axis ? "v" : i == s->peeled ? "+" : "");
    }
    return t;
}
