/* scan_text.h: tokens of the text forms of netc's intermediate forms (graph, loops), for the parsers that read them back.
 *
 * Text is a free sequence of tokens; a newline is a blank, `#` starts a comment that runs to the end of the line. One token
 * is looked at: s->token. The first error is reported through Diag and ends the text: from then on s->failed is set,
 * the current token is SCAN_END, and every function below refuses; so a parser's loops end by themselves and
 * it may check `failed` once, at its end.
 *
 *     name      conv1.weight   letters, digits, '_' and '.', not starting with a digit or '.'
 *     value     %12  %conv1.weight  %"optim/conv1.weight"
 *     int       128            without sign: '-' is a mark
 *     real      0.5  1e-05
 *     shape     6x28x28        digits joined by x; a single number is an int
 *     string    "a\n\"b\"\x07"
 *     mark      ->  or any other single character
 */
#ifndef NETC_SCAN_TEXT_H
#define NETC_SCAN_TEXT_H

#include "base.h"
#include "diag.h"
#include "model.h"

enum { SCAN_MAX_TEXT = 1 << 28 }; /* bytes of a text form: spans are ints */

typedef enum ScanKind { SCAN_END, SCAN_NAME, SCAN_VALUE, SCAN_INT, SCAN_REAL, SCAN_SHAPE, SCAN_STRING, SCAN_MARK } ScanKind;

typedef struct TextToken {
    ScanKind kind;
    Span span;
    const char *text; /* interned: the spelling; of a string, its contents; of a value, its name, or null for a number */
    int64_t i;        /* int; number of a value */
    double f;         /* int and real */
} TextToken;

typedef struct TextScanner {
    Arena *arena;
    Diag *diag;
    int file;
    const char *text;
    size_t n, pos;    /* pos: first byte behind the current token */
    TextToken token;
    bool failed;
} TextScanner;

/* Starts at the first token of file number `file` of the Diag. Names are interned in a. */
void scan_open(TextScanner *s, Arena *a, Diag *d, int file);
void scan_next(TextScanner *s);
/* Reports an error at the span and ends the text; errors after the first are not reported. */
void scan_error(TextScanner *s, Span span, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Reports "expected WHAT, found `...`" at the current token. */
void scan_unexpected(TextScanner *s, const char *what);

/* Is the current token this name or mark? */
bool scan_is(const TextScanner *s, const char *text);
/* Steps over the current token where it is this name or mark. */
bool scan_accept(TextScanner *s, const char *text);
/* scan_accept, or an error. */
bool scan_expect(TextScanner *s, const char *text);

/* The functions below step over what they read and return true, or report an error and return false. */

/* A name, or a string that stands for one. */
bool scan_name(TextScanner *s, const char **out);
bool scan_string(TextScanner *s, const char **out);
/* An integer from lo to hi, with or without a sign. */
bool scan_int(TextScanner *s, int64_t lo, int64_t hi, int64_t *out);
/* A number, with or without a sign; `inf` and `nan` too. */
bool scan_real(TextScanner *s, double *out);
/* A name out of a null-terminated list; *out is its index. */
bool scan_choice(TextScanner *s, const char *what, const char *const *names, int *out);
/* "6x28x28" or "400": 1 to max_rank dimensions, each in 1 .. 2^31-1. */
bool scan_dims(TextScanner *s, int max_rank, int *rank, int64_t *dim);
/* A type as print_type writes it. */
bool scan_type(TextScanner *s, Type *out);
/* "!2:6:5-22" or "!2:6:5-7:3": a span in the model's second source, from line and column up to another column, or another line's; columns count
 * characters, and the end is the place behind the last one. "@5" behind it: reached through the fifth call. "No place" where the text has none. */
bool scan_span(TextScanner *s, const Model *m, Span *out);

/* ---- writing what the scanner reads ---- */

/* A name as it is, or quoted where it is not made like one. */
void print_name(Text *t, const char *name);
/* "..." with escapes. */
void print_string(Text *t, const char *s);
/* "Nx6x28x28" (batched), "6x1x5x5" (not), "N" and "scalar" (rank 0); before it the element where it is not f32: "u8 Nx6x14x14". */
void print_type(Text *t, Type type);
/* " !2:6:5-22" or " !2:6:5-22@5", or nothing for "no place" or a file that is not a source of the model. */
void print_span(Text *t, const Model *m, Span span);

#endif
