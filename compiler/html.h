/* html.h: one page that shows what became of a source: its text, the graph as a picture, the loops, LLVM's code and the assembly, side by side.
 *
 * The page is complete in itself: styles and script stand in it (compiler/html/), nothing is loaded. All text is there without the script; with it, a line
 * or a node that is chosen lights up what became of it everywhere. What belongs together is written into attributes:
 *
 *     data-n="12"       a node of the graph, by its id
 *     data-k="3 17"     kernels, by their place in the program: what a node is computed by, what a piece of code is
 *     data-l="1:22"     lines, SOURCE:LINE; a node's are its own (data-s) and those of the calls around it
 *     data-o="stage1.residual2.conv1"   what of the network it is: a layer, or a block's call
 *     data-e="7 12"     an arrow, by the nodes at its ends
 */
#ifndef NETC_HTML_H
#define NETC_HTML_H

#include "diag.h"
#include "graph.h"
#include "loop.h"
#include "schedule.h"
#include "timing.h"

typedef struct HtmlPage {
    const char *input;      /* what netc read */
    const char *const *defines; /* -D: what the source's constants were replaced by */
    int ndefines;
    const Diag *diag;       /* with the sources' texts */
    const Graph *graph;     /* null where netc began with the loops */
    const Program *program;
    const Machine *machine; /* that the plan was made for */
    const char *target;     /* the processor, for people */
    const Timing *timing;   /* or null; its kernels are the program's */
    const Text *ir, *assembly; /* as emit_write gives them */
} HtmlPage;

/* Appends the page to out. */
void html_print(Arena *a, const HtmlPage *page, Text *out);

#endif
