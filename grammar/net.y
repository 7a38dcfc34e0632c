/* net.y: the grammar of the language, LALR(1) without conflicts. Actions only build the tree (ast.h); what it means is
 * elaborate's business. Statements are separated by ';', which the filter in parse.c also makes of newlines.
 *
 * After an error everything up to the next ';', '}' or body is skipped; `sep` ends the skipping (yyerrok), so that one file
 * shows several errors. */
%expect 0
%define api.prefix {net_}
%define api.pure full
%define api.token.prefix {TOK_}
%define api.value.type {ParseValue}
%define api.location.type {Span}
%define parse.error custom
%define parse.lac full
%locations
%param {Parse *p}

%code requires {
#include "parse.h"
}

%code {
#define YYMAXDEPTH 4000
#define YYLLOC_DEFAULT(whole, rhs, n) \
    ((whole) = (n) ? span_join((rhs)[1], (rhs)[n]) : (Span){.file = (rhs)[0].file, .start = (rhs)[0].end, .end = (rhs)[0].end})

static int net_lex(ParseValue *value, Span *span, Parse *p) { return parse_token(value, span, p); }

/* Bison's own complaints: only that its stack is full. */
static void net_error(const Span *span, Parse *p, const char *text) {
    (void)text;
    diag_error(p->build.diag, *span, "nesting is too deep to be parsed");
}

#define NODE(...) ast_node(&p->build, __VA_ARGS__)
#define NAMED(...) ast_named(&p->build, __VA_ARGS__)
#define PUSH(list, kid) ast_push(&p->build, list, kid)
#define BINARY(whole, place, op, l, r) NAMED(AST_binary, whole, place, arena_name(p->build.arena, op), 2, l, r)
#define UNARY(whole, place, op, x) NAMED(AST_unary, whole, place, arena_name(p->build.arena, op), 1, x)
}

%token START_FILE "file" START_DEFINE "definition"
%token NEWLINE "newline"
%token IMPORT "'import'" BLOCK "'block'" NETWORK "'network'" TRAIN "'train'"
%token REPEAT "'repeat'" FOR "'for'" IN "'in'" IF "'if'" THEN "'then'" ELSE "'else'"
%token OR "'or'" AND "'and'" NOT "'not'" TRUE "'true'" FALSE "'false'" IT "'it'"
%token ARROW "'->'" EQ "'=='" NE "'!='" LE "'<='" GE "'>='"
%token NAME "a name" INT "a number" FLOAT "a fraction" STRING "a string"

%left OR
%left AND
%precedence NOT
%nonassoc EQ NE '<' '>' LE GE
%left '+' '-'
%left '*' '/' '%'
%precedence NEG

%start start
%%

start
    : START_FILE file             { p->result = ast_from_list(&p->build, AST_file, @$, NULL, $2.node); }
    | START_DEFINE define         { p->result = $2.node; }
    ;

define
    : NAME '=' expr               { $$.node = NAMED(AST_assign, @$, @1, $1.name, 1, $3.node); }
    | TRAIN '.' NAME '=' expr
        { $$.node = NAMED(AST_assign, @$, span_join(@1, @3), arena_name(p->build.arena, arena_printf(p->build.arena, "train.%s", $3.name)), 1, $5.node); }
    ;

file
    : %empty                      { $$.node = NULL; }
    | file sep                    { $$ = $1; }
    | file item sep               { $$.node = PUSH($1.node, $2.node); }
    ;

sep : ';'                         { yyerrok; }
    ;

item
    : IMPORT STRING               { $$.node = NAMED(AST_import, @$, @2, $2.node->text, 0); }
    | BLOCK NAME params body      { $$.node = NAMED(AST_block, @$, @2, $2.name, 2, $3.node, $4.node); }
    | NETWORK NAME '(' exprs ')' ARROW op body
                                  { $$.node = NAMED(AST_network, @$, @2, $2.name, 3, $4.node, $7.node, $8.node); }
    | TRAIN body                  { $$.node = NODE(AST_train, @$, 1, $2.node); }
    | NAME '=' expr               { $$.node = NAMED(AST_assign, @$, @1, $1.name, 1, $3.node); }
    | error                       { $$.node = NULL; }
    | error body                  { $$.node = NULL; }
    ;

