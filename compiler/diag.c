/* diag.c: see diag.h.
 *
 * What is reported becomes one flat list of entries: an error or warning, then its notes, helps and fix-its. Errors past the
 * limit are counted and not kept, and what is added to them goes the same way (`mute`).
 *
 * To print a place, its source line is cut into cells, a cell being what one character shows: a tab shows as blanks up to
 * the next multiple of eight, a byte that is no text as <XX>. All columns of a picture are display columns over those cells;
 * a line that is too long is shown as a window around the caret.
 */
#include "diag.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef enum { ENTRY_ERROR, ENTRY_WARNING, ENTRY_NOTE, ENTRY_HELP, ENTRY_FIXIT } EntryKind;

typedef struct Entry {
    EntryKind kind;
    Span span;
    const char *text;
    const char *option; /* name of the warning, or null */
} Entry;

typedef struct File {
    const char *path, *text;
    size_t n;
    VEC(int) lines;          /* byte offset of the start of each line */
    int seen_at, seen_column; /* the place asked for last: the next one is mostly near it, and lines can be long */
} File;

const DiagWarning diag_warnings[] = {
    {"softmax", "softmax before a loss that applies it again", true},
    {"slow", "a kernel falls back to generic loops", false},
    {NULL, NULL, false},
};
enum { WARNING_COUNT = sizeof diag_warnings / sizeof *diag_warnings - 1 };

struct Diag {
    Arena *arena;
    VEC(File) files;
    VEC(Entry) entries;
    int errors, hidden; /* reported in all; of these not kept */
    bool mute, werror;
    bool on[WARNING_COUNT];
};

/* ---- files and places ---- */

Diag *diag_new(Arena *a) {
    Diag *d = ARENA_NEW(a, Diag);
    d->arena = a;
    for (int i = 0; i < WARNING_COUNT; i++) d->on[i] = diag_warnings[i].on;
    return d;
}

int diag_add_file(Diag *d, const char *path, const char *text, size_t n) {
    File f = {.path = arena_name(d->arena, path), .text = text, .n = n, .seen_column = 1};
    VEC_PUSH(d->arena, &f.lines, 0);
    for (size_t i = 0; i < n; i++)
        if (text[i] == '\n') VEC_PUSH(d->arena, &f.lines, (int)i + 1);
    VEC_PUSH(d->arena, &d->files, f);
    return d->files.n;
}

static File *file_of(const Diag *d, int file) { return file > 0 && file <= d->files.n ? &d->files.at[file - 1] : NULL; }

const char *diag_path(const Diag *d, int file) {
    const File *f = file_of(d, file);
    return f ? f->path : "netc";
}

const char *diag_text(const Diag *d, int file, size_t *n) {
    const File *f = file_of(d, file);
    *n = f ? f->n : 0;
    return f ? f->text : "";
}

/* Number, from 0, of the line that holds byte `at`. */
static int line_of(const File *f, int at) {
    int lo = 0, hi = f->lines.n;
    while (hi - lo > 1) {
        int mid = lo + (hi - lo) / 2;
        if (f->lines.at[mid] <= at) lo = mid;
        else hi = mid;
    }
    return lo;
}

/* One past the last byte of a line, its newline (and a carriage return before it) left out. */
static int line_end(const File *f, int line) {
    int end = line + 1 < f->lines.n ? f->lines.at[line + 1] - 1 : (int)f->n;
    if (end > f->lines.at[line] && f->text[end - 1] == '\r') end--;
    return end;
}

static bool is_continuation(char c) { return ((unsigned char)c & 0xC0) == 0x80; }

/* Walks from the place asked for last, in either direction, where that is on the same line. */
static void place_of(File *f, int at, int *line, int *column) {
    if (at > (int)f->n) at = (int)f->n;
    int l = line_of(f, at), i = f->lines.at[l], c = 1;
    if (f->seen_at > i && line_of(f, f->seen_at) == l) {
        i = f->seen_at;
        c = f->seen_column;
    }
    for (; i < at; i++) c += !is_continuation(f->text[i]);
    for (; i > at; i--) c -= !is_continuation(f->text[i - 1]);
    f->seen_at = at;
    f->seen_column = c;
    *line = l + 1;
    *column = c;
}

