/* schedule.c: see schedule.h. A space axis is a list of *regions*: runs of tiles of one size. The loops of every
 * combination of regions end in a leaf, where the tile's sizes are constants: there the accumulators get their shape. */
#include "schedule.h"

#include <string.h>

/* ---- regions ---- */

/* `count` tiles of `size` points (of the lane axis: `size` vectors of `width` lanes), from point `start` on. */
typedef struct Region { int64_t start, size, count, width; } Region;
typedef struct Regions { int n; Region at[3]; } Regions;

/* Cuts `extent` units into ceil(extent/tile) tiles whose sizes differ by at most one. */
static Regions balanced(int64_t extent, int64_t tile, int64_t width) {
    Regions r = {0};
    if (extent <= 0) return r;
    int64_t tiles = ceil_div(extent, tile), small = extent / tiles, large = extent % tiles;
    if (large) r.at[r.n++] = (Region){0, small + 1, large, width};
    r.at[r.n++] = (Region){large * (small + 1) * width, small, tiles - large, width};
    return r;
}

static Regions axis_regions(const Nest *n, const Schedule *s, int axis, int lanes) {
    int64_t extent = n->axis[axis].extent;
    if (axis != s->lane_axis) return balanced(extent, s->tile[axis], 1);
    Regions r = balanced(extent / lanes, s->tile[axis], lanes);
    if (extent % lanes) r.at[r.n++] = (Region){extent / lanes * lanes, 1, 1, extent % lanes};
    return r;
}

static int64_t count_tiles(const Nest *n, const Schedule *s, int axis, int lanes) {
    int64_t tiles = 0;
    Regions r = axis_regions(n, s, axis, lanes);
    for (int i = 0; i < r.n; i++) tiles += r.at[i].count;
    return tiles;
}

int64_t schedule_items(const Nest *n, const Schedule *s, int lanes) { return s->parallel < 0 ? 0 : count_tiles(n, s, s->parallel, lanes); }

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
    int64_t size[AXIS_MAX];
    Affine index[AXIS_MAX + 1];      /* of the expanded locals: tile variables, then the lane */
    int64_t width;                   /* lanes, 0 without a lane loop */
} Leaf;

static void add_tile_axis(Leaf *leaf, const Var *v, int64_t size) {
    int at = leaf->ntile++;
    while (at > 0 && leaf->size[at - 1] < size) { /* the longest axis outermost: its operand is streamed, the other's stays in registers */
        leaf->var[at] = leaf->var[at - 1];
        leaf->size[at] = leaf->size[at - 1];
        at--;
    }
    leaf->var[at] = v;
    leaf->size[at] = size;
}

static void map_axis(Apply *p, Leaf *leaf, int axis, const Var *lane) {
    const Region *r = &p->region[axis];
    Affine x = p->base[axis];
    if (r->size > 1) {
        const Var *v = fresh_var(p, p->nest->axis[axis].var->name);
        add_tile_axis(leaf, v, r->size);
        x = affine_add(p->a, x, affine_scale(p->a, affine_var(p->a, v), axis == p->s->lane_axis ? r->width : 1));
    }
    if (axis == p->s->lane_axis) x = affine_add(p->a, x, affine_var(p->a, lane));
    leaf->subst.var[leaf->subst.n] = p->nest->axis[axis].var;
    leaf->subst.value[leaf->subst.n++] = x;
}

static bool local_varies(const Apply *p, const Buffer *local);

/* Does e differ from lane to lane? A sum over the lanes does not; a local does as its own value does. */
static bool varies(const Apply *p, const Expr *e) {
    if (e->kind == EXPR_LANE_SUM) return false;
    const Var *lane = p->s->lane_axis >= 0 ? p->nest->axis[p->s->lane_axis].var : p->l;
    if (!lane) return false;
    if (e->kind == EXPR_INDEX) return affine_coef(e->index, lane) != 0;
    if (e->kind == EXPR_LOAD && e->buffer->space == SPACE_LOCAL && !e->buffer->rank) return local_varies(p, e->buffer);
    for (int i = 0; e->kind == EXPR_LOAD && i < e->buffer->rank; i++)
        if (affine_coef(e->at[i], lane)) return true;
    for (int i = 0, n = expr_operands(e->kind); i < n; i++)
        if (varies(p, e->arg[i])) return true;
    return false;
}