params
    : %empty                      { $$.node = NODE(AST_list, @$, 0); }
    | '(' ')'                     { $$.node = NODE(AST_list, @$, 0); }
    | '(' param_list ')'          { $$ = $2; }
    ;

param_list
    : param                       { $$.node = PUSH(NULL, $1.node); }
    | param_list ',' param        { $$.node = PUSH($1.node, $3.node); }
    ;

param
    : NAME                        { $$.node = ast_param(&p->build, @$, @1, $1.name, @1, NULL, NULL); }
    | NAME ':' NAME               { $$.node = ast_param(&p->build, @$, @1, $1.name, @3, $3.name, NULL); }
    | NAME '=' expr               { $$.node = ast_param(&p->build, @$, @1, $1.name, @1, NULL, $3.node); }
    | NAME ':' NAME '=' expr      { $$.node = ast_param(&p->build, @$, @1, $1.name, @3, $3.name, $5.node); }
    ;

body
    : '{' stmts '}'               { $$.node = ast_from_list(&p->build, AST_body, @$, NULL, $2.node); }
    ;

stmts
    : stmt_opt                    { $$.node = $1.node ? PUSH(NULL, $1.node) : NULL; }
    | stmts sep stmt_opt          { $$.node = $3.node ? PUSH($1.node, $3.node) : $1.node; }
    ;

stmt_opt
    : %empty                      { $$.node = NULL; }
    | stmt                        { $$ = $1; }
    ;

stmt
    : NAME '=' expr               { $$.node = NAMED(AST_assign, @$, @1, $1.name, 1, $3.node); }
    | expr                        { $$ = $1; }
    | REPEAT expr body            { $$.node = NODE(AST_repeat, @$, 2, $2.node, $3.node); }
    | FOR pattern IN expr body    { $$.node = NODE(AST_for, @$, 3, $2.node, $4.node, $5.node); }
    | ifst                        { $$ = $1; }
    | error                       { $$.node = NULL; }
    | error body                  { $$.node = NULL; }
    ;

pattern
    : NAME                        { $$.node = NODE(AST_pattern, @$, 1, NAMED(AST_name, @1, @1, $1.name, 0)); }
    | '(' NAME ',' names ')'      {
          Ast *first = PUSH(NULL, NAMED(AST_name, @2, @2, $2.name, 0));
          for (int i = 0; i < $4.node->n; i++) first = PUSH(first, $4.node->kid[i]);
          $$.node = ast_from_list(&p->build, AST_pattern, @$, NULL, first);
          $$.node->i = 1;
      }
    ;

names
    : NAME                        { $$.node = PUSH(NULL, NAMED(AST_name, @1, @1, $1.name, 0)); }
    | names ',' NAME              { $$.node = PUSH($1.node, NAMED(AST_name, @3, @3, $3.name, 0)); }
    ;

ifst
    : IF expr body                { $$.node = NODE(AST_branch, @$, 2, $2.node, $3.node); }
    | IF expr body ELSE body      { $$.node = NODE(AST_branch, @$, 3, $2.node, $3.node, $5.node); }
    | IF expr body ELSE ifst      { $$.node = NODE(AST_branch, @$, 3, $2.node, $3.node, $5.node); }
    ;

exprs
    : expr                        { $$.node = PUSH(NULL, $1.node); }
    | exprs ',' expr              { $$.node = PUSH($1.node, $3.node); }
    ;

expr
    : IF expr THEN expr ELSE expr { $$.node = NODE(AST_choose, @$, 3, $2.node, $4.node, $6.node); }
    | pipe                        { $$ = $1; }
    ;

pipe
    : op                          { $$ = $1; }
    | pipe ARROW op               { $$.node = NAMED(AST_pipe, @$, @2, NULL, 2, $1.node, $3.node); }
    ;

