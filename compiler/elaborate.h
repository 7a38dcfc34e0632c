/* elaborate.h: from syntax trees to the graph: scopes, constants, blocks, shapes, names.
 *
 * The language has no recursion and no `while`, so elaboration is evaluation: the network's body is run once, and every
 * layer that is applied on the way builds its operators. Blocks and loops are gone afterwards.
 */
#ifndef NETC_ELABORATE_H
#define NETC_ELABORATE_H

#include "ast.h"
#include "graph.h"

/* Each with its own error message. */
enum { ELAB_MAX_STEPS = 5000000, ELAB_MAX_LAYERS = 100000, ELAB_MAX_DEPTH = 1000, ELAB_MAX_FILES = 256, ELAB_MAX_PARAMS = 64,
      ELAB_MAX_LAYER_NAME = 400 };

typedef struct ElaborateOptions {
    const char *const *include; /* folders in which imports are looked for, after the importing file's own */
    int nincludes;
    const int *defines;         /* files of the Diag that hold a definition NAME=EXPR each */
    int ndefines;
} ElaborateOptions;

typedef struct Elaborated {
    Model *model;
    Graph *graph;  /* the network and its loss; roots OUTPUT and LOSS */
} Elaborated;

/* Elaborates a parsed file and what it imports; null after errors, which are in the Diag. */
Elaborated *elaborate(Arena *a, Diag *diag, int file, const Ast *ast, const ElaborateOptions *options);
#endif
