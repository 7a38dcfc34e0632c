/* linear_blocked.c: large linear layers across the batch, y = x w^T and dx = dy w.
 *
 * Every output feature multiplies all of the data, which a core's own cache seldom holds. So a run of output features goes through the terms block by block: data and weights of a
 * block stay near while all tiles of the run use them, and what a block sums is added to the run's sums.
 *
 *     for each run of output features: { sums = 0;  for each block of terms: sums += weights * data;  y = sums }
 *
 * dx goes down the columns of w, whose rows lie kilobytes apart: many of them fall into few sets of the caches. There a block's weights are copied side by side first.
 */
#include "linear_blocked.h"

#include "../ops.h"

typedef struct Cut { int64_t run, terms; } Cut; /* features of a run, terms of a block: at most */
/* What is asked for while a block is summed has to stay in the caches, too: of rows that lie kilobytes apart, few can. Processors with AVX2 mostly have half of the second-level cache that those with AVX-512
 * have, or less. */
static const Cut rows_cut = {64, 512}, columns_cut = {128, 32}, avx2_rows_cut = {48, 256}, avx2_columns_cut = {64, 32};

typedef struct Blocked {
    Lower *lw;
    const Node *n;
    bool columns;                 /* dx: down the columns of w */
    int64_t terms, block;         /* of a sum; of a block of it */
    int64_t run;                  /* output features */
    Affine first, from;           /* the run's first feature, the block's first term */
    const Buffer *copied, *sums;  /* [block, run]; [run, lane blocks, lanes], null where one block is all */
} Blocked;

static Cut cut_of(const Node *n, int lanes) {
    bool avx2 = lanes == 8;
    if (n->op == OP_linear_dx) return avx2 ? avx2_columns_cut : columns_cut;
    return avx2 && n->op == OP_linear ? avx2_rows_cut : rows_cut;
}

static int64_t terms_of(const Node *n) { return n->arg[0]->type.dim[0]; }

enum { RUNS_LEAST = 24 };

bool linear_has_long_rows(int64_t terms, int64_t features, int lanes) { return terms > rows_cut.terms && features >= RUNS_LEAST * lanes; }

bool linear_blocks_rows(const Node *n, int lanes) { return lanes > 1 && linear_has_long_rows(terms_of(n), n->type.dim[0], lanes); }
bool linear_blocks_columns(const Node *n, int lanes) { return lanes > 1 && n->type.dim[0] >= lanes; }

/* Output features of a run: fewer where there would not be enough runs for all threads. */
static int64_t run_of(int64_t features, int64_t most, int lanes) {
    int64_t run = most;
    while (run > lanes && features / run < RUNS_LEAST) run /= 2;
    return run;
}

/* Terms of a block: a divisor of all, unless those are few and far between. */
static int64_t block_of(int64_t terms, int64_t most) {
    int64_t blocks = ceil_div(terms, most);
    for (int64_t more = blocks; more <= 2 * blocks; more++)
        if (terms % more == 0) return terms / more;
    return ceil_div(terms, blocks);
}

/* The axis over the terms of the block at hand. */
static Affine term_axis(const Blocked *x, Nest *nest, bool reduce) {
    Arena *a = lower_arena(x->lw);
    const Var *k = nest_axis(a, nest, "k", x->block, reduce);
    if (x->terms % x->block) nest_clamp(nest, affine_const(0), affine_offset(affine_scale(a, x->from, -1), x->terms));
    return affine_var(a, k);
}

static void copy_columns(const Blocked *x) {
    Lower *lw = x->lw;
    Arena *a = lower_arena(lw);
    Nest *nest = lower_nest(lw, x->n);
    Affine k = term_axis(x, nest, false);
    const Var *i = nest_axis(a, nest, "i", x->run, false);
    lower_lane_axis(lw, nest, i);
    Affine column = affine_var(a, i);
    nest_assign(a, nest, x->copied, lower_at(lw, 2, k, column), lower_load(lw, x->n->arg[1], lower_at(lw, 2, affine_add(a, x->from, k), affine_add(a, x->first, column))));
    lower_emit_local(lw, nest);
}

/* The axes over the run's features and the lane blocks. */
static Affine sum_axes(const Blocked *x, Nest *nest) {
    Affine feature = affine_var(lower_arena(x->lw), nest_axis(lower_arena(x->lw), nest, x->columns ? "i" : "o", x->run, false));
    lower_block_axis(x->lw, nest);
    return feature;
}

