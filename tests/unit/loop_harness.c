/* loop_harness.c: see loop_harness.h. The object is linked into a shared library by the system's compiler and loaded; its one
 * call, nrt_parallel_for, finds the one below: it runs the tasks backwards, on alternating workers.
 */
#include "loop_harness.h"

#include <check.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int64_t harness_tasks = INT64_MAX;

void nrt_parallel_for(nrt_task_fn *fn, nrt_ctx *ctx, int64_t tasks) {
    for (int64_t i = i64_min(tasks, harness_tasks) - 1; i >= 0; i--) fn(ctx, i, i % 2);
}

Harness harness_new(int lanes, int64_t batch, int64_t chunk) {
    Arena *a = arena_new();
    Model *m = ARENA_NEW(a, Model);
    m->name = "net";
    m->source = "net.net";
    m->train = train_defaults();
    m->train.batch = batch;
    m->input = type_batched(1, 4, 0, 0);
    m->output = type_batched(1, 4, 0, 0);
    Harness h = { .a = a, .p = program_new(a, m) };
    h.p->lanes = lanes;
    h.p->chunk = chunk;
    return h;
}

Buffer *harness_buffer(Harness *h, const char *name, Elem elem, Space space, int rank, const int64_t *dim, int64_t halo) {
    Buffer *b = ARENA_NEW(h->a, Buffer);
    int64_t size = 1, bytes = elem == ELEM_U8 ? 1 : 4;
    *b = (Buffer){ .name = name, .elem = elem, .space = space, .rank = rank };
    for (int i = rank - 1; i >= 0; i--) {
        int64_t inner = i > 0 && i < rank - 1 ? halo : 0, extent = dim[i] == -1 ? ceil_div(h->p->model->train.batch, h->p->lanes) : dim[i];
        b->dim[i] = dim[i];
        b->low[i] = b->high[i] = inner;
        b->stride[i] = size;
        b->base += inner * size;
        size *= extent + 2 * inner;
    }
    b->bytes = round_up(size * bytes, 64);
    int64_t *total = space == SPACE_STATE ? &h->p->state_bytes : space == SPACE_ARENA ? &h->p->arena_bytes : space == SPACE_SCRATCH ? &h->p->scratch_bytes : NULL;
    if (total) {
        b->offset = *total;
        *total += b->bytes;
    }
    if (space == SPACE_LOCAL) VEC_PUSH(h->a, &h->k->locals, b);
    else VEC_PUSH(h->a, &h->p->buffers, b);
    return b;
}

static const Var *new_var(Harness *h, const char *name) {
    Var *v = ARENA_NEW(h->a, Var);
    v->name = name;
    return v;
}

Kernel *harness_kernel(Harness *h, const char *name, int64_t items, int64_t per_task) {
    Kernel *k = ARENA_NEW(h->a, Kernel);
    k->name = name;
    k->layer = "";
    k->plan = "";
    k->pass = NRT_OTHER;
    k->lo = new_var(h, "lo");
    k->hi = new_var(h, "hi");
    k->task = new_var(h, "task");
    k->n = new_var(h, "n");
    k->blocks = new_var(h, "blocks");
    k->chunks = new_var(h, "chunks");
    k->body = ARENA_NEW(h->a, Stmt);
    k->body->kind = STMT_FOR;
    Segment *s = ARENA_NEW(h->a, Segment);
    s->name = arena_printf(h->a, "segment%d", h->p->step.segments.n);
    s->kind = items > 0 ? SEGMENT_ITEMS : SEGMENT_BLOCKS;
    VEC_PUSH(h->a, &s->parts, ((SegmentPart){ k, items, per_task }));
    VEC_PUSH(h->a, &h->p->kernels, k);
    VEC_PUSH(h->a, &h->p->step.segments, s);
    return h->k = k;
}

