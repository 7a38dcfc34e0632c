/* value.c: see value.h. */
#include "value.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ast.h"

Value value_int(int64_t i) { return (Value){.kind = VALUE_INT, .i = i}; }
Value value_float(double f) { return (Value){.kind = VALUE_FLOAT, .f = f}; }
Value value_bool(bool b) { return (Value){.kind = VALUE_BOOL, .i = b}; }
Value value_string(const char *interned) { return (Value){.kind = VALUE_STRING, .s = interned}; }
Value value_error(void) { return (Value){.kind = VALUE_ERROR}; }

bool value_is_number(Value v) { return v.kind == VALUE_INT || v.kind == VALUE_FLOAT; }
double value_number(Value v) { return v.kind == VALUE_INT ? (double)v.i : v.f; }

/* ---- text ---- */

enum { LONGEST_TEXT = 60 };

static void print_value(Arena *a, Text *t, Value v);

static void print_tuple(Arena *a, Text *t, const Tuple *tuple) {
    text_printf(t, "(");
    for (int i = 0; i < tuple->n; i++) {
        if (i) text_printf(t, ", ");
        if (t->n > LONGEST_TEXT) {
            text_printf(t, "...");
            break;
        }
        print_value(a, t, tuple->at[i]);
    }
    text_printf(t, tuple->n == 1 ? ",)" : ")");
}

/* Fractions always show that they are: 2.0, not 2. */
static void print_float(Text *t, double f) {
    char buf[32];
    if (f == floor(f) && fabs(f) < 1e15) snprintf(buf, sizeof buf, "%.1f", f);
    else double_text(f, buf);
    text_printf(t, strpbrk(buf, ".en") ? "%s" : "%s.0", buf);
}

/* Cut before a character, never within. */
static void print_string(Arena *a, Text *t, const char *s) {
    size_t n = strlen(s), shown = n > LONGEST_TEXT ? LONGEST_TEXT : n;
    while (shown < n && ((unsigned char)s[shown] & 0xC0) == 0x80) shown--;
    ast_quote(t, arena_printf(a, "%.*s%s", (int)shown, s, shown < n ? "..." : ""));
}

static void print_value(Arena *a, Text *t, Value v) {
    switch (v.kind) {
    case VALUE_ERROR: text_printf(t, "?"); break;
    case VALUE_NONE: text_printf(t, "none"); break;
    case VALUE_INT: text_printf(t, "%lld", (long long)v.i); break;
    case VALUE_FLOAT: print_float(t, v.f); break;
    case VALUE_BOOL: text_printf(t, v.i ? "true" : "false"); break;
    case VALUE_STRING: print_string(a, t, v.s); break;
    case VALUE_TUPLE: print_tuple(a, t, v.tuple); break;
    case VALUE_PAIR: text_printf(t, "(%lld, %lld)", (long long)v.pair[0], (long long)v.pair[1]); break;
    case VALUE_TENSOR: text_printf(t, "a tensor %s", type_text(a, v.tensor->type)); break;
    case VALUE_LAYER: text_printf(t, "a layer"); break;
    case VALUE_RECORD: text_printf(t, "a setting of train"); break;
    }
}

const char *value_text(Arena *a, Value v) {
    Text t = {0};
    text_append(&t, "", 0);
    if (t.n < LONGEST_TEXT) print_value(a, &t, v);
    const char *s = arena_str(a, t.at, t.n);
    text_free(&t);
    return s;
}

bool value_equal(Value a, Value b, int64_t *steps) {
    if (--*steps <= 0) return false;
    if (value_is_number(a) && value_is_number(b))
        return a.kind == VALUE_INT && b.kind == VALUE_INT ? a.i == b.i : value_number(a) == value_number(b);
    if (a.kind != b.kind) return false;
    switch (a.kind) {
    case VALUE_BOOL: return a.i == b.i;
    case VALUE_STRING: return a.s == b.s;
    case VALUE_NONE: return true;
    case VALUE_TUPLE:
        if (a.tuple->n != b.tuple->n) return false;
        for (int i = 0; i < a.tuple->n; i++)
            if (!value_equal(a.tuple->at[i], b.tuple->at[i], steps)) return false;
        return true;
    default: return false;
    }
}

/* ---- parameters ---- */

static const char *const type_names[] = {
#define PARAM_TYPE(name, doc) #name,
    PARAM_TYPES(PARAM_TYPE)
#undef PARAM_TYPE
};

static const char *const type_docs[] = {
#define PARAM_TYPE(name, doc) doc,
    PARAM_TYPES(PARAM_TYPE)
#undef PARAM_TYPE
};

static int find_type(const char *name, size_t n) {
    for (int i = 0; i < PARAM_TYPE_COUNT; i++)
        if (strlen(type_names[i]) == n && !memcmp(type_names[i], name, n)) return i;
    return -1;
}

int param_type_named(const char *name) {
    int t = find_type(name, strlen(name));
    return t >= PARAM_int && t <= PARAM_tuple ? t : -1;
}

