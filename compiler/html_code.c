/* html_code.c: loops, LLVM's code and assembly, as one folded section for each kernel.
 *
 * Each of the three is taken as the text that --emit prints and cut into functions; marks of places in it (spans, !dbg, .loc) become references to lines
 * of the source and are left out of what is shown, with what else is not code. Kernels alike (loop_alike.h) are shown once: of their loops the first's,
 * of their code the body that they share. Where a pane would be larger than PANE_BYTES, the longest sections are cut, all at the same length.
 */
#include <stdlib.h>
#include <string.h>

#include "html_internal.h"
#include "loop_text.h"

enum { PANE_BYTES = 2400000, MARK_BYTES = 24 };

typedef struct Line { size_t end; int source, line; } Line; /* end: in the section's text; source 0: no place known */
typedef struct Section {
    const char *name;
    int kernel;      /* or -1: none */
    bool shared;     /* it stands for all kernels that are alike */
    Text text;       /* escaped */
    VEC(Line) lines;
} Section;
typedef struct Pane {
    const Html *h;
    VEC(Section) sections;
} Pane;

/* ---- sections ---- */

static Section *open_section(Pane *p, const char *name, int kernel, bool shared) {
    Section s = {.name = name, .kernel = kernel, .shared = shared};
    VEC_PUSH(p->h->a, &p->sections, s);
    return &p->sections.at[p->sections.n - 1];
}

static void add_line(const Pane *p, Section *s, const char *text, size_t n, int source, int line) {
    html_escape(&s->text, text, n);
    text_append(&s->text, "\n", 1);
    Line l = {s->text.n, source, line};
    VEC_PUSH(p->h->a, &s->lines, l);
}

static bool same_place(const Line *a, const Line *b) { return a->source == b->source && a->line == b->line; }

/* Lines that fit into so many bytes, marks included; all, or at least one. */
static int lines_within(const Section *s, size_t limit) {
    size_t marks = 0;
    for (int i = 0; i < s->lines.n; i++) {
        if (i && !same_place(&s->lines.at[i], &s->lines.at[i - 1])) marks += MARK_BYTES;
        if (i && s->lines.at[i].end + marks > limit) return i;
    }
    return s->lines.n;
}

/* The length at which sections have to be cut so that all together take PANE_BYTES. */
static size_t length_limit(const Pane *p) {
    size_t lo = 0, hi = PANE_BYTES;
    while (lo < hi) {
        size_t mid = (lo + hi + 1) / 2, all = 0;
        for (int i = 0; i < p->sections.n; i++) all += p->sections.at[i].text.n < mid ? p->sections.at[i].text.n : mid;
        if (all <= PANE_BYTES) lo = mid;
        else hi = mid - 1;
    }
    return lo;
}

static void print_lines(const Section *s, int n, Text *out) {
    for (int i = 0; i < n;) {
        int end = i + 1;
        while (end < n && same_place(&s->lines.at[end], &s->lines.at[i])) end++;
        size_t from = i ? s->lines.at[i - 1].end : 0, to = s->lines.at[end - 1].end;
        bool marked = s->lines.at[i].source > 0;
        if (marked) text_printf(out, "<b data-l=\"%d:%d\">", s->lines.at[i].source, s->lines.at[i].line);
        text_append(out, s->text.at + from, to - from);
        text_printf(out, marked ? "</b>" : "");
        i = end;
    }
}

static int alike(const Html *h, int kernel) {
    int n = 0;
    for (int i = 0; i < h->nkernels; i++) n += h->family[i] == h->family[kernel];
    return n - 1;
}

/* " data-k=..." of the kernels that are alike with kernel k. */
static void family(const Html *h, Text *out, int k) {
    text_printf(out, " data-k=\"%d", k);
    for (int i = k + 1; i < h->nkernels; i++)
        if (h->family[i] == h->family[k]) text_printf(out, " %d", i);
    text_printf(out, "\"");
}