static bool local_varies(const Apply *p, const Buffer *local) {
    for (int i = 0; i < p->nest->assigns.n; i++)
        if (p->nest->assigns.at[i].buffer == local) return varies(p, p->nest->assigns.at[i].value);
    return true; /* accumulators */
}

/* The rank-0 local as it stands in this tile: one number for each point (but for the first `skip` tile axes, which are loops around it)
 * and, where they differ, lane. */
static const Buffer *expand_local(Apply *p, const Leaf *leaf, const Buffer *point, int skip) {
    Buffer *b = ARENA_NEW(p->a, Buffer);
    b->name = arena_name(p->a, arena_printf(p->a, "%s%d", point->name, p->kernel->serial++));
    b->elem = point->elem;
    b->space = SPACE_LOCAL;
    int tile = leaf->ntile - skip;
    b->rank = tile + (leaf->width > 0 && local_varies(p, point));
    int64_t stride = 1;
    for (int i = b->rank - 1; i >= 0; i--) {
        b->dim[i] = i == tile ? leaf->width : leaf->size[skip + i];
        b->stride[i] = stride;
        stride *= b->dim[i];
    }
    b->bytes = stride * (b->elem == ELEM_U8 ? 1 : 4);
    VEC_PUSH(p->a, &p->kernel->locals, b);
    return b;
}

static void map_local(Apply *p, Leaf *leaf, const Buffer *point, int skip) {
    Subst *s = &leaf->subst;
    ENSURE(s->nbuffers < (int)(sizeof s->from / sizeof s->from[0]));
    s->from[s->nbuffers] = point;
    s->skip[s->nbuffers] = skip;
    s->to[s->nbuffers++] = expand_local(p, leaf, point, skip);
}

