/* random_check.h: one network of records, compiled and compared with the evaluator, in a process of its own.
 *
 * At -O0 and -O2: output and losses of inference and of a training step; all that the step updates (weights, running statistics,
 * momentum); the gradients, got back from an update with a learning rate so large that the old weight is lost beside it; and all
 * bits again with one worker and with three threads. What is allowed is noise.h's.
 * Where a convolution can be Winograd's, the network is compiled a third time, with tiles of RandomNet's `tile`. That way's noise is
 * played through the graph that is really computed, of which float64 must say the same as of the network's own. Where arithmetic on whole numbers is exact, the step is
 * run on such numbers too, and must be equal to the bit.
 */
#ifndef RANDOM_CHECK_H
#define RANDOM_CHECK_H

#include "random_net.h"

typedef enum NetVerdict {
    NET_FINE,
    NET_DIFFERS, /* from the evaluator, or between threads */
    NET_CRASHES, /* the compiler or its code, or either hangs */
    NET_UNCLEAR  /* no numbers were found that keep clear of kinks and give output and gradients worth comparing: a fault of the test */
} NetVerdict;

/* A fault that is planted, so that a test can see the checker fail. */
typedef enum NetFault { FAULT_NONE, FAULT_WEIGHT, FAULT_INPUT, FAULT_NAN, FAULT_ZEROS, FAULT_REFERENCE, FAULT_RATE } NetFault;

typedef struct NetResult {
    NetVerdict verdict;
    int tries;        /* draws of numbers */
    int compared;     /* tensors */
    int vague;        /* of them: those that are not far from their noise, such as a gradient that cancels to zero */
    bool whole;       /* compared on whole numbers too */
    unsigned tiles;   /* of Winograd's way, bit by bit; 0: it has none */
    double worst, worst_tiled; /* largest |error| / noise of direct sums and of Winograd's: allowed is NOISE_LIMIT */
    char where[200];  /* the larger was met */
    char why[400];
} NetResult;

/* In this process, which may end on the way. */
NetResult net_check(const RandomNet *net, NetFault fault);
/* In a child; with `quiet`, what the child says on stderr is dropped. */
NetResult net_check_apart(const RandomNet *net, NetFault fault, bool quiet);

#endif