static void print_section(const Pane *p, const Section *s, size_t limit, const char *kind) {
    Text *out = p->h->out;
    int n = lines_within(s, limit), more = s->shared ? alike(p->h, s->kernel) : 0;
    text_printf(out, "<details class=\"code\"");
    if (s->shared) family(p->h, out, s->kernel);
    else if (s->kernel >= 0) text_printf(out, " data-k=\"%d\"", s->kernel);
    text_printf(out, "><summary><span class=\"name\">");
    html_text(out, s->name);
    text_printf(out, "</span>");
    if (more) text_printf(out, " <small>and %d alike</small>", more);
    text_printf(out, " <small class=\"count\">%d lines</small></summary><pre>", s->lines.n);
    print_lines(s, n, out);
    text_printf(out, "</pre>");
    if (n < s->lines.n) text_printf(out, "<p class=\"cut\">%d more lines are cut here: <code>netc --emit=%s</code> prints them all.</p>", s->lines.n - n, kind);
    text_printf(out, "</details>\n");
}

static void print_pane(Pane *p, const char *id, const char *title, const char *kind, const char *note) {
    Text *out = p->h->out;
    size_t limit = length_limit(p);
    int cut = 0;
    for (int i = 0; i < p->sections.n; i++) cut += lines_within(&p->sections.at[i], limit) < p->sections.at[i].lines.n;
    text_printf(out, "<section class=\"pane\" id=\"%s\" aria-labelledby=\"%s-title\">\n<h2 id=\"%s-title\">%s</h2>\n<div class=\"scroll\">\n<p class=\"note\">%s",
                id, id, id, title, note);
    if (cut) text_printf(out, " %d of %d sections are cut, to keep the page small.", cut, p->sections.n);
    text_printf(out, "</p>\n");
    for (int i = 0; i < p->sections.n; i++) {
        print_section(p, &p->sections.at[i], limit, kind);
        text_free(&p->sections.at[i].text);
    }
    text_printf(out, "</div>\n</section>\n");
}

/* Steps through a text line by line: false at its end. */
static bool next_line(const char **at, const char *end, const char **line, size_t *n) {
    if (*at >= end) return false;
    const char *stop = memchr(*at, '\n', (size_t)(end - *at));
    *line = *at;
    *n = (size_t)((stop ? stop : end) - *at);
    *at = stop ? stop + 1 : end;
    return true;
}

static bool begins(const char *line, size_t n, const char *with) { return n >= strlen(with) && !memcmp(line, with, strlen(with)); }

/* ---- loops ---- */

/* Where " !1:6:5-24" (or " !1:6:5-24@3", within a call) begins, at the end of a line or before its brace, and its place; n where there is none. */
static size_t span_mark(const Pane *p, const char *line, size_t n, int *source, int *at) {
    size_t end = n >= 2 && !memcmp(line + n - 2, " {", 2) ? n - 2 : n, i = end;
    int file;
    while (i && (strchr("0123456789:-@", line[i - 1]) && line[i - 1])) i--;
    if (i < 2 || memcmp(line + i - 2, " !", 2)) return n;
    if (sscanf(arena_str(p->h->a, line + i, end - i), "%d:%d:", &file, at) != 2 || file < 1 || file > p->h->model->sources.n) return n;
    *source = html_source(p->h, p->h->model->sources.at[file - 1].file);
    return i - 2;
}

static void loop_section(Pane *p, int k) {
    const Kernel *kernel = p->h->page->program->kernels.at[k];
    Text t = {0};
    loop_print_kernel(p->h->page->program, kernel, &t);
    Section *s = open_section(p, kernel->name, k, true);
    const char *at = t.at, *line;
    size_t n;
    int source = 0, place = 0;
    while (next_line(&at, t.at + t.n, &line, &n)) {
        size_t mark = span_mark(p, line, n, &source, &place);
        bool brace = mark < n && line[n - 1] == '{';
        const char *shown = brace ? arena_printf(p->h->a, "%.*s {", (int)mark, line) : line;
        add_line(p, s, shown, brace ? mark + 2 : mark, source, place);
    }
    text_free(&t);
}

