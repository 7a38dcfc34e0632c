/* ast.h: the syntax tree of a `.net` file, as the parser builds it and `--emit=ast` prints it.
 *
 * One kind of node serves for everything: a kind, a span, a name or a number, and children; AST_KINDS below says what each
 * kind holds. Nodes are made by the parser's actions and never change afterwards. Their depth is limited, so that
 * everybody may walk the tree by recursion.
 */
#ifndef NETC_AST_H
#define NETC_AST_H

#include "diag.h"

enum { AST_MAX_DEPTH = 400 };

/* KIND(name, what its children and text are) */
#define AST_KINDS(KIND)                                                       \
    KIND(list, "any; lives only while the parser collects")                   \
    KIND(file, "items")                                                       \
    KIND(import, "text: the path")                                            \
    KIND(block, "list of params, body; text: its name")                       \
    KIND(param, "[default]; text: its name; type: its type's name or null")   \
    KIND(network, "list of dims, output, body; text: its name")               \
    KIND(train, "body")                                                       \
    KIND(body, "statements")                                                  \
    KIND(assign, "value; text: the name")                                     \
    KIND(repeat, "count, body")                                               \
    KIND(for, "pattern, sequence, body")                                      \
    KIND(pattern, "names; i: 1 for (a, b), 0 for a single name")              \
    KIND(branch, "condition, body, [body or branch]: the statement")          \
    KIND(choose, "condition, then, else: the expression")                     \
    KIND(pipe, "left, right")                                                 \
    KIND(binary, "left, right; text: the operator")                           \
    KIND(unary, "operand; text: the operator")                                \
    KIND(int, "i")                                                            \
    KIND(float, "f")                                                          \
    KIND(string, "text")                                                      \
    KIND(bool, "i")                                                           \
    KIND(it, "")                                                              \
    KIND(name, "text")                                                        \
    KIND(call, "args; text: what is called")                                  \
    KIND(arg, "value; text: the parameter's name")                            \
    KIND(attr, "object; text: the attribute")                                 \
    KIND(index, "object, index")                                              \
    KIND(tuple, "elements")                                                   \
    KIND(error, "stands where nothing could be understood")

typedef enum AstKind {
#define KIND(name, doc) AST_##name,
    AST_KINDS(KIND)
#undef KIND
} AstKind;

typedef struct Ast Ast;
struct Ast {
    AstKind kind;
    int depth;        /* of the tree under it: 1 for a leaf */
    Span span;        /* all of its text */
    Span name_span;   /* of the name in `text`, where the node has one */
    const char *text; /* interned: a name, an operator, a string; or null */
    const char *type; /* interned: a parameter's type; or null */
    Span type_span;
    int64_t i;
    double f;
    int n, cap;
    Ast **kid;
};

/* ---- building; only the parser does ---- */

typedef struct AstBuilder {
    Arena *arena;
    Diag *diag;
    bool too_deep; /* said once */
} AstBuilder;

/* A node of n children (each may be null, and is then left out). */
Ast *ast_node(AstBuilder *b, AstKind kind, Span span, int n, ...);
/* A node with a name or text and n children. */
Ast *ast_named(AstBuilder *b, AstKind kind, Span span, Span name_span, const char *text, int n, ...);
/* Appends a child to a list (both may be null) and returns the list. */
Ast *ast_push(AstBuilder *b, Ast *list, Ast *kid);
/* The children of `list` (which may be null) as a node of another kind. */
Ast *ast_from_list(AstBuilder *b, AstKind kind, Span span, const char *text, Ast *list);
Ast *ast_int(AstBuilder *b, Span span, int64_t i);
Ast *ast_float(AstBuilder *b, Span span, double f);
Ast *ast_bool(AstBuilder *b, Span span, bool value);
/* A parameter; type_name and default_value may be null. */
Ast *ast_param(AstBuilder *b, Span span, Span name_span, const char *name, Span type_span, const char *type_name, Ast *default_value);

/* ---- printing ---- */

/* The tree, a node a line, indented by depth: kind, text or number, line:column. */
void ast_print(Text *out, const Diag *diag, const Ast *ast);
/* Appends s in double quotes, with the escapes of the language. */
void ast_quote(Text *out, const char *s);

#endif
