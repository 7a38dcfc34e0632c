/* lower.c: a group of operators becomes one kernel; see lower.h. The fused chain is plain substitution: every pointwise
 * operator's rule makes its expression from those before it. A value that is used twice, or stored, gets a local of its
 * own, and all stores come last, so that an update in place is never seen by what is computed beside it. */
#include "lower_internal.h"

#include <string.h>

#define OP(name, ...) [OP_##name] = &name##_lower,
const LowerRule *const lower_table[OP_COUNT] = {
#include "ops.def"
};

/* ---- what rules ask for ---- */

Arena *lower_arena(const Lower *lw) { return lw->a; }
bool lower_uses_rows(const Lower *lw) { return lw->rows; }

Affine lower_affine(Lower *lw, const Var *v, int64_t k, int64_t c) { return affine_offset(affine_scale(lw->a, affine_var(lw->a, v), k), c); }

const Affine *lower_at(Lower *lw, int n, ...) {
    Affine *at = ARENA_ARRAY(lw->a, Affine, n ? n : 1);
    va_list ap;
    va_start(ap, n);
    for (int i = 0; i < n; i++) at[i] = va_arg(ap, Affine);
    va_end(ap);
    return at;
}

Nest *lower_nest(Lower *lw, const Node *n) {
    lw->lane_axis = NULL;
    return nest_new(lw->a, n->span);
}

void lower_lane_axis(Lower *lw, const Nest *nest, const Var *v) {
    (void)nest;
    lw->lane_axis = v;
}

static Affine first_of_all(Lower *lw) { return lw->group->sum == SUM_PARTIAL ? affine_var(lw->a, lw->kernel->lo) : affine_const(0); }

static Affine end_block(Lower *lw) { return affine_var(lw->a, lw->group->sum == SUM_PARTIAL ? lw->kernel->hi : lw->kernel->blocks); }

static Affine first_block(Lower *lw) { return lw->run ? lw->run_start : first_of_all(lw); }

static void add_blocks(Lower *lw, Nest *nest, bool reduce) {
    if (lw->in_block) return;
    lw->block = affine_var(lw->a, nest_range(lw->a, nest, "b", first_block(lw), end_block(lw), reduce));
    if (lw->run) nest_end(nest, affine_offset(lw->run_start, lw->run));
}

void lower_batch_axis(Lower *lw, Nest *nest) { add_blocks(lw, nest, true); }
void lower_batch_points(Lower *lw, Nest *nest) { add_blocks(lw, nest, false); }
Affine lower_block(Lower *lw) { return affine_add(lw->a, lw->block, affine_scale(lw->a, first_block(lw), -1)); }
int64_t lower_blocks(const Lower *lw) { return lw->run ? lw->run : lw->group->sum == SUM_PARTIAL ? lw->b->program->chunk : lw->plan->chunks; }
void lower_fix_image(Lower *lw, const Var *v) { lw->image = affine_var(lw->a, v); }
int lower_images(const Lower *lw) { return lw->lanes; }
int lower_registers(const Lower *lw) { return lw->plan->options.machine.registers; }
bool lower_turns_lanes(const Lower *lw) { return lw->turned; }

bool lower_goes_across(const Lower *lw) { return lw->group->domain == ACROSS; }

void lower_block_axis(Lower *lw, Nest *nest) {
    if (lw->group->domain != ACROSS) return;
    lw->block = affine_var(lw->a, nest_axis(lw->a, nest, "b", lw->plan->chunks, false));
    nest_loosen(nest, affine_var(lw->a, lw->kernel->blocks));
}

Affine lower_step_axis(Lower *lw, Nest *nest, const char *name, int64_t first, int64_t count) {
    const Var *v = nest_axis(lw->a, nest, name, count, false);
    if (lw->step) {
        lw->step_axis = v;
        lw->step_point = lower_affine(lw, lw->step, 1, -first);
        nest_clamp(nest, lw->step_point, affine_offset(lw->step_point, 1));
    }
    return lower_affine(lw, v, 1, first);
}

/* Points of the stage that all bands have: of a step's, where these are cut (tiles). */
static int64_t points_of_bands(const Stage *s) { return s->band_axis == s->axis ? s->rows : s->root->type.dim[s->band_axis]; }

/* ... and the band at hand; the last one, where it is in the loop with the others, as many as they: its rest is cut off. */
static int64_t points_of_band(const Lower *lw, const Stage *s) { return lw->last_band ? points_of_bands(s) - (lw->group->bands - 1) * s->band : s->band; }

static bool has_bands(const Lower *lw, int dim) { return lw->in_bands && lw->group->stage[lw->stage].band_axis == dim; }

bool lower_takes_turns(const Lower *lw) { return lw->step != NULL; }

void lower_fill_lines(Lower *lw, const Node *n) {
    Buffer *b = lw->plan->value[n->id].buffer;
    if (b) *map_at(lw->a, &lw->b->lined, b) = b; /* null: what is fused behind is stored, not n */
}

bool lower_bands_fit(const Lower *lw, int dim, int64_t unit) { return !has_bands(lw, dim) || (lw->group->stage[lw->stage].band % unit == 0 && points_of_band(lw, &lw->group->stage[lw->stage]) % unit == 0); }

