/* loop_text.c: see loop_text.h.
 *
 * The parser is one function a construct, by recursive descent with bounded depth; names are interned, so variables and
 * buffers are found by comparing pointers. After an error the scanner gives nothing but the end of the text, and every
 * function returns something that is safe to hand on (an affine 0, a constant 0) until loop_parse looks at `failed`.
 */
#include "loop_text.h"

#include "map.h"
#include "model_text.h"
#include "scan_text.h"

#include <math.h>
#include <string.h>

enum { SCOPE_MAX = 80, NEST_MAX = 72, EXPR_DEPTH_MAX = 200 };

static const char *const space_names[] = { "state", "arena", "scratch", "x", "labels", "target", "out", "loss", "local", NULL };
static const char *const loop_names[] = { "for", "unroll", "lane", NULL };

/* ---- printing: forms and expressions ---- */

static void print_affine(Text *t, Affine x) {
    for (int i = 0; i < x.n; i++) {
        bool minus = x.term[i].k < 0;
        uint64_t k = minus ? 0 - (uint64_t)x.term[i].k : (uint64_t)x.term[i].k;
        text_printf(t, "%s", i == 0 ? (minus ? "-" : "") : (minus ? " - " : " + "));
        if (k != 1) text_printf(t, "%llu*", (unsigned long long)k);
        print_name(t, x.term[i].var->name);
    }
    if (x.n == 0) text_printf(t, "%lld", (long long)x.c);
    else if (x.c != 0) text_printf(t, " %c %llu", x.c < 0 ? '-' : '+', (unsigned long long)(x.c < 0 ? 0 - (uint64_t)x.c : (uint64_t)x.c));
}

static void print_access(Text *t, const Buffer *b, const Affine *at) {
    print_name(t, b->name);
    text_printf(t, "[");
    for (int i = 0; i < b->rank; i++) {
        if (i > 0) text_printf(t, ", ");
        print_affine(t, at[i]);
    }
    text_printf(t, "]");
}

static bool is_infix(ExprKind kind) {
    char c = expr_text(kind)[0];
    return expr_operands(kind) == 2 && !(c >= 'a' && c <= 'z');
}

static void print_real(Text *t, double x) {
    char buf[32];
    if (!isfinite(x)) {
        text_printf(t, "real(%s)", isnan(x) ? "nan" : x < 0 ? "-inf" : "inf");
        return;
    }
    const char *s = double_text(x, buf);
    text_printf(t, "%s%s", s, strpbrk(s, ".e") ? "" : ".0");
}

static void print_expr(Text *t, const Expr *e);

static void print_operand(Text *t, const Expr *e) {
    bool closed = !is_infix(e->kind);
    text_printf(t, closed ? "" : "(");
    print_expr(t, e);
    text_printf(t, closed ? "" : ")");
}

static void print_expr(Text *t, const Expr *e) {
    switch (e->kind) {
    case EXPR_REAL: print_real(t, e->real); return;
    case EXPR_INT: text_printf(t, "%lld", (long long)e->index.c); return;
    case EXPR_INDEX:
        text_printf(t, "index(");
        print_affine(t, e->index);
        text_printf(t, ")");
        return;
    case EXPR_LOAD: print_access(t, e->buffer, e->at); return;
    case EXPR_LR: case EXPR_SEED: case EXPR_STEP: case EXPR_IMAGE_WEIGHT: text_printf(t, "%s", expr_text(e->kind)); return;
    default: break;
    }
    if (is_infix(e->kind)) {
        print_operand(t, e->arg[0]);
        text_printf(t, " %s ", expr_text(e->kind));
        print_operand(t, e->arg[1]);
        return;
    }
    text_printf(t, "%s(", expr_text(e->kind));
    for (int i = 0; i < expr_operands(e->kind); i++) {
        if (i > 0) text_printf(t, ", ");
        print_expr(t, e->arg[i]);
    }
    text_printf(t, ")");
}

/* ---- printing: statements ---- */

static void indent(Text *t, int depth) {
    text_printf(t, "%*s", 4 * depth, "");
}

