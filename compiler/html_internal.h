/* html_internal.h: what the files of the page share; the interface is html.h.
 *
 *   html.c        the page: head, header, source, what the network is made of
 *   html_text.c   text that is safe in HTML, and the references between its parts
 *   html_graph.c  the graph: where nodes stand, and the picture
 *   html_code.c   loops, LLVM's code and assembly, kernel by kernel
 *   html_plan.c   the table of kernels and the roofline
 */
#ifndef NETC_HTML_INTERNAL_H
#define NETC_HTML_INTERNAL_H

#include "html.h"
#include "map.h"

typedef struct Html {
    Arena *a;
    Text *out;
    const HtmlPage *page;
    const Model *model;
    int nkernels;
    int *family;       /* by kernel: the first kernel that does the same on other buffers (loop_alike.h); often itself */
    Map kernels;       /* kernel's name -> its place + 1 */
    Map blocks;        /* block call's name -> BlockCall */
} Html;

/* ---- html_text.c ---- */

/* Appends n bytes as text of an element or of a quoted attribute: what has a meaning in HTML is escaped, and what may not stand there (control characters,
 * broken UTF-8) becomes U+FFFD. */
void html_escape(Text *out, const char *s, size_t n);
/* html_escape of a zero-terminated string. */
void html_text(Text *out, const char *s);
/* The number, from 1, of the source that a span points into; 0: none, or its text is not at hand. */
int html_source(const Html *h, int file);
/* First and last line of a span; false where it has no place in a source. */
bool html_lines(const Html *h, Span span, int *source, int *first, int *last);
/* The place of the kernel with this name, or -1. */
int html_kernel(const Html *h, const char *name);
/* Is this the layer or block `name`, or something within it? */
bool html_within(const char *layer, const char *name);
/* "forward", ... as a CSS class. */
const char *html_pass_class(nrt_pass pass);

/* ---- the panes ---- */

void html_graph(const Html *h);
void html_loops(const Html *h);
void html_ir(const Html *h);
void html_assembly(const Html *h);
void html_plan(const Html *h);
void html_roofline(const Html *h);

#endif
