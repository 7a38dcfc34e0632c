/* diag.c: see diag.h; files and places, what is reported, and which warnings are.
 *
 * What is reported becomes one flat list of entries: an error or warning, then its notes, helps and fix-its. Errors past the
 * limit, and warnings past theirs, are counted and not kept, and what is added to them goes the same way (`mute`).
 */
#include "diag_internal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const DiagWarning diag_warnings[] = {
    {"softmax", "softmax before a loss that applies it again", true, true},
    {"dead-layer", "a layer without effect, as relu behind relu, or whose result nobody uses", true, true},
    {"unused-block", "a block that is never called", false, true},
    {"unused-constant", "a constant that is never read", false, true},
    {"unused-value", "a name in a body that is never read", false, true},
    {"tuned", "what --tune has kept cannot be read, and is not used", true, true},
    {"slow", "a kernel falls back to generic loops", false, false},
    {NULL, NULL, false, false},
};
_Static_assert(sizeof diag_warnings / sizeof *diag_warnings - 1 == DIAG_WARNINGS, "the table and its size");

const char *const diag_groups[] = {"all", "unused", "everything", NULL};
const char *const diag_severities[] = {"error", "warning", "note", "help", "fixit"};

/* ---- files and places ---- */

Diag *diag_new(Arena *a) {
    Diag *d = ARENA_NEW(a, Diag);
    d->arena = a;
    for (int i = 0; i < DIAG_WARNINGS; i++) d->on[i] = diag_warnings[i].on;
    return d;
}

int diag_add_file(Diag *d, const char *path, const char *text, size_t n) {
    DiagFile f = {.path = arena_name(d->arena, path), .text = text, .n = n, .seen = 1};
    bool mark = n >= 3 && !memcmp(text, "\xEF\xBB\xBF", 3); /* a byte order mark stands before the first line, not in it */
    VEC_PUSH(d->arena, &f.lines, mark ? 3 : 0);
    for (size_t i = 0; i < n; i++)
        if (text[i] == '\n') VEC_PUSH(d->arena, &f.lines, (int)i + 1);
    VEC_PUSH(d->arena, &d->files, f);
    return d->files.n;
}

DiagFile *diag_file(const Diag *d, int file) { return file > 0 && file <= d->files.n ? &d->files.at[file - 1] : NULL; }

const char *diag_path(const Diag *d, int file) {
    const DiagFile *f = diag_file(d, file);
    return f ? f->path : "netc";
}

const char *diag_text(const Diag *d, int file, size_t *n) {
    const DiagFile *f = diag_file(d, file);
    *n = f ? f->n : 0;
    return f && f->text ? f->text : "";
}

int diag_line(const DiagFile *f, int64_t at) {
    int lo = 0, hi = f->lines.n;
    while (hi - lo > 1) {
        int mid = lo + (hi - lo) / 2;
        if (f->lines.at[mid] <= at) lo = mid;
        else hi = mid;
    }
    return lo;
}

int diag_line_end(const DiagFile *f, int line) {
    int end = line + 1 < f->lines.n ? f->lines.at[line + 1] - 1 : (int)f->n;
    if (end > f->lines.at[line] && f->text[end - 1] == '\r') end--;
    return end;
}

static bool is_continuation(char c) { return ((unsigned char)c & 0xC0) == 0x80; }

/* Walks from the byte asked for last, in either direction, where that is on the same line. */
static void byte_point(DiagFile *f, int at, int *line, int *column) {
    int l = diag_line(f, at), i = f->lines.at[l], c = 1;
    if (at < i) at = i; /* in the byte order mark */
    uint64_t seen = f->seen;
    int seen_at = (int)(seen >> 32);
    if (seen_at > i && diag_line(f, seen_at) == l) {
        i = seen_at;
        c = (int)(uint32_t)seen;
    }
    for (; i < at; i++) c += !is_continuation(f->text[i]);
    for (; i > at; i--) c -= !is_continuation(f->text[i - 1]);
    f->seen = (uint64_t)at << 32 | (uint64_t)c;
    *line = l + 1;
    *column = c;
}

/* Points of a file without text: in the order of the places, as bytes are. */
static int64_t pack_point(int line, int column) { return (int64_t)line << 32 | column; }

Span diag_span(int file, int line, int column, int end_line, int end_column) {
    return (Span){.file = file, .start = pack_point(line, column), .end = pack_point(end_line, end_column)};
}

void diag_point(DiagFile *f, int64_t at, int *line, int *column) {
    if (f->text) {
        byte_point(f, (int)i64_min(at, (int64_t)f->n), line, column);
        return;
    }
    *line = (int)(at >> 32);
    *column = (int)(uint32_t)at;
}

static void point_of(const Diag *d, int file, int64_t at, int *line, int *column) {
    DiagFile *f = diag_file(d, file);
    *line = *column = 1;
    if (f) diag_point(f, at, line, column);
}

