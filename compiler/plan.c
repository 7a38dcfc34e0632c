/* plan.c: see plan.h. Nodes are visited in topological order; each joins the group of its latest argument or opens one. */
#include "plan.h"

#include <string.h>

#include "ops.h"

PlanOptions plan_options(const Target *target, int level) {
    bool on = level > 0;
    enum { WEIGHTS_CACHE = 192 << 10, STEP_BYTES = 512 << 10 }; /* of 512 KiB (Zen 3) to 2 MiB: the data passes through the same cache */
    enum { STREAM_BYTES = 12 << 20 };                              /* a core's own cache, and its share of the last one where others use it, too */
    Machine m = {.lanes = on ? target->lanes : 1, .registers = target->registers, .fmas = target->fmas, .cache = WEIGHTS_CACHE};
    return (PlanOptions){.machine = m, .fuse = on, .depth_first = on, .tile = on, .partial = on, .rematerialize = on, .winograd = on, .prefetch = on, .step_bytes = STEP_BYTES, .stream_bytes = on ? STREAM_BYTES : 0};
}

/* ---- reading the graph ---- */

/* Is the root one of this plan's? Inference takes the training's where it has none of its own. */
static bool is_served(const Plan *p, const Root *r) {
    switch (r->kind) {
    case ROOT_OUTPUT: return p->train || !graph_find_root(p->graph, ROOT_INFER_OUTPUT);
    case ROOT_LOSS: return p->train || !graph_find_root(p->graph, ROOT_INFER_LOSS);
    case ROOT_UPDATE: return p->train;
    case ROOT_INFER_OUTPUT: case ROOT_INFER_LOSS: return !p->train;
    }
    return false;
}

/* The nodes behind this plan's roots; ids are in topological order, so one sweep backwards does. */
static bool *needed_nodes(const Plan *p) {
    const Graph *g = p->graph;
    bool *needed = ARENA_ARRAY(p->arena, bool, g->nodes.n);
    for (int i = 0; i < g->roots.n; i++)
        if (is_served(p, &g->roots.at[i])) needed[g->roots.at[i].node->id] = true;
    for (int i = g->nodes.n - 1; i >= 0; i--)
        for (int k = 0; needed[i] && k < g->nodes.at[i]->nargs; k++) needed[g->nodes.at[i]->arg[k]->id] = true;
    return needed;
}

/* Fills in p->target and p->last_reader. */
static void note_updates(Plan *p, const bool *needed) {
    const Graph *g = p->graph;
    p->target = ARENA_ARRAY(p->arena, const Node *, g->nodes.n);
    p->last_reader = ARENA_ARRAY(p->arena, int, g->nodes.n);
    for (int i = g->roots.n - 1; i >= 0; i--)
        if (g->roots.at[i].kind == ROOT_UPDATE) p->target[g->roots.at[i].node->id] = g->roots.at[i].target;
    for (int i = 0; i < g->nodes.n; i++)
        for (int k = 0; needed[i] && k < g->nodes.at[i]->nargs; k++)
            if (p->target[i] != g->nodes.at[i]->arg[k]) p->last_reader[g->nodes.at[i]->arg[k]->id] = i;
}

static const LowerRule *rule_of(const Node *n) { return lower_table[n->op]; }

Value *plan_value(const Plan *p, const Node *n) {
    while (p->value[n->id].view) n = p->value[n->id].view;
    return &p->value[n->id];
}

int64_t plan_touched_bytes(const Plan *p, const Group *g, bool of_block) {
    int64_t bytes = 0;
    for (int k = 0; k < g->touched.n; k++) {
        const Buffer *x = g->touched.at[k];
        if (x->space == SPACE_ARENA && of_block) bytes += x->bytes / p->chunks;
        else bytes += x->space == SPACE_SCRATCH && !of_block ? capped_mul(x->bytes, p->chunks) : x->bytes;
    }
    return bytes;
}

/* ---- groups ---- */

static Group *add_group(Plan *p, const Node *root, Domain domain, SumKind sum) {
    Group *g = ARENA_NEW(p->arena, Group);
    g->index = p->groups.n;
    g->domain = domain;
    g->sum = sum;
    g->nstages = 1;
    g->bands = 1;
    g->stage[0].root = root;
    VEC_PUSH(p->arena, &p->groups, g);
    return g;
}

static void set_group(Plan *p, const Node *n, Group *g, int stage) {
    p->value[n->id].group = g;
    p->value[n->id].stage = stage;
}

/* The argument whose group comes last, or null where all are sources. */
static const Node *latest_arg(const Plan *p, const Node *n) {
    const Node *latest = NULL;
    for (int k = 0; k < n->nargs; k++) {
        const Group *g = plan_value(p, n->arg[k])->group;
        if (g && (!latest || g->index > plan_value(p, latest)->group->index)) latest = n->arg[k];
    }
    return latest;
}

/* Does n, or another shape of it, become one of the caller's arrays (output, loss), or is it made of one? These have room for the images that
 * are there, where a group ACROSS the batch may compute more (a loose axis, nest.h). */
static bool touches_caller(const Plan *p, const Node *n) {
    for (int k = 0; k < n->nargs; k++)
        if (n->arg[k]->op == OP_target || n->arg[k]->op == OP_labels) return true;
    for (int i = 0; i < p->graph->roots.n; i++) {
        const Node *of = p->graph->roots.at[i].node;
        while (of->op == OP_reshape) of = of->arg[0];
        if (p->graph->roots.at[i].kind != ROOT_UPDATE && of == n) return true;
    }
    return false;
}

