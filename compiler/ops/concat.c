/* concat.c: tensors side by side along their channels, and the way back: a run of a tensor's channels. */
#include <string.h>

#include "../lower.h"
#include "../ops.h"

/* ---- shapes ---- */

static bool has_channels(Type t) { return op_is_image(t) || op_is_flat(t); }

/* Numbers in one channel. */
static int64_t channel_points(Type t) { return type_count(t) / t.dim[0]; }

const char *concat_shape(Arena *a, const Attr *attr, int nargs, const Type *args, Type *out) {
    (void)attr;
    Type sum = args[0];
    for (int i = 0; i < nargs; i++) {
        Type t = args[i];
        if (!has_channels(t)) return arena_printf(a, "concat needs images or flat inputs, got %s", op_text(a, t));
        if (i == 0) continue;
        bool fits = t.rank == sum.rank && (t.rank == 1 || (t.dim[1] == sum.dim[1] && t.dim[2] == sum.dim[2]));
        if (!fits) return arena_printf(a, "cannot concatenate %s and %s", op_text(a, sum), op_text(a, t));
        sum.dim[0] += t.dim[0]; /* at most 2^31 each: as many arguments as fit in memory do not overflow */
    }
    return op_result(a, sum, out);
}

const char *channels_shape(Arena *a, const Attr *attr, int nargs, const Type *args, Type *out) {
    (void)nargs;
    Type x = args[0];
    if (!has_channels(x)) return arena_printf(a, "channels needs an image or a flat input, got %s", op_text(a, x));
    const char *why = op_range(a, "first", &attr->i[CHANNELS_FIRST], 1, 0);
    if (why || (why = op_range(a, "count", &attr->i[CHANNELS_COUNT], 1, 1))) return why;
    int64_t end = attr->i[CHANNELS_FIRST] + attr->i[CHANNELS_COUNT];
    if (end > x.dim[0]) return arena_printf(a, "channels up to %lld are not there: %s has %lld", (long long)end, op_text(a, x), (long long)x.dim[0]);
    x.dim[0] = attr->i[CHANNELS_COUNT];
    return op_result(a, x, out);
}

/* ---- gradient ---- */

void concat_grad(GradCtx *ctx, Node *n, Node *dy) {
    for (int64_t k = 0, first = 0; k < n->nargs; k++) {
        Attr part = {.i = {[CHANNELS_FIRST] = first, [CHANNELS_COUNT] = n->arg[k]->type.dim[0]}};
        if (grad_wanted(ctx, n->arg[k])) grad_add(ctx, n->arg[k], graph_node(grad_graph(ctx), OP_channels, part, 1, &dy));
        first += n->arg[k]->type.dim[0];
    }
}

/* ---- reference ---- */

void concat_eval(const Node *n, int64_t batch, const double *const *args, double *out) {
    for (int64_t b = 0; b < batch; b++)
        for (int k = 0; k < n->nargs; k++) {
            int64_t count = type_count(n->arg[k]->type);
            memcpy(out, &args[k][b * count], sizeof *out * (size_t)count);
            out += count;
        }
}

void channels_eval(const Node *n, int64_t batch, const double *const *args, double *out) {
    Type x = n->arg[0]->type;
    int64_t count = type_count(n->type), all = type_count(x), skip = n->attr.i[CHANNELS_FIRST] * channel_points(x);
    for (int64_t b = 0; b < batch; b++) memcpy(&out[b * count], &args[0][b * all + skip], sizeof *out * (size_t)count);
}

/* ---- lowering ---- */

/* Copies `count` channels of x from channel `from` on to n's from channel `to` on. */
static void copy_channels(Lower *lw, const Node *n, const Node *x, int64_t from, int64_t to, int64_t count) {
    Arena *a = lower_arena(lw);
    Nest *nest = lower_nest(lw, n);
    const Var *c = nest_axis(a, nest, "c", count, false);
    Affine source[3] = {lower_affine(lw, c, 1, from)}, target[3] = {lower_affine(lw, c, 1, to)};
    for (int i = 1; i < n->type.rank; i++) source[i] = target[i] = lower_affine(lw, nest_axis(a, nest, i == 1 ? "h" : "w", n->type.dim[i], false), 1, 0);
    lower_emit(lw, nest, n, arena_copy(a, target, sizeof target), lower_load(lw, x, arena_copy(a, source, sizeof source)));
}

static void lower_concat(Lower *lw, const Node *n) {
    int64_t to = 0;
    for (int k = 0; k < n->nargs; k++) {
        int64_t count = n->arg[k]->type.dim[0];
        copy_channels(lw, n, n->arg[k], 0, to, count);
        to += count;
    }
}

static void lower_channels(Lower *lw, const Node *n) { copy_channels(lw, n, n->arg[0], n->attr.i[CHANNELS_FIRST], 0, n->attr.i[CHANNELS_COUNT]); }

const LowerRule concat_lower = {.kind = LOWER_NEST, .nest = lower_concat};
const LowerRule channels_lower = {.kind = LOWER_NEST, .nest = lower_channels};
