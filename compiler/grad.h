/* grad.h: reverse-mode differentiation of the graph, by the operators' gradient rules. */
#ifndef NETC_GRAD_H
#define NETC_GRAD_H

#include "graph.h"

/* Given dy, the gradient of y, builds the gradient of each of the n nodes of wrt: grad[i] is of wrt[i]'s type, or null where y
 * does not depend on it. Nodes that no wrt stands behind are not differentiated. Returns null, or the reason
 * (arena text) why it cannot be done: an operator on the way that has no gradient rule. */
const char *grad_backward(Graph *g, Node *y, Node *dy, int n, Node *const *wrt, Node **grad);

/* Makes the training graph: differentiates ROOT_LOSS, seeded by image_weight (so gradients are those of the batch's loss
 * sum_n u[n] * loss[n]), in every trained param (weight, bias, scale, shift) and adds the optimiser's ROOT_UPDATEs by
 * model->train: with weight decay d, momentum m and learning rate lr, PyTorch's
 *     g' = g + d w;  v' = m v + g';  w' = w - lr (nesterov ? g' + m v' : v')        (v: "optim/NAME"; absent where m = 0)
 * A graph without a loss, or with updates already, is left alone. Returns as grad_backward does. */
const char *grad_build(Graph *g);

#endif
