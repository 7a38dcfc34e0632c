/* update.c: what an optimiser does to one parameter. Weight decay and momentum are sums and scalings before it (grad.c). */
#include "../lower.h"
#include "../ops.h"

const char *sgd_shape(Arena *a, const Attr *attr, int nargs, const Type *args, Type *out) {
    (void)attr, (void)nargs;
    if (args[0].batched || args[0].elem != ELEM_F32 || !type_equal(args[0], args[1]))
        return arena_printf(a, "cannot update %s by %s", op_text(a, args[0]), op_text(a, args[1]));
    if (!op_is_weight(args[2], 0)) return arena_printf(a, "sgd needs a single learning rate, got %s", op_text(a, args[2]));
    *out = args[0];
    return NULL;
}

void sgd_eval(const Node *n, int64_t batch, const double *const *args, double *out) {
    for (int64_t i = 0; i < op_count(n, batch); i++) out[i] = args[0][i] - args[2][0] * args[1][i];
}

/* ---- lowering ---- */

static const Expr *sgd_point(Lower *lw, const Node *n, const Expr *const *x, const Affine *at) {
    Arena *a = lower_arena(lw);
    (void)n, (void)at;
    return expr_binary(a, EXPR_SUB, x[0], expr_binary(a, EXPR_MUL, expr_leaf(a, EXPR_LR), x[1]));
}

const LowerRule sgd_lower = {.kind = LOWER_POINTWISE, .pointwise = sgd_point};
