/* weights_by_input.c: the weights of a convolution with the numbers side by side that one input channel is multiplied with.
 *
 *     T[g*C + c, r, s, o] = w[g*O + o, c, r, s],   O out and C in channels in each of the groups g
 *
 * The gradient in x sums over o, and a tile of it takes few c: in w that is a piece of a line for each o, or, where the convolution takes steps and each phase of x (phases.h) is reached by a part of
 * a kernel's numbers, one or two numbers in each of several; often more lines than a first-level cache holds. In T the numbers of a sum are whole lines, read from front to end.
 *
 * A copy that turns squares: e = (c*R + r)*S + s counts the numbers of an out channel, which are rows of w and columns of T.
 */
#include "../lower.h"
#include "../ops.h"

enum { LINE_NUMBERS = LINE / 4 };

/* Of an out channel. */
static int64_t numbers_of(const Node *n) { return type_count(n->type) / (n->attr.i[0] * n->type.dim[3]); }

Type weights_by_output(Type t, int64_t groups) { return type_param(4, t.dim[3] * groups, t.dim[0] / groups, t.dim[1], t.dim[2]); }

const char *weights_by_input_shape(Arena *a, const Attr *attr, int nargs, const Type *args, Type *out) {
    (void)nargs;
    Type w = args[0];
    int64_t groups = attr->i[0];
    if (!op_is_weight(w, 4)) return arena_printf(a, "weights_by_input needs a weight of 4 dimensions, got %s", op_text(a, w));
    const char *why = op_groups(a, "weights_by_input", groups, w.dim[0]);
    return why ? why : op_result(a, type_param(4, w.dim[1] * groups, w.dim[2], w.dim[3], w.dim[0] / groups), out);
}

void weights_by_input_eval(const Node *n, int64_t batch, const double *const *args, double *out) {
    (void)batch;
    int64_t outs = n->type.dim[3], numbers = numbers_of(n);
    for (int64_t o = 0; o < n->arg[0]->type.dim[0]; o++)
        for (int64_t e = 0; e < numbers; e++) out[(o / outs * numbers + e) * outs + o % outs] = args[0][o * numbers + e];
}

/* Copies, of each out channel, the numbers from first + line*count*width on, in `count` squares of `width` numbers, for `lines` lines, each an item of the kernel. */
static void copy_lines(Lower *lw, const Node *n, int64_t first, int64_t lines, int64_t count, int64_t width) {
    Arena *a = lower_arena(lw);
    int64_t groups = n->attr.i[0], outs = n->type.dim[3], numbers = numbers_of(n);
    Affine before = affine_const(first / LINE_NUMBERS), e = affine_offset(affine_scale(a, lower_open_items(lw, "e", lines, before, ceil_div(numbers, LINE_NUMBERS)), count * width), first);
    Nest *nest = lower_nest(lw, n);
    Affine g = groups > 1 ? affine_var(a, nest_axis(a, nest, "g", groups, false)) : affine_const(0);
    const Var *o = nest_axis(a, nest, "o", outs, false);
    lower_lane_axis(lw, nest, o);
    if (count > 1) e = affine_add(a, e, lower_affine(lw, nest_axis(a, nest, "q", count, false), width, 0));
    e = affine_add(a, e, affine_var(a, nest_axis(a, nest, "i", width, false)));
    Affine from = affine_add(a, affine_scale(a, affine_add(a, affine_scale(a, g, outs), affine_var(a, o)), numbers), e);
    Affine to = affine_add(a, affine_scale(a, affine_add(a, affine_scale(a, g, numbers), e), outs), affine_var(a, o));
    lower_emit(lw, nest, n, lower_at(lw, 1, to), lower_load(lw, n->arg[0], lower_at(lw, 1, from)));
    lower_close_loop(lw);
}

/* Sixteen numbers of each row of w, a line where rows are whole lines, are an item: then none is fetched for two of them. */
static void lower_weights_by_input(Lower *lw, const Node *n) {
    int64_t lines = numbers_of(n) / LINE_NUMBERS, rest = numbers_of(n) % LINE_NUMBERS, width = i64_min(LINE_NUMBERS, lower_images(lw));
    if (lines) copy_lines(lw, n, 0, lines, LINE_NUMBERS / width, width);
    if (rest) copy_lines(lw, n, lines * LINE_NUMBERS, 1, 1, rest);
}

const LowerRule weights_by_input_lower = {.kind = LOWER_NEST, .nest = lower_weights_by_input};
