/* pool.h: the threads behind nrt_parallel_for. The caller is worker 0; the others wait for work, first awake, then asleep. */
#ifndef POOL_H
#define POOL_H

#include "nrt.h"

enum { POOL_MAX_THREADS = 1024 };

typedef struct Pool Pool;

/* A pool of `threads` workers, 1 .. POOL_MAX_THREADS, the caller included. Ends the process with EXIT_ENV where the
 * system has no threads left. pool_free ends the threads. */
Pool *pool_new(int threads);
void pool_free(Pool *p);
int pool_threads(const Pool *p);
/* How many processors this process may run on. */
int pool_processors(void);

#endif