/* Operators fused behind a stage's root: more would make long code, and need more registers than there are. */
enum { FUSED_MAX = 10 };

/* May pointwise n ride on the kernel that computes its latest argument? All its points must be there; what it reads of
 * the same group must be those very points, not another view of them. */
static bool can_fuse(const Plan *p, const Node *n, const Node *arg) {
    const Value *v = &p->value[arg->id];
    if (!p->options.fuse || n->op == OP_copy || v->view || !v->group || v->group->sum == SUM_PARTIAL) return false;
    if (v->group->domain == ACROSS && touches_caller(p, n)) return false;
    for (int k = 0; k < n->nargs; k++)
        if (p->value[n->arg[k]->id].gathered) return false; /* its kernel goes by cells */
    if (v->group->stage[v->stage].fused.n >= FUSED_MAX) return false;
    for (int k = 0; k < n->nargs; k++) {
        const Value *other = plan_value(p, n->arg[k]);
        if (other->group == v->group && (other->node != n->arg[k] || other->stage != v->stage)) return false;
    }
    return type_equal(arg->type, n->type) && v->stage == v->group->nstages - 1;
}

/* Must the update n run after something that waits for group g? So it is where a reader of the old parameter also needs what g
 * computes: batch norm's dx, gamma's gradient and gamma. */
static bool update_waits(const Plan *p, const bool *needed, const Node *n, const Group *g) {
    const Node *old = p->target[n->id];
    int first = g->stage[0].root->id, last = old ? p->last_reader[old->id] : -1;
    bool *behind = last >= first ? ARENA_ARRAY(p->arena, bool, last - first + 1) : NULL; /* from the group's first node on */
    for (int i = first; i <= last; i++) {
        const Node *user = p->graph->nodes.at[i];
        bool reads = false, waits = p->value[i].group == g;
        for (int k = 0; k < user->nargs; k++) {
            waits = waits || (user->arg[k]->id >= first && behind[user->arg[k]->id - first]);
            reads = reads || user->arg[k] == old;
        }
        behind[i - first] = waits;
        if (needed[i] && user != n && reads && waits && p->value[i].group != g) return true;
    }
    return false;
}

static bool is_pool(const Node *n) { return n->op == OP_max_pool || n->op == OP_avg_pool || n->op == OP_max_pool_index; }

/* The other half of a max_pool and its index, if a stage already has it. */
static const Node *find_twin(const Plan *p, const Node *n) {
    if (n->op != OP_max_pool && n->op != OP_max_pool_index) return NULL;
    OpKind other = n->op == OP_max_pool ? OP_max_pool_index : OP_max_pool;
    for (int i = 0; i < p->graph->nodes.n; i++) {
        const Node *t = p->graph->nodes.at[i];
        if (t->op == other && t->arg[0] == n->arg[0] && !memcmp(&t->attr, &n->attr, sizeof t->attr) && p->value[t->id].group) return t;
    }
    return NULL;
}

static void fuse_into(Plan *p, const Node *n, Group *g, int stage) {
    VEC_PUSH(p->arena, &g->stage[stage].fused, n);
    set_group(p, n, g, stage);
}

bool plan_sums_partially(const PlanOptions *options, int64_t sums, int64_t arguments, int64_t chunks) {
    return options->partial && capped_mul(sums, chunks) <= i64_max(PARTIAL_BYTES / 4, arguments / 4);
}

static bool sums_partially(const Plan *p, const Node *n) {
    int64_t arguments = 0, images = p->chunks * p->options.machine.lanes;
    for (int k = 0; k < n->nargs; k++) arguments += n->arg[k]->type.batched ? capped_mul(type_count(n->arg[k]->type), images) : 0;
    return !rule_of(n)->wants_rows && plan_sums_partially(&p->options, type_count(n->type), arguments, p->chunks);
}

static bool reads_node(const Node *n, const Node *arg) {
    for (int k = 0; k < n->nargs; k++)
        if (n->arg[k] == arg) return true;
    return false;
}

static bool reads_op(const Node *n, OpKind op) {
    for (int k = 0; k < n->nargs; k++)
        if (n->arg[k]->op == op) return true;
    return false;
}

/* The group of partial sums that n's may be taken with, both in one pass over what they sum: where n's rule knows such a twin. */
static Group *sum_beside(const Plan *p, const Node *n) {
    for (int i = n->id - 1; p->options.fuse && rule_of(n)->sums_beside && i > n->arg[0]->id; i--) {
        const Node *t = p->graph->nodes.at[i];
        const Group *fold = p->value[i].group;
        if (t->op != rule_of(n)->sums_beside || t->arg[0] != n->arg[0] || !fold || !fold->parts) continue;
        if (reads_op(n, t->op) && !reads_node(n, t)) continue;
        if (fold->parts->stage[0].root == t && !fold->parts->stage[0].fused.n) return fold->parts;
    }
    return NULL;
}

/* A step makes `rows` points of dimension `axis`, or a band of it `band` of dimension `band_axis`. */
static void add_stage(Plan *p, Group *g, const Node *root, int axis, int64_t rows, int band_axis, int64_t band) {
    ENSURE(g->nstages < STAGES_MAX);
    g->stage[g->nstages] = (Stage){.root = root, .axis = axis, .rows = rows, .band_axis = band_axis, .band = band};
    set_group(p, root, g, g->nstages++);
}

