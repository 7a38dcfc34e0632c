/* algorithm.c: see algorithm.h. The prediction counts, for one lane block on one core, slots (cost.h): the time of a multiply-add or a load of
 * a vector, fewer or more of which fit a cycle, in which bytes move at schedule_bytes_per_cycle. */
#include "algorithm.h"

#include "ops/conv_nest.h"
#include "winograd.h"

static const double direct_efficiency = 0.90, direct_sum_efficiency = 0.72, turned_sum_efficiency = 0.87, product_efficiency = 0.90, turned_product_efficiency = 0.78; /* of the peak, as measured (docs/performance.md) */
static const double margin = 0.85;    /* Winograd's has to be faster by this: its errors are larger, and nothing but pointwise operators is fused behind it */
static const double spilled = 2.5;    /* cycles for each instruction of a transform: measured as they were written out, and spilled; loops take fewer, stores that wait more */
enum { LANE_SUM_CYCLES = 5, TURN_CYCLES = 6 };

/* What a convolution and its adjoints have in common: pictures of rows x cols of k channels from c by kernels of r x r, in so many groups of k and c channels, those of dx (turned) in tiles of `points` points for each
 * of dy's. `macs`: the multiply-adds of the sum that it stands for; `direct`: those that a direct sum takes, a few more, or fewer where products with zeros are left out. */
typedef struct Shape { bool turned; int r, stride, pad, points; int64_t groups, k, c, rows, cols, macs; double direct; } Shape;

typedef struct Choice { int tile; double cycles; int64_t pack; } Choice; /* tile 0: direct */

typedef struct Pass {
    Graph *g;
    const PlanOptions *options;
    double blocks;  /* lane blocks of a batch */
    Node **node;    /* by id: what stands for the node now */
    AlgorithmNotes *notes; /* or null */
} Pass;

static double far_cycles(const Pass *p, double bytes) { return bytes / schedule_bytes_per_cycle(bytes) * p->options->machine.fmas; }
static double vector_bytes(const Pass *p) { return 4.0 * p->options->machine.lanes; }
static int64_t tiles_down(const Shape *s, int tile) { return ceil_div(s->rows, tile * s->points); }
static int64_t tiles_across(const Shape *s, int tile) { return ceil_div(s->cols, tile * s->points); }
static int64_t tiles_of(const Shape *s, int tile) { return tiles_down(s, tile) * tiles_across(s, tile); }
static int square(int x) { return x * x; }
static WinogradWay way_of(const Shape *s, int tile) { return (WinogradWay){tile, s->r, s->stride, s->pad}; }

/* Cycles of a two-dimensional transform of one tile of vectors, and of moving its result on. */
static double transform_cycles(const Pass *p, const WinogradMatrix *x, double moved, double in_all) {
    WinogradCode c = winograd_code(x);
    int lines = x->cols + x->rows;
    double bytes = in_all * vector_bytes(p), far = bytes > BYTES_NEAR ? 1 - BYTES_NEAR / bytes : 0; /* what stays in a core's own cache moves meanwhile */
    double rate = far * far_cycles(p, bytes) / in_all;
    const double ways = 1.5; /* there, and back: half of that hides behind the products */
    return spilled * lines * winograd_code_cost(&c) + square(x->cols) + square(x->rows) + ways * moved * rate;
}

/* ---- products ---- */

/* Cycles for one place and one channel of the sum: register tiles of pack x size. Loads hide behind multiply-adds; a few count all
 * the same, so that of equal tiles the squarest is taken. */
static double pack_cycles(int64_t k, int64_t tiles, int64_t pack, int64_t size) {
    int64_t n = ceil_div(tiles, size), large = tiles % n, small = tiles / n;
    double cycles = 0;
    for (int i = 0; i < 2; i++) {
        double width = (double)(small + (i == 0)), count = (double)(i == 0 ? large : n - large);
        double sums = (double)pack * width, loads = (double)pack / 2 + width;
        cycles += count * ((sums > 8 ? (sums > loads ? sums : loads) : 8) + loads / 16);
    }
    return cycles * (double)(k / pack);
}

