/* emit_internal.h: what the files of the emitter share. Nobody else includes it; the interface is emit_llvm.h. */
#ifndef NETC_EMIT_INTERNAL_H
#define NETC_EMIT_INTERNAL_H

#include "emit_llvm.h"
#include "emit_parts.h"

#include <llvm-c/Core.h>
#include <llvm-c/DebugInfo.h>
#include <llvm-c/TargetMachine.h>

enum { EMIT_MAIN_PART = 0 };    /* segments, entries and the model are here */
enum { SHARED_OFFSETS = 5 }; /* the place of `offsets` among shared_type's arguments */
#define LOOP_SUFFIX ".loop"           /* behind a variable's name: the block at the top of its loop */
#define SHARED_SUFFIX ".and_alike"    /* behind a kernel's name: the body that it shares with others */

/* The tasks that a kernel has for a full batch, and where their ticks begin. */
typedef struct Ticks { int64_t first, tasks; } Ticks;

typedef struct Emit {
    Arena *a;
    const Program *p;
    const Diag *diag;
    const Target *target;
    EmitOptions options;
    const Parts *parts;
    int part;                    /* the one that is emitted here */
    LLVMContextRef cx;
    LLVMModuleRef module;
    LLVMTargetMachineRef machine;
    LLVMBuilderRef b;
    LLVMTypeRef i1, i8, i32, i64, f32, f64, ptr, none;
    LLVMTypeRef kernel_type;     /* void(ptr ctx, i64 worker, i64 lo, i64 hi, i64 task) */
    LLVMTypeRef shared_type;     /* the same, and ptr offsets: of the buffers of one of several kernels alike */
    LLVMTypeRef task_type;       /* nrt_task_fn */
    LLVMValueRef *kernels;       /* by place in p->kernels; null: in another part, and not called from this one */
    Ticks *ticks;                /* by place in p->kernels; of the main part */
    LLVMValueRef parallel_for;
    LLVMDIBuilderRef di;         /* null without debugging */
    const char *di_folder;       /* where relative paths of sources begin */
    LLVMMetadataRef *di_files;   /* by the Diag's file number; null until used */
    int di_file_count;
    LLVMMetadataRef *di_calls;   /* by number of the block's call; null until used */
    LLVMMetadataRef di_type;     /* void() */
    unsigned md_invariant, md_scope, md_noalias, md_nontemporal;
} Emit;

/* ---- emit_llvm.c ---- */

/* How kernels are linked: among several parts they are seen, but not outside of the executable. */
LLVMLinkage emit_linkage(const Emit *e);
/* A new function with the target's attributes, and an entry block at which the builder then stands. */
LLVMValueRef emit_function(Emit *e, const char *name, LLVMTypeRef type, LLVMLinkage linkage);
LLVMBasicBlockRef emit_block(Emit *e, const char *name);
LLVMValueRef emit_i64(const Emit *e, int64_t x);
LLVMValueRef emit_i32(const Emit *e, int64_t x);
LLVMValueRef emit_min(Emit *e, LLVMValueRef x, LLVMValueRef y);
LLVMValueRef emit_max(Emit *e, LLVMValueRef x, LLVMValueRef y);
/* The field of nrt_ctx `offset` bytes from its start. */
LLVMValueRef emit_field(Emit *e, LLVMValueRef ctx, LLVMTypeRef type, size_t offset, const char *name);
/* Calls an intrinsic that is overloaded on one type. */
LLVMValueRef emit_intrinsic(Emit *e, const char *name, LLVMTypeRef type, LLVMValueRef *args, unsigned n);

/* ---- emit_debug.c ---- */

/* Describes the module to debuggers from now on, where that is asked for; to be closed when all functions are there. */
void emit_debug_open(Emit *e);
void emit_debug_close(Emit *e);
/* Describes fn to debuggers as the function of what was made at the span; null without debugging. */
LLVMMetadataRef emit_subprogram(Emit *e, LLVMValueRef fn, const char *name, Span span);
/* The place of a span within the function, inlined through the calls of blocks that lead to it; null where there is no function. */
LLVMMetadataRef emit_place(Emit *e, Span span, LLVMMetadataRef function);
/* The place in the network that leads to the span: where a kernel begins. */
LLVMMetadataRef emit_entry_place(Emit *e, Span span, LLVMMetadataRef function);

/* ---- emit_math.c: functions of an f32, a vector of them, or a square ---- */

/* EXP, LOG, SIGMOID or TANH of x. */
LLVMValueRef emit_math(Emit *e, ExprKind kind, LLVMValueRef x);
/* The constant c in every lane of the type, which is c's own or a vector of it. */
LLVMValueRef emit_spread(LLVMTypeRef type, LLVMValueRef c);
/* Turns a square of n rows, vectors of n numbers: number j of row i becomes number i of row j. n is a power of two. */
void emit_transpose(Emit *e, LLVMValueRef *row, unsigned n);
/* x * y + z: fused where the target can, else rounded twice. */
LLVMValueRef emit_fma(Emit *e, LLVMValueRef x, LLVMValueRef y, LLVMValueRef z);

/* ---- emit_kernel.c ---- */

/* Fills in e->kernels. */
void emit_kernels(Emit *e);

/* ---- emit_segment.c ---- */

/* Fills in e->ticks, of the kernels of both entries; the place behind the last kernel has the ticks of all. */
void emit_count_ticks(Emit *e);
/* Where a forward kernel leaves its result of a lane block; null where it leaves none. */
const Buffer *emit_result(const Program *p, const Kernel *k);
/* The function of an entry, NETWORK.step or NETWORK.infer, and the task functions of its segments. */
LLVMValueRef emit_entry(Emit *e, const Entry *entry, bool step);

/* ---- emit_comment.c ---- */

/* Appends the module's text to out, with comments for those who read it: what the file holds, what each function does, what each loop runs over.
 * Constants stand behind the functions. */
void emit_comment(Arena *a, const Program *p, const Parts *parts, const Target *t, LLVMModuleRef module, Text *out);

/* ---- emit_model.c ---- */

/* nrt_the_model, with everything it points to. */
void emit_model(Emit *e, LLVMValueRef step, LLVMValueRef infer);

#endif