static int count_users(const Plan *p, const bool *needed, const Node *n) {
    int users = 0;
    for (int i = n->id + 1; i < p->graph->nodes.n; i++)
        for (int k = 0; needed[i] && k < p->graph->nodes.at[i]->nargs; k++) users += p->graph->nodes.at[i]->arg[k] == n;
    return users;
}

/* So many groups of channels, which divide all, that a row of their tiles is near. */
static int64_t groups_of_band(const TileShape *s, int64_t row_bytes, int64_t most) {
    int64_t groups = s->groups;
    while (groups > 1 && (s->groups % groups || row_bytes / s->groups * groups > most)) groups--;
    return groups;
}

/* So many columns that a row of their tiles is near, but not fewer than `least`. Each band goes through the weights (or sums) anew: that has to be less than the tiles, which
 * are written and read, so that a row of them comes from afar. */
static int64_t columns_of_band(const TileShape *s, int lanes, int64_t most, int64_t least) {
    int64_t row = capped_mul(s->columns * lanes, s->channels), bands = ceil_div(s->columns, i64_max(least, most / i64_max(1, 4 * s->places * s->channels * lanes))), columns = ceil_div(s->columns, bands);
    bool small_rest = bands == 2 && s->columns - columns < least; /* which had better be part of the other */
    return small_rest || capped_mul(bands - 1, s->weights) > capped_mul(2, row) ? s->columns : columns;
}

TileTurns plan_tile_turns(const PlanOptions *options, const TileShape *s) {
    enum { COLUMNS_LEAST = 128 }; /* of all places: each band reads the transformed weights anew */
    int64_t row = capped_mul(4 * s->places * s->columns * options->machine.lanes, s->channels);
    bool turns = options->fuse && options->tile && capped_mul(row, s->rows) > options->step_bytes && (s->rows > 1 || s->groups > 1);
    if (!turns) return (TileTurns){0};
    if (s->groups > 1) return (TileTurns){s->rows, s->columns, groups_of_band(s, row, options->step_bytes)};
    return (TileTurns){s->rows, columns_of_band(s, options->machine.lanes, options->step_bytes, options->band_tiles ? options->band_tiles : ceil_div(COLUMNS_LEAST, s->places)), 1};
}

bool plan_sum_takes_turns(const TileShape *s, int64_t sums, int lanes) {
    return capped_mul(2 * s->rows, sums) <= capped_mul(s->places * s->rows * s->columns * lanes, s->channels);
}

/* Of tiles v and those that are made of them, or summed with them. */
static TileShape shape_of(const Node *v, const Node *other, int64_t groups) {
    return (TileShape){v->attr.i[WINOGRAD_TILES], v->attr.i[WINOGRAD_TILES + 1], v->type.dim[0], v->type.dim[1] + other->type.dim[1], groups, v->type.dim[1] * other->type.dim[1] / groups};
}

/* Stage `root`: a row of tiles a step, or a band of it. */
static void add_tiles(Plan *p, Group *g, const Node *root, int64_t columns, int64_t groups, const TileTurns *turns) {
    if (groups > 1) add_stage(p, g, root, 2, columns, 1, root->type.dim[1] / groups * turns->groups);
    else add_stage(p, g, root, 2, columns, 2, turns->columns);
}

/* The stages x and y have tiles, and `last`, if there is one, is made of both. */
static void tiles_take_turns(Plan *p, Group *g, const Node *x, const Node *y, const Node *last, int64_t groups, const TileTurns *turns) {
    int64_t columns = x->type.dim[2] / turns->steps;
    g->nstages = 0;
    g->steps = turns->steps;
    g->bands = groups > 1 ? groups / turns->groups : ceil_div(columns, turns->columns);
    add_tiles(p, g, x, columns, groups, turns);
    add_tiles(p, g, y, columns, groups, turns);
    if (last) add_tiles(p, g, last, columns, groups, turns);
}

/* Is it a contraction, with what is fused to it? */
static bool multiplies(const Group *g) {
    for (int s = 0; s < g->nstages; s++)
        if (rule_of(g->stage[s].root)->macs) return true;
    return false;
}

/* Can n ride: alone, or with the sum of the same map beside it, argument 1, of which it leaves the partial sums, too? */
static bool can_ride(const Node *n) {
    const LowerRule *rule = rule_of(n);
    if (!rule->ride) return rule->term != NULL;
    return n->nargs > 1 && n->arg[1]->op == rule->sums_beside && n->arg[1]->arg[0] == n->arg[0];
}

/* The stage that makes what n sums, where n rides on it: a contraction's, since one that does little for each point would wait for the sum of the point before. Not where another sum
 * takes n's beside itself: that one reads a second map, for which the stage would wait. */
static Stage *ridden_stage(const Plan *p, const Node *n) {
    const Value *v = &p->value[n->arg[0]->id];
    Group *g = v->view || v->gathered ? NULL : v->group;
    if (!p->options.fuse || !can_ride(n) || !op_is_image(n->arg[0]->type)) return NULL;
    if (!g || g->domain != PER_BLOCK || g->sum != SUM_NONE || !multiplies(g)) return NULL;
    for (int i = n->arg[0]->id + 1; i < p->graph->nodes.n; i++) {
        const Node *other = p->graph->nodes.at[i];
        if (rule_of(other)->sums_beside == n->op && other->arg[0] == n->arg[0]) return NULL;
    }
    return &g->stage[v->stage];
}

