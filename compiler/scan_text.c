/* scan_text.c: see scan_text.h.
 *
 * scan_next classifies by the first byte and takes the longest token. Every reader of a token goes through scan_is or
 * s->token.kind, which are false and SCAN_END after an error: that is what makes errors end a parse.
 */
#include "scan_text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { VALUE_MAX = 1 << 28 }; /* numbers of values are below it */

/* ---- tokens ---- */

static bool is_digit(int c) { return c >= '0' && c <= '9'; }
static bool is_letter(int c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
static bool is_name_byte(int c) { return is_letter(c) || is_digit(c) || c == '.'; }

static int byte_at(const TextScanner *s, size_t pos) { return pos < s->n ? (unsigned char)s->text[pos] : -1; }

static Span span_of(const TextScanner *s, size_t start, size_t end) {
    return (Span){.file = s->file, .start = (int64_t)start, .end = (int64_t)end};
}

void scan_error(TextScanner *s, Span span, const char *fmt, ...) {
    if (s->failed) return;
    va_list ap;
    va_start(ap, fmt);
    diag_verror(s->diag, span, fmt, ap);
    va_end(ap);
    s->failed = true;
    s->token = (TextToken){.kind = SCAN_END, .span = span, .text = ""};
}

void scan_unexpected(TextScanner *s, const char *what) {
    enum { SHOWN = 40 };
    int n = (int)(s->token.span.end - s->token.span.start);
    if (s->token.kind == SCAN_END) scan_error(s, s->token.span, "expected %s, found the end of the text", what);
    else scan_error(s, s->token.span, "expected %s, found '%.*s%s'", what, n > SHOWN ? SHOWN : n, s->text + s->token.span.start, n > SHOWN ? "..." : "");
}

static void skip_blanks(TextScanner *s) {
    for (;;) {
        int c = byte_at(s, s->pos);
        if (c == '#') {
            while (s->pos < s->n && s->text[s->pos] != '\n') s->pos++;
        } else if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
            s->pos++;
        } else {
            return;
        }
    }
}

