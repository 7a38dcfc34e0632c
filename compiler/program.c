/* program.c: see program.h. State is laid out once; each plan's values get buffers, its groups kernels, its levels segments. */
#include "program.h"

#include <string.h>

#include "lower_internal.h"
#include "prefetch.h"

/* ---- state and the context's arrays ---- */

static nrt_tensor tensor_of(const Node *n, int64_t offset) {
    nrt_tensor t = {.name = n->name, .role = (int32_t)n->attr.i[0], .rank = n->type.rank, .offset = offset, .fan_in = n->attr.i[1], .fan_out = n->attr.i[2]};
    memcpy(t.dim, n->type.dim, sizeof t.dim);
    return t;
}

/* The name itself, or with a number behind it where it is taken. */
static const char *unique_name(Build *b, const char *wanted) {
    const char *name = arena_name(b->a, wanted);
    void **taken = map_at(b->a, &b->names, name);
    if (!*taken) {
        *taken = ARENA_NEW(b->a, int);
        *(int *)*taken = 1;
        return name;
    }
    return unique_name(b, arena_printf(b->a, "%s.%d", wanted, ++*(int *)*taken));
}

static Buffer *dense_buffer(Build *b, const char *name, Elem elem, Space space, int rank, const int64_t *dim) {
    Buffer *x = ARENA_NEW(b->a, Buffer);
    *x = (Buffer){.name = unique_name(b, name), .elem = elem, .space = space, .rank = rank};
    int64_t stride = 1, rows = round_up(b->graph->model->train.batch, b->program->lanes);
    for (int i = rank - 1; i >= 0; i--) {
        x->dim[i] = dim[i];
        x->stride[i] = stride;
        stride = capped_mul(stride, dim[i] < 0 ? rows : dim[i]);
    }
    x->bytes = stride * 4;
    VEC_PUSH(b->a, &b->program->buffers, x);
    return x;
}

static void lay_out_state(Build *b) {
    int64_t at = 0;
    b->param = ARENA_ARRAY(b->a, Buffer *, b->graph->nodes.n);
    for (int i = 0; i < b->graph->nodes.n; i++) {
        const Node *n = b->graph->nodes.at[i];
        if (n->op != OP_param) continue;
        b->param[i] = dense_buffer(b, n->name, ELEM_F32, SPACE_STATE, n->type.rank, n->type.dim);
        b->param[i]->offset = at;
        VEC_PUSH(b->a, &b->program->tensors, tensor_of(n, at));
        at = round_up(at + b->param[i]->bytes, 64);
    }
    b->program->state_bytes = at;
}

static void add_canonical(Build *b) {
    const Model *m = b->graph->model;
    b->canonical[SPACE_X] = dense_buffer(b, "x", ELEM_F32, SPACE_X, 2, (int64_t[]){-1, type_count(m->input)});
    b->canonical[SPACE_LABELS] = dense_buffer(b, "labels", ELEM_I32, SPACE_LABELS, 1, (int64_t[]){-1});
    b->canonical[SPACE_TARGET] = dense_buffer(b, "target", ELEM_F32, SPACE_TARGET, 2, (int64_t[]){-1, type_count(m->output)});
    b->canonical[SPACE_OUT] = dense_buffer(b, "out", ELEM_F32, SPACE_OUT, 2, (int64_t[]){-1, type_count(m->output)});
    b->canonical[SPACE_LOSS] = dense_buffer(b, "loss", ELEM_F32, SPACE_LOSS, 1, (int64_t[]){-1});
}

/* ---- values get buffers ---- */

/* "conv1.sigmoid": the layer and the operator; infer's are told apart. */
static const char *value_name(Build *b, const Plan *p, const Node *n, const char *suffix) {
    return unique_name(b, arena_printf(b->a, "%s%s%s%s%s", p->train ? "" : "infer.", n->name, *n->name ? "." : "", op_table[n->op].name, suffix));
}

