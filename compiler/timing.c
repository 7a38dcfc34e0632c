/* timing.c: see timing.h. A cursor over the text: every function takes one thing off the front, or notes what is wrong and returns false. */
#include "timing.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 32 };

typedef struct Reader {
    Arena *a;
    const char *at, *end;
    const char *error;
    int depth;
} Reader;

static bool wrong(Reader *r, const char *error) {
    if (!r->error) r->error = error;
    return false;
}

static char peek(Reader *r) {
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\n' || *r->at == '\t' || *r->at == '\r')) r->at++;
    return (char)(r->at < r->end ? *r->at : 0);
}

static bool accept(Reader *r, char c) {
    if (!c || peek(r) != c) return false;
    r->at++;
    return true;
}

static bool expect(Reader *r, char c) { return accept(r, c) || wrong(r, arena_printf(r->a, "'%c' is missing", c)); }

/* A string without escapes, as all names here are; *out is interned. */
static bool read_string(Reader *r, const char **out) {
    if (!expect(r, '"')) return false;
    const char *start = r->at;
    while (r->at < r->end && *r->at != '"' && (unsigned char)*r->at >= ' ') {
        if (*r->at == '\\') return wrong(r, "a name with an escape");
        r->at++;
    }
    if (r->at == r->end || *r->at != '"') return wrong(r, "a string that does not end");
    *out = arena_intern(r->a, start, (size_t)(r->at++ - start));
    return true;
}

/* strtod takes more than JSON has (0x1, inf), and text may end with the buffer: the number is checked, then copied. */
static bool read_number(Reader *r, double *out) {
    peek(r);
    size_t n = 0, left = (size_t)(r->end - r->at);
    while (n < left && r->at[n] && strchr("+-.0123456789eE", r->at[n])) n++;
    const char *digits = arena_str(r->a, r->at, n);
    char *end;
    *out = strtod(digits, &end);
    if (!n || *end || digits[0] == '+' || digits[0] == '.') return wrong(r, "a number is missing");
    if (!isfinite(*out)) return wrong(r, "a number too large");
    r->at += n;
    return true;
}

static bool skip_value(Reader *r);

/* The elements of an object or array that has just been opened, each passed over by skip_value. */
static bool skip_list(Reader *r, char close, bool keys) {
    const char *key;
    if (accept(r, close)) return true;
    do {
        if (keys && (!read_string(r, &key) || !expect(r, ':'))) return false;
        if (!skip_value(r)) return false;
    } while (accept(r, ','));
    return expect(r, close);
}

static bool skip_word(Reader *r) {
    static const char *const words[] = {"true", "false", "null"};
    for (int i = 0; i < 3; i++) {
        size_t n = strlen(words[i]);
        if ((size_t)(r->end - r->at) < n || memcmp(r->at, words[i], n)) continue;
        r->at += n;
        return true;
    }
    return wrong(r, "a value is missing");
}

static bool skip_value(Reader *r) {
    const char *text;
    double number;
    char c = peek(r);
    if (r->depth >= DEPTH_MAX) return wrong(r, "values are nested too deep");
    if (c == '"') return read_string(r, &text);
    if (c == '-' || (c >= '0' && c <= '9')) return read_number(r, &number);
    if (c != '{' && c != '[') return skip_word(r);
    r->at++;
    r->depth++;
    bool good = skip_list(r, c == '{' ? '}' : ']', c == '{');
    r->depth--;
    return good;
}

/* Reads an object: `member` takes a member's value off the front, or returns false with no error for one that is passed over. */
static bool read_object(Reader *r, void *into, bool (*member)(Reader *r, const char *key, void *into)) {
    const char *key;
    if (!expect(r, '{')) return false;
    if (accept(r, '}')) return true;
    do {
        if (!read_string(r, &key) || !expect(r, ':')) return false;
        if (!member(r, key, into) && (r->error || !skip_value(r))) return false;
    } while (accept(r, ','));
    return expect(r, '}');
}

static bool kernel_member(Reader *r, const char *key, void *into) {
    KernelTime *k = into;
    if (!strcmp(key, "name")) return read_string(r, &k->name);
    if (!strcmp(key, "ms")) return read_number(r, &k->ms);
    return !strcmp(key, "gflops") && read_number(r, &k->gflops);
}

static bool read_kernels(Reader *r, Timing *t) {
    if (!expect(r, '[')) return false;
    if (accept(r, ']')) return true;
    do {
        KernelTime k = {.ms = -1};
        if (!read_object(r, &k, kernel_member)) return false;
        if (!k.name || k.ms < 0) return wrong(r, "a kernel needs \"name\" and \"ms\"");
        VEC_PUSH(r->a, &t->kernels, k);
    } while (accept(r, ','));
    return expect(r, ']');
}

static bool read_count(Reader *r, int64_t *out) {
    double x;
    if (!read_number(r, &x)) return false;
    if (x < 1 || x > 1e9 || x != floor(x)) return wrong(r, "a count of 1 to 1e9 is missing");
    *out = (int64_t)x;
    return true;
}

static bool top_member(Reader *r, const char *key, void *into) {
    Timing *t = into;
    if (!strcmp(key, "peak_gflops")) return read_number(r, &t->peak_gflops);
    if (!strcmp(key, "step_ms")) return read_number(r, &t->step_ms);
    if (!strcmp(key, "batch")) return read_count(r, &t->batch);
    if (!strcmp(key, "threads")) return read_count(r, &t->threads);
    return !strcmp(key, "kernels") && read_kernels(r, t);
}

static bool read_timing(Reader *r, Timing *t) {
    if (!read_object(r, t, top_member)) return false;
    if (peek(r) || r->at < r->end) return wrong(r, "text behind the end");
    if (!(t->peak_gflops > 0)) return wrong(r, "\"peak_gflops\" is missing or not above 0");
    return t->kernels.n > 0 || wrong(r, "\"kernels\" is missing or empty");
}

const Timing *timing_parse(Arena *a, const char *text, size_t n, size_t *at, const char **error) {
    Reader r = {.a = a, .at = text, .end = text + n};
    Timing *t = ARENA_NEW(a, Timing);
    bool good = read_timing(&r, t);
    *error = r.error;
    *at = (size_t)(r.at - text);
    return good ? t : NULL;
}