static void print_bounds(Text *t, const char *many, const Affine *x, int n) {
    if (n > 1) text_printf(t, "%s(", many);
    for (int i = 0; i < n; i++) {
        if (i > 0) text_printf(t, ", ");
        print_affine(t, x[i]);
    }
    if (n > 1) text_printf(t, ")");
}

static void print_list(Text *t, const Program *p, const Stmt *list, int depth);

void loop_print_head(const Stmt *s, Text *t) {
    text_printf(t, "%s ", loop_names[s->loop]);
    print_name(t, s->var->name);
    text_printf(t, " = ");
    print_bounds(t, "max", s->lo, s->nlo);
    text_printf(t, " .. ");
    print_bounds(t, "min", s->hi, s->nhi);
    if (s->step != 1) text_printf(t, " step %lld", (long long)s->step);
}

static void print_for(Text *t, const Program *p, const Stmt *s, int depth) {
    loop_print_head(s, t);
    print_span(t, p->model, s->span);
    text_printf(t, " {\n");
    print_list(t, p, s, depth + 1);
    indent(t, depth);
    text_printf(t, "}\n");
}

/* A list within a list (var null) is printed as its statements. */
static void print_stmt(Text *t, const Program *p, const Stmt *s, int depth) {
    if (s->kind == STMT_FOR && !s->var) {
        print_list(t, p, s, depth);
        return;
    }
    indent(t, depth);
    switch (s->kind) {
    case STMT_FOR: print_for(t, p, s, depth); break;
    case STMT_STORE:
        print_access(t, s->buffer, s->at);
        text_printf(t, s->streamed ? " <- " : " = ");
        print_expr(t, s->value);
        print_span(t, p->model, s->span);
        text_printf(t, "\n");
        break;
    case STMT_PREFETCH:
        text_printf(t, "prefetch ");
        print_access(t, s->buffer, s->at);
        print_span(t, p->model, s->span);
        text_printf(t, "\n");
        break;
    case STMT_COMMENT:
        text_printf(t, "note ");
        print_string(t, s->text);
        text_printf(t, "\n");
        break;
    }
}

static void print_list(Text *t, const Program *p, const Stmt *list, int depth) {
    for (int i = 0; i < list->body.n; i++) print_stmt(t, p, list->body.at[i], depth);
}

/* ---- printing: buffers, kernels, entries ---- */

static void print_numbers(Text *t, const int64_t *x, int n) {
    text_printf(t, "[");
    for (int i = 0; i < n; i++) text_printf(t, "%s%lld", i > 0 ? ", " : "", (long long)x[i]);
    text_printf(t, "]");
}

static void print_buffer(Text *t, const Buffer *b) {
    bool halo = false;
    for (int i = 0; i < b->rank; i++) halo |= b->low[i] != 0 || b->high[i] != 0;
    print_name(t, b->name);
    text_printf(t, " %s ", elem_names[b->elem]);
    print_numbers(t, b->dim, b->rank);
    text_printf(t, " %s offset=%lld bytes=%lld base=%lld stride ", space_names[b->space], (long long)b->offset, (long long)b->bytes, (long long)b->base);
    print_numbers(t, b->stride, b->rank);
    if (halo) {
        text_printf(t, " halo [");
        for (int i = 0; i < b->rank; i++) text_printf(t, "%s%lld:%lld", i > 0 ? ", " : "", (long long)b->low[i], (long long)b->high[i]);
        text_printf(t, "]");
    }
    text_printf(t, "\n");
}

void loop_print_kernel(const Program *p, const Kernel *k, Text *t) {
    const Var *const vars[] = { k->lo, k->hi, k->task, k->n, k->blocks, k->chunks };
    text_printf(t, "kernel ");
    print_name(t, k->name);
    text_printf(t, " layer ");
    print_name(t, k->layer ? k->layer : "");
    text_printf(t, " %s flops=%lld bytes=%lld slots=%lld (", pass_names[k->pass], (long long)k->flops, (long long)k->bytes, (long long)k->slots);
    for (int i = 0; i < 6; i++) {
        if (i > 0) text_printf(t, ", ");
        if (vars[i]) print_name(t, vars[i]->name);
        else text_printf(t, "-");
    }
    text_printf(t, ") ");
    print_string(t, k->plan ? k->plan : "");
    print_span(t, p->model, k->span);
    text_printf(t, " {\n");
    for (int i = 0; i < k->locals.n; i++) {
        text_printf(t, "    local ");
        print_buffer(t, k->locals.at[i]);
    }
    print_list(t, p, k->body, 1);
    text_printf(t, "}\n");
}

