/* diag.h: source files, spans and what is said about them.
 *
 * A Diag collects diagnostics in the order in which they were reported. A diagnostic is an error or a warning with a
 * place, followed by its notes, helps and fix-its; diag_note, diag_help and diag_fixit add to the diagnostic reported last.
 * Printing has clang's shape:
 *
 *     lenet.net:7:5: error: unknown layer 'con'; did you mean 'conv'?
 *         7 |     con(6, 5)
 *           |     ^~~
 *     lenet.net:3:1: note: ...
 *
 * At most DIAG_LIMIT errors are kept, and as many warnings; last lines count the rest. docs/diagnostics.md is for users.
 */
#ifndef NETC_DIAG_H
#define NETC_DIAG_H

#include "base.h"

enum { DIAG_LIMIT = 20 };

/* Bytes [start, end) of file number `file`; file 0 is "no place". In a file without text they are what diag_span makes of lines and columns. `call` is the
 * call of a block through which that text was reached, for what is made of it: a number in Model.blocks, from 1; 0 outside of blocks, and for the text as such. */
typedef struct Span { int file, call; int64_t start, end; } Span;
typedef struct Diag Diag;
typedef enum { COLOR_AUTO, COLOR_ALWAYS, COLOR_NEVER } ColorMode;

Diag *diag_new(Arena *a);
/* Adds a source text and returns its file number (from 1). The text must stay alive as long as the Diag. It is null for a file that is only spoken of,
 * as text forms speak of the source that they were made from: its places are lines and columns, and no picture is shown of them. */
int diag_add_file(Diag *d, const char *path, const char *text, size_t n);
/* The span from one line and column, both from 1, up to another, of a file without text. */
Span diag_span(int file, int line, int column, int end_line, int end_column);
const char *diag_path(const Diag *d, int file);
/* The text of a file, its length in *n; empty where there is none. */
const char *diag_text(const Diag *d, int file, size_t *n);
/* Line and column, both from 1, of the start of the span; columns count UTF-8 characters, a tab being one. */
void diag_place(const Diag *d, Span s, int *line, int *column);
/* The same of its end, which is the place behind its last character. */
void diag_end(const Diag *d, Span s, int *line, int *column);
/* The smallest span that holds both; a "no place" side is ignored. */
Span span_join(Span a, Span b);

void diag_error(Diag *d, Span s, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void diag_verror(Diag *d, Span s, const char *fmt, va_list ap);
/* A warning that `-Wno-NAME` silences and `-Werror` makes an error. */
void diag_warning(Diag *d, Span s, const char *name, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
void diag_note(Diag *d, Span s, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void diag_help(Diag *d, Span s, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Says that replacing span s (empty: inserting there) with `text` is very likely right. */
void diag_fixit(Diag *d, Span s, const char *text);

/* Errors reported so far (also those over the limit). */
int diag_errors(const Diag *d);
/* What stands behind -W, as clang understands it: NAME, no-NAME, error, no-error, error=NAME (which switches the warning on, too),
 * no-error=NAME; NAME a warning or one of diag_groups. The last one counts. Null, or the name that no warning has. */
const char *diag_set_warning(Diag *d, const char *flag);
/* -w: no warnings at all, whatever -W says. */
void diag_set_quiet(Diag *d);
/* Every name that diag_warning is called with, and what it is about; a table ended by a null name. */
typedef struct DiagWarning {
    const char *name, *doc;
    bool on, common; /* on: without any -W; common: with -Wall */
} DiagWarning;
extern const DiagWarning diag_warnings[];
/* Names for several warnings; null-terminated. */
extern const char *const diag_groups[];

/* Prints all diagnostics, clang's shape or (json) one JSON array, in order, and forgets them (counts stay). */
void diag_flush(Diag *d, FILE *out, ColorMode color, bool json);

#endif