/* The number of k output channels that are best packed together for register tiles of these and of one of `tiles` columns, in sums over c channels. */
static int64_t choose_pack(const Pass *p, int64_t k, int64_t c, int64_t tiles, double *cycles) {
    int64_t budget = p->options->machine.registers * 3 / 4, best = 1;
    *cycles = 0;
    for (int64_t pack = 1; pack <= budget && pack <= k; pack++)
        for (int64_t size = 1; k % pack == 0 && pack * size <= budget && size <= tiles; size++) {
            double price = pack_cycles(k, tiles, pack, size);
            if ((*cycles > 0 && price >= *cycles * 0.999) || !schedule_fits_registers(&p->options->machine, pack * size, i64_min(pack, size), c)) continue;
            *cycles = price;
            best = pack;
        }
    return best;
}

/* The most of c channels, up to `most`, that come out even. */
static int64_t even_part(int64_t c, int64_t most) {
    int64_t part = i64_min(c, most);
    while (c % part) part--;
    return part;
}

/* Channels that a line of the transformed weights holds: as many as lanes where that comes out even. */
static int64_t line_of(const Pass *p, int64_t c) { return even_part(c, p->options->machine.lanes); }

static TileShape shape_of(const Shape *s, int tile, int64_t places) {
    return (TileShape){tiles_down(s, tile), tiles_across(s, tile), places, s->groups * (s->k + s->c), s->groups, s->groups * s->k * s->c};
}

/* Of forward or (more points a tile) backward_data. */
static Choice price_product(const Pass *p, const Shape *s, int tile) {
    Winograd f = winograd_turned(way_of(s, tile), s->turned);
    double places = square(f.n), tiles = (double)tiles_of(s, tile), k = (double)s->k, c = (double)s->c, groups = (double)s->groups, one;
    Choice x = {.tile = tile};
    bool across = plan_goes_across(p->options, 4 * square(f.n) * s->groups * s->k * s->c, (int64_t)p->blocks);
    TileShape shape = shape_of(s, tile, square(f.n));
    TileTurns turns = plan_tile_turns(p->options, &shape);
    if (across || !turns.steps) turns = (TileTurns){.steps = 0, .columns = tiles_of(s, tile), .groups = s->groups}; /* all at once */
    x.pack = choose_pack(p, s->k, s->c, across ? i64_max(turns.columns, (int64_t)p->blocks) : turns.columns, &one);
    if (across && p->blocks > tiles) one *= tiles / p->blocks;
    double product = places * c * one / product_efficiency, weights = far_cycles(p, places * k * c * 4) / (across ? p->blocks : 1);
    int64_t times = turns.steps ? turns.steps * (shape.columns / turns.columns) : 1, rest = turns.steps ? shape.columns % turns.columns : 0;
    x.cycles = groups * (double)times * (product > weights ? product : weights);
    if (rest) {
        product = places * c * pack_cycles(s->k, rest, x.pack, rest) / product_efficiency;
        x.cycles += groups * (double)turns.steps * (product > weights ? product : weights);
    }
    double in_all = places * (double)turns.columns * (double)turns.groups * (k + c);
    x.cycles += groups * c * tiles * transform_cycles(p, &f.input, places, in_all) + groups * k * tiles * transform_cycles(p, &f.output, places, in_all);
    x.cycles += groups * k * c / p->blocks * (3 * square(s->r) + (transform_cycles(p, &f.kernel, places, places * groups * k * c / p->options->machine.lanes)) / (double)line_of(p, s->c));
    return x;
}

/* Of backward_weights. What the sum reads comes while it multiplies, but not wholly (cost.h): of that, half is already in what the transforms move. */
static Choice price_sum(const Pass *p, const Shape *s, int tile) {
    Winograd f = winograd_conv_dw(way_of(s, tile));
    double places = square(f.n), tiles = (double)tiles_of(s, tile), k = (double)s->k, c = (double)s->c, groups = (double)s->groups, numbers = places * tiles * groups * (k + c), in_all = numbers;
    bool parts = plan_sums_partially(p->options, square(f.n) * s->groups * s->k * s->c, capped_mul((int64_t)numbers, (int64_t)p->blocks * p->options->machine.lanes), (int64_t)p->blocks);
    bool turned = schedule_fills_lanes(s->c, p->options->machine.lanes);
    TileShape shape = shape_of(s, tile, square(f.n));
    TileTurns turns = plan_tile_turns(p->options, &shape);
    if (turns.steps && turned && parts && plan_sum_takes_turns(&shape, square(f.n) * s->groups * s->k * s->c, p->options->machine.lanes))
        in_all = places * (double)turns.columns * (double)turns.groups * (k + c);
    else if (!parts)
        in_all *= p->blocks; /* all tiles are made before the sum */
    double folds = turned ? places * c * tiles * TURN_CYCLES : places * k * c * LANE_SUM_CYCLES / (parts ? 1 : p->blocks);
    Choice x = {.tile = tile, .pack = 1};
    double sum = groups * places * k * c * tiles / (turned ? turned_product_efficiency : product_efficiency), reading = far_cycles(p, in_all * vector_bytes(p)) * numbers / in_all;
    x.cycles = (sum > reading ? sum + reading / 2 : reading + sum / 2) + groups * folds;
    x.cycles += groups * (c * tiles * transform_cycles(p, &f.input, places, in_all) + k * tiles * transform_cycles(p, &f.kernel, places, in_all));
    x.cycles += groups * k * c / p->blocks * (6 * square(s->r) + transform_cycles(p, &f.output, places, places * groups * k * c / p->options->machine.lanes) / p->options->machine.lanes);
    return x;
}