/* The sum that takes n beside itself and rides, or null. */
static const Node *rider_beside(const Plan *p, const bool *needed, const Node *n) {
    for (int i = n->id + 1; i < p->graph->nodes.n; i++) {
        const Node *other = p->graph->nodes.at[i];
        if (needed[i] && rule_of(other)->ride && rule_of(other)->sums_beside == n->op && other->arg[0] == n->arg[0] && ridden_stage(p, other)) return other;
    }
    return NULL;
}

/* Tiles of both kinds for the sum n, of rows of tiles of the same picture, that nobody else reads. */
static bool has_own_tiles(const Plan *p, const bool *needed, const Node *n) {
    const Node *v = n->arg[0], *d = n->arg[1];
    if (v->op != OP_winograd_data || d->op != OP_winograd_gradient || count_users(p, needed, v) != 1 || count_users(p, needed, d) != 1) return false;
    return ceil_div(d->arg[0]->type.dim[1], d->attr.i[WINOGRAD_TILE]) == v->attr.i[WINOGRAD_TILES];
}

/* In which turns is a partial winograd_sum taken, each of tiles that are made for it? With images in the lanes each step would also add them up over the lanes. */
static TileTurns sum_turns(const Plan *p, const bool *needed, const Node *n) {
    int lanes = p->options.machine.lanes;
    if (n->op != OP_winograd_sum || !rule_of(n)->turns_lanes(n, lanes) || !sums_partially(p, n) || !has_own_tiles(p, needed, n)) return (TileTurns){0};
    TileShape s = shape_of(n->arg[0], n->arg[1], n->attr.i[WINOGRAD_GROUPS]);
    return plan_sum_takes_turns(&s, type_count(n->type), lanes) ? plan_tile_turns(&p->options, &s) : (TileTurns){0};
}

/* A group of both kinds of tiles and the sum. */
static Group *add_sum_in_steps(Plan *p, const Node *n, const TileTurns *turns) {
    Group *g = add_group(p, n->arg[0], PER_BLOCK, SUM_PARTIAL);
    tiles_take_turns(p, g, n->arg[0], n->arg[1], n, n->attr.i[WINOGRAD_GROUPS], turns);
    return g;
}

static void place_sum(Plan *p, const bool *needed, const Node *n) {
    if (!sums_partially(p, n)) {
        set_group(p, n, add_group(p, n, REDUCED, SUM_DIRECT), 0);
        return;
    }
    Group *parts = sum_beside(p, n);
    TileTurns turns = sum_turns(p, needed, n);
    Stage *ridden = ridden_stage(p, n);
    if (ridden || rider_beside(p, needed, n)) {
        parts = p->value[n->arg[0]->id].group;
        if (ridden) VEC_PUSH(p->arena, &ridden->riders, n);
    } else if (turns.steps) {
        parts = add_sum_in_steps(p, n, &turns);
    } else if (parts) {
        VEC_PUSH(p->arena, &parts->stage[0].fused, parts->stage[0].root);
        parts->stage[0].root = n;
    } else {
        parts = add_group(p, n, PER_BLOCK, SUM_PARTIAL);
    }
    Group *fold = add_group(p, n, REDUCED, SUM_FOLD);
    fold->parts = parts;
    set_group(p, n, fold, 0);
}

/* By id: is it computed of parameters alone, and no new value of one? */
static bool *nodes_of_params(const Plan *p) {
    bool *of_params = ARENA_ARRAY(p->arena, bool, p->graph->nodes.n + 1);
    for (int i = 0; i < p->graph->nodes.n; i++) {
        const Node *n = p->graph->nodes.at[i];
        of_params[i] = n->op == OP_param || (n->nargs && !n->type.batched && n->op != OP_copy && !p->target[i]);
        for (int k = 0; k < n->nargs; k++) of_params[i] = of_params[i] && of_params[n->arg[k]->id];
    }
    return of_params;
}

/* By id: is it a pointwise map that has to wait for a sum over the batch, as a normalised one for its statistics? Others ride on the kernel before them. */
static bool *maps_that_wait(const Plan *p, const bool *of_params) {
    bool *waits = ARENA_ARRAY(p->arena, bool, p->graph->nodes.n + 1);
    for (int i = 0; i < p->graph->nodes.n; i++) {
        const Node *n = p->graph->nodes.at[i];
        for (int k = 0; n->type.batched && rule_of(n)->kind == LOWER_POINTWISE && n->op != OP_copy && k < n->nargs; k++) {
            const Node *arg = n->arg[k];
            waits[i] |= arg->type.batched ? waits[arg->id] && type_equal(arg->type, n->type) : !of_params[arg->id] && rule_of(arg)->kind != LOWER_SOURCE;
        }
    }
    return waits;
}

/* Does `user` make the elements of its argument k, which come in such cells, of that one's arguments? A gathered pointwise map hands them on. */
static bool gathers(const Plan *p, const Node *user, int k, const Cells *cells) {
    const LowerRule *rule = rule_of(user);
    if (p->value[user->id].gathered && rule->kind == LOWER_POINTWISE) return cells->size[0] * cells->size[1] == 1;
    return rule->reads_cells && rule->reads_cells(user, k, cells, p->options.machine.lanes);
}

