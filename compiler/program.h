/* program.h: the graph becomes a Program: both plans (step and infer), their kernels, segments and memory. */
#ifndef NETC_PROGRAM_H
#define NETC_PROGRAM_H

#include "plan.h"

#define PROGRAM_MAX_BYTES ((int64_t)1 << 39)

/* Lowers the training graph (or one without updates), to which it may add copies. The result passes loop_verify, unless an error is reported to diag: more memory
 * is needed than PROGRAM_MAX_BYTES. Kernels that cannot be made fast are reported as warnings ("slow"). diag may be null. */
Program *program_lower(Arena *a, Diag *diag, Graph *g, const PlanOptions *options);
/* For people: kernels segment by segment with algorithm, lanes, tiles, fused operators, FLOPs and bytes, and the arena. */
void program_print_plan(const Program *p, Text *out);

#endif