static int hex_digit(int c) {
    return is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The byte that the escape behind a backslash at s->pos stands for, or -1; steps over it. */
static int scan_escape(TextScanner *s) {
    int c = byte_at(s, s->pos++);
    if (c == '"' || c == '\\') return c;
    if (c == 'n') return '\n';
    if (c == 't') return '\t';
    if (c != 'x') return -1;
    int high = hex_digit(byte_at(s, s->pos)), low = hex_digit(byte_at(s, s->pos + 1));
    s->pos += 2;
    return high < 0 || low < 0 || (high | low) == 0 ? -1 : high * 16 + low;
}

/* Reads a string whose opening quote is at s->pos; null after an error. */
static const char *scan_quoted(TextScanner *s) {
    size_t start = s->pos++;
    Text t = {0};
    text_append(&t, "", 0);
    for (;;) {
        int c = byte_at(s, s->pos++);
        if (c == '"') break;
        if (c < 0 || c == '\n' || c == 0) {
            scan_error(s, span_of(s, start, start + 1), "string without its closing quote");
            break;
        }
        if (c == '\\' && (c = scan_escape(s)) < 0) {
            s->pos = s->pos > s->n ? s->n : s->pos;
            scan_error(s, span_of(s, start, s->pos), "unknown escape in a string; known are \\\" \\\\ \\n \\t and \\xHH");
            break;
        }
        text_append(&t, &(char){(char)c}, 1);
    }
    const char *out = s->failed ? NULL : arena_intern(s->arena, t.at ? t.at : "", t.n);
    text_free(&t);
    return out;
}

static size_t skip_digits(const TextScanner *s, size_t pos) {
    while (is_digit(byte_at(s, pos))) pos++;
    return pos;
}

static void scan_shape_or_int(TextScanner *s, size_t start) {
    s->token.kind = SCAN_INT;
    while (byte_at(s, s->pos) == 'x' && is_digit(byte_at(s, s->pos + 1))) {
        s->token.kind = SCAN_SHAPE;
        s->pos = skip_digits(s, s->pos + 1);
    }
    if (s->token.kind == SCAN_SHAPE) return;
    for (size_t k = start; k < s->pos; k++)
        if (!checked_mul(s->token.i, 10, &s->token.i) || !checked_add(s->token.i, s->text[k] - '0', &s->token.i)) {
            scan_error(s, span_of(s, start, s->pos), "number is too large: at most %lld", (long long)INT64_MAX);
            return;
        }
    s->token.f = (double)s->token.i;
}

static void scan_number(TextScanner *s) {
    size_t start = s->pos;
    s->pos = skip_digits(s, s->pos);
    size_t integer = s->pos;
    if (byte_at(s, s->pos) == '.' && is_digit(byte_at(s, s->pos + 1))) s->pos = skip_digits(s, s->pos + 1);
    if (byte_at(s, s->pos) == 'e' || byte_at(s, s->pos) == 'E') {
        size_t k = s->pos + 1;
        if (byte_at(s, k) == '-' || byte_at(s, k) == '+') k++;
        if (is_digit(byte_at(s, k))) s->pos = skip_digits(s, k);
    }
    if (s->pos == integer) {
        scan_shape_or_int(s, start);
        return;
    }
    s->token.kind = SCAN_REAL;
    s->token.f = strtod(arena_str(s->arena, s->text + start, s->pos - start), NULL);
}

static const char *scan_word(TextScanner *s) {
    size_t start = s->pos;
    while (is_name_byte(byte_at(s, s->pos))) s->pos++;
    return arena_intern(s->arena, s->text + start, s->pos - start);
}

static void scan_value(TextScanner *s) {
    size_t start = s->pos++;
    int c = byte_at(s, s->pos);
    s->token.kind = SCAN_VALUE;
    if (is_digit(c)) {
        s->token.text = NULL;
        for (; is_digit(byte_at(s, s->pos)) && s->token.i < VALUE_MAX; s->pos++) s->token.i = s->token.i * 10 + (s->text[s->pos] - '0');
        if (s->token.i >= VALUE_MAX) scan_error(s, span_of(s, start, s->pos), "number of a value is too large");
    } else if (is_letter(c)) {
        s->token.text = scan_word(s);
    } else if (c == '"') {
        s->token.text = scan_quoted(s);
    } else {
        scan_error(s, span_of(s, start, start + 1), "expected a name or number behind '%%'");
    }
}

void scan_next(TextScanner *s) {
    if (s->failed) return;
    skip_blanks(s);
    size_t start = s->pos;
    int c = byte_at(s, start);
    s->token = (TextToken){.kind = SCAN_END, .text = "", .span = span_of(s, start, start)};
    if (c < 0) return;
    if (is_digit(c)) {
        scan_number(s);
    } else if (is_letter(c)) {
        s->token.kind = SCAN_NAME;
        s->token.text = scan_word(s);
    } else if (c == '%') {
        scan_value(s);
    } else if (c == '"') {
        s->token.kind = SCAN_STRING;
        s->token.text = scan_quoted(s);
    } else if (c > ' ' && c < 127) {
        s->token.kind = SCAN_MARK;
        s->pos += c == '-' && byte_at(s, start + 1) == '>' ? 2 : 1;
        s->token.text = arena_intern(s->arena, s->text + start, s->pos - start);
    } else {
        scan_error(s, span_of(s, start, start + 1), "unexpected byte 0x%02x", (unsigned)c);
    }
    if (s->failed) return;
    s->token.span = span_of(s, start, s->pos);
}

void scan_open(TextScanner *s, Arena *a, Diag *d, int file) {
    *s = (TextScanner){.arena = a, .diag = d, .file = file};
    s->text = diag_text(d, file, &s->n);
    ENSURE(s->n <= SCAN_MAX_TEXT); /* who reads files refuses larger ones */
    scan_next(s);
}

/* ---- phrases ---- */

bool scan_is(const TextScanner *s, const char *text) {
    return !s->failed && (s->token.kind == SCAN_NAME || s->token.kind == SCAN_MARK) && strcmp(s->token.text, text) == 0;
}

bool scan_accept(TextScanner *s, const char *text) {
    if (!scan_is(s, text)) return false;
    scan_next(s);
    return true;
}

bool scan_expect(TextScanner *s, const char *text) {
    if (scan_accept(s, text)) return true;
    if (!s->failed) scan_unexpected(s, arena_printf(s->arena, "'%s'", text));
    return false;
}

bool scan_name(TextScanner *s, const char **out) {
    if (s->token.kind != SCAN_NAME && s->token.kind != SCAN_STRING) {
        scan_unexpected(s, "a name");
        return false;
    }
    *out = s->token.text;
    scan_next(s);
    return true;
}

bool scan_string(TextScanner *s, const char **out) {
    if (s->token.kind != SCAN_STRING) {
        scan_unexpected(s, "a string");
        return false;
    }
    return scan_name(s, out);
}

bool scan_int(TextScanner *s, int64_t lo, int64_t hi, int64_t *out) {
    Span span = s->token.span;
    bool minus = scan_accept(s, "-");
    if (s->token.kind != SCAN_INT) {
        scan_unexpected(s, "an integer");
        return false;
    }
    int64_t x = minus ? -s->token.i : s->token.i;
    if (x < lo || x > hi) {
        scan_error(s, span_join(span, s->token.span), "%lld is out of range: %lld to %lld are allowed", (long long)x, (long long)lo, (long long)hi);
        return false;
    }
    *out = x;
    scan_next(s);
    return true;
}

bool scan_real(TextScanner *s, double *out) {
    bool minus = scan_accept(s, "-");
    double x;
    if (s->token.kind == SCAN_INT || s->token.kind == SCAN_REAL) x = s->token.f;
    else if (scan_is(s, "inf")) x = INFINITY;
    else if (scan_is(s, "nan")) x = NAN;
    else {
        scan_unexpected(s, "a number");
        return false;
    }
    *out = minus ? -x : x;
    scan_next(s);
    return true;
}

bool scan_choice(TextScanner *s, const char *what, const char *const *names, int *out) {
    const char *known = "";
    for (int i = 0; names[i]; i++) {
        if (scan_accept(s, names[i])) {
            *out = i;
            return true;
        }
        known = arena_printf(s->arena, "%s%s%s", known, i ? ", " : "", names[i]);
    }
    scan_unexpected(s, arena_printf(s->arena, "%s (%s)", what, known));
    return false;
}

/* Reads "x6x28x28" (or, first, "6x28x28") from p on. */
static bool read_dims(TextScanner *s, const char *p, const char *end, int max_rank, int *rank, int64_t *dim) {
    int n = 0;
    while (p < end) {
        if (*p == 'x') p++;
        int64_t d = 0;
        const char *first = p;
        while (p < end && is_digit(*p) && d <= TYPE_DIM_MAX) d = d * 10 + (*p++ - '0');
        if (p == first || (p < end && *p != 'x') || n == max_rank || d < 1 || d > TYPE_DIM_MAX) {
            scan_error(s, s->token.span, "bad shape: at most %d dimensions are allowed, each from 1 to %d", max_rank, TYPE_DIM_MAX);
            return false;
        }
        dim[n++] = d;
    }
    *rank = n;
    scan_next(s);
    return !s->failed;
}

bool scan_dims(TextScanner *s, int max_rank, int *rank, int64_t *dim) {
    if (s->token.kind != SCAN_SHAPE && s->token.kind != SCAN_INT) {
        scan_unexpected(s, "a shape");
        return false;
    }
    return read_dims(s, s->text + s->token.span.start, s->text + s->token.span.end, max_rank, rank, dim);
}

static bool read_type(TextScanner *s, Type *out) {
    *out = (Type){.elem = ELEM_F32};
    for (int i = ELEM_F32 + 1; elem_names[i]; i++)
        if (scan_accept(s, elem_names[i])) {
            out->elem = (Elem)i;
            break;
        }
    if (scan_accept(s, "scalar")) return true;
    if (s->token.kind == SCAN_NAME && s->token.text[0] == 'N' && (s->token.text[1] == 0 || s->token.text[1] == 'x')) {
        out->batched = true;
        return read_dims(s, s->text + s->token.span.start + 1, s->text + s->token.span.end, 3, &out->rank, out->dim);
    }
    return scan_dims(s, 4, &out->rank, out->dim);
}

bool scan_type(TextScanner *s, Type *out) {
    Span span = s->token.span;
    if (!read_type(s, out)) return false;
    if (!type_fits(*out)) scan_error(s, span, "shape is too large: at most %lld elements are allowed", (long long)TYPE_COUNT_MAX);
    return !s->failed;
}

/* "22", on the line where the span began, or "7:3" on a later one. */
static bool scan_span_end(TextScanner *s, int64_t line, int64_t column, int64_t *end_line, int64_t *end_column) {
    TextToken first = s->token;
    *end_line = line;
    if (!scan_int(s, 1, SCAN_MAX_TEXT, end_column)) return false;
    if (scan_accept(s, ":")) {
        *end_line = *end_column;
        if (!scan_int(s, 1, SCAN_MAX_TEXT, end_column)) return false;
    }
    if (*end_line > line || (*end_line == line && *end_column >= column)) return true;
    scan_error(s, first.span, "the place ends before its start");
    return false;
}

bool scan_span(TextScanner *s, const Model *m, Span *out) {
    int64_t file, line, column, end_line, end_column, call;
    *out = (Span){0};
    if (!scan_accept(s, "!")) return !s->failed;
    if (!scan_int(s, 1, m->sources.n, &file) || !scan_expect(s, ":")) return false;
    if (!scan_int(s, 1, SCAN_MAX_TEXT, &line) || !scan_expect(s, ":")) return false;
    if (!scan_int(s, 1, SCAN_MAX_TEXT, &column) || !scan_expect(s, "-")) return false;
    if (!scan_span_end(s, line, column, &end_line, &end_column)) return false;
    *out = diag_span(m->sources.at[file - 1].file, (int)line, (int)column, (int)end_line, (int)end_column);
    if (!scan_accept(s, "@")) return !s->failed;
    Span place = s->token.span;
    if (!scan_int(s, 1, INT32_MAX, &call)) return false;
    if (call > m->blocks.n) scan_error(s, place, "call %lld is not listed before this", (long long)call);
    out->call = (int)call;
    return !s->failed;
}

/* ---- writing ---- */

void print_string(Text *t, const char *s) {
    text_append(t, "\"", 1);
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\') text_printf(t, "\\%c", c);
        else if (c == '\n') text_printf(t, "\\n");
        else if (c == '\t') text_printf(t, "\\t");
        else if (c < ' ' || c == 127) text_printf(t, "\\x%02x", c);
        else text_append(t, s, 1);
    }
    text_append(t, "\"", 1);
}

void print_name(Text *t, const char *name) {
    bool plain = is_letter((unsigned char)name[0]);
    for (const char *p = name; *p; p++) plain = plain && is_name_byte((unsigned char)*p);
    if (plain) text_printf(t, "%s", name);
    else print_string(t, name);
}

void print_type(Text *t, Type type) {
    if (type.elem != ELEM_F32) text_printf(t, "%s ", elem_names[type.elem]);
    if (type.batched) text_printf(t, "N");
    else if (type.rank == 0) text_printf(t, "scalar");
    for (int i = 0; i < type.rank; i++) text_printf(t, "%s%lld", i || type.batched ? "x" : "", (long long)type.dim[i]);
}

void print_span(Text *t, const Model *m, Span span) {
    int source = 0, line, column, end_line, end_column;
    while (source < m->sources.n && m->sources.at[source].file != span.file) source++;
    if (source == m->sources.n) return;
    diag_place(m->diag, span, &line, &column);
    diag_end(m->diag, span, &end_line, &end_column);
    text_printf(t, " !%d:%d:%d-", source + 1, line, column);
    if (end_line != line) text_printf(t, "%d:", end_line);
    text_printf(t, "%d", end_column);
    if (span.call) text_printf(t, "@%d", span.call);
}