void html_loops(const Html *h) {
    Pane p = {.h = h};
    for (int k = 0; k < h->nkernels; k++)
        if (h->family[k] == k) loop_section(&p, k);
    print_pane(&p, "loops", "Loops", "loops", "What each kernel does, as loop nests. Kernels that differ in their buffers alone are shown once.");
}

/* ---- functions of LLVM's code and of the assembly ---- */

/* A kernel has a function MODEL.KERNEL; where several share a body, that is MODEL.FIRST.and_alike. */
static const char shared_suffix[] = ".and_alike";

static bool is_shared(const char *function) {
    size_t n = strlen(function), s = sizeof shared_suffix - 1;
    return n > s && !strcmp(function + n - s, shared_suffix);
}

static int kernel_of(const Html *h, const char *function) {
    size_t model = strlen(h->model->name), n = strlen(function), s = sizeof shared_suffix - 1;
    if (n <= model || memcmp(function, h->model->name, model) || function[model] != '.') return -1;
    bool shared = is_shared(function);
    return html_kernel(h, arena_str(h->a, function + model + 1, n - model - 1 - (shared ? s : 0)));
}

typedef struct Functions { Map known, shared; } Functions; /* by name: functions; kernels whose body others share */

/* Does this function do nothing but call the body that its kernel shares? */
static bool is_call_only(const Html *h, const Functions *f, const char *name, int kernel) {
    if (kernel < 0 || is_shared(name)) return false;
    for (int i = 0; i < h->nkernels; i++) {
        if (h->family[i] != h->family[kernel]) continue;
        if (map_get(&f->shared, h->page->program->kernels.at[i]->name)) return true;
    }
    return false;
}

static void note_function(const Html *h, Functions *f, const char *name) {
    *map_at(h->a, &f->known, name) = (void *)(intptr_t)1;
    int k = is_shared(name) ? kernel_of(h, name) : -1;
    if (k >= 0) *map_at(h->a, &f->shared, h->page->program->kernels.at[k]->name) = (void *)(intptr_t)1;
}

static int hex_digit(char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; }

/* The string that begins behind s[-1] == '"', interned; LLVM's own escapes are \HH, the assembler's \", \\ and \OOO. */
static const char *quoted(const Html *h, const char *s, size_t n, bool assembler) {
    char *out = arena_alloc(h->a, n + 1);
    size_t k = 0;
    for (size_t i = 0; i < n && s[i] != '"'; i++) {
        int a = i + 2 < n ? hex_digit(s[i + 1]) : -1, b = i + 2 < n ? hex_digit(s[i + 2]) : -1;
        if (s[i] != '\\') out[k++] = s[i];
        else if (!assembler && a >= 0 && b >= 0) {
            out[k++] = (char)(a * 16 + b);
            i += 2;
        } else if (assembler && i + 3 < n && a >= 0 && a < 4 && b >= 0 && b < 8) {
            out[k++] = (char)(a * 64 + b * 8 + hex_digit(s[i + 3]));
            i += 3;
        } else if (i + 1 < n) out[k++] = s[++i];
    }
    return arena_intern(h->a, out, k);
}

/* The source that debug information calls by this path, from 1; 0: none. */
static int source_named(const Html *h, const char *path) {
    for (int i = 0; i < h->model->sources.n; i++)
        if (!strcmp(h->model->sources.at[i].path, path)) return html_source(h, h->model->sources.at[i].file);
    return 0;
}

/* ---- LLVM's code ---- */

typedef struct Meta { int line, scope, file, source; } Meta; /* !N: a place has line and scope, a scope a file, a file its source */
typedef struct Metas { VEC(Meta) at; } Metas;