static const Affine *sum_at(const Blocked *x, Affine feature) { return lower_at(x->lw, 3, feature, lower_block(x->lw), lower_lane(x->lw)); }

static void clear_sums(const Blocked *x) {
    Nest *nest = lower_nest(x->lw, x->n);
    Affine feature = sum_axes(x, nest);
    nest_assign(lower_arena(x->lw), nest, x->sums, sum_at(x, feature), expr_real(lower_arena(x->lw), 0));
    lower_emit_local(x->lw, nest);
}

static void add_block(const Blocked *x) {
    Lower *lw = x->lw;
    Arena *a = lower_arena(lw);
    Nest *nest = lower_nest(lw, x->n);
    Affine feature = sum_axes(x, nest), whole = affine_add(a, x->first, feature), k = term_axis(x, nest, true), term = affine_add(a, x->from, k);
    const Expr *acc = nest_acc(a, nest, ELEM_F32, expr_real(a, 0)), *data = lower_load(lw, x->n->arg[0], lower_at(lw, 1, term));
    const Expr *w = x->columns ? expr_load(a, x->copied, lower_at(lw, 2, k, feature)) : lower_load(lw, x->n->arg[1], lower_at(lw, 2, whole, term));
    nest_update(nest, acc, expr_ternary(a, EXPR_FMA, w, data, acc));
    if (x->sums) {
        const Affine *at = sum_at(x, feature);
        nest_assign(a, nest, x->sums, at, expr_binary(a, EXPR_ADD, expr_load(a, x->sums, at), acc));
        lower_emit_local(lw, nest);
    } else {
        lower_emit(lw, nest, x->n, lower_at(lw, 1, whole), acc);
    }
}

static void hand_on_sums(const Blocked *x) {
    Nest *nest = lower_nest(x->lw, x->n);
    Affine feature = sum_axes(x, nest);
    lower_emit(x->lw, nest, x->n, lower_at(x->lw, 1, affine_add(lower_arena(x->lw), x->first, feature)), expr_load(lower_arena(x->lw), x->sums, sum_at(x, feature)));
}

static void with_lanes(const Blocked *x, void (*fn)(const Blocked *x)) {
    lower_open_lanes(x->lw);
    fn(x);
    lower_close_lanes(x->lw);
}

/* `run` of n's output features from number `first` on. */
static void lower_run(Lower *lw, const Node *n, Affine first, int64_t run) {
    Blocked x = {.lw = lw, .n = n, .columns = n->op == OP_linear_dx, .terms = terms_of(n), .first = first, .run = run};
    x.block = block_of(x.terms, cut_of(n, lower_images(lw)).terms);
    if (x.columns) x.copied = lower_scratch(lw, arena_printf(lower_arena(lw), "columns%lld", (long long)run), type_param(2, x.block, run, 0, 0));
    if (x.block < x.terms) x.sums = lower_scratch(lw, arena_printf(lower_arena(lw), "sums%lld", (long long)run), type_param(3, run, lower_blocks(lw), lower_images(lw), 0));
    if (x.sums) with_lanes(&x, clear_sums);
    x.from = affine_scale(lower_arena(lw), lower_open_loop(lw, "k", ceil_div(x.terms, x.block)), x.block);
    if (x.columns) copy_columns(&x);
    with_lanes(&x, add_block);
    lower_close_loop(lw);
    if (x.sums) with_lanes(&x, hand_on_sums);
}

void linear_each_run(Lower *lw, const Node *n, void (*lower)(Lower *lw, const Node *n, Affine first, int64_t run)) {
    int64_t features = n->type.dim[0], run = run_of(features, cut_of(n, lower_images(lw)).run, lower_images(lw)), whole = features / run, total = ceil_div(features, run);
    if (whole) {
        lower(lw, n, affine_scale(lower_arena(lw), lower_open_items(lw, "i", whole, affine_const(0), total), run), run);
        lower_close_loop(lw);
    }
    if (whole < total) {
        lower_open_items(lw, "i", 1, affine_const(whole), total);
        lower(lw, n, affine_const(whole * run), features % run);
        lower_close_loop(lw);
    }
}

void lower_linear_blocked(Lower *lw, const Node *n) { linear_each_run(lw, n, lower_run); }
