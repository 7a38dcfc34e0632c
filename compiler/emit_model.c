/* emit_model.c: nrt_the_model, the one symbol that a generated object exports, written field by field from runtime/nrt.h.
 *
 * A Record collects a structure's values in order, each with the offset that C gives to its field; sealing it compares these
 * with the offsets that LLVM lays out, so a change of nrt.h that is not followed here stops the first compilation.
 */
#include "emit_internal.h"

#include <llvm-c/Target.h>
#include <stddef.h>
#include <string.h>

enum { FIELDS_MAX = 40, PEAK_REGISTERS = 12, PEAK_REGISTERS_MANY = 24 };

typedef struct Record { Emit *e; int n; LLVMValueRef value[FIELDS_MAX]; size_t offset[FIELDS_MAX]; } Record;

static void put(Record *r, size_t offset, LLVMValueRef v) {
    ENSURE(r->n < FIELDS_MAX);
    r->offset[r->n] = offset;
    r->value[r->n++] = v;
}

static LLVMValueRef seal(Record *r, size_t size) {
    LLVMValueRef v = LLVMConstStructInContext(r->e->cx, r->value, (unsigned)r->n, false);
    LLVMTargetDataRef layout = LLVMGetModuleDataLayout(r->e->module);
    LLVMTypeRef type = LLVMTypeOf(v);
    for (int i = 0; i < r->n; i++)
        if (LLVMOffsetOfElement(layout, type, (unsigned)i) != r->offset[i]) BUG("field %d of a structure of nrt.h has moved", i);
    if (LLVMABISizeOfType(layout, type) != size) BUG("a structure of nrt.h has another size than the emitter's");
    return v;
}

static LLVMValueRef text(Emit *e, const char *s) {
    size_t n = s ? strlen(s) : 0;
    LLVMValueRef bytes = LLVMConstStringInContext2(e->cx, s ? s : "", n, false);
    LLVMValueRef at = LLVMAddGlobal(e->module, LLVMTypeOf(bytes), "text");
    LLVMSetInitializer(at, bytes);
    LLVMSetGlobalConstant(at, true);
    LLVMSetLinkage(at, LLVMPrivateLinkage);
    LLVMSetUnnamedAddress(at, LLVMGlobalUnnamedAddr);
    return at;
}

static LLVMValueRef numbers(Emit *e, const int64_t *x, unsigned n) {
    LLVMValueRef all[4];
    for (unsigned i = 0; i < n; i++) all[i] = emit_i64(e, x[i]);
    return LLVMConstArray2(e->i64, all, n);
}

static LLVMValueRef reals(Emit *e, const double *x, unsigned n) {
    LLVMValueRef all[4];
    for (unsigned i = 0; i < n; i++) all[i] = LLVMConstReal(e->f64, x[i]);
    return LLVMConstArray2(e->f64, all, n);
}

static LLVMValueRef table(Emit *e, const char *name, LLVMValueRef *rows, int n) {
    if (n == 0) return LLVMConstNull(e->ptr);
    LLVMValueRef all = LLVMConstArray2(LLVMTypeOf(rows[0]), rows, (uint64_t)n);
    LLVMValueRef at = LLVMAddGlobal(e->module, LLVMTypeOf(all), name);
    LLVMSetInitializer(at, all);
    LLVMSetGlobalConstant(at, true);
    LLVMSetLinkage(at, LLVMInternalLinkage);
    return at;
}

#define PUT_I32(r, T, field, x) put(r, offsetof(T, field), emit_i32((r)->e, x))
#define PUT_I64(r, T, field, x) put(r, offsetof(T, field), emit_i64((r)->e, x))
#define PUT_F64(r, T, field, x) put(r, offsetof(T, field), LLVMConstReal((r)->e->f64, x))
#define PUT_TEXT(r, T, field, x) put(r, offsetof(T, field), text((r)->e, x))

/* ---- tables ---- */

static LLVMValueRef tensors(Emit *e) {
    int n = e->p->tensors.n;
    LLVMValueRef *rows = ARENA_ARRAY(e->a, LLVMValueRef, n + 1);
    for (int i = 0; i < n; i++) {
        const nrt_tensor *t = &e->p->tensors.at[i];
        Record r = { .e = e };
        PUT_TEXT(&r, nrt_tensor, name, t->name);
        PUT_I32(&r, nrt_tensor, role, t->role);
        PUT_I32(&r, nrt_tensor, rank, t->rank);
        put(&r, offsetof(nrt_tensor, dim), numbers(e, t->dim, 4));
        PUT_I64(&r, nrt_tensor, offset, t->offset);
        PUT_I64(&r, nrt_tensor, fan_in, t->fan_in);
        PUT_I64(&r, nrt_tensor, fan_out, t->fan_out);
        rows[i] = seal(&r, sizeof *t);
    }
    return table(e, "tensors", rows, n);
}

