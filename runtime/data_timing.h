/* data_timing.h: can the data keep up with the steps? For `time`. */
#ifndef DATA_TIMING_H
#define DATA_TIMING_H

#include "machine.h"
#include "options.h"

typedef struct DataTiming {
    double images_per_s; /* that the loader makes when nobody else works: reads, decodes, resizes, scales */
    double wait_s;       /* for which a training step waits for its batch, on average; 0: the data keeps up */
} DataTiming;

/* Takes the network's training data (--data, or where it is looked for otherwise) through the loader, once alone and once with
 * training steps, which change the weights. At most 21 batches of it are read, and the first of each walk is not counted. False
 * with a Fault where the data cannot be read, or has less than two batches. */
bool data_timing(Machine *k, const Options *o, DataTiming *out, Fault *f);

#endif
