/* source.c: where values come from: the step's data, its learning rate and weight of an image, and the state.
 *
 * Sources have no gradient and no evaluation: whoever runs the graph gives their values.
 */
#include "../lower.h"
#include "../ops.h"

static const char *shape_attr(Arena *a, const char *what, const int64_t *rank_and_dims, int lo, int hi, bool batched, Type *out) {
    int64_t rank = rank_and_dims[0];
    if (rank < lo || rank > hi) return arena_printf(a, "%s needs %d to %d dimensions, got %lld", what, lo, hi, (long long)rank);
    for (int64_t i = rank; i < hi; i++)
        if (rank_and_dims[1 + i] != 0) return arena_printf(a, "%s has a dimension beyond its rank", what);
    return op_result(a, op_shape_attr(rank_and_dims, batched), out);
}

const char *input_shape(Arena *a, const Attr *attr, int nargs, const Type *args, Type *out) {
    (void)nargs, (void)args;
    return shape_attr(a, "input", &attr->i[SHAPE_RANK], 1, 3, true, out);
}

const char *target_shape(Arena *a, const Attr *attr, int nargs, const Type *args, Type *out) {
    (void)nargs, (void)args;
    return shape_attr(a, "target", &attr->i[SHAPE_RANK], 1, 3, true, out);
}

const char *labels_shape(Arena *a, const Attr *attr, int nargs, const Type *args, Type *out) {
    (void)nargs, (void)args;
    *out = (Type){.elem = ELEM_I32, .batched = true};
    return op_range(a, "classes", attr->i, 1, 1);
}

const char *image_weight_shape(Arena *a, const Attr *attr, int nargs, const Type *args, Type *out) {
    (void)a, (void)attr, (void)nargs, (void)args;
    *out = type_batched(0, 0, 0, 0);
    return NULL;
}

const char *learning_rate_shape(Arena *a, const Attr *attr, int nargs, const Type *args, Type *out) {
    (void)a, (void)attr, (void)nargs, (void)args;
    *out = type_param(0, 0, 0, 0, 0);
    return NULL;
}

const char *param_shape(Arena *a, const Attr *attr, int nargs, const Type *args, Type *out) {
    (void)nargs, (void)args;
    if (attr->i[PARAM_ROLE] < NRT_WEIGHT || attr->i[PARAM_ROLE] > NRT_OPTIM) return "param has an unknown role";
    const char *why = op_range(a, "fan_in and fan_out", &attr->i[PARAM_FAN_IN], 2, 0);
    return why ? why : shape_attr(a, "param", &attr->i[PARAM_RANK], 1, 4, false, out);
}

/* ---- lowering ---- */

/* The input is brought into lanes once, by a kernel of its own. */
static void lower_input(Lower *lw, const Node *n) {
    Arena *a = lower_arena(lw);
    Nest *nest = lower_nest(lw, n);
    Affine at[3];
    for (int i = 0; i < n->type.rank; i++) at[i] = lower_affine(lw, nest_axis(a, nest, (const char *const[]){"c", "h", "w"}[i], n->type.dim[i], false), 1, 0);
    const Affine *place = arena_copy(a, at, sizeof at);
    lower_emit(lw, nest, n, place, lower_load_canonical(lw, SPACE_X, n->type, place));
}

static const Expr *labels_source(Lower *lw, const Node *n, const Affine *at) { return lower_load_canonical(lw, SPACE_LABELS, n->type, at); }
static const Expr *target_source(Lower *lw, const Node *n, const Affine *at) { return lower_load_canonical(lw, SPACE_TARGET, n->type, at); }

/* Lanes behind the last image count nothing: that is all it takes for them to leave no trace in any gradient. */
static const Expr *image_weight_source(Lower *lw, const Node *n, const Affine *at) {
    Arena *a = lower_arena(lw);
    (void)n, (void)at;
    const Expr *inside = expr_binary(a, EXPR_LT, lower_image(lw), lower_image_count(lw));
    return expr_ternary(a, EXPR_SELECT, inside, expr_leaf(a, EXPR_IMAGE_WEIGHT), expr_real(a, 0));
}

const LowerRule input_lower = {.kind = LOWER_NEST, .nest = lower_input};
const LowerRule labels_lower = {.kind = LOWER_SOURCE, .source = labels_source};
const LowerRule target_lower = {.kind = LOWER_SOURCE, .source = target_source};
const LowerRule image_weight_lower = {.kind = LOWER_SOURCE, .source = image_weight_source};
const LowerRule param_lower = {.kind = LOWER_SOURCE};

static const Expr *learning_rate_source(Lower *lw, const Node *n, const Affine *at) {
    (void)n, (void)at;
    return expr_leaf(lower_arena(lw), EXPR_LR);
}

const LowerRule learning_rate_lower = {.kind = LOWER_SOURCE, .source = learning_rate_source};
