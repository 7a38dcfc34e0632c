/* diag_print.c: diagnostics for people, in clang's shape.
 *
 * To print a place, its source line is cut into cells, a cell being what one character shows: a tab shows as blanks up to
 * the next multiple of eight, a byte that is no text, or a character that would disturb the terminal, by its number. All
 * columns of a picture are display columns over those cells; a line that is too long is shown as a window around the caret.
 */
#include "diag_internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- a source line as cells ---- */

typedef struct Cell { int byte, column, width; char show[12]; } Cell; /* byte: offset in the file; column: on the screen, from 0 */
typedef struct Cells { Cell *at; int n, width; } Cells;               /* heap; the last cell is the empty one at the line's end */

typedef struct Range { unsigned first, last; } Range;

static bool in_ranges(const Range *r, unsigned c) {
    while (r->last && c > r->last) r++;
    return r->last && c >= r->first;
}

/* Columns that a terminal gives a character: 0 for marks that join the one before, 2 for East Asian wide ones and emoji. */
static int display_width(unsigned c) {
    static const Range none[] = {{0x300, 0x36F}, {0x483, 0x489}, {0x591, 0x5BD}, {0x64B, 0x65F}, {0x1AB0, 0x1AFF}, {0x1DC0, 0x1DFF}, {0x200B, 0x200D},
                                 {0x2060, 0x2060}, {0x20D0, 0x20FF}, {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F}, {0xE0100, 0xE01EF}, {0, 0}};
    static const Range wide[] = {{0x1100, 0x115F}, {0x2E80, 0x303E}, {0x3041, 0xA4CF}, {0xAC00, 0xD7A3}, {0xF900, 0xFAFF}, {0xFE30, 0xFE6F},
                                 {0xFF00, 0xFF60}, {0xFFE0, 0xFFE6}, {0x1F300, 0x1F64F}, {0x1F680, 0x1F6FF}, {0x1F900, 0x1FAFF}, {0x20000, 0x3FFFD}, {0, 0}};
    return in_ranges(none, c) ? 0 : in_ranges(wide, c) ? 2 : 1;
}

/* Characters that show nothing and change how others are shown: controls, and those that turn the direction of writing. */
static bool disturbs(unsigned c) {
    static const Range ranges[] = {{0, 0x1F}, {0x7F, 0x9F}, {0x200E, 0x200F}, {0x2028, 0x202E}, {0x2066, 0x2069}, {0xFEFF, 0xFEFF}, {0, 0}};
    return in_ranges(ranges, c);
}

/* Fills in the cell of the character at p and returns its length in bytes. */
static int make_cell(Cell *cell, const char *p, const char *end) {
    unsigned code = 0;
    int n = utf8_decode(p, end, &code);
    if (*p == '\t') {
        cell->width = 8 - cell->column % 8;
        memset(cell->show, ' ', (size_t)cell->width);
    } else if (!n || disturbs(code)) {
        cell->width = snprintf(cell->show, sizeof cell->show, code > 0xFF && n ? "<U+%04X>" : "<%02X>", n ? code : (unsigned char)*p);
        return n ? n : 1;
    } else {
        cell->width = display_width(code);
        memcpy(cell->show, p, (size_t)n);
    }
    return n;
}

/* Writes text with what disturbs made visible. */
static void print_clean(FILE *out, const char *s) {
    for (const char *end = s + strlen(s); s < end;) {
        Cell cell = {0};
        s += make_cell(&cell, s, end);
        fputs(cell.show, out);
    }
}

