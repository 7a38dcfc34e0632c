/* emit_llvm.c: the module from start to end: context, functions, passes, output.
 *
 * The passes are few because the loops come finished: sroa turns locals whose indices are constants into registers, early-cse
 * merges loads and addresses that unrolling repeated, licm moves out of loops what none of their stores can change (the
 * spaces of loop.h are declared not to overlap), simplifycfg merges the blocks that a kernel's addresses were kept in, dse leaves out all but the last of what a tile's
 * points store to one number of a batch norm's statistics.
 *
 * Several parts are several contexts, each with its module, arena and thread; they share the program, which nobody changes.
 */
#include "emit_internal.h"

#include <llvm-c/Analysis.h>
#include <llvm-c/BitWriter.h>
#include <llvm-c/Error.h>
#include <llvm-c/Support.h>
#include <llvm-c/Target.h>
#include <llvm-c/Transforms/PassBuilder.h>
#include <pthread.h>
#include <string.h>

typedef struct Module { LLVMContextRef cx; LLVMModuleRef module; LLVMTargetMachineRef machine; } Module;
struct Emitted {
    Arena *a;
    const Program *p;
    const Target *target;
    Parts parts;
    int n;
    Module part[EMIT_PARTS_MAX];
};

/* ---- small builders ---- */

LLVMValueRef emit_i64(const Emit *e, int64_t x) {
    return LLVMConstInt(e->i64, (unsigned long long)x, true);
}

LLVMValueRef emit_i32(const Emit *e, int64_t x) {
    return LLVMConstInt(e->i32, (unsigned long long)x, true);
}

LLVMBasicBlockRef emit_block(Emit *e, const char *name) {
    return LLVMAppendBasicBlockInContext(e->cx, LLVMGetBasicBlockParent(LLVMGetInsertBlock(e->b)), name);
}

LLVMValueRef emit_min(Emit *e, LLVMValueRef x, LLVMValueRef y) {
    return LLVMBuildSelect(e->b, LLVMBuildICmp(e->b, LLVMIntSLT, x, y, ""), x, y, "");
}

LLVMValueRef emit_max(Emit *e, LLVMValueRef x, LLVMValueRef y) {
    return LLVMBuildSelect(e->b, LLVMBuildICmp(e->b, LLVMIntSGT, x, y, ""), x, y, "");
}

LLVMValueRef emit_field(Emit *e, LLVMValueRef ctx, LLVMTypeRef type, size_t offset, const char *name) {
    LLVMValueRef at = emit_i64(e, (int64_t)offset);
    LLVMValueRef v = LLVMBuildLoad2(e->b, type, LLVMBuildGEP2(e->b, e->i8, ctx, &at, 1, ""), name);
    LLVMSetMetadata(v, e->md_invariant, LLVMMetadataAsValue(e->cx, LLVMMDNodeInContext2(e->cx, NULL, 0)));
    return v;
}

LLVMValueRef emit_intrinsic(Emit *e, const char *name, LLVMTypeRef type, LLVMValueRef *args, unsigned n) {
    unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
    ENSURE(id != 0);
    size_t overloads = type ? 1 : 0;
    LLVMValueRef fn = LLVMGetIntrinsicDeclaration(e->module, id, &type, overloads);
    return LLVMBuildCall2(e->b, LLVMIntrinsicGetType(e->cx, id, &type, overloads), fn, args, n, "");
}

static void add_attribute(Emit *e, LLVMValueRef fn, const char *key, const char *value) {
    LLVMAttributeRef at = LLVMCreateStringAttribute(e->cx, key, (unsigned)strlen(key), value, (unsigned)strlen(value));
    LLVMAddAttributeAtIndex(fn, (LLVMAttributeIndex)LLVMAttributeFunctionIndex, at);
}

LLVMLinkage emit_linkage(const Emit *e) { return e->parts->n > 1 ? LLVMExternalLinkage : LLVMInternalLinkage; }

LLVMValueRef emit_function(Emit *e, const char *name, LLVMTypeRef type, LLVMLinkage linkage) {
    LLVMValueRef fn = LLVMAddFunction(e->module, name, type);
    unsigned nounwind = LLVMGetEnumAttributeKindForName("nounwind", 8);
    LLVMSetLinkage(fn, linkage);
    if (linkage == LLVMExternalLinkage) LLVMSetVisibility(fn, LLVMHiddenVisibility);
    LLVMAddAttributeAtIndex(fn, (LLVMAttributeIndex)LLVMAttributeFunctionIndex, LLVMCreateEnumAttribute(e->cx, nounwind, 0));
    add_attribute(e, fn, "stackrealign", ""); /* or registers are spilled across lines of the cache */
    add_attribute(e, fn, "target-cpu", e->target->cpu);
    add_attribute(e, fn, "tune-cpu", e->target->tune);
    if (e->target->lanes == 16) add_attribute(e, fn, "prefer-vector-width", "512");
    LLVMPositionBuilderAtEnd(e->b, LLVMAppendBasicBlockInContext(e->cx, fn, "entry"));
    return fn;
}

/* ---- the module ---- */