/* Do all who read n make its elements of its arguments' themselves? Zeros around a map cannot be made so. */
static bool is_gathered(const Plan *p, const bool *needed, const bool *waits, const Node *n) {
    Cells cells = {{1, 1}, true};
    if (!p->options.fuse || !(waits[n->id] || (rule_of(n)->cells && rule_of(n)->cells(n, &cells)))) return false;
    for (int i = 0; i < p->graph->roots.n; i++)
        if (p->graph->roots.at[i].node == n) return false;
    for (int i = n->id + 1; i < p->graph->nodes.n; i++) {
        const Node *user = p->graph->nodes.at[i];
        for (int k = 0; needed[i] && k < user->nargs; k++)
            if (user->arg[k] == n && (!gathers(p, user, k, &cells) || (waits[n->id] && rule_of(user)->halo && rule_of(user)->halo(user, k)))) return false;
    }
    return true;
}

static void note_gathered(Plan *p, const bool *needed, const bool *of_params) {
    const bool *waits = maps_that_wait(p, of_params);
    for (int i = p->graph->nodes.n - 1; i >= 0; i--) p->value[i].gathered = needed[i] && is_gathered(p, needed, waits, p->graph->nodes.at[i]);
}

/* A reshape shares its argument's memory where nobody wants a halo around either: then both are just C*H*W numbers. */
static bool wants_halo(const Plan *p, const bool *needed, const Node *n) {
    for (int i = 0; i < p->graph->nodes.n; i++) {
        const Node *user = p->graph->nodes.at[i];
        for (int k = 0; needed[i] && k < user->nargs; k++) {
            if (user->arg[k] != n) continue;
            if (rule_of(user)->halo && rule_of(user)->halo(user, k)) return true;
            bool handed_on = p->value[i].gathered || user->op == OP_again || (user->op == OP_reshape && p->options.fuse);
            if (handed_on && wants_halo(p, needed, user)) return true;
        }
    }
    return false;
}

static bool is_view(const Plan *p, const bool *needed, const Node *n) {
    if (n->op == OP_again) return plan_value(p, n->arg[0])->group != NULL;
    if (n->op != OP_reshape || !p->options.fuse) return false;
    const Node *from = plan_value(p, n->arg[0])->node;
    return plan_value(p, from)->group && !wants_halo(p, needed, from) && !wants_halo(p, needed, n);
}

enum { ACROSS_BYTES = 6 << 20 }; /* what a core cannot keep of a last-level cache that others use, too */

bool plan_goes_across(const PlanOptions *options, int64_t weight_bytes, int64_t chunks) {
    return options->tile && chunks > 1 && weight_bytes >= ACROSS_BYTES;
}

/* ACROSS where each lane block would go through weights too large for the caches. */
static Domain domain_of(const Plan *p, const Node *n) {
    if (!n->type.batched) return REDUCED;
    bool large = rule_of(n)->across && plan_goes_across(&p->options, 4 * type_count(n->arg[1]->type), p->chunks);
    return large && !touches_caller(p, n) ? ACROSS : PER_BLOCK;
}

/* ---- stages ---- */

/* In which turns these tiles are made and eaten by the product or sum that alone reads them; steps 0: in a kernel of their own. */
static TileTurns tile_turns(const Plan *p, const bool *needed, const Node *n) {
    if ((n->op != OP_winograd_data && n->op != OP_winograd_gradient) || count_users(p, needed, n) != 1) return (TileTurns){0};
    for (int i = n->id + 1; i < p->graph->nodes.n; i++) {
        const Node *user = p->graph->nodes.at[i];
        if (needed[i] && user->op == OP_winograd_sum && reads_node(user, n)) return sum_turns(p, needed, user);
        if (!needed[i] || user->op != OP_winograd_product || user->arg[0] != n) continue;
        if (domain_of(p, user) != PER_BLOCK || count_users(p, needed, user) != 1) return (TileTurns){0};
        TileShape s = shape_of(n, user, user->attr.i[WINOGRAD_GROUPS]);
        return plan_tile_turns(&p->options, &s);
    }
    return (TileTurns){0};
}

/* The product of tiles that were left to it: a group of both. */
static void place_product(Plan *p, const Node *n, const TileTurns *turns) {
    Group *g = add_group(p, n->arg[0], PER_BLOCK, SUM_NONE);
    tiles_take_turns(p, g, n->arg[0], n, NULL, n->attr.i[WINOGRAD_GROUPS], turns);
}

/* The group whose next stage n becomes, or null: Winograd's pictures from the products before them, or a pool that eats the rows of a
 * convolution as they come. Returns the rows of a step, too. */
static Group *stage_before(const Plan *p, const Node *n, int64_t *rows) {
    if (!p->options.fuse || !n->nargs) return NULL;
    const Value *v = &p->value[n->arg[0]->id];
    if (v->view || !v->group || v->stage != v->group->nstages - 1) return NULL;
    const Stage *last = &v->group->stage[v->stage];
    *rows = n->op == OP_winograd_image ? winograd_image_tile(&n->attr) : 1;
    if (n->op == OP_winograd_image && v->group->nstages == 2 && last->root->op == OP_winograd_product && last->root == n->arg[0]) return ceil_div(n->type.dim[1], *rows) == v->group->steps ? v->group : NULL;
    if (!is_pool(n) || !pool_tiles(&n->attr, n->arg[0]->type)) return NULL;
    if (last->root->op == OP_conv && v->group->nstages == 1) return v->group;
    *rows = last->rows / n->attr.i[0];
    if (v->group->bands > 1 && last->band_axis == 2 && last->band % n->attr.i[1]) return NULL;
    return last->root->op == OP_winograd_image && v->group->nstages == 3 && last->rows % n->attr.i[0] == 0 ? v->group : NULL;
}

