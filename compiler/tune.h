/* tune.h: --tune: the forms that a network's convolutions can take, measured on this machine. */
#ifndef NETC_TUNE_H
#define NETC_TUNE_H

#include "emit_llvm.h"
#include "link.h"
#include "plan.h"

typedef struct TuneJob {
    Diag *diag;
    const Graph *graph;        /* with gradients; left as it is */
    const Target *target;
    PlanOptions plan;          /* as for the program that is wanted; without `tuned` */
    EmitOptions emit;
    LinkOptions link;
    double seconds;            /* for measuring, once all is compiled; one round takes what it takes */
} TuneJob;

/* Compiles the network once for each form and runs training steps of them in turn. Where a form of a pass is faster than what the planner would take, by
 * more than noise is, it goes into `tuned`; elsewhere the planner's own does. Says on stderr what it finds. EXIT_OK, or the code of what failed, after a
 * message. */
int tune_network(const TuneJob *job, Tuned *tuned);

#endif
