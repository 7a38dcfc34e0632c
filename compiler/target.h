/* target.h: the machine that code is generated for: its name, what it offers, and what of that the code will use.
 *
 * Processors of x86 are used through the four levels of the x86-64 psABI, those of AArch64 through the base architecture:
 * instructions come from the level alone, the processor's own name only tunes their order (a level's name: that of one that has it). So the list of features that a
 * trainer checks when it starts is short, and complete.
 */
#ifndef NETC_TARGET_H
#define NETC_TARGET_H

#include "base.h"

typedef struct Target {
    const char *triple;   /* "x86_64-pc-linux-gnu" */
    const char *cpu;      /* what instructions come from: "x86-64-v3", "generic" */
    const char *tune;     /* what instructions are ordered for: "znver3" */
    const char *features; /* comma-separated LLVM names that generated code may use and the base architecture lacks; "" */
    int lanes;            /* f32 in a vector: 16, 8 or 4 */
    int registers;        /* vector registers */
    int fmas;             /* multiply-adds of vectors that a core can begin in a cycle */
    bool fma;             /* has fused multiply-add; without, EXPR_FMA is a product and a sum */
    bool x86;
    bool host;            /* this machine's architecture: its linker makes executables for it */
    bool native;          /* this machine can run it */
} Target;

/* The target of `-march=` march (null: native, or the base level of a foreign triple) and `--target=` triple (null: this
 * machine). Returns null, and a message for the user in *error (arena text), for names that are not known. */
const Target *target_new(Arena *a, const char *march, const char *triple, const char **error);
/* Prints triples' architectures and the names for -march, as `--print-targets` shows them. */
void target_print(FILE *out);

#endif