Affine lower_band_axis(Lower *lw, Nest *nest, const char *name, int dim, int64_t first, int64_t count, int64_t unit) {
    if (!has_bands(lw, dim)) return lower_affine(lw, nest_axis(lw->a, nest, name, count, false), 1, first);
    const Stage *s = &lw->group->stage[lw->stage];
    int64_t extent = ceil_div(points_of_band(lw, s), unit), end = (lw->bands_end - 1) * (s->band / unit) + extent;
    Affine begin = affine_scale(lw->a, lw->band, s->band / unit), v = affine_var(lw->a, nest_axis(lw->a, nest, name, extent, false));
    if (first || end > count) nest_clamp(nest, affine_offset(affine_scale(lw->a, begin, -1), first), affine_offset(affine_scale(lw->a, begin, -1), first + count));
    lw->band_axis = true;
    return affine_add(lw->a, v, begin);
}

int64_t lower_step_extent(const Lower *lw, int64_t extent) {
    const Stage *s = &lw->group->stage[lw->stage];
    if (!lw->step) return extent;
    return has_bands(lw, s->axis) ? points_of_band(lw, s) : s->rows;
}

Affine lower_step_point(Lower *lw, Affine x) {
    const Stage *s = &lw->group->stage[lw->stage];
    if (!lw->step) return x;
    if (has_bands(lw, s->axis)) x = affine_add(lw->a, x, affine_scale(lw->a, lw->band, s->band));
    return affine_add(lw->a, x, lower_affine(lw, lw->step, s->rows, 0));
}

Affine lower_step_points(Lower *lw, Nest *nest, const char *name, int64_t extent) {
    lw->band_axis = true;
    return lower_step_point(lw, affine_var(lw->a, nest_axis(lw->a, nest, name, lower_step_extent(lw, extent), false)));
}

void lower_image_axis(Lower *lw, Nest *nest) {
    lw->block = affine_var(lw->a, nest_range(lw->a, nest, "b", affine_const(0), affine_var(lw->a, lw->kernel->blocks), true));
    lw->image = affine_var(lw->a, nest_axis(lw->a, nest, "n", lw->lanes, true));
}

/* Number of the image in the batch. */
static Affine image_number(Lower *lw) { return affine_add(lw->a, affine_scale(lw->a, lw->block, lw->lanes), lw->image); }

const Expr *lower_image(Lower *lw) { return expr_index(lw->a, image_number(lw)); }
const Expr *lower_image_count(Lower *lw) { return expr_index(lw->a, affine_var(lw->a, lw->kernel->n)); }

const Buffer *lower_lane_local(Lower *lw, const char *name) {
    Buffer *b = ARENA_NEW(lw->a, Buffer);
    *b = (Buffer){.name = arena_name(lw->a, arena_printf(lw->a, "%s%d", name, lw->kernel->serial++)), .elem = ELEM_F32, .space = SPACE_LOCAL, .rank = 1, .dim = {lw->lanes}, .stride = {1}, .bytes = 4 * lw->lanes};
    VEC_PUSH(lw->a, &lw->kernel->locals, b);
    return b;
}

const Expr *lower_load_lane(Lower *lw, const Buffer *b) { return expr_load(lw->a, b, lower_at(lw, 1, affine_var(lw->a, lw->lane))); }

static Affine flat_index(Arena *a, Type t, const Affine *at) {
    Affine x = affine_const(0);
    for (int i = 0; i < t.rank; i++) x = affine_add(a, affine_scale(a, x, t.dim[i]), at[i]);
    return x;
}

const Expr *lower_load_canonical(Lower *lw, Space space, Type type, const Affine *at) {
    const Buffer *b = lw->b->canonical[space];
    if (space == SPACE_LABELS) return expr_load(lw->a, b, lower_at(lw, 1, image_number(lw)));
    return expr_load(lw->a, b, lower_at(lw, 2, image_number(lw), flat_index(lw->a, type, at)));
}

const Expr *lower_load_row(Lower *lw, const Node *value, Affine e) {
    const Buffer *b = plan_value(lw->plan, value)->rows;
    ENSURE(b);
    return expr_load(lw->a, b, lower_at(lw, 3, lw->block, lw->image, e));
}

Buffer *lower_scratch(Lower *lw, const char *name, Type type) {
    const char *full = arena_printf(lw->a, "%s.%s%s", lw->kernel->name, name, lw->last_band ? ".last" : "");
    return layout_buffer(lw->b, full, type, SPACE_SCRATCH, lw->lanes);
}

/* ---- places in buffers ---- */

/* A point of what is kept for one step only, counted from the step's first row. */
static Affine step_place(Lower *lw, Affine x, int64_t rows) {
    if (lw->step_axis) x = affine_subst(lw->a, x, lw->step_axis, lw->step_point);
    return affine_add(lw->a, x, lower_affine(lw, lw->step, -rows, 0));
}

