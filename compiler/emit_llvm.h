/* emit_llvm.h: a Program of loops as machine code, through LLVM.
 *
 * The loops are taken as they stand: nothing is vectorised, unrolled, contracted or reassociated that they do not say.
 * Each kernel becomes an internal function NETWORK.KERNEL, each segment a task function NETWORK.SEGMENT, and the one exported
 * symbol is nrt_the_model (runtime/nrt.h).
 */
#ifndef NETC_EMIT_LLVM_H
#define NETC_EMIT_LLVM_H

#include "diag.h"
#include "loop.h"
#include "target.h"

typedef struct EmitOptions {
    int opt_level;   /* 0 .. 3: at 0, code as it was written down; from 1 on, redundancies are removed; the rest is the code generator's level, the same for 1 and 2 with x86 */
    bool debug;      /* line tables to the source */
    bool share;      /* kernels alike (loop_alike.h) have one body */
    int parts;       /* 0 or 1: one module; else up to so many, made side by side on threads of their own: for objects only */
} EmitOptions;

enum { EMIT_PARTS_MAX = 4 };

typedef enum { EMIT_IR, EMIT_BITCODE, EMIT_ASSEMBLY, EMIT_OBJECT } CodeKind;
typedef struct Emitted Emitted;

/* Generates and optimises the module. `d` gives lines and columns for debugging (null: none). The program must have passed
 * loop_verify; it may have any number of lanes, LLVM splits vectors wider than the target's. It and `a` must outlive the module, which is freed with
 * emit_free. */
Emitted *emit_program(Arena *a, const Program *p, const Diag *d, const Target *target, const EmitOptions *options);
/* The module, which must be one, as text (with comments about the loops), bitcode, assembly or a position-independent object; appended to out. */
void emit_write(Emitted *e, CodeKind kind, Text *out);
/* The object of each part; returns how many there are. The caller frees the texts. The last use of modules that are more than one: code generation rewrites them. */
int emit_objects(Emitted *e, Text out[EMIT_PARTS_MAX]);
void emit_free(Emitted *e);

#endif