static void place_stage(Plan *p, const Node *n, Group *g, int64_t rows) {
    const Stage *last = &g->stage[g->nstages - 1];
    bool tiles = n->op == OP_winograd_image, channels = last->band_axis == (tiles ? 1 : 0);
    int64_t band = channels ? last->band : tiles ? last->band * rows : last->band / n->attr.i[1];
    if (g->nstages == 1) { /* a convolution: a step is a row of its pool */
        g->stage[0].axis = 1;
        g->stage[0].rows = n->attr.i[0];
        g->steps = n->type.dim[1];
    }
    add_stage(p, g, n, 1, rows, channels ? 0 : 2, band);
}

/* ---- each node in its turn ---- */

static void place_node(Plan *p, const bool *needed, const Node *n) {
    const LowerRule *rule = rule_of(n);
    const Node *twin = find_twin(p, n), *arg = latest_arg(p, n);
    int64_t rows = 1;
    TileTurns turns = n->op == OP_winograd_product ? tile_turns(p, needed, n->arg[0]) : (TileTurns){0};
    Group *before = stage_before(p, n, &rows);
    if (rule->kind == LOWER_SOURCE || p->value[n->id].gathered || tile_turns(p, needed, n).steps) return; /* such tiles are placed with their product */
    if (is_view(p, needed, n)) {
        p->value[n->id].view = n->arg[0];
    } else if (twin) {
        fuse_into(p, n, p->value[twin->id].group, p->value[twin->id].stage);
    } else if (rule->sums_batch) {
        place_sum(p, needed, n);
    } else if (rule->kind == LOWER_POINTWISE && arg && can_fuse(p, n, arg) && !update_waits(p, needed, n, p->value[arg->id].group)) {
        fuse_into(p, n, p->value[arg->id].group, p->value[arg->id].stage);
    } else if (turns.steps) {
        place_product(p, n, &turns);
    } else if (before) {
        place_stage(p, n, before, rows);
    } else {
        set_group(p, n, add_group(p, n, domain_of(p, n), SUM_NONE), 0);
    }
}

/* ---- who reads what ---- */

bool plan_sums_beside(const Group *g, const Node *n) {
    const Group *parts = g->sum == SUM_FOLD ? g->parts : g;
    for (int i = 0; parts->sum == SUM_PARTIAL && i < parts->stage[0].fused.n; i++)
        if (parts->stage[0].fused.at[i] == n) return true;
    for (int s = 0; s < parts->nstages; s++)
        for (int i = 0; i < parts->stage[s].riders.n; i++) {
            const Node *r = parts->stage[s].riders.at[i];
            if (n->nargs && rule_of(r)->sums_beside == n->op && r->arg[0] == n->arg[0]) return true;
        }
    return false;
}

typedef void (*ReadFn)(const Plan *p, void *ctx, Group *g, const Node *arg);

/* ... or for those that it is made of. */
static void read_value(const Plan *p, Group *g, const Node *n, ReadFn fn, void *ctx) {
    if (!p->value[n->id].gathered) fn(p, ctx, g, n);
    for (int k = 0; p->value[n->id].gathered && k < n->nargs; k++) read_value(p, g, n->arg[k], fn, ctx);
}

/* But not the whole of a sum that is taken beside one that rides on the group: it comes later. */
static void read_arguments(const Plan *p, Group *g, const Node *n, ReadFn fn, void *ctx) {
    for (int k = 0; k < n->nargs; k++)
        if (g->sum == SUM_FOLD || !plan_sums_beside(g, n->arg[k])) read_value(p, g, n->arg[k], fn, ctx);
}

/* Calls fn(group, argument) for every argument that a group reads from outside of its own expressions. Partial sums do not wait for the whole sum beside
 * them, however their operator is written; who folds them does. */
static void group_reads(const Plan *p, Group *g, ReadFn fn, void *ctx) {
    const Node *root = g->stage[0].root;
    if (g->sum == SUM_FOLD) {
        for (int k = 0; k < root->nargs; k++)
            if (plan_sums_beside(g, root->arg[k])) fn(p, ctx, g, root->arg[k]);
        for (int i = 0; i < g->stage[0].fused.n; i++) read_arguments(p, g, g->stage[0].fused.at[i], fn, ctx);
        return;
    }
    for (int s = 0; s < g->nstages; s++) {
        for (int k = 0; k < g->stage[s].root->nargs; k++)
            if (!plan_sums_beside(g, g->stage[s].root->arg[k])) read_value(p, g, g->stage[s].root->arg[k], fn, ctx);
        for (int i = 0; i < g->stage[s].fused.n; i++) read_arguments(p, g, g->stage[s].fused.at[i], fn, ctx);
        for (int i = 0; i < g->stage[s].riders.n; i++) read_arguments(p, g, g->stage[s].riders.at[i], fn, ctx);
    }
}

