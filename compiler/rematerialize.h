/* rematerialize.h: which maps the backward pass makes again in place of keeping them. */
#ifndef NETC_REMATERIALIZE_H
#define NETC_REMATERIALIZE_H

#include "plan.h"

/* A pass over the training graph: where the backward pass reads a map y that pointwise operators make of one map x and of parameters, and reads x anyway (batch norm's
 * input beside its normalised and rectified output; gelu's beside its result), it gets y anew, of `again(x)`. So y need not be kept from the forward pass, where it often never leaves
 * a core's cache, and the backward pass reads no more than before (Chen and others, "Training Deep Nets with Sublinear Memory Cost", 2016, but without their second
 * forward pass: only what is free is made again). Numbers are the same to the bit. Does nothing without options->rematerialize, or to a graph
 * that went through it before. */
void rematerialize(Graph *g, const PlanOptions *options);

#endif