static void print_entry(Text *t, const Entry *e) {
    text_printf(t, "%s {\n", e->name);
    for (int i = 0; i < e->segments.n; i++) {
        const Segment *s = e->segments.at[i];
        text_printf(t, "    segment ");
        print_name(t, s->name);
        text_printf(t, " %s {", s->kind == SEGMENT_BLOCKS ? "blocks" : "items");
        for (int j = 0; j < s->parts.n; j++) {
            text_printf(t, " ");
            print_name(t, s->parts.at[j].kernel->name);
            if (s->kind == SEGMENT_ITEMS) text_printf(t, " %lld by %lld", (long long)s->parts.at[j].items, (long long)s->parts.at[j].per_task);
        }
        text_printf(t, " }\n");
    }
    text_printf(t, "}\n");
}

static void print_tensor(Text *t, const nrt_tensor *x) {
    text_printf(t, "tensor ");
    print_name(t, x->name);
    text_printf(t, " %s ", role_names[x->role]);
    print_numbers(t, x->dim, x->rank);
    text_printf(t, " offset=%lld fan_in=%lld fan_out=%lld\n", (long long)x->offset, (long long)x->fan_in, (long long)x->fan_out);
}

void loop_print(const Program *p, Text *t) {
    model_print(p->model, t);
    text_printf(t, "program lanes=%d chunk=%lld state=%lld arena=%lld scratch=%lld\n", p->lanes, (long long)p->chunk, (long long)p->state_bytes,
                (long long)p->arena_bytes, (long long)p->scratch_bytes);
    for (int i = 0; i < p->tensors.n; i++) print_tensor(t, &p->tensors.at[i]);
    for (int i = 0; i < p->buffers.n; i++) {
        text_printf(t, "buffer ");
        print_buffer(t, p->buffers.at[i]);
    }
    for (int i = 0; i < p->kernels.n; i++) loop_print_kernel(p, p->kernels.at[i], t);
    print_entry(t, &p->step);
    print_entry(t, &p->infer);
}

/* ---- reading: numbers, names, forms ---- */

typedef struct Parser {
    TextScanner s;
    Arena *a;
    Program *p;
    Kernel *k;
    const Var *scope[SCOPE_MAX];
    int depth;
    Map buffers, locals, kernels; /* by name: the first of those that have it; locals are of the kernel at hand */
    Map places; /* from what loop_verify_part may name to a Span *: where it begins in the text */
} Parser;

static void note_place(Parser *r, const void *part, Span place) {
    Span *at = ARENA_NEW(r->a, Span);
    *at = place;
    *map_at(r->a, &r->places, part) = at;
}

static void note_name(Parser *r, Map *names, const char *name, void *of) {
    if (!name) return; /* what was wrong has been said */
    void **at = map_at(r->a, names, name);
    if (!*at) *at = of;
}

static bool key_number(Parser *r, const char *key, int64_t lo, int64_t *out) {
    return scan_expect(&r->s, key) && scan_expect(&r->s, "=") && scan_int(&r->s, lo, INT64_MAX, out);
}

/* "[1, 2]": at most max numbers; *n of them. */
static bool number_list(Parser *r, int max, int64_t lo, int64_t *x, int *n) {
    *n = 0;
    if (!scan_expect(&r->s, "[")) return false;
    while (!r->s.failed && !scan_is(&r->s, "]")) {
        if (*n == max) scan_error(&r->s, r->s.token.span, "more than %d numbers", max);
        else if (scan_int(&r->s, lo, INT64_MAX, &x[*n])) ++*n;
        if (!scan_is(&r->s, "]")) scan_expect(&r->s, ",");
    }
    return scan_expect(&r->s, "]");
}

