/* loop_alike.c: see loop_alike.h. The key is the kernel as a row of numbers, with variables and buffers numbered in the order in which they appear. */
#include "loop_alike.h"

#include <string.h>

#include "map.h"

typedef struct Writer {
    Arena *a;
    Text text;
    Map numbers; /* from variables and buffers to where they stand: a pointer to an int */
    int n;
    Likeness *out;
} Writer;

/* The number of a variable or buffer; *fresh: it has just been given. */
static int number_of(Writer *w, const void *x, bool *fresh) {
    void **at = map_at(w->a, &w->numbers, x);
    *fresh = !*at;
    if (*fresh) {
        int *number = ARENA_NEW(w->a, int);
        *number = w->n++;
        *at = number;
    }
    return *(int *)*at;
}

/* Seven bits a byte, the low ones first; the last byte has its top bit clear. Small numbers, which are nearly all, take one: kernels are long. */
static void put_bits(Writer *w, uint64_t x) {
    char bytes[10];
    size_t n = 0;
    for (; x >= 0x80; x >>= 7) bytes[n++] = (char)(x | 0x80);
    bytes[n++] = (char)x;
    text_append(&w->text, bytes, n);
}

static void put(Writer *w, int64_t x) { put_bits(w, (uint64_t)x << 1 ^ (uint64_t)(x >> 63)); }

static void put_real(Writer *w, double x) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    put_bits(w, bits);
}

static void put_var(Writer *w, const Var *v) {
    bool fresh;
    put(w, number_of(w, v, &fresh));
}

static void put_affine(Writer *w, Affine x) {
    put(w, x.c);
    put(w, x.n);
    for (int i = 0; i < x.n; i++) {
        put(w, x.term[i].k);
        put_var(w, x.term[i].var);
    }
}

static void put_buffer(Writer *w, const Buffer *b) {
    bool fresh;
    put(w, number_of(w, b, &fresh));
    if (!fresh) return;
    put(w, b->space);
    put(w, b->elem);
    put(w, b->rank);
    put(w, b->base);
    for (int i = 0; i < b->rank; i++) put(w, b->stride[i]);
    if (b->space == SPACE_LOCAL) {
        put(w, b->bytes);
        return;
    }
    put(w, gcd_i64(LINE, b->offset)); /* code counts on what its buffers are aligned to */
    VEC_PUSH(w->a, &w->out->buffers, b);
}

static void put_access(Writer *w, const Buffer *b, const Affine *at) {
    put_buffer(w, b);
    for (int i = 0; i < b->rank; i++) put_affine(w, at[i]);
}

static void put_expr(Writer *w, const Expr *e) {
    put(w, e->kind);
    if (e->kind == EXPR_REAL) put_real(w, e->real);
    if (e->kind == EXPR_INT || e->kind == EXPR_INDEX) put_affine(w, e->index);
    if (e->kind == EXPR_LOAD) put_access(w, e->buffer, e->at);
    for (int i = 0; i < expr_operands(e->kind); i++) put_expr(w, e->arg[i]);
}

static void put_stmt(Writer *w, const Stmt *s) {
    put(w, s->kind);
    if (s->kind == STMT_PREFETCH) put_access(w, s->buffer, s->at);
    if (s->kind == STMT_STORE) {
        put(w, s->streamed);
        put_access(w, s->buffer, s->at);
        put_expr(w, s->value);
        return;
    }
    if (s->kind != STMT_FOR) return;
    if (s->var) {
        put_var(w, s->var);
        put(w, s->loop);
        put(w, s->step);
        put(w, s->nlo);
        put(w, s->nhi);
        for (int i = 0; i < s->nlo; i++) put_affine(w, s->lo[i]);
        for (int i = 0; i < s->nhi; i++) put_affine(w, s->hi[i]);
    }
    put(w, s->body.n);
    for (int i = 0; i < s->body.n; i++) put_stmt(w, s->body.at[i]);
}

Likeness loop_likeness(Arena *a, const Kernel *k) {
    Likeness out = {0};
    Writer w = {.a = a, .out = &out};
    const Var *const given[] = {k->lo, k->hi, k->task, k->n, k->blocks, k->chunks};
    for (int i = 0; i < 6; i++) {
        if (given[i]) put_var(&w, given[i]);
        else put(&w, -1);
    }
    put_stmt(&w, k->body);
    out.key = arena_intern(a, w.text.at, w.text.n);
    text_free(&w.text);
    return out;
}
