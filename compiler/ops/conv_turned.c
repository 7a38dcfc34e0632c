/* conv_turned.c: the gradient of a convolution's weights with channels in the lanes.
 *
 * With images in the lanes each sum has to be added up over the lanes at its end, and both operands are vectors, of which few fit the
 * registers. So one side, dy or x, is turned round, image by image with channels side by side; the numbers of the other, the spread side, multiply them.
 *
 *     for each part of the spread side's channels, for each run of `width` channels of the turned side: { sums = 0;
 *         for each lane block, for each few rows of dy: { turned = those rows;  sums[t,run] += over rows, columns and images of spread * turned, for each tap t };
 *         dw = sums }
 *
 * where the taps are the places of the kernel for each spread channel. What is turned serves them all. The more rows, the fewer times the sums go from and to memory; but what
 * is turned is read for each few taps, and should stay near.
 */
#include "conv_nest.h"

typedef struct Turned {
    Lower *lw;
    const Node *n;
    ConvShape c;
    bool on_x;                          /* x is turned, not dy */
    int64_t width, parts, spread, taps; /* channels of a run; parts of the spread side's channels in a group; channels and taps of a part */
    int64_t rows, tall, across;         /* rows of dy at a time; rows and columns that are turned for them */
    Affine g, run, part, row;           /* the group; the run's and the part's first channel in the group; the first of those rows */
    const Buffer *sums, *lines;         /* [taps, width]; [rows, columns, image, width] */
} Turned;

static int64_t places(const ConvShape *c) { return c->kernel[0] * c->kernel[1]; }

/* Points of x that are turned, in dimension d, for so many of dy: all that they meet. */
static int64_t stretch(const ConvShape *c, int d, int64_t points) {
    return c->kernel[d] == 1 ? points : (points - 1) * c->stride[d] + (c->kernel[d] - 1) * c->dilation[d] + 1;
}

enum { SUMS_BYTES = 80 << 10, TURNED_BYTES = 84 << 10, SPREAD_LEAST = 16 };

/* Channels of a part: the most that divide all and have sums of no more bytes than these, which a second-level cache holds beside the operands; where these are few, the fewest above, up to a limit. */
static int64_t spread_of(const ConvShape *c, int64_t channels, int64_t width) {
    int64_t most = i64_min(channels, i64_max(1, SUMS_BYTES / capped_mul(4 * width, places(c)))), below = most, parts = channels / most;
    while (channels % below) below--;
    while (channels % parts) parts--;
    return below < SPREAD_LEAST && channels / parts <= 8 * most ? channels / parts : below;
}

/* Rows of dy at a time: one, or as many as divide all rows and have no more than TURNED_BYTES turned for them. */
static Turned turned_side(const ConvShape *c, bool on_x, int lanes) {
    int64_t channels = on_x ? c->in : c->out, others = on_x ? c->out : c->in;
    Turned t = {.c = *c, .on_x = on_x, .width = channels % (2 * lanes) ? lanes : 2 * lanes};
    t.spread = spread_of(c, others, t.width);
    t.parts = others / t.spread;
    t.taps = t.spread * places(c);
    t.across = on_x ? stretch(c, 1, c->cols) : c->cols;
    int64_t most = TURNED_BYTES / capped_mul(4 * t.width * lanes, t.across);
    t.rows = i64_max(1, i64_min(c->rows, most));
    while (t.rows > 1 && (c->rows % t.rows || (on_x && stretch(c, 0, t.rows) > most))) t.rows--;
    t.tall = on_x ? stretch(c, 0, t.rows) : t.rows;
    return t;
}

/* Worth it if sums are long (their way from and to memory would take too long) and what is turned is used often enough: with few channels on the spread side, images in the lanes have
 * tiles that take all there is. Runs of one vector, where each multiply-add loads a number of its own, are worse than the small sums of a group, but those of a few points, each of which ends
 * in a sum over the lanes. */
static bool side_pays(const ConvShape *c, bool on_x, int lanes) {
    enum { TERMS_LEAST = 40, TAPS_LEAST = 56, POINTS_MOST = 16 };
    if (lanes == 1 || (on_x ? c->in : c->out) % lanes) return false;
    Turned t = turned_side(c, on_x, lanes);
    if (t.rows * c->cols * lanes < TERMS_LEAST) return false;
    if (t.tall > 2 * c->kernel[0] * t.rows) return false; /* most of it would not be used */
    return (t.spread >= SPREAD_LEAST || t.taps >= TAPS_LEAST) && (t.width > lanes || c->groups == 1 || c->rows * c->cols <= POINTS_MOST);
}

/* Numbers of an image that are turned. */
static int64_t turned_numbers(const Turned *t) { return (t->on_x ? t->c.in : t->c.out) * t->parts * (t->c.rows / t->rows) * t->tall * t->across; }

static ConvShape shape_of_dw(const Node *n) { return conv_shape_of(&n->attr, n->type, n->arg[1]->type.dim[1], n->arg[1]->type.dim[2]); }

