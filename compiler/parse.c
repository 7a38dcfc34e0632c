/* parse.c: see parse.h; the filter between scanner and parser, values of tokens, and the words of syntax errors.
 *
 * The filter: a newline is a ';' when it is outside () and [], follows a token that can end a statement, and the next
 * token is not `->`, `then` or `else`. The depth of brackets is set back at { } block network train import, so that one
 * unclosed ( does not swallow the rest of the file. The end of the text counts as a newline.
 */
#include "parse.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "net.tab.h"

#include "net.lex.h"

/* ---- the filter ---- */

static bool ends_statement(int kind) {
    switch (kind) {
    case TOK_NAME: case TOK_INT: case TOK_FLOAT: case TOK_STRING: case TOK_TRUE: case TOK_FALSE: case TOK_IT: case ')': case ']': case '}': return true;
    default: return false;
    }
}

static bool goes_on(int kind) { return kind == TOK_ARROW || kind == TOK_THEN || kind == TOK_ELSE; }

static bool resets_brackets(int kind) {
    return kind == '{' || kind == '}' || kind == TOK_BLOCK || kind == TOK_NETWORK || kind == TOK_TRAIN || kind == TOK_IMPORT;
}

static ParseToken scan_one(Parse *p) {
    ParseToken t = {.kind = parse_scan(p)};
    if (!t.kind) p->span = (Span){.file = p->file, .start = p->at, .end = p->at};
    t.span = p->span;
    t.value = p->value;
    return t;
}

/* The next token, newlines not yet filtered, but only the first of several. */
static ParseToken next_raw(Parse *p, ParseToken *newline) {
    *newline = (ParseToken){0};
    if (p->held) {
        p->held = false;
        return p->next;
    }
    ParseToken t = scan_one(p);
    while (t.kind == TOK_NEWLINE) {
        if (!newline->kind) *newline = t;
        t = scan_one(p);
    }
    if (!t.kind && p->closes && !newline->kind) *newline = t;
    return t;
}

static void too_deep(Parse *p, Span span) {
    diag_error(p->build.diag, span, "brackets are nested deeper than %d levels", PARSE_MAX_BRACKETS);
    p->stopped = true;
}

static void count_brackets(Parse *p, const ParseToken *t) {
    if (resets_brackets(t->kind)) p->brackets = 0;
    if (t->kind == '(' || t->kind == '[') p->brackets++;
    if ((t->kind == ')' || t->kind == ']') && p->brackets) p->brackets--;
    if (t->kind == '}' && p->braces) p->braces--;
    if (p->brackets > PARSE_MAX_BRACKETS || (t->kind == '{' && p->braces == PARSE_MAX_BRACKETS)) too_deep(p, t->span);
    else if (t->kind == '{') p->open[p->braces++] = t->span;
}

static ParseToken filtered(Parse *p) {
    ParseToken newline, t = next_raw(p, &newline);
    if (newline.kind || newline.span.file) {
        if (!t.kind || (t.kind != '{' && resets_brackets(t.kind))) p->brackets = 0;
        if (!p->brackets && ends_statement(p->last) && !goes_on(t.kind)) {
            p->next = t;
            p->held = true;
            return (ParseToken){.kind = ';', .span = newline.span};
        }
    }
    count_brackets(p, &t);
    return t;
}

int parse_token(ParseValue *value, Span *span, Parse *p) {
    ParseToken t = {.kind = p->start, .span = {p->file, 0, 0}};
    if (p->start) p->start = 0;
    else if (!p->stopped) t = filtered(p);
    if (p->stopped) t = (ParseToken){.kind = 0, .span = {p->file, p->at, p->at}};
    p->began = p->begins && p->last == TOK_NAME;
    p->begins = p->last == ';' || p->last == '{' || p->last == TOK_START_FILE;
    p->last = t.kind;
    p->before_span = p->last_span;
    p->last_span = t.span;
    *value = t.value;
    *span = t.span;
    return t.kind;
}

/* ---- values of tokens ---- */

void parse_int(Parse *p, const char *text) {
    errno = 0;
    long long i = strtoll(text, NULL, 10);
    if (errno) diag_error(p->build.diag, p->span, "integer %.40s is too large; the largest is 9223372036854775807", text);
    p->value.node = ast_int(&p->build, p->span, i);
}

void parse_float(Parse *p, const char *text) {
    double f = strtod(text, NULL);
    if (!isfinite(f)) diag_error(p->build.diag, p->span, "number %.40s is too large", text);
    p->value.node = ast_float(&p->build, p->span, isfinite(f) ? f : 0);
}

/* The character that the escape \c stands for, or 0. */
static char escape(char c) { return c == 'n' ? '\n' : c == 't' ? '\t' : c == '"' || c == '\\' ? c : 0; }