/* Which values and groups the plan's roots name. */
static void note_roots(Plan *p) {
    for (int i = 0; i < p->graph->roots.n; i++) {
        const Root *r = &p->graph->roots.at[i];
        if (!is_served(p, r)) continue;
        Value *v = plan_value(p, r->node);
        VEC_PUSH(p->arena, &v->roots, r);
    }
}

/* ---- levels: even ones are segments of per-block groups, odd ones of the others ---- */

static int level_after(const Plan *p, int level, Domain domain, Domain dep) {
    if (domain == PER_BLOCK && dep == PER_BLOCK && p->options.depth_first) return level;
    level++;
    return level + ((level & 1) != (domain != PER_BLOCK));
}

static void raise_level(const Plan *p, void *ctx, Group *g, const Node *arg) {
    const Group *dep = plan_value(p, arg)->group;
    (void)ctx;
    if (dep && dep != g) {
        int level = level_after(p, dep->level, g->domain, dep->domain);
        if (level > g->level) g->level = level;
    }
}

/* By the parameter's node id: the latest level at which a group other than its writer reads it. Who overwrites it comes after. */
typedef struct Readings { int *level; Group **writer; } Readings;

static void note_reading(const Plan *p, void *ctx, Group *g, const Node *arg) {
    Readings *r = ctx;
    (void)p;
    if (arg->op == OP_param && r->writer[arg->id] != g && g->level > r->level[arg->id]) r->level[arg->id] = g->level;
}

static void level_group(Plan *p, Group *g) {
    group_reads(p, g, raise_level, NULL);
    if (g->sum == SUM_FOLD) {
        int level = level_after(p, g->parts->level, REDUCED, PER_BLOCK);
        if (level > g->level) g->level = level;
    }
}

/* Is it made of parameters alone, as transformed weights are (and the decay of weights, which may come early as well)? */
static bool is_of_params(const Plan *p, const Group *g) {
    const Node *root = g->stage[0].root;
    for (int k = 0; k < root->nargs; k++)
        if (plan_value(p, root->arg[k])->group) return false;
    return g->domain == REDUCED && g->sum == SUM_NONE;
}

/* Where each group starts from: all at once, or without depth_first one after the other. Where there are transformed weights, per-block groups
 * come after them: the first that reads such weights would else part from those before it. */
static void level_start(Plan *p) {
    int last = -1, first = 0;
    for (int i = 0; i < p->groups.n; i++)
        if (is_of_params(p, p->groups.at[i])) first = 2;
    for (int i = 0; i < p->groups.n; i++) {
        Group *g = p->groups.at[i];
        g->level = p->options.depth_first ? (g->domain != PER_BLOCK ? 1 : first) : level_after(p, last, g->domain, REDUCED);
        last = g->level;
    }
}

/* Raises the groups that overwrite what others read behind those; says whether any moved. */
static bool raise_writers(Plan *p, Readings *r) {
    bool moved = false;
    memset(r->level, -1, sizeof *r->level * (size_t)p->graph->nodes.n);
    for (int i = 0; i < p->groups.n; i++) group_reads(p, p->groups.at[i], note_reading, r);
    for (int i = 0; i < p->graph->nodes.n; i++) {
        Group *writer = r->writer[i];
        if (!writer || r->level[i] < 0) continue;
        int level = level_after(p, r->level[i], writer->domain, REDUCED); /* REDUCED: not even depth first may it share the level */
        if (level <= writer->level) continue;
        writer->level = level;
        moved = true;
    }
    return moved;
}

/* ---- ... but what takes more memory than it is made of, or made again, is made late ---- */

typedef struct Sinking { int *latest; const Readings *readings; } Sinking; /* by group: the latest level that its readers allow */

/* The latest level at which a group of domain `dep` can run for a reader at this level. */
static int level_before(const Plan *p, int level, Domain reader, Domain dep) {
    if (reader == PER_BLOCK && dep == PER_BLOCK && p->options.depth_first) return level;
    level--;
    return level - ((level & 1) != (dep != PER_BLOCK));
}

static void come_before(const Plan *p, Sinking *s, const Group *dep, const Group *g) {
    int level = level_before(p, g->level, g->domain, dep->domain);
    if (level < s->latest[dep->index]) s->latest[dep->index] = level;
}

static void note_latest(const Plan *p, void *ctx, Group *g, const Node *arg) {
    const Group *dep = plan_value(p, arg)->group;
    if (dep && dep != g) come_before(p, ctx, dep, g);
}

/* A parameter has to be read before it is overwritten. */
static void note_overwriting(const Plan *p, void *ctx, Group *g, const Node *arg) {
    Sinking *s = ctx;
    (void)p;
    const Group *writer = arg->op == OP_param ? s->readings->writer[arg->id] : NULL;
    if (!writer || writer == g) return;
    int level = writer->level - 1;
    level -= (level & 1) != (g->domain != PER_BLOCK);
    if (level < s->latest[g->index]) s->latest[g->index] = level;
}

/* Does it take more memory than what it is made of, or is that there anyway until then? */
static bool is_made_late(const Node *root) {
    int64_t from = 0;
    if (reads_op(root, OP_again)) return true;
    for (int k = 0; k < root->nargs; k++) from += root->arg[k]->op == OP_param ? 0 : type_count(root->arg[k]->type);
    return type_count(root->type) > from;
}