static const Var *find_var(Parser *r) {
    Span span = r->s.token.span;
    const char *name;
    if (!scan_name(&r->s, &name)) return NULL;
    for (int i = r->depth - 1; i >= 0; i--)
        if (r->scope[i]->name == name) return r->scope[i];
    scan_error(&r->s, span, "unknown variable '%s'", name);
    return NULL;
}

static const Var *new_var(Parser *r) {
    Span span = r->s.token.span;
    const char *name;
    if (!scan_name(&r->s, &name)) return NULL;
    if (r->depth == SCOPE_MAX) {
        scan_error(&r->s, span, "more than %d variables in scope", SCOPE_MAX);
        return NULL;
    }
    Var *v = ARENA_NEW(r->a, Var);
    v->name = name;
    r->scope[r->depth++] = v;
    return v;
}

/* One term: 3, nb, 3*nb; sign is 1 or -1. */
static Affine parse_term(Parser *r, int64_t sign) {
    if (r->s.token.kind == SCAN_INT) {
        int64_t k;
        if (!scan_int(&r->s, 0, INT64_MAX, &k)) return affine_const(0);
        if (!scan_accept(&r->s, "*")) return affine_const(sign * k);
        const Var *v = find_var(r);
        return v ? affine_scale(r->a, affine_var(r->a, v), sign * k) : affine_const(0);
    }
    const Var *v = find_var(r);
    return v ? affine_scale(r->a, affine_var(r->a, v), sign) : affine_const(0);
}

static Affine parse_affine(Parser *r) {
    Affine x = parse_term(r, scan_accept(&r->s, "-") ? -1 : 1);
    for (int n = 1; !r->s.failed; n++) {
        bool minus = scan_is(&r->s, "-");
        if (!minus && !scan_is(&r->s, "+")) break;
        if (n > SCOPE_MAX) scan_error(&r->s, r->s.token.span, "more than %d terms", SCOPE_MAX);
        scan_next(&r->s);
        x = affine_add(r->a, x, parse_term(r, minus ? -1 : 1));
    }
    return x;
}

/* ---- reading: expressions ---- */

static const Buffer *find_buffer(Parser *r, const char *name, Span span) {
    const Buffer *b = map_get(&r->locals, name);
    if (!b) b = map_get(&r->buffers, name);
    if (!b) scan_error(&r->s, span, "unknown buffer '%s'", name);
    return b;
}

/* The indices of name[...], after the name. */
static const Buffer *parse_indices(Parser *r, const char *name, Span span, Affine *at) {
    const Buffer *b = find_buffer(r, name, span);
    scan_expect(&r->s, "[");
    for (int i = 0; b && i < b->rank; i++) {
        if (i > 0) scan_expect(&r->s, ",");
        at[i] = parse_affine(r);
    }
    scan_expect(&r->s, "]");
    return r->s.failed ? NULL : b;
}

static const Expr *parse_expr(Parser *r, int depth);

static const Expr *nothing(Parser *r) {
    return expr_real(r->a, 0);
}

static const Expr *parse_number(Parser *r) {
    bool minus = scan_accept(&r->s, "-");
    if (r->s.token.kind == SCAN_INT) {
        int64_t x = 0;
        scan_int(&r->s, 0, (int64_t)INT32_MAX + minus, &x);
        return expr_int(r->a, minus ? -x : x);
    }
    if (r->s.token.kind != SCAN_REAL) {
        scan_unexpected(&r->s, "an expression");
        return nothing(r);
    }
    double x = 0;
    scan_real(&r->s, &x);
    return expr_real(r->a, minus ? -x : x);
}

static ExprKind find_word(const char *name) {
    for (int k = EXPR_IMAGE_WEIGHT + 1; k < EXPR_KINDS; k++)
        if (!is_infix((ExprKind)k) && strcmp(expr_text((ExprKind)k), name) == 0) return (ExprKind)k;
    return EXPR_KINDS;
}

