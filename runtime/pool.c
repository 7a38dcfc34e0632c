/* pool.c: a job is handed out task by task through one 64-bit ticket: the job's number above, the tasks not yet taken below.
 *
 * A worker takes a task by counting the ticket down with compare-and-swap. The job's number makes a swap fail that was
 * prepared for an earlier job, so whoever holds a task holds it of the job that is running, and that job cannot end
 * before the task is done: its description may be read without a lock, and a worker that comes late is not waited for.
 * `done` counts finished tasks; the caller returns when all are.
 *
 * Waiting: some thousand looks, then a condition variable. The one who sleeps first announces it and looks again; the one
 * who changes what is waited for first changes it and then looks for announcements (both sequentially consistent), so no wake-up is lost.
 * With more threads than processors nobody looks on while another could run: they sleep at once. */
#include "pool.h"
#include "fault.h"
#include "mem.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { LOOKS = 4000 };
static const uint64_t task_mask = 0xffffffffu;

typedef struct Worker { Pool *pool; int64_t number; pthread_t id; } Worker;

struct Pool {
    _Alignas(64) _Atomic uint64_t ticket; /* job << 32 | tasks left to take */
    _Alignas(64) _Atomic uint64_t done;   /* tasks finished of this job */
    _Alignas(64) _Atomic int sleepers;    /* workers asleep or about to be */
    _Atomic int caller_sleeps, stop;
    nrt_task_fn *fn;                      /* the job: written while no task is out */
    nrt_ctx *ctx;
    uint64_t tasks;
    int64_t first;                        /* number of the job's first task */
    int threads, looks;
    pthread_mutex_t lock;
    pthread_cond_t work, finished;
    Worker *workers;
};

static void pause_briefly(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

/* Takes and runs tasks until none is left to take. */
static void pool_work(Pool *p, int64_t number)
{
    uint64_t t = atomic_load(&p->ticket);
    while (t & task_mask) {
        uint64_t tasks;
        if (!atomic_compare_exchange_weak(&p->ticket, &t, t - 1))
            continue;
        tasks = p->tasks;
        p->fn(p->ctx, p->first + (int64_t)(tasks - (t & task_mask)), number);
        if (atomic_fetch_add(&p->done, 1) + 1 == tasks && atomic_load(&p->caller_sleeps)) {
            pthread_mutex_lock(&p->lock);
            pthread_cond_signal(&p->finished);
            pthread_mutex_unlock(&p->lock);
        }
        t = atomic_load(&p->ticket);
    }
}

static bool pool_idle(Pool *p)
{
    return !(atomic_load(&p->ticket) & task_mask) && !atomic_load(&p->stop);
}

static void pool_wait_work(Pool *p)
{
    for (int i = 0; i < p->looks; i++) {
        if (!pool_idle(p))
            return;
        pause_briefly();
    }
    pthread_mutex_lock(&p->lock);
    atomic_fetch_add(&p->sleepers, 1);
    while (pool_idle(p))
        pthread_cond_wait(&p->work, &p->lock);
    atomic_fetch_sub(&p->sleepers, 1);
    pthread_mutex_unlock(&p->lock);
}

static void pool_wait_done(Pool *p)
{
    for (int i = 0; i < p->looks; i++) {
        if (atomic_load(&p->done) == p->tasks)
            return;
        pause_briefly();
    }
    pthread_mutex_lock(&p->lock);
    atomic_store(&p->caller_sleeps, 1);
    while (atomic_load(&p->done) != p->tasks)
        pthread_cond_wait(&p->finished, &p->lock);
    atomic_store(&p->caller_sleeps, 0);
    pthread_mutex_unlock(&p->lock);
}

static void pool_wake(Pool *p)
{
    if (atomic_load(&p->sleepers) == 0)
        return;
    pthread_mutex_lock(&p->lock);
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->lock);
}

static void *worker_main(void *arg)
{
    Worker *w = arg;
    while (!atomic_load(&w->pool->stop)) {
        pool_work(w->pool, w->number);
        pool_wait_work(w->pool);
    }
    return NULL;
}

/* Tasks first .. first + n - 1, n < 2^32. */
static void pool_run(Pool *p, nrt_task_fn *fn, nrt_ctx *ctx, int64_t first, uint64_t n)
{
    uint64_t job = (atomic_load_explicit(&p->ticket, memory_order_relaxed) | task_mask) + 1;
    p->fn = fn;
    p->ctx = ctx;
    p->first = first;
    p->tasks = n;
    atomic_store(&p->done, 0);
    atomic_store(&p->ticket, job | n);
    pool_wake(p);
    pool_work(p, 0);
    pool_wait_done(p);
}

void nrt_parallel_for(nrt_task_fn *fn, nrt_ctx *ctx, int64_t tasks)
{
    Pool *p = ctx->pool;
    if (!p || p->threads == 1 || tasks == 1) {
        for (int64_t i = 0; i < tasks; i++)
            fn(ctx, i, 0);
        return;
    }
    for (int64_t first = 0; first < tasks; first += (int64_t)task_mask) {
        int64_t left = tasks - first;
        pool_run(p, fn, ctx, first, left < (int64_t)task_mask ? (uint64_t)left : task_mask);
    }
}

Pool *pool_new(int threads)
{
    size_t size = (sizeof(Pool) + 63) / 64 * 64;
    Pool *p = aligned_alloc(64, size);
    if (!p)
        die(EXIT_ENV, "out of memory for %d threads", threads);
    *p = (Pool){.threads = threads, .looks = threads > pool_processors() ? 0 : LOOKS};
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->work, NULL);
    pthread_cond_init(&p->finished, NULL);
    p->workers = mem_get((size_t)threads, sizeof *p->workers);
    for (int i = 1; i < threads; i++) {
        p->workers[i] = (Worker){.pool = p, .number = i};
        if (pthread_create(&p->workers[i].id, NULL, worker_main, &p->workers[i]) != 0)
            die(EXIT_ENV, "the system gave only %d of %d threads; use --threads", i, threads);
    }
    return p;
}

void pool_free(Pool *p)
{
    if (!p)
        return;
    atomic_store(&p->stop, 1);
    pthread_mutex_lock(&p->lock);
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->lock);
    for (int i = 1; i < p->threads; i++)
        pthread_join(p->workers[i].id, NULL);
    pthread_cond_destroy(&p->finished);
    pthread_cond_destroy(&p->work);
    pthread_mutex_destroy(&p->lock);
    free(p->workers);
    free(p);
}

int pool_threads(const Pool *p)
{
    return p->threads;
}

int pool_processors(void)
{
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return n < 1 ? 1 : n > POOL_MAX_THREADS ? POOL_MAX_THREADS : n;
}
