/* html_text.c: see html_internal.h. */
#include <string.h>

#include "html_internal.h"

/* Bytes of the UTF-8 character at s, of which n are left, and the character; 0 where there is none. */
static size_t decode(const unsigned char *s, size_t n, uint32_t *c) {
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t length = s[0] < 0x80 ? 1 : s[0] >> 5 == 6 ? 2 : s[0] >> 4 == 14 ? 3 : s[0] >> 3 == 30 ? 4 : 0;
    if (!length || length > n) return 0;
    *c = length == 1 ? s[0] : s[0] & (0xffu >> (length + 1));
    for (size_t i = 1; i < length; i++) {
        if ((s[i] & 0xC0) != 0x80) return 0;
        *c = *c << 6 | (s[i] & 0x3Fu);
    }
    return *c >= least[length] && *c <= 0x10FFFF && !(*c >= 0xD800 && *c < 0xE000) ? length : 0;
}

static bool may_stand(uint32_t c) {
    if (c < ' ') return c == '\t' || c == '\n';
    return !(c >= 0x7F && c < 0xA0) && !(c >= 0xFDD0 && c <= 0xFDEF) && (c & 0xFFFE) != 0xFFFE;
}

void html_escape(Text *out, const char *s, size_t n) {
    while (n) {
        size_t plain = 0;
        while (plain < n && s[plain] >= ' ' && s[plain] < 0x7F && !strchr("<>&\"'", s[plain])) plain++;
        text_append(out, s, plain);
        s += plain;
        n -= plain;
        if (!n) return;
        uint32_t c = 0;
        size_t length = decode((const unsigned char *)s, n, &c);
        if (length == 1 && strchr("<>&\"'", *s) && *s) text_printf(out, "&#%d;", *s);
        else if (length && may_stand(c)) text_append(out, s, length);
        else text_append(out, "\xEF\xBF\xBD", 3);
        s += length ? length : 1;
        n -= length ? length : 1;
    }
}

void html_text(Text *out, const char *s) { html_escape(out, s, strlen(s)); }

int html_source(const Html *h, int file) {
    size_t n;
    for (int i = 0; i < h->model->sources.n; i++)
        if (h->model->sources.at[i].file == file && *diag_text(h->page->diag, file, &n)) return i + 1;
    return 0;
}

bool html_lines(const Html *h, Span span, int *source, int *first, int *last) {
    int column;
    *source = span.file ? html_source(h, span.file) : 0;
    if (!*source) return false;
    int64_t end = span.end > span.start ? span.end - 1 : span.start;
    diag_place(h->page->diag, (Span){.file = span.file, .start = span.start, .end = span.start}, first, &column);
    diag_place(h->page->diag, (Span){.file = span.file, .start = end, .end = end}, last, &column);
    return true;
}

int html_kernel(const Html *h, const char *name) { return (int)(intptr_t)map_get(&h->kernels, arena_name(h->a, name)) - 1; }

bool html_within(const char *layer, const char *name) {
    size_t n = strlen(name);
    return !strncmp(layer, name, n) && (!layer[n] || layer[n] == '.');
}

const char *html_pass_class(nrt_pass pass) {
    static const char *const classes[] = {"forward", "data", "weights", "update", "other"};
    return classes[pass];
}