/* f(a, b), after f and the parenthesis. */
static const Expr *parse_call(Parser *r, const char *name, Span span, int depth) {
    const Expr *arg[3] = { NULL, NULL, NULL };
    if (strcmp(name, "index") == 0) {
        Affine x = parse_affine(r);
        scan_expect(&r->s, ")");
        return expr_index(r->a, x);
    }
    if (strcmp(name, "real") == 0) {
        double x = 0;
        scan_real(&r->s, &x);
        scan_expect(&r->s, ")");
        return expr_real(r->a, x);
    }
    ExprKind kind = find_word(name);
    if (kind == EXPR_KINDS) {
        scan_error(&r->s, span, "unknown operator '%s'", name);
        return nothing(r);
    }
    int n = expr_operands(kind);
    for (int i = 0; i < n; i++) {
        if (i > 0) scan_expect(&r->s, ",");
        arg[i] = parse_expr(r, depth + 1);
    }
    scan_expect(&r->s, ")");
    return n == 1 ? expr_unary(r->a, kind, arg[0]) : n == 2 ? expr_binary(r->a, kind, arg[0], arg[1]) : expr_ternary(r->a, kind, arg[0], arg[1], arg[2]);
}

static const Expr *parse_primary(Parser *r, int depth) {
    Span span = r->s.token.span;
    if (scan_accept(&r->s, "(")) {
        const Expr *e = parse_expr(r, depth + 1);
        scan_expect(&r->s, ")");
        return e;
    }
    if (r->s.token.kind != SCAN_NAME && r->s.token.kind != SCAN_STRING) return parse_number(r);
    const char *name;
    Affine at[BUFFER_RANK];
    if (!scan_name(&r->s, &name)) return nothing(r);
    if (scan_accept(&r->s, "(")) return parse_call(r, name, span, depth);
    if (scan_is(&r->s, "[")) {
        const Buffer *b = parse_indices(r, name, span, at);
        return b ? expr_load(r->a, b, at) : nothing(r);
    }
    for (int k = EXPR_LR; k <= EXPR_IMAGE_WEIGHT; k++)
        if (strcmp(name, expr_text((ExprKind)k)) == 0) return expr_leaf(r->a, (ExprKind)k);
    scan_error(&r->s, span, "'%s' is no number; a buffer's element is '%s[...]', a variable's value 'index(%s)'", name, name, name);
    return nothing(r);
}

/* The infix operator at the current token: its precedence, from 1, or 0; a span's '!' is none. */
static int peek_infix(const Parser *r, ExprKind *kind) {
    static const struct { const char *mark; bool equal; ExprKind kind; int level; } signs[] = {
        { "=", true, EXPR_EQ, 1 }, { "!", true, EXPR_NE, 1 }, { "<", true, EXPR_LE, 1 }, { "<", false, EXPR_LT, 1 },
        { "+", false, EXPR_ADD, 2 }, { "-", false, EXPR_SUB, 2 }, { "*", false, EXPR_MUL, 3 }, { "/", false, EXPR_DIV, 3 },
    };
    bool equal = r->s.pos < r->s.n && r->s.text[r->s.pos] == '=';
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
        if (!scan_is(&r->s, signs[i].mark) || (signs[i].equal && !equal)) continue;
        *kind = signs[i].kind;
        return signs[i].level;
    }
    return 0;
}

static const Expr *parse_level(Parser *r, int level, int depth) {
    const Expr *e = parse_primary(r, depth);
    ExprKind kind = EXPR_KINDS;
    int found;
    while (!r->s.failed && (found = peek_infix(r, &kind)) >= level && found > 0) {
        if (++depth > EXPR_DEPTH_MAX) scan_error(&r->s, r->s.token.span, "an expression nested deeper than %d", EXPR_DEPTH_MAX);
        scan_next(&r->s);
        if (expr_text(kind)[1] == '=') scan_expect(&r->s, "=");
        e = expr_binary(r->a, kind, e, parse_level(r, found + 1, depth));
    }
    return e;
}