/* A default in a signature: a literal, or the name of an earlier parameter. */
static void parse_fallback(Arena *a, Param *p, const Param *earlier, int n, const char *s, size_t length) {
    const char *text = arena_intern(a, s, length);
    for (int i = 0; i < n; i++)
        if (earlier[i].name == text) p->same_as = i;
    if (!strcmp(text, "none")) p->fallback = (Value){.kind = VALUE_NONE};
    else if (!strcmp(text, "true") || !strcmp(text, "false")) p->fallback = value_bool(*text == 't');
    else if (*text >= '0' && *text <= '9' && !strpbrk(text, ".e")) p->fallback = value_int(strtoll(text, NULL, 10));
    else if (*text >= '0' && *text <= '9') p->fallback = value_float(strtod(text, NULL));
    else p->fallback = value_string(text);
    if (p->same_as < 0) ENSURE(!param_check(p->type, &p->fallback));
}

Signature signature_parse(Arena *a, const char *text) {
    Signature s = {0};
    while (*text) {
        ENSURE(s.n < SIGNATURE_MAX);
        size_t word = strcspn(text, " "), name = strcspn(text, ":"), type = strcspn(text + name + 1, "= ");
        Param *p = &s.param[s.n];
        *p = (Param){.name = arena_intern(a, text, name), .required = true, .same_as = -1};
        int t = find_type(text + name + 1, type);
        ENSURE(t >= 0);
        p->type = (ParamType)t;
        if (name + 1 + type < word) {
            p->required = false;
            parse_fallback(a, p, s.param, s.n, text + name + type + 2, word - name - type - 2);
        }
        s.n++;
        text += word;
        text += strspn(text, " ");
    }
    return s;
}

static bool in_range(Value v, int64_t lo, int64_t hi) { return v.kind == VALUE_INT && v.i >= lo && v.i <= hi; }

/* An integer or a tuple of two as (height, width). */
static bool to_pair(Value *v, int64_t lo) {
    if (v->kind == VALUE_PAIR) return true;
    Value h = *v, w = *v;
    if (v->kind == VALUE_TUPLE && v->tuple->n == 2) {
        h = v->tuple->at[0];
        w = v->tuple->at[1];
    }
    if (!in_range(h, lo, VALUE_MAX_DIM) || !in_range(w, lo, VALUE_MAX_DIM)) return false;
    *v = (Value){.kind = VALUE_PAIR, .pair = {h.i, w.i}};
    return true;
}

/* A number as a FLOAT in [lo, hi). */
static bool to_float(Value *v, double lo, double hi) {
    if (!value_is_number(*v)) return false;
    *v = value_float(value_number(*v));
    return v->f >= lo && v->f < hi;
}

/* One number that fits `each`, or a tuple of 1 to 3 of them; the numbers become FLOATs only where they are read. */
static bool by_channel(ParamType each, Value *v);

static bool accepts(ParamType type, Value *v) {
    switch (type) {
    case PARAM_any: return true;
    case PARAM_int: return v->kind == VALUE_INT;
    case PARAM_float: return to_float(v, -INFINITY, INFINITY);
    case PARAM_bool: return v->kind == VALUE_BOOL;
    case PARAM_string: return v->kind == VALUE_STRING;
    case PARAM_tuple: return v->kind == VALUE_TUPLE;
    case PARAM_count: return in_range(*v, 1, VALUE_MAX_DIM);
    case PARAM_natural: return in_range(*v, 0, VALUE_MAX_DIM);
    case PARAM_seed: return in_range(*v, 0, INT64_MAX);
    case PARAM_counts: return to_pair(v, 1);
    case PARAM_pads: return to_pair(v, 0);
    case PARAM_size: return v->kind == VALUE_NONE || to_pair(v, 1);
    case PARAM_positive: return to_float(v, 0, INFINITY) && v->f > 0;
    case PARAM_nonneg: return to_float(v, 0, INFINITY);
    case PARAM_share: return to_float(v, 0, 1);
    case PARAM_levels: return by_channel(PARAM_nonneg, v);
    case PARAM_spreads: return by_channel(PARAM_positive, v);
    case PARAM_reduction: return v->kind == VALUE_STRING && (!strcmp(v->s, "mean") || !strcmp(v->s, "sum"));
    case PARAM_TYPE_COUNT: break;
    }
    return false;
}

static bool by_channel(ParamType each, Value *v) {
    if (v->kind != VALUE_TUPLE) return accepts(each, v);
    for (int i = 0; i < v->tuple->n; i++) {
        Value one = v->tuple->at[i];
        if (!accepts(each, &one)) return false;
    }
    return v->tuple->n >= 1 && v->tuple->n <= 3;
}

const char *param_check(ParamType type, Value *v) {
    Value out = *v;
    if (v->kind == VALUE_ERROR) return NULL;
    if (!accepts(type, &out)) return type_docs[type];
    *v = out;
    return NULL;
}
