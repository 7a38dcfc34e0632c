/* emit_segment.c: segments as task functions, entries as functions that run their segments one after the other.
 *
 * A task of a BLOCKS segment is one chunk of lane blocks, and runs all kernels on it. Tasks of an ITEMS segment are numbered
 * through the parts; a chain of comparisons finds the part, and the task's number within the part gives the range. Around a
 * kernel the cycle counter is read where ctx->ticks asks for it. In inference, kernels that read labels or targets are left
 * out when the caller gave none. A training step tells ctx->watch of forward kernels, and asks ctx->go_on once the losses are known:
 * every parameter's gradient, and so every update, comes after them.
 */
#include "emit_internal.h"

#include <stddef.h>
#include <string.h>

typedef struct Task { Emit *e; LLVMValueRef ctx, task, worker, ticks; bool step; } Task;

/* ---- what a kernel reads ---- */

static bool expr_reads(const Expr *x, Space space) {
    if (x->kind == EXPR_LOAD && x->buffer->space == space) return true;
    for (int i = 0; i < expr_operands(x->kind); i++)
        if (expr_reads(x->arg[i], space)) return true;
    return false;
}

static bool stmt_reads(const Stmt *s, Space space) {
    if (s->kind == STMT_STORE) return expr_reads(s->value, space);
    for (int i = 0; s->kind == STMT_FOR && i < s->body.n; i++)
        if (stmt_reads(s->body.at[i], space)) return true;
    return false;
}

/* ---- what a kernel writes ---- */

/* The last buffer stored to of those that `wanted` takes; else `found`. */
static const Buffer *last_store(const Stmt *s, bool (*wanted)(const Program *p, const Buffer *b), const Program *p, const Buffer *found) {
    if (s->kind == STMT_STORE && wanted(p, s->buffer)) return s->buffer;
    for (int i = 0; s->kind == STMT_FOR && i < s->body.n; i++) found = last_store(s->body.at[i], wanted, p, found);
    return found;
}

/* [block][1 to 3 dims][lane] of numbers, in memory that outlasts the kernel. */
static bool is_result(const Program *p, const Buffer *b) {
    bool batched = (b->space == SPACE_ARENA && b->dim[0] == -1) || (b->space == SPACE_SCRATCH && b->dim[0] == 1);
    return b->elem == ELEM_F32 && batched && b->rank >= 3 && b->rank <= 5 && b->dim[b->rank - 1] == p->lanes;
}

static bool is_loss(const Program *p, const Buffer *b) {
    (void)p;
    return b->space == SPACE_LOSS;
}

const Buffer *emit_result(const Program *p, const Kernel *k) {
    return k->pass == NRT_FORWARD ? last_store(k->body, is_result, p, NULL) : NULL;
}

/* ---- one kernel ---- */

static int kernel_place(const Program *p, const Kernel *k) {
    for (int i = 0; i < p->kernels.n; i++)
        if (p->kernels.at[i] == k) return i;
    BUG("kernel '%s' is not the program's", k->name);
}

/* The counter that the runtime's cpu_ticks reads too. On AArch64 programs may not read cycles: the system's timer stands in. */
static LLVMValueRef read_ticks(Emit *e) {
    if (e->target->x86) return emit_intrinsic(e, "llvm.readcyclecounter", NULL, NULL, 0);
    LLVMTypeRef type = LLVMFunctionType(e->i64, NULL, 0, false);
    LLVMValueRef mrs = LLVMGetInlineAsm(type, "mrs $0, cntvct_el0", strlen("mrs $0, cntvct_el0"), "=r", 2, true, false, LLVMInlineAsmDialectATT, false);
    return LLVMBuildCall2(e->b, type, mrs, NULL, 0, "");
}

static void note_tasks(Emit *e, const Entry *entry) {
    int64_t chunks = ceil_div(ceil_div(e->p->model->train.batch, e->p->lanes), e->p->chunk);
    for (int i = 0; i < entry->segments.n; i++) {
        const Segment *s = entry->segments.at[i];
        for (int j = 0; j < s->parts.n; j++) {
            const SegmentPart *part = &s->parts.at[j];
            int64_t tasks = s->kind == SEGMENT_BLOCKS ? chunks : ceil_div(part->items, part->per_task);
            Ticks *t = &e->ticks[kernel_place(e->p, part->kernel)];
            t->tasks = i64_max(t->tasks, tasks); /* a text of loops may run a kernel several times */
        }
    }
}

