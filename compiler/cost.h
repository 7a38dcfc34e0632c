/* cost.h: how long a kernel should take, predicted from its loops and from what it moves.
 *
 * The unit is the *slot*: the time in which a core at its peak does one multiply-add of vectors. A machine's peak, which `time` measures, turns
 * slots into seconds; so a prediction holds for every clock and every width of vectors, and where it does not hold is the place to look.
 *
 * Two limits are priced. *Work*: each straight run of statements takes as long as its multiply-adds, its loads, its stores or
 * the chain of its sums, whichever is longest, as often as the loops around say. *Memory*: each buffer that the kernel touches is read or written
 * once, at the rate of where it then is. Processors do the one while they wait for the other, but not wholly: the larger counts, and half of the
 * smaller (measured; docs/performance.md).
 */
#ifndef NETC_COST_H
#define NETC_COST_H

#include "loop.h"
#include "schedule.h"

/* Slots of the kernel's statements for its range [0, hi), of `blocks` lane blocks in all, `images` images. */
double cost_work(const Kernel *k, const Machine *m, int64_t hi, int64_t blocks, int64_t images);
/* Slots for moving `bytes`, where they lie among `among` bytes that are in use. */
double cost_memory(const Machine *m, double bytes, double among);

#endif
