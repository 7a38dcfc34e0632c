/* ops.h: the rules that ops/ defines for the rows of ops.def, and what they share.
 *
 * A shape rule gets as many arguments as its row says and attributes that fit the schema; everything else it checks itself,
 * and it says what is wrong in words for the user. An evaluation rule may rely on the shape rule having accepted.
 */
#ifndef NETC_OPS_H
#define NETC_OPS_H

#include "graph.h"

#define OP_SOURCE(name, ...) const char *name##_shape(Arena *a, const Attr *attr, int nargs, const Type *args, Type *out);
#define OP_NOGRAD(name, ...) \
    OP_SOURCE(name) \
    void name##_eval(const Node *n, int64_t batch, const double *const *args, double *out);
#define OP(name, ...) \
    OP_NOGRAD(name) \
    void name##_grad(GradCtx *ctx, Node *n, Node *dy);
#include "ops.def"

/* f32 C x H x W of each image; f32 [c] of each image; one f32 an image; an unbatched f32 tensor of that rank. */
bool op_is_image(Type t);
bool op_is_flat(Type t);
bool op_is_number(Type t);
bool op_is_weight(Type t, int rank);
/* The shape of t as messages show it: "6x28x28", or "one number". */
const char *op_text(Arena *a, Type t);
/* *out = t, or the reason why t has too many elements. */
const char *op_result(Arena *a, Type t, Type *out);
/* "NAME must be from LO to 2147483647, not 0", or null where all n values are. */
const char *op_range(Arena *a, const char *name, const int64_t *value, int n, int64_t lo);
/* "OP: CHANNELS channels are not GROUPS groups", or null where the groups are whole. */
const char *op_groups(Arena *a, const char *op, int64_t groups, int64_t channels);
/* The number of places that a window of `kernel` points, `dilation` apart, has on `in` points with `pad` more on both
 * sides, in steps of `stride`: floor((in + 2 pad - dilation (kernel - 1) - 1) / stride) + 1. Or the reason why it has none. */
const char *op_window(Arena *a, int64_t in, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation, int64_t *out);
/* The value of random_key at a step: what dropout draws from. */
double random_key_value(uint64_t seed, uint64_t step);
/* Are batch_norm's mean and inv_std those of its own input, as in training? Only then it has a gradient. */
bool batch_norm_owns_statistics(const Node *n);
/* Do a pool's windows tile the picture x, each point in one? `attr` of the pool or its gradient. */
bool pool_tiles(const Attr *attr, Type x);
/* Points of a side of winograd_image's tiles: of y or (turned) of dx. */
int64_t winograd_image_tile(const Attr *attr);
/* The type that a shape attribute stands for, without checks. */
Type op_shape_attr(const int64_t *rank_and_dims, bool batched);
/* Numbers in all of a node's value: for a batched one times the images. */
int64_t op_count(const Node *n, int64_t batch);

#endif