static LLVMValueRef layers(Emit *e) {
    int n = e->p->model->layers.n;
    LLVMValueRef *rows = ARENA_ARRAY(e->a, LLVMValueRef, n + 1);
    for (int i = 0; i < n; i++) {
        const Layer *l = &e->p->model->layers.at[i];
        Record r = { .e = e };
        PUT_TEXT(&r, nrt_layer, name, l->name);
        PUT_TEXT(&r, nrt_layer, kind, l->kind);
        PUT_I32(&r, nrt_layer, rank, l->out.rank);
        put(&r, offsetof(nrt_layer, dim), numbers(e, l->out.dim, 3));
        PUT_I64(&r, nrt_layer, params, l->params);
        PUT_I64(&r, nrt_layer, macs, l->macs);
        rows[i] = seal(&r, sizeof(nrt_layer));
    }
    return table(e, "layers", rows, n);
}

static LLVMValueRef result(Emit *e, const Buffer *b) {
    Record r = { .e = e };
    nrt_result out = { NRT_NOWHERE, 0, { 0 }, { 0 }, 0, 0 };
    if (b) {
        out = (nrt_result){ b->space == SPACE_ARENA ? NRT_ARENA : NRT_SCRATCH, b->rank - 1, { 0 }, { 0 }, b->offset / 4 + b->base, b->stride[0] };
        memcpy(out.dim, b->dim + 1, sizeof *out.dim * (size_t)out.rank);
        memcpy(out.stride, b->stride + 1, sizeof *out.stride * (size_t)out.rank);
    }
    PUT_I32(&r, nrt_result, place, out.place);
    PUT_I32(&r, nrt_result, rank, out.rank);
    put(&r, offsetof(nrt_result, dim), numbers(e, out.dim, 4));
    put(&r, offsetof(nrt_result, stride), numbers(e, out.stride, 4));
    PUT_I64(&r, nrt_result, first, out.first);
    PUT_I64(&r, nrt_result, block, out.block);
    return seal(&r, sizeof out);
}

static bool in_entry(const Entry *entry, const Kernel *k) {
    for (int i = 0; i < entry->segments.n; i++)
        for (int j = 0; j < entry->segments.at[i]->parts.n; j++)
            if (entry->segments.at[i]->parts.at[j].kernel == k) return true;
    return false;
}

static LLVMValueRef kernels(Emit *e) {
    int n = e->p->kernels.n;
    LLVMValueRef *rows = ARENA_ARRAY(e->a, LLVMValueRef, n + 1);
    for (int i = 0; i < n; i++) {
        const Kernel *k = e->p->kernels.at[i];
        Record r = { .e = e };
        PUT_TEXT(&r, nrt_kernel, name, k->name);
        PUT_TEXT(&r, nrt_kernel, layer, k->layer);
        PUT_I32(&r, nrt_kernel, pass, k->pass);
        PUT_I64(&r, nrt_kernel, flops, k->flops);
        PUT_I64(&r, nrt_kernel, bytes, k->bytes);
        PUT_I64(&r, nrt_kernel, slots, k->slots);
        PUT_I64(&r, nrt_kernel, first_tick, e->ticks[i].first);
        PUT_I64(&r, nrt_kernel, tasks, e->ticks[i].tasks);
        put(&r, offsetof(nrt_kernel, result), result(e, in_entry(&e->p->step, k) ? emit_result(e->p, k) : NULL));
        rows[i] = seal(&r, sizeof(nrt_kernel));
    }
    return table(e, "kernels", rows, n);
}

