/* schedule_choose.c: a schedule for a nest, from a model of the machine: registers, loads and multiply-adds a cycle, cache.
 * Every register tile that fits is priced for the whole nest, tails included; the cheapest is taken. */
#include "schedule_internal.h"

#include <stdlib.h>
#include <string.h>

Schedule schedule_plain(const Nest *n) {
    Schedule s = {.parallel = -1, .lane_axis = -1, .block = -1, .peeled = -1};
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

/* The number in memory that a factor is: chosen, or scaled, maybe. Null: it is something else. */
static const Expr *factor_of(const Expr *e) {
    if (e->kind == EXPR_SELECT) return factor_of(e->arg[1]);
    if (e->kind == EXPR_MUL && e->arg[1]->kind == EXPR_REAL) return factor_of(e->arg[0]);
    return e->kind == EXPR_LOAD ? e : NULL;
}

/* The product a*b of two numbers in memory that the nest sums, if that is what it does. */
static bool is_contraction(const Nest *n, const Expr **a, const Expr **b) {
    if (n->accs.n != 1 || n->accs.at[0].update->kind != EXPR_FMA) return false;
    *a = factor_of(n->accs.at[0].update->arg[0]);
    *b = factor_of(n->accs.at[0].update->arg[1]);
    return *a && *b;
}

/* Cycles of one step of the reduction over a tile: two FMAs and two loads a cycle, four cycles until a sum can be used
 * again (Zen 3 and 4, and near enough for Intel's cores since Haswell). `wide`: vectors that the lines of vectors among all loads have room for; these come from
 * further away than weights do, and hide less well. */
static double step_cycles(int64_t accs, int64_t loads, double wide) {
    double fma = (double)accs / 2, load = (double)loads / 2, latency = 4;
    double worst = fma > load ? fma : load;
    return (worst > latency ? worst : latency) + 0.25 /* the loop's own instructions, mostly hidden */ + wide / 16;
}

bool schedule_is_slow(const Nest *n, const Schedule *s) {
    enum { SUMS_IN_FLIGHT = 4 }; /* half of what two units of four cycles' latency can take */
    const Expr *a = NULL, *b = NULL;
    int64_t sums = 1;
    for (int i = 0; i < n->naxes; i++)
        if (!n->axis[i].reduce) sums *= s->tile[i];
    return is_contraction(n, &a, &b) && sums < SUMS_IN_FLIGHT;
}

typedef struct Search {
    const Nest *n;
    const Expr *a, *b;
    bool a_wide, b_wide; /* vectors, or numbers that are spread */
    Expr map;            /* a point of the map of results, as if it were read; buffer null: there is none whose lines count */
    Schedule s;
    int lanes;
} Search;

bool schedule_fills_lanes(int64_t count, int lanes) { return lanes > 1 && 4 * count >= 3 * round_up(count, lanes); }

double schedule_bytes_per_cycle(double bytes) { return bytes <= BYTES_NEAR ? 32 : bytes <= BYTES_FAR ? 16 : 8; }

enum { TILED_AXES = 3, ROW_BYTES = 512 << 10 /* of data, beside weights in a core's own cache */, BYTES_FIRST = 32 << 10 /* of a core's nearest cache */ };

/* Bytes of one lane block of what e loads. */
static int64_t block_bytes(const Expr *e) {
    int64_t bytes = 4;
    for (int i = 1; i < e->buffer->rank; i++)
        if (!checked_mul(bytes, e->buffer->dim[i], &bytes)) return INT64_MAX / 4;
    return i64_min(bytes, INT64_MAX / 4);
}

/* Is v's part in the load one with a reduce axis, as that of a kernel's column in `w + s` is? Neighbours along it are loaded again
 * for the next point of the sum: they are no further lines of memory. */
static bool slides(const Nest *n, const Expr *load, const Var *v) {
    for (int i = 0; i < load->buffer->rank; i++)
        for (int x = 0; x < n->naxes && affine_coef(load->at[i], v); x++)
            if (n->axis[x].reduce && affine_coef(load->at[i], n->axis[x].var)) return true;
    return false;
}

/* Cycles of one step's lines where both operands are data of a whole lane block (a gradient of weights): each tile goes through all of
 * it anew, and from where it comes depends on how much that is; from a core's own cache it comes as fast as its loads are counted. */
static double stream_cycles(const Search *q, int64_t lines) {
    int64_t bytes = block_bytes(q->a) + block_bytes(q->b);
    return bytes <= BYTES_NEAR ? 0 : (double)(lines * q->lanes * 4) / schedule_bytes_per_cycle((double)bytes);
}

/* Bytes from one element of what is loaded to the next along v, in a buffer without gaps (which the layout may give it later, for the places of tiles and their weights); 0: none, not known, or very many. */
static int64_t bytes_along(const Buffer *b, const Affine *at, const Var *v) {
    int64_t bytes = elem_bytes(b->elem), along = 0;
    for (int i = b->rank - 1; i >= 0; i--) {
        int64_t apart;
        if (!checked_mul(affine_coef(at[i], v), bytes, &apart) || llabs(apart) > INT32_MAX || llabs(along) > INT32_MAX) return 0;
        along += apart;
        if (i && (b->dim[i] < 0 || !checked_mul(bytes, b->dim[i], &bytes))) return 0;
    }
    return llabs(along);
}

/* Operands of a sum that are no vectors: parameters, or what is made of them. (Partial sums have no such dimension of blocks either; nothing multiplies them.) */
static bool is_weights(const Buffer *b) { return b->space == SPACE_STATE || (b->space == SPACE_ARENA && b->rank && b->dim[0] >= 0); }

/* Lines of a tile's vectors of `load`, of which neighbours may share one. */
static int64_t wide_lines(const Search *q, const Expr *load, const int64_t size[AXIS_MAX], const int axes[TILED_AXES]) {
    int64_t lines = 1;
    for (int k = 0; k < TILED_AXES; k++) {
        const Var *v = axes[k] < 0 ? NULL : q->n->axis[axes[k]].var;
        if (!v || !expr_uses(load, v)) continue;
        int64_t apart = bytes_along(load->buffer, load->at, v) * (axes[k] == q->s.lane_axis ? q->lanes : 1);
        lines *= apart && apart < LINE ? ceil_div(size[axes[k]] * apart, LINE) : size[axes[k]];
    }
    return lines;
}

/* Cycles of one step's lines of the operand whose numbers are spread, parameters that fill more than a first-level cache: where they lie apart along the tile, as those of a kernel's one place do,
 * each line serves as many steps as the sum has places side by side. */
static double spread_cycles(const Search *q, const Expr *load, const int64_t size[AXIS_MAX], const int axes[TILED_AXES]) {
    double lines = 1, steps = 1;
    if (!is_weights(load->buffer) || block_bytes(load) * load->buffer->dim[0] <= BYTES_FIRST) return 0;
    for (int k = 0; k < TILED_AXES; k++) {
        int64_t apart = axes[k] < 0 ? 0 : bytes_along(load->buffer, load->at, q->n->axis[axes[k]].var);
        if (apart) lines *= (double)size[axes[k]] * (double)i64_min(apart, LINE) / LINE;
    }
    for (int i = 0; i < q->n->naxes; i++) {
        int64_t apart = q->n->axis[i].reduce ? bytes_along(load->buffer, load->at, q->n->axis[i].var) : 0;
        if (apart && apart < LINE) steps *= (double)i64_max(1, q->n->axis[i].extent);
    }
    return lines * LINE / (steps < LINE / 4 ? steps : LINE / 4) / schedule_bytes_per_cycle(0);
}

/* Vectors that a line has room for. */
static double line_vectors(const Search *q) { return q->lanes * 4 < LINE ? (double)LINE / (q->lanes * 4) : 1; }

/* What decides between tiles that cost the same, or within a hundredth: lines of the results' map that a tile has points in. Those that it fills may go past the caches (stream.c); others are read first. */
static double result_cycles(const Search *q, const int64_t size[AXIS_MAX], const int axes[TILED_AXES]) { return q->map.buffer ? 0.01 * (double)wide_lines(q, &q->map, size, axes) : 0; }

static double tile_cost(const Search *q, const int64_t size[AXIS_MAX], const int axes[TILED_AXES]) {
    int64_t accs = 1, la = 1, lb = 1, lines_a = 1, lines_b = 1;
    for (int k = 0; k < TILED_AXES; k++) {
        if (axes[k] < 0) continue;
        int64_t t = size[axes[k]];
        const Var *v = q->n->axis[axes[k]].var;
        accs *= t;
        if (expr_uses(q->a, v)) la *= t;
        if (expr_uses(q->b, v)) lb *= t;
        if (expr_uses(q->a, v) && !slides(q->n, q->a, v)) lines_a *= t;
        if (expr_uses(q->b, v) && !slides(q->n, q->b, v)) lines_b *= t;
    }
    int64_t lines = (q->a_wide ? wide_lines(q, q->a, size, axes) : 0) + (q->b_wide ? wide_lines(q, q->b, size, axes) : 0);
    double step = step_cycles(accs, la + lb, (double)lines * line_vectors(q));
    double stream = q->a_wide && q->b_wide ? stream_cycles(q, lines_a + lines_b) : spread_cycles(q, q->a_wide ? q->b : q->a, size, axes);
    return (step > stream ? step : stream) + result_cycles(q, size, axes);
}

/* Cycles over all tiles of axes[depth..]: every combination of regions, as often as it occurs. */
static double axis_cost(const Search *q, int64_t size[AXIS_MAX], const int axes[TILED_AXES], int depth) {
    if (depth == TILED_AXES) return tile_cost(q, size, axes);
    if (axes[depth] < 0) return axis_cost(q, size, axes, depth + 1);
    Regions r = schedule_regions(q->n, &q->s, axes[depth], q->lanes);
    double sum = 0;
    for (int i = 0; i < r.n; i++) {
        size[axes[depth]] = r.at[i].size;
        sum += (double)r.at[i].count * axis_cost(q, size, axes, depth + 1);
    }
    return sum;
}

enum { UNROLL_STEPS = 11, UNROLL_FMAS = 132 };

bool schedule_fits_registers(const Machine *m, int64_t accs, int64_t held, int64_t steps) {
    bool fma = m->lanes >= 8; /* shorter vectors of x86 multiply first: the product needs a register, too */
    return accs + held + 1 + (m->registers <= 16 && (steps <= UNROLL_STEPS || !fma)) <= m->registers;
}

/* Points of the sum; very many where that is known at run time only. */
static int64_t sum_steps(const Nest *n) {
    int64_t steps = 1;
    for (int i = 0; i < n->naxes; i++)
        if (n->axis[i].reduce) steps = n->axis[i].extent < 0 ? INT64_MAX : capped_mul(steps, n->axis[i].extent);
    return steps;
}

static bool fits_registers(const Search *q, const Machine *m, const int axes[TILED_AXES]) {
    int64_t accs = 1, la = 1, lb = 1;
    for (int k = 0; k < TILED_AXES; k++) {
        if (axes[k] < 0) continue;
        int64_t t = q->s.tile[axes[k]];
        accs *= t;
        if (expr_uses(q->a, q->n->axis[axes[k]].var)) la *= t;
        if (expr_uses(q->b, q->n->axis[axes[k]].var)) lb *= t;
    }
    bool straight = q->a_wide && q->b_wide && i64_min(la, lb) == 1; /* each vector but the one held is used once, from memory */
    return straight ? accs < m->registers : schedule_fits_registers(m, accs, i64_min(la, lb), sum_steps(q->n));
}

static bool can_tile(const Nest *n, int i) {
    const Axis *x = &n->axis[i];
    return !x->reduce && x->extent >= 0 && !x->far && x->nlo + x->nhi == x->loose && !schedule_bounds_others(n, x->var);
}

/* Points of an axis that a tile counts: vectors on the lane axis. */
static int64_t axis_units(const Search *q, int i) {
    int64_t extent = q->n->axis[i].extent;
    return i == q->s.lane_axis ? ceil_div(extent, q->lanes) : extent;
}

/* Do neighbours along v lie a multiple of a page apart in this buffer, as long as it has no gaps? Their lines share a set of the first-level cache. */
static bool crowds(const Buffer *b, const Affine *at, const Var *v) {
    enum { PAGE = 4096 };
    int64_t along = bytes_along(b, at, v);
    return along && along % PAGE == 0;
}

/* Points along an axis that a tile may have at once. */
static int64_t most_points(const Search *q, const Machine *m, int i) {
    enum { WAYS = 10 }; /* of a set, which other lines need, too */
    const Var *v = q->n->axis[i].var;
    bool crowded = (is_weights(q->a->buffer) && crowds(q->a->buffer, q->a->at, v)) || (is_weights(q->b->buffer) && crowds(q->b->buffer, q->b->at, v));
    for (int k = 0; k < q->n->assigns.n; k++) {
        const Assign *as = &q->n->assigns.at[k];
        crowded = crowded || (as->buffer->space == SPACE_STATE && crowds(as->buffer, as->at, v));
    }
    return i64_min(crowded ? WAYS : m->registers, axis_units(q, i));
}

typedef struct Best { double cost; Schedule s; } Best;

/* Prices every tile on these axes; the third, if there is one, is taken whole. */
static void try_axes(const Search *q, const Machine *m, const int axes[TILED_AXES], Best *best) {
    Search at = *q;
    double others = 1; /* the tile loops of other axes are the same for every candidate on these */
    for (int x = 0; x < q->n->naxes; x++)
        if (!q->n->axis[x].reduce && x != axes[0] && x != axes[1] && x != axes[2] && q->n->axis[x].extent > 0) others *= (double)axis_units(q, x);
    if (axes[2] >= 0) at.s.tile[axes[2]] = axis_units(q, axes[2]);
    int64_t most[2];
    for (int k = 0; k < 2; k++) most[k] = axes[k] < 0 ? 1 : most_points(q, m, axes[k]);
    for (int64_t t0 = 1; t0 <= most[0]; t0++)
        for (int64_t t1 = 1; t1 <= most[1]; t1++) {
            int64_t size[AXIS_MAX];
            at.s.tile[axes[0]] = t0;
            if (axes[1] >= 0) at.s.tile[axes[1]] = t1;
            if (!fits_registers(&at, m, axes)) continue;
            double cost = others * axis_cost(&at, size, axes, 0);
            if (best->cost > 0 && cost >= best->cost * 0.999) continue;
            *best = (Best){cost, at.s};
        }
}

/* Tiles on at most two axes, or three where both operands are wide or images are not in the lanes, and a kernel's rows or columns are few: the cheapest for the whole nest. */
static void choose_tile(Search *q, const Machine *m) {
    enum { WHOLE_MOST = 7 };
    Best best = {0, q->s};
    for (int i = 0; i < q->n->naxes; i++)
        for (int j = -1; j < i; j++) {
            if (!can_tile(q->n, i) || (j >= 0 && !can_tile(q->n, j))) continue;
            try_axes(q, m, (int[]){i, j, -1}, &best);
            for (int k = 0; k < q->n->naxes && j >= 0 && ((q->a_wide && q->b_wide) || q->s.lane_axis >= 0); k++)
                if (k != i && k != j && can_tile(q->n, k) && k != q->s.lane_axis && q->n->axis[k].extent <= WHOLE_MOST) try_axes(q, m, (int[]){i, j, k}, &best);
        }
    q->s = best.s;
}

/* Expands the innermost reduce axes as long as the body stays small: constant offsets instead of address arithmetic. */
static void choose_unroll(const Nest *n, Schedule *s) {
    int64_t points = 1, steps = 1;
    for (int i = 0; i < n->naxes; i++)
        if (!n->axis[i].reduce) points *= s->tile[i];
    for (int i = 0; i < n->accs.n; i++)
        if (schedule_is_costly(n->accs.at[i].update)) return; /* long as it is */
    for (int k = n->naxes - 1; k >= 0 && n->axis[s->order[k]].reduce; k--) {
        const Axis *x = &n->axis[s->order[k]];
        if (x->extent < 0 || x->nlo + x->nhi) break;
        steps *= x->extent;
        if (steps > UNROLL_STEPS || steps * points > UNROLL_FMAS) break;
        s->unroll[s->order[k]] = true;
    }
}

/* Where the tile's own points and those of the unrolled sum are numbers, products with zeros can be left out one by one: that takes tiles written out. */
static void choose_peeled(const Search *q, Schedule *s) {
    enum { TILES_MOST = 8 };
    for (int i = 0; i < q->n->naxes; i++) {
        const Axis *x = &q->n->axis[i];
        if (!x->sparse || !s->unroll[i] || x->from.n != 1) continue;
        for (int k = 0; k < q->n->naxes; k++)
            if (q->n->axis[k].var == x->from.term[0].var && can_tile(q->n, k) && k != s->lane_axis && k != s->block && schedule_tiles(q->n, s, k, q->lanes) <= TILES_MOST) s->peeled = k;
    }
}

/* Lines of a vector that `data` reads while all points of `axis` (negative: of none) and of the sum are gone through, and a tile of each other axis. */
static int64_t lines_along(const Search *q, const Expr *data, int axis) {
    int64_t lines = 1;
    for (int d = 0; d < data->buffer->rank; d++) {
        int64_t points = 1;
        for (int i = 0; i < q->n->naxes; i++) {
            const Axis *x = &q->n->axis[i];
            int64_t at_once = x->reduce || i == axis ? i64_max(1, x->extent) : q->s.tile[i];
            points += llabs(affine_coef(data->at[d], x->var)) * (at_once - 1);
        }
        lines = capped_mul(lines, points);
    }
    return lines;
}

/* Does e load a vector of its own for each point of the axis? */
static bool loads_along(const Expr *e, const Var *l, const Var *axis) {
    if (e->kind == EXPR_LOAD) return expr_uses(e, l) && expr_uses(e, axis);
    for (int i = 0, n = expr_operands(e->kind); i < n; i++)
        if (loads_along(e->arg[i], l, axis)) return true;
    return false;
}

/* Is what the nest sums put together with further maps, as a branch's gradient and what relu let through? Along a row these are one stream for each channel of a tile, which memory gives half as fast again as
 * a line of every channel in turn. */
static bool reads_maps(const Nest *n, const Var *l, const Var *axis) {
    for (int i = 0; i < n->assigns.n; i++)
        if (loads_along(n->assigns.at[i].value, l, axis)) return true;
    return false;
}

/* Does the innermost tiled axis of the data stay innermost? A row of the data, all channels of it, then comes from a core's own cache for each tile of weights: unless that is too much for
 * it; or the nearest cache has room for the data of one tile and not for the row, and vectors are shorter than a line (measured with half of one): they take more lines a multiply-add, where a tile of weights takes few.
 * Not so beside further maps, if the row is small beside what a core's own cache has for it. */
static bool row_stays(const Search *q, const Expr *data, const Var *l, int last) {
    int64_t vector = 4 * q->lanes, row = capped_mul(lines_along(q, data, last), vector), tile = capped_mul(lines_along(q, data, -1), vector);
    if (row <= BYTES_FIRST) return true;
    if (row > ROW_BYTES) return false;
    return vector >= LINE || tile > BYTES_FIRST || (row <= ROW_BYTES / 4 && reads_maps(q->n, l, q->n->axis[last].var));
}

/* Tile loops of a contraction: axes along which the lane operand (the data) moves go outside of those along which only the
 * other (the weights) moves, but the innermost tiled one where a row of the data is to stay near for all weights. Where it is not, what a tile needs of it stays. */
static void choose_order(const Search *q, const Var *l, Schedule *s) {
    const Expr *data = l && expr_uses(q->a, l) ? q->a : q->b, *other = data == q->a ? q->b : q->a;
    if (!l || !expr_uses(data, l) || expr_uses(other, l)) return;
    int order[AXIS_MAX], k = 0, last = -1, nspace = schedule_space_axes(q->n);
    for (int i = 0; i < nspace; i++)
        if (expr_uses(data, q->n->axis[s->order[i]].var)) last = s->order[i];
    bool near = last < 0 || row_stays(q, data, l, last);
    for (int i = 0; i < nspace; i++)
        if ((s->order[i] != last || !near) && expr_uses(data, q->n->axis[s->order[i]].var)) order[k++] = s->order[i];
    for (int i = 0; i < nspace; i++)
        if (s->order[i] != last && !expr_uses(data, q->n->axis[s->order[i]].var)) order[k++] = s->order[i];
    if (last >= 0 && near) order[k++] = last;
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
    for (int k = 1; k < schedule_space_axes(q->n); k++) { /* an axis that is outermost already needs no run of its own */
        int i = s->order[k];
        if (!can_tile(q->n, i) || !expr_uses(weights, q->n->axis[i].var)) continue;
        int64_t tiles = schedule_tiles(q->n, s, i, q->lanes), fit = i64_max(1, m->cache / ceil_div(bytes, tiles));
        if (fit >= tiles) return;
        s->block = i;
        s->block_tiles = fit;
        return;
    }
}

/* A copy whose lanes lie far apart where it reads, and whose innermost axis has the numbers side by side: taken `lanes` of these at a time, it
 * turns squares (stmt_turns). */
static bool turns(const Search *q, int inner) {
    const Expr *from = q->n->assigns.n == 1 ? q->n->assigns.at[0].value : NULL;
    if (q->s.lane_axis < 0 || !from || from->kind != EXPR_LOAD || q->n->accs.n || inner == q->s.lane_axis || q->n->axis[inner].extent != q->lanes) return false;
    int last = from->buffer->rank - 1;
    const Assign *to = &q->n->assigns.at[0];
    if (!to->buffer->rank || from->buffer->elem != ELEM_F32 || to->buffer->elem != ELEM_F32 || affine_coef(to->at[to->buffer->rank - 1], q->n->axis[q->s.lane_axis].var) != 1) return false;
    return last >= 0 && affine_coef(from->at[last], q->n->axis[inner].var) == 1 && affine_coef(from->at[last], q->n->axis[q->s.lane_axis].var) != 1;
}

enum { LONG_BODY = 12 };

/* Not a contraction: a few neighbouring points at a time, to hide latencies and the loop's own instructions. What is long as it is
 * (a Winograd transform) has enough to do at each point. */
static void choose_pointwise_tile(const Search *q, Schedule *s) {
    const Nest *n = q->n;
    int64_t points = 4;
    if (n->assigns.n > LONG_BODY || n->arrays.n) return;
    for (int i = 0; i < n->assigns.n; i++)
        if (schedule_is_costly(n->assigns.at[i].value)) points = 2;
    for (int k = schedule_space_axes(n) - 1; k >= 0; k--) {
        int i = s->order[k];
        if (n->axis[i].extent < 2 || !can_tile(n, i)) continue;
        s->tile[i] = turns(q, i) ? q->lanes : i64_min(points, n->axis[i].extent);
        break;
    }
}

static void move_first(Schedule *s, int axis) {
    int k = 0;
    while (s->order[k] != axis) k++;
    memmove(&s->order[1], &s->order[0], sizeof s->order[0] * (size_t)k);
    s->order[0] = axis;
}

static bool is_map(const Buffer *b, int lanes) { return (b->space == SPACE_ARENA || b->space == SPACE_SCRATCH) && b->rank >= 3 && b->dim[b->rank - 1] == lanes; }

/* A point of the map that the nest writes, as if it were read. None where rows are not whole lines: points side by side may not fill any then. */
static Expr written_map(const Search *q, const Var *l) {
    for (int i = 0; l && i < q->n->assigns.n; i++) {
        const Assign *as = &q->n->assigns.at[i];
        Expr e = {.kind = EXPR_LOAD, .buffer = as->buffer, .at = as->at};
        if (is_map(as->buffer, q->lanes) && expr_uses(&e, l) && as->buffer->dim[as->buffer->rank - 2] * q->lanes * 4 % LINE == 0) return e;
    }
    return (Expr){0};
}

Schedule schedule_choose(const Nest *n, const Machine *m, const Var *l, int lane_axis, int parallel) {
    Search q = {.n = n, .s = schedule_plain(n), .lanes = m->lanes};
    q.s.lane_axis = lane_axis;
    if (is_contraction(n, &q.a, &q.b)) {
        const Var *lane = lane_axis >= 0 ? n->axis[lane_axis].var : l;
        q.a_wide = lane && expr_uses(q.a, lane);
        q.b_wide = lane && expr_uses(q.b, lane);
        q.map = written_map(&q, l);
        choose_tile(&q, m);
        choose_order(&q, l, &q.s);
        if (parallel < 0) choose_block(&q, m, l, &q.s);
    } else {
        choose_pointwise_tile(&q, &q.s);
    }
    choose_unroll(n, &q.s);
    if (parallel < 0) choose_peeled(&q, &q.s);
    if (parallel >= 0) {
        q.s.parallel = parallel;
        move_first(&q.s, parallel);
    }
    return q.s;
}