/* Index of element `at` of a batched value in its buffer. */
static const Affine *batched_place(Lower *lw, const Value *v, Type type, const Affine *at, const Buffer *b) {
    Affine *place = ARENA_ARRAY(lw->a, Affine, b->rank);
    place[0] = b->space == SPACE_SCRATCH ? affine_add(lw->a, lw->block, affine_scale(lw->a, affine_var(lw->a, lw->kernel->lo), -1)) : lw->block;
    for (int i = 0; i < type.rank; i++) place[1 + i] = at[i];
    const Stage *stage = &v->group->stage[v->stage];
    if (v->rows_only) place[1 + stage->axis] = step_place(lw, place[1 + stage->axis], stage->rows);
    if (v->rows_only && lw->in_bands) place[1 + stage->band_axis] = affine_add(lw->a, place[1 + stage->band_axis], affine_scale(lw->a, lw->band, -stage->band));
    place[1 + type.rank] = lw->image;
    return place;
}

static const Buffer *buffer_as(Lower *lw, Buffer *b, Type type) {
    int extra = type.batched ? 2 : 0;
    if (b->rank == type.rank + extra) return b;
    return layout_view(lw->b, b, type, lw->lanes);
}

static Type flat_type(const Lower *lw, Type t) { return lw->flat && !t.batched ? type_param(1, type_count(t), 0, 0, 0) : t; }

/* An argument's element at the point `at` of a pointwise operator n. */
static const Expr *load_arg(Lower *lw, const Node *n, const Node *arg, const Affine *at) {
    if (arg->type.batched != n->type.batched && arg->type.rank == 1) return lower_load(lw, arg, lower_at(lw, 1, at[0]));
    return lower_load(lw, arg, arg->type.rank ? at : NULL);
}

enum { POINT_ARGS = 8 };

/* The element of a value that its readers make themselves. */
static const Expr *gathered_element(Lower *lw, const Node *value, const Affine *at) {
    const LowerRule *rule = lower_table[value->op];
    const Expr *args[POINT_ARGS] = {0};
    if (rule->kind != LOWER_POINTWISE) return rule->element(lw, value, at);
    ENSURE(value->nargs <= POINT_ARGS);
    for (int k = 0; k < value->nargs; k++) args[k] = load_arg(lw, value, value->arg[k], at);
    return rule->pointwise(lw, value, args, at);
}

static const Expr *chain_find(const struct Chain *c, const Node *n);

const Expr *lower_load(Lower *lw, const Node *value, const Affine *at) {
    const LowerRule *rule = lower_table[value->op];
    const Expr *made = lw->chain ? chain_find(lw->chain, value) : NULL;
    if (made) return made;
    if (rule->source) return rule->source(lw, value, at);
    const Value *v = plan_value(lw->plan, value);
    if (v->gathered) return gathered_element(lw, value, at);
    Type type = flat_type(lw, value->type);
    Buffer *from = value->op == OP_param ? lw->b->param[value->id] : v->buffer;
    ENSURE(from);
    const Buffer *b = buffer_as(lw, from, type);
    return expr_load(lw->a, b, type.batched ? batched_place(lw, v, type, at, b) : arena_copy(lw->a, at, sizeof *at * (size_t)type.rank));
}

void lower_cell(const Lower *lw, const Node *value, int64_t cell[2]) {
    Cells cells = {{1, 1}, true};
    if (lw->plan->value[value->id].gathered && lower_table[value->op]->cells) lower_table[value->op]->cells(value, &cells);
    memcpy(cell, cells.size, sizeof cells.size);
}

bool lower_writes_out(const int64_t cell[2]) {
    enum { POINTS_MOST = 16 };
    return capped_mul(cell[0], cell[1]) <= POINTS_MOST;
}

Affine lower_cell_axes(Lower *lw, Nest *nest, const int64_t cell[2], int d, int64_t points, bool reduce) {
    Affine at = lower_affine(lw, nest_axis(lw->a, nest, d ? "w" : "h", points / cell[d], reduce), cell[d], 0);
    if (lower_writes_out(cell) || cell[d] == 1) return at;
    return affine_add(lw->a, at, affine_var(lw->a, nest_axis(lw->a, nest, d ? "fw" : "fh", cell[d], reduce)));
}

const Node *lower_twin(const Lower *lw, const Node *n, OpKind op) {
    const Stage *s = &lw->group->stage[lw->stage];
    if (s->root->op == op && s->root->arg[0] == n->arg[0]) return s->root;
    for (int i = 0; i < s->fused.n; i++) {
        const Node *f = s->fused.at[i];
        if (f->op == op && f->arg[0] == n->arg[0] && !memcmp(&f->attr, &n->attr, sizeof n->attr)) return f;
    }
    return NULL;
}

/* ---- the fused chain ---- */

enum { CHAIN_MAX = 64 };
typedef struct Chain {
    Lower *lw;
    Nest *nest;
    const Affine *at;
    int n;
    const Node *node[CHAIN_MAX];
    const Expr *value[CHAIN_MAX];
    VEC(Assign) stores;
} Chain;

static const Expr *chain_find(const Chain *c, const Node *n) {
    for (int i = 0; i < c->n; i++)
        if (c->node[i] == n) return c->value[i];
    return NULL;
}

static int chain_uses(const Chain *c, const Node *n) {
    const Stage *s = &c->lw->group->stage[c->lw->stage];
    int uses = 0;
    for (int i = 0; i < s->fused.n; i++)
        for (int k = 0; k < s->fused.at[i]->nargs; k++) uses += s->fused.at[i]->arg[k] == n;
    for (int i = 0; i < s->riders.n; i++) uses += s->riders.at[i]->arg[0] == n;
    return uses;
}

