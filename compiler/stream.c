/* stream.c: which results go past the caches.
 *
 * A store to a line that is in no cache reads it first, and puts out another that might still have been wanted. Where a result is read only after so much
 * else has been touched that it would be gone by then, it had better go to memory at once: one transfer in place of two or three, and the
 * caches keep what they had. How much is touched in between follows from the plan: kernels of a segment run one after the other on one
 * lane block; whoever reads in a later segment comes after the whole batch has passed through this one. Of such results, stores go past the caches where they fill lines (stream_lines.c).
 */
#include "lower_internal.h"
#include "stream_lines.h"

static Buffer *base_of(const Build *b, const Buffer *x) {
    Buffer *base = map_get(&b->view_base, x);
    return base ? base : (Buffer *)(uintptr_t)x;
}

/* Tiles, maps, and their gradients: vectors of a lane block. */
static bool is_stream(const Build *b, const Buffer *x) {
    return (x->space == SPACE_ARENA || x->space == SPACE_SCRATCH) && x->elem == ELEM_F32 && x->rank >= 3 && x->dim[x->rank - 1] == b->program->lanes;
}

/* ---- a kernel's own loads and stores ---- */

static void note_expr(Build *b, const Expr *e, Map *loaded) {
    if (e->kind == EXPR_LOAD) *map_at(b->a, loaded, base_of(b, e->buffer)) = b;
    for (int i = 0, n = expr_operands(e->kind); i < n; i++) note_expr(b, e->arg[i], loaded);
}

/* Enters the buffers that the statement loads from. */
static void note_loads(Build *b, const Stmt *s, Map *loaded) {
    if (s->kind == STMT_STORE) note_expr(b, s->value, loaded);
    for (int i = 0; s->kind == STMT_FOR && i < s->body.n; i++) note_loads(b, s->body.at[i], loaded);
}

/* ---- what is touched until a result is read ---- */

typedef struct Turn { Group *group; int64_t block_bytes, batch_bytes; } Turn; /* what it touches for one lane block, and for the batch */
typedef struct Order { Turn *turn; int n; int64_t *level_bytes; } Order;      /* groups as they run; bytes that each level touches for the batch */

static Order order_of(Build *b, const Plan *p) {
    Order o = {ARENA_ARRAY(b->a, Turn, p->groups.n + 1), 0, ARENA_ARRAY(b->a, int64_t, p->levels + 1)};
    for (int level = 0; level < p->levels; level++)
        for (int i = 0; i < p->groups.n; i++) {
            Group *g = p->groups.at[i];
            if (g->level != level) continue;
            Turn t = {g, plan_touched_bytes(p, g, true), plan_touched_bytes(p, g, false)};
            o.turn[o.n++] = t;
            o.level_bytes[level] += t.batch_bytes;
        }
    return o;
}

static bool touches(const Group *g, const Buffer *x) {
    for (int k = 0; k < g->touched.n; k++)
        if (g->touched.at[k] == x) return true;
    return false;
}

static int64_t bytes_of(const Turn *t, bool of_block) { return of_block ? t->block_bytes : t->batch_bytes; }

/* Bytes touched that make it worth it. What is written from front to end is no burden: the processor has the lines read in time, and much of it may still be found in the last cache,
 * which forgets in no strict order. Tiles of sums and transforms write many lines here and there, and wait for each. Most of all those of transforms alone, with vectors of half a line (measured with these):
 * from where a core's own cache ends, reading them from memory costs less. */
static int64_t late_bytes(const Plan *p, const Group *g) {
    enum { IN_ORDER = 3, SCATTERED = 4 };
    const LowerRule *rule = lower_table[g->stage[0].root->op];
    if (rule->kind == LOWER_POINTWISE) return IN_ORDER * p->options.stream_bytes;
    return rule->scatters && g->nstages == 1 && 2 * 4 * p->options.machine.lanes == LINE ? p->options.stream_bytes / SCATTERED : p->options.stream_bytes;
}

/* Is so much touched, from when group number i of the order begins to write x until another reads it, that x goes past the caches? */
static bool is_read_late(const Plan *p, const Order *o, int i, const Buffer *x) {
    const Group *g = o->turn[i].group;
    bool of_block = g->domain == PER_BLOCK;
    int64_t bytes = bytes_of(&o->turn[i], of_block);
    for (int j = i + 1; j < o->n; j++) {
        const Group *next = o->turn[j].group;
        if (next->level != g->level) bytes = i64_max(bytes, o->level_bytes[g->level]);
        if (touches(next, x)) return bytes >= late_bytes(p, g);
        bytes += bytes_of(&o->turn[j], of_block);
    }
    return false;
}

static void stream_group(Build *b, const Plan *p, const Order *o, int i) {
    const Group *g = o->turn[i].group;
    Map loaded = {0}, late = {0};
    note_loads(b, g->kernel->body, &loaded);
    for (int k = 0; k < g->touched.n; k++) {
        Buffer *x = g->touched.at[k];
        if (!is_stream(b, x) || map_get(&loaded, x) || !is_read_late(p, o, i, x)) continue;
        Buffer *view = map_get(&b->view_of, x);
        *map_at(b->a, &late, x) = x;
        if (view) *map_at(b->a, &late, view) = x;
    }
    if (late.n) stream_lines(b->a, g->kernel->body, b->program->lanes, &late);
}

void stream_results(Build *b, const Plan *p) {
    if (!p->options.stream_bytes) return;
    Order o = order_of(b, p);
    for (int i = 0; i < o.n; i++) stream_group(b, p, &o, i);
}