static Cells cells_of(const DiagFile *f, int line) {
    int start = f->lines.at[line], end = diag_line_end(f, line);
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
static int column_of(const Cells *c, int64_t byte) {
    int i = 0;
    while (i < c->n && c->at[i + 1].byte <= byte) i++;
    return c->at[i].column;
}

/* ---- pictures ---- */

typedef struct Printer { const Diag *diag; FILE *out; bool color; } Printer;

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

static void print_blanks(Printer *p, int n) {
    while (n-- > 0) fputc(' ', p->out);
}

/* Blanks stand for what is left of a cell that the window's edge cuts, so that the columns behind it stay. */
static void print_cell(Printer *p, const Cell *cell, int from, int to) {
    int start = cell->column, end = start + cell->width;
    bool joins_hidden = !cell->width && start == from && from > 0;
    if (start >= from && end <= to && !joins_hidden) fputs(cell->show, p->out);
    else if (start < to && end > from) print_blanks(p, (end < to ? end : to) - (start > from ? start : from));
}

static void print_line(Printer *p, const Cells *c, int line, int from, int to) {
    print_gutter(p, line);
    if (from) fputs("...", p->out);
    for (int i = 0; i < c->n; i++) print_cell(p, &c->at[i], from, to);
    fputs(to < c->width ? "...\n" : "\n", p->out);
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
    print_clean(p->out, text);
    paint(p, "0");
    fputc('\n', p->out);
}

/* Where the underline of a span that ends at byte `end` stops on this line: not among the blanks before a line's end. */
static int64_t last_byte(const DiagFile *f, int line, int64_t end) {
    int stop = diag_line_end(f, line);
    if (end <= stop) return end;
    while (stop > f->lines.at[line] && (f->text[stop - 1] == ' ' || f->text[stop - 1] == '\t')) stop--;
    return stop;
}

/* The source line of s with a caret, and under it those of the n fix-its at `fix` that are on the same line. */
static void print_picture(Printer *p, Span s, const Entry *fix, int n) {
    const DiagFile *f = diag_file(p->diag, s.file);
    if (!f || !f->text) return;
    int line = diag_line(f, s.start), from, to;
    Cells c = cells_of(f, line);
    int start = column_of(&c, s.start), end = column_of(&c, last_byte(f, line, s.end));
    pick_window(&c, start, &from, &to);
    print_line(p, &c, line + 1, from, to);
    print_caret(p, from, to, start, end);
    for (int i = 0; i < n; i++) {
        int at = column_of(&c, fix[i].span.start);
        if (fix[i].span.file == s.file && diag_line(f, fix[i].span.start) == line && at >= from && at <= to) print_fixit(p, from, at, fix[i].text);
    }
    free(c.at);
}

static void print_head(Printer *p, const Entry *e) {
    DiagFile *f = diag_file(p->diag, e->span.file);
    int line, column;
    paint(p, "1");
    if (f) {
        diag_point(f, e->span.start, &line, &column);
        print_clean(p->out, f->path);
        fprintf(p->out, ":%d:%d: ", line, column);
    } else if (e->kind <= ENTRY_WARNING) {
        fputs("netc: ", p->out);
    }
    paint(p, "0");
    paint(p, severity_colors[e->kind]);
    fprintf(p->out, "%s:", diag_severities[e->kind]);
    paint(p, "0");
    if (e->kind <= ENTRY_WARNING) paint(p, "1");
    fputc(' ', p->out);
    print_clean(p->out, e->text);
    if (e->option) fprintf(p->out, e->kind == ENTRY_ERROR ? " [-Werror,-W%s]" : " [-W%s]", e->option);
    if (e->kind <= ENTRY_WARNING) paint(p, "0");
    fputc('\n', p->out);
}

static void print_rest(FILE *out, int n, const char *what) {
    if (n) fprintf(out, "netc: %d more %s%s\n", n, what, n == 1 ? "" : "s");
}

void diag_print_text(const Diag *d, FILE *out, bool color) {
    Printer p = {d, out, color};
    for (int i = 0; i < d->entries.n; i++) {
        const Entry *e = &d->entries.at[i];
        if (e->kind == ENTRY_FIXIT) continue;
        int fixes = 0;
        while (i + 1 + fixes < d->entries.n && d->entries.at[i + 1 + fixes].kind == ENTRY_FIXIT) fixes++;
        print_head(&p, e);
        print_picture(&p, e->span, e + 1, fixes);
    }
    print_rest(out, d->hidden_errors, "error");
    print_rest(out, d->hidden_warnings, "warning");
}
