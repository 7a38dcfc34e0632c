/* graph_dot.h: the graph as a picture, in the language of Graphviz's `dot`. */
#ifndef NETC_GRAPH_DOT_H
#define NETC_GRAPH_DOT_H

#include "graph.h"

/* Appends a digraph: a box for each operator with its type, coloured by pass; parameters as ellipses; layers as frames. */
void graph_print_dot(const Graph *g, Text *out);

#endif