op  : prim                        { $$ = $1; }
    | op OR op                    { $$.node = BINARY(@$, @2, "or", $1.node, $3.node); }
    | op AND op                   { $$.node = BINARY(@$, @2, "and", $1.node, $3.node); }
    | NOT op                      { $$.node = UNARY(@$, @1, "not", $2.node); }
    | op EQ op                    { $$.node = BINARY(@$, @2, "==", $1.node, $3.node); }
    | op NE op                    { $$.node = BINARY(@$, @2, "!=", $1.node, $3.node); }
    | op '<' op                   { $$.node = BINARY(@$, @2, "<", $1.node, $3.node); }
    | op '>' op                   { $$.node = BINARY(@$, @2, ">", $1.node, $3.node); }
    | op LE op                    { $$.node = BINARY(@$, @2, "<=", $1.node, $3.node); }
    | op GE op                    { $$.node = BINARY(@$, @2, ">=", $1.node, $3.node); }
    | op '+' op                   { $$.node = BINARY(@$, @2, "+", $1.node, $3.node); }
    | op '-' op                   { $$.node = BINARY(@$, @2, "-", $1.node, $3.node); }
    | op '*' op                   { $$.node = BINARY(@$, @2, "*", $1.node, $3.node); }
    | op '/' op                   { $$.node = BINARY(@$, @2, "/", $1.node, $3.node); }
    | op '%' op                   { $$.node = BINARY(@$, @2, "%", $1.node, $3.node); }
    | '-' op %prec NEG            { $$.node = UNARY(@$, @1, "-", $2.node); }
    ;

prim
    : INT                         { $$ = $1; }
    | FLOAT                       { $$ = $1; }
    | STRING                      { $$ = $1; }
    | TRUE                        { $$ = $1; }
    | FALSE                       { $$ = $1; }
    | IT                          { $$.node = NODE(AST_it, @$, 0); }
    | NAME                        { $$.node = NAMED(AST_name, @$, @1, $1.name, 0); }
    | NAME '(' args ')'           { $$.node = ast_from_list(&p->build, AST_call, @$, $1.name, $3.node); $$.node->name_span = @1; }
    | prim '.' NAME               { $$.node = NAMED(AST_attr, @$, @3, $3.name, 1, $1.node); }
    | prim '[' expr ']'           { $$.node = NODE(AST_index, @$, 2, $1.node, $3.node); }
    | '(' expr ')'                { $$ = $2; }
    | '(' expr ',' ')'            { $$.node = NODE(AST_tuple, @$, 1, $2.node); }
    | '(' expr ',' exprs comma_opt ')' {
          Ast *all = PUSH(NULL, $2.node);
          for (int i = 0; i < $4.node->n; i++) all = PUSH(all, $4.node->kid[i]);
          $$.node = ast_from_list(&p->build, AST_tuple, @$, NULL, all);
      }
    ;

args
    : %empty                      { $$.node = NULL; }
    | arg_list comma_opt          { $$ = $1; }
    ;

arg_list
    : arg                         { $$.node = PUSH(NULL, $1.node); }
    | arg_list ',' arg            { $$.node = PUSH($1.node, $3.node); }
    ;

arg : expr                        { $$ = $1; }
    | NAME '=' expr               { $$.node = NAMED(AST_arg, @$, @1, $1.name, 1, $3.node); }
    ;

comma_opt
    : %empty
    | ','
    ;

%%

/* Collects what could have come instead, and hands both to parse_unexpected under their names above. */
static int yyreport_syntax_error(const yypcontext_t *ctx, Parse *p) {
    enum { MOST = YYNTOKENS };
    yysymbol_kind_t kinds[MOST];
    const char *names[MOST];
    int n = yypcontext_expected_tokens(ctx, kinds, MOST);
    if (n < 0) return n; /* memory exhausted */
    for (int i = 0; i < n; i++) names[i] = yysymbol_name(kinds[i]);
    yysymbol_kind_t found = yypcontext_token(ctx);
    parse_unexpected(p, *yypcontext_location(ctx), found == YYSYMBOL_YYEMPTY ? "" : yysymbol_name(found), names, n);
    return 0;
}