static void init_target(const Target *t) {
    if (t->x86) {
        LLVMInitializeX86TargetInfo();
        LLVMInitializeX86Target();
        LLVMInitializeX86TargetMC();
        LLVMInitializeX86AsmPrinter();
    } else {
        LLVMInitializeAArch64TargetInfo();
        LLVMInitializeAArch64Target();
        LLVMInitializeAArch64TargetMC();
        LLVMInitializeAArch64AsmPrinter();
        LLVMInitializeAArch64AsmParser(); /* for the one instruction of emit_segment.c */
    }
}

/* Pointers go on with their loops where no addressing mode scales the variable (emit_kernel.c). Loop strength reduction, which looks for such pointers, takes a sixth of
 * the code generator's time, and finds half of a hundredth less instructions in inner loops (docs/performance.md; for x86). */
static void set_code_generator(const Target *t) {
    static bool done; /* LLVM takes each option once */
    if (!t->x86 || done) return;
    LLVMParseCommandLineOptions(2, (const char *const[]){ "netc", "-disable-lsr" }, NULL);
    done = true;
}

/* For x86 LLVM's default level adds to the one below another scheduling of the finished code, and nothing else: an eighth of the time for no difference on
 * processors that schedule by themselves. */
static LLVMCodeGenOptLevel code_level(const Target *t, int opt_level) {
    static const LLVMCodeGenOptLevel levels[] = { LLVMCodeGenLevelNone, LLVMCodeGenLevelLess, LLVMCodeGenLevelDefault, LLVMCodeGenLevelAggressive };
    return t->x86 && opt_level == 2 ? LLVMCodeGenLevelLess : levels[opt_level];
}

static LLVMTargetMachineRef open_machine(const Target *t, int opt_level) {
    LLVMTargetRef target;
    char *message = NULL;
    if (LLVMGetTargetFromTriple(t->triple, &target, &message)) BUG("LLVM knows no target '%s': %s", t->triple, message);
    return LLVMCreateTargetMachine(target, t->triple, t->cpu, "", code_level(t, opt_level), LLVMRelocPIC, LLVMCodeModelDefault);
}

static void open_types(Emit *e) {
    e->i1 = LLVMInt1TypeInContext(e->cx);
    e->i8 = LLVMInt8TypeInContext(e->cx);
    e->i32 = LLVMInt32TypeInContext(e->cx);
    e->i64 = LLVMInt64TypeInContext(e->cx);
    e->f32 = LLVMFloatTypeInContext(e->cx);
    e->f64 = LLVMDoubleTypeInContext(e->cx);
    e->ptr = LLVMPointerTypeInContext(e->cx, 0);
    e->none = LLVMVoidTypeInContext(e->cx);
    e->kernel_type = LLVMFunctionType(e->none, (LLVMTypeRef[]){ e->ptr, e->i64, e->i64, e->i64, e->i64 }, 5, false);
    e->shared_type = LLVMFunctionType(e->none, (LLVMTypeRef[]){ e->ptr, e->i64, e->i64, e->i64, e->i64, e->ptr }, 6, false);
    e->task_type = LLVMFunctionType(e->none, (LLVMTypeRef[]){ e->ptr, e->i64, e->i64 }, 3, false);
    e->md_invariant = LLVMGetMDKindIDInContext(e->cx, "invariant.load", 14);
    e->md_scope = LLVMGetMDKindIDInContext(e->cx, "alias.scope", 11);
    e->md_noalias = LLVMGetMDKindIDInContext(e->cx, "noalias", 7);
    e->md_nontemporal = LLVMGetMDKindIDInContext(e->cx, "nontemporal", 11);
}

static void open_module(Emit *e) {
    const char *source = e->p->model->source;
    e->cx = LLVMContextCreate();
    LLVMContextSetDiscardValueNames(e->cx, e->parts->n > 1); /* nobody will read them */
    e->module = LLVMModuleCreateWithNameInContext(e->p->model->name, e->cx);
    e->b = LLVMCreateBuilderInContext(e->cx);
    e->machine = open_machine(e->target, e->options.opt_level);
    LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(e->machine);
    LLVMSetModuleDataLayout(e->module, layout);
    LLVMDisposeTargetData(layout);
    LLVMSetTarget(e->module, e->target->triple);
    LLVMSetSourceFileName(e->module, source, strlen(source));
    open_types(e);
    LLVMTypeRef parallel = LLVMFunctionType(e->none, (LLVMTypeRef[]){ e->ptr, e->ptr, e->i64 }, 3, false);
    e->parallel_for = LLVMAddFunction(e->module, "nrt_parallel_for", parallel);
    emit_debug_open(e);
}

static void check_module(const Emit *e) {
    char *message = NULL;
    if (LLVMVerifyModule(e->module, LLVMReturnStatusAction, &message)) BUG("generated code is malformed: %s", message);
    LLVMDisposeMessage(message);
}

static void optimize(const Emit *e) {
    static const char passes[] = "function(sroa,early-cse<memssa>,simplifycfg,loop-mssa(licm),simplifycfg,dse),always-inline";
    LLVMPassBuilderOptionsRef options = LLVMCreatePassBuilderOptions();
    LLVMErrorRef error = LLVMRunPasses(e->module, passes, e->machine, options);
    if (error) BUG("the pass pipeline failed: %s", LLVMGetErrorMessage(error));
    LLVMDisposePassBuilderOptions(options);
}

