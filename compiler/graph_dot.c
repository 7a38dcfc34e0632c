/* graph_dot.c: see graph_dot.h. */
#include "graph_dot.h"

static const char *pass_color(nrt_pass pass) {
    static const char *const colors[] = {"#cfe3f7", "#f9dcc4", "#d5ecd2", "#eadcf4", "#eeeeee"};
    return colors[pass];
}

static void print_node(const Graph *g, const Node *n, Text *out) {
    const char *type = type_text(g->arena, n->type);
    if (n->op == OP_param) text_printf(out, "    n%d [shape=ellipse, label=\"%s\\n%s\"];\n", n->id, n->name, type);
    else text_printf(out, "    n%d [fillcolor=\"%s\", label=\"%s%s%s\\n%s%s\"];\n", n->id, pass_color(n->pass), op_table[n->op].name, *n->name ? "\\n" : "", n->name, n->type.batched ? "N" : "", *type ? arena_printf(g->arena, n->type.batched ? "x%s" : "%s", type) : "");
    for (int k = 0; k < n->nargs; k++) text_printf(out, "    n%d -> n%d;\n", n->arg[k]->id, n->id);
}

static void print_root(const Root *r, int number, Text *out) {
    static const char *const names[] = {"output", "loss", "update"};
    text_printf(out, "    r%d [shape=plaintext, label=\"%s%s%s\"];\n    n%d -> r%d;\n", number, names[r->kind], r->target ? " " : "", r->target ? r->target->name : "", r->node->id, number);
}

void graph_print_dot(const Graph *g, Text *out) {
    text_printf(out, "digraph \"%s\" {\n    node [shape=box, style=filled, fillcolor=\"#ffffff\", fontname=\"Helvetica\"];\n", g->model->name);
    for (int i = 0; i < g->nodes.n; i++) print_node(g, g->nodes.at[i], out);
    for (int i = 0; i < g->roots.n; i++) print_root(&g->roots.at[i], i, out);
    text_printf(out, "}\n");
}