/* Moves such groups to the latest levels. Readers come after what they read in the list of groups. */
static void sink_groups(Plan *p, const Readings *r) {
    Sinking s = {ARENA_ARRAY(p->arena, int, p->groups.n + 1), r};
    for (int i = 0; i < p->groups.n; i++) s.latest[i] = INT32_MAX;
    for (int i = p->groups.n - 1; i >= 0; i--) {
        Group *g = p->groups.at[i];
        group_reads(p, g, note_overwriting, &s);
        if (g->sum == SUM_NONE && g->nstages == 1 && is_made_late(g->stage[0].root) && s.latest[i] != INT32_MAX && s.latest[i] > g->level) g->level = s.latest[i];
        group_reads(p, g, note_latest, &s);
        if (g->sum == SUM_FOLD) come_before(p, &s, g->parts, g);
    }
}

/* The lowest levels that keep all in order; false where there are none. A raised writer raises those that read what it computes; if one of them
 * reads what it overwrites, or what another such writer does, this would never end. update_waits sees to it that netc's own updates end. */
static bool level_groups(Plan *p) {
    int n = p->graph->nodes.n;
    Readings r = {ARENA_ARRAY(p->arena, int, n + 1), ARENA_ARRAY(p->arena, Group *, n + 1)};
    for (int i = 0; p->train && i < p->graph->roots.n; i++) {
        const Root *root = &p->graph->roots.at[i];
        if (root->kind == ROOT_UPDATE) r.writer[root->target->id] = p->value[root->node->id].group;
    }
    level_start(p);
    int rounds = 0;
    do {
        if (rounds++ > p->groups.n) return false;
        for (int i = 0; i < p->groups.n; i++) level_group(p, p->groups.at[i]);
    } while (raise_writers(p, &r));
    if (p->options.depth_first) sink_groups(p, &r);
    p->levels = 0;
    for (int i = 0; i < p->groups.n; i++)
        if (p->groups.at[i]->level >= p->levels) p->levels = p->groups.at[i]->level + 1;
    return true;
}

/* ---- storage ---- */

static void note_read(Plan *p, Group *g, int stage, const Node *user, int k) {
    Value *v = plan_value(p, user->arg[k]);
    for (int i = 0; v->gathered && i < v->node->nargs; i++) note_read(p, g, stage, v->node, i);
    if (!v->group || (v->group == g && v->stage == stage)) return; /* a source, or part of the same expressions */
    if (v->group == g) return;                                     /* the rows between two stages: see below */
    bool rows = g->sum == SUM_DIRECT && user == g->stage[0].root && k == 0 && rule_of(user)->wants_rows && p->options.machine.lanes > 1;
    if (rows) {
        v->wants_rows = true;
        return;
    }
    v->stored = true;
    if (g->domain != PER_BLOCK || v->group->domain != PER_BLOCK || g->level != v->group->level) v->crosses = true;
}

static void note_reads(Plan *p, Group *g) {
    for (int s = 0; s < g->nstages; s++) {
        const Stage *stage = &g->stage[s];
        for (int k = 0; k < stage->root->nargs && g->sum != SUM_FOLD; k++) note_read(p, g, s, stage->root, k);
        for (int i = 0; i < stage->fused.n; i++)
            for (int k = 0; k < stage->fused.at[i]->nargs; k++) note_read(p, g, s, stage->fused.at[i], k);
        for (int i = 0; i < stage->riders.n; i++)
            for (int k = 0; k < stage->riders.at[i]->nargs; k++) note_read(p, g, s, stage->riders.at[i], k);
    }
    for (int s = 1; s < g->nstages; s++)
        for (int k = 0; k < g->stage[s].root->nargs; k++) {
            Value *v = plan_value(p, g->stage[s].root->arg[k]);
            v->rows_only = v->rows_only || v->group == g; /* unless somebody else reads it: note_storage */
        }
}

static void note_storage(Plan *p) {
    for (int i = 0; i < p->groups.n; i++) note_reads(p, p->groups.at[i]);
    for (int i = 0; i < p->graph->nodes.n; i++)
        if (p->value[i].stored) p->value[i].rows_only = false;
}

/* What is made of parameters comes first, so that it stands in nobody's way: in inference, batch norm rides on the convolution before it,
 * whose group has to come after that of 1 / standard deviation. */
static void place_nodes(Plan *p, const bool *needed, const bool *of_params) {
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < p->graph->nodes.n; i++)
            if (needed[i] && of_params[i] == (round == 0)) place_node(p, needed, p->graph->nodes.at[i]);
}

Plan *plan_build(Arena *a, const Graph *g, const PlanOptions *options, bool train) {
    Plan *p = ARENA_NEW(a, Plan);
    *p = (Plan){.arena = a, .graph = g, .options = *options, .train = train};
    p->value = ARENA_ARRAY(a, Value, g->nodes.n);
    p->chunks = ceil_div(g->model->train.batch, options->machine.lanes);
    bool *needed = needed_nodes(p);
    note_updates(p, needed);
    for (int i = 0; i < g->nodes.n; i++) p->value[i].node = g->nodes.at[i];
    const bool *of_params = nodes_of_params(p);
    note_gathered(p, needed, of_params);
    place_nodes(p, needed, of_params);
    note_roots(p);
    if (!level_groups(p)) return NULL;
    note_storage(p);
    return p;
}
