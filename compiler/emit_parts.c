/* emit_parts.c: see emit_parts.h. The heaviest family first, each to the module that is lightest so far. */
#include "emit_parts.h"

#include <stdlib.h>

#include "map.h"

enum { KERNELS_PER_PART = 8 };

static int64_t expr_size(const Expr *e) {
    int64_t n = 1;
    for (int i = 0; i < expr_operands(e->kind); i++) n += expr_size(e->arg[i]);
    return n;
}

/* Operations of the code that a statement becomes; unrolled loops have constant bounds, or (nested) nearly so. */
static int64_t code_size(const Stmt *s) {
    int64_t n = 0, times = 1;
    if (s->kind == STMT_STORE) return expr_size(s->value);
    if (s->kind == STMT_PREFETCH) return 1;
    if (s->kind != STMT_FOR) return 0;
    for (int i = 0; i < s->body.n; i++) n += code_size(s->body.at[i]);
    if (s->var && s->loop == LOOP_UNROLL) times = i64_max(1, s->hi[0].c - s->lo[0].c);
    return n * times;
}

static Family *family_of(Arena *a, Map *families, const void *key) {
    void **at = map_at(a, families, key);
    if (!*at) *at = ARENA_NEW(a, Family);
    return *at;
}

static int by_weight(const void *x, const void *y) {
    const Family *a = *(Family *const *)x, *b = *(Family *const *)y;
    if (a->weight != b->weight) return a->weight < b->weight ? 1 : -1;
    return a->part - b->part; /* where it stood: qsort alone would settle ties by chance */
}

/* `order`: every family once, as it first appears. */
static void spread(Arena *a, Parts *parts, Family **order, int n) {
    int64_t *load = ARENA_ARRAY(a, int64_t, parts->n);
    for (int i = 0; i < n; i++) order[i]->part = i;
    qsort(order, (size_t)n, sizeof *order, by_weight);
    for (int i = 0; i < n; i++) {
        int least = 0;
        for (int k = 1; k < parts->n; k++)
            if (load[k] < load[least]) least = k;
        order[i]->part = least;
        load[least] += order[i]->weight;
    }
}

Parts emit_parts(Arena *a, const Program *p, int most, bool share) {
    int n = p->kernels.n, families = 0, room = n / KERNELS_PER_PART;
    Parts parts = {.n = most < room ? most : room, .family = ARENA_ARRAY(a, Family *, n + 1)};
    if (parts.n < 1) parts.n = 1;
    Family **order = ARENA_ARRAY(a, Family *, n + 1);
    Map known = {0};
    if (share) parts.like = ARENA_ARRAY(a, Likeness, n + 1);
    for (int i = 0; i < n; i++) {
        const Kernel *k = p->kernels.at[i];
        if (share) parts.like[i] = loop_likeness(a, k);
        Family *f = parts.family[i] = family_of(a, &known, share ? parts.like[i].key : k);
        if (!f->size++) {
            f->weight = code_size(k->body);
            order[families++] = f;
        }
    }
    spread(a, &parts, order, families);
    return parts;
}
