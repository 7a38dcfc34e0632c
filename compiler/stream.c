/* stream.c: which results go past the caches.
 *
 * A store to a line that is in no cache reads it first, and puts out another that might still have been wanted. Where a result is read only after so much
 * else has been touched that it would be gone by then, it had better go to memory at once: one transfer in place of two or three, and the
 * caches keep what they had. How much is touched in between follows from the plan: kernels of a segment run one after the other on one
 * lane block; whoever reads in a later segment comes after the whole batch has passed through this one.
 */
#include "lower_internal.h"

static Buffer *base_of(const Build *b, const Buffer *x) {
    Buffer *base = map_get(&b->view_base, x);
    return base ? base : (Buffer *)(uintptr_t)x;
}

/* Tiles, maps, and their gradients: vectors of a lane block. */
static bool is_stream(const Build *b, const Buffer *x) {
    return (x->space == SPACE_ARENA || x->space == SPACE_SCRATCH) && x->elem == ELEM_F32 && x->rank >= 3 && x->dim[x->rank - 1] == b->program->lanes;
}

/* ---- a kernel's own loads and stores ---- */

static bool expr_loads(const Build *b, const Expr *e, const Buffer *base) {
    if (e->kind == EXPR_LOAD && base_of(b, e->buffer) == base) return true;
    for (int i = 0, n = expr_operands(e->kind); i < n; i++)
        if (expr_loads(b, e->arg[i], base)) return true;
    return false;
}

static bool stmt_loads(const Build *b, const Stmt *s, const Buffer *base) {
    if (s->kind == STMT_STORE) return expr_loads(b, s->value, base);
    for (int i = 0; s->kind == STMT_FOR && i < s->body.n; i++)
        if (stmt_loads(b, s->body.at[i], base)) return true;
    return false;
}

static void mark_stores(const Build *b, Stmt *s, const Buffer *base) {
    if (s->kind == STMT_STORE) s->streamed = s->streamed || base_of(b, s->buffer) == base;
    for (int i = 0; s->kind == STMT_FOR && i < s->body.n; i++) mark_stores(b, s->body.at[i], base);
}

/* ---- what is touched until a result is read ---- */

typedef struct Order { Group **group; int n; int64_t *level_bytes; } Order; /* groups as they run; bytes that each level touches for the batch */

static Order order_of(Build *b, const Plan *p) {
    Order o = {ARENA_ARRAY(b->a, Group *, p->groups.n + 1), 0, ARENA_ARRAY(b->a, int64_t, p->levels + 1)};
    for (int level = 0; level < p->levels; level++)
        for (int i = 0; i < p->groups.n; i++) {
            Group *g = p->groups.at[i];
            if (g->level != level) continue;
            o.group[o.n++] = g;
            o.level_bytes[level] += plan_touched_bytes(p, g, false);
        }
    return o;
}

static bool touches(const Group *g, const Buffer *x) {
    for (int k = 0; k < g->touched.n; k++)
        if (g->touched.at[k] == x) return true;
    return false;
}

/* Bytes touched from when group number i of the order begins to write x until another reads it; -1: nobody does. */
static int64_t distance(const Plan *p, const Order *o, int i, const Buffer *x) {
    const Group *g = o->group[i];
    bool of_block = g->domain == PER_BLOCK;
    int64_t bytes = plan_touched_bytes(p, g, of_block);
    for (int j = i + 1; j < o->n; j++) {
        const Group *next = o->group[j];
        if (next->level != g->level) bytes = i64_max(bytes, o->level_bytes[g->level]);
        if (touches(next, x)) return bytes;
        bytes += plan_touched_bytes(p, next, of_block);
    }
    return -1;
}

void stream_results(Build *b, const Plan *p) {
    if (!p->options.stream_bytes) return;
    Order o = order_of(b, p);
    for (int i = 0; i < o.n; i++) {
        Group *g = o.group[i];
        for (int k = 0; k < g->touched.n; k++) {
            const Buffer *x = g->touched.at[k];
            if (is_stream(b, x) && !stmt_loads(b, g->kernel->body, x) && distance(p, &o, i, x) >= p->options.stream_bytes) mark_stores(b, g->kernel->body, x);
        }
    }
}