void diag_place(const Diag *d, Span s, int *line, int *column) {
    File *f = file_of(d, s.file);
    *line = *column = 1;
    if (f) place_of(f, s.start, line, column);
}

Span span_join(Span a, Span b) {
    if (!a.file) return b;
    if (!b.file || a.file != b.file) return a;
    return (Span){a.file, a.start < b.start ? a.start : b.start, a.end > b.end ? a.end : b.end};
}

/* ---- reporting ---- */

static void add_entry(Diag *d, EntryKind kind, Span s, const char *option, const char *fmt, va_list ap) {
    Text t = {0};
    text_vprintf(&t, fmt, ap);
    Entry e = {kind, s, arena_str(d->arena, t.at, t.n), option};
    text_free(&t);
    VEC_PUSH(d->arena, &d->entries, e);
}

/* Counts an error; is it one of those that are kept? */
static bool count_error(Diag *d) {
    d->mute = d->errors++ >= DIAG_LIMIT;
    d->hidden += d->mute;
    return !d->mute;
}

void diag_error(Diag *d, Span s, const char *fmt, ...) {
    if (!count_error(d)) return;
    va_list ap;
    va_start(ap, fmt);
    add_entry(d, ENTRY_ERROR, s, NULL, fmt, ap);
    va_end(ap);
}

static int find_warning(const char *name) {
    for (int i = 0; i < WARNING_COUNT; i++)
        if (!strcmp(diag_warnings[i].name, name)) return i;
    return -1;
}

