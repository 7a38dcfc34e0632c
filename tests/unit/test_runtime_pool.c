/* The pool: every task once, for any number of threads, in quick succession and after sleep. */
#include "pool.h"
#include "runtime_test.h"

#include <stdatomic.h>

enum { TASKS = 5000 };

typedef struct Count { nrt_ctx ctx; _Atomic int runs[TASKS]; _Atomic int64_t worst_worker; } Count;

static void count_task(nrt_ctx *ctx, int64_t task, int64_t worker)
{
    Count *c = (Count *)(void *)ctx;
    c->runs[task]++;
    if (worker > c->worst_worker)
        c->worst_worker = worker;
}

static void run_jobs(int threads, int jobs, int pause_every)
{
    Count *c = calloc(1, sizeof *c);
    c->ctx.pool = pool_new(threads);
    for (int j = 1; j <= jobs; j++) {
        int64_t tasks = j * 37 % TASKS, wrong = 0; /* counted: an assertion of Check costs a system call */
        for (int64_t i = 0; i < tasks; i++)
            c->runs[i] = 0;
        nrt_parallel_for(count_task, &c->ctx, tasks);
        for (int64_t i = 0; i < tasks; i++)
            wrong += c->runs[i] != 1;
        ck_assert_int_eq(wrong, 0);
        if (pause_every && j % pause_every == 0)
            usleep(2000);
    }
    ck_assert_int_lt(c->worst_worker, threads);
    pool_free(c->ctx.pool);
    free(c);
}

START_TEST(test_every_task_once)
{
    static const int threads[] = {1, 2, 3, 7, 16};
    run_jobs(threads[_i], 1000, 0);
}
END_TEST

START_TEST(test_after_sleep)
{
    run_jobs(2, 200, 1);
    run_jobs(7, 100, 3);
}
END_TEST

static void short_task(nrt_ctx *ctx, int64_t task, int64_t worker)
{
    (void)worker;
    ctx->out[task * 16]++;
}

START_TEST(test_many_short_jobs)
{
    static float cells[4 * 16];
    nrt_ctx ctx = {.out = cells, .pool = pool_new(2)};
    for (int i = 0; i < 100000; i++)
        nrt_parallel_for(short_task, &ctx, 4);
    for (int i = 0; i < 4; i++)
        ck_assert(cells[i * 16] == 100000);
    pool_free(ctx.pool);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pool");
    TCase *c = tcase_create("pool");
    SRunner *r;
    int failed;
    tcase_set_timeout(c, 60);
    tcase_add_loop_test(c, test_every_task_once, 0, 5);
    tcase_add_test(c, test_after_sleep);
    tcase_add_test(c, test_many_short_jobs);
    suite_add_tcase(s, c);
    r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