static void add_store(Chain *c, const Buffer *b, const Affine *at, const Expr *value) {
    VEC_PUSH(c->lw->a, &c->stores, ((Assign){.buffer = b, .at = at, .value = value, .span = c->nest->span}));
}

static void store_canonical(Chain *c, Space space, const Node *n, const Expr *value) {
    Lower *lw = c->lw;
    const Affine *at = space == SPACE_LOSS ? lower_at(lw, 1, image_number(lw)) : lower_at(lw, 2, image_number(lw), flat_index(lw->a, n->type, c->at));
    add_store(c, lw->b->canonical[space], at, value);
}

/* Everywhere that the value must be written to. */
static void store_value(Chain *c, const Node *n, const Expr *value) {
    Lower *lw = c->lw;
    Value *v = &lw->plan->value[n->id];
    Type type = flat_type(lw, n->type);
    if (v->buffer) {
        const Buffer *b = buffer_as(lw, v->buffer, type);
        add_store(c, b, type.batched ? batched_place(lw, v, type, c->at, b) : c->at, value);
    }
    if (v->rows) add_store(c, v->rows, lower_at(lw, 3, lw->block, lw->image, flat_index(lw->a, n->type, c->at)), value);
    for (int i = 0; i < v->roots.n; i++) {
        const Root *r = v->roots.at[i];
        if (r->kind == ROOT_OUTPUT || r->kind == ROOT_INFER_OUTPUT) store_canonical(c, SPACE_OUT, n, value);
        if (r->kind == ROOT_LOSS || r->kind == ROOT_INFER_LOSS) store_canonical(c, SPACE_LOSS, n, value);
        if (r->kind == ROOT_UPDATE) add_store(c, buffer_as(lw, lw->b->param[r->target->id], flat_type(lw, r->target->type)), c->at, value);
    }
}

/* Rules may use an argument several times: if long expressions were handed on as they are, a chain of n such rules would give
 * one of k^n operations. */
enum { NAMED_OPERATIONS = 16 };

static int count_operations(const Expr *e) {
    int n = expr_operands(e->kind) > 0;
    for (int i = 0; i < expr_operands(e->kind) && n < NAMED_OPERATIONS; i++) n += count_operations(e->arg[i]);
    return n;
}

/* A copy, and nothing else: a number that goes from one place to another needs no name, and what only moves can turn squares (stmt_turns). */
static bool is_plain_copy(const Chain *c, const Expr *value) {
    const Stage *s = &c->lw->group->stage[c->lw->stage];
    return value->kind == EXPR_LOAD && c->n == 1 && c->stores.n == 1 && !s->fused.n && !s->riders.n;
}

static void chain_add(Chain *c, const Node *n, const Expr *value) {
    ENSURE(c->n < CHAIN_MAX);
    int stores = c->stores.n;
    c->node[c->n] = n;
    c->value[c->n++] = value;
    c->nest->span = n->span;
    store_value(c, n, value);
    bool once = chain_uses(c, n) + (c->stores.n - stores) < 2 && c->stores.n == stores; /* then it can be part of its user's expression */
    if ((once && count_operations(value) < NAMED_OPERATIONS) || is_plain_copy(c, value)) return;
    const Expr *named = nest_let(c->lw->a, c->nest, value);
    c->value[c->n - 1] = named;
    for (int i = stores; i < c->stores.n; i++) c->stores.at[i].value = named;
}

/* The element of a pointwise operator's argument at the point. */
static const Expr *point_arg(Chain *c, const Node *n, const Node *arg) {
    const Expr *e = chain_find(c, arg);
    return e ? e : load_arg(c->lw, n, arg, c->at);
}

static const Expr *point_value(Chain *c, const Node *n) {
    const Expr *args[POINT_ARGS] = {0};
    ENSURE(n->nargs <= POINT_ARGS);
    for (int k = 0; k < n->nargs; k++) args[k] = point_arg(c, n, n->arg[k]);
    return lower_table[n->op]->pointwise(c->lw, n, args, c->at);
}

/* The k-th number of a rider for channel c, in each lane. */
static const Affine *rider_at(Lower *lw, int64_t k, Affine c) { return lower_at(lw, 4, affine_const(0), affine_const(k), c, affine_var(lw->a, lw->lane)); }

enum { RIDE_NUMBERS = 4 };
static int ride_numbers(const Node *n) {
    int numbers = lower_table[n->op]->ride ? lower_table[n->op]->ride_numbers : 1;
    ENSURE(numbers <= RIDE_NUMBERS);
    return numbers;
}

/* A partial sum takes the element at hand, in each lane its image's. */
static void chain_ride(Chain *c, const Node *n) {
    Lower *lw = c->lw;
    const LowerRule *rule = lower_table[n->op];
    const Buffer *sums = map_get(&lw->sums, n);
    const Expr *was[RIDE_NUMBERS], *now[RIDE_NUMBERS] = {0};
    int numbers = ride_numbers(n);
    for (int k = 0; k < numbers; k++) was[k] = expr_load(lw->a, sums, rider_at(lw, k, c->at[0]));
    lw->chain = c;
    c->nest->span = n->span;
    if (rule->ride) rule->ride(lw, n, c->at, was, now);
    else now[0] = rule->term(lw, n, c->at, was[0]);
    for (int k = 0; k < numbers; k++)
        if (now[k]) add_store(c, sums, was[k]->at, now[k]);
    lw->chain = NULL;
}