bool conv_dw_turns(const Node *n, int lanes) {
    ConvShape c = shape_of_dw(n);
    return side_pays(&c, true, lanes) || side_pays(&c, false, lanes);
}

static Turned choose_side(const Node *n, int lanes) {
    ConvShape c = shape_of_dw(n);
    Turned x = turned_side(&c, true, lanes), dy = turned_side(&c, false, lanes);
    if (!side_pays(&c, false, lanes)) return x;
    return side_pays(&c, true, lanes) && turned_numbers(&x) < turned_numbers(&dy) ? x : dy;
}

bool conv_dw_turns_pairs(const Node *n, int lanes) { return conv_dw_turns(n, lanes) && choose_side(n, lanes).width > lanes; }

static void clear_sums(const Turned *t) {
    Arena *a = lower_arena(t->lw);
    Nest *nest = lower_nest(t->lw, t->n);
    const Var *tap = nest_axis(a, nest, "t", t->taps, false), *lane = nest_axis(a, nest, "u", t->width, false);
    lower_lane_axis(t->lw, nest, lane);
    nest_assign(a, nest, t->sums, lower_at(t->lw, 2, affine_var(a, tap), affine_var(a, lane)), expr_real(a, 0));
    lower_emit_local(t->lw, nest);
}

/* The element of a side, x or dy, at number v of its channels at hand. */
static const Expr *side_at(const Turned *t, bool x, const Var *v, Affine row, Affine col) {
    Arena *a = lower_arena(t->lw);
    Affine first = affine_add(a, affine_scale(a, t->g, x ? t->c.in : t->c.out), x == t->on_x ? t->run : t->part);
    return lower_load(t->lw, t->n->arg[x ? 0 : 1], lower_at(t->lw, 3, affine_add(a, first, affine_var(a, v)), row, col));
}

/* The row's number among those at a time. */
static Affine row_axis(const Turned *t, Nest *nest, int64_t rows, bool reduce) {
    Arena *a = lower_arena(t->lw);
    return rows > 1 ? affine_var(a, nest_axis(a, nest, "h", rows, reduce)) : affine_const(0);
}

static const Affine *line_at(const Turned *t, Affine h, Affine w, const Var *i, const Var *lane) {
    return lower_at(t->lw, 4, h, w, lower_affine(t->lw, i, 1, 0), lower_affine(t->lw, lane, 1, 0));
}

static void turn_rows(const Turned *t) {
    Lower *lw = t->lw;
    Arena *a = lower_arena(lw);
    Nest *nest = lower_nest(lw, t->n);
    Affine at[2] = {row_axis(t, nest, t->tall, false), affine_var(a, nest_axis(a, nest, "w", t->across, false))}, none = affine_const(0);
    const Var *lane = nest_axis(a, nest, "u", t->width, false), *i = nest_axis(a, nest, "i", lower_images(lw), false);
    lower_lane_axis(lw, nest, lane);
    lower_fix_image(lw, i);
    const Affine *to = line_at(t, at[0], at[1], i, lane);
    for (int d = 0; d < 2 && t->on_x; d++) at[d] = affine_add(a, conv_input(lw, &t->c, d, d ? none : t->row, none), affine_scale(a, at[d], t->c.kernel[d] == 1 ? t->c.stride[d] : 1));
    if (!t->on_x) at[0] = affine_add(a, at[0], t->row);
    nest_assign(a, nest, t->lines, to, side_at(t, t->on_x, lane, at[0], at[1]));
    lower_emit_local(lw, nest);
}

static void add_rows(const Turned *t) {
    Lower *lw = t->lw;
    Arena *a = lower_arena(lw);
    Nest *nest = lower_nest(lw, t->n);
    const Var *v = nest_axis(a, nest, t->on_x ? "o" : "c", t->spread, false);
    Affine k[2], at[2], turned[2];
    for (int d = 0; d < 2; d++) k[d] = affine_var(a, nest_axis(a, nest, d ? "s" : "r", t->c.kernel[d], false));
    const Var *lane = nest_axis(a, nest, "u", t->width, false);
    lower_lane_axis(lw, nest, lane);
    Affine tap = affine_add(a, affine_scale(a, affine_add(a, lower_affine(lw, v, t->c.kernel[0], 0), k[0]), t->c.kernel[1]), k[1]);
    const Affine *sum = lower_at(lw, 2, tap, affine_var(a, lane));
    at[0] = row_axis(t, nest, t->rows, true);
    at[1] = affine_var(a, nest_axis(a, nest, "w", t->c.cols, true));
    const Var *i = nest_axis(a, nest, "i", lower_images(lw), true);
    lower_fix_image(lw, i);
    for (int d = 0; d < 2; d++) {
        turned[d] = t->on_x && t->c.kernel[d] > 1 ? affine_add(a, affine_scale(a, at[d], t->c.stride[d]), affine_scale(a, k[d], t->c.dilation[d])) : at[d];
        if (d == 0) at[0] = affine_add(a, at[0], t->row);
        if (!t->on_x) at[d] = conv_input(lw, &t->c, d, at[d], k[d]);
    }
    const Expr *acc = nest_acc(a, nest, ELEM_F32, expr_load(a, t->sums, sum));
    nest_update(nest, acc, expr_ternary(a, EXPR_FMA, side_at(t, !t->on_x, v, at[0], at[1]), expr_load(a, t->lines, line_at(t, turned[0], turned[1], i, lane)), acc));
    nest_assign(a, nest, t->sums, sum, acc);
    lower_emit_local(lw, nest);
}

