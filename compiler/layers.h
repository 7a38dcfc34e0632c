/* layers.h: the layers of the language (layers.def) as builders of operators.
 *
 * A layer's rule takes one tensor and checked arguments, and gives the output's type, the parameters and the nodes of the
 * graph. Where a layer has no operator yet, or its input came through one that has none, types and counts of parameters are
 * still exact but there is no node: enough for --check and --summary.
 */
#ifndef NETC_LAYERS_H
#define NETC_LAYERS_H

#include "graph.h"
#include "value.h"

typedef struct LayerInfo LayerInfo;

typedef struct LayerCall {
    Arena *arena;
    Graph *graph;
    const char *name;    /* of the layer: "stage1.conv2" */
    const Value *arg;    /* in the order of the signature, checked by it */
    Tensor in, out;
    int64_t params, macs; /* trained numbers; multiply-adds of forward for one image */
    const char *error;   /* why the layer does not fit its input; null: it does */
    const char *fixit;   /* then: what to insert before it; or null */
} LayerCall;

struct LayerInfo {
    const char *name, *arguments, *doc;
    void (*build)(LayerCall *call); /* fills in out, params, macs; or error */
};

/* Ends with a row without a name. */
extern const LayerInfo layer_table[];

/* Concatenation of n tensors along their channels: fills in type and node of *out (null where one of them has none), or returns
 * false and the reason in *error. */
bool layer_concat(Arena *a, Graph *g, const Tensor *const *in, int n, Tensor *out, const char **error);
/* Null, or why a tensor of this type is too large for the compiler: a dimension above 2^30, or above 2^40 numbers. */
const char *layer_size_error(Arena *a, Type t);

#endif
