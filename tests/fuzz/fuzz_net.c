/* fuzz_net.c: any bytes as a .net file, through the whole front end and, where the network is small, to its loops. */
#include "fuzz.h"

#include "elaborate.h"
#include "graph_text.h"
#include "parse.h"
#include "summary.h"

static void print_tokens(const uint8_t *bytes, size_t n) {
    Fuzz f = fuzz_open("tokens.net", bytes, n);
    Text out = {0};
    parse_tokens(&out, f.arena, f.diag, f.file);
    text_free(&out);
    fuzz_close(&f);
}

/* Imports would read the disk. */
static bool has_imports(const Ast *file) {
    for (int i = 0; i < file->n; i++)
        if (file->kid[i]->kind == AST_import) return true;
    return false;
}

static void print_tree(Fuzz *f, const Ast *ast) {
    Text out = {0};
    ast_print(&out, f->diag, ast);
    text_free(&out);
}

static void print_summary(Fuzz *f, const Model *m) {
    Text out = {0};
    summary_print(&out, f->arena, m);
    text_free(&out);
}

static void run(Fuzz *f) {
    const Ast *ast = parse_file(f->arena, f->diag, f->file);
    if (!ast || diag_errors(f->diag)) return;
    print_tree(f, ast);
    if (has_imports(ast)) return;
    const Elaborated *e = elaborate(f->arena, f->diag, f->file, ast, &(ElaborateOptions){0});
    if (!e) return;
    print_summary(f, e->model);
    graph_sweep(e->graph);
    fuzz_verified(graph_verify(e->graph));
    fuzz_graph_again(e->graph);
    fuzz_compile(f, e->graph);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    if (n > PARSE_MAX_FILE) return 0;
    print_tokens(bytes, n);
    Fuzz f = fuzz_open("fuzz.net", bytes, n);
    run(&f);
    fuzz_close(&f);
    return 0;
}
