/* ast.c: see ast.h. */
#include "ast.h"

#include <string.h>

static const char *const kind_names[] = {
#define KIND(name, doc) #name,
    AST_KINDS(KIND)
#undef KIND
};

/* ---- building ---- */

static Ast *new_node(AstBuilder *b, AstKind kind, Span span) {
    Ast *node = ARENA_NEW(b->arena, Ast);
    node->kind = kind;
    node->span = span;
    node->depth = 1;
    return node;
}

static void add_kid(AstBuilder *b, Ast *node, Ast *kid) {
    if (!kid) return;
    if (kid->depth >= AST_MAX_DEPTH) {
        if (!b->too_deep) diag_error(b->diag, kid->span, "nesting is deeper than %d levels", AST_MAX_DEPTH);
        b->too_deep = true;
        kid = new_node(b, AST_error, kid->span);
    }
    vec_grow(b->arena, (void **)&node->kid, node->n, &node->cap, sizeof *node->kid);
    node->kid[node->n++] = kid;
    if (kid->depth >= node->depth) node->depth = kid->depth + 1;
}

static void add_kids(AstBuilder *b, Ast *node, int n, va_list ap) {
    for (int i = 0; i < n; i++) add_kid(b, node, va_arg(ap, Ast *));
}

Ast *ast_node(AstBuilder *b, AstKind kind, Span span, int n, ...) {
    Ast *node = new_node(b, kind, span);
    va_list ap;
    va_start(ap, n);
    add_kids(b, node, n, ap);
    va_end(ap);
    return node;
}

Ast *ast_named(AstBuilder *b, AstKind kind, Span span, Span name_span, const char *text, int n, ...) {
    Ast *node = new_node(b, kind, span);
    node->name_span = name_span;
    node->text = text;
    va_list ap;
    va_start(ap, n);
    add_kids(b, node, n, ap);
    va_end(ap);
    return node;
}

Ast *ast_push(AstBuilder *b, Ast *list, Ast *kid) {
    if (!list) list = new_node(b, AST_list, kid ? kid->span : (Span){0});
    add_kid(b, list, kid);
    if (kid) list->span = span_join(list->span, kid->span);
    return list;
}

Ast *ast_from_list(AstBuilder *b, AstKind kind, Span span, const char *text, Ast *list) {
    Ast *node = new_node(b, kind, span);
    node->text = text;
    if (!list) return node;
    node->kid = list->kid;
    node->n = list->n;
    node->cap = list->cap;
    node->depth = list->depth;
    return node;
}

Ast *ast_int(AstBuilder *b, Span span, int64_t i) {
    Ast *node = new_node(b, AST_int, span);
    node->i = i;
    return node;
}

Ast *ast_float(AstBuilder *b, Span span, double f) {
    Ast *node = new_node(b, AST_float, span);
    node->f = f;
    return node;
}

Ast *ast_bool(AstBuilder *b, Span span, bool value) {
    Ast *node = new_node(b, AST_bool, span);
    node->i = value;
    return node;
}

Ast *ast_param(AstBuilder *b, Span span, Span name_span, const char *name, Span type_span, const char *type_name, Ast *default_value) {
    Ast *node = ast_named(b, AST_param, span, name_span, name, 1, default_value);
    node->type_span = type_span;
    node->type = type_name;
    return node;
}

/* ---- printing ---- */

void ast_quote(Text *out, const char *s) {
    text_printf(out, "\"");
    for (; *s; s++) {
        if (*s == '"' || *s == '\\') text_printf(out, "\\%c", *s);
        else if (*s == '\n') text_printf(out, "\\n");
        else if (*s == '\t') text_printf(out, "\\t");
        else text_append(out, s, 1);
    }
    text_printf(out, "\"");
}

static void print_payload(Text *out, const Ast *ast) {
    char buf[32];
    switch (ast->kind) {
    case AST_int: text_printf(out, " %lld", (long long)ast->i); break;
    case AST_float: text_printf(out, " %s", double_text(ast->f, buf)); break;
    case AST_bool: text_printf(out, ast->i ? " true" : " false"); break;
    case AST_string:
    case AST_import:
        text_printf(out, " ");
        ast_quote(out, ast->text);
        break;
    case AST_param:
        text_printf(out, ast->type ? " %s: %s" : " %s", ast->text, ast->type);
        break;
    default:
        if (ast->text) text_printf(out, " %s", ast->text);
    }
}

static void print_node(Text *out, const Diag *diag, const Ast *ast, int level) {
    int line, column;
    diag_place(diag, ast->span, &line, &column);
    text_printf(out, "%*s%s", 2 * level, "", kind_names[ast->kind]);
    print_payload(out, ast);
    text_printf(out, " %d:%d\n", line, column);
    for (int i = 0; i < ast->n; i++) print_node(out, diag, ast->kid[i], level + 1);
}

void ast_print(Text *out, const Diag *diag, const Ast *ast) { print_node(out, diag, ast, 0); }