/* The number behind `key` on a line, or -1. */
static int number_behind(const char *line, const char *key) {
    const char *at = strstr(line, key);
    return at ? atoi(at + strlen(key)) : -1;
}

static void read_meta(const Html *h, Metas *m, const char *text) {
    int id = atoi(text + 1);
    Meta meta = {-1, -1, -1, 0};
    while (m->at.n <= id) VEC_PUSH(h->a, &m->at, meta);
    if (strstr(text, "!DILocation(")) {
        meta.line = number_behind(text, "line: ");
        meta.scope = number_behind(text, "scope: !");
    } else if (strstr(text, "!DIFile(")) {
        const char *path = strstr(text, "filename: \"");
        if (path) meta.source = source_named(h, quoted(h, path + 11, strlen(path + 11), false));
    } else if (strstr(text, "!DISubprogram(") || strstr(text, "!DILexicalBlockFile(")) {
        meta.file = number_behind(text, "file: !");
    }
    m->at.at[id] = meta;
}

static const Meta *meta_at(const Metas *m, int id) {
    static const Meta none = {-1, -1, -1, 0};
    return id >= 0 && id < m->at.n ? &m->at.at[id] : &none;
}

/* The place that !N says. */
static void place_of(const Metas *m, int id, int *source, int *line) {
    const Meta *place = meta_at(m, id);
    *source = place->line > 0 ? meta_at(m, meta_at(m, place->scope)->file)->source : 0;
    *line = *source ? place->line : 0;
}

/* "define internal void @name(" or @"name"(: the name, interned. */
static const char *defined_name(const Html *h, const char *line, size_t n) {
    const char *at = memchr(line, '@', n);
    if (!at) return "";
    at++;
    size_t left = (size_t)(line + n - at), length = 0;
    if (left && *at == '"') return quoted(h, at + 1, left - 1, false);
    while (length < left && at[length] != '(') length++;
    return arena_intern(h->a, at, length);
}

static void scan_ir(const Html *h, const Text *ir, Metas *m, Functions *f) {
    const char *at = ir->at, *line;
    size_t n;
    while (next_line(&at, ir->at + ir->n, &line, &n)) {
        if (begins(line, n, "define ")) note_function(h, f, defined_name(h, line, n));
        if (n > 1 && line[0] == '!' && line[1] >= '0' && line[1] <= '9') read_meta(h, m, arena_str(h->a, line, n));
    }
}

/* Where the metadata behind an instruction begins: ", !dbg !12, !noalias !3". */
static size_t without_meta(const char *line, size_t n) {
    for (size_t i = 0; i + 3 < n; i++)
        if (line[i] == ',' && line[i + 1] == ' ' && line[i + 2] == '!' && line[i + 3] >= 'a' && line[i + 3] <= 'z') return i;
    return n;
}

static void ir_line(const Pane *p, const Metas *m, Section *s, const char *line, size_t n) {
    static const char mark[] = "!dbg !";
    int source = 0, place = 0;
    const char *dbg = memmem(line, n, mark, sizeof mark - 1);
    bool define = begins(line, n, "define ");
    if (dbg && !define) place_of(m, atoi(dbg + sizeof mark - 1), &source, &place);
    size_t shown = define && dbg ? (size_t)(dbg - line) : without_meta(line, n);
    const char *text = define && dbg ? arena_printf(p->h->a, "%.*s{", (int)shown, line) : line;
    add_line(p, s, text, define && dbg ? shown + 1 : shown, source, place);
}