static LLVMValueRef train(Emit *e) {
    const nrt_train *t = &e->p->model->train;
    Record r = { .e = e };
    PUT_I32(&r, nrt_train, data, t->data);
    PUT_I32(&r, nrt_train, loss, t->loss);
    PUT_I32(&r, nrt_train, init, t->init);
    PUT_I32(&r, nrt_train, schedule, t->schedule);
    PUT_I32(&r, nrt_train, loss_mean, t->loss_mean);
    PUT_I32(&r, nrt_train, shuffle, t->shuffle);
    PUT_I32(&r, nrt_train, nesterov, t->nesterov);
    PUT_I32(&r, nrt_train, reserved, t->reserved);
    PUT_I64(&r, nrt_train, batch, t->batch);
    PUT_I64(&r, nrt_train, epochs, t->epochs);
    PUT_I64(&r, nrt_train, seed, t->seed);
    PUT_I64(&r, nrt_train, resize_h, t->resize_h);
    PUT_I64(&r, nrt_train, resize_w, t->resize_w);
    put(&r, offsetof(nrt_train, mean), reals(e, t->mean, 3));
    put(&r, offsetof(nrt_train, std), reals(e, t->std, 3));
    PUT_F64(&r, nrt_train, test_share, t->test_share);
    PUT_TEXT(&r, nrt_train, path_a, t->path_a);
    PUT_TEXT(&r, nrt_train, path_b, t->path_b);
    PUT_F64(&r, nrt_train, lr, t->lr);
    PUT_F64(&r, nrt_train, momentum, t->momentum);
    PUT_F64(&r, nrt_train, weight_decay, t->weight_decay);
    PUT_I64(&r, nrt_train, schedule_every, t->schedule_every);
    PUT_I64(&r, nrt_train, schedule_warmup, t->schedule_warmup);
    PUT_F64(&r, nrt_train, schedule_gamma, t->schedule_gamma);
    return seal(&r, sizeof *t);
}

/* ---- the network's hash ---- */

static uint64_t hash_bytes(uint64_t h, const void *p, size_t n) {
    for (size_t i = 0; i < n; i++) h = (h ^ ((const unsigned char *)p)[i]) * 0x100000001b3u; /* FNV-1a, 64 bits */
    return h;
}

static uint64_t hash_text(uint64_t h, const char *s) {
    return hash_bytes(h, s, strlen(s) + 1);
}

static uint64_t hash_number(uint64_t h, int64_t x) {
    unsigned char byte[8];
    for (int i = 0; i < 8; i++) byte[i] = (unsigned char)((uint64_t)x >> (8 * i));
    return hash_bytes(h, byte, sizeof byte);
}

/* Over input, layers and canonical tensors; not over train, lanes or anything of the target, which checkpoints may cross. */
static uint64_t hash_network(const Program *p) {
    uint64_t h = 0xcbf29ce484222325u;
    for (int i = 0; i < p->model->input.rank; i++) h = hash_number(h, p->model->input.dim[i]);
    for (int i = 0; i < p->model->layers.n; i++) {
        const Layer *l = &p->model->layers.at[i];
        h = hash_text(hash_text(h, l->name), l->kind);
        for (int d = 0; d < l->out.rank; d++) h = hash_number(h, l->out.dim[d]);
    }
    for (int i = 0; i < p->tensors.n; i++) {
        const nrt_tensor *t = &p->tensors.at[i];
        if (t->role == NRT_OPTIM) continue;
        h = hash_number(hash_text(h, t->name), t->role);
        for (int d = 0; d < t->rank; d++) h = hash_number(h, t->dim[d]);
    }
    return h;
}

/* ---- the peak loop ---- */

/* *sink = the sum of n independent registers after `iterations` (at least one) rounds of x = x * 0.5 + 0.5 in each. */
static LLVMValueRef peak(Emit *e, int n) {
    LLVMTypeRef type = LLVMVectorType(e->f32, (unsigned)e->target->lanes);
    LLVMValueRef phi[PEAK_REGISTERS_MANY], next[PEAK_REGISTERS_MANY], all[16], start[16];
    LLVMSetCurrentDebugLocation2(e->b, NULL);
    LLVMTypeRef fn_type = LLVMFunctionType(e->none, (LLVMTypeRef[]){ e->i64, e->ptr }, 2, false);
    LLVMValueRef fn = emit_function(e, arena_printf(e->a, "%s.peak", e->p->model->name), fn_type, LLVMInternalLinkage);
    LLVMBasicBlockRef entry = LLVMGetInsertBlock(e->b), loop = emit_block(e, "loop"), done = emit_block(e, "done");
    for (int i = 0; i < e->target->lanes; i++) all[i] = LLVMConstReal(e->f32, 0.5);
    LLVMValueRef half = LLVMConstVector(all, (unsigned)e->target->lanes);
    LLVMBuildBr(e->b, loop);
    LLVMPositionBuilderAtEnd(e->b, loop);
    LLVMValueRef count = LLVMBuildPhi(e->b, e->i64, "count");
    for (int i = 0; i < n; i++) phi[i] = LLVMBuildPhi(e->b, type, "x");
    for (int i = 0; i < n; i++) next[i] = emit_fma(e, phi[i], half, half);
    LLVMValueRef up = LLVMBuildAdd(e->b, count, emit_i64(e, 1), "");
    LLVMBuildCondBr(e->b, LLVMBuildICmp(e->b, LLVMIntSLT, up, LLVMGetParam(fn, 0), ""), loop, done);
    LLVMAddIncoming(count, (LLVMValueRef[]){ emit_i64(e, 0), up }, (LLVMBasicBlockRef[]){ entry, loop }, 2);
    for (int i = 0; i < n; i++) {
        for (int l = 0; l < e->target->lanes; l++) start[l] = LLVMConstReal(e->f32, i + 1);
        LLVMValueRef from[2] = { LLVMConstVector(start, (unsigned)e->target->lanes), next[i] };
        LLVMAddIncoming(phi[i], from, (LLVMBasicBlockRef[]){ entry, loop }, 2);
    }
    LLVMPositionBuilderAtEnd(e->b, done);
    LLVMValueRef sum = next[0];
    for (int i = 1; i < n; i++) sum = LLVMBuildFAdd(e->b, sum, next[i], "");
    for (int l = 0; l < e->target->lanes; l++) {
        LLVMValueRef one = LLVMBuildExtractElement(e->b, sum, emit_i32(e, l), "");
        LLVMValueRef sink = LLVMGetParam(fn, 1);
        LLVMValueRef total = l == 0 ? one : LLVMBuildFAdd(e->b, LLVMBuildLoad2(e->b, e->f32, sink, ""), one, "");
        LLVMBuildStore(e->b, total, sink);
    }
    LLVMBuildRetVoid(e->b);
    return fn;
}

