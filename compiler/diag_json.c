/* diag_json.c: diagnostics for programs: one JSON array, a diagnostic an object, an object a line. docs/diagnostics.md says what
 * their members mean. */
#include "diag_internal.h"

#include <string.h>

static void print_string(FILE *out, const char *s) {
    fputc('"', out);
    const char *end = s + strlen(s);
    while (s < end) {
        unsigned code = 0;
        int n = utf8_decode(s, end, &code);
        if (!n) fputs("\\ufffd", out), n = 1;
        else if (code == '"' || code == '\\') fprintf(out, "\\%c", (int)code);
        else if (code < 0x20) fprintf(out, "\\u%04x", code);
        else fwrite(s, 1, (size_t)n, out);
        s += n;
    }
    fputc('"', out);
}

static void print_place(const Diag *d, FILE *out, Span s) {
    DiagFile *f = diag_file(d, s.file);
    int line, column, end_line, end_column;
    if (!f) return;
    diag_point(f, s.start, &line, &column);
    diag_point(f, s.end, &end_line, &end_column);
    fputs(",\"file\":", out);
    print_string(out, f->path);
    fprintf(out, ",\"line\":%d,\"column\":%d,\"end_line\":%d,\"end_column\":%d", line, column, end_line, end_column);
    if (f->text) fprintf(out, ",\"start\":%lld,\"end\":%lld", (long long)s.start, (long long)s.end);
}

/* The members that errors, warnings, notes and helps have, without braces. */
static void print_members(const Diag *d, FILE *out, const Entry *e) {
    fprintf(out, "\"severity\":\"%s\"", diag_severities[e->kind]);
    if (e->option) fprintf(out, ",\"option\":\"-W%s\"", e->option);
    fputs(",\"message\":", out);
    print_string(out, e->text);
    print_place(d, out, e->span);
}

static void print_fixit(const Diag *d, FILE *out, const Entry *e) {
    fputs("{\"text\":", out);
    print_string(out, e->text);
    print_place(d, out, e->span);
    fputc('}', out);
}

/* The n entries at `e`: its notes and helps, or its fix-its. */
static void print_list(const Diag *d, FILE *out, const char *name, const Entry *e, int n, bool fixits) {
    bool first = true;
    fprintf(out, ",\"%s\":[", name);
    for (int i = 0; i < n; i++) {
        if ((e[i].kind == ENTRY_FIXIT) != fixits) continue;
        if (!first) fputc(',', out);
        first = false;
        if (fixits) {
            print_fixit(d, out, &e[i]);
            continue;
        }
        fputc('{', out);
        print_members(d, out, &e[i]);
        fputc('}', out);
    }
    fputc(']', out);
}

static void print_rest(FILE *out, int n, const char *severity) {
    if (n) fprintf(out, ",\n {\"severity\":\"%s\",\"message\":\"%d more %s%s\",\"notes\":[],\"fixits\":[]}", severity, n, severity, n == 1 ? "" : "s");
}

void diag_print_json(const Diag *d, FILE *out) {
    fputc('[', out);
    for (int i = 0, n; i < d->entries.n; i += 1 + n) {
        const Entry *e = &d->entries.at[i];
        n = 0;
        while (i + 1 + n < d->entries.n && e[1 + n].kind > ENTRY_WARNING) n++;
        fputs(i ? ",\n {" : "\n {", out);
        print_members(d, out, e);
        print_list(d, out, "notes", e + 1, n, false);
        print_list(d, out, "fixits", e + 1, n, true);
        fputc('}', out);
    }
    print_rest(out, d->hidden_errors, "error");
    print_rest(out, d->hidden_warnings, "warning");
    fputs("\n]\n", out);
}