static bool is_transcendental(const Expr *e) {
    if (e->kind == EXPR_EXP || e->kind == EXPR_LOG || e->kind == EXPR_SIGMOID || e->kind == EXPR_TANH || e->kind == EXPR_ERF) return true;
    for (int i = 0, n = expr_operands(e->kind); i < n; i++)
        if (is_transcendental(e->arg[i])) return true;
    return false;
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

static void store_local(Apply *p, const Leaf *leaf, Stmt *into, const Buffer *point, const Expr *value) {
    const Expr *place = subst_expr(&leaf->subst, expr_load(p->a, point, NULL));
    stmt_add(p->a, into, stmt_store(p->a, place->buffer, place->at, subst_expr(&leaf->subst, value), p->nest->span));
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

static void write_sums(Apply *p, Leaf *leaf, Stmt *into) {
    const Nest *n = p->nest;
    Stmt *init = open_tile(p, leaf, LOOP_UNROLL, into);
    for (int i = 0; i < n->accs.n; i++) store_local(p, leaf, init, n->accs.at[i].buffer, n->accs.at[i].init);
    Stmt *update = open_tile(p, leaf, LOOP_UNROLL, open_reduction(p, leaf, into));
    for (int i = 0; i < n->accs.n; i++) store_local(p, leaf, update, n->accs.at[i].buffer, n->accs.at[i].update);
}

static void write_assigns(Apply *p, const Leaf *leaf, Stmt *into) {
    for (int i = 0; i < p->nest->assigns.n; i++) {
        const Assign *as = &p->nest->assigns.at[i];
        if (is_let(as)) {
            store_local(p, leaf, into, as->buffer, as->value);
            continue;
        }
        Affine *at = ARENA_ARRAY(p->a, Affine, as->buffer->rank);
        for (int j = 0; j < as->buffer->rank; j++) at[j] = subst_affine(&leaf->subst, as->at[j]);
        stmt_add(p->a, into, stmt_store(p->a, as->buffer, at, subst_expr(&leaf->subst, as->value), p->nest->span));
    }
}

/* The sums of the tile move from registers to the stack, and a loop of its own finishes them point by point: the many
 * constants of an exponential then stay in registers, and its code is there once. */
static void write_staged(Apply *p, const Leaf *leaf, const Var *lane, Stmt *into) {
    Leaf tail = *leaf;
    tail.subst.nbuffers = 0;
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
        stmt_add(p->a, copy, stmt_store(p->a, tail.subst.to[i], sum->at, sum, p->nest->span));
    }
    write_assigns(p, &tail, open_tile(p, &tail, LOOP_SERIAL, into));
}

static bool wants_staging(const Nest *n, const Leaf *leaf) {
    bool costly = false;
    for (int i = 0; i < n->assigns.n; i++) costly = costly || is_transcendental(n->assigns.at[i].value);
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

/* The loop over the tiles of one region, and everything inside. `first`: number of the region's first tile on its axis. */
static void apply_region(Apply *p, int k, int axis, Region r, int64_t first, Stmt *into) {
    p->region[axis] = r;
    bool parallel = axis == p->s->parallel, blocked = axis == p->s->block, numbered = parallel || blocked; /* tiles counted over all regions */
    if (r.count == 1 && !numbered) {
        p->base[axis] = affine_const(r.start);
        apply_axis(p, k + 1, into);
        return;
    }
    const Var *t = fresh_var(p, p->nest->axis[axis].var->name);
    Affine lo = affine_const(numbered ? first : 0), hi = affine_const((numbered ? first : 0) + r.count);
    Stmt *f = stmt_for(p->a, t, LOOP_SERIAL, lo, hi, 1);
    if (parallel) {
        f->lo[f->nlo++] = affine_var(p->a, p->kernel->lo);
        f->hi[f->nhi++] = affine_var(p->a, p->kernel->hi);
    } else if (blocked) {
        Affine at = affine_scale(p->a, affine_var(p->a, p->block), p->s->block_tiles);
        f->lo[f->nlo++] = at;
        f->hi[f->nhi++] = affine_offset(at, p->s->block_tiles);
    }
    stmt_add(p->a, into, f);
    Affine tile = affine_offset(affine_var(p->a, t), numbered ? -first : 0);
    p->base[axis] = affine_offset(affine_scale(p->a, tile, r.size * r.width), r.start);
    apply_axis(p, k + 1, f);
}

static void apply_range(Apply *p, int k, int axis, Stmt *into) {
    const Axis *x = &p->nest->axis[axis];
    p->region[axis] = (Region){0, 1, 1, 1};
    const Var *v = fresh_var(p, x->var->name);
    Stmt *f = stmt_for(p->a, v, LOOP_SERIAL, x->lo[0], x->hi[0], 1);
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
    Regions r = axis_regions(p->nest, p->s, axis, p->lanes);
    int64_t first = 0;
    for (int i = 0; i < r.n; i++) {
        apply_region(p, k, axis, r.at[i], first, into);
        first += r.at[i].count;
    }
}

/* Does a reduce axis have bounds that depend on this one? Then its points cannot share the reduction's loops. */
static bool bounds_others(const Nest *n, const Var *v) {
    for (int i = 0; i < n->naxes; i++) {
        for (int j = 0; j < n->axis[i].nlo; j++)
            if (affine_coef(n->axis[i].lo[j], v)) return true;
        for (int j = 0; j < n->axis[i].nhi; j++)
            if (affine_coef(n->axis[i].hi[j], v)) return true;
    }
    return false;
}

static int count_space(const Nest *n) {
    int k = 0;
    for (int i = 0; i < n->naxes; i++) k += !n->axis[i].reduce;
    return k;
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
        if (!x->reduce && x->extent < 0 && s->tile[i] != 1) return "an axis with run-time bounds cannot be tiled";
        if (!x->reduce && x->extent >= 0 && x->nlo + x->nhi) return "a space axis cannot be clamped";
        if (!x->reduce && s->tile[i] > 1 && bounds_others(n, x->var)) return "an axis that bounds another cannot be tiled";
        if (x->reduce && s->unroll[i] && (x->extent < 0 || x->nlo + x->nhi)) return "an axis with run-time bounds cannot be unrolled";
    }
    if (s->parallel >= 0 && s->order[0] != s->parallel) return "the parallel axis is not the outermost";
    if (s->block >= 0 && (s->parallel >= 0 || n->axis[s->block].reduce || n->axis[s->block].extent < 0 || s->block_tiles < 1)) return "the cache tile does not fit";
    if (s->lane_axis >= 0 && n->axis[s->lane_axis].reduce) return "lanes on a reduce axis";
    return NULL;
}

const char *schedule_apply(Arena *a, const Nest *n, const Schedule *s, int lanes, const Var *l, Kernel *k, Stmt *into) {
    int nspace = count_space(n);
    const char *why = check_schedule(n, s, nspace);
    if (why) return why;
    Apply p = {.a = a, .nest = n, .s = s, .lanes = lanes, .nspace = nspace, .l = s->lane_axis >= 0 ? NULL : l, .kernel = k};
    if (s->block >= 0) {
        p.block = fresh_var(&p, n->axis[s->block].var->name);
        int64_t blocks = ceil_div(count_tiles(n, s, s->block, lanes), s->block_tiles);
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
        else t = arena_printf(a, "%s%s%s:%lld%s", t, *t ? " " : "", name, (long long)s->tile[i], i == s->lane_axis ? "v" : "");
    }
    return t;
}

/* ---- choosing ---- */

Schedule schedule_plain(const Nest *n) {
    Schedule s = {.parallel = -1, .lane_axis = -1, .block = -1};
    int k = 0;
    for (int reduce = 0; reduce < 2; reduce++)
        for (int i = 0; i < n->naxes; i++) {
            s.tile[i] = 1;
            if (n->axis[i].reduce == reduce) s.order[k++] = i;
        }
    return s;
}

static bool expr_uses(const Expr *e, const Var *v) {
    if (e->kind == EXPR_INDEX) return affine_coef(e->index, v) != 0;
    if (e->kind == EXPR_LOAD)
        for (int i = 0; i < e->buffer->rank; i++)
            if (affine_coef(e->at[i], v)) return true;
    for (int i = 0, n = expr_operands(e->kind); i < n; i++)
        if (expr_uses(e->arg[i], v)) return true;
    return false;
}

/* The product a*b that the nest sums, if that is what it does. */
static bool is_contraction(const Nest *n, const Expr **a, const Expr **b) {
    if (n->accs.n != 1 || n->accs.at[0].update->kind != EXPR_FMA) return false;
    *a = n->accs.at[0].update->arg[0];
    *b = n->accs.at[0].update->arg[1];
    return true;
}

/* Cycles of one step of the reduction over a tile: two FMAs and two loads a cycle, four cycles until a sum can be used
 * again (Zen 3 and 4, and near enough for Intel's cores since Haswell). */
static double step_cycles(int64_t accs, int64_t loads_a, int64_t loads_b) {
    double fma = (double)accs / 2, load = (double)(loads_a + loads_b) / 2, latency = 4;
    double worst = fma > load ? fma : load;
    return (worst > latency ? worst : latency) + 0.25; /* the loop's own instructions, mostly hidden */
}

bool schedule_is_slow(const Nest *n, const Schedule *s) {
    enum { SUMS_IN_FLIGHT = 4 }; /* half of what two units of four cycles' latency can take */
    const Expr *a = NULL, *b = NULL;
    int64_t sums = 1;
    for (int i = 0; i < n->naxes; i++)
        if (!n->axis[i].reduce) sums *= s->tile[i];
    return is_contraction(n, &a, &b) && a != b && sums < SUMS_IN_FLIGHT; /* a == b: a sum of squares, over in no time */
}

typedef struct Search {
    const Nest *n;
    const Expr *a, *b;
    Schedule s;
    int lanes;
} Search;

static double tile_cost(const Search *q, const int64_t size[AXIS_MAX], const int axes[2]) {
    int64_t accs = 1, la = 1, lb = 1;
    for (int k = 0; k < 2; k++) {
        if (axes[k] < 0) continue;
        int64_t t = size[axes[k]];
        const Var *v = q->n->axis[axes[k]].var;
        accs *= t;
        if (expr_uses(q->a, v)) la *= t;
        if (expr_uses(q->b, v)) lb *= t;
    }
    return step_cycles(accs, la, lb);
}

/* Cycles over all tiles of axes[depth..]: every combination of regions, as often as it occurs. */
static double axis_cost(const Search *q, int64_t size[AXIS_MAX], int axes[2], int depth) {
    if (depth == 2 || axes[depth] < 0) return tile_cost(q, size, axes);
    Regions r = axis_regions(q->n, &q->s, axes[depth], q->lanes);
    double sum = 0;
    for (int i = 0; i < r.n; i++) {
        size[axes[depth]] = r.at[i].size;
        sum += (double)r.at[i].count * axis_cost(q, size, axes, depth + 1);
    }
    return sum;
}

static bool fits_registers(const Search *q, const Machine *m, int i, int64_t ti, int j, int64_t tj) {
    const Var *vi = q->n->axis[i].var, *vj = j < 0 ? NULL : q->n->axis[j].var;
    int64_t la = (expr_uses(q->a, vi) ? ti : 1) * (vj && expr_uses(q->a, vj) ? tj : 1);
    int64_t lb = (expr_uses(q->b, vi) ? ti : 1) * (vj && expr_uses(q->b, vj) ? tj : 1);
    return ti * tj + i64_min(la, lb) + 1 <= m->registers;
}

static bool can_tile(const Nest *n, int i) { return !n->axis[i].reduce && n->axis[i].extent >= 0 && !bounds_others(n, n->axis[i].var); }

/* Points of an axis that a tile counts: vectors on the lane axis. */
static int64_t axis_units(const Search *q, int i) {
    int64_t extent = q->n->axis[i].extent;
    return i == q->s.lane_axis ? ceil_div(extent, q->lanes) : extent;
}

/* Tiles on at most two axes, the cheapest for the whole nest. */
static void choose_tile(Search *q, const Machine *m) {
    double best = 0;
    Schedule chosen = q->s;
    for (int i = 0; i < q->n->naxes; i++)
        for (int j = -1; j < i; j++) {
            if (!can_tile(q->n, i) || (j >= 0 && !can_tile(q->n, j))) continue;
            int64_t most_j = j < 0 ? 1 : i64_min(m->registers, axis_units(q, j));
            for (int64_t ti = 1; ti <= i64_min(m->registers, axis_units(q, i)); ti++)
                for (int64_t tj = 1; tj <= most_j; tj++) {
                    if (!fits_registers(q, m, i, ti, j, tj)) continue;
                    Schedule keep = q->s;
                    q->s.tile[i] = ti;
                    if (j >= 0) q->s.tile[j] = tj;
                    int64_t size[AXIS_MAX];
                    double others = 1; /* the tile loops of untiled axes are the same for every candidate on the same axes */
                    for (int x = 0; x < q->n->naxes; x++)
                        if (!q->n->axis[x].reduce && x != i && x != j && q->n->axis[x].extent > 0) others *= (double)axis_units(q, x);
                    double cost = others * axis_cost(q, size, (int[2]){i, j}, 0);
                    if (best == 0 || cost < best * 0.999) {
                        best = cost;
                        chosen = q->s;
                    }
                    q->s = keep;
                }
        }
    q->s = chosen;
}

enum { UNROLL_STEPS = 11, UNROLL_FMAS = 132 };

/* Expands the innermost reduce axes as long as the body stays small: constant offsets instead of address arithmetic. */
static void choose_unroll(const Nest *n, Schedule *s) {
    int64_t points = 1, steps = 1;
    for (int i = 0; i < n->naxes; i++)
        if (!n->axis[i].reduce) points *= s->tile[i];
    for (int i = 0; i < n->accs.n; i++)
        if (is_transcendental(n->accs.at[i].update)) return; /* long as it is */
    for (int k = n->naxes - 1; k >= 0 && n->axis[s->order[k]].reduce; k--) {
        const Axis *x = &n->axis[s->order[k]];
        if (x->extent < 0 || x->nlo + x->nhi) break;
        steps *= x->extent;
        if (steps > UNROLL_STEPS || steps * points > UNROLL_FMAS) break;
        s->unroll[s->order[k]] = true;
    }
}

/* Tile loops of a contraction: axes along which the lane operand (the data) moves go outside of those along which only the
 * other (the weights) moves, but the innermost tiled one: a row of the data stays in the first-level cache for all weights. */
static void choose_order(const Search *q, const Var *l, Schedule *s) {
    const Expr *data = l && expr_uses(q->a, l) ? q->a : q->b, *other = data == q->a ? q->b : q->a;
    if (!l || !expr_uses(data, l) || expr_uses(other, l)) return;
    int order[AXIS_MAX], k = 0, last = -1, nspace = count_space(q->n);
    for (int i = 0; i < nspace; i++)
        if (expr_uses(data, q->n->axis[s->order[i]].var)) last = s->order[i];
    for (int i = 0; i < nspace; i++)
        if (s->order[i] != last && expr_uses(data, q->n->axis[s->order[i]].var)) order[k++] = s->order[i];
    for (int i = 0; i < nspace; i++)
        if (s->order[i] != last && !expr_uses(data, q->n->axis[s->order[i]].var)) order[k++] = s->order[i];
    if (last >= 0) order[k++] = last;
    memcpy(s->order, order, sizeof order[0] * (size_t)nspace);
}

/* Bytes of the buffer that e loads. */
static int64_t operand_bytes(const Expr *e) {
    int64_t bytes = 4;
    for (int i = 0; e->kind == EXPR_LOAD && i < e->buffer->rank; i++)
        if (!checked_mul(bytes, i64_max(1, e->buffer->dim[i]), &bytes)) return INT64_MAX;
    return bytes;
}

/* Weights that do not fit into the cache are gone through in runs of output channels that do. */
static void choose_block(const Search *q, const Machine *m, const Var *l, Schedule *s) {
    if (!l) return;
    const Expr *weights = expr_uses(q->a, l) ? q->b : q->a;
    int64_t bytes = operand_bytes(weights);
    if (expr_uses(weights, l) || bytes <= m->cache) return;
    for (int k = 1; k < count_space(q->n); k++) { /* an axis that is outermost already needs no run of its own */
        int i = s->order[k];
        if (!can_tile(q->n, i) || !expr_uses(weights, q->n->axis[i].var)) continue;
        int64_t tiles = count_tiles(q->n, s, i, q->lanes), fit = i64_max(1, m->cache / ceil_div(bytes, tiles));
        if (fit >= tiles) return;
        s->block = i;
        s->block_tiles = fit;
        return;
    }
}

/* Not a contraction: a few neighbouring points at a time, to hide latencies and the loop's own instructions. */
static void choose_pointwise_tile(const Nest *n, Schedule *s) {
    int64_t points = 4;
    for (int i = 0; i < n->assigns.n; i++)
        if (is_transcendental(n->assigns.at[i].value)) points = 2;
    for (int k = count_space(n) - 1; k >= 0; k--) {
        int i = s->order[k];
        if (n->axis[i].extent < 2 || !can_tile(n, i)) continue;
        s->tile[i] = i64_min(points, n->axis[i].extent);
        break;
    }
}

static void move_first(Schedule *s, int axis) {
    int k = 0;
    while (s->order[k] != axis) k++;
    memmove(&s->order[1], &s->order[0], sizeof s->order[0] * (size_t)k);
    s->order[0] = axis;
}

Schedule schedule_choose(const Nest *n, const Machine *m, const Var *l, int lane_axis, int parallel) {
    Search q = {.n = n, .s = schedule_plain(n), .lanes = m->lanes};
    q.s.lane_axis = lane_axis;
    if (is_contraction(n, &q.a, &q.b)) {
        choose_tile(&q, m);
        choose_order(&q, l, &q.s);
        if (parallel < 0) choose_block(&q, m, l, &q.s);
    } else {
        choose_pointwise_tile(n, &q.s);
    }
    choose_unroll(n, &q.s);
    if (parallel >= 0) {
        q.s.parallel = parallel;
        move_first(&q.s, parallel);
    }
    return q.s;
}