/* ---- choosing ---- */

static const char *key_of(const Pass *p, const Shape *s, nrt_pass pass) {
    const char *groups = s->groups > 1 ? arena_printf(p->g->arena, " in %lld groups", (long long)s->groups) : "";
    const char *steps = s->stride > 1 ? arena_printf(p->g->arena, " stride %d", s->stride) : "";
    return arena_printf(p->g->arena, "%s %dx%d%s %lld->%lld %lldx%lld%s batch %lld", pass_names[pass], s->r, s->r, steps, (long long)(s->groups * s->c), (long long)(s->groups * s->k), (long long)s->rows,
                        (long long)s->cols, groups, (long long)p->g->model->train.batch);
}

/* The tile to take whatever it is predicted to cost: of a test, or measured; 0: the direct sum, TUNED_UNKNOWN: as predicted. */
static int forced_tile(const Pass *p, const char *key) {
    if (p->options->winograd_tile) return p->options->winograd_tile;
    return p->options->tuned ? tuned_find(p->options->tuned, key) : TUNED_UNKNOWN;
}

/* The best tile beside the direct sum at that share of the peak. Tile 1 saves nothing. */
static Choice best_choice(const Pass *p, const Shape *s, const char *key, double efficiency, Choice (*price)(const Pass *p, const Shape *s, int tile)) {
    double direct = s->direct / efficiency;
    Choice best = {.tile = 0, .cycles = direct * margin};
    int forced = forced_tile(p, key);
    for (int tile = 2; winograd_fits(tile, s->r, s->stride); tile++) {
        if (forced != TUNED_UNKNOWN && tile != forced) continue;
        Choice x = price(p, s, tile);
        if (forced != TUNED_UNKNOWN || x.cycles < best.cycles) best = x;
    }
    return best;
}

static Choice choose(const Pass *p, const Shape *s, double efficiency, Choice (*price)(const Pass *p, const Shape *s, int tile)) {
    const char *key = key_of(p, s, p->g->pass);
    Choice c = best_choice(p, s, key, efficiency, price);
    if (p->notes) VEC_PUSH(p->notes->arena, &p->notes->list, ((AlgorithmNote){p->g->layer, p->g->pass, key, c.tile}));
    return c;
}

/* May Winograd's way compute it? All with one square kernel of 2 or more, steps shorter than it, and dilation 1. */
static bool has_form(const Node *conv, Type w) {
    const int64_t *i = conv->attr.i, stride = i[CONV_STRIDE];
    for (int d = 0; d < 2; d++)
        if (i[CONV_STRIDE + d] != stride || i[CONV_DILATION + d] != 1 || i[CONV_PAD + d] >= w.dim[2 + d]) return false;
    return w.dim[2] == w.dim[3] && stride < w.dim[2] && winograd_fits(2, w.dim[2], stride);
}

/* Of n or one of its adjoints, with these weights: y or dy from x. */
static Shape plain_shape(const Node *n, Type w, Type y) {
    int64_t stride = n->attr.i[CONV_STRIDE], groups = n->attr.i[CONV_GROUPS], macs = type_count(w) * y.dim[1] * y.dim[2];
    return (Shape){.r = (int)w.dim[2], .stride = (int)stride, .pad = (int)(n->attr.i[CONV_PAD] % stride), .points = 1, .groups = groups, .k = w.dim[0] / groups, .c = w.dim[1], .rows = y.dim[1], .cols = y.dim[2],
                   .macs = macs, .direct = (double)macs};
}