static const Expr *parse_expr(Parser *r, int depth) {
    if (depth > EXPR_DEPTH_MAX) {
        scan_error(&r->s, r->s.token.span, "an expression nested deeper than %d", EXPR_DEPTH_MAX);
        return nothing(r);
    }
    return parse_level(r, 1, depth);
}

/* ---- reading: statements ---- */

static int parse_bounds(Parser *r, const char *many, Affine *x) {
    int n = 0;
    bool call = scan_is(&r->s, many) && r->s.pos < r->s.n && r->s.text[r->s.pos] == '(';
    if (!call) {
        x[0] = parse_affine(r);
        return 1;
    }
    scan_next(&r->s);
    scan_next(&r->s);
    do {
        if (n == BOUND_MAX) {
            scan_error(&r->s, r->s.token.span, "more than %d bounds", BOUND_MAX);
            break;
        }
        x[n++] = parse_affine(r);
    } while (scan_accept(&r->s, ","));
    scan_expect(&r->s, ")");
    return n;
}

static void parse_list(Parser *r, Stmt *list, int depth);

static Stmt *parse_for(Parser *r, LoopKind kind, int depth) {
    Stmt *s = stmt_for(r->a, NULL, kind, affine_const(0), affine_const(0), 1);
    int scope = r->depth;
    s->var = new_var(r);
    if (!s->var) return s;
    r->depth = scope; /* not yet visible in its own bounds */
    scan_expect(&r->s, "=");
    s->nlo = parse_bounds(r, "max", s->lo);
    scan_expect(&r->s, ".");
    scan_expect(&r->s, ".");
    s->nhi = parse_bounds(r, "min", s->hi);
    if (scan_accept(&r->s, "step")) scan_int(&r->s, 1, INT64_MAX, &s->step);
    scan_span(&r->s, r->p->model, &s->span);
    r->depth = scope + 1;
    if (depth > NEST_MAX) scan_error(&r->s, r->s.token.span, "loops nested deeper than %d", NEST_MAX);
    if (scan_expect(&r->s, "{")) parse_list(r, s, depth + 1);
    scan_expect(&r->s, "}");
    r->depth = scope;
    return s;
}

/* buffer[at], which is stored to or fetched; or null. */
static const Buffer *parse_place(Parser *r, Affine at[BUFFER_RANK]) {
    Span span = r->s.token.span;
    const char *name;
    return scan_name(&r->s, &name) ? parse_indices(r, name, span, at) : NULL;
}

static Stmt *parse_store(Parser *r) {
    Affine at[BUFFER_RANK];
    Span from = { 0 };
    const Buffer *b = parse_place(r, at);
    if (r->s.failed) return NULL;
    bool streamed = scan_accept(&r->s, "<") && scan_expect(&r->s, "-");
    if (!streamed) scan_expect(&r->s, "=");
    const Expr *value = parse_expr(r, 0);
    scan_span(&r->s, r->p->model, &from);
    if (!b || r->s.failed) return NULL;
    Stmt *s = stmt_store(r->a, b, at, value, from);
    s->streamed = streamed;
    return s;
}

static Stmt *parse_prefetch(Parser *r) {
    Affine at[BUFFER_RANK];
    Span from = { 0 };
    const Buffer *b = parse_place(r, at);
    if (r->s.failed) return NULL;
    scan_span(&r->s, r->p->model, &from);
    return b && !r->s.failed ? stmt_prefetch(r->a, b, at, from) : NULL;
}

/* Is the current token this word, with something else than an index behind it (then it is a buffer's name)? */
static bool at_word(const Parser *r, const char *word) {
    return r->s.token.kind == SCAN_NAME && scan_is(&r->s, word) && !(r->s.pos < r->s.n && r->s.text[r->s.pos] == '[');
}

static Stmt *parse_stmt(Parser *r, int depth) {
    const char *text;
    for (int kind = 0; loop_names[kind]; kind++)
        if (at_word(r, loop_names[kind])) {
            scan_next(&r->s);
            return parse_for(r, (LoopKind)kind, depth);
        }
    if (at_word(r, "prefetch")) {
        scan_next(&r->s);
        return parse_prefetch(r);
    }
    if (!at_word(r, "note")) return parse_store(r);
    scan_next(&r->s);
    return scan_string(&r->s, &text) ? stmt_comment(r->a, text) : NULL;
}