const Expr *lower_name(Lower *lw, const Expr *value) { return nest_let(lw->a, lw->chain->nest, value); }

static void chain_run(Chain *c) {
    const Stage *s = &c->lw->group->stage[c->lw->stage];
    for (int i = 0; i < s->fused.n; i++)
        if (!chain_find(c, s->fused.at[i])) chain_add(c, s->fused.at[i], point_value(c, s->fused.at[i]));
    for (int i = 0; i < s->riders.n; i++) chain_ride(c, s->riders.at[i]);
    for (int i = 0; i < c->stores.n; i++) {
        const Assign *store = &c->stores.at[i];
        c->nest->span = store->span;
        nest_assign(c->lw->a, c->nest, store->buffer, store->at, store->value);
    }
}

/* ---- the nest's loops ---- */

static const Var *axis_behind(const Nest *n, Affine x) {
    for (int i = 0; i < n->naxes; i++)
        if (x.n == 1 && x.c == 0 && x.term[0].k == 1 && x.term[0].var == n->axis[i].var) return n->axis[i].var;
    BUG("rows that are not an axis");
}

/* Stages share the loop over steps: of its rows, the nest makes those of the step at hand. */
static void share_rows(Lower *lw, Nest *nest, const Affine *at) {
    if (lw->group->nstages == 1) return;
    const Stage *stage = &lw->group->stage[lw->stage];
    if (affine_coef(at[stage->axis], lw->step)) return; /* the rule has asked for the step's points itself */
    const Var *h = axis_behind(nest, at[stage->axis]);
    Affine first = lower_affine(lw, lw->step, stage->rows, 0);
    if (stage->rows == 1) nest_fix(lw->a, nest, h, first);
    else nest_window(lw->a, nest, h, first, stage->rows, stage->root->type.dim[stage->axis]);
}

/* The same for the columns of a band. */
static void share_band(Lower *lw, Nest *nest, const Affine *at) {
    if (!lw->in_bands || lw->band_axis) return;
    const Stage *stage = &lw->group->stage[lw->stage];
    int64_t points = points_of_band(lw, stage);
    nest_window(lw->a, nest, axis_behind(nest, at[stage->band_axis]), affine_scale(lw->a, lw->band, stage->band), points, points_of_bands(stage));
}

static int find_axis(const Nest *n, const Var *v) {
    for (int i = 0; i < n->naxes; i++)
        if (n->axis[i].var == v) return i;
    return -1;
}

/* The stage whose tiles the plan shows: the first that multiplies. */
static int main_stage(const Group *g) {
    for (int s = 0; s < g->nstages; s++)
        if (lower_table[g->stage[s].root->op]->macs) return s;
    return 0;
}

static void emit_loops(Lower *lw, Nest *nest) {
    layout_note_nest(lw, nest);
    const Machine *m = &lw->plan->options.machine;
    int lane_axis = lw->lane_axis && lw->lanes > 1 ? find_axis(nest, lw->lane_axis) : -1, parallel = lw->group->domain != PER_BLOCK && !lw->items_open ? 0 : -1;
    Schedule s = schedule_plain(nest);
    s.parallel = parallel;
    s.lane_axis = lane_axis;
    if (lw->plan->options.tile) s = schedule_choose(nest, m, lw->lane, lane_axis, parallel);
    const char *why = schedule_apply(lw->a, nest, &s, lw->lanes, lw->lane, lw->kernel, lw->into);
    if (why) BUG("%s: %s", lw->kernel->name, why);
    lw->slow = lw->slow || (lw->plan->options.tile && schedule_is_slow(nest, &s));
    if (!lw->items_open) lw->items = schedule_items(nest, &s, lw->lanes);
    if (!lw->tiles || (nest->accs.n && lw->stage == main_stage(lw->group) && !lw->last_band)) lw->tiles = schedule_text(lw->a, nest, &s);
    lw->step_axis = NULL;
    lw->band_axis = false;
}

void lower_flatten(Lower *lw) { lw->flat = true; }

void lower_emit_local(Lower *lw, Nest *nest) { emit_loops(lw, nest); }

/* Is the stage at hand a partial sum? Others may make, in steps, what it sums. */
static bool is_partial(const Lower *lw) { return lw->group->sum == SUM_PARTIAL && lw->stage == lw->group->nstages - 1; }

/* A partial sum goes to the chunk's own place, each step's to those before it; what is fused behind the sum rides on the fold. */
static void assign_partial(Lower *lw, Nest *nest, const Node *n, const Affine *at, const Expr *value) {
    const Buffer *b = lw->plan->value[n->id].partial;
    const Affine *place = lower_at(lw, 2, affine_var(lw->a, lw->kernel->task), flat_index(lw->a, flat_type(lw, n->type), at));
    if (lw->step) value = expr_binary(lw->a, EXPR_ADD, expr_load(lw->a, b, place), value);
    nest_assign(lw->a, nest, b, place, value);
}