static void give_buffers(Build *b, Plan *p, Value *v) {
    int lanes = b->program->lanes;
    Type type = v->node->type;
    if (v->rows_only) {
        const Stage *s = &v->group->stage[v->stage];
        type.dim[s->axis] = s->rows;
        if (v->group->bands > 1) type.dim[s->band_axis] = s->band;
    }
    if (v->stored || v->rows_only) v->buffer = layout_buffer(b, value_name(b, p, v->node, ""), type, v->crosses ? SPACE_ARENA : SPACE_SCRATCH, lanes);
    if (v->wants_rows) {
        Type rows = {.elem = ELEM_F32, .rank = 3, .dim = {p->chunks, lanes, type_count(v->node->type)}};
        v->rows = layout_buffer(b, value_name(b, p, v->node, ".rows"), rows, SPACE_ARENA, lanes);
        *map_at(b->a, &b->rows, v->rows) = v->rows;
    }
    if (v->group->sum == SUM_FOLD) {
        Type partial = {.elem = ELEM_F32, .rank = 2, .dim = {p->chunks, type_count(v->node->type)}};
        if (v->node == v->group->stage[0].root) v->partial = layout_buffer(b, value_name(b, p, v->node, ".partial"), partial, SPACE_ARENA, lanes);
    }
}

static void give_all_buffers(Build *b, Plan *p) {
    for (int i = 0; i < p->graph->nodes.n; i++)
        if (p->value[i].group && !p->value[i].view) give_buffers(b, p, &p->value[i]);
}

/* ---- groups become kernels ---- */

static const Var *kernel_var(Build *b, const char *name) {
    Var *v = ARENA_NEW(b->a, Var);
    v->name = arena_name(b->a, name);
    return v;
}

static nrt_pass group_pass(const Group *g) {
    const Stage *s = &g->stage[0];
    const Node *last = s->fused.n && g->sum == SUM_FOLD ? s->fused.at[s->fused.n - 1] : s->root;
    return last->pass;
}

static const char *kernel_name(Build *b, const Plan *p, const Group *g) {
    const Node *root = g->stage[0].root;
    const char *layer = *root->name ? root->name : b->graph->model->name;
    return unique_name(b, arena_printf(b->a, "%s.%s%s", layer, pass_names[group_pass(g)], p->train ? "" : ".infer"));
}

static void note_nodes(Build *b, const Group *g, Kernel *k) {
    for (int s = 0; s < g->nstages; s++) {
        VEC_PUSH(b->a, &k->nodes, g->stage[s].root->id);
        for (int i = 0; i < g->stage[s].fused.n; i++) VEC_PUSH(b->a, &k->nodes, g->stage[s].fused.at[i]->id);
        for (int i = 0; i < g->stage[s].riders.n; i++) VEC_PUSH(b->a, &k->nodes, g->stage[s].riders.at[i]->id);
    }
}

static Kernel *new_kernel(Build *b, const Plan *p, Group *g) {
    const Node *root = g->stage[0].root;
    Kernel *k = ARENA_NEW(b->a, Kernel);
    *k = (Kernel){.name = kernel_name(b, p, g), .layer = root->name, .pass = group_pass(g), .span = root->span};
    k->lo = kernel_var(b, "lo");
    k->hi = kernel_var(b, "hi");
    k->task = kernel_var(b, "task");
    k->n = kernel_var(b, "n");
    k->blocks = kernel_var(b, "blocks");
    k->chunks = kernel_var(b, "chunks");
    k->body = ARENA_NEW(b->a, Stmt);
    k->body->kind = STMT_FOR;
    for (int s = 0; s < g->nstages && g->sum != SUM_FOLD; s++) {
        const Node *stage = g->stage[s].root;
        if (lower_table[stage->op]->macs) k->flops += 2 * lower_table[stage->op]->macs(stage);
    }
    note_nodes(b, g, k);
    VEC_PUSH(b->a, &b->program->kernels, k);
    g->kernel = k;
    return k;
}