void emit_count_ticks(Emit *e) {
    int64_t first = 0;
    e->ticks = ARENA_ARRAY(e->a, Ticks, e->p->kernels.n + 1);
    note_tasks(e, &e->p->step);
    note_tasks(e, &e->p->infer);
    for (int i = 0; i <= e->p->kernels.n; i++) {
        e->ticks[i].first = first;
        first += e->ticks[i].tasks;
    }
}

/* ticks[first + number] = spent */
static void write_ticks(Task *t, int place, LLVMValueRef number, LLVMValueRef spent) {
    Emit *e = t->e;
    LLVMValueRef index = LLVMBuildNSWAdd(e->b, number, emit_i64(e, e->ticks[place].first), "");
    LLVMBuildStore(e->b, spent, LLVMBuildGEP2(e->b, e->i64, t->ticks, &index, 1, ""));
}

static void call_counted(Task *t, const Kernel *k, LLVMValueRef lo, LLVMValueRef hi, LLVMValueRef number) {
    Emit *e = t->e;
    int place = kernel_place(e->p, k);
    LLVMValueRef args[] = { t->ctx, t->worker, lo, hi, number };
    LLVMBasicBlockRef plain = emit_block(e, "plain"), counted = emit_block(e, "counted"), after = emit_block(e, "");
    LLVMBuildCondBr(e->b, LLVMBuildIsNull(e->b, t->ticks, ""), plain, counted);
    LLVMPositionBuilderAtEnd(e->b, counted);
    LLVMValueRef start = read_ticks(e);
    LLVMBuildCall2(e->b, e->kernel_type, e->kernels[place], args, 5, "");
    write_ticks(t, place, number, LLVMBuildSub(e->b, read_ticks(e), start, "spent"));
    LLVMBuildBr(e->b, after);
    LLVMPositionBuilderAtEnd(e->b, plain);
    LLVMBuildCall2(e->b, e->kernel_type, e->kernels[place], args, 5, "");
    LLVMBuildBr(e->b, after);
    LLVMPositionBuilderAtEnd(e->b, after);
}

/* Goes on only where the caller gave the array that the kernel reads. */
static void guard(Task *t, const Kernel *k, Space space, size_t field, LLVMBasicBlockRef *skip) {
    Emit *e = t->e;
    if (t->step || !stmt_reads(k->body, space)) return;
    if (!*skip) *skip = emit_block(e, "skip");
    LLVMBasicBlockRef given = emit_block(e, "given");
    LLVMValueRef array = emit_field(e, t->ctx, e->ptr, field, "");
    LLVMBuildCondBr(e->b, LLVMBuildIsNull(e->b, array, ""), *skip, given);
    LLVMPositionBuilderAtEnd(e->b, given);
}

static void call_kernel(Task *t, const Kernel *k, LLVMValueRef lo, LLVMValueRef hi, LLVMValueRef number) {
    LLVMBasicBlockRef skip = NULL;
    guard(t, k, SPACE_LABELS, offsetof(nrt_ctx, labels), &skip);
    guard(t, k, SPACE_TARGET, offsetof(nrt_ctx, target), &skip);
    call_counted(t, k, lo, hi, number);
    if (!skip) return;
    LLVMBuildBr(t->e->b, skip);
    LLVMPositionBuilderAtEnd(t->e->b, skip);
}

/* watch(ctx, kernel, worker, block), where the caller gave one; a chunk is one lane block. */
static void tell(Task *t, const Kernel *k, LLVMValueRef block) {
    Emit *e = t->e;
    if (!t->step || e->p->chunk != 1 || !emit_result(e->p, k)) return;
    LLVMTypeRef type = LLVMFunctionType(e->none, (LLVMTypeRef[]){ e->ptr, e->i64, e->i64, e->i64 }, 4, false);
    LLVMValueRef watch = emit_field(e, t->ctx, e->ptr, offsetof(nrt_ctx, watch), "watch");
    LLVMBasicBlockRef watched = emit_block(e, "watched"), after = emit_block(e, "");
    LLVMBuildCondBr(e->b, LLVMBuildIsNull(e->b, watch, ""), after, watched);
    LLVMPositionBuilderAtEnd(e->b, watched);
    LLVMBuildCall2(e->b, type, watch, (LLVMValueRef[]){ t->ctx, emit_i64(e, kernel_place(e->p, k)), t->worker, block }, 4, "");
    LLVMBuildBr(e->b, after);
    LLVMPositionBuilderAtEnd(e->b, after);
}

/* ---- one task ---- */

