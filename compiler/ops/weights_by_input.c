/* weights_by_input.c: the weights of a convolution with the numbers side by side that one input channel is multiplied with.
 *
 *     T[g*C + c, l*R + r, s, i] = w[g*O + l*L + i, c, r, s],   O out and C in channels in each of the groups g, L of the former a line
 *
 * The gradient in x sums over output channels, and a tile of it takes few c: in w that is a piece of a line for each output channel, or, where the convolution takes steps and each phase of x (phases.h) is
 * reached by a part of a kernel's numbers, one or two numbers in each of several; often more lines than a first-level cache holds. In T the numbers of a sum are read from front to end. With all
 * output channels in one line, the places of a kernel, often a power of two bytes apart, would share few sets of that cache: a tile of six channels reads 54 of them in turn.
 */
#include "../lower.h"
#include "../ops.h"

static int64_t groups_of(const Node *n) { return n->attr.i[BY_INPUT_GROUPS]; }
static int64_t line_of(const Node *n) { return n->attr.i[BY_INPUT_LINE]; }

const char *weights_by_input_shape(Arena *a, const Attr *attr, int nargs, const Type *args, Type *out) {
    (void)nargs;
    Type w = args[0];
    int64_t groups = attr->i[BY_INPUT_GROUPS], line = attr->i[BY_INPUT_LINE];
    if (!op_is_weight(w, 4)) return arena_printf(a, "weights_by_input needs a weight of 4 dimensions, got %s", op_text(a, w));
    const char *why = op_groups(a, "weights_by_input", groups, w.dim[0]);
    if (why) return why;
    int64_t outs = w.dim[0] / groups;
    if (line < 1 || outs % line) return arena_printf(a, "weights_by_input cannot cut %lld channels into lines of %lld", (long long)outs, (long long)line);
    return op_result(a, type_param(4, w.dim[1] * groups, outs / line * w.dim[2], w.dim[3], line), out);
}

void weights_by_input_eval(const Node *n, int64_t batch, const double *const *args, double *out) {
    (void)batch;
    Type w = n->arg[0]->type;
    int64_t outs = w.dim[0] / groups_of(n), places = w.dim[2] * w.dim[3], line = line_of(n), from = 0;
    for (int64_t o = 0; o < w.dim[0]; o++)
        for (int64_t c = 0; c < w.dim[1]; c++)
            for (int64_t p = 0; p < places; p++) {
                int64_t channel = o / outs * w.dim[1] + c, number = o % outs / line;
                out[((channel * (outs / line) + number) * places + p) * line + o % line] = args[0][from++];
            }
}

/* A line's output channels are in the lanes: their numbers for one c are read from lines of w that serve the next c, too. Of kernels with one place a run of c lies side by side in both: such copies turn
 * squares (schedule_choose.c). */
static void lower_weights_by_input(Lower *lw, const Node *n) {
    Arena *a = lower_arena(lw);
    Type w = n->arg[0]->type;
    int64_t outs = w.dim[0] / groups_of(n), ins = w.dim[1], places = w.dim[2] * w.dim[3], line = line_of(n), lines = outs / line, side = lower_images(lw);
    bool squares = places == 1 && ins % side == 0;
    Nest *nest = lower_nest(lw, n);
    Affine c = lower_affine(lw, nest_axis(a, nest, "c", squares ? ins / side : ins, false), squares ? side : 1, 0); /* the items: groups may be few */
    Affine g = groups_of(n) > 1 ? affine_var(a, nest_axis(a, nest, "g", groups_of(n), false)) : affine_const(0);
    const Var *l = nest_axis(a, nest, "l", lines, false), *p = nest_axis(a, nest, "p", places, false), *o = nest_axis(a, nest, "o", line, false);
    lower_lane_axis(lw, nest, o);
    if (squares) c = affine_add(a, c, affine_var(a, nest_axis(a, nest, "i", side, false)));
    Affine out = affine_pair(a, g, outs, affine_pair(a, affine_var(a, l), line, affine_var(a, o))), place = affine_var(a, p);
    Affine from = affine_pair(a, affine_pair(a, out, ins, c), places, place), row = affine_pair(a, affine_pair(a, g, ins, c), lines, affine_var(a, l));
    lower_emit(lw, nest, n, lower_at(lw, 1, affine_pair(a, affine_pair(a, row, places, place), line, affine_var(a, o))), lower_load(lw, n->arg[0], lower_at(lw, 1, from)));
}

const LowerRule weights_by_input_lower = {.kind = LOWER_NEST, .nest = lower_weights_by_input};