void lower_emit_twin(Lower *lw, Nest *nest, const Node *n, const Expr *value, const Node *twin, const Expr *twin_value, const Affine *at) {
    if (is_partial(lw)) {
        assign_partial(lw, nest, n, at, value);
        if (twin) assign_partial(lw, nest, twin, at, twin_value);
        emit_loops(lw, nest);
        return;
    }
    Chain c = {.lw = lw, .nest = nest, .at = at};
    chain_add(&c, n, value);
    if (twin) chain_add(&c, twin, twin_value);
    chain_run(&c);
    share_rows(lw, nest, at);
    share_band(lw, nest, at);
    emit_loops(lw, nest);
}

void lower_point(Lower *lw, Nest *nest, const Node *n, const Affine *at, const Expr *value) {
    Chain c = {.lw = lw, .nest = nest, .at = at};
    Span before = nest->span;
    ENSURE(!is_partial(lw));
    chain_add(&c, n, value);
    chain_run(&c);
    nest->span = before;
}

void lower_emit(Lower *lw, Nest *nest, const Node *n, const Affine *at, const Expr *value) {
    if (!is_partial(lw) && lower_table[n->op]->finish) value = lower_table[n->op]->finish(lw, n, value);
    lower_emit_twin(lw, nest, n, value, NULL, NULL, at);
}

/* ---- groups ---- */

static Stmt *open_loop(Lower *lw, const char *name, LoopKind kind, Affine lo, Affine hi, const Var **var) {
    Var *v = ARENA_NEW(lw->a, Var);
    v->name = arena_name(lw->a, arena_printf(lw->a, "%s%d", name, lw->kernel->serial++));
    Stmt *f = stmt_for(lw->a, v, kind, lo, hi, 1);
    stmt_add(lw->a, lw->into, f);
    lw->into = f;
    *var = v;
    return f;
}

/* Opens a loop until lower_close_loop. */
static Stmt *open_around(Lower *lw, const char *name, Affine lo, Affine hi, int64_t extent) {
    ENSURE(lw->naround < AROUND_MAX);
    Around *x = &lw->around[lw->naround++];
    *x = (Around){.extent = extent, .outside = lw->into};
    return open_loop(lw, name, LOOP_SERIAL, lo, hi, &x->var);
}

static Affine innermost(Lower *lw) { return affine_var(lw->a, lw->around[lw->naround - 1].var); }

Affine lower_open_loop(Lower *lw, const char *name, int64_t extent) {
    open_around(lw, name, affine_const(0), affine_const(extent), extent);
    return innermost(lw);
}

void lower_close_loop(Lower *lw) { lw->into = lw->around[--lw->naround].outside; }

void lower_open_blocks(Lower *lw) {
    open_around(lw, "b", first_block(lw), end_block(lw), -1);
    lw->block = innermost(lw);
}

void lower_open_runs(Lower *lw, int64_t blocks) {
    Stmt *f = open_around(lw, "b", first_of_all(lw), end_block(lw), -1);
    f->step = blocks;
    lw->run_start = innermost(lw);
    lw->run = blocks;
}

void lower_close_runs(Lower *lw) {
    lw->run = 0;
    lower_close_loop(lw);
}

Affine lower_open_items(Lower *lw, const char *name, int64_t extent, Affine before, int64_t total) {
    Stmt *f = open_around(lw, name, affine_const(0), affine_const(extent), extent);
    if (lw->group->domain != PER_BLOCK) {
        Affine gone = affine_scale(lw->a, before, -1);
        f->lo[f->nlo++] = affine_add(lw->a, affine_var(lw->a, lw->kernel->lo), gone);
        f->hi[f->nhi++] = affine_add(lw->a, affine_var(lw->a, lw->kernel->hi), gone);
        lw->items = total;
    }
    lw->items_open = true;
    return innermost(lw);
}

void lower_open_lanes(Lower *lw) {
    lw->lanes_outside = lw->into;
    open_loop(lw, "l", LOOP_LANE, affine_const(0), affine_const(lw->lanes), &lw->lane);
    lw->image = affine_var(lw->a, lw->lane);
}

void lower_close_lanes(Lower *lw) {
    lw->into = lw->lanes_outside;
    lw->lane = NULL;
}

/* The cells in which the arguments of a pointwise operator have to be read. */
static void cell_of_args(const Lower *lw, const Node *n, int64_t cell[2]) {
    cell[0] = cell[1] = 1;
    for (int k = 0; k < n->nargs && cell[0] * cell[1] == 1; k++) lower_cell(lw, n->arg[k], cell);
}