static void parse_list(Parser *r, Stmt *list, int depth) {
    while (!r->s.failed && r->s.token.kind != SCAN_END && !scan_is(&r->s, "}")) {
        Span place = r->s.token.span;
        Stmt *s = parse_stmt(r, depth);
        if (!s) continue;
        note_place(r, s, place);
        stmt_add(r->a, list, s);
    }
}

/* ---- reading: buffers, kernels, entries ---- */

static void parse_halo(Parser *r, Buffer *b) {
    scan_expect(&r->s, "[");
    for (int i = 0; i < b->rank && !r->s.failed; i++) {
        if (i > 0) scan_expect(&r->s, ",");
        scan_int(&r->s, 0, INT64_MAX, &b->low[i]);
        scan_expect(&r->s, ":");
        scan_int(&r->s, 0, INT64_MAX, &b->high[i]);
    }
    scan_expect(&r->s, "]");
}

static Buffer *parse_buffer(Parser *r) {
    Buffer *b = ARENA_NEW(r->a, Buffer);
    int elem = 0, space = 0, strides = 0;
    note_place(r, b, r->s.token.span);
    scan_name(&r->s, &b->name);
    scan_choice(&r->s, "an element type", elem_names, &elem);
    number_list(r, BUFFER_RANK, -1, b->dim, &b->rank);
    scan_choice(&r->s, "a space", space_names, &space);
    key_number(r, "offset", 0, &b->offset);
    key_number(r, "bytes", 0, &b->bytes);
    key_number(r, "base", 0, &b->base);
    scan_expect(&r->s, "stride");
    Span span = r->s.token.span;
    if (number_list(r, BUFFER_RANK, 0, b->stride, &strides) && strides != b->rank) scan_error(&r->s, span, "%d strides for %d dimensions", strides, b->rank);
    if (scan_accept(&r->s, "halo")) parse_halo(r, b);
    b->elem = (Elem)elem;
    b->space = (Space)space;
    return b;
}

static void parse_arguments(Parser *r, Kernel *k) {
    const Var **const vars[] = { &k->lo, &k->hi, &k->task, &k->n, &k->blocks, &k->chunks };
    scan_expect(&r->s, "(");
    for (int i = 0; i < 6 && !r->s.failed; i++) {
        if (i > 0) scan_expect(&r->s, ",");
        if (!scan_accept(&r->s, "-")) *vars[i] = new_var(r);
    }
    scan_expect(&r->s, ")");
}

static void parse_kernel(Parser *r) {
    Kernel *k = ARENA_NEW(r->a, Kernel);
    int pass = 0;
    r->k = k;
    r->depth = 0;
    r->locals = (Map){0};
    note_place(r, k, r->s.token.span);
    scan_name(&r->s, &k->name);
    scan_expect(&r->s, "layer");
    scan_name(&r->s, &k->layer);
    scan_choice(&r->s, "a pass", pass_names, &pass);
    k->pass = (nrt_pass)pass;
    key_number(r, "flops", 0, &k->flops);
    key_number(r, "bytes", 0, &k->bytes);
    key_number(r, "slots", 0, &k->slots);
    parse_arguments(r, k);
    scan_string(&r->s, &k->plan);
    scan_span(&r->s, r->p->model, &k->span);
    scan_expect(&r->s, "{");
    while (at_word(r, "local")) {
        scan_next(&r->s);
        Buffer *b = parse_buffer(r);
        VEC_PUSH(r->a, &k->locals, b);
        note_name(r, &r->locals, b->name, b);
    }
    k->body = ARENA_NEW(r->a, Stmt);
    k->body->kind = STMT_FOR;
    parse_list(r, k->body, 0);
    scan_expect(&r->s, "}");
    VEC_PUSH(r->a, &r->p->kernels, k);
    note_name(r, &r->kernels, k->name, k);
}

