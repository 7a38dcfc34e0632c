/* infer.h: the network as it runs in inference, beside the one that is trained. */
#ifndef NETC_INFER_H
#define NETC_INFER_H

#include "graph.h"

/* Adds ROOT_INFER_OUTPUT and ROOT_INFER_LOSS: the output and the loss with the running statistics that track a batch's mean and
 * variance in their place, and without dropout. A root whose node would be the same is left out; so all of a graph
 * that has them already, or has neither batch norm nor dropout, is left alone. */
void infer_build(Graph *g);

#endif