/* Chunks of the batch at hand: tasks of a BLOCKS segment. */
static LLVMValueRef count_chunks(Emit *e, LLVMValueRef ctx) {
    LLVMValueRef blocks = emit_field(e, ctx, e->i64, offsetof(nrt_ctx, blocks), "blocks");
    LLVMValueRef more = LLVMBuildNSWAdd(e->b, blocks, emit_i64(e, e->p->chunk - 1), "");
    return e->p->chunk == 1 ? blocks : LLVMBuildSDiv(e->b, more, emit_i64(e, e->p->chunk), "");
}

/* `backwards`: the last chunk first. */
static void blocks_task(Task *t, const Segment *s, bool backwards) {
    Emit *e = t->e;
    if (backwards) {
        LLVMValueRef last = LLVMBuildNSWSub(e->b, count_chunks(e, t->ctx), emit_i64(e, 1), "last");
        t->task = LLVMBuildNSWSub(e->b, last, t->task, "number");
    }
    LLVMValueRef chunk = emit_i64(e, e->p->chunk);
    LLVMValueRef lo = LLVMBuildNSWMul(e->b, t->task, chunk, "lo");
    LLVMValueRef blocks = emit_field(e, t->ctx, e->i64, offsetof(nrt_ctx, blocks), "blocks");
    LLVMValueRef hi = emit_min(e, LLVMBuildNSWAdd(e->b, lo, chunk, ""), blocks);
    for (int i = 0; i < s->parts.n; i++) {
        call_kernel(t, s->parts.at[i].kernel, lo, hi, t->task);
        tell(t, s->parts.at[i].kernel, lo);
    }
}

static void items_task(Task *t, const Segment *s) {
    Emit *e = t->e;
    LLVMBasicBlockRef done = emit_block(e, "done");
    int64_t first = 0;
    for (int i = 0; i < s->parts.n; i++) {
        const SegmentPart *part = &s->parts.at[i];
        int64_t next = first + ceil_div(part->items, part->per_task);
        LLVMBasicBlockRef mine = emit_block(e, part->kernel->name), other = emit_block(e, "");
        LLVMBuildCondBr(e->b, LLVMBuildICmp(e->b, LLVMIntSLT, t->task, emit_i64(e, next), ""), mine, other);
        LLVMPositionBuilderAtEnd(e->b, mine);
        LLVMValueRef number = LLVMBuildNSWSub(e->b, t->task, emit_i64(e, first), "");
        LLVMValueRef lo = LLVMBuildNSWMul(e->b, number, emit_i64(e, part->per_task), "lo");
        LLVMValueRef hi = emit_min(e, LLVMBuildNSWAdd(e->b, lo, emit_i64(e, part->per_task), ""), emit_i64(e, part->items));
        call_kernel(t, part->kernel, lo, hi, number);
        LLVMBuildBr(e->b, done);
        LLVMPositionBuilderAtEnd(e->b, other);
        first = next;
    }
    LLVMBuildBr(e->b, done);
    LLVMPositionBuilderAtEnd(e->b, done);
}

/* A function that runs the kernels: to debuggers, it is where the network's header is. */
static LLVMValueRef runner(Emit *e, const char *name, LLVMTypeRef type) {
    name = arena_printf(e->a, "%s.%s", e->p->model->name, name);
    LLVMSetCurrentDebugLocation2(e->b, NULL);
    LLVMValueRef fn = emit_function(e, name, type, LLVMInternalLinkage);
    LLVMSetCurrentDebugLocation2(e->b, emit_place(e, e->p->model->span, emit_subprogram(e, fn, name, e->p->model->span)));
    return fn;
}

static LLVMValueRef segment(Emit *e, const Segment *s, bool step, bool backwards) {
    LLVMValueRef fn = runner(e, s->name, e->task_type);
    Task t = { e, LLVMGetParam(fn, 0), LLVMGetParam(fn, 1), LLVMGetParam(fn, 2), NULL, step };
    LLVMSetValueName2(t.ctx, "ctx", 3);
    LLVMSetValueName2(t.task, "task", 4);
    LLVMSetValueName2(t.worker, "worker", 6);
    t.ticks = emit_field(e, t.ctx, e->ptr, offsetof(nrt_ctx, ticks), "ticks");
    if (s->kind == SEGMENT_BLOCKS) blocks_task(&t, s, backwards);
    else items_task(&t, s);
    LLVMBuildRetVoid(e->b);
    return fn;
}

/* ---- entries ---- */