/* A pointwise operator at the head of a group: a nest over its own points, or cells of them. */
static void lower_points(Lower *lw, const Node *n) {
    Nest *nest = lower_nest(lw, n);
    Affine at[4];
    int64_t cell[2];
    Type type = flat_type(lw, n->type);
    cell_of_args(lw, n, cell);
    if (type.rank) {
        const Var *v = nest_axis(lw->a, nest, type.batched ? "c" : "p", type.dim[0], false);
        at[0] = affine_var(lw->a, v);
        if (!type.batched) lw->lane_axis = v;
    }
    for (int i = 1; i < type.rank; i++) at[i] = lower_cell_axes(lw, nest, cell, i - 1, type.dim[i], false);
    int64_t points = lower_writes_out(cell) ? cell[0] * cell[1] : 1;
    for (int64_t k = 0; k < points; k++) {
        Affine *point = arena_copy(lw->a, at, sizeof at);
        for (int d = 0; d < 2 && points > 1; d++) point[1 + d] = affine_offset(at[1 + d], d ? k % cell[1] : k / cell[1]);
        Chain c = {.lw = lw, .nest = nest, .at = point};
        chain_add(&c, n, point_value(&c, n));
        chain_run(&c);
    }
    emit_loops(lw, nest);
}

bool lower_sums_beside(const Lower *lw, const Node *other) { return plan_sums_beside(lw->group, other); }

const Expr *lower_partial(Lower *lw, const Node *n, Affine chunk, Affine p) { return expr_load(lw->a, lw->plan->value[n->id].partial, lower_at(lw, 2, chunk, p)); }

Affine lower_lane(const Lower *lw) { return affine_var(lw->a, lw->lane); }
Affine lower_chunk(Lower *lw) { return affine_var(lw->a, lw->kernel->task); }

const Expr *lower_chunk_images(Lower *lw, Affine chunk) {
    int64_t most = lw->lanes * lw->b->program->chunk;
    Affine left = affine_add(lw->a, affine_var(lw->a, lw->kernel->n), affine_scale(lw->a, chunk, -most));
    return expr_binary(lw->a, EXPR_MIN, expr_int(lw->a, most), expr_index(lw->a, left));
}

/* The sum of the chunks' partial sums, in order. */
static void lower_fold(Lower *lw, const Node *n) {
    Nest *nest = lower_nest(lw, n);
    const Var *p = nest_axis(lw->a, nest, "p", type_count(n->type), false);
    const Var *t = nest_range(lw->a, nest, "t", affine_const(0), affine_var(lw->a, lw->kernel->chunks), true);
    lw->lane_axis = p;
    const Expr *acc = nest_acc(lw->a, nest, ELEM_F32, expr_real(lw->a, 0));
    const Expr *(*rule)(Lower *, const Node *, Affine, Affine) = lower_table[n->op]->part ? lower_table[n->op]->part : lower_partial;
    const Expr *part = rule(lw, n, affine_var(lw->a, t), affine_var(lw->a, p));
    nest_update(nest, acc, expr_binary(lw->a, EXPR_ADD, acc, part));
    lower_emit(lw, nest, n, lower_at(lw, 1, affine_var(lw->a, p)), acc);
}

static void lower_stage(Lower *lw) {
    const Node *root = lw->group->stage[lw->stage].root;
    const LowerRule *rule = lower_table[root->op];
    if (lw->group->sum == SUM_FOLD) lower_fold(lw, root);
    else if (rule->kind == LOWER_NEST) rule->nest(lw, root);
    else lower_points(lw, root);
}

static void note_clear(Lower *lw, const Node *n) {
    const Value *v = &lw->plan->value[n->id];
    if (!v->buffer || !n->type.batched) return;
    Clear c = {v->buffer, lw->into, lw->kernel, lw->block, lw->lane, n->span};
    VEC_PUSH(lw->a, &lw->b->clears, c);
}

/* Values that the kernel stores need their halo cleared by it, in front of all else in the block. */
static void note_clears(Lower *lw) {
    for (int s = 0; s < lw->group->nstages; s++) {
        note_clear(lw, lw->group->stage[s].root);
        for (int i = 0; i < lw->group->stage[s].fused.n; i++) note_clear(lw, lw->group->stage[s].fused.at[i]);
    }
}

/* ---- riders ---- */

/* Calls fn for each sum that rides on the kernel, the lanes open around. */
static void each_rider(Lower *lw, void (*fn)(Lower *lw, const Node *n)) {
    Stmt *outside = lw->into;
    const char *tiles = lw->tiles; /* those of what they ride on */
    int riders = 0;
    for (int s = 0; s < lw->group->nstages; s++) riders += lw->group->stage[s].riders.n;
    if (riders) lower_open_lanes(lw);
    for (int s = 0; s < lw->group->nstages; s++)
        for (int i = 0; i < lw->group->stage[s].riders.n; i++) fn(lw, lw->group->stage[s].riders.at[i]);
    lw->into = outside;
    lw->lane = NULL;
    lw->tiles = tiles;
}

static void start_rider(Lower *lw, const Node *n) {
    int64_t channels = n->type.dim[0];
    Buffer *sums = lower_scratch(lw, arena_printf(lw->a, "%s%d", op_table[n->op].name, lw->kernel->serial++), type_batched(2, ride_numbers(n), channels, 0));
    *map_at(lw->a, &lw->sums, n) = sums;
    for (int k = 0; k < ride_numbers(n); k++) {
        Nest *nest = lower_nest(lw, n);
        Affine c = affine_var(lw->a, nest_axis(lw->a, nest, "c", channels, false));
        nest_assign(lw->a, nest, sums, rider_at(lw, k, c), expr_real(lw->a, 0));
        emit_loops(lw, nest);
    }
}