void diag_place(const Diag *d, Span s, int *line, int *column) { point_of(d, s.file, s.start, line, column); }
void diag_end(const Diag *d, Span s, int *line, int *column) { point_of(d, s.file, s.end, line, column); }

Span span_join(Span a, Span b) {
    if (!a.file) return b;
    if (!b.file || a.file != b.file) return a;
    a.start = a.start < b.start ? a.start : b.start;
    a.end = a.end > b.end ? a.end : b.end;
    return a;
}

/* ---- reporting ---- */

static void add_entry(Diag *d, EntryKind kind, Span s, const char *option, const char *fmt, va_list ap) {
    Text t = {0};
    text_vprintf(&t, fmt, ap);
    Entry e = {kind, s, arena_str(d->arena, t.at, t.n), option};
    text_free(&t);
    VEC_PUSH(d->arena, &d->entries, e);
}

/* Counts one more of those that `*count` counts; is it one of those that are kept? */
static bool count(Diag *d, int *count, int *hidden) {
    d->mute = (*count)++ >= DIAG_LIMIT;
    *hidden += d->mute;
    return !d->mute;
}

void diag_verror(Diag *d, Span s, const char *fmt, va_list ap) {
    if (count(d, &d->errors, &d->hidden_errors)) add_entry(d, ENTRY_ERROR, s, NULL, fmt, ap);
}

void diag_error(Diag *d, Span s, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    diag_verror(d, s, fmt, ap);
    va_end(ap);
}

static int find_warning(const char *name) {
    for (int i = 0; i < DIAG_WARNINGS; i++)
        if (!strcmp(diag_warnings[i].name, name)) return i;
    return -1;
}

void diag_warning(Diag *d, Span s, const char *name, const char *fmt, ...) {
    int w = find_warning(name);
    ENSURE(w >= 0);
    bool error = d->fatal[w] == FATAL_YES || (d->werror && d->fatal[w] != FATAL_NO);
    d->mute = d->quiet || !d->on[w];
    if (d->mute || !(error ? count(d, &d->errors, &d->hidden_errors) : count(d, &d->warnings, &d->hidden_warnings))) return;
    va_list ap;
    va_start(ap, fmt);
    add_entry(d, error ? ENTRY_ERROR : ENTRY_WARNING, s, diag_warnings[w].name, fmt, ap);
    va_end(ap);
}

void diag_note(Diag *d, Span s, const char *fmt, ...) {
    if (d->mute) return;
    va_list ap;
    va_start(ap, fmt);
    add_entry(d, ENTRY_NOTE, s, NULL, fmt, ap);
    va_end(ap);
}

void diag_help(Diag *d, Span s, const char *fmt, ...) {
    if (d->mute) return;
    va_list ap;
    va_start(ap, fmt);
    add_entry(d, ENTRY_HELP, s, NULL, fmt, ap);
    va_end(ap);
}

void diag_fixit(Diag *d, Span s, const char *text) {
    if (d->mute) return;
    Entry e = {ENTRY_FIXIT, s, arena_name(d->arena, text), NULL};
    VEC_PUSH(d->arena, &d->entries, e);
}

int diag_errors(const Diag *d) { return d->errors; }

/* ---- which warnings are reported ---- */

static bool is_meant(int warning, const char *name) {
    const DiagWarning *w = &diag_warnings[warning];
    if (!strcmp(name, "all")) return w->common;
    if (!strcmp(name, "unused")) return !strncmp(w->name, "unused-", 7);
    return !strcmp(name, "everything") || !strcmp(name, w->name);
}

const char *diag_set_warning(Diag *d, const char *flag) {
    bool on = strncmp(flag, "no-", 3) != 0, known = false;
    const char *name = on ? flag : flag + 3;
    bool severity = !strncmp(name, "error=", 6);
    if (!strcmp(name, "error")) {
        d->werror = on;
        return NULL;
    }
    if (severity) name += 6;
    for (int i = 0; i < DIAG_WARNINGS; i++) {
        if (!is_meant(i, name)) continue;
        known = true;
        if (severity) d->fatal[i] = on ? FATAL_YES : FATAL_NO;
        if (!severity || on) d->on[i] = on; /* -Wno-error=NAME leaves the warning as it is */
    }
    return known ? NULL : name;
}

void diag_set_quiet(Diag *d) { d->quiet = true; }

/* ---- printing ---- */

static bool use_color(FILE *out, ColorMode mode) {
    if (mode != COLOR_AUTO) return mode == COLOR_ALWAYS;
    const char *no = getenv("NO_COLOR");
    return !(no && *no) && isatty(fileno(out));
}

void diag_flush(Diag *d, FILE *out, ColorMode color, bool json) {
    if (json) diag_print_json(d, out);
    else diag_print_text(d, out, use_color(out, color));
    fflush(out);
    d->entries.n = 0;
    d->hidden_errors = d->hidden_warnings = 0;
}