/* ---- building ---- */

static Node *tiles_node(Pass *p, Node *x, int tile, const Shape *s, const int64_t pad[2], int use) {
    Attr attr = {.i = {tile, s->r, s->stride, s->turned, pad[0], pad[1], tiles_down(s, tile), tiles_across(s, tile), use}};
    return graph_node(p->g, OP_winograd_data, attr, 1, &x);
}

/* The convolution of x with w, or (turned) its adjoint. */
static Node *product_node(Pass *p, Node *x, Node *w, const Shape *s, const int64_t pad[2]) {
    Choice c = choose(p, s, direct_efficiency, price_product);
    if (!c.tile) return NULL;
    Node *v = tiles_node(p, x, c.tile, s, pad, 0);
    Node *u = graph_node(p->g, OP_winograd_kernel, (Attr){.i = {c.tile, c.pack, line_of(p, s->c), s->turned, s->groups, s->stride, s->turned ? s->pad : 0}}, 1, &w);
    Attr direct = {.i = {s->macs, s->groups}};
    Node *m = graph_node(p->g, OP_winograd_product, direct, 2, (Node *[]){v, u});
    return graph_node(p->g, OP_winograd_image, (Attr){.i = {c.tile, s->r, s->stride, s->turned, s->turned ? s->pad : 0, s->rows, s->cols}}, 1, &m);
}

static Node *forward_node(Pass *p, const Node *n, Node *const *arg) {
    Type w = arg[1]->type;
    if (!has_form(n, w)) return NULL;
    Shape s = plain_shape(n, w, n->type);
    return product_node(p, arg[0], arg[1], &s, &n->attr.i[CONV_PAD]);
}

/* Of the points of dx, numbers lo to hi - 1, how many does place k of the kernel reach in its steps? */
static int64_t reached(const Shape *s, int64_t pad, int64_t k, int64_t lo, int64_t hi) {
    int64_t first = (k - pad) % s->stride, phase = first < 0 ? first + s->stride : first;
    return hi <= lo ? 0 : floor_div(hi - 1 - phase, s->stride) - floor_div(lo - 1 - phase, s->stride);
}

/* Products of a row (d = 0: column) of `size` points of dx with all of a kernel, of `from` points of dy: those with zeros around dy are left out where they are more than a tenth, as conv.c's skips_taps has it, and
 * along columns where these are few enough to be gone through one by one. */
static int64_t products_along(int d, int64_t from, const Shape *s, int64_t pad, int64_t size) {
    enum { COLUMNS_MOST = 8 }; /* as schedule_choose.c peels (TILES_MOST) */
    int64_t all = 0, inside = 0;
    for (int64_t k = 0; k < s->r; k++) {
        all += reached(s, pad, k, 0, size);
        inside += reached(s, pad, k, i64_max(0, k - pad), i64_min(size, (from - 1) * s->stride + k - pad + 1));
    }
    return inside * 10 < all * 9 && (d == 0 || ceil_div(size, s->stride) <= COLUMNS_MOST) ? inside : all;
}

/* dx, of dy and w with their channels exchanged. */
static Node *data_node(Pass *p, const Node *n, Node *const *arg) {
    Type w = arg[1]->type;
    const int64_t *pads = &n->attr.i[CONV_PAD], stride = n->attr.i[CONV_STRIDE];
    if (!has_form(n, w) || pads[0] % stride != pads[1] % stride) return NULL; /* one form for both dimensions */
    Shape s = plain_shape(n, w, n->type);
    s.turned = true;
    s.points = s.stride;
    s.k = w.dim[1];
    s.c = w.dim[0] / s.groups;
    s.macs = type_count(w) * arg[0]->type.dim[1] * arg[0]->type.dim[2];
    s.direct = (double)type_count(w);
    for (int d = 0; d < 2; d++) s.direct *= (double)products_along(d, arg[0]->type.dim[1 + d], &s, n->attr.i[CONV_PAD + d], n->type.dim[1 + d]) / s.r;
    return product_node(p, arg[0], arg[1], &s, &n->attr.i[CONV_PAD]);
}

