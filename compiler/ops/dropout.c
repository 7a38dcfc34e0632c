/* dropout.c: in training each number is zeroed with probability p, and the rest divided by 1 - p; in inference nothing happens
 * (infer.c).
 *
 * Which numbers are zeroed is a pure function of the step's key, the layer, the image's place in the batch and the number's
 * place in the image. So the mask is drawn anew wherever it is needed and never stored, is the same for any number of threads and
 * any order of the work, and the gradient is dropout itself, of dy:
 *     key = hash(hash(seed) + step),   r = hash(hash(hash(key + id) + image) + element),   dropped where r < p * 2^32
 * with hash the finaliser of MurmurHash3 (Appleby): every bit of it depends on every bit of its argument. r counts from -2^31, as
 * i32 does, and sums wrap.
 */
#include <math.h>

#include "../lower.h"
#include "../ops.h"

static uint32_t hash(uint32_t x) {
    x = (x ^ x >> 16) * 0x85ebca6bu;
    x = (x ^ x >> 13) * 0xc2b2ae35u;
    return x ^ x >> 16;
}

double random_key_value(uint64_t seed, uint64_t step) { return hash(hash((uint32_t)seed) + (uint32_t)step); }

/* The random numbers below this one are dropped: p * 2^32 of the 2^32 that there are. */
static int64_t threshold(double p) { return i64_min((int64_t)floor(p * 0x1p32), UINT32_MAX) + INT32_MIN; }

/* ---- shapes ---- */

const char *random_key_shape(Arena *a, const Attr *attr, int nargs, const Type *args, Type *out) {
    (void)a, (void)attr, (void)nargs, (void)args;
    *out = (Type){.elem = ELEM_I32};
    return NULL;
}

const char *dropout_shape(Arena *a, const Attr *attr, int nargs, const Type *args, Type *out) {
    (void)nargs;
    if (!op_is_image(args[0]) && !op_is_flat(args[0])) return arena_printf(a, "dropout needs an image or a flat input, got %s", op_text(a, args[0]));
    if (args[1].elem != ELEM_I32 || args[1].batched || args[1].rank) return "dropout needs the step's random key";
    if (!(attr->f[0] >= 0 && attr->f[0] < 1)) return arena_printf(a, "p must be at least 0 and less than 1, not %g", attr->f[0]);
    *out = args[0];
    return op_range(a, "id", attr->i, 1, 0);
}

/* ---- gradient ---- */

void dropout_grad(GradCtx *ctx, Node *n, Node *dy) {
    grad_add(ctx, n->arg[0], graph_node(grad_graph(ctx), OP_dropout, n->attr, 2, (Node *[]){dy, n->arg[1]}));
}

/* ---- reference ---- */

void dropout_eval(const Node *n, int64_t batch, const double *const *args, double *out) {
    int64_t count = type_count(n->type), least = threshold(n->attr.f[0]);
    uint32_t layer = hash((uint32_t)args[1][0] + (uint32_t)n->attr.i[0]);
    for (int64_t b = 0; b < batch; b++)
        for (int64_t i = 0; i < count; i++) {
            int64_t r = (int32_t)hash(hash(layer + (uint32_t)b) + (uint32_t)i);
            out[b * count + i] = r < least ? 0 : args[0][b * count + i] / (1 - n->attr.f[0]);
        }
}

/* ---- lowering ---- */

/* hash(x + i) */
static const Expr *hash_of(Lower *lw, const Expr *x, const Expr *i) {
    return expr_unary(lower_arena(lw), EXPR_HASH, expr_binary(lower_arena(lw), EXPR_ADD, x, i));
}

static const Expr *random_key_source(Lower *lw, const Node *n, const Affine *at) {
    Arena *a = lower_arena(lw);
    (void)n, (void)at;
    return hash_of(lw, expr_unary(a, EXPR_HASH, expr_leaf(a, EXPR_SEED)), expr_leaf(a, EXPR_STEP));
}

static const Expr *dropout_point(Lower *lw, const Node *n, const Expr *const *x, const Affine *at) {
    Arena *a = lower_arena(lw);
    Affine element = affine_const(0);
    for (int i = 0; i < n->type.rank; i++) element = affine_add(a, affine_scale(a, element, n->type.dim[i]), at[i]);
    const Expr *layer = hash_of(lw, x[1], expr_int(a, n->attr.i[0]));
    const Expr *r = hash_of(lw, hash_of(lw, layer, lower_image(lw)), expr_index(a, element));
    const Expr *dropped = expr_binary(a, EXPR_LT, r, expr_int(a, threshold(n->attr.f[0])));
    return expr_ternary(a, EXPR_SELECT, dropped, expr_real(a, 0), expr_binary(a, EXPR_MUL, x[0], expr_real(a, 1 / (1 - n->attr.f[0]))));
}

const LowerRule random_key_lower = {.kind = LOWER_SOURCE, .source = random_key_source};
const LowerRule dropout_lower = {.kind = LOWER_POINTWISE, .pointwise = dropout_point};