/* Puts the sums into rows, where they lie side by side as in the weights of an output channel. dy turned: squares of taps and output channels. */
static void sums_to_rows(const Turned *t, const Buffer *rows) {
    Lower *lw = t->lw;
    Arena *a = lower_arena(lw);
    int64_t lanes = lower_images(lw);
    Nest *nest = lower_nest(lw, t->n);
    const Var *some = nest_axis(a, nest, "v", t->width / lanes, false), *tap = nest_axis(a, nest, "t", t->taps, false), *u = nest_axis(a, nest, "u", lanes, false);
    Affine channel = affine_add(a, lower_affine(lw, some, lanes, 0), affine_var(a, u)), number = affine_var(a, tap);
    lower_lane_axis(lw, nest, tap);
    nest_assign(a, nest, rows, lower_at(lw, 2, channel, number), expr_load(a, t->sums, lower_at(lw, 2, number, channel)));
    lower_emit_local(lw, nest);
}

/* The same with x turned: for each output channel, input channels by places of the kernel. */
static void sums_to_rows_of_x(const Turned *t, const Buffer *rows) {
    Lower *lw = t->lw;
    Arena *a = lower_arena(lw);
    Nest *nest = lower_nest(lw, t->n);
    const Var *o = nest_axis(a, nest, "o", t->spread, false), *place = nest_axis(a, nest, "t", places(&t->c), false), *c = nest_axis(a, nest, "c", t->width, false);
    lower_lane_axis(lw, nest, c);
    Affine tap = lower_affine(lw, o, places(&t->c), 0), number = lower_affine(lw, c, places(&t->c), 0), at = affine_var(a, place);
    nest_assign(a, nest, rows, lower_at(lw, 2, affine_var(a, o), affine_add(a, number, at)), expr_load(a, t->sums, lower_at(lw, 2, affine_add(a, tap, at), affine_var(a, c))));
    lower_emit_local(lw, nest);
}

/* Of the weights of an output channel, those at hand lie side by side: they get the lanes. */
static void hand_on_sums(const Turned *t) {
    Lower *lw = t->lw;
    Arena *a = lower_arena(lw);
    int64_t outs = t->on_x ? t->spread : t->width, side_by_side = t->on_x ? t->width * places(&t->c) : t->taps;
    const Buffer *rows = lower_scratch(lw, "rows", type_param(2, outs, side_by_side, 0, 0));
    if (t->on_x) sums_to_rows_of_x(t, rows);
    else sums_to_rows(t, rows);
    Nest *nest = lower_nest(lw, t->n);
    const Var *o = nest_axis(a, nest, "o", outs, false), *p = nest_axis(a, nest, "p", side_by_side, false);
    lower_lane_axis(lw, nest, p);
    Affine out = affine_add(a, affine_scale(a, t->g, t->c.out), affine_add(a, t->on_x ? t->part : t->run, affine_var(a, o)));
    Affine first = affine_scale(a, affine_add(a, affine_scale(a, out, t->c.in), t->on_x ? t->run : t->part), places(&t->c));
    lower_flatten(lw);
    lower_emit(lw, nest, t->n, lower_at(lw, 1, affine_add(a, first, affine_var(a, p))), expr_load(a, rows, lower_at(lw, 2, affine_var(a, o), affine_var(a, p))));
}

void lower_conv_dw_turned(Lower *lw, const Node *n) {
    Arena *a = lower_arena(lw);
    Turned t = choose_side(n, lower_images(lw));
    t.lw = lw;
    t.n = n;
    int64_t groups = t.c.groups, runs = (t.on_x ? t.c.in : t.c.out) / t.width;
    t.g = lower_open_loop(lw, "g", groups);
    Affine part = lower_open_loop(lw, "p", t.parts), before = affine_scale(a, affine_add(a, affine_scale(a, t.g, t.parts), part), runs);
    t.part = affine_scale(a, part, t.spread);
    t.run = affine_scale(a, lower_open_items(lw, "u", runs, before, groups * t.parts * runs), t.width);
    t.sums = lower_scratch(lw, "sums", type_param(2, t.taps, t.width, 0, 0));
    t.lines = lower_scratch(lw, "turned", type_param(4, t.tall, t.across, lower_images(lw), t.width));
    clear_sums(&t);
    lower_open_blocks(lw);
    t.row = affine_scale(a, lower_open_loop(lw, "h", t.c.rows / t.rows), t.rows);
    turn_rows(&t);
    add_rows(&t);
    lower_close_loop(lw);
    lower_close_loop(lw);
    hand_on_sums(&t);
    lower_close_loop(lw);
    lower_close_loop(lw);
    lower_close_loop(lw);
}