Stmt *harness_loop(Harness *h, Stmt *in, LoopKind kind, const char *name, int64_t lo, int64_t hi) {
    Stmt *s = stmt_for(h->a, new_var(h, name), kind, affine_const(lo), affine_const(hi), 1);
    stmt_add(h->a, in, s);
    return s;
}

Affine harness_var(Harness *h, const Stmt *loop) {
    return affine_var(h->a, loop->var);
}

static Emitted *compile(Harness *h, const char *march, int opt_level) {
    const char *error = loop_verify(h->p);
    ck_assert_msg(error == NULL, "%s", error);
    const Target *t = target_new(h->a, march, NULL, &error);
    ck_assert_msg(t != NULL, "%s", error);
    EmitOptions options = { .opt_level = opt_level };
    return emit_program(h->a, h->p, NULL, t, &options);
}

char *harness_assembly(Harness *h, const char *march, int opt_level) {
    Text text = { 0 };
    Emitted *e = compile(h, march, opt_level);
    emit_write(e, EMIT_ASSEMBLY, &text);
    emit_free(e);
    char *copy = arena_str(h->a, text.at, text.n);
    text_free(&text);
    return copy;
}

static void link_library(const char *object, const char *library) {
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        execlp("cc", "cc", "-shared", "-o", library, object, (char *)NULL);
        _exit(127);
    }
    int status = 0;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}

void harness_load(Harness *h, const char *march, int opt_level) {
    Text object = { 0 };
    Emitted *e = compile(h, march, opt_level);
    emit_write(e, EMIT_OBJECT, &object);
    emit_free(e);
    char folder[] = "/tmp/netc-test-XXXXXX";
    ck_assert_ptr_nonnull(mkdtemp(folder));
    const char *path = arena_printf(h->a, "%s/model.o", folder), *library = arena_printf(h->a, "%s/model.so", folder);
    ck_assert_int_eq(file_write(path, object.at, object.n, 0600), 0);
    text_free(&object);
    link_library(path, library);
    h->library = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    ck_assert_msg(h->library != NULL, "%s", dlerror());
    h->model = dlsym(h->library, "nrt_the_model");
    ck_assert_ptr_nonnull(h->model);
    unlink(path);
    unlink(library);
    rmdir(folder);
}

void harness_free(Harness *h) {
    if (h->library) dlclose(h->library);
    arena_free(h->a);
}

void *harness_at(const nrt_ctx *ctx, const Buffer *b) {
    char *start = b->space == SPACE_STATE ? ctx->state : b->space == SPACE_SCRATCH ? ctx->scratch : ctx->arena;
    return start + b->offset + b->base * (b->elem == ELEM_U8 ? 1 : 4);
}

static void *zeros(int64_t n) {
    size_t size = (size_t)round_up(n + 64, 64);
    void *p = aligned_alloc(64, size);
    ck_assert_ptr_nonnull(p);
    return memset(p, 0, size);
}

nrt_ctx harness_open(const Harness *h, int64_t n) {
    int64_t rows = round_up(h->p->model->train.batch, h->p->lanes), in = type_count(h->p->model->input), out = type_count(h->p->model->output);
    nrt_ctx ctx = { .n = n, .blocks = ceil_div(n, h->p->lanes), .lr = 0.5f, .image_weight = 0.25f };
    ctx.state = zeros(h->p->state_bytes);
    ctx.arena = zeros(h->p->arena_bytes);
    ctx.scratch = zeros(2 * h->p->scratch_bytes);
    ctx.x = zeros(rows * in * 4);
    ctx.labels = zeros(rows * 4);
    ctx.target = zeros(rows * out * 4);
    ctx.out = zeros(rows * out * 4);
    ctx.loss = zeros(rows * 4);
    return ctx;
}

void harness_close(nrt_ctx *ctx) {
    void *const all[] = { ctx->state, ctx->arena, ctx->scratch, (void *)(uintptr_t)ctx->x, (void *)(uintptr_t)ctx->labels, (void *)(uintptr_t)ctx->target, ctx->out, ctx->loss };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}