void lower_assign_partial(Lower *lw, Nest *nest, const Node *n, Affine p, const Expr *value) {
    nest_assign(lw->a, nest, lw->plan->value[n->id].partial, lower_at(lw, 2, affine_var(lw->a, lw->kernel->task), p), value);
}

static void finish_rider(Lower *lw, const Node *n) {
    Nest *nest = lower_nest(lw, n);
    const LowerRule *rule = lower_table[n->op];
    const Expr *sum[RIDE_NUMBERS];
    Affine c = affine_var(lw->a, nest_axis(lw->a, nest, "c", n->type.dim[0], false));
    for (int k = 0; k < ride_numbers(n); k++) sum[k] = nest_let(lw->a, nest, expr_load(lw->a, map_get(&lw->sums, n), rider_at(lw, k, c)));
    if (rule->ride_end) rule->ride_end(lw, n, nest, c, sum);
    else lower_assign_partial(lw, nest, n, c, expr_unary(lw->a, EXPR_LANE_SUM, sum[0]));
    emit_loops(lw, nest);
}

/* ---- stages in turns ---- */

static void open_steps(Lower *lw) { open_loop(lw, "y", LOOP_SERIAL, affine_const(0), affine_const(lw->group->steps), &lw->step); }

static void take_turns(Lower *lw) {
    open_steps(lw);
    for (lw->stage = 0; lw->stage < lw->group->nstages; lw->stage++) lower_stage(lw);
}

/* For each band of the picture: `turns`. A last band that is narrower goes by itself, so that all have bounds that are numbers. */
static void in_bands(Lower *lw, void (*turns)(Lower *lw)) {
    const Group *g = lw->group;
    if (g->bands == 1) {
        turns(lw);
        return;
    }
    bool even = points_of_bands(&g->stage[0]) % g->stage[0].band == 0;
    lw->in_bands = true;
    lw->bands_end = g->bands - !even;
    lw->band = lower_open_loop(lw, "z", lw->bands_end);
    turns(lw);
    lower_close_loop(lw);
    lw->last_band = !even;
    lw->bands_end = g->bands;
    lw->band = affine_const(g->bands - 1);
    if (!even) turns(lw);
    lw->in_bands = lw->last_band = false;
}

static void lower_per_block(Lower *lw) {
    const Var *nb;
    Stmt *outside = lw->into;
    each_rider(lw, start_rider);
    open_loop(lw, "b", LOOP_SERIAL, affine_var(lw->a, lw->kernel->lo), affine_var(lw->a, lw->kernel->hi), &nb);
    lw->block = affine_var(lw->a, nb);
    lower_open_lanes(lw);
    note_clears(lw);
    if (lw->group->nstages > 1) in_bands(lw, take_turns);
    else lower_stage(lw);
    lw->stage = lw->group->nstages - 1;
    lw->step = NULL;
    lw->into = outside;
    each_rider(lw, finish_rider);
}

/* Zeros where the chunk's partial sums will be. */
static void clear_partial(Lower *lw, const Node *n) {
    Nest *nest = lower_nest(lw, n);
    const Var *p = nest_axis(lw->a, nest, "p", type_count(n->type), false);
    lw->lane_axis = p;
    lower_assign_partial(lw, nest, n, affine_var(lw->a, p), expr_real(lw->a, 0));
    emit_loops(lw, nest);
}

/* Tiles of a step, with images in the lanes, and then what they add to the sum, which has the lanes elsewhere. */
static void take_turns_and_sum(Lower *lw) {
    int last = lw->group->nstages - 1;
    open_steps(lw);
    Stmt *steps = lw->into;
    for (lw->stage = 0; lw->stage <= last; lw->stage++) {
        lw->into = steps;
        lw->lane = NULL;
        if (lw->stage < last) lower_open_lanes(lw);
        lower_stage(lw);
    }
}

static void lower_sum_in_steps(Lower *lw) {
    ENSURE(lw->turned);
    lw->stage = lw->group->nstages - 1;
    clear_partial(lw, lw->group->stage[lw->stage].root);
    lower_open_blocks(lw);
    lw->in_block = true;
    in_bands(lw, take_turns_and_sum);
}

void lower_group(Lower *lw) {
    Group *g = lw->group;
    const Node *root = g->stage[g->sum == SUM_PARTIAL ? g->nstages - 1 : 0].root;
    const LowerRule *rule = lower_table[root->op];
    lw->into = lw->kernel->body;
    lw->flat = g->sum == SUM_FOLD || (g->domain == REDUCED && g->sum == SUM_NONE && !rule->shaped);
    bool sums = g->sum == SUM_PARTIAL || g->sum == SUM_DIRECT;
    lw->rows = g->sum == SUM_DIRECT && rule->wants_rows && lw->lanes > 1;
    lw->turned = (sums || g->domain == ACROSS) && rule->turns_lanes && rule->turns_lanes(root, lw->lanes);
    if (g->domain == PER_BLOCK && g->sum == SUM_NONE) {
        lower_per_block(lw);
        return;
    }
    if (sums && g->nstages > 1) {
        lower_sum_in_steps(lw);
        return;
    }
    if (!lw->turned && ((sums && !lw->rows) || g->domain == ACROSS)) lower_open_lanes(lw);
    lower_stage(lw);
}