/* ---- the model ---- */

static int64_t step_flops(const Program *p) {
    int64_t total = 0;
    for (int i = 0; i < p->step.segments.n; i++)
        for (int j = 0; j < p->step.segments.at[i]->parts.n; j++) total += p->step.segments.at[i]->parts.at[j].kernel->flops;
    return total;
}

static void put_network(Record *r, const Program *p) {
    const Model *m = p->model;
    PUT_I32(r, nrt_model, abi, NRT_ABI);
    PUT_I32(r, nrt_model, lanes, p->lanes);
    PUT_TEXT(r, nrt_model, name, m->name);
    PUT_TEXT(r, nrt_model, source, m->source);
    PUT_TEXT(r, nrt_model, cpu, r->e->target->cpu);
    PUT_TEXT(r, nrt_model, features, r->e->target->features);
    PUT_I64(r, nrt_model, hash, (int64_t)hash_network(p));
    PUT_I32(r, nrt_model, input_rank, m->input.rank);
    PUT_I32(r, nrt_model, output_rank, m->output.rank);
    put(r, offsetof(nrt_model, input_dim), numbers(r->e, m->input.dim, 3));
    put(r, offsetof(nrt_model, output_dim), numbers(r->e, m->output.dim, 3));
    PUT_I64(r, nrt_model, state_bytes, p->state_bytes);
    PUT_I64(r, nrt_model, arena_bytes, p->arena_bytes);
    PUT_I64(r, nrt_model, scratch_bytes, p->scratch_bytes);
    PUT_I64(r, nrt_model, tick_count, r->e->ticks[p->kernels.n].first);
    PUT_I64(r, nrt_model, flops_per_image, step_flops(p));
}

void emit_model(Emit *e, LLVMValueRef step, LLVMValueRef infer) {
    const Program *p = e->p;
    int registers = e->target->registers > 16 ? PEAK_REGISTERS_MANY : PEAK_REGISTERS;
    Record r = { .e = e };
    put_network(&r, p);
    PUT_I32(&r, nrt_model, tensor_count, p->tensors.n);
    PUT_I32(&r, nrt_model, layer_count, p->model->layers.n);
    PUT_I32(&r, nrt_model, kernel_count, p->kernels.n);
    PUT_I32(&r, nrt_model, peak_flops_per_iteration, 2 * registers * e->target->lanes);
    put(&r, offsetof(nrt_model, tensors), tensors(e));
    put(&r, offsetof(nrt_model, layers), layers(e));
    put(&r, offsetof(nrt_model, kernels), kernels(e));
    put(&r, offsetof(nrt_model, train), train(e));
    put(&r, offsetof(nrt_model, step), step);
    put(&r, offsetof(nrt_model, infer), infer);
    put(&r, offsetof(nrt_model, peak), peak(e, registers));
    LLVMValueRef model = seal(&r, sizeof(nrt_model));
    LLVMValueRef at = LLVMAddGlobal(e->module, LLVMTypeOf(model), "nrt_the_model");
    LLVMSetInitializer(at, model);
    LLVMSetGlobalConstant(at, true);
}