void parse_string(Parse *p, const char *text, int n) {
    if (n > PARSE_MAX_STRING) {
        diag_error(p->build.diag, p->span, "string of %d bytes; the longest allowed has %d", n, PARSE_MAX_STRING);
        n = 0;
    }
    Text t = {0};
    text_append(&t, "", 0);
    for (int i = 0; i < n; i++) {
        char c = text[i];
        if (c == '\\' && i + 1 < n && !(c = escape(text[++i])))
            diag_error(p->build.diag, (Span){.file = p->file, .start = p->span.start + i, .end = p->span.start + i + 2},
                       "unknown escape '\\%c'; use \\n, \\t, \\\" or \\\\", text[i]);
        if (c) text_append(&t, &c, 1);
    }
    p->value.node = ast_named(&p->build, AST_string, p->span, p->span, arena_intern(p->build.arena, t.at, t.n), 0);
    text_free(&t);
}

void parse_name(Parse *p, const char *text, int n) {
    if (n > PARSE_MAX_NAME) {
        diag_error(p->build.diag, p->span, "name of %d characters; the longest allowed has %d", n, PARSE_MAX_NAME);
        n = PARSE_MAX_NAME;
    }
    p->value.name = arena_intern(p->build.arena, text, (size_t)n);
}

/* ---- the words of syntax errors ---- */

static bool among(const char *name, const char *const *list) {
    for (; *list; list++)
        if (!strcmp(name, *list)) return true;
    return false;
}

/* Tokens that begin an expression, and tokens that only prolong one. */
static const char *const starters[] = {"a name", "a number", "a fraction", "a string", "'true'", "'false'", "'it'", "'('", "'-'",
                                       "'not'", "'if'", NULL};
static const char *const prolongers[] = {"'or'", "'and'", "'=='", "'!='", "'<'", "'>'", "'<='", "'>='", "'+'", "'-'", "'*'", "'/'", "'%'",
                                         "'.'", "'['", "'('", "'->'", "'='", "':'", NULL};
static const char *const items[] = {"'import'", "'block'", "'network'", "'train'", "a name", NULL};
static const char *const statements[] = {"'repeat'", "'for'", NULL};

/* Gathers what was expected into few words: the groups above become one phrase each. Returns how many. */
static int summarize(const char *const *expected, int n, const char **words, int most) {
    bool expr = false, stmt = false, item = false, strong = false;
    for (int i = 0; i < n; i++) {
        expr |= !strcmp(expected[i], "a number");
        stmt |= !strcmp(expected[i], "'repeat'");
        item |= !strcmp(expected[i], "'network'");
        strong |= !among(expected[i], prolongers);
    }
    int count = 0;
    if (item) words[count++] = "'import', 'block', 'network', 'train' or a constant";
    else if (stmt) words[count++] = "a statement";
    else if (expr) words[count++] = "an expression";
    for (int i = 0; i < n && count < most; i++) {
        const char *e = expected[i];
        if ((expr && among(e, starters)) || (stmt && among(e, statements)) || (item && among(e, items))) continue;
        if (!strcmp(e, "end of file") || !strcmp(e, "error") || ((item || stmt) && !strcmp(e, "';'"))) continue;
        if (!expr && strong && among(e, prolongers)) continue;
        words[count++] = !strcmp(e, "';'") ? "end of line" : e;
    }
    return count;
}

/* What stands at the place of the error, in words. */
static const char *found_text(Parse *p, Span s) {
    size_t n;
    const char *text = diag_text(p->build.diag, s.file, &n);
    if (s.start >= (int64_t)n) return "end of file";
    if (text[s.start] == '\n') return "end of line";
    int length = (int)(s.end - s.start);
    return length > 40 ? "token" : arena_printf(p->build.arena, "'%.*s'", length, text + s.start);
}

/* The keyword that the text of a span is likely meant to be; null where there is none. */
static const char *meant_keyword(Parse *p, Span s, const char *const *keywords) {
    int n = 0, length = (int)(s.end - s.start);
    size_t size;
    while (keywords[n]) n++;
    if (length > PARSE_MAX_NAME) return NULL;
    return nearest_name(arena_printf(p->build.arena, "%.*s", length, diag_text(p->build.diag, s.file, &size) + s.start), keywords, n);
}

/* Of what is expected, the keywords, without their quotes; null-terminated. */
static const char *const *expected_keywords(Parse *p, const char *const *expected, int n) {
    const char **words = ARENA_ARRAY(p->build.arena, const char *, n + 1);
    int count = 0;
    for (int i = 0; i < n; i++)
        if (expected[i][0] == '\'' && expected[i][1] >= 'a' && expected[i][1] <= 'z')
            words[count++] = arena_str(p->build.arena, expected[i] + 1, strlen(expected[i]) - 2);
    return words;
}

