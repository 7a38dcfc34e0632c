/* fuzz.h: what the fuzzing harnesses share. Each fuzz_NAME.c defines LLVMFuzzerTestOneInput, which takes any bytes and must come back:
 * a crash, an exit (base_bug's, too), a report of a sanitizer, or an abort of fuzz_check is a finding. No state is left between inputs.
 */
#ifndef NETC_FUZZ_H
#define NETC_FUZZ_H

#include <stddef.h>
#include <stdint.h>

#include "graph.h"
#include "loop.h"
#include "plan.h"

/* libFuzzer's entry, which replay.c calls, too. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

/* One input's memory and messages. */
typedef struct Fuzz {
    Arena *arena;
    Diag *diag;
    int file; /* the input in the Diag */
} Fuzz;

/* The input as a file named `path`. */
Fuzz fuzz_open(const char *path, const uint8_t *bytes, size_t n);
/* Prints all messages, as text and as JSON, to nowhere; frees everything. */
void fuzz_close(Fuzz *f);
/* Ends the process where a promise of the code is broken; says which. */
void fuzz_check(bool good, const char *what);
/* fuzz_check that a verifier has nothing to say. */
void fuzz_verified(const char *error);
/* The machine that code is made for: the same wherever this runs. */
const Target *fuzz_target(Arena *a);
/* What was printed is parsed and printed again: the same text. */
void fuzz_graph_again(const Graph *g);
void fuzz_loops_again(const Program *p);
/* Inference and gradients join the graph, which goes on to a plan, to loops and through their text, where it is small. */
void fuzz_compile(Fuzz *f, Graph *g);

#endif