void html_ir(const Html *h) {
    Pane p = {.h = h};
    Metas m = {0};
    Functions f = {0};
    const Text *ir = h->page->ir;
    const char *at = ir->at, *line;
    size_t n;
    Section *s = NULL;
    scan_ir(h, ir, &m, &f);
    while (next_line(&at, ir->at + ir->n, &line, &n)) {
        if (begins(line, n, "define ")) {
            const char *name = defined_name(h, line, n);
            int k = kernel_of(h, name);
            s = is_call_only(h, &f, name, k) ? NULL : open_section(&p, name, k, k >= 0 && is_shared(name));
        }
        if (s) ir_line(&p, &m, s, line, n);
        if (n == 1 && *line == '}') s = NULL;
    }
    print_pane(&p, "ir", "LLVM IR", "llvm-ir",
               "Functions as they go to the code generator, without metadata, constants and declarations; one that only calls the body it shares is left out.");
}

/* ---- assembly ---- */

typedef struct Assembly { VEC(int) source; int at, line; } Assembly; /* sources by .file's number; where the last .loc was */

static void read_file(const Html *h, Assembly *a, const char *text) {
    int id = 0, used = 0;
    if (sscanf(text, " .file %d %n", &id, &used) != 1 || id < 0 || id > 1 << 16 || text[used] != '"') return;
    const char *first = quoted(h, text + used + 1, strlen(text + used + 1), true), *second = text + used + 1;
    while (*second && *second != '"') second += *second == '\\' && second[1] ? 2 : 1;
    second = *second ? strchr(second + 1, '"') : NULL;
    while (a->source.n <= id) VEC_PUSH(h->a, &a->source, 0);
    a->source.at[id] = source_named(h, second ? quoted(h, second + 1, strlen(second + 1), true) : first);
}

static void read_loc(Assembly *a, const char *text) {
    int id = 0, line = 0;
    if (sscanf(text, " .loc %d %d", &id, &line) != 2) return;
    a->at = line > 0 && id >= 0 && id < a->source.n ? a->source.at[id] : 0;
    a->line = a->at ? line : 0;
}

/* A directive or label that is about debugging and unwinding alone, or about the linker. */
static bool is_noise(const char *line, size_t n) {
    static const char *const noise[] = {"\t.cfi_", "\t.loc\t", "\t.file\t", "\t.size\t", "\t.type\t", ".Ltmp", ".Lfunc_begin", "\t.section\t", "\t.text"};
    for (size_t i = 0; i < sizeof noise / sizeof *noise; i++)
        if (begins(line, n, noise[i])) return true;
    return n == 0;
}

/* The name of the function whose label this is, interned; or null. */
static const char *label_of(const Html *h, const Functions *f, const char *line, size_t n) {
    if (n < 2 || *line == '\t' || *line == ' ' || *line == '.' || *line == '#') return NULL;
    const char *colon = memchr(line, ':', n);
    const char *name = *line == '"' ? quoted(h, line + 1, n - 1, true) : colon ? arena_intern(h->a, line, (size_t)(colon - line)) : "";
    return map_get(&f->known, name) ? name : NULL;
}

void html_assembly(const Html *h) {
    Pane p = {.h = h};
    Metas m = {0};
    Functions f = {0};
    Assembly a = {0};
    const Text *code = h->page->assembly;
    const char *at = code->at, *line;
    size_t n;
    Section *s = NULL;
    scan_ir(h, h->page->ir, &m, &f);
    while (next_line(&at, code->at + code->n, &line, &n)) {
        const char *name = label_of(h, &f, line, n);
        if (name) {
            int k = kernel_of(h, name);
            s = is_call_only(h, &f, name, k) ? NULL : open_section(&p, name, k, k >= 0 && is_shared(name));
            a.at = 0;
        }
        if (begins(line, n, "\t.file\t")) read_file(h, &a, arena_str(h->a, line, n));
        if (begins(line, n, "\t.loc\t")) read_loc(&a, arena_str(h->a, line, n));
        if (begins(line, n, ".Lfunc_end")) s = NULL;
        if (s && !is_noise(line, n)) add_line(&p, s, line, n, name ? 0 : a.at, name ? 0 : a.line);
    }
    print_pane(&p, "assembly", "Assembly", "asm", "What the code generator made of it, without constants and without directives for debuggers.");
}