/* Reports a name that is a misspelt keyword: the one that nobody expected, or the one before it that began the statement. */
static bool is_misspelt(Parse *p, Span span, const char *found, const char *const *expected, int n) {
    static const char *const of_file[] = {"import", "block", "network", "train", NULL}, *const of_body[] = {"repeat", "for", "if", "else", NULL};
    Span place = span;
    const char *near = NULL;
    if (!strcmp(found, "a name")) near = meant_keyword(p, span, expected_keywords(p, expected, n));
    bool in_body = p->braces > !strcmp(found, "'{'"); /* which is counted already */
    if (!near && p->began) near = meant_keyword(p, place = p->before_span, in_body ? of_body : of_file);
    if (!near) return false;
    diag_error(p->build.diag, place, "unknown keyword %s; did you mean '%s'?", found_text(p, place), near);
    diag_fixit(p->build.diag, place, near);
    return true;
}

void parse_unexpected(Parse *p, Span span, const char *found, const char *const *expected, int n) {
    enum { MOST = 5 };
    const char *words[MOST];
    if (p->stopped) return; /* what is too deep has been said */
    if (is_misspelt(p, span, found, expected, n)) return;
    int count = summarize(expected, n, words, MOST);
    Text t = {0};
    text_printf(&t, "unexpected %s", found_text(p, span));
    if (!count) text_printf(&t, ", expected the end"); /* of a definition: whatever could prolong it goes without saying */
    for (int i = 0; i < count; i++) text_printf(&t, "%s%s", !i ? ", expected " : i + 1 < count ? ", " : " or ", words[i]);
    diag_error(p->build.diag, span, "%s", t.at);
    text_free(&t);
    if (!strcmp(found, "end of file") && p->braces) diag_note(p->build.diag, p->open[p->braces - 1], "this '{' is never closed");
}

/* ---- whole texts ---- */

/* Reports the first byte that cannot be text; is there none? */
static bool check_text(Diag *diag, int file) {
    size_t n;
    const char *text = diag_text(diag, file, &n);
    ENSURE(n <= PARSE_MAX_FILE); /* who reads files refuses larger ones */
    for (size_t i = 0; i < n;) {
        unsigned code;
        int length = utf8_decode(text + i, text + n, &code);
        Span s = {.file = file, .start = (int)i, .end = (int)i + 1};
        if (!length) diag_error(diag, s, "byte 0x%02X is not UTF-8 text", (unsigned char)text[i]);
        else if (!text[i]) diag_error(diag, s, "NUL byte in the source");
        if (!length || !text[i]) return false;
        i += (size_t)length;
    }
    return true;
}

static bool open_parse(Parse *p, Arena *a, Diag *diag, int file) {
    size_t n;
    const char *text = diag_text(diag, file, &n);
    *p = (Parse){.build = {a, diag, false}, .file = file, .closes = true};
    if (!check_text(diag, file)) return false;
    if (net_scan_lex_init_extra(p, &p->scanner) || !net_scan__scan_bytes(text, (int)n, p->scanner)) BUG("the scanner does not start");
    return true;
}

Ast *parse_file(Arena *a, Diag *diag, int file) {
    Parse p;
    if (!open_parse(&p, a, diag, file)) return NULL;
    p.start = TOK_START_FILE;
    net_parse(&p);
    net_scan_lex_destroy(p.scanner);
    return p.result;
}

Ast *parse_define(Arena *a, Diag *diag, int file) {
    Parse p;
    if (!open_parse(&p, a, diag, file)) return NULL;
    p.start = TOK_START_DEFINE;
    p.closes = false;
    int failed = net_parse(&p);
    net_scan_lex_destroy(p.scanner);
    return failed ? NULL : p.result;
}

static const char *token_kind(int kind) {
    switch (kind) {
    case TOK_NAME: return "name";
    case TOK_INT: return "int";
    case TOK_FLOAT: return "float";
    case TOK_STRING: return "string";
    case ';': return "separator";
    default: return kind < 256 ? "sign" : "word";
    }
}

void parse_tokens(Text *out, Arena *a, Diag *diag, int file) {
    Parse p;
    if (!open_parse(&p, a, diag, file)) return;
    ParseValue value;
    Span s;
    size_t n;
    const char *text = diag_text(diag, file, &n);
    for (int kind; (kind = parse_token(&value, &s, &p));) {
        int line, column;
        diag_place(diag, s, &line, &column);
        bool shown = s.start < (int64_t)n && text[s.start] != '\n';
        text_printf(out, "%d:%d %s %.*s\n", line, column, token_kind(kind), shown ? (int)(s.end - s.start) : 1, shown ? text + s.start : ";");
    }
    net_scan_lex_destroy(p.scanner);
}