static void parse_part(Parser *r, Segment *s) {
    SegmentPart part = { 0 };
    Span span = r->s.token.span;
    const char *name;
    if (!scan_name(&r->s, &name)) return;
    part.kernel = map_get(&r->kernels, name);
    if (!part.kernel) scan_error(&r->s, span, "unknown kernel '%s'", name);
    if (s->kind == SEGMENT_ITEMS) {
        scan_int(&r->s, 1, INT64_MAX, &part.items);
        scan_expect(&r->s, "by");
        scan_int(&r->s, 1, INT64_MAX, &part.per_task);
    }
    if (!r->s.failed) VEC_PUSH(r->a, &s->parts, part);
}

static void parse_entry(Parser *r, Entry *e) {
    static const char *const kinds[] = { "blocks", "items", NULL };
    scan_expect(&r->s, e->name);
    scan_expect(&r->s, "{");
    while (scan_accept(&r->s, "segment")) {
        Segment *s = ARENA_NEW(r->a, Segment);
        int kind = 0;
        note_place(r, s, r->s.token.span);
        scan_name(&r->s, &s->name);
        scan_choice(&r->s, "'blocks' or 'items'", kinds, &kind);
        s->kind = (SegmentKind)kind;
        scan_expect(&r->s, "{");
        while (!r->s.failed && r->s.token.kind != SCAN_END && !scan_is(&r->s, "}")) parse_part(r, s);
        scan_expect(&r->s, "}");
        VEC_PUSH(r->a, &e->segments, s);
    }
    scan_expect(&r->s, "}");
}

static void parse_tensor(Parser *r) {
    nrt_tensor t = { 0 };
    int role = 0, rank = 0;
    scan_name(&r->s, &t.name);
    scan_choice(&r->s, "a role", role_names, &role);
    number_list(r, 4, 1, t.dim, &rank);
    key_number(r, "offset", 0, &t.offset);
    key_number(r, "fan_in", 0, &t.fan_in);
    key_number(r, "fan_out", 0, &t.fan_out);
    t.role = role;
    t.rank = rank;
    VEC_PUSH(r->a, &r->p->tensors, t);
}

static void parse_program(Parser *r) {
    Program *p = r->p;
    int64_t lanes = 1;
    VEC(Span) tensors = {0};
    note_place(r, p, r->s.token.span);
    scan_expect(&r->s, "program");
    key_number(r, "lanes", 1, &lanes);
    key_number(r, "chunk", 1, &p->chunk);
    key_number(r, "state", 0, &p->state_bytes);
    key_number(r, "arena", 0, &p->arena_bytes);
    key_number(r, "scratch", 0, &p->scratch_bytes);
    p->lanes = lanes > INT32_MAX ? INT32_MAX : (int)lanes;
    while (scan_accept(&r->s, "tensor")) {
        VEC_PUSH(r->a, &tensors, r->s.token.span);
        parse_tensor(r);
    }
    for (int i = 0; i < p->tensors.n; i++) note_place(r, &p->tensors.at[i], tensors.at[i]);
    while (scan_accept(&r->s, "buffer")) {
        Buffer *b = parse_buffer(r);
        VEC_PUSH(r->a, &p->buffers, b);
        note_name(r, &r->buffers, b->name, b);
    }
    while (scan_accept(&r->s, "kernel")) parse_kernel(r);
    parse_entry(r, &p->step);
    parse_entry(r, &p->infer);
    if (r->s.token.kind != SCAN_END) scan_unexpected(&r->s, "the end of the text");
}

Program *loop_parse(Arena *a, Diag *d, int file) {
    Parser *r = ARENA_NEW(a, Parser);
    r->a = a;
    scan_open(&r->s, a, d, file);
    Model *m = model_parse(&r->s);
    if (!m) return NULL;
    r->p = program_new(a, m);
    parse_program(r);
    if (r->s.failed) return NULL;
    const void *part;
    const char *error = loop_verify_part(r->p, &part);
    if (!error) return r->p;
    const Span *place = map_get(&r->places, part);
    diag_error(d, place ? *place : (Span){ .file = file }, "%s", error);
    return NULL;
}