static LLVMValueRef task_count(Emit *e, const Segment *s, LLVMValueRef ctx) {
    if (s->kind == SEGMENT_BLOCKS) return count_chunks(e, ctx);
    int64_t tasks = 0;
    for (int i = 0; i < s->parts.n; i++) tasks += ceil_div(s->parts.at[i].items, s->parts.at[i].per_task);
    return emit_i64(e, tasks);
}

static void call_direct(Emit *e, LLVMValueRef fn, LLVMValueRef ctx) {
    LLVMValueRef args[] = { ctx, emit_i64(e, 0), emit_i64(e, 0) };
    LLVMBuildCall2(e->b, e->task_type, fn, args, 3, "");
}

static void call_parallel(Emit *e, LLVMValueRef fn, LLVMValueRef ctx, LLVMValueRef tasks) {
    LLVMValueRef args[] = { fn, ctx, tasks };
    LLVMBuildCall2(e->b, LLVMGlobalGetValueType(e->parallel_for), e->parallel_for, args, 3, "");
}

/* One task needs no threads. */
static void run_segment(Emit *e, LLVMValueRef fn, LLVMValueRef ctx, LLVMValueRef tasks) {
    if (LLVMIsConstant(tasks)) {
        if (LLVMConstIntGetSExtValue(tasks) == 1) call_direct(e, fn, ctx);
        else call_parallel(e, fn, ctx, tasks);
        return;
    }
    LLVMBasicBlockRef direct = emit_block(e, "direct"), parallel = emit_block(e, "parallel"), after = emit_block(e, "");
    LLVMBuildCondBr(e->b, LLVMBuildICmp(e->b, LLVMIntEQ, tasks, emit_i64(e, 1), ""), direct, parallel);
    LLVMPositionBuilderAtEnd(e->b, direct);
    call_direct(e, fn, ctx);
    LLVMBuildBr(e->b, after);
    LLVMPositionBuilderAtEnd(e->b, parallel);
    call_parallel(e, fn, ctx, tasks);
    LLVMBuildBr(e->b, after);
    LLVMPositionBuilderAtEnd(e->b, after);
}

static bool makes_loss(const Segment *s) {
    for (int i = 0; i < s->parts.n; i++)
        if (last_store(s->parts.at[i].kernel->body, is_loss, NULL, NULL)) return true;
    return false;
}

/* Returns from the entry where there is a go_on and it says 0. */
static void ask(Emit *e, LLVMValueRef ctx) {
    LLVMTypeRef type = LLVMFunctionType(e->i32, &e->ptr, 1, false);
    LLVMValueRef go_on = emit_field(e, ctx, e->ptr, offsetof(nrt_ctx, go_on), "go_on");
    LLVMBasicBlockRef asked = emit_block(e, "asked"), stop = emit_block(e, "stop"), on = emit_block(e, "on");
    LLVMBuildCondBr(e->b, LLVMBuildIsNull(e->b, go_on, ""), on, asked);
    LLVMPositionBuilderAtEnd(e->b, asked);
    LLVMValueRef said = LLVMBuildCall2(e->b, type, go_on, &ctx, 1, "");
    LLVMBuildCondBr(e->b, LLVMBuildICmp(e->b, LLVMIntEQ, said, emit_i32(e, 0), ""), stop, on);
    LLVMPositionBuilderAtEnd(e->b, stop);
    LLVMBuildRetVoid(e->b);
    LLVMPositionBuilderAtEnd(e->b, on);
}

/* Segments go through the batch forwards and backwards in turn: each begins with the chunks that the one before it has left in the last-level cache. */
LLVMValueRef emit_entry(Emit *e, const Entry *entry, bool step) {
    LLVMTypeRef type = LLVMFunctionType(e->none, &e->ptr, 1, false);
    LLVMValueRef *segments = ARENA_ARRAY(e->a, LLVMValueRef, i64_max(entry->segments.n, 1));
    bool backwards = false;
    for (int i = 0; i < entry->segments.n; i++) {
        segments[i] = segment(e, entry->segments.at[i], step, backwards);
        backwards ^= entry->segments.at[i]->kind == SEGMENT_BLOCKS;
    }
    LLVMValueRef fn = runner(e, entry->name, type);
    LLVMValueRef ctx = LLVMGetParam(fn, 0);
    LLVMSetValueName2(ctx, "ctx", 3);
    for (int i = 0; i < entry->segments.n; i++) {
        run_segment(e, segments[i], ctx, task_count(e, entry->segments.at[i], ctx));
        if (step && makes_loss(entry->segments.at[i])) ask(e, ctx);
    }
    LLVMBuildRetVoid(e->b);
    return fn;
}
