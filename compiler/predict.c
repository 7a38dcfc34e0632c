/* predict.c: what each kernel moves, and how long it should take; see cost.h for the unit and the two limits.
 *
 * Where a buffer is when a kernel touches it follows from the plan: scratch memory, and what an earlier kernel of the same segment has left of
 * the same lane block, lies in a core's own cache or its share of the last one, by its size; all else in the arena comes from as far as the whole
 * arena is large. Weights are read anew for each lane block.
 */
#include "cost.h"
#include "lower_internal.h"

/* The kernel's slots for the compiled batch, from its statements. */
static double work_of(const Build *b, const Plan *p, const Group *g, int64_t items) {
    int64_t images = b->graph->model->train.batch;
    if (g->domain != PER_BLOCK) return cost_work(g->kernel, &p->options.machine, items, p->chunks, images);
    return cost_work(g->kernel, &p->options.machine, 1, p->chunks, images) * (double)p->chunks;
}

/* Bytes in which the stages keep what they make for one step, of all buffers or (`only`) of that one; 0: it is none of them. */
static int64_t kept_bytes(const Plan *p, const Group *g, const Buffer *only) {
    int64_t bytes = 0;
    for (int s = 1; s < g->nstages; s++)
        for (int k = 0; k < g->stage[s].root->nargs; k++) {
            const Value *v = plan_value(p, g->stage[s].root->arg[k]);
            if (v->rows_only && (!only || v->buffer == only)) bytes += v->buffer->bytes;
        }
    return bytes;
}

/* `warm`: an earlier kernel of the segment has touched it. */
static double moving_of(const Build *b, const Plan *p, const Group *g, const Buffer *x, bool warm) {
    const Machine *m = &p->options.machine;
    double bytes = (double)x->bytes, chunks = (double)p->chunks;
    if (x->space == SPACE_SCRATCH && kept_bytes(p, g, x)) return cost_memory(m, bytes * chunks * (double)(g->steps * g->bands), (double)kept_bytes(p, g, NULL));
    if (x->space == SPACE_SCRATCH) return cost_memory(m, bytes * chunks, (double)plan_touched_bytes(p, g, true));
    if (x->space == SPACE_STATE) return cost_memory(m, g->domain == PER_BLOCK ? bytes * chunks : bytes, bytes);
    return cost_memory(m, bytes, warm ? (double)plan_touched_bytes(p, g, true) : (double)b->program->arena_bytes);
}

/* Networks that need too much memory, which is reported later, may take more slots than there are numbers. */
static int64_t whole_slots(double slots) { return slots < 0x1p62 ? (int64_t)slots : (int64_t)1 << 62; }

/* `touched`: from a buffer to the group that touched it last. */
static void predict_kernel(Build *b, const Plan *p, Group *g, int64_t items, Map *touched) {
    double memory = 0;
    for (int k = 0; k < g->touched.n; k++) {
        const Buffer *x = g->touched.at[k];
        void **last = map_at(b->a, touched, x);
        const Group *before = *last;
        g->kernel->bytes += x->bytes / (x->space == SPACE_SCRATCH ? b->program->lanes : b->graph->model->train.batch);
        memory += moving_of(b, p, g, x, before && before->level == g->level && g->domain == PER_BLOCK);
        *last = g;
    }
    double work = work_of(b, p, g, items);
    g->kernel->slots = whole_slots(work > memory ? work + memory / 2 : memory + work / 2);
}

void predict_kernels(Build *b, const Plan *p, const int64_t *items) {
    Map touched = {0};
    for (int level = 0; level < p->levels; level++)
        for (int i = 0; i < p->groups.n; i++)
            if (p->groups.at[i]->level == level) predict_kernel(b, p, p->groups.at[i], items[i], &touched);
}
