/* graph_text.h: the text of the graph, printed for people and read back by netc.
 *
 *     network lenet Nx1x28x28 -> Nx10 from "examples/lenet.net"     the model's header: see model_text.h
 *     ...
 *     %0: Nx1x28x28 = input @lenet !1:3:18-31
 *     %conv1.weight: 6x1x5x5 = param role=weight fan_in=25 fan_out=150 !1:6:5-24
 *     %1: Nx6x28x28 = conv(%0, %conv1.weight) pad=2,2 @conv1 !1:6:5-24
 *     %9: 6x1x5x5 = conv_dw(%0, %8) pad=2,2 kernel=5,5 @conv1 backward_weights !1:6:5-24
 *     output %5
 *     loss %7
 *     update %conv1.weight = %10
 *
 * A value is defined once, before its uses: a param under its name, the others under numbers. Behind the operator stand its
 * attributes that are not at their default, the layer, the pass where it is not forward, and the span in the source.
 * Types start with N where there is one for each image. Printing what was read from print gives the same text.
 */
#ifndef NETC_GRAPH_TEXT_H
#define NETC_GRAPH_TEXT_H

#include "graph.h"

/* Appends the graph to t; with forward_only just the forward pass of the output and the loss. */
void graph_print(const Graph *g, Text *t, bool forward_only);
/* Reads the text of file number `file` of the Diag. Returns null after errors, which are reported there; a
 * graph that is returned has passed graph_verify. */
Graph *graph_parse(Arena *a, Diag *d, int file);

#endif
