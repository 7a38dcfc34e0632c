/* graph_dot.c: see graph_dot.h. */
#include "graph_dot.h"

static const char *pass_color(nrt_pass pass) {
    static const char *const colors[] = {"#cfe3f7", "#f9dcc4", "#d5ecd2", "#eadcf4", "#eeeeee"};
    return colors[pass];
}

/* A name, which may hold any characters, within a quoted string. */
static void print_quoted(Text *out, const char *name) {
    for (; *name; name++) text_printf(out, *name == '"' || *name == '\\' ? "\\%c" : "%c", *name);
}

static void print_node(const Graph *g, const Node *n, Text *out) {
    const char *type = type_text(g->arena, n->type);
    text_printf(out, "    n%d [", n->id);
    if (n->op == OP_param) text_printf(out, "shape=ellipse, label=\"");
    else text_printf(out, "fillcolor=\"%s\", label=\"%s%s", pass_color(n->pass), op_table[n->op].name, *n->name ? "\\n" : "");
    print_quoted(out, n->name);
    text_printf(out, "\\n%s%s%s\"];\n", n->type.batched ? "N" : "", n->type.batched && *type ? "x" : "", type);
    for (int k = 0; k < n->nargs; k++) text_printf(out, "    n%d -> n%d;\n", n->arg[k]->id, n->id);
}

static void print_root(const Root *r, int number, Text *out) {
    static const char *const names[] = {[ROOT_OUTPUT] = "output", [ROOT_LOSS] = "loss", [ROOT_UPDATE] = "update ", [ROOT_INFER_OUTPUT] = "infer output", [ROOT_INFER_LOSS] = "infer loss"};
    text_printf(out, "    r%d [shape=plaintext, label=\"%s", number, names[r->kind]);
    if (r->target) print_quoted(out, r->target->name);
    text_printf(out, "\"];\n    n%d -> r%d;\n", r->node->id, number);
}

void graph_print_dot(const Graph *g, Text *out) {
    text_printf(out, "digraph \"");
    print_quoted(out, g->model->name);
    text_printf(out, "\" {\n    node [shape=box, style=filled, fillcolor=\"#ffffff\", fontname=\"Helvetica\"];\n");
    for (int i = 0; i < g->nodes.n; i++) print_node(g, g->nodes.at[i], out);
    for (int i = 0; i < g->roots.n; i++) print_root(&g->roots.at[i], i, out);
    text_printf(out, "}\n");
}