void diag_warning(Diag *d, Span s, const char *name, const char *fmt, ...) {
    int w = find_warning(name);
    ENSURE(w >= 0);
    d->mute = !d->on[w];
    if (d->mute || (d->werror && !count_error(d))) return;
    va_list ap;
    va_start(ap, fmt);
    add_entry(d, d->werror ? ENTRY_ERROR : ENTRY_WARNING, s, diag_warnings[w].name, fmt, ap);
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

bool diag_set_warning(Diag *d, const char *name, bool on) {
    int w = find_warning(name);
    if (w >= 0) d->on[w] = on;
    return w >= 0;
}

void diag_set_werror(Diag *d, bool on) { d->werror = on; }

/* ---- a source line as cells ---- */

typedef struct Cell { int byte, column, width; char show[12]; } Cell; /* byte: offset in the file; column: on the screen, from 0 */
typedef struct Cells { Cell *at; int n, width; } Cells;               /* heap; the last cell is the empty one at the line's end */

/* Decodes the character at p; returns its length, or 0 where the bytes are not UTF-8. */
static int decode_utf8(const char *p, const char *end, unsigned *code) {
    unsigned char c = (unsigned char)*p;
    int n = c < 0x80 ? 1 : (c & 0xE0) == 0xC0 ? 2 : (c & 0xF0) == 0xE0 ? 3 : (c & 0xF8) == 0xF0 ? 4 : 0;
    if (!n || end - p < n) return 0;
    *code = n == 1 ? c : c & (0x7Fu >> n);
    for (int i = 1; i < n; i++) {
        if (!is_continuation(p[i])) return 0;
        *code = *code << 6 | ((unsigned char)p[i] & 0x3F);
    }
    return n;
}

/* Columns that a terminal gives a character: 0 for combining marks, 2 for East Asian wide ones and emoji. */
static int display_width(unsigned c) {
    if (c >= 0x300 && c <= 0x36F) return 0;
    bool wide = (c >= 0x1100 && c <= 0x115F) || (c >= 0x2E80 && c <= 0xA4CF) || (c >= 0xAC00 && c <= 0xD7A3) || (c >= 0xF900 && c <= 0xFAFF) ||
                (c >= 0xFE30 && c <= 0xFE6F) || (c >= 0xFF00 && c <= 0xFF60) || (c >= 0xFFE0 && c <= 0xFFE6) || (c >= 0x1F300 && c <= 0x1FAFF) ||
                (c >= 0x20000 && c <= 0x3FFFD);
    return wide ? 2 : 1;
}

/* Fills in the cell of the character at p and returns its length in bytes. */
static int make_cell(Cell *cell, const char *p, const char *end) {
    unsigned code = 0;
    int n = decode_utf8(p, end, &code);
    if (*p == '\t') {
        cell->width = 8 - cell->column % 8;
        memset(cell->show, ' ', (size_t)cell->width);
    } else if (!n || code < 0x20 || (code >= 0x7F && code < 0xA0)) {
        cell->width = snprintf(cell->show, sizeof cell->show, "<%02X>", (unsigned char)*p);
        return n > 1 ? n : 1;
    } else {
        cell->width = display_width(code);
        memcpy(cell->show, p, (size_t)n);
    }
    return n;
}

static Cells cells_of(const File *f, int line) {
    int start = f->lines.at[line], end = line_end(f, line);
    Cells c = {calloc((size_t)(end - start) + 1, sizeof(Cell)), 0, 0};
    if (!c.at) BUG("no memory for a source line");
    for (int i = start; i < end;) {
        Cell *cell = &c.at[c.n++];
        *cell = (Cell){.byte = i, .column = c.width};
        i += make_cell(cell, f->text + i, f->text + end);
        c.width += cell->width;
    }
    c.at[c.n] = (Cell){.byte = end, .column = c.width};
    return c;
}

/* Display column of a byte of the line. */
static int column_of(const Cells *c, int byte) {
    int i = 0;
    while (i < c->n && c->at[i + 1].byte <= byte) i++;
    return c->at[i].column;
}

/* ---- pictures ---- */

typedef struct Printer { const Diag *diag; FILE *out; bool color; } Printer;

static const char *const severity_names[] = {"error", "warning", "note", "help", "fixit"};
static const char *const severity_colors[] = {"1;31", "1;35", "1;36", "1;34", "32"};

static void paint(Printer *p, const char *code) {
    if (p->color) fprintf(p->out, "\033[%sm", code);
}

enum { WINDOW = 112, WINDOW_BEFORE = 56 };

/* The columns [from, to) of a line that are shown, so that `caret` is among them. */
static void pick_window(const Cells *c, int caret, int *from, int *to) {
    *from = 0;
    *to = c->width;
    if (c->width <= WINDOW) return;
    *from = caret > WINDOW_BEFORE ? caret - WINDOW_BEFORE : 0;
    if (*from > c->width - WINDOW) *from = c->width - WINDOW;
    *to = *from + WINDOW;
}

static void print_gutter(Printer *p, int line) {
    if (line) fprintf(p->out, "%5d | ", line);
    else fprintf(p->out, "      | ");
}

static void print_line(Printer *p, const Cells *c, int line, int from, int to) {
    print_gutter(p, line);
    if (from) fputs("...", p->out);
    for (int i = 0; i < c->n; i++)
        if (c->at[i].column >= from && c->at[i].column + c->at[i].width <= to) fputs(c->at[i].show, p->out);
    fputs(to < c->width ? "...\n" : "\n", p->out);
}

static void print_blanks(Printer *p, int n) {
    while (n-- > 0) fputc(' ', p->out);
}

static void print_caret(Printer *p, int from, int to, int start, int end) {
    print_gutter(p, 0);
    print_blanks(p, (from ? 3 : 0) + start - from);
    paint(p, "1;32");
    fputc('^', p->out);
    for (int i = start + 1; i < end && i < to; i++) fputc('~', p->out);
    paint(p, "0");
    fputc('\n', p->out);
}

/* The new text under the place where it goes. */
static void print_fixit(Printer *p, int from, int start, const char *text) {
    print_gutter(p, 0);
    print_blanks(p, (from ? 3 : 0) + start - from);
    paint(p, "32");
    fputs(text, p->out);
    paint(p, "0");
    fputc('\n', p->out);
}

/* The source line of s with a caret, and under it those of the n fix-its at `fix` that are on the same line. */
static void print_picture(Printer *p, Span s, const Entry *fix, int n) {
    const File *f = file_of(p->diag, s.file);
    if (!f) return;
    int line = line_of(f, s.start), from, to;
    Cells c = cells_of(f, line);
    int start = column_of(&c, s.start), end = column_of(&c, s.end);
    pick_window(&c, start, &from, &to);
    print_line(p, &c, line + 1, from, to);
    print_caret(p, from, to, start, end);
    for (int i = 0; i < n; i++) {
        int at = column_of(&c, fix[i].span.start);
        if (fix[i].span.file == s.file && line_of(f, fix[i].span.start) == line && at >= from && at <= to) print_fixit(p, from, at, fix[i].text);
    }
    free(c.at);
}

static void print_head(Printer *p, const Entry *e) {
    File *f = file_of(p->diag, e->span.file);
    int line, column;
    paint(p, "1");
    if (f) {
        place_of(f, e->span.start, &line, &column);
        fprintf(p->out, "%s:%d:%d: ", f->path, line, column);
    } else if (e->kind <= ENTRY_WARNING) {
        fputs("netc: ", p->out);
    }
    paint(p, "0");
    paint(p, severity_colors[e->kind]);
    fprintf(p->out, "%s:", severity_names[e->kind]);
    paint(p, "0");
    if (e->kind <= ENTRY_WARNING) paint(p, "1");
    fprintf(p->out, " %s", e->text);
    if (e->option) fprintf(p->out, e->kind == ENTRY_ERROR ? " [-Werror,-W%s]" : " [-W%s]", e->option);
    if (e->kind <= ENTRY_WARNING) paint(p, "0");
    fputc('\n', p->out);
}

static void print_text(Printer *p) {
    const Diag *d = p->diag;
    for (int i = 0; i < d->entries.n; i++) {
        const Entry *e = &d->entries.at[i];
        if (e->kind == ENTRY_FIXIT) continue;
        int fixes = 0;
        while (i + 1 + fixes < d->entries.n && d->entries.at[i + 1 + fixes].kind == ENTRY_FIXIT) fixes++;
        print_head(p, e);
        print_picture(p, e->span, e + 1, fixes);
    }
    if (d->hidden) fprintf(p->out, "netc: %d more error%s\n", d->hidden, d->hidden == 1 ? "" : "s");
}

/* ---- JSON ---- */

static void json_string(FILE *out, const char *s) {
    fputc('"', out);
    const char *end = s + strlen(s);
    while (s < end) {
        unsigned code = 0;
        int n = decode_utf8(s, end, &code);
        if (!n) fputs("\\ufffd", out), n = 1;
        else if (code == '"' || code == '\\') fprintf(out, "\\%c", (int)code);
        else if (code < 0x20) fprintf(out, "\\u%04x", code);
        else fwrite(s, 1, (size_t)n, out);
        s += n;
    }
    fputc('"', out);
}

/* The members that every entry has, without braces. */
static void json_entry(const Diag *d, FILE *out, const Entry *e) {
    File *f = file_of(d, e->span.file);
    fprintf(out, "\"severity\":\"%s\",\"message\":", severity_names[e->kind]);
    json_string(out, e->text);
    if (e->option) fprintf(out, ",\"option\":\"-W%s\"", e->option);
    if (!f) return;
    int line, column, end_line, end_column;
    place_of(f, e->span.start, &line, &column);
    place_of(f, e->span.end, &end_line, &end_column);
    fputs(",\"file\":", out);
    json_string(out, f->path);
    fprintf(out, ",\"line\":%d,\"column\":%d,\"end_line\":%d,\"end_column\":%d,\"start\":%d,\"end\":%d", line, column, end_line,
            end_column, e->span.start,
            e->span.end);
}

static void print_json(const Diag *d, FILE *out) {
    fputc('[', out);
    for (int i = 0; i < d->entries.n;) {
        fputs(i ? ",\n {" : "\n {", out);
        json_entry(d, out, &d->entries.at[i++]);
        fputs(",\"children\":[", out);
        for (int first = i; i < d->entries.n && d->entries.at[i].kind > ENTRY_WARNING; i++) {
            fputs(i > first ? ",{" : "{", out);
            json_entry(d, out, &d->entries.at[i]);
            fputc('}', out);
        }
        fputs("]}", out);
    }
    if (d->hidden) fprintf(out, ",\n {\"severity\":\"error\",\"message\":\"%d more errors\",\"children\":[]}", d->hidden);
    fputs("\n]\n", out);
}

static bool use_color(FILE *out, ColorMode mode) {
    if (mode != COLOR_AUTO) return mode == COLOR_ALWAYS;
    const char *no = getenv("NO_COLOR");
    return !(no && *no) && isatty(fileno(out));
}

void diag_flush(Diag *d, FILE *out, ColorMode color, bool json) {
    Printer p = {d, out, use_color(out, color)};
    if (json) print_json(d, out);
    else print_text(&p);
    fflush(out);
    d->entries.n = 0;
    d->hidden = 0;
}