static const char *plan_line(Build *b, const Group *g, const Lower *lw) {
    static const char *const sums[] = {"", ", partial sum", ", fold", ", direct sum"};
    const char *line = arena_printf(b->a, "%s%s; tile %s; fused", op_table[g->stage[0].root->op].name, sums[g->sum], lw->tiles ? lw->tiles : "none");
    bool any = false;
    for (int s = 0; s < g->nstages; s++) {
        if (s) line = arena_printf(b->a, "%s %s", line, op_table[g->stage[s].root->op].name);
        for (int i = 0; i < g->stage[s].fused.n && g->sum != SUM_PARTIAL; i++) line = arena_printf(b->a, "%s %s", line, op_table[g->stage[s].fused.at[i]->op].name);
        for (int i = 0; i < g->stage[s].riders.n; i++) line = arena_printf(b->a, "%s %s", line, op_table[g->stage[s].riders.at[i]->op].name);
        any = any || s || g->stage[s].fused.n || g->stage[s].riders.n;
    }
    return arena_printf(b->a, "%s%s%s", line, any ? "" : " nothing", lw->slow ? "; slow: generic loops" : "");
}

static int64_t make_kernel(Build *b, Plan *p, Group *g) {
    Lower lw = {.b = b, .a = b->a, .plan = p, .group = g, .kernel = new_kernel(b, p, g), .lanes = b->program->lanes};
    lower_group(&lw);
    lw.kernel->plan = plan_line(b, g, &lw);
    if (lw.slow && p->train && b->diag) diag_warning(b->diag, lw.kernel->span, "slow", "%s falls back to generic loops: too few sums at a time", lw.kernel->name);
    return lw.items;
}

/* ---- levels become segments ---- */

enum { TASKS = 24, TASK_WORK = 200000 };

/* Items of one task: enough work to be worth a task, enough tasks for many threads; never a matter of their number. */
static int64_t items_per_task(const Plan *p, const Group *g, int64_t items) {
    const Node *root = g->stage[0].root;
    int64_t (*macs)(const Node *) = g->sum == SUM_FOLD ? NULL : lower_table[root->op]->macs, work = i64_max(type_count(root->type), macs ? macs(root) : 0);
    if (!checked_mul(work, g->domain == REDUCED && g->sum == SUM_NONE ? 1 : p->graph->model->train.batch, &work)) work = INT64_MAX;
    int64_t tasks = i64_min(TASKS, i64_max(1, work / TASK_WORK));
    return i64_max(1, items / tasks);
}

static void add_segment(Build *b, Plan *p, Entry *entry, Segment **open, Group *g, int64_t items) {
    if (!*open) {
        *open = ARENA_NEW(b->a, Segment);
        (*open)->name = arena_name(b->a, arena_printf(b->a, "%s.segment%d", entry->name, entry->segments.n + 1));
        (*open)->kind = g->domain == PER_BLOCK ? SEGMENT_BLOCKS : SEGMENT_ITEMS;
        VEC_PUSH(b->a, &entry->segments, *open);
    }
    SegmentPart part = {.kernel = g->kernel};
    if (g->domain != PER_BLOCK) {
        part.items = items;
        part.per_task = items_per_task(p, g, items);
    }
    VEC_PUSH(b->a, &(*open)->parts, part);
}

static void add_entry(Build *b, Plan *p, Entry *entry) {
    give_all_buffers(b, p);
    int64_t *items = ARENA_ARRAY(b->a, int64_t, p->groups.n);
    for (int level = 0; level < p->levels; level++) {
        Segment *open = NULL;
        for (int i = 0; i < p->groups.n; i++) {
            Group *g = p->groups.at[i];
            if (g->level != level) continue;
            items[i] = make_kernel(b, p, g);
            add_segment(b, p, entry, &open, g, items[i]);
        }
    }
    layout_finish(b, p);
    stream_results(b, p);
    predict_kernels(b, p, items);
}

/* The node with the largest result: where to look when memory does not suffice. */
static const Node *largest_node(const Graph *g) {
    const Node *largest = g->nodes.at[0];
    for (int i = 1; i < g->nodes.n; i++)
        if (type_count(g->nodes.at[i]->type) > type_count(largest->type)) largest = g->nodes.at[i];
    return largest;
}