static Node *weights_node(Pass *p, const Node *n, Node *const *arg) {
    if (!has_form(n, n->type)) return NULL;
    Shape s = plain_shape(n, n->type, arg[1]->type);
    Choice c = choose(p, &s, conv_dw_turns_pairs(n, p->options->machine.lanes) ? turned_sum_efficiency : direct_sum_efficiency, price_sum);
    if (!c.tile) return NULL;
    Attr form = {.i = {c.tile, s.r, s.stride}}, direct = {.i = {s.macs, s.groups}};
    Node *v = tiles_node(p, arg[0], c.tile, &s, &n->attr.i[CONV_PAD], 1), *d = graph_node(p->g, OP_winograd_gradient, form, 1, &arg[1]);
    Node *sum = graph_node(p->g, OP_winograd_sum, direct, 2, (Node *[]){v, d});
    return graph_node(p->g, OP_winograd_weights, form, 1, &sum);
}

/* Output channels of a group, of `outs`, that weights by input have side by side: those of a line of memory. One row has all of a kernel's only place, which no other place's rows can crowd out, and of channels of
 * which no good part of a line comes out even. */
static int64_t by_input_line(Type w, int64_t outs) {
    enum { LINE_LEAST = 4 };
    int64_t line = even_part(outs, LINE / 4);
    return w.dim[2] * w.dim[3] == 1 || line < LINE_LEAST || outs / line > TYPE_DIM_MAX / w.dim[2] ? outs : line;
}

/* A tile of the direct gradient goes through all out channels for a few in channels, whose numbers lie apart in w: its lines may be all of w. If that is a good part of a first-level cache, numbers
 * are copied so that they lie as they are summed, where there are sums enough that the copy is next to nothing. */
static Node *by_input_node(Pass *p, const Node *n, Node *const *arg) {
    enum { SUMS_LEAST = 256, BYTES_LEAST = 16 << 10 };
    Type w = arg[1]->type, dy = arg[0]->type;
    int64_t groups = n->attr.i[CONV_GROUPS], outs = w.dim[0] / groups, line = by_input_line(w, outs);
    Attr attr = n->attr;
    bool often = capped_mul(capped_mul(dy.dim[1], dy.dim[2]), p->g->model->train.batch) >= SUMS_LEAST, many = 4 * type_count(w) >= BYTES_LEAST;
    if (!p->options->tile || attr.i[CONV_BY_INPUT] || outs == 1 || !((often && many) || p->options->by_input)) return NULL;
    Node *by_input = graph_node(p->g, OP_weights_by_input, (Attr){.i = {groups, line}}, 1, &arg[1]);
    attr.i[CONV_BY_INPUT] = 1;
    return graph_node(p->g, OP_conv_dx, attr, 2, (Node *[]){arg[0], by_input});
}

/* What stands for n, whose arguments have what stands for them. */
static Node *rebuilt(Pass *p, Node *n) {
    Node **arg = ARENA_ARRAY(p->g->arena, Node *, n->nargs + 1), *other = NULL;
    bool same = true;
    for (int k = 0; k < n->nargs; k++) {
        arg[k] = p->node[n->arg[k]->id];
        same = same && arg[k] == n->arg[k];
    }
    p->g->span = n->span;
    p->g->layer = n->name;
    p->g->pass = n->pass;
    if (n->op == OP_conv && p->options->winograd) other = forward_node(p, n, arg);
    if (n->op == OP_conv_dx && p->options->winograd && !n->attr.i[CONV_BY_INPUT]) other = data_node(p, n, arg);
    if (n->op == OP_conv_dw && p->options->winograd) other = weights_node(p, n, arg);
    if (n->op == OP_conv_dx && !other) other = by_input_node(p, n, arg);
    if (other) return other;
    return same ? n : graph_node(p->g, n->op, n->attr, n->nargs, arg);
}

void algorithm_choose(Graph *g, const PlanOptions *options) { algorithm_choose_noting(g, options, NULL); }

void algorithm_choose_noting(Graph *g, const PlanOptions *options, AlgorithmNotes *notes) {
    int n = g->nodes.n;
    Pass p = {.g = g, .options = options, .notes = notes, .node = ARENA_ARRAY(g->arena, Node *, n + 1)};
    p.blocks = (double)ceil_div(g->model->train.batch, options->machine.lanes);
    for (int i = 0; i < n; i++) p.node[i] = rebuilt(&p, g->nodes.at[i]);
    for (int i = 0; i < g->roots.n; i++) g->roots.at[i].node = p.node[g->roots.at[i].node->id];
}