static void emit_main(Emit *e) {
    emit_count_ticks(e);
    LLVMValueRef step = emit_entry(e, &e->p->step, true);
    LLVMValueRef infer = emit_entry(e, &e->p->infer, false);
    emit_model(e, step, infer);
}

/* ---- parts, side by side ---- */

typedef struct Job { Emit e; Module *out; pthread_t thread; bool runs; Text *object; } Job;

static void *emit_part(void *job) {
    Emit *e = &((Job *)job)->e;
    e->a = arena_new();
    open_module(e);
    emit_kernels(e);
    if (e->part == EMIT_MAIN_PART) emit_main(e);
    emit_debug_close(e);
    LLVMDisposeBuilder(e->b);
    check_module(e);
    if (e->options.opt_level > 0) optimize(e);
    arena_free(e->a);
    *((Job *)job)->out = (Module){ e->cx, e->module, e->machine };
    return NULL;
}

/* Runs the jobs, the first on this thread; where the system gives no other, all of them. */
static void run_jobs(Job *job, int n, void *(*run)(void *job)) {
    for (int i = 1; i < n; i++) job[i].runs = pthread_create(&job[i].thread, NULL, run, &job[i]) == 0;
    for (int i = 0; i < n; i++)
        if (!job[i].runs) run(&job[i]);
    for (int i = 1; i < n; i++)
        if (job[i].runs) pthread_join(job[i].thread, NULL);
}

Emitted *emit_program(Arena *a, const Program *p, const Diag *d, const Target *target, const EmitOptions *options) {
    ENSURE(options->opt_level >= 0 && options->opt_level <= 3 && options->parts <= EMIT_PARTS_MAX);
    Parts parts = emit_parts(a, p, options->parts, options->share);
    Emitted *out = ARENA_NEW(a, Emitted);
    Job job[EMIT_PARTS_MAX];
    *out = (Emitted){ .a = a, .p = p, .target = target, .parts = parts, .n = parts.n };
    init_target(target);
    set_code_generator(target);
    for (int i = 0; i < parts.n; i++)
        job[i] = (Job){ .e = { .p = p, .diag = d, .target = target, .options = *options, .parts = &parts, .part = i }, .out = &out->part[i] };
    run_jobs(job, parts.n, emit_part);
    return out;
}

/* ---- output ---- */

static void append_buffer(Text *out, LLVMMemoryBufferRef buffer) {
    text_append(out, LLVMGetBufferStart(buffer), LLVMGetBufferSize(buffer));
    LLVMDisposeMemoryBuffer(buffer);
}

static LLVMMemoryBufferRef generate_code(const Module *m, LLVMModuleRef module, LLVMCodeGenFileType type) {
    LLVMMemoryBufferRef buffer;
    char *message = NULL;
    if (LLVMTargetMachineEmitToMemoryBuffer(m->machine, module, type, &message, &buffer)) BUG("code generation failed: %s", message);
    return buffer;
}

/* Generating code rewrites the module: it works on a copy, so that what is written next is not changed by it. */
static void write_code(const Module *m, LLVMCodeGenFileType type, Text *out) {
    LLVMModuleRef copy = LLVMCloneModule(m->module);
    append_buffer(out, generate_code(m, copy, type));
    LLVMDisposeModule(copy);
}

void emit_write(Emitted *e, CodeKind kind, Text *out) {
    const Module *m = &e->part[EMIT_MAIN_PART];
    ENSURE(e->n == 1);
    switch (kind) {
    case EMIT_IR: emit_comment(e->a, e->p, &e->parts, e->target, m->module, out); break;
    case EMIT_BITCODE: append_buffer(out, LLVMWriteBitcodeToMemoryBuffer(m->module)); break;
    case EMIT_ASSEMBLY: write_code(m, LLVMAssemblyFile, out); break;
    case EMIT_OBJECT: write_code(m, LLVMObjectFile, out); break;
    }
}

/* One of several modules, which nobody writes in another form: no copy. */
static void *write_part(void *job) {
    Job *j = job;
    append_buffer(j->object, generate_code(j->out, j->out->module, LLVMObjectFile));
    return NULL;
}

int emit_objects(Emitted *e, Text out[EMIT_PARTS_MAX]) {
    Job job[EMIT_PARTS_MAX];
    for (int i = 0; i < e->n; i++) {
        out[i] = (Text){ 0 };
        job[i] = (Job){ .out = &e->part[i], .object = &out[i] };
    }
    if (e->n == 1) emit_write(e, EMIT_OBJECT, &out[EMIT_MAIN_PART]);
    else run_jobs(job, e->n, write_part);
    return e->n;
}

void emit_free(Emitted *e) {
    for (int i = 0; i < e->n; i++) {
        LLVMDisposeModule(e->part[i].module);
        LLVMDisposeTargetMachine(e->part[i].machine);
        LLVMContextDispose(e->part[i].cx);
    }
}
