/* parse.h: from the text of a `.net` file to its syntax tree.
 *
 * Three stages, pulled by the last: the scanner (grammar/net.l) cuts the text into tokens; a filter of one token of
 * lookahead (parse.c) turns newlines that end a statement into `;` and drops the others; the parser (grammar/net.y)
 * builds the tree. Errors go to the Diag, several of them for one file where recovery finds its feet again.
 */
#ifndef NETC_PARSE_H
#define NETC_PARSE_H

#include "ast.h"

enum { PARSE_MAX_FILE = 1 << 20, PARSE_MAX_BRACKETS = 200, PARSE_MAX_NAME = 100, PARSE_MAX_STRING = 4096 };

/* The tree (AST_file) of file number `file` of the Diag; null when nothing could be built. Whether it is free of errors,
 * diag_errors tells. */
Ast *parse_file(Arena *a, Diag *diag, int file);
/* The tree (AST_assign) of a definition `NAME = EXPR` or `train.NAME = EXPR`, as `-D` takes it; null after an error. */
Ast *parse_define(Arena *a, Diag *diag, int file);
/* Prints the tokens that the parser would see, one a line: line:column, kind, text. */
void parse_tokens(Text *out, Arena *a, Diag *diag, int file);

/* ---- between scanner, filter and parser ---- */

typedef union ParseValue {
    Ast *node;        /* literals, and what rules build */
    const char *name; /* names: interned */
} ParseValue;

typedef struct ParseToken {
    int kind; /* TOK_... of net.tab.h; 0 at the end */
    Span span;
    ParseValue value;
} ParseToken;

typedef struct Parse {
    AstBuilder build;
    void *scanner;     /* flex's */
    int file, at;      /* at: bytes that the scanner has consumed */
    ParseValue value;  /* of the scanner's last token */
    Span span;
    int start;         /* the token that says what is to be parsed; 0 once it is sent */
    bool closes; /* is the end of the text worth a ';'? not in a definition */
    int last, brackets, braces; /* kind of the last token; how many () [] and how many {} are open */
    bool begins, began; /* does the last token begin a statement or an item? is the one before a name that does? */
    Span last_span, before_span; /* of these two */
    Span open[PARSE_MAX_BRACKETS]; /* the open { */
    bool held;         /* is there a token in `next`? */
    bool stopped;      /* nesting too deep: the end is feigned */
    ParseToken next;
    Ast *result;
} Parse;

/* The filter: the parser's next token. */
int parse_token(ParseValue *value, Span *span, Parse *p);
/* The scanner's, of net.l: newlines are TOK_NEWLINE. */
int parse_scan(Parse *p);
/* For the scanner: values of tokens out of their text; errors are reported. */
void parse_int(Parse *p, const char *text);
void parse_float(Parse *p, const char *text);
void parse_string(Parse *p, const char *text, int n);
void parse_name(Parse *p, const char *text, int n);
/* For the parser: reports "unexpected X, expected A or B". */
void parse_unexpected(Parse *p, Span span, const char *found, const char *const *expected, int n);

#endif
