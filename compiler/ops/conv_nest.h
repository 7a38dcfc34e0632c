/* conv_nest.h: what the nests of a convolution and its adjoints share. */
#ifndef NETC_OPS_CONV_NEST_H
#define NETC_OPS_CONV_NEST_H

#include "../lower.h"

/* Channels are a group's; rows and cols are of the convolution's output. */
typedef struct ConvShape { int64_t stride[2], pad[2], dilation[2], groups, in, out, kernel[2], rows, cols; } ConvShape;

/* `w` is [out, in/groups, kh, kw]. */
ConvShape conv_shape_of(const Attr *attr, Type w, int64_t rows, int64_t cols);
/* o*stride + r*dilation - pad: the row (d = 0) or column (1) of the input that output `o` meets at place r of the kernel. */
Affine conv_input(Lower *lw, const ConvShape *c, int d, Affine o, Affine r);

/* Does the gradient of weights n, a conv_dw, have channels in the lanes (LowerRule.turns_lanes)? Then lower_conv_dw_turned is its nest. */
bool conv_dw_turns(const Node *n, int lanes);
/* ... and two vectors of them, so that each number that they are multiplied with serves two sums? */
bool conv_dw_turns_pairs(const Node *n, int lanes);
void lower_conv_dw_turned(Lower *lw, const Node *n);

#endif