static void check_memory(Diag *diag, const Graph *g, const Program *p) {
    int64_t bytes = p->state_bytes + p->arena_bytes + p->scratch_bytes;
    for (int i = 0; i < p->buffers.n; i++) bytes = i64_max(bytes, p->buffers.at[i]->bytes); /* the caller's, too */
    if (bytes <= PROGRAM_MAX_BYTES || !diag) return;
    const Node *n = largest_node(g);
    diag_error(diag, n->span, "training with batch=%lld needs more than %lld bytes of memory; the largest tensor, %s, is made here", (long long)g->model->train.batch,
               (long long)PROGRAM_MAX_BYTES, type_text(g->arena, n->type));
}

/* ---- roots that are copies ---- */

/* The root names a copy of its node. */
static void copy_root(Graph *g, Root *r) {
    g->layer = r->node->name;
    g->span = r->node->span;
    g->pass = r->kind == ROOT_UPDATE ? NRT_UPDATE : r->node->pass;
    r->node = graph_unary(g, OP_copy, r->node);
}

/* Sources are computed by no kernel that could write them where a root belongs. */
static void copy_sources(Graph *g) {
    for (int i = 0; i < g->roots.n; i++)
        if (lower_table[g->roots.at[i].node->op]->kind == LOWER_SOURCE) copy_root(g, &g->roots.at[i]);
}

static void copy_updates(Graph *g) {
    for (int i = 0; i < g->roots.n; i++)
        if (g->roots.at[i].kind == ROOT_UPDATE) copy_root(g, &g->roots.at[i]);
}

/* All updates take the old parameters. Where no order of kernels lets each be read before it is overwritten, new values are made beside the old
 * ones, and copied once nobody needs those. */
static Plan *plan_training(Arena *a, Graph *g, const PlanOptions *options) {
    Plan *p = plan_build(a, g, options, true);
    if (p) return p;
    copy_updates(g);
    p = plan_build(a, g, options, true);
    ENSURE(p);
    return p;
}

Program *program_lower(Arena *a, Diag *diag, Graph *g, const PlanOptions *options) {
    copy_sources(g);
    Plan *step = plan_training(a, g, options), *infer = plan_build(a, g, options, false);
    Program *prog = program_new(a, g->model);
    prog->lanes = options->machine.lanes;
    prog->chunk = 1;
    Build b = {.a = a, .diag = diag, .program = prog, .graph = g};
    lay_out_state(&b);
    add_canonical(&b);
    prog->step.name = "step";
    prog->infer.name = "infer";
    add_entry(&b, step, &prog->step);
    add_entry(&b, infer, &prog->infer);
    if (options->prefetch) prefetch_program(prog);
    check_memory(diag, g, prog);
    return prog;
}

/* ---- the plan for people ---- */

static void print_segment(const Segment *s, const Program *p, Text *out) {
    text_printf(out, "  %s: %s\n", s->name, s->kind == SEGMENT_BLOCKS ? "depth first, a lane block a task" : "independent kernels, cut into items");
    for (int i = 0; i < s->parts.n; i++) {
        const Kernel *k = s->parts.at[i].kernel;
        text_printf(out, "    %-36s %10lld flop %9lld B %10lld slots  ", k->name, (long long)k->flops, (long long)k->bytes, (long long)k->slots);
        if (s->kind == SEGMENT_ITEMS) text_printf(out, "%lld items by %lld; ", (long long)s->parts.at[i].items, (long long)s->parts.at[i].per_task);
        text_printf(out, "%s\n", k->plan);
    }
    (void)p;
}

void program_print_plan(const Program *p, Text *out) {
    text_printf(out, "plan of %s: lanes hold %d image%s, a chunk is %lld lane block%s; flop and bytes are for one image, slots (predicted: vector multiply-adds that a core could do meanwhile) for the batch\n", p->model->name, p->lanes, p->lanes == 1 ? "" : "s", (long long)p->chunk, p->chunk == 1 ? "" : "s");
    const Entry *entries[] = {&p->step, &p->infer};
    for (int e = 0; e < 2; e++) {
        text_printf(out, "%s\n", entries[e]->name);
        for (int i = 0; i < entries[e]->segments.n; i++) print_segment(entries[e]->segments.at[i], p, out);
    }
    text_printf(out, "memory: state %lld B, arena %lld B, scratch %lld B a thread\n", (long long)p->state_bytes, (long long)p->arena_bytes, (long long)p->scratch_bytes);
}
