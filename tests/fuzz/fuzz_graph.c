/* fuzz_graph.c: any bytes as a .graph file; a graph that is read and verified is printed, read again, and goes on to its loops. */
#include "fuzz.h"

#include "graph_dot.h"
#include "graph_text.h"

static void print_dot(const Graph *g) {
    Text out = {0};
    graph_print_dot(g, &out);
    text_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    Fuzz f = fuzz_open("fuzz.graph", bytes, n);
    Graph *g = graph_parse(f.arena, f.diag, f.file);
    if (g) {
        print_dot(g);
        fuzz_graph_again(g);
        fuzz_compile(&f, g);
    }
    fuzz_close(&f);
    return 0;
}
