/* diag_internal.h: what the files of diag.h share; nobody else includes it.
 *
 *   diag.c         files and places; what is reported, and which warnings are
 *   diag_print.c   pictures of source lines, for people
 *   diag_json.c    one JSON array, for programs
 */
#ifndef NETC_DIAG_INTERNAL_H
#define NETC_DIAG_INTERNAL_H

#include "diag.h"

typedef enum { ENTRY_ERROR, ENTRY_WARNING, ENTRY_NOTE, ENTRY_HELP, ENTRY_FIXIT } EntryKind;

typedef struct Entry {
    EntryKind kind;
    Span span;
    const char *text;
    const char *option; /* name of the warning, or null */
} Entry;

typedef struct DiagFile {
    const char *path, *text;  /* text: null where only lines and columns are known */
    size_t n;
    VEC(int) lines;           /* byte offset of the start of each line */
    _Atomic uint64_t seen;    /* the place asked for last, byte << 32 | column, in one word since threads may ask side by side: the next one is
                                 mostly near it, and lines can be long */
} DiagFile;

enum { DIAG_WARNINGS = 7 };
typedef enum { FATAL_AS_OTHERS, FATAL_YES, FATAL_NO } Fatal; /* is the warning an error? as -Werror says, or as -W[no-]error=NAME did */

struct Diag {
    Arena *arena;
    VEC(DiagFile) files;
    VEC(Entry) entries;
    int errors, warnings;               /* reported in all */
    int hidden_errors, hidden_warnings; /* of these not kept */
    bool mute, quiet, werror;           /* mute: what is added now goes to something that is not kept; quiet: -w */
    bool on[DIAG_WARNINGS];
    Fatal fatal[DIAG_WARNINGS];
};

/* "error", "warning", "note", "help", by kind. */
extern const char *const diag_severities[];

DiagFile *diag_file(const Diag *d, int file);
/* Number, from 0, of the line that holds byte `at`. */
int diag_line(const DiagFile *f, int64_t at);
/* One past the last byte of a line, its newline (and a carriage return before it) left out. */
int diag_line_end(const DiagFile *f, int line);
/* Line and column, from 1, of an end of a span. */
void diag_point(DiagFile *f, int64_t at, int *line, int *column);

void diag_print_text(const Diag *d, FILE *out, bool color);
void diag_print_json(const Diag *d, FILE *out);

#endif
